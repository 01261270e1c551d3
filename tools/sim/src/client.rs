//! One client: connects, asks, watches, moves, vanishes and comes back, and holds every answer
//! against the history.

use std::collections::VecDeque;
use std::rc::Rc;

use ringkeeper::acl;
use ringkeeper::codec::reply::decode as reply;
use ringkeeper::codec::request::{
    self, ConnectRequest, ReadOp, Request, SetWatches, WriteOp, opcode,
};
use ringkeeper::types::{ErrorCode, EventKind, Identity, SessionId, Xid, Zxid};

use crate::answers;
use crate::history::{Asked, History, Wish};
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::server::policy;
use crate::watching::{Heard, Watching};
use crate::wishes;

/// What the client wants of the world.
pub enum Act {
    Connect,
    Send(Vec<u8>),
    /// Lets go of the connection; with `silent` its server does not hear of it.
    Leave {
        silent: bool,
    },
    /// The same, in order, behind a closeSession: nothing of what was sent may be lost.
    Goodbye {
        session: SessionId,
    },
    /// A line for the trace.
    Note(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Not connected until this time.
    Away {
        until: i64,
    },
    Connecting,
    Live,
    /// Its last write is answered: it only keeps its session.
    Done,
}

/// A request on its way.
pub struct Pending {
    pub xid: i32,
    pub ask: Ask,
    /// Writes answered anywhere before this was sent: its own zxid is higher, if it is a write.
    pub floor: Zxid,
}

#[derive(Debug)]
pub enum Ask {
    Write(WriteOp),
    Close,
    Sync,
    Read(ReadOp<'static>),
    SetWatches(SetWatches<'static>),
}

pub struct Client {
    pub id: usize,
    pub rng: Rng,
    pub phase: Phase,
    pub session: SessionId,
    password: [u8; 16],
    timeout_us: i64,
    wanted_timeout_ms: i32,
    /// Newest zxid an answer has shown.
    pub seen: Zxid,
    next_xid: i32,
    /// Each connection's xids begin with 1, as kazoo's.
    counts_anew: bool,
    pub pending: VecDeque<Pending>,
    input: Vec<u8>,
    greeted: bool,
    pub watching: Watching,
    /// Watches of the lost connection, to be taken up again.
    former: Option<Watching>,
    /// What `setWatches` has told at once, until it is answered.
    told_at_once: Option<Vec<Heard>>,
    identities: Rc<[Identity]>,
    secret: Option<String>,
    last_heard: i64,
    last_sent: i64,
    next_wish: i64,
    /// The world wants no more than a last write.
    pub finishing: bool,
    /// Asks again for the session it has just closed.
    clings: bool,
    /// When it connected, its session was the ensemble's.
    was_global: bool,
    pub acknowledged: u64,
    pub expired: u64,
}

/// How the world looks to a client in one moment.
pub struct Scene<'a> {
    pub now: i64,
    pub history: &'a mut History,
    /// The first zxid of the newest epoch in which a leader has served.
    pub reign: Zxid,
    /// Highest zxid of any write answered to anybody.
    pub answered: &'a mut Zxid,
    pub knobs: &'a Knobs,
    pub tracing: bool,
    /// When its connection's first bytes reached the server.
    pub asked_at: i64,
    pub out: &'a mut Vec<Act>,
}

impl Scene<'_> {
    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.tracing {
            self.out.push(Act::Note(text()));
        }
    }
}

type Checked = Result<(), String>;

impl Client {
    pub fn new(id: usize, seed: u64, knobs: &Knobs) -> Client {
        let mut rng = Rng::part(seed, 10_000 + id as u64);
        let secret = rng.one_in(3).then(|| format!("user{}:secret", rng.below(2)));
        let mut identities = Vec::new();
        if let Some(secret) = &secret
            && let Ok(proven) =
                acl::authenticate(&policy(), Some("digest"), Some(secret.as_bytes()))
        {
            identities = proven;
        }
        let ticks = rng.one_of([2, 4, 10, 20]);
        Client {
            id,
            phase: Phase::Away { until: rng.between(0, 500_000) },
            session: SessionId(0),
            password: [0; 16],
            timeout_us: 0,
            wanted_timeout_ms: (ticks * knobs.tick_ms) as i32,
            seen: Zxid::ZERO,
            next_xid: 1,
            counts_anew: rng.one_in(2),
            pending: VecDeque::new(),
            input: Vec::new(),
            greeted: false,
            watching: Watching::default(),
            former: None,
            told_at_once: None,
            identities: identities.into(),
            secret,
            last_heard: 0,
            last_sent: 0,
            next_wish: 0,
            finishing: false,
            clings: false,
            was_global: false,
            acknowledged: 0,
            expired: 0,
            rng,
        }
    }

