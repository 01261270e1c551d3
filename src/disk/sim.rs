//! A disk that keeps what a disk must keep and nothing more, for tests.
//!
//! It remembers every change since the last flush, and can say every state in which a power loss
//! could leave it: of each 512-byte sector written and not flushed the old bytes, the new ones, or
//! half of each; of each file any of its lengths; of the changes of names any subset. It also
//! fails on demand, and lies after a failed flush as the page cache does.

use super::{Access, Dir, File, Listed};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

/// The unit that a device writes or does not write.
pub const SECTOR: usize = 512;

/// What a directory holds: names and bytes. One crash state.
pub type Contents = BTreeMap<String, Bytes>;

/// A change, as it was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Create { name: String, inode: usize },
    Write { inode: usize, offset: u64, bytes: Vec<u8> },
    SetLen { inode: usize, len: u64 },
    Flush { inode: usize },
    Rename { from: String, to: String },
    Remove { name: String },
    FlushDir,
}

/// How the change with a given number goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Refused, nothing done. A flush leaves its bytes in the cache, marked clean.
    Error,
    /// A write puts down half of its bytes; everything else is as `Error`.
    Short,
    /// As `Short`, with ENOSPC.
    Full,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    /// As programs see it.
    cached: Vec<u8>,
    /// As it is after a power loss, at least.
    durable: Vec<u8>,
    /// The contents after each change since the last flush.
    since: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    names_since: Vec<NameChange>,
    changes: Vec<Change>,
    fail: Option<(usize, Failure)>,
    /// The flush of a file to which so many bytes were written last.
    fail_flush_after: Option<Range<usize>>,
}

