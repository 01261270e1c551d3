//! Proposals, acks and commits (Leader.propose, processAck, tryToCommit, processSync), and the end
//! of an epoch's numbers.

use bytes::Bytes;

use super::LeaderEffect;
use super::core::{Leader, Phase};
use super::learner::{Learner, Stage};
use super::read_index;
use super::reason::{CloseReason, StepDownReason};
use crate::codec::quorum::Packet;
use crate::mutants::{self, Mutant};
use crate::types::{Link, ServerId, Zxid, limits};
use crate::zab::sync::is_beginning;
use crate::zab::{Agreed, Window};

impl Leader {
    /// Once for every batch of inputs: counts acks, and commits what a quorum has. The cost is that
    /// of the learners and of what is committed; what is outstanding is not looked at.
    pub fn settle(&mut self, window: &mut Window, out: &mut Vec<LeaderEffect>) {
        if self.phase == Phase::Over {
            return;
        }
        if self.counting && self.phase == Phase::Broadcast {
            self.counting = false;
            self.commit_agreed(window, out);
        }
        self.resolve_reads(out);
        self.read_on(out);
        self.close_doomed(out);
        self.take_claims(window, out);
        // Whoever is gone follows another leader soon, of whose sessions and transactions this one
        // would know nothing. Java's leader goes on until the next tick.
        let lost_voter = std::mem::take(&mut self.lost_voter);
        if lost_voter && self.phase == Phase::Broadcast && !self.is_followed() {
            return self.step_down(StepDownReason::QuorumLost, out);
        }
        if self.is_handed_over() {
            let at = self.proposed;
            self.step_down(StepDownReason::NumbersUsedUp { at }, out);
        }
    }

    /// New work may be taken. No longer so close to the end of an epoch's numbers.
    pub fn accepts(&self) -> bool {
        self.phase == Phase::Broadcast && self.proposed.counter() < self.parts.handover_counter
    }

    /// More proposals may be made now; if not, clients' writes have to wait, and learners' links that
    /// bring more are not read as long as a quorum goes on without them.
    pub fn has_room(&self) -> bool {
        self.outstanding.len() < limits::OUTSTANDING_PROPOSALS
            && self.outstanding_bytes < limits::OUTSTANDING_BYTES
    }

    /// What was on its way is finished; or new work goes on coming in, and has used half of what
    /// was left.
    fn is_handed_over(&self) -> bool {
        let handover = self.parts.handover_counter;
        let finished = self.outstanding.is_empty() && self.durable >= self.proposed;
        let pressed = self.proposed.counter() >= handover + (u32::MAX - handover) / 2;
        self.phase == Phase::Broadcast && !self.accepts() && (finished || pressed)
    }

    pub(super) fn propose(&mut self, zxid: Zxid, entry: Bytes, out: &mut Vec<LeaderEffect>) {
        assert_eq!(self.phase, Phase::Broadcast, "proposed by a leader that does not serve");
        assert_eq!(self.proposed.next(), Some(zxid), "I4: proposals have no gaps");
        self.proposed = zxid;
        let live_bytes = self.parts.rules.live_bytes;
        for learner in self.learners.values_mut() {
            let takes = learner.is_live() && !learner.observer;
            if takes && !learner.falls_behind(live_bytes, out) {
                let packet = Packet::Proposal { zxid, entry: entry.clone() };
                learner.propose(zxid, packet, self.beat, out);
            }
        }
        self.outstanding_bytes += entry.len();
        self.outstanding.push_back((zxid, entry));
    }

    /// A packet of a learner that has taken over the history.
    pub(super) fn heard(&mut self, link: Link, packet: Packet, out: &mut Vec<LeaderEffect>) {
        let until = self.beat + self.sync_beats();
        let (beat, accepts) = (self.beat, self.accepts());
        let Some(learner) = self.learners.get_mut(&link) else { return };
        learner.counts_until = until;
        let serves = learner.stage == Stage::UpToDate;
        if serves {
            learner.silent_by = Some(until);
        }
        match (packet, learner.server) {
            (Packet::Ack { zxid }, _) => self.acked(link, zxid, out),
            (Packet::Ping { zxid, .. }, _) if learner.proof.is_some() => {
                if learner.proof == Some(zxid) {
                    self.proven(link, out);
                }
            }
            (Packet::Ping { zxid, touches }, _) => {
                learner.certain = learner.certain.max(read_index::round_of(zxid));
                if let Some(sessions) = touches.filter(|touches| !touches.is_empty()) {
                    out.push(LeaderEffect::Touched { link, sessions });
                }
            }
            (Packet::RevalidateAsk { session, timeout }, _) if serves => {
                out.push(LeaderEffect::Revalidate { link, session, timeout });
            }
            (Packet::Request(request), Some(server)) if serves => {
                // At the end of an epoch's numbers requests stay without an answer: the learner
                // loses this leader in a moment, and its clients their connections.
                learner.patience.moves(beat);
                if accepts {
                    out.push(LeaderEffect::Request { link, server, request });
                    self.hold_back(link, out);
                }
            }
            (packet, _) => {
                self.close(link, CloseReason::OutOfTurn { packet: packet.name() }, out);
            }
        }
    }

