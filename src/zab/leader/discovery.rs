//! Which epoch, and who promised to follow it (Leader.getEpochToPropose, waitForEpochAck).

use std::sync::Arc;

use super::LeaderEffect;
use super::core::{Leader, Phase};
use super::learner::{Learner, Stage};
use super::reason::{CloseReason, Disbelieved, StepDownReason};
use crate::codec::quorum::{PROTOCOL, PROTOCOL_OWN, Packet};
use crate::mutants::{self, Mutant};
use crate::types::{Epoch, Link, ServerId, Zxid, limits};
use crate::zab::sync::is_beginning;
use crate::zab::{Stored, Window};

impl Leader {
    /// FOLLOWERINFO or OBSERVERINFO must come first.
    pub(super) fn greeted(&mut self, link: Link, packet: Packet, out: &mut Vec<LeaderEffect>) {
        let Packet::LearnerInfo { observer, accepted, server, protocol, config_version, reads } =
            packet
        else {
            return self.close(link, CloseReason::NotIntroduced { packet: packet.name() }, out);
        };
        let known = match self.is_serving() {
            true => self.announced.version().max(self.parts.electorate.committed.version()),
            // One that was seen here was proposed, and with it this server takes over: whoever has
            // it in force is not ahead.
            false => {
                let electorate = &self.parts.electorate;
                let next = electorate.next.as_ref().map_or(0, |next| next.version());
                next.max(electorate.committed.version())
            }
        };
        let refusal = if protocol < PROTOCOL {
            Some(CloseReason::OldProtocol { protocol })
        } else if server == self.parts.me {
            Some(CloseReason::OwnId { server })
        } else if config_version > known {
            Some(CloseReason::NewerConfiguration { version: config_version, known })
        } else {
            None
        };
        if let Some(why) = refusal {
            return self.close(link, why, out);
        }
        if mutants::on(Mutant::EpochBelievedFromStranger)
            && self.phase > Phase::Discovery
            && accepted > self.epoch
        {
            out.push(LeaderEffect::Store(Stored::Accepted(accepted)));
            return self.step_down(StepDownReason::NewerPromised, out);
        }
        if mutants::on(Mutant::ClaimCostsALink) {
            let mut claimed = self.learners.values().filter(|l| l.server == Some(server));
            if let Some(old) = claimed.next().map(|learner| learner.link) {
                self.close(old, CloseReason::ConnectedAgain, out);
            }
        }
        let Some(learner) = self.learners.get_mut(&link) else { return };
        learner.server = Some(server);
        learner.accepted = accepted;
        learner.observer = observer;
        learner.ours = protocol == PROTOCOL_OWN;
        learner.reads = reads;
        learner.stage = Stage::Greeted;
        learner.silent_by = None;
        match self.phase {
            Phase::Discovery => self.consider_epoch(out),
            _ => self.inform(link, out),
        }
    }

    /// With a quorum of voters connected the epoch is fixed, newer than any they promised. Nobody
    /// has shown yet to be who it says: a promise too far beyond this server's own is not believed,
    /// nor whoever tells it counted. If it is true, an epoch without it does no harm, for its server
    /// does not count under it ([`Learner::ahead`]).
    pub(super) fn consider_epoch(&mut self, out: &mut Vec<LeaderEffect>) {
        let most = match mutants::on(Mutant::EpochBelievedFromStranger) {
            false => Epoch(self.own_epoch.0.saturating_add(limits::EPOCH_JUMP)),
            true => Epoch(limits::EPOCH_LAST - 1),
        };
        let counts = |l: &Learner| l.stage == Stage::Greeted && l.accepted <= most;
        if self.phase != Phase::Discovery || !self.is_quorum(counts) {
            return;
        }
        let is_voter = |server: ServerId| self.parts.electorate.is_voter(server);
        let voters = self.learners.values().filter(|l| counts(l));
        let voters = voters.filter(|l| l.votes_as().is_some_and(is_voter));
        let promised = voters.map(|l| l.accepted).max().unwrap_or_default();
        let epoch = Epoch(self.own_epoch.0.max(promised.0).saturating_add(1));
        if epoch.0 > limits::EPOCH_LAST {
            let promised = Epoch(epoch.0 - 1);
            return self.step_down(StepDownReason::LastEpoch { promised }, out);
        }
        self.epoch = epoch;
        self.enter(Phase::Accepting);
        out.push(LeaderEffect::Store(Stored::Accepted(self.epoch)));
    }

