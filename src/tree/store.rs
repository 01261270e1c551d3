//! The tree as its readers see it.
//!
//! Locks: a node's shard, shards in ascending order, and then, one at a time and never with
//! anything taken under it, one of `shown`, `index`, `acls` and `quotas`; but the end of a
//! transaction takes `shown` under `index`. Readers of those four hold no shard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::acl_cache::{AclCache, nobody};
use super::index::Index;
use super::limited::Trie;
use super::quota::{self, Quota, StatsTrack};
use super::shard::{Node, Seed, Shard};
use super::shown::Shown;
use super::writer::TreeWriter;
use crate::types::{AclList, SessionId, TypeRules, Zxid, open_acl};

/// How a tree is made.
#[derive(Clone, Copy, Debug)]
pub struct TreeOptions {
    /// Locks; a power of two, at most 65,536.
    pub shards: usize,
    /// Drawn at random by the shell: clients must not be able to aim at one shard.
    pub hash_seed: u64,
    /// How a stored owner tells a node's kind; the same on all servers.
    pub types: TypeRules,
    /// `zookeeper.digest.enabled`.
    pub digest: bool,
}

impl Default for TreeOptions {
    fn default() -> TreeOptions {
        TreeOptions { shards: 1024, hash_seed: 0, types: TypeRules::default(), digest: true }
    }
}

/// All znodes. Shared by every core; changed through the one [`TreeWriter`].
pub struct Tree {
    /// Each on its own cache lines, as readers on all cores write to the locks.
    pub(super) shards: Box<[Slot]>,
    pub(super) seed: Seed,
    pub(super) rules: TypeRules,
    pub(super) digests: bool,
    pub(super) open: AclList,
    /// The list of a node whose list is not known yet: see `restore`.
    pub(super) nobody: AclList,
    pub(super) has_quotas: AtomicBool,
    pub(super) shown: Shown<Published>,
    pub(super) index: Mutex<Index>,
    pub(super) acls: Mutex<AclCache>,
    pub(super) quotas: RwLock<Trie>,
}

#[repr(align(128))]
#[derive(Debug, Default)]
pub(super) struct Slot(pub RwLock<Shard>);

/// Twice as long, the shards together would need more of a core's cache than it has beside its
/// nodes: pipelined reads took a fifth more of a CPU.
const _: () = assert!(size_of::<Slot>() == 128);

/// Figures of the whole tree as of one transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub applied: Zxid,
    pub digest: u64,
    /// The root once.
    pub nodes: usize,
    pub data_bytes: i64,
    /// The newest transaction that a node's stat tells of. Not of the configuration node's: a server
    /// stamps that as its files say.
    pub shown: Zxid,
}

#[derive(Debug, Default)]
pub(super) struct Published {
    pub totals: Totals,
    /// Digests at every 128th zxid, the last 1024 of them (DataTree.digestLog).
    pub history: VecDeque<(Zxid, u64)>,
}

/// Nodes up to which a subtree is walked to be counted; for a larger one it is cheaper to look at
/// every path.
const WALK: usize = 4096;

/// Where a path lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub hash: u64,
    pub shard: usize,
}

