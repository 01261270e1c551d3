//! Apache ZooKeeper 3.8.4 and 3.6.4 in one ensemble with ours. Followers of 3.6.3 to 3.9.1 hand what was
//! proposed before NEWLEADER to their log, and a thread of its own may acknowledge it before
//! NEWLEADER (ZOOKEEPER-4685). ZooKeeper's leader passes that over; it must cost no link of ours.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use support::client::{Conn, Handshake, Session};
use support::ensemble::{Ensemble, PATIENCE, Plan, Role};
use support::load::Load;
use support::server::Kind;
use support::wire::{OPEN, Out, request};

const SESSION_MS: i32 = 40_000;

const COMMIT: i32 = 4;
const PROPOSAL: i32 = 2;
const ACK: i32 = 3;
const PING: i32 = 5;
const NEWLEADER: i32 = 10;
const LEARNER_INFO: i32 = 11;
const UPTODATE: i32 = 12;
const DIFF: i32 = 13;
const LEADER_INFO: i32 = 17;
const ACK_EPOCH: i32 = 18;

/// A packet between servers.
struct Packet {
    kind: i32,
    zxid: i64,
    bytes: Vec<u8>,
}

fn packet(kind: i32, zxid: i64, data: Option<&[u8]>) -> Vec<u8> {
    Out::new().i32(kind).i64(zxid).buffer(data).i32(-1).0
}

/// Reads so many bytes behind those that are there.
fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>, count: usize) -> std::io::Result<()> {
    let at = bytes.len();
    bytes.resize(at + count, 0);
    stream.read_exact(&mut bytes[at..])
}

/// Reads a number, and as many bytes.
fn read_buffer(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    read_more(stream, bytes, 4)?;
    let length = i32::from_be_bytes(bytes[bytes.len() - 4..].try_into().unwrap());
    read_more(stream, bytes, length.max(0) as usize)
}

/// The next packet: a number, a zxid, data, and identities, two texts each.
fn next_packet(stream: &mut TcpStream) -> std::io::Result<Packet> {
    let mut bytes = Vec::new();
    read_more(stream, &mut bytes, 12)?;
    let kind = i32::from_be_bytes(bytes[..4].try_into().unwrap());
    let zxid = i64::from_be_bytes(bytes[4..12].try_into().unwrap());
    read_buffer(stream, &mut bytes)?;
    read_more(stream, &mut bytes, 4)?;
    let identities = i32::from_be_bytes(bytes[bytes.len() - 4..].try_into().unwrap());
    for _ in 0..2 * identities.max(0) {
        read_buffer(stream, &mut bytes)?;
    }
    Ok(Packet { kind, zxid, bytes })
}

/// What a learner's link was like.
#[derive(Clone, Copy, Default, Debug)]
struct Link {
    /// Proposals that were acknowledged before NEWLEADER.
    early: usize,
    /// NEWLEADER was.
    joined: bool,
    ended: bool,
}

#[derive(Default)]
struct State {
    /// Who comes now has to wait.
    holds: bool,
    links: Vec<Link>,
}

/// Stands before a leader's quorum port, for one learner: lets it in when it is told to, and reads along.
struct Gate {
    port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Gate {
    fn before(quorum: u16) -> Gate {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let (known, target) = (shared.clone(), ("127.0.0.1", quorum));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for learner in listener.incoming().flatten() {
                let shared = known.clone();
                std::thread::spawn(move || {
                    let Ok(leader) = TcpStream::connect(target) else { return };
                    pass(&shared, learner, leader);
                });
            }
        });
        Gate { port, shared }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, holds: bool) {
        self.lock().holds = holds;
        self.shared.1.notify_all();
    }

    /// Waits for this of the links.
    fn wait(&self, told: &str, is_so: impl Fn(&[Link]) -> bool) -> Vec<Link> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        while !is_so(&state.links) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{told}: {:?}", state.links);
            let waited = self.shared.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.links.clone()
    }
}

/// One link, until one of the two ends it.
fn pass(shared: &Arc<(Mutex<State>, Condvar)>, mut learner: TcpStream, mut leader: TcpStream) {
    let note = |at: usize, f: &dyn Fn(&mut Link)| {
        let mut state = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut state.links[at]);
        shared.1.notify_all();
    };
    let Ok(first) = next_packet(&mut learner) else { return };
    let at = {
        let mut state = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.links.push(Link::default());
        shared.1.notify_all();
        let at = state.links.len() - 1;
        while state.holds {
            state = shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        at
    };
    let (mut from, mut to) = (leader.try_clone().unwrap(), learner.try_clone().unwrap());
    let down = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut next = Ok(first);
    while let Ok(packet) = next {
        if packet.kind == ACK {
            let is_new_leaders = packet.zxid & 0xffff_ffff == 0;
            note(at, &|link| match (link.joined, is_new_leaders) {
                (false, true) => link.joined = true,
                (false, false) => link.early += 1,
                (true, _) => {}
            });
        }
        if leader.write_all(&packet.bytes).is_err() {
            break;
        }
        next = next_packet(&mut learner);
    }
    let _ = leader.shutdown(Shutdown::Both);
    let _ = down.join();
    note(at, &|link| link.ended = true);
}

