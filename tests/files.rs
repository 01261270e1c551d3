//! Files both ways: what Apache ZooKeeper 3.9.5 wrote is read by us, and what we wrote by it.
//! Trees must be equal to the last field, digests agree, sessions live on, and Java's own tools
//! must read our files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::client::{Grant, Session};
use support::server::{Kind, Server, java, super_settings};
use support::tree::{dump, first_difference, random_writes, write_all_kinds};
use support::wire::{OPEN, Out};
use support::{Rng, scratch};

fn settings(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        super_settings(),
        ("extendedTypesEnabled", "true"),
        ("maxSessionTimeout", "60000"),
        ("preAllocSize", "64"),
        ("znode.container.checkIntervalMs", "100000000"),
    ];
    settings.extend_from_slice(more);
    settings
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Files of a data folder whose names start so, in the order of their zxids.
fn files(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix(prefix)?.split('.').next()?.to_string();
        u64::from_str_radix(&name, 16).ok()
    };
    let all = fs::read_dir(folder.join("data/version-2")).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> = all.filter(|path| number(path).is_some()).collect();
    files.sort_by_key(number);
    files
}

/// Digests that did not agree when the server replayed its files, if it tells.
fn mismatches(server: &Server) -> Option<String> {
    let text = server.word("mntr")?;
    let line = text.lines().find(|line| line.starts_with("zk_digest_mismatches_count"))?;
    line.split_whitespace().nth(1).map(str::to_string)
}

fn resume_all(server: &Server, grants: &[Grant]) {
    for grant in grants {
        let session = Session::resume(server.port, grant, 60_000);
        let session = session.unwrap_or_else(|| panic!("{:?} lost a session", server.kind));
        assert_eq!(session.grant.session, grant.session);
    }
}

/// `writer` writes, `reader` reads and writes on, `writer` reads that.
fn there_and_back(name: &str, writer: Kind, reader: Kind, more: &[(&'static str, &'static str)]) {
    let folder = scratch(name);
    let settings = settings(more);
    let mut server = Server::start(writer, &folder, &settings);
    let grants = write_all_kinds(server.port, 7, 400);
    let written = dump(server.port);
    server.terminate();
    drop(server);
    let ending = more.iter().find(|(key, _)| *key == "snapshot.compression.method");
    if let Some((_, ending)) = ending.filter(|(_, method)| !method.is_empty()) {
        let newest = files(&folder, "snapshot.").pop().unwrap();
        assert!(newest.extension().is_some_and(|found| found == *ending), "{}", newest.display());
    }

    let elsewhere = scratch(&format!("{name}-read"));
    copy(&folder.join("data"), &elsewhere.join("data"));
    let mut server = Server::start(reader, &elsewhere, &settings);
    let read = dump(server.port);
    assert_eq!(first_difference(&written, &read), None, "{writer:?} wrote, {reader:?} read");
    assert_eq!(mismatches(&server).as_deref().unwrap_or("0"), "0", "digests");
    resume_all(&server, &grants);
    let mut session = Session::open(server.port, 60_000);
    random_writes(&mut session, 8, 200);
    session.close();
    let written = dump(server.port);
    server.terminate();
    drop(server);

    copy(&elsewhere.join("data"), &folder.join("data"));
    let server = Server::start(writer, &folder, &settings);
    let read = dump(server.port);
    assert_eq!(first_difference(&written, &read), None, "{reader:?} wrote on, {writer:?} read");
    assert_eq!(mismatches(&server).as_deref().unwrap_or("0"), "0", "digests");
    resume_all(&server, &grants);
}

const METHODS: [(&str, &str); 3] = [("plain", ""), ("gz", "gz"), ("snappy", "snappy")];

#[test]
fn java_writes_and_we_read() {
    // Goal: a tree with every kind of node, from Java's logs and snapshots of each compression.
    for (name, method) in METHODS {
        let more = [("snapshot.compression.method", method), ("snapCount", "60")];
        there_and_back(&format!("files/java-{name}"), Kind::Java, Kind::under_test(), &more);
    }
    there_and_back("files/java-log", Kind::Java, Kind::under_test(), &[("snapCount", "100000")]);
}

#[test]
fn we_write_and_java_reads() {
    // Goal: the same the other way round.
    for (name, method) in METHODS {
        let more = [("snapshot.compression.method", method), ("snapCount", "60")];
        there_and_back(&format!("files/ours-{name}"), Kind::under_test(), Kind::Java, &more);
    }
    there_and_back("files/ours-log", Kind::under_test(), Kind::Java, &[("snapCount", "100000")]);
}

