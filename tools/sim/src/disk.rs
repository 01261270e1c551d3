//! A disk that keeps what a disk must keep and nothing more.
//!
//! A write is there after a flush of its file, a name after a flush of its folder. What a power loss
//! takes of the rest is drawn: of each sector the old bytes, the new ones, or half of each; of
//! each file one of its lengths; of the changes of names a prefix or any subset. A killed process
//! leaves the page cache as it was. It fails on demand, as full disks and dying ones do, and lies
//! after a failed flush as the kernel does.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use ringkeeper::disk::{Access, Dir, File, Listed};

use crate::rng::Rng;

/// The unit that a device writes or does not write.
const SECTOR: usize = 512;

/// What is wrong with the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// This many changes from now one is refused, nothing done; a refused flush leaves its bytes in the
    /// cache, marked clean.
    Error { after: u64 },
    /// As `Error`, but a write puts down half of its bytes.
    Short { after: u64 },
    /// No file grows any more.
    Full,
}

#[derive(Debug, Default)]
struct Inode {
    /// As programs see it.
    cached: Vec<u8>,
    /// As it is after a power loss, at least.
    durable: Vec<u8>,
    /// Sectors that differ, or may.
    dirty: BTreeSet<usize>,
    /// Lengths it has had since the last flush.
    lengths: Vec<usize>,
}

#[derive(Debug)]
enum NameChange {
    Create(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    names_since: Vec<NameChange>,
    trouble: Option<Trouble>,
    /// Something was refused since the last start.
    refused: bool,
    /// Changes until the process that makes them dies.
    deadly: Option<u64>,
}

/// Files and their bytes.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// The medium; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    state: Arc<Mutex<State>>,
}

/// A bit that has turned, or an end that is gone, and how to turn it back.
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

