//! The mesh: which connection to whom, and what is said on it.

use std::collections::BTreeMap;

use super::conn::{Conn, Party};
use super::effect::{CloseReason, Dial, LinksEffect, LinksInput};
use super::peer::{Line, Peer};
use super::settings::{CALLS_MAX, CLAIM_MS, LinkSettings, STALL_MS, STRANGERS_MAX};
use crate::codec::election::{
    ANONYMOUS, ElectionAddress, Header, Notification, encode_frame, encode_header,
};
use crate::membership::{Electorate, Members};
use crate::mutants::{self, Mutant};
use crate::types::{Link, Millis, ServerId};

/// All connections over which this server takes part in elections.
#[derive(Debug)]
pub struct Links {
    settings: LinkSettings,
    /// Our own election addresses, for the header.
    own: Vec<ElectionAddress>,
    peers: BTreeMap<ServerId, Peer>,
    conns: BTreeMap<Link, Conn>,
    greeting: Option<Notification>,
    last_dial: u64,
    /// Observers that do not say who they are get -1, -2, … (QuorumCnxManager.observerCounter).
    last_anonymous: i64,
}

impl Links {
    /// Begins to connect to every voter of the electorate with the first step.
    pub fn new(settings: LinkSettings, electorate: &Electorate, now: Millis) -> Links {
        // Before we know our own address the others learn that we have none to offer.
        let nowhere = ElectionAddress { host: "0.0.0.0".to_owned(), port: 0 };
        let mut links = Links {
            settings,
            own: vec![nowhere],
            peers: BTreeMap::new(),
            conns: BTreeMap::new(),
            greeting: None,
            last_dial: 0,
            last_anonymous: 0,
        };
        links.members(now, electorate, &mut Vec::new());
        links
    }

    /// One input; effects are appended.
    pub fn step(&mut self, now: Millis, input: LinksInput<'_>, out: &mut Vec<LinksEffect>) {
        match input {
            LinksInput::Members(electorate) => self.members(now, electorate, out),
            LinksInput::Accepted { link } => self.accepted(now, link, out),
            LinksInput::Connected { dial, link } => self.connected(now, dial, link, out),
            LinksInput::ConnectFailed { dial } => self.connect_failed(now, dial, out),
            LinksInput::Bytes { link, bytes } => self.bytes(now, link, bytes, out),
            LinksInput::Written { link } => self.written(now, link, out),
            LinksInput::Closed { link } => self.closed(now, link, out),
            LinksInput::Send { to, notification } => self.send(now, to, notification, out),
            LinksInput::Greeting(notification) => self.greeting = Some(notification),
            LinksInput::Reconnect => {
                self.peers.values_mut().filter(|peer| peer.is_wanted()).for_each(|peer| {
                    peer.hasten_anew(now);
                });
            }
            LinksInput::Tick => {}
        }
        self.run_due(now, out);
    }

    /// When it wants a [`LinksInput::Tick`].
    pub fn deadline(&self) -> Option<Millis> {
        let peers = self.peers.values().filter_map(|peer| peer.due(STALL_MS));
        let calls = self.conns.values().filter_map(|conn| match conn.party {
            Party::Unknown { until } => Some(until),
            Party::Server(_) | Party::Claims(_) => None,
        });
        peers.chain(calls).min()
    }

    /// There is a connection to this server.
    pub fn is_up(&self, server: ServerId) -> bool {
        self.peers.get(&server).is_some_and(|peer| peer.link().is_some())
    }

