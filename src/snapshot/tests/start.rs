//! Whole starts on directories in every state.

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::codec::txn::encode_entry;
use crate::log::{ReplayError, frame};
use crate::snapshot::side;
use crate::snapshot::{
    Directories, DirectoryError, RestoreError, RestoreOptions, Restored, restore, write_file,
};
use crate::testing::workload::Workload;

/// A server's folder, what was done on it, and the tree that came of it.
struct Server {
    dir: TempDir,
    load: Workload,
    tree: Arc<Tree>,
    writer: TreeWriter,
}

const OPTIONS: RestoreOptions = RestoreOptions {
    pipeline: sequential,
    trust_empty: false,
    autocreate: true,
    digest: true,
    field_max: FIELD_MAX,
    types: TYPES,
    kill_lost_sessions: true,
};

impl Server {
    fn new(seed: u64) -> Server {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("version-2")).unwrap();
        let (tree, writer) = new_tree();
        Server { dir, load: Workload::new(seed), tree, writer }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("version-2").join(name)
    }

    fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.dir.path().join("version-2")).unwrap();
        let mut names: Vec<String> =
            files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "ringkeeper.lock");
        names.sort();
        names
    }

    fn steps(&mut self, n: usize) {
        (0..n).for_each(|_| self.load.step(&mut self.writer));
    }

    fn snapshot(&self, compression: Compression) -> String {
        let sessions: Vec<_> = self.load.sessions.clone().into_iter().collect();
        let options = WriteOptions { compression, ..options(self.load.zxid()) };
        let dirs = self.open().unwrap();
        let report =
            write_file(dirs.snapshots.as_ref(), &self.tree, &sessions, &options, &mut |_| true);
        let report = report.unwrap();
        assert!(report.without_side_record.is_none());
        assert_eq!(report.file_bytes, std::fs::metadata(self.file(&report.name)).unwrap().len());
        report.name
    }

    /// Transactions `from..=to` in a file of their own.
    fn log(&self, from: i64, to: i64) -> String {
        let mut bytes = frame::header(frame::Nonce(7), false).to_vec();
        for entry in &self.load.log[from as usize - 1..to as usize] {
            let mut encoded = Vec::new();
            encode_entry(entry, &mut encoded);
            frame::put_record(&mut bytes, &encoded);
        }
        let name = format!("log.{from:x}");
        std::fs::write(self.file(&name), bytes).unwrap();
        name
    }

    fn open(&self) -> Result<Directories, DirectoryError> {
        Directories::open(self.dir.path(), self.dir.path(), true)
    }

    fn start_with(&self, options: &RestoreOptions) -> Result<(Restored, Arc<Tree>), RestoreError> {
        let (tree, mut writer) =
            Tree::new(TreeOptions { types: options.types, ..TreeOptions::default() });
        let dirs = self.open().unwrap();
        let mut seen = Vec::new();
        let restored = restore(&dirs, &mut writer, options, &mut |entry, bytes| {
            let mut again = Vec::new();
            encode_entry(entry, &mut again);
            assert_eq!(again, bytes);
            seen.push(entry.header.zxid);
        })?;
        assert_eq!(seen.len() as u64, restored.replayed);
        Ok((restored, tree))
    }

    fn start(&self) -> Result<Restored, RestoreError> {
        self.start_with(&OPTIONS).map(|(restored, _)| restored)
    }

    /// Starts, and finds all that was done.
    fn start_whole(&self) -> Restored {
        let (restored, tree) = self.start_with(&OPTIONS).unwrap();
        assert_eq!(restored.zxid, self.load.zxid());
        assert_eq!(restored.sessions, self.load.sessions);
        assert_eq!(figures(&tree), figures(&self.tree));
        assert_eq!(dump(&tree), dump(&self.tree));
        assert_eq!(restored.digests.mismatches, 0);
        assert_eq!((restored.repeated, restored.unknown_acls), (0, 0));
        restored
    }
}

