//! The order of the checks (tools/docs/reference/client-protocol.md section 6): each table begins
//! with a request that is wrong in every way and mends one fault a line; what is answered is the
//! first fault left.

use super::*;

use crate::codec::request::ReconfigOp;
use crate::codec::txn::{CreateTxn, CreateTxnKind};
use ErrorCode::{
    BadArguments, BadVersion, InvalidAcl, MarshallingError, NoAuth, NoChildrenForEphemerals,
    NoNode, NodeExists, NotEmpty, ReconfigDisabled, SessionExpired, SessionMoved, Unimplemented,
    UnknownSession,
};

const STRANGER: SessionId = SessionId(0x999);
const SPARE: SessionId = SessionId(0x200);

fn owner(slot: u32) -> Owner {
    ConnRef { core: CoreId(0), conn: ConnId { slot, generation: 1 } }.into()
}

/// /a open with child /a/b; /shut may only be administered by u; /eph; /box; /ttl.
fn world() -> World {
    let mut w = World::new(settings());
    w.sessions.create(SPARE, 30_000, Millis(0));
    w.sessions.set_closing(SPARE);
    w.write(&create("/a", 0)).unwrap();
    w.write(&create("/a/b", 0)).unwrap();
    w.write(&create("/shut", 0)).unwrap();
    w.write(&create("/shut/in", 0)).unwrap();
    w.write(&create("/shut/in/deep", 0)).unwrap();
    for path in ["/shut/in", "/shut"] {
        let u = Some(vec![raw(31, "digest", "u:p")]);
        w.write(&set_acl(path, u, 0)).unwrap();
    }
    w.write(&create("/eph", 1)).unwrap();
    w.write(&WriteOp::Create(CreateOp { call: CreateCall::Container, ..create_op("/box", 4) }))
        .unwrap();
    let ttl = CreateOp { call: CreateCall::Ttl, ttl: 500, ..create_op("/ttl", 5) };
    w.write(&WriteOp::Create(ttl)).unwrap();
    w
}

