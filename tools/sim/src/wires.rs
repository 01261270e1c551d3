//! Connections between clients and servers: bytes in arbitrary pieces, late, and cut off anywhere.

use std::collections::VecDeque;

use ringkeeper::types::{ConnId, SessionId};

use crate::transport::{Sent, SimTransport};
use crate::world::{Checked, Event, Stage, World};

/// One connection of a client.
pub struct Wire {
    pub client: usize,
    pub server: usize,
    /// The process at its other end.
    pub incarnation: u64,
    pub core: usize,
    pub conn: Option<ConnId>,
    pub client_open: bool,
    pub server_open: bool,
    /// Nothing overtakes what was sent before.
    up_at: i64,
    down_at: i64,
    /// Where the frames of a session end, of the bytes sent so far.
    frames: VecDeque<(u64, SessionId)>,
    sent: u64,
    delivered: u64,
    /// When the first of that was.
    pub heard_at: Option<i64>,
    damage: Damage,
    /// Its client is gone, and its machine answers with a reset.
    hung_up: bool,
    /// Its client reads slowly, and will read on.
    reads_on: bool,
    /// The server has sent something: its answer to the handshake, first.
    answered: bool,
}

/// What must have come of a session whose client has closed it and hung up.
pub struct Goodbye {
    client: usize,
    session: SessionId,
    /// All that the client sent has reached the server, and its end.
    whole: bool,
}

/// What becomes of a frame on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Damage {
    None,
    /// The next one is damaged.
    Due,
    /// The damage ends at this byte.
    Sent(u64),
    Delivered,
}

/// A process that has a damaged frame closes the connection within this time.
const CLOSED_WITHIN_US: i64 = 60_000_000;

impl World {
    /// A client connects to one of the servers.
    pub fn connect(&mut self, client: usize) {
        if let Some(old) = self.client_wire[client].take()
            && let Some(wire) = self.wires.get_mut(&old)
        {
            wire.client_open = false;
        }
        let server = self.clients[client].rng.below(self.servers.len() as u64) as usize;
        let incarnation = self.servers[server].incarnation;
        let Some(up) = &mut self.servers[server].up else {
            // Nobody listens: the client hears so, or waits in vain.
            if self.rng.one_in(2) {
                let wire = self.add_wire(client, server, incarnation, 0, None);
                self.schedule(self.now + 500, Event::ClientEnd { wire });
                self.client_wire[client] = Some(wire);
            }
            return;
        };
        let core = up.next_core % up.cores.len();
        up.next_core += 1;
        let wire = self.next_wire;
        let Some(up) = &mut self.servers[server].up else { return };
        let role = &mut up.cores[core].role;
        let room = self.rng.one_in(self.knobs.slow_readers).then_some(0);
        let conn = role.net().open(wire, room);
        let peer = std::net::SocketAddr::from(([10, 0, 0, 1], 1 + client as u16));
        // Counted as an accepted connection is; without limits nobody is refused.
        let _ = up.shared.admission.enter(peer.ip());
        role.welcome(conn, peer);
        self.add_wire(client, server, incarnation, core, Some(conn));
        self.client_wire[client] = Some(wire);
        self.note(|| format!("client {client} connects to server {server} core {core} by {wire}"));
    }

    fn add_wire(
        &mut self,
        client: usize,
        server: usize,
        incarnation: u64,
        core: usize,
        conn: Option<ConnId>,
    ) -> u64 {
        let number = self.next_wire;
        self.next_wire += 1;
        let wire = Wire {
            client,
            server,
            incarnation,
            core,
            conn,
            client_open: true,
            server_open: conn.is_some(),
            up_at: self.now,
            down_at: self.now,
            frames: VecDeque::new(),
            sent: 0,
            delivered: 0,
            heard_at: None,
            damage: Damage::None,
            hung_up: false,
            reads_on: false,
            answered: false,
        };
        self.wires.insert(number, wire);
        number
    }

    /// How long a piece is on its way.
    fn flight(&mut self, server: usize) -> i64 {
        let base = self.now.max(self.servers[server].silent_until);
        base + self.rng.latency(self.knobs.net_us)
    }

