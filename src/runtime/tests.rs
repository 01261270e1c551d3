//! Mailboxes and wakers on real threads. Apart from them, because tests/mailbox_loom.rs compiles
//! those two files against loom's threads.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use super::mailbox::mailbox;
use super::waker::{self, for_ring, for_thread};

#[test]
fn messages_arrive_in_the_order_of_each_sender() {
    const SENDERS: u64 = 4;
    const EACH: u64 = 20_000;
    let (mut sleeper, waker) = waker::for_thread();
    let (sender, mut receiver) = mailbox::<(u64, u64)>(1024, waker);
    let threads: Vec<_> = (0..SENDERS)
        .map(|who| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut batch = Vec::new();
                for n in 0..EACH {
                    batch.push((who, n));
                    if n % 7 == who {
                        sender.push_all(&mut batch);
                    }
                }
                sender.push_all(&mut batch);
            })
        })
        .collect();
    let mut next = [0; SENDERS as usize];
    let mut inbox = VecDeque::new();
    while next.iter().sum::<u64>() < SENDERS * EACH {
        if receiver.drain_into(&mut inbox) == 0 {
            // A lost wake-up shows as this minute.
            assert!(sleeper.sleep(Some(Duration::from_secs(60))) || !receiver.is_empty());
        }
        for (who, n) in inbox.drain(..) {
            assert_eq!(n, next[who as usize]);
            next[who as usize] += 1;
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(receiver.is_empty());
}

#[test]
fn the_bound_is_advice_and_a_push_always_succeeds() {
    let (_sleeper, waker) = waker::for_thread();
    let (sender, mut receiver) = mailbox(2, waker);
    assert!(sender.has_room());
    sender.push_all(&mut VecDeque::from([1, 2, 3]));
    assert!(!sender.has_room());
    sender.push(4);
    let mut inbox = VecDeque::from([0]);
    assert_eq!(receiver.drain_into(&mut inbox), 4);
    assert_eq!(inbox, [0, 1, 2, 3, 4]);
    assert!(sender.has_room() && receiver.is_empty());
}

#[test]
fn a_wake_up_before_the_sleep_is_not_slept_over() {
    let (mut sleeper, waker) = for_thread();
    waker.wake();
    assert!(sleeper.sleep(None));
    assert!(!sleeper.sleep(Some(Duration::from_millis(1))), "and counts once");
}

#[test]
fn a_sleeping_thread_is_woken_from_another() {
    let (mut sleeper, waker) = for_thread();
    let other = std::thread::spawn(move || waker.wake());
    assert!(sleeper.sleep(Some(Duration::from_secs(60))));
    other.join().unwrap();
}

#[test]
fn the_bell_of_a_ring_rings_only_for_a_sleeper() {
    let (sleeper, waker) = for_ring().unwrap();
    let mut bell = File::from(sleeper.bell().try_clone_to_owned().unwrap());
    let mut count = || {
        let mut bytes = [0; 8];
        bell.read_exact(&mut bytes).map_or(0, |()| u64::from_ne_bytes(bytes))
    };
    waker.wake();
    assert_eq!(count(), 0);
    assert!(sleeper.woken());
    assert!(sleeper.fall_asleep());
    waker.wake();
    waker.wake();
    assert_eq!(count(), 1, "one system call for one sleep");
    assert!(sleeper.woken() && !sleeper.woken());
}
