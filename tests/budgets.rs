//! What one client may cost: requests have a budget of bytes and of work before they are carried
//! out, and what a client can make a server hold has a bound, with an answer and a figure.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may.
#![allow(dead_code)] // Of what tests share, each uses a part.

mod support;

use std::time::{Duration, Instant};

use support::client::{Conn, Handshake, Received, Reply, Session};
use support::ensemble::{Ensemble, Plan};
use support::scratch;
use support::server::{Kind, Server};
use support::wire::{In, OPEN, Out, request};

const CREATE: i32 = 1;
const EXISTS: i32 = 3;
const SET_DATA: i32 = 5;
const GET_ACL: i32 = 6;
const SYNC: i32 = 9;
const CHECK: i32 = 13;
const MULTI: i32 = 14;
const CREATE_TTL: i32 = 21;
const MULTI_READ: i32 = 22;
const SET_WATCHES: i32 = 101;
const ADD_WATCH: i32 = 106;

const BAD_ARGUMENTS: i32 = -8;
const MARSHALLING: i32 = -5;
const NO_NODE: i32 = -101;
const NODE_EXISTS: i32 = -110;
const AUTH_FAILED: i32 = -115;
const THROTTLED: i32 = -127;

const MIB: i64 = 1 << 20;

const DROPPED: &str = "zk_connection_drop_count";

fn ours(name: &str, settings: &[(&str, &str)]) -> Server {
    Server::start(Kind::Ringkeeper, &scratch(&format!("budgets/{name}")), settings)
}

/// One figure of `mntr`.
fn figure(server: &Server, key: &str) -> i64 {
    let text = server.word("mntr").expect("mntr");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('\t'));
    line.unwrap_or_else(|| panic!("no {key} in\n{text}")).parse().expect("a number")
}

/// Waits for a figure: what it counts happens beside.
fn await_figure(server: &Server, key: &str, wanted: i64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while figure(server, key) != wanted {
        assert!(Instant::now() < deadline, "{key} is {}, not {wanted}", figure(server, key));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The most memory a process has had resident, in bytes.
fn peak(pid: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<i64>().unwrap() * 1024
}

/// `count` steps of a multi or multiRead, each of `step`.
fn steps(opcode: i32, count: usize, step: &Out) -> Out {
    let one = Out::new().i32(opcode).bool(false).i32(-1).append(&step.0);
    let all = (0..count).fold(Out::new(), |all, _| all.append(&one.0));
    all.i32(-1).bool(true).i32(-1)
}

fn multi_read(session: &mut Session, count: usize, path: &str) -> Reply {
    session.call(MULTI_READ, steps(4, count, &Out::new().str(path).bool(false)))
}

#[test]
fn a_multi_read_has_a_budget_of_steps_and_of_bytes() {
    // Goal: CVE-2026-100302. One frame of 24 KB took 2 GiB and 20 s of everybody; the bounds, their
    // defaults and the answer are 3.9.7's.
    let server = ours("multi_read", &[]);
    let mut session = Session::open(server.port, 60_000);
    assert_eq!(session.create("/small", b"x"), 0);
    assert_eq!(multi_read(&mut session, 1000, "/small").err, 0);
    let refused = multi_read(&mut session, 1001, "/small");
    assert_eq!((refused.err, refused.body.len()), (BAD_ARGUMENTS, 0));
    assert_eq!(session.create("/large", &[b'd'; 1_000_000]), 0);
    // 64 MiB are 67,108,864 bytes of data; what lies around them does not count.
    let whole = multi_read(&mut session, 67, "/large");
    assert!(whole.err == 0 && whole.body.len() > 67_000_000, "{}", whole.body.len());
    let before = peak(server.pid());
    for count in [68, 1000] {
        let refused = multi_read(&mut session, count, "/large");
        assert_eq!((refused.err, refused.body.len()), (BAD_ARGUMENTS, 0), "{count}");
    }
    assert!(peak(server.pid()) < before + 100 * MIB, "{} MiB", peak(server.pid()) / MIB);
    assert_eq!(figure(&server, "zk_multi_reads_refused"), 3);
    drop(server);

    let settings = [("multiRead.maxOps", "0"), ("multiRead.maxResponseBytes", "100")];
    let server = ours("multi_read_set", &settings);
    let mut session = Session::open(server.port, 60_000);
    assert_eq!(session.create("/small", b"x"), 0);
    assert_eq!(multi_read(&mut session, 100, "/small").err, 0);
    assert_eq!(multi_read(&mut session, 101, "/small").err, BAD_ARGUMENTS);
    // Names of children are counted as data is.
    let names = |session: &mut Session, count| {
        session.call(MULTI_READ, steps(8, count, &Out::new().str("/").bool(false))).err
    };
    let root: usize = ["small", "zookeeper"].iter().map(|name| name.len()).sum();
    assert_eq!(names(&mut session, 100 / root), 0);
    assert_eq!(names(&mut session, 100 / root + 1), BAD_ARGUMENTS);
}

/// Sends `count` digests and gives the answers, as far as there are any.
fn prove(conn: &mut Conn, count: usize) -> Vec<i32> {
    let mut bytes = Vec::new();
    for n in 0..count {
        let auth = format!("u{n}:p");
        let body = Out::new().i32(0).str("digest").buffer(Some(auth.as_bytes()));
        bytes.extend(request(-4, 100, &body.0));
    }
    let mut writer = conn.writer();
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        // The server may close before it has read all.
        let _ = writer.write_all(&bytes);
    });
    let mut answers = Vec::new();
    while answers.len() < count {
        match conn.receive() {
            Received::Frame(payload) => answers.push(Reply::decode(&payload).unwrap().err),
            Received::Closed => break,
            Received::Silence => panic!("no answer to authentication {}", answers.len()),
        }
    }
    sender.join().unwrap();
    answers
}

