//! The quorum port: links that carry packets, learners' here while this server leads, or the one to
//! its leader.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use bytes::Bytes;

use super::calls::Target;
use super::error::LinkError;
use super::proofs::Proven;
use super::settings::LINKS_MAX;
use super::shell::{Peers, Use};
use crate::codec::quorum::snapshot::SnapshotParser;
use crate::codec::quorum::{Packet, decode_into, encode};
use crate::mutants::{self, Mutant};
use crate::net::{CloseReason, How, Net, Security};
use crate::roles::peer_message::PeerEvent;
use crate::types::{ConnId, Link, ServerId};

/// One connection that carries packets.
pub(super) struct QuorumLink {
    pub conn: ConnId,
    pub peer: SocketAddr,
    /// The other end leads.
    pub to_leader: bool,
    /// The snapshot that is coming in. It is read here only to find its end.
    stream: Option<SnapshotParser>,
    /// [`PeerEvent::Drained`] is owed once everything before this byte has left.
    mark: Option<u64>,
    /// When it was asked last whether bytes move: how many had been queued, and how many the other
    /// machine had.
    asked: (u64, u64),
}

pub(super) type QuorumLinks = BTreeMap<Link, QuorumLink>;

impl Peers {
    pub(super) fn quorum_accepted(
        &mut self,
        net: &mut Net,
        fd: OwnedFd,
        peer: SocketAddr,
        security: Security,
        out: &mut Vec<PeerEvent>,
    ) {
        if self.quorum.len() >= LINKS_MAX {
            tracing::warn!(%peer, "learner refused: there are {LINKS_MAX} links");
            return;
        }
        let conn = net.adopt_peer(fd, peer, &self.settings.options(), security);
        let link = self.enter_quorum(conn, peer, false);
        self.demand_proof(link);
        tracing::debug!(link = link.0, %peer, "learner connected");
        out.push(PeerEvent::Opened { link });
    }

    pub(super) fn leader_connected(
        &mut self,
        net: &mut Net,
        conn: ConnId,
        peer: SocketAddr,
        out: &mut Vec<PeerEvent>,
    ) {
        let link = self.enter_quorum(conn, peer, true);
        tracing::debug!(link = link.0, %peer, "connected to the leader");
        if !self.offer_proof(link) {
            return out.push(PeerEvent::Connected { link });
        }
        if let Some(output) = net.output(conn) {
            self.proofs.write(link, &[], output);
        }
    }

    fn enter_quorum(&mut self, conn: ConnId, peer: SocketAddr, to_leader: bool) -> Link {
        let link = self.next_link();
        let stream = None;
        let entry = QuorumLink { conn, peer, to_leader, stream, mark: None, asked: (0, 0) };
        self.quorum.insert(link, entry);
        self.uses.insert(conn, Use::Quorum(link));
        link
    }

