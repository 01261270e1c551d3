//! Sessions that outlive their connections, against an in-process server that ends connections,
//! forgets sessions and loses writes.

#![allow(clippy::unwrap_used)] // Test code outside a #[test].

mod fake;

use std::time::Duration;

use fake::{Fake, Mistake};
use ringkeeper_perf::clock::now;
use ringkeeper_perf::failover::client::{Answer, Client};
use ringkeeper_perf::failover::herd::Herd;
use ringkeeper_perf::failover::writers::{Met, Writers};

const LIMIT: Duration = Duration::from_secs(30);

/// Three writers until 40 writes of each, one after the other, are acknowledged.
fn write(mistake: Mistake) -> Met {
    let fake = Fake::start(mistake);
    let writers = Writers::start(&[fake.address], 3, Duration::ZERO, "/writer").unwrap();
    for _ in 0..120 {
        writers.next_ack(now(), 0, LIMIT).unwrap();
    }
    writers.stop()
}

#[test]
fn writers_go_on_after_lost_connections_and_keep_their_sessions() {
    let met = write(Mistake::HangsUpOften);
    assert_eq!((met.errors, met.lost_sessions, &met.wrong[..]), (0, 0, &[][..]));
    assert!(met.reconnects >= 1, "{} reconnects", met.reconnects);
    assert!(met.acks.len() >= 120);
    assert!(met.acks.iter().all(|ack| ack.sent < ack.acked));
}

#[test]
fn a_server_that_forgets_sessions_is_found_out() {
    let met = write(Mistake::ForgetsSessions);
    assert!(met.lost_sessions >= 1);
    assert_eq!(met.reconnects, 0);
}

#[test]
fn a_lost_write_is_found_out() {
    let wrong = write(Mistake::LosesWrites).wrong;
    assert!(wrong.iter().any(|w| w.contains("was acknowledged")), "{wrong:?}");
}

#[test]
fn next_ack_is_of_a_write_sent_after_the_moment_and_of_the_epoch() {
    let fake = Fake::start(Mistake::None);
    let writers = Writers::start(&[fake.address], 1, Duration::ZERO, "/writer").unwrap();
    for _ in 0..20 {
        let moment = now();
        assert!(writers.next_ack(moment, 0, LIMIT).unwrap().sent > moment);
    }
    assert!(writers.next_ack(now() + 3_600_000_000_000, 0, Duration::from_millis(10)).is_err());
    assert!(writers.next_ack(now(), 1, Duration::from_millis(10)).is_err());
}

#[test]
fn every_session_of_a_herd_writes_whatever_becomes_of_its_connection() {
    let fake = Fake::start(Mistake::HangsUpOften);
    let mut client = Client::new(&[fake.address], 0);
    assert!(matches!(client.create(b"/herd"), Answer::Reply(0, _)));
    client.close();
    let mut herd = Herd::new(&[fake.address], 20, "/herd");
    // More than the fifty requests that a connection takes.
    for _ in 0..60 {
        herd.write_all(LIMIT).unwrap();
    }
    assert_eq!((herd.reconnects, herd.lost_sessions), (20, 0));
    herd.close();
}

#[test]
fn a_herd_without_a_server_gives_up() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let gone = Herd::new(&[address], 3, "/herd").write_all(Duration::from_millis(300));
    assert!(gone.is_err_and(|e| e.to_string().contains("3 of 3 sessions")));
}
