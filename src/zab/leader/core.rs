//! A leader's state, and who handles which input.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::learner::{Beat, Learner, LearnerFigures, Stage};
use super::read_index::ReadIndex;
use super::readers::Heard;
use super::reason::{CloseReason, StepDownReason};
use super::{LeaderEffect, LeaderInput, LeaderParts};
use crate::codec::quorum::Packet;
use crate::membership::Members;
use crate::mutants::{self, Mutant};
use crate::types::{Epoch, Link, Millis, ServerId, Zxid, limits};
use crate::zab::{Stored, Window};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    /// Waits for a quorum to connect, to choose an epoch newer than any that one of them promised.
    Discovery,
    /// The epoch is being stored.
    Accepting,
    /// Waits for a quorum to promise that it follows no older leader.
    Promises,
    /// The entered epoch is being stored.
    Entering,
    /// Waits for a quorum to take over the history.
    Synchronization,
    Broadcast,
    /// A reconfiguration has named another leader: nothing more is committed here
    /// (allowedToCommit).
    HandingOver,
    /// Has stepped down.
    Over,
}

impl Phase {
    /// For operators.
    pub(super) fn words(self) -> &'static str {
        match self {
            Phase::Discovery => "discovery",
            Phase::Accepting => "storing the promise of its epoch",
            Phase::Promises => "waiting for ACKEPOCH of a quorum",
            Phase::Entering => "storing its epoch",
            Phase::Synchronization => "synchronization",
            Phase::Broadcast => "broadcast",
            Phase::HandingOver => "handing over",
            Phase::Over => "over",
        }
    }
}

/// The leader of one epoch.
pub struct Leader {
    pub(super) parts: LeaderParts,
    pub(super) phase: Phase,
    /// The beat at which the phase must be over.
    pub(super) phase_ends: Beat,
    /// 0 until it is chosen.
    pub(super) epoch: Epoch,
    /// The newest epoch that this server has promised, entered or logged.
    pub(super) own_epoch: Epoch,
    /// What NEWLEADER tells: in broadcast, the committed configuration.
    pub(super) announced: Arc<Members>,
    /// The reconfiguration that is proposed and not committed; its members are the electorate's
    /// next.
    pub(super) reconfig: Option<Zxid>,
    pub(super) learners: BTreeMap<Link, Learner>,
    /// Proposed and not committed, in order.
    pub(super) outstanding: VecDeque<(Zxid, Bytes)>,
    pub(super) outstanding_bytes: usize,
    pub(super) proposed: Zxid,
    /// The end of what is committed, which at first is the whole own history; the window ends here.
    pub(super) committed: Zxid,
    /// The own log's horizon, and the beat in which it last moved or had nowhere to move to.
    pub(super) durable: Zxid,
    pub(super) durable_at: Beat,
    /// Reconfigurations that learners which lag may lack, and whom each has named to lead.
    pub(super) activations: Vec<(Zxid, ServerId)>,
    /// Some learner is paused.
    pub(super) pausing: bool,
    /// An ack has come, or the electorate has changed, since commits were last counted.
    pub(super) counting: bool,
    /// A voter's connection has ended since the quorum was last counted.
    pub(super) lost_voter: bool,
    /// A connection that had joined has ended: another may have claimed the same id.
    pub(super) let_go: bool,
    /// The log on disk was found to end or have a hole here: no history older than it is read from
    /// there.
    pub(super) log_broken_at: Zxid,
    /// What members read.
    pub(super) heard: Heard,
    /// Questions whether a quorum still follows.
    pub(super) read_index: ReadIndex,
    pub(super) beat: Beat,
    pub(super) next_beat: Millis,
}

