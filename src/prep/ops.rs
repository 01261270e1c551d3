//! The checks of each operation, in the order in which Java makes them: a client sees the first
//! that fails. Then what the operation does to the state that later writes are judged by, which
//! must be exactly what applying does to the tree (I13).

use crate::acl;
use crate::codec::request::{CreateCall, CreateOp, RawAcl};
use crate::codec::txn::{CreateTxn, CreateTxnKind, Op};
use crate::mutants::{self, Mutant};
use crate::tree::{digest, quota};
use crate::types::StoredStat;
use crate::types::{
    CreateMode, Data, ErrorCode, NodeKind, Perms, SessionId, Zxid, parent_and_name, quick_check,
    validate_path,
};

use super::line::{Context, Prep};
use super::overlay::NodeState;

impl Prep {
    /// create, create2, createContainer, createTTL (pRequest2TxnCreate).
    pub(super) fn create(&mut self, turn: &Context<'_>, op: &CreateOp) -> Result<Op, ErrorCode> {
        let mode = self.judge_mode(turn, op)?;
        let asked = op.path.as_deref().ok_or(ErrorCode::MarshallingError)?;
        if !quick_check(asked) {
            return Err(ErrorCode::BadArguments);
        }
        let (parent_path, _) = parent_and_name(asked).ok_or(ErrorCode::BadArguments)?;
        let policy = &self.settings.policy;
        self.entries += op.acl.as_ref().map_or(0, Vec::len);
        let acl =
            acl::fixup(policy, op.acl.as_deref(), turn.requester.identities, &mut self.acl_room)?;
        let above = self.overlay.get(turn.tree, parent_path);
        let mut parent = above.node.clone().ok_or(ErrorCode::NoNode)?;
        let _permit =
            self.decisions.decide(policy, &parent.acl, Perms::CREATE, turn.requester.identities)?;
        let path = match mode.is_sequential() {
            // Counts creates, not children: a number is never given out twice.
            true if mutants::on(Mutant::SequenceCountsChildren) => {
                format!("{asked}{:010}", parent.children)
            }
            true => format!("{asked}{:010}", parent.stat.cversion),
            false => asked.to_owned(),
        };
        validate_path(&path).map_err(|_| ErrorCode::BadArguments)?;
        let place = self.overlay.get(turn.tree, &path);
        if place.node.is_some() {
            return Err(ErrorCode::NodeExists);
        }
        if let NodeKind::Ephemeral(_) = self.settings.types.kind_of(parent.stat.owner) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        if !is_legible(&path, &op.data) {
            return Err(ErrorCode::BadArguments);
        }
        let data_len = op.data.as_ref().map_or(0, |data| data.len());
        self.check_quota(turn, &path, 1, data_len as i64)?;

        let ephemeral = mode.is_ephemeral();
        let kind = match op.call {
            CreateCall::Create => CreateTxnKind::Create { ephemeral },
            CreateCall::Create2 => CreateTxnKind::Create2 { ephemeral },
            CreateCall::Container => CreateTxnKind::Container,
            CreateCall::Ttl => CreateTxnKind::Ttl(op.ttl),
        };
        let parent_cversion = parent.stat.cversion.wrapping_add(1);
        count_create(&mut parent, parent_cversion, turn.zxid);
        self.overlay.set(above, parent_path, turn.zxid, Some(parent));
        let kind_of_node = kind_of(kind, turn.requester.session);
        if let NodeKind::Ephemeral(session) = kind_of_node {
            self.overlay.note_ephemeral(turn.zxid, session, &path);
        }
        let node = NodeState {
            stat: StoredStat::created(turn.zxid, turn.now, kind_of_node.owner()),
            children: 0,
            acl: acl.clone(),
            content_crc: self.content_crc(&path, &op.data),
            data_len,
        };
        self.overlay.set(place, &path, turn.zxid, Some(node));
        self.note_quota(turn, &path, 1, data_len as i64);
        Ok(Op::Create(CreateTxn { kind, path, data: op.data.clone(), acl, parent_cversion }))
    }

    /// Flags, TTL and session (validateCreateRequest).
    fn judge_mode(&self, turn: &Context<'_>, op: &CreateOp) -> Result<CreateMode, ErrorCode> {
        let mode = CreateMode::from_flags(op.flags).ok_or(ErrorCode::BadArguments)?;
        if mode.is_ttl() && !self.settings.types.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        let in_range = match mode.is_ttl() {
            true => (1..=CreateMode::TTL_MS_MAX).contains(&op.ttl),
            false => op.ttl < 0,
        };
        // Java lets createTTL pass with another flag and no TTL; applying it kills every server
        // of the ensemble, now and at each restart.
        let contradiction = op.call == CreateCall::Ttl && !mode.is_ttl();
        if !in_range || contradiction {
            return Err(ErrorCode::BadArguments);
        }
        let (session, from) = (turn.requester.session, turn.requester.from);
        // An ephemeral needs a session of the whole ensemble.
        match mode.is_ephemeral() {
            true => turn.sessions.check_global(session, from)?,
            false => turn.sessions.check(session, from)?,
        }
        Ok(mode)
    }