/// The disk; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// A disk that holds this, durably.
    pub fn holding(contents: &Contents) -> SimDisk {
        let disk = SimDisk::new();
        {
            let mut state = disk.lock();
            for (name, bytes) in contents {
                let inode = state.inodes.len();
                state.inodes.push(Inode {
                    cached: bytes.to_vec(),
                    durable: bytes.to_vec(),
                    since: Vec::new(),
                });
                state.names.insert(name.clone(), inode);
            }
            state.durable_names = state.names.clone();
        }
        disk
    }

    /// A second disk in the same state, cache and all: what a killed process leaves behind.
    pub fn twin(&self) -> SimDisk {
        let state = State {
            changes: Vec::new(),
            fail: None,
            fail_flush_after: None,
            ..self.lock().clone()
        };
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes so far.
    pub fn changes(&self) -> Vec<Change> {
        self.lock().changes.clone()
    }
    pub fn change_count(&self) -> usize {
        self.lock().changes.len()
    }

    /// Makes the change with this number, counted from 0, fail.
    pub fn fail_at(&self, number: usize, how: Failure) {
        self.lock().fail = Some((number, how));
    }

    /// Makes the first flush fail that follows a write of so many bytes to its file.
    pub fn fail_flush_after(&self, bytes: Range<usize>) {
        self.lock().fail_flush_after = Some(bytes);
    }

    /// What programs see now.
    pub fn contents(&self) -> Contents {
        let state = self.lock();
        let of = |(name, inode): (&String, &usize)| {
            (name.clone(), Bytes::copy_from_slice(&state.inodes[*inode].cached))
        };
        state.names.iter().map(of).collect()
    }

    /// Does a recorded change on this disk; the numbers of inodes are those of the recording.
    pub fn redo(&self, change: &Change) {
        let refused = match change {
            Change::Create { name, .. } => self.create(name).map(drop),
            Change::Write { inode, offset, bytes } => self.file(*inode).write_at(bytes, *offset),
            Change::SetLen { inode, len } => self.file(*inode).set_len(*len),
            Change::Flush { inode } => self.file(*inode).flush(),
            Change::Rename { from, to } => Dir::rename(self, from, to),
            Change::Remove { name } => Dir::remove(self, name),
            Change::FlushDir => Dir::flush(self),
        };
        refused.unwrap();
    }

    fn file(&self, inode: usize) -> SimFile {
        SimFile { disk: self.clone(), inode, through: false }
    }

    /// Every state a power loss now can leave.
    pub fn crash_states(&self) -> BTreeSet<Contents> {
        let state = self.lock();
        let mut states = BTreeSet::new();
        for kept in 0..1u32 << state.names_since.len() {
            let mut names = state.durable_names.clone();
            for (n, change) in state.names_since.iter().enumerate() {
                if kept & (1 << n) != 0 {
                    change.apply(&mut names);
                }
            }
            let mut partial: Vec<Contents> = vec![Contents::new()];
            for (name, inode) in names {
                let variants = state.inodes[inode].variants();
                partial = partial
                    .iter()
                    .flat_map(|contents| {
                        variants.iter().map(|bytes| {
                            let mut more = contents.clone();
                            more.insert(name.clone(), bytes.clone());
                            more
                        })
                    })
                    .collect();
                assert!(partial.len() < 1 << 18, "too many crash states to look at");
            }
            states.extend(partial);
        }
        states
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
    fn changed(&mut self) {
        self.since.push(self.cached.clone());
    }

    /// The contents a power loss can leave.
    fn variants(&self) -> BTreeSet<Bytes> {
        let versions: Vec<&Vec<u8>> = std::iter::once(&self.durable).chain(&self.since).collect();
        let mut lengths: BTreeSet<usize> = versions.iter().map(|v| v.len()).collect();
        let (least, most) = (*lengths.iter().next().unwrap(), *lengths.iter().next_back().unwrap());
        lengths.insert((least + (most - least) / 2).next_multiple_of(SECTOR).min(most));
        let mut base = self.durable.clone();
        base.resize(most.next_multiple_of(SECTOR), 0);
        let mut files = vec![base];
        for sector in 0..most.div_ceil(SECTOR) {
            let place = sector * SECTOR..(sector + 1) * SECTOR;
            let durable = self.durable.get(place.clone());
            if durable.is_some() && versions.iter().all(|v| v.get(place.clone()) == durable) {
                continue;
            }
            let choices = sector_choices(&versions, sector);
            let before = std::mem::take(&mut files);
            for mut file in before {
                for choice in &choices[1..] {
                    let mut changed = file.clone();
                    changed[place.clone()].copy_from_slice(choice);
                    files.push(changed);
                }
                file[place.clone()].copy_from_slice(&choices[0]);
                files.push(file);
            }
            assert!(files.len() < 1 << 16, "too many variants of one file to look at");
        }
        let cut = |file: &Vec<u8>, len: usize| Bytes::copy_from_slice(&file[..len]);
        files.iter().flat_map(|file| lengths.iter().map(|len| cut(file, *len))).collect()
    }
}

/// Old, each newer one, and the torn ones between the oldest and the newest.
fn sector_choices(versions: &[&Vec<u8>], sector: usize) -> Vec<[u8; SECTOR]> {
    let of = |version: &Vec<u8>| {
        let mut bytes = [0; SECTOR];
        let from = (sector * SECTOR).min(version.len());
        let part = &version[from..version.len().min((sector + 1) * SECTOR)];
        bytes[..part.len()].copy_from_slice(part);
        bytes
    };
    let mut choices: Vec<[u8; SECTOR]> = Vec::new();
    let mut add = |choice| {
        if !choices.contains(&choice) {
            choices.push(choice);
        }
    };
    let (old, new) = (of(versions[0]), of(versions[versions.len() - 1]));
    versions.iter().for_each(|version| add(of(version)));
    let (mut front, mut back) = (old, old);
    front[..SECTOR / 2].copy_from_slice(&new[..SECTOR / 2]);
    back[SECTOR / 2..].copy_from_slice(&new[SECTOR / 2..]);
    add(front);
    add(back);
    choices
}

impl State {
    /// Counts the change; `Some` if it is to fail.
    fn begin(&mut self, change: Change) -> Option<Failure> {
        let number = self.changes.len();
        if let (Change::Flush { inode }, Some(sizes)) = (&change, &self.fail_flush_after) {
            let last = self.changes.iter().rev().find_map(|c| match c {
                Change::Write { inode: of, bytes, .. } if of == inode => Some(bytes.len()),
                _ => None,
            });
            if last.is_some_and(|n| sizes.contains(&n)) {
                (self.fail, self.fail_flush_after) = (Some((number, Failure::Error)), None);
            }
        }
        self.changes.push(change);
        self.fail.filter(|(n, _)| *n == number).map(|(_, how)| how)
    }
}

fn refused(how: Failure) -> io::Error {
    io::Error::from_raw_os_error(match how {
        Failure::Error | Failure::Short => libc::EIO,
        Failure::Full => libc::ENOSPC,
    })
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name}"))
}