impl Leader {
    /// Begins to lead: an election has been won, the quorum port is open.
    pub fn new(parts: LeaderParts, now: Millis, out: &mut Vec<LeaderEffect>) -> Leader {
        let mut leader = Leader {
            phase: Phase::Discovery,
            phase_ends: 0,
            epoch: Epoch(0),
            own_epoch: parts.accepted.max(parts.current).max(parts.last.epoch()),
            announced: Arc::clone(&parts.electorate.committed),
            reconfig: None,
            learners: BTreeMap::new(),
            outstanding: VecDeque::new(),
            outstanding_bytes: 0,
            proposed: parts.last,
            committed: parts.last,
            durable: parts.last,
            durable_at: 0,
            activations: Vec::new(),
            pausing: false,
            counting: false,
            lost_voter: false,
            let_go: false,
            heard: Heard::default(),
            read_index: ReadIndex::default(),
            log_broken_at: Zxid(-1),
            beat: 0,
            next_beat: now,
            parts,
        };
        leader.next_beat = now + leader.half_tick();
        leader.enter(Phase::Discovery);
        if leader.parts.electorate.is_voter(leader.parts.me) {
            leader.consider_epoch(out);
        } else {
            leader.step_down(StepDownReason::NoVoter, out);
        }
        leader
    }

    /// One input. What is committed by it comes out of [`Leader::settle`].
    pub fn step(
        &mut self,
        now: Millis,
        input: LeaderInput,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        if self.phase == Phase::Over {
            return;
        }
        match input {
            LeaderInput::Opened { link } => self.opened(link, out),
            LeaderInput::Packet { link, packet } => self.packet(link, packet, window, out),
            LeaderInput::Closed { link } => self.forget(link, out),
            LeaderInput::Drained { link } => self.drained(link, window, out),
            LeaderInput::Stored(Stored::Accepted(epoch)) => self.accepted(epoch, out),
            LeaderInput::Stored(Stored::Current(epoch)) => self.entered(epoch, window, out),
            LeaderInput::Moved { link } => self.moved(link),
            LeaderInput::Durable(durable) => {
                if durable.zxid() > self.durable {
                    (self.durable, self.durable_at) = (durable.zxid(), self.beat);
                }
                self.counting = true;
                self.catch_up_all(window, out);
            }
            LeaderInput::Proposed { zxid, entry } => self.propose(zxid, entry, out),
            LeaderInput::Revalidated { link, session, valid } => {
                if let Some(learner) = self.learners.get_mut(&link) {
                    learner.send(Packet::RevalidateAnswer { session, valid }, out);
                }
            }
            LeaderInput::SyncFor { link } => self.client_sync(link, out),
            LeaderInput::ReadIndexAsked => self.read_index.ask_for_own(),
            LeaderInput::LogRead { link, chunk } => self.log_read(link, chunk, window, out),
            LeaderInput::SnapshotSent { link, zxid } => {
                self.snapshot_sent(link, zxid, window, out);
            }
            LeaderInput::Reconfiguring { members } => self.reconfiguring(members),
            LeaderInput::Tick => self.tick(now, window, out),
        }
    }

    /// When the next `Tick` is due.
    pub fn deadline(&self) -> Option<Millis> {
        (self.phase != Phase::Over).then_some(self.next_beat)
    }

    /// A packet of a learner, each with its place in the conversation.
    fn packet(
        &mut self,
        link: Link,
        packet: Packet,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let beat = self.beat;
        let Some(learner) = self.learners.get_mut(&link).filter(|l| l.doomed.is_none()) else {
            return;
        };
        learner.heard = beat;
        match learner.stage {
            Stage::Opened => self.greeted(link, packet, out),
            Stage::Informed => self.promised(link, packet, window, out),
            Stage::Announced => self.acknowledged(link, packet, out),
            Stage::Acked | Stage::UpToDate => self.heard(link, packet, out),
            stage @ (Stage::Greeted
            | Stage::Promised { .. }
            | Stage::Asking { .. }
            | Stage::Reading
            | Stage::Sending
            | Stage::Snapshot) => {
                let (packet, stage) = (packet.name(), stage.words());
                self.close(link, CloseReason::TooEarly { packet, stage }, out);
            }
        }
    }

