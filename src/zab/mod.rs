//! Agreement: which proposals are committed.
//!
//! Stands between the log and the tree. [`Committed`] can be made only here, and only from what
//! the log has reported durable, so nothing can be applied that a crash could take back (I1, I6).
//! [`commit_queue`](mod@commit_queue) is where proposals wait for both.

use bytes::Bytes;
use std::fmt;

use crate::log::Durable;
use crate::types::{Epoch, Zxid};

pub mod commit_queue;
pub mod leader;
pub mod learner;
pub mod sync;
pub mod window;

pub use commit_queue::{CommitQueue, Committed, Due};
pub use leader::{
    CloseReason, Leader, LeaderEffect, LeaderInput, LeaderParts, Readers, StepDownReason, SyncRules,
};
pub use learner::{Learner, LearnerEffect, LearnerInput, LearnerParts, LeaveReason, follows};
pub use window::Window;

/// `tickTime` in ms, `initLimit` and `syncLimit` in ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// `tickTime`.
    pub tick_ms: i64,
    /// `initLimit`: until a quorum follows.
    pub init_ticks: i64,
    /// `syncLimit`: for which one may be silent.
    pub sync_ticks: i64,
}

impl Timing {
    /// `initLimit` in ms.
    pub fn init_ms(self) -> i64 {
        self.tick_ms * self.init_ticks
    }
    /// `syncLimit` in ms.
    pub fn sync_ms(self) -> i64 {
        self.tick_ms * self.sync_ticks
    }
}

/// What a server promises across restarts, in files of their own. As an effect: write it, durably;
/// as an input: that has been done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// `acceptedEpoch`: no older leader will be followed.
    Accepted(Epoch),
    /// `currentEpoch`: the history of this epoch's leader is in the log.
    Current(Epoch),
}

impl fmt::Display for Stored {
    /// The file, and what it is to hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stored::Accepted(Epoch(epoch)) => write!(f, "acceptedEpoch {epoch}"),
            Stored::Current(Epoch(epoch)) => write!(f, "currentEpoch {epoch}"),
        }
    }
}

/// Proof that everything up to a transaction is committed. Made only in this module.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Agreed(Zxid);

impl Agreed {
    /// The last of them.
    pub fn zxid(self) -> Zxid {
        self.0
    }
}

/// Held by a server on its own, which agrees with its log. A server of an ensemble has none: there one
/// line that takes its own log for a quorum's word would lose what was acknowledged, and compile.
#[derive(Debug)]
pub struct Alone(());

impl Alone {
    /// For a server that no ensemble was configured for. (`tests/tidy` knows the one place.)
    pub fn configured() -> Alone {
        Alone(())
    }

    /// What is durable here is committed.
    pub fn agreed(&self, durable: Durable) -> Agreed {
        Agreed(durable.zxid())
    }
}

/// A piece of the log on disk, for a learner whose history is older than the window in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogChunk {
    /// In zxid order, without gaps in an epoch.
    pub entries: Vec<(Zxid, Bytes)>,
    /// What follows these.
    pub end: LogEnd,
}

/// What follows a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogEnd {
    /// There is more behind these.
    More,
    /// These are the last in the log.
    Done,
    /// The log does not reach back to the transaction after which was asked for.
    NotThere,
}

#[cfg(test)]
pub(crate) mod tests;
