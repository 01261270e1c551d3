//! The transport itself: what a role calls, and the turn that moves everything.
//!
//! ```text
//!   turn:  attend (listeners, listed connections) ─► enter the kernel ─► take completions ─► events
//!             ▲    sends, receives, cancels queued      all at once            │ lists connections
//!             └────────────────── until there is an event, or time is up ◄─────┘
//! ```
//!
//! A connection is listed when something about it has to be looked at; the others cost nothing.

use std::hint;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Type};

use crate::runtime::waker::{self, RingSleeper};
use crate::runtime::{Completion, Received, Ring, RingSettings, Socket, Waker};
use crate::tls::Current;
use crate::types::{ConnId, limits};

use super::conn::{Conn, Context, Next};
use super::deadlines::{Deadlines, Ends};
use super::event::{How, NetEvent};
use super::listener::{self, Bound, Callers, Listeners};
use super::sessions::{Contexts, Handshakes};
use super::settings::{ConnOptions, NetSettings, Security};
use super::socket::{set_patience, set_up};
use super::spare::BufferPool;
use super::table::Table;

/// Completions taken in one round, so that a round's events have a bound (I9). The rest waits in
/// the completion queue.
const ROUND: usize = 4096;

/// Completions from which on a round begins with what it has, instead of asking the kernel for
/// more of what it has put off.
const BATCH: usize = 1024;

/// The transport of one network core. Made on the thread that uses it, and stays there.
pub struct Net {
    ring: Ring,
    sleeper: RingSleeper,
    settings: NetSettings,
    listeners: Listeners,
    conns: Table<Conn>,
    /// Connections of which `Closed` has not been said.
    open: usize,
    listed: Vec<u32>,
    /// Empty between turns; keeps its memory.
    attending: Vec<u32>,
    deadlines: Deadlines,
    /// The kernel had too few buffers.
    scarce: bool,
    spare: BufferPool,
    /// What [`Net::submit`] has come upon, for the next turn to tell.
    reported: Vec<NetEvent>,
    /// What TLS sessions are begun with.
    tls: Contexts,
    /// Connections whose handshake has something to do.
    handshakes: Handshakes,
}

impl Net {
    /// A transport with its own waker. Fails as [`crate::runtime::probe()`] explains.
    pub fn new(settings: NetSettings) -> io::Result<Net> {
        let (sleeper, _) = waker::for_ring()?;
        Net::with_sleeper(settings, sleeper)
    }

    /// A transport woken by a waker that was made before ([`waker::for_ring`]), so that mailboxes
    /// to this core can exist before its thread runs.
    pub fn with_sleeper(settings: NetSettings, sleeper: RingSleeper) -> io::Result<Net> {
        let mut ring = Ring::new(RingSettings {
            entries: settings.ring_entries,
            buffers: settings.receive_buffers,
            buffer_bytes: settings.receive_buffer_bytes,
        })?;
        ring.watch(&sleeper);
        Ok(Net {
            ring,
            scarce: false,
            sleeper,
            settings,
            listeners: Listeners::new(),
            conns: Table::new(),
            open: 0,
            listed: Vec::new(),
            attending: Vec::new(),
            deadlines: Deadlines::default(),
            spare: BufferPool::default(),
            reported: Vec::new(),
            tls: Contexts::default(),
            handshakes: Handshakes::default(),
        })
    }

    /// Clients' connections may have TLS from now on.
    pub fn serve_tls(&mut self, tls: Arc<Current>) {
        self.tls.clients = Some(tls);
    }

    /// Connections with other servers may.
    pub fn serve_peer_tls(&mut self, tls: Arc<Current>) {
        self.tls.servers = Some(tls);
    }

    /// What other servers may be known by, beside their addresses, when they connect from now on.
    pub fn name_peers(&mut self, hosts: Arc<[String]>) {
        self.tls.hosts = hosts;
    }

