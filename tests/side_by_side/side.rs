//! One server's half of the comparison: plays a stream's turns and tells what it saw as lines.

use crate::history;
use crate::reading::Reading;
use crate::request::Request;
use crate::stream::{Password, SLOTS, Seen, Turn};
use crate::support::client::{Conn, Grant, Handshake, Received, Session};
use crate::support::server::{Kind, SUPER_AUTH, Server};
use crate::support::wire::{In, Out};
use std::path::Path;

#[derive(Default)]
struct Slot {
    conn: Option<Conn>,
    grant: Option<Grant>,
}

/// A server and the connections of the stream that is being played.
pub(crate) struct Side {
    pub server: Server,
    reading: Reading,
    slots: [Slot; SLOTS],
    /// A handshake that was sent and not yet answered.
    opening: Option<Conn>,
    /// The newest zxid that an answer has shown.
    last_zxid: i64,
}

impl Side {
    pub(crate) fn start(kind: Kind, folder: &Path, settings: &[(&str, &str)]) -> Side {
        let server = Server::start(kind, folder, settings);
        Side {
            server,
            reading: Reading::default(),
            slots: Default::default(),
            opening: None,
            last_zxid: 0,
        }
    }

    /// Makes the root that a stream works under.
    pub(crate) fn prepare(&mut self, root: &str) {
        self.slots = Default::default();
        let mut session = Session::open(self.server.port, 100_000);
        self.reading.session(session.grant.session);
        assert_eq!(session.auth("digest", SUPER_AUTH), 0);
        assert_eq!(session.create(root, b"root"), 0, "create {root}");
        session.close();
    }

    /// First half of a turn: everything that is sent.
    pub(crate) fn send(&mut self, turn: &Turn) {
        match turn {
            Turn::Batch { slot, requests } => {
                let reading = &self.reading;
                let bytes: Vec<u8> =
                    requests.iter().flat_map(|request| encode(request, reading)).collect();
                if let Some(conn) = &mut self.slots[*slot].conn {
                    conn.send(&bytes);
                }
            }
            Turn::Cut { slot } => self.slots[*slot].conn = None,
            Turn::Connect { slot, timeout, read_only, zxid } => {
                let mut wish = match &self.slots[*slot].grant {
                    Some(grant) => Handshake::resume(grant, *timeout),
                    None => Handshake::new(*timeout),
                };
                wish.read_only = *read_only;
                wish.last_zxid = match zxid {
                    Seen::Nothing => 0,
                    Seen::Last => self.last_zxid,
                    Seen::TheFuture => self.last_zxid + 1_000_000,
                };
                self.open(&wish.encode());
            }
            Turn::WrongPassword { slot, password } => {
                let Some(grant) = self.slots[*slot].grant.clone() else { return };
                let mut wish = Handshake::resume(&grant, 100_000);
                wish.password = match password {
                    Password::Zeros => Some(vec![0; 16]),
                    Password::Short => Some(grant.password[..15].to_vec()),
                    Password::Empty => Some(Vec::new()),
                    Password::Null => None,
                    Password::OneBitOff => {
                        let mut wrong = grant.password.clone();
                        wrong[7] ^= 16;
                        Some(wrong)
                    }
                };
                self.open(&wish.encode());
            }
            Turn::Garbage(bytes) => self.open(bytes),
        }
    }

    /// Second half: what came back, and what every other connection heard of it.
    pub(crate) fn finish(&mut self, turn: &Turn) -> Vec<String> {
        let mut lines = Vec::new();
        match turn {
            Turn::Batch { slot, requests } => self.batch(*slot, requests, &mut lines),
            Turn::Cut { .. } => {}
            Turn::Connect { slot, .. } => self.connected(*slot, &mut lines),
            Turn::WrongPassword { slot, .. } => self.refused(*slot, &mut lines),
            Turn::Garbage(_) => self.rejected(&mut lines),
        }
        self.settle(&mut lines);
        if let Turn::Batch { requests, .. } = turn
            && requests.iter().any(|request| request.opcode == -11)
        {
            sort_events_of_one_zxid(&mut lines);
        }
        lines
    }

