//! What the leader knows of one learner, and the bounds of its link.

use std::collections::VecDeque;

use super::LeaderEffect;
use super::reason::CloseReason;
use crate::codec::quorum::Packet;
use crate::mutants::{self, Mutant};
use crate::types::{Epoch, Link, ServerId, Zxid, limits};

/// Bytes sent before the shell is asked whether they have left.
const MARK_BYTES: usize = 256 << 10;
/// What a packet weighs beside its data.
const PACKET_BYTES: usize = 32;

/// A beat is half a tick; deadlines are numbers of beats, so that a leader that was paused does
/// not find everybody late before it has read what they sent.
pub(super) type Beat = i64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Has not said who it is.
    Opened,
    /// Has; LEADERINFO waits until the leader has stored the epoch.
    Greeted,
    /// ACKEPOCH is awaited.
    Informed,
    /// Its history ends at `last`; synchronisation waits until the leader has entered the epoch.
    Promised { last: Zxid },
    /// The log on disk is asked whether it can serve this history.
    Asking { last: Zxid },
    /// A piece of the log on disk is awaited, to be sent.
    Reading,
    /// The rest of the history waits until what was sent has left.
    Sending,
    /// The shell sends a snapshot.
    Snapshot,
    /// NEWLEADER is sent, with all that was proposed before; from here on it hears everything.
    Announced,
    /// Its history is this one, durably.
    Acked,
    /// It serves clients.
    UpToDate,
}

impl Stage {
    /// What is to be said of a learner, for operators.
    pub(super) fn words(self) -> &'static str {
        match self {
            Stage::Opened => "it has not said who it is",
            Stage::Greeted => "it waits for LEADERINFO",
            Stage::Informed => "its ACKEPOCH is awaited",
            Stage::Promised { .. } => "it waits for its history",
            Stage::Asking { .. } => "the log is asked for its history",
            Stage::Reading => "the log is read for it",
            Stage::Sending => "its history is on the way",
            Stage::Snapshot => "a snapshot is on the way",
            Stage::Announced => "its ACK of NEWLEADER is awaited",
            Stage::Acked => "it waits for UPTODATE",
            Stage::UpToDate => "it is up to date",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SyncKind {
    Log,
    Snapshot,
}

impl SyncKind {
    pub(super) fn words(self) -> &'static str {
        match self {
            SyncKind::Log => "from the log",
            SyncKind::Snapshot => "by snapshot",
        }
    }
}

#[derive(Debug)]
pub(super) struct Learner {
    pub link: Link,
    /// Once it has said who it is.
    pub server: Option<ServerId>,
    pub observer: bool,
    /// A server of this kind ([`crate::codec::quorum::PROTOCOL_OWN`]).
    pub ours: bool,
    /// Bytes of the longest record field it reads, if it has told.
    pub reads: Option<usize>,
    pub stage: Stage,
    /// The newest epoch that it says it has promised to follow.
    pub accepted: Epoch,
    /// It has promised a newer epoch than this leader's. One of this kind follows all the same, as
    /// an observer would: nothing may rest on what it says, for it has promised another leader so.
    pub ahead: bool,
    /// It has promised to follow no leader of an older epoch, and has a history.
    pub promised: bool,
    pub sync: Option<SyncKind>,
    /// In synchronisation: it has been sent everything up to here.
    pub position: Zxid,
    /// Proposals in flight that it brought along: they are in its log, so they are neither sent
    /// again nor committed one by one; it serves when all of them are committed.
    pub held: Zxid,
    /// Everything up to here is in its log. Of this link only: what an older link acknowledged
    /// may have been cut off since.
    pub acked: Zxid,
    /// Another connection that claims its id was being served at the same time.
    pub rivalled: bool,
    /// The zxid of a ping whose answer shows that it lives; nothing counts before.
    pub proof: Option<Zxid>,
    /// What it has acknowledged before NEWLEADER, and counts from there on.
    pub early: Zxid,
    /// The beat in which it was heard last.
    pub heard: Beat,
    /// Client syncs, each behind the proposal that was the last when its turn came, and the round of
    /// questions that it began.
    pub syncs: VecDeque<(Zxid, u64)>,
    /// The newest round of questions that it has answered.
    pub certain: u64,
    /// The last proposal sent to it, to an observer the last transaction, once it is live.
    pub sent: Zxid,
    /// It is not sent what is proposed ([`super::lagging`]).
    pub lags: bool,
    /// It lags, and a piece of the log on disk is awaited for it.
    pub awaits_log: bool,
    /// Nothing is taken from its link: what it asks for has no room.
    pub paused: bool,
    pub patience: Patience,
    /// Without a packet until then it is closed.
    pub silent_by: Option<Beat>,
    /// It counts as connected until then (LearnerHandler.synced).
    pub counts_until: Beat,
    queue: Queue,
    /// It has to be closed, for this reason; it gets nothing any more.
    pub doomed: Option<CloseReason>,
}

/// Bytes on their way to the learner.
#[derive(Debug, Default)]
struct Queue {
    bytes: usize,
    /// How many there were when the shell was last asked to say that they have left.
    marked: Option<usize>,
}

/// The oldest proposal that waits for its ack (LearnerHandler.SyncLimitCheck): only one is timed,
/// and when its ack comes the newest sent takes its place. Whoever acknowledges others meanwhile, or
/// whose bytes move, is not late: it is busy.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waiting: Option<(Zxid, Beat)>,
    newest: Option<(Zxid, Beat)>,
    progress: Beat,
}

