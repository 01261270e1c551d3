//! What goes into a learner and what comes out.

use bytes::Bytes;

use super::reason::LeaveReason;
use crate::codec::quorum::Packet;
use crate::log::Durable;
use crate::types::{Epoch, ServerId, SessionId, Zxid};
use crate::zab::{Agreed, Readers, Stored, Timing};

/// What a learner begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LearnerParts {
    /// Its own number.
    pub me: ServerId,
    /// It has no vote.
    pub observer: bool,
    /// The epoch files.
    pub accepted: Epoch,
    /// `currentEpoch`, the last one entered.
    pub current: Epoch,
    /// The last transaction of the log. All of it is durable and applied.
    pub last: Zxid,
    /// How far this history is known to be committed; zero: not known.
    pub committed: Zxid,
    /// The newest transaction up to there that the tree tells of ([`crate::tree::Tree::shown`]).
    pub shown: Zxid,
    /// Nobody has said that an empty database is meant (`db.autocreate=false`): whatever this server
    /// says counts for nothing until it has a leader's history.
    pub blank: bool,
    /// Version of the configuration in force.
    pub config_version: i64,
    /// Whom it follows.
    pub leader: ServerId,
    /// How long it waits for its leader.
    pub timing: Timing,
    /// How long connecting may take: `connectToLearnerMasterLimit`, or else `initLimit`.
    pub connect_ms: i64,
    /// The longest pause between two tries (`leaderConnectDelayDuringRetryMs`).
    pub connect_pause_ms: i64,
    /// What servers read.
    pub readers: Readers,
}

/// What a learner is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum LearnerInput {
    /// As [`LearnerEffect::Connect`] asked.
    Connected,
    /// It cannot be had now.
    ConnectFailed { why: String },
    /// What the leader says.
    Packet(Packet),
    /// Bytes have come that are no whole packet yet, or are behind a SNAP packet; or this server has
    /// stopped taking them.
    Moved,
    /// All of them; what is still to be done is this server's. `shows`: the newest transaction that the
    /// tree in them tells of.
    SnapshotReceived { shows: Zxid },
    /// The tree holds it, the disk holds it, and no older log is left.
    SnapshotLoaded { zxid: Zxid },
    /// Log and tree end with this.
    Truncated { last: Zxid },
    /// Nothing was cut: what is on the disk cannot give the state that was asked for. Tree, log and
    /// files are as before.
    CannotTruncate { why: String },
    /// The connection is gone.
    Closed { why: String },
    /// An epoch file that was asked for is durable.
    Stored(Stored),
    /// The own log's horizon.
    Durable(Durable),
    /// The deadline has passed.
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum LearnerEffect {
    /// To the leader's quorum port; a name is resolved anew.
    Connect,
    /// A packet for the leader.
    Send(Packet),
    /// The connection, or the attempt to make one, is given up. Nothing of it is to be told any
    /// more.
    Close,
    /// Stop taking bytes from the connection, or go on: back-pressure, so that what waits here for
    /// the disk waits with the leader instead. Advice; what comes in spite of it is kept within a
    /// bound.
    Reading(bool),
    /// Write the epoch file; then [`LearnerInput::Stored`].
    Store(Stored),
    /// Log and tree go back to this transaction; then [`LearnerInput::Truncated`] or
    /// [`LearnerInput::CannotTruncate`].
    Truncate { after: Zxid },
    /// The bytes behind the SNAP packet become the tree, a durable snapshot, and an empty log; then
    /// [`LearnerInput::SnapshotLoaded`]. Where stream or disk are not as they should be, the caller ends
    /// the role.
    LoadSnapshot { zxid: Zxid },
    /// To the log and to the line of proposals. If it cannot be decoded the learner is to leave.
    Append { zxid: Zxid, entry: Bytes },
    /// The leader has said that a quorum has it.
    Agreed(Agreed),
    /// The oldest client sync that was sent to the leader is answered behind all agreed so far.
    Synced,
    /// Whether a session lives, as the leader says.
    Revalidated { session: SessionId, valid: bool },
    /// Answer with [`Packet::Ping`] of this zxid and the sessions touched since the last.
    Pinged { zxid: Zxid },
    /// A configuration was proposed, and may come into force: this server must know of it, after a
    /// crash too, before it acknowledges the proposal or anything behind it.
    ConfigProposed { text: String },
    /// The leader's configuration, which this server's acknowledgement of NEWLEADER agrees to; what
    /// was proposed before and is not in it has come to nothing.
    ConfigAnnounced { text: String },
    /// A configuration is in force. `leader`: who is to lead after a reconfiguration.
    NewConfig { text: String, version: i64, leader: Option<ServerId> },
    /// The leader's history ends with `ends`, or its tree tells of nothing newer, or its epoch has only
    /// begun then, before what is known to be committed here: the ensemble
    /// has lost what it had acknowledged, and only an operator can say which history is to live. This
    /// server keeps its own, and leaves; it is to rest before it looks for a leader again.
    Refuse { ends: Zxid, committed: Zxid },
    /// Clients may come. Everything in the tree is agreed.
    Serve { epoch: Epoch },
    /// The role is over and takes no more input. An open connection was closed before.
    Leave { why: LeaveReason },
}
