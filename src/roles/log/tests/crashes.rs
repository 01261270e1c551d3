//! Every crash of every short life of the log: whatever was acknowledged is recovered, nothing is
//! invented, no state that a crash alone can leave is refused, and a crash during recovery, or
//! after it, is as harmless as the first.

use super::machine::{Doing, Machine, Preparing, Writer, entry, recover, settings};
use crate::log::name::list_logs;
use crate::log::{LogSettings, settle};
use crate::testing::disk::{Change, Contents, SimDisk};
use crate::types::Zxid;
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Records small and large: within a sector, across two, several in one batch.
const ONE: Doing = Doing::Batch(&[200]);
const THREE: Doing = Doing::Batch(&[100, 500, 60]);

/// What was looked at.
#[derive(Default, Debug)]
struct Count {
    lives: usize,
    crashes: usize,
    states: usize,
    second_crashes: usize,
    lives_after: usize,
}

type Found = Result<Vec<(Zxid, Bytes)>, String>;

/// Recoveries done, by what the disk held: different crashes leave the same states.
#[derive(Default)]
struct Recoveries {
    done: HashMap<(u128, Zxid), Rc<Recovery>>,
    lives_after: HashSet<(u128, Zxid)>,
    count: Count,
}

struct Recovery {
    found: Found,
    changes: Vec<Change>,
    after: SimDisk,
}

impl Recoveries {
    fn of(&mut self, state: &Contents, from: Zxid) -> Rc<Recovery> {
        let recover_now = || {
            let after = SimDisk::holding(state);
            let found = recover(&after, from).map_err(|e| e.to_string());
            Rc::new(Recovery { found, changes: after.changes(), after })
        };
        self.done.entry((fingerprint(state), from)).or_insert_with(recover_now).clone()
    }
}

fn fingerprint(state: &Contents) -> u128 {
    let (mut a, mut b) = (0, 1);
    for (name, bytes) in state {
        for part in [name.as_bytes(), &(bytes.len() as u64).to_be_bytes(), bytes] {
            a = crc32c::crc32c_append(a, part);
            let mut other = crc32fast::Hasher::new_with_initial(b as u32);
            other.update(part);
            b = (b << 32) ^ (b >> 32) ^ u128::from(other.finalize());
        }
    }
    (b << 32) | u128::from(a)
}

/// What must be true of a crash state of a life.
struct Expected<'a> {
    appended: &'a [(Zxid, Bytes)],
    acknowledged: Zxid,
    /// Transactions up to here are in a snapshot.
    snapshot: Zxid,
}

impl Expected<'_> {
    fn check(&self, found: &Found, at_least: Zxid) -> Zxid {
        let found = found.as_ref().unwrap_or_else(|e| panic!("refused: {e}"));
        let wanted: Vec<_> = self.appended.iter().filter(|(z, _)| *z > self.snapshot).collect();
        assert!(found.len() <= wanted.len(), "invented");
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!(found == *wanted, "{} in place of {}", found.0, wanted.0);
        }
        let last = found.last().map_or(self.snapshot, |(zxid, _)| *zxid);
        assert!(last >= at_least, "I1: {at_least} was acknowledged, {last} recovered");
        last
    }

    fn from(&self) -> Zxid {
        Zxid(self.snapshot.0 + 1)
    }
}

/// Crashes at every point of the last step of a life.
fn crash_everywhere(
    doings: &[Doing],
    preparing: Preparing,
    writer: Writer,
    recoveries: &mut Recoveries,
) {
    let disk = SimDisk::new();
    let mut machine = Machine::new(disk.clone(), Zxid::ZERO, preparing, writer, 1);
    machine.start().unwrap();
    let mut before_last = 0;
    for doing in doings {
        before_last = disk.change_count();
        machine.perform(*doing).unwrap();
    }
    recoveries.count.lives += 1;
    let changes = disk.changes();
    let upto = |list: &[(usize, Zxid)], done: usize| {
        list.iter().filter(|(at, _)| *at <= done).map(|(_, z)| *z).max().unwrap_or(Zxid::ZERO)
    };
    let again = SimDisk::new();
    for done in 0..=changes.len() {
        if done >= before_last {
            let expected = Expected {
                appended: &machine.appended,
                acknowledged: upto(&machine.reported, done),
                snapshot: upto(&machine.snapshots, done),
            };
            recoveries.count.crashes += 1;
            check_crash(&again, &expected, recoveries);
        }
        if let Some(change) = changes.get(done) {
            again.redo(change);
        }
    }
    let all = machine.appended.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
    assert_eq!(upto(&machine.reported, changes.len()), all, "not everything was acknowledged");
}

