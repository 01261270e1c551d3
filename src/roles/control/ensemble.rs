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

use super::base::{Base, Budget};
use super::disk::Disk;
use super::numbers::Numbers;
use super::origin::Origin;
use super::reason::RoleEnd;
use super::reconfiguring::{Leaving, Reconfig};
use super::role::Role;
use super::{ClientRules, Stopping};
use crate::election::{Election, ElectionEffect, ElectionInput};
use crate::membership::Electorate;
use crate::mutants::{self, Mutant};
use crate::roles::message::Service;
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::types::{Epoch, Millis, ServerId, SplitMix64, Zxid, limits};
use crate::zab::{CommitQueue, LeaderInput, Readers, Stored, SyncRules, Timing, Window};

/// How often it is said that a leader is refused for its history, in ms.
const REFUSAL_LOGGED_MS: i64 = 60_000;

/// What a server of an ensemble is told at start.
#[derive(Clone, Debug)]
pub struct MemberSettings {
    /// Its own number.
    pub me: ServerId,
    /// How long others are waited for.
    pub timing: Timing,
    /// How learners are synchronised when this server leads.
    pub rules: SyncRules,
    /// What servers read.
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
    /// An observer waits less than this, in ms, before it looks for another leader: those of a lost
    /// one are not to come to the next all at once.
    pub observer_delay_ms: i64,
    /// Drawn by whoever starts the server: delays follow from it, and the numbers of forwarded requests
    /// begin with it.
    pub seed: u64,
    /// How clients are served.
    pub clients: ClientRules,
}

/// What the control role of such a server is made of besides.
pub struct EnsembleParts {
    /// What it was told.
    pub settings: MemberSettings,
    /// The configurations in force.
    pub electorate: Electorate,
    /// What becomes of changes of the configuration.
    pub reconfig: Reconfig,
    /// `acceptedEpoch`.
    pub accepted: Epoch,
    /// `currentEpoch`.
    pub current: Epoch,
    /// See [`crate::zab::LearnerParts::blank`].
    pub blank: bool,
    /// The core that votes.
    pub election: Election,
    /// The newest transactions of the log.
    pub window: Window,
    /// Files, as far as roles change them.
    pub disk: Disk,
}

/// What only servers of an ensemble have.
pub(super) struct Ensemble {
    pub role: Role,
    pub settings: MemberSettings,
    pub electorate: Electorate,
    random: SplitMix64,
    /// Of requests that go to a leader.
    pub numbers: Numbers,
    /// An observer does not look for a leader before.
    pub delayed_until: Millis,
    pub reconfig: Reconfig,
    /// The role goes on only until a reconfiguration is applied here.
    pub leaving: Option<Leaving>,
    /// Whom a reconfiguration has named to lead: no election is held.
    pub appointed: Option<ServerId>,
    pub accepted: Epoch,
    pub current: Epoch,
    pub blank: bool,
    /// A leader was refused for its history in this role; when that was last said.
    refused: bool,
    refusal_logged: Option<Millis>,
    pub election: Election,
    /// When reads are served if there is no leader by then.
    pub reads_at: Option<Millis>,
    /// When it is said again that there is no leader, and how long after the last time.
    pub waits_at: Option<(Millis, i64)>,
    /// Who of the others has voted since this server looks.
    pub voted: BTreeSet<ServerId>,
    pub heard: Vec<ElectionEffect>,
    pub window: Window,
    pub disk: Disk,
    pub commands: Vec<PeerCommand>,
    pub events: VecDeque<PeerEvent>,
    /// Of these events.
    events_bytes: usize,
}

impl Ensemble {
    /// A server that has just started: its history is its own, and it may look for a leader.
    pub(super) fn begin(parts: EnsembleParts, base: &mut Base) -> Ensemble {
        let ensemble = Ensemble::new(parts);
        ensemble.init_config(base);
        let MemberSettings { me, clients, .. } = &ensemble.settings;
        base.sessions.table.set_unknown_sessions(clients.unknown_sessions(*me));
        let members = &ensemble.electorate.committed;
        base.gauges.quorum.set_members(members, members.get(*me));
        base.gauges.quorum.looking(base.now);
        ensemble
    }

