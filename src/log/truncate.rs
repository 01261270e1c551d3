//! Cutting the log behind a transaction, when a new leader never had what came after it
//! (FileTxnLog.truncate).
//!
//! Differences to Java, each of which lost or kept the wrong transactions there: the cut comes
//! before the first record above the given zxid, present or not, and everything is flushed in an
//! order that lets a crash at any point be followed by the same call again. Later files go from
//! the newest on, each removal durable before the next: what a crash leaves has no gap.

use super::frame;
use super::horizon;
use super::name::{self, LogFile, side_name};
use super::replay::ReplayError;
use super::scan::{Scanner, Step};
use crate::codec::txnlog::{FILE_HEADER, put_record};
use crate::disk::{self, Access, Dir};
use crate::types::Zxid;

/// What is left after [`truncate`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Truncated {
    /// The newest transaction left in the log; `None`: no log is left that holds one. Unless it
    /// is the zxid asked for, or a snapshot has that, this server cannot follow such a leader.
    pub last: Option<Zxid>,
    /// The file that was cut and where.
    pub cut: Option<(String, u64)>,
    /// Paths of removed files, newest first.
    pub removed: Vec<String>,
}

/// Removes every transaction above `after` from the log. The log is settled and nothing writes to
/// it. Snapshots above `after` are the caller's: they must go before.
pub fn truncate(dir: &dyn Dir, after: Zxid, entry_max: usize) -> Result<Truncated, ReplayError> {
    let whole = |e| ReplayError::io(dir, "", e);
    let mut done = Truncated::default();
    // First: what it promises may be about to go.
    horizon::remove(dir).map_err(whole)?;
    let logs = name::list_logs(dir).map_err(whole)?;
    for log in logs.iter().rev() {
        if log.first > after {
            remove(dir, log)?;
            done.removed.push(dir.show(&log.name));
            continue;
        }
        if let Some(last) = cut(dir, log, after, entry_max, &mut done)? {
            done.last = Some(last);
            break;
        }
    }
    Ok(done)
}

/// Before [`truncate`] to the same `after`, for those who are to keep what it takes away: files that
/// would go as a whole get another name, from the newest on as they would go, and the end of the
/// file that would be cut is written to a file of its own, a log like any other. `set_aside` gives
/// the new name. Gives the new names.
pub fn set_aside(
    dir: &dyn Dir,
    after: Zxid,
    entry_max: usize,
    set_aside: &dyn Fn(&str) -> String,
) -> Result<Vec<String>, ReplayError> {
    let whole = |e| ReplayError::io(dir, "", e);
    let mut names = Vec::new();
    // First, as in [`truncate`].
    horizon::remove(dir).map_err(whole)?;
    for log in name::list_logs(dir).map_err(whole)?.iter().rev() {
        let io = |e| ReplayError::io(dir, &log.name, e);
        if log.first > after {
            let name = set_aside(&log.name);
            disk::remove_if_present(dir, &side_name(log.first)).map_err(io)?;
            dir.rename(&log.name, &name).map_err(io)?;
            dir.flush().map_err(io)?;
            names.push(name);
            continue;
        }
        let (first, bytes) = end_of(dir, log, after, entry_max).map_err(io)?;
        if let Some(first) = first {
            let name = set_aside(&name::log_name(first));
            disk::replace_file(dir, &name, &bytes).map_err(io)?;
            names.push(name);
        }
        break;
    }
    Ok(names)
}

/// What the file has behind `after`: the first transaction, and all of it as a file.
fn end_of(
    dir: &dyn Dir,
    log: &LogFile,
    after: Zxid,
    entry_max: usize,
) -> std::io::Result<(Option<Zxid>, Vec<u8>)> {
    let mut scanner = Scanner::open(dir.open(&log.name, Access::Read)?, entry_max)?;
    let mut bytes = FILE_HEADER.to_vec();
    let mut first = None;
    while let Step::Record { entry, .. } = scanner.next_step()? {
        let zxid = frame::zxid_of_entry(entry);
        if zxid > after {
            first.get_or_insert(zxid);
            put_record(&mut bytes, entry);
        }
    }
    Ok((first, bytes))
}

fn remove(dir: &dyn Dir, log: &LogFile) -> Result<(), ReplayError> {
    let io = |e| ReplayError::io(dir, &log.name, e);
    disk::remove_if_present(dir, &side_name(log.first)).map_err(io)?;
    dir.remove(&log.name).map_err(io)?;
    dir.flush().map_err(io)
}

/// The last transaction of the file that is not above `after`; what is, is cut off.
fn cut(
    dir: &dyn Dir,
    log: &LogFile,
    after: Zxid,
    entry_max: usize,
    done: &mut Truncated,
) -> Result<Option<Zxid>, ReplayError> {
    let io = |e| ReplayError::io(dir, &log.name, e);
    let file = dir.open(&log.name, Access::Write).map_err(io)?;
    let mut scanner = Scanner::open(file.clone(), entry_max).map_err(io)?;
    let mut last = None;
    let at = loop {
        match scanner.next_step().map_err(io)? {
            Step::Record { offset, entry } => match frame::zxid_of_entry(entry) {
                zxid if zxid > after => break offset,
                zxid => last = last.max(Some(zxid)),
            },
            Step::End { .. } => return Ok(last),
        }
    };
    // The side record is of the whole file; without one a file is read all the same.
    if disk::remove_if_present(dir, &side_name(log.first)).map_err(io)? {
        dir.flush().map_err(io)?;
    }
    frame::cut(file.as_ref(), scanner.header(), at).map_err(io)?;
    done.cut = Some((dir.show(&log.name), at));
    Ok(last)
}
