//! Sessions: opened, resumed, expired, shown.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::mpsc;

use super::origin::{Origin, PendingReply};
use super::role::Server;
use super::session_state::SessionState;
use super::{Control, Stopping};
use crate::admin::listings::{ObserverLine, SessionLine};
use crate::mutants::{self, Mutant};
use crate::roles::message::{Service, SessionsAsked};
use crate::types::{ConnRef, Millis, Owner, SessionId, limits};

impl Control {
    pub(super) fn open(&mut self, conn: ConnRef, timeout: i32) {
        let local = self.client_rules().local_sessions;
        let (known, max) = (self.base.sessions.table.len(), self.base.settings.sessions_max);
        let known = known.max(self.base.sessions.durable.len());
        if known >= max {
            self.base.gauges.sessions_refused.add(1);
            tracing::debug!(known, max, "session refused: ringkeeper.sessions.max reached");
            return self.base.pipeline.drop_connection(conn);
        }
        match self.base.service {
            Service::All if self.may_propose() => {}
            // Only sessions without a transaction can be made; Java answers what is no handshake.
            Service::Reads if local => {}
            Service::All | Service::Reads | Service::Off => {
                return self.base.pipeline.drop_connection(conn);
            }
        }
        if local {
            return self.base.open_local(conn, timeout);
        }
        let session = self.base.sessions.unused_id();
        if !self.server.learns() {
            let now = self.base.now;
            self.base.sessions.table.create(session, timeout, now);
            self.base.sessions.table.set_owner(session, conn.into());
            self.base.sessions.hear(session, now);
        }
        self.begin_session(session, timeout, Origin::Open { conn, session });
    }

    /// By a transaction of this server's, or of its leader's.
    pub(super) fn begin_session(&mut self, session: SessionId, timeout: i32, origin: Origin) {
        if let Server::Ensemble(ensemble) = &mut self.server
            && ensemble.learns()
        {
            return ensemble.forward_session(&mut self.base, session, timeout, origin);
        }
        let entry = self.base.create_session(session, timeout);
        self.propose(entry, origin);
    }

    pub(super) fn session_opened(&mut self, conn: ConnRef, session: SessionId) {
        let learns = self.server.learns();
        let timeout = match learns {
            true => self.base.sessions.durable.get(&session).copied(),
            false => self.base.sessions.table.timeout_of(session),
        };
        match timeout {
            Some(timeout) if learns => self.base.adopt_session(conn, session, timeout),
            Some(timeout) => self.base.session_ready(conn, session, timeout),
            // Expired before it was born: the log took longer than the timeout.
            None => self.base.session_gone(conn),
        }
    }

    /// ZooKeeperServer.reopenSession: the password was right; is the session still alive?
    pub(super) fn resume(&mut self, conn: ConnRef, session: SessionId, timeout: i32) {
        let known = self.base.sessions.durable.contains_key(&session);
        // ReadOnlyZooKeeperServer.validateSession: who has a session of the ensemble must find it.
        if self.base.service == Service::Off || (self.base.service == Service::Reads && known) {
            return self.base.pipeline.drop_connection(conn);
        }
        let table = &mut self.base.sessions.table;
        if let Server::Ensemble(ensemble) = &mut self.server
            && ensemble.learns()
            && !table.is_local(session)
        {
            return ensemble.ask_revalidation(conn, session, timeout);
        }
        let old = table.owner(session);
        if !table.reopen(session, timeout, self.base.now) {
            return self.reply_when_confirmed(PendingReply::SessionGone { conn });
        }
        if let Some(Owner::Conn(old)) = old.filter(|old| *old != conn.into()) {
            self.base.pipeline.drop_connection(old);
        }
        self.base.sessions.table.set_owner(session, conn.into());
        self.base.session_ready(conn, session, timeout);
    }

    /// Whether any session may end here for want of a sign of life: on a learner, its own.
    pub(super) fn lets_expire(&self) -> bool {
        match self.base.service {
            Service::All => self.server.learns() || self.decides(),
            Service::Reads => true,
            Service::Off => false,
        }
    }

