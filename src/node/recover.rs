//! What a start finds on disk, and what it makes of it before any role runs.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::txn::Entry;
use crate::snapshot::{
    self, Directories, RestoreError, RestoreOptions, Restored, WriteError, WriteOptions,
};
use crate::tree::{Tree, TreeOptions, TreeWriter};
use crate::types::limits;
use crate::zab::Window;

/// Znodes of a tree whose snapshot is not waited for at the start: a tenth of a second's worth.
const LARGE_TREE: usize = 100_000;

/// How to recover.
pub struct RecoverPlan {
    /// How the empty tree is made.
    pub tree: TreeOptions,
    /// How it is filled.
    pub restore: RestoreOptions,
    /// How snapshots are written; their zxids are set from what is found.
    pub write: WriteOptions,
    /// Transactions kept in memory for learners.
    pub window: usize,
    /// A server of an ensemble: it gets its history from a leader.
    pub member: bool,
}

/// The tree as it was left, and how it came back.
pub struct Recovered {
    /// What readers share.
    pub tree: Arc<Tree>,
    /// The one writer.
    pub writer: TreeWriter,
    /// What was found.
    pub restored: Restored,
    /// The newest transactions, for learners of an ensemble.
    pub window: Window,
    /// How snapshots of this tree are written.
    pub write: WriteOptions,
    /// There was nothing, and nobody has said that this is meant: no vote before a leader's history
    /// is here.
    pub blank: bool,
    /// A snapshot is due as soon as clients are served.
    pub snapshot_later: bool,
    member: bool,
}

/// Loads the newest snapshot and replays the log. `seen` is told every entry of the log.
pub fn recover(
    folders: &Directories,
    plan: RecoverPlan,
    seen: &mut dyn FnMut(&Entry, &[u8]),
) -> Result<Recovered, RestoreError> {
    let RecoverPlan { tree, restore, write, window, member } = plan;
    let (tree, mut writer) = Tree::new(tree);
    let mut window = Window::new(window, limits::WINDOW_BYTES);
    let mut seen = |entry: &Entry, bytes: &[u8]| {
        // A log may hold a transaction twice.
        if !window.has_seen(entry.header.zxid) {
            window.push(entry.header.zxid, Bytes::copy_from_slice(bytes));
        }
        seen(entry, bytes);
    };
    let (restored, blank) = match snapshot::restore(folders, &mut writer, &restore, &mut seen) {
        // A member of an ensemble gets its history from a leader (QuorumPeer, with zxid -1).
        Err(RestoreError::Empty { .. }) if member => {
            let options = RestoreOptions { autocreate: true, ..restore };
            (snapshot::restore(folders, &mut writer, &options, &mut seen)?, true)
        }
        other => (other?, false),
    };
    if window.end() != Some(restored.zxid) {
        window.restart(restored.zxid);
    }
    let write = WriteOptions { at: restored.zxid, restored_upto: restored.czxid_max, ..write };
    let mut recovered =
        Recovered { tree, writer, restored, window, write, blank, snapshot_later: false, member };
    recovered.snapshot_later = recovered.snapshot_may_wait();
    Ok(recovered)
}

impl Recovered {
    /// Whether the snapshot that is due can be written while clients are served: it is large, and
    /// all that it brings is a shorter replay.
    fn snapshot_may_wait(&self) -> bool {
        let restored = &self.restored;
        let as_on_disk = restored.snapshot.is_some() && restored.damaged.is_empty();
        !self.member
            && restored.snapshot_due
            && as_on_disk
            && restored.killed.is_empty()
            && self.tree.node_count() >= LARGE_TREE
    }

    /// Takes a snapshot where one is due at once. An error is to be passed over where the disk is full
    /// and the log has all that the snapshot would have held.
    pub fn snapshot_if_due(&self, folders: &Directories) -> Result<(), WriteError> {
        // Without a vote nothing is written that a next start would take for a database.
        if !self.restored.snapshot_due || self.snapshot_later || self.blank {
            return Ok(());
        }
        let sessions: Vec<_> = self.restored.sessions.iter().map(|(id, t)| (*id, *t)).collect();
        let options = WriteOptions { quiet: true, ..self.write.clone() };
        let dir = folders.snapshots.as_ref();
        snapshot::write_file(dir, &self.tree, &sessions, &options, &mut |_| true).map(drop)
    }
}
