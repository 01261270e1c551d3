//! The log thread: takes what the mailbox has, feeds the core, does what the core says.
//!
//! ```text
//!  control ──LogInput──► [mailbox] ─► log thread ──LogEvent──► control
//!                                      │      ▲
//!                                     Job   done
//!                                      ▼      │
//!                                    preparing thread
//! ```
//!
//! It waits for the disk itself: while it does, the next batch collects in the mailbox. After any
//! error of the disk nothing more is reported: the reserve is released, the cause logged, and the
//! hook that was given ends the process (I11).
//!
//! The shell may be lent to the thread that feeds it ([`super::lend`]); the log thread is then
//! there for what takes long.

use super::choose::choose;
use super::error::{FailedStep, LogFailure, OpenError};
use super::io as segment_io;
use super::lend::InlineLog;
use super::machine::{Did, Machine};
use super::pace::{Caller, FlushTime};
use super::prepare::{self, Latest, Preparer};
use crate::disk::{self, Dir, reserve};
use crate::log::core::{Effect, Input, LogCore};
use crate::log::figures::Figures;
use crate::log::horizon::HorizonFile;
use crate::log::name::next_name;
use crate::log::settings::{IoChoice, LogSettings};
use crate::log::{LogEvent, Settled, settle};
use crate::roles::jobs::LogInput;
use crate::runtime::{Receiver, Sender, ThreadSleeper, Waker, affinity, clock, mailbox, waker};
use crate::types::{Zxid, limits};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a log thread is made of.
pub struct LogParts {
    /// `dataLogDir`'s version-2, settled, locked by this process.
    pub dir: Arc<dyn Dir>,
    /// How it batches and when it rolls.
    pub settings: LogSettings,
    /// What [`choose`] has said; it is asked if nobody has.
    pub chosen: Option<IoChoice>,
    /// The newest transaction that snapshots and log hold.
    pub last: Zxid,
    /// Chance, for snapshot times and file nonces.
    pub seed: u64,
    /// Takes events, on the log thread.
    pub report: Box<dyn FnMut(LogEvent) + Send>,
    /// Ends the process: the text says what failed. If it returns, the log is silent for good.
    pub fatal: Box<dyn FnMut(&str) + Send>,
}

/// A running log.
#[derive(Debug)]
pub struct Handle {
    /// How it writes.
    pub io: IoChoice,
    /// Where it counts.
    pub figures: Arc<Figures>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Waits for the thread's end, after `Stop`.
    pub fn join(self) {
        let _ = self.thread.join();
    }
}

/// Starts the log thread and returns when it is ready. Entries go into the sender; each must
/// follow the one before it.
pub fn spawn(parts: LogParts) -> Result<(Handle, Sender<LogInput>), OpenError> {
    let (handle, sender, _) = start(parts, None)?;
    Ok((handle, sender))
}

/// As [`spawn`], and the log's work is lent to the thread that feeds it, which `caller` wakes:
/// what is sent wakes the log thread only when [`InlineLog::work`] says so.
pub fn spawn_inline(
    parts: LogParts,
    caller: Waker,
) -> Result<(Handle, Sender<LogInput>, InlineLog), OpenError> {
    let (handle, sender, started) = start(parts, Some(caller))?;
    let lent = InlineLog::new(started.shell, sender.clone(), started.waker);
    Ok((handle, sender, lent))
}

/// The shell, and what wakes its thread.
struct Started {
    shell: Arc<Mutex<Shell>>,
    waker: Waker,
}

fn start(
    parts: LogParts,
    caller: Option<Waker>,
) -> Result<(Handle, Sender<LogInput>, Started), OpenError> {
    let settled = check_nothing_is_lost(parts.dir.as_ref(), parts.settings.entry_max, parts.last)?;
    if parts.settings.force_sync {
        promise_what_is_there(parts.dir.as_ref(), &settled);
    }
    let io_error = |source| OpenError::Io { dir: parts.dir.show(""), source };
    match reserve::keep(parts.dir.as_ref()) {
        // It is for later; what is written now is worth more.
        Err(e) if disk::is_no_space(&e) => {
            tracing::warn!(error = %e, "no reserve in {}", parts.dir.show(""));
            reserve::release(parts.dir.as_ref());
        }
        kept => kept.map_err(io_error)?,
    }
    let (sleeper, waker) = waker::for_thread();
    let lent = caller.is_some();
    let (sender, inbox) = mailbox(limits::MAILBOX_CAPACITY, caller.unwrap_or(waker.clone()));
    let (done_sender, done) = mailbox(limits::MAILBOX_CAPACITY, waker.clone());
    let (ready_sender, ready) = mpsc::channel();
    let figures = Arc::new(Figures::default());
    let (dir, shared) = (parts.dir.clone(), figures.clone());
    let body = move || match Shell::new(parts, lent, shared, inbox, (done_sender, done)) {
        Ok(shell) => {
            let choice = shell.choice;
            let shell = Arc::new(Mutex::new(shell));
            let _ = ready_sender.send(Ok((choice, shell.clone())));
            drop(ready_sender);
            run(&shell, sleeper);
        }
        Err(e) => drop(ready_sender.send(Err(e))),
    };
    let io_error = |source| OpenError::Io { dir: dir.show(""), source };
    let thread = std::thread::Builder::new().name("log".into()).spawn(body).map_err(io_error)?;
    let gone = || io_error(io::Error::other("the log thread ended at once"));
    let (io, shell) = ready.recv().map_err(|_| gone())??;
    Ok((Handle { io, figures, thread }, sender, Started { shell, waker }))
}

