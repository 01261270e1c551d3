//! Work off the request's way: the next segment's space, and the side records of finished ones.
//! One thread does it, a job at a time, in the order asked.

use super::core::{Input, Job};
use super::frame;
use super::name::next_name;
use crate::disk::{self, Access, DIRECT_ALIGN, Dir, File};
use std::io;
use std::sync::Arc;

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
        Preparer { dir, past_cache, open: None }
    }

    /// Does the job; what the core must hear of it. An error is as one of the log itself (I11).
    pub fn execute(&mut self, job: Job) -> io::Result<Option<Input>> {
        match job {
            Job::Seal(side) => {
                side.write(self.dir.as_ref())?;
                Ok(None)
            }
            Job::Fill { segment, nonce, from, to } => {
                if from == 0 {
                    self.begin(segment)?;
                }
                let Some(open) = self.open.as_ref().filter(|open| open.segment == segment) else {
                    return Err(io::Error::other(format!("segment {segment} was never begun")));
                };
                open.zero(from, to)?;
                if from == 0 {
                    open.file.write_at(&frame::header(nonce), 0)?;
                }
                open.file.flush()?;
                if from == 0 {
                    // Now, so that the flush at adoption has only the new name to carry.
                    self.dir.flush()?;
                }
                Ok(Some(Input::Prepared { segment, upto: to }))
            }
        }
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