    /// Accepts connections at `addr` (port 0: the kernel chooses; an IPv6 wildcard takes IPv4 as
    /// well) from the next turn on. Returns the address bound, which [`NetEvent::Accepted`]
    /// repeats.
    pub fn listen(&mut self, addr: SocketAddr, backlog: u32) -> io::Result<SocketAddr> {
        self.listen_at(listener::bind(addr)?, backlog, Security::Plain)
    }

    /// The same at an address that was taken before. [`NetEvent::Accepted`] repeats how its connections
    /// are secured.
    pub fn listen_at(
        &mut self,
        bound: Bound,
        backlog: u32,
        security: Security,
    ) -> io::Result<SocketAddr> {
        let keepalive = self.settings.keepalive;
        self.listeners.open(bound, backlog, keepalive, Callers::Clients, security)
    }

    /// As [`Net::listen`], for other servers: there are descriptors for them when clients have taken all
    /// that they may.
    pub fn listen_for_servers(
        &mut self,
        addr: SocketAddr,
        backlog: u32,
        security: Security,
    ) -> io::Result<SocketAddr> {
        let bound = listener::bind(addr)?;
        let keepalive = self.settings.keepalive;
        self.listeners.open(bound, backlog, keepalive, Callers::Servers, security)
    }

    /// Closes all listeners; connections stay.
    pub fn stop_listening(&mut self) {
        self.listeners.close_all(&mut self.ring);
    }

    /// Closes the listener at that address, which `listen` returned; it may be bound again at once.
    /// Connections stay.
    pub fn stop_listening_at(&mut self, address: SocketAddr) {
        self.listeners.close(address, &mut self.ring);
    }

    /// Takes over a socket that a transport with these settings has accepted, and begins to read
    /// it in the next turn.
    pub fn adopt(&mut self, stream: OwnedFd, peer: SocketAddr) -> ConnId {
        self.adopt_secured(stream, peer, Security::Plain)
    }

    /// The same with what stands between its bytes and its role's.
    pub fn adopt_secured(
        &mut self,
        stream: OwnedFd,
        peer: SocketAddr,
        security: Security,
    ) -> ConnId {
        // Its options are its listener's.
        let mut conn = Conn::new(Socket::new(stream), peer);
        conn.bounds(self.settings.outbound_close, true);
        conn.secure(security, &self.tls);
        self.insert(conn)
    }

    /// Whether the connection has TLS.
    pub fn is_secure(&self, conn: ConnId) -> bool {
        self.conns.get(conn).is_some_and(|c| c.tls.is_some())
    }

    /// Whether its session's handshake is not done yet.
    pub fn is_handshaking(&self, conn: ConnId) -> bool {
        let tls = self.conns.get(conn).and_then(|c| c.tls.as_ref());
        tls.is_some_and(|tls| tls.is_handshaking())
    }

    /// The subject of the certificate that the peer has shown, as Java writes it.
    pub fn subject(&self, conn: ConnId) -> Option<Arc<str>> {
        self.conns.get(conn)?.tls.as_ref()?.subject().cloned()
    }

    /// Takes over any socket, with options of its own.
    pub fn adopt_with(
        &mut self,
        stream: OwnedFd,
        peer: SocketAddr,
        options: &ConnOptions,
    ) -> ConnId {
        self.adopt_peer(stream, peer, options, Security::Plain)
    }

    /// The same of another server's, with what stands between its bytes and its role's.
    pub fn adopt_peer(
        &mut self,
        stream: OwnedFd,
        peer: SocketAddr,
        options: &ConnOptions,
        security: Security,
    ) -> ConnId {
        set_up(&SockRef::from(&stream), options.keepalive);
        set_patience(&SockRef::from(&stream), options.dead_after);
        let mut conn = Conn::new(Socket::new(stream), peer);
        conn.with = Callers::Servers;
        conn.bounds(options.outbound_close, false);
        conn.secure(security, &self.tls);
        self.insert(conn)
    }

