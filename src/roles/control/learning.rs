//! Following and observing: the learner core's effects, and clients' requests on their way to the
//! leader.

use std::collections::VecDeque;

use super::ensemble::Role;
use super::reason::RoleEnd;
use super::{Control, Origin, work_of};
use crate::codec::quorum::{Forwarded, Limits, Packet};
use crate::codec::request::{Request, WriteOp, opcode, put_body, put_write};
use crate::codec::txn::{Entry, decode_entry};
use crate::log::Append;
use crate::metrics::quorum::SyncMode;
use crate::roles::jobs::LogInput;
use crate::roles::message::{Service, ToNetwork};
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::session::Scope;
use crate::types::{
    ConnRef, Epoch, ErrorCode, Identity, Link, Millis, ServerId, SessionId, Xid, Zxid, limits,
};
use crate::zab::{Learner, LearnerEffect, LearnerInput};

use bytes::Bytes;

/// Bytes of a forwarded request in front of its record.
const FORWARDED_HEAD: usize = 16;

pub(super) struct Learning {
    pub learner: Learner,
    leader: ServerId,
    pub link: Option<Link>,
    /// Why the link is not read: the own log has enough to do, or the disk has.
    pub log_is_full: bool,
    pub holds_much: bool,
    /// Requests with the leader, in the order in which it answers them, and their bytes.
    forwarded: VecDeque<Waiting>,
    forwarded_bytes: usize,
    /// Client syncs with the leader.
    syncs: VecDeque<ConnRef>,
    /// Sessions the leader is being asked about.
    revalidating: VecDeque<(SessionId, i32, ConnRef)>,
    /// When sessions were last reported to the leader.
    reported: Millis,
}

struct Waiting {
    session: SessionId,
    /// Of this server's own: see [`super::numbers`].
    number: i32,
    origin: Origin,
    bytes: usize,
}

