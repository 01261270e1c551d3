//! What every server has, on its own or in an ensemble, and what both kinds do with it alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};

use super::ages::Ages;
use super::moments::Moments;
use super::origin::Origin;
use super::pipeline::{Pipeline, work_of};
use super::reason::DiskError;
use super::session_state::SessionState;
use super::{ControlSettings, Stopping};
use crate::admin::audit::AuditBatch;
use crate::admin::slow::Stations;
use crate::codec::request::WriteOp;
use crate::codec::txn::Entry;
use crate::metrics::gauges::Gauges;
use crate::prep::Requester;
use crate::roles::jobs::{Job, LearnerJob, OnSnapshot};
use crate::roles::message::{Service, ToNetwork};
use crate::session::Scope;
use crate::types::{ConnRef, Millis, Owner, SessionId, WallMillis, Zxid, limits};

use bytes::Bytes;

pub(super) struct Base {
    pub settings: ControlSettings,
    pub pipeline: Pipeline,
    pub sessions: SessionState,
    /// What clients get: everything when alone, else as long as there is a leader.
    pub service: Service,
    pub budget: Budget,
    /// The turn's time.
    pub now: Millis,
    pub wall: WallMillis,
    pub stopping: Stopping,
    pub failed: Option<DiskError>,
    pub jobs: SyncSender<Job>,
    pub learner_jobs: mpsc::Sender<LearnerJob>,
    /// The flag of the snapshot that is being written.
    pub snapshot_running: Option<Arc<AtomicBool>>,
    /// Whoever asked for the next one.
    pub snapshot_asked: Option<OnSnapshot>,
    pub next_container_check: Millis,
    pub ages: Ages,
    pub gauges: Arc<Gauges>,
    /// Records of this turn for the audit log.
    pub audit: AuditBatch,
    /// Where slow operations are looked for.
    pub moments: Option<Box<Moments>>,
}

/// What comes has a share of each turn, and so have other servers and what is to be applied: none of
/// them keeps the others waiting for longer than its share takes.
#[derive(Default)]
pub(super) struct Budget {
    /// What a step of this turn has taken on so far: see [`limits::TURN_WORK`].
    pub work: usize,
    /// And the steps before it.
    pub work_before: usize,
    /// What this turn may still begin with, in bytes.
    pub bytes: usize,
}

impl Budget {
    pub(super) fn begin_step(&mut self) {
        self.work_before += std::mem::take(&mut self.work);
    }

    pub(super) fn may_go_on(&self) -> bool {
        self.work < limits::TURN_WORK
    }
}

impl Base {
    pub(super) fn serves_all(&self) -> bool {
        self.service == Service::All
    }