impl Patience {
    fn sent(&mut self, zxid: Zxid, beat: Beat) {
        match self.waiting {
            None => self.waiting = Some((zxid, beat)),
            Some(_) => self.newest = Some((zxid, beat)),
        }
    }

    pub(super) fn moves(&mut self, beat: Beat) {
        self.progress = beat;
    }

    pub(super) fn acked(&mut self, upto: Zxid, beat: Beat) {
        self.moves(beat);
        if self.waiting.is_some_and(|(zxid, _)| zxid <= upto) {
            self.waiting = self.newest.take().filter(|(zxid, _)| *zxid > upto);
        }
    }

    /// Since when a proposal waits and nothing moves.
    pub(super) fn since(&self) -> Option<Beat> {
        self.waiting.map(|(_, beat)| beat.max(self.progress))
    }
}

/// A learner as operators see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LearnerFigures {
    /// Its connection.
    pub link: Link,
    /// As it calls itself.
    pub server: ServerId,
    /// It has no vote.
    pub observer: bool,
    /// It serves clients.
    pub synced: bool,
    /// Everything up to here is in its log, as far as it has said on this connection.
    pub acked: Zxid,
    /// Bytes on their way to it.
    pub queued: usize,
}

impl Learner {
    pub(super) fn new(link: Link, silent_by: Beat, counts_until: Beat) -> Learner {
        Learner {
            link,
            server: None,
            observer: false,
            ours: false,
            reads: None,
            stage: Stage::Opened,
            accepted: Epoch(0),
            ahead: false,
            promised: false,
            sync: None,
            position: Zxid::ZERO,
            held: Zxid::ZERO,
            acked: Zxid::ZERO,
            rivalled: false,
            proof: None,
            early: Zxid::ZERO,
            heard: 0,
            syncs: VecDeque::new(),
            certain: 0,
            sent: Zxid::ZERO,
            lags: false,
            awaits_log: false,
            paused: false,
            patience: Patience::default(),
            silent_by: Some(silent_by),
            counts_until,
            queue: Queue::default(),
            doomed: None,
        }
    }

    pub(super) fn send(&mut self, packet: Packet, out: &mut Vec<LeaderEffect>) {
        if self.doomed.is_some() {
            return;
        }
        self.queue.bytes += weight(&packet);
        // It is sent no proposals long before: these are answers to what it goes on asking for.
        if self.queue.bytes > limits::PEER_OUTBOUND {
            self.doomed = Some(CloseReason::ManyBytes { bytes: self.queue.bytes });
            return;
        }
        out.push(LeaderEffect::Send { link: self.link, packet });
        if self.queue.bytes >= MARK_BYTES {
            self.mark(out);
        }
    }

    /// Answers client syncs from the oldest on, as long as it fits. The learner counts them.
    pub(super) fn answer_syncs(
        &mut self,
        fits: impl Fn(Zxid, u64) -> bool,
        out: &mut Vec<LeaderEffect>,
    ) {
        while self.syncs.front().is_some_and(|(behind, round)| fits(*behind, *round)) {
            self.syncs.pop_front();
            self.send(Packet::Sync { zxid: Zxid::ZERO }, out);
        }
    }

