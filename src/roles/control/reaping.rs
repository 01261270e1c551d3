//! Containers and TTL nodes that have had their time (ContainerManager).

use super::origin::Origin;
use super::{Control, Stopping};
use crate::codec::request::WriteOp;
use crate::prep::Requester;
use crate::tree::ReapCursor;
use crate::types::{Millis, SessionId, Xid};

/// A check of containers and TTL nodes under way.
pub(super) struct Check {
    cursor: ReapCursor,
    /// How many may still be removed.
    left: usize,
    /// When the next slice is due.
    next: Millis,
}

impl Control {
    /// ContainerManager: empty containers and outlived TTL nodes are deleted by the server itself. A
    /// check is made in slices, one a millisecond at most: it is never what a request waits for,
    /// however many such nodes there are.
    pub(super) fn reap(&mut self) {
        let (now, wall) = (self.base.now, self.base.wall);
        if !self.decides() || self.base.stopping != Stopping::No {
            self.check = None;
            return;
        }
        let check = match self.check.take() {
            Some(check) => check,
            None if now < self.base.next_container_check => return,
            None => {
                self.base.next_container_check = now + self.base.settings.container_check_ms;
                let left = self.base.settings.container_max_per_minute;
                Check { cursor: ReapCursor::start(), left, next: now }
            }
        };
        if now < check.next {
            self.check = Some(check);
            return;
        }
        let never_used_ms = self.base.settings.container_never_used_ms;
        let tree = &self.base.pipeline.tree;
        let (found, cursor) = tree.reap_candidates(check.cursor, wall, never_used_ms, check.left);
        let left = check.left - found.len();
        self.check = cursor.map(|cursor| Check { cursor, left, next: now + 1 });
        for path in found {
            // Sessions that remain are found again.
            if !self.has_room() {
                break;
            }
            let requester =
                Requester { session: SessionId(0), xid: Xid(0), from: None, identities: &[] };
            let op = WriteOp::DeleteContainer { path: Some(path) };
            let entry = self.base.write(&requester, &op);
            self.propose(entry, Origin::Server);
        }
    }

    /// When containers are looked at next.
    pub(super) fn next_check(&self) -> Millis {
        self.check.as_ref().map_or(self.base.next_container_check, |check| check.next)
    }
}
