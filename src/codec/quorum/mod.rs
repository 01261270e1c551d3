//! What servers of an ensemble say to one another on the quorum port
//! (tools/docs/reference/quorum-protocol.md section 5; QuorumPacket). Records stand back to back,
//! without frames:
//!
//! ```text
//!  type (4) | zxid (8) | data: length, -1 null (4), bytes | identities: count, -1 null (4), …
//! ```
//!
//! What the data is goes by the type. [`decode`] takes one packet off the front of a stream,
//! [`encode`] appends one. Behind SNAP stands a whole [`snapshot`], which is no packet.

mod auth;
mod decode;
mod encode;
pub mod snapshot;

pub use auth::{
    AuthPacket, AuthPacketError, AuthStatus, begins_with_auth, decode_auth, encode_auth,
};
pub use decode::{decode, decode_into};
pub use encode::{encode, encoded_len};

use bytes::Bytes;

use super::jute::DecodeError;
use crate::types::{Epoch, Identity, ServerId, SessionId, Zxid, limits};

/// The learner protocol of ZooKeeper 3.5 and later (LearnerInfo.protocolVersion).
pub const PROTOCOL: i32 = 0x10000;

/// What a learner of this kind says in its place ("RING"): leaders ask for no less than
/// [`PROTOCOL`] and look no further, and one of this kind knows that a cut history and what
/// follows it are durable before they are acknowledged (zab::sync).
pub const PROTOCOL_OWN: i32 = 0x5249_4e47;

/// A client's request, on its way from a learner to the leader.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/quorum-protocol.md")]
pub struct Forwarded {
    pub session: SessionId,
    pub cxid: i32,
    pub opcode: i32,
    /// The request's record, undecoded.
    pub body: Bytes,
    pub identities: Vec<Identity>,
}

/// One packet.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/quorum-protocol.md")]
pub enum Packet {
    Request(Forwarded),
    Proposal {
        zxid: Zxid,
        entry: Bytes,
    },
    Ack {
        zxid: Zxid,
    },
    Commit {
        zxid: Zxid,
    },
    /// `touches`: sessions a learner has heard of, with their timeouts in ms; `None` from a leader.
    Ping {
        zxid: Zxid,
        touches: Option<Vec<(SessionId, i32)>>,
    },
    RevalidateAsk {
        session: SessionId,
        timeout: i32,
    },
    RevalidateAnswer {
        session: SessionId,
        valid: bool,
    },
    Sync {
        zxid: Zxid,
    },
    Inform {
        zxid: Zxid,
        entry: Bytes,
    },
    CommitAndActivate {
        zxid: Zxid,
        leader: ServerId,
    },
    InformAndActivate {
        zxid: Zxid,
        leader: ServerId,
        entry: Bytes,
    },
    NewLeader {
        zxid: Zxid,
        config: Option<String>,
    },
    /// FOLLOWERINFO or OBSERVERINFO.
    LearnerInfo {
        observer: bool,
        accepted: Epoch,
        server: ServerId,
        protocol: i32,
        config_version: i64,
        /// Bytes of the longest record field it reads. Only servers of this kind tell it, behind
        /// what ZooKeeper looks at.
        reads: Option<usize>,
    },
    UpToDate,
    Diff {
        zxid: Zxid,
    },
    Trunc {
        zxid: Zxid,
    },
    Snap {
        zxid: Zxid,
    },
    LeaderInfo {
        epoch: Epoch,
        protocol: i32,
        /// As in [`Packet::LearnerInfo`], of the leader.
        reads: Option<usize>,
    },
    /// `current`: `None` when the learner has acknowledged this epoch before (-1 on the wire).
    AckEpoch {
        last: Zxid,
        current: Option<Epoch>,
    },
}

