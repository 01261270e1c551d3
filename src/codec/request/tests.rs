//! Requests against the wire and against themselves.

use super::*;
use crate::codec::jute::DecodeError;
use crate::testing::generate::{Gen, unhex};
use crate::types::ErrorCode;

/// A frame's payload.
fn frame(out: &[u8]) -> &[u8] {
    let (length, payload) = out.split_first_chunk().unwrap();
    assert_eq!(i32::from_be_bytes(*length) as usize, payload.len());
    payload
}

fn body(request: &Request<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    put_body(&mut out, request);
    out
}

#[test]
fn connect_requests_with_and_without_the_read_only_byte() {
    let old = "00000000 0000000000000005 00007530 0100000000000001
        00000010 00112233445566778899aabbccddeeff";
    let request = decode_connect(&unhex(old)).unwrap();
    assert_eq!(request.last_zxid_seen, Zxid(5));
    assert_eq!(request.timeout, 30_000);
    assert_eq!(request.session, SessionId(0x0100_0000_0000_0001));
    assert_eq!(request.password, unhex("00112233445566778899aabbccddeeff"));
    assert_eq!(request.read_only, None);
    assert_eq!(unhex(old).len(), 44);
    let new = decode_connect(&unhex(&format!("{old} 01"))).unwrap();
    assert_eq!(new.read_only, Some(true));
    // A null password is an empty one; what follows the record does not matter.
    let null = "00000000 0000000000000000 00007530 0000000000000000 ffffffff 00 1234";
    let request = decode_connect(&unhex(null)).unwrap();
    assert_eq!((request.password, request.read_only), (vec![], Some(false)));
}

#[test]
fn every_request_survives_the_round_trip_and_any_truncation() {
    let mut messages = Gen::new(2);
    for round in 0..500 {
        let request = messages.request();
        let mut out = Vec::new();
        encode(&mut out, Xid(round), &request);
        let (header, bytes) = decode_header(frame(&out)).unwrap();
        assert_eq!(header, RequestHeader { xid: Xid(round), opcode: request.opcode() });
        assert_eq!(decode_body(header.opcode, bytes).as_ref(), Ok(&request));
        for cut in 0..bytes.len() {
            // A shorter setWatches2 may lack lists and be refused, or nothing; it is never whole.
            assert_ne!(decode_body(header.opcode, &bytes[..cut]).as_ref(), Ok(&request));
        }
        let connect = messages.connect();
        out.clear();
        encode_connect(&mut out, &connect);
        assert_eq!(decode_connect(frame(&out)).as_ref(), Ok(&connect));
        for cut in 0..frame(&out).len() {
            assert_ne!(decode_connect(&frame(&out)[..cut]).as_ref(), Ok(&connect));
        }
    }
}

#[test]
fn authentication_packets_survive_the_round_trip_and_close_when_malformed() {
    let auth = Request::Auth { scheme: Some("digest".into()), auth: Some(b"u:p") };
    let sasl = Request::Sasl { token: b"token" };
    for request in [auth, sasl] {
        let bytes = body(&request);
        assert_eq!(decode_body(request.opcode(), &bytes).as_ref(), Ok(&request));
        for cut in 0..bytes.len() {
            let error = decode_body(request.opcode(), &bytes[..cut]).unwrap_err();
            assert!(matches!(error, BodyError::Fatal(_)), "{error}");
        }
    }
}

#[test]
fn opcodes_that_are_no_requests() {
    for opcode in [0, 10, 13, 23, 99, 108, -1, -2, -10, i32::MAX, i32::MIN] {
        assert_eq!(decode_body(opcode, &[0; 64]), Err(BodyError::Unknown(opcode)));
    }
    let container = unhex("00000002 2f61");
    let refused = decode_body(opcode::DELETE_CONTAINER, &container);
    assert_eq!(refused, Err(BodyError::Refused(ErrorCode::Unimplemented)));
}

#[test]
fn what_follows_a_record_does_not_matter() {
    let mut messages = Gen::new(3);
    for _ in 0..100 {
        let request = messages.request();
        let mut bytes = body(&request);
        bytes.extend_from_slice(&[0xff; 9]);
        assert_eq!(decode_body(request.opcode(), &bytes).as_ref(), Ok(&request));
    }
}

