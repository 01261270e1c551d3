//! What a start makes of any directory: it loads something or refuses, and does the same again when
//! it is asked again.

use std::sync::Arc;

use ringkeeper::codec::txnlog::FILE_HEADER;
use ringkeeper::log::{Replay, settle};
use ringkeeper::snapshot::{Directories, RestoreOptions, restore};
use ringkeeper::tree::{Tree, TreeOptions};
use ringkeeper::types::{TypeRules, Zxid};

use super::choose;
use super::disk::{Contents, SimDisk};
use super::files::{FIELD_MAX, mend_log, seal_snapshot};

/// Splits an input into up to four files at this text, which no format has.
const BORDER: &[u8] = b"=#=";

fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let all = rest?;
        let border = all.windows(BORDER.len()).position(|window| window == BORDER);
        let (part, next) = match border {
            Some(at) => (&all[..at], Some(&all[at + BORDER.len()..])),
            None => (all, None),
        };
        rest = next;
        Some(part)
    })
    .take(4)
}

/// A log file out of a part. First byte: bit 0 puts checksums right, bit 1 gives the header, bits 4
/// to 7 are the file's name.
fn put_log(dir: &mut Contents, part: &[u8]) {
    let Some((choice, rest)) = choose(part) else { return };
    let mut file = if choice & 2 != 0 { FILE_HEADER.to_vec() } else { Vec::new() };
    file.extend_from_slice(rest);
    if choice & 1 != 0 {
        mend_log(&mut file);
    }
    dir.insert(format!("log.{:x}", choice >> 4), file.into());
}

/// Log files of any content: settled, they replay to the same end as they did before.
pub fn fuzz_log_recovery(data: &[u8]) {
    let mut files = Contents::new();
    parts(data).for_each(|part| put_log(&mut files, part));
    let dir = SimDisk::holding(&files);
    let before = replay(&dir);
    let Ok(first) = settle(&dir, FIELD_MAX) else { return };
    let settled = dir.contents();
    let Ok(second) = settle(&dir, FIELD_MAX) else { panic!("settled, then refused") };
    assert_eq!((first.last, &second.torn, &second.removed), (second.last, &vec![], &vec![]));
    assert_eq!(dir.contents(), settled, "settling again writes nothing");
    let after = replay(&dir);
    if let Ok(before) = before {
        assert_eq!(after.as_ref(), Ok(&before), "settling loses nothing that could be read");
    }
}

/// Every record of the log from zxid 1 on; the error as text.
fn replay(dir: &SimDisk) -> Result<Vec<(Zxid, Vec<u8>)>, String> {
    let mut records = Vec::new();
    let mut log = Replay::open(dir, Zxid(1), FIELD_MAX).map_err(|error| error.to_string())?;
    while let Some(record) = log.next_record().map_err(|error| error.to_string())? {
        records.push((record.zxid, record.entry.to_vec()));
    }
    Ok(records)
}

/// A snapshot and log files of any content. The first part is the snapshot: bit 0 of its first byte
/// gives it header and seals, bits 1 and 2 its tail, bits 4 to 7 its name.
pub fn fuzz_snapshot_restore(data: &[u8]) {
    let (mut snapshots, mut logs) = (Contents::new(), Contents::new());
    for (i, part) in parts(data).enumerate() {
        if i > 0 {
            put_log(&mut logs, part);
        } else if let Some((choice, rest)) = choose(part) {
            let file = if choice & 1 != 0 { seal_snapshot(choice, rest) } else { rest.to_vec() };
            snapshots.insert(format!("snapshot.{:x}", choice >> 4), file.into());
        }
    }
    let (snapshots, logs) = (SimDisk::holding(&snapshots), SimDisk::holding(&logs));
    let types = TypeRules { extended_types: data.len().is_multiple_of(2), emulate_353_ttl: false };
    let first = load(&snapshots, &logs, types);
    let second = load(&snapshots, &logs, types);
    match (&first, &second) {
        (Some(first), Some(second)) => assert_eq!(first, second),
        // The first start may have cut a torn tail that hid nothing; it never makes things worse.
        (Some(_), None) => panic!("a directory that loaded once does not load again"),
        (None, _) => {}
    }
}

/// Zxid, digest, nodes and sessions after a start.
fn load(
    snapshots: &SimDisk,
    logs: &SimDisk,
    types: TypeRules,
) -> Option<(Zxid, u64, usize, usize)> {
    let base = SimDisk::new();
    let dirs = Directories::of(Arc::new(snapshots.clone()), Arc::new(logs.clone()), Arc::new(base));
    let (tree, mut writer) =
        Tree::new(TreeOptions { shards: 4, hash_seed: 1, types, digest: true });
    let options = RestoreOptions {
        pipeline: ringkeeper::snapshot::load::sequential,
        trust_empty: true,
        autocreate: true,
        digest: true,
        field_max: FIELD_MAX,
        types,
        kill_lost_sessions: true,
    };
    let restored = restore(&dirs, &mut writer, &options, &mut |_, _| {}).ok()?;
    assert_eq!(restored.zxid, tree.applied());
    Some((restored.zxid, tree.digest(), tree.node_count(), restored.sessions.len()))
}