    /// Something was asked for: without room for more its link is not read, unless a quorum needs
    /// what it acknowledges. One that is needed goes on: servers of this kind bound what they have
    /// with their leader ([`limits::FORWARDED_BYTES`]), ZooKeeper's by `globalOutstandingLimit`.
    fn hold_back(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        if self.has_room() {
            return;
        }
        let goes_on = self.is_quorum(|l| l.link != link && !l.paused && l.has_acked());
        let Some(learner) = self.learners.get_mut(&link) else { return };
        if !learner.paused && (learner.observer || goes_on) {
            learner.paused = true;
            self.pausing = true;
            out.push(LeaderEffect::Reading { link, on: false });
        }
    }

    /// Links are read again: there is room, or a quorum needs what they bring.
    fn read_on(&mut self, out: &mut Vec<LeaderEffect>) {
        if !self.pausing {
            return;
        }
        let has_room = self.has_room();
        let is_needed = !self.is_quorum(|l| !l.paused && l.has_acked());
        let until = self.beat + self.sync_beats();
        for learner in self.learners.values_mut().filter(|learner| learner.paused) {
            if has_room || (is_needed && !learner.observer) {
                learner.paused = false;
                // It could not be heard meanwhile.
                learner.moves(until);
                out.push(LeaderEffect::Reading { link: learner.link, on: true });
            }
        }
        self.pausing = self.learners.values().any(|learner| learner.paused);
    }

    fn acked(&mut self, link: Link, zxid: Zxid, out: &mut Vec<LeaderEffect>) {
        let Some(learner) = self.learners.get_mut(&link) else { return };
        // UPTODATE is acknowledged with the beginning of the epoch once more; observers have none
        // to give.
        if learner.observer || is_beginning(zxid) {
            return;
        }
        let sent = learner.sent.max(learner.position);
        if zxid > sent {
            return self.close(link, CloseReason::AckBeyondSent { zxid, sent }, out);
        }
        // What is not committed are this epoch's proposals, without a gap. A number between the
        // history and the first of them names none, and must not be counted as if it did.
        if zxid > self.committed && zxid.epoch() != self.epoch {
            return self.close(link, CloseReason::AckOfNothing { zxid }, out);
        }
        if zxid > learner.acked {
            learner.acked = zxid;
            learner.patience.acked(zxid, self.beat);
            self.counting = true;
        }
    }

    /// The newest transaction that a quorum has in its logs. Acks come in order, so an ack stands
    /// for everything before it. Where a learner's history ends with the beginning of an epoch, that
    /// is no transaction: it has what is before.
    fn agreed_upto(&self) -> Zxid {
        let mut horizons: Vec<(ServerId, Zxid)> = vec![(self.parts.me, self.durable)];
        let learners = self.learners.values().filter(|learner| learner.has_acked());
        horizons.extend(learners.filter_map(|l| Some((l.votes_as()?, l.acked))));
        let mut found = self.committed;
        for &(_, upto) in &horizons {
            let has = |server: ServerId| horizons.iter().any(|(s, at)| *s == server && *at >= upto);
            let alone = mutants::on(Mutant::CommittedByOne);
            if upto > found && (alone || self.parts.electorate.has_quorum(has)) {
                found = upto;
            }
        }
        let count = self.outstanding.partition_point(|(zxid, _)| *zxid <= found);
        let newest = count.checked_sub(1).and_then(|at| self.outstanding.get(at));
        newest.map_or(self.committed, |(zxid, _)| *zxid)
    }

