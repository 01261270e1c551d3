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

/// All of them. Of the reports that `ZOOKEEPER-n` names, these have no place in this code:
///
/// * 1277, 2789, 4883: the end of an epoch's numbers is a knob of every world (`handover_counter`),
///   and no code counts on from one epoch to the next
/// * 4394, 4685: a learner holds packets until their turn, and sends nothing before NEWLEADER's ACK:
///   a mistake there costs a connection and no data
/// * 2959, 764: only ids of voters are counted, whatever a connection calls itself
/// * 2201, 1049: nothing waits for a peer, and sessions are kept alive without messages
/// * 4306: needs an entry longer than a frame, which no world's clients have; tests/ has it
/// * 1818, 1732: elections have seeds of their own, in `election::tests::random`
///
/// `applied-before-published` needs two threads: `tree::tests::seam` has it.
pub const ALL: &[Mutant] = &[
    one("flush-skipped", "a batch is reported durable and was never flushed"),
    one("disk-error-ignored", "a flush fails and service goes on (ZOOKEEPER-4882, 3701)"),
    one("name-not-flushed", "a segment's name is not durable when its first batch is"),
    one("damage-cut-off", "a damaged middle passes for a torn tail and is cut off"),
    one("promise-forgotten", "an acknowledged tail that is gone passes for a torn one"),
    one("promised-before-flush", "the record beside the log says what no flush has confirmed"),
    one("torn-taken-for-damage", "a torn tail stops the start (ZOOKEEPER-1653's kind)"),
    one("snapshot-not-flushed", "a snapshot has its name before its bytes (ZOOKEEPER-2872, 3642)"),
    one("applied-before-agreed", "the tree shows what no log holds yet"),
    one("expired-without-txn", "a session ends in memory alone (I12)"),
    one("touch-lost", "what a session says does not keep it alive (ZOOKEEPER-1049's kind)"),
    one("close-misses-in-flight", "the end of a session does not name an ephemeral on its way"),
    one("closing-session-writes", "a session writes behind its own end (ZOOKEEPER-1208)"),
    one("ephemeral-left-behind", "the end of a session leaves an ephemeral (ZOOKEEPER-2355)"),
    one("failed-multi-stays", "a multi that failed changes what later writes are judged by"),
    one("sequence-counts-children", "a sequential name is given out twice"),
    one("digest-of-old-data", "the proposed digest is of the data before"),
    one("answer-before-event", "an answer reveals a change whose event still waits (I7)"),
    one("watch-kept", "a watch that is for once fires twice"),
    one("watch-hears-the-past", "a watch fires for a change its read has seen"),
    one("snapshot-forgets-session", "a snapshot lacks a session, and with it its ephemerals"),
    one("needed-log-purged", "the purge takes a log that a snapshot still needs"),
    one("closing-session-resumed", "a session that is being closed is given to a client again"),
    one("read-overtakes", "a read is answered before the writes before it"),
    one("waiting-forgotten-at-end", "a client's end cancels what it asked for before"),
    three("client-ahead-served", "a client is served an older state than it has seen (I8)"),
    three(
        "epoch-client-refused",
        "who has seen an epoch begin is refused until something is written",
    ),
    three("committed-cut-off", "a leader that has forgotten cuts off what is committed"),
    three("applied-while-changing", "a tree that is being replaced takes what was agreed before"),
    three("sync-not-forwarded", "a client sync does not ask the leader (ZOOKEEPER-2137's kind)"),
    three("deposed-leader-answers", "a leader that nobody follows says what is newest"),
    three("answer-by-xid-alone", "a moved session is given the answer to another request"),
    three("rewatch-without-permit", "a watch taken up again tells what may not be read"),
    three("committed-by-one", "a proposal is committed when one server holds it"),
    three("led-without-a-quorum", "a leader reigns without a quorum behind it"),
    three("outstanding-not-sent", "a learner joins and misses what is in flight (ZOOKEEPER-1551)"),
    three("acked-before-durable", "a follower acknowledges what its disk lacks (ZOOKEEPER-4785)"),
    three(
        "history-not-awaited",
        "NEWLEADER is acknowledged before the history is durable (ZOOKEEPER-3023, 4646, 3911)",
    ),
    three("epoch-before-history", "an epoch is entered before its history (ZOOKEEPER-4643)"),
    three("promise-not-stored", "an accepted epoch is forgotten by a restart"),
    three(
        "epoch-not-stored",
        "the current epoch is forgotten by a restart (ZOOKEEPER-2307, 1653, 1343, 4269)",
    ),
    three("log-not-cut", "TRUNC leaves the log as it was (ZOOKEEPER-1154, 1156, 1489)"),
    three("newer-snapshots-kept", "TRUNC leaves snapshots of what is cut off (ZOOKEEPER-4837)"),
    three("begun-anew", "without a whole snapshot a start begins empty (ZOOKEEPER-2325, 3644)"),
    three("vote-beyond-log", "a vote advertises what is not in the log (I2)"),
    three("memory-kept", "a role ends and memory is not the log (ZOOKEEPER-2845, 4712, 4541)"),
    three(
        "hole-in-window",
        "a learner's window lacks what its sync brought (ZOOKEEPER-4925, 5094)",
    ),
    three("diff-skips", "a DIFF from the log leaves transactions out (ZOOKEEPER-2418, 4352)"),
    three("epoch-believed-from-stranger", "one packet on the quorum port ends the last epoch"),
    three("claim-costs-a-link", "who claims a living server's id ends its connection"),
    three("config-believed-from-stranger", "anybody says who votes"),
    three("full-queue-ends-role", "a learner is given up because much waits to be sent to it"),
    three("leads-with-hung-disk", "a leader whose own log stands still goes on leading"),
    three("serves-while-hung", "network cores go on while their control role stands still"),
    three("snapshot-forgets-flight", "what is committed beside a SNAP is lost (ZOOKEEPER-3104)"),
];

/// Bugs of what the simulator has another thing for, which no seed meets: sockets, and who uses them.
/// The contract suites must find them (`tests/transport.rs`, `roles::peers::tests`).
pub const OF_SOCKETS: &[(&str, &str)] = &[
    ("choked-beyond-the-pause", "another bound is told of than the one at which roles stop"),
    ("drained-when-empty", "`Drained` waits for what was sent behind the question"),
    ("id-given-twice", "a slot's next connection has the name of its last"),
    ("ids-never-return", "a link that has ended keeps its connection's place"),
    ("input-dropped-at-end", "what a client sent before it hung up is forgotten"),
    ("slot-reused-unreleased", "a slot has a new connection before its end was looked at"),
    ("slots-never-reused", "every connection has a slot of its own, for ever"),
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
