//! How old transactions are when they reach a station, for `mntr`: gathered over a turn, so that a
//! batch costs the figures one lock.

use std::collections::VecDeque;

use crate::metrics::figure::Run;
use crate::types::{Millis, Zxid};

/// What one turn has seen, and a leader's proposals that wait for their quorum.
#[derive(Default)]
pub(super) struct Ages {
    /// At their application here.
    pub applied: Run,
    /// At their arrival from the leader.
    pub arrived: Run,
    pub agreed: Run,
    /// The last proposal of each millisecond that had one, and when that was.
    asked: VecDeque<(Zxid, Millis)>,
}

impl Ages {
    /// A leader's proposals of one millisecond stand together.
    pub(super) fn asked(&mut self, zxid: Zxid, now: Millis) {
        match self.asked.back_mut() {
            Some((last, at)) if *at == now => *last = zxid,
            Some(_) | None => self.asked.push_back((zxid, now)),
        }
    }

    pub(super) fn forget_asked(&mut self) {
        self.asked.clear();
    }

    /// Proposals behind `before` up to `upto` have their quorum: ages, and how many have each.
    pub(super) fn take_agreed(
        &mut self,
        mut before: Zxid,
        upto: Zxid,
        now: Millis,
    ) -> Vec<(i64, u32)> {
        let mut ages = Vec::new();
        while before < upto {
            let Some((last, at)) = self.asked.front().copied() else { break };
            if last > before {
                let end = last.min(upto);
                let count = u32::try_from(end.0 - before.0).unwrap_or(1);
                ages.push((now.0 - at.0, count));
                before = end;
            }
            if last <= upto {
                self.asked.pop_front();
            }
        }
        ages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_proposal_is_counted_once_with_its_age() {
        let mut ages = Ages::default();
        for (zxid, at) in [(1, 10), (2, 10), (3, 12), (4, 15)] {
            ages.asked(Zxid(zxid), Millis(at));
        }
        let mut take = |before, upto, now| ages.take_agreed(Zxid(before), Zxid(upto), Millis(now));
        assert_eq!(take(0, 1, 11), [(1, 1)]);
        assert_eq!(take(1, 3, 14), [(4, 1), (2, 1)]);
        assert_eq!(take(3, 3, 20), []);
        assert_eq!(take(3, 4, 20), [(5, 1)]);
        assert!(ages.asked.is_empty());
    }
}