#[test]
fn a_separate_log_folder_is_read_both_ways() {
    // Goal: dataLogDir apart from dataDir, written by one and read by the other.
    for (name, writer, reader) in
        [("to-us", Kind::Java, Kind::under_test()), ("to-java", Kind::under_test(), Kind::Java)]
    {
        let folder = scratch(&format!("files/logdir-{name}"));
        let logs = folder.join("logs").display().to_string();
        let mut settings = settings(&[("snapCount", "100")]);
        settings.push(("dataLogDir", &logs));
        let mut server = Server::start(writer, &folder, &settings);
        write_all_kinds(server.port, 3, 250);
        let written = dump(server.port);
        server.terminate();
        drop(server);
        let server = Server::start(reader, &folder, &settings);
        assert_eq!(first_difference(&written, &dump(server.port)), None, "{name}");
    }
}

/// A folder with one log of many transactions, written by `kind` and copied after the stop.
fn one_log(kind: Kind, name: &str) -> PathBuf {
    let folder = scratch(name);
    let mut server = Server::start(kind, &folder, &settings(&[("snapCount", "100000")]));
    write_all_kinds(server.port, 5, 120);
    server.terminate();
    folder
}

/// Where the bytes of the log end: what follows is zeros.
fn used(log: &[u8]) -> usize {
    log.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

#[test]
fn torn_tails_are_cut_alike() {
    // Goal: a log that ends in the middle of a record, at any byte: both start, with equal trees,
    // whoever wrote it.
    for (name, writer) in [("java", Kind::Java), ("ours", Kind::under_test())] {
        let folder = one_log(writer, &format!("files/torn-{name}"));
        let mut rng = Rng::new(9);
        for cut in 0..4 {
            let trees = [Kind::Java, Kind::under_test()].map(|reader| {
                let mut rng = rng.clone();
                let torn = scratch(&format!("files/torn-{name}-{cut}-{reader:?}"));
                copy(&folder.join("data"), &torn.join("data"));
                // A log that is known to have been whole is refused when it is torn (tests/disks.rs).
                for entry in fs::read_dir(torn.join("data/version-2")).unwrap().map(Result::unwrap)
                {
                    if entry.file_name().to_string_lossy().starts_with("ringkeeper.log.") {
                        fs::remove_file(entry.path()).unwrap();
                    }
                }
                let log = files(&torn, "log.").pop().unwrap();
                let bytes = fs::read(&log).unwrap();
                let end = used(&bytes) - 1 - rng.below(3000);
                let mut bytes = bytes[..end].to_vec();
                if name == "ours" {
                    // No crash shortens what was laid out ahead: that is refused (tests/disks.rs).
                    bytes.resize(end + 65_536, 0);
                } else if cut % 2 == 1 {
                    // The end of an allocated file reads as zeros.
                    bytes.resize(65_536.max(end) + 16, 0);
                }
                fs::write(&log, bytes).unwrap();
                let server = Server::start(reader, &torn, &settings(&[]));
                dump(server.port)
            });
            rng.u64();
            assert_eq!(first_difference(&trees[0], &trees[1]), None, "{name}, cut {cut}");
        }
    }
}

#[test]
fn damage_in_the_middle_is_refused() {
    // Goal: a flipped byte with good records behind it stops the start, and the file is named.
    let kind = Kind::under_test();
    let folder = one_log(kind, "files/damaged");
    let log = files(&folder, "log.").pop().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let middle = used(&bytes) / 2;
    bytes[middle] ^= 0x10;
    fs::write(&log, bytes).unwrap();
    let port = support::server::free_port();
    let mut server = Server::spawn(kind, &folder, &settings(&[]), port);
    assert_ne!(server.wait(), Some(0), "a damaged log is no clean end");
    if kind == Kind::Ringkeeper {
        let name = log.file_name().unwrap().to_str().unwrap();
        assert!(server.log().contains(name), "{} is not named in: {}", name, server.log());
        let probe = folder.join("data/version-2/ringkeeper.log.probe");
        assert!(!probe.exists(), "the refused start has left its probe");
    }
}

/// So many childless nodes, a hundred below each of their parents.
fn fill(session: &mut Session, nodes: usize) {
    let create = |path: &str| {
        let header = Out::new().i32(1).bool(false).i32(-1);
        header.append(&Out::new().str(path).buffer(None).acls(Some(OPEN)).i32(0).0)
    };
    for parent in 0..nodes / 100 {
        let mut multi = create(&format!("/p{parent}"));
        for child in 0..100 {
            multi = multi.append(&create(&format!("/p{parent}/{child}")).0);
        }
        let multi = multi.append(&Out::new().i32(-1).bool(true).i32(-1).0);
        assert_eq!(session.call(14, multi).err, 0);
    }
}

#[test]
fn the_snapshot_of_a_large_tree_is_written_behind_the_start() {
    // Goal: a start that has replayed something serves, and brings a snapshot all the same.
    let folder = scratch("files/large");
    let settings = settings(&[("snapCount", "10000000")]);
    let mut server = Server::start(Kind::under_test(), &folder, &settings);
    fill(&mut Session::open(server.port, 60_000), 110_000);
    server.kill();
    drop(server);
    let snapshots = || files(&folder, "snapshot.");
    assert_eq!(snapshots().len(), 1, "that of the empty tree");
    let mut server = Server::start(Kind::under_test(), &folder, &settings);
    let mut session = Session::open(server.port, 60_000);
    assert_eq!(session.create("/behind", b""), 0);
    let deadline = Instant::now() + Duration::from_secs(60);
    while snapshots().len() < 2 {
        assert!(Instant::now() < deadline, "no snapshot: {}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill();
    drop(server);
    // What it holds is not replayed again.
    let server = Server::start(Kind::under_test(), &folder, &settings);
    let newest = snapshots().pop().unwrap();
    let (log, name) = (server.log(), newest.file_name().unwrap().to_str().unwrap().to_owned());
    let restored = log.lines().find(|line| line.contains("restored")).unwrap_or_default();
    assert!(restored.contains(&name) && restored.contains("znodes=1111"), "{log}");
    let mut session = Session::open(server.port, 60_000);
    assert_eq!(session.children("/p7").unwrap().len(), 100);
    assert!(session.get("/behind").is_ok());
}

#[test]
fn a_broken_newest_snapshot_falls_back() {
    // Goal: the newest snapshot is damaged, an older one and the logs make up for it.
    let kind = Kind::under_test();
    for (name, writer) in [("java", Kind::Java), ("ours", kind)] {
        let folder = scratch(&format!("files/fallback-{name}"));
        let settings = settings(&[("snapCount", "60")]);
        let mut server = Server::start(writer, &folder, &settings);
        write_all_kinds(server.port, 11, 400);
        let written = dump(server.port);
        server.terminate();
        drop(server);
        let snapshots = files(&folder, "snapshot.");
        assert!(snapshots.len() >= 2, "{name}: {snapshots:?}");
        let newest = snapshots.last().unwrap();
        let bytes = fs::read(newest).unwrap();
        fs::write(newest, &bytes[..bytes.len() * 2 / 3]).unwrap();
        let server = Server::start(kind, &folder, &settings);
        assert_eq!(first_difference(&written, &dump(server.port)), None, "{name}");
    }
}

#[test]
fn javas_tools_read_our_files() {
    // Goal: TxnLogToolkit finds every record sound, SnapshotFormatter and SnapshotComparer read
    // the newest snapshot.
    let folder = scratch("files/tools");
    let settings = settings(&[("snapCount", "100")]);
    let mut server = Server::start(Kind::under_test(), &folder, &settings);
    write_all_kinds(server.port, 13, 300);
    server.terminate();
    drop(server);
    let tool = |class: &str, arguments: &[&str]| {
        let class = format!("org.apache.zookeeper.server.{class}");
        let output = java(&class).args(arguments).output().unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{class} {arguments:?}: {text}");
        text
    };
    let mut transactions = 0;
    for log in files(&folder, "log.") {
        let text = tool("persistence.TxnLogToolkit", &["-d", log.to_str().unwrap()]);
        assert!(!text.contains("CRC ERROR"), "{text}");
        transactions += text.lines().filter(|line| line.contains("session 0x")).count();
    }
    assert!(transactions > 300, "{transactions} transactions in the logs");
    let snapshots = files(&folder, "snapshot.");
    let newest = snapshots.last().unwrap().to_str().unwrap();
    let text = tool("SnapshotFormatter", &["-d", newest]);
    assert!(text.contains("/Ünïcode") || text.contains("/plain/null"), "{text}");
    tool("SnapshotComparer", &["-l", newest, "-r", newest, "-b", "2", "-n", "1"]);
}
