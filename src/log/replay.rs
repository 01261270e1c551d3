//! Reading the log back, from a transaction on, in order, across files (FileTxnLog.read).
//!
//! A file is read through a buffer of about a megabyte, so its size does not matter. Where Java's
//! reader goes on with the next file without a word, this one does too, after it has made sure
//! that nothing was lost: no later record in the same file, no gap before the next one.

use super::frame::{self, ENTRY_MIN, Header};
use super::name::{self, LogFile};
use super::scan::{Cause, Scanner, Step, Verdict};
use super::side::SideRecord;
use crate::disk::{Access, Dir, OUR_PREFIX, hint};
use crate::mutants::{self, Mutant};
use crate::types::Zxid;
use std::collections::VecDeque;
use std::io;

/// Why the log cannot be read. The caller does not start; the text says which file and where.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum ReplayError {
    #[error("{file}: {source}{}", hint(file, source))]
    Io { file: String, source: io::Error },
    /// A start with another limit than the record was accepted under.
    #[error(
        "{file} has at offset {offset} a sound transaction of {length} bytes, and jute.maxbuffer \
         with jute.maxbuffer.extrasize admits {limit}: set jute.maxbuffer to {length} or more"
    )]
    TooLong { file: String, offset: u64, length: usize, limit: usize },
    /// Less is there than is known to have been durable.
    #[error(
        "{file} is damaged at offset {offset}: {cause}; {record} shows that it had been whole up to \
         offset {length}. {}", recovery_commands(file, *offset)
    )]
    Promised { file: String, offset: u64, cause: Cause, record: String, length: u64 },
    #[error(
        "{file} is damaged at offset {offset}: it ends within a record, and had been laid out beyond \
         it. {}", recovery_commands(file, *offset)
    )]
    Shortened { file: String, offset: u64 },
    /// In a file of ZooKeeper's, at its end.
    #[error(
        "{file} is damaged at offset {offset}: {cause}; ZooKeeper, which wrote it, would not start \
         with it either. {}", recovery_commands(file, *offset)
    )]
    Unsound { file: String, offset: u64, cause: Cause },
    #[error("{file} is no transaction log: it does not begin with ZKLG")]
    Magic { file: String },
    /// A good record, or the proof of a later flush, behind a bad one.
    #[error(
        "{file} is damaged at offset {offset}: {cause}; data that was written later, \
         at offset {evidence}, shows that it had been whole. {}", recovery_commands(file, *offset)
    )]
    Damaged { file: String, offset: u64, cause: Cause, evidence: u64 },
    /// A file that ends badly and is not the newest.
    #[error(
        "{file} is damaged at offset {offset}: {cause}; newer log files exist. Restore it from a copy, \
         or in an ensemble move version-2 away and let this server be sent everything anew"
    )]
    DamagedMiddle { file: String, offset: u64, cause: Cause },
    #[error(
        "{file} does not match its side record: it has {length} bytes of records with crc32c \
         {crc:08x}, and was closed with {expected_length} bytes and {expected_crc:08x}. Restore the \
         file from a copy, or in an ensemble move version-2 away and let this server be sent \
         everything anew"
    )]
    Side { file: String, length: u64, crc: u32, expected_length: u64, expected_crc: u32 },
    #[error("transactions {expected} to {before} are missing: {file} goes on with {found}", before = Zxid(found.0 - 1))]
    Gap { file: String, expected: Zxid, found: Zxid },
}

/// What can be done about a file that ends where it should not: whoever decides to lose the rest gets
/// the commands for it.
fn recovery_commands(file: &str, offset: u64) -> String {
    let (dir, name) = file.rsplit_once('/').unwrap_or((".", file));
    format!(
        "Restore the file from a copy, or in an ensemble move version-2 away and let this server be \
         sent everything anew. To go on without this transaction and all behind it: \
         truncate -s {offset} {file}; rm -f {dir}/{OUR_PREFIX}{name}.crc {dir}/{}",
        name::horizon_name()
    )
}

impl ReplayError {
    pub(super) fn io(dir: &dyn Dir, name: &str, source: io::Error) -> ReplayError {
        ReplayError::Io { file: dir.show(name), source }
    }
}

