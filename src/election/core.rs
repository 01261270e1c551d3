//! Fast leader election (FastLeaderElection).
//!
//! ```text
//!            Look                     a quorum agrees
//!   Silent ────────► Looking ──────────────────────────► Settled
//!     ▲                 ▲                                   │ │
//!     └──── Leave ──────┼───────────────────────────────────┘ │
//!                       └───────────────── Look ──────────────┘
//! ```
//!
//! What is quicker here than in Java, with the same messages: a choice on which every voter that
//! can be reached, of those that ever could be, agrees is final at once; who votes for less than we
//! do, or votes for the first time in our round, is told our vote, since it may have missed it;
//! observers that asked are told the end; and who connects is told the current vote (`Greeting`).

use std::collections::{BTreeMap, BTreeSet};

use super::effect::{ElectedRole, ElectionEffect, ElectionInput};
use super::looking::{Looking, UNTRUSTED, is_better, leads};
use super::settings::{ANSWER_GAP_MS, ANSWERED_MAX, ElectionSettings, UNANSWERED_MS};
use super::vote::{Ballot, Vote};
use crate::codec::election::{Notification, PeerState, VERSION};
use crate::membership::{Electorate, Members, Role};
use crate::mutants::{self, Mutant};
use crate::types::{Epoch, Millis, ServerId, Zxid, limits};

/// One server's part in elections: what it votes for, and what it knows of others' votes.
#[derive(Debug)]
pub struct Election {
    settings: ElectionSettings,
    electorate: Electorate,
    /// The committed configuration's text, which every message carries.
    config: String,
    observer: bool,
    /// The round (logicalclock).
    clock: i64,
    state: State,
    /// Voters that no connection can be made to.
    unreachable: BTreeSet<ServerId>,
    /// Those to which there ever was one. Of others it is not known that they are gone: they may be
    /// starting, as we are, with a vote that is better than all others.
    met: BTreeSet<ServerId>,
    /// The leader that did not answer, and until when it is passed over.
    unanswered: Option<(ServerId, Millis)>,
    /// What each server was last answered in this round, and when.
    answered: BTreeMap<ServerId, Answered>,
    /// The last foreign configuration text that was looked into.
    gossip: Option<String>,
    /// Of the last look, for I2.
    entered: Epoch,
}

#[derive(Clone, Copy, Debug)]
struct Answered {
    state: PeerState,
    vote: Vote,
    at: Millis,
}

#[derive(Debug)]
enum State {
    Silent,
    Looking(Looking),
    Settled { state: PeerState, vote: Vote, supporters: BTreeSet<ServerId> },
}

impl Election {
    /// Silent until it is told to look.
    pub fn new(settings: ElectionSettings, electorate: Electorate) -> Election {
        let mut election = Election {
            settings,
            config: electorate.committed.text(),
            electorate,
            observer: settings.observer,
            clock: 0,
            state: State::Silent,
            unreachable: BTreeSet::new(),
            met: BTreeSet::new(),
            unanswered: None,
            answered: BTreeMap::new(),
            gossip: None,
            entered: Epoch(0),
        };
        election.take_role();
        election
    }

    /// One input; effects are appended.
    pub fn step(&mut self, now: Millis, input: ElectionInput, out: &mut Vec<ElectionEffect>) {
        match input {
            ElectionInput::Look { zxid, peer_epoch } => self.look(now, zxid, peer_epoch, out),
            ElectionInput::Appointed { leader, zxid, epoch } => {
                self.appointed(now, leader, zxid, epoch, out);
            }
            ElectionInput::Leave { unanswered } => {
                self.state = State::Silent;
                self.unanswered = unanswered.map(|leader| (leader, now + UNANSWERED_MS));
            }
            ElectionInput::Heard { from, notification } => {
                self.reached(from);
                self.heard(now, from, &notification, out);
            }
            ElectionInput::Reachable { server } => self.reached(server),
            ElectionInput::Unreachable { server } => {
                self.unreachable.insert(server);
                self.weigh(now, out);
            }
            ElectionInput::Established { epoch } => self.established(epoch, out),
            ElectionInput::Members(electorate) => self.members(now, electorate, out),
            ElectionInput::Tick => {}
        }
        self.run_due(now, out);
    }

    /// When it wants a [`ElectionInput::Tick`]; `None`: only an input changes anything.
    pub fn deadline(&self) -> Option<Millis> {
        let State::Looking(looking) = &self.state else { return None };
        Some(looking.final_at.unwrap_or(looking.resend_at))
    }

    /// The vote that others are told; `None` before the first round and between two.
    pub fn vote(&self) -> Option<Vote> {
        match &self.state {
            State::Silent => None,
            State::Looking(looking) => Some(looking.proposal),
            State::Settled { vote, .. } => Some(*vote),
        }
    }

