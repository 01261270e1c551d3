//! One server: the shipping roles, wired as `node::boot` wires them, without threads.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use ringkeeper::acl::Policy;
use ringkeeper::admin::words::{ShownSettings, Whitelist};
use ringkeeper::disk::Dir;
use ringkeeper::election::ElectionSettings;
use ringkeeper::log::LogSettings;
use ringkeeper::membership::{Electorate, Members};
use ringkeeper::metrics::gauges::Gauges;
use ringkeeper::net::NetSettings;
use ringkeeper::node::assembly::{EnsemblePlan, Parts, Plan, Roles, Seat, assemble};
use ringkeeper::node::history_files::{HistoryFiles, StartLog};
use ringkeeper::node::recover::{RecoverPlan, Recovered, recover};
use ringkeeper::prep::PrepSettings;
use ringkeeper::roles::control::{self, Control, ControlSettings};
use ringkeeper::roles::insight::Insight;
use ringkeeper::roles::jobs::{HistoryJob, Job, LearnerJob, LogInput};
use ringkeeper::roles::learner_files::{LearnerFiles, TreeStream};
use ringkeeper::roles::log::check_nothing_is_lost;
use ringkeeper::roles::message::{Query, ToControl};
use ringkeeper::roles::network::{
    Admission, Budgets, NetworkRole, NetworkSettings, Shared, SharedThrottles,
};
use ringkeeper::runtime::mailbox::{Receiver, Sender, mailbox};
use ringkeeper::runtime::{Waker, waker};
use ringkeeper::snapshot::{Directories, RestoreOptions, Restored, WriteOptions};
use ringkeeper::tree::{Tree, TreeOptions, TreeWriter};
use ringkeeper::types::{Millis, ServerId, TypeRules, WallMillis, Zxid, limits};
use ringkeeper::zab::{Readers, SyncRules, Timing};

use crate::disk::SimDisk;
use crate::history::FIELD_MAX;
use crate::knobs::Knobs;
use crate::peers::Sockets;
use crate::rng::Rng;
use crate::rot::Rot;
use crate::storage::SimLog;
use crate::transport::{Bounds, SimTransport};

/// Local time of a process at its birth, in milliseconds.
pub const BIRTH_MS: i64 = 1000;
const WALL_START_MS: i64 = 1_700_000_000_000;
const MILLION: i128 = 1_000_000;

/// What a server keeps when its process ends.
pub struct Server {
    pub id: usize,
    pub logs: SimDisk,
    pub snapshots: SimDisk,
    pub marker: SimDisk,
    pub up: Option<Running>,
    /// Number of the process.
    pub incarnation: u64,
    /// Parts in a million that its clock is fast.
    pub drift_ppm: i64,
    /// When its latest role began to serve, in the world's time; `None` while none does.
    pub serves_since: Option<i64>,
    pub wall_offset_ms: i64,
    /// Nothing runs before this time.
    pub paused_until: i64,
    pub slow_factor: i64,
    pub slow_until: i64,
    pub silent_until: i64,
    pub hang_us: i64,
    /// Since when and until when its control role takes no turn.
    pub control_hangs: Option<(i64, i64)>,
    /// The next start dies at this change.
    pub dies_at_start: Option<(u64, bool)>,
    pub rot: Vec<(bool, Rot)>,
    pub full_until: i64,
    /// How the machine ends with its process, and for how long.
    pub dies_with: (bool, i64),
    /// What its log was given, by zxid.
    pub entries: BTreeMap<Zxid, Bytes>,
    /// What it held before the first of them: a leader's snapshot.
    pub base: Zxid,
    /// By the zxid in its file's name, up to which transaction such a snapshot may show effects.
    pub shown: BTreeMap<Zxid, Zxid>,
    /// Reported durable by its last process.
    pub durable: Zxid,
    /// Applied and looked at.
    pub applied: Zxid,
    /// The process and the state whose digest was looked at.
    pub digested: (u64, Zxid),
    /// Its log has ended for a change of history, which is not done yet.
    pub is_changing: bool,
    /// As a leader: how far its log was when it last moved, when that was, and its last turn.
    pub log_moved: (Zxid, i64, i64),
    pub rng: Rng,
}

