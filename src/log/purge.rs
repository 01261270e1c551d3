//! Which old snapshots and logs may go (PurgeTxnLog): a decision over lists of names, and its
//! execution.

use super::name::{self, LogFile, side_name, zxid_of_side, zxid_of_snapshot};
use crate::disk::{self, Dir};
use crate::mutants::{self, Mutant};
use crate::types::Zxid;
use std::io;

/// Fewest snapshots that may be kept (`autopurge.snapRetainCount`).
pub const RETAIN_MIN: usize = 3;

/// A snapshot file, and whether it passes the check of its ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotFile {
    /// In its folder.
    pub name: String,
    /// Begins and ends as a whole one does.
    pub is_valid: bool,
}

/// Names to remove, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Their names.
    pub snapshots: Vec<String>,
    /// The whole files.
    pub logs: Vec<LogFile>,
}

/// Keeps the newest `retain` valid snapshots and every log that the oldest of them may need: all
/// from the one that holds its successor's transactions on. With fewer snapshots the oldest there
/// is decides. Invalid snapshots newer than that are kept, older ones go.
pub fn plan(snapshots: &[SnapshotFile], logs: &[LogFile], retain: usize) -> Plan {
    let mut valid: Vec<Zxid> =
        snapshots.iter().filter(|s| s.is_valid).filter_map(|s| zxid_of_snapshot(&s.name)).collect();
    valid.sort_unstable_by(|a, b| b.cmp(a));
    valid.truncate(retain.max(RETAIN_MIN));
    let Some(oldest) = valid.last().copied() else { return Plan::default() };
    let mut old: Vec<(Zxid, String)> = snapshots
        .iter()
        .filter_map(|s| zxid_of_snapshot(&s.name).map(|zxid| (zxid, s.name.clone())))
        .filter(|(zxid, _)| *zxid < oldest)
        .collect();
    old.sort_unstable();
    // The last log named for the snapshot's transaction or an earlier one may go on beyond it.
    let needed = logs.iter().map(|log| log.first).filter(|first| *first <= oldest).max();
    let old_logs = logs
        .iter()
        .filter(|log| {
            needed.is_some_and(|n| {
                log.first < n || (log.first == n && mutants::on(Mutant::NeededLogPurged))
            })
        })
        .cloned();
    Plan { snapshots: old.into_iter().map(|(_, name)| name).collect(), logs: old_logs.collect() }
}

/// Removes what the plan names. Snapshots first, and durably: one that stays behind after its
/// logs have gone could be fallen back to and would end in a gap.
pub fn execute(plan: &Plan, snapshots: &dyn Dir, logs: &dyn Dir) -> io::Result<()> {
    for name in &plan.snapshots {
        disk::remove_if_present(snapshots, name)?;
        tracing::info!("removed old snapshot {}", snapshots.show(name));
    }
    if !plan.snapshots.is_empty() {
        snapshots.flush()?;
    }
    for log in &plan.logs {
        disk::remove_if_present(logs, &log.name)?;
        disk::remove_if_present(logs, &side_name(log.first))?;
        tracing::info!("removed old log {}", logs.show(&log.name));
    }
    remove_lone_side_records(logs)?;
    if !plan.logs.is_empty() {
        logs.flush()?;
    }
    Ok(())
}

/// Side records whose segment is gone: removed by hand, or by Java's cleanup.
pub fn remove_lone_side_records(logs: &dyn Dir) -> io::Result<()> {
    let sides: Vec<Zxid> =
        logs.list()?.iter().filter_map(|file| zxid_of_side(&file.name)).collect();
    let present = name::list_logs(logs)?;
    for first in sides {
        if !present.iter().any(|log| log.first == first) {
            disk::remove_if_present(logs, &side_name(first))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshots(of: &[(i64, bool)]) -> Vec<SnapshotFile> {
        of.iter()
            .map(|(z, is_valid)| SnapshotFile {
                name: format!("snapshot.{z:x}"),
                is_valid: *is_valid,
            })
            .collect()
    }
    fn logs(of: &[i64]) -> Vec<LogFile> {
        of.iter()
            .map(|z| LogFile { first: Zxid(*z), name: name::log_name(Zxid(*z)), size: 1 })
            .collect()
    }
    fn firsts(plan: &Plan) -> Vec<i64> {
        plan.logs.iter().map(|log| log.first.0).collect()
    }

    #[test]
    fn the_log_that_may_hold_the_oldest_kept_snapshots_successor_stays() {
        // The snapshots kept are 40, 30 and 20; log.15 may hold 21.
        let all = snapshots(&[(10, true), (20, true), (30, true), (40, true)]);
        let plan = plan(&all, &logs(&[1, 11, 15, 21, 31]), 3);
        assert_eq!(plan.snapshots, ["snapshot.a"]);
        assert_eq!(firsts(&plan), [1, 11]);
    }

    #[test]
    fn a_log_named_like_the_snapshot_is_the_first_kept() {
        let all = snapshots(&[(20, true), (30, true), (40, true)]);
        assert_eq!(firsts(&plan(&all, &logs(&[1, 20, 21]), 3)), [1]);
    }

    #[test]
    fn invalid_snapshots_do_not_count_and_newer_ones_stay() {
        let all =
            snapshots(&[(5, true), (10, false), (20, true), (30, true), (40, true), (50, false)]);
        let plan = plan(&all, &logs(&[1, 45]), 1);
        assert_eq!(plan.snapshots, ["snapshot.5", "snapshot.a"]);
        assert_eq!(firsts(&plan), Vec::<i64>::new());
    }

    #[test]
    fn with_fewer_snapshots_than_asked_for_the_oldest_decides_and_with_none_nothing_goes() {
        let plan_of = |of: &[(i64, bool)]| plan(&snapshots(of), &logs(&[1, 5, 9]), 3);
        assert_eq!(firsts(&plan_of(&[(6, true)])), [1]);
        assert_eq!(plan_of(&[]), Plan::default());
        assert_eq!(plan_of(&[(6, false)]), Plan::default());
    }
}
