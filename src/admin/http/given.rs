//! What has to be asked of the roles and the disk for a command, and what they give.

use crate::admin::listings::{ObserverLine, SessionLine, Watching};
use crate::admin::top::{Held, Slice};
use crate::types::{SessionId, Zxid};

/// What has to be asked before a command can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Sizes of the folders.
    Folders,
    /// The newest snapshot's name and time.
    LastSnapshot,
    /// Sessions and ephemerals.
    Sessions,
    /// Who watches what.
    Watches,
    /// The observers of this leader.
    Observers,
    /// What has been counted of requests, and what clients hold.
    Top,
}

/// What has been found; empty where it was not asked for.
#[derive(Debug, Default)]
pub struct Given {
    /// Bytes in the folder of snapshots.
    pub data_bytes: u64,
    /// Bytes in the folder of logs.
    pub log_bytes: u64,
    /// Its zxid, and when it was written, in seconds since 1970.
    pub last_snapshot: Option<(Zxid, i64)>,
    /// Of the control role.
    pub sessions: Vec<SessionLine>,
    /// Paths by session.
    pub ephemerals: Vec<(SessionId, Vec<String>)>,
    /// Data watches.
    pub watching: Watching,
    /// Of a leader.
    pub observers: Vec<ObserverLine>,
    /// Of each core.
    pub top: Vec<Slice>,
    /// Of all clients.
    pub held: Held,
    /// Something is left out, for there is more than an answer may have.
    pub is_cut: bool,
}

/// A snapshot that was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// That its name has.
    pub zxid: Zxid,
    /// Its size in bytes.
    pub bytes: u64,
}
