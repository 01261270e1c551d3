//! Log and tree back to an earlier transaction: a new leader never had what came after it
//! (Learner.syncWithLeader, ZKDatabase.truncateLog).
//!
//! ```text
//! load the tree as of the cut ─► remove newer snapshots, newest first ─► cut the log
//!   (changes nothing)               (the log still gives the old state)
//! ```
//!
//! Nothing is removed before the state that is to be has been loaded (ZOOKEEPER-3701), and before
//! the log has been read from that state to its end: each snapshot that goes leaves an older one
//! from which the log gives the same state. Java leaves newer snapshots in place, and comes back
//! with what it had cut (ZOOKEEPER-4837).

use super::aside::{self, Aside, SETS_MAX};
use crate::disk::{Dir, remove_if_present};
use crate::log::truncate;
use crate::mutants::{self, Mutant};
use crate::snapshot::restore::{OutOfReach, RestoreError, RestoreOptions, Restored, RestoredAt};
use crate::snapshot::{Directories, directory, restore, restore_at, side};
use crate::tree::TreeWriter;
use crate::types::Zxid;
use std::io;

/// The tree is usable in either case.
#[derive(Debug)]
pub enum Rewind {
    /// Tree and files end with the transaction asked for.
    Done {
        /// As a start would say.
        restored: Box<Restored>,
        /// Paths, in the order of their removal; names, where they are set aside.
        removed: Vec<String>,
        /// The log file that was cut, and where.
        cut: Option<(String, u64)>,
    },
    /// The files cannot give that state, and are as they were; so is the tree.
    Impossible {
        /// What is missing.
        why: OutOfReach,
        /// The state that was there before, loaded again.
        restored: Box<Restored>,
    },
}

/// What becomes of the files behind the cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CutOff {
    /// They go: how far the history is committed is known, and the cut lies behind that.
    Removed,
    /// They may be the last copy of what was acknowledged ([`super::aside`]).
    SetAside,
}

/// Back to `after`. The log thread has ended, and nobody writes or purges snapshots. After an error
/// the process ends (I11); a start, or the same call, goes on from whatever is there.
pub fn rewind(
    dirs: &Directories,
    writer: &mut TreeWriter,
    options: &RestoreOptions,
    after: Zxid,
    cut_off: CutOff,
) -> Result<Rewind, RestoreError> {
    let (restored, base) = match restore_at(dirs, writer, options, after)? {
        RestoredAt::Done { restored, base } => (restored, base),
        RestoredAt::Impossible { why } => {
            let restored = restore(dirs, writer, options, &mut |_, _| {})?;
            return Ok(Rewind::Impossible { why, restored: Box::new(restored) });
        }
    };
    let (snapshots, logs) = (dirs.snapshots.as_ref(), dirs.logs.as_ref());
    let failed = |what| {
        let file = snapshots.show(&base);
        move |cause| RestoreError::Io { what, file, cause }
    };
    let newer = newer_than(snapshots, &base).map_err(failed("cannot list snapshots beside"))?;
    let set = Aside::begin(dirs).map_err(failed("cannot list files beside"))?;
    let mut removed = match cut_off {
        CutOff::Removed => remove(snapshots, &newer),
        CutOff::SetAside => set.take_snapshots(snapshots, &newer),
    }
    .map_err(failed("cannot remove snapshots newer than"))?;
    if cut_off == CutOff::SetAside {
        removed.extend(set.take_log(logs, after, options.field_max)?);
    }
    let truncated = match mutants::on(Mutant::LogNotCut) {
        true => Default::default(),
        false => truncate(logs, after, options.field_max)?,
    };
    removed.extend(truncated.removed);
    aside::keep_newest((snapshots, logs), SETS_MAX)
        .map_err(failed("cannot remove old sets beside"))?;
    Ok(Rewind::Done { restored, removed, cut: truncated.cut })
}

/// Names of the snapshots that a start would take rather than `base`, newest first. One that could
/// not be loaded is among them: what was unreadable once may not be so the next time.
fn newer_than(dir: &dyn Dir, base: &str) -> io::Result<Vec<String>> {
    let names = directory::snapshots(dir)?.into_iter().map(|file| file.name);
    let is_kept = |_: &String| !mutants::on(Mutant::NewerSnapshotsKept);
    Ok(names.take_while(|name| name != base).filter(is_kept).collect())
}

/// Removes snapshots in this order, each durably before the next. Gives their paths.
fn remove(dir: &dyn Dir, names: &[String]) -> io::Result<Vec<String>> {
    let mut removed = Vec::new();
    for name in names {
        if remove_if_present(dir, name)? {
            removed.push(dir.show(name));
        }
        dir.flush()?;
        side::remove(dir, name)?;
    }
    Ok(removed)
}
