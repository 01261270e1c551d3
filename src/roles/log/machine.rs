//! The log without threads and clocks: the core, what it wants done, and the segment it is done to.
//!
//! Whoever drives it does the same, a thread of its own, the thread that feeds it, or the simulator:
//! gives it what has come, and asks for step after step until it is idle.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::error::{FailedStep, LogFailure};
use super::io::SegmentIo;
use crate::disk::{self, DIRECT_ALIGN, Dir};
use crate::log::LogEvent;
use crate::log::core::{Effect, Input, Job, LogCore};
use crate::log::name::{log_name, next_name};
use crate::log::side::SideRecord;
use crate::mutants::{self, Mutant};
use crate::roles::jobs::LogInput;
use crate::types::{Millis, Zxid};

/// What one step has done.
#[derive(Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Did {
    /// Something that concerns nobody else; there may be more to do.
    Worked,
    /// A segment has begun; its first transaction.
    Began(Zxid),
    /// A batch is on the disk. The core hears of it at the next step.
    Wrote { offset: u64, records: usize, bytes: usize, took: Duration },
    /// The core has heard of the last batch: [`Machine::promise`] may have moved.
    Flushed,
    /// For the preparing thread; what it gives goes to [`Machine::prepared`].
    Prepare(Job),
    /// For the control role. After [`LogEvent::Stopped`] there is no further step.
    Report(LogEvent),
    /// Nothing to do before something comes, or [`Machine::deadline`].
    Idle,
}

/// The log of one life of a history. After an error it is of no use any more (I11).
#[derive(Debug)]
pub struct Machine {
    core: LogCore,
    dir: Arc<dyn Dir>,
    io: Box<dyn SegmentIo>,
    /// Batches are written up to the ends of pages: there is prepared space.
    fills_pages: bool,
    /// What the control role has sent. Taken only when the core is not full, so that the mailbox's
    /// bound holds (I9).
    pending: VecDeque<LogInput>,
    prepared: VecDeque<Input>,
    /// The buffer of a batch that is on the disk, before the core has heard of it.
    flushed: Option<Vec<u8>>,
    /// To be carried out, in order; what a flush brings comes behind what is here.
    effects: VecDeque<Effect>,
    /// Empty between steps; keeps its memory.
    stepped: Vec<Effect>,
    /// Path of the current segment, for messages.
    segment: String,
}

impl Machine {
    /// `prealloc`: whether segments are prepared ahead.
    pub fn new(
        core: LogCore,
        dir: Arc<dyn Dir>,
        io: Box<dyn SegmentIo>,
        prealloc: bool,
    ) -> Machine {
        let mut machine = Machine {
            core,
            dir,
            io,
            fills_pages: prealloc,
            pending: VecDeque::new(),
            prepared: VecDeque::new(),
            flushed: None,
            effects: VecDeque::new(),
            stepped: Vec::new(),
            segment: String::new(),
        };
        machine.core.start(&mut machine.stepped);
        machine.effects.extend(machine.stepped.drain(..));
        machine
    }

    /// Everything up to here is durable.
    pub fn durable(&self) -> Zxid {
        self.core.durable()
    }

    /// When a batch that waits for company is to be flushed.
    pub fn deadline(&self) -> Option<Millis> {
        self.core.deadline()
    }

    /// What may be written down as durable of the current segment.
    pub fn promise(&self) -> Option<SideRecord> {
        self.core.promise()
    }

    /// What the next step carries out, if it is not a look at what has come.
    pub fn next_effect(&self) -> Option<&Effect> {
        self.effects.front().filter(|_| self.flushed.is_none())
    }

    /// Path of the current segment; empty before the first.
    pub fn segment(&self) -> &str {
        &self.segment
    }

    /// Whether it is time to look whether something has come.
    pub fn wants_mail(&self) -> bool {
        self.effects.is_empty() && self.flushed.is_none()
    }

    /// Whether what the control role sends has a place now: a full batch that waits for space takes no
    /// more.
    pub fn takes_mail(&self) -> bool {
        self.pending.is_empty() && !self.core.is_full()
    }

    /// That place.
    pub fn mail(&mut self) -> Option<&mut VecDeque<LogInput>> {
        self.takes_mail().then_some(&mut self.pending)
    }

    /// Whether the next step keeps the disk busy.
    pub fn is_at_disk(&self) -> bool {
        matches!(self.next_effect(), Some(Effect::Write { .. } | Effect::Adopt { .. }))
    }

