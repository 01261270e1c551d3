//! What applying a transaction gives back: the answer for its client, and the changes for watches.

use std::sync::Arc;

use crate::types::{AclList, Data, ErrorCode, Stat, Zxid};

/// What became of a transaction (DataTree.ProcessTxnResult), ready to be encoded as a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A node.
    Created {
        /// Of the node, with the number of a sequential one.
        path: String,
        /// For every create but type 1, whose reply is the path alone.
        stat: Option<Stat>,
    },
    /// A node, or a container that had been empty.
    Deleted,
    /// Data, and the stat after it.
    DataSet(Stat),
    /// An access list, and the stat after it.
    AclSet(Stat),
    /// A version, in a multi.
    Checked,
    /// A session.
    SessionCreated {
        /// Milliseconds.
        timeout: i32,
    },
    /// A session, with its ephemerals.
    SessionClosed,
    /// The ensemble.
    Reconfigured {
        /// The new configuration's text.
        data: Data,
        /// Of its node.
        stat: Stat,
    },
    /// Nothing was changed.
    Failed(ErrorCode),
    /// One per operation. A multi that failed holds `Failed(Ok)` before the culprit and
    /// `Failed(RuntimeInconsistency)` after it.
    Multi(Vec<Outcome>),
}

impl Outcome {
    /// Whether the request, or a step of it, has failed with this. A multi's own failure is that of
    /// one of its steps, and whoever looks for errors must look there.
    pub fn has_failed_with(&self, code: ErrorCode) -> bool {
        match self {
            Outcome::Failed(failed) => *failed == code,
            // One that has failed ends in a failure: the others need not be looked through.
            Outcome::Multi(steps) if matches!(steps.last(), Some(Outcome::Failed(_))) => {
                steps.iter().any(|step| matches!(step, Outcome::Failed(failed) if *failed == code))
            }
            Outcome::Created { .. }
            | Outcome::Deleted
            | Outcome::DataSet(_)
            | Outcome::AclSet(_)
            | Outcome::Checked
            | Outcome::SessionCreated { .. }
            | Outcome::SessionClosed
            | Outcome::Reconfigured { .. }
            | Outcome::Multi(_) => false,
        }
    }
}

/// Something a watch may want to hear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Of the transaction.
    pub zxid: Zxid,
    /// To the node at `path`.
    pub kind: ChangeKind,
    /// The root is "/".
    pub path: Arc<str>,
    /// Of the node; the new list for a created one. Data events are delivered to its readers.
    pub acl: AclList,
    /// Child events are delivered to its readers. `Some` for created and deleted nodes.
    pub parent_acl: Option<AclList>,
}

/// What watches tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ChangeKind {
    Created,
    Deleted,
    DataChanged,
}

/// Called while the changed shards are still write-locked, so that no reader can see a change
/// that is not yet in the stream (I7).
pub trait ChangeSink {
    /// Asked once for each transaction; `false` spares the making of changes nobody wants.
    fn wants_changes(&self) -> bool;
    /// In the order in which the transaction made them.
    fn change(&mut self, change: Change);
    /// The last call for a transaction that had changes: what was given to [`Self::change`] must
    /// have reached the streams of the network cores when this returns.
    fn publish(&mut self) {}
}

/// For replay, when nobody watches.
#[derive(Debug, Default)]
pub struct NoSink;

impl ChangeSink for NoSink {
    fn wants_changes(&self) -> bool {
        false
    }
    fn change(&mut self, _: Change) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multis_failure_is_found_among_its_steps() {
        let (moved, before) = (ErrorCode::SessionMoved, Outcome::Failed(ErrorCode::Ok));
        let after = Outcome::Failed(ErrorCode::RuntimeInconsistency);
        assert!(Outcome::Failed(moved).has_failed_with(moved));
        for steps in [
            vec![Outcome::Failed(moved)],
            vec![Outcome::Failed(moved), after.clone()],
            vec![before.clone(), Outcome::Failed(moved), after.clone()],
        ] {
            assert!(Outcome::Multi(steps).has_failed_with(moved));
        }
        for other in [
            Outcome::Multi(Vec::new()),
            Outcome::Multi(vec![Outcome::Checked, Outcome::Deleted]),
            Outcome::Multi(vec![before, Outcome::Failed(ErrorCode::NoNode), after]),
            Outcome::Failed(ErrorCode::NoNode),
            Outcome::Deleted,
        ] {
            assert!(!other.has_failed_with(moved), "{other:?}");
        }
    }
}
