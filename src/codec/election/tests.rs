//! Headers and notifications: Java's bytes, every length that is accepted, and what is not.

use super::*;
use crate::codec::jute::{put_i32, put_i64};
use crate::testing::generate::unhex;
use crate::types::{ServerId, Zxid};

fn java(name: &str) -> Vec<u8> {
    let all = include_str!("../testdata/quorum.txt");
    let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    unhex(line.unwrap_or_else(|| panic!("no vector {name}")))
}

fn leading() -> Notification {
    Notification {
        state: PeerState::Leading,
        leader: ServerId(3),
        zxid: Zxid(0x3_0000_0002),
        election_epoch: 9,
        peer_epoch: 4,
        version: VERSION,
        config: Some("server.1=ü:1:2:participant\nversion=100000005".to_owned()),
    }
}

#[test]
fn notifications_are_javas_bytes_both_ways() {
    let bytes = java("notification");
    let mut out = Vec::new();
    encode_notification(&leading(), &mut out);
    assert_eq!(out, bytes);
    assert_eq!(decode_notification(&bytes), Ok(leading()));
    let bare = decode_notification(&java("notification_bare")).unwrap();
    assert_eq!(
        (bare.state, bare.zxid, bare.config),
        (PeerState::Looking, Zxid(-1), Some("".into()))
    );
}

#[test]
fn every_length_is_taken_or_refused_as_java_does() {
    let bytes = java("notification");
    for cut in 0..bytes.len() {
        let found = decode_notification(&bytes[..cut]);
        match cut {
            0..28 => assert_eq!(found, Err(NotificationError::Length(cut))),
            28 => {
                let expected =
                    Notification { peer_epoch: 3, version: 0, config: None, ..leading() };
                assert_eq!(found, Ok(expected), "the epoch is the zxid's");
            }
            40 => {
                let expected = Notification { version: 0, config: None, ..leading() };
                assert_eq!(found, Ok(expected), "the version is not looked at");
            }
            _ => assert!(matches!(found, Err(NotificationError::Field(_))), "{cut}"),
        }
    }
    // Version 1 has no configuration, whatever stands behind it.
    let mut one = bytes.clone();
    one[39] = 1;
    let expected = Notification { version: 1, config: None, ..leading() };
    assert_eq!(decode_notification(&one), Ok(expected));
}

#[test]
fn a_notification_that_lies_is_refused() {
    let mut bytes = java("notification");
    bytes[3] = 4;
    assert_eq!(decode_notification(&bytes), Err(NotificationError::State(4)));
    let mut bytes = java("notification");
    for length in [-1, -2, i32::MAX, 46] {
        bytes[40..44].copy_from_slice(&i32::to_be_bytes(length));
        assert!(
            matches!(decode_notification(&bytes), Err(NotificationError::Field(_))),
            "{length}"
        );
    }
}

#[test]
fn frames_have_bounds() {
    let mut out = Vec::new();
    encode_frame(&leading(), &mut out);
    out.push(7);
    for cut in 0..out.len() - 1 {
        assert_eq!(decode_frame(&out[..cut]), Ok(None));
    }
    let (payload, taken) = decode_frame(&out).unwrap().unwrap();
    assert_eq!((payload, taken), (&java("notification")[..], out.len() - 1));
    for length in [0, -1, i32::MIN, 524_289, i32::MAX] {
        assert_eq!(decode_frame(&length.to_be_bytes()), Err(FrameError(length)));
    }
    assert_eq!(decode_frame(&524_288i32.to_be_bytes()), Ok(None));
}

fn header(protocol: i64, address: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_i64(&mut out, protocol);
    put_i64(&mut out, 2);
    put_i32(&mut out, address.len() as i32);
    out.extend_from_slice(address);
    out
}

fn address(host: &str, port: u16) -> ElectionAddress {
    ElectionAddress { host: host.to_owned(), port }
}

#[test]
fn headers_of_both_versions_come_and_go() {
    let both = vec![address("zk2.example", 3888), address("fe80::1", 3889)];
    let (v1, v2) = (HeaderProtocol::V1, HeaderProtocol::V2);
    for (protocol, addresses, number, text) in [
        (v1, both[..1].to_vec(), -65_536, "zk2.example:3888"),
        (v1, both[1..].to_vec(), -65_536, "[fe80::1]:3889"),
        (v2, both.clone(), -65_535, "zk2.example:3888|[fe80::1]:3889"),
    ] {
        let bytes = header(number, text.as_bytes());
        let expected = Header { protocol, server: ServerId(2), addresses };
        let mut out = Vec::new();
        encode_header(&expected, &mut out);
        assert_eq!(out, bytes);
        assert_eq!(decode_header(&bytes), Ok(Some((expected, bytes.len()))));
        for cut in 0..bytes.len() {
            assert_eq!(decode_header(&bytes[..cut]), Ok(None), "{cut}");
        }
    }
    // Version 1 has room for one.
    let mut out = Vec::new();
    encode_header(&Header { protocol: v1, server: ServerId(2), addresses: both }, &mut out);
    assert_eq!(out, header(-65_536, b"zk2.example:3888"));
}

#[test]
fn a_legacy_header_is_an_id_and_nothing_more() {
    let bytes = [0, 0, 0, 0, 0, 0, 0, 5, 9];
    let legacy = HeaderProtocol::Legacy;
    let expected = Header { protocol: legacy, server: ServerId(5), addresses: vec![] };
    assert_eq!(decode_header(&bytes), Ok(Some((expected.clone(), 8))));
    let mut out = Vec::new();
    encode_header(&expected, &mut out);
    assert_eq!(out, bytes[..8]);
}

#[test]
fn headers_that_lie_are_refused_and_wildcards_are_no_addresses() {
    assert_eq!(decode_header(&header(-1, b"a:1")), Err(HeaderError::Protocol(-1)));
    let mut bytes = header(-65_536, b"a:1");
    for length in [0, -1, 2049, i32::MAX] {
        bytes[16..20].copy_from_slice(&i32::to_be_bytes(length));
        assert_eq!(decode_header(&bytes), Err(HeaderError::Length(length)));
    }
    for text in ["a", "a:", ":1", "a:70000", "a:1:2", "[::1]", "[::1:1", "a:1||b:2", "|"] {
        let found = decode_header(&header(-65_535, text.as_bytes()));
        assert!(matches!(found, Err(HeaderError::Address(_))), "{text}: {found:?}");
    }
    for text in ["0.0.0.0:3888", "[::]:3888", "0.0.0.0:1|[0:0:0:0:0:0:0:0]:2|"] {
        let found = decode_header(&header(-65_535, text.as_bytes())).unwrap().unwrap().0;
        assert_eq!(found.addresses, [], "{text}");
    }
}
