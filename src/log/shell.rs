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

use super::core::{Append, Effect, Input, Job, LogCore};
use super::figures::Figures;
use super::io::{self as segment_io, SegmentIo, probe};
use super::name::{log_name, next_name};
use super::prepare::Preparer;
use super::settings::{IoChoice, LogSettings};
use super::{LogEvent, settle};
use crate::disk::{self, Dir, reserve};
use crate::runtime::{Receiver, Sender, ThreadSleeper, affinity, clock, mailbox, waker};
use crate::types::{Zxid, limits};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the control core tells the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogInput {
    Append(Append),
    /// What follows goes into a new segment.
    RollNow,
    /// Make durable what has come and end; [`LogEvent::Stopped`] is the last event.
    Stop,
}

/// What a log thread is made of.
pub struct LogParts {
    /// `dataLogDir`'s version-2, settled, locked by this process.
    pub dir: Arc<dyn Dir>,
    pub settings: LogSettings,
    /// The newest transaction that snapshots and log hold.
    pub last: Zxid,
    /// Chance, for snapshot times and file nonces.
    pub seed: u64,
    /// Takes events, on the log thread.
    pub report: Box<dyn FnMut(LogEvent) + Send>,
    /// Ends the process: the text says what failed. If it returns, the log is silent for good.
    pub fatal: Box<dyn FnMut(&str) + Send>,
}

/// Why there is no log. The caller does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the log in {dir}: {source}")]
    Io { dir: String, source: io::Error },
    #[error(
        "the log in {dir} holds transactions up to {newest}, but only those up to {last} were \
         loaded: going on would overwrite the rest"
    )]
    Ahead { dir: String, newest: Zxid, last: Zxid },
    #[error("ringkeeper.log.io={} does not work in {dir}: {source}", choice.name())]
    Choice { choice: IoChoice, dir: String, source: io::Error },
    #[error(transparent)]
    Unreadable(#[from] super::ReplayError),
}

/// A running log.
#[derive(Debug)]
pub struct Handle {
    pub io: IoChoice,
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
    check_nothing_is_lost(&parts)?;
    let io_error = |source| OpenError::Io { dir: parts.dir.show(""), source };
    reserve::keep(parts.dir.as_ref()).map_err(io_error)?;
    let (sleeper, waker) = waker::for_thread();
    let (sender, inbox) = mailbox(limits::MAILBOX_CAPACITY, waker.clone());
    let (done_sender, done) = mailbox(limits::MAILBOX_CAPACITY, waker);
    let (ready_sender, ready) = mpsc::channel();
    let figures = Arc::new(Figures::default());
    let (dir, shared) = (parts.dir.clone(), figures.clone());
    let body = move || match Shell::new(parts, shared, sleeper, inbox, (done_sender, done)) {
        Ok(shell) => {
            let _ = ready_sender.send(Ok(shell.io.choice()));
            shell.run();
        }
        Err(e) => drop(ready_sender.send(Err(e))),
    };
    let io_error = |source| OpenError::Io { dir: dir.show(""), source };
    let thread = std::thread::Builder::new().name("log".into()).spawn(body).map_err(io_error)?;
    let gone = || io_error(io::Error::other("the log thread ended at once"));
    let io = ready.recv().map_err(|_| gone())??;
    Ok((Handle { io, figures, thread }, sender))
}

/// The overwrite rule: a file that exists under the name of the first transaction to come is
/// replaced, which is right as long as nothing in it was loaded (FileTxnLog.append truncates it).
fn check_nothing_is_lost(parts: &LogParts) -> Result<(), OpenError> {
    let settled = settle(parts.dir.as_ref(), parts.settings.entry_max)?;
    match settled.last {
        Some(newest) if newest > parts.last => {
            let (dir, last) = (parts.dir.show(""), parts.last);
            Err(OpenError::Ahead { dir, newest, last })
        }
        Some(_) | None => Ok(()),
    }
}

type Done = io::Result<Input>;

