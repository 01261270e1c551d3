//! The operations as they are asked for, and the lists of access in the wire's words.

use crate::oracle::{Grantee, Kind, List};
use crate::support::client::Reply;
use crate::support::wire::{OPEN, Out, RawAcl};

/// Everything that a client can ask for of a node, or without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Exists,
    GetData,
    GetChildren,
    GetChildren2,
    CountDescendants,
    GetAcl,
    MultiReadData,
    MultiReadChildren,
    SetData,
    SetDataStale,
    SetAcl,
    SetAclStale,
    Create,
    Create2,
    CreateTtl,
    CreateContainer,
    CreateEphemeral,
    CreateWhatIsThere,
    /// Of a child that has none of its own, and of one that has.
    Delete,
    DeleteParent,
    DeleteItselfStale,
    DeleteContainer,
    MultiCheck,
    MultiCheckStale,
    MultiSetData,
    MultiCreate,
    MultiDelete,
    Sync,
    AddWatch,
    AddRecursiveWatch,
    CheckWatches,
    RemoveWatches,
    RemoveWatchesAgain,
    GetEphemerals,
    WhoAmI,
    Reconfig,
}

/// In the order in which they are sent: what is added is there when it is removed.
pub(crate) const OPS: [Op; 36] = [
    Op::Exists,
    Op::GetData,
    Op::GetChildren,
    Op::GetChildren2,
    Op::CountDescendants,
    Op::GetAcl,
    Op::MultiReadData,
    Op::MultiReadChildren,
    Op::SetData,
    Op::SetDataStale,
    Op::SetAcl,
    Op::SetAclStale,
    Op::Create,
    Op::Create2,
    Op::CreateTtl,
    Op::CreateContainer,
    Op::CreateEphemeral,
    Op::CreateWhatIsThere,
    Op::Delete,
    Op::DeleteParent,
    Op::DeleteItselfStale,
    Op::DeleteContainer,
    Op::MultiCheck,
    Op::MultiCheckStale,
    Op::MultiSetData,
    Op::MultiCreate,
    Op::MultiDelete,
    Op::Sync,
    Op::AddWatch,
    Op::AddRecursiveWatch,
    Op::CheckWatches,
    Op::RemoveWatches,
    Op::RemoveWatchesAgain,
    Op::GetEphemerals,
    Op::WhoAmI,
    Op::Reconfig,
];

pub(crate) const ALICE: &str = "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=";
const BOB: &str = "bob:LcrmCNs/wfVD+i5a5yaz89GyjIM=";
/// Nobody but a super user.
pub(crate) const SHUT: &[RawAcl<'static>] = &[(31, Some("digest"), Some("nobody:x"))];

/// Good in a node of quotas, too.
pub(crate) const DATA: &[u8] = b"count=5,bytes=-1";
/// A version that no node comes to.
const STALE: i32 = 1 << 30;

/// A list as it is sent.
pub(crate) fn wire(list: &List) -> Vec<RawAcl<'static>> {
    let entry = |(perms, grantee): &(i32, Grantee)| {
        let (scheme, id) = match grantee {
            Grantee::Anyone => ("world", "anyone"),
            Grantee::Alice => ("digest", ALICE),
            Grantee::Bob => ("digest", BOB),
            Grantee::Here => ("ip", "127.0.0.1"),
            Grantee::Network => ("ip", "127.0.0.0/8"),
            Grantee::Elsewhere => ("ip", "10.0.0.0/8"),
            Grantee::Sasl => ("sasl", "bob"),
        };
        (*perms, Some(scheme), Some(id))
    };
    list.iter().map(entry).collect()
}

/// The path of a child.
pub(crate) fn beneath(path: &str, name: &str) -> String {
    match path {
        "/" => format!("/{name}"),
        _ => format!("{path}/{name}"),
    }
}

/// Where a node of this kind is; `who` is its owner's place, where that is to be the one who asks.
pub(crate) fn path_of(kind: Kind, who: usize) -> String {
    match kind {
        Kind::Root => "/".into(),
        Kind::Zookeeper => "/zookeeper".into(),
        Kind::Quota => "/zookeeper/quota".into(),
        Kind::Config => "/zookeeper/config".into(),
        Kind::QuotaBranch => "/zookeeper/quota/m".into(),
        Kind::OwnEphemeral => format!("/m/own{who}"),
        Kind::Leaf
        | Kind::Parent
        | Kind::OthersEphemeral
        | Kind::Ttl
        | Kind::Container
        | Kind::Missing => format!("/m/{kind:?}"),
        Kind::BeneathMissing => "/m/Missing/beneath".into(),
    }
}

/// The children that requests name: what is there for all, and what each may delete.
pub(crate) fn children(path: &str, identities: usize) -> Vec<String> {
    let mut names = vec!["there".to_owned(), "full".into(), "full/child".into()];
    names.extend((0..identities).flat_map(|who| [format!("d{who}"), format!("e{who}")]));
    names.iter().map(|name| beneath(path, name)).collect()
}

