//! When phases of connections end by themselves.
//!
//! Each step of closing has one time for all connections, so its deadlines come in order, and
//! nearly all are void long before: a queue each, whose void ones leave from the front whenever one
//! is added. Otherwise ten seconds of sessions that came and went would stand here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

use crate::types::ConnId;

/// A phase that has the same time for every connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ends {
    Flush,
    Linger,
    Handshake,
    /// With another server, whose configuration may give it another time.
    PeerHandshake,
}

#[derive(Default)]
pub(super) struct Deadlines {
    connects: BinaryHeap<Reverse<(Instant, ConnId)>>,
    flushes: VecDeque<(Instant, ConnId)>,
    lingers: VecDeque<(Instant, ConnId)>,
    handshakes: VecDeque<(Instant, ConnId)>,
    peer_handshakes: VecDeque<(Instant, ConnId)>,
}

impl Deadlines {
    pub(super) fn add_connect(&mut self, at: Instant, id: ConnId) {
        self.connects.push(Reverse((at, id)));
    }

    /// `at` is not before any added for the same phase. `is_void`: nobody waits for a deadline
    /// any more.
    pub(super) fn add(
        &mut self,
        what: Ends,
        at: Instant,
        id: ConnId,
        is_void: impl Fn(Instant, ConnId) -> bool,
    ) {
        let queue = match what {
            Ends::Flush => &mut self.flushes,
            Ends::Linger => &mut self.lingers,
            Ends::Handshake => &mut self.handshakes,
            Ends::PeerHandshake => &mut self.peer_handshakes,
        };
        while queue.front().is_some_and(|(at, id)| is_void(*at, *id)) {
            queue.pop_front();
        }
        queue.push_back((at, id));
    }

    /// The earliest, which may be void.
    pub(super) fn first(&self) -> Option<Instant> {
        let connect = self.connects.peek().map(|Reverse((at, _))| *at);
        let queues = [&self.flushes, &self.lingers, &self.handshakes, &self.peer_handshakes];
        let fronts = queues.map(|queue| queue.front().map(|(at, _)| *at));
        fronts.into_iter().chain([connect]).flatten().min()
    }

    /// Takes one that has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, ConnId)> {
        let Deadlines { flushes, lingers, handshakes, peer_handshakes, .. } = self;
        for queue in [flushes, lingers, handshakes, peer_handshakes] {
            if queue.front().is_some_and(|(at, _)| *at <= now) {
                return queue.pop_front();
            }
        }
        if self.connects.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            return self.connects.pop().map(|Reverse(due)| due);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(slot: u32) -> ConnId {
        ConnId { slot, generation: 0 }
    }

    #[test]
    fn due_ones_come_out_and_void_ones_leave_room() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.first(), None);
        deadlines.add_connect(at(7), id(0));
        deadlines.add_connect(at(3), id(1));
        for n in 0..100 {
            deadlines.add(Ends::Flush, at(1000 + n), id(n as u32), |_, id| id.slot != 99);
        }
        assert_eq!(deadlines.flushes.len(), 1, "only the last can be waited for");
        deadlines.add(Ends::Linger, at(5), id(2), |_, _| false);
        deadlines.add(Ends::Linger, at(6), id(3), |_, _| false);
        assert_eq!(deadlines.first(), Some(at(3)));
        let mut due = Vec::new();
        while let Some((_, id)) = deadlines.take_due(at(5)) {
            due.push(id.slot);
        }
        assert_eq!((due, deadlines.first()), (vec![2, 1], Some(at(6))));
    }
}
