//! What servers of an ensemble say to one another: packets, the snapshot behind SNAP, votes.

use ringkeeper::codec::election::{
    HeaderProtocol, decode_frame, decode_header, decode_notification, encode_frame, encode_header,
    encode_notification,
};
use ringkeeper::codec::quorum::snapshot::{
    Record, SnapshotParser, StreamError, put_end, put_head, put_node,
};
use ringkeeper::codec::quorum::{Limits, Packet, decode, encode, encoded_len};
use ringkeeper::membership::Members;

use super::choose;
use super::files::FIELD_MAX;

const LIMITS: Limits = Limits { data: FIELD_MAX, identities: 16 };

/// Replaced characters make texts longer than they came.
const LIMITS_AGAIN: Limits = Limits { data: 3 * FIELD_MAX, identities: 16 };

/// A stream of packets.
pub fn fuzz_quorum_packet(data: &[u8]) {
    let mut rest = data;
    loop {
        match decode(rest, &LIMITS) {
            Ok(Some((packet, taken))) => {
                again(&packet);
                rest = &rest[taken..];
            }
            Ok(None) => {
                // Nothing is waited for beyond the limits.
                assert!(rest.len() < 3 * FIELD_MAX + 16 * 8 + 64, "{} bytes", rest.len());
                return;
            }
            Err(error) => return assert!(!error.to_string().is_empty()),
        }
    }
}

fn again(packet: &Packet) {
    let mut out = Vec::new();
    encode(packet, &mut out);
    assert_eq!(out.len(), encoded_len(packet));
    assert_eq!(decode(&out, &LIMITS_AGAIN), Ok(Some((packet.clone(), out.len()))));
    assert_eq!(decode(&out[..out.len() - 1], &LIMITS_AGAIN), Ok(None));
}

/// First byte: how long the pieces are. The rest: the stream behind SNAP, and what follows it. Every
/// cut gives the same records.
pub fn fuzz_quorum_snapshot(data: &[u8]) {
    let Some((choice, stream)) = choose(data) else { return };
    let whole = copy_stream(stream, usize::MAX, FIELD_MAX);
    assert_eq!(copy_stream(stream, 1 + choice, FIELD_MAX), whole);
    let Ok((written, Some(_))) = whole else { return };
    let again = copy_stream(&written, 1 + choice, 3 * FIELD_MAX);
    assert_eq!(again, Ok((written, Some(0))));
}

/// The stream as we write it, and how many bytes are behind it; `None` if it has no end.
fn copy_stream(
    stream: &[u8],
    piece: usize,
    field_max: usize,
) -> Result<(Vec<u8>, Option<usize>), StreamError> {
    let (mut sessions, mut acls, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
    let mut parser = SnapshotParser::new(field_max);
    let mut rest = stream;
    let mut left = None;
    while !rest.is_empty() && left.is_none() {
        let given = &rest[..piece.min(rest.len())];
        let progress = parser.feed(given, &mut |record| match record {
            Record::Session(session, timeout) => sessions.push((session, timeout)),
            Record::Acl(key, list) => acls.push((key, list)),
            Record::Node(n) => put_node(&mut nodes, &n.path, n.data, n.acl_key, &n.stat),
        })?;
        rest = &rest[progress.consumed..];
        left = progress.done.then_some(rest.len());
    }
    let mut out = Vec::new();
    put_head(&mut out, &sessions, &acls);
    out.extend_from_slice(&nodes);
    put_end(&mut out);
    Ok((out, left))
}

/// A connection between election ports: its header, then frames.
pub fn fuzz_election(data: &[u8]) {
    let _ = decode_notification(data);
    let Ok(Some((header, taken))) = decode_header(data) else { return };
    // Version 1 has room for one address, and none without any.
    if header.protocol != HeaderProtocol::V1 && !header.addresses.is_empty() {
        let mut out = Vec::new();
        encode_header(&header, &mut out);
        if out.len() <= 20 + 2048 {
            assert_eq!(decode_header(&out), Ok(Some((header, out.len()))));
        }
    }
    let mut rest = &data[taken..];
    while let Ok(Some((payload, taken))) = decode_frame(rest) {
        rest = &rest[taken..];
        let Ok(mut notification) = decode_notification(payload) else { continue };
        let mut out = Vec::new();
        encode_notification(&notification, &mut out);
        if notification.config.is_none() {
            notification.version = 0;
        }
        assert_eq!(decode_notification(&out), Ok(notification.clone()));
        let mut framed = Vec::new();
        encode_frame(&notification, &mut framed);
        assert_eq!(framed.len(), 4 + out.len());
    }
}

/// A configuration text, and behind a zero byte who has acknowledged.
pub fn fuzz_members(data: &[u8]) {
    let (text, acks) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    let members = match Members::parse(&String::from_utf8_lossy(text)) {
        Ok(members) => members,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let again = match Members::parse(&members.text()) {
        Ok(again) => again,
        Err(error) => panic!("what was printed is not read again: {error}"),
    };
    assert!(again.is_same_as(&members.clone().with_version(again.version() ^ 1)));
    assert_eq!((again.count(), again.version()), (members.count(), members.version()));
    assert!(members.voters().all(|voter| members.is_voter(voter)));
    // Two sets without a server in common are never both quorums.
    let voters: Vec<_> = members.voters().collect();
    let acked = |server| {
        let at = voters.iter().position(|voter| *voter == server).unwrap_or(0);
        acks.get(at / 8).is_some_and(|byte| byte & (1 << (at % 8)) != 0)
    };
    assert!(!(members.has_quorum(acked) && members.has_quorum(|server| !acked(server))));
}
