//! A leader and a learner among peers that say anything: packets are well formed, as the codec leaves
//! them, and in any order, of any number. Nothing they send may reach an assert; what the core wants
//! of its disk is done, late, and its effects are held against the invariants.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use ringkeeper::codec::quorum::{Forwarded, PROTOCOL, PROTOCOL_OWN, Packet};
use ringkeeper::codec::txn::{Entry, Txn, TxnHeader, encode_entry};
use ringkeeper::log::core::{Effect, Input, Job, LogCore};
use ringkeeper::log::{Append, Durable, LogEvent, LogSettings};
use ringkeeper::membership::{Electorate, Members};
use ringkeeper::types::{
    Epoch, ErrorCode, Link, Millis, ServerId, SessionId, WallMillis, Zxid, limits,
};
use ringkeeper::zab::{
    Leader, LeaderEffect, LeaderInput, LeaderParts, Learner, LearnerEffect, LearnerInput,
    LearnerParts, LogChunk, LogEnd, Readers, SyncRules, Timing, Window,
};

const TIMING: Timing = Timing { tick_ms: 100, init_ticks: 5, sync_ticks: 3 };
const MEMBERS: &str = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n\
                       server.3=c:1:2:participant\nserver.4=d:1:2:observer\n";
/// Steps of one input: more would only repeat.
const STEPS: usize = 400;

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

/// A learner, and a leader that says anything.
pub fn fuzz_learner(data: &[u8]) {
    let mut draw = Draw { bytes: data };
    let (kind, depth) = (draw.byte(), draw.byte());
    let current = Epoch(1 + u32::from(kind >> 6));
    let last = match kind & 3 {
        0 => Zxid::ZERO,
        1 => Zxid::new(current, 0),
        _ => Zxid::new(current, u32::from(depth)),
    };
    let committed = if kind & 4 == 0 { Zxid::ZERO } else { Zxid(last.0 - i64::from(depth & 3)) };
    let parts = LearnerParts {
        me: ServerId(1),
        observer: kind & 8 != 0,
        accepted: Epoch(current.0 + u32::from(kind >> 4 & 1)),
        current,
        last,
        committed: committed.clamp(Zxid::ZERO, last),
        shown: committed.clamp(Zxid::ZERO, last),
        blank: kind & 32 != 0 && last == Zxid::ZERO,
        config_version: 0,
        leader: ServerId(2),
        readers: Readers::default(),
        timing: TIMING,
        connect_ms: TIMING.init_ms(),
        connect_pause_ms: 10,
    };
    let committed = parts.committed;
    let mut out = Vec::new();
    let mut learner = Learner::new(parts, Millis(0), &mut out);
    let (mut log, mut now) = (Log::behind(last), Millis(0));
    let mut tasks: VecDeque<Vec<LearnerInput>> = VecDeque::new();
    for _ in 0..STEPS {
        for effect in out.drain(..) {
            match effect {
                LearnerEffect::Connect => tasks.push_back(vec![LearnerInput::Connected]),
                LearnerEffect::Store(stored) => {
                    tasks.push_back(vec![LearnerInput::Stored(stored)]);
                }
                LearnerEffect::Append { zxid, entry } => log.append(zxid, entry),
                LearnerEffect::Truncate { after } => {
                    assert!(after >= committed, "{committed} is committed, and cut to {after}");
                    tasks.push_back(match draw.byte() & 3 {
                        0 => {
                            let why = "no".into();
                            log = Log::behind(log.last);
                            vec![LearnerInput::CannotTruncate { why }]
                        }
                        _ => {
                            log = Log::behind(after);
                            vec![LearnerInput::Truncated { last: after }]
                        }
                    });
                }
                LearnerEffect::LoadSnapshot { zxid } => {
                    assert!(zxid >= committed, "{committed} is committed, and replaced by {zxid}");
                    let shows = if draw.byte() & 7 == 0 { Zxid::ZERO } else { zxid };
                    log = Log::behind(zxid);
                    let loaded = LearnerInput::SnapshotLoaded { zxid };
                    tasks.push_back(vec![
                        LearnerInput::Moved,
                        LearnerInput::SnapshotReceived { shows },
                        loaded,
                    ]);
                }
                LearnerEffect::Send(Packet::Ack { zxid }) => {
                    assert!(zxid.counter() == 0 || zxid <= log.durable, "I1: {zxid} acknowledged");
                }
                LearnerEffect::Leave { .. } => return,
                LearnerEffect::Send(_)
                | LearnerEffect::Close
                | LearnerEffect::Reading(_)
                | LearnerEffect::Agreed(_)
                | LearnerEffect::Synced
                | LearnerEffect::Revalidated { .. }
                | LearnerEffect::Pinged { .. }
                | LearnerEffect::ConfigProposed { .. }
                | LearnerEffect::ConfigAnnounced { .. }
                | LearnerEffect::NewConfig { .. }
                | LearnerEffect::Refuse { .. }
                | LearnerEffect::Serve { .. } => {}
            }
        }
        if draw.is_over() {
            return;
        }
        let inputs = match draw.byte() {
            0..=40 => tasks.pop_front().unwrap_or_default(),
            41..=70 => log.flush().map(LearnerInput::Durable).into_iter().collect(),
            71..=76 => {
                now = now + i64::from(draw.byte()) * 4;
                vec![LearnerInput::Tick]
            }
            77 => vec![LearnerInput::ConnectFailed { why: "refused".into() }],
            78 => vec![LearnerInput::Closed { why: "reset".into() }],
            _ => {
                let first = Zxid::new(learner.epoch(), 0);
                let known = [
                    learner.last(),
                    learner.last(),
                    learner.agreed(),
                    first,
                    committed,
                    log.durable,
                ];
                vec![LearnerInput::Packet(draw.packet(&known, learner.epoch()))]
            }
        };
        for input in inputs {
            learner.step(now, input, &mut out);
        }
    }
}

