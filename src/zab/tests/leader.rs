//! Scripts of leaders. A learner's packet begins with its link's number; parts of a line parted by
//! `;` are one batch, and every batch is settled.

use std::sync::Arc;

use super::words::{Words, entry, packet, text, zxid, zxid_text};
use crate::codec::quorum::Packet;
use crate::log::Durable;
use crate::membership::{Electorate, Members};
use crate::testing::script::{Subject, run_all};
use crate::types::{Epoch, Link, Millis, ServerId, SessionId, Zxid, limits};
use crate::zab::{
    Leader, LeaderEffect, LeaderInput, LeaderParts, LogChunk, LogEnd, Readers, Stored, SyncRules,
    Timing, Window,
};

struct Driven {
    leader: Leader,
    window: Window,
    agreed: Zxid,
    /// The largest entry that may be proposed, as it was told last.
    readable: usize,
}

#[test]
fn leaders() {
    assert!(run_all("leader", begin) >= 25);
}

fn begin(line: &str) -> (Box<dyn Subject>, Vec<String>) {
    let words = Words::of(line);
    assert_eq!(words.name(), "leader");
    let (last, current) = (words.zxid("last"), words.number("current"));
    let mut window = Window::new(words.number_or("commitlog", 500) as usize, 1 << 30);
    if let Some(entries) = words.find("window") {
        let entries = range(entries);
        window.restart(Zxid(entries[0].0 - 1));
        entries.iter().for_each(|zxid| window.push(*zxid, entry(*zxid, None)));
    }
    let parts = LeaderParts {
        me: ServerId(words.number_or("me", 1)),
        accepted: Epoch(words.number_or("accepted", current) as u32),
        current: Epoch(current as u32),
        last,
        electorate: electorate(&words),
        reconfig_enabled: words.find("reconfig").is_some(),
        timing: Timing {
            tick_ms: 2000,
            init_ticks: words.number_or("init", 5),
            sync_ticks: words.number_or("sync", 2),
        },
        rules: SyncRules {
            force_snapshot: words.find("force").is_some(),
            use_log: words.find("log") != Some("no"),
            log_share: words.find("share").map(|n| n.parse().unwrap()),
            snap_syncs: words.number_or("snaps", 10) as usize,
            diff_syncs: words.number_or("diffs", 100) as usize,
            live_bytes: words.number_or("live-bytes", limits::LEARNER_BYTES as i64) as usize,
            ..SyncRules::default()
        },
        readers: Readers {
            own: words.number_or("reads", limits::READ_DEFAULT as i64) as usize,
            unknown: words.number_or("unknown", limits::READ_DEFAULT as i64) as usize,
        },
        handover_counter: words.number_or("handover", limits::HANDOVER_COUNTER.into()) as u32,
    };
    let mut out = Vec::new();
    let mut leader = Leader::new(parts, Millis(0), &mut out);
    leader.settle(&mut window, &mut out);
    let readable = leader.readable();
    let mut driven = Driven { leader, window, agreed: last, readable };
    let effects = driven.say(out);
    (Box::new(driven), effects)
}

impl Subject for Driven {
    fn hear(&mut self, now: Millis, line: &str) -> Vec<String> {
        let mut out = Vec::new();
        for part in line.split(';') {
            for input in inputs(part.trim()) {
                self.leader.step(now, input, &mut self.window, &mut out);
            }
        }
        self.leader.settle(&mut self.window, &mut out);
        if self.leader.is_serving() {
            assert_eq!(self.window.end(), Some(self.leader.committed()));
        }
        self.say(out)
    }
}

fn inputs(part: &str) -> Vec<LeaderInput> {
    let words = Words::of(part);
    let link = || Link(words.at(1).parse().unwrap());
    let input = match words.name() {
        "open" => LeaderInput::Opened { link: link() },
        "closed" => LeaderInput::Closed { link: link() },
        "drained" => LeaderInput::Drained { link: link() },
        "moved" => LeaderInput::Moved { link: link() },
        "stored" => LeaderInput::Stored(match words.find("accepted") {
            Some(epoch) => Stored::Accepted(Epoch(epoch.parse().unwrap())),
            None => Stored::Current(Epoch(words.number("current") as u32)),
        }),
        "durable" => LeaderInput::Durable(Durable::assumed(zxid(words.at(1)))),
        "propose" => {
            let zxids = range(words.at(1)).into_iter();
            let bytes = words.number_or("bytes", 0) as usize;
            let entry = |zxid| match bytes {
                0 => entry(zxid, None),
                _ => vec![7; bytes].into(),
            };
            return zxids.map(|zxid| LeaderInput::Proposed { zxid, entry: entry(zxid) }).collect();
        }
        "revalidated" => LeaderInput::Revalidated {
            link: link(),
            session: SessionId(words.number("session")),
            valid: words.get("valid") == "true",
        },
        "sync-for" => LeaderInput::SyncFor { link: link() },
        "doubted" => LeaderInput::ReadIndexAsked,
        "log" => LeaderInput::LogRead { link: link(), chunk: chunk(&words) },
        "snapshot-sent" => LeaderInput::SnapshotSent { link: link(), zxid: words.zxid("zxid") },
        // The transaction that is proposed next.
        "reconfiguring" => LeaderInput::Reconfiguring { members: electorate(&words).committed },
        "tick" => LeaderInput::Tick,
        number => {
            let link = Link(number.parse().unwrap_or_else(|_| panic!("no input: {part:?}")));
            LeaderInput::Packet { link, packet: packet(words.rest()) }
        }
    };
    vec![input]
}

