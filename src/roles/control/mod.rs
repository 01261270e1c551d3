//! The control role: one straight line from request to commit, and the only writer of the tree.
//!
//! ```text
//!  network cores ──ToControl──► prep ──Entry──► line (agreement) ──Committed──► tree ──► network
//!                                 └──bytes──► log ──Durable──► line                      │
//!                                                                     ToNetwork ◄────────┘
//! ```
//!
//! A turn takes what is in the mailbox, hands all new entries to the log in one push, applies
//! what has become durable, looks at the timers, and flushes what it has for the network cores. It
//! never waits.

mod ages;
mod apply;
mod disk;
mod ensemble;
mod intake;
mod leading;
mod learning;
mod locals;
mod numbers;
mod reason;
mod reconfiguring;
mod requests;
mod sessions;

use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};

use ages::Ages;
pub use disk::Disk;
use ensemble::{Ensemble, Role};
pub use ensemble::{EnsembleParts, MemberSettings, Rest};
pub use locals::ClientRules;
pub use reason::DiskError;
use reason::RoleEnd;
pub use reconfiguring::{ClientPort, MoveClients, Reconfig};

use super::chunks::Chunks;
use super::jobs::{Job, LearnerJob, LogInput};
use super::message::{LastHeard, Service, ToControl, ToNetwork};
use super::quiet::Quiet;
use super::stream::StreamSender;
use super::turns::Turns;
use crate::codec::{
    self,
    txn::{Entry, Op, SubTxn, Txn},
};
use crate::log::{Append, LogEvent};
use crate::metrics::gauges::Gauges;
use crate::prep::{Prep, PrepSettings};
use crate::runtime::mailbox::{Receiver, Sender};
use crate::session::{IdSource, Sessions};
use crate::tree::{Tree, TreeWriter};
use crate::types::{
    AclList, ConnRef, Data, ErrorCode, Link, Millis, SessionId, WallMillis, Zxid, limits,
};
use crate::zab::{CommitQueue, LeaderEffect, LeaderInput, LearnerEffect};

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
    /// Sessions from which on clients get no new one.
    pub sessions_max: usize,
}

