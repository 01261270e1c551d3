//! Packets as a line of text, and back. A zxid is `epoch:counter`, both decimal; -1 is `none`.

use bytes::Bytes;

use crate::codec::quorum::{Forwarded, PROTOCOL, Packet};
use crate::codec::txn::{Entry, Txn, TxnHeader, encode_entry};
use crate::types::{Data, Epoch, ErrorCode, ServerId, SessionId, WallMillis, Zxid};

/// `name first key=value …`
pub(crate) struct Words<'a> {
    line: &'a str,
    words: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Words<'a> {
        Words { line, words: line.split_whitespace().collect() }
    }

    pub(crate) fn name(&self) -> &'a str {
        self.words.first().copied().unwrap_or("")
    }

    /// The word at this place; the name is at 0.
    pub(crate) fn at(&self, place: usize) -> &'a str {
        self.words
            .get(place)
            .unwrap_or_else(|| panic!("word {place} is missing in {:?}", self.line))
    }

    /// The line behind its name.
    pub(crate) fn rest(&self) -> &'a str {
        self.line.trim_start().strip_prefix(self.name()).unwrap().trim_start()
    }

    pub(crate) fn find(&self, key: &str) -> Option<&'a str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    pub(crate) fn get(&self, key: &str) -> &'a str {
        self.find(key).unwrap_or_else(|| panic!("{key}= is missing in {:?}", self.line))
    }

    pub(crate) fn number(&self, key: &str) -> i64 {
        number(self.get(key))
    }

    /// The number, or another if the key is missing.
    pub(crate) fn number_or(&self, key: &str, other: i64) -> i64 {
        self.find(key).map_or(other, number)
    }

    pub(crate) fn zxid(&self, key: &str) -> Zxid {
        zxid(self.get(key))
    }
}

fn number(text: &str) -> i64 {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).unwrap_or_else(|_| panic!("number {text:?}")),
        None => text.parse().unwrap_or_else(|_| panic!("number {text:?}")),
    }
}

pub(crate) fn zxid(text: &str) -> Zxid {
    if text == "none" {
        return Zxid(-1);
    }
    let (epoch, counter) = text.split_once(':').unwrap_or_else(|| panic!("zxid {text:?}"));
    match epoch {
        "round" => return Zxid(-1 - number(counter)),
        "proof" => return Zxid(i64::MIN + number(counter)),
        _ => {}
    }
    Zxid::new(Epoch(number(epoch) as u32), number(counter) as u32)
}

/// Where the numbers of questions begin.
const PROOFS: i64 = i64::MIN / 2;

pub(crate) fn zxid_text(zxid: Zxid) -> String {
    match zxid.0 {
        -1 => "none".into(),
        PROOFS..-1 => format!("round:{}", -1 - zxid.0),
        ..PROOFS => format!("proof:{}", zxid.0 - i64::MIN),
        0.. => format!("{}:{}", zxid.epoch().0, zxid.counter()),
    }
}

/// Some transaction of this number; with a text, a reconfiguration.
pub(crate) fn entry(zxid: Zxid, config: Option<&str>) -> Bytes {
    let header = TxnHeader { session: SessionId(7), cxid: 1, zxid, time: WallMillis(1) };
    let txn = match config {
        None => Txn::Error(ErrorCode::NoNode),
        Some(text) => {
            let config: Data = Some(text.replace('|', "\n").into_bytes().into());
            Txn::Reconfig { config, version: -1 }
        }
    };
    let mut bytes = Vec::new();
    encode_entry(&Entry { header, txn, digest: None }, &mut bytes);
    bytes.into()
}

/// The packet a line stands for. Lines of a config are parted by `|`.
pub(crate) fn packet(line: &str) -> Packet {
    let words = Words::of(line);
    let at = || zxid(words.at(1));
    let session = || SessionId(words.number("session"));
    let config = || words.find("config");
    match words.name() {
        "request" => Packet::Request(Forwarded {
            session: session(),
            cxid: words.number("cxid") as i32,
            opcode: words.number("op") as i32,
            body: Bytes::new(),
            identities: Vec::new(),
        }),
        "proposal" => Packet::Proposal { zxid: at(), entry: entry(at(), config()) },
        "ack" => Packet::Ack { zxid: at() },
        "commit" => Packet::Commit { zxid: at() },
        "ping" => Packet::Ping { zxid: at(), touches: words.find("touches").map(touches) },
        "revalidate" => {
            Packet::RevalidateAsk { session: session(), timeout: words.number("timeout") as i32 }
        }
        "revalidated" => {
            Packet::RevalidateAnswer { session: session(), valid: words.get("valid") == "true" }
        }
        "sync" => Packet::Sync { zxid: Zxid::ZERO },
        "inform" => Packet::Inform { zxid: at(), entry: entry(at(), config()) },
        "commitandactivate" => {
            Packet::CommitAndActivate { zxid: at(), leader: ServerId(words.number("leader")) }
        }
        "informandactivate" => Packet::InformAndActivate {
            zxid: at(),
            leader: ServerId(words.number("leader")),
            entry: entry(at(), config()),
        },
        "newleader" => {
            Packet::NewLeader { zxid: at(), config: config().map(|c| c.replace('|', "\n")) }
        }
        name @ ("followerinfo" | "observerinfo") => Packet::LearnerInfo {
            observer: name == "observerinfo",
            accepted: Epoch(words.number("accepted") as u32),
            server: ServerId(words.number("server")),
            protocol: words.number_or("protocol", PROTOCOL.into()) as i32,
            config_version: words.number_or("config", 0),
            reads: words.find("reads").map(|bytes| bytes.parse().unwrap()),
        },
        "uptodate" => Packet::UpToDate,
        "diff" => Packet::Diff { zxid: at() },
        "trunc" => Packet::Trunc { zxid: at() },
        "snap" => Packet::Snap { zxid: at() },
        "leaderinfo" => Packet::LeaderInfo {
            epoch: Epoch(words.number("epoch") as u32),
            protocol: words.number_or("protocol", PROTOCOL.into()) as i32,
            reads: None,
        },
        "ackepoch" => Packet::AckEpoch {
            last: words.zxid("last"),
            current: match words.get("current") {
                "none" => None,
                epoch => Some(Epoch(number(epoch) as u32)),
            },
        },
        other => panic!("no packet is called {other:?}"),
    }
}

