//! Snapshots, sound and otherwise.

use super::*;
use crate::tree::RestoreError;
use crate::types::{Acl, ErrorCode, Perms, StoredStat, read_acl};

fn stat(czxid: i64) -> StoredStat {
    StoredStat::created(Zxid(czxid), time_of(czxid), 0)
}

fn emptied() -> World {
    let mut world = World::new();
    world.ephemeral("/gone");
    world.create("/zookeeper/quota/zookeeper_limits", "");
    world.writer.clear();
    world
}

#[test]
fn a_cleared_tree_is_empty_and_a_reset_one_new() {
    let mut world = emptied();
    assert_eq!((world.tree.node_count(), world.tree.digest()), (0, 0));
    assert_eq!((world.tree.data_bytes(), world.tree.ephemeral_count()), (0, 0));
    assert!(world.tree.acl_table().is_empty() && world.stat("/").is_none());
    assert_eq!(world.tree.applied(), Zxid::ZERO);
    world.writer.reset();
    let fresh = World::new();
    assert_eq!(picture(&world.tree), picture(&fresh.tree));
    assert_eq!(world.tree.digest_at(), fresh.tree.digest_at());
    assert_eq!(world.tree.data_bytes(), 44);
}

/// The newest zxid of all stats but the configuration node's.
fn newest(tree: &Tree) -> Zxid {
    let (mut open, mut newest) = (vec![String::new()], Zxid::ZERO);
    while let Some(path) = open.pop() {
        tree.read(&path, |node| {
            let Some(node) = node else { return };
            let stat = node.stored();
            if path != "/zookeeper/config" {
                newest = newest.max(stat.czxid).max(stat.mzxid).max(stat.pzxid);
            }
            open.extend(node.children().map(|name| format!("{path}/{name}")));
        });
    }
    newest
}

#[test]
fn what_a_tree_shows_never_falls() {
    // Goal: through every kind of change, also where all that told of the newest is deleted; sessions,
    // access lists, failures and the configuration show nothing; a restored tree shows what it has.
    let mut world = World::new();
    let mut before = Zxid::ZERO;
    let steps = [
        (create("/a", ""), true),
        (create("/a/b", ""), true),
        (set_data("/a/b", "x", 1), true),
        (delete("/a/b"), true),
        (delete("/a/b"), false),
        (create("/a", ""), false),
        (set_data("/no", "x", 1), false),
        (Op::SetAcl { path: "/a".into(), acl: read_acl(), version: 1 }, false),
        (delete("/a"), true),
    ];
    for (step, (op, shows)) in steps.into_iter().enumerate() {
        world.op(op);
        let shown = if shows { Zxid(world.zxid) } else { before };
        assert_eq!(world.tree.shown(), shown, "step {step}");
        assert!(!shows || newest(&world.tree) == shown, "step {step}");
        before = shown;
    }
    world.apply(Txn::CreateSession { timeout: 1000 });
    world.writer.init_config(b"version=900", Zxid(0x900), time_of(1), &mut NoSink);
    assert_eq!(world.tree.shown(), before);
    world.ephemeral("/e");
    world.apply(Txn::CloseSession { paths: None });
    assert_eq!((world.tree.shown(), newest(&world.tree)), (Zxid(world.zxid), Zxid(world.zxid)));

    let mut world = emptied();
    assert_eq!(world.tree.shown(), Zxid::ZERO);
    let config = StoredStat { mzxid: Zxid(70), ..stat(0) };
    for (path, stat) in [("", stat(0)), ("/zookeeper", stat(0)), ("/zookeeper/config", config)] {
        world.writer.restore_node(path, None, -1, &stat).unwrap();
    }
    world.writer.restore_node("/x", None, -1, &StoredStat { pzxid: Zxid(7), ..stat(5) }).unwrap();
    world.writer.finish_restore(Zxid(90)).unwrap();
    assert_eq!(world.tree.shown(), Zxid(7));
}

#[test]
fn what_is_no_tree_is_refused() {
    let mut world = emptied();
    assert_eq!(world.writer.finish_restore(Zxid(5)), Err(RestoreError::NoRoot));
    world.writer.restore_node("", None, -1, &stat(0)).unwrap();
    let orphan = world.writer.restore_node("/a/b", None, -1, &stat(1));
    assert!(matches!(orphan, Err(RestoreError::Orphan { .. })));
    let relative = world.writer.restore_node("a", None, -1, &stat(1));
    assert!(matches!(relative, Err(RestoreError::NotAbsolute(_))));
}

