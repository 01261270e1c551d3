//! Following and observing: the learner core's inputs and effects.

use std::collections::VecDeque;

use super::base::Base;
use super::effects::Effects;
use super::ensemble::Ensemble;
use super::origin::{Origin, PendingReply};
use super::pipeline::work_of;
use super::reason::RoleEnd;
use super::role::Role;
use crate::codec::quorum::{Limits, Packet};
use crate::codec::txn::{Entry, decode_entry};
use crate::metrics::quorum::SyncMode;
use crate::roles::message::Service;
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::types::{ConnRef, Epoch, Link, Millis, ServerId, SessionId, Zxid, limits};
use crate::zab::{Learner, LearnerEffect, LearnerInput};

use bytes::Bytes;

pub(super) struct Learning {
    pub learner: Learner,
    pub effects: Effects<LearnerEffect>,
    leader: ServerId,
    pub link: Option<Link>,
    /// Why the link is not read: the own log has enough to do, or the disk has.
    pub log_is_full: bool,
    pub holds_much: bool,
    /// Requests with the leader, in the order in which it answers them, and their bytes.
    pub forwarded: VecDeque<Waiting>,
    pub forwarded_bytes: usize,
    /// What is said when the leader has answered a sync, in the order in which they were asked.
    pub syncs: VecDeque<PendingReply>,
    /// Sessions the leader is being asked about.
    pub revalidating: VecDeque<(SessionId, i32, ConnRef)>,
    /// When sessions were last reported to the leader.
    reported: Millis,
}

/// A request with the leader.
pub(super) struct Waiting {
    pub session: SessionId,
    /// Of this server's own: see [`super::numbers`].
    pub number: i32,
    pub origin: Origin,
    pub bytes: usize,
}

impl Learning {
    pub(super) fn new(
        learner: Learner,
        effects: Effects<LearnerEffect>,
        leader: ServerId,
    ) -> Learning {
        Learning {
            learner,
            effects,
            leader,
            link: None,
            log_is_full: false,
            holds_much: false,
            forwarded: VecDeque::new(),
            forwarded_bytes: 0,
            syncs: VecDeque::new(),
            revalidating: VecDeque::new(),
            reported: Millis(0),
        }
    }

    /// Who of this server's clients asked for a transaction: the head of the queue or nobody, as
    /// the leader keeps a learner's order (CommitProcessor). The number is nobody else's, so this
    /// is known, whatever else of the session is on its way.
    pub(super) fn origin_of(&mut self, entry: &Entry) -> Option<Origin> {
        let head = self.forwarded.front()?;
        let mine = head.session == entry.header.session && head.number == entry.header.cxid;
        let waiting = if mine { self.forwarded.pop_front()? } else { return None };
        self.forwarded_bytes -= waiting.bytes;
        Some(waiting.origin)
    }

    pub(super) fn tell_leader(&self, commands: &mut Vec<PeerCommand>, packet: Packet) {
        if let Some(link) = self.link {
            commands.push(PeerCommand::Send { link, packet });
        }
    }

    /// The leader may be asked for more. What it has of this server's is bounded here, for there it
    /// is answered in the order in which it came, however much that is.
    pub(super) fn has_room(&self) -> bool {
        let asked = self.forwarded.len() + self.syncs.len() + self.revalidating.len();
        asked < limits::FORWARDED_REQUESTS && self.forwarded_bytes < limits::FORWARDED_BYTES
    }
}

impl Ensemble {
    /// Whether requests go to a leader.
    pub(super) fn learns(&self) -> bool {
        matches!(self.role, Role::Learning(_))
    }

    pub(super) fn learn(&mut self, base: &mut Base, input: LearnerInput) {
        let Role::Learning(learning) = &mut self.role else { return };
        learning.learner.step(base.now, input, learning.effects.out());
        self.run_learner_effects(base);
    }

    pub(super) fn learn_tick(&mut self, base: &mut Base) {
        // A leader whose link is not read is not silent.
        if matches!(&self.role, Role::Learning(learning) if learning.log_is_full) {
            self.learn(base, LearnerInput::Moved);
        }
        self.learn(base, LearnerInput::Tick);
    }

    pub(super) fn learner_event(&mut self, base: &mut Base, event: PeerEvent) {
        let Role::Learning(learning) = &mut self.role else { return };
        let current = learning.link;
        match event {
            PeerEvent::Connected { link } => {
                learning.link = Some(link);
                // A new link is read.
                (learning.holds_much, learning.log_is_full) = (false, false);
                self.learn(base, LearnerInput::Connected);
            }
            PeerEvent::ConnectFailed { why } => {
                self.learn(base, LearnerInput::ConnectFailed { why })
            }
            PeerEvent::Packet { link, packet } if Some(link) == current => {
                self.learn(base, LearnerInput::Packet(packet));
            }
            PeerEvent::Stream { link, bytes } if Some(link) == current => {
                self.learn(base, LearnerInput::Moved);
                self.snapshot_bytes(base, &bytes);
            }
            PeerEvent::Moved { link } if Some(link) == current => {
                self.learn(base, LearnerInput::Moved)
            }
            PeerEvent::Closed { link, why } if Some(link) == current => {
                learning.link = None;
                self.learn(base, LearnerInput::Closed { why });
            }
            // Words of an older link.
            _ => {}
        }
    }

