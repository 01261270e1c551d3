//! The members of an ensemble, and what a quorum of them is.
//!
//! A configuration is text: in `zoo.cfg` or a dynamic file, in election messages, in NEWLEADER, in
//! the znode `/zookeeper/config`. Here it becomes [`Members`] and is written again exactly as Java
//! writes it, so that all servers show the same bytes. Names are kept as written; nobody here looks
//! one up.
//!
//! * [`member`]: one server's line
//! * [`members`]: a configuration, and its quorums
//! * [`electorate`]: the configurations in force; a quorum is a quorum of each
//! * [`change`]: the next configuration, from what a client asks for
//! * [`lost_quorum`]: the next configuration, when a quorum is lost
//! * [`error`]: what is wrong with a text, or with a change
//! * [`files`]: the texts of configuration files, as Java writes them
//! * [`order`]: the order of lines, which is that of Java's hash maps

mod change;
mod electorate;
mod error;
mod files;
pub mod lost_quorum;
mod member;
mod members;
mod order;

pub use change::ChangeRules;
pub use electorate::Electorate;
pub use error::{Allowed, ChangeError, MembersError, Refused, Unworkable};
pub use files::{dynamic_text, static_members_text, static_text};
pub use member::{ClientAddress, Member, PeerAddress, Role};
pub use members::Members;
pub(crate) use members::is_membership;

#[cfg(test)]
mod tests;
