//! A server in miniature: a tree, sessions, one-shot watches. Connections break before a request arrives, or
//! after it was carried out; the answer is the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::client::recipes::Answered;
use crate::codec::reply::decode::{Reply, StepReply};
use crate::codec::request::{CreateOp, MultiOp, ReadOp, Request, WriteOp};
use crate::types::{ErrorCode, EventKind, Stat, Zxid, parent_and_name};

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) data: Vec<u8>,
    pub(super) version: i32,
    pub(super) czxid: i64,
    mzxid: i64,
    pub(super) owner: Option<usize>,
    /// Children that were ever created: the next sequential one's number.
    cversion: i32,
}

/// The tree, whoever watches, and what each session has yet to hear.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) nodes: BTreeMap<String, Node>,
    zxid: i64,
    /// Path, whether of its children, session.
    watches: BTreeSet<(String, bool, usize)>,
    pub(super) events: BTreeMap<usize, VecDeque<(EventKind, String)>>,
}

/// An answer that outlives its request.
#[derive(Clone, Debug)]
pub(super) enum Record {
    Error(ErrorCode),
    Empty,
    Created(String, Stat),
    Data(Vec<u8>, Stat),
    Stat(Stat),
    Children(Vec<String>, Stat),
    Multi(Vec<Result<Option<(String, Stat)>, i32>>),
}

impl Record {
    pub(super) fn answered(&self) -> Answered<'_> {
        Ok(match self {
            Record::Error(code) => return Err(*code),
            Record::Empty => Reply::Empty,
            Record::Created(path, stat) => Reply::PathStat(Some(path.into()), *stat),
            Record::Data(data, stat) => Reply::Data(Some(data), *stat),
            Record::Stat(stat) => Reply::Stat(*stat),
            Record::Children(names, stat) => {
                Reply::Children(names.iter().map(Cow::from).collect(), *stat)
            }
            Record::Multi(steps) => Reply::Multi(
                steps
                    .iter()
                    .map(|step| match step {
                        Ok(Some((path, stat))) => StepReply::Created(path.into(), Some(*stat)),
                        Ok(None) => StepReply::Deleted,
                        Err(code) => StepReply::Failed(*code),
                    })
                    .collect(),
            ),
        })
    }
}

