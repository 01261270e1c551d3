//! A disk that keeps what a disk must keep and nothing more.
//!
//! A write is there after a flush of its file, a name after a flush of its folder. Of what is not
//! flushed it can say every state in which a power loss could leave it ([`SimDisk::crash_states`]), or
//! lose a part that is drawn ([`SimDisk::power_lost`]): of each 512-byte sector the bytes of before, of
//! any write since, or half of the newest; of each file any of its lengths; of the changes of names
//! any subset. A killed process leaves the page cache as it was.
//!
//! It counts changes, and refuses the one that a test names, as dying disks and full ones do; after a
//! failed flush it lies as the page cache does. It can also end a process in place of a change
//! ([`SimDisk::mount`]).
//!
//! * `inode`: a file's bytes and what a power loss makes of them
//! * `state`: names, counting and refusing
//! * `mount`: a process's way to it

mod inode;
mod mount;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use ringkeeper::disk::Dir;

use super::rng::Rng;
pub use mount::Mount;
use state::State;

/// The unit that a device writes or does not write.
pub const SECTOR: usize = 512;

/// What a directory holds: names and bytes. One crash state.
pub type Contents = BTreeMap<String, Bytes>;

/// A change, as it was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Create { name: String, inode: usize },
    Write { inode: usize, offset: u64, bytes: Vec<u8> },
    Allocate { inode: usize, upto: u64 },
    SetLen { inode: usize, len: u64 },
    Flush { inode: usize },
    Rename { from: String, to: String },
    Remove { name: String },
    FlushDir,
}

/// How a change goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Refused, nothing done. A flush leaves its bytes in the cache, marked clean.
    Error,
    /// A write puts down half of its bytes; everything else is as `Error`.
    Short,
    /// As `Short`, with ENOSPC.
    Full,
}

/// The medium; clones are the same disk. A program that has no process of its own may use it as its
/// directory.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl Default for SimDisk {
    fn default() -> SimDisk {
        SimDisk::new()
    }
}

/// What it holds, and what a loss makes of it.
impl SimDisk {
    /// An empty disk, which keeps its changes ([`SimDisk::changes`]).
    pub fn new() -> SimDisk {
        SimDisk::holding(&Contents::new())
    }

    /// An empty disk for a long run: changes are counted, and not kept.
    pub fn unrecorded() -> SimDisk {
        SimDisk { state: Arc::default() }
    }

    /// A disk that holds this, durably, and keeps its changes.
    pub fn holding(contents: &Contents) -> SimDisk {
        let state = State::holding(contents, Some(Vec::new()));
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// A second disk in the same state, cache and all: what a killed process leaves behind. It has
    /// seen no change, and refuses none.
    pub fn twin(&self) -> SimDisk {
        let state = self.lock().twin();
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Files from a copy in place of everything.
    pub fn put_back(&self, contents: &Contents) {
        let mut state = self.lock();
        let recorded = state.recorded.as_ref().map(|_| Vec::new());
        *state = State::holding(contents, recorded);
    }

    /// Everything gone: a new disk in the old one's place.
    pub fn wipe(&self) {
        self.put_back(&Contents::new());
    }

    /// What programs see now.
    pub fn contents(&self) -> Contents {
        let state = self.lock();
        let bytes = |inode: usize| Bytes::copy_from_slice(state.inodes[inode].cached());
        state.names.iter().map(|(name, inode)| (name.clone(), bytes(*inode))).collect()
    }

    /// A small file's text, if it is there.
    pub fn read(&self, name: &str) -> Option<String> {
        let state = self.lock();
        let inode = state.names.get(name)?;
        String::from_utf8(state.inodes[*inode].cached().to_vec()).ok()
    }

    /// Names and sizes, for a trace.
    pub fn describe(&self) -> String {
        let state = self.lock();
        let size = |inode: usize| state.inodes[inode].cached().len();
        let of = |(name, inode): (&String, &usize)| format!("{name}:{}", size(*inode));
        state.names.iter().map(of).collect::<Vec<_>>().join(" ")
    }

    /// Every state a power loss now can leave.
    pub fn crash_states(&self) -> BTreeSet<Contents> {
        self.lock().crash_states()
    }

    /// Loses what a power loss may take, as it is drawn. Numbers of inodes change.
    pub fn power_lost(&self, rng: &mut Rng) {
        self.process_lost();
        let mut state = self.lock();
        state.lose(rng);
    }

    /// What the process leaves that was killed: everything it wrote. What was to go wrong does not,
    /// but a full disk is full.
    pub fn process_lost(&self) {
        let mut state = self.lock();
        (state.dies_at, state.fail) = (None, None);
    }

    /// Which file has this name, and how many bytes of it a power loss would leave at most.
    pub fn durable_files(&self) -> Vec<(String, usize)> {
        let state = self.lock();
        let length = |inode: usize| state.inodes[inode].durable().len();
        state.names.iter().map(|(name, inode)| (name.clone(), length(*inode))).collect()
    }

    /// The number of a file, which another one of its name does not have.
    pub fn inode(&self, name: &str) -> Option<usize> {
        self.lock().names.get(name).copied()
    }

    /// Changes what is durable and what programs see, behind everybody's back.
    pub fn decay(&self, inode: usize, change: impl Fn(&mut Vec<u8>)) {
        self.lock().inodes[inode].decay(change);
    }
}

/// Changes, counted and refused.
impl SimDisk {
    /// The changes so far, of a disk that keeps them.
    pub fn changes(&self) -> Vec<Change> {
        self.lock().recorded.clone().unwrap_or_default()
    }

    /// Changes so far.
    pub fn change_count(&self) -> usize {
        self.lock().count
    }

    /// Does a recorded change on this disk; the numbers of inodes are those of the recording.
    pub fn redo(&self, change: &Change) {
        let done = Mount::anybody(self).redo(change);
        assert!(done.is_ok(), "{change:?} cannot be done again: {done:?}");
    }

    /// Makes the change with this number, counted from 0, fail.
    pub fn fail_at(&self, number: usize, how: Failure) {
        self.lock().fail = Some((number, how));
    }

    /// The same, counted from now.
    pub fn fail_after(&self, changes: u64, how: Failure) {
        let mut state = self.lock();
        state.fail = Some((state.count + changes as usize, how));
    }

    /// Makes the first flush fail that follows a write of so many bytes to its file.
    pub fn fail_flush_after(&self, bytes: Range<usize>) {
        self.lock().fail_flush_after = Some(bytes);
    }

    /// Whether no file can grow, and none be made.
    pub fn set_full(&self, is_full: bool) {
        self.lock().full = is_full;
    }

    /// Whether a change was refused since this was last asked.
    pub fn had_trouble(&self) -> bool {
        std::mem::take(&mut self.lock().refused)
    }

    /// The process dies instead of making the change after so many more.
    pub fn kill_after(&self, changes: u64) {
        let mut state = self.lock();
        state.dies_at = Some(state.count + changes as usize);
    }

    /// Nothing goes wrong any more.
    pub fn spare(&self) {
        let mut state = self.lock();
        (state.dies_at, state.fail, state.full) = (None, None, false);
    }

    /// One process's way to the disk. It ends with `alive`, which the disk itself may end.
    pub fn mount(&self, alive: &Arc<AtomicBool>) -> Arc<dyn Dir> {
        Arc::new(Mount::of(self, alive))
    }

    /// A way to the disk for somebody who is no process.
    pub fn look(&self) -> Arc<dyn Dir> {
        Arc::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