/// Behind what a log goes on, and the mailbox of its inputs.
type LogStarts = mpsc::Receiver<(Zxid, Receiver<LogInput>)>;

/// A process.
pub struct Running {
    pub alive: Arc<AtomicBool>,
    pub born_us: i64,
    pub control: Control,
    pub control_at: Option<i64>,
    pub cores: Vec<Core>,
    pub log: SimLog,
    pub log_at: Option<i64>,
    pub prepare_at: Option<i64>,
    pub jobs: mpsc::Receiver<Job>,
    pub waiting_jobs: VecDeque<Job>,
    pub learner_jobs: mpsc::Receiver<LearnerJob>,
    /// What reads for learners, and the trees on their way to them.
    pub learner_files: Option<LearnerFiles>,
    pub streams: Vec<TreeStream>,
    pub sockets: Option<Sockets>,
    /// The thread that changes histories, and what it is to do.
    pub history: Option<HistoryFiles>,
    pub history_jobs: mpsc::Receiver<HistoryJob>,
    pub changing: VecDeque<HistoryJob>,
    /// Logs of new histories.
    pub log_started: LogStarts,
    /// Nobody asks words that take time; the queue's other end must live.
    pub questions: mpsc::Receiver<Query>,
    pub tree: Arc<Tree>,
    pub gauges: Arc<Gauges>,
    pub to_control: Sender<ToControl>,
    pub dirs: Arc<Directories>,
    pub options: WriteOptions,
    pub shared: Arc<Shared>,
    pub next_core: usize,
    pub stopping: bool,
}

pub struct Core {
    pub role: NetworkRole<SimTransport>,
    pub at: Option<i64>,
    /// Connections that brought something since it last looked.
    pub heard: Vec<u64>,
}

impl Core {
    pub fn has_work(&mut self) -> bool {
        self.role.has_mail() || self.role.net().has_events()
    }
}

/// What a start found.
pub struct Booted {
    pub running: Running,
    pub restored: Restored,
    /// Replayed entries.
    pub replayed: Vec<(Zxid, Bytes)>,
}

pub fn policy() -> Policy {
    Policy::default()
}

fn rules(knobs: &Knobs) -> TypeRules {
    TypeRules { extended_types: knobs.extended_types, emulate_353_ttl: false }
}

/// An empty tree, as every server begins.
pub fn fresh_tree(knobs: &Knobs, seed: u64) -> (Arc<Tree>, TreeWriter) {
    Tree::new(tree_options(knobs, seed))
}

fn tree_options(knobs: &Knobs, hash_seed: u64) -> TreeOptions {
    TreeOptions { shards: knobs.shards, hash_seed, types: rules(knobs), digest: true }
}

impl Server {
    /// Whether anything had turned; it is as it was now.
    pub fn turn_back(&mut self) -> bool {
        let rots = std::mem::take(&mut self.rot);
        for (of_logs, rot) in &rots {
            rot.turn(if *of_logs { &self.logs } else { &self.snapshots });
        }
        !rots.is_empty()
    }

    pub fn new(id: usize, knobs: &Knobs, seed: u64) -> Server {
        let mut rng = Rng::part(seed, 100 + id as u64);
        let logs = SimDisk::unrecorded();
        let snapshots = if knobs.one_folder { logs.clone() } else { SimDisk::unrecorded() };
        Server {
            id,
            logs,
            snapshots,
            marker: SimDisk::unrecorded(),
            up: None,
            incarnation: 0,
            drift_ppm: rng.one_of([0, 0, 50, -50, 2000, -2000]),
            serves_since: None,
            wall_offset_ms: rng.between(-5000, 5000),
            paused_until: 0,
            slow_factor: 1,
            slow_until: 0,
            silent_until: 0,
            hang_us: 0,
            control_hangs: None,
            dies_at_start: None,
            rot: Vec::new(),
            full_until: 0,
            dies_with: (false, 1000),
            entries: BTreeMap::new(),
            base: Zxid::ZERO,
            shown: BTreeMap::new(),
            durable: Zxid::ZERO,
            applied: Zxid::ZERO,
            digested: (0, Zxid(-1)),
            is_changing: false,
            log_moved: (Zxid::ZERO, 0, 0),
            rng,
        }
    }

