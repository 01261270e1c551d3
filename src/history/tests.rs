//! The files of a server of an ensemble, on a simulated disk, with a crash at every point.

mod epoch_files;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::epochs;
use super::replace::{Received, replace};
use super::rewind::{CutOff, Rewind, rewind};
use super::{LogReader, log_bytes_behind};
use bytes::Bytes;

use crate::codec::txn::{CreateTxn, CreateTxnKind, Entry, Op, Txn, TxnHeader, encode_entry};
use crate::disk::{Access, Dir};
use crate::log::frame;
use crate::log::scan::{Scanner, Step};
use crate::snapshot::pack::Compression;
use crate::snapshot::restore::RestoredAt;
use crate::snapshot::{
    Directories, RestoreError, RestoreOptions, WriteOptions, restore, restore_at, write_file,
};
use crate::testing::disk::{Contents, SimDisk};
use crate::tree::{NoSink, Tree, TreeOptions, TreeWriter};
use crate::types::{Epoch, SessionId, TypeRules, WallMillis, Zxid, open_acl};
use crate::zab::{LogEnd, Stored};

const FIELD_MAX: usize = 1 << 16;

const OPTIONS: RestoreOptions = RestoreOptions {
    pipeline: crate::snapshot::load::sequential,
    trust_empty: false,
    autocreate: false,
    digest: true,
    field_max: FIELD_MAX,
    types: TypeRules { extended_types: true, emulate_353_ttl: false },
    kill_lost_sessions: false,
};

fn z(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(Epoch(epoch), counter)
}

/// Transactions of one epoch.
fn range(epoch: u32, counters: std::ops::RangeInclusive<u32>) -> Vec<Zxid> {
    counters.map(|counter| z(epoch, counter)).collect()
}

fn new_tree() -> (Arc<Tree>, TreeWriter) {
    Tree::new(TreeOptions { shards: 4, hash_seed: 1, types: OPTIONS.types, digest: true })
}

/// Each transaction makes a node named for it, so that a tree tells which it has.
fn entry(zxid: Zxid) -> Entry {
    let op = Op::Create(CreateTxn {
        path: format!("/{:x}", zxid.0),
        data: None,
        acl: open_acl(),
        kind: CreateTxnKind::Create { ephemeral: false },
        parent_cversion: -1,
    });
    let header = TxnHeader { session: SessionId(1), cxid: 0, zxid, time: WallMillis(1) };
    Entry { header, txn: Txn::Op(op), digest: None }
}

fn apply(writer: &mut TreeWriter, history: &[Zxid]) {
    for zxid in history {
        let entry = entry(*zxid);
        writer.apply(&entry.header, &entry.txn, &mut NoSink);
    }
}

/// The transactions a tree has, by its nodes.
fn history_of(tree: &Tree) -> Vec<Zxid> {
    let mut found: Vec<Zxid> = tree
        .read("", |root| {
            let names = root.unwrap();
            names
                .children()
                .filter_map(|name| i64::from_str_radix(name, 16).ok())
                .map(Zxid)
                .collect()
        })
        .0;
    found.sort();
    found
}

fn snapshot_options(at: Zxid) -> WriteOptions {
    WriteOptions {
        at,
        restored_upto: Zxid::ZERO,
        quiet: true,
        digest: true,
        last_zxid: true,
        compression: Compression::None,
    }
}

/// A server's disk, both directories in one.
struct Server {
    disk: SimDisk,
}

impl Server {
    fn new() -> Server {
        Server { disk: SimDisk::new() }
    }

    fn log(&self, entries: &[Zxid]) {
        let mut bytes = frame::header(frame::Nonce(7), false).to_vec();
        for zxid in entries {
            let mut encoded = Vec::new();
            encode_entry(&entry(*zxid), &mut encoded);
            frame::put_record(&mut bytes, &encoded);
        }
        let file = self.disk.create(&format!("log.{:x}", entries[0].0)).unwrap();
        file.write_at(&bytes, 0).unwrap();
        file.flush().unwrap();
        Dir::flush(&self.disk).unwrap();
    }

    /// A snapshot named for `at` with the effects of `history`.
    fn snapshot(&self, at: Zxid, history: &[Zxid]) {
        let (tree, mut writer) = new_tree();
        apply(&mut writer, history);
        // As a fuzzy one: what came after its beginning is there too.
        let options = WriteOptions { restored_upto: Zxid(i64::MAX), ..snapshot_options(at) };
        write_file(&self.disk, &tree, &[], &options, &mut |_| true).unwrap();
    }