/// A leader, and learners that say anything.
pub fn fuzz_leader(data: &[u8]) {
    let mut draw = Draw { bytes: data };
    let Ok(members) = Members::parse(MEMBERS) else { return };
    let (kind, depth) = (draw.byte(), draw.byte());
    let current = Epoch(1 + u32::from(kind >> 6));
    let last = match kind & 3 {
        0 => Zxid::ZERO,
        1 => Zxid::new(current, 0),
        _ => Zxid::new(current, u32::from(depth)),
    };
    let mut window = Window::new(8, 4096);
    window.restart(last);
    let rules = SyncRules {
        force_snapshot: kind & 4 != 0,
        use_log: kind & 8 != 0,
        diff_syncs: 1,
        ..SyncRules::default()
    };
    let parts = LeaderParts {
        me: ServerId(1),
        accepted: current,
        current,
        last,
        electorate: Electorate::new(Arc::new(members)),
        reconfig_enabled: kind & 16 != 0,
        timing: TIMING,
        readers: Readers::default(),
        rules,
        handover_counter: if kind & 32 != 0 { 40 } else { limits::HANDOVER_COUNTER },
    };
    let mut out = Vec::new();
    let mut leader = Leader::new(parts, Millis(0), &mut out);
    let mut log = Log::behind(last);
    let (mut now, mut agreed, mut links) = (Millis(0), last, 0_u64);
    let mut tasks: VecDeque<LeaderInput> = VecDeque::new();
    for _ in 0..STEPS {
        leader.settle(&mut window, &mut out);
        for effect in std::mem::take(&mut out) {
            match effect {
                LeaderEffect::Store(stored) => tasks.push_back(LeaderInput::Stored(stored)),
                LeaderEffect::Agreed(upto) => {
                    assert!(upto.zxid() > agreed && upto.zxid() <= log.last, "I6: commits rise");
                    agreed = upto.zxid();
                }
                // Every request becomes one proposal, as the control role makes it.
                LeaderEffect::Request { link, request, .. } => match leader.accepts() {
                    true if request.opcode == 9 => tasks.push_back(LeaderInput::SyncFor { link }),
                    true if leader.has_room() => {
                        propose(&mut leader, &mut log, &mut window, now, &mut out)
                    }
                    _ => leader.step(now, LeaderInput::Closed { link }, &mut window, &mut out),
                },
                LeaderEffect::Revalidate { link, session, .. } => {
                    tasks.push_back(LeaderInput::Revalidated { link, session, valid: true });
                }
                LeaderEffect::ReadLog { link, after, .. } => {
                    let first = draw.zxid(&[after, Zxid(after.0 + 1), last]);
                    let count = i64::from(draw.byte() % 4);
                    let entries = (first.0..first.0.saturating_add(count)).map(Zxid);
                    let entries = entries.map(|zxid| (zxid, entry(zxid, None))).collect();
                    let end = [LogEnd::More, LogEnd::Done, LogEnd::NotThere]
                        [usize::from(draw.byte()) % 3];
                    tasks
                        .push_back(LeaderInput::LogRead { link, chunk: LogChunk { entries, end } });
                }
                LeaderEffect::SendSnapshot { link } => {
                    tasks.push_back(LeaderInput::SnapshotSent { link, zxid: leader.committed() });
                }
                LeaderEffect::WhenDrained { link } => {
                    tasks.push_back(LeaderInput::Drained { link })
                }
                LeaderEffect::AskMoved { link } => tasks.push_back(LeaderInput::Moved { link }),
                LeaderEffect::StepDown { .. } => return,
                LeaderEffect::Send { .. }
                | LeaderEffect::Close { .. }
                | LeaderEffect::Reading { .. }
                | LeaderEffect::Serve { .. }
                | LeaderEffect::Activate { .. }
                | LeaderEffect::Confirmed { .. }
                | LeaderEffect::Touched { .. }
                | LeaderEffect::LearnerReady { .. }
                | LeaderEffect::LearnerGone { .. } => {}
            }
        }
        if leader.is_serving() {
            assert_eq!(
                window.end(),
                Some(leader.committed()),
                "the window ends with what is agreed"
            );
        }
        if draw.is_over() {
            return;
        }
        let input = match draw.byte() {
            0..=40 => tasks.pop_front(),
            41..=60 => log.flush().map(LeaderInput::Durable),
            61..=80 if leader.accepts() && leader.has_room() => {
                propose(&mut leader, &mut log, &mut window, now, &mut out);
                None
            }
            61..=84 => {
                links += 1;
                Some(LeaderInput::Opened { link: Link(links) })
            }
            85 => Some(LeaderInput::Closed { link: Link(u64::from(draw.byte()) % (links + 1)) }),
            86 => Some(LeaderInput::ReadIndexAsked),
            87..=90 => {
                now = now + i64::from(draw.byte());
                Some(LeaderInput::Tick)
            }
            _ => {
                let link = Link(u64::from(draw.byte()) % (links + 1));
                let first = Zxid::new(leader.epoch(), 0);
                let known =
                    [leader.proposed(), leader.committed(), first, first, last, log.durable];
                let packet = draw.packet(&known, leader.epoch());
                Some(LeaderInput::Packet { link, packet })
            }
        };
        if let Some(input) = input {
            leader.step(now, input, &mut window, &mut out);
        }
    }
}

/// The next transaction of this leader.
fn propose(
    leader: &mut Leader,
    log: &mut Log,
    window: &mut Window,
    now: Millis,
    out: &mut Vec<LeaderEffect>,
) {
    let Some(zxid) = leader.proposed().next() else { return };
    let entry = entry(zxid, None);
    log.append(zxid, entry.clone());
    leader.step(now, LeaderInput::Proposed { zxid, entry }, window, out);
}
