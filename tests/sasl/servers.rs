//! SASL between servers, on both of their ports, mixed with Java's.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::stores::quorum_stores;
use crate::support::client::Session;
use crate::support::ensemble::{Ensemble, Member, PATIENCE, Plan, Role};
use crate::support::server::Kind;
use crate::{DIGEST, jaas, scratch};

const ENABLE: &str = "quorum.auth.enableSasl";
const LEARNER: &str = "quorum.auth.learnerRequireSasl";
const SERVER: &str = "quorum.auth.serverRequireSasl";
const CONFIG: &str = "java.security.auth.login.config";

/// A file in which servers know the one password, and say another or the same.
fn file(folder: &Path, name: &str, password: &str) -> String {
    let text = format!(
        "QuorumServer {{ {DIGEST} user_zk=\"secret\"; }};\n\
         QuorumLearner {{ {DIGEST} username=\"zk\" password=\"{password}\"; }};\n"
    );
    jaas(folder, name, &text).display().to_string()
}

fn plan(name: &str, kinds: &[Kind]) -> Plan {
    let file = file(&scratch(&format!("sasl/{name}-files")), "jaas.conf", "secret");
    // Java's servers take MD5 for broken unless they are told otherwise.
    Plan::new(kinds).set(CONFIG, &file).set("fips-mode", "false")
}

fn required(plan: Plan) -> Plan {
    [ENABLE, LEARNER, SERVER].iter().fold(plan, |plan, key| plan.set(key, "true"))
}

/// Something is written at each member; all of them have all of it.
fn written(ensemble: &Ensemble, round: &str) {
    for member in &ensemble.members {
        let mut session = Session::open(member.port, 20_000);
        assert_eq!(session.create(&format!("/{round}-{}", member.id), b"x"), 0);
        session.close();
    }
    ensemble.assert_equal_trees(round);
}

/// Those voters of ours have seen others prove themselves.
fn assert_has_seen_proofs(ensemble: &Ensemble, which: impl Fn(&Member) -> bool) {
    let of_ours = |m: &&Member| m.kind == Kind::Ringkeeper && !m.observer;
    for member in ensemble.members.iter().filter(of_ours).filter(|m| which(m)) {
        let log = member.log();
        assert!(log.contains("server authenticated by SASL"), "{}: {log}", member.id);
        assert!(log.contains("user=zk"), "{}: {log}", member.id);
    }
}

#[test]
fn mixtures_prove_themselves_both_ways() {
    // Goal: every mixture with a proof demanded on both ports: it forms, writes, and goes on under another
    // leader; our side has seen a proof of the others.
    use Kind::{Java, Ringkeeper};
    for (name, kinds) in [
        ("ours", [Ringkeeper, Ringkeeper, Ringkeeper]),
        ("one-java", [Ringkeeper, Java, Ringkeeper]),
        ("two-java", [Java, Ringkeeper, Java]),
    ] {
        let plan = required(plan(name, &kinds)).observed_by(Ringkeeper);
        let mut ensemble = Ensemble::start(&format!("sasl/mixture-{name}"), &plan);
        written(&ensemble, "first");
        let leader = ensemble.wait_all();
        // A log is that of the last start: the leader's is read while it stands.
        assert_has_seen_proofs(&ensemble, |m| m.id == leader);
        ensemble.member(leader).kill();
        let next = ensemble.wait_all();
        ensemble.member(leader).spawn();
        ensemble.wait_all();
        assert_ne!(leader, next);
        written(&ensemble, "second");
        // Nobody needs to prove anything to the one that came back: it may have connected to all others.
        assert_has_seen_proofs(&ensemble, |m| m.id != leader);
    }
}

#[test]
fn servers_prove_themselves_behind_a_handshake() {
    // Goal: with TLS alone and a proof demanded on both ports, beside Java: both are done, whoever leads.
    use Kind::{Java, Ringkeeper};
    let plan = required(plan("tls", &[Ringkeeper, Java, Ringkeeper])).set("sslQuorum", "true");
    let plan = quorum_stores("server").iter().fold(plan, |plan, (key, value)| plan.set(key, value));
    let mut ensemble = Ensemble::start("sasl/tls", &plan);
    for leader in [3, 2] {
        ensemble.make_leader(leader);
        written(&ensemble, &format!("led-by-{leader}"));
        assert_has_seen_proofs(&ensemble, |m| m.id == leader);
    }
}

