//! Operations that were slow, as they are answered.

use super::{NetworkRole, Transport};
use crate::admin::slow::{Brief, SlowOperation, Stages, Stations};
use crate::types::{ConnId, Millis, Zxid};

impl<N: Transport> NetworkRole<N> {
    /// A request is answered that was with the control core.
    pub(super) fn note_if_slow(
        &self,
        conn: ConnId,
        brief: Option<Brief>,
        received: Millis,
        zxid: Zxid,
        stations: &Stations,
    ) {
        // None is kept where nobody looks.
        let Some(brief) = brief else { return };
        if self.is_slow(received) {
            let stages = Stages::between(received, stations, self.now);
            self.note_slow(conn, &brief, stages, received, zxid);
        }
    }

    /// A read is answered that had to wait for what was asked before it.
    pub(super) fn note_if_slow_read(&self, conn: ConnId, frame: &[u8], received: Millis) {
        if self.is_slow(received) {
            let stages = Stages::waited(self.now.0 - received.0);
            self.note_slow(conn, &Brief::of(frame), stages, received, self.drained);
        }
    }

    fn is_slow(&self, received: Millis) -> bool {
        let slow = self.shared.insight.slow.as_ref();
        slow.is_some_and(|slow| slow.is_slow(self.now.0 - received.0))
    }

    fn note_slow(&self, conn: ConnId, brief: &Brief, stages: Stages, received: Millis, zxid: Zxid) {
        let (Some(slow), Some(client)) = (&self.shared.insight.slow, self.clients.look(conn))
        else {
            return;
        };
        let took = (self.now.0 - received.0, self.wall);
        let operation = SlowOperation { zxid, ..SlowOperation::new(brief, stages, took) };
        let operation = operation.asked_by(client.session, client.peer, &client.identities);
        if let Some(line) = self.shared.lines.slow.note(self.now, || operation.line()) {
            tracing::warn!("{line}");
        }
        slow.note(operation);
    }
}
