//! Who waits: for a transaction, or for a moment.

use crate::admin::audit::Audited;
use crate::roles::probe::ProbeEnd;
use crate::types::{ConnRef, ErrorCode, Link, SessionId};

/// Who waits for a transaction to be applied.
#[derive(Debug)]
pub(super) enum Origin {
    /// Nobody here: container deletion, another server's client.
    Server,
    /// The leader's proposal: if one of our clients asked for it, the queue of forwarded requests
    /// knows.
    Remote,
    Open {
        conn: ConnRef,
        session: SessionId,
    },
    /// `audited`: where there is an audit log.
    Write {
        conn: ConnRef,
        audited: Option<Box<Audited>>,
    },
    /// An ephemeral of a local session, which the leader will refuse: what the client is told.
    Refused {
        conn: ConnRef,
        code: ErrorCode,
        audited: Option<Box<Audited>>,
    },
    /// The client's own close, or (without a connection) expiry.
    Close {
        conn: Option<ConnRef>,
    },
}

/// What is said once everything before is applied, and, where this server leads, a quorum still
/// follows.
#[derive(Debug)]
pub(super) enum PendingReply {
    Synced {
        conn: ConnRef,
    },
    /// The session a client has come back with is not there: the client, or the learner it has come
    /// to, is told.
    SessionGone {
        conn: ConnRef,
    },
    SessionGoneAt {
        link: Link,
        session: SessionId,
    },
    /// Whoever asks whether this server is behind.
    Confirmed(ProbeEnd),
}
