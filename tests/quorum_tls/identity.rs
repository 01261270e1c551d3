//! Which certificates are believed, on the transport alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringkeeper::net::{CloseReason, ConnOptions, Net, NetEvent, NetSettings, Security};
use ringkeeper::tls::files::{Password, RevokedFile, Secret, Sources, StoreFile, load};
use ringkeeper::tls::{ClientAuth, Current, Dials, Failure, Options, StoreKind, Version};

use crate::pki::{PASSWORD, pki};

/// A server, as far as TLS knows it.
#[derive(Clone)]
pub(crate) struct Side {
    /// Its key.
    pub name: &'static str,
    pub checks_name: bool,
    pub checks_address: bool,
    pub versions: Vec<Version>,
    pub revoked: Option<&'static str>,
}

impl Side {
    pub(crate) fn good() -> Side {
        let versions = vec![Version::Tls12, Version::Tls13];
        Side { name: "server", checks_name: true, checks_address: true, versions, revoked: None }
    }

    fn with(name: &'static str) -> Side {
        Side { name, ..Side::good() }
    }

    fn unchecking(self) -> Side {
        Side { checks_name: false, checks_address: false, ..self }
    }
}

pub(crate) fn current(side: &Side) -> Arc<Current> {
    let store = |key: &str, name: String| StoreFile {
        key: key.to_owned(),
        path: pki().path(&name),
        kind: StoreKind::Java,
        password: Password::Given(Secret(PASSWORD.to_owned())),
    };
    let sources = Sources {
        key_store: store("ssl.quorum.keyStore", format!("{}.p12", side.name)),
        trust_store: Some(store("ssl.quorum.trustStore", "trust.p12".to_owned())),
        revoked: side.revoked.map(|name| RevokedFile { key: "crl", path: pki().path(name) }),
        options: Options {
            client_auth: ClientAuth::Need,
            versions: side.versions.clone(),
            suites: None,
            checks_address: side.checks_address,
            dials: Some(Dials { checks_name: side.checks_name }),
        },
    };
    Arc::new(Current::new(load(&sources).unwrap()))
}

const OPTIONS: ConnOptions =
    ConnOptions { keepalive: None, dead_after: None, outbound_close: 1 << 24 };

/// Why the session failed at the dialer's end and at the other's; `None`: it did not.
fn meet(dialer: &Side, acceptor: &Side, host: &str, hosts: &[&str]) -> [Option<Failure>; 2] {
    let mut nets = [dialer, acceptor].map(|side| {
        let mut net = Net::new(NetSettings::default()).unwrap();
        net.serve_peer_tls(current(side));
        net.name_peers(hosts.iter().map(|host| (*host).to_owned()).collect());
        net
    });
    let at = nets[1].listen_for_servers("127.0.0.1:0".parse().unwrap(), 16, Security::Tls).unwrap();
    nets[0].connect_secured(at, Duration::from_secs(20), &OPTIONS, host).unwrap();
    let (mut ended, mut heard) = ([None, None], false);
    let began = Instant::now();
    // Either both have ended, or a byte has come through and nobody has ended it.
    while !((heard && ended == [None, None]) || (ended[0].is_some() && ended[1].is_some())) {
        assert!(began.elapsed() < Duration::from_secs(20), "{ended:?}");
        for (end, net) in nets.iter_mut().enumerate() {
            let mut events = Vec::new();
            net.turn(Some(Duration::from_millis(1)), &mut events).unwrap();
            for event in events {
                match event {
                    NetEvent::Accepted { fd, peer, security, .. } => {
                        net.adopt_peer(fd, peer, &OPTIONS, security);
                    }
                    NetEvent::Connected(conn) => {
                        net.output(conn).unwrap().extend_from_slice(b"hello");
                    }
                    NetEvent::Received(conn) => {
                        assert_eq!((end, net.input(conn)), (1, &b"hello"[..]));
                        heard = true;
                    }
                    NetEvent::Ended(conn) => net.close(conn, ringkeeper::net::How::AfterFlush),
                    NetEvent::Closed(_, reason) => ended[end] = Some(reason),
                    NetEvent::Drained(_) | NetEvent::Woken => {}
                }
            }
        }
    }
    ended.map(|reason| match reason {
        Some(CloseReason::Tls(Failure::Refused(_))) | None => None,
        Some(CloseReason::Tls(failure)) => Some(failure),
        // The other end's doing.
        Some(_) => None,
    })
}

#[test]
fn certificates_must_be_of_the_authority_and_name_their_server() {
    // Goal: who is believed, as dialer and as acceptor; by host, by address, by a host of the ensemble's.
    let (good, none) = (Side::good(), [None, None]);
    let at = |failure: Failure, end: usize| {
        let mut both = [None, None];
        both[end] = Some(failure);
        both
    };
    assert_eq!(meet(&good, &good, "localhost", &[]), none);
    assert_eq!(meet(&good, &good, "127.0.0.1", &[]), none);
    // The address is named, if not the host.
    assert_eq!(meet(&good, &good, "some.where", &[]), none);
    let stranger = Side::with("stranger");
    assert_eq!(meet(&good, &stranger, "localhost", &[])[0], Some(Failure::UnknownAuthority));
    assert_eq!(meet(&stranger, &good, "localhost", &[]), at(Failure::UnknownAuthority, 1));
    let elsewhere = Side::with("elsewhere");
    assert_eq!(meet(&good, &elsewhere, "localhost", &[]), at(Failure::NotItsName, 0));
    assert_eq!(meet(&good, &elsewhere, "elsewhere.test", &[]), none);
    assert_eq!(meet(&good.clone().unchecking(), &elsewhere, "localhost", &[]), none);
    assert_eq!(meet(&elsewhere, &good, "localhost", &["other.test"]), at(Failure::NotItsName, 1));
    assert_eq!(meet(&elsewhere, &good, "localhost", &["x", "elsewhere.test"]), none);
    assert_eq!(meet(&elsewhere, &good.clone().unchecking(), "localhost", &[]), none);
    let expired = Side::with("expired");
    assert_eq!(meet(&good, &expired, "localhost", &[])[0], Some(Failure::OutOfDate));
    assert_eq!(meet(&expired, &good, "localhost", &[]), at(Failure::OutOfDate, 1));
    // One that stands in the trust store itself needs no authority, but a name.
    let alone = Side::with("alone");
    assert_eq!(meet(&good, &alone, "localhost", &[]), at(Failure::NotItsName, 0));
    assert_eq!(meet(&good.clone().unchecking(), &alone, "localhost", &[]), none);
}

