//! Sessions: opened, resumed, left, expired; and the reaping of containers, which the same
//! clock drives.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use super::ensemble::Role;
use super::{Control, Origin, Stopping};
use crate::admin::listings::SessionLine;
use crate::codec::request::WriteOp;
use crate::prep::Requester;
use crate::roles::message::{LastHeard, Service, SessionsAsked, ToNetwork};
use crate::tree::ReapCursor;
use crate::types::{ConnRef, Millis, Owner, SessionId, WallMillis, Xid, limits};

impl Control {
    pub(super) fn open(&mut self, conn: ConnRef, timeout: i32, wall: WallMillis) {
        let local = self.client_rules().local_sessions;
        let (known, max) = (self.sessions.len(), self.settings.sessions_max);
        let known = known.max(self.durable_sessions.len());
        if known >= max {
            self.gauges.sessions_refused.add(1);
            tracing::debug!(known, max, "session refused: ringkeeper.sessions.max reached");
            return self.drop_connection(conn);
        }
        match self.service {
            Service::All if self.may_propose() => {}
            // Only sessions without a transaction can be made; Java answers what is no handshake.
            Service::Reads if local => {}
            Service::All | Service::Reads | Service::Off => return self.drop_connection(conn),
        }
        if local {
            return self.open_local(conn, timeout);
        }
        let session = self.unused_id();
        if self.learns() {
            return self.forward_session(session, timeout, Origin::Open { conn, session });
        }
        self.sessions.create(session, timeout, self.now);
        self.sessions.set_owner(session, conn.into());
        let pulse = Arc::new(LastHeard::default());
        pulse.touch(self.now);
        self.pulses.insert(session, pulse);
        let entry = self.prep.create_session(&self.tree, wall, session, timeout);
        self.propose(entry, Origin::Open { conn, session });
    }

    /// A clock that was set back may have given this server the ids of its last process.
    pub(super) fn unused_id(&mut self) -> SessionId {
        loop {
            let id = self.sessions.next_id();
            if !self.durable_sessions.contains_key(&id) {
                return id;
            }
        }
    }

    pub(super) fn session_opened(&mut self, conn: ConnRef, session: SessionId) {
        let timeout = match self.learns() {
            true => self.durable_sessions.get(&session).copied(),
            false => self.sessions.timeout_of(session),
        };
        match timeout {
            Some(timeout) if self.learns() => self.adopt_session(conn, session, timeout),
            Some(timeout) => self.session_ready(conn, session, timeout),
            // Expired before it was born: the log took longer than the timeout.
            None => self.session_gone(conn),
        }
    }

    /// The client may be told that it has its session.
    pub(super) fn session_ready(&mut self, conn: ConnRef, session: SessionId, timeout: i32) {
        // One that came with the last leader, or from a learner, has none here yet.
        let pulse = self.pulses.entry(session).or_default().clone();
        pulse.touch(self.now);
        let ready = ToNetwork::SessionReady {
            conn: conn.conn,
            session,
            timeout,
            local: self.sessions.is_local(session),
            pulse,
            zxid: self.tree.applied(),
        };
        self.send(conn, ready);
    }

    pub(super) fn session_gone(&mut self, conn: ConnRef) {
        let zxid = self.tree.applied();
        self.send(conn, ToNetwork::SessionGone { conn: conn.conn, zxid });
    }

    /// ZooKeeperServer.reopenSession: the password was right; is the session still alive?
    pub(super) fn resume(&mut self, conn: ConnRef, session: SessionId, timeout: i32) {
        let known = self.durable_sessions.contains_key(&session);
        // ReadOnlyZooKeeperServer.validateSession: who has a session of the ensemble must find it.
        if self.service == Service::Off || (self.service == Service::Reads && known) {
            return self.drop_connection(conn);
        }
        if self.learns() && !self.sessions.is_local(session) {
            return self.ask_revalidation(conn, session, timeout);
        }
        let zxid = self.tree.applied();
        let old = self.sessions.owner(session);
        if !self.sessions.reopen(session, timeout, self.now) {
            return self.reply_when_confirmed(Origin::Gone { conn });
        }
        if let Some(Owner::Conn(old)) = old.filter(|old| *old != conn.into()) {
            self.send(old, ToNetwork::Drop { conn: old.conn, zxid });
        }
        self.sessions.set_owner(session, conn.into());
        self.session_ready(conn, session, timeout);
    }

    /// Whether any session may end here for want of a sign of life: on a learner, its own.
    pub(super) fn lets_expire(&self) -> bool {
        match self.service {
            Service::All => self.learns() || self.decides(),
            Service::Reads => true,
            Service::Off => false,
        }
    }

