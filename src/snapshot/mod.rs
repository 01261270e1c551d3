//! Snapshots: the tree on disk, in ZooKeeper's format, and the way back.
//!
//! A snapshot is fuzzy: it is taken while transactions are applied, and holds some effects of
//! transactions after the zxid in its name. Replaying the log from there makes the tree whole
//! (tools/docs/reference/storage.md sections 3, 6 and 7). Files go through [`crate::disk`], so
//! that every fault of a disk can be simulated; what is read is never trusted to be what was
//! written.
//!
//! * [`write`](mod@write): a snapshot of the live tree; [`walk`]: its nodes, one by one;
//!   [`pace`]: how fast
//! * [`restore`](mod@restore): the whole way back at a start; [`directory`]: what it starts on
//! * [`load`]: one snapshot back into the tree
//! * [`stream`]: from a leader's tree into a learner's
//! * [`replay`]: the log over it
//! * [`pack`]: plain, gzip and snappy streams; the layout is [`crate::codec::snapfile`]'s
//! * [`name`], [`side`]: names, and the checksum that lies beside a file
//! * [`logs_first`]: the log flushed before a snapshot, where it is not flushed otherwise
//! * [`autopurge`]: when old files go

pub mod autopurge;
pub mod directory;
pub mod load;
pub mod logs_first;
pub mod name;
pub mod pace;
pub mod pack;
pub mod replay;
pub mod restore;
pub mod side;
pub mod stream;
pub mod walk;
pub mod write;

pub use directory::{Directories, DirectoryError};
pub use restore::{
    DamagedFile, FileError, LoadedFile, RestoreError, RestoreOptions, Restored, RestoredAt,
    load_file, restore, restore_at,
};
pub use stream::{StreamLoad, StreamSource};
pub use write::{SnapshotReport, WriteError, WriteOptions, write_file};

#[cfg(test)]
mod tests;
