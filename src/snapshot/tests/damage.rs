//! Every byte of a snapshot may be wrong: then it is refused, or what it says is the same.

use super::*;
use crate::snapshot::pack::Unpacker;
use crate::testing::workload::Workload;

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let (tree, mut writer) = new_tree();
    let mut load = Workload::new(7);
    (0..120).for_each(|_| load.step(&mut writer));
    let sessions: Vec<_> = load.sessions.clone().into_iter().collect();
    let at = load.zxid();
    let expected = (dump(&tree), figures(&tree));
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
        let whole = written(&tree, &sessions, &WriteOptions { compression, ..options(at) });
        let (copy, mut writer) = new_tree();
        let mut unharmed = Vec::new();
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            let source = Unpacker::new(compression, bytes.as_slice());
            if load_and_compare(source, at, &mut writer, &copy, &sessions, &expected) {
                unharmed.push(place);
            }
        }
        // What may change without a consequence: times and names in gzip's header, versions in
        // snappy's. Packed bytes have more than one way to say the same, and the seals are of what
        // they say.
        let harmless = match compression {
            Compression::None => 0,
            Compression::Gzip | Compression::Snappy => whole.len() / 10,
        };
        assert!(unharmed.len() <= harmless, "{compression:?}: {unharmed:?}");
    }
}

/// True if the bytes load, and to the same; false if they are refused.
fn load_and_compare(
    source: Unpacker<&[u8]>,
    at: Zxid,
    writer: &mut TreeWriter,
    tree: &Tree,
    sessions: &[(SessionId, i32)],
    expected: &(Vec<String>, Figures),
) -> bool {
    let Ok(loaded) = load(source, at, FIELD_MAX, sequential, writer) else { return false };
    assert_eq!((&dump(tree), &figures(tree)), (&expected.0, &expected.1));
    assert_eq!(loaded.sessions.into_iter().collect::<Vec<_>>(), sessions);
    true
}

#[test]
fn a_snapshot_cut_short_is_refused_but_at_the_end_of_a_section() {
    let (_, writer) = new_tree();
    let whole = written(writer.tree(), &[(SessionId(1), 5)], &options(Zxid::ZERO));
    let ends: Vec<usize> = (0..=whole.len())
        .filter(|end| loaded(&whole[..*end], Zxid::ZERO, &mut new_tree().1).is_ok())
        .collect();
    assert_eq!(ends, [whole.len() - 54, whole.len() - 21, whole.len()]);
}

/// As two threads of which one is much faster.
fn far_ahead(
    decode: &mut (dyn FnMut() -> Option<Batch> + Send),
    insert: &mut dyn FnMut(Batch) -> bool,
) {
    let all: Vec<Batch> = std::iter::from_fn(decode).collect();
    let _ = all.into_iter().all(insert);
}

#[test]
fn what_is_loaded_does_not_depend_on_how_far_ahead_it_is_decoded() {
    let (tree, mut writer) = new_tree();
    let mut work = Workload::new(11);
    (0..2000).for_each(|_| work.step(&mut writer));
    // Many batches.
    let (stat, big) = (crate::types::StoredStat::default(), [b'x'; 50_000]);
    for n in 0..30 {
        writer.restore_node(&format!("/big{n}"), Some(&big), -1, &stat).unwrap();
    }
    let at = work.zxid();
    let whole = written(&tree, &[(SessionId(1), 5)], &options(at));
    let outcome = |bytes: &[u8], pipeline: Pipeline| {
        let (tree, mut writer) = new_tree();
        let loaded = load(bytes, at, FIELD_MAX, pipeline, &mut writer);
        loaded.map(|loaded| (loaded, dump(&tree), figures(&tree))).map_err(|e| format!("{e:?}"))
    };
    let expected = outcome(&whole, sequential);
    assert_eq!(expected.as_ref().unwrap().1, dump(&tree));
    assert_eq!(outcome(&whole, far_ahead), expected);
    for n in 1..40 {
        let cut = &whole[..whole.len() / 40 * n];
        assert_eq!(
            outcome(cut, far_ahead),
            outcome(cut, sequential),
            "cut after {} bytes",
            cut.len()
        );
        let mut wrong = whole.clone();
        wrong[whole.len() / 40 * n] ^= 4;
        assert_eq!(outcome(&wrong, far_ahead), outcome(&wrong, sequential), "byte {}", cut.len());
    }
}

#[test]
fn a_tree_no_walk_would_make_is_refused() {
    use crate::codec::snapfile::{SnapshotWriter, Tail};
    let stat = crate::types::StoredStat::default();
    let file = |paths: &[&str]| {
        let mut writer = SnapshotWriter::begin(Vec::new(), &[], &[]).unwrap();
        paths.iter().for_each(|path| writer.node(path, None, -1, &stat).unwrap());
        writer.finish(&Tail::default()).unwrap()
    };
    let refusal = |paths: &[&str]| {
        loaded(&file(paths), Zxid::ZERO, &mut new_tree().1).map_err(|e| e.to_string())
    };
    assert!(refusal(&["", "/a", "/a/b"]).is_ok());
    assert!(refusal(&["", "/a/b", "/a"]).unwrap_err().contains("before its parent \"/a\""));
    assert!(refusal(&["/a"]).unwrap_err().contains("before its parent"));
    assert!(refusal(&["", "a"]).unwrap_err().contains("does not begin with '/'"));
    assert!(refusal(&[]).unwrap_err().contains("no root node"));
}
