//! `pwrite`, then `fdatasync`, by the calling thread.

use super::{SegmentIo, not_adopted};
use crate::disk::{Access, Dir, File};
use crate::log::settings::IoChoice;
use crate::mutants::{self, Mutant};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `pwrite` and `fdatasync`.
#[derive(Debug, Default)]
pub struct Calls {
    file: Option<Arc<dyn File>>,
}

impl SegmentIo for Calls {
    fn choice(&self) -> IoChoice {
        IoChoice::Calls
    }

    fn adopt(&mut self, dir: &dyn Dir, name: &str) -> io::Result<()> {
        self.file = Some(dir.open(name, Access::Write)?);
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8], flush: bool) -> io::Result<Duration> {
        let file = self.file.as_ref().ok_or_else(not_adopted)?;
        file.write_at(bytes, offset)?;
        let began = Instant::now();
        if flush && !mutants::on(Mutant::FlushSkipped) {
            let flushed = file.flush();
            if !mutants::on(Mutant::DiskErrorIgnored) {
                flushed?;
            }
        }
        Ok(began.elapsed())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_ref().ok_or_else(not_adopted)?.flush()
    }
}
