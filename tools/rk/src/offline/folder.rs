//! `rk verify`: all of a server's files, read as a start would read them, and more: every snapshot and every
//! log by itself, what a start would make of them, digests along the whole log, epochs, what is known to be
//! committed, membership. Nothing is written; a start is tried on [`Overlay`]s.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use ringkeeper::codec::txn::decode_entry;
use ringkeeper::disk::lock::DirLock;
use ringkeeper::disk::{Access, Dir, Overlay, RealDir, mixed};
use ringkeeper::history::{Committed, committed, epochs};
use ringkeeper::log::Replay;
use ringkeeper::log::name::list_logs;
use ringkeeper::membership::Members;
use ringkeeper::snapshot::directory::{self, SnapshotFile};
use ringkeeper::snapshot::replay::Replayer;
use ringkeeper::snapshot::{
    Directories, RestoreOptions, Restored, load_file, replay::Digests, restore,
};
use ringkeeper::tree::{Tree, TreeOptions, TreeWriter};
use ringkeeper::types::Zxid;

use super::fault::OfflineError;
use super::{log, snapshot};
use crate::out::Out;

/// The folder with the files.
const VERSION_DIR: &str = "version-2";

/// Whatever a text in the data directory has, more of it is not read.
const MYID_MAX: u64 = 4096;

/// Every file of a server, checked as a start would: snapshots, logs, epochs, membership, digests along the
/// log. Nothing is written. Exit code: 0 sound, 1 something is wrong, 2 the folder is in use.
#[derive(Parser, Debug)]
#[command(name = "verify")]
struct Arguments {
    /// dataDir
    data_dir: PathBuf,
    /// dataLogDir, if that is another one
    data_log_dir: Option<PathBuf>,
}

/// What is said of the files, and how much of it is bad.
struct Report<'a> {
    out: &'a mut Out,
    faults: usize,
}

impl Report<'_> {
    fn ok(&mut self, text: impl Display) {
        self.out.line(format_args!("ok     {text}"));
    }

    /// Worth knowing, and nothing wrong.
    fn note(&mut self, text: impl Display) {
        self.out.line(format_args!("note   {text}"));
    }

    fn fault(&mut self, text: impl Display) {
        self.faults += 1;
        self.out.line(format_args!("FAULT  {text}"));
    }

    fn result<T: Display, E: Display>(&mut self, what: &str, result: Result<T, E>) {
        match result {
            Ok(text) => self.ok(format_args!("{what}: {text}")),
            Err(error) => self.fault(format_args!("{what}: {error}")),
        }
    }
}

/// The server's folders.
struct Folder {
    data_dir: PathBuf,
    snapshots: Arc<dyn Dir>,
    logs: Arc<dyn Dir>,
    log_base: Arc<dyn Dir>,
    limit: usize,
    /// As long as it is looked at no server of ours starts on it.
    _locks: Vec<DirLock>,
}

/// `rk verify`.
pub(super) fn verify(words: &[String], limit: usize, out: &mut Out) -> Result<(), OfflineError> {
    let name = "verify".to_owned();
    let Arguments { data_dir, data_log_dir } =
        Arguments::try_parse_from(std::iter::once(&name).chain(words)).map_err(super::arguments)?;
    let folder = Folder::open(data_dir, data_log_dir, limit)?;
    let mut report = Report { out, faults: 0 };
    folder.check(&mut report);
    let faults = report.faults;
    if faults == 0 {
        out.line("sound");
        return Ok(());
    }
    out.line(format_args!("{faults} {}", if faults == 1 { "fault" } else { "faults" }));
    Err(OfflineError::Found)
}

impl Folder {
    fn open(
        data_dir: PathBuf,
        data_log_dir: Option<PathBuf>,
        limit: usize,
    ) -> Result<Folder, OfflineError> {
        let open = |path: &Path| {
            let file = path.display().to_string();
            RealDir::open(path).map_err(|error| OfflineError::Io { file, error })
        };
        let log_dir = data_log_dir.unwrap_or_else(|| data_dir.clone());
        let snapshots = open(&data_dir.join(VERSION_DIR))?;
        let logs = open(&log_dir.join(VERSION_DIR))?;
        let mut locks = Vec::new();
        locks.extend(DirLock::acquire_present(logs.path())?);
        let is_same = snapshots.path().canonicalize().ok() == logs.path().canonicalize().ok();
        if !is_same {
            locks.extend(DirLock::acquire_present(snapshots.path())?);
            mixed::check(&logs, &snapshots).map_err(OfflineError::Mixed)?;
        }
        let log_base = Arc::new(open(&log_dir)?);
        let (snapshots, logs) = (Arc::new(snapshots), Arc::new(logs));
        Ok(Folder { data_dir, snapshots, logs, log_base, limit, _locks: locks })
    }

