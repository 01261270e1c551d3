//! The snapshot behind a SNAP packet: what a snapshot file holds between its header and its first
//! seal, then a signature (Leader's and Learner's "BenWasHere"). Neither is checksummed.
//!
//! ```text
//!  n (4) | n × ( session (8) | timeout ms (4) )
//!  n (4) | n × ( ACL key (8) | ACL vector )
//!  path "" | node | path "/a" | node | … | path "/" | "BenWasHere"
//! ```

use crate::codec::jute::{DecodeError, Reader, put_len, put_str};
use crate::codec::snapfile::read::{
    RECORD_MAX_FACTOR, read_list, read_node, read_session, skip_node,
};
use crate::codec::snapfile::write::{put_list, put_session};
use crate::codec::snapfile::{FILE_END, Node};
use crate::types::{AclList, SessionId};

pub use crate::codec::snapfile::put_node;

const SIGNATURE: &str = "BenWasHere";

/// Appends what stands before the nodes. Timeouts in milliseconds.
pub fn put_head(out: &mut Vec<u8>, sessions: &[(SessionId, i32)], acls: &[(i64, AclList)]) {
    put_len(out, sessions.len());
    for session in sessions {
        put_session(out, *session);
    }
    put_len(out, acls.len());
    for (key, list) in acls {
        put_list(out, *key, list);
    }
}

/// Appends what stands behind the nodes.
pub fn put_end(out: &mut Vec<u8>) {
    out.extend_from_slice(&FILE_END);
    put_str(out, SIGNATURE);
}

/// A piece of the snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub enum Record<'a> {
    /// Timeout in milliseconds.
    Session(SessionId, i32),
    /// All lists come before the first node.
    Acl(i64, AclList),
    /// Parents come before their children.
    Node(Node<'a>),
}

/// How far one [`SnapshotParser::feed`] got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Of the bytes given. Fewer than all of them only when `done`: the rest are packets.
    pub consumed: usize,
    /// The signature has been seen.
    pub done: bool,
}

/// Why bytes are no snapshot. The caller closes the connection and gives up what it has loaded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum StreamError {
    #[error("snapshot stream, record at byte {at}: {error}")]
    Record { at: u64, error: DecodeError },
    #[error(
        "snapshot stream, record at byte {at}: takes {wanted} bytes or more, allowed are {max}"
    )]
    TooLong { at: u64, wanted: usize, max: usize },
    #[error("snapshot stream ends in {0:?}, not in \"BenWasHere\"")]
    Signature(String),
    #[error("snapshot stream has not come to its signature")]
    Unfinished,
}

/// Takes the stream in pieces of any size. Memory: one record, whose fields are at most `field_max`
/// bytes each.
#[derive(Debug)]
pub struct SnapshotParser {
    stage: Stage,
    /// The beginning of a record that is not whole yet.
    pending: Vec<u8>,
    /// Stream offset of the record to come.
    at: u64,
    field_max: usize,
}

/// What comes next, and how many are left of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    SessionCount,
    Sessions(i32),
    AclCount,
    Acls(i32),
    Nodes,
    Signature,
    Done,
}

impl SnapshotParser {
    /// At the stream's beginning; `field_max` in bytes.
    pub fn new(field_max: usize) -> SnapshotParser {
        SnapshotParser { stage: Stage::SessionCount, pending: Vec::new(), at: 0, field_max }
    }

    /// Whether the signature has been seen.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Takes the next bytes of the stream and hands every record that is whole to `sink`.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<Progress, StreamError> {
        let mut rest = bytes;
        while self.stage != Stage::Done {
            let missing = if self.pending.is_empty() {
                self.whole_records(&mut rest, sink)?
            } else {
                self.pending_record(sink)?
            };
            // Never more than the record wants: what is behind it need not be the snapshot's.
            let Some(missing) = missing else { continue };
            let taken = rest.split_off(..missing.min(rest.len())).unwrap_or_default();
            self.pending.extend_from_slice(taken);
            if taken.len() < missing {
                break;
            }
        }
        Ok(Progress { consumed: bytes.len() - rest.len(), done: self.is_done() })
    }

    /// Takes records straight off `rest` until one is not whole; then says how many bytes of it to
    /// lay aside. `None` at the end of the stream.
    fn whole_records(
        &mut self,
        rest: &mut &[u8],
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<usize>, StreamError> {
        while self.stage != Stage::Done {
            match self.record(rest, sink)? {
                Ok(taken) => *rest = &rest[taken..],
                Err(missing) => return Ok(Some(rest.len() + missing)),
            }
        }
        Ok(None)
    }

    /// As [`SnapshotParser::whole_records`], for the one record that was laid aside.
    fn pending_record(
        &mut self,
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<usize>, StreamError> {
        let mut pending = std::mem::take(&mut self.pending);
        let result = self.record(&pending, sink)?;
        if result.is_ok() {
            pending.clear();
        }
        self.pending = pending;
        Ok(result.err())
    }

    /// Reads one record off the front of `bytes`: how long it was, or how many bytes at least it
    /// wants besides these.
    fn record(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<Result<usize, usize>, StreamError> {
        let mut r = Reader::with_limit(bytes, self.field_max);
        let at = self.at;
        match self.read(&mut r, sink) {
            Ok(stage) => {
                if let Stage::Done = stage {
                    self.signature(bytes)?;
                }
                self.stage = stage;
                self.at += r.position() as u64;
                Ok(Ok(r.position()))
            }
            Err(DecodeError::Short { wanted, left, .. }) => {
                let missing = wanted.saturating_sub(left).max(1);
                let wanted = bytes.len().saturating_add(missing);
                let max = self.field_max.saturating_mul(RECORD_MAX_FACTOR).max(64);
                if wanted > max {
                    return Err(StreamError::TooLong { at, wanted, max });
                }
                Ok(Err(missing))
            }
            Err(error) => Err(StreamError::Record { at, error }),
        }
    }

    fn read(
        &self,
        r: &mut Reader<'_>,
        sink: &mut dyn FnMut(Record<'_>),
    ) -> Result<Stage, DecodeError> {
        Ok(match self.stage {
            Stage::SessionCount => sessions(r.i32("session count")?),
            Stage::Sessions(left) => {
                let (session, timeout) = read_session(r)?;
                sink(Record::Session(session, timeout));
                sessions(left - 1)
            }
            Stage::AclCount => acls(r.i32("ACL count")?),
            Stage::Acls(left) => {
                let (key, list) = read_list(r)?;
                sink(Record::Acl(key, list));
                acls(left - 1)
            }
            Stage::Nodes => {
                let mut whole = *r;
                if skip_node(r)? {
                    return Ok(Stage::Signature);
                }
                sink(Record::Node(read_node(&mut whole)?));
                Stage::Nodes
            }
            Stage::Signature => {
                r.buffer("signature")?;
                Stage::Done
            }
            Stage::Done => Stage::Done,
        })
    }

    /// The signature's record, which is whole.
    fn signature(&self, bytes: &[u8]) -> Result<(), StreamError> {
        let found = Reader::new(bytes).string("signature").ok().flatten().unwrap_or_default();
        if found == SIGNATURE { Ok(()) } else { Err(StreamError::Signature(found)) }
    }
}

/// A count that is not positive is none, as `SerializeUtils.deserializeSnapshot` loops.
fn sessions(left: i32) -> Stage {
    if left > 0 { Stage::Sessions(left) } else { Stage::AclCount }
}

fn acls(left: i32) -> Stage {
    if left > 0 { Stage::Acls(left) } else { Stage::Nodes }
}
