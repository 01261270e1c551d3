//! One network core's transport: listeners, connections and their bytes. No protocol.
//!
//! A [`Net`] lives on one thread. Its role fills outputs, calls [`Net::turn`], and works off the
//! events; all that was queued leaves in that turn, one send a connection. What it received stands
//! in [`Net::input`] until the role consumes it, usually still in the buffer that the kernel wrote.

mod event;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::runtime::Waker;
use crate::runtime::waker::{self, RingSleeper};
use crate::types::ConnId;

pub use event::{CloseReason, How, NetEvent};
pub use settings::NetSettings;

/// The transport of one network core. Made on the thread that uses it.
pub struct Net {
    sleeper: RingSleeper,
    _thread: std::marker::PhantomData<*const ()>,
}

impl Net {
    /// A transport with its own waker.
    pub fn new(settings: NetSettings) -> io::Result<Net> {
        let (sleeper, _) = waker::for_ring()?;
        Net::with_sleeper(settings, sleeper)
    }

    /// A transport woken by a waker that was made before ([`waker::for_ring`]), so that mailboxes
    /// to this core can exist before its thread runs.
    pub fn with_sleeper(_settings: NetSettings, sleeper: RingSleeper) -> io::Result<Net> {
        Ok(Net { sleeper, _thread: std::marker::PhantomData })
    }

    /// Accepts connections at `addr` (port 0: the kernel chooses; an IPv6 wildcard takes IPv4 as
    /// well). Returns the address bound, which [`NetEvent::Accepted`] repeats.
    pub fn listen(&mut self, _addr: SocketAddr, _backlog: u32) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Closes all listeners; connections stay.
    pub fn stop_listening(&mut self) {}

    /// Takes over an accepted socket and begins to read it.
    pub fn adopt(&mut self, _stream: OwnedFd, _peer: SocketAddr) -> ConnId {
        ConnId { slot: 0, generation: 0 }
    }

    /// Wakes this thread out of `turn`: for the mailboxes of the roles that live here.
    pub fn waker(&self) -> Waker {
        self.sleeper.waker()
    }

    /// Submits what is queued, waits for completions at most `wait` (`None`: until something
    /// happens; zero: not at all), and appends what happened to `events`. Bytes that `input` has
    /// shown keep their meaning, not their place.
    pub fn turn(&mut self, _wait: Option<Duration>, _events: &mut Vec<NetEvent>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Bytes received and not yet consumed; empty when the connection is gone.
    pub fn input(&self, _conn: ConnId) -> &[u8] {
        &[]
    }

    /// Takes the first `n` bytes off `input`. Panics when there are fewer.
    pub fn consume(&mut self, _conn: ConnId, _n: usize) {}

    /// Bytes appended here leave at the next turn. `None` when the connection is gone or closing.
    /// Only to be appended to.
    pub fn output(&mut self, _conn: ConnId) -> Option<&mut Vec<u8>> {
        None
    }

    /// Bytes queued and not yet taken by the kernel, as of the last turn.
    pub fn unsent(&self, _conn: ConnId) -> usize {
        0
    }

    /// Stops reading the connection, and `Received` for it.
    pub fn pause(&mut self, _conn: ConnId) {}

    /// Reads it again; the next turn says `Received` if bytes are left in `input`.
    pub fn resume(&mut self, _conn: ConnId) {}

    /// Ends the connection. [`NetEvent::Closed`] follows.
    pub fn close(&mut self, _conn: ConnId, _how: How) {}

    /// The peer's address; `None` when the connection is gone.
    pub fn peer(&self, _conn: ConnId) -> Option<SocketAddr> {
        None
    }

    /// Connections that have not ended.
    pub fn conns(&self) -> impl Iterator<Item = ConnId> + '_ {
        std::iter::empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        0
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
