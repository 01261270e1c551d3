//! Agreement: which proposals are committed.
//!
//! Stands between the log and the tree. [`Committed`] can be made only here, and only from what
//! the log has reported durable, so nothing can be applied that a crash could take back (I1, I6).
//! [`solo`] is the agreement of a server on its own.

pub mod solo;

pub use solo::{Committed, Due, Solo};
