//! One connection: its way from adoption to its end.
//!
//! ```text
//!   Connecting ─── failure, time is up, close ────────────────────────┐
//!    │                                                                │
//!    ▼      close(AfterFlush),          all sent             peer's end,
//!           peer's end                  (Closed said)        time is up
//!   Open ────────────────────► Flushing ────────────► Lingering ──────┤
//!    │                            │ peer has ended, or failed         ▼
//!    └──── close(Now | Reset), failure, slow reader ─────────────► Ending ──► slot free
//!                                                                  waits for its operations
//! ```

use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::runtime::{Filled, OperationId, Received, Ring, Socket, Token};
use crate::types::ConnId;

use super::deadlines::Ends;
use super::event::{CloseReason, NetEvent};
use super::input::Input;
use super::outgoing::Outgoing;
use super::settings::NetSettings;
use super::spare::Spare;

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
    deadline: Option<Instant>,
    /// Why it ends; means nothing while open.
    reason: CloseReason,
    /// `Closed` has been said.
    pub(super) said: bool,
    /// It is on the list of those to be attended to.
    pub(super) listed: bool,
    /// The role has asked not to read.
    paused: bool,
    /// `Received` is owed for what a pause has hidden.
    owed: bool,
    /// `Received` has been said since the last attendance, which is since the last turn.
    announced: bool,
    /// More than `outbound_pause` was unsent.
    choked: bool,
    /// What is in flight and no longer wanted has been cancelled.
    cancelling: bool,
    peer_ended: bool,
    /// The kernel had no buffer for its bytes.
    starved: bool,
    /// It is read though it be choked.
    always_read: bool,
    /// `Drained` is owed once the kernel has taken everything before this byte.
    mark: Option<u64>,
    /// Bytes unsent from which on it is closed.
    outbound_close: usize,
}

// Ten thousand idle connections are a few megabytes here.
const _: () = assert!(size_of::<Conn>() <= 320);

/// What a step needs of its surroundings, and what it leaves there.
pub(super) struct Around<'a> {
    pub(super) ring: &'a mut Ring,
    pub(super) spare: &'a mut Spare,
    pub(super) settings: &'a NetSettings,
    pub(super) now: Instant,
    pub(super) events: &'a mut Vec<NetEvent>,
}

