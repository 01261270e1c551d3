//! Local sessions, word by word: what clients of a leader and of a follower see is compared
//! between Java's members and ours, whoever leads them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};
use support::client::{Conn, Received, Session};
use support::ensemble::{Ensemble, Plan};
use support::server::Kind;
use support::wire::{In, OPEN, Out, request};

/// Milliseconds: the shortest that a server with a tick of 2000 ms grants is 4000.
const TIMEOUT: i32 = 20_000;
const SHORT: i32 = 4_000;

const CREATE: i32 = 1;
const GET: i32 = 4;
const EPHEMERALS: i32 = 103;
const MULTI: i32 = 14;
const CREATE2: i32 = 15;
const CLOSE: i32 = -11;

const EPHEMERAL: i32 = 1;
const EPHEMERAL_SEQUENTIAL: i32 = 3;

fn create(path: &str, flags: i32) -> Out {
    Out::new().str(path).buffer(None).acls(Some(OPEN)).i32(flags)
}

/// A multi of creates with these flags.
fn multi(paths: &[(&str, i32)]) -> Out {
    let body = paths.iter().fold(Out::new(), |body, (path, flags)| {
        body.i32(CREATE).bool(false).i32(-1).append(&create(path, *flags).0)
    });
    body.i32(-1).bool(true).i32(-1)
}

/// The codes of a multi's steps.
fn codes(body: &[u8]) -> Vec<i32> {
    let mut input = In::new(body);
    let mut codes = Vec::new();
    loop {
        let (kind, done, code) =
            (input.i32().unwrap(), input.bool().unwrap(), input.i32().unwrap());
        if done {
            return codes;
        }
        if kind == -1 {
            input.i32().unwrap();
        } else {
            input.string().unwrap();
        }
        codes.push(code);
    }
}

fn closes(conn: &mut Conn) -> bool {
    loop {
        match conn.receive() {
            Received::Closed => return true,
            Received::Silence => return false,
            Received::Frame(_) => {}
        }
    }
}

/// What a client sees of `port`; every path begins with `root`.
fn script(port: u16, elsewhere: u16, root: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut say = |what: &str, value: String| seen.push(format!("{what}: {value}"));
    let path = |name: &str| format!("{root}-{name}");

    let mut a = Session::open(port, TIMEOUT);
    say("persistent", a.create(&path("p"), b"").to_string());
    say("bad flags", a.call(CREATE, create(&path("bad"), 9)).err.to_string());
    say("unknown elsewhere", Session::resume(elsewhere, &a.grant, TIMEOUT).is_none().to_string());
    let mut again = Session::resume(port, &a.grant, TIMEOUT);
    say("resumed here", again.is_some().to_string());
    say("old connection closed", closes(&mut a.conn).to_string());
    if let Some(a) = &mut again {
        say("after resume", a.create(&path("q"), b"").to_string());
    }

    let mut b = Session::open(port, TIMEOUT);
    let (m1, m2, m3) = (path("m1"), path("m2"), path("m3"));
    let reply = b.call(MULTI, multi(&[(&m1, 0), (&m2, 0)]));
    say("plain multi", format!("{} {:?}", reply.err, codes(&reply.body)));
    say("still local", Session::resume(elsewhere, &b.grant, TIMEOUT).is_none().to_string());
    let reply = b.call(MULTI, multi(&[(&m3, 0), (&path("m4"), EPHEMERAL)]));
    say("multi with an ephemeral", format!("{} {:?}", reply.err, codes(&reply.body)));
    say("its persistent", b.get(&m3).map(|_| ()).err().unwrap_or(0).to_string());
    say("its ephemeral", b.get(&path("m4")).map(|_| ()).err().unwrap_or(0).to_string());
    let moved = Session::resume(elsewhere, &b.grant, TIMEOUT);
    say("moves after that", moved.is_some().to_string());

    let mut c = Session::open(port, TIMEOUT);
    let reply = c.call(CREATE2, create(&path("s-"), EPHEMERAL_SEQUENTIAL));
    say("create2", reply.err.to_string());
    let reply = c.call(EPHEMERALS, Out::new().str("/"));
    let count = In::new(&reply.body).vector(In::string).unwrap().unwrap_or_default().len();
    say("ephemerals", format!("{} {count}", reply.err));
    // All at once: the answers come in order, and the connection ends behind the last.
    let path_e = path("e");
    let sent = [
        request(101, CREATE, &create(&path("first"), 0).0),
        request(102, CREATE, &create(&path_e, EPHEMERAL).0),
        request(103, GET, &Out::new().str(&path_e).bool(false).0),
        request(104, CLOSE, &[]),
    ];
    c.conn.send(&sent.concat());
    for _ in &sent {
        let reply = c.conn.reply().expect("a reply, not a close");
        say("pipelined", format!("{} {}", reply.xid, reply.err));
    }
    say("closed", closes(&mut c.conn).to_string());
    say("over", Session::resume(port, &c.grant, TIMEOUT).is_none().to_string());
    let mut d = Session::open(port, TIMEOUT);
    say("ephemeral is gone", d.get(&path_e).map(|_| ()).unwrap_err().to_string());

    // A session that ends with nothing but local requests before it.
    d.conn
        .send(&[request(101, CREATE, &create(&path("d"), 0).0), request(102, CLOSE, &[])].concat());
    for _ in 0..2 {
        let reply = d.conn.reply().expect("a reply, not a close");
        say("pipelined close", format!("{} {}", reply.xid, reply.err));
    }
    say("closed", closes(&mut d.conn).to_string());
    say("over", Session::resume(port, &d.grant, TIMEOUT).is_none().to_string());

    expires(port, &mut say);
    seen
}

