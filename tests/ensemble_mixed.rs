//! Mixtures: Java ZooKeeper 3.9.5 and ours in one ensemble, ours following, leading, observing.
//!
//! Each mixture takes writes of every kind through every member, keeps watches, ephemerals and
//! sessions across members, loses its leader, and brings members back by DIFF, TRUNC and SNAP;
//! after each step the trees of all members are equal to the last field.
//!
//! `cargo test` runs two mixtures. `RK_MIXTURES=3`, `=5` or `=all` runs every one of that size;
//! `RK_MIXTURES=JRJ+R` the one with these voters (by id) and observers.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};
use support::client::{Received, Session};
use support::ensemble::{Ensemble, PATIENCE, Plan, Sync};
use support::roaming::Roaming;
use support::server::Kind;
use support::tree::{random_writes, write_all_kinds};
use support::wire::{OPEN, Out};

const SESSION_TIMEOUT: i32 = 30_000;

/// `JRJ+R`: voters 1 to 3, the last of whom is to lead, and an observer. J is Java, R is ours.
fn plan(mixture: &str) -> Plan {
    let (voters, observers) = mixture.split_once('+').unwrap_or((mixture, ""));
    let kind = |letter: char| match letter {
        'J' => Kind::Java,
        'R' => Kind::under_test(),
        _ => panic!("RK_MIXTURES={mixture}: J and R make a mixture"),
    };
    let voters: Vec<Kind> = voters.chars().map(kind).collect();
    // A long log of small writes is to be sent as it is, however small the snapshot.
    let plan = Plan::new(&voters).set("snapshotSizeFactor", "1");
    observers.chars().fold(plan, |plan, letter| plan.observed_by(kind(letter)))
}

/// Every mixture of three, each kind of observer in turn.
fn of_three() -> Vec<String> {
    let voters = ["JJR", "JRJ", "RJJ", "RRJ", "RJR", "JRR"];
    let observed = |voters: &str| ["J", "R"].map(|observer| format!("{voters}+{observer}"));
    let mut all: Vec<String> = voters.iter().flat_map(|voters| observed(voters)).collect();
    all.extend(["JJJ+R", "RRR+J", "RRR+R"].map(str::to_string));
    all
}

/// Every mixture of five that differs in who leads and how many of ours follow.
fn of_five() -> Vec<String> {
    let mut all = Vec::new();
    for leader in ["J", "R"] {
        for ours in 0..=4 {
            let followers = "R".repeat(ours) + &"J".repeat(4 - ours);
            let observer = if ours % 2 == 0 { "+R" } else { "" };
            all.push(format!("{followers}{leader}{observer}"));
        }
    }
    all
}

#[test]
fn mixtures_agree() {
    // Goal: whatever is mixed, the members agree on every field of every node, and no session,
    // watch or ephemeral is lost, through every way a member can come back.
    let mixtures = match std::env::var("RK_MIXTURES").as_deref() {
        Err(_) => vec!["RJR".to_string(), "JRJ+R".to_string()],
        Ok("3") => of_three(),
        Ok("5") => of_five(),
        Ok("all") => [of_three(), of_five()].concat(),
        Ok(one) => one.split(',').map(str::to_string).collect(),
    };
    for mixture in mixtures {
        let start = Instant::now();
        play(&mixture);
        println!("{mixture}: {:.1} s", start.elapsed().as_secs_f64());
    }
}

fn play(mixture: &str) {
    let plan = plan(mixture);
    let mut ensemble = Ensemble::start(&format!("mixed/{mixture}"), &plan);
    let leader = *ensemble.voters().last().unwrap();
    ensemble.make_leader(leader);
    writes(&mut ensemble, mixture);
    watches(&ensemble, mixture);
    moves(&ensemble, mixture);
    expiry(&ensemble, mixture);
    for id in ensemble.ids().into_iter().filter(|id| *id != leader) {
        comes_back(&mut ensemble, mixture, id, Sync::Diff);
        comes_back(&mut ensemble, mixture, id, Sync::Snap);
    }
    for id in ensemble.ids().into_iter().filter(|id| *id == 1 || *id > leader) {
        comes_back_late(&mut ensemble, mixture, id);
    }
    truncation(&mut ensemble, mixture, leader);
    leader_loss(&mut ensemble, mixture);
    for member in &ensemble.members {
        let mismatches = member.figure("zk_digest_mismatches_count").unwrap_or(0);
        assert_eq!(mismatches, 0, "{mixture}: digests at member {}", member.id);
    }
    for id in ensemble.ids() {
        ensemble.member(id).terminate();
    }
}

