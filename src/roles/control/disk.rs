//! What a change of history does to log, snapshots and tree: cutting what a new leader never had,
//! taking over all of its tree, reading everything anew.
//!
//! ```text
//!  asked for ─► log ends, snapshot ends ─► thread beside, with the tree's writer ─► new log, new queue
//! ```
//!
//! From the first to the last of these nobody is served, nothing is appended and nothing applied: what
//! the log still reports of the old history must not reach a tree that a snapshot is filling. The
//! files are [`crate::node::history_files`]'s; this thread only feeds the tree while a stream comes.

use super::base::Base;
use super::ensemble::Ensemble;
use super::reason::DiskError;
use crate::history::{self, CutOff, Known};
use crate::roles::jobs::{Change, Changed, HistoryJob, LogInput, Received};
use crate::snapshot::Directories;
use crate::snapshot::stream::StreamLoad;
use crate::types::{Millis, Zxid};
use crate::zab::{CommitQueue, LearnerInput, Stored};

use std::sync::Arc;
use std::sync::mpsc;

/// How often it is written down how far the history is committed, in ms.
const REMEMBER_MS: i64 = 1000;

/// Files, as far as roles change them.
pub struct Disk {
    /// Where history lies.
    pub folders: Arc<Directories>,
    /// Longest path or data of a snapshot.
    pub field_max: usize,
    jobs: mpsc::Sender<HistoryJob>,
    /// How far the history is known to be committed, and how much of that is written down.
    committed: Known,
    remembered: Zxid,
    remember_at: Millis,
    pending: Option<Pending>,
    /// The snapshot being received.
    loader: Option<StreamLoad>,
    /// What it told when it was whole.
    received: Option<Received>,
    log_runs: bool,
}

/// What waits for the log's end, or is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pending {
    Truncate { after: Zxid },
    Replace { zxid: Zxid },
    Reload,
}

impl Disk {
    /// `committed`: as [`history::committed`] has it.
    pub fn new(
        folders: Arc<Directories>,
        field_max: usize,
        jobs: mpsc::Sender<HistoryJob>,
        committed: Known,
    ) -> Disk {
        Disk {
            folders,
            field_max,
            jobs,
            committed,
            remembered: committed.upto,
            remember_at: Millis(0),
            pending: None,
            loader: None,
            received: None,
            log_runs: true,
        }
    }

    pub(super) fn store(&mut self, stored: Stored) -> Result<(), DiskError> {
        history::epochs::store(self.folders.snapshots.as_ref(), stored)
            .map_err(|cause| DiskError::Epoch { stored, cause })
    }

    /// Whether no change of history is pending.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_none()
    }

    /// Whether there is a log thread to be stopped: no change of history has asked for its end.
    pub(super) fn log_runs(&self) -> bool {
        self.log_runs && self.pending.is_none()
    }

    /// How far this server's history is known to be committed.
    pub(super) fn committed(&self) -> Known {
        self.committed
    }

    /// Where the files are, for those who are to move them.
    pub(super) fn places(&self) -> String {
        let (snapshots, logs) = (self.folders.snapshots.show(""), self.folders.logs.show(""));
        if snapshots == logs { snapshots } else { format!("{snapshots} and {logs}") }
    }
}

impl Ensemble {
    /// What is applied while this server serves in an epoch is committed: a quorum has it. Written
    /// down now and then, and with `flush` durably, at the end of a role or a process.
    pub(super) fn persist_committed(&mut self, base: &mut Base, flush: bool) {
        let (serves, applied, now) = (base.serves_all(), base.pipeline.tree.applied(), base.now);
        let disk = &mut self.disk;
        if serves && disk.pending.is_none() && applied > disk.committed.upto {
            let shown = base.pipeline.tree.shown();
            // Where a snapshot held more than the log, what is shown may be of neither.
            let shown = if shown <= applied { shown } else { disk.committed.shown };
            disk.committed = Known { upto: applied, shown };
        }
        let grew = disk.committed.upto > disk.remembered;
        if (grew && now >= disk.remember_at) || (flush && disk.committed.upto > Zxid::ZERO) {
            let committed = disk.committed;
            (disk.remembered, disk.remember_at) = (committed.upto, now + REMEMBER_MS);
            // Without a thread there is no process either.
            let _ = disk.jobs.send(HistoryJob::Remember { committed, flush });
        }
    }

    pub(super) fn truncate(&mut self, base: &mut Base, after: Zxid) {
        tracing::warn!(%after, "TRUNC from leader: transactions behind this zxid are cut");
        self.begin_change(base, Pending::Truncate { after });
    }

    pub(super) fn load_snapshot(&mut self, base: &mut Base, zxid: Zxid) {
        tracing::info!(%zxid, "SNAP from leader");
        // First: a snapshot of the tree as it was must not go on with half of the new one.
        self.begin_change(base, Pending::Replace { zxid });
        let Some(writer) = &mut base.pipeline.writer else { return };
        let disk = &mut self.disk;
        let (loader, cleared) = StreamLoad::begin(disk.field_max, writer);
        disk.loader = Some(loader);
        // Where there is nobody to take it, it is freed here.
        let _ = disk.jobs.send(HistoryJob::Discard(cleared));
    }