    /// Local milliseconds of the monotonic clock.
    pub fn now(&self, us: i64) -> Millis {
        let born = self.up.as_ref().map_or(us, |up| up.born_us);
        Millis(BIRTH_MS + self.local(us - born) / 1000)
    }

    /// The world's time at which the local clock shows this.
    pub fn when(&self, at: Millis) -> i64 {
        let born = self.up.as_ref().map_or(0, |up| up.born_us);
        let local = i128::from((at.0 - BIRTH_MS).saturating_mul(1000));
        let us = local * MILLION / (MILLION + i128::from(self.drift_ppm));
        // A little later, so that the clock has surely come there: else it would be asked again
        // every microsecond.
        born.saturating_add(i64::try_from(us).unwrap_or(i64::MAX)).saturating_add(10)
    }

    /// Never goes back, as a monotonic clock.
    fn local(&self, us: i64) -> i64 {
        us + us * self.drift_ppm / 1_000_000
    }

    pub fn wall(&self, us: i64) -> WallMillis {
        WallMillis(WALL_START_MS + self.local(us) / 1000 + self.wall_offset_ms)
    }

    /// How long something takes here.
    pub fn takes(&mut self, now_us: i64, usual_us: i64) -> i64 {
        let factor = if now_us < self.slow_until { self.slow_factor } else { 1 };
        self.rng.latency(usual_us) * factor
    }

    /// Ends the process; with `power`, the machine.
    pub fn end(&mut self, power: bool) {
        if let Some(up) = self.up.take() {
            up.alive.store(false, Ordering::SeqCst);
        }
        self.incarnation += 1;
        self.paused_until = 0;
        self.hang_us = 0;
        self.control_hangs = None;
        for disk in [&self.logs, &self.snapshots, &self.marker] {
            if power {
                disk.power_lost(&mut self.rng);
            } else {
                disk.process_lost();
            }
        }
    }

    /// A start, from the folders to roles that serve. The error says why there is none.
    pub fn boot(&mut self, now_us: i64, knobs: &Knobs) -> Result<Booted, String> {
        let alive = Arc::new(AtomicBool::new(true));
        let dirs = Arc::new(Directories::of(
            self.snapshots.mount(&alive),
            self.logs.mount(&alive),
            self.marker.mount(&alive),
        ));
        let plan = RecoverPlan {
            tree: tree_options(knobs, self.rng.u64()),
            restore: restore_options(knobs),
            write: write_options(knobs),
            window: knobs.window,
            member: knobs.servers > 1,
        };
        let mut replayed = Vec::new();
        let recovered = recover(&dirs, plan, &mut |entry, bytes| {
            replayed.push((entry.header.zxid, Bytes::copy_from_slice(bytes)));
        })
        .map_err(|e| e.to_string())?;
        recovered.snapshot_if_due(&dirs).map_err(|e| e.to_string())?;
        self.incarnation += 1;
        let restored = recovered.restored.clone();
        let running = self.assemble(now_us, knobs, alive, dirs, recovered)?;
        Ok(Booted { running, restored, replayed })
    }

    /// The roles, and what stands around them in this world.
    fn assemble(
        &mut self,
        now_us: i64,
        knobs: &Knobs,
        alive: Arc<AtomicBool>,
        dirs: Arc<Directories>,
        recovered: Recovered,
    ) -> Result<Running, String> {
        let tree = recovered.tree.clone();
        let gauges = Arc::new(Gauges::new(knobs.cores, Millis(BIRTH_MS)));
        let (roles, sockets, log_started) =
            self.roles(now_us, knobs, &dirs, recovered, gauges.clone())?;
        let Ok((last, inbox)) = log_started.try_recv() else { return Err("no log".into()) };
        let log = self.new_log(knobs, &dirs, last, inbox);
        let core = |seat: Seat| Core {
            role: NetworkRole::new(seat.parts(SimTransport::new(bounds(knobs)))),
            at: None,
            heard: Vec::new(),
        };
        let small =
            |files: LearnerFiles| files.with_pieces(knobs.chunk_bytes, 10 * knobs.snapshot_slice);
        Ok(Running {
            alive,
            born_us: now_us,
            control: roles.control,
            control_at: None,
            cores: roles.networks.into_iter().map(core).collect(),
            log,
            log_at: None,
            prepare_at: None,
            jobs: roles.queues.jobs,
            waiting_jobs: VecDeque::new(),
            learner_jobs: roles.queues.learner_jobs,
            learner_files: roles.learner_files.map(small),
            streams: Vec::new(),
            sockets,
            history: roles.history,
            history_jobs: roles.queues.changes,
            changing: VecDeque::new(),
            log_started,
            questions: roles.queues.questions,
            tree,
            gauges,
            to_control: roles.to_control,
            dirs,
            options: roles.write,
            shared: roles.shared,
            next_core: 0,
            stopping: false,
        })
    }

