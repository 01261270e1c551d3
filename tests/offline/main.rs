//! `rk` on files beside Java's toolkits: TxnLogToolkit, SnapshotFormatter, SnapshotComparer,
//! SnapshotRecursiveSummary and PurgeTxnLog, on the same files, line by line. And what only rk has: whole
//! folders, snapshots packed otherwise.
//!
//! What differs on purpose:
//! * Where Java ends with a stack trace there is a sentence, and where it says "Got exception: null" what it is
//!   about; the exit code is the same.
//! * A snapshot whose checksum is wrong is printed as Java prints it; then rk says so and fails.
//! * Dates are in English, whatever the locale says, and zones have the names of the system's data base.
//! * Files whose zxid cannot be read are nobody's to purge; Java takes them for the oldest.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod folders;
mod logs;
mod snapshots;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ringkeeper::disk::{Access, Dir, RealDir};
use ringkeeper::log::scan::{Scanner, Step};
use support::rk::rk;
use support::server::{Kind, Server, java, super_settings};
use support::tree::write_all_kinds;
use support::{Rng, root, scratch};

const LOG: &str = "persistence.TxnLogToolkit";
const FORMATTER: &str = "SnapshotFormatter";
const COMPARER: &str = "SnapshotComparer";
const SUMMARY: &str = "SnapshotRecursiveSummary";
const PURGE: &str = "PurgeTxnLog";

/// What a program printed, and how it ended.
#[derive(PartialEq, Eq, Debug, Clone)]
struct Ended {
    out: Vec<String>,
    errors: Vec<String>,
    code: i32,
}

fn ended(mut command: Command, folder: &Path, words: &[&str], input: &str) -> Ended {
    command.args(words).current_dir(folder).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who ends early reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes).split('\n').map(steady).collect()
    };
    let code = output.status.code().expect("no signal");
    Ended { out: lines(&output.stdout), errors: lines(&output.stderr), code }
}

/// A line without what is new each time: times taken, the time of day.
fn steady(line: &str) -> String {
    let mut line = line.to_owned();
    for (before, behind) in [(" in ", " seconds"), ("\"timestamp\":", "}")] {
        let Some(end) = line.find(behind) else { continue };
        let Some(begin) = line[..end].rfind(before).map(|at| at + before.len()) else { continue };
        line.replace_range(begin..end, "N");
    }
    line
}

fn theirs(tool: &str, folder: &Path, words: &[&str], input: &str) -> Ended {
    ended(java(&format!("org.apache.zookeeper.server.{tool}")), folder, words, input)
}

fn ours(command: &[&str], folder: &Path, words: &[&str], input: &str) -> Ended {
    let mut rk = Command::new(rk());
    rk.args(command);
    ended(rk, folder, words, input)
}

/// Both on the same words, in the same folder: the same lines and code, and the same errors where Java's are
/// no stack trace.
fn same(command: &[&str], tool: &str, folder: &Path, words: &[&str], input: &str) -> Ended {
    let mut java = theirs(tool, folder, words, input);
    let rk = ours(command, folder, words, input);
    // An exception without a text; rk says what it is about.
    for (theirs, ours) in java.out.iter_mut().zip(&rk.out) {
        if theirs == "Got exception: null" && ours.len() > theirs.len() {
            theirs.clone_from(ours);
        }
    }
    assert_eq!(java.out, rk.out, "{command:?} {words:?}: {:?}, {:?}", java.errors, rk.errors);
    assert_eq!(java.code, rk.code, "{command:?} {words:?}: {:?}, {:?}", java.errors, rk.errors);
    let is_trace = java.errors.iter().any(|line| line.starts_with("Exception in thread"));
    match is_trace {
        false => assert_eq!(java.errors, rk.errors, "{command:?} {words:?}"),
        true => assert!(rk.errors[0].len() > 10, "{command:?} {words:?} says why: {:?}", rk.errors),
    }
    rk
}

/// Folders with files of every kind that a server has written, one each of Java's and of ours, made once.
fn written(kind: Kind, method: &'static str) -> PathBuf {
    let name = format!("offline-{kind:?}-{}", if method.is_empty() { "plain" } else { method });
    let folder = scratch(&name);
    let settings = [
        super_settings(),
        ("extendedTypesEnabled", "true"),
        ("maxSessionTimeout", "60000"),
        ("preAllocSize", "64"),
        ("snapCount", "60"),
        ("znode.container.checkIntervalMs", "100000000"),
        ("snapshot.compression.method", method),
    ];
    let mut server = Server::start(kind, &folder, &settings);
    write_all_kinds(server.port, 7, 300);
    server.terminate();
    folder.join("data/version-2")
}

