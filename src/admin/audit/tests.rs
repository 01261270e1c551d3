//! Lines of the audit log, by what Java's AuditHelper writes for the same requests.

use std::sync::Arc;

use super::*;
use crate::codec::request::{
    CreateCall, CreateOp, MultiOp, RawAcl, ReconfigOp, WriteOp, opcode, put_write,
};
use crate::codec::txn::Txn;
use crate::runtime::waker;
use crate::testing::generate::Gen;
use crate::tree::Outcome;
use crate::types::{ErrorCode, Identity, SessionId, WallMillis};

const AT: WallMillis = WallMillis(1_795_235_360_137);
const HEAD: &str = "2026-11-21 04:29:20,137";

/// What a record says, without time, level and logger.
fn lines(record: &Record) -> Vec<String> {
    let mut text = String::new();
    write_lines(record, "zk", AT, &mut text);
    text.lines()
        .map(|line| {
            let rest = line.strip_prefix(HEAD).unwrap();
            let (head, fields) = rest.split_once(" o.a.z.a.Slf4jAuditLogger: ").unwrap();
            let level = if fields.ends_with("=failure") { " ERROR" } else { " INFO" };
            assert_eq!(head, level, "{line}");
            fields.replace('\t', " | ")
        })
        .collect()
}

fn requester() -> Requester {
    let mut identities = vec![Identity::new("ip", "127.0.0.1")];
    identities.push(Identity::new("digest", "bob:secret hash="));
    identities.push(Identity::new("super", ""));
    Requester { session: SessionId(0x1f), identities: Arc::new(identities) }
}

fn ended(op: &WriteOp, end: End) -> Vec<String> {
    let event = Event::Request { requester: requester(), asked: Asked::of(op), end };
    lines(&Record::now(event))
}

/// With whom every line of that requester begins.
fn of(rest: &str) -> String {
    format!("session=0x1f | user=127.0.0.1,bob | ip=127.0.0.1 | operation={rest}")
}

fn create(path: &str, flags: i32) -> CreateOp {
    let (call, path) = (CreateCall::Create, Some(path.to_owned()));
    CreateOp { call, path, data: None, acl: Some(Vec::new()), flags, ttl: -1 }
}

fn failed() -> End {
    End::Applied(Outcome::Failed(ErrorCode::NoAuth))
}

fn created(path: &str) -> Outcome {
    Outcome::Created { path: path.to_owned(), stat: None }
}

#[test]
fn a_line_has_javas_form() {
    let mut text = String::new();
    let event = Event::Request {
        requester: requester(),
        asked: Asked::of(&WriteOp::Create(create("/a", 0))),
        end: End::Applied(created("/a")),
    };
    write_lines(&Record { at: Some(AT), event }, "zk", WallMillis(0), &mut text);
    assert_eq!(
        text,
        "2026-11-21 04:29:20,137 INFO o.a.z.a.Slf4jAuditLogger: session=0x1f\tuser=127.0.0.1,bob\t\
         ip=127.0.0.1\toperation=create\tznode=/a\tznode_type=persistent\tresult=success\n"
    );
}

#[test]
fn creates_tell_the_path_that_was_made_and_the_mode() {
    for (flags, mode) in [
        (0, "persistent"),
        (1, "ephemeral"),
        (2, "persistent_sequential"),
        (3, "ephemeral_sequential"),
        (4, "container"),
        (5, "persistent_with_ttl"),
        (6, "persistent_sequential_with_ttl"),
    ] {
        let op = WriteOp::Create(create("/a", flags));
        let made = ended(&op, End::Applied(created("/a0000000001")));
        let expected =
            of(&format!("create | znode=/a0000000001 | znode_type={mode} | result=success"));
        assert_eq!(made, [expected]);
        let expected = of(&format!("create | znode=/a | znode_type={mode} | result=failure"));
        assert_eq!(ended(&op, failed()), std::slice::from_ref(&expected));
        assert_eq!(ended(&op, End::Refused), [expected]);
    }
    // CreateMode.fromFlag throws, and AuditHelper writes nothing.
    let unknown = WriteOp::Create(create("/a", 7));
    assert_eq!(ended(&unknown, failed()), Vec::<String>::new());
    let null = WriteOp::Create(CreateOp { path: None, ..create("", 0) });
    assert_eq!(ended(&null, failed()), [of("create | znode_type=persistent | result=failure")]);
}

