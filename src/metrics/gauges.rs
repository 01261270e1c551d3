//! Figures the roles keep for operators.
//!
//! Every counter has one writing thread, so it is a plain load and store, never a locked
//! instruction on a request's way. Readers may see figures of slightly different moments.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::figure::{Figure, Summary, SummaryValues};
use super::quorum::QuorumGauges;
use crate::log::figures::{Figures, Values};
use crate::types::{ConnId, Millis, WallMillis};

/// One client connection, as `stat` and `cons` show it.
#[derive(Debug)]
#[allow(missing_docs, reason = "`cons` has these names")]
pub struct ConnGauges {
    pub peer: SocketAddr,
    pub established: WallMillis,
    /// 1: it has TLS.
    pub secure: Figure,
    pub session: Figure,
    pub timeout: Figure,
    pub received: Figure,
    pub sent: Figure,
    pub queued: Figure,
    pub last_op: Figure,
    pub last_cxid: Figure,
    pub last_zxid: Figure,
    pub last_response: Figure,
    pub last_latency: Figure,
    pub latency_min: Figure,
    pub latency_max: Figure,
    pub latency_sum: Figure,
    pub latency_count: Figure,
}

impl ConnGauges {
    /// All zero, as after `crst`.
    pub fn new(peer: SocketAddr, established: WallMillis) -> ConnGauges {
        let gauges = ConnGauges {
            peer,
            established,
            secure: Figure::default(),
            session: Figure::default(),
            timeout: Figure::default(),
            received: Figure::default(),
            sent: Figure::default(),
            queued: Figure::default(),
            last_op: Figure::default(),
            last_cxid: Figure::default(),
            last_zxid: Figure::default(),
            last_response: Figure::default(),
            last_latency: Figure::default(),
            latency_min: Figure::default(),
            latency_max: Figure::default(),
            latency_sum: Figure::default(),
            latency_count: Figure::default(),
        };
        gauges.reset();
        gauges
    }

    /// ServerCnxn.resetStats.
    pub fn reset(&self) {
        self.received.set(0);
        self.sent.set(0);
        self.last_op.set(NO_OP);
        self.last_cxid.set(-1);
        self.last_zxid.set(-1);
        self.last_response.set(0);
        self.last_latency.set(0);
        self.latency_min.set(i64::MAX);
        self.latency_max.set(0);
        self.latency_sum.set(0);
        self.latency_count.set(0);
    }

    /// As [`ConnGauges::answered`], for requests answered in the moment they came.
    pub fn answered_at_once(&self, tally: &Tally, zxid: i64, at: Millis) {
        self.answered(tally.cxid, zxid, 0, at);
        self.latency_count.add(tally.count - 1);
    }

    /// One request, `latency` ms after it came; `cxid` is the client's number of it, or negative.
    pub fn answered(&self, cxid: i64, zxid: i64, latency: i64, at: Millis) {
        if cxid >= 0 {
            self.last_cxid.set(cxid);
        }
        self.last_zxid.set(zxid);
        self.last_response.set(at.0);
        self.last_latency.set(latency);
        if latency < self.latency_min.get() {
            self.latency_min.set(latency);
        }
        if latency > self.latency_max.get() {
            self.latency_max.set(latency);
        }
        self.latency_sum.add(latency);
        self.latency_count.add(1);
    }
}

/// Answers to one connection's requests, counted before they go into the figures.
#[derive(Debug)]
pub struct Tally {
    /// So many.
    pub count: i64,
    /// The last one's that is not negative, or -1.
    cxid: i64,
    bytes: i64,
    last: i64,
    min: i64,
    max: i64,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally { count: 0, cxid: -1, bytes: 0, last: 0, min: i64::MAX, max: 0 }
    }
}

impl Tally {
    /// One more of so many bytes, the frame's length not counted.
    pub fn count(&mut self, cxid: i64, bytes: i64) {
        self.count += 1;
        if cxid >= 0 {
            self.cxid = cxid;
        }
        self.bytes += bytes;
        self.last = bytes;
        self.min = self.min.min(bytes);
        self.max = self.max.max(bytes);
    }
}

/// No operation yet: an opcode no request has.
pub const NO_OP: i64 = i64::MIN;

