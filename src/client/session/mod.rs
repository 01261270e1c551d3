//! The core of a session (org.apache.zookeeper.ClientCnxn): one connection at a time, requests answered in
//! order, and at the next server the same session, identities and watches.

mod answer;
mod frames;
mod requests;
mod sasl;

use std::collections::VecDeque;

use super::chroot::Chroot;
use super::hosts::{ConnectString, Host, Hosts};
use super::inbound::Inbound;
use super::settings::{PING_INTERVAL_MS, RETRY_MS, RETRY_MS_MAX, Settings};
use super::watches::{Removal, WatcherType, Watches, Watching};
use crate::codec::request::{self, ConnectRequest, Request};
use crate::sasl::Initiator;
use crate::types::{ErrorCode, EventKind, Millis, SessionId, SplitMix64, Xid, Zxid};

pub use answer::Answer;

/// xid of authentication and its answer (ClientCnxn.AUTHPACKET_XID).
const XID_AUTH: Xid = Xid(-4);
/// xid of setWatches and its answer (ClientCnxn.SET_WATCHES_XID).
const XID_SET_WATCHES: Xid = Xid(-8);

/// Bytes of a session's password.
const PASSWORD_BYTES: usize = 16;

/// Whoever asked, as the shell names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// What a session is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// Time has passed. The first one begins.
    Tick,
    /// The connection that was asked for is open.
    Opened,
    /// The connection could not be opened, or has ended.
    Lost,
    /// Bytes of the server.
    Received(&'a [u8]),
    /// A request. Auth is sent again to each server; CloseSession ends the session.
    Ask {
        /// Comes back with the answer.
        ticket: Ticket,
        /// With the client's paths.
        request: Request<'a>,
        /// Paths are the server's: the chroot is left out (ZooKeeper.getConfig).
        is_absolute: bool,
    },
    /// Watches are forgotten here, whatever the server says (removeWatches with `local`).
    Forget {
        /// Of these kinds.
        kind: WatcherType,
        /// The client's path.
        path: &'a str,
    },
}

/// Whether requests are carried out (ZooKeeper.States).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names (ZooKeeper.States)")]
pub enum State {
    Connecting,
    Connected,
    ConnectedReadOnly,
    /// For good: the servers have forgotten the session.
    Expired,
    /// For good: an identity was refused.
    AuthFailed,
    /// For good: the session was closed.
    Closed,
}

impl State {
    /// ZooKeeper.States.isAlive: whether anything may be asked for.
    pub fn is_alive(self) -> bool {
        !matches!(self, State::Expired | State::AuthFailed | State::Closed)
    }

    /// Whether a server answers.
    pub fn is_connected(self) -> bool {
        matches!(self, State::Connected | State::ConnectedReadOnly)
    }
}

/// Why a request was not taken on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Refusal {
    #[error("{limit} requests wait for answers already: wait for some of them")]
    TooMany { limit: usize },
    #[error("a request of {bytes} bytes, at most {limit} are sent")]
    TooLong { bytes: usize, limit: usize },
}

/// What the shell has to do, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Open a connection, then say Opened or Lost.
    Open(Host),
    /// Send bytes on it.
    Send(Vec<u8>),
    /// Close it. Nothing is said of it any more.
    Close,
    /// A request's end.
    Answered(Ticket, Answer),
    /// A request that was not taken on.
    Refused(Ticket, Refusal),
    /// A watched path has changed; the path is the client's.
    Event {
        /// What happened.
        kind: EventKind,
        /// To what.
        path: String,
        /// By which transaction; -1 where the server does not say.
        zxid: Zxid,
    },
    /// A watch was removed because it was asked for.
    Removed {
        /// Of what kind.
        removal: Removal,
        /// The client's path.
        path: String,
    },
    /// The state has changed.
    State(State),
}

/// Where the connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// None, until then.
    Waiting(Millis),
    /// Being opened; given up then.
    Opening(Millis),
    /// The connect request is sent; given up then.
    Handshake(Millis),
    /// A SASL exchange goes on; given up then.
    Authenticating {
        until: Millis,
        is_read_only: bool,
    },
    Established,
    Ended,
}