    /// The shipping assembly, with the sockets towards other servers, and the mailboxes of each log
    /// that it starts.
    fn roles(
        &mut self,
        now_us: i64,
        knobs: &Knobs,
        dirs: &Arc<Directories>,
        recovered: Recovered,
        gauges: Arc<Gauges>,
    ) -> Result<(Roles, Option<Sockets>, LogStarts), String> {
        let (now, wall) = (Millis(BIRTH_MS), self.wall(now_us));
        let (_, waker) = waker::for_thread();
        let (log_starts, log_started) = mpsc::channel();
        let (logs, log_waker) = (dirs.logs.clone(), waker.clone());
        let electorate = electorate(knobs);
        let me = ServerId(self.id as i64 + 1);
        let sockets =
            electorate.as_ref().map(|electorate| Sockets::new(me, electorate, knobs.tick_ms, now));
        let plan = self.plan(me, knobs, electorate);
        let roles = assemble(Parts {
            plan,
            folders: dirs.clone(),
            recovered,
            gauges,
            control: waker.clone(),
            cores: vec![waker; knobs.cores],
            log: Box::new(move |_| log_starter(logs, log_starts, log_waker)),
            entropy: &mut || self.rng.u64(),
            now,
            wall,
        })
        .map_err(|e| e.to_string())?;
        Ok((roles, sockets, log_started))
    }

    fn plan(&mut self, me: ServerId, knobs: &Knobs, electorate: Option<Electorate>) -> Plan {
        Plan {
            server: me,
            control: ControlSettings {
                tick_time: knobs.tick_ms,
                container_check_ms: knobs.container_check_ms,
                container_max_per_minute: 10_000,
                container_never_used_ms: 0,
                shutdown_grace_ms: 5_000,
                sessions_max: limits::SESSIONS,
            },
            prep: self.prep_settings(knobs),
            network: network_settings(knobs),
            eager_acl_check: false,
            sasl: None,
            whitelist: Whitelist::new("*"),
            facts: ShownSettings::default(),
            admission: Admission::new(0, 0),
            throttles: SharedThrottles::default(),
            insight: Insight::default(),
            restore: restore_options(knobs),
            ensemble: electorate.map(|all| ensemble_plan(me, knobs, all, self.rng.u64())),
        }
    }

    /// A log that goes on behind `last`.
    pub fn new_log(
        &mut self,
        knobs: &Knobs,
        dirs: &Directories,
        last: Zxid,
        inbox: Receiver<LogInput>,
    ) -> SimLog {
        let (logs, settings) = (dirs.logs.clone(), log_settings(knobs));
        let seed = self.rng.u64();
        SimLog::new(logs, settings, knobs.steps, inbox, last, seed, knobs.direct_io)
    }

    fn prep_settings(&mut self, knobs: &Knobs) -> PrepSettings {
        PrepSettings {
            policy: policy(),
            types: rules(knobs),
            digest: true,
            enforce_quota: false,
            reconfig_enabled: false,
            close_lists_paths: true,
            entry_len_max: 2 * knobs.frame_max,
            hash_seed: self.rng.u64(),
        }
    }
}

/// The log of a new history begins in a mailbox; the world makes its machine.
fn log_starter(
    logs: Arc<dyn Dir>,
    starts: mpsc::Sender<(Zxid, Receiver<LogInput>)>,
    waker: Waker,
) -> StartLog {
    Box::new(move |last| {
        check_nothing_is_lost(logs.as_ref(), FIELD_MAX, last)?;
        let (sender, receiver) = mailbox(limits::MAILBOX_CAPACITY, waker.clone());
        // The world is there as long as its servers.
        let _ = starts.send((last, receiver));
        Ok(sender)
    })
}

