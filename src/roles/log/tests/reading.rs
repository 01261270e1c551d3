//! What is read back from whole, torn and damaged files, ours and ZooKeeper's.

use super::machine::{Doing, ENTRY_MAX, Machine, Preparing, Writer, entry, poke, read, recover};
use crate::codec::txn::decode_entry;
use crate::disk::{Access, Dir, RealDir};
use crate::log::frame::{self, HEADER, Nonce};
use crate::log::name::{log_name, side_name};
use crate::log::scan::Cause;
use crate::log::{
    LogSettings, Replay, ReplayError, horizon, settle, settle_with_snapshots, truncate,
};
use crate::testing::disk::SimDisk;
use crate::types::{Epoch, Zxid};

/// A log of a live ZooKeeper 3.9.5, its padding cut off.
const JAVA: &[u8] = include_bytes!("../../../snapshot/testdata/log.1");

fn zxids(found: Result<Vec<(Zxid, bytes::Bytes)>, ReplayError>) -> Vec<i64> {
    found.unwrap().iter().map(|(zxid, _)| zxid.0).collect()
}

/// A disk with a log of the given batches, stopped or not, and nothing beside the newest segment that
/// says how far it is durable.
fn written(doings: &[Doing], stop: bool) -> (SimDisk, Machine) {
    let (disk, machine) = promised(doings, stop);
    horizon::remove(&disk).unwrap();
    (disk, machine)
}

/// The same with that record.
fn promised(doings: &[Doing], stop: bool) -> (SimDisk, Machine) {
    let disk = SimDisk::new();
    let mut machine = Machine::new(disk.clone(), Zxid::ZERO, Preparing::Eager, Writer::Calls, 1);
    machine.start().unwrap();
    doings.iter().for_each(|doing| machine.perform(*doing).unwrap());
    if stop {
        machine.stop().unwrap();
    }
    (disk, machine)
}

/// A file as ZooKeeper writes it: zxids of 40-byte entries, then `padding` zeros.
fn foreign(disk: &SimDisk, first: i64, zxids: impl IntoIterator<Item = i64>, padding: usize) {
    let mut bytes = b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec();
    for zxid in zxids {
        frame::put_record(&mut bytes, &entry(Zxid(zxid), 40, 9));
    }
    bytes.resize(bytes.len() + padding, 0);
    let file = disk.create(&log_name(Zxid(first))).unwrap();
    file.write_at(&bytes, 0).unwrap();
    file.flush().unwrap();
    Dir::flush(disk).unwrap();
}

/// Bytes of such a record.
const FOREIGN: usize = 53;

#[test]
fn a_java_servers_log_is_read_whole() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("log.1"), JAVA).unwrap();
    let dir = RealDir::open(scratch.path()).unwrap();
    let settled = settle(&dir, 1 << 20).unwrap();
    assert!(settled.torn.is_empty());
    let mut replay = Replay::open(&dir, Zxid(1), 1 << 20).unwrap();
    let mut next = 1;
    while let Some(record) = replay.next_record().unwrap() {
        assert_eq!(record.zxid, Zxid(next));
        assert_eq!(decode_entry(record.entry, 1 << 20).unwrap().header.zxid, record.zxid);
        next += 1;
    }
    assert_eq!(settled.last, Some(Zxid(next - 1)));
    assert!(next > 50);
    // From the middle, only what was asked for.
    let mut replay = Replay::open(&dir, Zxid(40), 1 << 20).unwrap();
    assert_eq!(replay.next_record().unwrap().unwrap().zxid, Zxid(40));
}

#[test]
fn a_javas_log_cut_at_any_byte_is_a_torn_tail() {
    for len in (0..JAVA.len()).step_by(7) {
        let disk = SimDisk::new();
        let file = disk.create("log.1").unwrap();
        file.write_at(&JAVA[..len], 0).unwrap();
        let found = recover(&disk, Zxid(1)).unwrap();
        assert!(found.len() <= 70 && (len < 200 || !found.is_empty()));
        // What is cut is cut: the file reads the same with a newer one behind it.
        foreign(&disk, 0x1_0000_0001, [0x1_0000_0001], 0);
        let again = read(&disk, Zxid(1)).unwrap();
        assert_eq!(again.len(), found.len() + 1);
    }
}

