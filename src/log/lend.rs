//! The log's work, done by the thread that feeds it.
//!
//! Waking the log thread and being woken by it costs more than a small batch on a quick disk: two
//! system calls, four changes of thread, and on machines with few CPUs the wait for one. Where
//! control shares its thread anyway, that thread writes and flushes such batches itself. The log
//! thread takes over what takes longer: large batches, new segments, and everything as long as the
//! disk is slow, so that nobody's reads wait for it.
//!
//! There is one shell and one order of work, whoever does it; who does is settled by a lock that
//! the borrower only tries.

use super::LogInput;
use super::shell::{By, Shell};
use crate::runtime::{Sender, Waker};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Batches are flushed in the borrower's time while they have lately taken less than this. Its
/// other work, reads for one, waits as long.
const QUICK: Duration = Duration::from_micros(500);

/// Larger batches are the log thread's: they are worth a wake-up, and there is more to do
/// meanwhile where so much has come at once.
const SMALL_BYTES: usize = 8 << 10;

/// How long a flush has lately taken: a mean in which each counts for an eighth.
#[derive(Debug, Default)]
pub(super) struct Pace {
    mean: Duration,
}

impl Pace {
    pub fn record(&mut self, took: Duration) {
        self.mean = (self.mean * 7 + took) / 8;
    }

    pub fn is_quick(&self, bytes: usize) -> bool {
        bytes <= SMALL_BYTES && self.mean < QUICK
    }
}

/// The borrower's end.
pub struct Lent {
    shell: Arc<Mutex<Shell>>,
    sent: Sender<LogInput>,
    log_thread: Waker,
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent")
    }
}

impl Lent {
    pub(super) fn new(shell: Arc<Mutex<Shell>>, sent: Sender<LogInput>, log_thread: Waker) -> Lent {
        Lent { shell, sent, log_thread }
    }

    /// How much was sent that nobody has looked at.
    pub fn work_left(&self) -> usize {
        self.sent.len()
    }

    /// Does what was sent, or sees to it that the log thread does.
    pub fn work(&self) {
        let all_done = match self.shell.try_lock() {
            Some(mut shell) => shell.turn(By::Borrower),
            // It is at work, and may have looked already.
            None => false,
        };
        if !all_done {
            self.log_thread.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_is_left_to_the_log_thread_until_it_is_quick_again() {
        let mut pace = Pace::default();
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
