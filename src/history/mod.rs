//! What a server of an ensemble does with its files besides logging and restoring: blocking calls,
//! for threads that serve no requests, through [`crate::disk`], so that every crash can be
//! simulated.
//!
//! Each change of several files is a sequence in which every crash leaves a state that is this
//! server's own history, or a beginning of it, or what was to come of the change: a start, of this
//! server or of Java's, needs no record of what was under way, and the same call can follow.
//!
//! * [`epochs`]: what was promised and entered (QuorumPeer.loadDataBase)
//! * [`committed`]: how far the history is known to be committed
//! * [`mod@rewind`]: log and tree back to an earlier transaction (ZKDatabase.truncateLog)
//! * [`mod@replace`]: a leader's snapshot in place of everything
//! * [`aside`]: what these two take out of service and keep
//! * [`read`]: the log on the disk, for learners that lag behind
//! * [`purge`]: what nobody needs any more
//! * [`members`]: configuration files of an ensemble that may change

pub mod aside;
pub mod committed;
pub mod epochs;
pub mod members;
mod purging;
pub mod read;
pub mod replace;
pub mod rewind;

pub use committed::{Committed, Known};
pub use epochs::{EpochError, Epochs};
pub use members::ConfigFile;
pub use purging::{plan as purge_plan, purge, tidy};
pub use read::{LogReader, log_bytes_behind};
pub use replace::{ReplaceError, Replaced, replace};
pub use rewind::{CutOff, Rewind, rewind};

#[cfg(test)]
mod tests;
