//! What a start does to the log before anything reads it: the newest file is made durable, its
//! torn tail cut, the space behind its end given back, and leftovers of a crash removed. Every step may
//! be cut short by another crash and done again.
//!
//! A tail is torn if a crash can have made it so. What is known to have been durable, from the record
//! beside a finished segment ([`super::side`]) and from that of the newest ([`super::horizon`]), cannot
//! be torn: less than that is damage, and refused.
//!
//! ZooKeeper knows neither record. One that has written to the folder since they were made may have cut
//! the log, which leaves the file ending exactly after a record; what they promise of it is then past.

use super::frame::{self, Header};
use super::horizon::{self, Horizon};
use super::name::{self, LogFile, horizon_name, side_name, zxid_of_side};
use super::replay::ReplayError;
use super::scan::{Cause, Scanner, Step, Verdict};
use super::side::SideRecord;
use crate::disk::{Access, DIRECT_ALIGN, Dir, File, OUR_PREFIX, remove_if_present};
use crate::mutants::{self, Mutant};
use crate::types::Zxid;
use std::io;

/// A write that was never reported done, and is gone now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// Path.
    pub file: String,
    /// Where the file ends now.
    pub offset: u64,
    /// What was wrong there.
    pub cause: Cause,
}

/// The log's state after [`settle`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settled {
    /// The newest transaction in the log; `None` if there is none.
    pub last: Option<Zxid>,
    /// Up to here transactions are known to have been durable: who loads fewer has lost some.
    pub promised: Option<Zxid>,
    /// What was cut off.
    pub torn: Vec<TornTail>,
    /// Paths of removed files.
    pub removed: Vec<String>,
    /// Where the newest transaction is, for the next record of what is durable; `None` if not in a
    /// segment of ours.
    pub newest: Option<SideRecord>,
}

/// Brings the log directory into a state in which all that can be read is durable and every file
/// ends cleanly. Nothing may be writing to it.
pub fn settle(dir: &dyn Dir, entry_max: usize) -> Result<Settled, ReplayError> {
    settle_with_snapshots(dir, entry_max, 0)
}

/// As [`settle`]. `foreign`: when ZooKeeper last wrote a snapshot of this history, in nanoseconds since
/// 1970; 0 if it never did, for all that is known.
pub fn settle_with_snapshots(
    dir: &dyn Dir,
    entry_max: usize,
    foreign: u64,
) -> Result<Settled, ReplayError> {
    let whole = |e| ReplayError::io(dir, "", e);
    let mut settled = Settled::default();
    let logs = name::list_logs(dir).map_err(whole)?;
    remove_leftovers(dir, &logs, &mut settled).map_err(whole)?;
    let horizon = current_horizon(dir, &logs, foreign, &mut settled)?;
    settled.promised = horizon.map(|horizon| horizon.promise.last);
    let mut settling = Settling { dir, entry_max, foreign, horizon, newer: Header::Blank };
    for log in logs.iter().rev() {
        settling.file(log, &mut settled)?;
        if settled.last.is_some() {
            break;
        }
    }
    // A process that was killed leaves names that no crash of the machine would have to keep.
    dir.flush().map_err(whole)?;
    Ok(settled)
}

/// A segment that was being prepared, half a side record, side records of what is gone (ZooKeeper's
/// zkCleanup.sh does not know of them): nothing of them is needed. A probe may be at work beside this; it
/// removes what one before it has left.
fn remove_leftovers(dir: &dyn Dir, logs: &[LogFile], settled: &mut Settled) -> io::Result<()> {
    for file in dir.list()? {
        let rest = file.name.strip_prefix(OUR_PREFIX).and_then(|r| r.strip_prefix("log."));
        let half = rest.is_some_and(|r| r == "next" || r.ends_with(".tmp"));
        let orphan = zxid_of_side(&file.name)
            .is_some_and(|first| !logs.iter().any(|log| log.first == first));
        if half || orphan {
            dir.remove(&file.name)?;
            settled.removed.push(dir.show(&file.name));
        }
    }
    Ok(())
}

