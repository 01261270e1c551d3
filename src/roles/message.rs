//! What the roles say to one another. Messages are owned values.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;

use super::jobs::{Changed, OnSnapshot};
use super::probe::ProbeEnd;
use crate::admin::audit::Audited;
use crate::admin::listings::{ObserverLine, SessionLine};
use crate::admin::slow::Stations;
use crate::admin::top::Slice;
use crate::codec::request::WriteOp;
use crate::log::LogEvent;
use crate::metrics::gauges::ConnGauges;
use crate::net::Security;
use crate::tree::{Change, Outcome};
use crate::types::{ConnId, ConnRef, Identity, Link, Millis, SessionId, Xid, Zxid};
use crate::zab::LogChunk;

/// When a session was last heard of. Its network core writes it at every request, the control
/// core reads it when the session's bucket is due: a touch costs one store and no message.
#[derive(Default, Debug)]
pub struct LastHeard(AtomicI64);

impl LastHeard {
    /// It was heard of now.
    pub fn touch(&self, now: Millis) {
        // Relaxed: a touch seen late only delays an expiry, which the next touch would delay too;
        // a bucket is due a whole timeout after the last touch it saw.
        self.0.store(now.0, Ordering::Relaxed);
    }
    /// When it was last touched.
    pub fn last(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }
}

/// What clients get from this server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Nothing: there is no leader, or the leader takes no clients.
    Off,
    /// Reads, and only for those that said beforehand that they want no more: there is no leader.
    Reads,
    /// Reads and writes.
    All,
}

/// The epoch that a server serves in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServingEpoch {
    /// Its first zxid, which names no transaction. ZooKeeper's leader tells its clients this number.
    pub first: Zxid,
    /// Where the tree has everything that was there when the epoch began.
    pub history: Zxid,
}

/// From a network core to the control core.
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum ToControl {
    /// A new session of `timeout` ms is wanted.
    Open { conn: ConnRef, timeout: i32 },
    /// A client is back; its password has been checked.
    Resume { conn: ConnRef, session: SessionId, timeout: i32 },
    /// A request that changes something, decoded.
    Write {
        conn: ConnRef,
        session: SessionId,
        xid: Xid,
        op: Box<WriteOp>,
        identities: Arc<Vec<Identity>>,
        /// Where there is an audit log, what it is to be told.
        audited: Option<Box<Audited>>,
    },
    /// A client sync.
    Sync { conn: ConnRef, session: SessionId },
    /// The client ends its session.
    Close { conn: ConnRef, session: SessionId, xid: Xid },
    /// A snapshot was asked for, not by the log.
    Snapshot,
    /// The same, and whoever asks is told when one that begins from now on is there.
    TakeSnapshot(OnSnapshot),
    /// The log's word.
    Log(LogEvent),
    /// The housekeeping thread has finished a snapshot, well or badly.
    SnapshotDone,
    /// Log, tree and files are what a change of history was to make of them.
    HistoryChanged(Box<Changed>),
    /// A slice of the sessions is asked for.
    TellSessions(SessionsAsked),
    /// A leader's observers are asked for; none where this server does not lead.
    TellObservers(mpsc::Sender<Vec<ObserverLine>>),
    /// Answered at once.
    Probe(ProbeEnd),
    /// Answered when all is applied that is committed now, and, where there are others, a quorum follows
    /// still.
    Confirm(ProbeEnd),
    /// A piece of the log on disk, for a learner.
    LogRead { link: Link, chunk: LogChunk },
    /// A piece of the snapshot stream for a learner; `None` when it could not be made.
    SnapshotPiece { link: Link, piece: Option<SnapshotPiece> },
    /// Finish what is in flight, then stop the log.
    Stop,
}

/// Sessions with higher ids than `after`, lowest first; fewer than `max` are the last.
pub struct SessionsAsked {
    /// `None`: from the first on.
    pub after: Option<SessionId>,
    /// Sessions.
    pub max: usize,
    /// Where they go.
    pub answer: mpsc::Sender<Vec<SessionLine>>,
}