/// Every kind of write through one member, random ones through all.
fn writes(ensemble: &mut Ensemble, mixture: &str) {
    let grants = write_all_kinds(ensemble.port(1), 7, 150);
    ensemble.assert_equal_trees(&format!("{mixture}, writes of every kind"));
    for (at, port) in ensemble.ports().into_iter().enumerate() {
        let mut session = Session::open(port, SESSION_TIMEOUT);
        session.sync("/");
        random_writes(&mut session, at as u64 + 20, 80);
        session.close();
        ensemble.assert_equal_trees(&format!("{mixture}, random writes at port {port}"));
    }
    // The sessions with the ephemerals end at another member than the one they began at.
    for (at, grant) in grants.iter().enumerate() {
        let port = ensemble.port(2 + at as u64 % 2);
        let session = Session::resume(port, grant, SESSION_TIMEOUT);
        session.unwrap_or_else(|| panic!("{mixture}: a session is lost")).close();
    }
    let tree = ensemble.assert_equal_trees(&format!("{mixture}, the ephemerals' sessions closed"));
    assert!(!tree.iter().any(|line| line.starts_with("\"/ephemeral\"")), "{mixture}: ephemerals");
}

/// What is watched at one member and written at another is heard, once and in order.
fn watches(ensemble: &Ensemble, mixture: &str) {
    let ports = ensemble.ports();
    for (at, port) in ports.iter().enumerate() {
        let writer_port = ports[(at + 1) % ports.len()];
        let told = format!("{mixture}, watched at {port}, written at {writer_port}");
        let mut writer = Session::open(writer_port, SESSION_TIMEOUT);
        let top = format!("/watched{at}");
        let child = format!("{top}/child");
        assert_eq!(writer.create(&top, b"0"), 0, "{told}");
        let mut watcher = Roaming::new(&[*port], 0, SESSION_TIMEOUT);
        assert_eq!(watcher.attach(PATIENCE), Ok(true), "{told}");
        assert!(watcher.get_synced(&top).unwrap().is_ok(), "{told}");
        watcher.call(4, &Out::new().str(&top).bool(true)).unwrap();
        watcher.call(8, &Out::new().str(&top).bool(true)).unwrap();
        assert_eq!(watcher.call(3, &Out::new().str(&child).bool(true)).unwrap().err, -101);
        // A recursive watch, which stays.
        let mode = Out::new().str(&top).i32(1);
        assert_eq!(watcher.call(106, &mode).unwrap().err, 0, "{told}");

        let set = |path: &str, data: &[u8]| Out::new().str(path).buffer(Some(data)).i32(-1);
        assert_eq!(writer.call(5, set(&top, b"1")).err, 0);
        assert_eq!(writer.create(&child, b""), 0);
        assert_eq!(writer.call(5, set(&child, b"2")).err, 0);
        assert_eq!(writer.call(2, Out::new().str(&child).i32(-1)).err, 0);
        assert!(watcher.get_synced(&top).unwrap().is_ok(), "{told}");
        // Events of one transaction have no order among themselves.
        let mut heard = std::mem::take(&mut watcher.events);
        assert!(heard.is_sorted_by_key(|event| event.zxid), "{told}: {heard:?}");
        heard.sort_by(|a, b| (a.zxid, a.kind, &a.path).cmp(&(b.zxid, b.kind, &b.path)));
        let heard: Vec<(i32, &str)> = heard.iter().map(|e| (e.kind, e.path.as_str())).collect();
        let (top, child) = (top.as_str(), child.as_str());
        // The one-shot and the recursive watch on one path make one event; the child watch of the
        // top fires at the create, and is gone at the delete.
        let expected = [(3, top), (1, child), (4, top), (3, child), (2, child)];
        assert_eq!(heard, expected, "{told}");
        writer.close();
        watcher.call(-11, &Out::new()).unwrap();
    }
}

