//! The control role: one straight way from request to commit, and the only writer of the tree.
//!
//! ```text
//!  network cores ──ToControl──► prep ──Entry──► queue (agreement) ──Committed──► tree ──► network
//!                                 └──bytes──► log ──Durable──► queue                     │
//!                                                                     ToNetwork ◄────────┘
//! ```
//!
//! A turn takes what is in the mailbox, hands all new entries to the log in one push, applies
//! what has become durable, looks at the timers, and flushes what it has for the network cores. It
//! never waits.
//!
//! State has one owner each: what every server has is [`Base`], in it the [`pipeline`] of writes and
//! the [`session_state`]; what only members of an ensemble have is [`Ensemble`], in it the role. A
//! function that has one of them by name cannot find it missing, nor reach the other.
//!
//! * [`base`] what every server has, and the turn's budget; [`pipeline`], [`session_state`]
//! * [`role`] on its own, or one of an ensemble: [`ensemble`], in one of four roles
//! * [`intake`] what a turn begins with, [`requests`] on their way to proposals, [`origin`] who waits
//! * [`apply`] what is committed, and its answers
//! * [`sessions`], [`locals`] begun, resumed, ended; [`reaping`] of containers
//! * [`electing`] a leader, and [`serving`] clients under one
//! * [`leading`]: what [`learners`] ask for, and [`sending`] them what they lack
//! * [`learning`], and [`forwarding`] clients' requests to the leader
//! * [`reconfiguring`] the ensemble; [`disk`] another history
//! * [`effects`], [`numbers`], [`ages`], [`moments`], [`reason`] smaller things

mod ages;
mod apply;
mod base;
mod disk;
mod effects;
mod electing;
mod ensemble;
mod fair;
mod forwarding;
mod intake;
mod leading;
mod learners;
mod learning;
mod locals;
mod moments;
mod numbers;
mod origin;
mod pipeline;
mod reaping;
mod reason;
mod reconfiguring;
mod requests;
mod role;
mod sending;
mod serving;
mod session_state;
mod sessions;
mod stopping;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, SyncSender};

use ages::Ages;
use base::{Base, Budget};
pub use disk::Disk;
use ensemble::Ensemble;
pub use ensemble::{EnsembleParts, MemberSettings};
use fair::FairQueue;
use intake::RequestSource;
pub use locals::ClientRules;
use moments::Moments;
use pipeline::{Pipeline, PipelineParts};
pub use reason::DiskError;
use reason::RoleEnd;
pub use reconfiguring::{ClientPort, MoveClients, Reconfig};
use role::Server;
use session_state::SessionState;
use stopping::Stopping;

use super::insight::Insight;
use super::jobs::{Job, LearnerJob, LogInput, OnSnapshot};
use super::message::{Service, ToControl};
use super::peer_message::{PeerCommand, PeerEvent};
use super::stream::StreamSender;
use super::turns::Turns;
use crate::admin::audit::AuditBatch;
use crate::log::LogEvent;
use crate::metrics::gauges::Gauges;
use crate::mutants::{self, Mutant};
use crate::prep::PrepSettings;
use crate::runtime::mailbox::{Receiver, Sender};
use crate::session::{IdSource, Sessions};
use crate::tree::TreeWriter;
use crate::types::{Millis, SessionId, WallMillis, Zxid};
use crate::zab::Alone;

/// A network core that has fallen behind is looked at again after this long.
const OUTLET_RETRY_MS: i64 = 1;