    pub(super) fn delete(
        &mut self,
        turn: &Context<'_>,
        path: Option<&str>,
        version: i32,
    ) -> Result<Op, ErrorCode> {
        turn.sessions.check(turn.requester.session, turn.requester.from)?;
        let (path, parent_path) = deletable(path)?;
        let above = self.overlay.get(turn.tree, parent_path);
        let parent = above.node.as_ref().ok_or(ErrorCode::NoNode)?;
        let policy = &self.settings.policy;
        let _permit =
            self.decisions.decide(policy, &parent.acl, Perms::DELETE, turn.requester.identities)?;
        let pending = self.overlay.get(turn.tree, path);
        let node = pending.node.as_ref().ok_or(ErrorCode::NoNode)?;
        next_version(node.stat.version, version)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        let data_len = node.data_len as i64;
        self.overlay.set(pending, path, turn.zxid, None);
        self.unlink(turn.tree, turn.zxid, path);
        self.note_quota(turn, path, -1, -data_len);
        Ok(Op::Delete { path: path.to_owned() })
    }

    /// The server's own removal of a container or TTL node that is no longer used. Java accepts
    /// opcode 20 from clients, without asking for any permission; nobody but the server has it
    /// here.
    pub(super) fn delete_container(
        &mut self,
        turn: &Context<'_>,
        path: Option<&str>,
    ) -> Result<Op, ErrorCode> {
        if turn.requester.session != SessionId(0) {
            return Err(ErrorCode::Unimplemented);
        }
        let (path, parent_path) = deletable(path)?;
        let pending = self.overlay.get(turn.tree, path);
        let node = pending.node.as_ref().ok_or(ErrorCode::NoNode)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        // The node may be another one by now, or have been written to. Java looks for ephemerals
        // only, and may remove what is neither container nor expired.
        let idle = turn.now.0.saturating_sub(node.stat.mtime.0);
        match self.settings.types.kind_of(node.stat.owner) {
            NodeKind::Container => {}
            NodeKind::Ttl(ttl) if idle > ttl => {}
            NodeKind::Ttl(_) | NodeKind::Ephemeral(_) | NodeKind::Persistent => {
                return Err(ErrorCode::BadVersion);
            }
        }
        self.overlay.get(turn.tree, parent_path).node.ok_or(ErrorCode::NoNode)?;
        let data_len = node.data_len as i64;
        self.overlay.set(pending, path, turn.zxid, None);
        self.unlink(turn.tree, turn.zxid, path);
        self.note_quota(turn, path, -1, -data_len);
        Ok(Op::DeleteContainer { path: path.to_owned() })
    }

    pub(super) fn set_data(
        &mut self,
        turn: &Context<'_>,
        path: Option<&str>,
        data: &Data,
        version: i32,
    ) -> Result<Op, ErrorCode> {
        turn.sessions.check(turn.requester.session, turn.requester.from)?;
        let path = valid(path)?;
        let pending = self.overlay.get(turn.tree, path);
        let mut node = pending.node.clone().ok_or(ErrorCode::NoNode)?;
        let policy = &self.settings.policy;
        let _permit =
            self.decisions.decide(policy, &node.acl, Perms::WRITE, turn.requester.identities)?;
        if !is_legible(path, data) {
            return Err(ErrorCode::BadArguments);
        }
        let data_len = data.as_ref().map_or(0, |data| data.len());
        let grown = data_len as i64 - node.data_len as i64;
        self.check_quota(turn, path, 0, grown)?;
        let version = next_version(node.stat.version, version)?;
        node.stat.version = version;
        node.stat.mtime = turn.now;
        node.stat.mzxid = turn.zxid;
        node.data_len = data_len;
        if !mutants::on(Mutant::DigestOfOldData) {
            node.content_crc = self.content_crc(path, data);
        }
        self.overlay.set(pending, path, turn.zxid, Some(node));
        self.note_quota(turn, path, 0, grown);
        Ok(Op::SetData { path: path.to_owned(), data: data.clone(), version })
    }