fn check_crash(disk: &SimDisk, expected: &Expected<'_>, recoveries: &mut Recoveries) {
    check_killed_process(disk, expected, recoveries);
    for state in disk.crash_states() {
        recoveries.count.states += 1;
        let recovery = recoveries.of(&state, expected.from());
        let last = expected.check(&recovery.found, expected.acknowledged);
        check_second_crash(&state, &recovery, expected, last, recoveries);
        if recoveries.lives_after.insert((fingerprint(&recovery.after.contents()), last)) {
            recoveries.count.lives_after += 1;
            check_life_after(&recovery.after, expected, last);
        }
    }
}

/// Only the process ends: the cache stays. What recovery finds there is advertised, so it must
/// survive a power loss right after (I2).
fn check_killed_process(disk: &SimDisk, expected: &Expected<'_>, recoveries: &mut Recoveries) {
    let left = disk.twin();
    let found = recover(&left, expected.from()).map_err(|e| e.to_string());
    let last = expected.check(&found, expected.acknowledged);
    for state in left.crash_states() {
        expected.check(&recoveries.of(&state, expected.from()).found, last);
    }
}

/// A crash at every point of the recovery from the first one.
fn check_second_crash(
    state: &Contents,
    recovery: &Recovery,
    expected: &Expected<'_>,
    last: Zxid,
    recoveries: &mut Recoveries,
) {
    let again = SimDisk::holding(state);
    for change in &recovery.changes {
        again.redo(change);
        // A flush leaves one of the states that there could be before it.
        if matches!(change, Change::Flush { .. } | Change::FlushDir) {
            continue;
        }
        for second in again.crash_states() {
            recoveries.count.second_crashes += 1;
            // The cut may be done or not; the records before it stay.
            expected.check(&recoveries.of(&second, expected.from()).found, last);
        }
    }
}

/// The log goes on after the crash, with other transactions under the numbers that were lost, and
/// is read back whole, after one more crash.
fn check_life_after(recovered: &SimDisk, expected: &Expected<'_>, last: Zxid) {
    let disk = recovered.twin();
    let mut machine = Machine::new(disk.clone(), last, Preparing::Late, Writer::Calls, 2);
    machine.start().unwrap();
    machine.perform(Doing::Batch(&[100, 450])).unwrap();
    let kept = expected.appended.iter().filter(|(z, _)| *z > expected.snapshot && *z <= last);
    let whole: Vec<_> = kept.chain(&machine.appended).cloned().collect();
    for state in disk.crash_states() {
        let found = recover(&SimDisk::holding(&state), expected.from()).unwrap();
        assert!(found == whole, "after a second life");
    }
}

/// All sequences of up to `length` doings, shorter ones first.
fn sequences(of: &[Doing], length: usize) -> Vec<Vec<Doing>> {
    let mut all = vec![Vec::new()];
    let mut longest = all.clone();
    for _ in 0..length {
        longest =
            longest.iter().flat_map(|s| of.iter().map(|d| [&s[..], &[*d]].concat())).collect();
        all.extend(longest.iter().cloned());
    }
    all
}

