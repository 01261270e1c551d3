//! What the transport can carry, and what becomes of it with a server behind: requests per second
//! of one network core's processor time.
//!
//! * `echo`: what comes goes back; the yardstick for everything built on the transport
//! * `echo of answers`: for every request as many bytes as a read's answer has
//! * `reads`: the server itself, getData of 10,000 znodes with 100 bytes each
//!
//! The figure is the serving thread's own time (`/proc/<pid>/task/<tid>/schedstat`), so a load
//! generator that is slower than the server, or other work on the machine, does not spoil it.
//! Requests have 60 bytes everywhere.

#![allow(clippy::expect_used)] // A bench that cannot run says why by panicking.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ringkeeper::codec::request::{
    ConnectRequest, CreateCall, CreateOp, ReadOp, Request, WriteOp, encode, encode_connect,
};
use ringkeeper::net::{ConnOptions, How, Net, NetEvent, NetSettings};
use ringkeeper::types::{ConnId, SessionId, Xid, Zxid, open_acl};

const REQUEST: usize = 60;
const VALUE: usize = 100;
/// Length, reply header, value with its length, Stat.
const ANSWER: usize = 4 + 16 + 4 + VALUE + 68;
const ZNODES: usize = 10_000;

/// Connections and the requests outstanding on each.
const LOADS: [(usize, u64); 6] = [(1, 1), (10, 1), (1000, 1), (100, 10), (10, 50), (100, 50)];

/// Where requests are sent, and the file that tells the processor time of the thread behind.
struct Served {
    address: SocketAddr,
    schedstat: String,
}

impl Served {
    /// Processor time the server's thread has used.
    fn used(&self) -> Duration {
        let text = fs::read_to_string(&self.schedstat).expect("the server runs");
        let nanos = text.split(' ').next().and_then(|field| field.parse().ok());
        Duration::from_nanos(nanos.expect("nanoseconds come first"))
    }
}

/// Answers every 60 bytes with themselves, or with `answer` bytes. Runs for the rest of the
/// process.
fn start_echo(answer: Option<usize>) -> Served {
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        let mut net = Net::new(NetSettings::default()).expect("io_uring");
        let address = net.listen(([127, 0, 0, 1], 0).into(), 4096).expect("listen");
        let task = fs::read_link("/proc/thread-self").expect("/proc");
        let schedstat = format!("/proc/{}/schedstat", task.display());
        ready.send(Served { address, schedstat }).expect("the bench waits");
        let mut events = Vec::new();
        loop {
            net.turn(None, &mut events).expect("turn");
            for event in events.drain(..) {
                match event {
                    NetEvent::Accepted { fd, peer, .. } => {
                        net.adopt(fd, peer);
                    }
                    NetEvent::Received(conn) => {
                        let Some((input, output)) = net.split(conn) else { continue };
                        let mut used = input.len();
                        if let Some(answer) = answer {
                            let whole = input.len() / REQUEST;
                            output.resize(output.len() + whole * answer, 0x5a);
                            used = whole * REQUEST;
                        } else {
                            output.extend_from_slice(input);
                        }
                        net.consume(conn, used);
                    }
                    NetEvent::Ended(conn) => net.close(conn, How::AfterFlush),
                    NetEvent::Closed(conn, _) => net.release(conn),
                    NetEvent::Connected(_) | NetEvent::Drained(_) | NetEvent::Woken => {}
                }
            }
        }
    });
    is_ready.recv().expect("the echo starts")
}

/// A whole server with [`ZNODES`] znodes, ended with the bench.
struct Server {
    process: Child,
    served: Served,
    _data: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start() -> Server {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("its number");
        drop(free);
        let data = tempfile::tempdir().expect("a folder");
        let config = data.path().join("zoo.cfg");
        let (folder, port) = (data.path().display(), address.port());
        // One network core: the figure is that of one thread.
        let lines = format!(
            "dataDir={folder}\nclientPort={port}\nmaxClientCnxns=0\nringkeeper.cores.network=x1\n"
        );
        fs::write(&config, lines).expect("the folder is writable");
        let process = Command::new(env!("CARGO_BIN_EXE_ringkeeper"))
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server's binary");
        let mut server =
            Server { served: Served { address, schedstat: String::new() }, process, _data: data };
        fill(address);
        server.served.schedstat = server.network_thread();
        server
    }

    fn network_thread(&self) -> String {
        let tasks = format!("/proc/{}/task", self.process.id());
        let mut tasks = fs::read_dir(tasks).expect("/proc").flatten();
        let network = tasks.find(|task| {
            fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "network")
        });
        let network = network.expect("a thread named network");
        network.path().join("schedstat").display().to_string()
    }
}

/// Paths of one length, so that every getData has [`REQUEST`] bytes.
fn path_of(n: usize) -> String {
    format!("/bench/reads-beside-an-echo-of-alike-{n:06}")
}

fn get_data(n: usize, xid: i32, out: &mut Vec<u8>) {
    let read = ReadOp::GetData { path: Some(path_of(n).into()), watch: false };
    encode(out, Xid(xid), &Request::Read(read));
}