    fn names(&self) -> Vec<String> {
        names(&self.disk)
    }
}

fn dirs(disk: &SimDisk) -> Directories {
    let dir: Arc<dyn Dir> = Arc::new(disk.clone());
    Directories::of(dir.clone(), dir, Arc::new(SimDisk::new()))
}

fn names(disk: &SimDisk) -> Vec<String> {
    let names = disk.list().unwrap().into_iter().map(|f| f.name);
    names.filter(|n| !n.starts_with("ringkeeper.")).collect()
}

/// What a start finds: the history, and its end.
fn started(contents: &Contents) -> (Vec<Zxid>, Zxid) {
    let disk = SimDisk::holding(contents);
    let (tree, mut writer) = new_tree();
    let restored = restore(&dirs(&disk), &mut writer, &OPTIONS, &mut |_, _| {})
        .unwrap_or_else(|e| panic!("{:?}: {e}", contents.keys()));
    assert!(restored.damaged.is_empty());
    (history_of(&tree), restored.zxid)
}

/// Does `act` on a twin, then crashes at every point of it, and gives each state to `look`.
fn at_every_crash(disk: &SimDisk, act: impl Fn(&SimDisk), mut look: impl FnMut(&Contents)) {
    let recording = SimDisk::holding(&disk.contents());
    act(&recording);
    let again = SimDisk::holding(&disk.contents());
    let mut seen = std::collections::BTreeSet::new();
    for change in [None].into_iter().chain(recording.changes().into_iter().map(Some)) {
        change.iter().for_each(|change| again.redo(change));
        for state in again.crash_states() {
            if seen.insert(state.clone()) {
                look(&state);
            }
        }
    }
    assert!(seen.len() > 1, "{} states", seen.len());
}

fn rewind_now(disk: &SimDisk, after: Zxid) -> (Rewind, Vec<Zxid>) {
    rewind_as(disk, after, CutOff::Removed)
}

fn rewind_as(disk: &SimDisk, after: Zxid, cut_off: CutOff) -> (Rewind, Vec<Zxid>) {
    let (tree, mut writer) = new_tree();
    let done = rewind(&dirs(disk), &mut writer, &OPTIONS, after, cut_off).unwrap();
    (done, history_of(&tree))
}

/// Every transaction in a log file, in service or aside.
fn logged(disk: &SimDisk) -> std::collections::BTreeSet<Zxid> {
    let mut found = std::collections::BTreeSet::new();
    let files = disk.list().unwrap().into_iter().filter(|file| file.name.contains("log."));
    for file in files {
        let mut scanner =
            Scanner::open(disk.open(&file.name, Access::Read).unwrap(), FIELD_MAX).unwrap();
        while let Step::Record { entry, .. } = scanner.next_step().unwrap() {
            found.insert(frame::zxid_of_entry(entry));
        }
    }
    found
}

/// What an operator does with the set of that number: everything else goes, and it is a server's
/// files again.
fn put_back(contents: &Contents, number: u64) -> Contents {
    let prefix = format!("ringkeeper.aside.{number}.");
    let mut files = Contents::new();
    for (name, bytes) in contents {
        if let Some(name) = name.strip_prefix(&prefix) {
            files.insert(name.to_owned(), bytes.clone());
        }
    }
    files
}

/// Three snapshots, three logs, two epochs; the cut lies in the second log.
fn rich() -> (Server, Vec<Zxid>) {
    let server = Server::new();
    let history = [range(1, 1..=6), range(2, 1..=4)].concat();
    server.snapshot(Zxid::ZERO, &[]);
    server.log(&history[..3]);
    server.snapshot(z(1, 2), &history[..3]);
    server.log(&history[3..8]);
    server.snapshot(z(1, 5), &history[..5]);
    server.log(&history[8..]);
    server.snapshot(z(2, 3), &history[..9]);
    (server, history)
}

