//! The bytes of a segment.
//!
//! ```text
//! 0   "ZKLG" | version 2 | dbid: "RKLG" + nonce                   16 bytes
//! 16  adler-32 of entry (8) | length (4) | entry | 'B'            a record, and so on
//! end zeros (12) | "RKBATCH1" | start (8) | end (8) | crc32c (4)  the last batch's trailer
//!     zeros: prepared space
//! ```
//!
//! Header and records are ZooKeeper's (FileTxnLog). A record whose length is zero ends the data
//! for it, so it never sees the trailer, which the next batch overwrites.
//!
//! What the trailer is for. A batch is one write, of several sectors, and a crash may leave any
//! part of it: a good record behind a bad one is a state that a crash alone produces. The same
//! picture inside older, acknowledged data is damage, and cutting there would lose transactions
//! without a word. A trailer that says "my batch began at 8000" proves that everything before
//! 8000 had been flushed; a bad record at 5000 is then damage, and without such a proof it lies
//! in the last batch, whose flush nobody was told of.
//!
//! The nonce ties a trailer to its file: data of a client cannot pass for one. ZooKeeper writes 0
//! as dbid and never looks at it, which also tells its files from ours. "RKLP" in place of "RKLG"
//! says that space was laid out, durably, before records came into it: such a file never ends within
//! a record, whatever a crash takes.
//!
//! With `forceSync=no` nothing proves that an earlier batch was flushed: every trailer then says that
//! its batch began with the first record.

pub use crate::codec::txnlog::put_record;
use crate::disk::File;
use crate::types::Zxid;
use std::io;

/// FileTxnLog.TXNLOG_MAGIC.
pub const MAGIC: [u8; 4] = *b"ZKLG";
/// FileTxnLog.VERSION.
pub const VERSION: u32 = 2;
/// Bytes of the file header.
pub const HEADER: usize = 16;
/// Bytes of a record before its entry: checksum and length.
pub const RECORD_HEAD: usize = 12;
/// Bytes of a record beyond its entry.
pub const RECORD_EXTRA: usize = RECORD_HEAD + 1;
/// The end-of-record marker.
pub const RECORD_END: u8 = b'B';
/// Bytes of a transaction header: no entry is shorter.
pub const ENTRY_MIN: usize = 32;
/// What begins a trailer, after the zeros that end the data.
pub const TRAILER_MAGIC: [u8; 8] = *b"RKBATCH1";
/// Bytes of a trailer, the zeros before it included.
pub const TRAILER: usize = RECORD_HEAD + 8 + 8 + 8 + 4;

/// A file that grows with its records; and one whose space is laid out first.
const GROWING: [u8; 4] = *b"RKLG";
const PREPARED: [u8; 4] = *b"RKLP";

// A trailer is always overwritten whole by the batch after it.
const _: () = assert!(TRAILER < RECORD_EXTRA + ENTRY_MIN);

/// Tells the batch trailers of one file from those of every other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce(pub u32);

/// What a file's first 16 bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// Written here: batches have trailers.
    Ours {
        /// Which its trailers have.
        nonce: Nonce,
        /// Never shorter than its records.
        prepared: bool,
    },
    /// ZooKeeper's.
    Foreign,
    /// All zeros: space was prepared, the header not written.
    Blank,
    /// Another magic number.
    Unknown,
}

/// A file's first bytes; `prepared`: space is laid out behind them.
pub fn header(nonce: Nonce, prepared: bool) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..4].copy_from_slice(&MAGIC);
    out[4..8].copy_from_slice(&VERSION.to_be_bytes());
    out[8..12].copy_from_slice(if prepared { &PREPARED } else { &GROWING });
    out[12..].copy_from_slice(&nonce.0.to_be_bytes());
    out
}

/// crc32c of a segment's header, where a sum of the whole file begins. Whether space was laid out is left
/// out of it: a file that is cut no longer says so ([`cut`]).
pub fn header_crc(nonce: Nonce) -> u32 {
    crc32c::crc32c(&header(nonce, false))
}