/// What a client's creates make: they are removed before the next list's turn.
pub(crate) fn made(path: &str, who: usize) -> Vec<String> {
    (0..6).map(|which| beneath(path, &format!("c{who}-{which}"))).collect()
}

pub(crate) fn create(path: &str, acls: &[RawAcl<'_>], flags: i32) -> Out {
    Out::new().str(path).buffer(Some(DATA)).acls(Some(acls)).i32(flags)
}

pub(crate) fn set_acl(path: &str, list: &List) -> Out {
    Out::new().str(path).acls(Some(&wire(list))).i32(-1)
}

/// A multi of one step.
fn multi(opcode: i32, step: &Out) -> Out {
    let head = |opcode: i32, done: bool| Out::new().i32(opcode).bool(done).i32(-1);
    head(opcode, false).append(&step.0).append(&head(-1, true).0)
}

/// Opcode and body.
pub(crate) fn request(op: Op, path: &str, list: &List, who: usize) -> (i32, Out) {
    let of = |path: &str| Out::new().str(path);
    let read = || of(path).bool(false);
    let made = made(path, who);
    let child = |name: String| of(&beneath(path, &name));
    match op {
        Op::Exists => (3, read()),
        Op::GetData => (4, read()),
        Op::GetChildren => (8, read()),
        Op::GetChildren2 => (12, read()),
        Op::CountDescendants => (104, of(path)),
        Op::GetAcl => (6, of(path)),
        Op::MultiReadData => (22, multi(4, &read())),
        Op::MultiReadChildren => (22, multi(8, &read())),
        Op::SetData => (5, of(path).buffer(Some(DATA)).i32(-1)),
        Op::SetDataStale => (5, of(path).buffer(Some(DATA)).i32(STALE)),
        Op::SetAcl => (7, set_acl(path, list)),
        Op::SetAclStale => (7, of(path).acls(Some(&wire(list))).i32(STALE)),
        Op::Create => (1, create(&made[0], OPEN, 0)),
        Op::Create2 => (15, create(&made[1], OPEN, 0)),
        Op::CreateTtl => (21, create(&made[2], OPEN, 5).i64(1_000_000_000)),
        Op::CreateContainer => (19, create(&made[3], OPEN, 4)),
        Op::CreateEphemeral => (1, create(&made[4], OPEN, 1)),
        Op::CreateWhatIsThere => (1, create(&beneath(path, "there"), OPEN, 0)),
        Op::Delete => (2, child(format!("d{who}")).i32(-1)),
        Op::DeleteParent => (2, child("full".into()).i32(-1)),
        Op::DeleteItselfStale => (2, of(path).i32(STALE)),
        Op::DeleteContainer => (20, child("full".into())),
        Op::MultiCheck => (14, multi(13, &of(path).i32(-1))),
        Op::MultiCheckStale => (14, multi(13, &of(path).i32(STALE))),
        Op::MultiSetData => (14, multi(5, &of(path).buffer(Some(DATA)).i32(-1))),
        Op::MultiCreate => (14, multi(1, &create(&made[5], OPEN, 0))),
        Op::MultiDelete => (14, multi(2, &child(format!("e{who}")).i32(-1))),
        Op::Sync => (9, of(path)),
        Op::AddWatch => (106, of(path).i32(0)),
        Op::AddRecursiveWatch => (106, of(path).i32(1)),
        Op::CheckWatches => (17, of(path).i32(3)),
        Op::RemoveWatches | Op::RemoveWatchesAgain => (18, of(path).i32(3)),
        Op::GetEphemerals => (103, of("/m/none")),
        Op::WhoAmI => (107, Out::new()),
        Op::Reconfig => (16, Out::new().str("server.2=h:1:2;3").string(None).string(None).i64(-1)),
    }
}

/// The error that a reply tells: of a multi, that of its step.
pub(crate) fn code(op: Op, reply: &Reply) -> i32 {
    let is_multi = matches!(
        op,
        Op::MultiCheck
            | Op::MultiCheckStale
            | Op::MultiSetData
            | Op::MultiCreate
            | Op::MultiDelete
            | Op::MultiReadData
            | Op::MultiReadChildren
    );
    match reply.body.get(5..9) {
        Some(error) if is_multi && reply.err == 0 => i32::from_be_bytes(error.try_into().unwrap()),
        _ => reply.err,
    }
}

/// Bytes behind the header, or behind the header of a multi's one result, where nothing of a node may
/// be: a failed step has its code there a second time, and then the end follows.
pub(crate) fn tells_more(op: Op, reply: &Reply) -> bool {
    let code = code(op, reply);
    match reply.err {
        0 if code != 0 => reply.body.len() > 9 + 4 + 9,
        0 => false,
        _ => !reply.body.is_empty(),
    }
}
