//! What TLS sessions of a transport have alike, and whose handshakes wait for their turn.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::tls::Current;
use crate::types::ConnId;

use super::listener::Callers;

/// What sessions are begun with.
#[derive(Default)]
pub(super) struct Contexts {
    pub(super) clients: Option<Arc<Current>>,
    pub(super) servers: Option<Arc<Current>>,
    /// What other servers may be known by beside their addresses.
    pub(super) hosts: Arc<[String]>,
    nobody: Arc<[String]>,
}

impl Contexts {
    pub(super) fn of(&self, with: Callers) -> (Option<&Arc<Current>>, &Arc<[String]>) {
        match with {
            Callers::Clients => (self.clients.as_ref(), &self.nobody),
            Callers::Servers => (self.servers.as_ref(), &self.hosts),
        }
    }
}

/// Connections whose handshake has something to do, each once. Other servers wait for no client.
#[derive(Default)]
pub(super) struct Handshakes {
    clients: VecDeque<ConnId>,
    servers: VecDeque<ConnId>,
}

impl Handshakes {
    pub(super) fn of(&mut self, with: Callers) -> &mut VecDeque<ConnId> {
        match with {
            Callers::Clients => &mut self.clients,
            Callers::Servers => &mut self.servers,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty()
    }
}
