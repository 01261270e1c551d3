//! What ZooKeeper is used for: locks, elections, semaphores, barriers, queues, counters, members of groups,
//! values that are followed. Cores like the session that they run over: whoever has that one gives a recipe
//! what its requests came to and what has changed, and carries out its effects.
//!
//! ```text
//!   Begin ──► Ask(request) ──► Answered ──► Ask ... ──► Outcome ──► Changed ──► Ask ... ──► Left
//! ```
//!
//! A recipe asks one thing at a time. What it does not know after a lost connection it finds out, by the
//! protection id in a node's name, or by a marker that a write takes away with what it writes: nothing is
//! created twice, taken twice or counted twice.
//!
//! * [`recipe`]: what a recipe is given and what it wants
//! * [`layout`]: names of nodes, Curator's and kazoo's; [`protection`]: ids in them
//! * [`calls`], [`parents`], [`protected`], [`once`]: pieces that recipes are made of
//! * [`lock`]: locks and elections; [`semaphore`]; [`barrier`] and [`double_barrier`]
//! * [`queue`], [`counter`], [`member`], [`value`]; [`service`]: x-discovery's JSON

pub mod barrier;
mod calls;
pub mod counter;
pub mod double_barrier;
pub mod layout;
pub mod lock;
pub mod member;
mod once;
mod parents;
mod protected;
pub mod protection;
pub mod queue;
pub mod recipe;
pub mod semaphore;
pub mod service;
pub mod value;

pub use layout::{Contest, Layout};
pub use protection::ProtectionId;
pub use recipe::{Answered, Effect, Fault, Input, Recipe};

#[cfg(test)]
mod tests;