    /// Connects to `peer` from the next turn on. [`NetEvent::Connected`] says when it is there,
    /// [`NetEvent::Closed`] when that takes longer than `timeout` or fails. The error is a lack of
    /// descriptors or memory.
    pub fn connect(
        &mut self,
        peer: SocketAddr,
        timeout: Duration,
        options: &ConnOptions,
    ) -> io::Result<ConnId> {
        self.connect_as(peer, timeout, options, None)
    }

    /// The same with TLS, to a server that is known by that host; the handshake has its part of the time.
    pub fn connect_secured(
        &mut self,
        peer: SocketAddr,
        timeout: Duration,
        options: &ConnOptions,
        host: &str,
    ) -> io::Result<ConnId> {
        self.connect_as(peer, timeout, options, Some(host))
    }

    fn connect_as(
        &mut self,
        peer: SocketAddr,
        timeout: Duration,
        options: &ConnOptions,
        secured: Option<&str>,
    ) -> io::Result<ConnId> {
        let domain = Domain::for_address(peer);
        let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        set_up(&SockRef::from(&socket), options.keepalive);
        set_patience(&SockRef::from(&socket), options.dead_after);
        let deadline = Instant::now() + timeout;
        let mut conn = Conn::connecting(Socket::new(socket.into()), peer, deadline);
        conn.with = Callers::Servers;
        conn.bounds(options.outbound_close, false);
        if let Some(host) = secured {
            conn.secure_dialed(host, &self.tls).map_err(io::Error::other)?;
        }
        let id = self.insert(conn);
        self.deadlines.add_connect(deadline, id);
        if let Some(conn) = self.conns.get_mut(id) {
            conn.begin_connecting(id, &mut self.ring);
        }
        Ok(id)
    }

    fn insert(&mut self, conn: Conn) -> ConnId {
        let id = self.conns.insert(conn);
        self.open += 1;
        self.list(id.slot);
        id
    }

    /// Wakes this thread out of `turn`: for the mailboxes of the roles that live here.
    pub fn waker(&self) -> Waker {
        self.sleeper.waker()
    }

    /// Bytes received and not yet consumed; none when the connection is released.
    pub fn input(&self, conn: ConnId) -> &[u8] {
        self.conns.get(conn).map_or(&[], |c| c.input.bytes(&self.ring))
    }

    /// Takes the first `n` bytes off `input`. Panics when there are fewer.
    pub fn consume(&mut self, conn: ConnId, n: usize) {
        let Some(c) = self.conns.get_mut(conn) else {
            assert!(n == 0, "consumed {n} bytes of a connection that is gone");
            return;
        };
        let was_full = c.is_full(&self.settings);
        c.input.consume(n, &mut self.ring, &mut self.spare);
        if was_full {
            self.list(conn.slot);
        }
    }

    /// Bytes appended here leave at the next turn. `None` when the connection is gone or closing, or
    /// its peer takes nothing more. Only to be appended to.
    pub fn output(&mut self, conn: ConnId) -> Option<&mut Vec<u8>> {
        let c = self.conns.get_mut(conn).filter(|c| c.hears())?;
        if !c.listed {
            c.listed = true;
            self.listed.push(conn.slot);
        }
        let output = &mut c.outgoing.output;
        if output.capacity() == 0 {
            *output = self.spare.take();
        }
        Some(output)
    }

    /// [`Net::input`] and [`Net::output`] of one connection at once, for answering while parsing.
    /// `None` when there is no output.
    pub fn split(&mut self, conn: ConnId) -> Option<(&[u8], &mut Vec<u8>)> {
        self.output(conn)?;
        let c = self.conns.get_mut(conn)?;
        Some((c.input.bytes(&self.ring), &mut c.outgoing.output))
    }

    /// Bytes queued and not yet taken by the kernel, as far as it has said; 0 when the connection
    /// is gone.
    pub fn unsent(&self, conn: ConnId) -> usize {
        self.conns.get(conn).map_or(0, |c| c.outgoing.unsent())
    }

