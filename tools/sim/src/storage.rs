//! The log without its threads: the shipping machine and preparer over a simulated disk.

use std::collections::VecDeque;
use std::sync::Arc;

use ringkeeper::disk::Dir;
use ringkeeper::log::core::{Job, LogCore};
use ringkeeper::log::side::SideRecord;
use ringkeeper::log::{Append, LogEvent, LogSettings};
use ringkeeper::roles::jobs::LogInput;
use ringkeeper::roles::log::io::{SegmentIo, calls::Calls, direct::Direct};
use ringkeeper::roles::log::{Did, FailedStep, LogFailure, Machine, Preparer};
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

pub struct SimLog {
    machine: Machine,
    preparer: Preparer,
    inbox: Receiver<LogInput>,
    /// What has come and waits for the machine to take more.
    waiting: VecDeque<LogInput>,
    jobs: VecDeque<Job>,
    stopped: bool,
    /// Where the newest segment's last batch begins; 0: not known.
    pub last_batch: usize,
    /// What the core last had to promise, whether it is still to be written down, and what lies on the disk.
    promise: Option<SideRecord>,
    has_to_promise: bool,
    pub promised: Option<SideRecord>,
}

impl SimLog {
    pub fn new(
        dir: Arc<dyn Dir>,
        settings: LogSettings,
        steps: (u64, u64),
        inbox: Receiver<LogInput>,
        last: Zxid,
        seed: u64,
        direct: bool,
    ) -> SimLog {
        let prealloc = settings.prealloc > 0;
        let core = LogCore::new(settings, last, seed, Millis(0)).with_steps(steps.0, steps.1);
        let io: Box<dyn SegmentIo> =
            if direct { Box::new(Direct::default()) } else { Box::new(Calls::default()) };
        SimLog {
            machine: Machine::new(core, dir.clone(), io, prealloc),
            preparer: Preparer::new(dir, direct),
            inbox,
            waiting: VecDeque::new(),
            jobs: VecDeque::new(),
            stopped: false,
            last_batch: 0,
            promise: None,
            has_to_promise: false,
            promised: None,
        }
    }

    pub fn durable(&self) -> Zxid {
        self.machine.durable()
    }

    pub fn has_work(&self) -> bool {
        !self.stopped
            && (self.machine.has_work() || (!self.waiting.is_empty() && self.machine.takes_mail()))
    }

    /// Whether the next step keeps the disk busy.
    pub fn is_at_disk(&self) -> bool {
        self.machine.is_at_disk()
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
        self.waiting.extend(mail);
        appends
    }

    pub fn has_job(&self) -> bool {
        self.has_to_promise || !self.jobs.is_empty()
    }

    /// Whether the next job may not wait for as long as a promise does.
    pub fn has_urgent_job(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// The preparing thread's next job.
    pub fn prepare(&mut self) -> Result<(), String> {
        let job = self.jobs.pop_front();
        let is_promise = job.is_none();
        let promise = || self.promise.filter(|_| self.has_to_promise).map(Job::Promise);
        let Some(job) = job.or_else(promise) else { return Ok(()) };
        match self.preparer.execute(job) {
            Ok(input) => {
                if is_promise {
                    (self.promised, self.has_to_promise) = (self.promise, false);
                }
                input.into_iter().for_each(|input| self.machine.prepared(input));
                Ok(())
            }
            Err(e) => Err(self.machine.failed(FailedStep::Prepare, e).to_string()),
        }
    }

    /// One effect, or one look into the mailboxes.
    pub fn step(&mut self, now: Millis) -> Step {
        if self.stopped {
            return Step::Idle(None);
        }
        if self.machine.wants_mail()
            && let Some(mail) = self.machine.mail()
        {
            mail.append(&mut self.waiting);
        }
        self.stepped(now).unwrap_or_else(|failure| Step::Failed(failure.to_string()))
    }

    fn stepped(&mut self, now: Millis) -> Result<Step, LogFailure> {
        match self.machine.step(now)? {
            Did::Worked => {}
            Did::Began(_) => self.last_batch = 0,
            Did::Wrote { offset, .. } => {
                self.last_batch = offset as usize;
                // No time passes between a flush and what it means.
                return self.stepped(now);
            }
            Did::Flushed => self.note_promise(),
            Did::Prepare(job) => self.jobs.push_back(job),
            Did::Report(LogEvent::Stopped) => return Ok(self.tidy()),
            Did::Report(event) => return Ok(Step::Report(event)),
            Did::Idle => return Ok(Step::Idle(self.machine.deadline())),
        }
        Ok(Step::Did)
    }

    fn note_promise(&mut self) {
        if self.machine.promise() != self.promise {
            self.promise = self.machine.promise();
            self.has_to_promise = self.promise.is_some();
        }
    }

    /// What the log thread does after its last batch.
    fn tidy(&mut self) -> Step {
        self.stopped = true;
        while self.has_job() {
            if let Err(text) = self.prepare() {
                return Step::Failed(text);
            }
        }
        let _ = self.machine.tidy();
        Step::Report(LogEvent::Stopped)
    }
}
