//! Log entries → bytes.

use super::{CreateTxn, CreateTxnKind, Entry, Op, SubTxn, Txn, TxnHeader, kind};
use crate::codec::jute::{
    open_len, patch_len, put_bool, put_i32, put_i64, put_len, put_opt_buffer, put_str,
};
use crate::codec::record::put_acl;

/// The path every reconfig transaction carries (ZooDefs.CONFIG_NODE).
const CONFIG_NODE: &str = "/zookeeper/config";

/// Appends an entry as the log and proposals hold it, without any framing.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    put_header(out, &entry.header, entry.txn.number());
    put_txn(out, &entry.txn);
    if let Some(digest) = entry.digest {
        put_i32(out, digest.version);
        put_i64(out, digest.digest as i64);
    }
}

impl Txn {
    /// The type number of the header.
    pub fn number(&self) -> i32 {
        match self {
            Txn::CreateSession { .. } => kind::CREATE_SESSION,
            Txn::CloseSession { .. } => kind::CLOSE_SESSION,
            Txn::Error(_) => kind::ERROR,
            Txn::Op(op) => op.number(),
            Txn::Multi(_) => kind::MULTI,
            Txn::Reconfig { .. } => kind::RECONFIG,
        }
    }
}

impl Op {
    /// The type number of the header, or of a multi's step.
    pub fn number(&self) -> i32 {
        match self {
            Op::Create(create) => match create.kind {
                CreateTxnKind::Create { .. } => kind::CREATE,
                CreateTxnKind::Create2 { .. } => kind::CREATE2,
                CreateTxnKind::Container => kind::CREATE_CONTAINER,
                CreateTxnKind::Ttl(_) => kind::CREATE_TTL,
            },
            Op::Delete { .. } => kind::DELETE,
            Op::DeleteContainer { .. } => kind::DELETE_CONTAINER,
            Op::SetData { .. } => kind::SET_DATA,
            Op::SetAcl { .. } => kind::SET_ACL,
            Op::Check { .. } => kind::CHECK,
        }
    }
}

fn put_header(out: &mut Vec<u8>, header: &TxnHeader, number: i32) {
    put_i64(out, header.session.0);
    put_i32(out, header.cxid);
    put_i64(out, header.zxid.0);
    put_i64(out, header.time.0);
    put_i32(out, number);
}

fn put_txn(out: &mut Vec<u8>, txn: &Txn) {
    match txn {
        Txn::CreateSession { timeout } => put_i32(out, *timeout),
        Txn::CloseSession { paths: None } => {}
        Txn::CloseSession { paths: Some(paths) } => {
            put_len(out, paths.len());
            for path in paths {
                put_str(out, path);
            }
        }
        Txn::Error(error) => put_i32(out, error.code()),
        Txn::Op(op) => put_op(out, op),
        Txn::Multi(steps) => put_multi(out, steps),
        Txn::Reconfig { config, version } => {
            put_str(out, CONFIG_NODE);
            put_opt_buffer(out, config.as_deref());
            put_i32(out, *version);
        }
    }
}

fn put_op(out: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Create(create) => put_create(out, create),
        Op::Delete { path } | Op::DeleteContainer { path } => put_str(out, path),
        Op::SetData { path, data, version } => {
            put_str(out, path);
            put_opt_buffer(out, data.as_deref());
            put_i32(out, *version);
        }
        Op::SetAcl { path, acl, version } => {
            put_str(out, path);
            put_acl(out, acl);
            put_i32(out, *version);
        }
        Op::Check { path, version } => {
            put_str(out, path);
            put_i32(out, *version);
        }
    }
}

fn put_create(out: &mut Vec<u8>, create: &CreateTxn) {
    put_str(out, &create.path);
    put_opt_buffer(out, create.data.as_deref());
    put_acl(out, &create.acl);
    if let CreateTxnKind::Create { ephemeral } | CreateTxnKind::Create2 { ephemeral } = create.kind
    {
        put_bool(out, ephemeral);
    }
    put_i32(out, create.parent_cversion);
    if let CreateTxnKind::Ttl(ttl) = create.kind {
        put_i64(out, ttl);
    }
}

fn put_multi(out: &mut Vec<u8>, steps: &[SubTxn]) {
    put_len(out, steps.len());
    for step in steps {
        put_i32(
            out,
            match step {
                SubTxn::Op(op) => op.number(),
                SubTxn::Error(_) => kind::ERROR,
            },
        );
        let record = open_len(out);
        match step {
            SubTxn::Op(op) => put_op(out, op),
            SubTxn::Error(error) => put_i32(out, error.code()),
        }
        patch_len(out, record);
    }
}
