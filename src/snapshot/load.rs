//! One snapshot, from its bytes into the tree (SerializeUtils.deserializeSnapshot, FileSnap).

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

use crate::codec::quorum::snapshot::StreamError;
use crate::codec::snapfile::{SnapshotDigest, SnapshotError, SnapshotReader};
use crate::tree::{PREFETCH, RestoreError as TreeError, TreeWriter};
use crate::types::{SessionId, StoredStat, Zxid};

/// What a snapshot held besides the nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Loaded {
    /// In it.
    pub nodes: u64,
    /// Milliseconds of timeout by session.
    pub sessions: BTreeMap<SessionId, i32>,
    /// As of the end of its writing: absent when the section is, or says that it knows none.
    pub digest: Option<SnapshotDigest>,
    /// The section `lastProcessedZxid`, if there is one.
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
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum LoadError {
    #[error(transparent)]
    Bytes(#[from] SnapshotError),
    #[error(transparent)]
    Stream(StreamError),
    #[error("node {0}: {1}")]
    Tree(u64, TreeError),
}

/// Brings batches from who decodes them to who inserts them: calls the first until it has no more, and
/// the second with each, in order, until that wants no more. Whether one after the other or on two
/// threads is a shell's to say.
pub type Pipeline = fn(&mut (dyn FnMut() -> Option<Batch> + Send), &mut dyn FnMut(Batch) -> bool);

/// One after the other, on the thread that asks.
pub fn sequential(
    decode: &mut (dyn FnMut() -> Option<Batch> + Send),
    insert: &mut dyn FnMut(Batch) -> bool,
) {
    while decode().is_some_and(&mut *insert) {}
}

/// Empties the tree and fills it. After an error the tree is in no state to be used.
///
/// `zxid` is the one of the file's name; `field_max` the longest path or data accepted.
pub fn load(
    source: impl Read + Send,
    zxid: Zxid,
    field_max: usize,
    pipeline: Pipeline,
    writer: &mut TreeWriter,
) -> Result<Loaded, LoadError> {
    let (mut reader, mut loaded) = begin(source, field_max, writer)?;
    let (mut more, mut read, mut inserted) = (true, Ok(()), Ok(()));
    let mut decode = || {
        let mut batch = Batch::default();
        let filled = if more { batch.fill(&mut reader) } else { return None };
        more = *filled.as_ref().unwrap_or(&false);
        read = filled.map(drop);
        read.is_ok().then_some(batch)
    };
    let mut insert = |batch: Batch| {
        inserted = batch.insert(writer, &mut loaded);
        inserted.is_ok()
    };
    pipeline(&mut decode, &mut insert);
    // What could not be inserted came before what could not be read.
    inserted?;
    read?;
    end(reader, loaded, zxid, writer)
}

fn begin<R: Read>(
    source: R,
    field_max: usize,
    writer: &mut TreeWriter,
) -> Result<(SnapshotReader<R>, Loaded), LoadError> {
    writer.clear();
    let (reader, header) = SnapshotReader::begin(source, field_max)?;
    let loaded = Loaded { sessions: header.sessions.into_iter().collect(), ..Loaded::default() };
    writer.restore_acls(header.acls);
    Ok((reader, loaded))
}

fn end<R: Read>(
    reader: SnapshotReader<R>,
    mut loaded: Loaded,
    zxid: Zxid,
    writer: &mut TreeWriter,
) -> Result<Loaded, LoadError> {
    let tail = reader.finish()?;
    loaded.digest = tail.digest.filter(|at| at.zxid > Zxid::ZERO);
    loaded.last_zxid = tail.last_zxid;
    writer.finish_restore(zxid).map_err(|cause| LoadError::Tree(loaded.nodes, cause))?;
    Ok(loaded)
}

/// Paths and data of a batch, in bytes; the last node may take it beyond.
const BATCH_BYTES: usize = 64 << 10;

/// Decoded nodes, apart from the buffer that they were read into.
#[derive(Default)]
pub struct Batch {
    /// One behind the other.
    paths: String,
    data: Vec<u8>,
    nodes: Vec<Decoded>,
}

struct Decoded {
    path: Range<usize>,
    data: Option<Range<usize>>,
    acl_key: i64,
    stat: StoredStat,
}

impl Batch {
    /// Takes over what comes next; false if that was all.
    fn fill(&mut self, reader: &mut SnapshotReader<impl Read>) -> Result<bool, SnapshotError> {
        while self.paths.len() + self.data.len() < BATCH_BYTES {
            let Some(node) = reader.node()? else { return Ok(false) };
            let begin = self.paths.len();
            self.paths.push_str(&node.path);
            let path = begin..self.paths.len();
            let begin = self.data.len();
            self.data.extend_from_slice(node.data.unwrap_or_default());
            let data = node.data.map(|_| begin..self.data.len());
            self.nodes.push(Decoded { path, data, acl_key: node.acl_key, stat: node.stat });
        }
        Ok(true)
    }

    /// Into the tree, in order.
    fn insert(&self, writer: &mut TreeWriter, loaded: &mut Loaded) -> Result<(), LoadError> {
        for nodes in self.nodes.chunks(PREFETCH) {
            let mut paths: [&[u8]; PREFETCH] = [&[]; PREFETCH];
            for (path, node) in paths.iter_mut().zip(nodes) {
                *path = self.paths[node.path.clone()].as_bytes();
            }
            writer.tree().prefetch(&paths[..nodes.len()]);
            for node in nodes {
                loaded.saw(&node.stat);
                let path = &self.paths[node.path.clone()];
                let data = node.data.clone().map(|data| &self.data[data]);
                writer
                    .restore_node(path, data, node.acl_key, &node.stat)
                    .map_err(|cause| LoadError::Tree(loaded.nodes, cause))?;
            }
        }
        Ok(())
    }
}
