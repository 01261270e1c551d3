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
        let mut file = options.open(&path).map_err(io)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Only for the message: a holder that has not written its number yet is unnamed.
                let _ = file.take(32).read_to_string(&mut holder);
                return Err(LockError::Held { path, holder: holder.trim().into() });
            }
            Err(e) => return Err(io(e.into())),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(DirLock { _file: file })
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
        drop(first);
        DirLock::acquire(scratch.path()).unwrap();
    }
}
