//! What clients may do at once, ours beside Java's: handshakes, requests under way, large ones.
#![allow(clippy::unwrap_used)] // A test may.

mod support;

use std::time::{Duration, Instant};

use support::client::{Conn, Grant, Handshake, Received, Session};
use support::ensemble::{Ensemble, Plan};
use support::scratch;
use support::server::{Kind, Server};
use support::wire::{OPEN, Out};

const KINDS: [Kind; 2] = [Kind::Java, Kind::Ringkeeper];
const THROTTLED: i32 = -127;

/// A server of this kind with these settings.
fn server(kind: Kind, name: &str, settings: &[(&str, &str)]) -> Server {
    let folder = scratch(&format!("throttles/{name}-{kind:?}"));
    Server::start(kind, &folder, settings)
}

/// One line of `mntr`.
fn figure(text: &str, key: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("zk_{key}\t")));
    let number = line.unwrap_or_else(|| panic!("no {key} in {text}"));
    number.parse::<f64>().unwrap() as i64
}

/// The answer to a handshake; a refused one is closed without a word.
fn shake(server: &Server, wish: &Handshake) -> (Conn, Option<Grant>) {
    let mut conn = server.connect();
    let grant = conn.handshake(wish);
    (conn, grant)
}

fn is_served(server: &Server, wish: &Handshake) -> bool {
    shake(server, wish).1.is_some()
}

fn create(path: &str) -> Out {
    Out::new().str(path).buffer(Some(b"x")).acls(Some(OPEN)).i32(0)
}

fn set(path: &str, length: usize) -> Out {
    Out::new().str(path).buffer(Some(&vec![b'x'; length])).i32(-1)
}

/// Whether the server ends a connection on which nothing is said.
fn is_ended(conn: &mut Conn) -> bool {
    conn.receive() == Received::Closed
}

#[test]
fn silent_connections_and_those_beyond_an_addresses_share_are_closed() {
    // Goal: of one address three are taken and the fourth is closed at once; three that say nothing are
    // closed in their time, and others have their places. As in Java.
    for kind in KINDS {
        let settings = [("maxClientCnxns", "3"), ("nio.sessionlessCnxnTimeout", "1500")];
        let server = server(kind, "silent", &settings);
        // The question that found it serving may not have been let go of yet.
        let mut silent: Vec<Conn> = Vec::new();
        while silent.len() < 3 {
            let mut conn = server.connect();
            conn.patience(Duration::from_millis(200));
            if conn.receive() == Received::Silence {
                conn.patience(Duration::from_secs(20));
                silent.push(conn);
            }
        }
        assert!(is_ended(&mut server.connect()), "{kind:?}: the fourth");
        assert!(silent.iter_mut().all(is_ended), "{kind:?}: silent ones");
        assert!(is_served(&server, &Handshake::new(20_000)), "{kind:?}: there is room again");
        let told = server.word("mntr").unwrap();
        assert_eq!(figure(&told, "sessionless_connections_expired"), 3, "{kind:?}");
    }
}

#[test]
fn handshakes_take_tokens_and_are_closed_where_there_are_none() {
    // Goal: five tokens that do not come back: five handshakes are served, whatever they are for,
    // and none behind them; figures as Java's.
    let told = KINDS.map(|kind| {
        let settings =
            [("connection_throttle_tokens", "5"), ("connection_throttle_fill_time", "100000000")];
        let server = server(kind, "tokens", &settings);
        let mut served = Vec::new();
        let mut conns = Vec::new();
        let mut first = None;
        for at in 0..8 {
            let wish = match (&first, at) {
                (Some(grant), 4) => Handshake::resume(grant, 8000),
                _ => Handshake::new(8000),
            };
            let (conn, grant) = shake(&server, &wish);
            served.push(grant.is_some());
            first = first.or(grant);
            conns.push(conn);
        }
        let mntr = server.word("mntr").unwrap();
        let figures = [
            "connection_rejected",
            "connection_request_count",
            "cnt_connection_token_deficit",
            "max_connection_token_deficit",
            "connection_drop_probability",
        ]
        .map(|key| (key, figure(&mntr, key)));
        (served, figures)
    });
    assert_eq!(told[0], told[1]);
    assert_eq!(told[1].0, [true, true, true, true, true, false, false, false]);
}

