//! What a change of history does to log, snapshots and tree: cutting what a new leader never had,
//! taking over all of its tree, reading everything anew.
//!
//! ```text
//!  asked for ─► log ends, snapshot ends ─► thread beside, with the tree's writer ─► new log, new line
//! ```
//!
//! From the first to the last of these nobody is served, nothing is appended and nothing applied: what
//! the log still reports of the old history must not reach a tree that a snapshot is filling. The
//! files are [`crate::node::history_files`]'s; this thread only feeds the tree while a stream comes.

use super::Control;
use super::reason::DiskError;
use crate::history::{self, CutOff, Known};
use crate::prep::Prep;
use crate::roles::jobs::{Change, Changed, HistoryJob, LogInput, Received};
use crate::roles::stream::Publisher;
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

impl Control {
    pub(super) fn disk_is_settled(&self) -> bool {
        self.ensemble.as_ref().is_none_or(|e| e.disk.pending.is_none())
    }

    /// Nothing is applied while a change of history is pending, whatever was agreed and became
    /// durable before (I6).
    pub(super) fn may_apply(&self) -> bool {
        self.disk_is_settled() || crate::mutants::on("applied-while-changing")
    }

    /// Whether the thread beside has the tree.
    pub(super) fn is_changing_files(&self) -> bool {
        self.writer.is_none()
    }

    /// Whether there is a log thread to be stopped.
    pub(super) fn log_runs(&self) -> bool {
        self.ensemble.as_ref().is_none_or(|e| e.disk.log_runs && e.disk.pending.is_none())
    }

