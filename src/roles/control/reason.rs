//! Why a role ends, and why the process does.

use std::io;

use crate::codec::jute::DecodeError;
use crate::roles::jobs::ChangeError;
use crate::snapshot::load::LoadError;
use crate::types::{ServerId, Zxid};
use crate::zab::{LeaveReason, StepDownReason, Stored};

/// Why a role ends. It is said to operators; then this server settles and looks for a leader again.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoleEnd {
    /// Others may have gone on without this server, and have said so in what lies unread.
    #[error("the control thread took no turn for syncLimit")]
    Standstill,
    #[error(transparent)]
    Leave(#[from] LeaveReason),
    #[error(transparent)]
    StepDown(#[from] StepDownReason),

    /// Leading, before a quorum has come: the others are not to be kept from agreeing on another.
    #[error("a voter looks again, and a quorum has not come in time")]
    QuorumLate,
    #[error("server {} looks again before a quorum has come", .by.0)]
    Deserted { by: ServerId },

    /// The configuration has another place for this server; where it names who leads, no election is
    /// held.
    #[error("the configuration has another role or leader")]
    OtherRole,
    #[error("a reconfiguration has given this server another role or leader")]
    Reconfigured,

    /// Learning: what the leader sends cannot be used. Nothing of it is kept.
    #[error("the leader's snapshot: {0}")]
    Snapshot(#[from] LoadError),
    #[error("proposal {proposal} holds transaction {found}")]
    OtherTransaction { proposal: Zxid, found: Zxid },
    #[error("proposal {proposal} cannot be read: {error}")]
    Unreadable { proposal: Zxid, error: DecodeError },
}

/// What a disk, or a thread that works with it, has not done. The process ends, with this as its last
/// word: nothing is promised that would not survive (I11).
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum DiskError {
    #[error("cannot store {stored}: {cause}")]
    Epoch { stored: Stored, cause: io::Error },
    #[error("the thread that changes files has ended")]
    ThreadEnded,
    #[error(transparent)]
    Change(#[from] ChangeError),
}
