//! File names: ZooKeeper's, and ours, which it passes over.

use super::pack::Compression;
use crate::disk::OUR_PREFIX;
use crate::types::Zxid;

/// A snapshot that is being written.
pub const TEMPORARY: &str = "ringkeeper.snapshot.tmp";

/// `snapshot.<zxid, lowercase hex>[.gz|.snappy]` (Util.makeSnapshotName).
pub fn snapshot_name(at: Zxid, compression: Compression) -> String {
    format!("snapshot.{:x}{}", at.0, compression.extension())
}

/// The zxid a snapshot is named for (Util.getZxidFromName): the second part between dots,
/// whatever follows. `None` for other files.
pub fn zxid_of_snapshot(name: &str) -> Option<Zxid> {
    let mut parts = name.split('.');
    if parts.next() != Some("snapshot") {
        return None;
    }
    i64::from_str_radix(parts.next()?, 16).ok().filter(|z| *z >= 0).map(Zxid)
}

/// The record beside the snapshot of this name.
pub fn side_name(snapshot: &str) -> String {
    format!("{OUR_PREFIX}{snapshot}.crc")
}

/// The snapshot that a side record belongs to.
pub fn snapshot_of_side(name: &str) -> Option<&str> {
    let snapshot = name.strip_prefix(OUR_PREFIX)?.strip_suffix(".crc")?;
    zxid_of_snapshot(snapshot).map(|_| snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_java_reads_them() {
        assert_eq!(snapshot_name(Zxid(0x1_0000_000a), Compression::Gzip), "snapshot.10000000a.gz");
        assert_eq!(zxid_of_snapshot("snapshot.1f.snappy"), Some(Zxid(0x1f)));
        assert_eq!(zxid_of_snapshot("snapshot.0"), Some(Zxid(0)));
        for other in ["snapshot", "snapshot.", "snapshot.x", "snapshot.-1", "log.1", TEMPORARY] {
            assert_eq!(zxid_of_snapshot(other), None, "{other}");
        }
    }

    #[test]
    fn our_own_files_are_no_snapshots_for_java() {
        let side = side_name("snapshot.1f.gz");
        assert_eq!(side, "ringkeeper.snapshot.1f.gz.crc");
        assert_eq!(snapshot_of_side(&side), Some("snapshot.1f.gz"));
        assert_eq!(snapshot_of_side("ringkeeper.log.1f.crc"), None);
        assert!(TEMPORARY.starts_with(OUR_PREFIX));
    }
}
