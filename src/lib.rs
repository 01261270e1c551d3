//! Ringkeeper: a ZooKeeper server on io_uring.
//!
//! Modules in the order in which a request meets them; ARCHITECTURE.md has the picture.

pub mod mutants;
pub mod types;

pub mod codec;

pub mod acl;
pub mod client;
pub mod election;
pub mod log;
pub mod membership;
pub mod order;
pub mod prep;
pub mod sasl;
pub mod session;
pub mod snapshot;
pub mod tree;
pub mod watch;
pub mod zab;

pub mod disk;
pub mod net;
pub mod runtime;
pub mod tls;

pub mod config;
pub mod history;
pub mod recovery;

pub mod admin;
pub mod metrics;
pub mod roles;

pub mod plane;

pub mod node;

/// Files of `testing` are compiled into other crates, too, and name this one from there.
#[cfg(test)]
extern crate self as ringkeeper;
#[cfg(test)]
#[allow(missing_docs, reason = "nobody builds on what tests share")]
pub mod testing;
