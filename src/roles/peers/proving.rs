//! Exchanges of [`super::proofs`], carried out on the sockets: what comes goes to them first, and to the mesh
//! or to control once they are over.

use super::proofs::{End, Proof, Proven, take};
use super::shell::{Peers, Use};
use crate::codec::election::decode_header;
use crate::election::links::LinksInput;
use crate::net::{How, Net};
use crate::roles::peer_message::PeerEvent;
use crate::sasl::Progress;
use crate::types::{ConnId, Link, Millis};

/// What becomes of a connection without a proof.
const CLOSED: &str = "is closed, for SASL authentication failed";

impl Peers {
    fn proven_by(&self) -> Millis {
        self.now + self.settings.links.header_timeout_ms
    }

    /// Somebody has connected to a port of ours.
    pub(super) fn demand_proof(&mut self, link: Link) {
        if self.settings.sasl.is_some() {
            self.proofs.accept(link, self.proven_by());
        }
    }

    /// We have connected. False: nothing is to be proven.
    pub(super) fn offer_proof(&mut self, link: Link) -> bool {
        let offers = self.settings.sasl.as_ref().is_some_and(|sasl| sasl.learner.is_some());
        if offers {
            self.proofs.initiate(link, self.proven_by());
        }
        offers
    }

    /// What an exchange makes of what has come.
    fn step(&mut self, net: &mut Net, conn: ConnId, link: Link) -> Option<Progress> {
        let sasl = self.settings.sasl.as_ref()?;
        let proof = self.proofs.by_link.get_mut(&link)?;
        let mut answer = Vec::new();
        let (used, progress) = take(sasl, proof, net.input(conn), &mut answer);
        net.consume(conn, used);
        if !answer.is_empty()
            && let Some(output) = net.output(conn)
        {
            output.extend_from_slice(&answer);
            net.mark(conn);
        }
        match &progress {
            Progress::Through(Some(user), _) => {
                tracing::info!(link = link.0, %user, "server authenticated by SASL");
            }
            Progress::Through(None, Some(why)) => {
                self.note_unproven(net, conn, || {
                    format!(
                        "has not proven itself: {why}; it is taken all the same, for \
                             quorum.auth.serverRequireSasl is false"
                    )
                });
            }
            Progress::Through(None, None) | Progress::Waiting | Progress::Ended(_) => {}
        }
        Some(progress)
    }

    /// The election port.
    pub(super) fn election_proof(
        &mut self,
        net: &mut Net,
        conn: ConnId,
        link: Link,
        out: &mut Vec<PeerEvent>,
    ) {
        if let Some(Proof { end: End::Accepting { head: head @ None, .. }, .. }) =
            self.proofs.by_link.get_mut(&link)
        {
            match decode_header(net.input(conn)) {
                Ok(None) => return,
                Ok(Some((_, length))) => {
                    *head = Some(net.input(conn)[..length].to_vec());
                    net.consume(conn, length);
                }
                // The mesh says why.
                Err(_) => {
                    self.proofs.forget(link);
                    return self.election_received(net, conn, link, out);
                }
            }
        }
        match self.step(net, conn, link) {
            Some(Progress::Waiting) | None => {}
            Some(Progress::Through(..)) => self.election_through(net, conn, link, out),
            Some(Progress::Ended(why)) => self.election_unproven(net, link, &why.to_string(), out),
        }
    }

    fn election_through(
        &mut self,
        net: &mut Net,
        conn: ConnId,
        link: Link,
        out: &mut Vec<PeerEvent>,
    ) {
        match self.proofs.by_link.remove(&link).map(|proof| proof.end) {
            Some(End::Accepting { head: Some(head), .. }) => {
                self.elect(net, LinksInput::Bytes { link, bytes: &head }, out);
            }
            Some(End::Initiating { held, finishes, .. }) => {
                if let Some(output) = net.output(conn) {
                    output.extend_from_slice(&held);
                    net.mark(conn);
                }
                if finishes {
                    return self.leave_mesh(net, link, How::AfterFlush);
                }
                if held.is_empty() {
                    self.elect(net, LinksInput::Written { link }, out);
                }
            }
            Some(End::Accepting { head: None, .. }) | None => {}
        }
        if matches!(self.uses.get(&conn), Some(Use::Election(_))) && !net.input(conn).is_empty() {
            self.election_received(net, conn, link, out);
        }
    }

