//! Figures of a server of an ensemble, and what the words say of them.
//!
//! The control core tells what happens by the functions of [`QuorumGauges`], and sets the figures
//! nobody can derive. A server on its own never touches them and stays [`Mode::Standalone`].

use std::fmt::Write;

use parking_lot::Mutex;

use super::gauges::{Figure, Summary};
use super::metrics::line;
use crate::membership::{Member, Members, PeerAddress, Role};
use crate::types::{Millis, ServerId};

/// What a server is (`Mode:` of `srvr`, `server_state` of `mntr`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    #[default]
    Standalone,
    /// No leader is known.
    Looking,
    Leader,
    Follower,
    Observer,
    /// No leader is known, and clients that asked for no more may read.
    ReadOnly,
}

/// How far a server has come under its leader (QuorumPeer.ZabState).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    #[default]
    Election,
    Discovery,
    Synchronization,
    /// It serves clients.
    Broadcast,
}

/// How a learner is brought up to date (QuorumPeer.SyncMode).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncMode {
    Diff,
    Snap,
    Trunc,
}

#[derive(Clone, Debug, Default)]
struct Standing {
    mode: Mode,
    phase: Phase,
    sync: Option<SyncMode>,
    /// Of the leader, for an observer.
    master: Option<ServerId>,
    /// Since it is what it is.
    since: Millis,
    synchronizing_since: Option<Millis>,
    serving_since: Option<Millis>,
    unavailable_since: Option<Millis>,
    members: String,
    /// This server's line, once that may differ from the one at start.
    own: Option<Member>,
}

/// Written by the control core.
#[derive(Default, Debug)]
pub struct QuorumGauges {
    standing: Mutex<Standing>,
    /// Voters of the committed configuration.
    quorum_size: Figure,
    pub looking_count: Figure,

    /// A leader's: connected learners; followers that get proposals, those among them that do not
    /// vote, observers; client syncs that wait.
    pub learners: Figure,
    pub synced_followers: Figure,
    pub synced_non_voting_followers: Figure,
    pub synced_observers: Figure,
    pub pending_syncs: Figure,
    pub proposal_count: Figure,
    /// Bytes, -1 before the first.
    proposal_last: Figure,
    proposal_min: Figure,
    proposal_max: Figure,
    /// Learner syncs begun.
    pub diff_count: Figure,
    pub snap_count: Figure,
    pub revalidate_count: Figure,
    pub disloyal_voters: Figure,
    /// From a proposal to its quorum, milliseconds.
    pub quorum_ack_latency: Summary,

    /// A learner's.
    pub proposals_received: Figure,
    pub commits_received: Figure,
    /// From a transaction's time to its proposal's arrival, milliseconds by the servers' clocks.
    pub proposal_latency: Summary,

    /// Commits it decided as leader.
    pub commit_count: Figure,
    /// Commits it was to apply, whatever it was.
    pub commits_queued: Figure,
    pub election_time: Summary,
    pub follower_sync_time: Summary,
    pub observer_sync_time: Summary,
    pub unavailable_time: Summary,
    pub leader_unavailable_time: Summary,
}

impl QuorumGauges {
    pub fn new() -> QuorumGauges {
        let gauges = QuorumGauges::default();
        gauges.forget_proposals();
        gauges
    }

    /// The committed configuration, at start and when it changes.
    pub fn set_members(&self, members: &Members, own: Option<&Member>) {
        self.quorum_size.set(members.voters().count() as i64);
        let mut standing = self.standing.lock();
        standing.members = members.text();
        if let Some(own) = own {
            standing.own = Some(own.clone());
        }
    }

    /// Where the configuration says that this server's clients come to.
    pub fn client_port(&self) -> Option<u16> {
        let standing = self.standing.lock();
        standing.own.as_ref()?.client.as_ref().map(|client| client.port)
    }

    /// An election begins; clients are not served.
    pub fn looking(&self, now: Millis) {
        self.looking_count.add(1);
        let mut standing = self.standing.lock();
        let members = std::mem::take(&mut standing.members);
        let own = standing.own.take();
        let unavailable = standing.unavailable_since.unwrap_or(now);
        *standing = Standing {
            mode: Mode::Looking,
            since: now,
            unavailable_since: Some(unavailable),
            members,
            own,
            ..Standing::default()
        };
        for figure in [
            &self.learners,
            &self.synced_followers,
            &self.synced_non_voting_followers,
            &self.synced_observers,
            &self.pending_syncs,
        ] {
            figure.set(0);
        }
    }

    /// Still looking, and open to clients that only read.
    pub fn read_only(&self, now: Millis) {
        let mut standing = self.standing.lock();
        standing.mode = Mode::ReadOnly;
        standing.since = now;
    }

