//! Several operations as one (MultiOperationRecord, PrepRequestProcessor.pRequestHelper).
//!
//! Each step sees what the steps before it did. The first that fails ends it: its place holds its
//! error, the places after it RuntimeInconsistency, and nothing of the multi takes effect.

use crate::codec::request::{CreateOp, MultiOp};
use crate::codec::txn::{Op, SubTxn, Txn};
use crate::types::ErrorCode;

use super::line::{Context, Prep};

impl Prep {
    /// The multi transaction, failed or not; MarshallingError where Java cannot make sense of the
    /// request and fails it as a whole.
    pub(super) fn multi(&mut self, turn: &Context<'_>, ops: &[MultiOp]) -> Result<Txn, ErrorCode> {
        if ops.iter().any(has_no_path) {
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

    fn step(&mut self, turn: &Context<'_>, op: &MultiOp) -> Result<Op, ErrorCode> {
        match op {
            // What Java's decoder makes of flags inside a multi, ours has made of them already.
            MultiOp::Create(create) => self.create(turn, create),
            MultiOp::Delete { path, version } => self.delete(turn, path.as_deref(), *version),
            MultiOp::SetData { path, data, version } => {
                self.set_data(turn, path.as_deref(), data, *version)
            }
            MultiOp::Check { path, version } => self.check(turn, path.as_deref(), *version),
        }
    }
}

/// A step without a path: the decoder lets none through, and neither does Java's.
fn has_no_path(op: &MultiOp) -> bool {
    match op {
        MultiOp::Create(CreateOp { path, .. })
        | MultiOp::Delete { path, .. }
        | MultiOp::SetData { path, .. }
        | MultiOp::Check { path, .. } => path.is_none(),
    }
}
