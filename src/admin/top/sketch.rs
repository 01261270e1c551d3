//! The most frequent of any number of names in a fixed number of counters (Metwally, Agrawal, El Abbadi:
//! space-saving).
//!
//! A name that has no counter takes the least one over, with its count: so no name is missing that has
//! more than that, and each count is at most its `error` too high. Memory is taken once.

use std::collections::BTreeMap;

/// Counters of a sketch.
pub(super) const COUNTERS: usize = 256;

/// Bytes of a name that are kept; two that differ only behind them share a counter's name, not the counter.
const NAME_BYTES: usize = 102;

/// What is counted.
#[derive(Clone, Copy)]
struct Name {
    len: u16,
    text: [u8; NAME_BYTES],
}

/// A counter.
#[derive(Clone, Copy)]
struct Counter {
    name: Name,
    count: u64,
    bytes: u64,
    /// So much of the count may be others'.
    error: u64,
}

/// See the module.
pub(super) struct Sketch {
    /// Of the counters, in their order: the one thing that is looked through.
    hashes: Vec<u64>,
    counters: Vec<Counter>,
}

/// A counter's name and values, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// Cut if long.
    pub name: String,
    /// At most [`Counted::error`] too high.
    pub count: u64,
    /// Since it has had its counter: never too high.
    pub bytes: u64,
    /// See [`Counted::count`].
    pub error: u64,
}

/// A sketch, read.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Part {
    /// Most frequent first.
    pub counted: Vec<Counted>,
    /// What a name that is missing has at most.
    pub floor: u64,
}

impl Sketch {
    pub(super) fn new() -> Sketch {
        Sketch { hashes: Vec::with_capacity(COUNTERS), counters: Vec::with_capacity(COUNTERS) }
    }

    /// `name` again, in parts that are put together; `hash` is of all of it.
    pub(super) fn add(&mut self, hash: u64, name: &[&[u8]], count: u64, bytes: u64) {
        if let Some(at) = self.hashes.iter().position(|known| *known == hash) {
            let counter = &mut self.counters[at];
            counter.count += count;
            counter.bytes += bytes;
            return;
        }
        let mut counter = Counter { name: Name::of(name), count, bytes, error: 0 };
        if self.counters.len() < COUNTERS {
            self.hashes.push(hash);
            self.counters.push(counter);
            return;
        }
        if let Some(least) = self.least() {
            let before = self.counters[least].count;
            (counter.count, counter.error) = (before + count, before);
            self.hashes[least] = hash;
            self.counters[least] = counter;
        }
    }

    fn least(&self) -> Option<usize> {
        let counts = self.counters.iter().map(|counter| counter.count).enumerate();
        counts.min_by_key(|(_, count)| *count).map(|(at, _)| at)
    }

    /// Nothing is counted; no memory is given back.
    pub(super) fn clear(&mut self) {
        self.hashes.clear();
        self.counters.clear();
    }

    pub(super) fn read(&self) -> Part {
        let mut counted: Vec<Counted> = self.counters.iter().map(Counter::read).collect();
        counted.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        let is_full = self.counters.len() == COUNTERS;
        let least = self.least().filter(|_| is_full);
        Part { counted, floor: least.map_or(0, |least| self.counters[least].count) }
    }
}

impl Name {
    fn of(parts: &[&[u8]]) -> Name {
        let (mut text, mut len) = ([0; NAME_BYTES], 0);
        for part in parts {
            let kept = part.len().min(NAME_BYTES - len);
            text[len..len + kept].copy_from_slice(&part[..kept]);
            len += kept;
        }
        Name { len: len as u16, text }
    }
}

impl Counter {
    fn read(&self) -> Counted {
        let name = &self.name.text[..usize::from(self.name.len)];
        let mut text = String::from_utf8_lossy(name).into_owned();
        if name.len() == NAME_BYTES {
            text.push('…');
        }
        Counted { name: text, count: self.count, bytes: self.bytes, error: self.error }
    }
}

