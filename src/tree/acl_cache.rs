//! Access lists kept once and named by number (ReferenceCountedACLCache).
//!
//! Two levels: the cache of the tree gives lists their keys and counts the nodes of each; a shard
//! keeps the lists of its own nodes, so that a reader, who has to check access each time, finds
//! them under the lock it already holds and shares nothing with readers of other shards.
//!
//! Differs from Java, invisibly but for the keys in a snapshot: the open list always has key -1,
//! and a create of an existing node gives its former list back, where Java counts both.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::layout::OPEN_ACL;
use crate::types::{Acl, AclList, Perms, open_acl};

#[derive(Debug)]
pub(super) struct AclCache {
    keys: HashMap<AclList, i64, foldhash::fast::FixedState>,
    lists: BTreeMap<i64, Counted>,
    /// Keys nodes of a snapshot name, of which no table has told; with the number of nodes.
    missing: BTreeMap<i64, usize>,
    /// Never given out again, whether named by a list or only by a node (ZOOKEEPER-4846).
    last: i64,
    open: AclList,
}

#[derive(Debug)]
struct Counted {
    list: AclList,
    nodes: usize,
}

impl AclCache {
    pub(super) fn new(seed: u64) -> AclCache {
        AclCache {
            keys: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)),
            lists: BTreeMap::new(),
            missing: BTreeMap::new(),
            last: 0,
            open: open_acl(),
        }
    }

    /// Counts one more node with `list`; gives its key and the one copy all nodes share.
    pub(super) fn intern(&mut self, list: &AclList) -> (i64, AclList) {
        if **list == *self.open {
            return (OPEN_ACL, Arc::clone(&self.open));
        }
        if let Some(key) = self.keys.get(&**list)
            && let Some(counted) = self.lists.get_mut(key)
        {
            counted.nodes += 1;
            return (*key, Arc::clone(&counted.list));
        }
        self.draw_key();
        self.keys.insert(Arc::clone(list), self.last);
        self.lists.insert(self.last, Counted { list: Arc::clone(list), nodes: 1 });
        (self.last, Arc::clone(list))
    }

    /// The next key that nobody names. A snapshot may hold the highest there is: then they go on
    /// from the lowest, as Java's do.
    fn draw_key(&mut self) {
        loop {
            self.last = self.last.wrapping_add(1);
            let is_taken = self.lists.contains_key(&self.last)
                || self.missing.contains_key(&self.last)
                || self.last == OPEN_ACL;
            if !is_taken {
                return;
            }
        }
    }

    /// One node less.
    pub(super) fn release(&mut self, key: i64) {
        if let Some(counted) = self.lists.get_mut(&key) {
            counted.nodes = counted.nodes.saturating_sub(1);
            if counted.nodes == 0 {
                self.forget(key);
            }
        } else if let Some(nodes) = self.missing.get_mut(&key) {
            *nodes -= 1;
            if *nodes == 0 {
                self.missing.remove(&key);
            }
        }
    }

    /// The table of a snapshot. Its lists stay until [`Self::purge`], used or not.
    pub(super) fn restore(&mut self, table: impl IntoIterator<Item = (i64, AclList)>) {
        for (key, list) in table {
            self.last = self.last.max(key);
            self.keys.insert(Arc::clone(&list), key);
            self.lists.insert(key, Counted { list, nodes: 0 });
        }
    }

    /// Counts a node of a snapshot. A fuzzy one may name a key that its table lacks, because the
    /// table is written first: such a node's list is [`nobody`]'s until a replayed transaction
    /// sets it.
    pub(super) fn refer(&mut self, key: i64) -> AclList {
        if key == OPEN_ACL {
            return Arc::clone(&self.open);
        }
        self.last = self.last.max(key);
        if let Some(counted) = self.lists.get_mut(&key) {
            counted.nodes += 1;
            return Arc::clone(&counted.list);
        }
        *self.missing.entry(key).or_default() += 1;
        nobody()
    }

    /// Drops what no node uses.
    pub(super) fn purge(&mut self) {
        let unused: Vec<i64> =
            self.lists.iter().filter(|(_, c)| c.nodes == 0).map(|(key, _)| *key).collect();
        unused.into_iter().for_each(|key| self.forget(key));
    }

    pub(super) fn table(&self) -> Vec<(i64, AclList)> {
        self.lists.iter().map(|(key, c)| (*key, Arc::clone(&c.list))).collect()
    }

    /// Nodes whose list is unknown.
    pub(super) fn missing_nodes(&self) -> usize {
        self.missing.values().sum()
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.lists.clear();
        self.missing.clear();
        self.last = 0;
    }

    fn forget(&mut self, key: i64) {
        // Two keys of a snapshot may name equal lists; only one of them is given out anew.
        if let Some(counted) = self.lists.remove(&key)
            && self.keys.get(&*counted.list) == Some(&key)
        {
            self.keys.remove(&*counted.list);
        }
    }
}