    /// Whether a slot's connection may read a node, now that all is quiet: `None` if nobody can tell, as
    /// the connection has ended, or the node is gone and was for some only.
    pub(crate) fn may_read(&mut self, slot: usize, path: &str) -> Option<bool> {
        let conn = self.slots[slot].conn.as_mut()?;
        let body = Out::new().str(path).bool(false);
        conn.send_request(0x7000_0000, 4, &body.0);
        let Received::Frame(payload) = conn.receive() else { return None };
        match i32::from_be_bytes(payload.get(12..16)?.try_into().unwrap()) {
            0 => Some(true),
            -102 => Some(false),
            // Of what was never there nothing is a secret.
            _ => match history::last_list(&self.server, path) {
                None => Some(true),
                Some(list) => history::is_open(&list).then_some(true),
            },
        }
    }

    fn open(&mut self, bytes: &[u8]) {
        let mut conn = self.server.connect();
        conn.send(bytes);
        self.opening = Some(conn);
    }

    fn batch(&mut self, slot: usize, requests: &[Request], lines: &mut Vec<String>) {
        for request in requests {
            loop {
                match self.receive(slot, request.opcode) {
                    Some((line, is_event)) => {
                        lines.push(line);
                        if !is_event {
                            break;
                        }
                    }
                    None => {
                        lines.push("CLOSED".into());
                        self.slots[slot].conn = None;
                        if request.opcode == -11 {
                            self.slots[slot].grant = None;
                        }
                        return;
                    }
                }
            }
            if request.opcode == -11 {
                self.slots[slot].grant = None;
            }
            if request.closes
                && let Some(conn) = self.slots[slot].conn.take()
            {
                Side::ended("the connection", conn, lines);
            }
        }
    }

    /// A frame of a slot's connection and whether it is an event; `None` when closed.
    fn receive(&mut self, slot: usize, opcode: i32) -> Option<(String, bool)> {
        match self.slots[slot].conn.as_mut()?.receive() {
            Received::Frame(payload) => {
                let is_event = payload.starts_with(&(-1i32).to_be_bytes());
                if let (false, Some(zxid)) = (is_event, payload.get(4..12)) {
                    let zxid = i64::from_be_bytes(zxid.try_into().unwrap());
                    self.last_zxid = self.last_zxid.max(zxid);
                }
                Some((self.reading.frame(opcode, &payload), is_event))
            }
            Received::Closed => None,
            Received::Silence => {
                // Nothing more is worth waiting for.
                self.slots.iter_mut().for_each(|slot| slot.conn = None);
                Some(("SILENCE".into(), false))
            }
        }
    }

    fn connected(&mut self, slot: usize, lines: &mut Vec<String>) {
        let Some(mut conn) = self.opening.take() else { return };
        let Received::Frame(payload) = conn.receive() else {
            lines.push("handshake CLOSED".into());
            return;
        };
        let Ok(grant) = Grant::decode(&payload) else {
            lines.push(format!("handshake {payload:02x?}"));
            return;
        };
        let session = self.reading.session(grant.session);
        let (timeout, read_only) = (grant.timeout, grant.read_only);
        let known = grant.password.len();
        lines.push(format!("handshake {timeout} {session} {read_only:?} password of {known}"));
        if let Some(old) = self.slots[slot].conn.take() {
            Side::ended("the connection before", old, lines);
        }
        if grant.session == 0 {
            Side::ended("the refused connection", conn, lines);
            self.slots[slot].grant = None;
        } else {
            self.slots[slot] = Slot { conn: Some(conn), grant: Some(grant) };
        }
    }

    fn refused(&mut self, slot: usize, lines: &mut Vec<String>) {
        let Some(mut conn) = self.opening.take() else { return };
        if let Received::Frame(payload) = conn.receive() {
            lines.push(format!("refusal {payload:02x?}"));
        }
        Side::ended("the refused connection", conn, lines);
        if let Some(old) = self.slots[slot].conn.take() {
            Side::ended("the connection before", old, lines);
        }
    }

    fn rejected(&mut self, lines: &mut Vec<String>) {
        let Some(conn) = self.opening.take() else { return };
        Side::ended("the garbage's connection", conn, lines);
    }

