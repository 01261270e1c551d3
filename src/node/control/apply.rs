//! Committed transactions reach the tree here, and their answers the stream.

use super::outlet::Publisher;
use super::{Control, Origin};
use crate::codec::txn::{Txn, TxnDigest};
use crate::node::message::ToNetwork;
use crate::tree::Outcome;
use crate::types::{ConnRef, Millis, Owner, SessionId, Zxid};
use crate::zab::Committed;

impl Control {
    pub(super) fn apply(&mut self, committed: Committed<Origin>, now: Millis) {
        let (entry, origin) = committed.into_parts();
        let zxid = entry.header.zxid;
        let before = self.tree.applied();
        assert!(zxid > before, "I6: applied once, in order");
        let mut publisher = Publisher { outlets: &mut self.outlets, before };
        let outcome = self.writer.apply(&entry.header, &entry.txn, &mut publisher);
        self.prep.applied(zxid);
        if let Some(digest) = entry.digest {
            self.check_digest(zxid, digest);
        }
        match &entry.txn {
            Txn::CreateSession { timeout } => {
                self.durable_sessions.insert(entry.header.session, *timeout);
            }
            Txn::CloseSession { .. } => {
                self.durable_sessions.remove(&entry.header.session);
            }
            Txn::Error(_) | Txn::Op(_) | Txn::Multi(_) | Txn::Reconfig { .. } => {}
        }
        self.answer(origin, zxid, outcome, now);
    }

    fn answer(&mut self, origin: Origin, zxid: Zxid, outcome: Outcome, now: Millis) {
        match origin {
            Origin::Server | Origin::Sync { .. } => {}
            Origin::Write { conn } => {
                let reply = ToNetwork::Reply { conn: conn.conn, zxid, outcome: Box::new(outcome) };
                self.send(conn, reply);
            }
            Origin::Open { conn, session } => self.session_opened(conn, session, zxid, now),
            Origin::Close { conn, session } => self.session_closed(conn, session, zxid, outcome),
        }
    }

    fn session_closed(
        &mut self,
        conn: Option<ConnRef>,
        session: SessionId,
        zxid: Zxid,
        outcome: Outcome,
    ) {
        let owner = self.sessions.owner(session);
        self.sessions.remove(session);
        self.pulses.remove(&session);
        match conn {
            Some(conn) => {
                let reply = ToNetwork::Reply { conn: conn.conn, zxid, outcome: Box::new(outcome) };
                self.send(conn, reply);
            }
            None => {
                self.gauges.stale_sessions_expired.add(1);
                if let Some(Owner::Conn(conn)) = owner {
                    self.send(conn, ToNetwork::Drop { conn: conn.conn, zxid });
                }
            }
        }
    }

    /// The proposal's digest was computed from the speculative state; the tree has the last word
    /// (I13). A difference is reported, never fatal: one stays after a create counter overflow,
    /// as on Java servers.
    fn check_digest(&mut self, zxid: Zxid, digest: TxnDigest) {
        if digest.version != TxnDigest::VERSION || digest.digest == self.tree.digest() {
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
