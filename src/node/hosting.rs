//! The control role and the sockets towards other servers: they share a thread and its transport,
//! so that what one says to the other needs no mailbox. With few CPUs that thread flushes the log
//! too, as long as that is quick.

use std::io;
use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::net::{Net, NetEvent};
use crate::roles::control::{Control, Verdict};
use crate::roles::log::InlineLog;
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::roles::peers::Peers;
use crate::types::{Millis, WallMillis};

/// The log that is lent to this thread at present; a change of history ends one and begins another.
pub type InlineLogSlot = Arc<Mutex<Option<InlineLog>>>;

/// A control role, wherever it lives. `peers` are those of an ensemble's server.
pub struct Hosted {
    control: Box<Control>,
    peers: Option<Box<Peers>>,
    log: Option<InlineLogSlot>,
    /// From the peers, not yet taken by the control role.
    events: Vec<PeerEvent>,
    /// Empty between turns; keeps its memory.
    commands: Vec<PeerCommand>,
}

impl Hosted {
    /// Nothing has come yet.
    pub fn new(
        control: Box<Control>,
        peers: Option<Box<Peers>>,
        log: Option<InlineLogSlot>,
    ) -> Hosted {
        Hosted { control, peers, log, events: Vec::new(), commands: Vec::new() }
    }

    /// Takes what other servers have sent out of the transport's events. An error ends the process:
    /// this server cannot be one of its ensemble.
    pub fn take_events(
        &mut self,
        net: &mut Net,
        events: &mut Vec<NetEvent>,
        now: Millis,
    ) -> io::Result<()> {
        let Some(peers) = &mut self.peers else { return Ok(()) };
        peers.turn(net, events, now, &mut self.events).map_err(io::Error::other)
    }

    /// One turn of the control role, and what it wants said to other servers.
    pub fn turn(&mut self, net: &mut Net, now: Millis, wall: WallMillis) -> io::Result<Verdict> {
        self.control.peer_events(&mut self.events);
        let verdict = self.control.turn(now, wall);
        let Some(peers) = &mut self.peers else { return Ok(verdict) };
        let mut commands = mem::take(&mut self.commands);
        self.control.take_peer_commands(&mut commands);
        for command in commands.drain(..) {
            peers.command(net, command, &mut self.events).map_err(io::Error::other)?;
        }
        self.commands = commands;
        Ok(match verdict {
            Verdict::WaitUntil(at) => {
                Verdict::WaitUntil(at.into_iter().chain(peers.deadline()).min())
            }
            Verdict::Finished | Verdict::Failed(_) => verdict,
        })
    }

    /// How much the control role has given a lent log to do.
    pub fn log_work(&self) -> usize {
        self.log.as_ref().map_or(0, |log| log.lock().as_ref().map_or(0, InlineLog::work_left))
    }

    /// Flushes what the log was given, here or on its own thread; the control role is told by mail.
    pub fn work_at_log(&self) {
        if let Some(log) = &self.log
            && let Some(log) = &*log.lock()
        {
            log.work();
        }
    }

    /// Whether the last turn ended for its length, with more to do.
    pub fn is_cut(&self) -> bool {
        self.control.is_cut()
    }

    /// Whether another turn would find something to do.
    pub fn has_mail(&self) -> bool {
        self.control.has_mail()
            || !self.events.is_empty()
            || self.peers.as_ref().is_some_and(|peers| peers.has_mail())
    }
}