    /// A transaction made here, as bytes for the log.
    pub(super) fn encode(&mut self, entry: &Entry) -> Bytes {
        let bytes = self.pipeline.encode(entry);
        let entries = self.pipeline.prep.take_entries() / limits::WORK_ENTRIES;
        self.budget.work += work_of(&entry.txn) + entries;
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes.len());
        self.gauges.prepared.add(1);
        bytes
    }

    /// Nobody else wants the bytes: shared, they would be freed across threads.
    pub(super) fn propose_alone(&mut self, entry: Entry, origin: Origin) {
        let bytes = self.encode(&entry);
        let len = bytes.len();
        self.pipeline.append(entry.header.zxid, bytes);
        self.pipeline.queue.propose(entry, (Bytes::new(), len), origin);
    }

    /// The tree is about to become another one.
    pub(super) fn abandon_snapshot(&mut self) {
        if let Some(abandoned) = &self.snapshot_running {
            abandoned.store(true, Ordering::SeqCst);
        }
    }

    /// Nothing is promised after a disk has failed (I11).
    pub(super) fn fail(&mut self, why: DiskError) {
        tracing::error!(why = why.to_string(), "cannot go on");
        self.failed.get_or_insert(why);
    }

    /// The client may be told that it has its session.
    pub(super) fn session_ready(&mut self, conn: ConnRef, session: SessionId, timeout: i32) {
        // One that came with the last leader, or from a learner, has none here yet.
        let pulse = self.sessions.heard.entry(session).or_default().clone();
        pulse.touch(self.now);
        let ready = ToNetwork::SessionReady {
            conn: conn.conn,
            session,
            timeout,
            local: self.sessions.table.is_local(session),
            pulse,
            zxid: self.pipeline.tree.applied(),
        };
        self.pipeline.send(conn, ready);
    }

    pub(super) fn session_gone(&mut self, conn: ConnRef) {
        let zxid = self.pipeline.tree.applied();
        self.pipeline.send(conn, ToNetwork::SessionGone { conn: conn.conn, zxid });
    }

    /// A recovered session gets its full timeout again: its client must find us first.
    pub(super) fn track_recovered_sessions(&mut self) {
        self.sessions.track_durable(self.now);
        let SessionState { durable, heard, .. } = &mut self.sessions;
        for session in durable.keys() {
            heard.entry(*session).or_default().touch(self.now);
        }
    }

    /// A session of this server's clients, tracked here to be reported to the leader.
    pub(super) fn adopt_session(&mut self, conn: ConnRef, session: SessionId, timeout: i32) {
        if let Some(Owner::Conn(old)) = self.sessions.table.owner(session)
            && old != conn
        {
            self.pipeline.drop_connection(old);
        }
        self.sessions.table.create_as(Scope::Remote, session, timeout, self.now);
        self.sessions.table.set_owner(session, conn.into());
        self.session_ready(conn, session, timeout);
    }
}

/// Transactions made here, by the state that what is proposed will leave behind.
impl Base {
    pub(super) fn create_session(&mut self, session: SessionId, timeout: i32) -> Entry {
        self.pipeline.prep.create_session(&self.pipeline.tree, self.wall, session, timeout)
    }

    pub(super) fn close_session(&mut self, session: SessionId, cxid: i32) -> Entry {
        self.pipeline.prep.close_session(&self.pipeline.tree, self.wall, session, cxid)
    }

    pub(super) fn write(&mut self, requester: &Requester<'_>, op: &WriteOp) -> Entry {
        let Pipeline { prep, tree, .. } = &mut self.pipeline;
        prep.write(tree, &self.sessions.table, self.wall, requester, op)
    }
}

/// How old transactions are at their stations.
impl Base {
    /// The age of a transaction by the clocks of two servers, which may differ.
    fn age(&self, time: WallMillis) -> i64 {
        (self.wall.0 - time.0).max(0)
    }

    pub(super) fn note_applied(&mut self, time: WallMillis) {
        let age = self.age(time);
        self.ages.applied.record(age, &self.gauges.propagation);
    }

    pub(super) fn note_arrived(&mut self, time: WallMillis) {
        let age = self.age(time);
        self.ages.arrived.record(age, &self.gauges.quorum.proposal_latency);
    }

    pub(super) fn note_agreed(&mut self, before: Zxid, upto: Zxid) {
        for (age, count) in self.ages.take_agreed(before, upto, self.now) {
            self.ages.agreed.record_many(age, count, &self.gauges.quorum.quorum_ack_latency);
        }
    }

    /// Before what is due is applied.
    pub(super) fn mark_moments(&mut self) {
        if let Some(moments) = &mut self.moments {
            moments.mark(&self.pipeline.queue, self.now);
        }
    }

    /// Of a transaction that is applied now.
    pub(super) fn stations(&self, zxid: Zxid) -> Stations {
        self.moments.as_ref().map_or(Stations::NONE, |moments| moments.stations(zxid, self.now))
    }

    /// At the end of a turn.
    pub(super) fn publish_ages(&mut self) {
        self.ages.applied.flush(&self.gauges.propagation);
        self.ages.arrived.flush(&self.gauges.quorum.proposal_latency);
        self.ages.agreed.flush(&self.gauges.quorum.quorum_ack_latency);
    }
}
