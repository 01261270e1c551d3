//! Leading: the leader core's inputs and effects.

use super::base::Base;
use super::effects::Effects;
use super::ensemble::Ensemble;
use super::origin::{Origin, PendingReply};
use super::reconfiguring::ConfigSource;
use super::role::Role;
use super::sending::Sending;
use crate::admin::listings::ObserverLine;
use crate::codec::quorum::Packet;
use crate::roles::jobs::LearnerJob;
use crate::roles::message::Service;
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::types::{Epoch, Link, Millis, NodeKind, TypeRules, Zxid};
use crate::zab::leader::LearnerFigures;
use crate::zab::{Leader, LeaderEffect, LeaderInput};

/// How owners are read where TTL nodes exist.
const EXTENDED: TypeRules = TypeRules { extended_types: true, emulate_353_ttl: false };

pub(super) struct Leading {
    pub leader: Leader,
    pub effects: Effects<LeaderEffect>,
    /// How often something was to be said that only the leader of a quorum may say.
    questions: u64,
    /// Snapshots on their way to learners.
    pub sending: Vec<Sending>,
    /// Learners that get a snapshot as soon as the tree here has everything up to this.
    pub waiting: Vec<(Link, Zxid)>,
    pub since: Millis,
    /// Until when its voters may keep it waiting.
    pub patience: Option<Millis>,
}

impl Leading {
    pub(super) fn new(leader: Leader, effects: Effects<LeaderEffect>, now: Millis) -> Leading {
        Leading {
            leader,
            effects,
            questions: 0,
            sending: Vec::new(),
            waiting: Vec::new(),
            since: now,
            patience: None,
        }
    }

    /// [`Leading::patience`], as long as no quorum has come.
    pub(super) fn patience(&self) -> Option<Millis> {
        self.patience.filter(|_| self.leader.epoch() == Epoch(0))
    }

    /// Whose link that is, once it has said so; 0: unknown.
    fn learner_at(&self, link: Link) -> i64 {
        let mut learners = self.leader.learners();
        learners.find(|learner| learner.link == link).map_or(0, |learner| learner.server.0)
    }
}

impl Ensemble {
    pub(super) fn lead(&mut self, base: &mut Base, input: LeaderInput) {
        let Role::Leading(leading) = &mut self.role else { return };
        let Leading { leader, effects, .. } = &mut **leading;
        leader.step(base.now, input, &mut self.window, effects.out());
        self.limit_to_readers(base);
        self.run_leader_effects(base);
    }

    /// Nothing is proposed that a member could not read.
    fn limit_to_readers(&mut self, base: &mut Base) {
        let Role::Leading(leading) = &self.role else { return };
        let max = leading.leader.readable().min(base.pipeline.prep_settings.entry_len_max);
        if max == base.pipeline.prep.entry_len_max() {
            return;
        }
        if let Some(server) = leading.leader.least_reader() {
            tracing::warn!(
                "server {} reads {max} bytes of a transaction (jute.maxbuffer and its extra size), \
                 and this server {}: larger writes are refused with MarshallingError; a ZooKeeper \
                 server cannot tell, and is taken to read what ringkeeper.zookeeper.maxbuffer says",
                server.0,
                base.pipeline.prep_settings.entry_len_max
            );
        }
        base.pipeline.prep.set_entry_len_max(max);
    }

    /// Once a turn: commits what a quorum has by now.
    pub(super) fn lead_settle(&mut self, base: &mut Base) {
        let Role::Leading(leading) = &mut self.role else { return };
        let before = leading.leader.committed();
        leading.leader.settle(&mut self.window, leading.effects.out());
        let after = leading.leader.committed();
        let of_epoch = if before.epoch() == after.epoch() { before.counter() } else { 0 };
        base.gauges.quorum.commit_count.add(i64::from(after.counter() - of_epoch));
        if after > before {
            base.note_agreed(before.max(Zxid::new(after.epoch(), 0)), after);
        }
        self.run_leader_effects(base);
    }

    /// Has something said behind all that is proposed until now, and only if no other leader can
    /// have committed more: that a client has seen everything, or that its session is not there
    /// (I12).
    pub(super) fn reply_when_confirmed(&mut self, base: &mut Base, reply: PendingReply) {
        let queue = &mut base.pipeline.queue;
        let Role::Leading(leading) = &mut self.role else { return queue.reply(reply) };
        leading.questions += 1;
        queue.reply_when_confirmed(leading.questions, reply);
        self.lead(base, LeaderInput::ReadIndexAsked);
    }

