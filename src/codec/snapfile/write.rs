//! Tree → snapshot stream.

use std::io::{self, Write};

use simd_adler32::Adler32;

use super::{FILE_END, FILE_HEADER, SnapshotDigest, Tail};
use crate::codec::jute::{put_i32, put_i64, put_len, put_opt_buffer, put_str};
use crate::codec::record::put_acl;
use crate::types::{Acl, AclList, SessionId, StoredStat};

/// Bytes collected before they are summed and handed to the sink.
const CHUNK: usize = 64 << 10;

/// Writes a snapshot, section by section: [`SnapshotWriter::begin`], one [`SnapshotWriter::node`]
/// each, [`SnapshotWriter::finish`]. The sink gets few, large writes and need not be buffered.
#[derive(Debug)]
pub struct SnapshotWriter<W> {
    sink: W,
    /// Not yet in `sum`, not yet in the sink.
    pending: Vec<u8>,
    sum: AdlerOf,
}

/// [`Adler32`] with a Debug.
struct AdlerOf(Adler32);

impl std::fmt::Debug for AdlerOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0.finish())
    }
}

impl<W: Write> SnapshotWriter<W> {
    /// Writes everything up to the first node. Timeouts in milliseconds; keys of `acls` from 1 up.
    pub fn begin(
        sink: W,
        sessions: &[(SessionId, i32)],
        acls: &[(i64, AclList)],
    ) -> io::Result<SnapshotWriter<W>> {
        let pending = Vec::with_capacity(2 * CHUNK);
        let mut writer = SnapshotWriter { sink, pending, sum: AdlerOf(Adler32::new()) };
        writer.pending.extend_from_slice(&FILE_HEADER);
        put_len(&mut writer.pending, sessions.len());
        for session in sessions {
            put_session(&mut writer.pending, *session);
            writer.spill(CHUNK)?;
        }
        put_len(&mut writer.pending, acls.len());
        for (key, list) in acls {
            put_list(&mut writer.pending, *key, list);
            writer.spill(CHUNK)?;
        }
        Ok(writer)
    }

    /// Writes one node; the root's path is the empty string, and it comes first.
    pub fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl_key: i64,
        stat: &StoredStat,
    ) -> io::Result<()> {
        put_node(&mut self.pending, path, data, acl_key, stat);
        self.spill(CHUNK)
    }

    /// Writes the end of the nodes, the sections of `tail` that are there, and every seal. Nothing
    /// is flushed: the sink is the caller's.
    pub fn finish(mut self, tail: &Tail) -> io::Result<W> {
        self.pending.extend_from_slice(&FILE_END);
        self.seal();
        if let Some(SnapshotDigest { zxid, version, digest }) = tail.digest {
            put_i64(&mut self.pending, zxid.0);
            put_i32(&mut self.pending, version);
            put_i64(&mut self.pending, digest as i64);
            self.seal();
        }
        if let Some(zxid) = tail.last_zxid {
            put_i64(&mut self.pending, zxid.0);
            self.seal();
        }
        self.spill(0)?;
        Ok(self.sink)
    }

    /// A seal sums all before it; what it sums need not have reached the sink.
    fn seal(&mut self) {
        let mut sum = self.sum.0.clone();
        sum.write(&self.pending);
        put_i64(&mut self.pending, i64::from(sum.finish()));
        self.pending.extend_from_slice(&FILE_END);
    }

    fn spill(&mut self, above: usize) -> io::Result<()> {
        if self.pending.len() > above {
            self.sum.0.write(&self.pending);
            self.sink.write_all(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// One session with its timeout in milliseconds.
pub(in crate::codec) fn put_session(out: &mut Vec<u8>, (session, timeout): (SessionId, i32)) {
    put_i64(out, session.0);
    put_i32(out, timeout);
}

/// One list of the ACL table.
pub(in crate::codec) fn put_list(out: &mut Vec<u8>, key: i64, list: &[Acl]) {
    put_i64(out, key);
    put_acl(out, list);
}

/// One node.
pub fn put_node(
    out: &mut Vec<u8>,
    path: &str,
    data: Option<&[u8]>,
    acl_key: i64,
    stat: &StoredStat,
) {
    put_str(out, path);
    put_opt_buffer(out, data);
    put_i64(out, acl_key);
    put_i64(out, stat.czxid.0);
    put_i64(out, stat.mzxid.0);
    put_i64(out, stat.ctime.0);
    put_i64(out, stat.mtime.0);
    put_i32(out, stat.version);
    put_i32(out, stat.cversion);
    put_i32(out, stat.aversion);
    put_i64(out, stat.owner);
    put_i64(out, stat.pzxid.0);
}