/// The record of what is durable, unless ZooKeeper has written here since: then it is removed.
fn current_horizon(
    dir: &dyn Dir,
    logs: &[LogFile],
    foreign: u64,
    settled: &mut Settled,
) -> Result<Option<Horizon>, ReplayError> {
    let io = |e| ReplayError::io(dir, &horizon_name(), e);
    let found = horizon::read(dir).map_err(io)?;
    let Some(horizon) = found.filter(|_| !mutants::on(Mutant::PromiseForgotten)) else {
        return Ok(None);
    };
    let mut is_past = foreign > horizon.modified;
    for log in logs.iter().filter(|log| log.first > horizon.promise.first) {
        let io = |e| ReplayError::io(dir, &log.name, e);
        let file = dir.open(&log.name, Access::Read).map_err(io)?;
        is_past |= Scanner::open(file, 0).map_err(io)?.header() == Header::Foreign;
    }
    if !is_past {
        return Ok(Some(horizon));
    }
    horizon::remove(dir).map_err(io)?;
    settled.removed.push(dir.show(&horizon_name()));
    Ok(None)
}

/// From the newest file on.
struct Settling<'a> {
    dir: &'a dyn Dir,
    entry_max: usize,
    foreign: u64,
    horizon: Option<Horizon>,
    /// The header of the file after this one, which holds no record.
    newer: Header,
}

