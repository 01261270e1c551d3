//! Keys to settings: one function for each group of [`Settings`].
//!
//! Defaults and what a value may be are Java's (QuorumPeerConfig, and the class that reads each
//! property). Where Java takes a nonsense value silently, the start is refused here instead; where
//! it corrects one, it is corrected and remarked upon.

use std::net::{IpAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::source::{Found, Source};
use super::*;
use super::{ensemble, keys};
use crate::types::{TypeRules, limits};

/// Any `int` that is not negative.
const NATURAL: RangeInclusive<i64> = 0..=i32::MAX as i64;
/// Any positive `int`.
const POSITIVE: RangeInclusive<i64> = 1..=i32::MAX as i64;
const ANY: RangeInclusive<i64> = i32::MIN as i64..=i32::MAX as i64;
const ANY_LONG: RangeInclusive<i64> = i64::MIN..=i64::MAX;

impl Settings {
    /// Reads a configuration file and the flags.
    pub fn load(path: &Path, flags: &Flags) -> Result<Settings, ConfigError> {
        let (file, bytes) = Properties::read(path)?;
        let mut settings = Settings::parse(&file, flags)?;
        settings.initial_text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(settings)
    }

    /// As [`Settings::load`], from what is already in memory. Looks at `<dataDir>/myid` and at a
    /// dynamic configuration file if one is named.
    pub fn parse(file: &Properties, flags: &Flags) -> Result<Settings, ConfigError> {
        let mut source = Source::new(file, flags);
        let s = &mut source;
        let mut remarks = Vec::new();
        let whence = file.path().display().to_string();
        let data_dir = s
            .file("dataDir")
            .filter(|f| !f.value.is_empty())
            .map(|f| PathBuf::from(f.value))
            .ok_or_else(|| ConfigError::Missing {
                key: "dataDir",
                whence: whence.clone(),
                why: "the folder for snapshots (and logs, unless dataLogDir is set)",
            })?;
        let log_dir = s.file("dataLogDir").map(|f| PathBuf::from(f.value));
        let membership = ensemble::read(s, &data_dir)?;
        let tick_ms = number(s.file("tickTime"), POSITIVE, "milliseconds", 3000)? as i32;
        let client = client(s, membership.client, &whence)?;
        let mut settings = Settings {
            source: whence,
            initial_text: String::new(),
            data_log_dir: log_dir.unwrap_or_else(|| data_dir.clone()),
            data_dir,
            autocreate_dirs: flag(s.property("datadir.autocreate"), true),
            tick_ms,
            client,
            session: session(s, tick_ms)?,
            limits: limits(s, &mut remarks)?,
            throttle: throttle(s)?,
            log: log(s, &mut remarks)?,
            snapshot: snapshot(s, &mut remarks)?,
            autopurge: autopurge(s, &mut remarks)?,
            tree: TreeSettings {
                digest: flag(s.property("digest.enabled"), true),
                types: TypeRules {
                    extended_types: flag(s.property("extendedTypesEnabled"), false),
                    emulate_353_ttl: flag(s.property("emulate353TTLNodes"), false),
                },
                enforce_quota: flag(s.property("enforceQuota"), false),
            },
            auth: auth(s)?,
            containers: containers(s)?,
            four_letter: four_letter(s),
            admin: admin(s)?,
            metrics: metrics(s)?,
            audit: flag(s.property("audit.enable"), false),
            read_only_mode: flag(s.system("readonlymode.enabled"), false),
            reconfig: strict(s.file("reconfigEnabled"), false)?,
            server_id: membership.server_id,
            placement: placement(s)?,
            unknown: Vec::new(),
            no_effect: Vec::new(),
            not_served: Vec::new(),
            remarks,
        };
        check_ensemble_keys(s)?;
        settings.sort_the_rest(s)?;
        Ok(settings)
    }

    /// Names what nobody asked for, and what was written twice.
    fn sort_the_rest(&mut self, source: &Source<'_>) -> Result<(), ConfigError> {
        for found in source.unasked() {
            let flag = found.place == Place::Flag;
            let key = found.key.strip_prefix("zookeeper.").filter(|_| flag).unwrap_or(&found.key);
            if let Some(rest) = key.strip_prefix("ringkeeper.") {
                return Err(found.refuse(format!("one of our own keys; there is no \"{rest}\"")));
            }
            let (list, why) = match keys::sort_of(key, flag && key == found.key) {
                keys::Sort::NoEffect(why) => (&mut self.no_effect, why),
                keys::Sort::NotServed(why) => (&mut self.not_served, why),
                keys::Sort::Unknown => (&mut self.unknown, ""),
            };
            list.push(Noted { key: found.key.clone(), place: found.place.to_string(), why });
        }
        for other in source.flags().others() {
            let (key, place) = (other.clone(), Place::Flag.to_string());
            self.no_effect.push(Noted { key, place, why: "a setting of the Java VM" });
        }
        for old in source.file.replaced() {
            let last = source.file.get(&old.key).map_or(0, |p| p.line);
            self.remarks.push(format!(
                "{}: {} in line {} is replaced by line {last}",
                self.source, old.key, old.line
            ));
        }
        Ok(())
    }
}

fn number(
    found: Option<Found>,
    range: RangeInclusive<i64>,
    unit: &str,
    default: i64,
) -> Result<i64, ConfigError> {
    found.map_or(Ok(default), |f| f.number(range, unit))
}

fn decimal(found: Option<Found>, default: f64) -> Result<f64, ConfigError> {
    found.map_or(Ok(default), |f| f.fraction())
}

fn strict(found: Option<Found>, default: bool) -> Result<bool, ConfigError> {
    found.map_or(Ok(default), |f| f.strict_bool())
}

fn flag(found: Option<Found>, default: bool) -> bool {
    found.map_or(default, |f| f.is_true())
}

fn text(found: Option<Found>) -> Option<String> {
    found.map(|f| f.value)
}

/// `bytes`, with an optional k, m or g for 1024, 1024², 1024³. For our own keys only.
fn size(found: Option<Found>, default: usize) -> Result<usize, ConfigError> {
    let Some(found) = found else { return Ok(default) };
    let lower = found.value.to_ascii_lowercase();
    let digits = lower.trim_end_matches(['k', 'm', 'g']);
    let shift = match &lower[digits.len()..] {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        _ => None,
    };
    shift
        .and_then(|s| digits.parse::<usize>().ok()?.checked_mul(1 << s))
        .filter(|n| *n > 0)
        .ok_or_else(|| found.refuse("bytes above 0, with k, m or g for multiples of 1024"))
}

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
        return Ok(if ip.is_unspecified() && ip.is_ipv6() { None } else { Some(ip) });
    }
    let mut found = (name, 0u16).to_socket_addrs().map_err(|e| e.to_string())?;
    found.next().map(|a| Some(a.ip())).ok_or_else(|| "it has no address".to_owned())
}

