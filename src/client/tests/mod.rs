//! Sessions as scripts (`scripts/*.txt`, see `testing::script`), and what a script cannot say.

mod parts;
mod sasl;
mod subject;

use super::*;
use crate::types::{Millis, Zxid};

#[test]
fn sessions_go_as_written() {
    // Goal: each script's effects, line by line.
    let count = crate::testing::script::run_folder("src/client/tests/scripts", subject::begin);
    assert_eq!(count, 11);
}

#[test]
fn any_bytes_of_a_server_end_the_connection_at_worst() {
    // Goal: no answer of a server, cut and damaged in any way, does more than lose the connection, and
    // memory does not follow a length that is only announced.
    let mut random = crate::testing::rng::Rng::new(7);
    for _ in 0..2000 {
        let servers = ConnectString::parse("a").unwrap();
        let mut session = Session::new(servers, Settings::new(1));
        let mut out = Vec::new();
        session.step(Millis(0), Input::Tick, &mut out);
        session.step(Millis(0), Input::Opened, &mut out);
        let mut bytes = subject::welcome(30_000, 5, false);
        bytes.extend(subject::event("NodeDeleted", "/a", 3));
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.below(256) as u8;
        }
        for part in bytes.chunks(1 + random.below(9) as usize) {
            session.step(Millis(1), Input::Received(part), &mut out);
        }
        assert!(session.id().0 != 0 || session.state() != State::Connected);
    }
}

#[test]
fn watches_are_set_again_in_batches() {
    // Goal: as many requests as their paths need, each within the bound; every watch in one of them.
    let mut out = Vec::new();
    let mut session = Session::new(ConnectString::parse("a").unwrap(), Settings::new(1));
    session.step(Millis(0), Input::Tick, &mut out);
    session.step(Millis(0), Input::Opened, &mut out);
    let hello = subject::welcome(30_000, 5, false);
    session.step(Millis(0), Input::Received(&hello), &mut out);
    for number in 0..3000 {
        let path = format!("/{number:0200}");
        let request = subject::request(&format!("addWatch {path}"));
        let ask = Input::Ask { ticket: Ticket(number), request, is_absolute: false };
        session.step(Millis(0), ask, &mut out);
        let reply = subject::reply(number as i32 + 1, 9, 0, "addWatch");
        session.step(Millis(0), Input::Received(&reply), &mut out);
    }
    out.clear();
    session.step(Millis(1), Input::Lost, &mut out);
    session.step(Millis(1), Input::Opened, &mut out);
    session.step(Millis(1), Input::Received(&hello), &mut out);
    let lines: Vec<String> = out.iter().map(subject::line).collect();
    let sets: Vec<&String> = lines.iter().filter(|line| line.contains("setWatches")).collect();
    let bytes = 3000 * 201;
    assert_eq!(sets.len(), bytes / settings::SET_WATCHES_BYTES + 1);
    let paths = |line: &&String| line.matches('/').count();
    assert!(sets.iter().all(|line| paths(line) * 201 < settings::SET_WATCHES_BYTES + 201));
    assert_eq!(sets.iter().map(paths).sum::<usize>(), 3000);
    assert!(sets.iter().all(|line| line.contains(&format!("zxid={}", Zxid(9)))));
}