/// A session of which nothing is heard ends in time.
fn expires(port: u16, say: &mut impl FnMut(&str, String)) {
    let mut idle = Session::open(port, SHORT);
    idle.conn.patience(Duration::from_secs(12));
    let began = Instant::now();
    say("expires", closes(&mut idle.conn).to_string());
    let took = began.elapsed();
    say("in time", (4.0..9.0).contains(&took.as_secs_f64()).to_string());
    say("expired", Session::resume(port, &idle.grant, TIMEOUT).is_none().to_string());
}

/// Scripts of a Java follower, of ours, and of the leader `leads`.
fn scripts(leads: Kind, upgrading: bool) -> [Vec<String>; 3] {
    let mut plan =
        Plan::new(&[Kind::Java, Kind::under_test(), leads]).set("localSessionsEnabled", "true");
    if upgrading {
        plan = plan.set("localSessionsUpgradingEnabled", "true");
    }
    let mut ensemble = Ensemble::start(&format!("locals/{leads:?}-{upgrading}"), &plan);
    ensemble.make_leader(3);
    let ports = ensemble.ports();
    let of = |at: usize| script(ports[at], ports[(at + 1) % 3], &format!("/{upgrading}-{at}"));
    let seen = std::thread::scope(|scope| {
        let all = [0, 1, 2].map(|at| scope.spawn(move || of(at)));
        all.map(|one| one.join().expect("the script runs to its end"))
    });
    ensemble.assert_equal_trees("after local sessions");
    seen
}

fn assert_alike(upgrading: bool) {
    let [java_follower, our_follower, java_leader] = scripts(Kind::Java, upgrading);
    assert_eq!(our_follower, java_follower, "followers of Java's leader");
    let [their_follower, our_follower, our_leader] = scripts(Kind::under_test(), upgrading);
    assert_eq!(their_follower, java_follower, "Java's follower, under our leader");
    assert_eq!(our_follower, java_follower, "our follower, under our leader");
    assert_eq!(our_leader, java_leader, "leaders");
}

#[test]
fn local_sessions_are_seen_as_javas_are() {
    // Goal: with upgrading, the same answers in the same order at followers and leaders.
    assert_alike(true);
}

#[test]
fn local_sessions_that_stay_local_are_seen_as_javas_are() {
    // Goal: the same without.
    assert_alike(false);
}

#[test]
fn observers_without_a_log_of_their_own_and_with_delays_serve_on() {
    // Goal: whatever syncEnabled and the delays say, an observer of either kind comes back to the
    // next leader, with everything, and serves its clients.
    for kind in [Kind::Java, Kind::under_test()] {
        let plan = Plan::new(&[Kind::Java, Kind::under_test(), Kind::under_test()])
            .set("syncEnabled", "false")
            .set("observer.reconnectDelayMs", "300")
            .set("observer.election.DelayMs", "500")
            .observed_by(kind);
        let mut ensemble = Ensemble::start(&format!("locals/observed-{kind:?}"), &plan);
        let told = format!("{kind:?}");
        let mut session = Session::open(ensemble.port(4), TIMEOUT);
        assert_eq!(session.create("/by-observer", b"1"), 0, "{told}");
        let leader = ensemble.wait_all();
        ensemble.member(leader).kill();
        ensemble.wait_all();
        let mut session = Session::resume(ensemble.port(4), &session.grant, TIMEOUT)
            .unwrap_or_else(|| panic!("{told}: the session is over"));
        assert_eq!(session.create("/by-observer/again", b"2"), 0, "{told}");
        ensemble.member(4).kill();
        assert_eq!(Session::open(ensemble.port(1 + leader % 3), TIMEOUT).create("/q", b""), 0);
        ensemble.member(4).spawn();
        ensemble.member(leader).spawn();
        ensemble.wait_all();
        ensemble.assert_equal_trees(&told);
    }
}