fn damage(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 0x40;
    // Time of modification and all: a disk that forgets does not say when.
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    std::fs::write(path, bytes).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

#[test]
fn nothing_at_all_is_an_empty_database_if_that_is_allowed() {
    let server = Server::new(0);
    let (restored, tree) = server.start_with(&OPTIONS).unwrap();
    assert_eq!((restored.zxid, restored.snapshot_due, restored.snapshot), (Zxid(0), true, None));
    assert_eq!(tree.digest(), 0x51c6_d660);
    let strict = RestoreOptions { autocreate: false, ..OPTIONS };
    let refused = server.start_with(&strict).map(|_| ()).unwrap_err();
    assert!(matches!(refused, RestoreError::Empty { .. }));
    let marker = server.dir.path().join("initialize");
    assert!(refused.to_string().ends_with(&format!("create the file {}", marker.display())));
    std::fs::write(&marker, "").unwrap();
    assert_eq!(server.start_with(&strict).unwrap().0.zxid, Zxid(0));
    assert!(!marker.exists());
}

#[test]
fn snapshots_in_every_form_and_the_log_behind_them_are_the_tree() {
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
        let mut server = Server::new(1);
        server.steps(60);
        let name = server.snapshot(compression);
        assert_eq!(name, format!("snapshot.3c{}", compression.extension()));
        assert_eq!(server.names(), [format!("ringkeeper.{name}.crc"), name.clone()]);
        let restored = server.start_whole();
        // Just what the file holds: nothing new to write.
        assert!(!restored.snapshot_due);
        let file = restored.snapshot.unwrap();
        assert!(file.vouched && file.file.ends_with(&name) && file.modified > 0);
        server.log(1, 60);
        server.steps(20);
        server.log(61, 80);
        let restored = server.start_whole();
        assert_eq!((restored.replayed, restored.snapshot_due), (20, true));
        assert_eq!(restored.snapshot.unwrap().zxid, Zxid(60));
    }
}

#[test]
fn a_log_without_a_snapshot_is_refused_unless_it_is_trusted() {
    let mut server = Server::new(2);
    server.steps(30);
    server.log(1, 30);
    let refused = server.start().unwrap_err();
    assert!(matches!(refused, RestoreError::LogWithoutSnapshot { first: Zxid(1), .. }));
    assert!(refused.to_string().contains("zookeeper.snapshot.trust.empty=true"));
    let trusting = RestoreOptions { trust_empty: true, ..OPTIONS };
    let (restored, tree) = server.start_with(&trusting).unwrap();
    assert_eq!((restored.replayed, restored.snapshot_due), (30, true));
    assert_eq!(dump(&tree), dump(&server.tree));
}