    /// The number of the round.
    pub fn round(&self) -> i64 {
        self.clock
    }

    /// A round is being held here.
    pub fn is_looking(&self) -> bool {
        matches!(self.state, State::Looking(_))
    }

    fn reached(&mut self, server: ServerId) {
        self.unreachable.remove(&server);
        // Strangers are without number.
        if self.electorate.is_voter(server) {
            self.met.insert(server);
        }
    }

    /// It did not answer us a moment ago: not again at once.
    fn is_passed_over(&self, now: Millis, leader: ServerId) -> bool {
        self.unanswered.is_some_and(|(of, until)| of == leader && now < until)
    }

    /// Our role by the configuration; a server that it does not list keeps the one it has.
    fn take_role(&mut self) {
        if let Some(member) = self.electorate.committed.get(self.settings.me) {
            self.observer = match member.role {
                Role::Participant => false,
                Role::Observer => true,
            };
        }
    }

    fn look(&mut self, now: Millis, zxid: Zxid, epoch: Epoch, out: &mut Vec<ElectionEffect>) {
        assert!(epoch >= self.entered, "I2: an epoch that was entered is never voted back");
        self.entered = epoch;
        // A participant that is not in the committed configuration says what it has, but not that
        // it could lead.
        let (zxid, peer_epoch) = match self.observer {
            true => (Zxid(i64::MIN), i64::MIN),
            false => (zxid, i64::from(epoch.0)),
        };
        self.begin(now, zxid, peer_epoch, out);
    }

    fn begin(&mut self, now: Millis, zxid: Zxid, peer_epoch: i64, out: &mut Vec<ElectionEffect>) {
        let me = self.settings.me;
        self.clock = self.clock.saturating_add(1);
        self.answered.clear();
        let candidate = self.electorate.committed.is_voter(me);
        let leader = if candidate { me } else { ServerId(i64::MIN) };
        let own = Vote { leader, zxid, election_epoch: self.clock, peer_epoch };
        let resend_ms = self.settings.resend_ms_min;
        let mut looking = Looking {
            own,
            proposal: own,
            round: BTreeMap::new(),
            settled: BTreeMap::new(),
            resend_at: now + resend_ms,
            resend_ms,
            final_at: None,
        };
        looking.propose(own, me, &self.electorate);
        self.state = State::Looking(looking);
        self.tell_voters(now, out);
        // A voter on its own is a quorum.
        self.weigh(now, out);
    }

    fn established(&mut self, epoch: Epoch, out: &mut Vec<ElectionEffect>) {
        if let State::Settled { vote, .. } = &mut self.state {
            vote.peer_epoch = i64::from(epoch.0);
            self.greet(out);
        }
    }

    /// QuorumPeer.updateServerState after a reconfiguration: the leader it has named is followed,
    /// or this server is it. Whether anybody else does so shows when it gathers its quorum.
    fn appointed(
        &mut self,
        now: Millis,
        leader: ServerId,
        zxid: Zxid,
        epoch: Epoch,
        out: &mut Vec<ElectionEffect>,
    ) {
        assert!(matches!(self.state, State::Silent), "appointed while another role lasts");
        assert!(epoch >= self.entered, "I2: an epoch that was entered is never voted back");
        self.entered = epoch;
        self.answered.clear();
        let (election_epoch, peer_epoch) = (self.clock, i64::from(epoch.0));
        let vote = Vote { leader, zxid, election_epoch, peer_epoch };
        let voters = self.electorate.voters().collect();
        self.settle(now, vote, voters, out);
    }

    fn members(&mut self, now: Millis, electorate: Electorate, out: &mut Vec<ElectionEffect>) {
        self.config = electorate.committed.text();
        self.electorate = electorate;
        self.gossip = None;
        // QuorumPeer.updateLearnerType: who has been left out follows without a vote.
        if self.electorate.committed.get(self.settings.me).is_none() && self.settings.adopts {
            self.observer = false;
        }
        self.take_role();
        match &self.state {
            State::Silent => {}
            State::Looking(looking) => {
                let Vote { zxid, peer_epoch, .. } = looking.own;
                self.begin(now, zxid, peer_epoch, out);
            }
            State::Settled { .. } => self.greet(out),
        }
    }