    /// Whether a request may become a proposal: this epoch has numbers left.
    pub(super) fn may_propose(&self) -> bool {
        match &self.role {
            Role::Leading(leading) => leading.leader.accepts(),
            Role::Settling | Role::Looking | Role::Learning(_) => true,
        }
    }

    pub(super) fn leader_event(&mut self, base: &mut Base, event: PeerEvent) {
        let Role::Leading(leading) = &mut self.role else { return };
        match event {
            PeerEvent::Opened { link } => self.lead(base, LeaderInput::Opened { link }),
            PeerEvent::Packet { link, packet } => {
                self.lead(base, LeaderInput::Packet { link, packet })
            }
            PeerEvent::Drained { link } => {
                if !leading.snapshot_credit(link) {
                    self.lead(base, LeaderInput::Drained { link });
                }
            }
            PeerEvent::Moved { link } => self.lead(base, LeaderInput::Moved { link }),
            PeerEvent::Closed { link, why } => {
                let server = leading.learner_at(link);
                tracing::warn!(link = link.0, server, why, "learner disconnected");
                leading.stop_sending(link);
                self.lead(base, LeaderInput::Closed { link });
            }
            PeerEvent::Heard { .. }
            | PeerEvent::Connected { .. }
            | PeerEvent::ConnectFailed { .. }
            | PeerEvent::Reachable { .. }
            | PeerEvent::Unreachable { .. }
            | PeerEvent::Stream { .. } => {}
        }
    }

    /// Executes effects in the order in which they came, those that come meanwhile behind them.
    pub(super) fn run_leader_effects(&mut self, base: &mut Base) {
        let Role::Leading(leading) = &mut self.role else { return };
        let Some(mut round) = leading.effects.begin() else { return };
        // What a role has left to do ends with it.
        while let Role::Leading(leading) = &mut self.role
            && leading.effects.next(&mut round)
        {
            for effect in round.drain(..) {
                self.leader_effect(base, effect);
            }
        }
    }

    fn leader_effect(&mut self, base: &mut Base, effect: LeaderEffect) {
        let Role::Leading(leading) = &mut self.role else { return };
        match effect {
            LeaderEffect::Send { link, packet } => {
                if matches!(packet, Packet::Diff { .. }) {
                    base.gauges.quorum.diff_count.add(1);
                }
                self.command(PeerCommand::Send { link, packet });
            }
            LeaderEffect::Close { link, why } => {
                tracing::warn!(link = link.0, why = why.to_string(), "learner dropped");
                leading.stop_sending(link);
                self.command(PeerCommand::Close { link });
            }
            LeaderEffect::WhenDrained { link } => self.command(PeerCommand::WhenDrained { link }),
            LeaderEffect::AskMoved { link } => self.command(PeerCommand::AskMoved { link }),
            LeaderEffect::Reading { link, on } => self.command(PeerCommand::Reading { link, on }),
            LeaderEffect::Store(stored) => {
                if self.store(base, stored) {
                    self.lead(base, LeaderInput::Stored(stored));
                }
            }
            LeaderEffect::Serve { epoch } => self.serve_as_leader(base, epoch),
            LeaderEffect::Agreed(agreed) => base.pipeline.queue.agree(agreed),
            LeaderEffect::Activate { members, leader } => {
                let whence = leader
                    .map_or(ConfigSource::NewLeader, |leader| ConfigSource::Committed { leader });
                self.activate(base, members, whence);
            }
            LeaderEffect::Confirmed { count } => base.pipeline.queue.confirmed(count),
            LeaderEffect::Request { link, request, .. } => self.forwarded(base, link, &request),
            LeaderEffect::Touched { sessions, .. } => {
                for (session, _) in sessions {
                    base.sessions.table.touch(session, base.now);
                }
            }
            LeaderEffect::Revalidate { link, session, timeout } => {
                base.gauges.quorum.revalidate_count.add(1);
                self.revalidate(base, link, session, timeout);
            }
            LeaderEffect::ReadLog { link, after, share } => {
                let (upto, epoch) = (base.pipeline.queue.durable_upto(), leading.leader.epoch());
                let job = LearnerJob::ReadLog { link, after, upto, share, epoch };
                self.learner_job(base, link, job);
            }
            LeaderEffect::SendSnapshot { link } => {
                base.gauges.quorum.snap_count.add(1);
                // A snapshot takes the place of the learner's log, in which may be the copy that a
                // commit rests on. So it must hold all that is committed by now, also where this
                // server's own disk is behind the quorum's.
                leading.waiting.push((link, leading.leader.committed()));
                self.send_waiting_snapshots(base);
            }
            LeaderEffect::LearnerReady { link, server } => {
                tracing::info!(link = link.0, server = server.0, "learner synchronised");
                self.count_learners(base);
            }
            LeaderEffect::LearnerGone { link, server } => {
                tracing::info!(link = link.0, server = server.0, "learner is gone");
                leading.stop_sending(link);
                self.count_learners(base);
            }
            LeaderEffect::StepDown { why } => self.leave_role(base, why.into()),
        }
    }

