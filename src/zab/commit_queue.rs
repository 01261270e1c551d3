//! Proposals between the log and the tree.
//!
//! A transaction leaves it when it is agreed upon *and* durable here: what is applied can neither
//! be taken back by the ensemble nor lost by this server (I1, I5, I6).

use std::collections::VecDeque;

use bytes::Bytes;

use super::Agreed;
use crate::codec::txn::Entry;
use crate::log::Durable;
use crate::mutants::{self, Mutant};
use crate::types::Zxid;

/// A transaction that may be applied. No other module can make one.
#[derive(Debug)]
pub struct Committed<O> {
    entry: Entry,
    bytes: Bytes,
    origin: O,
}

impl<O> Committed<O> {
    /// The transaction.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
    /// The entry, the same as the log has it (empty on a server that has nobody to send it to), and
    /// who waits for it.
    pub fn into_parts(self) -> (Entry, Bytes, O) {
        (self.entry, self.bytes, self.origin)
    }
}

/// Something whose turn has come.
#[derive(Debug)]
pub enum Due<O, R> {
    /// A transaction.
    Apply(Committed<O>),
    /// Everything that had to be before this is applied.
    Reply(R),
}

/// Proposals in zxid order, waiting; `O` is who waits for one, and `R` what is said once everything
/// before is applied, as the answer to a client sync.
///
/// Its length is bounded by the requests in flight (limits::GLOBAL_OUTSTANDING and the lines of
/// the connections), which the network cores keep, and by [`CommitQueue::bytes_not_durable`], which the
/// control core asks before it takes more.
pub struct CommitQueue<O, R> {
    proposals: VecDeque<Waiting<O>>,
    /// How many of them are durable, and the bytes of the others.
    durable_count: usize,
    bytes_not_durable: usize,
    /// Each with the transaction that must be applied first, never falling, and the number of the
    /// question that must be settled ([`super::leader`]'s read index).
    replies: VecDeque<(Zxid, u64, R)>,
    /// Questions up to this number are settled.
    confirmed: u64,
    proposed: Zxid,
    durable: Zxid,
    agreed: Zxid,
    applied: Zxid,
}

struct Waiting<O> {
    entry: Entry,
    bytes: Bytes,
    /// In the log.
    len: usize,
    origin: O,
}

impl<O, R> CommitQueue<O, R> {
    /// `last`: everything up to it is in the tree already.
    pub fn new(last: Zxid) -> CommitQueue<O, R> {
        CommitQueue {
            proposals: VecDeque::new(),
            durable_count: 0,
            bytes_not_durable: 0,
            replies: VecDeque::new(),
            confirmed: 0,
            proposed: last,
            durable: last,
            agreed: last,
            applied: last,
        }
    }

    /// A transaction on its way to the log, `len` bytes there, and those bytes if they will be asked
    /// for.
    pub fn propose(&mut self, entry: Entry, (bytes, len): (Bytes, usize), origin: O) {
        assert!(entry.header.zxid > self.proposed, "I4: proposals rise");
        self.proposed = entry.header.zxid;
        self.bytes_not_durable += len;
        self.proposals.push_back(Waiting { entry, bytes, len, origin });
    }

    /// To be said behind all that is proposed.
    pub fn reply(&mut self, reply: R) {
        self.reply_when_confirmed(0, reply);
    }

    /// The same, but not before this question is settled: by [`CommitQueue::confirmed`], or because
    /// something later is agreed. What is later waits behind it.
    pub fn reply_when_confirmed(&mut self, question: u64, reply: R) {
        self.replies.push_back((self.proposed, question, reply));
    }

    /// Questions up to this number are settled.
    pub fn confirmed(&mut self, question: u64) {
        self.confirmed = question;
    }

    /// The leader has answered: to be said behind all that it has committed until now.
    pub fn reply_when_agreed(&mut self, reply: R) {
        let upto = self.agreed.max(self.replies.back().map_or(Zxid::ZERO, |(upto, ..)| *upto));
        self.replies.push_back((upto, 0, reply));
    }

    /// The log's horizon has moved.
    pub fn durable(&mut self, durable: Durable) {
        let upto = durable.zxid();
        assert!(upto <= self.proposed, "I1: durable beyond what was proposed");
        self.durable = self.durable.max(upto);
        while let Some(waiting) = self.proposals.get(self.durable_count)
            && waiting.entry.header.zxid <= upto
        {
            self.bytes_not_durable -= waiting.len;
            self.durable_count += 1;
        }
    }

    /// The ensemble's horizon has moved.
    pub fn agree(&mut self, agreed: Agreed) {
        self.agreed = self.agreed.max(agreed.zxid());
    }

    /// A role has ended: what this server's own log holds is its history now, as after a restart.
    /// True when nothing waits for the log any more.
    pub fn own_history(&mut self) -> bool {
        self.agreed = self.agreed.max(self.durable);
        self.replies.clear();
        self.durable >= self.proposed
    }

    /// What may happen next, in order; `None` until a horizon moves.
    pub fn next_due(&mut self) -> Option<Due<O, R>> {
        if let Some((upto, question, _)) = self.replies.front()
            && *upto <= self.applied
            && (*question <= self.confirmed || *upto < self.agreed)
        {
            return self.replies.pop_front().map(|(_, _, reply)| Due::Reply(reply));
        }
        let front = self.proposals.front()?;
        if front.entry.header.zxid > self.durable.min(self.agreed)
            && !mutants::on(Mutant::AppliedBeforeAgreed)
        {
            return None;
        }
        let Waiting { entry, bytes, len, origin } = self.proposals.pop_front()?;
        match self.durable_count.checked_sub(1) {
            Some(count) => self.durable_count = count,
            // Only a planted bug applies what is not durable.
            None => self.bytes_not_durable -= len,
        }
        self.applied = entry.header.zxid;
        Some(Due::Apply(Committed { entry, bytes, origin }))
    }

