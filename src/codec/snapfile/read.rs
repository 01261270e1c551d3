//! Snapshot stream → records.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use simd_adler32::Adler32;

use super::{FILE_END, FILE_HEADER, SEAL_BYTES, SnapshotDigest, SnapshotError, Tail};
use crate::codec::jute::{DecodeError, Reader};
use crate::codec::record::read_acl;
use crate::types::{AclList, SessionId, StoredStat, WallMillis, Zxid};

/// Bytes asked of the source at once.
const CHUNK: usize = 64 << 10;

/// How many times the longest field the longest record is.
pub(in crate::codec) const RECORD_MAX_FACTOR: usize = 4;

/// More than any tail takes: 54 bytes, or a little more with the digest of an early 3.6 as text.
const TAIL_BYTES_MAX: usize = 128;

/// Bytes of the last-zxid section and its seal.
const LAST_ZXID_BYTES: usize = 8 + SEAL_BYTES;

/// What stands before the nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub struct Header {
    /// Timeouts in milliseconds.
    pub sessions: Vec<(SessionId, i32)>,
    pub acls: Vec<(i64, AclList)>,
}

/// A node's record.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/storage.md")]
pub struct Node<'a> {
    /// Empty for the root.
    pub path: Cow<'a, str>,
    pub data: Option<&'a [u8]>,
    pub acl_key: i64,
    pub stat: StoredStat,
}

/// Reads a snapshot, section by section: [`SnapshotReader::begin`], [`SnapshotReader::node`] until
/// it gives none, [`SnapshotReader::finish`]. What has been read counts only once `finish` has found
/// every seal right. Memory: one record, whose fields are at most `field_max` bytes each.
pub struct SnapshotReader<R> {
    source: R,
    buffer: Vec<u8>,
    /// First byte of `buffer` not yet consumed.
    at: usize,
    /// First byte of `buffer` not yet summed; never behind `at`.
    summed: usize,
    /// Stream offset of `buffer[0]`.
    base: u64,
    sum: Adler32,
    field_max: usize,
}

impl<R: Read> SnapshotReader<R> {
    /// Reads everything up to the first node. `field_max`: the longest string or data accepted.
    pub fn begin(
        source: R,
        field_max: usize,
    ) -> Result<(SnapshotReader<R>, Header), SnapshotError> {
        let mut reader = SnapshotReader {
            source,
            buffer: Vec::new(),
            at: 0,
            summed: 0,
            base: 0,
            sum: Adler32::new(),
            field_max,
        };
        let file = reader.record(|r| r.array::<16>("file header"))?;
        if file[..4] != FILE_HEADER[..4] {
            return Err(SnapshotError::Magic([file[0], file[1], file[2], file[3]]));
        }
        let mut header = Header::default();
        // Counts are promises: lists grow by what is really there.
        for _ in 0..reader.record(|r| r.i32("session count"))? {
            header.sessions.push(reader.record(read_session)?);
        }
        for _ in 0..reader.record(|r| r.i32("ACL count"))? {
            header.acls.push(reader.record(read_list)?);
        }
        Ok((reader, header))
    }

