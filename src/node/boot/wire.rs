//! The wiring: settings into every module's own, mailboxes between the roles, threads around them.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::log::LogStarter;
use super::{BootError, Server, ensemble};
use bytes::Bytes;

use crate::acl;
use crate::admin::gauges::Gauges;
use crate::admin::quorum::EnsembleFacts;
use crate::admin::words::{Desk, Facts, Whitelist};
use crate::codec::quorum::Limits;
use crate::codec::txn::Entry;
use crate::config::{self, Settings};
use crate::history::{self, Committed};
use crate::log::IoChoice;
use crate::membership::Role;
use crate::net::{Bound, NetSettings};
use crate::node::clerk::Clerk;
use crate::node::history_files::HistoryFiles;
use crate::node::hosting::{Hosted, LentLog};
use crate::node::housekeeping::Housekeeping;
use crate::node::learner_files::LearnerFiles;
use crate::node::placement::{ControlPlace, Placement};
use crate::node::threads::{self, NetworkThread, NotReady};
use crate::prep::PrepSettings;
use crate::roles::control::{
    ClientRules, Control, ControlParts, ControlSettings, Disk, EnsembleParts,
};
use crate::roles::message::{QUESTIONS_MAX, ToControl, ToNetwork};
use crate::roles::network::{Admission, Budgets, Commons, NetworkParts, NetworkSettings, Share};
use crate::roles::peers::{PeerSettings, Peers, Resolver};
use crate::roles::quiet::ClientLines;
use crate::roles::stream::{Outlet, Stream};
use crate::runtime::{
    Receiver, RingSleeper, Sender, ThreadSleeper, beside, clock, entropy, mailbox, waker,
};
use crate::session::IdSource;
use crate::snapshot::pack::Compression;
use crate::snapshot::{self, Directories, RestoreError, RestoreOptions, Restored, WriteOptions};
use crate::tree::{Tree, TreeOptions, TreeWriter};
use crate::types::{CoreId, Millis, ServerId, Zxid, limits};
use crate::zab::Window;

/// An election takes this long before reads are served without a leader.
const READS_AFTER_MS: i64 = 2_000;

/// Znodes of a tree whose snapshot is not waited for at the start: a tenth of a second's worth.
const LARGE_TREE: usize = 100_000;

/// The tree as it was left, and how it came back.
pub struct Recovered {
    tree: Arc<Tree>,
    writer: TreeWriter,
    restored: Restored,
    /// The newest transactions, for learners of an ensemble.
    window: Window,
    /// A snapshot is due as soon as clients are served.
    snapshot_later: bool,
    /// There was nothing, and nobody has said that this is meant.
    blank: bool,
}

/// Loads the newest snapshot, replays the log, and takes a snapshot where one is due.
pub fn recover(
    settings: &Settings,
    folders: &Directories,
    gauges: &Gauges,
) -> Result<Recovered, BootError> {
    let (tree, mut writer) = Tree::new(TreeOptions {
        hash_seed: entropy(),
        types: settings.tree.types,
        digest: settings.tree.digest,
        ..TreeOptions::default()
    });
    let options = restore_options(settings);
    let began = clock::now();
    let mut window = Window::new(settings.limits.committed_log, limits::WINDOW_BYTES);
    let mut seen = |entry: &Entry, bytes: &[u8]| {
        // A log may hold a transaction twice.
        if !window.has_seen(entry.header.zxid) {
            window.push(entry.header.zxid, Bytes::copy_from_slice(bytes));
        }
    };
    let (restored, blank) = match snapshot::restore(folders, &mut writer, &options, &mut seen) {
        // A member of an ensemble gets its history from a leader (QuorumPeer, with zxid -1).
        Err(RestoreError::Empty { .. }) if settings.ensemble.is_some() => {
            tracing::warn!(
                "the database is empty, and zookeeper.db.autocreate is false: this server has no vote \
                 until it has a leader's history"
            );
            let options = RestoreOptions { autocreate: true, ..options };
            (snapshot::restore(folders, &mut writer, &options, &mut seen)?, true)
        }
        other => (other?, false),
    };
    let elapsed = clock::now().0 - began.0;
    say_restored(&restored, &tree, elapsed);
    gauges.snap_load_time.record(elapsed);
    gauges.txns_loaded.record(restored.replayed as i64);
    gauges.digest_mismatches.set(restored.digests.mismatches as i64);
    let snapshot_later = settings.ensemble.is_none() && may_wait(&restored, &tree);
    // Without a vote nothing is written that a next start would take for a database.
    if restored.snapshot_due && !snapshot_later && !blank {
        let sessions: Vec<_> = restored.sessions.iter().map(|(id, t)| (*id, *t)).collect();
        let options = WriteOptions { quiet: true, ..write_options(settings, &restored) };
        let dir = folders.snapshots.as_ref();
        match snapshot::write_file(dir, &tree, &sessions, &options, &mut |_| true) {
            // The log has all that it would have held; the next start reads it again.
            Err(error) if error.is_no_space() && restored.snapshot.is_some() => {
                tracing::warn!(%error, "no snapshot at this start");
            }
            written => drop(written?),
        }
    }
    Ok(Recovered { tree, writer, restored, window, snapshot_later, blank })
}

