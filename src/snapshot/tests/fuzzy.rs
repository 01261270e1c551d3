//! The tree changes while it is written; restoring and replaying must give the tree that the
//! transactions made.

use super::*;
use crate::codec::snapfile::SnapshotReader;
use crate::snapshot::replay::{Replayed, Replayer};
use crate::snapshot::walk::{AclTable, Walk, Walked};
use crate::snapshot::write::write_walk;
use crate::testing::workload::Workload;

pub(super) struct Trial {
    pub tree: Arc<Tree>,
    pub writer: TreeWriter,
    pub load: Workload,
}

impl Trial {
    pub(super) fn new(seed: u64) -> Trial {
        let (tree, writer) = new_tree();
        let mut trial = Trial { tree, writer, load: Workload::new(seed) };
        let before = trial.load.random.below(150);
        trial.steps(before);
        trial
    }

    pub(super) fn steps(&mut self, n: usize) {
        for _ in 0..n {
            self.load.step(&mut self.writer);
        }
    }

    /// A snapshot that begins now, in slices of `nodes` and, for children, `names`, with up to
    /// `between` transactions after each.
    fn fuzzy(&mut self, nodes: usize, names: usize, between: usize) -> (Zxid, Vec<u8>, Walked) {
        let at = self.load.zxid();
        let sessions: Vec<_> = self.load.sessions.clone().into_iter().collect();
        let tree = Arc::clone(&self.tree);
        let acls = AclTable::of(&tree);
        let walk = Walk::in_steps(at, acls.clone(), names);
        let options = options(at);
        let mut pace = |_| {
            let n = self.load.random.below(between + 1);
            self.steps(n);
            true
        };
        let parts = (&acls, walk, nodes);
        let (report, bytes) =
            write_walk(&tree, &sessions, &options, Vec::new(), parts, &mut pace).unwrap();
        assert_eq!(report.ended_at, self.load.zxid());
        assert_known_lists(&bytes);
        (at, bytes, report.walked)
    }

    /// Restores from `bytes` and the log behind `at` and compares with the live tree.
    fn restored(&self, at: Zxid, bytes: &[u8]) -> Replayed {
        let (copy, mut writer) = new_tree();
        let loaded = loaded(bytes, at, &mut writer).unwrap();
        let mut replayer = Replayer::new(&mut writer, at, loaded.sessions, true, loaded.digest);
        for entry in &self.load.log[at.0 as usize..] {
            replayer.entry(entry);
        }
        let replayed = replayer.finish();
        assert_eq!(without_use(dump(&copy)), without_use(dump(&self.tree)));
        assert_eq!(figures(&copy), figures(&self.tree));
        assert_eq!(replayed.sessions, self.load.sessions);
        assert_eq!(replayed.digests.mismatches, 0, "{:?}", replayed.digests);
        assert_eq!(replayed.digests.uncovered, None);
        assert_eq!(writer.unknown_acls(), 0);
        replayed
    }
}

/// Java throws where a node's list is wanted and the table lacks it.
fn assert_known_lists(bytes: &[u8]) {
    let (mut reader, header) = SnapshotReader::begin(bytes, FIELD_MAX).unwrap();
    while let Some(node) = reader.node().unwrap() {
        let known = node.acl_key == -1 || header.acls.iter().any(|(key, _)| *key == node.acl_key);
        assert!(known, "{} refers to list {}", node.path, node.acl_key);
    }
}

/// Nodes that count a quota's use are each server's own: their stats are not replicated.
pub(super) fn without_use(lines: Vec<String>) -> Vec<String> {
    let node = |line: String| {
        let own = line.contains("/zookeeper_stats ");
        if own { line.split(' ').take(3).collect::<Vec<_>>().join(" ") } else { line }
    };
    lines.into_iter().map(node).collect()
}

#[test]
fn replay_over_a_fuzzy_snapshot_gives_the_tree_the_transactions_made() {
    let (mut left_out, mut stand_ins, mut compared) = (0, 0, 0);
    for seed in 0..400 {
        let mut trial = Trial::new(seed);
        let nodes = 1 + trial.load.random.below(6);
        let names = 1 + trial.load.random.below(8);
        let (at, bytes, walked) = trial.fuzzy(nodes, names, 5);
        let after = trial.load.random.below(30);
        trial.steps(after);
        let replayed = trial.restored(at, &bytes);
        left_out += walked.left_out;
        stand_ins += walked.stand_ins;
        compared += replayed.digests.compared;
    }
    // The trials were fuzzy indeed.
    assert!(
        left_out > 400 && stand_ins > 30 && compared > 4000,
        "{left_out} {stand_ins} {compared}"
    );
}

/// The second snapshot is of a tree that came out of a fuzzy one.
#[test]
fn snapshots_of_restored_trees_are_sound_too() {
    for seed in 1000..1080 {
        let mut trial = Trial::new(seed);
        let (at, bytes, _) = trial.fuzzy(2, 3, 4);
        let (tree, mut writer) = new_tree();
        let first = loaded(&bytes, at, &mut writer).unwrap();
        let mut replayer = Replayer::new(&mut writer, at, first.sessions, true, first.digest);
        trial.load.log[at.0 as usize..].iter().for_each(|entry| replayer.entry(entry));
        replayer.finish();
        trial.tree = tree;
        trial.writer = writer;
        let (at, bytes, _) = trial.fuzzy(2, 3, 4);
        trial.steps(10);
        trial.restored(at, &bytes);
    }
}

#[test]
fn a_wide_node_gives_all_children_that_stay_while_others_come_and_go() {
    use crate::codec::txn::{CreateTxn, CreateTxnKind, Op, Txn, TxnHeader};
    use crate::tree::NoSink;
    use crate::types::{WallMillis, open_acl};

    let (tree, mut writer) = new_tree();
    let mut zxid = 0;
    let mut apply = |op: Op| {
        zxid += 1;
        let (session, time) = (SessionId(0), WallMillis(0));
        let header = TxnHeader { session, cxid: 0, zxid: Zxid(zxid), time };
        writer.apply(&header, &Txn::Op(op), &mut NoSink);
        Zxid(zxid)
    };
    let create = |path: String| {
        let kind = CreateTxnKind::Create { ephemeral: false };
        Op::Create(CreateTxn { kind, path, data: None, acl: open_acl(), parent_cversion: -1 })
    };
    apply(create("/w".to_owned()));
    let mut at = Zxid::ZERO;
    for n in 0..1000 {
        at = apply(create(format!("/w/{n}")));
    }
    let acls = AclTable::of(&tree);
    let mut walk = Walk::in_steps(at, acls, 50);
    let mut met = std::collections::BTreeSet::new();
    let mut round = 0;
    while let Some(node) = walk.next(&tree) {
        assert!(met.insert(node.path.to_owned()), "{} twice", node.path);
        if met.len() % 20 == 0 {
            // From the front, the back and the middle; and new ones, which are left out.
            for n in [round, 999 - round, 500 + round] {
                apply(Op::Delete { path: format!("/w/{n}") });
            }
            apply(create(format!("/w/{round}")));
            round += 1;
        }
    }
    for n in (round..500).chain(500 + round..1000 - round) {
        assert!(met.contains(&format!("/w/{n}")), "{n} is missing");
    }
    assert!(round > 20 && walk.walked().nodes as usize == met.len());
}
