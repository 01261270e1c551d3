//! The walk over the live tree: nodes in preorder, one at a time, no lock held between two
//! nodes (DataTree.serializeNode).
//!
//! What makes the result a snapshot, although the tree changes under the walk:
//!
//! * A node that was there when the walk began, and still is when it ends, is met: narrow nodes
//!   give all their children's names at once, wide ones in slices from the end of the list, where
//!   a removal can only move a name towards the part that is still to come.
//! * A node made after the snapshot's zxid is left out, and its children with it, since they are
//!   younger still. Replay makes them. So replay never finds a node before the transaction that
//!   creates it, and parents are written before children.
//! * A node's access list may be younger than the table at the file's head. The node then refers
//!   to an entry that lets nobody do anything; the transaction that set the list is younger than
//!   the snapshot, too, and replay sets it again. Java, which writes the unknown key, throws when
//!   the list is wanted before (ZOOKEEPER-3306, 4689).

use compact_str::CompactString;
use hashbrown::HashSet;

use crate::codec::snapfile::OPEN_ACL_KEY;
use crate::tree::{Node, Tree};
use crate::types::{Acl, AclList, Perms, StoredStat, Zxid};

/// Directories with more children than this give their names in slices of so many: copying names
/// keeps the shard locked, and the writer waits.
const NAMES_AT_ONCE: usize = 4096;

/// Bytes of a node's record beside its path and data.
const RECORD_BYTES: usize = 4 + 4 + 8 + 60;

/// The access lists of a snapshot, as they stand before its nodes.
#[derive(Clone, Debug)]
pub struct AclTable {
    /// Ascending by key.
    lists: Vec<(i64, AclList)>,
    /// The key of the entry that nobody passes.
    stand_in: i64,
}

impl AclTable {
    /// The tree's lists and, behind them, the stand-in for those to come.
    pub fn of(tree: &Tree) -> AclTable {
        let mut lists = tree.acl_table();
        lists.sort_by_key(|(key, _)| *key);
        let stand_in = lists.last().map_or(0, |(key, _)| *key) + 1;
        lists.push((stand_in, AclList::from([Acl::new(Perms(0), "world", "anyone")])));
        AclTable { lists, stand_in }
    }

    /// For a tree that does not change meanwhile: without the stand-in, unless there are nodes whose
    /// list is unknown already.
    pub fn of_quiet(tree: &Tree) -> AclTable {
        let mut table = AclTable::of(tree);
        if tree.unknown_acls() == 0 {
            table.lists.pop();
        }
        table
    }

    /// By the number that nodes name them by.
    pub fn lists(&self) -> &[(i64, AclList)] {
        &self.lists
    }

    fn key(&self, key: i64) -> Option<i64> {
        let known =
            key == OPEN_ACL_KEY || self.lists.binary_search_by_key(&key, |(k, _)| *k).is_ok();
        known.then_some(key)
    }
}

/// A node as it is to be written: a copy, made while its shard was locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkedNode<'a> {
    /// "" for the root.
    pub path: &'a str,
    /// `None`: null.
    pub data: Option<&'a [u8]>,
    /// The number of its list in the table; -1: the open list.
    pub acl_key: i64,
    /// At the moment of the copy.
    pub stat: StoredStat,
}

/// What a walk has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Walked {
    /// Given, the root too.
    pub nodes: u64,
    /// What their records take.
    pub bytes: u64,
    /// Nodes younger than the snapshot, not counting their children.
    pub left_out: u64,
    /// Nodes that refer to the stand-in.
    pub stand_ins: u64,
}

/// Where a walk is.
#[derive(Debug)]
pub struct Walk {
    /// Nodes with a greater czxid are left out.
    newest: Zxid,
    acls: AclTable,
    names_at_once: usize,
    path: String,
    levels: Vec<Level>,
    begun: bool,
    /// Of the node at `path`, if `has_data`.
    data: Vec<u8>,
    has_data: bool,
    walked: Walked,
}

/// A node whose children are being visited.
#[derive(Debug)]
struct Level {
    /// The first so many bytes of the walk's path name it.
    path_len: usize,
    pending: Vec<CompactString>,
    wide: Option<Wide>,
}

#[derive(Debug)]
struct Wide {
    /// Names at this position and above have been taken.
    end: usize,
    /// Those names: one of them may have moved below `end` since.
    taken: HashSet<CompactString, foldhash::fast::FixedState>,
}