    /// Those of this leader, each as it is now.
    pub(super) fn observers(&self) -> Vec<ObserverLine> {
        let Role::Leading(leading) = &self.role else { return Vec::new() };
        let observers = leading.leader.learners().filter(|learner| learner.observer);
        let line = |learner: LearnerFigures| ObserverLine {
            server: learner.server,
            acked: learner.acked,
            queued_bytes: learner.queued,
        };
        observers.filter(|learner| learner.synced).map(line).collect()
    }

    /// What operators are shown of the learners.
    pub(super) fn count_learners(&self, base: &Base) {
        let Role::Leading(leading) = &self.role else { return };
        let quorum = &base.gauges.quorum;
        let members = &self.electorate.committed;
        let (mut all, mut followers, mut unknown_sessions, mut observers) = (0, 0, 0, 0);
        for learner in leading.leader.learners() {
            all += 1;
            match (learner.synced, learner.observer, members.is_voter(learner.server)) {
                (false, _, _) => {}
                (true, true, _) => observers += 1,
                (true, false, votes) => {
                    followers += 1;
                    unknown_sessions += i64::from(!votes);
                }
            }
        }
        quorum.learners.set(all);
        quorum.synced_followers.set(followers);
        quorum.synced_non_voting_followers.set(unknown_sessions);
        quorum.synced_observers.set(observers);
    }

    /// A quorum has this leader's history. Every session gets its full timeout again: its client
    /// must find the new leader's ensemble first (I12).
    fn serve_as_leader(&mut self, base: &mut Base, epoch: Epoch) {
        let first = Zxid::new(epoch, 0);
        base.pipeline.prepare_behind(first);
        self.limit_to_readers(base);
        base.sessions.forget_all();
        base.sessions.track_durable(base.now);
        base.next_container_check = base.now + base.settings.container_check_ms;
        tracing::info!(epoch = epoch.0, sessions = base.sessions.durable.len(), "leading");
        self.established(base, epoch);
        self.set_service(base, Service::All);
        Self::find_lost_sessions(base);
    }

    /// Ephemerals of sessions that no table has go as everything goes: by a transaction, on every
    /// server. (A Java leader removes them from its own tree alone, ZooKeeperServer.loadData.)
    fn find_lost_sessions(base: &mut Base) {
        base.sessions.lost = base
            .pipeline
            .tree
            .sessions_with_ephemerals()
            .into_iter()
            .filter(|session| !base.sessions.durable.contains_key(session))
            // With extended types off, TTL nodes look like ephemerals of sessions that never were.
            .filter(|session| !matches!(EXTENDED.kind_of(session.0), NodeKind::Ttl(_)))
            .collect();
    }

    pub(super) fn close_lost_sessions(&mut self, base: &mut Base) {
        if !matches!(self.role, Role::Leading(_)) {
            return base.sessions.lost.clear();
        }
        while self.may_propose() && self.has_room(base) && base.budget.bytes > 0 {
            let Some(session) = base.sessions.lost.pop_front() else { return };
            tracing::warn!(%session, "session is in no table: it is closed");
            let entry = base.close_session(session, 0);
            self.propose(base, entry, Origin::Server);
        }
    }
}
