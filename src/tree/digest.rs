//! The tree digest: equal on all servers at equal zxid (I13; DigestCalculator, AdHash).
//!
//! The tree's digest is the sum, modulo 2^64, of its nodes' digests. A node's is the CRC-32 of its
//! path, its data and 60 bytes of its stat, in that order. Path and data come first and seldom
//! change, so the CRC after them is kept with the node: a change of the stat alone costs 60 bytes.

use crate::types::StoredStat;

/// Bookkeeping each server keeps for itself; the node /zookeeper is not under it and counts.
const EXCLUDED: &str = "/zookeeper/";

/// Digest of one node; the root's path may be written "" or "/". 0 for what is left out.
pub fn node_digest(path: &str, data: Option<&[u8]>, stat: &StoredStat) -> u64 {
    from_content(path, content_crc(path, data), stat)
}

/// The CRC after path and data: the part of a node's digest that its stat does not touch.
pub fn content_crc(path: &str, data: Option<&[u8]>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    if path != "/" {
        crc.update(path.as_bytes());
    }
    crc.update(data.unwrap_or_default());
    crc.finalize()
}

/// Digest of a node whose [`content_crc`] is known.
pub fn from_content(path: &str, content_crc: u32, stat: &StoredStat) -> u64 {
    if path.starts_with(EXCLUDED) {
        return 0;
    }
    let mut bytes = [0u8; 60];
    let longs = [stat.czxid.0, stat.mzxid.0, stat.pzxid.0, stat.ctime.0, stat.mtime.0];
    for (slot, long) in bytes.chunks_exact_mut(8).zip(longs) {
        slot.copy_from_slice(&long.to_be_bytes());
    }
    bytes[40..44].copy_from_slice(&stat.version.to_be_bytes());
    bytes[44..48].copy_from_slice(&stat.cversion.to_be_bytes());
    bytes[48..52].copy_from_slice(&stat.aversion.to_be_bytes());
    bytes[52..60].copy_from_slice(&stat.owner.to_be_bytes());
    let mut crc = crc32fast::Hasher::new_with_initial(content_crc);
    crc.update(&bytes);
    u64::from(crc.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{WallMillis, Zxid};

    #[test]
    fn a_fresh_tree_has_javas_digest() {
        let stat = StoredStat::default();
        let sum = node_digest("", Some(b""), &stat) + node_digest("/zookeeper", Some(b""), &stat);
        assert_eq!(sum, 0x51c6_d660);
        assert_eq!(node_digest("/zookeeper/quota", Some(b""), &stat), 0);
    }

    #[test]
    fn a_digest_continued_from_its_content_is_the_digest_at_once() {
        let stat = StoredStat {
            czxid: Zxid(7),
            mtime: WallMillis(1_700_000_000_000),
            version: -3,
            owner: i64::MIN,
            ..StoredStat::default()
        };
        let crc = content_crc("/a/b", Some(b"hello"));
        let mut whole = crc32fast::Hasher::new();
        whole.update(b"/a/bhello");
        let longs = [7i64, 0, 0, 0, 1_700_000_000_000];
        longs.iter().for_each(|l| whole.update(&l.to_be_bytes()));
        [-3i32, 0, 0].iter().for_each(|i| whole.update(&i.to_be_bytes()));
        whole.update(&i64::MIN.to_be_bytes());
        assert_eq!(from_content("/a/b", crc, &stat), u64::from(whole.finalize()));
        assert_eq!(node_digest("/", None, &stat), node_digest("", None, &stat));
    }
}
