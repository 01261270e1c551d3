//! How the log is started: once at the start, and again behind each change of history.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, Settings};
use crate::disk::Dir;
use crate::log::{IoChoice, LogSettings};
use crate::metrics::gauges::Gauges;
use crate::node::history_files::StartLog;
use crate::node::hosting::InlineLogSlot;
use crate::node::placement::Placement;
use crate::roles::jobs::LogInput;
use crate::roles::log::{self, LogParts, OpenError};
use crate::roles::message::ToControl;
use crate::runtime::{Sender, Waker, entropy};
use crate::types::Zxid;

/// The way the log will be written. Needs nothing of what the log holds.
pub(super) fn choose(
    settings: &Settings,
    placement: &Placement,
    dir: &dyn Dir,
) -> Result<IoChoice, OpenError> {
    log::choose(dir, &log_settings(settings, placement), placement.flushes_inline())
}

/// Everything a log thread needs but where it begins.
pub(super) struct LogStarter {
    dir: Arc<dyn Dir>,
    settings: LogSettings,
    chosen: IoChoice,
    gauges: Arc<Gauges>,
    /// What wakes the control role's thread, and where it finds the log it may work at.
    caller: Option<(Waker, InlineLogSlot)>,
}

impl LogStarter {
    pub(super) fn new(
        settings: &Settings,
        placement: &Placement,
        (dir, chosen): (Arc<dyn Dir>, IoChoice),
        gauges: Arc<Gauges>,
        caller: Option<(Waker, InlineLogSlot)>,
    ) -> LogStarter {
        LogStarter { dir, settings: log_settings(settings, placement), chosen, gauges, caller }
    }

    /// What the log has to say goes there.
    pub(super) fn reporting_to(self, to_control: Sender<ToControl>) -> StartLog {
        Box::new(move |last| self.start(last, to_control.clone()))
    }

    /// `last`: the newest transaction that snapshots and log hold.
    fn start(
        &self,
        last: Zxid,
        to_control: Sender<ToControl>,
    ) -> Result<Sender<LogInput>, OpenError> {
        let parts = LogParts {
            dir: self.dir.clone(),
            settings: self.settings.clone(),
            chosen: Some(self.chosen),
            last,
            seed: entropy(),
            report: Box::new(move |event| to_control.push(ToControl::Log(event))),
            fatal: Box::new(|cause| {
                // Nothing may be acknowledged any more, by any thread (I11).
                tracing::error!("{cause}");
                std::process::exit(1);
            }),
        };
        let (handle, sender) = match &self.caller {
            None => log::spawn(parts)?,
            Some((waker, slot)) => {
                let (handle, sender, lent) = log::spawn_inline(parts, waker.clone())?;
                *slot.lock() = Some(lent);
                (handle, sender)
            }
        };
        self.gauges.set_log(handle.figures.clone());
        Ok(sender)
    }
}

fn log_settings(settings: &Settings, placement: &Placement) -> LogSettings {
    let bytes = |limit: Option<u64>| limit.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
    LogSettings {
        prealloc: settings.log.prealloc_bytes as i64,
        size_limit: bytes(settings.log.size_limit_bytes),
        snap_count: u32::try_from(settings.snapshot.txn_count).unwrap_or(u32::MAX),
        snap_size: bytes(settings.snapshot.log_bytes),
        max_batch: settings.log.batch_records.map_or(-1, |n| n as i64),
        flush_delay_ms: settings.log.flush_delay_ms,
        poll_ms: settings.log.poll_ms,
        force_sync: settings.log.force_sync,
        entry_max: settings.field_max(),
        slow_flush: Duration::from_millis(settings.log.fsync_warning_ms.max(0) as u64),
        io: match settings.log.io {
            config::LogIo::Auto => IoChoice::Auto,
            config::LogIo::Calls => IoChoice::Calls,
            config::LogIo::Ring => IoChoice::Ring,
            config::LogIo::Direct => IoChoice::Direct,
        },
        core: placement.log,
        // Looking for work without sleep is for a core that has nothing else to do.
        spin: placement.log.map_or(Duration::ZERO, |_| {
            Duration::from_micros(u64::from(settings.placement.spin_micros.unwrap_or(0)))
        }),
    }
}
