//! What has happened, as the checker knows it: every committed transaction in order, applied to a
//! tree of its own that is written for nothing but being right, and that remembers every state.
//!
//! Knows the server's vocabulary (types, requests, transactions) and none of its logic.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use ringkeeper::codec::request::WriteOp;
use ringkeeper::codec::txn::{
    CreateTxn, CreateTxnKind, Entry, Op, SubTxn, Txn, TxnHeader, decode_entry,
};
use ringkeeper::tree::Tree;
use ringkeeper::types::{
    Acl, AclList, Data, ErrorCode, EventKind, Identity, Perms, SessionId, Stat, WallMillis, Zxid,
};

use crate::knobs::Knobs;

/// Longest field of an entry.
pub const FIELD_MAX: usize = 4 << 20;

/// What kind of node it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Persistent,
    Ephemeral(SessionId),
    Container,
    Ttl(i64),
}

/// A node in one state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub data: Data,
    pub acl: AclList,
    pub czxid: Zxid,
    pub mzxid: Zxid,
    pub pzxid: Zxid,
    pub ctime: WallMillis,
    pub mtime: WallMillis,
    pub version: i32,
    /// Creates beneath it, ever.
    pub creates: i32,
    pub aversion: i32,
    pub kind: Kind,
}

/// What applying one transaction gives back, as its client must hear it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The path, and the stat for every create but the oldest kind.
    Created(String, Option<Stat>),
    Done,
    Stat(Stat),
    Failed(ErrorCode),
    Multi(Vec<Outcome>),
}

/// Something a watch hears of.
#[derive(Clone, Debug)]
pub struct Change {
    pub zxid: Zxid,
    /// Created, deleted or data changed.
    pub kind: EventKind,
    pub path: Rc<str>,
    pub acl: AclList,
    pub parent_acl: AclList,
}

/// A committed transaction.
#[derive(Debug)]
pub struct Committed {
    pub bytes: Bytes,
    pub entry: Entry,
    pub outcome: Outcome,
    /// What was asked for, if a client has asked: one of these. Two connections of a session may use
    /// one xid, and what has failed does not tell whose it was.
    pub asked: Vec<Wish>,
    /// Some client has been given it for an answer.
    pub is_answered: bool,
}

/// A session's life.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub timeout: i32,
    pub opened: Zxid,
    pub closed: Option<Zxid>,
}

