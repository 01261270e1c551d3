//! Another configuration: its quorums, and who leads in it (Leader.propose, tryToCommit,
//! getDesignatedLeader).
//!
//! ```text
//!   ── … ──┬── R ──┬── … ──►     R: the reconfiguration, whose zxid is the version
//!    old   │     old and new     once R is committed: new alone
//! ```
//!
//! Whoever acknowledges R knows of the new configuration, durably, and will not lead, nor help
//! another to, without a quorum of both. R is committed by a quorum of both, so every later leader
//! has it, and with it the new configuration: what is agreed by that alone cannot be missed.

use std::sync::Arc;

use super::LeaderEffect;
use super::core::{Leader, Phase};
use super::learner::Learner;
use crate::membership::Members;
use crate::types::{ServerId, Zxid};
use crate::zab::Window;

/// How long a leader that is none any more stays, in beats, if nobody ends its role before.
const HANDOVER_BEATS: i64 = 2;

impl Leader {
    pub(super) fn reconfiguring(&mut self, members: Arc<Members>) {
        assert!(self.reconfig.is_none(), "one reconfiguration at a time");
        self.reconfig = Some(Zxid(members.version()));
        self.parts.electorate.next = Some(members);
        self.count_readers();
    }

    /// The transaction at `at` is agreed on by both configurations.
    pub(super) fn commit_reconfig(
        &mut self,
        at: Zxid,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let Some(members) = self.parts.electorate.next.take() else { return };
        let before = std::mem::replace(&mut self.parts.electorate.committed, members);
        let members = Arc::clone(&self.parts.electorate.committed);
        self.announced = Arc::clone(&members);
        self.reconfig = None;
        let stays = members.leads_as_in(&before, self.parts.me);
        let leader = match stays {
            true => self.parts.me,
            false => self.best_learner(at, &members),
        };
        self.commit(at, Some(leader), window, out);
        if !stays {
            self.phase = Phase::HandingOver;
            self.phase_ends = self.beat + HANDOVER_BEATS;
        }
        out.push(LeaderEffect::Activate { members, leader: Some(leader) });
    }

    /// Of the new voters that have the reconfiguration, the one that has most of what is behind
    /// it, so that the least is lost; this server where there is none.
    fn best_learner(&self, at: Zxid, members: &Members) -> ServerId {
        let has_it = |l: &&Learner| l.has_acked() && l.acked >= at;
        let candidates = self.learners.values().filter(has_it);
        let candidates = candidates.filter_map(|l| Some((l.acked, l.votes_as()?)));
        let may_lead = |id: ServerId| members.is_voter(id) && members.weight(id) > 0;
        let best = candidates
            .filter(|(_, id)| may_lead(*id))
            .max_by_key(|(acked, id)| (*acked, std::cmp::Reverse(*id)));
        best.map_or(self.parts.me, |(_, id)| id)
    }

    /// The configuration that NEWLEADER told is agreed on with it: a reconfiguration that an
    /// earlier leader did not finish, or the first version. False if this server cannot lead in it.
    pub(super) fn complete_announced(&mut self, out: &mut Vec<LeaderEffect>) -> bool {
        let members = Arc::clone(&self.announced);
        if members.version() <= self.parts.electorate.committed.version() {
            self.parts.electorate.next = None;
            return true;
        }
        let electorate = &mut self.parts.electorate;
        let before = std::mem::replace(&mut electorate.committed, Arc::clone(&members));
        electorate.next = None;
        let stays = members.leads_as_in(&before, self.parts.me);
        out.push(LeaderEffect::Activate { members, leader: None });
        stays
    }
}