#[test]
fn identities_beyond_a_bound_are_refused_with_an_answer() {
    // Goal: a connection proves up to 1,024 identities in 256 KiB; one more is a failed
    // authentication, which closes, as every one does.
    let server = ours("identities", &[]);
    let mut session = Session::open(server.port, 60_000);
    let answers = prove(&mut session.conn, 1100);
    assert_eq!(answers.len(), 1025);
    assert!(answers[..1024].iter().all(|err| *err == 0), "{answers:?}");
    assert_eq!(answers[1024], AUTH_FAILED);
    assert_eq!(session.conn.receive(), Received::Closed);
    assert_eq!(figure(&server, "zk_identities_refused"), 1);
    await_figure(&server, "zk_identity_bytes_held", 0);

    let mut session = Session::open(server.port, 60_000);
    assert_eq!(prove(&mut session.conn, 1024), [0; 1024]);
    assert_eq!(session.create("/written", b""), 0);
    let mut session = Session::open(server.port, 60_000);
    let long = "u".repeat(300 << 10) + ":p";
    assert_eq!(session.auth("digest", &long), AUTH_FAILED, "too long by itself");
}

#[test]
fn what_a_follower_takes_its_leader_takes_and_waiting_requests_have_a_bound() {
    // Goal: I14: the write of a connection with all the identities a follower takes does not cost
    // the follower its link. And requests that wait for a leader that says nothing are bounded in
    // bytes: 200 MB of syncs leave the follower as it was.
    let mut ensemble = Ensemble::start("budgets/ensemble", &Plan::new(&[Kind::Ringkeeper; 3]));
    let leader = ensemble.wait_all();
    let follower = ensemble.ids().into_iter().find(|id| *id != leader).unwrap();
    let mut session = Session::open(ensemble.port(follower), 60_000);
    assert_eq!(prove(&mut session.conn, 1024), [0; 1024]);
    assert_eq!(session.create("/written", b""), 0);
    session.sync("/");
    assert_eq!(ensemble.leader(), Some(leader));

    let pid = ensemble.member(follower).pid();
    let before = peak(pid);
    ensemble.member(leader).pause();
    let path = format!("/{}", "s".repeat(1_000_000));
    let frame = request(1, SYNC, &Out::new().str(&path).0);
    let writer = session.conn.writer();
    writer.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let sent = (0..200)
        .take_while(|_| {
            use std::io::Write;
            (&writer).write_all(&frame).is_ok()
        })
        .count();
    let grown = peak(pid) - before;
    ensemble.member(leader).proceed();
    assert!(grown < 100 * MIB, "{sent} syncs sent, {} MiB more", grown / MIB);
}