impl Learning {
    pub fn new(learner: Learner, leader: ServerId) -> Learning {
        Learning {
            learner,
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

    /// Who of this server's clients asked for a transaction: the head of the line or nobody, as
    /// the leader keeps a learner's order (CommitProcessor). The number is nobody else's, so this
    /// is known, whatever else of the session is on its way.
    pub fn origin_of(&mut self, entry: &Entry) -> Option<Origin> {
        let head = self.forwarded.front()?;
        let mine = head.session == entry.header.session && head.number == entry.header.cxid;
        let waiting = if mine { self.forwarded.pop_front()? } else { return None };
        self.forwarded_bytes -= waiting.bytes;
        Some(waiting.origin)
    }

    /// The leader may be asked for more. What it has of this server's is bounded here, for there it
    /// is answered in the order in which it came, however much that is.
    pub fn has_room(&self) -> bool {
        let asked = self.forwarded.len() + self.syncs.len() + self.revalidating.len();
        asked < limits::FORWARDED_REQUESTS && self.forwarded_bytes < limits::FORWARDED_BYTES
    }
}

impl Control {
    pub(super) fn learn(&mut self, input: LearnerInput) {
        let Role::Learning(learning) = &mut self.role else { return };
        learning.learner.step(self.now, input, &mut self.learner_effects);
        self.run_learner_effects();
    }

    pub(super) fn learn_tick(&mut self) {
        // A leader whose link is not read is not silent.
        if matches!(&self.role, Role::Learning(learning) if learning.log_is_full) {
            self.learn(LearnerInput::Moved);
        }
        self.learn(LearnerInput::Tick);
    }

    pub(super) fn learner_event(&mut self, event: PeerEvent) {
        let Role::Learning(learning) = &mut self.role else { return };
        let current = learning.link;
        match event {
            PeerEvent::Connected { link } => {
                learning.link = Some(link);
                // A new link is read.
                (learning.holds_much, learning.log_is_full) = (false, false);
                self.learn(LearnerInput::Connected);
            }
            PeerEvent::ConnectFailed { why } => self.learn(LearnerInput::ConnectFailed { why }),
            PeerEvent::Packet { link, packet } if Some(link) == current => {
                self.learn(LearnerInput::Packet(packet));
            }
            PeerEvent::Stream { link, bytes } if Some(link) == current => {
                self.learn(LearnerInput::Moved);
                self.snapshot_bytes(&bytes);
            }
            PeerEvent::Moved { link } if Some(link) == current => self.learn(LearnerInput::Moved),
            PeerEvent::Closed { link, why } if Some(link) == current => {
                learning.link = None;
                self.learn(LearnerInput::Closed { why });
            }
            // Words of an older link.
            _ => {}
        }
    }

    /// Executes effects in the order in which they came, those that come meanwhile behind them.
    pub(super) fn run_learner_effects(&mut self) {
        if std::mem::replace(&mut self.in_effects, true) {
            return;
        }
        let mut effects = std::mem::take(&mut self.learner_effects_spare);
        while !self.learner_effects.is_empty() {
            std::mem::swap(&mut effects, &mut self.learner_effects);
            for effect in effects.drain(..) {
                if matches!(self.role, Role::Learning(_)) {
                    self.learner_effect(effect);
                }
            }
        }
        self.learner_effects_spare = effects;
        self.in_effects = false;
    }

    fn learner_effect(&mut self, effect: LearnerEffect) {
        match effect {
            LearnerEffect::Connect => {
                if let Role::Learning(learning) = &self.role {
                    let server = learning.leader;
                    self.command(PeerCommand::ConnectLeader { server });
                }
            }
            LearnerEffect::Send(packet) => self.tell_leader(packet),
            LearnerEffect::Close => {
                if let Role::Learning(learning) = &mut self.role
                    && let Some(link) = learning.link.take()
                {
                    self.command(PeerCommand::Close { link });
                }
            }
            LearnerEffect::Reading(on) => {
                if let Role::Learning(learning) = &mut self.role {
                    learning.holds_much = !on;
                }
                self.read_leader();
            }
            LearnerEffect::Store(stored) => {
                if self.store(stored) {
                    self.learn(LearnerInput::Stored(stored));
                }
            }
            LearnerEffect::Truncate { after } => {
                self.gauges.quorum.sync_mode(SyncMode::Trunc);
                self.truncate(after);
            }
            LearnerEffect::LoadSnapshot { zxid } => {
                self.gauges.quorum.sync_mode(SyncMode::Snap);
                self.load_snapshot(zxid);
            }
            LearnerEffect::Append { zxid, entry } => self.append_proposal(zxid, entry),
            LearnerEffect::Agreed(agreed) => {
                self.gauges.quorum.commits_received.add(1);
                self.line.agree(agreed);
            }
            LearnerEffect::Synced => {
                if let Role::Learning(learning) = &mut self.role
                    && let Some(conn) = learning.syncs.pop_front()
                {
                    self.line.sync_agreed(Origin::Sync { conn });
                }
            }
            LearnerEffect::Revalidated { session, valid } => self.revalidated(session, valid),
            LearnerEffect::Pinged { zxid } => self.report_sessions(zxid),
            LearnerEffect::ConfigProposed { text } => self.config_proposed(&text),
            LearnerEffect::ConfigAnnounced { text } => self.config_announced(&text),
            LearnerEffect::NewConfig { text, leader, .. } => self.config_in_force(&text, leader),
            LearnerEffect::Refuse { ends, committed } => self.refuse_history(ends, committed),
            LearnerEffect::Serve { epoch } => self.serve_as_learner(epoch),
            LearnerEffect::Leave { why } => self.leave_role(why.into()),
        }
    }

    fn tell_leader(&mut self, packet: Packet) {
        if let Role::Learning(learning) = &self.role
            && let Some(link) = learning.link
        {
            self.command(PeerCommand::Send { link, packet });
        }
    }

    /// A proposal goes two ways at once, as on the leader: to the log, byte for byte as it came,
    /// and into the line of what may be applied.
    fn append_proposal(&mut self, zxid: Zxid, bytes: Bytes) {
        self.gauges.quorum.proposals_received.add(1);
        match decode_entry(&bytes, self.prep_settings.entry_len_max) {
            Ok(entry) if entry.header.zxid == zxid => {
                self.work += work_of(&entry.txn);
                self.note_arrived(entry.header.time);
                self.to_log.push(LogInput::Append(Append { zxid, entry: bytes.clone() }));
                let len = bytes.len();
                self.line.propose(entry, (bytes, len), Origin::Remote);
            }
            Ok(entry) => {
                let (proposal, found) = (zxid, entry.header.zxid);
                self.leave_role(RoleEnd::OtherTransaction { proposal, found });
            }
            Err(error) => self.leave_role(RoleEnd::Unreadable { proposal: zxid, error }),
        }
    }

    fn serve_as_learner(&mut self, epoch: Epoch) {
        tracing::info!(epoch = epoch.0, "in sync with the leader");
        self.sessions.clear();
        self.pulses.clear();
        self.established(epoch);
        self.set_service(Service::All);
    }

    /// The request leaves under a number of this server's own, its client's xid stays here.
    fn forward(&mut self, mut request: Forwarded, origin: Origin) {
        let (Role::Learning(learning), Some(ensemble)) = (&mut self.role, &mut self.ensemble)
        else {
            return;
        };
        // A new session's id is its own, and leaders write no number for it.
        let is_new = request.opcode == opcode::CREATE_SESSION;
        if !is_new && !crate::mutants::on("answer-by-xid-alone") {
            request.cxid = ensemble.numbers.next();
        }
        let (session, number, bytes) = (request.session, request.cxid, request.body.len());
        learning.forwarded_bytes += bytes;
        learning.forwarded.push_back(Waiting { session, number, origin, bytes });
        self.turn_bytes = self.turn_bytes.saturating_sub(bytes);
        self.tell_leader(Packet::Request(request));
    }

    pub(super) fn forward_write(
        &mut self,
        origin: Origin,
        session: SessionId,
        xid: Xid,
        op: &WriteOp,
        identities: &[Identity],
    ) {
        let mut opcode = op.opcode();
        let mut body = Vec::new();
        put_write(&mut body, op);
        let mut origin = origin;
        if let (Origin::Write { conn }, Role::Learning(learning)) = (&origin, &self.role)
            && body.len() + FORWARDED_HEAD > learning.learner.leader_reads()
        {
            // The leader would close the link over it. Something that fails there takes its place
            // in the line, and the client is told what a leader says of what is too long (I14).
            origin = Origin::Refused { conn: *conn, code: ErrorCode::MarshallingError };
            let nowhere = Some(String::new());
            let refused = WriteOp::SetData { path: nowhere, data: None, version: -1 };
            opcode = refused.opcode();
            body.clear();
            put_write(&mut body, &refused);
        }
        let request = Forwarded {
            session,
            cxid: xid.0,
            opcode,
            body: body.into(),
            identities: identities.to_vec(),
        };
        self.forward(request, origin);
    }

    pub(super) fn forward_session(&mut self, session: SessionId, timeout: i32, origin: Origin) {
        let body = Bytes::copy_from_slice(&timeout.to_be_bytes());
        let request = Forwarded {
            session,
            cxid: 0,
            opcode: opcode::CREATE_SESSION,
            body,
            identities: Vec::new(),
        };
        self.forward(request, origin);
    }

    pub(super) fn forward_close(&mut self, conn: ConnRef, session: SessionId, xid: Xid) {
        let request = Forwarded {
            session,
            cxid: xid.0,
            opcode: opcode::CLOSE_SESSION,
            body: Bytes::new(),
            identities: Vec::new(),
        };
        self.forward(request, Origin::Close { conn: Some(conn) });
    }

    pub(super) fn forward_sync(&mut self, conn: ConnRef, session: SessionId) {
        let mut body = Vec::new();
        put_body(&mut body, &Request::Sync { path: Some("/".into()) });
        let request = Forwarded {
            session,
            cxid: 0,
            opcode: opcode::SYNC,
            body: body.into(),
            identities: Vec::new(),
        };
        if let Role::Learning(learning) = &mut self.role {
            learning.syncs.push_back(conn);
            self.tell_leader(Packet::Request(request));
        }
    }

    /// Learner.validateSession: only the leader knows whether a session lives.
    pub(super) fn ask_revalidation(&mut self, conn: ConnRef, session: SessionId, timeout: i32) {
        if let Role::Learning(learning) = &mut self.role {
            learning.revalidating.push_back((session, timeout, conn));
            self.tell_leader(Packet::RevalidateAsk { session, timeout });
        }
    }

    fn revalidated(&mut self, session: SessionId, valid: bool) {
        let Role::Learning(learning) = &mut self.role else { return };
        let Some(at) = learning.revalidating.iter().position(|(id, ..)| *id == session) else {
            return;
        };
        let Some((_, timeout, conn)) = learning.revalidating.remove(at) else { return };
        let zxid = self.tree.applied();
        if !valid {
            return self.send(conn, ToNetwork::SessionGone { conn: conn.conn, zxid });
        }
        self.adopt_session(conn, session, timeout);
    }

    /// A session of this server's clients, tracked here to be reported to the leader.
    pub(super) fn adopt_session(&mut self, conn: ConnRef, session: SessionId, timeout: i32) {
        let zxid = self.tree.applied();
        if let Some(crate::types::Owner::Conn(old)) = self.sessions.owner(session)
            && old != conn
        {
            self.send(old, ToNetwork::Drop { conn: old.conn, zxid });
        }
        self.sessions.create_as(Scope::Remote, session, timeout, self.now);
        self.sessions.set_owner(session, conn.into());
        self.session_ready(conn, session, timeout);
    }

    /// The answer to the leader's ping: sessions heard of since the last one.
    fn report_sessions(&mut self, zxid: Zxid) {
        let Role::Learning(learning) = &mut self.role else { return };
        let since = std::mem::replace(&mut learning.reported, self.now);
        let mut touches: Vec<(SessionId, i32)> = self
            .pulses
            .iter()
            .filter(|(_, pulse)| pulse.last() >= since)
            .filter_map(|(id, _)| Some((*id, self.sessions.timeout_of(*id)?)))
            .collect();
        // More than one packet may hold go in several; the leader takes each for itself.
        let data = self.prep_settings.entry_len_max.min(learning.learner.leader_reads());
        let limits = Limits { data, ..Limits::default() };
        let max = limits.touches().max(1);
        loop {
            let rest = touches.split_off(max.min(touches.len()));
            self.tell_leader(Packet::Ping { zxid, touches: Some(touches) });
            if rest.is_empty() {
                return;
            }
            touches = rest;
        }
    }
}
