//! The rules of apply, one by one (tools/docs/reference/storage.md section 7).

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
    // tools/docs/reference/storage.md section 14: create /a data "x", zxid 2.
    let mut world = World::new();
    let header =
        TxnHeader { session: SESSION, cxid: 1, zxid: Zxid(2), time: WallMillis(0x1a1f919ec5e) };
    let op = create_as(CreateTxnKind::Create { ephemeral: false }, "/a", "x", 1);
    let outcome = world.writer.apply(&header, &Txn::Op(op), &mut NoSink);
    assert_eq!(outcome, Outcome::Created { path: "/a".into(), stat: None });
    assert_eq!(world.tree.digest(), 0xf9aa_55fb);
    assert_eq!(world.tree.applied(), Zxid(2));
}

#[test]
fn create_without_parent_changes_nothing() {
    let mut world = World::new();
    let before = picture(&world.tree);
    assert_eq!(world.create("/a/b", ""), failed(ErrorCode::NoNode));
    assert_eq!(world.create("no-slash", ""), failed(ErrorCode::NoNode));
    assert_eq!(picture(&world.tree), before);
    assert_eq!(world.tree.applied(), Zxid(2), "a failed transaction is applied, too");
}

#[test]
fn create_answers_with_a_stat_unless_it_is_of_type_1() {
    let mut world = World::new();
    assert_eq!(world.create("/a", "x"), Outcome::Created { path: "/a".into(), stat: None });
    for (path, kind) in [
        ("/b", CreateTxnKind::Create2 { ephemeral: false }),
        ("/c", CreateTxnKind::Container),
        ("/d", CreateTxnKind::Ttl(50)),
        ("/e", CreateTxnKind::Create2 { ephemeral: true }),
    ] {
        let outcome = world.op(create_as(kind, path, "xyz", -1));
        let stat = world.stat(path);
        assert_eq!(stat.map(|s| (s.data_length, s.czxid)), Some((3, Zxid(world.zxid))));
        assert_eq!(outcome, Outcome::Created { path: path.into(), stat });
    }
    let owners = ["/b", "/c", "/d", "/e"].map(|p| world.stat(p).map(|s| s.ephemeral_owner));
    assert_eq!(owners, [Some(0), Some(0), Some(0), Some(SESSION.0)]);
    let kind = |path| world.tree.read(path, |n| n.map(|n| n.kind())).0;
    assert_eq!(kind("/d"), Some(NodeKind::Ttl(50)));
    assert_eq!(kind("/c"), Some(NodeKind::Container));
}

#[test]
fn create_takes_the_parents_counter_only_upwards() {
    let mut world = World::new();
    let file = CreateTxnKind::Create { ephemeral: false };
    world.create("/p", "");
    world.op(create_as(file, "/p/a", "", 7));
    let stat = world.stored("/p").unwrap_or_default();
    assert_eq!((stat.cversion, stat.pzxid), (7, Zxid(2)));
    world.op(create_as(file, "/p/b", "", 7));
    world.op(create_as(file, "/p/c", "", 3));
    let stat = world.stored("/p").unwrap_or_default();
    assert_eq!((stat.cversion, stat.pzxid), (7, Zxid(2)), "neither without the other");
    world.op(create_as(file, "/p/d", "", -1));
    let stat = world.stored("/p").unwrap_or_default();
    assert_eq!((stat.cversion, stat.pzxid), (8, Zxid(5)));
    assert_eq!(world.stat("/p").map(|s| (s.cversion, s.num_children)), Some((12, 4)));
}

#[test]
fn the_parents_counter_sticks_at_its_end() {
    let mut world = World::new();
    let file = CreateTxnKind::Create { ephemeral: false };
    world.create("/p", "");
    world.op(create_as(file, "/p/a", "", i32::MAX));
    world.op(create_as(file, "/p/b", "", -1));
    let stat = world.stored("/p").unwrap_or_default();
    assert_eq!((stat.cversion, stat.pzxid), (i32::MAX, Zxid(2)));
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
}