#[test]
fn watches_have_a_bound_in_bytes_and_others_keep_theirs() {
    // Goal: 2,000 watches on missing paths of 1 MB took 1.9 GiB. 128 MiB of them are held; further
    // ones are answered ThrottledOp, and what they would have read is not read.
    let server = ours("watches", &[]);
    let mut greedy = Session::open(server.port, 60_000);
    let long = "p".repeat(1_000_000);
    let watch = |session: &mut Session, n: usize| {
        session.call(EXISTS, Out::new().str(&format!("/{n:05}{long}")).bool(true)).err
    };
    let answers: Vec<i32> = (0..200).map(|n| watch(&mut greedy, n)).collect();
    let fits = ((128 << 20) / (1_000_006 + 64)) as usize;
    assert!(answers[..fits].iter().all(|err| *err == NO_NODE), "{answers:?}");
    assert!(answers[fits..].iter().all(|err| *err == THROTTLED), "{answers:?}");
    assert!(peak(server.pid()) < 400 * MIB, "{} MiB", peak(server.pid()) / MIB);
    assert_eq!(figure(&server, "zk_watches_refused"), (200 - fits) as i64);
    let held = figure(&server, "zk_watch_bytes_held");
    assert_eq!(held, (fits * (1_000_006 + 64)) as i64);
    let add = Out::new().str(&format!("/{long}")).i32(0);
    assert_eq!(greedy.call(ADD_WATCH, add).err, THROTTLED);

    let mut other = Session::open(server.port, 60_000);
    assert_eq!(watch(&mut other, 0), NO_NODE);
    assert_eq!(figure(&server, "zk_watch_bytes_held"), held + 64, "a path is stored once");
    // A list of watches that has no room is not taken in part: its client would never know.
    let mut lost = Session::open(server.port, 60_000);
    let lists = |paths: &[String]| Out::new().i64(0).strings(&[]).strings(paths).strings(&[]);
    assert_eq!(lost.call(SET_WATCHES, lists(&["/a".into(), "/b".into()])).err, 0);
    drop(greedy);
    await_figure(&server, "zk_watch_bytes_held", 1_000_006 + 64 + 2 * (2 + 64));
    assert!(figure(&server, "zk_watch_count") == 3);
}

#[test]
fn readers_that_have_stopped_have_a_bound_in_sum() {
    // Goal: 60 recursive watchers of one address that do not read, each within its own bound, held
    // 4.1 GiB. Those that hold the most are closed; who reads hears all.
    readers_have_stopped("unread", 1);
}

#[test]
fn readers_that_have_stopped_have_one_bound_on_all_cores() {
    // Goal: the sum is the server's: four cores hold no more than one does.
    readers_have_stopped("unread_on_cores", 4);
}

