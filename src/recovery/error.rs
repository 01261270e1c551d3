//! Why `recover-quorum` does nothing. The texts name the thing and the remedy.

use std::io;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::disk::lock::LockError;
use crate::disk::mixed::MixedError;
use crate::history::EpochError;
use crate::membership::lost_quorum::Unrecoverable;
use crate::snapshot::RestoreError;

/// Nothing was written, but for `Write` and `Unusable`, whose copies are named before.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub(super) enum RecoveryError {
    #[error("{}: {error}", file.display())]
    Config { file: PathBuf, error: Box<ConfigError> },
    #[error("{}: it is no ensemble's: a server on its own needs no quorum", file.display())]
    Alone { file: PathBuf },
    #[error("--config is missing: a survivor's configuration file")]
    NoConfig,
    #[error(
        "--survivor {text}: must be ID=DATADIR[,DATALOGDIR], or a line that --describe has printed"
    )]
    Survivor { text: String },
    #[error("a survivor's line is not whole ({what}): {text}")]
    Line { text: String, what: &'static str },
    #[error("cannot read {}: {error}", file.display())]
    Lines { file: PathBuf, error: io::Error },
    #[error("server {id}: {} holds the id {found}", file.display())]
    MyId { id: i64, file: PathBuf, found: String },
    #[error("server {id}: cannot open {}: {error}", path.display())]
    Open { id: i64, path: PathBuf, error: io::Error },
    #[error("server {id} runs: {error}. Stop it first")]
    Runs { id: i64, error: LockError },
    #[error("server {id}: {error}")]
    Mixed { id: i64, error: MixedError },
    #[error(
        "server {id}: {error}. Leave it out: it can be sent everything anew once the others serve"
    )]
    Restore { id: i64, error: Box<RestoreError> },
    #[error(
        "server {id} has no history: it is no survivor. Leave it out; it is sent everything once the \
         others serve"
    )]
    Blank { id: i64 },
    #[error("server {id}: {error}")]
    Epochs { id: i64, error: EpochError },
    #[error("server {id}: what is known to be committed cannot be read: {error}")]
    Committed { id: i64, error: io::Error },
    #[error(
        "server {id} knows that all up to {upto} is committed, and its files end with {last}: some of \
         them are missing. Bring them back, or leave it out"
    )]
    Beyond { id: i64, upto: crate::types::Zxid, last: crate::types::Zxid },
    #[error(transparent)]
    Unrecoverable(#[from] Unrecoverable),
    #[error(
        "server {id} answers at {at}: it is not lost. Start the survivors as they are, or stop it and \
         make sure that it stays so. If something else answers there: --force {id}"
    )]
    LostAnswers { id: i64, at: String },
    #[error(
        "server {id} answers at {at}: a survivor must not run while its configuration is changed. Stop \
         it. If something else answers there: --force {id}"
    )]
    SurvivorAnswers { id: i64, at: String },
    #[error("{} is not changed: {error}", file.display())]
    Write { file: PathBuf, error: io::Error },
    #[error(
        "{} was written, and no server can start on it: {error}. What was before is in the copies named \
         above", file.display()
    )]
    Unusable { file: PathBuf, error: Box<ConfigError> },
}

impl RecoveryError {
    /// 2 where the command line or a file is not understood, 1 where it is and speaks against going on.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            RecoveryError::Config { .. }
            | RecoveryError::NoConfig
            | RecoveryError::Survivor { .. }
            | RecoveryError::Line { .. }
            | RecoveryError::Lines { .. } => 2,
            RecoveryError::Alone { .. }
            | RecoveryError::MyId { .. }
            | RecoveryError::Open { .. }
            | RecoveryError::Runs { .. }
            | RecoveryError::Mixed { .. }
            | RecoveryError::Restore { .. }
            | RecoveryError::Blank { .. }
            | RecoveryError::Epochs { .. }
            | RecoveryError::Committed { .. }
            | RecoveryError::Beyond { .. }
            | RecoveryError::Unrecoverable(_)
            | RecoveryError::LostAnswers { .. }
            | RecoveryError::SurvivorAnswers { .. }
            | RecoveryError::Write { .. }
            | RecoveryError::Unusable { .. } => 1,
        }
    }
}
