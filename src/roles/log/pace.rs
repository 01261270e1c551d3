//! How long flushes take, and whose time they are worth.

use std::time::Duration;

/// Whose time is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    LogThread,
    /// The thread that feeds the log: it must not wait for long.
    Borrower,
}

/// Batches are flushed in the caller's time while they have lately taken less than this. Its
/// other work, reads for one, waits as long.
const QUICK: Duration = Duration::from_micros(500);

/// Larger batches are the log thread's: they are worth a wake-up, and there is more to do
/// meanwhile where so much has come at once.
const SMALL_BYTES: usize = 8 << 10;

/// How long a flush has lately taken: a mean in which each counts for an eighth.
#[derive(Debug, Default)]
pub(super) struct FlushTime {
    mean: Duration,
}

impl FlushTime {
    /// One flush took so long.
    pub(super) fn record(&mut self, took: Duration) {
        self.mean = (self.mean * 7 + took) / 8;
    }

    /// Whether a batch of so many bytes is expected to be.
    pub(super) fn is_quick(&self, bytes: usize) -> bool {
        bytes <= SMALL_BYTES && self.mean < QUICK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_is_left_to_the_log_thread_until_it_is_quick_again() {
        let mut pace = FlushTime::default();
        assert!(pace.is_quick(SMALL_BYTES) && !pace.is_quick(SMALL_BYTES + 1));
        pace.record(Duration::from_millis(3));
        assert!(pace.is_quick(300), "one of many");
        pace.record(Duration::from_millis(3));
        assert!(!pace.is_quick(300));
        (0..8).for_each(|_| pace.record(Duration::from_micros(60)));
        assert!(pace.is_quick(300));
        (0..20).for_each(|_| pace.record(Duration::from_millis(8)));
        assert!(!pace.is_quick(300));
    }
}
