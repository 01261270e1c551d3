//! Planted bugs: each a mistake that has been made, here or in ZooKeeper, and that must be found
//! again by the seeds alone.

use crate::run::{self, Case};

/// A bug that can be planted with the feature `mutants`.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// As the code asks for it: `mutants::on`.
    pub name: &'static str,
    /// Servers of the worlds in which it is looked for.
    pub servers: usize,
    /// What is wrong with it, and where it was seen.
    pub story: &'static str,
}

const fn one(name: &'static str, story: &'static str) -> Mutant {
    Mutant { name, servers: 1, story }
}

const fn three(name: &'static str, story: &'static str) -> Mutant {
    Mutant { name, servers: 3, story }
}

/// All of them.
pub const ALL: &[Mutant] = &[
    one("flush-skipped", "a batch is reported durable and was never flushed"),
    one("name-not-flushed", "a segment's name is not durable when its first batch is"),
    one("damage-cut-off", "a damaged middle passes for a torn tail and is cut off"),
    one("torn-taken-for-damage", "a torn tail stops the start (ZOOKEEPER-1653's kind)"),
    one("applied-before-agreed", "the tree shows what no log holds yet"),
    one("expired-without-txn", "a session ends in memory alone (I12)"),
    one("touch-lost", "what a session says does not keep it alive"),
    one("close-misses-in-flight", "an ephemeral on its way survives its session (ZOOKEEPER-1277)"),
    one("ephemeral-left-behind", "the end of a session leaves an ephemeral (ZOOKEEPER-2355, 4837)"),
    one("failed-multi-stays", "a multi that failed changes what later writes are judged by"),
    one("sequence-counts-children", "a sequential name is given out twice"),
    one("digest-of-old-data", "the proposed digest is of the data before (ZOOKEEPER-3911's check)"),
    one("answer-before-event", "an answer reveals a change whose event still waits (I7)"),
    one("watch-kept", "a watch that is for once fires twice"),
    one("watch-hears-the-past", "a watch fires for a change its read has seen"),
    one("snapshot-forgets-session", "a snapshot lacks a session, and with it its ephemerals"),
    one("needed-log-purged", "the purge takes a log that a snapshot still needs"),
    one("closing-session-resumed", "a session that is being closed is given to a client again"),
    one("read-overtakes", "a read is answered before the writes before it"),
    three("client-ahead-served", "a client is served an older state than it has seen (I8)"),
    three("sync-not-forwarded", "a client sync does not ask the leader (ZOOKEEPER-2137's kind)"),
    three("committed-by-one", "a proposal is committed when one server holds it"),
    three("led-without-a-quorum", "a leader reigns without a quorum behind it"),
    three("outstanding-not-sent", "a learner joins and misses what is in flight (ZOOKEEPER-1551)"),
    three("acked-before-durable", "a follower acknowledges what its disk does not hold (I1)"),
    three(
        "history-not-awaited",
        "NEWLEADER is acknowledged before the history is durable (ZOOKEEPER-4643, 4646, 3911)",
    ),
    three("promise-not-stored", "an accepted epoch is forgotten by a restart"),
    three("epoch-not-stored", "the current epoch is forgotten by a restart (ZOOKEEPER-2307)"),
    three("log-not-cut", "TRUNC leaves the log as it was (ZOOKEEPER-1154, 2872)"),
    three("vote-beyond-log", "a vote advertises what is not in the log (I2)"),
];

/// The seed that found it, and how many were tried.
#[derive(Clone, Debug)]
pub struct Found {
    pub mutant: Mutant,
    /// The first failing seed and what it says; `None` if none failed.
    pub by: Option<(u64, String)>,
    pub tried: u64,
}

/// Tries seeds until one fails.
pub fn hunt(mutant: Mutant, seeds: std::ops::Range<u64>) -> Found {
    let (from, to) = (seeds.start, seeds.end);
    let summary = run::range(from, to, 1, |seed| {
        let case = Case::of(seed, Some(mutant.servers));
        Case { mutant: Some(mutant.name), ..case }
    });
    let by = summary.failed.first().map(|failed| (failed.seed, failed.why.clone()));
    let tried = by.as_ref().map_or(summary.seeds, |(seed, _)| seed - from + 1);
    Found { mutant, by, tried }
}
