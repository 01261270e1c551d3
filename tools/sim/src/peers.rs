//! Servers among themselves: the election's mesh and the learners' links over simulated bytes.
//!
//! What `roles::peers` does with sockets is done here with pipes: the shipping mesh core, packets
//! through the shipping codec, in pieces, late, one way only, reset behind any prefix.

mod endings;

use std::collections::BTreeMap;

use bytes::Bytes;
use ringkeeper::codec::election::HeaderProtocol;
use ringkeeper::codec::quorum::snapshot::SnapshotParser;
use ringkeeper::codec::quorum::{Forwarded, Limits, Packet, decode, encode};
use ringkeeper::codec::request::{Request, decode_body};
use ringkeeper::election::links::{Dial, LinkSettings, Links, LinksEffect, LinksInput};
use ringkeeper::membership::Electorate;
use ringkeeper::roles::peer_message::{PeerCommand, PeerEvent};
use ringkeeper::types::{Link, Millis, ServerId, Zxid};

use crate::history::{FIELD_MAX, Wish};
use crate::rng::Rng;
use crate::world::{Checked, Event, Stage, World};

/// What a connection between two servers is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    Election(Dial),
    Quorum,
}

/// Bytes of one packet of the network.
const CHUNK: usize = 4096;

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct End {
    server: usize,
    incarnation: u64,
    link: Link,
}

/// A connection between two servers: the caller's end first.
pub struct Pipe {
    ends: [End; 2],
    is_election: bool,
    open: [bool; 2],
    /// Nothing overtakes what was sent before, by sender.
    clear_at: [i64; 2],
    /// Bytes sent, come to the reader's machine, and read there, by sender. What has come and is not
    /// read fills a socket; what is behind that waits in the sender's.
    sent: [u64; 2],
    taken: [u64; 2],
    read: [u64; 2],
    /// What has come while the reader did not run, by sender: its kernel has it, in order. Pauses
    /// overlap and are cut short, so that what came last may be the first to be looked at.
    kept: [Vec<u8>; 2],
    /// What is damaged, by sender.
    damage: [Damage; 2],
    /// The transaction that is to be missing in what the leader sends.
    hole: Hole,
}

