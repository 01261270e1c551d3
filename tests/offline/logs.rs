//! Transaction logs beside TxnLogToolkit.

use std::fs;
use std::path::{Path, PathBuf};

use ringkeeper::codec::txn::{Entry, Txn, TxnDigest, TxnHeader, encode_entry};
use ringkeeper::codec::txnlog::{FILE_HEADER, put_record};
use ringkeeper::types::{SessionId, WallMillis, Zxid};

use super::*;

#[test]
fn logs_are_printed_as_java_prints_them() {
    // Goal: every kind of transaction, in files of both servers.
    for folder in [java_folder(), our_folder()] {
        for name in names(folder, "log.") {
            let printed = same(&["log", "dump"], LOG, folder, &[&name], "");
            assert_eq!(printed.code, 0);
        }
    }
    let testdata = root().join("src/snapshot/testdata");
    let printed = same(&["log", "dump"], LOG, &testdata, &["-d", "log.1"], "");
    for kind in ["createTTL", "createContainer", "multi", "closeSession", "setACL", "error"] {
        assert!(printed.out.iter().any(|line| line.contains(&format!(" {kind} "))), "{kind}");
    }
}

#[test]
fn a_reconfiguration_and_gaps_are_printed() {
    // Goal: what a single server's log does not have; LogChopper tells of gaps.
    let folder = scratch("offline-made");
    let mut log = FILE_HEADER.to_vec();
    for zxid in [0x1_0000_0001, 0x1_0000_0002, 0x1_0000_0005, 0x2_0000_0001, 0x4_0000_0003] {
        let header = TxnHeader {
            session: SessionId(0x1000_0000_0000_0001),
            cxid: 3,
            zxid: Zxid(zxid),
            time: WallMillis(1_700_000_000_000),
        };
        let config = "server.1=a:1:2:participant;3\nversion=100000001";
        let txn = Txn::Reconfig { config: Some(config.into()), version: -1 };
        let digest = Some(TxnDigest { version: 2, digest: 77 });
        let mut entry = Vec::new();
        encode_entry(&Entry { header, txn, digest }, &mut entry);
        put_record(&mut log, &entry);
    }
    fs::write(folder.join("log.100000001"), &log).unwrap();
    let printed = same(&["log", "dump"], LOG, &folder, &["log.100000001"], "");
    assert!(printed.out.iter().any(|line| line.contains(" reconfig /zookeeper/config,server.1=a")));
    for zxid in ["0x100000005", "0x200000001", "4294967298", "0x100000003", "0x500000000"] {
        chop_alike(&folder, "log.100000001", zxid);
    }
}

/// Chops with both, and compares what is left too.
fn chop_alike(folder: &Path, name: &str, zxid: &str) -> Ended {
    let chopped = || {
        let mut found: Vec<PathBuf> =
            names(folder, "log.").into_iter().map(|name| folder.join(name)).collect();
        found.retain(|path| path.to_str().unwrap().contains(".chopped"));
        found
    };
    let take = |found: Vec<PathBuf>| -> Vec<(PathBuf, Vec<u8>)> {
        let read = |path: PathBuf| {
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            (path, bytes)
        };
        found.into_iter().map(read).collect()
    };
    let java = theirs(LOG, folder, &["-c", "-z", zxid, name], "");
    let theirs = take(chopped());
    let rk = ours(&["log", "chop"], folder, &["-z", zxid, name], "");
    let ours = take(chopped());
    assert_eq!((java.out, java.code), (rk.out.clone(), rk.code), "{name} at {zxid}");
    assert_eq!(theirs, ours, "{name} at {zxid}");
    rk
}

#[test]
fn logs_are_chopped_as_java_chops_them() {
    // Goal: in the middle, at the last transaction, at one that is not there; the file that is made, too.
    for from in [java_folder(), our_folder()] {
        let folder = scratch("offline-chop");
        let name = names(from, "log.").into_iter().max_by_key(|n| records(from, n).len()).unwrap();
        fs::copy(from.join(&name), folder.join(&name)).unwrap();
        let records = records(&folder, &name);
        let middle = records[records.len() / 2].1;
        let made = chop_alike(&folder, &name, &format!("{middle:#x}"));
        assert!(made.out.iter().any(|line| line.starts_with("Chopping at")), "{made:?}");
        for zxid in [records[0].1 - 1, records[0].1, records.last().unwrap().1, 1 << 40] {
            chop_alike(&folder, &name, &zxid.to_string());
        }
        let mut bytes = fs::read(folder.join(&name)).unwrap();
        bytes[records[1].0 + 30] ^= 1;
        fs::write(folder.join(&name), &bytes).unwrap();
        chop_alike(&folder, &name, &format!("{middle}"));
    }
}