/// Inside the tree the root is "".
pub(super) fn key_of(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

impl Tree {
    /// A tree with the nodes every tree has: /, /zookeeper, /zookeeper/quota, /zookeeper/config.
    #[allow(clippy::new_ret_no_self)] // A tree is never without its writer.
    pub fn new(options: TreeOptions) -> (Arc<Tree>, TreeWriter) {
        assert!(options.shards.is_power_of_two() && options.shards <= 1 << 16);
        let tree = Arc::new(Tree {
            shards: (0..options.shards).map(|_| Slot::default()).collect(),
            seed: Seed(options.hash_seed),
            rules: options.types,
            digests: options.digest,
            open: open_acl(),
            nobody: nobody(),
            has_quotas: AtomicBool::new(false),
            shown: Shown::default(),
            index: Mutex::default(),
            acls: Mutex::new(AclCache::new(options.hash_seed)),
            quotas: RwLock::new(Trie::new(options.hash_seed)),
        });
        let mut writer = TreeWriter::new(Arc::clone(&tree));
        writer.reset();
        (tree, writer)
    }

    /// Runs `f` on the node with its shard read-locked; "" and "/" both name the root. Also gives
    /// the zxid of the last transaction applied to that shard: a reply must not leave before the
    /// changes up to it have been drained from the stream (I7). `f` must not read the tree again.
    pub fn read<R>(&self, path: &str, f: impl FnOnce(Option<Node<'_>>) -> R) -> (R, Zxid) {
        let key = key_of(path);
        let spot = self.locate(key);
        let shard = self.shards[spot.shard].0.read();
        let answer = f(self.node(&shard, key, spot));
        (answer, shard.zxid)
    }

    /// As [`Self::read`], with the list that says who may hear of this path: the node's own, or that
    /// of the node that was there last. What nothing is known of is open: that nothing is there is
    /// no secret.
    pub fn read_or_gone<R>(
        &self,
        path: &str,
        f: impl FnOnce(Option<Node<'_>>, &AclList) -> R,
    ) -> (R, Zxid) {
        let key = key_of(path);
        let spot = self.locate(key);
        let shard = self.shards[spot.shard].0.read();
        let node = self.node(&shard, key, spot);
        let answer = match &node {
            Some(here) => {
                let list = AclList::clone(here.acl());
                f(node, &list)
            }
            None => f(None, shard.gone.list(spot.hash).unwrap_or(&self.open)),
        };
        (answer, shard.zxid)
    }

    /// As [`Self::read`] for several paths at one moment: no transaction comes between. `f` is
    /// called once for each path, in order. The zxid is the highest of the shards'.
    pub fn read_many(&self, paths: &[&str], mut f: impl FnMut(usize, Option<Node<'_>>)) -> Zxid {
        let spots: Vec<Spot> = paths.iter().map(|path| self.locate(key_of(path))).collect();
        let wanted: BTreeSet<usize> = spots.iter().map(|spot| spot.shard).collect();
        let held: Vec<(usize, RwLockReadGuard<'_, Shard>)> =
            wanted.into_iter().map(|shard| (shard, self.shards[shard].0.read())).collect();
        for (n, (path, spot)) in paths.iter().zip(&spots).enumerate() {
            let shard = held.binary_search_by_key(&spot.shard, |(shard, _)| *shard);
            let node = shard.ok().and_then(|at| self.node(&held[at].1, key_of(path), *spot));
            f(n, node);
        }
        held.iter().map(|(_, shard)| shard.zxid).max().unwrap_or_default()
    }

    /// The newest change in any shard, each asked under its lock: a change that was under way when
    /// this was called is in it.
    pub fn newest_change(&self) -> Zxid {
        self.shards.iter().map(|shard| shard.0.read().zxid).max().unwrap_or_default()
    }

    /// The last transaction applied to the tree. Says nothing of what a reader has seen: that is for
    /// what it has read to say.
    pub fn applied(&self) -> Zxid {
        Zxid(self.shown.applied())
    }

    /// The newest transaction that a stat in this tree tells of: created, changed, or a child created or
    /// deleted. It never falls from one transaction to the next, for what a deletion takes away the
    /// parent tells of.
    pub fn shown(&self) -> Zxid {
        self.totals().shown
    }

    /// Digest, and the last zxid that is in it.
    pub fn digest_at(&self) -> (Zxid, u64) {
        let totals = self.totals();
        (totals.applied, totals.digest)
    }

    /// Sum of the node digests; 0 if switched off.
    pub fn digest(&self) -> u64 {
        self.totals().digest
    }

    /// Digests at every 128th zxid, oldest first (the `hash` command).
    pub fn digest_history(&self) -> Vec<(Zxid, u64)> {
        self.shown.look(|shown| shown.history.iter().copied().collect())
    }

    /// As Java counts: the root, being reachable by two names, counts twice.
    pub fn node_count(&self) -> usize {
        let nodes = self.totals().nodes;
        if nodes == 0 { 0 } else { nodes + 1 }
    }

    /// Characters of paths plus bytes of data (DataTree.cachedApproximateDataSize): quota stats
    /// count with the size they were created with.
    pub fn data_bytes(&self) -> i64 {
        self.totals().data_bytes
    }

    /// Of all sessions.
    pub fn ephemeral_count(&self) -> usize {
        self.index.lock().ephemeral_count()
    }

    /// Their paths, in order.
    pub fn ephemerals_of(&self, session: SessionId) -> Vec<String> {
        self.index.lock().ephemerals_of(session).map(str::to_owned).collect()
    }

    /// The same, and the last transaction that may show in it: see [`Self::read`].
    pub fn ephemerals_seen(&self, session: SessionId) -> (Vec<String>, Zxid) {
        let index = self.index.lock();
        (index.ephemerals_of(session).map(str::to_owned).collect(), index.zxid)
    }

    /// How many each session has.
    pub fn ephemeral_counts(&self) -> BTreeMap<SessionId, u64> {
        let index = self.index.lock();
        index
            .sessions()
            .map(|session| (session, index.ephemerals_of(session).count() as u64))
            .collect()
    }

    /// By id.
    pub fn sessions_with_ephemerals(&self) -> Vec<SessionId> {
        self.index.lock().sessions().collect()
    }

    /// Nodes under `path`, not counting it; `None` if it is missing (getAllChildrenNumber). Not a
    /// picture of one moment when there are writes meanwhile; the zxid is the highest that may show
    /// in it.
    pub fn descendants(&self, path: &str) -> (Option<i32>, Zxid) {
        let root = key_of(path);
        let (is_there, seen) = self.read(root, |node| node.is_some());
        if !is_there {
            return (None, seen);
        }
        if root.is_empty() {
            let totals = self.totals();
            return (Some(totals.nodes.saturating_sub(1) as i32), totals.applied);
        }
        let (count, seen) = self.count_beneath(root);
        (Some(count as i32), seen)
    }

    /// How many nodes [`Self::descendants`] has looked at, which found so many.
    pub fn looked_at_beneath(&self, path: &str, found: usize) -> usize {
        match found {
            _ if key_of(path).is_empty() => 0,
            0..=WALK => found,
            _ => self.totals().nodes,
        }
    }

    /// Nodes whose access list nobody has told: see [`TreeWriter::unknown_acls`].
    pub fn unknown_acls(&self) -> usize {
        self.acls.lock().missing_nodes()
    }

    /// The lists of all nodes that have other than the open one, by key.
    pub fn acl_table(&self) -> Vec<(i64, AclList)> {
        self.acls.lock().table()
    }

    /// The quota of the nearest registered ancestor, or of the node itself
    /// (DataTree.getMaxPrefixWithQuota). `None` also when its limits node is gone.
    pub fn quota_of(&self, path: &str) -> Option<Quota> {
        let prefix = self.quota_prefix(path)?;
        let track = |path: String| {
            let parse = |node: Node<'_>| StatsTrack::parse(node.data().unwrap_or_default());
            self.read(&path, |node| node.map(parse)).0
        };
        let limits = track(quota::limits_path(&prefix))?;
        let usage = track(quota::stats_path(&prefix));
        Some(Quota { prefix, limits, usage })
    }

    fn totals(&self) -> Totals {
        self.shown.look(|shown| shown.totals)
    }

    pub(super) fn quota_prefix(&self, path: &str) -> Option<String> {
        if !self.has_quotas.load(Ordering::SeqCst) {
            return None;
        }
        self.quotas.read().longest(path)
    }

    pub(super) fn locate(&self, key: &str) -> Spot {
        self.locate_bytes(key.as_bytes())
    }

    pub(super) fn locate_bytes(&self, key: &[u8]) -> Spot {
        let hash = self.seed.hash(key);
        Spot { hash, shard: Seed::shard(hash, self.shards.len()) }
    }

    pub(super) fn node<'a>(&'a self, shard: &'a Shard, key: &str, spot: Spot) -> Option<Node<'a>> {
        let record = shard.find(key, spot.hash)?;
        Some(Node { record, shard, tree: self })
    }

    fn count_beneath(&self, root: &str) -> (usize, Zxid) {
        let mut open = vec![root.to_owned()];
        let (mut count, mut newest) = (0, Zxid::ZERO);
        while let Some(path) = open.pop() {
            let ((), seen) = self.read(&path, |node| {
                let Some(node) = node else { return };
                count += node.child_count();
                if count <= WALK {
                    open.extend(node.children().map(|name| format!("{path}/{name}")));
                }
            });
            newest = newest.max(seen);
            if count > WALK {
                return self.scan_beneath(root);
            }
        }
        (count, newest)
    }

    fn scan_beneath(&self, root: &str) -> (usize, Zxid) {
        let prefix = format!("{root}/");
        let beneath = |shard: &Shard| {
            let mine = shard.records().filter(|r| r.path().starts_with(prefix.as_bytes()));
            (mine.count(), shard.zxid)
        };
        self.shards
            .iter()
            .map(|slot| beneath(&slot.0.read()))
            .fold((0, Zxid::ZERO), |(count, newest), (more, seen)| (count + more, newest.max(seen)))
    }
}
