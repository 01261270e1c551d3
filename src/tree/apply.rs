//! What each transaction does to the nodes (tools/docs/reference/storage.md section 7;
//! DataTree.createNode and others).
//!
//! The same for a live transaction and for one replayed over a fuzzy snapshot, whose nodes may
//! hold the effects of transactions that are still to come.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::digest;
use super::layout::{Head, NO_CHILDREN, OPEN_ACL, Record};
use super::quota::{self, StatsTrack};
use super::shard::{Families, Shard};
use super::store::{Spot, Tree, key_of};
use super::writer::{Edit, Held, State, failed_multi};
use super::{CONFIG_PATH, Change, ChangeKind, ChangeSink, Outcome, QUOTA_PATH};
use crate::codec::txn::{CreateTxn, CreateTxnKind, Op, SubTxn, Txn};
use crate::mutants::{self, Mutant};
use crate::types::StoredStat;
use crate::types::{
    AclList, CreateMode, ErrorCode, NodeKind, SessionId, Stat, WallMillis, Zxid, parent_and_name,
    read_acl,
};

/// A node's parent and name. `None` for what no request can name but a damaged file may: "//n" has
/// the root for a parent, but not by the root's key.
fn place_of(path: &str) -> Option<(&str, &str)> {
    parent_and_name(path).filter(|(parent, _)| *parent != "/")
}

/// One transaction's work on the shards it has locked.
pub(super) struct Work<'a> {
    pub tree: &'a Tree,
    pub held: Held<'a>,
    pub state: &'a mut State,
    pub sink: &'a mut dyn ChangeSink,
    pub wanted: bool,
    pub changed: bool,
    pub session: SessionId,
    pub zxid: Zxid,
    pub time: WallMillis,
}

/// Digests at these zxids are kept (DataTree.DIGEST_LOG_INTERVAL, DIGEST_LOG_LIMIT).
const HISTORY_INTERVAL: i64 = 128;
const HISTORY_LEN: usize = 1024;

