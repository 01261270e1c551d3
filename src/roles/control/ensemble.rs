//! This server as one of several: which role it has, and how one role follows another.
//!
//! ```text
//!            ┌──────────────────────────── Leave, StepDown ───────────────────────────┐
//!            ▼                                                                        │
//!        Settling ──log quiet, all of it applied──► Looking ──Decided──► Leading ─────┤
//!                                                                   └──► Learning ────┘
//! ```
//!
//! A role that ends takes its clients' connections with it. What it had given to the log becomes
//! this server's own history, exactly as a restart would read it (I5), and the next vote
//! advertises that and nothing more (I2).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::disk::Disk;
use super::leading::Leading;
use super::learning::Learning;
use super::numbers::Numbers;
use super::reason::RoleEnd;
use super::reconfiguring::{ConfigSource, Leaving, Reconfig};
use super::{ClientRules, Control};
use crate::election::{ElectedRole, Election, ElectionEffect, ElectionInput};
use crate::membership::Electorate;
use crate::metrics::quorum::Mode;
use crate::roles::message::{Service, ServingEpoch, ToNetwork};
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::types::{Epoch, Millis, ServerId, Zxid, limits};
use crate::zab::{
    Leader, LeaderParts, Learner, LearnerParts, Readers, Stored, SyncRules, Timing, Window,
};

/// How often it is said that a leader is refused for its history, in ms.
const REFUSAL_SAID_MS: i64 = 60_000;

/// What a server of an ensemble is told at start.
#[derive(Clone, Debug)]
pub struct MemberSettings {
    pub me: ServerId,
    pub timing: Timing,
    /// How learners are synchronised when this server leads.
    pub rules: SyncRules,
    pub readers: Readers,
    /// From this counter on an epoch is handed over.
    pub handover_counter: u32,
    /// How long a leader is tried to be reached, in ms.
    pub connect_ms: i64,
    /// The longest pause between two tries, in ms.
    pub connect_pause_ms: i64,
    /// How long a leader some of whose voters look again waits for its quorum, in ms; `None`: as
    /// for any quorum.
    pub epoch_wait_ms: Option<i64>,
    pub rest: Rest,
    pub clients: ClientRules,
}

/// What the control role of such a server is made of besides.
pub struct EnsembleParts {
    pub settings: MemberSettings,
    pub electorate: Electorate,
    pub reconfig: Reconfig,
    pub accepted: Epoch,
    pub current: Epoch,
    /// See [`LearnerParts::blank`].
    pub blank: bool,
    pub election: Election,
    /// The newest transactions of the log.
    pub window: Window,
    pub disk: Disk,
}

/// What keeps the observers of a lost leader from coming to the next one all at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rest {
    /// Below this, in ms, is how long an observer rests; voters do not.
    pub below_ms: i64,
    /// Drawn by whoever starts the server. The numbers of forwarded requests begin with it too.
    pub seed: u64,
}

impl Rest {
    /// SplitMix64.
    fn draw(&mut self) -> i64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.seed;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 1) as i64 % self.below_ms.max(1)
    }
}

/// How long a leader is looked for before it is said that there is none, in ms; then after pauses
/// that double up to the longest.
const WAITING_MS: i64 = 2_000;
const WAITING_MS_MAX: i64 = 60_000;

/// What this server is to the others.
pub(super) enum Role {
    /// There are no others.
    Alone,
    /// A role has ended: what the log was given becomes durable and is applied.
    Settling,
    Looking,
    Leading(Box<Leading>),
    Learning(Box<Learning>),
}

