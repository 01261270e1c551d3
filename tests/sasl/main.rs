//! SASL towards clients: Apache ZooKeeper 3.9.5 and ours on the same JAAS files, asked by the same clients.
//!
//! * [`raw`]: tokens by hand, honest and not
//! * [`outcomes`]: what each kind of token is answered, and what is proven by it, side by side
//! * [`rules`]: what settings make of it: who must prove what, who may fail, super users, names
//! * [`clients`]: Java's command line, kazoo, rk
//! * [`members`]: an ensemble, several cores
//! * [`servers`]: between servers
//!
//! `RK_TEST_SERVER=java` puts Java in the place of ours.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "clients' stores are among them")]
#[path = "../tls/pki.rs"]
mod pki;
#[path = "../quorum_tls/stores.rs"]
mod stores;

mod clients;
mod members;
mod outcomes;
mod raw;
mod rules;
mod servers;

use std::path::{Path, PathBuf};

use support::scratch;
use support::server::{Kind, Server};

const DIGEST: &str = "org.apache.zookeeper.server.auth.DigestLoginModule required";
const PROVIDER: (&str, &str) =
    ("authProvider.sasl", "org.apache.zookeeper.server.auth.SASLAuthenticationProvider");

/// Users of every test: a Java and a Python client read the same names.
fn server_section(name: &str) -> String {
    format!(
        "{name} {{\n  {DIGEST}\n  user_super=\"adminsecret\"\n  user_bob=\"bob's \\\"secret\\\"\"\n  \
         user_ops=\"ops\" // an operator\n  \"user_zk/host@HOME\"=\"keytab\";\n}};\n"
    )
}

fn client_section(user: &str, password: &str) -> String {
    format!("Client {{\n  {DIGEST}\n  username=\"{user}\"\n  password=\"{password}\";\n}};\n")
}

fn jaas(folder: &Path, name: &str, text: &str) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A server with those users and these settings besides.
fn start(kind: Kind, name: &str, settings: &[(&str, &str)]) -> Server {
    let folder = scratch(&format!("sasl/{name}-{kind:?}"));
    let file = jaas(&folder, "jaas.conf", &server_section("Server")).display().to_string();
    let mut all = vec![("java.security.auth.login.config", file.as_str()), PROVIDER];
    all.extend_from_slice(settings);
    Server::start(kind, &folder, &all)
}

/// What both servers make of it.
fn both(
    name: &str,
    settings: &[(&str, &str)],
    told: impl Fn(&Server) -> Vec<String>,
) -> Vec<String> {
    let java = told(&start(Kind::Java, name, settings));
    let ours = told(&start(Kind::under_test(), &format!("{name}-ours"), settings));
    assert_eq!(ours, java, "ours and Java's");
    java
}