/// A request that is sent, or will be.
#[derive(Clone, Debug)]
struct Asked {
    ticket: Ticket,
    opcode: i32,
    watching: Option<Watching>,
    removing: Option<(WatcherType, String)>,
    /// Without its xid, which it is given when it is sent.
    frame: Vec<u8>,
}

/// A session. See the module.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    chroot: Chroot,
    hosts: Hosts,
    random: SplitMix64,
    phase: Phase,
    state: State,
    inbound: Inbound,
    session: SessionId,
    password: Vec<u8>,
    /// Whether the session is one of an ensemble with a quorum: another would not know it.
    is_global: bool,
    /// As granted; as wished before.
    timeout_ms: i64,
    last_zxid: Zxid,
    xid: i32,
    last_sent: Millis,
    last_heard: Millis,
    sent: VecDeque<(Xid, Asked)>,
    unsent: VecDeque<Asked>,
    /// Identities, sent to each server: scheme and proof.
    identities: Vec<(String, Option<Vec<u8>>)>,
    /// Whoever waits for the answer to an identity; `None` where it is sent again.
    proving: VecDeque<Option<Ticket>>,
    /// The exchange with this server.
    initiator: Initiator,
    watches: Watches,
}

impl Session {
    /// A session that is yet to be had, at one of the servers. The first [`Input::Tick`] begins.
    pub fn new(servers: ConnectString, settings: Settings) -> Session {
        let mut random = SplitMix64::new(settings.seed);
        Session {
            chroot: servers.chroot,
            hosts: Hosts::new(servers.hosts, &mut random),
            random,
            phase: Phase::Waiting(Millis(0)),
            state: State::Connecting,
            inbound: Inbound::default(),
            session: SessionId(0),
            password: vec![0; PASSWORD_BYTES],
            is_global: false,
            timeout_ms: i64::from(settings.timeout_ms),
            last_zxid: Zxid::ZERO,
            xid: 0,
            last_sent: Millis(0),
            last_heard: Millis(0),
            sent: VecDeque::new(),
            unsent: VecDeque::new(),
            identities: Vec::new(),
            proving: VecDeque::new(),
            initiator: Initiator::default(),
            watches: Watches::default(),
            settings,
        }
    }

    /// Takes an input and appends what it asks of the shell.
    pub fn step(&mut self, now: Millis, input: Input<'_>, out: &mut Vec<Effect>) {
        match input {
            Input::Tick => {}
            Input::Opened => self.opened(now, out),
            Input::Lost => self.lost(now, out),
            Input::Received(bytes) => self.received(now, bytes, out),
            Input::Ask { ticket, request, is_absolute } => {
                self.ask(now, ticket, request, is_absolute, out);
            }
            Input::Forget { kind, path } => {
                let path = self.chroot.to_server(path.into()).into_owned();
                self.forget(kind, &path, out);
            }
        }
        self.tick(now, out);
    }

    /// When the core wants a tick, if ever.
    pub fn deadline(&self) -> Option<Millis> {
        match self.phase {
            Phase::Waiting(until)
            | Phase::Opening(until)
            | Phase::Handshake(until)
            | Phase::Authenticating { until, .. } => Some(until),
            Phase::Established => Some(self.silent_at().min(self.ping_at())),
            Phase::Ended => None,
        }
    }

    /// Whether requests are carried out.
    pub fn state(&self) -> State {
        self.state
    }

    /// Under which the client's paths lie.
    pub fn chroot(&self) -> &Chroot {
        &self.chroot
    }

    /// As the servers know it; 0 before the first.
    pub fn id(&self) -> SessionId {
        self.session
    }

    /// The timeout granted, or wished for, in milliseconds.
    pub fn timeout_ms(&self) -> i64 {
        self.timeout_ms
    }

