//! The watchers of one path in one table.
//!
//! ```text
//! Set: one u32     0                                  nobody
//!                  0 | modes 3 bits | slot 28 bits    one connection
//!                  1 | index 31 bits                  several: an entry of Crowds
//! ```
//!
//! A million paths with a watcher each must stay small, and a path with five thousand watchers
//! must be walked without a look-up per watcher: a crowd is a dense list, with an index beside it
//! once searching the list would cost more than hashing.

use hashbrown::HashTable;

use crate::types::WatchMode;

/// Modes of one path and connection, a bit each (WatchStats).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Modes(pub u8);

impl Modes {
    pub(super) const NONE: Modes = Modes(0);
    pub(super) const STANDARD: Modes = Modes(1);
    pub(super) const PERSISTENT: Modes = Modes(2);
    pub(super) const RECURSIVE: Modes = Modes(4);
    pub(super) const ANY: Modes = Modes(7);

    pub(super) fn of(mode: WatchMode) -> Modes {
        match mode {
            WatchMode::Standard => Modes::STANDARD,
            WatchMode::Persistent => Modes::PERSISTENT,
            WatchMode::PersistentRecursive => Modes::RECURSIVE,
        }
    }
    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
    pub(super) fn has(self, other: Modes) -> bool {
        self.0 & other.0 != 0
    }
    pub(super) fn with(self, other: Modes) -> Modes {
        Modes(self.0 | other.0)
    }
    pub(super) fn without(self, other: Modes) -> Modes {
        Modes(self.0 & !other.0)
    }
}

/// A connection's slot and its modes on one path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Watcher(u32);

/// Connection slots that fit beside the modes. No machine holds as many sockets.
pub(super) const SLOTS: u32 = 1 << 28;

impl Watcher {
    pub(super) fn new(slot: u32, modes: Modes) -> Watcher {
        assert!(slot < SLOTS, "connection slot {slot} is beyond {SLOTS}");
        Watcher((modes.0 as u32) << 28 | slot)
    }
    pub(super) fn slot(self) -> u32 {
        self.0 & (SLOTS - 1)
    }
    pub(super) fn modes(self) -> Modes {
        Modes((self.0 >> 28) as u8)
    }
}

/// See the picture above.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Set(u32);

const CROWD: u32 = 1 << 31;

/// A set, opened.
pub(super) enum Members {
    Nobody,
    One(Watcher),
    Crowd(u32),
}

impl Set {
    pub(super) fn one(watcher: Watcher) -> Set {
        Set(watcher.0)
    }
    fn crowd(index: u32) -> Set {
        assert!(index < CROWD, "crowd {index} is beyond the index's 31 bits");
        Set(CROWD | index)
    }
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub(super) fn members(self) -> Members {
        match self.0 {
            0 => Members::Nobody,
            raw if raw & CROWD != 0 => Members::Crowd(raw & !CROWD),
            raw => Members::One(Watcher(raw)),
        }
    }
}

/// Beyond so many watchers a crowd has an index.
const INDEXED: usize = 16;

/// Several watchers of one path.
#[derive(Default)]
pub(super) struct Crowd {
    list: Vec<Watcher>,
    /// Positions in `list`, found by slot. `None` for short lists.
    index: Option<HashTable<u32>>,
}