/// What has to follow a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Nothing,
    /// Attend to it in the next round.
    Again,
    /// Call `expire` then.
    At(Instant, Ends),
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
            said: false,
            listed: false,
            paused: false,
            owed: false,
            announced: false,
            choked: false,
            cancelling: false,
            peer_ended: false,
            starved: false,
            always_read: false,
            mark: None,
            outbound_close: usize::MAX,
        }
    }

    /// One whose peer has still to take it, by `deadline` at the latest.
    pub(super) fn connecting(socket: Socket, peer: SocketAddr, deadline: Instant) -> Conn {
        let mut conn = Conn::new(socket, peer);
        conn.phase = Phase::Connecting;
        conn.deadline = Some(deadline);
        conn
    }

    pub(super) fn bounds(&mut self, always_read: bool, outbound_close: usize) {
        (self.always_read, self.outbound_close) = (always_read, outbound_close);
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

    /// Who is to be read first when buffers are scarce, smallest first: whose request is still short,
    /// and among those who had none before.
    pub(super) fn place(&self) -> (usize, bool) {
        (self.input.len(), !self.starved)
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn resume(&mut self) {
        self.owed |= self.paused;
        self.paused = false;
    }

    /// There is so much input that it is not read.
    pub(super) fn is_full(&self, settings: &NetSettings) -> bool {
        self.input.len() >= settings.inbound_pause
    }

    /// Begins an orderly end.
    pub(super) fn flush(&mut self, reason: CloseReason, ring: &mut Ring, spare: &mut Spare) {
        if self.phase == Phase::Open {
            self.phase = Phase::Flushing;
            self.reason = reason;
            self.input.clear(ring, spare);
        } else if self.phase == Phase::Connecting {
            // There is nothing to be sent first.
            self.end(reason);
        }
    }

    /// Ends it at once.
    pub(super) fn cut(&mut self, reset: bool, ring: &mut Ring, spare: &mut Spare) {
        if reset {
            // Closing a socket that lingers for no time resets the connection. An error means
            // that there is none any more.
            let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        }
        self.end(CloseReason::Asked);
        self.input.clear(ring, spare);
    }

    fn end(&mut self, reason: CloseReason) {
        if self.phase != Phase::Ending {
            self.phase = Phase::Ending;
            self.reason = reason;
            self.deadline = None;
            // What was wanted until now no longer is.
            self.cancelling = false;
        }
    }
}

/// Attendance: once a turn at most, for those that something has happened to.
impl Conn {
    pub(super) fn attend(&mut self, id: ConnId, around: &mut Around<'_>) -> Next {
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

    fn attend_open(&mut self, id: ConnId, around: &mut Around<'_>) -> Next {
        let unsent = self.outgoing.unsent();
        let limit = self.outbound_close;
        if unsent > limit {
            return self.fail(id, CloseReason::SlowReader { unsent, limit }, around);
        }
        if self.owed && !self.paused {
            self.owed = false;
            self.announce(id, around.events);
        }
        // Not in the round that has said `Received`: its answers are to be sent first.
        if self.peer_ended && !self.paused && !self.announced {
            self.flush(CloseReason::PeerClosed, around.ring, around.spare);
            return self.attend_flushing(id, around);
        }
        self.outgoing.send_some(false, around.ring, &self.socket, token(id), around.spare);
        if unsent > around.settings.outbound_pause {
            self.choked = true;
        } else if self.choked {
            self.choked = false;
            around.events.push(NetEvent::Drained(id));
        }
        if self.mark.is_some_and(|at| at <= self.outgoing.taken()) {
            self.mark = None;
            around.events.push(NetEvent::Drained(id));
        }
        let choked = self.choked && !self.always_read;
        let wanted = !self.paused && !choked && !self.peer_ended && !self.is_full(around.settings);
        self.read_if(wanted, id, around.ring);
        if self.announced { Next::Again } else { Next::Nothing }
    }

    fn attend_flushing(&mut self, id: ConnId, around: &mut Around<'_>) -> Next {
        if self.outgoing.unsent() == 0 {
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
        self.outgoing.send_some(true, around.ring, &self.socket, token(id), around.spare);
        self.read_if(!self.peer_ended, id, around.ring);
        self.within(Ends::Flush, around.settings.flush, around.now)
    }

    fn attend_lingering(&mut self, id: ConnId, around: &mut Around<'_>) -> Next {
        self.outgoing.clear(around.spare);
        self.read_if(true, id, around.ring);
        self.within(Ends::Linger, around.settings.linger, around.now)
    }

    fn attend_ending(&mut self, id: ConnId, around: &mut Around<'_>) -> Next {
        self.say_closed(id, around.events);
        self.input.clear(around.ring, around.spare);
        self.outgoing.clear(around.spare);
        if self.receiving.is_none() && self.outgoing.sending.is_none() {
            return Next::Gone;
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
        Next::At(deadline, what)
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

    fn say_closed(&mut self, id: ConnId, events: &mut Vec<NetEvent>) {
        if !self.said {
            self.said = true;
            events.push(NetEvent::Closed(id, self.reason));
        }
    }

    /// It is of no use any more. What was received can still be read in this turn.
    fn fail(&mut self, id: ConnId, reason: CloseReason, around: &mut Around<'_>) -> Next {
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
        around: &mut Around<'_>,
    ) -> Next {
        self.receiving = None;
        match (self.phase, result) {
            (Phase::Connecting, Ok(())) => {
                self.phase = Phase::Open;
                self.deadline = None;
                around.events.push(NetEvent::Connected(id));
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
        around: &mut Around<'_>,
    ) -> Next {
        if ended {
            self.receiving = None;
            self.cancelling &= self.phase == Phase::Ending;
        }
        match what {
            Received::Bytes(filled) => self.arrived(id, filled, around),
            Received::End => {
                self.peer_ended = true;
                if self.phase == Phase::Lingering {
                    self.end(self.reason);
                }
            }
            Received::Failed(error) => return self.fail(id, reason(&error), around),
            // Both mean: look again whether to read.
            Received::NoBuffers => self.starved = true,
            Received::Cancelled => {}
        }
        Next::Again
    }

    fn arrived(&mut self, id: ConnId, filled: Filled, around: &mut Around<'_>) {
        if self.phase != Phase::Open {
            around.ring.give_back(filled);
            return;
        }
        self.input.arrive(filled, around.ring, around.spare);
        if self.paused {
            self.owed = true;
        } else {
            self.announce(id, around.events);
        }
    }

    pub(super) fn sent(
        &mut self,
        id: ConnId,
        result: std::io::Result<usize>,
        bytes: Vec<u8>,
        around: &mut Around<'_>,
    ) -> Next {
        match (self.phase, result) {
            (Phase::Ending, _) => self.outgoing.failed(bytes, around.spare),
            (_, Ok(0)) => {
                self.outgoing.failed(bytes, around.spare);
                return self.fail(id, CloseReason::PeerReset, around);
            }
            (_, Ok(n)) => {
                self.outgoing.sent(n, bytes, around.spare);
                let idle = self.phase == Phase::Open && !self.choked && self.mark.is_none();
                if idle && self.outgoing.unsent() == 0 {
                    return Next::Nothing;
                }
            }
            (_, Err(error)) => {
                self.outgoing.failed(bytes, around.spare);
                return self.fail(id, reason(&error), around);
            }
        }
        Next::Again
    }

    /// Whether that is the deadline of its present phase.
    pub(super) fn ends_at(&self, at: Instant) -> bool {
        self.deadline == Some(at)
    }

    /// The time of `Next::At` has come.
    pub(super) fn expire(&mut self, id: ConnId, at: Instant, around: &mut Around<'_>) -> Next {
        if self.deadline != Some(at) {
            return Next::Nothing;
        }
        match self.phase {
            Phase::Connecting => self.fail(id, CloseReason::ConnectTimeout, around),
            Phase::Flushing => {
                let unsent = self.outgoing.unsent();
                self.fail(id, CloseReason::Undelivered { unsent }, around)
            }
            Phase::Lingering => {
                self.end(self.reason);
                Next::Again
            }
            Phase::Open | Phase::Ending => Next::Nothing,
        }
    }
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
