//! The housekeeping thread: file work that no request waits for.
//!
//! Snapshots are written here, and old files purged. Its one queue holds one job: the control core
//! asks for a snapshot only when none is being written.

use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::disk::Dir;
use crate::history;
use crate::metrics::gauges::Gauges;
use crate::roles::jobs::{Job, SnapshotWritten};
use crate::roles::message::ToControl;
use crate::runtime::{Sender, clock};
use crate::snapshot::autopurge::Autopurge;
use crate::snapshot::logs_first::LogsFirst;
use crate::snapshot::pace::{Pace, Progress};
use crate::snapshot::{self, SnapshotReport, WriteError, WriteOptions};
use crate::tree::Tree;
use crate::types::{Millis, SessionId};

/// What the thread works with.
pub struct Housekeeping {
    /// What is written; others go on changing it.
    pub tree: Arc<Tree>,
    /// Where errors and times are counted.
    pub gauges: Arc<Gauges>,
    /// Where snapshots go.
    pub snapshots: Arc<dyn Dir>,
    /// What is purged with them.
    pub logs: Arc<dyn Dir>,
    /// `forceSync`.
    pub logs_are_flushed: bool,
    /// `at` and `restored_upto` are set anew for each snapshot.
    pub options: WriteOptions,
    /// `ringkeeper.snapshot.mbps`; `None`: no bound.
    pub bytes_per_second: Option<u64>,
    /// `snapCount`: so many transactions behind a snapshot the next is due.
    pub txn_count: u64,
    /// `autopurge.snapRetainCount`.
    pub retain: usize,
    /// `autopurge.purgeInterval`; `None`: never.
    pub purge_interval: Option<Duration>,
    /// Told of each one's end.
    pub to_control: Sender<ToControl>,
    /// Held while files are purged.
    pub removing: Arc<Mutex<()>>,
}

impl Housekeeping {
    /// Starts the thread. It ends with the control role, whose end closes the queue; a snapshot
    /// that is being written then is abandoned with the process, and leaves no file under its name.
    pub fn spawn(self, jobs: Receiver<Job>) -> io::Result<()> {
        std::thread::Builder::new().name("housekeeping".into()).spawn(move || self.run(&jobs))?;
        Ok(())
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        let mut timetable = Autopurge::new(self.purge_interval, clock::now());
        loop {
            if timetable.due(clock::now()) {
                self.purge();
            }
            match jobs.recv_timeout(wait(timetable.deadline())) {
                Ok(Job::Snapshot { sessions, at, restored_upto, abandoned, asked }) => {
                    self.options.at = at;
                    self.options.restored_upto = restored_upto;
                    if let (Some(written), Some(asked)) =
                        (self.snapshot(&sessions, &abandoned), asked)
                    {
                        asked(written);
                    }
                    self.tidy();
                    self.to_control.push(ToControl::SnapshotDone);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// A snapshot that fails costs only a longer replay: the log has everything.
    fn snapshot(
        &mut self,
        sessions: &[(SessionId, i32)],
        abandoned: &AtomicBool,
    ) -> Option<SnapshotWritten> {
        let began = Instant::now();
        let limits = Pace { bytes_per_second: self.bytes_per_second };
        let mut resumed = began;
        let (tree, at, txn_count) = (&self.tree, self.options.at.0, self.txn_count as i64);
        let mut pace = |bytes| {
            // Across epochs the numbers are far apart: a snapshot that started in an older epoch is not throttled
            let late = tree.applied().0.saturating_sub(at) > txn_count;
            let (elapsed, worked) = (began.elapsed(), resumed.elapsed());
            std::thread::sleep(limits.rest(&Progress { bytes, elapsed, worked, late }));
            resumed = Instant::now();
            // Asked once more after the last node: what was complete before is kept.
            !abandoned.load(Ordering::SeqCst)
        };
        let logs_first = LogsFirst { snapshots: self.snapshots.clone(), logs: self.logs.clone() };
        let written = snapshot::write_file(
            if self.logs_are_flushed { self.snapshots.as_ref() } else { &logs_first },
            &self.tree,
            sessions,
            &self.options,
            &mut pace,
        );
        let ms = began.elapsed().as_millis() as i64;
        match written {
            Ok(report) => {
                self.gauges.snapshot_time.record(ms);
                tracing::info!(file = %report.name, bytes = report.file_bytes, ms, "snapshot");
                warn_without_side_record(&report);
                let SnapshotReport { name, at: zxid, file_bytes: bytes, .. } = report;
                return Some(SnapshotWritten { name, zxid, bytes });
            }
            Err(WriteError::CalledOff(at)) => tracing::info!(%at, "snapshot abandoned"),
            Err(error) => {
                self.gauges.snapshot_errors.add(1);
                tracing::error!(%error, "snapshot failed; the log keeps what it would have held");
            }
        }
        None
    }

    /// Nothing is being written: this is the one writer of snapshots.
    fn tidy(&self) {
        let _guard = self.removing.lock();
        if let Err(error) = history::tidy((self.snapshots.as_ref(), self.logs.as_ref())) {
            tracing::warn!(%error, "cannot remove records of what is gone");
        }
    }

    fn purge(&self) {
        let _guard = self.removing.lock();
        // Nothing is being written: this is the one writer.
        let purged = history::purge((self.snapshots.as_ref(), self.logs.as_ref()), self.retain);
        if let Err(error) = purged {
            tracing::warn!(%error, "purge failed");
        }
    }
}

fn wait(deadline: Option<Millis>) -> Duration {
    let left = deadline.map_or(i64::MAX, |at| at.0.saturating_sub(clock::now().0));
    // Bounded, so that no clock arithmetic overflows in the channel.
    Duration::from_millis(left.clamp(0, 3_600_000) as u64)
}

/// A snapshot is complete without its side record; what it lacks is the means to tell damage.
pub(super) fn warn_without_side_record(report: &SnapshotReport) {
    if let Some(error) = &report.without_side_record {
        let file = &report.name;
        tracing::warn!(file, %error, "the snapshot has no side record: less of its damage would be found");
    }
}
