//! The log's decisions: which records make a batch, where it goes, when a segment ends, when a
//! snapshot is due, what space to prepare. Inputs in, effects out; no IO, no clock, no thread.
//!
//! ```text
//!           Adopt (rename, directory flush)      last batch + Seal
//!  preparing ──────────────► current ──────────────────────► sealed
//!     ▲ Fill, step by step     │ ▲ Write, one at a time
//!     └── Prepared             └─┘ Flushed
//! ```
//!
//! * A batch lies in one segment, and only one is in flight. So when a segment is adopted all of
//!   the one before it is durable, and a crash can tear nothing but the last batch.
//! * The current segment never grows: when its prepared space is used up the next begins. A flush
//!   then carries data only; growing a live file would make its flushes wait for the journal.
//!   (Java grows its file; where files end means nothing to a reader.)
//! * A process never appends to a file that it did not begin (FileTxnLog.append).
//! * Space that is short ends nothing before it is needed: the current segment is used to its last byte,
//!   and the next is made as small as it must be.
//! * Without `forceSync` a segment is flushed once, when it is finished: what stands before a newer
//!   segment is whole, here too.

use super::event::{Durable, LogEvent};
use super::frame::{self, HEADER, Nonce, RECORD_EXTRA, TRAILER};
use super::settings::{BATCH_BYTES, FIRST_STEP, LogSettings, SMALLEST, STEP};
use super::side::SideRecord;
use crate::disk::DIRECT_ALIGN;
use crate::mutants::{self, Mutant};
use crate::types::{Millis, SplitMix64, Zxid};
use bytes::Bytes;
use std::collections::VecDeque;

/// Prepared space ends where a direct write may end.
const BLOCK: u64 = DIRECT_ALIGN as u64;

/// One transaction for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Append {
    /// The successor of the one before, within an epoch.
    pub zxid: Zxid,
    /// As `codec::txn::encode_entry` makes it.
    pub entry: Bytes,
}

/// What the log is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Input {
    /// One more transaction.
    Append(Append),
    /// What follows goes into a new segment.
    RollNow,
    /// Nothing more has come for the moment, or the deadline has.
    Quiet,
    /// The batch of the last `Write` is durable; its buffer, for the next.
    Flushed(Vec<u8>),
    /// The `Fill` is done: the file is durable up to here.
    Prepared { segment: u64, upto: u64 },
    /// The `Fill` found no space; the file is as long as before.
    NoSpace { segment: u64 },
    /// Finish what has come, then end.
    Stop,
}

/// What the shell must do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Effect {
    /// For the preparing thread.
    Prepare(Job),
    /// Give the prepared segment the name `log.<first>` and flush the directory.
    Adopt { first: Zxid },
    /// Write to the current segment and flush it; then feed `Flushed`.
    Write { offset: u64, bytes: Vec<u8>, records: usize, flush: bool },
    /// Flush the current segment, whose batches were not.
    Flush,
    /// There is no space for what has come: the log ends.
    OutOfSpace {
        /// Bytes.
        wanted: u64,
    },
    /// For the control core.
    Report(LogEvent),
}

/// Work off the request's way.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Job {
    /// Zero-fill `from..to` of the segment in preparation and flush it; then feed `Prepared`.
    /// With `from` 0 the file is made, with this header, and the directory flushed.
    Fill { segment: u64, header: [u8; HEADER], from: u64, to: u64 },
    /// Give back the space behind a finished segment, and put down its side record.
    Seal(SideRecord),
    /// Write down what is durable of the current segment ([`super::horizon`]).
    Promise(SideRecord),
}

/// The segment being written.
#[derive(Debug)]
struct Current {
    segment: u64,
    nonce: Nonce,
    first: Zxid,
    /// Where the next record goes.
    position: u64,
    /// Prepared bytes.
    capacity: u64,
    /// Of all bytes before `position`.
    crc: u32,
}

/// The segment in preparation.
#[derive(Debug)]
struct Next {
    segment: u64,
    nonce: Nonce,
    /// Durable bytes; 0: not begun.
    ready: u64,
    /// Bytes to prepare at least, for a record larger than a usual segment.
    demanded: u64,
    filling: bool,
    room: Room,
}

/// What the disk has for the segment in preparation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Room {
    /// As much as is wanted, for all that is known.
    Enough,
    /// Not so much: no more than is needed is asked for.
    Short,
    /// Not even that, when it was last asked for.
    None,
}

impl Next {
    /// `filling`: a step of the segment before it is under way.
    fn new(segment: u64, nonce: Nonce, filling: bool) -> Next {
        Next { segment, nonce, ready: 0, demanded: 0, filling, room: Room::Enough }
    }
}

#[derive(Debug)]
enum Waiting {
    Append(Append),
    Roll,
}

