//! When an open-loop driver means to send: fixed in advance, whatever the server does.
//!
//! Latency is counted from these moments, so that a server that stalls is charged for every
//! request that should have gone out meanwhile (no coordinated omission).

/// How arrivals are spread.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// Evenly spaced.
    Uniform,
    /// Independent arrivals: exponentially distributed gaps.
    Poisson,
}

/// The intended send times of one of `threads` threads, together offering `rate` requests/s.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrival: Arrival,
    start: u64,
    /// Nanoseconds between two requests of this thread.
    gap: f64,
    /// Uniform: requests handed out. Poisson: unused.
    count: u64,
    /// Nanoseconds after `start` of the next request.
    next: f64,
    offset: f64,
    rng: fastrand::Rng,
}

impl Schedule {
    /// `start`: nanoseconds of the run's clock. Threads of a uniform schedule interleave.
    pub fn new(
        arrival: Arrival,
        rate: f64,
        start: u64,
        thread: usize,
        threads: usize,
        seed: u64,
    ) -> Schedule {
        let gap = 1e9 * threads as f64 / rate;
        let offset = gap * thread as f64 / threads as f64;
        let rng = fastrand::Rng::with_seed(seed ^ (thread as u64).wrapping_mul(0x9e37_79b9));
        let mut schedule = Schedule { arrival, start, gap, count: 0, next: offset, offset, rng };
        if arrival == Arrival::Poisson {
            schedule.next = schedule.exponential();
        }
        schedule
    }

    /// When the next request is due.
    pub fn due(&self) -> u64 {
        self.start + self.next as u64
    }

    /// Takes the next request's intended time.
    pub fn take(&mut self) -> u64 {
        let due = self.due();
        self.count += 1;
        self.next = match self.arrival {
            // From the count, not by adding up: ten minutes of rounding would shift the rate.
            Arrival::Uniform => self.offset + self.gap * self.count as f64,
            Arrival::Poisson => self.next + self.exponential(),
        };
        due
    }

    fn exponential(&mut self) -> f64 {
        -self.gap * (1.0 - self.rng.f64()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_threads_interleave_into_one_even_schedule() {
        let mut all = Vec::new();
        for thread in 0..3 {
            let mut s = Schedule::new(Arrival::Uniform, 3000.0, 500, thread, 3, 1);
            all.extend((0..1000).map(|_| s.take()));
        }
        all.sort_unstable();
        let step = 1e9 / 3000.0;
        for (i, at) in all.iter().enumerate() {
            let want = 500.0 + step * i as f64;
            assert!((*at as f64 - want).abs() < 2.0, "request {i} at {at}, not {want}");
        }
    }

    #[test]
    fn uniform_does_not_drift_over_an_hour() {
        let mut s = Schedule::new(Arrival::Uniform, 7000.0, 0, 0, 1, 1);
        let count = 7000 * 3600;
        for _ in 0..count {
            s.take();
        }
        assert!(s.due().abs_diff(3600 * 1_000_000_000) < 2);
    }

    #[test]
    fn poisson_offers_the_rate_with_exponential_gaps() {
        let mut s = Schedule::new(Arrival::Poisson, 10_000.0, 0, 0, 1, 42);
        let times: Vec<u64> = (0..200_000).map(|_| s.take()).collect();
        let seconds = *times.last().unwrap_or(&0) as f64 / 1e9;
        assert!((seconds - 20.0).abs() < 0.3, "200,000 at 10,000/s took {seconds} s");
        let gaps: Vec<f64> = times.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
        let above_mean = gaps.iter().filter(|g| **g > 100_000.0).count() as f64;
        assert!((above_mean / gaps.len() as f64 - (-1.0_f64).exp()).abs() < 0.01);
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        let take = |seed| {
            let mut s = Schedule::new(Arrival::Poisson, 1000.0, 0, 1, 2, seed);
            (0..100).map(|_| s.take()).collect::<Vec<_>>()
        };
        assert_eq!(take(5), take(5));
        assert_ne!(take(5), take(6));
    }
}
