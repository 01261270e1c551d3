//! The two clocks: one for deadlines, one for what people read. Only shells ask them; cores are
//! told the time.
//!
//! A turn looks at neither: it is told one time of each. The first never goes back and is no setting's
//! business, and whoever has asked for a time is given its turn when that time has come. The second may
//! be set. `tools/sim/tests/seams` holds these two and a simulated server's against that.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::types::{Millis, WallMillis};

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Milliseconds of the monotonic clock since the first call of this process.
pub fn now() -> Millis {
    let began = *BEGAN.get_or_init(Instant::now);
    Millis(began.elapsed().as_millis() as i64)
}

/// Milliseconds since 1970 by the wall clock; before 1970 they are negative.
pub fn wall() -> WallMillis {
    WallMillis(match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_starts_near_zero_and_the_wall_clock_after_2020() {
        let first = now();
        assert!(first.0 >= 0 && now() >= first);
        assert!(wall().0 > 1_577_836_800_000);
    }
}