#[test]
fn create_of_an_existing_node_resets_its_list_and_lifts_the_parents_counter() {
    let mut world = World::new();
    world.create("/p", "");
    world.create("/p/a", "old");
    world.op(Op::SetAcl { path: "/p/a".into(), acl: read_acl(), version: 1 });
    for (kind, cversion) in [
        (CreateTxnKind::Create { ephemeral: true }, 5),
        (CreateTxnKind::Create2 { ephemeral: false }, 6),
        (CreateTxnKind::Ttl(9), 7),
    ] {
        let outcome = world.op(create_as(kind, "/p/a", "new", cversion));
        assert_eq!(outcome, failed(ErrorCode::NodeExists));
        let stat = world.stored("/p").unwrap_or_default();
        assert_eq!((stat.cversion, stat.pzxid), (cversion, Zxid(world.zxid)));
        world.op(create_as(kind, "/p/a", "new", 2));
        assert_eq!(world.stored("/p"), Some(stat), "never back");
    }
    assert_eq!(world.acl("/p/a"), Some(open_acl()));
    assert_eq!(world.data("/p/a").as_deref(), Some("old"));
    assert_eq!(world.tree.ephemeral_count(), 0);
    assert_eq!(world.tree.acl_table(), [(1, read_acl())], "only that of the config node");
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
}

#[test]
fn delete_moves_the_parents_pzxid_even_if_the_node_is_gone() {
    let mut world = World::new();
    world.create("/p", "");
    world.create("/p/a", "");
    assert_eq!(world.delete("/p/a"), Outcome::Deleted);
    let stat = world.stored("/p").unwrap_or_default();
    assert_eq!((stat.cversion, stat.pzxid), (1, Zxid(3)), "deletes do not count");
    assert_eq!(world.stat("/p").map(|s| s.cversion), Some(2), "but on the wire they do");
    assert_eq!(world.delete("/p/a"), failed(ErrorCode::NoNode));
    assert_eq!(world.stored("/p").map(|s| s.pzxid), Some(Zxid(4)));
    // Replayed: older than what the parent has seen.
    let outcome = world.writer.apply(&header(SESSION, 2), &Txn::Op(delete("/p/a")), &mut NoSink);
    assert_eq!(outcome, failed(ErrorCode::NoNode));
    assert_eq!(world.stored("/p").map(|s| s.pzxid), Some(Zxid(4)));
    assert_eq!(world.tree.applied(), Zxid(4), "nor does the tree go back");
    assert_eq!(world.delete("/q/a"), failed(ErrorCode::NoNode));
    assert_eq!(world.delete("/"), failed(ErrorCode::NoNode));
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
}

#[test]
fn delete_takes_what_only_replay_can_have_beneath_it() {
    let mut world = World::new();
    for path in ["/a", "/a/b", "/a/b/c", "/a/d", "/ab"] {
        world.create(path, "x");
    }
    let before = world.tree.data_bytes();
    assert_eq!(world.delete("/a"), Outcome::Deleted);
    assert_eq!(world.children("/"), ["ab", "zookeeper"]);
    assert_eq!(world.tree.node_count(), 6);
    assert_eq!(before - world.tree.data_bytes(), 2 + 4 + 6 + 4 + 4);
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
    // In a multi that makes one of them itself.
    let outcome = world.apply(multi([create("/ab/x", ""), delete("/ab")]));
    assert!(matches!(outcome, Outcome::Multi(results) if results[1] == Outcome::Deleted));
    assert_eq!(world.tree.node_count(), 5);
}

#[test]
fn container_deletes_are_deletes() {
    let mut world = World::new();
    world.op(create_as(CreateTxnKind::Container, "/c", "", -1));
    assert_eq!(world.op(Op::DeleteContainer { path: "/c".into() }), Outcome::Deleted);
    assert_eq!(world.tree.node_count(), 5);
}

