//! Packet → bytes.

use super::{Forwarded, Packet, TOUCH_BYTES, kind};
use crate::codec::jute::{
    open_len, patch_len, put_buffer, put_i32, put_i64, put_len, put_null, put_str,
};
use crate::types::{Epoch, Zxid};

/// Bytes of a packet without data or identities.
const BARE_BYTES: usize = 4 + 8 + 4 + 4;

/// What stands where a zxid means nothing.
const NO_ZXID: Zxid = Zxid(-1);

/// Appends one packet, as Java writes it.
pub fn encode(packet: &Packet, out: &mut Vec<u8>) {
    match packet {
        Packet::Request(request) => return put_request(request, out),
        Packet::Proposal { zxid, entry } => with_data(out, kind::PROPOSAL, *zxid, entry),
        Packet::Ack { zxid } => bare(out, kind::ACK, *zxid),
        Packet::Commit { zxid } => bare(out, kind::COMMIT, *zxid),
        Packet::Ping { zxid, touches: None } => bare(out, kind::PING, *zxid),
        Packet::Ping { zxid, touches: Some(touches) } => {
            // Never null, though there be none: a Java leader drops the learner for it.
            head(out, kind::PING, *zxid);
            put_len(out, touches.len() * TOUCH_BYTES);
            for (session, timeout) in touches {
                put_i64(out, session.0);
                put_i32(out, *timeout);
            }
        }
        Packet::RevalidateAsk { session, timeout } => {
            head(out, kind::REVALIDATE, NO_ZXID);
            put_len(out, 12);
            put_i64(out, session.0);
            put_i32(out, *timeout);
        }
        Packet::RevalidateAnswer { session, valid } => {
            head(out, kind::REVALIDATE, NO_ZXID);
            put_len(out, 9);
            put_i64(out, session.0);
            out.push(u8::from(*valid));
        }
        Packet::Sync { zxid } => bare(out, kind::SYNC, *zxid),
        Packet::Inform { zxid, entry } => with_data(out, kind::INFORM, *zxid, entry),
        Packet::CommitAndActivate { zxid, leader } => {
            with_data(out, kind::COMMIT_AND_ACTIVATE, *zxid, &leader.0.to_be_bytes());
        }
        Packet::InformAndActivate { zxid, leader, entry } => {
            head(out, kind::INFORM_AND_ACTIVATE, *zxid);
            put_len(out, 8 + entry.len());
            put_i64(out, leader.0);
            out.extend_from_slice(entry);
        }
        Packet::NewLeader { zxid, config: None } => bare(out, kind::NEW_LEADER, *zxid),
        Packet::NewLeader { zxid, config: Some(config) } => {
            with_data(out, kind::NEW_LEADER, *zxid, config.as_bytes());
        }
        Packet::LearnerInfo { observer, accepted, server, protocol, config_version, reads } => {
            let number = if *observer { kind::OBSERVER_INFO } else { kind::FOLLOWER_INFO };
            head(out, number, Zxid::new(*accepted, 0));
            put_len(out, 20 + reads_len(*reads));
            put_i64(out, server.0);
            put_i32(out, *protocol);
            put_i64(out, *config_version);
            put_reads(out, *reads);
        }
        Packet::UpToDate => bare(out, kind::UP_TO_DATE, NO_ZXID),
        Packet::Diff { zxid } => bare(out, kind::DIFF, *zxid),
        Packet::Trunc { zxid } => bare(out, kind::TRUNC, *zxid),
        Packet::Snap { zxid } => bare(out, kind::SNAP, *zxid),
        Packet::LeaderInfo { epoch, protocol, reads } => {
            head(out, kind::LEADER_INFO, Zxid::new(*epoch, 0));
            put_len(out, 4 + reads_len(*reads));
            put_i32(out, *protocol);
            put_reads(out, *reads);
        }
        Packet::AckEpoch { last, current } => {
            let current = current.map_or(-1, |Epoch(epoch)| epoch as i32);
            with_data(out, kind::ACK_EPOCH, *last, &current.to_be_bytes());
        }
    }
    put_null(out);
}

/// How many bytes [`encode`] appends.
pub fn encoded_len(packet: &Packet) -> usize {
    let data = match packet {
        Packet::Request(request) => {
            let texts = |id: &crate::types::Identity| 8 + id.scheme.len() + id.id.len();
            16 + request.body.len() + request.identities.iter().map(texts).sum::<usize>()
        }
        Packet::Proposal { entry, .. } | Packet::Inform { entry, .. } => entry.len(),
        Packet::InformAndActivate { entry, .. } => 8 + entry.len(),
        Packet::Ping { touches, .. } => touches.as_ref().map_or(0, Vec::len) * TOUCH_BYTES,
        Packet::NewLeader { config, .. } => config.as_ref().map_or(0, String::len),
        Packet::RevalidateAsk { .. } => 12,
        Packet::RevalidateAnswer { .. } => 9,
        Packet::CommitAndActivate { .. } => 8,
        Packet::LearnerInfo { reads, .. } => 20 + reads_len(*reads),
        Packet::LeaderInfo { reads, .. } => 4 + reads_len(*reads),
        Packet::AckEpoch { .. } => 4,
        Packet::Ack { .. }
        | Packet::Commit { .. }
        | Packet::Sync { .. }
        | Packet::UpToDate
        | Packet::Diff { .. }
        | Packet::Trunc { .. }
        | Packet::Snap { .. } => 0,
    };
    BARE_BYTES + data
}

fn reads_len(reads: Option<usize>) -> usize {
    reads.map_or(0, |_| 8)
}

fn put_reads(out: &mut Vec<u8>, reads: Option<usize>) {
    if let Some(bytes) = reads {
        put_i64(out, i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

fn put_request(request: &Forwarded, out: &mut Vec<u8>) {
    head(out, kind::REQUEST, NO_ZXID);
    let data = open_len(out);
    put_i64(out, request.session.0);
    put_i32(out, request.cxid);
    put_i32(out, request.opcode);
    out.extend_from_slice(&request.body);
    patch_len(out, data);
    // Never null: a Java leader throws on it and answers -5.
    put_len(out, request.identities.len());
    for identity in &request.identities {
        put_str(out, &identity.scheme);
        put_str(out, &identity.id);
    }
}

fn head(out: &mut Vec<u8>, number: i32, zxid: Zxid) {
    put_i32(out, number);
    put_i64(out, zxid.0);
}

fn bare(out: &mut Vec<u8>, number: i32, zxid: Zxid) {
    head(out, number, zxid);
    put_null(out);
}

fn with_data(out: &mut Vec<u8>, number: i32, zxid: Zxid, data: &[u8]) {
    head(out, number, zxid);
    put_buffer(out, data);
}
