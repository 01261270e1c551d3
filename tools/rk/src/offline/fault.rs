//! Why a command on files has failed: the toolkits' texts and exit codes (org.apache.zookeeper.server.ExitCode).
//! Where Java ends with a stack trace, and the JVM with 1, there is a sentence.

use std::io;
use std::num::ParseIntError;

use ringkeeper::codec::jute::DecodeError;
use ringkeeper::codec::snapfile::SnapshotError;
use ringkeeper::disk::lock::LockError;
use ringkeeper::disk::mixed::MixedError;
use ringkeeper::log::scan::Cause;

/// ExitCode.UNEXPECTED_ERROR, and what a JVM ends with after an exception.
const UNEXPECTED: u8 = 1;

/// ExitCode.INVALID_INVOCATION.
const INVOCATION: u8 = 2;

/// Why it has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfflineError {
    /// How the command is used, on standard error.
    #[error("{text}")]
    Usage { text: String, code: u8 },
    /// The same, on standard output.
    #[error("{text}")]
    Help { text: String, code: u8 },
    /// What is wrong, and behind it how the command is used.
    #[error("{error}")]
    HelpFor { error: String, text: String, code: u8 },
    /// Something is wrong with the files, and what it is has been printed.
    #[error("something is wrong with the files")]
    Found,
    #[error("--max-buffer {0}: it is a number of bytes, the servers' jute.maxbuffer")]
    MaxBuffer(String),
    #[error("{file}: {error}")]
    Io { file: String, error: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Mixed(MixedError),
    #[error("File doesn't exist or not readable: {0}")]
    NotReadable(String),
    #[error("Recovery file {0} already exists or not writable")]
    RecoveryExists(String),
    #[error("Invalid magic number for {0}")]
    Magic(String),
    #[error("Last transaction was partial.")]
    Partial,
    #[error("Recovery aborted.")]
    Aborted,
    #[error("nobody says whether to fix it: -y fixes without being asked")]
    NoAnswer,
    #[error("{text} is no zxid: {error}")]
    Zxid { text: String, error: ParseIntError },
    #[error("a log is chopped at a zxid from 0 up, not at {0}")]
    NegativeZxid(i64),
    #[error("CRC doesn't match {stored} vs {computed}")]
    Checksum { stored: u64, computed: u32 },
    #[error("{file}, record at byte {offset}: {cause}")]
    Record { file: String, offset: u64, cause: Cause },
    #[error("{file}, record at byte {offset}: {error}")]
    Entry { file: String, offset: u64, error: DecodeError },
    #[error("{file}: {error}")]
    Snapshot { file: String, error: SnapshotError },
    #[error("{file}: {error}")]
    Tree { file: String, error: TreeFault },
    #[error("{0}")]
    NotAFile(String),
    #[error("Cannot specify both data dump (-d) and json mode (-json) in same call")]
    DataAndJson,
    #[error("For input string: \"{0}\"")]
    Number(String),
    #[error("nobody says what to compare: the standard input has ended")]
    NoInput,
    #[error("{path} is not in {file}")]
    NoNode { file: String, path: String },
    #[error("{0} is there already")]
    Exists(String),
}

/// What makes nodes no tree.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum TreeFault {
    #[error("Invalid Datatree, unable to find parent {parent} of path {path}")]
    NoParent { parent: String, path: String },
    #[error("node {0} stands in it twice")]
    Twice(String),
    #[error("it has no root")]
    NoRoot,
    #[error("it has more nodes than {0}")]
    TooMany(u32),
}

impl OfflineError {
    /// The process's.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            OfflineError::Usage { code, .. }
            | OfflineError::Help { code, .. }
            | OfflineError::HelpFor { code, .. } => *code,
            OfflineError::Magic(_)
            | OfflineError::NotAFile(_)
            | OfflineError::DataAndJson
            | OfflineError::Lock(_)
            | OfflineError::MaxBuffer(_) => INVOCATION,
            OfflineError::Aborted => 0,
            _ => UNEXPECTED,
        }
    }
}