/// The batch of which `Flushed` has not come yet.
#[derive(Debug)]
struct InFlight {
    last: Zxid,
    snapshot_due: bool,
}

/// See the module's front comment.
#[derive(Debug)]
pub struct LogCore {
    settings: LogSettings,
    random: SplitMix64,
    /// Bounded by the mailbox: the shell takes no more from it while a batch is full.
    waiting: VecDeque<Waiting>,
    /// A batch is due and waits for prepared space: time changes nothing before that comes.
    lacks_space: bool,
    waiting_records: usize,
    in_flight: Option<InFlight>,
    current: Option<Current>,
    next: Next,
    roll_due: bool,
    stopping: bool,
    stopped: bool,
    /// Last transaction taken in.
    last: Zxid,
    durable: Zxid,
    /// What the last flush has made durable of the segment it was in.
    promise: Option<SideRecord>,
    /// Since the last snapshot was called for.
    snap_records: u64,
    snap_bytes: u64,
    snap_records_limit: u64,
    snap_bytes_limit: u64,
    last_flush: Millis,
    last_arrival: Millis,
    spare: Vec<u8>,
    /// Bytes prepared at first, and then at a time.
    steps: (u64, u64),
}

impl LogCore {
    /// `last`: the newest transaction that log and snapshots hold, durable; the next one must
    /// follow it. `seed` decides when snapshots are due and what the segments' nonces are.
    pub fn new(settings: LogSettings, last: Zxid, seed: u64, now: Millis) -> LogCore {
        let mut core = LogCore {
            settings,
            random: SplitMix64::new(seed),
            waiting: VecDeque::new(),
            lacks_space: false,
            waiting_records: 0,
            in_flight: None,
            current: None,
            next: Next::new(0, Nonce(0), false),
            roll_due: false,
            stopping: false,
            stopped: false,
            last,
            durable: last,
            promise: None,
            snap_records: 0,
            snap_bytes: 0,
            snap_records_limit: 0,
            snap_bytes_limit: 0,
            last_flush: now,
            last_arrival: now,
            spare: Vec::new(),
            steps: (FIRST_STEP, STEP),
        };
        core.draw_snapshot_limits();
        core.next.nonce = Nonce(core.random.draw() as u32);
        core
    }

    /// As `new`, with other steps of preparation, so that tests and the simulator can see every one.
    pub fn with_steps(self, first: u64, later: u64) -> LogCore {
        LogCore { steps: (first, later), ..self }
    }

    /// What the shell does before the first input.
    pub fn start(&mut self, out: &mut Vec<Effect>) {
        self.fill(out);
    }

    /// The horizon.
    pub fn durable(&self) -> Zxid {
        self.durable
    }

    /// What is durable of the current segment, for [`Job::Promise`]; `None` before the first flush, and
    /// where nothing is flushed.
    pub fn promise(&self) -> Option<SideRecord> {
        self.promise
    }

    /// Whether the shell should hold what else has come until a batch is out.
    pub fn is_full(&self) -> bool {
        self.settings.max_batch > 0 && self.waiting_records >= self.settings.max_batch as usize
    }

    /// One input; effects are appended.
    pub fn step(&mut self, now: Millis, input: Input, out: &mut Vec<Effect>) {
        assert!(!self.stopped, "input after the log has stopped");
        match input {
            Input::Append(append) => self.take(now, append),
            Input::RollNow => self.waiting.push_back(Waiting::Roll),
            Input::Quiet => self.begin_batch(now, false, out),
            Input::Flushed(buffer) => self.flushed(now, buffer, out),
            Input::Prepared { segment, upto } => {
                self.prepared(segment, upto);
                self.fill(out);
                self.begin_batch(now, false, out);
            }
            Input::NoSpace { segment } => {
                self.no_space(segment, out);
                self.begin_batch(now, false, out);
            }
            Input::Stop => {
                self.stopping = true;
                self.begin_batch(now, true, out);
            }
        }
        if self.is_full() {
            self.begin_batch(now, true, out);
        }
        self.finish(out);
    }

    /// When the shell should feed `Quiet` though nothing has come; only with a flush delay.
    pub fn deadline(&self) -> Option<Millis> {
        let waits = self.settings.flush_delay_ms > 0
            && self.in_flight.is_none()
            && !self.lacks_space
            && self.waiting_records > 0;
        waits.then(|| {
            let delayed = self.last_flush + self.settings.flush_delay_ms;
            delayed.min(self.last_arrival + self.settings.poll_ms)
        })
    }

