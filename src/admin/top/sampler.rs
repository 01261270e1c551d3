//! Which requests are looked at, and what is counted of each.
//!
//! A network core serves a connection's requests in runs. Of every so-many-th run one request is looked
//! at, each with the same chance, and counts for all that it stands for. The number is chosen once a second
//! so that about two thousand are looked at: a quiet core counts all, a busy one pays for no more.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;

use super::sketch::{Part, Sketch, merge};
use crate::codec::request::{OpCode, outline};
use crate::types::{Identity, Millis};

/// Requests that are looked at in a second, about.
const SAMPLES_A_SECOND: u32 = 2_000;

/// What is answered is at least so long back, once there is so much, and at most twice as long.
const WINDOW_MS: i64 = 10_000;

/// Who has asked.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// What the connection has proven; the first is its address.
    pub identities: &'a [Identity],
}

/// One request that was looked at, and what it stands for.
#[derive(Clone, Copy)]
pub struct Sampled<'a> {
    /// Without its length.
    pub frame: &'a [u8],
    /// Requests of its run.
    pub requests: u64,
    /// Bytes of the whole run, there and back.
    pub bytes: u64,
}

/// What is ranked.
const CLIENTS: usize = 0;
const PRINCIPALS: usize = 1;
const OPERATIONS: usize = 2;
const PATHS: usize = 3;
const SUBTREES: usize = 4;
const KINDS: usize = 5;

struct Window {
    began: Millis,
    requests: u64,
    sketches: [Sketch; KINDS],
}

/// A core's counts, as they are asked for.
#[derive(Clone, Default, Debug)]
#[allow(missing_docs, reason = "the names say what is ranked")]
pub struct Slice {
    /// That were counted, and in how long.
    pub requests: u64,
    pub ms: i64,
    /// One run of so many is looked at.
    pub every: u32,
    pub clients: Part,
    pub principals: Part,
    pub operations: Part,
    pub paths: Part,
    pub subtrees: Part,
}

/// A core's.
pub struct Sampler {
    hash: FixedState,
    every: u32,
    /// Runs until the next that is looked at.
    left: u32,
    /// Of this second.
    runs: u32,
    next_second: Millis,
    /// The one that is filled, and the one before.
    windows: [Window; 2],
    /// A number that no client knows: which request of a run is looked at.
    chance: u64,
}

impl Window {
    fn new(began: Millis) -> Window {
        Window { began, requests: 0, sketches: std::array::from_fn(|_| Sketch::new()) }
    }
}

impl Sampler {
    /// Counts from now on. All memory is taken here.
    pub fn new(seed: u64, now: Millis) -> Sampler {
        Sampler {
            hash: FixedState::with_seed(seed),
            every: 1,
            left: 0,
            runs: 0,
            next_second: now + 1_000,
            windows: [Window::new(now), Window::new(now)],
            chance: seed | 1,
        }
    }

    /// A run was served: whether one of its requests is to be looked at, and which, of so many.
    pub fn choose(&mut self, requests: u64, now: Millis) -> Option<u64> {
        self.runs += 1;
        if now >= self.next_second {
            self.every = (self.runs / SAMPLES_A_SECOND).max(1);
            (self.runs, self.next_second) = (0, now + 1_000);
            self.roll(now);
        }
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        self.left = self.every - 1;
        // Marsaglia's xorshift: which one must not follow a client's rhythm.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (requests > 0).then(|| self.chance % requests)
    }

    fn roll(&mut self, now: Millis) {
        if now.0 - self.windows[0].began.0 >= WINDOW_MS {
            self.windows.swap(0, 1);
            let current = &mut self.windows[0];
            (current.began, current.requests) = (now, 0);
            current.sketches.iter_mut().for_each(Sketch::clear);
        }
    }

    /// The request that was chosen.
    pub fn count(&mut self, asker: Asker<'_>, sampled: Sampled<'_>) {
        let weight = u64::from(self.every);
        let (count, bytes) = (weight * sampled.requests, weight * sampled.bytes);
        let hash = &self.hash;
        let window = &mut self.windows[0];
        window.requests += count;
        let mut add = |kind: usize, name: &[&[u8]]| {
            let mut hasher = hash.build_hasher();
            name.iter().for_each(|part| part.hash(&mut hasher));
            window.sketches[kind].add(hasher.finish(), name, count, bytes);
        };
        if let Some(address) = asker.identities.first() {
            add(CLIENTS, &[address.id.as_bytes()]);
        }
        match asker.identities.get(1) {
            // Of a digest the name alone.
            Some(proven) => {
                let name = proven.id.split(':').next().unwrap_or_default();
                add(PRINCIPALS, &[proven.scheme.as_bytes(), b":", name.as_bytes()]);
            }
            None => add(PRINCIPALS, &[b"(none)"]),
        }
        let (op, path) = outline(sampled.frame).unwrap_or((OpCode::Error, &[]));
        add(OPERATIONS, &[op.name().as_bytes()]);
        if !path.is_empty() {
            add(PATHS, &[path]);
            for subtree in subtrees(path).into_iter().flatten() {
                add(SUBTREES, &[subtree]);
            }
        }
    }

