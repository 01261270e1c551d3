//! The record beside a segment that will not change any more: how long it is and the crc32c of
//! every byte. Adler-32, which is all that ZooKeeper's format has, misses blocks that were swapped
//! or zeroed, and no checksum inside a file misses its end.
//!
//! The sum is of the bytes as they were handed to the disk, not as they were read back. A missing
//! record is normal: the segment is the newest, ZooKeeper wrote it, or a crash came first.

use super::frame::{Nonce, u32_at, u64_at};
use super::name::side_name;
use crate::disk::{self, Access, Dir};
use crate::types::Zxid;
use std::io;

const MAGIC: [u8; 8] = *b"RKSIDE01";
const LENGTH: usize = 8 + 8 + 8 + 4 + 8 + 4 + 4;

/// What lies beside a segment: how long it is, and what it held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SideRecord {
    /// The segment's name.
    pub first: Zxid,
    /// Its last transaction.
    pub last: Zxid,
    /// Its header's: a record left over from another file of the same name is thus known.
    pub nonce: Nonce,
    /// Bytes from the file's start to the end of its last record.
    pub length: u64,
    /// crc32c of those bytes.
    pub crc: u32,
}

impl SideRecord {
    /// Durably, in place of one that is there.
    pub fn write(&self, dir: &dyn Dir) -> io::Result<()> {
        disk::replace_file(dir, &side_name(self.first), &self.encode())
    }

    /// When the record beside that segment was written: nanoseconds since 1970; 0 if there is none, or
    /// files have no such time.
    pub fn modified(dir: &dyn Dir, first: Zxid) -> u64 {
        dir.open(&side_name(first), Access::Read).map_or(0, |file| file.modified())
    }

    /// `None` if there is none. One that is not whole is a crash's leftover or damage of its own;
    /// the segment is then as one without.
    pub fn read(dir: &dyn Dir, first: Zxid) -> io::Result<Option<SideRecord>> {
        match disk::read_small(dir, &side_name(first), LENGTH) {
            Ok(bytes) => Ok(SideRecord::decode(&bytes).filter(|side| side.first == first)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn encode(&self) -> [u8; LENGTH] {
        let mut out = [0; LENGTH];
        out[..8].copy_from_slice(&MAGIC);
        out[8..16].copy_from_slice(&self.first.0.to_be_bytes());
        out[16..24].copy_from_slice(&self.last.0.to_be_bytes());
        out[24..28].copy_from_slice(&self.nonce.0.to_be_bytes());
        out[28..36].copy_from_slice(&self.length.to_be_bytes());
        out[36..40].copy_from_slice(&self.crc.to_be_bytes());
        let own = crc32c::crc32c(&out[..40]);
        out[40..].copy_from_slice(&own.to_be_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<SideRecord> {
        let is_whole = bytes.len() == LENGTH
            && bytes[..8] == MAGIC
            && u32_at(bytes, 40) == crc32c::crc32c(&bytes[..40]);
        is_whole.then(|| SideRecord {
            first: Zxid(u64_at(bytes, 8) as i64),
            last: Zxid(u64_at(bytes, 16) as i64),
            nonce: Nonce(u32_at(bytes, 24)),
            length: u64_at(bytes, 28),
            crc: u32_at(bytes, 36),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_record_reads_back_and_a_damaged_one_is_none() {
        let side = SideRecord {
            first: Zxid(0x1_0000_0001),
            last: Zxid(0x1_0000_0009),
            nonce: Nonce(77),
            length: 1234,
            crc: 0xdead_beef,
        };
        let mut bytes = side.encode();
        assert_eq!(SideRecord::decode(&bytes), Some(side));
        assert_eq!(SideRecord::decode(&bytes[..43]), None);
        bytes[30] ^= 1;
        assert_eq!(SideRecord::decode(&bytes), None);
    }
}