#[test]
fn changes_of_one_node_tell_its_path() {
    let stat = Gen::new(1).stat();
    let path = || Some("/a".to_owned());
    let delete = WriteOp::Delete { path: path(), version: -1 };
    let deleted = ended(&delete, End::Applied(Outcome::Deleted));
    assert_eq!(deleted, [of("delete | znode=/a | result=success")]);
    assert_eq!(ended(&delete, End::Unknown), [of("delete | znode=/a | result=invoked")]);
    let set = WriteOp::SetData { path: path(), data: Some("secret data".into()), version: -1 };
    let was_set = ended(&set, End::Applied(Outcome::DataSet(stat)));
    assert_eq!(was_set, [of("setData | znode=/a | result=success")]);
    let entry = |perms, scheme: Option<&str>, id: &str| RawAcl {
        perms,
        scheme: scheme.map(str::to_owned),
        id: Some(id.to_owned()),
    };
    let acl =
        vec![entry(31, Some("world"), "anyone"), entry(5, None, "x"), entry(0, Some("a"), "")];
    let acl = WriteOp::SetAcl { path: path(), acl: Some(acl), version: -1 };
    let text = "acl=world:anyone:cdrwanull:x:cra::";
    let was_set = ended(&acl, End::Applied(Outcome::AclSet(stat)));
    assert_eq!(was_set, [of(&format!("setAcl | znode=/a | {text} | result=success"))]);
    assert_eq!(
        ended(&acl, failed()),
        [of(&format!("setAcl | znode=/a | {text} | result=failure"))]
    );
    // A null list: AuditHelper falls over it.
    let null = WriteOp::SetAcl { path: path(), acl: None, version: -1 };
    assert_eq!(ended(&null, failed()), Vec::<String>::new());
}

#[test]
fn a_reconfiguration_tells_its_node_where_it_was_made() {
    let [joining, leaving, new_members] = [None, None, None];
    let op = WriteOp::Reconfig(ReconfigOp { joining, leaving, new_members, config_version: -1 });
    let done = Outcome::Reconfigured { data: None, stat: Gen::new(1).stat() };
    let made = of("reconfig | znode=/zookeeper/config | result=success");
    assert_eq!(ended(&op, End::Applied(done)), [made]);
    assert_eq!(ended(&op, failed()), [of("reconfig | result=failure")]);
}

#[test]
fn a_multi_is_told_step_by_step_or_as_a_failure() {
    let stat = Gen::new(1).stat();
    let step = |path: &str, flags| MultiOp::Create(create(path, flags));
    let (path, version) = (Some("/d".to_owned()), -1);
    let op = WriteOp::Multi(vec![
        step("/a", 0),
        step("/s", 2),
        step("/t", 5),
        MultiOp::Delete { path: path.clone(), version },
        MultiOp::SetData { path: path.clone(), data: None, version },
        MultiOp::Check { path, version },
        // Of two with one path the later one decides.
        step("/a", 1),
    ]);
    let outcomes = vec![
        created("/a"),
        created("/s0000000001"),
        created("/t"),
        Outcome::Deleted,
        Outcome::DataSet(stat),
        Outcome::Checked,
        created("/a"),
    ];
    let expected = [
        of("create | znode=/a | znode_type=ephemeral | result=success"),
        of("create | znode=/s0000000001 | result=success"),
        of("create | znode=/t | result=success"),
        of("delete | znode=/d | result=success"),
        of("setData | znode=/d | result=success"),
        of("create | znode=/a | znode_type=ephemeral | result=success"),
    ];
    assert_eq!(ended(&op, End::Applied(Outcome::Multi(outcomes))), expected);
    let failed_steps = [ErrorCode::Ok, ErrorCode::NoNode, ErrorCode::RuntimeInconsistency];
    let steps = failed_steps.map(Outcome::Failed).to_vec();
    let failure = of("multiOperation | result=failure");
    assert_eq!(ended(&op, End::Applied(Outcome::Multi(steps))), std::slice::from_ref(&failure));
    assert_eq!(ended(&op, failed()), std::slice::from_ref(&failure), "as a whole");
    assert_eq!(ended(&op, End::Refused), [failure]);
    assert_eq!(ended(&op, End::Unknown), [of("multiOperation | result=invoked")]);
    let none = WriteOp::Multi(Vec::new());
    assert!(ended(&none, End::Applied(Outcome::Multi(Vec::new()))).is_empty());
    assert_eq!(Asked::of_malformed(opcode::MULTI, b""), Some(Asked::Multi(Vec::new())));
    assert_eq!(Asked::of_malformed(opcode::EXISTS, b""), None);
}

#[test]
fn what_cannot_be_read_to_its_end_is_told_as_far_as_it_can() {
    // Goal: ByteBufferRequestRecord.readRecord keeps the record that it began to read.
    let mut framed = Vec::new();
    let entry = RawAcl { perms: 31, scheme: Some("world".into()), id: Some("anyone".into()) };
    let acl = Some(vec![entry.clone(), entry]);
    let create = WriteOp::Create(CreateOp { acl: acl.clone(), ..create("/a", 1) });
    put_write(&mut framed, &create);
    let told = |opcode, upto: usize| {
        let asked = Asked::of_malformed(opcode, &framed[..upto]).unwrap();
        let event = Event::Request { requester: requester(), asked, end: End::Refused };
        lines(&Record::now(event)).into_iter().next()
    };
    let made = |znode: &str, mode: &str| {
        Some(of(&format!("create{znode} | znode_type={mode} | result=failure")))
    };
    assert_eq!(told(opcode::CREATE, 5), made("", "persistent"));
    assert_eq!(told(opcode::CREATE, 7), made(" | znode=/a", "persistent"));
    assert_eq!(told(opcode::CREATE_TTL, framed.len()), made(" | znode=/a", "ephemeral"));
    assert_eq!(told(opcode::SET_DATA, 6), Some(of("setData | znode=/a | result=failure")));
    let mut framed = Vec::new();
    put_write(&mut framed, &WriteOp::SetAcl { path: Some("/a".into()), acl, version: -1 });
    let told = |upto: usize| {
        let asked = Asked::of_malformed(opcode::SET_ACL, &framed[..upto]).unwrap();
        let event = Event::Request { requester: requester(), asked, end: End::Refused };
        lines(&Record::now(event)).into_iter().next()
    };
    assert_eq!(told(8), None, "a null list: AuditHelper falls over it");
    let one = "setAcl | znode=/a | acl=world:anyone:cdrwa | result=failure";
    assert_eq!(told(10 + 23 + 5), Some(of(one)));
}