/// Slots are dense small numbers: one multiplication spreads them well enough.
fn slot_hash(slot: u32) -> u64 {
    (slot as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Crowd {
    fn position(&self, slot: u32) -> Option<usize> {
        match &self.index {
            Some(index) => index
                .find(slot_hash(slot), |at| self.list[*at as usize].slot() == slot)
                .map(|at| *at as usize),
            None => self.list.iter().position(|w| w.slot() == slot),
        }
    }

    fn push(&mut self, watcher: Watcher) {
        let at = self.list.len() as u32;
        self.list.push(watcher);
        if let Some(index) = &mut self.index {
            let list = &self.list;
            index.insert_unique(slot_hash(watcher.slot()), at, |at| {
                slot_hash(list[*at as usize].slot())
            });
        } else if self.list.len() > INDEXED {
            self.reindex();
        }
    }

    fn remove(&mut self, at: usize) {
        let last = self.list.len() - 1;
        if let Some(index) = &mut self.index {
            let gone = self.list[at].slot();
            if let Ok(entry) = index.find_entry(slot_hash(gone), |p| *p as usize == at) {
                entry.remove();
            }
            let moved = self.list[last].slot();
            if at != last
                && let Some(p) = index.find_mut(slot_hash(moved), |p| *p as usize == last)
            {
                *p = at as u32;
            }
        }
        self.list.swap_remove(at);
    }

    fn reindex(&mut self) {
        if self.list.len() <= INDEXED {
            self.index = None;
            return;
        }
        let list = &self.list;
        let mut index = HashTable::with_capacity(list.len() * 2);
        for (at, watcher) in list.iter().enumerate() {
            index.insert_unique(slot_hash(watcher.slot()), at as u32, |at| {
                slot_hash(list[*at as usize].slot())
            });
        }
        self.index = Some(index);
    }
}

/// All crowds of a core; sets name them by number.
#[derive(Default)]
pub(super) struct Crowds {
    slab: Vec<Crowd>,
    free: Vec<u32>,
}

impl Crowds {
    /// The modes `slot` has in `set`.
    pub(super) fn modes(&self, set: Set, slot: u32) -> Modes {
        match set.members() {
            Members::Nobody => Modes::NONE,
            Members::One(watcher) if watcher.slot() == slot => watcher.modes(),
            Members::One(_) => Modes::NONE,
            Members::Crowd(at) => {
                let crowd = &self.slab[at as usize];
                crowd.position(slot).map_or(Modes::NONE, |p| crowd.list[p].modes())
            }
        }
    }

    /// Gives `slot` exactly `modes`; none takes it out.
    pub(super) fn put(&mut self, set: &mut Set, slot: u32, modes: Modes) {
        match set.members() {
            Members::Nobody if modes.is_none() => {}
            Members::Nobody => *set = Set::one(Watcher::new(slot, modes)),
            Members::One(watcher) if watcher.slot() == slot => {
                *set = if modes.is_none() { Set(0) } else { Set::one(Watcher::new(slot, modes)) };
            }
            Members::One(_) if modes.is_none() => {}
            Members::One(watcher) => {
                let at = self.take_crowd();
                let crowd = &mut self.slab[at as usize];
                crowd.push(watcher);
                crowd.push(Watcher::new(slot, modes));
                *set = Set::crowd(at);
            }
            Members::Crowd(at) => {
                let crowd = &mut self.slab[at as usize];
                match crowd.position(slot) {
                    None if modes.is_none() => {}
                    None => crowd.push(Watcher::new(slot, modes)),
                    Some(p) if modes.is_none() => crowd.remove(p),
                    Some(p) => crowd.list[p] = Watcher::new(slot, modes),
                }
                self.settle(set, at);
            }
        }
    }

    /// Walks a crowd in order; `keep` answers what each watcher becomes (no modes: it is out).
    pub(super) fn walk(&mut self, set: &mut Set, at: u32, mut keep: impl FnMut(Watcher) -> Modes) {
        let crowd = &mut self.slab[at as usize];
        let before = crowd.list.len();
        crowd.list.retain_mut(|watcher| {
            let modes = keep(*watcher);
            if modes != watcher.modes() {
                *watcher = Watcher::new(watcher.slot(), modes);
            }
            !modes.is_none()
        });
        // All gone is the common case of one-shot watches: no index is worth building then.
        if crowd.list.len() != before && crowd.list.len() > 1 {
            crowd.reindex();
        }
        self.settle(set, at);
    }

    pub(super) fn len(&self, set: Set) -> usize {
        match set.members() {
            Members::Nobody => 0,
            Members::One(_) => 1,
            Members::Crowd(at) => self.slab[at as usize].list.len(),
        }
    }

    pub(super) fn each(&self, set: Set, mut f: impl FnMut(Watcher)) {
        match set.members() {
            Members::Nobody => {}
            Members::One(watcher) => f(watcher),
            Members::Crowd(at) => self.slab[at as usize].list.iter().copied().for_each(f),
        }
    }

    /// A crowd of one or none goes back to the compact form.
    fn settle(&mut self, set: &mut Set, at: u32) {
        let crowd = &mut self.slab[at as usize];
        if crowd.list.len() > 1 {
            return;
        }
        *set = crowd.list.first().map_or(Set(0), |watcher| Set::one(*watcher));
        *crowd = Crowd::default();
        self.free.push(at);
    }

    fn take_crowd(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slab.push(Crowd::default());
            (self.slab.len() - 1) as u32
        })
    }
}