    pub(super) fn set_acl(
        &mut self,
        turn: &Context<'_>,
        path: Option<&str>,
        list: Option<&[RawAcl]>,
        version: i32,
    ) -> Result<Op, ErrorCode> {
        turn.sessions.check(turn.requester.session, turn.requester.from)?;
        let path = valid(path)?;
        self.entries += list.map_or(0, <[RawAcl]>::len);
        let policy = &self.settings.policy;
        let acl = acl::fixup(policy, list, turn.requester.identities, &mut self.acl_room)?;
        let pending = self.overlay.get(turn.tree, path);
        let mut node = pending.node.clone().ok_or(ErrorCode::NoNode)?;
        let _permit =
            self.decisions.decide(policy, &node.acl, Perms::ADMIN, turn.requester.identities)?;
        let version = next_version(node.stat.aversion, version)?;
        node.stat.aversion = version;
        node.acl = acl.clone();
        self.overlay.set(pending, path, turn.zxid, Some(node));
        Ok(Op::SetAcl { path: path.to_owned(), acl, version })
    }

    /// Only inside a multi.
    pub(super) fn check(
        &mut self,
        turn: &Context<'_>,
        path: Option<&str>,
        version: i32,
    ) -> Result<Op, ErrorCode> {
        turn.sessions.check(turn.requester.session, turn.requester.from)?;
        let path = valid(path)?;
        let node = self.overlay.get(turn.tree, path).node.ok_or(ErrorCode::NoNode)?;
        let policy = &self.settings.policy;
        let _permit =
            self.decisions.decide(policy, &node.acl, Perms::READ, turn.requester.identities)?;
        let version = next_version(node.stat.version, version)?;
        Ok(Op::Check { path: path.to_owned(), version })
    }

    pub(super) fn content_crc(&self, path: &str, data: &Data) -> u32 {
        match self.settings.digest {
            true => digest::content_crc(path, data.as_deref()),
            false => 0,
        }
    }

    fn check_quota(
        &self,
        turn: &Context<'_>,
        path: &str,
        count: i64,
        bytes: i64,
    ) -> Result<(), ErrorCode> {
        match self.settings.enforce_quota {
            true => self.quota.check(turn.tree, path, count, bytes),
            false => Ok(()),
        }
    }

    fn note_quota(&mut self, turn: &Context<'_>, path: &str, count: i64, bytes: i64) {
        if self.settings.enforce_quota {
            self.quota.note(turn.tree, turn.zxid, path, count, bytes);
        }
    }
}

/// Nodes every server needs (DataTree.isSpecialPath).
const SPECIAL: [&str; 4] = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];

/// A path one may ask to delete, and its parent's (getParentPathAndValidate). Java stumbles over
/// null.
fn deletable(path: Option<&str>) -> Result<(&str, &str), ErrorCode> {
    let path = path.ok_or(ErrorCode::MarshallingError)?;
    if !quick_check(path) || SPECIAL.contains(&path) {
        return Err(ErrorCode::BadArguments);
    }
    let (parent, _) = parent_and_name(path).ok_or(ErrorCode::BadArguments)?;
    Ok((path, parent))
}

/// A path in full order (validatePath); null is as bad as any other.
fn valid(path: Option<&str>) -> Result<&str, ErrorCode> {
    let path = path.ok_or(ErrorCode::BadArguments)?;
    validate_path(path).map_err(|_| ErrorCode::BadArguments)?;
    Ok(path)
}

/// Whether the servers that will apply it can read it: only limits and stats of quotas are read
/// (PrepRequestProcessor.validateQuotaData of 3.9.7, CVE-2026-100300).
fn is_legible(path: &str, data: &Data) -> bool {
    match quota::track_of(path) {
        None => true,
        // The quota of no path: a server before 3.9.7 ends when it applies the limits, and cannot
        // load a snapshot that holds them (PathTrie.addPath).
        Some("") => false,
        Some(_) => quota::is_track(data.as_deref()),
    }
}

/// -1 matches any version. 3.9 lets a version become -1 on its way around (3.10 does not); the
/// number is in the transaction, so servers of both kinds agree.
fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    match expected == -1 || expected == current {
        true => Ok(current.wrapping_add(1)),
        false => Err(ErrorCode::BadVersion),
    }
}

/// What a create does to its parent (DataTree.createNode): the counter never goes back, so once
/// it stands at its end the parent's stat stays as it is.
fn count_create(parent: &mut NodeState, cversion: i32, zxid: Zxid) {
    if cversion > parent.stat.cversion {
        parent.stat.cversion = cversion;
        parent.stat.pzxid = zxid;
    }
    parent.children += 1;
}

/// The kind follows the opcode, not the flag.
fn kind_of(kind: CreateTxnKind, session: SessionId) -> NodeKind {
    match kind {
        CreateTxnKind::Create { ephemeral: true } | CreateTxnKind::Create2 { ephemeral: true } => {
            NodeKind::Ephemeral(session)
        }
        CreateTxnKind::Create { .. } | CreateTxnKind::Create2 { .. } => NodeKind::Persistent,
        CreateTxnKind::Container => NodeKind::Container,
        CreateTxnKind::Ttl(ms) => NodeKind::Ttl(ms),
    }
}
