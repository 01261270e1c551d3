//! When logs and snapshots have directories of their own, one kind found in the other's place
//! means that the settings were swapped or changed (FileTxnSnapLog.checkLogDir, checkSnapDir):
//! a server that started anyway would not see that history.

use super::Dir;
use std::io;

/// The caller does not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum MixedError {
    #[error("log directory holds a snapshot, {0}: check dataLogDir and dataDir")]
    SnapshotAmongLogs(String),
    #[error("snapshot directory holds a log, {0}: check dataLogDir and dataDir")]
    LogAmongSnapshots(String),
    #[error("cannot list directory: {0}")]
    Io(#[from] io::Error),
}

/// To be asked only when the two are different directories.
pub fn check(logs: &dyn Dir, snapshots: &dyn Dir) -> Result<(), MixedError> {
    if let Some(found) = logs.list()?.into_iter().find(|f| f.name.starts_with("snapshot.")) {
        return Err(MixedError::SnapshotAmongLogs(logs.show(&found.name)));
    }
    if let Some(found) = snapshots.list()?.into_iter().find(|f| f.name.starts_with("log.")) {
        return Err(MixedError::LogAmongSnapshots(snapshots.show(&found.name)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDir;

    #[test]
    fn each_kind_is_refused_in_the_others_directory() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (logs, snapshots) =
            (RealDir::open(a.path()).unwrap(), RealDir::open(b.path()).unwrap());
        logs.create("log.1").unwrap();
        logs.create("ringkeeper.log.1.crc").unwrap();
        snapshots.create("snapshot.0").unwrap();
        check(&logs, &snapshots).unwrap();
        assert!(matches!(check(&snapshots, &logs), Err(MixedError::SnapshotAmongLogs(_))));
        snapshots.create("log.2").unwrap();
        assert!(matches!(check(&logs, &snapshots), Err(MixedError::LogAmongSnapshots(_))));
    }
}
