//! Why there is no log, or no log any more.

use std::io;

use crate::disk::{hint, is_no_space};
use crate::log::{IoChoice, ReplayError};
use crate::types::Zxid;

/// Why there is no log. The caller does not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum OpenError {
    #[error("cannot open the log in {dir}: {source}{}", hint(dir, source))]
    Io { dir: String, source: io::Error },
    #[error(
        "the log in {dir} holds transactions up to {newest}, but only those up to {last} were \
         loaded: going on would overwrite the rest"
    )]
    Ahead { dir: String, newest: Zxid, last: Zxid },
    #[error("ringkeeper.log.io={} does not work in {dir}: {source}", choice.name())]
    Choice { choice: IoChoice, dir: String, source: io::Error },
    #[error(transparent)]
    Unreadable(#[from] ReplayError),
}

/// The disk has failed. Nothing more may be acknowledged: the process ends (I11).
#[derive(Debug, thiserror::Error)]
#[error("{step} failed in {file}: {cause}{}", self.what_to_do())]
#[allow(missing_docs, reason = "the texts say what each is")]
pub struct LogFailure {
    pub step: FailedStep,
    pub dir: String,
    pub file: String,
    pub cause: io::Error,
}

/// What the log was at when its disk failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum FailedStep {
    #[error("preparing a segment")]
    Prepare,
    #[error("beginning a segment")]
    Begin,
    #[error("writing a batch")]
    Write,
    #[error("flushing a finished segment")]
    Flush,
    /// All writers' bytes, laid out before they are written.
    #[error("laying out {bytes} bytes for the log")]
    LayOut { bytes: u64 },
}

impl LogFailure {
    fn what_to_do(&self) -> String {
        match is_no_space(&self.cause) {
            true => hint(&self.dir, &self.cause) + ": all that was acknowledged is there",
            false => String::new(),
        }
    }
}
