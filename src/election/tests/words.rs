//! Votes and configurations as words of a line.
//!
//! `looking leader=2 zxid=1:5 round=3 epoch=1`, with `version=0` for one that has no configuration
//! and `config=<version>` for one that is in another than ours. A zxid is `epoch:counter`, -1
//! `untrusted`, and what an observer has for a vote `none`.

use std::sync::Arc;

use crate::codec::election::{Notification, PeerState, VERSION};
use crate::membership::{Electorate, Members};
use crate::types::{Epoch, ServerId, Zxid};
use crate::zab::tests::words::Words;

/// `voters=1,2,3 observers=4 next=1,2 groups=1:2|3 weight=3:0`: servers live at `s<id>`, with
/// election port 3000 + id.
pub(super) fn electorate(words: &Words<'_>) -> Electorate {
    let mut text = servers(words.get("voters"), words.find("observers").unwrap_or(""));
    for (number, group) in words.find("groups").into_iter().flat_map(|g| g.split('|')).enumerate() {
        text += &format!("group.{}={group}\n", number + 1);
    }
    if let Some((server, weight)) = words.find("weight").and_then(|w| w.split_once(':')) {
        text += &format!("weight.{server}={weight}\n");
    }
    let version = words.number_or("config", 0);
    let members = Members::parse(&format!("{text}version={version:x}")).unwrap();
    let mut electorate = Electorate::new(Arc::new(members));
    if let Some(next) = words.find("next") {
        let text = format!("{}version={:x}", servers(next, ""), version + 1);
        electorate.next = Some(Arc::new(Members::parse(&text).unwrap()));
    }
    electorate
}

fn servers(voters: &str, observers: &str) -> String {
    let line = |id: &str, role: &str| {
        let number: u16 = id.parse().unwrap();
        format!("server.{id}=s{id}:{}:{}:{role}\n", 2000 + number, 3000 + number)
    };
    let list = |ids: &str, role: &str| -> String {
        ids.split(',').filter(|id| !id.is_empty()).map(|id| line(id, role)).collect()
    };
    list(voters, "participant") + &list(observers, "observer")
}

/// The notification whose state is the word at `place`; `ours` is the configuration it has unless
/// it says otherwise.
pub(super) fn notification(words: &Words<'_>, place: usize, ours: &str) -> Notification {
    let version = words.number_or("version", i64::from(VERSION)) as i32;
    let config = match words.find("config") {
        Some(version) => format!("{}version={version}", servers("1,2,3,4", "")),
        None => ours.to_owned(),
    };
    Notification {
        state: match words.at(place) {
            "looking" => PeerState::Looking,
            "following" => PeerState::Following,
            "leading" => PeerState::Leading,
            "observing" => PeerState::Observing,
            other => panic!("state {other:?}"),
        },
        leader: ServerId(number_or_none(words.get("leader"))),
        zxid: zxid(words.get("zxid")),
        election_epoch: words.number("round"),
        peer_epoch: number_or_none(words.get("epoch")),
        version,
        config: (version >= VERSION).then_some(config),
    }
}

pub(super) fn show(n: &Notification, ours: &str) -> String {
    let state = match n.state {
        PeerState::Looking => "looking",
        PeerState::Following => "following",
        PeerState::Leading => "leading",
        PeerState::Observing => "observing",
    };
    let other = match (&n.config, n.version) {
        (Some(config), _) if config == ours => String::new(),
        (Some(config), _) => format!(" config={}", config.rsplit('=').next().unwrap()),
        (None, version) => format!(" version={version}"),
    };
    let (leader, epoch) = (show_number(n.leader.0), show_number(n.peer_epoch));
    let (zxid, round) = (show_zxid(n.zxid), n.election_epoch);
    format!("{state} leader={leader} zxid={zxid} round={round} epoch={epoch}{other}")
}

pub(super) fn zxid(text: &str) -> Zxid {
    match text {
        "untrusted" => Zxid(-1),
        "none" => Zxid(i64::MIN),
        text => {
            let (epoch, counter) = text.split_once(':').unwrap();
            Zxid::new(Epoch(epoch.parse().unwrap()), counter.parse().unwrap())
        }
    }
}

fn show_zxid(zxid: Zxid) -> String {
    match zxid.0 {
        -1 => "untrusted".to_owned(),
        i64::MIN => "none".to_owned(),
        _ => format!("{}:{}", zxid.epoch().0, zxid.counter()),
    }
}

fn number_or_none(text: &str) -> i64 {
    if text == "none" { i64::MIN } else { text.parse().unwrap() }
}

fn show_number(number: i64) -> String {
    if number == i64::MIN { "none".to_owned() } else { number.to_string() }
}