/// Whether the snapshot that is due can be written while clients are served: it is large, and all
/// that it brings is a shorter replay.
fn may_wait(restored: &Restored, tree: &Tree) -> bool {
    let as_on_disk = restored.snapshot.is_some() && restored.damaged.is_empty();
    restored.snapshot_due
        && as_on_disk
        && restored.killed.is_empty()
        && tree.node_count() >= LARGE_TREE
}

pub(super) fn restore_options(settings: &Settings) -> RestoreOptions {
    RestoreOptions {
        trust_empty: settings.snapshot.trust_empty,
        autocreate: settings.snapshot.autocreate_db,
        digest: settings.tree.digest,
        field_max: settings.field_max(),
        types: settings.tree.types,
        kill_lost_sessions: settings.ensemble.is_none(),
        conveyor: beside,
    }
}

fn say_restored(restored: &Restored, tree: &Tree, elapsed_ms: i64) {
    for damaged in &restored.damaged {
        tracing::warn!(file = %damaged.file, why = %damaged.why, "snapshot passed over");
    }
    for torn in &restored.log.torn {
        tracing::warn!(
            file = %torn.file,
            offset = torn.offset,
            cause = %torn.cause,
            "log ends in a write that was never acknowledged: cut"
        );
    }
    if let Some(mismatch) = &restored.digests.first_mismatch {
        tracing::error!(
            zxid = %mismatch.zxid,
            mismatches = restored.digests.mismatches,
            "replayed transactions and tree digests differ"
        );
    }
    for session in &restored.killed {
        tracing::warn!(%session, "session is in no table: its ephemerals are gone");
    }
    if let Some(zxid) = restored.digests.uncovered {
        tracing::warn!(
            snapshot_holds_effects_upto = %zxid,
            log_ends_at = %restored.zxid,
            "the log ends before the snapshot does: the tree may be a mixture of two moments"
        );
    }
    if restored.unknown_acls > 0 {
        let nodes = restored.unknown_acls;
        tracing::error!(nodes, "no access list is known for some nodes: nobody may use them");
    }
    if restored.ttl_nodes_kept > 0 {
        let nodes = restored.ttl_nodes_kept;
        tracing::warn!(nodes, "TTL nodes are here, and extendedTypesEnabled is off: they stay");
    }
    if restored.repeated > 0 {
        tracing::warn!(entries = restored.repeated, "the log has transactions twice");
    }
    tracing::info!(
        zxid = %restored.zxid,
        znodes = tree.node_count(),
        sessions = restored.sessions.len(),
        snapshot = restored.snapshot.as_ref().map(|s| s.file.as_str()).unwrap_or("none"),
        replayed = restored.replayed,
        ms = elapsed_ms,
        "restored"
    );
}

/// How far the history is known to be committed; zero: nobody knows.
fn committed(folders: &Directories, last: Zxid) -> Zxid {
    let dir = folders.snapshots.as_ref();
    let file = dir.show(&history::committed::name());
    match history::committed::read(dir, last) {
        Ok(Committed::Upto(zxid)) => zxid,
        Ok(Committed::Unknown) => Zxid::ZERO,
        Ok(Committed::Beyond(zxid)) => {
            tracing::warn!(
                %file,
                committed = %zxid,
                found = %last,
                "the files beside it end before what it says was committed: they were put there by \
                 somebody, or a power loss took what forceSync=no did not keep"
            );
            Zxid::ZERO
        }
        Err(error) => {
            tracing::warn!(%file, %error, "cannot be read");
            Zxid::ZERO
        }
    }
}

