//! Ticks: pings, learners that fell silent, phases that take too long, a quorum that is gone
//! (Leader.lead, LearnerHandler.ping, synced).

use super::LeaderEffect;
use super::core::{Leader, Phase};
use super::learner::{Beat, Learner, Stage};
use crate::codec::quorum::Packet;
use crate::types::{Link, Millis};

/// For how long, in beats, a learner that serves may be silent while another connection claims its
/// id.
const CLAIM_BEATS: Beat = 4;

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
            let told = self.disbelieved();
            let why = format!("no quorum within initLimit ({:?}){told}", self.phase);
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
        if let Some(why) = self.is_outlived(learner) {
            return Some(why);
        }
        let since = learner.patience.since()?;
        let late = self.beat - since >= self.sync_beats();
        late.then(|| "a proposal was not acknowledged within syncLimit".into())
    }

    /// A learner that is pinged answers at once; one that does not, while another connection claims
    /// its id and has spoken, has probably been given up by its server.
    fn is_outlived(&self, learner: &Learner) -> Option<String> {
        let silent = self.beat - learner.heard;
        if !learner.has_joined() || silent < CLAIM_BEATS.min(self.sync_beats()) {
            return None;
        }
        let claim = learner.claim();
        let spoken = |l: &Learner| matches!(l.stage, Stage::Promised { .. });
        let claims = |l: &Learner| spoken(l) && l.claim() == claim;
        let id = learner.server?.0;
        let why = || format!("it is silent, and server {id} has connected again");
        self.learners.values().any(claims).then(why)
    }
}
