//! The seam between the one writer and its readers, under every interleaving: what a core reads has
//! been published (I7), and what it has been told of it reads (I8). The files of both ends of the
//! seam are compiled here against loom's primitives; around them stands what `tree::apply`,
//! `roles::stream` and `network::stream` do with them, in their order.

#![allow(clippy::unwrap_used)] // A test may.
#![allow(unreachable_pub)] // The files are the server's, where others reach them.
#![allow(dead_code)] // A tree that begins anew has no readers to be modelled.

#[path = "../src/tree/shown.rs"]
mod shown;
#[path = "../src/roles/stream_state.rs"]
mod stream_state;

/// In the place of src/tree/sync.rs and src/roles/sync.rs.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    /// A lock that is taken as parking_lot's is.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }
        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}

/// In the place of `crate::types`.
mod types {
    pub(crate) use ringkeeper::types::Zxid;
}

/// In the place of `crate::mutants`: without a feature, so that the mutants are always hunted.
mod mutants {
    pub(crate) use ringkeeper::mutants::Mutant;
    use std::cell::Cell;

    thread_local! {
        // All of a model's threads are coroutines of the thread that runs it.
        pub(crate) static CHOSEN: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    pub(crate) fn on(mutant: Mutant) -> bool {
        CHOSEN.get() == Some(mutant)
    }
}

use loom::sync::Arc;
use mutants::Mutant;
use shown::Shown;
use stream_state::Stream;
use sync::Mutex;
use types::Zxid;

/// What writer and reader share: two shards with a node each, the whole tree's figure, one core's
/// stream.
struct World {
    /// The last transactions that changed the nodes.
    shards: [Mutex<i64>; 2],
    /// The last transaction that shows in the figures.
    shown: Shown<i64>,
    stream: Stream,
    /// Changes that were sent to the core.
    mailbox: Mutex<Vec<i64>>,
}

impl World {
    fn new() -> Arc<World> {
        Arc::new(World {
            shards: [Mutex::new(0), Mutex::new(0)],
            shown: Shown::default(),
            stream: Stream::default(),
            mailbox: Mutex::new(Vec::new()),
        })
    }

    /// A transaction, as `Work` applies it and `Publisher` tells of it: the shard is locked to its end.
    fn apply(&self, zxid: i64) {
        let mut shard = self.shards[zxid as usize % 2].lock();
        let wanted = self.stream.is_watching();
        *shard = zxid;
        let publish = || {
            self.stream.publish(Zxid(zxid - 1));
            if wanted {
                self.mailbox.lock().push(zxid);
            }
        };
        self.shown.reveal(zxid, publish, |whole| *whole = zxid);
        drop(shard);
        // The flush behind it, with the answer.
        self.stream.publish(Zxid(self.shown.applied()));
    }

    /// The newest change in the mailbox.
    fn heard(&self) -> i64 {
        self.mailbox.lock().last().copied().unwrap_or(0)
    }
}

/// Two transactions beside a reader.
fn beside(read: impl Fn(&World) + Send + Sync + 'static, watching: bool) {
    let read = std::sync::Arc::new(read);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let world = World::new();
        world.stream.set_watching(watching);
        let (theirs, read) = (world.clone(), read.clone());
        let reader = loom::thread::spawn(move || read(&theirs));
        world.apply(1);
        world.apply(2);
        reader.join().unwrap();
    });
}

/// A core that watches reads the whole tree's figures, and what is called applied.
fn reads_what_is_published(world: &World) {
    let seen = world.shown.look(|whole| *whole);
    assert!(world.heard() >= seen, "{seen} is read, and its event is in no stream");
    let applied = world.shown.applied();
    assert!(world.heard() >= applied, "{applied} is applied, and its event is in no stream");
}

/// A core that has taken an event reads, or asks what is applied of the stream.
fn reads_what_it_was_told(world: &World) {
    let heard = world.heard();
    let seen = world.shown.look(|whole| *whole);
    assert!(seen >= heard, "{heard} was told, and {seen} is read");
    let published = world.stream.published().0;
    assert!(world.shown.look(|whole| *whole) >= published, "{published} counts as taken");
    assert!(world.heard() >= published);
}

/// A core without watches sets one: either its read saw a change, or the change is sent.
fn misses_nothing_behind_its_watch(world: &World) {
    world.stream.set_watching(true);
    let seen = *world.shards[1].lock();
    // Whatever comes now is the watch's.
    let newest = *world.shards[1].lock();
    let heard = world.mailbox.lock().clone();
    assert!(newest == seen || heard.contains(&newest), "{newest} was sent to nobody");
}

/// The same with a recursive watch, which asks every shard what was before it.
fn misses_nothing_beneath_its_watch(world: &World) {
    world.stream.set_watching(true);
    let newest = world.shards.iter().map(|shard| *shard.lock()).max().unwrap_or(0);
    for shard in &world.shards {
        let changed = *shard.lock();
        let heard = world.mailbox.lock().clone();
        assert!(changed <= newest || heard.contains(&changed), "{changed} was sent to nobody");
    }
}

#[test]
fn a_core_reads_what_is_published_and_nothing_else() {
    beside(reads_what_is_published, true);
}

#[test]
fn a_core_reads_what_it_was_told() {
    beside(reads_what_it_was_told, true);
}

#[test]
fn a_watch_misses_nothing_behind_the_read_that_set_it() {
    beside(misses_nothing_behind_its_watch, false);
}

#[test]
fn a_recursive_watch_misses_nothing_behind_what_it_asked_of_every_shard() {
    beside(misses_nothing_beneath_its_watch, false);
}

/// Whether a planted mistake is found.
fn finds(mutant: Mutant, read: fn(&World)) -> bool {
    mutants::CHOSEN.set(Some(mutant));
    let found = std::panic::catch_unwind(|| beside(read, true)).is_err();
    mutants::CHOSEN.set(None);
    found
}

#[test]
fn what_is_applied_before_it_is_published_is_found() {
    // Goal: item 49: `applied` raised first let cores answer with a state whose event still waited.
    assert!(finds(Mutant::AppliedBeforePublished, reads_what_is_published));
}

#[test]
fn what_shows_before_it_is_published_is_found() {
    assert!(finds(Mutant::ShownBeforePublished, reads_what_is_published));
}
