//! Figures of a server of an ensemble.
//!
//! The control core tells what happens by the functions of [`QuorumGauges`], and sets the figures
//! nobody can derive. A server on its own never touches them and stays [`Mode::Standalone`].

use parking_lot::Mutex;

use super::figure::{Figure, Summary};
use crate::membership::{Member, Members};
use crate::types::{Millis, ServerId};

/// What a server is (`Mode:` of `srvr`, `server_state` of `mntr`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "ZooKeeper's names")]
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
#[allow(missing_docs, reason = "ZooKeeper's names")]
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
#[allow(missing_docs, reason = "ZooKeeper's names")]
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
    /// Whom it follows, observes, or is.
    leader: Option<ServerId>,
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
#[allow(missing_docs, reason = "metrics::catalogue says what each figure is")]
pub struct QuorumGauges {
    standing: Mutex<Standing>,
    /// Voters of the committed configuration.
    pub quorum_size: Figure,
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
    pub proposal_last: Figure,
    pub proposal_min: Figure,
    pub proposal_max: Figure,
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
    /// Of a server on its own.
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
        standing.leader = Some(leader);
        standing.since = now;
        self.forget_proposals();
    }

    /// The new epoch is promised; learners are brought to one history.
    pub fn synchronizing(&self, now: Millis) {
        let mut standing = self.standing.lock();
        standing.phase = Phase::Synchronization;
        standing.synchronizing_since = Some(now);
    }

    /// What this learner is sent.
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

    /// At this moment.
    pub fn mode(&self) -> Mode {
        self.standing.lock().mode
    }

    /// Whether clients are answered at all.
    pub fn is_serving(&self) -> bool {
        self.serving_as().is_some()
    }

    /// As what it serves; `None`: it does not. Whoever shows the one with the other asks once: a role may
    /// end between two looks.
    pub fn serving_as(&self) -> Option<Mode> {
        let standing = self.standing.lock();
        let serves = match standing.mode {
            Mode::Standalone | Mode::ReadOnly => true,
            Mode::Looking => false,
            Mode::Leader | Mode::Follower | Mode::Observer => standing.phase == Phase::Broadcast,
        };
        serves.then_some(standing.mode)
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
        for summary in [
            &self.election_time,
            &self.follower_sync_time,
            &self.observer_sync_time,
            &self.unavailable_time,
            &self.leader_unavailable_time,
            &self.quorum_ack_latency,
            &self.proposal_latency,
        ] {
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

    /// QuorumPeer.getDetailedPeerState; `None` for a server on its own.
    pub fn peer_state(&self) -> Option<String> {
        self.standing.lock().peer_state()
    }

    /// The leader that an observer follows.
    pub fn master(&self) -> Option<ServerId> {
        let standing = self.standing.lock();
        standing.leader.filter(|_| standing.mode == Mode::Observer)
    }

    /// The leader of its role, which it may be itself; `None` while there is none.
    pub fn leader(&self) -> Option<ServerId> {
        let standing = self.standing.lock();
        standing
            .leader
            .filter(|_| matches!(standing.mode, Mode::Leader | Mode::Follower | Mode::Observer))
    }

    /// The phase of ZooKeeper's protocol (QuorumPeer.getZabState), in lower case.
    pub fn phase(&self) -> &'static str {
        match self.standing.lock().phase {
            Phase::Election => "election",
            Phase::Discovery => "discovery",
            Phase::Synchronization => "synchronization",
            Phase::Broadcast => "broadcast",
        }
    }

    /// When its latest role began to serve.
    pub fn serving_since(&self) -> Option<Millis> {
        self.standing.lock().serving_since
    }

    /// Whether it leads, follows or observes.
    pub fn has_role(&self) -> bool {
        matches!(self.mode(), Mode::Leader | Mode::Follower | Mode::Observer)
    }

    /// Members of the committed configuration, a line each.
    pub fn members(&self) -> String {
        self.standing.lock().members.clone()
    }

    /// This server as the committed configuration has it, once that may differ from the start's.
    pub fn own(&self) -> Option<Member> {
        self.standing.lock().own.clone()
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
