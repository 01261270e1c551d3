//! A server's vote, as it is told to others (FastLeaderElection.buildMsg, WorkerReceiver.run).

use crate::codec::jute::{DecodeError, Reader, java_text, put_i32, put_i64, put_str};
use crate::types::{ServerId, Zxid};

/// The version of our messages, the first to carry a configuration (Notification.CURRENTVERSION).
pub const VERSION: i32 = 2;

/// What came before the peer epoch, and what ends with the version.
const LEN_WITHOUT_PEER_EPOCH: usize = 28;
const LEN_WITHOUT_CONFIG: usize = 40;

/// What a server is at (ServerState).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names (QuorumPeer.ServerState)")]
pub enum PeerState {
    Looking,
    Following,
    Leading,
    Observing,
}

/// A vote and its sender's state. Who sent it is the connection's to know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/quorum-protocol.md")]
pub struct Notification {
    pub state: PeerState,
    /// Whom the sender votes for.
    pub leader: ServerId,
    pub zxid: Zxid,
    /// The sender's round (electionEpoch, the logical clock).
    pub election_epoch: i64,
    pub peer_epoch: i64,
    /// Of the message. 0 and 1 come without a configuration.
    pub version: i32,
    /// The configuration the sender is in. A Java server wants one that is not empty.
    pub config: Option<String>,
}

/// Not a notification: it is passed over, the connection stays.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum NotificationError {
    #[error("notification of {0} bytes, at least 28 are needed")]
    Length(usize),
    #[error("notification: {0}")]
    Field(DecodeError),
    #[error("notification of a server in state {0}, known are 0 to 3")]
    State(i32),
}

/// A notification of any version; each has a length of its own. One of 28 bytes has no peer epoch,
/// which then is the zxid's. One of 40 bytes, as 3.4 sends it, is taken for version 0, whatever it
/// says.
pub fn decode_notification(payload: &[u8]) -> Result<Notification, NotificationError> {
    if payload.len() < LEN_WITHOUT_PEER_EPOCH {
        return Err(NotificationError::Length(payload.len()));
    }
    read(&mut Reader::new(payload)).map_err(NotificationError::Field)?
}

fn read(r: &mut Reader<'_>) -> Result<Result<Notification, NotificationError>, DecodeError> {
    let length = r.left();
    let number = r.i32("state")?;
    let state = match number {
        0 => PeerState::Looking,
        1 => PeerState::Following,
        2 => PeerState::Leading,
        3 => PeerState::Observing,
        unknown => return Ok(Err(NotificationError::State(unknown))),
    };
    let leader = ServerId(r.i64("leader")?);
    let zxid = Zxid(r.i64("zxid")?);
    let election_epoch = r.i64("electionEpoch")?;
    let peer_epoch = match length {
        LEN_WITHOUT_PEER_EPOCH => zxid.0 >> 32,
        _ => r.i64("peerEpoch")?,
    };
    let version = match length {
        LEN_WITHOUT_PEER_EPOCH | LEN_WITHOUT_CONFIG => 0,
        _ => r.i32("version")?,
    };
    let config = if version >= VERSION {
        let text = r.buffer("config")?.ok_or(DecodeError::Null { field: "config" })?;
        Some(java_text(text).into_owned())
    } else {
        None
    };
    Ok(Ok(Notification { state, leader, zxid, election_epoch, peer_epoch, version, config }))
}

/// Appends a notification without its frame; one without a configuration in 40 bytes.
pub fn encode_notification(notification: &Notification, out: &mut Vec<u8>) {
    let state = match notification.state {
        PeerState::Looking => 0,
        PeerState::Following => 1,
        PeerState::Leading => 2,
        PeerState::Observing => 3,
    };
    put_i32(out, state);
    put_i64(out, notification.leader.0);
    put_i64(out, notification.zxid.0);
    put_i64(out, notification.election_epoch);
    put_i64(out, notification.peer_epoch);
    put_i32(out, notification.version);
    if let Some(config) = &notification.config {
        put_str(out, config);
    }
}

/// How many bytes [`encode_notification`] appends.
pub(super) fn encoded_len(notification: &Notification) -> usize {
    LEN_WITHOUT_CONFIG + notification.config.as_ref().map_or(0, |config| 4 + config.len())
}
