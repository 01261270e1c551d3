//! Agreement of one: what this server's own log holds is committed.

use std::collections::VecDeque;

use crate::codec::txn::Entry;
use crate::log::Durable;
use crate::types::Zxid;

/// A transaction that may be applied. No other module can make one.
#[derive(Debug)]
pub struct Committed<O> {
    entry: Entry,
    origin: O,
}

impl<O> Committed<O> {
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
    pub fn into_parts(self) -> (Entry, O) {
        (self.entry, self.origin)
    }
}

/// Something whose turn has come.
#[derive(Debug)]
pub enum Due<O> {
    Apply(Committed<O>),
    /// A client sync: everything proposed before it is applied.
    Synced(O),
}

enum Step<O> {
    Proposal { entry: Entry, origin: O },
    Sync { origin: O },
}

/// Proposals in zxid order, waiting for the log; `O` is whoever wants to know.
///
/// Its length is bounded by the requests in flight (limits::GLOBAL_OUTSTANDING and the lines of
/// the connections), which the network cores keep.
pub struct Solo<O> {
    steps: VecDeque<Step<O>>,
    proposed: Zxid,
    durable: Zxid,
}

impl<O> Solo<O> {
    /// `last`: everything up to it is in the tree already.
    pub fn new(last: Zxid) -> Solo<O> {
        Solo { steps: VecDeque::new(), proposed: last, durable: last }
    }

    /// A transaction on its way to the log.
    pub fn propose(&mut self, entry: Entry, origin: O) {
        assert!(entry.header.zxid > self.proposed, "I4: proposals rise");
        self.proposed = entry.header.zxid;
        self.steps.push_back(Step::Proposal { entry, origin });
    }

    /// A client sync takes its place behind all that is proposed.
    pub fn sync(&mut self, origin: O) {
        self.steps.push_back(Step::Sync { origin });
    }

    /// The log's horizon has moved.
    pub fn durable(&mut self, durable: Durable) {
        let upto = durable.zxid();
        assert!(upto <= self.proposed, "I1: durable beyond what was proposed");
        self.durable = self.durable.max(upto);
    }

    /// What may happen next, in order; `None` until the horizon moves.
    pub fn next_due(&mut self) -> Option<Due<O>> {
        match self.steps.front() {
            Some(Step::Proposal { entry, .. }) if entry.header.zxid > self.durable => None,
            Some(_) => self.steps.pop_front().map(|step| match step {
                Step::Proposal { entry, origin } => Due::Apply(Committed { entry, origin }),
                Step::Sync { origin } => Due::Synced(origin),
            }),
            None => None,
        }
    }

    /// Steps in flight.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::txn::{Txn, TxnHeader};
    use crate::types::{ErrorCode, SessionId, WallMillis};

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

    #[test]
    fn nothing_is_committed_before_the_log_holds_it() {
        let mut solo = Solo::new(Zxid(4));
        solo.propose(entry(5), 'a');
        solo.sync('s');
        solo.propose(entry(6), 'b');
        assert!(solo.next_due().is_none());
        solo.durable(Durable::assumed(Zxid(5)));
        assert!(matches!(solo.next_due(), Some(Due::Apply(c)) if c.entry().header.zxid == Zxid(5)));
        assert!(matches!(solo.next_due(), Some(Due::Synced('s'))));
        assert!(solo.next_due().is_none());
        solo.durable(Durable::assumed(Zxid(6)));
        assert!(matches!(solo.next_due(), Some(Due::Apply(_))));
        assert!(solo.is_empty());
    }

    #[test]
    #[should_panic(expected = "I1")]
    fn a_horizon_ahead_of_the_proposals_is_a_fault() {
        let mut solo: Solo<()> = Solo::new(Zxid(4));
        solo.durable(Durable::assumed(Zxid(5)));
    }
}
