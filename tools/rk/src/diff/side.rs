//! One of the two that are compared: several sessions, among which nodes are shared out.

use std::sync::Arc;
use std::time::Duration;

use ringkeeper::client::{ConnectString, Settings};
use ringkeeper::tls::Dialer;
use ringkeeper::types::ErrorCode;

use super::reading::{Found, Node};
use crate::client::{self, CallError, Client, acl_request, children_request, data_request};
use crate::connection::{Connection, Pending};
use crate::contexts;
use crate::error::{CliError, Fault};

/// Reads of one node before a server is given up, each after a wait for a connection.
const TRIES: usize = 5;

/// A cluster, or a server.
pub(super) struct Side {
    clients: Vec<Client>,
    timeout: Duration,
    timeout_ms: i32,
}

/// A node that was asked for.
pub(super) struct Asked {
    slot: usize,
    data: Pending,
    acl: Pending,
}

/// Whether asking again can help.
fn is_lost(error: &CallError) -> bool {
    error.is(ErrorCode::ConnectionLoss)
}

impl Side {
    /// Begins the sessions and waits for each.
    pub(super) fn open(
        servers: &str,
        count: u16,
        timeout_ms: i32,
        tls: Option<&Arc<Dialer>>,
    ) -> Result<Side, CliError> {
        let named = servers.strip_prefix('@').map(contexts::find).transpose()?;
        let servers = named.as_ref().map_or(servers, |named| &named.server);
        let servers = ConnectString::parse(servers)?;
        let auth = named.as_ref().and_then(|named| named.auth.as_ref());
        let mut clients = Vec::new();
        for at in 0..count {
            let seed = u64::from(std::process::id()) << 32 | u64::from(at);
            let settings = Settings { timeout_ms, ..Settings::new(seed) };
            let (servers, tls) = (servers.clone(), tls.cloned());
            let connection = Connection::open(servers, settings, tls, Box::new(|_| ()));
            let connection = connection.map_err(CliError::Thread)?;
            if let Some(auth) = auth {
                connection.authenticate(&auth.scheme, Some(auth.secret.as_bytes()))?;
            }
            clients.push(Client::new(connection));
        }
        let timeout = Duration::from_millis(timeout_ms.unsigned_abs().into());
        let side = Side { clients, timeout, timeout_ms };
        for client in &side.clients {
            side.wait(client)?;
        }
        Ok(side)
    }

    fn wait(&self, client: &Client) -> Result<(), CliError> {
        match client.connection().wait_until_connected(self.timeout) {
            true => Ok(()),
            false => Err(Fault::NotConnected(self.timeout_ms).into()),
        }
    }

    fn client(&self, slot: usize) -> &Client {
        &self.clients[slot % self.clients.len()]
    }

    /// What is read next is no older than what was acknowledged before. A lost connection comes back to a
    /// server that is at least as new.
    pub(super) fn sync(&self) -> Result<(), CliError> {
        let asked: Vec<Result<Pending, CallError>> =
            self.clients.iter().map(|client| client.sync("/")).collect();
        for (client, pending) in self.clients.iter().zip(asked) {
            if client.read(pending?, None, |_| Some(())).is_err_and(|error| is_lost(&error)) {
                self.wait(client)?;
                let again = client.sync("/")?;
                client.read(again, None, |_| Some(()))?;
            }
        }
        Ok(())
    }

    /// Asks for data and access list.
    pub(super) fn ask(&self, slot: usize, path: &str) -> Result<Asked, CallError> {
        let client = self.client(slot);
        let data = client.ask(data_request(path, false))?;
        let acl = client.ask(acl_request(path))?;
        Ok(Asked { slot, data, acl })
    }

    /// Waits for them; asks again where the connection was lost.
    pub(super) fn found(&self, path: &str, asked: Asked) -> Result<Found, CliError> {
        let slot = asked.slot;
        let mut read = self.read(path, asked);
        for _ in 1..TRIES {
            match read {
                Err(error) if is_lost(&error) => {
                    self.wait(self.client(slot))?;
                    read = self.ask(slot, path).and_then(|asked| self.read(path, asked));
                }
                done => return Ok(done?),
            }
        }
        Ok(read?)
    }

    fn read(&self, path: &str, asked: Asked) -> Result<Found, CallError> {
        let client = self.client(asked.slot);
        let data = client.read(asked.data, Some(path), client::data);
        let acl = client.read(asked.acl, Some(path), client::acl);
        match (data, acl) {
            (Ok((data, stat)), Ok((acl, _))) => {
                Ok(Found::There(Box::new(Node { data, acl, stat })))
            }
            (Err(error), _) | (_, Err(error)) => match error {
                error if error.is(ErrorCode::NoNode) => Ok(Found::Nothing),
                error if error.is(ErrorCode::NoAuth) => Ok(Found::Refused(error)),
                error => Err(error),
            },
        }
    }

    /// Asks for the names of a node's children.
    pub(super) fn ask_children(&self, slot: usize, path: &str) -> Result<Pending, CallError> {
        self.client(slot).ask(children_request(path, false))
    }

    /// Waits for them. A node that is gone has none.
    pub(super) fn children(
        &self,
        slot: usize,
        path: &str,
        pending: Pending,
    ) -> Result<Vec<String>, CliError> {
        let client = self.client(slot);
        let mut read = client.read(pending, Some(path), client::children);
        for _ in 1..TRIES {
            match read {
                Err(error) if is_lost(&error) => {
                    self.wait(client)?;
                    read = client.children(path, false);
                }
                Err(error) if error.is(ErrorCode::NoNode) => return Ok(Vec::new()),
                done => return Ok(done?.0),
            }
        }
        Ok(read?.0)
    }
}
