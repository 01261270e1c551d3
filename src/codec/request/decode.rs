//! Frames from clients → requests.

use super::{
    ConnectRequest, CreateCall, CreateOp, MultiOp, MultiReadOp, OpCode, RawAcl, ReadOp, ReconfigOp,
    Request, RequestHeader, SetWatches, UnknownOpCode, WriteOp, opcode,
};
use crate::codec::jute::{DecodeError, Reader};
use crate::codec::record::read_raw_acl;
use crate::types::{CreateMode, Data, ErrorCode, SessionId, Xid, Zxid};

use std::borrow::Cow;

/// Why a request's body is not acted on. Each variant says what the client hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BodyError {
    /// Answer Unimplemented with zxid -1, then close (Request.isValid).
    #[error("opcode {0} is not a request")]
    Unknown(i32),
    /// Answer MarshallingError; the connection stays.
    #[error("request body: {0}")]
    Malformed(#[from] DecodeError),
    /// Answer MarshallingError followed by the body of an empty multi; the connection stays.
    #[error("a multiRead holds opcode {0}, which is not a read")]
    WriteInMultiRead(i32),
    /// Answer with this code; the connection stays.
    #[error("refused with {0:?}")]
    Refused(ErrorCode),
    /// Close without an answer: auth and SASL packets are read where Java has no reply to give.
    #[error("authentication packet: {0}")]
    Fatal(DecodeError),
}

/// The payload of a connection's first frame. The readOnly byte may be missing, the password null
/// (read as empty). Any error: close without an answer.
pub fn decode_connect(payload: &[u8]) -> Result<ConnectRequest, DecodeError> {
    let mut r = Reader::new(payload);
    Ok(ConnectRequest {
        protocol_version: r.i32("protocolVersion")?,
        last_zxid_seen: Zxid(r.i64("lastZxidSeen")?),
        timeout: r.i32("timeOut")?,
        session: SessionId(r.i64("sessionId")?),
        password: r.buffer("passwd")?.unwrap_or_default().to_vec(),
        read_only: r.bool("readOnly").ok(),
    })
}

/// Splits a later frame's payload into its header and its body. Any error: close without an answer.
pub fn decode_header(frame: &[u8]) -> Result<(RequestHeader, &[u8]), DecodeError> {
    let mut r = Reader::new(frame);
    let header = RequestHeader { xid: Xid(r.i32("xid")?), opcode: r.i32("type")? };
    Ok((header, r.rest()))
}

/// The bytes of the path that a read of one node asks for; `None` where it is another request, or
/// the frame is no good.
pub fn path_to_read(frame: &[u8]) -> Option<&[u8]> {
    let mut r = Reader::new(frame);
    r.i32("xid").ok()?;
    match OpCode::try_from(r.i32("type").ok()?).ok()? {
        OpCode::Exists
        | OpCode::GetData
        | OpCode::GetAcl
        | OpCode::GetChildren
        | OpCode::GetChildren2 => r.buffer("path").ok()?,
        _ => None,
    }
}

/// What a frame asks for, and the bytes of the path that its body begins with: none where it begins with
/// something else. `None`: the frame is no good.
pub fn outline(frame: &[u8]) -> Option<(OpCode, &[u8])> {
    let mut r = Reader::new(frame);
    r.i32("xid").ok()?;
    let op = OpCode::try_from(r.i32("type").ok()?).ok()?;
    let path = match op {
        OpCode::Create
        | OpCode::Create2
        | OpCode::CreateContainer
        | OpCode::CreateTtl
        | OpCode::Delete
        | OpCode::DeleteContainer
        | OpCode::SetData
        | OpCode::SetAcl
        | OpCode::Exists
        | OpCode::GetData
        | OpCode::GetAcl
        | OpCode::GetChildren
        | OpCode::GetChildren2
        | OpCode::GetAllChildrenNumber
        | OpCode::GetEphemerals
        | OpCode::AddWatch
        | OpCode::CheckWatches
        | OpCode::RemoveWatches
        | OpCode::Check
        | OpCode::Sync => r.buffer("path").ok()?.unwrap_or_default(),
        OpCode::Multi
        | OpCode::MultiRead
        | OpCode::Reconfig
        | OpCode::SetWatches
        | OpCode::SetWatches2
        | OpCode::Notification
        | OpCode::Ping
        | OpCode::Auth
        | OpCode::Sasl
        | OpCode::WhoAmI
        | OpCode::CreateSession
        | OpCode::CloseSession
        | OpCode::Error => &[],
    };
    Some((op, path))
}

