//! From files to a running tree (tools/docs/reference/storage.md section 6; FileTxnSnapLog.restore,
//! ZooKeeperServer.loadData).
//!
//! The newest snapshot that is whole is loaded, the log behind it replayed. What Java does without
//! a word and would lose transactions by is refused here: a gap in the log, damage before its end,
//! snapshots of which none is whole. What it does and loses nothing by is done: a damaged snapshot
//! is passed over if an older one and the log reach as far.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use super::directory::{self, Directories, SnapshotFile};
use super::load::{LoadError, Loaded, Pipeline, load};
use super::pack::{Unpacker, compression_of};
use super::replay::{Digests, Replayed, Replayer};
use super::side;
use crate::codec::jute::DecodeError;
use crate::codec::txn::{Entry, Txn, TxnHeader, decode_entry};
use crate::disk::{Access, Dir, File, hint, remove_if_present};
use crate::log::name::horizon_name;
use crate::log::settle::Settled;
use crate::log::{Replay, ReplayError, settle, settle_with_snapshots};
use crate::mutants::{self, Mutant};
use crate::tree::{NoSink, TreeWriter};
use crate::types::{NodeKind, SessionId, TypeRules, WallMillis, Zxid};

/// Snapshots tried before giving up (FileSnap.deserialize).
const CANDIDATES: usize = 100;
/// Marker of zkServer-initialize: an empty database is meant.
const INITIALIZE: &str = "initialize";

/// How a tree is restored.
#[derive(Clone, Copy, Debug)]
pub struct RestoreOptions {
    /// `zookeeper.snapshot.trust.empty`: logs without any snapshot are replayed from nothing.
    pub trust_empty: bool,
    /// `zookeeper.db.autocreate`.
    pub autocreate: bool,
    /// `zookeeper.digest.enabled`.
    pub digest: bool,
    /// Longest path, data or log entry accepted: `jute.maxbuffer` + its extra size (I14).
    pub field_max: usize,
    /// As the tree was made with.
    pub types: TypeRules,
    /// Whether ephemerals of sessions that are in no table are removed. A server of an ensemble
    /// must not do so by itself (I13): its leader closes such sessions for all.
    pub kill_lost_sessions: bool,
    /// How a snapshot's nodes come from its bytes into the tree.
    pub pipeline: Pipeline,
}

/// The tree's state after a restore, and how it came about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// The last transaction in the tree. The next one is its successor.
    pub zxid: Zxid,
    /// Milliseconds of timeout by session.
    pub sessions: BTreeMap<SessionId, i32>,
    /// The snapshot that was loaded; `None` if there was none.
    pub snapshot: Option<LoadedFile>,
    /// Snapshots that were passed over, newest first.
    pub damaged: Vec<DamagedFile>,
    /// Entries applied after the snapshot.
    pub replayed: u64,
    /// Of these, entries whose zxid had been there before.
    pub repeated: u64,
    /// Whether the tree is what the log says it is.
    pub digests: Digests,
    /// For [`super::WriteOptions::restored_upto`].
    pub czxid_max: Zxid,
    /// Sessions that had ephemerals and are in no table: their ephemerals are gone.
    pub killed: Vec<SessionId>,
    /// Nodes that would be ephemerals of no session, but are TTL nodes of a server with
    /// `extendedTypesEnabled`. Java deletes them; here they stay.
    pub ttl_nodes_kept: usize,
    /// Nodes nobody may use, because neither the snapshot nor the log has their access list.
    pub unknown_acls: usize,
    /// What became of the log's end.
    pub log: Settled,
    /// Whether a snapshot should be taken now. Java takes one at every start; a tree that is just
    /// what the newest file holds needs none, and of a large tree it is not worth the wait.
    pub snapshot_due: bool,
}