    /// Sessions whose bucket is due are asked for their pulse; those without one since then end
    /// by a committed transaction (I12), unless they are this server's alone.
    pub(super) fn expire(&mut self, now: Millis, wall: WallMillis) {
        if let Some(line) = self.expired.settle(now) {
            tracing::info!("{line}");
        }
        let Some(due) = self.sessions.next_due().filter(|due| *due <= now) else { return };
        if !self.lets_expire() || self.stopping != Stopping::No {
            return;
        }
        // Those that an earlier turn has left, or had no room for, are not late.
        let due = self.expiring.take().map_or(due, |left| left.max(due));
        if !self.has_room() {
            self.expiring = Some(now);
            return;
        }
        // A deadline missed by a tick or more means that this process was paused, not that its clients were silent (a stopped process, a machine that was moved). Its
        // clients have waited; they may have words on their way, or be about to connect again.
        if now.0 - due.0 >= self.settings.tick_time {
            tracing::warn!(
                ms = now.0 - due.0,
                "process was paused: session expiry delayed by one tick"
            );
            return self.sessions.spare(now);
        }
        let pulses = &self.pulses;
        let most = limits::TURN_EXPIRED;
        let due = self.sessions.due_unless_heard(now, most, |session| {
            let pulse = pulses.get(&session).filter(|_| !crate::mutants::on("touch-lost"));
            pulse.map(|pulse| pulse.last())
        });
        self.expiring = self.sessions.next_due().filter(|due| *due <= now).map(|_| now);
        for session in due {
            if let Some(line) = self.expired.note(now, || format!("session {session} expired")) {
                tracing::info!("{line}");
            }
            if crate::mutants::on("expired-without-txn") {
                self.sessions.remove(session);
            } else if self.sessions.is_local(session) {
                self.expire_local(session);
            } else {
                let entry = self.prep.close_session(&self.tree, wall, session, 0);
                self.propose(entry, Origin::Close { conn: None });
            }
        }
    }

    /// ZooKeeperServer.dumpMonitorValues: the ensemble's sessions, and this server's own.
    pub(super) fn count_sessions(&self) {
        let global = match self.ensemble {
            Some(_) => self.durable_sessions.len(),
            None => self.sessions.len(),
        };
        self.gauges.sessions.set(global as i64);
        self.gauges.local_sessions.set(self.sessions.locals() as i64);
    }

    /// A slice of the sessions, for the clerk: those of the ensemble, and those of this server's
    /// clients, some of which are both.
    pub(super) fn tell_sessions(&self, ask: &SessionsAsked) {
        let range = (ask.after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let known = self.durable_sessions.range(range).take(ask.max).map(|(id, _)| *id);
        let own = self.pulses.range(range).take(ask.max).map(|(id, _)| *id);
        let ids: BTreeSet<SessionId> = known.chain(own).collect();
        let lines = ids.into_iter().take(ask.max).map(|id| self.session_line(id)).collect();
        // The clerk may have lost patience.
        let _ = ask.answer.send(lines);
    }

    fn session_line(&self, session: SessionId) -> SessionLine {
        let local = self.sessions.is_local(session);
        let heard = self.pulses.get(&session).map(|pulse| pulse.last());
        let durable = self.durable_sessions.get(&session).copied();
        let timeout = durable.or_else(|| self.sessions.timeout_of(session)).unwrap_or(0);
        // What a learner keeps of the ensemble's sessions is not what decides about them.
        let decides = local || matches!(self.role, Role::Alone | Role::Leading(_));
        let expires =
            self.sessions.expiry_of(session, heard.unwrap_or(Millis(0))).filter(|_| decides);
        SessionLine { session, timeout, local, expires, heard }
    }

    /// ContainerManager: empty containers and outlived TTL nodes are deleted by the server itself. A
    /// check is made in slices, one a millisecond at most: it is never what a request waits for,
    /// however many such nodes there are.
    pub(super) fn reap(&mut self, now: Millis, wall: WallMillis) {
        if !self.decides() || self.stopping != Stopping::No {
            self.check = None;
            return;
        }
        let check = match self.check.take() {
            Some(check) => check,
            None if now < self.next_container_check => return,
            None => {
                self.next_container_check = now + self.settings.container_check_ms;
                let left = self.settings.container_max_per_minute;
                Check { cursor: ReapCursor::start(), left, next: now }
            }
        };
        if now < check.next {
            self.check = Some(check);
            return;
        }
        let never_used_ms = self.settings.container_never_used_ms;
        let (found, cursor) =
            self.tree.reap_candidates(check.cursor, wall, never_used_ms, check.left);
        let left = check.left - found.len();
        self.check = cursor.map(|cursor| Check { cursor, left, next: now + 1 });
        for path in found {
            // Sessions that remain are found again.
            if !self.has_room() {
                break;
            }
            let requester =
                Requester { session: SessionId(0), xid: Xid(0), from: None, identities: &[] };
            let op = WriteOp::DeleteContainer { path: Some(path) };
            let entry = self.prep.write(&self.tree, &self.sessions, wall, &requester, &op);
            self.propose(entry, Origin::Server);
        }
    }

    /// When containers are looked at next.
    pub(super) fn next_check(&self) -> Millis {
        self.check.as_ref().map_or(self.next_container_check, |check| check.next)
    }
}

/// A check of containers and TTL nodes under way.
pub(super) struct Check {
    cursor: ReapCursor,
    /// How many may still be removed.
    left: usize,
    /// When the next slice is due.
    next: Millis,
}
