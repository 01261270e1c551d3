//! The single writer: which shards a transaction needs, and the frame around its effects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::RwLockWriteGuard;

use super::apply::Work;
use super::index::Index;
use super::quota;
use super::shard::Shard;
use super::store::{Published, Totals, Tree, key_of};
use super::{CONFIG_PATH, ChangeSink, NoSink, Outcome, QUOTA_PATH, ZOOKEEPER_PATH};
use crate::codec::txn::{Op, SubTxn, Txn, TxnHeader};
use crate::types::{ErrorCode, NodeKind, SessionId, WallMillis, Zxid, parent_and_name};

/// The one who may change the tree: committed transactions only, in zxid order (I6).
pub struct TreeWriter {
    tree: Arc<Tree>,
    state: State,
}

/// A tree that nobody sees any more.
pub struct Cleared {
    _shards: Vec<Shard>,
    _index: Index,
}

/// What the writer keeps between and during transactions.
#[derive(Default)]
pub(super) struct State {
    /// As published after the last transaction.
    pub totals: Totals,
    /// Changes of the index, made all at once when the nodes are done.
    pub edits: Vec<Edit>,
    /// Whether digests enter the history.
    pub keep_history: bool,
}

/// A change of the index.
pub(super) struct Edit {
    pub path: Box<str>,
    pub kind: NodeKind,
    pub added: bool,
}

/// The shards to be locked.
enum Plan {
    /// The one that a change of one node takes: the most frequent plan, which allocates nothing.
    Shard(usize),
    Shards(Vec<usize>),
    /// For what reaches further than its paths tell.
    All,
}

