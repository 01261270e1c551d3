//! A request on its way, of which the log is told whatever becomes of it.

use super::queue::AuditSender;
use super::record::{Asked, End, Event, Record, Requester};
use crate::codec::request::WriteOp;
use crate::types::WallMillis;

/// A request whose end is awaited. Whatever becomes of it, the log is told: one that is dropped, as with
/// the role that had it, ends as [`End::Unknown`].
pub struct Audited {
    /// Gone once the end is known.
    of: Option<(Requester, Asked)>,
    queue: AuditSender,
}

impl Audited {
    /// It is on its way.
    pub fn new(queue: &AuditSender, requester: Requester, op: &WriteOp) -> Box<Audited> {
        Box::new(Audited { of: Some((requester, Asked::of(op))), queue: queue.clone() })
    }

    /// What the log is to be told.
    pub fn end(mut self, at: WallMillis, end: End) -> Option<Record> {
        let (requester, asked) = self.of.take()?;
        Some(Record { at: Some(at), event: Event::Request { requester, asked, end } })
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        if let Some((requester, asked)) = self.of.take() {
            self.queue.push(Record::now(Event::Request { requester, asked, end: End::Unknown }));
        }
    }
}

impl std::fmt::Debug for Audited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audited").field("of", &self.of).finish_non_exhaustive()
    }
}
