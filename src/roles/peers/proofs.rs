//! SASL on connections with other servers, before anything else is said on them; on the election port behind
//! the header of whoever connects. Without `quorum.auth.enableSasl` there is nothing here.
//!
//! ```text
//!   they connect:  header kept ─ exchange ─► header and the rest to the mesh, or packets to control
//!   we connect:    header sent ─ exchange ─► what was written meanwhile is sent; control hears of a leader
//! ```
//!
//! An exchange that is not over in time ends its connection.

use std::collections::BTreeMap;

use super::settings::PeerSasl;
use crate::sasl::{Nonce, PeerAcceptor, PeerInitiator, Progress, Unproven};
use crate::types::{Link, Millis};

/// The exchanges that go on, by their connection.
#[derive(Default)]
pub(super) struct Proofs {
    pub by_link: BTreeMap<Link, Proof>,
}

/// One of them.
pub(super) struct Proof {
    until: Millis,
    pub end: End,
}

pub(super) enum End {
    /// They have connected. `head`: the election's header, once it is whole.
    Accepting { acceptor: PeerAcceptor, head: Option<Vec<u8>> },
    /// We have. `held`: what is to follow the exchange; `finishes`: nothing does, and then it is closed.
    Initiating { initiator: PeerInitiator, has_head: bool, held: Vec<u8>, finishes: bool },
}

/// What an exchange on the quorum port has come to.
pub(super) enum Proven {
    Waiting,
    Through,
    Ended(Unproven),
}

impl Proofs {
    pub(super) fn holds(&self, link: Link) -> bool {
        !self.by_link.is_empty() && self.by_link.contains_key(&link)
    }

    pub(super) fn accept(&mut self, link: Link, until: Millis) {
        let end = End::Accepting { acceptor: PeerAcceptor::default(), head: None };
        self.by_link.insert(link, Proof { until, end });
    }

    pub(super) fn initiate(&mut self, link: Link, until: Millis) {
        let (initiator, held) = (PeerInitiator::default(), Vec::new());
        let end = End::Initiating { initiator, has_head: false, held, finishes: false };
        self.by_link.insert(link, Proof { until, end });
    }

    pub(super) fn forget(&mut self, link: Link) {
        self.by_link.remove(&link);
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.by_link.values().map(|proof| proof.until).min()
    }

    pub(super) fn late(&self, now: Millis) -> Option<Link> {
        let late = |(link, proof): (&Link, &Proof)| (proof.until <= now).then_some(*link);
        self.by_link.iter().find_map(late)
    }

    /// What the mesh writes on a connection of ours: the header leaves, and the first token behind it; the
    /// rest waits, a vote at most. False: the connection is nobody's here.
    pub(super) fn write(&mut self, link: Link, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(Proof { end: End::Initiating { has_head, held, .. }, .. }) =
            self.by_link.get_mut(&link)
        else {
            return false;
        };
        if std::mem::replace(has_head, true) {
            held.extend_from_slice(bytes);
        } else {
            out.extend_from_slice(bytes);
            PeerInitiator::begin(out);
        }
        true
    }

    /// The mesh wants a connection of ours closed once what it wrote has left. False: it is to be done now.
    pub(super) fn finish(&mut self, link: Link) -> bool {
        match self.by_link.get_mut(&link) {
            Some(Proof { end: End::Initiating { finishes, .. }, .. }) => {
                *finishes = true;
                true
            }
            _ => false,
        }
    }
}

/// What an exchange makes of what has come.
pub(super) fn take(
    sasl: &PeerSasl,
    proof: &mut Proof,
    input: &[u8],
    out: &mut Vec<u8>,
) -> (usize, Progress) {
    let nonce = || Nonce(std::array::from_fn(|_| (sasl.entropy)()));
    match &mut proof.end {
        End::Accepting { acceptor, .. } => {
            acceptor.take((&sasl.users, sasl.server_required), input, out, &nonce)
        }
        End::Initiating { initiator, .. } => match &sasl.learner {
            Some((user, password)) => initiator.take((user, password), input, out, &nonce),
            None => (0, Progress::Through(None, None)),
        },
    }
}
