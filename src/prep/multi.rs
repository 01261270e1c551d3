//! Several operations as one (MultiOperationRecord, PrepRequestProcessor.pRequestHelper).
//!
//! Each step sees what the steps before it did. The first that fails ends it: its place holds its
//! error, the places after it RuntimeInconsistency, and nothing of the multi takes effect.

use crate::codec::request::{CreateCall, CreateOp, MultiOp};
use crate::codec::txn::{Op, SubTxn, Txn};
use crate::types::{CreateMode, ErrorCode};

use super::line::{Prep, Turn};

impl Prep {
    /// The multi transaction, failed or not; MarshallingError where Java cannot make sense of the
    /// request and fails it as a whole.
    pub(super) fn multi(&mut self, turn: &Turn<'_>, ops: &[MultiOp]) -> Result<Txn, ErrorCode> {
        if ops.iter().any(is_nonsense) {
            return Err(ErrorCode::MarshallingError);
        }
        let mut subs = Vec::with_capacity(ops.len());
        let mut failed = false;
        for op in ops {
            if failed {
                subs.push(SubTxn::Error(ErrorCode::RuntimeInconsistency));
                continue;
            }
            match self.step(turn, op) {
                Ok(op) => subs.push(SubTxn::Op(op)),
                // An exception that is no answer of its own ends the whole request in Java.
                Err(ErrorCode::MarshallingError) => return Err(ErrorCode::MarshallingError),
                Err(code) => {
                    subs.push(SubTxn::Error(code));
                    failed = true;
                }
            }
        }
        Ok(Txn::Multi(subs))
    }

    fn step(&mut self, turn: &Turn<'_>, op: &MultiOp) -> Result<Op, ErrorCode> {
        match op {
            MultiOp::Create(create) => match as_java_reads(create) {
                Some(other) => self.create(turn, &other),
                None => self.create(turn, create),
            },
            MultiOp::Delete { path, version } => self.delete(turn, path.as_deref(), *version),
            MultiOp::SetData { path, data, version } => {
                self.set_data(turn, path.as_deref(), data, *version)
            }
            MultiOp::Check { path, version } => self.check(turn, path.as_deref(), *version),
        }
    }
}

/// Steps that Java's decoder or its search for earlier changes trips over.
fn is_nonsense(op: &MultiOp) -> bool {
    let path = match op {
        MultiOp::Create(create) => {
            let mode = CreateMode::from_flags(create.flags);
            let undecodable = match create.call {
                CreateCall::Ttl => false,
                CreateCall::Create | CreateCall::Create2 | CreateCall::Container => {
                    create.acl.is_none() || mode.is_none_or(CreateMode::is_ttl)
                }
            };
            if undecodable {
                return true;
            }
            &create.path
        }
        MultiOp::Delete { path, .. }
        | MultiOp::SetData { path, .. }
        | MultiOp::Check { path, .. } => path,
    };
    path.is_none()
}

/// Inside a multi Java goes by the flag first (Op.create): a container flag makes a container
/// whichever opcode it came with, and a createTTL without a TTL flag is an ordinary create.
fn as_java_reads(create: &CreateOp) -> Option<CreateOp> {
    let mode = CreateMode::from_flags(create.flags);
    let call = match (create.call, mode) {
        (_, Some(CreateMode::Container)) => CreateCall::Container,
        (CreateCall::Ttl, mode) if !mode.is_some_and(CreateMode::is_ttl) => CreateCall::Create,
        (call, _) => call,
    };
    (call != create.call).then(|| CreateOp { call, ttl: -1, ..create.clone() })
}