fn client(
    s: &mut Source<'_>,
    part: Option<ensemble::ClientPart>,
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
        backlog: if backlog < 1 { 50 } else { backlog },
        tcp_keep_alive: flag(s.property("clientTcpKeepAlive"), false),
    })
}

fn listen_of(part: &ensemble::ClientPart) -> Result<Listen, ConfigError> {
    let ip = match &part.host {
        None => None,
        Some(name) => host(name)
            .map_err(|why| part.line.refuse(format!("a line with a known client host: {why}")))?,
    };
    Ok(Listen { ip, port: part.port })
}

/// QuorumPeerConfig.setupClientPort: both may be given if they say the same.
fn joined(
    found: &Found,
    listen: Listen,
    part: ensemble::ClientPart,
) -> Result<Listen, ConfigError> {
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

fn session(s: &mut Source<'_>, tick_ms: i32) -> Result<SessionSettings, ConfigError> {
    let bound = |found: Option<Found>, ticks: i32| -> Result<i32, ConfigError> {
        match number(found, -1..=i64::from(i32::MAX), "milliseconds, or -1 for the default,", -1)? {
            -1 => Ok(tick_ms.saturating_mul(ticks)),
            ms => Ok(ms as i32),
        }
    };
    let min = bound(s.file("minSessionTimeout"), 2)?;
    let max = bound(s.file("maxSessionTimeout"), 20)?;
    if min > max {
        return Err(ConfigError::Conflict(format!(
            "{}: minSessionTimeout {min} ms is above maxSessionTimeout {max} ms \
             (two and twenty ticks of {tick_ms} ms unless set)",
            s.file.path().display()
        )));
    }
    Ok(SessionSettings {
        timeout_ms_min: min,
        timeout_ms_max: max,
        local: strict(s.file("localSessionsEnabled"), false)?,
        local_upgrading: strict(s.file("localSessionsUpgradingEnabled"), false)?,
        close_txn_lists_paths: flag(s.property("closeSessionTxn.enabled"), true),
    })
}

fn limits(s: &mut Source<'_>, remarks: &mut Vec<String>) -> Result<LimitSettings, ConfigError> {
    let maxbuffer = limits::JUTE_MAXBUFFER as i64;
    let maxbuffer = number(s.system("jute.maxbuffer"), POSITIVE, "bytes", maxbuffer)?;
    let extra = number(s.property("jute.maxbuffer.extrasize"), ANY, "bytes", maxbuffer)?;
    let threshold = number(s.property("largeRequestThreshold"), ANY, "bytes", -1)?;
    let committed = number(s.property("commitLogCount"), ANY, "transactions", 500)?;
    if committed < limits::COMMITTED_LOG as i64 {
        remarks.push(format!("commitLogCount={committed} is below 500: 500 is used"));
    }
    let global = limits::GLOBAL_OUTSTANDING as i64;
    Ok(LimitSettings {
        jute_maxbuffer: maxbuffer as usize,
        jute_extra: extra.max(limits::JUTE_EXTRA_MIN as i64) as usize,
        cnxns_per_address: number(s.file("maxClientCnxns"), ANY, "connections", 60)?.max(0) as u32,
        cnxns: number(s.property("maxCnxns"), ANY, "connections", 0)?.max(0) as u32,
        global_outstanding: number(
            s.property("globalOutstandingLimit"),
            POSITIVE,
            "requests",
            global,
        )? as usize,
        sessionless_ms: number(
            s.property("nio.sessionlessCnxnTimeout"),
            POSITIVE,
            "milliseconds",
            limits::SESSIONLESS_MS,
        )?,
        large_request_threshold: (threshold >= 0).then_some(threshold as usize),
        large_request_bytes: number(
            s.property("largeRequestMaxBytes"),
            POSITIVE,
            "bytes",
            100 * 1024 * 1024,
        )? as usize,
        committed_log: committed.max(limits::COMMITTED_LOG as i64) as usize,
        outbound_pause: size(s.file("ringkeeper.client.outbound.pause"), limits::OUTBOUND_PAUSE)?,
        outbound_close: size(s.file("ringkeeper.client.outbound.max"), limits::OUTBOUND_CLOSE)?,
    })
}

fn throttle(s: &mut Source<'_>) -> Result<ThrottleSettings, ConfigError> {
    let mut connection = |key: &str, doc: &str| {
        s.property_or(&format!("connection_throttle_{key}"), &[&format!("connection{doc}")])
    };
    let tokens = number(connection("tokens", "MaxTokens"), NATURAL, "tokens", 0)?;
    let fill_ms = number(connection("fill_time", "TokenFillTime"), NATURAL, "milliseconds", 1)?;
    let fill_count = number(connection("fill_count", "TokenFillCount"), NATURAL, "tokens", 1)?;
    let freeze_ms = number(connection("freeze_time", "FreezeTime"), ANY, "milliseconds", -1)?;
    let increase = decimal(connection("drop_increase", "DropIncrease"), 0.02)?;
    let decrease = decimal(connection("drop_decrease", "DropDecrease"), 0.002)?;
    let ratio = decimal(connection("decrease_ratio", "DecreaseRatio"), 0.0)?;
    let weighted = flag(connection("weight_enabled", "WeightEnabled"), false);
    let global =
        number(connection("global_session_weight", "GlobalWeight"), POSITIVE, "tokens", 3)?;
    let local = number(connection("local_session_weight", "LocalWeight"), POSITIVE, "tokens", 1)?;
    let renew = number(connection("renew_session_weight", "RenewWeight"), POSITIVE, "tokens", 2)?;
    let stall = s.property_or("request_throttle_stall_time", &["requestThrottleStallTime"]);
    let drop_stale = s.property_or("request_throttle_drop_stale", &["requestThrottleDropStale"]);
    let latency = s.property_or("request_stale_latency_check", &["requestStaleLatencyCheck"]);
    let requests = s.property_or("request_throttle_max_requests", &["requestThrottleLimit"]);
    let cnxn = s.property_or("request_stale_connection_check", &["requestStaleConnectionCheck"]);
    let op_wait = s.property_or("throttled_op_wait_time", &["throttledOpWaitTime"]);
    Ok(ThrottleSettings {
        connection_tokens: tokens as u32,
        connection_fill_ms: fill_ms,
        connection_fill_count: fill_count as u32,
        connection_freeze_ms: freeze_ms,
        connection_drop_increase: increase,
        connection_drop_decrease: decrease,
        connection_decrease_ratio: ratio,
        connection_weighted: weighted,
        connection_weight_global: global as u32,
        connection_weight_local: local as u32,
        connection_weight_renew: renew as u32,
        requests: number(requests, NATURAL, "requests", 0)? as u32,
        request_stall_ms: number(stall, NATURAL, "milliseconds", 100)?,
        request_drop_stale: flag(drop_stale, true),
        request_stale_latency_check: flag(latency, false),
        request_stale_connection_check: flag(cnxn, true),
        op_wait_ms: number(op_wait, NATURAL, "milliseconds", 0)?,
    })
}

fn log(s: &mut Source<'_>, remarks: &mut Vec<String>) -> Result<LogSettings, ConfigError> {
    const KIB: i64 = 1024;
    let kib = -1..=i64::MAX / KIB;
    let prealloc = number(s.property("preAllocSize"), kib.clone(), "KiB", 65_536)?;
    let limit = number(s.property("txnLogSizeLimitInKb"), kib, "KiB", -1)?;
    let batch = number(s.property("maxBatchSize"), ANY, "records", limits::LOG_BATCH as i64)?;
    let io = match s.file("ringkeeper.log.io") {
        None => LogIo::Auto,
        Some(found) => match found.value.as_str() {
            "auto" => LogIo::Auto,
            "calls" => LogIo::Calls,
            "ring" => LogIo::Ring,
            "direct" => LogIo::Direct,
            _ => return Err(found.refuse("auto, calls, ring or direct")),
        },
    };
    let delay = number(s.property("flushDelay"), ANY_LONG, "milliseconds", 0)?;
    let poll = number(s.property("maxWriteQueuePollTime"), ANY_LONG, "milliseconds", delay / 3)?;
    let force = s.property("forceSync");
    if force.as_ref().is_some_and(|f| f.value == "no") {
        remarks.push("forceSync=no: a power loss takes back what clients were told".to_owned());
    }
    let warning = s.property("fsync.warningthresholdms").or(s.system("fsync.warningthresholdms"));
    Ok(LogSettings {
        prealloc_bytes: (prealloc.max(0) * KIB) as u64,
        size_limit_bytes: (limit > 0).then_some((limit * KIB) as u64),
        batch_records: (batch > 0).then_some(batch as usize),
        flush_delay_ms: delay,
        poll_ms: poll,
        fsync_warning_ms: number(warning, ANY_LONG, "milliseconds", 1000)?,
        force_sync: force.is_none_or(|f| f.value != "no"),
        io,
    })
}

fn snapshot(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<SnapshotSettings, ConfigError> {
    let count = number(s.property("snapCount"), ANY, "transactions", 100_000)?;
    if count < 2 {
        remarks.push(format!("snapCount={count} is below 2: 2 is used"));
    }
    let limit = match s.property("snapSizeLimitInKb") {
        None => 4_194_304,
        Some(found) => {
            let kib = found.number(i64::MIN..=i64::MAX / 1024, "KiB")?;
            if kib == 0 {
                return Err(found.refuse("KiB above 0, or negative for no limit"));
            }
            kib
        }
    };
    // SnapStream.StreamMode.fromString: an unknown method is no compression.
    let compression = match s.property("snapshot.compression.method") {
        None => Compression::None,
        Some(found) => match found.value.to_ascii_lowercase().as_str() {
            "gz" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            _ => return Err(found.refuse("gz, snappy or empty")),
        },
    };
    let mbps =
        number(s.file("ringkeeper.snapshot.mbps"), 0..=1_000_000, "MB/s, 0 for no bound,", 200)?;
    Ok(SnapshotSettings {
        txn_count: count.max(2) as u64,
        log_bytes: (limit > 0).then_some(limit as u64 * 1024),
        compression,
        trust_empty: flag(s.property("snapshot.trust.empty"), false),
        autocreate_db: flag(s.property("db.autocreate"), true),
        last_zxid_section: flag(s.property("serializeLastProcessedZxid.enabled"), true),
        bytes_per_second: (mbps > 0).then_some(mbps as u64 * 1_000_000),
    })
}

fn autopurge(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<AutopurgeSettings, ConfigError> {
    let retain = number(s.file("autopurge.snapRetainCount"), ANY, "snapshots", 3)?;
    if retain < 3 {
        remarks.push(format!("autopurge.snapRetainCount={retain} is below 3: 3 is used"));
    }
    let interval = match s.file("autopurge.purgeInterval") {
        None => None,
        Some(found) => purge_interval(&found)?,
    };
    Ok(AutopurgeSettings { retain: retain.max(3) as usize, interval })
}

/// Hours, or since 3.10 a number with ms, s, m, h or d. Zero and less: off.
fn purge_interval(found: &Found) -> Result<Option<Duration>, ConfigError> {
    let digits = found.value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &found.value[digits.len()..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "" | "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    let refuse = || found.refuse("hours, or a number with ms, s, m, h or d");
    let amount = digits.trim().parse::<i32>().map_err(|_| refuse())?;
    if unit_ms == 0 {
        return Err(refuse());
    }
    Ok((amount > 0).then(|| Duration::from_millis(amount as u64 * unit_ms)))
}

fn auth(s: &mut Source<'_>) -> Result<AuthSettings, ConfigError> {
    let digest_alg = match s.property("DigestAuthenticationProvider.digestAlg") {
        None => DigestAlg::Sha1,
        Some(found) => match found.value.to_ascii_uppercase().as_str() {
            "SHA1" | "SHA-1" | "SHA" => DigestAlg::Sha1,
            "SHA-224" => DigestAlg::Sha224,
            "SHA-256" => DigestAlg::Sha256,
            "SHA-384" => DigestAlg::Sha384,
            "SHA-512" => DigestAlg::Sha512,
            _ => return Err(found.refuse("SHA1, SHA-224, SHA-256, SHA-384 or SHA-512")),
        },
    };
    let digest_enabled = flag(s.property("DigestAuthenticationProvider.enabled"), true);
    let extra_schemes = extra_schemes(s)?;
    let ensemble_names = text(s.property("ensembleAuthName"))
        .map(|names| names.split(',').map(|n| n.trim().to_owned()).collect());
    Ok(AuthSettings {
        skip_acl: s.property("skipACL").is_some_and(|f| f.value == "yes"),
        eager_acl_check: flag(s.property("enableEagerACLCheck"), false),
        digest_enabled,
        super_digest: text(s.property("DigestAuthenticationProvider.superDigest")),
        digest_alg,
        super_users: s.family("superUser").into_iter().map(|f| f.value).collect(),
        x509_super_user: text(s.property("X509AuthenticationProvider.superUser")),
        let_any_sasl_user_do_x: text(s.property("letAnySaslUserDoX")),
        enforce_schemes: enforced(s, digest_enabled, &extra_schemes)?,
        ensemble_names,
        extra_schemes,
        x_forwarded_for: flag(s.property("IPAuthenticationProvider.usexforwardedfor"), false),
    })
}

/// `authProvider.<anything>=<class>` (ProviderRegistry). A class that cannot be loaded is a warning
/// in Java; here it is refused, for nobody asks for a scheme without relying on it.
fn extra_schemes(s: &mut Source<'_>) -> Result<Vec<&'static str>, ConfigError> {
    let mut schemes = Vec::new();
    for found in s.family("authProvider.") {
        match found.value.rsplit('.').next().unwrap_or_default() {
            "EnsembleAuthenticationProvider" => schemes.push("ensemble"),
            "KeyAuthenticationProvider" => schemes.push("key"),
            // Always there.
            "IPAuthenticationProvider" | "DigestAuthenticationProvider" => {}
            "SASLAuthenticationProvider" => {
                return Err(not_served(found, "SASL", "use digest authentication"));
            }
            "X509AuthenticationProvider" => {
                return Err(not_served(found, "TLS", "use digest authentication"));
            }
            _ => {
                return Err(not_served(
                    found,
                    "an authentication class of your own",
                    "the built-in schemes are world, ip, digest, auth, ensemble and key",
                ));
            }
        }
    }
    Ok(schemes)
}

fn not_served(found: Found, feature: &'static str, instead: &'static str) -> ConfigError {
    let Found { key, value, place } = found;
    ConfigError::NotServed { key, value, place, feature, instead }
}

/// AuthenticationHelper. A scheme that cannot be had would lock everybody out, or if it were
/// passed over, let everybody in: refused, as in Java.
fn enforced(
    s: &mut Source<'_>,
    digest: bool,
    extra: &[&'static str],
) -> Result<Option<Vec<String>>, ConfigError> {
    let require_sasl = s.property("sessionRequireClientSASLAuth");
    let enabled = s.property("enforce.auth.enabled");
    let schemes = s.property("enforce.auth.schemes");
    if let Some(found) = require_sasl.filter(Found::is_true) {
        return Err(not_served(found, "SASL", "use enforce.auth.schemes=digest"));
    }
    let Some(enabled) = enabled.filter(Found::is_true) else { return Ok(None) };
    let schemes = schemes.ok_or_else(|| {
        enabled.refuse("false, or enforce.auth.schemes must name the schemes to enforce")
    })?;
    let names: Vec<String> = schemes.value.split(',').map(|n| n.trim().to_owned()).collect();
    for name in &names {
        let known = name == "ip" || (name == "digest" && digest) || extra.contains(&name.as_str());
        if !known {
            return Err(schemes.refuse(format!("schemes this server has; \"{name}\" is none")));
        }
    }
    Ok(Some(names))
}

fn containers(s: &mut Source<'_>) -> Result<ContainerSettings, ConfigError> {
    let interval = s.system("znode.container.checkIntervalMs");
    let per_minute = s.system("znode.container.maxPerMinute");
    let never_used = s.system("znode.container.maxNeverUsedIntervalMs");
    Ok(ContainerSettings {
        check_interval_ms: number(interval, POSITIVE, "milliseconds", 60_000)?,
        deletions_per_minute: number(per_minute, POSITIVE, "deletions", 10_000)? as u32,
        never_used_ms: number(never_used, ANY_LONG, "milliseconds", 0)?.max(0),
    })
}

/// FourLetterCommands.isEnabled.
fn four_letter(s: &mut Source<'_>) -> FourLetterSettings {
    let list = text(s.property("4lw.commands.whitelist")).unwrap_or_default();
    let mut commands: Vec<String> =
        list.split(',').map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect();
    let all = commands.iter().any(|c| c == "*");
    // zkServer.sh depends on srvr, clients that look for a writable server on isro.
    commands.push("srvr".to_owned());
    if s.system("readonlymode.enabled").is_some_and(|f| f.value == "true") {
        commands.push("isro".to_owned());
    }
    commands.sort();
    commands.dedup();
    FourLetterSettings { all, commands }
}

fn admin(s: &mut Source<'_>) -> Result<AdminSettings, ConfigError> {
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

fn metrics(s: &mut Source<'_>) -> Result<MetricsSettings, ConfigError> {
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

fn placement(s: &mut Source<'_>) -> Result<PlacementSettings, ConfigError> {
    let network = s.file("ringkeeper.cores.network").map_or(Ok(Cores::Auto), |f| cores(&f))?;
    let mut single = |key: &str| -> Result<Option<usize>, ConfigError> {
        let Some(found) = s.file(key) else { return Ok(None) };
        match cores(&found)? {
            Cores::Auto => Ok(None),
            Cores::Cpus(cpus) if cpus.len() == 1 => Ok(cpus.first().copied()),
            Cores::Cpus(_) | Cores::Count(_) => Err(found.refuse("auto or the number of one CPU")),
        }
    };
    let control = single("ringkeeper.cores.control")?;
    let log = single("ringkeeper.cores.log")?;
    let spin = match s.file("ringkeeper.spin.micros").filter(|f| f.value != "auto") {
        None => None,
        Some(found) => Some(found.number(0..=1_000_000, "microseconds")? as u32),
    };
    Ok(PlacementSettings { network, control, log, spin_micros: spin })
}

/// `auto`, `x4` (four threads), or CPUs: `0`, `1-6`, `0,2-3`.
fn cores(found: &Found) -> Result<Cores, ConfigError> {
    /// Linux's own bound (CONFIG_NR_CPUS).
    const CPUS_MAX: usize = 8192;
    let refuse = || found.refuse("auto, CPUs such as 0 or 1-6,8, or x4 for four threads");
    let value = found.value.as_str();
    if value == "auto" {
        return Ok(Cores::Auto);
    }
    if let Some(count) = value.strip_prefix('x') {
        let count = count.parse().ok().filter(|n| (1..=CPUS_MAX).contains(n));
        return count.map(Cores::Count).ok_or_else(refuse);
    }
    let mut cpus = Vec::new();
    for part in value.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| refuse())?;
        let last: usize = last.trim().parse().map_err(|_| refuse())?;
        if first > last || last >= CPUS_MAX {
            return Err(refuse());
        }
        cpus.extend(first..=last);
    }
    let listed = cpus.len();
    cpus.sort_unstable();
    cpus.dedup();
    if cpus.len() != listed {
        return Err(found.refuse("CPUs that are each named once"));
    }
    Ok(Cores::Cpus(cpus))
}

/// Keys of ensembles that Java checks on a standalone server too.
fn check_ensemble_keys(s: &Source<'_>) -> Result<(), ConfigError> {
    const NUMBERS: &[&str] = &[
        "initLimit",
        "syncLimit",
        "connectToLearnerMasterLimit",
        "observerMasterPort",
        "quorum.cnxn.threads.size",
        "jvm.pause.warn-threshold.ms",
        "jvm.pause.info-threshold.ms",
        "jvm.pause.sleep.time.ms",
        "multiAddress.reachabilityCheckTimeoutMs",
    ];
    const BOOLEANS: &[&str] = &[
        "quorumListenOnAllIPs",
        "syncEnabled",
        "sslQuorum",
        "portUnification",
        "sslQuorumReloadCertFiles",
        "quorum.auth.enableSasl",
        "quorum.auth.learnerRequireSasl",
        "quorum.auth.serverRequireSasl",
        "jvm.pause.monitor",
        "multiAddress.enabled",
        "multiAddress.reachabilityCheckEnabled",
    ];
    for property in s.file.iter() {
        let found = || Found {
            key: property.key.clone(),
            value: property.value.clone(),
            place: s.file.place(property),
        };
        let key = property.key.as_str();
        if NUMBERS.contains(&key) {
            found().number(ANY, "")?;
        } else if BOOLEANS.contains(&key) {
            found().strict_bool()?;
        } else if key == "electionAlg" && property.value != "3" {
            return Err(found().refuse("3"));
        } else if key == "peerType" {
            let role = property.value.to_ascii_lowercase();
            if role != "participant" && role != "observer" {
                return Err(found().refuse("participant or observer"));
            }
        }
    }
    Ok(())
}
