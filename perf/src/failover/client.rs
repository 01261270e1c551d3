//! One session, blocking. After a lost connection it goes on at the next server with its session
//! id and password, as ZooKeeper's client does, but without that client's pause of up to a second.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::SESSION_TIMEOUT_MS;
use crate::target::probe::frame;
use crate::wire::{self, ConnectReply, Cursor, PASSWORD_LEN, Reply, Value, XID_EVENT, err, op};

/// For the answer to the first request for a session; later ones are given more. Short, because
/// Java ZooKeeper swallows a connection that arrives while it starts.
const PATIENCE: Duration = Duration::from_millis(300);
const PATIENCE_MAX: Duration = Duration::from_secs(5);
/// For any other answer: two thirds of the session's timeout, as ZooKeeper's client has it.
const ANSWER: Duration = Duration::from_millis(SESSION_TIMEOUT_MS as u64 * 2 / 3);

/// Kept of a client's wrong answers: one that repeats itself needs no more.
const WRONG_MAX: usize = 10;

/// A request's end.
#[derive(Debug)]
pub enum Answer {
    /// An error code (0: none) and the reply's body.
    Reply(i32, Vec<u8>),
    /// The connection is lost; whether the request was carried out is not known.
    Lost(io::Error),
}

pub struct Client {
    servers: Vec<SocketAddr>,
    at: usize,
    stream: Option<TcpStream>,
    patience: Duration,
    session: i64,
    password: [u8; PASSWORD_LEN],
    xid: i32,
    zxid: i64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Times the servers had forgotten the session and gave another.
    pub lost_sessions: u64,
    /// Answers that no right server gives.
    pub wrong: Vec<String>,
}

impl Client {
    /// A session to be had at one of `servers`, `first` tried first.
    pub fn new(servers: &[SocketAddr], first: usize) -> Client {
        Client {
            servers: servers.to_vec(),
            at: first % servers.len().max(1),
            stream: None,
            patience: PATIENCE,
            session: 0,
            password: [0; PASSWORD_LEN],
            xid: 0,
            zxid: 0,
            reconnects: 0,
            lost_sessions: 0,
            wrong: Vec::new(),
        }
    }

    pub fn set_data(&mut self, path: &[u8], value: Value<'_>) -> Answer {
        self.ask(|out, xid| wire::set_data(out, xid, path, value))
    }

    pub fn create(&mut self, path: &[u8]) -> Answer {
        self.ask(|out, xid| wire::create(out, xid, path, Value::EMPTY, wire::PERSISTENT))
    }

    pub fn delete(&mut self, path: &[u8]) -> Answer {
        self.ask(|out, xid| wire::delete(out, xid, path))
    }

    /// The tag of the value at `path`: 0 of a znode that was never written, or is not there. `None`:
    /// no answer.
    pub fn tag_of(&mut self, path: &[u8]) -> Option<u64> {
        match self.ask(|out, xid| wire::query(out, xid, op::GET_DATA, path, false)) {
            Answer::Reply(err::OK, body) => {
                let tag = Cursor(&body).bytes().and_then(|data| data.first_chunk::<8>().copied());
                Some(tag.map_or(0, u64::from_be_bytes))
            }
            Answer::Reply(err::NO_NODE, _) => Some(0),
            Answer::Reply(..) | Answer::Lost(_) => None,
        }
    }

    /// Of the leader that ordered what was seen last.
    pub fn epoch(&self) -> i64 {
        self.zxid >> 32
    }

    /// Ends the session, if it is attached.
    pub fn close(mut self) {
        if self.stream.is_some() {
            let _ = self.ask(wire::close_session);
        }
    }

    fn ask(&mut self, build: impl FnOnce(&mut Vec<u8>, i32)) -> Answer {
        let result = self.try_ask(build);
        result.unwrap_or_else(|e| {
            self.leave();
            Answer::Lost(e)
        })
    }

    fn leave(&mut self) {
        self.stream = None;
        self.at = (self.at + 1) % self.servers.len().max(1);
    }

    fn try_ask(&mut self, build: impl FnOnce(&mut Vec<u8>, i32)) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.attach()?,
        };
        self.xid += 1;
        let mut out = Vec::new();
        build(&mut out, self.xid);
        stream.write_all(&out)?;
        loop {
            let payload = frame(&mut stream)?;
            let reply = Reply::parse(&payload);
            let reply = reply.ok_or_else(|| self.refuse("a reply cut short".into()))?;
            if reply.xid == XID_EVENT {
                continue;
            }
            if reply.xid != self.xid {
                return Err(self.refuse(format!("xid {} answered with {}", self.xid, reply.xid)));
            }
            if reply.zxid < self.zxid {
                return Err(self.refuse(format!("zxid {:x} after {:x}", reply.zxid, self.zxid)));
            }
            self.zxid = reply.zxid;
            let answer = Answer::Reply(reply.err, reply.body.to_vec());
            self.stream = Some(stream);
            return Ok(answer);
        }
    }

    fn refuse(&mut self, what: String) -> io::Error {
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(what.clone());
        }
        io::Error::other(what)
    }

    /// A connection to the server whose turn it is, with the session on it.
    fn attach(&mut self) -> io::Result<TcpStream> {
        let result = self.try_attach();
        match &result {
            Ok(_) => self.patience = PATIENCE,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                self.patience = (self.patience * 2).min(PATIENCE_MAX);
            }
            Err(_) => {}
        }
        result
    }

    fn try_attach(&mut self) -> io::Result<TcpStream> {
        let Some(server) = self.servers.get(self.at) else {
            return Err(io::Error::other("no servers"));
        };
        let mut stream = TcpStream::connect_timeout(server, self.patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        let mut out = Vec::new();
        wire::attach(&mut out, SESSION_TIMEOUT_MS, self.session, &self.password, self.zxid);
        stream.write_all(&out)?;
        let payload = frame(&mut stream)?;
        let reply = ConnectReply::parse(&payload);
        let reply = reply.ok_or_else(|| self.refuse("a connect reply cut short".into()))?;
        if reply.timeout_ms <= 0 || reply.session == 0 {
            self.lost_sessions += 1;
            (self.session, self.password) = (0, [0; PASSWORD_LEN]);
            return Err(io::Error::other("the session is not known"));
        }
        if self.session != 0 {
            self.reconnects += 1;
            if reply.session != self.session {
                let (had, got) = (self.session, reply.session);
                return Err(self.refuse(format!("session {had:x} was asked for, {got:x} given")));
            }
        }
        (self.session, self.password) = (reply.session, reply.password);
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(stream)
    }
}
