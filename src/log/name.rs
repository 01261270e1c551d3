//! File names: ZooKeeper's, and those of ours that it passes over.

use crate::disk::{Dir, Listed, OUR_PREFIX};
use crate::types::Zxid;
use std::io;

/// `log.<zxid of the first transaction, lowercase hex>` (Util.makeLogName).
pub fn log_name(first: Zxid) -> String {
    format!("log.{:x}", first.0)
}

/// The zxid a log file is named for (Util.getZxidFromName): the second of the parts between dots,
/// whatever follows; `None` for other files. Java reads an unreadable number as -1 and sorts the
/// file before all others, where it is never looked at.
pub fn zxid_of_log(name: &str) -> Option<Zxid> {
    zxid_of(name, "log")
}

/// As [`zxid_of_log`], for `snapshot.<hex>[.gz|.snappy]`.
pub fn zxid_of_snapshot(name: &str) -> Option<Zxid> {
    zxid_of(name, "snapshot")
}

fn zxid_of(name: &str, prefix: &str) -> Option<Zxid> {
    let mut parts = name.split('.');
    if parts.next() != Some(prefix) {
        return None;
    }
    i64::from_str_radix(parts.next()?, 16).ok().filter(|z| *z >= 0).map(Zxid)
}

/// The segment that is being prepared and has no first zxid yet.
pub fn next_name() -> String {
    format!("{OUR_PREFIX}log.next")
}

/// What is known to be durable of the newest segment.
pub fn horizon_name() -> String {
    format!("{OUR_PREFIX}log.horizon")
}

/// The record beside a sealed segment.
pub fn side_name(first: Zxid) -> String {
    format!("{OUR_PREFIX}log.{:x}.crc", first.0)
}

/// The zxid of the segment that a side record belongs to.
pub fn zxid_of_side(name: &str) -> Option<Zxid> {
    let hex = name.strip_prefix(OUR_PREFIX)?.strip_prefix("log.")?.strip_suffix(".crc")?;
    i64::from_str_radix(hex, 16).ok().map(Zxid)
}

/// A log file in its directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogFile {
    /// Of its name: no transaction in it is older.
    pub first: Zxid,
    /// In its folder.
    pub name: String,
    /// Bytes, prepared space included.
    pub size: u64,
}

/// All log files, oldest first (by zxid, then by name, so that the order is always the same).
pub fn list_logs(dir: &dyn Dir) -> io::Result<Vec<LogFile>> {
    let mut logs: Vec<LogFile> = dir
        .list()?
        .into_iter()
        .filter_map(|Listed { name, size }| {
            zxid_of_log(&name).map(|first| LogFile { first, name, size })
        })
        .collect();
    logs.sort_by(|a, b| (a.first, &a.name).cmp(&(b.first, &b.name)));
    Ok(logs)
}

/// How many of the oldest of `logs` need not be read for transactions from `from` on: reading
/// begins in the last file named `from` or lower (FileTxnLog.getLogFiles).
pub fn passed_over(logs: &[LogFile], from: Zxid) -> usize {
    logs.iter().rposition(|log| log.first <= from).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_java_reads_them() {
        assert_eq!(log_name(Zxid(0x1_0000_000a)), "log.10000000a");
        assert_eq!(zxid_of_log("log.10000000a"), Some(Zxid(0x1_0000_000a)));
        assert_eq!(zxid_of_log("log.5.bak"), Some(Zxid(5)));
        assert_eq!(zxid_of_snapshot("snapshot.0.snappy"), Some(Zxid(0)));
        for other in ["log", "log.", "log.xyz", "log.-1", "snapshot.1", "ringkeeper.log.1.crc"] {
            assert_eq!(zxid_of_log(other), None, "{other}");
        }
    }

    #[test]
    fn our_own_files_are_no_logs_for_java() {
        for name in [next_name(), horizon_name(), side_name(Zxid(0xab))] {
            assert!(!name.starts_with("log.") && !name.starts_with("snapshot."), "{name}");
        }
        assert_eq!(zxid_of_side(&side_name(Zxid(0xab))), Some(Zxid(0xab)));
        assert_eq!(zxid_of_side(&next_name()), None);
    }
}
