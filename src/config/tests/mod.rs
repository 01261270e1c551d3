//! Whole configurations: what they mean, and what a wrong one is told.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::acl::DigestAlgorithm;

mod ensemble;
mod operators;
mod tls;

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
    assert_eq!(s.client.listen, Some(Listen { ip: None, port: 2181 }));
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
fn protection_that_is_not_served_is_refused_unless_it_is_switched_off() {
    for (line, told) in [
        (
            "authProvider.1=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider",
            "the scheme \"ensemble\" is not served by this version; remove the line",
        ),
        (
            "authProvider.1=org.apache.zookeeper.server.auth.KeyAuthenticationProvider",
            "the scheme \"key\" is not served by this version",
        ),
    ] {
        let error = refusal(line);
        let start = format!("{line} in zoo.cfg line 3: {told}");
        assert!(error.starts_with(&start), "{line}: {error}");
    }
    let off = with(
        "connection_throttle_tokens=0\nrequest_throttle_max_requests=0\nthrottledOpWaitTime=0\n\
         largeRequestThreshold=-1\naudit.enable=false\nadmin.enableServer=false\n\
         authProvider.1=org.apache.zookeeper.server.auth.DigestAuthenticationProvider\n",
    );
    assert!(off.unknown.is_empty() && off.no_effect.is_empty() && off.not_served.is_empty());
    assert!(off.admin.is_none() && with("").admin.is_some());
}

#[test]
fn throttles_are_off_unless_they_are_set_and_have_javas_defaults() {
    use crate::types::throttles::{
        ConnectionThrottle, ConnectionWeights, LargeRequests, RequestThrottle,
    };
    let off = with("connection_throttle_fill_time=5\nrequest_throttle_drop_stale=false\n");
    assert_eq!(off.throttles, Throttles::default());
    let on =
        with("connection_throttle_tokens=5\nrequestThrottleLimit=6\nlargeRequestThreshold=0\n");
    let one = ConnectionWeights { global: 1, local: 1, renew: 1 };
    let plain = ConnectionThrottle {
        tokens: 5,
        fill_ms: 1,
        fill_count: 1,
        freeze_ms: None,
        drop_increase: 0.02,
        drop_decrease: 0.002,
        decrease_ratio: 0.0,
        weights: one,
    };
    let requests = RequestThrottle {
        max: 6,
        drop_stale: true,
        stale_when_gone: true,
        stale_when_late: false,
        wait_ms_max: None,
    };
    let large = LargeRequests { threshold: 0, bytes_max: 100 << 20 };
    let all = (Some(plain), Some(requests), Some(large));
    assert_eq!((on.throttles.connections, on.throttles.requests, on.throttles.large), all);

    let weighed = with(
        "connectionMaxTokens=5\nconnectionWeightEnabled=true\nconnection_throttle_fill_count=2\n\
         connection_throttle_local_session_weight=4\nconnection_throttle_freeze_time=0\n",
    );
    let weights = ConnectionWeights { global: 4, local: 4, renew: 4 };
    let scaled =
        ConnectionThrottle { tokens: 20, fill_count: 8, freeze_ms: Some(0), weights, ..plain };
    assert_eq!(weighed.throttles.connections, Some(scaled));
    assert_eq!(weighed.remarks.len(), 2, "what was raised is said: {:?}", weighed.remarks);
    for (line, told) in [
        ("connection_throttle_fill_time=0", "milliseconds"),
        ("connection_throttle_drop_increase=2", "a number from 0 to 1"),
        ("request_throttle_max_requests=-1", "requests, 0 for no throttle,"),
        ("largeRequestMaxBytes=0", "bytes"),
        ("throttledOpWaitTime=x", "milliseconds, 0 for any wait,"),
    ] {
        let error = refusal(line);
        assert!(error.contains(line) && error.contains(told), "{line}: {error}");
    }
    let idle = with("throttled_op_wait_time=4\n");
    assert_eq!(idle.remarks.len(), 1, "{:?}", idle.remarks);
}

#[test]
fn what_only_adds_something_is_named_once_as_not_served() {
    let lines = "ensembleAuthName=prod\n";
    let s = with(lines);
    let named: Vec<&str> = s.not_served.iter().map(|noted| noted.key.as_str()).collect();
    let keys: Vec<&str> = lines.lines().filter_map(|l| Some(l.split_once('=')?.0)).collect();
    assert_eq!(named, keys);
    assert!(s.not_served.iter().all(|noted| noted.why.contains("not served by this version")));
    assert!(s.unknown.is_empty() && s.no_effect.is_empty());
}

#[test]
fn keys_that_zookeeper_takes_from_flags_alone_are_named_when_the_file_has_them() {
    let s = with("jute.maxbuffer=4194304\nreadonlymode.enabled=true\n");
    assert_eq!(s.limits.jute_maxbuffer, 4 << 20);
    assert_eq!(s.remarks.len(), 2);
    assert_eq!(
        s.remarks[0],
        "jute.maxbuffer=4194304 in zoo.cfg line 3 is in force here; a ZooKeeper server takes this \
         key from a flag only (-Djute.maxbuffer=… in SERVER_JVMFLAGS) and passes over this line"
    );
    let text = format!("{BASE}jute.maxbuffer=5000000\nznode.container.maxPerMinute=9\n");
    let s = read_with(&text, "-Djute.maxbuffer=6000000").unwrap();
    assert_eq!((s.limits.jute_maxbuffer, s.containers.deletions_per_minute), (6_000_000, 9));
    assert!(s.remarks[0].contains("line 3 gives way to -Djute.maxbuffer=6000000; a ZooKeeper"));
    assert!(s.remarks[1].starts_with("znode.container.maxPerMinute=9 in zoo.cfg line 4 is in"));
    let flags = "-Djute.maxbuffer=6000000 -Dreadonlymode.enabled=true";
    assert!(read_with(BASE, flags).unwrap().remarks.is_empty());
}