/// The part of the control role that only servers of an ensemble have.
pub(super) struct Ensemble {
    pub me: ServerId,
    pub electorate: Electorate,
    timing: Timing,
    rules: SyncRules,
    readers: Readers,
    handover_counter: u32,
    connect_ms: i64,
    connect_pause_ms: i64,
    epoch_wait_ms: Option<i64>,
    rest: Rest,
    /// Of requests that go to a leader.
    pub numbers: Numbers,
    /// An observer does not look for a leader before.
    delayed_until: Millis,
    pub clients: ClientRules,
    pub reconfig: Reconfig,
    /// The role goes on only until a reconfiguration is applied here.
    pub leaving: Option<Leaving>,
    /// Whom a reconfiguration has named to lead: no election is held.
    appointed: Option<ServerId>,
    accepted: Epoch,
    pub current: Epoch,
    pub blank: bool,
    /// A leader was refused for its history in this role; when that was last said.
    refused: bool,
    refusal_said: Option<Millis>,
    election: Election,
    /// When reads are served if there is no leader by then.
    reads_at: Option<Millis>,
    /// When it is said again that there is no leader, and how long after the last time.
    waits_at: Option<(Millis, i64)>,
    /// Who of the others has voted since this server looks.
    voted: BTreeSet<ServerId>,
    heard: Vec<ElectionEffect>,
    pub window: Window,
    pub disk: Disk,
    pub commands: Vec<PeerCommand>,
    pub events: VecDeque<PeerEvent>,
    /// Of these events.
    events_bytes: usize,
}

impl Ensemble {
    pub fn new(parts: EnsembleParts) -> Ensemble {
        let commands = vec![PeerCommand::Electorate(parts.electorate.clone())];
        let settings = parts.settings;
        Ensemble {
            me: settings.me,
            electorate: parts.electorate,
            timing: settings.timing,
            rules: settings.rules,
            readers: settings.readers,
            handover_counter: settings.handover_counter,
            connect_ms: settings.connect_ms,
            connect_pause_ms: settings.connect_pause_ms,
            epoch_wait_ms: settings.epoch_wait_ms,
            rest: settings.rest,
            numbers: Numbers::new(settings.me, settings.rest.seed),
            delayed_until: Millis(0),
            clients: settings.clients,
            reconfig: parts.reconfig,
            leaving: None,
            appointed: None,
            accepted: parts.accepted,
            current: parts.current,
            blank: parts.blank,
            refused: false,
            refusal_said: None,
            election: parts.election,
            reads_at: None,
            waits_at: None,
            voted: BTreeSet::new(),
            heard: Vec::new(),
            window: parts.window,
            disk: parts.disk,
            commands,
            events: VecDeque::new(),
            events_bytes: 0,
        }
    }
}

