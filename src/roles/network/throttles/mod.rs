//! Throttles of what clients do at once: handshakes, requests under way, bytes of large ones.
//! Each is off unless it is configured, and then costs nothing.

mod connections;
mod large;
mod requests;

use parking_lot::Mutex;

use connections::ConnectionBucket;
pub(super) use connections::Wanted;
use large::LargeInFlight;
pub(super) use requests::Verdict;

use crate::types::Millis;
use crate::types::throttles::Throttles;

/// Those that hold over all cores.
#[derive(Debug, Default)]
pub struct SharedThrottles {
    /// Asked once a handshake.
    pub(super) connections: Option<Mutex<ConnectionBucket>>,
    /// Asked at large requests.
    pub(super) large: Option<LargeInFlight>,
}

impl SharedThrottles {
    /// As configured; the bucket is full.
    pub fn new(settings: &Throttles, now: Millis, seed: u64) -> SharedThrottles {
        SharedThrottles {
            connections: settings
                .connections
                .map(|settings| Mutex::new(ConnectionBucket::new(settings, now, seed))),
            large: settings.large.map(LargeInFlight::new),
        }
    }

    /// A request has gone to the control core, or is answered by it.
    pub(super) fn large_begins(&self, length: usize) {
        if let Some(large) = &self.large {
            large.begin(length);
        }
    }

    /// It is answered, or nobody waits for the answer.
    pub(super) fn large_ends(&self, length: usize) {
        if let Some(large) = &self.large {
            large.end(length);
        }
    }
}
