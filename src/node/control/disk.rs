//! What a change of history does to log, snapshots and tree: cutting what a new leader never had,
//! taking over all of its tree, reading everything anew.
//!
//! While one of these runs nobody is served and nothing is appended. The log ends first, so that
//! nothing writes to the files, and a new one begins behind what is then loaded.

use super::Control;
use super::outlet::Publisher;
use crate::log::LogInput;
use crate::node::store::{self, Rewind};
use crate::prep::Prep;
use crate::runtime::mailbox::Sender;
use crate::snapshot::stream::StreamLoad;
use crate::snapshot::{self, Directories, RestoreOptions, Restored, WriteOptions};
use crate::types::{SessionId, Zxid};
use crate::zab::{LearnerInput, Line, Stored};

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Starts a log behind a transaction; the error says what cannot be done.
pub type StartLog = Box<dyn FnMut(Zxid) -> Result<Sender<LogInput>, String> + Send>;

/// Files, as far as roles change them.
pub struct Disk {
    pub folders: Arc<Directories>,
    pub restore: RestoreOptions,
    pub write: WriteOptions,
    pub start_log: StartLog,
    /// Held while files are removed: a purge planned before a change of history could take what
    /// that needs.
    pub removing: Arc<Mutex<()>>,
    pending: Option<Pending>,
    /// The snapshot being received.
    loader: Option<StreamLoad>,
    /// What it told when it was whole.
    received: Option<Received>,
    log_runs: bool,
}

/// What waits for the log's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pending {
    Truncate { after: Zxid },
    Replace { zxid: Zxid },
    Reload,
}

/// A change of history that is on disk.
struct Done {
    last: Zxid,
    /// What the learner that asked for it is told, if it is still there.
    tell: LearnerInput,
}

struct Received {
    sessions: BTreeMap<SessionId, i32>,
    czxid_max: Zxid,
}

impl Disk {
    pub fn new(
        folders: Arc<Directories>,
        restore: RestoreOptions,
        write: WriteOptions,
        start_log: StartLog,
        removing: Arc<Mutex<()>>,
    ) -> Disk {
        Disk {
            folders,
            restore,
            write,
            start_log,
            removing,
            pending: None,
            loader: None,
            received: None,
            log_runs: true,
        }
    }

    pub(super) fn store(&mut self, stored: Stored) -> Result<(), String> {
        store::epochs::store(self.folders.snapshots.as_ref(), stored)
            .map_err(|e| format!("cannot store {stored:?}: {e}"))
    }
}

impl Control {
    pub(super) fn disk_is_settled(&self) -> bool {
        self.ensemble.as_ref().is_none_or(|e| e.disk.pending.is_none())
    }

    /// Whether there is a log thread to be stopped.
    pub(super) fn log_runs(&self) -> bool {
        self.ensemble.as_ref().is_none_or(|e| e.disk.log_runs && e.disk.pending.is_none())
    }

    pub(super) fn truncate(&mut self, after: Zxid) {
        tracing::warn!(%after, "the leader never had what follows: it is cut off");
        self.begin(Pending::Truncate { after });
    }

    pub(super) fn load_snapshot(&mut self, zxid: Zxid) {
        tracing::info!(%zxid, "the leader sends its whole tree");
        // First: a snapshot of the tree as it was must not go on with half of the new one.
        self.begin(Pending::Replace { zxid });
        let Some(ensemble) = &mut self.ensemble else { return };
        let field_max = ensemble.disk.restore.field_max;
        ensemble.disk.loader = Some(StreamLoad::begin(field_max, &mut self.writer));
    }

    /// A role ended while the tree was being replaced: what is on disk counts.
    pub(super) fn give_up_loading(&mut self) {
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
        let Some(ensemble) = &mut self.ensemble else { return };
        let Some(Pending::Replace { zxid }) = ensemble.disk.pending else { return };
        let Some(loader) = &mut ensemble.disk.loader else { return };
        match loader.feed(bytes, &mut self.writer) {
            Ok(progress) if !progress.done => {}
            Ok(_) => {
                let Some(loader) = ensemble.disk.loader.take() else { return };
                match loader.finish(zxid, &mut self.writer) {
                    Ok(loaded) => {
                        ensemble.disk.received = Some(Received {
                            czxid_max: loaded.czxid_max,
                            sessions: loaded.sessions,
                        });
                        self.learn(LearnerInput::SnapshotReceived);
                        self.try_disk();
                    }
                    Err(error) => self.leave_role(&format!("the leader's snapshot: {error}")),
                }
            }
            Err(error) => self.leave_role(&format!("the leader's snapshot: {error}")),
        }
    }

