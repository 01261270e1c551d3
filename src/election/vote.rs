//! A vote, what makes one better than another, and what makes two the same.

use crate::codec::election::{Notification, PeerState};
use crate::types::{ServerId, Zxid};

/// Whom a server votes for, and what it knows of that one (Vote).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vote {
    /// The one voted for.
    pub leader: ServerId,
    /// The last transaction in the log of the one voted for, durable there (I2). -1: that server
    /// does not trust its data.
    pub zxid: Zxid,
    /// The round in which the vote was given (electionEpoch).
    pub election_epoch: i64,
    /// The epoch that the one voted for had entered; once it leads, the epoch it leads
    /// (ZOOKEEPER-1732).
    pub peer_epoch: i64,
}

impl Vote {
    pub(super) fn of(notification: &Notification) -> Vote {
        Vote {
            leader: notification.leader,
            zxid: notification.zxid,
            election_epoch: notification.election_epoch,
            peer_epoch: notification.peer_epoch,
        }
    }

    /// FastLeaderElection.totalOrderPredicate, without its rule on weights.
    pub(super) fn rank(&self) -> (i64, Zxid, ServerId) {
        (self.peer_epoch, self.zxid, self.leader)
    }
}

/// A vote and the state in which it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ballot {
    pub vote: Vote,
    pub state: PeerState,
    /// Of the message.
    pub version: i32,
}

impl Ballot {
    pub(super) fn of(notification: &Notification) -> Ballot {
        Ballot {
            vote: Vote::of(notification),
            state: notification.state,
            version: notification.version,
        }
    }

    /// Both are for the same leader. While either sender is looking, all of the vote must agree.
    /// Of servers that have settled only `agree_on_epoch`: their zxids and rounds are those of the
    /// day they joined (ZOOKEEPER-1805).
    fn agrees(&self, other: &Ballot, agree_on_epoch: bool) -> bool {
        if self.state == PeerState::Looking || other.state == PeerState::Looking {
            self.vote == other.vote
        } else {
            let (a, b) = (&self.vote, &other.vote);
            a.leader == b.leader && (!agree_on_epoch || a.peer_epoch == b.peer_epoch)
        }
    }

    /// Of the same round: the leader alone tells. Some of the senders may know already which epoch
    /// it leads, and some not yet.
    pub(super) fn agrees_in_round(&self, other: &Ballot) -> bool {
        self.agrees(other, false)
    }

    /// Of any rounds. Messages before version 1 come from servers that never learn the epoch
    /// their leader leads, so between them and others it says nothing (ZOOKEEPER-1732).
    pub(super) fn agrees_across_rounds(&self, other: &Ballot) -> bool {
        self.agrees(other, (self.version > 0) == (other.version > 0))
    }
}
