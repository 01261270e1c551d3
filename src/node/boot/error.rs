//! Why a server does not start, or stops by itself, and the exit code that says so
//! (org.apache.zookeeper.server.ExitCode).

use std::io;
use std::net::SocketAddr;

use crate::history::EpochError;
use crate::net::NotTaken;
use crate::node::assembly::AssemblyError;
use crate::node::placement::PlacementError;
use crate::plane::StartError;
use crate::plane::audit::AuditError;
use crate::roles::log::OpenError;
use crate::roles::peers::PeersError;
use crate::runtime::probe::Unsupported;
use crate::snapshot::{DirectoryError, RestoreError, WriteError};
use crate::tls::files::LoadError;

/// The process ends with each of these; nothing was acknowledged that is not on disk.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum BootError {
    #[error(transparent)]
    Kernel(#[from] Unsupported),
    #[error(transparent)]
    Placement(#[from] PlacementError),
    #[error(transparent)]
    Folders(#[from] DirectoryError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Epochs(#[from] EpochError),
    #[error("snapshot at start: {0}")]
    Snapshot(#[from] WriteError),
    #[error(transparent)]
    Log(#[from] OpenError),
    #[error(
        "at most {limit} files may be open (RLIMIT_NOFILE, the hard limit), and {needed} are needed \
         before any client comes: LimitNOFILE=65536 in the systemd unit, or ulimit -Hn 65536"
    )]
    Descriptors { limit: u64, needed: u64 },
    #[error("cannot listen on {address}: {cause}")]
    Listen { address: SocketAddr, cause: io::Error },
    #[error(transparent)]
    Tls(#[from] LoadError),
    #[error(transparent)]
    Plane(#[from] StartError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("thread {name} has ended: {cause}")]
    Ended { name: &'static str, cause: io::Error },
}

impl BootError {
    /// As ZooKeeper's launcher scripts know them.
    pub fn exit_code(&self) -> u8 {
        match self {
            BootError::Folders(_) => 3,
            BootError::Placement(_) | BootError::Tls(_) => 2,
            BootError::Ended { cause, .. } if is_peers(cause) => 14,
            BootError::Plane(error) => error.exit_code(),
            BootError::Snapshot(_) => 10,
            BootError::Kernel(_)
            | BootError::Restore(_)
            | BootError::Epochs(_)
            | BootError::Log(_)
            | BootError::Descriptors { .. }
            | BootError::Listen { .. }
            | BootError::Audit(_)
            | BootError::Signals(_)
            | BootError::Thread(_)
            | BootError::Ended { .. } => 1,
        }
    }
}

/// The ports of other servers cannot be listened on (UNABLE_TO_BIND_QUORUM_PORT).
fn is_peers(cause: &io::Error) -> bool {
    cause.get_ref().is_some_and(|inner| inner.is::<PeersError>())
}

impl From<NotTaken> for BootError {
    fn from(NotTaken { address, cause }: NotTaken) -> BootError {
        BootError::Listen { address, cause }
    }
}

impl From<AssemblyError> for BootError {
    fn from(error: AssemblyError) -> BootError {
        match error {
            AssemblyError::Log(error) => error.into(),
            AssemblyError::Epochs(error) => error.into(),
        }
    }
}
