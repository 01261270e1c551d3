//! One connection: its session, what it owes and what is owed to it.

use std::collections::VecDeque;
use std::net::SocketAddr;

/// Classes the engine keeps for itself.
pub const HANDSHAKE: u16 = u16::MAX;
pub const PING: u16 = u16::MAX - 1;
pub const CLOSE: u16 = u16::MAX - 2;

/// A request that has not been answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    pub xid: i32,
    pub class: u16,
    /// The load's own: which key, which step.
    pub tag: u64,
    /// When it was meant to be sent.
    pub at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Closed,
    Connecting,
    Live,
}

pub struct Lane {
    pub server: SocketAddr,
    pub state: State,
    /// When the connect began.
    pub started: u64,
    pub session: i64,
    pub last_zxid: i64,
    /// When something was last sent: an idle session must be pinged.
    pub last_sent: u64,
    pub pending: VecDeque<Pending>,
    /// Frames not yet given to the ring.
    pub out: Vec<u8>,
    pub dirty: bool,
    /// closeSession has been sent: the end of the connection is no fault.
    pub leaving: bool,
    /// The first bytes of a frame whose end has not arrived.
    pub partial: Vec<u8>,
    next_xid: i32,
}

impl Lane {
    pub fn new(server: SocketAddr) -> Lane {
        Lane {
            server,
            state: State::Closed,
            started: 0,
            session: 0,
            last_zxid: 0,
            last_sent: 0,
            pending: VecDeque::new(),
            out: Vec::new(),
            dirty: false,
            leaving: false,
            partial: Vec::new(),
            next_xid: 1,
        }
    }

    /// xids count from 1 and stay positive: the rest of the range has meanings of its own.
    pub fn take_xid(&mut self) -> i32 {
        let xid = self.next_xid;
        self.next_xid = if xid == i32::MAX { 1 } else { xid + 1 };
        xid
    }

    /// Ready for a new connection.
    pub fn reset(&mut self) {
        *self = Lane {
            pending: std::mem::take(&mut self.pending),
            out: std::mem::take(&mut self.out),
            partial: std::mem::take(&mut self.partial),
            ..Lane::new(self.server)
        };
        self.pending.clear();
        self.out.clear();
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xids_never_become_zero_or_negative() {
        let mut lane = Lane::new(SocketAddr::from(([127, 0, 0, 1], 1)));
        lane.next_xid = i32::MAX;
        assert_eq!(lane.take_xid(), i32::MAX);
        assert_eq!(lane.take_xid(), 1);
    }
}
