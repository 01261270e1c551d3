//! One client connection's state on its network core.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::acl;
use crate::admin::gauges::ConnGauges;
use crate::node::message::Pulse;
use crate::order::Line;
use crate::types::{ConnId, Identity, Millis, SessionId, WallMillis};

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Nothing whole received yet: a four-letter word or a connect request may follow.
    Fresh,
    /// A four-letter word is with the clerk; what follows stays unread.
    Asking,
    /// The connect request is with the control core; what follows stays unread.
    Opening,
    Live,
    /// Nothing more is read; the output leaves, then the socket closes.
    Closing,
}

pub struct Client {
    pub id: ConnId,
    pub stage: Stage,
    pub session: SessionId,
    pub peer: SocketAddr,
    pub pulse: Option<Arc<Pulse>>,
    /// Replaced, never changed: each request keeps the list it was received with.
    pub identities: Arc<[Identity]>,
    /// The session was this server's alone when it was opened or resumed.
    pub local: bool,
    pub line: Line,
    /// What the open sync tickets will echo, in their order.
    pub sync_paths: VecDeque<Option<String>>,
    pub accepted: Millis,
    /// When a new session was asked for.
    pub asked: Option<Millis>,
    /// Whether the connect request carried the read-only byte, which the answer mirrors.
    pub read_only_byte: bool,
    /// Reads only: there is no leader.
    pub read_only: bool,
    /// Input is left unserved until the line or the output is shorter.
    pub stalled: bool,
    /// There may be input that was not looked at yet.
    pub unserved: bool,
    /// The client sends nothing more.
    pub ended: bool,
    /// Its connection is gone. What it asked for before is still carried out.
    pub gone: bool,
    /// Bytes of events queued since less than `outbound_pause` waited.
    pub told: usize,
    pub has_watches: bool,
    pub gauges: Arc<ConnGauges>,
}

impl Client {
    pub fn new(id: ConnId, peer: SocketAddr, now: Millis, wall: WallMillis) -> Client {
        Client {
            id,
            stage: Stage::Fresh,
            session: SessionId(0),
            peer,
            pulse: None,
            identities: Arc::from([acl::ip_identity(peer.ip().to_canonical())]),
            local: false,
            line: Line::default(),
            sync_paths: VecDeque::new(),
            accepted: now,
            asked: None,
            read_only_byte: false,
            read_only: false,
            stalled: false,
            unserved: false,
            ended: false,
            gone: false,
            told: 0,
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

    /// A connection proves one thing more.
    pub fn add_identities(&mut self, new: Vec<Identity>) {
        let mut all = self.identities.to_vec();
        for identity in new {
            acl::add_identity(&mut all, identity);
        }
        self.line.proves_more_than(&self.identities);
        self.identities = all.into();
    }
}

/// The connections of a core, by slot.
#[derive(Default)]
pub struct Clients {
    slots: Vec<Option<Client>>,
    live: usize,
}

impl Clients {
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

    pub fn look(&self, id: ConnId) -> Option<&Client> {
        self.slots.get(id.slot as usize)?.as_ref().filter(|client| client.id == id)
    }

    pub fn remove(&mut self, id: ConnId) -> Option<Client> {
        self.look(id)?;
        self.live -= 1;
        self.slots.get_mut(id.slot as usize)?.take()
    }

    pub fn len(&self) -> usize {
        self.live
    }

    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slots.iter().flatten()
    }
}
