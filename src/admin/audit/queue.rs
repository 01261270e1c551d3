//! From the roles to the thread that writes: a mailbox with a bound in bytes.
//!
//! What finds no room is lost, and counted; the writer says so in the log itself, where it would stand,
//! and in the server's. It is not waited for: a disk that hangs under the audit log would stop every
//! request of this server, and of those that follow it.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc;

use super::record::Record;
use crate::runtime::mailbox::{Receiver, Sender, mailbox};
use crate::runtime::waker::Waker;
use crate::types::limits;

/// To the thread that writes.
pub enum ToAudit {
    /// To be written.
    Record(Record),
    /// Whoever waits is told when all before it is written, or was tried to.
    Flush(mpsc::Sender<()>),
}

/// What both ends count.
#[derive(Default)]
struct Counts {
    /// Bytes of the records in the queue.
    held: AtomicUsize,
    /// Records that found no room, and are not reported yet.
    lost: AtomicU64,
}

/// The roles' end.
#[derive(Clone)]
pub struct AuditSender {
    mailbox: Sender<ToAudit>,
    counts: Arc<Counts>,
}

/// The writer's.
pub struct AuditReceiver {
    /// What has come.
    pub mailbox: Receiver<ToAudit>,
    counts: Arc<Counts>,
}

/// Between the roles and the thread that `waker` wakes.
pub fn audit_queue(waker: Waker) -> (AuditSender, AuditReceiver) {
    // What bounds it are bytes.
    let (sender, mailbox) = mailbox(limits::AUDIT_BYTES, waker);
    let counts: Arc<Counts> = Arc::default();
    let receiver = AuditReceiver { mailbox, counts: counts.clone() };
    (AuditSender { mailbox: sender, counts }, receiver)
}

impl AuditSender {
    /// One record.
    pub fn push(&self, record: Record) {
        if self.admits(&record) {
            self.mailbox.push(ToAudit::Record(record));
        }
    }

    /// Says when all that was pushed before is written.
    pub fn flush(&self) -> mpsc::Receiver<()> {
        let (done, written) = mpsc::channel();
        self.mailbox.push(ToAudit::Flush(done));
        written
    }

    /// Those that were admitted, in one push.
    pub(super) fn push_admitted(&self, records: &mut Vec<ToAudit>) {
        self.mailbox.push_all(records);
    }

    /// A single record is always taken into an empty queue, however long.
    pub(super) fn admits(&self, record: &Record) -> bool {
        let bytes = record.bytes();
        let before = self.counts.held.fetch_add(bytes, SeqCst);
        let fits = before == 0 || before + bytes <= limits::AUDIT_BYTES;
        if !fits {
            self.counts.held.fetch_sub(bytes, SeqCst);
            self.counts.lost.fetch_add(1, SeqCst);
        }
        fits
    }
}

impl AuditReceiver {
    /// A record has left the queue.
    pub fn took(&self, record: &Record) {
        self.counts.held.fetch_sub(record.bytes(), SeqCst);
    }

    /// Records lost since the last call.
    pub fn take_lost(&self) -> u64 {
        self.counts.lost.swap(0, SeqCst)
    }
}
