//! A leader and a learner among peers that say anything: packets are well formed, as the codec leaves
//! them, and in any order, of any number. Nothing they send may reach an assert; what the core wants
//! of its disk is done, late, and its effects are held against the invariants.

use std::collections::VecDeque;

use bytes::Bytes;
use ringkeeper::codec::quorum::{Forwarded, PROTOCOL, PROTOCOL_OWN, Packet};
use ringkeeper::codec::txn::{Entry, Txn, TxnHeader, encode_entry};
use ringkeeper::log::core::{Effect, Input, Job, LogCore};
use ringkeeper::log::{Append, Durable, LogEvent, LogSettings};
use ringkeeper::types::{Epoch, ErrorCode, Millis, ServerId, SessionId, WallMillis, Zxid};
use ringkeeper::zab::Timing;

mod leader;
mod learner;

pub use leader::fuzz_leader;
pub use learner::fuzz_learner;

const TIMING: Timing = Timing { tick_ms: 100, init_ticks: 5, sync_ticks: 3 };
const MEMBERS: &str = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n\
                       server.3=c:1:2:participant\nserver.4=d:1:2:observer\n";
/// Steps of one input: more would only repeat.
const STEPS: usize = 400;

/// Where an input's first two bytes let a history end.
fn end_of_history(kind: u8, depth: u8, current: Epoch) -> Zxid {
    match kind & 3 {
        0 => Zxid::ZERO,
        1 => Zxid::new(current, 0),
        _ => Zxid::new(current, u32::from(depth)),
    }
}

/// Takes an input apart; zeros when it is used up.
struct Draw<'a> {
    bytes: &'a [u8],
}

impl Draw<'_> {
    fn is_over(&self) -> bool {
        self.bytes.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Mostly something near what is known.
    fn zxid(&mut self, known: &[Zxid]) -> Zxid {
        let choice = self.byte();
        if choice == 255 {
            return Zxid(self.i64());
        }
        let base = known[usize::from(choice & 7) % known.len()];
        match choice >> 3 & 7 {
            0 | 1 => base,
            2 | 3 => Zxid(base.0.wrapping_add(1)),
            4 => Zxid(base.0.wrapping_sub(1)),
            5 => Zxid::new(Epoch(base.epoch().0.wrapping_add(1)), 1),
            6 => Zxid::new(base.epoch(), 0),
            _ => Zxid(base.0.wrapping_add(i64::from(self.byte()))),
        }
    }

    fn epoch(&mut self, near: Epoch) -> Epoch {
        match self.byte() {
            0..=99 => near,
            100..=199 => Epoch(near.0.wrapping_add(1)),
            200..=229 => Epoch(near.0.wrapping_sub(1)),
            other => Epoch(u32::from(other) << 23),
        }
    }

    /// What a server says that it reads: anything, or nothing.
    fn reads(&mut self, kind: u8) -> Option<usize> {
        (kind & 64 != 0).then(|| usize::from(self.byte()) << 16)
    }

    fn server(&mut self) -> ServerId {
        ServerId(i64::from(self.byte() % 6))
    }

    /// A transaction of that number, or what only says so.
    fn entry(&mut self, zxid: Zxid) -> Bytes {
        match self.byte() {
            0..=239 => entry(zxid, None),
            240..=247 => entry(zxid, Some(MEMBERS)),
            248..=251 => entry(Zxid(zxid.0 ^ 1), None),
            more => vec![more; usize::from(more)].into(),
        }
    }

    fn packet(&mut self, known: &[Zxid], epoch: Epoch) -> Packet {
        let kind = self.byte();
        match kind % 32 {
            0..=6 => {
                let zxid = self.zxid(known);
                Packet::Proposal { zxid, entry: self.entry(zxid) }
            }
            7..=10 => Packet::Commit { zxid: self.zxid(known) },
            11..=14 => Packet::Ack { zxid: self.zxid(known) },
            15 => Packet::Ping { zxid: self.zxid(known), touches: None },
            16 => {
                let touches = vec![(SessionId(self.i64()), i32::from(self.byte()))];
                Packet::Ping { zxid: self.zxid(known), touches: Some(touches) }
            }
            17 => Packet::Diff { zxid: self.zxid(known) },
            18 => Packet::Trunc { zxid: self.zxid(known) },
            19 => Packet::Snap { zxid: self.zxid(known) },
            20 => {
                let config = (kind & 32 != 0).then(|| format!("{MEMBERS}version=0"));
                Packet::NewLeader { zxid: self.zxid(known), config }
            }
            21 => Packet::UpToDate,
            22 => {
                let protocol = if kind & 32 != 0 { PROTOCOL_OWN } else { PROTOCOL };
                let reads = self.reads(kind);
                Packet::LeaderInfo { epoch: self.epoch(epoch), protocol, reads }
            }
            23 => {
                let zxid = self.zxid(known);
                Packet::Inform { zxid, entry: self.entry(zxid) }
            }
            24 => Packet::CommitAndActivate { zxid: self.zxid(known), leader: self.server() },
            25 => {
                let (zxid, leader) = (self.zxid(known), self.server());
                Packet::InformAndActivate { zxid, leader, entry: self.entry(zxid) }
            }
            26 | 27 => Packet::LearnerInfo {
                observer: self.byte() > 220,
                accepted: self.epoch(epoch),
                server: self.server(),
                protocol: if kind & 32 != 0 { PROTOCOL_OWN } else { PROTOCOL },
                config_version: i64::from(self.byte() == 255),
                reads: self.reads(kind),
            },
            28 | 29 => {
                let current = (self.byte() & 1 != 0).then(|| self.epoch(epoch));
                Packet::AckEpoch { last: self.zxid(known), current }
            }
            30 => Packet::Request(Forwarded {
                session: SessionId(self.i64()),
                cxid: i32::from(self.byte()),
                opcode: i32::from(self.byte()),
                body: Bytes::new(),
                identities: Vec::new(),
            }),
            _ if kind & 32 != 0 => Packet::Sync { zxid: self.zxid(known) },
            _ if kind & 64 != 0 => Packet::RevalidateAsk { session: SessionId(1), timeout: 1000 },
            _ => Packet::RevalidateAnswer { session: SessionId(1), valid: kind & 128 != 0 },
        }
    }
}

