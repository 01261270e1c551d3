//! The data tree: what ZooKeeper stores, in memory (DataTree).
//!
//! Last stage of a write's way: committed transactions are applied here by one writer, while any
//! number of network cores read. Knows nothing of sessions' liveness, of watches and of files; it
//! is told transactions and tells a [`ChangeSink`] what they changed. The shard locks are its only
//! departure from the rule that cores hold no locks.
//!
//! * [`outcome`]: what applying gives back, and the changes watches want
//! * `store`: the shards, and everything readers may ask
//! * `prefetch`: nodes on their way into the caches, before pipelined reads ask for them
//! * `writer`, `apply`: the single writer; each transaction's effects
//!   (tools/docs/reference/storage.md section 7)
//! * `shown`: the end of a transaction, as readers on other threads see it
//! * `restore`: filling the tree from a snapshot
//! * [`quota`]: limits and use under /zookeeper/quota; `limited`: which subtrees have limits
//! * [`digest`]: the checksum all servers agree on
//! * `index`, `reap`: ephemerals by session; containers and TTL nodes that may go
//! * `gone`: who could read nodes that are not there any more
//! * `shard`, `layout`, `children`, `acl_cache`: memory, from one lock's worth down to the bytes

mod outcome;

mod prefetch;
mod store;

mod apply;
mod reap;
mod restore;
mod shown;
mod sync;
mod writer;

pub mod digest;
pub mod quota;

mod acl_cache;
mod children;
mod gone;
mod index;
mod layout;
mod limited;
mod shard;

#[cfg(test)]
mod tests;

pub use outcome::{Change, ChangeKind, ChangeSink, NoSink, Outcome};
pub use prefetch::PREFETCH;
pub use reap::ReapCursor;
pub use restore::RestoreError;
pub use shard::Node;
pub use store::{Tree, TreeOptions};
pub use writer::{Cleared, TreeWriter};

/// Node that lists the ensemble (ZooDefs.CONFIG_NODE).
pub const CONFIG_PATH: &str = "/zookeeper/config";
/// Everything beneath is local bookkeeping and left out of the digest.
pub const ZOOKEEPER_PATH: &str = "/zookeeper";
/// Quotas.quotaZookeeper.
pub const QUOTA_PATH: &str = "/zookeeper/quota";
