//! The queue between two roles: many senders, one receiver, batches on both sides.
//!
//! A lock around a queue, taken once for a batch: the sender appends its batch, the receiver swaps
//! the whole queue for an empty one and works on it without the lock. It is the same for roles on
//! one thread and on two; only the wake-up differs, and [`Waker`] makes none for a running thread.
//!
//! Each sender's messages come in its order, once. Whoever sleeps is woken by a message, also by one that
//! came between its last look and the sleep. An end takes nothing away: what a sender has said still
//! comes, and to a receiver that is gone anybody may speak. `tools/sim/tests/seams` shows it on threads
//! and where the simulator gives turns, `tests/mailbox_loom.rs` under every interleaving.
//!
//! The bound is asked for before a request is taken in ([`Sender::has_room`]), not while its
//! consequences are being passed on: a push always succeeds, so that no role can be stopped in the
//! middle of a transaction and two roles can never wait for each other. The overshoot is what one
//! turn of the sender produces (I9).

use std::collections::VecDeque;

use std::sync::atomic::Ordering::SeqCst;

use super::sync::{Arc, AtomicUsize, Mutex, MutexGuard};
use super::waker::Waker;

struct Shared<T> {
    queue: Mutex<VecDeque<T>>,
    /// Length of the queue, written under its lock and read without it.
    len: AtomicUsize,
    bound: usize,
    waker: Waker,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        // Nothing that can panic runs under the lock but allocation, and that aborts.
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Makes a mailbox for the thread that `waker` wakes. `bound` is the number of messages from which
/// on [`Sender::has_room`] says no.
pub fn mailbox<T>(bound: usize, waker: Waker) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        queue: Mutex::new(VecDeque::new()),
        len: AtomicUsize::new(0),
        bound,
        waker,
    });
    (Sender { shared: shared.clone() }, Receiver { shared })
}

/// The sending side; any number of threads.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender { shared: self.shared.clone() }
    }
}

impl<T> Sender<T> {
    /// Appends one message and wakes the receiver if it sleeps. Always succeeds.
    pub fn push(&self, message: T) {
        {
            let mut queue = self.shared.lock();
            queue.push_back(message);
            self.shared.len.store(queue.len(), SeqCst);
        }
        self.shared.waker.wake();
    }

    /// Appends all of `batch` in its order, emptying it, under one lock, and wakes the receiver if
    /// it sleeps. Takes a `&mut Vec` as well as a `&mut VecDeque`. Always succeeds.
    pub fn push_all<B: Batch<T>>(&self, batch: &mut B) {
        if batch.is_empty() {
            return;
        }
        {
            let mut queue = self.shared.lock();
            batch.move_to(&mut queue);
            self.shared.len.store(queue.len(), SeqCst);
        }
        self.shared.waker.wake();
    }

    /// Is the receiver less than its bound behind? To be asked before work is taken in whose
    /// messages will go here.
    pub fn has_room(&self) -> bool {
        self.len() < self.shared.bound
    }

    /// Messages not yet taken by the receiver.
    pub fn len(&self) -> usize {
        self.shared.len.load(SeqCst)
    }

    /// The receiver has taken all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The receiving side; one thread.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// Moves everything that has arrived to the end of `into`; says how many messages that were.
    /// Into an empty queue nothing is copied: the two queues change places, and the sender goes on
    /// with the one that was given.
    pub fn drain_into(&mut self, into: &mut VecDeque<T>) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut queue = self.shared.lock();
        let arrived = queue.len();
        if into.is_empty() {
            std::mem::swap(&mut *queue, into);
        } else {
            into.append(&mut queue);
        }
        self.shared.len.store(0, SeqCst);
        arrived
    }

    /// Nothing has arrived: one load.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages that have arrived.
    pub fn len(&self) -> usize {
        self.shared.len.load(SeqCst)
    }
}

/// What can be pushed in one go.
pub trait Batch<T> {
    /// There is nothing to push.
    fn is_empty(&self) -> bool;
    /// Moves all messages to the end of `queue`, leaving nothing.
    fn move_to(&mut self, queue: &mut VecDeque<T>);
}

impl<T> Batch<T> for Vec<T> {
    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }
    fn move_to(&mut self, queue: &mut VecDeque<T>) {
        queue.extend(self.drain(..));
    }
}

impl<T> Batch<T> for VecDeque<T> {
    fn is_empty(&self) -> bool {
        VecDeque::is_empty(self)
    }
    fn move_to(&mut self, queue: &mut VecDeque<T>) {
        if queue.is_empty() {
            std::mem::swap(queue, self);
        } else {
            queue.append(self);
        }
    }
}
