//! Members whose disk hangs: nothing they write becomes durable, and a thread that asks for it waits.
//! Others go on without them, so what such a member serves is the past. It stops within syncLimit and a
//! tick, wherever its roles live, and is one of the ensemble again when its disk goes on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::client::{Conn, Grant, Handshake, Received, Reply, Session};
use support::ensemble::{Ensemble, Member, Plan, Role};
use support::server::Kind;
use support::wire::{In, OPEN, Out, request};

const TICK: Duration = Duration::from_millis(500);
const SYNC_TICKS: u32 = 4;

/// Until when a member may tell the past, and as much again for two CPUs that everything here shares.
const PATIENCE: Duration = Duration::from_millis(2 * 500 * (SYNC_TICKS as u64 + 1));

const SESSION_MS: i32 = 40_000;
const CREATE: i32 = 1;
const GET_DATA: i32 = 4;
const SYNC: i32 = 9;

/// Which member's disk hangs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    Leader,
    Follower,
    Observer,
}

fn plan() -> Plan {
    let ours = Kind::under_test();
    Plan::new(&[ours; 3])
        .observed_by(ours)
        .set("tickTime", &TICK.as_millis().to_string())
        .set("syncLimit", &SYNC_TICKS.to_string())
        .set("preAllocSize", "65536")
        // One way of writing, which the shim knows.
        .set("ringkeeper.log.io", "calls")
        .hanging_disks()
}

