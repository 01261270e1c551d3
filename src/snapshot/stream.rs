//! A snapshot on its way from a leader to a learner, piece by piece: the live tree into bytes
//! ([`StreamSource`]), bytes into a tree ([`StreamLoad`]). What [`super::write`] and
//! [`super::load`] are for files; the layout is [`crate::codec::quorum::snapshot`]'s.

use super::load::{LoadError, Loaded};
use super::walk::{AclTable, Walk, Walked};
use crate::codec::quorum::snapshot::{
    Progress, Record, SnapshotParser, StreamError, put_end, put_head, put_node,
};
use crate::tree::{Cleared, Tree, TreeWriter};
use crate::types::{AclList, SessionId, Zxid};

/// A piece ends after so many bytes of nodes, or so many nodes, whichever comes first.
const PIECE_BYTES: u64 = 256 * 1024;
const PIECE_NODES: usize = 2048;

/// The stream of the live tree, made in pieces on a thread that serves no requests. The tree may
/// change meanwhile and need not stand still between two pieces; what came after `at` must then
/// follow the stream as transactions.
#[derive(Debug)]
pub struct StreamSource {
    /// What stands before the nodes, until the first piece takes it.
    head: Option<(Vec<(SessionId, i32)>, AclTable)>,
    walk: Walk,
    piece_nodes: usize,
}

impl StreamSource {
    /// `at`: the last transaction all of whose effects are in the tree, which the SNAP packet
    /// carries; `sessions` as of then, with timeouts in milliseconds. `restored_upto` as in
    /// [`super::WriteOptions`].
    pub fn new(
        tree: &Tree,
        sessions: Vec<(SessionId, i32)>,
        at: Zxid,
        restored_upto: Zxid,
    ) -> StreamSource {
        let acls = AclTable::of(tree);
        let walk = Walk::new(at.max(restored_upto), acls.clone());
        StreamSource::of_walk(sessions, acls, walk, PIECE_NODES)
    }

    /// As [`StreamSource::new`], with a walk and pieces of the caller's.
    pub(super) fn of_walk(
        sessions: Vec<(SessionId, i32)>,
        acls: AclTable,
        walk: Walk,
        piece_nodes: usize,
    ) -> StreamSource {
        StreamSource { head: Some((sessions, acls)), walk, piece_nodes }
    }

    /// With other pieces, so that a small tree of the simulator has several.
    pub fn with_pieces(self, nodes: usize) -> StreamSource {
        StreamSource { piece_nodes: nodes, ..self }
    }

    /// So far.
    pub fn walked(&self) -> Walked {
        self.walk.walked()
    }

    /// Appends the next piece; true when it was the last, signature included.
    pub fn next_piece(&mut self, tree: &Tree, out: &mut Vec<u8>) -> bool {
        if let Some((sessions, acls)) = self.head.take() {
            put_head(out, &sessions, acls.lists());
        }
        let end = self.walk.walked().bytes + PIECE_BYTES;
        for _ in 0..self.piece_nodes {
            let Some(node) = self.walk.next(tree) else {
                put_end(out);
                return true;
            };
            put_node(out, node.path, node.data, node.acl_key, &node.stat);
            if self.walk.walked().bytes >= end {
                break;
            }
        }
        false
    }
}

/// Fills an emptied tree with what a leader sends (Learner.syncWithLeader, DataTree.deserialize).
#[derive(Debug)]
pub struct StreamLoad {
    parser: SnapshotParser,
    filling: Filling,
}

#[derive(Debug, Default)]
struct Filling {
    loaded: Loaded,
    /// Until the first node, or the end.
    acls: Vec<(i64, AclList)>,
    failed: Option<LoadError>,
}

impl StreamLoad {
    /// Empties the tree, and gives what was in it. `field_max`: the longest path or data accepted.
    pub fn begin(field_max: usize, writer: &mut TreeWriter) -> (StreamLoad, Cleared) {
        let cleared = writer.take_out();
        let parser = SnapshotParser::new(field_max);
        (StreamLoad { parser, filling: Filling::default() }, cleared)
    }

    /// Takes the next bytes. What is not consumed, once `done`, belongs to the packets behind. After
    /// an error the tree is in no state to be used.
    pub fn feed(&mut self, bytes: &[u8], writer: &mut TreeWriter) -> Result<Progress, LoadError> {
        let filling = &mut self.filling;
        let progress = self.parser.feed(bytes, &mut |record| filling.take(record, writer));
        let progress = progress.map_err(LoadError::Stream)?;
        match filling.failed.take() {
            Some(error) => Err(error),
            None => Ok(progress),
        }
    }

    /// After the signature: readers see the tree as of `zxid`, the SNAP packet's.
    pub fn finish(mut self, zxid: Zxid, writer: &mut TreeWriter) -> Result<Loaded, LoadError> {
        if !self.parser.is_done() {
            return Err(LoadError::Stream(StreamError::Unfinished));
        }
        self.filling.restore_acls(writer);
        let nodes = self.filling.loaded.nodes;
        writer.finish_restore(zxid).map_err(|cause| LoadError::Tree(nodes, cause))?;
        Ok(self.filling.loaded)
    }
}

impl Filling {
    fn take(&mut self, record: Record<'_>, writer: &mut TreeWriter) {
        if self.failed.is_some() {
            return;
        }
        match record {
            Record::Session(session, timeout) => {
                self.loaded.sessions.insert(session, timeout);
            }
            Record::Acl(key, list) => self.acls.push((key, list)),
            Record::Node(node) => {
                if self.loaded.nodes == 0 {
                    self.restore_acls(writer);
                }
                let loaded = &mut self.loaded;
                loaded.saw(&node.stat);
                let restored = writer.restore_node(&node.path, node.data, node.acl_key, &node.stat);
                self.failed = restored.err().map(|cause| LoadError::Tree(loaded.nodes, cause));
            }
        }
    }

    fn restore_acls(&mut self, writer: &mut TreeWriter) {
        let acls = std::mem::take(&mut self.acls);
        if !acls.is_empty() {
            writer.restore_acls(acls);
        }
    }
}
