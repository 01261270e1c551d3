//! The tree plus everything still in flight (ZooKeeperServer.outstandingChanges).
//!
//! A write is judged by the state it will meet when it is applied. The overlay holds, for every
//! path that a transaction in flight changes, the node as that transaction leaves it; what is not
//! in the overlay is as the tree has it. An entry goes when the last transaction that touched it
//! has been applied.
//!
//! Only what later writes ask about is kept: stat, number of children, ACL, length and CRC of the
//! data. The data itself is not: its CRC is all the digest needs.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::tree::{Node, Tree, digest};
use crate::types::{AclList, SessionId, StoredStat, Zxid};

/// A node as the transactions in flight will have left it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NodeState {
    pub stat: StoredStat,
    pub children: usize,
    pub acl: AclList,
    /// [`digest::content_crc`] of path and data.
    pub content_crc: u32,
    /// Bytes of data.
    pub data_len: usize,
}

impl NodeState {
    fn of(node: Node<'_>) -> NodeState {
        NodeState {
            stat: node.stored(),
            children: node.child_count(),
            acl: node.acl().clone(),
            content_crc: node.content_crc(),
            data_len: node.data_len(),
        }
    }
}

/// What was found at a path, and where what becomes of it is set.
pub(super) struct Pending {
    hash: u64,
    slot: Option<u32>,
    /// `None`: there is no such node.
    pub node: Option<NodeState>,
}

struct Record {
    path: Box<str>,
    hash: u64,
    /// The last transaction that changed it.
    zxid: Zxid,
    /// `None`: deleted.
    node: Option<NodeState>,
}

/// Where the overlay stood, to go back there.
pub(super) struct Mark {
    changes: usize,
    ephemerals: usize,
    digest: u64,
}

enum Undo {
    Added(u32),
    Changed(u32, Zxid, Option<NodeState>),
}

pub(super) struct Overlay {
    hasher: FixedState,
    by_path: HashTable<u32>,
    slab: Vec<Record>,
    free: Vec<u32>,
    /// Every change in flight, oldest first.
    changes: VecDeque<(Zxid, u32)>,
    /// Ephemerals whose creation is in flight: closing their session must find them.
    ephemerals: VecDeque<(Zxid, SessionId, Box<str>)>,
    /// Steps since the mark.
    undo: Vec<Undo>,
    /// The tree's digest after all that is in flight.
    digest: u64,
    digests: bool,
}