/// A session goes from each member to the next: its ephemeral stays, and its old connection can
/// write no more.
fn moves(ensemble: &Ensemble, mixture: &str) {
    let ports = ensemble.ports();
    for (at, port) in ports.iter().enumerate() {
        let to = ports[(at + 1) % ports.len()];
        let told = format!("{mixture}, a session from {port} to {to}");
        let lease = format!("/moved{at}");
        let mut old = Session::open(*port, SESSION_TIMEOUT);
        let body = Out::new().str(&lease).buffer(Some(b"m")).acls(Some(OPEN)).i32(1);
        assert_eq!(old.call(1, body).err, 0, "{told}");
        let mut new = Session::resume(to, &old.grant, SESSION_TIMEOUT)
            .unwrap_or_else(|| panic!("{told}: the session is said to be over"));
        new.sync(&lease);
        let (_, stat) = new.get(&lease).unwrap_or_else(|e| panic!("{told}: the ephemeral: {e}"));
        assert_eq!(stat.owner, old.grant.session, "{told}");
        assert_eq!(new.create(&format!("{lease}-by-new"), b""), 0, "{told}");
        let body = Out::new().str(&format!("{lease}-by-old")).buffer(None).acls(Some(OPEN)).i32(0);
        old.conn.send_request(77, 1, &body.0);
        if let Received::Frame(payload) = old.conn.receive() {
            assert_eq!(payload[12..16], (-118i32).to_be_bytes(), "{told}: SESSIONMOVED");
        }
        assert_eq!(new.get(&format!("{lease}-by-old")).err(), Some(-101), "{told}");
        new.close();
        for other in &ports {
            let mut session = Session::open(*other, SESSION_TIMEOUT);
            session.sync("/");
            assert_eq!(session.get(&lease).err(), Some(-101), "{told}: gone at {other}");
            session.close();
            let resumed = Session::resume(*other, &old.grant, SESSION_TIMEOUT);
            assert!(resumed.is_none(), "{told}: a closed session is taken at {other}");
        }
    }
}

