//! Whole configurations: what they mean, and what a wrong one is told.

use std::path::Path;
use std::time::Duration;

use super::*;

mod ensemble;

const BASE: &str = "dataDir=/var/lib/zk\nclientPort=2181\n";

fn read(text: &str) -> Result<Settings, ConfigError> {
    read_with(text, "")
}

fn read_with(text: &str, flags: &str) -> Result<Settings, ConfigError> {
    let mut parsed = Flags::default();
    parsed.add(flags);
    Settings::parse(&Properties::parse(Path::new("zoo.cfg"), text.as_bytes())?, &parsed)
}

fn with(extra: &str) -> Settings {
    read(&format!("{BASE}{extra}")).unwrap()
}

fn refusal(extra: &str) -> String {
    read(&format!("{BASE}{extra}")).unwrap_err().to_string()
}

#[test]
fn a_bare_file_has_javas_defaults() {
    let s = with("");
    assert_eq!(s.data_dir, Path::new("/var/lib/zk"));
    assert_eq!(s.data_log_dir, s.data_dir);
    assert_eq!(s.client.listen, Listen { ip: None, port: 2181 });
    assert_eq!(
        (s.tick_ms, s.session.timeout_ms_min, s.session.timeout_ms_max),
        (3000, 6000, 60_000)
    );
    assert_eq!(s.limits.cnxns_per_address, 60);
    assert_eq!((s.limits.jute_maxbuffer, s.limits.jute_extra), (0xfffff, 0xfffff));
    assert_eq!((s.snapshot.txn_count, s.snapshot.log_bytes), (100_000, Some(4 << 30)));
    assert_eq!((s.log.prealloc_bytes, s.log.size_limit_bytes), (64 << 20, None));
    assert!(s.log.force_sync && s.tree.digest && s.snapshot.last_zxid_section);
    assert_eq!(s.autopurge, AutopurgeSettings { retain: 3, interval: None });
    assert_eq!(s.four_letter.commands, ["srvr"]);
    assert!(s.four_letter.allows("srvr") && !s.four_letter.allows("ruok"));
    assert!(s.unknown.is_empty() && s.no_effect.is_empty() && s.not_served.is_empty());
    assert!(s.remarks.is_empty());
}

#[test]
fn properties_come_from_the_file_and_from_flags_and_the_file_wins() {
    let text = format!("{BASE}snapCount=7\nznode.container.maxPerMinute=9\njute.maxbuffer=100\n");
    let flags = "-Dzookeeper.snapCount=8 -Dzookeeper.globalOutstandingLimit=11 -Djute.maxbuffer=0x200 \
                 -Dzookeeper.4lw.commands.whitelist=ruok,mntr -Dreadonlymode.enabled=true -Xmx1g \
                 -Dzookeeper.tickTime=5";
    let s = read_with(&text, flags).unwrap();
    assert_eq!(s.snapshot.txn_count, 7);
    assert_eq!(s.limits.global_outstanding, 11);
    // Java can only get this one from a flag, so the flag wins over our own extension.
    assert_eq!((s.limits.jute_maxbuffer, s.limits.jute_extra), (0x200, 1024));
    assert_eq!(s.containers.deletions_per_minute, 9);
    assert_eq!(s.four_letter.commands, ["isro", "mntr", "ruok", "srvr"]);
    // A key parsed by name is no property.
    assert_eq!(s.tick_ms, 3000);
    assert_eq!(
        s.unknown.iter().map(|n| n.key.as_str()).collect::<Vec<_>>(),
        ["zookeeper.tickTime"]
    );
    assert_eq!(s.no_effect.iter().map(|n| n.key.as_str()).collect::<Vec<_>>(), ["-Xmx1g"]);
}

#[test]
fn documentation_names_work_like_their_properties() {
    for (doc, property) in [
        ("connectionMaxTokens=5", "connection_throttle_tokens=5"),
        ("requestThrottleLimit=6", "request_throttle_max_requests=6"),
        ("requestThrottleStallTime=6", "request_throttle_stall_time=6"),
        ("requestThrottleDropStale=false", "request_throttle_drop_stale=false"),
        ("requestStaleLatencyCheck=true", "request_stale_latency_check=true"),
        ("throttledOpWaitTime=4", "throttled_op_wait_time=4"),
    ] {
        let (a, b) = (with(doc), with(property));
        assert_eq!(a.throttle, b.throttle, "{doc}");
        assert_ne!(a.throttle, with("").throttle, "{doc}");
        assert!(a.unknown.is_empty() && b.unknown.is_empty(), "{doc}");
    }
}

