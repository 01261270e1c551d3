//! A session that goes from member to member, as a client library does: when its connection is
//! lost it takes the next server, and only an expired session is the end of it.

use super::client::{Conn, Grant, Handshake, Received, Reply};
use super::wire::{OPEN, Out};
use std::time::{Duration, Instant};

/// Why a call got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// What was sent and not answered may have happened or not.
    Connection,
    /// The server says that the session is over.
    Session,
}

/// An event as the server sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub kind: i32,
    pub path: String,
    pub zxid: i64,
}

pub struct Roaming {
    pub ports: Vec<u16>,
    /// Of the server that it is or was connected to.
    at: usize,
    timeout: i32,
    pub grant: Option<Grant>,
    /// The newest zxid that a reply has shown.
    pub zxid: i64,
    xid: i32,
    conn: Option<Conn>,
    /// Replies that are still to come.
    sent: Vec<i32>,
    pub events: Vec<Heard>,
    pub reconnects: u64,
    /// Servers that kept the connection and did not answer, told in words.
    pub silences: Vec<String>,
    attached_at: Instant,
    /// When the server was last heard.
    pub heard_at: Instant,
}

impl Roaming {
    pub fn new(ports: &[u16], first: usize, timeout: i32) -> Roaming {
        Roaming {
            ports: ports.to_vec(),
            at: first % ports.len(),
            timeout,
            grant: None,
            zxid: 0,
            xid: 0,
            conn: None,
            sent: Vec::new(),
            events: Vec::new(),
            reconnects: 0,
            silences: Vec::new(),
            attached_at: Instant::now(),
            heard_at: Instant::now(),
        }
    }

    pub fn session(&self) -> i64 {
        self.grant.as_ref().map_or(0, |grant| grant.session)
    }

    pub fn port(&self) -> u16 {
        self.ports[self.at]
    }