fn rss_kb(pid: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A client that reads a node again and again until its connection ends.
struct Reader {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What a reader was told, and when.
type Told = (Instant, Vec<u8>);

impl Reader {
    fn start(port: u16, told: mpsc::Sender<Told>) -> Reader {
        let mut session = Session::open(port, SESSION_MS);
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        let body = Out::new().str("/told").bool(false).0;
        let thread = std::thread::spawn(move || {
            session.conn.patience(Duration::from_millis(100));
            for xid in 1.. {
                if !session.conn.send(&request(xid, GET_DATA, &body)) {
                    return;
                }
                let answer = loop {
                    match session.conn.receive() {
                        Received::Frame(frame) => break Reply::decode(&frame).unwrap(),
                        Received::Silence if !ended.load(Ordering::SeqCst) => {}
                        Received::Silence | Received::Closed => return,
                    }
                };
                assert_eq!((answer.xid, answer.err), (xid, 0));
                let data = In::new(&answer.body).buffer().unwrap().unwrap().to_vec();
                let _ = told.send((Instant::now(), data));
                // Not synchronisation: a reader among others.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Reader { over, thread }
    }

    fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
    }
}

/// The member takes nobody in: it closes, or does not answer.
fn turns_away(port: u16) -> bool {
    let Ok(mut conn) = Conn::open(port) else { return true };
    conn.patience(Duration::from_millis(500));
    if !conn.send(&Handshake::new(SESSION_MS).encode()) {
        return true;
    }
    !matches!(conn.receive(), Received::Frame(_))
}

/// A running member other than this one that serves clients.
fn elsewhere(ensemble: &Ensemble, hung: u64) -> Option<u64> {
    let others: Vec<&Member> = ensemble.members.iter().filter(|m| m.id != hung).collect();
    others.iter().find(|member| member.role() == Role::Leading).map(|member| member.id)
}

/// Writes as many as it can to the others until one is acknowledged: under one name each, as a write
/// whose connection ended may be done.
fn write_elsewhere(ensemble: &Ensemble, hung: u64, name: &str) -> String {
    let until = Instant::now() + Duration::from_secs(40);
    for attempt in 0.. {
        assert!(Instant::now() < until, "nobody else serves\n{}", ensemble.logs());
        let path = format!("/{name}-{attempt}");
        let Some(leader) = elsewhere(ensemble, hung) else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let Ok(mut conn) = Conn::open(ensemble.port(leader)) else { continue };
        let wish = Handshake::new(SESSION_MS);
        conn.patience(Duration::from_secs(3));
        conn.send(&wish.encode());
        if !matches!(conn.receive(), Received::Frame(_)) {
            continue;
        }
        let body = Out::new().str(&path).buffer(Some(b"")).acls(Some(OPEN)).i32(0);
        conn.send(&request(1, CREATE, &body.0));
        if let Received::Frame(frame) = conn.receive()
            && Reply::decode(&frame).unwrap().err == 0
        {
            return path;
        }
    }
    unreachable!()
}

fn set(session: &mut Session, path: &str, data: &[u8]) -> i32 {
    session.call(5, Out::new().str(path).buffer(Some(data)).i32(-1)).err
}

/// `None`: the connection has ended. Silence is no answer: a member that does not serve closes.
fn answer(conn: &mut Conn, ensemble: &Ensemble) -> Option<Vec<u8>> {
    match conn.receive() {
        Received::Frame(frame) => Some(frame),
        Received::Closed => None,
        Received::Silence => panic!("no answer, and no end\n{}", ensemble.logs()),
    }
}

/// A session at the member that has come back, with all that the others have decided. What was written
/// meanwhile is much, and one disk has the logs of all servers here: a flush of it may take longer than
/// syncLimit, and then the member comes once more.
fn caught_up(ensemble: &mut Ensemble, port: u16) -> Session {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
        ensemble.wait_all();
        let Ok(mut conn) = Conn::open(port) else { continue };
        conn.patience(Duration::from_secs(30));
        conn.send(&Handshake::new(SESSION_MS).encode());
        let Some(frame) = answer(&mut conn, ensemble) else { continue };
        let grant = Grant::decode(&frame).unwrap();
        conn.send(&request(1, SYNC, &Out::new().str("/").0));
        let Some(frame) = answer(&mut conn, ensemble) else { continue };
        assert_eq!(Reply::decode(&frame).unwrap().err, 0);
        return Session { conn, grant, xid: 1 };
    }
    panic!("the member does not come back\n{}", ensemble.logs());
}

/// The disk of one member hangs, others go on, and it comes back.
fn a_hung_disk(name: &str, plan: &Plan, whose: Whose) {
    let mut ensemble = Ensemble::start(name, plan);
    let leader = ensemble.wait_all();
    let role = |id: u64| ensemble.members[id as usize - 1].role();
    let wanted = match whose {
        Whose::Leader => Role::Leading,
        Whose::Follower => Role::Following,
        Whose::Observer => Role::Observing,
    };
    let hung = ensemble.ids().into_iter().find(|id| role(*id) == wanted).unwrap();
    let mut writer = Session::open(ensemble.port(leader), SESSION_MS);
    assert_eq!(writer.create("/told", b"before"), 0);
    assert_eq!(writer.create("/large", b""), 0);
    let port = ensemble.port(hung);
    Session::open(port, SESSION_MS).sync("/told");
    // More than one, so that every network core has some.
    let (telling, told) = mpsc::channel();
    let readers: Vec<Reader> = (0..4).map(|_| Reader::start(port, telling.clone())).collect();
    drop(telling);
    let first = told.recv().expect("an answer before the disk hangs");
    assert_eq!(first.1, b"before");

    let pid = ensemble.member(hung).pid();
    let before_kb = rss_kb(pid);
    let began = Instant::now();
    ensemble.member(hung).hung_disk().hang();
    // More than any member may keep of what it cannot write.
    let data = vec![b'x'; 500_000];
    let body = Out::new().str("/large").buffer(Some(&data)).i32(-1).0;
    let mut stream = writer.conn.writer();
    let writing = std::thread::spawn(move || {
        for xid in 100..700 {
            if std::io::Write::write_all(&mut stream, &request(xid, 5, &body)).is_err() {
                return;
            }
        }
    });
    let after = write_elsewhere(&ensemble, hung, "without");
    let lead = elsewhere(&ensemble, hung).expect("somebody leads");
    let mut session = Session::open(ensemble.port(lead), SESSION_MS);
    assert_eq!(set(&mut session, "/told", b"after"), 0);
    let decided = Instant::now();

    // Until its patience is over it may tell the past. From then on it tells nobody anything.
    let silent_from = began + PATIENCE;
    while Instant::now() < silent_from.max(decided) + 2 * TICK {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(turns_away(port), "the hung member takes clients\n{}", ensemble.logs());
    let grown_kb = rss_kb(pid) - before_kb;
    assert!(grown_kb < 260 << 10, "the hung member holds {} MiB more", grown_kb >> 10);

    ensemble.member(hung).hung_disk().go_on();
    ensemble.wait_all();
    readers.into_iter().for_each(Reader::end);
    let late: Vec<Told> = told.iter().filter(|(at, _)| *at > silent_from).collect();
    let longest = late.iter().map(|(at, _)| *at - began).max();
    assert!(late.is_empty(), "{} answers, the last after {longest:?}", late.len());
    writing.join().unwrap();
    let mut session = caught_up(&mut ensemble, port);
    assert_eq!(session.get("/told").unwrap().0.unwrap(), b"after");
    assert!(session.get(&after).is_ok(), "{after} is lost");
    ensemble.assert_equal_trees("the disk has gone on");
}

/// Two network cores, of which one shares its thread with the control role where CPUs are few: the
/// other is not stopped by what stops that thread.
fn two_cores() -> Plan {
    plan().set("ringkeeper.cores.network", "x2")
}

#[test]
fn a_leader_whose_disk_hangs_stops_serving_and_comes_back() {
    // Goal: no answer from the past behind its patience, not even when the disk goes on; the others have
    // a leader; nothing acknowledged is lost.
    a_hung_disk("hung-leader", &plan(), Whose::Leader);
}

#[test]
fn a_leader_with_another_network_core_does_too() {
    a_hung_disk("hung-leader-cores", &two_cores(), Whose::Leader);
}

#[test]
fn a_follower_whose_disk_hangs_stops_serving_and_comes_back() {
    // Goal: the same of a follower, whose leader commits without it.
    a_hung_disk("hung-follower", &plan(), Whose::Follower);
}

#[test]
fn a_follower_with_another_network_core_does_too() {
    a_hung_disk("hung-follower-cores", &two_cores(), Whose::Follower);
}

#[test]
fn an_observer_whose_disk_hangs_stops_serving_and_comes_back() {
    // Goal: the same of a server that nobody waits for.
    a_hung_disk("hung-observer", &two_cores(), Whose::Observer);
}
