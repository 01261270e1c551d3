//! Readers beside the writer.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::thread;

use super::*;

/// Remembers up to where the stream of changes has been published.
struct Stream<'a>(&'a AtomicI64, i64);

impl ChangeSink for Stream<'_> {
    fn wants_changes(&self) -> bool {
        true
    }
    fn change(&mut self, change: Change) {
        self.1 = change.zxid.0;
    }
    fn publish(&mut self) {
        self.0.store(self.1, SeqCst);
    }
}

fn number(node: Option<crate::tree::Node<'_>>) -> i64 {
    let text = node.and_then(|n| n.data().and_then(|d| std::str::from_utf8(d).ok()?.parse().ok()));
    text.unwrap_or(-1)
}

#[test]
fn readers_see_all_of_a_multi_or_nothing_and_never_before_the_stream_has_it() {
    let mut world = World::new();
    let paths = ["/a", "/b", "/c", "/d"];
    for path in paths {
        world.create(path, "0");
    }
    let (published, done) = (AtomicI64::new(world.zxid), AtomicBool::new(false));
    let tree = Arc::clone(&world.tree);
    thread::scope(|scope| {
        let (published, done) = (&published, &done);
        for reader in 0..3 {
            let tree = Arc::clone(&tree);
            scope.spawn(move || {
                let (mut last, mut rounds) = (0, 0);
                while !done.load(SeqCst) || rounds < 100 {
                    rounds += 1;
                    let mut seen = [0; 4];
                    let zxid = tree.read_many(&paths, |n, node| seen[n] = number(node));
                    assert!(seen.iter().all(|n| *n == seen[0]), "half a multi: {seen:?}");
                    assert!(seen[0] >= last, "reader {reader} went back");
                    last = seen[0];
                    assert!(zxid.0 <= published.load(SeqCst), "seen before it was published");
                    assert!(zxid.0 >= seen[0], "the zxid is not older than what is seen");

                    let (first, at) = tree.read(paths[reader], |node| {
                        (number(node), node.map(|n| n.stored().mzxid).unwrap_or_default())
                    });
                    assert!(at >= first.1 && at.0 <= published.load(SeqCst));
                    let (second, _) = tree.read(paths[reader + 1], number);
                    assert!(second >= first.0, "one node of the multi new, a later read old");
                    assert!(tree.applied() >= first.1);
                }
            });
        }
        let mut stream = Stream(published, 0);
        for n in world.zxid + 1..4000 {
            let ops = paths.map(|path| set_data(path, &n.to_string(), 1));
            world.writer.apply(&header(SESSION, n), &multi(ops), &mut stream);
            if n % 64 == 0 {
                thread::yield_now();
            }
        }
        done.store(true, SeqCst);
    });
}

#[test]
fn listings_and_counts_stand_beside_creates_and_deletes() {
    let mut world = World::new();
    world.create("/p", "");
    let done = AtomicBool::new(false);
    let tree = Arc::clone(&world.tree);
    thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            while !done.load(SeqCst) {
                let ((listed, counted, wire), _) = tree.read("/p", |node| {
                    let Some(node) = node else { return (0, 0, 0) };
                    (node.children().count(), node.child_count(), node.stat().num_children)
                });
                assert_eq!((listed, wire as usize), (counted, counted));
                let seen = tree.descendants("/p").0.unwrap_or(-1);
                assert!((0..=400).contains(&seen), "{seen}");
                assert!(tree.ephemerals_of(SESSION).len() <= 400);
                tree.reap_candidates(ReapCursor::start(), WallMillis(i64::MAX), 1, 10);
            }
        });
        for round in 0..6 {
            for n in 0..400 {
                let kind = CreateTxnKind::Create { ephemeral: n % 2 == 0 };
                world.op(create_as(kind, &format!("/p/{n}"), "", -1));
            }
            for n in 0..400 {
                world.delete(&format!("/p/{}", (n * 7 + round) % 400));
            }
        }
        done.store(true, SeqCst);
    });
    assert_eq!((world.tree.node_count(), world.tree.ephemeral_count()), (6, 0));
}
