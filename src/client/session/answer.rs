//! A request's end, as it came.

use std::borrow::Cow;

use crate::client::Chroot;
use crate::codec::jute::DecodeError;
use crate::codec::reply::decode::{self, Reply, StepReply};
use crate::types::{ErrorCode, Zxid};

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Of the request.
    pub opcode: i32,
    /// The last transaction that the answer shows; 0 where no server answered.
    pub zxid: Zxid,
    /// KeeperException.Code, ConnectionLoss, SessionExpired and AuthFailed of this client included.
    pub error: i32,
    /// The reply's record, of a success alone.
    pub body: Vec<u8>,
}

impl Answer {
    /// No server answered.
    pub(super) fn failed(opcode: i32, error: ErrorCode) -> Answer {
        Answer { opcode, zxid: Zxid::ZERO, error: error.code(), body: Vec::new() }
    }

    /// Whether the server carried it out.
    pub fn is_ok(&self) -> bool {
        self.error == ErrorCode::Ok.code()
    }

    /// The record of a success, paths as the client knows them.
    pub fn reply(&self, chroot: &Chroot) -> Result<Reply<'_>, DecodeError> {
        let cut = |path: Cow<'_, str>| chroot.to_client(&path).to_owned().into();
        Ok(match decode::body(self.opcode, &self.body)? {
            Reply::Path(path) => Reply::Path(path.map(cut)),
            Reply::PathStat(path, stat) => Reply::PathStat(path.map(cut), stat),
            Reply::Multi(steps) => {
                let step = |step| match step {
                    StepReply::Created(path, stat) => StepReply::Created(cut(path), stat),
                    other => other,
                };
                Reply::Multi(steps.into_iter().map(step).collect())
            }
            other => other,
        })
    }
}
