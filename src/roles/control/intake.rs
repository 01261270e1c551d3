//! What is begun with in a turn, and what has to wait.
//!
//! The log's word, other servers and the threads beside are heard in every turn: they are what makes
//! room. Requests of clients are begun with as long as there is room for what follows from them;
//! then they wait here, and their clients' sockets are not read once enough of them do
//! (`network::frames`). Nothing that is full ends a role or a connection (I9).

use super::Control;
use super::ensemble::Role;
use crate::roles::message::ToControl;
use crate::roles::peer_message::PeerCommand;
use crate::types::limits;

impl Control {
    pub(super) fn take_mail(&mut self) {
        self.turn_bytes = limits::TURN_BYTES;
        self.begin_step();
        let (now, wall) = (self.now, self.wall);
        while let Some(message) = self.next_request() {
            self.take(message, now, wall);
        }
        self.inbox.drain_into(&mut self.pending);
        while let Some(message) = self.pending.pop_front() {
            // In the order in which they came: a session's end must not overtake its writes.
            if is_request(&message) && (!self.waiting.is_empty() || !self.takes_requests()) {
                self.waiting.push_back(message);
            } else {
                self.take(message, now, wall);
            }
        }
    }

    fn next_request(&mut self) -> Option<ToControl> {
        if self.waiting.is_empty() || !self.takes_requests() {
            return None;
        }
        self.waiting.pop_front()
    }

    fn takes_requests(&self) -> bool {
        let goes_on = self.turn_bytes > 0 && self.may_go_on();
        goes_on && self.outlets_have_room() && self.has_room()
    }

    /// Whether a turn would begin with a request that has waited.
    pub(super) fn has_requests(&self) -> bool {
        let lost = !self.lost_sessions.is_empty() && self.may_propose();
        let waits = !self.waiting.is_empty() || lost;
        waits && self.outlets_have_room() && self.has_room()
    }

    /// Whether there is room for what another request brings: in the own log, and with those who
    /// have to agree. Whoever proposes asks before, and comes again.
    pub(super) fn has_room(&self) -> bool {
        let log_has_room = self.line.bytes_not_durable() < limits::LOG_WAITING_BYTES;
        match &self.role {
            Role::Leading(leading) => {
                log_has_room && (leading.leader.has_room() || !leading.leader.accepts())
            }
            Role::Learning(learning) => learning.has_room(),
            Role::Alone => log_has_room,
            // Nothing becomes of them here.
            Role::Settling | Role::Looking => true,
        }
    }

    /// A learner takes no more from its leader than its own log can follow: the rest waits with the
    /// leader, where it is kept anyway. What is agreed plays no part: the commits that make room
    /// come by the same link.
    pub(super) fn pace_leader(&mut self) {
        let is_full = self.line.bytes_not_durable() >= limits::LOG_WAITING_BYTES;
        if let Role::Learning(learning) = &mut self.role
            && learning.log_is_full != is_full
        {
            learning.log_is_full = is_full;
            self.read_leader();
        }
    }

    /// Whether the leader's link is read: neither the log nor what is held for the disk is too much.
    pub(super) fn read_leader(&mut self) {
        if let Role::Learning(learning) = &mut self.role
            && let Some(link) = learning.link
        {
            let on = !learning.log_is_full && !learning.holds_much;
            self.command(PeerCommand::Reading { link, on });
        }
    }
}

fn is_request(message: &ToControl) -> bool {
    matches!(
        message,
        ToControl::Open { .. }
            | ToControl::Resume { .. }
            | ToControl::Write { .. }
            | ToControl::Sync { .. }
            | ToControl::Close { .. }
    )
}
