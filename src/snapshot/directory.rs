//! The directories a server starts on (FileTxnSnapLog's constructor): made or found, told apart,
//! locked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::name::{TEMPORARY, snapshot_of_side, zxid_of_snapshot};
use super::pack::{Compression, GZIP_MAGIC, SNAPPY_MAGIC, compression_of};
use crate::codec::snapfile::FILE_END;
use crate::disk::lock::{DirLock, LockError};
use crate::disk::mixed::{self, MixedError};
use crate::disk::{Access, Dir, RealDir, hint, read_full};
use crate::types::Zxid;

/// The folder in `dataDir` and in `dataLogDir` that holds the files.
const VERSION_DIR: &str = "version-2";

/// What a server reads and writes. Held as long as it runs: the locks go with it.
#[derive(Debug)]
pub struct Directories {
    /// `<dataDir>/version-2`.
    pub snapshots: Arc<dyn Dir>,
    /// `<dataLogDir>/version-2`.
    pub logs: Arc<dyn Dir>,
    /// `dataLogDir` itself, where zkServer-initialize puts its marker.
    pub log_base: Arc<dyn Dir>,
    _locks: Vec<DirLock>,
}

/// Why the directories cannot be used. The start ends with exit code 3
/// ([`DirectoryError::EXIT_CODE`]).
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum DirectoryError {
    #[error(
        "{} is missing and zookeeper.datadir.autocreate is false: create it", path.display()
    )]
    Missing { path: PathBuf },
    #[error("cannot open {}: {cause}{}", path.display(), hint(&path.to_string_lossy(), cause))]
    Open { path: PathBuf, cause: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Mixed(#[from] MixedError),
}

impl DirectoryError {
    /// ExitCode.UNABLE_TO_ACCESS_DATADIR.
    pub const EXIT_CODE: i32 = 3;
}

impl Directories {
    /// `create`: `zookeeper.datadir.autocreate`.
    pub fn open(
        data_dir: &Path,
        data_log_dir: &Path,
        create: bool,
    ) -> Result<Directories, DirectoryError> {
        let logs = open(&data_log_dir.join(VERSION_DIR), create)?;
        let snapshots = open(&data_dir.join(VERSION_DIR), create)?;
        let log_base = open(data_log_dir, create)?;
        let separate = !same(snapshots.path(), logs.path());
        let mut locks = vec![DirLock::acquire(logs.path())?];
        if separate {
            locks.push(DirLock::acquire(snapshots.path())?);
            mixed::check(&logs, &snapshots)?;
        }
        Ok(Directories {
            snapshots: Arc::new(snapshots),
            logs: Arc::new(logs),
            log_base: Arc::new(log_base),
            _locks: locks,
        })
    }

    /// Any directories, not locked: for tests, and for who has locked them.
    pub fn of(snapshots: Arc<dyn Dir>, logs: Arc<dyn Dir>, log_base: Arc<dyn Dir>) -> Directories {
        Directories { snapshots, logs, log_base, _locks: Vec::new() }
    }
}

fn open(path: &Path, create: bool) -> Result<RealDir, DirectoryError> {
    let opened = if create { RealDir::open_or_create(path) } else { RealDir::open(path) };
    opened.map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound if !create => DirectoryError::Missing { path: path.to_owned() },
        _ => DirectoryError::Open { path: path.to_owned(), cause },
    })
}

fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// A file that may be a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotFile {
    /// Of its name.
    pub zxid: Zxid,
    /// In its folder.
    pub name: String,
    /// Bytes, as they lie in the file.
    pub size: u64,
}

/// The files named like snapshots, newest first; of one zxid the last written forms first (.snappy,
/// .gz, plain), so that the order is always the same.
pub fn snapshots(dir: &dyn Dir) -> io::Result<Vec<SnapshotFile>> {
    let mut found: Vec<SnapshotFile> = dir
        .list()?
        .into_iter()
        .filter_map(|file| {
            let zxid = zxid_of_snapshot(&file.name)?;
            Some(SnapshotFile { zxid, name: file.name, size: file.size })
        })
        .collect();
    found.sort_by(|a, b| (b.zxid, &b.name).cmp(&(a.zxid, &a.name)));
    Ok(found)
}

/// Whether the file can be a snapshot: a look at its ends, not at all of it
/// (SnapStream.isValidSnapshot).
pub fn looks_valid(dir: &dyn Dir, file: &SnapshotFile) -> io::Result<bool> {
    let open = dir.open(&file.name, Access::Read)?;
    let starts_with = |magic: &[u8]| -> io::Result<bool> {
        let mut head = [0; 8];
        let head = &mut head[..magic.len()];
        Ok(read_full(open.as_ref(), head, 0)? == magic.len() && head == magic)
    };
    match compression_of(&file.name) {
        Compression::Gzip => starts_with(&GZIP_MAGIC),
        Compression::Snappy => starts_with(&SNAPPY_MAGIC),
        Compression::None => {
            let size = open.size()?;
            let mut tail = FILE_END.map(|_| 0);
            if size < 2 * tail.len() as u64 {
                return Ok(false);
            }
            let at = size - tail.len() as u64;
            Ok(read_full(open.as_ref(), &mut tail, at)? == tail.len() && tail == FILE_END)
        }
    }
}

/// Removes what a crash has left: a snapshot that was being written, side records of snapshots that
/// are gone. Nobody may be writing to the directory. Gives the names.
pub fn remove_leftovers(dir: &dyn Dir) -> io::Result<Vec<String>> {
    let files = dir.list()?;
    let mut removed = Vec::new();
    for file in &files {
        let half = file.name == TEMPORARY
            || file.name.strip_suffix(".tmp").and_then(snapshot_of_side).is_some();
        let orphan = snapshot_of_side(&file.name)
            .is_some_and(|snapshot| !files.iter().any(|f| f.name == snapshot));
        if half || orphan {
            dir.remove(&file.name)?;
            removed.push(file.name.clone());
        }
    }
    Ok(removed)
}