/// The file a tree came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadedFile {
    /// Path.
    pub file: String,
    /// Of its name: all up to here is in it.
    pub zxid: Zxid,
    /// In it, the root and the system's own too.
    pub nodes: u64,
    /// As they lie in the file.
    pub bytes: u64,
    /// Nanoseconds since 1970; 0 if unknown (`last_snapshot` of the admin server).
    pub modified: u64,
    /// Whether a side record vouched for it.
    pub vouched: bool,
    /// Whether it is the very file that was written here: not one copied while a server ran.
    pub original: bool,
}

/// A snapshot that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DamagedFile {
    /// Path.
    pub file: String,
    /// What is wrong with it.
    pub why: String,
}

/// Why the server does not start. The text names files, offsets and what can be done.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum RestoreError {
    #[error("{what} {file}: {cause}{}", hint(file, cause))]
    Io { what: &'static str, file: String, cause: io::Error },
    /// ZOOKEEPER-2325, 3056.
    #[error(
        "{logs} holds transactions from {first} on, but {snapshots} holds no snapshot: transactions \
         before them would be missing. If this data comes from a server before 3.5.3 that never \
         wrote a snapshot, start once with zookeeper.snapshot.trust.empty=true"
    )]
    LogWithoutSnapshot { snapshots: String, logs: String, first: Zxid },
    #[error("no snapshot can be loaded: {}", list(.0))]
    AllDamaged(Vec<DamagedFile>),
    #[error(
        "{snapshots} holds no snapshot, {logs} no transaction, and zookeeper.db.autocreate is false: \
         if the database is meant to be empty, create the file {marker}"
    )]
    Empty { snapshots: String, logs: String, marker: String },
    /// In an epoch numbers show what is missing; at its end a snapshot that cannot be loaded may be
    /// all there is of it.
    #[error(
        "{file} cannot be loaded, and the log goes on from {before} to {after} around it: what only \
         that snapshot has may be missing. Bring it back from a copy; a member of an ensemble can \
         also have everything in {folder} moved away, and gets it from its leader"
    )]
    MissingBehind { file: String, before: Zxid, after: String, folder: String },
    #[error(transparent)]
    Log(#[from] ReplayError),
    #[error(
        "transactions {} to {promised} are missing: {record} shows that they were durable in {logs}, \
         and snapshot and log end with {found}. Restore the log files from a copy, or in an ensemble \
         move version-2 away and let this server be sent everything anew. To go on without them: \
         rm -f {record}", Zxid(found.0 + 1)
    )]
    Lost { logs: String, record: String, promised: Zxid, found: Zxid },
    #[error(
        "{snapshot} holds effects of transactions up to {reach}, and the log in {logs} ends with \
         {found}: its newest files are missing, and the tree would be a mixture of two moments. \
         Restore the log files from a copy, or in an ensemble move version-2 away and let this server \
         be sent everything anew. To go on with an older snapshot, if there is one: \
         mv {snapshot} {snapshot}.aside"
    )]
    Uncovered { snapshot: String, logs: String, reach: Zxid, found: Zxid },
    #[error("transaction {zxid} in {file} at offset {offset}: {cause}")]
    Entry { file: String, offset: u64, zxid: Zxid, cause: DecodeError },
}

impl RestoreError {
    /// ExitCode.UNEXPECTED_ERROR.
    pub const EXIT_CODE: i32 = 1;
}

fn list(damaged: &[DamagedFile]) -> String {
    damaged.iter().map(|d| format!("{}: {}", d.file, d.why)).collect::<Vec<_>>().join("; ")
}

