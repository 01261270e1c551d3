//! What the log says of what it has done.

use crate::types::Zxid;

/// Proof that a transaction and all before it survive power loss here. Only the log makes one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Durable(pub(super) Zxid);

impl Durable {
    /// The transaction.
    pub fn zxid(self) -> Zxid {
        self.0
    }

    /// For tests of what follows the log.
    #[cfg(test)]
    pub fn assumed(zxid: Zxid) -> Durable {
        Durable(zxid)
    }
}

/// What the log tells the control core, in this order for one batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum LogEvent {
    /// The horizon has moved.
    Durable { upto: Durable },
    /// Enough has been logged since the last snapshot; the segment ends here, so that a snapshot
    /// of this transaction makes all of it superfluous one day.
    SnapshotDue { after: Zxid },
    /// Everything appended before `stop` is durable and the thread has ended.
    Stopped,
}