/// Who waits for a proposal.
#[derive(Debug)]
pub enum Origin {
    /// Nobody here: container deletion, another server's client.
    Server,
    /// The leader's proposal: if one of our clients asked for it, the line of forwarded requests
    /// knows.
    Remote,
    Open {
        conn: ConnRef,
        session: SessionId,
    },
    Write {
        conn: ConnRef,
    },
    /// An ephemeral of a local session, which the leader will refuse: what the client is told.
    Refused {
        conn: ConnRef,
        code: ErrorCode,
    },
    Sync {
        conn: ConnRef,
    },
    /// The session a client has come back with is not there: the client, or the learner it has come
    /// to, is told.
    Gone {
        conn: ConnRef,
    },
    GoneAt {
        link: Link,
        session: SessionId,
    },
    /// The client's own close, or (without a connection) expiry.
    Close {
        conn: Option<ConnRef>,
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
#[derive(Debug)]
pub enum Verdict {
    /// Call again when a message arrives or at this time.
    WaitUntil(Option<Millis>),
    /// Everything in flight is done and the log has stopped.
    Finished,
    /// The disk has failed: the process must end, with this as its last word (I11).
    Failed(DiskError),
}

pub struct Control {
    settings: ControlSettings,
    /// `None` while a thread beside changes the history.
    writer: Option<TreeWriter>,
    tree: Arc<Tree>,
    prep: Prep,
    prep_settings: PrepSettings,
    sessions: Sessions,
    /// Sessions as the applied transactions have them: what a snapshot holds.
    durable_sessions: BTreeMap<SessionId, i32>,
    ages: Ages,
    /// Lines of sessions that have expired.
    expired: Quiet,
    pulses: BTreeMap<SessionId, Arc<LastHeard>>,
    line: CommitQueue<Origin>,
    inbox: Receiver<ToControl>,
    pending: VecDeque<ToControl>,
    /// Requests of this server's clients that have to wait for room, and what this turn may still
    /// begin with, in bytes.
    waiting: VecDeque<ToControl>,
    turn_bytes: usize,
    /// When expired sessions were looked at last, and some were left for the next turn.
    expiring: Option<Millis>,
    /// Sessions whose ephemerals nobody owns, to be closed.
    lost_sessions: VecDeque<SessionId>,
    stream_senders: Vec<StreamSender>,
    log: Sender<LogInput>,
    to_log: Vec<LogInput>,
    jobs: SyncSender<Job>,
    learner_jobs: mpsc::Sender<LearnerJob>,
    /// The flag of the snapshot that is being written.
    snapshot_running: Option<Arc<AtomicBool>>,
    role: Role,
    ensemble: Option<Box<Ensemble>>,
    /// Effects not yet executed.
    leader_effects: Vec<LeaderEffect>,
    learner_effects: Vec<LearnerEffect>,
    /// Empty outside of the loops over the two; they keep their memory.
    leader_effects_spare: Vec<LeaderEffect>,
    learner_effects_spare: Vec<LearnerEffect>,
    in_effects: bool,
    /// What clients get: everything when alone, else as long as there is a leader.
    service: Service,
    /// Nodes up to here came from a file or a leader's snapshot.
    restored_upto: Zxid,
    /// Digests count behind this. `None`: a leader's snapshot may show more than the log has, until
    /// that leader, or another, has sent everything.
    exact_from: Option<Zxid>,
    failed: Option<DiskError>,
    now: Millis,
    wall: WallMillis,
    next_container_check: Millis,
    check: Option<sessions::Check>,
    /// What a step of this turn has taken on so far: see [`limits::TURN_WORK`].
    work: usize,
    /// And the steps before it.
    work_before: usize,
    /// The last turn left work of its own behind.
    is_cut: bool,
    stopping: Stopping,
    log_stopped: bool,
    gauges: Arc<Gauges>,
    turns: Arc<Turns>,
    encode: Vec<u8>,
    /// For entries.
    chunks: Chunks,
}

/// Everything the role is made of.
pub struct ControlParts {
    pub settings: ControlSettings,
    pub writer: TreeWriter,
    pub prep: PrepSettings,
    pub ids: IdSource,
    /// Sessions found at recovery, with their timeouts in ms.
    pub sessions: BTreeMap<SessionId, i32>,
    pub inbox: Receiver<ToControl>,
    pub stream_senders: Vec<StreamSender>,
    pub log: Sender<LogInput>,
    pub jobs: SyncSender<Job>,
    pub learner_jobs: mpsc::Sender<LearnerJob>,
    /// [`crate::snapshot::Restored::czxid_max`].
    pub restored_upto: Zxid,
    /// Whether to begin with a snapshot.
    pub snapshot_due: bool,
    /// `None`: a server on its own.
    pub ensemble: Option<EnsembleParts>,
    pub gauges: Arc<Gauges>,
    pub turns: Arc<Turns>,
    pub now: Millis,
    pub wall: WallMillis,
}

impl Control {
    pub fn new(parts: ControlParts) -> Control {
        let tree = parts.writer.tree().clone();
        let last = tree.applied();
        let alone = parts.ensemble.is_none();
        let mut control = Control {
            next_container_check: parts.now + parts.settings.container_check_ms,
            check: None,
            work: 0,
            work_before: 0,
            is_cut: false,
            sessions: Sessions::new(parts.settings.tick_time, parts.ids),
            settings: parts.settings,
            writer: Some(parts.writer),
            tree,
            prep: Prep::new(parts.prep.clone(), last),
            prep_settings: parts.prep,
            durable_sessions: parts.sessions,
            ages: Ages::default(),
            expired: Quiet::default(),
            pulses: BTreeMap::new(),
            line: CommitQueue::new(last),
            inbox: parts.inbox,
            pending: VecDeque::new(),
            waiting: VecDeque::new(),
            turn_bytes: 0,
            expiring: None,
            lost_sessions: VecDeque::new(),
            stream_senders: parts.stream_senders,
            log: parts.log,
            to_log: Vec::new(),
            jobs: parts.jobs,
            learner_jobs: parts.learner_jobs,
            snapshot_running: None,
            role: if alone { Role::Alone } else { Role::Settling },
            ensemble: parts.ensemble.map(|parts| Box::new(Ensemble::new(parts))),
            leader_effects: Vec::new(),
            learner_effects: Vec::new(),
            leader_effects_spare: Vec::new(),
            learner_effects_spare: Vec::new(),
            in_effects: false,
            service: if alone { Service::All } else { Service::Off },
            restored_upto: parts.restored_upto,
            exact_from: alone.then_some(Zxid::ZERO),
            failed: None,
            now: parts.now,
            wall: parts.wall,
            stopping: Stopping::No,
            log_stopped: false,
            gauges: parts.gauges,
            turns: parts.turns,
            encode: Vec::new(),
            chunks: Chunks::default(),
        };
        if alone {
            control.track_recovered_sessions();
        } else {
            control.init_config();
            if let Some(ensemble) = &control.ensemble {
                let unknown = ensemble.clients.unknown_sessions(ensemble.me);
                control.sessions.set_unknown_sessions(unknown);
                let members = &ensemble.electorate.committed;
                control.gauges.quorum.set_members(members, members.get(ensemble.me));
            }
            control.gauges.quorum.looking(control.now);
        }
        if parts.snapshot_due {
            control.snapshot();
        }
        control
    }

    /// A recovered session gets its full timeout again: its client must find us first.
    fn track_recovered_sessions(&mut self) {
        for (id, timeout) in &self.durable_sessions {
            self.sessions.create(*id, *timeout, self.now);
            let pulse = Arc::new(LastHeard::default());
            pulse.touch(self.now);
            self.pulses.insert(*id, pulse);
        }
    }

    /// Whether a turn would find something to do.
    pub fn has_mail(&self) -> bool {
        !self.inbox.is_empty()
            || self.has_requests()
            || self.is_cut
            || self.ensemble.as_ref().is_some_and(|e| !e.events.is_empty())
    }

    /// The mailbox, for the shell's sleep protocol.
    pub fn inbox(&mut self) -> &mut Receiver<ToControl> {
        &mut self.inbox
    }

    /// One turn. `now` and `wall` are read by the shell.
    pub fn turn(&mut self, now: Millis, wall: WallMillis) -> Verdict {
        self.now = now;
        self.wall = wall;
        (self.work, self.work_before) = (0, 0);
        if self.turns.begin() {
            self.leave_role(RoleEnd::Standstill);
        }
        self.take_mail();
        self.peer_turn();
        self.pace_leader();
        self.expire(now, wall);
        self.close_lost_sessions();
        self.reap(now, wall);
        self.lead_settle();
        if !self.to_log.is_empty() {
            self.log.push_all(&mut self.to_log);
        }
        self.apply_due();
        self.send_waiting_snapshots();
        self.leave_when_applied();
        self.persist_committed(false);
        self.settle();
        self.flush_outlets();
        self.gauges.outstanding.set(self.line.len() as i64);
        self.count_sessions();
        self.publish_ages();
        self.verdict(now)
    }

    /// What comes has a share of each turn, and so have other servers and what is to be applied:
    /// none of them keeps the others waiting for longer than its share takes.
    fn begin_step(&mut self) {
        self.work_before += std::mem::take(&mut self.work);
    }

    fn may_go_on(&self) -> bool {
        self.work < limits::TURN_WORK
    }

    /// Whether the last turn ended for its length: the thread should look at its sockets before the
    /// next.
    pub fn is_cut(&self) -> bool {
        self.is_cut || self.has_requests()
    }

    fn take(&mut self, message: ToControl, now: Millis, wall: WallMillis) {
        self.work += 1;
        match message {
            ToControl::Open { conn, timeout } => self.open(conn, timeout, wall),
            ToControl::Resume { conn, session, timeout } => self.resume(conn, session, timeout),
            ToControl::Write { conn, session, xid, op, identities } => {
                self.write(conn, session, xid, &op, &identities, wall);
            }
            ToControl::Sync { conn, session } => self.sync(conn, session),
            ToControl::Close { conn, session, xid } => self.close(conn, session, xid, wall),
            ToControl::Snapshot => self.snapshot(),
            ToControl::SnapshotDone => {
                self.snapshot_running = None;
                self.try_disk();
            }
            ToControl::LogRead { link, chunk } => self.log_read(link, chunk),
            ToControl::SnapshotPiece { link, piece } => self.snapshot_piece(link, piece),
            ToControl::Log(LogEvent::Durable { upto }) => self.durable(upto),
            ToControl::Log(LogEvent::SnapshotDue { .. }) => self.snapshot(),
            ToControl::Log(LogEvent::Stopped) if self.stopping == Stopping::Log => {
                self.log_stopped = true;
            }
            ToControl::Log(LogEvent::Stopped) => self.log_ended(),
            ToControl::HistoryChanged(changed) => self.history_changed(*changed),
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
        if self.snapshot_running.is_some() || !self.disk_is_settled() {
            return;
        }
        let abandoned = Arc::new(AtomicBool::new(false));
        let job = Job::Snapshot {
            sessions: self
                .durable_sessions
                .iter()
                .skip(usize::from(crate::mutants::on("snapshot-forgets-session")))
                .map(|(id, t)| (*id, *t))
                .collect(),
            at: self.tree.applied(),
            restored_upto: self.restored_upto,
            abandoned: abandoned.clone(),
        };
        // The queue holds one job and none is running, so this only fails when the thread is gone.
        self.snapshot_running = self.jobs.try_send(job).is_ok().then_some(abandoned);
    }

    /// The tree is about to become another one.
    fn abandon_snapshot(&mut self) {
        if let Some(abandoned) = &self.snapshot_running {
            abandoned.store(true, Ordering::SeqCst);
        }
    }

    /// Nothing is promised after a disk has failed (I11).
    fn fail(&mut self, why: DiskError) {
        tracing::error!(why = why.to_string(), "cannot go on");
        self.failed.get_or_insert(why);
    }

    fn verdict(&mut self, now: Millis) -> Verdict {
        if let Some(why) = self.failed.take() {
            return Verdict::Failed(why);
        }
        match self.stopping {
            Stopping::No => {}
            Stopping::Finishing { until } => {
                // What an unfinished change of history was to have of the line nobody waits for.
                let is_done = self.line.is_empty() || !self.disk_is_settled();
                if (is_done && !self.is_changing_files()) || now >= until {
                    self.persist_committed(true);
                    self.stopping = Stopping::Log;
                    // A change of history has asked for its end, or seen it.
                    self.log_stopped = !self.log_runs();
                    self.log.push(LogInput::Stop);
                }
                return Verdict::WaitUntil(Some(until));
            }
            Stopping::Log if self.log_stopped => {
                // The last message of each stream: all answers are before it.
                for stream_sender in &mut self.stream_senders {
                    stream_sender.send(ToNetwork::Stop);
                }
                self.flush_outlets();
                return Verdict::Finished;
            }
            Stopping::Log => return Verdict::WaitUntil(None),
        }
        if !self.outlets_have_room() {
            return Verdict::WaitUntil(Some(now + OUTLET_RETRY_MS));
        }
        let decides = self.decides();
        let timers = [
            self.sessions.next_due().filter(|_| self.lets_expire() && self.has_room()),
            Some(self.next_check()).filter(|_| decides),
            self.peer_deadline(),
        ];
        Verdict::WaitUntil(timers.into_iter().flatten().min())
    }

    /// Whether this server makes the ensemble's transactions: sessions expire here and nowhere
    /// else (I12).
    fn decides(&self) -> bool {
        self.serves_all()
            && self.may_propose()
            && matches!(self.role, Role::Alone | Role::Leading(_))
    }

    /// A proposal goes three ways at once: to the log, into the line of what may be applied, and
    /// to the learners.
    fn propose(&mut self, entry: Entry, origin: Origin) {
        self.encode.clear();
        codec::txn::encode_entry(&entry, &mut self.encode);
        let bytes = self.chunks.copy(&self.encode);
        let zxid = entry.header.zxid;
        self.work += work_of(&entry.txn) + self.prep.take_entries() / limits::WORK_ENTRIES;
        self.gauges.prepared.add(1);
        let len = bytes.len();
        self.turn_bytes = self.turn_bytes.saturating_sub(len);
        if self.ensemble.is_none() {
            // The log alone wants the bytes: shared, they would be freed across threads.
            self.to_log.push(LogInput::Append(Append { zxid, entry: bytes }));
            return self.line.propose(entry, (Bytes::new(), len), origin);
        }
        self.to_log.push(LogInput::Append(Append { zxid, entry: bytes.clone() }));
        self.line.propose(entry, (bytes.clone(), len), origin);
        if matches!(self.role, Role::Leading(_)) {
            self.gauges.quorum.proposed(bytes.len());
            self.ages.asked(zxid, self.now);
            self.lead(LeaderInput::Proposed { zxid, entry: bytes });
        }
    }
}

/// What making or applying a transaction costs, in operations.
fn work_of(txn: &Txn) -> usize {
    let bytes = |data: &Data| data.as_ref().map_or(0, |data| data.len() / limits::WORK_BYTES);
    let entries = |acl: &AclList| acl.len() / limits::WORK_ENTRIES;
    let of = |op: &Op| match op {
        Op::Create(create) => 1 + bytes(&create.data) + entries(&create.acl),
        Op::SetData { data, .. } => 1 + bytes(data),
        Op::SetAcl { acl, .. } => 1 + entries(acl),
        Op::Delete { .. } | Op::DeleteContainer { .. } | Op::Check { .. } => 1,
    };
    match txn {
        Txn::Op(op) => of(op),
        Txn::Multi(steps) => steps
            .iter()
            .map(|step| match step {
                SubTxn::Op(op) => of(op),
                SubTxn::Error(_) => 1,
            })
            .sum(),
        Txn::CloseSession { paths } => paths.as_ref().map_or(1, Vec::len),
        Txn::CreateSession { .. } | Txn::Error(_) | Txn::Reconfig { .. } => 1,
    }
}
