//! Fuzz targets: one function a decoder, each taking any bytes at all; and the cores that peers speak
//! to.
//!
//! A target must not panic, must not take memory out of proportion to its input (I10), and checks
//! what can be checked of any input: what decodes must encode to something that decodes to the same,
//! what is refused must be refused again. `run.sh` drives them with libFuzzer, coverage-guided, on
//! the stable toolchain; `cargo test` replays the corpora, where every input that ever found a
//! mistake stays.
//!
//! * [`client`]: the client port, both directions
//! * [`files`]: transactions, log files, snapshots
//! * [`peers`]: servers of an ensemble among themselves
//! * [`agreement`]: a leader and a learner, whatever their peers send
//! * [`config`]: the configuration file, zoo.cfg
//! * [`sasl`]: tokens of clients and servers, JAAS files, rules of names
//! * [`tls`]: what strangers send to a secure port, and stores
//! * [`recovery`]: what a start makes of any directory; [`disk`]: that directory

#![allow(missing_docs, reason = "nobody builds on the fuzz targets")]

pub mod agreement;
pub mod client;
pub mod config;
#[path = "../../../src/testing/disk/mod.rs"]
pub mod disk;
pub mod files;
pub mod peers;
pub mod recovery;
#[path = "../../../src/testing/replies.rs"]
pub mod replies;
#[path = "../../../src/testing/rng.rs"]
pub mod rng;
pub mod sasl;
pub mod tls;

/// A target takes one input and panics if something is wrong.
pub type Target = fn(&[u8]);

/// All targets by the name of their corpus.
pub const TARGETS: [(&str, Target); 20] = [
    ("connect", client::fuzz_connect),
    ("request", client::fuzz_request),
    ("reply", client::fuzz_reply),
    ("entry", files::fuzz_entry),
    ("txnlog", files::fuzz_txnlog),
    ("snapfile", files::fuzz_snapfile),
    ("config", config::fuzz_config),
    ("quorum_packet", peers::fuzz_quorum_packet),
    ("quorum_snapshot", peers::fuzz_quorum_snapshot),
    ("election", peers::fuzz_election),
    ("members", peers::fuzz_members),
    ("leader", agreement::fuzz_leader),
    ("learner", agreement::fuzz_learner),
    ("log_recovery", recovery::fuzz_log_recovery),
    ("snapshot_restore", recovery::fuzz_snapshot_restore),
    ("tls", tls::fuzz_tls),
    ("store", tls::fuzz_store),
    ("sasl", sasl::fuzz_sasl),
    ("jaas", sasl::fuzz_jaas),
    ("names", sasl::fuzz_names),
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// Takes the first byte as a choice; inputs without one are passed over.
fn choose(data: &[u8]) -> Option<(usize, &[u8])> {
    data.split_first().map(|(first, rest)| (usize::from(*first), rest))
}
