//! The core's decisions, without any disk.

use super::machine::{Doing, ENTRY_MAX, Machine, Preparing, Writer, entry, settings};
use crate::log::LogSettings;
use crate::log::core::{Append, Effect, Input, Job, LogCore};
use crate::log::name::list_logs;
use crate::testing::disk::SimDisk;
use crate::types::{Epoch, Millis, Zxid};

fn machine(settings: LogSettings) -> Machine {
    let mut machine =
        Machine::with(SimDisk::new(), Zxid::ZERO, Preparing::Eager, Writer::Calls, 1, settings);
    machine.start().unwrap();
    machine
}

fn files(machine: &Machine) -> Vec<i64> {
    list_logs(&machine.disk).unwrap().iter().map(|log| log.first.0).collect()
}

#[test]
fn a_segment_is_named_for_its_first_transaction_and_ends_at_a_roll() {
    let mut machine = machine(settings());
    machine.perform(Doing::Roll).unwrap();
    machine.perform(Doing::Batch(&[40, 40])).unwrap();
    machine.perform(Doing::Roll).unwrap();
    machine.perform(Doing::Roll).unwrap();
    machine.perform(Doing::Batch(&[40])).unwrap();
    machine.perform(Doing::Epoch).unwrap();
    machine.perform(Doing::Batch(&[40])).unwrap();
    assert_eq!(files(&machine), [1, 3]);
    assert_eq!(machine.reported.last().unwrap().1, Zxid::new(Epoch(1), 1));
}

#[test]
fn a_segment_ends_when_its_space_or_the_size_limit_is_used_up() {
    let mut by_space = machine(settings());
    for _ in 0..3 {
        by_space.perform(Doing::Batch(&[1900])).unwrap();
    }
    assert_eq!(files(&by_space), [1, 3]);
    let mut by_limit = machine(LogSettings { size_limit: 500, ..settings() });
    for _ in 0..5 {
        by_limit.perform(Doing::Batch(&[300])).unwrap();
    }
    assert_eq!(files(&by_limit), [1, 3, 5]);
    // Without preparation the file grows.
    let mut growing = machine(LogSettings { prealloc: 0, ..settings() });
    for _ in 0..5 {
        growing.perform(Doing::Batch(&[1900])).unwrap();
    }
    assert_eq!(files(&growing), [1]);
}

#[test]
fn a_record_larger_than_a_segment_waits_for_one_of_its_size() {
    let mut machine = machine(LogSettings { entry_max: 20_000, ..settings() });
    machine.perform(Doing::Batch(&[40, 15_000, 40])).unwrap();
    assert_eq!(files(&machine), [1, 2]);
    assert_eq!(machine.reported.last().unwrap().1, Zxid(3));
}

#[test]
fn a_snapshot_is_due_after_half_to_all_of_snap_count_and_ends_the_segment() {
    let mut due = Vec::new();
    for seed in 0..40 {
        let settings = LogSettings { snap_count: 20, prealloc: 1 << 20, ..settings() };
        let mut machine = Machine::with(
            SimDisk::new(),
            Zxid::ZERO,
            Preparing::Eager,
            Writer::Calls,
            seed,
            settings,
        );
        machine.start().unwrap();
        for _ in 0..45 {
            machine.perform(Doing::Batch(&[40])).unwrap();
        }
        assert!(machine.snapshots_due.len() >= 2);
        let first = machine.snapshots_due[0].0;
        assert!((11..=20).contains(&first), "{first}");
        assert_eq!(files(&machine)[1], first + 1);
        due.push(first);
    }
    due.sort_unstable();
    due.dedup();
    assert!(due.len() > 3, "servers of an ensemble take turns: {due:?}");
    let by_size = LogSettings { snap_size: 10_000, prealloc: 1 << 20, ..settings() };
    let mut machine = machine(by_size);
    for _ in 0..25 {
        machine.perform(Doing::Batch(&[1000])).unwrap();
    }
    assert!(machine.snapshots_due.len() >= 2, "{:?}", machine.snapshots_due);
}

/// The writes of a core that is given everything at once.
fn batches(settings: LogSettings, sizes: &[usize]) -> Vec<usize> {
    let mut core = LogCore::new(settings, Zxid::ZERO, 1, Millis(0));
    let mut effects = Vec::new();
    core.start(&mut effects);
    core.step(Millis(0), Input::Prepared { segment: 0, upto: 1 << 20 }, &mut effects);
    for (n, size) in sizes.iter().enumerate() {
        let zxid = Zxid(n as i64 + 1);
        let append = Append { zxid, entry: entry(zxid, *size, 1) };
        core.step(Millis(0), Input::Append(append), &mut effects);
    }
    core.step(Millis(0), Input::Quiet, &mut effects);
    let mut batches = Vec::new();
    while let Some(at) = effects.iter().position(|e| matches!(e, Effect::Write { .. })) {
        let Effect::Write { bytes, records, .. } = effects.remove(at) else { unreachable!() };
        batches.push(records);
        core.step(Millis(0), Input::Flushed(bytes), &mut effects);
    }
    batches
}

