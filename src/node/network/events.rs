//! Changes become events for those who watch and may read.

use std::sync::Arc;

use super::{NetworkRole, Transport};
use crate::acl;
use crate::codec::reply;
use crate::tree::Change;
use crate::types::{AclList, EventKind, Perms};
use crate::watch::Event;

/// A frame's length is not counted in figures of bytes.
const LENGTH_BYTES: usize = 4;

impl<N: Transport> NetworkRole<N> {
    /// Tells every watcher of this core, each through its own output and in Java's order.
    pub(super) fn fire(&mut self, change: &Change) {
        let mut fired = std::mem::take(&mut self.fired);
        let (clients, policy) = (&self.clients, &self.commons.policy);
        let mut readable = |conn, list: &AclList| {
            let client = clients.look(conn)?;
            acl::check(policy, list, Perms::READ, &client.identities).ok()
        };
        self.watches.trigger(change, &mut readable, &mut fired);
        self.count_fired(&fired);
        let mut frame = std::mem::take(&mut self.event);
        // Those who hear of the same thing stand together: it is encoded once for them all.
        for alike in fired.chunk_by(|a, b| a.kind == b.kind && Arc::ptr_eq(&a.path, &b.path)) {
            frame.clear();
            reply::event(&mut frame, change.zxid, alike[0].kind, &alike[0].path);
            let mut told = 0;
            for event in alike {
                let Some(out) = self.net.output(event.conn) else { continue };
                out.extend_from_slice(&frame);
                told += 1;
                if let Some(client) = self.clients.look(event.conn) {
                    client.gauges.sent.add(1);
                }
            }
            self.gauges.watch_bytes.add(told * (frame.len() - LENGTH_BYTES) as i64);
            self.gauges.sent.add(told);
        }
        fired.clear();
        (self.event, self.fired) = (frame, fired);
    }

    /// One figure per kind and change (WatchManager.triggerWatch).
    fn count_fired(&self, fired: &[Event]) {
        for (kind, summary) in [
            (EventKind::NodeCreated, &self.gauges.fired_created),
            (EventKind::NodeDeleted, &self.gauges.fired_deleted),
            (EventKind::NodeDataChanged, &self.gauges.fired_changed),
            (EventKind::NodeChildrenChanged, &self.gauges.fired_children),
        ] {
            let count = fired.iter().filter(|event| event.kind == kind).count();
            if count > 0 {
                summary.record(count as i64);
            }
        }
    }
}