#[test]
fn versions_must_meet_and_revoked_certificates_are_refused() {
    // Goal: either version between servers, none in common, and a list that names one of the servers.
    let good = Side::good();
    let only = |version| Side { versions: vec![version], ..Side::good() };
    for version in [Version::Tls12, Version::Tls13] {
        assert_eq!(meet(&only(version), &good, "localhost", &[]), [None, None]);
        assert_eq!(meet(&good, &only(version), "localhost", &[]), [None, None]);
    }
    let apart = meet(&only(Version::Tls12), &only(Version::Tls13), "localhost", &[]);
    assert_eq!(apart[1], Some(Failure::NothingInCommon));
    let lists = Side { revoked: Some("ca.crl.pem"), ..Side::good() };
    assert_eq!(meet(&lists, &lists, "localhost", &[]), [None, None]);
    let revoked = Side::with("revoked");
    assert_eq!(meet(&good, &revoked, "localhost", &[]), [None, None]);
    assert_eq!(meet(&lists, &revoked, "localhost", &[])[0], Some(Failure::Revoked));
    assert_eq!(meet(&revoked, &lists, "localhost", &[])[1], Some(Failure::Revoked));
}

#[test]
fn a_port_that_takes_both_goes_by_the_first_byte() {
    // Goal: portUnification: plain bytes are a role's, a handshake is a session; a port for TLS alone
    // takes no plain byte.
    for (security, taken) in [(Security::Either, true), (Security::Tls, false)] {
        let mut net = Net::new(NetSettings::default()).unwrap();
        net.serve_peer_tls(current(&Side::good()));
        let at = net.listen_for_servers("127.0.0.1:0".parse().unwrap(), 16, security).unwrap();
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(b"\x00\x00\x00\x0bplain").unwrap();
        let (mut events, mut outcome) = (Vec::new(), None);
        let began = Instant::now();
        while outcome.is_none() {
            assert!(began.elapsed() < Duration::from_secs(20));
            net.turn(Some(Duration::from_millis(1)), &mut events).unwrap();
            for event in events.drain(..) {
                match event {
                    NetEvent::Accepted { fd, peer, security, .. } => {
                        net.adopt_peer(fd, peer, &OPTIONS, security);
                    }
                    NetEvent::Received(conn) => {
                        assert!(net.input(conn).ends_with(b"plain") && !net.is_secure(conn));
                        outcome = Some(true);
                    }
                    NetEvent::Closed(_, reason) => {
                        assert_eq!(reason, CloseReason::Tls(Failure::Broken));
                        outcome = Some(false);
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(outcome, Some(taken));
        if !taken {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut said = Vec::new();
            let reading = std::thread::spawn(move || stream.read_to_end(&mut said).map(|_| said));
            while !reading.is_finished() {
                net.turn(Some(Duration::from_millis(1)), &mut events).unwrap();
                events.clear();
            }
            // An alert, and the end: nothing of a role's.
            let said = reading.join().unwrap().unwrap_or_default();
            assert!(said.len() < 16 && said.first().is_none_or(|kind| *kind == 21), "{said:?}");
        }
    }
}

#[test]
fn a_handshake_that_does_not_go_on_is_ended() {
    // Goal: another server has its own time for a handshake, from its first byte on, whatever its role
    // would wait for.
    let short = NetSettings {
        handshake: Duration::from_secs(3600),
        peer_handshake: Duration::from_millis(100),
        ..NetSettings::default()
    };
    let mut net = Net::new(short).unwrap();
    net.serve_peer_tls(current(&Side::good()));
    let any = "127.0.0.1:0".parse().unwrap();
    let at = net.listen_for_servers(any, 16, Security::Tls).unwrap();
    let mut half = TcpStream::connect(at).unwrap();
    // The head of a handshake's record, and little of what it promises.
    half.write_all(&[22, 3, 1, 2, 0, 1, 0]).unwrap();
    let (mut events, mut ended, began) = (Vec::new(), None, Instant::now());
    while ended.is_none() {
        assert!(began.elapsed() < Duration::from_secs(20), "it is waited for");
        net.turn(Some(Duration::from_millis(10)), &mut events).unwrap();
        for event in events.drain(..) {
            match event {
                NetEvent::Accepted { fd, peer, security, .. } => {
                    net.adopt_peer(fd, peer, &OPTIONS, security);
                }
                NetEvent::Closed(_, reason) => ended = Some(reason),
                _ => {}
            }
        }
    }
    assert_eq!(ended, Some(CloseReason::Tls(Failure::TooSlow)));
}
