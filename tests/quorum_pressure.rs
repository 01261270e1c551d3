//! Servers under pressure of bytes: what is full makes those wait who ask, and ends no role.
//!
//! Ordinary traffic, only much of it at once: large writes in parallel to a follower and to a
//! leader, links that carry less than is written, sessions that end together.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use support::client::{Conn, Handshake, Received, Session};
use support::ensemble::{Ensemble, Plan};
use support::learner::Observer;
use support::server::Kind;
use support::wire::{Out, request};

const SET_DATA: i32 = 5;
const SYNC: i32 = 9;
const SESSION_MS: i32 = 40_000;

fn three() -> Plan {
    // Short limits: what is taken for dead is so soon.
    let plan = Plan::new(&[Kind::under_test(); 3]);
    plan.set("syncLimit", "3").set("preAllocSize", "1024").set("maxSessionTimeout", "60000")
}

fn set_data(xid: i32, path: &str, data: &[u8]) -> Vec<u8> {
    let body = Out::new().str(path).buffer(Some(data)).i32(-1);
    request(xid, SET_DATA, &body.0)
}

/// Who leads, and in which epoch, by every member's word for a zxid.
fn reign(ensemble: &Ensemble) -> (u64, String) {
    let leader = ensemble.leader().expect("somebody leads");
    let at = ensemble.members.iter().find(|member| member.id == leader).unwrap();
    let told = at.word("srvr").expect("it answers");
    let zxid = told.lines().find_map(|line| line.strip_prefix("Zxid: 0x")).expect("a zxid");
    let epoch = zxid.len().saturating_sub(8);
    (leader, zxid[..epoch].to_owned())
}

/// What the members say of links and roles that ended since they served.
fn losses(ensemble: &Ensemble) -> Vec<String> {
    let told = ensemble.logs();
    let bad = ["role ended, back to LOOKING", "learner dropped", "learner disconnected"];
    told.lines().filter(|line| bad.iter().any(|b| line.contains(b))).map(str::to_owned).collect()
}

/// Answers to so many requests, of each connection those that came within the time.
fn answers(conns: &mut [Conn], each: usize, patience: Duration) -> usize {
    let until = Instant::now() + patience;
    let mut got = 0;
    for conn in conns {
        for _ in 0..each {
            conn.patience(
                until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)),
            );
            match conn.receive() {
                Received::Frame(_) => got += 1,
                Received::Closed | Received::Silence => break,
            }
        }
    }
    got
}

