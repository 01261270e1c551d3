//! What `ringkeeper config check` prints: every setting that holds, where it comes from, and what of the file
//! will not be honoured.

use std::fmt::Write;
use std::time::Duration;

use super::{Cores, Listen, LogIo, Noted, PeerTlsSettings, Settings};
use crate::net::Security;

/// A value that was found in the file or in the flags.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// As it was asked for.
    pub key: String,
    /// As it was written.
    pub value: String,
    /// File and line, or the flags.
    pub place: String,
}

/// What came of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Lines for people.
    pub text: String,
    /// Nothing that was written will be passed over.
    pub is_honoured: bool,
}

impl Settings {
    /// The settings that hold, and what does not.
    pub fn report(&self) -> Report {
        let mut text = format!("settings of {}:\n", self.source);
        let rows = self.rows();
        let width = rows.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        for (key, value) in &rows {
            let place = self.origin(key).map_or("default", |origin| origin.place.as_str());
            line(&mut text, format_args!("  {key:<width$} = {value}  ({place})"));
        }
        // Those that shape no figure above, as they were written.
        for origin in &self.origins {
            if !rows.iter().any(|(key, _)| *key == bare(&origin.key)) {
                let Origin { key, value, place } = origin;
                line(&mut text, format_args!("  {key:<width$} = {}  ({place})", shown(key, value)));
            }
        }
        self.remaining(&mut text);
        let is_honoured = self.unknown.is_empty() && self.not_served.is_empty();
        Report { text, is_honoured }
    }

    fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| bare(&origin.key) == key)
    }

    /// What does nothing, and why.
    pub(super) fn remaining(&self, text: &mut String) {
        let lists: [(&str, &[Noted]); 3] = [
            ("not honoured, for nobody knows it", &self.unknown),
            ("not served by this version", &self.not_served),
            ("without effect here", &self.no_effect),
        ];
        for (title, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            line(text, format_args!("{title}:"));
            for Noted { key, place, why } in *list {
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                line(text, format_args!("  {key} ({place}){why}"));
            }
        }
        if !self.remarks.is_empty() {
            line(text, format_args!("remarks:"));
            for remark in &self.remarks {
                line(text, format_args!("  {remark}"));
            }
        }
    }

    /// Keys and their values in force, the file's spelling.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = self.rows_of_clients();
        rows.extend(self.rows_of_files());
        rows.extend(self.rows_of_ensembles());
        rows
    }

    fn rows_of_clients(&self) -> Vec<(&'static str, String)> {
        let (client, session, limits) = (&self.client, &self.session, &self.limits);
        vec![
            ("clientPort", listen(client.listen)),
            ("secureClientPort", listen(client.secure)),
            ("client.portUnification", client.unification.to_string()),
            ("clientPortListenBacklog", client.backlog.to_string()),
            ("clientTcpKeepAlive", client.tcp_keep_alive.to_string()),
            ("tickTime", self.tick_ms.to_string()),
            ("minSessionTimeout", session.timeout_ms_min.to_string()),
            ("maxSessionTimeout", session.timeout_ms_max.to_string()),
            ("localSessionsEnabled", session.local.to_string()),
            ("localSessionsUpgradingEnabled", session.local_upgrading.to_string()),
            ("ringkeeper.sessions.max", session.max.to_string()),
            ("maxClientCnxns", bound(limits.cnxns_per_address)),
            ("maxCnxns", bound(limits.cnxns)),
            ("globalOutstandingLimit", limits.global_outstanding.to_string()),
            ("jute.maxbuffer", limits.jute_maxbuffer.to_string()),
            ("ringkeeper.client.outbound.pause", limits.outbound_pause.to_string()),
            ("ringkeeper.client.outbound.max", limits.outbound_close.to_string()),
            ("4lw.commands.whitelist", self.words()),
            ("readonlymode.enabled", self.read_only_mode.to_string()),
            ("skipACL", self.auth.skip_acl.to_string()),
            ("extendedTypesEnabled", self.tree.types.extended_types.to_string()),
            ("digest.enabled", self.tree.digest.to_string()),
            ("enforceQuota", self.tree.enforce_quota.to_string()),
            ("admin.enableServer", self.admin.is_some().to_string()),
            ("metricsProvider.className", provider(self.metrics.is_some())),
        ]
    }

    fn words(&self) -> String {
        match self.four_letter.all {
            true => "*".into(),
            false => self.four_letter.commands.join(","),
        }
    }

    fn rows_of_files(&self) -> Vec<(&'static str, String)> {
        let (log, snapshot) = (&self.log, &self.snapshot);
        let mut rows = vec![
            ("dataDir", self.data_dir.display().to_string()),
            ("dataLogDir", self.data_log_dir.display().to_string()),
            ("datadir.autocreate", self.autocreate_dirs.to_string()),
            ("forceSync", log.force_sync.to_string()),
            ("preAllocSize", format!("{} bytes", log.prealloc_bytes)),
            ("flushDelay", log.flush_delay_ms.to_string()),
            ("fsync.warningthresholdms", log.fsync_warning_ms.to_string()),
            ("ringkeeper.log.io", log_io(log.io).to_owned()),
            ("snapCount", snapshot.txn_count.to_string()),
            ("ringkeeper.snapshot.mbps", megabytes(snapshot.bytes_per_second)),
            ("autopurge.snapRetainCount", self.autopurge.retain.to_string()),
            ("autopurge.purgeInterval", hours(self.autopurge.interval)),
        ];
        let placement = &self.placement;
        let one = |cpu: Option<usize>| cpu.map_or("auto".to_owned(), |cpu| cpu.to_string());
        rows.extend([
            ("ringkeeper.cores.network", cores(&placement.network)),
            ("ringkeeper.cores.control", one(placement.control)),
            ("ringkeeper.cores.log", one(placement.log)),
        ]);
        rows
    }

    fn rows_of_ensembles(&self) -> Vec<(&'static str, String)> {
        let Some(ensemble) = &self.ensemble else { return Vec::new() };
        vec![
            ("myid", ensemble.me.0.to_string()),
            ("initLimit", format!("{} ticks", ensemble.timing.init_ticks)),
            ("syncLimit", format!("{} ticks", ensemble.timing.sync_ticks)),
            ("leaderServes", ensemble.leader_serves.to_string()),
            ("quorumListenOnAllIPs", ensemble.listen_on_all_addresses.to_string()),
            ("reconfigEnabled", self.reconfig.to_string()),
            ("standaloneEnabled", ensemble.standalone_enabled.to_string()),
            ("sslQuorum", ensemble.tls.as_ref().is_some_and(|tls| tls.dials).to_string()),
            ("portUnification", takes_both(ensemble.tls.as_ref()).to_string()),
        ]
    }
}

