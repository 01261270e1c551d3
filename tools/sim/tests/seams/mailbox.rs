//! A mailbox between two roles: on threads that park, on threads that sleep in a ring, and where
//! nobody sleeps and whoever has mail is given a turn, as in the simulator.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use ringkeeper::net::{Net, NetSettings};
use ringkeeper::runtime::waker::{self, Waker};
use ringkeeper::runtime::{Receiver, Sender, mailbox};

type Job = Box<dyn FnOnce() + Send>;

/// A receiver under test.
trait Side {
    /// A mailbox whose receiver takes no turn before it is asked to.
    fn new(bound: usize) -> (Sender<u32>, Self);
    /// Senders do their part, all at once where there are threads.
    fn send(&mut self, jobs: Vec<Job>);
    /// Gives the receiver turns until it has got so many messages more.
    fn receive(&mut self, count: usize) -> Vec<u32>;
}

/// How a thread sleeps until it is woken.
trait Sleeper {
    fn sleep(&mut self);
}

/// On the thread that sleeps.
type MakeSleeper = Box<dyn FnOnce() -> Box<dyn Sleeper> + Send>;

/// A receiver on a thread of its own, which looks and sleeps as shells do.
struct Threaded {
    /// Until the first turn.
    idle: Option<(Receiver<u32>, MakeSleeper)>,
    waker: Waker,
    stop: Arc<AtomicBool>,
    got: Option<mpsc::Receiver<VecDeque<u32>>>,
    thread: Option<JoinHandle<()>>,
    early: VecDeque<u32>,
    senders: Vec<JoinHandle<()>>,
}

impl Threaded {
    fn of(
        bound: usize,
        waker: Waker,
        sleeper: impl FnOnce() -> Box<dyn Sleeper> + Send + 'static,
    ) -> (Sender<u32>, Threaded) {
        let (sender, receiver) = mailbox(bound, waker.clone());
        let threaded = Threaded {
            idle: Some((receiver, Box::new(sleeper))),
            waker,
            stop: Arc::default(),
            got: None,
            thread: None,
            early: VecDeque::new(),
            senders: Vec::new(),
        };
        (sender, threaded)
    }

    fn start(&mut self) {
        let Some((mut receiver, sleeper)) = self.idle.take() else { return };
        let (to_test, got) = mpsc::channel();
        let (waker, stop) = (self.waker.clone(), self.stop.clone());
        self.got = Some(got);
        self.thread = Some(std::thread::spawn(move || {
            let mut sleeper = sleeper();
            while !stop.load(Ordering::SeqCst) {
                // Take first, look after.
                waker.take();
                let mut mail = VecDeque::new();
                if receiver.drain_into(&mut mail) > 0 {
                    let _ = to_test.send(mail);
                } else {
                    sleeper.sleep();
                }
            }
        }));
    }

