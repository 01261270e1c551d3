//! Streams of requests and answers between a client and its server: what a client asked for before
//! it hung up, answers behind its end, connections that come and go, readers that are slow, and the
//! bounds of all this. Java beside ours where its answer is the measure.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use support::client::{Conn, Grant, Handshake, Received, Reply, Session};
use support::ensemble::{Ensemble, Plan};
use support::scratch;
use support::server::{Kind, Server};
use support::wire::{In, OPEN, Out, request};

/// Longer than any test.
const TIMEOUT: i32 = 40_000;
const PATIENCE: Duration = Duration::from_secs(30);

const CREATE: i32 = 1;
const EXISTS: i32 = 3;
const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const GET_CHILDREN: i32 = 8;
const PING: i32 = 11;
const MULTI: i32 = 14;
const CLOSE: i32 = -11;

/// Ours with its roles on one thread, and on threads of their own.
const PLACEMENTS: [&[(&str, &str)]; 2] = [
    &[("ringkeeper.cores.network", "x1")],
    &[("ringkeeper.cores.network", "x2"), ("ringkeeper.cores.control", "0")],
];

fn create(path: &str, flags: i32) -> Out {
    Out::new().str(path).buffer(Some(b"")).acls(Some(OPEN)).i32(flags)
}

fn set_data(path: &str, data: &[u8]) -> Out {
    Out::new().str(path).buffer(Some(data)).i32(-1)
}

fn get(path: &str) -> Out {
    Out::new().str(path).bool(false)
}