fn readers_have_stopped(name: &str, cores: usize) {
    const WATCHERS: usize = 60;
    const CHANGES: i32 = 7_000;
    let server = ours(name, &[("ringkeeper.cores.network", &format!("x{cores}"))]);
    let mut writer = Session::open(server.port, 60_000);
    let path = format!("/{}", "w".repeat(3_000));
    assert_eq!(writer.create(&path, b""), 0);
    let watch = |session: &mut Session| {
        assert_eq!(session.call(ADD_WATCH, Out::new().str("/").i32(1)).err, 0);
    };
    let mut deaf: Vec<Session> =
        (0..WATCHERS).map(|_| Session::open(server.port, 60_000)).collect();
    deaf.iter_mut().for_each(watch);
    let mut reader = Session::open(server.port, 60_000);
    watch(&mut reader);
    let listening = std::thread::spawn(move || {
        (0..CHANGES).all(|_| match reader.conn.receive() {
            Received::Frame(event) => Reply::decode(&event).is_ok_and(|event| event.xid == -1),
            Received::Closed | Received::Silence => false,
        })
    });
    for n in 0..CHANGES {
        let body = Out::new().str(&path).buffer(Some(&n.to_be_bytes())).i32(-1);
        assert!(writer.conn.send_request(n, SET_DATA, &body.0));
        if n % 50 == 49 {
            (0..50).for_each(|_| assert_eq!(writer.conn.reply().expect("an answer").err, 0));
        }
    }
    assert!(listening.join().unwrap(), "who reads hears all");
    let (peak, closed) = (peak(server.pid()), figure(&server, "zk_connection_drop_count"));
    // `limits::OUTBOUND_ALL`, and what is made between two looks at it, on each core at worst. A byte has
    // two places while the vector that it waits in grows, and the old one stays with the allocator for
    // a second. 64 MiB are the server's own.
    let (all, look) = (384 * MIB, 16 * MIB);
    let most = 2 * (all + look) + 64 * MIB;
    assert!(closed > 0 && peak < most, "{closed} closed, {} of {} MiB", peak / MIB, most / MIB);
}

/// As many entries as one request has room for, none of which names anybody of this machine.
fn long_list(of: usize) -> Vec<String> {
    (0..38_000).map(|n| format!("10.{of}.{}.{}", n >> 8, n & 255)).collect()
}

/// Nodes with such lists, each its own; what lets everybody in comes last.
fn nodes_with_long_lists(session: &mut Session, count: usize) -> Vec<String> {
    (0..count)
        .map(|n| {
            let (path, ids) = (format!("/long{n}"), long_list(n));
            let entries = ids.iter().map(|id| (31, Some("ip"), Some(id.as_str())));
            let list: Vec<_> = entries.chain(OPEN.iter().copied()).collect();
            let body = Out::new().str(&path).buffer(Some(b"")).acls(Some(&list)).i32(0);
            assert_eq!(session.call(CREATE, body).err, 0, "{path}");
            path
        })
        .collect()
}

#[test]
fn one_connections_work_leaves_others_their_turns() {
    // Goal: each read of a node with 38,000 entries compares each of them with what its client has
    // proven. A megabyte of such reads is half an hour of their core: they are the sender's half hour,
    // and others are served in between. Reads that waited for a write behave as those that did not.
    const READS: usize = 20_000;
    let server = ours("turns", &[]);
    let mut session = Session::open(server.port, 60_000);
    let paths = nodes_with_long_lists(&mut session, 6);
    assert_eq!(session.create("/plain", b"x"), 0);
    for behind_a_write in [false, true] {
        let mut greedy = Session::open(server.port, 60_000);
        assert_eq!(prove(&mut greedy.conn, 300), [0; 300]);
        let mut bytes = Vec::new();
        if behind_a_write {
            let body = Out::new().str("/plain").buffer(Some(b"y")).i32(-1);
            bytes.extend(request(0, SET_DATA, &body.0));
        }
        for n in 0..READS {
            let body = Out::new().str(&paths[n % paths.len()]).bool(false);
            bytes.extend(request(1 + n as i32, 4, &body.0));
        }
        let mut writer = greedy.conn.writer();
        let sender = std::thread::spawn(move || {
            use std::io::Write;
            // It is closed before all is read.
            let _ = writer.write_all(&bytes);
        });
        // It is at work from its first answer on.
        assert!(greedy.conn.reply().is_some());
        let deferred = figure(&server, "zk_requests_deferred");
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            let began = Instant::now();
            assert!(session.get("/plain").is_ok());
            longest = longest.max(began.elapsed());
        }
        assert!(longest < Duration::from_secs(2), "{longest:?} for a read beside");
        assert!(figure(&server, "zk_requests_deferred") > deferred);
        drop(greedy);
        sender.join().unwrap();
    }
}

