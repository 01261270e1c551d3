//! Trees as deep as clients like: nothing follows a path on the stack, and nothing takes longer than
//! the paths are long.
//!
//! The path of each level has to be sent, logged and kept: so many levels of two bytes take the square
//! of their number in bytes, 25 MB for 5,000 and 6.4 GB for 80,000. The depth here is what a test may
//! take; `snapshot::tests::deep` has a stack that is too small for one frame a level.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may.
#![allow(dead_code)] // Of what tests share, each uses a part.

mod support;

use std::time::{Duration, Instant};

use support::client::{Received, Reply, Session};
use support::ensemble::{Ensemble, Plan};
use support::server::Kind;
use support::wire::{In, OPEN, Out};

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const SET_DATA: i32 = 5;
const MULTI: i32 = 14;
const CREATE_CONTAINER: i32 = 19;
const CREATE_TTL: i32 = 21;
const GET_EPHEMERALS: i32 = 103;
const GET_ALL_CHILDREN_NUMBER: i32 = 104;
const ADD_WATCH: i32 = 106;

const LEVELS: usize = 5_000;
/// Where the quota stands.
const HALF: usize = LEVELS / 2;

const NO_NODE: i32 = -101;

fn deep(levels: usize) -> String {
    "/a".repeat(levels)
}

fn create(path: &str, flags: i32) -> Out {
    Out::new().str(path).buffer(Some(b"x")).acls(Some(OPEN)).i32(flags)
}

/// Steps in as few multis as have room for them; each must succeed.
fn all(session: &mut Session, opcode: i32, steps: impl Iterator<Item = Out>) {
    let mut steps = steps.peekable();
    while steps.peek().is_some() {
        let mut parts = Out::new();
        while let Some(step) = steps.next_if(|step| parts.0.len() + step.0.len() < 900_000) {
            parts = parts.i32(opcode).bool(false).i32(-1).append(&step.0);
        }
        let reply = session.call(MULTI, parts.i32(-1).bool(true).i32(-1));
        assert_eq!(reply.err, 0);
    }
}

fn number(reply: &Reply) -> i32 {
    assert_eq!(reply.err, 0);
    In::new(&reply.body).i32().unwrap()
}

/// Reads of all kinds at the top, in the middle and at the bottom.
fn look(session: &mut Session, levels: usize) {
    for at in [1, HALF, levels - 1] {
        assert_eq!(session.children(&deep(at)).unwrap(), ["a"], "level {at}");
        let beneath = session.call(GET_ALL_CHILDREN_NUMBER, Out::new().str(&deep(at)));
        assert_eq!(number(&beneath), (levels - at) as i32, "beneath level {at}");
        assert_eq!(session.get(&deep(at)).unwrap().0.as_deref(), Some(&b"x"[..]));
    }
    assert_eq!(session.children(&deep(levels)).unwrap(), [""; 0]);
}

/// The quota of a level.
fn quota(levels: usize) -> String {
    format!("/zookeeper/quota{}", deep(levels))
}

fn stats_of_the_middle() -> String {
    format!("{}/zookeeper_stats", quota(HALF))
}

fn text(session: &mut Session, path: &str) -> String {
    String::from_utf8(session.get(path).unwrap().0.unwrap()).unwrap()
}

/// Limits in the middle; gives their use.
fn limit_the_middle(session: &mut Session) -> String {
    all(session, CREATE, (1..=HALF).map(|level| create(&quota(level), 0)));
    for (name, text) in [("zookeeper_limits", "count=100000,bytes=-1"), ("zookeeper_stats", "")] {
        assert_eq!(session.create(&format!("{}/{name}", quota(HALF)), text.as_bytes()), 0);
    }
    text(session, &stats_of_the_middle())
}

