//! The promises themselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringkeeper::net::{CloseReason, How, NetEvent};
use ringkeeper::roles::network::Transport;
use ringkeeper::types::ConnId;
use ringkeeper::types::limits::reached;
use ringkeeper_sim::rng::Rng;

use super::sides::{PAUSE, Seen, Side, THROTTLED};

/// What a socket takes for certain.
const SOCKET: usize = 40_000;

/// Turns until there is what is waited for.
fn until<S: Side, T>(side: &mut S, mut wanted: impl FnMut(&mut S, NetEvent) -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        for event in side.turn() {
            if let Some(found) = wanted(side, event) {
                return found;
            }
        }
    }
    panic!("waited in vain");
}

/// Some turns, in which nothing is waited for; what they told.
fn idle<S: Side>(side: &mut S) -> Vec<NetEvent> {
    (0..10).flat_map(|_| side.turn()).collect()
}

fn closed<S: Side>(side: &mut S, conn: ConnId) -> CloseReason {
    until(side, |_, event| match event {
        NetEvent::Closed(who, reason) if who == conn => Some(reason),
        _ => None,
    })
}

/// The peer reads to the end.
fn read_to_end<S: Side>(side: &mut S, conn: ConnId) -> (Vec<u8>, Seen) {
    let (mut all, began) = (Vec::new(), Instant::now());
    while began.elapsed() < Duration::from_secs(20) {
        let (got, seen) = side.peer_reads(conn);
        all.extend(got);
        if seen != Seen::Open {
            return (all, seen);
        }
        side.turn();
    }
    panic!("waited in vain");
}

/// Bytes that tell where they belong.
fn pattern(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|n| (n % 251) as u8).collect()
}

pub(crate) fn the_end_comes_behind_all_bytes_and_takes_no_answer_away<S: Side>() {
    let mut side = S::new();
    let conn = side.connect();
    side.peer_sends(conn, b"ruok");
    side.peer_ends(conn);
    let mut told = Vec::new();
    until(&mut side, |side, event| {
        match event {
            NetEvent::Received(_) => told.push("received"),
            NetEvent::Ended(_) => {
                assert_eq!(side.net().input(conn), b"ruok");
                told.push("ended");
            }
            other => panic!("{other:?}"),
        }
        told.contains(&"ended").then_some(())
    });
    assert_eq!(told, ["received", "ended"]);
    // The answer takes its time, and then is long.
    let later = idle(&mut side);
    assert!(later.is_empty(), "nothing more is told of it: {later:?}");
    side.net().consume(conn, 4);
    let answer = pattern(0, 3 * PAUSE);
    side.net().output(conn).unwrap().extend_from_slice(&answer);
    side.net().close(conn, How::AfterFlush);
    assert_eq!(closed(&mut side, conn), CloseReason::PeerClosed);
    assert!(read_to_end(&mut side, conn) == (answer, Seen::Ended));
    side.net().release(conn);
}

pub(crate) fn bytes_stay_until_they_are_consumed<S: Side>() {
    let mut side = S::new();
    let conn = side.connect();
    side.peer_sends(conn, b"one");
    until(&mut side, |_, event| matches!(event, NetEvent::Received(_)).then_some(()));
    side.peer_sends(conn, b"two");
    side.peer_ends(conn);
    let told = idle(&mut side);
    let closed = told.iter().any(|event| matches!(event, NetEvent::Closed(..)));
    assert!(!closed, "closed over bytes that wait: {told:?}");
    assert_eq!(side.net().input(conn), b"onetwo");
    side.net().consume(conn, 3);
    idle(&mut side);
    assert_eq!(side.net().input(conn), b"two");
    assert!(side.net().output(conn).is_some(), "an answer is still possible");
}

pub(crate) fn a_reset_takes_nothing_away<S: Side>() {
    let mut side = S::new();
    let conn = side.connect();
    side.turn();
    let sent = pattern(0, 10_000);
    side.peer_sends(conn, &sent);
    side.peer_resets(conn);
    assert_eq!(closed(&mut side, conn), CloseReason::PeerReset);
    assert!(side.net().output(conn).is_none(), "nobody hears an answer");
    idle(&mut side);
    assert!(side.net().input(conn) == sent, "{} bytes are left", side.net().input(conn).len());
    side.net().release(conn);
    assert!(side.net().input(conn).is_empty());
}

