//! Keys of the admin server and of the page of metrics.

use std::net::{IpAddr, Ipv4Addr};

use super::{BASE, read_with, refusal, with};
use crate::config::{
    AdminSettings, AuditSettings, Listen, MetricNames, MetricsSettings, SlowSettings,
};
use crate::net::Security;
use crate::tls::ClientAuth;

const PROMETHEUS: &str =
    "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n";

#[test]
fn the_admin_server_has_javas_defaults() {
    let expected = AdminSettings {
        listen: Listen { ip: None, port: 8080 },
        is_named: false,
        url: "/commands".to_owned(),
        idle_ms: Some(30_000),
        snapshots: true,
        snapshot_interval_ms: 300,
        trusts_proxy: false,
        live_ms: 10_000,
        ready_ms: 2_000,
        tls: None,
    };
    assert_eq!(with("").admin, Some(expected.clone()));
    let named = with("admin.enableServer=true\n").admin;
    assert_eq!(named, Some(AdminSettings { is_named: true, ..expected.clone() }));
    let by_flag = read_with(BASE, "-Dzookeeper.admin.serverPort=8081").unwrap().admin;
    let listen = Listen { ip: None, port: 8081 };
    assert_eq!(by_flag, Some(AdminSettings { is_named: true, listen, ..expected }));
}

#[test]
fn the_admin_server_is_off_by_one_word_only() {
    assert!(with("admin.enableServer=false\n").admin.is_none());
    for other in ["False", "no", "0", "true"] {
        assert!(with(&format!("admin.enableServer={other}\n")).admin.is_some(), "{other}");
    }
}

#[test]
fn keys_of_the_admin_server_are_read() {
    let s = with(
        "admin.serverAddress=127.0.0.2\nadmin.serverPort=0\nadmin.commandURL=/zk/\n\
         admin.idleTimeout=0\nadmin.httpVersion=11\nadmin.rateLimiterIntervalInMS=5000\n\
         admin.snapshot.enabled=false\nadmin.restore.enabled=true\n\
         IPAuthenticationProvider.usexforwardedfor=true\nringkeeper.live.ms=700\n\
         ringkeeper.ready.ms=30\n",
    );
    assert!(s.unknown.is_empty() && s.no_effect.is_empty() && s.not_served.is_empty());
    let ip = Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    let expected = AdminSettings {
        listen: Listen { ip, port: 0 },
        is_named: true,
        url: "/zk".to_owned(),
        idle_ms: None,
        snapshots: false,
        snapshot_interval_ms: 5,
        trusts_proxy: true,
        live_ms: 700,
        ready_ms: 30,
        tls: None,
    };
    assert_eq!(s.admin, Some(expected));
    let s = with("admin.snapshot.intervalInMS=7000\nadmin.rateLimiterIntervalInMS=5000\n");
    assert_eq!(s.admin.unwrap().snapshot_interval_ms, 7000);
    for (line, told) in [
        ("admin.serverPort=70000", "must be a port from 0 to 65535"),
        ("admin.commandURL=commands", "must be a path that begins with /"),
        ("admin.forceHttps=true", "must be false, or ssl.quorum.keyStore.location must name the"),
        (
            "admin.portUnification=true\nssl.quorum.keyStore.location=/k.p12\n\
             admin.needClientAuth=true",
            "must be false, or ssl.quorum.trustStore.location must name whom to trust",
        ),
        ("ringkeeper.live.ms=5", "must be milliseconds from 10 to 600000"),
    ] {
        assert!(refusal(line).contains(told), "{}", refusal(line));
    }
}