#[test]
fn command_lines_of_the_log_toolkit_are_read_as_java_reads_them() {
    // Goal: help, faults, long names, several options in one word; files that are none.
    let folder = scratch("offline-words");
    fs::copy(root().join("src/snapshot/testdata/log.1"), folder.join("log.1")).unwrap();
    fs::write(folder.join("empty"), b"").unwrap();
    fs::write(folder.join("short"), b"ZKLG\0\0").unwrap();
    fs::write(folder.join("header"), FILE_HEADER).unwrap();
    fs::write(folder.join("zeros"), [0; 4096]).unwrap();
    fs::copy(root().join("src/snapshot/testdata/snapshot.0"), folder.join("snapshot.0")).unwrap();
    for words in [
        &["-h"][..],
        &["--help"],
        &["-help"],
        &[],
        &["-q", "log.1"],
        &["--nonsense", "log.1"],
        &["--du", "log.1"],
        &["--dump=1", "log.1"],
        &["-dv", "log.1"],
        &["-dq", "log.1"],
        &["-z"],
        &["-z", "1", "log.1"],
        &["-c", "log.1"],
        &["-cz", "-1", "log.1"],
        &["-c", "-z", "x", "log.1"],
        &["-c", "--zxid=x", "log.1"],
        &["-c", "-z", "1", "missing"],
        &["-c", "-z", "1", "snapshot.0"],
        &["-c", "-z", "1", "empty"],
        &["log.1", "other"],
        &["--", "log.1"],
        &["missing"],
        &["empty"],
        &["short"],
        &["header"],
        &["zeros"],
        &["snapshot.0"],
    ] {
        same(&["log", "dump"], LOG, &folder, words, "");
    }
}

#[test]
fn damaged_logs_are_printed_as_java_prints_them() {
    // Goal: bytes turned, files cut: what Java prints before it ends, and how it ends.
    for from in [java_folder(), our_folder()] {
        damaged_logs(from, |folder, name| {
            same(&["log", "dump"], LOG, folder, &[name], "");
        });
    }
}

#[test]
fn damaged_logs_are_recovered_as_java_recovers_them() {
    // Goal: with and without being asked; the file that is made, to its length; never one that is there.
    let from = java_folder();
    damaged_logs(from, |folder, name| {
        let fixed = folder.join(format!("{name}.fixed"));
        let take = || fs::read(&fixed).ok().inspect(|_| fs::remove_file(&fixed).unwrap());
        let answers = "perhaps\nyes\nNo\nyes\n".repeat(20);
        for (words, input) in [(&["-r", "-y", name][..], ""), (&["-rv", name], &answers)] {
            let java = theirs(LOG, folder, words, input);
            let theirs = take();
            let rk = ours(&["log", "dump"], folder, words, input);
            assert_eq!((java.out, java.code), (rk.out, rk.code), "{words:?}: {:?}", rk.errors);
            // Where both end early Java has laid out space that nothing needs.
            let ours = take();
            match rk.code {
                0 => assert!(theirs == ours, "{words:?}: not the same bytes"),
                _ => assert!(theirs.is_some() && ours.is_some(), "{words:?}"),
            }
        }
    });
    let folder = scratch("offline-recover");
    fs::copy(root().join("src/snapshot/testdata/log.1"), folder.join("log.1")).unwrap();
    let mut bytes = fs::read(folder.join("log.1")).unwrap();
    bytes[40] ^= 1;
    fs::write(folder.join("log.1"), &bytes).unwrap();
    for input in ["Abort\n", "", "\n"] {
        let java = theirs(LOG, &folder, &["-r", "log.1"], input);
        fs::remove_file(folder.join("log.1.fixed")).unwrap();
        let rk = ours(&["log", "recover"], &folder, &["log.1"], input);
        fs::remove_file(folder.join("log.1.fixed")).unwrap();
        assert_eq!((java.out, java.code), (rk.out, rk.code), "{input:?}: {:?}", rk.errors);
    }
    fs::write(folder.join("log.1.fixed"), b"mine").unwrap();
    same(&["log", "dump"], LOG, &folder, &["-r", "log.1"], "");
    assert_eq!(fs::read(folder.join("log.1.fixed")).unwrap(), b"mine");
}

#[test]
fn logs_are_verified_to_their_ends() {
    // Goal: sound, torn and damaged are told apart, and the exit code says which.
    for from in [java_folder(), our_folder()] {
        let all = names(from, "log.");
        let words: Vec<&str> = all.iter().map(String::as_str).collect();
        let said = ours(&["log", "verify"], from, &words, "");
        assert_eq!(said.code, 0, "{said:?}");
        let mut damaged = 0;
        damaged_logs(from, |folder, name| {
            let said = ours(&["log", "verify"], folder, &[name], "");
            let is_bad = said.out[0].contains("damaged") || said.out[0].contains("torn");
            assert!(is_bad || name.starts_with("cut"), "{name}: {said:?}");
            assert_eq!(said.code == 1, said.out[0].contains("damaged"), "{said:?}");
            damaged += i32::from(said.code == 1);
        });
        assert!(damaged >= 8, "{damaged}");
    }
}
