//! Replies against the wire and against their decoders.

use super::decode::{self, Reply, ReplyHeader, StepReply};
use super::*;
use crate::codec::request::opcode;
use crate::testing::generate::{Gen, unhex};

/// What `write` appends, split into header and record; the length checked, and that what stood
/// before is left alone.
fn reply(write: impl FnOnce(&mut Vec<u8>)) -> (ReplyHeader, Vec<u8>) {
    let mut out = b"before".to_vec();
    write(&mut out);
    assert!(out.starts_with(b"before"));
    let (length, payload) = out[6..].split_first_chunk().unwrap();
    assert_eq!(i32::from_be_bytes(*length) as usize, payload.len());
    let (header, body) = decode::header(payload).unwrap();
    (header, body.to_vec())
}

/// The record decodes to `expected`, and no truncation of it does.
fn reads(opcode: i32, write: impl FnOnce(&mut Vec<u8>), expected: &Reply<'_>) {
    let (header, body) = reply(write);
    assert_eq!(header, ReplyHeader { xid: Xid(7), zxid: Zxid(9), error: 0 });
    assert_eq!(decode::body(opcode, &body).as_ref(), Ok(expected));
    for cut in 0..body.len() {
        assert!(decode::body(opcode, &body[..cut]).is_err());
    }
}

#[test]
fn connect_responses_of_36_and_37_bytes() {
    let mut out = Vec::new();
    let granted = ConnectResponse {
        timeout: 30_000,
        session: SessionId(0x0100_0000_0000_0001),
        password: [7; 16],
        read_only: Some(false),
    };
    connect_response(&mut out, &granted);
    let expected = unhex(
        "00000025 00000000 00007530 0100000000000001
         00000010 07070707070707070707070707070707 00",
    );
    assert_eq!(out, expected);
    assert_eq!(decode::connect_response(&out[4..]).unwrap(), granted);
    out.clear();
    connect_response(&mut out, &ConnectResponse::rejected(None));
    assert_eq!(out.len(), 4 + 36);
    assert_eq!(decode::connect_response(&out[4..]).unwrap(), ConnectResponse::rejected(None));
    for cut in 4..out.len() {
        assert!(decode::connect_response(&out[4..cut]).is_err());
    }
}

#[test]
fn every_record_reads_back() {
    let (x, z) = (Xid(7), Zxid(9));
    let mut messages = Gen::new(4);
    for _ in 0..20 {
        let s = messages.stat();
        let text = messages.string();
        let bytes = messages.bytes();
        let list = messages.acl();
        let names = [messages.string(), messages.string()];
        let borrowed = || names.iter().map(String::as_str);
        let cows = || borrowed().map(Into::into).collect::<Vec<_>>();
        let path_ = || Some(text.as_str().into());
        reads(opcode::CREATE, |o| path(o, x, z, &text), &Reply::Path(path_()));
        reads(opcode::SYNC, |o| sync(o, x, z, None), &Reply::Path(None));
        reads(opcode::CREATE2, |o| path_stat(o, x, z, &text, &s), &Reply::PathStat(path_(), s));
        reads(opcode::EXISTS, |o| stat(o, x, z, &s), &Reply::Stat(s));
        reads(opcode::GET_DATA, |o| data(o, x, z, None, &s), &Reply::Data(None, s));
        let some = Reply::Data(Some(&bytes), s);
        reads(opcode::GET_DATA, |o| data(o, x, z, Some(&bytes), &s), &some);
        reads(opcode::GET_ACL, |o| acl(o, x, z, &list, &s), &Reply::Acl(list.clone(), s));
        reads(opcode::GET_CHILDREN, |o| children(o, x, z, borrowed()), &Reply::Strings(cows()));
        let with_stat = Reply::Children(cows(), s);
        reads(opcode::GET_CHILDREN2, |o| children2(o, x, z, borrowed(), &s), &with_stat);
        reads(opcode::ADD_WATCH, |o| add_watch(o, x, z), &Reply::Int(0));
        reads(opcode::DELETE, |o| empty(o, x, z), &Reply::Empty);
        let pairs = || borrowed().map(|n| (n, n));
        let identities = Reply::Identities(pairs().map(|(s, u)| (s.into(), u.into())).collect());
        reads(opcode::WHO_AM_I, |o| who_am_i(o, x, z, pairs()), &identities);
    }
}

#[test]
fn a_failed_multi_as_a_java_server_answered_it() {
    let mut out = Vec::new();
    let mut multi = MultiFrame::begin(&mut out, Xid(3), Zxid(4));
    multi.failed(ErrorCode::Ok);
    multi.failed(ErrorCode::BadVersion);
    multi.failed(ErrorCode::RuntimeInconsistency);
    multi.finish();
    let payload = unhex(
        "00000003 0000000000000004 00000000  ffffffff 00 00000000 00000000
         ffffffff 00 ffffff99 ffffff99  ffffffff 00 fffffffe fffffffe  ffffffff 01 ffffffff",
    );
    assert_eq!(out[4..], payload);
}

#[test]
fn every_result_of_a_multi_reads_back() {
    let s = Gen::new(5).stat();
    let write = |o: &mut Vec<u8>| {
        let mut multi = MultiFrame::begin(o, Xid(7), Zxid(9));
        multi.path("/a");
        multi.path_stat("/b", &s);
        multi.deleted();
        multi.data_set(&s);
        multi.checked();
        multi.failed(ErrorCode::NoNode);
        multi.data(Some(b"d"), &s);
        multi.children(["c", "d"].into_iter());
        multi.finish();
    };
    let expected = Reply::Multi(vec![
        StepReply::Created("/a".into(), None),
        StepReply::Created("/b".into(), Some(s)),
        StepReply::Deleted,
        StepReply::DataSet(s),
        StepReply::Checked,
        StepReply::Failed(-101),
        StepReply::Data(Some(b"d"), s),
        StepReply::Children(vec!["c".into(), "d".into()]),
    ]);
    reads(opcode::MULTI, write, &expected);
}

#[test]
fn replies_without_a_plain_record() {
    let (header, body) = reply(|o| error(o, Xid(1), UNKNOWN_ZXID, ErrorCode::Unimplemented));
    assert_eq!(
        (header, &body[..]),
        (ReplyHeader { xid: Xid(1), zxid: Zxid(-1), error: -6 }, &[][..])
    );
    let (header, body) = reply(|o| ping(o, Zxid(5)));
    assert_eq!(
        (header, &body[..]),
        (ReplyHeader { xid: Xid(-2), zxid: Zxid(5), error: 0 }, &[][..])
    );
    let (header, body) = reply(|o| write_in_multi_read(o, Xid(1), Zxid(5)));
    assert_eq!((header.error, body), (-5, unhex("ffffffff 01 ffffffff")));
    let (header, body) = reply(|o| sasl(o, Xid(1), ErrorCode::AuthFailed, None));
    assert_eq!((header.zxid, header.error, body), (Zxid(0), -115, unhex("ffffffff")));
}

#[test]
fn an_event_on_the_wire() {
    let mut out = Vec::new();
    event(&mut out, Zxid(8), EventKind::NodeDataChanged, "/a");
    let expected = "0000001e ffffffff 0000000000000008 00000000 00000003 00000003 00000002 2f61";
    assert_eq!(out, unhex(expected));
    let (_, body) = decode::header(&out[4..]).unwrap();
    let event = decode::event(body).unwrap();
    assert_eq!((event.kind, event.state, &*event.path), (3, 3, "/a"));
}
