//! What the commands tell, as JSON with Java's keys in Java's order.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::given::Given;
use crate::admin::listings::{self, SessionLine, Watching};
use crate::admin::metrics as mntr;
use crate::admin::version::{BUILT, VERSION};
use crate::admin::words::{self, Commands};
use crate::codec::txn::TxnDigest;
use crate::metrics::catalogue::{self, Basic, Value as Figure};
use crate::metrics::gauges::ConnGauges;
use crate::metrics::quorum::Mode;
use crate::types::{Millis, SessionId};

/// Keys and values in their order.
pub(super) type View = Map<String, Value>;

fn view(entries: impl IntoIterator<Item = (&'static str, Value)>) -> View {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// ZooKeeperServerConf.toMap.
pub(super) fn configuration(commands: &Commands) -> View {
    let facts = &commands.facts;
    let absolute = |folder: &std::path::Path| {
        std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).display().to_string()
    };
    let client_port = commands.gauges.quorum.client_port().map_or(facts.client_port, i64::from);
    view([
        ("client_port", client_port.into()),
        ("data_dir", absolute(&facts.data_dir).into()),
        ("data_log_dir", absolute(&facts.log_dir).into()),
        ("tick_time", facts.tick_time.into()),
        ("max_client_cnxns", facts.max_client_cnxns.into()),
        ("min_session_timeout", facts.min_session_timeout.into()),
        ("max_session_timeout", facts.max_session_timeout.into()),
        ("server_id", facts.server_id.into()),
        ("client_port_listen_backlog", facts.backlog.into()),
    ])
}

/// ServerCnxn.getConnectionInfo of every connection.
pub(super) fn connections(commands: &Commands, brief: bool) -> View {
    let (mut plain, mut secure): (Vec<Value>, Vec<Value>) = Default::default();
    commands.each_connection(|conn| {
        let all = if conn.secure.get() == 1 { &mut secure } else { &mut plain };
        all.push(Value::Object(connection(conn, brief)));
    });
    view([("connections", plain.into()), ("secure_connections", secure.into())])
}

fn connection(conn: &ConnGauges, brief: bool) -> View {
    let mut info = view([
        ("remote_socket_address", listings::address(conn.peer).into()),
        ("interest_ops", 1.into()),
        ("outstanding_requests", conn.queued.get().into()),
        ("packets_received", conn.received.get().into()),
        ("packets_sent", conn.sent.get().into()),
    ]);
    if brief {
        return info;
    }
    let count = conn.latency_count.get();
    let of_some = |value: i64| if count == 0 { 0 } else { value };
    info.extend(view([
        ("session_id", conn.session.get().into()),
        ("last_operation", words::op_code_word(conn.last_op.get()).into()),
        ("established", conn.established.0.into()),
        ("session_timeout", conn.timeout.get().into()),
        ("last_cxid", conn.last_cxid.get().into()),
        ("last_zxid", conn.last_zxid.get().into()),
        ("last_response_time", conn.last_response.get().into()),
        ("last_latency", conn.last_latency.get().into()),
        ("min_latency", of_some(conn.latency_min.get()).into()),
        ("avg_latency", of_some(conn.latency_sum.get().checked_div(count).unwrap_or(0)).into()),
        ("max_latency", conn.latency_max.get().into()),
    ]));
    info
}

/// DirsCommand.
pub(super) fn dirs(given: &Given) -> View {
    view([("datadir_size", given.data_bytes.into()), ("logdir_size", given.log_bytes.into())])
}

/// DumpCommand. A session that another server decides about has no time here.
pub(super) fn dump(sessions: &[SessionLine], ephemerals: &[(SessionId, Vec<String>)]) -> View {
    let mut by_expiry: BTreeMap<Millis, Vec<i64>> = BTreeMap::new();
    for line in sessions {
        if let Some(expires) = line.expires {
            by_expiry.entry(expires).or_default().push(line.session.0);
        }
    }
    let by_expiry: View =
        by_expiry.into_iter().map(|(at, ids)| (at.0.to_string(), ids.into())).collect();
    let paths: View =
        ephemerals.iter().map(|(id, paths)| (id.0.to_string(), paths.clone().into())).collect();
    view([
        ("expiry_time_to_session_ids", by_expiry.into()),
        ("session_id_to_ephemeral_paths", paths.into()),
    ])
}

/// EnvCommand, from what `envi` says.
pub(super) fn environment(text: &str) -> View {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// DigestCommand.
pub(super) fn hash(commands: &Commands) -> View {
    let history = commands.tree.digest_history();
    let digests = history.iter().map(|(zxid, digest)| {
        // Java's long is signed.
        json!({"zxid": zxid.0, "digest": *digest as i64, "digest_version": TxnDigest::VERSION})
    });
    view([("digests", digests.collect())])
}

/// MonitorCommand: what `mntr` has, without `zk_`.
pub(super) fn monitor(commands: &Commands, mode: Mode, now: Millis) -> View {
    let version = format!("{VERSION}, {BUILT}");
    let sources = commands.sources(&version, mode, now);
    let mut out = View::new();
    for metric in catalogue::all() {
        let name = metric.name;
        match metric.read(&sources) {
            None => {}
            Some(Figure::Text(text)) => drop(out.insert(name.to_owned(), text.into())),
            Some(Figure::Whole(value)) => drop(out.insert(name.to_owned(), value.into())),
            Some(Figure::Decimal(value)) => drop(out.insert(name.to_owned(), rounded(value))),
            Some(Figure::Summary(values)) => summary(&mut out, name, &values),
            Some(Figure::Percentiles(values)) => {
                summary(&mut out, name, &Basic::from(&values));
                for (prefix, at) in mntr::PERCENTILES {
                    out.insert(format!("{prefix}_{name}"), values.percentile(at).into());
                }
            }
        }
    }
    out
}

fn summary(out: &mut View, name: &str, values: &Basic) {
    out.insert(format!("avg_{name}"), rounded(values.average));
    for (prefix, value) in
        [("min", values.min), ("max", values.max), ("cnt", values.count), ("sum", values.sum)]
    {
        out.insert(format!("{prefix}_{name}"), value.into());
    }
}

/// Java rounds averages to four digits.
fn rounded(value: f64) -> Value {
    ((value * 1e4).round() / 1e4).into()
}

/// SrvrCommand, and with `connections` StatCommand.
pub(super) fn server_stats(commands: &Commands, mode: Mode, given: &Given, now: Millis) -> View {
    let gauges = &commands.gauges;
    let sizes = |last: i64, min: i64, max: i64| json!({"last_buffer_size": last, "min_buffer_size": min, "max_buffer_size": max});
    let cores = || gauges.cores.iter();
    let least = cores().map(|core| core.response_min.get()).filter(|min| *min >= 0).min();
    let responses = sizes(
        cores().map(|core| core.response_last.get()).max().unwrap_or(-1),
        least.unwrap_or(-1),
        cores().map(|core| core.response_max.get()).max().unwrap_or(-1),
    );
    let latency = gauges.latency();
    let quorum = &gauges.quorum;
    let stats = view([
        ("packets_sent", gauges.sum(|core| &core.sent).into()),
        ("packets_received", gauges.sum(|core| &core.received).into()),
        ("fsync_threshold_exceed_count", gauges.log().slow_flushes.into()),
        ("client_response_stats", responses.clone()),
        ("provider_null", false.into()),
        ("data_dir_size", given.data_bytes.into()),
        ("log_dir_size", given.log_bytes.into()),
        ("last_processed_zxid", commands.tree.applied().0.into()),
        ("outstanding_requests", gauges.outstanding.get().into()),
        ("server_state", mode.word().into()),
        ("avg_latency", rounded(latency.average())),
        ("max_latency", latency.max().into()),
        ("min_latency", latency.min().into()),
        ("num_alive_client_connections", commands.connection_count().into()),
        ("uptime", (now.0 - quorum.since().unwrap_or(gauges.started).0).into()),
        ("auth_failed_count", gauges.sum(|core| &core.auth_failed).into()),
        ("non_mtlsremote_conn_count", 0.into()),
        ("non_mtlslocal_conn_count", 0.into()),
    ]);
    let mut out = view([
        ("version", format!("{VERSION}, {BUILT}").into()),
        ("read_only", (mode == Mode::ReadOnly).into()),
        ("server_stats", stats.into()),
        ("client_response", responses),
    ]);
    if mode == Mode::Leader {
        let (last, min, max) = (&quorum.proposal_last, &quorum.proposal_min, &quorum.proposal_max);
        out.insert("proposal_stats".to_owned(), sizes(last.get(), min.get(), max.get()));
    }
    out.insert("node_count".to_owned(), commands.tree.node_count().into());
    out
}

/// SyncedObserverConsCommand. Of what Java tells of each, this has what a leader here knows.
pub(super) fn observers(commands: &Commands, mode: Mode, given: &Given) -> View {
    let quorum = &commands.gauges.quorum;
    let leads = mode == Mode::Leader;
    let observers = given.observers.iter().map(|observer| {
        json!({
            "sid": observer.server.0,
            "queued_packets_size": observer.queued_bytes,
            "last_zxid": observer.acked.0,
        })
    });
    let synced = if leads { quorum.synced_observers.get() } else { 0 };
    view([("synced_observers", synced.into()), ("observers", observers.collect())])
}

/// LastSnapshotCommand. `None`: there is none.
pub(super) fn last_snapshot(given: &Given) -> View {
    // Long.toHexString(-1).
    let none = ("ffffffffffffffff".to_owned(), -1);
    let snapshot = given.last_snapshot.map(|(zxid, seconds)| (format!("{:x}", zxid.0), seconds));
    let (zxid, timestamp) = snapshot.unwrap_or(none);
    view([("zxid", zxid.into()), ("timestamp", timestamp.into())])
}

/// WatchesPathReport.
pub(super) fn watches_by_path(watching: &Watching) -> View {
    let paths: View = watching
        .iter()
        .map(|(path, sessions)| (path.clone(), sessions.iter().map(|id| id.0).collect()))
        .collect();
    view([("path_to_session_ids", paths.into())])
}

/// WatchesReport.
pub(super) fn watches(watching: &Watching) -> View {
    let mut by_session: BTreeMap<SessionId, Vec<&str>> = BTreeMap::new();
    for (path, sessions) in watching {
        for session in sessions {
            by_session.entry(*session).or_default().push(path);
        }
    }
    let sessions: View =
        by_session.into_iter().map(|(id, paths)| (id.0.to_string(), paths.into())).collect();
    view([("session_id_to_watched_paths", sessions.into())])
}

/// WatchesSummary.toMap.
pub(super) fn watch_summary(commands: &Commands) -> View {
    let sum = |of: fn(&crate::metrics::gauges::CoreGauges) -> &crate::metrics::figure::Figure| {
        Value::from(commands.gauges.sum(of))
    };
    view([
        ("num_connections", sum(|core| &core.watching_conns)),
        ("num_paths", sum(|core| &core.watched_paths)),
        ("num_total_watches", sum(|core| &core.data_watches)),
    ])
}