#[test]
fn keys_are_sorted_into_unknown_without_effect_and_not_served() {
    let s = with(
        "tiktTime=2000\ninitLimit=5\nnio.numWorkerThreads=4\nssl.keyStore.location=/k\n\
                  admin.httpVersion=11\nsasl.client=true\n",
    );
    let names = |list: &[Noted]| list.iter().map(|n| n.key.clone()).collect::<Vec<_>>();
    assert_eq!(names(&s.unknown), ["tiktTime"]);
    assert_eq!(s.unknown[0].place, "zoo.cfg line 3");
    assert_eq!(
        names(&s.no_effect),
        ["initLimit", "nio.numWorkerThreads", "admin.httpVersion", "sasl.client"]
    );
    assert_eq!(names(&s.not_served), ["ssl.keyStore.location"]);
}

#[test]
fn wrong_values_are_told_key_value_place_and_what_is_allowed() {
    for (line, text) in [
        ("tickTime=0", "tickTime=0 in zoo.cfg line 3: must be milliseconds from 1 to 2147483647"),
        ("tickTime=2s", "tickTime=2s in zoo.cfg line 3: must be milliseconds from 1 to 2147483647"),
        ("clientPort=65536", "clientPort=65536 in zoo.cfg line 3: must be a port from 0 to 65535"),
        ("reconfigEnabled=yes", "reconfigEnabled=yes in zoo.cfg line 3: must be true or false"),
        ("syncEnabled=1", "syncEnabled=1 in zoo.cfg line 3: must be true or false"),
        ("electionAlg=2", "electionAlg=2 in zoo.cfg line 3: must be 3"),
        ("peerType=voter", "peerType=voter in zoo.cfg line 3: must be participant or observer"),
        (
            "snapSizeLimitInKb=0",
            "snapSizeLimitInKb=0 in zoo.cfg line 3: must be KiB above 0, or negative for no limit",
        ),
        (
            "autopurge.purgeInterval=1w",
            "autopurge.purgeInterval=1w in zoo.cfg line 3: must be hours, or a number with ms, s, m, h or d",
        ),
        (
            "ringkeeper.cores.control=0-1",
            "ringkeeper.cores.control=0-1 in zoo.cfg line 3: must be auto or the number of one CPU",
        ),
        (
            "ringkeeper.core.log=1",
            "ringkeeper.core.log=1 in zoo.cfg line 3: must be one of our own keys; there is no \"core.log\"",
        ),
        (
            "enforce.auth.enabled=true",
            "enforce.auth.enabled=true in zoo.cfg line 3: must be false, or enforce.auth.schemes must name the schemes to enforce",
        ),
        (
            "minSessionTimeout=70000",
            "zoo.cfg: minSessionTimeout 70000 ms is above maxSessionTimeout 60000 ms (two and twenty ticks of 3000 ms unless set)",
        ),
        (
            "secureClientPort=2281",
            "secureClientPort=2281 in zoo.cfg line 3: TLS is not served by this version; remove the key, or put a TLS proxy in front of clientPort",
        ),
    ] {
        assert_eq!(refusal(line), text);
    }
    assert_eq!(
        read("clientPort=1\n").unwrap_err().to_string(),
        "dataDir is not set in zoo.cfg: the folder for snapshots (and logs, unless dataLogDir is set)"
    );
    assert_eq!(
        read("dataDir=/d\n").unwrap_err().to_string(),
        "clientPort is not set in zoo.cfg: the port for clients, usually 2181"
    );
}

#[test]
fn corrected_values_and_duplicates_are_remarked_upon() {
    let s = with(
        "snapCount=1\nautopurge.snapRetainCount=1\nmaxBatchSize=0\nforceSync=no\nclientPort=2182\n",
    );
    assert_eq!((s.snapshot.txn_count, s.autopurge.retain, s.log.batch_records), (2, 3, None));
    assert!(!s.log.force_sync);
    assert_eq!(s.client.listen.port, 2182);
    assert_eq!(s.remarks.len(), 4);
    assert_eq!(s.remarks[3], "zoo.cfg: clientPort in line 2 is replaced by line 7");
}

/// The official container image: no clientPort, one server line, `myid` 1.
#[test]
fn the_client_port_may_come_from_the_server_line_that_myid_names() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("myid"), "1\n").unwrap();
    let text =
        format!("dataDir={}\nserver.1=localhost:2888:3888;127.0.0.1:2199\n", dir.path().display());
    let s = read(&text).unwrap();
    assert_eq!(s.client.listen, Listen { ip: Some([127, 0, 0, 1].into()), port: 2199 });
    assert_eq!(s.server_id, Some(1));
    assert!(read(&format!("{text}clientPort=2199\n")).is_ok());
    let error = read(&format!("{text}clientPort=2200\n")).unwrap_err().to_string();
    assert!(error.starts_with("clientPort=2200 in zoo.cfg line 3 differs from"), "{error}");
    std::fs::write(dir.path().join("myid"), "2\n").unwrap();
    assert!(read(&text).unwrap_err().to_string().starts_with("clientPort is not set"));
    std::fs::write(dir.path().join("myid"), "one\n").unwrap();
    assert!(read(&text).unwrap_err().to_string().contains("\"one\" is not a server number"));
}

