//! Waking a thread that may sleep, without a system call when it does not.
//!
//! ```text
//!            wake()                     sleep begins
//!   Awake ───────────► Notified      Awake ──────────► Asleep
//!     ▲                   │                              │ wake(): the one that moves
//!     └───── take() ──────┘◄─────────────────────────────┘ it makes the system call
//! ```
//!
//! The state remembers a wake-up that arrives while the thread runs: the next sleep returns at
//! once. So a message put into a mailbox between the last look and the sleep is never slept over,
//! and a thread that sends to itself costs one atomic operation. The pattern of a shell:
//!
//! ```text
//! loop {
//!     while waker.take() { drain the mailboxes, run the roles }   // take first, look after
//!     net.turn(wait, ..)                                          // sleeps only when still Awake
//! }
//! ```
//!
//! Everything here is SeqCst; the argument is in [`Shared::wake`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::eventfd::EventFd;
use super::sync::{Arc, AtomicU32, Mutex, Thread, current, park};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const NOTIFIED: u32 = 2;

/// Wakes one thread. Cheap to clone; held by the mailboxes of that thread.
#[derive(Clone)]
pub struct Waker {
    shared: Arc<Shared>,
}

struct Shared {
    state: AtomicU32,
    bell: Bell,
}

enum Bell {
    /// A thread that sleeps in a ring: the eventfd is polled there.
    Ring(Arc<EventFd>),
    /// A thread that parks. It says which it is before its first sleep.
    Thread(Mutex<Option<Thread>>),
}

impl Shared {
    /// The message is in its queue before this swap, and the receiver swaps the state before it
    /// looks into the queue. Whichever swap comes first in the one order of the state, either the
    /// receiver's look follows the message, or the receiver's next sleep meets `Notified`.
    fn wake(&self) {
        // A thread that has been told and has not looked yet need not be told again.
        if self.state.load(SeqCst) == NOTIFIED || self.state.swap(NOTIFIED, SeqCst) != ASLEEP {
            return;
        }
        match &self.bell {
            Bell::Ring(eventfd) => eventfd.ring(),
            Bell::Thread(sleeper) => {
                let sleeper = sleeper.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                if let Some(thread) = &*sleeper {
                    thread.unpark();
                }
            }
        }
    }

    fn take(&self) -> bool {
        self.state.swap(AWAKE, SeqCst) == NOTIFIED
    }

    /// True when the thread may block; false when it was told meanwhile.
    fn fall_asleep(&self) -> bool {
        self.state.compare_exchange(AWAKE, ASLEEP, SeqCst, SeqCst).is_ok()
    }
}

impl Waker {
    /// Makes the thread's present or next sleep end. From any thread, its own included.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Was there a wake-up since the last call? Only the woken thread may ask, and looks into its
    /// mailboxes after asking.
    pub fn take(&self) -> bool {
        self.shared.take()
    }
}

/// A waker for a thread that sleeps in [`crate::net::Net::turn`], and its counterpart, which goes
/// to that thread.
pub fn for_ring() -> io::Result<(RingSleeper, Waker)> {
    let bell = Arc::new(EventFd::new()?);
    let shared = Arc::new(Shared { state: AtomicU32::new(AWAKE), bell: Bell::Ring(bell.clone()) });
    Ok((RingSleeper { shared: shared.clone(), bell }, Waker { shared }))
}

/// A waker for a thread that sleeps in [`ThreadSleeper::sleep`], and its counterpart, which goes
/// to that thread.
pub fn for_thread() -> (ThreadSleeper, Waker) {
    let shared =
        Arc::new(Shared { state: AtomicU32::new(AWAKE), bell: Bell::Thread(Mutex::new(None)) });
    (ThreadSleeper { shared: shared.clone(), known: false }, Waker { shared })
}

/// The sleeping side of a ring thread.
pub struct RingSleeper {
    shared: Arc<Shared>,
    bell: Arc<EventFd>,
}

impl RingSleeper {
    /// Another handle of what ends this sleep.
    pub fn waker(&self) -> Waker {
        Waker { shared: self.shared.clone() }
    }

    /// True when the thread may block now. [`Self::woken`] must follow the blocking.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.shared.fall_asleep()
    }

    /// Ends a sleep; says whether somebody called.
    pub(crate) fn woken(&self) -> bool {
        self.shared.take()
    }

    /// A wake-up is waiting: one load, for spinning.
    pub(crate) fn is_notified(&self) -> bool {
        self.shared.state.load(SeqCst) == NOTIFIED
    }

    /// What the ring polls.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// The sleeping side of a thread without a ring.
pub struct ThreadSleeper {
    shared: Arc<Shared>,
    known: bool,
}

impl ThreadSleeper {
    /// Another handle of what ends this sleep.
    pub fn waker(&self) -> Waker {
        Waker { shared: self.shared.clone() }
    }

    /// Blocks the calling thread until woken, or for at most `wait` (`None`: however long).
    /// Returns at once when a wake-up came since the last sleep or [`Waker::take`]; says whether
    /// one came.
    pub fn sleep(&mut self, wait: Option<Duration>) -> bool {
        if !self.known {
            let Bell::Thread(sleeper) = &self.shared.bell else { return self.shared.take() };
            *sleeper.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(current());
            self.known = true;
        }
        if self.shared.fall_asleep() {
            // A stray unpark ends this early; the caller's loop comes back.
            park(wait);
        }
        self.shared.take()
    }
}
