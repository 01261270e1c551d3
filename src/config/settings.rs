//! What a server was told, in types. Field docs name the key, the unit and what 0 or `None` means.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::acl::DigestAlgorithm;
use crate::membership::{Electorate, PeerAddress, Role};
use crate::net::Security;
use crate::sasl::{Credentials, Names, Secret};
pub use crate::snapshot::pack::Compression;
use crate::tls::files::Sources;
pub use crate::types::throttles::Throttles;
use crate::types::{ServerId, TypeRules};
use crate::zab::Timing;

/// Everything a server asks its configuration. Built by [`Settings::load`],
/// [`Settings::from_arguments`] or [`Settings::embedded`].
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The file, or what stood in its place: for messages.
    pub source: String,
    /// The file, where it is one: what a reconfiguration rewrites.
    pub file: Option<PathBuf>,
    /// `dataDir`: snapshots, in its `version-2`.
    pub data_dir: PathBuf,
    /// `dataLogDir`: transaction logs, in its `version-2`; equal to `data_dir` unless set.
    pub data_log_dir: PathBuf,
    /// `zookeeper.datadir.autocreate`: without it a missing folder ends the start with exit code 3.
    pub autocreate_dirs: bool,
    /// `tickTime`, milliseconds.
    pub tick_ms: i32,
    /// Where clients come to.
    pub client: ClientSettings,
    /// What stands before their requests; `None`: no port of theirs speaks TLS.
    pub tls: Option<TlsSettings>,
    /// What sessions they may have.
    pub session: SessionSettings,
    /// Bounds of requests, connections and answers.
    pub limits: LimitSettings,
    /// Bounds of what they do at once.
    pub throttles: Throttles,
    /// How transactions are logged.
    pub log: LogSettings,
    /// When and how the tree is written.
    pub snapshot: SnapshotSettings,
    /// When old files go.
    pub autopurge: AutopurgeSettings,
    /// What nodes there are.
    pub tree: TreeSettings,
    /// Who may do what.
    pub auth: AuthSettings,
    /// When empty containers go.
    pub containers: ContainerSettings,
    /// Which words are answered.
    pub four_letter: FourLetterSettings,
    /// `readonlymode.enabled`: a standalone server only adds `isro` to the whitelist for it.
    pub read_only_mode: bool,
    /// `reconfigEnabled`.
    pub reconfig: bool,
    /// The id in `myid`, when there is one.
    pub server_id: Option<i64>,
    /// `None`: a standalone server.
    pub ensemble: Option<EnsembleSettings>,
    /// Threads and CPUs.
    pub placement: PlacementSettings,
    /// Keys that nobody knows: misspellings, mostly. Java makes each the property `zookeeper.<key>`
    /// and says nothing.
    pub unknown: Vec<Noted>,
    /// Keys that are right and do nothing here: the Java VM's, and those of ensembles.
    pub no_effect: Vec<Noted>,
    /// Keys of features this version does not have, and whose absence makes nothing less safe.
    pub not_served: Vec<Noted>,
    /// The admin server; `None`: there is none.
    pub admin: Option<AdminSettings>,
    /// The page of metrics; `None`: there is none.
    pub metrics: Option<MetricsSettings>,
    /// The audit log; `None`: there is none.
    pub audit: Option<AuditSettings>,
    /// The slow-operation log; `None`: there is none.
    pub slow: Option<SlowSettings>,
    /// What a Java server would have as system properties, by name; secrets left out.
    pub properties: Vec<(String, String)>,
    /// The configuration file's keys and values, a line each; secrets left out.
    pub initial: String,
    /// What was found in the file and in the flags, in the order in which it was asked for.
    pub origins: Vec<super::Origin>,
    /// Values that were moved to the nearest allowed one, as Java does, and other remarks.
    pub remarks: Vec<String>,
}

impl Settings {
    /// The largest record field any reader takes, in bytes (I14).
    pub fn field_max(&self) -> usize {
        self.limits.jute_maxbuffer + self.limits.jute_extra
    }
}

