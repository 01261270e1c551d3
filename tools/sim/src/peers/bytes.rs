//! Bytes on their way from one server to another, and what links say of them.

use bytes::Bytes;
use ringkeeper::codec::quorum::snapshot::SnapshotParser;
use ringkeeper::codec::quorum::{Limits, Packet, decode};
use ringkeeper::election::links::LinksInput;
use ringkeeper::mutants::{self, Mutant};
use ringkeeper::roles::peer_message::PeerEvent;
use ringkeeper::types::Link;

use super::{Damage, End};
use crate::history::FIELD_MAX;
use crate::rng::Rng;
use crate::world::{Checked, Event, World};

/// Bytes of one packet of the network.
const CHUNK: usize = 4096;

impl World {
    /// When something that leaves now arrives; what cannot pass waits, as TCP repeats it.
    pub(super) fn crossing(&mut self, from: usize, to: usize) -> i64 {
        let blocked = self.blocked.get(&(from, to)).copied().unwrap_or(0);
        self.now.max(blocked) + self.rng.latency(self.knobs.net_us)
    }

    /// `is_packet`: not a piece of a snapshot, whose damage shows where it is read.
    pub(super) fn pipe_send(
        &mut self,
        server: usize,
        link: Link,
        mut bytes: Vec<u8>,
        is_packet: bool,
    ) {
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
    pub(super) fn arrived(&self, number: u64, end: usize) -> u64 {
        let pipe = self.pipes.get(&number);
        pipe.map_or(0, |pipe| pipe.taken[end].min(pipe.read[end] + self.knobs.socket_bytes))
    }

    /// Whether everything before the mark has left the process: the sender's own socket holds some.
    pub(super) fn look_at_mark(&mut self, number: u64, end: usize) {
        let left = self.arrived(number, end) + self.knobs.socket_bytes;
        let Some(pipe) = self.pipes.get(&number) else { return };
        let (End { server, incarnation, link }, sent) = (pipe.ends[end], pipe.sent[end]);
        let is_busy = left < sent && mutants::on(Mutant::DrainedWhenEmpty);
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

    pub(super) fn ask_moved(&mut self, server: usize, link: Link) {
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

    pub fn drained(&mut self, server: usize, incarnation: u64, link: Link) -> Checked {
        if self.servers[server].incarnation == incarnation && self.pipe_of(server, link).is_some() {
            self.peer_events(server, vec![PeerEvent::Drained { link }]);
        }
        Ok(())
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

    /// Everything that is whole (Peers::take_packets).
    pub(super) fn take_packets(&mut self, server: usize, link: Link) {
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

    /// Whoever has read damage lets go of the link.
    pub(super) fn check_damage(&mut self, number: u64, to: usize) -> Checked {
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
