//! Transaction log files: header, record frames, and what a reader meets (storage.md section 2).
//!
//! ```text
//!  file    "ZKLG" | version 2 (4) | dbid 0 (8) | record | record | … | zeros to the preallocated end
//!  record  checksum (8): Adler-32 of the entry | n (4) | entry (n bytes) | 'B'
//! ```
//!
//! Java's FileTxnIterator goes on to the next file, silently, at zeros, at the end of the file and
//! at a frame without its marker; it gives up at a wrong checksum or an impossible length. The
//! scanner says which of these it met and where; what follows from that is for [`crate::log`].

use simd_adler32::adler32;

use super::jute::{put_i32, put_i64};

/// What every log file begins with: magic, version 2, dbid 0.
pub const FILE_HEADER: [u8; 16] = *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0";

/// Bytes of a frame before its entry: checksum and length.
const FRONT_BYTES: usize = 12;

/// Bytes a frame adds to its entry: checksum, length and marker.
pub const FRAME_BYTES: usize = FRONT_BYTES + 1;

/// The last byte of every whole record.
const MARKER: u8 = b'B';

/// The shortest entry there is: a bare header (closeSession without its list).
const ENTRY_BYTES_MIN: usize = 32;

/// Why a file is no transaction log. The caller refuses to load.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// Java removes an empty file if it is the newest one and fails otherwise.
    #[error("transaction log of {0} bytes has no whole header of 16 bytes")]
    Short(usize),
    #[error("transaction log begins with {0:02x?}, not with \"ZKLG\"")]
    Magic([u8; 4]),
}

/// Checks the header of a log file; version and dbid are not looked at, as in Java.
pub fn check_header(file: &[u8]) -> Result<(), HeaderError> {
    let Some(header) = file.first_chunk::<16>() else {
        return Err(HeaderError::Short(file.len()));
    };
    let magic = [header[0], header[1], header[2], header[3]];
    if magic == FILE_HEADER[..4] { Ok(()) } else { Err(HeaderError::Magic(magic)) }
}

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

/// What stands at the front of a slice that begins where a record would.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found<'a> {
    /// A whole record; its frame is [`FRAME_BYTES`] longer than the entry.
    Record(&'a [u8]),
    /// Checksum and length are zero: preallocated space.
    Zeros,
    /// The slice ends before the frame does: at least `wanted` bytes of it are needed to go on.
    Short { wanted: usize },
    /// The frame ends before its record does.
    Torn(Torn),
    /// The frame holds something no server wrote.
    Bad(Bad),
}

/// A record of which a part never reached the disk. Java takes it for the end of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Torn {
    #[error("the file ends {left} bytes into a record of {wanted} or more")]
    Cut { left: usize, wanted: usize },
    #[error("a record of {length} bytes ends in {found:#04x}, not in 'B'")]
    Marker { length: usize, found: u8 },
    #[error("a record has the checksum {checksum:#x} but no length")]
    NoLength { checksum: i64 },
}

/// A record that Java refuses to load over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Bad {
    #[error(
        "a record of {length} bytes has the checksum {stored:#x}, its bytes have {computed:#x}"
    )]
    Checksum { length: usize, stored: i64, computed: u32 },
    #[error("a record's length is {length}, allowed are 0 to {max}")]
    Length { length: i32, max: usize },
}