#[test]
fn damage_of_an_acknowledged_batch_is_refused_and_names_the_place() {
    let (disk, _) =
        written(&[Doing::Batch(&[100]), Doing::Batch(&[100]), Doing::Batch(&[100])], false);
    // One bit in the first batch; the second and the third began behind it.
    let whole = disk.contents()["log.1"].clone();
    poke(&disk, "log.1", HEADER + 60, &[whole[HEADER + 60] ^ 1]);
    let refused = recover(&disk, Zxid(1)).unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, ReplayError::Damaged { offset: 16, cause: Cause::Checksum, .. }));
    assert!(text.contains("log.1") && text.contains("offset 16"), "{text}");
    // A zeroed record, which Java reads as the end, is damage as well.
    let (disk, _) =
        written(&[Doing::Batch(&[100]), Doing::Batch(&[100]), Doing::Batch(&[100])], false);
    poke(&disk, "log.1", HEADER, &[0; 113]);
    assert!(matches!(
        recover(&disk, Zxid(1)),
        Err(ReplayError::Damaged { cause: Cause::Zero, .. })
    ));
}

#[test]
fn a_bad_record_of_the_last_batch_is_cut_with_what_follows_it() {
    // No flush after this batch is known of: it may be the one that a crash interrupted.
    let (disk, _) = written(&[Doing::Batch(&[100]), Doing::Batch(&[100, 100, 100])], false);
    let second = HEADER + 113;
    poke(&disk, "log.1", second + 113 + 40, &[0x77]);
    let settled = settle(&disk, ENTRY_MAX).unwrap();
    assert_eq!((settled.last, settled.torn.len()), (Some(Zxid(2)), 1));
    assert_eq!(settled.torn[0].offset as usize, second + 113);
    assert_eq!(zxids(read(&disk, Zxid(1))), [1, 2]);
}

#[test]
fn javas_files_say_nothing_of_batches_so_a_good_record_behind_a_bad_one_is_damage() {
    for hole in [&[0x55; 4][..], &[0; FOREIGN][..]] {
        let disk = SimDisk::new();
        foreign(&disk, 1, 1..=5, 1000);
        poke(&disk, "log.1", HEADER + 2 * FOREIGN, hole);
        let refused = recover(&disk, Zxid(1)).unwrap_err();
        let expected = (HEADER + 3 * FOREIGN) as u64;
        assert!(
            matches!(refused, ReplayError::Damaged { evidence, .. } if evidence == expected),
            "{refused}"
        );
    }
    // The same in the last record: nothing good is behind it, and Java would not start with it. Its
    // length gone, or its end, is what Java takes for the end of the log.
    let damaged = |offset: usize, bytes: &[u8]| {
        let disk = SimDisk::new();
        foreign(&disk, 1, 1..=5, 1000);
        poke(&disk, "log.1", HEADER + 4 * FOREIGN + offset, bytes);
        recover(&disk, Zxid(1))
    };
    for (offset, bytes) in [(0, &[0x55; 4][..]), (30, &[1]), (8, &[0x7f, 0, 0, 0])] {
        let refused = damaged(offset, bytes).unwrap_err();
        assert!(matches!(refused, ReplayError::Unsound { .. }), "{refused}");
        assert!(refused.to_string().contains("truncate -s 228 sim/log.1"), "{refused}");
    }
    for (offset, bytes) in [(8, &[0; 4][..]), (FOREIGN - 1, &[0])] {
        assert_eq!(zxids(damaged(offset, bytes)), [1, 2, 3, 4]);
    }
}

#[test]
fn a_damaged_file_in_the_middle_is_refused() {
    let disk = SimDisk::new();
    foreign(&disk, 1, 1..=3, 0);
    foreign(&disk, 0x1_0000_0001, [0x1_0000_0001], 0);
    poke(&disk, "log.1", HEADER + 2 * FOREIGN, &[0x55; 4]);
    let refused = recover(&disk, Zxid(1)).unwrap_err();
    assert!(
        matches!(
            refused,
            ReplayError::DamagedMiddle { cause: Cause::Length(_) | Cause::Checksum, .. }
        ),
        "{refused}"
    );
    // A record without its end there is what Java's own crashes leave behind.
    let disk = SimDisk::new();
    foreign(&disk, 1, 1..=3, 0);
    foreign(&disk, 0x1_0000_0001, [0x1_0000_0001], 0);
    disk.open("log.1", Access::Write).unwrap().set_len((HEADER + 3 * FOREIGN - 9) as u64).unwrap();
    assert_eq!(zxids(recover(&disk, Zxid(1))), [1, 2, 0x1_0000_0001]);
}

