//! Clients that others wrote, over TLS.

use std::process::Command;

use crate::pki::{PASSWORD, pki, stores};
use crate::start;
use crate::support::server::{Kind, zookeeper_jars};
use crate::support::shell::Shell;
use crate::support::{python, root};

/// Java's command line, which has Java's client below it, with its own stores.
fn zkcli(port: u16, kind: &str) -> Command {
    let ssl = |key: &str, value: &str| format!("-Dzookeeper.ssl.{key}={value}");
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.args([
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
        "-Dzookeeper.client.secure=true",
        "-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty",
    ]);
    command.args([
        ssl("keyStore.location", &pki().text(&format!("client.{kind}"))),
        ssl("keyStore.password", PASSWORD),
        ssl("trustStore.location", &pki().text(&format!("trust.{kind}"))),
        ssl("trustStore.password", PASSWORD),
    ]);
    command.arg("-cp").arg(zookeeper_jars()).arg("org.apache.zookeeper.ZooKeeperMain");
    // The server's name is verified: its certificate has it.
    command.args(["-server", &format!("localhost:{port}")]);
    command
}

const COMMANDS: &[&str] = &[
    "create /tls one",
    "get /tls",
    "create -e /mine x auth:x:cdrwa",
    "getAcl /mine",
    "whoami",
    "addauth x509 anything",
    "create /listed x x509:CN=other:r",
    "getAcl /listed",
    "get /listed",
    "setAcl /tls x509:nonsense:r",
    "ls /",
    "getEphemerals",
];

fn transcript(kind: Kind, store: &str) -> Vec<String> {
    let settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    let secure = start(kind, &format!("zkcli-{store}"), &settings);
    let mut shell = Shell::open(zkcli(secure.port, store), secure.port);
    let mut lines = Vec::new();
    for command in COMMANDS {
        lines.push(format!("> {command}"));
        let mut printed = shell.run(command);
        // A connection's ids come in the order of a hash table.
        printed.sort();
        lines.extend(printed);
    }
    shell.quit();
    lines
}

#[test]
fn javas_client_prints_over_tls_what_it_prints_against_java() {
    // Goal: zkCli with Netty and its own stores: sessions, lists of x509 and who one is, line for line.
    for store in ["jks", "p12"] {
        let java = transcript(Kind::Java, store);
        assert_eq!(transcript(Kind::under_test(), store), java);
        let name = "x509: CN=client,O=Ringkeeper,C=DE";
        assert!(java.iter().any(|line| line.contains(name)), "{java:#?}");
    }
}

#[test]
fn kazoo_has_a_session_over_tls() {
    // Goal: kazoo, over Python's own TLS: watches, a lock, an answer of many records.
    let settings = stores(&pki().path("server.p12"), &pki().path("trust.p12"));
    let secure = start(Kind::under_test(), "kazoo", &settings);
    let output = Command::new(python())
        .arg(root().join("tests/tls/kazoo_session.py"))
        .arg(format!("127.0.0.1:{}", secure.port))
        .args(["client.pem", "client.key.pem", "ca.pem"].map(|name| pki().path(name)))
        .output()
        .unwrap();
    let (printed, said) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    let printed = String::from_utf8(printed).unwrap();
    assert_eq!(printed, "data 500000\nlocked\nchildren 200\nevents CHANGED\n", "{said}");
}
