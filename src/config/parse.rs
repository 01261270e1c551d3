//! Keys to settings: one function for each group of [`Settings`].
//!
//! Defaults and what a value may be are Java's (QuorumPeerConfig, and the class that reads each
//! property). Where Java takes a nonsense value silently, the start is refused here instead; where
//! it corrects one, it is corrected and remarked upon.

use std::path::{Path, PathBuf};

use super::audit::audit;
use super::auth::auth;
use super::ensemble::ensemble;
use super::listen::client;
use super::source::{Found, Source};
use super::storage::{autopurge, log, snapshot};
use super::throttles::throttles;
use super::value::{ANY, ANY_LONG, POSITIVE, flag, number, size, strict, text};
use super::*;
use super::{keys, membership, operators, tls};
use crate::types::{TypeRules, limits};

impl Settings {
    /// Reads a configuration file and the flags.
    pub fn load(path: &Path, flags: &Flags) -> Result<Settings, ConfigError> {
        let (file, _) = Properties::read(path)?;
        let mut settings = Settings::parse(&file, flags)?;
        settings.file = Some(path.to_owned());
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
        check_ensemble_keys(s)?;
        let mut membership = membership::read(s, &data_dir, &mut remarks)?;
        let tick_ms = number(s.file("tickTime"), POSITIVE, "milliseconds", 3000)? as i32;
        let client = client(s, membership.client.take(), &whence)?;
        let tls = tls::clients(s, &mut remarks)?;
        let server_id = membership.server_id;
        let mut settings = Settings {
            source: whence.clone(),
            file: None,
            data_log_dir: log_dir.unwrap_or_else(|| data_dir.clone()),
            data_dir,
            autocreate_dirs: flag(s.property("datadir.autocreate"), true),
            tick_ms,
            client,
            session: session(s, tick_ms)?,
            limits: limits(s, &mut remarks)?,
            throttles: throttles(s, &mut remarks)?,
            log: log(s, &mut remarks)?,
            snapshot: snapshot(s, &mut remarks)?,
            autopurge: autopurge(s, &mut remarks)?,
            tree: tree(s),
            auth: auth(s, tls.is_some())?,
            tls,
            containers: containers(s)?,
            four_letter: four_letter(s),
            read_only_mode: flag(s.system("readonlymode.enabled"), false),
            reconfig: strict(s.file("reconfigEnabled"), false)?,
            server_id,
            ensemble: ensemble(s, membership, tick_ms, &whence, &mut remarks)?,
            placement: placement(s)?,
            unknown: Vec::new(),
            no_effect: Vec::new(),
            not_served: Vec::new(),
            admin: operators::admin(s)?,
            metrics: operators::metrics(s, &mut remarks)?,
            audit: audit(s)?,
            slow: operators::slow(s)?,
            properties: operators::properties(s),
            initial: operators::initial(s),
            origins: Vec::new(),
            remarks: Vec::new(),
        };
        settings.remarks = remarks;
        settings.remarks.extend(s.taken_from_the_file());
        if settings.auth.skip_acl {
            settings.remarks.push("skipACL=yes: every client may do everything".to_owned());
        }
        settings.refuse_long_ids()?;
        settings.report_unread(s)?;
        settings.origins = s.origins();
        Ok(settings)
    }

    /// EphemeralType.validateServerId: with extended types, session ids with the highest byte full
    /// are something else.
    fn refuse_long_ids(&self) -> Result<(), ConfigError> {
        const HIGHEST: i64 = 0xfe;
        match &self.ensemble {
            Some(ensemble) if self.tree.types.extended_types && ensemble.me.0 > HIGHEST => {
                let (data_dir, most) = (self.data_dir.clone(), HIGHEST);
                Err(Conflict::LongId { data_dir, most }.into())
            }
            _ => Ok(()),
        }
    }

