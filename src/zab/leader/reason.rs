//! Why a leader closes a learner's connection, and why it leads no longer.

use std::fmt;

use crate::codec::quorum::PROTOCOL;
use crate::types::{Epoch, ServerId, Zxid, limits};
use crate::zab::sync::Conflict;

/// Why a learner's connection is closed. The caller says it to operators and closes; the learner
/// looks for a leader again, and comes back where this one still leads.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum CloseReason {
    /// There is no room: the learner may come again later.
    #[error("{} learners are connected already", limits::LEARNERS)]
    TooMany,
    #[error("{busy} learners are being synchronised {how}")]
    Busy { busy: usize, how: &'static str },

    /// What it says of itself rules it out until an operator changes one of the two servers.
    #[error("learner protocol {protocol:#x} is older than {:#x}", PROTOCOL)]
    OldProtocol { protocol: i32 },
    #[error("it says that it is server {}, which is this one", .server.0)]
    OwnId { server: ServerId },
    /// Another leader has to be found, one that has this configuration.
    #[error("its configuration {version:x} is newer than {known:x}")]
    NewerConfiguration { version: i64, known: i64 },
    /// The election was wrong about its history: a new one is right.
    #[error("its history up to {last} is newer than {own} of epoch {} here", .epoch.0)]
    NewerHistory { last: Zxid, own: Zxid, epoch: Epoch },
    /// It comes again, and finds this server's log further on.
    #[error("history up to {last}: the log here is behind it ({durable})")]
    LogBehind { last: Zxid, durable: Zxid },
    #[error("history up to {last}: {conflict}")]
    Conflict { last: Zxid, conflict: Conflict },
    /// It comes again, and gets a snapshot.
    #[error("the log on disk has nothing that follows {at}")]
    LogHasHole { at: Zxid },

    /// A learner that breaks the protocol, here and below.
    #[error("{packet} came first")]
    NotIntroduced { packet: &'static str },
    #[error("{packet} came in place of {wanted}")]
    InPlaceOf { packet: &'static str, wanted: &'static str },
    #[error("{packet} came out of turn: {stage}")]
    TooEarly { packet: &'static str, stage: &'static str },
    #[error("{packet} came out of turn")]
    OutOfTurn { packet: &'static str },
    #[error("it acknowledged {zxid}, and was sent no more than {sent}")]
    AckBeyondSent { zxid: Zxid, sent: Zxid },
    #[error("it acknowledged {zxid}, which names no transaction")]
    AckOfNothing { zxid: Zxid },

    /// It is slower than its bounds allow, here and below (I9).
    #[error("{waiting} client syncs of it wait already")]
    ManySyncs { waiting: usize },
    #[error("{bytes} bytes wait to be sent to it, more than {}", limits::PEER_OUTBOUND)]
    ManyBytes { bytes: usize },
    #[error("too much waits to be sent to it")]
    TooSlow,
    #[error("no progress within {limit}: {stage}")]
    NoProgress { limit: &'static str, stage: &'static str },
    #[error("a proposal was not acknowledged within syncLimit")]
    NotAcknowledged,

    /// Another connection speaks for its server.
    #[error("another connection of its id has taken over the history first")]
    Rivalled,
    #[error("it is silent, and server {} has connected again", .server.0)]
    Outlived { server: ServerId },
    #[error("it has connected again")]
    ConnectedAgain,
}

/// Why a leader leads no longer. The caller says it to operators, ends the role and looks for a
/// leader again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum StepDownReason {
    #[error("this server is no voter of the configuration")]
    NoVoter,
    #[error(
        "no quorum within initLimit ({phase}){}",
        .disbelieved.as_ref().map_or_else(String::new, ToString::to_string)
    )]
    NoQuorum { phase: &'static str, disbelieved: Option<Disbelieved> },
    #[error("no quorum is connected")]
    QuorumSilent,
    #[error("no quorum is connected any more")]
    QuorumLost,
    /// The disk here does not keep up, and what is served is the past.
    #[error(
        "the log here has not moved for syncLimit: it is durable to {durable}, and {proposed} is \
         proposed"
    )]
    LogStandsStill { durable: Zxid, proposed: Zxid },
    /// The next leader begins another epoch.
    #[error("the numbers of this epoch are used up ({at})")]
    NumbersUsedUp { at: Zxid },
    /// No election can help: every epoch is beyond what zxids can say.
    #[error("epoch {} is promised, which leaves no room for another", .promised.0)]
    LastEpoch { promised: Epoch },
    #[error("a newer epoch is promised")]
    NewerPromised,
    /// A reconfiguration has named another leader, here and below.
    #[error("another server leads now")]
    HandedOver,
    #[error("the configuration agreed on has another leader")]
    OtherLeader,
}

/// A learner whose promise is too far from this server's to be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "its text says what each is")]
pub struct Disbelieved {
    pub server: ServerId,
    /// What it says it has promised.
    pub promised: Epoch,
    /// This server's.
    pub own: Epoch,
}

impl fmt::Display for Disbelieved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, epoch, own) = (self.server.0, self.promised.0, self.own.0);
        let jump = limits::EPOCH_JUMP;
        write!(
            f,
            "; server {server} says that it has promised epoch {epoch}, which is not believed: this \
             server's is {own}, and no more than {jump} elections are thought to have failed without \
             it (file acceptedEpoch)"
        )
    }
}