    pub fn client_sends(&mut self, client: usize, mut bytes: Vec<u8>) {
        let Some(number) = self.client_wire[client] else { return };
        let session = self.clients[client].session;
        let Some(wire) = self.wires.get_mut(&number) else { return };
        wire.sent += bytes.len() as u64;
        let server = wire.server;
        match wire.damage {
            Damage::None => wire.frames.push_back((wire.sent, session)),
            Damage::Due => {
                wire.damage = Damage::Sent(wire.sent);
                let length: i32 = self.rng.one_of([-1, i32::MIN, i32::MAX, 1 + (1 << 20), 0]);
                bytes[..4].copy_from_slice(&length.to_be_bytes());
                self.note(|| {
                    format!("client {client} sends a frame of {length} bytes by {number}")
                });
            }
            // Never read as a frame.
            Damage::Sent(_) | Damage::Delivered => {}
        }
        for piece in self.pieces(bytes) {
            let at = self.flight(server);
            let Some(wire) = self.wires.get_mut(&number) else { return };
            wire.up_at = wire.up_at.max(at);
            let at = wire.up_at;
            self.schedule(at, Event::ToServer { wire: number, bytes: piece });
        }
    }

    /// What a network core has written.
    pub fn server_sent(&mut self, server: usize, sent: Vec<Sent>) {
        for Sent { wire: number, written: _, bytes, ended, more } in sent {
            if !bytes.is_empty() {
                self.speaks_through(number);
            }
            if more
                && let Some(wire) = self.wires.get_mut(&number)
                && !std::mem::replace(&mut wire.reads_on, true)
            {
                let at = self.now + self.rng.latency(self.knobs.net_us);
                self.schedule(at, Event::Reads { wire: number });
            }
            let hung_up = self.wires.get(&number).is_some_and(|wire| wire.hung_up);
            if hung_up && !bytes.is_empty() {
                let at = self.flight(server);
                self.schedule(at, Event::ServerReset { wire: number });
            }
            for piece in self.pieces(bytes) {
                let at = self.flight(server);
                let Some(wire) = self.wires.get_mut(&number) else { break };
                wire.down_at = wire.down_at.max(at);
                let at = wire.down_at;
                self.schedule(at, Event::ToClient { wire: number, bytes: piece });
            }
            if ended && let Some(wire) = self.wires.get_mut(&number) {
                wire.server_open = false;
                let at = wire.down_at.max(self.now) + 1;
                self.schedule(at, Event::ClientEnd { wire: number });
            }
        }
    }

    /// A handshake that waited for a server that stood still may be taken behind that of the connection which
    /// its client made later: then the session has moved back, and what came by the later one is refused.
    fn speaks_through(&mut self, number: u64) {
        let Some(wire) = self.wires.get_mut(&number) else { return };
        if std::mem::replace(&mut wire.answered, true) {
            return;
        }
        let client = wire.client;
        self.goodbyes.retain(|later, goodbye| *later <= number || goodbye.client != client);
    }

    pub fn pieces(&mut self, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        if bytes.is_empty() {
            return Vec::new();
        }
        if !self.rng.one_in(8) {
            return vec![bytes];
        }
        let at = self.rng.below(bytes.len() as u64) as usize;
        let (first, second) = bytes.split_at(at);
        [first, second].iter().filter(|part| !part.is_empty()).map(|part| part.to_vec()).collect()
    }

    pub fn to_server(&mut self, number: u64, bytes: &[u8]) -> Checked {
        let Some(wire) = self.wires.get_mut(&number).filter(|wire| wire.server_open) else {
            return Ok(());
        };
        wire.delivered += bytes.len() as u64;
        wire.heard_at.get_or_insert(self.now);
        let (server, core, conn) = (wire.server, wire.core, wire.conn);
        let incarnation = wire.incarnation;
        let is_damaged = matches!(wire.damage, Damage::Sent(end) if end <= wire.delivered);
        if is_damaged {
            wire.damage = Damage::Delivered;
            let at = self.now + CLOSED_WITHIN_US;
            self.schedule(at, Event::MustBeClosed { wire: number });
        }
        if incarnation != self.servers[server].incarnation {
            return Ok(());
        }
        if let (Some(up), Some(conn)) = (&mut self.servers[server].up, conn) {
            up.cores[core].role.net().received(conn, bytes);
            up.cores[core].heard.push(number);
        }
        self.poke(server);
        Ok(())
    }

