//! The names of a node's children: dense, in an order that only removals disturb.
//!
//! Few children are a plain list that is searched. Many are chunks of names plus an index from a
//! name's hash to its position. Nothing here ever copies or rehashes a whole wide node at once:
//! chunks never move, and when the index must grow, the new one is filled a few entries at each
//! later change, as a millionth child must not stop the server for the time a million take.

use compact_str::CompactString;
use hashbrown::HashTable;

use super::shard::Seed;

/// Up to here a search of the list is as quick as an index.
const FEW: usize = 16;
/// Many become few again well below [`FEW`], so that a node on the edge does not flip.
const FEW_AGAIN: usize = 8;
/// Names a chunk.
const CHUNK: usize = 256;
/// Entries moved to a new index at each change. Anything above 2 is done before the next growth.
const MOVES: usize = 8;

#[derive(Debug)]
pub(super) enum Children {
    Few(Vec<CompactString>),
    Many(Box<Many>),
}

#[derive(Debug, Default)]
pub(super) struct Many {
    /// All full but the last; none empty.
    chunks: Vec<Vec<CompactString>>,
    len: usize,
    /// Positions by the hash of the name there.
    index: HashTable<u32>,
    /// The index before, while it is being emptied into `index`.
    old: HashTable<u32>,
    /// Positions below have left `old`.
    moved: usize,
}

impl Default for Children {
    fn default() -> Children {
        Children::Few(Vec::new())
    }
}

impl Children {
    pub(super) fn len(&self) -> usize {
        match self {
            Children::Few(names) => names.len(),
            Children::Many(many) => many.len,
        }
    }

    /// The name at `position`, of [`Self::len`].
    pub(super) fn at(&self, position: usize) -> Option<&str> {
        match self {
            Children::Few(names) => names.get(position).map(|name| name.as_str()),
            Children::Many(many) => many.get(position).map(|name| name.as_str()),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let (few, many) = match self {
            Children::Few(names) => (names.as_slice(), [].as_slice()),
            Children::Many(many) => ([].as_slice(), many.chunks.as_slice()),
        };
        few.iter().chain(many.iter().flatten()).map(|name| name.as_str())
    }

    pub(super) fn contains(&self, name: &str, seed: Seed) -> bool {
        match self {
            Children::Few(names) => names.iter().any(|n| n == name),
            Children::Many(many) => many.find(name, seed.hash(name.as_bytes())).is_some(),
        }
    }

    /// `false` if it was there.
    pub(super) fn insert(&mut self, name: &str, seed: Seed) -> bool {
        let absent = !self.contains(name, seed);
        if absent {
            self.push(name, seed);
        }
        absent
    }

    /// Adds a name that is known not to be there.
    pub(super) fn push(&mut self, name: &str, seed: Seed) {
        match self {
            Children::Few(names) if names.len() < FEW => {
                if names.is_empty() {
                    names.reserve_exact(1);
                }
                names.push(name.into());
            }
            Children::Few(names) => {
                let mut many = Box::new(Many::default());
                for old in names.drain(..) {
                    many.push(old, seed);
                }
                many.push(name.into(), seed);
                *self = Children::Many(many);
            }
            Children::Many(many) => many.push(name.into(), seed),
        }
    }

    /// The last name takes the place of the removed one. `false` if it was not there.
    pub(super) fn remove(&mut self, name: &str, seed: Seed) -> bool {
        match self {
            Children::Few(names) => {
                let Some(position) = names.iter().position(|n| n == name) else {
                    return false;
                };
                names.swap_remove(position);
                true
            }
            Children::Many(many) => {
                if !many.remove(name, seed) {
                    return false;
                }
                if many.len < FEW_AGAIN {
                    *self = Children::Few(many.chunks.drain(..).flatten().collect());
                }
                true
            }
        }
    }
}

impl Many {
    fn get(&self, position: usize) -> Option<&CompactString> {
        self.chunks.get(position / CHUNK)?.get(position % CHUNK)
    }

    fn find(&self, name: &str, hash: u64) -> Option<usize> {
        let here = |position: &u32| self.get(*position as usize).is_some_and(|n| n == name);
        let found = self.index.find(hash, here).or_else(|| self.old.find(hash, here));
        found.map(|position| *position as usize)
    }

    fn push(&mut self, name: CompactString, seed: Seed) {
        self.make_room();
        let hash = seed.hash(name.as_bytes());
        let position = self.len;
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(name),
            _ => self.chunks.push(vec![name]),
        }
        self.len += 1;
        self.index_at(position, hash, seed);
        self.migrate(seed);
    }

    fn remove(&mut self, name: &str, seed: Seed) -> bool {
        let hash = seed.hash(name.as_bytes());
        let Some(position) = self.find(name, hash) else {
            return false;
        };
        self.unindex(position, hash);
        let last = self.len - 1;
        if position != last {
            let moved = self.get(last).map(|n| seed.hash(n.as_bytes()));
            if let Some(moved) = moved {
                self.unindex(last, moved);
                self.index_at(position, moved, seed);
            }
        }
        let taken = self.chunks.last_mut().and_then(Vec::pop);
        if let (Some(taken), true) = (taken, position != last) {
            self.chunks[position / CHUNK][position % CHUNK] = taken;
        }
        if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        self.len = last;
        // A node that was wide and is not any more gives its index back.
        if self.old.is_empty() && self.index.capacity() > 1024.max(self.len * 8) {
            self.replace_index();
        }
        self.migrate(seed);
        true
    }

