//! One process a directory. ZooKeeper locks nothing: two servers started on the same directory by
//! mistake write over each other's log there.

use super::{OUR_PREFIX, hint};
use rustix::fs::FlockOperation;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held until dropped; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Why the directory is not ours. The caller does not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum LockError {
    #[error("{} is locked by another server (process {holder})", path.display())]
    Held { path: PathBuf, holder: String },
    #[error("cannot lock {}: {source}{}", path.display(), hint(&path.to_string_lossy(), source))]
    Io { path: PathBuf, source: io::Error },
}

impl DirLock {
    /// The lock file's name.
    pub fn name() -> String {
        format!("{OUR_PREFIX}lock")
    }

    /// Takes the lock, or says who has it.
    pub fn acquire(dir: &Path) -> Result<DirLock, LockError> {
        let path = dir.join(DirLock::name());
        let io = |source| LockError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = locked(options.open(&path).map_err(io)?, &path)?;
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(DirLock { _file: file })
    }

    /// The same, and changes nothing in the directory; `None` where no server of ours has been.
    pub fn acquire_present(dir: &Path) -> Result<Option<DirLock>, LockError> {
        let path = dir.join(DirLock::name());
        match File::open(&path) {
            Ok(file) => Ok(Some(DirLock { _file: locked(file, &path)? })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LockError::Io { path, source }),
        }
    }
}

fn locked(file: File, path: &Path) -> Result<File, LockError> {
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // Only for the message: a holder that has not written its number yet is unnamed.
            let _ = file.take(32).read_to_string(&mut holder);
            Err(LockError::Held { path: path.to_owned(), holder: holder.trim().into() })
        }
        Err(e) => Err(LockError::Io { path: path.to_owned(), source: e.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_refused_until_the_first_has_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(scratch.path()).unwrap();
        let refused = DirLock::acquire(scratch.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        let refused = DirLock::acquire_present(scratch.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        assert!(DirLock::acquire_present(scratch.path()).unwrap().is_some());
        DirLock::acquire(scratch.path()).unwrap();
        let empty = tempfile::tempdir().unwrap();
        assert!(DirLock::acquire_present(empty.path()).unwrap().is_none());
        assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    }
}