/// A watch at the top hears of the bottom; what is short-lived goes there as anywhere.
fn what_is_short_lived_goes(session: &mut Session, leader: u16, other: u16) {
    let mut watcher = Session::open(other, 60_000);
    watcher.sync("/");
    assert_eq!(watcher.call(ADD_WATCH, Out::new().str("/a").i32(1)).err, 0);
    let bottom = deep(LEVELS);
    let mut owner = Session::open(leader, 60_000);
    assert_eq!(owner.call(CREATE, create(&format!("{bottom}/e"), 1)).err, 0);
    let mine = owner.call(GET_EPHEMERALS, Out::new().str("/"));
    let mine = In::new(&mine.body).vector(In::string).unwrap().unwrap();
    assert_eq!(mine, [Some(format!("{bottom}/e"))]);
    owner.close();
    assert_eq!(session.call(CREATE_CONTAINER, create(&format!("{bottom}/c"), 4)).err, 0);
    assert_eq!(session.create(&format!("{bottom}/c/d"), b""), 0);
    assert_eq!(session.call(DELETE, Out::new().str(&format!("{bottom}/c/d")).i32(-1)).err, 0);
    assert_eq!(session.call(CREATE_TTL, create(&format!("{bottom}/t"), 5).i64(100)).err, 0);
    let mut told = Vec::new();
    while told.len() < 8 {
        match watcher.conn.receive() {
            Received::Frame(event) => told.push(Reply::decode(&event).unwrap().xid),
            other => panic!("{other:?} behind {} events", told.len()),
        }
    }
    assert_eq!(told, [-1; 8], "four nodes have come and gone");
    // The watcher's server may be ahead of this one.
    session.sync("/");
    assert_eq!(session.children(&bottom).unwrap(), [""; 0]);
}

#[test]
fn a_deep_tree_comes_is_read_watched_sent_restored_and_goes() {
    // Goal: no recursion over a tree of clients' making: limits 15,000 levels deep ended all servers of
    // an ensemble at once. Here the whole tree is deep: made, read, watched, limited, reaped, sent to a
    // member that lost its disk, replayed, restored from snapshots, and deleted (CVE-2026-115448).
    let plan = Plan::new(&[Kind::Ringkeeper; 3])
        .set("extendedTypesEnabled", "true")
        .set("znode.container.checkIntervalMs", "200")
        .set("forceSnapshotSync", "true")
        .set("snapCount", "15");
    let mut ensemble = Ensemble::start("deep_trees/ensemble", &plan);
    let leader = ensemble.wait_all();
    let other = ensemble.ids().into_iter().find(|id| *id != leader).unwrap();
    let mut session = Session::open(ensemble.port(leader), 60_000);
    let began = Instant::now();
    all(&mut session, CREATE, (1..=LEVELS).map(|level| create(&deep(level), 0)));
    println!("made in {:?}", began.elapsed());
    look(&mut session, LEVELS);

    let used = limit_the_middle(&mut session);
    let count = LEVELS - HALF + 1;
    assert_eq!(used, format!("count={count},bytes={count}"));
    what_is_short_lived_goes(&mut session, ensemble.port(leader), ensemble.port(other));

    // A member that has lost its disk is sent the tree.
    let behind = ensemble.ids().into_iter().find(|id| ![leader, other].contains(id)).unwrap();
    let sent = |ensemble: &mut Ensemble| ensemble.member(leader).figure("zk_snap_count");
    let before = sent(&mut ensemble);
    ensemble.member(behind).kill();
    ensemble.member(behind).wipe();
    ensemble.member(behind).spawn();
    ensemble.wait_all();
    assert!(sent(&mut ensemble) > before, "{before:?} trees were sent before");
    let mut there = Session::open(ensemble.port(behind), 60_000);
    there.sync("/");
    look(&mut there, LEVELS);
    assert_eq!(text(&mut there, &stats_of_the_middle()), used);

    // Killed servers replay it, stopped ones find it in their snapshots.
    for id in ensemble.ids() {
        ensemble.member(id).kill();
    }
    let began = Instant::now();
    for id in ensemble.ids() {
        ensemble.member(id).spawn();
    }
    ensemble.wait_all();
    println!("back in {:?}", began.elapsed());
    let mut session = Session::open(ensemble.port(leader), 60_000);
    look(&mut session, LEVELS);
    let change = Out::new().str(&deep(LEVELS)).buffer(Some(b"x")).i32(-1);
    assert_eq!(session.call(SET_DATA, change).err, 0);

    // And it goes.
    let began = Instant::now();
    let gone = |path: String| Out::new().str(&path).i32(-1);
    all(&mut session, DELETE, (2..=LEVELS).rev().map(|level| gone(deep(level))));
    println!("gone in {:?}", began.elapsed());
    assert_eq!(session.get(&deep(2)), Err(NO_NODE));
    assert_eq!(session.children("/a").unwrap(), [""; 0]);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
