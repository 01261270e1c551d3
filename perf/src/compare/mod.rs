//! Two servers on one machine, driven in turn: A B A B …
//!
//! * [`scenario`]: what is run, and the figures taken from a run
//! * [`bars`]: what Ringkeeper must reach against Java, and aims for
//! * [`suite`]: the built-in scenarios and bars
//! * [`session`]: starts the servers, interleaves the runs, collects
//! * [`ensembles`]: the same for ensembles, which also lose members
//! * [`outcome`]: everything a report needs, as data
//! * [`facts`]: the machine

pub mod bars;
pub mod ensembles;
pub mod facts;
pub mod outcome;
pub mod scenario;
pub mod session;
pub mod suite;
