//! Requests on their way out, and their end.

use super::{Answer, Asked, Effect, Phase, Refusal, Session, State, Ticket, XID_AUTH};
use crate::client::watches::{WatcherType, Watching};
use crate::codec::jute::patch_i32;
use crate::codec::request::{self, ReadOp, Request};
use crate::types::{ErrorCode, Millis, Xid};

/// Where a frame has its xid: behind its length.
const XID_AT: usize = 4;

impl Session {
    pub(super) fn ask(
        &mut self,
        now: Millis,
        ticket: Ticket,
        request: Request<'_>,
        is_absolute: bool,
        out: &mut Vec<Effect>,
    ) {
        let opcode = request.opcode();
        if self.phase == Phase::Ended {
            out.push(Effect::Answered(ticket, Answer::failed(opcode, self.ended_with())));
            return;
        }
        let limit = self.settings.outstanding_max;
        if self.sent.len() + self.unsent.len() + self.proving.len() >= limit {
            out.push(Effect::Refused(ticket, Refusal::TooMany { limit }));
            return;
        }
        let request = if is_absolute { request } else { self.chroot.request(request) };
        if let Request::Auth { scheme, auth } = &request {
            let scheme = scheme.as_deref().unwrap_or_default().to_owned();
            return self.prove(now, ticket, scheme, *auth, out);
        }
        if matches!(request, Request::CloseSession) && self.phase != Phase::Established {
            // There is nobody to tell: the servers will find out by the session's timeout.
            self.end(State::Closed, out);
            out.push(Effect::Answered(ticket, Answer::failed(opcode, ErrorCode::Ok)));
            return;
        }
        let mut frame = Vec::new();
        request::encode(&mut frame, Xid(0), &request);
        let limit = self.settings.request_max;
        if frame.len() > limit {
            let bytes = frame.len();
            out.push(Effect::Refused(ticket, Refusal::TooLong { bytes, limit }));
            return;
        }
        let watching = Watching::of(&request);
        let removing = match request {
            Request::Read(ReadOp::RemoveWatches { path: Some(path), kind }) => {
                WatcherType::from_number(kind).map(|kind| (kind, path.into_owned()))
            }
            _ => None,
        };
        let asked = Asked { ticket, opcode, watching, removing, frame };
        match self.phase {
            Phase::Established => self.send(now, asked, out),
            Phase::Waiting(_)
            | Phase::Opening(_)
            | Phase::Handshake(_)
            | Phase::Authenticating { .. }
            | Phase::Ended => {
                self.unsent.push_back(asked);
            }
        }
    }

    /// An identity goes to this server at once, and to every later one.
    fn prove(
        &mut self,
        now: Millis,
        ticket: Ticket,
        scheme: String,
        auth: Option<&[u8]>,
        out: &mut Vec<Effect>,
    ) {
        self.identities.push((scheme, auth.map(<[u8]>::to_vec)));
        self.proving.push_back(Some(ticket));
        if self.phase == Phase::Established {
            let frame =
                self.identities.last().map(|(scheme, auth)| auth_frame(scheme, auth.as_deref()));
            self.transmit(now, frame.unwrap_or_default(), out);
        }
    }

    pub(super) fn send(&mut self, now: Millis, mut asked: Asked, out: &mut Vec<Effect>) {
        self.count_xid();
        let mut frame = std::mem::take(&mut asked.frame);
        patch_i32(&mut frame, XID_AT, self.xid);
        self.sent.push_back((Xid(self.xid), asked));
        self.transmit(now, frame, out);
    }

    /// Cnxn.getXid: never 0 and never negative, those have meanings.
    pub(super) fn count_xid(&mut self) {
        self.xid = if self.xid == i32::MAX { 1 } else { self.xid + 1 };
    }

    pub(super) fn transmit(&mut self, now: Millis, frame: Vec<u8>, out: &mut Vec<Effect>) {
        self.last_sent = now;
        out.push(Effect::Send(frame));
    }

    /// Nobody will answer what was sent: it may have been carried out or not.
    pub(super) fn fail_sent(&mut self, error: ErrorCode, out: &mut Vec<Effect>) {
        let sent = self.sent.drain(..).map(|(_, asked)| asked);
        let failed = sent.map(|asked| (asked.ticket, asked.opcode));
        out.extend(failed.map(|(t, opcode)| Effect::Answered(t, Answer::failed(opcode, error))));
    }

    /// What was never sent is given up as well.
    pub(super) fn fail_unsent(&mut self, error: ErrorCode, out: &mut Vec<Effect>) {
        for asked in self.unsent.drain(..) {
            out.push(Effect::Answered(asked.ticket, Answer::failed(asked.opcode, error)));
        }
        for ticket in self.proving.drain(..).flatten() {
            out.push(Effect::Answered(ticket, Answer::failed(request::opcode::AUTH, error)));
        }
    }

    /// No more connections.
    pub(super) fn end(&mut self, state: State, out: &mut Vec<Effect>) {
        self.phase = Phase::Ended;
        self.inbound.clear();
        self.become_state(state, out);
        let error = self.ended_with();
        self.fail_sent(error, out);
        self.fail_unsent(error, out);
        out.push(Effect::Close);
    }

    /// What requests of an ended session are answered (ClientCnxn.conLossPacket).
    fn ended_with(&self) -> ErrorCode {
        match self.state {
            State::AuthFailed => ErrorCode::AuthFailed,
            State::Expired | State::Closed => ErrorCode::SessionExpired,
            State::Connecting | State::Connected | State::ConnectedReadOnly => {
                ErrorCode::ConnectionLoss
            }
        }
    }

    pub(super) fn become_state(&mut self, state: State, out: &mut Vec<Effect>) {
        if self.state != state {
            self.state = state;
            out.push(Effect::State(state));
        }
    }
}

/// An identity, as a frame.
pub(super) fn auth_frame(scheme: &str, auth: Option<&[u8]>) -> Vec<u8> {
    let mut frame = Vec::new();
    let auth = Request::Auth { scheme: Some(scheme.into()), auth };
    request::encode(&mut frame, XID_AUTH, &auth);
    frame
}
