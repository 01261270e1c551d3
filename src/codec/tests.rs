//! Both directions of the client port against what a live Java server was sent and answered.

use super::reply;
use super::reply::decode as replies;
use super::request::{self, BodyError, opcode};
use crate::testing::generate::unhex;
use crate::testing::replies::put;
use crate::types::{ErrorCode, EventKind, Xid};

/// One request and all that came back for it.
struct Exchange {
    name: &'static str,
    request: Vec<u8>,
    /// `None`: the connection was closed instead.
    replies: Option<Vec<Vec<u8>>>,
    closed: bool,
}

fn exchanges() -> Vec<Exchange> {
    let mut all: Vec<Exchange> = Vec::new();
    let text = include_str!("testdata/exchanges.txt");
    let mut name = "";
    for line in text.lines() {
        match (line.split_once(' '), all.last_mut()) {
            (Some(("#", _)), _) => {}
            (Some((">", hex)), _) => {
                let request = unhex(hex);
                all.push(Exchange { name, request, replies: Some(vec![]), closed: false });
            }
            (Some(("<", "closed")), Some(exchange)) => exchange.replies = None,
            (Some(("<", hex)), Some(exchange)) => {
                exchange.replies.as_mut().unwrap().push(unhex(hex));
            }
            (Some(("=", what)), Some(exchange)) => exchange.closed = what == "closed",
            _ => name = line,
        }
    }
    assert!(all.len() > 100);
    all
}

/// What an encoder appends, without the length.
fn payload(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out.split_off(4)
}

#[test]
fn handshakes() {
    let all = exchanges();
    let connects: Vec<_> = all.iter().filter(|e| e.name.starts_with("connect")).collect();
    assert_eq!(connects.len(), 4);
    for exchange in connects {
        let request = request::decode_connect(&exchange.request).unwrap();
        if exchange.name != "connect null password" {
            let encoded = payload(|out| request::encode_connect(out, &request));
            assert_eq!(encoded, exchange.request, "{}", exchange.name);
        }
        let [bytes] = &exchange.replies.as_ref().unwrap()[..] else { panic!("one reply") };
        let response = replies::connect_response(bytes).unwrap();
        assert_eq!(response.read_only.is_some(), request.read_only.is_some());
        assert_eq!(&payload(|out| reply::connect_response(out, &response)), bytes);
        if response.timeout == 0 {
            assert_eq!(response, reply::ConnectResponse::rejected(request.read_only));
        } else {
            let password = crate::codec::password::session_password(response.session);
            assert_eq!(response.password, password);
        }
    }
}

/// Requests Java accepts whose bytes are not those this encoder gives for the same meaning.
const OTHER_BYTES: [&str; 4] =
    ["multi flag 4 with op 1", "multi ttl with flag 0", "multi ttl with bad flag", "null count -5"];

#[test]
fn requests_are_refused_as_java_refuses_them_and_encode_as_they_came() {
    for exchange in exchanges().iter().filter(|e| !e.name.starts_with("connect")) {
        let name = exchange.name;
        let (header, body) = request::decode_header(&exchange.request).unwrap();
        let last = exchange.replies.as_ref().map(|all| all.last().unwrap());
        match request::decode_body(header.opcode, body) {
            Ok(request) => {
                let encoded = payload(|out| request::encode(out, header.xid, &request));
                if !OTHER_BYTES.contains(&name) {
                    assert_eq!(encoded, exchange.request, "{name}");
                }
            }
            Err(BodyError::Unknown(opcode::CREATE_SESSION)) => {
                assert_eq!(name, "createSession", "answered by Java, closed here");
            }
            Err(BodyError::Unknown(_)) => {
                let code = ErrorCode::Unimplemented;
                let expected = payload(|o| reply::error(o, header.xid, reply::UNKNOWN_ZXID, code));
                assert_eq!(last, Some(&expected), "{name}");
                assert!(exchange.closed, "{name}");
            }
            Err(BodyError::Fatal(_)) => assert!(last.is_none() && exchange.closed, "{name}"),
            Err(BodyError::Refused(_)) => assert_eq!(name, "null deleteContainer"),
            Err(BodyError::WriteInMultiRead(_)) => {
                let (sent, _) = replies::header(last.unwrap()).unwrap();
                let expected = payload(|o| reply::write_in_multi_read(o, header.xid, sent.zxid));
                assert_eq!(last, Some(&expected), "{name}");
            }
            Err(BodyError::Malformed(error)) => {
                let (sent, body) = replies::header(last.unwrap()).unwrap();
                // Java adds the null path of a persistent watch to its tables.
                let code = if name == "null setWatches2 null persistent" { 0 } else { -5 };
                assert_eq!(sent.error, code, "{name}: {error}");
                // Java sends the results before the null path, too; no client reads them.
                assert!(body.is_empty() || name == "multiRead null path", "{name}");
            }
        }
    }
}

#[test]
fn replies_decode_and_encode_to_javas_bytes() {
    for exchange in exchanges().iter().filter(|e| !e.name.starts_with("connect")) {
        let name = exchange.name;
        if matches!(name, "createSession" | "multiRead null path" | "multiRead write") {
            continue;
        }
        let (request, _) = request::decode_header(&exchange.request).unwrap();
        for bytes in exchange.replies.iter().flatten() {
            let (header, body) = replies::header(bytes).unwrap();
            let (xid, zxid) = (header.xid, header.zxid);
            if header.error != 0 {
                let code = ErrorCode::from_code(header.error);
                assert_eq!(&payload(|out| reply::error(out, xid, zxid, code)), bytes, "{name}");
            } else if xid == Xid::NOTIFICATION {
                let event = replies::event(body).unwrap();
                let kind = kind(event.kind);
                assert_eq!(&payload(|out| reply::event(out, zxid, kind, &event.path)), bytes);
            } else {
                let decoded = replies::body(request.opcode, body).unwrap();
                let encoded = payload(|out| put(out, xid, zxid, &decoded));
                assert_eq!(&encoded, bytes, "{name}");
            }
        }
    }
}

fn kind(number: i32) -> EventKind {
    use EventKind::*;
    [NodeCreated, NodeDeleted, NodeDataChanged, NodeChildrenChanged][number as usize - 1]
}