/// Sketches of different requests as one. A name that a full one does not have may have had as much as its
/// least: so much is added, to its count and its error.
pub(super) fn merge(parts: &[Part]) -> Part {
    let floor = parts.iter().map(|part| part.floor).sum();
    let mut all: BTreeMap<&str, Counted> = BTreeMap::new();
    for part in parts {
        for counted in &part.counted {
            let one = all.entry(&counted.name).or_insert_with(|| Counted {
                name: counted.name.clone(),
                // What it may have had in each of the others, taken back where it is found there.
                count: floor,
                bytes: 0,
                error: floor,
            });
            one.count = one.count - part.floor.min(one.count) + counted.count;
            one.error = one.error - part.floor.min(one.error) + counted.error;
            one.bytes += counted.bytes;
        }
    }
    let mut counted: Vec<Counted> = all.into_values().collect();
    counted.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    Part { counted, floor }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::testing::rng::Rng;

    fn add(sketch: &mut Sketch, name: &str, count: u64) {
        // A name's own number: no two are alike.
        let hash = name.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(257) + u64::from(byte));
        sketch.add(hash, &[name.as_bytes()], count, 10 * count);
    }

    #[test]
    fn few_names_are_counted_exactly() {
        let mut sketch = Sketch::new();
        for (name, count) in [("a", 1), ("b", 5), ("a", 2), ("c", 3)] {
            add(&mut sketch, name, count);
        }
        let part = sketch.read();
        let told: Vec<(&str, u64, u64, u64)> =
            part.counted.iter().map(|c| (c.name.as_str(), c.count, c.bytes, c.error)).collect();
        assert_eq!(told, [("b", 5, 50, 0), ("a", 3, 30, 0), ("c", 3, 30, 0)]);
        assert_eq!(part.floor, 0);
        sketch.clear();
        assert_eq!(sketch.read(), Part::default());
    }

    #[test]
    fn of_many_names_the_frequent_are_there_with_bounded_errors() {
        // Goal: the promise of the sketch, on streams of ten times as many names as counters.
        for seed in 0..20 {
            let mut rng = Rng::new(seed);
            let (mut sketch, mut exact) = (Sketch::new(), BTreeMap::<String, u64>::new());
            let mut all = 0;
            for _ in 0..20_000 {
                // A few are frequent.
                let wide = if rng.below(3u64) == 0 { 10 * COUNTERS } else { 20 };
                let name = format!("/n{}", rng.below(wide));
                add(&mut sketch, &name, 1);
                *exact.entry(name).or_default() += 1;
                all += 1;
            }
            let part = sketch.read();
            assert!(part.floor <= all / COUNTERS as u64);
            for counted in &part.counted {
                let really = exact[&counted.name];
                assert!(counted.count >= really && counted.count - counted.error <= really);
                assert!(counted.bytes <= 10 * really);
            }
            for (name, count) in exact.iter().filter(|(_, count)| **count > part.floor) {
                let found = part.counted.iter().any(|counted| counted.name == *name);
                assert!(found, "seed {seed}: {name} with {count}");
            }
        }
    }

    #[test]
    fn a_long_name_is_cut_and_has_its_own_counter() {
        let mut sketch = Sketch::new();
        let long = "x".repeat(200);
        add(&mut sketch, &long, 1);
        add(&mut sketch, &format!("{long}y"), 1);
        let part = sketch.read();
        assert_eq!(part.counted.len(), 2);
        assert_eq!(part.counted[0].name, format!("{}…", &long[..NAME_BYTES]));
    }

    pub(in crate::admin::top) fn part(counted: &[(&str, u64, u64)], floor: u64) -> Part {
        let one = |(name, count, error): &(&str, u64, u64)| Counted {
            name: (*name).to_owned(),
            count: *count,
            bytes: 10 * count,
            error: *error,
        };
        Part { counted: counted.iter().map(one).collect(), floor }
    }

    #[test]
    fn sketches_merge_with_what_may_be_missing_in_each() {
        let merged =
            merge(&[part(&[("a", 9, 1), ("b", 4, 0)], 3), part(&[("a", 5, 0), ("c", 2, 0)], 0)]);
        let told: Vec<(&str, u64, u64, u64)> =
            merged.counted.iter().map(|c| (c.name.as_str(), c.count, c.bytes, c.error)).collect();
        // "c" may have had 3 in the first.
        assert_eq!(told, [("a", 14, 140, 1), ("c", 5, 20, 3), ("b", 4, 40, 0)]);
        assert_eq!(merged.floor, 3);
    }
}
