//! Ensembles that change while they run: ours, Java ZooKeeper 3.9.5's, and both in one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::client::{Received, Session};
use support::ensemble::{Ensemble, PATIENCE, Plan, Role};
use support::load::Load;
use support::server::{Kind, SUPER_AUTH, java};
use support::wire::{In, Out};

const TIMEOUT: i32 = 30_000;
const RECONFIG: i32 = 16;
const BAD_ARGUMENTS: i32 = -8;
const NO_QUORUM: i32 = -13;
const NO_AUTH: i32 = -102;
const BAD_VERSION: i32 = -103;

/// What is asked for; nothing: null.
#[derive(Clone, Default)]
struct Change {
    joining: Option<String>,
    leaving: Option<String>,
    members: Option<String>,
    version: Option<i64>,
}

fn joining(lines: &[String]) -> Change {
    Change { joining: Some(lines.join(",")), ..Change::default() }
}

fn leaving(ids: &str) -> Change {
    Change { leaving: Some(ids.into()), ..Change::default() }
}

/// One request: the new configuration, or the error.
fn ask(session: &mut Session, change: &Change) -> Result<String, i32> {
    let body = Out::new()
        .string(change.joining.as_deref())
        .string(change.leaving.as_deref())
        .string(change.members.as_deref())
        .i64(change.version.unwrap_or(-1));
    let reply = session.call(RECONFIG, body);
    if reply.err != 0 {
        return Err(reply.err);
    }
    let mut input = In::new(&reply.body);
    let data = String::from_utf8(input.buffer().unwrap().unwrap().to_vec()).unwrap();
    let stat = input.stat().unwrap();
    assert_eq!(stat.mzxid, reply.zxid, "the version is the transaction's");
    assert!(data.ends_with(&format!("version={:x}", reply.zxid)), "{data}");
    Ok(data)
}

fn superuser(port: u16) -> Session {
    let mut session = Session::open(port, TIMEOUT);
    assert_eq!(session.auth("digest", SUPER_AUTH), 0);
    session
}

/// Asks until a quorum of the new configuration is in sync.
fn change(port: u16, change: &Change) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut session = superuser(port);
        match ask(&mut session, change) {
            Ok(text) => {
                // The role that answered may end with it.
                let _ = session.conn.send_request(1 << 20, -11, &[]);
                return text;
            }
            Err(NO_QUORUM) => session.close(),
            Err(code) => panic!("reconfig: {code}"),
        }
        assert!(Instant::now() < deadline, "no quorum of the new configuration");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The configuration a member shows.
fn config_of(port: u16) -> String {
    let mut session = Session::open(port, TIMEOUT);
    session.sync("/");
    let (data, _) = session.get("/zookeeper/config").unwrap();
    session.close();
    String::from_utf8(data.unwrap()).unwrap()
}

fn ids_in(text: &str) -> Vec<u64> {
    let ids = text.lines().filter_map(|line| line.strip_prefix("server.")?.split_once('='));
    let mut ids: Vec<u64> = ids.map(|(id, _)| id.parse().unwrap()).collect();
    ids.sort();
    ids
}

