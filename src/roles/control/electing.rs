//! Looking for a leader: the election's effects, and what it decides.

use std::sync::Arc;

use super::base::Base;
use super::effects::Effects;
use super::ensemble::Ensemble;
use super::leading::Leading;
use super::learning::Learning;
use super::reason::RoleEnd;
use super::reconfiguring::ConfigSource;
use super::role::Role;
use crate::election::{ElectedRole, ElectionEffect, ElectionInput};
use crate::metrics::quorum::Mode;
use crate::mutants::{self, Mutant};
use crate::roles::peer_message::PeerCommand;
use crate::types::{Epoch, Millis, ServerId, Zxid};
use crate::zab::{Leader, LeaderParts, Learner, LearnerParts};

/// How long a leader is looked for before it is said that there is none, in ms; then after pauses
/// that double up to the longest.
const WAITING_MS: i64 = 2_000;
const WAITING_MS_MAX: i64 = 60_000;

impl Ensemble {
    /// One step of the election, and what follows from it.
    pub(super) fn elect(&mut self, base: &mut Base, input: ElectionInput) {
        self.election.step(base.now, input, &mut self.heard);
        let effects = std::mem::take(&mut self.heard);
        let mut newer = None;
        for effect in effects {
            match effect {
                ElectionEffect::Send { to, notification } => {
                    self.command(PeerCommand::Elect { to, notification });
                }
                ElectionEffect::Greeting(vote) => self.command(PeerCommand::Greeting(vote)),
                ElectionEffect::Deserted { by, quorum_left } => {
                    self.deserted(base, by, quorum_left)
                }
                ElectionEffect::NewerMembers(members) => newer = Some(members),
                ElectionEffect::Reconnect => self.command(PeerCommand::ReconnectElection),
                ElectionEffect::Decided { leader, role } => self.decided(base, leader, role),
            }
        }
        // Last: what it says to others replaces what was said above.
        if let Some(members) = newer.filter(|_| matches!(self.role, Role::Looking)) {
            self.activate(base, Arc::new(members), ConfigSource::Vote);
        }
    }

    /// A voter that brought us to lead looks again. A leader that does not serve yet, and to which
    /// no quorum can come any more, would only keep the others from agreeing on another.
    fn deserted(&mut self, base: &mut Base, by: ServerId, quorum_left: bool) {
        let wait = self.settings.epoch_wait_ms;
        let Role::Leading(leading) = &mut self.role else { return };
        if leading.leader.is_serving() {
            return;
        }
        if quorum_left {
            leading.patience = wait.map(|wait| leading.since + wait);
            return;
        }
        base.gauges.quorum.disloyal_voters.add(1);
        self.leave_role(base, RoleEnd::Deserted { by });
    }

    fn decided(&mut self, base: &mut Base, leader: ServerId, role: ElectedRole) {
        assert!(matches!(self.role, Role::Looking), "decided in an election that is over");
        self.end_read_only(base);
        self.waits_at = None;
        let last = base.pipeline.queue.durable_upto();
        let mode = match role {
            ElectedRole::Leading => Mode::Leader,
            ElectedRole::Following => Mode::Follower,
            ElectedRole::Observing => Mode::Observer,
        };
        tracing::info!(leader = leader.0, role = mode.word(), %last, "election decided");
        base.gauges.quorum.decided(mode, leader, base.now);
        match role {
            ElectedRole::Leading => {
                let mut effects = Effects::default();
                let leader = Leader::new(
                    LeaderParts {
                        me: self.settings.me,
                        accepted: self.accepted,
                        current: self.current,
                        last,
                        electorate: self.electorate.clone(),
                        reconfig_enabled: self.reconfig.enabled,
                        timing: self.settings.timing,
                        rules: self.settings.rules,
                        readers: self.settings.readers,
                        handover_counter: self.settings.handover_counter,
                    },
                    base.now,
                    effects.out(),
                );
                self.role = Role::Leading(Box::new(Leading::new(leader, effects, base.now)));
                self.command(PeerCommand::ListenQuorum);
                self.run_leader_effects(base);
            }
            ElectedRole::Following | ElectedRole::Observing => {
                let mut effects = Effects::default();
                let committed = self.disk.committed().within(last);
                let learner = Learner::new(
                    LearnerParts {
                        me: self.settings.me,
                        observer: role == ElectedRole::Observing,
                        accepted: self.accepted,
                        current: self.current,
                        last,
                        committed: committed.upto,
                        shown: committed.shown,
                        blank: self.blank,
                        config_version: self.electorate.committed.version(),
                        leader,
                        timing: self.settings.timing,
                        connect_ms: self.settings.connect_ms,
                        connect_pause_ms: self.settings.connect_pause_ms,
                        readers: self.settings.readers,
                    },
                    base.now,
                    effects.out(),
                );
                self.role = Role::Learning(Box::new(Learning::new(learner, effects, leader)));
                self.run_learner_effects(base);
            }
        }
    }

    /// From Settling to Looking: memory and log are one.
    pub(super) fn look(&mut self, base: &mut Base) {
        let zxid = base.pipeline.queue.durable_upto();
        assert!(zxid == base.pipeline.tree.applied(), "I5: memory and log differ before a vote");
        self.role = Role::Looking;
        let current = self.current;
        let appointed = self.appointed.take();
        let reads_after = self.settings.clients.reads_after.filter(|_| appointed.is_none());
        self.reads_at = reads_after.map(|wait| base.now + wait);
        self.waits_at = Some((base.now + WAITING_MS, WAITING_MS));
        self.voted.clear();
        base.gauges.quorum.looking(base.now);
        if let Some(leader) = appointed {
            tracing::info!(leader = leader.0, "leader designated by reconfiguration");
            return self.elect(base, ElectionInput::Appointed { leader, zxid, epoch: current });
        }
        tracing::info!(%zxid, epoch = current.0, "LOOKING for a leader");
        let boast = self.settings.me == ServerId(1) && mutants::on(Mutant::VoteBeyondLog);
        let zxid = if boast { Zxid(zxid.0 + 0xffff) } else { zxid };
        // As in ZooKeeper, -1 is what nobody counts, and who says it counts nobody.
        let zxid = if self.blank { Zxid(-1) } else { zxid };
        self.elect(base, ElectionInput::Look { zxid, peer_epoch: current });
    }

    /// Observer.waitForObserverElectionDelay and waitForReconnectDelay, both before the election.
    pub(super) fn is_delayed(&self, now: Millis) -> bool {
        now < self.delayed_until
    }

    /// A leader is established, with or without us: its epoch is part of our vote from now on.
    pub(super) fn established(&mut self, base: &mut Base, epoch: Epoch) {
        base.pipeline.exact_from.get_or_insert(base.pipeline.queue.proposed());
        self.elect(base, ElectionInput::Established { epoch });
    }

    /// Remembered among members only: strangers would fill it.
    pub(super) fn note_vote(&mut self, from: ServerId) {
        if matches!(self.role, Role::Looking) && self.electorate.is_voter(from) {
            self.voted.insert(from);
        }
    }

    /// No leader is found: what is missing.
    pub(super) fn log_waiting(&mut self, now: Millis) {
        let pause = self.waits_at.map_or(WAITING_MS, |(_, pause)| (2 * pause).min(WAITING_MS_MAX));
        self.waits_at = Some((now + pause, pause));
        let members = &self.electorate.committed;
        let voters = members.voters().count();
        let heard: Vec<String> = self.voted.iter().map(|id| id.0.to_string()).collect();
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
}
