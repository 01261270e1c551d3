//! Snapshot files: their sections in both directions, sealed as they go
//! (tools/docs/reference/storage.md section 3).
//!
//! ```text
//!  "ZKSN" | version 2 (4) | dbid -1 (8)
//!  n (4) | n × ( session (8) | timeout ms (4) )
//!  n (4) | n × ( ACL key (8) | ACL vector )
//!  path "" | node | path "/a" | node | … | path "/"            parents before their children
//!  seal                                                         = Adler-32 so far (8) | "/"
//!  [ zxid (8) | version (4) | tree digest (8) | seal ]          if digests are on
//!  [ last zxid (8) | seal ]                                     since 3.9
//! ```
//!
//! A node is its data, its ACL key and 60 bytes of stat. Each seal covers every byte before it,
//! earlier seals included. The layout is that of the uncompressed stream.

pub(super) mod read;
pub(super) mod write;

pub use read::{Header, Node, SnapshotReader};
pub use write::{SnapshotWriter, put_node};

use super::jute::DecodeError;
use crate::types::Zxid;

/// What every snapshot begins with: magic, version 2, dbid -1 (FileSnap).
const FILE_HEADER: [u8; 16] = *b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff";

/// The last bytes of every finished snapshot: the string "/" (SnapStream.isValidSnapshot).
pub const FILE_END: [u8; 5] = *b"\0\0\0\x01/";

/// Bytes of a seal: a checksum and [`FILE_END`].
const SEAL_BYTES: usize = 13;

/// The ACL key of world:anyone with all permissions, which no table holds.
pub const OPEN_ACL_KEY: i64 = -1;

/// The tree's digest, and the transaction it was taken after. Zxid 0: there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub struct SnapshotDigest {
    pub zxid: Zxid,
    pub version: i32,
    pub digest: u64,
}

/// What follows the nodes. Each section may be missing: Java writes them by its settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub struct Tail {
    pub digest: Option<SnapshotDigest>,
    /// The last transaction applied when the writing *ended*.
    pub last_zxid: Option<Zxid>,
}

/// Why a file is no snapshot. The caller passes it over and tries an older one.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum SnapshotError {
    #[error("snapshot: {0}")]
    Io(#[from] std::io::Error),
    /// `at`: bytes of the uncompressed stream before the record that is wrong.
    #[error("snapshot, record at byte {at}: {error}")]
    Record { at: u64, error: DecodeError },
    #[error("snapshot, record at byte {at}: takes {wanted} bytes or more, allowed are {max}")]
    TooLong { at: u64, wanted: usize, max: usize },
    #[error("snapshot begins with {0:02x?}, not with \"ZKSN\"")]
    Magic([u8; 4]),
    #[error(
        "snapshot, seal at byte {at}: checksum {stored:#x}, the bytes before it have {computed:#x}"
    )]
    Seal { at: u64, stored: i64, computed: u32 },
    #[error("snapshot, seal at byte {at} does not end in \"/\"")]
    SealEnd { at: u64 },
    /// A file cut short, or followed by what is not its own.
    #[error("snapshot: {left} bytes follow the nodes, which is no known tail")]
    Tail { left: usize },
}

#[cfg(test)]
mod tests;
