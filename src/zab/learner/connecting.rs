//! The connection to the leader: tried again while it is refused, and begun anew where the log here
//! cannot be built upon.

use super::core::{Learner, Out, Step};
use super::effects::LearnerEffect;
use super::phase::{Phase, Raise};
use super::reason::LeaveReason;
use crate::codec::quorum::{PROTOCOL_OWN, Packet};
use crate::types::Millis;

/// A refused connection is tried again so often (Java 5 times). The leader may still be on its way
/// to its new role.
const TRIES: u32 = 24;
/// A connection that ends before the leader has said anything counts for so many.
const TRIES_A_CLOSE: u32 = 3;
/// Pauses between tries, in ms, double from this one to the longest that is set. A server of ours
/// listens within a few; Java pauses as long each time.
const PAUSE_FIRST_MS: i64 = 5;

impl Learner {
    pub(super) fn connected(&mut self, now: Millis, out: Out<'_>) -> Step {
        if !matches!(self.phase, Phase::Connecting { again: None, .. }) {
            return Ok(());
        }
        if let Phase::Connecting { tries, since, .. } = self.phase {
            self.connecting = (tries, since);
        }
        (self.phase, self.heard) = (Phase::Discovery, now);
        out.push(LearnerEffect::Send(Packet::LearnerInfo {
            observer: self.parts.observer,
            accepted: self.accepted,
            server: self.parts.me,
            protocol: PROTOCOL_OWN,
            config_version: self.parts.config_version,
            reads: Some(self.parts.readers.own),
        }));
        Ok(())
    }

    pub(super) fn connect_failed(&mut self, now: Millis, why: String) -> Step {
        let Phase::Connecting { tries, since, again: None } = self.phase else { return Ok(()) };
        if tries >= TRIES {
            return Err(LeaveReason::Unreachable { tries, why });
        }
        let pause = (PAUSE_FIRST_MS << (tries - 1)).min(self.parts.connect_pause_ms);
        self.phase = Phase::Connecting { tries, since, again: Some(now + pause) };
        Ok(())
    }

    /// The connection has ended, and with it the role; but not where the leader has said nothing:
    /// something before it took the connection and could not pass it on, as it does not listen yet.
    pub(super) fn closed(&mut self, now: Millis, why: String, out: Out<'_>) {
        let (tries, since) = self.connecting;
        if self.phase == Phase::Discovery && tries < TRIES {
            let tries = (tries + TRIES_A_CLOSE).min(TRIES);
            let again = Some(now + self.parts.connect_pause_ms);
            self.phase = Phase::Connecting { tries, since, again };
            return;
        }
        // Nothing is left to be closed.
        self.phase = Phase::Left;
        out.push(LearnerEffect::Leave { why: LeaveReason::Closed { why } });
    }

    /// Once more from the beginning, and this time nothing in the log is built upon. -1 says so,
    /// and keeps the leader from counting this server for its history (LearnerHandler: StateSummary
    /// of -1; such a learner gets a snapshot).
    pub(super) fn start_over(&mut self, now: Millis, why: LeaveReason, out: Out<'_>) -> Step {
        if self.needs_snapshot {
            return Err(why);
        }
        self.needs_snapshot = true;
        self.held.clear();
        (self.held.paused, self.raise, self.config) = (false, Raise::No, None);
        self.phase = Phase::Connecting { tries: 1, since: now, again: None };
        out.push(LearnerEffect::Close);
        out.push(LearnerEffect::Connect);
        Ok(())
    }
}
