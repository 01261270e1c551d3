//! Whether a quorum still follows, asked before something is said that another leader may know
//! better by now: that nothing newer is committed (client sync), that a session is not there.
//!
//! A learner answers a ping with the ping's own zxid, whatever it is (Learner.ping). Pings that ask
//! carry the number of their round there, as a negative number, which no transaction has. A follower
//! that answers had promised nothing to a newer leader when the round began, so with a quorum of
//! answers no newer leader had committed anything by then. A commit tells the same of everything
//! that came before its proposal was made. Java's leader asks nobody.

use std::collections::VecDeque;

use super::LeaderEffect;
use super::core::{Leader, Phase};
use crate::codec::quorum::Packet;
use crate::mutants::{self, Mutant};
use crate::types::Zxid;

#[derive(Debug, Default)]
pub(super) struct ReadIndex {
    /// The newest round that is wanted, that was begun, that a quorum has answered.
    wanted: u64,
    begun: u64,
    done: u64,
    /// This server's own questions: the round of each, and how many were answered before.
    own: VecDeque<u64>,
    answered: u64,
}

impl ReadIndex {
    /// The round whose end answers what is asked now: not the one under way.
    pub(super) fn ask(&mut self) -> u64 {
        self.wanted = self.begun + 1;
        self.wanted
    }

    pub(super) fn ask_for_own(&mut self) {
        let round = self.ask();
        self.own.push_back(round);
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// The zxid of pings as long as a round is under way: a learner that came late may decide it.
    pub(super) fn ping(&self) -> Option<Zxid> {
        (self.begun > self.done).then(|| zxid_of(self.begun))
    }
}

fn zxid_of(round: u64) -> Zxid {
    Zxid(-1 - round as i64)
}

/// The round that a ping's answer answers; 0: none.
pub(super) fn round_of(zxid: Zxid) -> u64 {
    if zxid.0 < -1 { (-1 - zxid.0) as u64 } else { 0 }
}

impl Leader {
    /// Once a turn: answers what a quorum has made certain, and asks for what is new.
    pub(super) fn resolve_reads(&mut self, out: &mut Vec<LeaderEffect>) {
        if self.phase != Phase::Broadcast {
            return;
        }
        let before = self.read_index.done;
        loop {
            let ReadIndex { wanted, begun, done, .. } = self.read_index;
            if begun > done {
                let alone = mutants::on(Mutant::DeposedLeaderAnswers);
                if !alone && !self.is_quorum(|learner| learner.certain >= begun) {
                    break;
                }
                self.read_index.done = begun;
            } else if wanted > begun {
                self.read_index.begun = wanted;
                for learner in self.learners.values_mut() {
                    if learner.is_live() && !learner.observer {
                        learner.send(Packet::Ping { zxid: zxid_of(wanted), touches: None }, out);
                    }
                }
            } else {
                break;
            }
        }
        if self.read_index.done > before {
            self.tell_confirmed(out);
        }
    }

    fn tell_confirmed(&mut self, out: &mut Vec<LeaderEffect>) {
        let (done, committed) = (self.read_index.done, self.committed);
        for learner in self.learners.values_mut() {
            learner.answer_settled_syncs(committed, done, out);
        }
        let count = self.read_index.own.partition_point(|round| *round <= done);
        if count > 0 {
            self.read_index.own.drain(..count);
            self.read_index.answered += count as u64;
            out.push(LeaderEffect::Confirmed { count: self.read_index.answered });
        }
    }
}
