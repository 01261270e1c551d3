//! The subtrees that have limits (PathTrie).
//!
//! Clients choose how deep these paths are: half a million levels fit into a request. So the trie is
//! a table, in which neither a walk nor a removal nor a drop follows a path on the stack, and each
//! takes no longer than the path is.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

pub(super) struct Trie {
    hasher: FixedState,
    /// The first is the root, which cannot be limited. Numbers in `free` are nobody's.
    branches: Vec<Branch>,
    /// All but the root, by parent and segment.
    by_segment: HashTable<u32>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Branch {
    parent: u32,
    segment: Box<str>,
    limited: bool,
    children: u32,
}

const ROOT: u32 = 0;

impl Trie {
    /// `hash_seed` keeps clients from choosing segments that collide.
    pub(super) fn new(hash_seed: u64) -> Trie {
        Trie {
            hasher: FixedState::with_seed(hash_seed),
            branches: vec![Branch::default()],
            by_segment: HashTable::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_segment.is_empty()
    }

    /// Those of the root are never in force.
    pub(super) fn add(&mut self, path: &str) {
        let mut at = ROOT;
        for segment in segments(path) {
            at = match self.child(at, segment) {
                Some(child) => child,
                None => self.grow(at, segment),
            };
        }
        self.branches[at as usize].limited = true;
    }

    /// Lifts the limits and cuts off branches that lead to none.
    pub(super) fn remove(&mut self, path: &str) {
        let mut at = ROOT;
        for segment in segments(path) {
            let Some(child) = self.child(at, segment) else { return };
            at = child;
        }
        self.branches[at as usize].limited = false;
        while at != ROOT {
            let branch = &self.branches[at as usize];
            if branch.limited || branch.children > 0 {
                return;
            }
            at = self.cut(at);
        }
    }

    /// The longest limited prefix of `path`.
    pub(super) fn longest(&self, path: &str) -> Option<String> {
        let mut at = ROOT;
        let mut prefix = String::new();
        let mut limited = 0;
        for segment in segments(path) {
            let Some(child) = self.child(at, segment) else { break };
            prefix.push('/');
            prefix.push_str(segment);
            if self.branches[child as usize].limited {
                limited = prefix.len();
            }
            at = child;
        }
        prefix.truncate(limited);
        (limited > 0).then_some(prefix)
    }

    pub(super) fn clear(&mut self) {
        self.branches.clear();
        self.branches.push(Branch::default());
        self.by_segment.clear();
        self.free.clear();
    }

    fn child(&self, parent: u32, segment: &str) -> Option<u32> {
        let hash = self.hasher.hash_one((parent, segment));
        let is_it = |at: &u32| {
            let branch = &self.branches[*at as usize];
            branch.parent == parent && &*branch.segment == segment
        };
        self.by_segment.find(hash, is_it).copied()
    }

    fn grow(&mut self, parent: u32, segment: &str) -> u32 {
        let branch = Branch { parent, segment: segment.into(), limited: false, children: 0 };
        let at = match self.free.pop() {
            Some(at) => {
                self.branches[at as usize] = branch;
                at
            }
            None => {
                self.branches.push(branch);
                (self.branches.len() - 1) as u32
            }
        };
        self.branches[parent as usize].children += 1;
        let (hasher, branches) = (&self.hasher, &self.branches);
        let hash_of = |at: &u32| {
            let branch = &branches[*at as usize];
            hasher.hash_one((branch.parent, &*branch.segment))
        };
        self.by_segment.insert_unique(hash_of(&at), at, hash_of);
        at
    }

    /// Takes a branch without children out; gives its parent.
    fn cut(&mut self, at: u32) -> u32 {
        let Branch { parent, segment, .. } = std::mem::take(&mut self.branches[at as usize]);
        let hash = self.hasher.hash_one((parent, &*segment));
        if let Ok(entry) = self.by_segment.find_entry(hash, |other| *other == at) {
            entry.remove();
        }
        self.free.push(at);
        self.branches[parent as usize].children -= 1;
        parent
    }
}

/// PathTrie passes over segments of blanks (String.trim).
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| segment.chars().any(|c| c > ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_limited_prefix_is_found() {
        let mut trie = Trie::new(7);
        trie.add("/a/b");
        trie.add("/a");
        trie.add("/x/y/z");
        assert_eq!(trie.longest("/a/b/c").as_deref(), Some("/a/b"));
        assert_eq!(trie.longest("/a/bc").as_deref(), Some("/a"));
        assert_eq!(trie.longest("/x/y").as_deref(), None);
        assert_eq!(trie.longest("/").as_deref(), None);
        trie.remove("/a");
        assert_eq!(trie.longest("/a/q").as_deref(), None);
        assert_eq!(trie.longest("/a/b").as_deref(), Some("/a/b"));
        trie.remove("/a/b");
        trie.remove("/x/y/z");
        trie.remove("/never");
        assert!(trie.is_empty());
    }

    #[test]
    fn no_depth_is_too_deep() {
        // 15,000 levels ended all servers of an ensemble at once: both the removal and the drop of
        // the trie went down the path on the stack. A request has room for half a million.
        let deep = "/a".repeat(500_000);
        let half = &deep[..500_000];
        let mut trie = Trie::new(7);
        trie.add(&deep);
        trie.add(half);
        assert_eq!(trie.longest(&format!("{deep}/b")).as_deref(), Some(&*deep));
        trie.remove(&deep);
        assert_eq!(trie.longest(&deep).as_deref(), Some(half));
        trie.remove(half);
        assert!(trie.is_empty());
        trie.add(&deep);
        assert_eq!(trie.branches.len(), 500_001, "numbers are given out again");
        drop(trie);
    }
}
