//! Ensembles on loopback: some members Apache ZooKeeper 3.9.5, some ours, each with its own
//! folder, log and ports that stay the same over its restarts.

use super::client::{Conn, Session};
use super::disks::{HungDisk, SmallDisk};
use super::proxy::Links;
use super::server::{Kind, Server, super_settings};
use super::{scratch, tree};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long an ensemble may take to serve: Java's virtual machines share two CPUs.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Space between two questions to a process: not synchronisation.
const PAUSE: Duration = Duration::from_millis(20);

/// What an ensemble is made of.
#[derive(Clone)]
pub struct Plan {
    /// Whose server each member is, voters first; ids are 1, 2, ….
    pub kinds: Vec<Kind>,
    /// How many of them, the last ones, are observers.
    pub observers: usize,
    /// Added to every member's file; a setting here replaces a plain one.
    pub settings: Vec<(String, String)>,
    /// Traffic between members goes through [`Links`] that can be cut.
    pub cuttable: bool,
    /// Servers that know of the others and themselves, run later, and are to be let in.
    pub joiners: Vec<Kind>,
    /// The members may change: lines name client ports, and a start takes the file it finds.
    pub changes: bool,
    /// Members whose data lies on a small disk of this many megabytes.
    pub small_disk: Option<u32>,
    /// Members whose disks can be made to hang: see [`HungDisk`].
    pub hangs: bool,
}

impl Plan {
    pub fn new(voters: &[Kind]) -> Plan {
        Plan {
            kinds: voters.to_vec(),
            observers: 0,
            settings: Vec::new(),
            cuttable: false,
            joiners: Vec::new(),
            changes: false,
            small_disk: None,
            hangs: false,
        }
    }

    /// An ensemble whose members change.
    pub fn changing(voters: &[Kind]) -> Plan {
        let plan = Plan { changes: true, ..Plan::new(voters) };
        plan.set("reconfigEnabled", "true")
    }

    pub fn joined_by(mut self, kind: Kind) -> Plan {
        self.joiners.push(kind);
        self
    }

    pub fn observed_by(mut self, kind: Kind) -> Plan {
        self.kinds.push(kind);
        self.observers += 1;
        self
    }

    pub fn set(mut self, key: &str, value: &str) -> Plan {
        self.settings.push((key.to_string(), value.to_string()));
        self
    }

    pub fn cuttable(mut self) -> Plan {
        self.cuttable = true;
        self
    }

    pub fn small_disks(mut self, megabytes: u32) -> Plan {
        self.small_disk = Some(megabytes);
        self
    }

    pub fn hanging_disks(mut self) -> Plan {
        self.hangs = true;
        self
    }
}

/// What a member does, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Leading,
    Following,
    Observing,
    /// Has lost its quorum and serves reads.
    ReadOnly,
    /// Runs, and serves nobody.
    Looking,
    /// Does not answer.
    Silent,
}

/// How a learner was brought to its leader's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    Diff,
    Trunc,
    Snap,
}

/// One server of an ensemble.
pub struct Member {
    pub id: u64,
    pub kind: Kind,
    pub observer: bool,
    pub folder: PathBuf,
    /// For clients.
    pub port: u16,
    quorum: u16,
    election: u16,
    settings: Vec<(String, String)>,
    keeps_file: bool,
    disk: Option<SmallDisk>,
    hangs: Option<HungDisk>,
    server: Option<Server>,
    starts: u32,
}

/// A running ensemble; every process is killed when it is dropped.
pub struct Ensemble {
    pub members: Vec<Member>,
    pub links: Option<Links>,
}