impl Control {
    /// What the sockets have brought; taken in by the next turn.
    pub fn peer_events(&mut self, events: &mut Vec<PeerEvent>) {
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.events_bytes += events.iter().map(weight).sum::<usize>();
            ensemble.events.extend(events.drain(..));
        }
    }

    /// What the sockets are to do.
    pub fn take_peer_commands(&mut self, into: &mut Vec<PeerCommand>) {
        if let Some(ensemble) = &mut self.ensemble {
            into.append(&mut ensemble.commands);
        }
    }

    pub(super) fn peer_turn(&mut self) {
        self.begin_step();
        while let Some(event) = self.next_event() {
            self.work += 1;
            self.peer_event(event);
        }
        self.tick_role();
        self.settle();
    }

    /// The next of what the sockets have brought: as much as a turn's share, or as makes the rest few
    /// enough to be kept. They bring more only between turns.
    fn next_event(&mut self) -> Option<PeerEvent> {
        let may_go_on = self.may_go_on();
        let ensemble = self.ensemble.as_mut()?;
        if !may_go_on && ensemble.events_bytes <= limits::PEER_EVENTS_BYTES {
            return None;
        }
        let event = ensemble.events.pop_front()?;
        ensemble.events_bytes -= weight(&event);
        Some(event)
    }

    fn peer_event(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Heard { from, notification } => {
                self.note_vote(from);
                self.elect(ElectionInput::Heard { from, notification });
            }
            PeerEvent::Reachable { server } => self.elect(ElectionInput::Reachable { server }),
            PeerEvent::Unreachable { server } => self.elect(ElectionInput::Unreachable { server }),
            other => match &self.role {
                Role::Leading(_) => self.leader_event(other),
                Role::Learning(_) => self.learner_event(other),
                // The last word of a link whose role is over.
                Role::Alone | Role::Settling | Role::Looking => {}
            },
        }
    }

    fn tick_role(&mut self) {
        let now = self.now;
        let due = |at: Option<Millis>| at.is_some_and(|at| at <= now);
        match &self.role {
            Role::Leading(leading) if due(leading.patience()) => {
                self.gauges.quorum.disloyal_voters.add(1);
                self.leave_role(RoleEnd::QuorumLate);
            }
            Role::Leading(leading) if due(leading.leader.deadline()) => self.lead_tick(),
            Role::Learning(learning) if due(learning.learner.deadline()) => self.learn_tick(),
            Role::Looking if due(self.ensemble.as_ref().and_then(|e| e.reads_at)) => {
                self.serve_read_only();
            }
            Role::Looking if due(self.ensemble.as_ref().and_then(|e| Some(e.waits_at?.0))) => {
                self.log_waiting();
            }
            _ => {}
        }
        if self.ensemble.as_ref().is_some_and(|e| due(e.election.deadline())) {
            self.elect(ElectionInput::Tick);
        }
    }

    /// When the ensemble's part next wants a turn.
    pub(super) fn peer_deadline(&self) -> Option<Millis> {
        let ensemble = self.ensemble.as_ref()?;
        let role = match &self.role {
            Role::Leading(leading) => {
                leading.leader.deadline().into_iter().chain(leading.patience()).min()
            }
            Role::Learning(learning) => learning.learner.deadline(),
            Role::Looking => {
                ensemble.reads_at.into_iter().chain(ensemble.waits_at.map(|(at, _)| at)).min()
            }
            Role::Settling if self.is_delayed() => Some(ensemble.delayed_until),
            Role::Alone | Role::Settling => None,
        };
        role.into_iter().chain(ensemble.election.deadline()).min()
    }

    pub(super) fn command(&mut self, command: PeerCommand) {
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.commands.push(command);
        }
    }

    /// One step of the election, and what follows from it.
    pub(super) fn elect(&mut self, input: ElectionInput) {
        let Some(ensemble) = &mut self.ensemble else { return };
        ensemble.election.step(self.now, input, &mut ensemble.heard);
        let effects = std::mem::take(&mut ensemble.heard);
        let mut newer = None;
        for effect in effects {
            match effect {
                ElectionEffect::Send { to, notification } => {
                    self.command(PeerCommand::Elect { to, notification });
                }
                ElectionEffect::Greeting(vote) => self.command(PeerCommand::Greeting(vote)),
                ElectionEffect::Deserted { by, quorum_left } => self.deserted(by, quorum_left),
                ElectionEffect::NewerMembers(members) => newer = Some(members),
                ElectionEffect::Reconnect => self.command(PeerCommand::ReconnectElection),
                ElectionEffect::Decided { leader, role } => self.decided(leader, role),
            }
        }
        // Last: what it says to others replaces what was said above.
        if let Some(members) = newer.filter(|_| matches!(self.role, Role::Looking)) {
            self.activate(Arc::new(members), ConfigSource::Vote);
        }
    }

    /// A voter that brought us to lead looks again. A leader that does not serve yet, and to which
    /// no quorum can come any more, would only keep the others from agreeing on another.
    fn deserted(&mut self, by: ServerId, quorum_left: bool) {
        let wait = self.ensemble.as_ref().and_then(|e| e.epoch_wait_ms);
        let Role::Leading(leading) = &mut self.role else { return };
        if leading.leader.is_serving() {
            return;
        }
        if quorum_left {
            leading.patience = wait.map(|wait| leading.since + wait);
            return;
        }
        self.gauges.quorum.disloyal_voters.add(1);
        self.leave_role(RoleEnd::Deserted { by });
    }

    fn decided(&mut self, leader: ServerId, role: ElectedRole) {
        assert!(matches!(self.role, Role::Looking), "decided in an election that is over");
        self.end_read_only();
        let Some(ensemble) = &mut self.ensemble else { return };
        ensemble.waits_at = None;
        let last = self.line.durable_upto();
        let mode = match role {
            ElectedRole::Leading => Mode::Leader,
            ElectedRole::Following => Mode::Follower,
            ElectedRole::Observing => Mode::Observer,
        };
        tracing::info!(leader = leader.0, role = mode.word(), %last, "election decided");
        self.gauges.quorum.decided(mode, leader, self.now);
        match role {
            ElectedRole::Leading => {
                let mut effects = Vec::new();
                let leader = Leader::new(
                    LeaderParts {
                        me: ensemble.me,
                        accepted: ensemble.accepted,
                        current: ensemble.current,
                        last,
                        electorate: ensemble.electorate.clone(),
                        reconfig_enabled: ensemble.reconfig.enabled,
                        timing: ensemble.timing,
                        rules: ensemble.rules,
                        readers: ensemble.readers,
                        handover_counter: ensemble.handover_counter,
                    },
                    self.now,
                    &mut effects,
                );
                self.role = Role::Leading(Box::new(Leading::new(leader, self.now)));
                self.command(PeerCommand::ListenQuorum);
                self.leader_effects.append(&mut effects);
                self.run_leader_effects();
            }
            ElectedRole::Following | ElectedRole::Observing => {
                let mut effects = Vec::new();
                let committed = ensemble.disk.committed().within(last);
                let learner = Learner::new(
                    LearnerParts {
                        me: ensemble.me,
                        observer: role == ElectedRole::Observing,
                        accepted: ensemble.accepted,
                        current: ensemble.current,
                        last,
                        committed: committed.upto,
                        shown: committed.shown,
                        blank: ensemble.blank,
                        config_version: ensemble.electorate.committed.version(),
                        leader,
                        timing: ensemble.timing,
                        connect_ms: ensemble.connect_ms,
                        connect_pause_ms: ensemble.connect_pause_ms,
                        readers: ensemble.readers,
                    },
                    self.now,
                    &mut effects,
                );
                self.role = Role::Learning(Box::new(Learning::new(learner, leader)));
                self.learner_effects.append(&mut effects);
                self.run_learner_effects();
            }
        }
    }

    /// The role is over, for whatever reason. Clients go, links go; the log keeps what it has.
    pub(super) fn leave_role(&mut self, why: RoleEnd) {
        if matches!(self.role, Role::Alone | Role::Settling | Role::Looking) {
            return;
        }
        tracing::warn!(why = why.to_string(), "role ended, back to LOOKING");
        let observed =
            matches!(&self.role, Role::Learning(learning) if learning.learner.is_observer());
        let unanswered = match &self.role {
            Role::Learning(l) if l.learner.is_unanswered() => Some(l.learner.leader()),
            _ => None,
        };
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.appointed = ensemble.leaving.take().map(|leaving| leaving.leader);
            ensemble.delayed_until = match ensemble.appointed {
                None if observed => self.now + ensemble.rest.draw(),
                // Neither a leader that is refused nor this server's log is to be kept busy.
                None if std::mem::take(&mut ensemble.refused) => self.now + ensemble.timing.tick_ms,
                None | Some(_) => self.now,
            };
        }
        self.role = Role::Settling;
        self.elect(ElectionInput::Leave { unanswered });
        self.leader_effects.clear();
        self.learner_effects.clear();
        self.ages.forget_asked();
        self.command(PeerCommand::StopQuorum);
        self.drop_links();
        self.persist_committed(true);
        self.set_service(Service::Off);
        self.sessions.clear();
        self.pulses.clear();
        self.line.forget_origins(|| super::Origin::Server);
        if crate::mutants::on("memory-kept") {
            self.line = crate::zab::CommitQueue::new(self.tree.applied());
        }
        self.abandon_loading();
    }

    /// What has come of this role's links and was not looked at yet: the next role may begin in
    /// this very turn, and must not take a connection of the old one for its own.
    fn drop_links(&mut self) {
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.events.retain(|event| match event {
                PeerEvent::Heard { .. }
                | PeerEvent::Reachable { .. }
                | PeerEvent::Unreachable { .. } => true,
                PeerEvent::Opened { .. }
                | PeerEvent::Connected { .. }
                | PeerEvent::ConnectFailed { .. }
                | PeerEvent::Packet { .. }
                | PeerEvent::Stream { .. }
                | PeerEvent::Drained { .. }
                | PeerEvent::Moved { .. }
                | PeerEvent::Closed { .. } => false,
            });
            ensemble.events_bytes = ensemble.events.iter().map(weight).sum();
        }
    }

    /// From Settling to Looking, as soon as memory and log are one.
    pub(super) fn settle(&mut self) {
        if !matches!(self.role, Role::Settling) || self.stopping != super::Stopping::No {
            return;
        }
        if !self.disk_is_settled() || !self.line.own_history() || self.is_delayed() {
            return;
        }
        self.apply_due();
        if !self.line.is_empty() {
            return;
        }
        let zxid = self.line.durable_upto();
        assert!(zxid == self.tree.applied(), "I5: memory and log differ before a vote");
        self.role = Role::Looking;
        let Some(ensemble) = &mut self.ensemble else { return };
        let current = ensemble.current;
        let appointed = ensemble.appointed.take();
        let reads_after = ensemble.clients.reads_after.filter(|_| appointed.is_none());
        ensemble.reads_at = reads_after.map(|wait| self.now + wait);
        ensemble.waits_at = Some((self.now + WAITING_MS, WAITING_MS));
        ensemble.voted.clear();
        self.gauges.quorum.looking(self.now);
        if let Some(leader) = appointed {
            tracing::info!(leader = leader.0, "leader designated by reconfiguration");
            return self.elect(ElectionInput::Appointed { leader, zxid, epoch: current });
        }
        tracing::info!(%zxid, epoch = current.0, "LOOKING for a leader");
        let boast = self.ensemble.as_ref().is_some_and(|e| e.me == ServerId(1))
            && crate::mutants::on("vote-beyond-log");
        let zxid = if boast { Zxid(zxid.0 + 0xffff) } else { zxid };
        // As in ZooKeeper, -1 is what nobody counts, and who says it counts nobody.
        let is_blank = self.ensemble.as_ref().is_some_and(|e| e.blank);
        let zxid = if is_blank { Zxid(-1) } else { zxid };
        self.elect(ElectionInput::Look { zxid, peer_epoch: current });
    }

    /// Observer.waitForObserverElectionDelay and waitForReconnectDelay, both before the election.
    fn is_delayed(&self) -> bool {
        self.ensemble.as_ref().is_some_and(|e| self.now < e.delayed_until)
    }

    /// A leader is established, with or without us: its epoch is part of our vote from now on.
    pub(super) fn established(&mut self, epoch: Epoch) {
        self.exact_from.get_or_insert(self.line.proposed());
        self.elect(ElectionInput::Established { epoch });
    }

    /// Writes an epoch file, durably. An error ends the process: nothing is promised that would
    /// not survive (I11).
    pub(super) fn store(&mut self, stored: Stored) -> bool {
        let Some(ensemble) = &mut self.ensemble else { return false };
        let forgotten = match stored {
            Stored::Accepted(_) => crate::mutants::on("promise-not-stored"),
            Stored::Current(_) => crate::mutants::on("epoch-not-stored"),
        };
        match if forgotten { Ok(()) } else { ensemble.disk.store(stored) } {
            Ok(()) => {
                match stored {
                    Stored::Accepted(epoch) => {
                        ensemble.accepted = epoch;
                        self.gauges.quorum.synchronizing(self.now);
                    }
                    Stored::Current(epoch) => ensemble.current = epoch,
                }
                true
            }
            Err(why) => {
                self.fail(why);
                false
            }
        }
    }

    /// Tells the network cores, in stream order, what clients get.
    pub(super) fn set_service(&mut self, service: Service) {
        if self.service == service {
            return;
        }
        self.service = service;
        match service {
            Service::All => {
                self.gauges.quorum.serving(self.now);
                tracing::info!("serving clients");
            }
            Service::Reads => self.gauges.quorum.read_only(self.now),
            Service::Off => {}
        }
        let abstains = matches!(self.role, Role::Leading(_)) && self.client_rules().leader_abstains;
        let service = if abstains { Service::Off } else { service };
        self.gauges.running.store(service != Service::Off, Ordering::Relaxed);
        let zxid = self.tree.applied();
        let reign = self.reign().filter(|_| service == Service::All);
        for stream_sender in &mut self.stream_senders {
            stream_sender.send(ToNetwork::Serving { service, zxid, reign });
        }
    }

    /// Remembered among members only: strangers would fill it.
    fn note_vote(&mut self, from: ServerId) {
        if let (Role::Looking, Some(ensemble)) = (&self.role, &mut self.ensemble)
            && ensemble.electorate.is_voter(from)
        {
            ensemble.voted.insert(from);
        }
    }

    /// No leader is found: what is missing.
    fn log_waiting(&mut self) {
        let Some(ensemble) = &mut self.ensemble else { return };
        let pause =
            ensemble.waits_at.map_or(WAITING_MS, |(_, pause)| (2 * pause).min(WAITING_MS_MAX));
        ensemble.waits_at = Some((self.now + pause, pause));
        let members = &ensemble.electorate.committed;
        let voters = members.voters().count();
        let heard: Vec<String> = ensemble.voted.iter().map(|id| id.0.to_string()).collect();
        let heard = if heard.is_empty() { "nobody".to_owned() } else { heard.join(", ") };
        match members.is_hierarchical() {
            true => tracing::warn!(
                "listening; waiting for a leader (a quorum of the groups of {voters} voters needed, \
                 heard: {heard})"
            ),
            false => tracing::warn!(
                "listening; waiting for a leader ({} of {voters} needed, heard: {heard})",
                voters / 2 + 1
            ),
        }
    }

    /// All of the epoch's initial history is agreed by the time it is served in.
    fn reign(&self) -> Option<ServingEpoch> {
        let epoch = match &self.role {
            Role::Leading(leading) => leading.leader.epoch(),
            Role::Learning(learning) => learning.learner.epoch(),
            Role::Alone | Role::Settling | Role::Looking => return None,
        };
        Some(ServingEpoch { first: Zxid::new(epoch, 0), history: self.line.agreed() })
    }

    /// The leader's history lacks what is committed: nothing is followed and nothing deleted, and
    /// whoever reads this has to choose.
    pub(super) fn refuse_history(&mut self, ends: Zxid, committed: Zxid) {
        let now = self.now;
        let Role::Learning(learning) = &self.role else { return };
        let leader = learning.learner.leader().0;
        let Some(ensemble) = &mut self.ensemble else { return };
        ensemble.refused = true;
        if ensemble.refusal_said.is_some_and(|said| now < said + REFUSAL_SAID_MS) {
            return;
        }
        ensemble.refusal_said = Some(now);
        let places = ensemble.disk.places();
        tracing::error!(
            leader,
            leader_ends = %ends,
            committed_here = %committed,
            "the leader lacks what this server knows to be committed: members of this ensemble have \
             lost what they acknowledged (empty disks, or older copies of them). This server follows \
             nobody and keeps its files. To keep its history: stop the other servers, move their \
             version-2 folders away, start this server and one of them, and the rest when those two \
             serve. To take over the leader's history, after an intended restore for example: stop \
             this server, move everything in {places} away, and start it"
        );
    }

    pub(super) fn serves_all(&self) -> bool {
        self.service == Service::All
    }

    /// QuorumPeer.run: the election goes on too long to leave readers without an answer. They have
    /// the tree as it is, and sessions that end with this.
    fn serve_read_only(&mut self) {
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.reads_at = None;
        }
        tracing::warn!("read-only mode: no leader");
        self.set_service(Service::Reads);
    }

    fn end_read_only(&mut self) {
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.reads_at = None;
        }
        if self.service == Service::Reads {
            self.set_service(Service::Off);
            self.sessions.clear();
            self.pulses.clear();
        }
    }
}

/// Bytes of an event that waits.
fn weight(event: &PeerEvent) -> usize {
    let held = match event {
        PeerEvent::Packet { packet, .. } => packet.weight(),
        PeerEvent::Stream { bytes, .. } => bytes.len(),
        PeerEvent::Heard { .. }
        | PeerEvent::Reachable { .. }
        | PeerEvent::Unreachable { .. }
        | PeerEvent::Opened { .. }
        | PeerEvent::Connected { .. }
        | PeerEvent::ConnectFailed { .. }
        | PeerEvent::Drained { .. }
        | PeerEvent::Moved { .. }
        | PeerEvent::Closed { .. } => 0,
    };
    size_of::<PeerEvent>() + held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_are_below_their_bound_and_differ() {
        let draws = |below_ms, seed| {
            let mut rest = Rest { below_ms, seed };
            [(); 9].map(|()| rest.draw())
        };
        assert_eq!(draws(0, 1), [0; 9]);
        assert_ne!(draws(200, 1), draws(200, 2));
        assert!(draws(200, 1).iter().all(|ms| (0..200).contains(ms)));
    }
}