/// What can be read of a write whose body is no good: what stands in front of the fault, and zeros and nulls
/// in place of the rest. Java keeps the record that it could not read to its end, and its audit log tells
/// of that (ByteBufferRequestRecord.readRecord). `None`: no write of one node.
pub fn partly(opcode: i32, body: &[u8]) -> Option<WriteOp> {
    let r = &mut Reader::new(body);
    let path = r.string("path");
    let is_readable = path.is_ok();
    let path = path.unwrap_or_default();
    Some(match OpCode::try_from(opcode).ok()? {
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
            let call = CreateCall::Create;
            let mut op = CreateOp { call, path, data: None, acl: None, flags: 0, ttl: -1 };
            if is_readable && read_data(r).is_ok() && read_acl_as_far(r, &mut op.acl).is_ok() {
                op.flags = r.i32("flags").unwrap_or_default();
            }
            WriteOp::Create(op)
        }
        OpCode::Delete => WriteOp::Delete { path, version: 0 },
        OpCode::SetData => WriteOp::SetData { path, data: None, version: 0 },
        OpCode::SetAcl => {
            let mut acl = None;
            if is_readable {
                // What stands in front of a fault is in the list.
                let _ = read_acl_as_far(r, &mut acl);
            }
            WriteOp::SetAcl { path, acl, version: 0 }
        }
        _ => return None,
    })
}

fn read_acl_as_far(r: &mut Reader<'_>, acl: &mut Option<Vec<RawAcl>>) -> Result<(), DecodeError> {
    let count = r.i32("acl")?;
    if count == -1 {
        return Ok(());
    }
    let entries = acl.insert(Vec::new());
    for _ in 0..count {
        let (perms, scheme, id) = (r.i32("perms")?, r.string("scheme")?, r.string("id")?);
        entries.push(RawAcl { perms, scheme, id });
    }
    Ok(())
}

/// What the body of a request with this opcode asks for. Bytes after the record are ignored.
pub fn decode_body(opcode: i32, body: &[u8]) -> Result<Request<'_>, BodyError> {
    let r = &mut Reader::new(body);
    let op = OpCode::try_from(opcode).map_err(|UnknownOpCode(code)| BodyError::Unknown(code))?;
    match op {
        OpCode::Create => create(r, CreateCall::Create),
        OpCode::Create2 => create(r, CreateCall::Create2),
        OpCode::CreateContainer => create(r, CreateCall::Container),
        OpCode::CreateTtl => create(r, CreateCall::Ttl),
        OpCode::Delete => {
            let (path, version) = (r.string("path")?, r.i32("version")?);
            Ok(Request::Write(WriteOp::Delete { path, version }))
        }
        OpCode::SetData => {
            let (path, data) = (r.string("path")?, read_data(r)?);
            Ok(Request::Write(WriteOp::SetData { path, data, version: r.i32("version")? }))
        }
        OpCode::SetAcl => {
            let (path, acl) = (r.string("path")?, read_raw_acl(r)?);
            Ok(Request::Write(WriteOp::SetAcl { path, acl, version: r.i32("version")? }))
        }
        OpCode::Multi => Ok(Request::Write(WriteOp::Multi(read_multi(r)?))),
        OpCode::Reconfig => Ok(Request::Write(WriteOp::Reconfig(ReconfigOp {
            joining: r.string("joiningServers")?,
            leaving: r.string("leavingServers")?,
            new_members: r.string("newMembers")?,
            config_version: r.i64("curConfigId")?,
        }))),
        // Any client could delete any childless node with it (F235): ours alone.
        OpCode::DeleteContainer => Err(BodyError::Refused(ErrorCode::Unimplemented)),
        OpCode::Sync => Ok(Request::Sync { path: r.str("path")? }),
        OpCode::Ping => Ok(Request::Ping),
        OpCode::CloseSession => Ok(Request::CloseSession),
        OpCode::Auth => read_auth(r).map_err(BodyError::Fatal),
        OpCode::Sasl => {
            let token = r.buffer("token").map_err(BodyError::Fatal)?;
            let null = BodyError::Fatal(DecodeError::Null { field: "token" });
            token.map(|token| Request::Sasl { token }).ok_or(null)
        }
        OpCode::Exists
        | OpCode::GetData
        | OpCode::GetAcl
        | OpCode::GetChildren
        | OpCode::GetChildren2
        | OpCode::GetAllChildrenNumber
        | OpCode::GetEphemerals
        | OpCode::MultiRead
        | OpCode::SetWatches
        | OpCode::SetWatches2
        | OpCode::AddWatch
        | OpCode::CheckWatches
        | OpCode::RemoveWatches
        | OpCode::WhoAmI => Ok(Request::Read(read_read(op, r)?)),
        // Request.isValid: none of these is a request of its own.
        OpCode::Notification | OpCode::Check | OpCode::CreateSession | OpCode::Error => {
            Err(BodyError::Unknown(opcode))
        }
    }
}

