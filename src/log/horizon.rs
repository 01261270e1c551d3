//! What the disk is known to hold of the newest segment.
//!
//! A crash may tear the last batch, whose flush nobody was told of; anything before it was
//! acknowledged. Inside a file nothing tells the two apart at its very end, and nothing at all tells of
//! a file that is gone. So what was flushed is written down beside the log, a moment later and off
//! every request's way: less than this record says is damage, never a crash.
//!
//! ```text
//! 0     "RKHORIZ1" │ sequence 8 │ identity 16 │ first 8 │ last 8 │ nonce 4 │ length 8 │ crc 4 │ crc32c of these 64
//! 4096  the same, older or newer
//! ```
//!
//! * It is written only after the flush that it speaks of. So it promises too little at any moment, and
//!   never too much.
//! * The two places are written in turns, each within a sector: a crash that tears one leaves the other,
//!   which promises less. Without either the log is judged as before.
//! * What it says of a segment stays true until that is cut or removed for a change of history, and then
//!   the record goes first, durably ([`remove`]).
//! * It names the file it lies in, by inode and time of birth. A copy of the folder, made while a server
//!   runs, may hold less of the log than the record copied after it; a copied record says nothing.
//! * ZooKeeper does not know of it. Whoever finds that one has written to the folder since removes it
//!   ([`super::settle`]).

use super::frame::{Nonce, u32_at, u64_at};
use super::name::horizon_name;
use super::side::SideRecord;
use crate::disk::{self, Access, Dir, File, Identity};
use crate::types::Zxid;
use std::io;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"RKHORIZ1";
/// Bytes of one record, within a sector of any disk.
const LENGTH: usize = 8 + 8 + 16 + 8 + 8 + 4 + 8 + 4 + 4;
const _: () = assert!(LENGTH <= 512);
/// From one place to the other: no device writes both at once.
const APART: u64 = 4096;

/// A record that speaks for this folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Horizon {
    /// Of the segment `first`, `length` bytes with this crc were durable, which ended with `last`.
    pub promise: SideRecord,
    /// When it was written: nanoseconds since 1970; 0 where files have no such time.
    pub modified: u64,
}

/// The file, open for one process's records.
#[derive(Debug)]
pub struct HorizonFile {
    file: Arc<dyn File>,
    identity: Identity,
    sequence: u64,
    /// Where the next record goes.
    offset: u64,
}

impl HorizonFile {
    /// Opens the file, or makes it durably.
    pub fn open(dir: &dyn Dir) -> io::Result<HorizonFile> {
        let name = horizon_name();
        let file = match dir.open(&name, Access::Write) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let file = dir.create(&name)?;
                file.write_at(&[0; 2 * APART as usize], 0)?;
                file.flush()?;
                dir.flush()?;
                file
            }
            Err(e) => return Err(e),
        };
        let newest = newest_of(file.as_ref())?;
        let (sequence, offset) = newest.map_or((0, 0), |(sequence, at, _)| (sequence, APART - at));
        Ok(HorizonFile { identity: file.identity(), file, sequence, offset })
    }

    /// Durable on return. What is promised was durable before the call.
    pub fn write(&mut self, promise: &SideRecord) -> io::Result<()> {
        self.sequence += 1;
        let record = encode(self.sequence, self.identity, promise);
        self.file.write_at(&record, self.offset)?;
        self.file.flush()?;
        self.offset = APART - self.offset;
        Ok(())
    }
}

