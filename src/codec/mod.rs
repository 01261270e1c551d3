//! Bytes ⇄ types. Total functions over slices: no IO, no state, no panic on any input, and no
//! allocation beyond what the bytes given allow (I10). Every decoder has a fuzz target.
//!
//! * [`jute`]: the primitive encodings all others are made of
//! * [`record`]: records that several messages share
//! * [`request`], [`reply`]: the client port
//! * [`password`]: what a session is taken up again with
//! * [`quorum`]: packets between servers of an ensemble; [`election`]: their votes
//! * [`properties`]: Java Properties, as configurations between servers are written
//! * [`txn`]: transactions, as proposals and log entries carry them
//! * [`txnlog`]: the frame of a log record; [`snapfile`]: snapshot files

pub mod election;
pub mod jute;
pub mod password;
pub mod properties;
pub mod quorum;
pub mod record;
pub mod reply;
pub mod request;
pub mod snapfile;
pub mod txn;
pub mod txnlog;

#[cfg(test)]
mod tests;
