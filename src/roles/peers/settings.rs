//! What the sockets towards other servers are told at start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::election::HeaderProtocol;
use crate::codec::quorum::Limits;
use crate::config::EnsembleSettings;
use crate::election::links::LinkSettings;
use crate::membership::Electorate;
use crate::net::{ConnOptions, Security};
use crate::runtime::entropy;
use crate::sasl::{Credentials, Secret};
use crate::tls::Current;
use crate::types::{ServerId, limits};

/// Links on the quorum port at once. More than a leader keeps: it is told of the newest before this
/// bound turns anybody away, and lets go of the oldest that has not proved itself.
pub(super) const LINKS_MAX: usize = limits::LEARNERS + 64;

/// Between two tries to listen on the election port, in ms (QuorumCnxManager.Listener).
pub(super) const ELECTION_RETRY_MS: i64 = 1000;

/// Between two tries to listen on the quorum port. A leader has `initLimit` to gather its learners.
pub(super) const QUORUM_RETRY_MS: i64 = 200;

/// How long nothing of the other end's machine may be heard on a connection between election ports.
/// Such a connection costs little to make anew, and one that died in silence keeps a server away that
/// comes back from behind a cut.
const MESH_DEAD_MS: u64 = 4000;

/// Connections that wait to be accepted.
pub(super) const BACKLOG: u32 = 128;

/// How this server connects to the others.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Its own number.
    pub me: ServerId,
    /// The configurations in force: where the others are, and where it listens.
    pub electorate: Electorate,
    /// `quorumListenOnAllIPs`.
    pub listen_on_all_addresses: bool,
    /// Tries to listen on the election port before the server gives up; `None`: it never does.
    pub bind_retries: Option<u32>,
    /// Of the election's mesh.
    pub links: LinkSettings,
    /// How long one try to reach the leader may take, names included, in ms.
    pub leader_connect_ms: i64,
    /// `zookeeper.tcpKeepAlive`.
    pub keepalive: bool,
    /// SASL; `None`: nobody proves anything.
    pub sasl: Option<PeerSasl>,
    /// What a packet may hold.
    pub limits: Limits,
    /// The longest path or data of a snapshot.
    pub field_max: usize,
    /// `None`: connections are plain.
    pub tls: Option<PeerTls>,
}

/// TLS between servers.
#[derive(Clone)]
pub struct PeerTls {
    /// What sessions are begun with.
    pub current: Arc<Current>,
    /// What is spoken at the ports.
    pub accepts: Security,
    /// Connections to others are made with it.
    pub dials: bool,
}

impl fmt::Debug for PeerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerTls")
    }
}

/// How servers prove themselves to one another.
#[derive(Clone, Debug)]
pub struct PeerSasl {
    /// Who this server is towards those that it connects to; `None`: it does not say.
    pub learner: Option<(String, Secret)>,
    /// Whom there is to prove.
    pub users: Credentials,
    /// Who proves nothing is turned away.
    pub server_required: bool,
    /// For nonces.
    pub entropy: fn() -> u64,
}

impl PeerSettings {
    /// `field_max`: `jute.maxbuffer` and its extra. `tls`: what was read of the stores.
    pub fn new(
        settings: &EnsembleSettings,
        field_max: usize,
        tls: Option<Arc<Current>>,
    ) -> PeerSettings {
        let protocol =
            if settings.several_addresses { HeaderProtocol::V2 } else { HeaderProtocol::V1 };
        PeerSettings {
            me: settings.me,
            electorate: settings.electorate.clone(),
            listen_on_all_addresses: settings.listen_on_all_addresses,
            bind_retries: settings.bind_retries,
            links: LinkSettings {
                me: settings.me,
                protocol,
                connect_timeout_ms: settings.election_connect_ms,
                header_timeout_ms: settings.election_handshake_ms,
            },
            // Learner.connectToLeader: the smaller of these two.
            leader_connect_ms: settings.timing.sync_ms().min(settings.connect_ms),
            keepalive: settings.tcp_keep_alive,
            sasl: settings.sasl.as_ref().map(|sasl| PeerSasl {
                learner: sasl.learner_required.then(|| sasl.learner.clone()),
                users: sasl.users.clone(),
                server_required: sasl.server_required,
                entropy,
            }),
            limits: Limits { data: field_max, ..Limits::default() },
            field_max,
            tls: settings.tls.as_ref().zip(tls).map(|(of, current)| {
                let (accepts, dials) = (of.accepts, of.dials);
                PeerTls { current, accepts, dials }
            }),
        }
    }

    /// What is spoken at the ports.
    pub(super) fn accepts(&self) -> Security {
        self.tls.as_ref().map_or(Security::Plain, |tls| tls.accepts)
    }

    /// Whether connections to others are made with TLS.
    pub(super) fn dials_secured(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.dials)
    }

    /// A connection between two election ports. It may be idle for weeks; when it is needed it must
    /// not turn out to have been dead for as long.
    pub(super) fn mesh_options(&self) -> ConnOptions {
        ConnOptions { dead_after: Some(Duration::from_millis(MESH_DEAD_MS)), ..self.options() }
    }

    /// Both ends may have much to say at once, so neither may wait for the other to listen.
    pub(super) fn options(&self) -> ConnOptions {
        let keepalive = self.keepalive.then_some(Duration::ZERO);
        // What may wait for a peer is the roles' to bound; this is where a mistake of theirs ends.
        let outbound_close = limits::PEER_OUTBOUND + 2 * self.limits.packet_max();
        ConnOptions { keepalive, dead_after: None, outbound_close }
    }
}