    /// What has been counted: in the window that is filled, and the one before.
    pub fn read(&self, now: Millis) -> Slice {
        let [current, before] = &self.windows;
        let part = |kind: usize| {
            let parts = [&current.sketches[kind], &before.sketches[kind]];
            merge(&parts.map(Sketch::read))
        };
        Slice {
            requests: current.requests + before.requests,
            ms: now.0 - current.began.min(before.began).0,
            every: self.every,
            clients: part(CLIENTS),
            principals: part(PRINCIPALS),
            operations: part(OPERATIONS),
            paths: part(PATHS),
            subtrees: part(SUBTREES),
        }
    }
}

/// The two uppermost nodes on the way to a path, itself among them.
fn subtrees(path: &[u8]) -> [Option<&[u8]>; 2] {
    let mut ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
    let mut next = || ends.next().map(|(at, _)| &path[..at]);
    match (next(), next()) {
        (None, _) => [Some(path), None],
        (first, None) => [first, Some(path)],
        (first, second) => [first, second],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::request::{ReadOp, Request, encode};
    use crate::types::Xid;

    fn exists(path: &str) -> Vec<u8> {
        let mut framed = Vec::new();
        let op = ReadOp::Exists { path: Some(path.into()), watch: false };
        encode(&mut framed, Xid(1), &Request::Read(op));
        framed.split_off(4)
    }

    fn asker() -> Vec<Identity> {
        vec![Identity::new("ip", "10.0.0.1"), Identity::new("digest", "bob:hash")]
    }

    fn names(part: &Part) -> Vec<(&str, u64)> {
        part.counted.iter().map(|counted| (counted.name.as_str(), counted.count)).collect()
    }

    #[test]
    fn a_quiet_core_counts_every_request() {
        let mut sampler = Sampler::new(5, Millis(0));
        let identities = asker();
        for n in 0..10 {
            assert_eq!(sampler.choose(1, Millis(n)), Some(0));
            let frame = exists(if n < 7 { "/a/b/c" } else { "/d" });
            let sampled = Sampled { frame: &frame, requests: 1, bytes: 100 };
            sampler.count(Asker { identities: &identities }, sampled);
        }
        let slice = sampler.read(Millis(500));
        assert_eq!((slice.requests, slice.ms, slice.every), (10, 500, 1));
        assert_eq!(names(&slice.clients), [("10.0.0.1", 10)]);
        assert_eq!(names(&slice.principals), [("digest:bob", 10)], "no hash");
        assert_eq!(names(&slice.operations), [("exists", 10)]);
        assert_eq!(names(&slice.paths), [("/a/b/c", 7), ("/d", 3)]);
        assert_eq!(names(&slice.subtrees), [("/a", 7), ("/a/b", 7), ("/d", 3)]);
        assert_eq!(slice.paths.counted[0].bytes, 700);
    }

    #[test]
    fn a_busy_core_looks_at_some_that_stand_for_all() {
        let mut sampler = Sampler::new(5, Millis(0));
        let (identities, frame) = (asker(), exists("/a"));
        let (mut looked_at, mut requests) = (0, 0);
        for ms in 0..4_000 {
            for _ in 0..100 {
                requests += 3;
                if let Some(at) = sampler.choose(3, Millis(ms)) {
                    assert!(at < 3);
                    looked_at += 1;
                    let sampled = Sampled { frame: &frame, requests: 3, bytes: 90 };
                    sampler.count(Asker { identities: &identities }, sampled);
                }
            }
        }
        let slice = sampler.read(Millis(4_000));
        assert_eq!(slice.every, 50);
        // All of the first second, then two thousand in each.
        assert!((105_000..107_000).contains(&looked_at), "{looked_at}");
        let off = slice.requests.abs_diff(requests);
        assert!(off < requests / 100, "{} of {requests}", slice.requests);
    }

    #[test]
    fn what_is_answered_is_of_the_last_seconds() {
        let mut sampler = Sampler::new(5, Millis(0));
        let identities = asker();
        for (second, path) in ["/old", "/new", "/newest"].into_iter().enumerate() {
            let frame = exists(path);
            for ms in 0..11 {
                let now = Millis(second as i64 * 11_000 + ms * 1_000);
                if sampler.choose(1, now).is_some() {
                    let sampled = Sampled { frame: &frame, requests: 1, bytes: 1 };
                    sampler.count(Asker { identities: &identities }, sampled);
                }
            }
        }
        let slice = sampler.read(Millis(33_000));
        let paths: Vec<&str> = names(&slice.paths).into_iter().map(|(name, _)| name).collect();
        assert!(!paths.contains(&"/old") && paths.contains(&"/newest"), "{paths:?}");
        assert!(slice.ms <= 2 * WINDOW_MS + 1_000, "{}", slice.ms);
    }

    #[test]
    fn subtrees_are_the_two_uppermost() {
        let of = |path: &'static str| {
            subtrees(path.as_bytes()).map(|one| one.map(|one| std::str::from_utf8(one).unwrap()))
        };
        assert_eq!(of("/a"), [Some("/a"), None]);
        assert_eq!(of("/a/b"), [Some("/a"), Some("/a/b")]);
        assert_eq!(of("/a/b/c/d"), [Some("/a"), Some("/a/b")]);
        assert_eq!(of("/"), [Some("/"), None]);
    }
}
