//! What is committed reaches the tree here, and answers the stream.

use super::Control;
use super::base::Base;
use super::ensemble::Ensemble;
use super::origin::{Origin, PendingReply};
use super::pipeline::work_of;
use super::role::{Role, Server};
use crate::codec::txn::{Entry, Op, Txn, TxnDigest};
use crate::log::Durable;
use crate::mutants::{self, Mutant};
use crate::roles::message::{Service, ToNetwork};
use crate::roles::stream::Publisher;
use crate::tree::Outcome;
use crate::types::{ConnRef, ErrorCode, Owner, SessionId, Zxid, limits};
use crate::zab::{Committed, Due, LeaderInput, LearnerInput};

use bytes::Bytes;

impl Control {
    /// The log's horizon has moved. A server on its own agrees with its log; a leader's own
    /// acknowledgement is this, and a learner's too.
    pub(super) fn durable(&mut self, upto: Durable) {
        let base = &mut self.base;
        base.pipeline.queue.durable(upto);
        match &mut self.server {
            Server::Alone(alone) => base.pipeline.queue.agree(alone.agreed(upto)),
            Server::Ensemble(ensemble) => match ensemble.role {
                Role::Leading(_) => ensemble.lead(base, LeaderInput::Durable(upto)),
                Role::Learning(_) => ensemble.learn(base, LearnerInput::Durable(upto)),
                Role::Settling | Role::Looking => {}
            },
        }
    }

    /// Nothing is applied while a change of history is pending, whatever was agreed and became
    /// durable before (I6).
    fn may_apply(&self) -> bool {
        self.server.disk_is_settled() || mutants::on(Mutant::AppliedWhileChanging)
    }

    /// Applies what the log has made durable, as long as the network cores keep up. What is more than
    /// a turn's share waits for the next; the share is more than was taken in, so that what waits here
    /// never grows for its sake.
    pub(super) fn apply_due(&mut self) {
        self.base.budget.begin_step();
        let share = limits::TURN_WORK + self.base.budget.work_before;
        self.is_cut = false;
        while self.may_apply() && self.base.pipeline.outlets_have_room() {
            if self.base.budget.work >= share {
                self.is_cut = true;
                break;
            }
            match self.base.pipeline.queue.next_due() {
                Some(Due::Apply(committed)) => self.apply(committed),
                Some(Due::Reply(reply)) => self.reply(reply),
                None => break,
            }
        }
    }

    fn apply(&mut self, committed: Committed<Origin>) {
        assert!(self.may_apply(), "I6: nothing is applied while a change of history is pending");
        let base = &mut self.base;
        let Some(writer) = &mut base.pipeline.writer else { return };
        let (entry, bytes, origin) = committed.into_parts();
        let zxid = entry.header.zxid;
        base.budget.work += work_of(&entry.txn);
        let before = base.pipeline.tree.applied();
        assert!(zxid > before, "I6: applied once, in order");
        let stream_senders = &mut base.pipeline.stream_senders;
        let removed = base.audit.removed_by(&entry.txn);
        let mut publisher = Publisher { stream_senders, before, removed };
        let outcome = writer.apply(&entry.header, &entry.txn, &mut publisher);
        let removed = publisher.removed;
        base.pipeline.prep.applied(zxid);
        base.note_applied(entry.header.time);
        if let Some(digest) = entry.digest {
            base.check_digest(zxid, digest);
        }
        let origin = match &mut self.server {
            Server::Alone(_) => origin,
            Server::Ensemble(ensemble) => ensemble.applied(base, &entry, bytes, origin),
        };
        match &entry.txn {
            Txn::CreateSession { timeout } => {
                base.sessions.durable.insert(entry.header.session, *timeout);
            }
            Txn::CloseSession { .. } => {
                base.sessions.durable.remove(&entry.header.session);
                base.session_ended(entry.header.session, &origin, zxid);
                base.audit.session_ended(entry.header.session, removed, base.wall);
            }
            Txn::Op(Op::DeleteContainer { path }) => base.audit.reaped(path, &outcome, base.wall),
            Txn::Error(_) | Txn::Op(_) | Txn::Multi(_) | Txn::Reconfig { .. } => {}
        }
        self.answer(origin, zxid, outcome);
    }

