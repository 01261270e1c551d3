//! The log thread on a disk that fails: nothing is acknowledged beyond the failure, the reserve is
//! released, the process is ended, and what was acknowledged before is there.

use super::machine::{ENTRY_MAX, entry, recover};
use crate::disk::{Dir, RealDir, reserve};
use crate::log::{Append, IoChoice, LogEvent, LogSettings, settle};
use crate::roles::jobs::LogInput;
use crate::roles::log::{LogParts, OpenError, spawn, spawn_inline};
use crate::runtime::waker;
use crate::testing::disk::{Change, Failure, SimDisk};
use crate::types::Zxid;
use std::sync::{Arc, mpsc};

#[derive(Clone, PartialEq, Eq, Debug)]
enum Heard {
    Event(LogEvent),
    Fatal(String),
}

fn settings() -> LogSettings {
    LogSettings { prealloc: 4096, entry_max: ENTRY_MAX, io: IoChoice::Calls, ..Default::default() }
}

fn parts(dir: Arc<dyn Dir>, settings: LogSettings) -> (LogParts, mpsc::Receiver<Heard>) {
    let (heard, hears) = mpsc::channel();
    let fatal = heard.clone();
    let parts = LogParts {
        chosen: None,
        dir,
        settings,
        last: Zxid::ZERO,
        seed: 1,
        report: Box::new(move |event| heard.send(Heard::Event(event)).unwrap()),
        fatal: Box::new(move |text| fatal.send(Heard::Fatal(text.into())).unwrap()),
    };
    (parts, hears)
}

/// Whose time is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Caller {
    LogThread,
    Sender,
}

const BOTH: [Caller; 2] = [Caller::LogThread, Caller::Sender];

/// Appends `count` transactions one by one, each when the one before it is durable, then stops.
/// Returns the horizon, and the text of the failure if one came.
fn live(
    dir: Arc<dyn Dir>,
    settings: LogSettings,
    count: i64,
    by: Caller,
) -> Result<(Zxid, Option<String>), OpenError> {
    let (parts, hears) = parts(dir, settings);
    let (handle, sender, lent) = match by {
        Caller::LogThread => spawn(parts).map(|(handle, sender)| (handle, sender, None))?,
        Caller::Sender => {
            let (_, waker) = waker::for_thread();
            let (handle, sender, lent) = spawn_inline(parts, waker)?;
            (handle, sender, Some(lent))
        }
    };
    let mut horizon = Zxid::ZERO;
    let mut ended = None;
    for n in 1..=count + 1 {
        if n > count {
            sender.push(LogInput::Stop);
        } else {
            let entry = entry(Zxid(n), 300, 1);
            sender.push(LogInput::Append(Append { zxid: Zxid(n), entry }));
        }
        if n == 3 {
            sender.push(LogInput::RollNow);
        }
        if let Some(lent) = &lent {
            lent.work();
        }
        match hears.recv().unwrap() {
            Heard::Event(LogEvent::Durable { upto }) => horizon = upto.zxid(),
            Heard::Event(LogEvent::Stopped) => {}
            Heard::Event(LogEvent::SnapshotDue { .. }) => unreachable!("not so soon"),
            Heard::Fatal(text) => {
                ended = Some(text);
                break;
            }
        }
    }
    handle.join();
    // Its words go with it.
    drop(lent);
    assert_eq!(hears.try_recv(), Err(mpsc::TryRecvError::Disconnected), "after the end");
    Ok((horizon, ended))
}

#[test]
fn a_life_without_failures_reports_every_transaction_and_stops() {
    let disk = SimDisk::new();
    let (horizon, ended) = live(Arc::new(disk.clone()), settings(), 6, Caller::LogThread).unwrap();
    assert_eq!((horizon, ended), (Zxid(6), None));
    assert_eq!(recover(&disk, Zxid(1)).unwrap().len(), 6);
    let names: Vec<String> = disk.contents().into_keys().collect();
    assert_eq!(
        names,
        [
            "log.1",
            "log.4",
            "ringkeeper.log.1.crc",
            "ringkeeper.log.4.crc",
            "ringkeeper.log.horizon",
            "ringkeeper.reserve"
        ]
    );
}

#[test]
fn whatever_call_fails_and_however_nothing_is_acknowledged_after_it() {
    let whole = SimDisk::new();
    live(Arc::new(whole.clone()), settings(), 6, Caller::LogThread).unwrap();
    let mut ends = 0;
    for number in 0..whole.change_count() {
        let hows = [Failure::Error, Failure::Short, Failure::Full];
        for (how, by) in hows.into_iter().flat_map(|how| BOTH.map(|by| (how, by))) {
            let disk = SimDisk::new();
            disk.fail_at(number, how);
            let Ok((horizon, ended)) = live(Arc::new(disk.clone()), settings(), 6, by) else {
                continue; // it did not start
            };
            if let Some(text) = &ended {
                ends += 1;
                assert!(text.contains("failed in sim/"), "{text}");
                assert!(!disk.contents().contains_key(&reserve::name()), "{text}");
            } else {
                // Only what nothing depends on may fail without an end.
                assert_eq!(horizon, Zxid(6));
            }
            // The power fails, or only the process ended: either way.
            for state in disk.crash_states() {
                let found = recover(&SimDisk::holding(&state), Zxid(1)).unwrap();
                assert!(found.len() as i64 >= horizon.0, "{ended:?}");
            }
            let left = disk.twin();
            let last = settle(&left, ENTRY_MAX).unwrap().last.unwrap_or_default();
            let changes = disk.changes();
            assert!(
                last >= horizon,
                "{last} of {horizon}: {number} {how:?} {ended:?} {:?}",
                changes.get(number)
            );
            for state in left.crash_states() {
                let found = recover(&SimDisk::holding(&state), Zxid(1)).unwrap();
                assert!(found.len() as i64 >= last.0, "I2: {last} was read from a cache that lied");
            }
        }
    }
    assert!(ends > 60, "{ends} failures ended the log");
}

