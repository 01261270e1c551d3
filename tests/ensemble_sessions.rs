//! Sessions of an ensemble beyond the ordinary: local ones and their upgrade, and those of a
//! server that has lost its quorum and serves reads alone. The same is asked of Java's members
//! and of ours, each in an ensemble with the other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};
use support::client::{Conn, Grant, Handshake, Received, Session};
use support::ensemble::{Ensemble, Member, PATIENCE, Plan, Role};
use support::server::Kind;
use support::wire::{OPEN, Out};

/// Milliseconds.
const TIMEOUT: i32 = 20_000;

fn mixed() -> [Kind; 3] {
    [Kind::Java, Kind::under_test(), Kind::under_test()]
}

fn ephemeral(session: &mut Session, path: &str) -> i32 {
    let body = Out::new().str(path).buffer(None).acls(Some(OPEN)).i32(1);
    session.call(1, body).err
}

#[test]
fn local_sessions_stay_and_become_global() {
    // Goal: a local session works, is unknown elsewhere, and is global from its first ephemeral
    // on, at a member of either kind, follower or leader.
    let plan = Plan::new(&mixed())
        .set("localSessionsEnabled", "true")
        .set("localSessionsUpgradingEnabled", "true");
    let ensemble = Ensemble::start("sessions/local", &plan);
    let ports = ensemble.ports();
    for (at, port) in ports.iter().enumerate() {
        let told = format!("member {} ({:?})", at + 1, ensemble.members[at].kind);
        let elsewhere = ports[(at + 1) % 3];
        let mut session = Session::open(*port, TIMEOUT);
        assert_eq!(session.create(&format!("/by-local{at}"), b"1"), 0, "{told}");
        let (data, _) = session.get(&format!("/by-local{at}")).unwrap();
        assert_eq!(data.as_deref(), Some(b"1".as_slice()), "{told}");
        let moved = Session::resume(elsewhere, &session.grant, TIMEOUT);
        assert!(moved.is_none(), "{told}: a local session is taken elsewhere");

        let path = format!("/of-upgraded{at}");
        assert_eq!(ephemeral(&mut session, &path), 0, "{told}: upgrade");
        let mut moved = Session::resume(elsewhere, &session.grant, TIMEOUT)
            .unwrap_or_else(|| panic!("{told}: an upgraded session moves"));
        moved.sync(&path);
        let (_, stat) = moved.get(&path).unwrap_or_else(|e| panic!("{told}: {path}: {e}"));
        assert_eq!(stat.owner, session.grant.session, "{told}");
        moved.close();
        ensemble.assert_equal_trees(&told);
    }
}

#[test]
fn local_sessions_without_upgrade_hold_no_ephemerals() {
    // Goal: -120, and the session works on.
    let plan = Plan::new(&mixed()).set("localSessionsEnabled", "true");
    let ensemble = Ensemble::start("sessions/local-only", &plan);
    for member in &ensemble.members {
        let told = format!("member {} ({:?})", member.id, member.kind);
        let mut session = Session::open(member.port, TIMEOUT);
        assert_eq!(ephemeral(&mut session, &format!("/e{}", member.id)), -120, "{told}");
        assert_eq!(session.create(&format!("/p{}", member.id), b""), 0, "{told}");
        session.close();
    }
    ensemble.assert_equal_trees("no ephemerals");
}

/// A session of a client that is content with reads.
fn open_for_reading(port: u16) -> Option<(Session, Grant)> {
    let mut conn = Conn::open(port).ok()?;
    conn.patience(Duration::from_secs(3));
    let wish = Handshake { read_only: Some(true), ..Handshake::new(TIMEOUT) };
    conn.send(&wish.encode());
    let Received::Frame(payload) = conn.receive() else { return None };
    let grant = Grant::decode(&payload).ok()?;
    Some((Session { conn, grant: grant.clone(), xid: 0 }, grant))
}