#[test]
fn a_page_of_metrics_is_there_for_prometheus_alone() {
    assert_eq!(with("").metrics, None);
    for provider in ["DefaultMetricsProvider", "NullMetricsProvider"] {
        let line =
            format!("metricsProvider.className=org.apache.zookeeper.metrics.impl.{provider}\n");
        assert_eq!(with(&line).metrics, None);
    }
    let listen = Listen { ip: None, port: 7000 };
    let plain = MetricsSettings {
        listen: Some(listen),
        secure: None,
        process: true,
        names: MetricNames::Plain,
    };
    assert_eq!(with(PROMETHEUS).metrics, Some(plain));
    let s = with(&format!(
        "{PROMETHEUS}metricsProvider.httpHost=127.0.0.1\nmetricsProvider.httpPort=7001\n\
         metricsProvider.exportJvmInfo=false\nmetricsProvider.numWorkerThreads=2\n\
         metricsProvider.maxQueueSize=5\nmetricsProvider.workerShutdownTimeoutMs=7\n\
         ringkeeper.metrics.names=3.10\n"
    ));
    assert!(s.unknown.is_empty() && s.no_effect.is_empty() && s.not_served.is_empty());
    let listen = Listen { ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port: 7001 };
    let (listen, names) = (Some(listen), MetricNames::Total);
    let expected = MetricsSettings { listen, secure: None, process: false, names };
    assert_eq!(s.metrics, Some(expected));
    assert!(refusal("metricsProvider.className=a.B").contains("PrometheusMetricsProvider, org"));
    assert!(refusal("ringkeeper.metrics.names=4").contains("3.9 (plain names) or 3.10"));
}

#[test]
fn the_audit_log_has_javas_defaults() {
    assert_eq!(with("").audit, None);
    assert_eq!(with("audit.enable=yes\naudit.impl.class=a.B\n").audit, None);
    let expected = AuditSettings {
        file: "./zookeeper_audit.log".into(),
        bytes_max: 10 << 20,
        keep: 10,
        daily: false,
    };
    let class = "audit.impl.class=org.apache.zookeeper.audit.Slf4jAuditLogger\n";
    let s = with(&format!("audit.enable=True\n{class}"));
    assert_eq!(s.audit, Some(expected.clone()));
    assert!(s.unknown.is_empty() && s.no_effect.is_empty() && s.not_served.is_empty());
    let refused = refusal("audit.enable=true\naudit.impl.class=a.B");
    assert!(refused.contains("must be org.apache.zookeeper.audit.Slf4jAuditLogger"), "{refused}");
    let text = format!("{BASE}audit.enable=true\n");
    let s = read_with(&text, "-Dzookeeper.log.dir=/var/log/zk").unwrap();
    let file = "/var/log/zk/zookeeper_audit.log".into();
    assert_eq!(s.audit, Some(AuditSettings { file, ..expected }));
}

#[test]
fn the_audit_logs_own_keys_are_read() {
    let s = with(
        "audit.enable=true\nlog.dir=/l\nauditlog.file=a.log\nringkeeper.audit.max=3m\n\
         ringkeeper.audit.keep=7\nringkeeper.audit.daily=true\n",
    );
    assert!(s.unknown.is_empty() && s.no_effect.is_empty() && s.not_served.is_empty());
    let expected =
        AuditSettings { file: "/l/a.log".into(), bytes_max: 3 << 20, keep: 7, daily: true };
    assert_eq!(s.audit, Some(expected.clone()));
    for (name, file) in [("b.log", "/l/b.log"), ("/else/c.log", "/else/c.log")] {
        let text = format!("audit.enable=true\nlog.dir=/l\nringkeeper.audit.file={name}\n");
        assert_eq!(with(&text).audit.unwrap().file, std::path::Path::new(file));
    }
    for (line, refused) in [
        ("ringkeeper.audit.keep=0", "must be files from 1 to 10000"),
        ("ringkeeper.audit.max=0", "must be bytes above 0"),
        ("ringkeeper.audit.daily=yes", "must be true or false"),
    ] {
        assert!(refusal(line).contains(refused), "{}", refusal(line));
    }
}

