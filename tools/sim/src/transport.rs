//! A network core's transport whose other end is the simulated network.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use ringkeeper::net::{CloseReason, How, NetEvent};
use ringkeeper::node::network::Transport;
use ringkeeper::types::ConnId;

/// One connection, on its server's side.
struct Conn {
    id: ConnId,
    /// Which connection of the world it is.
    wire: u64,
    input: Vec<u8>,
    consumed: usize,
    output: Vec<u8>,
    paused: bool,
    closing: Option<How>,
}

/// What the role has done to its connections since the world last looked.
pub struct Sent {
    pub wire: u64,
    pub bytes: Vec<u8>,
    /// The connection ends behind these bytes.
    pub ended: bool,
}

/// The server's ends of its connections.
#[derive(Default)]
pub struct SimTransport {
    slots: Vec<Option<Conn>>,
    generation: u32,
    events: Vec<NetEvent>,
}

impl SimTransport {
    /// A connection has been made.
    pub fn open(&mut self, wire: u64) -> ConnId {
        self.generation += 1;
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.slots.len());
        if free.is_none() {
            self.slots.push(None);
        }
        let id = ConnId { slot: slot as u32, generation: self.generation };
        let (input, output) = (Vec::new(), Vec::new());
        let conn = Conn { id, wire, input, consumed: 0, output, paused: false, closing: None };
        self.slots[slot] = Some(conn);
        id
    }

    /// Bytes have come.
    pub fn received(&mut self, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.get(id).filter(|conn| conn.closing.is_none()) else { return };
        conn.input.extend_from_slice(bytes);
        if !conn.paused {
            self.events.push(NetEvent::Received(id));
        }
    }

    /// The peer's end has come.
    pub fn ended(&mut self, id: ConnId, reason: CloseReason) {
        let Some(slot) = self.slots.get_mut(id.slot as usize) else { return };
        if slot.as_ref().is_some_and(|conn| conn.id == id) {
            *slot = None;
            self.events.push(NetEvent::Closed(id, reason));
        }
    }

    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// For the role's turn.
    pub fn take_events(&mut self) -> Vec<NetEvent> {
        std::mem::take(&mut self.events)
    }

    /// Takes what is to leave.
    pub fn take_sent(&mut self, out: &mut Vec<Sent>) {
        for slot in &mut self.slots {
            let Some(conn) = slot else { continue };
            let wire = conn.wire;
            match conn.closing {
                None if conn.output.is_empty() => {}
                None => {
                    let bytes = std::mem::take(&mut conn.output);
                    out.push(Sent { wire, bytes, ended: false });
                }
                Some(how) => {
                    let whole = how == How::AfterFlush;
                    let bytes = if whole { std::mem::take(&mut conn.output) } else { Vec::new() };
                    out.push(Sent { wire, bytes, ended: true });
                    self.events.push(NetEvent::Closed(conn.id, CloseReason::Asked));
                    *slot = None;
                }
            }
        }
    }

    fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.slots.get_mut(id.slot as usize)?.as_mut().filter(|conn| conn.id == id)
    }

    fn look(&self, id: ConnId) -> Option<&Conn> {
        self.slots.get(id.slot as usize)?.as_ref().filter(|conn| conn.id == id)
    }
}

impl Transport for SimTransport {
    fn adopt(&mut self, _stream: OwnedFd, _peer: SocketAddr) -> ConnId {
        unreachable!("no socket reaches a simulated core")
    }

    fn input(&self, conn: ConnId) -> &[u8] {
        self.look(conn).map_or(&[], |conn| &conn.input[conn.consumed..])
    }

    fn consume(&mut self, conn: ConnId, n: usize) {
        let Some(conn) = self.get(conn) else { return };
        conn.consumed += n;
        assert!(conn.consumed <= conn.input.len(), "consumed more than there was");
        if conn.consumed == conn.input.len() {
            conn.input.clear();
            conn.consumed = 0;
        }
    }

    fn output(&mut self, conn: ConnId) -> Option<&mut Vec<u8>> {
        self.get(conn).filter(|conn| conn.closing.is_none()).map(|conn| &mut conn.output)
    }

    fn split(&mut self, conn: ConnId) -> Option<(&[u8], &mut Vec<u8>)> {
        let conn = self.get(conn).filter(|conn| conn.closing.is_none())?;
        Some((&conn.input[conn.consumed..], &mut conn.output))
    }

    fn unsent(&self, conn: ConnId) -> usize {
        self.look(conn).map_or(0, |conn| conn.output.len())
    }

    fn pause(&mut self, conn: ConnId) {
        if let Some(conn) = self.get(conn) {
            conn.paused = true;
        }
    }

    fn resume(&mut self, id: ConnId) {
        let Some(conn) = self.get(id) else { return };
        conn.paused = false;
        if conn.consumed < conn.input.len() {
            self.events.push(NetEvent::Received(id));
        }
    }

    fn close(&mut self, conn: ConnId, how: How) {
        if let Some(conn) = self.get(conn).filter(|conn| conn.closing.is_none()) {
            conn.closing = Some(how);
            conn.input.clear();
            conn.consumed = 0;
        }
    }

    fn stop_listening(&mut self) {}
}
