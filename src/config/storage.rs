//! Files: the log, snapshots, and when old ones go.

use std::time::Duration;

use super::source::{Found, Source};
use super::value::{ANY, ANY_LONG, flag, number};
use super::{AutopurgeSettings, Compression, ConfigError, LogIo, LogSettings, SnapshotSettings};
use crate::types::limits;

pub(super) fn log(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<LogSettings, ConfigError> {
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

pub(super) fn snapshot(
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

pub(super) fn autopurge(
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
