//! A network core's transport whose other end is the simulated network.
//!
//! What it promises is written where [`NetEvent`] stands; `tests/transport.rs` holds it and the real
//! one against that.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use ringkeeper::net::{CloseReason, How, NetEvent, Security};
use ringkeeper::roles::network::Transport;
use ringkeeper::types::ConnId;
use ringkeeper::types::limits::reached;

/// The transport's bounds: see `NetSettings`.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub inbound_pause: usize,
    pub inbound_throttled: usize,
    pub outbound_pause: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// Ends when its output has left.
    Flushing,
    /// `Closed` has been said.
    Over,
}

/// One connection, on its server's side.
struct Conn {
    id: ConnId,
    /// Which connection of the world it is.
    wire: u64,
    phase: Phase,
    /// What has come and was not taken in: a socket's buffer.
    kernel: Vec<u8>,
    /// And what stands behind it.
    peer_ended: bool,
    reset: bool,
    input: Vec<u8>,
    consumed: usize,
    end_said: bool,
    throttled: bool,
    /// What the role has written since the world last looked, and what waits for the peer.
    output: Vec<u8>,
    waiting: Vec<u8>,
    /// How many bytes the peer takes before it is asked to read on; `None`: all.
    room: Option<usize>,
    choked: bool,
}

/// What the role has done to its connections since the world last looked.
pub struct Sent {
    pub wire: u64,
    /// What was written: whole answers, whenever they leave.
    pub written: Vec<u8>,
    /// What leaves.
    pub bytes: Vec<u8>,
    /// The connection ends behind these bytes.
    pub ended: bool,
    /// More waits for a peer that reads slowly.
    pub more: bool,
}

/// A slot is used again, its generation is not.
struct Slot {
    generation: u32,
    conn: Option<Conn>,
}

/// The server's ends of its connections.
pub struct SimTransport {
    bounds: Bounds,
    slots: Vec<Slot>,
    /// The last one to be freed is the first to be used again, as in the real one.
    free: Vec<u32>,
    events: Vec<NetEvent>,
    /// Connections whose end the role has looked at since the world last asked.
    released: Vec<u64>,
}

impl Conn {
    fn unsent(&self) -> usize {
        self.output.len() + self.waiting.len()
    }

    fn forget_output(&mut self) {
        self.output.clear();
        self.waiting.clear();
    }

    fn bound(&self, bounds: &Bounds) -> usize {
        if self.throttled { bounds.inbound_throttled } else { bounds.inbound_pause }
    }

    fn is_full(&self, bounds: &Bounds) -> bool {
        reached(self.input.len() - self.consumed, self.bound(bounds))
    }

    fn forget_input(&mut self) {
        self.input.clear();
        self.consumed = 0;
        self.kernel.clear();
    }

    fn close(&mut self, reason: CloseReason, events: &mut Vec<NetEvent>) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.forget_output();
            events.push(NetEvent::Closed(self.id, reason));
        }
    }

    /// Takes in what has come, and says so; behind all of it, how it ended.
    fn take_in(&mut self, bounds: &Bounds, events: &mut Vec<NetEvent>) {
        if self.phase == Phase::Over {
            return;
        }
        if self.phase == Phase::Flushing {
            self.kernel.clear();
        } else if !self.kernel.is_empty() && !self.is_full(bounds) {
            let room = self.bound(bounds) - (self.input.len() - self.consumed);
            let take = room.min(self.kernel.len());
            self.input.extend(self.kernel.drain(..take));
            events.push(NetEvent::Received(self.id));
        }
        if !self.kernel.is_empty() {
            return;
        }
        if self.reset {
            self.close(CloseReason::PeerReset, events);
        } else if self.peer_ended && !self.end_said && self.phase == Phase::Open {
            self.end_said = true;
            events.push(NetEvent::Ended(self.id));
        }
    }
}

impl SimTransport {
    pub fn new(bounds: Bounds) -> SimTransport {
        let (slots, free, events, released) = Default::default();
        SimTransport { bounds, slots, free, events, released }
    }

    /// A connection has been made. `room`: what its peer reads before [`SimTransport::reads`].
    pub fn open(&mut self, wire: u64, room: Option<usize>) -> ConnId {
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        if slot as usize == self.slots.len() {
            self.slots.push(Slot { generation: 0, conn: None });
        }
        let entry = &mut self.slots[slot as usize];
        let id = ConnId { slot, generation: entry.generation };
        entry.conn = Some(Conn {
            id,
            wire,
            phase: Phase::Open,
            kernel: Vec::new(),
            peer_ended: false,
            reset: false,
            input: Vec::new(),
            consumed: 0,
            end_said: false,
            throttled: false,
            output: Vec::new(),
            waiting: Vec::new(),
            room,
            choked: false,
        });
        id
    }

    fn with(&mut self, id: ConnId, act: impl FnOnce(&mut Conn)) {
        let (bounds, mut events) = (self.bounds, std::mem::take(&mut self.events));
        if let Some(conn) = self.get(id) {
            act(conn);
            conn.take_in(&bounds, &mut events);
        }
        self.events = events;
    }

    /// Bytes have come.
    pub fn received(&mut self, id: ConnId, bytes: &[u8]) {
        self.with(id, |conn| conn.kernel.extend_from_slice(bytes));
    }