#[test]
fn a_batch_ends_at_max_batch_size() {
    let of = |max_batch| batches(LogSettings { max_batch, ..settings() }, &[40; 10]);
    assert_eq!(of(4), [4, 4, 2]);
    assert_eq!(of(1), [1; 10]);
    assert_eq!(of(0), [10]);
}

#[test]
fn one_batch_is_in_flight_and_the_next_takes_all_that_came_meanwhile() {
    let mut core = LogCore::new(settings(), Zxid::ZERO, 1, Millis(0));
    let mut effects = Vec::new();
    let append = |n| Input::Append(Append { zxid: Zxid(n), entry: entry(Zxid(n), 40, 1) });
    core.step(Millis(0), Input::Prepared { segment: 0, upto: 1 << 20 }, &mut effects);
    core.step(Millis(0), append(1), &mut effects);
    core.step(Millis(0), Input::Quiet, &mut effects);
    let writes =
        |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Write { .. })).count();
    assert_eq!(writes(&effects), 1);
    for n in 2..=5 {
        core.step(Millis(0), append(n), &mut effects);
        core.step(Millis(0), Input::Quiet, &mut effects);
    }
    assert_eq!(writes(&effects), 1);
    effects.clear();
    core.step(Millis(0), Input::Flushed(Vec::new()), &mut effects);
    assert!(
        matches!(effects[..], [Effect::Report(_), Effect::Write { records: 4, .. }]),
        "{effects:?}"
    );
}

#[test]
fn a_flush_delay_lets_a_batch_wait_for_company_but_not_for_ever() {
    let delayed = LogSettings { flush_delay_ms: 30, poll_ms: 10, ..settings() };
    let mut core = LogCore::new(delayed, Zxid::ZERO, 1, Millis(0));
    let mut effects = Vec::new();
    core.step(Millis(0), Input::Prepared { segment: 0, upto: 1 << 20 }, &mut effects);
    effects.clear();
    let append = |n| Input::Append(Append { zxid: Zxid(n), entry: entry(Zxid(n), 40, 1) });
    core.step(Millis(5), append(1), &mut effects);
    core.step(Millis(5), Input::Quiet, &mut effects);
    assert_eq!((effects.len(), core.deadline()), (0, Some(Millis(15))), "10 ms without another");
    core.step(Millis(14), append(2), &mut effects);
    core.step(Millis(15), Input::Quiet, &mut effects);
    assert_eq!((effects.len(), core.deadline()), (0, Some(Millis(24))));
    core.step(Millis(23), append(3), &mut effects);
    core.step(Millis(29), Input::Quiet, &mut effects);
    assert_eq!(
        (effects.len(), core.deadline()),
        (0, Some(Millis(30))),
        "30 ms since the last flush"
    );
    core.step(Millis(30), Input::Quiet, &mut effects);
    assert!(effects.iter().any(|e| matches!(e, Effect::Write { records: 3, .. })), "{effects:?}");
    assert_eq!(core.deadline(), None);
}

#[test]
fn a_batch_that_waits_for_space_asks_for_no_time() {
    // Goal: the log's thread sleeps until the space is there, where a delay of flushes is over too.
    let delayed = LogSettings { flush_delay_ms: 30, poll_ms: 10, ..settings() };
    let mut core = LogCore::new(delayed, Zxid::ZERO, 1, Millis(0));
    let mut effects = Vec::new();
    core.start(&mut effects);
    let append = Append { zxid: Zxid(1), entry: entry(Zxid(1), 40, 1) };
    core.step(Millis(5), Input::Append(append), &mut effects);
    assert_eq!(core.deadline(), Some(Millis(15)));
    core.step(Millis(40), Input::Quiet, &mut effects);
    assert_eq!(core.deadline(), None, "there is no space: {effects:?}");
    core.step(Millis(41), Input::Prepared { segment: 0, upto: 1 << 20 }, &mut effects);
    assert!(effects.iter().any(|e| matches!(e, Effect::Write { records: 1, .. })), "{effects:?}");
}