/// Asks again until the answer is right.
fn wait_for(told: &str, mut is_right: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_right() {
        assert!(began.elapsed() < PATIENCE, "{told}");
        // Not synchronisation: the space between two questions.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A connection whose socket takes little, so that what is not read waits with the server.
fn narrow(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(32 << 10).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
    socket.set_tcp_nodelay(true).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn frame_of(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut payload = vec![0; i32::from_be_bytes(length) as usize];
    stream.read_exact(&mut payload)?;
    Ok(payload)
}

fn opened(stream: &mut TcpStream, timeout: i32) -> Grant {
    stream.write_all(&Handshake::new(timeout).encode()).unwrap();
    Grant::decode(&frame_of(stream).unwrap()).unwrap()
}

/// A znode with so many children, each of so long a name.
fn crowd(session: &mut Session, path: &str, children: usize, name: usize) -> usize {
    assert_eq!(session.create(path, b""), 0);
    let each = name + path.len() + 60;
    for batch in (0..children).collect::<Vec<_>>().chunks((900_000 / each).max(1)) {
        let mut body = Out::new();
        for n in batch {
            let step = create(&format!("{path}/{n:0name$}"), 0);
            body = body.i32(CREATE).bool(false).i32(-1).append(&step.0);
        }
        let body = body.i32(-1).bool(true).i32(-1);
        assert_eq!(session.call(MULTI, body).err, 0);
    }
    16 + 4 + children * (4 + name)
}

/// What clients do that ask, close their session, and hang up without waiting, as the C client does.
fn hang_up_with_requests_waiting(port: u16, told: &str) {
    const CLIENTS: usize = 20;
    let mut watcher = Session::open(port, TIMEOUT);
    for path in ["/w", "/e", "/k"] {
        assert_eq!(watcher.create(path, b""), 0, "{told}");
    }
    for n in 0..CLIENTS {
        let mut client = Session::open(port, TIMEOUT);
        assert_eq!(client.call(CREATE, create(&format!("/e/{n}"), 1)).err, 0, "{told}");
        let mut bytes = request(5, SET_DATA, &set_data("/w", b"1").0);
        bytes.extend(request(6, GET_DATA, &get("/w").0));
        bytes.extend(request(7, CREATE, &create(&format!("/k/{n}"), 0).0));
        bytes.extend(request(8, CLOSE, &[]));
        client.conn.send(&bytes);
        // With `client` its socket is closed.
    }
    wait_for(&format!("{told}: what stood behind a read is done"), || {
        watcher.children("/k").unwrap().len() == CLIENTS
    });
    wait_for(&format!("{told}: closed sessions leave no ephemerals"), || {
        watcher.children("/e").unwrap().is_empty()
    });
}

#[test]
fn what_a_client_asked_for_before_it_hung_up_is_done() {
    // Goal: all of it, in order, at every kind of server.
    let java = Server::start(Kind::Java, &scratch("streams/hung-up/java"), &[]);
    hang_up_with_requests_waiting(java.port, "java");
    drop(java);
    for (at, placement) in PLACEMENTS.iter().enumerate() {
        let folder = scratch(&format!("streams/hung-up/{at}"));
        let server = Server::start(Kind::Ringkeeper, &folder, placement);
        hang_up_with_requests_waiting(server.port, &format!("placement {at}"));
    }
}

#[test]
fn what_a_client_asked_a_follower_for_before_it_hung_up_is_done() {
    // Goal: the same where every write goes to another server first.
    let mut ensemble = Ensemble::start("streams/followers", &Plan::new(&[Kind::under_test(); 3]));
    let leader = ensemble.wait_all();
    let follower = ensemble.ids().into_iter().find(|id| *id != leader).unwrap();
    hang_up_with_requests_waiting(ensemble.port(follower), "follower");
}

#[test]
fn what_stands_behind_a_handshake_is_answered_though_the_client_has_ended() {
    // Goal: the peer's end of input cancels no answer that is owed.
    let server = Server::start(Kind::Ringkeeper, &scratch("streams/opening"), &[]);
    let mut watcher = Session::open(server.port, TIMEOUT);
    assert_eq!(watcher.create("/k", &[7; 100_000]), 0);
    for n in 0..30 {
        let mut bytes = Handshake::new(TIMEOUT).encode();
        bytes.extend(request(1, CREATE, &create(&format!("/k/{n}"), 0).0));
        for xid in 2..12 {
            bytes.extend(request(xid, GET_DATA, &get("/k").0));
        }
        // Every other client says goodbye; the others just end.
        let goodbye = n % 2 == 0;
        if goodbye {
            bytes.extend(request(12, CLOSE, &[]));
        }
        let mut conn = Conn::open(server.port).unwrap();
        conn.send(&bytes);
        conn.writer().shutdown(Shutdown::Write).unwrap();
        let Received::Frame(grant) = conn.receive() else { panic!("{n}: no session") };
        assert_ne!(Grant::decode(&grant).unwrap().session, 0);
        for xid in 1..if goodbye { 13 } else { 12 } {
            let Received::Frame(reply) = conn.receive() else { panic!("{n}: no answer {xid}") };
            let reply = Reply::decode(&reply).unwrap();
            assert_eq!((reply.xid, reply.err), (xid, 0), "{n}");
        }
        assert_eq!(conn.receive(), Received::Closed, "{n}");
    }
    // And where nobody is there any more to hear the answers.
    for n in 30..60 {
        let mut bytes = Handshake::new(TIMEOUT).encode();
        bytes.extend(request(1, CREATE, &create(&format!("/k/{n}"), 0).0));
        Conn::open(server.port).unwrap().send(&bytes);
    }
    wait_for("all are done", || watcher.children("/k").unwrap().len() == 60);
}

#[test]
fn sessions_that_are_closed_under_load_leave_no_ephemerals() {
    // Goal: with the disk busy, too, when the transport is turned while requests wait for it.
    for (at, placement) in PLACEMENTS.iter().enumerate() {
        let folder = scratch(&format!("streams/load/{at}"));
        let server = Server::start(Kind::Ringkeeper, &folder, placement);
        let port = server.port;
        let mut watcher = Session::open(port, TIMEOUT);
        assert_eq!((watcher.create("/e", b""), watcher.create("/w", b"")), (0, 0));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut writer = Session::open(port, TIMEOUT);
                    while !over.load(Ordering::SeqCst) {
                        for xid in 0..60 {
                            writer.conn.send_request(xid, SET_DATA, &set_data("/w", &[1; 100]).0);
                        }
                        (0..60).for_each(|_| assert!(writer.conn.reply().is_some()));
                    }
                });
            }
            let clients: Vec<_> = (0..6)
                .map(|who| {
                    scope.spawn(move || {
                        for n in 0..60 {
                            let mut client = Session::open(port, TIMEOUT);
                            let path = format!("/e/{who}-{n}");
                            assert_eq!(client.call(CREATE, create(&path, 1)).err, 0);
                            client.conn.send(&request(2, CLOSE, &[]));
                        }
                    })
                })
                .collect();
            clients.into_iter().for_each(|client| client.join().unwrap());
            over.store(true, Ordering::SeqCst);
        });
        wait_for("no ephemeral is left", || watcher.children("/e").unwrap().is_empty());
    }
}