    /// How long an answer is waited for.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.timeout as u64 / 3)
    }

    pub fn is_attached(&self) -> bool {
        self.conn.is_some()
    }

    /// Leaves the connection; the session lives on.
    pub fn drop_connection(&mut self) {
        self.conn = None;
        self.sent.clear();
    }

    /// Connects to one server after the other until one takes the session, for so long at most.
    /// `Ok(true)`: it was connected anew.
    pub fn attach(&mut self, patience: Duration) -> Result<bool, Lost> {
        if self.conn.is_some() {
            return Ok(false);
        }
        let deadline = Instant::now() + patience;
        loop {
            match self.try_attach() {
                Err(Lost::Connection) if Instant::now() < deadline => {
                    self.at = (self.at + 1) % self.ports.len();
                    // The space between two tries, as client libraries leave it.
                    std::thread::sleep(Duration::from_millis(30));
                }
                Err(lost) => return Err(lost),
                Ok(()) => return Ok(true),
            }
        }
    }

    fn try_attach(&mut self) -> Result<(), Lost> {
        let mut conn = Conn::open(self.port()).map_err(|_| Lost::Connection)?;
        // A server without a quorum says nothing: a library gives up after a third of the
        // session's timeout or so.
        conn.patience(Duration::from_millis(2000));
        let mut wish = match &self.grant {
            Some(grant) => Handshake::resume(grant, self.timeout),
            None => Handshake::new(self.timeout),
        };
        wish.last_zxid = self.zxid;
        conn.send(&wish.encode());
        let Received::Frame(payload) = conn.receive() else { return Err(Lost::Connection) };
        let grant = Grant::decode(&payload).expect("a handshake's answer");
        if grant.session == 0 {
            return Err(Lost::Session);
        }
        if let Some(old) = &self.grant {
            assert_eq!(grant.session, old.session, "another session than the one asked for");
            self.reconnects += 1;
        }
        conn.patience(self.patience());
        self.heard_at = Instant::now();
        self.attached_at = self.heard_at;
        self.grant = Some(grant);
        self.conn = Some(conn);
        self.sent.clear();
        Ok(())
    }

    /// Sends a request; its reply is the next that [`Roaming::reply`] gives after earlier ones.
    pub fn send(&mut self, opcode: i32, body: &Out) -> Result<(), Lost> {
        self.xid += 1;
        let xid = self.xid;
        self.send_as(xid, opcode, body)
    }

    fn send_as(&mut self, xid: i32, opcode: i32, body: &Out) -> Result<(), Lost> {
        let conn = self.conn.as_mut().ok_or(Lost::Connection)?;
        if !conn.send_request(xid, opcode, &body.0) {
            self.drop_connection();
            return Err(Lost::Connection);
        }
        self.sent.push(xid);
        Ok(())
    }

    /// The reply to the oldest request without one.
    pub fn reply(&mut self) -> Result<Reply, Lost> {
        loop {
            let reply = self.frame()?.ok_or(Lost::Connection);
            let Ok(reply) = reply else {
                // Silence: a server that no longer answers is left.
                self.silences.push(format!(
                    "session {:#x} at port {}: requests {:?} have no answer, the connection is \
                     {:?} old, the last answer {:?}",
                    self.session(),
                    self.port(),
                    self.sent,
                    self.attached_at.elapsed(),
                    self.heard_at.elapsed()
                ));
                self.drop_connection();
                return Err(Lost::Connection);
            };
            if reply.xid == -1 {
                continue;
            }
            let expected = self.sent.remove(0);
            assert_eq!(reply.xid, expected, "I8: replies in order");
            if matches!(reply.err, -4 | -118) {
                self.drop_connection();
                return Err(Lost::Connection);
            }
            if reply.err == -112 {
                return Err(Lost::Session);
            }
            if reply.zxid > 0 {
                // -2 (ping) and -8 (watches) are answered beside the line.
                assert!(
                    reply.zxid >= self.zxid || reply.xid < 0,
                    "I8: zxid {:x} after {:x}",
                    reply.zxid,
                    self.zxid
                );
                self.zxid = self.zxid.max(reply.zxid);
            }
            return Ok(reply);
        }
    }

    /// The next frame, an event kept aside; `None` when nothing came for the patience.
    fn frame(&mut self) -> Result<Option<Reply>, Lost> {
        let conn = self.conn.as_mut().ok_or(Lost::Connection)?;
        match conn.receive() {
            Received::Frame(payload) => {
                self.heard_at = Instant::now();
                let reply = Reply::decode(&payload).expect("a reply header");
                if reply.xid == -1 {
                    let mut input = super::wire::In::new(&reply.body);
                    let (kind, _state) = (input.i32().unwrap(), input.i32().unwrap());
                    let path = input.string().unwrap().unwrap_or_default();
                    self.events.push(Heard { kind, path, zxid: reply.zxid });
                }
                Ok(Some(reply))
            }
            Received::Silence => Ok(None),
            Received::Closed => {
                self.drop_connection();
                Err(Lost::Connection)
            }
        }
    }

    pub fn call(&mut self, opcode: i32, body: &Out) -> Result<Reply, Lost> {
        self.send(opcode, body)?;
        self.reply()
    }

    /// Waits for an event, for so long at most; nothing may be outstanding.
    pub fn event(&mut self, patience: Duration) -> Result<Option<Heard>, Lost> {
        assert!(self.sent.is_empty(), "an event is waited for with nothing outstanding");
        if self.events.is_empty() {
            let whole = self.patience();
            self.conn.as_ref().ok_or(Lost::Connection)?.patience(patience);
            let frame = self.frame();
            if let Some(conn) = &self.conn {
                conn.patience(whole);
            }
            frame?;
        }
        Ok(if self.events.is_empty() { None } else { Some(self.events.remove(0)) })
    }

    /// Tells the server that the session is alive.
    pub fn ping(&mut self) -> Result<(), Lost> {
        self.send_as(-2, 11, &Out::new())?;
        self.reply().map(|_| ())
    }

    /// Asks for data watches again after a reconnect, as of what the session has seen.
    pub fn watch_again(&mut self, paths: &[String]) -> Result<(), Lost> {
        let body = Out::new().i64(self.zxid).strings(paths).strings(&[]).strings(&[]);
        self.send_as(-8, 101, &body)?;
        self.reply().map(|_| ())
    }

    pub fn create(&mut self, path: &str, data: &[u8], flags: i32) -> Result<i32, Lost> {
        let body = Out::new().str(path).buffer(Some(data)).acls(Some(OPEN)).i32(flags);
        Ok(self.call(1, &body)?.err)
    }

    /// Data of a node as of all that was agreed before, or the error code.
    pub fn get_synced(&mut self, path: &str) -> Result<Result<Vec<u8>, i32>, Lost> {
        self.send(9, &Out::new().str(path))?;
        self.send(4, &Out::new().str(path).bool(false))?;
        self.reply()?;
        let reply = self.reply()?;
        Ok(match reply.err {
            0 => {
                let data = super::wire::In::new(&reply.body).buffer().expect("data");
                Ok(data.unwrap_or_default().to_vec())
            }
            code => Err(code),
        })
    }
}
