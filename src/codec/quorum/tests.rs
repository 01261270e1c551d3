//! Packets and the snapshot stream against the bytes a Java server writes, in pieces of any size,
//! and against what no server writes.

use super::snapshot::{Progress, Record, SnapshotParser, StreamError, put_end, put_head, put_node};
use super::*;
use crate::codec::jute::{put_i32, put_i64, put_null, put_str};
use crate::testing::generate::{Gen, unhex};
use crate::types::{AclList, StoredStat, WallMillis};

const LIMITS: Limits = Limits { data: 4096, identities: 8 };

/// What Java's classes wrote, by name.
pub(super) fn java(name: &str) -> Vec<u8> {
    let all = include_str!("../testdata/quorum.txt");
    let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    unhex(line.unwrap_or_else(|| panic!("no vector {name}")))
}

fn entry(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// What the vectors say, in their order.
fn packets() -> Vec<(&'static str, Packet)> {
    let (zxid, session) = (Zxid(0x3_0000_0002), SessionId(0x100_0000_aaaa));
    let request = Forwarded {
        session,
        cxid: 7,
        opcode: 1,
        body: entry(&[1, 2, 3]),
        identities: vec![Identity::new("ip", "127.0.0.1"), Identity::new("digest", "ü:x")],
    };
    let none = Forwarded {
        session: SessionId(5),
        cxid: 0,
        opcode: -11,
        body: Bytes::new(),
        identities: vec![],
    };
    let info = |observer| Packet::LearnerInfo {
        observer,
        accepted: Epoch(3),
        server: ServerId(2),
        protocol: PROTOCOL,
        config_version: 0x1_0000_0005,
        reads: None,
    };
    let config = "server.1=a:1:2:participant\nversion=0".to_owned();
    let touches = vec![(SessionId(1), 4000), (SessionId(2), 6000)];
    let (leader, new) = (ServerId(3), Zxid(0x4_0000_0000));
    vec![
        ("request", Packet::Request(request)),
        ("request_none", Packet::Request(none)),
        ("proposal", Packet::Proposal { zxid, entry: entry(&[9, 8, 7]) }),
        ("ack", Packet::Ack { zxid }),
        ("commit", Packet::Commit { zxid }),
        ("ping", Packet::Ping { zxid, touches: None }),
        ("ping_empty", Packet::Ping { zxid, touches: Some(vec![]) }),
        ("ping_two", Packet::Ping { zxid, touches: Some(touches) }),
        ("revalidate_ask", Packet::RevalidateAsk { session, timeout: 30_000 }),
        ("revalidate_answer", Packet::RevalidateAnswer { session, valid: true }),
        ("sync", Packet::Sync { zxid: Zxid(0) }),
        ("inform", Packet::Inform { zxid, entry: entry(&[9, 8, 7]) }),
        ("commit_and_activate", Packet::CommitAndActivate { zxid, leader }),
        ("inform_and_activate", Packet::InformAndActivate { zxid, leader, entry: entry(&[9, 8]) }),
        ("new_leader", Packet::NewLeader { zxid: new, config: Some(config) }),
        ("new_leader_bare", Packet::NewLeader { zxid: new, config: None }),
        ("follower_info", info(false)),
        ("observer_info", info(true)),
        ("up_to_date", Packet::UpToDate),
        ("diff", Packet::Diff { zxid }),
        ("trunc", Packet::Trunc { zxid }),
        ("snap", Packet::Snap { zxid }),
        ("leader_info", Packet::LeaderInfo { epoch: Epoch(4), protocol: PROTOCOL, reads: None }),
        ("ack_epoch", Packet::AckEpoch { last: zxid, current: Some(Epoch(3)) }),
        ("ack_epoch_again", Packet::AckEpoch { last: zxid, current: None }),
    ]
}

#[test]
fn packets_are_javas_bytes_both_ways() {
    for (name, packet) in packets() {
        let bytes = java(name);
        let mut out = Vec::new();
        encode(&packet, &mut out);
        assert_eq!(out, bytes, "{name}");
        assert_eq!(encoded_len(&packet), bytes.len(), "{name}");
        assert_eq!(decode(&bytes, &LIMITS), Ok(Some((packet, bytes.len()))), "{name}");
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut], &LIMITS), Ok(None), "{name} cut at {cut}");
        }
    }
}

