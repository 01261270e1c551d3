//! What has to be asked of the roles and the disk before a command is answered. Blocking calls, on the
//! plane's other thread: a role may take its time, and a disk may hang.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::admin::http::given::{Given, Wanted};
use crate::admin::machine;
use crate::admin::words::Commands;
use crate::disk::Dir;
use crate::roles::message::ToControl;
use crate::roles::queries::{self, Queries};
use crate::snapshot::name::zxid_of_snapshot;
use crate::types::limits;

/// Where answers come from.
pub struct Sources {
    /// The figures and the tree.
    pub commands: Arc<Commands>,
    /// The roles.
    pub queries: Queries,
    /// Where snapshots are.
    pub snapshots: Arc<dyn Dir>,
}

impl Sources {
    /// `None`: a role is stopping, or hangs.
    pub(super) fn gather(&self, wanted: Wanted) -> Option<Given> {
        let facts = &self.commands.facts;
        let mut given = Given::default();
        let bytes = limits::PLANE_LISTING_BYTES;
        match wanted {
            Wanted::Folders => {
                given.data_bytes = machine::folder_bytes(&facts.data_dir);
                given.log_bytes = machine::folder_bytes(&facts.log_dir);
            }
            Wanted::LastSnapshot => given.last_snapshot = self.last_snapshot(),
            Wanted::Sessions => {
                given.sessions = self.queries.sessions()?;
                // Two numbers and what stands around them.
                let most = bytes / SESSION_BYTES;
                given.is_cut = given.sessions.len() > most;
                given.sessions.truncate(most);
                let (ephemerals, whole) = queries::ephemerals(&self.commands.tree, bytes);
                (given.ephemerals, given.is_cut) = (ephemerals, given.is_cut || !whole);
            }
            Wanted::Watches => {
                let (watching, whole) = self.queries.watches(bytes)?;
                (given.watching, given.is_cut) = (watching, !whole);
            }
            Wanted::Observers => given.observers = self.queries.observers()?,
            Wanted::Top => {
                given.top = self.queries.top()?;
                given.held = self.queries.held(&self.commands, bytes)?;
                given.is_cut = given.held.is_cut;
            }
        }
        Some(given)
    }

    /// The newest by its name (FileTxnSnapLog.getLastSnapshotInfo).
    fn last_snapshot(&self) -> Option<(crate::types::Zxid, i64)> {
        let names = self.snapshots.list().ok()?.into_iter().map(|listed| listed.name);
        let newest = names.filter_map(|name| Some((zxid_of_snapshot(&name)?, name))).max();
        let (zxid, name) = newest?;
        let file = std::fs::metadata(self.commands.facts.data_dir.join(name)).ok()?;
        let written = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((zxid, written.as_secs() as i64))
    }

    /// Asks for a snapshot; `done` is called with it, or dropped.
    pub(super) fn take_snapshot(&self, done: crate::roles::jobs::OnSnapshot) {
        self.queries.to_control.push(ToControl::TakeSnapshot(done));
    }
}

/// What a session takes in a listing.
const SESSION_BYTES: usize = 24;
