//! Requests of clients, on their way to becoming proposals: here, or at the leader.

use super::Control;
use super::base::Base;
use super::ensemble::Ensemble;
use super::origin::{Origin, PendingReply};
use super::role::{Role, Server};
use crate::admin::audit::Audited;
use crate::codec::request::WriteOp;
use crate::codec::txn::Entry;
use crate::mutants::{self, Mutant};
use crate::prep::Requester;
use crate::roles::probe::ProbeEnd;
use crate::types::{ConnRef, Identity, SessionId, Xid};
use crate::zab::LeaderInput;

impl Control {
    pub(super) fn write(
        &mut self,
        conn: ConnRef,
        session: SessionId,
        xid: Xid,
        op: &WriteOp,
        identities: &[Identity],
        audited: Option<Box<Audited>>,
    ) {
        if !self.is_owner(conn, session) {
            self.base.audit.refused(audited, self.base.wall);
            return self.base.pipeline.drop_connection(conn);
        }
        let refused = self.upgrade_for(session, op);
        let requester = Requester { session, xid, from: Some(conn.into()), identities };
        if let Server::Ensemble(ensemble) = &mut self.server {
            match (&ensemble.role, op) {
                (Role::Learning(_), _) => {
                    let origin = match refused {
                        Some(code) => Origin::Refused { conn, code, audited },
                        None => Origin::Write { conn, audited },
                    };
                    return ensemble.forward_write(&mut self.base, origin, &requester, op);
                }
                (Role::Leading(_), WriteOp::Reconfig(op)) => {
                    let origin = Origin::Write { conn, audited };
                    return ensemble.reconfigure(&mut self.base, &requester, op, origin);
                }
                (Role::Leading(_) | Role::Settling | Role::Looking, _) => {}
            }
        }
        let entry = self.base.write(&requester, op);
        self.propose(entry, Origin::Write { conn, audited });
    }

    pub(super) fn sync(&mut self, conn: ConnRef, session: SessionId) {
        if !self.is_owner(conn, session) {
            return self.base.pipeline.drop_connection(conn);
        }
        match &mut self.server {
            Server::Ensemble(ensemble)
                if ensemble.learns() && !mutants::on(Mutant::SyncNotForwarded) =>
            {
                ensemble.forward_sync(PendingReply::Synced { conn }, session);
            }
            Server::Alone(_) | Server::Ensemble(_) => {
                self.reply_when_confirmed(PendingReply::Synced { conn });
            }
        }
    }

    /// An operator's probe: as a client sync, of no session's. Where there is nobody to ask it is dropped.
    pub(super) fn confirm(&mut self, end: ProbeEnd) {
        if !self.base.serves_all() || !self.may_propose() {
            return;
        }
        let reply = PendingReply::Confirmed(end);
        match &mut self.server {
            Server::Ensemble(ensemble) if ensemble.learns() => {
                ensemble.forward_sync(reply, SessionId(0));
            }
            Server::Alone(_) | Server::Ensemble(_) => self.reply_when_confirmed(reply),
        }
    }

    pub(super) fn close(&mut self, conn: ConnRef, session: SessionId, xid: Xid) {
        let table = &self.base.sessions.table;
        if table.is_local(session) && table.owner(session) == Some(conn.into()) {
            return self.base.close_local(conn, session);
        }
        if !self.is_owner(conn, session) {
            return self.base.pipeline.drop_connection(conn);
        }
        if let Server::Ensemble(ensemble) = &mut self.server
            && ensemble.learns()
        {
            return ensemble.forward_close(&mut self.base, conn, session, xid);
        }
        let entry = self.base.close_session(session, xid.0);
        self.base.sessions.table.set_closing(session);
        self.propose(entry, Origin::Close { conn: Some(conn) });
    }

    /// Whether this connection speaks for the session. It does not once the session has moved to
    /// another connection or is gone; Java then closes the connection without a word.
    fn is_owner(&self, conn: ConnRef, session: SessionId) -> bool {
        let owner = self.base.sessions.table.owner(session);
        self.base.serves_all() && self.may_propose() && owner == Some(conn.into())
    }

    /// Whether a request may become a proposal.
    pub(super) fn may_propose(&self) -> bool {
        match &self.server {
            Server::Alone(_) => true,
            Server::Ensemble(ensemble) => ensemble.may_propose(),
        }
    }

    /// To the log, and to what is to be applied once the log has it.
    pub(super) fn propose(&mut self, entry: Entry, origin: Origin) {
        match &mut self.server {
            Server::Alone(_) => self.base.propose_alone(entry, origin),
            Server::Ensemble(ensemble) => ensemble.propose(&mut self.base, entry, origin),
        }
    }

    /// Has something said behind all that is proposed until now; in an ensemble, only if no other
    /// leader can have committed more.
    pub(super) fn reply_when_confirmed(&mut self, reply: PendingReply) {
        match &mut self.server {
            Server::Alone(_) => self.base.pipeline.queue.reply(reply),
            Server::Ensemble(ensemble) => ensemble.reply_when_confirmed(&mut self.base, reply),
        }
    }
}

impl Ensemble {
    /// A proposal goes three ways at once: to the log, to what is to be applied, and to the learners.
    pub(super) fn propose(&mut self, base: &mut Base, entry: Entry, origin: Origin) {
        let bytes = base.encode(&entry);
        let (zxid, len) = (entry.header.zxid, bytes.len());
        base.pipeline.append(zxid, bytes.clone());
        base.pipeline.queue.propose(entry, (bytes.clone(), len), origin);
        if matches!(self.role, Role::Leading(_)) {
            base.gauges.quorum.proposed(len);
            base.ages.asked(zxid, base.now);
            self.lead(base, LeaderInput::Proposed { zxid, entry: bytes });
        }
    }
}
