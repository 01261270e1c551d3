//! What servers of an ensemble say to one another on the quorum port (quorum-protocol.md section
//! 5; QuorumPacket).

use bytes::Bytes;

use crate::types::{Epoch, Identity, ServerId, SessionId, Zxid};

/// The learner protocol of ZooKeeper 3.5 and later (LearnerInfo.protocolVersion).
pub const PROTOCOL: i32 = 0x10000;

/// A client's request, on its way from a learner to the leader.
#[derive(Clone, PartialEq, Eq, Debug)]
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
    },
    /// `current`: `None` when the learner has acknowledged this epoch before (-1 on the wire).
    AckEpoch {
        last: Zxid,
        current: Option<Epoch>,
    },
}