    /// A role ended while the tree was being received: what is on disk counts. A change that has
    /// begun goes on to its end, which is some leader's history as well.
    pub(super) fn abandon_loading(&mut self, base: &mut Base) {
        if base.pipeline.is_lent() {
            return;
        }
        let disk = &mut self.disk;
        if matches!(disk.pending, Some(Pending::Replace { .. })) {
            disk.loader = None;
            disk.received = None;
            disk.pending = Some(Pending::Reload);
            self.try_disk(base);
        }
    }

    fn begin_change(&mut self, base: &mut Base, pending: Pending) {
        base.abandon_snapshot();
        assert!(self.disk.pending.is_none(), "one change of history at a time");
        self.disk.pending = Some(pending);
        base.pipeline.to_log.push(LogInput::Stop);
    }

    pub(super) fn snapshot_bytes(&mut self, base: &mut Base, bytes: &[u8]) {
        let Some(writer) = &mut base.pipeline.writer else { return };
        let Some(Pending::Replace { zxid }) = self.disk.pending else { return };
        let Some(loader) = &mut self.disk.loader else { return };
        match loader.feed(bytes, writer) {
            Ok(progress) if !progress.done => {}
            Ok(_) => {
                let Some(loader) = self.disk.loader.take() else { return };
                match loader.finish(zxid, writer) {
                    Ok(loaded) => {
                        self.disk.received = Some(Received {
                            czxid_max: loaded.czxid_max,
                            sessions: loaded.sessions,
                        });
                        let shows = base.pipeline.tree.shown();
                        self.learn(base, LearnerInput::SnapshotReceived { shows });
                        self.try_disk(base);
                    }
                    Err(error) => self.leave_role(base, error.into()),
                }
            }
            Err(error) => self.leave_role(base, error.into()),
        }
    }

    /// The log has ended because a change of history asked for it.
    pub(super) fn log_ended(&mut self, base: &mut Base) {
        self.disk.log_runs = false;
        self.try_disk(base);
    }

    /// Hands the change to the thread beside, as soon as nobody else writes to the files.
    pub(super) fn try_disk(&mut self, base: &mut Base) {
        let disk = &mut self.disk;
        // A snapshot of the old tree, finished late, would outlive what is cut off.
        if disk.log_runs || base.snapshot_running.is_some() || base.pipeline.writer.is_none() {
            return;
        }
        let change = match disk.pending {
            None => return,
            Some(Pending::Replace { zxid }) => match disk.received.take() {
                None => return,
                Some(received) => Change::Replace { zxid, received, current: self.current },
            },
            Some(Pending::Truncate { after }) => {
                let known = disk.committed.upto > Zxid::ZERO;
                let cut_off = if known { CutOff::Removed } else { CutOff::SetAside };
                Change::Truncate { after, cut_off }
            }
            Some(Pending::Reload) => Change::Reload,
        };
        let Some(writer) = base.pipeline.writer.take() else { return };
        if disk.jobs.send(HistoryJob::Change { change, writer }).is_err() {
            base.fail(DiskError::ThreadEnded);
        }
    }

    /// Log, queue and tree go on behind what is loaded now.
    pub(super) fn history_changed(&mut self, base: &mut Base, changed: Changed) {
        base.pipeline.writer = Some(changed.writer);
        let outcome = match changed.outcome {
            Ok(outcome) => outcome,
            Err(error) => return base.fail(error.into()),
        };
        let last = outcome.last;
        self.window.restart(last);
        self.disk.pending = None;
        self.disk.log_runs = true;
        // With a leader's tree an empty database is one no more.
        self.blank &= !matches!(outcome.tell, LearnerInput::SnapshotLoaded { .. });
        base.pipeline.log = outcome.log;
        base.sessions.durable = outcome.sessions;
        base.pipeline.restored_upto = outcome.restored_upto;
        base.pipeline.exact_from = None;
        base.pipeline.queue = CommitQueue::new(last);
        base.pipeline.prepare_behind(last);
        self.init_config(base);
        tracing::info!(%last, "history truncated or replaced, it ends here now");
        self.learn(base, outcome.tell);
        self.enter_epoch_of(base, last);
    }

    /// The learner that asked for a leader's tree enters its epoch. Where the role has ended since,
    /// nobody does, and the log must not be ahead of `currentEpoch` (I3): what is there is the whole
    /// initial history of that epoch, as a start would find too.
    fn enter_epoch_of(&mut self, base: &mut Base, last: Zxid) {
        if last.0 > 0 && last.epoch() > self.current {
            self.store(base, Stored::Current(last.epoch()));
        }
    }

    /// The members this server knows are what /zookeeper/config says.
    pub(super) fn init_config(&self, base: &mut Base) {
        let config = &self.electorate.committed;
        base.pipeline.init_config(&config.text(), Zxid(config.version()), base.wall);
    }
}
