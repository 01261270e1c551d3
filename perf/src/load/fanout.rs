//! One znode, thousands of watchers: how long until each, and the last, has heard of a write.
//!
//! The run's first connection writes, all others watch. A round: every watcher sets its watch;
//! when the last has, one write; when the last event has come, the next round. Workers share the
//! round's counters; one that must wait for another looks every millisecond, but no measured
//! moment depends on that: moments are taken when a write is sent and when an event is read.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use super::{expect_ok, expect_shape, record, value};
use crate::engine::lane::Pending;
use crate::engine::{Cx, Load};
use crate::fault::Fault;
use crate::record::Class;
use crate::ring::Gather;
use crate::wire::{self, Cursor, Reply, op};

const TOLD: usize = 0;
const LAST: usize = 1;
const WRITE: usize = 2;
const ARM: usize = 3;

const LOOK_EVERY: u64 = 1_000_000;
/// A fan-out takes milliseconds; elsewhere its watchers would be on as many machines, and not one
/// wake-up of the server's neighbour each.
pub(crate) const GATHER: Gather = Gather { enough: 64, within_us: 50 };
const NODE_DATA_CHANGED: i32 = 3;
const SYNC_CONNECTED: i32 = 3;

/// What the workers share.
pub struct Round {
    watchers: usize,
    number: AtomicU64,
    armed: AtomicUsize,
    told: AtomicUsize,
    fired: AtomicU64,
}

impl Round {
    pub fn new(watchers: usize) -> Round {
        Round {
            watchers,
            number: AtomicU64::new(1),
            armed: AtomicUsize::new(0),
            told: AtomicUsize::new(0),
            fired: AtomicU64::new(0),
        }
    }
}

pub fn path(root: &str) -> Vec<u8> {
    format!("{root}/watched").into_bytes()
}

pub struct Fanout {
    path: Vec<u8>,
    filler: Arc<[u8]>,
    /// Whether lane 0 of this worker is the writer.
    writes: bool,
    round: Arc<Round>,
    /// The round this worker's watchers have armed for.
    armed_for: u64,
    /// The round this writer has fired.
    fired: u64,
    next_look: u64,
}

impl Fanout {
    pub fn new(root: &str, filler: Arc<[u8]>, writes: bool, round: Arc<Round>) -> Fanout {
        let path = path(root);
        Fanout { path, filler, writes, round, armed_for: 0, fired: 0, next_look: 0 }
    }

    /// Takes whatever step of the round is due here.
    fn advance(&mut self, cx: &mut Cx<'_>) {
        if cx.ending {
            return;
        }
        let number = self.round.number.load(SeqCst);
        if self.armed_for < number {
            self.armed_for = number;
            for lane in usize::from(self.writes)..cx.lanes() {
                let (path, now) = (&self.path, cx.now);
                cx.request(lane, ARM, number, now, |out, xid| {
                    wire::query(out, xid, op::GET_DATA, path, true);
                });
            }
        }
        let armed = self.round.armed.load(SeqCst) == self.round.watchers;
        if self.writes && armed && self.fired < number {
            self.fired = number;
            let (path, filler) = (&self.path, &self.filler);
            let now = crate::clock::now();
            self.round.fired.store(now, SeqCst);
            cx.request(0, WRITE, number, now, |out, xid| {
                wire::set_data(out, xid, path, value(filler, number));
            });
        }
        self.next_look = cx.now + LOOK_EVERY;
    }
}

impl Load for Fanout {
    fn classes(&self) -> Vec<Class> {
        vec![Class::new("told"), Class::view("last-told"), Class::view("write"), Class::view("arm")]
    }

    fn paced(&self) -> bool {
        false
    }

    fn gather(&self) -> Option<Gather> {
        Some(GATHER)
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        self.advance(cx);
        Ok(())
    }

    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        asked: Pending,
        reply: &Reply<'_>,
    ) -> Result<(), Fault> {
        expect_ok(cx, lane, reply, "getData or setData")?;
        record(cx, asked);
        if usize::from(asked.class) == ARM {
            self.round.armed.fetch_add(1, SeqCst);
            self.advance(cx);
        }
        Ok(())
    }

    fn event(&mut self, cx: &mut Cx<'_>, lane: usize, event: &Reply<'_>) -> Result<(), Fault> {
        let mut body = Cursor(event.body);
        let kind = (body.int(), body.int(), body.bytes());
        let good = kind == (Some(NODE_DATA_CHANGED), Some(SYNC_CONNECTED), Some(&self.path));
        expect_shape(cx, lane, Some(good), event, "a watch")?;
        let (fired, now) = (self.round.fired.load(SeqCst), cx.now);
        cx.recorder.record(TOLD, fired, now);
        if self.round.told.fetch_add(1, SeqCst) + 1 == self.round.watchers {
            cx.recorder.record(LAST, fired, now);
            self.round.told.store(0, SeqCst);
            self.round.armed.store(0, SeqCst);
            self.round.number.fetch_add(1, SeqCst);
            self.advance(cx);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<u64> {
        // Alone, every step follows from an event or a reply; in company, look now and then.
        (Arc::strong_count(&self.round) > 2).then_some(self.next_look)
    }

    fn tick(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        self.advance(cx);
        Ok(())
    }
}
