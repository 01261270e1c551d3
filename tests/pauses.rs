//! Servers that stand still for longer than anybody's patience, as in a virtual machine that is
//! moved or a process that is stopped: nobody else is to blame for what they did not hear
//! meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use rustix::process::Signal;
use support::client::Session;
use support::ensemble::{Ensemble, Plan};
use support::scratch;
use support::server::{Kind, Server};
use support::wire::{OPEN, Out};

/// Two ticks of 500 ms each: the shortest that is granted.
const TIMEOUT: i32 = 1_000;
const TICK: (&str, &str) = ("tickTime", "500");

fn create_ephemeral(session: &mut Session, path: &str) {
    let body = Out::new().str(path).buffer(None).acls(Some(OPEN)).i32(1);
    assert_eq!(session.call(1, body).err, 0, "{path}");
}

#[test]
fn sessions_outlive_a_server_that_stood_still() {
    // Goal: whoever waits when the server comes back, on the connection it had or with a new one,
    // finds its session and its ephemerals.
    let server = Server::start(Kind::under_test(), &scratch("pauses/one"), &[TICK]);
    let mut stays = Session::open(server.port, TIMEOUT);
    create_ephemeral(&mut stays, "/stays");
    let mut moves = Session::open(server.port, TIMEOUT);
    create_ephemeral(&mut moves, "/moves");
    for round in 0..5 {
        server.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(4));
        server.signal(Signal::CONT);
        // A client that has given its connection up tries again within a moment.
        let again = Session::resume(server.port, &moves.grant, TIMEOUT);
        moves = again.unwrap_or_else(|| panic!("round {round}: its session has expired"));
        assert!(moves.get("/moves").is_ok(), "round {round}");
        assert!(stays.get("/stays").is_ok(), "round {round}");
    }
    // And who does not come back is still found out.
    let path = "/moves";
    drop(moves);
    let mut gone = false;
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(100));
        gone = gone || stays.get(path).is_err();
    }
    assert!(gone, "the session of a client that is gone lives on");
}

#[test]
fn an_ensemble_that_stood_still_goes_on() {
    // Goal: nobody leaves a leader for a silence that was everybody's: no election, no connection
    // lost.
    let plan = Plan::new(&[Kind::under_test(); 3]).set(TICK.0, TICK.1).set("syncLimit", "2");
    let ensemble = Ensemble::start("pauses/three", &plan);
    let mut sessions: Vec<Session> =
        ensemble.ports().iter().map(|port| Session::open(*port, 10_000)).collect();
    let leader = ensemble.leader();
    for round in 0..5 {
        for member in &ensemble.members {
            member.pause();
        }
        std::thread::sleep(Duration::from_secs(3));
        for member in &ensemble.members {
            member.proceed();
        }
        for (at, session) in sessions.iter_mut().enumerate() {
            let created = session.create(&format!("/round{round}-{at}"), b"");
            assert_eq!(created, 0, "round {round}, session {at}");
        }
        assert_eq!(ensemble.leader(), leader, "round {round}");
    }
}
