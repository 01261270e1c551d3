//! Changes become events for those who watch and may read.

use std::sync::Arc;

use super::framing::LENGTH_BYTES;
use super::{NetworkRole, Transport, limits as ends};
use crate::codec::reply::{self, UNKNOWN_ZXID};
use crate::net::How;
use crate::tree::Change;
use crate::types::limits::{self, reached};
use crate::types::{AclList, EventKind, Zxid};
use crate::watch::Event;

/// The one way of an event to a client: it cannot be told but with the permit that is in it.
fn put_event(out: &mut Vec<u8>, zxid: Zxid, event: &Event) {
    reply::event(out, zxid, event.kind, &event.path);
}

impl<N: Transport> NetworkRole<N> {
    /// What a client has missed, told at once.
    pub(super) fn tell_missed(&mut self, event: &Event) {
        if let Some(out) = self.net.output(event.conn) {
            put_event(out, UNKNOWN_ZXID, event);
            self.count_sent(event.conn);
        }
    }

    /// Tells every watcher of this core, each through its own output and in Java's order.
    pub(super) fn fire(&mut self, change: &Change) {
        let mut fired = std::mem::take(&mut self.fired);
        let (clients, policy) = (&self.clients, &self.shared.policy);
        let verdicts = &mut self.verdicts;
        let mut readable = |conn, list: &AclList| {
            let client = clients.look(conn)?;
            verdicts.may_read(policy, list, &client.identities)
        };
        self.watches.trigger(change, &mut readable, &mut fired);
        // What was read counts as if it had been told: the rest of the stream waits for the next turn.
        let entries = self.verdicts.take_read();
        self.event_bytes += entries * (limits::WORK_BYTES / limits::WORK_ENTRIES);
        self.count_fired(&fired);
        let mut frame = std::mem::take(&mut self.event);
        let events_max = self.settings.events_max;
        // Those who hear of the same thing stand together: it is encoded once for them all.
        for alike in fired.chunk_by(|a, b| a.kind == b.kind && Arc::ptr_eq(&a.path, &b.path)) {
            frame.clear();
            put_event(&mut frame, change.zxid, &alike[0]);
            let mut sent = 0;
            for event in alike {
                let Some(out) = self.net.output(event.conn) else { continue };
                out.extend_from_slice(&frame);
                sent += 1;
                self.event_bytes += frame.len();
                let waiting = out.len();
                let Some(client) = self.clients.get(event.conn) else { continue };
                client.gauges.sent.add(1);
                let is_behind = reached(waiting, self.settings.outbound_pause);
                client.event_bytes = if is_behind { client.event_bytes + frame.len() } else { 0 };
                if reached(client.event_bytes, events_max) && reached(waiting, events_max) {
                    ends::tell_events(client, waiting, events_max);
                    self.hang_up(event.conn, How::Reset);
                }
            }
            self.made_bytes += sent as usize * frame.len();
            self.gauges.watch_bytes.add(sent * (frame.len() - LENGTH_BYTES) as i64);
            self.gauges.sent.add(sent);
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
