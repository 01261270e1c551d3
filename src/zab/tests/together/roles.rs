//! What the servers of the world do as leaders and learners: how a role begins and ends, and what
//! comes of its effects.

use super::*;

impl World {
    /// The role is over; what the log holds is this server's history.
    pub(super) fn end_role(&mut self, at: usize, next: Role) {
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
    pub(super) fn begin_role(&mut self, at: usize) {
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

    pub(super) fn begin_leading(&mut self, at: usize) {
        self.seen.epochs += 1;
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

    pub(super) fn begin_learning(&mut self, at: usize) {
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

    pub(super) fn lead(&mut self, at: usize, input: LeaderInput) {
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

    pub(super) fn leader_effects(&mut self, at: usize, effects: Vec<LeaderEffect>) {
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

    pub(super) fn push(&mut self, link: Link, item: Item) {
        if let Some(wire) = self.wires.get_mut(&link) {
            wire.to_learner.push_back(item);
        }
    }

    /// A leader says that this and all before it in its history is committed.
    pub(super) fn commit(&mut self, at: usize, upto: Zxid) {
        let server = &self.servers[at];
        let history = &server.log[..server.upto(upto)];
        assert!(history.starts_with(&self.committed), "{:?} lost by {at}", self.committed);
        self.committed = history.to_vec();
    }

    pub(super) fn learn(&mut self, at: usize, input: LearnerInput) {
        let mut out = Vec::new();
        if let Role::Learning { core, .. } = &mut self.servers[at].role {
            core.step(self.now, input, &mut out);
        }
        self.learner_effects(at, out);
    }

    pub(super) fn learner_effects(&mut self, at: usize, effects: Vec<LearnerEffect>) {
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

    pub(super) fn answer(&mut self, at: usize, packet: Packet) {
        let Role::Learning { link: Some(link), .. } = &self.servers[at].role else { return };
        if let Some(wire) = self.wires.get_mut(link) {
            wire.to_leader.push_back(packet);
        }
    }

    /// A learner takes this for committed. Before it serves that is its leader's word for its own
    /// history, and nobody sees it.
    pub(super) fn follows(&mut self, at: usize, upto: Zxid) {
        let server = &mut self.servers[at];
        server.agreed = server.agreed.max(upto);
        if matches!(server.role, Role::Learning { serves: true, .. }) {
            let history = &server.log[..server.upto(server.agreed)];
            assert!(self.committed.starts_with(history), "I6: {at} at {upto}, {history:?}");
        }
    }
}