/// Waits for the members to be these.
fn wait_roles(ensemble: &mut Ensemble, wanted: &[(u64, Role)]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told: Vec<(u64, Role)> =
            wanted.iter().map(|(id, _)| (*id, ensemble.member(*id).role())).collect();
        if told == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{told:?} in place of {wanted:?}\n{}", ensemble.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Who leads once it is not that one any more: a Java leader that is left out reigns on for a moment
/// behind its answer.
fn wait_another_leader(ensemble: &mut Ensemble, than: u64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let leader = ensemble.wait_all();
        if leader != than {
            return leader;
        }
        assert!(Instant::now() < deadline, "{than} leads on\n{}", ensemble.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The files of every one of these members: the dynamic file of this configuration, `zoo.cfg`
/// pointing to it and without members, nothing proposed.
fn assert_files(ensemble: &mut Ensemble, ids: &[u64], text: &str) {
    let (lines, version) = text.rsplit_once("\nversion=").unwrap();
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort();
    let deadline = Instant::now() + PATIENCE;
    for id in ids {
        let member = ensemble.member(*id);
        let name = format!("zoo.cfg.dynamic.{version}");
        // Java answers when the leader has it; others follow.
        while member.file(&name).is_none() || member.file("zoo.cfg.dynamic.next").is_some() {
            assert!(Instant::now() < deadline, "member {id} has no {name}\n{}", member.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(member.file(&name).unwrap(), lines.join("\n"), "member {id}");
        let cfg = member.file("zoo.cfg").unwrap();
        let path = member.folder.canonicalize().unwrap().join(&name);
        assert!(cfg.ends_with(&format!("dynamicConfigFile={}\n", path.display())), "{cfg}");
        assert!(!cfg.contains("server.") && cfg.contains("tickTime=500\n"), "{cfg}");
        assert!(member.file("zoo.cfg.bak").unwrap().contains("server.1="), "member {id}");
    }
}

fn ours(count: usize) -> Vec<Kind> {
    vec![Kind::under_test(); count]
}

/// A Java leader's sync may overtake what it has committed.
fn exact() -> bool {
    Kind::under_test() == Kind::Ringkeeper
}

/// Spawns joiners and waits until they follow, or observe, without being members.
fn admit(ensemble: &mut Ensemble, ids: &[u64]) {
    for id in ids {
        ensemble.member(*id).spawn();
    }
    let roles: Vec<(u64, Role)> = ids.iter().map(|id| (*id, Role::Following)).collect();
    wait_roles(ensemble, &roles);
}

#[test]
fn an_ensemble_grows_and_shrinks_under_writes() {
    // Goal: 3 → 5 → 3 with nothing acknowledged lost, nothing refused for long, and a restart of
    // all that comes up in the last configuration.
    let plan = Plan::changing(&ours(3)).joined_by(Kind::under_test()).joined_by(Kind::under_test());
    let mut ensemble = Ensemble::start("reconfig/grows", &plan);
    let first: Vec<u16> = (1..=3).map(|id| ensemble.port(id)).collect();
    let load = Load::start("reconfig", &first, 3, exact());
    load.wait_progress("three", PATIENCE);
    admit(&mut ensemble, &[4, 5]);
    let lines = [4, 5].map(|id| ensemble.member(id).line("participant"));
    let five = change(first[0], &joining(&lines));
    assert_eq!(ids_in(&five), [1, 2, 3, 4, 5]);
    load.wait_progress("five", PATIENCE);
    assert_files(&mut ensemble, &[1, 2, 3, 4, 5], &five);
    let leader = ensemble.wait_all();
    // Three of five are a quorum now: two of the first three go.
    let gone: Vec<u64> = (1..=3).filter(|id| *id != leader).take(2).collect();
    for id in &gone {
        ensemble.member(*id).kill();
    }
    load.wait_progress("two of five are down", PATIENCE);
    for id in &gone {
        ensemble.member(*id).spawn();
    }
    ensemble.wait_all();
    load.wait_progress("all are back", PATIENCE);
    let three = change(ensemble.port(4), &leaving(&format!("{},{}", gone[0], gone[1])));
    assert_eq!(ids_in(&three).len(), 3);
    load.wait_progress("three again", PATIENCE);
    // Who has left goes on following without a vote.
    for id in &gone {
        ensemble.member(*id).kill();
    }
    load.wait_progress("those who have left are down", PATIENCE);
    load.rest("the end");
    let left: Vec<u64> = (1..=5).filter(|id| !gone.contains(id)).collect();
    for id in &left {
        load.check(ensemble.port(*id), "the end");
        assert_eq!(config_of(ensemble.port(*id)), three);
    }
    assert_files(&mut ensemble, &left, &three);
    for id in &left {
        ensemble.member(*id).terminate();
    }
    for id in &left {
        ensemble.member(*id).spawn();
    }
    ensemble.wait_all();
    for id in &left {
        assert_eq!(config_of(ensemble.port(*id)), three, "member {id} after a restart");
    }
    ensemble.assert_equal_trees("after the restart");
    load.go_on();
    drop(load);
}

#[test]
fn a_leader_is_removed_and_let_in_again() {
    // Goal: the leader hands over without an election, its client is answered, and writes go on.
    let mut ensemble = Ensemble::start("reconfig/leader", &Plan::changing(&ours(3)));
    let leader = ensemble.wait_all();
    let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    let ports: Vec<u16> = others.iter().map(|id| ensemble.port(*id)).collect();
    let load = Load::start("handover", &ports, 2, exact());
    load.wait_progress("before", PATIENCE);
    let two = change(ensemble.port(leader), &leaving(&leader.to_string()));
    assert_eq!(ids_in(&two), others);
    load.wait_progress("two", PATIENCE);
    let next = others.iter().copied().find(|id| ensemble.member(*id).role() == Role::Leading);
    let next = next.expect("one of the others leads");
    wait_roles(&mut ensemble, &[(leader, Role::Following)]);
    let looked = ensemble.member(next).figure("zk_looking_count").unwrap();
    println!("the new leader looked {looked} times");
    let log = ensemble.member(next).log();
    let named = log.contains("leader designated by reconfiguration");
    assert!(named || !exact(), "{log}");
    let line = ensemble.member(leader).line("participant");
    let three = change(ports[0], &joining(&[line]));
    assert_eq!(ids_in(&three), [1, 2, 3]);
    load.wait_progress("three", PATIENCE);
    assert_files(&mut ensemble, &[1, 2, 3], &three);
    load.finish("the end");
    ensemble.assert_equal_trees("the end");
}

#[test]
fn an_observer_becomes_a_voter_and_a_voter_an_observer() {
    // Goal: roles change with the configuration, live, and /zookeeper/config is watched.
    let plan = Plan::changing(&ours(3)).observed_by(Kind::under_test());
    let mut ensemble = Ensemble::start("reconfig/roles", &plan);
    let leader = ensemble.wait_all();
    let other = (1..=3).find(|id| *id != leader).unwrap();
    let third = (1..=3).find(|id| *id != leader && *id != other).unwrap();
    // At a server whose role does not change.
    let mut watcher = Session::open(ensemble.port(third), TIMEOUT);
    let watch = Out::new().str("/zookeeper/config").bool(true);
    assert_eq!(watcher.call(4, watch).err, 0);
    let lines = [ensemble.member(4).line("participant"), ensemble.member(other).line("observer")];
    let text = change(ensemble.port(third), &joining(&lines));
    watcher.conn.patience(PATIENCE);
    match watcher.conn.receive() {
        Received::Frame(frame) => {
            let mut event = In::new(&frame);
            assert_eq!(event.i32().unwrap(), -1, "an event");
        }
        other => panic!("{other:?} in place of an event"),
    }
    wait_roles(
        &mut ensemble,
        &[
            (leader, Role::Leading),
            (third, Role::Following),
            (4, Role::Following),
            (other, Role::Observing),
        ],
    );
    assert_files(&mut ensemble, &[1, 2, 3, 4], &text);
    // With one of the three voters down a quorum needs the new one.
    ensemble.member(third).kill();
    let mut session = Session::open(ensemble.port(other), TIMEOUT);
    assert_eq!(session.create("/by-the-new-quorum", b""), 0);
    ensemble.member(third).spawn();
    ensemble.wait_all();
    ensemble.assert_equal_trees("roles have changed");
}

#[test]
fn one_server_grows_to_three() {
    // Goal: with standaloneEnabled=false a single voter is an ensemble (F176).
    let plan = Plan::changing(&ours(1))
        .joined_by(Kind::under_test())
        .joined_by(Kind::under_test())
        .set("standaloneEnabled", "false");
    let mut ensemble = Ensemble::start("reconfig/one", &plan);
    let load = Load::start("one", &[ensemble.port(1)], 2, exact());
    load.wait_progress("one", PATIENCE);
    for id in [2, 3] {
        admit(&mut ensemble, &[id]);
        let line = ensemble.member(id).line("participant");
        let text = change(ensemble.port(1), &joining(&[line]));
        assert_eq!(ids_in(&text).len() as u64, id);
        load.wait_progress("one more", PATIENCE);
    }
    ensemble.member(1).kill();
    let left: Vec<u64> = vec![2, 3];
    ensemble.wait_all();
    let mut session = Session::open(ensemble.port(left[0]), TIMEOUT);
    assert_eq!(session.create("/without-the-first", b""), 0);
    ensemble.member(1).spawn();
    ensemble.wait_all();
    load.wait_progress("all", PATIENCE);
    load.finish("the end");
    ensemble.assert_equal_trees("the end");
}

#[test]
fn leaders_die_while_their_ensemble_changes() {
    // Goal: whenever a leader dies in the middle of a reconfiguration, all agree on the old
    // configuration or on the new one afterwards, and nothing acknowledged is lost.
    let plan = Plan::changing(&ours(3)).joined_by(Kind::under_test()).joined_by(Kind::under_test());
    let mut ensemble = Ensemble::start("reconfig/deaths", &plan);
    admit(&mut ensemble, &[4, 5]);
    let ports = ensemble.ports();
    let load = Load::start("deaths", &ports, 2, exact());
    let mut seen = BTreeMap::new();
    let rounds = support::setting("RK_DEATHS", 8);
    for round in 0..rounds {
        load.wait_progress("between deaths", PATIENCE);
        let leader = ensemble.wait_all();
        let mut session = superuser(ensemble.port(leader));
        let before = ids_in(&config_of(ensemble.port(leader)));
        // The leader stays in: who has been left out cannot be started again.
        let wanted = match before.len() {
            3 => {
                let out: Vec<u64> = (1..=5).filter(|id| !before.contains(id)).collect();
                let line = |id: &u64| ensemble.member(*id).line("participant");
                joining(&out.iter().map(line).collect::<Vec<String>>())
            }
            _ => {
                let others: Vec<u64> = before.iter().copied().filter(|id| *id != leader).collect();
                let at = round as usize % others.len();
                leaving(&format!("{},{}", others[at], others[(at + 1) % others.len()]))
            }
        };
        let body = Out::new()
            .string(wanted.joining.as_deref())
            .string(wanted.leaving.as_deref())
            .string(None)
            .i64(-1);
        assert!(session.conn.send_request(99, RECONFIG, &body.0));
        // Where in the middle it dies is left to chance.
        std::thread::sleep(Duration::from_micros(200 * (round % 8).pow(2)));
        ensemble.member(leader).kill();
        ensemble.wait_all();
        load.wait_progress("the leader is dead", PATIENCE);
        ensemble.member(leader).spawn();
        ensemble.wait_all();
        load.wait_progress("and back", PATIENCE);
        let told: Vec<String> = ensemble.ports().into_iter().map(config_of).collect();
        assert!(told.iter().all(|text| *text == told[0]), "round {round}: {told:#?}");
        *seen.entry(ids_in(&told[0]) == before).or_insert(0) += 1;
    }
    println!("kept and changed: {seen:?}");
    load.rest("the end");
    for id in ensemble.ids() {
        load.check(ensemble.port(id), "the end");
    }
    ensemble.assert_equal_trees("the end");
    load.go_on();
    load.finish("the end");
}

/// The answers to what is refused, in the order of the checks.
fn refusals(kind: Kind, name: &str) -> Vec<(String, Result<Vec<u64>, i32>)> {
    let mut ensemble = Ensemble::start(name, &Plan::changing(&[kind; 3]));
    ensemble.wait_all();
    let mut answers = Vec::new();
    let mut nobody = Session::open(ensemble.port(1), TIMEOUT);
    let mut root = superuser(ensemble.port(2));
    let next = "server.9=HERE:1:2:participant;3";
    for (joining, leaving, members, version) in [
        (Some("some thing"), None, None, None),
        (Some("server.9=HERE:1:2"), None, None, None),
        (Some("server.9=HERE:1:1;3"), None, None, None),
        (Some("server.9=HERE:1:2:voter;3"), None, None, None),
        (Some("server.x=HERE:1:2;3"), None, None, None),
        (Some("server.9=10.1.1.1:1:2;3,server.8=10.1.1.1:1:3;4"), None, None, None),
        (None, Some("x"), None, None),
        (None, Some("1,2"), None, None),
        (None, Some("1,2"), None, Some(7)),
        (Some(next), Some("1,2"), None, None),
        (None, None, Some("server.1=HERE:1:2;3"), None),
        (None, None, Some("dataDir=/x"), None),
        (None, None, Some("server.8=HERE:1:2;3,server.9=HERE:3:4;5"), None),
        (Some("server.9=HERE:1:2:observer;3"), None, None, None),
        (None, Some("9"), None, None),
        (None, None, None, None),
    ] {
        let here = |text: &str| text.replace("HERE", "127.0.0.1");
        let change = Change {
            joining: joining.map(here),
            leaving: leaving.map(str::to_string),
            members: members.map(here),
            version,
        };
        let told = format!("{joining:?} {leaving:?} {members:?} {version:?}");
        answers.push((told.clone(), ask(&mut nobody, &change).map(|text| ids_in(&text))));
        answers.push((told, ask(&mut root, &change).map(|text| ids_in(&text))));
    }
    answers
}

#[test]
fn refusals_are_javas() {
    // Goal: every refusal has Java's code, whoever asks.
    let ours = refusals(Kind::under_test(), "reconfig/refusals-ours");
    let javas = refusals(Kind::Java, "reconfig/refusals-java");
    for (ours, javas) in ours.iter().zip(&javas) {
        assert_eq!(ours, javas);
    }
    let codes: Vec<i32> = ours.iter().filter_map(|(_, answer)| answer.clone().err()).collect();
    for code in [BAD_ARGUMENTS, NO_QUORUM, NO_AUTH, BAD_VERSION] {
        assert!(codes.contains(&code), "{code} was to be seen");
    }
}

#[test]
fn without_reconfig_enabled_nothing_changes() {
    // Goal: -123, and no file is touched (F172).
    let mut ensemble = Ensemble::start("reconfig/off", &Plan::new(&ours(3)));
    ensemble.wait_all();
    let mut root = superuser(ensemble.port(1));
    assert_eq!(ask(&mut root, &leaving("3")), Err(-123));
    for member in &ensemble.members {
        assert_eq!(member.file("zoo.cfg.bak"), None);
        assert!(member.file("zoo.cfg").unwrap().contains("server.1="));
    }
}

#[test]
fn clients_are_served_at_another_port() {
    // Goal: a new client port is opened and the old one shut, and who is connected stays.
    let mut ensemble = Ensemble::start("reconfig/port", &Plan::changing(&ours(3)));
    let leader = ensemble.wait_all();
    let id = (1..=3).find(|id| *id != leader).unwrap();
    let (old, new) = (ensemble.port(id), support::server::free_port());
    let mut session = Session::open(old, TIMEOUT);
    let line = ensemble.member(id).line("participant");
    let line = line.replace(&format!(";127.0.0.1:{old}"), &format!(";127.0.0.1:{new}"));
    change(ensemble.port(leader), &joining(&[line]));
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(("127.0.0.1", new)).is_err()
        || std::net::TcpStream::connect(("127.0.0.1", old)).is_ok()
    {
        assert!(Instant::now() < deadline, "{}", ensemble.member(id).log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(session.create("/still-here", b""), 0);
    let mut other = Session::open(new, TIMEOUT);
    assert_eq!(other.create("/at-the-new-port", b""), 0);
    let cfg = ensemble.member(id).file("zoo.cfg").unwrap();
    assert!(!cfg.contains("clientPort"), "{cfg}");
}

#[test]
fn servers_move() {
    // Goal: ports towards other servers change while the server runs; a leader whose quorum port
    // changes hands over, and leads again at the new one.
    let mut ensemble = Ensemble::start("reconfig/ports", &Plan::changing(&ours(3)));
    let load = Load::start("ports", &ensemble.ports(), 2, exact());
    let leader = ensemble.wait_all();
    for id in [leader % 3 + 1, (leader + 1) % 3 + 1, leader] {
        load.wait_progress("before", PATIENCE);
        let now = ensemble.wait_all();
        let text = config_of(ensemble.port(now));
        let old = text.lines().find(|line| line.starts_with(&format!("server.{id}="))).unwrap();
        let [quorum, election] = ensemble.member(id).peer_ports();
        let [moved_quorum, moved_election] =
            [support::server::free_port(), support::server::free_port()];
        let line = old.replace(
            &format!(":{quorum}:{election}:"),
            &format!(":{moved_quorum}:{moved_election}:"),
        );
        assert_ne!(line, old);
        let text = change(ensemble.port(now), &joining(std::slice::from_ref(&line)));
        assert!(text.contains(&line), "{text}");
        load.wait_progress("one has moved", PATIENCE);
        let then = ensemble.wait_all();
        assert!(now != id || then != id, "who leads hands over");
    }
    // Who leads now does so at its new port; so do the others in their turns.
    for _ in 0..3 {
        let now = ensemble.wait_all();
        ensemble.member(now).kill();
        ensemble.wait_all();
        load.wait_progress("another leads", PATIENCE);
        ensemble.member(now).spawn();
        ensemble.wait_all();
        load.wait_progress("all are there", PATIENCE);
    }
    load.finish("the end");
    ensemble.assert_equal_trees("the end");
}

/// Members of both kinds, the last of the first three to lead, change in every way.
fn play_mixed(voters: &str, joiner: Kind) {
    let kind = |letter| if letter == 'J' { Kind::Java } else { Kind::under_test() };
    let voters_of: Vec<Kind> = voters.chars().map(kind).collect();
    let plan = Plan::changing(&voters_of).joined_by(joiner);
    let name = format!("reconfig/mixed-{voters}-{joiner:?}");
    let mut ensemble = Ensemble::start(&name, &plan);
    ensemble.make_leader(3);
    let first = config_of(ensemble.port(1));
    assert_files(&mut ensemble, &[1, 2, 3], &first);
    admit(&mut ensemble, &[4]);
    // In: as an observer, then as a voter.
    let line = ensemble.member(4).line("observer");
    let observed = change(ensemble.port(1), &joining(&[line]));
    wait_roles(&mut ensemble, &[(3, Role::Leading), (4, Role::Observing)]);
    assert_files(&mut ensemble, &[1, 2, 3, 4], &observed);
    let line = ensemble.member(4).line("participant");
    let four = change(ensemble.port(2), &joining(&[line]));
    wait_roles(&mut ensemble, &[(3, Role::Leading), (4, Role::Following)]);
    assert_files(&mut ensemble, &[1, 2, 3, 4], &four);
    ensemble.assert_equal_trees(&format!("{voters}: four"));
    // The leader out: another of either kind leads.
    // Asked at the leader: a Java follower whose leader changes may close before it answers.
    let three = change(ensemble.port(3), &leaving("3"));
    let leader = wait_another_leader(&mut ensemble, 3);
    assert_files(&mut ensemble, &[1, 2, 3, 4], &three);
    let mut session = Session::open(ensemble.port(1), TIMEOUT);
    assert_eq!(session.create("/after-the-leader", b""), 0);
    ensemble.assert_equal_trees(&format!("{voters}: without its leader"));
    // All at once, and a restart of everyone.
    let lines = [1, 2, 3].map(|id| ensemble.member(id).line("participant")).join(",");
    let whole = Change { members: Some(lines), ..Change::default() };
    let last = change(ensemble.port(leader), &whole);
    assert_eq!(ids_in(&last), [1, 2, 3]);
    assert_files(&mut ensemble, &[1, 2, 3, 4], &last);
    ensemble.wait_all();
    for id in 1..=4 {
        ensemble.member(id).terminate();
    }
    for id in 1..=3 {
        ensemble.member(id).spawn();
    }
    ensemble.wait_all();
    for id in 1..=3 {
        assert_eq!(config_of(ensemble.port(id)), last, "{voters}: member {id} after a restart");
    }
    ensemble.assert_equal_trees(&format!("{voters}: after a restart"));
}

#[test]
fn mixed_ensembles_change_under_a_leader_of_ours() {
    play_mixed("JJR", Kind::Java);
}

#[test]
fn mixed_ensembles_change_under_a_java_leader() {
    play_mixed("RJJ", Kind::under_test());
    play_mixed("RRJ", Kind::under_test());
}

/// What zkCli prints of a few commands, ports and versions apart.
fn shell(kind: Kind, name: &str) -> Vec<String> {
    let plan = Plan::changing(&[kind; 3]).joined_by(kind);
    let mut ensemble = Ensemble::start(name, &plan);
    ensemble.make_leader(3);
    admit(&mut ensemble, &[4]);
    let line = ensemble.member(4).line("observer");
    let members = [1, 2, 3].map(|id| ensemble.member(id).line("participant")).join(",");
    let mut printed = Vec::new();
    let commands = [
        "config".to_string(),
        "reconfig -remove 3".into(),
        format!("addauth digest {SUPER_AUTH}"),
        format!("reconfig -add {line}"),
        "config".into(),
        "reconfig -v 5 -remove 4".into(),
        "reconfig -remove 4".into(),
        format!("reconfig -s -members {members}"),
        "config -c".into(),
        "get /zookeeper/config".into(),
    ];
    let script = commands.join("\n") + "\nquit\n";
    let mut child = java("org.apache.zookeeper.ZooKeeperMain")
        .args(["-server", &format!("127.0.0.1:{}", ensemble.port(1))])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("java");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let mut ports: BTreeMap<String, String> = BTreeMap::new();
    for member in &ensemble.members {
        let [quorum, election] = member.peer_ports();
        for (port, word) in [(quorum, "Q"), (election, "E"), (member.port, "C")] {
            ports.insert(format!(":{port}"), format!(":{word}{}", member.id));
        }
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    for line in text.lines() {
        // Prompts stand before what the next command prints.
        let mut line = line.to_string();
        while line.starts_with("[zk:")
            && let Some((_, rest)) = line.split_once("] ")
        {
            line = rest.to_string();
        }
        for (port, word) in &ports {
            line = line.replace(port.as_str(), word);
        }
        if let Some(at) = line.find("version=") {
            line.truncate(at + 8);
        }
        let varies = ["[zk:", "Zxid", "time =", "WATCHER", "WatchedEvent", "Welcome", "jline"];
        let is_noise = line.trim().is_empty() || varies.iter().any(|word| line.contains(word));
        if !is_noise {
            printed.push(line);
        }
    }
    printed
}

#[test]
fn zkcli_changes_the_ensemble_as_it_does_javas() {
    // Goal: `config` and every form of `reconfig` of ZooKeeper's own shell print the same.
    let ours = shell(Kind::under_test(), "reconfig/shell-ours");
    let javas = shell(Kind::Java, "reconfig/shell-java");
    assert!(ours.iter().filter(|line| line.contains("Committed new")).count() >= 3, "{ours:#?}");
    assert_eq!(ours, javas);
}
