//! Seeded streams: what several sessions do, turn by turn. The stream depends on the seed alone,
//! never on an answer, so both servers are asked exactly the same.

use crate::request::{self, Profile, Request};
use crate::support::{Rng, setting};

/// Sessions that a stream plays with.
pub(crate) const SLOTS: usize = 4;

/// One step of a stream. Every other connection is silent meanwhile, which is what makes the
/// order of events comparable.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// Pipelined requests on one session's connection.
    Batch { slot: usize, requests: Vec<Request> },
    /// The TCP connection is cut; the session stays.
    Cut { slot: usize },
    /// A session is started in an empty slot or taken up again, perhaps beside its living
    /// connection (which the server then closes).
    Connect { slot: usize, timeout: i32, read_only: Option<bool>, zxid: Seen },
    /// The session's id with a wrong password.
    WrongPassword { slot: usize, password: Password },
    /// A connection that no client would make.
    Garbage(Vec<u8>),
}

/// The zxid that a handshake claims to have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    Last,
    /// More than the server has: closed without an answer.
    TheFuture,
}

/// A password that is not the session's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Password {
    Zeros,
    Short,
    Empty,
    Null,
    OneBitOff,
}

/// What the stream knows of a slot; enough to keep it from sending into a closed connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SlotState {
    Empty,
    Cut,
    Connected,
}

/// The turns of one seed: at least `operations` requests.
pub(crate) fn turns(seed: u64, operations: usize, root: &str, profile: Profile) -> Vec<Turn> {
    let pipelined = setting("RK_PIPELINED", 16) as usize;
    let mut rng = Rng::new(seed);
    let mut slots = [SlotState::Empty; SLOTS];
    let mut xids = [0i32; SLOTS];
    let mut turns = Vec::new();
    let mut done = 0;
    for (slot, state) in slots.iter_mut().enumerate().skip(1) {
        turns.push(fresh(&mut rng, slot));
        if !matches!(turns.last(), Some(Turn::Connect { zxid: Seen::TheFuture, .. })) {
            *state = SlotState::Connected;
        }
    }
    while done < operations {
        let slot = rng.below(SLOTS);
        if slots[slot] != SlotState::Connected {
            if slots[slot] == SlotState::Cut && rng.percent(30) {
                turns.push(wrong_password(&mut rng, slot));
                continue;
            }
            turns.push(fresh(&mut rng, slot));
            if !matches!(turns.last(), Some(Turn::Connect { zxid: Seen::TheFuture, .. })) {
                slots[slot] = SlotState::Connected;
            }
            continue;
        }
        match rng.below(100) {
            0..=2 => {
                turns.push(Turn::Cut { slot });
                slots[slot] = SlotState::Cut;
            }
            3 => turns.push(Turn::Connect {
                slot,
                timeout: 100_000,
                read_only: Some(false),
                zxid: Seen::Last,
            }),
            4 => {
                turns.push(Turn::Cut { slot });
                turns.push(wrong_password(&mut rng, slot));
                slots[slot] = SlotState::Cut;
            }
            5 => turns.push(Turn::Garbage(garbage(&mut rng))),
            6..=8 => {
                let request = request::at_receipt(&mut rng, &mut xids[slot]);
                if request.closes {
                    slots[slot] = SlotState::Cut;
                }
                done += 1;
                turns.push(Turn::Batch { slot, requests: vec![request] });
            }
            _ => {
                let count = 1 + rng.below(pipelined);
                let mut requests = batch(&mut rng, count, root, profile, &mut xids[slot]);
                let races = requests.last().is_some_and(|last| last.races);
                if rng.percent(4) && !races {
                    requests.push(request::close_session(&mut xids[slot]));
                    slots[slot] = SlotState::Empty;
                }
                done += requests.len();
                turns.push(Turn::Batch { slot, requests });
            }
        }
    }
    turns
}

/// At most `count` requests: one that others must not stand behind is the last.
fn batch(rng: &mut Rng, count: usize, root: &str, profile: Profile, xid: &mut i32) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for _ in 0..count {
        requests.push(request::any(rng, root, profile, xid));
        if requests.last().is_some_and(|last| last.ends_batch(profile)) {
            break;
        }
    }
    requests
}

fn fresh(rng: &mut Rng, slot: usize) -> Turn {
    let timeout = rng.pick(&[1, 0, -5, 4000, 70_000, 100_000, 100_000, 1_000_000, i32::MAX]);
    let read_only = rng.pick(&[Some(false), Some(false), Some(true), None]);
    let zxid = rng.pick(&[
        Seen::Nothing,
        Seen::Nothing,
        Seen::Last,
        Seen::Last,
        Seen::Last,
        Seen::TheFuture,
    ]);
    Turn::Connect { slot, timeout, read_only, zxid }
}

fn wrong_password(rng: &mut Rng, slot: usize) -> Turn {
    let all = [Password::Zeros, Password::Short, Password::Empty, Password::Null];
    let password = if rng.percent(40) { Password::OneBitOff } else { rng.pick(&all) };
    Turn::WrongPassword { slot, password }
}

/// First bytes that end a connection: lengths that make no sense, handshakes that break off.
fn garbage(rng: &mut Rng) -> Vec<u8> {
    match rng.below(6) {
        0 => (-1i32).to_be_bytes().to_vec(),
        1 => i32::MIN.to_be_bytes().to_vec(),
        2 => 1_048_576i32.to_be_bytes().to_vec(),
        3 => i32::MAX.to_be_bytes().to_vec(),
        4 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        _ => {
            // A handshake's frame that holds less than a handshake.
            let length = rng.below(28);
            let mut bytes = i32::to_be_bytes(length).to_vec();
            bytes.extend((0..length).map(|_| rng.u64() as u8));
            bytes
        }
    }
}
