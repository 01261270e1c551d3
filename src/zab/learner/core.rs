//! The phases of a learner's life.
//!
//! Whatever a packet may start that needs the disk, the packets behind it wait ([`Held`]), so that
//! every handler finds the state that the packet's place in the stream says. A leader that breaks
//! the protocol costs its learner the connection, never the process.

mod forgotten;
mod silence;
mod words;

use super::effects::{LearnerEffect, LearnerInput, LearnerParts};
use super::held::Held;
use super::history::{History, Place, StreamError};
use crate::codec::quorum::{PROTOCOL_OWN, Packet};
use crate::codec::txn::{Txn, decode_entry, decode_entry_header, kind};
use crate::types::{Epoch, Millis, ServerId, Zxid, limits};
use crate::zab::{Agreed, Stored};
use bytes::Bytes;

/// A refused connection is tried again so often (Java 5 times). The leader may still be on its way
/// to its new role.
const TRIES: u32 = 24;
/// A connection that ends before the leader has said anything counts for so many.
const TRIES_A_CLOSE: u32 = 3;
/// Pauses between tries, in ms, double from this one to the longest that is set. A server of ours
/// listens within a few; Java pauses as long each time.
const PAUSE_FIRST_MS: i64 = 5;

type Out<'a> = &'a mut Vec<LearnerEffect>;
/// An error is why the learner leaves.
type Step = Result<(), String>;

/// Where a learner stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// `again`: when the next try is due; `None` while one is under way.
    Connecting {
        tries: u32,
        since: Millis,
        again: Option<Millis>,
    },
    /// LEADERINFO is expected.
    Discovery,
    /// The new epoch is promised when its file is durable.
    Promising,
    /// DIFF, TRUNC or SNAP is expected.
    Choosing,
    Truncating {
        after: Zxid,
    },
    /// `received`: all of the stream has come.
    Loading {
        zxid: Zxid,
        received: bool,
    },
    /// History comes, until NEWLEADER.
    Synchronization,
    /// NEWLEADER has come: history and epoch become durable.
    Entering,
    /// NEWLEADER is acknowledged, UPTODATE expected.
    Joining,
    Broadcast,
    Left,
}

/// What an epoch in the middle of the stream waits for; see the module's front page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Raise {
    No,
    /// Its initial history is becoming durable.
    History(Epoch),
    /// The file is being written.
    File(Epoch),
}

#[derive(Debug)]
pub struct Learner {
    parts: LearnerParts,
    phase: Phase,
    accepted: Epoch,
    current: Epoch,
    /// Tries until the connection came about, and since when.
    connecting: (u32, Millis),
    /// The leader's, once it has told.
    epoch: Epoch,
    /// The leader is a server of this kind: an ACK or a commit stands for all before it.
    leader_is_ours: bool,
    /// What the leader reads, in bytes of one packet's data.
    leader_reads: usize,
    raise: Raise,
    history: History,
    held: Held,
    /// When the leader was heard last, or the disk last kept it from being heard.
    heard: Millis,
    /// When the own log last moved, or had nowhere to move to.
    log_moved: Millis,
    /// The leader cannot be followed from what is in the log: a snapshot is asked for.
    needs_snapshot: bool,
    /// NEWLEADER's.
    config: Option<String>,
    serving: bool,
}

impl Learner {
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
            leader_reads: parts.readers.untold,
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

