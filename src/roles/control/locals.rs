//! Sessions that are this server's alone (LocalSessionTracker): no transaction makes or ends them,
//! no other server knows them, and the first ephemeral makes them the ensemble's
//! (UpgradeableSessionTracker).

use super::Control;
use super::base::Base;
use super::origin::Origin;
use super::role::Server;
use crate::admin::slow::Stations;
use crate::codec::request::{CreateCall, CreateOp, MultiOp, WriteOp};
use crate::roles::message::ToNetwork;
use crate::session::{Scope, UnknownSessions};
use crate::tree::Outcome;
use crate::types::{ConnRef, CreateMode, ErrorCode, Owner, ServerId, SessionId};

/// How clients of an ensemble's server are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientRules {
    /// `localSessionsEnabled`: every new session is local.
    pub local_sessions: bool,
    /// `localSessionsUpgradingEnabled`: an ephemeral makes it global, and is not refused.
    pub upgrading: bool,
    /// `readonlymode.enabled`: how long a leader is looked for before reads are served without
    /// one, in ms.
    pub reads_after: Option<i64>,
    /// `leaderServes=no`: a leader takes no clients.
    pub leader_abstains: bool,
}

impl ClientRules {
    /// What a server says of sessions it does not know, when it leads.
    pub(super) fn unknown_sessions(self, me: ServerId) -> UnknownSessions {
        if self.local_sessions {
            UnknownSessions::LocalElsewhere(me)
        } else {
            UnknownSessions::Expired
        }
    }
}

impl Control {
    pub(super) fn client_rules(&self) -> ClientRules {
        match &self.server {
            Server::Alone(_) => ClientRules::default(),
            Server::Ensemble(ensemble) => ensemble.settings.clients,
        }
    }

    /// QuorumZooKeeperServer.checkUpgradeSession: before a local session's first ephemeral goes a
    /// transaction that makes the session. The error is what the client is to hear if that may not
    /// be; its request goes on all the same, and fails.
    pub(super) fn upgrade_for(&mut self, session: SessionId, op: &WriteOp) -> Option<ErrorCode> {
        if !self.base.sessions.table.is_local(session) || !wants_ephemeral(op) {
            return None;
        }
        if !self.client_rules().upgrading {
            return Some(ErrorCode::EphemeralOnLocalSession);
        }
        let scope = if self.server.learns() { Scope::Remote } else { Scope::Global };
        let timeout = self.base.sessions.table.upgrade(session, scope, self.base.now)?;
        tracing::info!(%session, "local session becomes global");
        self.begin_session(session, timeout, Origin::Server);
        None
    }
}

impl Base {
    pub(super) fn open_local(&mut self, conn: ConnRef, timeout: i32) {
        let session = self.sessions.unused_id();
        self.sessions.table.create_as(Scope::Local, session, timeout, self.now);
        self.sessions.table.set_owner(session, conn.into());
        self.session_ready(conn, session, timeout);
    }

    /// The client's own close. Its connection has no older request that is not answered.
    pub(super) fn close_local(&mut self, conn: ConnRef, session: SessionId) {
        self.sessions.remove(session);
        let zxid = self.pipeline.tree.applied();
        let outcome = Box::new(Outcome::SessionClosed);
        let stations = Stations::NONE;
        self.pipeline.send(conn, ToNetwork::Reply { conn: conn.conn, zxid, outcome, stations });
    }

    pub(super) fn expire_local(&mut self, session: SessionId) {
        let owner = self.sessions.table.owner(session);
        self.sessions.remove(session);
        self.gauges.stale_sessions_expired.add(1);
        if let Some(Owner::Conn(conn)) = owner {
            self.pipeline.drop_connection(conn);
        }
    }
}

fn wants_ephemeral(op: &WriteOp) -> bool {
    let creates = |op: &CreateOp| {
        matches!(op.call, CreateCall::Create | CreateCall::Create2)
            && CreateMode::from_flags(op.flags).is_some_and(CreateMode::is_ephemeral)
    };
    match op {
        WriteOp::Create(op) => creates(op),
        WriteOp::Multi(ops) => {
            ops.iter().any(|op| matches!(op, MultiOp::Create(op) if creates(op)))
        }
        _ => false,
    }
}
