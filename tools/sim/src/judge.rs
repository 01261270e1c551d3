//! What a write must become, judged by the state before it: the checker's own reading of
//! ZooKeeper's rules, against which every transaction is held.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use ringkeeper::codec::request::{CreateCall, CreateOp, MultiOp, RawAcl, WriteOp};
use ringkeeper::codec::txn::{CreateTxn, CreateTxnKind, Op, SubTxn, Txn};
use ringkeeper::types::{
    Acl, AclList, CreateMode, Data, ErrorCode, Identity, Perms, SessionId, WallMillis, Zxid,
};

use crate::history::{History, Kind, Node, allows, parent_of};

/// The state before a transaction, and what its steps so far have made of it.
struct View<'a> {
    history: &'a History,
    changed: BTreeMap<String, Option<Rc<Node>>>,
    who: &'a [Identity],
    session: SessionId,
}

impl History {
    /// What this write must become if it is the next transaction.
    pub fn judge(&self, op: &WriteOp, session: SessionId, who: &[Identity]) -> Txn {
        let mut view = View { history: self, changed: BTreeMap::new(), who, session };
        let single = |result: Result<Op, ErrorCode>| result.map_or_else(Txn::Error, Txn::Op);
        match op {
            WriteOp::Create(create) => single(view.create(create)),
            WriteOp::Delete { path, version } => {
                single(view.delete(path.as_deref().unwrap_or(""), *version))
            }
            WriteOp::SetData { path, data, version } => {
                single(view.set_data(path.as_deref().unwrap_or(""), data, *version))
            }
            WriteOp::SetAcl { path, acl, version } => {
                single(view.set_acl(path.as_deref().unwrap_or(""), acl.as_deref(), *version))
            }
            WriteOp::Multi(ops) => view.multi(ops),
            WriteOp::Reconfig(_) => Txn::Error(ErrorCode::ReconfigDisabled),
            WriteOp::DeleteContainer { .. } => Txn::Error(ErrorCode::Unimplemented),
        }
    }
}

