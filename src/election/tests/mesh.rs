//! Scripts of the mesh.
//!
//! Set-up: `mesh me=2 voters=1,2,3 observers=4`, with `v2` where several addresses are told.
//! Inputs are those of [`LinksInput`] in words; what a peer sends is `header <link> from=3
//! at=s3:3003`, `frame <link> <notification>` and `bytes <link> <hex>`, all with `pieces=<n>` to
//! let them come in pieces of n bytes. Before an input whose time is later, the mesh is ticked at
//! each of its deadlines.

use crate::codec::election::{
    ANONYMOUS, ElectionAddress, Header, HeaderProtocol, decode_frame, decode_header,
    decode_notification, encode_frame, encode_header,
};
use crate::election::links::{Dial, LinkSettings, Links, LinksEffect, LinksInput};
use crate::testing::script::{Subject, run_folder};
use crate::types::{Link, Millis, ServerId};
use crate::zab::tests::words::Words;

use super::words::{electorate, notification, show};

const CONFIG: &str = "version=0";

struct Mesh {
    links: Links,
    now: Millis,
}

#[test]
fn the_mesh_follows_its_scripts() {
    // Goal: what a connection, a message or its end leads to is what the scripts say.
    assert!(run_folder("src/election/tests/scripts/mesh", begin) >= 14);
}

fn begin(setup: &str) -> (Box<dyn Subject>, Vec<String>) {
    let words = Words::of(setup);
    let settings = LinkSettings {
        me: ServerId(words.number("me")),
        protocol: if setup.contains(" v2") { HeaderProtocol::V2 } else { HeaderProtocol::V1 },
        connect_timeout_ms: 5000,
        header_timeout_ms: 10_000,
    };
    let links = Links::new(settings, &electorate(&words), Millis(0));
    let mut mesh = Mesh { links, now: Millis(0) };
    let lines = mesh.step(Millis(0), LinksInput::Tick);
    (Box::new(mesh), lines)
}

impl Subject for Mesh {
    fn hear(&mut self, now: Millis, line: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..1000 {
            let Some(at) = self.links.deadline().filter(|&at| at < now) else { break };
            let at = at.max(self.now);
            let effects = self.step(at, LinksInput::Tick);
            lines.extend(effects.into_iter().map(|effect| format!("@{} {effect}", at.0)));
        }
        let words = Words::of(line);
        let number = |place: usize| words.at(place).parse::<i64>().unwrap();
        let (id, link) = (|place| ServerId(number(place)), || Link(number(1) as u64));
        let input = match words.name() {
            "accepted" => LinksInput::Accepted { link: link() },
            "connected" => {
                LinksInput::Connected { dial: Dial(number(1) as u64), link: Link(number(2) as u64) }
            }
            "failed" => LinksInput::ConnectFailed { dial: Dial(number(1) as u64) },
            "written" => LinksInput::Written { link: link() },
            "closed" => LinksInput::Closed { link: link() },
            "send" => LinksInput::Send { to: id(1), notification: notification(&words, 2, CONFIG) },
            "greet" => LinksInput::Greeting(notification(&words, 1, CONFIG)),
            "reconnect" => LinksInput::Reconnect,
            "tick" => LinksInput::Tick,
            "members" => {
                lines.extend(self.step(now, LinksInput::Members(&electorate(&words))));
                return lines;
            }
            "header" | "frame" | "bytes" => {
                let bytes = sent(&words);
                let pieces = words.number_or("pieces", bytes.len() as i64) as usize;
                for bytes in bytes.chunks(pieces) {
                    lines.extend(self.step(now, LinksInput::Bytes { link: link(), bytes }));
                }
                return lines;
            }
            other => panic!("input {other:?}"),
        };
        lines.extend(self.step(now, input));
        lines
    }
}

impl Mesh {
    fn step(&mut self, now: Millis, input: LinksInput<'_>) -> Vec<String> {
        self.now = now;
        let mut out = Vec::new();
        self.links.step(now, input, &mut out);
        if let Some(at) = self.links.deadline() {
            assert!(at > now || !out.is_empty(), "a mesh that wants ticks and does nothing");
        }
        out.iter().map(show_effect).collect()
    }
}

/// What a peer sends.
fn sent(words: &Words<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    match words.name() {
        "frame" => encode_frame(&notification(words, 2, CONFIG), &mut bytes),
        "bytes" => {
            for hex in words.rest().split_whitespace().skip(1).filter(|w| !w.contains('=')) {
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
            }
        }
        _ => {
            let address = |text: &str| {
                let (host, port) = text.rsplit_once(':').unwrap();
                ElectionAddress { host: host.to_owned(), port: port.parse().unwrap() }
            };
            let (protocol, addresses) = match words.find("at") {
                None => (HeaderProtocol::Legacy, Vec::new()),
                Some(at) => (HeaderProtocol::V2, at.split(',').map(address).collect()),
            };
            let server = match words.get("from") {
                "anonymous" => ANONYMOUS,
                id => ServerId(id.parse().unwrap()),
            };
            encode_header(&Header { protocol, server, addresses }, &mut bytes);
        }
    }
    bytes
}

fn show_effect(effect: &LinksEffect) -> String {
    match effect {
        LinksEffect::Connect { dial, server, address } => {
            format!("connect {} to {} at {}:{}", dial.0, server.0, address.host, address.port)
        }
        LinksEffect::Cancel { dial } => format!("cancel {}", dial.0),
        LinksEffect::Write { link, bytes } => format!("write {} {}", link.0, show_written(bytes)),
        LinksEffect::Finish { link } => format!("finish {}", link.0),
        LinksEffect::Close { link, why } => format!("close {}: {why}", link.0),
        LinksEffect::Heard { from, notification } => {
            format!("heard {} {}", from.0, show(notification, CONFIG))
        }
        LinksEffect::Unread { from, why } => format!("unread {}: {why}", from.0),
        LinksEffect::Reachable { server } => format!("reachable {}", server.0),
        LinksEffect::Unreachable { server } => format!("unreachable {}", server.0),
    }
}

fn show_written(bytes: &[u8]) -> String {
    if let Ok(Some((payload, length))) = decode_frame(bytes) {
        assert_eq!(length, bytes.len(), "one message a write");
        return show(&decode_notification(payload).unwrap(), CONFIG);
    }
    let (header, length) = decode_header(bytes).unwrap().unwrap();
    assert_eq!(length, bytes.len());
    let text: Vec<String> =
        header.addresses.iter().map(|a| format!("{}:{}", a.host, a.port)).collect();
    format!("header from={} at={}", header.server.0, text.join(","))
}
