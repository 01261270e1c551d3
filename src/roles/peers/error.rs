//! Why a connection with another server is not made, or ends, and why nothing listens for one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::resolver::LOOKUPS_MAX;
use crate::codec::jute::DecodeError;
use crate::codec::quorum::PacketError;
use crate::codec::quorum::snapshot::StreamError;
use crate::net::CloseReason;

/// Why a name has no address now. Whoever asked asks again later.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum LookUpError {
    #[error("{host}: {} names are being looked up", LOOKUPS_MAX)]
    TooMany { host: String },
    #[error("{host}: {error}")]
    Failed { host: String, error: Arc<io::Error> },
}

/// Why there is no connection. The election's mesh and the learner try again when it is time.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("it has no address")]
    NoAddress,
    #[error("its name is still being looked up")]
    LookedUpStill,
    #[error(transparent)]
    LookUp(#[from] LookUpError),
    #[error("{address}: not connected in time")]
    Late { address: SocketAddr },
    #[error("{address}: {error}")]
    Refused { address: SocketAddr, error: io::Error },
    #[error("{address}: {reason}")]
    Closed { address: SocketAddr, reason: CloseReason },
}

/// Why nothing listens at a port. It is tried again.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum ListenError {
    #[error(transparent)]
    LookUp(#[from] LookUpError),
    #[error("{address}: {error}")]
    Bind { address: SocketAddr, error: io::Error },
}

/// What has come over a link that nobody can go on reading behind. The link is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error(transparent)]
    Packet(PacketError),
    #[error(transparent)]
    Stream(StreamError),
    /// Too long for this server alone: it would meet it again and again.
    #[error(
        "{what} of {length} bytes: this server reads {field_max}, its jute.maxbuffer and \
         jute.maxbuffer.extrasize together; set jute.maxbuffer as large as on the server that wrote \
         it, and start again"
    )]
    TooLong { what: &'static str, length: i32, field_max: usize },
}

impl LinkError {
    pub(super) fn of_packet(error: PacketError, field_max: usize) -> LinkError {
        match error {
            PacketError::Field { packet: what, error: DecodeError::Length { length, .. } } => {
                LinkError::TooLong { what, length, field_max }
            }
            other => LinkError::Packet(other),
        }
    }

    pub(super) fn of_stream(error: StreamError, field_max: usize) -> LinkError {
        match error {
            StreamError::Record {
                error: DecodeError::Length { field: what, length, .. }, ..
            } => LinkError::TooLong { what, length, field_max },
            other => LinkError::Stream(other),
        }
    }
}