#[test]
fn a_cut_leaves_what_was_before_it_whatever_the_snapshots_are() {
    for (cut, kept) in [(z(1, 6), 6), (z(1, 5), 5), (z(1, 3), 3), (z(2, 4), 10), (z(2, 1), 7)] {
        let (server, history) = rich();
        let (done, tree) = rewind_now(&server.disk, cut);
        assert!(matches!(done, Rewind::Done { .. }), "{cut}: {done:?}");
        assert_eq!(tree, history[..kept], "{cut}");
        assert_eq!(started(&server.disk.contents()), (history[..kept].to_vec(), cut));
        // The same call again finds nothing to do.
        let before = server.disk.contents();
        let (done, tree) = rewind_now(&server.disk, cut);
        assert!(matches!(done, Rewind::Done { ref removed, cut: None, .. } if removed.is_empty()));
        assert_eq!((tree, server.disk.contents()), (history[..kept].to_vec(), before));
    }
}

#[test]
fn a_crash_in_a_cut_leaves_a_beginning_of_the_history_that_reaches_the_cut() {
    for cut in [z(1, 3), z(1, 6)] {
        let (server, history) = rich();
        let kept = history.iter().take_while(|zxid| **zxid <= cut).count();
        let act = |disk: &SimDisk| {
            assert!(matches!(rewind_now(disk, cut).0, Rewind::Done { .. }));
        };
        at_every_crash(&server.disk, act, |state| {
            let (found, last) = started(state);
            assert!(found.len() >= kept && history.starts_with(&found), "{found:?}");
            assert_eq!(Some(&last), found.last());
            // And the same call follows.
            let disk = SimDisk::holding(state);
            let (done, tree) = rewind_now(&disk, cut);
            assert!(matches!(done, Rewind::Done { .. }), "{done:?}");
            assert_eq!(tree, history[..kept]);
            assert_eq!(started(&disk.contents()).0, history[..kept]);
        });
    }
}

#[test]
fn a_fuzzy_snapshot_that_reaches_beyond_the_cut_is_no_base() {
    // ZOOKEEPER-4837, and what is worse: the name is older than the cut, the contents are not.
    let server = Server::new();
    let history = range(1, 1..=9);
    server.snapshot(Zxid::ZERO, &[]);
    server.log(&history);
    server.snapshot(z(1, 4), &history[..8]);
    let (done, tree) = rewind_now(&server.disk, z(1, 6));
    assert!(matches!(done, Rewind::Done { .. }), "{done:?}");
    assert_eq!(tree, history[..6]);
    assert_eq!(server.names(), ["log.100000001", "snapshot.0"]);
    assert_eq!(started(&server.disk.contents()).0, history[..6]);
}

#[test]
fn nothing_is_touched_when_the_cut_cannot_be_reached() {
    type Make = fn(&Server, &[Zxid]);
    let cases: [(&str, Make); 3] = [
        ("no snapshot is as old", |server, history| {
            server.snapshot(z(1, 7), &history[..7]);
            server.log(&history[7..]);
        }),
        ("effects of transactions up to", |server, history| {
            server.log(history);
            server.snapshot(z(1, 4), &history[..8]);
        }),
        ("is not in the log", |server, history| {
            server.snapshot(z(1, 4), &history[..4]);
            server.log(&[z(2, 1), z(2, 2)]);
        }),
    ];
    for (why_part, make) in cases {
        let server = Server::new();
        make(&server, &range(1, 1..=9));
        let before = server.disk.contents();
        let (old, last) = started(&before);
        let (done, tree) = rewind_now(&server.disk, z(1, 6));
        let Rewind::Impossible { why, restored } = done else { panic!("{why_part}: {done:?}") };
        assert!(why.to_string().contains(why_part), "{why}");
        assert_eq!((tree, restored.zxid), (old, last));
        assert_eq!(server.disk.contents(), before);
    }
}

/// Puts a snapshot of `history` at its end in place of everything.
fn replace_now(disk: &SimDisk, at: Zxid, history: &[Zxid]) {
    let (tree, mut writer) = new_tree();
    apply(&mut writer, history);
    let options = snapshot_options(at);
    let received = Received {
        tree: &tree,
        sessions: &[],
        options: &options,
        current: Epoch(2),
        entry_max: FIELD_MAX,
    };
    let done = replace(&dirs(disk), &received, &mut |_| true).unwrap();
    assert_eq!(done.report.at, at);
}

