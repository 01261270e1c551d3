//! The log without threads, on a simulated disk: the shipping machine and preparer, in an order that
//! the test chooses.

use crate::disk::{Access, Dir};
use crate::log::core::{Append, Effect, Job, LogCore};
use crate::log::frame::ENTRY_MIN;
use crate::log::purge::{self, SnapshotFile};
use crate::log::settings::LogSettings;
use crate::log::{LogEvent, Replay, ReplayError, name, settle};
use crate::roles::jobs::LogInput;
use crate::roles::log::io::{SegmentIo, calls::Calls, direct::Direct};
use crate::roles::log::machine::{self, Did};
use crate::roles::log::prepare::Preparer;
use crate::testing::disk::SimDisk;
use crate::types::{Millis, Zxid};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Largest entry in these tests.
pub(super) const ENTRY_MAX: usize = 4096;

/// An entry of `size` bytes for `zxid`; `life` tells the entries of one run from another's.
pub(super) fn entry(zxid: Zxid, size: usize, life: u8) -> Bytes {
    let mut bytes = vec![life; size.max(ENTRY_MIN)];
    bytes[..12].fill(0);
    bytes[12..20].copy_from_slice(&zxid.0.to_be_bytes());
    bytes[20..32].fill(0);
    Bytes::from(bytes)
}

/// When the preparing thread gets to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Preparing {
    /// At once.
    Eager,
    /// When the log can do nothing without it, or has nothing to do.
    Late,
    /// Before each batch, one job.
    Between,
}

