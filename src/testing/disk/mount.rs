//! A process's way to the disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ringkeeper::disk::{Access, Dir, File, Listed};

use super::state::{NameChange, Refusal};
use super::{Change, SimDisk};

/// Who makes changes.
#[derive(Clone, Debug)]
pub(super) struct Process(Option<Arc<AtomicBool>>);

impl Process {
    pub(super) fn is_alive(&self) -> bool {
        self.0.as_ref().is_none_or(|alive| alive.load(Ordering::SeqCst))
    }

    pub(super) fn end(&self) {
        if let Some(alive) = &self.0 {
            alive.store(false, Ordering::SeqCst);
        }
    }
}

/// The disk, as one process sees it.
#[derive(Clone, Debug)]
pub struct Mount {
    disk: SimDisk,
    process: Process,
}

impl Mount {
    pub(super) fn of(disk: &SimDisk, alive: &Arc<AtomicBool>) -> Mount {
        Mount { disk: disk.clone(), process: Process(Some(alive.clone())) }
    }

    /// For somebody who never ends.
    pub(super) fn anybody(disk: &SimDisk) -> Mount {
        Mount { disk: disk.clone(), process: Process(None) }
    }

    fn file(&self, inode: usize, access: Access) -> OpenFile {
        OpenFile { mount: self.clone(), inode, through: access == Access::DirectDurable }
    }

    pub(super) fn redo(&self, change: &Change) -> io::Result<()> {
        let file = |inode: usize| self.file(inode, Access::Write);
        match change {
            Change::Create { name, .. } => self.create(name).map(drop),
            Change::Write { inode, offset, bytes } => file(*inode).write_at(bytes, *offset),
            Change::Allocate { inode, upto } => file(*inode).allocate(0, *upto),
            Change::SetLen { inode, len } => file(*inode).set_len(*len),
            Change::Flush { inode } => file(*inode).flush(),
            Change::Rename { from, to } => self.rename(from, to),
            Change::Remove { name } => self.remove(name),
            Change::FlushDir => Dir::flush(self),
        }
    }
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name}"))
}

impl Dir for Mount {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let state = self.disk.lock();
        let size = |inode: usize| state.inodes[inode].cached().len() as u64;
        Ok(state.names.iter().map(|(n, i)| Listed { name: n.clone(), size: size(*i) }).collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.disk.lock();
        let inode = state.inodes.len();
        if state.names.contains_key(name) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, name.to_string()));
        }
        state.begin(&self.process, || Change::Create { name: name.into(), inode })?;
        if state.full {
            return Err(Refusal::full().error);
        }
        state.inodes.push(Default::default());
        state.change_name(NameChange::Create(name.into(), inode));
        Ok(Arc::new(self.file(inode, Access::Write)))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>> {
        let inode = *self.disk.lock().names.get(name).ok_or_else(|| not_found(name))?;
        Ok(Arc::new(self.file(inode, access)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.disk.lock();
        let inode = *state.names.get(from).ok_or_else(|| not_found(from))?;
        let change = || Change::Rename { from: from.into(), to: to.into() };
        state.begin(&self.process, change)?;
        state.change_name(NameChange::Rename(from.into(), to.into(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.lock();
        if !state.names.contains_key(name) {
            return Err(not_found(name));
        }
        state.begin(&self.process, || Change::Remove { name: name.into() })?;
        state.change_name(NameChange::Remove(name.into()));
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.begin(&self.process, || Change::FlushDir)?;
        state.flush_names();
        Ok(())
    }

    fn show(&self, name: &str) -> String {
        format!("sim/{name}")
    }
}

/// The same for whoever has no process.
impl Dir for SimDisk {
    fn list(&self) -> io::Result<Vec<Listed>> {
        Mount::anybody(self).list()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Mount::anybody(self).create(name)
    }
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>> {
        Mount::anybody(self).open(name, access)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Mount::anybody(self).rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        Mount::anybody(self).remove(name)
    }
    fn flush(&self) -> io::Result<()> {
        Dir::flush(&Mount::anybody(self))
    }
    fn show(&self, name: &str) -> String {
        Mount::anybody(self).show(name)
    }
}

#[derive(Debug)]
struct OpenFile {
    mount: Mount,
    inode: usize,
    /// Writes are durable when they return.
    through: bool,
}

impl File for OpenFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.mount.disk.lock();
        let bytes = state.inodes[self.inode].cached();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let part = &bytes[from..bytes.len().min(from.saturating_add(into.len()))];
        into[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        {
            let mut state = self.mount.disk.lock();
            let change = || Change::Write { inode: self.inode, offset, bytes: bytes.to_vec() };
            let mut outcome = state.begin(&self.mount.process, change);
            let grows = offset as usize + bytes.len() > state.inodes[self.inode].cached().len();
            if state.full && grows && outcome.is_ok() {
                outcome = Err(Refusal::full());
            }
            let inode = &mut state.inodes[self.inode];
            match outcome {
                Ok(()) => inode.put(bytes, offset as usize),
                Err(refusal) => {
                    if refusal.half {
                        inode.put(&bytes[..bytes.len() / 2], offset as usize);
                    }
                    return Err(refusal.error);
                }
            }
        }
        if self.through { self.flush() } else { Ok(()) }
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut state = self.mount.disk.lock();
        let upto = offset + len;
        let change = || Change::Allocate { inode: self.inode, upto };
        state.begin(&self.mount.process, change)?;
        let grows = upto as usize > state.inodes[self.inode].cached().len();
        match (grows, state.full) {
            (true, true) => return Err(Refusal::full().error),
            (true, false) => state.inodes[self.inode].set_len(upto as usize),
            (false, _) => {}
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.mount.disk.lock();
        state.begin(&self.mount.process, || Change::SetLen { inode: self.inode, len })?;
        state.inodes[self.inode].set_len(len as usize);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.mount.disk.lock().inodes[self.inode].cached().len() as u64)
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.mount.disk.lock();
        state.look_at_flush(self.inode);
        let process = &self.mount.process;
        let outcome = state.begin(process, || Change::Flush { inode: self.inode });
        let inode = &mut state.inodes[self.inode];
        match outcome {
            Ok(()) => inode.flush(),
            Err(refusal) => {
                // A process that has ended has asked for nothing.
                if process.is_alive() {
                    inode.forget_changes();
                }
                return Err(refusal.error);
            }
        }
        Ok(())
    }

    fn forget_cached(&self) -> io::Result<()> {
        self.mount.disk.lock().inodes[self.inode].forget_cached();
        Ok(())
    }
}