/// `log 12 4:1..4:3 more`; `log 12 none done`.
fn chunk(words: &Words) -> LogChunk {
    let entries = if words.at(2) == "none" { Vec::new() } else { range(words.at(2)) };
    LogChunk {
        entries: entries.into_iter().map(|zxid| (zxid, entry(zxid, None))).collect(),
        end: match words.at(3) {
            "more" => LogEnd::More,
            "done" => LogEnd::Done,
            "not-there" => LogEnd::NotThere,
            other => panic!("{other:?} is no end of a log"),
        },
    }
}

/// `4:1`, `4:1..4:3`, and several of them with commas between.
fn range(text: &str) -> Vec<Zxid> {
    let mut zxids = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        zxids.extend((zxid(first).0..=zxid(last).0).map(Zxid));
    }
    zxids
}

/// `voters=1,2,3 observers=4 version=7`, and `next=1,2,4` for the configuration being agreed on.
fn electorate(words: &Words) -> Electorate {
    let members = |voters: &str, version: i64| {
        let mut text = String::new();
        for voter in voters.split(',') {
            text += &format!("server.{voter}=h{voter}:1:2:participant\n");
        }
        for observer in words.find("observers").iter().flat_map(|list| list.split(',')) {
            text += &format!("server.{observer}=h{observer}:1:2:observer\n");
        }
        Arc::new(Members::parse(&text).unwrap().with_version(version))
    };
    let version = words.find("at").map_or(words.number_or("version", 0), |at| zxid(at).0);
    Electorate {
        committed: members(words.get("voters"), version),
        next: words.find("next").map(|voters| members(voters, version + 1)),
    }
}

impl Driven {
    fn say(&mut self, effects: Vec<LeaderEffect>) -> Vec<String> {
        let mut effects: Vec<String> = effects.iter().map(|effect| self.word(effect)).collect();
        let before = std::mem::replace(&mut self.readable, self.leader.readable());
        if before != self.readable {
            effects.push(format!("readable {}", self.readable));
        }
        effects
    }

    fn word(&mut self, effect: &LeaderEffect) -> String {
        match effect {
            LeaderEffect::Send { link, packet } => format!("send {} {}", link.0, short(packet)),
            LeaderEffect::Close { link, why } => format!("close {} {why}", link.0),
            LeaderEffect::WhenDrained { link } => format!("when-drained {}", link.0),
            LeaderEffect::AskMoved { link } => format!("ask-moved {}", link.0),
            LeaderEffect::Reading { link, on } => format!("reading {} {on}", link.0),
            LeaderEffect::Store(Stored::Accepted(epoch)) => format!("store accepted={}", epoch.0),
            LeaderEffect::Store(Stored::Current(epoch)) => format!("store current={}", epoch.0),
            LeaderEffect::Serve { epoch } => format!("serve epoch={}", epoch.0),
            LeaderEffect::Agreed(agreed) => {
                assert!(agreed.zxid() > self.agreed, "I6: commits rise");
                self.agreed = agreed.zxid();
                format!("agreed {}", zxid_text(agreed.zxid()))
            }
            LeaderEffect::Activate { members, leader } => {
                let voters: Vec<String> = members.voters().map(|id| id.0.to_string()).collect();
                let leader = leader.map_or("none".into(), |leader| leader.0.to_string());
                format!("activate {}@{:x} leader={leader}", voters.join(","), members.version())
            }
            LeaderEffect::Confirmed { count } => format!("certain {count}"),
            LeaderEffect::Request { link, server, request } => {
                let packet = Packet::Request(request.clone());
                format!("{} from={} server={}", text(&packet), link.0, server.0)
            }
            LeaderEffect::Touched { link, sessions } => {
                let all: Vec<String> =
                    sessions.iter().map(|(id, ms)| format!("{}:{ms}", id.0)).collect();
                format!("touched {} {}", link.0, all.join(","))
            }
            LeaderEffect::Revalidate { link, session, timeout } => {
                format!("revalidate {} session={} timeout={timeout}", link.0, session.0)
            }
            LeaderEffect::ReadLog { link, after, share } => {
                let most = share.map_or(String::new(), |share| format!(" share={share}"));
                format!("read-log {} after={}{most}", link.0, zxid_text(*after))
            }
            LeaderEffect::SendSnapshot { link } => format!("send-snapshot {}", link.0),
            LeaderEffect::LearnerReady { link, server } => {
                format!("ready {} server={}", link.0, server.0)
            }
            LeaderEffect::LearnerGone { link, server } => {
                format!("gone {} server={}", link.0, server.0)
            }
            LeaderEffect::StepDown { why } => {
                assert_eq!(self.leader.deadline(), None);
                format!("step-down {why}")
            }
        }
    }
}

/// The configuration as `voters@version`.
fn short(packet: &Packet) -> String {
    let Packet::NewLeader { zxid, config: Some(config) } = packet else { return text(packet) };
    let members = Members::parse(config).unwrap();
    let voters: Vec<String> = members.voters().map(|voter| voter.0.to_string()).collect();
    format!("newleader {} config={}@{:x}", zxid_text(*zxid), voters.join(","), members.version())
}