/// The overwrite rule: a file that exists under the name of the first transaction to come is
/// replaced, which is right as long as nothing in it was loaded (FileTxnLog.append truncates it).
pub fn check_nothing_is_lost(
    dir: &dyn Dir,
    entry_max: usize,
    last: Zxid,
) -> Result<Settled, OpenError> {
    let settled = settle(dir, entry_max)?;
    match settled.last {
        Some(newest) if newest > last => Err(OpenError::Ahead { dir: dir.show(""), newest, last }),
        Some(_) | None => Ok(settled),
    }
}

/// Everything that was found is durable now. The last life's record may promise less.
fn promise_what_is_there(dir: &dyn Dir, settled: &Settled) {
    let Some(newest) = settled.newest else { return };
    if let Err(error) = HorizonFile::open(dir).and_then(|mut file| file.write(&newest)) {
        tracing::warn!(%error, "cannot note in {} what is durable", dir.show(""));
    }
}

type Done = io::Result<Input>;

pub(super) struct Shell {
    machine: Machine,
    settings: LogSettings,
    dir: Arc<dyn Dir>,
    /// How batches are written.
    choice: IoChoice,
    /// Until the end.
    preparer: Option<(mpsc::Sender<prepare::Work>, JoinHandle<()>)>,
    /// What is durable, for the preparing thread to write down.
    latest: Arc<Latest>,
    report: Box<dyn FnMut(LogEvent) + Send>,
    fatal: Box<dyn FnMut(&str) + Send>,
    figures: Arc<Figures>,
    inbox: Receiver<LogInput>,
    done: Receiver<Done>,
    /// Empty between looks; keeps its memory.
    finished: VecDeque<Done>,
    pace: FlushTime,
    end: Option<End>,
}

/// Why nothing is done any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// Everything is durable, as asked; the thread has still to tidy up and to say so.
    Asked,
    Over,
}

impl Shell {
    fn new(
        parts: LogParts,
        lent: bool,
        figures: Arc<Figures>,
        inbox: Receiver<LogInput>,
        (done_sender, done): (Sender<Done>, Receiver<Done>),
    ) -> Result<Shell, OpenError> {
        let LogParts { dir, settings, chosen, last, seed, report, fatal } = parts;
        let io_error = |source| OpenError::Io { dir: dir.show(""), source };
        // Whoever starts this thread may be pinned itself.
        match settings.core {
            Some(core) => affinity::pin(core).map_err(io_error)?,
            None => affinity::unpin(),
        }
        let choice = match chosen {
            Some(choice) => choice,
            None => choose(dir.as_ref(), &settings, lent)?,
        };
        let io = segment_io::make(choice, settings.force_sync)
            .map_err(|source| OpenError::Choice { choice, dir: dir.show(""), source })?;
        let (jobs, queue) = mpsc::channel();
        let preparing = Preparer::new(dir.clone(), settings.prealloc > 0);
        let latest = Arc::new(Latest::default());
        let shared = latest.clone();
        let preparer = std::thread::Builder::new()
            .name("log-prepare".into())
            .spawn(move || prepare::run(preparing, &queue, &done_sender, &shared))
            .map_err(io_error)?;
        let core = LogCore::new(settings.clone(), last, seed, clock::now());
        Ok(Shell {
            machine: Machine::new(core, dir.clone(), io, settings.prealloc > 0),
            settings,
            dir,
            choice,
            preparer: Some((jobs, preparer)),
            latest,
            report,
            fatal,
            figures,
            inbox,
            done,
            finished: VecDeque::new(),
            pace: FlushTime::default(),
            end: None,
        })
    }

