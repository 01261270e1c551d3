//! Quotas of writes in flight (ZooKeeperServer.checkQuota).
//!
//! Java compares with the use the tree has recorded so far, so a client that sends a thousand
//! creates at once passes a hard limit by as many as are in flight. Here the use that is in flight
//! counts, too; but no step of a multi counts for the next, as in Java, where that is nothing that
//! races. Limits themselves take effect when they are applied, as in Java.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::FixedState;

use crate::tree::Tree;
use crate::tree::quota::QuotaVerdict;
use crate::types::{ErrorCode, Zxid};

/// Nodes and bytes.
#[derive(Clone, Copy, Default)]
struct Use {
    count: i64,
    bytes: i64,
}

/// What the transactions in flight will add to the subtrees that have limits.
#[derive(Default)]
pub(super) struct InFlight {
    /// Of the first `summed` changes: those of the transactions before the one in the making.
    sums: HashMap<String, Use, FixedState>,
    summed: usize,
    changes: VecDeque<(Zxid, String, Use)>,
}

impl InFlight {
    /// QuotaExceeded if `path` lies under a hard limit that the change would pass.
    pub(super) fn check(
        &self,
        tree: &Tree,
        path: &str,
        count: i64,
        bytes: i64,
    ) -> Result<(), ErrorCode> {
        let Some(mut quota) = tree.quota_of(path) else { return Ok(()) };
        if let Some(usage) = &mut quota.usage
            && let Some(sum) = self.sums.get(&quota.prefix)
        {
            usage.add(sum.count, sum.bytes);
        }
        match quota.verdict(count, bytes) {
            QuotaVerdict::Hard => Err(ErrorCode::QuotaExceeded),
            QuotaVerdict::Within | QuotaVerdict::Soft => Ok(()),
        }
    }

    /// A change is on its way.
    pub(super) fn note(&mut self, tree: &Tree, zxid: Zxid, path: &str, count: i64, bytes: i64) {
        if count == 0 && bytes == 0 {
            return;
        }
        let Some(quota) = tree.quota_of(path) else { return };
        self.changes.push_back((zxid, quota.prefix, Use { count, bytes }));
    }

    /// A transaction begins: from now on, what was noted before counts.
    pub(super) fn mark(&mut self) -> usize {
        for (_, prefix, change) in self.changes.iter().skip(self.summed) {
            let sum = match self.sums.get_mut(prefix) {
                Some(sum) => sum,
                None => self.sums.entry(prefix.clone()).or_default(),
            };
            sum.count += change.count;
            sum.bytes += change.bytes;
        }
        self.summed = self.changes.len();
        self.summed
    }

    /// The transaction that began at the mark failed.
    pub(super) fn roll_back(&mut self, mark: usize) {
        self.changes.truncate(mark);
    }

    /// The tree counts the transactions up to `zxid` itself.
    pub(super) fn applied(&mut self, zxid: Zxid) {
        while self.changes.front().is_some_and(|(at, _, _)| *at <= zxid)
            && let Some((_, prefix, change)) = self.changes.pop_front()
        {
            if self.summed > 0 {
                self.summed -= 1;
                self.subtract(&prefix, change);
            }
        }
        if self.changes.is_empty() {
            self.sums.clear();
        }
    }

    fn subtract(&mut self, prefix: &str, change: Use) {
        if let Some(sum) = self.sums.get_mut(prefix) {
            sum.count -= change.count;
            sum.bytes -= change.bytes;
        }
    }
}
