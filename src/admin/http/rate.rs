//! One call in an interval (org.apache.zookeeper.server.util.RateLimiter with a rate of 1).

use crate::types::Millis;

/// Says whether a command may run now.
#[derive(Debug)]
pub(super) struct RateLimiter {
    interval_ms: i64,
    /// When the interval that runs began, and whether its call is taken.
    since: Millis,
    is_taken: bool,
}

impl RateLimiter {
    /// The first call is let through.
    pub(super) fn new(interval_ms: i64, now: Millis) -> RateLimiter {
        RateLimiter { interval_ms, since: now, is_taken: false }
    }

    /// Takes the interval's call, if it is still there.
    pub(super) fn allow(&mut self, now: Millis) -> bool {
        if now.0 > self.since.0.saturating_add(self.interval_ms) {
            (self.since, self.is_taken) = (now, false);
        }
        !std::mem::replace(&mut self.is_taken, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_an_interval_is_let_through() {
        let mut limiter = RateLimiter::new(300, Millis(0));
        let allowed: Vec<bool> =
            [0, 1, 300, 301, 302, 1000, 1001].map(|ms| limiter.allow(Millis(ms))).to_vec();
        assert_eq!(allowed, [true, false, false, true, false, true, false]);
    }
}
