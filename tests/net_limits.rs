//! A process without free descriptors: it goes on listening, does not spin, and recovers. Alone in
//! its file, because the limit is the process's.

#![allow(clippy::unwrap_used)] // A test may.

mod net_support;

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use net_support::{Server, echo};
use ringkeeper::net::{NetEvent, NetSettings};
use ringkeeper::runtime::open_files;
use socket2::{Domain, Socket, Type};

const CLIENTS: usize = 150;

#[test]
fn a_listener_outlives_a_lack_of_descriptors() {
    // The clients' descriptors come first: only new ones fall under the limit. The server is
    // started under it, because the kernel notes the limit when an accept begins.
    let clients: Vec<Socket> =
        (0..CLIENTS).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
    let highest = clients.iter().map(|client| client.as_raw_fd()).max().unwrap();
    // A quarter of so low a limit is kept from clients.
    open_files::set_limit(highest as u64 + 80).unwrap();
    let (accept, accepted) = mpsc::channel();
    let (say, said) = mpsc::channel();
    let server = Server::start(NetSettings::default(), move |net, event| {
        match event {
            NetEvent::Accepted { .. } => accept.send(()).unwrap(),
            NetEvent::Woken => say.send(fs::read_link("/proc/thread-self").unwrap()).unwrap(),
            NetEvent::Connected(_)
            | NetEvent::Received(_)
            | NetEvent::Drained(_)
            | NetEvent::Ended(_)
            | NetEvent::Closed(..) => {}
        }
        echo(net, event);
    });
    server.wake();
    let task = said.recv().unwrap();
    let mut used = File::open(format!("/proc/{}/schedstat", task.display())).unwrap();
    for client in &clients {
        client.connect(&server.address.into()).unwrap();
    }
    let (before, began) = (nanoseconds(&mut used), Instant::now());
    std::thread::sleep(Duration::from_millis(300));
    let busy = Duration::from_nanos(nanoseconds(&mut used) - before);
    assert!(busy < began.elapsed() / 4, "spins: {busy:?} of {:?}", began.elapsed());
    let accepted = accepted.try_iter().count();
    assert!(accepted > 0 && accepted < CLIENTS, "{accepted} of {CLIENTS} accepted");

    open_files::set_limit(u64::MAX).unwrap();
    drop(clients);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_served(server.address) {
        assert!(Instant::now() < deadline, "it has not recovered");
    }
}

/// Processor time of a thread: the first figure of its schedstat.
fn nanoseconds(schedstat: &mut File) -> u64 {
    let mut text = String::new();
    schedstat.rewind().unwrap();
    schedstat.read_to_string(&mut text).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn is_served(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut back = [0];
    stream.write_all(b"y").is_ok() && stream.read_exact(&mut back).is_ok() && back == *b"y"
}
