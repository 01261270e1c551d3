//! Throttles of connections and requests, under the names of Java's properties and of its guide.

use super::source::Source;
use super::value::{NATURAL, POSITIVE, decimal, flag, number};
use super::{ConfigError, Throttles};
use crate::types::throttles::{
    ConnectionThrottle, ConnectionWeights, LargeRequests, RequestThrottle,
};

/// `ZooKeeperServer.setLargeRequestMaxBytes`' default.
const LARGE_BYTES: i64 = 100 << 20;

pub(super) fn throttles(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<Throttles, ConfigError> {
    Ok(Throttles {
        connections: connections(s, remarks)?,
        requests: requests(s, remarks)?,
        large: large(s)?,
    })
}

/// BlueThrottle's static block.
fn connections(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<Option<ConnectionThrottle>, ConfigError> {
    let tokens = s.property_or("connection_throttle_tokens", &["connectionMaxTokens"]);
    let tokens = number(tokens, NATURAL, "tokens, 0 for no throttle,", 0)?;
    let fill = s.property_or("connection_throttle_fill_time", &["connectionTokenFillTime"]);
    let fill_ms = number(fill, POSITIVE, "milliseconds", 1)?;
    let fill = s.property_or("connection_throttle_fill_count", &["connectionTokenFillCount"]);
    let fill_count = number(fill, NATURAL, "tokens", 1)?;
    let freeze = s.property_or("connection_throttle_freeze_time", &["connectionFreezeTime"]);
    let freeze_ms = number(freeze, -1..=i64::from(i32::MAX), "milliseconds, -1 for off,", -1)?;
    let mut share = |key: &str, alias: &str, default: f64| match s.property_or(key, &[alias]) {
        Some(found) if !(0.0..=1.0).contains(&found.fraction()?) => {
            Err(found.refuse("a number from 0 to 1"))
        }
        found => decimal(found, default),
    };
    let drop_increase = share("connection_throttle_drop_increase", "connectionDropIncrease", 0.02)?;
    let drop_decrease =
        share("connection_throttle_drop_decrease", "connectionDropDecrease", 0.002)?;
    let decrease_ratio =
        share("connection_throttle_decrease_ratio", "connectionDecreaseRatio", 0.0)?;
    let weights = weights(s, remarks)?;
    let scale = weights.map_or(1, |weights| weights.global);
    Ok((tokens > 0).then(|| ConnectionThrottle {
        tokens: tokens.saturating_mul(scale),
        fill_ms,
        fill_count: fill_count.saturating_mul(scale),
        freeze_ms: (freeze_ms >= 0).then_some(freeze_ms),
        drop_increase,
        drop_decrease,
        decrease_ratio,
        weights: weights.unwrap_or(ConnectionWeights { global: 1, local: 1, renew: 1 }),
    }))
}

/// A local session is never dearer than another: what says otherwise is raised, as in Java.
fn weights(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<Option<ConnectionWeights>, ConfigError> {
    let enabled = s.property_or("connection_throttle_weight_enabled", &["connectionWeightEnabled"]);
    let mut weight = |key: &str, alias: &str, default| {
        number(s.property_or(key, &[alias]), POSITIVE, "tokens", default)
    };
    let local = weight("connection_throttle_local_session_weight", "connectionLocalWeight", 1)?;
    let mut raised = |key: &str, alias: &str, default| {
        let given = weight(key, alias, default)?;
        if given < local {
            remarks.push(format!(
                "{key}={given} is below the weight of a local session: {local} is used"
            ));
        }
        Ok::<i64, ConfigError>(given.max(local))
    };
    let global = raised("connection_throttle_global_session_weight", "connectionGlobalWeight", 3)?;
    let renew = raised("connection_throttle_renew_session_weight", "connectionRenewWeight", 2)?;
    let weights = ConnectionWeights { global, local, renew };
    Ok(flag(enabled, false).then_some(weights))
}

/// RequestThrottler, Request.isStale.
fn requests(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<Option<RequestThrottle>, ConfigError> {
    let max = s.property_or("request_throttle_max_requests", &["requestThrottleLimit"]);
    let max = number(max, NATURAL, "requests, 0 for no throttle,", 0)?;
    let wait = s.property_or("throttled_op_wait_time", &["throttledOpWaitTime"]);
    let wait = number(wait, NATURAL, "milliseconds, 0 for any wait,", 0)?;
    if wait > 0 && max == 0 {
        remarks.push(format!(
            "throttled_op_wait_time={wait} changes nothing without request_throttle_max_requests: \
             no request waits"
        ));
    }
    let drop = s.property_or("request_throttle_drop_stale", &["requestThrottleDropStale"]);
    let gone = s.property_or("request_stale_connection_check", &["requestStaleConnectionCheck"]);
    let late = s.property_or("request_stale_latency_check", &["requestStaleLatencyCheck"]);
    let (drop_stale, stale_when_gone) = (flag(drop, true), flag(gone, true));
    let stale_when_late = flag(late, false);
    Ok((max > 0).then(|| RequestThrottle {
        max: max as usize,
        drop_stale,
        stale_when_gone,
        stale_when_late,
        wait_ms_max: (wait > 0).then_some(wait),
    }))
}

/// `ZooKeeperServer.initLargeRequestThrottlingSettings`.
fn large(s: &mut Source<'_>) -> Result<Option<LargeRequests>, ConfigError> {
    let threshold = s.property("largeRequestThreshold");
    let threshold = number(threshold, -1..=i64::from(i32::MAX), "bytes, -1 for no bound,", -1)?;
    let bytes = number(s.property("largeRequestMaxBytes"), POSITIVE, "bytes", LARGE_BYTES)?;
    Ok((threshold >= 0)
        .then_some(LargeRequests { threshold: threshold as usize, bytes_max: bytes as usize }))
}