/// Shards of the transaction under way, write-locked until it is done.
pub(super) enum Held<'a> {
    One(usize, RwLockWriteGuard<'a, Shard>),
    /// Ascending.
    Some(Vec<(usize, RwLockWriteGuard<'a, Shard>)>),
    All(Vec<RwLockWriteGuard<'a, Shard>>),
}

impl Held<'_> {
    pub(super) fn shard(&mut self, shard: usize) -> &mut Shard {
        match self {
            Held::One(at, guard) => {
                assert!(*at == shard, "the plan names every shard a transaction touches");
                guard
            }
            Held::All(guards) => &mut guards[shard],
            Held::Some(guards) => {
                let at = guards.binary_search_by_key(&shard, |(shard, _)| *shard);
                assert!(at.is_ok(), "the plan names every shard a transaction touches");
                &mut guards[at.unwrap_or_default()].1
            }
        }
    }

    pub(super) fn each(&mut self, mut f: impl FnMut(&mut Shard)) {
        match self {
            Held::One(_, guard) => f(guard),
            Held::All(guards) => guards.iter_mut().for_each(|guard| f(guard)),
            Held::Some(guards) => guards.iter_mut().for_each(|(_, guard)| f(guard)),
        }
    }
}

impl TreeWriter {
    pub(super) fn new(tree: Arc<Tree>) -> TreeWriter {
        TreeWriter { tree, state: State { keep_history: true, ..State::default() } }
    }

    /// What readers share.
    pub fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// Applies a committed transaction, live or replayed (DataTree.processTxn). A failure of a
    /// replayed one is part of replay and leaves exactly the effects that
    /// tools/docs/reference/storage.md section 7 names.
    pub fn apply(&mut self, header: &TxnHeader, txn: &Txn, sink: &mut dyn ChangeSink) -> Outcome {
        let leftovers = self.leftovers(header.session, txn);
        let plan = self.plan(txn, &leftovers);
        self.locked(plan, header, sink, |work| work.txn(txn, &leftovers))
    }

    /// Puts the configuration a server starts with into /zookeeper/config, which it makes if a
    /// snapshot of an old server lacks it (ZKDatabase.initConfigInZKDatabase). Not a transaction:
    /// `version`, the configuration's, becomes the node's mzxid and nothing else's.
    pub fn init_config(
        &mut self,
        config: &[u8],
        version: Zxid,
        now: WallMillis,
        sink: &mut dyn ChangeSink,
    ) {
        let header = TxnHeader { session: SessionId(0), cxid: 0, zxid: Zxid::ZERO, time: now };
        self.locked(Plan::All, &header, sink, |work| {
            work.plant_config();
            work.zxid = version;
            work.set_data(CONFIG_PATH, Some(config), -1);
            work.zxid = Zxid::ZERO;
        });
    }

    /// Removes every node, the root too: what a snapshot is restored into.
    pub fn clear(&mut self) {
        drop(self.take_out());
    }

    /// As [`TreeWriter::clear`]; what was there is given out, for it takes its time to be freed.
    pub fn take_out(&mut self) -> Cleared {
        let shards = self.tree.shards.iter().map(|slot| std::mem::take(&mut *slot.0.write()));
        let _shards = shards.collect();
        self.state.totals = Totals::default();
        self.state.edits.clear();
        self.tree.shown.reset(Published::default());
        let _index = std::mem::take(&mut *self.tree.index.lock());
        self.tree.acls.lock().clear();
        self.tree.quotas.write().clear();
        self.tree.has_quotas.store(false, Ordering::SeqCst);
        Cleared { _shards, _index }
    }

    /// Back to the tree of [`Tree::new`] (DataTree's constructor).
    pub fn reset(&mut self) {
        self.clear();
        let header =
            TxnHeader { session: SessionId(0), cxid: 0, zxid: Zxid::ZERO, time: WallMillis(0) };
        self.locked(Plan::All, &header, &mut NoSink, |work| {
            for path in ["", ZOOKEEPER_PATH, QUOTA_PATH] {
                work.plant(path);
            }
            work.plant_config();
            // The root is counted under its second name, too.
            work.state.totals.data_bytes += 1;
        });
        self.keep_history(true);
    }

    /// Whether digests enter the history; not while the tree is still fuzzy.
    pub fn keep_history(&mut self, keep: bool) {
        self.state.keep_history = keep;
    }

    pub(super) fn locked_all<R>(&mut self, zxid: Zxid, f: impl FnOnce(&mut Work<'_>) -> R) -> R {
        let header = TxnHeader { session: SessionId(0), cxid: 0, zxid, time: WallMillis(0) };
        self.locked(Plan::All, &header, &mut NoSink, f)
    }

    pub(super) fn state(&mut self) -> (&Tree, &mut State) {
        (&self.tree, &mut self.state)
    }

    fn locked<R>(
        &mut self,
        plan: Plan,
        header: &TxnHeader,
        sink: &mut dyn ChangeSink,
        f: impl FnOnce(&mut Work<'_>) -> R,
    ) -> R {
        let tree = &*self.tree;
        let held = match plan {
            Plan::All => Held::All(tree.shards.iter().map(|slot| slot.0.write()).collect()),
            Plan::Shard(shard) => Held::One(shard, tree.shards[shard].0.write()),
            Plan::Shards(shards) => Held::Some(
                shards.into_iter().map(|shard| (shard, tree.shards[shard].0.write())).collect(),
            ),
        };
        let wanted = sink.wants_changes();
        let mut work = Work {
            tree,
            held,
            state: &mut self.state,
            sink,
            wanted,
            changed: false,
            session: header.session,
            zxid: header.zxid,
            time: header.time,
        };
        let result = f(&mut work);
        work.finish();
        result
    }

    /// Ephemerals of a closing session that its transaction does not name.
    fn leftovers(&self, session: SessionId, txn: &Txn) -> Vec<String> {
        let Txn::CloseSession { paths } = txn else {
            return Vec::new();
        };
        let named: BTreeSet<&str> = paths.iter().flatten().map(String::as_str).collect();
        let index = self.tree.index.lock();
        let left = index.ephemerals_of(session).filter(|path| !named.contains(path));
        left.map(str::to_owned).collect()
    }

    fn plan(&self, txn: &Txn, leftovers: &[String]) -> Plan {
        let mut planner = Planner { tree: &self.tree, one: None, shards: Vec::new(), all: false };
        match txn {
            Txn::CreateSession { .. } | Txn::Error(_) => {}
            Txn::CloseSession { paths } => {
                let named = paths.iter().flatten();
                named.chain(leftovers).for_each(|path| planner.delete(path));
            }
            Txn::Op(op) => planner.op(op),
            Txn::Multi(subs) if !subs.iter().any(|sub| matches!(sub, SubTxn::Error(_))) => {
                for sub in subs {
                    if let SubTxn::Op(op) = sub {
                        planner.op(op);
                    }
                }
                planner.all |= creates_beneath_deletes(subs);
            }
            Txn::Multi(_) => {}
            Txn::Reconfig { .. } => planner.set_data(CONFIG_PATH),
        }
        planner.plan()
    }
}

struct Planner<'a> {
    tree: &'a Tree,
    /// The first shard, as long as it is the only one.
    one: Option<usize>,
    shards: Vec<usize>,
    all: bool,
}

impl Planner<'_> {
    fn op(&mut self, op: &Op) {
        match op {
            Op::Create(create) => self.node_and_parent(&create.path),
            Op::Delete { path } | Op::DeleteContainer { path } => self.delete(path),
            Op::SetData { path, .. } => self.set_data(path),
            Op::SetAcl { path, .. } => self.node(path),
            Op::Check { .. } => {}
        }
    }

    fn set_data(&mut self, path: &str) {
        self.node(path);
        self.quota(path);
    }

    fn delete(&mut self, path: &str) {
        self.node_and_parent(path);
        // Only in fuzzy replay, or when a multi removes a whole subtree.
        self.all |= self.tree.read(path, |node| node.is_some_and(|n| n.child_count() > 0)).0;
    }

    fn node_and_parent(&mut self, path: &str) {
        if let Some((parent, _)) = parent_and_name(path) {
            self.node(path);
            self.node(parent);
            self.quota(path);
            // Limits may come into force or out of it within this very transaction, and new
            // stats are summed up over their subtree.
            self.all |= path.ends_with(quota::LIMITS_NODE) || path.ends_with(quota::STATS_NODE);
        }
    }

    fn node(&mut self, path: &str) {
        let shard = self.tree.locate(key_of(path)).shard;
        match self.one {
            None if self.shards.is_empty() => self.one = Some(shard),
            Some(one) if one == shard => {}
            one => {
                self.shards.extend(one);
                self.shards.push(shard);
                self.one = None;
            }
        }
    }

    fn quota(&mut self, path: &str) {
        if let Some(prefix) = self.tree.quota_prefix(path) {
            self.node(&quota::stats_path(&prefix));
        }
    }

    fn plan(mut self) -> Plan {
        if self.all {
            return Plan::All;
        }
        if let Some(shard) = self.one {
            return Plan::Shard(shard);
        }
        self.shards.sort_unstable();
        self.shards.dedup();
        Plan::Shards(self.shards)
    }
}

/// No leader makes such a transaction; one that did would delete children that were not
/// there when the plan was made.
fn creates_beneath_deletes(subs: &[SubTxn]) -> bool {
    let deleted: BTreeSet<&str> = subs
        .iter()
        .filter_map(|sub| match sub {
            SubTxn::Op(Op::Delete { path } | Op::DeleteContainer { path }) => Some(path.as_str()),
            _ => None,
        })
        .collect();
    let mut creates = subs.iter().filter_map(|sub| match sub {
        SubTxn::Op(Op::Create(create)) => parent_and_name(&create.path),
        _ => None,
    });
    !deleted.is_empty() && creates.any(|(parent, _)| deleted.contains(parent))
}

/// The answers of a multi of which one operation failed: nothing of it is applied.
pub(super) fn failed_multi(subs: &[SubTxn]) -> Outcome {
    let mut before = true;
    let results = subs.iter().map(|sub| match sub {
        SubTxn::Error(code) => {
            before = false;
            Outcome::Failed(*code)
        }
        SubTxn::Op(_) if before => Outcome::Failed(ErrorCode::Ok),
        SubTxn::Op(_) => Outcome::Failed(ErrorCode::RuntimeInconsistency),
    });
    Outcome::Multi(results.collect())
}
