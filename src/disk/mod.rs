//! Directories and files, as the log and the snapshots use them: the one seam through which bytes
//! reach a disk. Everything above it can run against a simulated disk that loses, tears and
//! refuses.
//!
//! What the seam promises, and no more, is what a disk promises: a write is on the disk after
//! [`File::flush`], a name after [`Dir::flush`]; before that any part of it may be there.
//!
//! * [`real`]: the operating system's files
//! * [`lock`]: one process a directory
//! * [`mixed`]: logs among snapshots, or the reverse, are a configuration mistake
//! * [`reserve`]: room to stop cleanly on a full disk
//! * `sim` (tests): every state a crash can leave

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

pub mod lock;
pub mod mixed;
pub mod real;
pub mod reserve;
#[cfg(test)]
pub mod sim;

pub use real::RealDir;

/// Prefix of every file of ours that ZooKeeper does not know. It looks at names that begin with
/// `log.` or `snapshot.` and passes over the rest.
pub const OUR_PREFIX: &str = "ringkeeper.";

/// Offsets, lengths and buffers of [`Access::Direct`] are multiples of this many bytes.
pub const DIRECT_ALIGN: usize = 4096;

/// A regular file of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Read,
    /// Reading and writing.
    Write,
    /// Writing past the page cache, aligned to [`DIRECT_ALIGN`].
    Direct,
    /// As `Direct`, and a write returns only when it is durable.
    DirectDurable,
}

/// One directory of regular files.
pub trait Dir: Send + Sync + fmt::Debug {
    fn list(&self) -> io::Result<Vec<Listed>>;
    /// Makes a new, empty file, open for reading and writing; fails if the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// As `create`, for those only who may read and write the file `like`, if that is there.
    fn create_like(&self, name: &str, like: &str) -> io::Result<Arc<dyn File>> {
        let _ = like;
        self.create(name)
    }
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>>;
    /// Atomic; replaces `to` if it exists.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes every name created, renamed or removed so far durable.
    fn flush(&self) -> io::Result<()>;
    /// The file's full path, for messages.
    fn show(&self, name: &str) -> String;
}

/// An open file. Shared between threads: positions are arguments.
pub trait File: Send + Sync + fmt::Debug {
    /// Bytes read; fewer than asked for only at the end of the file.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// All of `bytes`, or an error; a short write is an error.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reserves space without writing it; does nothing where the file system cannot.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn size(&self) -> io::Result<u64>;
    /// Makes the data, and what is needed to find it again, durable (fdatasync).
    fn flush(&self) -> io::Result<()>;
    /// Drops cached clean pages, so that the next read shows what the disk holds. After a failed
    /// flush the kernel marks pages clean that never reached the disk: a cached read would lie.
    fn forget_cached(&self) -> io::Result<()>;
    /// Nanoseconds from 1970 to its last modification; 0 where files have no such time.
    fn modified(&self) -> u64 {
        0
    }
    /// For system calls beyond this trait; `None` when the file is simulated.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Reads at `offset` until `into` is full or the file ends.
pub fn read_full(file: &dyn File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < into.len() {
        match file.read_at(&mut into[got..], offset + got as u64)? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

/// The whole file, if it has at most `max` bytes.
pub fn read_small(dir: &dyn Dir, name: &str, max: usize) -> io::Result<Vec<u8>> {
    let file = dir.open(name, Access::Read)?;
    let mut bytes = vec![0; max + 1];
    let got = read_full(file.as_ref(), &mut bytes, 0)?;
    if got > max {
        let text = format!("{} is larger than {max} bytes", dir.show(name));
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    bytes.truncate(got);
    Ok(bytes)
}

/// Puts `bytes` under `name` such that a crash leaves the old file or the new one, whole: written
/// under `name` + ".tmp", flushed, renamed, directory flushed.
pub fn replace_file(dir: &dyn Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    replace_file_like(dir, (name, name), bytes)
}

/// [`replace_file`], with the permissions of the file `like`.
pub fn replace_file_like(
    dir: &dyn Dir,
    (name, like): (&str, &str),
    bytes: &[u8],
) -> io::Result<()> {
    let temporary = format!("{name}.tmp");
    remove_if_present(dir, &temporary)?;
    let file = dir.create_like(&temporary, like)?;
    file.write_at(bytes, 0)?;
    file.flush()?;
    dir.rename(&temporary, name)?;
    dir.flush()
}

/// Whether there was such a file.
pub fn remove_if_present(dir: &dyn Dir, name: &str) -> io::Result<bool> {
    match dir.remove(name) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