impl Settling<'_> {
    /// A segment of ours begins after all of the one before it is durable, so what is torn before one
    /// is damage. Java begins a file before it flushes the last: both may be torn.
    fn file(&mut self, log: &LogFile, settled: &mut Settled) -> Result<(), ReplayError> {
        let dir = self.dir;
        let io = |e| ReplayError::io(dir, &log.name, e);
        let file = dir.open(&log.name, Access::Write).map_err(io)?;
        // What the last process wrote and did not flush is flushed now, since a vote will advertise
        // it (I2); and what it failed to flush must not be read from memory.
        file.flush().map_err(io)?;
        file.forget_cached().map_err(io)?;
        let mut scanner = Scanner::open(file.clone(), self.entry_max).map_err(io)?;
        if scanner.header() == Header::Unknown {
            return Err(ReplayError::Magic { file: dir.show(&log.name) });
        }
        let promise = self.promise(log, scanner.header())?;
        let mut last = None;
        let mut kept = promise.is_none();
        let (offset, cause) = loop {
            if let Some((promise, _)) = promise {
                kept |= scanner.offset() == promise.length && scanner.crc() == promise.crc;
            }
            match scanner.next_step().map_err(io)? {
                Step::Record { entry, .. } => last = last.max(Some(frame::zxid_of_entry(entry))),
                Step::End { offset, cause } => break (offset, cause),
            }
        };
        if let Cause::TooLong(length) = cause {
            let (file, limit) = (dir.show(&log.name), self.entry_max);
            return Err(ReplayError::TooLong { file, offset, length, limit });
        }
        if let Some((promise, record)) = promise.filter(|_| !kept) {
            self.excuse(log, (offset, cause), &promise, record, settled)?;
        }
        let verdict = self.judge(log, &scanner, (offset, cause), last)?;
        if cause == Cause::NoHeader {
            // Its writer crashed while making it (FileTxnIterator.goToNextLog, for size 0).
            dir.remove(&log.name).map_err(io)?;
            settled.removed.push(dir.show(&log.name));
            return Ok(());
        }
        if verdict == Verdict::Torn {
            frame::cut(file.as_ref(), scanner.header(), offset).map_err(io)?;
            settled.torn.push(TornTail { file: dir.show(&log.name), offset, cause });
        } else {
            give_back(file.as_ref(), &scanner).map_err(io)?;
        }
        self.newer = scanner.header();
        settled.last = last;
        if let (Header::Ours { nonce, .. }, Some(last)) = (scanner.header(), last) {
            let (length, crc) = (scanner.offset(), scanner.crc());
            settled.newest = Some(SideRecord { first: log.first, last, nonce, length, crc });
        }
        Ok(())
    }

    /// What is known to have been durable of this file, and the name of the record that says so.
    fn promise(
        &self,
        log: &LogFile,
        header: Header,
    ) -> Result<Option<(SideRecord, String)>, ReplayError> {
        let io = |e| ReplayError::io(self.dir, &log.name, e);
        let horizon = self.horizon.map(|horizon| horizon.promise).filter(|p| p.first == log.first);
        let with_name = |promise| (promise, horizon_name());
        let Header::Ours { nonce, .. } = header else {
            // Of a file whose beginning is gone the record knows only the name.
            return Ok(horizon.filter(|_| header == Header::Blank).map(with_name));
        };
        let horizon = horizon.filter(|promise| promise.nonce == nonce);
        let side = SideRecord::read(self.dir, log.first).map_err(io)?;
        let side = side.filter(|side| side.nonce == nonce);
        Ok(match (side, horizon) {
            (Some(side), other) if other.is_none_or(|other| other.length <= side.length) => {
                Some((side, side_name(log.first)))
            }
            (_, other) => other.map(with_name),
        })
    }

    /// Less is there than was promised: whether a Java server's TRUNC explains it, which cuts exactly
    /// behind a record.
    fn excuse(
        &self,
        log: &LogFile,
        (offset, cause): (u64, Cause),
        promise: &SideRecord,
        record: String,
        settled: &mut Settled,
    ) -> Result<(), ReplayError> {
        let dir = self.dir;
        let io = |e| ReplayError::io(dir, &log.name, e);
        // The horizon was held against what ZooKeeper wrote already.
        let java_was_here = record != horizon_name()
            && (self.newer == Header::Foreign
                || self.foreign > SideRecord::modified(dir, log.first));
        if cause != Cause::FileEnd || offset >= promise.length || !java_was_here {
            let (file, length, record) = (dir.show(&log.name), promise.length, dir.show(&record));
            return Err(ReplayError::Promised { file, offset, cause, record, length });
        }
        if remove_if_present(dir, &record).map_err(io)? {
            dir.flush().map_err(io)?;
            settled.removed.push(dir.show(&record));
        }
        Ok(())
    }

    /// Whether the file may end there.
    fn judge(
        &self,
        log: &LogFile,
        scanner: &Scanner,
        (offset, cause): (u64, Cause),
        last: Option<Zxid>,
    ) -> Result<Verdict, ReplayError> {
        let io = |e| ReplayError::io(self.dir, &log.name, e);
        let file = self.dir.show(&log.name);
        let verdict = match scanner.judge(last.unwrap_or(Zxid(-1))).map_err(io)? {
            Verdict::Damaged { .. } if mutants::on(Mutant::DamageCutOff) => Verdict::Torn,
            Verdict::Torn if mutants::on(Mutant::TornTakenForDamage) => {
                Verdict::Damaged { evidence: 0 }
            }
            other => other,
        };
        match verdict {
            Verdict::Damaged { evidence } => {
                Err(ReplayError::Damaged { file, offset, cause, evidence })
            }
            Verdict::Shortened => Err(ReplayError::Shortened { file, offset }),
            Verdict::Torn if matches!(self.newer, Header::Ours { .. }) => {
                Err(ReplayError::DamagedMiddle { file, offset, cause })
            }
            Verdict::Torn if scanner.header() == Header::Foreign && !cause.is_silent_in_java() => {
                Err(ReplayError::Unsound { file, offset, cause })
            }
            Verdict::Clean | Verdict::Torn => Ok(verdict),
        }
    }
}

/// Space that was laid out for a segment that nobody will write to any more. ZooKeeper's files have
/// holes there, which take none.
fn give_back(file: &dyn File, scanner: &Scanner) -> io::Result<()> {
    let needed = scanner.needed()?;
    let is_ours = matches!(scanner.header(), Header::Ours { .. });
    if !is_ours || scanner.size() < needed + DIRECT_ALIGN as u64 {
        return Ok(());
    }
    file.set_len(needed)?;
    file.flush()
}
