//! Deadlines: tries of a connection, a leader that is silent, a log that stands still.

use super::core::{Learner, Out, Step};
use super::effects::LearnerEffect;
use super::phase::Phase;
use super::reason::LeaveReason;
use crate::types::Millis;

impl Learner {
    /// When it wants a [`LearnerInput::Tick`](super::LearnerInput::Tick).
    pub fn deadline(&self) -> Option<Millis> {
        match self.phase {
            Phase::Connecting { since, again, .. } => {
                let end = since + self.parts.connect_ms;
                Some(again.map_or(end, |again| again.min(end)))
            }
            Phase::Left => None,
            _ => {
                let silent = self.silence_max().map(|ms| self.heard + ms);
                silent.into_iter().chain(self.log_deadline()).min()
            }
        }
    }

    /// When a log that does not move has kept this server's clients waiting for too long: they are
    /// better off elsewhere, and what is served here is the past.
    fn log_deadline(&self) -> Option<Millis> {
        let waits = self.phase == Phase::Broadcast && !self.history.is_durable();
        waits.then(|| self.log_moved + self.parts.timing.sync_ms())
    }

    /// How long the leader may be silent, in ms; `None` while it waits for us.
    fn silence_max(&self) -> Option<i64> {
        let (init, sync) = (self.parts.timing.init_ms(), self.parts.timing.sync_ms());
        match self.phase {
            Phase::Loading { received: false, .. } => Some(init),
            _ if self.is_busy() => None,
            Phase::Broadcast => Some(sync),
            // A leader that waits for other learners sends no pings; Java's learner has syncLimit
            // from NEWLEADER on, and leaves a leader that is still gathering its quorum.
            Phase::Joining => Some(init.max(sync)),
            _ => Some(init),
        }
    }

    pub(super) fn tick(&mut self, now: Millis, out: Out<'_>) -> Step {
        let Some(at) = self.deadline().filter(|at| *at <= now) else { return Ok(()) };
        if self.log_deadline() == Some(at) {
            return self.log_stands_still(now, now.0 - at.0);
        }
        let Phase::Connecting { tries, since, .. } = self.phase else {
            return self.silent(now, now.0 - at.0);
        };
        if now >= since + self.parts.connect_ms {
            return Err(LeaveReason::ConnectTimeout { ms: self.parts.connect_ms });
        }
        self.phase = Phase::Connecting { tries: tries + 1, since, again: None };
        out.push(LearnerEffect::Connect);
        Ok(())
    }

    /// The leader's time is up, and has been for `late_ms`. A deadline missed by a tick or more means
    /// that this process was paused, not that its leader was silent, perhaps together with it (a
    /// machine that was moved): what the leader has said lies unread, or comes within a tick.
    fn silent(&mut self, now: Millis, late_ms: i64) -> Step {
        let tick_ms = self.parts.timing.tick_ms;
        if late_ms >= tick_ms {
            let patience = self.silence_max().unwrap_or(0);
            self.heard = Millis(now.0 - patience + tick_ms.min(patience));
            return Ok(());
        }
        Err(LeaveReason::Silent { ms: now.0 - self.heard.0, phase: self.phase.words() })
    }

    /// The same of the own log, whose last word may lie unread.
    fn log_stands_still(&mut self, now: Millis, late_ms: i64) -> Step {
        let (tick_ms, patience) = (self.parts.timing.tick_ms, self.parts.timing.sync_ms());
        if late_ms >= tick_ms {
            self.log_moved = Millis(now.0 - patience + tick_ms.min(patience));
            return Ok(());
        }
        let (ms, end) = (now.0 - self.log_moved.0, self.history.position());
        Err(LeaveReason::LogStandsStill { ms, end })
    }
}