/// Fills the tree. `seen` hears of every replayed entry, with its bytes as they lie in the log (for
/// the committed log). Cuts a torn tail off the log and removes leftovers; otherwise writes nothing.
pub fn restore(
    dirs: &Directories,
    writer: &mut TreeWriter,
    options: &RestoreOptions,
    seen: &mut dyn FnMut(&Entry, &[u8]),
) -> Result<Restored, RestoreError> {
    let snapshots = dirs.snapshots.as_ref();
    let io = |what: &'static str| {
        move |cause| RestoreError::Io { what, file: snapshots.show(""), cause }
    };
    directory::remove_leftovers(snapshots).map_err(io("cannot clean"))?;
    let files = directory::snapshots(snapshots).map_err(io("cannot list"))?;
    let log =
        settle_with_snapshots(dirs.logs.as_ref(), options.field_max, foreign(snapshots, &files))?;
    let (found, damaged) = load_newest(snapshots, &files, options, writer, Zxid(i64::MAX));
    let marker = remove_if_present(dirs.log_base.as_ref(), INITIALIZE).map_err(|cause| {
        RestoreError::Io { what: "cannot remove", file: dirs.log_base.show(INITIALIZE), cause }
    })?;
    let (loaded, file) = match found {
        Some((loaded, file)) => (loaded, Some(file)),
        None => {
            may_begin_empty(dirs, &files, &damaged, log.last, marker, options)?;
            writer.reset();
            (Loaded::default(), None)
        }
    };
    let zxid = file.as_ref().map_or(Zxid::ZERO, |f| f.zxid);
    let czxid_max = loaded.czxid_max;
    let logs = dirs.logs.as_ref();
    let newer = Newer::than(zxid, snapshots, &files);
    let range = (zxid, Zxid(i64::MAX));
    let replayed = replay(logs, writer, range, newer, loaded, options, seen)?;
    // A member of an ensemble is sent what it lacks, and may have been stopped while its history was
    // being replaced.
    let original = file.as_ref().filter(|file| file.original && options.kill_lost_sessions);
    check_nothing_is_missing(dirs, &replayed, original, &log)?;
    Ok(settled(writer, replayed, (file, damaged, czxid_max, log), options))
}

/// What [`restore_at`] found.
#[derive(Debug)]
pub enum RestoredAt {
    /// The tree is as of that transaction.
    Done {
        /// As a start would say.
        restored: Box<Restored>,
        /// The name of the snapshot that it was made from.
        base: String,
    },
    /// The files cannot give that state. The tree is in no state to be used.
    Impossible {
        /// What is missing.
        why: OutOfReach,
    },
}

/// Why the files do not give the tree as it was after a transaction.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum OutOfReach {
    #[error("no snapshot is as old as {0}")]
    NoneSoOld(Zxid),
    #[error("no snapshot gives {at}: {}", list(damaged))]
    Damaged { at: Zxid, damaged: Vec<DamagedFile> },
    #[error("{at} is not in the log, which has {before} before it")]
    NotInLog { at: Zxid, before: Zxid },
    #[error(transparent)]
    Unreadable(RestoreError),
}

/// Fills the tree as it was after transaction `at`, as far as the files can say. The log behind it
/// is read to its end, so that all of it is known to be whole; nothing but a torn tail is changed.
///
/// A snapshot with effects of later transactions cannot be the base, whatever its name says.
pub fn restore_at(
    dirs: &Directories,
    writer: &mut TreeWriter,
    options: &RestoreOptions,
    at: Zxid,
) -> Result<RestoredAt, RestoreError> {
    let snapshots = dirs.snapshots.as_ref();
    let list = directory::snapshots(snapshots).map_err(|cause| RestoreError::Io {
        what: "cannot list",
        file: snapshots.show(""),
        cause,
    })?;
    let log = settle(dirs.logs.as_ref(), options.field_max)?;
    let files: Vec<SnapshotFile> = list.into_iter().filter(|f| f.zxid <= at).collect();
    let (found, damaged) = load_newest(snapshots, &files, options, writer, at);
    let Some((loaded, file)) = found else {
        let why = match damaged.is_empty() {
            true => OutOfReach::NoneSoOld(at),
            false => OutOfReach::Damaged { at, damaged },
        };
        return Ok(RestoredAt::Impossible { why });
    };
    let base = files.iter().find(|f| snapshots.show(&f.name) == file.file);
    let base = base.map_or(String::new(), |f| f.name.clone());
    let (zxid, czxid_max) = (file.zxid, loaded.czxid_max);
    let logs = dirs.logs.as_ref();
    let newer = Newer::than(zxid, snapshots, &files);
    let range = (zxid, at);
    let replayed = match replay(logs, writer, range, newer, loaded, options, &mut |_, _| {}) {
        Ok(replayed) if replayed.zxid == at => replayed,
        Ok(replayed) => {
            let why = OutOfReach::NotInLog { at, before: replayed.zxid };
            return Ok(RestoredAt::Impossible { why });
        }
        Err(e @ (RestoreError::Io { .. } | RestoreError::Log(ReplayError::Io { .. }))) => {
            return Err(e);
        }
        Err(e) => return Ok(RestoredAt::Impossible { why: OutOfReach::Unreadable(e) }),
    };
    let restored = settled(writer, replayed, (Some(file), damaged, czxid_max, log), options);
    Ok(RestoredAt::Done { restored: Box::new(restored), base })
}