#[test]
fn set_data_stores_the_version_it_is_given() {
    let mut world = World::new();
    world.create("/a", "x");
    let Outcome::DataSet(stat) = world.op(set_data("/a", "longer", 9)) else {
        panic!("set");
    };
    assert_eq!((stat.version, stat.data_length, stat.mzxid), (9, 6, Zxid(2)));
    assert_eq!((stat.czxid, stat.mtime), (Zxid(1), time_of(2)));
    world.op(set_data("/a", "x", 3));
    assert_eq!(world.stat("/a").map(|s| s.version), Some(3));
    world.op(Op::SetData { path: "/a".into(), data: None, version: 4 });
    assert_eq!(world.data("/a"), None);
    assert_eq!(world.op(set_data("/b", "x", 3)), failed(ErrorCode::NoNode));
    assert_eq!(world.tree.data_bytes(), 44 + 2);
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
}

#[test]
fn set_acl_touches_the_list_and_its_version_alone() {
    let mut world = World::new();
    world.create("/a", "x");
    let before = world.stored("/a").unwrap_or_default();
    let list: AclList = Arc::from([Acl::new(Perms::ALL, "digest", "u:h")]);
    let outcome = world.op(Op::SetAcl { path: "/a".into(), acl: Arc::clone(&list), version: 1 });
    let Some(stat) = world.stat("/a") else { panic!("gone") };
    assert_eq!(outcome, Outcome::AclSet(stat));
    assert_eq!(world.stored("/a"), Some(crate::types::StoredStat { aversion: 1, ..before }));
    assert_eq!(world.tree.acl_table(), [(1, read_acl()), (2, Arc::clone(&list))]);
    assert_eq!(world.acl("/a"), Some(Arc::clone(&list)));
    world.op(Op::SetAcl { path: "/a".into(), acl: list, version: 2 });
    assert_eq!(world.tree.acl_table().len(), 2);
    world.op(Op::SetAcl { path: "/a".into(), acl: open_acl(), version: 3 });
    assert_eq!(world.tree.acl_table().len(), 1);
    let missing = Op::SetAcl { path: "/b".into(), acl: read_acl(), version: 3 };
    assert_eq!(world.op(missing), failed(ErrorCode::NoNode));
    assert_eq!(world.tree.acl_table().len(), 1);
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
}

#[test]
fn nothing_is_named_beneath_a_slash() {
    // From a damaged file: the root's shard is not that of "/".
    let mut world = World::new();
    for path in ["//n", "//"] {
        assert_eq!(world.create(path, ""), failed(ErrorCode::NoNode), "{path}");
        assert_eq!(world.delete(path), failed(ErrorCode::NoNode), "{path}");
    }
}

#[test]
fn the_root_has_two_names() {
    let mut world = World::new();
    world.op(set_data("/", "root", 1));
    assert_eq!(world.data("").as_deref(), Some("root"));
    world.op(Op::SetAcl { path: "/".into(), acl: read_acl(), version: 1 });
    assert_eq!(world.acl("/"), Some(read_acl()));
    assert_eq!(world.create("/", ""), failed(ErrorCode::NodeExists));
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
}

#[test]
fn a_multi_is_one_transaction() {
    let mut world = World::new();
    world.create("/a", "");
    let check = Op::Check { path: "/a".into(), version: 1 };
    let ops = [create("/a/b", "x"), set_data("/a/b", "y", 1), check, delete("/a/b"), delete("/a")];
    let Outcome::Multi(results) = world.apply(multi(ops)) else { panic!("multi") };
    assert_eq!(results[0], Outcome::Created { path: "/a/b".into(), stat: None });
    assert!(matches!(results[1], Outcome::DataSet(stat) if stat.mzxid == Zxid(2)));
    assert_eq!(results[2..], [Outcome::Checked, Outcome::Deleted, Outcome::Deleted]);
    assert_eq!(world.tree.node_count(), 5);
    assert_eq!(world.apply(multi([])), Outcome::Multi(vec![]));
    // In replay one may fail; the others do not mind.
    let outcome = world.apply(multi([delete("/a"), create("/c", "")]));
    let Outcome::Multi(results) = outcome else { panic!("multi") };
    assert_eq!(results[0], failed(ErrorCode::NoNode));
    assert_eq!(world.children("/"), ["c", "zookeeper"]);
}

