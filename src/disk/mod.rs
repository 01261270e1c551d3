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
//! * [`overlay`]: a directory whose changes stay in memory, to try a start on
//! * [`reserve`]: room to stop cleanly on a full disk
//!
//! `src/testing/disk` has one for tests and the simulator: every state a crash can leave.

use crate::runtime::open_files;
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

pub mod lock;
pub mod mixed;
pub mod overlay;
pub mod real;
pub mod reserve;

pub use overlay::Overlay;
pub use real::RealDir;

/// Prefix of every file of ours that ZooKeeper does not know. It looks at names that begin with
/// `log.` or `snapshot.` and passes over the rest.
pub const OUR_PREFIX: &str = "ringkeeper.";

/// Offsets, lengths and buffers of [`Access::Direct`] are multiples of this many bytes.
pub const DIRECT_ALIGN: usize = 4096;

/// A regular file of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// In its folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// Tells a file from every copy of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// Of its file system.
    pub inode: u64,
    /// Nanoseconds from 1970 to its making; 0 where files have no such time. A number of an inode is
    /// given out again; with the time it is not.
    pub born: u64,
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reading, through the page cache.
    Read,
    /// Reading and writing.
    Write,
    /// Writing past the page cache, aligned to [`DIRECT_ALIGN`].
    Direct,
    /// As `Direct`, and a write returns only when it is durable.
    DirectDurable,
}

/// One directory of regular files. `tools/sim/tests/seams` holds the real one and the simulated one
/// against what stands here.
///
/// * A name is made once. Of one that is not there every call says `NotFound`.
/// * A rename takes effect at once and whole: the name shows the old file or the new one. Who has the
///   old one open, or one that was removed, reads and writes it still.
/// * A name is durable after [`Dir::flush`]; before that a power loss may undo any of the changes since
///   the last one, and leave others.
pub trait Dir: Send + Sync + fmt::Debug {
    /// In no particular order.
    fn list(&self) -> io::Result<Vec<Listed>>;
    /// Makes a new, empty file, open for reading and writing; fails if the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// As `create`, for those only who may read and write the file `like`, if that is there.
    fn create_like(&self, name: &str, like: &str) -> io::Result<Arc<dyn File>> {
        let _ = like;
        self.create(name)
    }
    /// One that is there.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>>;
    /// Atomic; replaces `to` if it exists.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Its content lives on with who has it open.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes every name created, renamed or removed so far durable.
    fn flush(&self) -> io::Result<()>;
    /// The file's full path, for messages.
    fn show(&self, name: &str) -> String;
}

/// An open file. Shared between threads: positions are arguments.
///
/// * All who have it open see one content. What was never written, or cut off, reads as zeros.
/// * What was written is there for other processes at once, and after this one's death. It survives a
///   power loss after [`File::flush`], by whomever; before that each sector may have what it had, what
///   was written, or a part of that. Nothing else changes.
/// * A refused write has written a beginning of its bytes, or none; where space was lacking,
///   [`is_no_space`] says so, and what needs none goes on.
/// * After a refused flush what it was to write may be lost though it can be read, and no later flush
///   writes it.
pub trait File: Send + Sync + fmt::Debug {
    /// Bytes read; fewer than asked for only at the end of the file.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// All of `bytes`, or an error; a short write is an error.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reserves space without writing it: the file is at least that long. Does nothing where the file
    /// system cannot.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Cuts it, or makes it longer by zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Bytes.
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
    /// Which file this is; the same for all where nobody copies files.
    fn identity(&self) -> Identity {
        Identity::default()
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

/// The disk is full, or the share of it that this user may have; a write that ends early says the same.
pub fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | WriteZero)
}

/// What an operator can do about it, to be put behind the error's text; empty if the text says all.
pub fn hint(path: &str, error: &io::Error) -> String {
    if is_no_space(error) {
        return format!(
            ". Make room on the disk of {path} (zkCleanup.sh, or a larger disk), then start again"
        );
    }
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => whose(Path::new(path)),
        Some(libc::EROFS) => {
            format!(". Its file system is mounted read-only: mount -o remount,rw {path}")
        }
        Some(libc::EMFILE) => format!(
            ". RLIMIT_NOFILE is {}: raise it (LimitNOFILE=65536 in the systemd unit, ulimit -n 65536)",
            open_files::limit().unwrap_or(0)
        ),
        Some(libc::ENFILE) => {
            ". All files of this machine are in use: sysctl -w fs.file-max=…".into()
        }
        _ => String::new(),
    }
}

/// The part of the path that is there, whose it is, and who asks.
fn whose(path: &Path) -> String {
    let found = path.ancestors().find_map(|at| Some((at, std::fs::metadata(at).ok()?)));
    let (Some((at, meta)), Ok(me)) = (found, std::fs::metadata("/proc/self")) else {
        return String::new();
    };
    format!(
        ". This process runs as user {user}; {at} belongs to user {} and has mode {:o}: \
         chown -R {user} {at}",
        meta.uid(),
        meta.mode() & 0o7777,
        user = me.uid(),
        at = at.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_comes_with_what_can_be_done() {
        // Goal: the limit or the owner, its value, and the line that changes it.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("version-2/log.1").display().to_string();
        let of = |errno| hint(&path, &io::Error::from_raw_os_error(errno));
        let whose = of(libc::EACCES);
        let there = folder.path().display().to_string();
        assert!(whose.contains(&format!("{there} belongs to user")), "{whose}");
        assert!(whose.contains("chown -R"), "{whose}");
        assert!(of(libc::EMFILE).contains("RLIMIT_NOFILE is"));
        assert!(of(libc::ENOSPC).contains("Make room on the disk of"));
        assert!(of(libc::EROFS).contains("remount,rw"));
        assert_eq!(of(libc::EIO), "");
    }
}
