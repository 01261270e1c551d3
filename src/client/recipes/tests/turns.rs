//! Locks, elections, semaphores and barriers: who is in, in which order, and that nobody waits for nothing.

use super::*;
use crate::client::recipes::barrier::{Barrier, Passage, Wish};
use crate::client::recipes::double_barrier::{DoubleBarrier, Side};
use crate::client::recipes::lock::{Lock, Place};
use crate::client::recipes::semaphore::Semaphore;
use crate::client::recipes::{Contest, Layout};

/// Whether it has what it wanted, and has not lost or left it.
fn token(outcomes: &[Place]) -> Option<i64> {
    match outcomes.last() {
        Some(Place::Held { token, .. }) => Some(token.0),
        _ => None,
    }
}

fn is_done(outcomes: &[Place]) -> bool {
    matches!(outcomes.last(), Some(Place::Left | Place::Lost | Place::Failed(_)))
}

/// Contenders until all are done. Returns tokens in the order in which they were had.
fn contend<R: Recipe<Outcome = Place>>(
    seed: u64,
    breaks: u64,
    ends: u64,
    make: impl Fn(usize, &mut SplitMix64) -> R,
    may_be_in: impl Fn(&[usize]) -> bool,
) -> Vec<i64> {
    let mut random = SplitMix64::new(seed);
    let mut world = World::new();
    let mut all: Vec<Driven<R>> =
        (0..5).map(|session| Driven::begin(make(session, &mut random), session)).collect();
    let (mut tokens, mut idle) = (Vec::new(), 0);
    // Who has been asked to leave uses nothing any more.
    let mut leaving = [false; 5];
    while all.iter().any(|one| !one.is_over && !is_done(&one.outcomes)) {
        let at = random.below(all.len() as u64) as usize;
        let had = token(&all[at].outcomes);
        let has_moved = all[at].turn(&mut world, &mut random, breaks);
        if let Some(token) = token(&all[at].outcomes).filter(|token| had != Some(*token)) {
            tokens.push(token);
        }
        let inside =
            |at: &usize| !all[*at].is_over && !leaving[*at] && token(&all[*at].outcomes).is_some();
        let all_in: Vec<usize> = (0..all.len()).filter(inside).collect();
        assert!(may_be_in(&all_in), "seed {seed}: {all_in:?} are in");
        idle = if has_moved { 0 } else { idle + 1 };
        // Nothing on the way: whoever is in goes out, one of them.
        if idle > 200 {
            let at = all_in.first().copied();
            let at = at.unwrap_or_else(|| panic!("seed {seed}: all wait, and nobody is in"));
            match ends > 0 && random.below(ends) == 0 {
                true => all[at].expire(&mut world),
                false => {
                    leaving[at] = true;
                    all[at].step(Input::Leave);
                }
            }
            idle = 0;
        }
    }
    for one in &all {
        assert!(!matches!(one.outcomes.last(), Some(Place::Failed(_))), "{:?}", one.outcomes);
    }
    let left: Vec<_> = world.nodes.iter().filter(|(_, node)| node.owner.is_some()).collect();
    let left: Vec<_> = left.iter().filter(|(_, n)| !all[n.owner.unwrap_or(0)].is_over).collect();
    assert!(left.is_empty(), "seed {seed}: left behind {left:?}");
    tokens
}

#[test]
fn a_lock_is_had_by_one_after_another() {
    // Goal: never two, in the order of tokens, no wake-up lost, no node left, whatever breaks; both layouts'
    // names at the same node.
    for seed in 0..SEEDS {
        let layout = |at: usize| [Layout::Curator, Layout::Kazoo][at % 2];
        let make = |at: usize, random: &mut SplitMix64| {
            Lock::new("/deep/lock", layout(at), Contest::Lock, id(random), None)
        };
        let tokens = contend(seed, [0, 4, 20][seed as usize % 3], 3, make, |all| all.len() < 2);
        assert!(tokens.is_sorted() && !tokens.is_empty(), "seed {seed}: {tokens:?}");
    }
}

#[test]
fn readers_are_in_together_and_writers_alone() {
    let mut most = 0;
    for seed in 0..SEEDS {
        let contest = |at: usize| [Contest::Read, Contest::Read, Contest::Write][at % 3];
        let make = |at: usize, random: &mut SplitMix64| {
            Lock::new("/rw", Layout::Curator, contest(at), id(random), None)
        };
        let seen = std::cell::Cell::new(0);
        contend(seed, [0, 6][seed as usize % 2], 0, make, |all| {
            seen.set(seen.get().max(all.len()));
            all.len() < 2 || all.iter().all(|at| contest(*at) == Contest::Read)
        });
        most = most.max(seen.get());
    }
    assert!(most > 1, "readers were never together");
}