#[test]
fn a_failed_multi_does_nothing_and_says_where() {
    let mut world = World::new();
    let before = picture(&world.tree);
    let outcome = world.apply(Txn::Multi(vec![
        SubTxn::Op(create("/b", "")),
        SubTxn::Error(ErrorCode::BadVersion),
        SubTxn::Op(delete("/zookeeper/quota")),
        SubTxn::Error(ErrorCode::RuntimeInconsistency),
    ]));
    let codes = [
        ErrorCode::Ok,
        ErrorCode::BadVersion,
        ErrorCode::RuntimeInconsistency,
        ErrorCode::RuntimeInconsistency,
    ];
    assert_eq!(outcome, Outcome::Multi(codes.map(Outcome::Failed).to_vec()));
    assert_eq!(picture(&world.tree), before);
    assert_eq!(world.tree.applied(), Zxid(1));
}

#[test]
fn a_closed_session_leaves_no_ephemerals() {
    let mut world = World::new();
    for path in ["/e1", "/e2", "/e3"] {
        world.ephemeral(path);
    }
    world.create("/kept", "");
    assert_eq!(world.tree.ephemerals_of(SESSION), ["/e1", "/e2", "/e3"]);
    assert_eq!(world.tree.sessions_with_ephemerals(), [SESSION]);
    // The transaction knows of two, one of which is gone already.
    let paths = Some(vec!["/e2".to_owned(), "/never".to_owned()]);
    assert_eq!(world.apply(Txn::CloseSession { paths }), Outcome::SessionClosed);
    assert_eq!(world.children("/"), ["kept", "zookeeper"]);
    assert_eq!(world.tree.ephemeral_count(), 0);
    assert!(world.tree.sessions_with_ephemerals().is_empty());

    world.ephemeral("/e4");
    assert_eq!(world.apply(Txn::CloseSession { paths: None }), Outcome::SessionClosed);
    assert_eq!(world.stored("/").map(|s| s.pzxid), Some(Zxid(world.zxid)));
    assert_eq!(world.tree.node_count(), 6);
    assert_eq!(world.tree.digest(), digest_of(&world.tree));
}

#[test]
fn sessions_errors_and_checks_change_no_node() {
    let mut world = World::new();
    let before = (picture(&world.tree), world.tree.digest());
    let created = world.apply(Txn::CreateSession { timeout: 4000 });
    assert_eq!(created, Outcome::SessionCreated { timeout: 4000 });
    assert_eq!(world.apply(Txn::Error(ErrorCode::NoAuth)), failed(ErrorCode::NoAuth));
    assert_eq!((picture(&world.tree), world.tree.digest()), before);
    assert_eq!(world.tree.digest_at(), (Zxid(2), before.1));
}

#[test]
fn a_ttl_no_server_should_have_logged_is_passed_over() {
    let mut world = World::new();
    for ttl in [-1, 0, 1 << 40] {
        let outcome = world.op(create_as(CreateTxnKind::Ttl(ttl), "/t", "", -1));
        assert_eq!(outcome, failed(ErrorCode::BadArguments));
    }
    assert_eq!(world.tree.node_count(), 5);
}

#[test]
fn reconfig_sets_the_config_node_and_leaves_the_digest() {
    let mut world = World::new();
    let config = Some("server.1=…".into());
    let outcome = world.apply(Txn::Reconfig { config: config.clone(), version: -1 });
    let Some(stat) = world.stat("/zookeeper/config") else { panic!("gone") };
    assert_eq!((stat.version, stat.aversion, stat.mzxid), (-1, -1, Zxid(1)));
    assert_eq!(outcome, Outcome::Reconfigured { data: config, stat });
    assert_eq!(world.tree.digest(), 0x51c6_d660);
    let list: AclList = Arc::from([Acl::new(Perms::ALL, "digest", "u:h")]);
    let path = "/zookeeper/config";
    world.op(Op::SetAcl { path: path.into(), acl: Arc::clone(&list), version: 0 });
    world.writer.init_config(b"server.2=", Zxid(0x100), WallMillis(5), &mut NoSink);
    assert_eq!(world.data(path).as_deref(), Some("server.2="));
    assert_eq!(world.stored(path).map(|s| (s.mzxid, s.version)), Some((Zxid(0x100), -1)));
    assert_eq!(world.acl(path), Some(list), "an operator's list stays");
    assert_eq!(world.tree.applied(), Zxid(2), "the version is no transaction's");
    // A quota above it is followed from a shard of its own.
    world.create("/zookeeper/quota/zookeeper", "");
    world.create("/zookeeper/quota/zookeeper/zookeeper_limits", "");
    world.create("/zookeeper/quota/zookeeper/zookeeper_stats", "");
    let before = world.data("/zookeeper/quota/zookeeper/zookeeper_stats");
    world.apply(Txn::Reconfig { config: Some("longer than before".into()), version: -1 });
    assert_ne!(world.data("/zookeeper/quota/zookeeper/zookeeper_stats"), before);
}