    /// What is applied while this server serves in an epoch is committed: a quorum has it. Written
    /// down now and then, and with `flush` durably, at the end of a role or a process.
    pub(super) fn persist_committed(&mut self, flush: bool) {
        let (serves, applied, now) = (self.serves_all(), self.tree.applied(), self.now);
        let Some(ensemble) = &mut self.ensemble else { return };
        let disk = &mut ensemble.disk;
        if serves && disk.pending.is_none() && applied > disk.committed.upto {
            let shown = self.tree.shown();
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

    pub(super) fn truncate(&mut self, after: Zxid) {
        tracing::warn!(%after, "TRUNC from leader: transactions behind this zxid are cut");
        self.begin(Pending::Truncate { after });
    }

    pub(super) fn load_snapshot(&mut self, zxid: Zxid) {
        tracing::info!(%zxid, "SNAP from leader");
        // First: a snapshot of the tree as it was must not go on with half of the new one.
        self.begin(Pending::Replace { zxid });
        let (Some(ensemble), Some(writer)) = (&mut self.ensemble, &mut self.writer) else { return };
        let disk = &mut ensemble.disk;
        let (loader, cleared) = StreamLoad::begin(disk.field_max, writer);
        disk.loader = Some(loader);
        // Where there is nobody to take it, it is freed here.
        let _ = disk.jobs.send(HistoryJob::Discard(cleared));
    }

    /// A role ended while the tree was being received: what is on disk counts. A change that has
    /// begun goes on to its end, which is some leader's history as well.
    pub(super) fn abandon_loading(&mut self) {
        if self.is_changing_files() {
            return;
        }
        let Some(ensemble) = &mut self.ensemble else { return };
        let disk = &mut ensemble.disk;
        if matches!(disk.pending, Some(Pending::Replace { .. })) {
            disk.loader = None;
            disk.received = None;
            disk.pending = Some(Pending::Reload);
            self.try_disk();
        }
    }

    fn begin(&mut self, pending: Pending) {
        self.abandon_snapshot();
        let Some(ensemble) = &mut self.ensemble else { return };
        assert!(ensemble.disk.pending.is_none(), "one change of history at a time");
        ensemble.disk.pending = Some(pending);
        self.to_log.push(LogInput::Stop);
    }

    pub(super) fn snapshot_bytes(&mut self, bytes: &[u8]) {
        let (Some(ensemble), Some(writer)) = (&mut self.ensemble, &mut self.writer) else { return };
        let Some(Pending::Replace { zxid }) = ensemble.disk.pending else { return };
        let Some(loader) = &mut ensemble.disk.loader else { return };
        match loader.feed(bytes, writer) {
            Ok(progress) if !progress.done => {}
            Ok(_) => {
                let Some(loader) = ensemble.disk.loader.take() else { return };
                match loader.finish(zxid, writer) {
                    Ok(loaded) => {
                        ensemble.disk.received = Some(Received {
                            czxid_max: loaded.czxid_max,
                            sessions: loaded.sessions,
                        });
                        self.learn(LearnerInput::SnapshotReceived { shows: self.tree.shown() });
                        self.try_disk();
                    }
                    Err(error) => self.leave_role(error.into()),
                }
            }
            Err(error) => self.leave_role(error.into()),
        }
    }

    /// The log has ended because a change of history asked for it.
    pub(super) fn log_ended(&mut self) {
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.disk.log_runs = false;
        }
        self.try_disk();
    }

    /// Hands the change to the thread beside, as soon as nobody else writes to the files.
    pub(super) fn try_disk(&mut self) {
        let Some(ensemble) = &mut self.ensemble else { return };
        let disk = &mut ensemble.disk;
        // A snapshot of the old tree, finished late, would outlive what is cut off.
        if disk.log_runs || self.snapshot_running.is_some() || self.writer.is_none() {
            return;
        }
        let change = match disk.pending {
            None => return,
            Some(Pending::Replace { zxid }) => match disk.received.take() {
                None => return,
                Some(received) => Change::Replace { zxid, received, current: ensemble.current },
            },
            Some(Pending::Truncate { after }) => {
                let known = disk.committed.upto > Zxid::ZERO;
                let cut_off = if known { CutOff::Removed } else { CutOff::SetAside };
                Change::Truncate { after, cut_off }
            }
            Some(Pending::Reload) => Change::Reload,
        };
        let Some(writer) = self.writer.take() else { return };
        if disk.jobs.send(HistoryJob::Change { change, writer }).is_err() {
            self.fail(DiskError::ThreadEnded);
        }
    }

    /// Log, line and tree go on behind what is loaded now.
    pub(super) fn history_changed(&mut self, changed: Changed) {
        self.writer = Some(changed.writer);
        let outcome = match changed.outcome {
            Ok(outcome) => outcome,
            Err(error) => return self.fail(error.into()),
        };
        let last = outcome.last;
        let Some(ensemble) = &mut self.ensemble else { return };
        ensemble.window.restart(last);
        ensemble.disk.pending = None;
        ensemble.disk.log_runs = true;
        // With a leader's tree an empty database is one no more.
        ensemble.blank &= !matches!(outcome.tell, LearnerInput::SnapshotLoaded { .. });
        self.log = outcome.log;
        self.durable_sessions = outcome.sessions;
        self.restored_upto = outcome.restored_upto;
        self.exact_from = None;
        self.line = CommitQueue::new(last);
        self.prep = Prep::new(self.prep_settings.clone(), last);
        self.init_config();
        tracing::info!(%last, "history truncated or replaced, it ends here now");
        self.learn(outcome.tell);
        self.enter_epoch_of(last);
    }

    /// The learner that asked for a leader's tree enters its epoch. Where the role has ended since,
    /// nobody does, and the log must not be ahead of `currentEpoch` (I3): what is there is the whole
    /// initial history of that epoch, as a start would find too.
    fn enter_epoch_of(&mut self, last: Zxid) {
        let current = self.ensemble.as_ref().map(|ensemble| ensemble.current);
        if last.0 > 0 && current.is_some_and(|current| last.epoch() > current) {
            self.store(Stored::Current(last.epoch()));
        }
    }

    /// Puts the members this server knows into /zookeeper/config (QuorumPeer.initConfigInZKDatabase).
    pub(super) fn init_config(&mut self) {
        let (Some(ensemble), Some(writer)) = (&self.ensemble, &mut self.writer) else { return };
        let config = ensemble.electorate.committed.clone();
        let version = Zxid(config.version());
        let before = self.tree.applied();
        let sink = &mut Publisher { stream_senders: &mut self.stream_senders, before };
        writer.init_config(config.text().as_bytes(), version, self.wall, sink);
    }
}
