//! A learner, and a leader that says anything.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use ringkeeper::codec::quorum::Packet;
use ringkeeper::types::{Epoch, Millis, ServerId, Zxid};
use ringkeeper::zab::{Learner, LearnerEffect, LearnerInput, LearnerParts, Readers};

use super::{Draw, Log, STEPS, TIMING, end_of_history};

/// The learner, its disk, and what is still to be done for it.
struct Learning<'a> {
    draw: Draw<'a>,
    learner: Learner,
    log: Log,
    now: Millis,
    /// What must not be cut off.
    committed: Zxid,
    tasks: VecDeque<Vec<LearnerInput>>,
}

pub fn fuzz_learner(data: &[u8]) {
    let mut out = Vec::new();
    let mut learning = Learning::of(data, &mut out);
    for _ in 0..STEPS {
        for effect in out.drain(..) {
            if learning.carry_out(effect).is_break() {
                return;
            }
        }
        if learning.draw.is_over() {
            return;
        }
        for input in learning.inputs() {
            learning.learner.step(learning.now, input, &mut out);
        }
    }
}

impl Learning<'_> {
    fn of<'a>(data: &'a [u8], out: &mut Vec<LearnerEffect>) -> Learning<'a> {
        let mut draw = Draw { bytes: data };
        let (kind, depth) = (draw.byte(), draw.byte());
        let current = Epoch(1 + u32::from(kind >> 6));
        let last = end_of_history(kind, depth, current);
        let committed =
            if kind & 4 == 0 { Zxid::ZERO } else { Zxid(last.0 - i64::from(depth & 3)) };
        let committed = committed.clamp(Zxid::ZERO, last);
        let parts = LearnerParts {
            me: ServerId(1),
            observer: kind & 8 != 0,
            accepted: Epoch(current.0 + u32::from(kind >> 4 & 1)),
            current,
            last,
            committed,
            shown: committed,
            blank: kind & 32 != 0 && last == Zxid::ZERO,
            config_version: 0,
            leader: ServerId(2),
            readers: Readers::default(),
            timing: TIMING,
            connect_ms: TIMING.init_ms(),
            connect_pause_ms: 10,
        };
        let learner = Learner::new(parts, Millis(0), out);
        let (log, now, tasks) = (Log::behind(last), Millis(0), VecDeque::new());
        Learning { draw, learner, log, now, committed, tasks }
    }

    /// The learner's end breaks.
    fn carry_out(&mut self, effect: LearnerEffect) -> ControlFlow<()> {
        let committed = self.committed;
        match effect {
            LearnerEffect::Connect => self.tasks.push_back(vec![LearnerInput::Connected]),
            LearnerEffect::Store(stored) => {
                self.tasks.push_back(vec![LearnerInput::Stored(stored)]);
            }
            LearnerEffect::Append { zxid, entry } => self.log.append(zxid, entry),
            LearnerEffect::Truncate { after } => {
                assert!(after >= committed, "{committed} is committed, and cut to {after}");
                self.truncate(after);
            }
            LearnerEffect::LoadSnapshot { zxid } => {
                assert!(zxid >= committed, "{committed} is committed, and replaced by {zxid}");
                self.load(zxid);
            }
            LearnerEffect::Send(Packet::Ack { zxid }) => {
                let durable = self.log.durable;
                assert!(zxid.counter() == 0 || zxid <= durable, "I1: {zxid} acknowledged");
            }
            LearnerEffect::Leave { .. } => return ControlFlow::Break(()),
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
        ControlFlow::Continue(())
    }

    /// The files are cut, or cannot be.
    fn truncate(&mut self, after: Zxid) {
        let (end, input) = match self.draw.byte() & 3 {
            0 => (self.log.last, LearnerInput::CannotTruncate { why: "no".into() }),
            _ => (after, LearnerInput::Truncated { last: after }),
        };
        self.log = Log::behind(end);
        self.tasks.push_back(vec![input]);
    }

    /// A leader's tree comes, and takes the place of everything.
    fn load(&mut self, zxid: Zxid) {
        let shows = if self.draw.byte() & 7 == 0 { Zxid::ZERO } else { zxid };
        self.log = Log::behind(zxid);
        let loaded = LearnerInput::SnapshotLoaded { zxid };
        let received = LearnerInput::SnapshotReceived { shows };
        self.tasks.push_back(vec![LearnerInput::Moved, received, loaded]);
    }

    /// What happens next.
    fn inputs(&mut self) -> Vec<LearnerInput> {
        match self.draw.byte() {
            0..=40 => self.tasks.pop_front().unwrap_or_default(),
            41..=70 => self.log.flush().map(LearnerInput::Durable).into_iter().collect(),
            71..=76 => {
                self.now = self.now + i64::from(self.draw.byte()) * 4;
                vec![LearnerInput::Tick]
            }
            77 => vec![LearnerInput::ConnectFailed { why: "refused".into() }],
            78 => vec![LearnerInput::Closed { why: "reset".into() }],
            _ => {
                let (learner, durable) = (&self.learner, self.log.durable);
                let first = Zxid::new(learner.epoch(), 0);
                let (last, agreed) = (learner.last(), learner.agreed());
                let known = [last, last, agreed, first, self.committed, durable];
                vec![LearnerInput::Packet(self.draw.packet(&known, learner.epoch()))]
            }
        }
    }
}
