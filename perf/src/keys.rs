//! Which znodes a load touches: their paths, and how a key is chosen.

use serde::{Deserialize, Serialize};

/// Children a directory of a deep tree holds.
const PER_DIRECTORY: u64 = 1000;
const LEVEL_BASE: u64 = 1000;

/// `count` znodes below `root`, `depth` levels down.
///
/// Depth 1: `/root/k000000042`. Depth 2: `/root/d00000000/k000000042`, a thousand to a directory;
/// each further level splits the directories by thousands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KeySpace {
    pub root: String,
    pub count: u64,
    pub depth: u32,
    /// This many keys, the first ones, take `hot_share` of the accesses.
    pub hot: u64,
    pub hot_share: f64,
}

impl KeySpace {
    pub fn uniform(root: &str, count: u64, depth: u32) -> KeySpace {
        KeySpace { root: root.to_owned(), count, depth: depth.max(1), hot: 0, hot_share: 0.0 }
    }

    /// Picks a key.
    pub fn choose(&self, rng: &mut fastrand::Rng) -> u64 {
        if self.hot > 0 && self.hot < self.count && rng.f64() < self.hot_share {
            return rng.u64(0..self.hot);
        }
        rng.u64(0..self.count)
    }

    /// Replaces `path` by that of key `index`.
    pub fn path(&self, index: u64, path: &mut Vec<u8>) {
        path.clear();
        path.extend_from_slice(self.root.as_bytes());
        self.directories_of(index / PER_DIRECTORY, path);
        path.extend_from_slice(b"/k");
        digits(path, index, 9);
    }

    fn directories_of(&self, directory: u64, path: &mut Vec<u8>) {
        let levels = self.depth.saturating_sub(1);
        for level in (0..levels).rev() {
            let above = directory / LEVEL_BASE.pow(level);
            // The topmost level takes what is left, so that no two directories share a path.
            let part = if level + 1 == levels { above } else { above % LEVEL_BASE };
            path.extend_from_slice(b"/d");
            digits(path, part, 8);
        }
    }

    /// How many keys are in the directory of key `index`.
    pub fn siblings(&self, index: u64) -> u64 {
        if self.depth == 1 {
            return self.count;
        }
        let first = index / PER_DIRECTORY * PER_DIRECTORY;
        (self.count - first).min(PER_DIRECTORY)
    }

    /// Every path that must exist before the keys do, parents first; each component of the root
    /// included.
    pub fn directories(&self) -> Vec<Vec<u8>> {
        let mut paths = ancestors(&self.root);
        if self.depth > 1 {
            let mut path = Vec::new();
            for directory in 0..self.count.div_ceil(PER_DIRECTORY).max(1) {
                path.clear();
                path.extend_from_slice(self.root.as_bytes());
                self.directories_of(directory, &mut path);
                let mut ends: Vec<usize> = Vec::new();
                for (at, byte) in path.iter().enumerate().skip(self.root.len() + 1) {
                    if *byte == b'/' {
                        ends.push(at);
                    }
                }
                ends.push(path.len());
                paths.extend(ends.into_iter().map(|end| path[..end].to_vec()));
            }
        }
        paths.dedup();
        let mut seen = std::collections::HashSet::new();
        paths.retain(|p| seen.insert(p.clone()));
        paths
    }
}

/// `/a/b` → `/a`, `/a/b`.
pub fn ancestors(path: &str) -> Vec<Vec<u8>> {
    let bytes = path.as_bytes();
    let inner = (1..bytes.len()).filter(|at| bytes[*at] == b'/');
    inner.chain([bytes.len()]).map(|end| bytes[..end].to_vec()).collect()
}

/// Appends `value` in at least `width` digits.
pub fn digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut buffer = [b'0'; 20];
    let mut at = buffer.len();
    while value > 0 || buffer.len() - at < width {
        at -= 1;
        buffer[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&buffer[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(keys: &KeySpace, index: u64) -> String {
        let mut out = Vec::new();
        keys.path(index, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn paths_have_the_depth_asked_for() {
        let key = |depth| path(&KeySpace::uniform("/p", 2_000_000, depth), 1_234_567);
        assert_eq!(key(1), "/p/k001234567");
        assert_eq!(key(2), "/p/d00001234/k001234567");
        assert_eq!(key(3), "/p/d00000001/d00000234/k001234567");
    }

    #[test]
    fn every_key_has_its_parent_among_the_directories_and_parents_come_first() {
        for depth in 1..4 {
            let keys = KeySpace::uniform("/a/b", 3_500, depth);
            let directories = keys.directories();
            for index in 0..keys.count {
                let path = path(&keys, index);
                let parent = &path[..path.rfind('/').unwrap()];
                assert!(directories.iter().any(|d| d == parent.as_bytes()), "{path}");
            }
            for (at, directory) in directories.iter().enumerate() {
                let text = std::str::from_utf8(directory).unwrap();
                let parent = &text[..text.rfind('/').unwrap()];
                let before = &directories[..at];
                assert!(parent.is_empty() || before.iter().any(|d| d == parent.as_bytes()));
            }
        }
    }

    #[test]
    fn hot_keys_take_their_share() {
        let mut keys = KeySpace::uniform("/p", 10_000, 1);
        keys.hot = 100;
        keys.hot_share = 0.9;
        let mut rng = fastrand::Rng::with_seed(1);
        let hot = (0..100_000).filter(|_| keys.choose(&mut rng) < 100).count();
        // 90 % by choice and 1 % of the rest by chance.
        assert!((89_000..92_500).contains(&hot), "{hot}");
    }
}
