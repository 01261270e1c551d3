//! Transactions: the state changes a log holds and peers exchange
//! (tools/docs/reference/storage.md section 2).

mod decode;
mod encode;

pub use decode::{RawStep, decode_entry, decode_entry_header, multi_steps};
pub use encode::encode_entry;

use crate::types::{AclList, Data, ErrorCode, SessionId, WallMillis, Zxid};

/// Fields every transaction has. The type number is the [`Txn`]'s own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub struct TxnHeader {
    /// Who asked: 0 for the server's own container deletions.
    pub session: SessionId,
    pub cxid: i32,
    pub zxid: Zxid,
    pub time: WallMillis,
}

/// What the tree's digest is after the transaction, as its maker computed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub struct TxnDigest {
    pub version: i32,
    pub digest: u64,
}

impl TxnDigest {
    /// The one version in use since 3.6 (DigestCalculator.DIGEST_VERSION).
    pub const VERSION: i32 = 2;
}

/// A log entry or proposal, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub struct Entry {
    pub header: TxnHeader,
    pub txn: Txn,
    /// Absent in plain error transactions and in files of servers before 3.6.
    pub digest: Option<TxnDigest>,
}

/// What a transaction does.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub enum Txn {
    CreateSession {
        timeout: i32,
    },
    /// `paths`: the session's ephemerals; `None` from servers before 3.6.
    CloseSession {
        paths: Option<Vec<String>>,
    },
    Error(ErrorCode),
    /// A single operation.
    Op(Op),
    Multi(Vec<SubTxn>),
    Reconfig {
        config: Data,
        version: i32,
    },
}

/// One step of a multi transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub enum SubTxn {
    Op(Op),
    /// The multi failed: nothing of it is applied.
    Error(ErrorCode),
}

/// A change of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub enum Op {
    Create(CreateTxn),
    Delete {
        path: String,
    },
    DeleteContainer {
        path: String,
    },
    SetData {
        path: String,
        data: Data,
        version: i32,
    },
    SetAcl {
        path: String,
        acl: AclList,
        version: i32,
    },
    /// Only inside a multi; no effect. `version` is the current one + 1.
    Check {
        path: String,
        version: i32,
    },
}

/// A node, as it is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub struct CreateTxn {
    pub kind: CreateTxnKind,
    pub path: String,
    pub data: Data,
    pub acl: AclList,
    /// The parent's create counter after this; -1 means "current + 1" (records of 3.3).
    pub parent_cversion: i32,
}

/// The record's type number and what it adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub enum CreateTxnKind {
    /// Type 1.
    Create { ephemeral: bool },
    /// Type 15.
    Create2 { ephemeral: bool },
    /// Type 19.
    Container,
    /// Type 21, milliseconds.
    Ttl(i64),
}

/// Type numbers of transactions: those of the requests that make them.
pub mod kind {
    pub use crate::codec::request::opcode::{
        CHECK, CLOSE_SESSION, CREATE, CREATE_CONTAINER, CREATE_SESSION, CREATE_TTL, CREATE2,
        DELETE, DELETE_CONTAINER, ERROR, MULTI, RECONFIG, SET_ACL, SET_DATA,
    };
}

#[cfg(test)]
mod tests;