#[test]
fn digests_are_kept_at_every_128th_zxid() {
    let mut world = World::new();
    for n in 0..300 {
        world.create(&format!("/n{n}"), "");
    }
    let history = world.tree.digest_history();
    assert_eq!(history.iter().map(|(zxid, _)| zxid.0).collect::<Vec<_>>(), [128, 256]);
    let mut other = World::new();
    (0..128).for_each(|n| {
        other.create(&format!("/n{n}"), "");
    });
    assert_eq!(other.tree.digest(), history[0].1);
}

#[test]
fn descendants_are_counted_in_small_and_large_subtrees() {
    let mut world = World::new();
    for n in 0..70 {
        world.create(&format!("/p{n}"), "");
        for m in 0..if n == 3 { 5000 } else { 5 } {
            world.create(&format!("/p{n}/c{m}"), "");
        }
    }
    world.create("/p4/c1/deep", "");
    assert_eq!(world.tree.descendants("/p4").0, Some(6));
    assert_eq!(world.tree.descendants("/p3").0, Some(5000));
    assert_eq!(world.tree.descendants("/p4/c2").0, Some(0));
    assert_eq!(world.tree.descendants("/p").0, None);
    let all = world.tree.node_count() as i32 - 2;
    assert_eq!(world.tree.descendants("/").0, Some(all));
    assert_eq!(world.tree.descendants("").0, Some(all));
}

/// All slices of a check.
fn candidates(tree: &Tree, now: WallMillis, never_used_ms: i64, max: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = Some(ReapCursor::start());
    while let Some(at) = cursor {
        let (found, next) = tree.reap_candidates(at, now, never_used_ms, max - all.len());
        all.extend(found);
        cursor = next;
    }
    all
}

#[test]
fn a_check_of_many_nodes_is_made_in_slices_and_misses_none() {
    let mut world = World::new();
    for n in 0..1000 {
        world.op(create_as(CreateTxnKind::Ttl(5000), &format!("/t{n:04}"), "", -1));
        world.op(create_as(CreateTxnKind::Container, &format!("/c{n:04}"), "", -1));
    }
    let late = WallMillis(i64::MAX);
    let mut cursor = Some(ReapCursor::start());
    let (mut slices, mut all) = (0, 0);
    while let Some(at) = cursor {
        let (found, next) = world.tree.reap_candidates(at, late, 1, usize::MAX);
        assert!(found.len() <= 256, "{} in one slice", found.len());
        slices += 1;
        all += found.len();
        cursor = next;
    }
    assert_eq!(all, 2000);
    assert!(slices > 8, "{slices}");
    assert_eq!(candidates(&world.tree, late, 1, 700).len(), 700);
    // Nothing is due: as many slices, none of them longer.
    assert_eq!(candidates(&world.tree, WallMillis(0), 0, 10), Vec::<String>::new());
}