/// One thing that happens to the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Doing {
    /// So many bytes each, in one batch.
    Batch(&'static [usize]),
    Roll,
    /// The next transaction is the first of a new epoch.
    Epoch,
    /// A snapshot of all that is durable exists; what it makes superfluous goes.
    Purge,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Writer {
    Calls,
    Direct,
}

pub(super) struct Machine {
    pub disk: SimDisk,
    machine: machine::Machine,
    waiting: VecDeque<LogInput>,
    stopped: bool,
    preparer: Preparer,
    preparing: Preparing,
    jobs: VecDeque<Job>,
    life: u8,
    last: Zxid,
    new_epoch: bool,
    /// Everything appended, in order.
    pub appended: Vec<(Zxid, Bytes)>,
    /// What was reported, and how many changes the disk had seen by then.
    pub reported: Vec<(usize, Zxid)>,
    pub snapshots_due: Vec<Zxid>,
    /// The newest snapshot, and how many changes the disk had seen when it was there.
    pub snapshots: Vec<(usize, Zxid)>,
}

pub(super) fn settings() -> LogSettings {
    LogSettings { prealloc: 4096, entry_max: ENTRY_MAX, ..LogSettings::default() }
}

impl Machine {
    pub(super) fn new(
        disk: SimDisk,
        last: Zxid,
        preparing: Preparing,
        writer: Writer,
        life: u8,
    ) -> Machine {
        Machine::with(disk, last, preparing, writer, life, settings())
    }

    pub(super) fn with(
        disk: SimDisk,
        last: Zxid,
        preparing: Preparing,
        writer: Writer,
        life: u8,
        settings: LogSettings,
    ) -> Machine {
        let prealloc = settings.prealloc > 0;
        let core = LogCore::new(settings, last, life.into(), Millis(0)).with_steps(4096, 4096);
        let io: Box<dyn SegmentIo> = match writer {
            Writer::Calls => Box::new(Calls::default()),
            Writer::Direct => Box::new(Direct::default()),
        };
        Machine {
            machine: machine::Machine::new(core, Arc::new(disk.clone()), io, prealloc),
            waiting: VecDeque::new(),
            stopped: false,
            preparer: Preparer::new(Arc::new(disk.clone()), writer == Writer::Direct),
            disk,
            preparing,
            jobs: VecDeque::new(),
            life,
            last,
            new_epoch: false,
            appended: Vec::new(),
            reported: Vec::new(),
            snapshots_due: Vec::new(),
            snapshots: Vec::new(),
        }
    }

    pub(super) fn start(&mut self) -> io::Result<()> {
        self.run()
    }

    pub(super) fn perform(&mut self, doing: Doing) -> io::Result<()> {
        match doing {
            Doing::Batch(sizes) => {
                sizes.iter().for_each(|size| self.append(*size));
                self.run()?;
                // What waits for space gets it now.
                while self.machine.durable() < self.last {
                    self.run_job()?;
                    self.run()?;
                }
                if self.preparing == Preparing::Late {
                    self.run_jobs()?;
                }
                self.run()
            }
            Doing::Roll => {
                self.waiting.push_back(LogInput::RollNow);
                self.run()
            }
            Doing::Epoch => {
                self.new_epoch = true;
                Ok(())
            }
            Doing::Purge => self.purge(),
        }
    }

    pub(super) fn stop(&mut self) -> io::Result<()> {
        self.waiting.push_back(LogInput::Stop);
        self.run()?;
        self.run_jobs()
    }

    fn append(&mut self, size: usize) {
        let epochs = i64::from(self.new_epoch);
        self.last = match epochs {
            0 => Zxid(self.last.0 + 1),
            _ => Zxid((((self.last.0 >> 32) + 1) << 32) + 1),
        };
        self.new_epoch = false;
        let entry = entry(self.last, size, self.life);
        self.appended.push((self.last, entry.clone()));
        self.waiting.push_back(LogInput::Append(Append { zxid: self.last, entry }));
    }

    fn run(&mut self) -> io::Result<()> {
        while !self.stopped {
            if self.machine.wants_mail()
                && let Some(mail) = self.machine.mail()
            {
                mail.append(&mut self.waiting);
            }
            let writes = matches!(self.machine.next_effect(), Some(Effect::Write { .. }));
            if self.preparing == Preparing::Between && writes {
                self.run_job()?;
            }
            match self.machine.step(Millis(0)).map_err(|failure| failure.cause)? {
                Did::Prepare(job) => self.job(job)?,
                Did::Flushed => {
                    if let Some(promise) = self.machine.promise() {
                        self.job(Job::Promise(promise))?;
                    }
                }
                Did::Report(LogEvent::Durable { upto }) => {
                    self.reported.push((self.disk.change_count(), upto.zxid()));
                }
                Did::Report(LogEvent::SnapshotDue { after }) => self.snapshots_due.push(after),
                Did::Report(LogEvent::Stopped) => self.stopped = true,
                Did::Worked | Did::Began(_) | Did::Wrote { .. } => {}
                Did::Idle => return Ok(()),
            }
        }
        Ok(())
    }

    fn job(&mut self, job: Job) -> io::Result<()> {
        self.jobs.push_back(job);
        if self.preparing == Preparing::Eager { self.run_jobs() } else { Ok(()) }
    }

    fn run_job(&mut self) -> io::Result<()> {
        let Some(job) = self.jobs.pop_front() else { return Ok(()) };
        if let Some(input) = self.preparer.execute(job)? {
            self.machine.prepared(input);
        }
        Ok(())
    }

    fn run_jobs(&mut self) -> io::Result<()> {
        while !self.jobs.is_empty() {
            self.run_job()?;
        }
        Ok(())
    }

    fn purge(&mut self) -> io::Result<()> {
        let at = self.machine.durable();
        self.snapshots.push((self.disk.change_count(), at));
        let snapshot = SnapshotFile { name: format!("snapshot.{:x}", at.0), is_valid: true };
        let logs = name::list_logs(&self.disk)?;
        purge::execute(&purge::plan(&[snapshot], &logs, 3), &SimDisk::new(), &self.disk)
    }
}

/// Settles the disk and reads everything from `from` on, as a start does.
pub(super) fn recover(disk: &SimDisk, from: Zxid) -> Result<Vec<(Zxid, Bytes)>, ReplayError> {
    settle(disk, ENTRY_MAX)?;
    read(disk, from)
}

pub(super) fn read(disk: &dyn Dir, from: Zxid) -> Result<Vec<(Zxid, Bytes)>, ReplayError> {
    let mut replay = Replay::open(disk, from, ENTRY_MAX)?;
    let mut found = Vec::new();
    while let Some(record) = replay.next_record()? {
        found.push((record.zxid, Bytes::copy_from_slice(record.entry)));
    }
    Ok(found)
}

/// For tests that damage files: changes bytes of a file in place, durably.
pub(super) fn poke(disk: &SimDisk, name: &str, offset: usize, bytes: &[u8]) {
    let file = disk.open(name, Access::Write).unwrap();
    file.write_at(bytes, offset as u64).unwrap();
    file.flush().unwrap();
}