/// Everyone the tables speak as.
fn requesters() -> [(&'static str, SessionId, Vec<Identity>, Option<Owner>); 5] {
    [
        ("stranger", STRANGER, vec![], None),
        ("closing", SPARE, vec![], None),
        ("moved", ME, vec![], Some(owner(2))),
        ("nobody", ME, vec![], Some(owner(1))),
        ("u", ME, vec![Identity::new("digest", "u:p")], Some(owner(1))),
    ]
}

fn judge(w: &mut World, who: &str, op: &WriteOp) -> i32 {
    w.sessions.set_owner(ME, owner(1));
    let (_, session, identities, from) =
        requesters().into_iter().find(|(name, ..)| *name == who).unwrap();
    let requester = Requester { session, xid: Xid(1), identities: &identities, from };
    let entry = w.prepare(&requester, op);
    // Tables only look: what passed is taken back by letting it be applied to nobody's harm.
    w.apply_all();
    match verdict(entry) {
        Ok(_) => 0,
        Err(code) => code.code(),
    }
}

fn with(
    call: CreateCall,
    path: Option<&str>,
    acl: Option<Vec<RawAcl>>,
    flags: i32,
    ttl: i64,
) -> WriteOp {
    WriteOp::Create(CreateOp { call, path: path.map(Into::into), data: None, acl, flags, ttl })
}

#[test]
fn create_checks_in_order() {
    use CreateCall::*;
    let bad_acl = || Some(vec![]);
    for (line, (who, op, code)) in [
        ("stranger", with(Create, None, None, 9, 5), BadArguments),
        ("stranger", with(Create, None, None, 0, 5), BadArguments),
        ("stranger", with(Create, None, None, 5, -1), BadArguments),
        ("stranger", with(Ttl, None, None, 5, 0), BadArguments),
        ("stranger", with(Ttl, None, None, 6, 1 << 40), BadArguments),
        ("stranger", with(Ttl, None, None, 0, -1), BadArguments),
        ("stranger", with(Ttl, None, None, 4, -1), BadArguments),
        ("stranger", with(Ttl, None, None, 5, 1), UnknownSession),
        ("stranger", with(Create, None, None, 0, -1), UnknownSession),
        ("stranger", with(Create, None, None, 1, -1), SessionExpired),
        ("closing", with(Create, None, None, 0, -1), SessionExpired),
        ("moved", with(Create, None, None, 0, -1), SessionMoved),
        ("nobody", with(Create, None, None, 0, -1), MarshallingError),
        ("nobody", with(Create, Some("no-slash"), None, 0, -1), BadArguments),
        ("nobody", with(Create, Some(""), None, 0, -1), BadArguments),
        ("nobody", with(Create, Some("/no\0/x"), None, 0, -1), BadArguments),
        ("nobody", with(Create, Some("/no/x"), None, 0, -1), InvalidAcl),
        ("nobody", with(Create, Some("/no/x"), bad_acl(), 0, -1), InvalidAcl),
        ("nobody", with(Create, Some("/no//x"), open(), 0, -1), NoNode),
        ("nobody", with(Create, Some("/a/./b"), open(), 0, -1), NoNode),
        ("nobody", with(Create, Some("/shut/.."), open(), 0, -1), NoAuth),
        ("u", with(Create, Some("/shut/.."), open(), 0, -1), BadArguments),
        ("u", with(Create, Some("/shut/"), open(), 0, -1), BadArguments),
        ("u", with(Create, Some("/shut/in"), open(), 0, -1), NodeExists),
        ("u", with(Create, Some("/eph/x"), open(), 0, -1), NoChildrenForEphemerals),
        ("u", with(Create, Some("/eph/\u{1}"), open(), 0, -1), BadArguments),
        ("nobody", with(Create, Some("/"), open(), 0, -1), NodeExists),
        ("nobody", with(Create, Some("/box/x"), open(), 1, -1), ErrorCode::Ok),
        ("nobody", with(Create, Some("/ttl/x"), open(), 1, -1), ErrorCode::Ok),
        ("nobody", with(Create, Some("/zookeeper/x"), open(), 0, -1), ErrorCode::Ok),
        ("u", with(Create, Some("/shut/x"), Some(vec![raw(1, "auth", "")]), 0, -1), ErrorCode::Ok),
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = world();
        assert_eq!(judge(&mut w, who, &op), code.code(), "line {line}: {op:?}");
    }
}

#[test]
fn ttl_creates_need_extended_types() {
    let mut w = World::new(PrepSettings { types: TypeRules::default(), ..settings() });
    let ttl = |ttl| with(CreateCall::Ttl, Some("/t"), open(), 5, ttl);
    assert_eq!(w.write_as(&requester(STRANGER, &[]), &ttl(0)), Err(Unimplemented));
    assert_eq!(w.write(&ttl(5)), Err(Unimplemented));
}

#[test]
fn delete_checks_in_order() {
    let null = WriteOp::Delete { path: None, version: 5 };
    for (line, (who, op, code)) in [
        ("stranger", null.clone(), UnknownSession),
        ("closing", null.clone(), SessionExpired),
        ("moved", null.clone(), SessionMoved),
        ("nobody", null, MarshallingError),
        ("nobody", delete("x", 5), BadArguments),
        ("nobody", delete("", 5), BadArguments),
        ("nobody", delete("/no\0/x", 5), BadArguments),
        ("nobody", delete("/", 5), BadArguments),
        ("nobody", delete("/zookeeper", 5), BadArguments),
        ("nobody", delete("/zookeeper/quota", 5), BadArguments),
        ("nobody", delete("/zookeeper/config", 5), BadArguments),
        ("nobody", delete("/no/x", 5), NoNode),
        ("nobody", delete("/shut/none", 5), NoAuth),
        ("u", delete("/shut/none", 5), NoNode),
        ("u", delete("/a/", 5), NoNode),
        ("u", delete("/shut/in", 5), BadVersion),
        ("u", delete("/shut/in", 0), NotEmpty),
        ("u", delete("/shut/in/deep", 0), ErrorCode::Ok),
        ("nobody", delete("/a/b", -1), ErrorCode::Ok),
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = world();
        assert_eq!(judge(&mut w, who, &op), code.code(), "line {line}: {op:?}");
    }
}

#[test]
fn set_data_checks_in_order() {
    let null = WriteOp::SetData { path: None, data: None, version: 5 };
    for (line, (who, op, code)) in [
        ("stranger", null.clone(), UnknownSession),
        ("closing", null.clone(), SessionExpired),
        ("moved", null.clone(), SessionMoved),
        ("nobody", null, BadArguments),
        ("nobody", set_data("", b"x", 5), BadArguments),
        ("nobody", set_data("/a/", b"x", 5), BadArguments),
        ("nobody", set_data("/none", b"x", 5), NoNode),
        ("nobody", set_data("/shut", b"x", 5), NoAuth),
        ("u", set_data("/shut", b"x", 5), BadVersion),
        ("u", set_data("/shut", b"x", 0), ErrorCode::Ok),
        ("u", set_data("/shut", b"x", -1), ErrorCode::Ok),
        ("nobody", set_data("/", b"x", 0), ErrorCode::Ok),
        ("nobody", set_data("/zookeeper/config", b"x", -1), NoAuth),
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = world();
        assert_eq!(judge(&mut w, who, &op), code.code(), "line {line}: {op:?}");
    }
}

#[test]
fn set_acl_checks_in_order() {
    let null = WriteOp::SetAcl { path: None, acl: None, version: 5 };
    let no_id = Some(vec![RawAcl { perms: 1, scheme: Some("digest".into()), id: None }]);
    for (line, (who, op, code)) in [
        ("stranger", null.clone(), UnknownSession),
        ("closing", null.clone(), SessionExpired),
        ("moved", null.clone(), SessionMoved),
        ("nobody", null, BadArguments),
        ("nobody", set_acl("a", None, 5), BadArguments),
        ("nobody", set_acl("/none", None, 5), InvalidAcl),
        ("nobody", set_acl("/none", no_id, 5), MarshallingError),
        ("nobody", set_acl("/none", open(), 5), NoNode),
        ("nobody", set_acl("/shut", open(), 5), NoAuth),
        ("u", set_acl("/shut", open(), 5), BadVersion),
        ("u", set_acl("/shut", open(), 1), ErrorCode::Ok),
        ("u", set_acl("/shut", open(), -1), ErrorCode::Ok),
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = world();
        assert_eq!(judge(&mut w, who, &op), code.code(), "line {line}: {op:?}");
    }
}

#[test]
fn check_checks_in_order_and_only_inside_a_multi() {
    let check = |path: Option<&str>, version| {
        WriteOp::Multi(vec![MultiOp::Check { path: path.map(Into::into), version }])
    };
    for (line, (who, path, version, code)) in [
        ("stranger", Some(""), 5, UnknownSession),
        ("closing", Some(""), 5, SessionExpired),
        ("moved", Some(""), 5, SessionMoved),
        ("nobody", Some(""), 5, BadArguments),
        ("nobody", Some("/none"), 5, NoNode),
        ("nobody", Some("/shut"), 5, NoAuth),
        ("u", Some("/shut"), 5, BadVersion),
        ("u", Some("/shut"), 0, ErrorCode::Ok),
        ("nobody", Some("/"), -1, ErrorCode::Ok),
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = world();
        w.sessions.set_owner(ME, owner(1));
        let (_, session, identities, from) =
            requesters().into_iter().find(|(name, ..)| *name == who).unwrap();
        let requester = Requester { session, xid: Xid(1), identities: &identities, from };
        let entry = w.prepare(&requester, &check(path, version));
        w.apply_all();
        match &subs(&entry)[0] {
            SubTxn::Op(Op::Check { version, .. }) => {
                assert_eq!(
                    (code, *version),
                    (ErrorCode::Ok, 1),
                    "line {line}: current version + 1"
                );
            }
            SubTxn::Error(found) => assert_eq!(*found, code, "line {line}"),
            other => panic!("line {line}: {other:?}"),
        }
    }
}

#[test]
fn containers_are_removed_by_the_server_alone() {
    let go = |path: &str| WriteOp::DeleteContainer { path: Some(path.into()) };
    let server = requester(SessionId(0), &[]);
    let mut w = world();
    assert_eq!(w.write(&go("/box")), Err(Unimplemented), "never a client");
    for (path, code) in [
        ("/zookeeper", BadArguments),
        ("/none", NoNode),
        ("/shut", NotEmpty),
        ("/eph", BadVersion),
        ("/a/b", BadVersion),
        ("/ttl", BadVersion),
    ] {
        assert_eq!(w.write_as(&server, &go(path)), Err(code), "{path}");
    }
    assert!(matches!(w.write_as(&server, &go("/box")), Ok(Op::DeleteContainer { .. })));
    w.now += 600;
    assert!(w.write_as(&server, &go("/ttl")).is_ok(), "its time is up");
}

#[test]
fn reconfig_is_refused_as_a_standalone_server_does() {
    let op = WriteOp::Reconfig(ReconfigOp {
        joining: None,
        leaving: None,
        new_members: Some("nonsense".into()),
        config_version: 3,
    });
    let mut w = world();
    assert_eq!(w.write_as(&requester(STRANGER, &[]), &op), Err(ReconfigDisabled));
    let mut w = World::new(PrepSettings { reconfig_enabled: true, ..settings() });
    assert_eq!(w.write_as(&requester(STRANGER, &[]), &op), Err(UnknownSession));
    assert_eq!(w.write(&op), Err(Unimplemented));
}

#[test]
fn what_is_created_follows_the_opcode_not_the_flag() {
    use CreateCall::*;
    for (call, flags, kind) in [
        (Create, 0, CreateTxnKind::Create { ephemeral: false }),
        (Create, 4, CreateTxnKind::Create { ephemeral: false }),
        (Create2, 1, CreateTxnKind::Create2 { ephemeral: true }),
        (Container, 0, CreateTxnKind::Container),
        (Container, 1, CreateTxnKind::Container),
        (Container, 2, CreateTxnKind::Container),
    ] {
        let mut w = world();
        match w.write(&with(call, Some("/new"), open(), flags, -1)).unwrap() {
            Op::Create(CreateTxn { kind: found, .. }) => assert_eq!(found, kind),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_multis_create_fails_by_itself() {
    // What flags mean inside a multi is the decoder's affair; a step that it lets pass and that is
    // not legal has its own error.
    let one = |w: &mut World, flags, ttl, acl| {
        let create = with(CreateCall::Create, Some("/new"), acl, flags, ttl);
        let WriteOp::Create(op) = create else { unreachable!() };
        let entry = w.prepare(&me(), &WriteOp::Multi(vec![MultiOp::Create(op)]));
        w.apply_all();
        entry.txn
    };
    let mut w = world();
    for (flags, acl, error) in [(9, open(), BadArguments), (0, None, InvalidAcl)] {
        assert_eq!(one(&mut w, flags, -1, acl), Txn::Multi(vec![SubTxn::Error(error)]));
    }
}

#[test]
fn sequence_numbers_are_the_parent_s_creates() {
    let mut w = world();
    let name = |w: &mut World, path: &str| match w.write(&create(path, 2)) {
        Ok(Op::Create(create)) => create.path,
        other => panic!("{other:?}"),
    };
    assert_eq!(name(&mut w, "/a/"), "/a/0000000001");
    w.write(&delete("/a/0000000001", -1)).unwrap();
    w.write(&create("/a/c", 0)).unwrap();
    assert_eq!(name(&mut w, "/a/n-"), "/a/n-0000000003");
    assert!(name(&mut w, "/").starts_with("/000000000"));
    plant(&mut w, "/old", StoredStat { cversion: -2, ..StoredStat::default() });
    assert_eq!(name(&mut w, "/old/n"), "/old/n-000000002");
    assert_eq!(name(&mut w, "/old/n"), "/old/n-000000001");
    assert_eq!(name(&mut w, "/old/n"), "/old/n0000000000");
}

#[test]
fn a_parent_s_counter_stops_at_its_end() {
    let mut w = world();
    let stat = StoredStat { cversion: i32::MAX - 1, pzxid: Zxid(3), ..StoredStat::default() };
    plant(&mut w, "/max", stat);
    let stat_of = |w: &World| w.tree.read("/max", |node| node.unwrap().stored()).0;
    for (expected, cversion) in [("/max/2147483646", i32::MAX), ("/max/2147483647", i32::MAX)] {
        let created = w.write(&create("/max/", 2)).unwrap();
        assert!(matches!(created, Op::Create(CreateTxn { path, .. }) if path == expected));
        assert_eq!(stat_of(&w).cversion, cversion);
    }
    let at_the_end = stat_of(&w);
    assert_eq!(w.write(&create("/max/", 2)), Err(NodeExists));
    match w.write(&create("/max/plain", 0)).unwrap() {
        Op::Create(create) => assert_eq!(create.parent_cversion, i32::MIN, "as Java writes it"),
        other => panic!("{other:?}"),
    }
    assert_eq!(stat_of(&w), at_the_end);
}

#[test]
fn versions_go_round_through_minus_one() {
    let mut w = world();
    plant(&mut w, "/v", StoredStat { version: -2, aversion: i32::MAX, ..StoredStat::default() });
    let version = |w: &mut World, expected| match w.write(&set_data("/v", b"x", expected)) {
        Ok(Op::SetData { version, .. }) => Ok(version),
        Err(code) => Err(code),
        other => panic!("{other:?}"),
    };
    assert_eq!(version(&mut w, -2), Ok(-1), "3.9 stores it");
    assert_eq!(version(&mut w, 7), Err(BadVersion));
    assert_eq!(version(&mut w, -1), Ok(0));
    match w.write(&set_acl("/v", open(), i32::MAX)).unwrap() {
        Op::SetAcl { version, .. } => assert_eq!(version, i32::MIN),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_no_reader_would_take_is_not_proposed() {
    let limit = 4096;
    let mut w = World::new(PrepSettings { entry_len_max: limit, ..settings() });
    let of = |len: usize| {
        let data = Some(Bytes::from(vec![7; len]));
        WriteOp::Create(CreateOp { data, ..create_op("/big", 0) })
    };
    // Header 32, digest 12, path 8, length 4, one ACL entry 4 + 4 + 9 + 10, flag 1, counter 4.
    let most = limit - 32 - 12 - 8 - 4 - 27 - 5;
    assert_eq!(w.write(&of(most + 1)), Err(MarshallingError));
    let before = w.tree.digest();
    assert_eq!(w.prep.outstanding(), 0);
    assert_eq!(w.tree.digest(), before, "and leaves nothing behind");
    let entry = w.prepare(&me(), &of(most));
    assert!(matches!(&entry.txn, Txn::Op(_)));
    assert_eq!(super::super::size::entry_len(&entry.txn), limit);
    w.apply_all();
    // A multi whose parts are small enough, and whose whole is not.
    let ops: Vec<MultiOp> = (0..2)
        .map(|_| MultiOp::SetData {
            path: Some("/big".into()),
            data: Some(Bytes::from(vec![1; limit / 2])),
            version: -1,
        })
        .collect();
    let entry = w.prepare(&me(), &WriteOp::Multi(ops));
    assert_eq!(entry.txn, Txn::Error(MarshallingError));
    w.apply_all();
    w.write(&set_data("/big", b"y", 0)).unwrap();
}

#[test]
fn sizes_are_the_encoded_ones_or_more() {
    let mut w = world();
    for op in [
        create("/s1", 0),
        with(CreateCall::Container, Some("/s2"), open(), 4, -1),
        with(CreateCall::Ttl, Some("/s3"), open(), 5, 9),
        set_data("/s1", b"abc", -1),
        set_acl("/s1", Some(vec![raw(1, "digest", "ü:😀")]), -1),
        delete("/s2", -1),
        WriteOp::Multi(vec![
            MultiOp::Check { path: Some("/a".into()), version: 0 },
            MultiOp::Create(create_op("/s4", 0)),
        ]),
        WriteOp::Multi(vec![MultiOp::Check { path: Some("/a".into()), version: 9 }]),
    ] {
        let entry = w.prepare(&me(), &op);
        let mut encoded = Vec::new();
        crate::codec::txn::encode_entry(&entry, &mut encoded);
        let reckoned = super::super::size::entry_len(&entry.txn);
        let slack = if matches!(op, WriteOp::SetAcl { .. }) { 8 } else { 0 };
        assert!(encoded.len() <= reckoned && reckoned <= encoded.len() + slack, "{op:?}");
    }
    w.apply_all();
}
