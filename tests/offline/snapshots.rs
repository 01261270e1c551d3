//! Snapshots beside SnapshotFormatter, SnapshotComparer and SnapshotRecursiveSummary; packed otherwise.

use std::fs;

use super::*;

#[test]
fn snapshots_are_printed_as_java_prints_them() {
    // Goal: details, data, ncdu's JSON and sums; plain, gz and snappy; files of both servers.
    let folder = packed();
    for name in names(folder, "snapshot.") {
        same(&["snapshot", "format"], FORMATTER, folder, &[&name], "");
        same(&["snapshot", "format"], FORMATTER, folder, &["-d", &name], "");
        same(&["snapshot", "format"], FORMATTER, folder, &["-json", &name], "");
        for (path, depth) in [("/", "0"), ("/", "1"), ("", "2"), ("/plain", "0"), ("/ttl", "-1")] {
            same(&["snapshot", "summary"], SUMMARY, folder, &[&name, path, depth], "");
        }
    }
    let testdata = root().join("src/snapshot/testdata");
    for name in ["snapshot.0", "snapshot.3c", "snapshot.3c.gz", "snapshot.3c.snappy"] {
        same(&["snapshot", "format"], FORMATTER, &testdata, &["-d", name], "");
    }
}

#[test]
fn command_lines_of_the_snapshot_tools_are_read_as_java_reads_them() {
    // Goal: usages, missing files, wrong numbers, paths that are not there, files that are none.
    let folder = scratch("offline-snapshot-words");
    fs::copy(root().join("src/snapshot/testdata/snapshot.3c"), folder.join("snapshot.3c")).unwrap();
    fs::copy(root().join("src/snapshot/testdata/snapshot.3c"), folder.join("other")).unwrap();
    fs::copy(root().join("src/snapshot/testdata/log.1"), folder.join("log.1")).unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    fs::write(folder.join("empty"), b"").unwrap();
    fs::write(folder.join("empty.gz"), b"").unwrap();
    for words in [
        &[][..],
        &["-d"],
        &["-d", "-json", "snapshot.3c"],
        &["snapshot.3c", "-d"],
        &["other"],
        &["missing"],
        &["folder"],
        &["log.1"],
        &["empty"],
        &["empty.gz"],
    ] {
        same(&["snapshot", "format"], FORMATTER, &folder, words, "");
    }
    for words in [
        &["snapshot.3c", "/"][..],
        &["snapshot.3c", "/", "x"],
        &["snapshot.3c", "/none", "1"],
        &["missing", "/", "1"],
        &["log.1", "/", "1"],
    ] {
        same(&["snapshot", "summary"], SUMMARY, &folder, words, "");
    }
    let sides = ["-l", "snapshot.3c", "-r", "other"];
    for words in [
        &[][..],
        &["-l", "a", "-r", "b"],
        &["-l", "a", "-r", "b", "-b", "1"],
        &["-q"],
        &["-n"],
        &["--left", "snapshot.3c", "--right=other", "-b1", "--nodes", "2"],
        &[&sides[..], &["-b", "x", "-n", "1"]].concat(),
        &[&sides[..], &["-b", "1", "-n", "99999999999"]].concat(),
        &["-l", "missing", "-r", "other", "-b", "1", "-n", "1"],
        &["-l", "log.1", "-r", "other", "-b", "1", "-n", "1"],
    ] {
        same(&["snapshot", "compare"], COMPARER, &folder, words, "");
    }
}

#[test]
fn snapshots_are_compared_as_java_compares_them() {
    // Goal: thresholds, debug lines, the interactive way with every kind of answer.
    let folder = packed();
    let from = java_folder();
    let pair = |words: &[&str], input: &str| {
        let all = names(from, "snapshot.");
        let (first, last) = (&all[0], all.last().unwrap());
        for (left, right) in [(first, last), (last, first), (last, last)] {
            let sides = ["-l", left, "-r", right];
            same(&["snapshot", "compare"], COMPARER, from, &[&sides[..], words].concat(), input);
        }
    };
    pair(&["-b", "0", "-n", "0"], "");
    pair(&["-b", "100", "-n", "2"], "");
    pair(&["-b", "10", "-n", "1", "-d"], "");
    pair(
        &["-b", "10", "-n", "1", "-i"],
        "\n/plain\n/none\n/\n1\n-1\n77\nx\n+1\n2\n\n\n\n\n\n\n\n\n\n\n",
    );
    pair(&["-b", "10", "-n", "1", "-i", "-d"], "\n");
    let all = names(folder, "snapshot.");
    let sides = ["-l", &all[0], "-r", all.last().unwrap(), "-b", "0", "-n", "0"];
    same(&["snapshot", "compare"], COMPARER, folder, &sides, "");
}

