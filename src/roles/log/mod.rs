//! The log role: a thread that writes and flushes what the core of [`crate::log`] decides.
//!
//! * [`machine`]: the core and its segment, for whoever drives it
//! * [`shell`]: the log thread; [`lend`]: its work on another's, as long as the [`pace`] is quick
//! * [`io`]: how a batch reaches the disk; [`choose`](mod@choose): which way, before the first
//! * [`prepare`]: work off its way, on a thread of its own

pub mod choose;
pub mod error;
pub mod io;
pub mod lend;
pub mod machine;
mod pace;
mod prepare;
pub mod shell;

pub use choose::choose;
pub use error::{FailedStep, LogFailure, OpenError};
pub use lend::InlineLog;
pub use machine::{Did, Machine};
pub use prepare::{PROMISE_AFTER, Preparer};
pub use shell::{Handle, LogParts, check_nothing_is_lost, spawn, spawn_inline};

#[cfg(test)]
mod tests;
