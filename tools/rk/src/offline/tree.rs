//! A snapshot's nodes as the toolkits look at them: by path, their children in Java's order.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use ringkeeper::codec::snapfile::{SnapshotError, SnapshotReader};
use ringkeeper::disk::File;
use ringkeeper::snapshot::pack::{Unpacker, compression_of};
use ringkeeper::types::{SessionId, StoredStat, Zxid};

use super::fault::{OfflineError, TreeFault};
use super::{open, order};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// Where quotas stand, and the names of their nodes (Quotas).
const QUOTAS: &str = "/zookeeper/quota";
const LIMITS: &str = "/zookeeper_limits";
const STATS: &str = "/zookeeper_stats";

/// A node.
pub(super) struct Node {
    /// Empty: the root.
    pub(super) path: String,
    pub(super) stat: StoredStat,
    pub(super) data_length: usize,
    /// If it was asked for.
    pub(super) data: Option<Vec<u8>>,
    /// As they came.
    children: Vec<u32>,
}

/// What is kept of nodes' data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Data,
    Lengths,
}

/// A snapshot's tree. The root is the first node.
pub(super) struct SnapshotTree {
    pub(super) nodes: Vec<Node>,
    by_path: HashMap<String, u32>,
    /// Milliseconds of timeout by session, as they came.
    sessions: Vec<(SessionId, i32)>,
    /// What is wrong with the checksums, which Java's toolkits do not look at.
    pub(super) unsound: Option<SnapshotError>,
}

/// A file from its beginning.
pub(super) struct Source {
    file: Arc<dyn File>,
    at: u64,
}