    /// The same for those behind what is committed and certain by now, as far as it has been told.
    pub(super) fn answer_settled_syncs(
        &mut self,
        upto: Zxid,
        done: u64,
        out: &mut Vec<LeaderEffect>,
    ) {
        let sent = self.sent;
        let fits = |behind, round| behind <= upto && round <= done && behind <= sent;
        self.answer_syncs(fits, out);
    }

    /// Its bytes move, or may: it is not given up before that beat.
    pub(super) fn moves(&mut self, until: Beat) {
        self.counts_until = self.counts_until.max(until);
        self.silent_by = self.silent_by.map(|by| by.max(until));
    }

    /// A proposal of the broadcast; its ack is awaited.
    pub(super) fn propose(
        &mut self,
        zxid: Zxid,
        packet: Packet,
        beat: Beat,
        out: &mut Vec<LeaderEffect>,
    ) {
        self.send(packet, out);
        self.sent = zxid;
        if matches!(self.stage, Stage::Acked | Stage::UpToDate) {
            self.patience.sent(zxid, beat);
        }
    }

    /// Whether what is proposed now has to wait for its link.
    pub(super) fn falls_behind(&mut self, bytes_max: usize, out: &mut Vec<LeaderEffect>) -> bool {
        if !self.lags && self.queue.bytes >= bytes_max {
            self.lags = true;
            self.mark(out);
            if mutants::on(Mutant::FullQueueEndsRole) {
                self.doomed = Some(CloseReason::TooSlow);
            }
        }
        self.lags
    }

    pub(super) fn is_marked(&self) -> bool {
        self.queue.marked.is_some()
    }

    /// Asks to hear when all that was sent has left.
    pub(super) fn mark(&mut self, out: &mut Vec<LeaderEffect>) {
        if self.queue.marked.is_none() {
            self.queue.marked = Some(self.queue.bytes);
            out.push(LeaderEffect::WhenDrained { link: self.link });
        }
    }

    /// What was marked has left. What was sent since may have too; the next mark will tell.
    pub(super) fn drained(&mut self, out: &mut Vec<LeaderEffect>) {
        if let Some(marked) = self.queue.marked.take() {
            self.queue.bytes -= marked;
        }
        if self.queue.bytes >= MARK_BYTES {
            self.mark(out);
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.bytes
    }

    /// Its history is being made this one, or has been.
    pub(super) fn is_served(&self) -> bool {
        self.sync.is_some() || self.is_live()
    }

    /// It hears every proposal and every commit.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Announced | Stage::Acked | Stage::UpToDate)
    }

    /// Its history is the leader's, and it goes on acknowledging.
    pub(super) fn has_acked(&self) -> bool {
        self.doomed.is_none() && self.has_joined() && self.proof.is_none()
    }

    /// It has acknowledged NEWLEADER.
    pub(super) fn has_joined(&self) -> bool {
        matches!(self.stage, Stage::Acked | Stage::UpToDate)
    }

    /// The server id it claims. What an observer says never counts, so it stands in no voter's way.
    pub(super) fn claim(&self) -> Option<(ServerId, bool)> {
        Some((self.server?, self.observer))
    }

    /// Its history is being made this one, or has been.
    pub(super) fn holds(&self) -> bool {
        match self.stage {
            Stage::Opened | Stage::Greeted | Stage::Informed | Stage::Promised { .. } => false,
            Stage::Asking { .. }
            | Stage::Reading
            | Stage::Sending
            | Stage::Snapshot
            | Stage::Announced
            | Stage::Acked
            | Stage::UpToDate => true,
        }
    }

    /// Follower of a voting member's id; what observers say never counts.
    pub(super) fn votes_as(&self) -> Option<ServerId> {
        self.server.filter(|_| !self.observer && !self.ahead)
    }

    pub(super) fn figures(&self) -> Option<LearnerFigures> {
        Some(LearnerFigures {
            link: self.link,
            server: self.server?,
            observer: self.observer,
            synced: self.stage == Stage::UpToDate,
            acked: self.acked,
            queued: self.queue.bytes,
        })
    }
}

fn weight(packet: &Packet) -> usize {
    PACKET_BYTES + packet.weight()
}