#[test]
fn a_received_snapshot_replaces_everything_and_a_crash_leaves_old_or_new() {
    // Beyond the old log's end; within it; before its last epoch; and older than every snapshot.
    let leaders: [Vec<Zxid>; 4] = [
        [range(1, 1..=6), range(2, 1..=2), range(3, 1..=4)].concat(),
        [range(1, 1..=6), range(2, 1..=2)].concat(),
        range(1, 1..=9),
        range(1, 1..=1),
    ];
    for leader in leaders {
        let (server, history) = rich();
        let at = *leader.last().unwrap();
        at_every_crash(
            &server.disk,
            |disk| replace_now(disk, at, &leader),
            |state| {
                let (found, _) = started(state);
                let is_old = history.starts_with(&found);
                assert!(is_old || found == leader, "a mixture: {found:?}");
                // What is not in the leader's history may be gone, the rest never.
                let common = history.iter().zip(&leader).take_while(|(a, b)| a == b).count();
                assert!(found.len() >= common, "lost: {found:?}");
                let disk = SimDisk::holding(state);
                replace_now(&disk, at, &leader);
                assert_eq!(started(&disk.contents()), (leader.clone(), at));
            },
        );
        replace_now(&server.disk, at, &leader);
        assert_eq!(started(&server.disk.contents()), (leader.clone(), at));
        let mut expected = vec![format!("snapshot.{:x}", at.0)];
        if at.epoch() > Epoch(2) {
            expected.insert(0, "currentEpoch.tmp".into());
        }
        assert_eq!(server.names(), expected);
    }
}

#[test]
fn what_a_received_snapshot_replaces_is_a_server_of_its_own_as_long_as_it_is_kept() {
    // Goal: a leader's tree never deletes what may be the last copy of what was acknowledged.
    let leaders: [Vec<Zxid>; 3] = [Vec::new(), range(1, 1..=4), range(3, 1..=4)];
    for leader in leaders {
        let at = leader.last().copied().unwrap_or(Zxid::ZERO);
        let (server, history) = rich();
        at_every_crash(
            &server.disk,
            |disk| replace_now(disk, at, &leader),
            |state| {
                // Nothing that was logged is nowhere, whatever a crash has left half done.
                let logged = logged(&SimDisk::holding(state));
                assert!(history.iter().all(|zxid| logged.contains(zxid)), "{:?}", state.keys());
            },
        );
        replace_now(&server.disk, at, &leader);
        let aside = put_back(&server.disk.contents(), 1);
        assert_eq!(started(&aside).0, history, "{leader:?}: {:?}", aside.keys());
    }
}

#[test]
fn a_cut_of_what_nobody_knows_to_be_uncommitted_is_kept_as_a_log_of_its_own() {
    for cut in [z(1, 3), z(1, 6), z(2, 1), z(2, 3)] {
        let (server, history) = rich();
        let (done, tree) = rewind_as(&server.disk, cut, CutOff::SetAside);
        assert!(matches!(done, Rewind::Done { .. }), "{cut}: {done:?}");
        let kept = history.iter().take_while(|zxid| **zxid <= cut).count();
        assert_eq!(tree, history[..kept]);
        assert_eq!(started(&server.disk.contents()).0, history[..kept]);
        // Together with what is left it is the history that was.
        let mut whole = server.disk.contents();
        whole.extend(put_back(&server.disk.contents(), 1));
        assert_eq!(started(&whole).0, history, "{cut}");
    }
}

#[test]
fn no_more_sets_are_kept_than_three_and_the_newest_stay() {
    let (server, _) = rich();
    for counter in 1..=5 {
        replace_now(&server.disk, z(3, counter), &range(3, 1..=counter));
    }
    let contents = server.disk.contents();
    let is_there = |number| !put_back(&contents, number).is_empty();
    assert_eq!([1, 2, 3, 4, 5].map(is_there), [false, false, true, true, true]);
}

#[test]
fn what_is_logged_behind_a_received_snapshot_has_no_hole_before_it() {
    let (server, _) = rich();
    let leader = [range(1, 1..=6), range(2, 1..=2), range(3, 1..=4)].concat();
    replace_now(&server.disk, z(3, 4), &leader);
    server.log(&[z(3, 5), z(4, 1)]);
    let read = |after| {
        let chunk = LogReader::new(after, FIELD_MAX).next_chunk(
            (&server.disk, &server.disk),
            z(4, 1),
            1 << 20,
        );
        (chunk.entries.len(), chunk.end)
    };
    assert_eq!(read(z(3, 4)), (2, LogEnd::Done));
    assert_eq!(read(z(3, 5)), (1, LogEnd::Done));
    assert_eq!(read(z(2, 2)), (0, LogEnd::NotThere));
}

// ---- holes ----

