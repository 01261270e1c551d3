//! What a learner does when its leader, or its own log, says nothing for too long.

use super::*;

impl Learner {
    /// The leader's time is up, and has been for `late_ms`. A deadline missed by a tick or more means that this process was paused, not that its clients were silent,
    /// perhaps together with its leader (a machine that was moved): what the leader has said lies
    /// unread, or comes within a tick.
    pub(super) fn silent(&mut self, now: Millis, late_ms: i64) -> Step {
        let tick_ms = self.parts.timing.tick_ms;
        if late_ms >= tick_ms {
            let patience = self.silence_max().unwrap_or(0);
            self.heard = Millis(now.0 - patience + tick_ms.min(patience));
            return Ok(());
        }
        let silent = now.0 - self.heard.0;
        Err(format!("nothing heard from the leader for {silent} ms ({})", self.phase.words()))
    }

    /// The same of the own log, whose last word may lie unread.
    pub(super) fn log_stands_still(&mut self, now: Millis, late_ms: i64) -> Step {
        let (tick_ms, patience) = (self.parts.timing.tick_ms, self.parts.timing.sync_ms());
        if late_ms >= tick_ms {
            self.log_moved = Millis(now.0 - patience + tick_ms.min(patience));
            return Ok(());
        }
        let (still, end) = (now.0 - self.log_moved.0, self.history.position());
        Err(format!("the log here has not moved for {still} ms, and is to hold {end}"))
    }
}