impl Work<'_> {
    pub(super) fn txn(&mut self, txn: &Txn, leftovers: &[String]) -> Outcome {
        match txn {
            Txn::CreateSession { timeout } => Outcome::SessionCreated { timeout: *timeout },
            Txn::CloseSession { paths } => {
                let skipped = usize::from(mutants::on(Mutant::EphemeralLeftBehind));
                for path in paths.iter().flatten().chain(leftovers).skip(skipped) {
                    self.delete(path);
                }
                Outcome::SessionClosed
            }
            Txn::Error(code) => Outcome::Failed(*code),
            Txn::Op(op) => self.op(op),
            Txn::Multi(subs) if subs.iter().any(|sub| matches!(sub, SubTxn::Error(_))) => {
                failed_multi(subs)
            }
            Txn::Multi(subs) => {
                let results = subs.iter().map(|sub| match sub {
                    SubTxn::Op(op) => self.op(op),
                    SubTxn::Error(code) => Outcome::Failed(*code),
                });
                Outcome::Multi(results.collect())
            }
            Txn::Reconfig { config, version } => {
                match self.set_data(CONFIG_PATH, config.as_deref(), *version) {
                    Outcome::DataSet(stat) => Outcome::Reconfigured { data: config.clone(), stat },
                    other => other,
                }
            }
        }
    }

    fn op(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Create(create) => self.create(create),
            Op::Delete { path } | Op::DeleteContainer { path } => self.delete(path),
            Op::SetData { path, data, version } => self.set_data(path, data.as_deref(), *version),
            Op::SetAcl { path, acl, version } => self.set_acl(path, acl, *version),
            Op::Check { .. } => Outcome::Checked,
        }
    }

    /// Hands the changes over, makes the figures of the tree and the index agree with its nodes, and
    /// only then lets go of the shards.
    ///
    /// Whoever reads figures or index holds no shard: their locks stand for it. They are taken before
    /// the changes leave, so that what is read has all its events in the streams (I7), and what an
    /// event has told of is in what is read behind it (I8).
    pub(super) fn finish(mut self) {
        let zxid = self.zxid.max(self.state.totals.applied);
        self.held_zxid(zxid);
        self.state.totals.applied = zxid;
        let mut index = (!self.state.edits.is_empty()).then(|| self.tree.index.lock());
        if mutants::on(Mutant::AppliedBeforePublished)
            && let Some(mut index) = index.take()
        {
            index.edit(&mut self.state.edits, zxid);
        }
        let due = self.zxid.0 % HISTORY_INTERVAL == 0 && self.zxid.0 > 0;
        let keeps = due && self.state.keep_history && self.tree.digests;
        let (sink, state, changed) = (self.sink, self.state, self.changed);
        let publish = || {
            if changed {
                sink.publish();
            }
        };
        self.tree.shown.reveal(zxid.0, publish, |shown| {
            shown.totals = state.totals;
            if keeps {
                shown.history.push_back((zxid, state.totals.digest));
                if shown.history.len() > HISTORY_LEN {
                    shown.history.pop_front();
                }
            }
            if let Some(index) = &mut index {
                index.edit(&mut state.edits, zxid);
            }
        });
    }

    fn create(&mut self, txn: &CreateTxn) -> Outcome {
        let Some((parent, name)) = place_of(&txn.path) else {
            return Outcome::Failed(ErrorCode::NoNode);
        };
        let (ephemeral, with_stat) = match txn.kind {
            CreateTxnKind::Create { ephemeral } => (ephemeral, false),
            CreateTxnKind::Create2 { ephemeral } => (ephemeral, true),
            CreateTxnKind::Container | CreateTxnKind::Ttl(_) => (false, true),
        };
        let kind = match txn.kind {
            CreateTxnKind::Container => NodeKind::Container,
            // A Java leader can be made to log this and dies of it
            // (tools/docs/reference/client-protocol.md section 6).
            CreateTxnKind::Ttl(ms) if !(1..=CreateMode::TTL_MS_MAX).contains(&ms) => {
                return Outcome::Failed(ErrorCode::BadArguments);
            }
            CreateTxnKind::Ttl(ms) => NodeKind::Ttl(ms),
            _ if ephemeral => NodeKind::Ephemeral(self.session),
            _ => NodeKind::Persistent,
        };
        let above = self.tree.locate(parent);
        let key = key_of(&txn.path);
        let spot = self.tree.locate(key);
        let exists = self.held.shard(spot.shard).find(key, spot.hash).is_some();
        let (zxid, seed) = (self.zxid, self.tree.seed);
        // A node deleted and made again while the snapshot was taken is seen twice by replay; the
        // parent's figures must not go back (ZOOKEEPER-3125). Java leaves them as they are if the
        // node exists and the transaction is not of type 1, and then stays behind its peers.
        let parent_there = self.change(parent, above, |head, families| {
            let cversion = match txn.parent_cversion {
                -1 => head.stat.cversion.wrapping_add(1),
                given => given,
            };
            if cversion > head.stat.cversion {
                head.stat.cversion = cversion;
                head.stat.pzxid = zxid;
            }
            if !exists {
                // Nodes and links are one: what is not in the tree is not among the children.
                head.children = families.add_new(head.children, name, seed);
            }
        });
        if parent_there.is_none() {
            return Outcome::Failed(ErrorCode::NoNode);
        }
        if exists {
            self.replace_acl(key, spot, &txn.acl);
            return Outcome::Failed(ErrorCode::NodeExists);
        }
        let stat = StoredStat::created(self.zxid, self.time, kind.owner());
        self.shows(&txn.path);
        self.insert(key, spot, txn.data.as_deref(), &txn.acl, stat);
        self.quota_created(parent, name);
        self.quota_count(key, 1, txn.data.as_ref().map_or(0, |data| data.len()) as i64);
        self.tell(ChangeKind::Created, key, spot, Some((parent, above)));
        let data_len = txn.data.as_ref().map_or(0, |data| data.len());
        let stat = with_stat.then(|| stat.wire(self.tree.rules, data_len, 0));
        Outcome::Created { path: txn.path.clone(), stat }
    }

    /// Removes the node and the link to it. In fuzzy replay the node may be a later one of the
    /// same name that already has children: they go, too, as replay is going to make them again.
    /// (Java leaves them in its map without a link, and the next snapshot loses them.)
    fn delete(&mut self, path: &str) -> Outcome {
        // The root, and what no request can name but a damaged file may.
        if place_of(path).is_none_or(|(_, name)| name.is_empty()) {
            return Outcome::Failed(ErrorCode::NoNode);
        }
        let mut doomed = vec![path.to_owned()];
        let mut at = 0;
        while at < doomed.len() {
            let path = key_of(&doomed[at]);
            let spot = self.tree.locate(path);
            let shard = self.held.shard(spot.shard);
            if let Some(record) = shard.find(path, spot.hash)
                && record.children() != NO_CHILDREN
            {
                let names = shard.families.names(record.children());
                let beneath: Vec<_> = names.map(|name| format!("{path}/{name}")).collect();
                doomed.extend(beneath);
            }
            at += 1;
        }
        let mut outcome = Outcome::Failed(ErrorCode::NoNode);
        for path in doomed.iter().rev() {
            outcome = self.delete_one(path);
        }
        outcome
    }

    fn delete_one(&mut self, path: &str) -> Outcome {
        let missing = Outcome::Failed(ErrorCode::NoNode);
        let Some((parent, name)) = place_of(path) else {
            return missing;
        };
        if name.is_empty() {
            return missing;
        }
        let above = self.tree.locate(parent);
        let (zxid, seed) = (self.zxid, self.tree.seed);
        // Also if the node is gone already: the snapshot may hold the parent as it was before.
        let parent_there = self.change(parent, above, |head, families| {
            head.children = families.remove(head.children, name, seed);
            head.stat.pzxid = head.stat.pzxid.max(zxid);
        });
        if parent_there.is_none() {
            return missing;
        }
        let spot = self.tree.locate(path);
        let acl = if self.wanted { Some(self.acl_of(path, spot)) } else { None };
        let Some(record) = self.held.shard(spot.shard).remove(path, spot.hash) else {
            return missing;
        };
        let head = record.head();
        self.shows(path);
        self.count(path, record.crc(), &head.stat, false);
        self.state.totals.nodes -= 1;
        self.state.totals.data_bytes -= size_of_node(path, record.data_len());
        self.edit(path, head.stat.owner, false);
        self.remember(spot, head.acl);
        self.drop_acl(spot, head.acl);
        if name == quota::LIMITS_NODE
            && let Some(limited) = parent.strip_prefix(QUOTA_PATH)
        {
            let mut quotas = self.tree.quotas.write();
            quotas.remove(limited);
            self.tree.has_quotas.store(!quotas.is_empty(), Ordering::SeqCst);
        }
        self.quota_count(path, -1, -(record.data_len() as i64));
        if let Some(acl) = acl {
            let parent_acl = Some(self.acl_of(parent, above));
            self.send(ChangeKind::Deleted, path, acl, parent_acl);
        }
        Outcome::Deleted
    }

    pub(super) fn set_data(&mut self, path: &str, data: Option<&[u8]>, version: i32) -> Outcome {
        let key = key_of(path);
        let spot = self.tree.locate(key);
        let (zxid, time) = (self.zxid, self.time);
        let written = self.rewrite(key, spot, data, |stat| {
            stat.mtime = time;
            stat.mzxid = zxid;
            stat.version = version;
        });
        match written {
            Some(stat) => {
                self.shows(path);
                self.tell(ChangeKind::DataChanged, key, spot, None);
                Outcome::DataSet(stat)
            }
            None => Outcome::Failed(ErrorCode::NoNode),
        }
    }

    /// This transaction has left its mark on a node ([`super::Tree::shown`]).
    fn shows(&mut self, path: &str) {
        if path != CONFIG_PATH {
            let totals = &mut self.state.totals;
            totals.shown = totals.shown.max(self.zxid);
        }
    }

    /// Replaces data and figures of a node and keeps all sums; gives the stat after.
    fn rewrite(
        &mut self,
        key: &str,
        spot: Spot,
        data: Option<&[u8]>,
        f: impl FnOnce(&mut StoredStat),
    ) -> Option<Stat> {
        let digests = self.tree.digests;
        let (record, families) = self.held.shard(spot.shard).find_mut(key, spot.hash)?;
        let (old, old_crc, old_len) = (record.head(), record.crc(), record.data_len());
        let mut head = old;
        f(&mut head.stat);
        let crc = if digests { digest::content_crc(key, data) } else { 0 };
        record.set_data(data, crc, &head);
        let len = data.map_or(0, <[u8]>::len);
        let stat = head.stat.wire(self.tree.rules, len, families.count(head.children));
        self.count(key, old_crc, &old.stat, false);
        self.count(key, crc, &head.stat, true);
        let grown = len as i64 - old_len as i64;
        self.state.totals.data_bytes += grown;
        self.quota_count(key, 0, grown);
        Some(stat)
    }

    pub(super) fn set_acl(&mut self, path: &str, acl: &AclList, version: i32) -> Outcome {
        let key = key_of(path);
        let spot = self.tree.locate(key);
        if !self.replace_acl(key, spot, acl) {
            return Outcome::Failed(ErrorCode::NoNode);
        }
        self.change(key, spot, |head, _| head.stat.aversion = version);
        let shard = self.held.shard(spot.shard);
        match self.tree.node(shard, key, spot) {
            Some(node) => Outcome::AclSet(node.stat()),
            None => Outcome::Failed(ErrorCode::NoNode),
        }
    }

    /// One of the nodes every tree has, if it is missing: no data, all figures 0. `false` if it
    /// was there, or cannot be.
    pub(super) fn plant(&mut self, path: &str) -> bool {
        let spot = self.tree.locate(path);
        if self.held.shard(spot.shard).find(path, spot.hash).is_some() {
            return false;
        }
        if let Some((parent, name)) = parent_and_name(path) {
            let (above, seed) = (self.tree.locate(parent), self.tree.seed);
            let parent_there = self.change(parent, above, |head, families| {
                head.children = families.add_new(head.children, name, seed);
            });
            if parent_there.is_none() {
                return false;
            }
        }
        let open = Arc::clone(&self.tree.open);
        self.insert(path, spot, Some(b""), &open, StoredStat::default());
        true
    }

    /// DataTree.addConfigNode: access controlled from the first (ZOOKEEPER-2014), but an operator
    /// may have given it another list since.
    pub(super) fn plant_config(&mut self) {
        if self.plant(CONFIG_PATH) {
            self.set_acl(CONFIG_PATH, &read_acl(), -1);
        }
    }

    fn insert(
        &mut self,
        key: &str,
        spot: Spot,
        data: Option<&[u8]>,
        acl: &AclList,
        stat: StoredStat,
    ) {
        let (acl, list) = self.intern(acl);
        let shard = self.held.shard(spot.shard);
        shard.acls.add(acl, list);
        let crc = if self.tree.digests { digest::content_crc(key, data) } else { 0 };
        let head = Head { stat, acl, children: NO_CHILDREN };
        shard.insert(Record::new(key.as_bytes(), data, crc, &head), spot.hash, self.tree.seed);
        self.count(key, crc, &stat, true);
        self.state.totals.nodes += 1;
        self.state.totals.data_bytes += size_of_node(key, data.map_or(0, <[u8]>::len));
        self.edit(key, stat.owner, true);
    }

    /// Changes what is not data, digest included; gives what was before. `None` if there is no
    /// such node.
    fn change(
        &mut self,
        key: &str,
        spot: Spot,
        f: impl FnOnce(&mut Head, &mut Families),
    ) -> Option<Head> {
        let shard = self.held.shard(spot.shard);
        let (record, families) = shard.find_mut(key, spot.hash)?;
        let (old, crc) = (record.head(), record.crc());
        let mut head = old;
        f(&mut head, families);
        if head != old {
            record.set_head(&head);
            if head.stat != old.stat {
                self.count(key, crc, &old.stat, false);
                self.count(key, crc, &head.stat, true);
            }
        }
        Some(old)
    }

    /// Enters a node into the digest or takes it out.
    fn count(&mut self, key: &str, crc: u32, stat: &StoredStat, add: bool) {
        if !self.tree.digests {
            return;
        }
        let node = digest::from_content(key, crc, stat);
        let sum = self.state.totals.digest;
        self.state.totals.digest =
            if add { sum.wrapping_add(node) } else { sum.wrapping_sub(node) };
    }

    fn edit(&mut self, key: &str, owner: i64, added: bool) {
        if owner != 0 {
            let kind = self.tree.rules.kind_of(owner);
            self.state.edits.push(Edit { path: key.into(), kind, added });
        }
    }

    fn intern(&mut self, acl: &AclList) -> (i64, AclList) {
        if **acl == *self.tree.open {
            return (OPEN_ACL, Arc::clone(acl));
        }
        self.tree.acls.lock().intern(acl)
    }

    fn drop_acl(&mut self, spot: Spot, key: i64) {
        if key != OPEN_ACL {
            self.held.shard(spot.shard).acls.drop(key);
            self.tree.acls.lock().release(key);
        }
    }

    /// The ACL of a node that was just deleted: see `gone`.
    fn remember(&mut self, spot: Spot, key: i64) {
        let Shard { acls, gone, .. } = self.held.shard(spot.shard);
        gone.note(spot.hash, if key == OPEN_ACL { None } else { acls.get(key) });
    }

    /// `false` if there is no such node.
    fn replace_acl(&mut self, key: &str, spot: Spot, acl: &AclList) -> bool {
        if self.held.shard(spot.shard).find(key, spot.hash).is_none() {
            return false;
        }
        // The new one first: it may be the old one, which must not go in between.
        let (new, list) = self.intern(acl);
        self.held.shard(spot.shard).acls.add(new, list);
        if let Some(old) = self.change(key, spot, |head, _| head.acl = new) {
            self.drop_acl(spot, old.acl);
        }
        true
    }

    fn acl_of(&mut self, key: &str, spot: Spot) -> AclList {
        let tree = self.tree;
        let shard = self.held.shard(spot.shard);
        tree.node(shard, key, spot).map_or_else(|| Arc::clone(&tree.open), |n| Arc::clone(n.acl()))
    }

    /// Tells of a change of a node that is there.
    fn tell(&mut self, kind: ChangeKind, key: &str, spot: Spot, parent: Option<(&str, Spot)>) {
        if !self.wanted {
            return;
        }
        let acl = self.acl_of(key, spot);
        let parent_acl = parent.map(|(parent, above)| self.acl_of(parent, above));
        self.send(kind, key, acl, parent_acl);
    }

    fn send(&mut self, kind: ChangeKind, key: &str, acl: AclList, parent_acl: Option<AclList>) {
        let path = Arc::from(if key.is_empty() { "/" } else { key });
        self.changed = true;
        self.sink.change(Change { zxid: self.zxid, kind, path, acl, parent_acl });
    }
}

