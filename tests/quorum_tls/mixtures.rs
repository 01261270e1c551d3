//! Ensembles of both kinds over TLS alone.

use crate::support::client::Session;
use crate::support::ensemble::{Ensemble, Plan, Role};
use crate::support::server::Kind;
use crate::support::tree::write_all_kinds;
use crate::{s_client, stores};

/// Three voters, TLS alone. J is Java, R is ours.
pub(crate) fn plan(mixture: &str) -> Plan {
    let (voters, observers) = mixture.split_once('+').unwrap_or((mixture, ""));
    let kind = |letter: char| if letter == 'J' { Kind::Java } else { Kind::under_test() };
    let voters: Vec<Kind> = voters.chars().map(kind).collect();
    let plan = Plan::new(&voters).set("sslQuorum", "true");
    let plan = stores("server").iter().fold(plan, |plan, (key, value)| plan.set(key, value));
    observers.chars().fold(plan, |plan, letter| plan.observed_by(kind(letter)))
}

#[test]
fn mixtures_agree_whoever_leads() {
    // Goal: over TLS alone, names verified on both sides, an ensemble of both kinds serves whoever leads;
    // learners are brought up to date by difference and by snapshot; sessions outlive their leader.
    for mixture in ["RJR", "JRJ+R"] {
        let mut ensemble = Ensemble::start(&format!("quorum_tls/{mixture}"), &plan(mixture));
        write_all_kinds(ensemble.port(1), 7, 60);
        ensemble.assert_equal_trees(mixture);
        // The first has the lowest id, and is never chosen.
        for leader in [3, 2] {
            let told = format!("{mixture}, led by {leader}");
            ensemble.make_leader(leader);
            let mut session = Session::open(ensemble.port(leader), 30_000);
            assert_eq!(session.create(&format!("/led-by-{leader}"), b"x"), 0, "{told}");
            let learner = leader % 3 + 1;
            ensemble.member(learner).kill();
            assert_eq!(session.create(&format!("/without-{learner}"), b"x"), 0, "{told}");
            ensemble.member(learner).wipe();
            ensemble.member(learner).spawn();
            ensemble.wait_all();
            ensemble.assert_equal_trees(&told);
            ports_speak_tls(&ensemble, leader, &told);
        }
    }
}

/// As OpenSSL sees the election ports of all members and the quorum port of the leader.
fn ports_speak_tls(ensemble: &Ensemble, leader: u64, told: &str) {
    let client = ["-cert", "client.pem", "-key", "client.key.pem"];
    for member in &ensemble.members {
        let [quorum, election] = member.peer_ports();
        let leads = member.id == leader;
        for port in std::iter::once(election).chain(leads.then_some(quorum)) {
            for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
                let mut options = client.to_vec();
                options.push(version);
                let (is_open, said) = s_client(port, &options);
                let told = format!("{told}: member {} at {port} says\n{said}", member.id);
                assert!(is_open && said.contains("Verification: OK"), "{told}");
                assert!(said.contains(&format!("Protocol version: {name}")), "{told}");
            }
            // In TLS 1.2 a handshake is not done before the certificate is looked at.
            let (is_open, said) = s_client(port, &["-tls1_2"]);
            assert!(!is_open, "{told}: without a certificate at {port}\n{said}");
        }
    }
    assert!(ensemble.members.iter().all(|member| member.role() != Role::Silent));
}
