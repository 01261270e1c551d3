//! A raw client: one blocking connection, frames in, frames out, nothing hidden.

use super::wire::{In, Out, Short, Stat, frame, request};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What reading a connection gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Frame(Vec<u8>),
    Closed,
    /// Nothing came for the connection's patience.
    Silence,
}

/// A connection to a server on this machine.
pub struct Conn {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
}

/// What a handshake asks for.
#[derive(Debug, Clone)]
pub struct Handshake {
    pub last_zxid: i64,
    pub timeout: i32,
    pub session: i64,
    pub password: Option<Vec<u8>>,
    pub read_only: Option<bool>,
}

impl Handshake {
    /// A new session with a timeout in milliseconds.
    pub fn new(timeout: i32) -> Handshake {
        let password = Some(vec![0; 16]);
        Handshake { last_zxid: 0, timeout, session: 0, password, read_only: Some(false) }
    }

    /// An old session taken up again.
    pub fn resume(grant: &Grant, timeout: i32) -> Handshake {
        let password = Some(grant.password.clone());
        Handshake { session: grant.session, password, ..Handshake::new(timeout) }
    }

    pub fn encode(&self) -> Vec<u8> {
        let out = Out::new().i32(0).i64(self.last_zxid).i32(self.timeout).i64(self.session);
        let out = out.buffer(self.password.as_deref());
        frame(&self.read_only.into_iter().fold(out, |out, flag| out.bool(flag)).0)
    }
}

/// What a handshake was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub timeout: i32,
    pub session: i64,
    pub password: Vec<u8>,
    pub read_only: Option<bool>,
}

impl Grant {
    pub fn decode(payload: &[u8]) -> Result<Grant, Short> {
        let mut input = In::new(payload);
        let _protocol = input.i32()?;
        let timeout = input.i32()?;
        let session = input.i64()?;
        let password = input.buffer()?.unwrap_or_default().to_vec();
        let read_only = if input.rest.is_empty() { None } else { Some(input.bool()?) };
        if input.rest.is_empty() {
            Ok(Grant { timeout, session, password, read_only })
        } else {
            Err(Short)
        }
    }
}

/// A reply's header and the bytes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub xid: i32,
    pub zxid: i64,
    pub err: i32,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn decode(payload: &[u8]) -> Result<Reply, Short> {
        let mut input = In::new(payload);
        let (xid, zxid, err) = (input.i32()?, input.i64()?, input.i32()?);
        Ok(Reply { xid, zxid, err, body: input.rest.to_vec() })
    }
}

impl Conn {
    /// Connects; a silence of 10 s is reported as [`Received::Silence`].
    pub fn open(port: u16) -> std::io::Result<Conn> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Conn { stream, buffer: Vec::new(), start: 0 })
    }

    pub fn patience(&self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).unwrap();
    }

    /// Sends; a peer that has closed shows in the next [`Conn::receive`].
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn send_request(&mut self, xid: i32, opcode: i32, body: &[u8]) -> bool {
        self.send(&request(xid, opcode, body))
    }

    /// A second handle of the socket, for a writer beside the reader.
    pub fn writer(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// The next frame's payload.
    pub fn receive(&mut self) -> Received {
        loop {
            let have = &self.buffer[self.start..];
            if have.len() >= 4 {
                let length = i32::from_be_bytes(have[..4].try_into().unwrap()) as usize;
                if have.len() - 4 >= length {
                    let payload = have[4..4 + length].to_vec();
                    self.start += 4 + length;
                    return Received::Frame(payload);
                }
            }
            if self.start > 1 << 16 {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            let mut chunk = [0; 16384];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Received::Closed,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Received::Silence;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Received::Closed,
            }
        }
    }

    /// Performs a handshake: `None` when the server closed instead of answering.
    pub fn handshake(&mut self, wish: &Handshake) -> Option<Grant> {
        self.send(&wish.encode());
        match self.receive() {
            Received::Frame(payload) => Some(Grant::decode(&payload).unwrap_or_else(|_| {
                panic!("handshake answer of {} bytes: {payload:?}", payload.len())
            })),
            Received::Closed => None,
            Received::Silence => panic!("no answer to the handshake {wish:?}"),
        }
    }

    /// Sends one request and waits for its reply, passing over events.
    pub fn call(&mut self, xid: i32, opcode: i32, body: &[u8]) -> Option<Reply> {
        self.send_request(xid, opcode, body);
        self.reply()
    }

    /// The next frame that is not an event.
    pub fn reply(&mut self) -> Option<Reply> {
        loop {
            match self.receive() {
                Received::Frame(payload) => {
                    let reply = Reply::decode(&payload).expect("a reply header");
                    if reply.xid != -1 {
                        return Some(reply);
                    }
                }
                Received::Closed => return None,
                Received::Silence => panic!("no reply"),
            }
        }
    }
}

