//! What a turn will soon look at is brought near: many waits for memory become one.
//!
//! A turn that has heard of a thousand connections finds none of them in the processor's caches, and none of
//! their nodes. They know nothing of one another, so they are fetched a group at a time, as pipelined requests
//! of one connection are. Nothing else comes of it: what is looked at here is looked at again.

use std::hint::black_box;

use super::framing::{LENGTH_BYTES, whole_frame};
use super::{NetworkRole, Transport};
use crate::codec::request;
use crate::net::NetEvent;
use crate::tree::{PREFETCH, Tree};
use crate::types::ConnId;

impl<N: Transport> NetworkRole<N> {
    /// The connections of the next [`PREFETCH`] events, and the nodes that each asks for first.
    pub(super) fn prefetch_heard(&self, events: &[NetEvent]) {
        let mut conns = [None; PREFETCH];
        let mut heard = 0;
        for event in &events[..events.len().min(PREFETCH)] {
            if let NetEvent::Received(conn) = event {
                conns[heard] = Some(*conn);
                heard += 1;
            }
        }
        // One alone waits here as long as it would there.
        if heard < 2 {
            return;
        }
        let mut paths: [&[u8]; PREFETCH] = [&[]; PREFETCH];
        let mut count = 0;
        for conn in conns.into_iter().flatten() {
            if let Some(path) = self.path_heard(conn) {
                paths[count] = path;
                count += 1;
            }
        }
        if count > 1 {
            self.shared.tree.prefetch(&paths[..count]);
        }
    }

    fn path_heard(&self, conn: ConnId) -> Option<&[u8]> {
        if let Some(pulse) = self.clients.look(conn).and_then(|client| client.pulse.as_ref()) {
            black_box(pulse.last());
        }
        let frame = whole_frame(self.net.input(conn), self.settings.frame_max)?.ok()?;
        request::path_to_read(frame)
    }
}

/// Pipelined reads wait for their nodes together.
pub(super) fn prefetch_pipelined(tree: &Tree, input: &[u8], frame_max: usize) {
    let mut paths: [&[u8]; PREFETCH] = [&[]; PREFETCH];
    let (mut count, mut rest) = (0, input);
    for _ in 0..PREFETCH {
        let Some(Ok(frame)) = whole_frame(rest, frame_max) else { break };
        if let Some(path) = request::path_to_read(frame) {
            paths[count] = path;
            count += 1;
        }
        rest = &rest[frame.len() + LENGTH_BYTES..];
    }
    if count > 1 {
        tree.prefetch(&paths[..count]);
    }
}
