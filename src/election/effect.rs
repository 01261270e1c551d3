//! What an election hears and what it wants done.

use crate::codec::election::Notification;
use crate::membership::{Electorate, Members};
use crate::types::{Epoch, ServerId, Zxid};

/// What an election is told.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum ElectionInput {
    /// This server has no leader: begin a round. `zxid` is the last transaction that is durable in
    /// the log here (I2), or -1 when the data cannot be trusted; `peer_epoch` the epoch entered
    /// (`currentEpoch`).
    Look { zxid: Zxid, peer_epoch: Epoch },
    /// A reconfiguration has named the leader: no round is held. `zxid` and `epoch` as for `Look`.
    Appointed { leader: ServerId, zxid: Zxid, epoch: Epoch },
    /// The role that the last round gave is over. Nothing is said for this server until it looks,
    /// so that nobody counts it for a leader it has left. `unanswered`: that leader never said a
    /// word to us, and is not followed again at once.
    Leave { unanswered: Option<ServerId> },
    /// A message of another server, whose sender its connection has named.
    Heard { from: ServerId, notification: Notification },
    /// From the mesh.
    Reachable { server: ServerId },
    /// From the mesh: no connection can be made to it now.
    Unreachable { server: ServerId },
    /// The leader has won this epoch, whether we follow it or are it.
    Established { epoch: Epoch },
    /// The configurations in force have changed; a round that is being held begins anew.
    Members(Electorate),
    /// Time has passed: [`super::Election::deadline`] is due.
    Tick,
}

/// What the decision makes of this server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ElectedRole {
    /// It is the leader, once a quorum follows.
    Leading,
    /// It votes in what the leader proposes.
    Following,
    /// It learns and has no vote.
    Observing,
}

/// What is to be done, in this order.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum ElectionEffect {
    /// A message for one server, through the mesh.
    Send { to: ServerId, notification: Notification },
    /// Our vote and state have changed: who connects is to be told this first.
    Greeting(Notification),
    /// Connect to everyone who is missing.
    Reconnect,
    /// The round is over: connect to this leader, or be it.
    Decided { leader: ServerId, role: ElectedRole },
    /// We lead, and a voter whose vote brought us there is looking again; said once for each.
    /// `quorum_left`: those who are not yet known to do so are a quorum with us. Where they are not,
    /// and no quorum has joined the leader yet, it waits in vain and has to look again itself:
    /// servers that look do not come back to a leader that nobody follows
    /// (`zookeeper.leader.maxTimeToWaitForEpoch` is Java's answer, off unless set).
    Deserted { by: ServerId, quorum_left: bool },
    /// While looking: another voter is in a newer configuration. Where reconfiguration is enabled
    /// it is to be made ours, and told with [`ElectionInput::Members`].
    NewerMembers(Members),
}