/// A word's answer for one that ends its direction behind the word, or does not.
fn ask(port: u16, word: &str, half_closed: bool) -> String {
    ask_as(port, word, half_closed).0
}

/// The same, and the port that it was asked from.
fn ask_as(port: u16, word: &str, half_closed: bool) -> (String, u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(word.as_bytes()).unwrap();
    if half_closed {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap_or_else(|error| panic!("{word}: {error}"));
    (text, stream.local_addr().unwrap().port())
}

/// The port of the client that a line of `cons` or `stat` is about.
fn client_of(line: &str) -> Option<u16> {
    let (address, _) = line.trim().strip_prefix('/')?.split_once('[')?;
    address.rsplit_once(':')?.1.parse().ok()
}

#[test]
fn half_closed_askers_get_whole_answers() {
    // Goal: every word, answered by the role or by the thread for slow commands, under load too.
    const WORDS: [&str; 17] = [
        "ruok", "srvr", "stat", "mntr", "isro", "conf", "cons", "crst", "srst", "dirs", "envi",
        "dump", "hash", "wchs", "wchc", "wchp", "gtmk",
    ];
    for (at, placement) in PLACEMENTS.iter().enumerate() {
        let folder = scratch(&format!("streams/words/{at}"));
        let server = Server::start(Kind::Ringkeeper, &folder, placement);
        let port = server.port;
        let mut holder = Session::open(port, TIMEOUT);
        assert_eq!(holder.call(CREATE, create("/e", 1)).err, 0);
        assert_eq!(holder.call(EXISTS, Out::new().str("/e").bool(true)).err, 0);
        // Askers, who are listed too, and of whom those before may not have gone yet.
        let mut askers = Vec::new();
        let mut ask = |word: &str, half_closed: bool| {
            let (text, me) = ask_as(port, word, half_closed);
            let gone = |line: &&str| client_of(line).is_none_or(|at| !askers.contains(&at));
            let lines = text.lines().filter(gone).count();
            askers.push(me);
            (lines, text)
        };
        for word in WORDS {
            let (lines, whole) = ask(word, false);
            if word == "cons" {
                assert_eq!(lines, 3, "who holds a session, who asks, and an empty line: {whole:?}");
            }
            for _ in 0..20 {
                let (found, got) = ask(word, true);
                assert_eq!(found, lines, "{word}: {got:?}, not {whole:?}");
            }
        }
    }
}

#[test]
fn nothing_stays_of_connections_that_are_gone() {
    // Goal: places, lines of cons, slots: whatever clients do that come and go at once.
    const ROOM: usize = 60;
    for (at, placement) in PLACEMENTS.iter().enumerate() {
        let folder = scratch(&format!("streams/slots/{at}"));
        let settings = [placement, &[("maxClientCnxns", "60")][..]].concat();
        let server = Server::start(Kind::Ringkeeper, &folder, &settings);
        let port = server.port;
        let until = Instant::now() + Duration::from_secs(6);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(move || {
                    for n in 0.. {
                        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
                            continue;
                        };
                        stream.set_read_timeout(Some(PATIENCE)).unwrap();
                        let _ = stream.write_all(&Handshake::new(4000).encode());
                        if n % 2 == 1 {
                            let _ = stream.read(&mut [0; 100]);
                        }
                        if Instant::now() > until {
                            break;
                        }
                    }
                });
            }
        });
        wait_for("cons lists nobody", || {
            let listed = ask(port, "cons", false);
            listed.lines().filter(|line| !line.trim().is_empty()).count() == 1
        });
        let mut kept: Vec<TcpStream> = Vec::new();
        for n in 0..ROOM {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(&Handshake::new(TIMEOUT).encode()).unwrap();
            assert!(frame_of(&mut stream).is_ok(), "connection {n} of {ROOM} is turned away");
            kept.push(stream);
        }
        let mut one_more = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert!(!matches!(one_more.read(&mut [0]), Ok(1..)), "the bound still holds");
    }
}

