//! Changes of history on the files, on a thread beside: cutting what a new leader never had, a
//! leader's tree in place of everything, reading everything anew. They take as long as the tree is
//! large, and the control role goes on meanwhile: votes, pings and words are answered.
//!
//! The tree's writer comes with the job and goes back with its end, so that nobody can apply
//! anything in between (I6). One change at a time; nothing is appended to the log meanwhile, which
//! has ended before and begins anew behind what is then loaded.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use parking_lot::Mutex;

use super::housekeeping::warn_without_side_record;
use crate::history::{self, CutOff, Rewind, committed};
use crate::roles::jobs::{Change, ChangeError, Changed, HistoryJob, LogInput, Outcome, Received};
use crate::roles::log::OpenError;
use crate::roles::message::ToControl;
use crate::runtime::Sender;
use crate::snapshot::{self, Directories, RestoreError, RestoreOptions, Restored, WriteOptions};
use crate::tree::TreeWriter;
use crate::types::{Epoch, Zxid};
use crate::zab::LearnerInput;

/// Starts a log behind a transaction; the error says what cannot be done.
pub type StartLog = Box<dyn FnMut(Zxid) -> Result<Sender<LogInput>, OpenError> + Send>;

/// What the thread works with.
pub struct HistoryFiles {
    /// The server's own, which it has locked.
    pub folders: Arc<Directories>,
    /// How the tree is loaded anew.
    pub restore: RestoreOptions,
    /// How a leader's tree is written; the zxids are set each time.
    pub write: WriteOptions,
    /// Begins the log anew behind a change.
    pub start_log: StartLog,
    /// Held while files are removed: a purge planned before a change of history could take what
    /// that needs.
    pub removing: Arc<Mutex<()>>,
}

impl HistoryFiles {
    /// `write`'s zxids and `quiet` are set each time.
    pub fn new(
        folders: Arc<Directories>,
        restore: RestoreOptions,
        write: &WriteOptions,
        start_log: StartLog,
        removing: &Arc<Mutex<()>>,
    ) -> HistoryFiles {
        let (write, removing) = (write.clone(), removing.clone());
        HistoryFiles { folders, restore, write, start_log, removing }
    }

    /// Starts the thread. It ends with the control role, whose end closes the queue; a change that
    /// is under way then is cut short as by a crash, which every step of it allows for.
    pub fn spawn(
        mut self,
        jobs: Receiver<HistoryJob>,
        to_control: Sender<ToControl>,
    ) -> io::Result<()> {
        std::thread::Builder::new().name("history files".into()).spawn(move || {
            for job in jobs {
                if let Some(changed) = self.take(job) {
                    to_control.push(ToControl::HistoryChanged(Box::new(changed)));
                }
            }
        })?;
        Ok(())
    }

    /// Carries one job out; `None`: there is nothing to say of it.
    pub fn take(&mut self, job: HistoryJob) -> Option<Changed> {
        match job {
            HistoryJob::Change { change, mut writer } => {
                let outcome = self.carry_out(change, &mut writer);
                Some(Changed { writer, outcome })
            }
            HistoryJob::Discard(cleared) => {
                drop(cleared);
                None
            }
            HistoryJob::Remember { committed, flush } => {
                let dir = self.folders.snapshots.as_ref();
                // Without it the server only knows less after a restart.
                if let Err(error) = committed::write(dir, committed, flush) {
                    tracing::warn!(%error, file = %dir.show(&committed::name()), "cannot be written");
                }
                None
            }
        }
    }

    fn carry_out(
        &mut self,
        change: Change,
        writer: &mut TreeWriter,
    ) -> Result<Outcome, ChangeError> {
        let removing = self.removing.clone();
        let _guard = removing.lock();
        let (restored, tell) = match change {
            Change::Truncate { after, cut_off } => self.rewind(after, cut_off, writer)?,
            Change::Replace { zxid, received, current } => {
                return self.replace(zxid, received, current, writer);
            }
            Change::Reload => {
                let restored =
                    snapshot::restore(&self.folders, writer, &self.restore, &mut |_, _| {})?;
                (restored, LearnerInput::Tick)
            }
        };
        Ok(Outcome {
            last: restored.zxid,
            restored_upto: restored.czxid_max,
            sessions: restored.sessions,
            tell,
            log: self.start_log(restored.zxid)?,
        })
    }

    fn start_log(&mut self, last: Zxid) -> Result<Sender<LogInput>, ChangeError> {
        (self.start_log)(last).map_err(|error| ChangeError::Log(error.into()))
    }

    fn rewind(
        &self,
        after: Zxid,
        cut_off: CutOff,
        writer: &mut TreeWriter,
    ) -> Result<(Restored, LearnerInput), RestoreError> {
        let rewound = history::rewind(&self.folders, writer, &self.restore, after, cut_off)?;
        Ok(match rewound {
            Rewind::Done { restored, removed, cut } => {
                let cut = cut.map(|(file, at)| format!("{file} at byte {at}")).unwrap_or_default();
                let removed = removed.join(" ");
                tracing::warn!(%after, removed, cut, "log and tree truncated (TRUNC)");
                (*restored, LearnerInput::Truncated { last: after })
            }
            Rewind::Impossible { why, restored } => {
                (*restored, LearnerInput::CannotTruncate { why: why.to_string() })
            }
        })
    }

    fn replace(
        &mut self,
        zxid: Zxid,
        received: Received,
        current: Epoch,
        writer: &TreeWriter,
    ) -> Result<Outcome, ChangeError> {
        let sessions: Vec<_> = received.sessions.iter().map(|(id, t)| (*id, *t)).collect();
        let options = WriteOptions {
            at: zxid,
            restored_upto: received.czxid_max,
            quiet: true,
            ..self.write.clone()
        };
        let parts = history::replace::Received {
            tree: writer.tree(),
            sessions: &sessions,
            options: &options,
            current,
            entry_max: self.restore.field_max,
        };
        let replaced = history::replace(&self.folders, &parts, &mut |_| true)?;
        tracing::info!(%zxid, bytes = replaced.report.file_bytes, "SNAP from leader stored");
        warn_without_side_record(&replaced.report);
        if !replaced.aside.is_empty() {
            let (files, folder) = (replaced.aside.join(" "), self.folders.snapshots.show(""));
            tracing::warn!(files, folder, "previous files set aside");
        }
        Ok(Outcome {
            last: zxid,
            sessions: received.sessions,
            restored_upto: received.czxid_max,
            tell: LearnerInput::SnapshotLoaded { zxid },
            log: self.start_log(zxid)?,
        })
    }
}
