//! Making a learner's history this one (LearnerHandler.syncFollower, queueCommittedProposals,
//! Leader.startForwarding, waitForNewLeaderAck).
//!
//! A learner that lacks much is served from one position that only moves forward: from the log on
//! disk while it is older than the window, then from the window, and when it has everything that is
//! committed, it gets the outstanding proposals and NEWLEADER in one step and is live. Between two
//! pieces the link must drain, so a slow learner costs no memory; after a snapshot the same goes on
//! from the snapshot's end, so nothing waits behind a long one.

use super::LeaderEffect;
use super::core::{Leader, Phase};
use super::learner::{Learner, Stage, SyncKind};
use super::reason::{CloseReason, StepDownReason};
use crate::codec::quorum::Packet;
use crate::mutants::{self, Mutant};
use crate::types::{Link, Zxid};
use crate::zab::sync::{self, Disk, History, Peer, Plan};
use crate::zab::{LogChunk, LogEnd, Window};

impl Leader {
    /// The learner has promised, and this server has entered the epoch. Nothing says which of several
    /// connections that claim one id its server's is. Until one of them has taken over the history all
    /// are served. Then the others wait until that one has ended or fallen silent: what counts as
    /// acknowledged may be cut off by what another is sent.
    pub(super) fn begin_sync(
        &mut self,
        link: Link,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let Some(learner) = self.learners.get(&link) else { return };
        let Stage::Promised { last } = learner.stage else { return };
        let claim = learner.claim();
        let zxid = self.read_index.ping().unwrap_or(self.proposed);
        let mut rivalled = false;
        for other in self.learners.values_mut() {
            if other.claim() != claim || !other.holds() {
                continue;
            }
            if other.has_joined() {
                // If its server has given it up, this ends it at once.
                return other.send(Packet::Ping { zxid, touches: None }, out);
            }
            (other.rivalled, rivalled) = (true, true);
        }
        if let Some(learner) = self.learners.get_mut(&link) {
            learner.rivalled = rivalled;
        }
        self.choose(link, last, Disk::NotAsked, window, out);
    }

    /// Serves those that have waited for another connection of the same id to end.
    pub(super) fn take_claims(&mut self, window: &mut Window, out: &mut Vec<LeaderEffect>) {
        if std::mem::take(&mut self.let_go) && self.phase >= Phase::Synchronization {
            self.begin_syncs(window, out);
        }
    }

    pub(super) fn begin_syncs(&mut self, window: &mut Window, out: &mut Vec<LeaderEffect>) {
        let promised = |l: &&Learner| matches!(l.stage, Stage::Promised { .. });
        let waiting = self.learners.values().filter(promised).map(|learner| learner.link);
        for link in waiting.collect::<Vec<Link>>() {
            self.begin_sync(link, window, out);
        }
    }

    /// Of the connections that claim an id this one has taken over the history first. If its server
    /// had given it up for another of them, what has come was under way, and what the other was sent
    /// may have cut off what it says. So it counts when it has answered a question of now.
    fn prove(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        let silent_by = self.beat + self.sync_beats();
        let Some(learner) = self.learners.get_mut(&link).filter(|l| l.rivalled) else { return };
        let zxid = Zxid(i64::MIN + link.0 as i64);
        learner.proof = Some(zxid);
        learner.silent_by = Some(silent_by);
        learner.send(Packet::Ping { zxid, touches: None }, out);
        let claim = learner.claim();
        let rivals = self.learners.values().filter(|l| l.claim() == claim && l.link != link);
        let rivals = rivals.filter(|l| l.holds()).map(|l| l.link);
        for rival in rivals.collect::<Vec<Link>>() {
            self.close(rival, CloseReason::Rivalled, out);
        }
    }

    /// The answer to that question has come.
    pub(super) fn proven(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        let Some(learner) = self.learners.get_mut(&link) else { return };
        (learner.proof, learner.silent_by) = (None, None);
        self.counting = true;
        self.joined(link, out);
    }

