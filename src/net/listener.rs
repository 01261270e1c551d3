//! Listening sockets. They outlive a lack of descriptors, and a flood does not outrun the core.
//!
//! When there are no descriptors left, a connection can be neither taken nor refused: the kernel
//! holds it, and the client waits for a server that will not answer. A descriptor kept in reserve
//! is then given up to take such connections and close them, so that their clients go elsewhere.
//! Between two attempts the listener rests.
//!
//! Connections never take the last descriptors: accepts are armed under a lower limit, which the kernel
//! then goes by. A server that cannot open its next log file ends, and with it every connection; so do
//! the others of its ensemble, when the same clients come to them.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Type};

use crate::runtime::{OperationId, Ring, Socket, Token, open_files};

use super::event::NetEvent;
use super::settings::{NetSettings, Security};
use super::socket::set_up;

/// Rest after a failed accept; doubles with each failure in a row up to `REST_MAX`.
const REST: Duration = Duration::from_millis(10);
const REST_MAX: Duration = Duration::from_millis(640);

/// Time between two log lines about it.
const QUIET: Duration = Duration::from_secs(10);

/// Descriptors that clients leave to files and to other servers; and those that other servers leave to
/// files.
const KEPT_FROM_CLIENTS: u64 = 64;
const KEPT_FROM_SERVERS: u64 = 24;

/// Connections turned away at one attempt.
const TURNED_AWAY: usize = 16;

/// A socket that has its address, and refuses connections yet.
#[derive(Debug)]
pub struct Bound {
    socket: socket2::Socket,
    address: SocketAddr,
}

impl Bound {
    /// Which it has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets connections come, and gives a second handle for accepting them until the ring does.
    pub fn listen(&self, backlog: u32) -> io::Result<TcpListener> {
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        self.socket.try_clone().map(TcpListener::from)
    }
}

/// Takes an address. That fails if another process listens there.
pub fn bind(address: SocketAddr) -> io::Result<Bound> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // The wildcard takes IPv4 as well, whatever the system's default.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    let address = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok(Bound { socket, address })
}

/// Whose connections a listener takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Callers {
    /// Clients of the ensemble.
    Clients,
    /// The ensemble's other servers.
    Servers,
}

enum State {
    Accepting {
        operation: OperationId,
        cancelled: bool,
    },
    Resting {
        until: Instant,
    },
    /// To be started when there is room for more connections.
    Idle,
    /// Its place is free for another once nothing is in flight.
    Closed {
        in_flight: bool,
    },
}

struct Listener {
    socket: Socket,
    address: SocketAddr,
    /// Descriptors it leaves to others.
    kept: u64,
    security: Security,
    state: State,
    rest: Duration,
}

/// All listeners of a core, and connections accepted but not yet told of.
pub(super) struct Listeners {
    listeners: Vec<Listener>,
    arrivals: VecDeque<(OwnedFd, usize)>,
    reserve: Option<File>,
    turned_away: u64,
    /// Not before this time is a failure logged again.
    quiet_until: Option<Instant>,
}

impl Listeners {
    pub(super) fn new() -> Listeners {
        let mut listeners = Listeners {
            listeners: Vec::new(),
            arrivals: VecDeque::new(),
            reserve: None,
            turned_away: 0,
            quiet_until: None,
        };
        listeners.keep_reserve();
        listeners
    }

    /// `from`: whose connections come there.
    pub(super) fn open(
        &mut self,
        bound: Bound,
        backlog: u32,
        keepalive: Option<Duration>,
        from: Callers,
        security: Security,
    ) -> io::Result<SocketAddr> {
        let Bound { socket, address: bound } = bound;
        set_up(&SockRef::from(&socket), keepalive);
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        let listener = Listener {
            socket: Socket::new(socket.into()),
            address: bound,
            kept: match from {
                Callers::Clients => KEPT_FROM_CLIENTS,
                Callers::Servers => KEPT_FROM_SERVERS,
            },
            security,
            state: State::Idle,
            rest: REST,
        };
        match self.listeners.iter_mut().find(|l| l.is_free()) {
            Some(free) => *free = listener,
            None => self.listeners.push(listener),
        }
        Ok(bound)
    }

    pub(super) fn close_all(&mut self, ring: &mut Ring) {
        self.listeners.iter_mut().for_each(|listener| listener.close(ring));
        self.arrivals.clear();
    }

