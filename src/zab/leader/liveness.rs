//! Ticks: pings, learners that fell silent, phases that take too long, a quorum that is gone
//! (Leader.lead, LearnerHandler.ping, synced).

use super::LeaderEffect;
use super::core::{Leader, Phase};
use super::learner::{Beat, Learner, Stage};
use super::reason::{CloseReason, StepDownReason};
use crate::codec::quorum::Packet;
use crate::mutants::{self, Mutant};
use crate::types::{Link, Millis};
use crate::zab::Window;

/// After so many beats without a word, or an acknowledgement, it is asked whether bytes move.
const DOUBTED_BEATS: Beat = 2;

/// For how long, in beats, a learner that serves may be silent while another connection claims its
/// id.
const CLAIM_BEATS: Beat = 4;

impl Leader {
    /// Twice a tick.
    pub(super) fn tick(&mut self, now: Millis, window: &mut Window, out: &mut Vec<LeaderEffect>) {
        if now < self.next_beat {
            return;
        }
        // From now on, not from when it was due: after a pause there is one beat, not many.
        self.next_beat = now + self.half_tick();
        self.beat += 1;
        if self.phase < Phase::Broadcast && self.beat >= self.phase_ends {
            let (phase, disbelieved) = (self.phase.words(), self.disbelieved());
            return self.step_down(StepDownReason::NoQuorum { phase, disbelieved }, out);
        }
        if self.phase == Phase::HandingOver && self.beat >= self.phase_ends {
            return self.step_down(StepDownReason::HandedOver, out);
        }
        if let Some(why) = self.is_stuck() {
            return self.step_down(why, out);
        }
        self.catch_up_all(window, out);
        self.close_silent(out);
        if self.phase == Phase::Broadcast && self.beat % 2 == 0 && !self.is_followed() {
            return self.step_down(StepDownReason::QuorumSilent, out);
        }
        let zxid = self.read_index.ping().unwrap_or(self.proposed);
        for learner in self.learners.values_mut().filter(|learner| learner.is_live()) {
            learner.send(Packet::Ping { zxid, touches: None }, out);
        }
        self.close_doomed(out);
        self.ask_moved(out);
    }

    /// The own log has not moved for syncLimit while proposals wait for it: others commit without it,
    /// and what is served here is the past. A leader that holds a quorum by itself has nobody to yield to.
    fn is_stuck(&mut self) -> Option<StepDownReason> {
        let waits = self.outstanding.back().is_some_and(|(zxid, _)| *zxid > self.durable)
            || self.committed > self.durable;
        if self.phase != Phase::Broadcast || !waits {
            self.durable_at = self.beat;
        }
        let late = self.beat - self.durable_at >= self.sync_beats();
        let others = self.parts.electorate.voters().any(|voter| voter != self.parts.me);
        if !late || !others || mutants::on(Mutant::LeadsWithHungDisk) {
            return None;
        }
        let (durable, proposed) = (self.durable, self.proposed);
        Some(StepDownReason::LogStandsStill { durable, proposed })
    }

    /// Asks of those of whom nothing was heard for a tick, or whose acknowledgement is awaited so
    /// long, whether their bytes move.
    fn ask_moved(&mut self, out: &mut Vec<LeaderEffect>) {
        let is_old = |at| self.beat - at >= DOUBTED_BEATS;
        let doubted = |l: &&Learner| {
            l.is_served()
                && !l.paused
                && (is_old(l.heard) || l.patience.since().is_some_and(is_old))
        };
        let links = self.learners.values().filter(doubted).map(|learner| learner.link);
        out.extend(links.map(|link| LeaderEffect::AskMoved { link }));
    }

    /// A link whose bytes move is not silent, however long what it carries takes.
    pub(super) fn moved(&mut self, link: Link) {
        let (beat, until) = (self.beat, self.beat + self.sync_beats());
        if let Some(learner) = self.learners.get_mut(&link).filter(|l| l.is_served()) {
            learner.heard = beat;
            learner.moves(until);
            learner.patience.moves(beat);
        }
    }

    fn close_silent(&mut self, out: &mut Vec<LeaderEffect>) {
        let late: Vec<(Link, CloseReason)> = self
            .learners
            .values()
            .filter(|learner| !learner.paused)
            .filter_map(|learner| Some((learner.link, self.lateness(learner)?)))
            .collect();
        for (link, why) in late {
            self.close(link, why, out);
        }
    }

    fn lateness(&self, learner: &Learner) -> Option<CloseReason> {
        if learner.silent_by.is_some_and(|by| by <= self.beat) {
            let limit = match learner.stage {
                Stage::UpToDate => "syncLimit",
                _ => "initLimit",
            };
            return Some(CloseReason::NoProgress { limit, stage: learner.stage.words() });
        }
        if let Some(why) = self.is_outlived(learner) {
            return Some(why);
        }
        let since = learner.patience.since()?;
        let late = self.beat - since >= self.sync_beats();
        // Its going would end the quorum, and with it what is served: that it comes again does not
        // make its disk faster.
        let goes_on = || self.is_quorum(|l| l.link != learner.link && l.counts_until >= self.beat);
        let is_spared = !learner.observer && !goes_on();
        (late && !is_spared).then_some(CloseReason::NotAcknowledged)
    }

    /// A learner that is pinged answers at once; one that does not, while another connection claims
    /// its id and has spoken, has probably been given up by its server.
    fn is_outlived(&self, learner: &Learner) -> Option<CloseReason> {
        let silent = self.beat - learner.heard;
        if !learner.has_joined() || silent < CLAIM_BEATS.min(self.sync_beats()) {
            return None;
        }
        let claim = learner.claim();
        let spoken = |l: &Learner| matches!(l.stage, Stage::Promised { .. });
        let claims = |l: &Learner| spoken(l) && l.claim() == claim;
        let server = learner.server?;
        self.learners.values().any(claims).then_some(CloseReason::Outlived { server })
    }
}