/// Looks at one record. `entry_max`: the longest entry accepted, in bytes.
pub fn look(bytes: &[u8], entry_max: usize) -> Found<'_> {
    let Some((front, rest)) = bytes.split_first_chunk::<FRONT_BYTES>() else {
        return Found::Short { wanted: FRONT_BYTES };
    };
    let [c0, c1, c2, c3, c4, c5, c6, c7, n0, n1, n2, n3] = *front;
    let stored = i64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
    let length = i32::from_be_bytes([n0, n1, n2, n3]);
    let n = match usize::try_from(length) {
        Ok(0) if stored == 0 => return Found::Zeros,
        Ok(0) => return Found::Torn(Torn::NoLength { checksum: stored }),
        Ok(n) if n <= entry_max => n,
        _ => return Found::Bad(Bad::Length { length, max: entry_max }),
    };
    let (Some(entry), Some(marker)) = (rest.get(..n), rest.get(n)) else {
        return Found::Short { wanted: FRAME_BYTES + n };
    };
    if *marker != MARKER {
        return Found::Torn(Torn::Marker { length: n, found: *marker });
    }
    let computed = adler32(&entry);
    if stored != i64::from(computed) {
        return Found::Bad(Bad::Checksum { length: n, stored, computed });
    }
    Found::Record(entry)
}

/// One step of a [`Scanner`]. Offsets are in bytes from the start of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scan<'a> {
    Record {
        offset: u64,
        entry: &'a [u8],
    },
    /// Zeros, or the file's end just behind a record.
    End {
        offset: u64,
    },
    Torn {
        offset: u64,
        torn: Torn,
    },
    Bad {
        offset: u64,
        bad: Bad,
    },
}

/// Goes through the records of a whole file, or of a piece that begins with a record.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in its file.
    base: u64,
    entry_max: usize,
}

