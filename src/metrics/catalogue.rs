//! The list of metrics: names, kinds, units, what they say, and where their values come from. `mntr`
//! prints it; whatever else tells metrics prints the same list.
//!
//! Names are ZooKeeper's, without its prefix `zk_`, in the order in which its `mntr` has them. Names of
//! parts that are idle in a Java server too unless it is asked to use them have the value they have
//! there: zero. What moves in every Java server and measures a stage that this one does not have (the
//! queues and threads of Java's pipeline, its caches of answers) is left out: a flat zero would read as
//! health.

use super::figure::{Figure, Summary, SummaryValues};
use super::gauges::{CoreGauges, Gauges};
use super::quorum::{Mode, QuorumGauges};
use crate::log::figures::Values;
use crate::tree::Tree;
use crate::types::Millis;

/// How a value behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A word.
    Text,
    /// Goes up and down.
    Gauge,
    /// Only goes up, but for `srst`.
    Counter,
    /// Average, least, most, count and sum.
    Summary,
    /// A summary with percentiles.
    Percentiles,
}

/// What a value counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Unit {
    None,
    Count,
    Bytes,
    Milliseconds,
}

/// What a metric is at one moment.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "as in `Kind`")]
pub enum Value {
    Text(String),
    Whole(i64),
    Decimal(f64),
    Summary(Basic),
    Percentiles(SummaryValues),
}

/// A summary without percentiles, whoever keeps it.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Basic {
    pub average: f64,
    pub min: i64,
    pub max: i64,
    pub count: i64,
    pub sum: i64,
    /// `None`: there is no value, or nobody keeps it.
    pub median: Option<i64>,
}

impl From<&SummaryValues> for Basic {
    fn from(values: &SummaryValues) -> Basic {
        Basic {
            average: values.average(),
            min: values.min(),
            max: values.max(),
            count: values.count(),
            sum: values.sum(),
            median: (values.count() > 0).then(|| values.percentile(0.5)),
        }
    }
}

/// Where values come from.
pub struct Sources<'a> {
    /// The roles' figures.
    pub gauges: &'a Gauges,
    /// For counts and sizes.
    pub tree: &'a Tree,
    /// Of this program.
    pub version: &'a str,
    /// Open ones, of all cores.
    pub connections: i64,
    /// Of this process.
    pub descriptors: Descriptors,
    /// What this server is at that moment.
    pub mode: Mode,
    /// The moment that the list is of.
    pub now: Millis,
}

/// File descriptors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptors {
    /// In use.
    pub open: i64,
    /// The bound.
    pub max: i64,
}

impl Sources<'_> {
    fn sum(&self, of: impl Fn(&CoreGauges) -> &Figure) -> Value {
        Value::Whole(self.gauges.sum(of))
    }

    fn merged(&self, of: impl Fn(&CoreGauges) -> &Summary) -> SummaryValues {
        self.gauges.merged(of)
    }

    fn quorum(&self) -> &QuorumGauges {
        &self.gauges.quorum
    }

    /// For figures that only a leader has.
    fn leading(&self, value: impl FnOnce(&QuorumGauges) -> i64) -> Option<Value> {
        (self.mode == Mode::Leader).then(|| Value::Whole(value(self.quorum())))
    }
}

