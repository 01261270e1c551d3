//! What the control role of an ensemble's server is made of.

use super::BootError;
use crate::election::{Election, ElectionSettings};
use crate::membership::Role;
use crate::node::config::EnsembleSettings;
use crate::node::control::{ClientRules, Disk, EnsembleParts, Rest};
use crate::node::store;
use crate::types::{Zxid, limits};
use crate::zab::{SyncRules, Window};

/// Epoch files are read, and compared with `last`, what the log ends with.
pub fn parts(
    settings: &EnsembleSettings,
    clients: ClientRules,
    disk: Disk,
    mut window: Window,
    last: Zxid,
) -> Result<EnsembleParts, BootError> {
    let epochs = store::epochs::open(disk.folders.snapshots.as_ref(), last)?;
    if let Some(before) = epochs.raised_from {
        tracing::warn!(before = before.0, now = epochs.current.0, "currentEpoch follows the log");
    }
    if window.max().is_none_or(|max| max != last) {
        window.restart(last);
    }
    let election = ElectionSettings {
        observer: settings.role == Role::Observer,
        resend_ms_min: settings.notification_ms_min,
        resend_ms_max: settings.notification_ms_max,
        ..ElectionSettings::new(settings.me)
    };
    let sync = &settings.learner_sync;
    Ok(EnsembleParts {
        me: settings.me,
        electorate: settings.electorate.clone(),
        timing: settings.timing,
        rules: SyncRules {
            force_snapshot: sync.always_snapshot,
            use_log: sync.log_share.is_some(),
            // 0 of a snapshot's size is Java's word for no limit.
            log_share: sync.log_share.map(|share| (share * 1000.0) as u32).filter(|s| *s > 0),
            snap_syncs: sync.snapshots as usize,
            diff_syncs: sync.diffs as usize,
        },
        handover_counter: limits::HANDOVER_COUNTER,
        connect_ms: settings.connect_ms,
        connect_pause_ms: settings.connect_retry_ms,
        epoch_wait_ms: settings.epoch_wait_ms,
        rest: rest(settings),
        clients,
        accepted: epochs.accepted,
        current: epochs.current,
        election: Election::new(election, settings.electorate.clone()),
        window,
        disk,
    })
}

fn rest(settings: &EnsembleSettings) -> Rest {
    let observer = &settings.observer;
    let below_ms = match settings.role {
        Role::Observer => observer.election_ms.saturating_add(observer.reconnect_ms),
        Role::Participant => 0,
    };
    Rest { below_ms, seed: super::wire::chance() }
}