/// What the control role is told at start.
pub struct ControlSettings {
    /// Buckets of sessions are looked at this often, in ms.
    pub tick_time: i64,
    /// `znode.container.checkIntervalMs`.
    pub container_check_ms: i64,
    /// `znode.container.maxPerMinute`.
    pub container_max_per_minute: usize,
    /// `znode.container.maxNeverUsedIntervalMs`; 0: never.
    pub container_never_used_ms: i64,
    /// How long a stop waits for what is in flight.
    pub shutdown_grace_ms: i64,
    /// Sessions from which on clients get no new one.
    pub sessions_max: usize,
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

/// The control role. See the module's front page.
pub struct Control {
    base: Base,
    server: Server,
    inbox: Receiver<ToControl>,
    /// Of this turn.
    pending: VecDeque<ToControl>,
    /// Requests of this server's clients that have to wait for room.
    waiting: FairQueue<RequestSource, ToControl>,
    check: Option<reaping::Check>,
    /// The last turn left work of its own behind.
    is_cut: bool,
    log_stopped: bool,
    turns: Arc<Turns>,
}

/// Everything the role is made of.
pub struct ControlParts {
    /// What it was told.
    pub settings: ControlSettings,
    /// The tree's one writer.
    pub writer: TreeWriter,
    /// What writes are judged by.
    pub prep: PrepSettings,
    /// Where sessions get their numbers.
    pub ids: IdSource,
    /// Sessions found at recovery, with their timeouts in ms.
    pub sessions: BTreeMap<SessionId, i32>,
    /// Its mailbox.
    pub inbox: Receiver<ToControl>,
    /// By network core.
    pub stream_senders: Vec<StreamSender>,
    /// The log's mailbox.
    pub log: Sender<LogInput>,
    /// Housekeeping's.
    pub jobs: SyncSender<Job>,
    /// For learners that are far behind.
    pub learner_jobs: mpsc::Sender<LearnerJob>,
    /// [`crate::snapshot::Restored::czxid_max`].
    pub restored_upto: Zxid,
    /// Whether to begin with a snapshot.
    pub snapshot_due: bool,
    /// `None`: a server on its own.
    pub ensemble: Option<EnsembleParts>,
    /// Where it counts.
    pub gauges: Arc<Gauges>,
    /// What operators are told of requests.
    pub insight: Insight,
    /// Where it says that it takes turns.
    pub turns: Arc<Turns>,
    /// The monotonic clock.
    pub now: Millis,
    /// The clock on the wall.
    pub wall: WallMillis,
}

impl Control {
    /// Before its first turn.
    pub fn new(parts: ControlParts) -> Control {
        let alone = parts.ensemble.is_none();
        let pipeline = Pipeline::new(PipelineParts {
            writer: parts.writer,
            prep: parts.prep,
            stream_senders: parts.stream_senders,
            log: parts.log,
            restored_upto: parts.restored_upto,
            exact_from: alone.then_some(Zxid::ZERO),
        });
        let table = Sessions::new(parts.settings.tick_time, parts.ids);
        let mut base = Base {
            next_container_check: parts.now + parts.settings.container_check_ms,
            settings: parts.settings,
            pipeline,
            sessions: SessionState::new(table, parts.sessions),
            service: if alone { Service::All } else { Service::Off },
            budget: Budget::default(),
            now: parts.now,
            wall: parts.wall,
            stopping: Stopping::No,
            failed: None,
            jobs: parts.jobs,
            learner_jobs: parts.learner_jobs,
            snapshot_running: None,
            snapshot_asked: None,
            ages: Ages::default(),
            gauges: parts.gauges,
            audit: AuditBatch::new(parts.insight.audit),
            moments: parts.insight.slow.map(|_| Box::new(Moments::new())),
        };
        let server = match parts.ensemble {
            None => {
                base.track_recovered_sessions();
                Server::Alone(Alone::configured())
            }
            Some(parts) => Server::Ensemble(Box::new(Ensemble::begin(parts, &mut base))),
        };
        let mut control = Control {
            base,
            server,
            inbox: parts.inbox,
            pending: VecDeque::new(),
            waiting: FairQueue::default(),
            check: None,
            is_cut: false,
            log_stopped: false,
            turns: parts.turns,
        };
        if parts.snapshot_due {
            control.snapshot();
        }
        control
    }

    /// Where this server has an ensemble.
    fn as_member(&mut self, act: impl FnOnce(&mut Ensemble, &mut Base)) {
        if let Server::Ensemble(ensemble) = &mut self.server {
            act(ensemble, &mut self.base);
        }
    }

    /// What the sockets have brought; taken in by the next turn.
    pub fn peer_events(&mut self, events: &mut Vec<PeerEvent>) {
        self.as_member(|ensemble, _| ensemble.take_events(events));
    }

    /// What the sockets are to do.
    pub fn take_peer_commands(&mut self, into: &mut Vec<PeerCommand>) {
        self.as_member(|ensemble, _| into.append(&mut ensemble.commands));
    }

    /// Whether a turn would find something to do.
    pub fn has_mail(&self) -> bool {
        let of_peers = match &self.server {
            Server::Alone(_) => false,
            Server::Ensemble(ensemble) => !ensemble.events.is_empty(),
        };
        !self.inbox.is_empty() || self.has_requests() || self.is_cut || of_peers
    }

    /// The mailbox, for the shell's sleep protocol.
    pub fn inbox(&mut self) -> &mut Receiver<ToControl> {
        &mut self.inbox
    }

    /// One turn. `now` and `wall` are read by the shell.
    pub fn turn(&mut self, now: Millis, wall: WallMillis) -> Verdict {
        (self.base.now, self.base.wall) = (now, wall);
        self.base.budget = Budget::default();
        if self.is_behind_last_record() {
            self.turn_behind_last_record();
            return self.verdict();
        }
        if self.turns.begin() {
            self.as_member(|ensemble, base| ensemble.leave_role(base, RoleEnd::Standstill));
        }
        self.take_mail();
        self.base.budget.begin_step();
        self.as_member(Ensemble::turn);
        self.settle();
        self.as_member(|ensemble, base| ensemble.pace_leader(base.pipeline.log_is_full()));
        self.expire();
        self.as_member(Ensemble::close_lost_sessions);
        self.reap();
        self.as_member(Ensemble::lead_settle);
        self.base.pipeline.push_log();
        self.base.mark_moments();
        self.apply_due();
        self.as_member(|ensemble, base| {
            ensemble.send_waiting_snapshots(base);
            ensemble.leave_when_applied(base);
            ensemble.persist_committed(base, false);
        });
        self.settle();
        self.base.audit.flush();
        self.base.pipeline.flush_outlets();
        self.base.gauges.outstanding.set(self.base.pipeline.queue.len() as i64);
        self.count_sessions();
        self.base.publish_ages();
        self.verdict()
    }

