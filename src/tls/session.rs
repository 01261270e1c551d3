//! One connection's session.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};

use super::context::{Context, Dialer};
use super::failure::Failure;
use super::subject;
use crate::types::limits::{self, reached};

/// What TLS keeps of a connection.
pub struct Session {
    rustls: Connection,
    /// What the peer's certificate must name one of; `None`: it is not asked.
    names: Option<Names>,
    /// Ciphertext that came during the handshake and waits for the step that takes it.
    waiting: Vec<u8>,
    /// It waits for its step.
    pub queued: bool,
    handshaking: bool,
    /// The subject of the peer's certificate, which has been verified.
    subject: Option<Arc<str>>,
    /// The peer has ended its direction.
    peer_ended: bool,
    /// Ours ends behind what is written next; it has ended.
    ends: bool,
    ended: bool,
}

/// Who the peer may be called.
struct Names {
    address: IpAddr,
    hosts: Arc<[String]>,
}

/// Whether a connection that begins with this byte begins with a handshake (DualModeSslHandler). No
/// request does: it would be a frame of 369 million bytes.
pub fn is_client_hello(first: u8) -> bool {
    const HANDSHAKE: u8 = 22;
    first == HANDSHAKE
}

impl Session {
    /// Waits for the first bytes of whoever has connected. `hosts`: what it may be known by beside its
    /// address, where the context asks.
    pub fn accept(
        context: &Context,
        peer: IpAddr,
        hosts: &Arc<[String]>,
    ) -> Result<Session, Failure> {
        let began = ServerConnection::new(context.accepting());
        let mut rustls = began.map_err(|_| Failure::NotBegun)?;
        // The role's own bounds hold for output, which is sealed as it leaves.
        rustls.set_buffer_limit(None);
        let hosts = hosts.clone();
        let names = context.checks_address.then_some(Names { address: peer, hosts });
        Ok(Session::new(rustls.into(), names))
    }

    /// Speaks first, to a server that is known by that host.
    pub fn dial(dialer: &Dialer, peer: IpAddr, host: &str) -> Result<Session, Failure> {
        let name = ServerName::try_from(host.to_owned()).unwrap_or(ServerName::from(peer));
        let began = ClientConnection::new(dialer.config.clone(), name);
        let mut rustls = began.map_err(|_| Failure::NotBegun)?;
        rustls.set_buffer_limit(None);
        let hosts = Arc::from([host.to_owned()]);
        let names = dialer.checks_name.then_some(Names { address: peer, hosts });
        Ok(Session::new(rustls.into(), names))
    }

    fn new(rustls: Connection, names: Option<Names>) -> Session {
        Session {
            rustls,
            names,
            waiting: Vec::new(),
            queued: false,
            handshaking: true,
            subject: None,
            peer_ended: false,
            ends: false,
            ended: false,
        }
    }

    /// This side has connected.
    pub fn is_dialed(&self) -> bool {
        matches!(self.rustls, Connection::Client(_))
    }

    /// What comes is to wait for [`Session::step`].
    pub fn is_handshaking(&self) -> bool {
        self.handshaking
    }

    /// So much waits for its step that no more should be read.
    pub fn is_full(&self) -> bool {
        reached(self.waiting.len(), limits::HANDSHAKE_BYTES)
    }

    /// Something waits for its step.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Bytes of the handshake.
    pub fn hold(&mut self, ciphertext: &[u8]) {
        self.waiting.extend_from_slice(ciphertext);
    }

    /// Takes what waits: one step of the handshake, and what may stand behind its last one. Of what came
    /// along with a handshake that fails nothing is given: nobody knows yet whose it is.
    pub fn step(&mut self, plain: &mut Vec<u8>) -> Result<(), Failure> {
        let before = plain.len();
        let waiting = std::mem::take(&mut self.waiting);
        let opened = self.open(&waiting, plain).and_then(|()| {
            if self.handshaking && !self.rustls.is_handshaking() {
                self.handshaking = false;
                self.meet()?;
            }
            Ok(())
        });
        if opened.is_err() {
            plain.truncate(before);
        }
        opened
    }

    /// The handshake is done: who is it?
    fn meet(&mut self) -> Result<(), Failure> {
        let Some([certificate, ..]) = self.rustls.peer_certificates() else { return Ok(()) };
        if let Some(Names { address, hosts }) = &self.names
            && !subject::is_for(certificate, *address, hosts)
        {
            let by_host = !hosts.is_empty();
            return Err(if by_host { Failure::NotItsName } else { Failure::NotItsAddress });
        }
        self.subject = Some(subject::of(certificate).ok_or(Failure::BadCertificate)?.into());
        Ok(())
    }

    /// The subject of the peer's certificate, as Java writes it; `None` without one.
    pub fn subject(&self) -> Option<&Arc<str>> {
        self.subject.as_ref()
    }

    /// Opens what has come and appends what was in it. What came before a failure is appended, too.
    pub fn open(&mut self, mut ciphertext: &[u8], plain: &mut Vec<u8>) -> Result<(), Failure> {
        while !ciphertext.is_empty() && !self.peer_ended {
            // It takes as much as it has room for; an error is a record without an end.
            match self.rustls.read_tls(&mut ciphertext) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(Failure::Broken),
            }
            let processed = self.rustls.process_new_packets();
            let opened = processed.as_ref().map_or(0, |state| state.plaintext_bytes_to_read());
            if opened > 0 || processed.is_err() {
                plain.reserve(opened);
                // "Would block" is its word for the end of what is there.
                let _ = self.rustls.reader().read_to_end(plain);
            }
            let state = processed.map_err(|error| Failure::from(&error))?;
            self.peer_ended = state.peer_has_closed();
        }
        Ok(())
    }

    /// The peer has said that nothing follows.
    pub fn has_peer_ended(&self) -> bool {
        self.peer_ended
    }

    /// Seals output, and adds what the protocol itself has to send.
    pub fn seal(&mut self, plain: &[u8], ciphertext: &mut Vec<u8>) {
        // Writing into memory fails for want of memory alone, which ends the process before.
        let _ = self.rustls.writer().write_all(plain);
        if self.ends && !self.ended {
            self.ended = true;
            self.rustls.send_close_notify();
        }
        while self.rustls.wants_write() {
            if self.rustls.write_tls(ciphertext).is_err() {
                return;
            }
        }
    }

    /// The protocol has something to send.
    pub fn wants_write(&self) -> bool {
        self.rustls.wants_write() || (self.ends && !self.ended)
    }

    /// Our direction ends behind what is sealed next.
    pub fn end(&mut self) {
        self.ends = true;
    }
}
