//! Write and flush linked on a ring of the log thread's own.

use super::{SegmentIo, not_adopted};
use crate::disk::{Access, Dir, File};
use crate::log::settings::IoChoice;
use crate::runtime::blockio::BlockRing;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A linked write and flush.
#[derive(Debug)]
pub struct Ring {
    ring: BlockRing,
    file: Option<Arc<dyn File>>,
}

impl Ring {
    /// The error is the kernel's.
    pub fn new() -> io::Result<Ring> {
        Ok(Ring { ring: BlockRing::new()?, file: None })
    }
}

impl SegmentIo for Ring {
    fn choice(&self) -> IoChoice {
        IoChoice::Ring
    }

    fn adopt(&mut self, dir: &dyn Dir, name: &str) -> io::Result<()> {
        let file = dir.open(name, Access::Write)?;
        if file.descriptor().is_none() {
            return Err(io::Error::other("a ring needs a file of the operating system"));
        }
        self.file = Some(file);
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8], flush: bool) -> io::Result<Duration> {
        let file = self.file.as_ref().and_then(|f| f.descriptor()).ok_or_else(not_adopted)?;
        let began = Instant::now();
        self.ring.write(file, offset, bytes, flush)?;
        Ok(began.elapsed())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_ref().ok_or_else(not_adopted)?.flush()
    }
}