    /// Names what nobody asked for, and what was written twice.
    fn report_unread(&mut self, source: &Source<'_>) -> Result<(), ConfigError> {
        for found in source.unasked() {
            let flag = found.place == Place::Flag;
            let key = found.key.strip_prefix("zookeeper.").filter(|_| flag).unwrap_or(&found.key);
            if let Some(rest) = key.strip_prefix("ringkeeper.") {
                let hint =
                    source.nearest(&found).map_or(String::new(), |near| format!(" ({near})"));
                return Err(
                    found.refuse(format!("one of our own keys; there is no \"{rest}\"{hint}"))
                );
            }
            let full = flag && key == found.key;
            let hint = source.nearest(&found);
            let (list, why) = match keys::kind_of(key, full, self.ensemble.is_some()) {
                // Some other program's property, unless it is nearly one of ZooKeeper's: Java would
                // not look at it either.
                keys::KeyKind::Foreign => match hint {
                    Some(hint) => (&mut self.unknown, hint),
                    None => (&mut self.no_effect, "not a property of ZooKeeper".to_owned()),
                },
                keys::KeyKind::NoEffect(why) => (&mut self.no_effect, why.to_owned()),
                keys::KeyKind::NotServed(why) => (&mut self.not_served, why.to_owned()),
                keys::KeyKind::Unknown => (&mut self.unknown, hint.unwrap_or_default()),
            };
            list.push(Noted { key: found.key.clone(), place: found.place.to_string(), why });
        }
        for other in source.flags().others() {
            let (key, place) = (other.clone(), Place::Flag.to_string());
            self.no_effect.push(Noted { key, place, why: "a setting of the Java VM".to_owned() });
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

fn tree(s: &mut Source<'_>) -> TreeSettings {
    TreeSettings {
        digest: flag(s.property("digest.enabled"), true),
        types: TypeRules {
            extended_types: flag(s.property("extendedTypesEnabled"), false),
            emulate_353_ttl: flag(s.property("emulate353TTLNodes"), false),
        },
        enforce_quota: flag(s.property("enforceQuota"), false),
    }
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
        let path = s.file.path().to_owned();
        return Err(Conflict::SessionTimeouts { path, min_ms: min, max_ms: max, tick_ms }.into());
    }
    let most =
        number(s.file("ringkeeper.sessions.max"), POSITIVE, "sessions", limits::SESSIONS as i64)?;
    Ok(SessionSettings {
        max: most as usize,
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
    let committed = number(s.property("commitLogCount"), ANY, "transactions", 500)?;
    if committed < limits::COMMITTED_LOG as i64 {
        remarks.push(format!("commitLogCount={committed} is below 500: 500 is used"));
    }
    let global = limits::GLOBAL_OUTSTANDING as i64;
    let multi_read =
        number(s.property("multiRead.maxOps"), ANY, "reads", limits::MULTI_READ_OPS as i64)?;
    let gathered = limits::MULTI_READ_BYTES as i64;
    let gathered = number(s.property("multiRead.maxResponseBytes"), ANY_LONG, "bytes", gathered)?;
    Ok(LimitSettings {
        jute_maxbuffer: maxbuffer as usize,
        jute_extra: extra.max(limits::JUTE_EXTRA_MIN as i64) as usize,
        cnxns_per_address: number(
            s.file("maxClientCnxns"),
            ANY,
            "connections",
            limits::CLIENT_CNXNS_MAX.into(),
        )?
        .max(0) as u32,
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
        multi_read_ops: if multi_read > 0 { multi_read as usize } else { usize::MAX },
        multi_read_bytes: match gathered {
            1.. => (gathered as usize).min(limits::ANSWER_BYTES),
            _ => limits::ANSWER_BYTES,
        },
        committed_log: committed.max(limits::COMMITTED_LOG as i64) as usize,
        outbound_pause: size(s.file("ringkeeper.client.outbound.pause"), limits::OUTBOUND_PAUSE)?,
        outbound_close: size(s.file("ringkeeper.client.outbound.max"), limits::OUTBOUND_CLOSE)?,
    })
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

/// Keys of ensembles whose form Java checks on a standalone server too.
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
