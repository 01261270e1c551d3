//! Whose answer is whose, and what a client may hear: sessions that move with requests on their
//! way, old connections of moved sessions, rights that change in the middle of a pipeline, watches
//! that are taken up again. Of Java's members and ours alike where Java's answer is the measure.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use support::client::{Conn, Handshake, Received, Reply, Session};
use support::ensemble::{Ensemble, Plan};
use support::server::{Kind, Server};
use support::wire::{In, OPEN, Out, RawAcl, Stat, request};
use support::{scratch, setting};

/// Milliseconds.
const TIMEOUT: i32 = 30_000;

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const EXISTS: i32 = 3;
const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const SET_ACL: i32 = 7;
const MULTI: i32 = 14;
const SET_WATCHES: i32 = 101;
const SET_WATCHES_2: i32 = 105;

const NO_AUTH: i32 = -102;

fn set_data(path: &str, data: &[u8]) -> Out {
    Out::new().str(path).buffer(Some(data)).i32(-1)
}

fn create(path: &str, acls: &[RawAcl<'_>], flags: i32) -> Out {
    Out::new().str(path).buffer(Some(b"1")).acls(Some(acls)).i32(flags)
}

/// A multi of one step.
fn multi(opcode: i32, step: &Out) -> Out {
    let head = |opcode: i32, done: bool| Out::new().i32(opcode).bool(done).i32(-1);
    head(opcode, false).append(&step.0).append(&head(-1, true).0)
}

fn stat(reply: &Reply) -> Option<Stat> {
    let mut input = In::new(&reply.body);
    let stat = input.stat().ok()?;
    input.rest.is_empty().then_some(stat)
}

/// Requests of the old connection, and of the new one.
const OLD: i32 = 300;
const NEW: i32 = 60;

/// A session that leaves with requests on their way and counts its xids from 1 again at another
/// member, as kazoo does: what is wrong with the answers there, if anything.
fn moves(told: &str, ports: (u16, u16), resets: bool, alike: bool) -> Option<String> {
    let mut old = Session::open(ports.0, TIMEOUT);
    let mut sent = Vec::new();
    for xid in 1..=OLD {
        sent.extend(match alike {
            true => request(xid, SET_DATA, &set_data("/old", b"old").0),
            false => request(xid, CREATE, &create("/old/n-", OPEN, 2).0),
        });
    }
    old.conn.send(&sent);
    let grant = old.grant.clone();
    let kept = if resets { None } else { Some(old) };
    let mut new = Session::resume(ports.1, &grant, TIMEOUT)?;
    let mut sent = Vec::new();
    for xid in 1..=NEW {
        sent.extend(request(xid, SET_DATA, &set_data("/new", b"the new").0));
    }
    new.conn.send(&sent);
    let mut version = -1;
    for xid in 1..=NEW {
        let Some(reply) = new.conn.reply() else {
            return Some(format!("{told}: closed instead of answer {xid}"));
        };
        let shown = stat(&reply).map(|stat| (stat.data_length, stat.version));
        let right = reply.xid == xid
            && reply.err == 0
            && shown.is_some_and(|(length, now)| length == 7 && now > version);
        if !right {
            return Some(format!("{told}: answer {xid} is {reply:?}, a stat of {shown:?}"));
        }
        version = shown.map_or(version, |(_, now)| now);
    }
    let closed = new.conn.call(NEW + 1, -11, &[]);
    drop(kept);
    if closed.is_none() { Some(format!("{told}: closeSession is not answered")) } else { None }
}

fn moved_sessions_hear_their_own_answers(name: &str, plan: &Plan, leader: Option<u64>) {
    let rounds = setting("RK_TEST_MOVES", 6);
    let mut ensemble = Ensemble::start(name, plan);
    if let Some(leader) = leader {
        ensemble.make_leader(leader);
    }
    let leader = ensemble.wait_all();
    let mut session = Session::open(ensemble.port(leader), TIMEOUT);
    for path in ["/old", "/new"] {
        assert_eq!(session.create(path, b""), 0);
    }
    let ids = ensemble.ids();
    let mut wrong = Vec::new();
    for from in &ids {
        // Whom Java's learners answer is Java's business.
        for to in ids.iter().filter(|to| *to != from) {
            if ensemble.member(*to).kind == Kind::Java && *to != leader {
                continue;
            }
            let ports = (ensemble.port(*from), ensemble.port(*to));
            for (resets, alike) in [(true, false), (false, false), (true, true)] {
                let told = format!("{from} to {to} of leader {leader}, {resets} {alike}");
                wrong.extend((0..rounds).filter_map(|_| moves(&told, ports, resets, alike)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong, the first: {}", wrong.len(), wrong[0]);
    ensemble.assert_equal_trees("after all moves");
}

#[test]
fn a_moved_session_hears_its_own_answers_alone() {
    // Goal: among members of ours, an observer with them, no answer is another request's, though
    // session and xid are the same.
    let ours = Kind::under_test();
    let plan = Plan::new(&[ours; 3]).observed_by(ours);
    moved_sessions_hear_their_own_answers("order/moves", &plan, None);
}

#[test]
fn a_moved_session_hears_its_own_answers_under_a_java_leader() {
    // Goal: the same where the leader's wire tells session and number only.
    let ours = Kind::under_test();
    // The highest id leads when all are equal.
    let plan = Plan::new(&[ours, ours, Kind::Java]).observed_by(ours);
    moved_sessions_hear_their_own_answers("order/moves-java", &plan, Some(3));
}

#[test]
fn an_old_connection_of_a_moved_session_is_closed_by_any_write() {
    // Goal: "session moved" ends the connection, also from inside a multi, at members of both
    // kinds; and nothing of it happens.
    let plan = Plan::new(&[Kind::Java, Kind::under_test(), Kind::under_test()]);
    let mut ensemble = Ensemble::start("order/moved", &plan);
    let leader = ensemble.wait_all();
    let mut writer = Session::open(ensemble.port(leader), TIMEOUT);
    assert_eq!(writer.create("/m", b"new"), 0);
    for from in ensemble.ids().into_iter().filter(|id| *id != leader) {
        let to = ensemble.ids().into_iter().find(|id| *id != from && *id != leader).unwrap();
        let kind = ensemble.member(from).kind;
        for (what, opcode, body) in [
            ("setData", SET_DATA, set_data("/m", b"old")),
            ("delete", DELETE, Out::new().str("/none").i32(-1)),
            ("multi setData", MULTI, multi(SET_DATA, &set_data("/m", b"old"))),
            ("multi create", MULTI, multi(CREATE, &create("/m/c", OPEN, 0))),
            ("multi ephemeral", MULTI, multi(CREATE, &create("/m/e", OPEN, 1))),
            ("multi delete", MULTI, multi(DELETE, &Out::new().str("/m/none").i32(-1))),
            ("multi check", MULTI, multi(13, &Out::new().str("/m").i32(-1))),
        ] {
            let told = format!("{what} at {from} ({kind:?}), moved to {to}, leader {leader}");
            let mut old = Session::open(ensemble.port(from), TIMEOUT);
            let mut new = Session::resume(ensemble.port(to), &old.grant, TIMEOUT).expect(&told);
            assert_eq!(new.call(SET_DATA, set_data("/m", b"new")).err, 0, "{told}");
            let answer = old.conn.call(5000, opcode, &body.0);
            assert_eq!(answer, None, "{told}: the old connection is answered");
            assert_eq!(new.call(SET_DATA, set_data("/m", b"new")).err, 0, "{told}: the owner");
            new.sync("/");
            let (data, _) = new.get("/m").unwrap();
            assert_eq!(data.as_deref(), Some(b"new".as_slice()), "{told}");
            assert_eq!(new.children("/m").unwrap(), Vec::<String>::new(), "{told}");
            new.close();
        }
    }
}

/// Only who has proven "alice:secret".
const ALICES: &[RawAcl<'static>] =
    &[(31, Some("digest"), Some("alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E="))];

#[test]
fn a_pipeline_is_judged_by_the_list_set_in_it() {
    // Goal: what stands behind a setACL in the same pipeline is judged by the new list (Java 3.9.5 goes by
    // the old one until the new is applied, CVE-2026-100235), on a server alone, on a leader and on followers, reads and writes and multis alike.
    let folder = scratch("order/acl-alone");
    let alone = Server::start(Kind::under_test(), &folder, &[]);
    let kinds = [Kind::under_test(); 3];
    let mut ensemble = Ensemble::start("order/acl", &Plan::new(&kinds));
    ensemble.wait_all();
    let ports = ensemble.ports().into_iter().chain([alone.port]);
    for (at, port) in ports.enumerate() {
        let path = format!("/n{at}");
        let mut session = Session::open(port, TIMEOUT);
        assert_eq!(session.create(&path, b"1"), 0);
        let shut = Out::new().str(&path).acls(Some(ALICES)).i32(-1);
        let read = Out::new().str(&path).bool(false);
        let check = Out::new().str(&path).i32(-1);
        let in_flight = [
            (SET_DATA, set_data(&path, b"2")),
            (SET_ACL, shut),
            (SET_DATA, set_data(&path, b"3")),
            (GET_DATA, read.clone()),
            (EXISTS, read),
            (MULTI, multi(SET_DATA, &set_data(&path, b"4"))),
            (MULTI, multi(13, &check)),
            (CREATE, create(&format!("{path}/c"), OPEN, 0)),
            (SET_ACL, Out::new().str(&path).acls(Some(OPEN)).i32(-1)),
        ];
        let mut bytes = Vec::new();
        for (xid, (opcode, body)) in (10..).zip(&in_flight) {
            bytes.extend(request(xid, *opcode, &body.0));
        }
        session.conn.send(&bytes);
        let errors: Vec<i32> = in_flight
            .iter()
            .map(|(opcode, _)| {
                let reply = session.conn.reply().expect("an answer");
                match opcode {
                    // The header says OK; the first result's header ends in its error.
                    &MULTI => i32::from_be_bytes(reply.body[5..9].try_into().unwrap()),
                    _ => reply.err,
                }
            })
            .collect();
        let denied = NO_AUTH;
        let right = [0, 0, denied, denied, denied, denied, denied, denied, denied];
        assert_eq!(errors, right, "member {at}");
        session.xid = 100;
        assert_eq!(session.auth("digest", "alice:secret"), 0);
        let (data, _) = session.get(&path).unwrap();
        assert_eq!(data.as_deref(), Some(b"2".as_slice()), "member {at}");
    }
}

/// Kinds of events.
const CREATED: i32 = 1;
const DELETED: i32 = 2;
const CHANGED: i32 = 3;
const CHILDREN: i32 = 4;

/// What is heard until the answer to request 1 has come.
fn events_until_the_answer(conn: &mut Conn) -> Vec<(i32, String)> {
    let mut heard = Vec::new();
    loop {
        let Received::Frame(payload) = conn.receive() else { panic!("no answer") };
        let reply = Reply::decode(&payload).unwrap();
        if reply.xid == 1 {
            assert_eq!(reply.err, 0);
            return heard;
        }
        assert_eq!(reply.xid, -1);
        let mut input = In::new(&reply.body);
        let (kind, _state) = (input.i32().unwrap(), input.i32().unwrap());
        heard.push((kind, input.string().unwrap().unwrap()));
    }
}

#[test]
fn watches_taken_up_again_tell_nothing_that_may_not_be_read() {
    // Goal: of a change, a deletion, a creation and new children only those hear at once who may
    // read the node; whoever may not is told of nothing now, and of nothing later (CVE-2026-59739).
    let folder = scratch("order/rewatch");
    let server = Server::start(Kind::under_test(), &folder, &[]);
    let mut alice = Session::open(server.port, TIMEOUT);
    assert_eq!(alice.auth("digest", "alice:secret"), 0);
    for path in ["/changed", "/deleted", "/kids"] {
        assert_eq!(alice.call(CREATE, create(path, ALICES, 0)).err, 0);
    }
    let zxid = alice.call(EXISTS, Out::new().str("/").bool(false)).zxid;
    assert_eq!(alice.call(SET_DATA, set_data("/changed", b"2")).err, 0);
    assert_eq!(alice.call(DELETE, Out::new().str("/deleted").i32(-1)).err, 0);
    assert_eq!(alice.call(CREATE, create("/kids/x", ALICES, 0)).err, 0);
    assert_eq!(alice.call(CREATE, create("/created", ALICES, 0)).err, 0);
    let all = [
        (CHANGED, "/changed".to_owned()),
        (DELETED, "/deleted".to_owned()),
        (CREATED, "/created".to_owned()),
        (CHILDREN, "/kids".to_owned()),
        (DELETED, "/deleted".to_owned()),
    ];
    for opcode in [SET_WATCHES, SET_WATCHES_2] {
        for (who, right) in [(Some("alice:secret"), &all[..]), (Some("bob:x"), &[]), (None, &[])] {
            let mut session = Session::open(server.port, TIMEOUT);
            if let Some(secret) = who {
                assert_eq!(session.auth("digest", secret), 0);
            }
            let names = |names: &[&str]| names.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
            let mut body = Out::new()
                .i64(zxid)
                .strings(&names(&["/changed", "/deleted"]))
                .strings(&names(&["/created"]))
                .strings(&names(&["/kids", "/deleted"]));
            if opcode == SET_WATCHES_2 {
                body = body.i32(0).i32(0);
            }
            session.conn.send_request(1, opcode, &body.0);
            let heard = events_until_the_answer(&mut session.conn);
            assert_eq!(heard, right, "{who:?}, opcode {opcode}");
        }
    }
}

#[test]
fn a_new_session_is_told_of_what_it_may_read() {
    // Goal: with open lists everything is told as before.
    let folder = scratch("order/rewatch-open");
    for kind in [Kind::Java, Kind::under_test()] {
        let server = Server::start(kind, &folder.join(format!("{kind:?}")), &[]);
        let mut session = Session::open(server.port, TIMEOUT);
        for path in ["/changed", "/deleted", "/kids", "/same"] {
            assert_eq!(session.create(path, b""), 0);
        }
        let zxid = session.call(EXISTS, Out::new().str("/").bool(false)).zxid;
        assert_eq!(session.call(SET_DATA, set_data("/changed", b"2")).err, 0);
        assert_eq!(session.call(DELETE, Out::new().str("/deleted").i32(-1)).err, 0);
        assert_eq!(session.create("/kids/x", b""), 0);
        assert_eq!(session.create("/created", b""), 0);
        let mut other = Conn::open(server.port).unwrap();
        other.handshake(&Handshake::new(TIMEOUT)).unwrap();
        let names = |names: &[&str]| names.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let body = Out::new()
            .i64(zxid)
            .strings(&names(&["/changed", "/deleted", "/same", "/never"]))
            .strings(&names(&["/created", "/not-yet"]))
            .strings(&names(&["/kids"]));
        other.send_request(1, SET_WATCHES, &body.0);
        let right = [
            (CHANGED, "/changed"),
            (DELETED, "/deleted"),
            (DELETED, "/never"),
            (CREATED, "/created"),
            (CHILDREN, "/kids"),
        ];
        let heard = events_until_the_answer(&mut other);
        assert_eq!(heard, right.map(|(kind, path)| (kind, path.to_owned())), "{kind:?}");
    }
}

#[test]
fn a_request_is_judged_by_what_was_proven_when_it_came() {
    // Goal: a read that waits behind a write gains nothing by an auth packet behind it, which is
    // answered ahead of both; the read behind that does. As in Java.
    let folder = scratch("order/auth");
    for kind in [Kind::Java, Kind::under_test()] {
        let server = Server::start(kind, &folder.join(format!("{kind:?}")), &[]);
        let mut alice = Session::open(server.port, TIMEOUT);
        assert_eq!(alice.create("/open", b""), 0);
        assert_eq!(alice.auth("digest", "alice:secret"), 0);
        assert_eq!(alice.call(CREATE, create("/secret", ALICES, 0)).err, 0);
        let read = Out::new().str("/secret").bool(false);
        let auth = Out::new().i32(0).str("digest").buffer(Some(b"alice:secret"));
        for round in 0..5 {
            let mut session = Session::open(server.port, TIMEOUT);
            let mut bytes = request(1, SET_DATA, &set_data("/open", b"1").0);
            bytes.extend(request(2, GET_DATA, &read.0));
            bytes.extend(request(-4, 100, &auth.0));
            bytes.extend(request(3, GET_DATA, &read.0));
            session.conn.send(&bytes);
            let mut answers: Vec<(i32, i32)> = (0..4)
                .map(|_| session.conn.reply().map(|reply| (reply.xid, reply.err)).unwrap())
                .collect();
            answers.sort_unstable();
            let right = [(-4, 0), (1, 0), (2, NO_AUTH), (3, 0)];
            assert_eq!(answers, right, "{kind:?}, round {round}");
        }
    }
}

/// Clients that send long multis, and how many each sends.
const SENDERS: u32 = 10;
const MULTIS: u32 = 6;

#[test]
fn long_multis_cost_their_senders() {
    // Goal: of 60 multis as long as a frame may be a read waits for a few, a write for one of each
    // sender; whatever the machine, as all is counted in multis.
    let folder = scratch("order/multis");
    let server = Server::start(Kind::under_test(), &folder, &[]);
    let check = |opcode: i32, done: bool| Out::new().i32(opcode).bool(done).i32(-1);
    let step = check(13, false).str("/").i32(-1);
    let multi = Out(step.0.repeat(58_000)).append(&check(-1, true).0);
    let mut session = Session::open(server.port, TIMEOUT);
    session.conn.patience(Duration::from_secs(300));
    // All of them before the first multi: a handshake is a write too.
    let sessions: Vec<Session> =
        (0..SENDERS).map(|_| Session::open(server.port, TIMEOUT)).collect();
    let began = Instant::now();
    let senders: Vec<_> = sessions
        .into_iter()
        .map(|mut session| {
            session.conn.patience(Duration::from_secs(300));
            let bytes = request(1, MULTI, &multi.0).repeat(MULTIS as usize);
            std::thread::spawn(move || {
                let mut writer = session.conn.writer();
                let writing = std::thread::spawn(move || writer.write_all(&bytes).unwrap());
                for _ in 0..MULTIS {
                    assert_eq!(session.conn.reply().map(|reply| reply.err), Some(0));
                }
                writing.join().unwrap();
            })
        })
        .collect();
    let (mut read, mut written) = (Duration::ZERO, Duration::ZERO);
    while !senders.iter().all(std::thread::JoinHandle::is_finished) {
        let asked = Instant::now();
        session.get("/zookeeper").unwrap();
        read = read.max(asked.elapsed());
        let asked = Instant::now();
        assert_eq!(session.call(SET_DATA, set_data("/", b"")).err, 0);
        written = written.max(asked.elapsed());
    }
    let each = began.elapsed() / (SENDERS * MULTIS);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    println!("a multi takes {each:?}, the longest read {read:?}, the longest write {written:?}");
    assert!(read < 10 * each, "a read waits {read:?}, a multi takes {each:?}");
    assert!(written < 20 * each, "a write waits {written:?}, a multi takes {each:?}");
}
