//! The mailbox and the waker under every interleaving of their threads: a lost wake-up is a
//! deadlock, which loom reports. The two files are compiled here against loom's primitives.

#![allow(clippy::unwrap_used)] // A test may.
#![allow(unreachable_pub)] // The files are the server's, where others reach them.
#![allow(dead_code)] // A ring's sleeper cannot be modelled; its states are the thread's.

#[path = "../src/runtime/eventfd.rs"]
mod eventfd;
#[path = "../src/runtime/mailbox.rs"]
mod mailbox;
#[path = "../src/runtime/waker.rs"]
mod waker;

/// In the place of src/runtime/sync.rs.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicUsize};
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
    pub(crate) use loom::thread::{Thread, current};

    /// loom knows no time.
    pub(crate) fn park(_: Option<std::time::Duration>) {
        loom::thread::park();
    }
}

use std::collections::VecDeque;

use mailbox::mailbox;

/// One sender, exhaustively: the receiver sleeps whenever it finds nothing.
#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let (mut sleeper, waker) = waker::for_thread();
        let (sender, mut receiver) = mailbox::<u32>(1, waker);
        let thread = loom::thread::spawn(move || {
            sender.push(1);
            sender.push_all(&mut vec![2, 3]);
        });
        let mut inbox = VecDeque::new();
        while inbox.len() < 3 {
            if receiver.drain_into(&mut inbox) == 0 {
                sleeper.sleep(None);
            }
        }
        assert_eq!(inbox, [1, 2, 3]);
        thread.join().unwrap();
    });
}

/// Two senders; at most two threads are interrupted, which keeps it to seconds.
#[test]
fn no_wake_up_of_two_senders_is_lost() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let (mut sleeper, waker) = waker::for_thread();
        let (sender, mut receiver) = mailbox::<u32>(1, waker);
        let second = sender.clone();
        let first = loom::thread::spawn(move || sender.push(1));
        let other = loom::thread::spawn(move || second.push_all(&mut vec![2]));
        let mut inbox = VecDeque::new();
        while inbox.len() < 2 {
            if receiver.drain_into(&mut inbox) == 0 {
                sleeper.sleep(None);
            }
        }
        inbox.make_contiguous().sort_unstable();
        assert_eq!(inbox, [1, 2]);
        first.join().unwrap();
        other.join().unwrap();
    });
}

/// The shell's pattern: take, look, sleep.
#[test]
fn take_before_the_look_loses_nothing() {
    loom::model(|| {
        let (mut sleeper, waker) = waker::for_thread();
        let (sender, mut receiver) = mailbox::<u32>(1, waker.clone());
        let thread = loom::thread::spawn(move || {
            sender.push(1);
            sender.push(2);
        });
        let mut inbox = VecDeque::new();
        while inbox.len() < 2 {
            while waker.take() {
                receiver.drain_into(&mut inbox);
            }
            if inbox.len() < 2 && sleeper.sleep(None) {
                receiver.drain_into(&mut inbox);
            }
        }
        assert_eq!(inbox, [1, 2]);
        thread.join().unwrap();
    });
}
