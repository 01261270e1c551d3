//! What the server answers: frames appended to a connection's output, without allocating.
//!
//! A reply is the header (xid, zxid, error) and, on success, a record. [`begin`] opens the frame,
//! the `put_` functions fill it, [`Frame::finish`] writes its length; the functions below do all
//! three for the usual replies. [`decode`] is the other direction, for the load driver and tests.

pub mod decode;
mod multi;

use super::jute::{
    open_len, patch_i32, patch_len, put_bool, put_i32, put_i64, put_len, put_opt_buffer,
    put_opt_str, put_str,
};
use super::record::{put_acl, put_stat};
use crate::types::{Acl, ErrorCode, EventKind, SessionId, Stat, Xid, Zxid};

pub use multi::MultiFrame;

/// The answer to a connection's first frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/client-protocol.md")]
pub struct ConnectResponse {
    /// Milliseconds granted; 0 refuses the session.
    pub timeout: i32,
    pub session: SessionId,
    pub password: [u8; 16],
    /// Written only when the request had the byte, too.
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// "Your session is gone": timeout, session and password all zero.
    pub fn rejected(read_only: Option<bool>) -> ConnectResponse {
        ConnectResponse { timeout: 0, session: SessionId(0), password: [0; 16], read_only }
    }
}

/// The zxid in the header of replies that tell none: auth, SASL, refusals before the pipeline.
pub const NO_ZXID: Zxid = Zxid(0);

/// The zxid in the header of the refusal of an unknown opcode, and of catch-up events.
pub const UNKNOWN_ZXID: Zxid = Zxid(-1);

/// Largest frame an i32 length can tell.
const FRAME_MAX: usize = i32::MAX as usize;

/// Bytes from a frame's length field to its record.
const HEADER_BYTES: usize = 16;

/// An open reply frame.
#[derive(Debug)]
#[must_use = "a frame that is not finished has no length"]
pub struct Frame<'a> {
    out: &'a mut Vec<u8>,
    opened: usize,
}

/// Opens a reply frame at the end of `out`.
pub fn begin(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, error: ErrorCode) -> Frame<'_> {
    let opened = open_len(out);
    let mut b = [0; HEADER_BYTES];
    b[0..4].copy_from_slice(&xid.0.to_be_bytes());
    b[4..12].copy_from_slice(&zxid.0.to_be_bytes());
    b[12..16].copy_from_slice(&error.code().to_be_bytes());
    out.extend_from_slice(&b);
    Frame { out, opened }
}

impl Frame<'_> {
    /// Where the record is written.
    pub fn body(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Writes the frame's length. A reply too large for any length (2 GiB) becomes a
    /// MarshallingError, so that the connection's framing survives it.
    pub fn finish(self) {
        if self.out.len() - self.opened > FRAME_MAX {
            self.out.truncate(self.opened + HEADER_BYTES);
            let code = ErrorCode::MarshallingError.code();
            patch_i32(self.out, self.opened + HEADER_BYTES - 4, code);
        }
        patch_len(self.out, self.opened);
    }
}

/// The whole frame.
pub fn connect_response(out: &mut Vec<u8>, response: &ConnectResponse) {
    let frame = open_len(out);
    put_i32(out, 0);
    put_i32(out, response.timeout);
    put_i64(out, response.session.0);
    put_len(out, response.password.len());
    out.extend_from_slice(&response.password);
    if let Some(read_only) = response.read_only {
        put_bool(out, read_only);
    }
    patch_len(out, frame);
}

/// A refusal: no record follows.
pub fn error(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, error: ErrorCode) {
    begin(out, xid, zxid, error).finish();
}

/// Success without a record: delete, check- and removeWatches, setWatches, auth, closeSession.
pub fn empty(out: &mut Vec<u8>, xid: Xid, zxid: Zxid) {
    begin(out, xid, zxid, ErrorCode::Ok).finish();
}

/// The answer to every ping, whatever its xid was.
pub fn ping(out: &mut Vec<u8>, zxid: Zxid) {
    empty(out, Xid::PING, zxid);
}

/// create.
pub fn path(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, path: &str) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_str(frame.body(), path);
    frame.finish();
}

