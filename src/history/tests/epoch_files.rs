//! Promised and entered epochs: what is found of them, and what a crash leaves.

use super::*;

fn epoch_files(files: &[(&str, &str)]) -> SimDisk {
    let contents: Contents =
        files.iter().map(|(n, t)| (n.to_string(), t.as_bytes().to_vec().into())).collect();
    SimDisk::holding(&contents)
}

/// QuorumPeer.readLongFromFile: the first line and nothing else.
fn java_reads(file: &[u8]) -> u32 {
    std::str::from_utf8(file).unwrap().lines().next().unwrap().parse().unwrap()
}

fn opened(files: &[(&str, &str)], last: Zxid) -> Result<(u32, u32, Option<u32>), String> {
    let disk = epoch_files(files);
    let epochs = epochs::open(&disk, last).map_err(|e| e.to_string())?;
    let contents = disk.contents();
    let text: BTreeMap<_, _> = contents.iter().map(|(n, b)| (n.as_str(), java_reads(b))).collect();
    let expected: BTreeMap<&str, u32> =
        [("acceptedEpoch", epochs.accepted.0), ("currentEpoch", epochs.current.0)].into();
    assert_eq!(text, expected);
    Ok((epochs.accepted.0, epochs.current.0, epochs.raised_from.map(|e| e.0)))
}

#[test]
fn epochs_are_found_made_and_judged_as_java_judges_them() {
    const A: &str = "acceptedEpoch";
    const C: &str = "currentEpoch";
    const T: &str = "currentEpoch.tmp";
    let last = z(4, 7);
    assert_eq!(opened(&[(A, "6"), (C, "5")], last), Ok((6, 5, None)));
    let disk = epoch_files(&[(A, "6\n"), (C, "5\nx")]);
    assert_eq!(epochs::open(&disk, last).unwrap().current, Epoch(5), "the first line counts");
    // From a standalone server.
    assert_eq!(opened(&[], last), Ok((4, 4, None)));
    assert_eq!(opened(&[], Zxid::ZERO), Ok((0, 0, None)));
    assert_eq!(opened(&[(A, "6")], last), Ok((6, 4, None)));
    assert_eq!(opened(&[(C, "4")], last), Ok((4, 4, None)));
    // Ahead of currentEpoch: a learner's death between history and epoch.
    assert_eq!(opened(&[(A, "6"), (C, "3"), (T, "4")], last), Ok((6, 4, Some(3))));
    assert_eq!(opened(&[(A, "6"), (C, "3")], last), Ok((6, 4, Some(3))));
    assert_eq!(opened(&[(A, "6"), (C, "3"), (T, "x")], last), Ok((6, 4, Some(3))));
    assert_eq!(opened(&[(A, "6"), (C, "3"), ("updatingEpoch", "")], last), Ok((6, 4, Some(3))));
    // A temporary file that says nothing, since nothing is ahead.
    assert_eq!(opened(&[(A, "6"), (C, "4"), (T, "6")], last), Ok((6, 4, None)));
    for (files, part) in [
        (&[(A, "3"), (C, "3")][..], "do not belong together"),
        (&[(C, "3")][..], "do not belong together"),
        (&[(A, "4"), (C, "5")][..], "a promise was lost"),
        (&[(C, "5")][..], "a promise was lost"),
        (&[(A, ""), (C, "4")][..], "which is no epoch"),
        (&[(A, "4"), (C, "-1")][..], "which is no epoch"),
        (&[(A, "4294967296"), (C, "4")][..], "which is no epoch"),
    ] {
        let error = opened(files, last).unwrap_err();
        assert!(error.contains(part), "{files:?}: {error}");
    }
}

#[test]
fn an_epoch_file_is_the_old_one_or_the_new_one() {
    let of_java = epoch_files(&[("acceptedEpoch", "9"), ("currentEpoch", "4")]);
    let ours = epoch_files(&[("currentEpoch", "4")]);
    epochs::store(&ours, Stored::Accepted(Epoch(9))).unwrap();
    for disk in [of_java, ours] {
        let mut met = std::collections::BTreeSet::new();
        let act = |disk: &SimDisk| epochs::store(disk, Stored::Accepted(Epoch(12))).unwrap();
        at_every_crash(&disk, act, |state| {
            let disk = SimDisk::holding(state);
            let epochs = epochs::open(&disk, z(4, 1)).unwrap();
            assert_eq!(epochs.current, Epoch(4));
            met.insert(epochs.accepted.0);
        });
        assert_eq!(met.into_iter().collect::<Vec<_>>(), [9, 12]);
    }
}

#[test]
fn a_start_between_a_received_snapshot_and_its_epoch_enters_that_epoch() {
    // As Java reads the files: ahead of currentEpoch, and the temporary file says how far.
    let (server, _) = rich();
    for stored in [Stored::Accepted(Epoch(5)), Stored::Current(Epoch(2))] {
        epochs::store(&server.disk, stored).unwrap();
    }
    replace_now(&server.disk, z(4, 2), &[range(1, 1..=6), range(4, 1..=2)].concat());
    let contents = server.disk.contents();
    assert_eq!(
        (java_reads(&contents["currentEpoch"]), java_reads(&contents["currentEpoch.tmp"])),
        (2, 4)
    );
    let (_, last) = started(&contents);
    let epochs = epochs::open(&server.disk, last).unwrap();
    assert_eq!((epochs.accepted, epochs.current), (Epoch(5), Epoch(4)));
    assert_eq!(epochs.raised_from, Some(Epoch(2)));
}

#[test]
fn an_epoch_that_was_not_flushed_is_durable_once_it_is_believed() {
    // Goal: kill -9 between write and flush, a start, then a power loss: the promise that the
    // start has read is still there (found by the simulator, three servers, seed 144).
    let disk = SimDisk::new();
    epochs::open(&disk, z(1, 1)).unwrap();
    epochs::store(&disk, Stored::Accepted(Epoch(1))).unwrap();
    let newer = disk.twin();
    epochs::store(&newer, Stored::Accepted(Epoch(2))).unwrap();
    let killed = disk.twin();
    let file = killed.open("acceptedEpoch", Access::Write).unwrap();
    file.write_at(&newer.contents()["acceptedEpoch"], 0).unwrap();
    let found = epochs::open(&killed, z(1, 1)).unwrap().accepted;
    for state in killed.crash_states() {
        let later = epochs::open(&SimDisk::holding(&state), z(1, 1)).unwrap().accepted;
        assert_eq!((found, later), (Epoch(2), Epoch(2)));
    }
}
