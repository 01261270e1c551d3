//! When old snapshots and logs are purged (DatadirCleanupManager): once at start, then at a fixed
//! rate. What goes is decided by [`crate::log::purge`].

use std::time::Duration;

use crate::types::Millis;

/// The timetable. A purge that runs past its successor's time is followed at once by one, not by
/// all that were missed.
#[derive(Clone, Debug)]
pub struct Autopurge {
    interval_ms: Option<i64>,
    next: Millis,
}

impl Autopurge {
    /// `interval`: `autopurge.purgeInterval`, `None` when switched off.
    pub fn new(interval: Option<Duration>, now: Millis) -> Autopurge {
        let interval_ms = interval.map(|i| i64::try_from(i.as_millis()).unwrap_or(i64::MAX).max(1));
        Autopurge { interval_ms, next: now }
    }

    /// When the next purge is due, if ever.
    pub fn deadline(&self) -> Option<Millis> {
        self.interval_ms.map(|_| self.next)
    }

    /// Whether a purge is to run now; the next one is then set.
    pub fn due(&mut self, now: Millis) -> bool {
        let Some(interval) = self.interval_ms else { return false };
        if now < self.next {
            return false;
        }
        self.next = self.next + interval;
        if self.next <= now {
            self.next = now + interval;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purges_run_at_start_and_then_at_a_fixed_rate() {
        let mut off = Autopurge::new(None, Millis(5));
        assert!(!off.due(Millis(1 << 40)));
        assert_eq!(off.deadline(), None);
        let mut hourly = Autopurge::new(Some(Duration::from_secs(3600)), Millis(5));
        assert!(hourly.due(Millis(5)));
        assert!(!hourly.due(Millis(3_600_004)));
        // A little late: the rate stays.
        assert!(hourly.due(Millis(3_700_000)));
        assert_eq!(hourly.deadline(), Some(Millis(7_200_005)));
        // Several missed: one.
        assert!(hourly.due(Millis(90_000_000)));
        assert_eq!(hourly.deadline(), Some(Millis(93_600_000)));
    }
}