/// A write as its client asked for it.
#[derive(Debug)]
pub struct Asked {
    /// Of the connection alone: after a move a client may count from 1 again.
    pub xid: i32,
    pub op: Wish,
    pub identities: Rc<[Identity]>,
    /// Where it has been committed.
    pub done: Option<Zxid>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wish {
    Write(WriteOp),
    Close,
}

type States = Vec<(Zxid, Option<Rc<Node>>)>;

/// See the module's front comment.
#[derive(Debug)]
pub struct History {
    pub entries: BTreeMap<Zxid, Committed>,
    nodes: BTreeMap<String, States>,
    kids: BTreeMap<String, BTreeSet<String>>,
    pub changes: Vec<Change>,
    pub sessions: BTreeMap<SessionId, Life>,
    /// Every write a client has sent, in order.
    pub asked: BTreeMap<SessionId, Vec<Asked>>,
    /// What learners have passed on to a leader, by session and the number it went under.
    pub forwarded: BTreeMap<(SessionId, i32), Vec<Wish>>,
    pub last: Zxid,
    pub extended_types: bool,
    /// Servers have sessions of which the history does not tell.
    pub local_sessions: bool,
    /// The tree's digest after a transaction, on whatever server it was seen first.
    pub digests: BTreeMap<Zxid, u64>,
    /// Longest entry that a reader takes.
    pub entry_max: usize,
    /// Sessions whose end has been proposed on some server, and when first.
    pub ending: BTreeMap<SessionId, i64>,
}

/// The parent's path; the root is "/".
pub fn parent_of(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

impl History {
    /// `fresh`: an empty tree, for the nodes every tree has.
    pub fn new(fresh: &Tree, knobs: &Knobs) -> History {
        let mut history = History {
            entries: BTreeMap::new(),
            nodes: BTreeMap::new(),
            kids: BTreeMap::new(),
            changes: Vec::new(),
            sessions: BTreeMap::new(),
            asked: BTreeMap::new(),
            forwarded: BTreeMap::new(),
            last: Zxid::ZERO,
            extended_types: knobs.extended_types,
            local_sessions: knobs.local_sessions,
            digests: BTreeMap::new(),
            entry_max: FIELD_MAX,
            ending: BTreeMap::new(),
        };
        for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
            let node = fresh.read(path, |node| {
                node.map(|node| {
                    let stat = node.stored();
                    Node {
                        data: node.data().map(Bytes::copy_from_slice),
                        acl: node.acl().clone(),
                        czxid: stat.czxid,
                        mzxid: stat.mzxid,
                        pzxid: stat.pzxid,
                        ctime: stat.ctime,
                        mtime: stat.mtime,
                        version: stat.version,
                        creates: stat.cversion,
                        aversion: stat.aversion,
                        kind: Kind::Persistent,
                    }
                })
            });
            if let Some(node) = node.0 {
                history.nodes.insert(path.into(), vec![(Zxid::ZERO, Some(Rc::new(node)))]);
                if path != "/" {
                    let kids = history.kids.entry(parent_of(path).into()).or_default();
                    kids.insert(path.into());
                }
            }
        }
        history
    }

    /// Who could read the node that was there last, at that moment or before.
    pub fn last_list(&self, path: &str, zxid: Zxid) -> Option<&AclList> {
        let states = self.nodes.get(path)?;
        let n = states.partition_point(|(since, _)| *since <= zxid);
        states[..n].iter().rev().find_map(|(_, node)| node.as_ref()).map(|node| &node.acl)
    }

    /// A client has been given this for the answer to that.
    pub fn answered(&mut self, session: SessionId, op: &WriteOp, zxid: Zxid) {
        if let Some(committed) = self.entries.get_mut(&zxid) {
            committed.is_answered = true;
        }
        let Some(all) = self.asked.get_mut(&session) else { return };
        let is_op = |ask: &Asked| matches!(&ask.op, Wish::Write(asked) if asked == op);
        if all.iter().any(|ask| ask.done == Some(zxid) && is_op(ask)) {
            return;
        }
        // It was taken for another's.
        if let Some(at) = all.iter().position(|ask| ask.done.is_none() && is_op(ask)) {
            all.iter_mut().filter(|ask| ask.done == Some(zxid)).for_each(|ask| ask.done = None);
            all[at].done = Some(zxid);
        }
    }

    /// A learner has passed a client's request on.
    pub fn passed_on(&mut self, session: SessionId, number: i32, wish: Wish) {
        self.forwarded.entry((session, number)).or_default().push(wish);
    }

    /// A node's state when everything up to `zxid` had been applied.
    pub fn at(&self, path: &str, zxid: Zxid) -> Option<&Rc<Node>> {
        let states = self.nodes.get(path)?;
        let n = states.partition_point(|(since, _)| *since <= zxid);
        states[..n].last()?.1.as_ref()
    }

    fn now(&self, path: &str) -> Option<Rc<Node>> {
        self.nodes.get(path)?.last()?.1.clone()
    }

    /// Paths of children at that moment, in order.
    pub fn children_at(&self, path: &str, zxid: Zxid) -> Vec<&str> {
        self.below(path)
            .filter(|(below, _)| parent_of(below) == path)
            .filter(|(below, _)| self.at(below, zxid).is_some())
            .map(|(below, _)| below)
            .collect()
    }

    /// Nodes beneath, at that moment.
    pub fn descendants_at(&self, path: &str, zxid: Zxid) -> usize {
        self.below(path).filter(|(below, _)| self.at(below, zxid).is_some()).count()
    }

    fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a str, &'a States)> + use<'a> {
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let from = prefix.clone();
        self.nodes
            .range::<str, _>((std::ops::Bound::Excluded(from.as_str()), std::ops::Bound::Unbounded))
            .map(|(path, states)| (path.as_str(), states))
            .take_while(move |(below, _)| below.starts_with(&prefix))
    }

    /// Every path that is there at that moment.
    pub fn paths_at(&self, zxid: Zxid) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str).filter(move |path| self.at(path, zxid).is_some())
    }

    /// As a client sees it.
    pub fn stat_at(&self, path: &str, zxid: Zxid) -> Option<Stat> {
        let node = self.at(path, zxid)?;
        Some(stat(node, self.children_at(path, zxid).len()))
    }

    fn stat_now(&self, path: &str) -> Stat {
        let count = self.kids.get(path).map_or(0, BTreeSet::len);
        self.now(path).map_or_else(Stat::default, |node| stat(&node, count))
    }

    pub fn ephemerals_at(&self, session: SessionId, zxid: Zxid) -> Vec<&str> {
        let mine = |path: &&str| {
            self.at(path, zxid).is_some_and(|node| node.kind == Kind::Ephemeral(session))
        };
        self.paths_at(zxid).filter(mine).collect()
    }

    /// Sessions alive at that moment, with their timeouts.
    pub fn sessions_at(&self, zxid: Zxid) -> BTreeMap<SessionId, i32> {
        self.sessions
            .iter()
            .filter(|(_, life)| life.opened <= zxid && life.closed.is_none_or(|at| at > zxid))
            .map(|(id, life)| (*id, life.timeout))
            .collect()
    }

    /// The next committed transaction. An error is a broken promise.
    pub fn push(&mut self, zxid: Zxid, bytes: &Bytes) -> Result<(), String> {
        if zxid <= self.last {
            return Err(format!("total order: {zxid} is committed after {}", self.last));
        }
        let entry = decode_entry(bytes, FIELD_MAX).map_err(|e| format!("{zxid}: {e}"))?;
        if entry.header.zxid != zxid {
            return Err(format!("entry {} stands for {zxid}", entry.header.zxid));
        }
        let asked = self.check_asker(&entry)?;
        let before = self.last;
        self.last = zxid;
        let outcome = self.apply(&entry, before).map_err(|e| format!("{zxid}: {e}"))?;
        let bytes = bytes.clone();
        let committed = Committed { bytes, entry, outcome, asked, is_answered: false };
        self.entries.insert(zxid, committed);
        Ok(())
    }

    /// Integrity and at most once: it was asked for, and has not happened yet; and it is what the
    /// state before it demands. Whose it is tells its number where a learner has passed it on, and
    /// its content.
    fn check_asker(&mut self, entry: &Entry) -> Result<Vec<Wish>, String> {
        let (header, zxid) = (&entry.header, entry.header.zxid);
        let key = (header.session, header.cxid);
        if let Txn::CreateSession { .. } = &entry.txn {
            return Ok(Vec::new());
        }
        if header.cxid == 0 || header.session == SessionId(0) {
            return match &entry.txn {
                Txn::CloseSession { .. } => Ok(Vec::new()),
                Txn::Op(Op::DeleteContainer { .. }) | Txn::Error(_) => Ok(Vec::new()),
                other => Err(format!("integrity: {zxid} was asked for by nobody: {other:?}")),
            };
        }
        self.attribute_anew(header.session, header.cxid);
        let asked = self.asked.get(&header.session).map_or(&[][..], Vec::as_slice);
        let passed_on = self.forwarded.get(&key);
        let may_be = |ask: &Asked| match passed_on {
            Some(wishes) => wishes.contains(&ask.op),
            None => ask.xid == header.cxid,
        };
        let open = |ask: &Asked| ask.done.is_none() && may_be(ask);
        let right = |ask: &Asked| match (&ask.op, &entry.txn) {
            (_, txn) if self.is_of_no_session(txn) => true,
            (Wish::Close, txn) => matches!(txn, Txn::CloseSession { .. }),
            (Wish::Write(op), txn) => self.judge(op, header.session, &ask.identities) == *txn,
        };
        let Some(at) = asked.iter().position(|ask| open(ask) && right(ask)) else {
            return Err(match asked.iter().find(|ask| open(ask)) {
                Some(Asked { op: Wish::Write(op), identities, .. }) => {
                    let right = self.judge(op, header.session, identities);
                    format!("{zxid}: {op:?} became {:?}, should be {right:?}", entry.txn)
                }
                Some(_) => format!("{zxid}: close became {:?}", entry.txn),
                None => match asked.iter().find(|ask| may_be(ask)).and_then(|ask| ask.done) {
                    Some(earlier) => {
                        format!("at most once: request {key:?} is both {earlier} and {zxid}")
                    }
                    None => format!("integrity: {zxid} of {key:?} was never asked for"),
                },
            });
        };
        if self.sessions.get(&header.session).is_none_or(|life| life.closed.is_some())
            && !self.local_sessions
            && !is_refusal(&entry.txn)
            && !matches!(entry.txn, Txn::CloseSession { .. })
        {
            return Err(format!("{zxid}: a write of session {}, which is over", header.session));
        }
        let all = asked.iter().filter(|ask| open(ask) && right(ask));
        let wishes = all.map(|ask| ask.op.clone()).collect();
        if let Some(ask) = self.asked.get_mut(&header.session).and_then(|all| all.get_mut(at)) {
            ask.done = Some(zxid);
        }
        Ok(wishes)
    }

    /// A request that went by way of a learner comes back under a number, so whose it is is certain. If
    /// it is taken for done because something that failed with the same xid might have been it, and
    /// another request of that xid is still open, that other one is what failed.
    fn attribute_anew(&mut self, session: SessionId, number: i32) {
        let Some(wishes) = self.forwarded.get(&(session, number)) else { return };
        let Some(asked) = self.asked.get_mut(&session) else { return };
        let mut mine = asked.iter().enumerate().filter(|(_, ask)| wishes.contains(&ask.op));
        if mine.clone().any(|(_, ask)| ask.done.is_none()) {
            return;
        }
        let Some((at, earlier)) = mine.find_map(|(at, ask)| Some((at, ask.done?))) else { return };
        let Some(committed) = self.entries.get(&earlier) else { return };
        let cxid = committed.entry.header.cxid;
        if self.forwarded.contains_key(&(session, cxid)) {
            return; // that was certain, too
        }
        let may_be = |ask: &Asked| ask.xid == cxid && committed.asked.contains(&ask.op);
        if let Some(other) = asked.iter().position(|ask| ask.done.is_none() && may_be(ask)) {
            asked[other].done = Some(earlier);
            asked[at].done = None;
        }
    }

    fn apply(&mut self, entry: &Entry, before: Zxid) -> Result<Outcome, String> {
        let (header, session) = (&entry.header, entry.header.session);
        match &entry.txn {
            Txn::CreateSession { timeout } => {
                let life = Life { timeout: *timeout, opened: header.zxid, closed: None };
                match self.sessions.insert(session, life) {
                    Some(_) => Err(format!("session {session} is made twice")),
                    None => Ok(Outcome::Done),
                }
            }
            Txn::CloseSession { paths } => {
                let mut mine: Vec<String> =
                    self.ephemerals_at(session, before).into_iter().map(str::to_owned).collect();
                let mut listed = paths.clone().unwrap_or_default();
                mine.sort();
                listed.sort();
                let length: usize = mine.iter().map(|path| path.len() + 4).sum();
                if listed != mine && length + 64 < self.entry_max {
                    return Err(format!("session {session} ends with {mine:?}, not {listed:?}"));
                }
                for path in &mine {
                    self.delete(path, header.zxid)?;
                }
                if let Some(life) = self.sessions.get_mut(&session) {
                    life.closed = life.closed.or(Some(header.zxid));
                }
                Ok(Outcome::Done)
            }
            Txn::Error(code) => Ok(Outcome::Failed(*code)),
            Txn::Op(op) => self.apply_op(entry, op),
            Txn::Multi(steps) if steps.iter().any(|step| matches!(step, SubTxn::Error(_))) => {
                let of = |step: &SubTxn| match step {
                    SubTxn::Error(code) => Outcome::Failed(*code),
                    SubTxn::Op(_) => Outcome::Failed(ErrorCode::Ok),
                };
                Ok(Outcome::Multi(steps.iter().map(of).collect()))
            }
            Txn::Multi(steps) => {
                let mut outcomes = Vec::new();
                for step in steps {
                    if let SubTxn::Op(op) = step {
                        outcomes.push(self.apply_op(entry, op)?);
                    }
                }
                Ok(Outcome::Multi(outcomes))
            }
            Txn::Reconfig { config, version } => {
                let path = ringkeeper::tree::CONFIG_PATH;
                self.set_data(path, config, *version, header.zxid, header.time)
            }
        }
    }

    fn apply_op(&mut self, entry: &Entry, op: &Op) -> Result<Outcome, String> {
        let (zxid, time) = (entry.header.zxid, entry.header.time);
        match op {
            Op::Create(create) => self.create(&entry.header, create),
            Op::Delete { path } => self.delete(path, zxid),
            Op::DeleteContainer { path } => {
                let due = match self.now(path).map(|node| (node.kind, node.mtime)) {
                    Some((Kind::Container, _)) => true,
                    Some((Kind::Ttl(ms), since)) => time.0 - since.0 > ms,
                    Some(_) | None => false,
                };
                if !due {
                    return Err(format!("{path} is reaped before its time"));
                }
                self.delete(path, zxid)
            }
            Op::SetData { path, data, version } => self.set_data(path, data, *version, zxid, time),
            Op::SetAcl { path, acl, version } => {
                let Some(mut node) = self.now(path) else {
                    return Err(format!("{path} is not there"));
                };
                let changed = Rc::make_mut(&mut node);
                (changed.acl, changed.aversion) = (acl.clone(), *version);
                self.put(path, zxid, Some(node));
                Ok(Outcome::Stat(self.stat_now(path)))
            }
            Op::Check { .. } => Ok(Outcome::Done),
        }
    }

    fn create(&mut self, header: &TxnHeader, create: &CreateTxn) -> Result<Outcome, String> {
        let zxid = header.zxid;
        let path = create.path.as_str();
        let parent = parent_of(path).to_owned();
        let Some(mut above) = self.now(&parent) else {
            return Err(format!("{path} is made under nothing"));
        };
        if self.now(path).is_some() {
            return Err(format!("{path} is made twice"));
        }
        if create.parent_cversion != above.creates + 1 {
            let count = create.parent_cversion;
            return Err(format!("{path} is child {count} of {}", above.creates + 1));
        }
        let node = Rc::make_mut(&mut above);
        node.creates += 1;
        node.pzxid = zxid;
        let parent_acl = above.acl.clone();
        self.put(&parent, zxid, Some(above));
        let session = header.session;
        let kind = match create.kind {
            CreateTxnKind::Create { ephemeral: true }
            | CreateTxnKind::Create2 { ephemeral: true } => Kind::Ephemeral(session),
            CreateTxnKind::Create { .. } | CreateTxnKind::Create2 { .. } => Kind::Persistent,
            CreateTxnKind::Container => Kind::Container,
            CreateTxnKind::Ttl(ms) => Kind::Ttl(ms),
        };
        let node = Node {
            data: create.data.clone(),
            acl: create.acl.clone(),
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: header.time,
            mtime: header.time,
            version: 0,
            creates: 0,
            aversion: 0,
            kind,
        };
        let new = stat(&node, 0);
        self.put(path, zxid, Some(Rc::new(node)));
        self.kids.entry(parent).or_default().insert(path.to_owned());
        self.note(zxid, EventKind::NodeCreated, path, create.acl.clone(), parent_acl);
        let with_stat = !matches!(create.kind, CreateTxnKind::Create { .. });
        Ok(Outcome::Created(path.to_owned(), with_stat.then_some(new)))
    }

    fn set_data(
        &mut self,
        path: &str,
        data: &Data,
        version: i32,
        zxid: Zxid,
        time: WallMillis,
    ) -> Result<Outcome, String> {
        let Some(mut node) = self.now(path) else {
            return Err(format!("{path} is not there"));
        };
        let changed = Rc::make_mut(&mut node);
        (changed.data, changed.version) = (data.clone(), version);
        (changed.mzxid, changed.mtime) = (zxid, time);
        let acl = node.acl.clone();
        self.put(path, zxid, Some(node));
        self.note(zxid, EventKind::NodeDataChanged, path, acl.clone(), acl);
        Ok(Outcome::Stat(self.stat_now(path)))
    }

    fn delete(&mut self, path: &str, zxid: Zxid) -> Result<Outcome, String> {
        let parent = parent_of(path).to_owned();
        let (Some(node), Some(mut above)) = (self.now(path), self.now(&parent)) else {
            return Err(format!("{path} is deleted and is not there"));
        };
        if self.kids.get(path).is_some_and(|kids| !kids.is_empty()) {
            return Err(format!("{path} is deleted and has children"));
        }
        Rc::make_mut(&mut above).pzxid = zxid;
        let parent_acl = above.acl.clone();
        self.put(&parent, zxid, Some(above));
        self.put(path, zxid, None);
        if let Some(kids) = self.kids.get_mut(&parent) {
            kids.remove(path);
        }
        self.note(zxid, EventKind::NodeDeleted, path, node.acl.clone(), parent_acl);
        Ok(Outcome::Done)
    }

    fn put(&mut self, path: &str, zxid: Zxid, node: Option<Rc<Node>>) {
        let states = self.nodes.entry(path.to_owned()).or_default();
        match states.last_mut() {
            Some((at, state)) if *at == zxid => *state = node,
            Some(_) | None => states.push((zxid, node)),
        }
    }

    fn note(&mut self, zxid: Zxid, kind: EventKind, path: &str, acl: AclList, parent_acl: AclList) {
        self.changes.push(Change { zxid, kind, path: path.into(), acl, parent_acl });
    }

    /// Refused for the session's sake alone, whatever was asked. The ephemeral of a local session may
    /// be any step of a multi.
    pub fn is_of_no_session(&self, txn: &Txn) -> bool {
        let gone = |code: &ErrorCode| {
            matches!(
                code,
                ErrorCode::SessionExpired | ErrorCode::SessionMoved | ErrorCode::UnknownSession
            ) || (self.local_sessions && *code == ErrorCode::EphemeralOnLocalSession)
        };
        let is_gone = |step: &SubTxn| matches!(step, SubTxn::Error(code) if gone(code));
        match txn {
            Txn::Error(code) => gone(code),
            Txn::Multi(steps) if self.local_sessions => steps.iter().any(is_gone),
            Txn::Multi(steps) => steps.first().is_some_and(is_gone),
            _ => false,
        }
    }

    /// Whether a tree is what the transactions up to `zxid` make it.
    pub fn compare(&self, tree: &Tree, zxid: Zxid) -> Result<(), String> {
        let mut count = 0;
        for path in self.paths_at(zxid) {
            count += 1;
            // An ensemble's server puts its own configuration there, in no transaction.
            if path == ringkeeper::tree::CONFIG_PATH {
                continue;
            }
            let found = tree.read(path, |node| {
                node.map(|node| {
                    let mut children: Vec<String> = node.children().map(str::to_owned).collect();
                    children.sort();
                    (
                        node.stat(),
                        node.data().map(Bytes::copy_from_slice),
                        node.acl().clone(),
                        children,
                    )
                })
            });
            let Some((stat, data, acl, children)) = found.0 else {
                return Err(format!("at {zxid} {path} is missing"));
            };
            let Some(node) = self.at(path, zxid) else { continue };
            let mine = self.children_at(path, zxid);
            if stat != self::stat(node, mine.len()) {
                let right = self::stat(node, mine.len());
                return Err(format!("at {zxid} {path} is {stat:?}, should be {right:?}"));
            }
            if data != node.data {
                return Err(format!("at {zxid} {path} holds {data:?}, should be {:?}", node.data));
            }
            if acl != node.acl {
                return Err(format!("at {zxid} {path} has acl {acl:?}, should be {:?}", node.acl));
            }
            let names: Vec<&str> = mine.iter().filter_map(|p| p.rsplit('/').next()).collect();
            if children != names {
                return Err(format!("at {zxid} {path} has children {children:?}, not {names:?}"));
            }
        }
        // The tree counts its root under both its names, as Java's map does.
        let found = tree.node_count() - 1;
        if found != count {
            return Err(format!("at {zxid} there are {found} nodes, should be {count}"));
        }
        Ok(())
    }
}

