//! Learners whose links do not keep up.
//!
//! What is proposed goes to a learner as long as little waits for its link. Once that is too much it
//! lags: nothing new is sent, and what it lacks is sent from where it is kept anyway, piece by piece
//! as the link drains, as in its synchronisation:
//!
//! ```text
//!   log on disk ──► window ──► outstanding ──► live again
//!    PROPOSAL and COMMIT        PROPOSAL
//!    (observers: INFORM)
//! ```
//!
//! So a slow link costs neither memory nor its learner's role, and nobody else waits for it: a
//! quorum without it commits, and one that needs it waits for what it has not been sent yet, which
//! the bound of what is outstanding turns into back-pressure on clients.

use super::LeaderEffect;
use super::core::Leader;
use super::learner::{Learner, Stage};
use super::reason::CloseReason;
use crate::codec::quorum::Packet;
use crate::types::{Link, ServerId, Zxid};
use crate::zab::window::follows;
use crate::zab::{LogChunk, LogEnd, Window};

use bytes::Bytes;

impl Leader {
    /// Sends a learner that lags what comes next.
    pub(super) fn catch_up(
        &mut self,
        link: Link,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let (committed, durable, beat) = (self.committed, self.durable, self.beat);
        let bytes_max = self.parts.rules.sync_bytes;
        let Some(learner) = self.learners.get_mut(&link).filter(|l| l.lags && !l.awaits_log) else {
            return;
        };
        if learner.sent < committed && window.floor(learner.sent).is_none() {
            if learner.queued() >= bytes_max {
                return learner.mark(out);
            }
            // The own disk may be behind the quorum's: then its horizon, or the next beat, is
            // waited for.
            if learner.sent < durable {
                learner.awaits_log = true;
                let after = learner.sent;
                out.push(LeaderEffect::ReadLog { link, after, share: None });
            }
            return;
        }
        for (zxid, entry) in window.iter_after(learner.sent) {
            if learner.queued() >= bytes_max {
                return learner.mark(out);
            }
            let leader = named(&self.activations, zxid);
            send_late(learner, zxid, entry.clone(), leader, out);
        }
        if !learner.observer {
            let from = self.outstanding.partition_point(|(zxid, _)| *zxid <= learner.sent);
            for (zxid, entry) in self.outstanding.range(from..) {
                if learner.queued() >= bytes_max {
                    return learner.mark(out);
                }
                let packet = Packet::Proposal { zxid: *zxid, entry: entry.clone() };
                learner.propose(*zxid, packet, beat, out);
            }
        }
        learner.lags = false;
    }

    /// Those that are behind and wait neither for their link nor for a file: for the own disk.
    pub(super) fn catch_up_all(&mut self, window: &mut Window, out: &mut Vec<LeaderEffect>) {
        let lags = |l: &Learner| (l.lags && !l.awaits_log) || l.stage == Stage::Sending;
        let waits = |l: &&Learner| lags(l) && !l.is_marked();
        let waiting =
            self.learners.values().filter(waits).map(|learner| (learner.link, learner.lags));
        for (link, lags) in waiting.collect::<Vec<(Link, bool)>>() {
            match lags {
                true => self.catch_up(link, window, out),
                false => self.advance(link, window, out),
            }
        }
    }

    /// A piece of the log for a learner that lags, of which the end may be uncommitted.
    pub(super) fn late_chunk(
        &mut self,
        link: Link,
        chunk: LogChunk,
        window: &mut Window,
        out: &mut Vec<LeaderEffect>,
    ) {
        let committed = self.committed;
        let Some(learner) = self.learners.get_mut(&link).filter(|l| l.awaits_log) else { return };
        learner.awaits_log = false;
        let began_at = learner.sent;
        let goes_on = chunk.goes_on(began_at);
        for (zxid, entry) in chunk.following(began_at, committed) {
            let leader = named(&self.activations, zxid);
            send_late(learner, zxid, entry, leader, out);
        }
        let at = learner.sent;
        // What is in the window by now needs no log.
        if at > began_at || goes_on || window.floor(at).is_some() {
            return self.catch_up(link, window, out);
        }
        self.log_broken_at = self.log_broken_at.max(at);
        self.close(link, CloseReason::LogHasHole { at }, out);
    }

    /// Whom reconfigurations have named to lead: those that lag hear of it with the commit. Kept as
    /// long as one of them may lack it.
    pub(super) fn remember_activation(&mut self, at: Zxid, leader: ServerId) {
        let lagging = self.learners.values().filter(|l| l.lags).map(|l| l.sent);
        match lagging.min() {
            None => self.activations.clear(),
            Some(least) => {
                self.activations.retain(|(zxid, _)| *zxid > least);
                self.activations.push((at, leader));
            }
        }
    }
}

fn named(activations: &[(Zxid, ServerId)], zxid: Zxid) -> Option<ServerId> {
    activations.iter().find(|(at, _)| *at == zxid).map(|(_, leader)| *leader)
}

/// A transaction that is committed already.
fn send_late(
    learner: &mut Learner,
    zxid: Zxid,
    entry: Bytes,
    leader: Option<ServerId>,
    out: &mut Vec<LeaderEffect>,
) {
    learner.answer_syncs(|behind, _| behind < zxid, out);
    learner.sent = zxid;
    let commit = match (learner.observer, leader) {
        (true, None) => return learner.send(Packet::Inform { zxid, entry }, out),
        (true, Some(leader)) => {
            return learner.send(Packet::InformAndActivate { zxid, leader, entry }, out);
        }
        (false, None) => Packet::Commit { zxid },
        (false, Some(leader)) => Packet::CommitAndActivate { zxid, leader },
    };
    learner.send(Packet::Proposal { zxid, entry }, out);
    learner.send(commit, out);
}

impl LogChunk {
    /// Those of its entries that are committed and follow `after` without a hole: a hole in the log
    /// must not become one in a learner's history (ZOOKEEPER-4925, 5094).
    pub(super) fn following(
        self,
        after: Zxid,
        committed: Zxid,
    ) -> impl Iterator<Item = (Zxid, Bytes)> {
        let (mut last, mut is_whole) = (after, true);
        self.entries.into_iter().filter(move |(zxid, _)| {
            if !is_whole || *zxid <= last || *zxid > committed {
                return false;
            }
            is_whole = follows(*zxid, last);
            last = if is_whole { *zxid } else { last };
            is_whole
        })
    }

    /// The one it was asked to begin with may fill a piece alone.
    pub(super) fn goes_on(&self, after: Zxid) -> bool {
        let is_old = |(zxid, _): &(Zxid, Bytes)| *zxid <= after;
        self.end == LogEnd::More && self.entries.last().is_some_and(is_old)
    }
}
