//! Bytes of large requests under way.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::types::throttles::LargeRequests;

/// Over all connections of the server (ZooKeeperServer.currentLargeRequestBytes).
#[derive(Debug)]
pub(in crate::roles::network) struct LargeInFlight {
    settings: LargeRequests,
    bytes: AtomicUsize,
}

impl LargeInFlight {
    /// None is under way.
    pub(in crate::roles::network) fn new(settings: LargeRequests) -> LargeInFlight {
        LargeInFlight { settings, bytes: AtomicUsize::new(0) }
    }

    /// Whether a request of this length may come in. Cores that ask in the same moment may both
    /// be told so: the bound is exceeded by what is looked at at once, a request a core.
    pub(in crate::roles::network) fn has_room(&self, length: usize) -> bool {
        !self.is_large(length)
            || self.bytes.load(Ordering::Relaxed).saturating_add(length) <= self.settings.bytes_max
    }

    /// One is under way.
    pub(in crate::roles::network) fn begin(&self, length: usize) {
        if self.is_large(length) {
            self.bytes.fetch_add(length, Ordering::Relaxed);
        }
    }

    /// One that had begun is answered, or nobody waits for its answer.
    pub(in crate::roles::network) fn end(&self, length: usize) {
        if self.is_large(length) {
            let before = self.bytes.fetch_sub(length, Ordering::Relaxed);
            debug_assert!(before >= length, "each that ends had begun");
        }
    }

    /// The bound.
    pub(in crate::roles::network) fn bytes_max(&self) -> usize {
        self.settings.bytes_max
    }

    fn is_large(&self, length: usize) -> bool {
        length > self.settings.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_ones_are_counted_and_small_ones_always_pass() {
        let large = LargeInFlight::new(LargeRequests { threshold: 100, bytes_max: 300 });
        assert!(large.has_room(100) && large.has_room(300) && !large.has_room(301));
        large.begin(100);
        large.begin(200);
        assert!(large.has_room(100) && !large.has_room(101));
        large.end(100);
        large.end(200);
        assert!(large.has_room(300));
    }

    #[test]
    fn a_threshold_of_nothing_makes_all_large() {
        let large = LargeInFlight::new(LargeRequests { threshold: 0, bytes_max: 10 });
        large.begin(10);
        assert!(large.has_room(0) && !large.has_room(1));
    }
}
