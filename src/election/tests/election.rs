//! Scripts of elections.
//!
//! Set-up: `election me=2 voters=1,2,3 observers=4`, with `observer` for one that is in no
//! configuration. Inputs are those of [`ElectionInput`] in words. Equal messages to several are
//! one line; `greet` is what whoever connects is told from now on. Before an input whose time is
//! later, the election is ticked at each of its deadlines.

use crate::election::{ElectedRole, Election, ElectionEffect, ElectionInput, ElectionSettings};
use crate::testing::script::{Subject, run_folder};
use crate::types::{Epoch, Millis, ServerId};
use crate::zab::tests::words::Words;

use super::words::{electorate, notification, show, zxid};

struct Voter {
    election: Election,
    config: String,
    now: Millis,
}

#[test]
fn elections_follow_their_scripts() {
    // Goal: every rule of an election, from its inputs to what is sent and decided.
    assert!(run_folder("src/election/tests/scripts/election", begin) >= 16);
}

fn begin(setup: &str) -> (Box<dyn Subject>, Vec<String>) {
    let words = Words::of(setup);
    let mut settings = ElectionSettings::new(ServerId(words.number("me")));
    settings.observer = setup.ends_with(" observer");
    settings.adopts = words.find("adopts").is_some();
    let electorate = electorate(&words);
    let config = electorate.committed.text();
    let election = Election::new(settings, electorate);
    (Box::new(Voter { election, config, now: Millis(0) }), Vec::new())
}

impl Subject for Voter {
    fn hear(&mut self, now: Millis, line: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..1000 {
            let Some(at) = self.election.deadline().filter(|&at| at < now) else { break };
            let at = at.max(self.now);
            let effects = self.step(at, ElectionInput::Tick);
            lines.extend(effects.into_iter().map(|effect| format!("@{} {effect}", at.0)));
        }
        let words = Words::of(line);
        let server = || ServerId(words.at(1).parse().unwrap());
        let input = match words.name() {
            "look" => ElectionInput::Look {
                zxid: zxid(words.get("zxid")),
                peer_epoch: Epoch(words.number("epoch") as u32),
            },
            "appointed" => ElectionInput::Appointed {
                leader: server(),
                zxid: zxid(words.get("zxid")),
                epoch: Epoch(words.number("epoch") as u32),
            },
            "leave" => ElectionInput::Leave {
                unanswered: words.find("unanswered").map(|id| ServerId(id.parse().unwrap())),
            },
            "hear" => ElectionInput::Heard {
                from: server(),
                notification: notification(&words, 2, &self.config),
            },
            "reachable" => ElectionInput::Reachable { server: server() },
            "unreachable" => ElectionInput::Unreachable { server: server() },
            "established" => {
                ElectionInput::Established { epoch: Epoch(words.at(1).parse().unwrap()) }
            }
            "members" => {
                let electorate = electorate(&words);
                self.config = electorate.committed.text();
                ElectionInput::Members(electorate)
            }
            "tick" => ElectionInput::Tick,
            other => panic!("input {other:?}"),
        };
        lines.extend(self.step(now, input));
        lines
    }
}

impl Voter {
    fn step(&mut self, now: Millis, input: ElectionInput) -> Vec<String> {
        self.now = now;
        let mut out = Vec::new();
        self.election.step(now, input, &mut out);
        assert!(self.election.deadline().is_none_or(|at| at > now), "a tick was due");
        let mut lines: Vec<String> = Vec::new();
        let mut last: Option<String> = None;
        for effect in &out {
            let line = match effect {
                ElectionEffect::Send { to, notification } => {
                    let text = show(notification, &self.config);
                    match (&last, lines.last_mut()) {
                        (Some(before), Some(line)) if *before == text => {
                            let others = line.split(' ').nth(1).unwrap();
                            *line = format!("send {others},{} {text}", to.0);
                        }
                        _ => lines.push(format!("send {} {text}", to.0)),
                    }
                    last = Some(text);
                    continue;
                }
                ElectionEffect::Greeting(notification) => {
                    format!("greet {}", show(notification, &self.config))
                }
                ElectionEffect::Reconnect => "reconnect".to_owned(),
                ElectionEffect::Decided { leader, role } => {
                    let role = match role {
                        ElectedRole::Leading => "leading",
                        ElectedRole::Following => "following",
                        ElectedRole::Observing => "observing",
                    };
                    format!("decided {role} leader={}", leader.0)
                }
                ElectionEffect::Deserted { by, quorum_left: true } => format!("deserted {}", by.0),
                ElectionEffect::Deserted { by, quorum_left: false } => {
                    format!("deserted {}, no quorum left", by.0)
                }
                ElectionEffect::NewerMembers(members) => {
                    format!("newer members, version {:x}", members.version())
                }
            };
            lines.push(line);
            last = None;
        }
        lines
    }
}