impl Source {
    pub(super) fn new(file: Arc<dyn File>) -> Source {
        Source { file, at: 0 }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(into, self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

/// The unpacked bytes of a snapshot.
pub(super) fn unpacked(path: &str) -> Result<impl Read, OfflineError> {
    let source = io::BufReader::with_capacity(CHUNK, Source::new(open(path)?));
    Ok(Unpacker::new(compression_of(&file_name(path)), source))
}

/// File.getName.
pub(super) fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name();
    name.map_or(path.to_owned(), |name| name.to_string_lossy().into_owned())
}

impl SnapshotTree {
    /// Reads a file (FileSnap.deserialize).
    pub(super) fn read(path: &str, keep: Keep, limit: usize) -> Result<SnapshotTree, OfflineError> {
        SnapshotTree::from_bytes(unpacked(path)?, keep, limit).map_err(|fault| match fault {
            Fault::Bytes(error) => OfflineError::Snapshot { file: path.to_owned(), error },
            Fault::Tree(error) => OfflineError::Tree { file: path.to_owned(), error },
        })
    }

    fn from_bytes(bytes: impl Read, keep: Keep, limit: usize) -> Result<SnapshotTree, Fault> {
        let (mut reader, header) = SnapshotReader::begin(bytes, limit)?;
        let mut tree = SnapshotTree {
            nodes: Vec::new(),
            by_path: HashMap::new(),
            sessions: header.sessions,
            unsound: None,
        };
        while let Some(node) = reader.node()? {
            let data = node.data.unwrap_or_default();
            tree.add(Node {
                path: node.path.into_owned(),
                stat: node.stat,
                data_length: data.len(),
                data: (keep == Keep::Data).then(|| data.to_vec()),
                children: Vec::new(),
            })?;
        }
        if tree.nodes.is_empty() {
            return Err(TreeFault::NoRoot.into());
        }
        tree.unsound = reader.finish().err();
        tree.count_quotas();
        Ok(tree)
    }

    /// What is used of each quota is counted anew while a tree is loaded, and written where it stands
    /// (DataTree.setupQuota): a snapshot that was taken among writes may say something older.
    fn count_quotas(&mut self) {
        let sums = self.sums();
        let mut counted = Vec::new();
        for node in &self.nodes {
            let limited = node.path.strip_prefix(QUOTAS);
            let Some(path) = limited.and_then(|rest| rest.strip_suffix(LIMITS)) else { continue };
            let Some(stats) = self.find(&format!("{QUOTAS}{path}{STATS}")) else { continue };
            let (count, bytes) = self.find(path).map_or((0, 0), |at| sums[at as usize]);
            counted.push((stats, format!("count={count},bytes={bytes}")));
        }
        for (at, text) in counted {
            let node = &mut self.nodes[at as usize];
            node.data_length = text.len();
            node.data = node.data.is_some().then(|| text.into_bytes());
        }
    }

    /// Nodes and bytes of each node and all beneath it.
    pub(super) fn sums(&self) -> Vec<(u64, u64)> {
        let own = |node: &Node| (1, node.data_length as u64);
        let mut sums: Vec<(u64, u64)> = self.nodes.iter().map(own).collect();
        // Children stand behind their parents.
        for at in (0..sums.len()).rev() {
            for child in &self.nodes[at].children {
                let (nodes, bytes) = sums[*child as usize];
                sums[at].0 += nodes;
                sums[at].1 += bytes;
            }
        }
        sums
    }

    fn add(&mut self, node: Node) -> Result<(), TreeFault> {
        let at = u32::try_from(self.nodes.len()).map_err(|_| TreeFault::TooMany(u32::MAX))?;
        match node.path.rsplit_once('/') {
            // The root comes first: every other node names its parent.
            None if self.nodes.is_empty() => {}
            None => return Err(TreeFault::Twice(node.path)),
            Some((parent, _)) => match self.by_path.get(parent) {
                Some(parent) => self.nodes[*parent as usize].children.push(at),
                None => {
                    let (parent, path) = (parent.to_owned(), node.path.clone());
                    return Err(TreeFault::NoParent { parent, path });
                }
            },
        }
        // A name without a slash would be a second root, whatever it is called.
        let key = if self.nodes.is_empty() { String::new() } else { node.path.clone() };
        if self.by_path.insert(key, at).is_some() {
            return Err(TreeFault::Twice(node.path));
        }
        self.nodes.push(node);
        Ok(())
    }

    /// A node's index; "/" and "" are the root.
    pub(super) fn find(&self, path: &str) -> Option<u32> {
        self.by_path.get(if path == "/" { "" } else { path }).copied()
    }

    pub(super) fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    /// The children of a node, in the order in which Java walks its set of them.
    pub(super) fn children(&self, at: u32) -> Vec<u32> {
        let children = &self.node(at).children;
        let hash = |child: &u32| order::of_text(name(&self.node(*child).path));
        let hashes: Vec<u32> = children.iter().map(hash).collect();
        let walked = order::walked(&hashes, order::CHILDREN_SLOTS);
        walked.into_iter().map(|at| children[at]).collect()
    }

    /// As they came.
    pub(super) fn unordered_children(&self, at: u32) -> &[u32] {
        &self.node(at).children
    }

    /// Session, timeout and count of ephemerals, in Java's order.
    pub(super) fn sessions(&self) -> Vec<(SessionId, i32, usize)> {
        let mut owned: HashMap<i64, usize> = HashMap::new();
        for node in &self.nodes {
            *owned.entry(node.stat.owner).or_default() += 1;
        }
        // A session that stands in it twice keeps its place and has the later timeout.
        let mut timeouts = BTreeMap::new();
        let mut ids: Vec<SessionId> = Vec::new();
        for (session, timeout) in &self.sessions {
            if timeouts.insert(*session, *timeout).is_none() {
                ids.push(*session);
            }
        }
        let hashes: Vec<u32> = ids.iter().map(|session| order::of_long(session.0)).collect();
        let walked = order::walked(&hashes, order::MAP_SLOTS);
        let one = |at: usize| {
            let session = ids[at];
            let ephemerals = owned.get(&session.0).copied().unwrap_or(0);
            (session, timeouts.get(&session).copied().unwrap_or(0), ephemerals)
        };
        walked.into_iter().map(one).collect()
    }

    /// The newest change of data or children that a node tells of.
    pub(super) fn newest(&self) -> Zxid {
        let of = |node: &Node| node.stat.mzxid.max(node.stat.pzxid);
        self.nodes.iter().map(of).max().unwrap_or(Zxid::ZERO)
    }
}

/// The last part of a path.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Why bytes are no tree.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Bytes(#[from] SnapshotError),
    #[error(transparent)]
    Tree(#[from] TreeFault),
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringkeeper::codec::snapfile::{SnapshotWriter, Tail};

    fn file(paths: &[&str]) -> Vec<u8> {
        let mut writer = SnapshotWriter::begin(Vec::new(), &[(SessionId(5), 7)], &[]).unwrap();
        for path in paths {
            let stat =
                StoredStat { owner: if *path == "/e" { 5 } else { 0 }, ..StoredStat::default() };
            writer.node(path, Some(b"xy"), -1, &stat).unwrap();
        }
        writer.finish(&Tail::default()).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<SnapshotTree, Fault> {
        SnapshotTree::from_bytes(bytes, Keep::Lengths, 1000)
    }

    #[test]
    fn nodes_are_found_and_counted() {
        let tree = read(&file(&["", "/e", "/a", "/a/b"])).unwrap();
        assert!(tree.unsound.is_none());
        let a = tree.find("/a").unwrap();
        assert_eq!(tree.node(tree.children(a)[0]).path, "/a/b");
        assert_eq!(tree.sessions(), [(SessionId(5), 7, 1)]);
        assert_eq!((tree.find("/"), tree.find("/a/"), tree.find("/c")), (Some(0), None, None));
    }

    #[test]
    fn what_is_no_tree_is_refused_and_what_is_cut_is_seen() {
        for paths in [&["", "/a/b"][..], &["", "/a", "/a"], &["", "x"], &["", ""], &[]] {
            assert!(matches!(read(&file(paths)), Err(Fault::Tree(_))), "{paths:?}");
        }
        let whole = file(&["", "/a"]);
        for end in 0..whole.len() {
            match read(&whole[..end]) {
                Ok(tree) => assert!(tree.unsound.is_some(), "{end}"),
                Err(fault) => assert!(matches!(fault, Fault::Bytes(_)), "{end}: {fault}"),
            }
        }
    }

    #[test]
    fn no_byte_of_a_file_brings_it_down() {
        // Goal: every byte turned: an error or a tree, no panic.
        let whole = file(&["", "/e", "/a", "/a/b", "/a/c"]);
        for at in 0..whole.len() {
            let mut turned = whole.clone();
            turned[at] ^= 0x81;
            if let Ok(tree) = read(&turned) {
                for at in 0..tree.nodes.len() as u32 {
                    tree.children(at);
                }
                tree.sessions();
            }
        }
    }
}
