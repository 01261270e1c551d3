//! A tree far deeper than its stack: it is made, written, loaded, replayed over, sent in pieces, and
//! taken apart by threads whose stacks have no room for one frame a level.

use super::*;
use crate::codec::txn::{CreateTxn, CreateTxnKind, Op, Txn, TxnHeader};
use crate::snapshot::walk::{AclTable, Walk};
use crate::snapshot::{StreamLoad, StreamSource};
use crate::tree::NoSink;
use crate::types::{WallMillis, open_acl};

/// Levels of two bytes each: their paths take the square of it, 100 MB.
const LEVELS: usize = 10_000;

/// 26 bytes a level: as if a tree 80,000 deep were walked on the 2 MiB that a thread has.
const STACK: usize = LEVELS * 26;

const OWNER: SessionId = SessionId(7);

fn path(level: usize) -> String {
    "/a".repeat(level)
}

/// One transaction on the tree.
fn apply(writer: &mut TreeWriter, zxid: i64, op: Op) {
    let header = TxnHeader { session: OWNER, cxid: 0, zxid: Zxid(zxid), time: WallMillis(zxid) };
    writer.apply(&header, &Txn::Op(op), &mut NoSink);
}

fn create(level: usize, ephemeral: bool) -> Op {
    let kind = CreateTxnKind::Create { ephemeral };
    Op::Create(CreateTxn {
        kind,
        path: path(level),
        data: None,
        acl: open_acl(),
        parent_cversion: -1,
    })
}

/// The tree, with an ephemeral at its bottom, and the last transaction in it.
fn deep_tree() -> (Arc<Tree>, TreeWriter, i64) {
    let (tree, mut writer) = new_tree();
    (1..=LEVELS).for_each(|level| apply(&mut writer, level as i64, create(level, level == LEVELS)));
    (tree, writer, LEVELS as i64)
}

fn assert_deep(tree: &Tree) {
    assert_eq!(tree.node_count(), LEVELS + 5);
    assert_eq!(tree.descendants("/a").0, Some(LEVELS as i32 - 1));
    let near = path(LEVELS - 100);
    assert_eq!(tree.descendants(&near).0, Some(100), "counted by a walk");
    assert_eq!(tree.ephemerals_of(OWNER), [path(LEVELS)]);
}

#[test]
fn a_deep_tree_needs_no_deep_stack() {
    let work = || {
        let (tree, mut writer, last) = deep_tree();
        assert_deep(&tree);

        let bytes = written(&tree, &[(OWNER, 1)], &options(Zxid(last)));
        let (restored, mut into) = new_tree();
        loaded(&bytes, Zxid(last), &mut into).unwrap();
        drop(bytes);
        assert_deep(&restored);
        assert_eq!(restored.digest(), tree.digest());
        // A learner's tree is replaced whole.
        into.clear();
        assert_eq!(restored.node_count(), 0);

        let acls = AclTable::of(&tree);
        let walk = Walk::new(Zxid(last), acls.clone());
        let mut source = StreamSource::of_walk(vec![(OWNER, 1)], acls, walk, 100);
        let (mut load, _) = StreamLoad::begin(FIELD_MAX, &mut into);
        let mut done = false;
        while !done {
            let mut piece = Vec::new();
            done = source.next_piece(&tree, &mut piece);
            load.feed(&piece, &mut into).unwrap();
        }
        load.finish(Zxid(last), &mut into).unwrap();
        assert_deep(&restored);

        for level in (1..=LEVELS).rev() {
            let zxid = last + (LEVELS - level) as i64 + 1;
            apply(&mut writer, zxid, Op::Delete { path: path(level) });
        }
        assert_eq!(tree.node_count(), 5);
        // The other one is dropped as it is.
        drop((restored, into));
    };
    std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
}
