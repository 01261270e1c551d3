//! Sessions that are taken up again, by OpenSSL's client, on several network cores.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::pki::{pki, stores};
use crate::raw::{Raw, config};
use crate::start;
use crate::support::scratch;
use crate::support::server::Kind;
use crate::support::wire::{OPEN, Out};

/// Asks `ruok` over TLS; what OpenSSL says of the session, with the answer.
fn s_client(port: u16, version: &str, session: &str, file: &Path) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), version, "-CAfile", "ca.pem"])
        .args(["-cert", "client.pem", "-key", "client.key.pem", session])
        .arg(file)
        .current_dir(&pki().folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    // It stays open until the server ends the connection: tickets come behind the handshake.
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"ruok").unwrap();
    input.flush().unwrap();
    let (mut said, mut rest) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
    drop(input);
    child.wait().unwrap();
    said + &rest
}

#[test]
fn sessions_are_resumed_whichever_core_they_come_to() {
    // Goal: TLS 1.3 and 1.2: a session is taken up by its ticket, again and again, by whichever of several
    // network cores; a restart's new key means a new handshake, not a failure.
    let mut settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    settings.push(("ringkeeper.cores.network", "x3".to_owned()));
    let secure = start(Kind::Ringkeeper, "resumption", &settings);
    let folder = scratch("tls/resumption-sessions");
    for (version, name) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let file = folder.join(name);
        let first = s_client(secure.port, version, "-sess_out", &file);
        assert!(first.contains("imok") && first.contains(&format!("New, {name}")), "{first}");
        for _ in 0..6 {
            let again = s_client(secure.port, version, "-sess_in", &file);
            assert!(again.contains("imok"), "{again}");
            assert!(again.contains(&format!("Reused, {name}")), "{again}");
        }
    }
    let other = start(Kind::Ringkeeper, "resumption-other", &settings);
    let file = folder.join("TLSv1.3");
    let anew = s_client(other.port, "-tls1_3", "-sess_in", &file);
    assert!(anew.contains("imok") && anew.contains("New, TLSv1.3"), "{anew}");
}

#[test]
fn every_core_serves_sessions_under_tls() {
    // Goal: several network cores: each connection has its own session and identity, whichever core it is
    // with, and what one writes the others read.
    let mut settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    settings.push(("ringkeeper.cores.network", "x3".to_owned()));
    let secure = start(Kind::Ringkeeper, "cores", &settings);
    let names = ["client", "odd", "alone"];
    let mut clients: Vec<Raw> = (0..12)
        .map(|at| Raw::session(secure.port, &config(Some(names[at % 3]))).unwrap())
        .collect();
    for at in 0..clients.len() {
        let path = format!("/by-{at}");
        let body = Out::new().str(&path).buffer(Some(&[7; 100_000])).acls(Some(OPEN)).i32(0);
        assert_eq!(clients[at].call(1, body).err, 0);
        let other = (at + 5) % clients.len();
        assert_eq!(clients[other].call(9, Out::new().str(&path)).err, 0, "a sync");
        let read = clients[other].call(4, Out::new().str(&path).bool(false));
        assert!(read.err == 0 && read.body.len() > 100_000);
    }
    let subjects: Vec<Vec<(String, String)>> = clients.iter_mut().map(|raw| raw.who()).collect();
    for (at, who) in subjects.iter().enumerate() {
        assert_eq!(who, &subjects[at % 3]);
        assert!(who.iter().any(|(scheme, _)| scheme == "x509"), "{who:?}");
    }
    assert!(subjects[0] != subjects[1] && subjects[1] != subjects[2]);
}
