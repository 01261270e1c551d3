//! What operators see a server by: the admin server (JettyAdminServer, Commands) and the page of
//! metrics (MetricsProviderBootstrap, PrometheusMetricsProvider).

use super::listen::address;
use super::source::{Found, Source};
use super::value::{ANY, NATURAL, POSITIVE, flag, number};
use super::{AdminSettings, ConfigError, Listen, MetricNames, MetricsSettings, SlowSettings, tls};

/// JettyAdminServer.DEFAULT_PORT.
const ADMIN_PORT: i64 = 8080;
/// PrometheusMetricsProvider's.
const METRICS_PORT: i64 = 7000;
/// Commands.rateLimiterInterval, milliseconds.
const RATE_INTERVAL: i64 = 300_000;

/// `ringkeeper.live.ms`: twice as long as an ensemble waits for one of its own by default.
const LIVE_MS: i64 = 10_000;
/// `ringkeeper.ready.ms`: what a client would call hanging.
const READY_MS: i64 = 2_000;
/// What either may be: an answer has to come before whoever probes gives up.
const WITHIN: std::ops::RangeInclusive<i64> = 10..=600_000;

const PROMETHEUS: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
/// Providers without a page: `mntr` has the figures here, whichever of them is named.
const WITHOUT_PAGE: [&str; 2] = [
    "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
    "org.apache.zookeeper.metrics.impl.NullMetricsProvider",
];

/// `None`: there is none. Java's admin server is on unless `admin.enableServer` is this very word:
/// "false". Where nobody has asked for it by any of its keys it is for this machine alone.
pub(super) fn admin(s: &mut Source<'_>) -> Result<Option<AdminSettings>, ConfigError> {
    let is_named = s.names_any("admin.");
    let is_on = s.property("admin.enableServer").is_none_or(|found| found.value != "false");
    let ip = address(s.property("admin.serverAddress"))?;
    let port = number(s.property("admin.serverPort"), PORT, "a port", ADMIN_PORT)? as u16;
    let idle = number(s.property("admin.idleTimeout"), ANY, "milliseconds", 30_000)?;
    let url = s.property("admin.commandURL");
    let url = match url {
        None => "/commands".to_owned(),
        Some(found) if found.value.starts_with('/') => found.value.trim_end_matches('/').to_owned(),
        Some(found) => return Err(found.refuse("a path that begins with /")),
    };
    // Of TLS only (UnifiedConnectionFactory).
    number(s.property("admin.httpVersion"), ANY, "a version such as 11", 11)?;
    let interval = s.property("admin.rateLimiterIntervalInMS");
    let interval = number(interval, ANY, "milliseconds", RATE_INTERVAL)?;
    let of_snapshots = s.property("admin.snapshot.intervalInMS");
    // Only what `restore` would be limited by, which is not served.
    number(s.property("admin.restore.intervalInMS"), ANY, "milliseconds", interval)?;
    s.property("admin.restore.enabled");
    let settings = AdminSettings {
        listen: Listen { ip, port },
        is_named,
        url,
        idle_ms: (idle > 0).then_some(idle),
        snapshots: flag(s.property("admin.snapshot.enabled"), true),
        // SnapshotCommand takes the number for microseconds.
        snapshot_interval_ms: match of_snapshots {
            Some(found) => found.number(ANY, "milliseconds")?,
            None => interval / 1000,
        },
        trusts_proxy: flag(s.property("IPAuthenticationProvider.usexforwardedfor"), false),
        live_ms: number(s.file("ringkeeper.live.ms"), WITHIN, "milliseconds", LIVE_MS)? as u64,
        ready_ms: number(s.file("ringkeeper.ready.ms"), WITHIN, "milliseconds", READY_MS)? as u64,
        tls: if is_on { tls::admin(s)? } else { None },
    };
    Ok(is_on.then_some(settings))
}

const PORT: std::ops::RangeInclusive<i64> = 0..=65_535;