    /// The election has ended: `mode` is what this server becomes under `leader`.
    pub fn decided(&self, mode: Mode, leader: ServerId, now: Millis) {
        let mut standing = self.standing.lock();
        if standing.mode == Mode::Looking {
            self.election_time.record(now.0 - standing.since.0);
        }
        standing.mode = mode;
        standing.phase = Phase::Discovery;
        standing.master = (mode == Mode::Observer).then_some(leader);
        standing.since = now;
        self.forget_proposals();
    }

    /// The new epoch is promised; learners are brought to one history.
    pub fn synchronizing(&self, now: Millis) {
        let mut standing = self.standing.lock();
        standing.phase = Phase::Synchronization;
        standing.synchronizing_since = Some(now);
    }

    pub fn sync_mode(&self, sync: SyncMode) {
        self.standing.lock().sync = Some(sync);
    }

    /// Clients are served from now on.
    pub fn serving(&self, now: Millis) {
        let mut standing = self.standing.lock();
        standing.phase = Phase::Broadcast;
        standing.sync = None;
        standing.serving_since = Some(now);
        let took = standing.synchronizing_since.take().map(|since| now.0 - since.0);
        let unavailable = standing.unavailable_since.take().map(|since| now.0 - since.0);
        match (standing.mode, took) {
            (Mode::Follower, Some(took)) => self.follower_sync_time.record(took),
            (Mode::Observer, Some(took)) => self.observer_sync_time.record(took),
            _ => {}
        }
        if let Some(unavailable) = unavailable {
            self.unavailable_time.record(unavailable);
            if standing.mode == Mode::Leader {
                self.leader_unavailable_time.record(unavailable);
            }
        }
    }

    /// A leader has sent a proposal of so many bytes.
    pub fn proposed(&self, bytes: usize) {
        let bytes = bytes as i64;
        self.proposal_count.add(1);
        self.proposal_last.set(bytes);
        if self.proposal_min.get() < 0 || bytes < self.proposal_min.get() {
            self.proposal_min.set(bytes);
        }
        if bytes > self.proposal_max.get() {
            self.proposal_max.set(bytes);
        }
    }

    pub fn mode(&self) -> Mode {
        self.standing.lock().mode
    }

    /// Whether clients are answered at all.
    pub fn is_serving(&self) -> bool {
        let standing = self.standing.lock();
        match standing.mode {
            Mode::Standalone | Mode::ReadOnly => true,
            Mode::Looking => false,
            Mode::Leader | Mode::Follower | Mode::Observer => standing.phase == Phase::Broadcast,
        }
    }

    /// When it became what it is; `None` for a server on its own.
    pub fn since(&self) -> Option<Millis> {
        let standing = self.standing.lock();
        (standing.mode != Mode::Standalone).then_some(standing.since)
    }

    /// `srst`.
    pub fn reset(&self) {
        for figure in [
            &self.looking_count,
            &self.proposal_count,
            &self.diff_count,
            &self.snap_count,
            &self.revalidate_count,
            &self.disloyal_voters,
            &self.proposals_received,
            &self.commits_received,
            &self.commit_count,
            &self.commits_queued,
        ] {
            figure.set(0);
        }
        for (_, summary) in self.summaries().into_iter().chain(self.advanced()) {
            summary.reset();
        }
        self.forget_proposals();
    }

    fn forget_proposals(&self) {
        for figure in [&self.proposal_last, &self.proposal_min, &self.proposal_max] {
            figure.set(-1);
        }
    }

    /// `last/min/max` (BufferStats), which a leader's `srvr` ends with.
    pub fn proposal_sizes(&self) -> Option<String> {
        let (last, min, max) = (&self.proposal_last, &self.proposal_min, &self.proposal_max);
        let sizes = || format!("{}/{}/{}", last.get(), min.get(), max.get());
        (self.mode() == Mode::Leader).then(sizes)
    }

    /// The lines of `mntr` behind `server_state` (QuorumZooKeeperServer.dumpMonitorValues).
    pub fn write_state(&self, out: &mut String) {
        let standing = self.standing.lock();
        if let Some(state) = standing.peer_state() {
            line(out, "peer_state", state);
        }
        if let Some(master) = standing.master {
            line(out, "observer_master_id", master.0);
        }
    }