#[test]
fn tokens_come_back_with_time() {
    for kind in KINDS {
        let settings =
            [("connection_throttle_tokens", "2"), ("connection_throttle_fill_time", "300")];
        let server = server(kind, "fill", &settings);
        let wish = Handshake::new(8000);
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut refused = false;
        while !refused {
            refused = !is_served(&server, &wish);
            assert!(Instant::now() < deadline, "{kind:?}: none is refused");
        }
        while !is_served(&server, &wish) {
            assert!(Instant::now() < deadline, "{kind:?}: none comes back");
        }
    }
}

#[test]
fn a_handshake_costs_what_its_session_weighs() {
    // Goal: with weights the bucket is larger by that of a global session (3, and 2 to renew one):
    // of 6 tokens two new sessions leave none; one and a renewal leave 1, which is too few.
    let settings = [
        ("connection_throttle_tokens", "2"),
        ("connection_throttle_fill_time", "100000000"),
        ("connection_throttle_weight_enabled", "true"),
    ];
    let told = KINDS.map(|kind| {
        let new = server(kind, "weights", &settings);
        let fresh: Vec<bool> = (0..3).map(|_| is_served(&new, &Handshake::new(8000))).collect();
        let renewed = server(kind, "renewal", &settings);
        let (first, grant) = shake(&renewed, &Handshake::new(8000));
        let renewal = Handshake::resume(&grant.unwrap(), 8000);
        let renewals: Vec<bool> = (0..2).map(|_| is_served(&renewed, &renewal)).collect();
        drop(first);
        (fresh, renewals)
    });
    assert_eq!(told[0], told[1]);
    assert_eq!(told[1], (vec![true, true, false], vec![true, false]));
}

#[test]
fn a_share_is_refused_by_chance_once_the_bucket_was_empty() {
    // Goal: with a freeze time the share grows to all of them while the bucket is empty.
    let settings = [
        ("connection_throttle_tokens", "3"),
        ("connection_throttle_fill_time", "100000000"),
        ("connection_throttle_freeze_time", "0"),
        ("connection_throttle_drop_increase", "0.5"),
    ];
    for kind in KINDS {
        let server = server(kind, "share", &settings);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let _ = is_served(&server, &Handshake::new(8000));
            let mntr = server.word("mntr").unwrap();
            if figure(&mntr, "connection_drop_probability") == 1 {
                break;
            }
            assert!(Instant::now() < deadline, "{kind:?}: {mntr}");
        }
    }
}

#[test]
fn a_large_request_that_finds_no_room_ends_its_connection() {
    // Goal: small ones are never counted; a large one passes up to the bound, and one beyond it is
    // refused before it has come, with the figure; the session lives on elsewhere.
    let settings = [("largeRequestThreshold", "1000"), ("largeRequestMaxBytes", "5000")];
    let told = KINDS.map(|kind| {
        let server = server(kind, "large", &settings);
        let port = server.port;
        let mut session = Session::open(port, 8000);
        assert_eq!(session.create("/l", b""), 0);
        let mut told = Vec::new();
        for length in [900, 2000, 4900] {
            told.push(Some(session.call(5, set("/l", length)).err));
        }
        // The length alone: what it announces never comes.
        let mut greedy = Session::open(port, 8000);
        greedy.conn.send(&6000i32.to_be_bytes());
        told.push(match greedy.conn.receive() {
            Received::Closed => None,
            other => panic!("{kind:?}: {other:?}"),
        });
        told.push(Some(session.call(5, set("/l", 4900)).err));
        let mntr = server.word("mntr").unwrap();
        (told, figure(&mntr, "large_requests_rejected"))
    });
    assert_eq!(told[0], told[1]);
    assert_eq!(told[1], (vec![Some(0), Some(0), Some(0), None, Some(0)], 1));
}