    /// No more than a last write from now on.
    pub fn finish(&mut self, now: i64) {
        self.finishing = true;
        self.next_wish = now;
    }

    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done && self.pending.is_empty()
    }

    /// When it wants to be woken.
    pub fn deadline(&self) -> i64 {
        match self.phase {
            Phase::Away { until } => until,
            Phase::Connecting => self.last_sent + self.patience(),
            Phase::Live | Phase::Done => {
                let ping = self.last_sent + self.timeout_us / 3;
                let silence = self.last_heard + self.patience();
                let wish = if self.phase == Phase::Live { self.next_wish } else { i64::MAX };
                ping.min(silence).min(wish)
            }
        }
    }

    /// How long it waits for a silent server.
    fn patience(&self) -> i64 {
        let timeout = match self.timeout_us {
            0 => i64::from(self.wanted_timeout_ms) * 1000,
            agreed => agreed,
        };
        timeout * 2 / 3
    }

    /// Its time has come.
    pub fn wake(&mut self, scene: &mut Scene<'_>) {
        match self.phase {
            Phase::Away { until } if scene.now >= until => self.connect(scene),
            Phase::Away { .. } => {}
            Phase::Connecting if scene.now >= self.last_sent + self.patience() => {
                self.leave(scene, true);
            }
            Phase::Connecting => {}
            Phase::Live | Phase::Done => {
                if scene.now >= self.last_heard + self.patience() {
                    return self.leave(scene, true);
                }
                if self.phase == Phase::Live && scene.now >= self.next_wish {
                    self.wish(scene);
                }
                if scene.now >= self.last_sent + self.timeout_us / 3 {
                    self.send(scene, Xid::PING, &Request::Ping);
                }
            }
        }
    }

    fn connect(&mut self, scene: &mut Scene<'_>) {
        self.phase = Phase::Connecting;
        self.last_sent = scene.now;
        self.last_heard = scene.now;
        self.greeted = false;
        self.input.clear();
        self.was_global = scene.history.sessions.contains_key(&self.session);
        // A ZooKeeper leader shows its clients the first zxid of its epoch as soon as it serves: they
        // have seen all that was there when the epoch began, and nothing more.
        let told = match scene.knobs.epochs_seen && self.session != SessionId(0) {
            true => scene.reign,
            false => Zxid::ZERO,
        };
        if let Some((before, _)) = scene.history.entries.range(..=told).next_back() {
            self.seen = self.seen.max(*before);
        }
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.seen.max(told),
            timeout: self.wanted_timeout_ms,
            session: self.session,
            password: self.password.to_vec(),
            read_only: Some(false),
        };
        let mut bytes = Vec::new();
        request::encode_connect(&mut bytes, &request);
        scene.out.push(Act::Connect);
        scene.out.push(Act::Send(bytes));
    }

    /// Gives the connection up.
    fn leave(&mut self, scene: &mut Scene<'_>, silent: bool) {
        scene.out.push(Act::Leave { silent });
        self.lost(scene.now);
    }

    /// The connection is gone; what was on its way may have happened or not.
    pub fn lost(&mut self, now: i64) {
        if matches!(self.phase, Phase::Away { .. }) {
            return;
        }
        let was_done = self.phase == Phase::Done;
        let wait = if self.finishing || was_done { 20_000 } else { 300_000 };
        self.phase = Phase::Away { until: now + self.rng.between(1000, wait) };
        let closing = self.pending.iter().any(|p| matches!(p.ask, Ask::Close));
        self.pending.clear();
        if self.counts_anew {
            self.next_xid = 1;
        }
        let watching = std::mem::take(&mut self.watching);
        // Only what was registered and not used up is taken up again; a setWatches that was not
        // answered leaves what it carried.
        match (self.told_at_once.take(), &mut self.former) {
            (Some(heard), Some(former)) => answers::used_up(former, &heard),
            (_, former) if self.greeted => *former = Some(watching),
            (_, _) => {}
        }
        self.greeted = false;
        if closing && !std::mem::take(&mut self.clings) {
            self.forget_session();
        }
    }

    /// As a process that ends without a word.
    pub fn vanish(&mut self, now: i64) {
        self.lost(now);
        self.forget_session();
        if let Phase::Away { until } = &mut self.phase {
            *until += self.rng.between(0, 2_000_000);
        }
    }

    fn forget_session(&mut self) {
        self.session = SessionId(0);
        self.password = [0; 16];
        self.timeout_us = 0;
        self.former = None;
        self.watching = Watching::default();
        self.told_at_once = None;
        // A new client process knows of no zxid.
        self.seen = Zxid::ZERO;
        self.next_xid = 1;
    }

    fn send(&mut self, scene: &mut Scene<'_>, xid: Xid, request: &Request<'_>) {
        let mut bytes = Vec::new();
        request::encode(&mut bytes, xid, request);
        self.last_sent = scene.now;
        scene.out.push(Act::Send(bytes));
    }

    fn ask(&mut self, scene: &mut Scene<'_>, ask: Ask) {
        let xid = self.next_xid;
        self.next_xid += 1;
        let asked = |op| Asked { xid, op, identities: self.identities.clone(), done: None };
        let request = match &ask {
            Ask::Write(op) => {
                let wish = asked(Wish::Write(op.clone()));
                scene.history.asked.entry(self.session).or_default().push(wish);
                Request::Write(op.clone())
            }
            Ask::Close => {
                let wish = asked(Wish::Close);
                scene.history.asked.entry(self.session).or_default().push(wish);
                Request::CloseSession
            }
            Ask::Sync => Request::Sync { path: Some("/".into()) },
            Ask::Read(op) => Request::Read(op.clone()),
            Ask::SetWatches(lists) => Request::Read(ReadOp::SetWatches(lists.clone())),
        };
        scene.note(|| format!("client {} asks {xid} {ask:?}", self.id));
        self.send(scene, Xid(xid), &request);
        self.pending.push_back(Pending { xid, ask, floor: *scene.answered });
    }

    /// Something new to ask, if it is time.
    fn wish(&mut self, scene: &mut Scene<'_>) {
        self.next_wish = scene.now + self.rng.latency(scene.knobs.pace_us);
        if self.finishing {
            if self.pending.is_empty() {
                let op = wishes::last(self.id);
                self.ask(scene, Ask::Write(op));
            }
            self.next_wish = scene.now + 200_000;
            return;
        }
        if self.pending.iter().any(|p| matches!(p.ask, Ask::Close)) {
            return;
        }
        match self.rng.below(400) {
            0 => return self.leave_and_forget(scene),
            1 | 2 => return self.leave(scene, true),
            3 => return self.leave(scene, false),
            4 | 5 => return self.end_session(scene),
            6..=9 => return self.move_on(scene),
            _ => {}
        }
        for _ in 0..1 + self.rng.below(scene.knobs.pipeline as u64) {
            if self.pending.len() >= scene.knobs.pipeline {
                break;
            }
            let looks = scene.knobs.onlookers && self.id % 2 == 1;
            let draw = if looks { wishes::look } else { wishes::draw };
            let ask = draw(&mut self.rng, scene.history, scene.knobs, &self.identities);
            self.ask(scene, ask);
        }
    }

    /// Closes its session, now and then with an ephemeral on its way, and now and then does not
    /// wait for the answer but comes back with the session at once.
    fn end_session(&mut self, scene: &mut Scene<'_>) {
        if self.rng.one_in(2) {
            let op = wishes::ephemeral(&mut self.rng, scene.history, scene.knobs, &self.identities);
            self.ask(scene, Ask::Write(op));
        }
        for _ in 0..self.rng.below(3) {
            let ask = wishes::look(&mut self.rng, scene.history, scene.knobs, &self.identities);
            self.ask(scene, ask);
        }
        self.ask(scene, Ask::Close);
        if self.rng.one_in(4) {
            // Nobody's client does; nothing may come of it.
            let op = wishes::ephemeral(&mut self.rng, scene.history, scene.knobs, &self.identities);
            self.ask(scene, Ask::Write(op));
        }
        if self.rng.one_in(3) {
            scene.out.push(Act::Goodbye { session: self.session });
            return self.vanish(scene.now);
        }
        if self.rng.one_in(3) {
            self.clings = true;
            self.leave(scene, false);
            if let Phase::Away { until } = &mut self.phase {
                *until = scene.now + self.rng.latency(scene.knobs.net_us);
            }
        }
    }

    /// Goes elsewhere with as many writes on their way as it may have, and asks for more there at
    /// once.
    fn move_on(&mut self, scene: &mut Scene<'_>) {
        while self.pending.len() < scene.knobs.pipeline {
            let ask = wishes::draw(&mut self.rng, scene.history, scene.knobs, &self.identities);
            self.ask(scene, ask);
        }
        self.leave(scene, false);
        if let Phase::Away { until } = &mut self.phase {
            *until = scene.now + self.rng.latency(scene.knobs.net_us);
        }
    }

    fn leave_and_forget(&mut self, scene: &mut Scene<'_>) {
        scene.out.push(Act::Leave { silent: self.rng.one_in(2) });
        self.vanish(scene.now);
    }

    /// Bytes have come.
    pub fn received(&mut self, scene: &mut Scene<'_>, bytes: &[u8]) -> Checked {
        self.last_heard = scene.now;
        self.input.extend_from_slice(bytes);
        let mut input = std::mem::take(&mut self.input);
        let mut at = 0;
        while let Some(head) = input[at..].first_chunk::<4>() {
            let length = i32::from_be_bytes(*head) as usize;
            let Some(frame) = input.get(at + 4..at + 4 + length) else { break };
            at += 4 + length;
            if matches!(self.phase, Phase::Away { .. }) {
                break;
            }
            self.frame(scene, frame)?;
        }
        input.drain(..at);
        if !matches!(self.phase, Phase::Away { .. }) {
            self.input = input;
        }
        Ok(())
    }

    fn frame(&mut self, scene: &mut Scene<'_>, frame: &[u8]) -> Checked {
        if !self.greeted {
            return self.greet(scene, frame);
        }
        let (header, body) = reply::header(frame).map_err(|e| format!("reply header: {e}"))?;
        scene.note(|| format!("client {} hears {header:?} {}", self.id, body.escape_ascii()));
        match header.xid {
            Xid::NOTIFICATION => {
                let event = reply::event(body).map_err(|e| format!("event: {e}"))?;
                let kind = event_kind(event.kind)?;
                self.event(scene, header.zxid, kind, event.path.into_owned())
            }
            Xid::PING => self.saw(scene, header.zxid),
            Xid(-4) if header.error == 0 => Ok(()),
            _ => self.reply(scene, header, body),
        }
    }

    fn greet(&mut self, scene: &mut Scene<'_>, frame: &[u8]) -> Checked {
        let response =
            reply::connect_response(frame).map_err(|e| format!("connect response: {e}"))?;
        self.greeted = true;
        if response.timeout <= 0 {
            // A local session that its server was about to make the ensemble's may be that only now.
            let closed = scene.history.is_over(self.session);
            if !closed && (self.was_global || !scene.knobs.local_sessions) {
                return Err(format!(
                    "I12: session {} is refused and was never closed",
                    self.session
                ));
            }
            self.expired += 1;
            scene.out.push(Act::Leave { silent: false });
            self.lost(scene.now);
            self.forget_session();
            return Ok(());
        }
        if self.session != SessionId(0) && self.session != response.session {
            return Err(format!("session {} became {}", self.session, response.session));
        }
        let ends_since = scene.history.ending.get(&self.session);
        if scene.knobs.servers == 1 && ends_since.is_some_and(|since| *since < scene.asked_at) {
            return Err(format!("session {} is being closed and given again", self.session));
        }
        if self.session == SessionId(0)
            && !scene.knobs.local_sessions
            && !scene.history.sessions.contains_key(&response.session)
        {
            return Err(format!("session {} is given before it is committed", response.session));
        }
        self.session = response.session;
        self.password = response.password;
        self.timeout_us = i64::from(response.timeout) * 1000;
        self.phase = Phase::Live;
        self.next_wish = scene.now;
        if let Some(secret) = self.secret.clone() {
            let auth = Some(secret.as_bytes());
            self.send(scene, Xid(-4), &Request::Auth { scheme: Some("digest".into()), auth });
        }
        self.watching.forget(scene.history, Zxid::ZERO);
        if let Some(former) = self.former.take().filter(|former| !former.is_empty()) {
            let lists = answers::set_watches(scene.history, &former, self.seen);
            self.former = Some(former);
            self.told_at_once = Some(Vec::new());
            self.ask(scene, Ask::SetWatches(lists));
        }
        Ok(())
    }

    /// A zxid that an answer shows never goes back, across connections too.
    fn saw(&mut self, scene: &mut Scene<'_>, zxid: Zxid) -> Checked {
        if zxid <= Zxid::ZERO {
            return Ok(());
        }
        if zxid < self.seen {
            return Err(format!("I8: client {} saw {} and now {zxid}", self.id, self.seen));
        }
        if zxid > scene.history.last {
            let last = scene.history.last;
            return Err(format!("an answer shows {zxid}, committed is {last}"));
        }
        self.seen = zxid;
        if self.told_at_once.is_none() {
            self.watching.advance(scene.history, zxid, &self.identities);
            if let Some(missed) = self.watching.due.front() {
                return Err(format!("I7: client {} has not heard of {missed:?}", self.id));
            }
        }
        Ok(())
    }

    fn event(
        &mut self,
        scene: &mut Scene<'_>,
        zxid: Zxid,
        kind: EventKind,
        path: String,
    ) -> Checked {
        let heard = (zxid, kind, path);
        if let Some(told) = &mut self.told_at_once {
            told.push(heard);
            return Ok(());
        }
        if zxid > scene.history.last {
            return Err(format!("event {heard:?} of what is not committed"));
        }
        self.watching.advance(scene.history, zxid, &self.identities);
        match self.watching.due.pop_front() {
            Some(due) if due == heard => {
                self.seen = self.seen.max(zxid);
                Ok(())
            }
            due => Err(format!("client {} heard {heard:?}, due was {due:?}", self.id)),
        }
    }

    fn reply(&mut self, scene: &mut Scene<'_>, header: reply::ReplyHeader, body: &[u8]) -> Checked {
        let Some(pending) = self.pending.pop_front() else {
            return Err(format!("client {} hears an answer to nothing: {header:?}", self.id));
        };
        if header.xid.0 != pending.xid {
            let (got, due) = (header.xid.0, pending.xid);
            return Err(format!("I8: client {} hears answer {got}, due was {due}", self.id));
        }
        let told = self.told_at_once.is_some();
        self.saw(scene, header.zxid).map_err(|e| format!("{e} (answer to xid {})", pending.xid))?;
        let failed = |e: String| {
            format!("client {} session {} xid {}: {e}", self.id, self.session, pending.xid)
        };
        match &pending.ask {
            Ask::Write(op) => {
                let session = self.session;
                answers::write(scene.history, session, op, header, body, pending.floor)
                    .map_err(failed)?;
                self.acknowledged += 1;
                *scene.answered = (*scene.answered).max(header.zxid);
                if self.finishing && wishes::is_last(op) {
                    self.phase = Phase::Done;
                }
            }
            Ask::Close => {
                if header.error != 0 || !scene.history.is_over(self.session) {
                    return Err(failed(format!("closed with {header:?}")));
                }
                *scene.answered = (*scene.answered).max(header.zxid);
                scene.out.push(Act::Leave { silent: false });
                self.lost(scene.now);
                self.forget_session();
            }
            Ask::Sync => {
                if header.error == 0 && header.zxid < pending.floor {
                    let floor = pending.floor;
                    return Err(failed(format!("sync ends at {}, was at {floor}", header.zxid)));
                }
            }
            Ask::Read(op) => {
                let mut desk = answers::Reader {
                    history: scene.history,
                    watching: &mut self.watching,
                    who: &self.identities,
                    session: self.session,
                };
                desk.check(op, header, body).map_err(failed)?;
            }
            Ask::SetWatches(lists) => {
                self.former = None;
                let heard = self.told_at_once.take().unwrap_or_default();
                if !told || header.error != 0 {
                    return Err(failed(format!("setWatches: {header:?}")));
                }
                self.watching =
                    answers::taken_up(scene.history, lists, header.zxid, &heard, &self.identities)
                        .map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl History {
    /// Whether a session has been closed, or is about to be, or never was.
    pub fn is_over(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_none_or(|life| life.closed.is_some())
            || self.ending.contains_key(&session)
    }
}

fn event_kind(kind: i32) -> Result<EventKind, String> {
    Ok(match kind {
        1 => EventKind::NodeCreated,
        2 => EventKind::NodeDeleted,
        3 => EventKind::NodeDataChanged,
        4 => EventKind::NodeChildrenChanged,
        other => return Err(format!("event of kind {other}")),
    })
}

/// The error code's number of a reply.
pub fn code(error: i32) -> ErrorCode {
    ErrorCode::from_code(error)
}

/// Opcodes that the decoder of replies needs.
pub fn opcode_of(op: &WriteOp) -> i32 {
    match op {
        WriteOp::Reconfig(_) => opcode::RECONFIG,
        other => other.opcode(),
    }
}