    /// Damage to lengths alone: whatever else TCP's checksum lets through, the protocol has no means
    /// to notice.
    pub fn damage_clients(&mut self, one_in: u64) {
        let all: Vec<u64> = self.wires.keys().copied().collect();
        for number in all {
            if self.rng.one_in(one_in)
                && let Some(wire) = self.wires.get_mut(&number)
                && wire.damage == Damage::None
            {
                wire.damage = Damage::Due;
            }
        }
    }

    /// A frame without a sensible length ends its connection.
    pub fn must_be_closed(&mut self, number: u64) -> Checked {
        let Some(wire) = self.wires.get(&number).filter(|wire| wire.server_open) else {
            return Ok(());
        };
        let server = &self.servers[wire.server];
        let runs = server.up.is_some() && server.incarnation == wire.incarnation;
        match runs && server.paused_until < self.now {
            true => Err(format!("server {} goes on behind a damaged frame by {number}", server.id)),
            false => Ok(()),
        }
    }

    /// Sessions whose frames a network core has just looked at.
    pub fn touch(&mut self, server: usize, core: usize) {
        let now = self.servers[server].now(self.now).0;
        let incarnation = self.servers[server].incarnation;
        let Some(up) = &mut self.servers[server].up else { return };
        for number in up.cores[core].heard.drain(..) {
            let Some(wire) = self.wires.get_mut(&number) else { continue };
            if wire.incarnation != incarnation || !wire.server_open {
                continue;
            }
            while let Some((end, session)) = wire.frames.front()
                && *end <= wire.delivered
            {
                self.touched.insert(*session, now);
                wire.frames.pop_front();
            }
        }
    }

    pub fn to_client(&mut self, number: u64, bytes: &[u8]) -> Checked {
        let Some(wire) = self.wires.get(&number).filter(|wire| wire.client_open) else {
            return Ok(());
        };
        let client = wire.client;
        if self.client_wire[client] != Some(number) {
            return Ok(());
        }
        self.with_client(client, |client, scene| client.received(scene, bytes))
    }

    /// The server's end of the connection hears that the client sends nothing more.
    pub fn server_end(&mut self, number: u64) -> Checked {
        if let Some(goodbye) = self.goodbyes.get_mut(&number) {
            goodbye.whole = true;
        }
        self.on_server(number, |net, conn| net.ended(conn));
        Ok(())
    }

    /// The server's end of the connection hears that there is nobody at the other.
    pub fn server_reset(&mut self, number: u64) -> Checked {
        if self.goodbyes.get(&number).is_some_and(|goodbye| !goodbye.whole) {
            self.goodbyes.remove(&number);
        }
        self.on_server(number, |net, conn| net.was_reset(conn));
        if let Some(wire) = self.wires.get_mut(&number) {
            wire.server_open = false;
            self.forget_if_closed(number);
        }
        Ok(())
    }

    /// A client that reads slowly reads on.
    pub fn reads(&mut self, number: u64) -> Checked {
        let few = self.rng.one_of([1, 50, 1000]);
        let few = (self.stage == Stage::Storm).then_some(few);
        let Some(wire) = self.wires.get_mut(&number) else { return Ok(()) };
        wire.reads_on = false;
        let server = wire.server;
        let mut sent = Vec::new();
        self.on_server(number, |net, conn| {
            net.reads(conn, few);
            net.take_sent(&mut sent);
        });
        self.server_sent(server, sent);
        self.poke(server);
        Ok(())
    }