impl View<'_> {
    fn get(&self, path: &str) -> Option<Rc<Node>> {
        match self.changed.get(path) {
            Some(state) => state.clone(),
            None => self.history.at(path, self.history.last).cloned(),
        }
    }

    fn has_children(&self, path: &str) -> bool {
        let old = self.history.children_at(path, self.history.last);
        let gone = |path: &str| self.changed.get(path).is_some_and(Option::is_none);
        old.iter().any(|child| !gone(child))
            || self.changed.iter().any(|(below, node)| {
                node.is_some() && below.as_str() != "/" && parent_of(below) == path
            })
    }

    fn multi(&mut self, ops: &[MultiOp]) -> Txn {
        let mut steps = Vec::new();
        let mut failed = false;
        for op in ops {
            if failed {
                steps.push(SubTxn::Error(ErrorCode::RuntimeInconsistency));
                continue;
            }
            let step = match op {
                MultiOp::Create(create) => self.create(create),
                MultiOp::Delete { path, version } => {
                    self.delete(path.as_deref().unwrap_or(""), *version)
                }
                MultiOp::SetData { path, data, version } => {
                    self.set_data(path.as_deref().unwrap_or(""), data, *version)
                }
                MultiOp::Check { path, version } => {
                    self.check(path.as_deref().unwrap_or(""), *version)
                }
            };
            failed = step.is_err();
            steps.push(step.map_or_else(SubTxn::Error, SubTxn::Op));
        }
        Txn::Multi(steps)
    }

    fn create(&mut self, create: &CreateOp) -> Result<Op, ErrorCode> {
        let mode = CreateMode::from_flags(create.flags).ok_or(ErrorCode::BadArguments)?;
        if mode.is_ttl() && !self.history.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        let asked = create.path.as_deref().unwrap_or("");
        let acl = list(create.acl.as_deref())?;
        let parent = parent_of(asked).to_owned();
        let mut above = self.get(&parent).ok_or(ErrorCode::NoNode)?;
        self.may(&above.acl, Perms::CREATE)?;
        let path = match mode.is_sequential() {
            true => format!("{asked}{:010}", above.creates),
            false => asked.to_owned(),
        };
        if self.get(&path).is_some() {
            return Err(ErrorCode::NodeExists);
        }
        if let Kind::Ephemeral(_) = above.kind {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let ephemeral = mode.is_ephemeral();
        let (txn_kind, kind) = match create.call {
            CreateCall::Container => (CreateTxnKind::Container, Kind::Container),
            CreateCall::Ttl => (CreateTxnKind::Ttl(create.ttl), Kind::Ttl(create.ttl)),
            CreateCall::Create | CreateCall::Create2 => {
                let kind = if ephemeral { Kind::Ephemeral(self.session) } else { Kind::Persistent };
                match create.call {
                    CreateCall::Create => (CreateTxnKind::Create { ephemeral }, kind),
                    _ => (CreateTxnKind::Create2 { ephemeral }, kind),
                }
            }
        };
        Rc::make_mut(&mut above).creates += 1;
        let parent_cversion = above.creates;
        self.changed.insert(parent, Some(above));
        let zero = Zxid::ZERO;
        let node = Node {
            data: create.data.clone(),
            acl: acl.clone(),
            czxid: zero,
            mzxid: zero,
            pzxid: zero,
            ctime: WallMillis(0),
            mtime: WallMillis(0),
            version: 0,
            creates: 0,
            aversion: 0,
            kind,
        };
        self.changed.insert(path.clone(), Some(Rc::new(node)));
        let data = create.data.clone();
        Ok(Op::Create(CreateTxn { kind: txn_kind, path, data, acl, parent_cversion }))
    }

    fn delete(&mut self, path: &str, version: i32) -> Result<Op, ErrorCode> {
        if ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"].contains(&path) {
            return Err(ErrorCode::BadArguments);
        }
        let above = self.get(parent_of(path)).ok_or(ErrorCode::NoNode)?;
        self.may(&above.acl, Perms::DELETE)?;
        let node = self.get(path).ok_or(ErrorCode::NoNode)?;
        next(node.version, version)?;
        if self.has_children(path) {
            return Err(ErrorCode::NotEmpty);
        }
        self.changed.insert(path.to_owned(), None);
        Ok(Op::Delete { path: path.to_owned() })
    }

    fn set_data(&mut self, path: &str, data: &Data, version: i32) -> Result<Op, ErrorCode> {
        let mut node = self.get(path).ok_or(ErrorCode::NoNode)?;
        self.may(&node.acl, Perms::WRITE)?;
        let version = next(node.version, version)?;
        Rc::make_mut(&mut node).version = version;
        self.changed.insert(path.to_owned(), Some(node));
        Ok(Op::SetData { path: path.to_owned(), data: data.clone(), version })
    }

    fn set_acl(
        &mut self,
        path: &str,
        acl: Option<&[RawAcl]>,
        version: i32,
    ) -> Result<Op, ErrorCode> {
        let acl = list(acl)?;
        let node = self.get(path).ok_or(ErrorCode::NoNode)?;
        self.may(&node.acl, Perms::ADMIN)?;
        let version = next(node.aversion, version)?;
        Ok(Op::SetAcl { path: path.to_owned(), acl, version })
    }

    fn check(&self, path: &str, version: i32) -> Result<Op, ErrorCode> {
        let node = self.get(path).ok_or(ErrorCode::NoNode)?;
        self.may(&node.acl, Perms::READ)?;
        let version = next(node.version, version)?;
        Ok(Op::Check { path: path.to_owned(), version })
    }

    fn may(&self, acl: &[Acl], needed: Perms) -> Result<(), ErrorCode> {
        if allows(acl, needed, self.who) { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }
}

fn next(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    match expected == -1 || expected == current {
        true => Ok(current.wrapping_add(1)),
        false => Err(ErrorCode::BadVersion),
    }
}

/// The clients of the world name all their lists in full.
fn list(raw: Option<&[RawAcl]>) -> Result<AclList, ErrorCode> {
    let raw = raw.unwrap_or_default();
    if raw.is_empty() {
        return Err(ErrorCode::InvalidAcl);
    }
    let one = |acl: &RawAcl| {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        Acl::new(Perms(acl.perms), &text(&acl.scheme), &text(&acl.id))
    };
    Ok(Arc::from(raw.iter().map(one).collect::<Vec<_>>()))
}
