//! Where to listen: the client port, the admin server, the metrics page.

use std::net::{IpAddr, ToSocketAddrs};

use super::membership::ClientPart;
use super::source::{Found, Source, not_served};
use super::value::{ANY, NATURAL, POSITIVE, flag, number, text};
use super::{AdminSettings, ClientSettings, ConfigError, Listen, MetricsSettings};

/// Connections that wait to be accepted when `clientPortListenBacklog` is not set. Java's 50 is
/// overrun by any reconnecting fleet, whose clients then wait a second for their next attempt.
const BACKLOG: i32 = 4096;

fn port(found: &Found) -> Result<u16, ConfigError> {
    found.number(0..=i64::from(u16::MAX), "a port").map(|p| p as u16)
}

/// Names are looked up once, at start, as InetAddress.getByName does.
fn address(found: Option<Found>) -> Result<Option<IpAddr>, ConfigError> {
    let Some(found) = found.filter(|f| !f.value.is_empty()) else { return Ok(None) };
    host(&found.value).map_err(|why| found.refuse(format!("an address or a host name: {why}")))
}

fn host(name: &str) -> Result<Option<IpAddr>, String> {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = name.parse::<IpAddr>() {
        // Java listens on addresses of both kinds for either wildcard.
        return Ok(if ip.is_unspecified() { None } else { Some(ip) });
    }
    let mut found = (name, 0u16).to_socket_addrs().map_err(|e| e.to_string())?;
    found.next().map(|a| Some(a.ip())).ok_or_else(|| "it has no address".to_owned())
}

pub(super) fn client(
    s: &mut Source<'_>,
    part: Option<ClientPart>,
    whence: &str,
) -> Result<ClientSettings, ConfigError> {
    if let Some(found) = s.file("secureClientPort") {
        port(&found)?;
        return Err(ConfigError::NotServed {
            key: found.key,
            value: found.value,
            place: found.place,
            feature: "TLS",
            instead: "remove the key, or put a TLS proxy in front of clientPort",
        });
    }
    if let Some(found) = s.file("secureClientPortAddress") {
        return Err(found.refuse("absent while secureClientPort is not set"));
    }
    let from_file = s.file("clientPort");
    let at = s.file("clientPortAddress");
    let listen = match (from_file, part) {
        (Some(found), part) => {
            let listen = Listen { ip: address(at)?, port: port(&found)? };
            match part {
                Some(part) => joined(&found, listen, part)?,
                None => listen,
            }
        }
        (None, Some(part)) => listen_of(&part)?,
        (None, None) => {
            return Err(match at {
                Some(at) => at.refuse("absent while clientPort is not set"),
                None => ConfigError::Missing {
                    key: "clientPort",
                    whence: whence.to_owned(),
                    why: "the port for clients, usually 2181",
                },
            });
        }
    };
    let backlog = number(s.file("clientPortListenBacklog"), ANY, "connections", -1)? as i32;
    Ok(ClientSettings {
        listen,
        // ServerSocket.bind takes 50 for anything below 1.
        backlog: if backlog < 1 { BACKLOG } else { backlog },
        tcp_keep_alive: flag(s.property("clientTcpKeepAlive"), false),
    })
}

fn listen_of(part: &ClientPart) -> Result<Listen, ConfigError> {
    let ip = host(&part.host)
        .map_err(|why| part.line.refuse(format!("a line with a known client host: {why}")))?;
    Ok(Listen { ip, port: part.port })
}

/// QuorumPeerConfig.setupClientPort: both may be given if they say the same.
fn joined(found: &Found, listen: Listen, part: ClientPart) -> Result<Listen, ConfigError> {
    let other = listen_of(&part)?;
    let same = listen.port == other.port && (listen.ip.is_none() || listen.ip == other.ip);
    if !same {
        return Err(ConfigError::Conflict(format!(
            "clientPort={} in {} differs from the client part of {}={} in {}",
            found.value, found.place, part.line.key, part.line.value, part.line.place
        )));
    }
    Ok(other)
}

pub(super) fn admin(s: &mut Source<'_>) -> Result<AdminSettings, ConfigError> {
    let port = number(s.property("admin.serverPort"), 0..=i64::from(u16::MAX), "a port", 8080)?;
    let tls = ["admin.portUnification", "admin.forceHttps", "admin.needClientAuth"];
    Ok(AdminSettings {
        enabled: s.property("admin.enableServer").is_none_or(|f| f.value != "false"),
        listen: Listen { ip: address(s.property("admin.serverAddress"))?, port: port as u16 },
        command_url: text(s.property("admin.commandURL")).unwrap_or_else(|| "/commands".to_owned()),
        idle_timeout_ms: number(s.property("admin.idleTimeout"), POSITIVE, "milliseconds", 30_000)?,
        snapshot_enabled: flag(s.property("admin.snapshot.enabled"), true),
        restore_enabled: flag(s.property("admin.restore.enabled"), true),
        rate_limit_ms: number(
            s.property("admin.rateLimiterIntervalInMS"),
            NATURAL,
            "milliseconds",
            300_000,
        )?,
        tls: tls.iter().any(|key| s.file.get(key).is_some_and(|p| p.value == "true")),
    })
}

pub(super) fn metrics(s: &mut Source<'_>) -> Result<MetricsSettings, ConfigError> {
    let class = s.file("metricsProvider.className");
    let own = s.family("metricsProvider.");
    let Some(class) = class else { return Ok(MetricsSettings::Default) };
    match class.value.as_str() {
        "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider" => {
            return Ok(MetricsSettings::Default);
        }
        "org.apache.zookeeper.metrics.impl.NullMetricsProvider" => {
            return Ok(MetricsSettings::Null);
        }
        "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider" => {}
        _ => {
            return Err(class.refuse(
                "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider, …NullMetricsProvider or \
                 org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
            ));
        }
    }
    let key = |name: &str| own.iter().find(|f| f.key == format!("metricsProvider.{name}")).cloned();
    let port = number(key("httpPort"), -1..=i64::from(u16::MAX), "a port, or -1 for none,", 7000)?;
    if let Some(found) = key("httpsPort")
        && found.number(-1..=i64::from(u16::MAX), "a port, or -1 for none,")? >= 0
    {
        return Err(not_served(found, "TLS", "use metricsProvider.httpPort"));
    }
    let ip = address(key("httpHost"))?;
    let listen = u16::try_from(port).ok().map(|port| Listen { ip, port });
    Ok(MetricsSettings::Prometheus { listen })
}
