//! TLS of the plane's ports: whether a connection has it, its handshake, and who is at its other end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::idle::Watched;
use crate::net::Security;
use crate::tls::{self, Current, is_client_hello};
use crate::types::limits;

/// Of a port.
#[derive(Clone)]
pub(super) struct PlaneTls {
    pub(super) current: Arc<Current>,
    pub(super) accepts: Security,
}

impl std::fmt::Debug for PlaneTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlaneTls")
    }
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) is_secure: bool,
    /// Of the certificate that was shown.
    pub(super) subject: Option<String>,
}

impl Peer {
    fn plain(address: SocketAddr) -> Peer {
        Peer { address, is_secure: false, subject: None }
    }
}

/// A connection whose kind is known.
pub(super) enum Opened {
    Plain(Watched),
    Secured(Box<TlsStream<Watched>>),
}

/// What has come first says whether there is a handshake, where a port takes both; a head and a handshake
/// have the same time.
pub(super) async fn open(
    socket: Watched,
    address: SocketAddr,
    tls: Option<&PlaneTls>,
) -> io::Result<(Opened, Peer)> {
    let Some(tls) = tls else { return Ok((Opened::Plain(socket), Peer::plain(address))) };
    let limit = Duration::from_millis(limits::PLANE_HEAD_MS);
    timeout(limit, async {
        let is_plain =
            tls.accepts == Security::Either && !socket.first().await?.is_some_and(is_client_hello);
        if is_plain {
            return Ok((Opened::Plain(socket), Peer::plain(address)));
        }
        let acceptor = TlsAcceptor::from(tls.current.get().accepting());
        let stream = acceptor.accept(socket).await?;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let subject = certificates.first().and_then(tls::subject);
        let peer = Peer { address, is_secure: true, subject };
        Ok((Opened::Secured(Box::new(stream)), peer))
    })
    .await
    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