/// A client whose writes wait, all of them proposed: the other follower is silent meanwhile.
struct Waiting {
    conn: Conn,
    count: i32,
}

impl Waiting {
    fn on(ensemble: &mut Ensemble, leader: u64, name: &str, count: i32) -> Waiting {
        let mut conn = Conn::open(ensemble.port(leader)).unwrap();
        conn.handshake(&Handshake::new(SESSION_MS)).unwrap();
        conn.patience(Duration::from_secs(20));
        for id in ensemble.voters().into_iter().filter(|id| *id != leader) {
            if ensemble.member(id).role() == Role::Following {
                ensemble.member(id).pause();
            }
        }
        let mut bytes = Vec::new();
        for n in 1..=count {
            let path = format!("/{name}-{n}");
            let body = Out::new().str(&path).buffer(Some(b"waits")).acls(Some(OPEN)).i32(0);
            bytes.extend(request(n, 1, &body.0));
        }
        conn.send(&bytes);
        let last = format!("/{name}-{count}");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !ensemble.member(leader).has_logged(last.as_bytes()) {
            assert!(Instant::now() < deadline, "{name}: not proposed\n{}", ensemble.logs());
            std::thread::sleep(Duration::from_millis(5));
        }
        Waiting { conn, count }
    }

    fn answered(mut self) {
        for n in 1..=self.count {
            let reply = self.conn.reply().expect("a reply");
            assert_eq!((reply.xid, reply.err), (n, 0));
        }
    }
}

fn no_link_was_cut(ensemble: &Ensemble) {
    for member in ensemble.members.iter().filter(|member| member.kind == Kind::Ringkeeper) {
        let log = member.log();
        assert!(!log.contains("learner dropped"), "member {}:\n{log}", member.id);
    }
}

#[test]
fn an_older_follower_may_acknowledge_early() {
    // Goal: a real one, which comes while 400 proposals wait, acknowledges some of them before
    // NEWLEADER, and is kept: what waits is answered with its vote alone, again and again.
    for version in ["3.8.4", "3.6.4"] {
        let kinds = [Kind::JavaOf(version), Kind::under_test(), Kind::under_test()];
        // The leader must not miss who is paused.
        let plan = Plan::new(&kinds).set("syncLimit", "80");
        let mut ensemble = Ensemble::lay_out(&format!("older/{version}"), &plan);
        let [quorum, election] = ensemble.member(3).peer_ports();
        let gate = Gate::before(quorum);
        let older = ensemble.member(1);
        older.set("server.3", &format!("127.0.0.1:{}:{election}", gate.port));
        // Each proposal is acknowledged as soon as it is written.
        older.set("maxBatchSize", "1");
        older.set("forceSync", "no");
        [3, 2].iter().for_each(|id| ensemble.member(*id).spawn());
        assert_eq!(ensemble.wait_all(), 3);
        let (mut early, mut rounds) = (0, 0);
        while rounds < 3 || (early == 0 && rounds < 12) {
            gate.hold(true);
            let before = gate.lock().links.len();
            ensemble.member(1).spawn();
            gate.wait("the older one calls", |links| links.len() > before);
            let waiting = Waiting::on(&mut ensemble, 3, &format!("held{rounds}"), 400);
            gate.hold(false);
            let links = gate.wait("it joins", |links| links[before].joined || links[before].ended);
            waiting.answered();
            ensemble.member(2).proceed();
            assert_eq!(ensemble.wait_all(), 3);
            let link = gate.lock().links[before];
            assert!(!link.ended && gate.lock().links.len() == before + 1, "{links:?}");
            early += link.early;
            ensemble.assert_equal_trees(&format!("{version}, round {rounds}"));
            no_link_was_cut(&ensemble);
            ensemble.member(1).terminate();
            rounds += 1;
        }
        println!("{version}: {early} acknowledgements before NEWLEADER's in {rounds} rounds");
        assert!(early > 0, "{version} has acknowledged nothing early in {rounds} rounds");
    }
}

