//! Validation: a write and the state it will meet → the transaction to propose.
//!
//! The leader's (or the standalone server's) control core asks here for every write, in the order
//! in which they came. The answer is always an entry with a fresh zxid: what is not legal becomes
//! an error transaction, so that the log has no gaps. Nothing here reads a clock, blocks or
//! remembers more than what is in flight.
//!
//! Behaviour and order of the checks are PrepRequestProcessor's of 3.9
//! (tools/docs/reference/client-protocol.md section 6).
//!
//! * [`line`](mod@commit_queue): the way of every write through here; sessions
//! * [`ops`]: the checks of each operation, in order
//! * [`multi`]: several operations as one
//! * [`eager`]: refusals that need no leader
//! * [`reconfig`]: another configuration of the ensemble
//! * [`overlay`]: the tree plus everything in flight
//! * [`quota`], [`size`]: limits

pub mod eager;
mod line;
mod multi;
mod ops;
mod overlay;
mod quota;
mod reconfig;
mod size;
#[cfg(test)]
mod tests;

pub use line::{Prep, PrepSettings, Requester};
pub use reconfig::{Refusal, Seats};
