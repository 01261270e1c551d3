//! Who leads: fast leader election, and the mesh of connections it is held over.
//!
//! Every voter proposes itself, and whoever hears of a better candidate proposes that one from
//! then on. A candidate is better by the epoch it has entered, then by the last transaction in its
//! log, then by its id; so among a quorum that agrees, nobody knows a committed transaction that
//! the chosen one lacks. The elected server still has to win its epoch (`zab`): an election that errs
//! costs time, never data.
//!
//! [`Election`] is FastLeaderElection, [`links`] QuorumCnxManager; the one knows servers, the other
//! knows connections. What the one says goes to the other and back through the composition:
//! `Send` and `Greeting` down, `Heard`, `Reachable` and `Unreachable` up. Both are cores: time and
//! bytes are given to them.

mod settings;
mod vote;

mod effect;

mod looking;

mod core;

pub mod links;

pub use core::Election;
pub use effect::{ElectedRole, ElectionEffect, ElectionInput};
pub use settings::ElectionSettings;
pub use vote::Vote;

#[cfg(test)]
mod tests;