/// One network core's figures; that core writes them.
#[derive(Default, Debug)]
#[allow(missing_docs, reason = "metrics::catalogue says what each figure is")]
pub struct CoreGauges {
    pub received: Figure,
    pub sent: Figure,
    pub bytes_received: Figure,
    pub response_bytes: Figure,
    pub watch_bytes: Figure,
    pub auth_failed: Figure,
    pub connection_requests: Figure,
    pub connections_rejected: Figure,
    pub large_requests_rejected: Figure,
    /// What the throttles did, and what handshakes found of tokens in use.
    pub throttled_ops: Figure,
    pub throttle_waits: Figure,
    pub throttle_wait: Summary,
    pub stale_requests_dropped: Figure,
    pub token_deficit: Summary,
    /// At the last handshake.
    pub drop_share_millionths: Figure,
    pub handshakes_failed: Figure,
    /// TLS handshakes under way at the last look.
    pub handshakes: Figure,
    pub connections_dropped: Figure,
    pub sessionless_expired: Figure,
    pub revalidated: Figure,
    pub watches: Figure,
    pub watched_paths: Figure,
    pub watching_conns: Figure,
    pub data_watches: Figure,
    /// Bytes of watches, of proven identities, and of requests with the control core.
    pub watch_bytes_held: Figure,
    pub identity_bytes: Figure,
    pub open_bytes: Figure,
    /// Bytes of requests that are not whole or wait in line.
    pub request_bytes: Figure,
    /// Bytes of output that waited at the last look.
    pub output_bytes: Figure,
    /// Times that a connection's requests waited for a later turn, for the work that they are.
    pub requests_deferred: Figure,
    /// Watches, identities and multiReads that were asked for beyond a bound.
    pub watches_refused: Figure,
    pub identities_refused: Figure,
    pub multi_reads_refused: Figure,
    /// Largest, smallest and last reply in bytes; -1 before the first.
    pub response_last: Figure,
    pub response_min: Figure,
    pub response_max: Figure,
    pub read_latency: Summary,
    pub update_latency: Summary,
    pub fired_created: Summary,
    pub fired_deleted: Summary,
    pub fired_changed: Summary,
    pub fired_children: Summary,
    pub conns: Mutex<BTreeMap<ConnId, Arc<ConnGauges>>>,
}

impl CoreGauges {
    /// No answer has been given.
    pub fn new() -> CoreGauges {
        let gauges = CoreGauges::default();
        gauges.forget_responses();
        gauges
    }

    /// One answer has been made.
    pub fn response(&self, bytes: i64) {
        self.response_last.set(bytes);
        if self.response_min.get() < 0 || bytes < self.response_min.get() {
            self.response_min.set(bytes);
        }
        if bytes > self.response_max.get() {
            self.response_max.set(bytes);
        }
        self.response_bytes.add(bytes);
    }

    /// As [`CoreGauges::response`] for each of them.
    pub fn responses(&self, tally: &Tally) {
        self.response(tally.min);
        self.response(tally.max);
        self.response(tally.last);
        self.response_bytes.add(tally.bytes - tally.min - tally.max - tally.last);
    }

    fn forget_responses(&self) {
        self.response_last.set(-1);
        self.response_min.set(-1);
        self.response_max.set(-1);
    }

    /// `srst` (ServerStats.reset and the metrics provider's resetAllValues).
    pub fn reset(&self) {
        for figure in [
            &self.received,
            &self.sent,
            &self.bytes_received,
            &self.response_bytes,
            &self.watch_bytes,
            &self.connection_requests,
            &self.connections_rejected,
            &self.large_requests_rejected,
            &self.throttled_ops,
            &self.throttle_waits,
            &self.stale_requests_dropped,
            &self.handshakes_failed,
            &self.connections_dropped,
            &self.sessionless_expired,
            &self.revalidated,
        ] {
            figure.set(0);
        }
        for summary in [
            &self.read_latency,
            &self.update_latency,
            &self.fired_created,
            &self.fired_deleted,
            &self.fired_changed,
            &self.fired_children,
            &self.throttle_wait,
            &self.token_deficit,
        ] {
            summary.reset();
        }
        self.forget_responses();
    }
}

