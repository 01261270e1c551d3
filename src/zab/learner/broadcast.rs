//! Transactions and their commits: into the log, acknowledged when durable, applied when agreed.

use bytes::Bytes;

use super::core::{Learner, Out, Step};
use super::effects::LearnerEffect;
use super::history::{Place, StreamError, follows};
use super::phase::Phase;
use super::reason::LeaveReason;
use super::syncing::version_of;
use crate::codec::quorum::Packet;
use crate::codec::txn::{Txn, decode_entry, decode_entry_header, kind};
use crate::types::{Millis, ServerId, Zxid};
use crate::zab::Agreed;

impl Learner {
    pub(super) fn proposal(
        &mut self,
        now: Millis,
        packet: Packet,
        zxid: Zxid,
        entry: Bytes,
        out: Out<'_>,
    ) -> Step {
        if let Some(Place::New | Place::InLog) = self.receive(now, packet, zxid, entry, out)?
            && !self.parts.observer
        {
            self.history.want_ack();
        }
        Ok(())
    }

    /// What an observer gets: a transaction with its commit.
    pub(super) fn inform(
        &mut self,
        now: Millis,
        packet: Packet,
        (zxid, leader): (Zxid, Option<ServerId>),
        entry: Bytes,
        out: Out<'_>,
    ) -> Step {
        // Its proposal may have come before, if the leader took this server for a follower.
        if self.history.is_head(zxid) {
            return self.commit(zxid, leader, out);
        }
        match self.receive(now, packet, zxid, entry, out)? {
            Some(Place::New | Place::InLog) => self.commit(zxid, leader, out),
            Some(Place::InSnapshot) | None => Ok(()),
        }
    }

    /// The transaction's way into the log. `None`: it has to wait, and is held.
    fn receive(
        &mut self,
        now: Millis,
        packet: Packet,
        zxid: Zxid,
        entry: Bytes,
        out: Out<'_>,
    ) -> Result<Option<Place>, LeaveReason> {
        if zxid.epoch() > self.epoch {
            return Err(LeaveReason::BeyondEpoch { zxid, epoch: self.epoch });
        }
        let config = inspect(zxid, &entry)?;
        if zxid.epoch() > self.current {
            if !follows(self.history.position(), zxid) {
                self.gap(now, zxid, out)?;
                return Ok(None);
            }
            // Everything before the first transaction of an epoch is its initial history.
            self.held.push_front(packet);
            self.raise_to(zxid.epoch(), out);
            return Ok(None);
        }
        let proposed = config.clone();
        if self.history.is_durable() {
            self.log_moved = now;
        }
        match self.history.receive(zxid, config) {
            Ok(place) => {
                if let Some(text) = proposed.filter(|_| place != Place::InSnapshot) {
                    out.push(LearnerEffect::ConfigProposed { text });
                }
                if place == Place::New {
                    out.push(LearnerEffect::Append { zxid, entry });
                }
                Ok(Some(place))
            }
            Err(StreamError::Gap { .. }) if self.phase == Phase::Synchronization => {
                self.gap(now, zxid, out)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn commit(&mut self, zxid: Zxid, leader: Option<ServerId>, out: Out<'_>) -> Step {
        let agreed = match self.leader_is_ours {
            true => self.history.agree_upto(zxid),
            false => self.history.agree(zxid),
        };
        let Some(config) = agreed? else { return Ok(()) };
        out.push(LearnerEffect::Agreed(Agreed(zxid)));
        match (leader, config) {
            (None, _) => {}
            (leader @ Some(_), Some(text)) => {
                out.push(LearnerEffect::NewConfig { text, version: zxid.0, leader });
            }
            (Some(_), None) => return Err(LeaveReason::NoConfiguration { zxid }),
        }
        self.serve_if_settled(out);
        Ok(())
    }

    pub(super) fn up_to_date(&mut self, out: Out<'_>) {
        self.phase = Phase::Broadcast;
        // Java's leader waits for the first of the two only, and passes over this one.
        self.ack_new_leader(out);
        if let Some(text) = self.config.take()
            && let Some(version) = version_of(&text)
        {
            out.push(LearnerEffect::NewConfig { text, version, leader: None });
        }
        self.send_acks(out);
        self.serve_if_settled(out);
    }

    /// A follower's ACKs of proposals, from UPTODATE on (SendAckRequestProcessor). ZooKeeper's
    /// leader wants one of each.
    pub(super) fn send_acks(&mut self, out: Out<'_>) {
        if self.phase != Phase::Broadcast {
            return;
        }
        let mut last = None;
        while let Some(zxid) = self.history.next_ack() {
            match self.leader_is_ours {
                true => last = Some(zxid),
                false => out.push(LearnerEffect::Send(Packet::Ack { zxid })),
            }
        }
        out.extend(last.map(|zxid| LearnerEffect::Send(Packet::Ack { zxid })));
    }

    pub(super) fn ping(&self, zxid: Zxid, is_following: bool, out: Out<'_>) {
        // A leader takes the first packet after NEWLEADER for its ACK, whatever it is, so nothing
        // may be sent before (LearnerHandler.run).
        if is_following {
            out.push(LearnerEffect::Pinged { zxid });
        }
    }

    fn serve_if_settled(&mut self, out: Out<'_>) {
        if self.phase == Phase::Broadcast && !self.serving && self.history.is_settled() {
            self.serving = true;
            out.push(LearnerEffect::Serve { epoch: self.epoch });
        }
    }
}

/// Whether the entry is the transaction that the packet says; gives the configuration in it.
fn inspect(zxid: Zxid, entry: &Bytes) -> Result<Option<String>, LeaveReason> {
    let bad = |error| LeaveReason::Unreadable { zxid, error };
    let (header, number) = decode_entry_header(entry).map_err(bad)?;
    if header.zxid != zxid {
        return Err(LeaveReason::OtherTransaction { packet: zxid, found: header.zxid });
    }
    if number != kind::RECONFIG {
        return Ok(None);
    }
    match decode_entry(entry, entry.len()).map_err(bad)?.txn {
        Txn::Reconfig { config, .. } => {
            Ok(config.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        }
        _ => Ok(None),
    }
}
