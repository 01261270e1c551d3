//! What a turn of the transport tells its role.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::settings::Security;
use crate::tls::Failure;
use crate::types::ConnId;

/// Of one connection: `Connected` first if this side asked for it and the other took it, then any
/// number of `Received` and `Drained`, at most one `Ended`, then exactly one `Closed`, and nothing
/// behind it. What is promised, by the kernel's ring and by every transport in its place:
///
/// * What an event tells of stays until the role has looked at it. Bytes stay in `input` until they
///   are consumed, the connection is closed from here, or released.
/// * The peer's end takes nothing away. All that came before it has come before [`NetEvent::Ended`]
///   is said, what is owed can still be sent, and the role closes the connection when it owes
///   nothing more.
/// * Nor does a failure. [`NetEvent::Closed`] is said when all that the peer sent has been taken in,
///   also where a send has failed before; all of it stands in `input` then.
/// * A connection's slot is nobody else's until the role has released it, behind its `Closed`.
/// * A turn is taken when everything the last one told has been looked at; a transport may insist.
#[derive(Debug)]
pub enum NetEvent {
    /// A peer has connected. The role adopts the socket here or hands it to another core;
    /// dropping it closes it.
    Accepted {
        /// The socket.
        fd: OwnedFd,
        /// Where the peer is.
        peer: SocketAddr,
        /// As `listen` returned it.
        listener: SocketAddr,
        /// How the listener's connections are secured.
        security: Security,
    },
    /// A connection that [`super::Net::connect`] asked for is there, with its TLS handshake done where it
    /// was to have one. It may be written to from now on. If it does not come to be, `Closed` is all that is said.
    Connected(ConnId),
    /// There are bytes in `input`. Said for what one turn has brought, and again after `resume` when
    /// bytes are left; not said while the connection is paused or closing.
    Received(ConnId),
    /// `unsent` had come to `outbound_pause` and is below it again, or what stood before the
    /// connection's [`super::Net::mark`] has been taken.
    Drained(ConnId),
    /// The peer has ended its direction: `input` has all there will ever be. Held back while the
    /// connection is paused. It stays open until the role closes it.
    Ended(ConnId),
    /// The connection is gone, and is to be released.
    Closed(ConnId, CloseReason),
    /// Somebody used the waker: there may be something in this thread's mailboxes.
    Woken,
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum CloseReason {
    /// `close` was called, and what it promised is done.
    #[error("closed by this server")]
    Asked,
    /// Nobody took the connection in the time it was given.
    #[error("not connected in time")]
    ConnectTimeout,
    /// The role has closed it behind the peer's end, and what was queued has been sent.
    #[error("closed by the peer")]
    PeerClosed,
    /// The peer has reset the connection, or reads no more.
    #[error("reset by the peer")]
    PeerReset,
    /// The peer does not read what it is sent; it sees a reset.
    #[error("{unsent} bytes wait for a peer that does not read, limit {limit}")]
    SlowReader { unsent: usize, limit: usize },
    /// The peer has taken nothing for too long in an orderly close; it sees a reset.
    #[error("closed with {unsent} bytes not taken by the peer in time")]
    Undelivered { unsent: usize },
    /// Its TLS session has failed. What had come before in it was told; the peer has an alert.
    #[error("TLS: {0}")]
    Tls(Failure),
    /// Anything else the kernel said, as its error number.
    #[error("{}", std::io::Error::from_raw_os_error(*.0))]
    Socket(i32),
}

/// How `close` ends a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Everything in `output` is sent first. The peer sees an orderly end, even if it is still
    /// sending.
    AfterFlush,
    /// At once; what is unsent is lost.
    Now,
    /// At once, and the peer sees a reset.
    Reset,
}
