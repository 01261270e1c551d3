//! Runs a comparison.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::bars::{Against, Bar};
use super::ensembles::EnsembleSettings;
use super::facts;
use super::outcome::{
    EnsembleOutcome, FillOutcome, FillSide, Outcome, ScenarioOutcome, Side, TargetFacts,
};
use super::scenario::{Metric, Scenario, Spread, Stage};
use super::suite::{LARGE_ROOT, Size};
use crate::cost::Costing;
use crate::engine::run::{Measured, Observer};
use crate::engine::{Pace, Plan, Until};
use crate::fault::Fault;
use crate::keys::KeySpace;
use crate::load::{Job, Workload};
use crate::record::{Summary, percentile_curve};
use crate::result::RunResult;
use crate::target::instance::{Instance, Setting};
use crate::target::{Served, Target};

/// No snapshot in any run.
pub(super) const NO_SNAPSHOTS: Setting = Setting { snap_count: 1_000_000_000 };
/// ZooKeeper's default, for the fill: what is on disk at the restart is what an operator has.
const DEFAULT: Setting = Setting { snap_count: 100_000 };
/// At 10,000 writes/s: one every few seconds (Java draws the number from the upper half).
const SNAPSHOTS: Setting = Setting { snap_count: 60_000 };
/// Mebibytes that must be free before a scenario: the rounds of the widest write load put about as
/// much into a log.
const SPACE: u64 = 3072;
const SPACE_QUICK: u64 = 512;
/// Left alone before memory is read.
const SETTLE: Duration = Duration::from_secs(3);

pub struct Settings {
    /// The reference, then ours.
    pub targets: Vec<Target>,
    pub scenarios: Vec<Scenario>,
    pub bars: Vec<Bar>,
    pub rounds: usize,
    pub size: Size,
    /// Ensembles in place of single servers.
    pub ensemble: Option<EnsembleSettings>,
    /// What a reader should know about the machine beside its facts.
    pub remark: Option<String>,
    /// Seconds of mixed load before anything is measured.
    pub jvm_warmup: f64,
    pub data_dir: PathBuf,
    pub log_dir: PathBuf,
    pub threads: usize,
    pub pin: Vec<usize>,
    pub command: String,
}

/// What is told to the person who waits.
pub trait Narrator {
    fn say(&mut self, line: &str);
    fn observer(&mut self, label: &str) -> Box<dyn Observer + '_>;
}

pub struct Session<'a> {
    pub(super) settings: &'a Settings,
    pub(super) narrator: &'a mut dyn Narrator,
    pub(super) outcome: Outcome,
}

/// Passes on to a terminal and meters the server.
struct Metered<'a> {
    display: Box<dyn Observer + 'a>,
    costing: Costing,
}

impl Observer for Metered<'_> {
    fn progress(&mut self, finished: u64, live: usize) {
        self.display.progress(finished, live);
    }
    fn began(&mut self) {
        self.costing.began();
    }
    fn ended(&mut self) {
        self.costing.ended();
    }
}