#[test]
fn a_restored_tree_is_read_as_of_the_snapshot() {
    let mut world = emptied();
    let list: AclList = Arc::from([Acl::new(Perms::READ, "digest", "u:h")]);
    world.writer.restore_acls([(3, Arc::clone(&list)), (8, read_acl())]);
    world.writer.restore_node("", Some(b"r"), -1, &stat(0)).unwrap();
    let owner = StoredStat { owner: SESSION.0, cversion: 4, ..stat(2) };
    world.writer.restore_node("/e", Some(b"12"), 3, &owner).unwrap();
    world.writer.finish_restore(Zxid(9)).unwrap();
    assert_eq!(world.tree.read("/e", |_| ()).1, Zxid(9));
    assert_eq!(world.tree.applied(), Zxid(9));
    assert_eq!(world.tree.ephemerals_of(SESSION), ["/e"]);
    assert_eq!(world.acl("/e"), Some(list));
    assert_eq!(world.tree.acl_table().len(), 1, "the unused list is dropped");
    assert_eq!(world.tree.data_bytes(), 1 + 2 + 2 + 2, "the root twice");
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
    assert_eq!(world.stat("/e").map(|s| s.cversion), Some(8));
    // An old server's snapshot has no config node.
    world.writer.init_config(b"text", Zxid(0), time_of(1), &mut NoSink);
    assert_eq!(world.data("/zookeeper/config"), None, "and none can be without /zookeeper");
}

#[test]
fn a_node_met_twice_counts_once() {
    let mut world = emptied();
    world.writer.restore_acls([(1, read_acl())]);
    world.writer.restore_node("", Some(b""), -1, &stat(0)).unwrap();
    let owner = StoredStat { owner: SESSION.0, ..stat(1) };
    world.writer.restore_node("/a", Some(b"first"), 1, &owner).unwrap();
    world.writer.restore_node("/a", Some(b"2nd"), -1, &stat(2)).unwrap();
    world.writer.restore_node("/a/b", Some(b""), -1, &stat(2)).unwrap();
    world.writer.restore_node("/a", Some(b"3rd"), -1, &stat(3)).unwrap();
    world.writer.finish_restore(Zxid(3)).unwrap();
    assert_eq!((world.tree.node_count(), world.tree.ephemeral_count()), (4, 0));
    assert_eq!(world.data("/a").as_deref(), Some("3rd"));
    assert_eq!(world.children("/a"), ["b"]);
    assert!(world.tree.acl_table().is_empty());
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
    assert_eq!(world.tree.data_bytes(), 1 + 5 + 4);
}

#[test]
fn a_list_the_table_lacks_grants_nothing_until_replay_brings_it() {
    let mut world = emptied();
    world.writer.restore_node("", Some(b""), -1, &stat(0)).unwrap();
    for path in ["/a", "/b", "/c"] {
        world.writer.restore_node(path, None, 77, &stat(1)).unwrap();
    }
    world.writer.finish_restore(Zxid(3)).unwrap();
    assert_eq!(world.writer.unknown_acls(), 3);
    let list = world.acl("/a").unwrap();
    assert!(!list.is_empty() && list.iter().all(|acl| acl.perms == Perms(0)));
    world.op(Op::SetAcl { path: "/a".into(), acl: read_acl(), version: 1 });
    world.create("/b", "");
    world.delete("/c");
    assert_eq!(world.writer.unknown_acls(), 0);
    assert_eq!(world.tree.acl_table(), [(78, read_acl())], "above every key in use");
}

#[test]
fn quotas_are_in_force_after_a_restore_and_counted_anew() {
    let mut world = emptied();
    world.writer.restore_node("", Some(b""), -1, &stat(0)).unwrap();
    let stats = "/zookeeper/quota/q/s/zookeeper_stats";
    for (path, data) in [
        ("/zookeeper", ""),
        ("/zookeeper/quota", ""),
        ("/zookeeper/quota/q", ""),
        ("/zookeeper/quota/q/s", ""),
        (stats, "count=99,bytes=99"),
        ("/zookeeper/quota/q/s/zookeeper_limits", "count=1,bytes=2"),
        ("/zookeeper/quota/zookeeper_limits", "count=1,bytes=2"),
        ("/q", "1234"),
        ("/q/s", "12"),
        ("/q/s/x", "1"),
    ] {
        world.writer.restore_node(path, Some(data.as_bytes()), -1, &stat(1)).unwrap();
    }
    world.writer.finish_restore(Zxid(3)).unwrap();
    assert_eq!(world.data(stats).as_deref(), Some("count=2,bytes=3"));
    world.zxid = 3;
    world.create("/q/s/y", "123");
    assert_eq!(world.data(stats).as_deref(), Some("count=3,bytes=6"));
    assert_eq!(world.tree.quota_of("/q/s/y").map(|q| q.prefix), Some("/q/s".into()));
    assert_eq!(world.tree.quota_of("/q"), None);
}

#[test]
fn the_root_is_nobodys_and_stays() {
    let mut world = emptied();
    let owner = StoredStat { owner: SESSION.0, ..stat(0) };
    world.writer.restore_node("", None, -1, &owner).unwrap();
    world.writer.restore_node("/a", None, -1, &stat(1)).unwrap();
    world.writer.finish_restore(Zxid(1)).unwrap();
    assert_eq!(world.tree.sessions_with_ephemerals(), []);
    for path in ["", "/", "/a/", "a"] {
        assert_eq!(world.delete(path), Outcome::Failed(ErrorCode::NoNode), "{path:?}");
        let paths = Some(vec![path.to_owned()]);
        world.apply(Txn::CloseSession { paths });
    }
    assert_eq!(world.children("/"), ["a"]);
}