    pub fn phase(&self) -> Phase {
        self.phase
    }
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
    pub fn agreed(&self) -> Zxid {
        self.history.agreed()
    }
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
    pub fn is_observer(&self) -> bool {
        self.parts.observer
    }

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
            // Something before the leader took the connection and could not pass it on: the leader
            // does not listen yet.
            LearnerInput::Closed { .. }
                if self.phase == Phase::Discovery && self.connecting.0 < TRIES =>
            {
                let (tries, since) = self.connecting;
                let tries = (tries + TRIES_A_CLOSE).min(TRIES);
                let again = Some(now + self.parts.connect_pause_ms);
                self.phase = Phase::Connecting { tries, since, again };
                return Ok(());
            }
            LearnerInput::Closed { why } => {
                // Nothing is left to be closed.
                self.phase = Phase::Left;
                out.push(LearnerEffect::Leave { why: format!("the leader has gone: {why}") });
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
            LearnerInput::SnapshotFailed { why } => {
                if matches!(self.phase, Phase::Loading { .. }) {
                    return Err(why);
                }
            }
            LearnerInput::Truncated { last } => self.truncated(now, last, out)?,
            LearnerInput::CannotTruncate { why } => {
                if matches!(self.phase, Phase::Truncating { .. }) {
                    self.start_over(now, why, out)?;
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

    fn tick(&mut self, now: Millis, out: Out<'_>) -> Step {
        let Some(at) = self.deadline().filter(|at| *at <= now) else { return Ok(()) };
        if self.log_deadline() == Some(at) {
            return self.log_stands_still(now, now.0 - at.0);
        }
        let Phase::Connecting { tries, since, .. } = self.phase else {
            return self.silent(now, now.0 - at.0);
        };
        if now >= since + self.parts.connect_ms {
            return Err(format!("no connection to the leader within {} ms", self.parts.connect_ms));
        }
        self.phase = Phase::Connecting { tries: tries + 1, since, again: None };
        out.push(LearnerEffect::Connect);
        Ok(())
    }

    fn leave(&mut self, why: String, out: Out<'_>) {
        self.phase = Phase::Left;
        self.held.clear();
        out.push(LearnerEffect::Close);
        out.push(LearnerEffect::Leave { why });
    }

    // ---- connecting and discovery ----

    fn connected(&mut self, now: Millis, out: Out<'_>) -> Step {
        if !matches!(self.phase, Phase::Connecting { again: None, .. }) {
            return Ok(());
        }
        if let Phase::Connecting { tries, since, .. } = self.phase {
            self.connecting = (tries, since);
        }
        (self.phase, self.heard) = (Phase::Discovery, now);
        out.push(LearnerEffect::Send(Packet::LearnerInfo {
            observer: self.parts.observer,
            accepted: self.accepted,
            server: self.parts.me,
            protocol: PROTOCOL_OWN,
            config_version: self.parts.config_version,
            reads: Some(self.parts.readers.own),
        }));
        Ok(())
    }

    fn connect_failed(&mut self, now: Millis, why: String) -> Step {
        let Phase::Connecting { tries, since, again: None } = self.phase else { return Ok(()) };
        if tries >= TRIES {
            return Err(format!("no connection to the leader after {tries} tries: {why}"));
        }
        let pause = (PAUSE_FIRST_MS << (tries - 1)).min(self.parts.connect_pause_ms);
        self.phase = Phase::Connecting { tries, since, again: Some(now + pause) };
        Ok(())
    }

    /// Once more from the beginning, and this time nothing in the log is built upon. -1 says so,
    /// and keeps the leader from counting this server for its history (LearnerHandler: StateSummary
    /// of -1; such a learner gets a snapshot).
    fn start_over(&mut self, now: Millis, why: String, out: Out<'_>) -> Step {
        if self.needs_snapshot {
            return Err(why);
        }
        self.needs_snapshot = true;
        self.held.clear();
        (self.held.paused, self.raise, self.config) = (false, Raise::No, None);
        self.phase = Phase::Connecting { tries: 1, since: now, again: None };
        out.push(LearnerEffect::Close);
        out.push(LearnerEffect::Connect);
        Ok(())
    }

    fn leader_info(&mut self, epoch: Epoch, out: Out<'_>) -> Step {
        if epoch.0 > limits::EPOCH_LAST {
            return Err(format!("the leader's epoch {} leaves no room for another", epoch.0));
        }
        self.epoch = epoch;
        self.must_be_late_enough(epoch, out)?;
        // This server won an election and lost its quorum before anybody else heard of its epoch, or
        // promised one to a server that did. What it promised is that no older leader rests anything
        // on it: a leader of this kind does not, as it does not on an observer, and with the next
        // election all is well. Of ZooKeeper's leaders that cannot be known.
        let unneeded = self.leader_is_ours || self.parts.observer;
        if epoch < self.accepted && !unneeded {
            let accepted = self.accepted.0;
            return Err(format!("the leader's epoch {} is below {accepted}, promised", epoch.0));
        }
        if epoch < self.current {
            let current = self.current.0;
            return Err(format!("the leader's epoch {} is below {current}, entered", epoch.0));
        }
        if epoch > self.accepted {
            self.phase = Phase::Promising;
            out.push(LearnerEffect::Store(Stored::Accepted(epoch)));
        } else {
            // Promised before, or more: this does not count for the epoch.
            self.ack_epoch(None, out);
        }
        Ok(())
    }

    fn ack_epoch(&mut self, current: Option<Epoch>, out: Out<'_>) {
        let last = if self.needs_snapshot { Zxid(-1) } else { self.history.position() };
        self.phase = Phase::Choosing;
        out.push(LearnerEffect::Send(Packet::AckEpoch { last, current }));
    }

    // ---- the disk ----

    /// Whether packets have to wait.
    fn is_busy(&self) -> bool {
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

    fn stored(&mut self, stored: Stored, out: Out<'_>) {
        match stored {
            Stored::Accepted(epoch) if self.phase == Phase::Promising && epoch == self.epoch => {
                self.accepted = epoch;
                let current = Some(self.current);
                self.ack_epoch(current, out);
            }
            Stored::Current(epoch) if self.raise == Raise::File(epoch) => {
                assert!(epoch <= self.accepted, "I3: entering an epoch that was not promised");
                (self.current, self.raise) = (epoch, Raise::No);
                self.entered(out);
            }
            // Of a connection before this one.
            Stored::Accepted(_) | Stored::Current(_) => {}
        }
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

    /// `currentEpoch` is to become at least this, before anything else is taken.
    fn raise_to(&mut self, epoch: Epoch, out: Out<'_>) {
        self.raise = Raise::History(epoch);
        self.raise_further(out);
    }

    fn raise_further(&mut self, out: Out<'_>) {
        if let Raise::History(epoch) = self.raise
            && (self.history.is_durable() || crate::mutants::on("epoch-before-history"))
        {
            self.raise = Raise::File(epoch);
            out.push(LearnerEffect::Store(Stored::Current(epoch)));
        }
    }

    /// History, epoch, then NEWLEADER's ACK (I3).
    fn entered(&mut self, out: Out<'_>) {
        if self.phase != Phase::Entering || self.raise != Raise::No || !self.history.is_durable() {
            return;
        }
        assert!(self.current == self.epoch, "I3: the epoch is not durable");
        self.phase = Phase::Joining;
        self.history.drop_agreed_acks();
        self.ack_new_leader(out);
    }

    fn ack_new_leader(&self, out: Out<'_>) {
        out.push(LearnerEffect::Send(Packet::Ack { zxid: Zxid::new(self.epoch, 0) }));
    }

    /// A follower's ACKs of proposals, from UPTODATE on (SendAckRequestProcessor). ZooKeeper's
    /// leader wants one of each.
    fn send_acks(&mut self, out: Out<'_>) {
        if self.phase != Phase::Broadcast {
            return;
        }
        let mut last = None;
        while let Some(zxid) = self.history.next_ack() {
            match self.leader_is_ours {
                true => last = Some(zxid),
                false => out.push(LearnerEffect::Send(Packet::Ack { zxid })),
            }
        }
        out.extend(last.map(|zxid| LearnerEffect::Send(Packet::Ack { zxid })));
    }

    fn truncated(&mut self, now: Millis, last: Zxid, out: Out<'_>) -> Step {
        let Phase::Truncating { after } = self.phase else { return Ok(()) };
        self.history = History::new(last);
        if last != after {
            return self.start_over(now, format!("the log ends with {last}, not {after}"), out);
        }
        self.phase = Phase::Synchronization;
        Ok(())
    }

    fn snapshot_loaded(&mut self, zxid: Zxid, out: Out<'_>) {
        if !matches!(self.phase, Phase::Loading { zxid: of, .. } if of == zxid) {
            return;
        }
        self.phase = Phase::Synchronization;
        self.history = History::of_snapshot(zxid);
        if zxid.epoch() > self.current {
            self.raise_to(zxid.epoch(), out);
        }
    }

    // ---- packets ----

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
            other => Err(format!("{} is out of place ({})", other.name(), self.phase.words())),
        }
    }

    fn ping(&self, zxid: Zxid, is_following: bool, out: Out<'_>) {
        // A leader takes the first packet after NEWLEADER for its ACK, whatever it is, so nothing
        // may be sent before (LearnerHandler.run).
        if is_following {
            out.push(LearnerEffect::Pinged { zxid });
        }
    }

    fn diff(&mut self, zxid: Zxid, out: Out<'_>) -> Step {
        self.refuse_older_history(zxid, out)?;
        let last = self.history.position();
        if self.needs_snapshot {
            return Err("a snapshot was asked for, a DIFF came".into());
        }
        // A log that ends with the beginning of an epoch has no transaction of that number, and no
        // leader's window holds it; DIFF is the answer whatever its number (LearnerHandler).
        if zxid < last && last.counter() != 0 {
            return Err(format!("DIFF up to {zxid}, and the log goes on to {last}"));
        }
        self.phase = Phase::Synchronization;
        Ok(())
    }

    fn trunc(&mut self, after: Zxid, out: Out<'_>) -> Step {
        let last = self.history.position();
        if self.needs_snapshot || after > last || after.0 < 0 {
            return Err(format!("TRUNC to {after}, and the log ends with {last}"));
        }
        // Where nothing would be cut too: the epoch may be another ensemble's of that number, whose
        // transactions this log has not, though it has others of their zxids.
        self.refuse_older_history(after, out)?;
        self.phase = Phase::Synchronization;
        if after < last && last.epoch() == self.epoch {
            self.history.rejoin(after);
        } else if after < last {
            self.phase = Phase::Truncating { after };
            out.push(LearnerEffect::Truncate { after });
        }
        Ok(())
    }

    fn snap(&mut self, zxid: Zxid, out: Out<'_>) -> Step {
        if zxid.0 < 0 || zxid.epoch() > self.epoch {
            return Err(format!("SNAP at {zxid} from a leader of epoch {}", self.epoch.0));
        }
        self.refuse_older_history(zxid, out)?;
        self.phase = Phase::Loading { zxid, received: false };
        out.push(LearnerEffect::LoadSnapshot { zxid });
        Ok(())
    }

    fn proposal(
        &mut self,
        now: Millis,
        packet: Packet,
        zxid: Zxid,
        entry: Bytes,
        out: Out<'_>,
    ) -> Step {
        if let Some(Place::New | Place::InLog) = self.receive(now, packet, zxid, entry, out)?
            && !self.parts.observer
        {
            self.history.want_ack();
        }
        Ok(())
    }

    /// What an observer gets: a transaction with its commit.
    fn inform(
        &mut self,
        now: Millis,
        packet: Packet,
        (zxid, leader): (Zxid, Option<ServerId>),
        entry: Bytes,
        out: Out<'_>,
    ) -> Step {
        // Its proposal may have come before, if the leader took this server for a follower.
        if self.history.is_head(zxid) {
            return self.commit(zxid, leader, out);
        }
        match self.receive(now, packet, zxid, entry, out)? {
            Some(Place::New | Place::InLog) => self.commit(zxid, leader, out),
            Some(Place::InSnapshot) | None => Ok(()),
        }
    }

    /// The transaction's way into the log. `None`: it has to wait, and is held.
    fn receive(
        &mut self,
        now: Millis,
        packet: Packet,
        zxid: Zxid,
        entry: Bytes,
        out: Out<'_>,
    ) -> Result<Option<Place>, String> {
        if zxid.epoch() > self.epoch {
            return Err(format!("{zxid} from a leader of epoch {}", self.epoch.0));
        }
        let config = inspect(zxid, &entry)?;
        if zxid.epoch() > self.current {
            if !super::history::follows(self.history.position(), zxid) {
                self.gap(now, zxid, out)?;
                return Ok(None);
            }
            // Everything before the first transaction of an epoch is its initial history.
            self.held.push_front(packet);
            self.raise_to(zxid.epoch(), out);
            return Ok(None);
        }
        let proposed = config.clone();
        if self.history.is_durable() {
            self.log_moved = now;
        }
        match self.history.receive(zxid, config) {
            Ok(place) => {
                if let Some(text) = proposed.filter(|_| place != Place::InSnapshot) {
                    out.push(LearnerEffect::ConfigProposed { text });
                }
                if place == Place::New {
                    out.push(LearnerEffect::Append { zxid, entry });
                }
                Ok(Some(place))
            }
            Err(StreamError::Gap { .. }) if self.phase == Phase::Synchronization => {
                self.gap(now, zxid, out)?;
                Ok(None)
            }
            Err(e) => Err(e.to_string()),
        }
    }

    /// The leader's own log has a hole, or it mistook what this server has (ZOOKEEPER-2418, 4882):
    /// its snapshot has none.
    fn gap(&mut self, now: Millis, found: Zxid, out: Out<'_>) -> Step {
        let after = self.history.position();
        self.start_over(now, StreamError::Gap { after, found }.to_string(), out)
    }

    fn commit(&mut self, zxid: Zxid, leader: Option<ServerId>, out: Out<'_>) -> Step {
        let agreed = match self.leader_is_ours {
            true => self.history.agree_upto(zxid),
            false => self.history.agree(zxid),
        };
        let Some(config) = agreed.map_err(|e| e.to_string())? else { return Ok(()) };
        out.push(LearnerEffect::Agreed(Agreed(zxid)));
        match (leader, config) {
            (None, _) => {}
            (leader @ Some(_), Some(text)) => {
                out.push(LearnerEffect::NewConfig { text, version: zxid.0, leader });
            }
            (Some(_), None) => return Err(format!("{zxid} is activated and has no configuration")),
        }
        self.serve_if_settled(out);
        Ok(())
    }

    fn new_leader(&mut self, zxid: Zxid, config: Option<String>, out: Out<'_>) -> Step {
        if zxid != Zxid::new(self.epoch, 0) {
            return Err(format!("NEWLEADER of {zxid} from a leader of epoch {}", self.epoch.0));
        }
        // One without a version is no configuration, and is passed over as in Java.
        self.config = config.filter(|text| version_of(text).is_some());
        if let Some(text) = &self.config {
            out.push(LearnerEffect::ConfigAnnounced { text: text.clone() });
        }
        self.phase = Phase::Entering;
        if self.current < self.epoch {
            self.raise_to(self.epoch, out);
        }
        self.entered(out);
        Ok(())
    }

    fn up_to_date(&mut self, out: Out<'_>) {
        self.phase = Phase::Broadcast;
        // Java's leader waits for the first of the two only, and passes over this one.
        self.ack_new_leader(out);
        if let Some(text) = self.config.take()
            && let Some(version) = version_of(&text)
        {
            out.push(LearnerEffect::NewConfig { text, version, leader: None });
        }
        self.send_acks(out);
        self.serve_if_settled(out);
    }

    fn serve_if_settled(&mut self, out: Out<'_>) {
        if self.phase == Phase::Broadcast && !self.serving && self.history.is_settled() {
            self.serving = true;
            out.push(LearnerEffect::Serve { epoch: self.epoch });
        }
    }
}

/// Whether the entry is the transaction that the packet says; gives the configuration in it.
fn inspect(zxid: Zxid, entry: &Bytes) -> Result<Option<String>, String> {
    let bad = |e| format!("transaction {zxid}: {e}");
    let (header, number) = decode_entry_header(entry).map_err(bad)?;
    if header.zxid != zxid {
        return Err(format!("a packet of {zxid} holds transaction {}", header.zxid));
    }
    if number != kind::RECONFIG {
        return Ok(None);
    }
    match decode_entry(entry, entry.len()).map_err(bad)?.txn {
        Txn::Reconfig { config, .. } => {
            Ok(config.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        }
        _ => Ok(None),
    }
}

/// The last line of a configuration.
fn version_of(text: &str) -> Option<i64> {
    let version = text.lines().find_map(|line| line.strip_prefix("version="))?;
    i64::from_str_radix(version.trim(), 16).ok()
}
