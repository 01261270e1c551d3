//! How fast a snapshot may be written, so that nobody feels it.

use std::time::Duration;

/// A bound on bytes a second, kept on average from the start of the writing.
#[derive(Clone, Copy, Debug)]
pub struct Bandwidth {
    /// `None`: as fast as it goes.
    pub bytes_per_second: Option<u64>,
}

impl Bandwidth {
    /// How long the writer has to wait that has written `bytes` in the time `elapsed`.
    pub fn wait(&self, bytes: u64, elapsed: Duration) -> Duration {
        let Some(rate) = self.bytes_per_second else { return Duration::ZERO };
        let due = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        due.saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_ahead_of_its_rate_waits_for_it() {
        let bandwidth = Bandwidth { bytes_per_second: Some(1000) };
        let wait = |bytes, ms| bandwidth.wait(bytes, Duration::from_millis(ms)).as_millis();
        assert_eq!(wait(500, 0), 500);
        assert_eq!(wait(500, 400), 100);
        assert_eq!(wait(500, 900), 0);
        let free = Bandwidth { bytes_per_second: None };
        assert_eq!(free.wait(u64::MAX, Duration::ZERO), Duration::ZERO);
    }
}
