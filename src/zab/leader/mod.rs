//! The leader's side of agreement (Leader, LearnerHandler, LeaderZooKeeperServer).
//!
//! A core: inputs in, effects out, in order. It owns what the leader knows of its learners and of
//! the proposals on their way; the log, the tree, the sockets and the sessions are others'.
//!
//! ```text
//!  a learner:  Opened ─ LearnerInfo ─► Greeted ─ LEADERINFO ─► Informed ─ ACKEPOCH ─► Promised
//!                ─ sync chosen ─► Reading, Sending, Snapshot ─ NEWLEADER ─► Announced ─ ACK ─►
//!                Acked ─ UPTODATE ─► UpToDate
//!
//!  the leader: Discovery ─ quorum connected, accepted epoch stored ─► Promises
//!                ─ quorum of ACKEPOCH, current epoch stored ─► Synchronization
//!                ─ quorum of NEWLEADER acks ─► Broadcast
//!                ─ reconfiguration to another leader ─► HandingOver
//! ```
//!
//! Learners go through their stages each at its own pace, and may come at any time; the leader's
//! own phase holds back those that are ahead of it.
//!
//! * [`interface`] what goes in and what comes out
//! * [`core`](mod@self::core) the state, and who handles which input
//! * [`learner`] what is known of one learner, and the bounds of its link
//! * [`discovery`] which epoch, and who promised to follow it
//! * [`syncing`] making a learner's history this one
//! * [`lagging`] learners whose links do not keep up
//! * [`broadcast`] proposals, acks and commits; the end of an epoch's numbers
//! * [`read_index`] whether a quorum still follows
//! * [`readers`] the largest transaction that every member can read
//! * [`reconfig`] another configuration: its quorums, and who leads in it
//! * [`reason`] why a connection is closed, and why it leads no longer
//! * [`liveness`] ticks: pings, silence, lost quorums

mod broadcast;
mod core;
mod discovery;
mod interface;
mod lagging;
mod learner;
mod liveness;
mod read_index;
mod readers;
mod reason;
mod reconfig;
mod syncing;

pub use self::core::Leader;
pub use interface::{LeaderEffect, LeaderInput, LeaderParts, SyncRules};
pub use learner::LearnerFigures;
pub use readers::Readers;
pub use reason::{CloseReason, StepDownReason};
