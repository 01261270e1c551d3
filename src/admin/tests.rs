//! The words of a server of an ensemble against what ZooKeeper's say.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use left_out::is_left_out;

use super::words::{Commands, ShownSettings, Whitelist};
use crate::admin::conf::EnsembleFacts;
use crate::membership::Members;
use crate::metrics::catalogue::OURS;
use crate::metrics::gauges::{ConnGauges, Gauges};
use crate::metrics::quorum::{Mode, SyncMode};
use crate::tree::{Tree, TreeOptions};
use crate::types::{Millis, ServerId, WallMillis};

/// What the tests against a running Java server leave out, too.
#[path = "../../tests/support/left_out.rs"]
mod left_out;

const JAVA: &str = include_str!("testdata/words.txt");
const MEMBERS: &str = "server.1=127.0.0.1:25437:26921:participant\n\
                       server.2=127.0.0.1:26905:21518:participant;127.0.0.1:23897\n\
                       server.3=127.0.0.1:21491:27260:observer\nversion=0";

/// What Java said to `word` as `mode`.
fn java(mode: &str, word: &str) -> &'static str {
    let mut blocks = JAVA.split("===== ");
    let block = blocks.find(|block| block.starts_with(&format!("{mode} {word}\n"))).unwrap();
    block.split_once('\n').unwrap().1
}

/// A server of the ensemble Java's answers are from.
fn commands(id: i64) -> Commands {
    let (tree, _writer) = Tree::new(TreeOptions::default());
    let members = Members::parse(MEMBERS).unwrap();
    let gauges = Gauges::new(1, Millis(0));
    gauges.quorum.set_members(&members, None);
    let member = members.get(ServerId(id)).unwrap();
    let facts = ShownSettings {
        server_id: id,
        ensemble: Some(EnsembleFacts {
            init_limit: 10,
            sync_limit: 5,
            addresses: member.addresses.clone(),
            observer: id == 3,
            local_sessions: false,
        }),
        ..ShownSettings::default()
    };
    Commands { gauges: Arc::new(gauges), tree, whitelist: Whitelist::new("*"), facts }
}

fn ask(commands: &Commands, word: &str) -> String {
    let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
    commands.answer(word, Millis(900), &ConnGauges::new(peer, WallMillis(0)))
}

/// Up to the moment it serves.
fn serving(mode: Mode, id: i64) -> Commands {
    let commands = commands(id);
    let quorum = &commands.gauges.quorum;
    quorum.looking(Millis(100));
    quorum.decided(mode, ServerId(2), Millis(300));
    quorum.synchronizing(Millis(400));
    quorum.sync_mode(SyncMode::Diff);
    quorum.serving(Millis(500));
    commands
}

fn keys(mntr: &str) -> BTreeSet<&str> {
    mntr.lines().map(|line| line.split('\t').next().unwrap()).collect()
}

fn value(mntr: &str, key: &str) -> String {
    let line = mntr.lines().find(|line| line.starts_with(&format!("zk_{key}\t")));
    line.unwrap().split('\t').nth(1).unwrap().to_owned()
}

#[test]
fn mntr_has_the_keys_of_javas_roles() {
    let read_only = commands(1);
    read_only.gauges.quorum.looking(Millis(100));
    read_only.gauges.quorum.read_only(Millis(200));
    for (commands, java) in [
        (read_only, include_str!("testdata/mntr.read-only.txt")),
        (serving(Mode::Follower, 1), include_str!("testdata/mntr.follower.txt")),
        (serving(Mode::Leader, 2), include_str!("testdata/mntr.leader.txt")),
        (serving(Mode::Observer, 3), include_str!("testdata/mntr.observer.txt")),
    ] {
        let ours = ask(&commands, "mntr");
        let ours: BTreeSet<&str> = keys(&ours).iter().map(|k| &k["zk_".len()..]).collect();
        // Sets whose members come with use are not kept here.
        let sets = ["_per_namespace", "_learner_handler_qp_"];
        let theirs: BTreeSet<&str> = java
            .lines()
            .filter(|key| !key.starts_with('#') && !sets.iter().any(|set| key.contains(set)))
            .filter(|key| !is_left_out(key))
            .collect();
        let missing: Vec<_> = theirs.difference(&ours).collect();
        let more = ours.difference(&theirs);
        let more: Vec<_> = more.filter(|key| !OURS.iter().any(|ours| ours.name == **key)).collect();
        assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}, more {more:?}");
    }
}

