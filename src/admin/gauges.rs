//! Figures the roles keep for operators.
//!
//! Every counter has one writing thread, so it is a plain load and store, never a locked
//! instruction on a request's way. Readers may see figures of slightly different moments.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::log::figures::{Figures, Values};
use crate::types::{ConnId, Millis, WallMillis};

/// A number with one writer. Relaxed throughout: nothing is ordered by a figure.
#[derive(Default, Debug)]
pub struct Figure(AtomicI64);

impl Figure {
    pub fn new(value: i64) -> Figure {
        Figure(AtomicI64::new(value))
    }
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }
    /// Only by its one writer.
    pub fn add(&self, n: i64) {
        self.set(self.get().wrapping_add(n));
    }
}

/// A summary as `mntr` prints it: count, sum, least and most; percentiles by power-of-two-ish
/// buckets, which are exact below 16 and within 1/8 above.
#[derive(Debug)]
pub struct Summary {
    count: Figure,
    sum: Figure,
    min: Figure,
    max: Figure,
    buckets: Box<[AtomicU64]>,
}

const SUB_BITS: u32 = 3;
const BUCKETS: usize = ((64 - SUB_BITS as usize) << SUB_BITS) + (1 << SUB_BITS);

fn bucket_of(value: u64) -> usize {
    if value < 1 << SUB_BITS {
        return value as usize;
    }
    let exponent = 63 - value.leading_zeros() - SUB_BITS;
    (((exponent + 1) as usize) << SUB_BITS) + ((value >> exponent) as usize & ((1 << SUB_BITS) - 1))
}

fn bucket_floor(bucket: usize) -> u64 {
    if bucket < 1 << SUB_BITS {
        return bucket as u64;
    }
    let exponent = (bucket >> SUB_BITS) - 1;
    (((bucket & ((1 << SUB_BITS) - 1)) + (1 << SUB_BITS)) as u64) << exponent
}

