//! Leaders whose history lacks what this server knows to be committed.

use super::core::{Learner, Out, Step};
use super::effects::{LearnerEffect, LearnerParts};
use super::reason::LeaveReason;
use crate::mutants::{self, Mutant};
use crate::types::{Epoch, Zxid};

impl Learner {
    /// Nobody is elected to an older epoch than one in which something was committed, by servers that
    /// know of it.
    pub(super) fn must_be_late_enough(&self, epoch: Epoch, out: Out<'_>) -> Step {
        let committed = self.parts.committed;
        if epoch >= committed.epoch() {
            return Ok(());
        }
        out.push(LearnerEffect::Refuse { ends: Zxid::new(epoch, 0), committed });
        Err(LeaveReason::EpochForgotten { epoch, committed })
    }

    /// A leader elected by a quorum of this ensemble has everything that was ever committed. One
    /// whose history ends before what is known to be, leads servers that have forgotten: their disks
    /// are empty, or are older copies. To follow it would delete what may be the last copy, and to
    /// vouch for its history would make the loss the ensemble's word.
    pub(super) fn refuse_older_history(&self, ends: Zxid, out: Out<'_>) -> Step {
        let committed = self.parts.committed;
        if ends >= committed || mutants::on(Mutant::CommittedCutOff) {
            return Ok(());
        }
        out.push(LearnerEffect::Refuse { ends, committed });
        Err(LeaveReason::HistoryForgotten { ends, committed })
    }

    /// The zxid that a tree comes under may be the beginning of an epoch, which is above everything and
    /// names no transaction, or of something that came after the loss. What the stats in it tell of
    /// cannot be behind what they told of before, so a tree that lacks that is of another history. One
    /// that does not may be so too, and then the files are set aside.
    pub(super) fn must_show_committed(&mut self, shows: Zxid, out: Out<'_>) -> Step {
        let LearnerParts { committed, shown, .. } = self.parts;
        if shows >= shown || mutants::on(Mutant::CommittedCutOff) {
            return Ok(());
        }
        out.push(LearnerEffect::Refuse { ends: shows, committed });
        Err(LeaveReason::TreeForgotten { shows, shown })
    }
}
