//! When transactions came to their stations, for operations that turn out to be slow.

use std::collections::VecDeque;

use crate::admin::slow::Stations;
use crate::types::{Millis, Zxid};
use crate::zab::CommitQueue;

/// Marks of a station: one a millisecond at most, so some ten seconds of the busiest server. What took
/// longer has come to it at a time that is not known.
const MARKS: usize = 8192;

/// Kept where slow operations are looked for. All memory is taken at the start.
pub(super) struct Moments {
    proposed: Marks,
    durable: Marks,
    agreed: Marks,
}

impl Moments {
    pub(super) fn new() -> Moments {
        Moments { proposed: Marks::new(), durable: Marks::new(), agreed: Marks::new() }
    }

    /// How far everything has come in this turn.
    pub(super) fn mark<O, R>(&mut self, queue: &CommitQueue<O, R>, now: Millis) {
        self.proposed.mark(queue.proposed(), now);
        self.durable.mark(queue.durable_upto(), now);
        self.agreed.mark(queue.agreed(), now);
    }

    /// Of one that is applied now.
    pub(super) fn stations(&self, zxid: Zxid, now: Millis) -> Stations {
        Stations {
            proposed: self.proposed.when(zxid),
            durable: self.durable.when(zxid),
            agreed: self.agreed.when(zxid),
            applied: now,
        }
    }
}

/// Up to which zxid a station had been passed, by time.
struct Marks(VecDeque<(Zxid, Millis)>);

impl Marks {
    fn new() -> Marks {
        Marks(VecDeque::with_capacity(MARKS))
    }

    fn mark(&mut self, upto: Zxid, now: Millis) {
        match self.0.back_mut() {
            // Another history: what was there before it is nothing of its own.
            Some((last, _)) if upto < *last => self.0.clear(),
            Some((last, _)) if upto == *last => return,
            Some((last, at)) if *at == now => {
                *last = upto;
                return;
            }
            _ => {}
        }
        if self.0.len() == MARKS {
            self.0.pop_front();
        }
        self.0.push_back((upto, now));
    }

    fn when(&self, zxid: Zxid) -> Millis {
        let at = self.0.partition_point(|(upto, _)| *upto < zxid);
        // In front of the first mark a transaction may have come any time before.
        let is_known = at > 0 || self.0.len() < MARKS;
        let mark = self.0.get(at).filter(|_| is_known);
        mark.map_or(Stations::NEVER, |(_, when)| *when)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(all: &[(i64, i64)]) -> Marks {
        let mut marks = Marks::new();
        for (zxid, at) in all {
            marks.mark(Zxid(*zxid), Millis(*at));
        }
        marks
    }

    #[test]
    fn a_station_is_passed_when_it_was_first_seen_behind() {
        let marks = marks(&[(1, 10), (4, 20), (6, 20), (6, 30), (9, 40)]);
        let when = |zxid| marks.when(Zxid(zxid)).0;
        assert_eq!([1, 2, 4, 6, 7, 9, 10].map(when), [10, 20, 20, 20, 40, 40, -1]);
        assert_eq!(marks.0.len(), 3, "one a millisecond");
    }

    #[test]
    fn what_is_older_than_the_oldest_mark_is_not_known() {
        let all: Vec<(i64, i64)> = (1..=MARKS as i64 + 5).map(|n| (n, n)).collect();
        let marks = marks(&all);
        assert_eq!(marks.0.len(), MARKS);
        assert_eq!(marks.when(Zxid(3)), Stations::NEVER);
        assert_eq!(marks.when(Zxid(7)), Millis(7));
    }

    #[test]
    fn another_history_begins_anew() {
        let marks = marks(&[(5, 10), (8, 20), (6, 30), (7, 40)]);
        assert_eq!([6, 7].map(|zxid| marks.when(Zxid(zxid)).0), [30, 40]);
    }
}