#[test]
fn a_gap_is_refused_between_snapshot_and_log_and_within_the_log() {
    let mut server = Server::new(3);
    server.steps(10);
    server.snapshot(Compression::None);
    server.steps(20);
    server.log(12, 20);
    let refused = server.start().unwrap_err();
    let gap = |e: &RestoreError, expected, found| {
        matches!(e, RestoreError::Log(ReplayError::Gap { expected: e, found: f, .. })
            if *e == Zxid(expected) && *f == Zxid(found))
    };
    assert!(gap(&refused, 11, 12), "{refused}");
    server.log(11, 11);
    server.log(22, 30);
    assert!(gap(&server.start().unwrap_err(), 21, 22));
    server.log(21, 21);
    server.start_whole();
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_an_older_one() {
    let mut server = Server::new(4);
    server.steps(20);
    server.snapshot(Compression::None);
    server.steps(20);
    let newer = server.snapshot(Compression::None);
    server.steps(5);
    server.log(1, 30);
    server.log(31, 45);
    assert_eq!(server.start_whole().replayed, 5);
    for at in [3, 200, 900] {
        let path = server.file(&newer);
        let good = std::fs::read(&path).unwrap();
        damage(&path, at);
        let restored = server.start_whole();
        assert_eq!((restored.replayed, restored.snapshot_due), (25, true));
        assert_eq!(restored.damaged.len(), 1);
        assert!(restored.damaged[0].file.ends_with(&newer));
        std::fs::write(&path, good).unwrap();
    }
    // A tail of zeros, as a crash leaves it of a file nobody flushed.
    let path = server.file(&newer);
    let mut zeroed = std::fs::read(&path).unwrap();
    zeroed.resize(zeroed.len() + 5, 0);
    std::fs::write(&path, zeroed).unwrap();
    let restored = server.start_whole();
    assert!(restored.damaged[0].why.contains("no complete snapshot"), "{:?}", restored.damaged);
    // And with none left, the log alone is not the database.
    std::fs::write(server.file("snapshot.14"), "").unwrap();
    let refused = server.start().unwrap_err();
    assert!(matches!(&refused, RestoreError::AllDamaged(files) if files.len() == 2), "{refused}");
}

#[test]
fn a_first_snapshot_cut_short_is_no_loss_and_any_other_is() {
    let server = Server::new(5);
    std::fs::write(server.file("snapshot.0"), "").unwrap();
    assert_eq!(server.start().unwrap().zxid, Zxid(0));
    std::fs::rename(server.file("snapshot.0"), server.file("snapshot.5")).unwrap();
    assert!(matches!(server.start().unwrap_err(), RestoreError::AllDamaged(_)));
}

/// Adler-32 does not see blocks of zeros that change places; the side record does.
#[test]
fn the_side_record_finds_what_the_seals_do_not_and_speaks_of_its_own_file_only() {
    let mut server = Server::new(6);
    server.steps(40);
    let name = server.snapshot(Compression::None);
    let path = server.file(&name);
    let dirs = server.open().unwrap();
    let file = dirs.snapshots.open(&name, crate::disk::Access::Read).unwrap();
    let record = side::of(dirs.snapshots.as_ref(), &name, file.as_ref()).unwrap();
    drop(dirs);
    let wrong = side::SideRecord { crc: record.crc ^ 1, ..record };
    let snapshots = crate::disk::RealDir::open(path.parent().unwrap()).unwrap();
    side::put(&snapshots, &name, &wrong).unwrap();
    let refused = server.start().unwrap_err().to_string();
    assert!(refused.contains("its side record says"), "{refused}");
    // Java writes another file of that name: the record has nothing to say about it.
    std::fs::write(&path, std::fs::read(&path).unwrap()).unwrap();
    let restored = server.start_whole();
    assert!(!restored.snapshot.unwrap().vouched);
    // Files of a crash, and a record whose snapshot somebody has deleted.
    std::fs::write(server.file("ringkeeper.snapshot.tmp"), "half").unwrap();
    std::fs::write(server.file("ringkeeper.snapshot.77.crc"), "").unwrap();
    std::fs::write(server.file(&format!("ringkeeper.{name}.crc.tmp")), "").unwrap();
    server.start_whole();
    assert_eq!(server.names(), [format!("ringkeeper.{name}.crc"), name]);
}

#[test]
fn ephemerals_of_lost_sessions_go_and_ttl_nodes_stay() {
    let mut server = Server::new(7);
    while server.tree.sessions_with_ephemerals().is_empty() {
        server.steps(1);
    }
    while !dump(&server.tree).iter().any(|l| l.contains(" -72057594037922936 ")) {
        server.steps(1);
    }
    let owners = server.tree.sessions_with_ephemerals();
    let dirs = server.open().unwrap();
    let options = options(server.load.zxid());
    let snapshots = dirs.snapshots.as_ref();
    write_file(snapshots, &server.tree, &[], &options, &mut |_| true).unwrap();
    drop(dirs);
    let (restored, tree) = server.start_with(&OPTIONS).unwrap();
    assert_eq!(restored.killed, owners);
    assert!(restored.snapshot_due);
    assert_eq!((tree.ephemeral_count(), restored.ttl_nodes_kept), (0, 0));
    let plain = RestoreOptions { types: TypeRules::default(), ..OPTIONS };
    let (restored, again) = server.start_with(&plain).unwrap();
    assert_eq!(restored.killed, owners);
    assert!(restored.ttl_nodes_kept > 0);
    assert_eq!(dump(&again), dump(&tree));
}

/// A copy of a running server's newest snapshot, without its log: Java starts on it, and so must
/// we; nodes younger than its name must not vanish from the next snapshot.
#[test]
fn a_fuzzy_snapshot_without_its_log_is_used_and_told_about() {
    let mut server = Server::new(8);
    server.steps(30);
    let sessions: Vec<_> = server.load.sessions.clone().into_iter().collect();
    // As Java writes it: everything, under the name of an earlier zxid.
    let whole = WriteOptions { restored_upto: server.load.zxid(), ..options(Zxid(10)) };
    let bytes = written(&server.tree, &sessions, &whole);
    std::fs::write(server.file("snapshot.a"), bytes).unwrap();
    let (restored, tree) = server.start_with(&OPTIONS).unwrap();
    assert_eq!(restored.digests.uncovered, Some(Zxid(30)));
    assert_eq!(dump(&tree), dump(&server.tree));
    assert!(restored.czxid_max > restored.zxid);
    let next = WriteOptions { restored_upto: restored.czxid_max, ..options(restored.zxid) };
    let (copy, mut writer) = new_tree();
    loaded(&written(&tree, &[], &next), Zxid(10), &mut writer).unwrap();
    assert_eq!(dump(&copy), dump(&tree));
}

#[test]
fn a_snapshot_of_this_folder_that_shows_more_than_the_log_has_is_refused_and_a_copy_is_not() {
    // Goal: logs that are gone are missed even where no record of them is left; a copy made while the
    // server ran may lack them, and a member of an ensemble is sent what it lacks.
    let mut server = Server::new(8);
    server.steps(30);
    let dirs = server.open().unwrap();
    let fuzzy = WriteOptions { restored_upto: server.load.zxid(), ..options(Zxid(10)) };
    write_file(dirs.snapshots.as_ref(), &server.tree, &[], &fuzzy, &mut |_| true).unwrap();
    drop(dirs);
    let refused = server.start().unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, RestoreError::Uncovered { reach: Zxid(30), .. }), "{text}");
    assert!(text.contains("snapshot.a.aside"), "{text}");
    let member = RestoreOptions { kill_lost_sessions: false, ..OPTIONS };
    assert_eq!(server.start_with(&member).unwrap().0.digests.uncovered, Some(Zxid(30)));
    let copy = server.file("copy");
    std::fs::copy(server.file("snapshot.a"), &copy).unwrap();
    let times = std::fs::metadata(server.file("snapshot.a")).unwrap().modified().unwrap();
    std::fs::File::options().write(true).open(&copy).unwrap().set_modified(times).unwrap();
    std::fs::rename(copy, server.file("snapshot.a")).unwrap();
    let restored = server.start().unwrap();
    assert_eq!(restored.digests.uncovered, Some(Zxid(30)));
    assert!(restored.snapshot.unwrap().vouched, "all the same it is whole");
}

