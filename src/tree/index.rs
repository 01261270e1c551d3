//! Who owns what: ephemerals by session, containers, TTL nodes.
//!
//! Ordered, so that what is done with them is the same on every server and in every run.

use std::collections::{BTreeMap, BTreeSet};

use super::writer::Edit;
use crate::types::{NodeKind, SessionId, Zxid};

#[derive(Debug, Default)]
pub(super) struct Index {
    /// The last transaction that changed it.
    pub zxid: Zxid,
    ephemerals: BTreeMap<SessionId, BTreeSet<Box<str>>>,
    ephemeral_count: usize,
    containers: BTreeSet<Box<str>>,
    ttls: BTreeSet<Box<str>>,
}

/// Which set to look through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reapable {
    Containers,
    Ttls,
}

impl Index {
    /// Makes a transaction's changes.
    pub(super) fn edit(&mut self, edits: &mut Vec<Edit>, zxid: Zxid) {
        for edit in edits.drain(..) {
            if edit.added {
                self.add(edit.kind, &edit.path);
            } else {
                self.remove(edit.kind, &edit.path);
            }
        }
        self.zxid = zxid;
    }

    pub(super) fn add(&mut self, kind: NodeKind, path: &str) {
        match kind {
            NodeKind::Persistent => {}
            NodeKind::Ephemeral(session) => {
                if self.ephemerals.entry(session).or_default().insert(path.into()) {
                    self.ephemeral_count += 1;
                }
            }
            NodeKind::Container => {
                self.containers.insert(path.into());
            }
            NodeKind::Ttl(_) => {
                self.ttls.insert(path.into());
            }
        }
    }

    pub(super) fn remove(&mut self, kind: NodeKind, path: &str) {
        match kind {
            NodeKind::Persistent => {}
            NodeKind::Ephemeral(session) => {
                if let Some(paths) = self.ephemerals.get_mut(&session) {
                    self.ephemeral_count -= usize::from(paths.remove(path));
                    if paths.is_empty() {
                        self.ephemerals.remove(&session);
                    }
                }
            }
            NodeKind::Container => {
                self.containers.remove(path);
            }
            NodeKind::Ttl(_) => {
                self.ttls.remove(path);
            }
        }
    }

    pub(super) fn ephemerals_of(&self, session: SessionId) -> impl Iterator<Item = &str> {
        self.ephemerals.get(&session).into_iter().flatten().map(|path| &**path)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.ephemerals.keys().copied()
    }

    pub(super) fn ephemeral_count(&self) -> usize {
        self.ephemeral_count
    }

    /// Up to `max` paths after `after`, in order.
    pub(super) fn reapable(&self, set: Reapable, after: Option<&str>, max: usize) -> Vec<Box<str>> {
        let paths = match set {
            Reapable::Containers => &self.containers,
            Reapable::Ttls => &self.ttls,
        };
        match after {
            None => paths.iter().take(max).cloned().collect(),
            Some(after) => {
                use std::ops::Bound::{Excluded, Unbounded};
                paths.range::<str, _>((Excluded(after), Unbounded)).take(max).cloned().collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ephemerals_are_counted_once_and_forgotten_with_the_last() {
        let mut index = Index::default();
        let owner = NodeKind::Ephemeral(SessionId(5));
        index.add(owner, "/b");
        index.add(owner, "/a");
        index.add(owner, "/a");
        assert_eq!(index.ephemeral_count(), 2);
        assert_eq!(index.ephemerals_of(SessionId(5)).collect::<Vec<_>>(), ["/a", "/b"]);
        index.remove(owner, "/a");
        index.remove(owner, "/a");
        index.remove(owner, "/b");
        assert_eq!((index.ephemeral_count(), index.sessions().count()), (0, 0));
    }

    #[test]
    fn reapable_paths_come_in_slices() {
        let mut index = Index::default();
        for n in 0..5 {
            index.add(NodeKind::Container, &format!("/{n}"));
            index.add(NodeKind::Ttl(3), &format!("/t{n}"));
        }
        index.remove(NodeKind::Container, "/1");
        let first = index.reapable(Reapable::Containers, None, 2);
        assert_eq!(first.iter().map(|p| &**p).collect::<Vec<_>>(), ["/0", "/2"]);
        assert_eq!(index.reapable(Reapable::Containers, Some("/2"), 9).len(), 2);
        assert_eq!(index.reapable(Reapable::Ttls, None, 9).len(), 5);
    }
}
