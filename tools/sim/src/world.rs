//! The world: virtual time, one queue of events, everything that lives in it.
//!
//! One event runs at a time and nothing runs beside it. Every draw comes from the seed, so the
//! same seed makes the same world, line by line.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use bytes::Bytes;
use ringkeeper::membership::Electorate;
use ringkeeper::roles::peer_message::PeerEvent;
use ringkeeper::types::{Epoch, Link, SessionId, Zxid};

use crate::client::{Act, Client, Scene};
use crate::disk::Failure;
use crate::faults::{Fault, Planned};
use crate::forgotten::Forgotten;
use crate::history::History;
use crate::knobs::{self, Knobs};
use crate::moments::Ambushes;
use crate::peers::{Pipe, Port};
use crate::rng::Rng;
use crate::rogue::Rogue;
use crate::server::{Server, electorate, fresh_tree};
use crate::wires::{Goodbye, Wire};

/// A broken promise, in words.
pub type Checked = Result<(), String>;

/// More than any world needs that does not run in circles.
const EVENTS_MAX: u64 = 1_500_000;

/// What happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    Control { server: usize },
    Core { server: usize, core: usize },
    Log { server: usize },
    Prepare { server: usize },
    Snapshot { server: usize, incarnation: u64 },
    History { server: usize, incarnation: u64 },
    Boot { server: usize },
    ToServer { wire: u64, bytes: Vec<u8> },
    ToClient { wire: u64, bytes: Vec<u8> },
    ServerEnd { wire: u64 },
    ServerReset { wire: u64 },
    Reads { wire: u64 },
    ClientEnd { wire: u64 },
    Client { client: usize },
    PeerTick { server: usize },
    Dialed { server: usize, incarnation: u64, to: usize, port: Port, call: u64, lost: bool },
    PeerBytes { pipe: u64, to: usize, bytes: Vec<u8> },
    PeerEnd { pipe: u64, to: usize },
    Drained { server: usize, incarnation: u64, link: Link },
    Written { server: usize, incarnation: u64, link: Link },
    LearnerWork { server: usize, incarnation: u64 },
    MustBeClosed { wire: u64 },
    Operator,
    Fault { number: usize },
    Rogue,
    Healed,
    Settled,
}

/// What is to happen, in order of time and then of planning. The heap is of small things.
#[derive(Default)]
struct Agenda {
    heap: BinaryHeap<Reverse<(i64, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    number: u64,
}

impl Agenda {
    fn push(&mut self, at: i64, event: Event) {
        self.number += 1;
        let place = self.free.pop().unwrap_or(self.events.len());
        if place == self.events.len() {
            self.events.push(None);
        }
        self.events[place] = Some(event);
        self.heap.push(Reverse((at, self.number, place)));
    }

    fn pop(&mut self) -> Option<(i64, Event)> {
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.free.push(place);
        Some((at, self.events[place].take()?))
    }
}

/// How far a run has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Storm,
    /// No more faults; clients finish.
    Healing,
    /// All clients are done; sessions of those that vanished run out.
    Settling,
    Over,
}