#[test]
fn containers_and_ttl_nodes_are_reaped_when_their_time_has_come() {
    let mut world = World::new();
    for path in ["/used", "/unused", "/busy"] {
        world.op(create_as(CreateTxnKind::Container, path, "", -1));
    }
    world.create("/used/x", "");
    world.delete("/used/x");
    world.create("/busy/x", "");
    world.op(create_as(CreateTxnKind::Ttl(5000), "/ttl", "", -1));
    world.op(create_as(CreateTxnKind::Ttl(5000), "/parent", "", -1));
    world.create("/parent/x", "");
    let made = time_of(7);
    let at = |ms: i64| WallMillis(made.0 + ms);
    assert_eq!(candidates(&world.tree, at(0), 0, 100), ["/used"]);
    assert_eq!(candidates(&world.tree, at(5000), 0, 100), ["/used"]);
    assert_eq!(candidates(&world.tree, at(5001), 0, 100), ["/used", "/ttl"]);
    assert_eq!(candidates(&world.tree, at(0), 4999, 100), ["/unused", "/used"]);
    assert_eq!(candidates(&world.tree, at(0), 5000, 100), ["/used"]);
    assert_eq!(candidates(&world.tree, at(9000), 1, 2), ["/unused", "/used"]);
    // Writing to it starts its time anew; a child does not.
    world.op(set_data("/ttl", "", 1));
    assert_eq!(candidates(&world.tree, at(5001), 0, 100), ["/used"]);
}

#[test]
fn quota_stats_follow_every_change_beneath() {
    let mut world = World::new();
    world.create("/q", "12345");
    world.create("/q/a", "1");
    world.create("/zookeeper/quota/q", "");
    world.create("/zookeeper/quota/q/zookeeper_limits", "count=3,bytes=-1");
    assert_eq!(world.tree.quota_of("/q/a").map(|q| q.usage), Some(None));
    world.create("/zookeeper/quota/q/zookeeper_stats", "");
    let stats = "/zookeeper/quota/q/zookeeper_stats";
    assert_eq!(world.data(stats).as_deref(), Some("count=2,bytes=6"));
    let before = world.stored(stats);
    world.create("/q/a/b", "123");
    world.op(set_data("/q", "1", 1));
    world.apply(multi([delete("/q/a/b"), create("/q/c", "12"), set_data("/q/c", "123", 1)]));
    world.create("/qq", "not under it");
    assert_eq!(world.data(stats).as_deref(), Some("count=3,bytes=5"));
    assert_eq!(world.stored(stats), before, "in place: no version, no mzxid");
    let quota = world.tree.quota_of("/q/x").unwrap_or_else(|| panic!("no quota"));
    assert_eq!((quota.prefix.as_str(), quota.limits.count()), ("/q", 3));
    assert_eq!(quota.verdict(1, 0), crate::tree::quota::QuotaVerdict::Soft);
    assert_eq!(world.tree.quota_of("/qq"), None);
    world.delete("/zookeeper/quota/q/zookeeper_limits");
    world.create("/q/d", "");
    assert_eq!(world.data(stats).as_deref(), Some("count=3,bytes=5"));
    assert_eq!(world.tree.quota_of("/q/x"), None);
}

#[test]
fn quotas_of_the_root_are_stored_and_ignored() {
    let mut world = World::new();
    world.create("/zookeeper/quota/zookeeper_limits", "count=1,bytes=1");
    world.create("/zookeeper/quota/zookeeper_stats", "");
    assert_eq!(world.tree.quota_of("/a"), None);
    let stats = world.data("/zookeeper/quota/zookeeper_stats");
    assert_eq!(stats.as_deref(), Some("count=6,bytes=15"));
}

#[test]
fn a_removed_nodes_list_is_remembered() {
    let mut world = World::new();
    let secret: AclList = [Acl::new(Perms::READ, "digest", "a:b")].into();
    let list_of = |world: &World| {
        world.tree.read_or_gone("/n", |node, list| (node.is_some(), list.clone())).0
    };
    let make = |world: &mut World, acl: &AclList| {
        let Op::Create(txn) = create("/n", "") else { unreachable!() };
        world.op(Op::Create(CreateTxn { acl: acl.clone(), ..txn }));
    };
    assert_eq!(list_of(&world), (false, open_acl()), "nothing is known");
    make(&mut world, &secret);
    assert_eq!(list_of(&world), (true, secret.clone()));
    world.delete("/n");
    assert_eq!(list_of(&world), (false, secret.clone()));
    make(&mut world, &open_acl());
    assert_eq!(list_of(&world), (true, open_acl()));
    world.delete("/n");
    assert_eq!(list_of(&world), (false, open_acl()), "the last node that was there counts");
}
