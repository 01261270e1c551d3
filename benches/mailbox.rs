//! What a hop between two roles costs: on one thread, and on two, asleep or awake.

#![allow(clippy::expect_used)] // A bench that cannot run says why by panicking.

use std::collections::VecDeque;
use std::hint;
use std::thread;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringkeeper::runtime::{ThreadSleeper, mailbox, waker};

/// About what a request between a network core and the control core carries.
type Message = [u64; 8];

fn same_thread(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mailbox, same thread");
    for batch in [1usize, 16, 256] {
        let (_sleeper, waker) = waker::for_thread();
        let (sender, mut receiver) = mailbox::<Message>(65_536, waker.clone());
        let mut outbox = Vec::new();
        let mut inbox = VecDeque::new();
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(format!("batches of {batch}"), |bencher| {
            bencher.iter(|| {
                outbox.extend((0..batch).map(|n| [n as u64; 8]));
                sender.push_all(&mut outbox);
                if waker.take() {
                    receiver.drain_into(&mut inbox);
                }
                for message in inbox.drain(..) {
                    hint::black_box(message);
                }
            });
        });
    }
    group.finish();
}

/// There and back: two hops, each to a thread that waits for it.
fn cross_thread(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mailbox, two threads, there and back");
    for (name, spin) in [("asleep", false), ("spinning", true)] {
        let (mut here, wake_here) = waker::for_thread();
        let (mut there, wake_there) = waker::for_thread();
        let (back, mut returned) = mailbox::<Message>(65_536, wake_here);
        let (out, mut arrived) = mailbox::<Message>(65_536, wake_there);
        let far = thread::spawn(move || {
            let mut inbox = VecDeque::new();
            loop {
                while arrived.drain_into(&mut inbox) == 0 {
                    rest(spin, &mut there);
                }
                for message in inbox.drain(..) {
                    if message[0] == u64::MAX {
                        return;
                    }
                    back.push(message);
                }
            }
        });
        let mut inbox = VecDeque::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.push([1; 8]);
                while returned.drain_into(&mut inbox) == 0 {
                    rest(spin, &mut here);
                }
                inbox.clear();
            });
        });
        out.push([u64::MAX; 8]);
        drop(far.join());
    }
    group.finish();
}

fn rest(spin: bool, sleeper: &mut ThreadSleeper) {
    match spin {
        true => hint::spin_loop(),
        false => _ = sleeper.sleep(None),
    }
}

criterion_group!(benches, same_thread, cross_thread);
criterion_main!(benches);
