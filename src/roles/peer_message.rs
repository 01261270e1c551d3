//! What the control role and the sockets towards other servers say to one another.

use bytes::Bytes;

use crate::codec::election::Notification;
use crate::codec::quorum::Packet;
use crate::membership::Electorate;
use crate::types::{Link, ServerId};

/// What the control role wants of the sockets towards other servers. They live on its own thread,
/// so these are handed over by the turn and need no mailbox.
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum PeerCommand {
    /// Whom there is to speak with; said at the start and when it changes.
    Electorate(Electorate),
    /// An election message; a newer one takes its place if it has not left yet.
    Elect { to: ServerId, notification: Notification },
    /// What whoever connects to the election port is told first.
    Greeting(Notification),
    /// Connect to all voters that are missing: nothing has been heard for too long.
    ReconnectElection,
    /// This server leads: learners may connect.
    ListenQuorum,
    /// Close the quorum port and every link.
    StopQuorum,
    /// Answered by [`PeerEvent::Connected`] or [`PeerEvent::ConnectFailed`].
    ConnectLeader { server: ServerId },
    /// A packet, behind what was sent before.
    Send { link: Link, packet: Packet },
    /// A piece of a snapshot stream.
    SendRaw { link: Link, bytes: Bytes },
    /// Answered by one [`PeerEvent::Drained`] when everything sent before has left. A later one takes
    /// the place of one that was not answered.
    WhenDrained { link: Link },
    /// Answered by [`PeerEvent::Moved`] if, of what had been sent when this was asked last, some has
    /// reached the other machine since and some has not; by nothing otherwise.
    AskMoved { link: Link },
    /// Whether bytes of this link are taken in: what waits for the disk waits with the peer.
    Reading { link: Link, on: bool },
    /// What was sent before still leaves.
    Close { link: Link },
}

/// What the sockets tell the control role.
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum PeerEvent {
    /// An election message.
    Heard { from: ServerId, notification: Notification },
    /// There is a connection to this server's election port now, or none can be had.
    Reachable { server: ServerId },
    /// As above.
    Unreachable { server: ServerId },
    /// A learner is there.
    Opened { link: Link },
    /// The leader is there.
    Connected { link: Link },
    /// The leader cannot be reached.
    ConnectFailed { why: String },
    /// A whole one.
    Packet { link: Link, packet: Packet },
    /// Bytes of the snapshot that follows a SNAP packet, up to and with its signature.
    Stream { link: Link, bytes: Bytes },
    /// What was sent before the last `WhenDrained` is with this machine's kernel. What was sent
    /// behind it does not count, however much that is: a link that is always busy says this too.
    Drained { link: Link },
    /// The link is alive, though no packet shows it: bytes of one that is not whole have come, or
    /// see `AskMoved`.
    Moved { link: Link },
    /// The link has ended, by whomever; nothing follows.
    Closed { link: Link, why: String },
}