#[test]
fn entries_that_cannot_be_read_stop_the_start_by_name_and_offset() {
    let mut server = Server::new(9);
    server.snapshot(Compression::None);
    server.steps(3);
    let mut bytes = frame::header(frame::Nonce(0), false).to_vec();
    let mut entry = Vec::new();
    encode_entry(&server.load.log[0], &mut entry);
    // A type nobody knows.
    entry[28..32].copy_from_slice(&99i32.to_be_bytes());
    frame::put_record(&mut bytes, &entry);
    std::fs::write(server.file("log.1"), bytes).unwrap();
    let refused = server.start().unwrap_err().to_string();
    assert!(refused.starts_with("transaction 0x1 in "), "{refused}");
    assert!(refused.contains("log.1 at offset 16: "), "{refused}");
}

#[test]
fn directories_are_made_found_told_apart_and_locked() {
    let dir = tempfile::tempdir().unwrap();
    let (data, logs) = (dir.path().join("data"), dir.path().join("logs"));
    let missing = Directories::open(&data, &logs, false).unwrap_err();
    assert!(matches!(missing, DirectoryError::Missing { .. }), "{missing}");
    let open = Directories::open(&data, &logs, true).unwrap();
    let second = Directories::open(&data, &logs, true).unwrap_err();
    assert!(matches!(second, DirectoryError::Lock(_)), "{second}");
    drop(open);
    std::fs::write(logs.join("version-2/snapshot.0"), "").unwrap();
    let mixed = Directories::open(&data, &logs, false).unwrap_err();
    assert!(matches!(mixed, DirectoryError::Mixed(_)), "{mixed}");
    // One folder under two names is one folder.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&logs, &link).unwrap();
    Directories::open(&logs, &link, false).unwrap();
}
