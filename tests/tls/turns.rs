//! What handshakes may cost a core.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringkeeper::net::{Net, NetSettings, Security};
use ringkeeper::tls::files::{Password, Sources, StoreFile, load};
use ringkeeper::tls::{ClientAuth, Current, Options, StoreKind, Version};
use ringkeeper::types::limits::HANDSHAKES_PER_TURN;

use crate::hostile::first_flight;
use crate::pki::pki;

const CLIENTS: usize = 5 * HANDSHAKES_PER_TURN;

fn transport() -> Net {
    let key_store = StoreFile {
        key: "ssl.keyStore".to_owned(),
        path: pki().path("server.store.pem"),
        kind: StoreKind::Pem,
        password: Password::None,
    };
    let options = Options {
        client_auth: ClientAuth::None,
        versions: vec![Version::Tls13],
        suites: None,
        checks_address: false,
        dials: None,
    };
    let sources = Sources { key_store, trust_store: None, revoked: None, options };
    let mut net = Net::new(NetSettings::default()).unwrap();
    net.serve_tls(Arc::new(Current::new(load(&sources).unwrap())));
    net
}

#[test]
fn a_flood_of_handshakes_has_its_share_of_a_turn() {
    // Goal: forty clients ask for a handshake at once: no turn answers more than its eight, and all are
    // answered in the end.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut net = transport();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, peer) = listener.accept().unwrap();
        net.adopt_secured(OwnedFd::from(socket), peer, Security::Tls);
        client.set_nonblocking(true).unwrap();
        clients.push(client);
    }
    let flight = first_flight();
    clients.iter_mut().for_each(|client| client.write_all(&flight).unwrap());
    let (mut answered, mut events) = (0, Vec::new());
    let deadline = Instant::now() + Duration::from_secs(60);
    while answered < CLIENTS {
        net.turn(Some(Duration::ZERO), &mut events).unwrap();
        events.clear();
        let before = answered;
        clients.retain_mut(|client| client.read(&mut [0; 4096]).is_err());
        answered = CLIENTS - clients.len();
        let more = answered - before;
        assert!(more <= HANDSHAKES_PER_TURN, "{more} handshakes in one turn");
        assert!(Instant::now() < deadline, "{answered} of {CLIENTS} answered");
    }
}