#[test]
fn what_is_torn_before_a_segment_of_ours_is_damage_even_if_that_is_empty() {
    // The last batch of the first segment was flushed before the second was begun.
    let (disk, _) = written(&[Doing::Batch(&[100, 100])], false);
    let mut machine = Machine::new(disk.clone(), Zxid(2), Preparing::Eager, Writer::Calls, 1);
    machine.start().unwrap();
    machine.perform(Doing::Batch(&[50])).unwrap();
    horizon::remove(&disk).unwrap();
    let second = disk.contents()["log.3"].clone();
    poke(&disk, "log.3", HEADER, &vec![0; second.len() - HEADER]);
    let settled = settle(&disk, ENTRY_MAX).unwrap();
    assert_eq!(settled.last, Some(Zxid(2)), "the newest transaction is in an older file");
    poke(&disk, "log.1", HEADER + 113 + 50, &[7]);
    for refused in [settle(&disk, ENTRY_MAX).map(drop), read(&disk, Zxid(1)).map(drop)] {
        assert!(matches!(refused, Err(ReplayError::DamagedMiddle { .. })), "{refused:?}");
    }
}

#[test]
fn a_gap_is_refused_within_an_epoch_and_after_the_snapshot() {
    let disk = SimDisk::new();
    foreign(&disk, 1, 1..=3, 64);
    foreign(&disk, 5, 5..=6, 64);
    let refused = recover(&disk, Zxid(1)).unwrap_err();
    assert!(refused.to_string().contains("transactions 0x4 to 0x4 are missing"), "{refused}");
    assert_eq!(zxids(read(&disk, Zxid(5))), [5, 6]);
    // Snapshot 8, log from 10.
    let disk = SimDisk::new();
    foreign(&disk, 10, 10..=12, 64);
    assert!(matches!(read(&disk, Zxid(9)), Err(ReplayError::Gap { expected: Zxid(9), .. })));
    // A new epoch begins where it begins.
    let disk = SimDisk::new();
    let first = Zxid::new(Epoch(3), 1);
    foreign(&disk, first.0, first.0..first.0 + 2, 64);
    assert_eq!(zxids(read(&disk, Zxid(9))), [first.0, first.0 + 1]);
}

#[test]
fn doubles_of_java_servers_are_read_in_order() {
    let disk = SimDisk::new();
    foreign(&disk, 1, [1, 2, 2, 3, 1, 4], 64);
    let mut replay = Replay::open(&disk, Zxid(2), ENTRY_MAX).unwrap();
    let mut found = Vec::new();
    while let Some(record) = replay.next_record().unwrap() {
        found.push(record.zxid.0);
    }
    assert_eq!((found, replay.last()), (vec![2, 2, 3, 4], Some(Zxid(4))));
}

#[test]
fn empty_files_are_tolerated_at_the_end_and_refused_in_the_middle() {
    for contents in [&b""[..], b"ZKLG\0\0", &[0; 600]] {
        let disk = SimDisk::new();
        foreign(&disk, 1, 1..=3, 64);
        disk.create("log.4").unwrap().write_at(contents, 0).unwrap();
        let settled = settle(&disk, ENTRY_MAX).unwrap();
        assert_eq!((settled.last, settled.removed), (Some(Zxid(3)), vec!["sim/log.4".to_string()]));
        assert_eq!(zxids(read(&disk, Zxid(1))), [1, 2, 3]);
        // With a newer file behind it, it is a file that lost its beginning.
        disk.create("log.4").unwrap().write_at(contents, 0).unwrap();
        foreign(&disk, 0x1_0000_0001, [0x1_0000_0001], 0);
        assert!(recover(&disk, Zxid(1)).is_err());
    }
    let disk = SimDisk::new();
    disk.create("log.1").unwrap().write_at(b"#!/bin/sh -e something else", 0).unwrap();
    assert!(matches!(settle(&disk, ENTRY_MAX), Err(ReplayError::Magic { .. })));
}