    /// Gives true if a piece of the log that came along is to be sent.
    fn choose(
        &mut self,
        link: Link,
        last: Zxid,
        disk: Disk,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) -> bool {
        let Some(learner) = self.learners.get(&link) else { return false };
        let peer = Peer { last, cuts_well: learner.ours };
        let history = History {
            epoch: self.epoch,
            committed: self.committed,
            proposed: self.proposed,
            window,
            disk,
            force_snapshot: self.parts.rules.force_snapshot,
        };
        let plan = sync::choose(peer, &history);
        // The quorum's disks may be ahead of this one. A log that does not reach there cannot tell,
        // and a snapshot from before would take from the learner what it has acknowledged.
        let is_behind = last.epoch() == self.epoch && last > self.durable;
        if is_behind && matches!(plan, Plan::Snap | Plan::AskDisk { .. }) {
            self.close(link, CloseReason::LogBehind { last, durable: self.durable }, out);
            return false;
        }
        match plan {
            Plan::Diff { from } => {
                // As Java's: the end of what is committed, though learners only log it.
                let zxid = match sync::is_beginning(from) {
                    true => self.committed,
                    false => self.committed.max(from),
                };
                self.start(link, Some(Packet::Diff { zxid }), from, window, out)
            }
            Plan::Trunc { to } => {
                self.start(link, Some(Packet::Trunc { zxid: to }), to, window, out)
            }
            Plan::Snap => self.start(link, None, Zxid::ZERO, window, out),
            Plan::AskDisk { after } => {
                let rules = self.parts.rules;
                if !rules.use_log || last <= self.log_broken_at {
                    return self.choose(link, last, Disk::Lacks, window, out);
                }
                let silent_by = self.beat + self.init_beats();
                let Some(learner) = self.learners.get_mut(&link) else { return false };
                learner.stage = Stage::Asking { last };
                learner.silent_by = Some(silent_by);
                out.push(LeaderEffect::ReadLog { link, after, share: rules.log_share });
                false
            }
            Plan::Refuse(conflict) => {
                self.close(link, CloseReason::Conflict { last, conflict }, out);
                false
            }
        }
    }

    /// The choice is made: `opening` and then everything newer than `from`, or a snapshot.
    fn start(
        &mut self,
        link: Link,
        opening: Option<Packet>,
        from: Zxid,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) -> bool {
        let (kind, most) = match opening {
            Some(_) => (SyncKind::Log, self.parts.rules.diff_syncs),
            None => (SyncKind::Snapshot, self.parts.rules.snap_syncs),
        };
        let busy = self.learners.values().filter(|learner| learner.sync == Some(kind)).count();
        let Some(learner) = self.learners.get_mut(&link) else { return false };
        if learner.observer && busy >= most {
            let how = kind.words();
            self.close(link, CloseReason::Busy { busy, how }, out);
            return false;
        }
        learner.sync = Some(kind);
        let Some(opening) = opening else {
            learner.stage = Stage::Snapshot;
            learner.silent_by = None;
            out.push(LeaderEffect::SendSnapshot { link });
            return false;
        };
        learner.send(opening, out);
        learner.position = from;
        if !sync::is_beginning(from) && from > self.committed {
            learner.held = from;
        }
        let was_asking = matches!(learner.stage, Stage::Asking { .. });
        learner.stage = Stage::Sending;
        if !was_asking {
            self.advance(link, window, out);
        }
        was_asking
    }

    /// Sends what comes next, up to the bound of what may be on its way.
    pub(super) fn advance(&mut self, link: Link, window: &mut Window, out: &mut Vec<LeaderEffect>) {
        let silent_by = self.beat + self.init_beats();
        let (committed, durable) = (self.committed, self.durable);
        let bytes_max = self.parts.rules.sync_bytes;
        let Some(learner) = self.learners.get_mut(&link) else { return };
        learner.stage = Stage::Sending;
        learner.silent_by = Some(silent_by);
        if learner.position < committed && window.floor(learner.position).is_none() {
            if learner.queued() >= bytes_max {
                return learner.mark(out);
            }
            // The own disk may be behind the quorum's: its horizon, or the next beat, is waited for.
            if learner.position >= durable {
                return;
            }
            learner.stage = Stage::Reading;
            let after = learner.position;
            return out.push(LeaderEffect::ReadLog { link, after, share: None });
        }
        for (zxid, entry) in window.iter_after(learner.position) {
            if learner.queued() >= bytes_max {
                return learner.mark(out);
            }
            send_committed(learner, zxid, entry.clone(), out);
        }
        self.announce(link, out);
    }