/// The root's key is "" (DataTree): children of the root name it so.
fn key_of(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

impl Overlay {
    pub(super) fn new(hash_seed: u64, digests: bool) -> Overlay {
        Overlay {
            hasher: FixedState::with_seed(hash_seed),
            by_path: HashTable::new(),
            slab: Vec::new(),
            free: Vec::new(),
            changes: VecDeque::new(),
            ephemerals: VecDeque::new(),
            undo: Vec::new(),
            digest: 0,
            digests,
        }
    }

    /// Changes in flight.
    pub(super) fn len(&self) -> usize {
        self.by_path.len()
    }

    /// The digest after everything in flight.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    /// Begins a transaction. With nothing in flight the tree's digest is the one to go on from.
    pub(super) fn begin(&mut self, tree: &Tree) -> Mark {
        if self.by_path.is_empty() && self.digests {
            self.digest = tree.digest();
        }
        self.undo.clear();
        Mark { changes: self.changes.len(), ephemerals: self.ephemerals.len(), digest: self.digest }
    }

    /// Undoes everything since the transaction began: it failed and leaves nothing behind.
    pub(super) fn roll_back(&mut self, mark: &Mark) {
        while let Some(step) = self.undo.pop() {
            match step {
                Undo::Added(slot) => self.drop_record(slot),
                Undo::Changed(slot, zxid, node) => {
                    let record = &mut self.slab[slot as usize];
                    record.zxid = zxid;
                    record.node = node;
                }
            }
        }
        self.changes.truncate(mark.changes);
        self.ephemerals.truncate(mark.ephemerals);
        self.digest = mark.digest;
    }

    /// The node at `path` as all transactions in flight leave it.
    pub(super) fn get(&self, tree: &Tree, path: &str) -> Pending {
        let key = key_of(path);
        let hash = self.hasher.hash_one(key);
        let found = self.by_path.find(hash, |slot| &*self.slab[*slot as usize].path == key);
        match found {
            Some(slot) => {
                let node = self.slab[*slot as usize].node.clone();
                Pending { hash, slot: Some(*slot), node }
            }
            None => {
                let node = tree.read(key, |node| node.map(NodeState::of)).0;
                Pending { hash, slot: None, node }
            }
        }
    }

    /// Puts `node` (`None`: it is deleted) at the path that was asked for, by the transaction
    /// `zxid`. Nothing else may have been set there since.
    pub(super) fn set(
        &mut self,
        pending: Pending,
        path: &str,
        zxid: Zxid,
        node: Option<NodeState>,
    ) {
        let key = key_of(path);
        if self.digests {
            let before = pending.node.as_ref().map_or(0, |node| node_digest(key, node));
            let after = node.as_ref().map_or(0, |node| node_digest(key, node));
            self.digest = self.digest.wrapping_sub(before).wrapping_add(after);
        }
        let slot = match pending.slot {
            Some(slot) => {
                let record = &mut self.slab[slot as usize];
                let known = record.zxid == zxid;
                let (zxid_before, before) =
                    (record.zxid, std::mem::replace(&mut record.node, node));
                record.zxid = zxid;
                self.undo.push(Undo::Changed(slot, zxid_before, before));
                if known {
                    return;
                }
                slot
            }
            None => {
                let record = Record { path: key.into(), hash: pending.hash, zxid, node };
                let slot = self.add_record(record);
                self.undo.push(Undo::Added(slot));
                slot
            }
        };
        self.changes.push_back((zxid, slot));
    }

    /// Remembers that `path` is about to become an ephemeral of `session`.
    pub(super) fn note_ephemeral(&mut self, zxid: Zxid, session: SessionId, path: &str) {
        self.ephemerals.push_back((zxid, session, path.into()));
    }

    /// Paths that may become ephemerals of `session`.
    pub(super) fn ephemerals_of(&self, session: SessionId) -> impl Iterator<Item = &str> {
        self.ephemerals
            .iter()
            .filter(move |(_, who, _)| *who == session)
            .map(|(_, _, path)| &**path)
    }

    /// The transactions up to `zxid` are in the tree.
    pub(super) fn applied(&mut self, zxid: Zxid) {
        while let Some((at, slot)) = self.changes.front().copied().filter(|(at, _)| *at <= zxid) {
            self.changes.pop_front();
            // A later transaction's entry stays until that one is applied.
            if self.slab[slot as usize].zxid == at {
                self.drop_record(slot);
            }
        }
        while self.ephemerals.front().is_some_and(|(at, _, _)| *at <= zxid) {
            self.ephemerals.pop_front();
        }
    }

    fn add_record(&mut self, record: Record) -> u32 {
        let hash = record.hash;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slab[slot as usize] = record;
                slot
            }
            None => {
                self.slab.push(record);
                (self.slab.len() - 1) as u32
            }
        };
        let slab = &self.slab;
        self.by_path.insert_unique(hash, slot, |slot| slab[*slot as usize].hash);
        slot
    }

    fn drop_record(&mut self, slot: u32) {
        let record = &mut self.slab[slot as usize];
        let entry = self.by_path.find_entry(record.hash, |at| *at == slot);
        assert!(entry.is_ok(), "an overlay record is dropped once");
        if let Ok(entry) = entry {
            entry.remove();
        }
        record.node = None;
        record.path = Box::default();
        self.free.push(slot);
    }
}

fn node_digest(key: &str, node: &NodeState) -> u64 {
    digest::from_content(key, node.content_crc, &node.stat)
}
