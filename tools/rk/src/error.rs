//! Why a command has failed: zkCli's texts and exit codes (org.apache.zookeeper.cli.CliException).

use std::io;

use ringkeeper::client::ConnectStringError;
use ringkeeper::client::recipes::Fault as RecipeFault;
use ringkeeper::membership::MembersError;
use ringkeeper::types::{CreateMode, ErrorCode};

use crate::client::CallError;
use crate::commands::Command;
use crate::connection::AskError;
use crate::contexts::ContextFault;
use crate::diff::StateFault;
use crate::login::LoginFault;
use crate::options::ParseError;
use crate::path::PathFault;
use crate::quota_text::QuotaText;
use crate::tls::TlsFault;

/// The exit code of a command that is none.
const NOT_FOUND: u8 = 127;

/// Of every other failure.
const FAILED: u8 = 1;

/// Why a command has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command's usage is all there is to say.
    #[error("{}", .0.usage())]
    Usage(&'static Command),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Path(#[from] PathFault),
    #[error("Command not found: Command not found {0}")]
    NotFound(String),
    #[error(transparent)]
    Fault(#[from] Fault),
    /// CliWrapperException.
    #[error("{}", wrapped(.0))]
    Call(#[from] CallError),
    #[error(transparent)]
    Quota(#[from] QuotaText),
    #[error(transparent)]
    Servers(#[from] ConnectStringError),
    #[error("Error processing {file}: {error}")]
    Members { file: String, error: MembersError },
    #[error("{file}: {error}")]
    File { file: String, error: io::Error },
    #[error(transparent)]
    Context(#[from] ContextFault),
    #[error(transparent)]
    Login(#[from] LoginFault),
    #[error(transparent)]
    Tls(#[from] TlsFault),
    #[error(transparent)]
    State(#[from] StateFault),
    #[error("the connection's thread did not start: {0}")]
    Thread(io::Error),
    /// clap has its own texts, and its own exit codes.
    #[error("{0}")]
    Arguments(#[from] clap::Error),
    #[error("{}", recipe_text(.0))]
    Recipe(#[from] RecipeFault),
    #[error(transparent)]
    Held(#[from] HeldFault),
    /// What was asked for is nowhere to be had; why was printed.
    #[error("{0}")]
    Nothing(&'static str),
    /// A check that is not met: the text was printed, the code is the monitor's.
    #[error("{text}")]
    Check { text: String, code: u8 },
}

/// What is wrong with a command's arguments. Those of zkCli in its words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.")]
    Container,
    #[error("-t argument must be a long value")]
    TtlNumber,
    #[error("TTLs cannot be used with Ephemeral znodes")]
    TtlEphemeral,
    #[error("TTLs cannot be used with Container znodes")]
    TtlContainer,
    #[error("ttl must be positive and cannot be larger than: {}", CreateMode::TTL_MS_MAX)]
    TtlRange,
    #[error("-b argument must be an int value")]
    Batch,
    #[error("-v argument must be an int value")]
    Version,
    #[error("-b needs data in base64")]
    Base64,
    #[error("-v must be followed by a long (configuration version)")]
    ConfigVersion,
    #[error(
        "Can't use -file or -members together with -add or -remove (mixing incremental and \
         non-incremental modes is not allowed)"
    )]
    Mixed,
    #[error("Can't use -file and -members together (conflicting non-incremental modes)")]
    FileAndMembers,
    #[error("Command index out of range")]
    Index,
    #[error("redo needs the number of a command")]
    IndexNumber,
    #[error("No redoing redos")]
    RedoRedo,
    #[error("{0} does not exist.")]
    NoNodeForQuota(String),
    #[error("{path} has a child {other} which has a quota")]
    ChildQuota { path: String, other: String },
    #[error("{path} has a parent {other} which has a quota")]
    ParentQuota { path: String, other: String },
    #[error("{path} is ephemeral: it belongs to a session and cannot be {verb}")]
    Ephemeral { path: String, verb: &'static str },
    #[error("{target} lies in {source_path}: it would be copied into itself")]
    IntoItself { source_path: String, target: String },
    #[error("{path} has {nodes} nodes or more, at most {limit} move at once: copy, then delete")]
    TooManyToMove { path: String, nodes: usize, limit: usize },
    #[error("line {line}: {reason}")]
    Import { line: usize, reason: ImportFault },
    #[error("{text}: {expected}")]
    Number { text: String, expected: &'static str },
    #[error("connecting took longer than {0} ms")]
    NotConnected(i32),
}

/// Why something was not had, or is had no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeldFault {
    #[error("{path}: not had within {ms} ms")]
    TooLate { path: String, ms: u64 },
    #[error("{path} is lost: {reason}")]
    Lost { path: String, reason: &'static str },
    #[error("{path}: given up")]
    GivenUp { path: String },
    #[error("{program} does not run: {error}")]
    Program { program: String, error: io::Error },
    #[error("no random numbers for an id: {0}")]
    Random(getrandom::Error),
    #[error("signals cannot be heard: {0}")]
    Signals(io::Error),
}

/// What is wrong with a line that is to be imported.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ImportFault {
    #[error("it is no JSON object with a path")]
    Shape,
    #[error("{0} is not a kind of node that can be imported")]
    Kind(String),
    #[error("data64 is not base64")]
    Base64,
    #[error("an entry of acl is not scheme:id:perms")]
    Acl,
    #[error("{0} is there already")]
    Exists(String),
}

impl CliError {
    /// The process's, of a single command.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CliError::NotFound(_) => NOT_FOUND,
            CliError::Check { code, .. } => *code,
            CliError::Held(fault) => fault.exit_code(),
            CliError::Arguments(error) => u8::try_from(error.exit_code()).unwrap_or(FAILED),
            _ => FAILED,
        }
    }
}

impl HeldFault {
    /// That of a lock that is not had differs from most commands' own codes (EX_TEMPFAIL).
    fn exit_code(&self) -> u8 {
        match self {
            HeldFault::TooLate { .. } | HeldFault::Lost { .. } | HeldFault::GivenUp { .. } => 75,
            HeldFault::Program { .. } => NOT_FOUND,
            HeldFault::Random(_) | HeldFault::Signals(_) => FAILED,
        }
    }
}

/// A refusal in the words of the other commands.
fn recipe_text(fault: &RecipeFault) -> String {
    match fault {
        RecipeFault::Refused { path, code } => wrapped(&CallError::keeper(*code, path)),
        fault => fault.to_string(),
    }
}

impl From<AskError> for CliError {
    fn from(error: AskError) -> CliError {
        CliError::Call(CallError::Ask(error))
    }
}

/// CliWrapperException.getMessage.
fn wrapped(error: &CallError) -> String {
    let CallError::Keeper { code, path } = error else { return error.to_string() };
    let path = path.as_deref().unwrap_or("null");
    let code = ErrorCode::from_code(*code);
    let text = match code {
        ErrorCode::NoNode => "Node does not exist: ",
        ErrorCode::NoChildrenForEphemerals => "Ephemerals cannot have children: ",
        ErrorCode::NodeExists => "Node already exists: ",
        ErrorCode::NotEmpty => "Node not empty: ",
        ErrorCode::NotReadOnly => "Not a read-only call: ",
        ErrorCode::InvalidAcl => "Acl is not valid : ",
        ErrorCode::NoAuth => "Insufficient permission : ",
        ErrorCode::BadArguments => "Arguments are not valid : ",
        ErrorCode::BadVersion => "version No is not valid : ",
        ErrorCode::QuotaExceeded => "Quota has exceeded : ",
        ErrorCode::ReconfigInProgress => {
            return "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)"
                .into();
        }
        ErrorCode::NewConfigNoQuorum => {
            return "No quorum of new config is connected and up-to-date with the leader of last \
                    commmitted config - try invoking reconfiguration after new servers are connected \
                    and synced"
                .into();
        }
        _ => return error.to_string(),
    };
    format!("{text}{path}")
}