    fn heard(
        &mut self,
        now: Millis,
        from: ServerId,
        n: &Notification,
        out: &mut Vec<ElectionEffect>,
    ) {
        if self.is_looking() && self.gossiped(from, n, out) && self.settings.adopts {
            // The round begins anew with that configuration.
            return;
        }
        let me = self.settings.me;
        if from == me {
            return;
        }
        if !self.electorate.is_voter(from) {
            // It wants to know whom to follow. Its own vote does not count.
            if n.state == PeerState::Looking {
                self.answer(now, from, out);
            }
            return;
        }
        if self.is_looking() && n.election_epoch.saturating_sub(self.clock) > limits::ROUND_JUMP {
            // No election has ever come so far; taken up, it would be the last.
            return;
        }
        match &mut self.state {
            State::Silent => {}
            State::Settled { state, supporters, .. } => {
                if n.state == PeerState::Looking {
                    if *state == PeerState::Leading && supporters.remove(&from) {
                        let left = |server: ServerId| server == me || supporters.contains(&server);
                        let quorum_left = self.electorate.has_quorum(left);
                        out.push(ElectionEffect::Deserted { by: from, quorum_left });
                    }
                    self.answer(now, from, out);
                }
            }
            State::Looking(_) => match n.state {
                PeerState::Looking => self.heard_looking(now, from, n, out),
                PeerState::Following | PeerState::Leading => {
                    self.heard_settled(now, from, n, out);
                }
                // An observer's choice says nothing about the voters'.
                PeerState::Observing => {}
            },
        }
    }

    fn heard_looking(
        &mut self,
        now: Millis,
        from: ServerId,
        n: &Notification,
        out: &mut Vec<ElectionEffect>,
    ) {
        if n.election_epoch < self.clock {
            return self.answer(now, from, out);
        }
        let me = self.settings.me;
        let passed_over = self.is_passed_over(now, n.leader);
        let State::Looking(looking) = &mut self.state else { return };
        let electorate = &self.electorate;
        if !electorate.is_voter(n.leader) || looking.own.zxid == UNTRUSTED || n.zxid == UNTRUSTED {
            return;
        }
        let ballot = Ballot::of(n);
        let known = looking.round.contains_key(&from);
        if n.election_epoch > self.clock {
            self.clock = n.election_epoch;
            looking.enter(self.clock);
            let theirs = !passed_over && is_better(electorate, &ballot.vote, &looking.own);
            let candidate = if theirs { ballot.vote } else { looking.own };
            looking.propose(candidate, me, electorate);
            looking.resend_ms = self.settings.resend_ms_min;
            self.tell_voters(now, out);
        } else if !passed_over && is_better(electorate, &ballot.vote, &looking.proposal) {
            looking.propose(ballot.vote, me, electorate);
            looking.resend_ms = self.settings.resend_ms_min;
            self.tell_voters(now, out);
        } else if !known || is_better(electorate, &looking.proposal, &ballot.vote) {
            self.answer(now, from, out);
        }
        if let State::Looking(looking) = &mut self.state {
            looking.round.insert(from, ballot);
            // It has left whatever it had settled on.
            looking.settled.remove(&from);
        }
        self.weigh(now, out);
    }

    fn heard_settled(
        &mut self,
        now: Millis,
        from: ServerId,
        n: &Notification,
        out: &mut Vec<ElectionEffect>,
    ) {
        let me = self.settings.me;
        if !self.electorate.is_voter(n.leader) || self.is_passed_over(now, n.leader) {
            return;
        }
        let State::Looking(looking) = &mut self.state else { return };
        let ballot = Ballot::of(n);
        let same_round = n.election_epoch == self.clock;
        let leads = |ballots: &BTreeMap<ServerId, Ballot>| match n.leader == me {
            // They all have us for their leader; it was in this round, so we are.
            true => same_round,
            false => leads(ballots, n.leader),
        };
        if same_round {
            looking.round.insert(from, ballot);
            let followers = looking.followed_in_round(&ballot);
            if self.electorate.has_quorum(|s| followers.contains(&s)) && leads(&looking.round) {
                return self.settle(now, ballot.vote, followers, out);
            }
        }
        if looking.settled.insert(from, ballot) != Some(ballot) {
            looking.hasten(now, self.settings.resend_ms_min);
        }
        let followers = looking.followed(&ballot);
        if self.electorate.has_quorum(|s| followers.contains(&s)) && leads(&looking.settled) {
            return self.settle(now, ballot.vote, followers, out);
        }
        self.weigh(now, out);
    }

    /// Looks whether the round is decided by the votes of those who look.
    fn weigh(&mut self, now: Millis, out: &mut Vec<ElectionEffect>) {
        let State::Looking(looking) = &mut self.state else { return };
        // A server without a history counts no vote, not even its own.
        if looking.own.zxid == UNTRUSTED || !looking.has_quorum(&self.electorate) {
            looking.final_at = None;
            return;
        }
        let gone =
            |server: ServerId| self.unreachable.contains(&server) && self.met.contains(&server);
        let settled = looking.is_unanimous(&self.electorate, gone);
        let wait = if settled { 0 } else { self.settings.finalize_ms };
        let at = now + wait;
        looking.final_at = Some(looking.final_at.map_or(at, |before| before.min(at)));
        self.run_due(now, out);
    }