    /// The peer has ended its direction.
    pub fn ended(&mut self, id: ConnId) {
        self.with(id, |conn| conn.peer_ended = true);
    }

    /// The peer has reset the connection; what it sent before can still be read.
    pub fn was_reset(&mut self, id: ConnId) {
        self.with(id, |conn| {
            conn.reset = true;
            conn.forget_output();
        });
    }

    /// The peer reads so many bytes more; `None`: all from now on.
    pub fn reads(&mut self, id: ConnId, bytes: Option<usize>) {
        if let Some(conn) = self.get(id) {
            conn.room = bytes.map(|bytes| conn.room.unwrap_or(0) + bytes);
        }
    }

    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// For the role's turn.
    pub fn take_events(&mut self) -> Vec<NetEvent> {
        std::mem::take(&mut self.events)
    }

    /// Connections that the role has released.
    pub fn take_released(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.released)
    }

    /// Takes what is to leave.
    pub fn take_sent(&mut self, out: &mut Vec<Sent>) {
        for slot in &mut self.slots {
            let Some(conn) = &mut slot.conn else { continue };
            if conn.phase == Phase::Over {
                continue;
            }
            conn.choked |= reached(conn.unsent(), self.bounds.outbound_pause);
            let may_leave = conn.room.unwrap_or(usize::MAX).min(conn.unsent());
            let written = std::mem::take(&mut conn.output);
            conn.waiting.extend_from_slice(&written);
            let bytes: Vec<u8> = conn.waiting.drain(..may_leave).collect();
            conn.room = conn.room.map(|room| room - may_leave);
            if conn.choked && !reached(conn.unsent(), self.bounds.outbound_pause) {
                conn.choked = false;
                if conn.phase == Phase::Open {
                    self.events.push(NetEvent::Drained(conn.id));
                }
            }
            let ended = conn.phase == Phase::Flushing && conn.unsent() == 0;
            let more = conn.unsent() > 0;
            if !written.is_empty() || !bytes.is_empty() || ended {
                out.push(Sent { wire: conn.wire, written, bytes, ended, more });
            }
            if ended {
                let by_peer = conn.peer_ended;
                let reason = if by_peer { CloseReason::PeerClosed } else { CloseReason::Asked };
                conn.close(reason, &mut self.events);
            }
        }
    }

    fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        slot.conn.as_mut().filter(|conn| conn.id == id)
    }

    fn look(&self, id: ConnId) -> Option<&Conn> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.conn.as_ref().filter(|conn| conn.id == id)
    }
}

impl Transport for SimTransport {
    fn adopt(&mut self, _stream: OwnedFd, _peer: SocketAddr, _security: Security) -> ConnId {
        unreachable!("no socket reaches a simulated core")
    }

    fn input(&self, conn: ConnId) -> &[u8] {
        self.look(conn).map_or(&[], |conn| &conn.input[conn.consumed..])
    }

    fn consume(&mut self, conn: ConnId, n: usize) {
        self.with(conn, |conn| {
            conn.consumed += n;
            assert!(conn.consumed <= conn.input.len(), "consumed more than there was");
            if conn.consumed == conn.input.len() {
                conn.input.clear();
                conn.consumed = 0;
            }
        });
    }

    fn output(&mut self, conn: ConnId) -> Option<&mut Vec<u8>> {
        let hears = |conn: &&mut Conn| conn.phase == Phase::Open && !conn.reset;
        self.get(conn).filter(hears).map(|conn| &mut conn.output)
    }

    fn split(&mut self, conn: ConnId) -> Option<(&[u8], &mut Vec<u8>)> {
        let hears = |conn: &&mut Conn| conn.phase == Phase::Open && !conn.reset;
        let conn = self.get(conn).filter(hears)?;
        Some((&conn.input[conn.consumed..], &mut conn.output))
    }

    fn unsent(&self, conn: ConnId) -> usize {
        self.look(conn).map_or(0, Conn::unsent)
    }

    fn throttle(&mut self, conn: ConnId, throttled: bool) {
        self.with(conn, |conn| conn.throttled = throttled);
    }

    fn close(&mut self, id: ConnId, how: How) {
        let Some(conn) = self.get(id).filter(|conn| conn.phase != Phase::Over) else { return };
        conn.phase = Phase::Flushing;
        conn.forget_input();
        if how != How::AfterFlush {
            conn.forget_output();
        }
        // Nothing but its end is told of it from here on.
        self.events.retain(|event| match event {
            NetEvent::Received(who) | NetEvent::Drained(who) | NetEvent::Ended(who) => *who != id,
            NetEvent::Accepted { .. }
            | NetEvent::Connected(_)
            | NetEvent::Closed(..)
            | NetEvent::Woken => true,
        });
    }

    fn release(&mut self, id: ConnId) {
        let Some(conn) = self.get(id) else { return };
        assert!(conn.phase == Phase::Over, "released before its end was said");
        let wire = conn.wire;
        let entry = &mut self.slots[id.slot as usize];
        entry.conn = None;
        entry.generation += 1;
        self.free.push(id.slot);
        self.released.push(wire);
    }

    fn stop_listening(&mut self) {}
}
