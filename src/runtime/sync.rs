//! What the mailbox and the waker need of threads. tests/mailbox_loom.rs puts loom's in this place.

use std::time::Duration;

pub(crate) use std::sync::atomic::{AtomicU32, AtomicUsize};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
pub(crate) use std::thread::{Thread, current};

/// Blocks the calling thread until its `Thread` is unparked, for at most `wait`; may end early.
pub(crate) fn park(wait: Option<Duration>) {
    match wait {
        None => std::thread::park(),
        Some(wait) => std::thread::park_timeout(wait),
    }
}
