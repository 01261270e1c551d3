//! The largest transaction that every member of the ensemble can read.
//!
//! A server refuses what is longer than its `jute.maxbuffer` allows, and a member that has refused
//! a transaction is out of the ensemble until somebody raises its limit. So members tell their
//! limits where they introduce themselves, and the least of them bounds what is proposed. A member
//! that has told nothing, ZooKeeper's, is taken to have ZooKeeper's default unless this server was
//! told otherwise. A member that has not been heard of in this reign does not count: nobody knows
//! what it reads, and one server that is away for good must not set the bound of the others.
//!
//! Only whose acknowledgements count is believed: up to NEWLEADER's anybody may have introduced himself
//! as anybody, and could keep everybody from long writes for as long as this leader reigns.

use std::collections::BTreeMap;

use super::core::Leader;
use super::learner::Learner;
use crate::types::{ServerId, limits};

/// What the servers of an ensemble read, in bytes of one record field: `jute.maxbuffer` and its
/// extra size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readers {
    /// This server.
    pub own: usize,
    /// What a server that tells nothing is taken to read.
    pub unknown: usize,
}

impl Default for Readers {
    fn default() -> Readers {
        Readers { own: limits::READ_DEFAULT, unknown: limits::READ_DEFAULT }
    }
}

impl Readers {
    /// What another server reads that has told this. No server that works reads less than the
    /// least: a lower number would keep everybody from writing.
    pub fn of(self, reads: Option<usize>) -> usize {
        reads.unwrap_or(self.unknown).max(limits::READ_LEAST)
    }
}

/// The limits of members that have been here in this reign.
#[derive(Debug, Default)]
pub(super) struct Heard {
    limits: BTreeMap<ServerId, usize>,
    /// The least of them, and whose it is.
    least: Option<(usize, ServerId)>,
}

impl Leader {
    /// The largest entry that may be proposed, in bytes.
    pub fn readable(&self) -> usize {
        let own = self.parts.readers.own;
        self.heard.least.map_or(own, |(least, _)| least.min(own))
    }

    /// The member that reads least, if that is less than this server does.
    pub fn least_reader(&self) -> Option<ServerId> {
        self.heard.least.filter(|(least, _)| *least < self.parts.readers.own).map(|(_, id)| id)
    }

    /// A learner has acknowledged NEWLEADER, or the members are others.
    pub(super) fn count_readers(&mut self) {
        let electorate = &self.parts.electorate;
        let is_member = |server: ServerId| {
            let mut configurations = std::iter::once(&electorate.committed).chain(&electorate.next);
            configurations.any(|members| members.get(server).is_some())
        };
        let live = self.learners.values().filter(|learner| learner.has_acked());
        let limit = |l: &Learner| Some((l.server?, self.parts.readers.of(l.reads)));
        self.heard.limits.extend(live.filter_map(limit));
        self.heard.limits.retain(|server, _| is_member(*server));
        self.heard.least = self.heard.limits.iter().map(|(id, limit)| (*limit, *id)).min();
    }
}