    /// Why a quorum may not have come: for the log.
    pub(super) fn disbelieved(&self) -> Option<Disbelieved> {
        let most = self.own_epoch.0.saturating_add(limits::EPOCH_JUMP);
        let ahead = self.learners.values().find(|l| l.accepted.0 > most)?;
        Some(Disbelieved { server: ahead.server?, promised: ahead.accepted, own: self.own_epoch })
    }

    /// The own promise is durable: no other server may hear of the epoch before.
    pub(super) fn accepted(&mut self, epoch: Epoch, out: &mut Vec<LeaderEffect>) {
        if self.phase != Phase::Accepting || epoch != self.epoch {
            return; // asked for in an earlier role
        }
        self.proposed = Zxid::new(epoch, 0);
        let electorate = &self.parts.electorate;
        self.announced = match &electorate.next {
            Some(next) => Arc::clone(next),
            // A configuration that nobody numbered gets a version with this epoch's agreement, and
            // so wins over any other that was never agreed upon (ZOOKEEPER-1783).
            None if self.parts.reconfig_enabled && electorate.committed.version() == 0 => {
                let members = (*electorate.committed).clone();
                Arc::new(members.with_version(self.proposed.0))
            }
            None => Arc::clone(&electorate.committed),
        };
        self.enter(Phase::Promises);
        let waiting: Vec<Link> = self.learners.keys().copied().collect();
        for link in waiting {
            self.inform(link, out);
        }
        self.consider_promises(out);
    }

    /// LEADERINFO, once the epoch may be told.
    fn inform(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        let silent_by = self.beat + self.init_beats();
        let Some(learner) = self.learners.get_mut(&link) else { return };
        if self.phase >= Phase::Promises && learner.stage == Stage::Greeted {
            learner.stage = Stage::Informed;
            learner.silent_by = Some(silent_by);
            learner.ahead = learner.accepted > self.epoch;
            let protocol = if learner.ours { PROTOCOL_OWN } else { PROTOCOL };
            let reads = learner.ours.then_some(self.parts.readers.own);
            learner.send(Packet::LeaderInfo { epoch: self.epoch, protocol, reads }, out);
        }
    }

    /// ACKEPOCH.
    pub(super) fn promised(
        &mut self,
        link: Link,
        packet: Packet,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let Packet::AckEpoch { last, current } = packet else {
            let (packet, wanted) = (packet.name(), "ACKEPOCH");
            return self.close(link, CloseReason::InPlaceOf { packet, wanted }, out);
        };
        // Later ones are brought back by synchronisation: a quorum without them has decided.
        if self.phase == Phase::Promises && current.is_some_and(|c| self.is_behind(c, last)) {
            let (epoch, own) = (self.parts.current, self.parts.last);
            return self.close(link, CloseReason::NewerHistory { last, own, epoch }, out);
        }
        let Some(learner) = self.learners.get_mut(&link) else { return };
        // None: it promised this epoch on another connection, and what it said there is not known
        // to hold for the history it has now.
        learner.promised = current.is_some() && last.0 != -1;
        learner.stage = Stage::Promised { last };
        learner.silent_by = None;
        if self.phase >= Phase::Synchronization {
            self.begin_sync(link, window, out);
        } else {
            self.consider_promises(out);
        }
    }

    /// The other's history is newer (StateSummary.isMoreRecentThan). The beginning of an epoch that
    /// this server was in is nothing that its history lacks.
    fn is_behind(&self, current: Epoch, last: Zxid) -> bool {
        let own = (self.parts.current, self.parts.last);
        let common = is_beginning(last) && last.epoch() <= own.0;
        current > own.0 || ((current, last) > own && !common)
    }

    fn consider_promises(&mut self, out: &mut Vec<LeaderEffect>) {
        if self.phase == Phase::Promises && self.is_quorum(|learner: &Learner| learner.promised) {
            self.enter(Phase::Entering);
            out.push(LeaderEffect::Store(Stored::Current(self.epoch)));
        }
    }

    /// The own history is the epoch's from now on, durably; no NEWLEADER goes out before.
    pub(super) fn entered(
        &mut self,
        epoch: Epoch,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        if self.phase != Phase::Entering || epoch != self.epoch {
            return; // asked for in an earlier role
        }
        if window.end() != Some(self.committed) {
            window.restart(self.committed);
        }
        self.enter(Phase::Synchronization);
        self.begin_syncs(window, out);
        self.consider_serving(out);
    }
}
