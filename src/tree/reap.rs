//! Containers and TTL nodes whose time has come (ContainerManager).

use super::Tree;
use super::index::Reapable;
use super::shard::Node;
use crate::types::{NodeKind, WallMillis};

/// Nodes looked at in one slice: a fraction of a millisecond.
const SLICE: usize = 256;

/// How far a check has come: what is before it, has been looked at.
#[derive(Clone, Debug)]
pub struct ReapCursor {
    set: Reapable,
    after: Option<Box<str>>,
}

impl ReapCursor {
    /// Before the first node.
    pub fn start() -> ReapCursor {
        ReapCursor { set: Reapable::Containers, after: None }
    }

    fn behind(self, slice: Vec<Box<str>>) -> Option<ReapCursor> {
        match (slice.into_iter().next_back(), self.set) {
            (Some(last), set) => Some(ReapCursor { set, after: Some(last) }),
            (None, Reapable::Containers) => Some(ReapCursor { set: Reapable::Ttls, after: None }),
            (None, Reapable::Ttls) => None,
        }
    }
}

impl Tree {
    /// Childless nodes that may be removed at `now`, up to `max` of those in the next slice of a
    /// check: containers that once had a child or, if `never_used_ms` is not 0, have stood unused for
    /// longer; TTL nodes not written to for longer than their time to live. Each answer is only a
    /// guess until prep has looked again. There may be any number of nodes to look at, so a check is
    /// made slice by slice; with the last one no cursor comes back.
    pub fn reap_candidates(
        &self,
        cursor: ReapCursor,
        now: WallMillis,
        never_used_ms: i64,
        max: usize,
    ) -> (Vec<String>, Option<ReapCursor>) {
        // The index is let go before a shard is locked: writers take them the other way.
        let slice = self.index.lock().reapable(cursor.set, cursor.after.as_deref(), SLICE);
        let due = |node: Node<'_>| is_due(&node, now, never_used_ms);
        let is_candidate = |path: &&str| self.read(path, |node| node.is_some_and(due)).0;
        let paths = slice.iter().map(|path| &**path);
        let found: Vec<String> = paths.filter(is_candidate).take(max).map(str::to_owned).collect();
        let next = if found.len() < max { cursor.behind(slice) } else { None };
        (found, next)
    }
}

fn is_due(node: &Node<'_>, now: WallMillis, never_used_ms: i64) -> bool {
    if node.child_count() > 0 {
        return false;
    }
    let stat = node.stored();
    let idle = now.0.saturating_sub(stat.mtime.0);
    match node.kind() {
        NodeKind::Container => stat.cversion > 0 || (never_used_ms != 0 && idle > never_used_ms),
        NodeKind::Ttl(ttl) => ttl != 0 && idle > ttl,
        NodeKind::Persistent | NodeKind::Ephemeral(_) => false,
    }
}
