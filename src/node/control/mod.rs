//! The control role: one straight line from request to commit, and the only writer of the tree.
//!
//! ```text
//!  network cores ──ToControl──► prep ──Entry──► line (agreement) ──Committed──► tree ──► outlets
//!                                 └──bytes──► log ──Durable──► line                      │
//!                                                                     ToNetwork ◄────────┘
//! ```
//!
//! A turn takes what is in the mailbox, hands all new entries to the log in one push, applies
//! what has become durable, looks at the timers, and flushes the outlets. It never waits.

mod apply;
mod outlet;
mod requests;
mod sessions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

pub use outlet::{Outlet, Stream};

use super::message::{Pulse, ToControl, ToNetwork};
use crate::admin::gauges::Gauges;
use crate::log::{Append, LogEvent, LogInput};
use crate::prep::Prep;
use crate::runtime::mailbox::{Receiver, Sender};
use crate::session::{IdSource, Sessions};
use crate::tree::{Tree, TreeWriter};
use crate::types::{ConnRef, Millis, SessionId, WallMillis, Zxid};
use crate::zab::Line;

/// A network core that has fallen behind is looked at again after this long.
const OUTLET_RETRY_MS: i64 = 1;

/// What the control role is told at start.
pub struct ControlSettings {
    /// Buckets of sessions are looked at this often, in ms.
    pub tick_time: i64,
    pub container_check_ms: i64,
    pub container_max_per_minute: usize,
    pub container_never_used_ms: i64,
    pub shutdown_grace_ms: i64,
}

/// Work for the housekeeping thread.
pub enum Job {
    Snapshot { sessions: Vec<(SessionId, i32)>, at: Zxid },
}

/// Who waits for a proposal.
#[derive(Debug)]
pub enum Origin {
    /// Nobody: container deletion.
    Server,
    Open {
        conn: ConnRef,
        session: SessionId,
    },
    Write {
        conn: ConnRef,
    },
    Sync {
        conn: ConnRef,
    },
    /// The client's own close, or (without a connection) expiry.
    Close {
        conn: Option<ConnRef>,
        session: SessionId,
    },
}

/// How far an orderly stop has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stopping {
    No,
    /// What is in flight is committed first, within bounds.
    Finishing {
        until: Millis,
    },
    /// The log has been told.
    Log,
}

/// What the shell does after a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Call again when a message arrives or at this time.
    WaitUntil(Option<Millis>),
    /// Everything in flight is done and the log has stopped.
    Finished,
}

pub struct Control {
    settings: ControlSettings,
    writer: TreeWriter,
    tree: Arc<Tree>,
    prep: Prep,
    sessions: Sessions,
    /// Sessions as the applied transactions have them: what a snapshot holds.
    durable_sessions: BTreeMap<SessionId, i32>,
    pulses: BTreeMap<SessionId, Arc<Pulse>>,
    line: Line<Origin>,
    inbox: Receiver<ToControl>,
    pending: VecDeque<ToControl>,
    outlets: Vec<Outlet>,
    log: Sender<LogInput>,
    to_log: Vec<LogInput>,
    jobs: SyncSender<Job>,
    snapshot_running: bool,
    next_container_check: Millis,
    stopping: Stopping,
    log_stopped: bool,
    gauges: Arc<Gauges>,
    encode: Vec<u8>,
}

/// Everything the role is made of.
pub struct ControlParts {
    pub settings: ControlSettings,
    pub writer: TreeWriter,
    pub prep: Prep,
    pub ids: IdSource,
    /// Sessions found at recovery, with their timeouts in ms.
    pub sessions: BTreeMap<SessionId, i32>,
    pub inbox: Receiver<ToControl>,
    pub outlets: Vec<Outlet>,
    pub log: Sender<LogInput>,
    pub jobs: SyncSender<Job>,
    pub gauges: Arc<Gauges>,
    pub now: Millis,
}

impl Control {
    pub fn new(parts: ControlParts) -> Control {
        let tree = parts.writer.tree().clone();
        let mut sessions = Sessions::new(parts.settings.tick_time, parts.ids);
        let mut pulses = BTreeMap::new();
        for (id, timeout) in &parts.sessions {
            // A recovered session gets its full timeout again: its client must find us first.
            sessions.create(*id, *timeout, parts.now);
            let pulse = Arc::new(Pulse::default());
            pulse.beat(parts.now);
            pulses.insert(*id, pulse);
        }
        let last = tree.applied();
        Control {
            next_container_check: parts.now + parts.settings.container_check_ms,
            settings: parts.settings,
            writer: parts.writer,
            tree,
            prep: parts.prep,
            sessions,
            durable_sessions: parts.sessions,
            pulses,
            line: Line::new(last),
            inbox: parts.inbox,
            pending: VecDeque::new(),
            outlets: parts.outlets,
            log: parts.log,
            to_log: Vec::new(),
            jobs: parts.jobs,
            snapshot_running: false,
            stopping: Stopping::No,
            log_stopped: false,
            gauges: parts.gauges,
            encode: Vec::new(),
        }
    }

