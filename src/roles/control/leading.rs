//! Leading: the leader core's effects, and the requests that learners pass on.

use super::ensemble::Role;
use super::reconfiguring::ConfigSource;
use super::{Control, Origin};
use crate::codec::quorum::{Forwarded, Packet};
use crate::codec::request::{Request, WriteOp, decode_body, opcode};
use crate::prep::{Prep, Requester};
use crate::roles::jobs::LearnerJob;
use crate::roles::message::{Service, SnapshotPiece, ToNetwork};
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::types::{
    Epoch, ErrorCode, Link, Millis, NodeKind, Owner, SessionId, TypeRules, Xid, Zxid,
};
use crate::zab::{Leader, LeaderEffect, LeaderInput, LogChunk};

/// How owners are read where TTL nodes exist.
const EXTENDED: TypeRules = TypeRules { extended_types: true, emulate_353_ttl: false };

pub(super) struct Leading {
    pub leader: Leader,
    /// How often something was to be said that only the leader of a quorum may say.
    doubts: u64,
    /// Snapshots on their way to learners.
    sending: Vec<Sending>,
    /// Learners that get a snapshot as soon as the tree here has everything up to this.
    waiting: Vec<(Link, Zxid)>,
    pub since: Millis,
    /// Until when its voters may keep it waiting.
    pub patience: Option<Millis>,
}

/// A snapshot stream that goes out piece by piece, each when the one before has left.
struct Sending {
    link: Link,
    zxid: Zxid,
    credit: std::sync::mpsc::SyncSender<()>,
}

impl Leading {
    pub fn new(leader: Leader, now: Millis) -> Leading {
        Leading {
            leader,
            doubts: 0,
            sending: Vec::new(),
            waiting: Vec::new(),
            since: now,
            patience: None,
        }
    }

    /// [`Leading::patience`], as long as no quorum has come.
    pub fn patience(&self) -> Option<Millis> {
        self.patience.filter(|_| self.leader.epoch() == Epoch(0))
    }
}

impl Control {
    pub(super) fn lead(&mut self, input: LeaderInput) {
        let (Role::Leading(leading), Some(ensemble)) = (&mut self.role, &mut self.ensemble) else {
            return;
        };
        leading.leader.step(self.now, input, &mut ensemble.window, &mut self.leader_effects);
        self.limit_to_readers();
        self.run_leader_effects();
    }

    /// Nothing is proposed that a member could not read.
    fn limit_to_readers(&mut self) {
        let Role::Leading(leading) = &self.role else { return };
        let max = leading.leader.readable().min(self.prep_settings.entry_len_max);
        if max == self.prep.entry_len_max() {
            return;
        }
        if let Some(server) = leading.leader.least_reader() {
            tracing::warn!(
                "server {} reads {max} bytes of a transaction (jute.maxbuffer and its extra size), \
                 and this server {}: larger writes are refused with MarshallingError; a ZooKeeper \
                 server cannot tell, and is taken to read what ringkeeper.zookeeper.maxbuffer says",
                server.0,
                self.prep_settings.entry_len_max
            );
        }
        self.prep.set_entry_len_max(max);
    }

    pub(super) fn lead_tick(&mut self) {
        self.lead(LeaderInput::Tick);
    }

    /// Once a turn: commits what a quorum has by now.
    pub(super) fn lead_settle(&mut self) {
        let (Role::Leading(leading), Some(ensemble)) = (&mut self.role, &mut self.ensemble) else {
            return;
        };
        let before = leading.leader.committed();
        leading.leader.settle(&mut ensemble.window, &mut self.leader_effects);
        let after = leading.leader.committed();
        let of_epoch = if before.epoch() == after.epoch() { before.counter() } else { 0 };
        self.gauges.quorum.commit_count.add(i64::from(after.counter() - of_epoch));
        if after > before {
            self.note_agreed(before.max(Zxid::new(after.epoch(), 0)), after);
        }
        self.run_leader_effects();
    }

    /// Has something said behind all that is proposed until now, and only if no other leader can
    /// have committed more: that a client has seen everything, or that its session is not there
    /// (I12).
    pub(super) fn reply_when_confirmed(&mut self, origin: Origin) {
        let Role::Leading(leading) = &mut self.role else { return self.line.sync(origin) };
        leading.doubts += 1;
        self.line.sync_after_confirmation(leading.doubts, origin);
        self.lead(LeaderInput::ReadIndexAsked);
    }