/// What only a server of an ensemble asks. Times in milliseconds.
#[derive(Clone, PartialEq, Debug)]
pub struct EnsembleSettings {
    /// `myid`; always one of the members.
    pub me: ServerId,
    /// As this server's line says.
    pub role: Role,
    /// The membership lines, and with `reconfigEnabled` a configuration that was proposed before
    /// the last stop.
    pub electorate: Electorate,
    /// `tickTime`, `initLimit`, `syncLimit`.
    pub timing: Timing,
    /// `connectToLearnerMasterLimit`: a learner's tries to reach the leader, in all.
    pub connect_ms: i64,
    /// `zookeeper.leaderConnectDelayDuringRetryMs`: between two of them.
    pub connect_retry_ms: i64,
    /// `zookeeper.cnxTimeout`: one try to reach an election port.
    pub election_connect_ms: i64,
    /// `zookeeper.quorumCnxnTimeoutMs`: the other side's first message there; `syncLimit` ticks
    /// unless set.
    pub election_handshake_ms: i64,
    /// `zookeeper.fastleader.minNotificationInterval`: the first wait for votes before they are
    /// asked for again; each wait is twice the one before, up to the greatest.
    pub notification_ms_min: i64,
    /// `zookeeper.fastleader.maxNotificationInterval`.
    pub notification_ms_max: i64,
    /// `zookeeper.leader.maxTimeToWaitForEpoch`: a leader gives up when a voter for it has looked
    /// again and a quorum has not come by then; `None` = it waits for `initLimit`.
    pub epoch_wait_ms: Option<i64>,
    /// `quorumListenOnAllIPs`: the wildcard address instead of those of this server's line.
    pub listen_on_all_addresses: bool,
    /// `zookeeper.electionPortBindRetry`, a second apart; `None` = as many as it takes.
    pub bind_retries: Option<u32>,
    /// `zookeeper.tcpKeepAlive`, on connections between servers.
    pub tcp_keep_alive: bool,
    /// `quorum.auth.*`; `None`: servers prove nothing to one another.
    pub sasl: Option<QuorumSaslSettings>,
    /// `multiAddress.enabled`: election headers tell all addresses (version 2).
    pub several_addresses: bool,
    /// `zookeeper.leaderServes`: false = the leader takes no clients.
    pub leader_serves: bool,
    /// For the time that it leads.
    pub learner_sync: LearnerSyncSettings,
    /// `ringkeeper.zookeeper.maxbuffer`: `jute.maxbuffer`, in bytes, of the ensemble's ZooKeeper
    /// servers, which cannot tell.
    pub zookeeper_maxbuffer: usize,
    /// For an observer.
    pub observer: ObserverSettings,
    /// `standaloneEnabled`: an ensemble may not shrink to one voter.
    pub standalone_enabled: bool,
    /// There is no dynamic configuration file yet.
    pub members_in_one_file: bool,
    /// `sslQuorum`, `portUnification`; `None`: connections between servers are plain.
    pub tls: Option<PeerTlsSettings>,
}

impl EnsembleSettings {
    /// This server's addresses towards the others; at least one.
    pub fn addresses(&self) -> &[PeerAddress] {
        self.electorate.committed.get(self.me).map_or(&[], |member| &member.addresses)
    }
}

/// SASL between servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuorumSaslSettings {
    /// Of the section `QuorumLearner`, or that of `quorum.auth.learner.saslLoginContext`: user and password.
    pub learner: (String, Secret),
    /// `quorum.auth.learnerRequireSasl`: this server proves itself where it connects to.
    pub learner_required: bool,
    /// Of the section `QuorumServer`, or that of `quorum.auth.server.saslLoginContext`.
    pub users: Credentials,
    /// `quorum.auth.serverRequireSasl`: who connects has to prove itself.
    pub server_required: bool,
}

