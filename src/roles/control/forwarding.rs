//! Clients' requests on their way to the leader.

use super::base::Base;
use super::ensemble::Ensemble;
use super::learning::Waiting;
use super::origin::{Origin, PendingReply};
use super::role::Role;
use crate::codec::quorum::{Forwarded, Packet};
use crate::codec::request::{Request, WriteOp, opcode, put_body, put_write};
use crate::mutants::{self, Mutant};
use crate::prep::Requester;
use crate::types::{ConnRef, ErrorCode, SessionId, Xid};

use bytes::Bytes;

/// Bytes of a forwarded request in front of its record.
const FORWARDED_HEAD: usize = 16;

impl Ensemble {
    /// The request leaves under a number of this server's own, its client's xid stays here.
    fn forward(&mut self, base: &mut Base, mut request: Forwarded, origin: Origin) {
        let Role::Learning(learning) = &mut self.role else { return };
        // A new session's id is its own, and leaders write no number for it.
        let is_new = request.opcode == opcode::CREATE_SESSION;
        if !is_new && !mutants::on(Mutant::AnswerByXidAlone) {
            request.cxid = self.numbers.next();
        }
        let (session, number, bytes) = (request.session, request.cxid, request.body.len());
        learning.forwarded_bytes += bytes;
        learning.forwarded.push_back(Waiting { session, number, origin, bytes });
        base.budget.bytes = base.budget.bytes.saturating_sub(bytes);
        learning.tell_leader(&mut self.commands, Packet::Request(request));
    }

    pub(super) fn forward_write(
        &mut self,
        base: &mut Base,
        origin: Origin,
        requester: &Requester<'_>,
        op: &WriteOp,
    ) {
        let mut opcode = op.opcode();
        let mut body = Vec::new();
        put_write(&mut body, op);
        let mut origin = origin;
        if let Role::Learning(learning) = &self.role
            && body.len() + FORWARDED_HEAD > learning.learner.leader_reads()
            && let Origin::Write { conn, audited } = &mut origin
        {
            // The leader would close the link over it. Something that fails there takes its place
            // in the queue, and the client is told what a leader says of what is too long (I14).
            let (conn, audited) = (*conn, audited.take());
            origin = Origin::Refused { conn, code: ErrorCode::MarshallingError, audited };
            let nowhere = Some(String::new());
            let refused = WriteOp::SetData { path: nowhere, data: None, version: -1 };
            opcode = refused.opcode();
            body.clear();
            put_write(&mut body, &refused);
        }
        let request = Forwarded {
            session: requester.session,
            cxid: requester.xid.0,
            opcode,
            body: body.into(),
            identities: requester.identities.to_vec(),
        };
        self.forward(base, request, origin);
    }

    pub(super) fn forward_session(
        &mut self,
        base: &mut Base,
        session: SessionId,
        timeout: i32,
        origin: Origin,
    ) {
        let body = Bytes::copy_from_slice(&timeout.to_be_bytes());
        let request = Forwarded {
            session,
            cxid: 0,
            opcode: opcode::CREATE_SESSION,
            body,
            identities: Vec::new(),
        };
        self.forward(base, request, origin);
    }

    pub(super) fn forward_close(
        &mut self,
        base: &mut Base,
        conn: ConnRef,
        session: SessionId,
        xid: Xid,
    ) {
        let request = Forwarded {
            session,
            cxid: xid.0,
            opcode: opcode::CLOSE_SESSION,
            body: Bytes::new(),
            identities: Vec::new(),
        };
        self.forward(base, request, Origin::Close { conn: Some(conn) });
    }

    /// `session`: whose client asks; of a sync no server needs it.
    pub(super) fn forward_sync(&mut self, reply: PendingReply, session: SessionId) {
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
            learning.syncs.push_back(reply);
            learning.tell_leader(&mut self.commands, Packet::Request(request));
        }
    }

    /// Learner.validateSession: only the leader knows whether a session lives.
    pub(super) fn ask_revalidation(&mut self, conn: ConnRef, session: SessionId, timeout: i32) {
        if let Role::Learning(learning) = &mut self.role {
            learning.revalidating.push_back((session, timeout, conn));
            let packet = Packet::RevalidateAsk { session, timeout };
            learning.tell_leader(&mut self.commands, packet);
        }
    }
}
