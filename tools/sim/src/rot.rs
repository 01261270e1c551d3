//! Bytes of a disk that turn, or go, and how to turn them back.

use crate::disk::SimDisk;
use crate::rng::Rng;

/// A bit that has turned, or an end that is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rot {
    pub name: String,
    pub offset: usize,
    what: Decay,
    inode: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Decay {
    Bit(u8),
    /// What stood from the offset on.
    Tail(Vec<u8>),
}

impl Rot {
    /// Turns one bit of one file, for good. Not behind this offset of the newest log: the last
    /// batch of a log, damaged, cannot be told from one that was torn before it was durable, and
    /// only another server's copy could help. Nor of an epoch's file: ZooKeeper's has no checksum, and
    /// another digit is another epoch.
    pub fn of_any_bit(disk: &SimDisk, rng: &mut Rng, last_batch: usize) -> Option<Rot> {
        let mut files = disk.durable_files();
        files.retain(|(name, length)| *length > 0 && !name.ends_with("Epoch"));
        let newest = newest_log(&files);
        for (name, length) in &mut files {
            if newest.as_deref() == Some(name) {
                *length = last_batch.min(*length);
            }
        }
        files.retain(|(_, length)| *length > 0);
        let (name, length) = rng.any_of(&files)?.clone();
        // Prepared space is most of a file; what is interesting lies at its beginning.
        let wide = if rng.one_in(2) { 2048 } else { length };
        let offset = rng.below(length.min(wide));
        Rot::of_a_bit(disk, rng, name, offset)
    }

    /// Turns a bit of each snapshot: none is left that a server could begin with.
    pub fn of_all_snapshots(disk: &SimDisk, rng: &mut Rng) -> Vec<Rot> {
        let mut files = disk.durable_files();
        files.retain(|(name, length)| *length > 0 && name.starts_with("snapshot."));
        let turned = files.into_iter().filter_map(|(name, length)| {
            let offset = rng.below(length);
            Rot::of_a_bit(disk, rng, name, offset)
        });
        turned.collect()
    }

    /// Turns a bit of the newest log behind what a record beside it promises, and before its last batch:
    /// only what stands behind it in the file can tell that it has been durable.
    pub fn of_what_nobody_promises(
        disk: &SimDisk,
        rng: &mut Rng,
        (promising, promised): (&str, usize),
        last_batch: usize,
    ) -> Option<Rot> {
        let name = newest_log(&disk.durable_files()).filter(|name| name == promising)?;
        if promised >= last_batch {
            return None;
        }
        let offset = promised + rng.below(last_batch - promised);
        Rot::of_a_bit(disk, rng, name, offset)
    }

    fn of_a_bit(disk: &SimDisk, rng: &mut Rng, name: String, offset: usize) -> Option<Rot> {
        let inode = disk.inode(&name)?;
        let rot = Rot { name, offset, what: Decay::Bit(1 << rng.below(8)), inode };
        rot.turn(disk);
        Some(rot)
    }

    /// Cuts the end off a file, somewhere before `promised`.
    pub fn of_the_end(disk: &SimDisk, rng: &mut Rng, name: &str, promised: usize) -> Option<Rot> {
        let inode = disk.inode(name)?;
        let bytes = disk.contents().remove(name)?;
        let offset = rng.below(promised.min(bytes.len()));
        let what = Decay::Tail(bytes[offset..].to_vec());
        let rot = Rot { name: name.into(), offset, what, inode };
        rot.turn(disk);
        Some(rot)
    }

    /// Turns the bit; again: back. Nothing happens if the file is gone.
    pub fn turn(&self, disk: &SimDisk) {
        if disk.inode(&self.name) != Some(self.inode) {
            return;
        }
        disk.decay(self.inode, |bytes| match (&self.what, bytes.get_mut(self.offset)) {
            (Decay::Bit(mask), Some(byte)) => *byte ^= mask,
            (Decay::Bit(_), None) => {}
            (Decay::Tail(_), Some(_)) => bytes.truncate(self.offset),
            (Decay::Tail(tail), None) => bytes.extend_from_slice(tail),
        });
    }
}

fn newest_log(files: &[(String, usize)]) -> Option<String> {
    let first = |name: &str| i64::from_str_radix(name.strip_prefix("log.")?, 16).ok();
    let logs = files.iter().filter_map(|(name, _)| Some((first(name)?, name)));
    logs.max().map(|(_, name)| name.clone())
}
