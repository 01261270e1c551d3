//! Seeds that every change must survive, and that a seed is a world.

#![allow(clippy::unwrap_used)]

use ringkeeper_sim::run::{self, Case};

#[test]
fn every_seed_keeps_every_promise() {
    // Goal: a fixed number of worlds, each with its own storm, in which nothing is lost or wrong.
    let summary = run::range(0, 700, 3, |seed| Case::of(seed, Some(1)));
    for failed in &summary.failed {
        println!("seed {}: {}", failed.seed, failed.why);
    }
    assert!(summary.failed.is_empty(), "see the seeds above");
    assert!(summary.acknowledged > 50_000, "the worlds are alive: {summary:?}");
    assert!(summary.crashes > 1000, "and stormy: {summary:?}");
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