/// Grants nothing to anyone. An empty list would not do: it grants everything.
pub(super) fn nobody() -> AclList {
    Arc::from([Acl::new(Perms(0), "world", "anyone")])
}

/// The lists of one shard's nodes, by key. The open list is not kept here.
#[derive(Debug, Default)]
pub(super) struct ShardAcls(Vec<ShardAcl>);

#[derive(Debug)]
struct ShardAcl {
    key: i64,
    list: AclList,
    nodes: u32,
}

impl ShardAcls {
    pub(super) fn get(&self, key: i64) -> Option<&AclList> {
        let at = self.0.binary_search_by_key(&key, |a| a.key).ok()?;
        Some(&self.0[at].list)
    }

    pub(super) fn add(&mut self, key: i64, list: AclList) {
        if key == OPEN_ACL {
            return;
        }
        match self.0.binary_search_by_key(&key, |a| a.key) {
            Ok(at) => self.0[at].nodes += 1,
            Err(at) => {
                self.0.reserve_exact(if self.0.is_empty() { 1 } else { 0 });
                self.0.insert(at, ShardAcl { key, list, nodes: 1 });
            }
        }
    }

    pub(super) fn drop(&mut self, key: i64) {
        if let Ok(at) = self.0.binary_search_by_key(&key, |a| a.key) {
            self.0[at].nodes -= 1;
            if self.0[at].nodes == 0 {
                self.0.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(id: &str) -> AclList {
        Arc::from([Acl::new(Perms::ALL, "digest", id)])
    }

    #[test]
    fn keys_rise_are_shared_and_go_with_the_last_node() {
        let mut cache = AclCache::new(0);
        assert_eq!(cache.intern(&open_acl()).0, -1);
        assert_eq!(cache.intern(&list("a")).0, 1);
        assert_eq!(cache.intern(&list("b")).0, 2);
        assert_eq!(cache.intern(&list("a")).0, 1);
        cache.release(1);
        assert_eq!(cache.table().len(), 2);
        cache.release(1);
        assert_eq!(cache.table(), [(2, list("b"))]);
        assert_eq!(cache.intern(&list("a")).0, 3);
    }

    #[test]
    fn keys_named_only_by_nodes_are_never_given_to_another_list() {
        // ZOOKEEPER-4846: the new list under an old key gave nodes rights they never had.
        let mut cache = AclCache::new(0);
        cache.restore([(4, list("a")), (5, list("unused"))]);
        assert_eq!(cache.refer(4), list("a"));
        assert_eq!(cache.refer(9), nobody());
        assert_eq!(cache.refer(9), nobody());
        cache.purge();
        assert_eq!(cache.table(), [(4, list("a"))]);
        assert_eq!(cache.intern(&list("new")).0, 10);
        assert_eq!(cache.missing_nodes(), 2);
        cache.release(9);
        assert_eq!(cache.missing_nodes(), 1);
    }

    #[test]
    fn the_highest_key_is_not_the_last() {
        let mut cache = AclCache::new(0);
        cache.restore([(i64::MAX, list("a")), (i64::MIN, list("b"))]);
        assert_eq!(cache.refer(i64::MIN + 1), nobody());
        assert_eq!(cache.intern(&list("c")).0, i64::MIN + 2);
        cache.restore([(-2, list("d"))]);
        cache.last = -3;
        assert_eq!(cache.intern(&list("e")).0, 0, "past the one that is taken and the open list's");
    }

    #[test]
    fn equal_lists_under_two_keys_live_and_die_apart() {
        let mut cache = AclCache::new(0);
        cache.restore([(1, list("a")), (2, list("a"))]);
        cache.refer(1);
        cache.refer(2);
        assert_eq!(cache.intern(&list("a")).0, 2);
        cache.release(1);
        assert_eq!(cache.intern(&list("a")).0, 2);
        (0..3).for_each(|_| cache.release(2));
        assert_eq!(cache.intern(&list("a")).0, 3);
    }
}
