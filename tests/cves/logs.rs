//! What a server writes into its log of what clients send.

use crate::serving;
use crate::support::client::{Handshake, Session};
use crate::support::scratch;
use crate::support::server::{Kind, Server, free_port, super_settings};
use crate::support::wire::{OPEN, Out};

/// A server of ours that logs all it can.
fn talkative(name: &str) -> Server {
    let wrapper = ["env".to_owned(), "RINGKEEPER_LOG=trace".to_owned()];
    let folder = scratch(&format!("cves/{name}"));
    let port = free_port();
    serving(Server::spawn_under(&wrapper, Kind::Ringkeeper, &folder, &[super_settings()], port))
}

#[test]
fn cve_2026_24308_no_secret_is_logged() {
    // Goal: at the level that tells most, no password that a client proves itself with, no data of a node
    // and no session's password is in the log; nor is what the configuration keeps secret.
    let mut server = talkative("secrets");
    let mut session = Session::open(server.port, 30_000);
    assert_eq!(session.auth("digest", "super:secret"), 0);
    assert_eq!(session.auth("digest", "alice:hunter2-alices"), 0);
    let body = Out::new().str("/n").buffer(Some(b"hunter2-data")).acls(Some(OPEN)).i32(0);
    assert_eq!(session.call(1, body).err, 0);
    let mut other = Session::open(server.port, 30_000);
    assert_eq!(other.auth("super", "hunter2-refused"), -115);
    let mut wrong = Handshake::resume(&session.grant, 30_000);
    wrong.password = Some(b"hunter2-password".to_vec());
    server.connect().handshake(&wrong);
    server.terminate();
    let log = server.log();
    assert!(log.contains("authentication by"), "nothing of it was logged:\n{log}");
    let password: String =
        session.grant.password.iter().map(|byte| format!("{byte:02x}")).collect();
    for secret in ["hunter2", "super:secret", "lK75jTNcA+U9vtVEw5vB51mj/w4=", &password] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn cve_2026_84501_nobody_writes_lines_of_the_log() {
    // Goal: what a stranger sends stands within the line that tells of it, whatever ends a line.
    let mut server = talkative("lines");
    let forged = "\nFORGED\r\u{85}\u{2028}\u{1b}[2J\u{8}";
    let mut session = Session::open(server.port, 30_000);
    assert_eq!(session.auth(&format!("x{forged}"), &format!("user{forged}:x{forged}")), -115);
    let mut session = Session::open(server.port, 30_000);
    assert_eq!(session.auth("digest", &format!("user{forged}:x{forged}")), 0);
    assert_eq!(session.create(&format!("/a{forged}"), b""), -8);
    assert_eq!(session.get(&format!("/b{forged}")), Err(-101));
    session.close();
    server.terminate();
    let log = server.log();
    assert!(log.contains("FORGED"), "nothing of it was logged:\n{log}");
    let ends = |c: char| c == '\u{2028}' || c.is_control() && c != '\n';
    assert!(!log.contains(ends), "{log:?}");
    assert!(!log.lines().any(|line| line.starts_with("FORGED")), "{log}");
}