#[test]
fn who_writes_dear_requests_leaves_the_others_their_turns() {
    // Goal: four clients have four multis each under way that read a million entries of access lists.
    // What another client writes waits for one of each, and not for all of them.
    const CLIENTS: usize = 4;
    const DEAR: i32 = 4;
    let server = ours("dear", &[]);
    let mut session = Session::open(server.port, 60_000);
    assert_eq!(session.create("/plain", b"x"), 0);
    let paths = nodes_with_long_lists(&mut session, 28);
    let step = |path| Out::new().i32(CHECK).bool(false).i32(-1).str(path).i32(-1);
    let steps = paths.iter().fold(Out::new(), |out, path: &String| out.append(&step(path).0));
    let multi = steps.i32(-1).bool(true).i32(-1);
    let mut greedy: Vec<Session> =
        (0..CLIENTS).map(|_| Session::open(server.port, 60_000)).collect();
    for n in 1..=DEAR {
        let dear = request(n, MULTI, &multi.0);
        greedy.iter_mut().for_each(|client| assert!(client.conn.send(&dear)));
    }
    let readers = greedy.into_iter().map(|mut client| {
        client.conn.patience(Duration::from_secs(120));
        std::thread::spawn(move || {
            (1..=DEAR).for_each(|n| assert_eq!(client.conn.reply().unwrap().xid, n));
        })
    });
    let readers: Vec<_> = readers.collect();
    session.conn.patience(Duration::from_secs(120));
    let mut written = 0;
    while !readers.iter().all(|reader| reader.is_finished()) {
        let body = Out::new().str("/plain").buffer(Some(b"y")).i32(-1);
        assert_eq!(session.call(SET_DATA, body).err, 0);
        written += 1;
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    // Where all stood in one line it was one.
    assert!(written >= DEAR - 1, "{written} writes beside {DEAR} of each");
}

#[test]
fn a_request_has_a_budget_of_entries_of_access_lists() {
    // Goal: each step may name a node with another long list. A request has a million entries read;
    // what would need more is refused before it is carried out, or closed where an answer says nothing.
    let server = ours("entries", &[]);
    let mut session = Session::open(server.port, 60_000);
    let paths = nodes_with_long_lists(&mut session, 30);
    let read = |session: &mut Session, paths: &[String]| {
        let step = |all: Out, path: &String| {
            all.i32(4).bool(false).i32(-1).append(&Out::new().str(path).bool(false).0)
        };
        let parts = paths.iter().fold(Out::new(), step);
        session.call(MULTI_READ, parts.i32(-1).bool(true).i32(-1)).err
    };
    assert_eq!(read(&mut session, &paths[..27]), 0);
    assert_eq!(read(&mut session, &paths), BAD_ARGUMENTS);
    assert_eq!(figure(&server, "zk_multi_reads_refused"), 1);

    let check = |session: &mut Session, paths: &[String]| {
        let step = |all: Out, path: &String| {
            all.i32(CHECK).bool(false).i32(-1).append(&Out::new().str(path).i32(-1).0)
        };
        let parts = paths.iter().fold(Out::new(), step);
        session.call(MULTI, parts.i32(-1).bool(true).i32(-1)).err
    };
    assert_eq!(check(&mut session, &paths[..27]), 0);
    assert_eq!(check(&mut session, &paths), MARSHALLING);

    let lists = |paths: &[String]| Out::new().i64(0).strings(paths).strings(&[]).strings(&[]);
    assert_eq!(session.call(SET_WATCHES, lists(&paths[..27])).err, 0);
    let refused = figure(&server, "zk_watches_refused");
    assert!(session.conn.send_request(7, SET_WATCHES, &lists(&paths).0));
    assert_eq!(session.conn.receive(), Received::Closed);
    assert_eq!(figure(&server, "zk_watches_refused"), refused + 30);
}

#[test]
fn lists_of_access_are_judged_in_one_pass_and_auth_has_a_budget() {
    // Goal: 40,000 different entries took 2.1 s of everybody, and "auth" entries times identities
    // 7 GiB, before any size was looked at. A multi's lists share one budget.
    let server = ours("acl", &[]);
    let mut session = Session::open(server.port, 60_000);
    let ids: Vec<String> =
        (0..40_000).map(|n| format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)).collect();
    let list: Vec<_> = ids.iter().map(|id| (31, Some("ip"), Some(id.as_str()))).collect();
    let create = |path: &str, list: &[(i32, Option<&str>, Option<&str>)]| {
        Out::new().str(path).buffer(Some(b"")).acls(Some(list)).i32(0)
    };
    let began = Instant::now();
    assert_eq!(session.call(CREATE, create("/wide", &list)).err, 0);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    assert_eq!(prove(&mut session.conn, 1000), [0; 1000]);
    let before = peak(server.pid());
    let auth: Vec<_> = (1..40_000).map(|perms| (perms, Some("auth"), Some(""))).collect();
    assert_eq!(session.call(CREATE, create("/bomb", &auth)).err, MARSHALLING);
    // Two thousand creates of a multi, each with one such entry.
    let parts = (0..2000).fold(Out::new(), |all, n| {
        let step = create(&format!("/m{n}"), &auth[..1]);
        all.i32(CREATE).bool(false).i32(-1).append(&step.0)
    });
    let reply = session.call(MULTI, parts.i32(-1).bool(true).i32(-1));
    assert_eq!(reply.err, MARSHALLING);
    let grown = peak(server.pid()) - before;
    assert!(grown < 100 * MIB, "{} MiB more", grown / MIB);
    assert_eq!(session.call(CREATE, create("/fine", &auth[..1])).err, 0);
}

