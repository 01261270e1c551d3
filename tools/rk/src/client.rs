//! Calls that wait: ZooKeeper's client API as far as the commands need it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use ringkeeper::client::WatcherType;
use ringkeeper::codec::jute::DecodeError;
use ringkeeper::codec::reply::decode::{Reply, StepReply};
use ringkeeper::codec::request::{
    CreateCall, CreateOp, MultiOp, RawAcl, ReadOp, ReconfigOp, Request, WriteOp,
};
use ringkeeper::types::{AclList, CreateMode, ErrorCode, Stat};

use crate::connection::{AskError, Connection, Pending};

/// The node of the members' configuration (ZooDefs.CONFIG_NODE).
pub(crate) const CONFIG_NODE: &str = "/zookeeper/config";

/// Why a call has no result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// KeeperException, with its text.
    #[error("KeeperErrorCode = {}{}", code_text(*code), for_path(path.as_deref()))]
    Keeper { code: i32, path: Option<String> },
    /// Nothing was sent.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The server's answer is none to this request.
    #[error("the server's answer is not understood: {0}")]
    Reply(#[from] DecodeError),
    /// The same.
    #[error("the server's answer is not one to this request")]
    Unexpected,
}

impl CallError {
    pub(crate) fn keeper(code: ErrorCode, path: &str) -> CallError {
        CallError::Keeper { code: code.code(), path: Some(path.to_owned()) }
    }

    /// Whether the server answered with this code.
    pub(crate) fn is(&self, wanted: ErrorCode) -> bool {
        matches!(self, CallError::Keeper { code, .. } if *code == wanted.code())
    }
}

fn for_path(path: Option<&str>) -> String {
    let path = path.filter(|path| !path.is_empty());
    path.map_or_else(String::new, |path| format!(" for {path}"))
}

/// KeeperException.getCodeMessage.
fn code_text(code: i32) -> Cow<'static, str> {
    if ErrorCode::from_code(code).code() != code {
        return format!("Unknown error {code}").into();
    }
    Cow::Borrowed(match ErrorCode::from_code(code) {
        ErrorCode::Ok => "ok",
        ErrorCode::SystemError => "SystemError",
        ErrorCode::RuntimeInconsistency => "RuntimeInconsistency",
        ErrorCode::DataInconsistency => "DataInconsistency",
        ErrorCode::ConnectionLoss => "ConnectionLoss",
        ErrorCode::MarshallingError => "MarshallingError",
        ErrorCode::Unimplemented => "Unimplemented",
        ErrorCode::OperationTimeout => "OperationTimeout",
        ErrorCode::BadArguments => "BadArguments",
        ErrorCode::UnknownSession => "Unknown error UNKNOWNSESSION",
        ErrorCode::NewConfigNoQuorum => "NewConfigNoQuorum",
        ErrorCode::ReconfigInProgress => "ReconfigInProgress",
        ErrorCode::NoNode => "NoNode",
        ErrorCode::NoAuth => "NoAuth",
        ErrorCode::BadVersion => "BadVersion",
        ErrorCode::NoChildrenForEphemerals => "NoChildrenForEphemerals",
        ErrorCode::NodeExists => "NodeExists",
        ErrorCode::NotEmpty => "Directory not empty",
        ErrorCode::SessionExpired => "Session expired",
        ErrorCode::InvalidCallback => "Invalid callback",
        ErrorCode::InvalidAcl => "InvalidACL",
        ErrorCode::AuthFailed => "AuthFailed",
        ErrorCode::SessionMoved => "Session moved",
        ErrorCode::NotReadOnly => "Not a read-only call",
        ErrorCode::EphemeralOnLocalSession => "Ephemeral node on local session",
        ErrorCode::NoWatcher => "No such watcher",
        ErrorCode::RequestTimeout => "Unknown error REQUESTTIMEOUT",
        ErrorCode::ReconfigDisabled => "Reconfig is disabled",
        ErrorCode::SessionClosedRequireSaslAuth => {
            "Session closed because client failed to authenticate"
        }
        ErrorCode::QuotaExceeded => "Quota has exceeded",
        ErrorCode::ThrottledOp => "Op throttled due to high load",
    })
}

/// How a node is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewNode {
    pub(crate) data: Option<Bytes>,
    pub(crate) acl: Vec<RawAcl>,
    pub(crate) mode: CreateMode,
    /// In milliseconds, of the modes with one.
    pub(crate) ttl: Option<i64>,
}

/// ZooDefs.Ids.OPEN_ACL_UNSAFE.
pub(crate) fn open_acl() -> Vec<RawAcl> {
    ringkeeper::types::open_acl().iter().map(RawAcl::from).collect()
}

impl NewNode {
    /// An open, persistent one.
    pub(crate) fn of(data: Option<Bytes>) -> NewNode {
        NewNode { data, acl: open_acl(), mode: CreateMode::Persistent, ttl: None }
    }

