//! Writing a snapshot of the live tree, as a stream and as a file.
//!
//! Blocking calls on the thread they are made from, which must not be one that serves requests:
//! a snapshot is a long run of equal steps with one place to wait between them ([`Pace`]), and
//! going through [`crate::disk`] lets every step fail in tests. An asynchronous writer would put
//! the same steps through a ring and need a second seam.
//!
//! A file comes into being under a name of ours, is flushed, gets its name and is complete from
//! then on: a crash leaves all of it or nothing (Java writes under the final name and does not
//! flush). Beside it lies a side record ([`super::side`]).

use std::io::{self, Write};

use super::name::{self, TEMPORARY};
use super::pack::{Compression, Packer};
use super::side;
use super::side::SideRecord;
use super::walk::{AclTable, Walk, Walked};
use crate::codec::snapfile::{SnapshotDigest, SnapshotWriter, Tail};
use crate::codec::txn::TxnDigest;
use crate::disk::{self, Dir, File, hint, remove_if_present};
use crate::mutants::{self, Mutant};
use crate::tree::Tree;
use crate::types::{SessionId, Zxid};

/// A slice ends after so many bytes or nodes, whichever comes first: about a millisecond.
const SLICE_BYTES: u64 = 256 * 1024;
const SLICE_NODES: usize = 2048;
/// The file is flushed in steps of so many bytes, so that the log's flushes, if they go to the same
/// device, never wait behind all of it.
const FLUSH_STEP: u64 = 1 << 20;

/// What to write, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteOptions {
    /// The last transaction all of whose effects are in the tree: the file's name, and where
    /// replay begins.
    pub at: Zxid,
    /// [`super::Restored::czxid_max`] of the tree's restoration: nodes up to here came from a file
    /// and are kept, whatever `at` is. In a tree whose log was whole this is never above `at`.
    pub restored_upto: Zxid,
    /// Whether the tree does not change while it is written (at start). The access table then
    /// needs no stand-in.
    pub quiet: bool,
    /// `zookeeper.digest.enabled`.
    pub digest: bool,
    /// `zookeeper.serializeLastProcessedZxid.enabled`.
    pub last_zxid: bool,
    /// `zookeeper.snapshot.compression.method`.
    pub compression: Compression,
}

/// What was written.
#[derive(Debug)]
pub struct SnapshotReport {
    /// "" when it was not written to a file.
    pub name: String,
    /// As in [`WriteOptions`].
    pub at: Zxid,
    /// The tree when the last node had been written.
    pub ended_at: Zxid,
    /// What was written of the tree.
    pub walked: Walked,
    /// As they lie in the file.
    pub file_bytes: u64,
    /// Why the file has no side record, if one could not be written. It is complete without; damage in
    /// it is then found by its own checksum alone, or by its form.
    pub without_side_record: Option<io::Error>,
}

/// None of these leaves half a file under a snapshot's name; a complete one may be there already.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum WriteError {
    #[error("{what} {file}: {cause}{}", hint(file, cause))]
    Io { what: &'static str, file: String, cause: io::Error },
    #[error("snapshot at {0} was called off")]
    CalledOff(Zxid),
}

impl WriteError {
    /// Whether another try on the same disk is in vain.
    pub fn is_no_space(&self) -> bool {
        match self {
            WriteError::Io { cause, .. } => disk::is_no_space(cause),
            WriteError::CalledOff(_) => false,
        }
    }
}

/// Called after each slice with the bytes of all records so far, unpacked. May sleep; false calls the snapshot off.
/// See [`super::pace`].
pub type Pace<'a> = &'a mut dyn FnMut(u64) -> bool;

/// Writes a snapshot to `sink`, seals and sections included, and gives the sink back.
pub fn write<W: Write>(
    tree: &Tree,
    sessions: &[(SessionId, i32)],
    options: &WriteOptions,
    sink: W,
    pace: Pace<'_>,
) -> Result<(SnapshotReport, W), WriteError> {
    write_sliced(tree, sessions, options, SLICE_NODES, sink, pace)
}

fn write_sliced<W: Write>(
    tree: &Tree,
    sessions: &[(SessionId, i32)],
    options: &WriteOptions,
    slice: usize,
    sink: W,
    pace: Pace<'_>,
) -> Result<(SnapshotReport, W), WriteError> {
    let acls = if options.quiet { AclTable::of_quiet(tree) } else { AclTable::of(tree) };
    let walk = Walk::new(options.at.max(options.restored_upto), acls.clone());
    write_walk(tree, sessions, options, sink, (&acls, walk, slice), pace)
}

