//! What the control role notes in a turn.

use std::sync::Arc;

use super::audited::Audited;
use super::queue::{AuditSender, ToAudit};
use super::record::{End, Event, Record};
use crate::codec::txn::Txn;
use crate::tree::Outcome;
use crate::types::{SessionId, WallMillis};

/// The control role's: records of a turn, which leave together. Nothing is noted without a log.
#[derive(Default)]
pub struct AuditBatch {
    queue: Option<AuditSender>,
    records: Vec<ToAudit>,
}

impl AuditBatch {
    /// `None`: there is no audit log.
    pub fn new(queue: Option<AuditSender>) -> AuditBatch {
        AuditBatch { queue, records: Vec::new() }
    }

    fn note(&mut self, record: Record) {
        if let Some(queue) = &self.queue
            && queue.admits(&record)
        {
            self.records.push(ToAudit::Record(record));
        }
    }

    /// A request has ended.
    pub fn ended(&mut self, audited: Option<Box<Audited>>, at: WallMillis, outcome: &Outcome) {
        if let Some(audited) = audited
            && let Some(record) = audited.end(at, End::Applied(outcome.clone()))
        {
            self.note(record);
        }
    }

    /// A request became no transaction.
    pub fn refused(&mut self, audited: Option<Box<Audited>>, at: WallMillis) {
        if let Some(record) = audited.and_then(|audited| audited.end(at, End::Refused)) {
            self.note(record);
        }
    }

    /// Where the paths are to be collected that a transaction removes; `None` where nobody asks.
    pub fn removed_by(&self, txn: &Txn) -> Option<Vec<Arc<str>>> {
        let ends_session = matches!(txn, Txn::CloseSession { .. });
        (ends_session && self.queue.is_some()).then(Vec::new)
    }

    /// A session has ended, and these ephemerals with it.
    pub fn session_ended(
        &mut self,
        session: SessionId,
        removed: Option<Vec<Arc<str>>>,
        at: WallMillis,
    ) {
        if let Some(paths) = removed.filter(|paths| !paths.is_empty()) {
            self.note(Record { at: Some(at), event: Event::SessionEnded { session, paths } });
        }
    }

    /// The server itself has removed a node, or has found it gone.
    pub fn reaped(&mut self, path: &str, outcome: &Outcome, at: WallMillis) {
        if self.queue.is_some() && *outcome == Outcome::Deleted {
            self.note(Record { at: Some(at), event: Event::Reaped { path: path.to_owned() } });
        }
    }

    /// The turn is over: its records leave.
    pub fn flush(&mut self) {
        if let Some(queue) = &self.queue {
            queue.push_admitted(&mut self.records);
        }
    }
}