impl Disk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// One process's way to the disk. It ends with `alive`, which the disk itself may end.
    pub fn mount(&self, alive: &Arc<AtomicBool>) -> Arc<dyn Dir> {
        Arc::new(Mount { disk: self.clone(), alive: alive.clone() })
    }

    /// The process dies instead of making the change after so many more.
    pub fn kill_after(&self, changes: u64) {
        self.lock().deadly = Some(changes);
    }

    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        self.lock().trouble = trouble;
    }

    /// No process dies at a change of this disk any more.
    pub fn spare(&self) {
        self.lock().deadly = None;
    }

    /// Whether something was refused since this was last asked.
    pub fn had_trouble(&self) -> bool {
        std::mem::take(&mut self.lock().refused)
    }

    /// What the process leaves that was killed: everything it wrote.
    pub fn process_lost(&self) {
        let mut state = self.lock();
        state.deadly = None;
        if !matches!(state.trouble, Some(Trouble::Full)) {
            state.trouble = None;
        }
    }

    /// What a power loss leaves.
    pub fn power_lost(&self, rng: &mut Rng) {
        self.process_lost();
        let mut state = self.lock();
        let state = &mut *state;
        let mut names = std::mem::take(&mut state.durable_names);
        let since = std::mem::take(&mut state.names_since);
        let in_order = rng.one_in(2);
        let kept = rng.below(since.len() as u64 + 1) as usize;
        for (n, change) in since.iter().enumerate() {
            if if in_order { n < kept } else { rng.one_in(2) } {
                change.apply(&mut names);
            }
        }
        for inode in &mut state.inodes {
            inode.lose(rng);
        }
        // What has no name any more is gone.
        let mut inodes = Vec::new();
        for place in names.values_mut() {
            inodes.push(std::mem::take(&mut state.inodes[*place]));
            *place = inodes.len() - 1;
        }
        state.inodes = inodes;
        state.names = names.clone();
        state.durable_names = names;
    }

    /// Turns one bit of one file, for good. Not behind this offset of the newest log: the last
    /// batch of a log, damaged, cannot be told from one that was torn before it was durable, and
    /// only another server's copy could help. Nor of an epoch's file: ZooKeeper's has no checksum, and
    /// another digit is another epoch.
    pub fn rot(&self, rng: &mut Rng, last_batch: usize) -> Option<Rot> {
        let full: Vec<(String, usize)> = {
            let state = self.lock();
            let has_bytes = |inode: usize| !state.inodes[inode].durable.is_empty();
            state
                .names
                .iter()
                .filter(|(name, inode)| has_bytes(**inode) && !name.ends_with("Epoch"))
                .map(|(name, inode)| (name.clone(), state.inodes[*inode].durable.len()))
                .collect()
        };
        let first = |name: &str| i64::from_str_radix(name.strip_prefix("log.")?, 16).ok();
        let newest = full.iter().filter_map(|(name, _)| first(name)).max();
        let mut full = full;
        for (name, length) in &mut full {
            if first(name).is_some_and(|first| Some(first) == newest) {
                *length = last_batch.min(*length);
            }
        }
        full.retain(|(_, length)| *length > 0);
        let (name, length) = rng.pick(&full)?.clone();
        // Prepared space is most of a file; what is interesting lies at its beginning.
        let wide = if rng.one_in(2) { 2048 } else { length };
        let offset = rng.below(length.min(wide) as u64);
        let inode = *self.lock().names.get(&name)?;
        let what = Decay::Bit(1 << rng.below(8));
        let rot = Rot { name, offset: offset as usize, what, inode };
        self.turn(&rot);
        Some(rot)
    }

    /// Cuts the end off a file, somewhere before `promised`.
    pub fn shorten(&self, rng: &mut Rng, name: &str, promised: usize) -> Option<Rot> {
        let inode = *self.lock().names.get(name)?;
        let tail = {
            let state = self.lock();
            let bytes = &state.inodes[inode].cached;
            let offset = rng.below(promised.min(bytes.len()) as u64) as usize;
            bytes[offset..].to_vec()
        };
        let offset = self.lock().inodes[inode].cached.len() - tail.len();
        let rot = Rot { name: name.into(), offset, what: Decay::Tail(tail), inode };
        self.turn(&rot);
        Some(rot)
    }

    /// Turns the bit; again: back. Nothing happens if the file is gone.
    pub fn turn(&self, rot: &Rot) {
        let mut state = self.lock();
        let Some(inode) = state.names.get(&rot.name).copied() else { return };
        if inode != rot.inode {
            return;
        }
        let Inode { durable, cached, .. } = &mut state.inodes[inode];
        for bytes in [durable, cached] {
            match (&rot.what, bytes.get_mut(rot.offset)) {
                (Decay::Bit(mask), Some(byte)) => *byte ^= mask,
                (Decay::Bit(_), None) => {}
                (Decay::Tail(_), Some(_)) => bytes.truncate(rot.offset),
                (Decay::Tail(tail), None) => bytes.extend_from_slice(tail),
            }
        }
    }

    /// Everything gone: a new disk in the old one's place.
    pub fn wipe(&self) {
        *self.lock() = State::default();
    }

    /// What programs see: a copy of every file.
    pub fn contents(&self) -> Contents {
        let state = self.lock();
        let of =
            |(name, inode): (&String, &usize)| (name.clone(), state.inodes[*inode].cached.clone());
        state.names.iter().map(of).collect()
    }

    /// Files from a copy in place of everything.
    pub fn put_back(&self, contents: &Contents) {
        let mut state = State::default();
        for (name, bytes) in contents {
            let (cached, durable) = (bytes.clone(), bytes.clone());
            state.names.insert(name.clone(), state.inodes.len());
            state.inodes.push(Inode { cached, durable, ..Inode::default() });
        }
        state.durable_names = state.names.clone();
        *self.lock() = state;
    }

    /// A way to the disk for somebody who is no process.
    pub fn look(&self) -> Arc<dyn Dir> {
        self.mount(&Arc::new(AtomicBool::new(true)))
    }

    /// A small file's text, if it is there.
    pub fn read(&self, name: &str) -> Option<String> {
        let state = self.lock();
        let inode = state.names.get(name)?;
        String::from_utf8(state.inodes[*inode].cached.clone()).ok()
    }

    /// Names and sizes, for the trace.
    pub fn describe(&self) -> String {
        let state = self.lock();
        let of = |(name, inode): (&String, &usize)| {
            format!("{name}:{}", state.inodes[*inode].cached.len())
        };
        state.names.iter().map(of).collect::<Vec<_>>().join(" ")
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Create(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            NameChange::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Inode {
    fn put(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if bytes.is_empty() {
            return;
        }
        if self.cached.len() < end {
            self.set_len(end);
        }
        self.cached[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn set_len(&mut self, len: usize) {
        let from = self.cached.len().min(len);
        self.lengths.push(self.cached.len());
        // The sector where the file ended holds zeros behind the end, as old as they are.
        self.dirty.extend(from / SECTOR..len.max(self.cached.len()).div_ceil(SECTOR));
        self.cached.resize(len, 0);
    }

    fn flush(&mut self) {
        if self.dirty.is_empty() && self.lengths.is_empty() {
            // What a failed flush has marked clean is not written by the next.
            return;
        }
        self.durable.resize(self.cached.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let place = place(sector, self.cached.len());
            self.durable[place.clone()].copy_from_slice(&self.cached[place]);
        }
        self.lengths.clear();
    }

    /// What a failed flush was to write passes for written.
    fn forget_changes(&mut self) {
        self.dirty.clear();
        self.lengths.clear();
    }

    fn lose(&mut self, rng: &mut Rng) {
        let mut lengths = std::mem::take(&mut self.lengths);
        if !lengths.is_empty() {
            lengths.extend([self.cached.len(), self.durable.len()]);
            let least = lengths.iter().copied().min().unwrap_or(0);
            let most = lengths.iter().copied().max().unwrap_or(0);
            lengths.push(rng.between(least as i64, most as i64) as usize);
            let length = rng.pick(&lengths).copied().unwrap_or(0);
            self.durable.resize(length, 0);
        }
        let all_or_nothing = rng.below(3);
        for sector in std::mem::take(&mut self.dirty) {
            let place = place(sector, self.durable.len());
            let mut new = self.cached.get(place.start..).unwrap_or_default().to_vec();
            new.resize(place.len(), 0);
            let half = SECTOR / 2;
            let fate = if all_or_nothing == 2 { rng.below(4) } else { all_or_nothing };
            match fate {
                0 => {}
                1 => self.durable[place].copy_from_slice(&new),
                2 => {
                    let n = half.min(new.len());
                    self.durable[place.start..place.start + n].copy_from_slice(&new[..n]);
                }
                _ if new.len() > half => {
                    self.durable[place.start + half..place.end].copy_from_slice(&new[half..]);
                }
                _ => {}
            }
        }
        self.cached = self.durable.clone();
    }
}

/// A sector's bytes in a file of this length.
fn place(sector: usize, length: usize) -> std::ops::Range<usize> {
    (sector * SECTOR).min(length)..((sector + 1) * SECTOR).min(length)
}

enum Refusal {
    /// Nothing is done.
    Nothing(io::Error),
    /// Half is done.
    Half(io::Error),
}

impl State {
    /// Counts a change; tells when it must not be.
    fn begin(&mut self, alive: &AtomicBool) -> Result<(), Refusal> {
        if !alive.load(Ordering::SeqCst) {
            return Err(Refusal::Nothing(io::Error::other("the process has ended")));
        }
        match &mut self.deadly {
            Some(0) => {
                self.deadly = None;
                self.refused = true;
                alive.store(false, Ordering::SeqCst);
                return Err(Refusal::Nothing(io::Error::other("the process ends here")));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        match &mut self.trouble {
            Some(Trouble::Error { after: 0 }) => {
                self.trouble = None;
                self.refused = true;
                Err(Refusal::Nothing(io::Error::from_raw_os_error(libc::EIO)))
            }
            Some(Trouble::Short { after: 0 }) => {
                self.trouble = None;
                self.refused = true;
                Err(Refusal::Half(io::Error::from_raw_os_error(libc::EIO)))
            }
            Some(Trouble::Error { after } | Trouble::Short { after }) => {
                *after -= 1;
                Ok(())
            }
            Some(Trouble::Full) | None => Ok(()),
        }
    }

    fn is_full(&self) -> bool {
        self.trouble == Some(Trouble::Full)
    }
}

impl Refusal {
    fn error(self) -> io::Error {
        let (Refusal::Nothing(error) | Refusal::Half(error)) = self;
        error
    }
}

#[derive(Debug)]
struct Mount {
    disk: Disk,
    alive: Arc<AtomicBool>,
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name}"))
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOSPC)
}

impl Mount {
    fn file(&self, inode: usize, through: bool) -> Arc<dyn File> {
        let (disk, alive) = (self.disk.clone(), self.alive.clone());
        Arc::new(OpenFile { disk, alive, inode, through })
    }
}

impl Dir for Mount {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let state = self.disk.lock();
        let size = |inode: &usize| state.inodes[*inode].cached.len() as u64;
        Ok(state.names.iter().map(|(n, i)| Listed { name: n.clone(), size: size(i) }).collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.disk.lock();
        if state.names.contains_key(name) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, name.to_string()));
        }
        state.begin(&self.alive).map_err(Refusal::error)?;
        if state.is_full() {
            return Err(full());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.insert(name.into(), inode);
        state.names_since.push(NameChange::Create(name.into(), inode));
        Ok(self.file(inode, false))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>> {
        let inode = *self.disk.lock().names.get(name).ok_or_else(|| not_found(name))?;
        Ok(self.file(inode, access == Access::DirectDurable))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.disk.lock();
        let inode = *state.names.get(from).ok_or_else(|| not_found(from))?;
        state.begin(&self.alive).map_err(Refusal::error)?;
        state.names.remove(from);
        state.names.insert(to.into(), inode);
        state.names_since.push(NameChange::Rename(from.into(), to.into(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.lock();
        if !state.names.contains_key(name) {
            return Err(not_found(name));
        }
        state.begin(&self.alive).map_err(Refusal::error)?;
        state.names.remove(name);
        state.names_since.push(NameChange::Remove(name.into()));
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.begin(&self.alive).map_err(Refusal::error)?;
        let state = &mut *state;
        for change in state.names_since.drain(..) {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }

    fn show(&self, name: &str) -> String {
        format!("sim/{name}")
    }
}

#[derive(Debug)]
struct OpenFile {
    disk: Disk,
    alive: Arc<AtomicBool>,
    inode: usize,
    /// Writes are durable when they return.
    through: bool,
}

impl File for OpenFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.lock();
        let bytes = &state.inodes[self.inode].cached;
        let from = (offset as usize).min(bytes.len());
        let part = &bytes[from..bytes.len().min(from + into.len())];
        into[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        {
            let mut state = self.disk.lock();
            let mut outcome = state.begin(&self.alive);
            let is_full = state.is_full();
            let inode = &mut state.inodes[self.inode];
            if is_full && outcome.is_ok() && offset as usize + bytes.len() > inode.cached.len() {
                outcome = Err(Refusal::Half(full()));
            }
            match outcome {
                Ok(()) => inode.put(bytes, offset as usize),
                Err(Refusal::Nothing(error)) => return Err(error),
                Err(Refusal::Half(error)) => {
                    inode.put(&bytes[..bytes.len() / 2], offset as usize);
                    return Err(error);
                }
            }
        }
        if self.through { self.flush() } else { Ok(()) }
    }

    fn allocate(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.begin(&self.alive).map_err(Refusal::error)?;
        state.inodes[self.inode].set_len(len as usize);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.lock().inodes[self.inode].cached.len() as u64)
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let outcome = state.begin(&self.alive);
        let inode = &mut state.inodes[self.inode];
        match outcome {
            Ok(()) => inode.flush(),
            Err(refusal) => {
                if self.alive.load(Ordering::SeqCst) {
                    inode.forget_changes();
                }
                return Err(refusal.error());
            }
        }
        Ok(())
    }

    fn forget_cached(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let inode = &mut state.inodes[self.inode];
        if inode.dirty.is_empty() && inode.lengths.is_empty() {
            inode.cached = inode.durable.clone();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fresh() -> (Disk, Arc<dyn Dir>) {
        let disk = Disk::default();
        let dir = disk.mount(&Arc::new(AtomicBool::new(true)));
        (disk, dir)
    }

    #[test]
    fn what_was_flushed_stays_and_the_rest_may_go() {
        // Goal: power loss takes only what was not flushed, and takes it in every way.
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let (disk, dir) = fresh();
            let file = dir.create("a").unwrap();
            file.write_at(&[1; 1024], 0).unwrap();
            file.flush().unwrap();
            dir.flush().unwrap();
            file.write_at(&[2; 512], 512).unwrap();
            dir.create("b").unwrap();
            disk.power_lost(&mut Rng::new(seed));
            let mut bytes = [0; 1024];
            let (_, again) = (0, disk.mount(&Arc::new(AtomicBool::new(true))));
            again.open("a", Access::Read).unwrap().read_at(&mut bytes, 0).unwrap();
            assert_eq!(bytes[..512], [1; 512]);
            seen.insert((bytes[512], bytes[1023], again.open("b", Access::Read).is_ok()));
        }
        assert_eq!(seen.len(), 8, "old, new, both kinds of torn, with and without the name");
    }

    #[test]
    fn a_failed_flush_loses_its_bytes_silently() {
        // Goal: after a failed flush the cache shows what the disk does not have.
        let (disk, dir) = fresh();
        let file = dir.create("a").unwrap();
        file.write_at(b"x", 0).unwrap();
        disk.set_trouble(Some(Trouble::Error { after: 0 }));
        assert!(file.flush().is_err());
        assert!(file.flush().is_ok());
        file.forget_cached().unwrap();
        assert_eq!(file.size().unwrap(), 0);
    }

    #[test]
    fn a_process_dies_before_a_change_and_makes_no_other() {
        // Goal: nothing reaches the disk from a process that has ended.
        let (disk, dir) = fresh();
        disk.kill_after(1);
        let file = dir.create("a").unwrap();
        assert!(file.write_at(b"x", 0).is_err());
        assert!(dir.create("b").is_err());
        disk.process_lost();
        assert!(dir.create("b").is_err());
        assert_eq!(disk.describe(), "a:0");
    }
}