/// As [`write`], with a walk and slices of the caller's.
pub(super) fn write_walk<W: Write>(
    tree: &Tree,
    sessions: &[(SessionId, i32)],
    options: &WriteOptions,
    sink: W,
    (acls, mut walk, slice): (&AclTable, Walk, usize),
    pace: Pace<'_>,
) -> Result<(SnapshotReport, W), WriteError> {
    let at = options.at;
    let failed = |cause| WriteError::Io { what: "cannot write", file: at.to_string(), cause };
    let packer = Packer::new(options.compression, sink).map_err(failed)?;
    let mut writer = SnapshotWriter::begin(packer, sessions, acls.lists()).map_err(failed)?;
    let mut more = true;
    while more {
        let end = walk.walked().bytes + SLICE_BYTES;
        for _ in 0..slice {
            let Some(node) = walk.next(tree) else {
                more = false;
                break;
            };
            let written = writer.node(node.path, node.data, node.acl_key, &node.stat);
            written.map_err(failed)?;
            if walk.walked().bytes >= end {
                break;
            }
        }
        if !pace(walk.walked().bytes) {
            return Err(WriteError::CalledOff(at));
        }
    }
    let (ended_at, digest) = tree.digest_at();
    // Before the first transaction there is no digest, which zxid 0 says.
    let digest = if ended_at == Zxid::ZERO { 0 } else { digest };
    let digest = SnapshotDigest { zxid: ended_at, version: TxnDigest::VERSION, digest };
    let tail = Tail {
        digest: options.digest.then_some(digest),
        last_zxid: options.last_zxid.then_some(ended_at),
    };
    let packer = writer.finish(&tail).map_err(failed)?;
    let report = SnapshotReport {
        name: String::new(),
        at,
        ended_at,
        walked: walk.walked(),
        file_bytes: 0,
        without_side_record: None,
    };
    Ok((report, packer.finish().map_err(failed)?))
}

/// Writes `snapshot.<hex>` into `dir`, complete and durable when this returns. Replaces a file of
/// the same name.
pub fn write_file(
    dir: &dyn Dir,
    tree: &Tree,
    sessions: &[(SessionId, i32)],
    options: &WriteOptions,
    pace: Pace<'_>,
) -> Result<SnapshotReport, WriteError> {
    write_in_slices(dir, tree, sessions, options, SLICE_NODES, pace)
}

/// As [`write_file`], with slices of so many nodes.
pub fn write_in_slices(
    dir: &dyn Dir,
    tree: &Tree,
    sessions: &[(SessionId, i32)],
    options: &WriteOptions,
    slice: usize,
    pace: Pace<'_>,
) -> Result<SnapshotReport, WriteError> {
    let written = write_named(dir, tree, sessions, options, slice, pace);
    if written.is_err() {
        // If this fails too, the next snapshot removes it.
        let _ = remove_if_present(dir, TEMPORARY);
    }
    written
}

fn write_named(
    dir: &dyn Dir,
    tree: &Tree,
    sessions: &[(SessionId, i32)],
    options: &WriteOptions,
    slice: usize,
    pace: Pace<'_>,
) -> Result<SnapshotReport, WriteError> {
    let failed =
        |what: &'static str| move |cause| WriteError::Io { what, file: dir.show(TEMPORARY), cause };
    let name = name::snapshot_name(options.at, options.compression);
    remove_if_present(dir, TEMPORARY).map_err(failed("cannot remove"))?;
    let file = dir.create(TEMPORARY).map_err(failed("cannot create"))?;
    let sink = FileSink { file: file.as_ref(), buffer: Vec::new(), written: 0, flushed: 0, crc: 0 };
    let (mut report, mut sink) = write_sliced(tree, sessions, options, slice, sink, pace)?;
    sink.put().map_err(failed("cannot write"))?;
    if !mutants::on(Mutant::SnapshotNotFlushed) {
        file.flush().map_err(failed("cannot flush"))?;
    }
    // A side record of an older file of this name would call the new one damaged.
    side::remove(dir, &name).map_err(failed("cannot remove the side record of"))?;
    dir.rename(TEMPORARY, &name).map_err(failed("cannot rename"))?;
    dir.flush().map_err(failed("cannot flush the folder of"))?;
    let identity = Some(file.identity());
    let record =
        SideRecord { size: sink.written, crc: sink.crc, modified: file.modified(), identity };
    report.without_side_record = side::put(dir, &name, &record).err();
    report.file_bytes = sink.written;
    report.name = name;
    Ok(report)
}

/// Collects writes into large ones, and flushes what lies behind.
struct FileSink<'a> {
    file: &'a dyn File,
    buffer: Vec<u8>,
    written: u64,
    flushed: u64,
    crc: u32,
}

impl FileSink<'_> {
    fn put(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.written)?;
        self.crc = crc32c::crc32c_append(self.crc, &self.buffer);
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.written - self.flushed >= FLUSH_STEP {
            self.file.flush()?;
            self.flushed = self.written;
        }
        Ok(())
    }
}

impl Write for FileSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() as u64 >= SLICE_BYTES {
            self.put()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put()
    }
}
