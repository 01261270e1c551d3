//! The handshake: from a connect request to a live session, or a refusal.

use std::sync::Arc;

use super::throttles::Wanted;
use super::{NetworkRole, Stage, Transport};
use crate::acl;
use crate::codec::password;
use crate::codec::reply::{self, ConnectResponse};
use crate::codec::request::{ConnectRequest, opcode};
use crate::mutants::{self, Mutant};
use crate::net::How;
use crate::roles::message::{LastHeard, Service, ToControl};
use crate::types::{ConnId, SessionId, Zxid};

impl<N: Transport> NetworkRole<N> {
    /// ZooKeeperServer.processConnectRequest.
    pub(super) fn connect(&mut self, conn: ConnId, request: ConnectRequest) {
        self.gauges.received.add(1);
        if !self.may_begin(conn, request.session) {
            self.gauges.connections_rejected.add(1);
            return self.close(conn, How::Now);
        }
        self.gauges.connection_requests.add(1);
        match self.service {
            Service::All => {}
            // ReadOnlyZooKeeperServer has nothing to say to those that may want to write.
            Service::Reads if request.read_only == Some(true) => {}
            Service::Reads | Service::Off => return self.close(conn, How::Now),
        }
        if request.last_zxid_seen > self.known_upto() && !mutants::on(Mutant::ClientAheadServed) {
            // The client has seen more than we hold: it must find another server (I8).
            let (seen, peer) = (request.last_zxid_seen, self.clients.look(conn).map(|c| c.peer));
            let ahead = self.shared.lines.ahead.note(self.now, || {
                let peer = peer.map_or(String::new(), |peer| peer.to_string());
                format!("client {peer} has seen {seen} and is ahead of this server: closed")
            });
            if let Some(line) = ahead {
                tracing::info!("{line}");
            }
            return self.close(conn, How::Now);
        }
        if let Some(subject) = self.net.subject(conn)
            && !self.prove_certificate(conn, &subject)
        {
            return self.close(conn, How::Now);
        }
        let secure = i64::from(self.net.is_secure(conn));
        let timeout = request
            .timeout
            .clamp(self.settings.session_timeout_min, self.settings.session_timeout_max);
        let conn_ref = self.conn_ref(conn);
        let Some(client) = self.clients.get(conn) else { return };
        client.gauges.received.add(1);
        client.gauges.secure.set(secure);
        client.read_only_byte = request.read_only.is_some();
        client.read_only = self.service == Service::Reads;
        client.stage = Stage::Opening;
        let message = if request.session == SessionId(0) {
            client.asked = Some(self.now);
            ToControl::Open { conn: conn_ref, timeout }
        } else if !password::is_session_password(request.session, &request.password) {
            return self.session_gone(conn);
        } else {
            self.gauges.revalidated.add(1);
            ToControl::Resume { conn: conn_ref, session: request.session, timeout }
        };
        self.outgoing.push(message);
    }

    /// Takes the handshake's tokens. False: there are too few (ZooKeeperServer.processConnectRequest).
    fn may_begin(&self, conn: ConnId, session: SessionId) -> bool {
        let Some(bucket) = &self.shared.throttles.connections else {
            self.gauges.token_deficit.record(0);
            return true;
        };
        let wanted = match session {
            SessionId(0) if self.settings.local_sessions => Wanted::Local,
            SessionId(0) => Wanted::Global,
            SessionId(_) => Wanted::Renewal,
        };
        let mut bucket = bucket.lock();
        let is_taken = bucket.take(wanted, self.now);
        let (deficit, share) = (bucket.deficit(), bucket.drop_share());
        drop(bucket);
        self.gauges.drop_share_millionths.set((share * 1e6) as i64);
        if is_taken {
            self.gauges.token_deficit.record(deficit);
            return true;
        }
        let line = self.shared.lines.refused.note(self.now, || {
            let peer = self.clients.look(conn).map_or(String::new(), |c| c.peer.to_string());
            format!("handshake of {peer} refused: more come than connection_throttle_tokens allows")
        });
        if let Some(line) = line {
            tracing::warn!("{line}");
        }
        false
    }

    /// The client is who its certificate says. False: it holds as many names as it may.
    fn prove_certificate(&mut self, conn: ConnId, subject: &str) -> bool {
        let proven = acl::certified(&self.shared.policy, subject);
        let budgets = &self.settings.budgets;
        let (bytes, granted) = (&mut self.identity_bytes, &mut self.identities_granted);
        let Some(client) = self.clients.get(conn) else { return false };
        let Err(too_many) = client.add_identities(proven, budgets, bytes, granted) else {
            return true;
        };
        let peer = client.peer;
        self.gauges.identities_refused.add(1);
        let line = || format!("{peer}: its certificate's subject is refused: {too_many}");
        if let Some(line) = self.shared.lines.over_bound.note(self.now, line) {
            tracing::warn!("{line}");
        }
        false
    }

    /// A client that has seen nothing newer sees nothing older here (I8). What was seen of earlier epochs is in
    /// the history that this one began with; its first zxid, which a ZooKeeper leader shows to the
    /// clients of an epoch in which nothing is written, stands for just that history.
    fn known_upto(&self) -> Zxid {
        let applied = self.shared.tree.applied();
        match self.epoch.filter(|epoch| applied >= epoch.history) {
            Some(epoch) if !mutants::on(Mutant::EpochClientRefused) => applied.max(epoch.first),
            Some(_) | None => applied,
        }
    }

    /// The control core has created or found the session.
    pub(super) fn session_ready(
        &mut self,
        conn: ConnId,
        session: SessionId,
        timeout: i32,
        pulse: Arc<LastHeard>,
        zxid: Zxid,
    ) {
        // The connection may have gone while its session came; the session lives on.
        let Some(client) = self.clients.get(conn).filter(|c| c.stage == Stage::Opening) else {
            return;
        };
        client.stage = Stage::Live;
        client.unserved = true;
        client.session = session;
        client.pulse = Some(pulse);
        client.gauges.session.set(session.0);
        client.gauges.timeout.set(i64::from(timeout));
        client.gauges.sent.add(1);
        self.gauges.sent.add(1);
        if let Some(asked) = client.asked.take() {
            let latency = self.now.0 - asked.0;
            client.gauges.last_op.set(i64::from(opcode::CREATE_SESSION));
            client.gauges.answered(0, zxid.0, latency, self.now);
            self.update_run.record(latency, &self.gauges.update_latency);
        }
        let read_only = client.read_only_byte.then_some(client.read_only);
        let response = ConnectResponse {
            timeout,
            session,
            password: password::session_password(session),
            read_only,
        };
        if let Some(out) = self.net.output(conn) {
            reply::connect_response(out, &response);
        }
        self.retry.push_back(conn);
    }

    /// Timeout 0 tells the client that its session is no more.
    pub(super) fn session_gone(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get(conn) else { return };
        let read_only = client.read_only_byte.then_some(client.read_only);
        let response =
            ConnectResponse { timeout: 0, session: SessionId(0), password: [0; 16], read_only };
        self.count_sent(conn);
        if let Some(out) = self.net.output(conn) {
            reply::connect_response(out, &response);
        }
        self.close(conn, How::AfterFlush);
    }
}
