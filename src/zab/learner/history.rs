//! The transactions of a learner's log, as its leader tells of them: what comes next, what is
//! agreed, what is still to be acknowledged.
//!
//! ```text
//!   agreed ≤ received ≤ position        durable ≤ position
//! ```
//!
//! `position` is the log's end. `received` is how far the leader's stream has come; it is behind
//! only when the leader sends again what it had sent before (see [`History::rejoin`]).

use std::collections::VecDeque;

use crate::mutants::{self, Mutant};
use crate::types::Zxid;

/// A proposal that is not agreed yet.
#[derive(Debug)]
struct Pending {
    zxid: Zxid,
    /// Of a reconfiguration: the new configuration.
    config: Option<String>,
}

#[derive(Debug)]
pub(super) struct History {
    position: Zxid,
    durable: Zxid,
    received: Zxid,
    agreed: Zxid,
    /// A snapshot came, and it has the effects of everything up to here: what the leader sends of
    /// that is passed over.
    in_snapshot: Option<Zxid>,
    pending: VecDeque<Pending>,
    /// Proposals whose ACK the leader waits for.
    to_ack: VecDeque<Zxid>,
    /// What the tree held at the beginning: clients see it when all of it is agreed.
    floor: Zxid,
}

/// What a transaction from the leader is to this log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The next one.
    New,
    /// In the log already.
    InLog,
    /// In the snapshot that was received.
    InSnapshot,
}

/// Why the leader's stream cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum StreamError {
    /// I4.
    #[error("transaction {found} does not follow {after}")]
    Gap { after: Zxid, found: Zxid },
    #[error("commit of {found}, but {head} is the oldest proposal that waits for one")]
    CommitOutOfOrder { found: Zxid, head: Zxid },
    #[error("commit of {found}, but no proposal waits for one")]
    CommitOfNothing { found: Zxid },
}

/// Whether `next` can be the transaction after `zxid`: the following one, or the first of a later
/// epoch.
pub fn follows(zxid: Zxid, next: Zxid) -> bool {
    zxid.next() == Some(next) || (next.epoch() > zxid.epoch() && next.counter() == 1)
}

impl History {
    /// Log and tree end with `last`, and that is durable.
    pub(super) fn new(last: Zxid) -> History {
        History {
            position: last,
            durable: last,
            received: last,
            agreed: last,
            in_snapshot: None,
            pending: VecDeque::new(),
            to_ack: VecDeque::new(),
            floor: last,
        }
    }

    /// Everything was replaced by a snapshot.
    pub(super) fn of_snapshot(zxid: Zxid) -> History {
        History { in_snapshot: Some(zxid), ..History::new(zxid) }
    }

    pub(super) fn position(&self) -> Zxid {
        self.position
    }
    pub(super) fn agreed(&self) -> Zxid {
        self.agreed
    }

    /// Whether the whole log is durable.
    pub(super) fn is_durable(&self) -> bool {
        self.durable >= self.position || mutants::on(Mutant::HistoryNotAwaited)
    }

    /// Whether all that clients could see is agreed.
    pub(super) fn is_settled(&self) -> bool {
        self.agreed >= self.floor
    }

    pub(super) fn durable(&mut self, upto: Zxid) {
        assert!(upto <= self.position, "I1: durable beyond what was received");
        self.durable = self.durable.max(upto);
    }

    /// The leader of the epoch that the log ends in says that less is agreed, and sends what comes
    /// after `known` once more. It never takes back a proposal while it leads, so nothing is cut:
    /// other servers' commits may already rest on this server's copy, and a cut would lose it until
    /// it has come again.
    pub(super) fn rejoin(&mut self, known: Zxid) {
        (self.received, self.agreed) = (known, known);
    }

    /// A proposal, or a transaction that is agreed already.
    pub(super) fn receive(
        &mut self,
        zxid: Zxid,
        config: Option<String>,
    ) -> Result<Place, StreamError> {
        if self.in_snapshot.is_some_and(|upto| zxid <= upto) {
            return Ok(Place::InSnapshot);
        }
        if !follows(self.received, zxid) {
            return Err(StreamError::Gap { after: self.received, found: zxid });
        }
        self.received = zxid;
        self.pending.push_back(Pending { zxid, config });
        if zxid <= self.position {
            return Ok(Place::InLog);
        }
        self.position = zxid;
        Ok(Place::New)
    }

    /// The transaction received last is a proposal that wants an ACK.
    pub(super) fn want_ack(&mut self) {
        self.to_ack.push_back(self.received);
    }

    /// Whether this is the proposal whose commit comes next.
    pub(super) fn is_head(&self, zxid: Zxid) -> bool {
        self.head() == Some(zxid)
    }

    fn head(&self) -> Option<Zxid> {
        self.pending.front().map(|p| p.zxid)
    }

