//! A write through three servers that only pass messages and flush: what an ensemble on this one
//! machine takes for it, before any work of a server.
//!
//! ```text
//!   client ── request ──> follower ── request ──> leader ── proposal ──> both followers
//!   client <── answer ─── follower <── commit ─── leader <──── ack ───── whoever has flushed
//! ```
//!
//! Each is a thread with blocking sockets and a prepared file of its own under the log's folder. The
//! leader flushes after it has proposed and commits with the first ack. Three flushes meet on one
//! device here, and six wake-ups follow one another, four if the client is the leader's.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde::Serialize;

use super::disk::{Log, Removed, Way};
use super::middle_and_tail;
use crate::fault::Fault;

/// All messages are as long as a proposal of 100 bytes is, roughly.
const MESSAGE: usize = 192;
const PATIENCE: Duration = Duration::from_secs(10);

/// Medians, µs.
#[derive(Serialize)]
pub struct Quorum {
    pub at_leader_us: f64,
    pub at_follower_us: f64,
}

/// `each`: how long is written at the leader, and at a follower.
pub fn examine(folder: &Path, each: Duration) -> Result<Quorum, Fault> {
    let what = "writes through three";
    let of = |at_leader| measure(folder, each, at_leader).map_err(Fault::io(what));
    Ok(Quorum { at_leader_us: of(true)?, at_follower_us: of(false)? })
}

fn measure(folder: &Path, each: Duration, at_leader: bool) -> io::Result<f64> {
    let (to_first, first) = pair()?;
    let (to_second, second) = pair()?;
    let (client, served) = pair()?;
    let (of_leader, of_first) = if at_leader { (Some(served), None) } else { (None, Some(served)) };
    let (one, two, three) = (log(folder, 1)?, log(folder, 2)?, log(folder, 3)?);
    let servers = [
        thread::spawn(move || follow(first, of_first, one)),
        thread::spawn(move || follow(second, None, two)),
        thread::spawn(move || lead([to_first, to_second], of_leader, three)),
    ];
    let times = ask(&client, each);
    // The servers end one after the other, as each finds its sockets closed.
    drop(client);
    for server in servers {
        server.join().map_err(|_| io::Error::other("a server thread ended"))??;
    }
    let (median_us, _) = middle_and_tail(&mut times?);
    Ok(median_us)
}

fn ask(client: &TcpStream, each: Duration) -> io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let start = Instant::now();
    while times.is_empty() || start.elapsed() < each {
        let began = Instant::now();
        tell(client, Kind::Request, 1 + times.len() as u64)?;
        if hear(client)?.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        times.push(began.elapsed());
    }
    Ok(times)
}

fn lead(followers: [TcpStream; 2], client: Option<TcpStream>, mut log: Durable) -> io::Result<()> {
    let [first, second] = &followers;
    let mut sockets = vec![first, second];
    sockets.extend(&client);
    // What was proposed last, and whether it is committed.
    let (mut proposed, mut committed) = (0, true);
    loop {
        for socket in readable(&sockets)? {
            let Some((kind, number)) = hear(socket)? else { return Ok(()) };
            match kind {
                Kind::Request => {
                    (proposed, committed) = (number, false);
                    tell(first, Kind::Proposal, number)?;
                    tell(second, Kind::Proposal, number)?;
                    log.append()?;
                }
                // The slower one's comes too late.
                Kind::Ack if number == proposed && !committed => {
                    committed = true;
                    if let Some(client) = &client {
                        tell(client, Kind::Commit, number)?;
                    }
                    tell(first, Kind::Commit, number)?;
                    tell(second, Kind::Commit, number)?;
                }
                Kind::Ack => {}
                Kind::Proposal | Kind::Commit => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}

fn follow(leader: TcpStream, client: Option<TcpStream>, mut log: Durable) -> io::Result<()> {
    let mut sockets = vec![&leader];
    sockets.extend(&client);
    loop {
        for socket in readable(&sockets)? {
            let Some((kind, number)) = hear(socket)? else { return Ok(()) };
            match kind {
                Kind::Request => tell(&leader, Kind::Request, number)?,
                Kind::Proposal => {
                    log.append()?;
                    tell(&leader, Kind::Ack, number)?;
                }
                Kind::Commit => {
                    if let Some(client) = &client {
                        tell(client, Kind::Commit, number)?;
                    }
                }
                Kind::Ack => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}

fn readable<'a>(sockets: &[&'a TcpStream]) -> io::Result<Vec<&'a TcpStream>> {
    let mut polled: Vec<_> = sockets.iter().map(|s| PollFd::new(s, PollFlags::IN)).collect();
    poll(&mut polled, None)?;
    let ready = sockets.iter().zip(&polled).filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ready.map(|(socket, _)| *socket).collect())
}

#[derive(Clone, Copy)]
enum Kind {
    Request = 1,
    Proposal,
    Ack,
    Commit,
}

fn tell(mut socket: &TcpStream, kind: Kind, number: u64) -> io::Result<()> {
    let mut message = [0x5a; MESSAGE];
    message[0] = kind as u8;
    message[1..9].copy_from_slice(&number.to_le_bytes());
    match socket.write_all(&message) {
        // The last words of all find somebody who has gone already.
        Err(error) if is_gone(&error) => Ok(()),
        other => other,
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// `None`: the other side has ended.
fn hear(mut socket: &TcpStream) -> io::Result<Option<(Kind, u64)>> {
    let mut message = [0; MESSAGE];
    match socket.read_exact(&mut message) {
        Err(error) if is_gone(&error) => return Ok(None),
        other => other?,
    }
    let [kind, rest @ ..] = message;
    let kind = match kind {
        1 => Kind::Request,
        2 => Kind::Proposal,
        3 => Kind::Ack,
        4 => Kind::Commit,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let number = rest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Ok(Some((kind, number)))
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    let (other, _) = listener.accept()?;
    for end in [&one, &other] {
        end.set_nodelay(true)?;
        end.set_read_timeout(Some(PATIENCE))?;
    }
    Ok((one, other))
}

/// A server's log; its file goes with it.
struct Durable {
    log: Log,
    _file: Removed,
}

impl Durable {
    fn append(&mut self) -> io::Result<()> {
        Ok(self.log.append()?)
    }
}

fn log(folder: &Path, n: usize) -> io::Result<Durable> {
    let name = format!("ringkeeper-perf-doctor-{}-{n}", std::process::id());
    let file = Removed(folder.join(name));
    let log = match Log::prepare(&file.0, Way::Direct, 1) {
        // File systems in memory have no O_DIRECT.
        Err(Errno::INVAL) => Log::prepare(&file.0, Way::Prepared, 1)?,
        other => other?,
    };
    Ok(Durable { log, _file: file })
}
