//! The log without its threads: the shipping core, preparer and writers over a simulated disk,
//! one effect at a time.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use ringkeeper::disk::{self, Dir};
use ringkeeper::log::core::{Effect, Input, Job, LogCore};
use ringkeeper::log::io::{SegmentIo, calls::Calls, direct::Direct};
use ringkeeper::log::name::next_name;
use ringkeeper::log::shell::adopt;
use ringkeeper::log::side::SideRecord;
use ringkeeper::log::{Append, LogEvent, LogInput, LogSettings, Preparer};
use ringkeeper::runtime::mailbox::Receiver;
use ringkeeper::types::{Millis, Zxid};

/// What came of a step.
pub enum Step {
    /// Something was done; there may be more to do.
    Did,
    /// Nothing to do before something arrives, or this time comes.
    Idle(Option<Millis>),
    /// For the control core.
    Report(LogEvent),
    /// The disk refused: the process ends (I11).
    Failed(String),
}

pub struct LogMachine {
    core: LogCore,
    dir: Arc<dyn Dir>,
    io: Box<dyn SegmentIo>,
    preparer: Preparer,
    inbox: Receiver<LogInput>,
    pending: VecDeque<LogInput>,
    effects: VecDeque<Effect>,
    jobs: VecDeque<Job>,
    done: VecDeque<Input>,
    stopped: bool,
    /// Where the newest segment's last batch begins; 0: not known.
    pub last_batch: usize,
    /// What the core last had to promise, and what lies on the disk.
    promise: Option<SideRecord>,
    pub promised: Option<SideRecord>,
}

impl LogMachine {
    pub fn new(
        dir: Arc<dyn Dir>,
        settings: LogSettings,
        steps: (u64, u64),
        inbox: Receiver<LogInput>,
        last: Zxid,
        seed: u64,
        direct: bool,
    ) -> LogMachine {
        let mut core = LogCore::new(settings, last, seed, Millis(0)).with_steps(steps.0, steps.1);
        let mut effects = Vec::new();
        core.start(&mut effects);
        LogMachine {
            core,
            io: if direct { Box::new(Direct::default()) } else { Box::new(Calls::default()) },
            preparer: Preparer::new(dir.clone(), direct),
            dir,
            inbox,
            pending: VecDeque::new(),
            effects: effects.into(),
            jobs: VecDeque::new(),
            done: VecDeque::new(),
            stopped: false,
            last_batch: 0,
            promise: None,
            promised: None,
        }
    }

    pub fn durable(&self) -> Zxid {
        self.core.durable()
    }

    pub fn has_work(&self) -> bool {
        !self.stopped
            && (!self.effects.is_empty()
                || !self.done.is_empty()
                || (!self.core.is_full() && !self.pending.is_empty()))
    }

    /// Whether the next step keeps the disk busy.
    pub fn is_at_disk(&self) -> bool {
        matches!(self.effects.front(), Some(Effect::Write { .. } | Effect::Adopt { .. }))
    }

    /// Takes what the control core has sent, and says which transactions that were.
    pub fn take_mail(&mut self) -> Vec<Append> {
        let mut mail = VecDeque::new();
        self.inbox.drain_into(&mut mail);
        let appends = mail.iter().filter_map(|input| match input {
            LogInput::Append(append) => Some(append.clone()),
            LogInput::RollNow | LogInput::Stop => None,
        });
        let appends = appends.collect();
        self.pending.extend(mail);
        appends
    }

    pub fn has_job(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// The preparing thread's next job.
    pub fn prepare(&mut self) -> Result<(), String> {
        let Some(job) = self.jobs.pop_front() else { return Ok(()) };
        let promise = if let Job::Promise(promise) = &job { Some(*promise) } else { None };
        match self.preparer.execute(job) {
            Ok(input) => {
                self.promised = promise.or(self.promised);
                self.done.extend(input);
                Ok(())
            }
            Err(e) => Err(format!("preparing a segment: {e}")),
        }
    }

    /// One effect, or one look into the mailboxes.
    pub fn step(&mut self, now: Millis) -> Step {
        if self.stopped {
            return Step::Idle(None);
        }
        if let Some(effect) = self.effects.pop_front() {
            return self.execute(now, effect);
        }
        if let Some(input) = self.done.pop_front() {
            return self.feed(now, input);
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
        if self.effects.is_empty() { Step::Idle(self.core.deadline()) } else { Step::Did }
    }

    fn feed(&mut self, now: Millis, input: Input) -> Step {
        let mut effects = Vec::new();
        self.core.step(now, input, &mut effects);
        self.effects.extend(effects);
        let waits = self.jobs.iter().any(|job| matches!(job, Job::Promise(_)));
        if self.core.promise() != self.promise && !waits {
            self.promise = self.core.promise();
            self.jobs.extend(self.promise.map(Job::Promise));
        }
        Step::Did
    }

    fn execute(&mut self, now: Millis, effect: Effect) -> Step {
        let done = match effect {
            Effect::Prepare(job) => {
                self.jobs.push_back(job);
                Ok(())
            }
            Effect::Adopt { first } => {
                self.last_batch = 0;
                adopt(self.dir.as_ref(), self.io.as_mut(), first)
            }
            Effect::Write { offset, bytes, flush, .. } => self.write(now, offset, bytes, flush),
            Effect::Flush => self.io.flush(),
            Effect::OutOfSpace { .. } => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Effect::Report(LogEvent::Stopped) => {
                self.stopped = true;
                return match self.tidy() {
                    Ok(()) => Step::Report(LogEvent::Stopped),
                    Err(text) => Step::Failed(text),
                };
            }
            Effect::Report(event) => return Step::Report(event),
        };
        done.map_or_else(|e| Step::Failed(format!("writing the log: {e}")), |()| Step::Did)
    }

    /// What the log thread does after its last batch: the preparer's jobs end, and the space of a
    /// segment that nobody will write to goes.
    fn tidy(&mut self) -> Result<(), String> {
        while self.has_job() {
            self.prepare()?;
        }
        let _ = disk::remove_if_present(self.dir.as_ref(), &next_name());
        Ok(())
    }

    fn write(&mut self, now: Millis, offset: u64, bytes: Vec<u8>, flush: bool) -> io::Result<()> {
        self.last_batch = offset as usize;
        self.io.write(offset, &bytes, flush)?;
        self.feed(now, Input::Flushed(bytes));
        Ok(())
    }
}