    /// It has all that is committed: with the outstanding proposals and NEWLEADER it is live.
    fn announce(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        let (beat, silent_by) = (self.beat, self.beat + self.init_beats());
        let live_bytes = self.parts.rules.live_bytes;
        let Some(learner) = self.learners.get_mut(&link) else { return };
        let wants = !learner.observer && !mutants::on(Mutant::OutstandingNotSent);
        let has = learner.position;
        learner.sent = has;
        // UPTODATE puts NEWLEADER's configuration in force. One that is not agreed on is told to
        // those only that have its proposal already, and get UPTODATE once it is committed; others
        // hear of it behind NEWLEADER, so that they do not take NEWLEADER's for what is to come.
        let reconfig = self.reconfig.filter(|at| *at > learner.held);
        let split = reconfig.map_or(self.outstanding.len(), |at| {
            self.outstanding.partition_point(|(zxid, _)| *zxid < at)
        });
        let propose = |learner: &mut Learner, from: usize, to: usize, out: &mut Vec<_>| {
            let proposals = self.outstanding.range(from..to).filter(|(zxid, _)| *zxid > has);
            for (zxid, entry) in proposals.filter(|_| wants) {
                if learner.falls_behind(live_bytes, out) {
                    return;
                }
                let packet = Packet::Proposal { zxid: *zxid, entry: entry.clone() };
                learner.propose(*zxid, packet, beat, out);
            }
        };
        propose(learner, 0, split, out);
        learner.stage = Stage::Announced;
        learner.silent_by = Some(silent_by);
        let members = match (&self.parts.electorate.next, self.reconfig, reconfig) {
            (Some(next), Some(_), None) => next,
            _ => &self.announced,
        };
        let config = Some(members.text());
        learner.send(Packet::NewLeader { zxid: Zxid::new(self.epoch, 0), config }, out);
        propose(learner, split, self.outstanding.len(), out);
    }

    pub(super) fn drained(&mut self, link: Link, window: &mut Window, out: &mut Vec<LeaderEffect>) {
        let Some(learner) = self.learners.get_mut(&link) else { return };
        learner.drained(out);
        match learner.stage {
            Stage::Sending => self.advance(link, window, out),
            _ => self.catch_up(link, window, out),
        }
    }

    pub(super) fn log_read(
        &mut self,
        link: Link,
        chunk: LogChunk,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let Some(learner) = self.learners.get(&link) else { return };
        match learner.stage {
            Stage::Asking { last } => {
                let disk = match (chunk.end, chunk.entries.first()) {
                    (LogEnd::More | LogEnd::Done, Some((first, _))) => {
                        Disk::Holds { first: *first }
                    }
                    (LogEnd::NotThere, _) | (_, None) => Disk::Lacks,
                };
                if self.choose(link, last, disk, window, out) {
                    self.send_chunk(link, chunk, window, out);
                }
            }
            Stage::Reading => self.send_chunk(link, chunk, window, out),
            Stage::Opened
            | Stage::Greeted
            | Stage::Informed
            | Stage::Promised { .. }
            | Stage::Sending
            | Stage::Snapshot => {}
            Stage::Announced | Stage::Acked | Stage::UpToDate => {
                self.late_chunk(link, chunk, window, out);
            }
        }
    }

    /// Entries of the log, of which the end may be uncommitted.
    fn send_chunk(
        &mut self,
        link: Link,
        chunk: LogChunk,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let committed = self.committed;
        let Some(learner) = self.learners.get_mut(&link) else { return };
        let began_at = learner.position;
        let goes_on = chunk.goes_on(began_at);
        for (zxid, entry) in chunk.following(began_at, committed) {
            send_committed(learner, zxid, entry, out);
        }
        if mutants::on(Mutant::DiffSkips) {
            learner.position = committed;
        }
        if learner.position > began_at || goes_on {
            return self.advance(link, window, out);
        }
        let at = learner.position;
        // When it connects again it will be given a snapshot.
        self.log_broken_at = self.log_broken_at.max(at);
        self.close(link, CloseReason::LogHasHole { at }, out);
    }

