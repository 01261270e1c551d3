//! What a network core asks of its transport: the seam at which a simulated network takes the
//! ring's place.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::net::{How, Net, Security};
use crate::types::ConnId;

/// See [`Net`], whose methods of the same names say what each must do, and [`crate::net::NetEvent`]
/// for what its events promise. Every transport is held against the same suite of tests.
#[allow(missing_docs, reason = "net::Net documents the functions of these names")]
pub trait Transport {
    fn adopt(&mut self, stream: OwnedFd, peer: SocketAddr, security: Security) -> ConnId;
    fn input(&self, conn: ConnId) -> &[u8];
    fn consume(&mut self, conn: ConnId, n: usize);
    fn output(&mut self, conn: ConnId) -> Option<&mut Vec<u8>>;
    fn split(&mut self, conn: ConnId) -> Option<(&[u8], &mut Vec<u8>)>;
    fn unsent(&self, conn: ConnId) -> usize;
    fn throttle(&mut self, conn: ConnId, throttled: bool);
    fn close(&mut self, conn: ConnId, how: How);
    fn release(&mut self, conn: ConnId);
    fn stop_listening(&mut self);
    /// Transports that do not listen refuse.
    fn listen(
        &mut self,
        address: SocketAddr,
        backlog: u32,
        security: Security,
    ) -> io::Result<SocketAddr> {
        let _ = (address, backlog, security);
        Err(io::ErrorKind::Unsupported.into())
    }
    fn stop_listening_at(&mut self, address: SocketAddr) {
        let _ = address;
    }
    /// Transports without TLS have no secure connection.
    fn is_secure(&self, conn: ConnId) -> bool {
        let _ = conn;
        false
    }
    fn is_handshaking(&self, conn: ConnId) -> bool {
        let _ = conn;
        false
    }
    fn subject(&self, conn: ConnId) -> Option<Arc<str>> {
        let _ = conn;
        None
    }
}

impl Transport for Net {
    fn adopt(&mut self, stream: OwnedFd, peer: SocketAddr, security: Security) -> ConnId {
        Net::adopt_secured(self, stream, peer, security)
    }
    fn input(&self, conn: ConnId) -> &[u8] {
        Net::input(self, conn)
    }
    fn consume(&mut self, conn: ConnId, n: usize) {
        Net::consume(self, conn, n);
    }
    fn output(&mut self, conn: ConnId) -> Option<&mut Vec<u8>> {
        Net::output(self, conn)
    }
    fn split(&mut self, conn: ConnId) -> Option<(&[u8], &mut Vec<u8>)> {
        Net::split(self, conn)
    }
    fn unsent(&self, conn: ConnId) -> usize {
        Net::unsent(self, conn)
    }
    fn throttle(&mut self, conn: ConnId, throttled: bool) {
        Net::throttle(self, conn, throttled);
    }
    fn close(&mut self, conn: ConnId, how: How) {
        Net::close(self, conn, how);
    }
    fn release(&mut self, conn: ConnId) {
        Net::release(self, conn);
    }
    fn stop_listening(&mut self) {
        Net::stop_listening(self);
    }
    fn listen(
        &mut self,
        address: SocketAddr,
        backlog: u32,
        security: Security,
    ) -> io::Result<SocketAddr> {
        Net::listen_at(self, crate::net::bind(address)?, backlog, security)
    }
    fn stop_listening_at(&mut self, address: SocketAddr) {
        Net::stop_listening_at(self, address);
    }
    fn is_secure(&self, conn: ConnId) -> bool {
        Net::is_secure(self, conn)
    }
    fn is_handshaking(&self, conn: ConnId) -> bool {
        Net::is_handshaking(self, conn)
    }
    fn subject(&self, conn: ConnId) -> Option<Arc<str>> {
        Net::subject(self, conn)
    }
}