    /// A commit: `None` if it is of something in the snapshot; else the configuration, if it is of
    /// a reconfiguration.
    pub(super) fn agree(&mut self, zxid: Zxid) -> Result<Option<Option<String>>, StreamError> {
        if self.in_snapshot.is_some_and(|upto| zxid <= upto) {
            return Ok(None);
        }
        match self.head() {
            Some(head) if head == zxid => self.agreed = zxid,
            Some(head) => return Err(StreamError::CommitOutOfOrder { found: zxid, head }),
            None => return Err(StreamError::CommitOfNothing { found: zxid }),
        }
        Ok(Some(self.pending.pop_front().and_then(|p| p.config)))
    }

    /// A commit that stands for all proposals before it, none of which is a reconfiguration.
    pub(super) fn agree_upto(&mut self, zxid: Zxid) -> Result<Option<Option<String>>, StreamError> {
        let before = self.pending.partition_point(|p| p.zxid < zxid);
        let is_there = self.pending.get(before).is_some_and(|p| p.zxid == zxid);
        if is_there && self.pending.range(..before).all(|p| p.config.is_none()) {
            self.pending.drain(..before);
        }
        self.agree(zxid)
    }

    /// What was agreed before NEWLEADER needs no ACK: the leader counts that one for it.
    pub(super) fn drop_agreed_acks(&mut self) {
        while self.to_ack.front().is_some_and(|zxid| *zxid <= self.agreed) {
            self.to_ack.pop_front();
        }
    }

    /// The next ACK that may be sent: only of what is durable (I1), one a proposal, in order.
    pub(super) fn next_ack(&mut self) -> Option<Zxid> {
        let zxid = *self.to_ack.front()?;
        if zxid > self.durable && !mutants::on(Mutant::AckedBeforeDurable) {
            return None;
        }
        self.to_ack.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Epoch;

    fn z(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    #[test]
    fn only_the_next_transaction_or_the_first_of_a_later_epoch_follows() {
        assert!(follows(z(4, 7), z(4, 8)));
        assert!(follows(z(4, 7), z(5, 1)) && follows(z(4, 7), z(6, 1)));
        assert!(follows(z(4, 0), z(4, 1)));
        for next in [z(4, 7), z(4, 6), z(4, 9), z(5, 0), z(5, 2), z(3, 1), z(3, 8)] {
            assert!(!follows(z(4, 7), next), "{next}");
        }
        assert!(!follows(z(4, u32::MAX), z(5, 0)), "the counter is not carried over");
    }

    #[test]
    fn a_commit_cannot_jump_over_the_end_of_an_epoch() {
        let mut history = History::new(z(4, 7));
        history.receive(z(4, 8), None).unwrap();
        history.receive(z(5, 1), None).unwrap();
        assert!(history.agree(z(5, 1)).is_err());
        history.agree(z(4, 8)).unwrap();
        history.agree(z(5, 1)).unwrap();
        assert_eq!(history.agreed(), z(5, 1));
    }

    #[test]
    fn a_commit_may_stand_for_those_before_it_but_not_for_a_reconfiguration() {
        let mut history = History::new(z(4, 7));
        for counter in 8..=12 {
            let config = (counter == 11).then(|| "version=1".to_owned());
            history.receive(z(4, counter), config).unwrap();
        }
        assert_eq!(history.agree_upto(z(4, 9)), Ok(Some(None)));
        assert_eq!(history.agreed(), z(4, 9));
        let (found, head) = (z(4, 12), z(4, 10));
        let refused = Err(StreamError::CommitOutOfOrder { found, head });
        assert_eq!(history.agree_upto(found), refused);
        assert_eq!(history.agree_upto(z(4, 11)), Ok(Some(Some("version=1".into()))));
        let (found, head) = (z(4, 13), z(4, 12));
        assert_eq!(
            history.agree_upto(found),
            Err(StreamError::CommitOutOfOrder { found, head }),
            "it was never proposed"
        );
        assert_eq!(history.agree_upto(z(4, 12)), Ok(Some(None)));
    }

    #[test]
    fn acks_are_of_what_is_durable_one_by_one() {
        let mut history = History::new(z(4, 7));
        for counter in 8..=10 {
            history.receive(z(4, counter), None).unwrap();
            history.want_ack();
        }
        assert_eq!(history.next_ack(), None);
        history.durable(z(4, 9));
        assert_eq!(history.next_ack(), Some(z(4, 8)));
        assert_eq!(history.next_ack(), Some(z(4, 9)));
        assert_eq!(history.next_ack(), None);
    }

    #[test]
    #[should_panic(expected = "I1")]
    fn the_log_cannot_be_ahead_of_the_stream() {
        History::new(z(4, 7)).durable(z(4, 8));
    }
}
