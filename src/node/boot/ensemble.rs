//! What the control role of an ensemble's server is made of.

use crate::config::{EnsembleSettings, Settings};
use crate::election::ElectionSettings;
use crate::history::ConfigFile;
use crate::membership::{ChangeRules, ClientAddress, Role};
use crate::net::Security;
use crate::node::assembly::EnsemblePlan;
use crate::roles::control::{ClientPort, ClientRules, MemberSettings, MoveClients, Reconfig};
use crate::roles::message::ToNetwork;
use crate::runtime::{Sender, entropy};
use crate::types::limits;
use crate::zab::{Readers, SyncRules};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// What a member of an ensemble is told. `at`: where clients without TLS are served at first.
pub(super) fn plan(
    all: &Settings,
    settings: &EnsembleSettings,
    clients: ClientRules,
    at: Option<SocketAddr>,
) -> EnsemblePlan {
    let election = ElectionSettings {
        observer: settings.role == Role::Observer,
        adopts: all.reconfig,
        resend_ms_min: settings.notification_ms_min,
        resend_ms_max: settings.notification_ms_max,
        ..ElectionSettings::new(settings.me)
    };
    let (sync, observer) = (&settings.learner_sync, &settings.observer);
    let (file, of) = (Changes::of(all, settings), at);
    EnsemblePlan {
        settings: MemberSettings {
            me: settings.me,
            timing: settings.timing,
            rules: SyncRules {
                force_snapshot: sync.always_snapshot,
                use_log: sync.log_share.is_some(),
                // 0 of a snapshot's size is Java's word for no limit.
                log_share: sync.log_share.map(|share| (share * 1000.0) as u32).filter(|s| *s > 0),
                snap_syncs: sync.snapshots as usize,
                diff_syncs: sync.diffs as usize,
                ..SyncRules::default()
            },
            readers: Readers {
                own: all.field_max(),
                // ZooKeeper's extra size is as large as its jute.maxbuffer unless set.
                unknown: 2 * settings.zookeeper_maxbuffer,
            },
            handover_counter: limits::HANDOVER_COUNTER,
            connect_ms: settings.connect_ms,
            connect_pause_ms: settings.connect_retry_ms,
            epoch_wait_ms: settings.epoch_wait_ms,
            observer_delay_ms: observer.election_ms.saturating_add(observer.reconnect_ms),
            seed: entropy(),
            clients,
        },
        electorate: settings.electorate.clone(),
        election,
        reconfig: Box::new(move |listens| file.reconfig(of, listens)),
    }
}

/// How the ensemble may change, and where that is written.
struct Changes {
    enabled: bool,
    rules: ChangeRules,
    file: Option<ConfigFile>,
    backlog: u32,
    security: Security,
}

impl Changes {
    fn of(all: &Settings, settings: &EnsembleSettings) -> Changes {
        let rules = ChangeRules {
            standalone: settings.standalone_enabled,
            several_addresses: settings.several_addresses,
        };
        let (enabled, backlog) = (all.reconfig, all.client.backlog_max());
        let file = if enabled { config_file(all, settings) } else { None };
        let security = all.client.security();
        Changes { enabled, rules, file, backlog, security }
    }

    /// `listens`: the core that takes clients' connections.
    fn reconfig(self, at: Option<SocketAddr>, listens: Sender<ToNetwork>) -> Reconfig {
        let Changes { enabled, rules, file, backlog, security } = self;
        if !enabled {
            return Reconfig { rules, ..Reconfig::default() };
        }
        let clients = at.map(|at| {
            let move_to = move_clients(at, listens, backlog, security);
            ClientPort { at, move_to }
        });
        Reconfig { enabled, rules, file, clients }
    }
}

fn config_file(all: &Settings, settings: &EnsembleSettings) -> Option<ConfigFile> {
    let file = all.file.as_deref().and_then(|path| match ConfigFile::open(path) {
        Ok(file) => Some(file),
        Err(error) => {
            tracing::error!(%error, path = %path.display(), "dynamic configuration not persisted");
            None
        }
    });
    if file.is_none() {
        tracing::warn!("reconfigEnabled=true without a configuration file: a restart forgets");
    }
    // QuorumPeerConfig.backupOldConfig.
    if let Some(file) = file.as_ref().filter(|_| settings.members_in_one_file)
        && let Err(error) = file.back_up()
    {
        tracing::error!(%error, file = file.show(), "cannot be copied to .bak");
    }
    file
}

/// Clients are served at another address from then on.
fn move_clients(
    at: SocketAddr,
    listens: Sender<ToNetwork>,
    backlog: u32,
    security: Security,
) -> MoveClients {
    let mut from = at;
    Box::new(move |client: &ClientAddress| {
        let (client, listens, old) = (client.clone(), listens.clone(), from);
        let found = client.host.parse::<IpAddr>().ok().map(|ip| address(ip, client.port));
        if let Some(to) = found {
            from = to;
            return listens.push(ToNetwork::Listen { from: old, to, backlog, security });
        }
        // A name server may take its time; nobody waits for it. The port is all that a second move
        // would have to know of this one.
        from.set_port(client.port);
        let look_up = move || match (client.host.as_str(), client.port).to_socket_addrs() {
            Ok(mut found) => {
                if let Some(to) = found.next() {
                    listens.push(ToNetwork::Listen { from: old, to, backlog, security });
                }
            }
            Err(error) => {
                tracing::error!(%error, host = client.host, "client port cannot be changed")
            }
        };
        if let Err(error) = std::thread::Builder::new().name("resolver".into()).spawn(look_up) {
            tracing::error!(%error, "client port not changed");
        }
    })
}

/// Either wildcard means addresses of both kinds, as in Java.
fn address(ip: IpAddr, port: u16) -> SocketAddr {
    let ip = if ip.is_unspecified() { Ipv6Addr::UNSPECIFIED.into() } else { ip };
    SocketAddr::new(ip, port)
}