    fn take(&mut self, now: Millis, append: Append) {
        assert!(!self.stopping, "transaction {} after stop", append.zxid);
        let follows = self.last < Zxid::ZERO
            || append.zxid.epoch() > self.last.epoch()
            || self.last.next() == Some(append.zxid);
        assert!(follows, "I4: transaction {} cannot follow {}", append.zxid, self.last);
        assert!(append.entry.len() >= frame::ENTRY_MIN, "entry of {} has no header", append.zxid);
        assert!(
            append.entry.len() <= self.settings.entry_max,
            "I14: entry {} of {} bytes exceeds {}",
            append.zxid,
            append.entry.len(),
            self.settings.entry_max
        );
        debug_assert_eq!(frame::zxid_of_entry(&append.entry), append.zxid);
        self.last = append.zxid;
        self.last_arrival = now;
        self.waiting_records += 1;
        self.waiting.push_back(Waiting::Append(append));
    }

    /// Whether a batch should still wait for company (SyncRequestProcessor.shouldFlush).
    fn may_wait(&self, now: Millis) -> bool {
        !self.stopping && !self.is_full() && self.deadline().is_some_and(|d| now < d)
    }

    fn begin_batch(&mut self, now: Millis, at_once: bool, out: &mut Vec<Effect>) {
        if self.in_flight.is_some() || (!at_once && self.may_wait(now)) {
            return;
        }
        self.lacks_space = false;
        while let Some(Waiting::Roll) = self.waiting.front() {
            self.waiting.pop_front();
            self.roll_due = true;
            (self.snap_records, self.snap_bytes) = (0, 0);
        }
        let Some(Waiting::Append(first)) = self.waiting.front() else { return };
        let (zxid, need) = (first.zxid, (first.entry.len() + RECORD_EXTRA + TRAILER) as u64);
        let fits = self.current.as_ref().is_some_and(|c| c.position + need <= c.capacity);
        if (self.roll_due || !fits) && !self.adopt(zxid, need, out) {
            self.lacks_space = true;
            return;
        }
        self.write_batch(out);
    }

    /// Makes the prepared segment the current one, if it has room for `need` bytes.
    fn adopt(&mut self, first: Zxid, need: u64, out: &mut Vec<Effect>) -> bool {
        let grows = self.settings.prealloc <= 0;
        self.next.demanded = HEADER as u64 + need;
        if self.next.ready == 0 || (!grows && self.next.ready < self.next.demanded) {
            if self.next.room == Room::None && !self.next.filling {
                // It is needed now, and space may have come since it was last asked for.
                self.next.room = Room::Short;
            }
            self.fill(out);
            return false;
        }
        if let Some(old) = self.current.take() {
            self.seal(&old, out);
        }
        let Next { segment, nonce, ready, filling, .. } = self.next;
        self.current = Some(Current {
            segment,
            nonce,
            first,
            position: HEADER as u64,
            capacity: if grows { u64::MAX } else { ready },
            crc: frame::header_crc(nonce),
        });
        out.push(Effect::Adopt { first });
        self.roll_due = false;
        let nonce = Nonce(self.random.draw() as u32);
        // A fill still under way is of the adopted file; the next waits for its end.
        self.next = Next::new(segment + 1, nonce, filling);
        self.fill(out);
        true
    }

    fn write_batch(&mut self, out: &mut Vec<Effect>) {
        let Some(current) = &mut self.current else { return };
        let room = current.capacity - current.position - TRAILER as u64;
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        let (mut records, mut last, mut snapshot_due) = (0, Zxid::ZERO, false);
        while let Some(Waiting::Append(append)) = self.waiting.front() {
            let after = bytes.len() + append.entry.len() + RECORD_EXTRA;
            let count_full =
                self.settings.max_batch > 0 && records >= self.settings.max_batch as usize;
            if after as u64 > room || (records > 0 && (after > BATCH_BYTES || count_full)) {
                break;
            }
            frame::put_record(&mut bytes, &append.entry);
            (records, last) = (records + 1, append.zxid);
            self.snap_records += 1;
            self.snap_bytes += (append.entry.len() + RECORD_EXTRA) as u64;
            self.waiting.pop_front();
            if self.snap_records > self.snap_records_limit
                || (self.settings.snap_size > 0 && self.snap_bytes > self.snap_bytes_limit)
            {
                snapshot_due = true;
                break;
            }
        }
        assert!(records > 0, "a batch without records");
        self.waiting_records -= records;
        let start = current.position;
        current.position += bytes.len() as u64;
        current.crc = crc32c::crc32c_append(current.crc, &bytes);
        // A trailer proves what was flushed before it.
        let flushed = if self.settings.force_sync { start } else { HEADER as u64 };
        frame::put_trailer(&mut bytes, current.nonce, flushed, current.position);
        let limit = self.settings.size_limit;
        self.roll_due = snapshot_due || (limit > 0 && current.position > limit as u64);
        if snapshot_due {
            self.draw_snapshot_limits();
        }
        if mutants::on(Mutant::PromisedBeforeFlush) {
            self.promise = self.current.as_ref().map(|current| self.side_record(current));
        }
        self.in_flight = Some(InFlight { last, snapshot_due });
        let flush = self.settings.force_sync;
        out.push(Effect::Write { offset: start, bytes, records, flush });
    }