fn create<'a>(r: &mut Reader<'_>, call: CreateCall) -> Result<Request<'a>, BodyError> {
    Ok(Request::Write(WriteOp::Create(read_create(r, call)?)))
}

fn read_auth<'a>(r: &mut Reader<'a>) -> Result<Request<'a>, DecodeError> {
    r.i32("type")?;
    Ok(Request::Auth { scheme: r.str("scheme")?, auth: r.buffer("auth")? })
}

fn read_read<'a>(op: OpCode, r: &mut Reader<'a>) -> Result<ReadOp<'a>, BodyError> {
    Ok(match op {
        OpCode::Exists => ReadOp::Exists { path: r.str("path")?, watch: r.bool("watch")? },
        OpCode::GetData => ReadOp::GetData { path: r.str("path")?, watch: r.bool("watch")? },
        OpCode::GetAcl => ReadOp::GetAcl { path: r.str("path")? },
        OpCode::GetChildren => {
            ReadOp::GetChildren { path: r.str("path")?, watch: r.bool("watch")? }
        }
        OpCode::GetChildren2 => {
            ReadOp::GetChildren2 { path: r.str("path")?, watch: r.bool("watch")? }
        }
        OpCode::GetAllChildrenNumber => ReadOp::GetAllChildrenNumber { path: r.str("path")? },
        OpCode::GetEphemerals => ReadOp::GetEphemerals { prefix: r.str("prefixPath")? },
        OpCode::MultiRead => ReadOp::MultiRead(read_multi_read(r)?),
        OpCode::SetWatches => ReadOp::SetWatches(read_set_watches(r, false)?),
        OpCode::SetWatches2 => ReadOp::SetWatches(read_set_watches(r, true)?),
        OpCode::AddWatch => ReadOp::AddWatch { path: r.str("path")?, mode: r.i32("mode")? },
        OpCode::CheckWatches => ReadOp::CheckWatches { path: r.str("path")?, kind: r.i32("type")? },
        OpCode::RemoveWatches => {
            ReadOp::RemoveWatches { path: r.str("path")?, kind: r.i32("type")? }
        }
        OpCode::WhoAmI => ReadOp::WhoAmI,
        other => return Err(BodyError::Unknown(other as i32)),
    })
}

fn read_data(r: &mut Reader<'_>) -> Result<Data, DecodeError> {
    Ok(r.buffer("data")?.map(bytes::Bytes::copy_from_slice))
}

fn read_create(r: &mut Reader<'_>, call: CreateCall) -> Result<CreateOp, DecodeError> {
    Ok(CreateOp {
        call,
        path: r.string("path")?,
        data: read_data(r)?,
        acl: read_raw_acl(r)?,
        flags: r.i32("flags")?,
        ttl: if call == CreateCall::Ttl { r.i64("ttl")? } else { -1 },
    })
}

/// setWatches, and setWatches2 with its two more lists. Java stumbles over a null list or path with
/// a null pointer, some watches already set; here nothing is set.
fn read_set_watches<'a>(r: &mut Reader<'a>, second: bool) -> Result<SetWatches<'a>, DecodeError> {
    Ok(SetWatches {
        relative_zxid: Zxid(r.i64("relativeZxid")?),
        data: read_paths(r, "dataWatches")?,
        exist: read_paths(r, "existWatches")?,
        child: read_paths(r, "childWatches")?,
        persistent: if second { read_paths(r, "persistentWatches")? } else { Vec::new() },
        recursive: if second { read_paths(r, "persistentRecursiveWatches")? } else { Vec::new() },
    })
}

fn read_paths<'a>(
    r: &mut Reader<'a>,
    field: &'static str,
) -> Result<Vec<Cow<'a, str>>, DecodeError> {
    let count = r.vector(field, 4)?.ok_or(DecodeError::Null { field })?;
    let mut paths = Vec::with_capacity(count);
    for _ in 0..count {
        paths.push(r.str(field)?.ok_or(DecodeError::Null { field })?);
    }
    Ok(paths)
}