/// The newest record that is whole and speaks for this folder.
pub fn read(dir: &dyn Dir) -> io::Result<Option<Horizon>> {
    let file = match dir.open(&horizon_name(), Access::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let modified = file.modified();
    Ok(newest_of(file.as_ref())?.map(|(_, _, promise)| Horizon { promise, modified }))
}

/// Takes the record away for good, before something that it promises goes.
pub fn remove(dir: &dyn Dir) -> io::Result<bool> {
    let was_there = disk::remove_if_present(dir, &horizon_name())?;
    if was_there {
        dir.flush()?;
    }
    Ok(was_there)
}

/// Sequence, offset and promise.
fn newest_of(file: &dyn File) -> io::Result<Option<(u64, u64, SideRecord)>> {
    let identity = file.identity();
    let mut newest = None;
    for at in [0, APART] {
        let mut bytes = [0; LENGTH];
        disk::read_full(file, &mut bytes, at)?;
        if let Some((sequence, promise)) = decode(&bytes, identity)
            && newest.is_none_or(|(than, _, _)| sequence > than)
        {
            newest = Some((sequence, at, promise));
        }
    }
    Ok(newest)
}

fn encode(sequence: u64, identity: Identity, promise: &SideRecord) -> [u8; LENGTH] {
    let mut out = [0; LENGTH];
    out[..8].copy_from_slice(&MAGIC);
    out[8..16].copy_from_slice(&sequence.to_be_bytes());
    out[16..24].copy_from_slice(&identity.inode.to_be_bytes());
    out[24..32].copy_from_slice(&identity.born.to_be_bytes());
    out[32..40].copy_from_slice(&promise.first.0.to_be_bytes());
    out[40..48].copy_from_slice(&promise.last.0.to_be_bytes());
    out[48..52].copy_from_slice(&promise.nonce.0.to_be_bytes());
    out[52..60].copy_from_slice(&promise.length.to_be_bytes());
    out[60..64].copy_from_slice(&promise.crc.to_be_bytes());
    let own = crc32c::crc32c(&out[..64]);
    out[64..].copy_from_slice(&own.to_be_bytes());
    out
}

fn decode(bytes: &[u8; LENGTH], identity: Identity) -> Option<(u64, SideRecord)> {
    let is_whole = bytes[..8] == MAGIC && u32_at(bytes, 64) == crc32c::crc32c(&bytes[..64]);
    let own = Identity { inode: u64_at(bytes, 16), born: u64_at(bytes, 24) };
    (is_whole && own == identity).then(|| {
        let promise = SideRecord {
            first: Zxid(u64_at(bytes, 32) as i64),
            last: Zxid(u64_at(bytes, 40) as i64),
            nonce: Nonce(u32_at(bytes, 48)),
            length: u64_at(bytes, 52),
            crc: u32_at(bytes, 60),
        };
        (u64_at(bytes, 8), promise)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDir;
    use crate::testing::disk::SimDisk;

    fn promise(length: u64) -> SideRecord {
        SideRecord { first: Zxid(3), last: Zxid(9), nonce: Nonce(7), length, crc: 5 }
    }

    fn length(dir: &dyn Dir) -> Option<u64> {
        read(dir).unwrap().map(|found| found.promise.length)
    }

    #[test]
    fn the_newest_record_counts_and_a_torn_one_leaves_the_one_before_it() {
        // Goal: whatever a crash takes of a record, an older one or none is read, never another.
        let disk = SimDisk::new();
        assert_eq!(length(&disk), None);
        let mut file = HorizonFile::open(&disk).unwrap();
        for n in 1..=3 {
            file.write(&promise(n)).unwrap();
            assert_eq!(length(&disk), Some(n));
        }
        let mut again = HorizonFile::open(&disk).unwrap();
        let before = disk.change_count();
        again.write(&promise(4)).unwrap();
        let replayed = SimDisk::new();
        for (n, change) in disk.changes().iter().enumerate() {
            replayed.redo(change);
            let durable = if n < before { None } else { Some([3, 4]) };
            for state in replayed.crash_states() {
                let found = length(&SimDisk::holding(&state));
                match durable {
                    Some(either) => {
                        assert!(found.is_some_and(|n| either.contains(&n)), "{found:?}")
                    }
                    None => assert!(found.is_none_or(|n| n <= 3)),
                }
            }
        }
    }

    #[test]
    fn a_copied_record_says_nothing_and_the_next_is_written_over_it() {
        // Goal: a folder copied while a server ran is not judged by what was written after the copy.
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (RealDir::open(one.path()).unwrap(), RealDir::open(two.path()).unwrap());
        HorizonFile::open(&from).unwrap().write(&promise(1)).unwrap();
        let name = horizon_name();
        std::fs::copy(one.path().join(&name), two.path().join(&name)).unwrap();
        assert_eq!((length(&from), length(&to)), (Some(1), None));
        HorizonFile::open(&to).unwrap().write(&promise(2)).unwrap();
        assert_eq!(length(&to), Some(2));
        assert!(remove(&to).unwrap() && !remove(&to).unwrap());
        assert_eq!(length(&to), None);
    }
}