    fn members(&mut self, now: Millis, electorate: &Electorate, out: &mut Vec<LinksEffect>) {
        let configurations = || std::iter::once(&electorate.committed).chain(&electorate.next);
        let me = self.settings.me;
        let own = election_addresses(configurations().map(|members| &**members), me);
        if !own.is_empty() {
            self.own = own;
        }
        let mut ids: Vec<ServerId> =
            configurations().flat_map(|members| members.iter().map(|member| member.id)).collect();
        ids.sort();
        ids.dedup();
        for &id in ids.iter().filter(|&&id| id != me) {
            let addresses = election_addresses(configurations().map(|members| &**members), id);
            let peer = self.peers.entry(id).or_insert_with(|| Peer::new(me < id));
            peer.configure(addresses, electorate.is_voter(id), now);
        }
        // A server that was removed may still connect, as a non-member. Connections that we opened to it end.
        for (_, peer) in self.peers.iter_mut().filter(|(id, _)| !ids.contains(id)) {
            peer.configure(Vec::new(), false, now);
            if let Line::Dialing { dial, .. } = peer.line {
                out.push(LinksEffect::Cancel { dial });
                peer.line = Line::Down { retry_at: None };
            }
        }
        self.forget_strangers(out);
    }

    fn accepted(&mut self, now: Millis, link: Link, out: &mut Vec<LinksEffect>) {
        let unknown = |(link, conn): (&Link, &Conn)| match conn.party {
            Party::Unknown { .. } => Some(*link),
            Party::Server(_) | Party::Claims(_) => None,
        };
        if self.conns.iter().filter_map(unknown).count() >= CALLS_MAX {
            // Links count upwards: the first is the oldest.
            if let Some(oldest) = self.conns.iter().find_map(unknown) {
                self.conns.remove(&oldest);
                out.push(LinksEffect::Close { link: oldest, why: CloseReason::TooManyUnknown });
            }
        }
        let until = now + self.settings.header_timeout_ms;
        self.conns.insert(link, Conn::new(Party::Unknown { until }));
    }

    fn connected(&mut self, now: Millis, dial: Dial, link: Link, out: &mut Vec<LinksEffect>) {
        let dialed = |peer: &Peer| matches!(peer.line, Line::Dialing { dial: d, .. } if d == dial);
        let Some((&server, peer)) = self.peers.iter_mut().find(|(_, peer)| dialed(peer)) else {
            out.push(LinksEffect::Close { link, why: CloseReason::NotNeeded });
            return;
        };
        let mut bytes = Vec::new();
        let (protocol, addresses) = (self.settings.protocol, self.own.clone());
        encode_header(&Header { protocol, server: self.settings.me, addresses }, &mut bytes);
        out.push(LinksEffect::Write { link, bytes });
        if peer.calls_us {
            peer.knocked(now);
            out.push(LinksEffect::Finish { link });
        } else {
            self.conns.insert(link, Conn::new(Party::Server(server)));
            self.up(now, server, link, out);
        }
    }

    fn connect_failed(&mut self, now: Millis, dial: Dial, out: &mut Vec<LinksEffect>) {
        let dialed = |peer: &Peer| matches!(peer.line, Line::Dialing { dial: d, .. } if d == dial);
        let Some((&server, peer)) = self.peers.iter_mut().find(|(_, peer)| dialed(peer)) else {
            return;
        };
        if peer.failed(now) && !peer.given_up {
            peer.given_up = true;
            out.push(LinksEffect::Unreachable { server });
        }
    }

