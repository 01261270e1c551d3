//! Sessions: opened, resumed, left, expired; and the reaping of containers, which the same
//! clock drives.

use std::ops::Bound;
use std::sync::Arc;

use super::{Control, Origin, Stopping};
use crate::admin::listings::SessionLine;
use crate::codec::request::WriteOp;
use crate::node::message::{Pulse, SessionsAsked, ToNetwork};
use crate::prep::Asker;
use crate::types::{ConnRef, Millis, Owner, SessionId, WallMillis, Xid, Zxid};

impl Control {
    pub(super) fn open(&mut self, conn: ConnRef, timeout: i32, now: Millis, wall: WallMillis) {
        if !self.serving || !self.may_propose() {
            return self.drop_connection(conn);
        }
        if self.learns() {
            return self.forward_open(conn, timeout);
        }
        let session = self.sessions.next_id();
        self.sessions.create(session, timeout, now);
        self.sessions.set_owner(session, conn.into());
        let pulse = Arc::new(Pulse::default());
        pulse.beat(now);
        self.pulses.insert(session, pulse);
        let entry = self.prep.create_session(&self.tree, wall, session, timeout);
        self.propose(entry, Origin::Open { conn, session });
    }

    pub(super) fn session_opened(
        &mut self,
        conn: ConnRef,
        session: SessionId,
        zxid: Zxid,
        now: Millis,
    ) {
        if self.learns() {
            let timeout = self.durable_sessions.get(&session).copied();
            return match timeout {
                Some(timeout) => self.adopt_session(conn, session, timeout),
                None => self.send(conn, ToNetwork::SessionGone { conn: conn.conn, zxid }),
            };
        }
        let timeout = self.sessions.timeout_of(session);
        match (timeout, self.pulses.get(&session)) {
            (Some(timeout), Some(pulse)) => {
                pulse.beat(now);
                let pulse = pulse.clone();
                let conn_id = conn.conn;
                self.send(
                    conn,
                    ToNetwork::SessionReady { conn: conn_id, session, timeout, pulse, zxid },
                );
            }
            // Expired before it was born: the log took longer than the timeout.
            _ => self.send(conn, ToNetwork::SessionGone { conn: conn.conn, zxid }),
        }
    }

    /// ZooKeeperServer.reopenSession: the password was right; is the session still alive?
    pub(super) fn resume(&mut self, conn: ConnRef, session: SessionId, timeout: i32, now: Millis) {
        if !self.serving {
            return self.drop_connection(conn);
        }
        if self.learns() {
            return self.ask_revalidation(conn, session, timeout);
        }
        let zxid = self.tree.applied();
        let old = self.sessions.owner(session);
        let reopened = self.sessions.reopen(session, timeout, now);
        if !reopened {
            return self.send(conn, ToNetwork::SessionGone { conn: conn.conn, zxid });
        }
        // One that came with the last leader, or from a learner, has none here yet.
        let pulse = self.pulses.entry(session).or_default().clone();
        if let Some(Owner::Conn(old)) = old.filter(|old| *old != conn.into()) {
            self.send(old, ToNetwork::Drop { conn: old.conn, zxid });
        }
        self.sessions.set_owner(session, conn.into());
        pulse.beat(now);
        let conn_id = conn.conn;
        self.send(conn, ToNetwork::SessionReady { conn: conn_id, session, timeout, pulse, zxid });
    }

    /// Sessions whose bucket is due are asked for their pulse; those without one since then end
    /// by a committed transaction (I12).
    pub(super) fn expire(&mut self, now: Millis, wall: WallMillis) {
        let idle = self.sessions.next_due().is_none_or(|due| due > now);
        if idle || !self.decides() || self.stopping != Stopping::No {
            return;
        }
        let pulses = &self.pulses;
        let due = self
            .sessions
            .due_unless_heard(now, |session| pulses.get(&session).map(|pulse| pulse.last()));
        for session in due {
            tracing::info!(%session, "session expired");
            let entry = self.prep.close_session(&self.tree, wall, session, 0);
            self.propose(entry, Origin::Close { conn: None });
        }
    }

    /// A slice of the sessions, for the clerk.
    pub(super) fn tell_sessions(&self, ask: &SessionsAsked) {
        let after = ask.after.map_or(Bound::Unbounded, Bound::Excluded);
        let slice = self.pulses.range((after, Bound::Unbounded)).take(ask.max);
        let lines = slice
            .map(|(session, pulse)| {
                let heard = pulse.last();
                let expires = self.sessions.expiry_of(*session, heard).unwrap_or(heard);
                SessionLine { session: *session, expires, heard }
            })
            .collect();
        // The clerk may have lost patience.
        let _ = ask.answer.send(lines);
    }

    /// ContainerManager: empty containers and outlived TTL nodes are deleted by the server itself.
    pub(super) fn reap(&mut self, now: Millis, wall: WallMillis) {
        if now < self.next_container_check || !self.decides() || self.stopping != Stopping::No {
            return;
        }
        self.next_container_check = now + self.settings.container_check_ms;
        let candidates = self.tree.reap_candidates(
            wall,
            self.settings.container_never_used_ms,
            self.settings.container_max_per_minute,
        );
        for path in candidates {
            let asker = Asker { session: SessionId(0), xid: Xid(0), from: None, identities: &[] };
            let op = WriteOp::DeleteContainer { path: Some(path) };
            let entry = self.prep.write(&self.tree, &self.sessions, wall, &asker, &op);
            self.propose(entry, Origin::Server);
        }
    }
}
