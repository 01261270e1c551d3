//! A file's bytes, as programs see them and as a power loss leaves them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;

use super::super::rng::Rng;
use super::SECTOR;

type Sector = [u8; SECTOR];

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// As programs see it.
    cached: Vec<u8>,
    /// As it is after a power loss, at least.
    durable: Vec<u8>,
    /// Sectors changed since the last flush, each with what stood there between the changes.
    dirty: BTreeMap<usize, Vec<Sector>>,
    /// Lengths since the last flush, after each change.
    lengths: Vec<usize>,
    /// Bytes of the last write.
    last_write: usize,
}

/// A sector's bytes in a file of this length.
fn place(sector: usize, length: usize) -> Range<usize> {
    (sector * SECTOR).min(length)..((sector + 1) * SECTOR).min(length)
}

/// A sector as a device holds it: zeros behind the file's end.
fn sector_of(file: &[u8], sector: usize) -> Sector {
    let mut bytes = [0; SECTOR];
    let part = &file[place(sector, file.len())];
    bytes[..part.len()].copy_from_slice(part);
    bytes
}

/// What can be left of a sector: old, newest, either half of the newest on the old, and what stood
/// there between.
fn choices(old: Sector, between: &[Sector], new: Sector) -> Vec<Sector> {
    let (mut front, mut back) = (old, old);
    front[..SECTOR / 2].copy_from_slice(&new[..SECTOR / 2]);
    back[SECTOR / 2..].copy_from_slice(&new[SECTOR / 2..]);
    let mut choices = vec![old, new, front, back];
    choices.extend_from_slice(between);
    choices
}

impl Inode {
    pub(super) fn holding(bytes: &[u8]) -> Inode {
        Inode { cached: bytes.to_vec(), durable: bytes.to_vec(), ..Inode::default() }
    }

    pub(super) fn cached(&self) -> &[u8] {
        &self.cached
    }

    pub(super) fn durable(&self) -> &[u8] {
        &self.durable
    }

    pub(super) fn last_write(&self) -> usize {
        self.last_write
    }

    pub(super) fn put(&mut self, bytes: &[u8], offset: usize) {
        self.last_write = bytes.len();
        if bytes.is_empty() {
            return;
        }
        let (length, end) = (self.cached.len(), offset + bytes.len());
        self.touch(offset.min(length), end);
        if length < end {
            self.cached.resize(end, 0);
        }
        self.cached[offset..end].copy_from_slice(bytes);
        self.lengths.push(self.cached.len());
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let before = self.cached.len();
        // The sector where the file ends holds zeros behind the end, as old as they are.
        self.touch(before.min(len), before.max(len));
        self.cached.resize(len, 0);
        self.lengths.push(len);
    }

    /// Notes that the sectors of these bytes change.
    fn touch(&mut self, from: usize, to: usize) {
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            let now = sector_of(&self.cached, sector);
            match self.dirty.get_mut(&sector) {
                None => drop(self.dirty.insert(sector, Vec::new())),
                Some(between) if between.last() != Some(&now) => between.push(now),
                Some(_) => {}
            }
        }
    }

    fn is_clean(&self) -> bool {
        self.dirty.is_empty() && self.lengths.is_empty()
    }

    /// Only what was changed since the last flush is written: what a failed one has marked clean is
    /// not written by the next.
    pub(super) fn flush(&mut self) {
        if self.is_clean() {
            return;
        }
        self.durable.resize(self.cached.len(), 0);
        for sector in std::mem::take(&mut self.dirty).into_keys() {
            let place = place(sector, self.cached.len());
            self.durable[place.clone()].copy_from_slice(&self.cached[place]);
        }
        self.lengths.clear();
    }

    /// What a failed flush was to write passes for written.
    pub(super) fn forget_changes(&mut self) {
        self.dirty.clear();
        self.lengths.clear();
    }

    /// Drops clean pages.
    pub(super) fn forget_cached(&mut self) {
        if self.is_clean() {
            self.cached.clone_from(&self.durable);
        }
    }

    pub(super) fn decay(&mut self, change: impl Fn(&mut Vec<u8>)) {
        change(&mut self.durable);
        change(&mut self.cached);
    }

    /// The contents a power loss can leave.
    pub(super) fn variants(&self) -> BTreeSet<Bytes> {
        let mut lengths: BTreeSet<usize> = self.lengths.iter().copied().collect();
        lengths.insert(self.durable.len());
        let (least, most) = bounds(&lengths);
        lengths.insert((least + (most - least) / 2).next_multiple_of(SECTOR).min(most));
        let mut base = self.durable.clone();
        base.resize(most.next_multiple_of(SECTOR), 0);
        let mut files = vec![base];
        for (sector, between) in &self.dirty {
            if sector * SECTOR >= most {
                continue;
            }
            let (old, new) = (sector_of(&self.durable, *sector), sector_of(&self.cached, *sector));
            let choices: BTreeSet<Sector> = choices(old, between, new).into_iter().collect();
            let before = std::mem::take(&mut files);
            for file in before {
                for choice in &choices {
                    let mut changed = file.clone();
                    changed[sector * SECTOR..][..SECTOR].copy_from_slice(choice);
                    files.push(changed);
                }
            }
            assert!(files.len() < 1 << 16, "too many variants of one file to look at");
        }
        let cut = |file: &Vec<u8>, len: usize| Bytes::copy_from_slice(&file[..len]);
        files.iter().flat_map(|file| lengths.iter().map(|len| cut(file, *len))).collect()
    }

    /// What one power loss leaves.
    pub(super) fn lose(&mut self, rng: &mut Rng) {
        let mut lengths = std::mem::take(&mut self.lengths);
        if !lengths.is_empty() {
            lengths.extend([self.cached.len(), self.durable.len()]);
            let (least, most) = bounds(&lengths.iter().copied().collect());
            lengths.push(rng.between(least as i64, most as i64) as usize);
            self.durable.resize(rng.pick(&lengths), 0);
        }
        // All, nothing, or each sector by itself.
        let fate = rng.below(3);
        for (sector, between) in std::mem::take(&mut self.dirty) {
            let place = place(sector, self.durable.len());
            let (old, new) = (sector_of(&self.durable, sector), sector_of(&self.cached, sector));
            let left = match fate {
                0 => old,
                1 => new,
                _ => rng.pick(&choices(old, &between, new)),
            };
            let length = place.len();
            self.durable[place].copy_from_slice(&left[..length]);
        }
        self.cached.clone_from(&self.durable);
    }
}

/// The least and the most of some lengths.
fn bounds(lengths: &BTreeSet<usize>) -> (usize, usize) {
    (lengths.first().copied().unwrap_or(0), lengths.last().copied().unwrap_or(0))
}
