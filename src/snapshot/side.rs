//! The record beside a finished snapshot: a checksum that finds what the seals' Adler-32 does not,
//! blocks swapped or zeroed among them.
//!
//! ```text
//! "RKSIDE02" │ size of the snapshot 8 │ crc32c of its bytes 4 │ modified 8 │ identity 16 │ crc32c of these 44
//! ```
//!
//! It speaks of one file only, the one it was made for: Java, started on the same folder, writes
//! a snapshot under a name that may be there already, and then the record says nothing. So it
//! carries the file's time of modification, and is passed over when that or the size differs.
//! A copy that keeps both is vouched for; but it may have been made while the server ran, behind the
//! logs beside it, so a copy does not show what these must hold ([`SideRecord::identity`]).
//! A missing record is normal; Java wrote the file. The first form, "RKSIDE01", has no identity.

use std::io;

use super::name::side_name;
use crate::disk::{Dir, File, Identity, read_small, remove_if_present, replace_file};

const MAGIC: &[u8; 8] = b"RKSIDE02";
const LEN: usize = 48;
const MAGIC_1: &[u8; 8] = b"RKSIDE01";
const LEN_1: usize = 32;

/// What a file was when it was finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SideRecord {
    /// Bytes.
    pub size: u64,
    /// crc32c of all of them.
    pub crc: u32,
    /// Nanoseconds since 1970; 0 where files have no such time.
    pub modified: u64,
    /// The file's own; `None` in a record of the first form.
    pub identity: Option<Identity>,
}

/// Lays a record beside the snapshot `name`, durably.
pub fn put(dir: &dyn Dir, name: &str, record: &SideRecord) -> io::Result<()> {
    replace_file(dir, &side_name(name), &encode(record))
}

/// Takes away the record of the snapshot `name`, if there is one, for good: a crash must not bring
/// it back beside another file of that name.
pub fn remove(dir: &dyn Dir, name: &str) -> io::Result<()> {
    if remove_if_present(dir, &side_name(name))? { dir.flush() } else { Ok(()) }
}

/// The record of the snapshot `name`, which is `file`; `None` if there is none that speaks of it.
/// A damaged or unreadable record speaks of nothing.
pub fn of(dir: &dyn Dir, name: &str, file: &dyn File) -> Option<SideRecord> {
    let record = decode(&read_small(dir, &side_name(name), LEN).ok()?)?;
    let same = file.size().ok()? == record.size && file.modified() == record.modified;
    same.then_some(record)
}

fn encode(record: &SideRecord) -> [u8; LEN] {
    let identity = record.identity.unwrap_or_default();
    let mut bytes = [0; LEN];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&record.size.to_be_bytes());
    bytes[16..20].copy_from_slice(&record.crc.to_be_bytes());
    bytes[20..28].copy_from_slice(&record.modified.to_be_bytes());
    bytes[28..36].copy_from_slice(&identity.inode.to_be_bytes());
    bytes[36..44].copy_from_slice(&identity.born.to_be_bytes());
    let own = crc32c::crc32c(&bytes[..44]);
    bytes[44..].copy_from_slice(&own.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<SideRecord> {
    let (body, own) = bytes.split_last_chunk::<4>()?;
    let (magic, fields) = body.split_first_chunk::<8>()?;
    let has_identity = match bytes.len() {
        LEN if magic == MAGIC => true,
        LEN_1 if magic == MAGIC_1 => false,
        _ => return None,
    };
    if u32::from_be_bytes(*own) != crc32c::crc32c(body) {
        return None;
    }
    let (size, rest) = fields.split_first_chunk::<8>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let (modified, rest) = rest.split_first_chunk::<8>()?;
    let identity = match has_identity {
        true => {
            let (inode, rest) = rest.split_first_chunk::<8>()?;
            let (born, _) = rest.split_first_chunk::<8>()?;
            let (inode, born) = (u64::from_be_bytes(*inode), u64::from_be_bytes(*born));
            Some(Identity { inode, born })
        }
        false => None,
    };
    Some(SideRecord {
        size: u64::from_be_bytes(*size),
        crc: u32::from_be_bytes(*crc),
        modified: u64::from_be_bytes(*modified),
        identity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_no_other_bytes_do() {
        let identity = Some(Identity { inode: 8, born: 9 });
        let record = SideRecord { size: 5, crc: 6, modified: 7, identity };
        let bytes = encode(&record);
        assert_eq!(decode(&bytes), Some(record));
        assert_eq!(decode(&bytes[..LEN - 1]), None);
        let mut first = [MAGIC_1, &bytes[8..28]].concat();
        first.extend_from_slice(&crc32c::crc32c(&first).to_be_bytes());
        assert_eq!(decode(&first), Some(SideRecord { identity: None, ..record }));
        for at in 0..LEN {
            let mut broken = bytes;
            broken[at] ^= 1;
            assert_eq!(decode(&broken), None, "{at}");
        }
    }
}