    /// The preparing thread has done a job.
    pub fn prepared(&mut self, input: Input) {
        self.prepared.push_back(input);
    }

    /// Whether a step would find something to do.
    pub fn has_work(&self) -> bool {
        self.flushed.is_some()
            || !self.effects.is_empty()
            || !self.prepared.is_empty()
            || (!self.core.is_full() && !self.pending.is_empty())
    }

    /// One effect, or one look at what has come.
    pub fn step(&mut self, now: Millis) -> Result<Did, LogFailure> {
        if let Some(bytes) = self.flushed.take() {
            self.feed(now, Input::Flushed(bytes));
            return Ok(Did::Flushed);
        }
        if let Some(effect) = self.effects.pop_front() {
            return self.execute(effect);
        }
        if let Some(input) = self.prepared.pop_front() {
            self.feed(now, input);
            return Ok(Did::Worked);
        }
        while self.effects.is_empty() && !self.core.is_full() {
            let Some(input) = self.pending.pop_front() else { break };
            let input = match input {
                LogInput::Append(append) => Input::Append(append),
                LogInput::RollNow => Input::RollNow,
                LogInput::Stop => Input::Stop,
            };
            self.feed(now, input);
        }
        if self.effects.is_empty() && self.pending.is_empty() {
            self.feed(now, Input::Quiet);
        }
        Ok(if self.has_work() { Did::Worked } else { Did::Idle })
    }

    fn feed(&mut self, now: Millis, input: Input) {
        self.core.step(now, input, &mut self.stepped);
        self.effects.extend(self.stepped.drain(..));
    }

    fn execute(&mut self, effect: Effect) -> Result<Did, LogFailure> {
        match effect {
            Effect::Prepare(job) => Ok(Did::Prepare(job)),
            Effect::Adopt { first } => {
                let name = log_name(first);
                self.segment = self.dir.show(&name);
                self.adopt(&name).map_err(|e| self.failed(FailedStep::Begin, e))?;
                Ok(Did::Began(first))
            }
            Effect::Write { offset, mut bytes, records, flush } => {
                let len = bytes.len();
                if self.fills_pages {
                    fill_page(&mut bytes, offset);
                }
                let written = self.io.write(offset, &bytes, flush);
                let took = written.map_err(|e| self.failed(FailedStep::Write, e))?;
                self.flushed = Some(bytes);
                Ok(Did::Wrote { offset, records, bytes: len, took })
            }
            Effect::Flush => {
                let flushed = self.io.flush();
                flushed.map_err(|e| self.failed(FailedStep::Flush, e))?;
                Ok(Did::Worked)
            }
            Effect::OutOfSpace { wanted } => {
                let full = io::Error::from_raw_os_error(libc::ENOSPC);
                Err(self.failed(FailedStep::LayOut { bytes: wanted }, full))
            }
            Effect::Report(event) => Ok(Did::Report(event)),
        }
    }

    /// Names the prepared segment, makes the name durable, and turns the writer to it.
    fn adopt(&mut self, name: &str) -> io::Result<()> {
        self.dir.rename(&next_name(), name)?;
        // Before anything in the file is acknowledged: a file without a name is no file.
        if !mutants::on(Mutant::NameNotFlushed) {
            self.dir.flush()?;
        }
        self.io.adopt(self.dir.as_ref(), name)
    }

    /// What an error means to the log: it ends.
    pub fn failed(&self, step: FailedStep, cause: io::Error) -> LogFailure {
        let dir = self.dir.show("");
        let file = if self.segment.is_empty() { dir.clone() } else { self.segment.clone() };
        LogFailure { step, dir, file, cause }
    }

    /// Behind the last step: gives back the space of a segment that nobody will write to.
    pub fn tidy(&self) -> io::Result<()> {
        disk::remove_if_present(self.dir.as_ref(), &next_name()).map(drop)
    }
}

/// Up to the end of its last page a batch is followed by the zeros that are there already. A page
/// that is written whole need not be in the cache before, so the zeros of a segment in preparation
/// go past it; a page that is written in part would be read from the disk first.
fn fill_page(bytes: &mut Vec<u8>, offset: u64) {
    let end = (offset + bytes.len() as u64).next_multiple_of(DIRECT_ALIGN as u64);
    bytes.resize((end - offset) as usize, 0);
}
