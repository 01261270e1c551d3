//! What is wrong with a configuration, where, and what would be right.

use super::Conflict;
use crate::codec::properties::EscapeError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Line of a file, counted from 1: where the logical line begins.
    Line(Arc<Path>, usize),
    /// A `-D` flag.
    Flag,
    /// An argument of the command line, counted from 1.
    Argument(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(path, line) => write!(f, "{} line {line}", path.display()),
            Place::Flag => write!(f, "a -D flag"),
            Place::Argument(at) => write!(f, "argument {at}"),
        }
    }
}

/// Every one of these ends the start with exit code 2 ([`ConfigError::EXIT_CODE`]).
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum ConfigError {
    #[error("cannot read {}: {cause}", path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("{place}: {what}")]
    Syntax { place: Place, what: EscapeError },
    #[error("{key}={value} in {place}: must be {allowed}")]
    Value { key: String, value: String, place: Place, allowed: String },
    #[error("{key} is not set in {whence}: {why}")]
    Missing { key: &'static str, whence: String, why: &'static str },
    #[error(transparent)]
    Conflict(Box<Conflict>),
    #[error("{key}={value} in {place}: {feature} is not served by this version; {instead}")]
    NotServed {
        key: String,
        value: String,
        place: Place,
        feature: &'static str,
        instead: &'static str,
    },
    #[error(
        "{0} arguments: expected <configuration file>, or \
         <port> <dataDir> [tickTime] [maxClientCnxns]"
    )]
    Arguments(usize),
}

impl From<Conflict> for ConfigError {
    fn from(conflict: Conflict) -> ConfigError {
        ConfigError::Conflict(Box::new(conflict))
    }
}

impl ConfigError {
    /// ExitCode.INVALID_INVOCATION.
    pub const EXIT_CODE: i32 = 2;
}