    /// Never hashes anything again: there is room, or it is in the new index.
    fn index_at(&mut self, position: usize, hash: u64, seed: Seed) {
        let chunks = &self.chunks;
        self.index.insert_unique(hash, position as u32, |p| {
            let name = &chunks[*p as usize / CHUNK][*p as usize % CHUNK];
            seed.hash(name.as_bytes())
        });
    }

    fn unindex(&mut self, position: usize, hash: u64) {
        let here = |p: &u32| *p as usize == position;
        if let Ok(entry) = self.index.find_entry(hash, here) {
            entry.remove();
        } else if let Ok(entry) = self.old.find_entry(hash, here) {
            entry.remove();
        }
    }

    /// `capacity` counts graves as used, so this also comes before the table would rehash itself
    /// in place.
    fn make_room(&mut self) {
        if self.index.len() == self.index.capacity() && self.old.is_empty() {
            self.replace_index();
        }
    }

    fn replace_index(&mut self) {
        let room = (self.len + 1).max(self.len / 2 * 3);
        let fresh = HashTable::with_capacity(room.max(2 * FEW));
        self.old = std::mem::replace(&mut self.index, fresh);
        self.moved = 0;
    }

    fn migrate(&mut self, seed: Seed) {
        if self.old.is_empty() {
            if self.old.capacity() > 0 {
                self.old = HashTable::new();
            }
            return;
        }
        for _ in 0..MOVES {
            let position = self.moved;
            let Some(name) = self.get(position) else {
                break;
            };
            let hash = seed.hash(name.as_bytes());
            self.moved += 1;
            if let Ok(entry) = self.old.find_entry(hash, |p| *p as usize == position) {
                entry.remove();
                self.index_at(position, hash, seed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rng::Rng;
    use std::collections::BTreeSet;

    const SEED: Seed = Seed(5);

    fn check(children: &Children, model: &BTreeSet<String>) {
        let listed: Vec<&str> = children.iter().collect();
        assert_eq!(listed.len(), children.len());
        assert_eq!(listed.len(), model.len());
        assert_eq!(listed.iter().map(|n| n.to_string()).collect::<BTreeSet<_>>(), *model);
        for (position, name) in listed.iter().enumerate() {
            assert_eq!(children.at(position), Some(*name));
            assert!(children.contains(name, SEED));
        }
        if let Children::Many(many) = children {
            assert_eq!(many.index.len() + many.old.len(), many.len, "one entry a name");
        }
    }

    #[test]
    fn names_match_a_plain_set_through_growth_shrinking_and_churn() {
        let mut rolls = Rng::new(1);
        let mut children = Children::default();
        let mut model = BTreeSet::new();
        for (steps, inserts_of_ten) in [(3000, 9), (4000, 5), (6000, 1), (2000, 8), (4000, 0)] {
            for step in 0..steps {
                let name = format!("node-{:06}", rolls.below(2000));
                if rolls.below(10) < inserts_of_ten {
                    assert_eq!(children.insert(&name, SEED), model.insert(name));
                } else {
                    assert_eq!(children.remove(&name, SEED), model.remove(&name));
                }
                if step % 97 == 0 {
                    check(&children, &model);
                }
            }
            check(&children, &model);
        }
    }

    #[test]
    fn the_index_never_has_to_rehash_itself() {
        // Churn at a constant size fills hash tables with graves; growth must come before.
        let mut children = Children::default();
        for n in 0..5000 {
            children.insert(&format!("{n}"), SEED);
        }
        for n in 0..50_000 {
            children.remove(&format!("{n}"), SEED);
            children.insert(&format!("{}", n + 5000), SEED);
            if let Children::Many(many) = &children {
                assert!(many.index.len() <= many.index.capacity());
                assert!(many.index.capacity() <= 40_000, "{}", many.index.capacity());
            }
        }
        assert_eq!(children.len(), 5000);
    }

    #[test]
    fn a_walk_from_the_end_misses_no_name_that_stays() {
        let mut rolls = Rng::new(9);
        let mut children = Children::default();
        for n in 0..3000 {
            children.insert(&format!("stays-{n}"), SEED);
            children.insert(&format!("goes-{n}"), SEED);
        }
        let mut seen = BTreeSet::new();
        let mut end = children.len();
        while end > 0 {
            let from = end.saturating_sub(100);
            for position in (from..end).rev() {
                seen.insert(children.at(position).map(str::to_owned));
            }
            for _ in 0..50 {
                children.remove(&format!("goes-{}", rolls.below(3000)), SEED);
                children.insert(&format!("new-{}", rolls.below(100_000)), SEED);
            }
            end = from.min(children.len());
        }
        for n in 0..3000 {
            assert!(seen.contains(&Some(format!("stays-{n}"))), "{n}");
        }
    }
}
