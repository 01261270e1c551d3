//! Many learners that come back together, far behind: what that costs their leader.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::{Arc, Barrier};
use std::time::Instant;

use support::client::{Received, Reply, Session};
use support::ensemble::{Ensemble, Plan};
use support::learner::{COMMIT, DIFF, NEW_LEADER, Observer, PROPOSAL};
use support::server::Kind;
use support::wire::{Out, request};

const SET_DATA: i32 = 5;
const SESSION_MS: i32 = 40_000;

const LAGGARDS: usize = 30;

/// Transactions that they lack: the newest 500, 50 MB, are in the leader's memory, and 100 MB are not.
const WRITES: i32 = 1_500;
const BYTES: usize = 100_000;

/// Writes under way at once.
const AHEAD: i32 = 50;

/// Sets the node's data so often; gives the zxid of the last.
fn write(session: &mut Session, count: i32) -> i64 {
    let body = Out::new().str("/n").buffer(Some(&vec![b'l'; BYTES])).i32(-1).0;
    let (mut sent, mut zxid) = (0, 0);
    for answered in 0..count {
        while sent < count && sent - answered < AHEAD {
            sent += 1;
            assert!(session.conn.send(&request(1_000 + sent, SET_DATA, &body)));
        }
        let Received::Frame(frame) = session.conn.receive() else { panic!("no answer") };
        let reply = Reply::decode(&frame).unwrap();
        assert_eq!(reply.err, 0);
        zxid = reply.zxid;
    }
    zxid
}

/// A figure of /proc, by its file and name.
fn figure(pid: u32, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// An observer that takes everything between the two, and has it without a hole; bytes it was sent.
fn lag(quorum: u16, id: i64, first: i64, last: i64) -> usize {
    let mut observer = Observer::connect(quorum, id, first);
    let (mut at, mut bytes, mut agreed) = (first, 0, first);
    loop {
        let packet = observer.receive();
        bytes += packet.length;
        match packet.kind {
            DIFF => assert!(packet.zxid >= last, "{packet:?}"),
            PROPOSAL => {
                assert_eq!(packet.zxid, at + 1, "a hole");
                at = packet.zxid;
            }
            COMMIT => agreed = packet.zxid,
            NEW_LEADER => break,
            other => panic!("packet {other} in a history"),
        }
    }
    assert!(agreed == at && at >= last, "{agreed:x} of {last:x}");
    observer.join();
    bytes
}

#[test]
fn thirty_observers_a_hundred_megabytes_behind_cost_about_one_reading_of_the_log() {
    // Goal: pieces of the log are read once for all of them, or nearly, and what is on its way to them is
    // bounded. How long it takes is printed.
    let plan = Plan::new(&[Kind::under_test(); 3])
        .set("preAllocSize", "65536")
        // However small the tree is: the log is read.
        .set("snapshotSizeFactor", "0");
    let mut ensemble = Ensemble::start("laggards", &plan);
    let leader = ensemble.wait_all();
    let mut session = Session::open(ensemble.port(leader), SESSION_MS);
    assert_eq!(session.create("/n", b""), 0);
    let first = write(&mut session, 1);
    let last = write(&mut session, WRITES);
    let [quorum, _] = ensemble.member(leader).peer_ports();
    let pid = ensemble.member(leader).pid();
    let (read, held) = (figure(pid, "io", "rchar:"), figure(pid, "status", "VmRSS:"));
    let began = Instant::now();
    let together = Arc::new(Barrier::new(LAGGARDS));
    let lagging: Vec<_> = (0..LAGGARDS)
        .map(|n| {
            let together = together.clone();
            std::thread::spawn(move || {
                together.wait();
                lag(quorum, 200 + n as i64, first, last)
            })
        })
        .collect();
    // As long as they are served, the figure that counts is the highest one.
    let mut most = held;
    while lagging.iter().any(|thread| !thread.is_finished()) {
        most = most.max(figure(pid, "status", "VmRSS:"));
        // Not synchronisation: the space between two looks at another process.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let sent: usize = lagging.into_iter().map(|thread| thread.join().expect("its history")).sum();
    let took = began.elapsed();
    let read = (figure(pid, "io", "rchar:") - read) as usize;
    let grown = most.saturating_sub(held) as usize >> 10;
    let history = WRITES as usize * BYTES;
    println!(
        "{LAGGARDS} observers, {} MB each, in {took:?}: the leader read {} MB and grew by {grown} MiB",
        history / 1_000_000,
        read / 1_000_000
    );
    assert!(sent >= LAGGARDS * history);
    assert!(read < 4 * history, "{} MB were read", read / 1_000_000);
    assert!(grown < 320, "the leader grew by {grown} MiB");
    assert_eq!(ensemble.leader(), Some(leader));
    assert!(!ensemble.members[leader as usize - 1].log().contains("role ended, back to LOOKING"));
}
