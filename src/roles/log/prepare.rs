//! Work off the request's way: the next segment's space, the side records of finished ones, and the
//! record of what is durable. One thread does it, a job at a time, in the order asked.

use crate::disk::{self, Access, DIRECT_ALIGN, Dir, File, is_no_space};
use crate::log::core::{Input, Job};
use crate::log::frame::{HEADER, TRAILER};
use crate::log::horizon::HorizonFile;
use crate::log::name::{log_name, next_name};
use crate::log::side::SideRecord;
use crate::runtime::Sender;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Bytes of zeros in one write. The device does not begin on a batch before it has done what it
/// was given, so this is what a batch may have to wait for.
const ZEROS: usize = 256 << 10;

/// Bytes of zeros between flushes. Through the page cache they would gather there otherwise, and
/// reach the device all at once.
const FLUSH: u64 = 1 << 20;

#[repr(align(4096))]
struct Zeros([u8; ZEROS]);

const _: () = assert!(std::mem::align_of::<Zeros>() == DIRECT_ALIGN);
const _: () = assert!(ZEROS.is_multiple_of(DIRECT_ALIGN));

static ZERO_BLOCKS: Zeros = Zeros([0; ZEROS]);

/// Executes [`Job`]s. It keeps the file it is preparing open: the file may be adopted, and have
/// another name, before it is whole.
#[derive(Debug)]
pub struct Preparer {
    dir: Arc<dyn Dir>,
    past_cache: bool,
    open: Option<Preparing>,
    horizon: Option<HorizonFile>,
}

#[derive(Debug)]
struct Preparing {
    segment: u64,
    file: Arc<dyn File>,
    /// The same file past the page cache.
    direct: Option<Arc<dyn File>>,
}

impl Preparer {
    /// `past_cache`: the zeros need not be in the page cache, which costs half of their time,
    /// because batches are written up to the ends of pages. A page written in part has to be
    /// there, or the kernel reads it from the disk first, on the request's way.
    pub fn new(dir: Arc<dyn Dir>, past_cache: bool) -> Preparer {
        Preparer { dir, past_cache, open: None, horizon: None }
    }

    /// Does the job; what the core must hear of it. An error is as one of the log itself (I11).
    pub fn execute(&mut self, job: Job) -> io::Result<Option<Input>> {
        match job {
            Job::Seal(side) => {
                self.seal(&side)?;
                Ok(None)
            }
            Job::Fill { segment, header, from, to } => {
                match self.fill(segment, &header, (from, to)) {
                    Ok(()) => Ok(Some(Input::Prepared { segment, upto: to })),
                    Err(e) if is_no_space(&e) => {
                        self.take_back(segment, from)?;
                        Ok(Some(Input::NoSpace { segment }))
                    }
                    Err(e) => Err(e),
                }
            }
            Job::Promise(promise) => {
                // Without one the log is judged as before: nothing depends on it.
                if let Err(error) = self.promise(&promise) {
                    self.horizon = None;
                    tracing::warn!(%error, "cannot note in {} what is durable", self.dir.show(""));
                }
                Ok(None)
            }
        }
    }

    fn fill(
        &mut self,
        segment: u64,
        header: &[u8; HEADER],
        (from, to): (u64, u64),
    ) -> io::Result<()> {
        if from == 0 {
            self.begin(segment)?;
        }
        let Some(open) = self.open.as_ref().filter(|open| open.segment == segment) else {
            return Err(io::Error::other(format!("segment {segment} was never begun")));
        };
        open.zero(from, to)?;
        if from == 0 {
            open.file.write_at(header, 0)?;
        }
        open.file.flush()?;
        if from == 0 {
            // Now, so that the flush at adoption has only the new name to carry.
            self.dir.flush()?;
        }
        Ok(())
    }

    /// Half a step is of no use; others may need its space.
    fn take_back(&mut self, segment: u64, from: u64) -> io::Result<()> {
        if from == 0 {
            self.open = None;
            return disk::remove_if_present(self.dir.as_ref(), &next_name()).map(drop);
        }
        match self.open.as_ref().filter(|open| open.segment == segment) {
            Some(open) => open.file.set_len(from),
            None => Ok(()),
        }
    }

    /// Neither the space nor the record is worth the end of the log on a full disk: a segment without a
    /// record is read all the same.
    fn seal(&self, side: &SideRecord) -> io::Result<()> {
        let dir = self.dir.as_ref();
        match give_back(dir, side).and_then(|()| side.write(dir)) {
            Err(e) if is_no_space(&e) || e.kind() == io::ErrorKind::NotFound => {
                tracing::warn!(error = %e, "{} has no side record", dir.show(&log_name(side.first)));
                Ok(())
            }
            done => done,
        }
    }

