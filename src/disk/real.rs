//! The operating system's directories and files.

use super::{Access, Dir, File, Identity, Listed};
use rustix::fs::{Advice, FallocateFlags};
use std::fs::{File as StdFile, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A directory by its path, held open for flushing.
#[derive(Debug)]
pub struct RealDir {
    path: PathBuf,
    handle: StdFile,
}

impl RealDir {
    /// Opens an existing directory.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<RealDir> {
        let path = path.into();
        let handle = StdFile::open(&path)?;
        if !handle.metadata()?.is_dir() {
            let text = format!("{} is not a directory", path.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
        }
        Ok(RealDir { path, handle })
    }

    /// Opens the directory and makes it, and those above it, if they are missing; each new one is
    /// durable in its parent.
    pub fn open_or_create(path: impl Into<PathBuf>) -> io::Result<RealDir> {
        let path = path.into();
        make_durable(&path)?;
        RealDir::open(path)
    }

    /// Where it is, as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The limit of descriptors is lowered for moments, in which a listener is armed
/// ([`crate::runtime::open_files::keeping_back`]): who falls into one tries again.
fn open(options: &OpenOptions, path: &Path) -> io::Result<StdFile> {
    for _ in 0..20 {
        match options.open(path) {
            Err(e) if e.raw_os_error() == Some(libc::EMFILE) => {
                std::thread::sleep(Duration::from_millis(1));
            }
            done => return done,
        }
    }
    options.open(path)
}

fn make_durable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    make_durable(parent)?;
    match std::fs::create_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    StdFile::open(parent)?.sync_all()
}

impl Dir for RealDir {
    /// Names that are not UTF-8 are nobody's we know, and passed over.
    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // A file may go (purge) between its listing and the look at it.
            match std::fs::metadata(entry.path()) {
                Ok(meta) if meta.is_file() => listed.push(Listed { name, size: meta.len() }),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(listed)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        Ok(Arc::new(RealFile { file: open(&options, &self.path.join(name))? }))
    }

    fn create_like(&self, name: &str, like: &str) -> io::Result<Arc<dyn File>> {
        let file = self.create(name)?;
        if let Ok(meta) = std::fs::metadata(self.path.join(like)) {
            std::fs::set_permissions(self.path.join(name), meta.permissions())?;
        }
        Ok(file)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        match access {
            Access::Read => options.read(true),
            Access::Write => options.read(true).write(true),
            Access::Direct => options.write(true).custom_flags(libc::O_DIRECT),
            Access::DirectDurable => {
                options.write(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC)
            }
        };
        Ok(Arc::new(RealFile { file: open(&options, &self.path.join(name))? }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn flush(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn show(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

/// Since 1970.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).ok();
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

#[derive(Debug)]
struct RealFile {
    file: StdFile,
}

impl File for RealFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(into, offset) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // One call, so that a short write is seen: it means a full disk or a limit, and a second
        // call would only hide it. An interrupted call has written nothing.
        loop {
            match self.file.write_at(bytes, offset) {
                Ok(n) if n == bytes.len() => return Ok(()),
                Ok(n) => {
                    let text = format!("wrote {n} of {} bytes at offset {offset}", bytes.len());
                    return Err(io::Error::new(io::ErrorKind::WriteZero, text));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), offset, len) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn forget_cached(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed)?)
    }

    fn modified(&self) -> u64 {
        self.file.metadata().and_then(|metadata| metadata.modified()).map_or(0, nanoseconds)
    }

    fn identity(&self) -> Identity {
        let Ok(metadata) = self.file.metadata() else { return Identity::default() };
        Identity { inode: metadata.ino(), born: metadata.created().map_or(0, nanoseconds) }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{read_small, remove_if_present, replace_file};

    #[test]
    fn names_sizes_and_bytes_come_back_as_they_were_written() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = RealDir::open_or_create(scratch.path().join("a/b")).unwrap();
        let file = dir.create("one").unwrap();
        assert!(dir.create("one").is_err(), "a name is made once");
        file.write_at(b"hello", 3).unwrap();
        file.flush().unwrap();
        file.forget_cached().unwrap();
        let mut into = [9; 16];
        assert_eq!(file.read_at(&mut into, 0).unwrap(), 8);
        assert_eq!(&into[..8], b"\0\0\0hello");
        dir.rename("one", "two").unwrap();
        dir.flush().unwrap();
        assert_eq!(dir.list().unwrap(), [Listed { name: "two".into(), size: 8 }]);
        assert!(remove_if_present(&dir, "two").unwrap());
        assert!(!remove_if_present(&dir, "two").unwrap());
        replace_file(&dir, "three", b"x").unwrap();
        replace_file(&dir, "three", b"yz").unwrap();
        assert_eq!(read_small(&dir, "three", 2).unwrap(), b"yz");
        assert!(read_small(&dir, "three", 1).is_err());
    }
}
