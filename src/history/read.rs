//! The log on the disk, for learners whose history is older than what is kept in memory
//! (ZKDatabase.getProposalsFromTxnLog). On a thread of its own: the log may be long.
//!
//! A hole is never passed over (ZOOKEEPER-2418, 4882). Within an epoch the numbers show one. At the
//! end of an epoch they do not; but transactions can only be missing there if a snapshot took their
//! place, on this server or on the Java server that had the files before, and every snapshot stays
//! as long as the log before it. So a log with a snapshot between two epochs is not read across: a
//! Java leader's snapshot at the beginning of its epoch looks the same, and costs its laggards a
//! snapshot in place of a DIFF.

use std::io;

use bytes::Bytes;

use crate::disk::{Access, Dir};
use crate::log::{Position, Replay, ReplayError, name};
use crate::snapshot::directory;
use crate::types::Zxid;
use crate::zab::{LogChunk, LogEnd, follows};

/// So many zeros in a row are no transaction, as far as a size is estimated.
const ZEROS: usize = 4096;

/// Reads on from where it stopped, chunk by chunk.
#[derive(Debug)]
pub struct LogReader {
    entry_max: usize,
    position: Zxid,
    /// The transaction at `position` is not in the log: only its successor by number can be next.
    exact: bool,
    replay: Option<Position>,
    /// Why it ended with [`LogEnd::NotThere`].
    trouble: Option<NotThere>,
}

/// Why the log does not have what comes next. The learner that needs it is sent a tree.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum NotThere {
    #[error("the log ends with {0}")]
    End(Zxid),
    #[error("the log goes on with {next} behind {position}")]
    Hole { position: Zxid, next: Zxid },
    #[error("{snapshot} may stand for what is missing before {next}")]
    Snapshot { snapshot: String, next: Zxid },
    #[error(transparent)]
    Log(#[from] ReplayError),
    #[error(transparent)]
    Snapshots(#[from] io::Error),
}

/// About how many bytes the log has behind the file that `after` is in: what is left of that one
/// has no bound (FileTxnIterator.getStorageSize). The file being written to may end in zeros, which
/// do not count.
pub fn log_bytes_behind(logs: &dyn Dir, after: Zxid) -> io::Result<u64> {
    let files = name::list_logs(logs)?;
    let unneeded = name::passed_over(&files, after);
    let behind = files.get(unneeded + 1..).unwrap_or_default();
    let Some((last, whole)) = behind.split_last() else { return Ok(0) };
    let file = logs.open(&last.name, Access::Read)?;
    let mut block = [0; ZEROS];
    // Blocks before `from` are written, those from `to` on are not.
    let (mut from, mut to) = (0, last.size / ZEROS as u64);
    while from < to {
        let middle = (from + to) / 2;
        let read = file.read_at(&mut block, middle * ZEROS as u64)?;
        if block[..read].iter().any(|byte| *byte != 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    Ok(whole.iter().map(|file| file.size).sum::<u64>() + from * ZEROS as u64)
}

impl LogReader {
    /// Will give what comes after `after`.
    pub fn new(after: Zxid, entry_max: usize) -> LogReader {
        LogReader { entry_max, position: after, exact: false, replay: None, trouble: None }
    }

    /// The last transaction given.
    pub fn position(&self) -> Zxid {
        self.position
    }

    /// Why the last piece ended with [`LogEnd::NotThere`].
    pub fn trouble(&self) -> Option<&NotThere> {
        self.trouble.as_ref()
    }

    /// The next entries, in order and without a hole: at least one, and no more once there are
    /// `max_bytes` of them. `upto`: the log's horizon when asked; what is behind it may be half
    /// written and is not looked at. [`LogEnd::Done`]: `upto` was reached. The folders are the same
    /// each time.
    pub fn next_chunk(
        &mut self,
        (logs, snapshots): (&dyn Dir, &dyn Dir),
        upto: Zxid,
        max_bytes: usize,
    ) -> LogChunk {
        let mut entries = Vec::new();
        let read = self.read((logs, snapshots), upto, max_bytes, &mut entries);
        let end = read.unwrap_or_else(|why| {
            self.trouble = Some(why);
            LogEnd::NotThere
        });
        LogChunk { entries, end }
    }

    fn read(
        &mut self,
        (logs, snapshots): (&dyn Dir, &dyn Dir),
        upto: Zxid,
        max_bytes: usize,
        entries: &mut Vec<(Zxid, Bytes)>,
    ) -> Result<LogEnd, NotThere> {
        let mut bytes = 0;
        // What was opened may be out of date: files have grown, or new ones begun. Opened anew
        // without any progress it is not.
        let mut is_fresh = false;
        loop {
            if self.position >= upto {
                return Ok(LogEnd::Done);
            }
            if bytes >= max_bytes && !entries.is_empty() {
                return Ok(LogEnd::More);
            }
            let mut replay = match self.replay.take() {
                Some(position) => Replay::resume(logs, position),
                None if is_fresh => return Err(NotThere::End(self.position)),
                None => {
                    is_fresh = true;
                    self.open(logs)?
                }
            };
            let (zxid, entry) = match replay.next_record() {
                Ok(Some(record)) => (record.zxid, record.entry),
                Ok(None) => continue,
                Err(e) if is_fresh => return Err(e.into()),
                Err(_) => continue,
            };
            // Java's log may have some twice.
            if zxid > self.position {
                self.check(zxid, snapshots)?;
                if zxid > upto {
                    return Ok(LogEnd::Done);
                }
                entries.push((zxid, Bytes::copy_from_slice(entry)));
                bytes += entry.len();
                (self.position, self.exact, is_fresh) = (zxid, false, false);
            }
            self.replay = Some(replay.into_position());
        }
    }

    /// At the record of `position`, or, if that is not in the log, before its successor.
    fn open<'a>(&mut self, logs: &'a dyn Dir) -> Result<Replay<'a>, NotThere> {
        let mut replay = Replay::open(logs, self.position, self.entry_max)?;
        let found = match replay.next_record() {
            Ok(Some(record)) => record.zxid == self.position,
            Ok(None) | Err(ReplayError::Gap { .. }) => false,
            Err(e) => return Err(e.into()),
        };
        if found {
            return Ok(replay);
        }
        // Whoever has nothing comes before the first epoch's first, which has another number.
        self.exact = self.position != Zxid::ZERO;
        let next = Zxid(self.position.0.saturating_add(1));
        Ok(Replay::open(logs, next, self.entry_max)?)
    }

    /// Whether this transaction comes right after `position` (I4).
    fn check(&self, next: Zxid, snapshots: &dyn Dir) -> Result<(), NotThere> {
        let position = self.position;
        if position.next() == Some(next) {
            return Ok(());
        }
        if self.exact || !follows(position, next) {
            return Err(NotThere::Hole { position, next });
        }
        let snapshots = directory::snapshots(snapshots)?;
        match snapshots.into_iter().find(|file| file.zxid > position && file.zxid < next) {
            None => Ok(()),
            Some(file) => Err(NotThere::Snapshot { snapshot: file.name, next }),
        }
    }
}