    /// Says [`NetEvent::Drained`] once when the kernel has taken everything that is queued now, in
    /// the next turn if it has already; what is queued later is not waited for. A new mark takes
    /// the place of one that was not reached. Gives the mark's place, counted as [`Net::taken`] is.
    pub fn mark(&mut self, conn: ConnId) -> u64 {
        let Some(c) = self.conns.get_mut(conn) else { return 0 };
        let at = c.mark();
        self.list(conn.slot);
        at
    }

    /// How many of the bytes queued on this connection the kernel has taken, ever; none when it is
    /// gone.
    pub fn taken(&self, conn: ConnId) -> u64 {
        self.conns.get(conn).map_or(0, |c| c.outgoing.taken())
    }

    /// How many bytes this connection has or had to send, ever, as they go over the wire: with TLS more
    /// than its role has appended. What [`Net::acknowledged`] can be compared with.
    pub fn queued(&self, conn: ConnId) -> u64 {
        self.conns.get(conn).map_or(0, |c| c.outgoing.queued())
    }

    /// How many bytes its peer's machine has acknowledged, as the kernel counts them: it rises while
    /// a send is still under way. One system call: for those of whom somebody doubts that they are
    /// there.
    pub fn acknowledged(&self, conn: ConnId) -> u64 {
        self.conns.get(conn).map_or(0, Conn::acknowledged)
    }

    /// Reads the connection no further than `inbound_throttled`, or as far as others again. What comes
    /// is told all the same: that a client speaks counts, though nobody acts on it yet.
    pub fn throttle(&mut self, conn: ConnId, throttled: bool) {
        if let Some(c) = self.conns.get_mut(conn) {
            c.throttle(throttled);
            self.list(conn.slot);
        }
    }

    /// Stops reading the connection; `Received` and `Ended` are held back.
    pub fn pause(&mut self, conn: ConnId) {
        if let Some(c) = self.conns.get_mut(conn) {
            c.pause();
            self.list(conn.slot);
        }
    }

    /// Reads it again; the next turn says `Received` if bytes are left in `input`.
    pub fn resume(&mut self, conn: ConnId) {
        if let Some(c) = self.conns.get_mut(conn) {
            c.resume();
            self.list(conn.slot);
        }
    }

    /// Ends the connection; a later turn says `Closed`, unless it has been said. What is left in
    /// `input` is forgotten.
    pub fn close(&mut self, conn: ConnId, how: How) {
        let (ring, spare) = (&mut self.ring, &mut self.spare);
        let Some(c) = self.conns.get_mut(conn) else { return };
        match how {
            How::AfterFlush => c.flush(ring, spare),
            How::Now => c.cut(false, ring, spare),
            How::Reset => c.cut(true, ring, spare),
        }
        self.list(conn.slot);
    }

    /// The role has looked at the connection's end, which `Closed` has told: nothing is asked about
    /// it any more, and its slot may be given to another.
    pub fn release(&mut self, conn: ConnId) {
        let Some(c) = self.conns.get_mut(conn) else { return };
        c.release(&mut self.ring, &mut self.spare);
        self.list(conn.slot);
    }

    /// The peer's address; `None` when the connection is gone.
    pub fn peer(&self, conn: ConnId) -> Option<SocketAddr> {
        self.conns.get(conn).map(|c| c.peer)
    }

    /// Connections of which `Closed` has not been said, in no particular order.
    pub fn conns(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.conns.iter().filter(|(_, c)| !c.reported).map(|(id, _)| id)
    }

    /// Connections that keep a slot: those, and the ones whose end nobody has released.
    pub fn held(&self) -> usize {
        self.conns.iter().count()
    }

    /// Connections of which `Closed` has not been said.
    pub fn len(&self) -> usize {
        self.open
    }

    /// No connection is open.
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Receive buffers in which input stands; after a turn, those of its `Received` at most.
    pub fn receive_buffers_in_use(&self) -> usize {
        self.ring.buffers_out()
    }

    fn list(&mut self, slot: u32) {
        if let Some((_, c)) = self.conns.at_mut(slot).filter(|(_, c)| !c.listed) {
            c.listed = true;
            self.listed.push(slot);
        }
    }
}