/// Nothing of it has any effect.
fn is_refusal(txn: &Txn) -> bool {
    match txn {
        Txn::Error(_) => true,
        Txn::Multi(steps) => steps.iter().any(|step| matches!(step, SubTxn::Error(_))),
        _ => false,
    }
}

/// As a client sees it.
pub fn stat(node: &Node, children: usize) -> Stat {
    Stat {
        czxid: node.czxid,
        mzxid: node.mzxid,
        ctime: node.ctime,
        mtime: node.mtime,
        version: node.version,
        cversion: node.creates.wrapping_mul(2).wrapping_sub(children as i32),
        aversion: node.aversion,
        ephemeral_owner: match node.kind {
            Kind::Ephemeral(session) => session.0,
            Kind::Persistent | Kind::Container | Kind::Ttl(_) => 0,
        },
        data_length: node.data.as_ref().map_or(0, |data| data.len() as i32),
        num_children: children as i32,
        pzxid: node.pzxid,
    }
}

/// Whether a list lets anybody of these do any of that.
pub fn allows(acl: &[Acl], needed: Perms, who: &[Identity]) -> bool {
    acl.iter().any(|entry| {
        entry.perms.0 & needed.0 != 0
            && (&*entry.scheme == "world"
                || who.iter().any(|id| id.scheme == entry.scheme && id.id == entry.id))
    })
}
