//! Settings into every role's own words.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::ensemble;
use crate::acl;
use crate::admin::audit::AuditSender;
use crate::admin::conf::EnsembleFacts;
use crate::admin::slow::SlowLog;
use crate::admin::words::{Commands, ShownSettings, Whitelist};
use crate::codec::quorum::Limits;
use crate::config::{self, Listen, Settings};
use crate::membership::Role;
use crate::metrics::gauges::Gauges;
use crate::net::NetSettings;
use crate::node::assembly::Plan;
use crate::node::recover::RecoverPlan;
use crate::prep::PrepSettings;
use crate::roles::control::{ClientRules, ControlSettings};
use crate::roles::insight::Insight;
use crate::roles::network::{
    Admission, Budgets, NetworkSettings, SaslRules, Share, SharedThrottles,
};
use crate::runtime::{clock, entropy, pipelined};
use crate::snapshot::pack::Compression;
use crate::snapshot::{RestoreOptions, WriteOptions};
use crate::tree::{Tree, TreeOptions};
use crate::types::throttles::RequestThrottle;
use crate::types::{ServerId, Zxid, limits};

/// An election takes this long before reads are served without a leader.
const READS_AFTER_MS: i64 = 2_000;

/// How the tree is recovered.
pub(super) fn recover_plan(settings: &Settings) -> RecoverPlan {
    RecoverPlan {
        tree: TreeOptions {
            hash_seed: entropy(),
            types: settings.tree.types,
            digest: settings.tree.digest,
            ..TreeOptions::default()
        },
        restore: restore_options(settings),
        write: write_options(settings),
        window: settings.limits.committed_log,
        member: settings.ensemble.is_some(),
    }
}

/// What the roles of a server with so many network cores are told.
pub(super) fn plan(settings: &Settings, cores: usize, insight: Insight) -> Plan {
    Plan {
        server: ServerId(settings.server_id.unwrap_or(1)),
        control: control_settings(settings),
        prep: prep_settings(settings),
        network: network_settings(settings, cores),
        eager_acl_check: settings.auth.eager_acl_check && settings.ensemble.is_some(),
        sasl: sasl_rules(settings),
        whitelist: whitelist(settings),
        facts: facts(settings),
        admission: Admission::new(
            settings.limits.cnxns_per_address as usize,
            settings.limits.cnxns as usize,
        ),
        throttles: SharedThrottles::new(&settings.throttles, clock::now(), entropy()),
        insight,
        restore: restore_options(settings),
        ensemble: settings.ensemble.as_ref().map(|of| {
            ensemble::plan(settings, of, client_rules(settings), listen_address(settings))
        }),
    }
}

pub(super) fn insight(settings: &Settings, audit: Option<AuditSender>) -> Insight {
    let slow = settings.slow.map(|slow| Arc::new(SlowLog::new(slow.threshold_ms, slow.keep)));
    Insight { audit, slow }
}

/// What answers words before there are roles.
pub(super) fn commands(settings: &Settings, tree: Arc<Tree>, gauges: Arc<Gauges>) -> Commands {
    Commands { gauges, tree, whitelist: whitelist(settings), facts: facts(settings) }
}

fn restore_options(settings: &Settings) -> RestoreOptions {
    RestoreOptions {
        trust_empty: settings.snapshot.trust_empty,
        autocreate: settings.snapshot.autocreate_db,
        digest: settings.tree.digest,
        field_max: settings.field_max(),
        types: settings.tree.types,
        kill_lost_sessions: settings.ensemble.is_none(),
        pipeline: pipelined,
    }
}

fn write_options(settings: &Settings) -> WriteOptions {
    WriteOptions {
        at: Zxid::ZERO,
        restored_upto: Zxid::ZERO,
        quiet: false,
        digest: settings.tree.digest,
        last_zxid: settings.snapshot.last_zxid_section,
        compression: match settings.snapshot.compression {
            config::Compression::None => Compression::None,
            config::Compression::Gzip => Compression::Gzip,
            config::Compression::Snappy => Compression::Snappy,
        },
    }
}

fn control_settings(settings: &Settings) -> ControlSettings {
    ControlSettings {
        tick_time: i64::from(settings.tick_ms),
        container_check_ms: settings.containers.check_interval_ms,
        container_max_per_minute: settings.containers.deletions_per_minute as usize,
        container_never_used_ms: settings.containers.never_used_ms,
        shutdown_grace_ms: 5_000,
        sessions_max: settings.session.max,
    }
}

fn client_rules(settings: &Settings) -> ClientRules {
    let session = &settings.session;
    // QuorumPeer.run: a tick, if that is more than two seconds.
    let grace = i64::from(settings.tick_ms).max(READS_AFTER_MS);
    ClientRules {
        local_sessions: session.local,
        upgrading: session.local_upgrading,
        reads_after: settings.read_only_mode.then_some(grace),
        leader_abstains: settings.ensemble.as_ref().is_some_and(|ensemble| !ensemble.leader_serves),
    }
}

fn prep_settings(settings: &Settings) -> PrepSettings {
    PrepSettings {
        policy: policy(settings),
        types: settings.tree.types,
        digest: settings.tree.digest,
        enforce_quota: settings.tree.enforce_quota,
        reconfig_enabled: settings.reconfig,
        close_lists_paths: settings.session.close_txn_lists_paths,
        entry_len_max: settings.field_max(),
        hash_seed: entropy(),
    }
}

