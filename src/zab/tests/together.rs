//! A leader and its learners against each other, through reigns: links that break, servers that
//! crash with part of their log, disks that take their time. Elections are a draw: the newest of
//! a quorum leads. Nothing committed may ever be missing or differ, and healed, all are one.

mod roles;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::words::entry;
use crate::codec::quorum::{Forwarded, Packet};
use crate::log::Durable;
use crate::membership::{Electorate, Members};
use crate::testing::rng::Rng;
use crate::types::{Epoch, Link, Millis, ServerId, SessionId, Zxid};
use crate::zab::{
    Leader, LeaderEffect, LeaderInput, LeaderParts, Learner, LearnerEffect, LearnerInput,
    LearnerParts, LogChunk, LogEnd, Readers, StepDownReason, Stored, SyncRules, Timing, Window,
};

const TIMING: Timing = Timing { tick_ms: 200, init_ticks: 10, sync_ticks: 5 };

/// What is on its way to a learner.
enum Item {
    Packet(Packet),
    Snapshot(Vec<Zxid>),
    Mark,
}

struct Wire {
    learner: usize,
    to_learner: VecDeque<Item>,
    to_leader: VecDeque<Packet>,
}

/// What a server's disk and helpers have still to do.
enum Task {
    Store(Stored),
    Truncate(Zxid),
    Load(Vec<Zxid>),
    ReadLog { link: Link, after: Zxid },
    SnapshotSent { link: Link, zxid: Zxid },
    Connect,
}

enum Role {
    Down,
    Idle,
    Leading { core: Box<Leader>, window: Window, asked: VecDeque<(Link, bool)> },
    Learning { core: Box<Learner>, link: Option<Link>, incoming: Vec<Zxid>, serves: bool },
}

struct Server {
    observer: bool,
    accepted: Epoch,
    current: Epoch,
    /// The whole history; up to `durable` entries of it survive a crash.
    log: Vec<Zxid>,
    durable: usize,
    /// Entries before this one are in a snapshot only.
    log_from: usize,
    agreed: Zxid,
    role: Role,
    tasks: VecDeque<Task>,
}

impl Server {
    fn last(&self) -> Zxid {
        self.log.last().copied().unwrap_or(Zxid::ZERO)
    }
    fn upto(&self, zxid: Zxid) -> usize {
        self.log.iter().take_while(|at| **at <= zxid).count()
    }
    fn is_leading(&self) -> bool {
        matches!(self.role, Role::Leading { .. })
    }
}

struct World {
    random: Rng,
    now: Millis,
    servers: Vec<Server>,
    electorate: Electorate,
    leader: Option<usize>,
    wires: BTreeMap<Link, Wire>,
    links: u64,
    /// Things may go wrong.
    faulty: bool,
    /// Everything that was ever committed.
    committed: Vec<Zxid>,
    seen: Seen,
}

