//! Requests that wait, and whose turn it is.
//!
//! Each sender's requests keep their order. Between senders the one goes next for whom least has been
//! done: the work of a request is known when it has been carried out, and its sender pays it before the
//! next of its own. In one line for all, a thousand requests that take milliseconds each (a node with a
//! long access list, multis of many steps) kept everybody else's waiting for tens of seconds.

use std::collections::{BTreeMap, VecDeque};

/// Queues of items by sender, taken from in turns by work. What bounds it is what bounds a connection's
/// requests (`network::frames`).
#[derive(Debug)]
pub(super) struct FairQueue<K, T> {
    senders: BTreeMap<K, VecDeque<T>>,
    /// Who goes next: work done, and the order in which they came where that is equal.
    order: BTreeMap<(u64, u64), K>,
    /// Whose item was taken last, and what had been done for it before.
    taken: Option<(K, u64)>,
    /// What had been done for the sender that was last served. Who comes begins here: it owes nothing
    /// for the time before, and is owed nothing.
    clock: u64,
    arrivals: u64,
    len: usize,
}

impl<K, T> Default for FairQueue<K, T> {
    fn default() -> FairQueue<K, T> {
        let (senders, order) = (BTreeMap::new(), BTreeMap::new());
        FairQueue { senders, order, taken: None, clock: 0, arrivals: 0, len: 0 }
    }
}

impl<K: Copy + Ord, T> FairQueue<K, T> {
    /// Behind all items of this sender.
    pub(super) fn push(&mut self, sender: K, item: T) {
        self.len += 1;
        let is_taken = self.taken.as_ref().is_some_and(|(taken, _)| *taken == sender);
        let items = self.senders.entry(sender).or_default();
        items.push_back(item);
        if items.len() == 1 && !is_taken {
            self.line_up(sender, self.clock);
        }
    }

    /// The item that goes next. What it costs is to be told by [`FairQueue::charge`].
    pub(super) fn pop(&mut self) -> Option<T> {
        self.charge(1);
        let ((done, _), sender) = self.order.pop_first()?;
        self.clock = done;
        self.taken = Some((sender, done));
        self.len -= 1;
        self.senders.get_mut(&sender)?.pop_front()
    }

    /// The item that was taken last has cost so much work: its sender goes on behind all for whom less
    /// has been done.
    pub(super) fn charge(&mut self, work: u64) {
        let Some((sender, done)) = self.taken.take() else { return };
        if self.senders.get(&sender).is_some_and(VecDeque::is_empty) {
            self.senders.remove(&sender);
        } else {
            self.line_up(sender, done + work.max(1));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn line_up(&mut self, sender: K, done: u64) {
        self.arrivals += 1;
        self.order.insert((done, self.arrivals), sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all, each at this cost for each sender.
    fn served(queue: &mut FairQueue<char, u32>, cost: impl Fn(char) -> u64) -> String {
        let mut order = String::new();
        while queue.pop().is_some() {
            let (sender, _) = queue.taken.unwrap();
            order.push(sender);
            queue.charge(cost(sender));
        }
        assert!(queue.is_empty() && queue.senders.is_empty() && queue.order.is_empty());
        order
    }

    #[test]
    fn senders_take_turns() {
        let mut queue = FairQueue::default();
        (0..3).for_each(|n| queue.push('a', n));
        (0..2).for_each(|n| queue.push('b', n));
        queue.push('c', 0);
        assert_eq!(served(&mut queue, |_| 1), "abcaba");
    }

    #[test]
    fn who_sends_dear_requests_waits_for_the_others() {
        let mut queue = FairQueue::default();
        (0..3).for_each(|n| queue.push('d', n));
        (0..8).for_each(|n| queue.push('a', n));
        (0..2).for_each(|n| queue.push('b', n));
        let cost = |sender| if sender == 'd' { 4 } else { 1 };
        assert_eq!(served(&mut queue, cost), "dababaadaaaad");
    }

    #[test]
    fn each_senders_items_keep_their_order() {
        let mut queue = FairQueue::default();
        for n in 0..100_u32 {
            queue.push(['a', 'b', 'c'][n as usize % 3], n);
        }
        let mut last = BTreeMap::new();
        while let Some(item) = queue.pop() {
            let (sender, _) = queue.taken.unwrap();
            assert!(last.insert(sender, item).is_none_or(|before| before < item));
            if item % 7 == 0 && item < 100 {
                queue.push(sender, item + 1000);
            }
            queue.charge(u64::from(item % 5));
        }
    }

    #[test]
    fn who_comes_late_is_served_next_and_owed_nothing() {
        let mut queue = FairQueue::default();
        (0..1000).for_each(|n| queue.push('d', n));
        for _ in 0..100 {
            queue.pop();
            queue.charge(2000);
        }
        queue.push('a', 1);
        assert_eq!((queue.pop(), queue.taken.unwrap().0), (Some(1), 'a'));
        queue.charge(1);
        (0..3000).for_each(|n| queue.push('a', n));
        let mut of_d = 0;
        for _ in 0..3000 {
            queue.pop();
            let (sender, _) = queue.taken.unwrap();
            of_d += usize::from(sender == 'd');
            queue.charge(if sender == 'd' { 2000 } else { 1 });
        }
        assert!((1..=2).contains(&of_d), "{of_d} of the dear ones beside 3,000 cheap ones");
    }

    #[test]
    fn an_item_that_comes_while_its_sender_is_served_waits_once() {
        let mut queue = FairQueue::default();
        queue.push('a', 1);
        assert_eq!(queue.pop(), Some(1));
        queue.push('a', 2);
        queue.push('b', 3);
        queue.charge(5);
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(3), Some(2), None));
        assert!(queue.is_empty());
    }
}
