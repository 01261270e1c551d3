//! One connection: its way from adoption to its end.
//!
//! ```text
//!   Connecting ─── failure, time is up, close ────────────────────────┐
//!    │                                                                │
//!    ▼                                  all sent             peer's end,
//!           close(AfterFlush)           (Closed said)        time is up
//!   Open ────────────────────► Flushing ────────────► Lingering ──────┤
//!    │                            │ peer has ended, or failed         ▼
//!    └──── close(Now | Reset), failure, slow reader ─────────────► Ending ──► slot free
//!                                                                  waits for its operations,
//!                                                                  and to be released
//! ```
//!
//! A connection with TLS is `Open` from its handshake on; one that was made from here is told of when
//! that is done. Its session stands between the kernel's bytes
//! and `input`, and between `output` and the kernel (`secure`).
//!
//! The two directions end apart. The peer's end leaves the connection open: what is owed to it is
//! the role's to know. A send that fails leaves it open too, until everything that has come has been
//! taken: a client that says goodbye and hangs up resets the connection with our next answer, and
//! what it asked for before may still be in the kernel.

use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::mutants::{self, Mutant};
use crate::runtime::{Filled, OperationId, Received, Ring, Socket, Token};
use crate::tls::{Failure, Session};
use crate::types::ConnId;
use crate::types::limits::reached;

use super::deadlines::Ends;
use super::event::{CloseReason, NetEvent};
use super::input::Input;
use super::listener::Callers;
use super::outgoing::Outgoing;
use super::sessions::Contexts;
use super::settings::NetSettings;
use super::spare::BufferPool;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// The peer has not taken it yet.
    Connecting,
    Open,
    /// Sends what is left; reads only to hear the peer's end.
    Flushing,
    /// All is sent and our direction ended. Closing now, with bytes of the peer unread, would
    /// make the kernel send a reset, which may overtake our last bytes at the peer.
    Lingering,
    /// Nothing is wanted any more; operations in flight are being cancelled.
    Ending,
}

pub(super) struct Conn {
    socket: Socket,
    pub(super) peer: SocketAddr,
    pub(super) phase: Phase,
    pub(super) input: Input,
    pub(super) outgoing: Outgoing,
    /// The connecting, and later the receiving: never both.
    receiving: Option<OperationId>,
    /// When the present phase ends by itself.
    pub(super) deadline: Option<Instant>,
    /// Why it ends; means nothing while open.
    pub(super) reason: CloseReason,
    /// `Closed` has been said.
    pub(super) reported: bool,
    /// It is on the list of those to be attended to.
    pub(super) listed: bool,
    /// The role has asked not to read.
    paused: bool,
    /// `Received` is owed for what a pause has hidden.
    pending: bool,
    /// `Received` has been said since the last attendance, which is since the last turn.
    announced: bool,
    /// It is read no further than `inbound_throttled`.
    throttled: bool,
    /// `outbound_pause` bytes or more were unsent.
    choked: bool,
    /// What is in flight and no longer wanted has been cancelled.
    cancelling: bool,
    /// The peer sends nothing more.
    pub(super) peer_ended: bool,
    /// The kernel had no buffer for its bytes.
    starved: bool,
    /// `Ended` has been said.
    end_reported: bool,
    /// The peer takes nothing more.
    deaf: bool,
    /// Its role has looked at its end.
    pub(super) released: bool,
    /// `outbound_close` is for peers that do not read, not for the size of what they do read.
    patient: bool,
    /// What the peer had acknowledged when the deadline of a flush was set.
    acknowledged: u64,
    /// `Drained` is owed once the kernel has taken everything before this byte.
    mark: Option<u64>,
    /// Bytes unsent from which on it is closed.
    outbound_close: usize,
    /// Whose it is.
    pub(super) with: Callers,
    /// Whether it has a session is not known before its first byte.
    pub(super) undecided: bool,
    /// Stands between its bytes and its role's.
    pub(super) tls: Option<Box<Session>>,
}

// Ten thousand idle connections are a few megabytes here.
const _: () = assert!(size_of::<Conn>() <= 368);

/// What a step needs of its surroundings, and what it leaves there.
pub(super) struct Context<'a> {
    pub(super) ring: &'a mut Ring,
    pub(super) spare: &'a mut BufferPool,
    pub(super) settings: &'a NetSettings,
    pub(super) now: Instant,
    pub(super) events: &'a mut Vec<NetEvent>,
    /// What sessions are begun with.
    pub(super) tls: &'a Contexts,
}

