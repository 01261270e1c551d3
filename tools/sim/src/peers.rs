//! Servers among themselves: the election's mesh and the learners' links over simulated bytes.
//!
//! What `roles::peers` does with sockets is done here with pipes: the shipping mesh core, packets
//! through the shipping codec, in pieces, late, one way only, reset behind any prefix.
//!
//! * here: what a connection is, and what the control role wants
//! * `mesh`: elections' connections; `dials`: connections on their way; `bytes`: what they carry;
//!   `endings`: how they end

mod bytes;
mod dials;
mod endings;
mod mesh;

use std::collections::BTreeMap;

use ringkeeper::codec::election::HeaderProtocol;
use ringkeeper::codec::quorum::snapshot::SnapshotParser;
use ringkeeper::codec::quorum::{Forwarded, Packet, encode};
use ringkeeper::codec::request::{Request, decode_body};
use ringkeeper::election::links::{Dial, LinkSettings, Links, LinksInput};
use ringkeeper::membership::Electorate;
use ringkeeper::roles::peer_message::{PeerCommand, PeerEvent};
use ringkeeper::types::{Link, Millis, ServerId, Zxid};

use crate::history::Wish;
use crate::world::World;

/// What a connection between two servers is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    Election(Dial),
    Quorum,
}

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
