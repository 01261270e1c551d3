//! The seam between the one writer and readers on other threads: what they read is published, and
//! what is published they read (I7, I8).

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};

use super::super::{Change, ChangeSink, Tree, TreeOptions};
use super::{create_as, header};
use crate::codec::txn::{CreateTxnKind, Op, Txn};
use crate::types::{SessionId, Zxid};

const OWNER: SessionId = SessionId(7);

fn ephemeral(path: &str) -> Txn {
    Txn::Op(create_as(CreateTxnKind::Create { ephemeral: true }, path, "", -1))
}

/// What stands for the streams. Slow to publish, so that whoever may read too early will.
struct Streams<'a> {
    published: &'a AtomicI64,
    zxid: Zxid,
}

impl ChangeSink for Streams<'_> {
    fn wants_changes(&self) -> bool {
        true
    }
    fn change(&mut self, change: Change) {
        self.zxid = change.zxid;
    }
    fn publish(&mut self) {
        for _ in 0..3 {
            std::thread::yield_now();
        }
        self.published.store(self.zxid.0, SeqCst);
        std::thread::yield_now();
    }
}

/// Whether a reader beside the writer has found something amiss.
fn race(rounds: i64, read: impl Fn(&Tree) -> (i64, Zxid) + Sync) -> Option<String> {
    let (tree, mut writer) = Tree::new(TreeOptions::default());
    let (published, stop) = (AtomicI64::new(0), AtomicBool::new(false));
    let (told, before) = (&published, read(&tree).0);
    let amiss = || {
        let reader_looks = || {
            let heard = told.load(SeqCst);
            let (count, seen) = read(&tree);
            let in_streams = told.load(SeqCst);
            // Each odd transaction makes a node, each even one takes it away.
            let right = before + seen.0 % 2;
            (seen.0 > in_streams)
                .then(|| format!("{seen} is read, the streams have {in_streams:#x}"))
                .or((seen.0 < heard).then(|| format!("{heard:#x} was heard, {seen} is read")))
                .or((count != right).then(|| format!("{count} at {seen}, should be {right}")))
        };
        while !stop.load(SeqCst) {
            if let Some(found) = reader_looks() {
                return Some(found);
            }
        }
        None
    };
    std::thread::scope(|scope| {
        let reader = scope.spawn(amiss);
        for zxid in 1..=rounds {
            let mut streams = Streams { published: told, zxid: Zxid(0) };
            let txn = match zxid % 2 {
                1 => ephemeral("/e"),
                _ => Txn::Op(Op::Delete { path: "/e".into() }),
            };
            writer.apply(&header(OWNER, zxid), &txn, &mut streams);
            if reader.is_finished() {
                break;
            }
        }
        stop.store(true, SeqCst);
        reader.join().unwrap_or_else(|_| Some("the reader panics".into()))
    })
}

const ROUNDS: i64 = 20_000;

#[test]
fn a_sessions_ephemerals_show_what_is_published_and_all_of_it() {
    let read = |tree: &Tree| {
        let (paths, seen) = tree.ephemerals_seen(OWNER);
        (paths.len() as i64, seen)
    };
    assert_eq!(race(ROUNDS, read), None);
}

#[test]
fn the_count_of_all_nodes_shows_what_is_published_and_all_of_it() {
    let read = |tree: &Tree| {
        let (count, seen) = tree.descendants("/");
        (i64::from(count.unwrap_or(-1)), seen)
    };
    assert_eq!(race(ROUNDS, read), None);
}

/// Looks at the tree while its changes are published.
struct Looks<'a> {
    tree: &'a Tree,
    found: Option<Zxid>,
}

impl ChangeSink for Looks<'_> {
    fn wants_changes(&self) -> bool {
        true
    }
    fn change(&mut self, _: Change) {}
    fn publish(&mut self) {
        self.found = Some(self.tree.applied());
    }
}

#[test]
fn changes_are_published_before_they_are_called_applied() {
    let (tree, mut writer) = Tree::new(TreeOptions::default());
    for zxid in 1..10 {
        let mut looks = Looks { tree: &tree, found: None };
        writer.apply(&header(OWNER, zxid), &ephemeral(&format!("/{zxid}")), &mut looks);
        assert_eq!(looks.found, Some(Zxid(zxid - 1)));
        assert_eq!(tree.applied(), Zxid(zxid));
    }
}

/// Breaks the order, and must be seen to.
#[cfg(feature = "mutants")]
#[test]
fn what_is_shown_before_it_is_published_is_found() {
    crate::mutants::choose(Some(crate::mutants::Mutant::AppliedBeforePublished));
    let read = |tree: &Tree| {
        let (paths, seen) = tree.ephemerals_seen(OWNER);
        (paths.len() as i64, seen)
    };
    let found = race(ROUNDS, read);
    crate::mutants::choose(None);
    assert!(found.is_some_and(|what| what.contains("the streams have")));
}