/// One step as it stands in either kind of multi (MultiOperationRecord.deserialize).
enum Step<'a> {
    Write(i32, MultiOp),
    Read(MultiReadOp<'a>),
}

fn read_multi(r: &mut Reader<'_>) -> Result<Vec<MultiOp>, DecodeError> {
    let mut ops = Vec::new();
    while let Some(step) = read_step(r)? {
        match step {
            Step::Write(_, op) => ops.push(op),
            Step::Read(_) => return Err(DecodeError::Mixed),
        }
    }
    Ok(ops)
}

fn read_multi_read<'a>(r: &mut Reader<'a>) -> Result<Vec<MultiReadOp<'a>>, BodyError> {
    let mut ops = Vec::new();
    let mut write = None;
    while let Some(step) = read_step(r)? {
        match step {
            Step::Read(op) => ops.push(op),
            Step::Write(opcode, _) => write = write.or(Some(opcode)),
        }
        if write.is_some() && !ops.is_empty() {
            return Err(DecodeError::Mixed.into());
        }
    }
    write.map_or(Ok(ops), |opcode| Err(BodyError::WriteInMultiRead(opcode)))
}

/// The next step, `None` at the terminator. A step's err field and the terminator's type are
/// ignored, as in Java.
fn read_step<'a>(r: &mut Reader<'a>) -> Result<Option<Step<'a>>, DecodeError> {
    let opcode = r.i32("type")?;
    let done = r.bool("done")?;
    r.i32("err")?;
    if done {
        return Ok(None);
    }
    let op = match opcode {
        opcode::CREATE => MultiOp::Create(settle_create(read_create(r, CreateCall::Create)?)?),
        opcode::CREATE2 => MultiOp::Create(settle_create(read_create(r, CreateCall::Create2)?)?),
        opcode::CREATE_CONTAINER => {
            MultiOp::Create(settle_create(read_create(r, CreateCall::Container)?)?)
        }
        opcode::CREATE_TTL => MultiOp::Create(settle_create_ttl(read_create(r, CreateCall::Ttl)?)?),
        opcode::DELETE => MultiOp::Delete { path: some_path(r)?, version: r.i32("version")? },
        opcode::SET_DATA => MultiOp::SetData {
            path: some_path(r)?,
            data: read_data(r)?,
            version: r.i32("version")?,
        },
        opcode::CHECK => MultiOp::Check { path: some_path(r)?, version: r.i32("version")? },
        opcode::GET_DATA | opcode::GET_CHILDREN => {
            // A null one is met only when its turn comes.
            let path = r.str("path")?;
            r.bool("watch")?;
            return Ok(Some(Step::Read(if opcode == opcode::GET_DATA {
                MultiReadOp::GetData { path }
            } else {
                MultiReadOp::GetChildren { path }
            })));
        }
        value => return Err(DecodeError::Value { field: "type of a multi's step", value }),
    };
    Ok(Some(Step::Write(opcode, op)))
}

fn some_path(r: &mut Reader<'_>) -> Result<Option<String>, DecodeError> {
    r.some_string("path").map(Some)
}

/// Inside a multi Java builds `CreateOptions` while decoding: an unknown flag, a TTL flag (these
/// calls carry no TTL) or a null list fails the whole request, and the container flag decides the
/// call, whatever the opcode (Op.Create.getOpcode).
fn settle_create(op: CreateOp) -> Result<CreateOp, DecodeError> {
    let refused = DecodeError::Value { field: "create flags", value: op.flags };
    let mode = CreateMode::from_flags(op.flags).ok_or(refused)?;
    if mode.is_ttl() {
        return Err(refused);
    }
    if op.acl.is_none() {
        return Err(DecodeError::Null { field: "acl" });
    }
    if op.path.is_none() {
        return Err(DecodeError::Null { field: "path" });
    }
    let call = if mode == CreateMode::Container { CreateCall::Container } else { op.call };
    Ok(CreateOp { call, ..op })
}

/// createTTL inside a multi with a flag that is not a TTL one becomes the plain create of that flag
/// (Op.create with a TTL); an unknown flag is left for prep, which answers BadArguments for the step.
fn settle_create_ttl(op: CreateOp) -> Result<CreateOp, DecodeError> {
    if op.path.is_none() {
        return Err(DecodeError::Null { field: "path" });
    }
    let call = match CreateMode::from_flags(op.flags) {
        Some(mode) if mode.is_ttl() => return Ok(op),
        Some(CreateMode::Container) => CreateCall::Container,
        _ => CreateCall::Create,
    };
    Ok(CreateOp { call, ttl: -1, ..op })
}
