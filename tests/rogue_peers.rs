//! Somebody who is no member at the members' own ports: what it claims there must cost nobody
//! anything, and change nothing that lasts.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::client::Session;
use support::ensemble::{Ensemble, Member, Plan, Role};
use support::server::Kind;
use support::wire::Out;

const PATIENCE: Duration = Duration::from_secs(60);

/// FOLLOWERINFO.
fn claim(id: u64, accepted: u32) -> Vec<u8> {
    let server = Out::new().i64(id as i64).i32(0x10000).i64(0).0;
    let packet = Out::new().i32(11).i64(i64::from(accepted) << 32);
    packet.buffer(Some(&server)).i32(-1).0
}

/// An election's header, and behind it a vote with this configuration.
fn vote(id: u64, state: i32, leader: u64, round: i64, config: &str) -> Vec<u8> {
    let address = b"10.0.0.99:1";
    let mut bytes = Out::new().i64(-65536).i64(id as i64).0;
    bytes.extend((address.len() as i32).to_be_bytes());
    bytes.extend(address);
    let vote = Out::new().i32(state).i64(leader as i64).i64(9 << 32).i64(round).i64(9).i32(2);
    let vote = vote.buffer(Some(config.as_bytes())).0;
    bytes.extend((vote.len() as i32).to_be_bytes());
    bytes.extend(vote);
    bytes
}

/// Says it, and hears what comes of it for a moment.
fn say(port: u16, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(bytes).ok()?;
    Some(stream)
}

fn say_and_hear(port: u16, bytes: &[u8]) -> Vec<u8> {
    let Some(mut stream) = say(port, bytes) else { return Vec::new() };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = [0; 20];
    match stream.read_exact(&mut answer) {
        Ok(()) => answer.to_vec(),
        Err(_) => Vec::new(),
    }
}

fn epoch(member: &Member, file: &str) -> u32 {
    let text = std::fs::read_to_string(member.data().join("version-2").join(file)).unwrap();
    text.trim().parse().unwrap()
}

fn epochs(ensemble: &Ensemble) -> Vec<[u32; 2]> {
    let files = |m: &Member| ["acceptedEpoch", "currentEpoch"].map(|file| epoch(m, file));
    ensemble.members.iter().map(files).collect()
}

fn three(name: &str) -> Ensemble {
    Ensemble::start(name, &Plan::new(&[Kind::under_test(); 3]).set("tickTime", "500"))
}

/// Says all of this again and again, on connections that stay, until it is ended.
struct Flood {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Flood {
    fn start(said: Vec<(u16, Vec<u8>)>, pause: Duration) -> Flood {
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        let thread = std::thread::spawn(move || {
            let (mut kept, mut count) = (std::collections::VecDeque::new(), 0);
            while !ended.load(Ordering::SeqCst) {
                for (port, bytes) in &said {
                    if let Some(stream) = say(*port, bytes) {
                        kept.push_back(stream);
                        count += 1;
                    }
                    if kept.len() > 400 {
                        kept.pop_front();
                    }
                }
                std::thread::sleep(pause);
            }
            count
        });
        Flood { over, thread: Some(thread) }
    }

