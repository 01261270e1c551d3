//! What a session watches, by the server's paths (org.apache.zookeeper.ZKWatchManager). A server keeps
//! watches with the connection: the next server has to be told of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::settings::SET_WATCHES_BYTES;
use crate::codec::request::{ReadOp, Request, SetWatches};
use crate::types::{ErrorCode, EventKind, Zxid, parent_and_name};

/// Which watches to remove (Watcher.WatcherType).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
#[allow(missing_docs, reason = "ZooKeeper's names (Watcher.WatcherType)")]
pub enum WatcherType {
    Children = 1,
    Data = 2,
    Any = 3,
    Persistent = 4,
    PersistentRecursive = 5,
}

impl WatcherType {
    /// By its number on the wire.
    pub fn from_number(number: i32) -> Option<WatcherType> {
        use WatcherType::*;
        [Children, Data, Any, Persistent, PersistentRecursive]
            .into_iter()
            .find(|kind| *kind as i32 == number)
    }

    fn includes(self, of: WatcherType) -> bool {
        self == of || self == WatcherType::Any
    }
}

/// What a removal has taken away: an event for each kind (Watcher.Event.EventType).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names (Watcher.Event.EventType)")]
pub enum Removal {
    DataWatchRemoved,
    ChildWatchRemoved,
    PersistentWatchRemoved,
}

/// What a request watches if it succeeds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Watching {
    /// getData: a node's data.
    Data(String),
    /// exists: a node's data, or its creation.
    Exists(String),
    /// getChildren.
    Children(String),
    /// addWatch 0.
    Persistent(String),
    /// addWatch 1.
    Recursive(String),
}

impl Watching {
    /// What a request with the server's paths asks to watch.
    pub(super) fn of(request: &Request<'_>) -> Option<Watching> {
        let Request::Read(read) = request else { return None };
        let owned =
            |path: &Option<Cow<'_, str>>| path.as_ref().map(|path| path.clone().into_owned());
        match read {
            ReadOp::GetData { path, watch: true } => owned(path).map(Watching::Data),
            ReadOp::Exists { path, watch: true } => owned(path).map(Watching::Exists),
            ReadOp::GetChildren { path, watch: true }
            | ReadOp::GetChildren2 { path, watch: true } => owned(path).map(Watching::Children),
            ReadOp::AddWatch { path, mode: 0 } => owned(path).map(Watching::Persistent),
            ReadOp::AddWatch { path, mode: 1 } => owned(path).map(Watching::Recursive),
            _ => None,
        }
    }
}

/// A path once in each list that it is in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Watches {
    /// The answer to a request that watches has come, with this error code.
    pub(super) fn answered(&mut self, watching: Watching, error: i32) {
        let is_found = error == ErrorCode::Ok.code();
        let is_missing = error == ErrorCode::NoNode.code();
        match watching {
            Watching::Data(path) if is_found => self.data.insert(path),
            Watching::Exists(path) if is_found => self.data.insert(path),
            Watching::Exists(path) if is_missing => self.exist.insert(path),
            Watching::Children(path) if is_found => self.child.insert(path),
            Watching::Persistent(path) if is_found => self.persistent.insert(path),
            Watching::Recursive(path) if is_found => self.recursive.insert(path),
            _ => false,
        };
    }

    /// An event has come: whether anybody waits for it. A watch that fires once is gone.
    pub(super) fn fired(&mut self, kind: EventKind, path: &str) -> bool {
        let once = match kind {
            EventKind::NodeDataChanged | EventKind::NodeCreated => {
                self.data.remove(path) | self.exist.remove(path)
            }
            EventKind::NodeChildrenChanged => self.child.remove(path),
            EventKind::NodeDeleted => {
                self.data.remove(path) | self.exist.remove(path) | self.child.remove(path)
            }
        };
        // Recursive watches hear of no children: what is sent for a child watch is not theirs.
        let recursive = kind != EventKind::NodeChildrenChanged && self.is_beneath(path);
        once | self.persistent.contains(path) | recursive
    }

    /// Whether a recursive watch lies on the path or above it.
    fn is_beneath(&self, path: &str) -> bool {
        let mut at = path;
        while !self.recursive.is_empty() {
            if self.recursive.contains(if at.is_empty() { "/" } else { at }) {
                return true;
            }
            match parent_and_name(at) {
                Some((parent, _)) => at = parent,
                None => return false,
            }
        }
        false
    }

    /// Forgets the watches of this kind on the path.
    pub(super) fn remove(&mut self, kind: WatcherType, path: &str) -> Vec<Removal> {
        let mut removed = Vec::new();
        if kind.includes(WatcherType::Children) && self.child.remove(path) {
            removed.push(Removal::ChildWatchRemoved);
        }
        if kind.includes(WatcherType::Data) && self.data.remove(path) | self.exist.remove(path) {
            removed.push(Removal::DataWatchRemoved);
        }
        let persistent = kind.includes(WatcherType::Persistent) && self.persistent.remove(path);
        let recursive =
            kind.includes(WatcherType::PersistentRecursive) && self.recursive.remove(path);
        if persistent | recursive {
            removed.push(Removal::PersistentWatchRemoved);
        }
        removed
    }

    /// Requests that watch everything again at another server: changes after `zxid` are told at once.
    /// Each holds about [`SET_WATCHES_BYTES`] of paths (ClientCnxn.SendThread.primeConnection).
    pub(super) fn again(&self, zxid: Zxid) -> Vec<SetWatches<'_>> {
        let lists = [&self.data, &self.exist, &self.child, &self.persistent, &self.recursive];
        let mut batches = Vec::new();
        let mut bytes = SET_WATCHES_BYTES;
        for (list, paths) in lists.into_iter().enumerate() {
            for path in paths {
                if bytes >= SET_WATCHES_BYTES {
                    batches.push(SetWatches { relative_zxid: zxid, ..SetWatches::default() });
                    bytes = 0;
                }
                bytes += path.len();
                let Some(batch) = batches.last_mut() else { continue };
                let into = match list {
                    0 => &mut batch.data,
                    1 => &mut batch.exist,
                    2 => &mut batch.child,
                    3 => &mut batch.persistent,
                    _ => &mut batch.recursive,
                };
                into.push(Cow::Borrowed(path));
            }
        }
        batches
    }
}