/// A proposal and its commit that are kept back: left out if the next of the same epoch follows, so
/// that the hole shows, and else sent on.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Hole {
    None,
    Due,
    Kept(Zxid, Vec<Vec<u8>>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Damage {
    None,
    /// The next packet.
    Due,
    /// It ends at this byte.
    Sent(u64),
    Over,
}

impl Pipe {
    /// Its caller is in no server.
    pub fn of_stranger(
        server: usize,
        incarnation: u64,
        link: Link,
        is_election: bool,
        now: i64,
    ) -> Pipe {
        let nobody = End { server, incarnation: u64::MAX, link: Link(0) };
        Pipe {
            ends: [nobody, End { server, incarnation, link }],
            is_election,
            open: [true, true],
            clear_at: [now; 2],
            sent: [0; 2],
            taken: [0; 2],
            read: [0; 2],
            kept: Default::default(),
            damage: [Damage::None; 2],
            hole: Hole::None,
        }
    }
}

/// What stands for a server's sockets towards others.
pub struct Sockets {
    mesh: Links,
    pub listens: bool,
    last_link: u64,
    /// Which pipe a link is, and which end of it.
    pub links: BTreeMap<Link, (u64, usize)>,
    pub quorum: BTreeMap<Link, Quorum>,
    pub tick_at: Option<i64>,
    /// Dials that are not wanted any more are answered with nothing.
    leader_call: u64,
}

/// A link that carries packets.
#[derive(Default)]
pub struct Quorum {
    input: Vec<u8>,
    to_leader: bool,
    stream: Option<SnapshotParser>,
    held: bool,
    /// The other end has closed; said when the input is taken.
    ended: bool,
    /// `Drained` is owed once everything before this byte has left.
    mark: Option<u64>,
    /// When it was asked last whether bytes move: how many had been sent, and how many had arrived.
    asked: (u64, u64),
}

impl Sockets {
    pub fn new(me: ServerId, electorate: &Electorate, tick_ms: i64, now: Millis) -> Sockets {
        let settings = LinkSettings {
            me,
            protocol: HeaderProtocol::V1,
            connect_timeout_ms: 5000,
            header_timeout_ms: 5 * tick_ms,
        };
        Sockets {
            mesh: Links::new(settings, electorate, now),
            listens: false,
            last_link: 0,
            links: BTreeMap::new(),
            quorum: BTreeMap::new(),
            tick_at: None,
            leader_call: 0,
        }
    }

    pub fn next_link(&mut self) -> Link {
        self.last_link += 1;
        Link(self.last_link)
    }
}

impl World {
    pub fn sockets(&mut self, server: usize) -> Option<&mut Sockets> {
        self.servers[server].up.as_mut()?.sockets.as_mut()
    }

    /// What the control role wants of its sockets.
    pub fn peer_commands(&mut self, server: usize) {
        let Some(up) = &mut self.servers[server].up else { return };
        if up.sockets.is_none() {
            return;
        }
        let mut commands = Vec::new();
        up.control.take_peer_commands(&mut commands);
        if self.tapped.is_some() {
            return;
        }
        for command in commands {
            self.peer_command(server, command);
        }
        self.plan_peer_tick(server);
    }

    fn peer_command(&mut self, server: usize, command: PeerCommand) {
        match command {
            PeerCommand::Electorate(electorate) => {
                self.mesh(server, LinksInput::Members(&electorate));
            }
            PeerCommand::Elect { to, notification } => {
                self.mesh(server, LinksInput::Send { to, notification });
            }
            PeerCommand::Greeting(vote) => self.mesh(server, LinksInput::Greeting(vote)),
            PeerCommand::ReconnectElection => self.mesh(server, LinksInput::Reconnect),
            PeerCommand::ListenQuorum => {
                if let Some(sockets) = self.sockets(server) {
                    sockets.listens = true;
                }
            }
            PeerCommand::StopQuorum => {
                let Some(sockets) = self.sockets(server) else { return };
                sockets.listens = false;
                sockets.leader_call += 1;
                let links: Vec<Link> = sockets.quorum.keys().copied().collect();
                for link in links {
                    self.close_link(server, link);
                }
            }
            PeerCommand::ConnectLeader { server: leader } => {
                let Some(sockets) = self.sockets(server) else { return };
                sockets.leader_call += 1;
                let call = sockets.leader_call;
                self.dial(server, leader, Port::Quorum, call);
            }
            PeerCommand::Send { link, packet } => {
                if let Packet::Request(request) = &packet {
                    self.passed_on(request);
                }
                let mut bytes = Vec::new();
                encode(&packet, &mut bytes);
                self.note(|| format!("server {server} {link:?} sends {}", brief(&packet)));
                for bytes in self.without_a_hole(server, link, &packet, bytes) {
                    self.pipe_send(server, link, bytes, true);
                }
            }
            PeerCommand::SendRaw { link, bytes } => {
                self.pipe_send(server, link, bytes.to_vec(), false);
            }
            PeerCommand::WhenDrained { link } => {
                let Some((number, end)) = self.pipe_of(server, link) else { return };
                let sent = self.pipes.get(&number).map_or(0, |pipe| pipe.sent[end]);
                if let Some(quorum) = self.sockets(server).and_then(|s| s.quorum.get_mut(&link)) {
                    quorum.mark = Some(sent);
                }
                self.look_at_mark(number, end);
            }
            PeerCommand::AskMoved { link } => self.ask_moved(server, link),
            PeerCommand::Reading { link, on } => {
                if let Some(quorum) = self.sockets(server).and_then(|s| s.quorum.get_mut(&link)) {
                    quorum.held = !on;
                }
                if on {
                    self.take_packets(server, link);
                }
            }
            PeerCommand::Close { link } => self.close_link(server, link),
        }
    }

    /// The checker must know whose a number is.
    fn passed_on(&mut self, request: &Forwarded) {
        let wish = match decode_body(request.opcode, &request.body) {
            Ok(Request::Write(op)) => Wish::Write(op),
            Ok(Request::CloseSession) => Wish::Close,
            _ => return,
        };
        self.history.passed_on(request.session, request.cxid, wish);
    }

    /// What of this and of what was kept back is sent.
    fn without_a_hole(
        &mut self,
        server: usize,
        link: Link,
        packet: &Packet,
        bytes: Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let Some((number, 1)) = self.pipe_of(server, link) else { return vec![bytes] };
        let Some(pipe) = self.pipes.get_mut(&number) else { return vec![bytes] };
        match (std::mem::replace(&mut pipe.hole, Hole::None), packet) {
            (Hole::None, _) => vec![bytes],
            (Hole::Due, Packet::Proposal { zxid, .. }) => {
                pipe.hole = Hole::Kept(*zxid, vec![bytes]);
                Vec::new()
            }
            (Hole::Due, _) => {
                pipe.hole = Hole::Due;
                vec![bytes]
            }
            (Hole::Kept(kept, mut all), Packet::Commit { zxid }) if *zxid == kept => {
                all.push(bytes);
                pipe.hole = Hole::Kept(kept, all);
                Vec::new()
            }
            (Hole::Kept(kept, _), Packet::Proposal { zxid, .. }) if kept.next() == Some(*zxid) => {
                self.note(|| format!("server {server} {link:?} leaves out {kept}"));
                vec![bytes]
            }
            (Hole::Kept(_, mut all), _) => {
                all.push(bytes);
                pipe.hole = Hole::Due;
                all
            }
        }
    }

    pub fn pipe_of(&mut self, server: usize, link: Link) -> Option<(u64, usize)> {
        self.sockets(server)?.links.get(&link).copied()
    }

    /// Steps the mesh, and does what follows.
    pub fn mesh(&mut self, server: usize, input: LinksInput<'_>) {
        let now = self.servers[server].now(self.now);
        let Some(sockets) = self.sockets(server) else { return };
        let mut effects = Vec::new();
        sockets.mesh.step(now, input, &mut effects);
        let mut events = Vec::new();
        for effect in effects {
            match effect {
                LinksEffect::Connect { dial, server: to, .. } => {
                    self.dial(server, to, Port::Election(dial), 0);
                }
                LinksEffect::Cancel { .. } | LinksEffect::Unread { .. } => {}
                LinksEffect::Write { link, bytes } => {
                    self.pipe_send(server, link, bytes, true);
                    let incarnation = self.servers[server].incarnation;
                    self.schedule(self.now + 1, Event::Written { server, incarnation, link });
                }
                LinksEffect::Finish { link } | LinksEffect::Close { link, .. } => {
                    self.close_link(server, link);
                }
                LinksEffect::Heard { from, notification } => {
                    events.push(PeerEvent::Heard { from, notification });
                }
                LinksEffect::Reachable { server } => events.push(PeerEvent::Reachable { server }),
                LinksEffect::Unreachable { server } => {
                    events.push(PeerEvent::Unreachable { server });
                }
            }
        }
        self.peer_events(server, events);
    }

    pub fn peer_events(&mut self, server: usize, mut events: Vec<PeerEvent>) {
        if let Some(tapped) = &mut self.tapped {
            return tapped.extend(events.into_iter().map(|event| (server, event)));
        }
        if let Some(up) = &mut self.servers[server].up
            && !events.is_empty()
        {
            up.control.peer_events(&mut events);
            self.poke(server);
        }
    }

    fn plan_peer_tick(&mut self, server: usize) {
        let Some(deadline) = self.sockets(server).and_then(|s| s.mesh.deadline()) else { return };
        let at = self.servers[server].when(deadline).max(self.now + 1);
        let Some(sockets) = self.sockets(server) else { return };
        if sockets.tick_at.is_none_or(|before| at < before) {
            sockets.tick_at = Some(at);
            self.schedule(at, Event::PeerTick { server });
        }
    }

    pub fn peer_tick(&mut self, server: usize, at: i64) -> Checked {
        let (now, until) = (self.now, self.servers[server].paused_until);
        let Some(sockets) = self.sockets(server).filter(|s| s.tick_at == Some(at)) else {
            return Ok(());
        };
        sockets.tick_at = None;
        if until > now {
            sockets.tick_at = Some(until);
            self.schedule(until, Event::PeerTick { server });
            return Ok(());
        }
        self.mesh(server, LinksInput::Tick);
        self.plan_peer_tick(server);
        Ok(())
    }

    /// When something that leaves now arrives; what cannot pass waits, as TCP repeats it.
    fn crossing(&mut self, from: usize, to: usize) -> i64 {
        let blocked = self.blocked.get(&(from, to)).copied().unwrap_or(0);
        self.now.max(blocked) + self.rng.latency(self.knobs.net_us)
    }

    fn dial(&mut self, server: usize, to: ServerId, port: Port, call: u64) {
        let to = (to.0 - 1) as usize;
        let incarnation = self.servers[server].incarnation;
        let (there, back) = (self.crossing(server, to), self.crossing(to, server));
        let at = there.max(back);
        let lost = at - self.now > 2_000_000;
        let at = if lost { self.now + 2_000_000 } else { at };
        self.schedule(at, Event::Dialed { server, incarnation, to, port, call, lost });
    }

    pub fn dialed(&mut self, event: Event) -> Checked {
        let Event::Dialed { server, incarnation, to, port, call, lost } = event else {
            return Ok(());
        };
        if self.servers[server].incarnation != incarnation {
            return Ok(());
        }
        if port == Port::Quorum && self.sockets(server).is_none_or(|s| s.leader_call != call) {
            return Ok(());
        }
        let wanted = |sockets: &mut Sockets| port != Port::Quorum || sockets.listens;
        let exists = !lost && to != server && to < self.servers.len();
        let there = exists && self.sockets(to).is_some_and(wanted);
        if !there {
            match port {
                Port::Election(dial) => self.mesh(server, LinksInput::ConnectFailed { dial }),
                Port::Quorum => {
                    let why = "refused".to_owned();
                    self.peer_events(server, vec![PeerEvent::ConnectFailed { why }]);
                }
            }
            self.plan_peer_tick(server);
            return Ok(());
        }
        let number = self.next_wire;
        self.next_wire += 1;
        let mut ends = Vec::new();
        for (end, server) in [(0, server), (1, to)] {
            let incarnation = self.servers[server].incarnation;
            let Some(sockets) = self.sockets(server) else { return Ok(()) };
            let link = sockets.next_link();
            sockets.links.insert(link, (number, end));
            if port == Port::Quorum {
                let quorum = Quorum { to_leader: end == 0, ..Quorum::default() };
                sockets.quorum.insert(link, quorum);
            }
            ends.push(End { server, incarnation, link });
        }
        let [caller, called] = [ends[0], ends[1]];
        let has_hole = port == Port::Quorum && self.holes > 0;
        self.holes -= u64::from(has_hole);
        let pipe = Pipe {
            ends: [caller, called],
            is_election: port != Port::Quorum,
            open: [true, true],
            clear_at: [self.now; 2],
            sent: [0; 2],
            taken: [0; 2],
            read: [0; 2],
            kept: Default::default(),
            damage: [Damage::None; 2],
            hole: if has_hole { Hole::Due } else { Hole::None },
        };
        self.pipes.insert(number, pipe);
        match port {
            Port::Election(dial) => {
                self.mesh(to, LinksInput::Accepted { link: called.link });
                self.mesh(server, LinksInput::Connected { dial, link: caller.link });
            }
            Port::Quorum => {
                self.note(|| format!("server {server} has a link to {to}"));
                self.peer_events(to, vec![PeerEvent::Opened { link: called.link }]);
                self.peer_events(server, vec![PeerEvent::Connected { link: caller.link }]);
            }
        }
        self.plan_peer_tick(server);
        self.plan_peer_tick(to);
        Ok(())
    }

    /// `is_packet`: not a piece of a snapshot, whose damage shows where it is read.
    fn pipe_send(&mut self, server: usize, link: Link, mut bytes: Vec<u8>, is_packet: bool) {
        let Some((number, end)) = self.pipe_of(server, link) else { return };
        let Some(pipe) = self.pipes.get_mut(&number) else { return };
        let to = pipe.ends[1 - end].server;
        if !pipe.open[1 - end] {
            // Whoever is there answers what is sent to a connection of before with a reset.
            let incarnation = pipe.ends[1 - end].incarnation;
            let is_there = incarnation != u64::MAX && self.servers[to].up.is_some();
            if is_there {
                let before = pipe.clear_at[1 - end];
                let at = self.crossing(server, to).max(self.crossing(to, server)).max(before);
                self.schedule(at, Event::PeerEnd { pipe: number, to: end });
            }
            return;
        }
        pipe.sent[end] += bytes.len() as u64;
        if pipe.damage[end] == Damage::Due && is_packet {
            pipe.damage[end] = Damage::Sent(pipe.sent[end]);
            spoil(&mut bytes, pipe.is_election, &mut self.rng);
            self.note(|| format!("server {server} {link:?}: what it sends is damaged"));
        }
        let rate = self.knobs.link_bytes_ms;
        let chunks: Vec<Vec<u8>> = match rate {
            0 => vec![bytes],
            _ => bytes.chunks(CHUNK).map(<[u8]>::to_vec).collect(),
        };
        let pieces: Vec<Vec<u8>> =
            chunks.into_iter().flat_map(|chunk| self.pieces(chunk)).collect();
        for piece in pieces {
            let at = self.crossing(server, to);
            let Some(pipe) = self.pipes.get_mut(&number) else { return };
            let takes_us = if rate == 0 { 0 } else { 1000 * piece.len() as i64 / rate };
            pipe.clear_at[end] = pipe.clear_at[end].max(at) + takes_us;
            let at = pipe.clear_at[end];
            self.schedule(at, Event::PeerBytes { pipe: number, to: 1 - end, bytes: piece });
        }
    }

    /// How many bytes of one end have come to the other machine: no more than its socket holds
    /// beside what has been read.
    fn arrived(&self, number: u64, end: usize) -> u64 {
        let pipe = self.pipes.get(&number);
        pipe.map_or(0, |pipe| pipe.taken[end].min(pipe.read[end] + self.knobs.socket_bytes))
    }

    /// Whether everything before the mark has left the process: the sender's own socket holds some.
    fn look_at_mark(&mut self, number: u64, end: usize) {
        let left = self.arrived(number, end) + self.knobs.socket_bytes;
        let Some(pipe) = self.pipes.get(&number) else { return };
        let (End { server, incarnation, link }, sent) = (pipe.ends[end], pipe.sent[end]);
        let is_busy = left < sent && ringkeeper::mutants::on("drained-when-empty");
        if self.servers[server].incarnation != incarnation || is_busy {
            return;
        }
        let Some(quorum) = self.sockets(server).and_then(|s| s.quorum.get_mut(&link)) else {
            return;
        };
        if quorum.mark.is_some_and(|at| at <= left) {
            quorum.mark = None;
            self.schedule(self.now + 1, Event::Drained { server, incarnation, link });
        }
    }

    fn ask_moved(&mut self, server: usize, link: Link) {
        let Some((number, end)) = self.pipe_of(server, link) else { return };
        let arrived = self.arrived(number, end);
        let sent = self.pipes.get(&number).map_or(0, |pipe| pipe.sent[end]);
        let Some(quorum) = self.sockets(server).and_then(|s| s.quorum.get_mut(&link)) else {
            return;
        };
        let (sent_before, arrived_before) = std::mem::replace(&mut quorum.asked, (sent, arrived));
        if arrived > arrived_before && arrived < sent_before {
            self.peer_events(server, vec![PeerEvent::Moved { link }]);
        }
    }

    /// This end closes, behind what it has sent.
    fn close_link(&mut self, server: usize, link: Link) {
        let Some((number, end)) = self.pipe_of(server, link) else { return };
        self.note(|| format!("server {server} closes {link:?}"));
        self.check_calm(number);
        if let Some(sockets) = self.sockets(server) {
            sockets.links.remove(&link);
            sockets.quorum.remove(&link);
        }
        self.shut(number, end);
    }

    /// Where nothing goes wrong no link between leader and learner ends once all serve: busy ones
    /// are not taken for dead ones.
    fn check_calm(&mut self, number: u64) {
        let all_serve = self.servers.iter().all(|server| server.serves_since.is_some());
        self.have_served |= all_serve;
        let is_quorum = self.pipes.get(&number).is_some_and(|pipe| !pipe.is_election);
        if self.knobs.calm && self.stage == Stage::Storm && self.have_served && is_quorum {
            let text = "a link between servers ends, and nothing has gone wrong".to_owned();
            self.failure.get_or_insert(text);
        }
    }

    fn shut(&mut self, number: u64, end: usize) {
        let Some(pipe) = self.pipes.get_mut(&number) else { return };
        if std::mem::take(&mut pipe.open[end]) {
            let way = (pipe.ends[end].server, pipe.ends[1 - end].server);
            let blocked = self.blocked.get(&way).copied().unwrap_or(0);
            let at = pipe.clear_at[end].max(self.now).max(blocked) + 1;
            self.schedule(at, Event::PeerEnd { pipe: number, to: 1 - end });
        }
    }

    pub fn peer_bytes(&mut self, number: u64, to: usize, bytes: &[u8]) -> Checked {
        let Some(pipe) = self.pipes.get_mut(&number).filter(|pipe| pipe.open[to]) else {
            return Ok(());
        };
        let (end, is_election) = (pipe.ends[to], pipe.is_election);
        if self.servers[end.server].incarnation != end.incarnation {
            return Ok(());
        }
        let kept = &mut pipe.kept[1 - to];
        kept.extend_from_slice(bytes);
        pipe.taken[1 - to] += bytes.len() as u64;
        self.look_at_mark(number, 1 - to);
        // A process that does not run takes nothing.
        let until = self.servers[end.server].paused_until;
        if until > self.now {
            self.schedule(until, Event::PeerBytes { pipe: number, to, bytes: Vec::new() });
            return Ok(());
        }
        let Some(pipe) = self.pipes.get_mut(&number) else { return Ok(()) };
        let bytes = std::mem::take(&mut pipe.kept[1 - to]);
        if bytes.is_empty() {
            return Ok(());
        }
        if is_election {
            self.mesh(end.server, LinksInput::Bytes { link: end.link, bytes: &bytes });
            self.plan_peer_tick(end.server);
        } else {
            if let Some(quorum) = self.sockets(end.server).and_then(|s| s.quorum.get_mut(&end.link))
            {
                quorum.input.extend_from_slice(&bytes);
            }
            self.take_packets(end.server, end.link);
        }
        self.check_damage(number, to)
    }

    /// Whoever has read damage lets go of the link.
    fn check_damage(&mut self, number: u64, to: usize) -> Checked {
        let Some(pipe) = self.pipes.get_mut(&number) else { return Ok(()) };
        let from = 1 - to;
        let Damage::Sent(damaged_to) = pipe.damage[from] else { return Ok(()) };
        if pipe.taken[from] < damaged_to {
            return Ok(());
        }
        pipe.damage[from] = Damage::Over;
        let (end, is_open, is_election) = (pipe.ends[to], pipe.open[to], pipe.is_election);
        let quorum = self.sockets(end.server).and_then(|s| s.quorum.get(&end.link));
        // Of links between leader and learner it is sure that they are read.
        let is_read = !is_election && quorum.is_some_and(|q| !q.held && q.stream.is_none());
        match is_open && is_read {
            true => Err(format!("server {} goes on behind damage on {:?}", end.server, end.link)),
            false => Ok(()),
        }
    }

    pub fn damage_pipes(&mut self, one_in: u64) {
        let numbers: Vec<u64> = self.pipes.keys().copied().collect();
        for number in numbers {
            for end in [0, 1] {
                if self.rng.one_in(one_in)
                    && let Some(pipe) = self.pipes.get_mut(&number)
                    && pipe.damage[end] == Damage::None
                {
                    pipe.damage[end] = Damage::Due;
                }
            }
        }
    }

    /// Everything that is whole (Peers::take_packets).
    fn take_packets(&mut self, server: usize, link: Link) {
        let mut events = Vec::new();
        let mut broken = None;
        let read;
        {
            let Some(quorum) = self.sockets(server).and_then(|s| s.quorum.get_mut(&link)) else {
                return;
            };
            let before = quorum.input.len();
            while !quorum.held && !quorum.input.is_empty() {
                if let Some(parser) = &mut quorum.stream {
                    match parser.feed(&quorum.input, &mut |_| {}) {
                        Ok(progress) => {
                            let bytes = Bytes::copy_from_slice(&quorum.input[..progress.consumed]);
                            quorum.input.drain(..progress.consumed);
                            let stuck = bytes.is_empty() && !progress.done;
                            events.push(PeerEvent::Stream { link, bytes });
                            if progress.done {
                                quorum.stream = None;
                            }
                            if stuck {
                                break;
                            }
                        }
                        Err(e) => {
                            broken = Some(e.to_string());
                            break;
                        }
                    }
                    continue;
                }
                match decode(&quorum.input, &Limits { data: FIELD_MAX, ..Limits::default() }) {
                    Ok(Some((packet, taken))) => {
                        quorum.input.drain(..taken);
                        if quorum.to_leader && matches!(packet, Packet::Snap { .. }) {
                            quorum.stream = Some(SnapshotParser::new(FIELD_MAX));
                        }
                        events.push(PeerEvent::Packet { link, packet });
                    }
                    Ok(None) => break,
                    Err(e) => {
                        broken = Some(e.to_string());
                        break;
                    }
                }
            }
            read = before - quorum.input.len();
            if events.is_empty() && before > 0 && !quorum.held {
                events.push(PeerEvent::Moved { link });
            }
            if quorum.ended && (quorum.input.is_empty() || !quorum.held) && broken.is_none() {
                broken = Some("closed by the peer".into());
            }
        }
        // What is no whole packet yet is with the process, too.
        if let Some((number, end)) = self.pipe_of(server, link)
            && let Some(pipe) = self.pipes.get_mut(&number)
        {
            pipe.read[1 - end] += read as u64;
            self.look_at_mark(number, 1 - end);
        }
        if let Some(why) = broken {
            events.push(PeerEvent::Closed { link, why });
            self.close_link(server, link);
        }
        self.peer_events(server, events);
    }

    /// An end hears that the other is closed.
    pub fn peer_end(&mut self, number: u64, to: usize) -> Checked {
        let Some(pipe) = self.pipes.get(&number) else { return Ok(()) };
        let (end, is_election, open) = (pipe.ends[to], pipe.is_election, pipe.open[to]);
        if !open || self.servers[end.server].incarnation != end.incarnation {
            self.forget_pipe(number);
            return Ok(());
        }
        let until = self.servers[end.server].paused_until;
        if until > self.now {
            self.schedule(until, Event::PeerEnd { pipe: number, to });
            return Ok(());
        }
        self.peer_bytes(number, to, &[])?;
        if self.pipes.get(&number).is_none_or(|pipe| !pipe.open[to]) {
            self.forget_pipe(number);
            return Ok(());
        }
        if is_election {
            if let Some(sockets) = self.sockets(end.server) {
                sockets.links.remove(&end.link);
            }
            self.mesh(end.server, LinksInput::Closed { link: end.link });
            self.shut(number, to);
            self.plan_peer_tick(end.server);
        } else {
            if let Some(quorum) = self.sockets(end.server).and_then(|s| s.quorum.get_mut(&end.link))
            {
                quorum.ended = true;
            }
            self.take_packets(end.server, end.link);
        }
        self.forget_pipe(number);
        Ok(())
    }

    fn forget_pipe(&mut self, number: u64) {
        if self.pipes.get(&number).is_some_and(|pipe| pipe.open == [false, false]) {
            self.pipes.remove(&number);
        }
    }

    pub fn drained(&mut self, server: usize, incarnation: u64, link: Link) -> Checked {
        if self.servers[server].incarnation == incarnation && self.pipe_of(server, link).is_some() {
            self.peer_events(server, vec![PeerEvent::Drained { link }]);
        }
        Ok(())
    }

    pub fn written(&mut self, server: usize, incarnation: u64, link: Link) -> Checked {
        if self.servers[server].incarnation == incarnation && self.pipe_of(server, link).is_some() {
            self.mesh(server, LinksInput::Written { link });
            self.plan_peer_tick(server);
        }
        Ok(())
    }
}

/// Damages a packet where its reader must see it: its kind, or a length that cannot be.
fn spoil(bytes: &mut [u8], is_election: bool, rng: &mut Rng) {
    let length = rng.one_of([i32::MIN, -7, i32::MAX]);
    // An election's connection begins with a number that may be any server's, if it is not negative.
    let length = if is_election { length.min(-7) } else { length }.to_be_bytes();
    // A packet between leader and learner: kind, zxid, length of its data.
    let at = if is_election || rng.one_in(2) { 0 } else { 12 };
    let new = if is_election || at == 12 { length } else { 0x7f00_0000_i32.to_be_bytes() };
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&new);
    }
}

/// A packet in a few words.
fn brief(packet: &Packet) -> String {
    let mut text = format!("{packet:?}");
    if let Some((at, _)) = text.char_indices().nth(90) {
        text.truncate(at);
    }
    text
}

#[cfg(test)]
mod tests;