/// Waits until a member's log says so.
fn wait_for(ensemble: &Ensemble, id: u64, words: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !ensemble.members[id as usize - 1].log().contains(words) {
        assert!(Instant::now() < deadline, "member {id} never says {words}\n{}", ensemble.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_cannot_prove_itself_stays_outside() {
    // Goal: a wrong password, and no proof at all, of a server of either kind, towards either kind: the other
    // two serve, and the third follows nobody (CVE-2018-8012).
    use Kind::{Java, Ringkeeper};
    for (name, kinds, outside, asked) in [
        ("wrong-ours", [Ringkeeper, Java, Ringkeeper], 1, 3),
        ("wrong-java", [Java, Ringkeeper, Ringkeeper], 1, 3),
        // The highest id connects to the others: none of them has to prove anything to it.
        ("silent-ours", [Java, Ringkeeper, Ringkeeper], 3, 2),
        ("silent-java", [Ringkeeper, Ringkeeper, Java], 3, 2),
    ] {
        let mut ensemble = Ensemble::lay_out(
            &format!("sasl/outside-{name}"),
            &required(plan(&format!("outside-{name}"), &kinds)),
        );
        let folder = ensemble.member(outside).folder.clone();
        let wrong = file(&folder, "wrong.conf", "wrong");
        if name.starts_with("silent") {
            let keys = [ENABLE, LEARNER, SERVER];
            keys.iter().for_each(|key| ensemble.member(outside).set(key, "false"));
        } else {
            ensemble.member(outside).set(CONFIG, &wrong);
        }
        for id in (1..=3).filter(|id| *id != outside) {
            ensemble.member(id).spawn();
        }
        ensemble.wait_all();
        ensemble.member(outside).spawn();
        // Whoever of ours is asked says why.
        wait_for(&ensemble, asked, "SASL authentication failed");
        let mut session = Session::open(ensemble.port(asked), 20_000);
        assert_eq!(session.create("/goes-on", b"x"), 0);
        session.close();
        let role = ensemble.member(outside).role();
        assert!(matches!(role, Role::Looking | Role::Silent), "{name}: {role:?}");
        // The right file, and it is let in: the file was all that was wrong.
        ensemble.member(outside).kill();
        let right = file(&folder, "right.conf", "secret");
        ensemble.member(outside).set(CONFIG, &right);
        let keys = [ENABLE, LEARNER, SERVER];
        keys.iter().for_each(|key| ensemble.member(outside).set(key, "true"));
        ensemble.member(outside).spawn();
        ensemble.wait_all();
    }
}

#[test]
fn an_ensemble_is_switched_over_one_server_at_a_time() {
    // Goal: nothing → enabled → learners prove themselves → servers demand it, and back, a restart at a time,
    // with servers of both kinds: a session lives through all of it, and every write is there.
    let kinds = [Kind::Ringkeeper, Kind::Java, Kind::Ringkeeper];
    let mut ensemble = Ensemble::start("sasl/rolling", &plan("rolling", &kinds));
    let mut session = Session::open(ensemble.port(1), 60_000);
    let mut count = 0;
    for (key, value) in [
        (ENABLE, "true"),
        (LEARNER, "true"),
        (SERVER, "true"),
        (SERVER, "false"),
        (LEARNER, "false"),
    ] {
        for id in 1..=3 {
            ensemble.member(id).kill();
            ensemble.member(id).set(key, value);
            ensemble.member(id).spawn();
            ensemble.wait_all();
            let port = ensemble.port(id % 3 + 1);
            session = Session::resume(port, &session.grant, 60_000).expect("the session lives");
            assert_eq!(session.create(&format!("/n{count}"), b"x"), 0, "{key}={value} at {id}");
            count += 1;
        }
    }
    assert_eq!(session.children("/").unwrap().len(), count + 1);
    ensemble.assert_equal_trees("in the end");
}
