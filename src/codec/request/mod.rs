//! What clients send, as types (tools/docs/reference/client-protocol.md sections 2, 4 and 8);
//! [`decode_connect`], [`decode_header`] and [`decode_body`] make them from frames, the `encode`
//! functions the reverse.
//!
//! Writes own their parts, because they travel to the control core. Reads borrow from the frame,
//! because nearly all are answered on the spot; one that must wait keeps its frame and is decoded
//! again when its turn comes.

mod decode;
mod encode;
mod opcodes;

use std::borrow::Cow;

use crate::types::{Acl, Data, SessionId, Xid, Zxid};

pub use decode::{
    BodyError, decode_body, decode_connect, decode_header, outline, partly, path_to_read,
};
pub use encode::{encode, encode_connect, put_body, put_write};
pub use opcodes::{OpCode, UnknownOpCode, opcode};

/// The first frame of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub struct ConnectRequest {
    pub protocol_version: i32,
    pub last_zxid_seen: Zxid,
    /// Milliseconds wanted.
    pub timeout: i32,
    /// 0 asks for a new session.
    pub session: SessionId,
    pub password: Vec<u8>,
    /// `None`: the client is older than 3.4 and must get a reply without the byte, too.
    pub read_only: Option<bool>,
}

/// Every later frame begins with this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub struct RequestHeader {
    pub xid: Xid,
    pub opcode: i32,
}

/// A decoded request.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub enum Request<'a> {
    Write(WriteOp),
    Read(ReadOp<'a>),
    /// Echoes any string once everything before it is committed.
    Sync {
        path: Option<Cow<'a, str>>,
    },
    Ping,
    /// Handled when received, not in line. A null scheme is an unknown one, null data is refused
    /// by the scheme: AuthFailed and close either way.
    Auth {
        scheme: Option<Cow<'a, str>>,
        auth: Option<&'a [u8]>,
    },
    /// Handled when received, not in line.
    Sasl {
        token: &'a [u8],
    },
    CloseSession,
}

/// Requests that become transactions. A null string stays `None`, because what Java answers to a
/// null path depends on the operation and on the checks before it (all seen live on 3.9.5):
///
/// | null | answer |
/// |---|---|
/// | path of a create, delete or deleteContainer | MarshallingError, where the path is first looked at: after the checks of flags and TTL |
/// | path of setData or setACL | BadArguments, in path validation |
/// | path of a step of a multi or multiRead | MarshallingError for the whole request: refused by the decoder |
/// | ACL list of a single create or setACL, of createTTL in a multi | InvalidACL, as for an empty one |
/// | ACL list of any other create in a multi | MarshallingError for the whole request: refused by the decoder |
/// | scheme of an ACL entry | InvalidACL |
/// | id of an ACL entry | MarshallingError; with scheme "auth" the id does not matter |
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub enum WriteOp {
    Create(CreateOp),
    Delete {
        path: Option<String>,
        version: i32,
    },
    SetData {
        path: Option<String>,
        data: Data,
        version: i32,
    },
    SetAcl {
        path: Option<String>,
        acl: Option<Vec<RawAcl>>,
        version: i32,
    },
    Multi(Vec<MultiOp>),
    Reconfig(ReconfigOp),
    /// Opcode 20. Never accepted from a client (F235); the control core makes it for reaping.
    DeleteContainer {
        path: Option<String>,
    },
}

/// Which opcode asked for the create: it decides what is created and what the answer holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CreateCall {
    /// Opcode 1: the answer is the path alone.
    Create,
    /// Opcode 15.
    Create2,
    /// Opcode 19.
    Container,
    /// Opcode 21.
    Ttl,
}

/// One of the four create requests.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub struct CreateOp {
    pub call: CreateCall,
    pub path: Option<String>,
    pub data: Data,
    pub acl: Option<Vec<RawAcl>>,
    pub flags: i32,
    /// -1 for every call but [`CreateCall::Ttl`].
    pub ttl: i64,
}

/// An ACL entry as sent: either string may be null.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub struct RawAcl {
    pub perms: i32,
    pub scheme: Option<String>,
    pub id: Option<String>,
}

impl From<&Acl> for RawAcl {
    fn from(acl: &Acl) -> RawAcl {
        RawAcl {
            perms: acl.perms.0,
            scheme: Some(acl.scheme.to_string()),
            id: Some(acl.id.to_string()),
        }
    }
}

/// As the client has put it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub struct ReconfigOp {
    pub joining: Option<String>,
    pub leaving: Option<String>,
    pub new_members: Option<String>,
    pub config_version: i64,
}

/// One step of a multi.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub enum MultiOp {
    Create(CreateOp),
    Delete { path: Option<String>, version: i32 },
    SetData { path: Option<String>, data: Data, version: i32 },
    Check { path: Option<String>, version: i32 },
}

/// Requests answered from this server's tree. Null paths, seen live on Java 3.9.5:
///
/// | null path of | answer |
/// |---|---|
/// | exists, getData, getACL, getChildren(2), getAllChildrenNumber | MarshallingError |
/// | getEphemerals | as "/": all |
/// | addWatch | success: a watch that never fires |
/// | checkWatches, removeWatches | as for any path: NoWatcher, unless addWatch was given null before |
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub enum ReadOp<'a> {
    Exists { path: Option<Cow<'a, str>>, watch: bool },
    GetData { path: Option<Cow<'a, str>>, watch: bool },
    GetAcl { path: Option<Cow<'a, str>> },
    GetChildren { path: Option<Cow<'a, str>>, watch: bool },
    GetChildren2 { path: Option<Cow<'a, str>>, watch: bool },
    GetAllChildrenNumber { path: Option<Cow<'a, str>> },
    GetEphemerals { prefix: Option<Cow<'a, str>> },
    MultiRead(Vec<MultiReadOp<'a>>),
    SetWatches(SetWatches<'a>),
    AddWatch { path: Option<Cow<'a, str>>, mode: i32 },
    CheckWatches { path: Option<Cow<'a, str>>, kind: i32 },
    RemoveWatches { path: Option<Cow<'a, str>>, kind: i32 },
    WhoAmI,
}

/// One step of a multiRead (the watch flag is ignored there).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub enum MultiReadOp<'a> {
    GetData { path: Option<Cow<'a, str>> },
    GetChildren { path: Option<Cow<'a, str>> },
}

/// setWatches and setWatches2: what the client was watching before it lost its server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub struct SetWatches<'a> {
    pub relative_zxid: Zxid,
    pub data: Vec<Cow<'a, str>>,
    pub exist: Vec<Cow<'a, str>>,
    pub child: Vec<Cow<'a, str>>,
    pub persistent: Vec<Cow<'a, str>>,
    pub recursive: Vec<Cow<'a, str>>,
}

impl SetWatches<'_> {
    /// Those of all lists.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let lists = [&self.data, &self.exist, &self.child, &self.persistent, &self.recursive];
        lists.into_iter().flatten().map(|path| &**path)
    }
}

#[cfg(test)]
mod tests;
