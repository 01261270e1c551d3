//! The answer to a write, from what applying it gave.

use super::{MultiFrame, data, empty, error, path, path_stat, stat};
use crate::tree::Outcome;
use crate::types::{ErrorCode, Xid, Zxid};

/// Appends the reply to any write (FinalRequestProcessor.processRequest).
///
/// A session's creation is answered with a connect response instead; here it is an empty reply.
pub fn outcome(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, outcome: &Outcome) {
    match outcome {
        Outcome::Created { path: created, stat: None } => path(out, xid, zxid, created),
        Outcome::Created { path: created, stat: Some(stat) } => {
            path_stat(out, xid, zxid, created, stat);
        }
        Outcome::DataSet(set) | Outcome::AclSet(set) => stat(out, xid, zxid, set),
        Outcome::Reconfigured { data: config, stat } => {
            data(out, xid, zxid, config.as_deref(), stat);
        }
        Outcome::Failed(code) => error(out, xid, zxid, *code),
        Outcome::Multi(steps) => multi(out, xid, zxid, steps),
        Outcome::Deleted
        | Outcome::Checked
        | Outcome::SessionCreated { .. }
        | Outcome::SessionClosed => empty(out, xid, zxid),
    }
}

fn multi(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, steps: &[Outcome]) {
    let mut frame = MultiFrame::begin(out, xid, zxid);
    for step in steps {
        match step {
            Outcome::Created { path, stat: None } => frame.path(path),
            Outcome::Created { path, stat: Some(stat) } => frame.path_stat(path, stat),
            Outcome::Deleted => frame.deleted(),
            Outcome::DataSet(stat) => frame.data_set(stat),
            Outcome::Checked => frame.checked(),
            Outcome::Failed(code) => frame.failed(*code),
            // No decoder lets these into a multi; a client must not hang should one get there.
            Outcome::AclSet(_)
            | Outcome::SessionCreated { .. }
            | Outcome::SessionClosed
            | Outcome::Reconfigured { .. }
            | Outcome::Multi(_) => frame.failed(ErrorCode::SystemError),
        }
    }
    frame.finish();
}