    /// Reads a connection to its end.
    fn ended(what: &str, mut conn: Conn, lines: &mut Vec<String>) {
        loop {
            match conn.receive() {
                Received::Closed => return lines.push(format!("{what} CLOSED")),
                Received::Silence => return lines.push(format!("{what} SILENT")),
                Received::Frame(payload) => lines.push(format!("{what} {payload:02x?}")),
            }
        }
    }

    /// Pings every connection: what a change made it hear lies before the ping's answer.
    fn settle(&mut self, lines: &mut Vec<String>) {
        for conn in self.slots.iter_mut().filter_map(|slot| slot.conn.as_mut()) {
            conn.send_request(-2, 11, &[]);
        }
        for slot in 0..SLOTS {
            while self.slots[slot].conn.is_some() {
                match self.receive(slot, 11) {
                    Some((line, is_event)) => {
                        lines.push(format!("slot {slot}: {line}"));
                        if !is_event {
                            break;
                        }
                    }
                    None => {
                        lines.push(format!("slot {slot}: CLOSED"));
                        self.slots[slot].conn = None;
                    }
                }
            }
        }
    }

    /// Ends the stream's sessions, in slot order.
    pub(crate) fn close(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for slot in 0..SLOTS {
            if self.slots[slot].grant.is_none() {
                continue;
            }
            if self.slots[slot].conn.is_none() {
                let turn = Turn::Connect {
                    slot,
                    timeout: 100_000,
                    read_only: Some(false),
                    zxid: Seen::Nothing,
                };
                self.send(&turn);
                lines.extend(self.finish(&turn));
            }
            let mut xid = 1_000_000;
            let requests = vec![crate::request::close_session(&mut xid)];
            let turn = Turn::Batch { slot, requests };
            self.send(&turn);
            lines.extend(self.finish(&turn));
        }
        lines
    }

    /// The whole tree below `tops`: data, Stat, ACL and children of every node.
    pub(crate) fn dump(&mut self, tops: &[&str]) -> Vec<String> {
        let mut session = Session::open(self.server.port, 100_000);
        self.reading.session(session.grant.session);
        assert_eq!(session.auth("digest", SUPER_AUTH), 0);
        let mut lines = Vec::new();
        let mut paths: Vec<String> = tops.iter().map(|top| top.to_string()).collect();
        while let Some(path) = paths.pop() {
            for opcode in [4, 6, 12, 104] {
                let body = Out::new().str(&path);
                let body = if matches!(opcode, 4 | 12) { body.bool(false) } else { body };
                session.conn.send_request(opcode, opcode, &body.0);
            }
            for opcode in [4, 6, 12, 104] {
                let Received::Frame(payload) = session.conn.receive() else {
                    lines.push(format!("{path}: CLOSED"));
                    return lines;
                };
                lines.push(format!("{path}: {}", self.reading.frame(opcode, &payload)));
                if opcode == 12 && path != "/" {
                    let names = In::new(&payload[16..]).vector(In::string);
                    let mut names: Vec<String> =
                        names.ok().flatten().unwrap_or_default().into_iter().flatten().collect();
                    names.sort();
                    paths.extend(names.iter().map(|name| format!("{path}/{name}")));
                }
            }
        }
        session.close();
        lines
    }
}

/// A session's ephemerals go in the order of a hash table in Java: the events that one
/// connection hears of them are put in an order of our own.
fn sort_events_of_one_zxid(lines: &mut [String]) {
    let key = |line: &String| {
        let zxid = line.split_once(" err ").map(|(head, _)| head.to_string());
        if line.contains("EVENT") { zxid } else { None }
    };
    for run in lines.chunk_by_mut(|a, b| key(a).is_some() && key(a) == key(b)) {
        run.sort();
    }
}

fn encode(request: &Request, reading: &Reading) -> Vec<u8> {
    let mut body = request.body.clone();
    if let (Some(back), true) = (request.zxid_back, body.len() >= 8) {
        body[..8].copy_from_slice(&reading.zxid_back(back).to_be_bytes());
    }
    crate::support::wire::request(request.xid, request.opcode, &body)
}