pub(crate) fn a_send_that_fails_takes_nothing_away<S: Side>() {
    let mut side = S::new();
    let conn = side.connect();
    // More than a throttled connection takes in at once.
    side.net().throttle(conn, true);
    // Less than a socket takes: what the peer's machine still holds is lost with a reset.
    let sent = pattern(0, 2 * THROTTLED);
    side.peer_sends(conn, &sent);
    side.peer_hangs_up(conn);
    let mut got = Vec::new();
    let reason = until(&mut side, |side, event| {
        // Every piece is answered, and nobody is there to hear it.
        if let Some(output) = side.net().output(conn) {
            output.extend_from_slice(b"answer");
        }
        let take = side.net().input(conn).len().min(7_000);
        got.extend_from_slice(&side.net().input(conn)[..take]);
        side.net().consume(conn, take);
        if side.net().input(conn).len() < THROTTLED {
            side.net().throttle(conn, false);
            side.net().throttle(conn, true);
        }
        match event {
            NetEvent::Closed(_, reason) => Some(Some(reason)),
            NetEvent::Ended(_) => Some(None),
            _ => None,
        }
    });
    got.extend_from_slice(side.net().input(conn));
    assert!(got == sent, "{} of {} bytes, then {reason:?}", got.len(), sent.len());
}

pub(crate) fn a_slot_is_taken_until_it_is_released<S: Side>() {
    let mut side = S::new();
    let old = side.connect();
    side.peer_ends(old);
    until(&mut side, |_, event| matches!(event, NetEvent::Ended(_)).then_some(()));
    side.net().close(old, How::AfterFlush);
    closed(&mut side, old);
    idle(&mut side);
    let others = [side.connect(), side.connect()];
    assert!(others.iter().all(|other| other.slot != old.slot), "{old:?} and {others:?}");
    side.net().release(old);
    idle(&mut side);
    let new = side.connect();
    assert_eq!(new.slot, old.slot, "a released slot is used again");
    assert_ne!(new, old);
    side.peer_sends(new, b"x");
    until(&mut side, |_, event| {
        matches!(event, NetEvent::Received(who) if who == new).then_some(())
    });
    assert!(side.net().output(old).is_none() && side.net().input(old).is_empty());
    side.net().close(old, How::Reset);
    side.net().release(old);
    idle(&mut side);
    assert_eq!(side.net().input(new), b"x", "an old name reaches nobody");
}

pub(crate) fn whoever_stops_at_the_bound_is_told_when_to_go_on<S: Side>() {
    for bytes in [PAUSE - 1, PAUSE, PAUSE + 1] {
        let mut side = S::new();
        let conn = side.connect();
        side.turn();
        side.net().output(conn).unwrap().extend(pattern(0, bytes));
        let stops = reached(side.net().unsent(conn), PAUSE);
        let mut told = 0;
        let began = Instant::now();
        let mut read = 0;
        while (read < bytes || side.net().unsent(conn) > 0 || told < usize::from(stops))
            && began.elapsed() < Duration::from_secs(5)
        {
            told += side.turn().iter().filter(|e| matches!(e, NetEvent::Drained(_))).count();
            read += side.peer_reads(conn).0.len();
        }
        assert_eq!((read, told), (bytes, usize::from(bytes >= PAUSE)), "{bytes} bytes");
    }
}

pub(crate) fn a_throttled_connection_is_heard<S: Side>() {
    let mut side = S::new();
    let conn = side.connect();
    side.net().throttle(conn, true);
    for round in 0..5 {
        side.peer_sends(conn, b"ping");
        until(&mut side, |_, event| matches!(event, NetEvent::Received(_)).then_some(()));
        assert_eq!(side.net().input(conn).len(), 4 * (round + 1));
    }
    // And so is one whose answers wait.
    let choked = side.connect();
    side.net().output(choked).unwrap().extend(pattern(0, PAUSE));
    side.peer_sends(choked, b"ping");
    until(&mut side, |_, event| {
        matches!(event, NetEvent::Received(who) if who == choked).then_some(())
    });
}

pub(crate) fn a_close_is_told_once<S: Side>() {
    for how in [How::AfterFlush, How::Now, How::Reset] {
        let mut side = S::new();
        let conn = side.connect();
        side.turn();
        side.peer_sends(conn, b"half a request");
        until(&mut side, |_, event| matches!(event, NetEvent::Received(_)).then_some(()));
        side.net().output(conn).unwrap().extend_from_slice(b"answer");
        side.net().close(conn, how);
        assert!(side.net().output(conn).is_none() && side.net().input(conn).is_empty());
        assert_eq!(closed(&mut side, conn), CloseReason::Asked, "{how:?}");
        side.peer_sends(conn, b"more");
        side.net().close(conn, How::Reset);
        let later = idle(&mut side);
        assert!(later.is_empty(), "{how:?}: {later:?}");
        side.net().release(conn);
        let (got, _) = read_to_end(&mut side, conn);
        assert_eq!(got == b"answer", how == How::AfterFlush, "{how:?}");
    }
}

/// What a walk knows of a connection.
#[derive(Default)]
struct Known {
    sent: Vec<u8>,
    got: Vec<u8>,
    peer_is_done: bool,
    ended: bool,
    closed: bool,
    closed_here: bool,
    released: bool,
}

