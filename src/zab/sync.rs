//! How a learner's history becomes the leader's: by what it lacks, by a cut, or by a snapshot
//! (LearnerHandler.syncFollower). One pure function, [`choose`].
//!
//! ```text
//!                 log on disk                    window            outstanding
//!   ──┬───────────────────────────────┬───────────────────────┬───────────────────┬──►  zxid
//!     │ AskDisk, then Diff or Snap    │ Diff, Trunc or Snap   │ Diff: it holds    │ Refuse
//!   purged: Snap                 first entry              committed  proposals  proposed
//! ```
//!
//! What is never done: cutting what may be committed. A cut is only ever made down to the newest
//! transaction that both histories have, and everything the leader's history lacks behind it was
//! never committed, for the leader was elected by a quorum none of whose histories were newer.

use super::Window;
use crate::types::{Epoch, Zxid};

/// The learner, as its ACKEPOCH says.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The last transaction of its history.
    pub last: Zxid,
    /// It can be cut anywhere, as servers of this kind can
    /// ([`crate::codec::quorum::PROTOCOL_OWN`]): what follows the cut is as durable as anything
    /// else when it is acknowledged, and if its log cannot be cut there it asks for a snapshot. A
    /// Java server keeps what follows a cut in a snapshot that it does not flush, and exits if it
    /// cannot be cut; it is cut only where nothing follows, inside an epoch. There Java's leader
    /// cuts too.
    pub cuts_well: bool,
}

/// What a leader has to give.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// The epoch it leads.
    pub epoch: Epoch,
    /// Everything up to here is committed; the window ends here. A leader's own history counts as
    /// committed from the start: whoever follows it takes it over.
    pub committed: Zxid,
    /// Its last proposal.
    pub proposed: Zxid,
    /// The end of the committed history.
    pub window: &'a Window,
    /// What the log on disk has said.
    pub disk: Disk,
    /// `zookeeper.forceSnapshotSync`.
    pub force_snapshot: bool,
}

/// What the log on disk can give to a learner older than the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Disk {
    /// It was not looked into yet.
    NotAsked,
    /// It does not reach back so far, or reading it costs more than a snapshot.
    Lacks,
    /// Its first entry behind the `after` of [`Plan::AskDisk`].
    Holds { first: Zxid },
}

/// How one learner is brought up to date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Plan {
    /// The learner's history is the leader's up to `from`: DIFF and what is newer.
    Diff { from: Zxid },
    /// The learner has transactions behind `to` that nobody committed: TRUNC and what is newer.
    Trunc { to: Zxid },
    /// The whole tree, and what is newer.
    Snap,
    /// Ask the log for entries newer than this, then choose again.
    AskDisk { after: Zxid },
    /// No leader of this epoch may touch this history.
    Refuse(Conflict),
}

/// A history that cannot be of this leader's ensemble. The caller closes the connection and says so:
/// an operator has to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Conflict {
    #[error("its history has an epoch that is newer than this one")]
    NewerEpoch,
    #[error(
        "it has transactions of this epoch that were never proposed: members that lead it have lost \
         theirs, or it is of another ensemble"
    )]
    NeverProposed,
}

/// The choice.
///
/// A counter of 0 names no transaction: a Java server that led epoch e and committed nothing in it
/// (or took a snapshot from such a one) says (e, 0). It stands for the history that epoch began
/// with. A quorum had taken it over before the server said so, hence every later leader's history
/// begins with it too, and holds nothing more below (e, 0): all that is missing is what is newer.
pub fn choose(peer: Peer, history: &History<'_>) -> Plan {
    let last = peer.last;
    if last.0 < 0 {
        return Plan::Snap;
    }
    if last.epoch() > history.epoch {
        return Plan::Refuse(Conflict::NewerEpoch);
    }
    if last.epoch() == history.epoch && last > history.proposed {
        return Plan::Refuse(Conflict::NeverProposed);
    }
    if history.force_snapshot {
        return Plan::Snap;
    }
    if last.epoch() == history.epoch && last > history.committed {
        // Proposed in this epoch by this leader, so the same transactions. They are not cut off:
        // they would only have to be sent again, and a tree be loaded for nothing.
        return Plan::Diff { from: last };
    }
    let floor = match last >= history.committed {
        true => Some(history.committed),
        false => history.window.floor(last),
    };
    match floor {
        Some(floor) if floor == last || is_beginning(last) => Plan::Diff { from: last },
        Some(floor) => cut_to(peer, floor, history.committed),
        None => older(last, history.disk),
    }
}

/// The learner's last transaction is not in the leader's history. `floor`: the newest one there
/// that is older.
fn cut_to(peer: Peer, floor: Zxid, committed: Zxid) -> Plan {
    if is_beginning(floor) {
        return Plan::Snap;
    }
    // In an epoch counters have no gaps, so a learner with a later transaction of the floor's
    // epoch has the floor in its log. Across epochs it has it too, for that epoch's leader had a
    // quorum for a history that ended there; but in a log that was purged, or began with a
    // snapshot, it need not be found.
    let is_plain = floor.epoch() == peer.last.epoch() && floor == committed;
    if peer.cuts_well || is_plain { Plan::Trunc { to: floor } } else { Plan::Snap }
}

fn older(last: Zxid, disk: Disk) -> Plan {
    match disk {
        _ if last == Zxid::ZERO => Plan::Snap,
        // The entry itself must be there to show that the learner's end is in this history.
        Disk::NotAsked if is_beginning(last) => Plan::AskDisk { after: last },
        Disk::NotAsked => Plan::AskDisk { after: Zxid(last.0 - 1) },
        Disk::Lacks => Plan::Snap,
        Disk::Holds { first } if first == last || is_beginning(last) => Plan::Diff { from: last },
        Disk::Holds { .. } => Plan::Snap,
    }
}

/// Names the beginning of an epoch, not a transaction.
pub fn is_beginning(zxid: Zxid) -> bool {
    zxid.counter() == 0
}
