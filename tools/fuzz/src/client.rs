//! The client port: what clients send, what servers answer.

use ringkeeper::codec::reply::{self, decode as replies};
use ringkeeper::codec::request::{self, BodyError, opcode};
use ringkeeper::types::{Xid, Zxid};

use super::choose;
use super::replies::put;

/// Every opcode there is, and two that are none.
const OPCODES: [i32; 34] = [
    opcode::NOTIFICATION,
    opcode::CREATE,
    opcode::DELETE,
    opcode::EXISTS,
    opcode::GET_DATA,
    opcode::SET_DATA,
    opcode::GET_ACL,
    opcode::SET_ACL,
    opcode::GET_CHILDREN,
    opcode::SYNC,
    opcode::PING,
    opcode::GET_CHILDREN2,
    opcode::CHECK,
    opcode::MULTI,
    opcode::CREATE2,
    opcode::RECONFIG,
    opcode::CHECK_WATCHES,
    opcode::REMOVE_WATCHES,
    opcode::CREATE_CONTAINER,
    opcode::DELETE_CONTAINER,
    opcode::CREATE_TTL,
    opcode::MULTI_READ,
    opcode::AUTH,
    opcode::SET_WATCHES,
    opcode::SASL,
    opcode::GET_EPHEMERALS,
    opcode::GET_ALL_CHILDREN_NUMBER,
    opcode::SET_WATCHES2,
    opcode::ADD_WATCH,
    opcode::WHO_AM_I,
    opcode::CREATE_SESSION,
    opcode::CLOSE_SESSION,
    10,
    i32::MAX,
];

/// The first frame, and what answers it.
pub fn fuzz_connect(data: &[u8]) {
    if let Ok(connect) = request::decode_connect(data) {
        let mut out = Vec::new();
        request::encode_connect(&mut out, &connect);
        assert_eq!(request::decode_connect(&out[4..]), Ok(connect));
    }
    if let Ok(response) = replies::connect_response(data) {
        let mut out = Vec::new();
        reply::connect_response(&mut out, &response);
        assert_eq!(replies::connect_response(&out[4..]), Ok(response));
    }
}

/// First byte: which opcode. The rest: its body.
pub fn fuzz_request(data: &[u8]) {
    let Some((choice, body)) = choose(data) else { return };
    let _ = request::decode_header(data);
    let opcode = OPCODES[choice % OPCODES.len()];
    match request::decode_body(opcode, body) {
        Ok(asked) => {
            let mut out = Vec::new();
            request::encode(&mut out, Xid(7), &asked);
            let Ok((header, again)) = request::decode_header(&out[4..]) else {
                panic!("our own frame has no header")
            };
            assert_eq!(header.xid, Xid(7));
            // setWatches2 with empty new lists is setWatches.
            assert!(header.opcode == opcode || opcode == opcode::SET_WATCHES2);
            assert_eq!(request::decode_body(header.opcode, again), Ok(asked));
        }
        Err(BodyError::Unknown(unknown)) => assert_eq!(unknown, opcode),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// First byte: the opcode answered. The rest: the record.
pub fn fuzz_reply(data: &[u8]) {
    let Some((choice, body)) = choose(data) else { return };
    let _ = replies::header(data);
    let _ = replies::event(data);
    let opcode = OPCODES[choice % OPCODES.len()];
    let Ok(answer) = replies::body(opcode, body) else { return };
    let mut out = Vec::new();
    put(&mut out, Xid(7), Zxid(9), &answer);
    let Ok((header, again)) = replies::header(&out[4..]) else {
        panic!("our own frame has no header")
    };
    assert_eq!((header.zxid, header.error), (Zxid(9), 0));
    assert_eq!(replies::body(opcode, again), Ok(answer));
}
