//! The files: transactions, their log, snapshots.

use ringkeeper::codec::jute::{put_i32, put_i64};
use ringkeeper::codec::snapfile::{FILE_END, SnapshotReader, SnapshotWriter, Tail};
use ringkeeper::codec::txn::{Entry, Txn, decode_entry, decode_entry_header, encode_entry};
use ringkeeper::codec::txnlog::{self, FILE_HEADER, FRAME_BYTES};
use ringkeeper::log::scan::{Cause, Scanner, Step, Verdict};
use ringkeeper::types::Zxid;
use simd_adler32::adler32;

use std::collections::BTreeMap;
use std::sync::Arc;

use ringkeeper::disk::{Access, Dir, File};

use super::choose;
use super::disk::SimDisk;

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

/// A file of these bytes.
fn file_of(bytes: &[u8]) -> Arc<dyn File> {
    let disk = SimDisk::holding(&BTreeMap::from([("log.1".into(), bytes.to_vec().into())]));
    let Ok(file) = disk.open("log.1", Access::Read) else { panic!("a file that is there") };
    file
}

/// First byte even: the rest is a log file behind its header. Odd: as well, with every checksum and
/// end marker put right first, so that the mutations get at the entries. The scanner has to find
/// what a simpler reading of the format finds, and the records written again are the file's bytes.
pub fn fuzz_txnlog(data: &[u8]) {
    let Some((choice, rest)) = choose(data) else { return };
    let mut bytes = FILE_HEADER.to_vec();
    bytes.extend_from_slice(rest);
    if choice % 2 == 1 {
        mend_log(&mut bytes);
    }
    let (records, end) = read_log(&bytes);
    let mut written = FILE_HEADER.to_vec();
    let Ok(mut scanner) = Scanner::open(file_of(&bytes), FIELD_MAX) else {
        panic!("memory cannot fail")
    };
    for entry in &records {
        let expected = Step::Record { offset: written.len() as u64, entry };
        assert_eq!(scanner.next_step().ok(), Some(expected));
        txnlog::put_record(&mut written, entry);
    }
    let expected = Step::End { offset: written.len() as u64, cause: end };
    assert_eq!(scanner.next_step().ok(), Some(expected));
    assert!(bytes.starts_with(&written));
    match scanner.judge(Zxid(0)) {
        Ok(Verdict::Damaged { evidence }) => assert!(evidence > written.len() as u64),
        Ok(Verdict::Clean | Verdict::Torn) => {}
        Ok(Verdict::Shortened) => panic!("that says only what our own header says"),
        Err(error) => panic!("memory cannot fail: {error}"),
    }
}

/// The records of a log file and why there are no more, read plainly.
fn read_log(file: &[u8]) -> (Vec<&[u8]>, Cause) {
    let mut records = Vec::new();
    let mut rest = &file[FILE_HEADER.len()..];
    loop {
        if rest.is_empty() {
            return (records, Cause::FileEnd);
        }
        let Some((head, behind)) = rest.split_first_chunk::<12>() else {
            let is_space = rest.iter().all(|byte| *byte == 0);
            return (records, if is_space { Cause::Zero } else { Cause::Cut });
        };
        let [sum @ .., _, _, _, _] = head;
        let length = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        let n = match usize::try_from(length) {
            Ok(0) => return (records, Cause::Zero),
            Ok(n) if n <= FIELD_MAX => n,
            Ok(n) if is_sound(behind, n, sum) => return (records, Cause::TooLong(n)),
            Ok(_) | Err(_) => return (records, Cause::Length(length)),
        };
        let Some((entry, [marker, next @ ..])) = behind.split_at_checked(n) else {
            return (records, Cause::Cut);
        };
        if *marker != txnlog::MARKER {
            return (records, Cause::Marker(*marker));
        }
        if *sum != u64::from(adler32(&entry)).to_be_bytes() {
            return (records, Cause::Checksum);
        }
        if n < txnlog::ENTRY_BYTES_MIN {
            return (records, Cause::Short(n));
        }
        records.push(entry);
        rest = next;
    }
}

/// Whether an entry of so many bytes is there, whole and with this checksum.
fn is_sound(bytes: &[u8], n: usize, sum: &[u8]) -> bool {
    bytes.get(n) == Some(&txnlog::MARKER) && u64::from(adler32(&&bytes[..n])).to_be_bytes() == sum
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