/// The configuration all servers of the world have.
pub fn electorate(knobs: &Knobs) -> Option<Electorate> {
    if knobs.servers == 1 {
        return None;
    }
    let mut text = String::new();
    for server in 1..=knobs.servers {
        let role =
            if server + knobs.observers > knobs.servers { "observer" } else { "participant" };
        let _ = writeln!(text, "server.{server}=10.0.0.{server}:2888:3888:{role}");
    }
    // One that has a version gets none from a leader.
    text.push_str("version=1");
    Members::parse(&text).ok().map(|members| Electorate::new(Arc::new(members)))
}

fn ensemble_plan(
    me: ServerId,
    knobs: &Knobs,
    electorate: Electorate,
    numbers: u64,
) -> EnsemblePlan {
    let observer = !electorate.is_voter(me);
    let (tick_ms, init_ticks) = (knobs.tick_ms, knobs.init_ticks);
    let reconfig = control::Reconfig { enabled: knobs.reconfig, ..control::Reconfig::default() };
    EnsemblePlan {
        settings: control::MemberSettings {
            me,
            timing: Timing { tick_ms, init_ticks, sync_ticks: knobs.sync_ticks },
            rules: SyncRules {
                force_snapshot: knobs.force_snapshot,
                use_log: knobs.use_log,
                live_bytes: knobs.live_bytes,
                sync_bytes: knobs.sync_bytes,
                ..SyncRules::default()
            },
            readers: Readers { own: FIELD_MAX, unknown: FIELD_MAX },
            handover_counter: knobs.handover_counter,
            clients: control::ClientRules {
                local_sessions: knobs.local_sessions,
                upgrading: knobs.upgrading,
                ..control::ClientRules::default()
            },
            connect_ms: 5000,
            connect_pause_ms: 100,
            epoch_wait_ms: None,
            observer_delay_ms: 0,
            seed: numbers,
        },
        election: ElectionSettings {
            observer,
            adopts: knobs.reconfig,
            ..ElectionSettings::new(me)
        },
        reconfig: Box::new(|_| reconfig),
        electorate,
    }
}

fn write_options(knobs: &Knobs) -> WriteOptions {
    WriteOptions {
        at: Zxid::ZERO,
        restored_upto: Zxid::ZERO,
        quiet: false,
        digest: true,
        last_zxid: false,
        compression: knobs.compression,
    }
}

fn restore_options(knobs: &Knobs) -> RestoreOptions {
    RestoreOptions {
        pipeline: ringkeeper::snapshot::load::sequential,
        trust_empty: false,
        autocreate: true,
        digest: true,
        field_max: FIELD_MAX,
        types: rules(knobs),
        kill_lost_sessions: knobs.servers == 1,
    }
}

fn network_settings(knobs: &Knobs) -> NetworkSettings {
    NetworkSettings {
        session_timeout_min: 2 * knobs.tick_ms as i32,
        session_timeout_max: 20 * knobs.tick_ms as i32,
        sessionless_ms: 60_000,
        frame_max: knobs.frame_max,
        outstanding_max: 1000,
        line_max: limits::LINE_REQUESTS,
        held_bytes_max: limits::LINE_BYTES,
        outbound_pause: knobs.outbound_pause,
        events_max: limits::OUTBOUND_CLOSE,
        budgets: Budgets::default(),
        throttle: knobs.throttle,
        local_sessions: knobs.local_sessions,
    }
}

fn bounds(knobs: &Knobs) -> Bounds {
    let NetSettings { inbound_pause, inbound_throttled, .. } = NetSettings::default();
    Bounds { inbound_pause, inbound_throttled, outbound_pause: knobs.outbound_pause }
}

fn log_settings(knobs: &Knobs) -> LogSettings {
    LogSettings {
        prealloc: knobs.prealloc,
        size_limit: knobs.size_limit,
        snap_count: knobs.snap_count,
        max_batch: knobs.max_batch as _,
        flush_delay_ms: knobs.flush_delay_ms,
        entry_max: FIELD_MAX,
        ..LogSettings::default()
    }
}
