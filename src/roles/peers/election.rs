//! The election port: the mesh's effects, carried out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::calls::Target;
use super::shell::{Peers, Use};
use crate::election::links::{Dial, Links, LinksEffect, LinksInput};
use crate::net::{How, Net, Security};
use crate::roles::peer_message::PeerEvent;
use crate::types::{ConnId, Link};

/// The mesh, and which connection a link of it is.
pub(super) struct Mesh {
    pub links: Links,
    pub(super) conns: BTreeMap<Link, ConnId>,
    effects: Vec<LinksEffect>,
}

impl Mesh {
    pub(super) fn new(links: Links) -> Mesh {
        Mesh { links, conns: BTreeMap::new(), effects: Vec::new() }
    }
}

impl Peers {
    /// One step of the mesh, and what follows from it.
    pub(super) fn elect(&mut self, net: &mut Net, input: LinksInput<'_>, out: &mut Vec<PeerEvent>) {
        self.mesh.links.step(self.now, input, &mut self.mesh.effects);
        self.run_mesh(net, out);
    }

    fn run_mesh(&mut self, net: &mut Net, out: &mut Vec<PeerEvent>) {
        let mut effects = std::mem::take(&mut self.mesh.effects);
        for effect in effects.drain(..) {
            match effect {
                LinksEffect::Connect { dial, server: _, address } => {
                    let name = (address.host, address.port);
                    let timeout_ms = self.settings.links.connect_timeout_ms;
                    self.call(net, Target::Election(dial), [name], timeout_ms);
                }
                LinksEffect::Cancel { dial } => self.cancel_dial(net, Target::Election(dial)),
                LinksEffect::Write { link, bytes } => {
                    if let Some(&conn) = self.mesh.conns.get(&link)
                        && let Some(output) = net.output(conn)
                    {
                        if !self.proofs.write(link, &bytes, output) {
                            output.extend_from_slice(&bytes);
                        }
                        net.mark(conn);
                    }
                }
                LinksEffect::Finish { link } if self.proofs.finish(link) => {}
                LinksEffect::Finish { link } => self.leave_mesh(net, link, How::AfterFlush),
                LinksEffect::Close { link, why } => {
                    self.proofs.forget(link);
                    tracing::debug!(link = link.0, %why, "election connection closed");
                    // Whoever has proven itself and is only called back has still to hear that it has.
                    let how = self.settings.sasl.as_ref().map_or(How::Now, |_| How::AfterFlush);
                    self.leave_mesh(net, link, how);
                }
                LinksEffect::Heard { from, notification } => {
                    out.push(PeerEvent::Heard { from, notification });
                }
                LinksEffect::Unread { from, why } => {
                    tracing::warn!(server = from.0, %why, "election notification ignored");
                }
                LinksEffect::Reachable { server } => out.push(PeerEvent::Reachable { server }),
                LinksEffect::Unreachable { server } => out.push(PeerEvent::Unreachable { server }),
            }
        }
        // Nothing above steps the mesh again: its answers come with later turns.
        self.mesh.effects = effects;
    }

    pub(super) fn leave_mesh(&mut self, net: &mut Net, link: Link, how: How) {
        if let Some(conn) = self.mesh.conns.remove(&link) {
            net.close(conn, how);
            self.uses.insert(conn, Use::Leaving);
        }
    }

    pub(super) fn election_accepted(
        &mut self,
        net: &mut Net,
        fd: OwnedFd,
        peer: SocketAddr,
        security: Security,
        out: &mut Vec<PeerEvent>,
    ) {
        let conn = net.adopt_peer(fd, peer, &self.settings.mesh_options(), security);
        let link = self.enter_mesh(conn);
        self.demand_proof(link);
        self.elect(net, LinksInput::Accepted { link }, out);
    }

    pub(super) fn election_connected(
        &mut self,
        net: &mut Net,
        dial: Dial,
        conn: ConnId,
        out: &mut Vec<PeerEvent>,
    ) {
        let link = self.enter_mesh(conn);
        self.offer_proof(link);
        self.elect(net, LinksInput::Connected { dial, link }, out);
    }

    fn enter_mesh(&mut self, conn: ConnId) -> Link {
        let link = self.next_link();
        self.mesh.conns.insert(link, conn);
        self.uses.insert(conn, Use::Election(link));
        link
    }

    pub(super) fn election_received(
        &mut self,
        net: &mut Net,
        conn: ConnId,
        link: Link,
        out: &mut Vec<PeerEvent>,
    ) {
        if self.proofs.holds(link) {
            return self.election_proof(net, conn, link, out);
        }
        let bytes = net.input(conn);
        let taken = bytes.len();
        let input = LinksInput::Bytes { link, bytes };
        self.mesh.links.step(self.now, input, &mut self.mesh.effects);
        net.consume(conn, taken);
        self.run_mesh(net, out);
    }

    pub(super) fn election_drained(
        &mut self,
        net: &mut Net,
        conn: ConnId,
        link: Link,
        out: &mut Vec<PeerEvent>,
    ) {
        // What the mesh wrote may still wait for an exchange.
        if net.unsent(conn) == 0 && !self.proofs.holds(link) {
            self.elect(net, LinksInput::Written { link }, out);
        }
    }

    pub(super) fn election_closed(&mut self, net: &mut Net, link: Link, out: &mut Vec<PeerEvent>) {
        self.election_proof_closed(net, link, out);
        self.mesh.conns.remove(&link);
        self.elect(net, LinksInput::Closed { link }, out);
    }
}
