//! What the mesh hears from its shell, and asks of it.

use super::settings::{CALLS_MAX, STALL_MS, STRANGERS_MAX};
use crate::codec::election::{
    ElectionAddress, FrameError, HeaderError, Notification, NotificationError,
};
use crate::membership::Electorate;
use crate::types::{Link, ServerId};

/// One attempt to connect. Never given twice by one mesh.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Dial(pub u64);

/// What the mesh is told.
#[derive(Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum LinksInput<'a> {
    /// The configurations in force have changed.
    Members(&'a Electorate),
    /// A peer has connected to the election port.
    Accepted { link: Link },
    /// What [`LinksEffect::Connect`] asked for.
    Connected { dial: Dial, link: Link },
    /// It cannot be had: refused, unreachable, not resolved.
    ConnectFailed { dial: Dial },
    /// Received, in order, in any pieces.
    Bytes { link: Link, bytes: &'a [u8] },
    /// All that was written to this link has been given to the kernel.
    Written { link: Link },
    /// The connection is gone. Not needed after a `Finish` or `Close`.
    Closed { link: Link },
    /// A message for one server. It replaces one that has not left.
    Send { to: ServerId, notification: Notification },
    /// What whoever connects from now on is told first.
    Greeting(Notification),
    /// Nothing was heard for a while: try whoever is missing now (QuorumCnxManager.connectAll).
    Reconnect,
    /// Time has passed: [`super::Links::deadline`] is due.
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum LinksEffect {
    /// Resolve the host, newly each time, and connect. Answered with `Connected` or
    /// `ConnectFailed`; the time for it is kept here, which ends in `Cancel`.
    Connect { dial: Dial, server: ServerId, address: ElectionAddress },
    /// Not needed any more. A connection that has come about nevertheless may still be told of.
    Cancel { dial: Dial },
    /// Queue bytes; answered with `Written` when nothing is queued any more.
    Write { link: Link, bytes: Vec<u8> },
    /// Close after all that was written is sent. The link is forgotten.
    Finish { link: Link },
    /// Close at once. The link is forgotten.
    Close { link: Link, why: CloseReason },
    /// In the order in which the server sent them.
    Heard { from: ServerId, notification: Notification },
    /// Something came that is no notification; the connection stays. For the log.
    Unread { from: ServerId, why: NotificationError },
    /// There is a connection to this server now.
    Reachable { server: ServerId },
    /// No address of this server took a connection. Said once until it is reachable.
    Unreachable { server: ServerId },
}

/// Why the mesh closes a connection at once. For the log: nothing else is done about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum CloseReason {
    #[error("{} connections have not said who they are", CALLS_MAX)]
    TooManyUnknown,
    #[error("{} servers are in no configuration", STRANGERS_MAX)]
    TooManyStrangers,
    #[error("not needed any more")]
    NotNeeded,
    #[error("says too much while another connection stands")]
    ClaimTooLong,
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("it calls itself {0}, which is our own id")]
    OwnId(i64),
    #[error("{0} is no server's id")]
    NoId(i64),
    /// Of two servers the one with the larger id opens the connection that lasts.
    #[error("called back")]
    CalledBack,
    #[error("the peer has begun another")]
    Replaced,
    #[error("has not said who it is in {limit_ms} ms")]
    Unknown { limit_ms: i64 },
    #[error("has taken nothing for {} ms", STALL_MS)]
    Stalled,
}
