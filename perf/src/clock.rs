//! One monotonic clock for all threads of the driver, in nanoseconds since its first use.

use std::sync::OnceLock;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

static ORIGIN: OnceLock<Instant> = OnceLock::new();

pub fn now() -> u64 {
    ORIGIN.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// CPU time the calling thread has used, in nanoseconds.
pub fn thread_cpu() -> u64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
