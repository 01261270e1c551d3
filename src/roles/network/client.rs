//! One client connection's state on its network core.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use super::budget::{Budgets, Grant};
use crate::acl;
use crate::admin::audit::Requester;
use crate::admin::slow::Brief;
use crate::metrics::gauges::ConnGauges;
use crate::order::{PendingRequests, Ticket};
use crate::roles::message::LastHeard;
use crate::sasl::Acceptor;
use crate::types::{ConnId, Identity, Millis, SessionId, WallMillis};

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Nothing whole received yet: a four-letter word or a connect request may follow.
    Fresh,
    /// A four-letter word is with the thread for slow commands; what follows stays unread.
    Asking,
    /// The connect request is with the control core; what follows stays unread.
    Opening,
    /// It has a session, and is answered.
    Live,
    /// Nothing more is read; the output leaves, then the socket closes.
    Closing,
}

/// One connection, and what it has asked for.
pub struct Client {
    /// Its place with the transport.
    pub id: ConnId,
    /// How far it has come.
    pub stage: Stage,
    /// 0 before it has one.
    pub session: SessionId,
    /// Where it is.
    pub peer: SocketAddr,
    /// Its session's, to be touched at every request.
    pub pulse: Option<Arc<LastHeard>>,
    /// Each request keeps the list it was received with: it is copied where one is added while a
    /// request still has it, and only then.
    pub identities: Arc<Vec<Identity>>,
    /// Text of those that were proven by a packet.
    pub identity_bytes: usize,
    /// A SASL exchange that has begun; most connections never have one.
    pub sasl: Option<Box<Acceptor>>,
    /// The session was this server's alone when it was opened or resumed.
    pub local: bool,
    /// What is awaited and what waits.
    pub line: PendingRequests,
    /// What the open sync tickets will echo, in their order.
    pub sync_paths: VecDeque<Option<String>>,
    /// Of each request with the control core, where slow ones are looked for; in their order.
    pub briefs: Option<VecDeque<Brief>>,
    /// When it connected.
    pub accepted: Millis,
    /// When a new session was asked for.
    pub asked: Option<Millis>,
    /// Whether the connect request carried the read-only byte, which the answer mirrors.
    pub read_only_byte: bool,
    /// Reads only: there is no leader.
    pub read_only: bool,
    /// Input is left unserved until the line or the output is shorter.
    pub stalled: bool,
    /// It has had its share of a turn, and goes on in a later one.
    pub deferred: bool,
    /// Since when its next request waits for the throttle, or had to.
    pub throttled_since: Option<Millis>,
    /// There may be input that was not looked at yet.
    pub unserved: bool,
    /// The client sends nothing more.
    pub ended: bool,
    /// Its connection is gone. What it asked for before is still carried out.
    pub gone: bool,
    /// Bytes of its requests that are not begun with.
    pub kept: usize,
    /// Bytes of events queued since less than `outbound_pause` waited.
    pub event_bytes: usize,
    /// There may be some in the table.
    pub has_watches: bool,
    /// What `cons` shows.
    pub gauges: Arc<ConnGauges>,
}

impl Client {
    /// It has said nothing yet.
    pub fn new(id: ConnId, peer: SocketAddr, now: Millis, wall: WallMillis) -> Client {
        Client {
            id,
            stage: Stage::Fresh,
            session: SessionId(0),
            peer,
            pulse: None,
            identities: Arc::new(vec![acl::ip_identity(peer.ip().to_canonical())]),
            identity_bytes: 0,
            sasl: None,
            local: false,
            line: PendingRequests::default(),
            sync_paths: VecDeque::new(),
            briefs: None,
            accepted: now,
            asked: None,
            read_only_byte: false,
            read_only: false,
            stalled: false,
            deferred: false,
            throttled_since: None,
            unserved: false,
            ended: false,
            gone: false,
            kept: 0,
            event_bytes: 0,
            has_watches: false,
            gauges: Arc::new(ConnGauges::new(peer, wall)),
        }
    }

    /// Everything that has come is carried out, and everything that is owed has been written.
    pub fn is_done(&self) -> bool {
        match self.stage {
            // What is there is no whole frame, and never will be.
            Stage::Fresh | Stage::Live => !self.unserved && self.line.is_empty(),
            Stage::Asking | Stage::Opening => false,
            Stage::Closing => true,
        }
    }

    /// The front of the line is answered: what it had asked for, and what was kept of that.
    pub fn answered(&mut self) -> Option<(Ticket, Option<Brief>)> {
        let ticket = self.line.answered()?;
        Some((ticket, self.briefs.as_mut().and_then(VecDeque::pop_front)))
    }

    /// Who the audit log is told of.
    pub fn requester(&self) -> Requester {
        Requester { session: self.session, identities: self.identities.clone() }
    }

