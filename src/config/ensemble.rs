//! What a server of an ensemble asks its configuration beyond what a standalone one asks.

use super::membership::{Ensemble, Membership};
use super::sasl::quorum_sasl;
use super::source::{Found, Source, not_served};
use super::value::{ANY, NATURAL, POSITIVE, decimal, flag, number, strict};
use super::{ConfigError, EnsembleSettings, LearnerSyncSettings, ObserverSettings, tls};
use crate::membership::{Electorate, Role};
use crate::types::limits;
use crate::zab::Timing;
use std::sync::Arc;

/// `None` for a standalone server, whose keys of ensembles are only checked.
pub(super) fn ensemble(
    s: &mut Source<'_>,
    membership: Membership,
    tick_ms: i32,
    whence: &str,
    remarks: &mut Vec<String>,
) -> Result<Option<EnsembleSettings>, ConfigError> {
    let zookeeper_maxbuffer = number(
        s.file("ringkeeper.zookeeper.maxbuffer"),
        POSITIVE,
        "bytes",
        limits::JUTE_MAXBUFFER as i64,
    )? as usize;
    let Some(Ensemble { me, members, next, standalone, in_one_file }) = membership.ensemble else {
        return Ok(None);
    };
    refuse_what_is_not_served(s)?;
    let role = members.get(me).map_or(Role::Participant, |member| member.role);
    let timing = Timing {
        tick_ms: i64::from(tick_ms),
        init_ticks: ticks(s, "initLimit", whence, "ticks a server may take to join, such as 10")?,
        sync_ticks: ticks(s, "syncLimit", whence, "ticks a server may lag behind, such as 5")?,
    };
    let connect_ticks = number(s.file("connectToLearnerMasterLimit"), NATURAL, "ticks", 0)?;
    let handshake = number(s.property("quorumCnxnTimeoutMs"), ANY, "milliseconds", -1)?;
    remark_on_observer_master(s, remarks)?;
    Ok(Some(EnsembleSettings {
        me,
        role,
        electorate: Electorate { committed: Arc::new(members), next: next.map(Arc::new) },
        timing,
        connect_ms: match connect_ticks {
            0 => timing.init_ms(),
            ticks => timing.tick_ms * ticks,
        },
        connect_retry_ms: number(
            s.property("leaderConnectDelayDuringRetryMs"),
            NATURAL,
            "milliseconds",
            100,
        )?,
        election_connect_ms: number(s.property("cnxTimeout"), POSITIVE, "milliseconds", 5000)?,
        election_handshake_ms: if handshake > 0 { handshake } else { timing.sync_ms() },
        notification_ms_min: number(
            s.property("fastleader.minNotificationInterval"),
            POSITIVE,
            "milliseconds",
            200,
        )?,
        notification_ms_max: number(
            s.property("fastleader.maxNotificationInterval"),
            POSITIVE,
            "milliseconds",
            60_000,
        )?,
        epoch_wait_ms: epoch_wait_ms(s)?,
        listen_on_all_addresses: strict(s.file("quorumListenOnAllIPs"), false)?,
        bind_retries: bind_retries(s)?,
        tcp_keep_alive: flag(s.property("tcpKeepAlive"), false),
        sasl: quorum_sasl(s)?,
        several_addresses: several_addresses(s),
        leader_serves: s.property("leaderServes").is_none_or(|f| f.value != "no"),
        learner_sync: learner_sync(s, remarks)?,
        zookeeper_maxbuffer,
        observer: observer(s, role, remarks)?,
        standalone_enabled: standalone,
        members_in_one_file: in_one_file,
        tls: tls::servers(s, remarks)?,
    }))
}

fn epoch_wait_ms(s: &mut Source<'_>) -> Result<Option<i64>, ConfigError> {
    let found = s.property_or("leader.maxTimeToWaitForEpoch", &["maxTimeToWaitForEpoch"]);
    let ms = number(found, ANY, "milliseconds, or -1 for none,", -1)?;
    Ok((ms >= 0).then_some(ms))
}

/// `None`: as many as it takes.
fn bind_retries(s: &mut Source<'_>) -> Result<Option<u32>, ConfigError> {
    let found = s.property("electionPortBindRetry");
    let tries = number(found, NATURAL, "tries, 0 for as many as it takes,", 3)?;
    Ok((tries > 0).then_some(tries as u32))
}

fn remark_on_observer_master(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<(), ConfigError> {
    if let Some(found) = s.file("observerMasterPort")
        && number(Some(found.clone()), ANY, "", 0)? > 0
    {
        remarks.push(format!(
            "{}={} in {}: observer masters are not served by this version; observers connect to \
             the leader",
            found.key, found.value, found.place
        ));
    }
    Ok(())
}

/// `initLimit` and `syncLimit` have no default.
fn ticks(
    s: &mut Source<'_>,
    key: &'static str,
    whence: &str,
    why: &'static str,
) -> Result<i64, ConfigError> {
    let missing = || ConfigError::Missing { key, whence: whence.to_owned(), why };
    s.file(key).ok_or_else(missing)?.number(POSITIVE, "ticks")
}

/// Whoever asks for it relies on it: passing over it would mean a wrong idea of when the ensemble goes
/// on.
fn refuse_what_is_not_served(s: &mut Source<'_>) -> Result<(), ConfigError> {
    match s.file("oraclePath").filter(|f| !f.value.is_empty()) {
        Some(found) => {
            Err(not_served(found, "an oracle for two voters", "add a third voter instead"))
        }
        None => Ok(()),
    }
}

/// Several addresses of a server, and the election header that tells them all (version 2).
fn several_addresses(s: &mut Source<'_>) -> bool {
    s.property("multiAddress.enabled").is_some_and(|f| f.is_true())
}

fn learner_sync(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<LearnerSyncSettings, ConfigError> {
    let snapshots = s.property_or("leader.maxConcurrentSnapSyncs", &["maxConcurrentSnapSyncs"]);
    let diffs = s.property_or("leader.maxConcurrentDiffSyncs", &["maxConcurrentDiffSyncs"]);
    let mut factor = decimal(s.property("snapshotSizeFactor"), 0.33)?;
    if factor > 1.0 {
        remarks.push(format!("snapshotSizeFactor={factor} is above 1: 0.33 is used"));
        factor = 0.33;
    }
    Ok(LearnerSyncSettings {
        snapshots: number(snapshots, POSITIVE, "observers", 10)? as u32,
        diffs: number(diffs, POSITIVE, "observers", 100)? as u32,
        log_share: (factor >= 0.0).then_some(factor),
        always_snapshot: flag(s.property("forceSnapshotSync"), false),
    })
}

fn observer(
    s: &mut Source<'_>,
    role: Role,
    remarks: &mut Vec<String>,
) -> Result<ObserverSettings, ConfigError> {
    let by_name = strict(s.file("syncEnabled"), true)?;
    let by_property = s.property("observer.syncEnabled");
    let logs = by_property.as_ref().map_or(by_name, Found::is_true);
    if role == Role::Observer && !logs {
        remarks.push(
            "syncEnabled=false: observers have a log and snapshots in this version all the same"
                .to_owned(),
        );
    }
    Ok(ObserverSettings {
        reconnect_ms: number(s.property("observer.reconnectDelayMs"), NATURAL, "milliseconds", 0)?,
        election_ms: number(s.property("observer.election.DelayMs"), NATURAL, "milliseconds", 200)?,
    })
}
