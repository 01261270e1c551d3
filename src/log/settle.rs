//! What a start does to the log before anything reads it: the newest file is made durable, its
//! torn tail cut, and leftovers of a crash removed. Every step may be cut short by another crash
//! and done again.

use super::frame::{self, Header};
use super::name::{self, LogFile};
use super::replay::ReplayError;
use super::scan::{Cause, Scanner, Step, Verdict};
use crate::disk::{Access, Dir, OUR_PREFIX};
use crate::types::Zxid;
use std::io;

/// A write that was never reported done, and is gone now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// Path.
    pub file: String,
    /// Where the file ends now.
    pub offset: u64,
    pub cause: Cause,
}

/// The log's state after [`settle`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settled {
    /// The newest transaction in the log; `None` if there is none.
    pub last: Option<Zxid>,
    pub torn: Vec<TornTail>,
    /// Paths of removed files.
    pub removed: Vec<String>,
}

/// Brings the log directory into a state in which all that can be read is durable and every file
/// ends cleanly. Nothing may be writing to it.
pub fn settle(dir: &dyn Dir, entry_max: usize) -> Result<Settled, ReplayError> {
    let mut settled = Settled::default();
    remove_leftovers(dir, &mut settled).map_err(|e| ReplayError::io(dir, "", e))?;
    let logs = name::list_logs(dir).map_err(|e| ReplayError::io(dir, "", e))?;
    let mut newer = Header::Blank;
    for log in logs.iter().rev() {
        newer = settle_file(dir, log, newer, entry_max, &mut settled)?;
        if settled.last.is_some() {
            break;
        }
    }
    // A process that was killed leaves names that no crash of the machine would have to keep.
    dir.flush().map_err(|e| ReplayError::io(dir, "", e))?;
    Ok(settled)
}

/// A segment that was being prepared, half a side record: nothing of them is needed. A probe may be
/// at work beside this; it removes what one before it has left.
fn remove_leftovers(dir: &dyn Dir, settled: &mut Settled) -> io::Result<()> {
    for file in dir.list()? {
        let rest = file.name.strip_prefix(OUR_PREFIX).and_then(|r| r.strip_prefix("log."));
        if rest.is_some_and(|r| r == "next" || r.ends_with(".tmp")) {
            dir.remove(&file.name)?;
            settled.removed.push(dir.show(&file.name));
        }
    }
    Ok(())
}

/// `newer`: the header of the file after this one, which holds no record; returns this file's.
///
/// A segment of ours begins after all of the one before it is durable, so what is torn before one
/// is damage. Java begins a file before it flushes the last: both may be torn.
fn settle_file(
    dir: &dyn Dir,
    log: &LogFile,
    newer: Header,
    entry_max: usize,
    settled: &mut Settled,
) -> Result<Header, ReplayError> {
    let io = |e| ReplayError::io(dir, &log.name, e);
    let file = dir.open(&log.name, Access::Write).map_err(io)?;
    // What the last process wrote and did not flush is flushed now, since a vote will advertise
    // it (I2); and what it failed to flush must not be read from memory.
    file.flush().map_err(io)?;
    file.forget_cached().map_err(io)?;
    let mut scanner = Scanner::open(file.clone(), entry_max).map_err(io)?;
    if scanner.header() == Header::Unknown {
        return Err(ReplayError::Magic { file: dir.show(&log.name) });
    }
    let mut last = None;
    let (offset, cause) = loop {
        match scanner.next_step().map_err(io)? {
            Step::Record { entry, .. } => last = last.max(Some(frame::zxid_of_entry(entry))),
            Step::End { offset, cause } => break (offset, cause),
        }
    };
    let verdict = scanner.judge(last.unwrap_or(Zxid(-1))).map_err(io)?;
    let verdict = match verdict {
        Verdict::Damaged { .. } if crate::mutants::on("damage-cut-off") => Verdict::Torn,
        Verdict::Torn if crate::mutants::on("torn-taken-for-damage") => {
            Verdict::Damaged { evidence: 0 }
        }
        other => other,
    };
    if let Verdict::Damaged { evidence } = verdict {
        return Err(ReplayError::Damaged { file: dir.show(&log.name), offset, cause, evidence });
    }
    if cause == Cause::NoHeader {
        // Its writer crashed while making it (FileTxnIterator.goToNextLog, for size 0).
        dir.remove(&log.name).map_err(io)?;
        settled.removed.push(dir.show(&log.name));
        return Ok(newer);
    }
    if verdict == Verdict::Torn {
        if matches!(newer, Header::Ours(_)) {
            return Err(ReplayError::DamagedMiddle { file: dir.show(&log.name), offset, cause });
        }
        file.set_len(offset).map_err(io)?;
        file.flush().map_err(io)?;
        settled.torn.push(TornTail { file: dir.show(&log.name), offset, cause });
    }
    settled.last = last;
    Ok(scanner.header())
}