    /// Looks for the leader at its quorum addresses, those to come included.
    pub(super) fn connect_leader(&mut self, net: &mut Net, server: ServerId) {
        self.cancel_dial(net, Target::Leader);
        let electorate = &self.settings.electorate;
        let configurations = std::iter::once(&electorate.committed).chain(&electorate.next);
        let members = configurations.filter_map(|members| members.get(server));
        let mut names: Vec<(String, u16)> = Vec::new();
        for address in members.flat_map(|member| &member.addresses) {
            let name = (address.host.clone(), address.quorum);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let timeout_ms = self.settings.leader_connect_ms;
        self.call(net, Target::Leader, names, timeout_ms);
    }

    pub(super) fn send_packet(&mut self, net: &mut Net, link: Link, packet: &Packet) {
        if let Some(output) = self.output(net, link) {
            encode(packet, output);
        }
    }

    pub(super) fn send_raw(&mut self, net: &mut Net, link: Link, bytes: &[u8]) {
        if let Some(output) = self.output(net, link) {
            output.extend_from_slice(bytes);
        }
    }

    fn output<'n>(&self, net: &'n mut Net, link: Link) -> Option<&'n mut Vec<u8>> {
        net.output(self.quorum.get(&link)?.conn)
    }

    pub(super) fn when_drained(&mut self, net: &mut Net, link: Link) {
        if let Some(entry) = self.quorum.get_mut(&link) {
            entry.mark = Some(net.mark(entry.conn));
        }
    }

    pub(super) fn ask_moved(&mut self, net: &mut Net, link: Link, out: &mut Vec<PeerEvent>) {
        let Some(entry) = self.quorum.get_mut(&link) else { return };
        let arrived = net.acknowledged(entry.conn);
        let (queued_before, arrived_before) = entry.asked;
        // A kernel may count the connection's beginning as a byte.
        if arrived > arrived_before && arrived < queued_before {
            out.push(PeerEvent::Moved { link });
        }
        entry.asked = (net.queued(entry.conn), arrived);
    }

    pub(super) fn reading(&self, net: &mut Net, link: Link, on: bool) {
        match self.quorum.get(&link) {
            Some(entry) if on => net.resume(entry.conn),
            Some(entry) => net.pause(entry.conn),
            None => {}
        }
    }

    /// Closes a link at this end's wish: nothing more is said of it.
    pub(super) fn leave_quorum(&mut self, net: &mut Net, link: Link, how: How) {
        self.proofs.forget(link);
        if let Some(entry) = self.quorum.remove(&link) {
            net.close(entry.conn, how);
            self.uses.insert(entry.conn, Use::Leaving);
        }
    }

    /// Closes the port and all links.
    pub(super) fn stop_quorum(&mut self, net: &mut Net) {
        self.quorum_listener.shut(net);
        self.cancel_dial(net, Target::Leader);
        let links: Vec<Link> = self.quorum.keys().copied().collect();
        links.into_iter().for_each(|link| self.leave_quorum(net, link, How::AfterFlush));
    }

    pub(super) fn quorum_received(&mut self, net: &mut Net, link: Link, out: &mut Vec<PeerEvent>) {
        if self.proofs.holds(link)
            && let Some((conn, to_leader)) =
                self.quorum.get(&link).map(|of| (of.conn, of.to_leader))
        {
            match self.quorum_proof(net, conn, link) {
                Proven::Waiting => return,
                Proven::Through if to_leader => out.push(PeerEvent::Connected { link }),
                Proven::Through => {}
                Proven::Ended(why) => {
                    return self.quorum_unproven(net, link, &why.to_string(), out);
                }
            }
        }
        if let Err(why) = self.take_packets(net, link, out) {
            if let Some(entry) = self.quorum.get(&link) {
                tracing::warn!(link = link.0, peer = %entry.peer, %why, "link closed");
            }
            self.leave_quorum(net, link, How::Now);
            out.push(PeerEvent::Closed { link, why: why.to_string() });
        }
    }

    /// Everything that is whole.
    fn take_packets(
        &mut self,
        net: &mut Net,
        link: Link,
        out: &mut Vec<PeerEvent>,
    ) -> Result<(), LinkError> {
        let Some(entry) = self.quorum.get_mut(&link) else { return Ok(()) };
        let before = out.len();
        loop {
            let input = net.input(entry.conn);
            if input.is_empty() {
                return Ok(());
            }
            if let Some(parser) = &mut entry.stream {
                let progress = parser.feed(input, &mut |_| {});
                let field_max = self.settings.field_max;
                let progress = progress.map_err(|e| LinkError::of_stream(e, field_max))?;
                let bytes = Bytes::copy_from_slice(&input[..progress.consumed]);
                net.consume(entry.conn, progress.consumed);
                out.push(PeerEvent::Stream { link, bytes });
                if progress.done {
                    entry.stream = None;
                }
                continue;
            }
            let keep = &mut |bytes: &[u8]| self.chunks.copy(bytes);
            let decoded = decode_into(input, &self.settings.limits, keep);
            let data_max = self.settings.limits.data;
            let decoded = decoded.map_err(|e| LinkError::of_packet(e, data_max))?;
            let Some((packet, taken)) = decoded else {
                if out.len() == before {
                    out.push(PeerEvent::Moved { link });
                }
                return Ok(());
            };
            net.consume(entry.conn, taken);
            if entry.to_leader && matches!(packet, Packet::Snap { .. }) {
                entry.stream = Some(SnapshotParser::new(self.settings.field_max));
            }
            out.push(PeerEvent::Packet { link, packet });
        }
    }

    pub(super) fn quorum_drained(&mut self, net: &mut Net, link: Link, out: &mut Vec<PeerEvent>) {
        if let Some(entry) = self.quorum.get_mut(&link)
            && entry.mark.is_some_and(|at| at <= net.taken(entry.conn))
            && (net.unsent(entry.conn) == 0 || !mutants::on(Mutant::DrainedWhenEmpty))
        {
            entry.mark = None;
            out.push(PeerEvent::Drained { link });
        }
    }

    /// The other end is gone, or too slow. What it had said before still counts.
    pub(super) fn quorum_closed(
        &mut self,
        net: &mut Net,
        link: Link,
        reason: CloseReason,
        out: &mut Vec<PeerEvent>,
    ) {
        self.quorum_received(net, link, out);
        let is_unproven = self.proofs.holds(link);
        self.proofs.forget(link);
        if let Some(entry) = self.quorum.remove(&link) {
            if is_unproven {
                return out.push(Peers::unproven(link, entry.to_leader, &reason.to_string()));
            }
            out.push(PeerEvent::Closed { link, why: reason.to_string() });
        }
    }
}
