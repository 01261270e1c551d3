//! Scripts of learners.

use super::words::{Words, entry, packet, text, zxid, zxid_text};
use crate::codec::quorum::Packet;
use crate::log::Durable;
use crate::testing::rng::Rng;
use crate::testing::script::{Subject, run_all};
use crate::types::{Epoch, Millis, ServerId, Zxid};
use crate::zab::learner::Phase;
use crate::zab::{Learner, LearnerEffect, LearnerInput, LearnerParts, Readers, Stored, Timing};

struct Driven {
    learner: Learner,
    /// What the log was told to be durable, to hold every ACK against.
    durable: Zxid,
    appended: Zxid,
    current: Epoch,
    /// The epoch whose NEWLEADER was acknowledged last.
    entered: Epoch,
    left: bool,
}

#[test]
fn learners() {
    assert!(run_all("learner", begin) >= 25);
}

fn begin(line: &str) -> (Box<dyn Subject>, Vec<String>) {
    let (driven, effects) = begin_driven(line);
    (Box::new(driven), effects)
}

fn begin_driven(line: &str) -> (Driven, Vec<String>) {
    let words = Words::of(line);
    let observer = match words.name() {
        "learner" => false,
        "observer" => true,
        other => panic!("{other:?} is no learner"),
    };
    let tick_ms = words.number_or("tick", 2000);
    let timing = Timing {
        tick_ms,
        init_ticks: words.number_or("init", 10),
        sync_ticks: words.number_or("sync", 5),
    };
    let (last, current) = (words.zxid("last"), Epoch(words.number("current") as u32));
    let parts = LearnerParts {
        me: ServerId(words.number_or("me", 1)),
        observer,
        accepted: Epoch(words.number("accepted") as u32),
        current,
        last,
        committed: words.find("committed").map_or(Zxid::ZERO, zxid),
        shown: words.find("shown").map_or(Zxid::ZERO, zxid),
        blank: words.find("blank").is_some(),
        config_version: 0,
        leader: ServerId(words.number_or("leader", 3)),
        timing,
        connect_ms: timing.init_ms(),
        connect_pause_ms: 100,
        readers: Readers::default(),
    };
    let mut out = Vec::new();
    let learner = Learner::new(parts, Millis(0), &mut out);
    let (durable, appended, entered) = (last, last, Epoch(u32::MAX));
    let mut driven = Driven { learner, durable, appended, current, entered, left: false };
    let effects = driven.say(out);
    (driven, effects)
}

impl Subject for Driven {
    fn hear(&mut self, now: Millis, line: &str) -> Vec<String> {
        let words = Words::of(line);
        let why = || words.rest().to_owned();
        let input = match words.name() {
            "deadline" => {
                let at = self.learner.deadline().map_or("none".into(), |at| at.0.to_string());
                return vec![format!("deadline {at} in {:?}", self.learner.phase())];
            }
            "connected" => LearnerInput::Connected,
            "connectfailed" => LearnerInput::ConnectFailed { why: why() },
            "closed" => LearnerInput::Closed { why: why() },
            "moved" => LearnerInput::Moved,
            "snapshotreceived" => {
                let shows = words.find("shows").map_or(Zxid(i64::MAX), zxid);
                LearnerInput::SnapshotReceived { shows }
            }
            "snapshotloaded" => {
                let zxid = zxid(words.at(1));
                (self.durable, self.appended) = (zxid, zxid);
                LearnerInput::SnapshotLoaded { zxid }
            }
            "truncated" => {
                let last = zxid(words.at(1));
                (self.durable, self.appended) = (last, last);
                LearnerInput::Truncated { last }
            }
            "cannottruncate" => LearnerInput::CannotTruncate { why: why() },
            "stored" => LearnerInput::Stored(match words.find("accepted") {
                Some(_) => Stored::Accepted(Epoch(words.number("accepted") as u32)),
                None => {
                    self.current = Epoch(words.number("current") as u32);
                    Stored::Current(self.current)
                }
            }),
            "durable" => {
                self.durable = zxid(words.at(1));
                LearnerInput::Durable(Durable::assumed(self.durable))
            }
            "tick" => LearnerInput::Tick,
            "flood" => return self.flood(now, zxid(words.at(1)), words.at(2).parse().unwrap()),
            _ => LearnerInput::Packet(packet(line)),
        };
        let mut out = Vec::new();
        self.learner.step(now, input, &mut out);
        self.say(out)
    }
}