/// A port that was free a moment ago, from below those that the kernel gives to connections: a
/// member that is down must find its own again.
fn lasting_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(7919) % 12_000;
    for _ in 0..12_000 {
        let offset = (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let port = 20_500 + offset as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in 20500..32500");
}

impl Ensemble {
    /// Starts every member and waits until all serve.
    pub fn start(name: &str, plan: &Plan) -> Ensemble {
        let mut ensemble = Ensemble::lay_out(name, plan);
        // The highest id first: it is to lead, and a quorum must not form without it.
        let size = plan.kinds.len();
        let voters = size - plan.observers;
        ensemble.members[voters - 1].spawn();
        ensemble.members[voters - 1].wait_for_words();
        for member in &mut ensemble.members[..size] {
            if member.server.is_none() {
                member.spawn();
            }
        }
        ensemble.wait_all();
        ensemble
    }

    /// Folders, ports and files of an ensemble that does not run yet.
    pub fn lay_out(name: &str, plan: &Plan) -> Ensemble {
        let folder = scratch(name);
        let size = plan.kinds.len();
        let kinds: Vec<Kind> = plan.kinds.iter().chain(&plan.joiners).copied().collect();
        let ports: Vec<[u16; 3]> =
            (0..kinds.len()).map(|_| [lasting_port(), lasting_port(), lasting_port()]).collect();
        let links = plan.cuttable.then(|| {
            let targets: Vec<[u16; 2]> = ports.iter().map(|p| [p[1], p[2]]).collect();
            Links::open(&targets)
        });
        let members = (0..kinds.len())
            .map(|at| {
                let observer = at >= size - plan.observers && at < size;
                let mut settings = plain_settings();
                if observer {
                    settings.push(("peerType".into(), "observer".into()));
                }
                let known =
                    ports.iter().enumerate().filter(|(peer, _)| *peer < size || *peer == at);
                for (peer, own) in known {
                    // A peer's address is the link's. A member's own is a wildcard then, so that
                    // nobody is told to call back past the links.
                    let (host, quorum, election) = match &links {
                        Some(links) if peer != at => {
                            let [quorum, election] = links.ports(at, peer);
                            ("127.0.0.1", quorum, election)
                        }
                        Some(_) => ("0.0.0.0", own[1], own[2]),
                        None => ("127.0.0.1", own[1], own[2]),
                    };
                    let observes = peer >= size - plan.observers && peer < size;
                    let role = if observes { ":observer" } else { "" };
                    let mut address = format!("{host}:{quorum}:{election}{role}");
                    if plan.changes {
                        address += &format!(";127.0.0.1:{}", own[0]);
                    }
                    settings.push((format!("server.{}", peer + 1), address));
                }
                settings.retain(|(key, _)| !plan.settings.iter().any(|(own, _)| own == key));
                settings.extend(plan.settings.iter().cloned());
                let folder = folder.join((at + 1).to_string());
                std::fs::create_dir_all(folder.join("data")).unwrap();
                Member {
                    id: at as u64 + 1,
                    kind: kinds[at],
                    observer,
                    port: ports[at][0],
                    quorum: ports[at][1],
                    election: ports[at][2],
                    settings,
                    keeps_file: plan.changes,
                    disk: plan.small_disk.map(|size| SmallDisk::mount(&folder.join("data"), size)),
                    hangs: plan.hangs.then(|| HungDisk::new(&folder)),
                    folder,
                    server: None,
                    starts: 0,
                }
            })
            .collect();
        Ensemble { members, links }
    }

    pub fn member(&mut self, id: u64) -> &mut Member {
        &mut self.members[id as usize - 1]
    }

    pub fn ids(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.id).collect()
    }

    pub fn voters(&self) -> Vec<u64> {
        self.members.iter().filter(|m| !m.observer).map(|member| member.id).collect()
    }

    /// Client ports of all members, running or not.
    pub fn ports(&self) -> Vec<u16> {
        self.members.iter().map(|member| member.port).collect()
    }

    pub fn port(&self, id: u64) -> u16 {
        self.members[id as usize - 1].port
    }

    /// The member that says it leads.
    pub fn leader(&self) -> Option<u64> {
        self.members.iter().find(|m| m.role() == Role::Leading).map(|member| member.id)
    }

    /// Waits until one of the running members leads and all of them serve; returns the leader.
    pub fn wait_all(&mut self) -> u64 {
        self.wait_within(PATIENCE).unwrap_or_else(|told| panic!("{told}\n{}", self.logs()))
    }

    /// [`Ensemble::wait_all`] with a bound of its own: what is wrong when it is over.
    pub fn wait_within(&mut self, patience: Duration) -> Result<u64, String> {
        let deadline = Instant::now() + patience;
        loop {
            let mut roles = BTreeMap::new();
            for member in self.members.iter_mut().filter(|m| m.server.is_some()) {
                if !member.is_running() {
                    return Err(format!("member {} ({:?}) ended", member.id, member.kind));
                }
                roles.insert(member.id, member.role());
            }
            let leaders = roles.iter().filter(|(_, role)| **role == Role::Leading);
            let leaders: Vec<u64> = leaders.map(|(id, _)| *id).collect();
            let idle = |role: &Role| matches!(role, Role::Looking | Role::Silent | Role::ReadOnly);
            if let ([leader], false) = (leaders.as_slice(), roles.values().any(idle)) {
                return Ok(*leader);
            }
            if Instant::now() > deadline {
                return Err(format!("no working ensemble after {patience:?}: {roles:?}"));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Makes `id` lead, by restarting whoever leads instead; everybody must be running.
    pub fn make_leader(&mut self, id: u64) {
        for _ in 0..5 {
            let leader = self.wait_all();
            if leader == id {
                return;
            }
            self.member(leader).kill();
            self.wait_all();
            self.member(leader).spawn();
        }
        panic!("member {id} does not come to lead\n{}", self.logs());
    }

    /// How a member was last synchronised with its leader, where one of the two is a Java server
    /// and has said it.
    pub fn how_synced(&self, learner: u64, leader: u64) -> Option<Sync> {
        let [learner, leader] = [learner, leader].map(|id| &self.members[id as usize - 1]);
        if learner.kind == Kind::Java {
            let log = learner.log();
            return log.lines().rev().find_map(|line| {
                let said = |words: &str| line.contains(words);
                if said("Getting a diff from the leader") {
                    Some(Sync::Diff)
                } else if said("Truncating log to get in sync with the leader") {
                    Some(Sync::Trunc)
                } else {
                    said("Getting a snapshot from leader").then_some(Sync::Snap)
                }
            });
        }
        if leader.kind != Kind::Java {
            return None;
        }
        let log = leader.log();
        let began = log.rfind(&format!("Synchronizing with Learner sid: {} ", learner.id))?;
        log[began..].lines().find_map(|line| {
            let said = |words: &str| line.contains(words);
            if said("Sending DIFF") {
                Some(Sync::Diff)
            } else if said("Sending TRUNC") {
                Some(Sync::Trunc)
            } else {
                said("Sending snapshot").then_some(Sync::Snap)
            }
        })
    }

    /// Every running member's whole tree, after a sync; they must be equal to the last field.
    pub fn assert_equal_trees(&self, told: &str) -> Vec<String> {
        let running = self.members.iter().filter(|member| member.server.is_some());
        let trees: Vec<(u64, Vec<String>)> =
            running.map(|member| (member.id, tree_of(member.port))).collect();
        let (first, tree) = &trees[0];
        for (id, other) in &trees[1..] {
            let difference = tree::first_difference(tree, other);
            assert_eq!(difference, None, "{told}: members {first} and {id} in {}", self.place());
        }
        tree.clone()
    }

    fn place(&self) -> String {
        self.members[0].folder.parent().unwrap().display().to_string()
    }

    /// The end of every member's log.
    pub fn logs(&self) -> String {
        let ends = self.members.iter().map(|member| {
            let log = member.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(25)..].join("\n");
            format!("--- member {} ({:?}):\n{tail}", member.id, member.kind)
        });
        ends.collect::<Vec<String>>().join("\n")
    }
}

fn plain_settings() -> Vec<(String, String)> {
    let (key, value) = super_settings();
    let settings = [
        ("tickTime", "500"),
        ("initLimit", "40"),
        ("syncLimit", "8"),
        ("minSessionTimeout", "1000"),
        ("maxSessionTimeout", "60000"),
        ("extendedTypesEnabled", "true"),
        ("preAllocSize", "1024"),
        // Java's servers would wait a minute before they call a peer again.
        ("fastleader.maxNotificationInterval", "2000"),
        // Java's reaper of containers would write beside a test.
        ("znode.container.checkIntervalMs", "100000000"),
        (key, value),
    ];
    settings.map(|(key, value)| (key.to_string(), value.to_string())).to_vec()
}

/// Lines of a member's tree as of all that was agreed before the call. The configuration node is
/// each server's own (its text differs behind links, and Java stamps it with its own clock).
pub fn tree_of(port: u16) -> Vec<String> {
    let mut session = Session::open(port, 60_000);
    session.sync("/");
    session.close();
    let mut lines = tree::dump(port);
    lines.retain(|line| !line.starts_with("\"/zookeeper/config\""));
    lines
}

impl Member {
    /// One more setting of this member alone, from its next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(own, _)| own != key);
        self.settings.push((key.to_string(), value.to_string()));
    }

    /// Starts the process without waiting for it.
    pub fn spawn(&mut self) {
        assert!(self.server.is_none(), "member {} runs already", self.id);
        self.starts += 1;
        let log = self.folder.join("server.log");
        if log.exists() {
            let kept = self.folder.join(format!("server.{}.log", self.starts - 1));
            std::fs::rename(&log, kept).unwrap();
        }
        let mut wrapper = self.disk.as_ref().map(SmallDisk::wrapper).unwrap_or_default();
        wrapper.extend(self.hangs.iter().flat_map(HungDisk::wrapper));
        self.write_id();
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let spawn = match self.keeps_file && self.folder.join("zoo.cfg").exists() {
            true => Server::spawn_on_file,
            false => Server::spawn_under,
        };
        let server = spawn(&wrapper, self.kind, &self.folder, &settings, self.port);
        self.server = Some(server);
    }

    fn write_id(&self) {
        match &self.disk {
            None => std::fs::write(self.data().join("myid"), format!("{}\n", self.id)).unwrap(),
            Some(disk) => {
                disk.run(&format!("echo {} > {}/myid", self.id, self.data().display()));
            }
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The disk that was given to it alone, if the plan says so.
    pub fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    /// What makes its disk hang, if the plan says so.
    pub fn hung_disk(&self) -> &HungDisk {
        self.hangs.as_ref().expect("a plan with hanging disks")
    }

    /// Waits for the process to take connections, whether it serves or not.
    fn wait_for_words(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpListener::bind(("127.0.0.1", self.election)).is_ok() {
            assert!(self.is_running(), "member {} ended:\n{}", self.id, self.log());
            assert!(Instant::now() < deadline, "member {}:\n{}", self.id, self.log());
            std::thread::sleep(PAUSE);
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.server.as_mut().is_some_and(Server::is_running)
    }

    /// Whether the member was started and not stopped by the test.
    pub fn is_up(&self) -> bool {
        self.server.is_some()
    }

    /// Of the running process.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("it runs").pid()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// SIGTERM, and the end of the process.
    pub fn terminate(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.terminate();
        }
    }

    /// Waits for the process to end by itself: `false` when it has not within the time.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        self.server = None;
        true
    }

    /// SIGSTOP, until every thread of the process stands still: one that is in the kernel goes on
    /// until it comes back from there.
    pub fn pause(&self) {
        let server = self.server.as_ref().unwrap();
        server.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", server.pid());
        let stands = |task: PathBuf| {
            let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        };
        let deadline = Instant::now() + Duration::from_secs(5);
        while !std::fs::read_dir(&tasks).unwrap().all(|task| stands(task.unwrap().path())) {
            assert!(Instant::now() < deadline, "member {} does not stop", self.id);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// SIGCONT.
    pub fn proceed(&self) {
        self.server.as_ref().unwrap().signal(Signal::CONT);
    }

    /// Removes everything that a stopped member has stored.
    pub fn wipe(&self) {
        assert!(self.server.is_none(), "member {} runs", self.id);
        match &self.disk {
            None => {
                std::fs::remove_dir_all(self.data()).unwrap();
                std::fs::create_dir_all(self.data()).unwrap();
            }
            Some(disk) => disk.run(&format!("rm -rf {}/*", self.data().display())),
        }
    }

    /// What the running process printed.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Asks the member what it does.
    pub fn role(&self) -> Role {
        let Some(text) = self.server.as_ref().and_then(|server| server.word_within("srvr", 1))
        else {
            return Role::Silent;
        };
        let mode = text.lines().find_map(|line| line.strip_prefix("Mode: "));
        match mode {
            Some("leader") => Role::Leading,
            Some("follower") => Role::Following,
            Some("observer") => Role::Observing,
            Some("read-only") => Role::ReadOnly,
            Some(other) => panic!("member {} says Mode: {other}", self.id),
            None if text.is_empty() => Role::Silent,
            None => Role::Looking,
        }
    }

    /// The answer to a four-letter word.
    pub fn word(&self, word: &str) -> Option<String> {
        self.server.as_ref()?.word_within(word, 5)
    }

    /// A figure of `mntr`.
    pub fn figure(&self, key: &str) -> Option<i64> {
        let text = self.server.as_ref()?.word_within("mntr", 5)?;
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(key))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    pub fn connect(&self) -> Conn {
        Conn::open(self.port).unwrap_or_else(|e| panic!("member {}: {e}", self.id))
    }

    /// Its line as a reconfiguration names it, `role` apart.
    pub fn line(&self, role: &str) -> String {
        let (id, quorum, election, port) = (self.id, self.quorum, self.election, self.port);
        format!("server.{id}=127.0.0.1:{quorum}:{election}:{role};127.0.0.1:{port}")
    }

    /// A file beside its `zoo.cfg`.
    pub fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.join(name)).ok()
    }

    /// Whether a log file of the member holds these bytes.
    pub fn has_logged(&self, needle: &[u8]) -> bool {
        let Ok(entries) = std::fs::read_dir(self.data().join("version-2")) else { return false };
        entries.map(Result::unwrap).any(|entry| {
            entry.file_name().to_string_lossy().starts_with("log.")
                && std::fs::read(entry.path())
                    .is_ok_and(|bytes| bytes.windows(needle.len()).any(|w| w == needle))
        })
    }

    /// Quorum and election port.
    pub fn peer_ports(&self) -> [u16; 2] {
        [self.quorum, self.election]
    }
}