#[test]
fn a_sealed_segment_that_changed_is_refused_and_one_that_java_cut_is_not() {
    let doings = [Doing::Batch(&[100, 100]), Doing::Roll, Doing::Batch(&[100])];
    let (disk, _) = written(&doings, true);
    let sides: Vec<_> = disk.contents().into_keys().filter(|n| n.ends_with(".crc")).collect();
    assert_eq!(sides, [side_name(Zxid(1)), side_name(Zxid(3))]);
    assert_eq!(zxids(recover(&disk, Zxid(1))), [1, 2, 3]);
    // The same records in another order of bytes: Adler-32 would not have to see it.
    let (a, b) = (entry(Zxid(1), 100, 1), entry(Zxid(1), 100, 4));
    assert_ne!(a, b);
    let mut other = Vec::new();
    frame::put_record(&mut other, &b);
    poke(&disk, "log.1", HEADER, &other);
    let refused = recover(&disk, Zxid(1)).unwrap_err();
    assert!(matches!(refused, ReplayError::Side { .. }), "{refused}");
    // Java truncates without knowing of records beside the log. It has left a snapshot then, or goes on
    // with a file of its own; without either the same cut is a loss.
    let cut = || {
        let (disk, _) = written(&doings, true);
        disk.remove("log.3").unwrap();
        disk.open("log.1", Access::Write).unwrap().set_len(HEADER as u64 + 113).unwrap();
        disk
    };
    let refused = recover(&cut(), Zxid(1)).unwrap_err();
    assert!(matches!(refused, ReplayError::Promised { length: 242, .. }), "{refused}");
    let disk = cut();
    assert_eq!(settle_with_snapshots(&disk, ENTRY_MAX, 1).unwrap().last, Some(Zxid(1)));
    assert_eq!(zxids(recover(&disk, Zxid(1))), [1], "and no word is left of what Java cut");
    for records in [vec![2, 3], vec![]] {
        let disk = cut();
        foreign(&disk, 2, records.clone(), 0);
        assert_eq!(zxids(recover(&disk, Zxid(1))), [vec![1], records].concat());
    }
    // And writes another file under the name.
    let disk = cut();
    disk.remove("log.1").unwrap();
    foreign(&disk, 1, 1..=4, 0);
    assert_eq!(zxids(read(&disk, Zxid(1))), [1, 2, 3, 4]);
}

#[test]
fn data_that_looks_like_a_trailer_proves_nothing() {
    // A client stores what could be the trailer of a later batch; the batch it is in is torn.
    let (disk, mut machine) = written(&[Doing::Batch(&[100])], false);
    machine.perform(Doing::Batch(&[100, 200])).unwrap();
    let mut forged = Vec::new();
    let place = HEADER + 113 + 113 + 60;
    frame::put_trailer(&mut forged, Nonce(0), place as u64 - 20, place as u64);
    poke(&disk, "log.1", place, &forged);
    horizon::remove(&disk).unwrap();
    assert_eq!(zxids(recover(&disk, Zxid(1))), [1, 2]);
}

#[test]
fn truncation_cuts_behind_the_transaction_and_can_be_done_again() {
    let doings = [
        Doing::Batch(&[100; 3]),
        Doing::Roll,
        Doing::Batch(&[100; 3]),
        Doing::Roll,
        Doing::Batch(&[90]),
    ];
    for after in 0..=8 {
        let (disk, _) = written(&doings, true);
        let before = disk.change_count();
        let done = truncate(&disk, Zxid(after), ENTRY_MAX).unwrap();
        let last = after.min(7);
        assert_eq!(done.last, (last > 0).then_some(Zxid(last)));
        assert_eq!(zxids(recover(&disk, Zxid(1))), (1..=last).collect::<Vec<_>>());
        let again = truncate(&disk, Zxid(after), ENTRY_MAX).unwrap();
        assert_eq!((again.last, again.cut, again.removed.len()), (done.last, None, 0));
        // A crash anywhere in between leaves a log that can be read, and cut again.
        let (replayed, changes) = (SimDisk::new(), disk.changes());
        for (n, change) in changes.iter().enumerate() {
            if n >= before {
                for state in replayed.crash_states() {
                    let disk = SimDisk::holding(&state);
                    let found = zxids(recover(&disk, Zxid(1)));
                    assert!(found.len() as i64 >= last && found.len() <= 7);
                    truncate(&disk, Zxid(after), ENTRY_MAX).unwrap();
                    assert_eq!(zxids(read(&disk, Zxid(1))), (1..=last).collect::<Vec<_>>());
                }
            }
            replayed.redo(change);
        }
    }
}