    /// How often it was heard.
    fn end(mut self) -> u64 {
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

#[test]
fn a_stranger_s_epoch_changes_nothing() {
    // Goal: neither the last epoch nor the next one, told in a follower's name, costs the leader its
    // role or is written anywhere; and the next leaders' epochs follow on those before.
    let mut ensemble = three("rogue-epoch");
    let leader = ensemble.leader().unwrap();
    let before = epochs(&ensemble);
    let port = ensemble.member(leader).peer_ports()[0];
    let now = epoch(ensemble.member(leader), "currentEpoch");
    for follower in ensemble.voters().into_iter().filter(|id| *id != leader) {
        for accepted in [0x7fff_ffef, 0x7fff_ffff, now + 1, now + 2, now + 60_000] {
            let answer = say_and_hear(port, &claim(follower, accepted));
            // LEADERINFO, with the epoch there is.
            assert_eq!(answer.get(..4), Some(&[0, 0, 0, 17][..]), "{answer:?}");
            assert_eq!(answer.get(4..8), Some(&now.to_be_bytes()[..]));
        }
    }
    assert_eq!(ensemble.leader(), Some(leader));
    assert_eq!(epochs(&ensemble), before);
    // The same while a leader is looked for, when such numbers are taken for something.
    let ids = ensemble.voters();
    let ports: Vec<u16> = ensemble.members.iter().map(|m| m.peer_ports()[0]).collect();
    let claims =
        ids.iter().flat_map(|id| ports.iter().map(|port| (*port, claim(*id, 0x7fff_ffef))));
    let flood = Flood::start(claims.collect(), Duration::from_millis(5));
    ensemble.member(leader).kill();
    let next = ensemble.wait_within(PATIENCE).unwrap();
    assert!(flood.end() > 0, "the stranger was heard");
    let after = epoch(ensemble.member(next), "currentEpoch");
    assert!((now + 1..now + 50).contains(&after), "epoch {now}, then {after}");
    ensemble.member(leader).spawn();
    ensemble.wait_all();
}

#[test]
fn who_claims_a_member_s_id_costs_it_nothing() {
    // Goal: claims to the ids of living followers at both ports of every member, 20 a second and more,
    // and a client that writes all the while waits for none of it.
    let ensemble = three("rogue-claims");
    let leader = ensemble.leader().unwrap();
    let before = epochs(&ensemble);
    let mut said = Vec::new();
    for member in &ensemble.members {
        let [quorum, election] = member.peer_ports();
        for id in ensemble.voters().into_iter().filter(|id| *id != member.id) {
            said.push((quorum, claim(id, 0)));
            // It says that it looks for a leader, in a round no election has come to.
            said.push((election, vote(id, 0, id, i64::MAX, "version=0")));
        }
    }
    let flood = Flood::start(said, Duration::from_millis(20));
    let port = ensemble.port(leader);
    let mut client = Session::open(port, 30_000);
    let (began, mut longest, mut count) = (Instant::now(), Duration::ZERO, 0);
    while began.elapsed() < Duration::from_secs(6) {
        let asked = Instant::now();
        assert_eq!(client.create(&format!("/claimed-{count}"), b"x"), 0);
        longest = longest.max(asked.elapsed());
        count += 1;
    }
    assert!(flood.end() > 100, "the stranger was heard");
    assert!(longest < Duration::from_secs(2), "a write took {longest:?}");
    assert_eq!(ensemble.leader(), Some(leader));
    assert_eq!(epochs(&ensemble), before, "no leader was looked for");
    for member in &ensemble.members {
        let log = member.log();
        assert!(
            !log.contains("role ended, back to LOOKING") && !log.contains("learner is gone"),
            "{log}"
        );
    }
}

#[test]
fn a_member_comes_back_while_others_claim_its_id() {
    // Goal: a stranger that is there first, and says nothing more, keeps nobody out.
    let mut ensemble = three("rogue-first");
    let leader = ensemble.leader().unwrap();
    let away = ensemble.voters().into_iter().find(|id| *id != leader).unwrap();
    ensemble.member(away).kill();
    let [quorum, _] = ensemble.member(leader).peer_ports();
    let flood = Flood::start(vec![(quorum, claim(away, 0))], Duration::from_millis(10));
    ensemble.member(away).spawn();
    let began = Instant::now();
    while ensemble.member(away).role() != Role::Following {
        assert!(began.elapsed() < PATIENCE, "{}", ensemble.member(away).log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(flood.end() > 0, "the stranger was heard");
    assert_eq!(ensemble.leader(), Some(leader));
}

#[test]
fn who_has_promised_a_newer_epoch_follows_and_deposes_nobody() {
    // Goal: a member that has promised an epoch nobody else has heard of is served at once by the
    // leader there is, and has its vote again under the next.
    let mut ensemble = three("rogue-promise");
    let leader = ensemble.leader().unwrap();
    let now = epoch(ensemble.member(leader), "currentEpoch");
    let ahead = ensemble.voters().into_iter().find(|id| *id != leader).unwrap();
    let member = ensemble.member(ahead);
    member.kill();
    let file = member.data().join("version-2/acceptedEpoch");
    std::fs::write(&file, format!("{}\n", now + 3)).unwrap();
    member.spawn();
    assert_eq!(ensemble.wait_within(PATIENCE).unwrap(), leader);
    assert_eq!(epoch(ensemble.member(leader), "currentEpoch"), now);
    assert_eq!(ensemble.member(ahead).role(), Role::Following);
    assert_eq!(epoch(ensemble.member(ahead), "acceptedEpoch"), now + 3);
    let mut client = Session::open(ensemble.port(ahead), 30_000);
    assert_eq!(client.create("/through-it", b"x"), 0);
    // Of the three only it and another are left: it is needed now, and counts.
    ensemble.member(leader).kill();
    let next = ensemble.wait_within(PATIENCE).unwrap();
    assert!(epoch(ensemble.member(next), "currentEpoch") > now + 3);
    let mut client = Session::open(ensemble.port(next), 30_000);
    assert!(client.get("/through-it").is_ok());
}

#[test]
fn strangers_do_not_say_who_votes() {
    // Goal: while the members look for a leader, a server of no configuration tells of a newer one,
    // and so does somebody in a living member's name: nobody takes it up.
    let plan = Plan::changing(&[Kind::under_test(); 3]).set("tickTime", "500");
    let mut ensemble = Ensemble::start("rogue-members", &plan);
    let leader = ensemble.leader().unwrap();
    let evil = "server.99=10.0.0.99:1:2:participant\nversion=7f00000000000000";
    let others: Vec<u64> = ensemble.voters().into_iter().filter(|id| *id != leader).collect();
    let mut said = Vec::new();
    for member in ensemble.members.iter().filter(|member| member.id != leader) {
        for id in others.iter().copied().filter(|id| *id != member.id).chain([99]) {
            said.push((member.peer_ports()[1], vote(id, 0, id, 1, evil)));
        }
    }
    let flood = Flood::start(said, Duration::from_millis(5));
    ensemble.member(leader).kill();
    let began = Instant::now();
    while ensemble.leader().is_none_or(|id| id == leader) {
        assert!(began.elapsed() < PATIENCE, "{}", ensemble.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(flood.end() > 0, "the stranger was heard");
    ensemble.member(leader).spawn();
    ensemble.wait_all();
    for member in &ensemble.members {
        let entries = std::fs::read_dir(&member.folder).unwrap();
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(!name.starts_with("zoo.cfg") || !text.contains("server.99"), "{name}: {text}");
        }
    }
}