    /// The log has ended because a change of history asked for it.
    pub(super) fn log_ended(&mut self) {
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.disk.log_runs = false;
        }
        self.try_disk();
    }

    pub(super) fn try_disk(&mut self) {
        let Some(ensemble) = &mut self.ensemble else { return };
        // A snapshot of the old tree, finished late, would outlive what is cut off.
        if ensemble.disk.log_runs || self.snapshot_running.is_some() {
            return;
        }
        let removing = ensemble.disk.removing.clone();
        let _guard = removing.lock();
        let done = match ensemble.disk.pending {
            None => return,
            Some(Pending::Replace { zxid }) => match ensemble.disk.received.take() {
                None => return,
                Some(received) => self.replace(zxid, received),
            },
            Some(Pending::Truncate { after }) => self.rewind(after),
            Some(Pending::Reload) => self.reload(),
        };
        match done {
            Ok(done) => self.begin_behind(done),
            Err(why) => self.fail(why),
        }
    }

    /// Back to an earlier transaction, which the files may not be able to give.
    fn rewind(&mut self, after: Zxid) -> Result<Done, String> {
        let Some(ensemble) = &mut self.ensemble else { return Err("no ensemble".into()) };
        let disk = &ensemble.disk;
        let rewound = store::rewind(&disk.folders, &mut self.writer, &disk.restore, after)
            .map_err(|e| e.to_string())?;
        Ok(match rewound {
            Rewind::Done { restored, removed, cut } => {
                let cut = cut.map(|(file, at)| format!("{file} at byte {at}")).unwrap_or_default();
                let removed = removed.join(" ");
                tracing::warn!(%after, removed, cut, "log and tree were taken back");
                self.loaded(*restored, LearnerInput::Truncated { last: after })
            }
            Rewind::Impossible { why, restored } => {
                self.loaded(*restored, LearnerInput::CannotTruncate { why })
            }
        })
    }

    /// Everything anew from the disk.
    fn reload(&mut self) -> Result<Done, String> {
        let Some(ensemble) = &mut self.ensemble else { return Err("no ensemble".into()) };
        let disk = &ensemble.disk;
        let restored =
            snapshot::restore(&disk.folders, &mut self.writer, &disk.restore, &mut |_, _| {})
                .map_err(|e| e.to_string())?;
        Ok(self.loaded(restored, LearnerInput::Tick))
    }

    /// The tree is what the disk holds.
    fn loaded(&mut self, restored: Restored, tell: LearnerInput) -> Done {
        self.restored_upto = restored.czxid_max;
        self.exact_from = None;
        self.durable_sessions = restored.sessions;
        Done { last: restored.zxid, tell }
    }

    /// The received tree goes to disk, and all that was there before away.
    fn replace(&mut self, zxid: Zxid, received: Received) -> Result<Done, String> {
        let Some(ensemble) = &mut self.ensemble else { return Err("no ensemble".into()) };
        let disk = &ensemble.disk;
        let sessions: Vec<_> = received.sessions.iter().map(|(id, t)| (*id, *t)).collect();
        let options = WriteOptions {
            at: zxid,
            restored_upto: received.czxid_max,
            quiet: true,
            ..disk.write.clone()
        };
        let parts = store::replace::Received {
            tree: self.writer.tree(),
            sessions: &sessions,
            options: &options,
            current: ensemble.current,
            entry_max: disk.restore.field_max,
        };
        let replaced =
            store::replace(&disk.folders, &parts, &mut |_| true).map_err(|e| e.to_string())?;
        tracing::info!(%zxid, bytes = replaced.report.file_bytes, "the leader's tree is on disk");
        self.durable_sessions = received.sessions;
        self.restored_upto = received.czxid_max;
        self.exact_from = None;
        Ok(Done { last: zxid, tell: LearnerInput::SnapshotLoaded { zxid } })
    }

    /// Puts the members this server knows into /zookeeper/config (QuorumPeer.initConfigInZKDatabase).
    pub(super) fn init_config(&mut self) {
        let Some(ensemble) = &self.ensemble else { return };
        let config = ensemble.electorate.committed.clone();
        let version = Zxid(config.version());
        let before = self.tree.applied();
        let sink = &mut Publisher { outlets: &mut self.outlets, before };
        self.writer.init_config(config.text().as_bytes(), version, self.wall, sink);
    }

    /// Log, line and tree go on behind what is loaded now.
    fn begin_behind(&mut self, done: Done) {
        let last = done.last;
        let Some(ensemble) = &mut self.ensemble else { return };
        ensemble.window.restart(last);
        let disk = &mut ensemble.disk;
        disk.pending = None;
        match (disk.start_log)(last) {
            Ok(log) => self.log = log,
            Err(why) => return self.fail(why),
        }
        disk.log_runs = true;
        self.line = Line::new(last);
        self.prep = Prep::new(self.prep_settings.clone(), last);
        self.init_config();
        tracing::info!(%last, "history goes on from here");
        self.learn(done.tell);
    }
}
