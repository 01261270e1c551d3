//! Why a learner leaves its leader.

use crate::codec::jute::DecodeError;
use crate::types::{Epoch, Zxid};

use super::history::StreamError;

/// Why a learner leaves. Whoever is told says it to operators, ends the role and looks for a leader
/// again; what differs is said with the reason. The texts of others (a socket, a thread that works on
/// files) are passed on as they are.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum LeaveReason {
    /// As many tries as there are have failed; the leader that was elected may not be one any more.
    #[error("no connection to the leader after {tries} tries: {why}")]
    Unreachable { tries: u32, why: String },
    #[error("no connection to the leader within {ms} ms")]
    ConnectTimeout { ms: i64 },
    #[error("the leader has gone: {why}")]
    Closed { why: String },
    #[error("nothing heard from the leader for {ms} ms ({phase})")]
    Silent { ms: i64, phase: &'static str },
    /// The disk here does not keep up: clients are better off elsewhere.
    #[error("the log here has not moved for {ms} ms, and is to hold {end}")]
    LogStandsStill { ms: i64, end: Zxid },

    #[error("the leader's epoch {} leaves no room for another", .epoch.0)]
    LastEpoch { epoch: Epoch },
    /// Another server has been promised a newer one: an election brings it about.
    #[error("the leader's epoch {} is below {}, promised", .epoch.0, .accepted.0)]
    EpochBelowPromised { epoch: Epoch, accepted: Epoch },
    #[error("the leader's epoch {} is below {}, entered", .epoch.0, .current.0)]
    EpochBelowEntered { epoch: Epoch, current: Epoch },

    /// The ensemble has lost what it acknowledged. [`LearnerEffect::Refuse`](super::LearnerEffect) has
    /// said so: an operator has to choose, and this server rests before it looks for a leader.
    #[error("the leader's epoch is {}, and {committed} is committed", .epoch.0)]
    EpochForgotten { epoch: Epoch, committed: Zxid },
    /// As above.
    #[error("the leader's history ends with {ends}, and {committed} is committed")]
    HistoryForgotten { ends: Zxid, committed: Zxid },
    /// As above.
    #[error(
        "the leader's tree tells of nothing newer than {shows}, and {shown} has changed it and is \
         committed"
    )]
    TreeForgotten { shows: Zxid, shown: Zxid },

    /// A leader that breaks the protocol: the connection is closed, here and below.
    #[error("{packet} is out of place ({phase})")]
    OutOfPlace { packet: &'static str, phase: &'static str },
    #[error("a snapshot was asked for, a DIFF came")]
    NoSnapshot,
    #[error("DIFF up to {zxid}, and the log goes on to {last}")]
    DiffBehindLog { zxid: Zxid, last: Zxid },
    #[error("TRUNC to {after}, and the log ends with {last}")]
    TruncBeyondLog { after: Zxid, last: Zxid },
    #[error("SNAP at {zxid} from a leader of epoch {}", .epoch.0)]
    SnapshotOfOtherEpoch { zxid: Zxid, epoch: Epoch },
    #[error("NEWLEADER of {zxid} from a leader of epoch {}", .epoch.0)]
    NewLeaderOfOtherEpoch { zxid: Zxid, epoch: Epoch },
    #[error("{zxid} from a leader of epoch {}", .epoch.0)]
    BeyondEpoch { zxid: Zxid, epoch: Epoch },
    #[error("a packet of {packet} holds transaction {found}")]
    OtherTransaction { packet: Zxid, found: Zxid },
    #[error("transaction {zxid}: {error}")]
    Unreadable { zxid: Zxid, error: DecodeError },
    #[error("{zxid} is activated and has no configuration")]
    NoConfiguration { zxid: Zxid },
    /// Holes in the leader's stream; while it synchronises, a snapshot is asked for first.
    #[error(transparent)]
    Stream(#[from] StreamError),

    /// The files cannot give the state that the leader has asked for, nor could its snapshot.
    #[error("{why}")]
    CannotTruncate { why: String },
    /// As above: the cut has left another end.
    #[error("the log ends with {last}, not {after}")]
    CutElsewhere { last: Zxid, after: Zxid },
}