/// sync, which echoes even null.
pub fn sync(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, path: Option<&str>) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_opt_str(frame.body(), path);
    frame.finish();
}

/// create2, createContainer, createTTL.
pub fn path_stat(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, path: &str, stat: &Stat) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_str(frame.body(), path);
    put_stat(frame.body(), stat);
    frame.finish();
}

/// exists, setData, setACL.
pub fn stat(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, stat: &Stat) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_stat(frame.body(), stat);
    frame.finish();
}

/// getData, reconfig.
pub fn data(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, data: Option<&[u8]>, stat: &Stat) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_opt_buffer(frame.body(), data);
    put_stat(frame.body(), stat);
    frame.finish();
}

/// getACL.
pub fn acl(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, list: &[Acl], stat: &Stat) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_acl(frame.body(), list);
    put_stat(frame.body(), stat);
    frame.finish();
}

/// getChildren, getEphemerals.
pub fn strings<'n>(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, names: impl Iterator<Item = &'n str>) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_strings(frame.body(), names);
    frame.finish();
}

/// getChildren.
pub fn children<'n>(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, names: impl Iterator<Item = &'n str>) {
    strings(out, xid, zxid, names);
}

/// getChildren2.
pub fn children2<'n>(
    out: &mut Vec<u8>,
    xid: Xid,
    zxid: Zxid,
    names: impl Iterator<Item = &'n str>,
    stat: &Stat,
) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_strings(frame.body(), names);
    put_stat(frame.body(), stat);
    frame.finish();
}

/// getAllChildrenNumber, and addWatch, whose success is the number 0.
pub fn int(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, number: i32) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_i32(frame.body(), number);
    frame.finish();
}

/// addWatch: an ErrorResponse of 0, even on success.
pub fn add_watch(out: &mut Vec<u8>, xid: Xid, zxid: Zxid) {
    int(out, xid, zxid, 0);
}

/// whoAmI: scheme and user of each identity.
pub fn who_am_i<'n>(
    out: &mut Vec<u8>,
    xid: Xid,
    zxid: Zxid,
    identities: impl Iterator<Item = (&'n str, &'n str)>,
) {
    let mut frame = begin(out, xid, zxid, ErrorCode::Ok);
    put_counted(frame.body(), identities, |out, (scheme, user)| {
        put_str(out, scheme);
        put_str(out, user);
    });
    frame.finish();
}

/// sasl; unlike any other reply a refusal has its record, a null token.
pub fn sasl(out: &mut Vec<u8>, xid: Xid, error: ErrorCode, token: Option<&[u8]>) {
    let mut frame = begin(out, xid, NO_ZXID, error);
    put_opt_buffer(frame.body(), token);
    frame.finish();
}

/// A watch event (WatcherEvent). `zxid`: of the change, [`UNKNOWN_ZXID`] for catch-up after
/// setWatches.
pub fn event(out: &mut Vec<u8>, zxid: Zxid, kind: EventKind, path: &str) {
    /// KeeperState.SyncConnected, the one state that travels.
    const SYNC_CONNECTED: i32 = 3;
    let mut frame = begin(out, Xid::NOTIFICATION, zxid, ErrorCode::Ok);
    put_i32(frame.body(), kind as i32);
    put_i32(frame.body(), SYNC_CONNECTED);
    put_str(frame.body(), path);
    frame.finish();
}

/// A multiRead of writes: the one refusal that has a record, an empty multi response.
pub fn write_in_multi_read(out: &mut Vec<u8>, xid: Xid, zxid: Zxid) {
    MultiFrame::begin_with(out, xid, zxid, ErrorCode::MarshallingError).finish();
}

fn put_strings<'n>(out: &mut Vec<u8>, names: impl Iterator<Item = &'n str>) {
    put_counted(out, names, put_str);
}

/// A vector of items whose number is known only at the end.
fn put_counted<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    put: impl Fn(&mut Vec<u8>, T),
) {
    let at = out.len();
    put_i32(out, 0);
    let mut count: i32 = 0;
    for item in items {
        put(out, item);
        count = count.saturating_add(1);
    }
    patch_i32(out, at, count);
}

#[cfg(test)]
mod tests;
