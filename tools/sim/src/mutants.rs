//! Planted bugs (`ringkeeper::mutants`) that must be found again by the seeds alone.

use ringkeeper::mutants::Mutant;

use crate::run::{self, Case};

/// A planted bug, and where the seeds look for it.
#[derive(Clone, Copy, Debug)]
pub struct Hunted {
    pub mutant: Mutant,
    /// Servers of the worlds in which it is looked for.
    pub servers: usize,
}

const fn one(mutant: Mutant) -> Hunted {
    Hunted { mutant, servers: 1 }
}

const fn three(mutant: Mutant) -> Hunted {
    Hunted { mutant, servers: 3 }
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
/// What needs two threads or a kernel has tests of its own: `tree::tests::seam`, `tests/shown_loom.rs`
/// and the contract suites (`tests/transport.rs`, `roles::peers::tests`).
pub const ALL: &[Hunted] = &[
    one(Mutant::FlushSkipped),
    one(Mutant::DiskErrorIgnored),
    one(Mutant::NameNotFlushed),
    one(Mutant::DamageCutOff),
    one(Mutant::PromiseForgotten),
    one(Mutant::PromisedBeforeFlush),
    one(Mutant::TornTakenForDamage),
    one(Mutant::SnapshotNotFlushed),
    one(Mutant::AppliedBeforeAgreed),
    one(Mutant::ExpiredWithoutTxn),
    one(Mutant::TouchLost),
    one(Mutant::CloseMissesInFlight),
    one(Mutant::ClosingSessionWrites),
    one(Mutant::TakesBehindStop),
    one(Mutant::EphemeralLeftBehind),
    one(Mutant::FailedMultiStays),
    one(Mutant::SequenceCountsChildren),
    one(Mutant::DigestOfOldData),
    one(Mutant::AnswerBeforeEvent),
    one(Mutant::WatchKept),
    one(Mutant::WatchHearsThePast),
    one(Mutant::SnapshotForgetsSession),
    one(Mutant::NeededLogPurged),
    one(Mutant::ClosingSessionResumed),
    one(Mutant::ReadOvertakes),
    one(Mutant::WaitingForgottenAtEnd),
    three(Mutant::ClientAheadServed),
    three(Mutant::EpochClientRefused),
    three(Mutant::CommittedCutOff),
    three(Mutant::AppliedWhileChanging),
    three(Mutant::SyncNotForwarded),
    three(Mutant::DeposedLeaderAnswers),
    three(Mutant::AnswerByXidAlone),
    three(Mutant::RewatchWithoutPermit),
    three(Mutant::CommittedByOne),
    three(Mutant::LedWithoutAQuorum),
    three(Mutant::OutstandingNotSent),
    three(Mutant::AckedBeforeDurable),
    three(Mutant::HistoryNotAwaited),
    three(Mutant::EpochBeforeHistory),
    three(Mutant::PromiseNotStored),
    three(Mutant::EpochNotStored),
    three(Mutant::LogNotCut),
    three(Mutant::NewerSnapshotsKept),
    three(Mutant::BegunAnew),
    three(Mutant::VoteBeyondLog),
    three(Mutant::MemoryKept),
    three(Mutant::HoleInWindow),
    three(Mutant::DiffSkips),
    three(Mutant::EpochBelievedFromStranger),
    three(Mutant::ClaimCostsALink),
    three(Mutant::ConfigBelievedFromStranger),
    three(Mutant::FullQueueEndsRole),
    three(Mutant::LeadsWithHungDisk),
    three(Mutant::ServesWhileHung),
    three(Mutant::SnapshotForgetsFlight),
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
pub fn hunt(hunted: Hunted, seeds: std::ops::Range<u64>) -> Found {
    let (from, to) = (seeds.start, seeds.end);
    let summary = run::range(from, to, 1, |seed| {
        let case = Case::of(seed, Some(hunted.servers));
        Case { mutant: Some(hunted.mutant), ..case }
    });
    let by = summary.failed.first().map(|failed| (failed.seed, failed.why.clone()));
    let tried = by.as_ref().map_or(summary.seeds, |(seed, _)| seed - from + 1);
    Found { mutant: hunted.mutant, by, tried }
}