    fn on_server(&mut self, number: u64, act: impl FnOnce(&mut SimTransport, ConnId)) {
        let Some(wire) = self.wires.get(&number) else { return };
        let (server, core, incarnation) = (wire.server, wire.core, wire.incarnation);
        let conn = wire.conn.filter(|_| wire.server_open);
        if incarnation == self.servers[server].incarnation
            && let (Some(up), Some(conn)) = (&mut self.servers[server].up, conn)
        {
            act(up.cores[core].role.net(), conn);
            self.poke(server);
        }
    }

    /// The server has forgotten connections. What their clients asked for before they hung up has
    /// been carried out by then: a closed session is closed. In an ensemble a role may have ended.
    pub fn released(&mut self, numbers: &[u64]) -> Checked {
        for number in numbers {
            let Some(Goodbye { session, whole, .. }) = self.goodbyes.remove(number) else {
                continue;
            };
            if whole && self.knobs.servers == 1 && !self.history.is_over(session) {
                return Err(format!("session {session} said goodbye by {number} and lives on"));
            }
        }
        Ok(())
    }

    /// The client hears that its connection is gone.
    pub fn client_end(&mut self, number: u64) -> Checked {
        let Some(wire) = self.wires.get_mut(&number).filter(|wire| wire.client_open) else {
            self.forget_if_closed(number);
            return Ok(());
        };
        wire.client_open = false;
        let client = wire.client;
        self.forget_if_closed(number);
        if self.client_wire[client] != Some(number) {
            return Ok(());
        }
        self.client_wire[client] = None;
        self.note(|| format!("client {client} loses {number}"));
        let now = self.now;
        self.with_client(client, |client, _| {
            client.lost(now);
            Ok(())
        })
    }

    fn forget_if_closed(&mut self, number: u64) {
        if self.wires.get(&number).is_some_and(|wire| !wire.client_open && !wire.server_open) {
            self.wires.remove(&number);
        }
    }

    /// The client closes its end; with `silent` nobody is told.
    pub fn client_leaves(&mut self, client: usize, silent: bool) {
        let Some(number) = self.client_wire[client].take() else { return };
        let Some(wire) = self.wires.get_mut(&number) else { return };
        wire.client_open = false;
        wire.hung_up = !silent;
        let at = wire.up_at.max(self.now) + 1;
        if !silent {
            self.schedule(at, Event::ServerEnd { wire: number });
        }
        self.note(|| format!("client {client} leaves {number} silent={silent}"));
    }

    /// The client has closed its session, does not wait for the answer, and closes its end.
    pub fn client_says_goodbye(&mut self, client: usize, session: SessionId) {
        if let Some(number) = self.client_wire[client]
            && self.wires.get(&number).is_some_and(|wire| wire.damage == Damage::None)
        {
            self.goodbyes.insert(number, Goodbye { client, session, whole: false });
        }
        self.client_leaves(client, false);
    }

    /// Resets connections, with whatever was on its way.
    pub fn reset_some(&mut self, one_in: u64) {
        let all: Vec<u64> = self.wires.keys().copied().collect();
        for number in all {
            if self.rng.one_in(one_in) {
                self.schedule(self.now, Event::ServerReset { wire: number });
                self.schedule(self.now, Event::ClientEnd { wire: number });
            }
        }
    }

    /// Clients lose their connections, and the servers do not know.
    pub fn half_open_some(&mut self, one_in: u64) {
        let all: Vec<u64> = self.wires.keys().copied().collect();
        for number in all {
            if self.rng.one_in(one_in) {
                self.schedule(self.now, Event::ClientEnd { wire: number });
            }
        }
    }

    /// A process has ended: its connections with it.
    pub fn drop_wires(&mut self, server: usize, silent: bool) {
        let mine: Vec<u64> = self
            .wires
            .iter()
            .filter(|(_, wire)| wire.server == server && wire.server_open)
            .map(|(number, _)| *number)
            .collect();
        for number in mine {
            if let Some(wire) = self.wires.get_mut(&number) {
                wire.server_open = false;
            }
            self.goodbyes.remove(&number);
            // A machine without power says nothing; its clients wait.
            if !silent || self.rng.one_in(2) {
                let at = self.flight(server);
                self.schedule(at, Event::ClientEnd { wire: number });
            }
        }
    }
}
