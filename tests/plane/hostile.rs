//! Those who send too much, too slowly, or too often: they harm the plane alone, and not for long.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::support::client::Session;
use super::support::http;
use super::support::server::Kind;
use super::support::wire::Out;
use super::{Side, start};

const AUTH: (&str, &str) = ("Authorization", "digest a:b");

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Milliseconds of the slowest of some reads by a client.
fn slowest_read(side: &Side) -> u128 {
    let mut session = Session::open(side.server.port, 40_000);
    let reads = (0..200).map(|_| {
        let began = Instant::now();
        assert_eq!(session.call(4, Out::new().str("/").bool(false)).err, 0);
        began.elapsed().as_millis()
    });
    reads.max().unwrap()
}

#[test]
fn what_is_too_long_is_refused_as_java_refuses_it() {
    // Goal: long headers 431, long targets 414, what is no HTTP 400, and the plane goes on.
    let long = "x".repeat(9000);
    let many: String = (0..500).map(|n| format!("h{n}: {n}\r\n")).collect();
    for (name, bytes, status, java_too) in [
        ("header", format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431, true),
        ("headers", format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431, false),
        ("garbage", "GARBAGE\r\n\r\n".to_string(), 400, true),
        ("version", "GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_string(), 505, false),
    ] {
        for kind in [Kind::Java, Kind::Ringkeeper] {
            if kind == Kind::Java && !java_too {
                continue;
            }
            let side = start(kind, &format!("long-{name}-{kind:?}"), &[]);
            let answer = http::parse(&http::raw(side.admin, bytes.as_bytes()).unwrap());
            let answer = answer.unwrap_or_else(|| panic!("{name}: no answer"));
            let is_expected = answer.status == status || name == "version" && answer.status == 400;
            assert!(is_expected, "{kind:?} {name}: {answer:?}");
            assert_eq!(http::get(side.admin, "/commands/ruok").status, 200, "{kind:?} {name}");
        }
    }
}

#[test]
fn a_body_has_a_bound() {
    let side = start(Kind::Ringkeeper, "body", &[]);
    let body = vec![b' '; 100_000];
    let answer = http::ask(side.admin, "POST", "/commands/shed", &[AUTH], &body);
    assert_eq!(answer.status, 413, "{answer:?}");
    // A body that nobody reads is none of the plane's business.
    let answer = http::ask(side.admin, "POST", "/commands/restore", &[AUTH], &body);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(http::get(side.admin, "/commands/ruok").status, 200);
}

#[test]
fn slow_heads_and_bodies_end() {
    // Goal: whoever sends one byte now and then does not hold a connection for longer than a head or
    // a body may take (10 s each).
    let side = start(Kind::Ringkeeper, "slow", &[]);
    let head = "GET /commands/ruok HTTP/1.1\r\nHost: ".to_string();
    let body = "POST /commands/shed HTTP/1.1\r\nHost: a\r\nAuthorization: digest a:b\r\n\
                Content-Length: 4000\r\n\r\n"
        .to_string();
    for (name, beginning) in [("head", head), ("body", body)] {
        let mut stream = connect(side.admin);
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        stream.write_all(beginning.as_bytes()).unwrap();
        let began = Instant::now();
        let mut answer = Vec::new();
        // The reads' time limit is the space between two bytes.
        while began.elapsed() < Duration::from_secs(40) {
            let mut piece = [0; 512];
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => answer.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            if stream.write_all(b" ").is_err() {
                break;
            }
        }
        let took = began.elapsed();
        assert!(took < Duration::from_secs(25), "{name}: {took:?} {answer:?}");
    }
}

#[test]
fn idle_connections_keep_nobody_out() {
    // Goal: 500 connections that say nothing, and 100 with half a head: scrapes and clients go on.
    let side = start(Kind::Ringkeeper, "crowd", &[]);
    let mut crowd: Vec<TcpStream> = Vec::new();
    for n in 0..600 {
        // A connection that has made way may refuse its bytes.
        let mut stream = connect(side.admin);
        if n % 6 == 0 {
            let _ = stream.write_all(b"GET /commands/ruok HTTP/1.1\r\nHost");
        }
        crowd.push(stream);
        if n % 100 == 99 {
            assert_eq!(http::get(side.admin, "/commands/ruok").status, 200, "{n}");
            assert!(slowest_read(&side) < 1000);
        }
    }
    let files = http::get(side.admin, "/commands/monitor").json();
    let open = files["open_file_descriptor_count"].as_i64().unwrap();
    assert!(open < 300, "{open} files: the plane holds no more than its 64 connections");
}

#[test]
fn a_flood_of_questions_leaves_clients_alone() {
    // Goal: while 16 ask without end for the longest listings, a client's reads go on.
    let mut side = start(Kind::Ringkeeper, "flood", &[]);
    let mut session = Session::open(side.server.port, 40_000);
    let body = |n: usize| Out::new().str(&format!("/none-{n:06}")).bool(true);
    (0..20_000).for_each(|n| drop(session.call(3, body(n))));
    side.sessions.push(session);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (slowest, answers) = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..16)
            .map(|n| {
                let (admin, stop) = (side.admin, &stop);
                scope.spawn(move || {
                    let names = ["watches", "watches_by_path", "dump", "monitor"];
                    let target = format!("/commands/{}", names[n % names.len()]);
                    let mut answers = 0;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        answers += usize::from(http::get(admin, &target).status == 200);
                    }
                    answers
                })
            })
            .collect();
        let slowest = (0..10).map(|_| slowest_read(&side)).max().unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (slowest, asking.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>())
    });
    assert!(slowest < 1000 && answers > 0, "slowest read {slowest} ms, {answers} answers");
}