/// Quotas.
impl Work<'_> {
    fn quota_created(&mut self, parent: &str, name: &str) {
        let Some(prefix) = parent.strip_prefix(QUOTA_PATH) else {
            return;
        };
        if name == quota::LIMITS_NODE {
            self.limit(prefix);
        }
        if name == quota::STATS_NODE {
            self.sum_up(prefix);
        }
    }

    /// Puts limits into force. Those of the root never are.
    pub(super) fn limit(&mut self, prefix: &str) {
        let mut quotas = self.tree.quotas.write();
        quotas.add(prefix);
        self.tree.has_quotas.store(!quotas.is_empty(), Ordering::SeqCst);
    }

    /// Writes the use of a subtree, counted anew, into its stats node (DataTree.updateQuotaForPath).
    pub(super) fn sum_up(&mut self, prefix: &str) {
        let (mut count, mut bytes) = (0, 0);
        self.walk(prefix, &mut |_, record| {
            count += 1;
            bytes += record.data_len() as i64;
        });
        self.edit_stats(prefix, |track| *track = StatsTrack::new(count, bytes));
    }

    fn quota_count(&mut self, key: &str, count: i64, bytes: i64) {
        if let Some(prefix) = self.tree.quota_prefix(key) {
            self.edit_stats(&prefix, |track| track.add(count, bytes));
        }
    }

    fn edit_stats(&mut self, prefix: &str, f: impl FnOnce(&mut StatsTrack)) {
        let path = quota::stats_path(prefix);
        let spot = self.tree.locate(&path);
        if let Some((record, _)) = self.held.shard(spot.shard).find_mut(&path, spot.hash) {
            let mut track = StatsTrack::parse(record.data().unwrap_or_default());
            f(&mut track);
            let head = record.head();
            record.set_data(Some(track.to_text().as_bytes()), record.crc(), &head);
        }
    }

    /// Visits a node and all beneath it. Needs all shards.
    pub(super) fn walk(&mut self, root: &str, visit: &mut dyn FnMut(&str, &Record)) {
        let mut open = vec![key_of(root).to_owned()];
        while let Some(path) = open.pop() {
            let spot = self.tree.locate(&path);
            let shard = self.held.shard(spot.shard);
            if let Some(record) = shard.find(&path, spot.hash) {
                visit(&path, record);
                let names = shard.families.names(record.children());
                open.extend(names.map(|name| format!("{path}/{name}")));
            }
        }
    }

    fn held_zxid(&mut self, zxid: Zxid) {
        self.held.each(|shard| shard.zxid = zxid);
    }
}

/// DataTree.getNodeSize: UTF-16 units of the path, bytes of the data.
pub(super) fn size_of_node(key: &str, data_len: usize) -> i64 {
    let path = if key.is_ascii() { key.len() } else { key.encode_utf16().count() };
    (path + data_len) as i64
}
