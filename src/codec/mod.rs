//! Bytes ⇄ types. Total functions over slices: no IO, no state, no panic on any input, and no
//! allocation beyond what the bytes given allow (I10). Every decoder has a fuzz target.
//!
//! * [`jute`]: the primitive encodings all others are made of
//! * [`request`], [`reply`]: the client port
//! * [`txn`]: transactions, as proposals and log entries carry them

pub mod jute;
pub mod reply;
pub mod request;
pub mod txn;
