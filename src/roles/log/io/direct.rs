//! Aligned writes past the page cache, each durable when it returns (O_DIRECT and O_DSYNC).
//!
//! ```text
//! file     |....block....|....block....|....block....|
//! batch                 [=================)           written: blocks 1 to 3 whole
//! before   ===============)                           block 1 begins with what is there already
//! ```
//!
//! The first block's beginning is written again with the bytes it has: whatever part of such a
//! write a power loss keeps, they do not change. What follows the batch in its last block is
//! zeros, as the prepared space is.

use super::{SegmentIo, not_adopted};
use crate::disk::{self, Access, DIRECT_ALIGN, Dir, File};
use crate::log::settings::IoChoice;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BLOCK: u64 = DIRECT_ALIGN as u64;

/// Aligned writes past the page cache, durable when they return.
#[derive(Debug, Default)]
pub struct Direct {
    file: Option<Arc<dyn File>>,
    /// What was written last, whole blocks: the next batch begins within them.
    before: Aligned,
    next: Aligned,
}

/// Bytes at an address that direct writes take, and the offset in the file they belong to.
#[derive(Debug, Default)]
struct Aligned {
    store: Vec<u8>,
    skip: usize,
    len: usize,
    offset: u64,
}

impl Aligned {
    /// `len` zeros for `offset`.
    fn reset(&mut self, offset: u64, len: usize) {
        self.store.clear();
        self.store.resize(len + DIRECT_ALIGN, 0);
        self.skip = self.store.as_ptr().align_offset(DIRECT_ALIGN).min(DIRECT_ALIGN);
        (self.offset, self.len) = (offset, len);
    }
    fn bytes(&self) -> &[u8] {
        &self.store[self.skip..self.skip + self.len]
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.store[self.skip..self.skip + self.len]
    }
}

impl SegmentIo for Direct {
    fn choice(&self) -> IoChoice {
        IoChoice::Direct
    }

    fn adopt(&mut self, dir: &dyn Dir, name: &str) -> io::Result<()> {
        self.before.reset(0, DIRECT_ALIGN);
        let beginning = dir.open(name, Access::Read)?;
        disk::read_full(beginning.as_ref(), self.before.bytes_mut(), 0)?;
        self.file = Some(dir.open(name, Access::DirectDurable)?);
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8], _flush: bool) -> io::Result<Duration> {
        let file = self.file.as_ref().ok_or_else(not_adopted)?;
        let start = offset - offset % BLOCK;
        let lead = (offset - start) as usize;
        self.next.reset(start, (lead + bytes.len()).next_multiple_of(DIRECT_ALIGN));
        let kept = start.checked_sub(self.before.offset).and_then(|at| {
            let at = at as usize;
            self.before.bytes().get(at..at + lead)
        });
        let Some(kept) = kept else {
            let text = format!("write at offset {offset} does not follow the last one");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        self.next.bytes_mut()[..lead].copy_from_slice(kept);
        self.next.bytes_mut()[lead..lead + bytes.len()].copy_from_slice(bytes);
        let began = Instant::now();
        file.write_at(self.next.bytes(), start)?;
        let took = began.elapsed();
        std::mem::swap(&mut self.before, &mut self.next);
        Ok(took)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_ref().ok_or_else(not_adopted)?.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDir;

    #[test]
    fn batches_of_any_size_and_place_land_where_they_belong() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = RealDir::open(scratch.path()).unwrap();
        let file = dir.create("log.1").unwrap();
        file.write_at(&[0; 65536], 0).unwrap();
        file.write_at(b"sixteen bytes...", 0).unwrap();
        file.flush().unwrap();
        let mut expected = vec![0; 65536];
        expected[..16].copy_from_slice(b"sixteen bytes...");
        let mut io = Direct::default();
        if io.adopt(&dir, "log.1").is_err() {
            return; // a file system without direct writes, where the probe passes this way over
        }
        let mut at = 16;
        for (n, len) in [81, 5000, 3000, 40, 9000, 45].into_iter().enumerate() {
            let batch = vec![n as u8 + 1; len];
            io.write(at as u64, &batch, true).unwrap();
            expected[at..at + len].copy_from_slice(&batch);
            let end = at + len;
            expected[end..end.next_multiple_of(DIRECT_ALIGN)].fill(0);
            // The last bytes of a batch, its trailer, are overwritten by the next.
            at = end - 36;
        }
        let mut now = vec![0; 65536];
        file.read_at(&mut now, 0).unwrap();
        let differs = now.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(differs, None);
        assert!(io.write(60_000, b"x", true).is_err(), "a hole");
    }
}