    /// A reconfiguration is committed apart: what stands behind it is for its configuration to
    /// agree on, or for another leader.
    fn commit_agreed(&mut self, window: &mut Window, out: &mut Vec<LeaderEffect>) {
        while self.phase == Phase::Broadcast {
            let upto = self.agreed_upto();
            if upto <= self.committed {
                return;
            }
            match self.reconfig.filter(|at| *at <= upto) {
                None => self.commit(upto, None, window, out),
                Some(at) => self.commit_reconfig(at, window, out),
            }
        }
    }

    /// `leader`: the last of these is a reconfiguration, and names it.
    pub(super) fn commit(
        &mut self,
        upto: Zxid,
        leader: Option<ServerId>,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let count = self.outstanding.partition_point(|(zxid, _)| *zxid <= upto);
        let batch: Vec<(Zxid, Bytes)> = self.outstanding.drain(..count).collect();
        assert_eq!(
            batch.last().map(|(zxid, _)| *zxid),
            Some(upto),
            "I6: commits what was proposed"
        );
        self.committed = upto;
        if let Some(leader) = leader {
            self.remember_activation(upto, leader);
        }
        let live_bytes = self.parts.rules.live_bytes;
        for learner in self.learners.values_mut().filter(|learner| learner.is_live()) {
            let activates = leader.map(|leader| (upto, leader));
            tell_committed(learner, &batch, activates, live_bytes, out);
        }
        let done = self.read_index.done();
        for learner in self.learners.values_mut() {
            learner.answer_settled_syncs(upto, done, out);
        }
        out.push(LeaderEffect::Agreed(Agreed(upto)));
        for (zxid, entry) in batch {
            self.outstanding_bytes -= entry.len();
            window.push(zxid, entry);
        }
        let waiting = self.learners.values().filter(|learner| learner.stage == Stage::Acked);
        for link in waiting.map(|learner| learner.link).collect::<Vec<Link>>() {
            self.admit(link, out);
        }
    }

    /// The turn of a learner's client sync: answered when everything proposed until now is
    /// committed and no other leader can have committed more ([`read_index`]), and always before
    /// anything that is proposed later: a learner's clients hear answers in the order of their
    /// requests.
    pub(super) fn client_sync(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        let Some(learner) = self.learners.get_mut(&link) else { return };
        if learner.syncs.len() >= limits::OUTSTANDING_PROPOSALS {
            let waiting = learner.syncs.len();
            return self.close(link, CloseReason::ManySyncs { waiting }, out);
        }
        // Not `proposed`: an epoch's beginning is never committed.
        let behind = self.outstanding.back().map_or(self.committed, |(zxid, _)| *zxid);
        learner.syncs.push_back((behind, self.read_index.ask()));
    }
}

/// One of this kind takes a commit for all before it, so it is told of the last, and of those that
/// a client sync follows. `activates`: which of these is a reconfiguration, and who leads in it.
fn tell_committed(
    learner: &mut Learner,
    batch: &[(Zxid, Bytes)],
    activates: Option<(Zxid, ServerId)>,
    live_bytes: usize,
    out: &mut Vec<LeaderEffect>,
) {
    // What a follower that lags was not sent it is told of with the proposal.
    let known = batch.partition_point(|(zxid, _)| *zxid <= learner.sent.max(learner.held));
    let batch = if learner.observer { batch } else { &batch[..known] };
    let last = batch.last().map(|(zxid, _)| *zxid);
    let takes_all = learner.ours && !learner.observer;
    for (zxid, entry) in batch {
        let zxid = *zxid;
        if learner.observer && learner.falls_behind(live_bytes, out) {
            return;
        }
        learner.answer_syncs(|behind, _| behind < zxid, out);
        let is_synced = learner.syncs.front().is_some_and(|(behind, _)| *behind == zxid);
        let is_sent = !takes_all || Some(zxid) == last || is_synced;
        if zxid > learner.held && is_sent {
            let leader = activates.filter(|(at, _)| *at == zxid).map(|(_, leader)| leader);
            let entry = || entry.clone();
            let packet = match (learner.observer, leader) {
                (true, None) => Packet::Inform { zxid, entry: entry() },
                (true, Some(leader)) => Packet::InformAndActivate { zxid, leader, entry: entry() },
                (false, None) => Packet::Commit { zxid },
                (false, Some(leader)) => Packet::CommitAndActivate { zxid, leader },
            };
            learner.send(packet, out);
        }
        learner.sent = learner.sent.max(zxid);
    }
}