    /// Executes effects in the order in which they came, those that come meanwhile behind them.
    pub(super) fn run_learner_effects(&mut self, base: &mut Base) {
        let Role::Learning(learning) = &mut self.role else { return };
        let Some(mut round) = learning.effects.begin() else { return };
        // What a role has left to do ends with it.
        while let Role::Learning(learning) = &mut self.role
            && learning.effects.next(&mut round)
        {
            for effect in round.drain(..) {
                self.learner_effect(base, effect);
            }
        }
    }

    fn learner_effect(&mut self, base: &mut Base, effect: LearnerEffect) {
        let Role::Learning(learning) = &mut self.role else { return };
        match effect {
            LearnerEffect::Connect => {
                let server = learning.leader;
                self.command(PeerCommand::ConnectLeader { server });
            }
            LearnerEffect::Send(packet) => learning.tell_leader(&mut self.commands, packet),
            LearnerEffect::Close => {
                if let Some(link) = learning.link.take() {
                    self.command(PeerCommand::Close { link });
                }
            }
            LearnerEffect::Reading(on) => {
                learning.holds_much = !on;
                self.read_leader();
            }
            LearnerEffect::Store(stored) => {
                if self.store(base, stored) {
                    self.learn(base, LearnerInput::Stored(stored));
                }
            }
            LearnerEffect::Truncate { after } => {
                base.gauges.quorum.sync_mode(SyncMode::Trunc);
                self.truncate(base, after);
            }
            LearnerEffect::LoadSnapshot { zxid } => {
                base.gauges.quorum.sync_mode(SyncMode::Snap);
                self.load_snapshot(base, zxid);
            }
            LearnerEffect::Append { zxid, entry } => self.append_proposal(base, zxid, entry),
            LearnerEffect::Agreed(agreed) => {
                base.gauges.quorum.commits_received.add(1);
                base.pipeline.queue.agree(agreed);
            }
            LearnerEffect::Synced => {
                if let Some(reply) = learning.syncs.pop_front() {
                    base.pipeline.queue.reply_when_agreed(reply);
                }
            }
            LearnerEffect::Revalidated { session, valid } => self.revalidated(base, session, valid),
            LearnerEffect::Pinged { zxid } => self.report_sessions(base, zxid),
            LearnerEffect::ConfigProposed { text } => self.config_proposed(base, &text),
            LearnerEffect::ConfigAnnounced { text } => self.config_announced(base, &text),
            LearnerEffect::NewConfig { text, leader, .. } => {
                self.config_in_force(base, &text, leader)
            }
            LearnerEffect::Refuse { ends, committed } => {
                self.refuse_history(base.now, ends, committed)
            }
            LearnerEffect::Serve { epoch } => self.serve_as_learner(base, epoch),
            LearnerEffect::Leave { why } => self.leave_role(base, why.into()),
        }
    }

    /// A proposal goes two ways at once, as on the leader: to the log, byte for byte as it came,
    /// and to what is to be applied.
    fn append_proposal(&mut self, base: &mut Base, zxid: Zxid, bytes: Bytes) {
        base.gauges.quorum.proposals_received.add(1);
        match decode_entry(&bytes, base.pipeline.prep_settings.entry_len_max) {
            Ok(entry) if entry.header.zxid == zxid => {
                base.budget.work += work_of(&entry.txn);
                base.note_arrived(entry.header.time);
                base.pipeline.append(zxid, bytes.clone());
                let len = bytes.len();
                base.pipeline.queue.propose(entry, (bytes, len), Origin::Remote);
            }
            Ok(entry) => {
                let (proposal, found) = (zxid, entry.header.zxid);
                self.leave_role(base, RoleEnd::OtherTransaction { proposal, found });
            }
            Err(error) => self.leave_role(base, RoleEnd::Unreadable { proposal: zxid, error }),
        }
    }

    fn serve_as_learner(&mut self, base: &mut Base, epoch: Epoch) {
        tracing::info!(epoch = epoch.0, "in sync with the leader");
        base.sessions.forget_all();
        self.established(base, epoch);
        self.set_service(base, Service::All);
    }

    fn revalidated(&mut self, base: &mut Base, session: SessionId, valid: bool) {
        let Role::Learning(learning) = &mut self.role else { return };
        let Some(at) = learning.revalidating.iter().position(|(id, ..)| *id == session) else {
            return;
        };
        let Some((_, timeout, conn)) = learning.revalidating.remove(at) else { return };
        if !valid {
            return base.session_gone(conn);
        }
        base.adopt_session(conn, session, timeout);
    }

    /// The answer to the leader's ping: sessions heard of since the last one.
    fn report_sessions(&mut self, base: &mut Base, zxid: Zxid) {
        let Role::Learning(learning) = &mut self.role else { return };
        let since = std::mem::replace(&mut learning.reported, base.now);
        let mut touches: Vec<(SessionId, i32)> = base
            .sessions
            .heard
            .iter()
            .filter(|(_, pulse)| pulse.last() >= since)
            .filter_map(|(id, _)| Some((*id, base.sessions.table.timeout_of(*id)?)))
            .collect();
        // More than one packet may hold go in several; the leader takes each for itself.
        let data = base.pipeline.prep_settings.entry_len_max.min(learning.learner.leader_reads());
        let limits = Limits { data, ..Limits::default() };
        let max = limits.touches().max(1);
        loop {
            let rest = touches.split_off(max.min(touches.len()));
            let packet = Packet::Ping { zxid, touches: Some(touches) };
            learning.tell_leader(&mut self.commands, packet);
            if rest.is_empty() {
                return;
            }
            touches = rest;
        }
    }
}