/// Everything at random on both sides: what a peer has sent before its end comes, in order and whole.
pub(crate) fn whatever_happens_nothing_is_lost<S: Side>() {
    for seed in 0..30 {
        let mut rng = Rng::part(seed, 77);
        let mut side = S::new();
        let mut conns: BTreeMap<ConnId, Known> = BTreeMap::new();
        for _ in 0..400 {
            step(&mut side, &mut rng, &mut conns);
        }
        // All peers come to their end, and everything must come to rest.
        for (conn, known) in &mut conns {
            if !std::mem::replace(&mut known.peer_is_done, true) {
                side.peer_ends(*conn);
            }
        }
        let began = Instant::now();
        while conns.values().any(|known| !known.closed) {
            look(&mut side, &mut rng, &mut conns);
            assert!(began.elapsed() < Duration::from_secs(20), "seed {seed} does not come to rest");
        }
        for (conn, known) in &conns {
            assert!(known.closed_here || known.got == known.sent, "seed {seed}: {conn:?}");
        }
    }
}

fn step<S: Side>(side: &mut S, rng: &mut Rng, conns: &mut BTreeMap<ConnId, Known>) {
    let open: Vec<ConnId> =
        conns.iter().filter(|(_, known)| !known.closed).map(|(conn, _)| *conn).collect();
    if open.is_empty() || (open.len() < 8 && rng.one_in(4)) {
        let conn = side.connect();
        let taken = |(other, known): (&ConnId, &Known)| other.slot == conn.slot && !known.released;
        assert!(!conns.iter().any(taken), "the slot of {conn:?} is taken");
        assert!(conns.insert(conn, Known::default()).is_none(), "{conn:?} is two connections");
        return;
    }
    let conn = open[rng.below(open.len() as u64) as usize];
    let Some(known) = conns.get_mut(&conn) else { return };
    match rng.below(12) {
        0..4 if !known.peer_is_done && !known.closed_here => {
            let bytes = pattern(known.sent.len(), rng.below(9_000) as usize);
            // More would wait with the peer, and be lost with a reset.
            if known.sent.len() - known.got.len() + bytes.len() < SOCKET {
                side.peer_sends(conn, &bytes);
                known.sent.extend(bytes);
            }
        }
        4 if !known.peer_is_done => {
            known.peer_is_done = true;
            match rng.below(3) {
                0 => side.peer_ends(conn),
                1 => side.peer_hangs_up(conn),
                _ => side.peer_resets(conn),
            }
        }
        5 if rng.one_in(4) => {
            known.closed_here = true;
            side.net().close(conn, rng.one_of([How::AfterFlush, How::Now, How::Reset]));
        }
        6 => side.net().throttle(conn, rng.one_in(3)),
        7 | 8 => {
            if let Some(output) = side.net().output(conn) {
                output.extend(pattern(0, rng.below(2_000) as usize));
            }
        }
        _ => look(side, rng, conns),
    }
}

/// A turn, and a role that takes its time over what it tells.
fn look<S: Side>(side: &mut S, rng: &mut Rng, conns: &mut BTreeMap<ConnId, Known>) {
    for event in side.turn() {
        match event {
            NetEvent::Received(conn) => {
                let known = &conns[&conn];
                assert!(!known.closed && !known.ended, "bytes behind the end of {conn:?}");
            }
            NetEvent::Drained(conn) => assert!(!conns[&conn].closed),
            NetEvent::Ended(conn) => {
                let known = conns.get_mut(&conn).unwrap();
                assert!(!known.closed && !known.ended, "{conn:?} ends twice");
                known.ended = true;
                let waits = known.sent.len() - known.got.len();
                assert_eq!(side.net().input(conn).len(), waits, "the end comes last: {conn:?}");
            }
            NetEvent::Closed(conn, _) => {
                let known = conns.get_mut(&conn).unwrap();
                assert!(!known.closed, "{conn:?} is closed twice");
                known.closed = true;
                known.got.extend_from_slice(side.net().input(conn));
            }
            other => panic!("{other:?}"),
        }
    }
    for (conn, known) in conns.iter_mut().filter(|(_, known)| known.closed && !known.released) {
        known.released = rng.one_in(4);
        if known.released {
            side.net().release(*conn);
        }
    }
    let open: Vec<ConnId> =
        conns.iter().filter(|(_, known)| !known.closed).map(|(conn, _)| *conn).collect();
    for conn in open {
        let known = conns.get_mut(&conn).unwrap();
        let input = side.net().input(conn);
        let take =
            if known.ended { input.len() } else { rng.below(input.len() as u64 + 1) as usize };
        known.got.extend_from_slice(&input[..take]);
        side.net().consume(conn, take);
        if known.ended {
            side.net().close(conn, How::AfterFlush);
        }
    }
}