struct Shell {
    core: LogCore,
    settings: LogSettings,
    dir: Arc<dyn Dir>,
    io: Box<dyn SegmentIo>,
    jobs: mpsc::Sender<Job>,
    preparer: JoinHandle<()>,
    report: Box<dyn FnMut(LogEvent) + Send>,
    fatal: Box<dyn FnMut(&str) + Send>,
    figures: Arc<Figures>,
    sleeper: ThreadSleeper,
    inbox: Receiver<LogInput>,
    done: Receiver<Done>,
    /// Path of the current segment, for messages.
    segment: String,
}

/// What ends the thread.
enum Stop {
    Asked,
    Failed(String),
}

impl Shell {
    fn new(
        parts: LogParts,
        figures: Arc<Figures>,
        sleeper: ThreadSleeper,
        inbox: Receiver<LogInput>,
        (done_sender, done): (Sender<Done>, Receiver<Done>),
    ) -> Result<Shell, OpenError> {
        let LogParts { dir, settings, last, seed, report, fatal } = parts;
        let io_error = |source| OpenError::Io { dir: dir.show(""), source };
        if let Some(core) = settings.core {
            affinity::pin(core).map_err(io_error)?;
        }
        let io = choose_io(dir.as_ref(), &settings)?;
        let (jobs, queue) = mpsc::channel();
        let preparing = Preparer::new(dir.clone(), io.choice() == IoChoice::Direct);
        let preparer = std::thread::Builder::new()
            .name("log-prepare".into())
            .spawn(move || prepare(preparing, queue, done_sender))
            .map_err(io_error)?;
        Ok(Shell {
            core: LogCore::new(settings.clone(), last, seed, clock::now()),
            settings,
            dir,
            io,
            jobs,
            preparer,
            report,
            fatal,
            figures,
            sleeper,
            inbox,
            done,
            segment: String::new(),
        })
    }

    fn run(mut self) {
        match self.work() {
            Stop::Asked => {
                drop(self.jobs);
                let _ = self.preparer.join();
                // Space of a segment that nobody will write to.
                let tidied = disk::remove_if_present(self.dir.as_ref(), &next_name());
                if let Err(error) = tidied {
                    tracing::warn!(%error, "cannot remove {}", self.dir.show(&next_name()));
                }
                (self.report)(LogEvent::Stopped);
            }
            Stop::Failed(text) => {
                reserve::release(self.dir.as_ref());
                tracing::error!("{text}; nothing more can be acknowledged, the server ends");
                (self.fatal)(&text);
            }
        }
    }

    fn work(&mut self) -> Stop {
        let (mut pending, mut finished) = (VecDeque::new(), VecDeque::new());
        let (waker, mut effects) = (self.sleeper.waker(), Vec::new());
        self.core.start(&mut effects);
        loop {
            if let Err(stop) = self.execute(&mut effects) {
                return stop;
            }
            // Asked first, looked after: see the waker.
            while waker.take() {}
            self.done.drain_into(&mut finished);
            // A full batch that waits for space takes no more: the mailbox's bound holds (I9).
            if pending.is_empty() && !self.core.is_full() {
                self.inbox.drain_into(&mut pending);
            }
            let now = clock::now();
            if let Some(done) = finished.pop_front() {
                match done {
                    Ok(input) => self.core.step(now, input, &mut effects),
                    Err(e) => return Stop::Failed(self.failed("preparing a segment", &e)),
                }
                continue;
            }
            while effects.is_empty() && !self.core.is_full() {
                let Some(input) = pending.pop_front() else { break };
                let input = match input {
                    LogInput::Append(append) => Input::Append(append),
                    LogInput::RollNow => Input::RollNow,
                    LogInput::Stop => Input::Stop,
                };
                self.core.step(now, input, &mut effects);
            }
            if effects.is_empty() && pending.is_empty() {
                self.core.step(now, Input::Quiet, &mut effects);
            }
            if effects.is_empty() && (pending.is_empty() || self.core.is_full()) {
                self.wait();
            }
        }
    }