    /// Whether a request may become a proposal: this epoch has numbers left.
    pub(super) fn may_propose(&self) -> bool {
        match &self.role {
            Role::Leading(leading) => leading.leader.accepts(),
            Role::Alone | Role::Settling | Role::Looking | Role::Learning(_) => true,
        }
    }

    pub(super) fn leader_event(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Opened { link } => self.lead(LeaderInput::Opened { link }),
            PeerEvent::Packet { link, packet } => self.lead(LeaderInput::Packet { link, packet }),
            PeerEvent::Drained { link } => {
                if !self.snapshot_credit(link) {
                    self.lead(LeaderInput::Drained { link });
                }
            }
            PeerEvent::Moved { link } => self.lead(LeaderInput::Moved { link }),
            PeerEvent::Closed { link, why } => {
                let server = self.learner_at(link);
                tracing::warn!(link = link.0, server, why, "learner disconnected");
                self.stop_sending(link);
                self.lead(LeaderInput::Closed { link });
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
    pub(super) fn run_leader_effects(&mut self) {
        if std::mem::replace(&mut self.in_effects, true) {
            return;
        }
        let mut effects = std::mem::take(&mut self.leader_effects_spare);
        while !self.leader_effects.is_empty() {
            std::mem::swap(&mut effects, &mut self.leader_effects);
            for effect in effects.drain(..) {
                if matches!(self.role, Role::Leading(_)) {
                    self.leader_effect(effect);
                }
            }
        }
        self.leader_effects_spare = effects;
        self.in_effects = false;
    }

    fn leader_effect(&mut self, effect: LeaderEffect) {
        match effect {
            LeaderEffect::Send { link, packet } => {
                if matches!(packet, Packet::Diff { .. }) {
                    self.gauges.quorum.diff_count.add(1);
                }
                self.command(PeerCommand::Send { link, packet });
            }
            LeaderEffect::Close { link, why } => {
                tracing::warn!(link = link.0, why = why.to_string(), "learner dropped");
                self.stop_sending(link);
                self.command(PeerCommand::Close { link });
            }
            LeaderEffect::WhenDrained { link } => self.command(PeerCommand::WhenDrained { link }),
            LeaderEffect::AskMoved { link } => self.command(PeerCommand::AskMoved { link }),
            LeaderEffect::Reading { link, on } => self.command(PeerCommand::Reading { link, on }),
            LeaderEffect::Store(stored) => {
                if self.store(stored) {
                    self.lead(LeaderInput::Stored(stored));
                }
            }
            LeaderEffect::Serve { epoch } => self.serve_as_leader(epoch),
            LeaderEffect::Agreed(agreed) => self.line.agree(agreed),
            LeaderEffect::Activate { members, leader } => {
                let whence = leader
                    .map_or(ConfigSource::NewLeader, |leader| ConfigSource::Committed { leader });
                self.activate(members, whence);
            }
            LeaderEffect::Confirmed { count } => self.line.certain(count),
            LeaderEffect::Request { link, request, .. } => self.forwarded(link, &request),
            LeaderEffect::Touched { sessions, .. } => {
                for (session, _) in sessions {
                    self.sessions.touch(session, self.now);
                }
            }
            LeaderEffect::Revalidate { link, session, timeout } => {
                self.gauges.quorum.revalidate_count.add(1);
                self.revalidate(link, session, timeout);
            }
            LeaderEffect::ReadLog { link, after, share } => {
                let (upto, epoch) = (self.line.durable_upto(), self.led_epoch());
                self.learner_job(link, LearnerJob::ReadLog { link, after, upto, share, epoch });
            }
            LeaderEffect::SendSnapshot { link } => {
                self.gauges.quorum.snap_count.add(1);
                self.want_snapshot(link);
            }
            LeaderEffect::LearnerReady { link, server } => {
                tracing::info!(link = link.0, server = server.0, "learner synchronised");
                self.count_learners();
            }
            LeaderEffect::LearnerGone { link, server } => {
                tracing::info!(link = link.0, server = server.0, "learner is gone");
                self.count_learners();
                self.stop_sending(link);
            }
            LeaderEffect::StepDown { why } => self.leave_role(why.into()),
        }
    }

    fn led_epoch(&self) -> Epoch {
        match &self.role {
            Role::Leading(leading) => leading.leader.epoch(),
            Role::Alone | Role::Settling | Role::Looking | Role::Learning(_) => Epoch(0),
        }
    }

    /// Whose link that is, once it has said so; 0: unknown.
    fn learner_at(&self, link: Link) -> i64 {
        let Role::Leading(leading) = &self.role else { return 0 };
        let mut learners = leading.leader.learners();
        learners.find(|learner| learner.link == link).map_or(0, |learner| learner.server.0)
    }

    /// What operators are shown of the learners.
    pub(super) fn count_learners(&self) {
        let (Role::Leading(leading), Some(ensemble)) = (&self.role, &self.ensemble) else { return };
        let quorum = &self.gauges.quorum;
        let members = &ensemble.electorate.committed;
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
    fn serve_as_leader(&mut self, epoch: Epoch) {
        let first = Zxid::new(epoch, 0);
        self.prep = Prep::new(self.prep_settings.clone(), first);
        self.limit_to_readers();
        self.sessions.clear();
        self.pulses.clear();
        for (session, timeout) in &self.durable_sessions {
            self.sessions.create(*session, *timeout, self.now);
        }
        self.next_container_check = self.now + self.settings.container_check_ms;
        tracing::info!(epoch = epoch.0, sessions = self.durable_sessions.len(), "leading");
        self.established(epoch);
        self.set_service(Service::All);
        self.find_lost_sessions();
    }

    /// Ephemerals of sessions that no table has go as everything goes: by a transaction, on every
    /// server. (A Java leader removes them from its own tree alone, ZooKeeperServer.loadData.)
    fn find_lost_sessions(&mut self) {
        self.lost_sessions = self
            .tree
            .sessions_with_ephemerals()
            .into_iter()
            .filter(|session| !self.durable_sessions.contains_key(session))
            // With extended types off, TTL nodes look like ephemerals of sessions that never were.
            .filter(|session| !matches!(EXTENDED.kind_of(session.0), NodeKind::Ttl(_)))
            .collect();
    }

    pub(super) fn close_lost_sessions(&mut self) {
        if !matches!(self.role, Role::Leading(_)) {
            return self.lost_sessions.clear();
        }
        while self.may_propose() && self.has_room() && self.turn_bytes > 0 {
            let Some(session) = self.lost_sessions.pop_front() else { return };
            tracing::warn!(%session, "session is in no table: it is closed");
            let entry = self.prep.close_session(&self.tree, self.wall, session, 0);
            self.propose(entry, Origin::Server);
        }
    }

    /// LearnerHandler.run, case REQUEST. Every request becomes exactly one proposal, bad ones too:
    /// the learner matches committed transactions with the head of its own line
    /// (tools/docs/reference/quorum-protocol.md section 9).
    fn forwarded(&mut self, link: Link, request: &Forwarded) {
        let session = request.session;
        let owner = Owner::Link(link);
        let wall = self.wall;
        // As with those that come at the end of an epoch's numbers (Leader::heard).
        if !self.may_propose() {
            return;
        }
        match request.opcode {
            opcode::SYNC => self.lead(LeaderInput::SyncFor { link }),
            opcode::CREATE_SESSION => {
                let timeout = match request.body.get(..4) {
                    Some(bytes) => i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
                    None => return self.refuse_forwarded(request),
                };
                self.sessions.create(session, timeout, self.now);
                self.sessions.set_owner(session, owner);
                let entry = self.prep.create_session(&self.tree, wall, session, timeout);
                self.propose(entry, Origin::Server);
            }
            opcode::CLOSE_SESSION => {
                let entry = self.prep.close_session(&self.tree, wall, session, request.cxid);
                self.sessions.set_closing(session);
                self.propose(entry, Origin::Server);
            }
            code => {
                let Ok(Request::Write(op)) = decode_body(code, &request.body) else {
                    return self.refuse_forwarded(request);
                };
                // SessionTrackerImpl.checkSession: whoever asks first after an election owns it.
                if self.sessions.owner(session).is_none() {
                    self.sessions.set_owner(session, owner);
                }
                let xid = Xid(request.cxid);
                let identities = &request.identities;
                let requester = Requester { session, xid, from: Some(owner), identities };
                if let WriteOp::Reconfig(op) = &op {
                    return self.reconfigure(&requester, op, Origin::Server);
                }
                let entry = self.prep.write(&self.tree, &self.sessions, wall, &requester, &op);
                self.propose(entry, Origin::Server);
            }
        }
    }

    fn refuse_forwarded(&mut self, request: &Forwarded) {
        tracing::warn!(
            session = %request.session,
            opcode = request.opcode,
            "a learner passed on a request that cannot be read"
        );
        let entry = self.prep.refuse(
            &self.tree,
            self.wall,
            request.session,
            Xid(request.cxid),
            ErrorCode::MarshallingError,
        );
        self.propose(entry, Origin::Server);
    }

    /// A client has come to a learner with a session of ours (LearnerHandler, case REVALIDATE).
    fn revalidate(&mut self, link: Link, session: SessionId, timeout: i32) {
        let old = self.sessions.owner(session);
        // A session of this server's own is unknown to others.
        let valid =
            !self.sessions.is_local(session) && self.sessions.reopen(session, timeout, self.now);
        if valid {
            if let Some(Owner::Conn(old)) = old {
                let zxid = self.tree.applied();
                self.send(old, ToNetwork::Drop { conn: old.conn, zxid });
                self.pulses.remove(&session);
            }
            self.sessions.set_owner(session, Owner::Link(link));
            return self.lead(LeaderInput::Revalidated { link, session, valid });
        }
        self.reply_when_confirmed(Origin::GoneAt { link, session });
    }

    /// A snapshot takes the place of the learner's log, in which may be the copy that a commit
    /// rests on. So it must hold all that is committed by now, also where this server's own disk
    /// is behind the quorum's.
    fn want_snapshot(&mut self, link: Link) {
        if let Role::Leading(leading) = &mut self.role {
            leading.waiting.push((link, leading.leader.committed()));
        }
        self.send_waiting_snapshots();
    }

    pub(super) fn send_waiting_snapshots(&mut self) {
        let Role::Leading(leading) = &mut self.role else { return };
        let applied = self.tree.applied();
        let ready: Vec<Link> = leading
            .waiting
            .extract_if(.., |(_, upto)| *upto <= applied)
            .map(|(link, _)| link)
            .collect();
        for link in ready {
            self.send_snapshot(link);
        }
    }

    fn send_snapshot(&mut self, link: Link) {
        let zxid = self.tree.applied();
        let sessions = self.durable_sessions.iter().map(|(id, t)| (*id, *t)).collect();
        // The first piece needs no leave.
        let (credit, waits) = std::sync::mpsc::sync_channel(1);
        if let Role::Leading(leading) = &mut self.role {
            leading.sending.push(Sending { link, zxid, credit });
        }
        self.command(PeerCommand::Send { link, packet: Packet::Snap { zxid } });
        let restored_upto = self.restored_upto;
        let job = LearnerJob::Snapshot { link, sessions, at: zxid, restored_upto, credit: waits };
        self.learner_job(link, job);
    }

    /// A thread has made a piece of a snapshot stream.
    pub(super) fn snapshot_piece(&mut self, link: Link, piece: Option<SnapshotPiece>) {
        let Role::Leading(leading) = &mut self.role else { return };
        let Some(at) = leading.sending.iter().position(|s| s.link == link) else { return };
        let Some(piece) = piece else {
            leading.sending.remove(at);
            self.command(PeerCommand::Close { link });
            return self.lead(LeaderInput::Closed { link });
        };
        if piece.is_last {
            let zxid = leading.sending.remove(at).zxid;
            self.command(PeerCommand::SendRaw { link, bytes: piece.bytes });
            self.lead(LeaderInput::SnapshotSent { link, zxid });
        } else {
            self.command(PeerCommand::SendRaw { link, bytes: piece.bytes });
            self.command(PeerCommand::WhenDrained { link });
        }
    }

    /// Whether it was a snapshot's piece that has left: then the next may be made.
    fn snapshot_credit(&mut self, link: Link) -> bool {
        let Role::Leading(leading) = &mut self.role else { return false };
        let Some(sending) = leading.sending.iter().find(|s| s.link == link) else { return false };
        // One piece is out at a time, so there is room; a thread that is gone has said so.
        let _ = sending.credit.try_send(());
        true
    }

    fn stop_sending(&mut self, link: Link) {
        if let Role::Leading(leading) = &mut self.role {
            leading.sending.retain(|s| s.link != link);
            leading.waiting.retain(|(waits, _)| *waits != link);
        }
    }

    pub(super) fn log_read(&mut self, link: Link, chunk: LogChunk) {
        self.lead(LeaderInput::LogRead { link, chunk });
    }

    /// Work on files for a learner goes to a thread beside. When that cannot be had, the learner
    /// has to come again.
    fn learner_job(&mut self, link: Link, job: LearnerJob) {
        if self.learner_jobs.send(job).is_err() {
            self.command(PeerCommand::Close { link });
            self.lead(LeaderInput::Closed { link });
        }
    }
}