    fn new(parts: EnsembleParts) -> Ensemble {
        let commands = vec![PeerCommand::Electorate(parts.electorate.clone())];
        let settings = parts.settings;
        Ensemble {
            role: Role::Settling,
            electorate: parts.electorate,
            random: SplitMix64::new(settings.seed),
            numbers: Numbers::new(settings.me, settings.seed),
            settings,
            delayed_until: Millis(0),
            reconfig: parts.reconfig,
            leaving: None,
            appointed: None,
            accepted: parts.accepted,
            current: parts.current,
            blank: parts.blank,
            refused: false,
            refusal_logged: None,
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

    /// How long an observer that has lost its leader waits before it looks for another, in ms.
    fn observer_delay(&mut self) -> i64 {
        let below = u64::try_from(self.settings.observer_delay_ms).unwrap_or(0);
        self.random.below(below) as i64
    }

    /// What the sockets have brought; taken in by the next turn.
    pub(super) fn take_events(&mut self, events: &mut Vec<PeerEvent>) {
        self.events_bytes += events.iter().map(weight).sum::<usize>();
        self.events.extend(events.drain(..));
    }

    /// What others have sent, and what is due.
    pub(super) fn turn(&mut self, base: &mut Base) {
        while let Some(event) = self.next_event(&base.budget) {
            base.budget.work += 1;
            self.peer_event(base, event);
        }
        self.tick_role(base);
    }

    /// What the sockets have brought is nobody's any more.
    pub(super) fn drop_events(&mut self) {
        self.events.clear();
        self.events_bytes = 0;
    }

    /// The next of what the sockets have brought: as much as a turn's share, or as makes the rest few
    /// enough to be kept. They bring more only between turns.
    fn next_event(&mut self, budget: &Budget) -> Option<PeerEvent> {
        if !budget.may_go_on() && self.events_bytes <= limits::PEER_EVENTS_BYTES {
            return None;
        }
        let event = self.events.pop_front()?;
        self.events_bytes -= weight(&event);
        Some(event)
    }

    fn peer_event(&mut self, base: &mut Base, event: PeerEvent) {
        match event {
            PeerEvent::Heard { from, notification } => {
                self.note_vote(from);
                self.elect(base, ElectionInput::Heard { from, notification });
            }
            PeerEvent::Reachable { server } => {
                self.elect(base, ElectionInput::Reachable { server })
            }
            PeerEvent::Unreachable { server } => {
                self.elect(base, ElectionInput::Unreachable { server })
            }
            other => match &self.role {
                Role::Leading(_) => self.leader_event(base, other),
                Role::Learning(_) => self.learner_event(base, other),
                // The last word of a link whose role is over.
                Role::Settling | Role::Looking => {}
            },
        }
    }

    fn tick_role(&mut self, base: &mut Base) {
        let now = base.now;
        let due = |at: Option<Millis>| at.is_some_and(|at| at <= now);
        match &self.role {
            Role::Leading(leading) if due(leading.patience()) => {
                base.gauges.quorum.disloyal_voters.add(1);
                self.leave_role(base, RoleEnd::QuorumLate);
            }
            Role::Leading(leading) if due(leading.leader.deadline()) => {
                self.lead(base, LeaderInput::Tick)
            }
            Role::Learning(learning) if due(learning.learner.deadline()) => self.learn_tick(base),
            Role::Looking if due(self.reads_at) => self.serve_read_only(base),
            Role::Looking if due(self.waits_at.map(|(at, _)| at)) => self.log_waiting(now),
            _ => {}
        }
        if due(self.election.deadline()) {
            self.elect(base, ElectionInput::Tick);
        }
    }

    /// When the ensemble's part next wants a turn.
    pub(super) fn deadline(&self, now: Millis) -> Option<Millis> {
        let role = match &self.role {
            Role::Leading(leading) => {
                leading.leader.deadline().into_iter().chain(leading.patience()).min()
            }
            Role::Learning(learning) => learning.learner.deadline(),
            Role::Looking => self.reads_at.into_iter().chain(self.waits_at.map(|(at, _)| at)).min(),
            Role::Settling if self.is_delayed(now) => Some(self.delayed_until),
            Role::Settling => None,
        };
        role.into_iter().chain(self.election.deadline()).min()
    }

    pub(super) fn command(&mut self, command: PeerCommand) {
        self.commands.push(command);
    }

    /// The role is over, for whatever reason. Clients go, links go; the log keeps what it has.
    pub(super) fn leave_role(&mut self, base: &mut Base, why: RoleEnd) {
        if matches!(self.role, Role::Settling | Role::Looking) {
            return;
        }
        tracing::warn!(why = why.to_string(), "role ended, back to LOOKING");
        let observed =
            matches!(&self.role, Role::Learning(learning) if learning.learner.is_observer());
        let unanswered = match &self.role {
            Role::Learning(l) if l.learner.is_unanswered() => Some(l.learner.leader()),
            _ => None,
        };
        self.appointed = self.leaving.take().map(|leaving| leaving.leader);
        self.delayed_until = match self.appointed {
            None if observed => base.now + self.observer_delay(),
            // Neither a leader that is refused nor this server's log is to be kept busy.
            None if std::mem::take(&mut self.refused) => base.now + self.settings.timing.tick_ms,
            None | Some(_) => base.now,
        };
        // With its effects, done or not.
        self.role = Role::Settling;
        self.elect(base, ElectionInput::Leave { unanswered });
        base.ages.forget_asked();
        self.command(PeerCommand::StopQuorum);
        self.drop_links();
        self.persist_committed(base, true);
        self.set_service(base, Service::Off);
        base.sessions.forget_all();
        base.pipeline.queue.forget_origins(|| Origin::Server);
        if mutants::on(Mutant::MemoryKept) {
            base.pipeline.queue = CommitQueue::new(base.pipeline.tree.applied());
        }
        self.abandon_loading(base);
    }

    /// What has come of this role's links and was not looked at yet: the next role may begin in
    /// this very turn, and must not take a connection of the old one for its own.
    fn drop_links(&mut self) {
        self.events.retain(|event| match event {
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
        self.events_bytes = self.events.iter().map(weight).sum();
    }

    /// Whether a role has ended and all that the log was given is durable: what of it is not applied
    /// can be, and then this server looks for a leader.
    pub(super) fn settles(&self, base: &mut Base) -> bool {
        matches!(self.role, Role::Settling)
            && base.stopping == Stopping::No
            && self.disk.is_settled()
            && base.pipeline.queue.own_history()
            && !self.is_delayed(base.now)
    }

    /// Writes an epoch file, durably. An error ends the process: nothing is promised that would
    /// not survive (I11).
    pub(super) fn store(&mut self, base: &mut Base, stored: Stored) -> bool {
        let forgotten = match stored {
            Stored::Accepted(_) => mutants::on(Mutant::PromiseNotStored),
            Stored::Current(_) => mutants::on(Mutant::EpochNotStored),
        };
        match if forgotten { Ok(()) } else { self.disk.store(stored) } {
            Ok(()) => {
                match stored {
                    Stored::Accepted(epoch) => {
                        self.accepted = epoch;
                        base.gauges.quorum.synchronizing(base.now);
                    }
                    Stored::Current(epoch) => self.current = epoch,
                }
                true
            }
            Err(why) => {
                base.fail(why);
                false
            }
        }
    }

    /// The leader's history lacks what is committed: nothing is followed and nothing deleted, and
    /// whoever reads this has to choose.
    pub(super) fn refuse_history(&mut self, now: Millis, ends: Zxid, committed: Zxid) {
        let Role::Learning(learning) = &self.role else { return };
        let leader = learning.learner.leader().0;
        self.refused = true;
        if self.refusal_logged.is_some_and(|logged| now < logged + REFUSAL_LOGGED_MS) {
            return;
        }
        self.refusal_logged = Some(now);
        let places = self.disk.places();
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
