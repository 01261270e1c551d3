//! How fast a snapshot may be written, so that nobody feels it.

use std::time::Duration;

/// Parts of rest to one of work. Whoever shares the device or the CPU with the writer then has at
/// least two thirds of it, however slow it is.
const REST: u32 = 2;

/// Longest rest of that kind: a disk that has hung is no reason to let those wait that want the
/// snapshot called off.
const REST_MAX: Duration = Duration::from_millis(250);

/// What a writer has done.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Of all records so far, unpacked.
    pub bytes: u64,
    /// Since it began.
    pub elapsed: Duration,
    /// Since its last rest.
    pub worked: Duration,
    /// The next snapshot is due already: with more rest, the log that a start has to replay would
    /// grow and grow.
    pub late: bool,
}

/// Bounds on the writing.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Kept on average from the start of the writing; `None`: no such bound.
    pub bytes_per_second: Option<u64>,
}

impl Pace {
    /// How long the writer has to rest now.
    pub fn rest(&self, progress: &Progress) -> Duration {
        let due = self.bytes_per_second.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(progress.bytes as f64 / rate.max(1) as f64)
        });
        let own =
            if progress.late { Duration::ZERO } else { (progress.worked * REST).min(REST_MAX) };
        due.saturating_sub(progress.elapsed).max(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(bytes: u64, ms: u64, worked: u64, late: bool) -> Progress {
        let (elapsed, worked) = (Duration::from_millis(ms), Duration::from_millis(worked));
        Progress { bytes, elapsed, worked, late }
    }

    #[test]
    fn a_writer_ahead_of_its_rate_waits_for_it() {
        let pace = Pace { bytes_per_second: Some(1000) };
        let rest = |bytes, ms| pace.rest(&progress(bytes, ms, 0, false)).as_millis();
        assert_eq!(rest(500, 0), 500);
        assert_eq!(rest(500, 400), 100);
        assert_eq!(rest(500, 900), 0);
    }

    #[test]
    fn a_writer_rests_longer_than_it_has_worked_unless_it_is_late() {
        let free = Pace { bytes_per_second: None };
        assert_eq!(free.rest(&progress(u64::MAX, 0, 7, false)).as_millis(), 14);
        assert_eq!(free.rest(&progress(u64::MAX, 0, 7, true)).as_millis(), 0);
        assert_eq!(free.rest(&progress(0, 0, 10_000, false)), REST_MAX);
        let slow = Pace { bytes_per_second: Some(1000) };
        assert_eq!(slow.rest(&progress(100, 0, 7, true)).as_millis(), 100);
    }
}
