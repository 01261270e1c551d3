//! Snapshots: the tree on disk, in ZooKeeper's format, and the way back.
//!
//! A snapshot is fuzzy: it is taken while transactions are applied, and holds some effects of
//! transactions after the zxid in its name. Replaying the log from there makes the tree whole
//! (storage.md sections 3, 6 and 7). Files go through [`crate::disk`], so that every fault of a
//! disk can be simulated; what is read is never trusted to be what was written.
//!
//! * [`pack`]: plain, gzip and snappy streams
//! * [`autopurge`]: when old files go

pub mod autopurge;
pub mod pack;
