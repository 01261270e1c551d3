//! What a server says.

use super::requests::auth_frame;
use super::{Answer, Effect, Phase, Session, State, XID_AUTH, XID_SET_WATCHES};
use crate::codec::jute::DecodeError;
use crate::codec::reply::decode::{self, ReplyHeader};
use crate::codec::request::{self, ReadOp, Request, opcode};
use crate::types::{ErrorCode, EventKind, Millis, Xid, Zxid};

/// Why a server's bytes end the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum ServerError {
    /// The connection is given up: nothing behind it can be told apart.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    /// The same: an answer is missing, or was given to somebody else.
    #[error("an answer to request {got}, request {wanted} is the next")]
    Order { got: i32, wanted: i32 },
}

impl Session {
    pub(super) fn frame(
        &mut self,
        now: Millis,
        payload: &[u8],
        out: &mut Vec<Effect>,
    ) -> Result<(), ServerError> {
        match self.phase {
            Phase::Handshake(until) => self.welcome((now, until), payload, out),
            Phase::Authenticating { is_read_only, .. } => {
                self.token(now, is_read_only, payload, out)
            }
            Phase::Established => self.reply(payload, out),
            Phase::Waiting(_) | Phase::Opening(_) | Phase::Ended => Ok(()),
        }
    }

    /// The answer to the connect request (ClientCnxn.SendThread.onConnected).
    fn welcome(
        &mut self,
        (now, until): (Millis, Millis),
        payload: &[u8],
        out: &mut Vec<Effect>,
    ) -> Result<(), ServerError> {
        let response = decode::connect_response(payload)?;
        if response.timeout <= 0 {
            self.end(State::Expired, out);
            return Ok(());
        }
        let is_read_only = response.read_only == Some(true);
        self.timeout_ms = i64::from(response.timeout);
        self.session = response.session;
        self.password = response.password.to_vec();
        self.is_global |= !is_read_only;
        self.hosts.answered();
        match self.settings.sasl {
            None => self.establish(now, is_read_only, out),
            Some(_) => {
                self.phase = Phase::Authenticating { until, is_read_only };
                self.begin_exchange(now, out);
            }
        }
        Ok(())
    }

    /// The server knows who this is: what is asked for goes to it.
    pub(super) fn establish(&mut self, now: Millis, is_read_only: bool, out: &mut Vec<Effect>) {
        self.phase = Phase::Established;
        self.reintroduce(now, out);
        let state = if is_read_only { State::ConnectedReadOnly } else { State::Connected };
        self.become_state(state, out);
        while let Some(asked) = self.unsent.pop_front() {
            self.send(now, asked, out);
        }
    }

    /// Identities and watches, before any request: a server knows neither.
    fn reintroduce(&mut self, now: Millis, out: &mut Vec<Effect>) {
        // Those that nobody was answered yet are the last; the others were accepted once.
        let again = self.identities.len().saturating_sub(self.proving.len());
        for _ in 0..again {
            self.proving.push_front(None);
        }
        let mut frames: Vec<Vec<u8>> =
            self.identities.iter().map(|(s, auth)| auth_frame(s, auth.as_deref())).collect();
        for watches in self.watches.again(self.last_zxid) {
            let mut frame = Vec::new();
            let request = Request::Read(ReadOp::SetWatches(watches));
            request::encode(&mut frame, XID_SET_WATCHES, &request);
            frames.push(frame);
        }
        for frame in frames {
            self.transmit(now, frame, out);
        }
    }

    fn reply(&mut self, payload: &[u8], out: &mut Vec<Effect>) -> Result<(), ServerError> {
        let (header, body) = decode::header(payload)?;
        match header.xid {
            Xid::PING | XID_SET_WATCHES => Ok(()),
            XID_AUTH => {
                self.proven(header, out);
                Ok(())
            }
            Xid::NOTIFICATION => self.event(header.zxid, body, out),
            _ => self.answer(header, body, out),
        }
    }

    fn proven(&mut self, header: ReplyHeader, out: &mut Vec<Effect>) {
        if header.error == ErrorCode::AuthFailed.code() {
            // Whoever waits for this one is answered AuthFailed with all the others.
            return self.end(State::AuthFailed, out);
        }
        if let Some(ticket) = self.proving.pop_front().flatten() {
            let (zxid, error) = (header.zxid, header.error);
            let answer = Answer { opcode: opcode::AUTH, zxid, error, body: Vec::new() };
            out.push(Effect::Answered(ticket, answer));
        }
    }

    fn event(&mut self, zxid: Zxid, body: &[u8], out: &mut Vec<Effect>) -> Result<(), ServerError> {
        let event = decode::event(body)?;
        let Some(kind) = kind_of(event.kind) else { return Ok(()) };
        if self.watches.fired(kind, &event.path) && self.chroot.holds(&event.path) {
            let path = self.chroot.to_client(&event.path).to_owned();
            out.push(Effect::Event { kind, path, zxid });
        }
        Ok(())
    }

    fn answer(
        &mut self,
        header: ReplyHeader,
        body: &[u8],
        out: &mut Vec<Effect>,
    ) -> Result<(), ServerError> {
        let got = header.xid.0;
        let wanted = self.sent.front().map_or(0, |(xid, _)| xid.0);
        let order = ServerError::Order { got, wanted };
        if got != wanted {
            return Err(order);
        }
        let (_, asked) = self.sent.pop_front().ok_or(order)?;
        if header.zxid > Zxid::ZERO {
            self.last_zxid = self.last_zxid.max(header.zxid);
        }
        if let Some(watching) = asked.watching {
            self.watches.answered(watching, header.error);
        }
        if let Some((kind, path)) = asked.removing
            && header.error == ErrorCode::Ok.code()
        {
            self.forget(kind, &path, out);
        }
        let (opcode, zxid, error) = (asked.opcode, header.zxid, header.error);
        let answer = Answer { opcode, zxid, error, body: body.to_vec() };
        if opcode == opcode::CLOSE_SESSION {
            self.end(State::Closed, out);
        }
        out.push(Effect::Answered(asked.ticket, answer));
        Ok(())
    }
}

/// The four events that travel.
fn kind_of(number: i32) -> Option<EventKind> {
    use EventKind::*;
    [NodeCreated, NodeDeleted, NodeDataChanged, NodeChildrenChanged]
        .into_iter()
        .find(|kind| *kind as i32 == number)
}
