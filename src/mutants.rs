//! Historic bugs, planted: with the feature `mutants` a test can switch one on, and the simulator, or
//! a contract's suite, must then find it. Without the feature every question is answered `false` by a
//! constant.

macro_rules! mutants {
    ($($(#[$what:meta])* $mutant:ident = $name:literal,)*) => {
        /// A bug that can be planted: a mistake that has been made, here or in ZooKeeper.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$what])* $mutant,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Mutant] = &[$(Mutant::$mutant,)*];

            /// As people name it, on a command line and in documents: `vote-beyond-log`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mutant::$mutant => $name,)*
                }
            }
        }
    };
}

mutants! {
    /// A batch is reported durable and was never flushed.
    FlushSkipped = "flush-skipped",
    /// A flush fails and service goes on (ZOOKEEPER-4882, 3701).
    DiskErrorIgnored = "disk-error-ignored",
    /// A segment's name is not durable when its first batch is.
    NameNotFlushed = "name-not-flushed",
    /// A damaged middle passes for a torn tail and is cut off.
    DamageCutOff = "damage-cut-off",
    /// An acknowledged tail that is gone passes for a torn one.
    PromiseForgotten = "promise-forgotten",
    /// The record beside the log says what no flush has confirmed.
    PromisedBeforeFlush = "promised-before-flush",
    /// A torn tail stops the start (ZOOKEEPER-1653's kind).
    TornTakenForDamage = "torn-taken-for-damage",
    /// A snapshot has its name before its bytes (ZOOKEEPER-2872, 3642).
    SnapshotNotFlushed = "snapshot-not-flushed",
    /// The tree shows what no log holds yet.
    AppliedBeforeAgreed = "applied-before-agreed",
    /// A session ends in memory alone (I12).
    ExpiredWithoutTxn = "expired-without-txn",
    /// What a session says does not keep it alive (ZOOKEEPER-1049's kind).
    TouchLost = "touch-lost",
    /// The end of a session does not name an ephemeral on its way.
    CloseMissesInFlight = "close-misses-in-flight",
    /// A session writes behind its own end (ZOOKEEPER-1208).
    ClosingSessionWrites = "closing-session-writes",
    /// A server whose log has been told its end goes on with what clients and its leader send.
    TakesBehindStop = "takes-behind-stop",
    /// The end of a session leaves an ephemeral (ZOOKEEPER-2355).
    EphemeralLeftBehind = "ephemeral-left-behind",
    /// A multi that failed changes what later writes are judged by.
    FailedMultiStays = "failed-multi-stays",
    /// A sequential name is given out twice.
    SequenceCountsChildren = "sequence-counts-children",
    /// The proposed digest is of the data before.
    DigestOfOldData = "digest-of-old-data",
    /// An answer reveals a change whose event still waits (I7).
    AnswerBeforeEvent = "answer-before-event",
    /// A watch that is for once fires twice.
    WatchKept = "watch-kept",
    /// A watch fires for a change its read has seen.
    WatchHearsThePast = "watch-hears-the-past",
    /// A snapshot lacks a session, and with it its ephemerals.
    SnapshotForgetsSession = "snapshot-forgets-session",
    /// The purge takes a log that a snapshot still needs.
    NeededLogPurged = "needed-log-purged",
    /// A session that is being closed is given to a client again.
    ClosingSessionResumed = "closing-session-resumed",
    /// A read is answered before the writes before it.
    ReadOvertakes = "read-overtakes",
    /// A client's end cancels what it asked for before.
    WaitingForgottenAtEnd = "waiting-forgotten-at-end",
    /// A client is served an older state than it has seen (I8).
    ClientAheadServed = "client-ahead-served",
    /// Who has seen an epoch begin is refused until something is written.
    EpochClientRefused = "epoch-client-refused",
    /// A leader that has forgotten cuts off what is committed.
    CommittedCutOff = "committed-cut-off",
    /// A tree that is being replaced takes what was agreed before.
    AppliedWhileChanging = "applied-while-changing",
    /// A client sync does not ask the leader (ZOOKEEPER-2137's kind).
    SyncNotForwarded = "sync-not-forwarded",
    /// A leader that nobody follows says what is newest.
    DeposedLeaderAnswers = "deposed-leader-answers",
    /// A moved session is given the answer to another request.
    AnswerByXidAlone = "answer-by-xid-alone",
    /// A watch taken up again tells what may not be read.
    RewatchWithoutPermit = "rewatch-without-permit",
    /// A proposal is committed when one server holds it.
    CommittedByOne = "committed-by-one",
    /// A leader reigns without a quorum behind it.
    LedWithoutAQuorum = "led-without-a-quorum",
    /// A learner joins and misses what is in flight (ZOOKEEPER-1551).
    OutstandingNotSent = "outstanding-not-sent",
    /// A follower acknowledges what its disk lacks (ZOOKEEPER-4785).
    AckedBeforeDurable = "acked-before-durable",
    /// NEWLEADER is acknowledged before the history is durable (ZOOKEEPER-3023, 4646, 3911).
    HistoryNotAwaited = "history-not-awaited",
    /// An epoch is entered before its history (ZOOKEEPER-4643).
    EpochBeforeHistory = "epoch-before-history",
    /// An accepted epoch is forgotten by a restart.
    PromiseNotStored = "promise-not-stored",
    /// The current epoch is forgotten by a restart (ZOOKEEPER-2307, 1653, 1343, 4269).
    EpochNotStored = "epoch-not-stored",
    /// TRUNC leaves the log as it was (ZOOKEEPER-1154, 1156, 1489).
    LogNotCut = "log-not-cut",
    /// TRUNC leaves snapshots of what is cut off (ZOOKEEPER-4837).
    NewerSnapshotsKept = "newer-snapshots-kept",
    /// Without a whole snapshot a start begins empty (ZOOKEEPER-2325, 3644).
    BegunAnew = "begun-anew",
    /// A vote advertises what is not in the log (I2).
    VoteBeyondLog = "vote-beyond-log",
    /// A role ends and memory is not the log (ZOOKEEPER-2845, 4712, 4541).
    MemoryKept = "memory-kept",
    /// A learner's window lacks what its sync brought (ZOOKEEPER-4925, 5094).
    HoleInWindow = "hole-in-window",
    /// A DIFF from the log leaves transactions out (ZOOKEEPER-2418, 4352).
    DiffSkips = "diff-skips",
    /// One packet on the quorum port ends the last epoch.
    EpochBelievedFromStranger = "epoch-believed-from-stranger",
    /// Who claims a living server's id ends its connection.
    ClaimCostsALink = "claim-costs-a-link",
    /// Anybody says who votes.
    ConfigBelievedFromStranger = "config-believed-from-stranger",
    /// A learner is given up because much waits to be sent to it.
    FullQueueEndsRole = "full-queue-ends-role",
    /// A leader whose own log stands still goes on leading.
    LeadsWithHungDisk = "leads-with-hung-disk",
    /// Network cores go on while their control role stands still.
    ServesWhileHung = "serves-while-hung",
    /// What is committed beside a SNAP is lost (ZOOKEEPER-3104).
    SnapshotForgetsFlight = "snapshot-forgets-flight",
    /// A transaction is called applied before its changes are in the streams (I7).
    AppliedBeforePublished = "applied-before-published",
    /// What is read of the whole tree shows a change before it is in the streams (I7).
    ShownBeforePublished = "shown-before-published",
    /// A connection's slot is another's before its role has looked at the end.
    SlotReusedUnreleased = "slot-reused-unreleased",
    /// What was read before a peer's end is dropped with it.
    InputDroppedAtEnd = "input-dropped-at-end",
    /// A transport pauses at another length of output than its role.
    ChokedBeyondThePause = "choked-beyond-the-pause",
    /// `Drained` comes when nothing at all is unsent, not when all before it has left.
    DrainedWhenEmpty = "drained-when-empty",
    /// A slot's next connection has the name of its last.
    IdGivenTwice = "id-given-twice",
    /// A link that has ended keeps its connection's place.
    IdsNeverReturn = "ids-never-return",
    /// Every connection has a slot of its own, for ever.
    SlotsNeverReused = "slots-never-reused",
}

#[cfg(feature = "mutants")]
mod chosen {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Plants one bug in everything this thread runs from now on; `None`: none.
    pub fn choose(mutant: Option<Mutant>) {
        CHOSEN.set(mutant);
    }

    /// Whether this bug is planted.
    pub fn on(mutant: Mutant) -> bool {
        CHOSEN.get() == Some(mutant)
    }
}

#[cfg(feature = "mutants")]
pub use chosen::{choose, on};

/// Whether this bug is planted: never, in a server that serves.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn on(_: Mutant) -> bool {
    false
}