pub struct World {
    pub seed: u64,
    pub knobs: Knobs,
    pub plan: Vec<Planned>,
    /// Microseconds.
    pub now: i64,
    agenda: Agenda,
    pub rng: Rng,
    pub servers: Vec<Server>,
    pub clients: Vec<Client>,
    /// When each client is woken next, and by which connection it speaks.
    pub client_at: Vec<Option<i64>>,
    pub client_wire: Vec<Option<u64>>,
    pub wires: BTreeMap<u64, Wire>,
    pub next_wire: u64,
    /// Clients that have closed their session and hung up.
    pub goodbyes: BTreeMap<u64, Goodbye>,
    /// Connections between servers.
    pub electorate: Option<Electorate>,
    pub pipes: BTreeMap<u64, Pipe>,
    /// Nothing passes from one server to another before this time.
    pub blocked: BTreeMap<(usize, usize), i64>,
    pub ambushes: Ambushes,
    pub rogue: Rogue,
    pub forgotten: Forgotten,
    /// So many links to a leader from now on lose a transaction of what it sends.
    pub holes: u64,
    /// The first zxid of the newest epoch in which a leader has served that clients reach.
    pub reign: Zxid,
    /// Every transaction that was ever proposed, and who has made those of an epoch.
    pub proposals: BTreeMap<Zxid, Bytes>,
    pub primaries: BTreeMap<Epoch, usize>,
    pub history: History,
    /// Highest zxid of any write answered to anybody.
    pub answered: Zxid,
    /// When the server last heard of a session, in its own milliseconds.
    pub touched: BTreeMap<SessionId, i64>,
    pub stage: Stage,
    pub settled_at: i64,
    /// Started anew for the last check.
    pub restarted: bool,
    pub deadline: i64,
    /// Events run inside a snapshot's pauses.
    pub depth: usize,
    pub failure: Option<String>,
    /// All servers have served at once.
    pub have_served: bool,
    /// What links tell goes here, and no role speaks over them: a test holds both ends.
    pub tapped: Option<Vec<(usize, PeerEvent)>>,
    pub trace: Option<Vec<String>>,
    pub events: u64,
    pub crashes: u64,
}

/// What a run that went well was like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    pub events: u64,
    pub crashes: u64,
    pub txns: usize,
    pub acknowledged: u64,
    pub expired: u64,
    pub virtual_us: i64,
}

impl World {
    pub fn new(seed: u64, knobs: Knobs, plan: Vec<Planned>, tracing: bool) -> World {
        let (fresh, _writer) = fresh_tree(&knobs, 0);
        let clients: Vec<Client> =
            (0..knobs.clients).map(|id| Client::new(id, seed, &knobs)).collect();
        World {
            seed,
            plan,
            now: 0,
            agenda: Agenda::default(),
            rng: Rng::part(seed, 3),
            servers: (0..knobs.servers).map(|id| Server::new(id, &knobs, seed)).collect(),
            client_at: vec![None; clients.len()],
            client_wire: vec![None; clients.len()],
            clients,
            wires: BTreeMap::new(),
            next_wire: 1,
            goodbyes: BTreeMap::new(),
            electorate: electorate(&knobs),
            pipes: BTreeMap::new(),
            blocked: BTreeMap::new(),
            ambushes: Ambushes::default(),
            rogue: Rogue::default(),
            forgotten: Forgotten::default(),
            holes: 0,
            reign: Zxid::ZERO,
            proposals: BTreeMap::new(),
            primaries: BTreeMap::new(),
            history: History::new(&fresh, &knobs),
            answered: Zxid::ZERO,
            touched: BTreeMap::new(),
            stage: Stage::Storm,
            settled_at: 0,
            restarted: false,
            deadline: 0,
            depth: 0,
            failure: None,
            have_served: false,
            tapped: None,
            trace: tracing.then(Vec::new),
            events: 0,
            crashes: 0,
            knobs,
        }
    }

    pub fn schedule(&mut self, at: i64, event: Event) {
        self.agenda.push(at.max(self.now), event);
    }