fn policy(settings: &Settings) -> acl::Policy {
    let auth = &settings.auth;
    acl::Policy {
        skip_acl: auth.skip_acl,
        digest_enabled: auth.digest_enabled,
        digest_alg: auth.digest_alg,
        super_digest: auth.super_digest.clone(),
        x509_enabled: auth.x509_enabled,
        x509_super_user: auth.x509_super_user.clone(),
        enforced_schemes: auth.enforce_schemes.clone(),
        sasl_enabled: auth.sasl_enabled,
        let_any_sasl_user_do: auth.let_any_sasl_user_do.clone(),
        sasl_super_users: auth.sasl_super_users.clone(),
    }
}

fn sasl_rules(settings: &Settings) -> Option<SaslRules> {
    let sasl = settings.auth.sasl.as_ref()?;
    Some(SaslRules {
        users: sasl.users.clone(),
        names: sasl.names.clone(),
        allow_failed: settings.auth.allow_sasl_failed,
        entropy,
    })
}

fn whitelist(settings: &Settings) -> Whitelist {
    let words = &settings.four_letter;
    if words.all { Whitelist::new("*") } else { Whitelist::new(&words.commands.join(",")) }
}

fn facts(settings: &Settings) -> ShownSettings {
    ShownSettings {
        client_port: port_of(settings.client.listen),
        secure_client_port: port_of(settings.client.secure),
        data_dir: settings.data_dir.join("version-2"),
        log_dir: settings.data_log_dir.join("version-2"),
        tick_time: i64::from(settings.tick_ms),
        max_client_cnxns: i64::from(settings.limits.cnxns_per_address),
        min_session_timeout: i64::from(settings.session.timeout_ms_min),
        max_session_timeout: i64::from(settings.session.timeout_ms_max),
        backlog: i64::from(settings.client.backlog),
        server_id: settings.ensemble.as_ref().map_or(0, |ensemble| ensemble.me.0),
        ensemble: settings.ensemble.as_ref().map(|ensemble| EnsembleFacts {
            init_limit: ensemble.timing.init_ticks,
            sync_limit: ensemble.timing.sync_ticks,
            addresses: ensemble.addresses().to_vec(),
            observer: ensemble.role == Role::Observer,
            local_sessions: settings.session.local,
        }),
        client_address: settings.client.listen.map_or(String::new(), |at| at.to_string()),
        sessionless_ms: settings.limits.sessionless_ms,
    }
}

fn port_of(listen: Option<Listen>) -> i64 {
    listen.map_or(-1, |listen| i64::from(listen.port))
}

/// Where clients come to without TLS.
pub(super) fn listen_address(settings: &Settings) -> Option<SocketAddr> {
    settings.client.listen.map(Listen::address)
}

pub(super) fn net_settings(settings: &Settings) -> NetSettings {
    let default = NetSettings::default();
    // What is not whole yet has to fit: a request, or what another server sends.
    let packet_max = match &settings.ensemble {
        Some(_) => Limits { data: settings.field_max(), ..Limits::default() }.packet_max(),
        None => 0,
    };
    let inbound = default.inbound_pause.max(2 * settings.limits.jute_maxbuffer).max(packet_max);
    NetSettings {
        inbound_pause: inbound,
        outbound_pause: settings.limits.outbound_pause,
        outbound_close: settings.limits.outbound_close,
        keepalive: settings.client.tcp_keep_alive.then_some(Duration::ZERO),
        handshake: settings.tls.as_ref().map_or(default.handshake, |tls| tls.handshake),
        peer_handshake: settings
            .ensemble
            .as_ref()
            .and_then(|ensemble| ensemble.tls.as_ref())
            .map_or(default.peer_handshake, |tls| tls.handshake),
        spin: Duration::from_micros(u64::from(settings.placement.spin_micros.unwrap_or(0))),
        ..default
    }
}

fn network_settings(settings: &Settings, cores: usize) -> NetworkSettings {
    NetworkSettings {
        session_timeout_min: settings.session.timeout_ms_min,
        session_timeout_max: settings.session.timeout_ms_max,
        sessionless_ms: settings.limits.sessionless_ms,
        frame_max: settings.limits.jute_maxbuffer,
        outstanding_max: settings.limits.global_outstanding.div_ceil(cores).max(1),
        line_max: limits::LINE_REQUESTS,
        held_bytes_max: (2 * settings.limits.jute_maxbuffer).max(limits::LINE_BYTES),
        outbound_pause: settings.limits.outbound_pause,
        events_max: settings.limits.outbound_close,
        budgets: budgets(settings, cores),
        throttle: settings.throttles.requests.map(|throttle| RequestThrottle {
            max: throttle.max.div_ceil(cores).max(1),
            ..throttle
        }),
        local_sessions: settings.session.local,
    }
}

fn budgets(settings: &Settings, cores: usize) -> Budgets {
    Budgets {
        multi_read_ops: settings.limits.multi_read_ops,
        multi_read_bytes: settings.limits.multi_read_bytes,
        // The leader takes no more from a follower (I14).
        identity_bytes: Share {
            each: limits::IDENTITY_BYTES.min(settings.limits.jute_maxbuffer),
            ..Budgets::default().identity_bytes
        },
        // What is beyond it waits, wherever it is: each core has its part.
        open_bytes: limits::OPEN_BYTES.min(limits::OPEN_BYTES_ALL / cores),
        open_bytes_all: limits::OPEN_BYTES_ALL / cores,
        ..Budgets::default()
    }
}