fn above(path: &str) -> &str {
    match parent_and_name(path) {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

impl World {
    pub(super) fn new() -> World {
        let mut world = World::default();
        let root =
            Node { data: Vec::new(), version: 0, czxid: 0, mzxid: 0, owner: None, cversion: 0 };
        world.nodes.insert("/".into(), root);
        world
    }

    fn stat(&self, path: &str) -> Option<Stat> {
        let node = self.nodes.get(path)?;
        let (czxid, mzxid) = (Zxid(node.czxid), Zxid(node.mzxid));
        Some(Stat { czxid, mzxid, version: node.version, ..Stat::default() })
    }

    pub(super) fn children(&self, path: &str) -> Vec<String> {
        let names = self.nodes.keys().filter(|child| *child != "/" && above(child) == path);
        names.filter_map(|child| Some(parent_and_name(child)?.1.to_owned())).collect()
    }

    fn fire(&mut self, path: &str, of_children: bool, kind: EventKind) {
        let heard: Vec<_> = self
            .watches
            .iter()
            .filter(|(watched, kids, _)| watched == path && *kids == of_children)
            .cloned()
            .collect();
        for watch in heard {
            self.events.entry(watch.2).or_default().push_back((kind, path.to_owned()));
            self.watches.remove(&watch);
        }
    }

    fn create(&mut self, op: &CreateOp, session: usize) -> Result<String, ErrorCode> {
        let path = op.path.clone().unwrap_or_default();
        let parent = self.nodes.get_mut(above(&path)).ok_or(ErrorCode::NoNode)?;
        let is_sequential = matches!(op.flags, 2 | 3);
        let path = match is_sequential {
            true => format!("{path}{:010}", parent.cversion),
            false => path,
        };
        if self.nodes.contains_key(&path) {
            return Err(ErrorCode::NodeExists);
        }
        if let Some(parent) = self.nodes.get_mut(above(&path)) {
            parent.cversion += 1;
        }
        self.zxid += 1;
        let node = Node {
            data: op.data.clone().unwrap_or_default().to_vec(),
            version: 0,
            czxid: self.zxid,
            mzxid: self.zxid,
            owner: matches!(op.flags, 1 | 3).then_some(session),
            cversion: 0,
        };
        self.nodes.insert(path.clone(), node);
        self.fire(&path, false, EventKind::NodeCreated);
        self.fire(above(&path), true, EventKind::NodeChildrenChanged);
        Ok(path)
    }

    fn delete(&mut self, path: &str, version: i32) -> Result<(), ErrorCode> {
        let node = self.nodes.get(path).ok_or(ErrorCode::NoNode)?;
        if version != -1 && node.version != version {
            return Err(ErrorCode::BadVersion);
        }
        if !self.children(path).is_empty() {
            return Err(ErrorCode::NotEmpty);
        }
        self.zxid += 1;
        self.nodes.remove(path);
        self.fire(path, false, EventKind::NodeDeleted);
        self.fire(path, true, EventKind::NodeDeleted);
        self.fire(above(path), true, EventKind::NodeChildrenChanged);
        Ok(())
    }

    fn set(&mut self, path: &str, data: Option<&Bytes>, version: i32) -> Result<(), ErrorCode> {
        let zxid = self.zxid + 1;
        let node = self.nodes.get_mut(path).ok_or(ErrorCode::NoNode)?;
        if version != -1 && node.version != version {
            return Err(ErrorCode::BadVersion);
        }
        node.data = data.map(|data| data.to_vec()).unwrap_or_default();
        node.version += 1;
        node.mzxid = zxid;
        self.zxid = zxid;
        self.fire(path, false, EventKind::NodeDataChanged);
        Ok(())
    }

    fn step(&mut self, op: &MultiOp, session: usize) -> Result<Option<String>, ErrorCode> {
        let of = |path: &Option<String>| path.clone().unwrap_or_default();
        match op {
            MultiOp::Create(op) => self.create(op, session).map(Some),
            MultiOp::Delete { path, version } => self.delete(&of(path), *version).map(|()| None),
            MultiOp::SetData { path, data, version } => {
                self.set(&of(path), data.as_ref(), *version).map(|()| None)
            }
            MultiOp::Check { .. } => Ok(None),
        }
    }

    fn multi(&mut self, steps: &[MultiOp], session: usize) -> Record {
        let before = self.clone();
        let mut results = Vec::new();
        for (at, op) in steps.iter().enumerate() {
            match self.step(op, session) {
                Ok(path) => {
                    let stat = path.as_ref().and_then(|path| self.stat(path));
                    results.push(Ok(path.zip(stat)));
                }
                Err(code) => {
                    *self = before;
                    let codes = (0..steps.len()).map(|other| match other.cmp(&at) {
                        std::cmp::Ordering::Less => 0,
                        std::cmp::Ordering::Equal => code.code(),
                        std::cmp::Ordering::Greater => ErrorCode::RuntimeInconsistency.code(),
                    });
                    return Record::Multi(codes.map(Err).collect());
                }
            }
        }
        Record::Multi(results)
    }

    fn read(&mut self, op: &ReadOp<'_>, session: usize) -> Record {
        let (path, watch, kids, absent) = match op {
            ReadOp::Exists { path, watch } => (path, *watch, false, true),
            ReadOp::GetData { path, watch } => (path, *watch, false, false),
            ReadOp::GetChildren2 { path, watch } => (path, *watch, true, false),
            other => panic!("no recipe asks {other:?}"),
        };
        let path = path.as_deref().unwrap_or_default();
        let stat = self.stat(path);
        if watch && (stat.is_some() || absent) {
            self.watches.insert((path.to_owned(), kids, session));
        }
        let Some(stat) = stat else { return Record::Error(ErrorCode::NoNode) };
        match op {
            ReadOp::Exists { .. } => Record::Stat(stat),
            ReadOp::GetData { .. } => Record::Data(self.nodes[path].data.clone(), stat),
            _ => Record::Children(self.children(path), stat),
        }
    }

    /// Carries a request out.
    pub(super) fn ask(&mut self, request: &Request<'_>, session: usize) -> Record {
        let result = match request {
            Request::Read(op) => return self.read(op, session),
            Request::Sync { .. } => return Record::Empty,
            Request::Write(WriteOp::Multi(steps)) => return self.multi(steps, session),
            Request::Write(WriteOp::Create(op)) => {
                self.create(op, session).map(|path| match self.stat(&path) {
                    Some(stat) => Record::Created(path, stat),
                    None => Record::Empty,
                })
            }
            Request::Write(WriteOp::Delete { path, version }) => {
                self.delete(path.as_deref().unwrap_or_default(), *version).map(|()| Record::Empty)
            }
            other => panic!("no recipe asks {other:?}"),
        };
        result.unwrap_or_else(Record::Error)
    }

    /// A session is over: its nodes and watches go.
    pub(super) fn expire(&mut self, session: usize) {
        self.watches.retain(|(_, _, other)| *other != session);
        self.events.remove(&session);
        let own = self.nodes.iter().filter(|(_, node)| node.owner == Some(session));
        let own: Vec<String> = own.map(|(path, _)| path.clone()).collect();
        for path in own {
            let _ = self.delete(&path, -1);
        }
    }
}