/// How a leader brings learners up to date.
#[derive(Clone, PartialEq, Debug)]
pub struct LearnerSyncSettings {
    /// `zookeeper.leader.maxConcurrentSnapSyncs`: observers at a time; voters always may.
    pub snapshots: u32,
    /// `zookeeper.leader.maxConcurrentDiffSyncs`.
    pub diffs: u32,
    /// `zookeeper.snapshotSizeFactor`: the log is read for a learner if that is less than this
    /// share of a snapshot; `None` = never.
    pub log_share: Option<f64>,
    /// `zookeeper.forceSnapshotSync`.
    pub always_snapshot: bool,
}

/// How long an observer waits at most.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObserverSettings {
    /// `zookeeper.observer.reconnectDelayMs`: the most it waits before it connects again.
    pub reconnect_ms: i64,
    /// `zookeeper.observer.election.DelayMs`: the most it waits before it looks again.
    pub election_ms: i64,
}

/// A key that is only worth a line at start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Noted {
    /// As it was written.
    pub key: String,
    /// File and line, or the flags.
    pub place: String,
    /// Why it has no effect; for an unknown key, which known one it may stand for, if any.
    pub why: String,
}

/// Where to listen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Listen {
    /// `None`: every address, IPv6 ones too where the machine has them.
    pub ip: Option<IpAddr>,
    /// 0: any free port.
    pub port: u16,
}

impl Listen {
    /// To bind: the wildcard is of both kinds.
    pub fn address(self) -> SocketAddr {
        SocketAddr::new(self.ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), self.port)
    }
}

impl fmt::Display for Listen {
    /// As Java's InetSocketAddress shows a wildcard.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, "0.0.0.0:{}", self.port),
        }
    }
}

/// The clients' ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientSettings {
    /// `clientPort`, `clientPortAddress`, or the client part of this server's `server.N` line. `None`:
    /// there is none without TLS.
    pub listen: Option<Listen>,
    /// `secureClientPort`, `secureClientPortAddress`.
    pub secure: Option<Listen>,
    /// `zookeeper.client.portUnification`: the port without TLS takes it, too.
    pub unification: bool,
    /// `clientPortListenBacklog`.
    pub backlog: i32,
    /// `zookeeper.clientTcpKeepAlive`.
    pub tcp_keep_alive: bool,
}

impl ClientSettings {
    /// Connections that may wait to be accepted.
    pub fn backlog_max(&self) -> u32 {
        self.backlog.max(1) as u32
    }

    /// What the port without TLS of its own speaks.
    pub fn security(&self) -> Security {
        if self.unification { Security::Either } else { Security::Plain }
    }

    /// Every place that clients come to, and what is spoken there.
    pub fn ports(&self) -> Vec<(SocketAddr, Security)> {
        let plain = self.listen.map(|at| (at.address(), self.security()));
        let secure = self.secure.map(|at| (at.address(), Security::Tls));
        plain.into_iter().chain(secure).collect()
    }
}

/// TLS towards clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsSettings {
    /// `zookeeper.ssl.*`.
    pub sources: Sources,
    /// `zookeeper.ssl.handshakeDetectionTimeoutMillis`: what a handshake may take from its first byte on.
    pub handshake: Duration,
    /// `zookeeper.client.certReload`: files that change are read again.
    pub reload: bool,
}

/// TLS between servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerTlsSettings {
    /// `zookeeper.ssl.quorum.*`.
    pub sources: Sources,
    /// `zookeeper.ssl.quorum.handshakeDetectionTimeoutMillis`: of a handshake that another server begins,
    /// from its first byte on.
    pub handshake: Duration,
    /// `sslQuorumReloadCertFiles`: files that change are read again.
    pub reload: bool,
    /// What is spoken at the ports for servers: with `portUnification` plain connections are taken, too.
    pub accepts: Security,
    /// `sslQuorum`: connections to others are made with TLS.
    pub dials: bool,
}

