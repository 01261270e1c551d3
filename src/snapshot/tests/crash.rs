//! Power may fail, and every call may fail, at each step of writing a snapshot: what is on the disk
//! then is the snapshot before, or the new one, whole.

use std::collections::BTreeSet;

use super::*;
use crate::disk::Dir;
use crate::snapshot::directory::{self, Directories};
use crate::snapshot::{RestoreOptions, restore, write_file};
use crate::testing::disk::{Contents, Failure, SimDisk};
use crate::testing::workload::Workload;

const OPTIONS: RestoreOptions = RestoreOptions {
    pipeline: sequential,
    trust_empty: false,
    autocreate: false,
    digest: true,
    field_max: FIELD_MAX,
    types: TYPES,
    kill_lost_sessions: true,
};

/// A start on what a crash has left. Gives the tree's digest; nothing may be damaged.
fn started(contents: &Contents) -> u64 {
    let disk = SimDisk::holding(contents);
    let dir: Arc<dyn Dir> = Arc::new(disk);
    let dirs = Directories::of(dir.clone(), Arc::new(SimDisk::new()), Arc::new(SimDisk::new()));
    let (tree, mut writer) = new_tree();
    let restored = restore(&dirs, &mut writer, &OPTIONS, &mut |_, _| {}).unwrap();
    assert!(restored.damaged.is_empty(), "{:?}", restored.damaged);
    // And the next snapshot can be written over whatever lies there.
    let report = write_file(dir.as_ref(), &tree, &[], &options(restored.zxid), &mut |_| true);
    assert!(report.unwrap().without_side_record.is_none());
    let names: Vec<String> = dir.list().unwrap().into_iter().map(|f| f.name).collect();
    assert!(!names.iter().any(|n| n.ends_with(".tmp")), "{names:?}");
    tree.digest()
}

/// A disk with a snapshot, and a tree some transactions on.
fn between_two_snapshots(steps: usize) -> (SimDisk, Arc<Tree>, WriteOptions, [u64; 2]) {
    let disk = SimDisk::new();
    let (tree, mut writer) = new_tree();
    let mut load = Workload::new(11);
    (0..4).for_each(|_| load.step(&mut writer));
    let sessions = [(SessionId(1), 4000)];
    write_file(&disk, &tree, &sessions, &options(load.zxid()), &mut |_| true).unwrap();
    let before = tree.digest();
    (0..steps).for_each(|_| load.step(&mut writer));
    let after = tree.digest();
    (disk, tree, options(load.zxid()), [before, after])
}

#[test]
fn a_power_failure_leaves_the_old_snapshot_or_the_new_one() {
    // With no step between, the new file takes the place of one of the same name and size.
    for steps in [3, 0] {
        let (disk, tree, options, digests) = between_two_snapshots(steps);
        let start = disk.contents();
        let recording = disk.twin();
        let sessions = [(SessionId(2), 4000)];
        write_file(&recording, &tree, &sessions, &options, &mut |_| true).unwrap();
        let mut met = BTreeSet::new();
        let again = SimDisk::holding(&start);
        for change in [None].into_iter().chain(recording.changes().into_iter().map(Some)) {
            // Both disks have two files to begin with, so new ones get the same numbers.
            change.iter().for_each(|change| again.redo(change));
            for state in again.crash_states() {
                met.insert(started(&state));
            }
        }
        assert_eq!(met, BTreeSet::from(digests), "{steps} steps");
    }
}

#[test]
fn every_call_may_fail_and_the_next_snapshot_is_written() {
    let (disk, tree, options, digests) = between_two_snapshots(30);
    let calls = {
        let twin = disk.twin();
        write_file(&twin, &tree, &[], &options, &mut |_| true).unwrap();
        twin.change_count()
    };
    assert!(calls > 8, "{calls}");
    for how in [Failure::Error, Failure::Short, Failure::Full] {
        for call in 0..calls {
            let disk = disk.twin();
            disk.fail_at(call, how);
            let written = write_file(&disk, &tree, &[], &options, &mut |_| true);
            let whole = written.as_ref().is_ok_and(|report| report.without_side_record.is_none());
            assert!(!whole, "call {call} cannot be done without");
            let names = disk.list().unwrap();
            let name = format!("snapshot.{:x}", options.at.0);
            if written.is_ok() {
                assert!(names.iter().any(|f| f.name == name), "call {call}");
            }
            assert!(digests.contains(&started(&disk.contents())), "call {call}");
        }
    }
}

#[test]
fn a_snapshot_called_off_leaves_nothing() {
    let (disk, tree, options, _) = between_two_snapshots(30);
    let before = disk.contents();
    let refused = write_file(&disk, &tree, &[], &options, &mut |_| false).unwrap_err();
    assert_eq!(refused.to_string(), "snapshot at 0x22 was called off");
    assert_eq!(disk.contents(), before);
    assert_eq!(directory::remove_leftovers(&disk).unwrap(), Vec::<String>::new());
}