#[test]
fn quotas_of_any_depth_come_and_go() {
    // Goal: limits 15,000 levels deep, then their delete: every server of an ensemble overflowed
    // its stack at once, and at every start.
    const LEVELS: usize = 8_000;
    let folder = scratch("budgets/deep");
    let server = Server::start(Kind::Ringkeeper, &folder, &[]);
    let mut session = Session::open(server.port, 60_000);
    let deep = |levels: usize| format!("/zookeeper/quota{}", "/a".repeat(levels));
    let create =
        |path: &str, data: &[u8]| Out::new().str(path).buffer(Some(data)).acls(Some(OPEN)).i32(0);
    let mut level = 0;
    while level < LEVELS {
        let mut parts = Out::new();
        while level < LEVELS && parts.0.len() < 900_000 {
            level += 1;
            let step = create(&deep(level), b"");
            parts = parts.i32(CREATE).bool(false).i32(-1).append(&step.0);
        }
        let reply = session.call(MULTI, parts.i32(-1).bool(true).i32(-1));
        assert_eq!(reply.err, 0, "to level {level}");
    }
    let limits = format!("{}/zookeeper_limits", deep(LEVELS));
    assert_eq!(session.call(CREATE, create(&limits, b"count=5,bytes=-1")).err, 0);
    drop(server);
    let server = Server::start(Kind::Ringkeeper, &folder, &[]);
    let mut session = Session::open(server.port, 60_000);
    assert_eq!(session.call(2, Out::new().str(&limits).i32(-1)).err, 0);
    assert_eq!(session.create("/serves", b""), 0);
    drop(server);
    let mut server = Server::start(Kind::Ringkeeper, &folder, &[]);
    assert!(Session::open(server.port, 60_000).get("/serves").is_ok());
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn quota_text_that_ends_a_java_server_is_refused() {
    // Goal: CVE-2026-100300: every server before 3.9.7 that applies such a text ends, and so does
    // each start of it. Alone, as a change, and as a step of a multi.
    let server = ours("quota_text", &[]);
    let mut session = Session::open(server.port, 60_000);
    assert_eq!(session.create("/q", b""), 0);
    assert_eq!(session.create("/zookeeper/quota/q", b""), 0);
    for name in ["zookeeper_limits", "zookeeper_stats"] {
        let path = format!("/zookeeper/quota/q/{name}");
        for bad in [&b"x"[..], b"count=", b"=5", b"count=x", b"\xff"] {
            assert_eq!(session.create(&path, bad), BAD_ARGUMENTS, "{bad:?}");
        }
        let null = Out::new().str(&path).buffer(None).acls(Some(OPEN)).i32(0);
        assert_eq!(session.call(CREATE, null.clone()).err, BAD_ARGUMENTS);
        let step = Out::new().i32(CREATE).bool(false).i32(-1).append(&null.0);
        let reply = session.call(MULTI, step.i32(-1).bool(true).i32(-1));
        let mut result = In::new(&reply.body);
        let told = (result.i32(), result.bool(), result.i32());
        assert_eq!(told, (Ok(-1), Ok(false), Ok(BAD_ARGUMENTS)));
        assert_eq!(session.create(&path, b"count=5,bytes=-1=;byteHardLimit=7"), 0);
        let change = |data: Option<&[u8]>| Out::new().str(&path).buffer(data).i32(-1);
        assert_eq!(session.call(SET_DATA, change(Some(b"count=5;bytes"))).err, BAD_ARGUMENTS);
        assert_eq!(session.call(SET_DATA, change(None)).err, BAD_ARGUMENTS);
        assert_eq!(session.call(SET_DATA, change(Some(b"count=6,bytes=-1"))).err, 0);
    }
    // The quota of no path: a server before 3.9.7 ends when it applies the limits. What is there
    // already is told first, and so is a missing parent.
    for name in ["zookeeper_limits", "zookeeper_stats"] {
        let path = format!("/zookeeper/quota/{name}");
        assert_eq!(session.create(&path, b"count=1,bytes=1"), BAD_ARGUMENTS, "{name}");
        let there = format!("/zookeeper/quota/q/{name}");
        assert_eq!(session.create(&there, b"x"), NODE_EXISTS, "{name}");
        assert_eq!(session.create(&format!("/zookeeper/quota/none/{name}"), b"x"), NO_NODE);
    }
    // Elsewhere, and under other names, a text is a text.
    assert_eq!(session.create("/zookeeper/quota/q/note", b"x"), 0);
    assert_eq!(session.create("/q/zookeeper_limits", b"x"), 0);
}

#[test]
fn ttl_nodes_expire_under_the_rules_of_3_5_3_as_javas_do() {
    // Goal: with emulate353TTLNodes a node made today has a TTL of 40 bits, in Java and here; read
    // with 63 bits it stays for ever.
    for kind in [Kind::Java, Kind::Ringkeeper] {
        let settings = [
            ("extendedTypesEnabled", "true"),
            ("emulate353TTLNodes", "true"),
            ("znode.container.checkIntervalMs", "100"),
        ];
        let folder = scratch(&format!("budgets/ttl_{kind:?}"));
        let server = Server::start(kind, &folder, &settings);
        let mut session = Session::open(server.port, 60_000);
        let body = Out::new().str("/t").buffer(Some(b"")).acls(Some(OPEN)).i32(5).i64(3_000);
        assert_eq!(session.call(CREATE_TTL, body).err, 0, "{kind:?}");
        let (_, stat) = session.get("/t").unwrap();
        assert_eq!(stat.owner, 0, "{kind:?}");
        let deadline = Instant::now() + Duration::from_secs(20);
        while session.get("/t") != Err(NO_NODE) {
            assert!(Instant::now() < deadline, "{kind:?}: it has not expired");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn digests_are_javas_under_every_name() {
    // Goal: digestAlg takes what the JDK takes; the ids that `auth` stands for are the same.
    for name in ["MD5", "SHA512/256", "sha3-256"] {
        let ids = [Kind::Java, Kind::Ringkeeper].map(|kind| {
            let folder = scratch(&format!("budgets/digest_{kind:?}_{}", name.replace('/', "-")));
            let settings = [("DigestAuthenticationProvider.digestAlg", name)];
            let server = Server::start(kind, &folder, &settings);
            let mut session = Session::open(server.port, 60_000);
            assert_eq!(session.auth("digest", "bob:secret"), 0, "{kind:?} {name}");
            let auth = [(31, Some("auth"), Some(""))];
            let body = Out::new().str("/a").buffer(Some(b"")).acls(Some(&auth)).i32(0);
            assert_eq!(session.call(CREATE, body).err, 0, "{kind:?} {name}");
            let reply = session.call(GET_ACL, Out::new().str("/a"));
            let mut list = In::new(&reply.body);
            let entry = list.vector(|r| Ok((r.i32()?, r.string()?, r.string()?))).unwrap();
            entry.unwrap()
        });
        assert_eq!(ids[0], ids[1], "{name}");
    }
}

#[test]
fn beginnings_of_requests_have_a_bound_in_sum() {
    // Goal: each connection may send nearly the whole of a long request and then nothing. A thousand of
    // them held a gigabyte, for as long as their sessions lived. Those that hold the most are closed, and
    // who sends whole requests is served.
    const CONNECTIONS: usize = 500;
    let server = ours("beginnings", &[("maxClientCnxns", "0")]);
    let mut session = Session::open(server.port, 60_000);
    let mut beginning = 1_000_000_i32.to_be_bytes().to_vec();
    beginning.resize(990_000, 7);
    let held: Vec<Conn> = (0..CONNECTIONS)
        .map(|n| {
            let mut conn = server.connect();
            // Some do not even shake hands.
            if n % 4 > 0 {
                conn.handshake(&Handshake::new(60_000)).expect("a session");
            }
            // It may be closed before all is taken.
            conn.send(&beginning);
            if n % 50 == 0 {
                assert!(session.get("/").is_ok());
            }
            conn
        })
        .collect();
    assert!(session.create("/whole", &[b'd'; 1_000_000]) == 0);
    let (bytes, closed) = (figure(&server, "zk_request_bytes_held"), figure(&server, DROPPED));
    let most = (256 << 20) + CONNECTIONS as i64 * (128 << 10);
    assert!(bytes <= most && closed > 0, "{bytes} bytes, {closed} closed");
    // A byte has two places while it moves from one vector to the next.
    assert!(peak(server.pid()) < 2 * most, "{} MiB", peak(server.pid()) / MIB);
    drop(held);
    await_figure(&server, "zk_request_bytes_held", 0);
}

#[test]
fn sessions_have_a_bound_in_sum() {
    // Goal: sessions live on without their clients; beyond the bound a handshake is closed, old
    // ones are still taken up, and a place that is given back is given out.
    let server = ours("sessions", &[("ringkeeper.sessions.max", "3")]);
    let mut sessions: Vec<Session> = (0..3).map(|_| Session::open(server.port, 60_000)).collect();
    let mut refused = server.connect();
    assert_eq!(refused.handshake(&Handshake::new(60_000)), None);
    assert_eq!(figure(&server, "zk_sessions_refused"), 1);
    let mut back = Session::resume(server.port, &sessions[0].grant, 60_000).expect("it lives");
    assert_eq!(back.create("/here", b""), 0);
    sessions[1].close();
    Session::open(server.port, 60_000);
}

#[test]
fn handshakes_alone_hold_no_watches() {
    // Goal: figures start at nothing, and a connection that ends gives back what it held.
    let server = ours("figures", &[]);
    let mut conn = server.connect();
    conn.handshake(&Handshake::new(10_000)).expect("a session");
    for key in ["zk_watch_bytes_held", "zk_identity_bytes_held", "zk_open_request_bytes"] {
        assert_eq!(figure(&server, key), 0, "{key}");
    }
}