fn write_options(settings: &Settings, restored: &Restored) -> WriteOptions {
    WriteOptions {
        at: restored.zxid,
        restored_upto: restored.czxid_max,
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

/// A network core's mailbox and what wakes it, before its thread runs.
struct Core {
    sleeper: RingSleeper,
    waker: crate::runtime::Waker,
    sender: Sender<ToNetwork>,
    inbox: Receiver<ToNetwork>,
    stream: Arc<Stream>,
}

impl Core {
    fn new() -> io::Result<Core> {
        let (sleeper, waker) = waker::for_ring()?;
        let (sender, inbox) = mailbox(limits::MAILBOX_CAPACITY, waker.clone());
        Ok(Core { sleeper, waker, sender, inbox, stream: Arc::default() })
    }
}

/// Where the control role lives, and how that thread sleeps.
enum ControlThread {
    /// That of the first network core.
    Network,
    Alone(ThreadSleeper, Option<usize>),
    /// Its own, with a transport for other servers.
    WithPeers(RingSleeper, Option<usize>),
}

/// Starts every thread and waits until clients can connect.
pub fn start(
    settings: Settings,
    placement: Placement,
    folders: Directories,
    gauges: Arc<Gauges>,
    (recovered, log_io): (Recovered, IoChoice),
    door: Bound,
) -> Result<Server, BootError> {
    let now = clock::now();
    let cores: Vec<Core> = (0..placement.network.len())
        .map(|_| Core::new())
        .collect::<io::Result<_>>()
        .map_err(BootError::Thread)?;
    let (control_place, control_waker) = match (placement.control, &settings.ensemble) {
        (ControlPlace::WithNetwork, _) => (ControlThread::Network, cores[0].waker.clone()),
        (ControlPlace::Alone(cpu), None) => {
            let (sleeper, waker) = waker::for_thread();
            (ControlThread::Alone(sleeper, cpu), waker)
        }
        (ControlPlace::Alone(cpu), Some(_)) => {
            let (sleeper, waker) = waker::for_ring().map_err(BootError::Thread)?;
            (ControlThread::WithPeers(sleeper, cpu), waker)
        }
    };
    let peers = settings.ensemble.as_ref().map(|ensemble| {
        let settings = PeerSettings::new(ensemble, settings.field_max());
        Box::new(Peers::new(settings, Resolver::new(control_waker.clone()), now))
    });
    let lent_log = placement.lends_log().then(LentLog::default);
    let borrower = lent_log.clone().map(|slot| (control_waker.clone(), slot));
    let (to_control, control_inbox) = mailbox(limits::MAILBOX_CAPACITY, control_waker);
    let mut starter = LogStarter::new(
        &settings,
        &placement,
        (folders.logs.clone(), log_io),
        gauges.clone(),
        to_control.clone(),
        borrower,
    );
    let log = starter.start(recovered.restored.zxid)?;
    let (jobs, job_queue) = mpsc::sync_channel(1);
    let (learner_jobs, learner_queue) = mpsc::channel();
    let (ended_sender, ended) = mpsc::channel();
    let mut threads = Threads { ended: ended_sender, handles: Vec::new() };

    let folders = Arc::new(folders);
    let Recovered { tree, writer, restored, window, snapshot_later, blank } = recovered;
    let options = write_options(&settings, &restored);
    let removing: Arc<parking_lot::Mutex<()>> = Arc::default();
    let ensemble = match &settings.ensemble {
        None => None,
        Some(ensemble) => {
            let (changes, change_queue) = mpsc::channel();
            HistoryFiles {
                folders: folders.clone(),
                restore: {
                    let options = restore_options(&settings);
                    RestoreOptions { autocreate: options.autocreate || blank, ..options }
                },
                write: options.clone(),
                start_log: Box::new(move |last| starter.start(last).map_err(|e| e.to_string())),
                removing: removing.clone(),
            }
            .spawn(change_queue, to_control.clone())
            .map_err(BootError::Thread)?;
            let committed = committed(&folders, restored.zxid);
            let disk = Disk::new(folders.clone(), settings.field_max(), changes, committed);
            LearnerFiles {
                tree: tree.clone(),
                logs: folders.logs.clone(),
                snapshots: folders.snapshots.clone(),
                entry_max: settings.field_max(),
                to_control: to_control.clone(),
            }
            .spawn(learner_queue)
            .map_err(BootError::Thread)?;
            let at = listen_address(&settings);
            let reconfig = ensemble::reconfig(&settings, ensemble, at, cores[0].sender.clone());
            let rules = client_rules(&settings);
            let last = restored.zxid;
            let parts = ensemble::parts(ensemble, rules, reconfig, disk, window, last)?;
            Some(EnsembleParts { blank, ..parts })
        }
    };
    let serving = ensemble.is_none();
    gauges.running.store(serving, std::sync::atomic::Ordering::Relaxed);
    Housekeeping {
        tree: tree.clone(),
        gauges: gauges.clone(),
        snapshots: folders.snapshots.clone(),
        logs: folders.logs.clone(),
        logs_are_flushed: settings.log.force_sync,
        options,
        bytes_per_second: settings.snapshot.bytes_per_second,
        txn_count: settings.snapshot.txn_count,
        retain: settings.autopurge.retain,
        purge_interval: settings.autopurge.interval,
        to_control: to_control.clone(),
        removing,
    }
    .spawn(job_queue)
    .map_err(BootError::Thread)?;

    let last = restored.zxid;
    let outlets = cores
        .iter()
        .map(|core| Outlet::new(core.sender.clone(), core.stream.clone(), last))
        .collect();
    let control = Box::new(Control::new(ControlParts {
        settings: control_settings(&settings),
        writer,
        prep: prep_settings(&settings),
        ids: IdSource::new(ServerId(settings.server_id.unwrap_or(1)), clock::wall())
            .counting_from(entropy() as u16),
        sessions: restored.sessions,
        inbox: control_inbox,
        outlets,
        log,
        jobs,
        learner_jobs,
        restored_upto: restored.czxid_max,
        snapshot_due: snapshot_later,
        ensemble,
        gauges: gauges.clone(),
        now,
        wall: clock::wall(),
    }));
    let desk = Arc::new(desk(&settings, tree.clone(), gauges.clone()));
    let (clerk, questions) = mpsc::sync_channel(QUESTIONS_MAX);
    Clerk {
        desk: desk.clone(),
        cores: cores.iter().map(|core| core.sender.clone()).collect(),
        to_control: to_control.clone(),
    }
    .spawn(questions)
    .map_err(BootError::Thread)?;
    let commons = Arc::new(Commons {
        tree,
        policy: Arc::new(policy(&settings)),
        eager_acl_check: settings.auth.eager_acl_check && settings.ensemble.is_some(),
        desk,
        clerk,
        admission: Arc::new(Admission::new(
            settings.limits.cnxns_per_address as usize,
            settings.limits.cnxns as usize,
        )),
        lines: ClientLines::default(),
        peers: cores.iter().map(|core| core.sender.clone()).collect(),
    });
    let mut hosted = None;
    match control_place {
        ControlThread::Network => hosted = Some(Hosted::new(control, peers, lent_log)),
        ControlThread::Alone(sleeper, cpu) => {
            threads.spawn("control", move || threads::run_control(control, sleeper, cpu))?;
        }
        ControlThread::WithPeers(sleeper, cpu) => {
            let (hosted, net) = (Hosted::new(control, peers, None), net_settings(&settings));
            threads.spawn("control", move || {
                threads::run_control_with_peers(hosted, net, sleeper, cpu)
            })?;
        }
    }
    let address = listen_address(&settings);
    // The first core listens.
    let mut door = Some(door);
    let (ready_sender, ready) = mpsc::channel();
    let core_count = cores.len();
    for (index, core) in cores.into_iter().enumerate() {
        let thread = NetworkThread {
            cpu: placement.network[index],
            net: net_settings(&settings),
            sleeper: core.sleeper,
            listen: door.take().map(|door| (door, backlog(&settings))),
            control: if index == 0 { hosted.take() } else { None },
            ready: ready_sender.clone(),
        };
        let core_id = CoreId(index as u16);
        let shared = Shared {
            settings: network_settings(&settings, core_count),
            commons: commons.clone(),
            gauges: gauges.cores[index].clone(),
            stream: core.stream,
            inbox: core.inbox,
            to_control: to_control.clone(),
            drained: last,
            serving,
            now,
        };
        threads.network(thread, core_id, shared)?;
    }
    drop(ready_sender);
    wait_ready(&ready, address, serving)?;
    Ok(Server { to_control, threads: threads.handles, ended, desk: commons.desk.clone(), folders })
}

fn wait_ready(
    ready: &mpsc::Receiver<Result<Option<SocketAddr>, NotReady>>,
    address: SocketAddr,
    serving: bool,
) -> Result<(), BootError> {
    // Each thread reports once; the channel ends when all have.
    for report in ready.iter() {
        match report {
            Ok(Some(address)) if serving => tracing::info!(%address, "serving clients"),
            Ok(Some(address)) => tracing::info!(%address, "listening; waiting for a leader"),
            Ok(None) => {}
            Err(NotReady::Listen(cause)) => return Err(BootError::Listen { address, cause }),
            Err(NotReady::Ring(why)) => return Err(BootError::Kernel(why)),
        }
    }
    Ok(())
}

/// A network role's parts that may cross to its thread.
struct Shared {
    settings: NetworkSettings,
    commons: Arc<Commons>,
    gauges: Arc<crate::admin::gauges::CoreGauges>,
    stream: Arc<Stream>,
    inbox: Receiver<ToNetwork>,
    to_control: Sender<ToControl>,
    drained: Zxid,
    serving: bool,
    now: Millis,
}

struct Threads {
    ended: mpsc::Sender<(&'static str, Result<(), BootError>)>,
    handles: Vec<std::thread::JoinHandle<()>>,
}

impl Threads {
    fn spawn(
        &mut self,
        name: &'static str,
        body: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Result<(), BootError> {
        let ended = self.ended.clone();
        let handle = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                let outcome = body().map_err(|cause| BootError::Ended { name, cause });
                // Nobody listens once the server stops.
                let _ = ended.send((name, outcome));
            })
            .map_err(BootError::Thread)?;
        self.handles.push(handle);
        Ok(())
    }

    fn network(
        &mut self,
        thread: NetworkThread,
        core: CoreId,
        shared: Shared,
    ) -> Result<(), BootError> {
        self.spawn("network", move || {
            thread.run(move |net| NetworkParts {
                core,
                settings: shared.settings,
                net,
                commons: shared.commons,
                gauges: shared.gauges,
                stream: shared.stream,
                inbox: shared.inbox,
                to_control: shared.to_control,
                drained: shared.drained,
                serving: shared.serving,
                now: shared.now,
                hash_seed: entropy(),
            })
        })
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
        enforced_schemes: auth.enforce_schemes.clone(),
        ..acl::Policy::default()
    }
}

pub(super) fn desk(settings: &Settings, tree: Arc<Tree>, gauges: Arc<Gauges>) -> Desk {
    let words = &settings.four_letter;
    let whitelist =
        if words.all { Whitelist::new("*") } else { Whitelist::new(&words.commands.join(",")) };
    Desk {
        gauges,
        tree,
        whitelist,
        facts: Facts {
            client_port: i64::from(settings.client.listen.port),
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
            sessionless_ms: settings.limits.sessionless_ms,
        },
    }
}

/// Connections that wait to be accepted.
pub(super) fn backlog(settings: &Settings) -> u32 {
    settings.client.backlog.max(1) as u32
}

pub(super) fn listen_address(settings: &Settings) -> SocketAddr {
    let ip = settings.client.listen.ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    SocketAddr::new(ip, settings.client.listen.port)
}

fn net_settings(settings: &Settings) -> NetSettings {
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
        open_bytes_all: (limits::OPEN_BYTES_ALL / cores).max(limits::OPEN_BYTES),
        ..Budgets::default()
    }
}