/// An ensemble whose leader, of this kind, takes one request at a time; its followers stand still.
fn stuck(kind: Kind, name: &str, more: &[(&str, &str)]) -> Ensemble {
    let mut plan = Plan::new(&[Kind::Java, Kind::Java, kind])
        .set("request_throttle_max_requests", "1")
        .set("syncLimit", "30");
    for (key, value) in more {
        plan = plan.set(key, value);
    }
    let mut ensemble = Ensemble::start(&format!("throttles/{name}-{kind:?}"), &plan);
    ensemble.make_leader(3);
    ensemble
}

/// What the throttle does with whom, while one write cannot be committed.
fn behind_a_stuck_write(kind: Kind) -> (Vec<i32>, [i64; 2], Vec<String>) {
    let mut ensemble = stuck(kind, "stuck", &[("throttled_op_wait_time", "400")]);
    let port = ensemble.port(3);
    let mut sessions: Vec<Session> = (0..4).map(|_| Session::open(port, 20_000)).collect();
    // Sessions are written down before the followers stop.
    assert_eq!(sessions[0].create("/t", b""), 0);
    ensemble.member(1).pause();
    ensemble.member(2).pause();
    let [under_way, waits, pipelines, leaves] = &mut sessions[..] else { unreachable!() };
    under_way.conn.send_request(100, 5, &set("/t", 1).0);
    let begun = Instant::now();
    while ensemble.member(3).figure("zk_outstanding_requests") != Some(1) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{kind:?}: the write is not under way");
    }
    waits.conn.send_request(101, 1, &create("/t/waits").0);
    pipelines.conn.send_request(102, 1, &create("/t/first").0);
    pipelines.conn.send_request(103, 1, &create("/t/second").0);
    leaves.conn.send_request(104, 1, &create("/t/leaves").0);
    // Java's throttle must have seen them wait for longer than it lets them.
    std::thread::sleep(Duration::from_millis(900));
    leaves.conn.writer().shutdown(std::net::Shutdown::Both).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    ensemble.member(1).proceed();
    ensemble.member(2).proceed();
    let mut told = vec![under_way.conn.reply().unwrap().err, waits.conn.reply().unwrap().err];
    told.extend((0..2).map(|_| pipelines.conn.reply().unwrap().err));
    // Nobody waits any more, and nothing is left behind.
    told.push(waits.create("/t/late", b""));
    let children = waits.children("/t").unwrap();
    let figures = ["zk_throttled_ops", "zk_stale_requests_dropped"]
        .map(|key| ensemble.member(3).figure(key).unwrap());
    (told, figures, children)
}

#[test]
fn what_waits_too_long_behind_a_full_throttle_is_refused_and_what_nobody_waits_for_is_dropped() {
    // Goal: the write under way is carried out; those that have waited are told -127 in their
    // place and change nothing; that of a client that has gone is dropped.
    let told = KINDS.map(behind_a_stuck_write);
    assert_eq!(told[1].0, [0, THROTTLED, THROTTLED, THROTTLED, 0]);
    assert_eq!(told[1], told[0]);
    assert_eq!(told[1].2, ["late"]);
}

#[test]
fn a_throttle_of_one_request_answers_all_in_order() {
    // Goal: many pipelined writes of several clients pass one by one; nothing is lost or refused
    // without a bound of the wait, and waits are counted.
    for kind in KINDS {
        let server = server(kind, "one", &[("request_throttle_max_requests", "1")]);
        let mut sessions: Vec<Session> =
            (0..3).map(|_| Session::open(server.port, 20_000)).collect();
        assert_eq!(sessions[0].create("/o", b""), 0);
        for session in &mut sessions {
            for xid in 100..200 {
                session.conn.send_request(xid, 5, &set("/o", 1).0);
            }
        }
        for session in &mut sessions {
            for xid in 100..200 {
                let reply = session.conn.reply().unwrap();
                assert_eq!((reply.xid, reply.err), (xid, 0), "{kind:?}");
            }
        }
        let mntr = server.word("mntr").unwrap();
        assert!(figure(&mntr, "request_throttle_wait_count") > 0, "{kind:?}: {mntr}");
        assert!(figure(&mntr, "cnt_request_throttle_queue_time_ms") >= 300, "{kind:?}: {mntr}");
    }
}