/// One line of the list.
pub struct Metric {
    /// Without the prefix `zk_`.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it counts.
    pub unit: Unit,
    /// A sentence, without its full stop.
    pub help: &'static str,
    read: fn(&Sources<'_>) -> Option<Value>,
}

impl Metric {
    /// `None`: this server has no such figure now.
    pub fn read(&self, sources: &Sources<'_>) -> Option<Value> {
        (self.read)(sources)
    }
}

type Read = fn(&Sources<'_>) -> Option<Value>;

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    help: &'static str,
    read: Read,
) -> Metric {
    Metric { name, kind, unit, help, read }
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str, read: Read) -> Metric {
    metric(name, Kind::Gauge, unit, help, read)
}

const fn counter(name: &'static str, unit: Unit, help: &'static str, read: Read) -> Metric {
    metric(name, Kind::Counter, unit, help, read)
}

const fn summary(name: &'static str, unit: Unit, help: &'static str, read: Read) -> Metric {
    metric(name, Kind::Summary, unit, help, read)
}

const fn percentiles(name: &'static str, help: &'static str, read: Read) -> Metric {
    metric(name, Kind::Percentiles, Unit::Milliseconds, help, read)
}

/// Zero here, and in a Java server that is not asked to use that part.
const fn idle(name: &'static str, help: &'static str) -> Metric {
    counter(name, Unit::Count, help, |_| whole(0))
}

#[allow(clippy::unnecessary_wraps)] // As every reader of the list gives it.
fn whole(value: i64) -> Option<Value> {
    Some(Value::Whole(value))
}

#[allow(clippy::unnecessary_wraps)] // Likewise.
fn basic(values: &SummaryValues) -> Option<Value> {
    Some(Value::Summary(values.into()))
}

#[allow(clippy::unnecessary_wraps)] // Likewise.
fn spread(values: SummaryValues) -> Option<Value> {
    Some(Value::Percentiles(values))
}

/// Milliseconds, as Java counts flushes.
fn flushes(log: &Values) -> Basic {
    let (count, sum) = (log.batches as i64, log.flush_sum.as_millis() as i64);
    let (min, max) = (log.flush_min.as_millis() as i64, log.flush_max.as_millis() as i64);
    Basic { average: sum as f64 / count.max(1) as f64, min, max, count, sum, median: None }
}

fn batches(log: &Values) -> Basic {
    let (count, sum) = (log.batches as i64, log.records as i64);
    let (min, max) = (log.records_min as i64, log.records_max as i64);
    Basic { average: sum as f64 / count.max(1) as f64, min, max, count, sum, median: None }
}

fn response_min(gauges: &Gauges) -> i64 {
    let least = gauges.cores.iter().map(|core| core.response_min.get()).filter(|min| *min >= 0);
    least.min().unwrap_or(-1)
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    [SERVER, ROLE, COUNTERS, IDLE, OURS, SUMMARIES, PERCENTILES].into_iter().flatten()
}

use Unit::{Bytes, Count, Milliseconds};

/// ZooKeeperServer.dumpMonitorValues.
const SERVER: &[Metric] = &[
    metric("version", Kind::Text, Unit::None, "Version that this server is compatible with", |s| {
        Some(Value::Text(s.version.to_owned()))
    }),
    metric("server_state", Kind::Text, Unit::None, "What this server is in its ensemble", |s| {
        Some(Value::Text(s.mode.word().to_owned()))
    }),
    metric("peer_state", Kind::Text, Unit::None, "How far it has come under its leader", |s| {
        s.quorum().peer_state().map(Value::Text)
    }),
    gauge("observer_master_id", Unit::None, "Leader that an observer follows", |s| {
        s.quorum().master().map(|master| Value::Whole(master.0))
    }),
    gauge(
        "ephemerals_count",
        Count,
        "Ephemeral znodes",
        |s| whole(s.tree.ephemeral_count() as i64),
    ),
    gauge("num_alive_connections", Count, "Clients' connections", |s| whole(s.connections)),
    gauge("avg_latency", Milliseconds, "Average time from a request to its answer", |s| {
        Some(Value::Decimal(s.gauges.latency().average()))
    }),
    gauge("outstanding_requests", Count, "Proposals that are not committed yet", |s| {
        whole(s.gauges.outstanding.get())
    }),
    gauge("znode_count", Count, "Znodes", |s| whole(s.tree.node_count() as i64)),
    gauge("global_sessions", Count, "Sessions of the ensemble", |s| whole(s.gauges.sessions.get())),
    gauge(
        "non_mtls_remote_conn_count",
        Count,
        "Connections without TLS from other machines",
        |_| whole(0),
    ),
    gauge("last_client_response_size", Bytes, "Size of the last answer", |s| {
        whole(s.gauges.cores.iter().map(|c| c.response_last.get()).max().unwrap_or(-1))
    }),
    gauge("packets_sent", Count, "Answers and events sent", |s| Some(s.sum(|c| &c.sent))),
    gauge("packets_received", Count, "Requests received", |s| Some(s.sum(|c| &c.received))),
    gauge("max_client_response_size", Bytes, "Size of the largest answer", |s| {
        whole(s.gauges.cores.iter().map(|c| c.response_max.get()).max().unwrap_or(-1))
    }),
    gauge(
        "connection_drop_probability",
        Unit::None,
        "Share of connections refused by the throttle",
        |s| {
            // Each core knows it from its last handshake.
            let shares = s.gauges.cores.iter().map(|core| core.drop_share_millionths.get());
            Some(Value::Decimal(shares.max().unwrap_or(0) as f64 / 1e6))
        },
    ),
    gauge("watch_count", Count, "Watches", |s| Some(s.sum(|c| &c.watches))),
    gauge("auth_failed_count", Count, "Authentications that failed", |s| {
        Some(s.sum(|c| &c.auth_failed))
    }),
    gauge("min_latency", Milliseconds, "Shortest time from a request to its answer", |s| {
        whole(s.gauges.latency().min())
    }),
    gauge("max_file_descriptor_count", Count, "Files that this process may open", |s| {
        whole(s.descriptors.max)
    }),
    gauge("approximate_data_size", Bytes, "Paths and data of all znodes", |s| {
        whole(s.tree.data_bytes())
    }),
    gauge("open_file_descriptor_count", Count, "Files that this process has open", |s| {
        whole(s.descriptors.open)
    }),
    gauge("local_sessions", Count, "Sessions that are this server's alone", |s| {
        whole(s.gauges.local_sessions.get())
    }),
    gauge("uptime", Milliseconds, "Time since this server became what it is", |s| {
        whole(s.now.0 - s.quorum().since().unwrap_or(s.gauges.started).0)
    }),
    gauge("max_latency", Milliseconds, "Longest time from a request to its answer", |s| {
        whole(s.gauges.latency().max())
    }),
    gauge("outstanding_tls_handshake", Count, "TLS handshakes under way", |s| {
        Some(s.sum(|c| &c.handshakes))
    }),
    gauge("min_client_response_size", Bytes, "Size of the smallest answer", |s| {
        whole(response_min(s.gauges))
    }),
    gauge("non_mtls_local_conn_count", Count, "Connections without TLS from this machine", |_| {
        whole(0)
    }),
];

/// The gauges of the role (registerMetrics of the servers of an ensemble).
const ROLE: &[Metric] = &[
    gauge("learners", Count, "Learners connected to this leader", |s| {
        s.leading(|q| q.learners.get())
    }),
    gauge("synced_followers", Count, "Followers that get this leader's proposals", |s| {
        s.leading(|q| q.synced_followers.get())
    }),
    gauge("synced_non_voting_followers", Count, "Those of them that do not vote", |s| {
        s.leading(|q| q.synced_non_voting_followers.get())
    }),
    gauge("synced_observers", Count, "Observers that are told this leader's commits", |s| {
        s.leading(|q| q.synced_observers.get())
    }),
    gauge("pending_syncs", Count, "Clients' syncs that wait", |s| {
        s.leading(|q| q.pending_syncs.get())
    }),
    gauge("leader_uptime", Milliseconds, "Time since this leader has served", |s| {
        let since = s.quorum().serving_since();
        s.leading(|_| since.map_or(0, |since| s.now.0 - since.0))
    }),
    gauge("last_proposal_size", Bytes, "Size of the last proposal", |s| {
        s.leading(|q| q.proposal_last.get())
    }),
    gauge("max_proposal_size", Bytes, "Size of the largest proposal", |s| {
        s.leading(|q| q.proposal_max.get())
    }),
    gauge("min_proposal_size", Bytes, "Size of the smallest proposal", |s| {
        s.leading(|q| q.proposal_min.get())
    }),
    gauge("quorum_size", Count, "Voters of the committed configuration", |s| {
        s.quorum().has_role().then(|| Value::Whole(s.quorum().quorum_size.get()))
    }),
];

const COUNTERS: &[Metric] = &[
    counter("watch_bytes", Bytes, "Bytes of events sent", |s| Some(s.sum(|c| &c.watch_bytes))),
    counter("connection_rejected", Count, "Connections refused for a bound", |s| {
        Some(s.sum(|c| &c.connections_rejected))
    }),
    counter(
        "large_requests_rejected",
        Count,
        "Frames that were too long, alone or together",
        |s| Some(s.sum(|c| &c.large_requests_rejected)),
    ),
    counter(
        "sessionless_connections_expired",
        Count,
        "Connections closed without a session",
        |s| Some(s.sum(|c| &c.sessionless_expired)),
    ),
    counter(
        "connection_drop_count",
        Count,
        "Connections that ended without closing a session",
        |s| Some(s.sum(|c| &c.connections_dropped)),
    ),
    counter("bytes_received_count", Bytes, "Bytes received from clients", |s| {
        Some(s.sum(|c| &c.bytes_received))
    }),
    counter("prep_processor_request_queued", Count, "Requests made into transactions", |s| {
        whole(s.gauges.prepared.get())
    }),
    counter("response_bytes", Bytes, "Bytes of answers", |s| Some(s.sum(|c| &c.response_bytes))),
    counter("connection_revalidate_count", Count, "Sessions that have come back", |s| {
        Some(s.sum(|c| &c.revalidated))
    }),
    counter("outstanding_changes_queued", Count, "Transactions proposed", |s| {
        whole(s.gauges.prepared.get())
    }),
    counter("outstanding_changes_removed", Count, "Transactions proposed and committed", |s| {
        whole(s.gauges.prepared.get() - s.gauges.outstanding.get())
    }),
    counter("digest_mismatches_count", Count, "Transactions whose digest is not the tree's", |s| {
        whole(s.gauges.digest_mismatches.get())
    }),
    counter("snapshot_error_count", Count, "Snapshots that failed", |s| {
        whole(s.gauges.snapshot_errors.get())
    }),
    counter("connection_request_count", Count, "Connections that asked for a session", |s| {
        Some(s.sum(|c| &c.connection_requests))
    }),
    counter("stale_sessions_expired", Count, "Sessions that have expired", |s| {
        whole(s.gauges.stale_sessions_expired.get())
    }),
    counter("sync_processor_request_queued", Count, "Transactions given to the log", |s| {
        whole(s.gauges.prepared.get() + s.quorum().proposals_received.get())
    }),
    counter("looking_count", Count, "Elections that this server took part in", |s| {
        whole(s.quorum().looking_count.get())
    }),
    counter("proposal_count", Count, "Proposals of this leader", |s| {
        whole(s.quorum().proposal_count.get())
    }),
    counter("diff_count", Count, "Learners brought up to date by a DIFF", |s| {
        whole(s.quorum().diff_count.get())
    }),
    counter("snap_count", Count, "Learners brought up to date by a SNAP", |s| {
        whole(s.quorum().snap_count.get())
    }),
    counter("revalidate_count", Count, "Sessions that learners asked this leader about", |s| {
        whole(s.quorum().revalidate_count.get())
    }),
    counter("quit_leading_due_to_disloyal_voter", Count, "Reigns ended by voters that left", |s| {
        whole(s.quorum().disloyal_voters.get())
    }),
    counter("learner_proposal_received_count", Count, "Proposals received from leaders", |s| {
        whole(s.quorum().proposals_received.get())
    }),
    counter("learner_commit_received_count", Count, "Commits received from leaders", |s| {
        whole(s.quorum().commits_received.get())
    }),
    counter("commit_count", Count, "Commits that this leader decided", |s| {
        whole(s.quorum().commit_count.get())
    }),
    counter("request_commit_queued", Count, "Commits to be applied here", |s| {
        whole(s.quorum().commits_queued.get())
    }),
    idle("skip_learner_request_to_next_processor_count", "Learners' requests passed over"),
];

/// Netty, throttles, the admin server, the scheme "ensemble", watcher cleaners.
const IDLE: &[Metric] = &[
    counter("stale_requests_dropped", Count, "Requests dropped while they waited", |s| {
        Some(s.sum(|c| &c.stale_requests_dropped))
    }),
    counter("throttled_ops", Count, "Requests refused for their wait at the throttle", |s| {
        Some(s.sum(|c| &c.throttled_ops))
    }),
    idle("insecure_admin_count", "Plain requests to the admin server's secure port"),
    idle("dead_watchers_queued", "Watchers handed to the cleaner"),
    idle("stale_requests", "Requests whose connection had gone"),
    idle("add_dead_watcher_stall_time", "Waits for the cleaner of watchers"),
    counter("request_throttle_wait_count", Count, "Waits for the throttle of requests", |s| {
        Some(s.sum(|c| &c.throttle_waits))
    }),
    idle("stale_replies", "Answers whose connection had gone"),
    idle("ensemble_auth_fail", "Clients that named another ensemble"),
    idle("unrecoverable_error_count", "Errors that ended the server"),
    counter("unsuccessful_handshake", Count, "TLS sessions that failed", |s| {
        Some(s.sum(|c| &c.handshakes_failed))
    }),
    idle("ensemble_auth_skip", "Clients that named no ensemble"),
    idle("restore_error_count", "Restores by the admin server that failed"),
    idle("cnxn_closed_without_zk_server_running", "Connections closed before there was a server"),
    counter(
        "snapshot_rate_limited_count",
        Count,
        "Snapshots that the admin server refused for their rate",
        |s| whole(s.gauges.snapshots_rate_limited.get()),
    ),
    idle("dead_watchers_cleared", "Watchers that the cleaner has removed"),
    idle("ensemble_auth_success", "Clients that named this ensemble"),
    idle("restore_rate_limited_count", "Restores that the admin server refused for their rate"),
    idle("tls_handshake_exceeded", "Connections refused for too many TLS handshakes"),
];

/// Not ZooKeeper's: what clients make this server hold, and what they were refused.
pub const OURS: &[Metric] = &[
    gauge("watch_bytes_held", Bytes, "Memory of watches", |s| Some(s.sum(|c| &c.watch_bytes_held))),
    gauge("identity_bytes_held", Bytes, "Memory of proven identities", |s| {
        Some(s.sum(|c| &c.identity_bytes))
    }),
    gauge("request_bytes_held", Bytes, "Requests that are not whole, or not begun with", |s| {
        Some(s.sum(|c| &c.request_bytes))
    }),
    gauge("open_request_bytes", Bytes, "Requests that are not answered", |s| {
        Some(s.sum(|c| &c.open_bytes))
    }),
    gauge("output_bytes_held", Bytes, "Answers that have not left", |s| {
        Some(s.sum(|c| &c.output_bytes))
    }),
    counter("requests_deferred", Count, "Times that requests waited for a later turn", |s| {
        Some(s.sum(|c| &c.requests_deferred))
    }),
    counter("watches_refused", Count, "Watches beyond a bound", |s| {
        Some(s.sum(|c| &c.watches_refused))
    }),
    counter("identities_refused", Count, "Identities beyond a bound", |s| {
        Some(s.sum(|c| &c.identities_refused))
    }),
    counter("multi_reads_refused", Count, "Requests of multiRead beyond a bound", |s| {
        Some(s.sum(|c| &c.multi_reads_refused))
    }),
    counter("sessions_refused", Count, "Sessions beyond a bound", |s| {
        whole(s.gauges.sessions_refused.get())
    }),
    counter("audit_records", Count, "Records in the audit log", |s| {
        whole(s.gauges.audit.written.get())
    }),
    counter("audit_records_lost", Count, "Records that the audit log lacks", |s| {
        whole(s.gauges.audit.lost.get())
    }),
];

const SUMMARIES: &[Metric] = &[
    summary("node_created_watch_count", Count, "Watches fired by a creation", |s| {
        basic(&s.merged(|c| &c.fired_created))
    }),
    summary("node_deleted_watch_count", Count, "Watches fired by a deletion", |s| {
        basic(&s.merged(|c| &c.fired_deleted))
    }),
    summary("node_changed_watch_count", Count, "Watches fired by a change of data", |s| {
        basic(&s.merged(|c| &c.fired_changed))
    }),
    summary("node_children_watch_count", Count, "Watches fired by a change of children", |s| {
        basic(&s.merged(|c| &c.fired_children))
    }),
    summary("snapshottime", Milliseconds, "Time to write a snapshot", |s| {
        basic(&s.gauges.snapshot_time.values())
    }),
    summary("dbinittime", Milliseconds, "Time to load the database at the start", |s| {
        basic(&s.gauges.db_init_time.values())
    }),
    summary(
        "startup_snap_load_time",
        Milliseconds,
        "Time to load the snapshot at the start",
        |s| basic(&s.gauges.snap_load_time.values()),
    ),
    summary("startup_txns_loaded", Count, "Transactions replayed at the start", |s| {
        basic(&s.gauges.txns_loaded.values())
    }),
    summary("startup_txns_load_time", Milliseconds, "Time to replay them", |s| {
        basic(&s.gauges.txns_load_time.values())
    }),
    summary("election_time", Milliseconds, "Time from the loss of a leader to a decision", |s| {
        basic(&s.quorum().election_time.values())
    }),
    summary("follower_sync_time", Milliseconds, "Time to bring a follower up to date", |s| {
        basic(&s.quorum().follower_sync_time.values())
    }),
    summary("observer_sync_time", Milliseconds, "Time to bring an observer up to date", |s| {
        basic(&s.quorum().observer_sync_time.values())
    }),
    summary("unavailable_time", Milliseconds, "Time without service", |s| {
        basic(&s.quorum().unavailable_time.values())
    }),
    summary("leader_unavailable_time", Milliseconds, "Time without service before leading", |s| {
        basic(&s.quorum().leader_unavailable_time.values())
    }),
    summary("fsynctime", Milliseconds, "Time of a flush of the log", |s| {
        Some(Value::Summary(flushes(&s.gauges.log())))
    }),
    summary("sync_processor_batch_size", Count, "Transactions of a flush of the log", |s| {
        Some(Value::Summary(batches(&s.gauges.log())))
    }),
    summary("restore_time", Milliseconds, "Time of a restore by the admin server", |_| {
        basic(&SummaryValues::default())
    }),
    // Every handshake asks the bucket, of which nothing is in use where it is not configured.
    summary("connection_token_deficit", Count, "Tokens in use when a client came", |s| {
        basic(&s.merged(|c| &c.token_deficit))
    }),
    summary("netty_queued_buffer_capacity", Bytes, "Netty's queue", |_| {
        basic(&SummaryValues::default())
    }),
];

const PERCENTILES: &[Metric] = &[
    percentiles("readlatency", "Time from a read to its answer", |s| {
        spread(s.merged(|c| &c.read_latency))
    }),
    percentiles("updatelatency", "Time from a write to its answer", |s| {
        spread(s.merged(|c| &c.update_latency))
    }),
    percentiles("propagation_latency", "Time from a transaction to its application here", |s| {
        spread(s.gauges.propagation.values())
    }),
    percentiles("quorum_ack_latency", "Time from a proposal to its quorum", |s| {
        spread(s.quorum().quorum_ack_latency.values())
    }),
    percentiles("proposal_latency", "Time from a transaction to its proposal's arrival", |s| {
        spread(s.quorum().proposal_latency.values())
    }),
    // Where there is a throttle; Java's is fed by every request, and is flat without one.
    percentiles("request_throttle_queue_time_ms", "Time at the throttle of requests", |s| {
        let waits = s.merged(|c| &c.throttle_wait);
        if waits.count() > 0 { spread(waits) } else { None }
    }),
    percentiles("jvm_pause_time_ms", "Pauses of the JVM", |_| spread(SummaryValues::default())),
    percentiles("om_commit_process_time_ms", "Time of a commit at an observer master", |_| {
        spread(SummaryValues::default())
    }),
    percentiles("dead_watchers_cleaner_latency", "Time of the cleaner of watchers", |_| {
        spread(SummaryValues::default())
    }),
    percentiles("om_proposal_process_time_ms", "Time of a proposal at an observer master", |_| {
        spread(SummaryValues::default())
    }),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TreeOptions;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_is_described_once_and_has_a_value_of_its_kind() {
        // Goal: whoever prints the list can rely on kinds, and no name stands twice.
        let gauges = Gauges::new(2, Millis(0));
        let (tree, _writer) = Tree::new(TreeOptions::default());
        let descriptors = Descriptors { open: 3, max: 9 };
        let sources = Sources {
            gauges: &gauges,
            tree: &tree,
            version: "3.9.5",
            connections: 1,
            descriptors,
            mode: Mode::Standalone,
            now: Millis(5),
        };
        let mut names = BTreeSet::new();
        for metric in all() {
            assert!(names.insert(metric.name), "{} twice", metric.name);
            assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{}", metric.name);
            let Some(value) = metric.read(&sources) else { continue };
            let fits = match metric.kind {
                Kind::Text => matches!(value, Value::Text(_)),
                Kind::Gauge | Kind::Counter => matches!(value, Value::Whole(_) | Value::Decimal(_)),
                Kind::Summary => matches!(value, Value::Summary(_)),
                Kind::Percentiles => matches!(value, Value::Percentiles(_)),
            };
            assert!(fits, "{}: {value:?} is no {:?}", metric.name, metric.kind);
        }
        assert!(names.len() > 80, "{}", names.len());
    }
}
