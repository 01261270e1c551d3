//! Containers and TTL nodes whose time has come (ContainerManager).

use super::Tree;
use super::index::Reapable;
use super::shard::Node;
use crate::types::{NodeKind, WallMillis};

/// Paths looked at for each time the index is locked.
const SLICE: usize = 256;

impl Tree {
    /// Up to `max` childless nodes that may be removed at `now`: containers that once had a child
    /// or, if `never_used_ms` is not 0, have stood unused for longer; TTL nodes not written to for
    /// longer than their time to live. Looks at every such node, so not a thing to call on a
    /// request's way; each answer is only a guess until prep has looked again.
    pub fn reap_candidates(&self, now: WallMillis, never_used_ms: i64, max: usize) -> Vec<String> {
        let mut found = Vec::new();
        for set in [Reapable::Containers, Reapable::Ttls] {
            let mut after: Option<Box<str>> = None;
            loop {
                // The index is let go before a shard is locked: writers take them the other way.
                let slice = self.index.lock().reapable(set, after.as_deref(), SLICE);
                for path in &slice {
                    if found.len() >= max {
                        return found;
                    }
                    let due = |node: Node<'_>| is_due(&node, now, never_used_ms);
                    if self.read(path, |node| node.is_some_and(due)).0 {
                        found.push(path.to_string());
                    }
                }
                match slice.into_iter().next_back() {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        }
        found
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