/// The turn.
impl Net {
    /// Submits what is queued, waits for completions at most `wait` (`None`: until something
    /// happens; zero: not at all), and puts what happened into `events`, which must be empty: what
    /// the last turn told has been looked at. Bytes that `input` has shown and that were not
    /// consumed are still there, elsewhere.
    pub fn turn(&mut self, wait: Option<Duration>, events: &mut Vec<NetEvent>) -> io::Result<()> {
        assert!(events.is_empty(), "a turn over events that nobody has looked at");
        events.append(&mut self.reported);
        let mut now = Instant::now();
        // A wait too long to be told from forever is forever.
        let until = wait.and_then(|wait| now.checked_add(wait));
        loop {
            self.listeners.attend(&mut self.ring, &self.settings, now)?;
            self.attend_listed(now, events);
            let idle = events.is_empty()
                && self.listed.is_empty()
                && self.handshakes.is_empty()
                && !self.listeners.has_arrivals();
            let patience = if idle { self.patience(now, until) } else { Some(Duration::ZERO) };
            if self.sleep(patience)? {
                events.push(NetEvent::Woken);
            }
            now = Instant::now();
            self.take_completions(now, events);
            self.shake_some(now, events);
            self.expire(now, events);
            self.listeners.deliver(&self.settings, events);
            let time_is_up = wait.is_some() && until.is_none_or(|until| now >= until);
            if !events.is_empty() || time_is_up {
                return Ok(());
            }
        }
    }

    /// Sends what is queued and looks at nothing that has come: for a role that is about to be busy
    /// elsewhere.
    pub fn submit(&mut self) -> io::Result<()> {
        let mut reported = mem::take(&mut self.reported);
        self.attend_listed(Instant::now(), &mut reported);
        self.reported = reported;
        self.ring.enter(Some(Duration::ZERO))
    }

    /// How long nothing but the kernel and other threads can bring work.
    fn patience(&self, now: Instant, until: Option<Instant>) -> Option<Duration> {
        let deadline = self.deadlines.first();
        let first = [until, deadline, self.listeners.deadline()].into_iter().flatten().min();
        first.map(|at| at.saturating_duration_since(now))
    }

    /// Enters the kernel, sleeping there for at most `patience`. True when the waker was used.
    fn sleep(&mut self, patience: Option<Duration>) -> io::Result<bool> {
        let mut patience = patience;
        if patience != Some(Duration::ZERO) && !self.settings.spin.is_zero() {
            self.ring.enter(Some(Duration::ZERO))?;
            self.spin(patience);
        }
        if patience != Some(Duration::ZERO) && !self.sleeper.fall_asleep() {
            patience = Some(Duration::ZERO);
        }
        let entered = self.ring.enter(patience);
        let woken = self.sleeper.woken();
        entered?;
        // A round's worth at a time: the kernel hands over deferred work in small pieces.
        while self.ring.ready() < BATCH && self.ring.catch_up()? {}
        Ok(woken)
    }

    /// Looks for work for a while before sleeping.
    fn spin(&mut self, patience: Option<Duration>) {
        let spin = patience.map_or(self.settings.spin, |p| p.min(self.settings.spin));
        let began = Instant::now();
        while !self.ring.is_ready() && !self.sleeper.is_notified() && began.elapsed() < spin {
            hint::spin_loop();
        }
    }

    fn attend_listed(&mut self, now: Instant, events: &mut Vec<NetEvent>) {
        let mut attending = mem::replace(&mut self.listed, mem::take(&mut self.attending));
        // The kernel fills buffers in the order in which it was asked to: always the same order would
        // leave the same connections without any, for as long as others send all they can.
        if mem::take(&mut self.scarce) {
            let conns = &mut self.conns;
            attending.sort_by_key(|slot| conns.at_mut(*slot).map_or((0, true), |(_, c)| c.place()));
        }
        for slot in attending.drain(..) {
            self.step(slot, now, events, |conn, id, around| conn.attend(id, around));
        }
        self.attending = attending;
    }