/// One connected session with a counter for its requests.
pub struct Session {
    pub conn: Conn,
    pub grant: Grant,
    pub xid: i32,
}

impl Session {
    pub fn open(port: u16, timeout: i32) -> Session {
        let mut conn = Conn::open(port).expect("connect");
        let grant = conn.handshake(&Handshake::new(timeout)).expect("a session");
        assert_ne!(grant.session, 0, "a session was refused");
        Session { conn, grant, xid: 0 }
    }

    /// Takes a session up again: `None` when the server says that it is gone.
    pub fn resume(port: u16, grant: &Grant, timeout: i32) -> Option<Session> {
        let mut conn = Conn::open(port).ok()?;
        let grant = conn.handshake(&Handshake::resume(grant, timeout))?;
        if grant.session == 0 { None } else { Some(Session { conn, grant, xid: 0 }) }
    }

    pub fn call(&mut self, opcode: i32, body: Out) -> Reply {
        self.xid += 1;
        let reply = self.conn.call(self.xid, opcode, &body.0).expect("a reply, not a close");
        assert_eq!(reply.xid, self.xid, "replies in order");
        reply
    }

    pub fn auth(&mut self, scheme: &str, data: &str) -> i32 {
        let body = Out::new().i32(0).str(scheme).buffer(Some(data.as_bytes()));
        self.conn.call(-4, 100, &body.0).map_or(-115, |reply| reply.err)
    }

    pub fn create(&mut self, path: &str, data: &[u8]) -> i32 {
        let body = Out::new().str(path).buffer(Some(data)).acls(Some(super::wire::OPEN)).i32(0);
        self.call(1, body).err
    }

    /// Data and Stat, or the error code.
    pub fn get(&mut self, path: &str) -> Result<(Option<Vec<u8>>, Stat), i32> {
        let reply = self.call(4, Out::new().str(path).bool(false));
        if reply.err != 0 {
            return Err(reply.err);
        }
        let mut input = In::new(&reply.body);
        let data = input.buffer().expect("data").map(<[u8]>::to_vec);
        Ok((data, input.stat().expect("a stat")))
    }

    /// Names of the children, sorted, or the error code.
    pub fn children(&mut self, path: &str) -> Result<Vec<String>, i32> {
        let reply = self.call(8, Out::new().str(path).bool(false));
        if reply.err != 0 {
            return Err(reply.err);
        }
        let names = In::new(&reply.body).vector(In::string).expect("names");
        let mut names: Vec<String> = names.unwrap_or_default().into_iter().flatten().collect();
        names.sort();
        Ok(names)
    }

    /// Waits until the server has applied all that was agreed before.
    pub fn sync(&mut self, path: &str) {
        let reply = self.call(9, Out::new().str(path));
        assert_eq!(reply.err, 0, "sync {path}");
    }

    pub fn close(&mut self) {
        self.xid += 1;
        let reply = self.conn.call(self.xid, -11, &[]);
        assert!(reply.is_some(), "closeSession is answered");
    }
}
