//! The files: transactions, their log, snapshots.

use ringkeeper::codec::jute::{put_i32, put_i64};
use ringkeeper::codec::snapfile::{FILE_END, SnapshotReader, SnapshotWriter, Tail};
use ringkeeper::codec::txn::{Entry, Txn, decode_entry, decode_entry_header, encode_entry};
use ringkeeper::codec::txnlog::{self, FILE_HEADER, FRAME_BYTES, Scan, Scanner};
use simd_adler32::adler32;

use super::choose;

/// Longest field or entry accepted: small, so that limits are met, too.
pub const FIELD_MAX: usize = 1 << 12;

/// One log entry.
pub fn fuzz_entry(data: &[u8]) {
    let Ok(entry) = decode_entry(data, FIELD_MAX) else { return };
    let Ok((header, number)) = decode_entry_header(data) else {
        panic!("an entry without a header")
    };
    assert_eq!((header, number), (entry.header, entry.txn.number()));
    let mut out = Vec::new();
    encode_entry(&entry, &mut out);
    if !is_taken_for_a_digest(&entry) {
        // Replaced characters make strings longer than they came.
        assert_eq!(decode_entry(&out, 3 * FIELD_MAX), Ok(entry));
    }
}

/// A closeSession that lists the root twice, without a digest, is read as a digest without a list.
/// The root is nobody's ephemeral.
fn is_taken_for_a_digest(entry: &Entry) -> bool {
    let Txn::CloseSession { paths: Some(paths) } = &entry.txn else { return false };
    paths.len() == 2 && paths.iter().all(String::is_empty) && entry.digest.is_none()
}

/// First byte even: the rest is a log file behind its header. Odd: as well, with every checksum and
/// end marker put right first, so that the mutations get at the entries.
pub fn fuzz_txnlog(data: &[u8]) {
    let Some((choice, rest)) = choose(data) else { return };
    let mut file = FILE_HEADER.to_vec();
    file.extend_from_slice(rest);
    if choice % 2 == 1 {
        mend_log(&mut file);
    }
    let _ = txnlog::check_header(data);
    let Ok(mut scanner) = Scanner::open(&file, FIELD_MAX) else { panic!("a good header") };
    let mut written = FILE_HEADER.to_vec();
    loop {
        let offset = scanner.offset();
        match scanner.step() {
            Scan::Record { offset: at, entry } => {
                assert_eq!((at, written.len() as u64), (offset, offset));
                txnlog::put_record(&mut written, entry);
            }
            end @ (Scan::End { .. } | Scan::Torn { .. } | Scan::Bad { .. }) => {
                assert_eq!((scanner.step(), scanner.offset()), (end, offset));
                break;
            }
        }
    }
    assert!(file.starts_with(&written));
    if let Some(at) = scanner.resync() {
        let mut behind = Scanner::records(&file[at as usize..], at, FIELD_MAX);
        assert!(matches!(behind.step(), Scan::Record { offset, .. } if offset == at));
        assert!(at > scanner.offset() && !scanner.is_zero_from_here());
    }
}

/// Puts checksums and markers right for as long as the lengths make sense.
pub fn mend_log(file: &mut [u8]) {
    let mut at = FILE_HEADER.len();
    while let Some([n0, n1, n2, n3]) = file.get(at + 8..at + 12) {
        let n = u32::from_be_bytes([*n0, *n1, *n2, *n3]) as usize;
        let end = at + FRAME_BYTES + n;
        if n == 0 || n > FIELD_MAX || end > file.len() {
            return;
        }
        let sum = u64::from(adler32(&&file[at + 12..end - 1]));
        file[at..at + 8].copy_from_slice(&sum.to_be_bytes());
        file[end - 1] = b'B';
        at = end;
    }
}

/// First byte, lowest bit: the rest is a file as it is, or what stands between a snapshot's header
/// and its first seal; the other bits say which tail is then put behind it.
pub fn fuzz_snapfile(data: &[u8]) {
    let Some((choice, rest)) = choose(data) else { return };
    if choice % 2 == 0 {
        read_snapshot(rest);
    } else {
        read_snapshot(&seal_snapshot(choice, rest));
    }
}

/// A snapshot around `content`, with all its seals right.
pub fn seal_snapshot(choice: usize, content: &[u8]) -> Vec<u8> {
    let mut file = b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
    file.extend_from_slice(content);
    file.extend_from_slice(&FILE_END);
    seal(&mut file);
    if choice & 2 != 0 {
        put_i64(&mut file, 1);
        put_i32(&mut file, 2);
        put_i64(&mut file, 0x51c6_d660);
        seal(&mut file);
    }
    if choice & 4 != 0 {
        put_i64(&mut file, 1);
        seal(&mut file);
    }
    file
}

fn seal(file: &mut Vec<u8>) {
    let sum = adler32(&file.as_slice());
    put_i64(file, i64::from(sum));
    file.extend_from_slice(&FILE_END);
}

/// Reads a snapshot; if it is one, writes it again and reads that.
fn read_snapshot(file: &[u8]) {
    let Some((written, tail)) = copy_snapshot(file, FIELD_MAX) else { return };
    let Some(again) = copy_snapshot(&written, 3 * FIELD_MAX) else {
        panic!("our own snapshot does not read")
    };
    assert_eq!(again, (written, tail));
}

/// The snapshot as our writer has it, `None` if it does not read.
fn copy_snapshot(file: &[u8], field_max: usize) -> Option<(Vec<u8>, Tail)> {
    let (mut reader, header) = SnapshotReader::begin(file, field_max).ok()?;
    let mut writer = SnapshotWriter::begin(Vec::new(), &header.sessions, &header.acls).ok()?;
    while let Some(node) = reader.node().ok()? {
        writer.node(&node.path, node.data, node.acl_key, &node.stat).ok()?;
    }
    let mut tail = reader.finish().ok()?;
    // An old digest is text; ours is not.
    if let Some(digest) = &mut tail.digest {
        digest.version = digest.version.max(2);
    }
    Some((writer.finish(&tail).ok()?, tail))
}
