//! A learner's state, and who handles which input.
//!
//! Whatever a packet may start that needs the disk, the packets behind it wait ([`Held`]), so that
//! every handler finds the state that the packet's place in the stream says. A leader that breaks
//! the protocol costs its learner the connection, never the process.

use super::effects::{LearnerEffect, LearnerInput, LearnerParts};
use super::held::Held;
use super::history::History;
use super::phase::{Phase, Raise};
use super::reason::LeaveReason;
use crate::codec::quorum::{PROTOCOL_OWN, Packet};
use crate::types::{Epoch, Millis, ServerId, Zxid};

pub(super) type Out<'a> = &'a mut Vec<LearnerEffect>;
/// An error is why the learner leaves.
pub(super) type Step = Result<(), LeaveReason>;

/// One server under one leader, from the first try to connect to the end of the role.
#[derive(Debug)]
pub struct Learner {
    pub(super) parts: LearnerParts,
    pub(super) phase: Phase,
    pub(super) accepted: Epoch,
    pub(super) current: Epoch,
    /// Tries until the connection came about, and since when.
    pub(super) connecting: (u32, Millis),
    /// The leader's, once it has told.
    pub(super) epoch: Epoch,
    /// The leader is a server of this kind: an ACK or a commit stands for all before it.
    pub(super) leader_is_ours: bool,
    /// What the leader reads, in bytes of one packet's data.
    pub(super) leader_reads: usize,
    pub(super) raise: Raise,
    pub(super) history: History,
    pub(super) held: Held,
    /// When the leader was heard last, or the disk last kept it from being heard.
    pub(super) heard: Millis,
    /// When the own log last moved, or had nowhere to move to.
    pub(super) log_moved: Millis,
    /// The leader cannot be followed from what is in the log: a snapshot is asked for.
    pub(super) needs_snapshot: bool,
    /// NEWLEADER's.
    pub(super) config: Option<String>,
    pub(super) serving: bool,
}