    /// Whether a turn would find something to do.
    pub fn has_mail(&self) -> bool {
        !self.inbox.is_empty() || !self.pending.is_empty()
    }

    /// The mailbox, for the shell's sleep protocol.
    pub fn inbox(&mut self) -> &mut Receiver<ToControl> {
        &mut self.inbox
    }

    /// One turn. `now` and `wall` are read by the shell.
    pub fn turn(&mut self, now: Millis, wall: WallMillis) -> Verdict {
        // What is still pending waits for room; the mailbox then fills, and its senders wait (I9).
        if self.pending.is_empty() {
            self.inbox.drain_into(&mut self.pending);
        }
        while self.outlets_have_room() {
            let Some(message) = self.pending.pop_front() else { break };
            self.take(message, now, wall);
        }
        self.expire(now, wall);
        self.reap(now, wall);
        if !self.to_log.is_empty() {
            self.log.push_all(&mut self.to_log);
        }
        self.apply_due(now);
        self.flush_outlets();
        self.gauges.outstanding.set(self.line.len() as i64);
        self.gauges.sessions.set(self.sessions.len() as i64);
        self.verdict(now)
    }

    fn take(&mut self, message: ToControl, now: Millis, wall: WallMillis) {
        match message {
            ToControl::Open { conn, timeout } => self.open(conn, timeout, now, wall),
            ToControl::Resume { conn, session, timeout } => {
                self.resume(conn, session, timeout, now);
            }
            ToControl::Write { conn, session, xid, op, identities } => {
                self.write(conn, session, xid, &op, &identities, wall);
            }
            ToControl::Sync { conn, session } => self.sync(conn, session),
            ToControl::Close { conn, session, xid } => self.close(conn, session, xid, wall),
            ToControl::Snapshot => self.snapshot(),
            ToControl::SnapshotDone => self.snapshot_running = false,
            ToControl::Log(LogEvent::Durable { upto }) => self.durable(upto),
            ToControl::Log(LogEvent::SnapshotDue { .. }) => self.snapshot(),
            ToControl::Log(LogEvent::Stopped) => self.log_stopped = true,
            ToControl::TellSessions(ask) => self.tell_sessions(&ask),
            ToControl::Stop => {
                if matches!(self.stopping, Stopping::No) {
                    let until = now + self.settings.shutdown_grace_ms;
                    self.stopping = Stopping::Finishing { until };
                }
            }
        }
    }

    /// Starts a snapshot of what is applied now, unless one is being written.
    fn snapshot(&mut self) {
        if self.snapshot_running {
            return;
        }
        let sessions = self.durable_sessions.iter().map(|(id, t)| (*id, *t)).collect();
        let job = Job::Snapshot { sessions, at: self.tree.applied() };
        // The queue holds one job and none is running, so this only fails when the thread is gone.
        self.snapshot_running = self.jobs.try_send(job).is_ok();
    }

    fn verdict(&mut self, now: Millis) -> Verdict {
        match self.stopping {
            Stopping::No => {}
            Stopping::Finishing { until } => {
                if self.line.is_empty() || now >= until {
                    self.stopping = Stopping::Log;
                    self.log.push(LogInput::Stop);
                }
                return Verdict::WaitUntil(Some(until));
            }
            Stopping::Log if self.log_stopped => {
                // The last message of each stream: all answers are before it.
                for outlet in &mut self.outlets {
                    outlet.send(ToNetwork::Stop);
                }
                self.flush_outlets();
                return Verdict::Finished;
            }
            Stopping::Log => return Verdict::WaitUntil(None),
        }
        if !self.outlets_have_room() {
            return Verdict::WaitUntil(Some(now + OUTLET_RETRY_MS));
        }
        let timers = [self.sessions.next_due(), Some(self.next_container_check)];
        Verdict::WaitUntil(timers.into_iter().flatten().min())
    }

    /// A proposal goes two ways at once: to the log, and into the line of what may be applied.
    fn propose(&mut self, entry: crate::codec::txn::Entry, origin: Origin) {
        self.encode.clear();
        crate::codec::txn::encode_entry(&entry, &mut self.encode);
        let bytes = bytes::Bytes::copy_from_slice(&self.encode);
        self.to_log.push(LogInput::Append(Append { zxid: entry.header.zxid, entry: bytes }));
        self.line.propose(entry, origin);
        self.gauges.prepared.add(1);
    }
}