/// TLS of a port of the management plane's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlaneTlsSettings {
    /// `zookeeper.ssl.quorum.*`, or `metricsProvider.ssl.*`.
    pub sources: Sources,
    /// Whether plain HTTP is taken, too.
    pub accepts: Security,
    /// `sslQuorumReloadCertFiles`, or `ringkeeper.metrics.ssl.reload`: files that change are read again.
    pub reload: bool,
}

/// Sessions: how long, and of what kinds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionSettings {
    /// `minSessionTimeout`, milliseconds; two ticks unless set.
    pub timeout_ms_min: i32,
    /// `maxSessionTimeout`, milliseconds; twenty ticks unless set.
    pub timeout_ms_max: i32,
    /// `localSessionsEnabled`: a standalone server has global sessions only, as in Java.
    pub local: bool,
    /// `localSessionsUpgradingEnabled`: one that makes an ephemeral becomes global.
    pub local_upgrading: bool,
    /// `ringkeeper.sessions.max`: as many, and no new ones are made.
    pub max: usize,
    /// `zookeeper.closeSessionTxn.enabled`: the transaction lists the ephemerals.
    pub close_txn_lists_paths: bool,
}

/// Bounds of what one client, or all of them, may ask and hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitSettings {
    /// `jute.maxbuffer`, bytes.
    pub jute_maxbuffer: usize,
    /// `zookeeper.jute.maxbuffer.extrasize`, bytes: what a log or snapshot reader takes beyond
    /// `jute_maxbuffer`.
    pub jute_extra: usize,
    /// `maxClientCnxns` of one address; 0 = no bound.
    pub cnxns_per_address: u32,
    /// `zookeeper.maxCnxns` in all; 0 = no bound.
    pub cnxns: u32,
    /// `zookeeper.globalOutstandingLimit`.
    pub global_outstanding: usize,
    /// `zookeeper.nio.sessionlessCnxnTimeout`, milliseconds.
    pub sessionless_ms: i64,
    /// `zookeeper.multiRead.maxOps`: 0 or less is no bound but that of an answer.
    pub multi_read_ops: usize,
    /// `zookeeper.multiRead.maxResponseBytes`, in the same way.
    pub multi_read_bytes: usize,
    /// `zookeeper.commitLogCount`.
    pub committed_log: usize,
    /// `ringkeeper.client.outbound.pause`, bytes queued towards a client before its requests wait.
    pub outbound_pause: usize,
    /// `ringkeeper.client.outbound.max`, bytes queued towards a client before it is closed.
    pub outbound_close: usize,
}

/// The transaction log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// `zookeeper.preAllocSize`, here in bytes; 0 = none.
    pub prealloc_bytes: u64,
    /// `zookeeper.txnLogSizeLimitInKb`, here in bytes.
    pub size_limit_bytes: Option<u64>,
    /// `zookeeper.maxBatchSize`, records of one flush; `None` (0 or less) leaves the bound to the
    /// bytes of a batch.
    pub batch_records: Option<usize>,
    /// `zookeeper.flushDelay`, milliseconds.
    pub flush_delay_ms: i64,
    /// `zookeeper.maxWriteQueuePollTime`, milliseconds; a third of the delay unless set.
    pub poll_ms: i64,
    /// `zookeeper.fsync.warningthresholdms`.
    pub fsync_warning_ms: i64,
    /// `zookeeper.forceSync`: false for "no".
    pub force_sync: bool,
    /// `ringkeeper.log.io`.
    pub io: LogIo,
}

/// How the log thread writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogIo {
    /// What this machine does best.
    #[default]
    Auto,
    /// `calls`: write and fdatasync by the log thread itself.
    Calls,
    /// `ring`: linked write and flush.
    Ring,
    /// `direct`: aligned writes past the page cache, durable when they return.
    Direct,
}

