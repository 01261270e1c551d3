//! The answer to a write, from what applying it gave.

use crate::codec::reply::{MultiFrame, data, empty, error, path, path_stat, stat};
use crate::tree::Outcome;
use crate::types::{ErrorCode, Xid, Zxid};

/// Appends the reply to any write (FinalRequestProcessor.processRequest).
///
/// A session's creation is answered with a connect response instead; here it is an empty reply.
pub(super) fn reply(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, outcome: &Outcome) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::reply::decode::{self, Reply, ReplyHeader, StepReply};
    use crate::codec::request::opcode;
    use crate::testing::generate::Gen;

    fn written(outcome: &Outcome) -> (ReplyHeader, Vec<u8>) {
        let mut out = Vec::new();
        reply(&mut out, Xid(7), Zxid(9), outcome);
        let (header, body) = decode::header(&out[4..]).unwrap();
        (header, body.to_vec())
    }

    #[test]
    fn the_outcome_of_every_write_reads_back() {
        let s = Gen::new(6).stat();
        let created = |stat| Outcome::Created { path: "/a".into(), stat };
        let reads = |opcode, given: &Outcome, expected: &Reply<'_>| {
            let (header, body) = written(given);
            assert_eq!(header, ReplyHeader { xid: Xid(7), zxid: Zxid(9), error: 0 });
            assert_eq!(decode::body(opcode, &body).as_ref(), Ok(expected));
        };
        reads(opcode::CREATE, &created(None), &Reply::Path(Some("/a".into())));
        reads(opcode::CREATE2, &created(Some(s)), &Reply::PathStat(Some("/a".into()), s));
        reads(opcode::DELETE, &Outcome::Deleted, &Reply::Empty);
        reads(opcode::SET_DATA, &Outcome::DataSet(s), &Reply::Stat(s));
        reads(opcode::SET_ACL, &Outcome::AclSet(s), &Reply::Stat(s));
        reads(opcode::CLOSE_SESSION, &Outcome::SessionClosed, &Reply::Empty);
        let config = Outcome::Reconfigured { data: Some("c".into()), stat: s };
        reads(opcode::RECONFIG, &config, &Reply::Data(Some(b"c"), s));
        let steps = vec![
            created(None),
            created(Some(s)),
            Outcome::Deleted,
            Outcome::DataSet(s),
            Outcome::Checked,
            Outcome::Failed(ErrorCode::NotEmpty),
        ];
        let results = vec![
            StepReply::Created("/a".into(), None),
            StepReply::Created("/a".into(), Some(s)),
            StepReply::Deleted,
            StepReply::DataSet(s),
            StepReply::Checked,
            StepReply::Failed(-111),
        ];
        reads(opcode::MULTI, &Outcome::Multi(steps), &Reply::Multi(results));
        let (header, body) = written(&Outcome::Failed(ErrorCode::NoNode));
        assert_eq!((header.error, body), (-101, vec![]));
    }
}