#[test]
fn nothing_is_slow_unless_it_is_asked_for() {
    assert_eq!((with("").slow, with("ringkeeper.slow.ms=0\n").slow), (None, None));
    let expected = SlowSettings { threshold_ms: 100, keep: 128 };
    assert_eq!(with("ringkeeper.slow.ms=100\n").slow, Some(expected));
    let s = with("ringkeeper.slow.ms=5\nringkeeper.slow.keep=7\n");
    assert_eq!(s.slow, Some(SlowSettings { threshold_ms: 5, keep: 7 }));
    assert!(refusal("ringkeeper.slow.ms=-1").contains("must be milliseconds from 0"));
}

#[test]
fn no_secret_is_shown() {
    let text = format!(
        "{BASE}DigestAuthenticationProvider.superDigest=super:secret\nssl.keyStore.password=p4ss\n\
         ssl.keyStore.passwordPath=/etc/p\nsnapCount=7\n"
    );
    let s = read_with(&text, "-Dzookeeper.ssl.quorum.trustStore.password=p4ss").unwrap();
    let shown = format!("{:?}\n{}", s.properties, s.initial);
    assert!(!shown.contains("p4ss") && !shown.contains("super:secret"), "{shown}");
    let value = |name: &str| {
        let found = s.properties.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(value("zookeeper.ssl.keyStore.password"), Some("***"));
    assert_eq!(value("zookeeper.ssl.keyStore.passwordPath"), Some("/etc/p"));
    assert_eq!(value("zookeeper.ssl.quorum.trustStore.password"), Some("***"));
    assert_eq!((value("zookeeper.snapCount"), value("zookeeper.dataDir")), (Some("7"), None));
    assert!(s.initial.starts_with("dataDir=/var/lib/zk\nclientPort=2181\n"));
}

#[test]
fn operators_ports_speak_tls_with_stores_of_theirs() {
    let stores = "ssl.quorum.keyStore.location=/k.p12\nssl.quorum.trustStore.location=/t.pem\n";
    let of = |lines: &str| with(&format!("{stores}{lines}")).admin.unwrap().tls;
    assert_eq!(of("admin.needClientAuth=true\n"), None);
    let forced = of("admin.forceHttps=true\nadmin.portUnification=true\n").unwrap();
    assert_eq!((forced.accepts, forced.reload), (Security::Tls, false));
    assert_eq!(forced.sources.options.client_auth, ClientAuth::None);
    let unified = "admin.portUnification=true\nadmin.needClientAuth=true\n";
    let unified = of(&format!("{unified}sslQuorumReloadCertFiles=true\n")).unwrap();
    assert_eq!((unified.accepts, unified.reload), (Security::Either, true));
    assert_eq!(unified.sources.options.client_auth, ClientAuth::Need);
    let own = "metricsProvider.ssl.keyStore.location=/m.jks\nmetricsProvider.httpsPort=7443\n";
    let refused = refusal(&format!("{PROMETHEUS}{own}"));
    assert!(refused.contains("must be absent, or metricsProvider.ssl.trustStore.loc"), "{refused}");
    let open = "metricsProvider.ssl.need.client.auth=false\n";
    let trust = "metricsProvider.ssl.trustStore.location=/t.pem\n";
    let metrics = |lines: &str| with(&format!("{PROMETHEUS}{own}{lines}")).metrics.unwrap();
    let alone = metrics(&format!("{open}metricsProvider.ssl.want.client.auth=false\n"));
    let (listen, tls) = alone.secure.unwrap();
    assert_eq!((alone.listen, listen.port), (None, 7443));
    assert_eq!(tls.sources.options.client_auth, ClientAuth::None);
    let both = metrics(&format!("{trust}{open}metricsProvider.httpPort=7001\n"));
    assert_eq!(both.listen.unwrap().port, 7001);
    assert_eq!(both.secure.unwrap().1.sources.options.client_auth, ClientAuth::Want);
}