    /// A server has so long to answer the connect request: each has its part of the session's timeout.
    fn connect_ms(&self) -> i64 {
        (self.timeout_ms / self.hosts.count() as i64).max(1)
    }

    /// Two thirds of the timeout: the last third is for finding another server.
    fn silence_ms(&self) -> i64 {
        self.timeout_ms * 2 / 3
    }

    fn silent_at(&self) -> Millis {
        self.last_heard + self.silence_ms()
    }

    fn ping_at(&self) -> Millis {
        self.last_sent + (self.silence_ms() / 2).clamp(1, PING_INTERVAL_MS)
    }

    fn tick(&mut self, now: Millis, out: &mut Vec<Effect>) {
        match self.phase {
            Phase::Waiting(until) if now >= until => {
                if let Some(host) = self.hosts.next() {
                    self.phase = Phase::Opening(now + self.connect_ms());
                    out.push(Effect::Open(host));
                }
            }
            Phase::Opening(until)
            | Phase::Handshake(until)
            | Phase::Authenticating { until, .. }
                if now >= until =>
            {
                self.lost(now, out);
            }
            Phase::Established if now >= self.silent_at() => self.lost(now, out),
            Phase::Established if now >= self.ping_at() => {
                let mut frame = Vec::new();
                request::encode(&mut frame, Xid::PING, &Request::Ping);
                self.transmit(now, frame, out);
            }
            Phase::Waiting(_)
            | Phase::Opening(_)
            | Phase::Handshake(_)
            | Phase::Authenticating { .. }
            | Phase::Established
            | Phase::Ended => {}
        }
    }

    fn opened(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let Phase::Opening(until) = self.phase else { return };
        self.phase = Phase::Handshake(until);
        self.last_heard = now;
        // A server without a quorum gave a session that no other knows.
        let session = if self.is_global { self.session } else { SessionId(0) };
        let mut frame = Vec::new();
        let connect = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout: self.settings.timeout_ms,
            session,
            password: self.password.clone(),
            read_only: Some(self.settings.read_only),
        };
        request::encode_connect(&mut frame, &connect);
        self.transmit(now, frame, out);
    }

    /// The connection is no more, or not good enough.
    fn lost(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Waiting(_) | Phase::Ended) {
            return;
        }
        self.inbound.clear();
        out.push(Effect::Close);
        // A request to close the session ends it here, whatever the server has heard.
        let is_closing =
            self.sent.iter().any(|(_, asked)| asked.opcode == request::opcode::CLOSE_SESSION);
        self.fail_sent(ErrorCode::ConnectionLoss, out);
        if is_closing {
            return self.end(State::Closed, out);
        }
        // Those of which nobody waits for an answer are sent again with the others.
        self.proving.retain(Option::is_some);
        let rest_ms = match self.hosts.is_round_done() {
            false => 0,
            true => {
                self.fail_unsent(ErrorCode::ConnectionLoss, out);
                let doubled = RETRY_MS << self.hosts.rounds().saturating_sub(1).min(16);
                let most = doubled.min(RETRY_MS_MAX);
                // Not all clients of a server that comes back at the same moment.
                most / 2 + self.random.below(most as u64 / 2 + 1) as i64
            }
        };
        self.phase = Phase::Waiting(now + rest_ms);
        self.become_state(State::Connecting, out);
    }

    fn received(&mut self, now: Millis, bytes: &[u8], out: &mut Vec<Effect>) {
        self.last_heard = now;
        self.inbound.push(bytes);
        loop {
            let is_good = match self.inbound.next(self.settings.frame_max) {
                Ok(None) => return,
                Ok(Some(payload)) => self.frame(now, &payload, out).is_ok(),
                Err(_) => false,
            };
            if !is_good {
                return self.lost(now, out);
            }
        }
    }

    fn forget(&mut self, kind: WatcherType, path: &str, out: &mut Vec<Effect>) {
        for removal in self.watches.remove(kind, path) {
            let path = self.chroot.to_client(path).to_owned();
            out.push(Effect::Removed { removal, path });
        }
    }
}
