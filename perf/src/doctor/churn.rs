//! Sessions' worth of TCP without a server or a client: what the kernel alone takes for connecting,
//! two requests, two answers and an orderly end.
//!
//! One thread does both ends of a hundred connections, step by step, so nothing is ever waited for
//! and nobody is woken. A server and a driver that share the machine can hardly do more sessions a
//! second than all its CPUs can do of these: only system calls are to be saved.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use super::middle_and_tail;
use crate::clock::thread_cpu;
use crate::fault::Fault;

/// Fewer than a listener's queue holds.
const AT_ONCE: usize = 100;
const ROUNDS: usize = 30;
/// Connect request and answer, closeSession and answer, with their lengths.
const REQUESTS: [usize; 2] = [49, 12];
const ANSWERS: [usize; 2] = [41, 20];
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Serialize)]
pub struct Churn {
    /// CPU time of one session, both ends: median, µs.
    pub session_us: f64,
}

pub fn examine() -> Result<Churn, Fault> {
    let what = Fault::io("sessions over loopback");
    let mut rounds = measure().map_err(what)?;
    let (round_us, _) = middle_and_tail(&mut rounds);
    Ok(Churn { session_us: round_us / AT_ONCE as f64 })
}

fn measure() -> io::Result<Vec<Duration>> {
    let listener = listen()?;
    let address = listener.local_addr()?;
    (0..ROUNDS)
        .map(|_| {
            let before = thread_cpu();
            round(&listener, address)?;
            Ok(Duration::from_nanos(thread_cpu() - before))
        })
        .collect()
}

fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Its connections inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Every step for all connections before the next.
fn round(listener: &TcpListener, address: SocketAddr) -> io::Result<()> {
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for _ in 0..AT_ONCE {
        let client = TcpStream::connect(address)?;
        client.set_nodelay(true)?;
        client.set_read_timeout(Some(PATIENCE))?;
        clients.push(client);
    }
    for _ in 0..AT_ONCE {
        servers.push(listener.accept()?.0);
    }
    for (request, answer) in REQUESTS.into_iter().zip(ANSWERS) {
        pass(&mut clients, &mut servers, request)?;
        pass(&mut servers, &mut clients, answer)?;
    }
    // The server's end comes first, as ZooKeeper's does.
    servers.iter().try_for_each(|server| server.shutdown(Shutdown::Write))?;
    for mut client in clients {
        ended(&mut client)?;
    }
    servers.iter_mut().try_for_each(ended)
}

fn pass(from: &mut [TcpStream], to: &mut [TcpStream], bytes: usize) -> io::Result<()> {
    let mut buffer = [7; 64];
    from.iter_mut().try_for_each(|stream| stream.write_all(&buffer[..bytes]))?;
    to.iter_mut().try_for_each(|stream| stream.read_exact(&mut buffer[..bytes]))
}

fn ended(stream: &mut TcpStream) -> io::Result<()> {
    match stream.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::other("bytes behind the last")),
    }
}
