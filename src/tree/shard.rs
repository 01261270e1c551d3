//! What one lock guards: a part of the nodes, with their children and access lists.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;

use super::acl_cache::ShardAcls;
use super::children::Children;
use super::digest;
use super::gone::Gone;
use super::layout::{NO_CHILDREN, OPEN_ACL, Record};
use super::store::Tree;
use crate::types::{AclList, NodeKind, Stat, StoredStat, Zxid};

/// Seeded hashing of paths and names, the same in every run with the same seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(pub u64);

impl Seed {
    pub(super) fn hash(self, bytes: &[u8]) -> u64 {
        let mut hasher = foldhash::fast::FixedState::with_seed(self.0).build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }

    /// Which of `shards` (a power of two) a path of this hash lives in.
    ///
    /// Shards are of uneven width, the widest twice the narrowest. Hash tables double, so equal
    /// shards would all double at once: at a million nodes in 1,024 shards every table would just
    /// have done so and stand half empty, at twice the memory. Uneven ones double one after the
    /// other, and the tree's tables as a whole are always about two thirds full.
    pub(super) fn shard(hash: u64, shards: usize) -> usize {
        // Not the bits hashbrown uses: the top 7 and the lowest.
        let u = (hash >> 24) & 0xffff_ffff;
        // log2(1 + u) for u in [0, 1), near enough: u + 0.34 u (1 - u).
        let bend = (((u * (0xffff_ffff - u)) >> 32) * 87) >> 8;
        (((u + bend) * shards as u64) >> 32) as usize & (shards - 1)
    }
}

/// In this order: what every read looks at comes first, and lies beside the lock.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Shard {
    nodes: HashTable<Record>,
    /// Of the last transaction that locked this shard.
    pub zxid: Zxid,
    pub acls: ShardAcls,
    pub families: Families,
    pub gone: Gone,
}

impl Shard {
    pub(super) fn find(&self, path: &str, hash: u64) -> Option<&Record> {
        self.nodes.find(hash, |record| record.path() == path.as_bytes())
    }

    /// The first record that may be the one with this hash: nothing of it has been looked at.
    pub(super) fn likely(&self, hash: u64) -> Option<&Record> {
        self.nodes.iter_hash(hash).next()
    }

    /// The node, and the table its children are in.
    pub(super) fn find_mut(
        &mut self,
        path: &str,
        hash: u64,
    ) -> Option<(&mut Record, &mut Families)> {
        let record = self.nodes.find_mut(hash, |record| record.path() == path.as_bytes())?;
        Some((record, &mut self.families))
    }

    /// The path must not be present.
    pub(super) fn insert(&mut self, record: Record, hash: u64, seed: Seed) {
        self.nodes.insert_unique(hash, record, |record| seed.hash(record.path()));
    }

    /// The node's list of children goes with it.
    pub(super) fn remove(&mut self, path: &str, hash: u64) -> Option<Record> {
        let entry = self.nodes.find_entry(hash, |record| record.path() == path.as_bytes()).ok()?;
        let (record, _) = entry.remove();
        self.families.free(record.children());
        Some(record)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.nodes.iter()
    }
}

/// The children of those nodes that have any. A node names its slot; childless ones need none.
#[derive(Debug, Default)]
pub(super) struct Families {
    slots: Vec<Children>,
    free: Vec<u32>,
}

impl Families {
    pub(super) fn get(&self, slot: u32) -> Option<&Children> {
        if slot == NO_CHILDREN { None } else { self.slots.get(slot as usize) }
    }

    pub(super) fn count(&self, slot: u32) -> usize {
        self.get(slot).map_or(0, Children::len)
    }

    pub(super) fn names(&self, slot: u32) -> impl Iterator<Item = &str> {
        self.get(slot).into_iter().flat_map(Children::iter)
    }

    /// Adds a name, if it is not there; gives the slot, a new one if `slot` is [`NO_CHILDREN`].
    pub(super) fn add(&mut self, slot: u32, name: &str, seed: Seed) -> u32 {
        let slot = if slot == NO_CHILDREN { self.new_slot() } else { slot };
        self.slots[slot as usize].insert(name, seed);
        slot
    }

    /// As [`Self::add`] for a name that is known not to be there.
    pub(super) fn add_new(&mut self, slot: u32, name: &str, seed: Seed) -> u32 {
        let slot = if slot == NO_CHILDREN { self.new_slot() } else { slot };
        self.slots[slot as usize].push(name, seed);
        slot
    }

    /// Removes a name, present or not; gives the slot, [`NO_CHILDREN`] when it was the last.
    pub(super) fn remove(&mut self, slot: u32, name: &str, seed: Seed) -> u32 {
        let Some(children) = self.slots.get_mut(slot as usize) else {
            return NO_CHILDREN;
        };
        children.remove(name, seed);
        if children.len() > 0 {
            return slot;
        }
        self.free(slot);
        NO_CHILDREN
    }