impl<'a> Scanner<'a> {
    /// `file`: all of a log file, its header included. `entry_max`: the longest entry accepted.
    pub fn open(file: &'a [u8], entry_max: usize) -> Result<Scanner<'a>, HeaderError> {
        check_header(file)?;
        Ok(Scanner { bytes: file, at: FILE_HEADER.len(), base: 0, entry_max })
    }

    /// `records`: what stands from byte `base` of the file to its end.
    pub fn records(records: &'a [u8], base: u64, entry_max: usize) -> Scanner<'a> {
        Scanner { bytes: records, at: 0, base, entry_max }
    }

    /// Where the next step looks.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The next record, or why there is none; everything but a record is said again and again.
    pub fn step(&mut self) -> Scan<'a> {
        let offset = self.offset();
        let rest = &self.bytes[self.at..];
        match look(rest, self.entry_max) {
            Found::Record(entry) => {
                self.at += entry.len() + FRAME_BYTES;
                Scan::Record { offset, entry }
            }
            Found::Zeros => Scan::End { offset },
            Found::Short { .. } if is_zero(rest) => Scan::End { offset },
            Found::Short { wanted } => {
                Scan::Torn { offset, torn: Torn::Cut { left: rest.len(), wanted } }
            }
            Found::Torn(torn) => Scan::Torn { offset, torn },
            Found::Bad(bad) => Scan::Bad { offset, bad },
        }
    }

    /// The offset of the first whole record that begins behind the current position, at any byte.
    /// After an end, a torn or a bad record: none means that nothing was lost behind it.
    pub fn resync(&self) -> Option<u64> {
        let from = self.at + 1;
        let rest = self.bytes.get(from..)?;
        (0..rest.len())
            .find(|at| could_begin(&rest[*at..], self.entry_max))
            .map(|at| self.base + (from + at) as u64)
    }

    /// Whether only zeros follow the current position.
    pub fn is_zero_from_here(&self) -> bool {
        is_zero(&self.bytes[self.at..])
    }
}

/// Whether a whole record begins here. The cheap tests come first: this runs over whole files.
fn could_begin(bytes: &[u8], entry_max: usize) -> bool {
    let plausible = bytes.starts_with(&[0; 4])
        && bytes.get(8..12).is_some_and(|n| n != [0; 4])
        && bytes.get(4..8).is_some_and(|sum| sum != [0; 4]);
    plausible
        && matches!(look(bytes, entry_max), Found::Record(entry) if entry.len() >= ENTRY_BYTES_MIN)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::generate::{Gen, unhex};
    use crate::codec::txn::{decode_entry, encode_entry};

    const MAX: usize = 2 << 20;

    /// A file of `n` records followed by zeros, and where each record begins.
    fn file(n: usize, zeros: usize) -> (Vec<u8>, Vec<usize>) {
        let mut messages = Gen::new(7);
        let mut bytes = FILE_HEADER.to_vec();
        let mut offsets = Vec::new();
        for _ in 0..n {
            let mut entry = Vec::new();
            encode_entry(&messages.entry(), &mut entry);
            offsets.push(bytes.len());
            put_record(&mut bytes, &entry);
        }
        offsets.push(bytes.len());
        bytes.resize(bytes.len() + zeros, 0);
        (bytes, offsets)
    }

    /// Offsets of all records, and what ended them.
    fn scan(bytes: &[u8]) -> (Vec<usize>, Scan<'_>) {
        let mut scanner = Scanner::open(bytes, MAX).unwrap();
        let mut offsets = Vec::new();
        loop {
            match scanner.step() {
                Scan::Record { offset, .. } => offsets.push(offset as usize),
                other => {
                    assert_eq!(scanner.step(), other);
                    return (offsets, other);
                }
            }
        }
    }

    #[test]
    fn a_java_servers_first_record() {
        let record = unhex(
            "00000000ed7c0b60 00000030 01000047cef20000 00000000 0000000000000001
             000001a1f919ec3d fffffff6 00002710 00000002 0000000051c6d660 42",
        );
        let Found::Record(entry) = look(&record, MAX) else { panic!("not a record") };
        assert_eq!(entry.len(), 48);
        decode_entry(entry, MAX).unwrap();
        let mut out = Vec::new();
        put_record(&mut out, entry);
        assert_eq!(out, record);
        assert_eq!(FILE_HEADER.to_vec(), unhex("5a4b4c47 00000002 0000000000000000"));
    }

    #[test]
    fn a_java_servers_log_reads_and_writes_to_the_same_bytes() {
        let file = include_bytes!("../snapshot/testdata/log.1");
        let mut scanner = Scanner::open(file, MAX).unwrap();
        let mut written = FILE_HEADER.to_vec();
        let mut kinds = std::collections::BTreeSet::new();
        while let Scan::Record { entry, .. } = scanner.step() {
            let decoded = decode_entry(entry, MAX).unwrap();
            kinds.insert(decoded.txn.number());
            let mut encoded = Vec::new();
            encode_entry(&decoded, &mut encoded);
            put_record(&mut written, &encoded);
        }
        assert_eq!(scanner.step(), Scan::End { offset: written.len() as u64 });
        assert_eq!(written, file[..written.len()]);
        assert!(scanner.is_zero_from_here());
        assert!(kinds.is_superset(&[-11, -10, -1, 1, 2, 5, 7, 14, 15, 19, 21].into()));
    }

    #[test]
    fn whole_files_end_in_zeros_or_at_their_end() {
        for zeros in [0, 1, 11, 12, 13, 5000] {
            let (bytes, offsets) = file(5, zeros);
            let end = Scan::End { offset: offsets[5] as u64 };
            assert_eq!(scan(&bytes), (offsets[..5].to_vec(), end), "{zeros}");
        }
        assert_eq!(scan(&FILE_HEADER), (vec![], Scan::End { offset: 16 }));
    }

    #[test]
    fn headers_that_are_none() {
        for n in 0..16 {
            assert_eq!(check_header(&FILE_HEADER[..n]), Err(HeaderError::Short(n)));
        }
        let magic = check_header(b"ZKSN\0\0\0\x02\0\0\0\0\0\0\0\0");
        assert_eq!(magic, Err(HeaderError::Magic(*b"ZKSN")));
        assert_eq!(check_header(b"ZKLG\0\0\0\x09\0\0\0\0\0\0\0\x01"), Ok(()));
    }

    #[test]
    fn a_file_cut_anywhere_keeps_what_is_whole() {
        let (bytes, offsets) = file(4, 0);
        for cut in 16..=bytes.len() {
            let whole: Vec<usize> =
                (0..4).filter(|i| offsets[i + 1] <= cut).map(|i| offsets[i]).collect();
            let (found, end) = scan(&bytes[..cut]);
            assert_eq!(found, whole, "cut at {cut}");
            let at = offsets[whole.len()] as u64;
            match end {
                Scan::End { offset } => assert!(
                    offset == at && bytes[at as usize..cut].iter().all(|byte| *byte == 0),
                    "cut at {cut}"
                ),
                Scan::Torn { offset, torn: Torn::Cut { left, .. } } => {
                    assert_eq!((offset, left), (at, cut - at as usize));
                }
                other => panic!("cut at {cut}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_record_whose_end_was_not_written_is_torn() {
        let (mut bytes, offsets) = file(3, 100);
        let marker = offsets[3] - 1;
        bytes[marker] = 0;
        let (found, end) = scan(&bytes);
        assert_eq!(found, offsets[..2]);
        let length = offsets[3] - offsets[2] - FRAME_BYTES;
        let torn = Torn::Marker { length, found: 0 };
        assert_eq!(end, Scan::Torn { offset: offsets[2] as u64, torn });
        // The length field was lost, the checksum before it was not.
        bytes[offsets[2] + 8..offsets[3]].fill(0);
        assert!(matches!(scan(&bytes).1, Scan::Torn { torn: Torn::NoLength { .. }, .. }));
    }

    #[test]
    fn a_changed_byte_and_an_impossible_length_are_bad() {
        let (good, offsets) = file(3, 100);
        let mut bytes = good.clone();
        bytes[offsets[1] + 20] ^= 1;
        let (found, end) = scan(&bytes);
        assert_eq!(found, offsets[..1]);
        let at = offsets[1] as u64;
        assert!(matches!(end, Scan::Bad { offset, bad: Bad::Checksum { .. } } if offset == at));
        for length in [-1, i32::MIN, i32::MAX, MAX as i32 + 1] {
            let mut bytes = good.clone();
            bytes[offsets[1] + 8..offsets[1] + 12].copy_from_slice(&length.to_be_bytes());
            let bad = Bad::Length { length, max: MAX };
            assert_eq!(scan(&bytes).1, Scan::Bad { offset: at, bad });
        }
        // A checksum above 32 bits is never right.
        let mut bytes = good.clone();
        bytes[offsets[1]] = 1;
        assert!(matches!(scan(&bytes).1, Scan::Bad { bad: Bad::Checksum { .. }, .. }));
    }

    #[test]
    fn resync_tells_a_torn_tail_from_a_damaged_middle() {
        let (good, offsets) = file(3, 100);
        let stop = |bytes: &[u8]| {
            let mut scanner = Scanner::open(bytes, MAX).unwrap();
            while let Scan::Record { .. } = scanner.step() {}
            (scanner.resync(), scanner.is_zero_from_here())
        };
        assert_eq!(stop(&good), (None, true));
        let mut middle = good.clone();
        middle[offsets[1]..offsets[2]].fill(0);
        assert_eq!(stop(&middle), (Some(offsets[2] as u64), false));
        let mut tail = good.clone();
        tail[offsets[2] + 30..offsets[3]].fill(0);
        assert_eq!(stop(&tail), (None, false));
        let mut length = good;
        length[offsets[0] + 8..offsets[0] + 12].copy_from_slice(&[0x7f; 4]);
        assert_eq!(stop(&length), (Some(offsets[1] as u64), false));
    }

    #[test]
    fn a_piece_of_a_file_has_the_files_offsets() {
        let (bytes, offsets) = file(3, 0);
        let mut scanner = Scanner::records(&bytes[offsets[1]..], offsets[1] as u64, MAX);
        assert!(
            matches!(scanner.step(), Scan::Record { offset, .. } if offset == offsets[1] as u64)
        );
        assert_eq!(scanner.offset(), offsets[2] as u64);
    }
}
