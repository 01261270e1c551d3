//! An election's settings, and its bounds with their reasons.

use crate::types::ServerId;

/// How this server takes part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ElectionSettings {
    /// Its own number.
    pub me: ServerId,
    /// `peerType`, for a server that its configuration does not list: it follows without a vote,
    /// or it observes.
    pub observer: bool,
    /// `reconfigEnabled`: a newer configuration that is heard of becomes ours.
    pub adopts: bool,
    /// `zookeeper.fastleader.minNotificationInterval` and `.maxNotificationInterval`: the vote is
    /// sent again after so long without a decision; the pause doubles. In ms.
    pub resend_ms_min: i64,
    /// The longest pause, in ms.
    pub resend_ms_max: i64,
    /// How long a quorum's choice waits for a better candidate that may still be on its way, where
    /// not every voter has agreed to it (FastLeaderElection.finalizeWait). In ms.
    pub finalize_ms: i64,
}

impl ElectionSettings {
    /// Java's times.
    pub fn new(me: ServerId) -> ElectionSettings {
        ElectionSettings {
            me,
            observer: false,
            adopts: false,
            resend_ms_min: 200,
            resend_ms_max: 60_000,
            finalize_ms: 200,
        }
    }
}

/// The same answer is not given to the same server twice within so long. A server that has missed
/// one asks again after its own pause, which is 200 ms at least.
pub(super) const ANSWER_GAP_MS: i64 = 50;

/// Servers whose last answers are remembered: many more than ensembles have. Beyond that all are
/// forgotten, which costs a few answers too many.
pub(super) const ANSWERED_MAX: usize = 256;

/// For how long a leader that did not answer is neither voted for nor followed: the others leave it
/// at about the same time, and this round is to bring another. Not longer, for it may be that only
/// we could not reach it, and that no quorum comes about without it.
pub(super) const UNANSWERED_MS: i64 = 3000;