/// One record of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Of its entry.
    pub zxid: Zxid,
    /// Header, transaction and digest, as `codec::txn::decode_entry` takes it.
    pub entry: &'a [u8],
    /// Where the record begins in [`Replay::file`].
    pub offset: u64,
}

/// The log from a transaction on.
#[derive(Debug)]
pub struct Replay<'a> {
    dir: &'a dyn Dir,
    at: Position,
}

/// How far a replay has come, without its folder: kept between two questions of a learner.
#[derive(Debug)]
pub struct Position {
    files: VecDeque<LogFile>,
    from: Zxid,
    entry_max: usize,
    current: Option<Open>,
    /// Highest zxid so far; before the first, what must come before it.
    highest: Zxid,
    has_any: bool,
    /// A tail that [`super::settle`] would cut.
    torn: Option<(String, u64, Cause)>,
}

#[derive(Debug)]
struct Open {
    log: LogFile,
    scanner: Scanner,
    side: Option<SideRecord>,
}

impl<'a> Replay<'a> {
    /// Will yield everything from `from` on: the transaction after the one that a snapshot is
    /// named for. A log that begins later, within the same epoch, is refused
    /// ([`ReplayError::Gap`]).
    pub fn open(dir: &'a dyn Dir, from: Zxid, entry_max: usize) -> Result<Replay<'a>, ReplayError> {
        let logs = name::list_logs(dir).map_err(|e| ReplayError::io(dir, "", e))?;
        let unneeded = name::passed_over(&logs, from);
        let files: VecDeque<LogFile> = logs.into_iter().skip(unneeded).collect();
        let highest = Zxid(from.0.saturating_sub(1));
        let at =
            Position { files, from, entry_max, current: None, highest, has_any: false, torn: None };
        Ok(Replay { dir, at })
    }

    /// Goes on in the same folder.
    pub fn resume(dir: &'a dyn Dir, at: Position) -> Replay<'a> {
        Replay { dir, at }
    }

    /// Where it stands, for [`Replay::resume`].
    pub fn into_position(self) -> Position {
        self.at
    }

    /// Bytes of all files still to be read, for progress (FileTxnIterator.getStorageSize).
    pub fn bytes_left(&self) -> u64 {
        let rest: u64 = self.at.files.iter().map(|f| f.size).sum();
        rest + self.at.current.as_ref().map_or(0, |c| c.scanner.size() - c.scanner.offset())
    }

    /// Path of the file of the record returned last.
    pub fn file(&self) -> String {
        self.at.current.as_ref().map_or(String::new(), |c| self.dir.show(&c.log.name))
    }

    /// The newest transaction returned.
    pub fn last(&self) -> Option<Zxid> {
        self.at.has_any.then_some(self.at.highest)
    }

    /// A torn tail that was met: file, offset and cause. After `settle` there is none.
    pub fn torn(&self) -> Option<&(String, u64, Cause)> {
        self.at.torn.as_ref()
    }

    /// The next record with a zxid of at least `from`; `None` at the end of the log. A zxid not
    /// above the highest so far is returned as well: Java servers log some twice.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReplayError> {
        loop {
            if self.at.current.is_none() && !self.open_next()? {
                return Ok(None);
            }
            if self.advance()? {
                break;
            }
        }
        let Some(open) = &self.at.current else { return Ok(None) };
        let (offset, entry) = open.scanner.current();
        Ok(Some(Record { zxid: frame::zxid_of_entry(entry), entry, offset }))
    }

    fn open_next(&mut self) -> Result<bool, ReplayError> {
        let Some(log) = self.at.files.pop_front() else { return Ok(false) };
        let io = |e| ReplayError::io(self.dir, &log.name, e);
        let scanner = self.scan(&log)?;
        let side = match scanner.header() {
            Header::Unknown => return Err(ReplayError::Magic { file: self.dir.show(&log.name) }),
            Header::Ours { nonce, .. } => {
                SideRecord::read(self.dir, log.first).map_err(io)?.filter(|s| s.nonce == nonce)
            }
            Header::Foreign | Header::Blank => None,
        };
        self.at.current = Some(Open { log, scanner, side });
        Ok(true)
    }

    /// To the next wanted record of the current file: whether there is one. At the file's end it
    /// is judged and closed.
    fn advance(&mut self) -> Result<bool, ReplayError> {
        let Some(open) = &mut self.at.current else { return Ok(false) };
        let io = |e| ReplayError::io(self.dir, &open.log.name, e);
        let (offset, cause) = loop {
            match open.scanner.next_step().map_err(io)? {
                Step::End { offset, cause } => break (offset, cause),
                Step::Record { entry, .. } => {
                    debug_assert!(entry.len() >= ENTRY_MIN);
                    let zxid = frame::zxid_of_entry(entry);
                    if zxid < self.at.from {
                        continue;
                    }
                    let gap = zxid > self.at.highest
                        && zxid.epoch() == self.at.highest.epoch()
                        && self.at.highest.next() != Some(zxid)
                        && !mutants::on(Mutant::BegunAnew);
                    if gap {
                        return Err(ReplayError::Gap {
                            file: self.dir.show(&open.log.name),
                            expected: Zxid(self.at.highest.0 + 1),
                            found: zxid,
                        });
                    }
                    self.at.highest = self.at.highest.max(zxid);
                    self.at.has_any = true;
                    return Ok(true);
                }
            }
        };
        self.close(offset, cause)?;
        Ok(false)
    }

    fn close(&mut self, offset: u64, cause: Cause) -> Result<(), ReplayError> {
        let Some(Open { log, scanner, side }) = self.at.current.take() else { return Ok(()) };
        let io = |e| ReplayError::io(self.dir, &log.name, e);
        let path = self.dir.show(&log.name);
        let last = if self.at.has_any { self.at.highest } else { Zxid(-1) };
        if let Cause::TooLong(length) = cause {
            let limit = self.at.entry_max;
            return Err(ReplayError::TooLong { file: path, offset, length, limit });
        }
        let verdict = scanner.judge(last).map_err(io)?;
        match verdict {
            Verdict::Clean | Verdict::Torn => {}
            Verdict::Shortened => return Err(ReplayError::Shortened { file: path, offset }),
            Verdict::Damaged { evidence } => {
                return Err(ReplayError::Damaged { file: path, offset, cause, evidence });
            }
        }
        if verdict == Verdict::Torn || cause == Cause::NoHeader {
            // A segment of ours begins after all of the one before it is durable.
            let before_ours = matches!(self.next_header()?, Some(Header::Ours { .. }));
            if before_ours || (!cause.is_silent_in_java() && self.any_newer_record()?) {
                return Err(ReplayError::DamagedMiddle { file: path, offset, cause });
            }
            self.at.torn = Some((path.clone(), offset, cause));
        }
        // A file shorter than it was when it was sealed, that ends exactly after a record, was cut by a
        // TRUNC of a Java server, which does not know of side records: what follows is ZooKeeper's, or
        // nothing does and `settle` has judged it.
        let is_as_sealed = |side: &SideRecord| -> Result<bool, ReplayError> {
            Ok(scanner.offset() == side.length && scanner.crc() == side.crc
                || cause == Cause::FileEnd
                    && scanner.offset() < side.length
                    && matches!(self.next_header()?, None | Some(Header::Foreign)))
        };
        match side {
            Some(side) if !is_as_sealed(&side)? => Err(ReplayError::Side {
                file: path,
                length: scanner.offset(),
                crc: scanner.crc(),
                expected_length: side.length,
                expected_crc: side.crc,
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn next_header(&self) -> Result<Option<Header>, ReplayError> {
        let next = self.at.files.front().map(|log| self.scan(log)).transpose()?;
        Ok(next.map(|scanner| scanner.header()))
    }

    /// Whether a file still to come holds a record.
    fn any_newer_record(&self) -> Result<bool, ReplayError> {
        for log in &self.at.files {
            let io = |e| ReplayError::io(self.dir, &log.name, e);
            if let Step::Record { .. } = self.scan(log)?.next_step().map_err(io)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn scan(&self, log: &LogFile) -> Result<Scanner, ReplayError> {
        let io = |e| ReplayError::io(self.dir, &log.name, e);
        let file = self.dir.open(&log.name, Access::Read).map_err(io)?;
        Scanner::open(file, self.at.entry_max).map_err(io)
    }
}
