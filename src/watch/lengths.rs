//! The lengths of the paths that have recursive watches.
//!
//! A change asks its path's ancestors for recursive watches. Clients choose how deep a path is, and
//! hashing each ancestor of a deep one reads its square; only ancestors as long as a watched path
//! can be watched, and each such length has been paid for by whoever holds the watch.

use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Lengths(BTreeMap<usize, usize>);

impl Lengths {
    pub(super) fn add(&mut self, len: usize) {
        *self.0.entry(len).or_default() += 1;
    }

    pub(super) fn remove(&mut self, len: usize) {
        if let Some(watches) = self.0.get_mut(&len) {
            *watches -= 1;
            if *watches == 0 {
                self.0.remove(&len);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The longest ancestor of `path` that is shorter than `len` and may be watched.
    pub(super) fn ancestor<'a>(&self, path: &'a str, len: usize) -> Option<&'a str> {
        let bytes = path.as_bytes();
        let lengths = self.0.range(..len.min(path.len())).rev().map(|(len, _)| *len);
        lengths
            .filter_map(|len| match len {
                // The root is an ancestor that no slash stands behind.
                0 => None,
                1 => Some("/"),
                _ => path.get(..len).filter(|_| bytes[len] == b'/'),
            })
            .next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ancestors_as_long_as_a_watched_path_are_asked() {
        let mut lengths = Lengths::default();
        for watched in ["/", "/a", "/x", "/a/b/cé", "", "/a/b/cé/d/e"] {
            lengths.add(watched.len());
        }
        let all = |lengths: &Lengths, path: &'static str| {
            let mut found = Vec::new();
            let mut len = path.len();
            while let Some(ancestor) = lengths.ancestor(path, len) {
                len = ancestor.len();
                found.push(ancestor);
            }
            found
        };
        assert_eq!(all(&lengths, "/a/b/cé/d"), ["/a/b/cé", "/a", "/"]);
        assert_eq!(all(&lengths, "/b/cdefgé/d"), ["/b", "/"]);
        assert_eq!(all(&lengths, "/a"), ["/"]);
        assert_eq!(all(&lengths, "/"), [""; 0]);
        lengths.remove(2);
        assert_eq!(all(&lengths, "/a/b"), ["/a", "/"], "/x is watched still");
        lengths.remove(2);
        assert_eq!(all(&lengths, "/a/b"), ["/"]);
        for watched in ["/", "/a/b/cé", "", "/a/b/cé/d/e"] {
            lengths.remove(watched.len());
        }
        assert!(lengths.is_empty());
    }
}
