//! The leader's history becomes this server's: DIFF, TRUNC or SNAP, up to NEWLEADER
//! (Learner.syncWithLeader).

use super::core::{Learner, Out, Step};
use super::effects::LearnerEffect;
use super::history::{History, StreamError};
use super::phase::Phase;
use super::reason::LeaveReason;
use crate::types::{Millis, Zxid};

impl Learner {
    pub(super) fn diff(&mut self, zxid: Zxid, out: Out<'_>) -> Step {
        self.refuse_older_history(zxid, out)?;
        let last = self.history.position();
        if self.needs_snapshot {
            return Err(LeaveReason::NoSnapshot);
        }
        // A log that ends with the beginning of an epoch has no transaction of that number, and no
        // leader's window holds it; DIFF is the answer whatever its number (LearnerHandler).
        if zxid < last && last.counter() != 0 {
            return Err(LeaveReason::DiffBehindLog { zxid, last });
        }
        self.phase = Phase::Synchronization;
        Ok(())
    }

    pub(super) fn trunc(&mut self, after: Zxid, out: Out<'_>) -> Step {
        let last = self.history.position();
        if self.needs_snapshot || after > last || after.0 < 0 {
            return Err(LeaveReason::TruncBeyondLog { after, last });
        }
        // Where nothing would be cut too: the epoch may be another ensemble's of that number, whose
        // transactions this log has not, though it has others of their zxids.
        self.refuse_older_history(after, out)?;
        self.phase = Phase::Synchronization;
        if after < last && last.epoch() == self.epoch {
            self.history.rejoin(after);
        } else if after < last {
            self.phase = Phase::Truncating { after };
            out.push(LearnerEffect::Truncate { after });
        }
        Ok(())
    }

    pub(super) fn snap(&mut self, zxid: Zxid, out: Out<'_>) -> Step {
        if zxid.0 < 0 || zxid.epoch() > self.epoch {
            return Err(LeaveReason::SnapshotOfOtherEpoch { zxid, epoch: self.epoch });
        }
        self.refuse_older_history(zxid, out)?;
        self.phase = Phase::Loading { zxid, received: false };
        out.push(LearnerEffect::LoadSnapshot { zxid });
        Ok(())
    }

    pub(super) fn truncated(&mut self, now: Millis, last: Zxid, out: Out<'_>) -> Step {
        let Phase::Truncating { after } = self.phase else { return Ok(()) };
        self.history = History::new(last);
        if last != after {
            return self.start_over(now, LeaveReason::CutElsewhere { last, after }, out);
        }
        self.phase = Phase::Synchronization;
        Ok(())
    }

    pub(super) fn snapshot_loaded(&mut self, zxid: Zxid, out: Out<'_>) {
        if !matches!(self.phase, Phase::Loading { zxid: of, .. } if of == zxid) {
            return;
        }
        self.phase = Phase::Synchronization;
        self.history = History::of_snapshot(zxid);
        if zxid.epoch() > self.current {
            self.raise_to(zxid.epoch(), out);
        }
    }

    /// The leader's own log has a hole, or it mistook what this server has (ZOOKEEPER-2418, 4882):
    /// its snapshot has none.
    pub(super) fn gap(&mut self, now: Millis, found: Zxid, out: Out<'_>) -> Step {
        let after = self.history.position();
        self.start_over(now, StreamError::Gap { after, found }.into(), out)
    }

    pub(super) fn new_leader(&mut self, zxid: Zxid, config: Option<String>, out: Out<'_>) -> Step {
        if zxid != Zxid::new(self.epoch, 0) {
            return Err(LeaveReason::NewLeaderOfOtherEpoch { zxid, epoch: self.epoch });
        }
        // One without a version is no configuration, and is passed over as in Java.
        self.config = config.filter(|text| version_of(text).is_some());
        if let Some(text) = &self.config {
            out.push(LearnerEffect::ConfigAnnounced { text: text.clone() });
        }
        self.phase = Phase::Entering;
        if self.current < self.epoch {
            self.raise_to(self.epoch, out);
        }
        self.entered(out);
        Ok(())
    }
}

/// The last line of a configuration.
pub(super) fn version_of(text: &str) -> Option<i64> {
    let version = text.lines().find_map(|line| line.strip_prefix("version="))?;
    i64::from_str_radix(version.trim(), 16).ok()
}