/// Ends the file at `at`, durably. On the way a crash may leave it any length: it must not say then that
/// it never ends within a record.
pub fn cut(file: &dyn File, of: Header, at: u64) -> io::Result<()> {
    if let Header::Ours { nonce, prepared: true } = of {
        file.write_at(&header(nonce, false), 0)?;
        file.flush()?;
    }
    file.set_len(at)?;
    file.flush()
}

/// What they are.
pub fn read_header(bytes: &[u8; HEADER]) -> Header {
    if *bytes == [0; HEADER] {
        Header::Blank
    } else if bytes[..4] != MAGIC {
        Header::Unknown
    } else if bytes[8..12] == GROWING || bytes[8..12] == PREPARED {
        let prepared = bytes[8..12] == PREPARED;
        Header::Ours { nonce: Nonce(u32_at(bytes, 12)), prepared }
    } else {
        Header::Foreign
    }
}

/// Appends the trailer of a batch whose records end at `end` of the file; all before `start` had been
/// flushed when it was written.
pub fn put_trailer(out: &mut Vec<u8>, nonce: Nonce, start: u64, end: u64) {
    out.extend_from_slice(&[0; RECORD_HEAD]);
    out.extend_from_slice(&TRAILER_MAGIC);
    out.extend_from_slice(&start.to_be_bytes());
    out.extend_from_slice(&end.to_be_bytes());
    out.extend_from_slice(&trailer_crc(nonce, start, end).to_be_bytes());
}

/// Where the batch of the trailer began, if `bytes`, which begin with the magic at `offset` of
/// the file, are one.
pub fn read_trailer(bytes: &[u8], offset: u64, nonce: Nonce) -> Option<u64> {
    let bytes = bytes.get(..TRAILER - RECORD_HEAD)?;
    let (start, end) = (u64_at(bytes, 8), u64_at(bytes, 16));
    let is_whole = bytes[..8] == TRAILER_MAGIC
        && u32_at(bytes, 24) == trailer_crc(nonce, start, end)
        && end.checked_add(RECORD_HEAD as u64) == Some(offset)
        && start <= end;
    is_whole.then_some(start)
}

fn trailer_crc(nonce: Nonce, start: u64, end: u64) -> u32 {
    let mut covered = [0; 20];
    covered[..4].copy_from_slice(&nonce.0.to_be_bytes());
    covered[4..12].copy_from_slice(&start.to_be_bytes());
    covered[12..].copy_from_slice(&end.to_be_bytes());
    crc32c::crc32c(&covered)
}

/// The zxid of an entry of at least [`ENTRY_MIN`] bytes.
pub fn zxid_of_entry(entry: &[u8]) -> Zxid {
    Zxid(u64_at(entry, 12) as i64)
}

/// The checksum of ZooKeeper's files.
pub fn adler(bytes: &[u8]) -> u32 {
    simd_adler32::adler32(&bytes)
}

/// Big-endian; the caller has checked the length.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(four)
}

/// Big-endian; the caller has checked the length.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(eight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_trailers_are_known_again_only_in_their_own_file_and_place() {
        for prepared in [false, true] {
            let ours = Header::Ours { nonce: Nonce(7), prepared };
            assert_eq!(read_header(&header(Nonce(7), prepared)), ours);
        }
        assert_eq!(read_header(&[0; 16]), Header::Blank);
        assert_eq!(read_header(b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0"), Header::Foreign);
        assert_eq!(read_header(b"ZKSN\0\0\0\x02\0\0\0\0\0\0\0\0"), Header::Unknown);
        let mut out = Vec::new();
        put_trailer(&mut out, Nonce(7), 16, 300);
        assert_eq!(out.len(), TRAILER);
        let from_magic = &out[RECORD_HEAD..];
        assert_eq!(read_trailer(from_magic, 312, Nonce(7)), Some(16));
        assert_eq!(read_trailer(from_magic, 313, Nonce(7)), None);
        assert_eq!(read_trailer(from_magic, 312, Nonce(8)), None);
        assert_eq!(read_trailer(&from_magic[..27], 312, Nonce(7)), None);
    }
}