impl Default for Summary {
    fn default() -> Summary {
        Summary {
            count: Figure::default(),
            sum: Figure::default(),
            min: Figure::new(i64::MAX),
            max: Figure::default(),
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

/// A summary read at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SummaryValues {
    pub count: i64,
    pub sum: i64,
    pub min: i64,
    pub max: i64,
    pub buckets: Vec<u64>,
}

impl Summary {
    /// Only by its one writer.
    pub fn record(&self, value: i64) {
        let value = value.max(0);
        self.count.add(1);
        self.sum.add(value);
        if value < self.min.get() {
            self.min.set(value);
        }
        if value > self.max.get() {
            self.max.set(value);
        }
        let bucket = &self.buckets[bucket_of(value as u64)];
        bucket.store(bucket.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub fn reset(&self) {
        self.count.set(0);
        self.sum.set(0);
        self.min.set(i64::MAX);
        self.max.set(0);
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
    }

    pub fn values(&self) -> SummaryValues {
        let count = self.count.get();
        SummaryValues {
            count,
            sum: self.sum.get(),
            min: if count == 0 { 0 } else { self.min.get() },
            max: self.max.get(),
            buckets: self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect(),
        }
    }
}

impl SummaryValues {
    pub fn merge(&mut self, other: &SummaryValues) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.sum += other.sum;
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
    }

    /// `quantile` between 0 and 1.
    pub fn percentile(&self, quantile: f64) -> i64 {
        let wanted = ((self.count as f64) * quantile).ceil() as u64;
        let mut seen = 0;
        for (index, n) in self.buckets.iter().enumerate() {
            seen += n;
            if *n > 0 && seen >= wanted {
                return (bucket_floor(index) as i64).clamp(self.min, self.max);
            }
        }
        self.max
    }

    pub fn average(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}

/// One client connection, as `stat` and `cons` show it.
#[derive(Debug)]
pub struct ConnGauges {
    pub peer: SocketAddr,
    pub established: WallMillis,
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
    pub fn new(peer: SocketAddr, established: WallMillis) -> ConnGauges {
        let gauges = ConnGauges {
            peer,
            established,
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

    pub fn answered(&self, cxid: i64, zxid: i64, latency: i64, at: WallMillis) {
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

/// No operation yet: an opcode no request has.
pub const NO_OP: i64 = i64::MIN;

/// One network core's figures; that core writes them.
#[derive(Default, Debug)]
pub struct CoreGauges {
    pub received: Figure,
    pub sent: Figure,
    pub bytes_received: Figure,
    pub response_bytes: Figure,
    pub watch_bytes: Figure,
    pub auth_failed: Figure,
    pub connection_requests: Figure,
    pub connections_rejected: Figure,
    pub connections_dropped: Figure,
    pub sessionless_expired: Figure,
    pub revalidated: Figure,
    pub watches: Figure,
    pub watched_paths: Figure,
    pub watching_conns: Figure,
    pub data_watches: Figure,
    /// Largest, smallest and last reply in bytes; -1 before the first.
    pub response_last: Figure,
    pub response_min: Figure,
    pub response_max: Figure,
    pub latency: Summary,
    pub read_latency: Summary,
    pub update_latency: Summary,
    pub fired_created: Summary,
    pub fired_deleted: Summary,
    pub fired_changed: Summary,
    pub fired_children: Summary,
    pub conns: Mutex<BTreeMap<ConnId, Arc<ConnGauges>>>,
}

impl CoreGauges {
    pub fn new() -> CoreGauges {
        let gauges = CoreGauges::default();
        gauges.forget_responses();
        gauges
    }

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
            &self.connections_dropped,
            &self.sessionless_expired,
            &self.revalidated,
        ] {
            figure.set(0);
        }
        for summary in [
            &self.latency,
            &self.read_latency,
            &self.update_latency,
            &self.fired_created,
            &self.fired_deleted,
            &self.fired_changed,
            &self.fired_children,
        ] {
            summary.reset();
        }
        self.forget_responses();
    }
}

/// The whole server's figures.
#[derive(Debug)]
pub struct Gauges {
    pub cores: Vec<Arc<CoreGauges>>,
    pub started: Millis,
    /// Written by the control core.
    pub sessions: Figure,
    pub outstanding: Figure,
    pub prepared: Figure,
    pub stale_sessions_expired: Figure,
    pub digest_mismatches: Figure,
    pub snapshot_errors: Figure,
    pub snapshot_time: Summary,
    /// Written once at start.
    pub snap_load_time: Summary,
    pub txns_load_time: Summary,
    pub txns_loaded: Summary,
    pub db_init_time: Summary,
    /// The log thread's; set once it runs.
    log: OnceLock<Arc<Figures>>,
    /// Still serving.
    pub running: AtomicBool,
}

impl Gauges {
    pub fn new(cores: usize, started: Millis) -> Gauges {
        Gauges {
            cores: (0..cores).map(|_| Arc::new(CoreGauges::new())).collect(),
            started,
            sessions: Figure::default(),
            outstanding: Figure::default(),
            prepared: Figure::default(),
            stale_sessions_expired: Figure::default(),
            digest_mismatches: Figure::default(),
            snapshot_errors: Figure::default(),
            snapshot_time: Summary::default(),
            snap_load_time: Summary::default(),
            txns_load_time: Summary::default(),
            txns_loaded: Summary::default(),
            db_init_time: Summary::default(),
            log: OnceLock::new(),
            running: AtomicBool::new(true),
        }
    }

    pub fn set_log(&self, figures: Arc<Figures>) {
        // Set once: a second log there is not.
        let _ = self.log.set(figures);
    }

    pub fn log(&self) -> Values {
        self.log.get().map(|figures| figures.read()).unwrap_or_default()
    }

    pub fn sum(&self, of: impl Fn(&CoreGauges) -> &Figure) -> i64 {
        self.cores.iter().map(|core| of(core).get()).sum()
    }

    pub fn merged(&self, of: impl Fn(&CoreGauges) -> &Summary) -> SummaryValues {
        let mut all = SummaryValues::default();
        for core in &self.cores {
            all.merge(&of(core).values());
        }
        all
    }

    pub fn reset(&self) {
        for core in &self.cores {
            core.reset();
        }
        self.snapshot_time.reset();
        if let Some(figures) = self.log.get() {
            figures.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_they_say() {
        for value in (0..5000u64).chain([u64::MAX >> 1, 1 << 40]) {
            let bucket = bucket_of(value);
            assert!(bucket_floor(bucket) <= value, "{value}");
            assert!(bucket + 1 >= BUCKETS || bucket_floor(bucket + 1) > value, "{value}");
        }
    }

    #[test]
    fn summaries_of_cores_merge_into_one() {
        let (a, b) = (Summary::default(), Summary::default());
        (1..=90).for_each(|v| a.record(v));
        (91..=100).for_each(|v| b.record(v));
        let mut all = a.values();
        all.merge(&b.values());
        assert_eq!((all.count, all.min, all.max, all.sum), (100, 1, 100, 5050));
        assert!((44..=50).contains(&all.percentile(0.5)));
        assert!((88..=99).contains(&all.percentile(0.99)));
        assert_eq!(SummaryValues::default().percentile(0.99), 0);
    }
}