#[test]
fn misspelt_keys_are_told_the_nearest_known_one() {
    let hint = |text: &str, flags: &str| {
        let s = read_with(&format!("{BASE}{text}"), flags).unwrap();
        assert_eq!(s.unknown.len(), 1, "{text}{flags}: {:?}", s.unknown);
        s.unknown[0].why.clone()
    };
    for (text, told) in [
        ("ticktime=5", "the nearest known key is tickTime"),
        ("maxClientCnxn=5", "the nearest known key is maxClientCnxns"),
        ("snapCont=5", "the nearest known key is snapCount"),
        ("4lw.command.whitelist=*", "the nearest known key is 4lw.commands.whitelist"),
        ("jute.maxBufer=5", "the nearest known key is jute.maxbuffer"),
        ("initLimt=5", "the nearest known key is initLimit"),
        ("autopurge.purgeInterva=5", "the nearest known key is autopurge.purgeInterval"),
        ("zookeeper.snapCount=5", "in the file it is snapCount"),
        ("colour=red", ""),
    ] {
        assert_eq!(hint(text, ""), told, "{text}");
    }
    for (flag, told) in [
        ("-Dzookeeper.snapCont=5", "the nearest known key is zookeeper.snapCount"),
        ("-Dzookeeper.tickTime=5", "tickTime is read from the file only"),
        ("-DsnapCount=5", "as a flag it is -Dzookeeper.snapCount"),
        ("-Djute.maxbufer=5", "the nearest known key is jute.maxbuffer"),
    ] {
        assert_eq!(hint("", flag), told, "{flag}");
    }
    let own = refusal("ringkeeper.cores.contrl=1");
    assert!(own.ends_with("\"cores.contrl\" (the nearest known key is ringkeeper.cores.control)"));
    // Some other program's.
    assert!(read_with(BASE, "-Dcom.acme.colour=red").unwrap().unknown.is_empty());
}

#[test]
fn keys_are_sorted_into_unknown_without_effect_and_not_served() {
    let s = with(
        "tiktTime=2000\ninitLimit=5\nnio.numWorkerThreads=4\nssl.keyStore.location=/k\n\
                  ensembleAuthName=x\nsasl.client=true\n",
    );
    let names = |list: &[Noted]| list.iter().map(|n| n.key.clone()).collect::<Vec<_>>();
    assert_eq!(names(&s.unknown), ["tiktTime"]);
    assert_eq!(s.unknown[0].place, "zoo.cfg line 3");
    let without = ["initLimit", "nio.numWorkerThreads", "ssl.keyStore.location", "sasl.client"];
    assert_eq!(names(&s.no_effect), without);
    assert_eq!(names(&s.not_served), ["ensembleAuthName"]);
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
            "ringkeeper.core.log=1 in zoo.cfg line 3: must be one of our own keys; there is no \"core.log\" (the nearest known key is ringkeeper.cores.log)",
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
            "secureClientPort=2281 in zoo.cfg line 3: must be absent, or ssl.keyStore.location must name the server's key and certificate",
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
    assert_eq!(s.client.listen.unwrap().port, 2182);
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
    assert_eq!(s.client.listen, Some(Listen { ip: Some([127, 0, 0, 1].into()), port: 2199 }));
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
                  enforce.auth.schemes=digest, ip\n",
    );
    assert!(s.auth.skip_acl);
    assert_eq!(s.auth.super_digest.as_deref(), Some("super:abc="));
    assert_eq!(s.auth.digest_alg, DigestAlgorithm::Sha256);
    assert_eq!(s.auth.enforce_schemes, Some(vec!["digest".to_owned(), "ip".to_owned()]));
    assert!(
        refusal("enforce.auth.enabled=true\nenforce.auth.schemes=sasl")
            .contains("\"sasl\" is none")
    );
    assert!(
        refusal("sessionRequireClientSASLAuth=true").contains("or authProvider.sasl=org.apache")
    );
    let provider = "authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
    let nobody =
        refusal(&format!("{provider}\nenforce.auth.enabled=true\nenforce.auth.schemes=sasl"));
    assert!(nobody.contains("nobody could log in"), "{nobody}");
    let s = with(&format!(
        "{provider}\nsuperUser=ops\nsuperUser.2=root\nletAnySaslUserDoX=any\n\
         allowSaslFailedClients=true\nenforce.auth.enabled=true\nenforce.auth.schemes=sasl,ip\n"
    ));
    assert!(s.auth.sasl_enabled && s.auth.allow_sasl_failed && s.auth.sasl.is_none());
    assert_eq!(s.auth.sasl_super_users, ["ops", "root"]);
    assert_eq!(s.auth.let_any_sasl_user_do.as_deref(), Some("any"));
    assert!(s.unknown.is_empty() && s.not_served.is_empty());
    assert!(refusal("authProvider.1=com.example.Mine").contains("class of your own"));
}

#[test]
fn starts_without_a_file() {
    let flags = Flags::default();
    let s = Settings::embedded(Path::new("/tmp/a=b c"), &flags).unwrap();
    assert_eq!(s.data_dir, Path::new("/tmp/a=b c"));
    let port = s.client.listen.unwrap().port;
    assert_eq!((s.tick_ms, port, s.limits.cnxns_per_address), (2000, 2181, 60));
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let s = Settings::from_arguments(&words("2182 /d 500 7"), &flags).unwrap();
    let port = s.client.listen.unwrap().port;
    assert_eq!((s.tick_ms, port, s.limits.cnxns_per_address), (500, 2182, 7));
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