    fn check(&self, report: &mut Report<'_>) {
        let oldest = self.snapshots(report);
        self.logs(report);
        let Some((restored, tree)) = self.start(report) else { return };
        self.whole_log(oldest, &restored, report);
        if self.is_member() {
            self.epochs(restored.zxid, report);
        }
        self.membership(&tree, report);
    }

    /// A server that has been in an ensemble.
    fn is_member(&self) -> bool {
        let is_there = |name| self.snapshots.open(name, Access::Read).is_ok();
        is_there("acceptedEpoch") || is_there("currentEpoch")
    }

    /// The same view of the files for one try after another.
    fn overlays(&self) -> Directories {
        let snapshots: Arc<dyn Dir> = Arc::new(Overlay::new(Arc::clone(&self.snapshots)));
        let is_same = self.snapshots.show("") == self.logs.show("");
        let logs = match is_same {
            true => Arc::clone(&snapshots),
            false => Arc::new(Overlay::new(Arc::clone(&self.logs))) as Arc<dyn Dir>,
        };
        let log_base = Arc::new(Overlay::new(Arc::clone(&self.log_base)));
        Directories::of(snapshots, logs, log_base)
    }

    fn options(&self) -> RestoreOptions {
        RestoreOptions { kill_lost_sessions: !self.is_member(), ..snapshot::options(self.limit) }
    }

    /// Each by itself; the oldest that is whole.
    fn snapshots(&self, report: &mut Report<'_>) -> Option<SnapshotFile> {
        let files = match directory::snapshots(self.snapshots.as_ref()) {
            Ok(files) => files,
            Err(error) => {
                report.fault(format_args!("{}: {error}", self.snapshots.show("")));
                return None;
            }
        };
        let mut oldest = None;
        for file in files {
            let path = self.snapshots.show(&file.name);
            let read = snapshot::verify_one(&path, self.limit);
            if read.is_ok() {
                oldest = Some(file);
            }
            report.result(&path, read);
        }
        oldest
    }

    fn logs(&self, report: &mut Report<'_>) {
        let files = match list_logs(self.logs.as_ref()) {
            Ok(files) => files,
            Err(error) => return report.fault(format_args!("{}: {error}", self.logs.show(""))),
        };
        for file in files {
            let path = self.logs.show(&file.name);
            report.result(&path, log::verify_one(&path, self.limit));
        }
    }

    /// What a start would do, by what a start does.
    fn start(&self, report: &mut Report<'_>) -> Option<(Restored, Arc<Tree>)> {
        let (tree, mut writer) = Tree::new(TreeOptions::default());
        let folders = self.overlays();
        let restored = match restore(&folders, &mut writer, &self.options(), &mut |_, _| {}) {
            Ok(restored) => restored,
            Err(error) => {
                report.fault(format_args!("a start would end: {error}"));
                return None;
            }
        };
        let base =
            restored.snapshot.as_ref().map_or("nothing".to_owned(), |file| file.file.clone());
        report.ok(format_args!(
            "a start begins with {base}, replays {} transactions and ends with {}: {} nodes, {} sessions",
            restored.replayed,
            restored.zxid,
            tree.node_count(),
            restored.sessions.len()
        ));
        for torn in &restored.log.torn {
            report.note(format_args!(
                "a start cuts {} off at byte {} ({}): a write that nobody was told was done",
                torn.file, torn.offset, torn.cause
            ));
        }
        if restored.unknown_acls > 0 {
            report.fault(format_args!(
                "{} nodes have access lists that are in neither snapshot nor log: nobody may use them",
                restored.unknown_acls
            ));
        }
        if !restored.killed.is_empty() {
            report.note(format_args!(
                "a start removes the ephemerals of {} sessions that are in no table",
                restored.killed.len()
            ));
        }
        self.say_digests("a start", &restored.digests, report);
        Some((restored, tree))
    }

    fn say_digests(&self, whose: &str, digests: &Digests, report: &mut Report<'_>) {
        match digests.first_mismatch {
            None => report.ok(format_args!("{whose}: {} digests agree", digests.compared)),
            Some(first) => report.fault(format_args!(
                "{whose}: {} of {} digests differ, first behind transaction {}: the log says {:x}, the \
                 tree has {:x}",
                digests.mismatches, digests.compared, first.zxid, first.expected, first.found
            )),
        }
        if let Some(reach) = digests.uncovered {
            report.note(format_args!(
                "{whose}: the snapshot has effects of transactions up to {reach}, and the log ends before"
            ));
        }
    }