#[test]
fn a_stream_of_packets_comes_apart_whatever_the_pieces() {
    let all = packets();
    let mut stream = Vec::new();
    all.iter().for_each(|(_, packet)| encode(packet, &mut stream));
    for seed in 0..50 {
        let mut g = Gen::new(seed);
        let (mut buffer, mut found, mut rest) = (Vec::new(), Vec::new(), &stream[..]);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(1 + g.below(40)));
            buffer.extend_from_slice(piece);
            rest = behind;
            while let Some((packet, taken)) = decode(&buffer, &LIMITS).unwrap() {
                buffer.drain(..taken);
                found.push(packet);
            }
        }
        assert!(found.iter().eq(all.iter().map(|(_, packet)| packet)), "seed {seed}");
        assert!(buffer.is_empty());
    }
}

fn raw(number: i32, data: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    put_i32(&mut out, number);
    put_i64(&mut out, 0x5_0000_0001);
    crate::codec::jute::put_opt_buffer(&mut out, data);
    put_null(&mut out);
    out
}

fn refused(bytes: &[u8]) -> String {
    decode(bytes, &LIMITS).unwrap_err().to_string()
}

#[test]
fn what_is_no_packet_is_refused_by_name() {
    assert_eq!(refused(&raw(0, None)), "packet of type 0, known are 1 to 19");
    assert_eq!(refused(&raw(20, None)[..4]), "packet of type 20, known are 1 to 19");
    assert_eq!(refused(&raw(2, None)), "PROPOSAL: data is null");
    assert!(refused(&raw(1, Some(&[0; 15]))).starts_with("REQUEST has 15 bytes of data"));
    assert!(refused(&raw(5, Some(&[0; 13]))).starts_with("PING has 13 bytes of data"));
    assert!(refused(&raw(6, Some(&[0; 10]))).starts_with("REVALIDATE has 10 bytes of data"));
    assert!(refused(&raw(9, Some(&[0; 7]))).starts_with("COMMITANDACTIVATE has 7 bytes"));
    assert_eq!(refused(&raw(17, None)), "LEADERINFO: data is null");
    assert!(refused(&raw(17, Some(&[0, 0, 0, 1]))).starts_with("LEADERINFO with learner protocol"));
    assert!(refused(&raw(11, None)).starts_with("FOLLOWERINFO with learner protocol 0x1"));
    assert!(refused(&raw(16, Some(&[0; 8]))).starts_with("OBSERVERINFO with learner protocol"));
    assert!(refused(&raw(11, Some(&[0; 7]))).starts_with("FOLLOWERINFO has 7 bytes"));
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
    let mut long = raw(2, Some(&[0; 4097]));
    long.truncate(16);
    assert!(refused(&long).contains("unreasonable length 4097"));
    let mut many = raw(1, Some(&[0; 16]));
    let at = many.len() - 4;
    many[at..].copy_from_slice(&9i32.to_be_bytes());
    assert_eq!(refused(&many), "REQUEST has 9 identities, allowed are 8");
    many[at..].copy_from_slice(&2i32.to_be_bytes());
    put_str(&mut many, "x");
    put_str(&mut many, &"y".repeat(4000));
    put_str(&mut many, "x");
    put_str(&mut many, &"y".repeat(96));
    assert_eq!(refused(&many), "REQUEST has 4098 bytes of identities or more, allowed are 4096");
}

