//! The end of the committed history, kept in memory: what a learner that was away for a moment
//! has missed (ZKDatabase.committedLog).
//!
//! A window never has a hole (ZOOKEEPER-4925, 3526): an entry that does not follow the last one
//! starts it anew, and the older history is then found on disk or in a snapshot.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::mutants::{self, Mutant};
use crate::types::{Zxid, limits};

/// Committed entries without a gap, oldest first. Bounded by number and by bytes; the oldest go.
#[derive(Debug)]
pub struct Window {
    entries: VecDeque<(Zxid, Bytes)>,
    bytes: usize,
    /// The transaction right before the first entry, where it is known: a learner whose history
    /// ends there lacks exactly the entries.
    before: Option<Zxid>,
    count_max: usize,
    bytes_max: usize,
}

impl Default for Window {
    fn default() -> Window {
        Window::new(limits::COMMITTED_LOG, limits::WINDOW_BYTES)
    }
}

impl Window {
    /// `count_max`: `commitLogCount`, of which Java takes no less than 500.
    pub fn new(count_max: usize, bytes_max: usize) -> Window {
        Window { entries: VecDeque::new(), bytes: 0, before: None, count_max, bytes_max }
    }

    /// Forgets everything; `after` is the last transaction of the history that now stands in the
    /// tree, so that the next entry is known to follow it.
    pub fn restart(&mut self, after: Zxid) {
        self.clear();
        self.before = Some(after);
    }

    /// Forgets everything, and where it ended.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
        self.before = None;
    }

    /// A transaction that is committed. `entry`: its bytes in the log.
    pub fn push(&mut self, zxid: Zxid, entry: Bytes) {
        let last = self.end();
        assert!(last.is_none_or(|last| zxid > last), "I6: {zxid} committed behind {last:?}");
        let is_hole = last.is_some_and(|last| !follows(zxid, last));
        if is_hole && !mutants::on(Mutant::HoleInWindow) {
            self.clear();
        }
        self.bytes += entry.len();
        self.entries.push_back((zxid, entry));
        while self.entries.len() > self.count_max || self.bytes > self.bytes_max {
            let Some((zxid, entry)) = self.entries.pop_front() else { break };
            self.bytes -= entry.len();
            self.before = Some(zxid);
        }
    }

    /// The first entry.
    pub fn min(&self) -> Option<Zxid> {
        self.entries.front().map(|(zxid, _)| *zxid)
    }

    /// The last entry.
    pub fn max(&self) -> Option<Zxid> {
        self.entries.back().map(|(zxid, _)| *zxid)
    }

    /// Whether the transaction has been here, or lies before the window. One alone above the bound
    /// in bytes leaves at once, and must not come a second time (a log may hold it twice, and what
    /// a leader commits it also applies).
    pub fn has_seen(&self, zxid: Zxid) -> bool {
        self.end().is_some_and(|end| zxid <= end)
    }

    /// Where the history ends: the last entry, or where the window was begun.
    pub fn end(&self) -> Option<Zxid> {
        self.max().or(self.before)
    }

    /// The newest transaction of the history that is not newer than `zxid`; `None` when it lies
    /// before the window.
    pub fn floor(&self, zxid: Zxid) -> Option<Zxid> {
        let newer = self.first_after(zxid);
        match newer.checked_sub(1).and_then(|at| self.entries.get(at)) {
            Some((found, _)) => Some(*found),
            None => self.before.filter(|before| *before <= zxid),
        }
    }

    /// Everything newer than `zxid`. Complete only if [`Window::floor`] of it is known.
    pub fn iter_after(&self, zxid: Zxid) -> impl Iterator<Item = (Zxid, &Bytes)> {
        self.entries.range(self.first_after(zxid)..).map(|(zxid, entry)| (*zxid, entry))
    }

    /// Transactions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// It holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn first_after(&self, zxid: Zxid) -> usize {
        self.entries.partition_point(|(at, _)| *at <= zxid)
    }
}

/// Whether nothing can have been between the two: the next counter, or the first of a later epoch.
pub fn follows(zxid: Zxid, last: Zxid) -> bool {
    last.next() == Some(zxid) || (zxid.epoch() > last.epoch() && zxid.counter() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Epoch;

    fn z(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    fn window(count: usize, entries: &[Zxid]) -> Window {
        let mut window = Window::new(count, 1000);
        for zxid in entries {
            window.push(*zxid, Bytes::from_static(b"entry"));
        }
        window
    }

    fn after(window: &Window, zxid: Zxid) -> Vec<Zxid> {
        window.iter_after(zxid).map(|(zxid, _)| zxid).collect()
    }

    #[test]
    fn the_oldest_leave_by_number_and_by_bytes() {
        let window = window(2, &[z(1, 1), z(1, 2), z(1, 3)]);
        assert_eq!((window.min(), window.max()), (Some(z(1, 2)), Some(z(1, 3))));
        assert_eq!(
            window.floor(z(1, 1)),
            Some(z(1, 1)),
            "what left last is still a place to start"
        );
        assert_eq!(window.floor(z(1, 0)), None);
        assert_eq!(after(&window, z(1, 2)), [z(1, 3)]);

        let mut small = Window::new(100, 10);
        small.push(z(1, 1), Bytes::from_static(b"123456"));
        small.push(z(1, 2), Bytes::from_static(b"123456"));
        assert_eq!(small.min(), Some(z(1, 2)));
        small.push(z(1, 3), Bytes::from_static(b"more than ten"));
        assert!(small.is_empty());
        assert_eq!(small.floor(z(1, 9)), Some(z(1, 3)));
    }

    #[test]
    fn epochs_follow_one_another_and_holes_start_anew() {
        let mut window = window(9, &[z(1, 6), z(1, 7), z(3, 1)]);
        assert_eq!(window.min(), Some(z(1, 6)));
        assert_eq!(window.floor(z(2, 5)), Some(z(1, 7)));
        assert_eq!(after(&window, z(2, 0)), [z(3, 1)]);
        window.push(z(3, 3), Bytes::new());
        assert_eq!((window.min(), window.len()), (Some(z(3, 3)), 1));
        assert_eq!(window.floor(z(3, 2)), None, "what was before the hole is not known");
    }

    #[test]
    fn a_restarted_window_knows_where_it_begins() {
        let mut window = Window::default();
        window.restart(z(4, 9));
        assert_eq!(window.floor(z(4, 9)), Some(z(4, 9)));
        window.push(z(5, 1), Bytes::new());
        assert_eq!(window.floor(z(4, 9)), Some(z(4, 9)));
        assert_eq!(window.floor(z(4, 8)), None);
    }

    #[test]
    fn an_entry_above_the_bound_leaves_at_once_and_has_been_seen() {
        // Goal: with jute.maxbuffer raised an entry may be larger than the window.
        let mut window = Window::new(100, 10);
        window.push(z(1, 1), Bytes::from_static(b"more than ten"));
        assert!(window.is_empty() && window.max().is_none());
        assert!(window.has_seen(z(1, 1)) && !window.has_seen(z(1, 2)));
        window.push(z(1, 2), Bytes::new());
        assert!(window.has_seen(z(1, 2)) && window.has_seen(z(1, 1)));
        assert!(!Window::default().has_seen(z(1, 1)));
    }

    #[test]
    #[should_panic(expected = "I6")]
    fn nothing_is_committed_twice() {
        window(9, &[z(1, 6), z(1, 6)]);
    }
}