/// Data watches, by path. `max` bounds the places looked at; `from` is 0 or an answer's `next`.
pub struct WatchesAsked {
    /// The place to go on from.
    pub from: u32,
    /// Places.
    pub max: usize,
    /// Where they go.
    pub answer: mpsc::Sender<WatchesAnswer>,
}

/// A core's part of the watched paths, and who watches them.
pub struct WatchesAnswer {
    /// A path, and the sessions of its data watches.
    pub paths: Vec<(String, Vec<SessionId>)>,
    /// Where the next slice begins; `None`: this was the last.
    pub next: Option<u32>,
}

/// What a learner gets behind a SNAP packet, piece by piece.
pub struct SnapshotPiece {
    /// As they go over the wire.
    pub bytes: Bytes,
    /// Nothing follows.
    pub is_last: bool,
}

/// Questions that may wait. A connection whose question finds no room is closed.
pub const QUERIES_MAX: usize = 256;

/// A word, and who wants to know.
pub struct Query {
    /// One that takes time.
    pub word: &'static str,
    /// Who gets the answer.
    pub conn: ConnRef,
    /// Its figures, for words that show their own connection.
    pub gauges: Arc<ConnGauges>,
}

/// From the control core to a network core: one stream in zxid order.
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum ToNetwork {
    /// Something a watch may want to hear of.
    Change(Change),
    /// The answer to the front of a connection's line.
    Reply { conn: ConnId, zxid: Zxid, outcome: Box<Outcome>, stations: Stations },
    /// The client sync at the front of a connection's line is done.
    Synced { conn: ConnId, zxid: Zxid },
    /// The handshake may be answered.
    SessionReady {
        conn: ConnId,
        session: SessionId,
        timeout: i32,
        /// This server's alone, at least for now.
        local: bool,
        pulse: Arc<LastHeard>,
        zxid: Zxid,
    },
    /// The session a client came back for is no more.
    SessionGone { conn: ConnId, zxid: Zxid },
    /// Close without a word: the session expired, moved, or was never this connection's.
    Drop { conn: ConnId, zxid: Zxid },
    /// What clients get from here on. When it becomes less all connections are closed; with
    /// [`Service::Off`] new ones get no further than a four-letter word. `zxid`: the tree's, which
    /// may be lower than before.
    Serving {
        service: Service,
        zxid: Zxid,
        /// `None` where there is no leader.
        epoch: Option<ServingEpoch>,
    },
    /// A socket accepted by another core.
    Adopt { fd: OwnedFd, peer: SocketAddr, security: Security },
    /// To the core that listens: clients are served at another address.
    Listen { from: SocketAddr, to: SocketAddr, backlog: u32, security: Security },
    /// A slice of the watches is asked for.
    TellWatches(WatchesAsked),
    /// What has been counted of requests is asked for; the first question begins it.
    TellTop(mpsc::Sender<Slice>),
    /// Answered at once.
    Probe(ProbeEnd),
    /// An operator has these connections closed; their sessions live on.
    Shed(Vec<ConnId>),
    /// More waits to leave than may, and much of it here.
    BoundOutput,
    /// The answer to a four-letter word, from the thread for slow commands.
    WordAnswered { conn: ConnId, text: String },
    /// Stop accepting and reading; leave when the output is out.
    Stop,
}

impl ToNetwork {
    /// Its place in the stream; `None` for what does not belong to the order of transactions.
    pub fn zxid(&self) -> Option<Zxid> {
        match self {
            ToNetwork::Change(change) => Some(change.zxid),
            ToNetwork::Reply { zxid, .. }
            | ToNetwork::Synced { zxid, .. }
            | ToNetwork::SessionReady { zxid, .. }
            | ToNetwork::SessionGone { zxid, .. }
            | ToNetwork::Drop { zxid, .. } => Some(*zxid),
            ToNetwork::Serving { .. }
            | ToNetwork::Adopt { .. }
            | ToNetwork::Listen { .. }
            | ToNetwork::TellWatches(_)
            | ToNetwork::TellTop(_)
            | ToNetwork::Probe(_)
            | ToNetwork::Shed(_)
            | ToNetwork::BoundOutput
            | ToNetwork::WordAnswered { .. }
            | ToNetwork::Stop => None,
        }
    }
}
