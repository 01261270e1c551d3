//! The names of `mntr`, and where their values come from
//! (tools/docs/reference/operations.md section 7).
//!
//! Names of parts that are idle in a Java server too unless it is asked to use them are printed with
//! the value they have there: zero. What moves in every Java server and measures a stage that this
//! one does not have (the queues and threads of Java's pipeline, its caches of answers) is left
//! out: a flat zero would read as health.

use std::fmt::Write;

use super::gauges::{Gauges, SummaryValues};
use crate::log::figures::Values;

/// Counters of parts that do nothing here, and nothing in a Java server that is not asked to use
/// them: Netty, throttles, the admin server, the scheme "ensemble", watcher cleaners.
const IDLE_COUNTERS: &[&str] = &[
    "stale_requests_dropped",
    "throttled_ops",
    "insecure_admin_count",
    "dead_watchers_queued",
    "stale_requests",
    "add_dead_watcher_stall_time",
    "request_throttle_wait_count",
    "stale_replies",
    "ensemble_auth_fail",
    "unrecoverable_error_count",
    "unsuccessful_handshake",
    "ensemble_auth_skip",
    "restore_error_count",
    "cnxn_closed_without_zk_server_running",
    "snapshot_rate_limited_count",
    "dead_watchers_cleared",
    "ensemble_auth_success",
    "restore_rate_limited_count",
    "tls_handshake_exceeded",
];

const IDLE_SUMMARIES: &[&str] = &["restore_time", "netty_queued_buffer_capacity"];

const IDLE_ADVANCED: &[&str] = &[
    "jvm_pause_time_ms",
    "om_commit_process_time_ms",
    "dead_watchers_cleaner_latency",
    "om_proposal_process_time_ms",
];

/// Ours alone: what clients make this server hold, and what they were refused.
pub const OURS: [&str; 8] = [
    "watch_bytes_held",
    "identity_bytes_held",
    "open_request_bytes",
    "output_bytes_held",
    "watches_refused",
    "identities_refused",
    "multi_reads_refused",
    "sessions_refused",
];

fn ours(gauges: &Gauges) -> [i64; OURS.len()] {
    [
        gauges.sum(|c| &c.watch_bytes_held),
        gauges.sum(|c| &c.identity_bytes),
        gauges.sum(|c| &c.open_bytes),
        gauges.sum(|c| &c.output_bytes),
        gauges.sum(|c| &c.watches_refused),
        gauges.sum(|c| &c.identities_refused),
        gauges.sum(|c| &c.multi_reads_refused),
        gauges.sessions_refused.get(),
    ]
}

/// Java prints a double with at least one digit behind the point and `mntr` at most four.
pub fn decimal(value: f64) -> String {
    let mut text = format!("{value:.4}");
    while text.ends_with('0') && !text.ends_with(".0") {
        text.pop();
    }
    text
}

/// One line of `mntr`.
pub fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "zk_{name}\t{value}");
}

/// A summary without percentiles, whoever keeps it.
struct Basic {
    average: f64,
    min: i64,
    max: i64,
    count: i64,
    sum: i64,
}

impl From<&SummaryValues> for Basic {
    fn from(values: &SummaryValues) -> Basic {
        Basic {
            average: values.average(),
            min: values.min(),
            max: values.max(),
            count: values.count(),
            sum: values.sum(),
        }
    }
}

fn summary(out: &mut String, name: &str, values: &Basic) {
    line(out, &format!("avg_{name}"), decimal(values.average));
    line(out, &format!("min_{name}"), values.min);
    line(out, &format!("max_{name}"), values.max);
    line(out, &format!("cnt_{name}"), values.count);
    line(out, &format!("sum_{name}"), values.sum);
}

fn advanced(out: &mut String, name: &str, values: &SummaryValues) {
    summary(out, name, &Basic::from(values));
    for (prefix, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)] {
        line(out, &format!("{prefix}_{name}"), values.percentile(quantile));
    }
}

/// Milliseconds, as Java counts flushes.
fn flushes(log: &Values) -> Basic {
    let (count, sum) = (log.batches as i64, log.flush_sum.as_millis() as i64);
    let (min, max) = (log.flush_min.as_millis() as i64, log.flush_max.as_millis() as i64);
    Basic { average: sum as f64 / count.max(1) as f64, min, max, count, sum }
}

