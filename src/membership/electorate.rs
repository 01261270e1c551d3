//! The configurations in force.

use std::sync::Arc;

use super::Members;
use crate::types::ServerId;

/// Who decides: the committed configuration, and while it is being replaced the next one too
/// (SyncedLearnerTracker). Any two quorums have a voter in common, whichever of the two
/// configurations a server that counted them knew.
#[derive(Clone, PartialEq, Debug)]
pub struct Electorate {
    /// In force.
    pub committed: Arc<Members>,
    /// Proposed or last seen, newer than `committed`.
    pub next: Option<Arc<Members>>,
}

impl Electorate {
    /// Nothing is proposed.
    pub fn new(committed: Arc<Members>) -> Electorate {
        Electorate { committed, next: None }
    }

    fn in_force(&self) -> impl Iterator<Item = &Arc<Members>> {
        std::iter::once(&self.committed).chain(&self.next)
    }

    /// A quorum of each configuration has answered.
    pub fn has_quorum(&self, acks: impl Fn(ServerId) -> bool) -> bool {
        self.in_force().all(|members| members.has_quorum(&acks))
    }

    /// A voter of any of the configurations.
    pub fn is_voter(&self, server: ServerId) -> bool {
        self.in_force().any(|members| members.is_voter(server))
    }

    /// Voters of any of the configurations, each once.
    pub fn voters(&self) -> impl Iterator<Item = ServerId> {
        let new = self.next.iter().flat_map(|next| next.voters());
        let new = new.filter(|server| !self.committed.is_voter(*server));
        self.committed.voters().chain(new)
    }
}
