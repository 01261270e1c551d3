//! Committed transactions reach the tree here, and their answers the stream.

use super::ensemble::Role;
use super::{Control, Origin, work_of};
use crate::codec::txn::{Txn, TxnDigest};
use crate::roles::message::{Service, ToNetwork};
use crate::roles::stream::Publisher;
use crate::tree::Outcome;
use crate::types::{ErrorCode, Owner, SessionId, Zxid};
use crate::zab::Committed;

impl Control {
    pub(super) fn apply(&mut self, committed: Committed<Origin>) {
        assert!(self.may_apply(), "I6: nothing is applied while a change of history is pending");
        let Some(writer) = &mut self.writer else { return };
        let (entry, bytes, origin) = committed.into_parts();
        let zxid = entry.header.zxid;
        self.work += work_of(&entry.txn);
        let before = self.tree.applied();
        assert!(zxid > before, "I6: applied once, in order");
        let mut publisher = Publisher { stream_senders: &mut self.stream_senders, before };
        let outcome = writer.apply(&entry.header, &entry.txn, &mut publisher);
        self.prep.applied(zxid);
        self.note_applied(entry.header.time);
        if self.ensemble.is_some() {
            self.gauges.quorum.commits_queued.add(1);
        }
        if let Some(digest) = entry.digest {
            self.check_digest(zxid, digest);
        }
        let origin = match (origin, &mut self.role) {
            (Origin::Remote, Role::Learning(learning)) => {
                learning.origin_of(&entry).unwrap_or(Origin::Server)
            }
            (Origin::Remote, _) => Origin::Server,
            (origin, _) => origin,
        };
        // A leader's window has it since it was committed.
        if let Some(ensemble) = &mut self.ensemble
            && !ensemble.window.has_seen(zxid)
            && (self.service == Service::All || !crate::mutants::on("hole-in-window"))
        {
            ensemble.window.push(zxid, bytes);
        }
        match &entry.txn {
            Txn::CreateSession { timeout } => {
                self.durable_sessions.insert(entry.header.session, *timeout);
            }
            Txn::CloseSession { .. } => {
                self.durable_sessions.remove(&entry.header.session);
                self.session_ended(entry.header.session, &origin, zxid);
            }
            Txn::Error(_) | Txn::Op(_) | Txn::Multi(_) | Txn::Reconfig { .. } => {}
        }
        self.answer(origin, zxid, outcome);
    }

    fn answer(&mut self, origin: Origin, zxid: Zxid, outcome: Outcome) {
        match origin {
            Origin::Server | Origin::Remote => {}
            // These wait for no transaction of their own.
            Origin::Sync { .. } | Origin::Gone { .. } | Origin::GoneAt { .. } => {}
            // A session that has moved speaks through its new connection alone, and the old one
            // must not be told of anything (FinalRequestProcessor).
            Origin::Write { conn } if outcome.has_failed_with(ErrorCode::SessionMoved) => {
                self.send(conn, ToNetwork::Drop { conn: conn.conn, zxid });
            }
            Origin::Write { conn } | Origin::Close { conn: Some(conn) } => {
                let reply = ToNetwork::Reply { conn: conn.conn, zxid, outcome: Box::new(outcome) };
                self.send(conn, reply);
            }
            Origin::Refused { conn, code } => {
                let outcome = match outcome {
                    Outcome::Failed(_) => Outcome::Failed(code),
                    other => other,
                };
                let reply = ToNetwork::Reply { conn: conn.conn, zxid, outcome: Box::new(outcome) };
                self.send(conn, reply);
            }
            Origin::Open { conn, session } => self.session_opened(conn, session),
            Origin::Close { conn: None } => self.gauges.stale_sessions_expired.add(1),
        }
    }

    /// The session is no more. Whoever still speaks for it here, and did not ask for this, goes.
    fn session_ended(&mut self, session: SessionId, origin: &Origin, zxid: Zxid) {
        let owner = self.sessions.owner(session);
        self.sessions.remove(session);
        self.pulses.remove(&session);
        if let Some(Owner::Conn(conn)) = owner
            && !matches!(origin, Origin::Close { conn: Some(asked) } if *asked == conn)
        {
            self.send(conn, ToNetwork::Drop { conn: conn.conn, zxid });
        }
    }

    /// The proposal's digest was computed from the speculative state; the tree has the last word
    /// (I13). A difference is reported, never fatal: one stays after a create counter overflow,
    /// as on Java servers.
    fn check_digest(&mut self, zxid: Zxid, digest: TxnDigest) {
        if self.exact_from.is_none_or(|from| zxid <= from)
            || digest.version != TxnDigest::VERSION
            || digest.digest == self.tree.digest()
        {
            return;
        }
        if self.gauges.digest_mismatches.get() == 0 {
            tracing::error!(
                %zxid,
                proposed = format_args!("0x{:x}", digest.digest),
                tree = format_args!("0x{:x}", self.tree.digest()),
                "digest differs from the proposal's"
            );
        }
        self.gauges.digest_mismatches.add(1);
    }
}