/// What stood at a path.
enum Met {
    Nothing,
    LeftOut,
    Node { acl_key: Option<i64>, stat: StoredStat, has_data: bool, below: Option<Level> },
}

impl Walk {
    /// `newest`: nodes with a greater czxid are left out.
    pub fn new(newest: Zxid, acls: AclTable) -> Walk {
        Walk::in_steps(newest, acls, NAMES_AT_ONCE)
    }

    pub(super) fn in_steps(newest: Zxid, acls: AclTable, names_at_once: usize) -> Walk {
        Walk {
            newest,
            acls,
            names_at_once,
            path: String::new(),
            levels: Vec::new(),
            begun: false,
            data: Vec::new(),
            has_data: false,
            walked: Walked::default(),
        }
    }

    /// So far.
    pub fn walked(&self) -> Walked {
        self.walked
    }

    /// The next node; `None` when there are no more. Locks one shard at a time, and none when it
    /// returns.
    pub fn next(&mut self, tree: &Tree) -> Option<WalkedNode<'_>> {
        let (acl_key, stat) = loop {
            if !self.advance(tree) {
                return None;
            }
            let data = &mut self.data;
            let (newest, acls, at_once) = (self.newest, &self.acls, self.names_at_once);
            let visit = |node: Option<Node<'_>>| visit(node, newest, acls, at_once, data);
            match tree.read(&self.path, visit).0 {
                Met::Nothing => {}
                Met::LeftOut => self.walked.left_out += 1,
                Met::Node { acl_key, stat, has_data, below } => {
                    self.levels.extend(below);
                    self.has_data = has_data;
                    self.walked.stand_ins += u64::from(acl_key.is_none());
                    break (acl_key.unwrap_or(self.acls.stand_in), stat);
                }
            }
        };
        let data = self.has_data.then_some(self.data.as_slice());
        self.walked.nodes += 1;
        self.walked.bytes += (RECORD_BYTES + self.path.len() + self.data.len()) as u64;
        Some(WalkedNode { path: &self.path, data, acl_key, stat })
    }

    /// Moves on to the next path.
    fn advance(&mut self, tree: &Tree) -> bool {
        if !self.begun {
            self.begun = true;
            return true;
        }
        while let Some(level) = self.levels.last_mut() {
            self.path.truncate(level.path_len);
            if let Some(name) = level.pending.pop() {
                self.path.push('/');
                self.path.push_str(&name);
                return true;
            }
            if !level.more(tree, &self.path, self.newest, self.names_at_once) {
                self.levels.pop();
            }
        }
        false
    }
}

/// Copies what is to be written of a node.
fn visit(
    node: Option<Node<'_>>,
    newest: Zxid,
    acls: &AclTable,
    at_once: usize,
    data: &mut Vec<u8>,
) -> Met {
    let Some(node) = node else { return Met::Nothing };
    let stat = node.stored();
    if stat.czxid > newest {
        return Met::LeftOut;
    }
    data.clear();
    data.extend_from_slice(node.data().unwrap_or_default());
    let count = node.child_count();
    let below = (count > 0).then(|| {
        let path_len = node.path().len();
        let mut level = Level { path_len, pending: Vec::new(), wide: None };
        if count > at_once {
            level.wide = Some(Wide { end: count, taken: HashSet::default() });
            level.take(node, at_once);
        } else {
            level.pending.extend(node.children().map(CompactString::new));
        }
        level
    });
    let (acl_key, has_data) = (acls.key(node.acl_key()), node.data().is_some());
    Met::Node { acl_key, stat, has_data, below }
}

impl Level {
    /// Takes the next slice of names of a wide node; false when there are none left.
    fn more(&mut self, tree: &Tree, path: &str, newest: Zxid, at_once: usize) -> bool {
        if self.wide.is_none() {
            return false;
        }
        tree.read(path, |node| match node {
            // A node made anew under the same path has only children that are younger still.
            Some(node) if node.stored().czxid <= newest => self.take(node, at_once),
            _ => false,
        })
        .0
    }

    fn take(&mut self, node: Node<'_>, at_once: usize) -> bool {
        let Some(wide) = &mut self.wide else { return false };
        let end = wide.end.min(node.child_count());
        if end == 0 {
            return false;
        }
        let names = node.children_before(end, at_once).map(CompactString::new);
        self.pending.extend(names.filter(|name| wide.taken.insert(name.clone())));
        wide.end = end.saturating_sub(at_once);
        true
    }
}
