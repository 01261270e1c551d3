//! What the log can be told, in ZooKeeper's words and a few of our own.

use crate::types::limits;
use std::time::Duration;

/// How a batch reaches the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IoChoice {
    /// The quickest of the others, measured in the log's directory at start.
    #[default]
    Auto,
    /// `pwrite` and `fdatasync` by the log thread itself.
    Calls,
    /// Write and flush linked on a ring of the log thread's own.
    Ring,
    /// Aligned writes past the page cache, durable when they return.
    Direct,
}

impl IoChoice {
    /// The value of `ringkeeper.log.io`.
    pub fn parse(text: &str) -> Option<IoChoice> {
        Some(match text {
            "auto" => IoChoice::Auto,
            "calls" => IoChoice::Calls,
            "ring" => IoChoice::Ring,
            "direct" => IoChoice::Direct,
            _ => return None,
        })
    }

    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            IoChoice::Auto => "auto",
            IoChoice::Calls => "calls",
            IoChoice::Ring => "ring",
            IoChoice::Direct => "direct",
        }
    }
}

/// The log's settings. [`LogSettings::default`] has ZooKeeper's defaults.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// `zookeeper.preAllocSize` in bytes: the size of a segment, prepared ahead. Zero or less
    /// prepares nothing; the file grows with its records.
    pub prealloc: i64,
    /// `zookeeper.txnLogSizeLimitInKb` in bytes of records: a segment longer than this is the
    /// last of its batches; zero or less is no limit. (Java counts the padding too, and with a
    /// limit below `preAllocSize` begins a file with every flush.)
    pub size_limit: i64,
    /// `zookeeper.snapCount`: a snapshot is due after half as many transactions, and up to as
    /// many more again by chance, so that an ensemble's servers do not all write at once.
    pub snap_count: u32,
    /// `zookeeper.snapSizeLimitInKb` in bytes, likewise; zero or less is no limit.
    pub snap_size: i64,
    /// `zookeeper.maxBatchSize`: records of one flush; zero or less leaves it to [`BATCH_BYTES`].
    pub max_batch: i64,
    /// `zookeeper.flushDelay` in milliseconds: how long a batch may wait for company since the
    /// last flush. Zero: never.
    pub flush_delay_ms: i64,
    /// `zookeeper.maxWriteQueuePollTime` in milliseconds: a waiting batch is flushed when nothing
    /// has come for so long.
    pub poll_ms: i64,
    /// `zookeeper.forceSync`: without it nothing is flushed and a power loss takes what the
    /// kernel had not written.
    pub force_sync: bool,
    /// Largest entry that a reader takes: `jute.maxbuffer` + `jute.maxbuffer.extrasize` (I14).
    pub entry_max: usize,
    /// `fsync.warningthresholdms`.
    pub slow_flush: Duration,
    /// `ringkeeper.log.io`.
    pub io: IoChoice,
    /// The core the log thread is pinned to.
    pub core: Option<usize>,
    /// `ringkeeper.spin.micros`: how long the log thread looks for work before it sleeps.
    pub spin: Duration,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            prealloc: limits::LOG_PREALLOC as i64,
            size_limit: -1,
            snap_count: 100_000,
            snap_size: 4_194_304 * 1024,
            max_batch: limits::LOG_BATCH as i64,
            flush_delay_ms: 0,
            poll_ms: 0,
            force_sync: true,
            entry_max: limits::JUTE_MAXBUFFER + limits::JUTE_MAXBUFFER,
            slow_flush: Duration::from_millis(1000),
            io: IoChoice::Auto,
            core: None,
            spin: Duration::ZERO,
        }
    }
}

/// Bytes of records in one batch, unless the first alone is larger. It bounds how long the first
/// of a batch waits for the last, and what one write can tear.
pub const BATCH_BYTES: usize = 4 << 20;

/// A segment begins its life with at least this much prepared space: it can be used while the
/// rest is still being filled.
pub const FIRST_STEP: u64 = 1 << 20;

/// Where even that is not to be had, a segment begins with this much.
pub const SMALLEST: u64 = 64 << 10;

/// Space is prepared in steps of this many bytes. The device is shared with the batches, so no
/// step may keep it busy for long.
pub const STEP: u64 = 4 << 20;