    fn election_unproven(
        &mut self,
        net: &mut Net,
        link: Link,
        why: &str,
        out: &mut Vec<PeerEvent>,
    ) {
        self.note_unproven_vote(net, link, why);
        self.proofs.forget(link);
        self.leave_mesh(net, link, How::AfterFlush);
        self.elect(net, LinksInput::Closed { link }, out);
    }

    /// The connection is gone. Who only asked to be called, and needed to prove nothing, has said all it
    /// wanted to.
    pub(super) fn election_proof_closed(
        &mut self,
        net: &mut Net,
        link: Link,
        out: &mut Vec<PeerEvent>,
    ) {
        let Some(proof) = self.proofs.by_link.remove(&link) else { return };
        let is_required = self.settings.sasl.as_ref().is_some_and(|sasl| sasl.server_required);
        match proof.end {
            End::Accepting { head: None, .. } => {}
            End::Accepting { head: Some(head), acceptor }
                if !is_required && !acceptor.has_begun() =>
            {
                self.elect(net, LinksInput::Bytes { link, bytes: &head }, out);
            }
            End::Accepting { .. } | End::Initiating { .. } => {
                self.note_unproven_vote(net, link, "it has closed the connection");
            }
        }
    }

    /// The quorum port: packets may follow in the same bytes.
    pub(super) fn quorum_proof(&mut self, net: &mut Net, conn: ConnId, link: Link) -> Proven {
        match self.step(net, conn, link) {
            None | Some(Progress::Waiting) => Proven::Waiting,
            Some(Progress::Through(..)) => {
                self.proofs.forget(link);
                Proven::Through
            }
            Some(Progress::Ended(why)) => {
                self.proofs.forget(link);
                Proven::Ended(why)
            }
        }
    }

    /// Ends what has taken too long.
    pub(super) fn end_late_proofs(&mut self, net: &mut Net, out: &mut Vec<PeerEvent>) {
        const LATE: &str = "no SASL exchange in time";
        while let Some(link) = self.proofs.late(self.now) {
            self.proofs.forget(link);
            if self.quorum.contains_key(&link) {
                self.quorum_unproven(net, link, LATE, out);
            } else {
                self.election_unproven(net, link, LATE, out);
            }
        }
    }

    /// A link on the quorum port ends before it was one.
    pub(super) fn quorum_unproven(
        &mut self,
        net: &mut Net,
        link: Link,
        why: &str,
        out: &mut Vec<PeerEvent>,
    ) {
        let Some(entry) = self.quorum.get(&link) else { return };
        let (conn, to_leader) = (entry.conn, entry.to_leader);
        self.note_unproven(net, conn, || format!("{CLOSED} (quorum port): {why}"));
        self.leave_quorum(net, link, How::AfterFlush);
        out.push(Peers::unproven(link, to_leader, why));
    }

    /// Anybody who reaches the port can cause this, as often as they like.
    fn note_unproven(&self, net: &Net, conn: ConnId, what: impl FnOnce() -> String) {
        let line = || {
            let peer = net.peer(conn).map_or_else(String::new, |peer| peer.to_string());
            format!("connection with the server at {peer} {}", what())
        };
        if let Some(line) = self.sasl_failed.note(self.now, line) {
            tracing::warn!("{line}");
        }
    }

    fn note_unproven_vote(&self, net: &Net, link: Link, why: &str) {
        if let Some(conn) = self.mesh.conns.get(&link) {
            self.note_unproven(net, *conn, || format!("{CLOSED} (election port): {why}"));
        }
    }

    /// What control hears of it: a leader was never there for it.
    pub(super) fn unproven(link: Link, to_leader: bool, why: &str) -> PeerEvent {
        let why = format!("SASL authentication failed: {why}");
        match to_leader {
            true => PeerEvent::ConnectFailed { why },
            false => PeerEvent::Closed { link, why },
        }
    }
}
