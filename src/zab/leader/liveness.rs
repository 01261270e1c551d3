//! Ticks: pings, learners that fell silent, phases that take too long, a quorum that is gone
//! (Leader.lead, LearnerHandler.ping, synced).

use super::LeaderEffect;
use super::core::{Leader, Phase};
use super::learner::{Learner, Stage};
use crate::codec::quorum::Packet;
use crate::types::{Link, Millis};

impl Leader {
    /// Twice a tick.
    pub(super) fn tick(&mut self, now: Millis, out: &mut Vec<LeaderEffect>) {
        if now < self.next_beat {
            return;
        }
        // From now on, not from when it was due: after a pause there is one beat, not many.
        self.next_beat = now + self.half_tick();
        self.beat += 1;
        if self.phase < Phase::Broadcast && self.beat >= self.phase_ends {
            let why = format!("no quorum within initLimit ({:?})", self.phase);
            return self.step_down(why, out);
        }
        if self.phase == Phase::HandingOver && self.beat >= self.phase_ends {
            return self.step_down("another server leads now".into(), out);
        }
        self.close_silent(out);
        if self.phase == Phase::Broadcast && self.beat % 2 == 0 && !self.is_followed() {
            return self.step_down("no quorum is connected".into(), out);
        }
        let zxid = self.doubts.ping().unwrap_or(self.proposed);
        for learner in self.learners.values_mut().filter(|learner| learner.is_live()) {
            learner.send(Packet::Ping { zxid, touches: None }, out);
        }
        self.close_doomed(out);
    }

    fn close_silent(&mut self, out: &mut Vec<LeaderEffect>) {
        let late: Vec<(Link, String)> = self
            .learners
            .values()
            .filter_map(|learner| Some((learner.link, self.lateness(learner)?)))
            .collect();
        for (link, why) in late {
            self.close(link, why, out);
        }
    }

    fn lateness(&self, learner: &Learner) -> Option<String> {
        if learner.silent_by.is_some_and(|by| by <= self.beat) {
            let limit = match learner.stage {
                Stage::UpToDate => "syncLimit",
                _ => "initLimit",
            };
            return Some(format!("no progress within {limit} ({:?})", learner.stage));
        }
        let since = learner.patience.since()?;
        let late = self.beat - since >= self.sync_beats();
        late.then(|| "a proposal was not acknowledged within syncLimit".into())
    }
}