impl Driven {
    /// Effects as text, each held against the invariants on the way.
    fn say(&mut self, effects: Vec<LearnerEffect>) -> Vec<String> {
        let effects: Vec<String> = effects.iter().map(|effect| self.say_one(effect)).collect();
        // A long run of appends is one line.
        let mut lines = Vec::new();
        for run in effects.chunk_by(|a, b| a.starts_with("append") && b.starts_with("append")) {
            match run {
                [first, .., last] if run.len() > 3 => {
                    lines.push(format!("{first} to {last}: {}", run.len()));
                }
                _ => lines.extend_from_slice(run),
            }
        }
        lines
    }

    /// Proposals, one after the other, from this one on.
    fn flood(&mut self, now: Millis, first: Zxid, count: i64) -> Vec<String> {
        let mut out = Vec::new();
        for zxid in (first.0..first.0 + count).map(Zxid) {
            let packet = Packet::Proposal { zxid, entry: entry(zxid, None) };
            self.learner.step(now, LearnerInput::Packet(packet), &mut out);
        }
        self.say(out)
    }

    fn say_one(&mut self, effect: &LearnerEffect) -> String {
        assert!(!self.left, "{effect:?} after Leave");
        match effect {
            LearnerEffect::Connect => "connect".into(),
            LearnerEffect::Send(packet) => {
                if let Packet::Ack { zxid } = packet {
                    assert!(zxid.counter() == 0 || *zxid <= self.durable, "I1");
                    assert!(zxid.counter() != 0 || self.current == zxid.epoch(), "I3");
                    let is_first = zxid.counter() == 0 && self.entered != zxid.epoch();
                    if is_first {
                        assert!(self.durable == self.appended, "I3: the whole history");
                        self.entered = zxid.epoch();
                    }
                }
                format!("send {}", text(packet))
            }
            LearnerEffect::Close => "close".into(),
            LearnerEffect::Reading(on) => format!("reading {on}"),
            LearnerEffect::Store(Stored::Accepted(epoch)) => format!("store accepted={}", epoch.0),
            LearnerEffect::Store(Stored::Current(epoch)) => {
                assert!(self.durable >= self.appended, "I3: history before epoch");
                format!("store current={}", epoch.0)
            }
            LearnerEffect::Truncate { after } => format!("truncate {}", zxid_text(*after)),
            LearnerEffect::LoadSnapshot { zxid } => format!("loadsnapshot {}", zxid_text(*zxid)),
            LearnerEffect::Append { zxid, .. } => {
                assert!(zxid.epoch() <= self.current, "I3: the log ahead of its epoch");
                assert!(*zxid > self.appended, "I4");
                self.appended = *zxid;
                format!("append {}", zxid_text(*zxid))
            }
            LearnerEffect::Agreed(agreed) => format!("agreed {}", zxid_text(agreed.zxid())),
            LearnerEffect::Synced => "synced".into(),
            LearnerEffect::Revalidated { session, valid } => {
                format!("revalidated session={session} valid={valid}")
            }
            LearnerEffect::Pinged { zxid } => format!("pinged {}", zxid_text(*zxid)),
            LearnerEffect::ConfigProposed { text } => {
                format!("config-proposed {}", text.replace('\n', "|"))
            }
            LearnerEffect::ConfigAnnounced { text } => {
                format!("config-announced {}", text.replace('\n', "|"))
            }
            LearnerEffect::NewConfig { text, version, leader } => {
                let leader = leader.map_or("none".into(), |l| l.0.to_string());
                format!("newconfig {} version={version:x} leader={leader}", text.replace('\n', "|"))
            }
            LearnerEffect::Refuse { ends, committed } => {
                format!("refuse ends={} committed={}", zxid_text(*ends), zxid_text(*committed))
            }
            LearnerEffect::Serve { epoch } => format!("serve epoch={}", epoch.0),
            LearnerEffect::Leave { why } => {
                self.left = true;
                format!("leave: {why}")
            }
        }
    }
}

/// A leader that sends anything at all, and a disk that takes its time.
struct Storm {
    driven: Driven,
    random: Rng,
    now: i64,
    stores: std::collections::VecDeque<String>,
    /// Packets that got somewhere.
    appended: usize,
    served: usize,
}

