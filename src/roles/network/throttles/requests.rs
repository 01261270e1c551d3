//! Requests that wait because many are under way (RequestThrottler).
//!
//! What goes to the control core waits; a read is answered in the moment it comes, and is never
//! under way. Each core has its part of the bound, so that it alone knows when there is room.

use super::super::client::Client;
use super::super::dispatch::{self, Turn};
use super::super::frames::{Frames, Run};
use super::super::framing::length_of;
use crate::codec::request::{self, OpCode};
use crate::types::Millis;
use crate::types::limits::reached;
use crate::types::throttles::RequestThrottle;

/// What is done with the next request of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Verdict {
    /// It goes on. So many milliseconds it has waited, if the throttle has made it.
    Passes(Option<i64>),
    /// It is told that it has waited too long.
    Refused(i64),
    /// It waits.
    Waits,
    /// Its client has gone, and what that sent last is passed over, but for the end of its session.
    Dropped,
    /// It is too late for its session: it ends here, and its connection with it.
    Late,
}

/// `open`: requests of this core that are under way.
fn judge(
    throttle: &RequestThrottle,
    client: &Client,
    frame: &[u8],
    (open, hears): (usize, bool),
    now: Millis,
) -> Verdict {
    if !is_throttled(frame) {
        return Verdict::Passes(None);
    }
    let waited = client.throttled_since.map(|since| now.0 - since.0);
    let is_full = reached(open, throttle.max);
    if throttle.drop_stale && (is_full || waited.is_some()) {
        let is_gone = client.ended || !hears;
        let late = client.gauges.timeout.get();
        let is_late = waited.is_some_and(|waited| waited > late);
        if throttle.stale_when_gone && is_gone {
            return Verdict::Dropped;
        }
        if throttle.stale_when_late && is_late {
            return Verdict::Late;
        }
    }
    if is_full {
        return Verdict::Waits;
    }
    match (waited, throttle.wait_ms_max) {
        (Some(waited), Some(max)) if waited > max => Verdict::Refused(waited),
        (waited, _) => Verdict::Passes(waited),
    }
}

/// Whether it goes to the control core. The end of a session frees what others wait for, and is
/// never refused (Request.isThrottlable).
fn is_throttled(frame: &[u8]) -> bool {
    request::decode_header(frame)
        .is_ok_and(|(header, _)| OpCode::try_from(header.opcode).is_ok_and(OpCode::needs_leader))
}

impl Frames<'_> {
    /// What is done with the next whole frame, and how it is counted.
    pub(in super::super) fn throttle(&mut self, frame: &[u8]) -> Verdict {
        let Some(throttle) = &self.settings.throttle else { return Verdict::Passes(None) };
        let (gauges, now) = (self.context.gauges, self.context.now);
        let under_way = (self.open.tickets, self.hears);
        let verdict = judge(throttle, self.client, frame, under_way, now);
        match verdict {
            Verdict::Waits => {
                self.client.throttled_since.get_or_insert(now);
                gauges.throttle_waits.add(1);
            }
            Verdict::Passes(Some(waited)) => gauges.throttle_wait.record(waited),
            Verdict::Refused(waited) => {
                gauges.throttle_wait.record(waited);
                gauges.throttled_ops.add(1);
            }
            Verdict::Passes(None) => {
                if is_throttled(frame) {
                    gauges.throttle_wait.record(0);
                }
            }
            Verdict::Dropped | Verdict::Late => {
                // What follows is dropped too, when there is room: it was sent behind this.
                self.client.throttled_since.get_or_insert(now);
                gauges.stale_requests_dropped.add(1);
            }
        }
        verdict
    }

    /// A request that has waited too long is answered, in its place.
    pub(in super::super) fn refuse_throttled(
        &mut self,
        frame: &[u8],
        out: &mut Vec<u8>,
        run: &mut Run,
    ) {
        let (start, turn) = (out.len(), Turn::Arrived(self.context.now));
        // It can be decoded: it was, to be judged.
        let _ = dispatch::refuse_throttled(&self.context, self.client, frame, turn, out);
        run.answered(out.len() > start);
    }

    /// The length of the next frame, whole or not, where it is too large beside those under way
    /// (ZooKeeperServer.checkRequestSizeWhenReceivingMessage).
    pub(in super::super) fn too_much(&self, input: &[u8]) -> Option<usize> {
        let large = self.context.shared.throttles.large.as_ref()?;
        let length = usize::try_from(length_of(input)?).ok()?;
        let is_whole_possible = length <= self.settings.frame_max;
        (is_whole_possible && !large.has_room(length)).then_some(length)
    }
}
