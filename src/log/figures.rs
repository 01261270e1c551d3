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
    /// Each written by one call.
    pub batches: u64,
    /// Transactions.
    pub records: u64,
    /// Of the smallest batch.
    pub records_min: u64,
    /// Of the largest batch.
    pub records_max: u64,
    /// Of records, framing included.
    pub bytes: u64,
    /// `fsynctime`: of all batches' flushes.
    pub flush_sum: Duration,
    /// The shortest.
    pub flush_min: Duration,
    /// The longest.
    pub flush_max: Duration,
    /// The last batch's.
    pub flush_last: Duration,
    /// `fsync_threshold_exceed_count`.
    pub slow_flushes: u64,
}

impl Figures {
    /// A copy of this moment.
    pub fn read(&self) -> Values {
        *self.values.lock()
    }

    /// For `srst`.
    pub fn reset(&self) {
        *self.values.lock() = Values::default();
    }

    /// One has been flushed; `slow`: from how long on that is remarked upon.
    pub fn batch(&self, records: usize, bytes: usize, flush: Duration, slow: Duration) {
        let mut values = self.values.lock();
        let first = values.batches == 0;
        values.batches += 1;
        let count = records as u64;
        values.records += count;
        values.records_min = if first { count } else { values.records_min.min(count) };
        values.records_max = values.records_max.max(count);
        values.bytes += bytes as u64;
        values.flush_sum += flush;
        values.flush_min = if first { flush } else { values.flush_min.min(flush) };
        values.flush_max = values.flush_max.max(flush);
        values.flush_last = flush;
        values.slow_flushes += u64::from(flush > slow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_and_the_largest_batch_are_told() {
        let figures = Figures::default();
        let ms = Duration::from_millis;
        for (records, flush) in [(3, 5), (1, 2), (7, 4)] {
            figures.batch(records, 10, ms(flush), ms(1000));
        }
        let values = figures.read();
        assert_eq!((values.batches, values.records), (3, 11));
        assert_eq!((values.records_min, values.records_max), (1, 7));
        assert_eq!((values.flush_min, values.flush_max), (ms(2), ms(5)));
        figures.reset();
        assert_eq!(figures.read(), Values::default());
    }
}