    fn opened(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        if self.learners.len() >= limits::LEARNERS {
            let why = CloseReason::TooMany;
            // Links count upwards: the first is the oldest.
            let unproven = self.learners.values().filter(|learner| !learner.holds());
            let oldest = unproven.min_by_key(|l| (l.stage != Stage::Opened, l.link));
            let Some(oldest) = oldest.map(|learner| learner.link) else {
                return out.push(LeaderEffect::Close { link, why });
            };
            self.close(oldest, why, out);
        }
        let silent_by = self.beat + self.init_beats();
        let counts_until = silent_by + self.sync_beats();
        self.learners.insert(link, Learner::new(link, silent_by, counts_until));
    }

    pub(super) fn close(&mut self, link: Link, why: CloseReason, out: &mut Vec<LeaderEffect>) {
        if self.learners.contains_key(&link) {
            out.push(LeaderEffect::Close { link, why });
            self.forget(link, out);
        }
    }

    fn forget(&mut self, link: Link, out: &mut Vec<LeaderEffect>) {
        let Some(learner) = self.learners.remove(&link) else { return };
        self.lost_voter |= learner.votes_as().is_some();
        self.let_go |= learner.has_joined();
        if let (Stage::UpToDate, Some(server)) = (learner.stage, learner.server) {
            out.push(LeaderEffect::LearnerGone { link, server });
        }
    }

    /// Closes those that grew too slow while something was sent to all.
    pub(super) fn close_doomed(&mut self, out: &mut Vec<LeaderEffect>) {
        let doomed: Vec<(Link, CloseReason)> = self
            .learners
            .values_mut()
            .filter_map(|learner| Some((learner.link, learner.doomed.take()?)))
            .collect();
        for (link, why) in doomed {
            self.close(link, why, out);
        }
    }

    pub(super) fn step_down(&mut self, why: StepDownReason, out: &mut Vec<LeaderEffect>) {
        self.phase = Phase::Over;
        out.push(LeaderEffect::StepDown { why });
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.phase_ends = self.beat + self.init_beats();
    }

    pub(super) fn half_tick(&self) -> i64 {
        (self.parts.timing.tick_ms / 2).max(1)
    }

    pub(super) fn init_beats(&self) -> Beat {
        2 * self.parts.timing.init_ticks
    }

    pub(super) fn sync_beats(&self) -> Beat {
        2 * self.parts.timing.sync_ticks
    }

    /// This server and the voters whose learner fits are a quorum.
    pub(super) fn is_quorum(&self, fits: impl Fn(&Learner) -> bool) -> bool {
        let mut servers: Vec<ServerId> = vec![self.parts.me];
        let learners = self.learners.values().filter(|learner| fits(learner));
        servers.extend(learners.filter_map(Learner::votes_as));
        mutants::on(Mutant::LedWithoutAQuorum)
            || self.parts.electorate.has_quorum(|server| servers.contains(&server))
    }

    /// A quorum of these members follows and has this history (Leader.isQuorumSynced).
    pub fn has_synced_quorum(&self, members: &Members) -> bool {
        let mut servers: Vec<ServerId> = vec![self.parts.me];
        let fits = |l: &&Learner| l.has_acked() && l.counts_until >= self.beat;
        servers.extend(self.learners.values().filter(fits).filter_map(Learner::votes_as));
        members.has_quorum(|server| servers.contains(&server))
    }

    /// A quorum was heard of not long ago.
    pub(super) fn is_followed(&self) -> bool {
        let beat = self.beat;
        self.is_quorum(|learner| learner.counts_until >= beat)
    }

    /// The epoch it leads; 0 while it is not chosen.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A quorum follows.
    pub fn is_serving(&self) -> bool {
        self.phase == Phase::Broadcast
    }

    /// The configuration that NEWLEADER announces; in force from `Serve` on if configurations may
    /// change at all (`reconfigEnabled`).
    pub fn members(&self) -> &Arc<Members> {
        &self.announced
    }

    /// The last one.
    pub fn proposed(&self) -> Zxid {
        self.proposed
    }

    /// The last one.
    pub fn committed(&self) -> Zxid {
        self.committed
    }

    /// Proposals that wait for a quorum.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Learners that have said who they are.
    pub fn learners(&self) -> impl Iterator<Item = LearnerFigures> {
        self.learners.values().filter_map(Learner::figures)
    }
}
