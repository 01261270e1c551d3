//! A path under which all of a client's paths lie. Servers know nothing of it (ZooKeeper.prependChroot,
//! ClientCnxn.SendThread.stripChroot).

use std::borrow::Cow;

use crate::codec::request::{CreateOp, MultiOp, MultiReadOp, ReadOp, Request, SetWatches, WriteOp};
use crate::types::{PathError, validate_path};

/// The subtree that is the same for every chroot.
const ZOOKEEPER: &str = "/zookeeper/";

/// Empty, or a path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chroot(String);

impl Chroot {
    /// A valid path; empty and `/` are no chroot.
    pub fn new(path: &str) -> Result<Chroot, PathError> {
        if path.is_empty() || path == "/" {
            return Ok(Chroot::default());
        }
        validate_path(path)?;
        Ok(Chroot(path.to_owned()))
    }

    /// The path as the server knows it.
    pub fn to_server<'a>(&self, path: Cow<'a, str>) -> Cow<'a, str> {
        if self.0.is_empty() {
            return path;
        }
        match &*path {
            "/" => Cow::Owned(self.0.clone()),
            path => Cow::Owned(format!("{}{path}", self.0)),
        }
    }

    /// A server's path as this client knows it. One outside the chroot stays as it is.
    pub fn to_client<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(self.0.as_str()) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') && !self.0.is_empty() => rest,
            _ => path,
        }
    }

    /// Whether an event's path may be one of this client's.
    pub fn holds(&self, path: &str) -> bool {
        path.starts_with(ZOOKEEPER) || path.starts_with(self.0.as_str())
    }

    /// The request with the paths that the server knows. getEphemerals keeps its prefix, as in Java.
    pub fn request<'a>(&self, request: Request<'a>) -> Request<'a> {
        if self.0.is_empty() {
            return request;
        }
        let cow = |path: Option<Cow<'a, str>>| path.map(|path| self.to_server(path));
        match request {
            Request::Write(op) => Request::Write(self.write(op)),
            Request::Read(op) => Request::Read(self.read(op)),
            Request::Sync { path } => Request::Sync { path: cow(path) },
            other @ (Request::Ping
            | Request::Auth { .. }
            | Request::Sasl { .. }
            | Request::CloseSession) => other,
        }
    }

    fn owned(&self, path: Option<String>) -> Option<String> {
        path.map(|path| self.to_server(path.into()).into_owned())
    }

    fn write(&self, op: WriteOp) -> WriteOp {
        match op {
            WriteOp::Create(op) => WriteOp::Create(self.create(op)),
            // ZooKeeper.delete: the root cannot be deleted, under a chroot no more than elsewhere.
            WriteOp::Delete { path: Some(root), version } if root == "/" => {
                WriteOp::Delete { path: Some(root), version }
            }
            WriteOp::Delete { path, version } => {
                WriteOp::Delete { path: self.owned(path), version }
            }
            WriteOp::SetData { path, data, version } => {
                WriteOp::SetData { path: self.owned(path), data, version }
            }
            WriteOp::SetAcl { path, acl, version } => {
                WriteOp::SetAcl { path: self.owned(path), acl, version }
            }
            WriteOp::Multi(steps) => {
                WriteOp::Multi(steps.into_iter().map(|step| self.step(step)).collect())
            }
            WriteOp::DeleteContainer { path } => {
                WriteOp::DeleteContainer { path: self.owned(path) }
            }
            reconfig @ WriteOp::Reconfig(_) => reconfig,
        }
    }

    fn create(&self, op: CreateOp) -> CreateOp {
        CreateOp { path: self.owned(op.path), ..op }
    }

    fn step(&self, step: MultiOp) -> MultiOp {
        match step {
            MultiOp::Create(op) => MultiOp::Create(self.create(op)),
            MultiOp::Delete { path, version } => {
                MultiOp::Delete { path: self.owned(path), version }
            }
            MultiOp::SetData { path, data, version } => {
                MultiOp::SetData { path: self.owned(path), data, version }
            }
            MultiOp::Check { path, version } => MultiOp::Check { path: self.owned(path), version },
        }
    }

    fn read<'a>(&self, op: ReadOp<'a>) -> ReadOp<'a> {
        let cow = |path: Option<Cow<'a, str>>| path.map(|path| self.to_server(path));
        match op {
            ReadOp::Exists { path, watch } => ReadOp::Exists { path: cow(path), watch },
            ReadOp::GetData { path, watch } => ReadOp::GetData { path: cow(path), watch },
            ReadOp::GetAcl { path } => ReadOp::GetAcl { path: cow(path) },
            ReadOp::GetChildren { path, watch } => ReadOp::GetChildren { path: cow(path), watch },
            ReadOp::GetChildren2 { path, watch } => ReadOp::GetChildren2 { path: cow(path), watch },
            ReadOp::GetAllChildrenNumber { path } => {
                ReadOp::GetAllChildrenNumber { path: cow(path) }
            }
            ReadOp::MultiRead(steps) => {
                let step = |step| match step {
                    MultiReadOp::GetData { path } => MultiReadOp::GetData { path: cow(path) },
                    MultiReadOp::GetChildren { path } => {
                        MultiReadOp::GetChildren { path: cow(path) }
                    }
                };
                ReadOp::MultiRead(steps.into_iter().map(step).collect())
            }
            ReadOp::SetWatches(watches) => ReadOp::SetWatches(self.set_watches(watches)),
            ReadOp::AddWatch { path, mode } => ReadOp::AddWatch { path: cow(path), mode },
            ReadOp::CheckWatches { path, kind } => ReadOp::CheckWatches { path: cow(path), kind },
            ReadOp::RemoveWatches { path, kind } => ReadOp::RemoveWatches { path: cow(path), kind },
            other @ (ReadOp::GetEphemerals { .. } | ReadOp::WhoAmI) => other,
        }
    }

    fn set_watches<'a>(&self, watches: SetWatches<'a>) -> SetWatches<'a> {
        let all = |paths: Vec<Cow<'a, str>>| paths.into_iter().map(|p| self.to_server(p)).collect();
        SetWatches {
            relative_zxid: watches.relative_zxid,
            data: all(watches.data),
            exist: all(watches.exist),
            child: all(watches.child),
            persistent: all(watches.persistent),
            recursive: all(watches.recursive),
        }
    }
}