fn touches(text: &str) -> Vec<(SessionId, i32)> {
    let one = |pair: &str| {
        let (session, timeout) = pair.split_once(':').unwrap();
        (SessionId(number(session)), number(timeout) as i32)
    };
    text.split(',').filter(|pair| !pair.is_empty()).map(one).collect()
}

pub(crate) fn text(packet: &Packet) -> String {
    let z = |zxid: &Zxid| zxid_text(*zxid);
    match packet {
        Packet::Request(Forwarded { session, cxid, opcode, .. }) => {
            format!("request session={session} cxid={cxid} op={opcode}")
        }
        Packet::Proposal { zxid, .. } => format!("proposal {}", z(zxid)),
        Packet::Ack { zxid } => format!("ack {}", z(zxid)),
        Packet::Commit { zxid } => format!("commit {}", z(zxid)),
        Packet::Ping { zxid, touches: None } => format!("ping {}", z(zxid)),
        Packet::Ping { zxid, touches: Some(touches) } => {
            let all: Vec<String> = touches.iter().map(|(s, t)| format!("{s}:{t}")).collect();
            format!("ping {} touches={}", z(zxid), all.join(","))
        }
        Packet::RevalidateAsk { session, timeout } => {
            format!("revalidate session={session} timeout={timeout}")
        }
        Packet::RevalidateAnswer { session, valid } => {
            format!("revalidated session={session} valid={valid}")
        }
        Packet::Sync { .. } => "sync".into(),
        Packet::Inform { zxid, .. } => format!("inform {}", z(zxid)),
        Packet::CommitAndActivate { zxid, leader } => {
            format!("commitandactivate {} leader={}", z(zxid), leader.0)
        }
        Packet::InformAndActivate { zxid, leader, .. } => {
            format!("informandactivate {} leader={}", z(zxid), leader.0)
        }
        Packet::NewLeader { zxid, config: None } => format!("newleader {}", z(zxid)),
        Packet::NewLeader { zxid, config: Some(config) } => {
            format!("newleader {} config={}", z(zxid), config.replace('\n', "|"))
        }
        Packet::LearnerInfo { observer, accepted, server, config_version, .. } => {
            let kind = if *observer { "observerinfo" } else { "followerinfo" };
            let (accepted, server) = (accepted.0, server.0);
            format!("{kind} accepted={accepted} server={server} config={config_version}")
        }
        Packet::UpToDate => "uptodate".into(),
        Packet::Diff { zxid } => format!("diff {}", z(zxid)),
        Packet::Trunc { zxid } => format!("trunc {}", z(zxid)),
        Packet::Snap { zxid } => format!("snap {}", z(zxid)),
        Packet::LeaderInfo { epoch, .. } => format!("leaderinfo epoch={}", epoch.0),
        Packet::AckEpoch { last, current } => {
            let current = current.map_or("none".into(), |epoch| epoch.0.to_string());
            format!("ackepoch last={} current={current}", z(last))
        }
    }
}

#[test]
fn every_packet_reads_back() {
    for line in [
        "request session=0x1 cxid=2 op=5",
        "proposal 4:8",
        "ack 4:0",
        "commit 4:8",
        "ping 4:8",
        "ping 4:8 touches=0x1:4000,0x2:5000",
        "ping 4:8 touches=",
        "revalidate session=0x1 timeout=4000",
        "revalidated session=0x1 valid=true",
        "sync",
        "inform 4:8",
        "commitandactivate 4:8 leader=2",
        "informandactivate 4:8 leader=2",
        "newleader 5:0",
        "newleader 5:0 config=server.1=a:1:2:participant|version=0",
        "followerinfo accepted=4 server=1 config=0",
        "observerinfo accepted=4 server=1 config=7",
        "uptodate",
        "diff 4:7",
        "trunc 4:7",
        "snap 4:7",
        "leaderinfo epoch=5",
        "ackepoch last=4:7 current=4",
        "ackepoch last=none current=none",
    ] {
        assert_eq!(text(&packet(line)), line);
    }
}
