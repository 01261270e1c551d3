//! The roles, put together: mailboxes between them, and what each is made of. Whoever gives them their
//! turns, the server's threads or the simulator's events, gets them from here.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver as Queue, SyncSender};

use parking_lot::Mutex;

use super::history_files::{HistoryFiles, StartLog};
use super::recover::Recovered;
use crate::admin::words::{Commands, ShownSettings, Whitelist};
use crate::election::{Election, ElectionSettings};
use crate::history::{self, Committed, EpochError, Known};
use crate::membership::Electorate;
use crate::metrics::gauges::{CoreGauges, Gauges};
use crate::prep::PrepSettings;
use crate::roles::control::{
    Control, ControlParts, ControlSettings, Disk, EnsembleParts, MemberSettings, Reconfig,
};
use crate::roles::insight::Insight;
use crate::roles::jobs::{HistoryJob, Job, LearnerJob};
use crate::roles::learner_files::LearnerFiles;
use crate::roles::log::OpenError;
use crate::roles::message::{QUERIES_MAX, Query, ToControl, ToNetwork};
use crate::roles::network::{
    Admission, NetworkParts, NetworkSettings, Pools, SaslRules, Shared, SharedThrottles,
};
use crate::roles::quiet::ClientLogLines;
use crate::roles::stream::{Stream, StreamSender};
use crate::roles::turns::Turns;
use crate::runtime::{Receiver, Sender, Waker, mailbox};
use crate::session::IdSource;
use crate::snapshot::{Directories, RestoreOptions, WriteOptions};
use crate::tree::Tree;
use crate::types::{CoreId, Millis, ServerId, WallMillis, Zxid, limits};
use crate::zab::Window;

/// What the roles are told, each in its own words.
pub struct Plan {
    /// Part of the sessions' numbers.
    pub server: ServerId,
    /// The control role's.
    pub control: ControlSettings,
    /// What writes are judged by.
    pub prep: PrepSettings,
    /// Every network role's.
    pub network: NetworkSettings,
    /// `zookeeper.enableEagerACLCheck`.
    pub eager_acl_check: bool,
    /// How clients prove who they are by SASL; `None`: they cannot.
    pub sasl: Option<SaslRules>,
    /// The words that are answered.
    pub whitelist: Whitelist,
    /// What `conf` shows.
    pub facts: ShownSettings,
    /// How many may connect.
    pub admission: Admission,
    /// How much they may do at once.
    pub throttles: SharedThrottles,
    /// What operators are told of requests.
    pub insight: Insight,
    /// How a change of history reads the disk anew.
    pub restore: RestoreOptions,
    /// `None`: a server on its own.
    pub ensemble: Option<EnsemblePlan>,
}

/// What a server of an ensemble is told besides.
pub struct EnsemblePlan {
    /// How it leads, follows and observes.
    pub settings: MemberSettings,
    /// The configurations in force.
    pub electorate: Electorate,
    /// How it votes.
    pub election: ElectionSettings,
    /// Told the core that takes clients' connections.
    pub reconfig: Box<dyn FnOnce(Sender<ToNetwork>) -> Reconfig>,
}

/// What they are put together from.
pub struct Parts<'a> {
    /// What the roles are told.
    pub plan: Plan,
    /// Where history lies; locked.
    pub folders: Arc<Directories>,
    /// The tree, as the disk had it.
    pub recovered: Recovered,
    /// Where all count.
    pub gauges: Arc<Gauges>,
    /// What wakes the control role's thread, and each network role's.
    pub control: Waker,
    /// By core; at least one.
    pub cores: Vec<Waker>,
    /// Makes what starts a log, which tells the control role what is durable.
    pub log: Box<dyn FnOnce(Sender<ToControl>) -> StartLog>,
    /// For numbers that nobody may guess.
    pub entropy: &'a mut dyn FnMut() -> u64,
    /// The monotonic clock.
    pub now: Millis,
    /// The clock on the wall.
    pub wall: WallMillis,
}

/// The roles, and the ends of what leads to threads beside them.
pub struct Roles {
    /// To be given turns on one thread.
    pub control: Control,
    /// By core.
    pub networks: Vec<Seat>,
    /// Its mailbox.
    pub to_control: Sender<ToControl>,
    /// By core.
    pub to_networks: Vec<Sender<ToNetwork>>,
    /// What network roles share.
    pub shared: Arc<Shared>,
    /// What leads from them to threads beside them.
    pub queues: Queues,
    /// `None`: a server on its own, whose history nobody changes.
    pub history: Option<HistoryFiles>,
    /// The same, which has no learners.
    pub learner_files: Option<LearnerFiles>,
    /// How snapshots are written.
    pub write: WriteOptions,
    /// Held while files are removed.
    pub removing: Arc<Mutex<()>>,
    /// Whether clients are served at once.
    pub serving: bool,
}

