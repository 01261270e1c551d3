//! A learner that gets the leader's tree as a stream, in pieces of any size, while the leader's tree
//! changes.

use super::fuzzy::{Trial, without_use};
use super::*;
use crate::snapshot::replay::Replayer;
use crate::snapshot::walk::{AclTable, Walk};
use crate::snapshot::{StreamLoad, StreamSource};

/// The stream of a tree that changes after each of its pieces, and where it begins.
fn streamed(trial: &mut Trial) -> (Zxid, Vec<u8>) {
    let at = trial.load.zxid();
    let sessions: Vec<_> = trial.load.sessions.clone().into_iter().collect();
    let tree = Arc::clone(&trial.tree);
    let acls = AclTable::of(&tree);
    let walk = Walk::in_steps(at, acls.clone(), 1 + trial.load.random.below(8));
    let nodes = 1 + trial.load.random.below(6);
    let mut source = StreamSource::of_walk(sessions, acls, walk, nodes);
    let mut stream = Vec::new();
    while !source.next_piece(&tree, &mut stream) {
        let steps = trial.load.random.below(6);
        trial.steps(steps);
    }
    (at, stream)
}

fn load(
    stream: &[u8],
    mut size: impl FnMut() -> usize,
    writer: &mut TreeWriter,
) -> Result<(StreamLoad, usize), LoadError> {
    let (mut load, _) = StreamLoad::begin(FIELD_MAX, writer);
    let mut rest = stream;
    while !rest.is_empty() {
        let progress = load.feed(&rest[..size().clamp(1, rest.len())], writer)?;
        rest = &rest[progress.consumed..];
        if progress.done {
            break;
        }
    }
    Ok((load, rest.len()))
}

#[test]
fn transactions_over_a_stream_give_the_leaders_tree() {
    for seed in 0..100 {
        let mut trial = Trial::new(seed);
        let (at, mut stream) = streamed(&mut trial);
        trial.steps(5);
        stream.extend_from_slice(b"packets");
        let (copy, mut writer) = new_tree();
        // What was there before goes.
        trial.load.log.iter().take(1).for_each(|entry| {
            writer.apply(&entry.header, &entry.txn, &mut crate::tree::NoSink);
        });
        let mut random = crate::testing::generate::Gen::new(seed);
        let (load, left) = load(&stream, || 1 + random.below(90), &mut writer).unwrap();
        assert_eq!(left, 7, "seed {seed}");
        let loaded = load.finish(at, &mut writer).unwrap();
        assert_eq!(copy.applied(), at);
        let mut replayer = Replayer::new(&mut writer, at, loaded.sessions, true, None);
        trial.load.log[at.0 as usize..].iter().for_each(|entry| replayer.entry(entry));
        assert_eq!(replayer.finish().sessions, trial.load.sessions, "seed {seed}");
        assert_eq!(without_use(dump(&copy)), without_use(dump(&trial.tree)), "seed {seed}");
        assert_eq!(figures(&copy), figures(&trial.tree), "seed {seed}");
        assert_eq!(writer.unknown_acls(), 0);
    }
}

/// A stream that the connection cut short, one that is none, and one without a root.
#[test]
fn a_stream_that_is_not_whole_makes_no_tree() {
    let mut trial = Trial::new(7);
    let (at, stream) = streamed(&mut trial);
    let (_, mut writer) = new_tree();
    let (short, _) = load(&stream[..stream.len() - 1], || 50, &mut writer).unwrap();
    let error = short.finish(at, &mut writer).unwrap_err().to_string();
    assert_eq!(error, "snapshot stream has not come to its signature");
    let mut wrong = stream.clone();
    *wrong.last_mut().unwrap() = b'!';
    assert!(matches!(load(&wrong, || 50, &mut writer), Err(LoadError::Stream(_))));
    let mut empty = Vec::new();
    crate::codec::quorum::snapshot::put_head(&mut empty, &[], &[]);
    crate::codec::quorum::snapshot::put_end(&mut empty);
    let (rootless, _) = load(&empty, || 50, &mut writer).unwrap();
    assert!(matches!(rootless.finish(at, &mut writer), Err(LoadError::Tree(0, _))));
}
