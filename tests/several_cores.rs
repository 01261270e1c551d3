//! Clients of one server on several network cores: a watch that is set on one while another writes
//! hears of everything behind the answer that told of it, and of nothing before; and bounds hold for
//! the server, whichever core its connections came to.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may.
#![allow(dead_code)] // Of what tests share, each uses a part.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::client::{Received, Reply, Session};
use support::scratch;
use support::server::{Kind, Server};
use support::wire::{In, Out, request};

const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const PING: i32 = 11;
const REMOVE_WATCHES: i32 = 18;
const SET_WATCHES_2: i32 = 105;
const ADD_WATCH: i32 = 106;

const EVENT: i32 = -1;
const ANY: i32 = 3;
const RECURSIVE: i32 = 1;

const AUTH_FAILED: i32 = -115;

/// A server with so many network cores, and control on a thread of its own.
fn ours(name: &str, cores: usize, settings: &[(&str, &str)]) -> Server {
    let cores = format!("x{cores}");
    let first = first_cpu().to_string();
    let mut all = vec![
        ("ringkeeper.cores.network", cores.as_str()),
        ("ringkeeper.cores.control", first.as_str()),
    ];
    all.extend_from_slice(settings);
    Server::start(Kind::Ringkeeper, &scratch(&format!("several_cores/{name}")), &all)
}

fn first_cpu() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    allowed.trim().split([',', '-']).next().unwrap().parse().unwrap()
}

fn figure(server: &Server, key: &str) -> i64 {
    let text = server.word("mntr").expect("mntr");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('\t'));
    line.unwrap_or_else(|| panic!("no {key} in\n{text}")).parse().expect("a number")
}

