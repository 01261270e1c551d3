//! How fast a snapshot may be written, so that nobody feels it.

use std::time::Duration;

/// Parts of rest to one of work. Whoever shares the device or the CPU with the writer then has at
/// least two thirds of it, however slow it is.
const REST: u32 = 2;

/// Bounds on the writing.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Kept on average from the start of the writing; `None`: no such bound.
    pub bytes_per_second: Option<u64>,
}

impl Pace {
    /// How long the writer has to rest that has written `bytes` in the time `elapsed`, and has
    /// worked for so long since its last rest.
    pub fn rest(&self, bytes: u64, elapsed: Duration, worked: Duration) -> Duration {
        let due = self.bytes_per_second.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64)
        });
        due.saturating_sub(elapsed).max(worked * REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_ahead_of_its_rate_waits_for_it() {
        let pace = Pace { bytes_per_second: Some(1000) };
        let rest =
            |bytes, ms| pace.rest(bytes, Duration::from_millis(ms), Duration::ZERO).as_millis();
        assert_eq!(rest(500, 0), 500);
        assert_eq!(rest(500, 400), 100);
        assert_eq!(rest(500, 900), 0);
    }

    #[test]
    fn a_writer_rests_longer_than_it_has_worked() {
        let pace = Pace { bytes_per_second: None };
        let worked = Duration::from_millis(7);
        assert_eq!(pace.rest(u64::MAX, Duration::ZERO, worked), Duration::from_millis(14));
        let slow = Pace { bytes_per_second: Some(1000) };
        assert_eq!(slow.rest(100, Duration::ZERO, worked), Duration::from_millis(100));
    }
}
