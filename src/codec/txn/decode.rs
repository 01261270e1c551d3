//! Bytes → log entries (SerializeUtils.deserializeTxn and what it calls).

use super::{CreateTxn, CreateTxnKind, Entry, Op, SubTxn, Txn, TxnDigest, TxnHeader, kind};
use crate::codec::jute::{DecodeError, Reader};
use crate::codec::record::read_acl;
use crate::types::{Data, ErrorCode, SessionId, WallMillis, Zxid};

/// Bytes of a [`TxnDigest`] at an entry's end.
const DIGEST_BYTES: usize = 12;

/// The fewest bytes a multi's step takes: its type and the length of its record.
const STEP_BYTES_MIN: usize = 8;

/// Reads a log entry or a proposal's payload. `field_max` bounds each string and buffer, in bytes.
///
/// Bytes beyond the digest are ignored. An error means that the entry cannot be understood; it must
/// stop whatever needs it, and never be passed over.
pub fn decode_entry(bytes: &[u8], field_max: usize) -> Result<Entry, DecodeError> {
    let r = &mut Reader::with_limit(bytes, field_max);
    let (header, number) = read_header(r)?;
    let txn = read_txn(r, number)?;
    let digest = if r.left() < DIGEST_BYTES {
        None
    } else {
        let version = r.i32("digest version")?;
        Some(TxnDigest { version, digest: r.i64("treeDigest")? as u64 })
    };
    Ok(Entry { header, txn, digest })
}

/// Reads the header alone, and the number of the transaction's type.
pub fn decode_entry_header(bytes: &[u8]) -> Result<(TxnHeader, i32), DecodeError> {
    read_header(&mut Reader::new(bytes))
}

/// A step's type and its bytes; `None`: null.
pub type RawStep<'a> = (i32, Option<&'a [u8]>);

/// A multi's steps as they lie in its entry, each with its type's number: for tools, which show them
/// whatever is in them (MultiTxn.deserialize).
pub fn multi_steps(bytes: &[u8], field_max: usize) -> Result<Vec<RawStep<'_>>, DecodeError> {
    let r = &mut Reader::with_limit(bytes, field_max);
    read_header(r)?;
    let count = r.vector("txns", STEP_BYTES_MIN)?.unwrap_or(0);
    (0..count).map(|_| Ok((r.i32("type")?, r.buffer("data")?))).collect()
}

fn read_header(r: &mut Reader<'_>) -> Result<(TxnHeader, i32), DecodeError> {
    let header = TxnHeader {
        session: SessionId(r.i64("clientId")?),
        cxid: r.i32("cxid")?,
        zxid: Zxid(r.i64("zxid")?),
        time: WallMillis(r.i64("time")?),
    };
    Ok((header, r.i32("type")?))
}

fn read_txn(r: &mut Reader<'_>, number: i32) -> Result<Txn, DecodeError> {
    Ok(match number {
        kind::CREATE_SESSION => Txn::CreateSession { timeout: r.i32("timeOut")? },
        kind::CLOSE_SESSION => Txn::CloseSession { paths: read_close_session(r)? },
        kind::ERROR => Txn::Error(read_error(r)?),
        kind::MULTI => Txn::Multi(read_multi(r)?),
        kind::RECONFIG => {
            // The path is always the config node's.
            r.str("path")?;
            let config = read_data(r)?;
            Txn::Reconfig { config, version: r.i32("version")? }
        }
        kind::SET_ACL => {
            let (path, acl) = (r.some_string("path")?, read_acl(r)?);
            Txn::Op(Op::SetAcl { path, acl, version: r.i32("version")? })
        }
        kind::CREATE => Txn::Op(Op::Create(read_create_any(r)?)),
        // A check changes nothing and stands only inside a multi.
        kind::CHECK => return Err(unknown(number)),
        _ => Txn::Op(read_op(r, number)?),
    })
}

