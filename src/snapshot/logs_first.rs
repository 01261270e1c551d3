//! The snapshots' folder of a server whose log is not flushed (`forceSync=no`).
//!
//! A snapshot is durable when it has its name, and holds effects of transactions that the log has only
//! in memory. After a power loss it would show a tree of which the log cannot tell the rest. So the log
//! is flushed before a snapshot is named: once a snapshot, beside everything else.

use std::io;
use std::sync::Arc;

use crate::disk::{Access, Dir, File, Listed};
use crate::log::name::list_logs;

/// The folder of snapshots, in which a rename flushes the log first.
#[derive(Debug)]
pub struct LogsFirst {
    /// Where everything else goes.
    pub snapshots: Arc<dyn Dir>,
    /// Whose newest two files are flushed.
    pub logs: Arc<dyn Dir>,
}

impl LogsFirst {
    /// A finished segment is flushed as it ends; the one before the newest may be ending now.
    fn flush_logs(&self) -> io::Result<()> {
        for log in list_logs(self.logs.as_ref())?.iter().rev().take(2) {
            self.logs.open(&log.name, Access::Write)?.flush()?;
        }
        Ok(())
    }
}

impl Dir for LogsFirst {
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.flush_logs()?;
        self.snapshots.rename(from, to)
    }
    fn list(&self) -> io::Result<Vec<Listed>> {
        self.snapshots.list()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.snapshots.create(name)
    }
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>> {
        self.snapshots.open(name, access)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.snapshots.remove(name)
    }
    fn flush(&self) -> io::Result<()> {
        self.snapshots.flush()
    }
    fn show(&self, name: &str) -> String {
        self.snapshots.show(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::disk::{Change, SimDisk};

    #[test]
    fn a_snapshot_gets_its_name_behind_the_logs_flush() {
        // Goal: no power loss leaves a snapshot that shows more than the log has.
        let (snapshots, logs) = (SimDisk::new(), SimDisk::new());
        let file = logs.create("log.1").unwrap();
        file.write_at(b"a batch that nobody flushed", 0).unwrap();
        Dir::flush(&logs).unwrap();
        snapshots.create("temporary").unwrap();
        let dir = LogsFirst { snapshots: Arc::new(snapshots), logs: Arc::new(logs.clone()) };
        dir.rename("temporary", "snapshot.1").unwrap();
        assert_eq!(logs.changes().last(), Some(&Change::Flush { inode: 0 }));
        assert_eq!(logs.crash_states().len(), 1);
    }
}