    /// As a request to make it here.
    pub(crate) fn at(self, path: &str) -> CreateOp {
        let call = match self.mode {
            CreateMode::Ttl | CreateMode::TtlSequential => CreateCall::Ttl,
            CreateMode::Container => CreateCall::Container,
            CreateMode::Persistent
            | CreateMode::Ephemeral
            | CreateMode::PersistentSequential
            | CreateMode::EphemeralSequential => CreateCall::Create,
        };
        CreateOp {
            call,
            path: Some(path.to_owned()),
            data: self.data,
            acl: Some(self.acl),
            flags: self.mode as i32,
            ttl: self.ttl.unwrap_or(-1),
        }
    }
}

/// A session, asked one thing after another. Clones are of the same session.
#[derive(Clone)]
pub(crate) struct Client {
    connection: Arc<Connection>,
}

fn cow(path: &str) -> Option<Cow<'static, str>> {
    Some(Cow::Owned(path.to_owned()))
}

/// getChildren2, which has the node's own Stat too.
pub(crate) fn children_request(path: &str, watch: bool) -> Request<'static> {
    Request::Read(ReadOp::GetChildren2 { path: cow(path), watch })
}

/// getData.
pub(crate) fn data_request(path: &str, watch: bool) -> Request<'static> {
    Request::Read(ReadOp::GetData { path: cow(path), watch })
}

/// getACL.
pub(crate) fn acl_request(path: &str) -> Request<'static> {
    Request::Read(ReadOp::GetAcl { path: cow(path) })
}

