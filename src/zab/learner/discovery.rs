//! Which epoch the leader begins, and whether it can be promised.

use super::core::{Learner, Out, Step};
use super::effects::LearnerEffect;
use super::phase::Phase;
use super::reason::LeaveReason;
use crate::codec::quorum::Packet;
use crate::types::{Epoch, Zxid, limits};
use crate::zab::Stored;

impl Learner {
    pub(super) fn leader_info(&mut self, epoch: Epoch, out: Out<'_>) -> Step {
        if epoch.0 > limits::EPOCH_LAST {
            return Err(LeaveReason::LastEpoch { epoch });
        }
        self.epoch = epoch;
        self.must_be_late_enough(epoch, out)?;
        // This server won an election and lost its quorum before anybody else heard of its epoch, or
        // promised one to a server that did. What it promised is that no older leader rests anything
        // on it: a leader of this kind does not, as it does not on an observer, and with the next
        // election all is well. Of ZooKeeper's leaders that cannot be known.
        let unneeded = self.leader_is_ours || self.parts.observer;
        if epoch < self.accepted && !unneeded {
            return Err(LeaveReason::EpochBelowPromised { epoch, accepted: self.accepted });
        }
        if epoch < self.current {
            return Err(LeaveReason::EpochBelowEntered { epoch, current: self.current });
        }
        if epoch > self.accepted {
            self.phase = Phase::Promising;
            out.push(LearnerEffect::Store(Stored::Accepted(epoch)));
        } else {
            // Promised before, or more: this does not count for the epoch.
            self.ack_epoch(None, out);
        }
        Ok(())
    }

    pub(super) fn ack_epoch(&mut self, current: Option<Epoch>, out: Out<'_>) {
        let last = if self.needs_snapshot { Zxid(-1) } else { self.history.position() };
        self.phase = Phase::Choosing;
        out.push(LearnerEffect::Send(Packet::AckEpoch { last, current }));
    }
}
