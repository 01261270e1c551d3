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
//! ```text
//! ringkeeper.committed    magic (8) | zxid (8) | crc32c of both (4), written in place
//! ```

use std::io;

use crate::disk::{Access, Dir, OUR_PREFIX, read_small, replace_file};
use crate::types::Zxid;

const MAGIC: [u8; 8] = *b"RKCOMM01";
const LENGTH: usize = 8 + 8 + 4;

/// The file's name.
pub fn name() -> String {
    format!("{OUR_PREFIX}committed")
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
        Some(zxid) if zxid > last => Committed::Beyond(zxid),
        Some(zxid) => Committed::Upto(zxid),
    })
}

/// What the file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Committed {
    /// There is none, or a crash came in the middle of it.
    Unknown,
    Upto(Zxid),
    /// More than the files hold: they are not those it was written beside.
    Beyond(Zxid),
}

/// With `flush`, durable when this returns.
pub fn write(dir: &dyn Dir, zxid: Zxid, flush: bool) -> io::Result<()> {
    let bytes = encode(zxid);
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

fn encode(zxid: Zxid) -> [u8; LENGTH] {
    let mut out = [0; LENGTH];
    out[..8].copy_from_slice(&MAGIC);
    out[8..16].copy_from_slice(&zxid.0.to_be_bytes());
    let crc = crc32c::crc32c(&out[..16]);
    out[16..].copy_from_slice(&crc.to_be_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<Zxid> {
    let zxid = i64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
    (bytes == encode(Zxid(zxid))).then_some(Zxid(zxid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn it_says_what_was_written_and_never_more_than_the_files_hold() {
        // Goal: an old number, a torn one and one of other files claim nothing that is not so.
        let disk = SimDisk::new();
        let (five, nine) = (Zxid(5), Zxid(9));
        assert_eq!(read(&disk, nine).unwrap(), Committed::Unknown);
        write(&disk, five, false).unwrap();
        assert_eq!(read(&disk, nine).unwrap(), Committed::Upto(five));
        write(&disk, nine, true).unwrap();
        assert_eq!(read(&disk, nine).unwrap(), Committed::Upto(nine));
        assert_eq!(read(&disk, five).unwrap(), Committed::Beyond(nine));
        for state in disk.crash_states() {
            let found = read(&SimDisk::holding(&state), nine).unwrap();
            assert!(matches!(found, Committed::Unknown | Committed::Upto(_)), "{found:?}");
        }
        let file = disk.open(&name(), Access::Write).unwrap();
        file.write_at(&[1], 9).unwrap();
        assert_eq!(read(&disk, nine).unwrap(), Committed::Unknown);
    }
}