#[derive(Default, Debug)]
struct Seen {
    epochs: usize,
    snapshots: usize,
    cuts: usize,
    reads: usize,
    syncs: usize,
    committed: usize,
    handovers: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Rng::new(seed);
        let (voters, observers) = (1 + 2 * random.below(3), random.below(2));
        let mut text = String::new();
        for id in 0..voters + observers {
            let role = if id < voters { "participant" } else { "observer" };
            text += &format!("server.{id}=h{id}:1:2:{role}\n");
        }
        let servers = (0..voters + observers).map(|id| Server {
            observer: id >= voters,
            accepted: Epoch(0),
            current: Epoch(0),
            log: Vec::new(),
            durable: 0,
            log_from: 0,
            agreed: Zxid::ZERO,
            role: Role::Idle,
            tasks: VecDeque::new(),
        });
        World {
            servers: servers.collect(),
            random,
            now: Millis(0),
            electorate: Electorate::new(Arc::new(Members::parse(&text).unwrap())),
            leader: None,
            wires: BTreeMap::new(),
            links: 0,
            faulty: true,
            committed: Vec::new(),
            seen: Seen::default(),
        }
    }

    fn run(&mut self, steps: usize) {
        self.faulty = true;
        for _ in 0..steps {
            if self.random.percent(2) {
                self.fault();
            }
            self.step();
        }
    }

    fn step(&mut self) {
        if self.random.percent(30) {
            self.now = self.now + self.random.below(40) as i64;
        }
        let at = self.random.below(self.servers.len());
        match self.random.below(10) {
            0..=4 => self.deliver(),
            5 => self.disk(at),
            6 => self.task(at),
            7 => self.tick(at),
            8 => self.work(),
            _ => self.begin_role(at),
        }
    }

    fn fault(&mut self) {
        let at = self.random.below(self.servers.len());
        match self.random.below(4) {
            0 => {
                let keys: Vec<Link> = self.wires.keys().copied().collect();
                if let Some(link) = keys.get(self.random.below(keys.len())) {
                    self.cut(*link);
                }
            }
            1 if self.random.percent(40) => self.crash(at),
            2 => {
                if matches!(self.servers[at].role, Role::Down) {
                    self.servers[at].role = Role::Idle;
                }
            }
            _ => {
                let server = &mut self.servers[at];
                let most = server.upto(server.agreed).min(server.durable);
                server.log_from = server.log_from.max(self.random.below(most + 1));
            }
        }
    }

    fn cut(&mut self, link: Link) {
        let Some(wire) = self.wires.remove(&link) else { return };
        if let Some(leader) = self.leader {
            self.lead(leader, LeaderInput::Closed { link });
        }
        if let Role::Learning { link: own, .. } = &mut self.servers[wire.learner].role
            && *own == Some(link)
        {
            *own = None;
            self.learn(wire.learner, LearnerInput::Closed { why: "cut".into() });
        }
    }

    /// The learner is gone; the leader may not hear of it, and still gets what was on its way.
    fn hang_up(&mut self, link: Link) {
        if !self.faulty || self.random.percent(50) {
            self.cut(link);
        }
    }

    fn crash(&mut self, at: usize) {
        let kept = {
            let server = &self.servers[at];
            server.durable + self.random.below(server.log.len() - server.durable + 1)
        };
        self.servers[at].log.truncate(kept);
        self.end_role(at, Role::Down);
    }

    fn deliver(&mut self) {
        let keys: Vec<Link> = self.wires.keys().copied().collect();
        let Some(link) = keys.get(self.random.below(keys.len())).copied() else { return };
        for _ in 0..=self.random.below(4) {
            if self.random.percent(50) {
                self.deliver_to_learner(link);
                continue;
            }
            let packet = self.wires.get_mut(&link).and_then(|wire| wire.to_leader.pop_front());
            if let (Some(packet), Some(leader)) = (packet, self.leader) {
                self.lead(leader, LeaderInput::Packet { link, packet });
            }
        }
    }

    fn deliver_to_learner(&mut self, link: Link) -> bool {
        let Some(wire) = self.wires.get_mut(&link) else { return false };
        let at = wire.learner;
        let hears =
            matches!(self.servers[at].role, Role::Learning { link: own, .. } if own == Some(link));
        match wire.to_learner.pop_front() {
            None => return false,
            Some(_) if !hears => {}
            Some(Item::Packet(packet)) => self.learn(at, LearnerInput::Packet(packet)),
            Some(Item::Snapshot(history)) => {
                let zxid = history.last().copied().unwrap_or(Zxid::ZERO);
                if let Role::Learning { incoming, .. } = &mut self.servers[at].role {
                    *incoming = history;
                }
                self.learn(at, LearnerInput::Packet(Packet::Snap { zxid }));
                self.learn(at, LearnerInput::SnapshotReceived { shows: zxid });
            }
            Some(Item::Mark) => {
                if let Some(leader) = self.leader {
                    self.lead(leader, LeaderInput::Drained { link });
                }
            }
        }
        true
    }

    /// The log's horizon moves.
    fn disk(&mut self, at: usize) {
        let server = &mut self.servers[at];
        if server.durable == server.log.len() {
            return;
        }
        server.durable += 1 + self.random.below(server.log.len() - server.durable);
        let upto = Durable::assumed(server.log[server.durable - 1]);
        self.lead(at, LeaderInput::Durable(upto));
        self.learn(at, LearnerInput::Durable(upto));
    }

    fn task(&mut self, at: usize) {
        let Some(task) = self.servers[at].tasks.pop_front() else { return };
        let server = &mut self.servers[at];
        match task {
            Task::Store(stored) => {
                match stored {
                    Stored::Accepted(epoch) => server.accepted = epoch,
                    Stored::Current(epoch) => server.current = epoch,
                }
                self.lead(at, LeaderInput::Stored(stored));
                self.learn(at, LearnerInput::Stored(stored));
            }
            Task::Truncate(after) => {
                self.seen.cuts += 1;
                let kept = server.upto(after);
                if kept < server.log_from {
                    let why = "purged".into();
                    return self.learn(at, LearnerInput::CannotTruncate { why });
                }
                let cut = server.log.split_off(kept);
                assert!(cut.iter().all(|zxid| !self.committed.contains(zxid)), "cut {cut:?}");
                server.durable = kept;
                let last = server.last();
                server.agreed = server.agreed.min(last);
                self.learn(at, LearnerInput::Truncated { last });
            }
            Task::Load(history) => {
                let zxid = history.last().copied().unwrap_or(Zxid::ZERO);
                (server.durable, server.log_from) = (history.len(), history.len());
                server.log = history;
                server.agreed = zxid;
                self.learn(at, LearnerInput::SnapshotLoaded { zxid });
            }
            Task::ReadLog { link, after } => {
                self.seen.reads += 1;
                let most = 1 + self.random.below(4);
                let from = server.upto(after);
                let rest = &server.log[from..server.durable.max(from)];
                let chunk = LogChunk {
                    entries: rest.iter().take(most).map(|z| (*z, entry(*z, None))).collect(),
                    end: match () {
                        () if from <= server.log_from => LogEnd::NotThere,
                        () if rest.len() > most => LogEnd::More,
                        () => LogEnd::Done,
                    },
                };
                self.lead(at, LeaderInput::LogRead { link, chunk });
            }
            Task::SnapshotSent { link, zxid } => {
                self.lead(at, LeaderInput::SnapshotSent { link, zxid });
            }
            Task::Connect => self.connect(at),
        }
    }

    fn connect(&mut self, at: usize) {
        let Some(leader) = self.leader else {
            return self.learn(at, LearnerInput::ConnectFailed { why: "nobody".into() });
        };
        self.links += 1;
        let opened = Link(self.links);
        let Role::Learning { link, .. } = &mut self.servers[at].role else { return };
        *link = Some(opened);
        let (to_learner, to_leader) = (VecDeque::new(), VecDeque::new());
        self.wires.insert(opened, Wire { learner: at, to_learner, to_leader });
        self.lead(leader, LeaderInput::Opened { link: opened });
        self.learn(at, LearnerInput::Connected);
    }

    fn tick(&mut self, at: usize) {
        self.lead(at, LeaderInput::Tick);
        self.learn(at, LearnerInput::Tick);
    }

    /// A client's write at the leader, a learner's request, or the turn of one.
    fn work(&mut self) {
        let Some(at) = self.leader else { return };
        let choice = self.random.below(3);
        let Role::Leading { core, asked, .. } = &mut self.servers[at].role else { return };
        if !core.is_serving() {
            return;
        }
        let input = match (choice, asked.pop_front()) {
            (_, Some((link, true))) => LeaderInput::SyncFor { link },
            (_, Some((_, false))) | (0, None) => {
                let zxid = core.proposed().next().unwrap();
                self.servers[at].log.push(zxid);
                LeaderInput::Proposed { zxid, entry: entry(zxid, None) }
            }
            (choice, None) => return self.ask(if choice == 1 { 1 } else { 9 }),
        };
        self.lead(at, input);
    }

    fn ask(&mut self, opcode: i32) {
        let at = self.random.below(self.servers.len());
        if let Role::Learning { serves: true, .. } = self.servers[at].role {
            let (body, identities) = (bytes::Bytes::new(), Vec::new());
            let session = SessionId(7);
            let request = Forwarded { session, cxid: 1, opcode, body, identities };
            self.answer(at, Packet::Request(request));
        }
    }

    fn is_one(&self) -> bool {
        let Some(leader) = self.leader else { return false };
        let Role::Leading { core, .. } = &self.servers[leader].role else { return false };
        core.is_serving()
            && self.servers.iter().all(|server| {
                server.log == self.committed
                    && server.durable == server.log.len()
                    && (server.is_leading()
                        || matches!(server.role, Role::Learning { serves: true, .. }))
            })
    }

    /// Without faults, and without new work, everybody comes to the same history.
    fn heal(&mut self) {
        self.faulty = false;
        for server in &mut self.servers {
            if matches!(server.role, Role::Down) {
                server.role = Role::Idle;
            }
        }
        for _ in 0..40_000 {
            if self.is_one() {
                return;
            }
            if self.random.percent(15) {
                self.now = self.now + self.random.below(10) as i64;
            }
            for at in 0..self.servers.len() {
                self.disk(at);
                self.task(at);
                self.tick(at);
                self.begin_role(at);
            }
            for _ in 0..8 {
                self.deliver();
            }
        }
        let logs: Vec<_> = self.servers.iter().map(|s| (s.last(), s.accepted, s.current)).collect();
        panic!("not one after healing: leader {:?}, {logs:?}", self.leader);
    }
}