    /// Sessions whose bucket is due are asked for their pulse; those without one since then end
    /// by a committed transaction (I12), unless they are this server's alone.
    pub(super) fn expire(&mut self) {
        let now = self.base.now;
        if let Some(line) = self.base.sessions.refused.settle(now) {
            tracing::warn!("{line}");
        }
        if let Some(line) = self.base.sessions.expired.settle(now) {
            tracing::info!("{line}");
        }
        let due = self.base.sessions.table.next_due().filter(|due| *due <= now);
        let Some(due) = due else { return };
        if !self.lets_expire() || self.base.stopping != Stopping::No {
            return;
        }
        // Those that an earlier turn has left, or had no room for, are not late.
        let due = self.base.sessions.expiring.take().map_or(due, |left| left.max(due));
        if !self.has_room() {
            self.base.sessions.expiring = Some(now);
            return;
        }
        // A deadline missed by a tick or more means that this process was paused, not that its clients
        // were silent (a stopped process, a machine that was moved). They have waited; they may have
        // words on their way, or be about to connect again.
        if now.0 - due.0 >= self.base.settings.tick_time {
            tracing::warn!(
                ms = now.0 - due.0,
                "process was paused: session expiry delayed by one tick"
            );
            return self.base.sessions.table.spare(now);
        }
        for session in self.base.sessions.take_due(now, limits::TURN_EXPIRED) {
            let line = || format!("session {session} expired");
            if let Some(line) = self.base.sessions.expired.note(now, line) {
                tracing::info!("{line}");
            }
            if mutants::on(Mutant::ExpiredWithoutTxn) {
                self.base.sessions.table.remove(session);
            } else if self.base.sessions.table.is_local(session) {
                self.base.expire_local(session);
            } else {
                let entry = self.base.close_session(session, 0);
                self.propose(entry, Origin::Close { conn: None });
            }
        }
    }

    /// ZooKeeperServer.dumpMonitorValues: the ensemble's sessions, and this server's own.
    pub(super) fn count_sessions(&self) {
        let global = match self.server {
            Server::Ensemble(_) => self.base.sessions.durable.len(),
            Server::Alone(_) => self.base.sessions.table.len(),
        };
        self.base.gauges.sessions.set(global as i64);
        self.base.gauges.local_sessions.set(self.base.sessions.table.locals() as i64);
    }

    /// A slice of the sessions, for whoever lists them: those of the ensemble, and those of this server's
    /// clients, some of which are both.
    pub(super) fn tell_sessions(&self, ask: &SessionsAsked) {
        let range = (ask.after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let known = self.base.sessions.durable.range(range).take(ask.max).map(|(id, _)| *id);
        let own = self.base.sessions.heard.range(range).take(ask.max).map(|(id, _)| *id);
        let ids: BTreeSet<SessionId> = known.chain(own).collect();
        let lines = ids.into_iter().take(ask.max).map(|id| self.session_line(id)).collect();
        // Whoever asked may have given up.
        let _ = ask.answer.send(lines);
    }

    /// What a leader knows of its observers.
    pub(super) fn tell_observers(&self, answer: &mpsc::Sender<Vec<ObserverLine>>) {
        let observers = match &self.server {
            Server::Alone(_) => Vec::new(),
            Server::Ensemble(ensemble) => ensemble.observers(),
        };
        // Whoever asked may have given up.
        let _ = answer.send(observers);
    }

    fn session_line(&self, session: SessionId) -> SessionLine {
        let SessionState { table, durable, heard, .. } = &self.base.sessions;
        let local = table.is_local(session);
        let heard = heard.get(&session).map(|pulse| pulse.last());
        let durable = durable.get(&session).copied();
        let timeout = durable.or_else(|| table.timeout_of(session)).unwrap_or(0);
        // What a learner keeps of the ensemble's sessions is not what decides about them.
        let decides = local || self.server.makes_transactions();
        let expires = table.expiry_of(session, heard.unwrap_or(Millis(0))).filter(|_| decides);
        SessionLine { session, timeout, local, expires, heard }
    }
}