/// A multi's create step with this opcode and these flags.
fn create_step(opcode: i32, flags: i32, acl: &str) -> Vec<u8> {
    let ttl = if opcode == opcode::CREATE_TTL { "0000000000000064" } else { "" };
    let end = "ffffffff 01 ffffffff";
    unhex(&format!("{opcode:08x} 00 ffffffff 00000002 2f61 ffffffff {acl} {flags:08x} {ttl} {end}"))
}

fn create_in_multi(opcode: i32, flags: i32) -> Result<(CreateCall, i32, i64), BodyError> {
    let bytes = create_step(opcode, flags, "00000000");
    match decode_body(opcode::MULTI, &bytes)? {
        Request::Write(WriteOp::Multi(ops)) => match &ops[..] {
            [MultiOp::Create(op)] => Ok((op.call, op.flags, op.ttl)),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn in_a_multi_the_flag_has_a_say_in_what_is_called() {
    use CreateCall::*;
    assert_eq!(create_in_multi(1, 0), Ok((Create, 0, -1)));
    assert_eq!(create_in_multi(15, 3), Ok((Create2, 3, -1)));
    assert_eq!(create_in_multi(1, 4), Ok((Container, 4, -1)));
    assert_eq!(create_in_multi(15, 4), Ok((Container, 4, -1)));
    assert_eq!(create_in_multi(19, 0), Ok((Container, 0, -1)));
    assert_eq!(create_in_multi(21, 5), Ok((Ttl, 5, 100)));
    assert_eq!(create_in_multi(21, 1), Ok((Create, 1, -1)));
    assert_eq!(create_in_multi(21, 4), Ok((Container, 4, -1)));
    // Left to prep: the step fails with BadArguments, not the request.
    assert_eq!(create_in_multi(21, 9), Ok((Create, 9, -1)));
    for (opcode, flags) in [(1, 7), (1, -1), (15, 5), (19, 6)] {
        let error = create_in_multi(opcode, flags).unwrap_err();
        assert!(error.to_string().contains("create flags"), "{error}");
    }
    // A null list fails these three at once and is left to prep for createTTL.
    for opcode in [1, 15, 19] {
        assert!(decode_body(opcode::MULTI, &create_step(opcode, 0, "ffffffff")).is_err());
    }
    assert!(decode_body(opcode::MULTI, &create_step(21, 5, "ffffffff")).is_ok());
}

#[test]
fn multis_are_of_one_kind() {
    let end = "ffffffff 01 ffffffff";
    let get = "00000004 00 ffffffff 00000002 2f61 00";
    let check = "0000000d 00 ffffffff 00000002 2f61 00000007";
    let decode = |opcode, text: String| decode_body(opcode, &unhex(&text)).err();
    let mixed = Some(BodyError::Malformed(DecodeError::Mixed));
    assert_eq!(decode(14, end.to_string()), None);
    assert_eq!(decode(22, end.to_string()), None);
    assert_eq!(decode(14, format!("{check}{check}{end}")), None);
    assert_eq!(decode(22, format!("{get}{get}{end}")), None);
    assert_eq!(decode(14, format!("{get}{end}")), mixed);
    for opcode in [14, 22] {
        assert_eq!(decode(opcode, format!("{check}{get}{end}")), mixed);
        assert_eq!(decode(opcode, format!("{get}{check}{end}")), mixed);
    }
    assert_eq!(decode(22, format!("{check}{end}")), Some(BodyError::WriteInMultiRead(13)));
    // exists is no step of either; the path of a step of a multi is never null, and one of a
    // multiRead is met when its turn comes.
    assert!(decode(22, format!("00000003 00 ffffffff 00000002 2f61 00 {end}")).is_some());
    assert_eq!(decode(22, format!("00000004 00 ffffffff ffffffff 00 {end}")), None);
    assert!(decode(14, format!("00000002 00 ffffffff ffffffff 00000000 {end}")).is_some());
}

#[test]
fn null_lists_and_paths_of_set_watches_are_malformed() {
    let zxid = "0000000000000001";
    let ok = format!("{zxid} 00000001 00000002 2f61 00000000 00000000");
    assert!(decode_body(101, &unhex(&ok)).is_ok());
    assert!(decode_body(105, &unhex(&ok)).is_err());
    assert!(decode_body(101, &unhex(&format!("{zxid} ffffffff 00000000 00000000"))).is_err());
    let null = format!("{zxid} 00000001 ffffffff 00000000 00000000");
    assert!(decode_body(101, &unhex(&null)).is_err());
}