#[test]
fn a_server_without_a_quorum_serves_reads() {
    // Goal: reads, and nothing else, for those that asked for it; all as before afterwards.
    let mut seen = Vec::new();
    for kind in [Kind::Java, Kind::under_test()] {
        let plan = Plan::new(&[kind, Kind::Java, Kind::Java])
            .set("readonlymode.enabled", "true")
            .set("localSessionsEnabled", "true")
            .set("localSessionsUpgradingEnabled", "true");
        let mut ensemble = Ensemble::start(&format!("sessions/reads-{kind:?}"), &plan);
        let told = format!("{kind:?}");
        let port = ensemble.port(1);
        let mut before = Session::open(ensemble.port(2), TIMEOUT);
        assert_eq!(before.create("/seen", b"data"), 0);
        assert_eq!(ephemeral(&mut before, "/held"), 0);
        let mut check = Session::open(port, TIMEOUT);
        check.sync("/");
        drop(check);
        ensemble.member(2).kill();
        ensemble.member(3).kill();
        let deadline = Instant::now() + PATIENCE;
        while ensemble.member(1).role() != Role::ReadOnly {
            assert!(Instant::now() < deadline, "{told}: no read-only mode\n{}", ensemble.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
        let (mut reader, grant) =
            open_for_reading(port).unwrap_or_else(|| panic!("{told}: a reader is refused"));
        assert_eq!(grant.read_only, Some(true), "{told}");
        let (data, _) = reader.get("/seen").unwrap_or_else(|e| panic!("{told}: /seen: {e}"));
        assert_eq!(data.as_deref(), Some(b"data".as_slice()), "{told}");
        assert_eq!(reader.children("/").unwrap(), ["held", "seen", "zookeeper"], "{told}");
        assert_eq!(reader.create("/written", b""), -119, "{told}");
        let set = Out::new().str("/seen").buffer(Some(b"x")).i32(-1);
        assert_eq!(reader.call(5, set).err, -119, "{told}");
        assert_eq!(reader.call(9, Out::new().str("/")).err, -119, "{told}: sync");
        // A client that wants to write gets no answer.
        let mut writer = Conn::open(port).unwrap();
        writer.send(&Handshake::new(TIMEOUT).encode());
        assert_eq!(writer.receive(), Received::Closed, "{told}: a writer");
        assert!(ensemble.member(1).word("isro").is_some_and(|text| text == "ro"), "{told}");

        seen.push(reader_sees(ensemble.member(1), &before.grant, "/seen"));

        ensemble.member(2).spawn();
        ensemble.member(3).spawn();
        ensemble.wait_all();
        assert!(ensemble.member(1).word("isro").is_some_and(|text| text == "rw"), "{told}");
        assert_eq!(reader.conn.receive(), Received::Closed, "{told}: read-only sessions end");
        let mut after = Session::resume(port, &before.grant, TIMEOUT)
            .unwrap_or_else(|| panic!("{told}: the session from before is over"));
        after.sync("/");
        assert!(after.get("/held").is_ok(), "{told}: its ephemeral");
        assert_eq!(after.create("/written", b""), 0, "{told}");
        after.close();
        ensemble.assert_equal_trees(&told);
    }
    assert_eq!(seen[1], seen[0], "ours, and Java's");
}

/// What a reader of a server without a quorum sees, beyond what all must.
fn reader_sees(member: &Member, before: &Grant, path: &str) -> Vec<String> {
    let port = member.port;
    let mut seen = Vec::new();
    let mut say = |what: &str, value: String| seen.push(format!("{what}: {value}"));
    let resume = |grant: &Grant, read_only: bool| {
        let mut conn = Conn::open(port).unwrap();
        let wish = Handshake { read_only: Some(read_only), ..Handshake::resume(grant, TIMEOUT) };
        conn.handshake(&wish).map(|g| (g.session == grant.session, g.timeout, g.read_only))
    };
    say("a session of the ensemble", format!("{:?}", resume(before, true)));
    let (mut reader, grant) = open_for_reading(port).unwrap();
    say("server", (grant.session >> 56).to_string());
    for opcode in [1, 2, 5, 7, 9, 14, 15, 16, 19, 20, 21] {
        let reply = reader.call(opcode, Out::new());
        say("without a body", format!("{opcode} {}", reply.err));
    }
    let exists = Out::new().str(path).bool(true);
    say("a watch", reader.call(3, exists).err.to_string());
    say("children", format!("{:?}", reader.children("/")));
    let reply = reader.call(103, Out::new().str("/"));
    say("ephemerals", format!("{} {:?}", reply.err, reply.body));
    let reply = reader.call(
        22,
        Out::new().i32(4).bool(false).i32(-1).str(path).bool(false).i32(-1).bool(true).i32(-1),
    );
    say("multi-read", format!("{} {}", reply.err, reply.body.len()));
    let srvr = member.word("srvr").unwrap_or_default();
    say("read-only", srvr.contains("READ-ONLY mode; serving only read-only clients").to_string());
    say("mode", srvr.contains("Mode: read-only").to_string());
    let reply = reader.call(-11, Out::new());
    say("close", reply.err.to_string());
    say("closed", format!("{:?}", reader.conn.receive()));
    say("taken up when closed", format!("{:?}", resume(&grant, true)));
    let (reader, grant) = open_for_reading(port).unwrap();
    say("taken up by a writer", format!("{:?}", resume(&grant, false)));
    say("taken up by a reader", format!("{:?}", resume(&grant, true)));
    drop(reader);
    seen
}

#[test]
fn a_leader_that_abstains_takes_no_clients() {
    // Goal: with leaderServes=no clients get nothing from the leader, and all from its followers.
    for kind in [Kind::Java, Kind::under_test()] {
        let plan = Plan::new(&[Kind::Java, Kind::under_test(), kind]).set("leaderServes", "no");
        let mut ensemble = Ensemble::lay_out(&format!("sessions/abstains-{kind:?}"), &plan);
        let told = format!("{kind:?}");
        ensemble.member(3).spawn();
        while ensemble.member(3).word("ruok").is_none_or(|text| text != "imok") {
            std::thread::sleep(Duration::from_millis(50));
        }
        ensemble.member(1).spawn();
        ensemble.member(2).spawn();
        let deadline = Instant::now() + PATIENCE;
        while [1, 2].iter().any(|id| ensemble.member(*id).role() != Role::Following) {
            assert!(Instant::now() < deadline, "{told}: no followers\n{}", ensemble.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut session = Session::open(ensemble.port(1), 4_000);
        assert_eq!(ephemeral(&mut session, "/held"), 0, "{told}");
        let mut conn = ensemble.member(3).connect();
        assert_eq!(conn.handshake(&Handshake::new(TIMEOUT)), None, "{told}: a client is taken");
        let srvr = ensemble.member(3).word("srvr").unwrap_or_default();
        assert!(srvr.contains("not currently serving requests"), "{told}: {srvr}");
        assert_eq!(ensemble.member(3).word("isro").as_deref(), Some("null"), "{told}");

        // The leader decides about sessions all the same.
        let mut other = Session::open(ensemble.port(2), TIMEOUT);
        other.sync("/held");
        assert!(other.get("/held").is_ok(), "{told}");
        drop(session);
        let deadline = Instant::now() + Duration::from_secs(20);
        while other.get("/held").is_ok() {
            assert!(Instant::now() < deadline, "{told}: the session does not expire");
            std::thread::sleep(Duration::from_millis(50));
        }
        other.close();
    }
}

/// `dump` without what follows the sessions: the lines, with dates and counts of expiry sets taken
/// out (Java counts sets that are empty by now, too).
fn dumped_sessions(member: &Member) -> Vec<String> {
    let text = member.word("dump").expect("an answer");
    let lines = text.lines().take_while(|line| !line.starts_with("ephemeral nodes"));
    let mut told = Vec::new();
    for line in lines.filter(|line| !line.contains(" expire at ")) {
        match line.split_once("Sets (") {
            Some((before, counts)) => {
                let (_, all) = counts.split_once(")/").expect("two counts");
                told.push(format!("{before}{all}"));
            }
            None => told.push(line.to_string()),
        }
    }
    told
}

#[test]
fn dump_lists_the_sessions_that_javas_members_list() {
    // Goal: followers list the ensemble's sessions with their timeouts, leaders by expiry, and
    // each its local ones first, the same at members of either kind.
    for (leads, local) in [(Kind::Java, false), (Kind::under_test(), true), (Kind::Java, true)] {
        let told = format!("{leads:?} leads, local sessions: {local}");
        let mut plan = Plan::new(&[Kind::Java, Kind::under_test(), leads]);
        if local {
            plan = plan
                .set("localSessionsEnabled", "true")
                .set("localSessionsUpgradingEnabled", "true");
        }
        let mut ensemble = Ensemble::start(&format!("sessions/dump-{leads:?}-{local}"), &plan);
        ensemble.make_leader(3);
        let mut global = Vec::new();
        let mut own = Vec::new();
        for (at, port) in ensemble.ports().into_iter().enumerate() {
            let mut session = Session::open(port, TIMEOUT + 2000 * at as i32);
            assert_eq!(ephemeral(&mut session, &format!("/dump{at}")), 0, "{told}");
            global.push(session);
            own.push(Session::open(port, TIMEOUT));
        }
        let global_grants: Vec<Grant> =
            global.iter().map(|session| session.grant.clone()).collect();
        // The last session made is known everywhere once each server has been asked to sync.
        for (at, session) in global.iter_mut().enumerate() {
            session.sync("/");
            let leads = at == 2;
            let mut expected = vec!["SessionTracker dump:".to_string()];
            let mut everybodys: Vec<&Grant> = global_grants.iter().collect();
            if local {
                expected.push("Local Session (1):".into());
                expected.push(format!("\t{:#x}", own[at].grant.session));
            } else {
                everybodys.extend(own.iter().map(|session| &session.grant));
            }
            let count = everybodys.len();
            expected.push(match (leads, local) {
                (true, false) => format!("Session ({count}):"),
                (true, true) => format!("Global Session ({count}):"),
                (false, _) => format!("Global Sessions({count}):"),
            });
            expected.extend(everybodys.iter().map(|grant| match leads {
                true => format!("\t{:#x}", grant.session),
                false => format!("{:#x}\t{}ms", grant.session, grant.timeout),
            }));
            expected.sort();
            // Java's leader walks its sets while a session that was heard moves to a later one,
            // and may list it nowhere (ExpiryQueue.update): such a listing is asked for again.
            let listed = || {
                let mut listed = dumped_sessions(&ensemble.members[at]);
                listed.sort();
                listed
            };
            let again = (0..5).map(|_| listed()).find(|listed| *listed == expected);
            assert_eq!(again.unwrap_or_else(listed), expected, "{told}: member {}", at + 1);
        }
    }
}

/// Writes that the node's list denies, then one that it allows, then one behind a write that opens
/// the list: what is answered.
fn refused_writes(session: &mut Session, path: &str) -> Vec<i32> {
    let read_only = &[(1, Some("world"), Some("anyone"))];
    let child = format!("{path}/child");
    let create = |path: &str, acl| Out::new().str(path).buffer(None).acls(Some(acl)).i32(0);
    let set = |path: &str| Out::new().str(path).buffer(Some(b"x")).i32(-1);
    let mut answers = vec![
        session.call(1, create(path, OPEN)).err,
        session.call(1, create(&child, OPEN)).err,
        session.call(7, Out::new().str(path).acls(Some(read_only)).i32(-1)).err,
    ];
    answers.extend([
        session.call(5, set(path)).err,
        session.call(1, create(&format!("{path}/other"), OPEN)).err,
        session.call(15, create(&format!("{path}/other"), OPEN)).err,
        session.call(2, Out::new().str(&child).i32(-1)).err,
        session.call(7, Out::new().str(path).acls(Some(OPEN)).i32(-1)).err,
        session.call(7, Out::new().str(&child).acls(Some(&[])).i32(-1)).err,
    ]);
    answers.push(session.call(5, set(&child)).err);
    answers
}

#[test]
fn writes_that_a_list_denies_are_refused_where_they_arrive() {
    // Goal: with enableEagerACLCheck a denied write makes no transaction, at members of either
    // kind, leader or follower; without it, it does. The answers are the same.
    for (leads, eager) in
        [(Kind::Java, true), (Kind::under_test(), true), (Kind::under_test(), false)]
    {
        let mut plan = Plan::new(&[Kind::Java, Kind::under_test(), leads]);
        if eager {
            plan = plan.set("enableEagerACLCheck", "true");
        }
        let mut ensemble = Ensemble::start(&format!("sessions/eager-{leads:?}-{eager}"), &plan);
        ensemble.make_leader(3);
        for at in 0..3 {
            let told = format!("{leads:?} leads, eager: {eager}: member {}", at + 1);
            let member = &ensemble.members[at];
            let mut session = Session::open(member.port, TIMEOUT);
            // What was written through another member must have come here before it can deny.
            session.sync("/");
            let before = zxid(member);
            let answers = refused_writes(&mut session, &format!("/denied{at}"));
            let no_auth = -102;
            let expected = [0, 0, 0, no_auth, no_auth, no_auth, no_auth, no_auth, -114, 0];
            assert_eq!(answers, expected, "{told}");
            session.sync("/");
            let transactions = zxid(member) - before;
            assert_eq!(transactions, if eager { 4 } else { 10 }, "{told}");
        }
    }
}

/// The last transaction a member has applied.
fn zxid(member: &Member) -> i64 {
    let text = member.word("srvr").expect("an answer");
    let line = text.lines().find_map(|line| line.strip_prefix("Zxid: 0x")).expect("a zxid");
    i64::from_str_radix(line, 16).unwrap()
}