#[test]
fn our_own_keys_and_units_are_read() {
    let s = with(
        "ringkeeper.cores.network=1-3,6\nringkeeper.cores.control=0\nringkeeper.cores.log=7\n\
                  ringkeeper.spin.micros=20\nringkeeper.log.io=direct\nringkeeper.snapshot.mbps=0\n\
                  ringkeeper.client.outbound.max=8m\nautopurge.purgeInterval=90s\n",
    );
    assert_eq!(s.placement.network, Cores::Cpus(vec![1, 2, 3, 6]));
    assert_eq!(
        (s.placement.control, s.placement.log, s.placement.spin_micros),
        (Some(0), Some(7), Some(20))
    );
    assert_eq!((s.log.io, s.snapshot.bytes_per_second), (LogIo::Direct, None));
    assert_eq!(s.limits.outbound_close, 8 << 20);
    assert_eq!(s.autopurge.interval, Some(Duration::from_secs(90)));
    assert_eq!(with("ringkeeper.cores.network=x4").placement.network, Cores::Count(4));
    assert_eq!(
        with("autopurge.purgeInterval=24").autopurge.interval,
        Some(Duration::from_secs(86_400))
    );
    assert_eq!(with("autopurge.purgeInterval=0").autopurge.interval, None);
}

#[test]
fn authentication_settings_are_read_and_impossible_ones_refused() {
    let s = with(
        "skipACL=yes\nDigestAuthenticationProvider.superDigest=super:abc=\n\
                  DigestAuthenticationProvider.digestAlg=SHA-256\nenforce.auth.enabled=true\n\
                  enforce.auth.schemes=digest, ensemble\nensembleAuthName=a,b\nsuperUser.1=x\n\
                  authProvider.1=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider\n",
    );
    assert!(s.auth.skip_acl);
    assert_eq!(s.auth.super_digest.as_deref(), Some("super:abc="));
    assert_eq!(s.auth.digest_alg, DigestAlg::Sha256);
    assert_eq!(s.auth.enforce_schemes, Some(vec!["digest".to_owned(), "ensemble".to_owned()]));
    assert_eq!(s.auth.extra_schemes, ["ensemble"]);
    assert_eq!(s.auth.super_users, ["x"]);
    assert!(
        refusal("enforce.auth.enabled=true\nenforce.auth.schemes=sasl")
            .contains("\"sasl\" is none")
    );
    assert!(refusal("sessionRequireClientSASLAuth=true").contains("SASL is not served"));
    assert!(refusal("authProvider.1=com.example.Mine").contains("class of your own"));
}

#[test]
fn metrics_providers_are_chosen_by_class_name() {
    assert_eq!(with("").metrics, MetricsSettings::Default);
    let class = "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n";
    assert_eq!(
        with(class).metrics,
        MetricsSettings::Prometheus { listen: Some(Listen { ip: None, port: 7000 }) }
    );
    let own = format!(
        "{class}metricsProvider.httpPort=9\nmetricsProvider.httpHost=127.0.0.1\nmetricsProvider.exportJvmInfo=true\n"
    );
    let s = with(&own);
    assert_eq!(
        s.metrics,
        MetricsSettings::Prometheus {
            listen: Some(Listen { ip: Some([127, 0, 0, 1].into()), port: 9 })
        }
    );
    assert!(s.unknown.is_empty());
    assert!(
        refusal("metricsProvider.className=a.B").contains("must be org.apache.zookeeper.metrics")
    );
}

#[test]
fn starts_without_a_file() {
    let flags = Flags::default();
    let s = Settings::embedded(Path::new("/tmp/a=b c"), &flags).unwrap();
    assert_eq!(s.data_dir, Path::new("/tmp/a=b c"));
    assert_eq!((s.tick_ms, s.client.listen.port, s.limits.cnxns_per_address), (2000, 2181, 60));
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let s = Settings::from_arguments(&words("2182 /d 500 7"), &flags).unwrap();
    assert_eq!((s.tick_ms, s.client.listen.port, s.limits.cnxns_per_address), (500, 2182, 7));
    let s = Settings::from_arguments(&words("2182 /d"), &flags).unwrap();
    assert_eq!((s.tick_ms, s.limits.cnxns_per_address), (3000, 0));
    for (line, text) in [
        ("x /d", "clientPort=x in argument 1: must be a port from 0 to 65535"),
        ("1 /d 0", "tickTime=0 in argument 3: must be milliseconds from 1 to 2147483647"),
        (
            "1 2 3 4 5",
            "5 arguments: expected <configuration file>, or <port> <dataDir> [tickTime] [maxClientCnxns]",
        ),
    ] {
        assert_eq!(Settings::from_arguments(&words(line), &flags).unwrap_err().to_string(), text);
    }
}
