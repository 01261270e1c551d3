//! Replaying the log over a snapshot (FileTxnSnapLog.fastForwardFromEdits), and what the digests
//! say about the result.
//!
//! A fuzzy snapshot's tree has no meaningful digest until replay reaches the transaction that its
//! digest section was written at; from there on the digest of every transaction is compared. As
//! in Java a mismatch is reported and counted, and does not stop the server.

use std::collections::BTreeMap;

use crate::codec::snapfile::SnapshotDigest;
use crate::codec::txn::{Entry, Txn, TxnDigest};
use crate::tree::{NoSink, TreeWriter};
use crate::types::{SessionId, Zxid};

/// A digest that is not what the tree's is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// The transaction behind which it was compared.
    pub zxid: Zxid,
    /// As the log, or the snapshot, has it.
    pub expected: u64,
    /// The tree's.
    pub found: u64,
}

/// What was compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digests {
    /// How many were.
    pub compared: u64,
    /// How many differed.
    pub mismatches: u64,
    /// The one behind which the others may be its consequence.
    pub first_mismatch: Option<Mismatch>,
    /// The snapshot holds effects of transactions up to this one, and the log ends before it: the
    /// tree may be a mixture of two moments.
    pub uncovered: Option<Zxid>,
}

/// Applies entries, in the log's order, to a tree that a snapshot has filled.
pub struct Replayer<'a> {
    writer: &'a mut TreeWriter,
    /// Whether the server computes digests at all.
    digest: bool,
    /// The snapshot's digest, until it has been compared.
    target: Option<SnapshotDigest>,
    sessions: BTreeMap<SessionId, i32>,
    highest: Zxid,
    applied: u64,
    repeated: u64,
    digests: Digests,
}

/// The end of a replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// The last transaction in the tree.
    pub zxid: Zxid,
    /// Milliseconds of timeout by session.
    pub sessions: BTreeMap<SessionId, i32>,
    /// Entries.
    pub applied: u64,
    /// Entries whose zxid was not above the ones before: applied, as Java applies them.
    pub repeated: u64,
    /// What was compared.
    pub digests: Digests,
}

impl<'a> Replayer<'a> {
    /// `zxid` and `digest` are the snapshot's.
    pub fn new(
        writer: &'a mut TreeWriter,
        zxid: Zxid,
        sessions: BTreeMap<SessionId, i32>,
        digest: bool,
        target: Option<SnapshotDigest>,
    ) -> Replayer<'a> {
        // A leader's snapshot may be named for the start of its epoch, where no transaction is;
        // its digest is then older, the snapshot is not fuzzy, and there is nothing to wait for.
        let target = target.filter(|t| digest && t.zxid >= zxid);
        let mut replayer = Replayer {
            writer,
            digest,
            target,
            sessions,
            highest: zxid,
            applied: 0,
            repeated: 0,
            digests: Digests::default(),
        };
        replayer.meet_target(zxid);
        replayer.writer.keep_history(replayer.target.is_none());
        replayer
    }

    /// Applies one entry. Failures of single operations belong to replaying a fuzzy snapshot.
    pub fn entry(&mut self, entry: &Entry) {
        let zxid = entry.header.zxid;
        match &entry.txn {
            Txn::CreateSession { timeout } => {
                self.sessions.insert(entry.header.session, *timeout);
            }
            Txn::CloseSession { .. } => {
                self.sessions.remove(&entry.header.session);
            }
            Txn::Error(_) | Txn::Op(_) | Txn::Multi(_) | Txn::Reconfig { .. } => {}
        }
        self.writer.apply(&entry.header, &entry.txn, &mut NoSink);
        self.applied += 1;
        if zxid <= self.highest {
            self.repeated += 1;
            return;
        }
        self.highest = zxid;
        if self.target.is_some() {
            self.meet_target(zxid);
        } else if self.digest
            && let Some(TxnDigest { version: TxnDigest::VERSION, digest }) = entry.digest
        {
            self.compare(zxid, digest);
        }
    }

    /// No entry follows.
    pub fn finish(mut self) -> Replayed {
        self.digests.uncovered = self.target.map(|t| t.zxid);
        self.writer.keep_history(true);
        Replayed {
            zxid: self.highest,
            sessions: self.sessions,
            applied: self.applied,
            repeated: self.repeated,
            digests: self.digests,
        }
    }

    /// DataTree.compareSnapshotDigests. Where Java waits for ever for a transaction that the log
    /// does not have, comparing is taken up again behind it.
    fn meet_target(&mut self, zxid: Zxid) {
        let Some(target) = self.target.filter(|t| t.zxid <= zxid) else { return };
        if target.zxid == zxid && target.version == TxnDigest::VERSION {
            self.compare(zxid, target.digest);
        }
        self.target = None;
        self.writer.keep_history(true);
    }

    fn compare(&mut self, zxid: Zxid, expected: u64) {
        let found = self.writer.tree().digest();
        self.digests.compared += 1;
        if found != expected {
            self.digests.mismatches += 1;
            self.digests.first_mismatch.get_or_insert(Mismatch { zxid, expected, found });
        }
    }
}