    fn received(&mut self, count: usize) -> Vec<u32> {
        self.start();
        let got = self.got.as_ref().unwrap();
        while self.early.len() < count {
            let mail = got.recv_timeout(Duration::from_secs(20));
            let mail = mail.unwrap_or_else(|_| {
                panic!("{} of {count} messages came: a wake-up is lost", self.early.len())
            });
            self.early.extend(mail);
        }
        self.early.drain(..count).collect()
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.waker.wake();
        for thread in self.senders.drain(..).chain(self.thread.take()) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

struct Parked(Threaded);
struct InARing(Threaded);

impl Sleeper for waker::ThreadSleeper {
    fn sleep(&mut self) {
        waker::ThreadSleeper::sleep(self, None);
    }
}

impl Sleeper for Net {
    fn sleep(&mut self) {
        self.turn(None, &mut Vec::new()).unwrap();
    }
}

fn threads(jobs: Vec<Job>) -> Vec<JoinHandle<()>> {
    jobs.into_iter().map(std::thread::spawn).collect()
}

impl Side for Parked {
    fn new(bound: usize) -> (Sender<u32>, Parked) {
        let (sleeper, waker) = waker::for_thread();
        let (sender, threaded) =
            Threaded::of(bound, waker, move || Box::new(sleeper) as Box<dyn Sleeper>);
        (sender, Parked(threaded))
    }
    fn send(&mut self, jobs: Vec<Job>) {
        self.0.senders.extend(threads(jobs));
    }
    fn receive(&mut self, count: usize) -> Vec<u32> {
        self.0.received(count)
    }
}

impl Side for InARing {
    fn new(bound: usize) -> (Sender<u32>, InARing) {
        let (sleeper, waker) = waker::for_ring().unwrap();
        let small = NetSettings { ring_entries: 8, receive_buffers: 8, ..NetSettings::default() };
        let net = move || Box::new(Net::with_sleeper(small, sleeper).unwrap()) as Box<dyn Sleeper>;
        let (sender, threaded) = Threaded::of(bound, waker, net);
        (sender, InARing(threaded))
    }
    fn send(&mut self, jobs: Vec<Job>) {
        self.0.senders.extend(threads(jobs));
    }
    fn receive(&mut self, count: usize) -> Vec<u32> {
        self.0.received(count)
    }
}

/// Whoever would sleep is gone, as in [`ringkeeper_sim::server`]; a turn comes of mail alone.
struct GivenTurns(Receiver<u32>);

impl Side for GivenTurns {
    fn new(bound: usize) -> (Sender<u32>, GivenTurns) {
        let (_, waker) = waker::for_thread();
        let (sender, receiver) = mailbox(bound, waker);
        (sender, GivenTurns(receiver))
    }
    fn send(&mut self, jobs: Vec<Job>) {
        jobs.into_iter().for_each(|job| job());
    }
    fn receive(&mut self, count: usize) -> Vec<u32> {
        let mut mail = VecDeque::new();
        while mail.len() < count {
            assert!(!self.0.is_empty(), "{} of {count} came: no turn is given", mail.len());
            self.0.drain_into(&mut mail);
        }
        mail.into()
    }
}

fn each_message_comes_once_in_its_senders_order<S: Side>() {
    const EACH: u32 = 3000;
    let (sender, mut side) = S::new(10);
    let jobs = (0..3).map(|who: u32| {
        let sender = sender.clone();
        let job = move || {
            let mut numbers = (0..EACH).map(|n| who * EACH + n).peekable();
            while numbers.peek().is_some() {
                sender.push_all(&mut numbers.by_ref().take(7).collect::<Vec<_>>());
                numbers.by_ref().take(3).for_each(|number| sender.push(number));
                sender.push_all(&mut numbers.by_ref().take(5).collect::<VecDeque<_>>());
                sender.push_all(&mut Vec::new());
            }
        };
        Box::new(job) as Job
    });
    side.send(jobs.collect());
    let got = side.receive(3 * EACH as usize);
    for who in 0..3 {
        let mine: Vec<u32> = got.iter().copied().filter(|n| n / EACH == who).collect();
        assert!(mine.iter().copied().eq(who * EACH..(who + 1) * EACH), "sender {who}");
    }
}

fn a_full_one_says_so_and_takes_everything<S: Side>() {
    let (sender, mut side) = S::new(4);
    for number in 0..4 {
        assert!(sender.has_room(), "{number} of 4");
        sender.push(number);
    }
    assert!(!sender.has_room());
    // What a turn of the sender has begun goes through: no role waits for another.
    sender.push(4);
    sender.push_all(&mut vec![5, 6]);
    assert_eq!((sender.len(), sender.has_room()), (7, false));
    assert_eq!(side.receive(7), [0, 1, 2, 3, 4, 5, 6]);
    assert!(sender.has_room() && sender.is_empty());
}

fn whoever_sleeps_is_woken<S: Side>() {
    let (sender, mut side) = S::new(1);
    for number in 0..2000 {
        sender.push(number);
        assert_eq!(side.receive(1), [number]);
    }
}

fn an_end_takes_nothing_away<S: Side>() {
    // Of the senders: what they have said still comes.
    let (sender, mut side) = S::new(4);
    let other = sender.clone();
    sender.push(1);
    drop(sender);
    other.push_all(&mut vec![2, 3]);
    drop(other);
    assert_eq!(side.receive(3), [1, 2, 3]);
    // Of the receiver: whoever speaks to it is stopped by nothing.
    let (sender, side) = S::new(4);
    drop(side);
    (0..10).for_each(|number| sender.push(number));
    sender.push_all(&mut vec![10]);
    assert!(!sender.has_room(), "and can see that nobody reads");
}

macro_rules! all {
    ($side:ident, $module:ident) => {
        promises!(
            $side,
            $module,
            each_message_comes_once_in_its_senders_order,
            a_full_one_says_so_and_takes_everything,
            whoever_sleeps_is_woken,
            an_end_takes_nothing_away,
        );
    };
}

all!(Parked, of_threads_that_park);
all!(InARing, of_threads_that_sleep_in_a_ring);
all!(GivenTurns, of_the_simulator);
