//! The epoch files in `<dataDir>/version-2`: `acceptedEpoch`, promised to a leader, and
//! `currentEpoch`, entered. ASCII decimal, as Java's (QuorumPeer.readLongFromFile); its directory is
//! not flushed there, here it is.
//!
//! A log that is ahead of `currentEpoch`: Java starts only if `currentEpoch.tmp` is there. Its own
//! learner can die between the history and the epoch, and does not start any more. Here the epoch is
//! taken from the log if a promise covers it: a transaction (e, n) comes from the leader of e, and
//! everything of e's initial history came before it in every leader's stream, so a log that holds
//! it may claim e, no matter of which later epoch the stream was.

use std::io;

use crate::disk::{Access, Dir, read_small, remove_if_present, replace_file};
use crate::types::{Epoch, Zxid};
use crate::zab::Stored;

const ACCEPTED: &str = "acceptedEpoch";
const CURRENT: &str = "currentEpoch";
/// AtomicFileOutputStream's, and [`replace_file`]'s.
const TEMPORARY: &str = ".tmp";
/// ZooKeeper 3.4's mark that the epoch was about to be raised.
const UPDATING: &str = "updatingEpoch";
/// Bytes of a file of ours: the number on the first line, which is all that Java reads, and blanks.
const SLOT: usize = 32;
/// More than any number has digits.
const FILE_MAX: usize = 64;

/// What a server promised and entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epochs {
    /// `acceptedEpoch`: what was promised to a leader.
    pub accepted: Epoch,
    /// `currentEpoch`: the newest one entered.
    pub current: Epoch,
    /// `currentEpoch` before, if the log was ahead of it.
    pub raised_from: Option<Epoch>,
}

/// Why a server may not take part in elections. It does not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum EpochError {
    #[error("{file}: {cause}")]
    Io { file: String, cause: io::Error },
    #[error("{file} holds {text:?}, which is no epoch: the server does not know what it promised")]
    Unreadable { file: String, text: String },
    #[error(
        "the last transaction is {last}, of a later epoch than currentEpoch {current}, and \
         acceptedEpoch {accepted} does not cover it: the files do not belong together"
    )]
    Behind { last: Zxid, current: u32, accepted: u32 },
    #[error("acceptedEpoch {accepted} is lower than currentEpoch {current}: a promise was lost")]
    Broken { accepted: u32, current: u32 },
}

/// Reads both, makes those that are missing, and removes what a crash has left. `last`: the last
/// transaction of log and snapshots.
pub fn open(dir: &dyn Dir, last: Zxid) -> Result<Epochs, EpochError> {
    let of_last = if last.0 < 0 { Epoch(0) } else { last.epoch() };
    let put = |stored| {
        let failed = |cause| EpochError::Io { file: dir.show(name(stored)), cause };
        store(dir, stored).map_err(failed)
    };
    flush_found(dir).map_err(|cause| EpochError::Io { file: dir.show(""), cause })?;
    let current_in_file = read(dir, CURRENT)?;
    let mut current = current_in_file.unwrap_or(of_last);
    let accepted_in_file = read(dir, ACCEPTED)?;
    let accepted = accepted_in_file.unwrap_or(of_last);
    let mut raised_from = None;
    if of_last > current {
        let announced = match read(dir, &format!("{CURRENT}{TEMPORARY}")) {
            Err(EpochError::Unreadable { .. }) => None,
            other => other?,
        };
        if accepted_in_file.is_none() && announced.is_none_or(|epoch| epoch < of_last) {
            return Err(EpochError::Behind { last, current: current.0, accepted: accepted.0 });
        }
        raised_from = Some(current);
        current = of_last;
    }
    if accepted < current {
        let (accepted, current) = (accepted.0, current.0);
        return Err(match raised_from {
            Some(before) => EpochError::Behind { last, current: before.0, accepted },
            None => EpochError::Broken { accepted, current },
        });
    }
    // The promise first: a crash in between must not leave the lower one.
    if accepted_in_file.is_none() {
        put(Stored::Accepted(accepted))?;
    }
    if current_in_file != Some(current) {
        put(Stored::Current(current))?;
    }
    for left in [format!("{ACCEPTED}{TEMPORARY}"), format!("{CURRENT}{TEMPORARY}"), UPDATING.into()]
    {
        let failed = |cause| EpochError::Io { file: dir.show(&left), cause };
        remove_if_present(dir, &left).map_err(failed)?;
    }
    Ok(Epochs { accepted, current, raised_from })
}

/// Durable when this returns; a crash leaves the old epoch or the new one.
///
/// Four of these lie between a leader's death and the next answer, so a file of ours is written in
/// place: its few bytes are in one sector, which a device writes whole or not at all, and no name
/// changes. That is one flush without the file system's journal in place of two with it.
pub fn store(dir: &dyn Dir, stored: Stored) -> io::Result<()> {
    let (Stored::Accepted(epoch) | Stored::Current(epoch)) = stored;
    let text = format!("{:<width$}\n", format!("{}\n", epoch.0), width = SLOT - 1);
    let file = match dir.open(name(stored), Access::Write) {
        Ok(file) if file.size()? == SLOT as u64 => file,
        // Java's, or none.
        Ok(_) => return replace_file(dir, name(stored), text.as_bytes()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return replace_file(dir, name(stored), text.as_bytes());
        }
        Err(e) => return Err(e),
    };
    file.write_at(text.as_bytes(), 0)?;
    file.flush()
}

/// Says, durably, which epoch is about to be entered: Java takes it for `currentEpoch` if it finds
/// the log ahead of that file, and passes over it if not.
pub fn announce(dir: &dyn Dir, epoch: Epoch) -> io::Result<()> {
    let name = format!("{CURRENT}{TEMPORARY}");
    remove_if_present(dir, &name)?;
    let file = dir.create(&name)?;
    file.write_at(epoch.0.to_string().as_bytes(), 0)?;
    file.flush()?;
    dir.flush()
}

fn name(stored: Stored) -> &'static str {
    match stored {
        Stored::Accepted(_) => ACCEPTED,
        Stored::Current(_) => CURRENT,
    }
}

/// The first line; `None` without a file.
/// What a killed process wrote and did not flush is flushed before it is believed: a power loss
/// later must not take back what this server votes by (I2).
fn flush_found(dir: &dyn Dir) -> io::Result<()> {
    for name in [ACCEPTED, CURRENT] {
        match dir.open(name, Access::Write) {
            Ok(file) => {
                file.flush()?;
                file.forget_cached()?;
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    dir.flush()
}

fn read(dir: &dyn Dir, name: &str) -> Result<Option<Epoch>, EpochError> {
    let bytes = match read_small(dir, name, FILE_MAX) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(EpochError::Io { file: dir.show(name), cause }),
    };
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or("");
    // Java's epochs are signed: the upper half of a zxid.
    match line.parse::<u32>() {
        Ok(epoch) if epoch <= i32::MAX as u32 => Ok(Some(Epoch(epoch))),
        _ => Err(EpochError::Unreadable { file: dir.show(name), text: line.to_owned() }),
    }
}