impl<'a> Session<'a> {
    pub fn new(settings: &'a Settings, narrator: &'a mut dyn Narrator) -> Session<'a> {
        let mut outcome = Outcome {
            when: facts::utc(SystemTime::now()),
            command: settings.command.clone(),
            rounds: settings.rounds,
            quick: settings.size.quick,
            targets: Vec::new(),
            machine: facts::machine(&settings.data_dir, &settings.log_dir),
            method: method(settings),
            bars: Vec::new(),
            scenarios: Vec::new(),
            fill: FillOutcome {
                znodes: settings.size.large,
                sides: vec![FillSide::default(); settings.targets.len()],
            },
            ensemble: EnsembleOutcome::default(),
            faults: Vec::new(),
        };
        if let Some(remark) = &settings.remark {
            outcome.machine.push(("Remark".into(), remark.clone()));
        }
        Session { settings, narrator, outcome }
    }

    /// Everything; a scenario that fails is noted and passed over, an interrupt ends it all.
    pub fn run(mut self) -> Result<Outcome, Fault> {
        self.look_for_space()?;
        if let Some(ensemble) = &self.settings.ensemble {
            self.ensembles(ensemble)?;
        } else {
            self.steady()?;
            self.fills()?;
            self.large_tree()?;
        }
        let bars = self.settings.bars.iter().map(|bar| {
            let ours = self.outcome.figure(&bar.scenario, bar.metric, 1);
            let reference = match &bar.against {
                Against::Other => self.outcome.figure(&bar.scenario, bar.metric, 0),
                Against::Ourselves(other) => self.outcome.figure(other, bar.metric, 1),
            };
            bar.judge(reference, ours)
        });
        self.outcome.bars = bars.collect();
        Ok(self.outcome)
    }

    /// Ends the comparison where the next scenario would fill a disk: every one behind it would fail
    /// for that, one by one, and the report would read as the servers' fault.
    pub(super) fn look_for_space(&self) -> Result<(), Fault> {
        let wanted = if self.settings.size.quick { SPACE_QUICK } else { SPACE };
        for folder in [&self.settings.data_dir, &self.settings.log_dir] {
            let free = facts::free_space(folder)? >> 20;
            if free < wanted {
                return Err(Fault::Space { folder: folder.clone(), free, wanted });
            }
        }
        Ok(())
    }

    /// An interrupt and a full disk go up, anything else is noted.
    pub(super) fn note(&mut self, what: &str, result: Result<(), Fault>) -> Result<(), Fault> {
        match result {
            Err(fault @ (Fault::Interrupted | Fault::Space { .. })) => Err(fault),
            Err(fault) => {
                let line = format!("{what}: {fault}");
                self.narrator.say(&format!("FAILED  {line}"));
                self.outcome.faults.push(line);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    pub(super) fn stage(&self, stages: &[Stage]) -> Vec<Scenario> {
        let all = self.settings.scenarios.iter();
        all.filter(|s| stages.contains(&s.stage)).cloned().collect()
    }

    fn start(&self, target: &Target, setting: &Setting) -> Result<Instance, Fault> {
        Instance::start(target, setting, &self.settings.data_dir, &self.settings.log_dir)
    }

    /// What the report says of a target, with the settings of whichever stage came first.
    fn introduce(&mut self, at: usize, instance: &Instance) {
        if self.outcome.targets.len() == at {
            let (target, config) = (instance.target.clone(), instance.config.clone());
            self.outcome.targets.push(TargetFacts { target, config });
        }
    }

    pub(super) fn base_plan(&self, served: &dyn Served) -> Plan {
        Plan {
            servers: served.servers(),
            connections: 1,
            threads: self.settings.threads,
            pin: self.settings.pin.clone(),
            pace: Pace::Closed { depth: 1 },
            until: Until::Exhausted,
            interval: 100_000_000,
            session_timeout_ms: 30_000,
            seed: 1,
        }
    }

    fn steady(&mut self) -> Result<(), Fault> {
        let scenarios = self.stage(&[Stage::Steady, Stage::Sweep]);
        if scenarios.is_empty() {
            return Ok(());
        }
        let mut instances = Vec::new();
        for target in &self.settings.targets {
            let instance = self.start(target, &NO_SNAPSHOTS)?;
            self.introduce(instances.len(), &instance);
            instances.push(instance);
        }
        for instance in &instances {
            let warm = self.warm_up(instance);
            self.note(&format!("warming up {}", instance.target.name), warm)?;
        }
        for scenario in scenarios {
            let rounds = match scenario.stage {
                Stage::Sweep => self.settings.rounds.min(2),
                _ => self.settings.rounds,
            };
            self.compare(&scenario, &mut instances, rounds)?;
        }
        Ok(())
    }

    /// The same load for both, long enough for a JVM to compile what it will run.
    pub(super) fn warm_up(&mut self, served: &dyn Served) -> Result<(), Fault> {
        let seconds = self.settings.jvm_warmup;
        if seconds <= 0.0 {
            return Ok(());
        }
        self.narrator.say(&format!("warming up {} for {seconds} s", served.name()));
        let base = self.base_plan(served);
        let window = (seconds / 3.0 * 1e9) as u64;
        for (workload, connections, depth) in
            [(Workload::Read, 50, 4), (Workload::Write, 50, 4), (Workload::Mixed, 100, 1)]
        {
            let plan = Plan {
                connections,
                pace: Pace::Closed { depth },
                until: Until::Time { warmup: 0, window },
                ..base.clone()
            };
            let job = Job::new(workload, "/perf-warm-up");
            job.set_up(&plan, &mut ())?;
            job.measure(&plan, &mut ())?;
            job.clean_up(&plan, &mut ())?;
        }
        Ok(())
    }

    /// A server that has died must not take the other scenarios with it.
    fn revive(&mut self, instances: &mut [Instance]) -> Result<(), Fault> {
        for instance in instances {
            match instance.revive() {
                Ok(None) => {}
                Ok(Some(ended)) => self.note("between scenarios", Err(Fault::Server(ended)))?,
                Err(fault) => self.note("between scenarios", Err(fault))?,
            }
        }
        Ok(())
    }

    /// A B A B … of one scenario.
    fn compare(
        &mut self,
        scenario: &Scenario,
        instances: &mut [Instance],
        rounds: usize,
    ) -> Result<(), Fault> {
        self.look_for_space()?;
        self.revive(instances)?;
        self.narrator.say(&format!("{}  ({} rounds)", scenario.title, rounds));
        let mut sides: Vec<(Vec<RunResult>, Option<Measured>)> = Vec::new();
        sides.resize_with(instances.len(), Default::default);
        let mut alive: Vec<bool> = Vec::new();
        for instance in instances.iter() {
            let ready = scenario.job.set_up(&scenario.plan(&self.base_plan(instance)), &mut ());
            alive.push(ready.is_ok());
            self.note(&format!("{}: {}: set-up", scenario.title, instance.target.name), ready)?;
        }
        for round in 0..rounds {
            for (at, instance) in instances.iter().enumerate() {
                if !alive[at] {
                    continue;
                }
                let run = self.run_once(scenario, instance, round);
                let run = match run {
                    Ok((result, measured)) => {
                        match &mut sides[at].1 {
                            Some(all) => all.merge(&measured),
                            none => *none = Some(measured),
                        }
                        sides[at].0.push(result);
                        Ok(())
                    }
                    Err(fault) => {
                        alive[at] = false;
                        Err(fault)
                    }
                };
                let name = &instance.target.name;
                self.note(&format!("{}: {name}: round {}", scenario.title, round + 1), run)?;
            }
        }
        for (at, instance) in instances.iter().enumerate() {
            if alive[at] {
                let plan = scenario.plan(&self.base_plan(instance));
                let cleaned = scenario.job.clean_up(&plan, &mut ());
                let name = &instance.target.name;
                self.note(&format!("{}: {name}: clean-up", scenario.title), cleaned)?;
            }
        }
        let sides = sides.into_iter().map(|(rounds, all)| side(scenario, rounds, all)).collect();
        self.outcome.scenarios.push(ScenarioOutcome::new(scenario, sides));
        self.report_scenario();
        Ok(())
    }

    pub(super) fn run_once(
        &mut self,
        scenario: &Scenario,
        served: &dyn Served,
        round: usize,
    ) -> Result<(RunResult, Measured), Fault> {
        let mut plan = scenario.plan(&self.base_plan(served));
        plan.seed = round as u64 + 1;
        let open = matches!(scenario.pace, Pace::Open { .. });
        let recording = if open { served.recording()? } else { None };
        let label = format!("{} · {}", served.name(), scenario.title);
        let mut observer = Metered {
            display: self.narrator.observer(&label),
            costing: Costing::new(served.meters()),
        };
        let measured = scenario.job.measure(&plan, &mut observer)?;
        let mut result = RunResult::new(&scenario.job, &plan, &measured, observer.costing.cost());
        if let Some(recording) = recording {
            let (moments, device) = recording.finish(measured.began_ns);
            (result.moments, result.device) = (moments, device);
        }
        Ok((result, measured))
    }

    /// Ratio of the scenario just ended, for the person who waits.
    pub(super) fn report_scenario(&mut self) {
        let Some(last) = self.outcome.scenarios.last() else { return };
        let mut parts = Vec::new();
        for metric in [Metric::Throughput, Metric::PerCpuSecond, Metric::P50, Metric::P999] {
            let figures: Vec<Spread> = last.sides.iter().filter_map(|s| s.figure(metric)).collect();
            if let [reference, ours] = figures[..] {
                let (j, o) = (metric.show(reference.median), metric.show(ours.median));
                let ratio = ours.median / reference.median;
                parts.push(format!("{} {j} → {o} ({ratio:.2})", metric.name()));
            }
        }
        self.narrator.say(&format!("    {}", parts.join("; ")));
    }

    /// Fresh servers filled, weighed, killed and started again.
    fn fills(&mut self) -> Result<(), Fault> {
        if !self.settings.bars.iter().any(|b| b.scenario == "fill") {
            return Ok(());
        }
        let rounds = self.settings.rounds;
        let znodes = self.settings.size.large;
        self.narrator.say(&format!("fill with {znodes} znodes, restart  ({rounds} rounds)"));
        for _ in 0..rounds {
            for at in 0..self.settings.targets.len() {
                let target = self.settings.targets[at].clone();
                let filled = self.fill_once(at, &target);
                self.note(&format!("fill: {}", target.name), filled)?;
            }
        }
        for metric in [Metric::FillThroughput, Metric::Resident, Metric::Restart] {
            let show = |at: usize| self.outcome.figure("fill", metric, at);
            if let (Some(j), Some(o)) = (show(0), show(1)) {
                let (a, b) = (metric.show(j.median), metric.show(o.median));
                let ratio = o.median / j.median;
                self.narrator.say(&format!("    {} {a} → {b} ({ratio:.2})", metric.name()));
            }
        }
        Ok(())
    }

    fn fill_once(&mut self, at: usize, target: &Target) -> Result<(), Fault> {
        self.look_for_space()?;
        let mut instance = self.start(target, &DEFAULT)?;
        self.introduce(at, &instance);
        let result = self.fill(&instance)?;
        let side = &mut self.outcome.fill.sides[at];
        side.creates_per_s.push(result.per_second);
        side.creates_per_cpu_s.extend(result.per_server_cpu_second());
        std::thread::sleep(SETTLE);
        let resident = |i: &Instance| Some(i.meter()?.sample()?.rss_bytes as f64);
        side.resident.extend(resident(&instance));
        let mut path = Vec::new();
        let keys = large_keys(self.settings.size.large);
        keys.path(keys.count - 1, &mut path);
        let took = instance.restart(&String::from_utf8_lossy(&path))?;
        let side = &mut self.outcome.fill.sides[at];
        side.restart_s.push(took.as_secs_f64());
        std::thread::sleep(SETTLE);
        side.resident_restarted.extend(resident(&instance));
        Ok(())
    }

    fn fill(&mut self, instance: &Instance) -> Result<RunResult, Fault> {
        let mut job = Job::new(Workload::Fill, LARGE_ROOT);
        job.keys = large_keys(self.settings.size.large);
        let plan =
            Plan { connections: 20, pace: Pace::Closed { depth: 50 }, ..self.base_plan(instance) };
        job.set_up(&plan, &mut ())?;
        let label = format!("{} · fill", instance.target.name);
        let mut observer = Metered {
            display: self.narrator.observer(&label),
            costing: Costing::new(instance.meter().into_iter().collect()),
        };
        let measured = job.measure(&plan, &mut observer)?;
        Ok(RunResult::new(&job, &plan, &measured, observer.costing.cost()))
    }

    /// The large tree, without snapshots and with them.
    fn large_tree(&mut self) -> Result<(), Fault> {
        let scenarios = self.stage(&[Stage::LargeTree, Stage::Snapshots]);
        if scenarios.is_empty() {
            return Ok(());
        }
        self.narrator.say("filling both servers with the large tree");
        let mut instances = Vec::new();
        for target in self.settings.targets.clone() {
            let instance = self.start(&target, &NO_SNAPSHOTS)?;
            self.introduce(instances.len(), &instance);
            let filled = self.fill(&instance).map(drop);
            self.note(&format!("large tree: {}", target.name), filled)?;
            let warm = self.warm_up(&instance);
            self.note(&format!("warming up {}", target.name), warm)?;
            instances.push(instance);
        }
        for scenario in scenarios {
            if scenario.stage == Stage::Snapshots {
                for instance in &mut instances {
                    instance.change(&SNAPSHOTS)?;
                }
                for instance in &instances {
                    let warm = self.warm_up(instance);
                    self.note(&format!("warming up {}", instance.target.name), warm)?;
                }
            }
            self.compare(&scenario, &mut instances, self.settings.rounds)?;
        }
        Ok(())
    }
}

/// The large tree's keys: 30-character paths, a thousand znodes a directory.
fn large_keys(count: u64) -> KeySpace {
    KeySpace::uniform(LARGE_ROOT, count, 2)
}

pub(super) fn side(scenario: &Scenario, mut rounds: Vec<RunResult>, all: Option<Measured>) -> Side {
    use Metric::*;
    let figure = |metric: Metric| {
        let values: Vec<f64> = rounds.iter().filter_map(|r| metric.of(r, scenario.class)).collect();
        Spread::of(&values).map(|s| (metric, s))
    };
    let figures = [P50, P99, P999, Max, Throughput, PerCpuSecond].into_iter().filter_map(figure);
    let figures = figures.collect();
    let mut order: Vec<usize> = (0..rounds.len()).collect();
    let p99 = |at: &usize| P99.of(&rounds[*at], scenario.class).unwrap_or(0.0);
    order.sort_by(|a, b| p99(a).total_cmp(&p99(b)));
    let shown = order.get(order.len() / 2).map(|at| Box::new(rounds[*at].clone()));
    for run in &mut rounds {
        run.device.clear();
        for class in &mut run.classes {
            class.curve.clear();
            class.timeline.clear();
        }
    }
    let total = all.as_ref().and_then(|m| m.class(scenario.class)).map(|c| &c.total);
    Side {
        rounds,
        figures,
        latency: total.map(Summary::of).unwrap_or_default(),
        curve: total.map(percentile_curve).unwrap_or_default(),
        shown,
    }
}

fn method(settings: &Settings) -> Vec<(String, String)> {
    if let Some(ensemble) = &settings.ensemble {
        return super::ensembles::method(settings, ensemble);
    }
    let fact = |name: &str, text: String| (name.to_owned(), text);
    let Size { warmup, window, open_window, large, .. } = settings.size;
    vec![
        fact("Order", "the servers in turn, A B A B …, each scenario; the one not driven is idle".into()),
        fact("Rounds", format!("{}, medians shown; sweeps at most 2", settings.rounds)),
        fact("Durability", "both acknowledge a write after its log record is flushed (forceSync=yes, fdatasync or its equal)".into()),
        fact("Each run", format!("{warmup} s warm-up, {window} s measured (open loop {open_window} s)")),
        fact("Warm-up", format!("{} s of mixed load before the first scenario, on both servers", settings.jvm_warmup)),
        fact("Values, keys", "100 B of random bytes; 10,000 keys, uniformly chosen".into()),
        fact("Large tree", format!("{large} znodes of 100 B, a thousand a directory")),
        fact("Driver", format!("{} thread(s) on io_uring, sharing the machine's CPUs with the server; sleeps when idle", settings.threads)),
        fact("Restart", "kill -9, then from the start of the process to the first read of a znode of the tree".into()),
    ]
}
