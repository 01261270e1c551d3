//! The watched paths: each text stored once, found by hash, named by a number.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::set::Set;

/// A watched path and who watches it, by table.
#[derive(Default)]
struct Watched {
    /// `None`: the slot is free.
    text: Option<Arc<str>>,
    sets: [Set; 2],
}

pub(super) struct Paths {
    hasher: FixedState,
    by_text: HashTable<u32>,
    slab: Vec<Watched>,
    free: Vec<u32>,
    /// Of all texts.
    bytes: usize,
}

impl Paths {
    pub(super) fn new(hash_seed: u64) -> Paths {
        Paths {
            hasher: FixedState::with_seed(hash_seed),
            by_text: HashTable::new(),
            slab: Vec::new(),
            free: Vec::new(),
            bytes: 0,
        }
    }

    /// Bytes of all texts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn find(&self, path: &str) -> Option<u32> {
        let slab = &self.slab;
        self.by_text
            .find(self.hasher.hash_one(path), |at| slab[*at as usize].text.as_deref() == Some(path))
            .copied()
    }

    pub(super) fn find_or_add(&mut self, path: &str) -> u32 {
        if let Some(at) = self.find(path) {
            return at;
        }
        self.bytes += path.len();
        let watched = Watched { text: Some(Arc::from(path)), sets: Default::default() };
        let at = match self.free.pop() {
            Some(at) => {
                self.slab[at as usize] = watched;
                at
            }
            None => {
                self.slab.push(watched);
                (self.slab.len() - 1) as u32
            }
        };
        let (hasher, slab) = (&self.hasher, &self.slab);
        self.by_text.insert_unique(hasher.hash_one(path), at, |at| {
            hasher.hash_one(slab[*at as usize].text.as_deref().unwrap_or_default())
        });
        at
    }

    /// The path's text; empty for a number nobody has.
    pub(super) fn text(&self, at: u32) -> &str {
        self.slab[at as usize].text.as_deref().unwrap_or_default()
    }

    pub(super) fn shared_text(&self, at: u32) -> Option<&Arc<str>> {
        self.slab[at as usize].text.as_ref()
    }

    pub(super) fn set(&self, at: u32, table: usize) -> Set {
        self.slab[at as usize].sets[table]
    }

    /// Stores what the set has become, and forgets a path that nobody watches any more.
    pub(super) fn put(&mut self, at: u32, table: usize, set: Set) {
        let watched = &mut self.slab[at as usize];
        watched.sets[table] = set;
        if watched.sets.iter().any(|s| !s.is_empty()) {
            return;
        }
        let Some(text) = watched.text.take() else { return };
        self.bytes -= text.len();
        if let Ok(entry) = self.by_text.find_entry(self.hasher.hash_one(&*text), |p| *p == at) {
            entry.remove();
        }
        self.free.push(at);
    }

    /// One more than the highest number.
    pub(super) fn end(&self) -> u32 {
        self.slab.len() as u32
    }

    /// Paths with numbers from `from` up to `to`, which is not among them, in their order.
    pub(super) fn range(&self, from: u32, to: u32) -> impl Iterator<Item = (u32, &str)> {
        let texts = self.slab.iter().enumerate().take(to as usize).skip(from as usize);
        texts.filter_map(|(at, watched)| Some((at as u32, watched.text.as_deref()?)))
    }
}
