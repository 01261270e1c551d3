//! kill -9 at random moments under pipelined writes.
//!
//! Twenty-four sessions write numbered values without waiting for answers; the server is killed;
//! it starts again on what the disk holds. Then nothing that was acknowledged may be lost,
//! nothing may be there that was not sent, and the sessions must be there still.
//!
//! `RK_ROUNDS=300 cargo test --release --test crash -- --nocapture` is the long run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::client::{Conn, Grant, Handshake, Received, Reply};
use support::server::{Kind, Server};
use support::wire::{OPEN, Out, request};
use support::{Rng, scratch, setting};

const SESSIONS: usize = 24;

/// Requests that a session lets be unanswered at most.
const WINDOW: u64 = 64;

/// Milliseconds: far longer than a round.
const SESSION_TIMEOUT: i32 = 60_000;

/// What one session sent and heard, over all rounds.
struct Writer {
    index: usize,
    grant: Grant,
    /// Highest number sent, and highest number acknowledged: values of the session's own node.
    sent: u64,
    acked: u64,
    /// The same for the children it creates, `c<number>`.
    created_sent: u64,
    created_acked: u64,
    /// Highest zxid that a reply has shown.
    zxid: i64,
}

#[test]
fn nothing_acknowledged_is_lost() {
    // Goal: after each kill every acknowledged write is there, nothing else is, sessions resume.
    let rounds = setting("RK_ROUNDS", 8);
    let seed = setting("RK_SEED_FIRST", 1);
    let mut rng = Rng::new(seed);
    let folder = scratch("crash");
    let start = Instant::now();
    let settings = [
        ("minSessionTimeout", "4000"),
        ("maxSessionTimeout", "60000"),
        // Small, so that rolls and snapshots fall among the kills.
        ("snapCount", "700"),
        ("preAllocSize", "256"),
        ("autopurge.snapRetainCount", "3"),
    ];
    let mut server = Server::start(Kind::under_test(), &folder, &settings);
    let mut writers = first_sessions(&server);
    let mut acknowledged = 0;
    for round in 0..rounds {
        let delay = Duration::from_millis(20 + rng.u64() % 400);
        acknowledged += write_until_killed(&mut server, &mut writers, delay);
        drop(server);
        server = Server::start(Kind::under_test(), &folder, &settings);
        check(&server, &mut writers, round, seed, &folder);
    }
    println!(
        "{rounds} kills, {SESSIONS} sessions, {acknowledged} acknowledged writes in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    assert!(acknowledged > rounds * 20, "only {acknowledged} writes in {rounds} rounds");
}

fn first_sessions(server: &Server) -> Vec<Writer> {
    (0..SESSIONS)
        .map(|index| {
            let mut conn = server.connect();
            let grant = conn.handshake(&Handshake::new(SESSION_TIMEOUT)).expect("a session");
            let node = Out::new().str(&node(index)).buffer(Some(b"0")).acls(Some(OPEN)).i32(0);
            assert_eq!(conn.call(1, 1, &node.0).expect("a reply").err, 0);
            let lease = Out::new().str(&lease(index)).buffer(None).acls(Some(OPEN)).i32(1);
            assert_eq!(conn.call(2, 1, &lease.0).expect("a reply").err, 0);
            Writer { index, grant, sent: 0, acked: 0, created_sent: 0, created_acked: 0, zxid: 0 }
        })
        .collect()
}

fn node(index: usize) -> String {
    format!("/w{index}")
}

/// The session's ephemeral node.
fn lease(index: usize) -> String {
    format!("/e{index}")
}

/// Every session writes until the server is gone; returns how many writes were acknowledged.
fn write_until_killed(server: &mut Server, writers: &mut [Writer], delay: Duration) -> u64 {
    let port = server.port;
    let stop = AtomicBool::new(false);
    let before: u64 = writers.iter().map(|w| w.acked + w.created_acked).sum();
    std::thread::scope(|scope| {
        for writer in writers.iter_mut() {
            let stop = &stop;
            scope.spawn(move || write(writer, port, stop));
        }
        // The moment of the kill is what the seed varies: not a synchronisation.
        std::thread::sleep(delay);
        server.kill();
        stop.store(true, Ordering::SeqCst);
    });
    writers.iter().map(|w| w.acked + w.created_acked).sum::<u64>() - before
}

/// Resumes the session and writes, a thread sending and this one reading.
fn write(writer: &mut Writer, port: u16, stop: &AtomicBool) {
    let Ok(mut conn) = Conn::open(port) else { return };
    let mut wish = Handshake::resume(&writer.grant, SESSION_TIMEOUT);
    wish.last_zxid = writer.zxid;
    conn.send(&wish.encode());
    let Received::Frame(payload) = conn.receive() else { return };
    let grant = Grant::decode(&payload).expect("a handshake's answer");
    assert_eq!(grant.session, writer.grant.session, "the session of writer {}", writer.index);

    let (sent, created) = (AtomicU64::new(writer.sent), AtomicU64::new(writer.created_sent));
    let answered = AtomicU64::new(0);
    let mut socket = conn.writer();
    let index = writer.index;
    let mut settled = writer.acked.max(writer.sent);
    let mut settled_children = writer.created_sent;
    std::thread::scope(|scope| {
        let (sent, created, answered) = (&sent, &created, &answered);
        scope.spawn(move || {
            for turn in 1u64.. {
                while turn > answered.load(Ordering::SeqCst) + WINDOW {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    std::thread::yield_now();
                }
                // The number counts as sent before its first byte leaves.
                let bytes = if turn.is_multiple_of(4) {
                    let number = created.fetch_add(1, Ordering::SeqCst) + 1;
                    let path = format!("{}/c{number:08}", node(index));
                    let body = Out::new().str(&path).buffer(None).acls(Some(OPEN)).i32(0);
                    request(turn as i32, 1, &body.0)
                } else {
                    let number = sent.fetch_add(1, Ordering::SeqCst) + 1;
                    let text = number.to_string();
                    let body = Out::new().str(&node(index)).buffer(Some(text.as_bytes())).i32(-1);
                    request(turn as i32, 5, &body.0)
                };
                if socket.write_all(&bytes).is_err() {
                    return;
                }
            }
        });
        for turn in 1u64.. {
            let Received::Frame(payload) = conn.receive() else { break };
            let reply = Reply::decode(&payload).expect("a reply");
            assert_eq!(reply.xid as u64, turn, "I8: replies in order");
            assert_eq!(reply.err, 0, "writer {index}, request {turn}");
            assert!(reply.zxid > writer.zxid, "I8: zxid {} after {}", reply.zxid, writer.zxid);
            writer.zxid = reply.zxid;
            if turn.is_multiple_of(4) {
                settled_children += 1;
                writer.created_acked = settled_children;
            } else {
                settled += 1;
                writer.acked = settled;
            }
            answered.store(turn, Ordering::SeqCst);
        }
        answered.store(u64::MAX - WINDOW, Ordering::SeqCst);
    });
    writer.sent = sent.load(Ordering::SeqCst);
    writer.created_sent = created.load(Ordering::SeqCst);
}

/// What the restarted server shows must lie between what was acknowledged and what was sent.
fn check(server: &Server, writers: &mut [Writer], round: u64, seed: u64, folder: &Path) {
    for writer in writers {
        let told =
            format!("round {round}, seed {seed}, {}, writer {}", folder.display(), writer.index);
        let mut conn = server.connect();
        let mut wish = Handshake::resume(&writer.grant, SESSION_TIMEOUT);
        wish.last_zxid = writer.zxid;
        let grant = conn.handshake(&wish);
        let grant = grant.unwrap_or_else(|| panic!("{told}: zxid {} is lost", writer.zxid));
        assert_eq!(grant.session, writer.grant.session, "{told}: the session is lost");

        let body = Out::new().str(&node(writer.index)).bool(false);
        let reply = conn.call(1, 4, &body.0).expect("a reply");
        assert_eq!(reply.err, 0, "{told}: the node is lost");
        let mut input = support::wire::In::new(&reply.body);
        let data = input.buffer().unwrap().unwrap_or_default().to_vec();
        let number: u64 = String::from_utf8(data).unwrap().parse().unwrap();
        assert!(
            number >= writer.acked,
            "{told}: {} was acknowledged, {number} is there",
            writer.acked
        );
        assert!(
            number <= writer.sent,
            "{told}: {} was sent at most, {number} is there",
            writer.sent
        );

        let reply = conn.call(2, 8, &body.0).expect("a reply");
        let names = support::wire::In::new(&reply.body).vector(support::wire::In::string);
        let mut children: Vec<u64> = names
            .unwrap()
            .unwrap_or_default()
            .into_iter()
            .map(|name| name.unwrap()[1..].parse().unwrap())
            .collect();
        children.sort_unstable();
        let last = children.last().copied().unwrap_or(0);
        // Created in order by one session: what is there is a prefix, with no hole.
        assert_eq!(children.len() as u64, last, "{told}: a child is missing among {last}");
        assert!(last >= writer.created_acked, "{told}: child {} is lost", writer.created_acked);
        assert!(last <= writer.created_sent, "{told}: child {last} was never sent");

        let lease = Out::new().str(&lease(writer.index)).bool(false);
        let reply = conn.call(3, 3, &lease.0).expect("a reply");
        assert_eq!(reply.err, 0, "{told}: the session's ephemeral is lost");

        // From here the numbers go on from what is there: what was sent and not kept is free.
        writer.acked = number;
        writer.sent = number;
        writer.created_acked = last;
        writer.created_sent = last;
    }
}

#[test]
fn a_clean_stop_keeps_everything() {
    // Goal: SIGTERM ends the process with code 0 (Java: 143, by the JVM's default), and a start
    // on the same folder shows every acknowledged write.
    let folder = scratch("clean-stop");
    let kind = Kind::under_test();
    let mut server = Server::start(kind, &folder, &[]);
    let mut session = support::client::Session::open(server.port, 30_000);
    for number in 0..50 {
        assert_eq!(session.create(&format!("/n{number}"), b"kept"), 0);
    }
    let code = server.terminate();
    if kind == Kind::Ringkeeper {
        assert_eq!(code, Some(0), "SIGTERM: {}", server.log());
    }
    let server = Server::start(kind, &folder, &[]);
    let mut session = support::client::Session::resume(server.port, &session.grant, 30_000)
        .expect("the session is there still");
    assert_eq!(session.children("/").unwrap().len(), 51);
}
