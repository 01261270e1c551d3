//! Keys that are recognised and do nothing in this server, each group with its reason.
//!
//! A name ending in `*` stands for all keys that begin with it. Names are as in a zoo.cfg; the
//! same with `zookeeper.` in front are the flags.

/// Knobs of Java's threads, buffers and VM.
const JVM: &[&str] = &[
    "quorum.cnxn.threads.size",
    "leader.ackLoggingFrequency",
    "leader.closeSocketAsync",
    "learner.*",
    "jvm.pause.*",
    "watchManagerName",
    "watcherCleanThreadsNum",
    "watcherCleanThreshold",
    "watcherCleanIntervalInSeconds",
    "maxInProcessingDeadWatchers",
    "bitHashCacheSize",
    "maxResponseCacheSize",
    "maxGetChildrenResponseCacheSize",
    "follower.skipLearnerRequestToNextProcessor",
    "forward_learner_requests_to_commit_processor_disabled",
    "nio.numSelectorThreads",
    "nio.numWorkerThreads",
    "nio.directBufferBytes",
    "nio.shutdownTimeout",
    "commitProcessor.*",
    "serverCnxnFactory",
    "netty.*",
    "request_throttler.shutdownTimeout",
    "request_throttle_stall_time",
    "requestThrottleStallTime",
    "intBufferStartingSizeBytes",
    "messageTracker.*",
    "pathStats.*",
    "jmx.*",
    "log4j.*",
    "advancedFlowControlEnabled",
    "root.logger",
    "console.threshold",
    "log.dir",
    "log.file",
    "log.threshold",
    "log.maxfilesize",
    "log.maxbackupindex",
    "tracelog.*",
    "auditlog.*",
    "logback.*",
    "vm.*",
];

/// What only a server of an ensemble reads; Java's standalone server passes over these too.
const ENSEMBLE: &[&str] = &[
    "initLimit",
    "syncLimit",
    "connectToLearnerMasterLimit",
    "electionAlg",
    "quorumListenOnAllIPs",
    "observerMasterPort",
    "peerType",
    "syncEnabled",
    "observer.syncEnabled",
    "sslQuorum",
    "portUnification",
    "quorum.auth.*",
    "multiAddress.*",
    "oraclePath",
    "snapshotSizeFactor",
    "fastleader.*",
    "leader.*",
    "learner.*",
    "leaderServes",
    "leaderConnectDelayDuringRetryMs",
    "cnxTimeout",
    "quorumCnxnTimeoutMs",
    "electionPortBindRetry",
    "tcpKeepAlive",
    "maxConcurrentSnapSyncs",
    "maxConcurrentDiffSyncs",
    "maxTimeToWaitForEpoch",
    "forceSnapshotSync",
    "observer.*",
    "observerMaster.*",
    "kerberos.canonicalizeHostNames",
    "version",
];

/// Full names (no `zookeeper.`) of the same two sorts, from flags or the file.
const FULL_NAMES: &[(&str, &str)] = &[
    ("leader.nodelay", WHY_NODELAY),
    ("follower.nodelay", WHY_NODELAY),
    ("com.sun.*", WHY_JVM),
    ("java.*", WHY_JVM),
    ("sun.*", WHY_JVM),
    ("jdk.*", WHY_JVM),
    ("user.*", WHY_JVM),
    ("file.*", WHY_JVM),
    ("log4j.*", WHY_JVM),
    ("log4j2.*", WHY_JVM),
    ("logback.*", WHY_JVM),
    ("visualvm.*", WHY_JVM),
    ("org.slf4j.*", WHY_JVM),
];

/// Features this version does not have.
const NOT_SERVED: &[(&str, &str)] = &[
    ("metricsProvider.*", "a setting of a metrics provider of Java's"),
    ("ensembleAuthName", "the scheme \"ensemble\" is not served by this version"),
    ("sasl.*", WHY_SASL),
    ("kerberos.*", WHY_KERBEROS),
    ("requireKerberosConfig", WHY_KERBEROS),
    ("kinit", WHY_KERBEROS),
    ("server.principal", WHY_KERBEROS),
    ("server.realm", WHY_KERBEROS),
    ("testingonly.*", "a hook of Java's own tests"),
    ("test.*", "a hook of Java's own tests"),
];

/// What only a port for servers, or the admin server's, asks for where it speaks TLS.
const TLS_BETWEEN: &[&str] = &["ssl.quorum.*", "sslQuorumReloadCertFiles"];

/// What only a port with TLS asks for; and knobs of Java's library for it.
const TLS_PORT: &[&str] = &["ssl.*", "client.certReload", "fips-mode"];

/// Read by clients and command-line tools.
const CLIENT: &[&str] = &[
    "client.secure",
    "clientCnxnSocket",
    "sasl.client*",
    "request.timeout",
    "disableAutoWatchReset",
    "cli.*",
];

const WHY_JVM: &str = "a setting of the Java VM or its threads";
const WHY_ENSEMBLE: &str = "a standalone server does not use it";
const WHY_UNUSED: &str = "this version does not use it";
const WHY_NODELAY: &str = "connections between servers never wait for more to send";
const WHY_NO_TLS_BETWEEN: &str =
    "none of sslQuorum, portUnification, admin.forceHttps and admin.portUnification is true";
const WHY_NO_TLS_PORT: &str = "no port of the clients' speaks TLS, or another key is meant";
const WHY_SASL: &str = "a setting of SASL that ZooKeeper's servers do not read";
const WHY_KERBEROS: &str = "GSSAPI (Kerberos) is not served by this version";

pub(super) enum KeyKind {
    NoEffect(&'static str),
    NotServed(&'static str),
    Unknown,
    /// A flag without ZooKeeper's prefix that is none of those it reads.
    Foreign,
}

/// Names of all lists, for hints at what may have been meant; groups are left out.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let listed = [JVM, ENSEMBLE, TLS_BETWEEN, TLS_PORT, CLIENT].into_iter().flatten().copied();
    listed.chain(NOT_SERVED.iter().map(|(name, _)| *name)).filter(|name| !name.ends_with('*'))
}

/// `key`: as in the file, or a flag's name with `zookeeper.` removed; `full`: it is a flag without
/// that prefix.
pub(super) fn kind_of(key: &str, full: bool, ensemble: bool) -> KeyKind {
    if let Some((_, why)) = NOT_SERVED.iter().find(|(name, _)| matches(name, key))
        && !CLIENT.iter().any(|name| matches(name, key))
    {
        return KeyKind::NotServed(why);
    }
    if let Some((_, why)) = FULL_NAMES.iter().find(|(name, _)| matches(name, key)) {
        return KeyKind::NoEffect(why);
    }
    if full {
        return KeyKind::Foreign;
    }
    let why_ensemble = if ensemble { WHY_UNUSED } else { WHY_ENSEMBLE };
    for (names, why) in [
        (JVM, WHY_JVM),
        (TLS_BETWEEN, WHY_NO_TLS_BETWEEN),
        (ENSEMBLE, why_ensemble),
        (TLS_PORT, WHY_NO_TLS_PORT),
        (CLIENT, "read by clients, not by servers"),
    ] {
        if names.iter().any(|name| matches(name, key)) {
            return KeyKind::NoEffect(why);
        }
    }
    KeyKind::Unknown
}

fn matches(name: &str, key: &str) -> bool {
    match name.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => name == key,
    }
}
