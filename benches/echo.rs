//! What the transport can carry: an echo on one network core, requests per second of that core's
//! processor time. The yardstick for everything built on it.
//!
//! The figure is the server thread's own time (`/proc/<pid>/task/<tid>/schedstat`), so a load
//! generator that is slower than the server, or other work on the machine, does not spoil it.
//! Requests have 60 bytes, as a getData of a 30-character path has about.

#![allow(clippy::expect_used)] // A bench that cannot run says why by panicking.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringkeeper::net::{ConnOptions, Net, NetEvent, NetSettings};

const REQUEST: usize = 60;

struct Echo {
    address: SocketAddr,
    schedstat: String,
}

/// Runs for the rest of the process.
fn start_echo() -> Echo {
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        let mut net = Net::new(NetSettings::default()).expect("io_uring");
        let address = net.listen(([127, 0, 0, 1], 0).into(), 4096).expect("listen");
        let task = fs::read_link("/proc/thread-self").expect("/proc");
        let schedstat = format!("/proc/{}/schedstat", task.display());
        ready.send(Echo { address, schedstat }).expect("the bench waits");
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
                        output.extend_from_slice(input);
                        let n = input.len();
                        net.consume(conn, n);
                    }
                    NetEvent::Connected(_)
                    | NetEvent::Drained(_)
                    | NetEvent::Closed(..)
                    | NetEvent::Woken => {}
                }
            }
        }
    });
    is_ready.recv().expect("the echo starts")
}

impl Echo {
    /// Processor time the server's thread has used.
    fn used(&self) -> Duration {
        let text = fs::read_to_string(&self.schedstat).expect("the echo runs");
        let nanos = text.split(' ').next().and_then(|field| field.parse().ok());
        Duration::from_nanos(nanos.expect("nanoseconds come first"))
    }
}

/// Connections that each keep `depth` requests outstanding.
struct Load {
    net: Net,
    conns: Vec<ringkeeper::types::ConnId>,
    depth: u64,
    events: Vec<NetEvent>,
}

impl Load {
    fn new(address: SocketAddr, conns: usize, depth: u64) -> Load {
        let mut net = Net::new(NetSettings::default()).expect("io_uring");
        let options = ConnOptions { keepalive: None, always_read: false };
        let conns = (0..conns)
            .map(|_| {
                let stream = TcpStream::connect(address).expect("connect");
                net.adopt_with(stream.into(), address, &options)
            })
            .collect();
        Load { net, conns, depth, events: Vec::new() }
    }

    /// Sends `total` requests, rounded up to a multiple of what is outstanding, and waits for all.
    fn run(&mut self, total: u64) -> u64 {
        let window = self.conns.len() as u64 * self.depth;
        let total = total.div_ceil(window) * window;
        let mut unsent = total - window;
        let mut missing = total as usize * REQUEST;
        for conn in &self.conns {
            send(&mut self.net, *conn, self.depth);
        }
        while missing > 0 {
            self.net.turn(None, &mut self.events).expect("turn");
            for event in self.events.drain(..) {
                let NetEvent::Received(conn) = event else { continue };
                let whole = self.net.input(conn).len() / REQUEST;
                self.net.consume(conn, whole * REQUEST);
                missing -= whole * REQUEST;
                let next = unsent.min(whole as u64);
                unsent -= next;
                send(&mut self.net, conn, next);
            }
        }
        total
    }
}

fn send(net: &mut Net, conn: ringkeeper::types::ConnId, requests: u64) {
    if let Some(output) = net.output(conn) {
        output.resize(output.len() + requests as usize * REQUEST, 0x5a);
    }
}

fn echo(criterion: &mut Criterion) {
    let server = start_echo();
    let mut group = criterion.benchmark_group("echo, per second of the server's processor");
    group.throughput(Throughput::Elements(1));
    group.sample_size(10).warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(500));
    for (conns, depth) in [(1, 1), (10, 1), (1000, 1), (100, 10), (10, 50), (100, 50)] {
        let mut load = Load::new(server.address, conns, depth);
        group.bench_function(format!("{conns} x {depth}"), |bencher| {
            bencher.iter_custom(|iterations| {
                let before = server.used();
                let total = load.run(iterations);
                (server.used() - before).mul_f64(iterations as f64 / total as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, echo);
criterion_main!(benches);
