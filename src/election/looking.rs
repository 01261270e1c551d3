//! One round: who has voted for whom.

use std::collections::{BTreeMap, BTreeSet};

use super::vote::{Ballot, Vote};
use crate::codec::election::PeerState;
use crate::membership::{Electorate, Members};
use crate::types::{Millis, ServerId, Zxid};

/// Data that its own server does not trust: it neither wins nor counts.
pub(super) const UNTRUSTED: Zxid = Zxid(-1);

#[derive(Debug)]
pub(super) struct Looking {
    /// What this server brings itself; its round is the clock.
    pub own: Vote,
    /// The best we know, our own vote. Its round is the clock.
    pub proposal: Vote,
    /// Ballots of this round, of servers that look and of such that have already settled in it.
    pub round: BTreeMap<ServerId, Ballot>,
    /// The last ballot of every server that has settled, in whatever round (outofelection).
    pub settled: BTreeMap<ServerId, Ballot>,
    pub resend_at: Millis,
    pub resend_ms: i64,
    /// A quorum agrees with our proposal; when that is final.
    pub final_at: Option<Millis>,
}

impl Looking {
    /// Takes up a candidate, for the round of `own`. Our own ballot counts like any other.
    pub(super) fn propose(&mut self, candidate: Vote, me: ServerId, electorate: &Electorate) {
        self.proposal = Vote { election_epoch: self.own.election_epoch, ..candidate };
        self.final_at = None;
        let counts = electorate.is_voter(me)
            && electorate.is_voter(self.proposal.leader)
            && self.own.zxid != UNTRUSTED;
        if counts {
            self.round.insert(me, self.mine());
        }
    }

    fn mine(&self) -> Ballot {
        Ballot { vote: self.proposal, state: PeerState::Looking, version: 0 }
    }

    /// Everything begins again in a later round.
    pub(super) fn enter(&mut self, round: i64) {
        self.own.election_epoch = round;
        self.round.clear();
    }

    /// There is news, and so the others may have some too: they are asked again soon, however
    /// long the pauses have become.
    pub(super) fn hasten(&mut self, now: Millis, resend_ms_min: i64) {
        self.resend_ms = resend_ms_min;
        self.resend_at = self.resend_at.min(now + resend_ms_min);
    }

    /// A quorum votes as we do.
    pub(super) fn has_quorum(&self, electorate: &Electorate) -> bool {
        electorate.has_quorum(|server| self.votes_as_we(server))
    }

    fn votes_as_we(&self, server: ServerId) -> bool {
        self.round.get(&server).is_some_and(|ballot| ballot.vote == self.proposal)
    }

    /// Nobody is left who could still bring a better candidate: every voter that has a weight
    /// agrees with us or is gone.
    pub(super) fn is_unanimous(
        &self,
        electorate: &Electorate,
        gone: impl Fn(ServerId) -> bool,
    ) -> bool {
        electorate
            .voters()
            .filter(|&server| weighs(electorate, server))
            .all(|server| self.votes_as_we(server) || gone(server))
    }

    /// Servers that have settled on the leader of `ballot`, which one of them sent, by the ballots
    /// of this round.
    pub(super) fn followed_in_round(&self, ballot: &Ballot) -> BTreeSet<ServerId> {
        supporters(&self.round, |other| other.agrees_in_round(ballot))
    }

    /// The same by the ballots of all that have settled.
    pub(super) fn followed(&self, ballot: &Ballot) -> BTreeSet<ServerId> {
        supporters(&self.settled, |other| other.agrees_across_rounds(ballot))
    }

    /// Those who vote as we do.
    pub(super) fn supporters(&self) -> BTreeSet<ServerId> {
        supporters(&self.round, |ballot| ballot.vote == self.proposal)
    }
}

fn supporters(
    ballots: &BTreeMap<ServerId, Ballot>,
    counts: impl Fn(&Ballot) -> bool,
) -> BTreeSet<ServerId> {
    ballots.iter().filter(|(_, ballot)| counts(ballot)).map(|(server, _)| *server).collect()
}

/// The leader itself says that it leads (FastLeaderElection.checkLeader). Without that, servers
/// that have not noticed its end would have it elected over and over.
pub(super) fn leads(ballots: &BTreeMap<ServerId, Ballot>, leader: ServerId) -> bool {
    ballots.get(&leader).is_some_and(|ballot| ballot.state == PeerState::Leading)
}

/// A voter whose vote is worth something in a configuration.
fn weighs(electorate: &Electorate, server: ServerId) -> bool {
    let in_one = |members: &Members| members.is_voter(server) && members.weight(server) > 0;
    in_one(&electorate.committed) || electorate.next.as_deref().is_some_and(in_one)
}

/// The candidate is to be preferred to the one we have. One of weight 0 never is, and any other
/// is preferred to it: such a server has no vote that counts, so nothing is lost by its giving in,
/// and it settles along with the others.
pub(super) fn is_better(electorate: &Electorate, candidate: &Vote, than: &Vote) -> bool {
    let weight = |vote: &Vote| electorate.committed.weight(vote.leader);
    weight(candidate) > 0 && (candidate.rank() > than.rank() || weight(than) == 0)
}
