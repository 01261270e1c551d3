//! Requests that learners pass on to this server, their leader.

use super::base::Base;
use super::ensemble::Ensemble;
use super::origin::{Origin, PendingReply};
use crate::codec::quorum::Forwarded;
use crate::codec::request::{BodyError, Request, WriteOp, decode_body, opcode};
use crate::prep::Requester;
use crate::types::{ErrorCode, Link, Owner, SessionId, Xid};
use crate::zab::LeaderInput;

impl Ensemble {
    /// LearnerHandler.run, case REQUEST. Every request becomes exactly one proposal, bad ones too:
    /// the learner matches committed transactions with the head of its own queue
    /// (tools/docs/reference/quorum-protocol.md section 9).
    pub(super) fn forwarded(&mut self, base: &mut Base, link: Link, request: &Forwarded) {
        let session = request.session;
        let owner = Owner::Link(link);
        // As with those that come at the end of an epoch's numbers (Leader::heard).
        if !self.may_propose() {
            return;
        }
        match request.opcode {
            opcode::SYNC => self.lead(base, LeaderInput::SyncFor { link }),
            opcode::CREATE_SESSION => {
                let timeout = match request.body.get(..4) {
                    Some(bytes) => i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
                    None => {
                        return self.refuse_forwarded(base, request, ErrorCode::MarshallingError);
                    }
                };
                base.sessions.table.create(session, timeout, base.now);
                base.sessions.table.set_owner(session, owner);
                let entry = base.create_session(session, timeout);
                self.propose(base, entry, Origin::Server);
            }
            opcode::CLOSE_SESSION => {
                let entry = base.close_session(session, request.cxid);
                base.sessions.table.set_closing(session);
                self.propose(base, entry, Origin::Server);
            }
            code => {
                let op = match decode_body(code, &request.body) {
                    Ok(Request::Write(op)) => op,
                    // What a learner of ZooKeeper's passes on and nobody may ask for.
                    Err(BodyError::Refused(code)) => {
                        return self.refuse_forwarded(base, request, code);
                    }
                    Ok(_) | Err(_) => {
                        return self.refuse_forwarded(base, request, ErrorCode::MarshallingError);
                    }
                };
                // SessionTrackerImpl.checkSession: whoever asks first after an election owns it.
                if base.sessions.table.owner(session).is_none() {
                    base.sessions.table.set_owner(session, owner);
                }
                let xid = Xid(request.cxid);
                let identities = &request.identities;
                let requester = Requester { session, xid, from: Some(owner), identities };
                if let WriteOp::Reconfig(op) = &op {
                    return self.reconfigure(base, &requester, op, Origin::Server);
                }
                let entry = base.write(&requester, &op);
                self.propose(base, entry, Origin::Server);
            }
        }
    }

    fn refuse_forwarded(&mut self, base: &mut Base, request: &Forwarded, code: ErrorCode) {
        let line = || {
            let (session, opcode) = (request.session, request.opcode);
            format!(
                "session {session}: a request of opcode {opcode}, passed on by a learner, is refused"
            )
        };
        if let Some(line) = base.sessions.refused.note(base.now, line) {
            tracing::warn!("{line}");
        }
        let entry = base.pipeline.prep.refuse(
            &base.pipeline.tree,
            base.wall,
            request.session,
            Xid(request.cxid),
            code,
        );
        self.propose(base, entry, Origin::Server);
    }

    /// A client has come to a learner with a session of ours (LearnerHandler, case REVALIDATE).
    pub(super) fn revalidate(
        &mut self,
        base: &mut Base,
        link: Link,
        session: SessionId,
        timeout: i32,
    ) {
        let old = base.sessions.table.owner(session);
        // A session of this server's own is unknown to others.
        let table = &mut base.sessions.table;
        let valid = !table.is_local(session) && table.reopen(session, timeout, base.now);
        if valid {
            if let Some(Owner::Conn(old)) = old {
                base.pipeline.drop_connection(old);
                base.sessions.heard.remove(&session);
            }
            base.sessions.table.set_owner(session, Owner::Link(link));
            return self.lead(base, LeaderInput::Revalidated { link, session, valid });
        }
        self.reply_when_confirmed(base, PendingReply::SessionGoneAt { link, session });
    }
}