    fn run_due(&mut self, now: Millis, out: &mut Vec<ElectionEffect>) {
        let State::Looking(looking) = &mut self.state else { return };
        if let Some(at) = looking.final_at {
            if at <= now {
                let (vote, supporters) = (looking.proposal, looking.supporters());
                self.settle(now, vote, supporters, out);
            }
        } else if looking.resend_at <= now {
            looking.resend_ms = (looking.resend_ms * 2).min(self.settings.resend_ms_max);
            self.tell_voters(now, out);
            out.push(ElectionEffect::Reconnect);
        }
    }

    fn settle(
        &mut self,
        now: Millis,
        vote: Vote,
        supporters: BTreeSet<ServerId>,
        out: &mut Vec<ElectionEffect>,
    ) {
        self.clock = vote.election_epoch;
        let (state, role) = match (vote.leader == self.settings.me, self.observer) {
            (true, _) => (PeerState::Leading, ElectedRole::Leading),
            (false, false) => (PeerState::Following, ElectedRole::Following),
            (false, true) => (PeerState::Observing, ElectedRole::Observing),
        };
        self.state = State::Settled { state, vote, supporters };
        self.greet(out);
        // Servers without a vote that have asked do not have to ask again.
        for requester in std::mem::take(&mut self.answered).into_keys() {
            if !self.electorate.is_voter(requester) {
                self.answer(now, requester, out);
            }
        }
        out.push(ElectionEffect::Decided { leader: vote.leader, role });
    }

    /// While looking: whether it tells of a newer configuration than ours (WorkerReceiver.run). Who
    /// votes is not for strangers to say: only a voter is believed, of the configuration in force or
    /// of the one that is proposed. Java's server believes whoever speaks.
    fn gossiped(
        &mut self,
        from: ServerId,
        n: &Notification,
        out: &mut Vec<ElectionEffect>,
    ) -> bool {
        let is_voter = self.electorate.is_voter(from);
        if !is_voter && !mutants::on(Mutant::ConfigBelievedFromStranger) {
            return false;
        }
        let Some(text) = &n.config else { return false };
        if *text == self.config || self.gossip.as_ref() == Some(text) {
            return false;
        }
        self.gossip = Some(text.clone());
        // A text that is no configuration does not spoil the vote it came with.
        let Ok(members) = Members::parse(text) else { return false };
        let is_newer = members.version() > self.electorate.committed.version();
        if is_newer {
            out.push(ElectionEffect::NewerMembers(members));
        }
        is_newer
    }

    fn tell_voters(&mut self, now: Millis, out: &mut Vec<ElectionEffect>) {
        if let State::Looking(looking) = &mut self.state {
            looking.resend_at = now + looking.resend_ms;
        }
        self.greet(out);
        let Some(notification) = self.ours() else { return };
        for to in self.electorate.voters().filter(|&voter| voter != self.settings.me) {
            out.push(ElectionEffect::Send { to, notification: notification.clone() });
        }
    }

    fn greet(&self, out: &mut Vec<ElectionEffect>) {
        out.extend(self.ours().map(ElectionEffect::Greeting));
    }

    /// Tells one server our vote because of what it has said. Java answers whatever comes from a
    /// server that it takes for one without a vote, and two servers may take each other for such.
    /// So who has no vote answers nobody, as nobody needs it, and nobody is told the same again at
    /// once; else answers would be answered for ever.
    fn answer(&mut self, now: Millis, to: ServerId, out: &mut Vec<ElectionEffect>) {
        let Some(notification) = self.ours() else { return };
        if !self.electorate.is_voter(self.settings.me) {
            return;
        }
        let (state, vote) = (notification.state, Vote::of(&notification));
        let again = self.answered.get(&to).is_some_and(|answered| {
            (answered.state, answered.vote) == (state, vote) && now < answered.at + ANSWER_GAP_MS
        });
        if again {
            return;
        }
        if self.answered.len() >= ANSWERED_MAX {
            self.answered.clear();
        }
        self.answered.insert(to, Answered { state, vote, at: now });
        out.push(ElectionEffect::Send { to, notification });
    }

    /// Our vote and state; nothing while silent.
    fn ours(&self) -> Option<Notification> {
        let (state, vote) = match &self.state {
            State::Silent => return None,
            State::Looking(looking) => (PeerState::Looking, looking.proposal),
            State::Settled { state, vote, .. } => (*state, *vote),
        };
        Some(Notification {
            state,
            leader: vote.leader,
            zxid: vote.zxid,
            election_epoch: vote.election_epoch,
            peer_epoch: vote.peer_epoch,
            version: VERSION,
            config: Some(self.config.clone()),
        })
    }
}