    /// From the oldest snapshot that is whole, over what newer ones have made unneeded.
    fn whole_log(
        &self,
        oldest: Option<SnapshotFile>,
        restored: &Restored,
        report: &mut Report<'_>,
    ) {
        let Some(oldest) = oldest else { return };
        if restored.snapshot.as_ref().is_some_and(|file| file.zxid == oldest.zxid) {
            return;
        }
        let (_tree, mut writer) = Tree::new(TreeOptions::default());
        let folders = self.overlays();
        let whose = format!("from {} on", self.snapshots.show(&oldest.name));
        match self.replay(&folders, &oldest, &mut writer) {
            Ok((count, digests)) => {
                report.ok(format_args!("{whose}: {count} transactions"));
                self.say_digests(&whose, &digests, report);
            }
            // A leader's snapshot begins a history anew; what lies before it need not lead there.
            Err(error) => report.note(format_args!("{whose}: no way to the end: {error}")),
        }
    }

    fn replay(
        &self,
        folders: &Directories,
        from: &SnapshotFile,
        writer: &mut TreeWriter,
    ) -> Result<(u64, Digests), String> {
        let loaded = load_file(folders.snapshots.as_ref(), from, &self.options(), writer);
        let (loaded, _) = loaded.map_err(|e| e.to_string())?;
        let mut replayer = Replayer::new(writer, from.zxid, loaded.sessions, true, loaded.digest);
        let mut replay = Replay::open(folders.logs.as_ref(), Zxid(from.zxid.0 + 1), self.limit)
            .map_err(|e| e.to_string())?;
        while let Some(record) = replay.next_record().map_err(|e| e.to_string())? {
            let entry = decode_entry(record.entry, self.limit);
            replayer.entry(&entry.map_err(|e| format!("transaction {}: {e}", record.zxid))?);
        }
        let replayed = replayer.finish();
        Ok((replayed.applied, replayed.digests))
    }

    /// What was promised and entered, and what is known to be committed.
    fn epochs(&self, last: Zxid, report: &mut Report<'_>) {
        let folders = self.overlays();
        match epochs::open(folders.snapshots.as_ref(), last) {
            Ok(epochs) => report.ok(format_args!(
                "acceptedEpoch {}, currentEpoch {}",
                epochs.accepted.0, epochs.current.0
            )),
            Err(error) => report.fault(error),
        }
        match committed::read(folders.snapshots.as_ref(), last) {
            Ok(Committed::Upto(known)) => {
                report.ok(format_args!("all up to {} is known to be committed", known.upto));
            }
            Ok(Committed::Beyond(upto)) => report.fault(format_args!(
                "{} is known to be committed, and the files end with {last}: {}",
                upto,
                folders.snapshots.show(&committed::name())
            )),
            Ok(Committed::Unknown) => {}
            Err(error) => report.fault(error),
        }
    }

    /// The configuration in the tree, and this server's place in it.
    fn membership(&self, tree: &Tree, report: &mut Report<'_>) {
        let text = |node: Option<ringkeeper::tree::Node<'_>>| {
            node.and_then(|node| node.data().map(|data| String::from_utf8_lossy(data).into_owned()))
        };
        let (config, _) = tree.read("/zookeeper/config", text);
        let members = match config.filter(|config| !config.is_empty()) {
            None => None,
            Some(config) => match Members::parse(&config) {
                Ok(members) => Some(members),
                Err(error) => {
                    report.fault(format_args!("/zookeeper/config: {error}"));
                    None
                }
            },
        };
        let path = self.data_dir.join("myid");
        let myid = match read_text(&path) {
            None => None,
            Some(text) => match text.trim().parse::<i64>() {
                Ok(id) => Some(id),
                Err(_) => {
                    report.fault(format_args!("{} holds no server's id", path.display()));
                    None
                }
            },
        };
        let Some(members) = members else { return };
        let ids: Vec<String> = members.iter().map(|member| member.id.0.to_string()).collect();
        report.ok(format_args!(
            "configuration {:x}: servers {}",
            members.version(),
            ids.join(", ")
        ));
        if let Some(id) = myid.filter(|id| !members.iter().any(|member| member.id.0 == *id)) {
            report.note(format_args!("this server, {id}, is not one of them"));
        }
    }
}

/// A small file's text, if there is one.
fn read_text(path: &Path) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file, MYID_MAX), &mut text).ok()?;
    Some(text)
}