/// The end of every restoration.
fn settled(
    writer: &mut TreeWriter,
    replayed: Replayed,
    (file, damaged, czxid_max, log): (Option<LoadedFile>, Vec<DamagedFile>, Zxid, Settled),
    options: &RestoreOptions,
) -> Restored {
    let (killed, ttl_nodes_kept) = match options.kill_lost_sessions {
        true => kill_lost_sessions(writer, &replayed, options.types),
        false => (Vec::new(), 0),
    };
    let as_in_file = replayed.applied == 0 && killed.is_empty() && damaged.is_empty();
    Restored {
        zxid: replayed.zxid,
        sessions: replayed.sessions,
        snapshot_due: file.is_none() || !as_in_file,
        snapshot: file,
        damaged,
        replayed: replayed.applied,
        repeated: replayed.repeated,
        digests: replayed.digests,
        czxid_max,
        killed,
        ttl_nodes_kept,
        unknown_acls: writer.unknown_acls(),
        log,
    }
}

/// Loads the newest file that is whole and reaches no further than `reach_max`. The others are named
/// with what is wrong with them.
fn load_newest(
    dir: &dyn Dir,
    files: &[SnapshotFile],
    options: &RestoreOptions,
    writer: &mut TreeWriter,
    reach_max: Zxid,
) -> (Option<(Loaded, LoadedFile)>, Vec<DamagedFile>) {
    let mut damaged = Vec::new();
    let mut tried = 0;
    for file in files {
        if tried == CANDIDATES {
            break;
        }
        let why = match directory::looks_valid(dir, file) {
            Ok(true) => {
                tried += 1;
                match load_file(dir, file, options, writer) {
                    Ok((loaded, _)) if loaded.reach() > reach_max => {
                        format!("it has effects of transactions up to {}", loaded.reach())
                    }
                    Ok(loaded) => return (Some(loaded), damaged),
                    Err(e) => e.to_string(),
                }
            }
            Ok(false) => format!("{} bytes that are no complete snapshot", file.size),
            Err(e) => e.to_string(),
        };
        damaged.push(DamagedFile { file: dir.show(&file.name), why });
    }
    (None, damaged)
}

/// Why one file is not to be used. Another one is to be tried.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum FileError {
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("its crc32c is {found:08x}, its side record says {expected:08x}")]
    Side { found: u32, expected: u32 },
}

/// Loads one snapshot, and compares it with the record beside it. After an error the tree is in no
/// state to be used.
pub fn load_file(
    dir: &dyn Dir,
    file: &SnapshotFile,
    options: &RestoreOptions,
    writer: &mut TreeWriter,
) -> Result<(Loaded, LoadedFile), FileError> {
    let open = dir.open(&file.name, Access::Read)?;
    let record = side::of(dir, &file.name, open.as_ref());
    let (modified, identity) = (open.modified(), open.identity());
    let source = FileSource { file: open, at: 0, crc: 0 };
    let mut unpacker = Unpacker::new(compression_of(&file.name), source);
    let RestoreOptions { field_max, pipeline, .. } = *options;
    let loaded = load(&mut unpacker, file.zxid, field_max, pipeline, writer)?;
    let found = unpacker.into_source().crc_of_all()?;
    if let Some(expected) = record.map(|r| r.crc).filter(|expected| *expected != found) {
        return Err(FileError::Side { found, expected });
    }
    let description = LoadedFile {
        file: dir.show(&file.name),
        zxid: file.zxid,
        nodes: loaded.nodes,
        bytes: file.size,
        modified,
        vouched: record.is_some(),
        original: record.is_some_and(|record| record.identity == Some(identity)),
    };
    Ok((loaded, description))
}

