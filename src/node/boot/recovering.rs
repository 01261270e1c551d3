//! The disk before the roles: what was found is told, and a snapshot taken where one is due.

use super::{BootError, derive};
use crate::config::Settings;
use crate::metrics::gauges::Gauges;
use crate::node::recover::{self, Recovered};
use crate::runtime::clock;
use crate::snapshot::{Directories, Restored};
use crate::tree::Tree;

/// Loads the newest snapshot, replays the log, and takes a snapshot where one is due.
pub(super) fn recover(
    settings: &Settings,
    folders: &Directories,
    gauges: &Gauges,
) -> Result<Recovered, BootError> {
    let began = clock::now();
    let recovered = recover::recover(folders, derive::recover_plan(settings), &mut |_, _| {})?;
    let elapsed = clock::now().0 - began.0;
    let restored = &recovered.restored;
    if recovered.blank {
        tracing::warn!(
            "the database is empty, and zookeeper.db.autocreate is false: this server has no vote \
             until it has a leader's history"
        );
    }
    log_restored(restored, &recovered.tree, elapsed);
    gauges.snap_load_time.record(elapsed);
    gauges.txns_loaded.record(restored.replayed as i64);
    gauges.digest_mismatches.set(restored.digests.mismatches as i64);
    match recovered.snapshot_if_due(folders) {
        // The log has all that it would have held; the next start reads it again.
        Err(error) if error.is_no_space() && restored.snapshot.is_some() => {
            tracing::warn!(%error, "no snapshot at this start");
        }
        written => written?,
    }
    Ok(recovered)
}

fn log_restored(restored: &Restored, tree: &Tree, elapsed_ms: i64) {
    for damaged in &restored.damaged {
        tracing::warn!(file = %damaged.file, why = %damaged.why, "snapshot skipped");
    }
    for torn in &restored.log.torn {
        tracing::warn!(
            file = %torn.file,
            offset = torn.offset,
            cause = %torn.cause,
            "torn tail of the log truncated"
        );
    }
    if let Some(mismatch) = &restored.digests.first_mismatch {
        tracing::error!(
            zxid = %mismatch.zxid,
            mismatches = restored.digests.mismatches,
            "replayed transactions and tree digests differ"
        );
    }
    for session in &restored.killed {
        tracing::warn!(%session, "session is in no table: its ephemerals are gone");
    }
    if let Some(zxid) = restored.digests.uncovered {
        tracing::warn!(
            snapshot_holds_effects_upto = %zxid,
            log_ends_at = %restored.zxid,
            "the log ends before the snapshot does: the tree may be a mixture of two moments"
        );
    }
    if restored.unknown_acls > 0 {
        let nodes = restored.unknown_acls;
        tracing::error!(nodes, "no access list is known for some nodes: nobody may use them");
    }
    if restored.ttl_nodes_kept > 0 {
        let nodes = restored.ttl_nodes_kept;
        tracing::warn!(nodes, "TTL nodes are here, and extendedTypesEnabled is off: they stay");
    }
    if restored.repeated > 0 {
        tracing::warn!(entries = restored.repeated, "the log has transactions twice");
    }
    tracing::info!(
        zxid = %restored.zxid,
        znodes = tree.node_count(),
        sessions = restored.sessions.len(),
        snapshot = restored.snapshot.as_ref().map(|s| s.file.as_str()).unwrap_or("none"),
        replayed = restored.replayed,
        ms = elapsed_ms,
        "restored"
    );
}
