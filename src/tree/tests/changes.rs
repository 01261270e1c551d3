//! What watches are told, and when.

use super::*;
use crate::tree::ChangeKind::{self, *};
use crate::types::read_acl;

fn told(world: &mut World, txn: Txn) -> (Vec<(ChangeKind, String)>, Heard) {
    let mut heard = Heard::default();
    world.zxid += 1;
    world.writer.apply(&header(SESSION, world.zxid), &txn, &mut heard);
    let list = heard.0.iter().map(|c| (c.kind, c.path.to_string())).collect();
    (list, heard)
}

#[test]
fn changes_carry_the_lists_their_readers_are_checked_against() {
    let mut world = World::new();
    world.op(Op::SetAcl { path: "/".into(), acl: read_acl(), version: 1 });
    let (list, heard) = told(&mut world, Txn::Op(create("/a", "")));
    assert_eq!(list, [(Created, "/a".into())]);
    assert_eq!(heard.0[0].acl, open_acl());
    assert_eq!(heard.0[0].parent_acl, Some(read_acl()));
    assert_eq!(heard.0[0].zxid, Zxid(2));

    world.op(Op::SetAcl { path: "/a".into(), acl: read_acl(), version: 1 });
    let (list, heard) = told(&mut world, Txn::Op(set_data("/a", "x", 1)));
    assert_eq!(list, [(DataChanged, "/a".into())]);
    assert_eq!((&heard.0[0].acl, &heard.0[0].parent_acl), (&read_acl(), &None));

    let (list, heard) = told(&mut world, Txn::Op(delete("/a")));
    assert_eq!(list, [(Deleted, "/a".into())]);
    assert_eq!((&heard.0[0].acl, &heard.0[0].parent_acl), (&read_acl(), &Some(read_acl())));
    assert_eq!(told(&mut world, Txn::Op(set_data("/", "x", 1))).0, [(DataChanged, "/".into())]);
}

#[test]
fn a_multi_tells_each_change_in_order_and_publishes_once() {
    let mut world = World::new();
    let ops = [create("/a", ""), set_data("/a", "x", 1), create("/a/b", ""), delete("/a/b")];
    let (list, heard) = told(&mut world, multi(ops));
    let expected = [(Created, "/a"), (DataChanged, "/a"), (Created, "/a/b"), (Deleted, "/a/b")];
    assert_eq!(list, expected.map(|(kind, path)| (kind, path.to_owned())));
    assert_eq!(heard.1, 1);
}

#[test]
fn a_closed_session_tells_each_ephemeral() {
    let mut world = World::new();
    for path in ["/c", "/a", "/b"] {
        world.ephemeral(path);
    }
    let paths = Some(vec!["/b".to_owned()]);
    let (list, _) = told(&mut world, Txn::CloseSession { paths });
    assert_eq!(list, ["/b", "/a", "/c"].map(|path| (Deleted, path.to_owned())));
}

#[test]
fn what_changes_no_node_is_not_told() {
    let mut world = World::new();
    world.create("/a", "");
    let acl = Txn::Op(Op::SetAcl { path: "/a".into(), acl: read_acl(), version: 1 });
    for txn in [acl, Txn::Op(create("/a", "")), Txn::Op(delete("/b")), multi([])] {
        let (list, heard) = told(&mut world, txn);
        assert!(list.is_empty() && heard.1 == 0);
    }
}

#[test]
fn reconfig_is_a_change_of_the_config_node() {
    let mut world = World::new();
    let (list, heard) = told(&mut world, Txn::Reconfig { config: None, version: -1 });
    assert_eq!(list, [(DataChanged, "/zookeeper/config".into())]);
    assert_eq!(heard.0[0].acl, read_acl());
}
