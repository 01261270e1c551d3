//! What no start and no learner needs any more.

use std::io;

use super::aside;
use crate::disk::Dir;
use crate::log::name::{list_logs, zxid_of_snapshot};
use crate::log::purge;
use crate::snapshot::directory;
use crate::types::Zxid;

/// What [`purge`] would take of snapshots and logs.
pub fn plan((snapshots, logs): (&dyn Dir, &dyn Dir), retain: usize) -> io::Result<purge::Plan> {
    Ok(purge::plan(&candidates(snapshots)?, &list_logs(logs)?, retain))
}

fn candidates(snapshots: &dyn Dir) -> io::Result<Vec<purge::SnapshotFile>> {
    let look = |file: directory::SnapshotFile| {
        let is_valid = directory::looks_valid(snapshots, &file)?;
        Ok(purge::SnapshotFile { name: file.name, is_valid })
    };
    directory::snapshots(snapshots)?.into_iter().map(look).collect()
}

/// Removes all but the newest `retain` snapshots, what stands in the log before the oldest of them,
/// what was set aside longer ago, and records of files that are gone. What goes is decided by names and
/// by a look at each snapshot's ends; it says what it removes. Nothing may be written to the folders
/// meanwhile.
pub fn purge((snapshots, logs): (&dyn Dir, &dyn Dir), retain: usize) -> io::Result<()> {
    let candidates = candidates(snapshots)?;
    let plan = purge::plan(&candidates, &list_logs(logs)?, retain);
    purge::execute(&plan, snapshots, logs)?;
    let whole = candidates.iter().filter(|file| file.is_valid);
    let whole: Vec<Zxid> = whole.filter_map(|file| zxid_of_snapshot(&file.name)).collect();
    aside::purge((snapshots, logs), &whole, retain)?;
    directory::remove_leftovers(snapshots).map(drop)
}

/// Removes records of files that others have removed (zkCleanup.sh), and what snapshots that came to
/// nothing have left. No snapshot may be under way; a segment has its side record behind it.
pub fn tidy((snapshots, logs): (&dyn Dir, &dyn Dir)) -> io::Result<()> {
    purge::remove_lone_side_records(logs)?;
    directory::remove_leftovers(snapshots).map(drop)
}
