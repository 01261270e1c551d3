//! Work that the control role gives to the log and to threads beside it, and what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;

use crate::history::{CutOff, Known, ReplaceError};
use crate::log::Append;
use crate::runtime::Sender;
use crate::snapshot::RestoreError;
use crate::tree::{Cleared, TreeWriter};
use crate::types::{Epoch, Link, SessionId, Zxid};
use crate::zab::LearnerInput;

/// What the control core tells the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogInput {
    /// One more transaction.
    Append(Append),
    /// What follows goes into a new segment.
    RollNow,
    /// Make durable what has come and end; [`crate::log::LogEvent::Stopped`] is the last event.
    Stop,
}

/// Work for the housekeeping thread.
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Job {
    /// Write the tree.
    Snapshot {
        sessions: Vec<(SessionId, i32)>,
        at: Zxid,
        /// [`crate::snapshot::WriteOptions::restored_upto`].
        restored_upto: Zxid,
        /// Raised when the tree is about to become another one: the snapshot must not be kept.
        abandoned: Arc<AtomicBool>,
        /// Whoever asked for it; dropped where it fails.
        asked: Option<OnSnapshot>,
    },
}

/// Called when a snapshot is complete and durable.
pub type OnSnapshot = Box<dyn FnOnce(SnapshotWritten) + Send>;

/// A snapshot in the folder of snapshots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotWritten {
    /// Of its file.
    pub name: String,
    /// That the name has.
    pub zxid: Zxid,
    /// Of its file.
    pub bytes: u64,
}

/// Work on files for a learner that is far behind, on a thread beside.
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum LearnerJob {
    /// Answered by [`super::message::ToControl::LogRead`]. `upto`: the log's horizon; what is behind may be half
    /// written. `share`: see [`crate::zab::LeaderEffect::ReadLog`]. `epoch`: the reign it is asked in.
    ReadLog { link: Link, after: Zxid, upto: Zxid, share: Option<u32>, epoch: Epoch },
    /// Answered by [`super::message::ToControl::SnapshotPiece`], each piece but the first on a credit.
    Snapshot {
        link: Link,
        sessions: Vec<(SessionId, i32)>,
        at: Zxid,
        restored_upto: Zxid,
        credit: mpsc::Receiver<()>,
    },
}

/// What is to be done with files, for the thread beside.
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum HistoryJob {
    /// Answered by [`super::message::ToControl::HistoryChanged`].
    Change { change: Change, writer: TreeWriter },
    /// A tree that is no more: giving its memory back takes its time too.
    Discard(Cleared),
    /// [`crate::history::committed`].
    Remember { committed: Known, flush: bool },
}

/// A change of history.
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Change {
    /// Back to an earlier transaction, which the files may not be able to give.
    Truncate { after: Zxid, cut_off: CutOff },
    /// The tree, as a leader has sent it, goes to disk, and all that was there before aside.
    Replace { zxid: Zxid, received: Received, current: Epoch },
    /// Everything anew from the disk.
    Reload,
}

/// What a leader's snapshot has told besides its nodes.
pub struct Received {
    /// Timeouts in milliseconds.
    pub sessions: BTreeMap<SessionId, i32>,
    /// The youngest node's.
    pub czxid_max: Zxid,
}

/// A job's end.
pub struct Changed {
    /// It comes back whatever became of the job.
    pub writer: TreeWriter,
    /// What there is now; or the process ends.
    pub outcome: Result<Outcome, ChangeError>,
}

/// A change of history that has not come about. The process ends (I11), and the next start goes on
/// from whatever is on disk.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum ChangeError {
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// The history is as it should be, and no log goes on behind it.
    #[error("{0}")]
    Log(Box<dyn std::error::Error + Send + Sync>),
}

/// A change of history that is on disk and in the tree.
pub struct Outcome {
    /// Log and tree end here.
    pub last: Zxid,
    /// Timeouts in milliseconds.
    pub sessions: BTreeMap<SessionId, i32>,
    /// [`crate::snapshot::WriteOptions::restored_upto`].
    pub restored_upto: Zxid,
    /// What the learner that asked for it is told, if it is still there.
    pub tell: LearnerInput,
    /// The log that goes on behind `last`.
    pub log: Sender<LogInput>,
}
