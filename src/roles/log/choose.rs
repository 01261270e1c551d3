//! Which way the log is written, before it is.

use super::error::OpenError;
use super::io::probe;
use crate::disk::{self, Dir};
use crate::log::settings::{IoChoice, LogSettings};

/// Resolves `auto` by trying, makes sure that what was asked for works, and says what came of it.
/// Needs nothing of the log but its folder, so it can be done while the log is still being read: on
/// a disk that has much to write it may take a second.
///
/// A ring serves the thread that made it, so a log that is lent has none unless it was asked for; it
/// is then written by the log thread alone.
pub fn choose(dir: &dyn Dir, settings: &LogSettings, lent: bool) -> Result<IoChoice, OpenError> {
    let io = |source| OpenError::Io { dir: dir.show(""), source };
    let _ = probe::clear(dir).map_err(io)?;
    let candidates: &[IoChoice] = match lent {
        true => &[IoChoice::Calls, IoChoice::Direct],
        false => &[IoChoice::Calls, IoChoice::Ring, IoChoice::Direct],
    };
    let choice = match settings.io {
        IoChoice::Auto if settings.force_sync => {
            match probe::measure(dir, candidates) {
                Ok(findings) => {
                    tracing::info!("median of a durable batch here: {findings}");
                    findings.best()
                }
                // No room to try anything: what is there is for the log.
                Err(e) if disk::is_no_space(&e) => {
                    let _ = probe::clear(dir).map_err(io)?;
                    IoChoice::Calls
                }
                Err(e) => return Err(io(e)),
            }
        }
        IoChoice::Auto | IoChoice::Calls => IoChoice::Calls,
        choice @ (IoChoice::Ring | IoChoice::Direct) => {
            let refused = |source| OpenError::Choice { choice, dir: dir.show(""), source };
            probe::check(choice, dir).map_err(refused)?;
            choice
        }
    };
    tracing::info!("log writes by {}", choice.name());
    Ok(choice)
}