    /// Closes the listener of that address, if there is one.
    pub(super) fn close(&mut self, address: SocketAddr, ring: &mut Ring) {
        let open = |listener: &Listener| !matches!(listener.state, State::Closed { .. });
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if listener.address == address && open(listener) {
                listener.close(ring);
                self.arrivals.retain(|(_, from)| *from != index);
            }
        }
    }

    /// Once a round: begins to accept where that has stopped and may go on, stops where too many
    /// have come.
    pub(super) fn attend(
        &mut self,
        ring: &mut Ring,
        settings: &NetSettings,
        now: Instant,
    ) -> io::Result<()> {
        let flooded = self.arrivals.len() >= settings.accepts_per_turn * 8;
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            match &mut listener.state {
                State::Accepting { operation, cancelled } if flooded && !*cancelled => {
                    *cancelled = true;
                    ring.cancel(*operation);
                }
                State::Resting { until } if now < *until => {}
                State::Resting { .. } | State::Idle if !flooded => {
                    let operation = open_files::keeping_back(listener.kept, || {
                        let operation = ring.accept(&listener.socket, Token(index as u64));
                        // The kernel looks at the limit when it is told.
                        ring.enter(Some(Duration::ZERO)).map(|()| operation)
                    })?;
                    listener.state = State::Accepting { operation, cancelled: false };
                }
                State::Accepting { .. }
                | State::Resting { .. }
                | State::Idle
                | State::Closed { .. } => {}
            }
        }
        Ok(())
    }

    /// When the next rest is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.listeners.iter().filter_map(|listener| listener.delayed_until()).min()
    }

    /// A descriptor has become free: those that rest for the lack of one need not.
    pub(super) fn rouse(&mut self, now: Instant) {
        for listener in &mut self.listeners {
            if let State::Resting { until } = &mut listener.state {
                *until = now;
            }
        }
    }

    pub(super) fn accepted(
        &mut self,
        token: Token,
        result: io::Result<OwnedFd>,
        ended: bool,
        now: Instant,
    ) {
        let index = token.0 as usize;
        let listener = &mut self.listeners[index];
        let closed = matches!(listener.state, State::Closed { .. });
        if ended {
            listener.state = if closed { State::Closed { in_flight: false } } else { State::Idle };
        }
        match result {
            Ok(_) if closed => {}
            Ok(fd) => {
                listener.rest = REST;
                self.arrivals.push_back((fd, index));
            }
            Err(error) if !closed => self.failed(index, &error, now),
            Err(_) => {}
        }
    }

    /// An accept has failed. Whatever the reason, it is tried again: a server that no longer
    /// listens is worse than one that tries in vain.
    fn failed(&mut self, index: usize, error: &io::Error, now: Instant) {
        match error.raw_os_error() {
            // Ours, or the peer was gone before we looked.
            Some(libc::ECANCELED | libc::ECONNABORTED | libc::EINTR | libc::EAGAIN) => return,
            Some(libc::EMFILE | libc::ENFILE) => self.turn_away(index),
            _ => {}
        }
        let listener = &mut self.listeners[index];
        if self.quiet_until.is_none_or(|until| now >= until) {
            self.quiet_until = Some(now + QUIET);
            let (address, turned_away) = (listener.address, self.turned_away);
            let limit = open_files::limit().unwrap_or(0);
            tracing::warn!(
                %address,
                turned_away,
                limit,
                kept_for_files = listener.kept,
                "cannot accept connections: {error} (RLIMIT_NOFILE: LimitNOFILE=, ulimit -n)"
            );
        }
        listener.state = State::Resting { until: now + listener.rest };
        listener.rest = (listener.rest * 2).min(REST_MAX);
    }

    fn turn_away(&mut self, index: usize) {
        self.reserve = None;
        let listener = SockRef::from(&self.listeners[index].socket);
        // Nothing else uses the socket now: the accept has just ended.
        if listener.set_nonblocking(true).is_ok() {
            for _ in 0..TURNED_AWAY {
                match listener.accept() {
                    Ok(_closed_at_once) => self.turned_away += 1,
                    Err(_) => break,
                }
            }
            let _ = listener.set_nonblocking(false);
        }
        self.keep_reserve();
    }

    fn keep_reserve(&mut self) {
        // Without one, connections wait until descriptors are free: no reason to fail.
        self.reserve = File::open("/dev/null").ok();
    }

    pub(super) fn has_arrivals(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// Tells of some of those that have arrived.
    pub(super) fn deliver(&mut self, settings: &NetSettings, events: &mut Vec<NetEvent>) {
        for _ in 0..settings.accepts_per_turn {
            let Some((fd, index)) = self.arrivals.pop_front() else { return };
            // One that is gone already has no address.
            let peer = SockRef::from(&fd).peer_addr().ok().and_then(|peer| peer.as_socket());
            let Listener { address: listener, security, .. } = self.listeners[index];
            if let Some(mut peer) = peer {
                // An IPv4 peer of a dual listener is called by its IPv4 address, as Java does:
                // access lists and limits go by it.
                peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                events.push(NetEvent::Accepted { fd, peer, listener, security });
            }
        }
    }
}

impl Listener {
    fn delayed_until(&self) -> Option<Instant> {
        match self.state {
            State::Resting { until } => Some(until),
            State::Accepting { .. } | State::Idle | State::Closed { .. } => None,
        }
    }

    fn is_free(&self) -> bool {
        matches!(self.state, State::Closed { in_flight: false })
    }

    fn close(&mut self, ring: &mut Ring) {
        let in_flight = match self.state {
            State::Accepting { operation, .. } => {
                ring.cancel(operation);
                true
            }
            State::Closed { in_flight } => in_flight,
            State::Resting { .. } | State::Idle => false,
        };
        // The accept that is being cancelled keeps the socket for a while yet. It must not go on
        // taking connections in the kernel, nor keep the address from the next listener.
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
        self.state = State::Closed { in_flight };
    }
}