/// Large writes in parallel, all sent before any answer is read: all are answered, and nobody has
/// lost a link or a role.
fn large_writes(name: &str, to_leader: bool, conns: usize, each: usize) {
    let data = vec![b'x'; 1_000_000];
    let mut ensemble = Ensemble::start(name, &three());
    let leader = ensemble.wait_all();
    let follower = ensemble.voters().into_iter().find(|id| *id != leader).unwrap();
    let port = ensemble.port(if to_leader { leader } else { follower });
    let mut session = Session::open(port, SESSION_MS);
    for n in 0..conns {
        assert_eq!(session.create(&format!("/{n}"), b""), 0);
    }
    let (before, told) = (reign(&ensemble), losses(&ensemble));
    let mut writers: Vec<Conn> = (0..conns)
        .map(|_| {
            let mut conn = Conn::open(port).unwrap();
            conn.handshake(&Handshake::new(SESSION_MS)).expect("a session");
            conn
        })
        .collect();
    let sending: Vec<_> = writers
        .iter()
        .enumerate()
        .map(|(n, conn)| {
            let (mut stream, data) = (conn.writer(), data.clone());
            std::thread::spawn(move || {
                for xid in 1..=each {
                    let frame = set_data(xid as i32, &format!("/{n}"), &data);
                    if stream.write_all(&frame).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    let got = answers(&mut writers, each, Duration::from_secs(120));
    sending.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(got, conns * each, "answered\n{}", ensemble.logs());
    assert_eq!(losses(&ensemble), told);
    assert_eq!(reign(&ensemble), before, "another reign has begun");
    ensemble.assert_equal_trees("after large writes");
}

#[test]
fn a_pipeline_of_large_writes_by_way_of_a_follower_is_answered() {
    // Goal: more than 64 MiB of writes under way cost a follower nothing.
    large_writes("pressure-follower", false, 1, 150);
}

#[test]
fn large_writes_of_many_clients_at_once_to_the_leader_are_answered() {
    // Goal: a burst larger than any bound of a link resets no link.
    large_writes("pressure-leader", true, 150, 1);
}

#[test]
fn what_clients_may_leave_unread_says_nothing_of_servers() {
    // Goal: with a small outbound bound for clients a follower that lacks much still comes back.
    let plan = three().set("ringkeeper.client.outbound.max", "1048576");
    let mut ensemble = Ensemble::start("pressure-outbound", &plan);
    let leader = ensemble.wait_all();
    let follower = ensemble.voters().into_iter().find(|id| *id != leader).unwrap();
    let mut session = Session::open(ensemble.port(leader), SESSION_MS);
    assert_eq!(session.create("/n", b""), 0);
    ensemble.member(follower).kill();
    for xid in 0..450 {
        let body = Out::new().str("/n").buffer(Some(&[b'y'; 10_000])).i32(-1);
        assert_eq!(session.call(SET_DATA, body).err, 0, "{xid}");
    }
    ensemble.member(follower).spawn();
    let began = Instant::now();
    ensemble.wait_all();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    ensemble.assert_equal_trees("after it came back");
}

#[test]
fn links_that_carry_less_than_is_written_lose_nobody() {
    // Goal: where links are always full, clients are slowed and no learner is taken for dead.
    let mut ensemble = Ensemble::start("pressure-band", &three().cuttable());
    let leader = ensemble.wait_all();
    ensemble.links.as_ref().unwrap().slow_down(20_000_000);
    let port = ensemble.port(leader);
    let mut session = Session::open(port, SESSION_MS);
    assert_eq!(session.create("/n", b""), 0);
    let (before, told) = (reign(&ensemble), losses(&ensemble));
    let until = Instant::now() + Duration::from_secs(20);
    let writing: Vec<_> = (0..64)
        .map(|_| {
            std::thread::spawn(move || {
                let mut session = Session::open(port, SESSION_MS);
                let (data, mut count) = (vec![b'd'; 200_000], 0);
                while Instant::now() < until {
                    let body = Out::new().str("/n").buffer(Some(&data)).i32(-1);
                    assert_eq!(session.call(SET_DATA, body).err, 0);
                    count += 1;
                }
                count
            })
        })
        .collect();
    let written: usize = writing.into_iter().map(|thread| thread.join().expect("no error")).sum();
    assert!(written > 300, "{written} writes in 20 s");
    assert_eq!(losses(&ensemble), told);
    assert_eq!(reign(&ensemble), before, "another reign has begun");
}

/// Sessions that a client library would call lost within seconds.
const SHORT_MS: i32 = 15_000;

#[test]
fn seventy_thousand_sessions_that_are_due_together_cost_nobody_anything() {
    // Goal: a new leader gives every session its full timeout again, so those whose clients are gone are
    // due in one bucket. Their ends are proposed in slices: the follower keeps its link, and others are
    // served meanwhile.
    let count = support::setting("RK_TEST_SESSIONS", 70_000) as usize;
    let mut ensemble = Ensemble::start("pressure-sessions", &three());
    let leader = ensemble.wait_all();
    let [quorum, _] = ensemble.member(leader).peer_ports();
    // It has all there is, and makes sessions without a connection each.
    let mut session = Session::open(ensemble.port(leader), SESSION_MS);
    let last = session.call(SYNC, Out::new().str("/")).zxid;
    let mut observer = Observer::connect(quorum, 100, last);
    observer.catch_up();
    observer.open_sessions(100 << 56 | 1, count, SHORT_MS);
    drop(observer);
    ensemble.member(leader).kill();
    let next = ensemble.wait_all();
    let follower = ensemble.voters().into_iter().find(|id| ![leader, next].contains(id)).unwrap();
    let sessions = |ensemble: &Ensemble| {
        let at = ensemble.members.iter().find(|member| member.id == next).unwrap();
        at.figure("zk_global_sessions").expect("a leader's figure")
    };
    assert!(sessions(&ensemble) >= count as i64, "{} sessions", sessions(&ensemble));
    let mut clients = [next, follower].map(|id| Session::open(ensemble.port(id), SESSION_MS));
    // A zxid of this reign is what tells it.
    assert_eq!(clients[0].create("/beside", b""), 0);
    let (before, told) = (reign(&ensemble), losses(&ensemble));
    let (began, mut longest, mut ended) = (Instant::now(), Duration::ZERO, None);
    let mut looked = began;
    while ended.is_none_or(|at: Instant| at.elapsed() < Duration::from_secs(2)) {
        assert!(began.elapsed() < Duration::from_secs(90), "{} stay", sessions(&ensemble));
        for client in &mut clients {
            let asked = Instant::now();
            let body = Out::new().str("/beside").buffer(Some(b"served")).i32(-1);
            assert_eq!(client.call(SET_DATA, body).err, 0);
            assert!(client.get("/beside").is_ok());
            longest = longest.max(asked.elapsed());
        }
        if looked.elapsed() > Duration::from_millis(200) {
            looked = Instant::now();
            if ended.is_none() && sessions(&ensemble) <= 3 {
                ended = Some(looked);
            }
        }
        // Not synchronisation: clients among others.
        std::thread::sleep(Duration::from_millis(1));
    }
    println!(
        "{count} sessions ended within {:?}; a client waited {longest:?} at most",
        began.elapsed()
    );
    assert_eq!(losses(&ensemble), told, "a link or a role has ended");
    assert_eq!(reign(&ensemble), before, "another reign has begun");
    assert!(longest < Duration::from_secs(5), "a client waited {longest:?}");
    ensemble.assert_equal_trees("after their end");
}
