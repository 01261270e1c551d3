//! Whole folders: verified, purged.

use std::fs;
use std::path::{Path, PathBuf};

use ringkeeper::codec::txnlog::put_record;

use super::*;

/// Every file of a folder with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            match path.is_dir() {
                true => open.push(path),
                false => all.push((path.clone(), fs::read(&path).unwrap())),
            }
        }
    }
    all.sort();
    all
}

/// A copy of a server's folder, changed by `change`, verified: what is said. Nothing is written.
fn verified(from: &Path, change: impl FnOnce(&Path)) -> Ended {
    let folder = fresh("offline-verify");
    copy(from.parent().unwrap(), &folder);
    change(&folder.join("version-2"));
    let before = contents(&folder);
    let said = ours(&["verify"], &folder, &["."], "");
    assert!(before == contents(&folder), "verify has written something");
    said
}

fn is_said(said: &Ended, text: &str) {
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.out.iter().any(|l| l.starts_with("FAULT") && l.contains(text)), "{said:#?}");
}

#[test]
fn a_sound_folder_is_sound() {
    // Goal: folders of both servers, of one that was killed, and of a member of an ensemble.
    for from in [java_folder(), our_folder()] {
        let said = verified(from, |_| ());
        assert_eq!(said.code, 0, "{said:#?}");
        let digests = said.out.iter().filter(|line| line.contains("digests agree"));
        assert!(digests.count() >= 2, "{said:#?}");
        let said = verified(from, |folder| {
            for name in ["acceptedEpoch", "currentEpoch"] {
                fs::write(folder.join(name), "0").unwrap();
            }
            fs::write(folder.join("../myid"), "1\n").unwrap();
        });
        assert_eq!(said.code, 0, "{said:#?}");
        assert!(said.out.iter().any(|line| line.contains("acceptedEpoch 0")), "{said:#?}");
    }
    let torn = verified(java_folder(), |folder| {
        let newest = names(folder, "log.").pop().unwrap();
        let last = records(folder, &newest).pop().unwrap();
        let mut bytes = fs::read(folder.join(&newest)).unwrap();
        bytes.truncate(last.0 + 20);
        fs::write(folder.join(newest), bytes).unwrap();
    });
    assert_eq!(torn.code, 0, "{torn:#?}");
    assert!(torn.out.iter().any(|line| line.starts_with("note") && line.contains("cuts")));
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    // Goal: one fault planted each, in files of both servers: found, named, and the exit code.
    for from in [java_folder(), our_folder()] {
        let log = |folder: &Path| names(folder, "log.")[1].clone();
        let turned = verified(from, |folder| {
            let name = log(folder);
            let offset = records(folder, &name)[2].0;
            let mut bytes = fs::read(folder.join(&name)).unwrap();
            bytes[offset + 20] ^= 1;
            fs::write(folder.join(name), bytes).unwrap();
        });
        is_said(&turned, "checksum does not match");
        let missing = verified(from, |folder| {
            // All of them but the oldest snapshot, whose log then has a hole.
            for name in names(folder, "snapshot.").iter().skip(1) {
                fs::remove_file(folder.join(name)).unwrap();
            }
            fs::remove_file(folder.join(log(folder))).unwrap();
        });
        is_said(&missing, "are missing");
        let snapshot = verified(from, |folder| {
            let newest = names(folder, "snapshot.").pop().unwrap();
            let mut bytes = fs::read(folder.join(&newest)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(folder.join(newest), bytes).unwrap();
        });
        is_said(&snapshot, "snapshot, ");
        // A transaction that says another digest, with its checksum right.
        let digest = verified(from, |folder| {
            let name = log(folder);
            let records = records(folder, &name);
            let (offset, _, entry) = records.iter().find(|r| r.2.len() > 60).unwrap();
            let mut entry = entry.clone();
            *entry.last_mut().unwrap() ^= 1;
            let mut record = Vec::new();
            put_record(&mut record, &entry);
            let mut bytes = fs::read(folder.join(&name)).unwrap();
            bytes[*offset..offset + record.len()].copy_from_slice(&record);
            fs::write(folder.join(&name), bytes).unwrap();
            // What vouches for the file would say so first.
            let _ = fs::remove_file(folder.join(format!("ringkeeper.{name}.crc")));
        });
        is_said(&digest, "digests differ");
        let promise = verified(from, |folder| {
            fs::write(folder.join("acceptedEpoch"), "1").unwrap();
            fs::write(folder.join("currentEpoch"), "2").unwrap();
        });
        is_said(&promise, "a promise was lost");
        let myid = verified(from, |folder| {
            fs::write(folder.join("../myid"), "one").unwrap();
        });
        is_said(&myid, "no server's id");
    }
    // What only a server of ours writes down: how long a finished segment is.
    let sealed = verified(our_folder(), |folder| {
        let name = names(folder, "log.")[0].clone();
        let last = records(folder, &name).pop().unwrap();
        let mut bytes = fs::read(folder.join(&name)).unwrap();
        bytes.truncate(last.0);
        fs::write(folder.join(name), bytes).unwrap();
    });
    is_said(&sealed, "was closed with");
}

#[test]
fn a_folder_in_use_is_left_alone() {
    // Goal: not a word about files that a server is writing.
    let folder = scratch("offline-in-use");
    let server = Server::start(Kind::Ringkeeper, &folder, &[]);
    let said = ours(&["verify"], &folder, &["data"], "");
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.errors[0].contains(&format!("process {}", server.pid())), "{said:?}");
    assert_eq!(ours(&["verify"], &folder, &["nothing"], "").code, 1);
    assert_eq!(ours(&["verify"], &folder, &[], "").code, 2);
    assert_eq!(ours(&["verify"], &folder, &["--help"], "").code, 0);
}

#[test]
fn old_files_are_purged_as_java_purges_them() {
    // Goal: the same files go, the same lines are printed; usages and faults too.
    for from in [java_folder(), our_folder()] {
        let [a, b] = ["offline-purge-java", "offline-purge-rk"].map(scratch);
        for folder in [&a, &b] {
            copy(from.parent().unwrap(), &folder.join("data"));
        }
        let mut java = theirs(PURGE, &a, &["data", "-n", "3"], "");
        let mut rk = ours(&["purge"], &b, &["data", "-n", "3"], "");
        java.out.sort();
        rk.out.sort();
        assert!(java.out.len() > 3, "{java:?}");
        assert_eq!((java.out, java.code), (rk.out, rk.code));
        let left = |folder: &Path| {
            let data = folder.join("data/version-2");
            [names(&data, "log."), names(&data, "snapshot.")].concat()
        };
        assert_eq!(left(&a), left(&b));
        let said = ours(&["verify"], &b, &["data"], "");
        assert_eq!(said.code, 0, "{said:#?}");
    }
    let folder = scratch("offline-purge-words");
    fs::create_dir_all(folder.join("data")).unwrap();
    for words in [
        &[][..],
        &["data"],
        &["data", "-n"],
        &["data", "-n", "2"],
        &["data", "-n", "x"],
        &["data", "-m", "3"],
        &["missing", "-n", "3"],
        &["data", "data", "-n", "3"],
        &["data", "missing", "-n", "3"],
        &["data", "data", "data", "-n", "3"],
    ] {
        same(&["purge"], PURGE, &folder, words, "");
    }
}