    /// Does what there is to do. False: the log thread has to go on.
    pub(super) fn turn(&mut self, by: Caller) -> bool {
        if self.end.is_some() {
            return false;
        }
        match self.work(by) {
            Ok(all_done) => all_done && self.machine.deadline().is_none(),
            Err(failure) => {
                self.end = Some(End::Over);
                reserve::release(self.dir.as_ref());
                let text = failure.to_string();
                tracing::error!("{text}; nothing more can be acknowledged, the server ends");
                (self.fatal)(&text);
                false
            }
        }
    }

    /// True: nothing is left to do.
    fn work(&mut self, by: Caller) -> Result<bool, LogFailure> {
        loop {
            if by == Caller::Borrower
                && self.machine.next_effect().is_some_and(|e| !self.is_quick(e))
            {
                return Ok(false);
            }
            if self.machine.wants_mail() {
                self.take_mail()?;
            }
            match self.machine.step(clock::now())? {
                Did::Worked => {}
                Did::Began(_) => tracing::info!("new log file {}", self.machine.segment()),
                Did::Wrote { records, bytes, took, .. } => self.record(records, bytes, took),
                Did::Flushed => self.note_promise(),
                Did::Prepare(job) => {
                    if !self.send(prepare::Work::Job(job)) {
                        let gone = io::Error::other("the preparing thread has ended");
                        return Err(self.machine.failed(FailedStep::Prepare, gone));
                    }
                }
                Did::Report(LogEvent::Stopped) => {
                    self.end = Some(End::Asked);
                    return Ok(false);
                }
                Did::Report(event) => (self.report)(event),
                Did::Idle => return Ok(true),
            }
        }
    }

    fn take_mail(&mut self) -> Result<(), LogFailure> {
        self.done.drain_into(&mut self.finished);
        for done in self.finished.drain(..) {
            match done {
                Ok(input) => self.machine.prepared(input),
                Err(e) => return Err(self.machine.failed(FailedStep::Prepare, e)),
            }
        }
        if let Some(pending) = self.machine.mail() {
            self.inbox.drain_into(pending);
        }
        Ok(())
    }

    /// Once in a while, not once a batch; without an ear the log is judged as before.
    fn note_promise(&mut self) {
        if let Some(promise) = self.machine.promise()
            && self.latest.note(promise)
        {
            let _ = self.send(prepare::Work::Promise);
        }
    }

    /// Whether that takes no longer than a caller can wait.
    fn is_quick(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Prepare(_) | Effect::Report(_) => true,
            Effect::Write { bytes, .. } => {
                self.choice != IoChoice::Ring && self.pace.is_quick(bytes.len())
            }
            Effect::Adopt { .. } | Effect::Flush | Effect::OutOfSpace { .. } => false,
        }
    }

    fn record(&mut self, records: usize, bytes: usize, took: Duration) {
        let slow = self.settings.slow_flush;
        self.pace.record(took);
        self.figures.batch(records, bytes, took, slow);
        if took > slow {
            tracing::warn!(
                "flushing {bytes} bytes of {records} transactions to {} took {} ms \
                 (fsync.warningthresholdms is {}): every write waits for this disk",
                self.machine.segment(),
                took.as_millis(),
                slow.as_millis()
            );
        }
    }

    fn send(&self, work: prepare::Work) -> bool {
        self.preparer.as_ref().is_some_and(|(jobs, _)| jobs.send(work).is_ok())
    }

    /// On the log thread, after [`LogInput::Stop`].
    fn tidy_up(&mut self) {
        self.end = Some(End::Over);
        if let Some((jobs, preparer)) = self.preparer.take() {
            drop(jobs);
            let _ = preparer.join();
        }
        if let Err(error) = self.machine.tidy() {
            tracing::warn!(%error, "cannot remove {}", self.dir.show(&next_name()));
        }
        (self.report)(LogEvent::Stopped);
    }

    /// Looks for work for a while before the thread sleeps; true if there is some.
    fn spin(&self) -> bool {
        let began = Instant::now();
        while began.elapsed() < self.settings.spin {
            if !self.inbox.is_empty() || !self.done.is_empty() {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }
}

/// The log thread.
fn run(shell: &Mutex<Shell>, mut sleeper: ThreadSleeper) {
    let waker = sleeper.waker();
    loop {
        // Asked first, looked after: see the waker.
        while waker.take() {}
        let mut at_work = shell.lock();
        at_work.turn(Caller::LogThread);
        match at_work.end {
            None => {}
            Some(End::Asked) => return at_work.tidy_up(),
            Some(End::Over) => return,
        }
        let wait = at_work.machine.deadline().map(|deadline| {
            let ms = (deadline.0 - clock::now().0).max(0);
            Duration::from_millis(ms as u64)
        });
        if wait.is_none() && at_work.settings.spin > Duration::ZERO && at_work.spin() {
            continue;
        }
        drop(at_work);
        sleeper.sleep(wait);
    }
}
