//! Identifiers: numbers that must never be mistaken for one another.

use std::fmt;

/// A transaction's place in the one order all servers share: epoch in the high 32 bits,
/// counter in the low 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Zxid(pub i64);

impl Zxid {
    /// Before every transaction.
    pub const ZERO: Zxid = Zxid(0);

    /// Of its two halves.
    pub const fn new(epoch: Epoch, counter: u32) -> Zxid {
        Zxid(((epoch.0 as i64) << 32) | counter as i64)
    }
    /// The high half.
    pub const fn epoch(self) -> Epoch {
        Epoch((self.0 >> 32) as u32)
    }
    /// The low half: the epoch's transactions are numbered from 1.
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }
    /// The next transaction of the same epoch; `None` when the counter is used up.
    pub const fn next(self) -> Option<Zxid> {
        if self.counter() == u32::MAX { None } else { Some(Zxid(self.0 + 1)) }
    }
}

impl fmt::Debug for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// One leader's reign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Epoch(pub u32);

/// A client's lease, chosen by the server that created it: its own id in the top byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionId(pub i64);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// A client's request number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Xid(pub i32);

impl Xid {
    /// Header of a watch event.
    pub const NOTIFICATION: Xid = Xid(-1);
    /// Header of every ping reply, whatever the client sent.
    pub const PING: Xid = Xid(-2);
}

/// A server of an ensemble (`myid`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerId(pub i64);

/// A network core, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CoreId(pub u16);

/// A connection of one network core. The generation tells a slot's users apart, so that a late
/// message for a closed connection never reaches its successor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId {
    /// Its place in the core's table.
    pub slot: u32,
    /// How often the slot had been given before.
    pub generation: u32,
}

/// A connection of the whole server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnRef {
    /// The one that has it.
    pub core: CoreId,
    /// As that core names it.
    pub conn: ConnId,
}

/// A connection between two servers of an ensemble. Never given twice in one process, so that a
/// late word about one that is gone cannot be taken for its successor's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Link(pub u64);

/// Whoever speaks for a session: a client's connection to this server, or the learner that has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// A client's connection.
    Conn(ConnRef),
    /// A learner's.
    Link(Link),
}

impl From<ConnRef> for Owner {
    fn from(conn: ConnRef) -> Owner {
        Owner::Conn(conn)
    }
}