/// `None`: no page.
pub(super) fn metrics(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<Option<MetricsSettings>, ConfigError> {
    let class = s.file("metricsProvider.className");
    let is_prometheus = match &class {
        None => false,
        Some(found) if found.value == PROMETHEUS => true,
        Some(found) if WITHOUT_PAGE.contains(&found.value.as_str()) => false,
        Some(found) => {
            let [default, none] = WITHOUT_PAGE;
            return Err(found.refuse(format!("{PROMETHEUS}, {default} or {none}")));
        }
    };
    let ip = address(s.file("metricsProvider.httpHost"))?;
    let (plain, secure) = (s.file("metricsProvider.httpPort"), s.file("metricsProvider.httpsPort"));
    let port = number(plain.clone(), PORT, "a port", METRICS_PORT)? as u16;
    let secure = secure.filter(|_| is_prometheus);
    // 3.10: either port, or both; 7000 where neither is named, as in 3.9.
    let listen = (plain.is_some() || secure.is_none()).then_some(Listen { ip, port });
    let process = flag(s.file("metricsProvider.exportJvmInfo"), true);
    // Java's threads, which take values out of the requests' way.
    number(s.file("metricsProvider.numWorkerThreads"), ANY, "threads", 1)?;
    number(s.file("metricsProvider.maxQueueSize"), POSITIVE, "values", 1_000_000)?;
    number(s.file("metricsProvider.workerShutdownTimeoutMs"), ANY, "milliseconds", 1000)?;
    let names = names(s.file("ringkeeper.metrics.names"))?;
    let secure = match secure {
        None => None,
        Some(found) => {
            let port = found.number(PORT, "a port")? as u16;
            Some((Listen { ip, port }, tls::metrics(s, &found, remarks)?))
        }
    };
    Ok(is_prometheus.then_some(MetricsSettings { listen, secure, process, names }))
}

fn names(found: Option<Found>) -> Result<MetricNames, ConfigError> {
    match found {
        None => Ok(MetricNames::default()),
        Some(found) => match found.value.as_str() {
            "3.9" => Ok(MetricNames::Plain),
            "3.10" => Ok(MetricNames::Total),
            _ => Err(found.refuse("3.9 (plain names) or 3.10 (counters end in _total)")),
        },
    }
}

/// `None`: no operation is called slow.
pub(super) fn slow(s: &mut Source<'_>) -> Result<Option<SlowSettings>, ConfigError> {
    let threshold_ms = number(s.file("ringkeeper.slow.ms"), NATURAL, "milliseconds", 0)?;
    let keep = number(s.file("ringkeeper.slow.keep"), 1..=10_000, "operations", 128)? as usize;
    Ok((threshold_ms > 0).then_some(SlowSettings { threshold_ms, keep }))
}

/// Keys that a Java server makes system properties, and the flags: what `system_properties` tells.
/// Nobody reads a secret there.
pub(super) fn properties(s: &Source<'_>) -> Vec<(String, String)> {
    let file = s.file.iter().filter(|p| !is_parsed_by_name(&p.key));
    let file = file.map(|p| (format!("zookeeper.{}", p.key), p.value.clone()));
    let flags = s.flags().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    // The file's are set last.
    let all: std::collections::BTreeMap<String, String> = flags.chain(file).collect();
    let hidden = all.into_iter().map(|(name, value)| {
        let value = shown(&name, value);
        (name, value)
    });
    hidden.collect()
}

/// What is no property in Java either (QuorumPeerConfig.parseProperties).
fn is_parsed_by_name(key: &str) -> bool {
    const NAMES: &[&str] = &[
        "dataDir",
        "dataLogDir",
        "clientPort",
        "localSessionsEnabled",
        "localSessionsUpgradingEnabled",
        "clientPortAddress",
        "secureClientPort",
        "secureClientPortAddress",
        "observerMasterPort",
        "tickTime",
        "maxClientCnxns",
        "minSessionTimeout",
        "maxSessionTimeout",
        "initLimit",
        "syncLimit",
        "connectToLearnerMasterLimit",
        "electionAlg",
        "quorumListenOnAllIPs",
        "peerType",
        "syncEnabled",
        "dynamicConfigFile",
        "autopurge.snapRetainCount",
        "autopurge.purgeInterval",
        "standaloneEnabled",
        "reconfigEnabled",
        "sslQuorum",
        "portUnification",
        "sslQuorumReloadCertFiles",
        "clientPortListenBacklog",
        "oraclePath",
    ];
    const FAMILIES: &[&str] = &[
        "server.",
        "group",
        "weight",
        "quorum.",
        "jvm.pause.",
        "metricsProvider.",
        "multiAddress.",
        "ringkeeper.",
    ];
    NAMES.contains(&key) || FAMILIES.iter().any(|family| key.starts_with(family))
}

/// A value, or for a secret what stands in its place (ZOOKEEPER-5049's redaction, of whatever names
/// a secret).
pub(super) fn shown(key: &str, value: String) -> String {
    let key = key.to_ascii_lowercase();
    let secrets = ["password", "passwd", "secret", "superdigest", "credential"];
    // A path to a secret is none.
    let is_secret = secrets.iter().any(|word| key.contains(word)) && !key.ends_with("path");
    if is_secret { "***".to_owned() } else { value }
}

/// The file as `initial_configuration` tells it: its lines, with secrets left out.
pub(super) fn initial(s: &Source<'_>) -> String {
    let lines = s.file.iter().map(|p| format!("{}={}\n", p.key, shown(&p.key, p.value.clone())));
    lines.collect()
}