/// The audit log's; its thread writes them.
#[derive(Default, Debug)]
#[allow(missing_docs, reason = "metrics::catalogue says what each figure is")]
pub struct AuditFigures {
    pub written: Figure,
    pub lost: Figure,
}

/// The whole server's figures.
#[derive(Debug)]
#[allow(missing_docs, reason = "metrics::catalogue says what each figure is")]
pub struct Gauges {
    pub cores: Vec<Arc<CoreGauges>>,
    pub started: Millis,
    /// Written by the control core.
    pub sessions: Figure,
    /// Sessions that are this server's alone.
    pub local_sessions: Figure,
    pub outstanding: Figure,
    pub prepared: Figure,
    pub stale_sessions_expired: Figure,
    /// Handshakes that got no session because there are too many.
    pub sessions_refused: Figure,
    pub digest_mismatches: Figure,
    pub snapshot_errors: Figure,
    /// Written by the management plane.
    pub snapshots_rate_limited: Figure,
    pub snapshot_time: Summary,
    /// Written once at start.
    pub snap_load_time: Summary,
    pub txns_load_time: Summary,
    pub txns_loaded: Summary,
    /// From a transaction's time to its application here, milliseconds by the servers' clocks.
    pub propagation: Summary,
    pub db_init_time: Summary,
    /// What the server is in its ensemble, if it has one.
    pub quorum: QuorumGauges,
    /// The log thread's; set once it runs.
    log: OnceLock<Arc<Figures>>,
    pub audit: Arc<AuditFigures>,
    /// Still serving.
    pub running: AtomicBool,
    /// What `stmk` was last told (ZooTrace); nothing here depends on it.
    pub trace_mask: Figure,
}

/// ZooTrace's mask at start.
const TRACE_MASK: i64 = 306;

impl Gauges {
    /// Of a server that began at `started`, with so many network cores.
    pub fn new(cores: usize, started: Millis) -> Gauges {
        Gauges {
            cores: (0..cores).map(|_| Arc::new(CoreGauges::new())).collect(),
            started,
            sessions: Figure::default(),
            local_sessions: Figure::default(),
            outstanding: Figure::default(),
            prepared: Figure::default(),
            stale_sessions_expired: Figure::default(),
            sessions_refused: Figure::default(),
            digest_mismatches: Figure::default(),
            snapshot_errors: Figure::default(),
            snapshots_rate_limited: Figure::default(),
            snapshot_time: Summary::default(),
            snap_load_time: Summary::default(),
            txns_load_time: Summary::default(),
            txns_loaded: Summary::default(),
            propagation: Summary::default(),
            db_init_time: Summary::default(),
            quorum: QuorumGauges::new(),
            log: OnceLock::new(),
            audit: Arc::default(),
            running: AtomicBool::new(true),
            trace_mask: Figure::new(TRACE_MASK),
        }
    }

    /// The log has begun to run; only the first call counts.
    pub fn set_log(&self, figures: Arc<Figures>) {
        // Set once: a second log there is not.
        let _ = self.log.set(figures);
    }

    /// The log's; all zero before it runs.
    pub fn log(&self) -> Values {
        self.log.get().map(|figures| figures.read()).unwrap_or_default()
    }

    /// Over all cores.
    pub fn sum(&self, of: impl Fn(&CoreGauges) -> &Figure) -> i64 {
        self.cores.iter().map(|core| of(core).get()).sum()
    }

    /// Of all requests (ServerStats).
    pub fn latency(&self) -> SummaryValues {
        let mut all = self.merged(|core| &core.read_latency);
        all.merge(&self.merged(|core| &core.update_latency));
        all
    }

    /// Over all cores.
    pub fn merged(&self, of: impl Fn(&CoreGauges) -> &Summary) -> SummaryValues {
        let mut all = SummaryValues::default();
        for core in &self.cores {
            all.merge(&of(core).values());
        }
        all
    }

    /// `srst`: of all cores, and the server's own.
    pub fn reset(&self) {
        for core in &self.cores {
            core.reset();
        }
        self.snapshot_time.reset();
        self.propagation.reset();
        self.quorum.reset();
        if let Some(figures) = self.log.get() {
            figures.reset();
        }
    }
}