/// What has to follow a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Nothing,
    /// Attend to it in the next round.
    Again,
    /// Call `expire` then.
    At(Instant, Ends),
    /// Call `shake` when it is its turn.
    Handshake,
    /// Nothing is in flight any more: the slot is free.
    Gone,
}

/// The role's side.
impl Conn {
    /// Nothing closes it for what is unsent before [`Conn::bounds`].
    pub(super) fn new(socket: Socket, peer: SocketAddr) -> Conn {
        Conn {
            socket,
            peer,
            phase: Phase::Open,
            input: Input::default(),
            outgoing: Outgoing::default(),
            receiving: None,
            deadline: None,
            reason: CloseReason::Asked,
            reported: false,
            listed: false,
            paused: false,
            pending: false,
            announced: false,
            throttled: false,
            choked: false,
            cancelling: false,
            peer_ended: false,
            starved: false,
            end_reported: false,
            deaf: false,
            released: false,
            patient: false,
            acknowledged: 0,
            mark: None,
            outbound_close: usize::MAX,
            with: Callers::Clients,
            undecided: false,
            tls: None,
        }
    }

    /// One whose peer has still to take it, by `deadline` at the latest.
    pub(super) fn connecting(socket: Socket, peer: SocketAddr, deadline: Instant) -> Conn {
        let mut conn = Conn::new(socket, peer);
        conn.phase = Phase::Connecting;
        conn.deadline = Some(deadline);
        conn
    }

    /// `patient`: the bound on what is unsent is for a peer that takes none of it.
    pub(super) fn bounds(&mut self, outbound_close: usize, patient: bool) {
        (self.outbound_close, self.patient) = (outbound_close, patient);
    }

    /// Where the next byte to be appended stands; `Drained` is said once all before it is taken.
    pub(super) fn mark(&mut self) -> u64 {
        let at = self.outgoing.position();
        self.mark = Some(at);
        at
    }

    /// See [`super::Net::acknowledged`].
    pub(super) fn acknowledged(&self) -> u64 {
        self.socket.bytes_acknowledged()
    }

    /// Asks the kernel to connect; once.
    pub(super) fn begin_connecting(&mut self, id: ConnId, ring: &mut Ring) {
        assert!(self.phase == Phase::Connecting && self.receiving.is_none(), "asked once");
        self.receiving = Some(ring.connect(&self.socket, self.peer.into(), token(id)));
    }