    /// The connection proves something more. What is beyond its budget, or that of the server, of which
    /// the core has been `granted` a part and holds `core_bytes`, is refused as if it had not been proven: the
    /// leader would refuse each write that carries it (I14).
    pub fn add_identities(
        &mut self,
        new: Vec<Identity>,
        budgets: &Budgets,
        core_bytes: &mut usize,
        granted: &mut Grant,
    ) -> Result<(), TooMany> {
        for identity in new {
            if self.identities.contains(&identity) {
                continue;
            }
            let bytes = identity.scheme.len() + identity.id.len();
            // The first is the address.
            let count = self.identities.len();
            let (share, own) = (&budgets.identity_bytes, self.identity_bytes);
            let has_room = share.has_room(own, *core_bytes, bytes, granted);
            if count > budgets.identities || !has_room {
                let held = self.identity_bytes;
                return Err(TooMany { count, held, more: bytes });
            }
            self.identity_bytes += bytes;
            *core_bytes += bytes;
            self.line.proves_more_than(count);
            Arc::make_mut(&mut self.identities).push(identity);
        }
        Ok(())
    }
}

/// An identity that a connection has no room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{count} identities of {held} bytes are held, {more} bytes more are beyond the bounds")]
pub struct TooMany {
    count: usize,
    held: usize,
    more: usize,
}

/// The connections of a core, by slot.
#[derive(Default)]
pub struct Clients {
    slots: Vec<Option<Client>>,
    live: usize,
}

impl Clients {
    /// The slot is free.
    pub fn insert(&mut self, client: Client) {
        let slot = client.id.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        assert!(self.slots[slot].is_none(), "a slot is free when its last client is forgotten");
        self.slots[slot] = Some(client);
        self.live += 1;
    }

    /// `None` when the connection is gone, whoever uses its slot now.
    pub fn get(&mut self, id: ConnId) -> Option<&mut Client> {
        self.slots.get_mut(id.slot as usize)?.as_mut().filter(|client| client.id == id)
    }

    /// If it is still the one of this generation.
    pub fn look(&self, id: ConnId) -> Option<&Client> {
        self.slots.get(id.slot as usize)?.as_ref().filter(|client| client.id == id)
    }

    /// If it is still the one of this generation.
    pub fn remove(&mut self, id: ConnId) -> Option<Client> {
        self.look(id)?;
        self.live -= 1;
        self.slots.get_mut(id.slot as usize)?.take()
    }

    /// Connections.
    pub fn len(&self) -> usize {
        self.live
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// In no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slots.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{Pools, Share};
    use super::*;

    fn client() -> Client {
        let id = ConnId { slot: 0, generation: 1 };
        Client::new(id, SocketAddr::from(([127, 0, 0, 1], 1)), Millis(0), WallMillis(0))
    }

    fn digest(id: &str) -> Vec<Identity> {
        vec![Identity::new("digest", id)]
    }

    #[test]
    fn identities_are_a_set_with_a_bound_in_number_and_in_bytes() {
        let share = Share { each: 60, all: 70, sure: 10 };
        let budgets = Budgets { identities: 3, identity_bytes: share, ..Budgets::default() };
        let mut granted = Grant::new(&Pools::new(&budgets).identities);
        let (mut one, mut core) = (client(), 0);
        for _ in 0..3 {
            one.add_identities(digest("a:1"), &budgets, &mut core, &mut granted).unwrap();
        }
        assert_eq!((one.identities.len(), one.identity_bytes, core), (2, 9, 9));
        one.add_identities(digest("b:2"), &budgets, &mut core, &mut granted).unwrap();
        let long = digest(&"l".repeat(40));
        assert!(
            one.add_identities(long.clone(), &budgets, &mut core, &mut granted).is_err(),
            "bytes"
        );
        one.add_identities(digest("c:3"), &budgets, &mut core, &mut granted).unwrap();
        let refused =
            one.add_identities(digest("d:4"), &budgets, &mut core, &mut granted).unwrap_err();
        let text = "4 identities of 27 bytes are held, 9 bytes more are beyond the bounds";
        assert_eq!(refused.to_string(), text);
        one.add_identities(digest("a:1"), &budgets, &mut core, &mut granted).unwrap();
        assert_eq!((one.identities.len(), core), (4, 27), "what it has it keeps");
        let mut other = client();
        assert!(
            other.add_identities(long, &budgets, &mut core, &mut granted).is_err(),
            "the server's bound"
        );
        other.add_identities(digest("e:5"), &budgets, &mut core, &mut granted).unwrap();
    }

    #[test]
    fn a_list_is_copied_only_while_a_request_has_it() {
        let (mut client, mut core) = (client(), 0);
        let budgets = Budgets::default();
        let mut granted = Grant::new(&Pools::new(&budgets).identities);
        client.add_identities(digest("a:1"), &budgets, &mut core, &mut granted).unwrap();
        let (place, asked) = (client.identities.as_ptr(), client.identities.clone());
        client.add_identities(digest("b:2"), &budgets, &mut core, &mut granted).unwrap();
        assert_eq!((asked.len(), client.identities.len()), (2, 3));
        assert_ne!(client.identities.as_ptr(), place);
        Arc::make_mut(&mut client.identities).reserve(8);
        let place = client.identities.as_ptr();
        client.add_identities(digest("c:3"), &budgets, &mut core, &mut granted).unwrap();
        assert_eq!(client.identities.as_ptr(), place);
    }
}
