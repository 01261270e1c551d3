//! Who is no member, or is one with the wrong papers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::mixtures::plan;
use crate::support::client::Session;
use crate::support::ensemble::{Ensemble, Role};
use crate::{s_client, stores};

#[test]
fn a_member_with_the_wrong_certificate_or_name_stays_outside() {
    // Goal: a third member whose certificate is of another authority, or names another host, or that
    // speaks without TLS, is let in nowhere, and the log of the others says why; the two serve all the
    // while, and with the right one it is let in. Names are compared whatever the mode (CVE-2026-59969).
    let mut ensemble = Ensemble::start("quorum_tls/wrong", &plan("RRR"));
    ensemble.make_leader(2);
    let mut session = Session::open(ensemble.port(2), 30_000);
    let wrong = [
        ("stranger", "true", "its certificate is of no authority in the trust store"),
        ("elsewhere", "true", "its certificate names neither the address nor the host"),
        ("server", "false", "what it sent is not TLS"),
    ];
    for (at, (name, ssl, why)) in wrong.iter().enumerate() {
        ensemble.member(3).kill();
        stores(name).iter().for_each(|(key, value)| ensemble.member(3).set(key, value));
        ensemble.member(3).set("sslQuorum", ssl);
        let before: Vec<usize> = logs(&ensemble).iter().map(String::len).collect();
        ensemble.member(3).spawn();
        // Each of the two has turned it away, by a line of its own.
        let deadline = Instant::now() + Duration::from_secs(60);
        while !logs(&ensemble).iter().zip(&before).all(|(log, before)| log[*before..].contains(why))
        {
            assert!(Instant::now() < deadline, "{name}: not said\n{}", ensemble.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
        let role = ensemble.member(3).role();
        assert!(matches!(role, Role::Looking | Role::Silent), "{name}: {role:?}");
        assert_eq!(session.create(&format!("/without-{at}"), b"x"), 0, "{name}");
        assert_eq!(ensemble.leader(), Some(2), "{name}");
    }
    ensemble.member(3).kill();
    stores("server").iter().for_each(|(key, value)| ensemble.member(3).set(key, value));
    ensemble.member(3).set("sslQuorum", "true");
    ensemble.member(3).spawn();
    ensemble.wait_all();
    ensemble.assert_equal_trees("the third is back");
}

/// Of members 1 and 2.
fn logs(ensemble: &Ensemble) -> [String; 2] {
    [0, 1].map(|at| ensemble.members[at].log())
}

/// The first bytes of a handshake, as OpenSSL sends them.
fn half_a_handshake() -> Vec<u8> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asking = std::thread::spawn(move || s_client(port, &[]));
    let (mut socket, _) = listener.accept().unwrap();
    let mut bytes = vec![0; 4096];
    let read = socket.read(&mut bytes).unwrap();
    drop(socket);
    asking.join().unwrap();
    bytes.truncate(read);
    bytes
}

#[test]
fn silence_halves_and_garbage_cost_nobody_an_election() {
    // Goal: hundreds of connections at both ports that say nothing, or half of a handshake, or no
    // handshake at all, and stay: a leader is lost and another elected meanwhile, a member comes back,
    // and what does not go on with its handshake is ended.
    let plan = plan("RRR").set("ssl.quorum.handshakeDetectionTimeoutMillis", "2000");
    let mut ensemble = Ensemble::start("quorum_tls/strangers", &plan);
    let leader = ensemble.wait_all();
    let hello = half_a_handshake();
    let said: [&[u8]; 4] = [b"", &hello[..hello.len() / 2], &hello, b"GET / HTTP/1.1\r\n\r\n"];
    let ports: Vec<u16> = ensemble.members.iter().flat_map(|member| member.peer_ports()).collect();
    let mut strangers = Vec::new();
    for _ in 0..30 {
        for port in &ports {
            for said in said {
                let Ok(mut stream) = TcpStream::connect(("127.0.0.1", *port)) else { continue };
                // It may be ended already.
                let _ = stream.write_all(said);
                strangers.push((stream, said.len()));
            }
        }
    }
    assert!(strangers.len() > 300, "{} strangers", strangers.len());
    ensemble.member(leader).kill();
    let next = ensemble.wait_all();
    assert_ne!(next, leader);
    let mut session = Session::open(ensemble.port(next), 30_000);
    assert_eq!(session.create("/elected", b"x"), 0);
    ensemble.member(leader).spawn();
    ensemble.wait_all();
    ensemble.assert_equal_trees("among strangers");
    // And at the new leader's port for learners.
    let [quorum, _] = ensemble.member(next).peer_ports();
    let mut half = TcpStream::connect(("127.0.0.1", quorum)).unwrap();
    half.write_all(&hello[..hello.len() / 2]).unwrap();
    strangers.push((half, hello.len() / 2));
    // Every one that has said something is ended, in its time.
    for (stream, _) in strangers.iter_mut().filter(|(_, said)| *said > 0) {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        let waits = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!ended.as_ref().is_err_and(waits), "a stranger is waited for");
    }
}