    fn execute(&mut self, effects: &mut Vec<Effect>) -> Result<(), Stop> {
        // Each flush brings new effects, and they come after those that are here.
        let mut queue: VecDeque<Effect> = effects.drain(..).collect();
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::Prepare(job) => {
                    if self.jobs.send(job).is_err() {
                        let gone = io::Error::other("the preparing thread has ended");
                        return Err(Stop::Failed(self.failed("preparing a segment", &gone)));
                    }
                }
                Effect::Adopt { first } => {
                    let name = log_name(first);
                    self.segment = self.dir.show(&name);
                    adopt(self.dir.as_ref(), self.io.as_mut(), first)
                        .map_err(|e| Stop::Failed(self.failed("beginning a segment", &e)))?;
                    tracing::info!("new log file {}", self.segment);
                }
                Effect::Write { offset, bytes, records, flush } => {
                    let took = self
                        .io
                        .write(offset, &bytes, flush)
                        .map_err(|e| Stop::Failed(self.failed("writing a batch", &e)))?;
                    self.record(records, bytes.len(), took);
                    self.core.step(clock::now(), Input::Flushed(bytes), effects);
                    queue.extend(effects.drain(..));
                }
                Effect::Report(LogEvent::Stopped) => return Err(Stop::Asked),
                Effect::Report(event) => (self.report)(event),
            }
        }
        Ok(())
    }

    fn record(&self, records: usize, bytes: usize, took: Duration) {
        let slow = self.settings.slow_flush;
        self.figures.batch(records, bytes, took, slow);
        if took > slow {
            tracing::warn!(
                "flushing {bytes} bytes of {records} transactions to {} took {} ms \
                 (fsync.warningthresholdms is {}): every write waits for this disk",
                self.segment,
                took.as_millis(),
                slow.as_millis()
            );
        }
    }

    fn failed(&self, doing: &str, cause: &io::Error) -> String {
        let file = if self.segment.is_empty() { self.dir.show("") } else { self.segment.clone() };
        format!("{doing} failed in {file}: {cause}")
    }

    fn wait(&mut self) {
        let wait = self.core.deadline().map(|deadline| {
            let ms = (deadline.0 - clock::now().0).max(0);
            Duration::from_millis(ms as u64)
        });
        if wait.is_none() && self.settings.spin > Duration::ZERO {
            let began = Instant::now();
            while began.elapsed() < self.settings.spin {
                if !self.inbox.is_empty() || !self.done.is_empty() {
                    return;
                }
                std::hint::spin_loop();
            }
        }
        self.sleeper.sleep(wait);
    }
}

/// Names the prepared segment, makes the name durable, and turns the writer to it.
pub fn adopt(dir: &dyn Dir, io: &mut dyn SegmentIo, first: Zxid) -> io::Result<()> {
    let name = log_name(first);
    dir.rename(&next_name(), &name)?;
    // Before anything in the file is acknowledged: a file without a name is no file.
    if !crate::mutants::on("name-not-flushed") {
        dir.flush()?;
    }
    io.adopt(dir, &name)
}

fn prepare(mut preparer: Preparer, queue: mpsc::Receiver<Job>, done: Sender<Done>) {
    for job in queue {
        match preparer.execute(job) {
            Ok(Some(input)) => done.push(Ok(input)),
            Ok(None) => {}
            Err(e) => return done.push(Err(e)),
        }
    }
}

/// Resolves `auto` and says at start what was chosen and why.
fn choose_io(dir: &dyn Dir, settings: &LogSettings) -> Result<Box<dyn SegmentIo>, OpenError> {
    let refused = |choice, source| OpenError::Choice { choice, dir: dir.show(""), source };
    let choice = match settings.io {
        IoChoice::Auto if settings.force_sync => match probe::measure(dir) {
            Ok(findings) => {
                tracing::info!("median of a durable batch here: {findings}");
                findings.best()
            }
            Err(source) => return Err(OpenError::Io { dir: dir.show(""), source }),
        },
        IoChoice::Auto => IoChoice::Calls,
        IoChoice::Calls => IoChoice::Calls,
        asked @ (IoChoice::Ring | IoChoice::Direct) => {
            probe::check(asked, dir).map_err(|source| refused(asked, source))?;
            asked
        }
    };
    tracing::info!("log writes by {}", choice.name());
    segment_io::make(choice, settings.force_sync).map_err(|source| OpenError::Choice {
        choice,
        dir: dir.show(""),
        source,
    })
}