/// A session's connection. Waits for a server that is starting.
fn session(address: SocketAddr) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > deadline => panic!("{address}: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let mut hello = Vec::new();
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid(0),
        timeout: 40_000,
        session: SessionId(0),
        password: vec![0; 16],
        read_only: Some(false),
    };
    encode_connect(&mut hello, &request);
    stream.write_all(&hello).expect("the server reads");
    assert!(!answer(&mut stream).is_empty(), "a session is granted");
    stream
}

fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).expect("a whole answer");
    frame
}

fn fill(address: SocketAddr) {
    let mut stream = session(address);
    let paths = std::iter::once("/bench".to_owned()).chain((0..ZNODES).map(path_of));
    let paths: Vec<_> = paths.collect();
    for some in paths.chunks(500) {
        let mut requests = Vec::new();
        for path in some {
            let create = CreateOp {
                call: CreateCall::Create,
                path: Some(path.clone()),
                data: Some(vec![7; VALUE].into()),
                acl: Some(open_acl().iter().map(Into::into).collect()),
                flags: 0,
                ttl: -1,
            };
            encode(&mut requests, Xid(1), &Request::Write(WriteOp::Create(create)));
        }
        stream.write_all(&requests).expect("the server reads");
        for path in some {
            assert_eq!(answer(&mut stream)[12..16], [0; 4], "{path} is created");
        }
    }
}

/// What a load sends and how long each answer is.
#[derive(Clone, Copy)]
enum Kind {
    Bytes { answer: usize },
    Reads,
}

/// Connections that each keep `depth` requests outstanding.
struct Load {
    net: Net,
    conns: Vec<ConnId>,
    depth: u64,
    events: Vec<NetEvent>,
    kind: Kind,
    xid: i32,
}

impl Load {
    fn new(address: SocketAddr, (conns, depth): (usize, u64), kind: Kind) -> Load {
        let mut net = Net::new(NetSettings::default()).expect("io_uring");
        let options = ConnOptions { keepalive: None, dead_after: None, outbound_close: usize::MAX };
        let conns = (0..conns)
            .map(|_| {
                let stream = match kind {
                    Kind::Bytes { .. } => TcpStream::connect(address).expect("connect"),
                    Kind::Reads => session(address),
                };
                net.adopt_with(stream.into(), address, &options)
            })
            .collect();
        Load { net, conns, depth, events: Vec::new(), kind, xid: 0 }
    }

    /// Sends `total` requests, rounded up to a multiple of what is outstanding, and waits for all.
    fn run(&mut self, total: u64) -> u64 {
        let answer = match self.kind {
            Kind::Bytes { answer } => answer,
            Kind::Reads => ANSWER,
        };
        let window = self.conns.len() as u64 * self.depth;
        let total = total.div_ceil(window) * window;
        let mut unsent = total - window;
        let mut missing = total;
        for conn in self.conns.clone() {
            self.send(conn, self.depth);
        }
        while missing > 0 {
            let mut events = std::mem::take(&mut self.events);
            self.net.turn(None, &mut events).expect("turn");
            for event in events.drain(..) {
                assert!(!matches!(event, NetEvent::Closed(..)), "the server closes a connection");
                let NetEvent::Received(conn) = event else { continue };
                let whole = self.net.input(conn).len() / answer;
                self.check(conn, whole);
                self.net.consume(conn, whole * answer);
                missing -= whole as u64;
                let next = unsent.min(whole as u64);
                unsent -= next;
                self.send(conn, next);
            }
            self.events = events;
        }
        total
    }

    /// Every answer of a read has its length and no error.
    fn check(&self, conn: ConnId, whole: usize) {
        let Kind::Reads = self.kind else { return };
        for answer in self.net.input(conn).chunks_exact(ANSWER).take(whole) {
            let length = u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]);
            assert_eq!((length as usize + 4, &answer[16..20]), (ANSWER, &[0; 4][..]));
        }
    }

    fn send(&mut self, conn: ConnId, requests: u64) {
        let Some(output) = self.net.output(conn) else { return };
        for _ in 0..requests {
            match self.kind {
                Kind::Bytes { .. } => output.resize(output.len() + REQUEST, 0x5a),
                Kind::Reads => {
                    self.xid += 1;
                    // A stride that no prefetcher guesses and that meets every znode.
                    get_data(self.xid as usize * 7_919 % ZNODES, self.xid, output);
                }
            }
        }
    }
}

fn measure(criterion: &mut Criterion, name: &str, served: &Served, kind: Kind) {
    let name = format!("{name}, per second of the server's processor");
    let mut group: BenchmarkGroup<'_, WallTime> = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    group.sample_size(10).warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(500));
    for (conns, depth) in LOADS {
        let mut load = Load::new(served.address, (conns, depth), kind);
        group.bench_function(format!("{conns} x {depth}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let before = served.used();
                let total = load.run(iterations);
                (served.used() - before).mul_f64(iterations as f64 / total as f64)
            });
        });
    }
    group.finish();
}

fn echo(criterion: &mut Criterion) {
    let mut request = Vec::new();
    get_data(0, 1, &mut request);
    assert_eq!(request.len(), REQUEST);
    measure(criterion, "echo", &start_echo(None), Kind::Bytes { answer: REQUEST });
    let answers = start_echo(Some(ANSWER));
    measure(criterion, "echo of answers", &answers, Kind::Bytes { answer: ANSWER });
    let server = Server::start();
    measure(criterion, "reads", &server.served, Kind::Reads);
}

criterion_group!(benches, echo);
criterion_main!(benches);