    /// Bytes given to the log that a crash would still lose. The log's own pace bounds them, whatever
    /// the ensemble agrees on.
    pub fn bytes_not_durable(&self) -> usize {
        self.bytes_not_durable
    }

    /// Waiting clients get no answer: the role in which they asked has ended.
    pub fn forget_origins(&mut self, nobody: impl Fn() -> O) {
        for waiting in &mut self.proposals {
            waiting.origin = nobody();
        }
        self.replies.clear();
        self.confirmed = 0;
    }

    /// The last transaction taken in.
    pub fn proposed(&self) -> Zxid {
        self.proposed
    }

    /// Everything up to here survives power loss here.
    pub fn durable_upto(&self) -> Zxid {
        self.durable
    }

    /// Everything up to here is agreed, as far as this server has heard.
    pub fn agreed(&self) -> Zxid {
        self.agreed
    }

    /// Steps in flight.
    pub fn len(&self) -> usize {
        self.proposals.len() + self.replies.len()
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.proposals.is_empty() && self.replies.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::txn::{Txn, TxnHeader};
    use crate::types::{ErrorCode, SessionId, WallMillis};
    use crate::zab::Alone;

    fn entry(zxid: i64) -> Entry {
        Entry {
            header: TxnHeader {
                session: SessionId(1),
                cxid: 0,
                zxid: Zxid(zxid),
                time: WallMillis(0),
            },
            txn: Txn::Error(ErrorCode::NoNode),
            digest: None,
        }
    }

    fn bytes(len: usize) -> (Bytes, usize) {
        (Bytes::new(), len)
    }

    fn durable(zxid: i64) -> Durable {
        Durable::assumed(Zxid(zxid))
    }

    fn applies(queue: &mut CommitQueue<char, char>) -> Option<i64> {
        match queue.next_due()? {
            Due::Apply(committed) => Some(committed.entry().header.zxid.0),
            Due::Reply(_) => panic!("a reply"),
        }
    }

    #[test]
    fn alone_nothing_is_committed_before_the_log_holds_it() {
        let mut queue = CommitQueue::new(Zxid(4));
        queue.propose(entry(5), bytes(5), 'a');
        queue.reply('s');
        queue.propose(entry(6), bytes(6), 'b');
        assert!(queue.next_due().is_none());
        queue.durable(durable(5));
        queue.agree(Alone::configured().agreed(durable(5)));
        assert_eq!(applies(&mut queue), Some(5));
        assert!(matches!(queue.next_due(), Some(Due::Reply('s'))));
        assert!(queue.next_due().is_none());
        queue.durable(durable(6));
        queue.agree(Alone::configured().agreed(durable(6)));
        assert_eq!(applies(&mut queue), Some(6));
        assert!(queue.is_empty());
    }

    #[test]
    fn both_horizons_must_have_passed() {
        let mut queue = CommitQueue::new(Zxid(4));
        queue.propose(entry(5), bytes(5), 'a');
        queue.propose(entry(6), bytes(6), 'b');
        queue.agree(Agreed(Zxid(6)));
        assert_eq!(applies(&mut queue), None);
        assert_eq!(queue.bytes_not_durable(), 11, "agreed, and still the log's");
        queue.durable(durable(5));
        assert_eq!(queue.bytes_not_durable(), 6);
        assert_eq!(applies(&mut queue), Some(5));
        assert_eq!(applies(&mut queue), None);
        queue.durable(durable(6));
        assert_eq!(queue.bytes_not_durable(), 0);
        assert_eq!(applies(&mut queue), Some(6));
    }

    #[test]
    fn a_sync_the_leader_answered_waits_for_what_it_had_committed() {
        let mut queue = CommitQueue::new(Zxid(4));
        queue.propose(entry(5), bytes(5), 'a');
        queue.propose(entry(6), bytes(6), 'b');
        queue.agree(Agreed(Zxid(5)));
        queue.reply_when_agreed('s');
        assert!(queue.next_due().is_none());
        queue.durable(durable(6));
        assert_eq!(applies(&mut queue), Some(5));
        assert!(matches!(queue.next_due(), Some(Due::Reply('s'))));
        assert_eq!(applies(&mut queue), None);
    }

    #[test]
    fn at_the_end_of_a_role_the_log_is_the_history() {
        let mut queue = CommitQueue::new(Zxid(4));
        queue.propose(entry(5), bytes(5), 'a');
        queue.propose(entry(6), bytes(6), 'b');
        queue.reply('s');
        queue.durable(durable(5));
        assert!(!queue.own_history());
        assert_eq!(applies(&mut queue), Some(5));
        assert_eq!(applies(&mut queue), None);
        queue.durable(durable(6));
        assert!(queue.own_history());
        assert_eq!(applies(&mut queue), Some(6));
        assert!(queue.is_empty());
    }

    #[test]
    #[should_panic(expected = "I1")]
    fn a_horizon_ahead_of_the_proposals_is_a_fault() {
        let mut queue: CommitQueue<(), ()> = CommitQueue::new(Zxid(4));
        queue.durable(durable(5));
    }
}