#[test]
fn without_force_sync_nothing_is_flushed() {
    let mut core =
        LogCore::new(LogSettings { force_sync: false, ..settings() }, Zxid::ZERO, 1, Millis(0));
    let mut effects = Vec::new();
    core.step(Millis(0), Input::Prepared { segment: 0, upto: 1 << 20 }, &mut effects);
    let append = Append { zxid: Zxid(1), entry: entry(Zxid(1), 40, 1) };
    core.step(Millis(0), Input::Append(append), &mut effects);
    core.step(Millis(0), Input::Quiet, &mut effects);
    assert!(effects.iter().any(|e| matches!(e, Effect::Write { flush: false, .. })));
}

fn append_after(last: Zxid, zxid: Zxid, size: usize) {
    let mut core = LogCore::new(settings(), last, 1, Millis(0));
    let append = Append { zxid, entry: entry(zxid, size, 1) };
    core.step(Millis(0), Input::Append(append), &mut Vec::new());
}

#[test]
fn a_transaction_follows_its_predecessor_or_begins_a_later_epoch() {
    append_after(Zxid(7), Zxid(8), 40);
    append_after(Zxid(7), Zxid::new(Epoch(1), 1), 40);
    append_after(Zxid(-1), Zxid(5), 40);
}

#[test]
#[should_panic(expected = "I4")]
fn a_gap_is_refused_where_it_would_enter() {
    append_after(Zxid(7), Zxid(9), 40);
}

#[test]
#[should_panic(expected = "I4")]
fn a_transaction_does_not_come_twice() {
    append_after(Zxid(7), Zxid(7), 40);
}

#[test]
#[should_panic(expected = "I14")]
fn an_entry_that_no_reader_takes_is_refused() {
    append_after(Zxid(7), Zxid(8), ENTRY_MAX + 1);
}

/// A core whose disk has this much space for segments: what it asks for, and what it does at the end.
fn on_a_disk_of(space: u64, records: i64) -> (Vec<(u64, u64)>, i64, Option<u64>) {
    let settings = LogSettings { prealloc: 4 << 20, entry_max: 20_000, ..LogSettings::default() };
    let mut core = LogCore::new(settings, Zxid::ZERO, 1, Millis(0));
    let (mut effects, mut asked) = (Vec::new(), Vec::new());
    let mut taken = std::collections::BTreeMap::new();
    core.start(&mut effects);
    for n in 1..=records + 1 {
        if n <= records {
            let append = Append { zxid: Zxid(n), entry: entry(Zxid(n), 10_000, 1) };
            core.step(Millis(0), Input::Append(append), &mut effects);
        }
        core.step(Millis(0), Input::Quiet, &mut effects);
        while !effects.is_empty() {
            match effects.remove(0) {
                Effect::Prepare(Job::Fill { segment, from, to, .. }) => {
                    asked.push((from, to));
                    let others: u64 =
                        taken.iter().filter(|(s, _)| **s != segment).map(|(_, n)| n).sum();
                    let input = if others + to <= space {
                        taken.insert(segment, to);
                        Input::Prepared { segment, upto: to }
                    } else {
                        Input::NoSpace { segment }
                    };
                    core.step(Millis(0), input, &mut effects);
                }
                Effect::Write { bytes, .. } => {
                    core.step(Millis(0), Input::Flushed(bytes), &mut effects);
                }
                Effect::OutOfSpace { wanted } => return (asked, core.durable().0, Some(wanted)),
                Effect::Prepare(_) | Effect::Adopt { .. } | Effect::Flush | Effect::Report(_) => {}
            }
        }
    }
    (asked, core.durable().0, None)
}

#[test]
fn a_disk_that_runs_full_is_used_to_the_last_byte_that_can_be_laid_out() {
    // Goal: no end before the space laid out is used up, and smaller segments before that end.
    let space = 5 * (1 << 20) + (100 << 10);
    let (asked, durable, out_of) = on_a_disk_of(space, 2000);
    assert!(out_of.is_some(), "it ends when there is no space at all");
    let used = durable * (10_000 + 13);
    assert!(space as i64 - used < (100 << 10), "{used} of {space} bytes: {asked:?}");
    // The whole usual size at first, then what there is.
    assert!(asked.contains(&(0, 64 << 10)), "{asked:?}");
}

#[test]
fn a_disk_without_any_space_ends_the_log_before_it_has_promised_anything() {
    // Goal: a start on a full disk fails at once and says what it wanted.
    let (asked, durable, out_of) = on_a_disk_of(8 << 10, 0);
    assert_eq!((durable, out_of), (0, Some(64 << 10)), "{asked:?}");
    // What one small segment takes is enough to serve.
    assert_eq!(on_a_disk_of(70 << 10, 6).1, 6);
}