/// Snapshots, and what a start makes of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotSettings {
    /// `zookeeper.snapCount`, transactions.
    pub txn_count: u64,
    /// `zookeeper.snapSizeLimitInKb`, here in bytes of log.
    pub log_bytes: Option<u64>,
    /// `zookeeper.snapshot.compression.method`.
    pub compression: Compression,
    /// `zookeeper.snapshot.trust.empty`.
    pub trust_empty: bool,
    /// `zookeeper.db.autocreate`.
    pub autocreate_db: bool,
    /// `zookeeper.serializeLastProcessedZxid.enabled`.
    pub last_zxid_section: bool,
    /// `ringkeeper.snapshot.mbps`, here in bytes a second; `None` = unbounded.
    pub bytes_per_second: Option<u64>,
}

/// The removal of old files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AutopurgeSettings {
    /// `autopurge.snapRetainCount`, at least 3.
    pub retain: usize,
    /// `autopurge.purgeInterval`; `None` = off.
    pub interval: Option<Duration>,
}

/// What the tree may hold; the same on all servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeSettings {
    /// `zookeeper.digest.enabled`.
    pub digest: bool,
    /// `zookeeper.extendedTypesEnabled`, `zookeeper.emulate353TTLNodes`.
    pub types: TypeRules,
    /// `zookeeper.enforceQuota`.
    pub enforce_quota: bool,
}

/// Authentication and access lists.
#[derive(Clone, PartialEq, Debug)]
pub struct AuthSettings {
    /// `zookeeper.skipACL`: true for "yes".
    pub skip_acl: bool,
    /// `zookeeper.enableEagerACLCheck`.
    pub eager_acl_check: bool,
    /// `zookeeper.DigestAuthenticationProvider.enabled`.
    pub digest_enabled: bool,
    /// `…DigestAuthenticationProvider.superDigest`: `super:<base64>`.
    pub super_digest: Option<String>,
    /// `…DigestAuthenticationProvider.digestAlg`.
    pub digest_alg: DigestAlgorithm,
    /// `zookeeper.enforce.auth.enabled` with `zookeeper.enforce.auth.schemes`: a connection must
    /// hold an identity of one of these before it may do anything. `None` = not enforced.
    pub enforce_schemes: Option<Vec<String>>,
    /// A port of the clients' speaks TLS, or `zookeeper.authProvider.*` names the X.509 provider.
    pub x509_enabled: bool,
    /// `zookeeper.X509AuthenticationProvider.superUser`.
    pub x509_super_user: Option<String>,
    /// `zookeeper.authProvider.*` names the SASL provider.
    pub sasl_enabled: bool,
    /// `zookeeper.letAnySaslUserDoX`.
    pub let_any_sasl_user_do: Option<String>,
    /// `zookeeper.superUser`, `zookeeper.superUser.*`.
    pub sasl_super_users: Vec<String>,
    /// The JAAS file's section for clients; `None`: there is no exchange.
    pub sasl: Option<SaslSettings>,
    /// `zookeeper.allowSaslFailedClients`: who fails is served like who never tried.
    pub allow_sasl_failed: bool,
}

/// Who clients may prove to be by SASL.
#[derive(Clone, PartialEq, Debug)]
pub struct SaslSettings {
    /// Of the section `Server`, or that of `zookeeper.sasl.serverconfig`.
    pub users: Credentials,
    /// `zookeeper.kerberos.remove*`, `zookeeper.security.auth_to_local`.
    pub names: Names,
}

/// `znode.container.*` (ContainerManager).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContainerSettings {
    /// `znode.container.checkIntervalMs`.
    pub check_interval_ms: i64,
    /// `znode.container.maxPerMinute`.
    pub deletions_per_minute: u32,
    /// 0 = a container that never had a child is never deleted.
    pub never_used_ms: i64,
}