fn await_figure(server: &Server, key: &str, wanted: i64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while figure(server, key) != wanted {
        assert!(Instant::now() < deadline, "{key} is {}, not {wanted}", figure(server, key));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Nodes that are written, beneath the one that is watched.
const NODES: usize = 8;

fn node(n: usize) -> String {
    format!("/t/n{n}")
}

/// What a watcher was told since it watches: events in order, and what its reads showed.
struct Heard {
    session: Session,
    /// The events' transactions.
    events: Vec<i64>,
}

impl Heard {
    /// The next answer; the events before it are kept.
    fn reply(&mut self) -> Reply {
        loop {
            match self.session.conn.receive() {
                Received::Frame(payload) => {
                    let reply = Reply::decode(&payload).expect("a reply header");
                    if reply.xid != EVENT {
                        return reply;
                    }
                    self.events.push(reply.zxid);
                }
                other => panic!("no answer: {other:?}"),
            }
        }
    }

    fn call(&mut self, opcode: i32, body: &Out) -> Reply {
        self.session.xid += 1;
        let xid = self.session.xid;
        assert!(self.session.conn.send(&request(xid, opcode, &body.0)));
        let reply = self.reply();
        assert_eq!((reply.xid, reply.err), (xid, 0), "opcode {opcode}");
        reply
    }
}

/// Sets a recursive watch, reads beneath it for a while, and gives it up: the zxid it holds from, that
/// it held to, and the events in between. What a read shows has been told before.
fn watch_once(heard: &mut Heard, by_set_watches: bool, reads: usize) -> (i64, i64, Vec<i64>) {
    heard.events.clear();
    let from = match by_set_watches {
        false => heard.call(ADD_WATCH, &Out::new().str("/t").i32(RECURSIVE)).zxid,
        true => {
            let none = || Out::new().strings(&[]).0;
            let lists = Out::new().i64(i64::MAX).append(&none()).append(&none());
            let lists = lists.append(&none()).append(&none()).strings(&["/t".to_owned()]);
            heard.call(SET_WATCHES_2, &lists).zxid
        }
    };
    assert!(heard.events.is_empty(), "an event before the answer that tells of the watch");
    let mut to = from;
    for read in 0..reads {
        let shown = heard.call(GET_DATA, &Out::new().str(&node(read % NODES)).bool(false));
        let mut body = In::new(&shown.body);
        body.buffer().unwrap();
        let changed = body.stat().unwrap().mzxid;
        if changed > from {
            assert!(heard.events.contains(&changed), "{changed:#x} is shown, and was not told");
        }
        to = shown.zxid;
    }
    // Up to here all has been told; what comes with the next answer is newer, or the same.
    let told = heard.events.clone();
    heard.call(REMOVE_WATCHES, &Out::new().str("/t").i32(ANY));
    (from, to, told)
}

#[test]
fn a_recursive_watch_hears_of_all_that_comes_behind_it_on_any_core() {
    // Goal: a core without watches is sent no changes. One that sets its first recursive watch asks
    // every shard what it may have missed, and from then on believes that it is told of all. Each
    // round here is such a first watch, beside writes on another core; the writer's own answers say
    // which transactions there were.
    const ROUNDS: usize = 150;
    const WATCHERS: usize = 3;
    let server = ours("recursive", 4, &[]);
    let mut writer = Session::open(server.port, 60_000);
    assert_eq!(writer.create("/t", b""), 0);
    (0..NODES).for_each(|n| assert_eq!(writer.create(&node(n), b""), 0));
    let mut watchers: Vec<Heard> = (0..WATCHERS)
        .map(|_| Heard { session: Session::open(server.port, 60_000), events: Vec::new() })
        .collect();
    let stop = AtomicBool::new(false);
    let (spans, written) = std::thread::scope(|scope| {
        let running: Vec<_> = watchers
            .iter_mut()
            .enumerate()
            .map(|(number, heard)| {
                scope.spawn(move || {
                    (0..ROUNDS)
                        .map(|round| watch_once(heard, (round + number) % 3 == 0, 1 + round % 17))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let writing = scope.spawn(|| {
            let mut written = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                // A few at a time, so that some are always under way.
                for n in 0..NODES {
                    let body = Out::new().str(&node(n)).buffer(Some(b"x")).i32(-1);
                    writer.xid += 1;
                    assert!(writer.conn.send_request(writer.xid, SET_DATA, &body.0));
                }
                for _ in 0..NODES {
                    let reply = writer.conn.reply().expect("an answer");
                    assert_eq!(reply.err, 0);
                    written.push(reply.zxid);
                }
            }
            written
        });
        let spans: Vec<_> = running.into_iter().flat_map(|run| run.join().unwrap()).collect();
        stop.store(true, Ordering::SeqCst);
        (spans, writing.join().unwrap())
    });
    let mut heard_of = 0;
    for (from, to, events) in &spans {
        let expected: Vec<i64> =
            written.iter().copied().filter(|zxid| zxid > from && zxid <= to).collect();
        let told: Vec<i64> = events.iter().copied().filter(|zxid| zxid <= to).collect();
        assert_eq!(told, expected, "watched from {from:#x} to {to:#x}");
        heard_of += told.len();
    }
    assert!(heard_of > ROUNDS, "{heard_of} events in {} watches: nothing was shown", spans.len());
}

#[test]
fn bounds_are_the_servers_and_not_each_cores() {
    // Goal: connections come to cores in turn. Were the bound in sum each core's, a server would hold
    // as many times as much as it has cores; were each core to have an even part, a core could refuse
    // what the server has room for. 64 MiB of identities are held by four cores together, whoever
    // comes; what goes is given back to all.
    const CONNECTIONS: usize = 440;
    const BOUND: i64 = 64 << 20;
    const SURE: i64 = 4 << 10;
    let server = ours("bounds", 4, &[("maxClientCnxns", "0")]);
    let long = "u".repeat(60_000);
    let prove = |session: &mut Session, n: usize| {
        (0..4).map(|part| session.auth("digest", &format!("{long}{part}.{n}:p"))).max_by_key(|e| -e)
    };
    let mut held = BTreeMap::new();
    let mut refused = 0;
    for n in 0..CONNECTIONS {
        let mut session = Session::open(server.port, 60_000);
        match prove(&mut session, n) {
            Some(0) => drop(held.insert(n, session)),
            Some(AUTH_FAILED) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    let bytes = figure(&server, "zk_identity_bytes_held");
    let most = BOUND + CONNECTIONS as i64 * SURE;
    assert!(bytes <= most && refused > 0, "{bytes} bytes are held, {refused} were refused");
    assert!(bytes > BOUND / 8 * 7, "{bytes} bytes: the cores' parts are not used");
    // All that one core holds may go, and the others have room for it.
    held.clear();
    await_figure(&server, "zk_identity_bytes_held", 0);
    let mut again: Vec<Session> = (0..200).map(|_| Session::open(server.port, 60_000)).collect();
    for (n, session) in again.iter_mut().enumerate() {
        assert_eq!(prove(session, n), Some(0), "connection {n}");
    }
}