/// Turns a bit in the middle of the file.
fn damage(disk: &SimDisk, name: &str) {
    let file = disk.open(name, Access::Write).unwrap();
    let at = file.size().unwrap() / 2;
    let mut byte = [0];
    file.read_at(&mut byte, at).unwrap();
    file.write_at(&[byte[0] ^ 0x40], at).unwrap();
    file.flush().unwrap();
}

fn restored(disk: &SimDisk) -> Result<Zxid, RestoreError> {
    let (_, mut writer) = new_tree();
    restore(&dirs(disk), &mut writer, &OPTIONS, &mut |_, _| {}).map(|restored| restored.zxid)
}

#[test]
fn a_start_does_not_pass_over_what_only_a_damaged_snapshot_may_have() {
    // Goal: a Java learner keeps its log of before behind a leader's snapshot. At an epoch's end, and
    // at the log's, no number shows the hole that the snapshot fills.
    let server = Server::new();
    let leader = [range(1, 1..=9), range(2, 1..=2)].concat();
    server.snapshot(Zxid::ZERO, &[]);
    server.log(&leader[..5]);
    server.snapshot(z(1, 9), &leader[..9]);
    let cut_short = server.disk.twin();
    server.log(&leader[9..]);
    assert_eq!(restored(&server.disk).unwrap(), z(2, 2));
    damage(&server.disk, "snapshot.100000009");
    damage(&cut_short, "snapshot.100000009");
    for disk in [&server.disk, &cut_short] {
        let refused = restored(disk).unwrap_err();
        assert!(matches!(refused, RestoreError::MissingBehind { .. }), "{refused}");
        assert!(refused.to_string().contains("snapshot.100000009 cannot be loaded"), "{refused}");
    }
    // A cut to before the hole is still possible, and one to behind it is not.
    let (done, tree) = rewind_now(&server.disk.twin(), z(1, 4));
    assert!(matches!(done, Rewind::Done { .. }), "{done:?}");
    assert_eq!(tree, leader[..4]);
    let (_, mut writer) = new_tree();
    let behind = restore_at(&dirs(&server.disk), &mut writer, &OPTIONS, z(2, 1)).unwrap();
    assert!(matches!(behind, RestoredAt::Impossible { .. }), "{behind:?}");
}

#[test]
fn a_damaged_snapshot_is_passed_over_where_the_log_has_all_of_it() {
    let server = Server::new();
    let history = [range(1, 1..=9), range(2, 1..=2)].concat();
    server.snapshot(Zxid::ZERO, &[]);
    server.log(&history);
    for at in [z(1, 4), z(1, 9), z(2, 1), z(2, 2)] {
        let name = format!("snapshot.{:x}", at.0);
        server.snapshot(at, &history.iter().copied().filter(|z| *z <= at).collect::<Vec<_>>());
        damage(&server.disk, &name);
        assert_eq!(restored(&server.disk).unwrap(), z(2, 2), "{name}");
    }
}

// ---- reading the log ----

/// All of it, in chunks of so many bytes.
fn read_all(server: &Server, after: Zxid, upto: Zxid, bytes: usize) -> (Vec<Zxid>, LogEnd) {
    let mut reader = LogReader::new(after, FIELD_MAX);
    let mut all = Vec::new();
    loop {
        let chunk = reader.next_chunk((&server.disk, &server.disk), upto, bytes);
        all.extend(chunk.entries.iter().map(|(zxid, _)| *zxid));
        if chunk.end != LogEnd::More {
            assert_eq!(chunk.end == LogEnd::NotThere, reader.trouble().is_some());
            return (all, chunk.end);
        }
        assert!(!chunk.entries.is_empty());
    }
}