impl Client {
    pub(crate) fn new(connection: Connection) -> Client {
        Client { connection: Arc::new(connection) }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn close(&self) {
        self.connection.close();
    }

    /// Sends a request; the answer comes later.
    pub(crate) fn ask(&self, request: Request<'static>) -> Result<Pending, CallError> {
        Ok(self.connection.ask(request, false)?)
    }

    /// Waits for an answer and has it read. `path` is the one that an error names.
    pub(crate) fn read<T>(
        &self,
        pending: Pending,
        path: Option<&str>,
        read: impl FnOnce(Reply<'_>) -> Option<T>,
    ) -> Result<T, CallError> {
        let answer = pending.wait()?;
        if !answer.is_ok() {
            let path = path.map(str::to_owned);
            return Err(CallError::Keeper { code: answer.error, path });
        }
        let reply = answer.reply(self.connection.chroot())?;
        read(reply).ok_or(CallError::Unexpected)
    }

    fn call<T>(
        &self,
        request: Request<'static>,
        path: &str,
        read: impl FnOnce(Reply<'_>) -> Option<T>,
    ) -> Result<T, CallError> {
        self.read(self.ask(request)?, Some(path), read)
    }

    pub(crate) fn get(
        &self,
        path: &str,
        watch: bool,
    ) -> Result<(Option<Vec<u8>>, Stat), CallError> {
        self.call(data_request(path, watch), path, data)
    }

    /// The members' configuration, whatever the chroot.
    pub(crate) fn config(&self, watch: bool) -> Result<(Option<Vec<u8>>, Stat), CallError> {
        let pending = self.connection.ask(data_request(CONFIG_NODE, watch), true)?;
        self.read(pending, Some(CONFIG_NODE), data)
    }

    pub(crate) fn exists(&self, path: &str, watch: bool) -> Result<Option<Stat>, CallError> {
        let request = Request::Read(ReadOp::Exists { path: cow(path), watch });
        match self.call(request, path, stat) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.is(ErrorCode::NoNode) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Names as the server has them, and the node's Stat.
    pub(crate) fn children(
        &self,
        path: &str,
        watch: bool,
    ) -> Result<(Vec<String>, Stat), CallError> {
        self.call(children_request(path, watch), path, children)
    }

    /// The path made, which has its number if it is a sequential one.
    pub(crate) fn create(&self, path: &str, node: NewNode) -> Result<String, CallError> {
        let request = Request::Write(WriteOp::Create(node.at(path)));
        self.call(request, path, created)
    }

    pub(crate) fn delete(&self, path: &str, version: i32) -> Result<(), CallError> {
        let op = WriteOp::Delete { path: Some(path.to_owned()), version };
        self.call(Request::Write(op), path, |_| Some(()))
    }

    pub(crate) fn set(&self, path: &str, data: Bytes, version: i32) -> Result<Stat, CallError> {
        let op = WriteOp::SetData { path: Some(path.to_owned()), data: Some(data), version };
        self.call(Request::Write(op), path, stat)
    }

    pub(crate) fn acl(&self, path: &str) -> Result<(AclList, Stat), CallError> {
        self.call(acl_request(path), path, acl)
    }

    /// ZooKeeper.setACL, which sends no empty list.
    pub(crate) fn set_acl(
        &self,
        path: &str,
        acl: Vec<RawAcl>,
        version: i32,
    ) -> Result<Stat, CallError> {
        let op = WriteOp::SetAcl { path: Some(path.to_owned()), acl: Some(acl), version };
        self.call(Request::Write(op), path, stat)
    }

    /// Sends a multi.
    pub(crate) fn multi(&self, steps: Vec<MultiOp>) -> Result<Pending, CallError> {
        self.ask(Request::Write(WriteOp::Multi(steps)))
    }

    /// Waits for a multi: the first step that failed, and its error code
    /// (ClientCnxn.EventThread.processEvent).
    pub(crate) fn multi_done(&self, pending: Pending) -> Result<Option<(usize, i32)>, CallError> {
        self.read(pending, None, |reply| match reply {
            Reply::Multi(steps) => {
                let failed = |(at, step): (usize, &StepReply<'_>)| match step {
                    StepReply::Failed(code) if *code != 0 => Some((at, *code)),
                    _ => None,
                };
                Some(steps.iter().enumerate().find_map(failed))
            }
            _ => None,
        })
    }

    /// The answer's error code; sync's alone, which no server refuses.
    pub(crate) fn sync(&self, path: &str) -> Result<Pending, CallError> {
        self.ask(Request::Sync { path: cow(path) })
    }

    /// Of the session: all, or those whose path begins so.
    pub(crate) fn ephemerals(&self, prefix: Option<&str>) -> Result<Vec<String>, CallError> {
        let prefix = cow(prefix.unwrap_or("/"));
        let pending = self.ask(Request::Read(ReadOp::GetEphemerals { prefix }))?;
        self.read(pending, None, strings)
    }

    pub(crate) fn all_children_number(&self, path: &str) -> Result<i32, CallError> {
        let request = Request::Read(ReadOp::GetAllChildrenNumber { path: cow(path) });
        self.call(request, path, |reply| match reply {
            Reply::Int(number) => Some(number),
            _ => None,
        })
    }

    /// 0: persistent, 1: persistent and recursive (AddWatchMode).
    pub(crate) fn add_watch(&self, path: &str, mode: i32) -> Result<(), CallError> {
        let request = Request::Read(ReadOp::AddWatch { path: cow(path), mode });
        self.call(request, path, |_| Some(()))
    }

    pub(crate) fn remove_watches(&self, path: &str, kind: WatcherType) -> Result<(), CallError> {
        let kind = kind as i32;
        let request = Request::Read(ReadOp::RemoveWatches { path: cow(path), kind });
        self.call(request, path, |_| Some(()))
    }

    /// Waits for the server's verdict, which Java's client does not.
    pub(crate) fn add_auth(&self, scheme: &str, auth: Option<&str>) -> Result<(), CallError> {
        let pending = self.connection.authenticate(scheme, auth.map(str::as_bytes))?;
        self.read(pending, None, |_| Some(()))
    }

    /// Scheme and user of each identity.
    pub(crate) fn who_am_i(&self) -> Result<Vec<(String, String)>, CallError> {
        let pending = self.ask(Request::Read(ReadOp::WhoAmI))?;
        self.read(pending, None, |reply| match reply {
            Reply::Identities(all) => {
                let owned = |(s, u): (Cow<'_, str>, Cow<'_, str>)| (s.into_owned(), u.into_owned());
                Some(all.into_iter().map(owned).collect())
            }
            _ => None,
        })
    }

    pub(crate) fn reconfigure(
        &self,
        change: ReconfigOp,
    ) -> Result<(Option<Vec<u8>>, Stat), CallError> {
        self.call(Request::Write(WriteOp::Reconfig(change)), "", data)
    }
}

/// Reads getData's record, and reconfig's.
pub(crate) fn data(reply: Reply<'_>) -> Option<(Option<Vec<u8>>, Stat)> {
    match reply {
        Reply::Data(data, stat) => Some((data.map(<[u8]>::to_vec), stat)),
        _ => None,
    }
}

/// Reads getChildren2's record.
pub(crate) fn children(reply: Reply<'_>) -> Option<(Vec<String>, Stat)> {
    match reply {
        Reply::Children(names, stat) => {
            Some((names.into_iter().map(Cow::into_owned).collect(), stat))
        }
        _ => None,
    }
}

/// Reads getACL's record.
pub(crate) fn acl(reply: Reply<'_>) -> Option<(AclList, Stat)> {
    match reply {
        Reply::Acl(list, stat) => Some((list, stat)),
        _ => None,
    }
}

fn stat(reply: Reply<'_>) -> Option<Stat> {
    match reply {
        Reply::Stat(stat) => Some(stat),
        _ => None,
    }
}

fn strings(reply: Reply<'_>) -> Option<Vec<String>> {
    match reply {
        Reply::Strings(all) => Some(all.into_iter().map(Cow::into_owned).collect()),
        _ => None,
    }
}

fn created(reply: Reply<'_>) -> Option<String> {
    match reply {
        Reply::Path(path) | Reply::PathStat(path, _) => path.map(Cow::into_owned),
        _ => None,
    }
}
