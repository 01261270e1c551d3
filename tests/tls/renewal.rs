//! Certificates that are renewed under live sessions.

use std::fs;
use std::time::{Duration, Instant};

use crate::pki::{pki, stores};
use crate::raw::{Raw, config};
use crate::start;
use crate::support::scratch;
use crate::support::server::Kind;
use crate::support::wire::{OPEN, Out};

#[test]
fn new_stores_are_for_new_handshakes_and_a_bad_one_changes_nothing() {
    // Goal: client.certReload: the key store and the trust store change under a live session, which goes
    // on; who comes then meets the new ones; a store that is damaged leaves the last good one in force.
    let folder = scratch("tls/renewal-stores");
    let (keys, trust) = (folder.join("keys.pem"), folder.join("trust.pem"));
    let put = |path: &std::path::Path, bytes: &[u8]| {
        // As whoever renews certificates should do it: whole, under another name first.
        let new = path.with_extension("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(new, path).unwrap();
    };
    put(&keys, &pki().read("server.store.pem"));
    put(&trust, &pki().read("trust.pem"));
    let mut settings = stores(&keys, &trust);
    settings.push(("client.certReload", "true".to_owned()));
    let secure = start(Kind::under_test(), "renewal", &settings);
    let mut live = Raw::session(secure.port, &config(Some("client"))).unwrap();
    let before = live.server();
    assert!(Raw::session(secure.port, &config(Some("stranger"))).is_err());

    put(&keys, b"no store at all");
    until(&secure, |log| log.contains("cannot be used"));
    assert_eq!(Raw::session(secure.port, &config(Some("client"))).unwrap().server(), before);

    put(&keys, &pki().read("server2.store.pem"));
    put(&trust, &pki().read("other.pem"));
    // Both may be seen by one look or by two: who of the other authority comes is the second's sign.
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut newcomer = loop {
        match Raw::session(secure.port, &config(Some("stranger"))) {
            Ok(session) if session.server() != before => break session,
            _ => assert!(Instant::now() < deadline, "{}", secure.server.log()),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(newcomer.who().iter().any(|(scheme, _)| scheme == "x509"));
    assert!(Raw::session(secure.port, &config(Some("client"))).is_err());
    let body = Out::new().str("/live").buffer(Some(b"x")).acls(Some(OPEN)).i32(0);
    assert_eq!(live.call(1, body).err, 0, "the session of before goes on");
}

/// Waits for a line of the server's log.
fn until(secure: &crate::Secure, found: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !found(&secure.server.log()) {
        assert!(Instant::now() < deadline, "{}", secure.server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}
