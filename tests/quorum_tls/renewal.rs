//! Stores that change under a running ensemble.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::mixtures::plan;
use crate::pki::pki;
use crate::s_client;
use crate::support::client::Session;
use crate::support::ensemble::Ensemble;
use crate::support::scratch;

fn put(path: &Path, bytes: &[u8]) {
    // As whoever renews certificates should do it: whole, under another name first.
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, path).unwrap();
}

/// The subject that a port's certificate has.
fn subject(port: u16) -> String {
    let client = ["-cert", "client.pem", "-key", "client.key.pem"];
    let (_, said) = s_client(port, &client);
    let line = said.lines().find_map(|line| line.strip_prefix("Peer certificate: "));
    line.unwrap_or(&said).to_owned()
}

#[test]
fn new_keys_are_for_new_connections_and_a_bad_store_changes_nothing() {
    // Goal: sslQuorumReloadCertFiles: a member's key store is replaced under a running ensemble: its links
    // stay, who connects then meets the new certificate, and who comes back is let in; a store that is
    // damaged leaves the one before in force.
    let keys = scratch("quorum_tls/renewal-stores").join("keys.p12");
    put(&keys, &pki().read("server.p12"));
    let keys_text = keys.display().to_string();
    let plan = plan("RJR").set("sslQuorumReloadCertFiles", "true");
    let plan = plan.set("ssl.quorum.keyStore.location", &keys_text);
    let mut ensemble = Ensemble::start("quorum_tls/renewal", &plan);
    let leader = ensemble.wait_all();
    let mut session = Session::open(ensemble.port(leader), 30_000);
    let ours: Vec<u64> = [1, 3].to_vec();
    let elections: Vec<u16> = ours.iter().map(|id| ensemble.member(*id).peer_ports()[1]).collect();
    assert!(elections.iter().all(|port| subject(*port).ends_with("= localhost")));

    put(&keys, b"no store at all");
    wait(|| ours.iter().all(|id| log_of(&ensemble, *id).contains("cannot be used")), &ensemble);
    assert!(elections.iter().all(|port| subject(*port).ends_with("= localhost")));

    put(&keys, &pki().read("server2.p12"));
    wait(|| elections.iter().all(|port| subject(*port).ends_with("= localhost-2")), &ensemble);
    assert_eq!(session.create("/still-led", b"x"), 0, "the links of before go on");
    assert_eq!(ensemble.leader(), Some(leader));
    for id in ensemble.ids() {
        ensemble.member(id).kill();
        ensemble.member(id).spawn();
        ensemble.wait_all();
    }
    ensemble.assert_equal_trees("all have met the new certificate");
}

fn log_of(ensemble: &Ensemble, id: u64) -> String {
    ensemble.members[id as usize - 1].log()
}

fn wait(mut is_so: impl FnMut() -> bool, ensemble: &Ensemble) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{}", ensemble.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
}
