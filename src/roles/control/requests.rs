//! Requests of clients, on their way to becoming proposals.

use super::ensemble::Role;
use super::{Control, Origin};
use crate::codec::request::WriteOp;
use crate::log::Durable;
use crate::prep::Requester;
use crate::roles::message::ToNetwork;
use crate::roles::stream;
use crate::types::{ConnRef, Identity, SessionId, WallMillis, Xid, limits};
use crate::zab::{Agreed, Due, LeaderInput, LearnerInput};

impl Control {
    pub(super) fn write(
        &mut self,
        conn: ConnRef,
        session: SessionId,
        xid: Xid,
        op: &WriteOp,
        identities: &[Identity],
        wall: WallMillis,
    ) {
        if !self.is_owner(conn, session) {
            return self.drop_connection(conn);
        }
        let refused = self.upgrade_for(session, op);
        if self.learns() {
            let origin = match refused {
                Some(code) => Origin::Refused { conn, code },
                None => Origin::Write { conn },
            };
            return self.forward_write(origin, session, xid, op, identities);
        }
        let requester = Requester { session, xid, from: Some(conn.into()), identities };
        if let (WriteOp::Reconfig(op), Role::Leading(_)) = (op, &self.role) {
            return self.reconfigure(&requester, op, Origin::Write { conn });
        }
        let entry = self.prep.write(&self.tree, &self.sessions, wall, &requester, op);
        self.propose(entry, Origin::Write { conn });
    }

    pub(super) fn sync(&mut self, conn: ConnRef, session: SessionId) {
        if !self.is_owner(conn, session) {
            return self.drop_connection(conn);
        }
        if self.learns() && !crate::mutants::on("sync-not-forwarded") {
            return self.forward_sync(conn, session);
        }
        self.reply_when_confirmed(Origin::Sync { conn });
    }

    pub(super) fn close(&mut self, conn: ConnRef, session: SessionId, xid: Xid, wall: WallMillis) {
        if self.sessions.is_local(session) && self.sessions.owner(session) == Some(conn.into()) {
            return self.close_local(conn, session);
        }
        if !self.is_owner(conn, session) {
            return self.drop_connection(conn);
        }
        if self.learns() {
            return self.forward_close(conn, session, xid);
        }
        let entry = self.prep.close_session(&self.tree, wall, session, xid.0);
        self.sessions.set_closing(session);
        self.propose(entry, Origin::Close { conn: Some(conn) });
    }

    /// Whether requests go to a leader.
    pub(super) fn learns(&self) -> bool {
        matches!(self.role, Role::Learning(_))
    }

    /// Whether this connection speaks for the session. It does not once the session has moved to
    /// another connection or is gone; Java then closes the connection without a word.
    fn is_owner(&self, conn: ConnRef, session: SessionId) -> bool {
        self.serves_all() && self.may_propose() && self.sessions.owner(session) == Some(conn.into())
    }

    pub(super) fn drop_connection(&mut self, conn: ConnRef) {
        let zxid = self.tree.applied();
        self.send(conn, ToNetwork::Drop { conn: conn.conn, zxid });
    }

    pub(super) fn send(&mut self, conn: ConnRef, message: ToNetwork) {
        if let Some(stream_sender) = self.stream_senders.get_mut(usize::from(conn.core.0)) {
            stream_sender.send(message);
        }
    }

    pub(super) fn outlets_have_room(&self) -> bool {
        self.stream_senders.iter().all(|stream_sender| stream_sender.has_room())
    }

    pub(super) fn flush_outlets(&mut self) {
        stream::flush(&mut self.stream_senders, self.tree.applied());
    }

    /// Applies what the log has made durable, as long as the network cores keep up. What is more than
    /// a turn's share waits for the next; the share is more than was taken in, so that what waits here
    /// never grows for its sake.
    pub(super) fn apply_due(&mut self) {
        self.begin_step();
        let share = limits::TURN_WORK + self.work_before;
        self.is_cut = false;
        while self.may_apply() && self.outlets_have_room() {
            if self.work >= share {
                self.is_cut = true;
                break;
            }
            match self.line.next_due() {
                Some(Due::Apply(committed)) => self.apply(committed),
                Some(Due::Synced(origin)) => self.synced(origin),
                None => break,
            }
        }
    }

    /// The log's horizon has moved. A server on its own agrees with its log; a leader's own
    /// acknowledgement is this, and a learner's too.
    pub(super) fn durable(&mut self, upto: Durable) {
        self.line.durable(upto);
        match self.role {
            Role::Alone => self.line.agree(Agreed::alone(upto)),
            Role::Leading(_) => self.lead(LeaderInput::Durable(upto)),
            Role::Learning(_) => self.learn(LearnerInput::Durable(upto)),
            Role::Settling | Role::Looking => {}
        }
    }

    fn synced(&mut self, origin: Origin) {
        match origin {
            Origin::Sync { conn } => {
                let zxid = self.tree.applied();
                self.send(conn, ToNetwork::Synced { conn: conn.conn, zxid });
            }
            Origin::Gone { conn } => self.session_gone(conn),
            Origin::GoneAt { link, session } => {
                self.lead(LeaderInput::Revalidated { link, session, valid: false });
            }
            Origin::Server
            | Origin::Remote
            | Origin::Open { .. }
            | Origin::Write { .. }
            | Origin::Refused { .. }
            | Origin::Close { .. } => {}
        }
    }
}
