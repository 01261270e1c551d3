//! How far this server's history is known to be committed, across restarts: a leader whose history
//! ends before that is not the leader of this ensemble's history (see [`crate::zab::learner`]).
//!
//! Nothing else on the disk tells. The log holds proposals that may have come to nothing, snapshots
//! at a start hold them too, and an entered epoch is not one that something was committed in.
//!
//! The number is a lower bound, so an old one is right and only says less. Therefore it is written
//! about once a second while it grows, on a thread beside and without a flush: what a power loss
//! takes is the last seconds' growth. It never says more than the log held when it was written.
//!
//! Beside it stands the newest transaction up to there that the tree's stats tell of
//! ([`crate::tree::Tree::shown`]). Every later tree of this history tells of it or of a newer one; a
//! leader's tree that does not is of another history, whatever zxid it comes under. ZooKeeper's
//! leaders name theirs for the beginning of their epoch, which is above all that was there before.
//!
//! ```text
//! ringkeeper.committed    magic (8) | zxid (8) | shown (8) | crc32c of all (4), written in place
//! ```

use std::io;

use crate::disk::{Access, Dir, OUR_PREFIX, read_small, replace_file};
use crate::types::Zxid;

const MAGIC: [u8; 8] = *b"RKCOMM02";
const LENGTH: usize = 8 + 8 + 8 + 4;

/// The file's name.
pub fn name() -> String {
    format!("{OUR_PREFIX}committed")
}

/// How far the history is known to be committed; all zero if nothing is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// All up to here is committed; more may be.
    pub upto: Zxid,
    /// The newest transaction up to there that the tree tells of.
    pub shown: Zxid,
}

impl Known {
    /// What of it is known of a history that ends here.
    pub fn within(self, last: Zxid) -> Known {
        let shown = if self.shown <= last { self.shown } else { Zxid::ZERO };
        Known { upto: self.upto.min(last), shown }
    }
}

/// What was written last, if all of it is there and the history is still the one it speaks of.
/// `last`: the end of log and snapshots. One that goes beyond is of other files than those, whatever
/// has become of them.
pub fn read(dir: &dyn Dir, last: Zxid) -> io::Result<Committed> {
    let bytes = match read_small(dir, &name(), LENGTH) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Committed::Unknown),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => return Ok(Committed::Unknown),
        Err(e) => return Err(e),
    };
    Ok(match decode(&bytes) {
        None => Committed::Unknown,
        Some(known) if known.upto > last => Committed::Beyond(known.upto),
        Some(known) => Committed::Upto(known),
    })
}

/// What the file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Committed {
    /// There is none, or a crash came in the middle of it.
    Unknown,
    /// It speaks of these files.
    Upto(Known),
    /// More than the files hold: they are not those it was written beside.
    Beyond(Zxid),
}

/// With `flush`, durable when this returns.
pub fn write(dir: &dyn Dir, known: Known, flush: bool) -> io::Result<()> {
    let bytes = encode(known);
    let file = match dir.open(&name(), Access::Write) {
        Ok(file) if file.size()? == LENGTH as u64 => file,
        Ok(_) => return replace_file(dir, &name(), &bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return replace_file(dir, &name(), &bytes);
        }
        Err(e) => return Err(e),
    };
    file.write_at(&bytes, 0)?;
    if flush { file.flush() } else { Ok(()) }
}

fn encode(known: Known) -> [u8; LENGTH] {
    let mut out = [0; LENGTH];
    out[..8].copy_from_slice(&MAGIC);
    out[8..16].copy_from_slice(&known.upto.0.to_be_bytes());
    out[16..24].copy_from_slice(&known.shown.0.to_be_bytes());
    let crc = crc32c::crc32c(&out[..24]);
    out[24..].copy_from_slice(&crc.to_be_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<Known> {
    let zxid = |at: usize| Some(Zxid(i64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?)));
    let known = Known { upto: zxid(8)?, shown: zxid(16)? };
    (bytes == encode(known) && known.shown <= known.upto).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::disk::SimDisk;

    #[test]
    fn it_says_what_was_written_and_never_more_than_the_files_hold() {
        // Goal: an old number, a torn one and one of other files claim nothing that is not so.
        let disk = SimDisk::new();
        let known = |upto, shown| Known { upto: Zxid(upto), shown: Zxid(shown) };
        let (five, nine) = (known(5, 3), known(9, 8));
        assert_eq!(read(&disk, nine.upto).unwrap(), Committed::Unknown);
        write(&disk, five, false).unwrap();
        assert_eq!(read(&disk, nine.upto).unwrap(), Committed::Upto(five));
        write(&disk, nine, true).unwrap();
        assert_eq!(read(&disk, nine.upto).unwrap(), Committed::Upto(nine));
        assert_eq!(read(&disk, five.upto).unwrap(), Committed::Beyond(nine.upto));
        for state in disk.crash_states() {
            let found = read(&SimDisk::holding(&state), nine.upto).unwrap();
            assert!(matches!(found, Committed::Unknown | Committed::Upto(_)), "{found:?}");
        }
        let file = disk.open(&name(), Access::Write).unwrap();
        file.write_at(&[1], 9).unwrap();
        assert_eq!(read(&disk, nine.upto).unwrap(), Committed::Unknown);
    }
}