#[test]
fn a_batchs_failed_flush_is_never_tried_again() {
    // Larger than a write that prepares a segment, smaller than the reserve.
    let size = 300 << 10;
    let is_batch = |change: &Change| matches!(change, Change::Write { bytes, .. } if (size..size * 3).contains(&bytes.len()));
    let disk = SimDisk::new();
    disk.fail_flush_after(size..size * 3);
    let settings = LogSettings { entry_max: 1 << 20, ..settings() };
    let (parts, hears) = parts(Arc::new(disk.clone()), settings);
    let (handle, sender) = spawn(parts).unwrap();
    for n in 1..=2 {
        let entry = entry(Zxid(n), size, 1);
        sender.push(LogInput::Append(Append { zxid: Zxid(n), entry }));
    }
    handle.join();
    let heard: Vec<Heard> = hears.iter().collect();
    let fatal = "writing a batch failed in sim/log.1: Input/output error (os error 5)";
    assert_eq!(heard, [Heard::Fatal(fatal.into())]);
    let changes = disk.changes();
    let write = changes.iter().position(is_batch).unwrap();
    let Change::Write { inode, .. } = &changes[write] else { unreachable!() };
    let later = changes[write + 1..].iter().filter(|c| **c == Change::Flush { inode: *inode });
    assert_eq!(later.count(), 1, "I11: {:?}", &changes[write + 1..]);
    assert_eq!(changes.iter().filter(|c| is_batch(c)).count(), 1, "I11");
}

#[test]
fn every_way_to_the_disk_works_on_real_files() {
    for io in [IoChoice::Calls, IoChoice::Ring, IoChoice::Direct, IoChoice::Auto] {
        for (prealloc, by) in [-1, 1 << 20].into_iter().flat_map(|size| BOTH.map(|by| (size, by))) {
            let scratch = tempfile::tempdir().unwrap();
            let dir = Arc::new(RealDir::open(scratch.path()).unwrap());
            let settings = LogSettings { io, prealloc, ..settings() };
            let (horizon, ended) = live(dir.clone(), settings, 20, by).unwrap();
            assert_eq!((horizon, ended), (Zxid(20), None), "{io:?}");
            let settled = settle(dir.as_ref(), ENTRY_MAX).unwrap();
            assert_eq!((settled.last, settled.torn.len()), (Some(Zxid(20)), 0), "{io:?}");
            let found = super::machine::read(dir.as_ref(), Zxid(1)).unwrap();
            assert_eq!(found.len(), 20, "{io:?}");
        }
    }
}

#[test]
fn a_log_that_holds_more_than_was_loaded_is_not_written_over() {
    let disk = SimDisk::new();
    live(Arc::new(disk.clone()), settings(), 6, Caller::LogThread).unwrap();
    let (parts, _hears) = parts(Arc::new(disk.clone()), settings());
    let refused = spawn(LogParts { last: Zxid(4), ..parts }).map(drop).unwrap_err();
    assert!(
        matches!(refused, OpenError::Ahead { newest: Zxid(6), last: Zxid(4), .. }),
        "{refused}"
    );
}

#[test]
fn a_way_to_the_disk_that_does_not_work_here_is_refused_at_the_start() {
    // A simulated file is none of the kernel's.
    let disk = SimDisk::new();
    let (parts, _hears) = parts(Arc::new(disk), LogSettings { io: IoChoice::Ring, ..settings() });
    let refused = spawn(parts).map(drop).unwrap_err().to_string();
    assert!(refused.contains("ringkeeper.log.io=ring does not work in sim/"), "{refused}");
}

#[test]
fn a_batch_in_the_mailbox_is_one_flush() {
    let disk = SimDisk::new();
    let (parts, hears) = parts(Arc::new(disk.clone()), settings());
    let (handle, sender) = spawn(parts).unwrap();
    let append = |n| LogInput::Append(Append { zxid: Zxid(n), entry: entry(Zxid(n), 40, 1) });
    let mut batch: Vec<LogInput> = (1..=50).map(append).chain([LogInput::Stop]).collect();
    sender.push_all(&mut batch);
    let mut heard = Vec::new();
    while let Ok(one) = hears.recv() {
        heard.push(one);
    }
    assert_eq!(heard.len(), 2, "{heard:?}");
    let figures = handle.figures.read();
    assert_eq!((figures.batches, figures.records), (1, 50));
    handle.join();
}
