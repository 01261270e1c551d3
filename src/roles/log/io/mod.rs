//! How a batch reaches the disk: three ways behind one seam. Which is quickest depends on kernel,
//! file system and device, so it is measured where the log is ([`probe`]).
//!
//! * [`calls`]: write and flush, two calls by the thread that waits anyway. The flush of a
//!   prepared segment carries data only
//! * [`ring`]: the same two linked on a ring: one call, but the kernel hands a flush to a worker
//! * [`direct`]: one aligned write past the page cache that is durable when it returns

use crate::disk::Dir;
use crate::log::settings::IoChoice;
use std::fmt;
use std::io;
use std::time::Duration;

pub mod calls;
pub mod direct;
pub mod probe;
pub mod ring;

/// Writes batches to one segment after another, each where the one before it ended or earlier.
/// After an error it is of no use any more (I11).
pub trait SegmentIo: fmt::Debug + Send {
    /// Which it is.
    fn choice(&self) -> IoChoice;
    /// What is written from now on goes to this file.
    fn adopt(&mut self, dir: &dyn Dir, name: &str) -> io::Result<()>;
    /// All of `bytes` at `offset`, durable on return unless `flush` is false. Returns how long
    /// the durable part took.
    fn write(&mut self, offset: u64, bytes: &[u8], flush: bool) -> io::Result<Duration>;
    /// Makes durable what was written without that.
    fn flush(&mut self) -> io::Result<()>;
}

/// The one asked for, made on the thread that will use it. `Auto` has been resolved before.
pub fn make(choice: IoChoice, force_sync: bool) -> io::Result<Box<dyn SegmentIo>> {
    Ok(match choice {
        // Direct writes are durable by their nature; who asked for none gets the page cache.
        IoChoice::Direct if force_sync => Box::new(direct::Direct::default()),
        IoChoice::Ring => Box::new(ring::Ring::new()?),
        IoChoice::Calls | IoChoice::Direct | IoChoice::Auto => Box::new(calls::Calls::default()),
    })
}

fn not_adopted() -> io::Error {
    io::Error::other("write before any segment was adopted")
}
