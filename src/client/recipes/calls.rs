//! Requests, and what their errors mean to a recipe.

use std::borrow::Cow;

use crate::codec::reply::decode::Reply;
use crate::codec::request::{CreateCall, CreateOp, RawAcl, ReadOp, Request, WriteOp};
use crate::types::{CreateMode, Data, ErrorCode, Stat, open_acl};

use super::recipe::{Answered, Fault};

/// Where a piece of a recipe is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Progress<T> {
    /// It has a request to ask.
    More,
    Done(T),
    Failed(Fault),
}

/// What an error means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Whether it was carried out is not known: the connection was lost, or the server was busy.
    Lost,
    /// The session is over.
    Ended,
    Refused(ErrorCode),
}

pub(super) fn verdict(code: ErrorCode) -> Verdict {
    match code {
        ErrorCode::ConnectionLoss
        | ErrorCode::OperationTimeout
        | ErrorCode::RequestTimeout
        | ErrorCode::SessionMoved
        | ErrorCode::ThrottledOp => Verdict::Lost,
        ErrorCode::SessionExpired
        | ErrorCode::AuthFailed
        | ErrorCode::UnknownSession
        | ErrorCode::SessionClosedRequireSaslAuth => Verdict::Ended,
        code => Verdict::Refused(code),
    }
}

/// An error that a piece has no other answer to: it asks again, or fails.
pub(super) fn fallback<T>(code: ErrorCode, path: &str) -> Progress<T> {
    match verdict(code) {
        Verdict::Lost => Progress::More,
        Verdict::Ended => Progress::Failed(Fault::Ended),
        Verdict::Refused(code) => Progress::Failed(Fault::Refused { path: path.to_owned(), code }),
    }
}

pub(super) fn unexpected<T>(path: &str) -> Progress<T> {
    Progress::Failed(Fault::Unexpected { path: path.to_owned() })
}

/// A node to make, open to everybody.
pub(super) fn create_op(path: &str, data: Data, mode: CreateMode) -> CreateOp {
    let call = match mode {
        CreateMode::Container => CreateCall::Container,
        CreateMode::Ttl | CreateMode::TtlSequential => CreateCall::Ttl,
        CreateMode::Persistent
        | CreateMode::Ephemeral
        | CreateMode::PersistentSequential
        | CreateMode::EphemeralSequential => CreateCall::Create2,
    };
    CreateOp {
        call,
        path: Some(path.to_owned()),
        data,
        acl: Some(open_acl().iter().map(RawAcl::from).collect()),
        flags: mode as i32,
        ttl: -1,
    }
}

pub(super) fn create(path: &str, data: Data, mode: CreateMode) -> Request<'static> {
    Request::Write(WriteOp::Create(create_op(path, data, mode)))
}

pub(super) fn delete(path: &str) -> Request<'static> {
    Request::Write(WriteOp::Delete { path: Some(path.to_owned()), version: -1 })
}

pub(super) fn sync(path: &str) -> Request<'static> {
    Request::Sync { path: cow(path) }
}

pub(super) fn children(path: &str, watch: bool) -> Request<'static> {
    Request::Read(ReadOp::GetChildren2 { path: cow(path), watch })
}

/// A watch that is left where the node is, and nowhere else.
pub(super) fn data(path: &str, watch: bool) -> Request<'static> {
    Request::Read(ReadOp::GetData { path: cow(path), watch })
}

/// A watch that is left whether the node is there or not.
pub(super) fn exists(path: &str) -> Request<'static> {
    Request::Read(ReadOp::Exists { path: cow(path), watch: true })
}

fn cow(path: &str) -> Option<Cow<'static, str>> {
    Some(Cow::Owned(path.to_owned()))
}

/// The names of a node's children; `Ok(None)`: an answer that is none to that.
pub(super) fn names(answered: Answered<'_>) -> Result<Option<Vec<String>>, ErrorCode> {
    Ok(match answered? {
        Reply::Children(names, _) => Some(names.into_iter().map(Cow::into_owned).collect()),
        _ => None,
    })
}

/// The node's Stat; `Ok(None)`: an answer that is none to that.
pub(super) fn stat(answered: Answered<'_>) -> Result<Option<Stat>, ErrorCode> {
    Ok(match answered? {
        Reply::Stat(stat) | Reply::Data(_, stat) => Some(stat),
        _ => None,
    })
}