#[test]
fn a_semaphore_has_so_many_leases() {
    let mut most = 0;
    for seed in 0..SEEDS {
        let layout = [Layout::Curator, Layout::Kazoo][seed as usize % 2];
        let make = |_: usize, random: &mut SplitMix64| {
            Semaphore::new("/s", layout, 2, [id(random), id(random)], None)
        };
        let seen = std::cell::Cell::new(0);
        contend(seed, [0, 5, 20][seed as usize % 3], 4, make, |all| {
            seen.set(seen.get().max(all.len()));
            all.len() <= 2
        });
        most = most.max(seen.get());
    }
    assert_eq!(most, 2);
}

#[test]
fn who_gives_up_leaves_nothing() {
    // Goal: Leave at any moment, waiting or asking: the node goes, others are not held up.
    for seed in 0..SEEDS {
        let mut random = SplitMix64::new(seed);
        let mut world = World::new();
        let lock = |random: &mut SplitMix64| {
            Lock::new("/l", Layout::Curator, Contest::Lock, id(random), None)
        };
        let mut all: Vec<_> = (0..3).map(|at| Driven::begin(lock(&mut random), at)).collect();
        for _ in 0..random.below(30) {
            let at = random.below(3) as usize;
            all[at].turn(&mut world, &mut random, 5);
        }
        for one in &mut all[..2] {
            one.step(Input::Leave);
        }
        for _ in 0..400 {
            let at = random.below(3) as usize;
            all[at].turn(&mut world, &mut random, 5);
        }
        for one in &all[..2] {
            assert_eq!(one.outcomes.last(), Some(&Place::Left), "seed {seed}");
        }
        assert!(token(&all[2].outcomes).is_some(), "seed {seed}: {:?}", all[2].outcomes);
        assert_eq!(world.children("/l").len(), 1, "seed {seed}");
    }
}

#[test]
fn a_holder_hears_that_its_node_is_gone() {
    // Goal: whoever deletes the node takes the lock away, and the holder knows.
    let mut random = SplitMix64::new(1);
    let mut world = World::new();
    let lock = Lock::new("/l", Layout::Curator, Contest::Lock, id(&mut random), None);
    let mut holder = Driven::begin(lock, 0);
    while holder.turn(&mut world, &mut random, 0) {}
    let Some(Place::Held { path, .. }) = holder.outcomes.last().cloned() else { panic!("no lock") };
    let delete = crate::client::recipes::calls::delete(&path);
    world.ask(&delete, 1);
    while holder.turn(&mut world, &mut random, 0) {}
    assert_eq!(holder.outcomes.last(), Some(&Place::Lost));
}

#[test]
fn a_barrier_is_waited_for() {
    for seed in 0..SEEDS {
        let mut random = SplitMix64::new(seed);
        let mut world = World::new();
        let mut drive = |world: &mut World, wish, session| {
            let mut one = Driven::begin(Barrier::new("/deep/b", wish), session);
            while one.turn(world, &mut random, 4) {}
            one
        };
        assert_eq!(drive(&mut world, Wish::Close, 0).outcomes, [Passage::Done]);
        let mut waiting = drive(&mut world, Wish::Wait, 1);
        assert_eq!(waiting.outcomes.last(), Some(&Passage::Closed), "seed {seed}");
        assert_eq!(drive(&mut world, Wish::Open, 2).outcomes, [Passage::Done]);
        while waiting.turn(&mut world, &mut SplitMix64::new(seed), 0) {}
        assert_eq!(waiting.outcomes.last(), Some(&Passage::Done), "seed {seed}");
    }
}

#[test]
fn so_many_enter_together_and_leave_together() {
    for seed in 0..SEEDS {
        let mut random = SplitMix64::new(seed);
        let mut world = World::new();
        let mut all: Vec<Driven<DoubleBarrier>> = (0..4)
            .map(|at| {
                let id = id(&mut random);
                Driven::begin(DoubleBarrier::new("/d", 4, id, None), at)
            })
            .collect();
        let is = |one: &Driven<DoubleBarrier>, side: &Side| one.outcomes.contains(side);
        let mut left = [false; 4];
        for _ in 0..4000 {
            let at = random.below(4) as usize;
            all[at].turn(&mut world, &mut random, [0, 6][seed as usize % 2]);
            let made = world.children("/d").iter().filter(|name| *name != "ready").count();
            let entered = all.iter().filter(|one| is(one, &Side::Entered)).count();
            assert!(entered == 0 || made == 4 || left.contains(&true), "seed {seed}: {made}");
            if is(&all[at], &Side::Entered) && !left[at] && random.below(3) == 0 {
                left[at] = true;
                all[at].step(Input::Leave);
            }
            let gone = all.iter().any(|one| is(one, &Side::Left));
            assert!(!gone || left == [true; 4], "seed {seed}: one is out, and not all have left");
        }
        for one in &all {
            assert_eq!(one.outcomes.last(), Some(&Side::Left), "seed {seed}");
        }
        assert!(world.children("/d").is_empty(), "seed {seed}");
    }
}