/// The most memory a process has had, in MiB.
fn peak(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[test]
fn reads_that_waited_behind_a_write_wait_for_room_too() {
    // Goal: 300 answers of 1 MB come, and never lie about all at once.
    const READS: i32 = 300;
    let server = Server::start(Kind::Ringkeeper, &scratch("streams/held"), &[]);
    let mut client = Session::open(server.port, TIMEOUT);
    assert_eq!(client.create("/w", b""), 0);
    assert_eq!(client.create("/big", &vec![7; 1_000_000]), 0);
    let before = peak(&server);
    let mut bytes = request(100, SET_DATA, &set_data("/w", b"1").0);
    for n in 1..=READS {
        bytes.extend(request(100 + n, GET_DATA, &get("/big").0));
    }
    client.conn.send(&bytes);
    for n in 0..=READS {
        let reply = client.conn.reply().unwrap_or_else(|| panic!("closed before answer {n}"));
        assert_eq!((reply.xid, reply.err), (100 + n, 0));
    }
    let grown = peak(&server) - before;
    assert!(grown < 60, "{grown} MiB for one connection");
}

#[test]
fn a_client_on_a_slow_line_keeps_its_session() {
    // Goal: it pings, and is heard, though more waits for it than its requests may make.
    let settings = [("tickTime", "400"), ("ringkeeper.client.outbound.pause", "256k")];
    let folder = scratch("streams/slow");
    let server = Server::start(Kind::Ringkeeper, &folder, &settings);
    let mut maker = Session::open(server.port, 8000);
    let length = crowd(&mut maker, "/huge", 90_000, 100);
    let mut slow = narrow(server.port);
    let grant = opened(&mut slow, 1000);
    assert_eq!(grant.timeout, 1000);
    slow.write_all(&request(1, CREATE, &create("/mine", 1).0)).unwrap();
    frame_of(&mut slow).unwrap();
    slow.write_all(&request(2, GET_CHILDREN, &get("/huge").0)).unwrap();
    // Some 4 MB of the answer are in sockets; the rest takes four times the session's timeout.
    let (began, mut pinged, mut got) = (Instant::now(), Instant::now(), 0);
    let mut buffer = vec![0; 16 << 10];
    while got < length + 4 {
        if pinged.elapsed() > Duration::from_millis(250) {
            slow.write_all(&request(-2, PING, &[])).unwrap();
            pinged = Instant::now();
            maker.conn.call(-2, PING, &[]).unwrap();
        }
        if got as u128 > began.elapsed().as_millis() * 1200 {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        let n = slow.read(&mut buffer).unwrap();
        assert!(n > 0, "closed after {got} of {length} bytes and {:?}", began.elapsed());
        got += n;
    }
    assert!(began.elapsed() > Duration::from_secs(4), "too fast to show anything");
    assert_eq!(maker.call(EXISTS, get("/mine")).err, 0, "its session has expired");
}

#[test]
fn an_answer_above_every_bound_reaches_a_reader_that_reads() {
    // Goal: progress counts, not size; and in time, not in all: it takes longer than any bound.
    let settings = [("ringkeeper.client.outbound.max", "1m")];
    let server = Server::start(Kind::Ringkeeper, &scratch("streams/above"), &settings);
    let mut maker = Session::open(server.port, TIMEOUT);
    let length = crowd(&mut maker, "/huge", 140_000, 100);
    for close in [false, true] {
        let mut slow = narrow(server.port);
        opened(&mut slow, TIMEOUT);
        slow.write_all(&request(1, GET_CHILDREN, &get("/huge").0)).unwrap();
        if close {
            slow.write_all(&request(2, CLOSE, &[])).unwrap();
        }
        let (began, mut got) = (Instant::now(), 0);
        let mut buffer = vec![0; 64 << 10];
        while got < length + 4 {
            if got as u128 > began.elapsed().as_millis() * 1100 {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let n = slow.read(&mut buffer).unwrap();
            assert!(n > 0, "closed after {got} of {length} bytes and {:?}", began.elapsed());
            got += n;
        }
    }
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_named() {
    // Goal: after its time, with a reset, and a line that says who, how much, and which limit.
    let settings = [("ringkeeper.client.outbound.max", "1m")];
    let server = Server::start(Kind::Ringkeeper, &scratch("streams/unread"), &settings);
    let mut maker = Session::open(server.port, TIMEOUT);
    let length = crowd(&mut maker, "/huge", 100_000, 100);
    let mut slow = narrow(server.port);
    let grant = opened(&mut slow, TIMEOUT);
    slow.write_all(&request(1, GET_CHILDREN, &get("/huge").0)).unwrap();
    let peer = format!("peer={}", slow.local_addr().unwrap());
    let session = format!("session=0x{:x}", grant.session);
    wait_for("a line about it", || {
        server.log().lines().any(|line| {
            ["WARN", "does not read", &peer, &session, "unsent=", "limit=1048576"]
                .iter()
                .all(|part| line.contains(part))
        })
    });
    let mut got = Vec::new();
    let end = slow.read_to_end(&mut got).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    assert!(got.len() < length, "cut off, and not looking whole");
}

#[test]
fn requests_go_on_whatever_is_unsent_exactly() {
    // Goal: answers that add up to the bound, one less and one more, stop no connection for good.
    const ANSWER: usize = 1024;
    const READS: usize = 8000;
    for pause in [(1 << 20) - 1, 1 << 20, (1 << 20) + 1] {
        let pause = pause.to_string();
        let settings = [("ringkeeper.client.outbound.pause", pause.as_str())];
        let folder = scratch(&format!("streams/exact/{pause}"));
        let server = Server::start(Kind::Ringkeeper, &folder, &settings);
        let mut maker = Session::open(server.port, TIMEOUT);
        assert_eq!(maker.create("/n", &[7; ANSWER - 92]), 0);
        let mut reader = narrow(server.port);
        opened(&mut reader, TIMEOUT);
        let mut writer = reader.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            for xid in 1..=READS {
                writer.write_all(&request(xid as i32, GET_DATA, &get("/n").0)).unwrap();
            }
        });
        // Nothing is read until all that may wait waits.
        let waits = |server: &Server| {
            let cons = server.word("cons").unwrap();
            let sent = cons.lines().filter_map(|line| line.split("sent=").nth(1));
            sent.filter_map(|rest| rest.split(',').next()?.parse::<i64>().ok()).max().unwrap_or(0)
        };
        let mut before = -1;
        wait_for("it stands still", || {
            let now = waits(&server);
            std::mem::replace(&mut before, now) == now && now > 1024
        });
        for xid in 1..=READS {
            let answer = frame_of(&mut reader).unwrap_or_else(|e| panic!("{pause}: {xid}: {e}"));
            assert_eq!((answer.len() + 4, In::new(&answer).i32()), (ANSWER, Ok(xid as i32)));
        }
        sending.join().unwrap();
    }
}

#[test]
fn a_frame_over_the_limit_is_told_and_counted() {
    // Goal: whose, how long, and which limit, before and behind the handshake.
    let server = Server::start(Kind::Ringkeeper, &scratch("streams/frames"), &[]);
    let mut fresh = Conn::open(server.port).unwrap();
    let mut session = Session::open(server.port, TIMEOUT);
    for conn in [&mut fresh, &mut session.conn] {
        conn.send(&2_000_000i32.to_be_bytes());
        assert_eq!(conn.receive(), Received::Closed);
    }
    let mntr = server.word("mntr").unwrap();
    assert!(mntr.contains("zk_large_requests_rejected\t2\n"), "{mntr}");
    let log = server.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("jute.maxbuffer")).collect();
    let id = format!("session=0x{:x}", session.grant.session);
    assert_eq!(told.len(), 2, "{log}");
    assert!(told.iter().all(|line| line.contains("length=2000000 limit=1048575")), "{told:?}");
    assert!(told[1].contains(&id) && told[1].contains("peer=127.0.0.1:"), "{told:?}");
}

#[test]
fn what_came_before_a_broken_frame_is_done() {
    // Goal: an error of the stream ends what follows it, not what came before.
    for kind in [Kind::Java, Kind::Ringkeeper] {
        let server = Server::start(kind, &scratch(&format!("streams/broken/{kind:?}")), &[]);
        let mut watcher = Session::open(server.port, TIMEOUT);
        assert_eq!((watcher.create("/k", b""), watcher.create("/w", b"")), (0, 0));
        for n in 0..20 {
            let mut bytes = request(5, SET_DATA, &set_data("/w", b"1").0);
            bytes.extend(request(6, GET_DATA, &get("/w").0));
            bytes.extend(request(7, CREATE, &create(&format!("/k/{n}"), 0).0));
            bytes.extend(i32::MAX.to_be_bytes());
            bytes.extend(request(8, CREATE, &create(&format!("/k/{n}-not"), 0).0));
            let mut client = Session::open(server.port, TIMEOUT);
            client.conn.send(&bytes);
            while matches!(client.conn.receive(), Received::Frame(_)) {}
        }
        wait_for(&format!("{kind:?}"), || watcher.children("/k").unwrap().len() == 20);
    }
}