impl Learner {
    /// It begins to connect.
    pub fn new(parts: LearnerParts, now: Millis, out: Out<'_>) -> Learner {
        assert!(parts.current <= parts.accepted, "I3: entered an epoch that was not promised");
        assert!(parts.last.epoch() <= parts.current, "I3: a log ahead of its epoch");
        assert!(parts.committed <= parts.last, "I1: committed beyond what is durable");
        assert!(parts.shown <= parts.committed, "a tree tells of what is applied");
        out.push(LearnerEffect::Connect);
        Learner {
            phase: Phase::Connecting { tries: 1, since: now, again: None },
            accepted: parts.accepted,
            current: parts.current,
            connecting: (1, now),
            epoch: Epoch(0),
            leader_is_ours: false,
            leader_reads: parts.readers.unknown,
            raise: Raise::No,
            log_moved: now,
            history: History::new(parts.last),
            held: Held::default(),
            heard: now,
            needs_snapshot: parts.blank,
            config: None,
            serving: false,
            parts,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }
    /// Whom it follows.
    pub fn leader(&self) -> ServerId {
        self.parts.leader
    }
    /// The leader's epoch; 0 before it has told.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
    /// The last transaction taken into the log.
    pub fn last(&self) -> Zxid {
        self.history.position()
    }
    /// The last transaction that it was told to commit.
    pub fn agreed(&self) -> Zxid {
        self.history.agreed()
    }
    /// Clients are served.
    pub fn is_serving(&self) -> bool {
        self.serving
    }
    /// The leader has not said a word.
    pub fn is_unanswered(&self) -> bool {
        self.epoch == Epoch(0)
    }
    /// The longest packet's data that the leader takes, in bytes.
    pub fn leader_reads(&self) -> usize {
        self.leader_reads
    }
    /// It has no vote.
    pub fn is_observer(&self) -> bool {
        self.parts.observer
    }

    /// One input; effects are appended.
    pub fn step(&mut self, now: Millis, input: LearnerInput, out: Out<'_>) {
        if self.phase == Phase::Left {
            return;
        }
        if let Err(why) = self.try_step(now, input, out) {
            self.leave(why, out);
        }
    }

    fn try_step(&mut self, now: Millis, input: LearnerInput, out: Out<'_>) -> Step {
        let was_busy = self.is_busy();
        match input {
            LearnerInput::Connected => return self.connected(now, out),
            LearnerInput::ConnectFailed { why } => return self.connect_failed(now, why),
            LearnerInput::Closed { why } => {
                self.closed(now, why, out);
                return Ok(());
            }
            LearnerInput::Packet(packet) => {
                self.heard = now;
                return self.take(now, packet, out);
            }
            LearnerInput::Moved => self.heard = now,
            LearnerInput::SnapshotReceived { shows } => {
                if let Phase::Loading { received, .. } = &mut self.phase {
                    *received = true;
                    self.must_show_committed(shows, out)?;
                }
            }
            LearnerInput::SnapshotLoaded { zxid } => self.snapshot_loaded(zxid, out),
            LearnerInput::Truncated { last } => self.truncated(now, last, out)?,
            LearnerInput::CannotTruncate { why } => {
                if matches!(self.phase, Phase::Truncating { .. }) {
                    self.start_over(now, LeaveReason::CannotTruncate { why }, out)?;
                }
            }
            LearnerInput::Stored(stored) => self.stored(stored, out),
            LearnerInput::Durable(durable) => {
                self.log_moved = now;
                self.durable(durable.zxid(), out);
            }
            LearnerInput::Tick => return self.tick(now, out),
        }
        if was_busy && !self.is_busy() {
            // While the disk was at work the leader may not have been heard because of us.
            self.heard = self.heard.max(now);
            self.take_held(now, out)?;
        }
        Ok(())
    }

    fn leave(&mut self, why: LeaveReason, out: Out<'_>) {
        self.phase = Phase::Left;
        self.held.clear();
        out.push(LearnerEffect::Close);
        out.push(LearnerEffect::Leave { why });
    }

    /// Whether packets have to wait.
    pub(super) fn is_busy(&self) -> bool {
        self.raise != Raise::No
            || matches!(
                self.phase,
                Phase::Promising
                    | Phase::Truncating { .. }
                    | Phase::Loading { .. }
                    | Phase::Entering
                    | Phase::Left
            )
    }

    fn durable(&mut self, upto: Zxid, out: Out<'_>) {
        if matches!(self.phase, Phase::Truncating { .. } | Phase::Loading { .. }) {
            return;
        }
        self.history.durable(upto);
        self.raise_further(out);
        self.entered(out);
        self.send_acks(out);
    }

    fn take(&mut self, now: Millis, packet: Packet, out: Out<'_>) -> Step {
        if !self.is_busy() && self.held.is_empty() {
            return self.handle(now, packet, out);
        }
        if matches!(packet, Packet::Ping { .. }) {
            // The only ones that are held come before NEWLEADER's ACK; see `ping`.
            return Ok(());
        }
        self.held.push(packet);
        if self.held.is_much() && !self.held.paused {
            self.held.paused = true;
            out.push(LearnerEffect::Reading(false));
        }
        Ok(())
    }

    fn take_held(&mut self, now: Millis, out: Out<'_>) -> Step {
        while !self.is_busy() {
            let Some(packet) = self.held.pop() else { break };
            self.handle(now, packet, out)?;
        }
        if self.held.paused && self.held.is_empty() {
            self.held.paused = false;
            out.push(LearnerEffect::Reading(true));
        }
        Ok(())
    }

    fn handle(&mut self, now: Millis, packet: Packet, out: Out<'_>) -> Step {
        let is_synchronizing = self.phase == Phase::Synchronization;
        let is_following = matches!(self.phase, Phase::Joining | Phase::Broadcast);
        let has_history = is_synchronizing || is_following;
        match packet {
            Packet::LeaderInfo { epoch, protocol, reads } if self.phase == Phase::Discovery => {
                self.leader_is_ours = protocol == PROTOCOL_OWN;
                self.leader_reads = self.parts.readers.of(reads);
                self.leader_info(epoch, out)
            }
            Packet::Diff { zxid } if self.phase == Phase::Choosing => self.diff(zxid, out),
            Packet::Trunc { zxid } if self.phase == Phase::Choosing => self.trunc(zxid, out),
            Packet::Snap { zxid } if self.phase == Phase::Choosing => self.snap(zxid, out),
            Packet::Proposal { zxid, ref entry } if has_history => {
                let entry = entry.clone();
                self.proposal(now, packet, zxid, entry, out)
            }
            Packet::Inform { zxid, ref entry } if has_history && self.parts.observer => {
                let entry = entry.clone();
                self.inform(now, packet, (zxid, None), entry, out)
            }
            Packet::InformAndActivate { zxid, leader, ref entry }
                if has_history && self.parts.observer =>
            {
                let entry = entry.clone();
                self.inform(now, packet, (zxid, Some(leader)), entry, out)
            }
            Packet::Commit { zxid } if has_history => self.commit(zxid, None, out),
            Packet::CommitAndActivate { zxid, leader } if has_history => {
                self.commit(zxid, Some(leader), out)
            }
            Packet::NewLeader { zxid, config } if is_synchronizing => {
                self.new_leader(zxid, config, out)
            }
            Packet::UpToDate if self.phase == Phase::Joining => {
                self.up_to_date(out);
                Ok(())
            }
            Packet::Ping { zxid, .. } => {
                self.ping(zxid, is_following, out);
                Ok(())
            }
            Packet::Sync { .. } if is_following => {
                out.push(LearnerEffect::Synced);
                Ok(())
            }
            Packet::RevalidateAnswer { session, valid } if is_following => {
                out.push(LearnerEffect::Revalidated { session, valid });
                Ok(())
            }
            other => {
                let (packet, phase) = (other.name(), self.phase.words());
                Err(LeaveReason::OutOfPlace { packet, phase })
            }
        }
    }
}
