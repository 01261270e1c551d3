//! From plain connections to TLS alone, as ZooKeeper's guide has it: first who takes both, then who
//! speaks TLS and takes both, then who takes nothing else; one member at a time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::ensemble::{Ensemble, Plan};
use crate::support::load::Load;
use crate::support::server::Kind;
use crate::support::wire::Out;
use crate::{s_client, stores};

const PATIENCE: Duration = Duration::from_secs(90);

/// Settings of each step of the guide, `sslQuorum` and `portUnification`.
const STEPS: [[&str; 2]; 3] = [["false", "true"], ["true", "true"], ["true", "false"]];

#[test]
fn an_ensemble_comes_to_tls_without_a_stop() {
    // Goal: under load, no acknowledged write is lost, no session ends, trees are equal at every pause;
    // in an ensemble of both kinds, and in one of ours. At the end no plain connection is taken.
    for mixture in ["RJR", "RRR"] {
        let kinds: Vec<Kind> = mixture
            .chars()
            .map(|letter| if letter == 'J' { Kind::Java } else { Kind::under_test() })
            .collect();
        let mut ensemble =
            Ensemble::start(&format!("quorum_tls/rolling-{mixture}"), &Plan::new(&kinds));
        let load = Load::start("load-", &ensemble.ports(), 6, false);
        for (step, [ssl, both]) in STEPS.iter().enumerate() {
            let leader = ensemble.wait_all();
            let mut order = ensemble.ids();
            order.sort_by_key(|id| (*id == leader, *id));
            for id in order {
                let told = format!("{mixture}, step {}: member {id}", step + 1);
                let member = ensemble.member(id);
                member.terminate();
                stores("server").iter().for_each(|(key, value)| member.set(key, value));
                member.set("sslQuorum", ssl);
                member.set("portUnification", both);
                member.spawn();
                if let Err(e) = ensemble.wait_within(PATIENCE) {
                    panic!("{told}: {e}\n{}", ensemble.logs());
                }
                load.wait_progress(&told, PATIENCE);
                load.rest(&told);
                ensemble.members.iter().for_each(|member| load.check(member.port, &told));
                ensemble.assert_equal_trees(&told);
                load.go_on();
            }
        }
        for member in &ensemble.members {
            let [_, election] = member.peer_ports();
            assert!(!answers_plain(election), "{mixture}: member {} takes plain bytes", member.id);
            let client = ["-cert", "client.pem", "-key", "client.key.pem"];
            let (is_open, said) = s_client(election, &client);
            assert!(is_open, "{mixture}: member {} says\n{said}", member.id);
        }
        println!("{mixture}: {:?}", load.finish(mixture));
    }
}

/// Whether a plain greeting of an unknown server, which asks for a vote, is answered with one.
fn answers_plain(election: u16) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", election)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let address = b"10.0.0.99:1";
    let mut bytes = Out::new().i64(-65536).i64(9).0;
    bytes.extend((address.len() as i32).to_be_bytes());
    bytes.extend(address);
    let vote = Out::new().i32(0).i64(9).i64(0).i64(1).i64(0).i32(2);
    let vote = vote.buffer(Some(b"server.9=10.0.0.99:1:2\nversion=0")).0;
    bytes.extend((vote.len() as i32).to_be_bytes());
    bytes.extend(vote);
    let _ = stream.write_all(&bytes);
    let mut answer = [0; 40];
    stream.read_exact(&mut answer).is_ok()
}