/// A session that is silent ends when its time is over, everywhere, and not before.
fn expiry(ensemble: &Ensemble, mixture: &str) {
    let timeout = 2000;
    let ports = ensemble.ports();
    let mut silent = Vec::new();
    for (at, port) in ports.iter().enumerate() {
        let mut session = Session::open(*port, timeout);
        let body = Out::new().str(&format!("/short{at}")).buffer(None).acls(Some(OPEN)).i32(1);
        assert_eq!(session.call(1, body).err, 0);
        // A touch after which nothing comes.
        let touched = Instant::now();
        session.sync("/");
        silent.push((at, touched));
    }
    while let Some((at, touched)) = silent.pop() {
        let told = format!("{mixture}, a session of {timeout} ms at port {}", ports[at]);
        let mut session = Session::open(ports[(at + 1) % ports.len()], SESSION_TIMEOUT);
        let lease = format!("/short{at}");
        loop {
            session.sync(&lease);
            let is_there = session.get(&lease).is_ok();
            let silence = touched.elapsed();
            if !is_there {
                assert!(silence.as_millis() as i32 >= timeout, "{told}: over after {silence:?}");
                break;
            }
            assert!(silence < Duration::from_secs(30), "{told}: there after {silence:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        session.close();
    }
    ensemble.assert_equal_trees(&format!("{mixture}, after expiries"));
}

fn some_writes(port: u16, name: &str, count: usize) {
    let mut session = Session::open(port, SESSION_TIMEOUT);
    for number in 0..count {
        assert_eq!(session.create(&format!("/{name}-{number}"), name.as_bytes()), 0, "{name}");
    }
    session.close();
}

/// A member is killed, misses writes, and comes back in the way asked for.
fn comes_back(ensemble: &mut Ensemble, mixture: &str, id: u64, how: Sync) {
    let told = format!("{mixture}, member {id} back by {how:?}");
    let leader = ensemble.wait_all();
    ensemble.member(id).kill();
    ensemble.wait_all();
    some_writes(ensemble.port(leader), &format!("without-{id}-{how:?}"), 15);
    if how == Sync::Snap {
        ensemble.member(id).wipe();
    }
    ensemble.member(id).spawn();
    ensemble.wait_all();
    let found = ensemble.how_synced(id, leader);
    assert_eq!(found.unwrap_or(how), how, "{told}\n{}", ensemble.logs());
    ensemble.assert_equal_trees(&told);
    some_writes(ensemble.port(id), &format!("by-{id}-{how:?}"), 5);
    ensemble.assert_equal_trees(&format!("{told}, and writes there"));
}

/// A member misses more than the leader has in memory: the leader's log on disk has it.
fn comes_back_late(ensemble: &mut Ensemble, mixture: &str, id: u64) {
    let told = format!("{mixture}, member {id} back after a long time");
    let leader = ensemble.wait_all();
    ensemble.member(id).kill();
    ensemble.wait_all();
    let mut session = Roaming::new(&[ensemble.port(leader)], 0, SESSION_TIMEOUT);
    assert_eq!(session.attach(PATIENCE), Ok(true), "{told}");
    let path = format!("/late{id}");
    assert_eq!(session.create(&path, b"", 0), Ok(0), "{told}");
    for burst in 0..30 {
        for number in 0..50 {
            let text = format!("{burst} {number}");
            let body = Out::new().str(&path).buffer(Some(text.as_bytes())).i32(-1);
            session.send(5, &body).unwrap();
        }
        (0..50).for_each(|_| assert_eq!(session.reply().unwrap().err, 0, "{told}"));
    }
    session.call(-11, &Out::new()).unwrap();
    ensemble.member(id).spawn();
    ensemble.wait_all();
    let found = ensemble.how_synced(id, leader);
    assert_eq!(found.unwrap_or(Sync::Diff), Sync::Diff, "{told}\n{}", ensemble.logs());
    ensemble.assert_equal_trees(&told);
}

/// The leader logs a write that no other member gets, and dies; the others go on without it.
/// When it comes back that write has to be cut from its log.
fn truncation(ensemble: &mut Ensemble, mixture: &str, leader: u64) {
    let told = format!("{mixture}, member {leader} is truncated");
    assert_eq!(ensemble.wait_all(), leader, "{told}");
    let tree = ensemble.assert_equal_trees(&told);
    let others: Vec<u64> = ensemble.voters().into_iter().filter(|id| *id != leader).collect();
    let mut session = Session::open(ensemble.port(leader), SESSION_TIMEOUT);
    session.create("/before", b"");
    for id in &others {
        ensemble.member(*id).pause();
    }
    let phantom = format!("phantom of {mixture}");
    let body = Out::new().str("/phantom").buffer(Some(phantom.as_bytes())).acls(Some(OPEN)).i32(0);
    session.conn.send_request(1000, 1, &body.0);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ensemble.member(leader).has_logged(phantom.as_bytes()) {
        assert!(Instant::now() < deadline, "{told}: the leader logs it\n{}", ensemble.logs());
        std::thread::sleep(Duration::from_millis(10));
    }
    // They die with the proposal unread, and then so does the only one that has it.
    for id in &others {
        ensemble.member(*id).kill();
    }
    ensemble.member(leader).kill();
    for id in &others {
        ensemble.member(*id).spawn();
    }
    let next = ensemble.wait_all();
    ensemble.member(leader).spawn();
    ensemble.wait_all();
    let found = ensemble.how_synced(leader, next);
    assert_eq!(found.unwrap_or(Sync::Trunc), Sync::Trunc, "{told}\n{}", ensemble.logs());
    let after = ensemble.assert_equal_trees(&told);
    assert!(!after.iter().any(|line| line.starts_with("\"/phantom\"")), "{told}");
    assert_eq!(after.len(), tree.len() + 1, "{told}: /before alone is new");
    some_writes(ensemble.port(leader), "after-trunc", 5);
    ensemble.assert_equal_trees(&format!("{told}, and writes there"));
}

/// Every voter leads until it is killed: sessions, ephemerals and watches go on elsewhere.
fn leader_loss(ensemble: &mut Ensemble, mixture: &str) {
    for round in 0..ensemble.voters().len() {
        let leader = ensemble.wait_all();
        let told = format!("{mixture}, leader {leader} lost, round {round}");
        let ports = ensemble.ports();
        let mut sessions: Vec<Roaming> = (0..ports.len())
            .map(|at| {
                let mut session = Roaming::new(&ports, at, SESSION_TIMEOUT);
                assert_eq!(session.attach(PATIENCE), Ok(true), "{told}");
                assert_eq!(session.create(&format!("/lease{at}"), b"", 1), Ok(0), "{told}");
                session
            })
            .collect();
        ensemble.member(leader).kill();
        let next = ensemble.wait_all();
        assert_ne!(next, leader);
        for session in &mut sessions {
            session.drop_connection();
            session.attach(PATIENCE).unwrap_or_else(|e| panic!("{told}: {e:?}"));
        }
        for (at, session) in sessions.iter_mut().enumerate() {
            let stat = session.get_synced(&format!("/lease{at}")).unwrap();
            assert_eq!(stat, Ok(Vec::new()), "{told}: ephemeral {at}");
        }
        some_writes(ensemble.port(next), &format!("loss{round}"), 10);
        ensemble.member(leader).spawn();
        ensemble.wait_all();
        let found = ensemble.how_synced(leader, next);
        assert_eq!(found.unwrap_or(Sync::Diff), Sync::Diff, "{told}\n{}", ensemble.logs());
        ensemble.assert_equal_trees(&told);
        for session in &mut sessions {
            session.call(-11, &Out::new()).unwrap();
        }
        ensemble.assert_equal_trees(&format!("{told}, sessions closed"));
    }
}
