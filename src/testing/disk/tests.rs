//! The disk keeps its promises, and breaks what it may break.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ringkeeper::disk::{Access, Dir};

use super::super::rng::Rng;
use super::{Contents, Failure, SimDisk};

#[test]
fn unflushed_sectors_are_lost_kept_or_torn_and_flushed_ones_stay() {
    let disk = SimDisk::new();
    let file = disk.create("a").unwrap();
    file.write_at(&[1; 1024], 0).unwrap();
    file.flush().unwrap();
    Dir::flush(&disk).unwrap();
    assert_eq!(disk.crash_states(), BTreeSet::from([disk.contents()]));
    file.write_at(&[2; 600], 512).unwrap();
    // The second sector in four ways; behind it the file ends, or has 88 bytes, old or new.
    assert_eq!(disk.crash_states().len(), 4 + 4 * 2);
    file.flush().unwrap();
    assert_eq!(disk.crash_states(), BTreeSet::from([disk.contents()]));
}

#[test]
fn names_are_lost_in_any_combination_until_the_directory_is_flushed() {
    let disk = SimDisk::new();
    disk.create("a").unwrap();
    disk.rename("a", "b").unwrap();
    let names: BTreeSet<Vec<String>> =
        disk.crash_states().iter().map(|s| s.keys().cloned().collect()).collect();
    let set = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(names, BTreeSet::from([set(&[]), set(&["a"]), set(&["b"])]));
}

#[test]
fn after_a_failed_flush_the_cache_shows_what_the_disk_does_not_have() {
    let disk = SimDisk::new();
    let file = disk.create("a").unwrap();
    disk.fail_at(2, Failure::Error);
    file.write_at(b"x", 0).unwrap();
    assert!(file.flush().is_err());
    file.flush().unwrap();
    assert_eq!(disk.contents()["a"], &b"x"[..]);
    assert!(disk.crash_states().iter().all(|state| state.get("a").is_none_or(|a| a.is_empty())));
    file.forget_cached().unwrap();
    assert_eq!(disk.contents()["a"], &b""[..]);
}

#[test]
fn the_next_flush_does_not_write_what_a_failed_one_was_to_write() {
    // Goal: pages that a failed flush has marked clean stay lost when others are written.
    let disk = SimDisk::new();
    let file = disk.create("a").unwrap();
    file.write_at(&[1; 512], 0).unwrap();
    disk.fail_after(0, Failure::Error);
    assert!(file.flush().is_err());
    file.write_at(&[2; 512], 512).unwrap();
    file.flush().unwrap();
    Dir::flush(&disk).unwrap();
    let left: Vec<Contents> = disk.crash_states().into_iter().collect();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0]["a"][0], left[0]["a"][600]), (0, 2));
}

/// A disk with a flushed file, a write behind it, and a name that nobody flushed.
fn half_flushed() -> SimDisk {
    let disk = SimDisk::new();
    let file = disk.create("a").unwrap();
    file.write_at(&[1; 1024], 0).unwrap();
    file.flush().unwrap();
    Dir::flush(&disk).unwrap();
    file.write_at(&[2; 512], 512).unwrap();
    file.write_at(&[3; 512], 512).unwrap();
    disk.create("b").unwrap();
    disk
}

#[test]
fn a_power_loss_leaves_one_of_the_states_that_it_can_leave() {
    // Goal: what the simulator draws is what unit tests look at, and in time it draws all of it.
    let all = half_flushed().crash_states();
    assert_eq!(all.len(), 10, "old, newest, the one between and two halves, with and without b");
    let mut drawn = BTreeSet::new();
    for seed in 0..400 {
        let disk = half_flushed();
        disk.power_lost(&mut Rng::new(seed));
        drawn.insert(disk.contents());
        assert_eq!(disk.crash_states(), BTreeSet::from([disk.contents()]), "all of it is durable");
    }
    assert_eq!(drawn, all);
}

#[test]
fn a_process_dies_before_a_change_and_makes_no_other() {
    // Goal: nothing reaches the disk from a process that has ended.
    let disk = SimDisk::unrecorded();
    let dir = disk.mount(&Arc::new(AtomicBool::new(true)));
    disk.kill_after(1);
    let file = dir.create("a").unwrap();
    assert!(file.write_at(b"x", 0).is_err());
    assert!(dir.create("b").is_err());
    disk.process_lost();
    assert!(dir.create("b").is_err());
    assert_eq!(disk.describe(), "a:0");
    assert!(disk.had_trouble() && !disk.had_trouble());
    assert!(disk.look().open("a", Access::Read).is_ok());
}

#[test]
fn a_full_disk_takes_what_does_not_grow() {
    // Goal: a full disk refuses what needs space, half of it may be there, and it can be freed.
    let disk = SimDisk::new();
    let file = disk.create("a").unwrap();
    file.write_at(&[1; 100], 0).unwrap();
    disk.set_full(true);
    file.write_at(&[2; 100], 0).unwrap();
    file.flush().unwrap();
    for refused in
        [file.write_at(&[3; 100], 100), file.allocate(0, 1000), disk.create("b").map(drop)]
    {
        assert!(ringkeeper::disk::is_no_space(&refused.unwrap_err()));
    }
    assert_eq!(file.size().unwrap(), 150);
    disk.process_lost();
    assert!(disk.create("b").is_err(), "it is full for the next process, too");
    disk.spare();
    disk.create("b").unwrap();
}

#[test]
fn a_recording_done_again_gives_the_same_disk() {
    let disk = half_flushed();
    disk.create("c").unwrap().allocate(0, 2000).unwrap();
    let again = SimDisk::new();
    disk.changes().iter().for_each(|change| again.redo(change));
    assert_eq!(again.crash_states(), disk.crash_states());
    assert_eq!(again.change_count(), disk.change_count());
}