    /// Where a role has ended: what the log was given is applied, and then another leader looked for.
    fn settle(&mut self) {
        let Server::Ensemble(ensemble) = &mut self.server else { return };
        if !ensemble.settles(&mut self.base) {
            return;
        }
        self.apply_due();
        if self.base.pipeline.queue.is_empty() {
            self.as_member(Ensemble::look);
        }
    }

    /// Whether the last turn ended for its length: the thread should look at its sockets before the
    /// next.
    pub fn is_cut(&self) -> bool {
        self.is_cut || self.has_requests()
    }

    fn take(&mut self, message: ToControl) {
        self.base.budget.work += 1;
        match message {
            ToControl::Open { conn, timeout } => self.open(conn, timeout),
            ToControl::Resume { conn, session, timeout } => self.resume(conn, session, timeout),
            ToControl::Write { conn, session, xid, op, identities, audited } => {
                self.write(conn, session, xid, &op, &identities, audited);
            }
            ToControl::Sync { conn, session } => self.sync(conn, session),
            ToControl::Close { conn, session, xid } => self.close(conn, session, xid),
            ToControl::Snapshot => self.snapshot(),
            ToControl::TakeSnapshot(asked) => self.take_snapshot(asked),
            ToControl::SnapshotDone => {
                self.base.snapshot_running = None;
                self.as_member(Ensemble::try_disk);
                if let Some(asked) = self.base.snapshot_asked.take() {
                    self.take_snapshot(asked);
                }
            }
            ToControl::LogRead { link, chunk } => {
                self.as_member(|ensemble, base| ensemble.log_read(base, link, chunk));
            }
            ToControl::SnapshotPiece { link, piece } => {
                self.as_member(|ensemble, base| ensemble.snapshot_piece(base, link, piece));
            }
            ToControl::Log(LogEvent::Durable { upto }) => self.durable(upto),
            ToControl::Log(LogEvent::SnapshotDue { .. }) => self.snapshot(),
            ToControl::Log(LogEvent::Stopped) if self.base.stopping == Stopping::Log => {
                self.log_stopped = true;
            }
            ToControl::Log(LogEvent::Stopped) => self.as_member(Ensemble::log_ended),
            ToControl::HistoryChanged(changed) => {
                self.as_member(|ensemble, base| ensemble.history_changed(base, *changed));
            }
            ToControl::TellSessions(ask) => self.tell_sessions(&ask),
            ToControl::TellObservers(answer) => self.tell_observers(&answer),
            ToControl::Probe(end) => end.answer(),
            ToControl::Confirm(end) => self.confirm(end),
            ToControl::Stop => self.begin_to_stop(),
        }
    }

    /// As [`Control::snapshot`], and behind one that is being written, which may lack what whoever
    /// asks has seen. One may wait; where another comes, or log and tree are about to become others,
    /// it is dropped, which its owner sees.
    fn take_snapshot(&mut self, asked: OnSnapshot) {
        self.base.snapshot_asked = self.server.disk_is_settled().then_some(asked);
        self.snapshot();
    }

    /// Starts a snapshot of what is applied now, unless one is being written.
    fn snapshot(&mut self) {
        if self.base.snapshot_running.is_some() || !self.server.disk_is_settled() {
            return;
        }
        let base = &mut self.base;
        let abandoned = Arc::new(AtomicBool::new(false));
        let job = Job::Snapshot {
            sessions: base
                .sessions
                .durable
                .iter()
                .skip(usize::from(mutants::on(Mutant::SnapshotForgetsSession)))
                .map(|(id, t)| (*id, *t))
                .collect(),
            at: base.pipeline.tree.applied(),
            restored_upto: base.pipeline.restored_upto,
            abandoned: abandoned.clone(),
            asked: base.snapshot_asked.take(),
        };
        // The queue holds one job and none is running, so this only fails when the thread is gone.
        base.snapshot_running = base.jobs.try_send(job).is_ok().then_some(abandoned);
    }

    fn verdict(&mut self) -> Verdict {
        let now = self.base.now;
        if let Some(why) = self.base.failed.take() {
            return Verdict::Failed(why);
        }
        if let Some(verdict) = self.stop_verdict() {
            return verdict;
        }
        if !self.base.pipeline.outlets_have_room() {
            return Verdict::WaitUntil(Some(now + OUTLET_RETRY_MS));
        }
        let of_peers = match &self.server {
            Server::Alone(_) => None,
            Server::Ensemble(ensemble) => ensemble.deadline(now),
        };
        let expiry = self.base.sessions.table.next_due();
        let timers = [
            expiry.filter(|_| self.lets_expire() && self.has_room()),
            self.decides().then(|| self.next_check()),
            of_peers,
        ];
        Verdict::WaitUntil(timers.into_iter().flatten().min())
    }

    /// Whether this server makes the ensemble's transactions: sessions expire here and nowhere
    /// else (I12).
    fn decides(&self) -> bool {
        self.base.serves_all() && self.may_propose() && self.server.makes_transactions()
    }
}