fn java_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| written(Kind::Java, ""))
}

fn our_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| written(Kind::Ringkeeper, ""))
}

/// Names in a folder that begin so, oldest first.
fn names(folder: &Path, prefix: &str) -> Vec<String> {
    let names =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    let zxid = |name: &String| {
        u64::from_str_radix(name[prefix.len()..].split('.').next().unwrap(), 16).unwrap_or(0)
    };
    names.sort_by_key(zxid);
    names
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            // With its time: a record beside a snapshot speaks of that file alone.
            false => {
                fs::copy(entry.path(), &target).unwrap();
                let times = fs::FileTimes::new()
                    .set_modified(entry.metadata().unwrap().modified().unwrap());
                fs::File::options().write(true).open(&target).unwrap().set_times(times).unwrap();
            }
        }
    }
}

/// Offset, zxid and entry of each record.
fn records(folder: &Path, name: &str) -> Vec<(usize, i64, Vec<u8>)> {
    let dir = RealDir::open(folder).unwrap();
    let mut scanner = Scanner::open(dir.open(name, Access::Read).unwrap(), 1 << 20).unwrap();
    let mut records = Vec::new();
    while let Step::Record { offset, entry } = scanner.next_step().unwrap() {
        let zxid = i64::from_be_bytes(entry[12..20].try_into().unwrap());
        records.push((offset as usize, zxid, entry.to_vec()));
    }
    records
}

/// A folder of its own for each time it is asked for: tests run side by side.
fn fresh(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    scratch(&format!("{name}-{}", COUNT.fetch_add(1, Ordering::SeqCst)))
}

/// Damages a copy of a log in many ways, each of which is looked at by `look`.
fn damaged_logs(from: &Path, mut look: impl FnMut(&Path, &str)) {
    let folder = fresh("offline-damaged");
    let name = names(from, "log.").into_iter().max_by_key(|n| records(from, n).len()).unwrap();
    let whole = fs::read(from.join(&name)).unwrap();
    let records = records(from, &name);
    let mut rng = Rng::new(23);
    let mut changes: Vec<(String, Vec<u8>)> = Vec::new();
    for round in 0..12 {
        let (offset, _, entry) = &records[rng.below(records.len() as u64) as usize];
        // Java counts years further than any calendar: the transaction's time stays.
        let at = loop {
            let at = rng.below(entry.len() as u64 + 13) as usize;
            if !(32..40).contains(&at) {
                break offset + at;
            }
        };
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << rng.below(8_u64);
        changes.push((format!("turned{round}"), bytes));
    }
    let (third, _, entry) = &records[2];
    for (round, at) in [7, 12, 40, 12 + entry.len(), 13 + entry.len()].into_iter().enumerate() {
        changes.push((format!("cut{round}"), whole[..third + at].to_vec()));
    }
    let mut several = whole.clone();
    for (offset, _, _) in &records[3..6] {
        several[offset + 4] ^= 0xff;
    }
    changes.push(("several".into(), several));
    for (name, bytes) in changes {
        fs::write(folder.join(&name), bytes).unwrap();
        look(&folder, &name);
    }
}

/// Snapshots of both servers, packed in each way, in one folder.
fn packed() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = scratch("offline-snapshots");
        for (kind, number) in [(Kind::Java, 1), (Kind::Ringkeeper, 2)] {
            for method in ["", "gz", "snappy"] {
                let from = match (kind, method) {
                    (Kind::Java, "") => java_folder().to_owned(),
                    (_, "") => our_folder().to_owned(),
                    _ => written(kind, method),
                };
                let newest = names(&from, "snapshot.").pop().unwrap();
                let zxid = newest.split('.').nth(1).unwrap();
                let dot = if method.is_empty() { "" } else { "." };
                let name = format!("snapshot.{number}{zxid}{dot}{method}");
                fs::copy(from.join(newest), folder.join(name)).unwrap();
            }
        }
        folder
    })
}
