//! The orders in which Java's hash maps are walked.
//!
//! A configuration's lines stand in the order of a `HashMap<Long, …>` that was filled in the order
//! of a `Properties`, which is that of a `ConcurrentHashMap<String, …>`. Ids that share a bucket
//! stand in the order they came in, so both maps matter. Bins so long that Java makes trees of
//! them (nine ids that are equal modulo 64) are walked as lists here.

/// Slots of an empty map of either kind.
const SLOTS: usize = 16;
/// A `HashMap` below this many slots grows instead of keeping a bin longer than [`BIN_MAX`].
const SLOTS_BEFORE_TREES: usize = 64;
const BIN_MAX: usize = 8;

/// java.util.HashMap with `long` keys.
#[derive(Clone, Debug)]
pub(super) struct JavaMap<V> {
    bins: Vec<Vec<(i64, V)>>,
    len: usize,
}

impl<V> JavaMap<V> {
    pub(super) fn new() -> JavaMap<V> {
        JavaMap { bins: empty(SLOTS), len: 0 }
    }

    pub(super) fn insert(&mut self, key: i64, value: V) {
        let slot = self.slot(key);
        if let Some((_, old)) = self.bins[slot].iter_mut().find(|(k, _)| *k == key) {
            *old = value;
            return;
        }
        self.bins[slot].push((key, value));
        self.len += 1;
        if self.bins[slot].len() > BIN_MAX && self.bins.len() < SLOTS_BEFORE_TREES {
            self.grow();
        }
        if self.len > self.bins.len() * 3 / 4 {
            self.grow();
        }
    }

    /// A copy as `HashMap(Map)` makes it (up to JDK 18): no larger than it has to be, and filled in
    /// the order of this one.
    pub(super) fn copied(&self) -> JavaMap<V>
    where
        V: Clone,
    {
        if self.len == 0 {
            return JavaMap::new();
        }
        let slots = (self.len * 4 / 3 + 1).next_power_of_two();
        let mut copy = JavaMap { bins: empty(slots), len: 0 };
        for (key, value) in self.iter() {
            copy.insert(key, value.clone());
        }
        copy
    }

    /// A map never shrinks.
    pub(super) fn remove(&mut self, key: i64) {
        let slot = self.slot(key);
        let before = self.bins[slot].len();
        self.bins[slot].retain(|(k, _)| *k != key);
        self.len -= before - self.bins[slot].len();
    }

    pub(super) fn get(&self, key: i64) -> Option<&V> {
        self.bins[self.slot(key)].iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// In Java's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &V)> {
        self.bins.iter().flatten().map(|(key, value)| (*key, value))
    }

    /// Long.hashCode, then HashMap.hash.
    fn slot(&self, key: i64) -> usize {
        let folded = (key ^ ((key as u64) >> 32) as i64) as u32;
        (folded ^ (folded >> 16)) as usize & (self.bins.len() - 1)
    }

    /// HashMap.resize keeps the order within what was one bin.
    fn grow(&mut self) {
        let doubled = empty(self.bins.len() * 2);
        for (key, value) in std::mem::replace(&mut self.bins, doubled).into_iter().flatten() {
            let slot = self.slot(key);
            self.bins[slot].push((key, value));
        }
    }
}

/// The indices of `keys` in the order in which a `java.util.Properties` they were put into is
/// walked (JDK 9 and later). A repeated key keeps its first place.
pub(super) fn properties(keys: &[&str]) -> Vec<usize> {
    let mut bins: Vec<Vec<usize>> = empty(SLOTS);
    let hash = |at: usize| string_hash(keys[at]);
    let mut len = 0;
    for at in 0..keys.len() {
        let slot = hash(at) as usize & (bins.len() - 1);
        if bins[slot].iter().any(|other| keys[*other] == keys[at]) {
            continue;
        }
        bins[slot].push(at);
        len += 1;
        if len >= bins.len() / 4 * 3 {
            bins = transfer(bins, hash);
        }
    }
    bins.concat()
}

/// ConcurrentHashMap.transfer: of each bin, the longest tail that goes to one place keeps its
/// order; what stands before it is put in front of it, one by one.
fn transfer(bins: Vec<Vec<usize>>, hash: impl Fn(usize) -> u32) -> Vec<Vec<usize>> {
    let old = bins.len();
    let mut out: Vec<Vec<usize>> = empty(old * 2);
    for (slot, bin) in bins.into_iter().enumerate() {
        let goes_high = |at: usize| hash(at) as usize & old != 0;
        let Some(last) = bin.last() else { continue };
        let end = goes_high(*last);
        let run = bin.iter().rev().take_while(|at| goes_high(**at) == end).count();
        let (front, tail) = bin.split_at(bin.len() - run);
        let place = |high: bool| if high { slot + old } else { slot };
        for high in [false, true] {
            let moved = front.iter().rev().filter(|at| goes_high(**at) == high);
            out[place(high)].extend(moved);
        }
        out[place(end)].extend(tail);
    }
    out
}

/// String.hashCode over UTF-16, then ConcurrentHashMap.spread.
fn string_hash(text: &str) -> u32 {
    let hash = text
        .encode_utf16()
        .fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ (hash >> 16)) & 0x7fff_ffff
}

fn empty<T>(len: usize) -> Vec<Vec<T>> {
    std::iter::repeat_with(Vec::new).take(len).collect()
}
