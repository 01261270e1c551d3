//! A seeded stream of transactions over a small tree, made as prep would make them: valid against
//! the tree as it is, digests included. Names are few, so that nodes are deleted and made again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rng::Rng;
use ringkeeper::codec::txn::{
    CreateTxn, CreateTxnKind, Entry, Op, SubTxn, Txn, TxnDigest, TxnHeader,
};
use ringkeeper::tree::{NoSink, TreeWriter};
use ringkeeper::types::{
    Acl, AclList, Data, ErrorCode, NodeKind, Perms, SessionId, WallMillis, Zxid, open_acl,
};

pub struct Workload {
    pub random: Rng,
    pub log: Vec<Entry>,
    pub sessions: BTreeMap<SessionId, i32>,
    zxid: Zxid,
    next_session: i64,
    next_acl: usize,
}

impl Workload {
    pub fn new(seed: u64) -> Workload {
        Workload {
            random: Rng::new(seed),
            log: Vec::new(),
            sessions: BTreeMap::new(),
            zxid: Zxid::ZERO,
            next_session: 0x0100_0000_0000_0001,
            next_acl: 0,
        }
    }

    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Applies one more transaction and logs it.
    pub fn step(&mut self, writer: &mut TreeWriter) {
        let (session, txn) = self.txn(writer);
        self.zxid = Zxid(self.zxid.0 + 1);
        let time = WallMillis(1_700_000_000_000 + self.zxid.0);
        let header = TxnHeader { session, cxid: 1, zxid: self.zxid, time };
        writer.apply(&header, &txn, &mut NoSink);
        let digest = match txn {
            Txn::Error(_) => None,
            _ => Some(TxnDigest { version: TxnDigest::VERSION, digest: writer.tree().digest() }),
        };
        self.log.push(Entry { header, txn, digest });
    }

    fn txn(&mut self, writer: &TreeWriter) -> (SessionId, Txn) {
        let session = self.session();
        match self.random.below(40) {
            0 | 1 => {
                let session = SessionId(self.next_session);
                self.next_session += 1;
                self.sessions.insert(session, 4000);
                (session, Txn::CreateSession { timeout: 4000 })
            }
            2 if session != SessionId(0) => {
                self.sessions.remove(&session);
                let mut paths = writer.tree().ephemerals_of(session);
                paths.sort();
                (session, Txn::CloseSession { paths: Some(paths) })
            }
            3 => (session, Txn::Error(ErrorCode::NoNode)),
            4..=8 => (session, self.multi(writer, session)),
            _ => match self.op(writer, session, &[]) {
                Some(op) if !matches!(op, Op::Check { .. }) => (session, Txn::Op(op)),
                _ => (session, Txn::Error(ErrorCode::BadVersion)),
            },
        }
    }

    fn session(&mut self) -> SessionId {
        let live: Vec<SessionId> = self.sessions.keys().copied().collect();
        if live.is_empty() { SessionId(0) } else { live[self.random.below(live.len())] }
    }

    /// Steps whose paths have nothing to do with one another, so that each is valid by itself.
    fn multi(&mut self, writer: &TreeWriter, session: SessionId) -> Txn {
        let mut used: Vec<String> = Vec::new();
        let mut subs = Vec::new();
        for _ in 0..self.random.below(5) {
            let Some(op) = self.op(writer, session, &used) else { continue };
            // No multi changes access lists.
            if matches!(op, Op::SetAcl { .. }) {
                continue;
            }
            let path = path_of(&op);
            used.push(path.rsplit_once('/').unwrap().0.to_owned());
            used.push(path.to_owned());
            subs.push(SubTxn::Op(op));
        }
        if self.random.below(6) == 0 {
            subs.push(SubTxn::Error(ErrorCode::BadVersion));
        }
        Txn::Multi(subs)
    }

    fn op(&mut self, writer: &TreeWriter, session: SessionId, used: &[String]) -> Option<Op> {
        let path = self.path();
        let parent = path.rsplit_once('/').unwrap().0;
        if used.iter().any(|u| *u == path || u == parent) {
            return None;
        }
        let tree = writer.tree();
        let node = tree.read(&path, |n| n.map(|n| (n.stored(), n.child_count()))).0;
        let Some((stat, children)) = node else {
            let above = tree.read(parent, |n| n.map(|n| (n.stored(), n.kind()))).0;
            let (above, kind) = above?;
            if matches!(kind, NodeKind::Ephemeral(_)) {
                return None;
            }
            let ephemeral = session != SessionId(0) && self.random.below(3) == 0;
            let kind = match self.random.below(10) {
                0 => CreateTxnKind::Container,
                1 => CreateTxnKind::Ttl(5000),
                2..=4 => CreateTxnKind::Create2 { ephemeral },
                _ => CreateTxnKind::Create { ephemeral },
            };
            let (data, acl) = (self.data(), self.acl());
            let parent_cversion = above.cversion + 1;
            return Some(Op::Create(CreateTxn { kind, path, data, acl, parent_cversion }));
        };
        Some(match self.random.below(10) {
            0..=3 if children == 0 => Op::Delete { path },
            4 if children == 0 => Op::DeleteContainer { path },
            4..=6 => Op::SetAcl { path, acl: self.acl(), version: stat.aversion + 1 },
            7 => Op::Check { path, version: stat.version + 1 },
            _ => Op::SetData { path, data: self.data(), version: stat.version + 1 },
        })
    }

    fn path(&mut self) -> String {
        if self.random.below(25) == 0 {
            // Not the root's: Java throws over it, live and at every load (PathTrie.addPath).
            let prefix = ["/c", "/a", "/b/a"][self.random.below(3)];
            let whole = format!("/zookeeper/quota{prefix}/zookeeper_limits");
            let parts: Vec<&str> = whole[1..].split('/').collect();
            let depth = 3 + self.random.below(parts.len() - 2);
            return format!("/{}", parts[..depth.min(parts.len())].join("/"));
        }
        let depth = 1 + self.random.below(3);
        let mut path = String::new();
        for level in 0..depth {
            let wide = if level == 0 { 4 } else { 12 };
            path.push('/');
            path.push((b'a' + self.random.below(wide) as u8) as char);
        }
        path
    }

    fn data(&mut self) -> Data {
        match self.random.below(6) {
            0 => None,
            1 => Some(Default::default()),
            n => Some(vec![self.random.u64() as u8; n * n].into()),
        }
    }

    /// Mostly one of a few lists; sometimes one that no snapshot's table can have.
    fn acl(&mut self) -> AclList {
        let id = match self.random.below(8) {
            0..=3 => return open_acl(),
            4 | 5 => {
                self.next_acl += 1;
                format!("new{}", self.next_acl)
            }
            n => format!("user{n}"),
        };
        Arc::from([Acl::new(Perms::ALL, "digest", &id), Acl::new(Perms::READ, "world", "anyone")])
    }
}

fn path_of(op: &Op) -> &str {
    match op {
        Op::Create(create) => &create.path,
        Op::Delete { path }
        | Op::DeleteContainer { path }
        | Op::SetData { path, .. }
        | Op::SetAcl { path, .. }
        | Op::Check { path, .. } => path,
    }
}