/// Operations that stand alone and in a multi alike.
fn read_op(r: &mut Reader<'_>, number: i32) -> Result<Op, DecodeError> {
    Ok(match number {
        kind::CREATE | kind::CREATE2 => Op::Create(read_create(r, number)?),
        kind::CREATE_CONTAINER => {
            let (path, data, acl) = read_created(r)?;
            let parent_cversion = r.i32("parentCVersion")?;
            let kind = CreateTxnKind::Container;
            Op::Create(CreateTxn { kind, path, data, acl, parent_cversion })
        }
        kind::CREATE_TTL => {
            let (path, data, acl) = read_created(r)?;
            let parent_cversion = r.i32("parentCVersion")?;
            let kind = CreateTxnKind::Ttl(r.i64("ttl")?);
            Op::Create(CreateTxn { kind, path, data, acl, parent_cversion })
        }
        kind::DELETE => Op::Delete { path: r.some_string("path")? },
        kind::DELETE_CONTAINER => Op::DeleteContainer { path: r.some_string("path")? },
        kind::SET_DATA => {
            let (path, data) = (r.some_string("path")?, read_data(r)?);
            Op::SetData { path, data, version: r.i32("version")? }
        }
        kind::CHECK => Op::Check { path: r.some_string("path")?, version: r.i32("version")? },
        _ => return Err(unknown(number)),
    })
}

fn unknown(number: i32) -> DecodeError {
    DecodeError::Value { field: "transaction type", value: number }
}

fn read_data(r: &mut Reader<'_>) -> Result<Data, DecodeError> {
    Ok(r.buffer("data")?.map(bytes::Bytes::copy_from_slice))
}

fn read_error(r: &mut Reader<'_>) -> Result<ErrorCode, DecodeError> {
    Ok(ErrorCode::from_code(r.i32("err")?))
}

fn read_created(r: &mut Reader<'_>) -> Result<(String, Data, crate::types::AclList), DecodeError> {
    Ok((r.some_string("path")?, read_data(r)?, read_acl(r)?))
}

/// A record of type 1 that ends before its last field was written by 3.3 (CreateTxnV0).
fn read_create_any(r: &mut Reader<'_>) -> Result<CreateTxn, DecodeError> {
    let start = *r;
    match read_create(r, kind::CREATE) {
        Err(error) if error.is_short() => {
            *r = start;
            let (path, data, acl) = read_created(r)?;
            let kind = CreateTxnKind::Create { ephemeral: r.bool("ephemeral")? };
            Ok(CreateTxn { kind, path, data, acl, parent_cversion: -1 })
        }
        done => done,
    }
}

fn read_create(r: &mut Reader<'_>, number: i32) -> Result<CreateTxn, DecodeError> {
    let (path, data, acl) = read_created(r)?;
    let ephemeral = r.bool("ephemeral")?;
    let kind = if number == kind::CREATE2 {
        CreateTxnKind::Create2 { ephemeral }
    } else {
        CreateTxnKind::Create { ephemeral }
    };
    Ok(CreateTxn { kind, path, data, acl, parent_cversion: r.i32("parentCVersion")? })
}

/// The ephemerals a closeSession lists. Servers before 3.6, and newer ones with
/// `zookeeper.closeSessionTxn.enabled=false`, write none: then nothing or a digest follows at once.
/// Twelve bytes that begin with the digest's version are the digest: as a list they would be two
/// empty paths, and the root is nobody's ephemeral.
fn read_close_session(r: &mut Reader<'_>) -> Result<Option<Vec<String>>, DecodeError> {
    let digest_alone =
        r.left() == DIGEST_BYTES && r.rest().starts_with(&TxnDigest::VERSION.to_be_bytes());
    if digest_alone {
        return Ok(None);
    }
    match read_paths(r) {
        Err(error) if error.is_short() => {
            // Java has by then read to the end of the entry, so no digest follows either.
            r.skip_rest();
            Ok(None)
        }
        read => read.map(Some),
    }
}

fn read_paths(r: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    // A null list deletes nothing by itself, like an empty one.
    let count = r.vector("paths2Delete", 4)?.unwrap_or(0);
    let mut paths = Vec::with_capacity(count);
    for _ in 0..count {
        paths.push(r.some_string("paths2Delete")?);
    }
    Ok(paths)
}

/// Each step's record stands in a buffer of its own; bytes it leaves unread are ignored.
fn read_multi(r: &mut Reader<'_>) -> Result<Vec<SubTxn>, DecodeError> {
    let count = r.vector("txns", STEP_BYTES_MIN)?.unwrap_or(0);
    let mut steps = Vec::with_capacity(count);
    for _ in 0..count {
        let number = r.i32("type")?;
        let record = r.buffer("data")?.ok_or(DecodeError::Null { field: "data of a step" })?;
        let record = &mut r.within(record);
        steps.push(match number {
            kind::ERROR => SubTxn::Error(read_error(record)?),
            _ => SubTxn::Op(read_op(record, number)?),
        });
    }
    Ok(steps)
}