    fn bytes(&mut self, now: Millis, link: Link, bytes: &[u8], out: &mut Vec<LinksEffect>) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        if !conn.receive(bytes) {
            return self.end(now, link, CloseReason::ClaimTooLong, out);
        }
        if matches!(conn.party, Party::Unknown { .. }) {
            match conn.header() {
                Ok(None) => return,
                Ok(Some(header)) => self.called(now, link, header, out),
                Err(error) => {
                    self.conns.remove(&link);
                    out.push(LinksEffect::Close { link, why: error.into() });
                }
            }
        }
        self.frames(now, link, out);
    }

    fn frames(&mut self, now: Millis, link: Link, out: &mut Vec<LinksEffect>) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        let from = match conn.party {
            Party::Server(from) => from,
            Party::Claims(server) => {
                if let Some(peer) = self.peers.get_mut(&server).filter(|_| !conn.is_empty()) {
                    peer.claimed_since.get_or_insert(now);
                }
                return;
            }
            Party::Unknown { .. } => return,
        };
        // It is heard: whoever else claims its id goes on waiting.
        if let Some(since) = self.peers.get_mut(&from).and_then(|p| p.claimed_since.as_mut()) {
            *since = now;
        }
        let read = conn.frames(|frame| {
            out.push(match frame {
                Ok(notification) => LinksEffect::Heard { from, notification },
                Err(error) => LinksEffect::Unread { from, why: error },
            });
        });
        if let Err(error) = read {
            self.end(now, link, error.into(), out);
        }
    }

    /// A connection has said whose it is (QuorumCnxManager.handleConnection).
    fn called(&mut self, now: Millis, link: Link, header: Header, out: &mut Vec<LinksEffect>) {
        let me = self.settings.me;
        let mut refuse = |links: &mut Links, why: CloseReason| {
            links.conns.remove(&link);
            out.push(LinksEffect::Close { link, why });
        };
        let server = match header.server {
            // It cannot be called back, having no name, so its own connection is kept.
            ANONYMOUS => {
                self.last_anonymous -= 1;
                ServerId(self.last_anonymous)
            }
            server if server == me => {
                return refuse(self, CloseReason::OwnId(me.0));
            }
            ServerId(id @ ..0) => return refuse(self, CloseReason::NoId(id)),
            server => server,
        };
        let smaller = header.server < me;
        if smaller {
            self.conns.remove(&link);
            out.push(LinksEffect::Close { link, why: CloseReason::CalledBack });
        }
        let peer = self.peers.entry(server).or_insert_with(|| Peer::new(!smaller));
        peer.claim(header.addresses);
        match peer.line {
            Line::Up { link: old, .. } if mutants::on(Mutant::ClaimCostsALink) => {
                self.conns.remove(&old);
                out.push(LinksEffect::Close { link: old, why: CloseReason::Replaced });
                peer.line = Line::Down { retry_at: None };
            }
            // If it is true it has no connection to us, and what we believe to be one ends with the
            // next byte that is sent there. If not, nothing is lost. Both are told what there is to
            // tell, for one of them is the peer.
            Line::Up { .. } => {
                peer.asks |= smaller;
                if peer.pending.is_none() {
                    peer.pending = self.greeting.clone();
                }
                write_pending(now, peer, out);
                if !smaller {
                    self.claims(now, server, link, out);
                }
                return;
            }
            Line::Dialing { dial, .. } if !smaller => {
                out.push(LinksEffect::Cancel { dial });
                peer.line = Line::Down { retry_at: None };
            }
            // What is on its way will reach it.
            Line::Dialing { .. } | Line::Down { .. } => {}
        }
        if smaller {
            peer.hasten_anew(now);
        } else {
            self.conns.entry(link).and_modify(|conn| conn.party = Party::Server(server));
            self.up(now, server, link, out);
        }
        self.forget_strangers(out);
    }

    /// Somebody says that he is a server whose connection stands. Whoever waits already keeps his
    /// place for as long as silence of the other may take: if the next connection took it, a
    /// non-member that reconnects again and again would keep the peer itself from ever being heard.
    fn claims(&mut self, now: Millis, server: ServerId, link: Link, out: &mut Vec<LinksEffect>) {
        let Some(peer) = self.peers.get_mut(&server) else { return };
        if let Some(greeting) = &self.greeting {
            out.push(LinksEffect::Write { link, bytes: framed(greeting) });
        }
        let is_late = peer.claimant_since + CLAIM_MS <= now;
        if peer.claimant.is_some() && !is_late {
            self.conns.remove(&link);
            out.push(LinksEffect::Finish { link });
            return;
        }
        self.conns.entry(link).and_modify(|conn| conn.party = Party::Claims(server));
        peer.claimed_since = None;
        peer.claimant_since = now;
        if let Some(before) = peer.claimant.replace(link) {
            self.conns.remove(&before);
            out.push(LinksEffect::Close { link: before, why: CloseReason::Replaced });
        }
    }

    fn up(&mut self, now: Millis, server: ServerId, link: Link, out: &mut Vec<LinksEffect>) {
        let Some(peer) = self.peers.get_mut(&server) else { return };
        peer.up(now, link);
        // What waited for the peer may have been overtaken; the greeting is the vote of now.
        if let Some(greeting) = &self.greeting {
            peer.pending = Some(greeting.clone());
        }
        out.push(LinksEffect::Reachable { server });
        write_pending(now, peer, out);
    }

    fn send(
        &mut self,
        now: Millis,
        to: ServerId,
        notification: Notification,
        out: &mut Vec<LinksEffect>,
    ) {
        // A server that is gone and in no configuration cannot be notified (Java: invalid server id).
        let Some(peer) = self.peers.get_mut(&to) else { return };
        peer.pending = Some(notification);
        if peer.is_member() {
            peer.hasten(now);
        }
        write_pending(now, peer, out);
    }

    fn written(&mut self, now: Millis, link: Link, out: &mut Vec<LinksEffect>) {
        let Some(peer) = self.peer_of(link) else { return };
        if let Line::Up { unsent_since, .. } = &mut peer.line {
            *unsent_since = None;
        }
        write_pending(now, peer, out);
    }

    fn closed(&mut self, now: Millis, link: Link, out: &mut Vec<LinksEffect>) {
        if let Some(Conn { party: Party::Claims(server), .. }) = self.conns.get(&link)
            && let Some(peer) = self.peers.get_mut(server)
        {
            peer.claimant = peer.claimant.filter(|claim| *claim != link);
            peer.claimed_since = None;
        }
        let claim = self.peer_of(link).and_then(|peer| {
            peer.down(now);
            peer.claimed_since = None;
            peer.claimant.take()
        });
        self.conns.remove(&link);
        if let Some(claim) = claim {
            self.take_claim(now, claim, out);
        }
        self.forget_strangers(out);
    }

    /// The connection before it has ended: now it is the peer's.
    fn take_claim(&mut self, now: Millis, link: Link, out: &mut Vec<LinksEffect>) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        let Party::Claims(server) = conn.party else { return };
        conn.party = Party::Server(server);
        self.up(now, server, link, out);
        self.frames(now, link, out);
    }

    /// The connection before it is silent: it may be nobody's, or it has nothing to say. So the two
    /// change places, and neither ends.
    fn swap_claim(&mut self, now: Millis, server: ServerId, out: &mut Vec<LinksEffect>) {
        let Some(peer) = self.peers.get_mut(&server) else { return };
        peer.claimed_since = None;
        let (Some(old), Some(link)) = (peer.link(), peer.claimant) else { return };
        peer.claimant = Some(old);
        peer.claimant_since = now;
        peer.line = Line::Up { link, since: now, unsent_since: None };
        for (link, party) in [(old, Party::Claims(server)), (link, Party::Server(server))] {
            self.conns.entry(link).and_modify(|conn| conn.party = party);
        }
        self.frames(now, link, out);
    }

    /// Ends a connection for a reason of ours.
    fn end(&mut self, now: Millis, link: Link, why: CloseReason, out: &mut Vec<LinksEffect>) {
        out.push(LinksEffect::Close { link, why });
        self.closed(now, link, out);
    }

    fn peer_of(&mut self, link: Link) -> Option<&mut Peer> {
        let Party::Server(server) = self.conns.get(&link)?.party else { return None };
        self.peers.get_mut(&server).filter(|peer| peer.link() == Some(link))
    }

    fn run_due(&mut self, now: Millis, out: &mut Vec<LinksEffect>) {
        let late = |conn: &Conn| matches!(conn.party, Party::Unknown { until } if until <= now);
        let calls: Vec<Link> =
            self.conns.iter().filter(|(_, conn)| late(conn)).map(|(link, _)| *link).collect();
        for link in calls {
            let limit_ms = self.settings.header_timeout_ms;
            self.end(now, link, CloseReason::Unknown { limit_ms }, out);
        }
        let due = |peer: &Peer| peer.due(STALL_MS).is_some_and(|at| at <= now);
        let due: Vec<ServerId> =
            self.peers.iter().filter(|(_, peer)| due(peer)).map(|(id, _)| *id).collect();
        for server in due {
            let Some(peer) = self.peers.get_mut(&server) else { continue };
            match peer.line {
                Line::Down { .. } => self.dial(now, server, out),
                Line::Dialing { dial, .. } => {
                    out.push(LinksEffect::Cancel { dial });
                    self.connect_failed(now, dial, out);
                }
                Line::Up { unsent_since: Some(since), link, .. } if since + STALL_MS <= now => {
                    self.end(now, link, CloseReason::Stalled, out);
                }
                Line::Up { .. } => self.swap_claim(now, server, out),
            }
        }
    }

    fn dial(&mut self, now: Millis, server: ServerId, out: &mut Vec<LinksEffect>) {
        let Some(peer) = self.peers.get_mut(&server) else { return };
        self.last_dial += 1;
        let dial = Dial(self.last_dial);
        if let Some(address) = peer.dial(now, dial, self.settings.connect_timeout_ms) {
            out.push(LinksEffect::Connect { dial, server, address });
        }
    }

    /// Strangers are remembered while there is something going on with them.
    fn forget_strangers(&mut self, out: &mut Vec<LinksEffect>) {
        self.peers.retain(|_, peer| {
            peer.is_member() || !matches!(peer.line, Line::Down { retry_at: None })
        });
        let strangers = || self.peers.iter().filter(|(_, peer)| !peer.is_member());
        let count = strangers().count();
        for _ in STRANGERS_MAX..count {
            let since = |peer: &Peer| match peer.line {
                Line::Up { since, .. } => since,
                Line::Dialing { until, .. } => until,
                Line::Down { retry_at } => retry_at.unwrap_or_default(),
            };
            let strangers = self.peers.iter().filter(|(_, peer)| !peer.is_member());
            let oldest = strangers.min_by_key(|(_, peer)| since(peer)).map(|(id, _)| *id);
            let Some(gone) = oldest.and_then(|id| self.peers.remove(&id)) else { return };
            if let Some(link) = gone.claimant {
                self.conns.remove(&link);
                out.push(LinksEffect::Close { link, why: CloseReason::TooManyStrangers });
            }
            match gone.line {
                Line::Up { link, .. } => {
                    self.conns.remove(&link);
                    out.push(LinksEffect::Close { link, why: CloseReason::TooManyStrangers });
                }
                Line::Dialing { dial, .. } => out.push(LinksEffect::Cancel { dial }),
                Line::Down { .. } => {}
            }
        }
    }
}

/// One message is on its way at most; the next waits, so that a newer one can take its place.
fn write_pending(now: Millis, peer: &mut Peer, out: &mut Vec<LinksEffect>) {
    let Line::Up { link, unsent_since: unsent_since @ None, .. } = &mut peer.line else { return };
    let Some(notification) = peer.pending.take() else { return };
    let bytes = framed(&notification);
    *unsent_since = Some(now);
    if let Some(link) = peer.claimant {
        out.push(LinksEffect::Write { link, bytes: bytes.clone() });
    }
    out.push(LinksEffect::Write { link: *link, bytes });
}

fn framed(notification: &Notification) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_frame(notification, &mut bytes);
    bytes
}

/// A server's election addresses in these configurations, each once.
fn election_addresses<'a>(
    configurations: impl Iterator<Item = &'a Members>,
    server: ServerId,
) -> Vec<ElectionAddress> {
    let mut addresses = Vec::new();
    for address in configurations.filter_map(|c| c.get(server)).flat_map(|m| &m.addresses) {
        let address = ElectionAddress { host: address.host.clone(), port: address.election };
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}