#[test]
fn less_than_was_promised_is_damage_wherever_it_ends() {
    // Goal: of our own newest segment, nothing that was acknowledged is lost in silence: cut at any
    // byte, zeroed from any byte, or one byte changed.
    let doings = [Doing::Batch(&[100]), Doing::Batch(&[100, 60, 100]), Doing::Batch(&[70])];
    for stop in [false, true] {
        let (disk, _) = promised(&doings, stop);
        let whole = disk.contents();
        let end = HEADER + 4 * 13 + 13 + 430;
        for at in (0..end).filter(|at| at % 5 == 0 || at + 20 > end) {
            for how in 0..3 {
                let disk = SimDisk::holding(&whole);
                let file = disk.open("log.1", Access::Write).unwrap();
                match how {
                    0 => file.set_len(at as u64).unwrap(),
                    1 => file.write_at(&vec![0; end - at], at as u64).unwrap(),
                    _ => file.write_at(&[whole["log.1"][at] ^ 0x10], at as u64).unwrap(),
                }
                // Without its nonce the file is none that the record speaks of: one that is missing,
                // then, unless all of it can be read still.
                let is_seen = match settle(&disk, ENTRY_MAX) {
                    Err(_) => true,
                    Ok(settled) => [settled.last, settled.promised].contains(&Some(Zxid(5))),
                };
                assert!(is_seen, "{stop} {at} {how}");
            }
        }
        // The record gone, it is judged as a file without: a shortened one is known all the same.
        let disk = SimDisk::holding(&whole);
        horizon::remove(&disk).unwrap();
        disk.open("log.1", Access::Write).unwrap().set_len(end as u64 - 30).unwrap();
        let refused = settle(&disk, ENTRY_MAX).unwrap_err().to_string();
        let expected = format!("truncate -s {} sim/log.1; rm -f sim/", end - 83);
        assert!(refused.contains(&expected), "{refused}");
    }
}

#[test]
fn what_is_known_to_have_been_durable_is_told_beyond_the_files_that_are_there() {
    // Goal: a start can see that the newest files are gone.
    let (disk, _) = promised(&[Doing::Batch(&[100]), Doing::Roll, Doing::Batch(&[100])], false);
    disk.remove("log.2").unwrap();
    let settled = settle(&disk, ENTRY_MAX).unwrap();
    assert_eq!((settled.last, settled.promised), (Some(Zxid(1)), Some(Zxid(2))));
    // A file of ZooKeeper's behind it tells that the record is of an older time.
    foreign(&disk, 3, [3, 4], 0);
    let settled = settle(&disk, ENTRY_MAX).unwrap();
    assert_eq!((settled.last, settled.promised), (Some(Zxid(4)), None));
    assert!(horizon::read(&disk).unwrap().is_none());
}

#[test]
fn a_record_longer_than_the_limit_of_today_is_refused_by_name_wherever_it_is() {
    // Goal: a smaller jute.maxbuffer does not pass for damage, and cuts nothing off.
    for doings in [
        &[Doing::Batch(&[100]), Doing::Batch(&[3000])][..],
        &[Doing::Batch(&[3000]), Doing::Batch(&[100])],
    ] {
        for stop in [false, true] {
            let (disk, _) = written(doings, stop);
            let before = disk.contents();
            for refused in [
                settle(&disk, 1000).map(drop),
                Replay::open(&disk, Zxid(1), 1000).and_then(|mut replay| {
                    while replay.next_record()?.is_some() {}
                    Ok(())
                }),
            ] {
                let text = refused.unwrap_err().to_string();
                assert!(text.contains("set jute.maxbuffer to 3000 or more"), "{text}");
            }
            assert_eq!(disk.contents()["log.1"], before["log.1"]);
            assert_eq!(zxids(recover(&disk, Zxid(1))), [1, 2]);
        }
    }
}

#[test]
fn a_settled_segment_keeps_no_space_behind_its_end() {
    // Goal: a stop and a start after a kill give back what was laid out and not used.
    let grown = |stop| {
        let disk = SimDisk::new();
        let settings = LogSettings { prealloc: 1 << 20, ..super::machine::settings() };
        let mut machine =
            Machine::with(disk.clone(), Zxid::ZERO, Preparing::Eager, Writer::Calls, 1, settings);
        machine.start().unwrap();
        machine.perform(Doing::Batch(&[100])).unwrap();
        if stop {
            machine.stop().unwrap();
        }
        disk
    };
    let size = |disk: &SimDisk| disk.contents()["log.1"].len();
    let needed = HEADER + 113 + frame::TRAILER;
    assert_eq!(size(&grown(true)), needed);
    let killed = grown(false);
    assert!(size(&killed) >= 1 << 20);
    for _ in 0..2 {
        let settled = settle(&killed, ENTRY_MAX).unwrap();
        assert_eq!((size(&killed), settled.last, settled.torn.len()), (needed, Some(Zxid(1)), 0));
    }
}
