//! A leader's snapshot in place of everything (Learner.syncWithLeader on SNAP).
//!
//! ```text
//! cut the log to the snapshot's zxid ─► write the snapshot ─► all others aside ─► the log aside
//! ```
//!
//! Most often the log ends far below that zxid, and the first step finds nothing to do. It is there
//! for a log that goes beyond: behind the new snapshot its rest would be replayed, though it may be
//! another history's. Cut first, every state on the way is the old history, or a beginning of it,
//! until the snapshot has its name and nothing newer is left. What is cut is in no history of this
//! leader's and so was never agreed upon.
//!
//! Older snapshots go before the log, and the log from its end: no snapshot stays whose log has
//! gone, and no log stays with a hole in it. Java keeps both, and its log has a hole then. Nothing
//! is deleted ([`super::aside`]): a stream does not tell whether its history has ours in it.

use std::io;

use super::aside::{self, Aside, SETS_MAX};
use super::epochs;
use crate::log::{ReplayError, settle, truncate};
use crate::snapshot::write::Pace;
use crate::snapshot::{
    Directories, SnapshotReport, WriteError, WriteOptions, directory, write_file,
};
use crate::tree::Tree;
use crate::types::{Epoch, SessionId, Zxid};

/// What was received, and is in the tree.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    /// Nobody writes to it.
    pub tree: &'a Tree,
    /// Timeouts in milliseconds.
    pub sessions: &'a [(SessionId, i32)],
    /// `at` is the SNAP packet's zxid, `restored_upto` the stream's
    /// [`crate::snapshot::load::Loaded::czxid_max`]; `quiet`.
    pub options: &'a WriteOptions,
    /// `currentEpoch`.
    pub current: Epoch,
    /// Largest entry of the log.
    pub entry_max: usize,
}

/// What has taken the place of what was there.
#[derive(Debug)]
pub struct Replaced {
    /// Of the snapshot that a start will find.
    pub report: SnapshotReport,
    /// Names of what was there before, in the order in which it went aside.
    pub aside: Vec<String>,
}

/// The process ends (I11); the next start finds its own history, or the snapshot.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum ReplaceError {
    #[error("received snapshot: {0}")]
    Write(#[from] WriteError),
    #[error("log before a received snapshot: {0}")]
    Log(#[from] ReplayError),
    #[error("{what} {file}: {cause}")]
    Io { what: &'static str, file: String, cause: io::Error },
}

/// Leaves one snapshot and no log. The log thread has ended, nobody else writes or purges snapshots,
/// and the tree does not change.
pub fn replace(
    dirs: &Directories,
    received: &Received<'_>,
    pace: Pace<'_>,
) -> Result<Replaced, ReplaceError> {
    let (snapshots, logs) = (dirs.snapshots.as_ref(), dirs.logs.as_ref());
    let at = received.options.at;
    let failed = |what| move |cause| ReplaceError::Io { what, file: snapshots.show(""), cause };
    if at.epoch() > received.current {
        // From the snapshot's name on, and until the learner has stored its epoch, the files are
        // ahead of currentEpoch.
        epochs::announce(snapshots, at.epoch()).map_err(failed("cannot announce the epoch in"))?;
    }
    let set = Aside::begin(dirs).map_err(failed("cannot list"))?;
    let entry_max = received.entry_max;
    let mut aside = set.take_log(logs, at, entry_max)?;
    truncate(logs, at, entry_max)?;
    let before = directory::snapshots(snapshots).map_err(failed("cannot list"))?;
    for file in before.iter().filter(|file| file.zxid == at) {
        let copied = set.copy_snapshot(snapshots, &file.name);
        aside.push(copied.map_err(failed("cannot copy a snapshot in"))?);
    }
    let report = write_file(snapshots, received.tree, received.sessions, received.options, pace)?;
    let all = directory::snapshots(snapshots).map_err(failed("cannot list"))?;
    let others: Vec<String> =
        all.into_iter().map(|file| file.name).filter(|name| *name != report.name).collect();
    let gone = set.take_snapshots(snapshots, &others);
    aside.extend(gone.map_err(failed("cannot set aside older snapshots in"))?);
    aside.extend(set.take_log(logs, Zxid(-1), entry_max)?);
    settle(logs, entry_max)?;
    aside::keep_newest((snapshots, logs), SETS_MAX).map_err(failed("cannot remove old sets in"))?;
    Ok(Replaced { report, aside })
}