/// Work for threads beside the roles, each of which takes its own.
pub struct Queues {
    /// Housekeeping's.
    pub jobs: Queue<Job>,
    /// For learners that are far behind.
    pub learner_jobs: Queue<LearnerJob>,
    /// Changes of history.
    pub changes: Queue<HistoryJob>,
    /// Four-letter words that take time.
    pub questions: Queue<Query>,
}

/// The roles' ends of [`Queues`].
struct QueueSenders {
    jobs: SyncSender<Job>,
    learner_jobs: mpsc::Sender<LearnerJob>,
    changes: mpsc::Sender<HistoryJob>,
    questions: SyncSender<Query>,
}

fn queues() -> (QueueSenders, Queues) {
    let (jobs_sender, jobs) = mpsc::sync_channel(1);
    let (learner_sender, learner_jobs) = mpsc::channel();
    let (changes_sender, changes) = mpsc::channel();
    let (questions_sender, questions) = mpsc::sync_channel(QUERIES_MAX);
    let senders = QueueSenders {
        jobs: jobs_sender,
        learner_jobs: learner_sender,
        changes: changes_sender,
        questions: questions_sender,
    };
    (senders, Queues { jobs, learner_jobs, changes, questions })
}

/// A network role's parts, before it has a transport: they may cross to its thread.
pub struct Seat {
    core: CoreId,
    settings: NetworkSettings,
    shared: Arc<Shared>,
    gauges: Arc<CoreGauges>,
    stream: Arc<Stream>,
    inbox: Receiver<ToNetwork>,
    to_control: Sender<ToControl>,
    drained: Zxid,
    serving: bool,
    now: Millis,
    hash_seed: u64,
}

impl Seat {
    /// With its transport: what [`crate::roles::network::NetworkRole`] is made of.
    pub fn parts<N>(self, net: N) -> NetworkParts<N> {
        NetworkParts {
            core: self.core,
            settings: self.settings,
            net,
            shared: self.shared,
            gauges: self.gauges,
            stream: self.stream,
            inbox: self.inbox,
            to_control: self.to_control,
            drained: self.drained,
            serving: self.serving,
            now: self.now,
            hash_seed: self.hash_seed,
        }
    }
}

/// Why there are no roles.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum AssemblyError {
    #[error(transparent)]
    Log(#[from] OpenError),
    #[error(transparent)]
    Epochs(#[from] EpochError),
}

/// A mailbox and what both its ends look at.
struct Core {
    sender: Sender<ToNetwork>,
    inbox: Receiver<ToNetwork>,
    stream: Arc<Stream>,
}

impl Core {
    fn stream_sender(&self, last: Zxid) -> StreamSender {
        StreamSender::new(self.sender.clone(), self.stream.clone(), last)
    }
}

/// Starts the log and makes the roles.
pub fn assemble(parts: Parts<'_>) -> Result<Roles, AssemblyError> {
    let Parts { plan, folders, recovered, gauges, control, cores, log, entropy, now, wall } = parts;
    let Recovered { tree, writer, restored, window, write, blank, snapshot_later, .. } = recovered;
    let (last, (cores, to_networks)) = (restored.zxid, mailboxes(cores));
    let (to_control, inbox) = mailbox(limits::MAILBOX_CAPACITY, control);
    let mut start_log = log(to_control.clone());
    let log = start_log(last)?;
    let ((senders, queues), removing) = (queues(), Arc::<Mutex<()>>::default());
    let (mut history, mut learner_files, mut ensemble) = (None, None, None);
    if let Some(member) = plan.ensemble {
        let restore = member_restore(plan.restore, blank);
        let (known, entry_max) = (committed(&folders, last), restore.field_max);
        learner_files = Some(LearnerFiles::new(tree.clone(), folders.clone(), entry_max));
        let disk = Disk::new(folders.clone(), entry_max, senders.changes, known);
        ensemble = Some(parts_of(member, disk, (window, blank), &to_networks[0])?);
        history = Some(HistoryFiles::new(folders, restore, &write, start_log, &removing));
    }
    let (serving, turns) = (ensemble.is_none(), Arc::new(Turns::default()));
    gauges.running.store(serving, Ordering::Relaxed);
    let shared = Arc::new(Shared {
        tree: tree.clone(),
        policy: Arc::new(plan.prep.policy.clone()),
        eager_acl_check: plan.eager_acl_check,
        sasl: plan.sasl,
        commands: commands(tree, &gauges, plan.whitelist, plan.facts),
        turns: turns.clone(),
        slow_commands: senders.questions,
        admission: Arc::new(plan.admission),
        throttles: plan.throttles,
        pools: Pools::new(&plan.network.budgets),
        lines: ClientLogLines::default(),
        insight: plan.insight.clone(),
        peers: to_networks.clone(),
    });
    let control = Control::new(ControlParts {
        settings: plan.control,
        writer,
        prep: plan.prep,
        ids: IdSource::new(plan.server, wall).counting_from(entropy() as u16),
        sessions: restored.sessions,
        inbox,
        stream_senders: cores.iter().map(|core| core.stream_sender(last)).collect(),
        log,
        jobs: senders.jobs,
        learner_jobs: senders.learner_jobs,
        restored_upto: restored.czxid_max,
        snapshot_due: snapshot_later,
        ensemble,
        gauges: gauges.clone(),
        insight: plan.insight,
        turns,
        now,
        wall,
    });
    let seats = SeatsOf { settings: plan.network, shared: &shared, gauges: &gauges, now };
    let networks = seats.all(cores, &to_control, (last, serving), entropy);
    Ok(Roles {
        control,
        networks,
        to_control,
        to_networks,
        shared,
        queues,
        history,
        learner_files,
        write,
        removing,
        serving,
    })
}

/// A member whose folder is blank starts there, too, and waits for a leader's history.
fn member_restore(options: RestoreOptions, blank: bool) -> RestoreOptions {
    RestoreOptions { autocreate: options.autocreate || blank, ..options }
}

/// What all network roles have alike.
struct SeatsOf<'a> {
    settings: NetworkSettings,
    shared: &'a Arc<Shared>,
    gauges: &'a Gauges,
    now: Millis,
}