#[test]
fn a_damaged_snapshot_is_printed_and_does_not_pass() {
    // Goal: what Java prints of it, and then the word that its checksum is wrong.
    let folder = scratch("offline-damaged-snapshot");
    let whole = fs::read(root().join("src/snapshot/testdata/snapshot.3c")).unwrap();
    let at = whole.windows(4).position(|four| four == b"data").expect("a node's data");
    let mut turned = whole.clone();
    turned[at] ^= 1;
    fs::write(folder.join("snapshot.3c"), &turned).unwrap();
    let java = theirs(FORMATTER, &folder, &["-d", "snapshot.3c"], "");
    let rk = ours(&["snapshot", "format"], &folder, &["-d", "snapshot.3c"], "");
    assert_eq!((java.out, java.code), (rk.out, 0));
    assert_eq!(rk.code, 1);
    assert!(rk.errors[0].contains("checksum"), "{:?}", rk.errors);
    let verified = ours(&["snapshot", "verify"], &folder, &["snapshot.3c"], "");
    assert!(verified.code == 1 && verified.out[0].contains("damaged"), "{verified:?}");
    for end in [3, 20, whole.len() / 3, whole.len() / 2] {
        fs::write(folder.join("cut"), &whole[..end]).unwrap();
        same(&["snapshot", "format"], FORMATTER, &folder, &["cut"], "");
    }
    // No byte brings it down, and none that matters passes.
    let mut rng = Rng::new(5);
    for _ in 0..60 {
        let at = rng.below(whole.len() as u64) as usize;
        let mut turned = whole.clone();
        turned[at] ^= 1 << rng.below(8_u64);
        fs::write(folder.join("snapshot.3c"), &turned).unwrap();
        let verified = ours(&["snapshot", "verify"], &folder, &["snapshot.3c"], "");
        // Version and database of the header are looked at by nobody, and sealed.
        assert_eq!(verified.code, 1, "byte {at}: {verified:?}");
        let printed = ours(&["snapshot", "format"], &folder, &["snapshot.3c"], "");
        assert_eq!(printed.code, 1, "byte {at}: {:?}", printed.errors);
    }
}

#[test]
fn snapshots_are_packed_otherwise() {
    // Goal: through every form and back to the same bytes, read by Java in each; a damaged one makes none.
    let from = packed();
    let plain = names(from, "snapshot.").into_iter().find(|n| n.matches('.').count() == 1).unwrap();
    let folder = scratch("offline-convert");
    fs::copy(from.join(&plain), folder.join("snapshot.77")).unwrap();
    let chain = ["snapshot.77", "snapshot.77.gz", "snapshot.77.snappy", "snapshot.78"];
    for pair in chain.windows(2) {
        let made = ours(&["convert"], &folder, pair, "");
        assert_eq!(made.code, 0, "{made:?}");
    }
    let [first, last] = [chain[0], chain[3]].map(|name| fs::read(folder.join(name)).unwrap());
    assert!(first == last, "not the same bytes");
    let printed = |name: &str| theirs(FORMATTER, &folder, &["-json", name], "").out;
    for name in &chain[1..3] {
        assert_eq!(printed(name), printed("snapshot.77"), "{name}");
    }
    let again = ours(&["convert"], &folder, &chain[..2], "");
    assert!(again.code == 1 && again.errors[0].contains("is there already"), "{again:?}");
    let mut bytes = fs::read(folder.join("snapshot.77")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(folder.join("snapshot.79"), bytes).unwrap();
    let refused = ours(&["convert"], &folder, &["snapshot.79", "snapshot.79.gz"], "");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(names(&folder, "snapshot.79").len() == 1, "{:?}", names(&folder, "snapshot.79"));
}
