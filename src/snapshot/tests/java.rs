//! Files of a live ZooKeeper 3.9.5 (testdata/README.md), and files of ours next to them.

use std::collections::BTreeMap;

use super::*;
use crate::codec::txn::decode_entry;
use crate::log::Replay;
use crate::snapshot::pack::Unpacker;
use crate::snapshot::replay::Replayer;

const PLAIN: &[u8] = include_bytes!("../testdata/snapshot.3c");
const GZIP: &[u8] = include_bytes!("../testdata/snapshot.3c.gz");
const SNAPPY: &[u8] = include_bytes!("../testdata/snapshot.3c.snappy");
const FIRST: &[u8] = include_bytes!("../testdata/snapshot.0");
const DUMP: &str = include_str!("../testdata/tree.dump");
const DIGEST: u64 = 0x13_ee3e_ec7d;
const AT: Zxid = Zxid(0x3c);
const DIGEST_SECTION: usize = 33;
const LAST_ZXID_SECTION: usize = 21;

fn java_nodes() -> Vec<&'static str> {
    let mut nodes: Vec<&str> = DUMP.lines().filter(|l| l.starts_with("node ")).collect();
    nodes.sort();
    nodes
}

fn java_sessions() -> BTreeMap<SessionId, i32> {
    let sessions = DUMP.lines().filter_map(|l| l.strip_prefix("session 0x"));
    let parse = |line: &str| {
        let (id, timeout) = line.split_once(' ').unwrap();
        (SessionId(i64::from_str_radix(id, 16).unwrap()), timeout.parse().unwrap())
    };
    sessions.map(parse).collect()
}

#[test]
fn javas_snapshots_restore_to_javas_tree_and_digest() {
    for (bytes, compression) in
        [(PLAIN, Compression::None), (GZIP, Compression::Gzip), (SNAPPY, Compression::Snappy)]
    {
        let (tree, mut writer) = new_tree();
        let source = Unpacker::new(compression, bytes);
        let loaded = load(source, AT, FIELD_MAX, sequential, &mut writer).unwrap();
        assert_eq!(dump(&tree), java_nodes(), "{compression:?}");
        assert_eq!(loaded.sessions, java_sessions());
        assert_eq!(tree.digest(), DIGEST);
        assert_eq!(loaded.digest.map(|d| (d.zxid, d.version, d.digest)), Some((AT, 2, DIGEST)));
        assert_eq!(loaded.last_zxid, Some(AT));
        assert_eq!(tree.applied(), AT);
        assert_eq!(loaded.nodes, java_nodes().len() as u64);
    }
}

#[test]
fn javas_log_replays_over_its_first_snapshot_to_the_same_tree() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("log.1"), include_bytes!("../testdata/log.1")).unwrap();
    let logs = crate::disk::RealDir::open(dir.path()).unwrap();
    let (tree, mut writer) = new_tree();
    let first = loaded(FIRST, Zxid::ZERO, &mut writer).unwrap();
    assert_eq!(first.digest, None);
    let mut replayer = Replayer::new(&mut writer, Zxid::ZERO, first.sessions, true, first.digest);
    let mut replay = Replay::open(&logs, Zxid(1), FIELD_MAX).unwrap();
    while let Some(record) = replay.next_record().unwrap() {
        replayer.entry(&decode_entry(record.entry, FIELD_MAX).unwrap());
    }
    let replayed = replayer.finish();
    assert_eq!((replayed.zxid, replayed.applied), (AT, 0x3c));
    assert_eq!(replayed.sessions, java_sessions());
    // Two of the entries are errors, which carry no digest.
    assert_eq!((replayed.digests.compared, replayed.digests.mismatches), (59, 0));
    assert_eq!(dump(&tree), java_nodes());
    assert_eq!(tree.digest(), DIGEST);
}

/// Files of 3.4 and 3.5 end after the nodes; digests and the last zxid can each be switched off.
#[test]
fn a_snapshot_is_read_whatever_sections_its_writer_had() {
    let (tree, mut writer) = new_tree();
    let whole = loaded(PLAIN, AT, &mut writer).unwrap();
    let sessions: Vec<_> = whole.sessions.into_iter().collect();
    let end = PLAIN.len() - DIGEST_SECTION - LAST_ZXID_SECTION;
    loaded(&PLAIN[..end], AT, &mut writer).unwrap();
    loaded(&PLAIN[..end + DIGEST_SECTION], AT, &mut writer).unwrap();
    for (digest, last_zxid) in [(false, false), (true, false), (false, true), (true, true)] {
        let bytes = written(&tree, &sessions, &WriteOptions { digest, last_zxid, ..options(AT) });
        let (copy, mut writer) = new_tree();
        let again = loaded(&bytes, AT, &mut writer).unwrap();
        assert_eq!(again.digest.map(|d| d.digest), digest.then_some(DIGEST));
        assert_eq!(again.last_zxid, last_zxid.then_some(AT));
        assert_eq!(dump(&copy), java_nodes());
    }
    for extra in [1, 12, 20, 22, 34, 55, 200] {
        let mut long = PLAIN[..end].to_vec();
        long.resize(end + extra, 0);
        assert!(loaded(&long, AT, &mut writer).is_err(), "{extra} bytes more");
    }
}

#[test]
fn a_fresh_tree_is_written_byte_for_byte_as_java_writes_it() {
    let (tree, _writer) = new_tree();
    let quiet = WriteOptions { quiet: true, ..options(Zxid::ZERO) };
    assert_eq!(written(&tree, &[], &quiet), FIRST);
}

/// The same nodes in another order, and the same bytes otherwise.
#[test]
fn a_restored_tree_is_written_as_long_as_java_wrote_it() {
    let (tree, mut writer) = new_tree();
    let sessions: Vec<_> = loaded(PLAIN, AT, &mut writer).unwrap().sessions.into_iter().collect();
    let quiet = WriteOptions { quiet: true, ..options(AT) };
    let ours = written(&tree, &sessions, &quiet);
    assert_eq!(ours.len(), PLAIN.len());
    let digest = |bytes: &[u8]| bytes[bytes.len() - 54..bytes.len() - 34].to_vec();
    assert_eq!(digest(&ours), digest(PLAIN));
}