    fn flushed(&mut self, now: Millis, buffer: Vec<u8>, out: &mut Vec<Effect>) {
        let Some(InFlight { last, snapshot_due }) = self.in_flight.take() else {
            panic!("I1: a flush was reported that was not asked for");
        };
        assert!(last > self.durable, "I1: durable {} again after {}", last, self.durable);
        // A batch with one huge record must not keep its memory for ever.
        if buffer.capacity() <= 2 * BATCH_BYTES {
            self.spare = buffer;
        }
        self.durable = last;
        self.last_flush = now;
        let flushed = self.current.as_ref().filter(|_| self.settings.force_sync);
        self.promise = flushed.map(|current| self.side_record(current));
        out.push(Effect::Report(LogEvent::Durable { upto: Durable(last) }));
        if snapshot_due {
            out.push(Effect::Report(LogEvent::SnapshotDue { after: last }));
        }
        self.begin_batch(now, false, out);
    }

    fn prepared(&mut self, segment: u64, upto: u64) {
        self.next.filling = false;
        if segment == self.next.segment {
            self.next.ready = upto;
        } else if let Some(current) = self.current.as_mut().filter(|c| c.segment == segment) {
            current.capacity = current.capacity.max(upto);
        }
    }

    /// The current segment ends where it is; the next is made smaller, and at the last not at all.
    fn no_space(&mut self, segment: u64, out: &mut Vec<Effect>) {
        self.next.filling = false;
        if segment != self.next.segment {
            return self.fill(out);
        }
        let needed = self.current.is_none() || self.next.demanded > self.next.ready;
        match self.next.room {
            Room::Enough => {
                self.next.room = Room::Short;
                self.fill(out);
            }
            Room::Short | Room::None if needed => {
                out.push(Effect::OutOfSpace { wanted: self.next.demanded.max(SMALLEST) });
            }
            Room::Short | Room::None => self.next.room = Room::None,
        }
    }

    /// Asks for the next step of the next segment, unless one is under way or it is whole.
    fn fill(&mut self, out: &mut Vec<Effect>) {
        let (next, (first, later)) = (&mut self.next, self.steps);
        let grows = self.settings.prealloc <= 0;
        let goal = match (self.settings.prealloc, next.room) {
            (..=0, Room::Enough | Room::Short) => HEADER as u64,
            (bytes, Room::Enough) => {
                (bytes as u64).max(first).max(next.demanded).next_multiple_of(BLOCK)
            }
            (_, Room::Short) if next.ready > 0 => next.demanded.next_multiple_of(BLOCK),
            (_, Room::Short) => SMALLEST.min(first).max(next.demanded).next_multiple_of(BLOCK),
            (_, Room::None) => 0,
        };
        if next.filling || next.ready >= goal || self.stopping && next.demanded == 0 {
            return;
        }
        let step = if next.ready == 0 { first } else { later };
        let to = goal.min(next.ready + step);
        next.filling = true;
        let Next { segment, nonce, ready: from, .. } = *next;
        let header = frame::header(nonce, !grows);
        out.push(Effect::Prepare(Job::Fill { segment, header, from, to }));
    }

    /// Nothing is written to it any more.
    fn seal(&self, finished: &Current, out: &mut Vec<Effect>) {
        // Its side record speaks of what survives power loss.
        if !self.settings.force_sync {
            out.push(Effect::Flush);
        }
        out.push(Effect::Prepare(Job::Seal(self.side_record(finished))));
    }

    fn finish(&mut self, out: &mut Vec<Effect>) {
        let done = self.stopping && self.in_flight.is_none() && self.waiting_records == 0;
        if done && !self.stopped {
            self.stopped = true;
            if let Some(current) = self.current.take() {
                self.seal(&current, out);
            }
            out.push(Effect::Report(LogEvent::Stopped));
        }
    }

    fn side_record(&self, of: &Current) -> SideRecord {
        let Current { first, nonce, position, crc, .. } = *of;
        SideRecord { first, last: self.durable, nonce, length: position, crc }
    }

    /// SyncRequestProcessor.resetSnapshotStats.
    fn draw_snapshot_limits(&mut self) {
        (self.snap_records, self.snap_bytes) = (0, 0);
        let half = u64::from(self.settings.snap_count.max(2) / 2);
        self.snap_records_limit = half + self.random.draw() % half;
        let half = (self.settings.snap_size.max(2) / 2) as u64;
        self.snap_bytes_limit = half + self.random.draw() % half;
    }
}