impl Dir for SimDisk {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let state = self.lock();
        let size = |inode: &usize| state.inodes[*inode].cached.len() as u64;
        Ok(state.names.iter().map(|(n, i)| Listed { name: n.clone(), size: size(i) }).collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock();
        let inode = state.inodes.len();
        if state.names.contains_key(name) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, name.to_string()));
        }
        if let Some(how) = state.begin(Change::Create { name: name.into(), inode }) {
            return Err(refused(how));
        }
        state.inodes.push(Inode::default());
        state.names.insert(name.into(), inode);
        state.names_since.push(NameChange::Create(name.into(), inode));
        drop(state);
        Ok(Arc::new(self.file(inode)))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>> {
        let inode = *self.lock().names.get(name).ok_or_else(|| not_found(name))?;
        let through = access == Access::DirectDurable;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, through }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        let inode = *state.names.get(from).ok_or_else(|| not_found(from))?;
        if let Some(how) = state.begin(Change::Rename { from: from.into(), to: to.into() }) {
            return Err(refused(how));
        }
        state.names.remove(from);
        state.names.insert(to.into(), inode);
        state.names_since.push(NameChange::Rename(from.into(), to.into(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        if !state.names.contains_key(name) {
            return Err(not_found(name));
        }
        if let Some(how) = state.begin(Change::Remove { name: name.into() }) {
            return Err(refused(how));
        }
        state.names.remove(name);
        state.names_since.push(NameChange::Remove(name.into()));
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.lock();
        if let Some(how) = state.begin(Change::FlushDir) {
            return Err(refused(how));
        }
        state.durable_names = state.names.clone();
        state.names_since.clear();
        Ok(())
    }

    fn show(&self, name: &str) -> String {
        format!("sim/{name}")
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
    /// Writes are durable when they return.
    through: bool,
}

impl File for SimFile {
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
            let change = Change::Write { inode: self.inode, offset, bytes: bytes.to_vec() };
            let failed = state.begin(change);
            let put = match failed {
                None => bytes,
                Some(Failure::Error) => &[],
                Some(Failure::Short | Failure::Full) => &bytes[..bytes.len() / 2],
            };
            let inode = &mut state.inodes[self.inode];
            let end = offset as usize + put.len();
            if inode.cached.len() < end && !put.is_empty() {
                inode.cached.resize(end, 0);
            }
            if !put.is_empty() {
                inode.cached[offset as usize..end].copy_from_slice(put);
                inode.changed();
            }
            if let Some(how) = failed {
                return Err(refused(how));
            }
        }
        if self.through { self.flush() } else { Ok(()) }
    }

    fn allocate(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        if let Some(how) = state.begin(Change::SetLen { inode: self.inode, len }) {
            return Err(refused(how));
        }
        state.inodes[self.inode].cached.resize(len as usize, 0);
        state.inodes[self.inode].changed();
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.lock().inodes[self.inode].cached.len() as u64)
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let failed = state.begin(Change::Flush { inode: self.inode });
        let inode = &mut state.inodes[self.inode];
        // Only what was changed since the last flush is written, and after a failed one the
        // changes it was to write pass for written.
        let has_changes = !inode.since.is_empty();
        inode.since.clear();
        match failed {
            None if has_changes => inode.durable = inode.cached.clone(),
            None => {}
            Some(how) => return Err(refused(how)),
        }
        Ok(())
    }

    fn forget_cached(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let inode = &mut state.inodes[self.inode];
        if inode.since.is_empty() {
            inode.cached = inode.durable.clone();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unflushed_sectors_are_lost_kept_or_torn_and_flushed_ones_stay() {
        let disk = SimDisk::new();
        let file = disk.create("a").unwrap();
        file.write_at(&[1; 1024], 0).unwrap();
        file.flush().unwrap();
        Dir::flush(&disk).unwrap();
        assert_eq!(disk.crash_states(), BTreeSet::from([disk.contents()]));
        file.write_at(&[2; 600], 512).unwrap();
        // The second sector in four ways; behind it the file ends, or has 88 bytes, old or new.
        assert_eq!(disk.crash_states().len(), 4 + 4 * 2);
        file.flush().unwrap();
        assert_eq!(disk.crash_states(), BTreeSet::from([disk.contents()]));
    }

    #[test]
    fn names_are_lost_in_any_combination_until_the_directory_is_flushed() {
        let disk = SimDisk::new();
        disk.create("a").unwrap();
        disk.rename("a", "b").unwrap();
        let names: BTreeSet<Vec<String>> =
            disk.crash_states().iter().map(|s| s.keys().cloned().collect()).collect();
        let set = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(names, BTreeSet::from([set(&[]), set(&["a"]), set(&["b"])]));
    }

    #[test]
    fn after_a_failed_flush_the_cache_shows_what_the_disk_does_not_have() {
        let disk = SimDisk::new();
        let file = disk.create("a").unwrap();
        disk.fail_at(2, Failure::Error);
        file.write_at(b"x", 0).unwrap();
        assert!(file.flush().is_err());
        file.flush().unwrap();
        assert_eq!(disk.contents()["a"], &b"x"[..]);
        assert!(
            disk.crash_states().iter().all(|state| state.get("a").is_none_or(|a| a.is_empty()))
        );
        file.forget_cached().unwrap();
        assert_eq!(disk.contents()["a"], &b""[..]);
    }
}