/// The key without what flags have before it.
fn bare(key: &str) -> &str {
    key.strip_prefix("zookeeper.").unwrap_or(key)
}

/// Secrets are not shown.
pub(super) fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    let key = key.to_ascii_lowercase();
    match ["password", "digest", "secret"].iter().any(|word| key.contains(word)) {
        true => "(not shown)",
        false => value,
    }
}

fn listen(listen: Option<Listen>) -> String {
    match listen {
        None => "none".into(),
        Some(Listen { ip: Some(ip), port }) => format!("{port} on {ip}"),
        Some(Listen { ip: None, port }) => format!("{port} on every address"),
    }
}

fn takes_both(tls: Option<&PeerTlsSettings>) -> bool {
    tls.is_some_and(|tls| tls.accepts == Security::Either)
}

fn bound(most: u32) -> String {
    if most == 0 { "no bound".into() } else { most.to_string() }
}

fn provider(is_on: bool) -> String {
    if is_on { "the page of metrics" } else { "none" }.into()
}

fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or("no bound".into(), |bytes| (bytes / 1_000_000).to_string())
}

fn hours(interval: Option<Duration>) -> String {
    interval.map_or("off".into(), |interval| (interval.as_secs() / 3600).to_string())
}

fn log_io(io: LogIo) -> &'static str {
    match io {
        LogIo::Auto => "auto",
        LogIo::Calls => "calls",
        LogIo::Ring => "ring",
        LogIo::Direct => "direct",
    }
}

fn cores(cores: &Cores) -> String {
    match cores {
        Cores::Auto => "auto".into(),
        Cores::Count(count) => format!("x{count}"),
        Cores::Cpus(cpus) => cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = writeln!(text, "{line}");
}
