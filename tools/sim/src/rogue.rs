//! A peer that is none: it speaks on the servers' own ports, well-formed, with whatever id, epoch,
//! vote or configuration it likes.
//!
//! It claims, and does no more: it neither promises nor acknowledges in a voter's name, against which
//! no server can know anything without authentication. What it says must not cost safety, nor, once
//! it has only claims to ids that are heard, anybody's service.

use ringkeeper::codec::election::{
    Header, HeaderProtocol, Notification, PeerState, VERSION, encode_frame, encode_header,
};
use ringkeeper::codec::quorum::{PROTOCOL, PROTOCOL_OWN, Packet, encode};
use ringkeeper::election::links::LinksInput;
use ringkeeper::roles::peer_message::PeerEvent;
use ringkeeper::types::{Epoch, Link, ServerId, Zxid};

use crate::peers::{Pipe, Quorum};
use crate::world::{Checked, Event, Stage, World};

/// Between two claims while everything is to come to rest, in microseconds.
const KICKS_US: i64 = 10_000;

/// Where it stands.
#[derive(Default)]
pub struct Rogue {
    /// It goes on when the storm is over, with claims alone.
    pub stays: bool,
    until: i64,
    every_us: i64,
    /// Its links to leaders, and when they were opened: server, process, link.
    links: Vec<(usize, u64, Link)>,
}

impl World {
    pub fn rogue_comes(&mut self, for_us: i64, every_us: i64, stays: bool) {
        let idle = self.rogue.until <= self.now && !self.rogue.stays;
        self.rogue.until = self.rogue.until.max(self.now + for_us);
        self.rogue.every_us = every_us;
        self.rogue.stays |= stays;
        if idle {
            self.schedule(self.now, Event::Rogue);
        }
    }

    pub fn rogue_acts(&mut self) -> Checked {
        let storm = self.stage == Stage::Storm;
        let every_us = match storm {
            true if self.now < self.rogue.until => self.rogue.every_us,
            // As long as sessions may run out nothing more is waited for.
            _ if self.rogue.stays && self.stage != Stage::Settling => KICKS_US,
            _ => return Ok(()),
        };
        self.schedule(self.now + every_us, Event::Rogue);
        let any = self.rng.below(self.servers.len() as u64) as usize;
        // Who leads is where claims could cost most.
        let server = self.leader().filter(|_| !storm).unwrap_or(any);
        match self.rng.below(4) {
            0 if storm => self.rogue_votes(server),
            1 if storm => self.rogue_speaks(),
            2 => self.rogue_calls(server, Vec::new()),
            _ => self.rogue_claims(server, storm),
        }
        Ok(())
    }

    fn any_id(&mut self) -> ServerId {
        let servers = self.servers.len() as i64;
        // Of those the first are no members.
        ServerId(match self.rng.one_in(5) {
            true => 90 + self.rng.between(0, 3),
            false => self.rng.between(1, servers),
        })
    }

    fn any_epoch(&mut self) -> u32 {
        let newest = self.primaries.keys().next_back().map_or(0, |epoch| epoch.0);
        let far = self.rng.below(1u32 << 31);
        self.rng.one_of([0, newest, newest + 1, newest + 2, newest + 60_000, far, 0x7fff_ffef])
    }

    /// FOLLOWERINFO or OBSERVERINFO of somebody.
    fn rogue_claims(&mut self, server: usize, storm: bool) {
        let listens = |up: &crate::server::Running| up.sockets.as_ref().is_some_and(|s| s.listens);
        if !self.servers[server].up.as_ref().is_some_and(listens) {
            return;
        }
        let claim = Packet::LearnerInfo {
            observer: storm && self.rng.one_in(5),
            accepted: Epoch(self.any_epoch()),
            server: self.any_id(),
            protocol: self.rng.one_of([PROTOCOL, PROTOCOL_OWN]),
            config_version: if self.rng.one_in(8) { i64::MAX } else { 0 },
            reads: if self.rng.one_in(4) { Some(16) } else { None },
        };
        let Some((number, link)) = self.rogue_pipe(server, false) else { return };
        self.note(|| format!("a stranger says to server {server} {link:?}: {claim:?}"));
        self.peer_events(server, vec![PeerEvent::Opened { link }]);
        self.rogue_sends(number, &claim);
        let incarnation = self.servers[server].incarnation;
        self.rogue.links.push((server, incarnation, link));
        if self.rogue.links.len() > 40 {
            let (server, incarnation, link) = self.rogue.links.remove(0);
            if self.servers[server].incarnation == incarnation
                && let Some((number, _)) = self.pipe_of(server, link)
            {
                self.schedule(self.now, Event::PeerEnd { pipe: number, to: 1 });
            }
        }
    }

