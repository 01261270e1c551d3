//! One snapshot, from its bytes into the tree (SerializeUtils.deserializeSnapshot, FileSnap).

use std::collections::BTreeMap;
use std::io::Read;

use crate::codec::quorum::snapshot::StreamError;
use crate::codec::snapfile::{SnapshotDigest, SnapshotError, SnapshotReader};
use crate::tree::{RestoreError as TreeError, StoredStat, TreeWriter};
use crate::types::{SessionId, Zxid};

/// What a snapshot held besides the nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Loaded {
    pub nodes: u64,
    /// Milliseconds of timeout by session.
    pub sessions: BTreeMap<SessionId, i32>,
    /// As of the end of its writing: absent when the section is, or says that it knows none.
    pub digest: Option<SnapshotDigest>,
    pub last_zxid: Option<Zxid>,
    /// The youngest node's: above the file's zxid if the snapshot is Java's and fuzzy.
    pub czxid_max: Zxid,
    /// The youngest change that a node's stat tells of.
    pub changed_max: Zxid,
}

impl Loaded {
    /// The last transaction of which there may be effects: above the zxid of the file's name in a
    /// fuzzy snapshot. Of a changed access list alone a node does not tell.
    pub fn reach(&self) -> Zxid {
        let digest = self.digest.map_or(Zxid::ZERO, |at| at.zxid);
        self.changed_max.max(digest).max(self.last_zxid.unwrap_or(Zxid::ZERO))
    }

    pub(super) fn saw(&mut self, stat: &StoredStat) {
        self.nodes += 1;
        self.czxid_max = self.czxid_max.max(stat.czxid);
        self.changed_max = self.changed_max.max(stat.czxid).max(stat.mzxid).max(stat.pzxid);
    }
}

/// The file, or the leader's stream, is not a whole and sound snapshot. Another one is to be tried.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Bytes(#[from] SnapshotError),
    #[error(transparent)]
    Stream(StreamError),
    #[error("node {0}: {1}")]
    Tree(u64, TreeError),
}

/// Empties the tree and fills it. After an error the tree is in no state to be used.
///
/// `zxid` is the one of the file's name; `field_max` the longest path or data accepted.
pub fn load(
    source: impl Read,
    zxid: Zxid,
    field_max: usize,
    writer: &mut TreeWriter,
) -> Result<Loaded, LoadError> {
    writer.clear();
    let (mut reader, header) = SnapshotReader::begin(source, field_max)?;
    let mut loaded =
        Loaded { sessions: header.sessions.into_iter().collect(), ..Loaded::default() };
    writer.restore_acls(header.acls);
    while let Some(node) = reader.node()? {
        loaded.saw(&node.stat);
        writer
            .restore_node(&node.path, node.data, node.acl_key, &node.stat)
            .map_err(|cause| LoadError::Tree(loaded.nodes, cause))?;
    }
    let tail = reader.finish()?;
    loaded.digest = tail.digest.filter(|at| at.zxid > Zxid::ZERO);
    loaded.last_zxid = tail.last_zxid;
    writer.finish_restore(zxid).map_err(|cause| LoadError::Tree(loaded.nodes, cause))?;
    Ok(loaded)
}
