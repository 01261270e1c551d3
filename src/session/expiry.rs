//! Deadlines in buckets of one tick (ExpiryQueue): a session expires at the first tick boundary
//! *after* its time is up, together with all others of that tick.
//!
//! A touch must cost next to nothing, because every request is one. So a session stands in one
//! bucket at a time and a later deadline does not move it: when its bucket comes up it is put
//! into the bucket it belongs to by then.

use std::collections::BTreeMap;

use crate::types::{Millis, SessionId};

#[derive(Debug)]
pub(super) struct Buckets {
    tick_ms: i64,
    by_time: BTreeMap<Millis, Vec<SessionId>>,
}

impl Buckets {
    pub(super) fn new(tick_ms: i64) -> Buckets {
        assert!(tick_ms > 0, "tickTime {tick_ms} must be at least 1 ms");
        Buckets { tick_ms, by_time: BTreeMap::new() }
    }

    pub(super) fn tick_ms(&self) -> i64 {
        self.tick_ms
    }

    pub(super) fn clear(&mut self) {
        self.by_time.clear();
    }

    /// ExpiryQueue.roundToNextInterval: a time on a boundary belongs to the next one.
    pub(super) fn round(&self, time: Millis) -> Millis {
        Millis((time.0 / self.tick_ms).saturating_add(1).saturating_mul(self.tick_ms))
    }

    pub(super) fn put(&mut self, time: Millis, session: SessionId) {
        self.by_time.entry(time).or_default().push(session);
    }

    pub(super) fn first(&self) -> Option<Millis> {
        self.by_time.first_key_value().map(|(time, _)| *time)
    }

    /// The earliest bucket whose time has come, in the order of ids.
    pub(super) fn pop_due(&mut self, now: Millis) -> Option<(Millis, Vec<SessionId>)> {
        let bucket = self.by_time.first_entry().filter(|bucket| *bucket.key() <= now)?;
        let (time, mut sessions) = bucket.remove_entry();
        sessions.sort_unstable();
        Some((time, sessions))
    }
}
