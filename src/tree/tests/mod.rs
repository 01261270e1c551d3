//! The tree as a whole. What a part does alone is tested beside it.

mod changes;
mod replay;
mod restoring;
mod rules;
mod seam;
mod threads;

use std::sync::Arc;

use super::{Change, ChangeSink, NoSink, Outcome, ReapCursor, Tree, TreeOptions, TreeWriter};
use crate::codec::txn::{CreateTxn, CreateTxnKind, Op, SubTxn, Txn, TxnHeader};
use crate::types::{AclList, SessionId, TypeRules, WallMillis, Zxid, open_acl};

/// A tree, and transactions for it with rising zxids.
struct World {
    tree: Arc<Tree>,
    writer: TreeWriter,
    zxid: i64,
    session: SessionId,
}

const SESSION: SessionId = SessionId(0x0100_0000_0000_0001);

/// Wall clock of a test's transactions: a second each.
fn time_of(zxid: i64) -> WallMillis {
    WallMillis(1_700_000_000_000 + zxid * 1000)
}

fn header(session: SessionId, zxid: i64) -> TxnHeader {
    TxnHeader { session, cxid: 1, zxid: Zxid(zxid), time: time_of(zxid) }
}

impl World {
    fn new() -> World {
        let types = TypeRules { extended_types: true, emulate_353_ttl: false };
        let options = TreeOptions { shards: 16, hash_seed: 3, types, digest: true };
        let (tree, writer) = Tree::new(options);
        World { tree, writer, zxid: 0, session: SESSION }
    }

    fn apply(&mut self, txn: Txn) -> Outcome {
        self.zxid += 1;
        self.writer.apply(&header(self.session, self.zxid), &txn, &mut NoSink)
    }

    fn op(&mut self, op: Op) -> Outcome {
        self.apply(Txn::Op(op))
    }

    fn create(&mut self, path: &str, data: &str) -> Outcome {
        self.op(create(path, data))
    }

    fn ephemeral(&mut self, path: &str) -> Outcome {
        self.op(create_as(CreateTxnKind::Create { ephemeral: true }, path, "", -1))
    }

    fn delete(&mut self, path: &str) -> Outcome {
        self.op(delete(path))
    }

    fn data(&self, path: &str) -> Option<String> {
        let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
        self.tree.read(path, |node| node.and_then(|n| n.data().map(text))).0
    }

    fn stored(&self, path: &str) -> Option<crate::types::StoredStat> {
        self.tree.read(path, |node| node.map(|n| n.stored())).0
    }

    fn stat(&self, path: &str) -> Option<crate::types::Stat> {
        self.tree.read(path, |node| node.map(|n| n.stat())).0
    }

    fn children(&self, path: &str) -> Vec<String> {
        let (mut names, _) = self.tree.read(path, |node| {
            node.map(|n| n.children().map(str::to_owned).collect::<Vec<_>>()).unwrap_or_default()
        });
        names.sort();
        names
    }

    fn acl(&self, path: &str) -> Option<AclList> {
        self.tree.read(path, |node| node.map(|n| Arc::clone(n.acl()))).0
    }
}

#[test]
fn prefetching_changes_nothing() {
    // Goal: any paths, any number of them, and shards that are being written to.
    let mut world = World::new();
    for n in 0..100 {
        world.create(&format!("/n{n}"), &"x".repeat(n * 7));
    }
    let names: Vec<String> = (0..120).map(|n| format!("/n{n}")).collect();
    let mut paths: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    paths.extend([&b""[..], b"/", b"no path", &[0xff, 0, 0xfe]]);
    for few in 0..=crate::tree::PREFETCH + 1 {
        for some in paths.chunks(few.max(1)) {
            world.tree.prefetch(some);
        }
    }
    let spot = world.tree.locate("/n5");
    let held = world.tree.shards[spot.shard].0.write();
    world.tree.prefetch(&paths[..10]);
    drop(held);
    assert_eq!(world.data("/n99"), Some("x".repeat(99 * 7)));
}

fn create_as(kind: CreateTxnKind, path: &str, data: &str, parent_cversion: i32) -> Op {
    Op::Create(CreateTxn {
        kind,
        path: path.into(),
        data: Some(data.to_owned().into()),
        acl: open_acl(),
        parent_cversion,
    })
}

fn create(path: &str, data: &str) -> Op {
    create_as(CreateTxnKind::Create { ephemeral: false }, path, data, -1)
}

fn delete(path: &str) -> Op {
    Op::Delete { path: path.into() }
}

fn set_data(path: &str, data: &str, version: i32) -> Op {
    Op::SetData { path: path.into(), data: Some(data.to_owned().into()), version }
}

fn multi(ops: impl IntoIterator<Item = Op>) -> Txn {
    Txn::Multi(ops.into_iter().map(SubTxn::Op).collect())
}

/// Everything that can be seen of a tree, in one order.
fn picture(tree: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![String::new()];
    while let Some(path) = open.pop() {
        tree.read(&path, |node| {
            let node = node.unwrap_or_else(|| panic!("{path:?} is linked but missing"));
            let data = node.data().map(|d| String::from_utf8_lossy(d).into_owned());
            lines.push(format!("{path} {data:?} {:?} {:?}", node.stored(), node.acl()));
            open.extend(node.children().map(|name| format!("{path}/{name}")));
        });
    }
    lines.sort();
    assert_eq!(lines.len() + 1, tree.node_count(), "every node is linked");
    lines
}

/// As `assert_eq` of two pictures, showing only what differs.
fn assert_same(tree: &Tree, expected: &Tree, when: &str) {
    let (tree, expected) = (picture(tree), picture(expected));
    let only = |a: &[String], b: &[String]| {
        a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>()
    };
    let (more, less) = (only(&tree, &expected), only(&expected, &tree));
    assert!(more.is_empty() && less.is_empty(), "{when}: {more:#?} in place of {less:#?}");
}

/// Digest of what is there, reckoned without the tree's own sum.
fn digest_of(tree: &Tree) -> u64 {
    let mut open = vec![String::new()];
    let mut sum = 0u64;
    while let Some(path) = open.pop() {
        tree.read(&path, |node| {
            let Some(node) = node else { return };
            sum = sum.wrapping_add(super::digest::node_digest(&path, node.data(), &node.stored()));
            open.extend(node.children().map(|name| format!("{path}/{name}")));
        });
    }
    sum
}

/// Keeps what it is told.
#[derive(Default)]
struct Heard(Vec<Change>, usize);

impl ChangeSink for Heard {
    fn wants_changes(&self) -> bool {
        true
    }
    fn change(&mut self, change: Change) {
        self.0.push(change);
    }
    fn publish(&mut self) {
        self.1 += 1;
    }
}