    fn answer(&mut self, origin: Origin, zxid: Zxid, outcome: Outcome) {
        let base = &mut self.base;
        match origin {
            Origin::Server | Origin::Remote => {}
            // A session that has moved speaks through its new connection alone, and the old one
            // must not be told of anything (FinalRequestProcessor).
            Origin::Write { conn, audited } if outcome.has_failed_with(ErrorCode::SessionMoved) => {
                base.audit.ended(audited, base.wall, &outcome);
                base.pipeline.send(conn, ToNetwork::Drop { conn: conn.conn, zxid });
            }
            Origin::Write { conn, audited } => {
                base.audit.ended(audited, base.wall, &outcome);
                base.send_outcome(conn, zxid, outcome);
            }
            Origin::Close { conn: Some(conn) } => base.send_outcome(conn, zxid, outcome),
            Origin::Refused { conn, code, audited } => {
                let outcome = match outcome {
                    Outcome::Failed(_) => Outcome::Failed(code),
                    other => other,
                };
                base.audit.ended(audited, base.wall, &outcome);
                base.send_outcome(conn, zxid, outcome);
            }
            Origin::Open { conn, session } => self.session_opened(conn, session),
            Origin::Close { conn: None } => base.gauges.stale_sessions_expired.add(1),
        }
    }

    fn reply(&mut self, reply: PendingReply) {
        match reply {
            PendingReply::Synced { conn } => {
                let zxid = self.base.pipeline.tree.applied();
                self.base.pipeline.send(conn, ToNetwork::Synced { conn: conn.conn, zxid });
            }
            PendingReply::SessionGone { conn } => self.base.session_gone(conn),
            PendingReply::Confirmed(end) => end.answer(),
            PendingReply::SessionGoneAt { link, session } => {
                let input = LeaderInput::Revalidated { link, session, valid: false };
                self.as_member(|ensemble, base| ensemble.lead(base, input));
            }
        }
    }
}

impl Ensemble {
    /// Whose transaction that was, which the tree has now.
    fn applied(&mut self, base: &mut Base, entry: &Entry, bytes: Bytes, origin: Origin) -> Origin {
        base.gauges.quorum.commits_queued.add(1);
        // A leader's window has it since it was committed.
        let zxid = entry.header.zxid;
        if !self.window.has_seen(zxid)
            && (base.service == Service::All || !mutants::on(Mutant::HoleInWindow))
        {
            self.window.push(zxid, bytes);
        }
        match (origin, &mut self.role) {
            (Origin::Remote, Role::Learning(learning)) => {
                learning.origin_of(entry).unwrap_or(Origin::Server)
            }
            (Origin::Remote, _) => Origin::Server,
            (origin, _) => origin,
        }
    }
}

impl Base {
    /// The answer to whoever asked for a transaction.
    fn send_outcome(&mut self, conn: ConnRef, zxid: Zxid, outcome: Outcome) {
        let (outcome, stations) = (Box::new(outcome), self.stations(zxid));
        let reply = ToNetwork::Reply { conn: conn.conn, zxid, outcome, stations };
        self.pipeline.send(conn, reply);
    }

    /// The session is no more. Whoever still speaks for it here, and did not ask for this, goes.
    fn session_ended(&mut self, session: SessionId, origin: &Origin, zxid: Zxid) {
        let owner = self.sessions.table.owner(session);
        self.sessions.remove(session);
        if let Some(Owner::Conn(conn)) = owner
            && !matches!(origin, Origin::Close { conn: Some(asked) } if *asked == conn)
        {
            self.pipeline.send(conn, ToNetwork::Drop { conn: conn.conn, zxid });
        }
    }

    /// The proposal's digest was computed from the speculative state; the tree has the last word
    /// (I13). A difference is reported, never fatal: one stays after a create counter overflow,
    /// as on Java servers.
    fn check_digest(&mut self, zxid: Zxid, digest: TxnDigest) {
        if !self.pipeline.differs_from(zxid, digest) {
            return;
        }
        if self.gauges.digest_mismatches.get() == 0 {
            tracing::error!(
                %zxid,
                proposed = format_args!("0x{:x}", digest.digest),
                tree = format_args!("0x{:x}", self.pipeline.tree.digest()),
                "digest differs from the proposal's"
            );
        }
        self.gauges.digest_mismatches.add(1);
    }
}