#[test]
fn what_java_passes_over_is_passed_over() {
    // Data and identities that mean nothing, and a request of a null vector.
    let mut bytes = raw(4, Some(b"what"));
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&1i32.to_be_bytes());
    put_str(&mut bytes, "ip");
    put_str(&mut bytes, "::1");
    let commit = Packet::Commit { zxid: Zxid(0x5_0000_0001) };
    assert_eq!(decode(&bytes, &LIMITS), Ok(Some((commit, bytes.len()))));
    let request = decode(&raw(1, Some(&[0; 16])), &LIMITS).unwrap().unwrap().0;
    assert!(
        matches!(request, Packet::Request(Forwarded { identities, .. }) if identities.is_empty())
    );
    // A learner of 3.4 tells no configuration's version.
    let mut data = 7i64.to_be_bytes().to_vec();
    data.extend_from_slice(&PROTOCOL.to_be_bytes());
    let info = decode(&raw(11, Some(&data)), &LIMITS).unwrap().unwrap().0;
    assert!(matches!(info, Packet::LearnerInfo { server: ServerId(7), config_version: 0, .. }));
    let bare = decode(&raw(10, Some(&[1])), &LIMITS).unwrap().unwrap().0;
    assert!(matches!(bare, Packet::NewLeader { config: None, .. }));
}

#[test]
fn servers_of_this_kind_tell_what_they_read_behind_what_java_looks_at() {
    let info = |protocol, reads| Packet::LearnerInfo {
        observer: false,
        accepted: Epoch(3),
        server: ServerId(2),
        protocol,
        config_version: 5,
        reads,
    };
    let leader = |protocol, reads| Packet::LeaderInfo { epoch: Epoch(4), protocol, reads };
    let bytes = |packet: &Packet| {
        let mut out = Vec::new();
        encode(packet, &mut out);
        assert_eq!(encoded_len(packet), out.len(), "{packet:?}");
        out
    };
    let decoded = |bytes: &[u8]| decode(bytes, &LIMITS).unwrap().unwrap().0;
    for packet in [info(PROTOCOL_OWN, Some(8 << 20)), leader(PROTOCOL_OWN, Some(8 << 20))] {
        assert_eq!(decoded(&bytes(&packet)), packet);
    }
    // What LearnerHandler.run and Learner.registerWithLeader look at stands where it always did.
    let (with, without) = (bytes(&info(PROTOCOL_OWN, Some(7))), bytes(&info(PROTOCOL_OWN, None)));
    assert_eq!((with.len(), &with[16..36]), (without.len() + 8, &without[16..36]));
    // Of another kind of server it means nothing.
    assert_eq!(decoded(&bytes(&info(PROTOCOL, Some(7)))), info(PROTOCOL, None));
    assert_eq!(decoded(&bytes(&leader(PROTOCOL, Some(7)))), leader(PROTOCOL, None));
}

/// A record, owned.
#[derive(Clone, PartialEq, Debug)]
enum Kept {
    Session(SessionId, i32),
    Acl(i64, AclList),
    Node(String, Option<Vec<u8>>, i64, StoredStat),
}

fn keep(record: Record<'_>) -> Kept {
    match record {
        Record::Session(session, timeout) => Kept::Session(session, timeout),
        Record::Acl(key, list) => Kept::Acl(key, list),
        Record::Node(node) => {
            let data = node.data.map(<[u8]>::to_vec);
            Kept::Node(node.path.into_owned(), data, node.acl_key, node.stat)
        }
    }
}

/// Feeds a stream in pieces that `size` chooses; the records, and what was left over.
fn parse(
    stream: &[u8],
    mut size: impl FnMut() -> usize,
) -> Result<(Vec<Kept>, usize), StreamError> {
    let (mut parser, mut kept, mut rest) = (SnapshotParser::new(4096), Vec::new(), stream);
    while !rest.is_empty() {
        let piece = &rest[..size().clamp(1, rest.len())];
        let Progress { consumed, done } =
            parser.feed(piece, &mut |record| kept.push(keep(record)))?;
        assert!(consumed == piece.len() || done);
        rest = &rest[consumed..];
        if done {
            assert!(parser.is_done());
            return Ok((kept, rest.len()));
        }
    }
    Ok((kept, usize::MAX))
}