#[test]
fn what_the_server_does_itself_is_told_in_its_own_name() {
    let session = SessionId(-1);
    let removed = Event::SessionEnded { session, paths: vec!["/a".into(), "/b".into()] };
    let of_session = |path: &str| {
        let operation = "ephemeralZNodeDeletionOnSessionCloseOrExpire";
        let who = "session=0xffffffffffffffff | user=zk";
        format!("{who} | operation={operation} | znode={path} | result=success")
    };
    assert_eq!(lines(&Record::now(removed)), [of_session("/a"), of_session("/b")]);
    for (event, line) in [
        (Event::Reaped { path: "/c".into() }, "operation=delete | znode=/c | result=success"),
        (Event::Started, "operation=serverStart | result=success"),
        (Event::StartFailed, "operation=serverStart | result=failure"),
        (Event::Stopped, "operation=serverStop | result=invoked"),
    ] {
        assert_eq!(lines(&Record::now(event)), [format!("user=zk | {line}")]);
    }
    let mut text = String::new();
    write_lost(7, "zk", AT, &mut text);
    let lost = "ERROR o.a.z.a.Slf4jAuditLogger: user=zk\toperation=auditRecordsLost\tcount=7\t";
    assert_eq!(text, format!("{HEAD} {lost}result=failure\n"));
}

#[test]
fn no_value_begins_a_field_a_line_or_a_user() {
    // Goal: CVE-2026-84439: whatever a client calls itself or a node, its line says so and no more.
    let names = ["eve\tresult=success", "eve\nroot", "eve\u{9b}2J", "eve\u{2028}x", "eve,root"];
    for (name, shown) in names.into_iter().zip([
        "eve\\u0009result=success",
        "eve\\u000aroot",
        "eve\\u009b2J",
        "eve\\u2028x",
        "eve\\u002croot",
    ]) {
        let identities = vec![Identity::new("ip", "::1"), Identity::new("digest", name)];
        let identities = Arc::new(identities);
        let path = Some(format!("/{name}"));
        let event = Event::Request {
            requester: Requester { session: SessionId(1), identities },
            asked: Asked::Delete { path },
            end: failed(),
        };
        let told = lines(&Record::now(event));
        let znode = shown.replace("\\u002c", ",");
        let expected = format!(
            "session=0x1 | user=::1,{shown} | ip=::1 | operation=delete | znode=/{znode} | \
             result=failure"
        );
        assert_eq!(told, [expected]);
    }
}

#[test]
fn a_request_that_nobody_ends_is_reported_as_invoked() {
    // Goal: a role that goes away takes no request along without a line.
    let (_, waker) = waker::for_thread();
    let (queue, mut receiver) = audit_queue(waker);
    let op = WriteOp::Delete { path: Some("/a".into()), version: -1 };
    let audited = || Some(Audited::new(&queue, requester(), &op));
    drop(audited());
    let mut batch = AuditBatch::new(Some(queue.clone()));
    batch.ended(audited(), AT, &Outcome::Deleted);
    batch.refused(audited(), AT);
    let close = Txn::CloseSession { paths: None };
    assert_eq!(batch.removed_by(&close), Some(Vec::new()));
    assert_eq!(batch.removed_by(&Txn::Error(ErrorCode::NoNode)), None);
    batch.session_ended(SessionId(1), Some(Vec::new()), AT);
    batch.reaped("/c", &Outcome::Failed(ErrorCode::NoNode), AT);
    let mut arrived = std::collections::VecDeque::new();
    receiver.mailbox.drain_into(&mut arrived);
    assert_eq!(arrived.len(), 1, "the others wait for the end of the turn");
    batch.flush();
    receiver.mailbox.drain_into(&mut arrived);
    let ends = arrived.into_iter().map(|message| match message {
        ToAudit::Record(Record { event: Event::Request { end, .. }, .. }) => end,
        _ => unreachable!("nothing else was noted"),
    });
    let expected = [End::Unknown, End::Applied(Outcome::Deleted), End::Refused];
    assert_eq!(ends.collect::<Vec<_>>(), expected);
    let off = AuditBatch::new(None);
    assert_eq!(off.removed_by(&close), None);
}
