//! TLS towards clients: Apache ZooKeeper 3.9.5 and ours on the same stores, asked by the same clients.
//!
//! * [`pki`]: authorities, certificates and stores, made by OpenSSL and keytool
//! * [`raw`]: a session's frames over TLS, and who the server says that one is
//! * [`outcomes`]: who is let in, by which certificate, version and suite; kinds of stores
//! * [`clients`]: Java's client and command line, kazoo
//! * [`ports`]: one port for both, four-letter words, a server without another port
//! * [`plane`]: the admin server and the page of metrics, by curl
//! * [`refused`]: lists of revoked certificates, and clients' addresses
//! * [`resumption`]: sessions that are taken up again, on several cores
//! * [`renewal`]: stores that change under live sessions
//! * [`shell`]: the command line, `rk`
//! * [`turns`]: what handshakes may cost a core
//! * [`hostile`]: bytes that are no TLS, or break it, end one connection
//!
//! `RK_TEST_SERVER=java` puts Java in the place of ours.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod hostile;
mod outcomes;
mod pki;
mod plane;
mod ports;
mod raw;
mod refused;
mod renewal;
mod resumption;
mod shell;
mod turns;

use support::scratch;
use support::server::{Kind, Server, free_port};

/// A server with a port for TLS alone beside its other one.
struct Secure {
    server: Server,
    port: u16,
}

/// Starts one with such stores and settings.
fn start(kind: Kind, name: &str, settings: &[(&str, String)]) -> Secure {
    let port = free_port();
    let port_text = port.to_string();
    let mut all = vec![("secureClientPort", port_text.as_str())];
    all.extend(settings.iter().map(|(key, value)| (*key, value.as_str())));
    // Java's other factory knows no TLS.
    if kind == Kind::Java {
        all.push(("serverCnxnFactory", "org.apache.zookeeper.server.NettyServerCnxnFactory"));
    }
    let folder = scratch(&format!("tls/{name}-{kind:?}"));
    let mut server = Server::start(kind, &folder, &all);
    // Java opens one port after the other; connecting is the question whether this one is open.
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(server.is_running(), "{}", server.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Secure { server, port }
}