    pub(super) fn snapshot_sent(
        &mut self,
        link: Link,
        zxid: Zxid,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let Some(learner) = self.learners.get_mut(&link) else { return };
        if learner.stage == Stage::Snapshot {
            assert!(zxid <= self.committed, "I6: a snapshot of what is not committed");
            let skipped = mutants::on(Mutant::SnapshotForgetsFlight);
            learner.position = if skipped { self.committed } else { zxid };
            self.advance(link, window, out);
        }
    }

    /// The first packet behind NEWLEADER must be its ack.
    pub(super) fn acknowledged(&mut self, link: Link, packet: Packet, out: &mut Vec<LeaderEffect>) {
        let zxid = Zxid::new(self.epoch, 0);
        // Some of ZooKeeper's followers write what was on its way when NEWLEADER came on a thread
        // beside, and may acknowledge it first (ZOOKEEPER-4685; 3.6.3 to 3.9.1). The log keeps its
        // order, so it holds as soon as the history does; before, it counts for nothing.
        if let (Packet::Ack { zxid: early }, Some(learner)) =
            (&packet, self.learners.get_mut(&link))
            && !learner.observer
            && (zxid < *early && *early <= learner.sent)
        {
            learner.early = learner.early.max(*early);
            return;
        }
        if packet != (Packet::Ack { zxid }) {
            let (packet, wanted) = (packet.name(), "NEWLEADER's ack");
            return self.close(link, CloseReason::InPlaceOf { packet, wanted }, out);
        }
        let counts_until = self.beat + self.sync_beats();
        let Some(learner) = self.learners.get_mut(&link) else { return };
        learner.stage = Stage::Acked;
        learner.sync = None;
        learner.silent_by = None;
        learner.counts_until = counts_until;
        // Its whole history is durable, the proposals it brought along too.
        learner.acked = learner.position.max(learner.early);
        self.counting = true;
        self.prove(link, out);
        self.joined(link, out);
    }

    fn joined(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        self.count_readers();
        if self.phase == Phase::Broadcast {
            self.admit(link, out);
        } else {
            self.consider_serving(out);
        }
    }

    /// With a quorum that has taken over the history, it is committed and service begins.
    pub(super) fn consider_serving(&mut self, out: &mut Vec<LeaderEffect>) {
        if self.phase != Phase::Synchronization || !self.is_quorum(Learner::has_acked) {
            return;
        }
        self.phase = Phase::Broadcast;
        let stays = self.complete_announced(out);
        if stays {
            out.push(LeaderEffect::Serve { epoch: self.epoch });
        }
        // Until now nobody had a reason to say anything.
        let counts_until = self.beat + self.init_beats() + self.sync_beats();
        let links: Vec<Link> = self.learners.keys().copied().collect();
        for link in links {
            if let Some(learner) = self.learners.get_mut(&link) {
                learner.counts_until = learner.counts_until.max(counts_until);
            }
            self.admit(link, out);
        }
        if !stays {
            // UPTODATE has put the configuration in force elsewhere too.
            self.step_down(StepDownReason::OtherLeader, out);
        }
    }

    /// UPTODATE, once this server serves and all the learner has in its tree is committed.
    pub(super) fn admit(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        let silent_by = self.beat + self.sync_beats();
        let Some(learner) = self.learners.get_mut(&link) else { return };
        let Some(server) = learner.server.filter(|_| learner.has_acked()) else { return };
        if learner.stage == Stage::Acked && learner.held <= self.committed {
            learner.stage = Stage::UpToDate;
            learner.silent_by = Some(silent_by);
            learner.send(Packet::UpToDate, out);
            out.push(LeaderEffect::LearnerReady { link, server });
        }
    }
}

/// Observers get pairs too as long as they are synchronised.
fn send_committed(
    learner: &mut Learner,
    zxid: Zxid,
    entry: bytes::Bytes,
    out: &mut Vec<LeaderEffect>,
) {
    learner.send(Packet::Proposal { zxid, entry }, out);
    learner.send(Packet::Commit { zxid }, out);
    learner.position = zxid;
}
