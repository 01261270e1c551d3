//! Seeds that every change must survive, and that a seed is a world.

#![allow(clippy::unwrap_used)]

use ringkeeper_sim::run::{self, Case};

#[test]
fn every_seed_keeps_every_promise() {
    // Goal: a fixed number of worlds, each with its own storm, in which nothing is lost or wrong.
    let summary = run::range(0, 600, 3, |seed| Case::of(seed, Some(1)));
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    assert!(summary.acknowledged > 50_000, "the worlds are alive: {summary:?}");
    assert!(summary.crashes > 1000, "and stormy: {summary:?}");
}

#[test]
fn every_seed_keeps_every_promise_in_ensembles() {
    // Goal: the same with three to seven servers, observers among them.
    let summary =
        run::range(0, 200, 3, |seed| Case::of(seed, Some([3, 3, 4, 5, 7][seed as usize % 5])));
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    assert!(summary.acknowledged > 10_000, "the worlds are alive: {summary:?}");
    assert!(summary.crashes > 600, "and stormy: {summary:?}");
}

#[test]
fn the_same_seed_makes_the_same_world_line_by_line() {
    // Goal: a failure can be looked at again.
    for seed in [3, 14, 77] {
        let case = Case::of(seed, None);
        let (one, other) = (case.run(true), case.run(true));
        assert!(one.trace.len() > 100);
        assert_eq!(one.trace, other.trace);
    }
}
