//! Epochs on disk: promised before the leader hears of it, entered when its initial history is
//! durable (I3; see the module's front page).

use super::core::{Learner, Out};
use super::effects::LearnerEffect;
use super::phase::{Phase, Raise};
use crate::codec::quorum::Packet;
use crate::mutants::{self, Mutant};
use crate::types::{Epoch, Zxid};
use crate::zab::Stored;

impl Learner {
    pub(super) fn stored(&mut self, stored: Stored, out: Out<'_>) {
        match stored {
            Stored::Accepted(epoch) if self.phase == Phase::Promising && epoch == self.epoch => {
                self.accepted = epoch;
                let current = Some(self.current);
                self.ack_epoch(current, out);
            }
            Stored::Current(epoch) if self.raise == Raise::File(epoch) => {
                assert!(epoch <= self.accepted, "I3: entering an epoch that was not promised");
                (self.current, self.raise) = (epoch, Raise::No);
                self.entered(out);
            }
            // Of a connection before this one.
            Stored::Accepted(_) | Stored::Current(_) => {}
        }
    }

    /// `currentEpoch` is to become at least this, before anything else is taken.
    pub(super) fn raise_to(&mut self, epoch: Epoch, out: Out<'_>) {
        self.raise = Raise::History(epoch);
        self.raise_further(out);
    }

    pub(super) fn raise_further(&mut self, out: Out<'_>) {
        if let Raise::History(epoch) = self.raise
            && (self.history.is_durable() || mutants::on(Mutant::EpochBeforeHistory))
        {
            self.raise = Raise::File(epoch);
            out.push(LearnerEffect::Store(Stored::Current(epoch)));
        }
    }

    /// History, epoch, then NEWLEADER's ACK (I3).
    pub(super) fn entered(&mut self, out: Out<'_>) {
        if self.phase != Phase::Entering || self.raise != Raise::No || !self.history.is_durable() {
            return;
        }
        assert!(self.current == self.epoch, "I3: the epoch is not durable");
        self.phase = Phase::Joining;
        self.history.drop_agreed_acks();
        self.ack_new_leader(out);
    }

    pub(super) fn ack_new_leader(&self, out: Out<'_>) {
        out.push(LearnerEffect::Send(Packet::Ack { zxid: Zxid::new(self.epoch, 0) }));
    }
}