    fn new_slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Children::default());
            (self.slots.len() - 1) as u32
        })
    }

    fn free(&mut self, slot: u32) {
        if let Some(children) = self.slots.get_mut(slot as usize) {
            *children = Children::default();
            self.free.push(slot);
        }
    }
}

/// A node, for as long as its shard is locked.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    pub(super) record: &'a Record,
    pub(super) shard: &'a Shard,
    pub(super) tree: &'a Tree,
}

impl<'a> Node<'a> {
    /// The root's is "".
    pub fn path(&self) -> &'a str {
        std::str::from_utf8(self.record.path()).unwrap_or_default()
    }

    /// As clients see it.
    pub fn stat(&self) -> Stat {
        let head = self.record.head();
        let children = self.shard.families.count(head.children);
        head.stat.wire(self.tree.rules, self.record.data_len(), children)
    }

    /// As snapshots and the digest see it.
    pub fn stored(&self) -> StoredStat {
        self.record.head().stat
    }

    /// `None`: null, which is not the same as empty.
    pub fn data(&self) -> Option<&'a [u8]> {
        self.record.data()
    }

    /// Bytes; 0 for null.
    pub fn data_len(&self) -> usize {
        self.record.data_len()
    }

    /// Its list; one that grants nothing where a snapshot lacked it.
    pub fn acl(&self) -> &'a AclList {
        match self.record.acl() {
            OPEN_ACL => &self.tree.open,
            key => self.shard.acls.get(key).unwrap_or(&self.tree.nobody),
        }
    }

    /// The number a snapshot names the list by; -1 is the open list.
    pub fn acl_key(&self) -> i64 {
        self.record.acl()
    }

    /// By this tree's rules.
    pub fn kind(&self) -> NodeKind {
        self.tree.rules.kind_of(self.stored().owner)
    }

    /// Direct ones.
    pub fn child_count(&self) -> usize {
        self.shard.families.count(self.record.children())
    }

    /// In no particular order.
    pub fn children(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.shard.families.names(self.record.children())
    }

    /// Whether there is one of this name.
    pub fn has_child(&self, name: &str) -> bool {
        let children = self.shard.families.get(self.record.children());
        children.is_some_and(|children| children.contains(name, self.tree.seed))
    }

    /// Up to `max` names at positions below `end`, highest first. Walking a wide node from
    /// [`Self::child_count`] down in slices, each under its own lock, meets every child that was
    /// there at the start and still is: a removal only ever moves the last name to a lower place.
    /// It may meet one twice. The next slice ends `max` lower, or at the count if that is less.
    pub fn children_before(
        &self,
        end: usize,
        max: usize,
    ) -> impl Iterator<Item = &'a str> + use<'a> {
        let children = self.shard.families.get(self.record.children());
        let end = end.min(children.map_or(0, Children::len));
        let positions = (end.saturating_sub(max)..end).rev();
        positions.filter_map(move |position| children.and_then(|c| c.at(position)))
    }

    /// What the node adds to the tree's digest.
    pub fn digest(&self) -> u64 {
        digest::from_content(self.path(), self.record.crc(), &self.stored())
    }

    /// CRC of path and data, to reckon a digest with another stat ([`digest::from_content`]).
    pub fn content_crc(&self) -> u32 {
        self.record.crc()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_uneven_by_two_and_all_in_use() {
        let mut nodes = vec![0u32; 1024];
        for n in 0..1_000_000u32 {
            let hash = Seed(7).hash(format!("/parent-{:05}/node-{n:010}", n / 1000).as_bytes());
            nodes[Seed::shard(hash, 1024)] += 1;
        }
        let (least, most) = (*nodes.iter().min().unwrap(), *nodes.iter().max().unwrap());
        assert!(least > 550 && most < 1650, "{least}..{most}");
        let wide = nodes[900..1000].iter().sum::<u32>() as f64;
        let narrow = nodes[24..124].iter().sum::<u32>() as f64;
        assert!((1.6..2.2).contains(&(wide / narrow)), "{}", wide / narrow);
        for shards in [1, 2, 16] {
            assert!((0..99).all(|n| Seed::shard(Seed(7).hash(&[n]), shards) < shards));
        }
    }

    #[test]
    fn slots_of_children_are_used_again() {
        let mut families = Families::default();
        let a = families.add(NO_CHILDREN, "x", Seed(0));
        let b = families.add(NO_CHILDREN, "y", Seed(0));
        assert_eq!((a, b), (0, 1));
        assert_eq!(families.add(a, "z", Seed(0)), a);
        assert_eq!(families.remove(a, "x", Seed(0)), a);
        assert_eq!(families.remove(a, "nothing", Seed(0)), a);
        assert_eq!(families.remove(a, "z", Seed(0)), NO_CHILDREN);
        assert_eq!(families.remove(NO_CHILDREN, "z", Seed(0)), NO_CHILDREN);
        assert_eq!(families.add(NO_CHILDREN, "w", Seed(0)), a);
        assert_eq!((families.count(b), families.count(NO_CHILDREN)), (1, 0));
    }
}
