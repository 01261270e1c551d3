//! ringkeeper-perf: measures servers that speak ZooKeeper's client protocol.
//!
//! Modules in reading order; perf/README.md says how to measure and how to read the results.

#![allow(missing_docs, reason = "nobody builds on the load driver")]
#![deny(unsafe_code)]

pub mod clock;
pub mod fault;
pub mod ring;
pub mod wire;

pub mod keys;
pub mod record;
pub mod schedule;

pub mod engine;
pub mod load;

pub mod cost;
pub mod output;
pub mod result;

pub mod compare;
pub mod doctor;
pub mod failover;
pub mod report;
pub mod target;

pub mod cli;

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether somebody asked this process to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Asks runs to stop in good order: servers that were started are stopped, too.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}
