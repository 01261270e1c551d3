//! SASL in an ensemble, and on several cores.

use crate::raw::{BOB, Raw};
use crate::support::ensemble::{Ensemble, Plan};
use crate::support::server::Kind;
use crate::{PROVIDER, jaas, scratch, server_section, start};

#[test]
fn every_member_proves_its_own_clients() {
    // Goal: leader, follower and observer: a user proven at one member makes a node that at each other only
    // that user may read.
    let file = jaas(&scratch("sasl/members-files"), "jaas.conf", &server_section("Server"));
    let plan = Plan::new(&[Kind::Ringkeeper, Kind::Java, Kind::Ringkeeper])
        .observed_by(Kind::Ringkeeper)
        .set("java.security.auth.login.config", &file.display().to_string())
        .set(PROVIDER.0, PROVIDER.1);
    let ensemble = Ensemble::start("sasl/members", &plan);
    for member in 0..ensemble.members.len() {
        let mut bob = Raw::open_at(ensemble.members[member].port);
        let answer = bob.prove(BOB.0, BOB.1);
        assert!(bob.told(answer).contains("sasl:bob"), "member {member}");
        let path = format!("/of{member}");
        assert_eq!(bob.create(&path, ("auth", "")), 0, "member {member}");
        for other in &ensemble.members {
            let mut nobody = Raw::open_at(other.port);
            nobody.sync(&path);
            assert_eq!(nobody.get(&path), -102, "{} at {}", path, other.id);
            let mut bob = Raw::open_at(other.port);
            let answer = bob.prove(BOB.0, BOB.1);
            assert!(bob.told(answer).starts_with("proven"));
            bob.sync(&path);
            assert_eq!(bob.get(&path), 0, "{} at {}", path, other.id);
        }
    }
}

#[test]
fn exchanges_go_on_side_by_side_on_all_cores() {
    // Goal: exchanges that are begun together on several cores, each with its own nonce.
    let server = start(Kind::Ringkeeper, "cores", &[("ringkeeper.cores.network", "x3")]);
    let mut all: Vec<Raw> = (0..12).map(|_| Raw::open(&server)).collect();
    let challenges: Vec<Vec<u8>> = all.iter_mut().map(Raw::challenge).collect();
    let mut distinct = challenges.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len());
    for (raw, challenge) in all.iter_mut().zip(&challenges) {
        let answer = raw.token(&crate::raw::response(BOB.0, BOB.1, challenge));
        assert_eq!(raw.told(answer), "proven; ip:127.0.0.1 sasl:bob");
    }
}
