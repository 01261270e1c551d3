//! A learner's life under one leader: a follower's or an observer's, from the first connection to
//! the moment it has reason to leave (Learner, Follower, Observer).
//!
//! ```text
//!  connect ─► FOLLOWERINFO ─► LEADERINFO ─► accepted epoch durable ─► ACKEPOCH ─►
//!     DIFF │ TRUNC (cut the log) │ SNAP (replace everything)
//!        ─► PROPOSAL, COMMIT … ─► NEWLEADER ─► history durable ─► current epoch durable ─► ACK
//!             ─► PROPOSAL, COMMIT … ─► UPTODATE ─► ACK, the proposals' ACKs; serve
//! ```
//!
//! Pure: packets and the log's horizon in, effects out. One rule makes it simpler than Java's:
//! every proposal goes to the log when it comes, in every phase, and is applied when it is both
//! agreed and durable here. There is no queue of transactions that are in memory only, so a commit
//! cannot find its proposal missing, nothing is applied before it is logged, and what NEWLEADER's
//! ACK vouches for is what the log holds (ZOOKEEPER-2845, 3023, 3642, 3911, 4394, 4646, 4685, 4785).
//!
//! **Epochs on disk.** The log never holds a transaction of an epoch above `currentEpoch`, and
//! `currentEpoch` never claims an epoch whose leader's initial history is not all in the log
//! (I3). A leader's stream may run through several epochs; at the first transaction (e, 1) of each,
//! everything before it is the initial history of e. So the learner waits there until that is
//! durable, stores e, and only then takes (e, 1). A crash anywhere leaves files that this server
//! and Java's (QuorumPeer.loadDataBase) start on, and a vote that is true. ZooKeeper 3.9 writes the
//! epoch behind the whole history and does not start again after a crash in between.
//!
//! **What is committed.** A server knows more of its history than its log says: what it applied while
//! it served was committed, by a quorum that had it durably, and so every leader of this ensemble has
//! it. That knowledge is kept, across restarts too (`history::committed`), and a leader that asks
//! for a cut before it, or sends a tree of before it, is refused: it leads a quorum that has
//! forgotten. What lies behind, the tail of a deposed leader, is cut as ever.
//!
//! * [`effects`] what goes in and what comes out
//! * [`core`](mod@self::core) the state, and who handles which input
//! * [`phase`] where a learner stands
//! * [`connecting`] the connection, and its tries
//! * [`discovery`] which epoch, and whether it can be promised
//! * [`syncing`] the leader's history becomes this one
//! * [`epochs`] what is promised and entered, on disk
//! * [`broadcast`] transactions, commits and acknowledgements
//! * [`liveness`] deadlines: silence, a log that stands still
//! * [`forgotten`] leaders that lack what is committed
//! * [`reason`] why a learner leaves
//! * [`history`] which transactions there are, agreed, to be acknowledged
//! * [`held`] packets that must wait for the disk

mod broadcast;
mod connecting;
pub mod core;
mod discovery;
pub mod effects;
mod epochs;
mod forgotten;
mod held;
mod history;
mod liveness;
mod phase;
mod reason;
mod syncing;

pub use self::core::Learner;
pub use effects::{LearnerEffect, LearnerInput, LearnerParts};
pub use history::follows;
pub use phase::Phase;
pub use reason::LeaveReason;