fn write(records: &[Kept]) -> Vec<u8> {
    let (mut sessions, mut acls, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        match record {
            Kept::Session(session, timeout) => sessions.push((*session, *timeout)),
            Kept::Acl(key, list) => acls.push((*key, list.clone())),
            Kept::Node(path, data, key, stat) => {
                put_node(&mut nodes, path, data.as_deref(), *key, stat);
            }
        }
    }
    let mut out = Vec::new();
    put_head(&mut out, &sessions, &acls);
    out.extend_from_slice(&nodes);
    put_end(&mut out);
    out
}

#[test]
fn a_java_leaders_snapshot_reads_and_writes_to_the_same_bytes() {
    let stream = java("snapshot");
    let (records, left) = parse(&stream, || usize::MAX).unwrap();
    assert_eq!(left, 0);
    assert_eq!(write(&records), stream);
    assert_eq!(records[0], Kept::Session(SessionId(0x77), 4000));
    let paths: Vec<&str> = records
        .iter()
        .filter_map(|record| match record {
            Kept::Node(path, ..) => Some(&**path),
            Kept::Session(..) | Kept::Acl(..) => None,
        })
        .collect();
    let expected = ["", "/a", "/a/b", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"];
    assert_eq!(paths, expected);
}

#[test]
fn a_stream_comes_apart_whatever_the_pieces_and_leaves_what_is_behind_it() {
    for seed in 0..60 {
        let mut g = Gen::new(seed);
        let mut records = Vec::new();
        records.extend((0..g.below(4)).map(|_| Kept::Session(SessionId(g.i64()), g.i32())));
        records.extend((0..g.below(4)).map(|_| Kept::Acl(g.i64(), g.acl())));
        for _ in 0..g.below(20) {
            let stat = StoredStat {
                czxid: Zxid(g.i64()),
                mzxid: Zxid(g.i64()),
                ctime: WallMillis(g.i64()),
                mtime: WallMillis(g.i64()),
                version: g.i32(),
                cversion: g.i32(),
                aversion: g.i32(),
                owner: g.i64(),
                pzxid: Zxid(g.i64()),
            };
            let data = g.bool().then(|| vec![7; g.below(3000)]);
            records.push(Kept::Node(g.string() + ".", data, g.i64(), stat));
        }
        let mut stream = write(&records);
        stream.extend_from_slice(&java("new_leader"));
        let behind = java("new_leader").len();
        assert_eq!(parse(&stream, || usize::MAX), Ok((records.clone(), behind)), "seed {seed}");
        assert_eq!(parse(&stream, || 1), Ok((records.clone(), behind)), "seed {seed}");
        let pieces = parse(&stream, || 1 + g.below(200));
        assert_eq!(pieces, Ok((records, behind)), "seed {seed}");
    }
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let mut stream = java("snapshot");
    let end = stream.len();
    assert_eq!(parse(&stream[..end - 1], || 100).unwrap().1, usize::MAX, "waits for more");
    stream[end - 1] = b'x';
    let error = parse(&stream, || 3).unwrap_err().to_string();
    assert_eq!(error, "snapshot stream ends in \"BenWasHerx\", not in \"BenWasHere\"");
    let mut head = Vec::new();
    put_head(&mut head, &[], &[]);
    let mut null = head.clone();
    put_null(&mut null);
    assert!(parse(&null, || 5).unwrap_err().to_string().contains("at byte 8: path is null"));
    let mut long = head.clone();
    put_i32(&mut long, 4097);
    assert!(parse(&long, || 5).unwrap_err().to_string().contains("unreasonable length 4097"));
    // A vector that promises more than a record may take.
    let mut wide = vec![0, 0, 0, 0, 0, 0, 0, 1];
    put_i64(&mut wide, 1);
    put_i32(&mut wide, i32::MAX);
    assert!(matches!(parse(&wide, || 1), Err(StreamError::TooLong { max: 16_384, .. })));
}
