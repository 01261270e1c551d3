//! A connection's TLS session: what comes through it, and when it is its turn.
//!
//! Handshakes cost CPU, whoever asks for them. So what comes during one waits until the transport calls
//! [`Conn::shake`], which it does for a few connections in a turn; what comes later is opened at once.

use crate::runtime::Filled;
use crate::tls::{Current, Failure, Session, is_client_hello};
use crate::types::ConnId;

use super::conn::{Conn, Context, Next, Phase};
use super::event::CloseReason;
use super::settings::Security;

impl Conn {
    /// How it is secured; before anything has come.
    pub(super) fn secure(&mut self, security: Security, tls: Option<&Current>) {
        match security {
            Security::Plain => {}
            Security::Tls => self.begin_session(tls),
            Security::Either => self.undecided = true,
        }
    }

    /// Its first bytes say whether it has a session.
    pub(super) fn decide(&mut self, first: &[u8], tls: Option<&Current>) {
        let Some(first) = first.first() else { return };
        self.undecided = false;
        if self.phase == Phase::Open && is_client_hello(*first) {
            self.begin_session(tls);
        }
    }

    /// Nobody gets plain bytes where there should be a session: without one it ends.
    fn begin_session(&mut self, tls: Option<&Current>) {
        let session = tls.ok_or(Failure::NotBegun);
        match session.and_then(|tls| Session::new(tls.get(), self.peer.ip())) {
            Ok(session) => self.tls = Some(Box::new(session)),
            Err(failure) => self.end(CloseReason::Tls(failure)),
        }
    }

    /// Ciphertext has come.
    pub(super) fn arrived_sealed(
        &mut self,
        id: ConnId,
        filled: Filled,
        around: &mut Context<'_>,
    ) -> Next {
        let Some(tls) = &mut self.tls else { return Next::Again };
        if tls.is_handshaking() {
            tls.hold(around.ring.bytes(&filled));
            around.ring.give_back(filled);
            return Next::Handshake;
        }
        let plain = self.input.appended(around.ring, around.spare);
        let opened = tls.open(around.ring.bytes(&filled), plain);
        around.ring.give_back(filled);
        self.opened(id, opened, around)
    }

    /// Its turn of the handshake has come.
    pub(super) fn shake(&mut self, id: ConnId, around: &mut Context<'_>) -> Next {
        let Some(tls) = &mut self.tls else { return Next::Nothing };
        tls.queued = false;
        if self.phase != Phase::Open {
            return Next::Nothing;
        }
        let stepped = tls.step(self.input.appended(around.ring, around.spare));
        if !tls.is_handshaking() {
            self.deadline = None;
        }
        self.opened(id, stepped, around)
    }

    /// Something may have come out of its session.
    fn opened(
        &mut self,
        id: ConnId,
        opened: Result<(), Failure>,
        around: &mut Context<'_>,
    ) -> Next {
        if self.input.is_empty() {
            self.input.clear(around.ring, around.spare);
        } else {
            self.tell_arrival(id, around.events);
        }
        self.peer_ended |= self.tls.as_ref().is_some_and(|tls| tls.has_peer_ended());
        if let Err(failure) = opened {
            // The alert that is queued leaves first.
            self.phase = Phase::Flushing;
            self.deadline = None;
            self.reason = CloseReason::Tls(failure);
        } else {
            self.announce_end(id, around.events);
        }
        Next::Again
    }
}
