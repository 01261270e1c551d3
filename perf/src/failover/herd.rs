//! Many sessions in one thread, each with one write to have acknowledged, whatever happens to its
//! connection meanwhile.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::SESSION_TIMEOUT_MS;
use crate::clock::now;
use crate::fault::Fault;
use crate::wire::{self, ConnectReply, FRAME_MAX, PASSWORD_LEN, Reply, Value, XID_EVENT, err};

const MS: u64 = 1_000_000;
/// Between two attempts of one session, and as much again at most, spread over the sessions: a herd
/// that tries faster keeps a small machine from electing.
const RETRY: u64 = 50 * MS;
/// For a connection and its session.
const ATTACH: u64 = 5_000 * MS;
/// For an answer: two thirds of the session's timeout, as ZooKeeper's client has it.
const ANSWER: u64 = SESSION_TIMEOUT_MS as u64 * MS * 2 / 3;
const VALUE: [u8; 16] = [0x5a; 16];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Without a connection until the moment.
    Away {
        until: u64,
    },
    Connecting {
        since: u64,
    },
    /// The session is asked for.
    Greeting {
        since: u64,
    },
    /// The write is on its way.
    Asked {
        since: u64,
    },
    Done,
}

struct Member {
    server: usize,
    id: i64,
    password: [u8; PASSWORD_LEN],
    zxid: i64,
    xid: i32,
    state: State,
    stream: Option<TcpStream>,
    input: Vec<u8>,
}

pub struct Herd {
    servers: Vec<SocketAddr>,
    path: Vec<u8>,
    members: Vec<Member>,
    pub reconnects: u64,
    /// Sessions that the servers had forgotten.
    pub lost_sessions: u64,
}

impl Herd {
    /// `count` sessions to come, spread over the servers; they write to the znode at `path`.
    pub fn new(servers: &[SocketAddr], count: usize, path: &str) -> Herd {
        let member = |n: usize| Member {
            server: n % servers.len().max(1),
            id: 0,
            password: [0; PASSWORD_LEN],
            zxid: 0,
            xid: 0,
            state: State::Away { until: 0 },
            stream: None,
            input: Vec::new(),
        };
        Herd {
            servers: servers.to_vec(),
            path: path.as_bytes().to_vec(),
            members: (0..count).map(member).collect(),
            reconnects: 0,
            lost_sessions: 0,
        }
    }