    fn promise(&mut self, promise: &SideRecord) -> io::Result<()> {
        let open = match &mut self.horizon {
            Some(open) => open,
            none => none.insert(HorizonFile::open(self.dir.as_ref())?),
        };
        open.write(promise)
    }

    fn begin(&mut self, segment: u64) -> io::Result<()> {
        let name = next_name();
        disk::remove_if_present(self.dir.as_ref(), &name)?;
        let file = self.dir.create(&name)?;
        let direct = match self.past_cache {
            true => self.dir.open(&name, Access::Direct).ok(),
            false => None,
        };
        self.open = Some(Preparing { segment, file, direct });
        Ok(())
    }
}

/// Shortens a finished segment to what was written.
fn give_back(dir: &dyn Dir, side: &SideRecord) -> io::Result<()> {
    let file = dir.open(&log_name(side.first), Access::Write)?;
    let needed = side.length + TRAILER as u64;
    if file.size()? < needed + DIRECT_ALIGN as u64 {
        return Ok(());
    }
    file.set_len(needed)?;
    file.flush()
}

impl Preparing {
    /// Writes real zeros: space that is only reserved costs a journal entry at its first write.
    fn zero(&self, from: u64, to: u64) -> io::Result<()> {
        if to - from < DIRECT_ALIGN as u64 {
            return Ok(()); // no preparation was asked for: the header alone
        }
        self.file.allocate(from, to - from)?;
        let aligned = from.is_multiple_of(DIRECT_ALIGN as u64);
        let mut file = self.direct.as_ref().filter(|_| aligned).unwrap_or(&self.file);
        let mut at = from;
        while at < to {
            let len = (to - at).min(ZEROS as u64);
            match file.write_at(&ZERO_BLOCKS.0[..len as usize], at) {
                Ok(()) => {
                    at += len;
                    if at.is_multiple_of(FLUSH) && at < to {
                        self.file.flush()?;
                    }
                }
                // Some file systems take O_DIRECT at open and refuse it at the write.
                Err(e)
                    if e.kind() == io::ErrorKind::InvalidInput
                        && !Arc::ptr_eq(file, &self.file) =>
                {
                    file = &self.file;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// What the log thread asks of the preparing thread.
pub(super) enum Work {
    Job(Job),
    /// There is something to be promised: [`Latest`] has it when the time has come.
    Promise,
}

/// What the last flush made durable. The log thread notes it at each flush; it is written down once in a
/// while.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<(Option<SideRecord>, bool)>);

impl Latest {
    /// Whether the preparing thread has to be told.
    pub(super) fn note(&self, promise: SideRecord) -> bool {
        let mut latest = self.0.lock();
        latest.0 = Some(promise);
        !std::mem::replace(&mut latest.1, true)
    }

    fn take(&self) -> Option<SideRecord> {
        let mut latest = self.0.lock();
        latest.1 = false;
        latest.0
    }
}

/// Between a flush and the record of it lies this much at least, and so many times what writing a record
/// takes: it keeps the disk busy for a two-hundredth of the time at most.
pub const PROMISE_AFTER: Duration = Duration::from_millis(100);
const PROMISE_REST: u32 = 200;
/// However slow the disk is, a record comes in this time.
const PROMISE_AFTER_MAX: Duration = Duration::from_secs(5);

/// The preparing thread.
pub(super) fn run(
    mut preparer: Preparer,
    queue: &mpsc::Receiver<Work>,
    done: &Sender<io::Result<Input>>,
    latest: &Latest,
) {
    let (mut due, mut rest, mut failed) = (None::<Instant>, PROMISE_AFTER, false);
    loop {
        let now = Instant::now();
        let work = match due {
            Some(at) if at <= now => Err(RecvTimeoutError::Timeout),
            Some(at) => queue.recv_timeout(at - now),
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let (job, last) = match work {
            Ok(Work::Promise) => {
                due = Some(Instant::now() + rest);
                continue;
            }
            Ok(Work::Job(job)) => (Some(job), false),
            Err(RecvTimeoutError::Timeout) => {
                due = None;
                (latest.take().map(Job::Promise), false)
            }
            // An orderly end leaves nothing unsaid.
            Err(RecvTimeoutError::Disconnected) => {
                (due.and_then(|_| latest.take()).map(Job::Promise), true)
            }
        };
        let is_promise = matches!(job, Some(Job::Promise(_)));
        let began = Instant::now();
        // After an error the log thread still sends, until it has heard of it.
        match job.filter(|_| !failed).map(|job| preparer.execute(job)) {
            Some(Ok(Some(input))) => done.push(Ok(input)),
            Some(Ok(None)) | None => {}
            Some(Err(e)) => {
                failed = true;
                done.push(Err(e));
            }
        }
        if is_promise {
            rest = (began.elapsed() * PROMISE_REST).clamp(PROMISE_AFTER, PROMISE_AFTER_MAX);
        }
        if last {
            return;
        }
    }
}