#[test]
fn leaders_and_learners_lose_nothing_and_become_one() {
    let only = std::env::var("RINGKEEPER_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let mut seen = Seen::default();
    let count = std::env::var("RINGKEEPER_SEEDS").map_or(400, |count| count.parse().unwrap());
    for seed in only.map_or(0..count, |seed| seed..seed + 1) {
        let mut world = World::new(seed);
        let guard = Guard(seed);
        for _ in 0..2 {
            world.run(1500);
            world.heal();
        }
        std::mem::forget(guard);
        seen.epochs += world.seen.epochs;
        seen.snapshots += world.seen.snapshots;
        seen.cuts += world.seen.cuts;
        seen.reads += world.seen.reads;
        seen.syncs += world.seen.syncs;
        seen.handovers += world.seen.handovers;
        seen.committed += world.committed.len();
    }
    let Seen { epochs, snapshots, cuts, reads, syncs, committed, handovers } = seen;
    for count in [epochs, snapshots, cuts, reads, syncs, committed, handovers] {
        assert!(only.is_some() || count > 20, "{seen:?}");
    }
    eprintln!("{seen:?}");
}

/// Says which seed it was when a check fails.
struct Guard(u64);

impl Drop for Guard {
    fn drop(&mut self) {
        eprintln!("again with RINGKEEPER_SEED={}", self.0);
    }
}