    /// Every session writes once, attaching (again) first where it has to: returns when all are
    /// acknowledged.
    pub fn write_all(&mut self, limit: Duration) -> Result<(), Fault> {
        let began = now();
        for at in 0..self.members.len() {
            if self.members[at].stream.is_some() {
                let asked = self.send_write(at);
                self.settle(at, asked)?;
            } else {
                self.members[at].state = State::Away { until: 0 };
            }
        }
        while self.members.iter().any(|m| m.state != State::Done) {
            if crate::interrupted() {
                return Err(Fault::Interrupted);
            }
            if now() - began > limit.as_nanos() as u64 {
                let left = self.members.iter().filter(|m| m.state != State::Done).count();
                let (all, secs) = (self.members.len(), limit.as_secs());
                let what = format!("{left} of {all} sessions have no answer after {secs} s");
                return Err(Fault::Server(what));
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Ends all sessions that are attached.
    pub fn close(mut self) {
        for m in &mut self.members {
            let Some(mut stream) = m.stream.take() else { continue };
            let mut out = Vec::new();
            wire::close_session(&mut out, m.xid + 1);
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            // Answered before the connection ends, so that the next session does not hurry it.
            if stream.write_all(&out).is_ok() {
                let _ = crate::target::probe::frame(&mut stream);
            }
        }
    }

    /// What is due and what has come.
    fn turn(&mut self) -> Result<(), Fault> {
        let at = now();
        for n in 0..self.members.len() {
            let late = match self.members[n].state {
                State::Away { until } => {
                    if until <= at {
                        let connected = self.connect(n);
                        self.settle(n, connected)?;
                    }
                    false
                }
                State::Connecting { since } | State::Greeting { since } => at > since + ATTACH,
                State::Asked { since } => at > since + ANSWER,
                State::Done => false,
            };
            if late {
                self.settle(n, Err(ErrorKind::TimedOut.into()))?;
            }
        }
        let mut fds = Vec::new();
        let mut of = Vec::new();
        for (n, m) in self.members.iter().enumerate() {
            let flags = match m.state {
                State::Connecting { .. } => PollFlags::OUT,
                State::Greeting { .. } | State::Asked { .. } => PollFlags::IN,
                State::Away { .. } | State::Done => continue,
            };
            if let Some(stream) = &m.stream {
                fds.push(PollFd::from_borrowed_fd(stream.as_fd(), flags));
                of.push(n);
            }
        }
        let wait = Timespec { tv_sec: 0, tv_nsec: 5 * MS as i64 };
        match poll(&mut fds, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(Fault::Io { what: "poll".into(), source: e.into() }),
        }
        let ready = fds.iter().zip(&of).filter(|(fd, _)| !fd.revents().is_empty());
        let ready: Vec<usize> = ready.map(|(_, n)| *n).collect();
        drop(fds);
        for n in ready {
            let progress = self.progress(n);
            self.settle(n, progress)?;
        }
        Ok(())
    }

    /// A connection that failed is left for the next server's; anything else that is wrong ends the
    /// measurement.
    fn settle(&mut self, n: usize, result: io::Result<()>) -> Result<(), Fault> {
        let Err(e) = result else { return Ok(()) };
        let count = self.members.len().max(1) as u64;
        let m = &mut self.members[n];
        if e.kind() == ErrorKind::InvalidData {
            let server = self.servers[m.server].to_string();
            return Err(Fault::Reply { lane: n, server, what: e.to_string() });
        }
        (m.stream, m.server) = (None, (m.server + 1) % self.servers.len());
        m.input.clear();
        m.state = State::Away { until: now() + RETRY + RETRY * n as u64 / count };
        Ok(())
    }

    fn connect(&mut self, n: usize) -> io::Result<()> {
        let m = &mut self.members[n];
        let server = self.servers[m.server];
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&SockAddr::from(server)) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(e) => return Err(e),
        }
        m.stream = Some(socket.into());
        m.state = State::Connecting { since: now() };
        Ok(())
    }

    fn progress(&mut self, n: usize) -> io::Result<()> {
        if matches!(self.members[n].state, State::Connecting { .. }) {
            return self.greet(n);
        }
        loop {
            let m = &mut self.members[n];
            let Some(stream) = &mut m.stream else { return Ok(()) };
            let mut buffer = [0; 512];
            match stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => m.input.extend_from_slice(&buffer[..len]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
            while let Some(payload) = self.members[n].take_frame()? {
                self.frame(n, &payload)?;
            }
        }
    }

    fn greet(&mut self, n: usize) -> io::Result<()> {
        let m = &mut self.members[n];
        if let Some(e) = m.stream.as_ref().map(TcpStream::take_error).transpose()?.flatten() {
            return Err(e);
        }
        let mut out = Vec::new();
        wire::attach(&mut out, SESSION_TIMEOUT_MS, m.id, &m.password, m.zxid);
        m.send(&out)?;
        m.state = State::Greeting { since: now() };
        Ok(())
    }

    fn send_write(&mut self, n: usize) -> io::Result<()> {
        let m = &mut self.members[n];
        m.xid += 1;
        let mut out = Vec::new();
        wire::set_data(&mut out, m.xid, &self.path, Value { filler: &VALUE, tag: n as u64 });
        m.send(&out)?;
        m.state = State::Asked { since: now() };
        Ok(())
    }

    fn frame(&mut self, n: usize, payload: &[u8]) -> io::Result<()> {
        let m = &mut self.members[n];
        if matches!(m.state, State::Greeting { .. }) {
            let Some(reply) = ConnectReply::parse(payload) else {
                return Err(wrong("a connect reply cut short".into()));
            };
            if reply.timeout_ms <= 0 || reply.session == 0 {
                self.lost_sessions += 1;
                (m.id, m.password) = (0, [0; PASSWORD_LEN]);
                return Err(io::Error::other("the session is not known"));
            }
            if m.id != 0 {
                self.reconnects += 1;
                if reply.session != m.id {
                    return Err(wrong(format!("session {:x} for {:x}", reply.session, m.id)));
                }
            }
            (m.id, m.password) = (reply.session, reply.password);
            return self.send_write(n);
        }
        let Some(reply) = Reply::parse(payload) else {
            return Err(wrong("a reply cut short".into()));
        };
        match reply.xid {
            XID_EVENT => return Ok(()),
            xid if xid != m.xid => {
                return Err(wrong(format!("xid {} answered with {xid}", m.xid)));
            }
            _ => {}
        }
        if reply.zxid < m.zxid {
            return Err(wrong(format!("zxid {:x} after {:x}", reply.zxid, m.zxid)));
        }
        if reply.err != err::OK {
            return Err(wrong(format!("setData answered with error {}", reply.err)));
        }
        (m.zxid, m.state) = (reply.zxid, State::Done);
        Ok(())
    }
}

impl Member {
    /// A new or idle connection takes the few bytes at once, or is as good as lost.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Some(stream) => stream.write_all(bytes),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn take_frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(len) = wire::frame_len(&self.input) else { return Ok(None) };
        if len > FRAME_MAX {
            return Err(wrong(format!("a frame of {len} bytes")));
        }
        if self.input.len() < 4 + len {
            return Ok(None);
        }
        let payload = self.input[4..4 + len].to_vec();
        self.input.drain(..4 + len);
        Ok(Some(payload))
    }
}

fn wrong(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
