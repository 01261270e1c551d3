//! Settings that protect a server and that this version does not serve.
//!
//! Whoever sets one relies on it: a start that passed over it would leave the server open to what
//! it was to be kept from. So it is refused, unless its value switches it off.

use super::ConfigError;
use super::source::{Found, Source, not_served};
use super::value::{ANY, ANY_LONG};

struct Guard {
    /// The property, and the name that only the documentation has.
    key: &'static str,
    alias: &'static [&'static str],
    is_on: fn(&Found) -> Result<bool, ConfigError>,
    feature: &'static str,
    instead: &'static str,
}

const GUARDS: &[Guard] = &[
    Guard {
        key: "connection_throttle_tokens",
        alias: &["connectionMaxTokens"],
        is_on: above_zero,
        feature: "the throttle of new connections",
        instead: "set it to 0; maxClientCnxns and maxCnxns bound connections",
    },
    Guard {
        key: "request_throttle_max_requests",
        alias: &["requestThrottleLimit"],
        is_on: above_zero,
        feature: "the throttle of requests",
        instead: "set it to 0; globalOutstandingLimit bounds requests in flight",
    },
    Guard {
        key: "throttled_op_wait_time",
        alias: &["throttledOpWaitTime"],
        is_on: above_zero,
        feature: "the end of requests that have waited too long",
        instead: "set it to 0",
    },
    Guard {
        key: "largeRequestThreshold",
        alias: &[],
        is_on: is_natural,
        feature: "the bound of large requests in flight",
        instead: "set it to -1; globalOutstandingLimit and jute.maxbuffer bound requests",
    },
];

pub(super) fn refuse(s: &mut Source<'_>) -> Result<(), ConfigError> {
    for guard in GUARDS {
        if let Some(found) = s.property_or(guard.key, guard.alias)
            && (guard.is_on)(&found)?
        {
            return Err(not_served(found, guard.feature, guard.instead));
        }
    }
    Ok(())
}

fn above_zero(found: &Found) -> Result<bool, ConfigError> {
    Ok(found.number(ANY_LONG, "")? > 0)
}

/// Any size but a negative one is a threshold, 0 too.
fn is_natural(found: &Found) -> Result<bool, ConfigError> {
    Ok(found.number(ANY, "bytes, or -1 for none,")? >= 0)
}