/// A file from its beginning, with the crc32c of what has been read.
struct FileSource {
    file: Arc<dyn File>,
    at: u64,
    crc: u32,
}

impl Read for FileSource {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(into, self.at)?;
        self.crc = crc32c::crc32c_append(self.crc, &into[..n]);
        self.at += n as u64;
        Ok(n)
    }
}

impl FileSource {
    fn crc_of_all(mut self) -> io::Result<u32> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.crc)
    }
}

/// No snapshot could be loaded: whether that is as it should be.
fn may_begin_empty(
    dirs: &Directories,
    files: &[SnapshotFile],
    damaged: &[DamagedFile],
    last_logged: Option<Zxid>,
    marker: bool,
    options: &RestoreOptions,
) -> Result<(), RestoreError> {
    let (snapshots, logs) = (dirs.snapshots.show(""), dirs.logs.show(""));
    // The very first snapshot, cut short, tells of nothing that could be lost. Any other is the
    // rest of a database.
    let only_a_first = files.iter().all(|f| f.zxid == Zxid::ZERO) && last_logged.is_none();
    if mutants::on(Mutant::BegunAnew) {
        return Ok(());
    }
    if !damaged.is_empty() && !only_a_first {
        return Err(RestoreError::AllDamaged(damaged.to_vec()));
    }
    if last_logged.is_some() {
        if options.trust_empty {
            return Ok(());
        }
        let first = first_logged(dirs.logs.as_ref(), options.field_max)?;
        return Err(RestoreError::LogWithoutSnapshot { snapshots, logs, first });
    }
    if marker || options.autocreate {
        return Ok(());
    }
    let marker = dirs.log_base.show(INITIALIZE);
    Err(RestoreError::Empty { snapshots, logs, marker })
}

/// When ZooKeeper last wrote a snapshot here: one that no record of ours speaks of. Nanoseconds since
/// 1970; 0 if there is none.
fn foreign(dir: &dyn Dir, files: &[SnapshotFile]) -> u64 {
    let written = files.iter().filter_map(|file| {
        let open = dir.open(&file.name, Access::Read).ok()?;
        side::of(dir, &file.name, open.as_ref()).is_none().then(|| open.modified())
    });
    written.max().unwrap_or(0)
}

/// What a crash cannot take: transactions known to have been durable, and those that a snapshot of ours
/// shows, which are in the log before they are in the tree.
fn check_nothing_is_missing(
    dirs: &Directories,
    replayed: &Replayed,
    original: Option<&LoadedFile>,
    log: &Settled,
) -> Result<(), RestoreError> {
    let (logs, found) = (dirs.logs.show(""), replayed.zxid);
    if let Some(promised) = log.promised.filter(|promised| *promised > found) {
        let record = dirs.logs.show(&horizon_name());
        return Err(RestoreError::Lost { logs, record, promised, found });
    }
    match (replayed.digests.uncovered, original) {
        (Some(reach), Some(file)) => {
            let snapshot = file.file.clone();
            Err(RestoreError::Uncovered { snapshot, logs, reach, found })
        }
        _ => Ok(()),
    }
}

fn first_logged(logs: &dyn Dir, entry_max: usize) -> Result<Zxid, RestoreError> {
    // From below every zxid, so that no gap is seen before the first.
    let mut replay = Replay::open(logs, Zxid(i64::MIN), entry_max)?;
    Ok(replay.next_record()?.map_or(Zxid::ZERO, |r| r.zxid))
}