#[test]
fn the_log_is_read_in_chunks_from_any_transaction_on() {
    let (server, history) = rich();
    for bytes in [1, 100, 200, 1 << 20] {
        for (n, after) in history.iter().enumerate() {
            let (found, end) = read_all(&server, *after, z(2, 4), bytes);
            assert_eq!((&found[..], end), (&history[n + 1..], LogEnd::Done), "{after}");
            // Nothing above the horizon.
            let (found, end) = read_all(&server, *after, z(1, 6), bytes);
            let wanted: Vec<Zxid> =
                history[n + 1..].iter().copied().filter(|zxid| *zxid <= z(1, 6)).collect();
            assert_eq!((found, end), (wanted, LogEnd::Done), "{after}");
        }
    }
    // The transaction before the first one of the log, by number.
    assert_eq!(read_all(&server, z(1, 0), z(2, 4), 100), (history.clone(), LogEnd::Done));
    // A learner without a history lacks all of it, but for what a snapshot may stand for.
    let (fresh, all) = (Server::new(), [range(1, 1..=9), range(2, 1..=2)].concat());
    fresh.snapshot(Zxid::ZERO, &[]);
    fresh.log(&all);
    assert_eq!(read_all(&fresh, Zxid::ZERO, z(2, 2), 100), (all.clone(), LogEnd::Done));
    fresh.disk.remove("log.100000001").unwrap();
    fresh.log(&all[9..]);
    fresh.snapshot(z(1, 9), &all[..9]);
    assert_eq!(read_all(&fresh, Zxid::ZERO, z(2, 2), 100).1, LogEnd::NotThere);
    // Nobody's history: the epoch ended earlier.
    assert_eq!(read_all(&server, z(1, 7), z(2, 4), 100).1, LogEnd::NotThere);
    assert_eq!(read_all(&server, Zxid(-1), z(2, 4), 100).1, LogEnd::NotThere);
}

#[test]
fn a_purged_log_is_not_there() {
    let server = Server::new();
    let history = range(1, 4..=9);
    server.snapshot(z(1, 3), &range(1, 1..=3));
    server.log(&history);
    assert_eq!(read_all(&server, z(1, 3), z(1, 9), 50), (history, LogEnd::Done));
    assert_eq!(read_all(&server, z(1, 2), z(1, 9), 50), (Vec::new(), LogEnd::NotThere));
}

#[test]
fn what_a_learner_lacks_of_the_log_is_measured_without_the_zeros_behind_it() {
    let file = |written, zeros| Bytes::from([vec![1; written], vec![0; zeros]].concat());
    let contents = Contents::from([
        ("log.100000001".to_string(), file(500, 0)),
        ("log.100000005".to_string(), file(9_000, 0)),
        ("log.100000009".to_string(), file(10_000, 90_000)),
    ]);
    let disk = SimDisk::holding(&contents);
    let both = log_bytes_behind(&disk, z(1, 3)).unwrap();
    let last = log_bytes_behind(&disk, z(1, 5)).unwrap();
    assert!((10_000..=10_000 + 4096).contains(&last), "{last}");
    assert_eq!(both, last + 9_000);
    assert_eq!(log_bytes_behind(&disk, z(1, 9)).unwrap(), 0, "the file it is in has no bound");
    assert_eq!(log_bytes_behind(&SimDisk::new(), z(1, 9)).unwrap(), 0);
}

#[test]
fn a_hole_is_never_read_across() {
    // Within an epoch.
    let server = Server::new();
    server.log(&range(1, 1..=4));
    server.log(&range(1, 6..=8));
    assert_eq!(read_all(&server, z(1, 1), z(1, 8), 1).1, LogEnd::NotThere);
    // At the end of one: a Java learner got a snapshot at (2, 9), and kept its old log.
    let server = Server::new();
    server.log(&range(1, 1..=4));
    server.snapshot(z(2, 9), &[range(1, 1..=4), range(2, 1..=9)].concat());
    server.log(&range(3, 1..=2));
    let (found, end) = read_all(&server, z(1, 1), z(3, 2), 1 << 20);
    assert_eq!((found, end), (range(1, 2..=4), LogEnd::NotThere));
    // The first transaction of the later epoch is not the first.
    let server = Server::new();
    server.log(&range(1, 1..=4));
    server.log(&range(3, 2..=3));
    assert_eq!(read_all(&server, z(1, 1), z(3, 3), 1).1, LogEnd::NotThere);
}

#[test]
fn a_reader_goes_on_in_a_log_that_grows() {
    let server = Server::new();
    server.log(&range(1, 1..=4));
    let mut reader = LogReader::new(z(1, 1), FIELD_MAX);
    let dirs: (&dyn Dir, &dyn Dir) = (&server.disk, &server.disk);
    assert_eq!(reader.next_chunk(dirs, z(1, 4), 1 << 20).entries.len(), 3);
    assert_eq!(reader.next_chunk(dirs, z(1, 4), 1 << 20).end, LogEnd::Done);
    server.log(&range(1, 5..=6));
    let chunk = reader.next_chunk(dirs, z(1, 6), 1 << 20);
    assert_eq!((chunk.entries.len(), chunk.end), (2, LogEnd::Done));
}
