//! Where a learner stands, and what the disk owes it.

use crate::types::{Epoch, Millis, Zxid};

/// Where a learner stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Phase {
    /// `again`: when the next try is due; `None` while one is under way.
    Connecting { tries: u32, since: Millis, again: Option<Millis> },
    /// LEADERINFO is expected.
    Discovery,
    /// The new epoch is promised when its file is durable.
    Promising,
    /// DIFF, TRUNC or SNAP is expected.
    Choosing,
    /// Log and tree go back.
    Truncating { after: Zxid },
    /// `received`: all of the stream has come.
    Loading { zxid: Zxid, received: bool },
    /// History comes, until NEWLEADER.
    Synchronization,
    /// NEWLEADER has come: history and epoch become durable.
    Entering,
    /// NEWLEADER is acknowledged, UPTODATE expected.
    Joining,
    /// It serves clients.
    Broadcast,
    /// The role is over.
    Left,
}

impl Phase {
    /// As operators read it.
    pub fn words(self) -> &'static str {
        match self {
            Phase::Connecting { .. } => "connecting",
            Phase::Discovery => "discovery",
            Phase::Promising => "storing the promise of the leader's epoch",
            Phase::Choosing => "waiting for DIFF, TRUNC or SNAP",
            Phase::Truncating { .. } => "cutting the log",
            Phase::Loading { .. } => "taking the leader's snapshot",
            Phase::Synchronization => "synchronization",
            Phase::Entering => "storing the leader's epoch",
            Phase::Joining => "waiting for UPTODATE",
            Phase::Broadcast => "broadcast",
            Phase::Left => "left",
        }
    }
}

/// What an epoch in the middle of the stream waits for; see the module's front page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Raise {
    No,
    /// Its initial history is becoming durable.
    History(Epoch),
    /// The file is being written.
    File(Epoch),
}