fn entry(zxid: Zxid, config: Option<&str>) -> Bytes {
    let header = TxnHeader { session: SessionId(7), cxid: 1, zxid, time: WallMillis(1) };
    let txn = match config {
        None => Txn::Error(ErrorCode::NoNode),
        Some(text) => Txn::Reconfig { config: Some(text.as_bytes().to_vec().into()), version: -1 },
    };
    let mut bytes = Vec::new();
    encode_entry(&Entry { header, txn, digest: None }, &mut bytes);
    bytes.into()
}

/// The shipping log core over no disk at all: what it is given is durable when it is asked.
struct Log {
    core: LogCore,
    last: Zxid,
    durable: Zxid,
}

impl Log {
    fn behind(last: Zxid) -> Log {
        let settings = LogSettings { prealloc: 0, snap_count: u32::MAX, ..LogSettings::default() };
        let mut core = LogCore::new(settings, last, 1, Millis(0)).with_steps(65_536, 65_536);
        let mut effects = Vec::new();
        core.start(&mut effects);
        let mut log = Log { core, last, durable: last };
        log.settle(effects);
        log
    }

    fn append(&mut self, zxid: Zxid, entry: Bytes) {
        assert!(zxid > self.last, "I4: {zxid} is appended behind {}", self.last);
        self.last = zxid;
        let mut effects = Vec::new();
        self.core.step(Millis(0), Input::Append(Append { zxid, entry }), &mut effects);
        self.settle(effects);
    }

    /// Everything appended, if there is something new.
    fn flush(&mut self) -> Option<Durable> {
        let mut effects = Vec::new();
        self.core.step(Millis(0), Input::Quiet, &mut effects);
        let upto = self.settle(effects)?;
        self.durable = upto.zxid();
        Some(upto)
    }

    fn settle(&mut self, effects: Vec<Effect>) -> Option<Durable> {
        let mut found = None;
        let mut queue: VecDeque<Effect> = effects.into();
        while let Some(effect) = queue.pop_front() {
            let input = match effect {
                Effect::Prepare(Job::Fill { segment, to, .. }) => {
                    Input::Prepared { segment, upto: to }
                }
                Effect::Write { bytes, .. } => Input::Flushed(bytes),
                Effect::Report(LogEvent::Durable { upto }) => {
                    found = Some(upto);
                    continue;
                }
                Effect::Prepare(Job::Seal(_) | Job::Promise(_))
                | Effect::Adopt { .. }
                | Effect::Flush
                | Effect::OutOfSpace { .. }
                | Effect::Report(_) => {
                    continue;
                }
            };
            let mut effects = Vec::new();
            self.core.step(Millis(0), input, &mut effects);
            queue.extend(effects);
        }
        found
    }
}
