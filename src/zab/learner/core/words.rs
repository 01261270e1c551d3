//! A learner's phases in words, for operators.

use super::Phase;

impl Phase {
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
