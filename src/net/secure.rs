//! A connection's TLS session: what comes through it, and when it is its turn.
//!
//! Handshakes cost CPU, whoever asks for them. So what comes during one waits until the transport calls
//! [`Conn::shake`], which it does for a few connections in a turn; what comes later is opened at once.

use crate::runtime::Filled;
use crate::tls::{Failure, Session, is_client_hello};
use crate::types::ConnId;

use super::conn::{Conn, Context, Next, Phase};
use super::event::{CloseReason, NetEvent};
use super::sessions::Contexts;
use super::settings::Security;

impl Conn {
    /// How one that was accepted is secured; before anything has come. Neither side of ours speaks first
    /// there, so nothing is sent before it is known how.
    pub(super) fn secure(&mut self, security: Security, tls: &Contexts) {
        match security {
            Security::Plain => {}
            Security::Tls => self.begin_session(tls),
            Security::Either => self.undecided = true,
        }
    }

    /// One that is made from here, to a server that is known by that host.
    pub(super) fn secure_dialed(&mut self, host: &str, tls: &Contexts) -> Result<(), Failure> {
        let context = tls.servers.as_ref().ok_or(Failure::NotBegun)?.get();
        let dialer = context.dialer().ok_or(Failure::NotBegun)?;
        self.tls = Some(Box::new(Session::dial(dialer, self.peer.ip(), host)?));
        Ok(())
    }

    /// Its first bytes say whether it has a session.
    pub(super) fn decide(&mut self, first: &[u8], tls: &Contexts) {
        let Some(first) = first.first() else { return };
        self.undecided = false;
        if self.phase == Phase::Open && is_client_hello(*first) {
            self.begin_session(tls);
        }
    }

    /// Nobody gets plain bytes where there should be a session: without one it ends.
    fn begin_session(&mut self, tls: &Contexts) {
        let (current, hosts) = tls.of(self.with);
        let current = current.ok_or(Failure::NotBegun);
        match current.and_then(|tls| Session::accept(&tls.get(), self.peer.ip(), hosts)) {
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
            if stepped.is_ok() && tls.is_dialed() {
                around.events.push(NetEvent::Connected(id));
            }
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
