//! What a turn of the transport tells its role.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use crate::types::ConnId;

/// Of one connection: `Connected` first if this side asked for it and the other took it, then any
/// number of `Received` and `Drained`, then exactly one `Closed`.
#[derive(Debug)]
pub enum NetEvent {
    /// A peer has connected. The role adopts the socket here or hands it to another core;
    /// dropping it closes it. `listener` is the address that `listen` returned.
    Accepted { fd: OwnedFd, peer: SocketAddr, listener: SocketAddr },
    /// A connection that [`super::Net::connect`] asked for is there. It may be written to from now
    /// on. If it does not come to be, `Closed` is all that is said.
    Connected(ConnId),
    /// There are bytes in `input`. Said once for what one turn has brought, and again after
    /// `resume` when bytes are left; not said while the connection is paused or closing.
    Received(ConnId),
    /// `unsent` had gone above `outbound_pause` and is below it again, or what stood before the
    /// connection's [`super::Net::mark`] has been taken.
    Drained(ConnId),
    /// The connection is gone. What came before its end can still be read with `input` until the
    /// next turn.
    Closed(ConnId, CloseReason),
    /// Somebody used the waker: there may be something in this thread's mailboxes.
    Woken,
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CloseReason {
    /// `close` was called, and what it promised is done.
    #[error("closed by this server")]
    Asked,
    /// Nobody took the connection in the time it was given.
    #[error("not connected in time")]
    ConnectTimeout,
    /// The peer has ended its direction; what was queued for it has been sent.
    #[error("closed by the peer")]
    PeerClosed,
    /// The peer has reset the connection, or reads no more.
    #[error("reset by the peer")]
    PeerReset,
    /// The peer does not read what it is sent.
    #[error("{unsent} bytes wait for a peer that does not read, limit {limit}")]
    SlowReader { unsent: usize, limit: usize },
    /// An orderly close could not send everything in its time.
    #[error("closed with {unsent} bytes not taken by the peer in time")]
    Undelivered { unsent: usize },
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