    /// On a link it has: that it has promised before, which proves nothing and counts for nothing.
    fn rogue_speaks(&mut self) {
        if self.rogue.links.is_empty() {
            return;
        }
        let at = self.rng.below(self.rogue.links.len() as u64) as usize;
        let (server, incarnation, link) = self.rogue.links[at];
        let Some((number, _)) = self.pipe_of(server, link) else { return };
        if self.servers[server].incarnation != incarnation {
            return;
        }
        let last = self.rng.one_of([Zxid::ZERO, Zxid(-1), self.answered]);
        self.rogue_sends(number, &Packet::AckEpoch { last, current: None });
    }

    fn rogue_sends(&mut self, number: u64, packet: &Packet) {
        let mut bytes = Vec::new();
        encode(packet, &mut bytes);
        self.schedule(self.now, Event::PeerBytes { pipe: number, to: 1, bytes });
    }

    /// A vote of somebody for somebody.
    fn rogue_votes(&mut self, server: usize) {
        let round = self.rng.one_of([0, 1, 5, 1 << 20, 1 << 40, i64::MAX]);
        let (leader, epoch) = (self.any_id(), self.any_epoch());
        let counter = self.rng.below(1 << 20) as u32;
        let state = self.rng.one_of([PeerState::Looking, PeerState::Following, PeerState::Leading]);
        let evil = "server.90=10.0.0.90:2888:3888:participant\nversion=7f00000000000000";
        let config = self.rng.one_in(2).then(|| evil.to_owned());
        let mut bytes = Vec::new();
        let vote = Notification {
            state,
            leader,
            zxid: Zxid::new(Epoch(epoch), counter),
            election_epoch: round,
            peer_epoch: i64::from(epoch),
            version: VERSION,
            // Who votes is not for strangers to say; of a voter's id it cannot be known.
            config: config.clone(),
        };
        encode_frame(&vote, &mut bytes);
        self.note(|| format!("a stranger says to server {server}: {vote:?}"));
        match config {
            None => self.rogue_calls(server, bytes),
            Some(_) => self.rogue_calls_as(server, ServerId(95), bytes),
        }
    }

    fn rogue_calls(&mut self, server: usize, bytes: Vec<u8>) {
        let id = self.any_id();
        self.rogue_calls_as(server, id, bytes);
    }

    fn rogue_calls_as(&mut self, server: usize, id: ServerId, mut said: Vec<u8>) {
        let Some((number, link)) = self.rogue_pipe(server, true) else { return };
        let mut bytes = Vec::new();
        let (protocol, addresses) = (HeaderProtocol::Legacy, Vec::new());
        encode_header(&Header { protocol, server: id, addresses }, &mut bytes);
        bytes.append(&mut said);
        self.mesh(server, LinksInput::Accepted { link });
        self.schedule(self.now, Event::PeerBytes { pipe: number, to: 1, bytes });
    }

    /// A connection whose other end nobody looks at.
    fn rogue_pipe(&mut self, server: usize, is_election: bool) -> Option<(u64, Link)> {
        let incarnation = self.servers[server].incarnation;
        let number = self.next_wire;
        let sockets = self.sockets(server)?;
        let link = sockets.next_link();
        sockets.links.insert(link, (number, 1));
        if !is_election {
            sockets.quorum.insert(link, Quorum::default());
        }
        self.next_wire += 1;
        self.pipes
            .insert(number, Pipe::of_stranger(server, incarnation, link, is_election, self.now));
        Some((number, link))
    }
}
