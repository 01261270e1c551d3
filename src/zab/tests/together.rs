//! A leader and its learners against each other, through reigns: links that break, servers that
//! crash with part of their log, disks that take their time. Elections are a draw: the newest of
//! a quorum leads. Nothing committed may ever be missing or differ, and healed, all are one.

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
    reigns: usize,
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

    /// The role is over; what the log holds is this server's history.
    fn end_role(&mut self, at: usize, next: Role) {
        let was_leading = self.servers[at].is_leading();
        let server = &mut self.servers[at];
        server.durable = server.log.len();
        // An epoch file that was asked for may have been written.
        let writes = self.random.percent(50);
        for task in std::mem::take(&mut server.tasks) {
            match task {
                Task::Store(Stored::Accepted(epoch)) if writes => server.accepted = epoch,
                Task::Store(Stored::Current(epoch)) if writes => server.current = epoch,
                _ => {}
            }
        }
        // As at a start: a log with transactions of an epoch has all that the epoch began with.
        server.current = server.current.max(server.last().epoch());
        let link = match &server.role {
            Role::Learning { link, .. } => *link,
            Role::Down | Role::Idle | Role::Leading { .. } => None,
        };
        server.role = next;
        if was_leading {
            self.leader = None;
            for link in self.wires.keys().copied().collect::<Vec<Link>>() {
                self.cut(link);
            }
        } else if let Some(link) = link {
            self.hang_up(link);
        }
    }

    /// An idle server follows the leader; without one, a quorum of idle voters elects. Sometimes
    /// the votes are old, and anybody leads.
    fn begin_role(&mut self, at: usize) {
        if !matches!(self.servers[at].role, Role::Idle) {
            return;
        }
        if self.leader.is_some() {
            return self.begin_learning(at);
        }
        let idle = |server: &Server| matches!(server.role, Role::Idle) && !server.observer;
        let mut quorum: Vec<usize> =
            (0..self.servers.len()).filter(|at| idle(&self.servers[*at])).collect();
        let spare = self.random.below(quorum.len() + 1);
        let mut smaller = quorum.clone();
        smaller.rotate_left(spare);
        smaller.pop();
        let is_quorum =
            |set: &[usize]| self.electorate.has_quorum(|server| set.contains(&(server.0 as usize)));
        if is_quorum(&smaller) {
            quorum = smaller;
        }
        if !is_quorum(&quorum) {
            return;
        }
        let newest = |at: &usize| (self.servers[*at].current, self.servers[*at].last(), *at);
        let mut elected = quorum.iter().copied().max_by_key(newest).unwrap();
        if self.faulty && self.random.percent(20) {
            elected = quorum[self.random.below(quorum.len())];
        }
        self.begin_leading(elected);
    }

    fn begin_leading(&mut self, at: usize) {
        self.seen.reigns += 1;
        let server = &mut self.servers[at];
        let mut window = Window::new(2 + self.random.below(6), 1 << 20);
        let from = self.random.below(server.log.len() + 1);
        if self.random.percent(80) {
            window.restart(if from == 0 { Zxid::ZERO } else { server.log[from - 1] });
            server.log[from..].iter().for_each(|zxid| window.push(*zxid, entry(*zxid, None)));
        }
        let mut rules = SyncRules { use_log: self.random.percent(80), ..SyncRules::default() };
        if self.random.percent(50) {
            // A few packets are much: learners lag whenever their links rest.
            rules.live_bytes = self.random.below(600);
            rules.sync_bytes = 1 + self.random.below(300);
        }
        let server = &mut self.servers[at];
        let parts = LeaderParts {
            me: ServerId(at as i64),
            accepted: server.accepted,
            current: server.current,
            last: server.last(),
            electorate: self.electorate.clone(),
            reconfig_enabled: false,
            timing: TIMING,
            rules,
            readers: Readers::default(),
            handover_counter: 4 + self.random.below(40) as u32,
        };
        let mut out = Vec::new();
        let core = Leader::new(parts, self.now, &mut out);
        server.agreed = server.last();
        server.role = Role::Leading { core: Box::new(core), window, asked: VecDeque::new() };
        self.leader = Some(at);
        self.leader_effects(at, out);
    }

    fn begin_learning(&mut self, at: usize) {
        let Some(leader) = self.leader else { return };
        let server = &mut self.servers[at];
        // All that it could know at best: no leader that was elected may end before it.
        let both = server.log[..server.durable].iter().zip(&self.committed);
        let committed = both.take_while(|(a, b)| a == b).last().map_or(Zxid::ZERO, |(a, _)| *a);
        let parts = LearnerParts {
            me: ServerId(at as i64),
            observer: server.observer,
            accepted: server.accepted,
            current: server.current,
            last: server.last(),
            committed,
            shown: committed,
            blank: false,
            config_version: 0,
            leader: ServerId(leader as i64),
            timing: TIMING,
            connect_ms: TIMING.init_ms(),
            connect_pause_ms: 100,
            readers: Readers::default(),
        };
        // All of it is in the tree.
        server.agreed = server.last();
        let mut out = Vec::new();
        let core = Box::new(Learner::new(parts, self.now, &mut out));
        server.role = Role::Learning { core, link: None, incoming: Vec::new(), serves: false };
        self.learner_effects(at, out);
    }

    fn lead(&mut self, at: usize, input: LeaderInput) {
        let settle = self.random.percent(70);
        let mut out = Vec::new();
        if let Role::Leading { core, window, .. } = &mut self.servers[at].role {
            core.step(self.now, input, window, &mut out);
            if settle {
                core.settle(window, &mut out);
            }
        }
        self.leader_effects(at, out);
    }

    fn leader_effects(&mut self, at: usize, effects: Vec<LeaderEffect>) {
        for effect in effects {
            match effect {
                LeaderEffect::Send { link, packet } => self.push(link, Item::Packet(packet)),
                LeaderEffect::WhenDrained { link } => self.push(link, Item::Mark),
                LeaderEffect::AskMoved { link } => {
                    if self.random.percent(50) {
                        self.lead(at, LeaderInput::Moved { link });
                    }
                }
                LeaderEffect::Reading { .. } => unreachable!("there is room for all of them"),
                LeaderEffect::Close { link, .. } => {
                    // What was sent before may still arrive.
                    while self.random.percent(60) && self.deliver_to_learner(link) {}
                    self.cut(link);
                }
                LeaderEffect::Store(stored) => {
                    self.servers[at].tasks.push_back(Task::Store(stored))
                }
                LeaderEffect::Serve { .. } => self.commit(at, self.servers[at].last()),
                LeaderEffect::Agreed(agreed) => {
                    self.servers[at].agreed = agreed.zxid();
                    self.commit(at, agreed.zxid());
                }
                LeaderEffect::Request { link, request, .. } => {
                    if let Role::Leading { asked, .. } = &mut self.servers[at].role {
                        asked.push_back((link, request.opcode == 9));
                    }
                }
                LeaderEffect::ReadLog { link, after, .. } => {
                    self.servers[at].tasks.push_back(Task::ReadLog { link, after });
                }
                LeaderEffect::SendSnapshot { link } => {
                    self.seen.snapshots += 1;
                    let server = &mut self.servers[at];
                    let applied = server.upto(server.agreed).min(server.durable);
                    let history = server.log[..applied].to_vec();
                    let zxid = history.last().copied().unwrap_or(Zxid::ZERO);
                    server.tasks.push_back(Task::SnapshotSent { link, zxid });
                    self.push(link, Item::Snapshot(history));
                }
                LeaderEffect::StepDown { why } => {
                    self.seen.handovers +=
                        usize::from(matches!(why, StepDownReason::NumbersUsedUp { .. }));
                    return self.end_role(at, Role::Idle);
                }
                LeaderEffect::Confirmed { .. }
                | LeaderEffect::Touched { .. }
                | LeaderEffect::Revalidate { .. }
                | LeaderEffect::Activate { .. }
                | LeaderEffect::LearnerReady { .. }
                | LeaderEffect::LearnerGone { .. } => {}
            }
        }
    }

    fn push(&mut self, link: Link, item: Item) {
        if let Some(wire) = self.wires.get_mut(&link) {
            wire.to_learner.push_back(item);
        }
    }

    /// A leader says that this and all before it in its history is committed.
    fn commit(&mut self, at: usize, upto: Zxid) {
        let server = &self.servers[at];
        let history = &server.log[..server.upto(upto)];
        assert!(history.starts_with(&self.committed), "{:?} lost by {at}", self.committed);
        self.committed = history.to_vec();
    }

    fn learn(&mut self, at: usize, input: LearnerInput) {
        let mut out = Vec::new();
        if let Role::Learning { core, .. } = &mut self.servers[at].role {
            core.step(self.now, input, &mut out);
        }
        self.learner_effects(at, out);
    }

    fn learner_effects(&mut self, at: usize, effects: Vec<LearnerEffect>) {
        for effect in effects {
            match effect {
                LearnerEffect::Connect => self.servers[at].tasks.push_back(Task::Connect),
                LearnerEffect::Send(packet) => self.answer(at, packet),
                LearnerEffect::Close => {
                    let link = match &mut self.servers[at].role {
                        Role::Learning { link, .. } => link.take(),
                        Role::Down | Role::Idle | Role::Leading { .. } => None,
                    };
                    self.servers[at].tasks.retain(|task| !matches!(task, Task::Connect));
                    if let Some(link) = link {
                        self.hang_up(link);
                    }
                }
                LearnerEffect::Store(stored) => {
                    self.servers[at].tasks.push_back(Task::Store(stored));
                }
                LearnerEffect::Truncate { after } => {
                    self.servers[at].tasks.push_back(Task::Truncate(after));
                }
                LearnerEffect::LoadSnapshot { .. } => {
                    if let Role::Learning { incoming, .. } = &mut self.servers[at].role {
                        let history = std::mem::take(incoming);
                        self.servers[at].tasks.push_back(Task::Load(history));
                    }
                }
                LearnerEffect::Append { zxid, .. } => {
                    let server = &mut self.servers[at];
                    assert!(zxid > server.last(), "I4");
                    server.log.push(zxid);
                }
                LearnerEffect::Agreed(agreed) => self.follows(at, agreed.zxid()),
                LearnerEffect::Serve { .. } => {
                    if let Role::Learning { serves, .. } = &mut self.servers[at].role {
                        *serves = true;
                    }
                    self.follows(at, Zxid::ZERO);
                }
                LearnerEffect::Pinged { zxid } => {
                    self.answer(at, Packet::Ping { zxid, touches: Some(Vec::new()) });
                }
                LearnerEffect::Synced => self.seen.syncs += 1,
                LearnerEffect::Refuse { ends, committed } => {
                    panic!("{at} has {committed}, and a leader that was elected ends with {ends}")
                }
                LearnerEffect::Leave { .. } => return self.end_role(at, Role::Idle),
                LearnerEffect::Reading(_)
                | LearnerEffect::Revalidated { .. }
                | LearnerEffect::ConfigProposed { .. }
                | LearnerEffect::ConfigAnnounced { .. }
                | LearnerEffect::NewConfig { .. } => {}
            }
        }
    }

    fn answer(&mut self, at: usize, packet: Packet) {
        let Role::Learning { link: Some(link), .. } = &self.servers[at].role else { return };
        if let Some(wire) = self.wires.get_mut(link) {
            wire.to_leader.push_back(packet);
        }
    }

    /// A learner takes this for committed. Before it serves that is its leader's word for its own
    /// history, and nobody sees it.
    fn follows(&mut self, at: usize, upto: Zxid) {
        let server = &mut self.servers[at];
        server.agreed = server.agreed.max(upto);
        if matches!(server.role, Role::Learning { serves: true, .. }) {
            let history = &server.log[..server.upto(server.agreed)];
            assert!(self.committed.starts_with(history), "I6: {at} at {upto}, {history:?}");
        }
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
        seen.reigns += world.seen.reigns;
        seen.snapshots += world.seen.snapshots;
        seen.cuts += world.seen.cuts;
        seen.reads += world.seen.reads;
        seen.syncs += world.seen.syncs;
        seen.handovers += world.seen.handovers;
        seen.committed += world.committed.len();
    }
    let Seen { reigns, snapshots, cuts, reads, syncs, committed, handovers } = seen;
    for count in [reigns, snapshots, cuts, reads, syncs, committed, handovers] {
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
