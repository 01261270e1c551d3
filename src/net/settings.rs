//! The transport's bounds, each with its reason.

use std::time::Duration;

use crate::types::limits;

/// Settings of one network core. `Default` is what a server runs with.
#[derive(Clone, Debug)]
pub struct NetSettings {
    /// Submission queue entries; the completion queue has eight times as many.
    pub ring_entries: u32,
    /// Buffers the kernel receives into, a power of two up to 32,768. One is in use for each
    /// connection that has received since the last turn; when they run out, reading goes on in
    /// the next turn.
    pub receive_buffers: u16,
    /// Bytes of one of them.
    pub receive_buffer_bytes: u32,
    /// Bytes received and not consumed from which on a connection is not read. Must be above the
    /// largest frame, or that frame never becomes whole.
    pub inbound_pause: usize,
    /// The same for a connection that is throttled: enough for an hour of pings, little beside what
    /// a connection costs anyway.
    pub inbound_throttled: usize,
    /// Bytes unsent from which on a connection is choked; `Drained` is said when fewer are.
    pub outbound_pause: usize,
    /// Bytes unsent from which on a connection is closed ([`super::CloseReason::SlowReader`]) if its
    /// peer takes none of them for as long as `flush`.
    pub outbound_close: usize,
    /// Connections reported by one turn: a flood of them must not starve those that exist.
    pub accepts_per_turn: usize,
    /// TCP keep-alive: `None` is off, as ZooKeeper's `clientTcpKeepAlive=false`; otherwise the
    /// idle time before the first probe (zero: the kernel's own).
    pub keepalive: Option<Duration>,
    /// How long a peer may take nothing of what is left for it in an orderly close.
    pub flush: Duration,
    /// And how long a close then waits for the peer's end, so that unread bytes of the peer do
    /// not turn the close into a reset that takes our last reply with it.
    pub linger: Duration,
    /// How long a TLS handshake may take from its first byte on.
    pub handshake: Duration,
    /// The same with another server.
    pub peer_handshake: Duration,
    /// How long to look for work before sleeping. Zero unless the core is dedicated.
    pub spin: Duration,
}

/// What stands between a listener's connections and their role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Security {
    /// Nothing.
    #[default]
    Plain,
    /// TLS.
    Tls,
    /// What the other side begins with: `client.portUnification`, and between servers `portUnification`.
    Either,
}

/// What one connection has for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnOptions {
    /// As [`NetSettings::keepalive`].
    pub keepalive: Option<Duration>,
    /// Ends it when the other end's machine has confirmed nothing for so long, of what was sent or of
    /// the question whether it is there, which an idle connection is asked. `None`: the kernel goes
    /// on for a quarter of an hour, at pauses that double, and what a cut has lost is sent again only
    /// long after the cut is over.
    pub dead_after: Option<Duration>,
    /// As [`NetSettings::outbound_close`]: what clients may leave unread says nothing of servers.
    pub outbound_close: usize,
}

impl Default for NetSettings {
    fn default() -> NetSettings {
        NetSettings {
            ring_entries: 1024,
            receive_buffers: 2048,
            receive_buffer_bytes: 8192,
            inbound_pause: 4 << 20,
            inbound_throttled: 64 << 10,
            outbound_pause: limits::OUTBOUND_PAUSE,
            outbound_close: limits::OUTBOUND_CLOSE,
            accepts_per_turn: 64,
            keepalive: None,
            flush: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            handshake: Duration::from_millis(limits::HANDSHAKE_MS as u64),
            peer_handshake: Duration::from_millis(limits::HANDSHAKE_MS as u64),
            spin: Duration::ZERO,
        }
    }
}
