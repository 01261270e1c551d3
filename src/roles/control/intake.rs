//! What is begun with in a turn, and what has to wait.
//!
//! The log's word, other servers and the threads beside are heard in every turn: they are what makes
//! room. Requests of clients are begun with as long as there is room for what follows from them;
//! then they wait here, each sender's for itself ([`super::fair`]), and their clients' sockets are not
//! read once enough of them do (`network::frames`). Nothing that is full ends a role or a connection (I9).

use super::Control;
use super::base::Base;
use super::ensemble::Ensemble;
use super::role::{Role, Server};
use crate::roles::message::ToControl;
use crate::roles::peer_message::PeerCommand;
use crate::types::{ConnRef, SessionId, limits};

/// Whose requests keep their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum RequestSource {
    Session(SessionId),
    /// It has no session yet.
    Connection(ConnRef),
}

impl Control {
    pub(super) fn take_mail(&mut self) {
        self.base.budget.bytes = limits::TURN_BYTES;
        self.base.budget.begin_step();
        while !self.waiting.is_empty() && self.takes_requests() {
            let Some(message) = self.waiting.pop() else { break };
            let before = self.base.budget.work;
            self.take(message);
            self.waiting.charge((self.base.budget.work - before) as u64);
        }
        self.inbox.drain_into(&mut self.pending);
        while let Some(message) = self.pending.pop_front() {
            // Nobody's overtake their own: a session's end its writes.
            match source(&message) {
                Some(source) if !self.waiting.is_empty() || !self.takes_requests() => {
                    self.waiting.push(source, message);
                }
                Some(_) | None => self.take(message),
            }
        }
    }

    fn takes_requests(&self) -> bool {
        let goes_on = self.base.budget.bytes > 0 && self.base.budget.may_go_on();
        goes_on && self.base.pipeline.outlets_have_room() && self.has_room()
    }

    /// Whether a turn would begin with a request that has waited.
    pub(super) fn has_requests(&self) -> bool {
        let lost = !self.base.sessions.lost.is_empty() && self.may_propose();
        let waits = !self.waiting.is_empty() || lost;
        let goes_on = waits && !self.is_behind_last_record();
        goes_on && self.base.pipeline.outlets_have_room() && self.has_room()
    }

    /// Whether there is room for what another request brings: in the own log, and with those who
    /// have to agree. Whoever proposes asks before, and comes again.
    pub(super) fn has_room(&self) -> bool {
        match &self.server {
            Server::Alone(_) => !self.base.pipeline.log_is_full(),
            Server::Ensemble(ensemble) => ensemble.has_room(&self.base),
        }
    }
}

impl Ensemble {
    pub(super) fn has_room(&self, base: &Base) -> bool {
        match &self.role {
            Role::Leading(leading) => {
                let has_room = leading.leader.has_room() || !leading.leader.accepts();
                has_room && !base.pipeline.log_is_full()
            }
            Role::Learning(learning) => learning.has_room(),
            // Nothing becomes of them here.
            Role::Settling | Role::Looking => true,
        }
    }

    /// A learner takes no more from its leader than its own log can follow: the rest waits with the
    /// leader, where it is kept anyway. What is agreed plays no part: the commits that make room
    /// come by the same link.
    pub(super) fn pace_leader(&mut self, log_is_full: bool) {
        if let Role::Learning(learning) = &mut self.role
            && learning.log_is_full != log_is_full
        {
            learning.log_is_full = log_is_full;
            self.read_leader();
        }
    }

    /// Whether the leader's link is read: neither the log nor what is held for the disk is too much.
    pub(super) fn read_leader(&mut self) {
        if let Role::Learning(learning) = &self.role
            && let Some(link) = learning.link
        {
            let on = !learning.log_is_full && !learning.holds_much;
            self.command(PeerCommand::Reading { link, on });
        }
    }
}

/// Who sends a request; `None`: it is none.
fn source(message: &ToControl) -> Option<RequestSource> {
    match message {
        ToControl::Open { conn, .. } => Some(RequestSource::Connection(*conn)),
        ToControl::Resume { session, .. }
        | ToControl::Write { session, .. }
        | ToControl::Sync { session, .. }
        | ToControl::Close { session, .. } => Some(RequestSource::Session(*session)),
        ToControl::Snapshot
        | ToControl::Log(_)
        | ToControl::SnapshotDone
        | ToControl::HistoryChanged(_)
        | ToControl::TellSessions(_)
        | ToControl::TellObservers(_)
        | ToControl::Probe(_)
        | ToControl::Confirm(_)
        | ToControl::TakeSnapshot(_)
        | ToControl::LogRead { .. }
        | ToControl::SnapshotPiece { .. }
        | ToControl::Stop => None,
    }
}
