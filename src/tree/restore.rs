//! Filling the tree from a snapshot (DataTree.deserialize).
//!
//! The order: [`TreeWriter::clear`], [`TreeWriter::restore_acls`], [`TreeWriter::restore_node`] for
//! each node, parents first, [`TreeWriter::finish_restore`]; then the log is applied. After that
//! [`TreeWriter::unknown_acls`] must be 0.

use std::sync::Arc;

use super::apply::size_of_node;
use super::layout::{Head, NO_CHILDREN, OPEN_ACL, Record};
use super::quota::LIMITS_NODE;
use super::store::key_of;
use super::{CONFIG_PATH, QUOTA_PATH, TreeWriter, digest};
use crate::types::{AclList, StoredStat, Zxid, parent_and_name};

/// A snapshot that cannot be a tree. The snapshot is to be given up.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum RestoreError {
    #[error("node {path} comes before its parent {parent:?}")]
    Orphan { path: String, parent: String },
    #[error("path {0:?} does not begin with '/'")]
    NotAbsolute(String),
    #[error("there is no root node")]
    NoRoot,
}

impl TreeWriter {
    /// The ACL table of the snapshot.
    pub fn restore_acls(&mut self, table: impl IntoIterator<Item = (i64, AclList)>) {
        self.tree().acls.lock().restore(table);
    }

    /// One node; the root's path is "". A second node of the same path takes the first one's
    /// place, as a walk of a tree that changes meanwhile may meet one twice.
    ///
    /// A key that the table lacks is not an error yet: a fuzzy snapshot's table is older than its
    /// nodes, and the log has the transaction that set the list (ZOOKEEPER-3306). Until then
    /// nobody is granted anything on the node.
    pub fn restore_node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl_key: i64,
        stat: &StoredStat,
    ) -> Result<(), RestoreError> {
        let key = key_of(path);
        let (tree, state) = self.state();
        if !key.is_empty() {
            let Some((parent, name)) = parent_and_name(key) else {
                return Err(RestoreError::NotAbsolute(key.to_owned()));
            };
            let above = tree.locate(parent);
            let mut shard = tree.shards[above.shard].0.write();
            let Some((record, families)) = shard.find_mut(parent, above.hash) else {
                return Err(RestoreError::Orphan { path: key.into(), parent: parent.into() });
            };
            let slot = families.add(record.children(), name, tree.seed);
            if slot != record.children() {
                record.set_head(&Head { children: slot, ..record.head() });
            }
        }
        if key != CONFIG_PATH {
            let newest = stat.czxid.max(stat.mzxid).max(stat.pzxid);
            state.totals.shown = state.totals.shown.max(newest);
        }
        let crc = if tree.digests { digest::content_crc(key, data) } else { 0 };
        let list = if acl_key == OPEN_ACL { None } else { Some(tree.acls.lock().refer(acl_key)) };
        let spot = tree.locate(key);
        let mut shard = tree.shards[spot.shard].0.write();
        let totals = &mut state.totals;
        if let Some(list) = list {
            shard.acls.add(acl_key, list);
        }
        let mut head = Head { stat: *stat, acl: acl_key, children: NO_CHILDREN };
        if let Some((record, _)) = shard.find_mut(key, spot.hash) {
            let old = record.head();
            head.children = old.children;
            let before = digest::from_content(key, record.crc(), &old.stat);
            let shrunk = record.data_len() as i64;
            record.set_data(data, crc, &head);
            shard.acls.drop(old.acl);
            if tree.digests {
                totals.digest = totals.digest.wrapping_sub(before);
            }
            totals.data_bytes += data.map_or(0, <[u8]>::len) as i64 - shrunk;
            tree.acls.lock().release(old.acl);
            tree.index.lock().remove(tree.rules.kind_of(old.stat.owner), key);
        } else {
            let record = Record::new(key.as_bytes(), data, crc, &head);
            shard.insert(record, spot.hash, tree.seed);
            totals.nodes += 1;
            totals.data_bytes += size_of_node(key, data.map_or(0, <[u8]>::len));
        }
        drop(shard);
        if tree.digests {
            totals.digest = totals.digest.wrapping_add(digest::from_content(key, crc, stat));
        }
        // DataTree.deserialize: the root is nobody's, whatever its owner says.
        if stat.owner != 0 && !key.is_empty() {
            tree.index.lock().add(tree.rules.kind_of(stat.owner), key);
        }
        Ok(())
    }

    /// The nodes are all there: puts quotas into force and counts their use anew, drops lists no
    /// node uses, and lets readers see the tree as of `zxid`.
    pub fn finish_restore(&mut self, zxid: Zxid) -> Result<(), RestoreError> {
        let tree = Arc::clone(self.tree());
        let Some(root_len) = tree.read("", |node| node.map(|node| node.data_len())).0 else {
            return Err(RestoreError::NoRoot);
        };
        tree.acls.lock().purge();
        self.locked_all(zxid, |work| {
            // DataTree.approximateDataSize meets the root under both its names.
            work.state.totals.data_bytes += size_of_node("/", root_len);
            let mut limited = Vec::new();
            work.walk(QUOTA_PATH, &mut |path, record| {
                let leaf = record.children() == NO_CHILDREN;
                let path = path.strip_prefix(QUOTA_PATH).unwrap_or_default();
                if let (true, Some((prefix, LIMITS_NODE))) = (leaf, parent_and_name(path)) {
                    limited.push(prefix.to_owned());
                }
            });
            limited.sort_unstable();
            for prefix in limited {
                work.sum_up(&prefix);
                work.limit(&prefix);
            }
        });
        Ok(())
    }

    /// Nodes whose access list neither the snapshot nor the log told. After replay there are none
    /// but in a damaged snapshot.
    pub fn unknown_acls(&self) -> usize {
        self.tree().unknown_acls()
    }
}
