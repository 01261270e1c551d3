//! Bringing nodes near before they are read.
//!
//! A look-up in a large tree waits four times for memory, each time for the place that the step
//! before has named: lock, hash table, entry, node. The look-ups of pipelined requests know nothing
//! of one another, so their steps are taken together, and they wait once for each step:
//!
//! ```text
//!   one after the other   a1 ─ a2 ─ a3 ─ a4 ─ b1 ─ b2 ─ b3 ─ b4 ─ c1 ─ c2 ─ c3 ─ c4
//!   together              a1 ─ a2 ─ a3 ─ a4
//!                         b1 ─ b2 ─ b3 ─ b4
//!                         c1 ─ c2 ─ c3 ─ c4
//! ```

use std::hint::black_box;

use super::layout::Record;
use super::store::{Spot, Tree};

/// Look-ups taken together: enough to hide the waiting, few enough to stay near until they are
/// read.
pub const PREFETCH: usize = 16;

impl Tree {
    /// The nodes of these paths will soon be read: the first [`PREFETCH`] are fetched into the
    /// processor's caches. Nothing else comes of it. Shards being written to are passed over: no
    /// lock is waited for while another is held.
    pub fn prefetch(&self, paths: &[&[u8]]) {
        let mut spots = [Spot { hash: 0, shard: 0 }; PREFETCH];
        let mut guards = [const { None }; PREFETCH];
        let mut records: [Option<&Record>; PREFETCH] = [None; PREFETCH];
        let count = paths.len().min(PREFETCH);
        for (spot, path) in spots.iter_mut().zip(paths) {
            // The root, whose key is another, is near anyway.
            *spot = self.locate_bytes(path);
            black_box(self.shards[spot.shard].0.is_locked_exclusive());
        }
        for (guard, spot) in guards.iter_mut().zip(&spots[..count]) {
            *guard = self.shards[spot.shard].0.try_read();
        }
        for ((record, guard), spot) in records.iter_mut().zip(&guards).zip(&spots[..count]) {
            *record = guard.as_ref().and_then(|shard| shard.likely(spot.hash));
        }
        for record in records.iter().flatten() {
            record.touch_first();
        }
        for record in records.iter().flatten() {
            record.touch_rest();
        }
    }
}
