//! Configurations against what Java makes of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::codec::properties;
use crate::testing::rng::Rng;
use crate::types::{ServerId, limits};

const JAVA: &str = include_str!("testdata/configs.txt");

fn parse(text: &str) -> Members {
    Members::parse(text).unwrap()
}

fn from_file(text: &str) -> Result<Members, MembersError> {
    let lines = properties::parse(text).unwrap();
    Members::from_lines(lines.iter().map(|line| (line.key.as_str(), line.value.as_str())))
}

fn refusal(text: &str) -> String {
    Members::parse(text).unwrap_err().to_string()
}

fn acked(members: &Members, servers: &[i64]) -> bool {
    members.has_quorum(|server| servers.contains(&server.0))
}

fn simple(ids: &[i64]) -> Arc<Members> {
    let lines: String = ids.iter().map(|id| format!("server.{id}=h{id}:1:2\n")).collect();
    Arc::new(parse(&lines))
}

/// Configurations in which nobody votes: Java's verifier takes them, and its configuration reader
/// does not.
const NO_VOTER: &str = "no voter among them";

#[test]
fn texts_are_javas_to_the_byte() {
    let mut count = 0;
    for block in JAVA.split("----\n").skip(1) {
        let (input, output) = block.split_once("====\n").unwrap();
        let output = output.trim_end_matches('\n');
        // A static file: all of its keys decide about the order.
        let whole_file = input.starts_with("dataDir=");
        match if whole_file { from_file(input) } else { Members::parse(input) } {
            Ok(members) => {
                assert_eq!(members.text(), output, "{input}");
                let again = parse(&members.text());
                assert_eq!(again.count(), members.count(), "{input}");
                assert!(again.is_same_as(&members), "{input}");
            }
            Err(error) if error.to_string().contains(NO_VOTER) => {}
            Err(error) => assert_eq!(output, "refused", "{input}: {error}"),
        }
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn a_majority_is_more_than_half_of_the_voters() {
    let members = parse(
        "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\nserver.5=e:1:2:observer\n",
    );
    assert!(!acked(&members, &[1, 2]) && acked(&members, &[1, 2, 4]));
    // Observers and strangers do not count.
    assert!(!acked(&members, &[1, 2, 5, 9]));
    assert_eq!(members.voters().map(|s| s.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(members.observers().map(|s| s.0).collect::<Vec<_>>(), [5]);
    assert!(members.is_voter(ServerId(1)) && !members.is_voter(ServerId(5)));
    assert!(!members.is_voter(ServerId(9)) && members.weight(ServerId(9)) == 1);
    assert_eq!(members.count(), 5);
    let one = simple(&[7]);
    assert!(acked(&one, &[7]) && !acked(&one, &[]));
}

#[test]
fn groups_are_won_by_weight_and_the_ensemble_by_groups() {
    let servers: String = (1..=9).map(|id| format!("server.{id}=h{id}:1:2\n")).collect();
    let groups = "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\n";
    let even = parse(&format!("{servers}{groups}"));
    assert!(acked(&even, &[1, 2, 4, 5]) && !acked(&even, &[1, 2, 3, 4, 7]));
    // Server 1 alone outweighs its group; group 3 weighs nothing and does not count.
    let weights = "weight.1=3\nweight.7=0\nweight.8=0\nweight.9=0\n";
    let uneven = parse(&format!("{servers}{groups}{weights}"));
    assert!(acked(&uneven, &[1, 4, 5]) && !acked(&uneven, &[1, 7, 8, 9]));
    assert!(!acked(&uneven, &[2, 3, 4, 5]));
    assert_eq!((uneven.weight(ServerId(1)), uneven.weight(ServerId(7))), (3, 0));
    assert_eq!((uneven.weight(ServerId(2)), uneven.weight(ServerId(10))), (1, 0));
    assert!(uneven.is_hierarchical() && !uneven.is_same_as(&even.clone().with_version(9)));
    // Weights whose sum is beyond a long: no two sets apart may both be quorums.
    let heavy = format!(
        "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\nweight.1={0}\nweight.2={0}\n",
        i64::MAX
    );
    let heavy = parse(&heavy);
    assert!(!acked(&heavy, &[1]) && !acked(&heavy, &[2]) && acked(&heavy, &[1, 2]));
}

#[test]
fn quorums_of_one_configuration_meet() {
    let all: Vec<i64> = (1..=6).collect();
    let servers: String = all.iter().map(|id| format!("server.{id}=h{id}:1:2\n")).collect();
    for rest in [
        "",
        "group.1=1:2:3\ngroup.2=4:5:6\n",
        "group.1=1:2\ngroup.2=3:4\ngroup.3=5:6\nweight.1=2\nweight.5=0\n",
        "group.1=1:2:3:4:5:6\nweight.2=4\nweight.3=0\n",
        "group.1=1:2\ngroup.2=3:4\ngroup.3=5:6\nweight.5=0\nweight.6=0\n",
    ] {
        let members = parse(&format!("{servers}{rest}"));
        let set = |bits: u32| -> Vec<i64> {
            all.iter().copied().filter(|id| bits & (1 << id) != 0).collect()
        };
        for bits in (0..1u32 << 7).step_by(2) {
            let outside = !bits & 0x7e;
            let both = acked(&members, &set(bits)) && acked(&members, &set(outside));
            assert!(!both, "{rest}: {:?} and {:?}", set(bits), set(outside));
        }
        assert!(acked(&members, &all), "{rest}");
    }
}

#[test]
fn a_joint_quorum_is_one_of_each_configuration() {
    let mut electorate = Electorate::new(simple(&[1, 2, 3]));
    let has = |electorate: &Electorate, servers: &[i64]| {
        electorate.has_quorum(|server| servers.contains(&server.0))
    };
    assert!(has(&electorate, &[1, 2]) && !electorate.is_voter(ServerId(4)));
    electorate.next = Some(simple(&[3, 4, 5]));
    assert!(!has(&electorate, &[1, 2]) && !has(&electorate, &[3, 4]));
    assert!(has(&electorate, &[2, 3, 4]) && electorate.is_voter(ServerId(4)));
    let voters: BTreeSet<i64> = electorate.voters().map(|server| server.0).collect();
    assert_eq!((voters.len(), electorate.voters().count()), (5, 5));
}

#[test]
fn sameness_is_javas() {
    let a = parse("server.1=A:1:2;2181\nserver.2=b:1:2\nversion=1\n");
    let same = parse("server.2=b:1:2\nserver.1=a:1:2:participant;0.0.0.0:2181\nversion=2\n");
    assert!(a.is_same_as(&same));
    for other in [
        "server.1=a:1:2\nserver.2=b:1:2\nversion=2\n",
        "server.1=a:1:2;2181\nserver.2=b:1:2:observer\nversion=2\n",
        "server.1=a:1:3;2181\nserver.2=b:1:2\nversion=2\n",
        "server.1=a:1:2;2181\nversion=2\n",
        "server.1=a:1:2;2181\nserver.3=b:1:2\nversion=2\n",
    ] {
        assert!(!a.is_same_as(&parse(other)), "{other}");
        // The version alone decides when it is equal.
        assert!(a.is_same_as(&parse(other).with_version(1)), "{other}");
    }
}

#[test]
fn lines_of_a_newer_release_are_kept() {
    let text = "server.1=a:1:2:participant;0.0.0.0:2181;0.0.0.0:2281\n\
                server.2=b:1:2:observer;;[0:0:0:0:0:0:0:1]:2281\nversion=0";
    assert_eq!(parse(text).text(), text);
    assert!(refusal("server.1=a:1:2;1;2;3").contains("must be <host>:"));
}

#[test]
fn refusals_name_the_line_and_what_it_must_be() {
    for (text, told) in [
        ("server.1=a:1", "server.1=a:1: must be <host>:<quorum port>:<election port>[:part"),
        ("server.one=a:1:2", "server.one=a:1:2: must be server.<number>=<host>:"),
        ("server.1=a:1:1", "must be a line whose quorum port and election port differ"),
        ("server.1=a:1:2\nclientPort=1", "clientPort=1: must be absent"),
        ("server.1=a:1:2:observer", "1 servers and no voter among them"),
        ("version=1", "0 servers and no voter among them"),
        ("server.1=a:1:2\nversion=1g", "version=1g: must be a hexadecimal number"),
        ("server.1=a:1:2\ngroup.1=1:x", "group.1=1:x: must be <server>:<server>:…"),
        ("server.1=a:1:2\ngroup.1=1\nweight.1=-1", "weight.1=-1: must be a number that is not"),
        ("server.1=a:1:2\nweight.1=1", "server.1 votes and is in no group"),
        ("server.1=a:1:2\ngroup.1=1:2", "group.1 has server 2, which is no voter and has no"),
        ("server.1=\\u00g0", "line 1: \\u00g0 is not an escape"),
    ] {
        let told_us = refusal(text);
        assert!(told_us.contains(told), "{text}: {told_us}");
    }
    let many = "server.1=a:1:2\n".repeat(limits::CONFIGURATION_LINES + 1);
    assert!(refusal(&many).contains("more than 4096 lines"));
    let list = (0..5000).map(|id| id.to_string()).collect::<Vec<_>>().join(":");
    assert!(refusal(&format!("group.1={list}")).contains("at most 4096 servers"));
}

/// Texts that were damaged: read or refused, and what is read prints a text that is read the same.
#[test]
fn damaged_texts_are_refused_or_whole() {
    let mut rng = Rng::new(17);
    let mut chance = |below: usize| rng.below(below);
    let blocks: Vec<&str> =
        JAVA.split("----\n").skip(1).map(|block| block.split("====\n").next().unwrap()).collect();
    let pieces = [
        "=",
        ":",
        ";",
        "|",
        "\\",
        "\n",
        "server.",
        "group.",
        "weight.",
        "[",
        "]",
        "0",
        "-",
        "\u{e9}",
        " ",
        "%",
        "#",
        "\u{1}",
        "1",
        ":observer",
    ];
    let mut read = 0;
    for _ in 0..5_000 {
        let mut text: Vec<char> = blocks[chance(30)].chars().collect();
        for _ in 0..=chance(4) {
            let at = chance(text.len() + 1);
            match chance(3) {
                0 => drop(text.drain(at..(at + chance(6)).min(text.len()))),
                1 => drop(text.splice(at..at, pieces[chance(pieces.len())].chars())),
                _ => {
                    let other = blocks[chance(30)];
                    let line = other.lines().nth(chance(4)).unwrap_or_default();
                    text.splice(at..at, line.chars());
                }
            }
        }
        let text: String = text.into_iter().collect();
        let Ok(members) = Members::parse(&text) else { continue };
        let again = Members::parse(&members.text());
        let again = again.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let other = members.clone().with_version(again.version() ^ 1);
        assert!(again.is_same_as(&other), "{text:?}");
        let bits = chance(1 << 20);
        let acks = |server: ServerId| bits >> (server.0 % 20).unsigned_abs() & 1 == 1;
        assert!(!(members.has_quorum(acks) && members.has_quorum(|s| !acks(s))), "{text:?}");
        read += 1;
    }
    assert!(read > 5_000 / 10, "{read}");
}
