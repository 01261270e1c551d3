//! Transaction log files: the framing of a record (tools/docs/reference/storage.md section 2).
//! Reading them back, and what to make of their ends, is [`crate::log::scan`]'s.
//!
//! ```text
//!  file    "ZKLG" | version 2 (4) | dbid 0 (8) | record | record | … | zeros to the preallocated end
//!  record  checksum (8): Adler-32 of the entry | n (4) | entry (n bytes) | 'B'
//! ```

use simd_adler32::adler32;

use super::jute::{put_i32, put_i64};

/// What Java begins every log file with: magic, version 2, dbid 0. It checks the magic alone.
pub const FILE_HEADER: [u8; 16] = *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0";

/// Bytes a frame adds to its entry: checksum, length and marker.
pub const FRAME_BYTES: usize = 8 + 4 + 1;

/// The last byte of every whole record.
pub const MARKER: u8 = b'B';

/// The shortest entry there is: a bare header (closeSession without its list).
pub const ENTRY_BYTES_MIN: usize = 32;

/// Appends a record: `entry` in its frame.
pub fn put_record(out: &mut Vec<u8>, entry: &[u8]) {
    // An empty entry would read back as the end of the file.
    debug_assert!(entry.len() >= ENTRY_BYTES_MIN, "an entry has at least its header");
    out.reserve(entry.len() + FRAME_BYTES);
    put_i64(out, i64::from(adler32(&entry)));
    put_i32(out, entry.len() as i32);
    out.extend_from_slice(entry);
    out.push(MARKER);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::txn::{decode_entry, encode_entry};
    use crate::testing::generate::unhex;

    #[test]
    fn a_java_servers_first_record() {
        let record = unhex(
            "00000000ed7c0b60 00000030 01000047cef20000 00000000 0000000000000001
             000001a1f919ec3d fffffff6 00002710 00000002 0000000051c6d660 42",
        );
        let mut out = Vec::new();
        put_record(&mut out, &record[12..record.len() - 1]);
        assert_eq!(out, record);
        assert_eq!(FILE_HEADER.to_vec(), unhex("5a4b4c47 00000002 0000000000000000"));
    }

    #[test]
    fn a_java_servers_log_reads_and_writes_to_the_same_bytes() {
        let file = include_bytes!("../snapshot/testdata/log.1");
        let mut written = FILE_HEADER.to_vec();
        let mut kinds = std::collections::BTreeSet::new();
        loop {
            let rest = &file[written.len()..];
            let length = i32::from_be_bytes(rest[8..12].try_into().unwrap()) as usize;
            if length == 0 {
                assert!(rest.iter().all(|byte| *byte == 0));
                break;
            }
            let entry = decode_entry(&rest[12..12 + length], 1 << 20).unwrap();
            kinds.insert(entry.txn.number());
            let mut encoded = Vec::new();
            encode_entry(&entry, &mut encoded);
            put_record(&mut written, &encoded);
            assert!(file.starts_with(&written), "{entry:?}");
            if written.len() == file.len() {
                break;
            }
        }
        assert!(kinds.is_superset(&[-11, -10, -1, 1, 2, 5, 7, 14, 15, 19, 21].into()));
    }
}
