//! The audit log (org.apache.zookeeper.audit): who has changed what, and what was refused, as lines that
//! whatever reads ZooKeeper's can read.
//!
//! * [`record`]: what a role notes of a request, and what has become of it
//! * [`audited`]: a request on its way; [`batch`]: what the control role notes in a turn
//! * [`queue`]: the bounded way from the roles to the thread that writes
//! * [`line`]: a record → its lines

mod audited;
mod batch;
mod line;
mod queue;
mod record;

pub use audited::Audited;
pub use batch::AuditBatch;
pub use line::{day_of, write_lines, write_lost};
pub use queue::{AuditReceiver, AuditSender, ToAudit, audit_queue};
pub use record::{Asked, End, Event, Record, Requester, Step};

#[cfg(test)]
mod tests;
