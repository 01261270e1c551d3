//! Replies read back: what the load driver, the tools and the tests need of a client.

use std::borrow::Cow;

use super::ConnectResponse;
use crate::codec::jute::{DecodeError, Reader};
use crate::codec::record::{read_acl, read_stat};
use crate::codec::request::opcode;
use crate::types::{AclList, SessionId, Stat, Xid, Zxid};

/// The front of every frame after the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub struct ReplyHeader {
    pub xid: Xid,
    pub zxid: Zxid,
    /// As on the wire: servers may know more codes than [`crate::types::ErrorCode`] does.
    pub error: i32,
}

/// Scheme and user.
pub type ClientInfo<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A reply's record.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub enum Reply<'a> {
    Empty,
    Path(Option<Cow<'a, str>>),
    PathStat(Option<Cow<'a, str>>, Stat),
    Stat(Stat),
    Data(Option<&'a [u8]>, Stat),
    Acl(AclList, Stat),
    Strings(Vec<Cow<'a, str>>),
    Children(Vec<Cow<'a, str>>, Stat),
    Int(i32),
    Identities(Vec<ClientInfo<'a>>),
    Token(Option<&'a [u8]>),
    Multi(Vec<StepReply<'a>>),
}

/// One step's result in a multi or multiRead.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub enum StepReply<'a> {
    Created(Cow<'a, str>, Option<Stat>),
    Deleted,
    DataSet(Stat),
    Checked,
    Data(Option<&'a [u8]>, Stat),
    Children(Vec<Cow<'a, str>>),
    Failed(i32),
}

/// A watch event's record.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub struct Event<'a> {
    pub kind: i32,
    pub state: i32,
    pub path: Cow<'a, str>,
}

/// The payload of the first frame a server sends.
pub fn connect_response(payload: &[u8]) -> Result<ConnectResponse, DecodeError> {
    let mut r = Reader::new(payload);
    r.i32("protocolVersion")?;
    let timeout = r.i32("timeOut")?;
    let session = SessionId(r.i64("sessionId")?);
    let sent = r.buffer("passwd")?.unwrap_or_default();
    let length = DecodeError::Value { field: "length of passwd", value: sent.len() as i32 };
    let password = <[u8; 16]>::try_from(sent).map_err(|_| length)?;
    Ok(ConnectResponse { timeout, session, password, read_only: r.bool("readOnly").ok() })
}

/// Splits a frame's payload into header and record.
pub fn header(frame: &[u8]) -> Result<(ReplyHeader, &[u8]), DecodeError> {
    let mut r = Reader::new(frame);
    let xid = Xid(r.i32("xid")?);
    let header = ReplyHeader { xid, zxid: Zxid(r.i64("zxid")?), error: r.i32("err")? };
    Ok((header, r.rest()))
}

/// The body of a notification.
pub fn event(body: &[u8]) -> Result<Event<'_>, DecodeError> {
    let mut r = Reader::new(body);
    Ok(Event { kind: r.i32("type")?, state: r.i32("state")?, path: some_str(&mut r, "path")? })
}

/// The record of a successful reply to a request with this opcode.
pub fn body(opcode: i32, body: &[u8]) -> Result<Reply<'_>, DecodeError> {
    let r = &mut Reader::new(body);
    Ok(match opcode {
        opcode::CREATE | opcode::SYNC => Reply::Path(r.str("path")?),
        opcode::CREATE2 | opcode::CREATE_CONTAINER | opcode::CREATE_TTL => {
            Reply::PathStat(r.str("path")?, read_stat(r)?)
        }
        opcode::EXISTS | opcode::SET_DATA | opcode::SET_ACL => Reply::Stat(read_stat(r)?),
        opcode::GET_DATA | opcode::RECONFIG => Reply::Data(r.buffer("data")?, read_stat(r)?),
        opcode::GET_ACL => Reply::Acl(read_acl(r)?, read_stat(r)?),
        opcode::GET_CHILDREN | opcode::GET_EPHEMERALS => Reply::Strings(read_strings(r)?),
        opcode::GET_CHILDREN2 => Reply::Children(read_strings(r)?, read_stat(r)?),
        opcode::GET_ALL_CHILDREN_NUMBER | opcode::ADD_WATCH => Reply::Int(r.i32("number")?),
        opcode::WHO_AM_I => Reply::Identities(read_identities(r)?),
        opcode::SASL => Reply::Token(r.buffer("token")?),
        opcode::MULTI | opcode::MULTI_READ => Reply::Multi(read_multi(r)?),
        opcode::DELETE
        | opcode::DELETE_CONTAINER
        | opcode::PING
        | opcode::AUTH
        | opcode::CHECK_WATCHES
        | opcode::REMOVE_WATCHES
        | opcode::SET_WATCHES
        | opcode::SET_WATCHES2
        | opcode::CLOSE_SESSION => Reply::Empty,
        value => return Err(DecodeError::Value { field: "opcode", value }),
    })
}

fn some_str<'a>(r: &mut Reader<'a>, field: &'static str) -> Result<Cow<'a, str>, DecodeError> {
    r.str(field)?.ok_or(DecodeError::Null { field })
}

fn read_strings<'a>(r: &mut Reader<'a>) -> Result<Vec<Cow<'a, str>>, DecodeError> {
    let count = r.vector("strings", 4)?.unwrap_or(0);
    let mut strings = Vec::with_capacity(count);
    for _ in 0..count {
        strings.push(some_str(r, "string")?);
    }
    Ok(strings)
}

fn read_identities<'a>(r: &mut Reader<'a>) -> Result<Vec<ClientInfo<'a>>, DecodeError> {
    let count = r.vector("clientInfo", 8)?.unwrap_or(0);
    let mut identities = Vec::with_capacity(count);
    for _ in 0..count {
        identities.push((some_str(r, "authScheme")?, some_str(r, "user")?));
    }
    Ok(identities)
}

fn read_multi<'a>(r: &mut Reader<'a>) -> Result<Vec<StepReply<'a>>, DecodeError> {
    let mut steps = Vec::new();
    loop {
        let opcode = r.i32("type")?;
        let done = r.bool("done")?;
        r.i32("err")?;
        if done {
            return Ok(steps);
        }
        steps.push(match opcode {
            opcode::CREATE => StepReply::Created(some_str(r, "path")?, None),
            opcode::CREATE2 => StepReply::Created(some_str(r, "path")?, Some(read_stat(r)?)),
            opcode::DELETE => StepReply::Deleted,
            opcode::SET_DATA => StepReply::DataSet(read_stat(r)?),
            opcode::CHECK => StepReply::Checked,
            opcode::GET_DATA => StepReply::Data(r.buffer("data")?, read_stat(r)?),
            opcode::GET_CHILDREN => StepReply::Children(read_strings(r)?),
            opcode::ERROR => StepReply::Failed(r.i32("err")?),
            value => return Err(DecodeError::Value { field: "type of a multi's result", value }),
        });
    }
}