impl Storm {
    fn below(&mut self, n: u64) -> u64 {
        self.random.below(n)
    }

    fn near(&mut self, zxid: Zxid) -> Zxid {
        match self.below(300) {
            0..=7 => Zxid::new(Epoch(zxid.epoch().0 + 1), 1),
            8 => Zxid(zxid.0 + 2),
            9 => Zxid(zxid.0 - 1),
            10 => zxid,
            _ => Zxid(zxid.0 + 1),
        }
    }

    fn packet(&mut self) -> String {
        let (last, agreed) = (self.driven.learner.last(), self.driven.learner.agreed());
        let epoch = self.driven.learner.epoch().0.max(6);
        // Mostly what belongs there, so that something comes of it.
        let kind = match self.driven.learner.phase() {
            _ if self.below(60) == 0 => self.below(60),
            Phase::Connecting { .. } => return "ping 5:0".into(),
            Phase::Discovery => 0,
            Phase::Choosing => 4 + self.below(7),
            Phase::Synchronization | Phase::Loading { .. } | Phase::Truncating { .. } => {
                match self.below(8) {
                    0 => 11,
                    n => 26 + n * 4,
                }
            }
            Phase::Joining => 21 + self.below(37),
            _ => 26 + self.below(32),
        };
        match kind {
            0..=3 => format!("leaderinfo epoch={epoch}"),
            4..=7 => format!("diff {}", zxid_text(last)),
            8 => format!("trunc {}", zxid_text(Zxid(last.0 - 1))),
            9 | 10 => {
                let at = self.near(last);
                format!("snap {}", zxid_text(at))
            }
            11..=20 => format!("newleader {epoch}:0"),
            21..=25 => "uptodate".into(),
            26..=29 => format!("ping {epoch}:0"),
            30..=45 => {
                let zxid = self.near(last);
                format!("proposal {}", zxid_text(zxid))
            }
            46..=57 if agreed < last || self.below(60) == 0 => {
                let zxid = self.near(agreed);
                format!("commit {}", zxid_text(zxid))
            }
            58 if self.below(9) == 0 => {
                let zxid = self.near(last);
                format!("inform {}", zxid_text(zxid))
            }
            _ => "sync".into(),
        }
    }

    fn step(&mut self) {
        self.now += self.below(30) as i64;
        let line = match self.below(10) {
            0 | 1 if self.driven.durable < self.driven.appended => {
                let most = self.driven.appended;
                format!("durable {}", zxid_text(most))
            }
            0..=2 => match self.stores.pop_front() {
                Some(done) => done,
                None => "tick".into(),
            },
            _ => self.packet(),
        };
        for effect in self.driven.hear(Millis(self.now), &line) {
            let words = Words::of(&effect);
            match words.name() {
                "connect" => self.stores.push_back("connected".into()),
                "store" => self.stores.push_back(effect.replace("store", "stored")),
                "truncate" if self.below(3) == 0 => {
                    self.stores.push_back("cannottruncate no".into())
                }
                "truncate" => self.stores.push_back(effect.replace("truncate", "truncated")),
                "loadsnapshot" => {
                    self.stores.push_back("snapshotreceived".into());
                    self.stores.push_back(effect.replace("loadsnapshot", "snapshotloaded"));
                }
                "append" => self.appended += 1,
                "serve" => self.served += 1,
                _ => {}
            }
        }
    }
}

#[test]
fn whatever_a_leader_sends_the_invariants_hold() {
    // Every effect is held against I1, I3 and I4 where it is made into text.
    let (mut appended, mut served) = (0, 0);
    for seed in 0..4000 {
        let (learner, effects) = begin_driven(match seed % 2 {
            0 => "learner accepted=5 current=4 last=4:7 tick=1000",
            _ => "learner accepted=6 current=6 last=6:7 tick=1000",
        });
        assert_eq!(effects, ["connect"]);
        let stores = ["connected".to_owned()].into();
        let random = Rng::new(seed);
        let mut storm = Storm { driven: learner, random, now: 0, stores, appended: 0, served: 0 };
        for _ in 0..120 {
            storm.step();
            if storm.driven.left {
                break;
            }
        }
        appended += storm.appended;
        served += storm.served;
    }
    assert!(appended > 1000 && served > 100, "{appended} {served}");
}
