//! Who has a session, by the transactions and by the signs of life.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::mutants::{self, Mutant};
use crate::roles::message::LastHeard;
use crate::roles::quiet::Quiet;
use crate::session::Sessions;
use crate::types::{Millis, SessionId};

pub(super) struct SessionState {
    /// Those that this server decides about, or reports to its leader.
    pub table: Sessions,
    /// As the applied transactions have them: what a snapshot holds. Timeouts in ms.
    pub durable: BTreeMap<SessionId, i32>,
    /// When the clients of this server were heard last.
    pub heard: BTreeMap<SessionId, Arc<LastHeard>>,
    /// Lines of sessions that have expired.
    pub expired: Quiet,
    /// And of requests that learners passed on and that are refused as they stand: their clients may send
    /// as many as they like.
    pub refused: Quiet,
    /// When expired sessions were looked at last, and some were left for the next turn.
    pub expiring: Option<Millis>,
    /// Sessions whose ephemerals nobody owns, to be closed.
    pub lost: VecDeque<SessionId>,
}

impl SessionState {
    pub(super) fn new(table: Sessions, durable: BTreeMap<SessionId, i32>) -> SessionState {
        SessionState {
            table,
            durable,
            heard: BTreeMap::new(),
            expired: Quiet::default(),
            refused: Quiet::default(),
            expiring: None,
            lost: VecDeque::new(),
        }
    }

    /// Nobody is served any more, or not by the same leader.
    pub(super) fn forget_all(&mut self) {
        self.table.clear();
        self.heard.clear();
    }

    pub(super) fn remove(&mut self, session: SessionId) {
        self.table.remove(session);
        self.heard.remove(&session);
    }

    /// Every durable session gets its full timeout: its client must find this server, or this
    /// ensemble, first (I12).
    pub(super) fn track_durable(&mut self, now: Millis) {
        for (session, timeout) in &self.durable {
            self.table.create(*session, *timeout, now);
        }
    }

    /// The client of this session has been heard of now.
    pub(super) fn hear(&mut self, session: SessionId, now: Millis) {
        let pulse = Arc::new(LastHeard::default());
        pulse.touch(now);
        self.heard.insert(session, pulse);
    }

    /// No more than so many of those whose time is up, and of whom nothing was heard since.
    pub(super) fn take_due(&mut self, now: Millis, most: usize) -> Vec<SessionId> {
        let heard = &self.heard;
        let due = self.table.due_unless_heard(now, most, |session| {
            let pulse = heard.get(&session).filter(|_| !mutants::on(Mutant::TouchLost));
            pulse.map(|pulse| pulse.last())
        });
        self.expiring = self.table.next_due().filter(|due| *due <= now).map(|_| now);
        due
    }

    /// A clock that was set back may have given this server the ids of its last process.
    pub(super) fn unused_id(&mut self) -> SessionId {
        loop {
            let id = self.table.next_id();
            if !self.durable.contains_key(&id) {
                return id;
            }
        }
    }
}