    /// The next node, or `None` at the end of the nodes.
    pub fn node(&mut self) -> Result<Option<Node<'_>>, SnapshotError> {
        // First its extent, then the node itself: a record that has to wait for more of the source
        // would otherwise be decoded while the buffer it borrows from grows.
        let start = self.at_stream();
        let is_end = self.record(skip_node)?;
        if is_end {
            return Ok(None);
        }
        let from = (start - self.base) as usize;
        let r = &mut Reader::with_limit(&self.buffer[from..self.at], self.field_max);
        read_node(r).map(Some).map_err(|error| SnapshotError::Record { at: start, error })
    }

    /// Checks all seals and reads what follows the nodes; which sections there are is told by how
    /// many bytes are left, because Java writes them by its settings.
    pub fn finish(mut self) -> Result<Tail, SnapshotError> {
        self.seal()?;
        while self.left() <= TAIL_BYTES_MAX && self.fill()? {}
        let mut tail = Tail::default();
        if !matches!(self.left(), 0 | LAST_ZXID_BYTES) {
            if self.left() > TAIL_BYTES_MAX {
                return Err(SnapshotError::Tail { left: self.left() });
            }
            tail.digest = Some(self.record(read_digest)?);
            self.seal()?;
        }
        if self.left() == LAST_ZXID_BYTES {
            tail.last_zxid = Some(Zxid(self.record(|r| r.i64("last zxid"))?));
            self.seal()?;
        }
        match self.left() {
            0 => Ok(tail),
            left => Err(SnapshotError::Tail { left }),
        }
    }

    /// Reads a seal and compares it with the sum of all bytes before it (checkSealIntegrity).
    fn seal(&mut self) -> Result<(), SnapshotError> {
        let at = self.at_stream();
        self.sum_consumed();
        let computed = self.sum.finish();
        let stored = self.record(|r| r.i64("seal"))?;
        let end =
            self.record(|r| r.take("end of seal", FILE_END.len()).map(|end| end == FILE_END))?;
        if stored != i64::from(computed) {
            return Err(SnapshotError::Seal { at, stored, computed });
        }
        if end { Ok(()) } else { Err(SnapshotError::SealEnd { at }) }
    }

    /// Takes one record off the stream, reading on for as long as it comes out short.
    fn record<T>(
        &mut self,
        read: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, SnapshotError> {
        loop {
            let r = &mut Reader::with_limit(&self.buffer[self.at..], self.field_max);
            let error = match read(r) {
                Ok(value) => {
                    self.at += r.position();
                    return Ok(value);
                }
                Err(error) => error,
            };
            let enough = match error {
                DecodeError::Short { wanted, left, .. } => self.fill_for(wanted, left)?,
                _ => false,
            };
            if !enough {
                return Err(SnapshotError::Record { at: self.at_stream(), error });
            }
        }
    }

    /// Reads on until a field of which `left` bytes were there has its `wanted` ones; false if the
    /// source ends before.
    fn fill_for(&mut self, wanted: usize, left: usize) -> Result<bool, SnapshotError> {
        // An ACL list came in a request, so it is no longer than that, replaced characters apart.
        let max = self.field_max.saturating_mul(RECORD_MAX_FACTOR);
        let target = self.left().saturating_add(wanted.saturating_sub(left).max(1));
        if target > max {
            return Err(SnapshotError::TooLong { at: self.at_stream(), wanted: target, max });
        }
        while self.left() < target {
            if !self.fill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads one chunk; false at the end of the source.
    fn fill(&mut self) -> Result<bool, SnapshotError> {
        if self.at > CHUNK {
            self.sum_consumed();
            self.buffer.drain(..self.at);
            self.base += self.at as u64;
            self.at = 0;
            self.summed = 0;
        }
        let end = self.buffer.len();
        self.buffer.resize(end + CHUNK, 0);
        let got = loop {
            match self.source.read(&mut self.buffer[end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => break done,
            }
        };
        self.buffer.truncate(end + *got.as_ref().unwrap_or(&0));
        Ok(got? > 0)
    }

    fn sum_consumed(&mut self) {
        self.sum.write(&self.buffer[self.summed..self.at]);
        self.summed = self.at;
    }

    fn left(&self) -> usize {
        self.buffer.len() - self.at
    }

    fn at_stream(&self) -> u64 {
        self.base + self.at as u64
    }
}

impl<R> std::fmt::Debug for SnapshotReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SnapshotReader at byte {}", self.base + self.at as u64)
    }
}

pub(in crate::codec) fn read_session(r: &mut Reader<'_>) -> Result<(SessionId, i32), DecodeError> {
    Ok((SessionId(r.i64("session")?), r.i32("timeout")?))
}

pub(in crate::codec) fn read_list(r: &mut Reader<'_>) -> Result<(i64, AclList), DecodeError> {
    Ok((r.i64("ACL key")?, read_acl(r)?))
}

/// Steps over a node's record; true if it is the path "/" that ends the nodes.
pub(in crate::codec) fn skip_node(r: &mut Reader<'_>) -> Result<bool, DecodeError> {
    if r.buffer("path")?.ok_or(DecodeError::Null { field: "path" })? == b"/" {
        return Ok(true);
    }
    r.buffer("data")?;
    r.take("ACL key and stat", 8 + 60)?;
    Ok(false)
}

pub(in crate::codec) fn read_node<'a>(r: &mut Reader<'a>) -> Result<Node<'a>, DecodeError> {
    Ok(Node {
        path: r.str("path")?.unwrap_or_default(),
        data: r.buffer("data")?,
        acl_key: r.i64("acl")?,
        stat: StoredStat {
            czxid: Zxid(r.i64("czxid")?),
            mzxid: Zxid(r.i64("mzxid")?),
            ctime: WallMillis(r.i64("ctime")?),
            mtime: WallMillis(r.i64("mtime")?),
            version: r.i32("version")?,
            cversion: r.i32("cversion")?,
            aversion: r.i32("aversion")?,
            owner: r.i64("ephemeralOwner")?,
            pzxid: Zxid(r.i64("pzxid")?),
        },
    })
}

/// Before version 2 the digest was text in base 16 (ZxidDigest.deserialize).
fn read_digest(r: &mut Reader<'_>) -> Result<SnapshotDigest, DecodeError> {
    let (zxid, version) = (Zxid(r.i64("digest zxid")?), r.i32("digest version")?);
    let digest = if version < 2 {
        let text = r.str("digest")?.unwrap_or_default();
        u64::from_str_radix(&text, 16).map_err(|_| DecodeError::Value {
            field: "version of an unreadable digest",
            value: version,
        })?
    } else {
        r.i64("digest")? as u64
    };
    Ok(SnapshotDigest { zxid, version, digest })
}