#[test]
fn srvr_has_the_lines_of_javas_roles() {
    for (mode, word, id) in [
        (Mode::Follower, "follower", 1),
        (Mode::Leader, "leader", 2),
        (Mode::Observer, "observer", 3),
    ] {
        let commands = serving(mode, id);
        commands.gauges.quorum.proposed(48);
        commands.gauges.quorum.proposed(136);
        let ours = ask(&commands, "srvr");
        let names = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&ours), names(java(word, "srvr")), "{ours}");
        for told in java(word, "srvr")
            .lines()
            .filter(|line| line.starts_with("Mode") || line.starts_with("Proposal"))
        {
            assert!(ours.contains(&format!("{told}\n")), "{told}: {ours}");
        }
        assert_eq!(ask(&commands, "isro"), "rw");
    }
}

#[test]
fn conf_ends_with_the_ensemble() {
    for (mode, word, id) in [
        (Mode::Follower, "follower", 1),
        (Mode::Leader, "leader", 2),
        (Mode::Observer, "observer", 3),
    ] {
        let ours = ask(&serving(mode, id), "conf");
        let tail = |text: &str| text[text.find("serverId").unwrap()..].to_owned();
        assert_eq!(tail(&ours), tail(java(word, "conf")).trim_end());
    }
}

#[test]
fn without_a_leader_nothing_is_told_unless_reading_is_allowed() {
    let commands = serving(Mode::Follower, 1);
    let quorum = &commands.gauges.quorum;
    quorum.looking(Millis(600));
    for word in ["srvr", "stat", "mntr", "conf"] {
        assert_eq!(
            ask(&commands, word),
            "This ZooKeeper instance is not currently serving requests\n"
        );
    }
    assert_eq!((ask(&commands, "isro"), ask(&commands, "ruok")), ("null".into(), "imok".into()));
    quorum.read_only(Millis(700));
    let ours = ask(&commands, "srvr");
    assert_eq!(ours.lines().nth(1), java("read-only", "srvr").lines().nth(1));
    assert!(ours.contains("Mode: read-only\n"), "{ours}");
    assert_eq!(ask(&commands, "isro"), "ro");
    let conf = ask(&commands, "conf");
    assert_eq!(
        conf[conf.find("serverId").unwrap()..],
        java("read-only", "conf")[java("read-only", "conf").find("serverId").unwrap()..]
    );
    // Not yet in step with its leader: no answers either.
    quorum.decided(Mode::Follower, ServerId(2), Millis(800));
    assert_eq!(ask(&commands, "isro"), "null");
}

#[test]
fn times_and_states_follow_the_roles() {
    let commands = serving(Mode::Leader, 2);
    let quorum = &commands.gauges.quorum;
    quorum.synced_followers.set(1);
    quorum.learners.set(2);
    let mntr = ask(&commands, "mntr");
    for (key, told) in [
        ("peer_state", "leading - broadcast"),
        ("server_state", "leader"),
        ("leader_uptime", "400"),
        ("uptime", "600"),
        ("synced_followers", "1"),
        ("learners", "2"),
        ("quorum_size", "2"),
        ("looking_count", "1"),
        ("sum_election_time", "200"),
        ("sum_unavailable_time", "400"),
        ("sum_leader_unavailable_time", "400"),
        ("max_proposal_size", "-1"),
    ] {
        assert_eq!(value(&mntr, key), told, "{key}");
    }
    quorum.looking(Millis(700));
    quorum.decided(Mode::Observer, ServerId(1), Millis(720));
    quorum.synchronizing(Millis(730));
    quorum.serving(Millis(780));
    let mntr = ask(&commands, "mntr");
    for (key, told) in [
        ("peer_state", "observing - broadcast"),
        ("observer_master_id", "1"),
        ("sum_observer_sync_time", "50"),
        ("cnt_unavailable_time", "2"),
        ("cnt_leader_unavailable_time", "1"),
    ] {
        assert_eq!(value(&mntr, key), told, "{key}");
    }
    assert_eq!(quorum.synced_followers.get(), 0);
    ask(&commands, "srst");
    assert_eq!(value(&ask(&commands, "mntr"), "looking_count"), "0");
}

#[test]
fn a_server_on_its_own_says_nothing_of_ensembles() {
    let (tree, _writer) = Tree::new(TreeOptions::default());
    let gauges = Arc::new(Gauges::new(1, Millis(0)));
    let commands =
        Commands { gauges, tree, whitelist: Whitelist::new("*"), facts: ShownSettings::default() };
    let mntr = ask(&commands, "mntr");
    assert_eq!(
        (value(&mntr, "server_state"), value(&mntr, "uptime")),
        ("standalone".into(), "900".into())
    );
    assert!(!mntr.contains("peer_state") && !mntr.contains("quorum_size"));
    assert!(ask(&commands, "srvr").contains("Mode: standalone\nNode count: 5\n"));
    assert!(ask(&commands, "conf").ends_with("serverId=0\n"));
}