/// How many doings a life has; more can be asked for by hand.
fn length(usual: usize) -> usize {
    std::env::var("RINGKEEPER_CRASH_LENGTH").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

fn crash_all(lives: &[Vec<Doing>], preparing: Preparing, writer: Writer) -> Count {
    let mut recoveries = Recoveries::default();
    for life in lives {
        crash_everywhere(life, preparing, writer, &mut recoveries);
        recoveries.done.clear();
    }
    let count = recoveries.count;
    println!("{preparing:?} {writer:?}: {count:?}");
    assert!(count.states > count.lives, "{count:?}");
    count
}

#[test]
fn no_crash_loses_what_was_acknowledged_preparing_at_once() {
    crash_all(
        &sequences(&[ONE, THREE, Doing::Roll, Doing::Purge], length(4)),
        Preparing::Eager,
        Writer::Calls,
    );
}

#[test]
fn no_crash_loses_what_was_acknowledged_preparing_late() {
    crash_all(
        &sequences(&[ONE, THREE, Doing::Roll, Doing::Epoch], length(4)),
        Preparing::Late,
        Writer::Calls,
    );
}

#[test]
fn no_crash_loses_what_was_acknowledged_preparing_beside_batches() {
    crash_all(&sequences(&[ONE, THREE, Doing::Roll], length(4)), Preparing::Between, Writer::Calls);
}

#[test]
fn no_crash_loses_what_was_acknowledged_writing_direct() {
    crash_all(&sequences(&[ONE, THREE, Doing::Roll], length(3)), Preparing::Eager, Writer::Direct);
}

#[test]
fn no_crash_loses_what_was_acknowledged_in_longer_lives() {
    // Six batches each: the segment's space ends within them, by size.
    let lives = [
        [THREE, THREE, THREE, THREE, ONE, THREE].to_vec(),
        [ONE, ONE, ONE, ONE, ONE, ONE].to_vec(),
        [THREE, Doing::Roll, ONE, Doing::Purge, THREE, THREE].to_vec(),
        [Doing::Batch(&[1500]), ONE, Doing::Batch(&[1800]), THREE, Doing::Purge, THREE].to_vec(),
    ];
    for preparing in [Preparing::Eager, Preparing::Late, Preparing::Between] {
        let prefixes: Vec<_> =
            lives.iter().flat_map(|l| (1..=l.len()).map(|n| l[..n].to_vec())).collect();
        crash_all(&prefixes, preparing, Writer::Calls);
    }
}

#[test]
fn without_force_sync_every_crash_leaves_a_beginning_that_starts() {
    // Goal: nothing beside the log promises what no flush has confirmed; a finished segment is whole.
    let lives = [
        [ONE, ONE, Doing::Roll, ONE, ONE].to_vec(),
        [ONE, Doing::Roll, ONE, Doing::Roll, ONE].to_vec(),
        [Doing::Batch(&[1500]), Doing::Batch(&[1800]), Doing::Batch(&[1700])].to_vec(),
    ];
    let mut states = 0;
    for (life, stop) in lives.iter().flat_map(|life| [(life, false), (life, true)]) {
        let disk = SimDisk::new();
        let settings = LogSettings { force_sync: false, ..settings() };
        let mut machine =
            Machine::with(disk.clone(), Zxid::ZERO, Preparing::Eager, Writer::Calls, 1, settings);
        machine.start().unwrap();
        life.iter().for_each(|doing| machine.perform(*doing).unwrap());
        if stop {
            machine.stop().unwrap();
        }
        let again = SimDisk::new();
        for change in disk.changes() {
            again.redo(&change);
            for state in again.crash_states() {
                states += 1;
                let newest = list_logs(&SimDisk::holding(&state)).unwrap().last().map(|l| l.first);
                let found = recover(&SimDisk::holding(&state), Zxid(1));
                let found = found.unwrap_or_else(|e| panic!("refused: {e}"));
                assert!(machine.appended.starts_with(&found), "invented");
                assert!(found.len() as i64 >= newest.unwrap_or_default().0 - 1, "{newest:?}");
            }
        }
        let whole = recover(&again.twin(), Zxid(1)).unwrap();
        assert_eq!(whole.len(), machine.appended.len(), "of a killed process nothing is lost");
    }
    assert!(states > 500, "{states}");
}

#[test]
fn settling_twice_changes_nothing_more() {
    // The second look must find what the first left, or a crash in between could never end.
    let disk = SimDisk::new();
    let mut machine = Machine::new(disk.clone(), Zxid::ZERO, Preparing::Eager, Writer::Calls, 1);
    machine.start().unwrap();
    machine.perform(THREE).unwrap();
    machine.perform(ONE).unwrap();
    let torn = entry(Zxid(9), 700, 3);
    super::machine::poke(&disk, "log.1", 1500, &torn[30..]);
    let first = settle(&disk, super::machine::ENTRY_MAX).unwrap();
    let after = disk.contents();
    let second = settle(&disk, super::machine::ENTRY_MAX).unwrap();
    assert_eq!((first.last, disk.contents()), (second.last, after));
    assert!(first.torn.len() == 1 && second.torn.is_empty());
}
