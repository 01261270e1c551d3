//! A SASL exchange with a server, before anything else is asked of it: one that demands a proof takes no
//! other request, not even watches set again (ZooKeeperSaslClient).

use super::frames::ServerError;
use super::{Effect, Session, State};
use crate::codec::reply::decode::{self, Reply};
use crate::codec::request::{self, Request, opcode};
use crate::sasl::{CLIENTS, Initiator, Next, Nonce};
use crate::types::{ErrorCode, Millis, Xid};

impl Session {
    /// The first token is empty: the server speaks first.
    pub(super) fn begin_exchange(&mut self, now: Millis, out: &mut Vec<Effect>) {
        self.initiator = Initiator::default();
        self.send_token(now, &[], out);
    }

    fn send_token(&mut self, now: Millis, token: &[u8], out: &mut Vec<Effect>) {
        self.count_xid();
        let mut frame = Vec::new();
        request::encode(&mut frame, Xid(self.xid), &Request::Sasl { token });
        self.transmit(now, frame, out);
    }

    /// What a server says meanwhile. A refusal, and a server that cannot prove itself, end the session.
    pub(super) fn token(
        &mut self,
        now: Millis,
        is_read_only: bool,
        payload: &[u8],
        out: &mut Vec<Effect>,
    ) -> Result<(), ServerError> {
        let (header, body) = decode::header(payload)?;
        if header.xid.0 < 0 {
            return Ok(());
        }
        let (got, wanted) = (header.xid.0, self.xid);
        if got != wanted {
            return Err(ServerError::Order { got, wanted });
        }
        let token = match header.error == ErrorCode::Ok.code() {
            true => decode::body(opcode::SASL, body)?,
            false => Reply::Token(None),
        };
        let (Reply::Token(Some(token)), Some(login)) = (token, &self.settings.sasl) else {
            self.end(State::AuthFailed, out);
            return Ok(());
        };
        let (random, who) = (&mut self.random, (login.user.as_str(), &login.password));
        let cnonce = || Nonce(std::array::from_fn(|_| random.draw()));
        match self.initiator.answer(&CLIENTS, who, token, cnonce) {
            Ok(Next::Send(token)) => self.send_token(now, &token, out),
            Ok(Next::Done) => self.establish(now, is_read_only, out),
            Err(_) => self.end(State::AuthFailed, out),
        }
        Ok(())
    }
}
