//! How long flushes take and how large batches are, for `mntr` and the slow-flush warning.

use parking_lot::Mutex;
use std::time::Duration;

/// Shared by the log thread, which writes once a batch, and whoever shows the figures.
#[derive(Debug, Default)]
pub struct Figures {
    values: Mutex<Values>,
}

/// Sums since the last reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Values {
    pub batches: u64,
    pub records: u64,
    /// Of records, framing included.
    pub bytes: u64,
    /// `fsynctime`: sum, shortest and longest of all batches' flushes.
    pub flush_sum: Duration,
    pub flush_min: Duration,
    pub flush_max: Duration,
    pub flush_last: Duration,
    /// `fsync_threshold_exceed_count`.
    pub slow_flushes: u64,
}

impl Figures {
    pub fn read(&self) -> Values {
        *self.values.lock()
    }

    /// For `srst`.
    pub fn reset(&self) {
        *self.values.lock() = Values::default();
    }

    pub(super) fn batch(&self, records: usize, bytes: usize, flush: Duration, slow: Duration) {
        let mut values = self.values.lock();
        let first = values.batches == 0;
        values.batches += 1;
        values.records += records as u64;
        values.bytes += bytes as u64;
        values.flush_sum += flush;
        values.flush_min = if first { flush } else { values.flush_min.min(flush) };
        values.flush_max = values.flush_max.max(flush);
        values.flush_last = flush;
        values.slow_flushes += u64::from(flush > slow);
    }
}