fn batches(log: &Values) -> Basic {
    let (count, sum) = (log.batches as i64, log.records as i64);
    let (min, max) = (log.records_min as i64, log.records_max as i64);
    Basic { average: sum as f64 / count.max(1) as f64, min, max, count, sum }
}

/// Counters, summaries and advanced summaries, in the order of the default provider's groups.
pub fn write_all(out: &mut String, gauges: &Gauges) {
    let live_counters = [
        ("watch_bytes", gauges.sum(|c| &c.watch_bytes)),
        ("connection_rejected", gauges.sum(|c| &c.connections_rejected)),
        ("large_requests_rejected", gauges.sum(|c| &c.large_requests_rejected)),
        ("sessionless_connections_expired", gauges.sum(|c| &c.sessionless_expired)),
        ("connection_drop_count", gauges.sum(|c| &c.connections_dropped)),
        ("bytes_received_count", gauges.sum(|c| &c.bytes_received)),
        ("prep_processor_request_queued", gauges.prepared.get()),
        ("response_bytes", gauges.sum(|c| &c.response_bytes)),
        ("connection_revalidate_count", gauges.sum(|c| &c.revalidated)),
        ("outstanding_changes_queued", gauges.prepared.get()),
        ("outstanding_changes_removed", gauges.prepared.get() - gauges.outstanding.get()),
        ("digest_mismatches_count", gauges.digest_mismatches.get()),
        ("snapshot_error_count", gauges.snapshot_errors.get()),
        ("connection_request_count", gauges.sum(|c| &c.connection_requests)),
        ("stale_sessions_expired", gauges.stale_sessions_expired.get()),
        (
            "sync_processor_request_queued",
            gauges.prepared.get() + gauges.quorum.proposals_received.get(),
        ),
    ];
    for (name, value) in live_counters.into_iter().chain(gauges.quorum.counters()) {
        line(out, name, value);
    }
    for name in IDLE_COUNTERS {
        line(out, name, 0);
    }
    for (name, value) in OURS.into_iter().zip(ours(gauges)) {
        line(out, name, value);
    }
    let live_summaries = [
        ("node_created_watch_count", gauges.merged(|c| &c.fired_created)),
        ("node_deleted_watch_count", gauges.merged(|c| &c.fired_deleted)),
        ("node_changed_watch_count", gauges.merged(|c| &c.fired_changed)),
        ("node_children_watch_count", gauges.merged(|c| &c.fired_children)),
        ("snapshottime", gauges.snapshot_time.values()),
        ("dbinittime", gauges.db_init_time.values()),
        ("startup_snap_load_time", gauges.snap_load_time.values()),
        ("startup_txns_loaded", gauges.txns_loaded.values()),
        ("startup_txns_load_time", gauges.txns_load_time.values()),
    ];
    for (name, values) in live_summaries {
        summary(out, name, &Basic::from(&values));
    }
    for (name, figures) in gauges.quorum.summaries() {
        summary(out, name, &Basic::from(&figures.values()));
    }
    summary(out, "fsynctime", &flushes(&gauges.log()));
    summary(out, "sync_processor_batch_size", &batches(&gauges.log()));
    for name in IDLE_SUMMARIES {
        summary(out, name, &Basic::from(&SummaryValues::default()));
    }
    advanced(out, "readlatency", &gauges.merged(|c| &c.read_latency));
    advanced(out, "updatelatency", &gauges.merged(|c| &c.update_latency));
    advanced(out, "propagation_latency", &gauges.propagation.values());
    for (name, figures) in gauges.quorum.advanced() {
        advanced(out, name, &figures.values());
    }
    for name in IDLE_ADVANCED {
        advanced(out, name, &SummaryValues::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_printed_as_java_prints_them() {
        for (value, text) in [(0.0, "0.0"), (1.5, "1.5"), (2.0 / 3.0, "0.6667"), (12.0, "12.0")] {
            assert_eq!(decimal(value), text);
        }
    }
}