    /// Order in which connections are read when buffers are scarce, smallest first: whose request is still short,
    /// and among those who had none before.
    pub(super) fn place(&self) -> (usize, bool) {
        (self.input.len(), !self.starved)
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn resume(&mut self) {
        self.pending |= self.paused;
        self.paused = false;
    }

    pub(super) fn throttle(&mut self, throttled: bool) {
        self.throttled = throttled;
    }

    /// There is so much input that it is not read.
    pub(super) fn is_full(&self, settings: &NetSettings) -> bool {
        let bound =
            if self.throttled { settings.inbound_throttled } else { settings.inbound_pause };
        reached(self.input.len(), bound)
    }

    /// Whether the role may still append output.
    pub(super) fn hears(&self) -> bool {
        self.phase == Phase::Open && !self.deaf
    }

    /// Its role has looked at its end: nothing of it is wanted any more.
    pub(super) fn release(&mut self, ring: &mut Ring, spare: &mut BufferPool) {
        assert!(self.reported, "a connection is released behind its end");
        self.released = true;
        self.input.clear(ring, spare);
    }

    /// Begins an orderly end.
    pub(super) fn flush(&mut self, ring: &mut Ring, spare: &mut BufferPool) {
        if self.phase == Phase::Open {
            self.phase = Phase::Flushing;
            self.deadline = None;
            let by_peer = self.peer_ended;
            self.reason = if by_peer { CloseReason::PeerClosed } else { CloseReason::Asked };
            self.input.clear(ring, spare);
            if let Some(tls) = &mut self.tls {
                tls.end();
            }
        } else if self.phase == Phase::Connecting {
            // There is nothing to be sent first.
            self.end(CloseReason::Asked);
        }
    }

    /// Ends it at once.
    pub(super) fn cut(&mut self, reset: bool, ring: &mut Ring, spare: &mut BufferPool) {
        if reset {
            self.reset();
        }
        self.end(CloseReason::Asked);
        self.input.clear(ring, spare);
    }

    /// What was cut off must not look whole to the peer.
    fn reset(&self) {
        // Closing a socket that lingers for no time resets the connection. An error means that
        // there is none any more.
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    pub(super) fn end(&mut self, reason: CloseReason) {
        if self.phase != Phase::Ending {
            self.phase = Phase::Ending;
            // A peer that hangs up when it hears of a failure does not change what it was.
            if !matches!(self.reason, CloseReason::Tls(_)) {
                self.reason = reason;
            }
            self.deadline = None;
            // What was wanted until now no longer is.
            self.cancelling = false;
        }
    }
}

/// Attendance: once a turn at most, for those that something has happened to.
impl Conn {
    pub(super) fn attend(&mut self, id: ConnId, around: &mut Context<'_>) -> Next {
        self.listed = false;
        self.announced = false;
        self.starved = false;
        self.input.settle(around.ring, around.spare);
        match self.phase {
            Phase::Connecting => Next::Nothing,
            Phase::Open => self.attend_open(id, around),
            Phase::Flushing => self.attend_flushing(id, around),
            Phase::Lingering => self.attend_lingering(id, around),
            Phase::Ending => self.attend_ending(id, around),
        }
    }

    fn attend_open(&mut self, id: ConnId, around: &mut Context<'_>) -> Next {
        let unsent = self.outgoing.unsent();
        let limit = self.outbound_close;
        let is_far_behind = reached(unsent, limit);
        if is_far_behind && !self.patient {
            self.reset();
            return self.fail(id, CloseReason::SlowReader { unsent, limit }, around);
        }
        if self.pending && !self.paused {
            self.pending = false;
            self.announce(id, around.events);
        }
        if mutants::on(Mutant::InputDroppedAtEnd) && self.peer_ended && !self.announced {
            self.flush(around.ring, around.spare);
            return self.attend_flushing(id, around);
        }
        self.announce_end(id, around.events);
        let tls = self.tls.as_deref_mut();
        self.outgoing.send_some(false, tls, around.ring, &self.socket, token(id), around.spare);
        if is_choking(unsent, around.settings.outbound_pause) {
            self.choked = true;
        } else if self.choked {
            self.choked = false;
            around.events.push(NetEvent::Drained(id));
        }
        if self.mark.is_some_and(|at| at <= self.outgoing.taken()) {
            self.mark = None;
            around.events.push(NetEvent::Drained(id));
        }
        // A connection over its limit of output is still read: its client's pings keep its session. One that hears
        // nothing more is read to its end, which may be all that its role waits for.
        let wanted =
            !self.peer_ended && (!self.paused || self.deaf) && !self.is_full(around.settings);
        let wanted = wanted && self.tls.as_ref().is_none_or(|tls| !tls.is_full());
        self.read_if(wanted, id, around.ring);
        if is_far_behind && self.deadline.is_none() {
            // Only one thing can follow. `Received` may now be said twice, which does no harm.
            self.announced = false;
            return self.within(Ends::Flush, around.settings.flush, around.now);
        }
        if self.announced { Next::Again } else { Next::Nothing }
    }

    fn attend_flushing(&mut self, id: ConnId, around: &mut Context<'_>) -> Next {
        if self.deaf {
            return self.fail(id, CloseReason::PeerReset, around);
        }
        if !self.has_unsent() {
            let ended = SockRef::from(&self.socket).shutdown(Shutdown::Write).is_err();
            if ended || self.peer_ended {
                self.end(self.reason);
                return self.attend_ending(id, around);
            }
            self.say_closed(id, around.events);
            self.phase = Phase::Lingering;
            self.deadline = None;
            return self.attend_lingering(id, around);
        }
        let tls = self.tls.as_deref_mut();
        self.outgoing.send_some(true, tls, around.ring, &self.socket, token(id), around.spare);
        self.read_if(!self.peer_ended, id, around.ring);
        self.within(Ends::Flush, around.settings.flush, around.now)
    }

    fn attend_lingering(&mut self, id: ConnId, around: &mut Context<'_>) -> Next {
        self.outgoing.clear(around.spare);
        self.read_if(true, id, around.ring);
        self.within(Ends::Linger, around.settings.linger, around.now)
    }

    fn attend_ending(&mut self, id: ConnId, around: &mut Context<'_>) -> Next {
        self.say_closed(id, around.events);
        self.outgoing.clear(around.spare);
        let released = self.released || mutants::on(Mutant::SlotReusedUnreleased);
        if self.receiving.is_none() && self.outgoing.sending.is_none() {
            return if released { Next::Gone } else { Next::Nothing };
        }
        if !self.cancelling {
            self.cancelling = true;
            for operation in [self.receiving, self.outgoing.sending].into_iter().flatten() {
                around.ring.cancel(operation);
            }
        }
        Next::Nothing
    }

    /// The present phase must end in time; says so once.
    fn within(&mut self, what: Ends, time: Duration, now: Instant) -> Next {
        if self.deadline.is_some() {
            return Next::Nothing;
        }
        let deadline = now + time;
        self.deadline = Some(deadline);
        if what == Ends::Flush {
            self.acknowledged = self.acknowledged();
        }
        Next::At(deadline, what)
    }

    /// Whether the peer has taken anything since the deadline was set.
    fn is_read(&self) -> bool {
        self.acknowledged() > self.acknowledged
    }

    fn read_if(&mut self, wanted: bool, id: ConnId, ring: &mut Ring) {
        match self.receiving {
            None if wanted => self.receiving = Some(ring.receive(&self.socket, token(id))),
            Some(operation) if !wanted && !self.cancelling => {
                self.cancelling = true;
                ring.cancel(operation);
            }
            None | Some(_) => {}
        }
    }

    fn announce(&mut self, id: ConnId, events: &mut Vec<NetEvent>) {
        if !self.announced && !self.input.is_empty() {
            self.announced = true;
            events.push(NetEvent::Received(id));
        }
    }

    /// Not while `Received` is held back: the end comes behind everything else.
    pub(super) fn announce_end(&mut self, id: ConnId, events: &mut Vec<NetEvent>) {
        let waits = self.tls.as_ref().is_some_and(|tls| tls.has_waiting());
        if self.peer_ended && !self.paused && !self.end_reported && !waits {
            self.end_reported = true;
            events.push(NetEvent::Ended(id));
        }
    }

    fn say_closed(&mut self, id: ConnId, events: &mut Vec<NetEvent>) {
        if !self.reported {
            self.reported = true;
            events.push(NetEvent::Closed(id, self.reason));
        }
    }

    /// It is of no use any more. What was received can still be read.
    pub(super) fn fail(
        &mut self,
        id: ConnId,
        reason: CloseReason,
        around: &mut Context<'_>,
    ) -> Next {
        self.end(reason);
        self.say_closed(id, around.events);
        Next::Again
    }
}

/// What the kernel and the clock say.
impl Conn {
    pub(super) fn connected(
        &mut self,
        id: ConnId,
        result: std::io::Result<()>,
        around: &mut Context<'_>,
    ) -> Next {
        self.receiving = None;
        match (self.phase, result) {
            (Phase::Connecting, Ok(())) => {
                self.phase = Phase::Open;
                // The handshake has what is left of the time, and `Connected` is said behind it.
                if self.tls.is_none() {
                    self.deadline = None;
                    around.events.push(NetEvent::Connected(id));
                }
            }
            (Phase::Connecting, Err(error)) => return self.fail(id, reason(&error), around),
            // Given up meanwhile.
            (_, _) => self.cancelling = false,
        }
        Next::Again
    }

    pub(super) fn received(
        &mut self,
        id: ConnId,
        what: Received,
        ended: bool,
        around: &mut Context<'_>,
    ) -> Next {
        if ended {
            self.receiving = None;
            self.cancelling &= self.phase == Phase::Ending;
        }
        match what {
            Received::Bytes(filled) => return self.arrived(id, filled, around),
            Received::End => {
                self.peer_ended = true;
                match self.phase {
                    Phase::Open if self.deaf => {
                        return self.fail(id, CloseReason::PeerReset, around);
                    }
                    Phase::Open => self.announce_end(id, around.events),
                    Phase::Lingering => self.end(self.reason),
                    Phase::Connecting | Phase::Flushing | Phase::Ending => {}
                }
            }
            Received::Failed(error) => return self.fail(id, reason(&error), around),
            // Both mean: look again whether to read.
            Received::NoBuffers => self.starved = true,
            Received::Cancelled => {}
        }
        Next::Again
    }

    fn arrived(&mut self, id: ConnId, filled: Filled, around: &mut Context<'_>) -> Next {
        if self.undecided {
            self.decide(around.ring.bytes(&filled), around.tls);
        }
        if self.phase != Phase::Open {
            around.ring.give_back(filled);
            return Next::Again;
        }
        if self.tls.is_some() {
            return self.arrived_sealed(id, filled, around);
        }
        self.input.arrive(filled, around.ring, around.spare);
        self.tell_arrival(id, around.events);
        Next::Again
    }

    /// There is something in `input` that was not there before.
    pub(super) fn tell_arrival(&mut self, id: ConnId, events: &mut Vec<NetEvent>) {
        if self.paused {
            self.pending = true;
        } else {
            self.announce(id, events);
        }
    }

    /// Something is still to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.outgoing.has_bytes() || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    pub(super) fn sent(
        &mut self,
        id: ConnId,
        result: std::io::Result<usize>,
        bytes: Vec<u8>,
        around: &mut Context<'_>,
    ) -> Next {
        match (self.phase, result) {
            (Phase::Ending, _) => self.outgoing.failed(bytes, around.spare),
            (_, Ok(n @ 1..)) => {
                self.outgoing.sent(n, bytes, around.spare);
                let idle = self.phase == Phase::Open && !self.choked && self.mark.is_none();
                if idle && !self.has_unsent() {
                    return Next::Nothing;
                }
            }
            (_, result) => {
                self.outgoing.failed(bytes, around.spare);
                let why = result.err().map_or(CloseReason::PeerReset, |error| reason(&error));
                // What has come stays to be read, and reading tells its end.
                if self.phase == Phase::Open && why == CloseReason::PeerReset && !self.peer_ended {
                    self.deaf = true;
                } else {
                    return self.fail(id, why, around);
                }
            }
        }
        Next::Again
    }

    /// Whether that is the deadline of its present phase.
    pub(super) fn ends_at(&self, at: Instant) -> bool {
        self.deadline == Some(at)
    }

    /// The time of `Next::At` has come.
    pub(super) fn expire(&mut self, id: ConnId, at: Instant, around: &mut Context<'_>) -> Next {
        if self.deadline != Some(at) {
            return Next::Nothing;
        }
        match self.phase {
            Phase::Connecting => self.fail(id, CloseReason::ConnectTimeout, around),
            Phase::Open => self.expire_open(id, around),
            Phase::Flushing if self.is_read() => {
                self.deadline = None;
                self.within(Ends::Flush, around.settings.flush, around.now)
            }
            Phase::Flushing => {
                self.reset();
                let unsent = self.outgoing.unsent();
                self.fail(id, CloseReason::Undelivered { unsent }, around)
            }
            Phase::Lingering => self.expire_lingering(around),
            Phase::Ending => Next::Nothing,
        }
    }

    /// So far behind for so long: does it read at all?
    fn expire_open(&mut self, id: ConnId, around: &mut Context<'_>) -> Next {
        if self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            return self.fail(id, CloseReason::Tls(Failure::TooSlow), around);
        }
        let (unsent, limit) = (self.outgoing.unsent(), self.outbound_close);
        self.deadline = None;
        if !reached(unsent, limit) {
            return Next::Nothing;
        }
        if self.is_read() {
            return self.within(Ends::Flush, around.settings.flush, around.now);
        }
        self.reset();
        self.fail(id, CloseReason::SlowReader { unsent, limit }, around)
    }

    /// The kernel may hold megabytes for a slow reader, which would be lost if the peer sent anything
    /// to a socket that is closed.
    fn expire_lingering(&mut self, around: &mut Context<'_>) -> Next {
        let left = self.outgoing.wire().saturating_sub(self.acknowledged());
        if left > 0 && self.is_read() {
            self.deadline = None;
            return self.within(Ends::Flush, around.settings.flush, around.now);
        }
        self.end(self.reason);
        Next::Again
    }
}

/// Whether so much output keeps a connection's requests waiting. Their role asks the same.
pub(super) fn is_choking(unsent: usize, outbound_pause: usize) -> bool {
    if mutants::on(Mutant::ChokedBeyondThePause) {
        return unsent > outbound_pause;
    }
    reached(unsent, outbound_pause)
}

/// A slot cannot change hands while an operation is in flight, so its number is enough.
fn token(id: ConnId) -> Token {
    Token(u64::from(id.slot))
}

fn reason(error: &std::io::Error) -> CloseReason {
    match error.raw_os_error() {
        Some(libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED) => CloseReason::PeerReset,
        Some(errno) => CloseReason::Socket(errno),
        None => CloseReason::Socket(0),
    }
}