    /// A line of the trace.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10} {}", self.now, text()));
        }
    }

    /// Everything, from the first start to the last check.
    pub fn run(&mut self) -> Result<Report, String> {
        for server in 0..self.servers.len() {
            self.schedule(0, Event::Boot { server });
        }
        for client in 0..self.clients.len() {
            self.wake_client(client);
        }
        for (number, (at, _)) in self.plan.clone().iter().enumerate() {
            self.schedule(*at, Event::Fault { number });
        }
        self.schedule(self.knobs.storm_us, Event::Healed);
        while self.stage != Stage::Over {
            self.one_event()?;
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
        }
        Ok(Report {
            events: self.events,
            crashes: self.crashes,
            txns: self.history.entries.len(),
            acknowledged: self.clients.iter().map(|client| client.acknowledged).sum(),
            expired: self.clients.iter().map(|client| client.expired).sum(),
            virtual_us: self.now,
        })
    }

    pub fn one_event(&mut self) -> Checked {
        let Some((at, event)) = self.agenda.pop() else {
            return Err("nothing happens any more".into());
        };
        self.now = at;
        self.events += 1;
        if self.events > EVENTS_MAX {
            return Err(format!("busy: {EVENTS_MAX} events, the next is {event:?}"));
        }
        if self.stage != Stage::Storm && self.now > self.deadline {
            return Err(self.describe_unsettled());
        }
        match event {
            Event::Control { server } => self.control_turn(server, at),
            Event::Core { server, core } => self.core_turn(server, core, at),
            Event::Log { server } => self.log_step(server, at),
            Event::Prepare { server } => self.prepare_step(server, at),
            Event::Snapshot { server, incarnation } => self.snapshot(server, incarnation),
            Event::History { server, incarnation } => self.history(server, incarnation),
            Event::Boot { server } => self.boot(server),
            Event::ToServer { wire, bytes } => self.to_server(wire, &bytes),
            Event::ToClient { wire, bytes } => self.to_client(wire, &bytes),
            Event::ServerEnd { wire } => self.server_end(wire),
            Event::ServerReset { wire } => self.server_reset(wire),
            Event::Reads { wire } => self.reads(wire),
            Event::ClientEnd { wire } => self.client_end(wire),
            Event::Client { client } => self.client_wakes(client, at),
            Event::PeerTick { server } => self.peer_tick(server, at),
            event @ Event::Dialed { .. } => self.dialed(event),
            Event::PeerBytes { pipe, to, bytes } => self.peer_bytes(pipe, to, &bytes),
            Event::PeerEnd { pipe, to } => self.peer_end(pipe, to),
            Event::Drained { server, incarnation, link } => self.drained(server, incarnation, link),
            Event::Written { server, incarnation, link } => self.written(server, incarnation, link),
            Event::LearnerWork { server, incarnation } => self.learner_work(server, incarnation),
            Event::MustBeClosed { wire } => self.must_be_closed(wire),
            Event::Operator => self.operator(),
            Event::Fault { number } => self.fault(number),
            Event::Rogue => self.rogue_acts(),
            Event::Healed => self.heal(),
            Event::Settled => self.settled(),
        }
    }

    fn describe_unsettled(&self) -> String {
        let server = |server: &Server| {
            let at = server.up.as_ref().map(|up| (up.tree.applied(), up.gauges.quorum.mode()));
            format!("server {} is at {at:?}", server.id)
        };
        let servers = self.servers.iter().map(server);
        let waiting: Vec<String> = self
            .clients
            .iter()
            .filter(|client| !client.is_done())
            .map(|client| format!("client {} is {:?}", client.id, client.phase))
            .chain(servers)
            .collect();
        format!(
            "not converged {} us after the storm: {}",
            self.now - self.knobs.storm_us,
            waiting.join(", ")
        )
    }

    /// Makes sure that a client's next moment is in the queue.
    pub fn wake_client(&mut self, client: usize) {
        let at = self.clients[client].deadline().max(self.now + 1);
        if self.client_at[client].is_none_or(|before| at < before) {
            self.client_at[client] = Some(at);
            self.schedule(at, Event::Client { client });
        }
    }

    fn client_wakes(&mut self, client: usize, at: i64) -> Checked {
        if self.client_at[client] != Some(at) {
            return Ok(());
        }
        self.client_at[client] = None;
        self.with_client(client, |client, scene| {
            client.wake(scene);
            Ok(())
        })
    }

    /// Lets a client act, and does what it wants.
    pub fn with_client(
        &mut self,
        client: usize,
        act: impl FnOnce(&mut Client, &mut Scene<'_>) -> Checked,
    ) -> Checked {
        let mut out = Vec::new();
        let wire = self.client_wire[client].and_then(|wire| self.wires.get(&wire));
        let mut scene = Scene {
            now: self.now,
            history: &mut self.history,
            reign: self.reign,
            answered: &mut self.answered,
            knobs: &self.knobs,
            tracing: self.trace.is_some(),
            asked_at: wire.and_then(|wire| wire.heard_at).unwrap_or(self.now),
            out: &mut out,
        };
        let checked = act(&mut self.clients[client], &mut scene);
        for act in out {
            match act {
                Act::Connect => self.connect(client),
                Act::Send(bytes) => self.client_sends(client, bytes),
                Act::Leave { silent } => self.client_leaves(client, silent),
                Act::Goodbye { session } => self.client_says_goodbye(client, session),
                Act::Note(text) => self.note(|| text),
            }
        }
        checked?;
        self.wake_client(client);
        self.look_if_settling();
        Ok(())
    }

    /// The storm is over: nothing fails any more, and everything must come to rest.
    fn heal(&mut self) -> Checked {
        if self.is_mended_by_hand() {
            self.schedule(self.now + 100_000, Event::Healed);
            return Ok(());
        }
        self.note(|| "healed".into());
        self.stage = Stage::Healing;
        let longest = 20 * self.knobs.tick_ms * 1000;
        self.deadline = self.now + 90_000_000 + 5 * longest;
        self.blocked.clear();
        self.widen_lines();
        self.ambushes = Ambushes::default();
        for server in &mut self.servers {
            server.paused_until = server.paused_until.min(self.now);
            if let Some((_, until)) = &mut server.control_hangs {
                *until = self.now.min(*until);
            }
            server.slow_until = self.now;
            server.silent_until = self.now;
            server.hang_us = 0;
            server.dies_at_start = None;
            for disk in [&server.logs, &server.snapshots, &server.marker] {
                disk.spare();
            }
        }
        for client in 0..self.clients.len() {
            self.clients[client].finish(self.now);
            self.wake_client(client);
        }
        Ok(())
    }

    /// A tree that cannot cross a line within `initLimit` can be given to nobody, and no server could
    /// help it: a learner with an empty disk would ask for it for ever.
    pub fn widen_lines(&mut self) {
        if self.knobs.link_bytes_ms > 0 {
            self.knobs.link_bytes_ms = knobs::WIDE_BYTES_MS;
        }
    }

    fn look_if_settling(&mut self) {
        if self.stage == Stage::Healing && self.clients.iter().all(Client::is_done) {
            self.stage = Stage::Settling;
            self.settled_at = self.now + self.sessions_last();
            self.schedule(self.settled_at, Event::Settled);
        }
    }

    /// Sessions that nobody keeps run out in this time, even on a slow clock.
    pub fn sessions_last(&self) -> i64 {
        let longest = 22 * self.knobs.tick_ms * 1000;
        longest + longest / 10 + 1_000_000
    }

    fn fault(&mut self, number: usize) -> Checked {
        if self.stage != Stage::Storm {
            return Ok(());
        }
        let (_, fault) = self.plan[number];
        self.note(|| format!("fault {number}: {fault:?}"));
        self.inflict(fault)
    }

    /// A fault that another brings with it.
    pub fn plan_fault(&mut self, at: i64, fault: Fault) {
        let number = self.plan.len();
        self.plan.push((at, fault));
        self.schedule(at, Event::Fault { number });
    }

    /// Nothing passes from one server to another for so long.
    pub fn block(&mut self, from: usize, to: usize, for_us: i64) {
        self.blocked.insert((from, to), self.now + for_us);
    }

    fn inflict(&mut self, fault: Fault) -> Checked {
        let now = self.now;
        match fault {
            Fault::Crash { server, power, down_us } => self.crash(server, power, down_us),
            Fault::CrashAtChange { server, changes, power, down_us } => {
                self.any_disk(server).kill_after(changes);
                self.servers[server].dies_with = (power, down_us);
            }
            Fault::CrashAtStart { server, changes, power } => {
                self.servers[server].dies_at_start = Some((changes, power));
                self.crash(server, power, 10_000);
            }
            Fault::Stop { server, down_us } => self.stop(server, down_us),
            Fault::Pause { server, for_us } => self.servers[server].paused_until = now + for_us,
            Fault::Slow { server, factor, for_us } => {
                let server = &mut self.servers[server];
                (server.slow_factor, server.slow_until) = (factor, now + for_us);
            }
            Fault::DiskError { server, after, short } => {
                let how = if short { Failure::Short } else { Failure::Error };
                self.servers[server].logs.fail_after(after, how);
            }
            Fault::DiskFull { server, for_us } => self.fill(server, now + for_us),
            Fault::DiskFree { server } => self.servers[server].logs.set_full(false),
            Fault::DiskHang { server, for_us } => self.servers[server].hang_us = for_us,
            Fault::Rot { server, down_us } => self.rot(server, down_us),
            Fault::WallClock { server, jump_ms } => self.servers[server].wall_offset_ms += jump_ms,
            Fault::Reset { one_in } => self.reset_some(one_in),
            Fault::ResetPeers { one_in } => self.reset_pipes(one_in),
            Fault::Block { from, to, for_us } => self.block(from, to, for_us),
            Fault::Isolate { server, for_us } => self.split(1 << server, for_us),
            Fault::Split { mask, for_us } => self.split(mask, for_us),
            Fault::CrashAll { power, down_us } => {
                (0..self.servers.len()).for_each(|server| self.crash(server, power, down_us));
            }
            Fault::ControlHang { server: Some(server), for_us } => {
                self.hang_control(server, for_us);
            }
            Fault::ControlHang { server: None, for_us } => {
                self.on_leader(|world, leader| world.hang_control(leader, for_us));
            }
            Fault::LeaderDiskHang { for_us } => {
                self.on_leader(|world, leader| world.servers[leader].hang_us = for_us);
            }
            Fault::CrashLeader { power, down_us } => {
                self.on_leader(|world, leader| world.crash(leader, power, down_us));
            }
            Fault::LeaderAsleep { pause_us, for_us } => self.on_leader(|world, leader| {
                world.servers[leader].paused_until = now + pause_us;
                world.split(1 << leader, for_us);
            }),
            Fault::Sever { server, power, down_us } => self.sever(server, power, down_us),
            Fault::EndAt { server, moment, end } => self.lie_in_wait(server, moment, end),
            Fault::HalfOpen { one_in } => self.half_open_some(one_in),
            Fault::Silence { server, for_us } => {
                self.servers[server].silent_until = now + for_us;
            }
            Fault::Snapshot { server } => self.ask_for_snapshot(server),
            Fault::Purge { server } => return self.purge(server),
            Fault::Wipe { server, down_us } => self.wipe(server, down_us),
            Fault::HoleInDiff => self.holes += 1,
            Fault::CopyDisks => self.copy_disks(),
            Fault::Forget { older, restarts } => self.forget(older, restarts),
            Fault::DamageClients { one_in } => self.damage_clients(one_in),
            Fault::DamagePeers { one_in } => self.damage_pipes(one_in),
            Fault::Rogue { for_us, every_us, stays } => self.rogue_comes(for_us, every_us, stays),
        }
        Ok(())
    }

    /// Nothing passes between servers whose bits differ, for so long.
    fn split(&mut self, mask: u64, for_us: i64) {
        let side = |server: usize| mask >> server & 1;
        for from in 0..self.servers.len() {
            for to in (0..self.servers.len()).filter(|to| side(*to) != side(from)) {
                self.block(from, to, for_us);
            }
        }
    }

    fn on_leader(&mut self, act: impl FnOnce(&mut World, usize)) {
        if let Some(leader) = self.leader() {
            act(self, leader);
        }
    }
}