    /// The gauges of the role (registerMetrics of the servers of an ensemble).
    pub fn write_gauges(&self, out: &mut String, now: Millis) {
        let standing = self.standing.lock().clone();
        if !matches!(standing.mode, Mode::Leader | Mode::Follower | Mode::Observer) {
            return;
        }
        if standing.mode == Mode::Leader {
            let up = standing.serving_since.map_or(0, |since| now.0 - since.0);
            for (name, value) in [
                ("learners", self.learners.get()),
                ("synced_followers", self.synced_followers.get()),
                ("synced_non_voting_followers", self.synced_non_voting_followers.get()),
                ("synced_observers", self.synced_observers.get()),
                ("pending_syncs", self.pending_syncs.get()),
                ("leader_uptime", up),
                ("last_proposal_size", self.proposal_last.get()),
                ("max_proposal_size", self.proposal_max.get()),
                ("min_proposal_size", self.proposal_min.get()),
            ] {
                line(out, name, value);
            }
        }
        line(out, "quorum_size", self.quorum_size.get());
    }

    pub fn counters(&self) -> [(&'static str, i64); 11] {
        [
            ("looking_count", self.looking_count.get()),
            ("proposal_count", self.proposal_count.get()),
            ("diff_count", self.diff_count.get()),
            ("snap_count", self.snap_count.get()),
            ("revalidate_count", self.revalidate_count.get()),
            ("quit_leading_due_to_disloyal_voter", self.disloyal_voters.get()),
            ("learner_proposal_received_count", self.proposals_received.get()),
            ("learner_commit_received_count", self.commits_received.get()),
            ("commit_count", self.commit_count.get()),
            ("request_commit_queued", self.commits_queued.get()),
            ("skip_learner_request_to_next_processor_count", 0),
        ]
    }

    pub fn summaries(&self) -> [(&'static str, &Summary); 5] {
        [
            ("election_time", &self.election_time),
            ("follower_sync_time", &self.follower_sync_time),
            ("observer_sync_time", &self.observer_sync_time),
            ("unavailable_time", &self.unavailable_time),
            ("leader_unavailable_time", &self.leader_unavailable_time),
        ]
    }

    /// Summaries with percentiles.
    pub fn advanced(&self) -> [(&'static str, &Summary); 2] {
        [
            ("quorum_ack_latency", &self.quorum_ack_latency),
            ("proposal_latency", &self.proposal_latency),
        ]
    }
}

impl Mode {
    /// ZooKeeperServer.getState.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Standalone => "standalone",
            // Nobody is told: the words are not answered then.
            Mode::Looking => "looking",
            Mode::Leader => "leader",
            Mode::Follower => "follower",
            Mode::Observer => "observer",
            Mode::ReadOnly => "read-only",
        }
    }
}

impl Standing {
    /// QuorumPeer.getDetailedPeerState.
    fn peer_state(&self) -> Option<String> {
        let mut text = match self.mode {
            Mode::Standalone | Mode::ReadOnly => return None,
            Mode::Looking => "looking",
            Mode::Leader => "leading",
            Mode::Follower => "following",
            Mode::Observer => "observing",
        }
        .to_owned();
        text.push_str(match self.phase {
            Phase::Election => "",
            Phase::Discovery => " - discovery",
            Phase::Synchronization => " - synchronization",
            Phase::Broadcast => " - broadcast",
        });
        text.push_str(match self.sync {
            None => "",
            Some(SyncMode::Diff) => " - diff",
            Some(SyncMode::Snap) => " - snap",
            Some(SyncMode::Trunc) => " - trunc",
        });
        Some(text)
    }
}

/// Settings of an ensemble shown by `conf`.
#[derive(Clone, Debug)]
pub struct EnsembleFacts {
    /// Ticks.
    pub init_limit: i64,
    pub sync_limit: i64,
    pub addresses: Vec<PeerAddress>,
    pub observer: bool,
    /// `localSessionsEnabled`.
    pub local_sessions: bool,
}

impl EnsembleFacts {
    /// QuorumZooKeeperServer.dumpConf and ReadOnlyZooKeeperServer.dumpConf.
    pub fn write(&self, out: &mut String, gauges: &QuorumGauges) {
        let own = gauges.standing.lock().own.clone();
        let addresses = own.as_ref().map_or(&self.addresses, |own| &own.addresses);
        let observer = own.as_ref().map_or(self.observer, |own| own.role == Role::Observer);
        let ports = |of: fn(&PeerAddress) -> u16| {
            let mut ports: Vec<String> = Vec::new();
            for port in addresses.iter().map(|address| of(address).to_string()) {
                if !ports.contains(&port) {
                    ports.push(port);
                }
            }
            ports.join("|")
        };
        let _ = writeln!(out, "initLimit={}\nsyncLimit={}", self.init_limit, self.sync_limit);
        let _ = writeln!(out, "electionAlg=3\nelectionPort={}", ports(|a| a.election));
        let _ = writeln!(out, "quorumPort={}", ports(|a| a.quorum));
        let _ = writeln!(out, "peerType={}", i32::from(observer));
        let standing = gauges.standing.lock();
        if standing.mode != Mode::ReadOnly {
            let _ = write!(out, "membership: \n{}", standing.members);
        }
    }
}
