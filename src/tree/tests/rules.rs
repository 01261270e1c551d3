//! The rules of apply, one by one (storage.md section 7).

use super::*;
use crate::types::{Acl, ErrorCode, NodeKind, Perms, read_acl};

fn failed(code: ErrorCode) -> Outcome {
    Outcome::Failed(code)
}

#[test]
fn a_fresh_tree_is_javas() {
    let world = World::new();
    assert_eq!(world.tree.digest(), 0x51c6_d660);
    assert_eq!(world.tree.node_count(), 5);
    assert_eq!(world.tree.data_bytes(), 44);
    assert_eq!(world.stat("/").map(|s| (s.cversion, s.num_children)), Some((-1, 1)));
    assert_eq!(world.stat("/zookeeper").map(|s| s.cversion), Some(-2));
    assert_eq!(world.stored("/zookeeper/config").map(|s| s.aversion), Some(-1));
    assert_eq!(world.tree.acl_table(), [(1, read_acl())]);
    assert_eq!(world.data("/zookeeper/quota").as_deref(), Some(""));
    assert_eq!(world.children("/zookeeper"), ["config", "quota"]);
}

#[test]
fn create_of_a_live_server_gives_the_digest_it_logged() {
    // storage.md 14: create /a data "x", zxid 2.
    let mut world = World::new();
    let header =
        TxnHeader { session: SESSION, cxid: 1, zxid: Zxid(2), time: WallMillis(0x1a1f919ec5e) };
    let op = create_as(CreateTxnKind::Create { ephemeral: false }, "/a", "x", 1);
    let outcome = world.writer.apply(&header, &Txn::Op(op), &mut NoSink);
    assert_eq!(outcome, Outcome::Created { path: "/a".into(), stat: None });
    assert_eq!(world.tree.digest(), 0xf9aa_55fb);
    assert_eq!(world.tree.applied(), Zxid(2));
}