impl Packet {
    /// What the other server calls it (Leader's constants).
    pub fn name(&self) -> &'static str {
        match self {
            Packet::Request(_) => "REQUEST",
            Packet::Proposal { .. } => "PROPOSAL",
            Packet::Ack { .. } => "ACK",
            Packet::Commit { .. } => "COMMIT",
            Packet::Ping { .. } => "PING",
            Packet::RevalidateAsk { .. } | Packet::RevalidateAnswer { .. } => "REVALIDATE",
            Packet::Sync { .. } => "SYNC",
            Packet::Inform { .. } => "INFORM",
            Packet::CommitAndActivate { .. } => "COMMITANDACTIVATE",
            Packet::InformAndActivate { .. } => "INFORMANDACTIVATE",
            Packet::NewLeader { .. } => "NEWLEADER",
            Packet::LearnerInfo { observer: false, .. } => "FOLLOWERINFO",
            Packet::LearnerInfo { observer: true, .. } => "OBSERVERINFO",
            Packet::UpToDate => "UPTODATE",
            Packet::Diff { .. } => "DIFF",
            Packet::Trunc { .. } => "TRUNC",
            Packet::Snap { .. } => "SNAP",
            Packet::LeaderInfo { .. } => "LEADERINFO",
            Packet::AckEpoch { .. } => "ACKEPOCH",
        }
    }

    /// Bytes it holds besides itself, roughly: what queues of packets are bounded by.
    pub fn weight(&self) -> usize {
        match self {
            Packet::Proposal { entry, .. }
            | Packet::Inform { entry, .. }
            | Packet::InformAndActivate { entry, .. } => entry.len(),
            Packet::NewLeader { config, .. } => config.as_ref().map_or(0, String::len),
            Packet::Request(request) => request.body.len(),
            Packet::Ping { touches, .. } => touches.as_ref().map_or(0, |t| t.len() * 12),
            Packet::Ack { .. }
            | Packet::Commit { .. }
            | Packet::RevalidateAsk { .. }
            | Packet::RevalidateAnswer { .. }
            | Packet::Sync { .. }
            | Packet::CommitAndActivate { .. }
            | Packet::LearnerInfo { .. }
            | Packet::UpToDate
            | Packet::Diff { .. }
            | Packet::Trunc { .. }
            | Packet::Snap { .. }
            | Packet::LeaderInfo { .. }
            | Packet::AckEpoch { .. } => 0,
        }
    }
}

/// The numbers of the wire (Leader's constants).
mod kind {
    pub(super) const REQUEST: i32 = 1;
    pub(super) const PROPOSAL: i32 = 2;
    pub(super) const ACK: i32 = 3;
    pub(super) const COMMIT: i32 = 4;
    pub(super) const PING: i32 = 5;
    pub(super) const REVALIDATE: i32 = 6;
    pub(super) const SYNC: i32 = 7;
    pub(super) const INFORM: i32 = 8;
    pub(super) const COMMIT_AND_ACTIVATE: i32 = 9;
    pub(super) const NEW_LEADER: i32 = 10;
    pub(super) const FOLLOWER_INFO: i32 = 11;
    pub(super) const UP_TO_DATE: i32 = 12;
    pub(super) const DIFF: i32 = 13;
    pub(super) const TRUNC: i32 = 14;
    pub(super) const SNAP: i32 = 15;
    pub(super) const OBSERVER_INFO: i32 = 16;
    pub(super) const LEADER_INFO: i32 = 17;
    pub(super) const ACK_EPOCH: i32 = 18;
    pub(super) const INFORM_AND_ACTIVATE: i32 = 19;
}

/// Bytes of a session and its timeout in a PING.
pub const TOUCH_BYTES: usize = 12;

/// What one packet may take up (I10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of the data, and of all identities' text together: `jute.maxbuffer` and
    /// `jute.maxbuffer.extrasize` in one. Java refuses more, so nothing longer may be sent.
    pub data: usize,
    /// Identities of one request.
    pub identities: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        // Java adds an extra of the same size unless told otherwise.
        Limits { data: 2 * limits::JUTE_MAXBUFFER, identities: limits::FORWARDED_IDENTITIES }
    }
}

impl Limits {
    /// More bytes than any packet takes: whoever collects one needs no more room.
    pub fn packet_max(&self) -> usize {
        64 + 3 * self.data + 8 * self.identities
    }

    /// How many sessions one PING may tell of; more go in further ones.
    pub fn touches(&self) -> usize {
        self.data / TOUCH_BYTES
    }
}

/// Why bytes are no packet. The stream has no frames, so nothing behind it can be read: the caller
/// closes the connection.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum PacketError {
    #[error("packet of type {0}, known are 1 to 19")]
    Type(i32),
    #[error("{packet}: {error}")]
    Field { packet: &'static str, error: DecodeError },
    #[error("{packet} has {found} bytes of data, wanted are {wanted}")]
    DataLength { packet: &'static str, found: usize, wanted: &'static str },
    #[error("{packet} has {found} identities, allowed are {max}")]
    Identities { packet: &'static str, found: i64, max: usize },
    #[error("{packet} has {found} bytes of identities or more, allowed are {max}")]
    IdentityBytes { packet: &'static str, found: usize, max: usize },
    /// A server from before 3.4, which knows no ACKEPOCH.
    #[error("{packet} with learner protocol {protocol:#x}, at least 0x10000 is needed")]
    Protocol { packet: &'static str, protocol: i32 },
}

#[cfg(test)]
mod tests;
