//! The answer to multi and multiRead: one result a step (MultiResponse).

use super::{Frame, begin, put_strings};
use crate::codec::jute::{put_bool, put_i32, put_opt_buffer, put_str};
use crate::codec::record::put_stat;
use crate::codec::request::opcode;
use crate::types::{ErrorCode, Stat, Xid, Zxid};

/// An open multi response: one call a step, then [`MultiFrame::finish`]. The header says Ok even
/// when steps have failed.
#[derive(Debug)]
#[must_use = "a frame that is not finished has no length"]
pub struct MultiFrame<'a> {
    frame: Frame<'a>,
}

impl<'a> MultiFrame<'a> {
    /// The header is written when it is known how it ends.
    pub fn begin(out: &'a mut Vec<u8>, xid: Xid, zxid: Zxid) -> MultiFrame<'a> {
        MultiFrame::begin_with(out, xid, zxid, ErrorCode::Ok)
    }

    pub(super) fn begin_with(
        out: &'a mut Vec<u8>,
        xid: Xid,
        zxid: Zxid,
        error: ErrorCode,
    ) -> MultiFrame<'a> {
        MultiFrame { frame: begin(out, xid, zxid, error) }
    }

    fn header(&mut self, opcode: i32, done: bool, error: i32) -> &mut Vec<u8> {
        let out = self.frame.body();
        put_i32(out, opcode);
        put_bool(out, done);
        put_i32(out, error);
        out
    }

    /// create.
    pub fn path(&mut self, path: &str) {
        put_str(self.header(opcode::CREATE, false, 0), path);
    }

    /// create2, createContainer and createTTL all answer as create2.
    pub fn path_stat(&mut self, path: &str, stat: &Stat) {
        let out = self.header(opcode::CREATE2, false, 0);
        put_str(out, path);
        put_stat(out, stat);
    }

    /// A step's result.
    pub fn deleted(&mut self) {
        self.header(opcode::DELETE, false, 0);
    }

    /// A step's result.
    pub fn data_set(&mut self, stat: &Stat) {
        put_stat(self.header(opcode::SET_DATA, false, 0), stat);
    }

    /// A step's result.
    pub fn checked(&mut self) {
        self.header(opcode::CHECK, false, 0);
    }

    /// A step of a failed multi: Ok before the culprit, RuntimeInconsistency after it. Or a step of
    /// a multiRead that failed on its own.
    pub fn failed(&mut self, error: ErrorCode) {
        self.failed_with(error.code());
    }

    /// As [`MultiFrame::failed`], with any number.
    pub fn failed_with(&mut self, error: i32) {
        put_i32(self.header(opcode::ERROR, false, error), error);
    }

    /// getData in a multiRead.
    pub fn data(&mut self, data: Option<&[u8]>, stat: &Stat) {
        let out = self.header(opcode::GET_DATA, false, 0);
        put_opt_buffer(out, data);
        put_stat(out, stat);
    }

    /// getChildren in a multiRead.
    pub fn children<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        put_strings(self.header(opcode::GET_CHILDREN, false, 0), names);
    }

    /// No step follows.
    pub fn finish(mut self) {
        self.header(opcode::ERROR, true, -1);
        self.frame.finish();
    }
}