#[test]
fn early_acknowledgements_count_with_new_leader_s() {
    // Goal: the same by a learner that sends exactly that order, all of it: before NEWLEADER is
    // acknowledged nothing counts, with it everything does, and the link goes on.
    let mut ensemble = Ensemble::start(
        "older/by-hand",
        &Plan::new(&[Kind::under_test(); 3]).set("syncLimit", "80"),
    );
    ensemble.make_leader(3);
    ensemble.member(1).kill();
    ensemble.wait_all();
    let mut session = Session::open(ensemble.port(3), SESSION_MS);
    assert_eq!(session.create("/before", b""), 0);
    let words = ensemble.member(3).word("srvr").unwrap();
    let last = words.lines().find_map(|line| line.strip_prefix("Zxid: 0x")).unwrap();
    let last = i64::from_str_radix(last, 16).unwrap();
    let epoch = last >> 32;
    let waiting = Waiting::on(&mut ensemble, 3, "by-hand", 40);
    let [quorum, _] = ensemble.member(3).peer_ports();
    let mut link = TcpStream::connect(("127.0.0.1", quorum)).unwrap();
    link.set_read_timeout(Some(PATIENCE)).unwrap();
    let server = Out::new().i64(1).i32(0x10000).i64(0).0;
    link.write_all(&packet(LEARNER_INFO, epoch << 32, Some(&server))).unwrap();
    let info = next_packet(&mut link).unwrap();
    assert_eq!((info.kind, info.zxid >> 32), (LEADER_INFO, epoch));
    link.write_all(&packet(ACK_EPOCH, last, Some(&(epoch as i32).to_be_bytes()))).unwrap();
    assert_eq!(next_packet(&mut link).unwrap().kind, DIFF);
    // What is committed comes with its commit, what waits without.
    let (mut proposed, mut committed) = (Vec::new(), 0);
    loop {
        let packet = next_packet(&mut link).unwrap();
        match packet.kind {
            PROPOSAL => proposed.push(packet.zxid),
            COMMIT => committed = packet.zxid,
            NEWLEADER => break,
            other => panic!("packet {other} before NEWLEADER"),
        }
    }
    let waits: Vec<i64> = proposed.iter().copied().filter(|zxid| *zxid > committed).collect();
    assert_eq!(waits.len(), 40);
    for zxid in &waits {
        link.write_all(&packet(ACK, *zxid, None)).unwrap();
    }
    // Nothing comes of that, though the leader pings: a commit would come at once.
    for _ in 0..2 {
        assert_eq!(next_packet(&mut link).unwrap().kind, PING, "before NEWLEADER's ack");
    }
    link.write_all(&packet(ACK, epoch << 32, None)).unwrap();
    let mut told = Vec::new();
    while told.len() < waits.len() + 1 {
        let packet = next_packet(&mut link).unwrap();
        match packet.kind {
            PING => link.write_all(&packet.bytes).unwrap(),
            UPTODATE => told.push(0),
            COMMIT => told.push(packet.zxid),
            other => panic!("packet {other} behind NEWLEADER"),
        }
    }
    assert_eq!(told.iter().copied().filter(|zxid| *zxid != 0).collect::<Vec<_>>(), waits);
    waiting.answered();
    no_link_was_cut(&ensemble);
    ensemble.member(2).proceed();
}

#[test]
fn older_servers_and_ours_are_restarted_one_by_one() {
    // Goal: ours leads older ones and follows them; under writes through all, each is restarted once,
    // nothing acknowledged is lost, and no link ends for what was said on it.
    let kinds = [Kind::JavaOf("3.8.4"), Kind::JavaOf("3.6.4"), Kind::under_test()];
    let mut ensemble = Ensemble::start("older/mixed", &Plan::new(&kinds).set("snapCount", "4000"));
    ensemble.make_leader(3);
    let load = Load::start("older-", &ensemble.ports(), 6, false);
    for id in [1, 2, 3, 1] {
        let told = format!("member {id} ({:?})", ensemble.member(id).kind);
        load.wait_progress(&told, PATIENCE);
        ensemble.member(id).kill();
        ensemble.wait_all();
        load.wait_progress(&told, PATIENCE);
        ensemble.member(id).spawn();
        ensemble.wait_all();
        load.wait_progress(&told, PATIENCE);
        load.rest(&told);
        for member in &ensemble.members {
            load.check(member.port, &told);
        }
        ensemble.assert_equal_trees(&told);
        no_link_was_cut(&ensemble);
        load.go_on();
    }
    println!("{:?}", load.finish("older servers"));
    let port = ensemble.port(1);
    let mut session = Session::open(port, SESSION_MS);
    assert_eq!(session.create("/after", b""), 0);
}
