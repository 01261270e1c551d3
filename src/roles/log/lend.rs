//! The log's work, done by the thread that feeds it.
//!
//! Waking the log thread and being woken by it costs more than a small batch on a quick disk: two
//! system calls, four changes of thread, and on machines with few CPUs the wait for one. Where
//! control shares its thread anyway, that thread writes and flushes such batches itself. The log
//! thread takes over what takes longer: large batches, new segments, and everything as long as the
//! disk is slow, so that nobody's reads wait for it.
//!
//! There is one shell and one order of work, whoever does it; who does is settled by a lock that
//! the caller only tries.

use super::pace::Caller;
use super::shell::Shell;
use crate::roles::jobs::LogInput;
use crate::runtime::{Sender, Waker};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// The caller's end.
pub struct InlineLog {
    shell: Arc<Mutex<Shell>>,
    sent: Sender<LogInput>,
    log_thread: Waker,
}

impl fmt::Debug for InlineLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InlineLog")
    }
}

impl InlineLog {
    pub(super) fn new(
        shell: Arc<Mutex<Shell>>,
        sent: Sender<LogInput>,
        log_thread: Waker,
    ) -> InlineLog {
        InlineLog { shell, sent, log_thread }
    }

    /// How much was sent that nobody has looked at.
    pub fn work_left(&self) -> usize {
        self.sent.len()
    }

    /// Does what was sent, or sees to it that the log thread does.
    pub fn work(&self) {
        let all_done = match self.shell.try_lock() {
            Some(mut shell) => shell.turn(Caller::Borrower),
            // It is at work, and may have looked already.
            None => false,
        };
        if !all_done {
            self.log_thread.wake();
        }
    }
}
