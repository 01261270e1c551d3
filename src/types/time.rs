//! Two clocks that must not be mixed: one that only goes forward, one that people read.

use std::ops::Add;

/// Milliseconds of the monotonic clock since the process began. Sessions and timers live on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Millis(pub i64);

impl Add<i64> for Millis {
    type Output = Millis;
    fn add(self, ms: i64) -> Millis {
        Millis(self.0.saturating_add(ms))
    }
}

/// Milliseconds since 1970, as transactions and Stats carry them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WallMillis(pub i64);