    fn take_completions(&mut self, now: Instant, events: &mut Vec<NetEvent>) {
        for _ in 0..ROUND {
            let Some(completion) = self.ring.next() else { return };
            match completion {
                Completion::Received { token, result, ended } => {
                    self.scarce |= matches!(result, Received::NoBuffers);
                    self.step(token.0 as u32, now, events, |conn, id, around| {
                        conn.received(id, result, ended, around)
                    });
                }
                Completion::Sent { token, result, bytes } => {
                    self.step(token.0 as u32, now, events, |conn, id, around| {
                        conn.sent(id, result, bytes, around)
                    });
                }
                Completion::Connected { token, result } => {
                    self.step(token.0 as u32, now, events, |conn, id, around| {
                        conn.connected(id, result, around)
                    });
                }
                Completion::Accepted { token, result, ended } => {
                    self.listeners.accepted(token, result, ended, now);
                }
                Completion::Rang { ended: true } => self.ring.watch(&self.sleeper),
                Completion::Rang { ended: false } => {}
            }
        }
    }

    /// A few handshakes go on.
    fn shake_some(&mut self, now: Instant, events: &mut Vec<NetEvent>) {
        for with in [Callers::Servers, Callers::Clients] {
            for _ in 0..limits::HANDSHAKES_PER_TURN {
                let Some(id) = self.handshakes.of(with).pop_front() else { break };
                if self.conns.get(id).is_some() {
                    self.step(id.slot, now, events, |conn, id, around| conn.shake(id, around));
                }
            }
        }
    }

    /// What came for a handshake waits for its turn; the first of it starts its time.
    fn queue_handshake(&mut self, id: ConnId, now: Instant) {
        self.list(id.slot);
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Some(tls) = conn.tls.as_mut().filter(|tls| !tls.queued) else { return };
        tls.queued = true;
        let (time, ends) = match conn.with {
            Callers::Clients => (self.settings.handshake, Ends::Handshake),
            Callers::Servers => (self.settings.peer_handshake, Ends::PeerHandshake),
        };
        self.handshakes.of(conn.with).push_back(id);
        if conn.deadline.is_none() {
            let at = now + time;
            conn.deadline = Some(at);
            let conns = &self.conns;
            let is_void = |at, id| conns.get(id).is_none_or(|conn| !conn.ends_at(at));
            self.deadlines.add(ends, at, id, is_void);
        }
    }

    fn expire(&mut self, now: Instant, events: &mut Vec<NetEvent>) {
        while let Some((at, id)) = self.deadlines.take_due(now) {
            if self.conns.get(id).is_some() {
                self.step(id.slot, now, events, |conn, id, around| conn.expire(id, at, around));
            }
        }
    }

    /// One step of one connection, and what follows from it.
    fn step(
        &mut self,
        slot: u32,
        now: Instant,
        events: &mut Vec<NetEvent>,
        step: impl FnOnce(&mut Conn, ConnId, &mut Context<'_>) -> Next,
    ) {
        let found = self.conns.at_mut(slot);
        assert!(found.is_some(), "a listed slot, or one with operations in flight, is taken");
        let Some((id, conn)) = found else { return };
        let mut around = Context {
            ring: &mut self.ring,
            spare: &mut self.spare,
            settings: &self.settings,
            now,
            events,
            tls: &self.tls,
        };
        let was_reported = conn.reported;
        let next = step(conn, id, &mut around);
        self.open -= usize::from(conn.reported && !was_reported);
        match next {
            Next::Nothing => {}
            Next::Again => self.list(slot),
            Next::Handshake => self.queue_handshake(id, now),
            Next::At(at, what) => {
                let conns = &self.conns;
                let is_void = |at, id| conns.get(id).is_none_or(|conn| !conn.ends_at(at));
                self.deadlines.add(what, at, id, is_void);
            }
            Next::Gone => {
                self.conns.remove(slot);
                self.listeners.rouse(now);
            }
        }
    }
}