/// `zookeeper.admin.*`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminSettings {
    /// `admin.serverAddress` and `admin.serverPort`.
    pub listen: Listen,
    /// Some `admin.*` key is there. Without one it is for this machine alone.
    pub is_named: bool,
    /// `admin.commandURL`, without a slash at its end.
    pub url: String,
    /// `admin.idleTimeout`, milliseconds; `None` = none but the management plane's own.
    pub idle_ms: Option<i64>,
    /// `admin.snapshot.enabled`.
    pub snapshots: bool,
    /// `admin.snapshot.intervalInMS`, else what `admin.rateLimiterIntervalInMS` comes to in Java:
    /// milliseconds between two snapshots.
    pub snapshot_interval_ms: i64,
    /// `zookeeper.IPAuthenticationProvider.usexforwardedfor`: a proxy stands in front, and its word
    /// about addresses is taken.
    pub trusts_proxy: bool,
    /// `ringkeeper.live.ms`: `/live` gives a role so long to take a turn.
    pub live_ms: u64,
    /// `ringkeeper.ready.ms`: a server that `/ready` calls ready is behind by so much at most.
    pub ready_ms: u64,
    /// `admin.forceHttps`, `admin.portUnification`, `admin.needClientAuth`.
    pub tls: Option<PlaneTlsSettings>,
}

/// `metricsProvider.*`, where the provider is Prometheus'. One of the two ports is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetricsSettings {
    /// `metricsProvider.httpHost` and `metricsProvider.httpPort`; none beside `metricsProvider.httpsPort`
    /// alone.
    pub listen: Option<Listen>,
    /// `metricsProvider.httpsPort`, and `metricsProvider.ssl.*`.
    pub secure: Option<(Listen, PlaneTlsSettings)>,
    /// `metricsProvider.exportJvmInfo`: here the process's own figures.
    pub process: bool,
    /// `ringkeeper.metrics.names`.
    pub names: MetricNames,
}

/// `audit.*`, where `audit.enable` is true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditSettings {
    /// `ringkeeper.audit.file`, or else `zookeeper.auditlog.file`, in the folder `zookeeper.log.dir`.
    pub file: PathBuf,
    /// `ringkeeper.audit.max`, bytes from which on the file is rotated.
    pub bytes_max: u64,
    /// `ringkeeper.audit.keep`, files that have been rotated.
    pub keep: u32,
    /// `ringkeeper.audit.daily`: it is rotated at midnight, too, by UTC.
    pub daily: bool,
}

/// `ringkeeper.slow.*`, where `ringkeeper.slow.ms` is above 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlowSettings {
    /// `ringkeeper.slow.ms`: operations that take as long are kept.
    pub threshold_ms: i64,
    /// `ringkeeper.slow.keep`, operations.
    pub keep: usize,
}

/// Whose names metrics have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MetricNames {
    /// `3.9`.
    #[default]
    Plain,
    /// `3.10`: counters end in `_total`.
    Total,
}

/// `zookeeper.4lw.commands.whitelist`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FourLetterSettings {
    /// `*`: every command.
    pub all: bool,
    /// Sorted; `srvr` is always among them.
    pub commands: Vec<String>,
}

impl FourLetterSettings {
    /// Whether it is answered.
    pub fn allows(&self, command: &str) -> bool {
        self.all || self.commands.iter().any(|c| c == command)
    }
}

/// Our own keys: which CPU does what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PlacementSettings {
    /// `ringkeeper.cores.network`.
    pub network: Cores,
    /// `ringkeeper.cores.control`.
    pub control: Option<usize>,
    /// `ringkeeper.cores.log`.
    pub log: Option<usize>,
    /// `ringkeeper.spin.micros`: how long an idle core spins before it sleeps; `None` = the
    /// server decides.
    pub spin_micros: Option<u32>,
}

/// CPUs of a role.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Cores {
    /// Derived from the machine.
    #[default]
    Auto,
    /// `x4`: so many threads, placed by the server.
    Count(usize),
    /// `1-6,8`: one thread on each of these CPUs.
    Cpus(Vec<usize>),
}