impl SeatsOf<'_> {
    fn all(
        &self,
        cores: Vec<Core>,
        to_control: &Sender<ToControl>,
        (drained, serving): (Zxid, bool),
        entropy: &mut dyn FnMut() -> u64,
    ) -> Vec<Seat> {
        let seat = |(n, core): (usize, Core)| Seat {
            core: CoreId(n as u16),
            settings: self.settings.clone(),
            shared: self.shared.clone(),
            gauges: self.gauges.cores[n].clone(),
            stream: core.stream,
            inbox: core.inbox,
            to_control: to_control.clone(),
            drained,
            serving,
            now: self.now,
            hash_seed: entropy(),
        };
        cores.into_iter().enumerate().map(seat).collect()
    }
}

fn commands(
    tree: Arc<Tree>,
    gauges: &Arc<Gauges>,
    whitelist: Whitelist,
    facts: ShownSettings,
) -> Arc<Commands> {
    Arc::new(Commands { gauges: gauges.clone(), tree, whitelist, facts })
}

/// One for each network core, and all that leads there.
fn mailboxes(wakers: Vec<Waker>) -> (Vec<Core>, Vec<Sender<ToNetwork>>) {
    let core = |waker| {
        let (sender, inbox) = mailbox(limits::MAILBOX_CAPACITY, waker);
        Core { sender, inbox, stream: Arc::default() }
    };
    let cores: Vec<Core> = wakers.into_iter().map(core).collect();
    let senders = cores.iter().map(|core| core.sender.clone()).collect();
    (cores, senders)
}

/// Epoch files are read, and compared with what the log ends with.
fn parts_of(
    plan: EnsemblePlan,
    disk: Disk,
    (window, blank): (Window, bool),
    listens: &Sender<ToNetwork>,
) -> Result<EnsembleParts, EpochError> {
    let last = window.end().unwrap_or(Zxid::ZERO);
    let epochs = history::epochs::open(disk.folders.snapshots.as_ref(), last)?;
    if let Some(before) = epochs.raised_from {
        tracing::warn!(
            before = before.0,
            now = epochs.current.0,
            "currentEpoch raised to the epoch of the log"
        );
    }
    Ok(EnsembleParts {
        settings: plan.settings,
        reconfig: (plan.reconfig)(listens.clone()),
        accepted: epochs.accepted,
        current: epochs.current,
        blank,
        election: Election::new(plan.election, plan.electorate.clone()),
        electorate: plan.electorate,
        window,
        disk,
    })
}

/// How far the history is known to be committed.
fn committed(folders: &Directories, last: Zxid) -> Known {
    let dir = folders.snapshots.as_ref();
    let file = dir.show(&history::committed::name());
    match history::committed::read(dir, last) {
        Ok(Committed::Upto(known)) => known,
        Ok(Committed::Unknown) => Known::default(),
        Ok(Committed::Beyond(zxid)) => {
            tracing::warn!(
                %file,
                committed = %zxid,
                found = %last,
                "the files beside it end before what it says was committed: they were put there by \
                 somebody, or a power loss took what forceSync=no did not keep"
            );
            Known::default()
        }
        Err(error) => {
            tracing::warn!(%file, %error, "cannot be read");
            Known::default()
        }
    }
}