/// Snapshots newer than the one a replay begins with: they could not be loaded.
///
/// Behind a snapshot that a leader has sent, ZooKeeper's learner keeps the log of before, which ends
/// where it had been cut off. Where the log goes on in a later epoch nothing shows that hole, but for
/// the snapshot that fills it. Reading the log for a learner asks the same.
struct Newer<'a> {
    dir: &'a dyn Dir,
    files: Vec<&'a SnapshotFile>,
}

impl<'a> Newer<'a> {
    fn than(base: Zxid, dir: &'a dyn Dir, files: &'a [SnapshotFile]) -> Newer<'a> {
        Newer { dir, files: files.iter().filter(|file| file.zxid > base).collect() }
    }

    /// `after`: the next transaction, or `None` at the end of the log.
    fn look(&self, before: Zxid, after: Option<Zxid>) -> Result<(), RestoreError> {
        let fills = |file: &&&SnapshotFile| {
            file.zxid > before && after.is_none_or(|after| file.zxid < after)
        };
        let Some(file) = self.files.iter().find(fills) else { return Ok(()) };
        let after = after.map_or("its end".to_owned(), |after| after.to_string());
        let (file, folder) = (self.dir.show(&file.name), self.dir.show(""));
        Err(RestoreError::MissingBehind { file, before, after, folder })
    }
}

/// Applies what comes behind the snapshot at `zxid`, up to `upto`; the rest is only read.
fn replay(
    logs: &dyn Dir,
    writer: &mut TreeWriter,
    (zxid, upto): (Zxid, Zxid),
    newer: Newer<'_>,
    loaded: Loaded,
    options: &RestoreOptions,
    seen: &mut dyn FnMut(&Entry, &[u8]),
) -> Result<Replayed, RestoreError> {
    let mut replayer = Replayer::new(writer, zxid, loaded.sessions, options.digest, loaded.digest);
    let mut replay = Replay::open(logs, Zxid(zxid.0 + 1), options.field_max)?;
    let mut last = zxid;
    loop {
        let (offset, at, cause) = match replay.next_record()? {
            None => break,
            Some(record) if record.zxid > upto => continue,
            Some(record) => match decode_entry(record.entry, options.field_max) {
                Ok(entry) => {
                    newer.look(last, Some(record.zxid))?;
                    last = last.max(record.zxid);
                    replayer.entry(&entry);
                    seen(&entry, record.entry);
                    continue;
                }
                Err(cause) => (record.offset, record.zxid, cause),
            },
        };
        return Err(RestoreError::Entry { file: replay.file(), offset, zxid: at, cause });
    }
    newer.look(last, None)?;
    let mut replayed = replayer.finish();
    // Without digests there is still the last-zxid section to tell how far the snapshot reached.
    let reached = loaded.last_zxid.filter(|last| *last > replayed.zxid);
    replayed.digests.uncovered = replayed.digests.uncovered.or(reached);
    Ok(replayed)
}

/// ZooKeeperServer.loadData: ephemerals of sessions that no table knows. Not a transaction.
///
/// With `extendedTypesEnabled` off, Java takes TTL nodes for ephemerals and deletes them here, all
/// at once, at the first start after the switch. Nothing is deleted that may be meant to stay.
fn kill_lost_sessions(
    writer: &mut TreeWriter,
    replayed: &Replayed,
    types: TypeRules,
) -> (Vec<SessionId>, usize) {
    let with_ttl = TypeRules { extended_types: true, ..types };
    let mut killed = Vec::new();
    let mut kept = 0;
    for session in writer.tree().sessions_with_ephemerals() {
        if replayed.sessions.contains_key(&session) {
            continue;
        }
        if matches!(with_ttl.kind_of(session.0), NodeKind::Ttl(_)) {
            kept += writer.tree().ephemerals_of(session).len();
            continue;
        }
        let header = TxnHeader { session, cxid: 0, zxid: replayed.zxid, time: WallMillis(0) };
        writer.apply(&header, &Txn::CloseSession { paths: None }, &mut NoSink);
        killed.push(session);
    }
    (killed, kept)
}
