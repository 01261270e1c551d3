//! The built-in comparisons: scenarios and bars, for single servers and for ensembles.

use super::bars::{Against, Bar};
use super::ensembles::LEADER_KILL;
use super::scenario::{Metric, Scenario, Stage};
use crate::engine::Pace;
use crate::load::{Job, Workload};
use crate::schedule::Arrival;

/// Znodes of the large tree.
pub const LARGE: u64 = 1_000_000;
/// Root of the large tree, and of what is written in it.
pub const LARGE_ROOT: &str = "/large";

/// How much is run.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub warmup: f64,
    pub window: f64,
    pub large: u64,
    /// The open-loop runs: longer, so that a snapshot falls into them.
    pub open_window: f64,
    pub quick: bool,
}

impl Size {
    pub const FULL: Size =
        Size { warmup: 2.0, window: 5.0, large: LARGE, open_window: 15.0, quick: false };
    pub const QUICK: Size =
        Size { warmup: 0.5, window: 1.0, large: 50_000, open_window: 5.0, quick: true };
}

struct Maker {
    size: Size,
    scenarios: Vec<Scenario>,
}

impl Maker {
    /// A closed loop of `connections` × `depth`.
    fn closed(&mut self, id: &str, workload: Workload, connections: usize, depth: usize) {
        let title = match workload {
            Workload::WatchFanout => format!("watch fan-out to {}", connections - 1),
            Workload::SessionChurn => format!("connect + close, {connections} at a time"),
            Workload::Multi => format!("multi of 10 sets, {connections} × {depth}"),
            Workload::Lock => format!("lock hand-over, {connections} contenders"),
            Workload::EphemeralSequential => {
                format!("ephemeral sequential, {connections} × {depth}")
            }
            other => format!("{}, {connections} × {depth}", format!("{other:?}").to_lowercase()),
        };
        let class = match workload {
            Workload::Write => "write",
            Workload::Multi => "multi",
            Workload::WatchFanout => "last-told",
            Workload::SessionChurn => "session",
            Workload::Lock => "hand-over",
            Workload::EphemeralSequential => "create",
            _ => "read",
        };
        self.push(id, title, Stage::Steady, workload, connections, Pace::Closed { depth }, class);
        // Few rounds of a fan-out fit into the window of the others.
        if let (Workload::WatchFanout, Some(s)) = (workload, self.scenarios.last_mut()) {
            s.window *= 2.0;
        }
    }

    /// An open loop of 10,000 writes/s on 50 connections.
    fn open(&mut self, id: &str, title: &str, stage: Stage) {
        let pace = Pace::Open { rate: 10_000.0, arrival: Arrival::Uniform };
        self.push(id, title.into(), stage, Workload::Write, 50, pace, "write");
        if let Some(s) = self.scenarios.last_mut() {
            s.window = self.size.open_window;
        }
    }

    #[allow(clippy::too_many_arguments)] // One call a scenario, read as a row of a table.
    fn push(
        &mut self,
        id: &str,
        title: String,
        stage: Stage,
        workload: Workload,
        connections: usize,
        pace: Pace,
        class: &'static str,
    ) {
        let root = format!("/perf-{id}");
        let job = Job::new(workload, &root);
        let Size { warmup, window, .. } = self.size;
        let id = id.to_owned();
        self.scenarios.push(Scenario {
            id,
            title,
            stage,
            job,
            connections,
            pace,
            warmup,
            window,
            class,
        });
    }
}

/// Connections of the throughput–latency curve's points.
const SWEEP: [usize; 7] = [1, 2, 5, 10, 50, 200, 1000];

pub fn standalone(size: Size) -> Vec<Scenario> {
    use Workload::*;
    let mut m = Maker { size, scenarios: Vec::new() };
    m.closed("read-1x1", Read, 1, 1);
    m.closed("read-50x1", Read, 50, 1);
    m.closed("read-1000x1", Read, 1000, 1);
    m.closed("read-100x10", Read, 100, 10);
    m.closed("read-10x50", Read, 10, 50);
    m.closed("write-1x1", Write, 1, 1);
    m.closed("write-50x1", Write, 50, 1);
    m.closed("write-100x10", Write, 100, 10);
    m.closed("write-10x50", Write, 10, 50);
    m.closed("mixed-50x1", Mixed, 50, 1);
    m.closed("multi-50x1", Multi, 50, 1);
    m.closed("ephemeral-50x1", EphemeralSequential, 50, 1);
    m.closed("lock-20", Lock, 20, 1);
    m.open("open-10k", "10,000 writes/s offered", Stage::Steady);
    m.closed("fanout-1000", WatchFanout, 1001, 1);
    m.closed("fanout-5000", WatchFanout, 5001, 1);
    m.closed("churn-100", SessionChurn, 100, 1);
    for (what, workload) in [("read", Read), ("write", Write)] {
        for connections in SWEEP.into_iter().filter(|n| !size.quick || [1, 10, 200].contains(n)) {
            m.closed(&format!("sweep-{what}-{connections}"), workload, connections, 1);
            if let Some(s) = m.scenarios.last_mut() {
                s.stage = Stage::Sweep;
                s.title = format!("{what}s on {connections} connections");
                s.window = size.window.min(3.0);
            }
        }
    }
    let large = crate::output::table::count(size.large as f64);
    let title = format!("10,000 writes/s offered, {large} znodes");
    m.open("large-open-10k", &title, Stage::LargeTree);
    let title = format!("10,000 writes/s offered while {large} znodes are being snapshotted");
    m.open("snapshot-open-10k", &title, Stage::Snapshots);
    m.scenarios
}

/// For ensembles: the connections go round the members.
pub fn ensemble(size: Size) -> Vec<Scenario> {
    use Workload::*;
    let mut m = Maker { size, scenarios: Vec::new() };
    m.closed("write-1x1", Write, 1, 1);
    m.closed("write-50x1", Write, 50, 1);
    m.closed("write-100x10", Write, 100, 10);
    m.closed("read-100x10", Read, 100, 10);
    m.closed("read-1x1", Read, 1, 1);
    for s in &mut m.scenarios {
        s.stage = Stage::Ensemble;
    }
    m.scenarios
}

/// The bars of the project's ensemble issue. Where it names no aim, the bar is the aim.
pub fn ensemble_bars() -> Vec<Bar> {
    use Metric::*;
    let mut bars = Vec::new();
    let mut add = |what: &str, scenario: &str, metric, bar: f64, aim: f64| {
        let (what, scenario) = (what.to_owned(), scenario.to_owned());
        bars.push(Bar { what, scenario, metric, against: Against::Other, bar, aim });
    };
    add("write, 1 × 1", "write-1x1", P50, 0.5, 0.5);
    add("write, 50 × 1", "write-50x1", Throughput, 2.5, 4.0);
    add("write, 50 × 1", "write-50x1", PerCpuSecond, 3.0, 6.0);
    add("write, 100 × 10", "write-100x10", Throughput, 4.0, 4.0);
    add("write, 100 × 10", "write-100x10", PerCpuSecond, 5.0, 12.0);
    add("read, 1 × 1", "read-1x1", P50, 0.6, 0.4);
    add("read, 100 × 10", "read-100x10", PerCpuSecond, 10.0, 25.0);
    add("leader killed", LEADER_KILL, Recovery, 0.3, 0.3);
    add("leader killed", LEADER_KILL, RecoveryP99, 0.5, 0.5);
    add("leader killed, sessions", LEADER_KILL, Reattach, 0.3, 0.3);
    bars
}

/// The bars of the project's load-harness issue.
pub fn bars(size: Size) -> Vec<Bar> {
    let large = crate::output::table::count(size.large as f64);
    use Metric::*;
    let mut bars = Vec::new();
    let mut add = |what: &str, scenario: &str, metric, bar: f64, aim: f64| {
        let (what, scenario) = (what.to_owned(), scenario.to_owned());
        bars.push(Bar { what, scenario, metric, against: Against::Other, bar, aim });
    };
    add("read, 1 connection, depth 1", "read-1x1", P50, 0.6, 0.4);
    add("read, 50 × 1", "read-50x1", Throughput, 2.5, 4.0);
    add("read, 50 × 1", "read-50x1", PerCpuSecond, 4.0, 6.0);
    add("read, 1,000 × 1", "read-1000x1", PerCpuSecond, 3.5, 5.0);
    add("read, 100 × 10", "read-100x10", PerCpuSecond, 10.0, 25.0);
    add("read, 10 × 50", "read-10x50", PerCpuSecond, 10.0, 25.0);
    add("write, 1 × 1", "write-1x1", P50, 0.7, 0.5);
    add("write, 50 × 1", "write-50x1", Throughput, 2.0, 3.0);
    add("write, 50 × 1", "write-50x1", PerCpuSecond, 3.0, 5.0);
    add("write, 100 × 10", "write-100x10", Throughput, 4.0, 8.0);
    add("write, 100 × 10", "write-100x10", PerCpuSecond, 6.0, 12.0);
    add("write, 10 × 50", "write-10x50", Throughput, 4.0, 8.0);
    add("write, 10 × 50", "write-10x50", PerCpuSecond, 6.0, 12.0);
    add("multi of 10 sets, 50 × 1", "multi-50x1", PerCpuSecond, 4.0, 8.0);
    add("open loop, 10 k writes/s", "open-10k", P99, 0.4, 0.2);
    add("open loop, 10 k writes/s", "open-10k", P999, 0.3, 0.1);
    add("watch fan-out to 1,000: last told", "fanout-1000", P50, 0.3, 0.15);
    add("watch fan-out to 5,000: last told", "fanout-5000", P50, 0.3, 0.15);
    add("connect + close, 100 at a time", "churn-100", Throughput, 4.0, 8.0);
    add(&format!("{large} znodes × 100 B"), "fill", Resident, 0.25, 0.17);
    add(&format!("{large} znodes × 100 B"), "fill", Restart, 0.3, 0.1);
    bars.push(Bar {
        what: format!(
            "10 k writes/s while {large} znodes are snapshotted: ours against ours without"
        ),
        scenario: "snapshot-open-10k".into(),
        metric: P999,
        against: Against::Ourselves("large-open-10k".into()),
        bar: 2.0,
        aim: 1.2,
    });
    bars
}

/// What a build has to reach of another build: no slower, within what this method can tell. An open
/// loop's throughput is what was offered, so it has no bar.
pub fn baseline_bars(scenarios: &[Scenario]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for scenario in scenarios.iter().filter(|s| s.stage != Stage::Sweep) {
        let offered = matches!(scenario.pace, Pace::Open { .. });
        let mut add = |metric, bar| {
            let (what, id) = (scenario.title.clone(), scenario.id.clone());
            let (against, aim) = (Against::Other, 1.0);
            bars.push(Bar { what, scenario: id, metric, against, bar, aim });
        };
        if !offered {
            add(Metric::Throughput, 0.97);
        }
        add(Metric::PerCpuSecond, 0.97);
        add(Metric::P99, 1.03);
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_build_has_a_bar_for_every_scenario_but_the_sweeps() {
        let scenarios = standalone(Size::FULL);
        let bars = baseline_bars(&scenarios);
        for scenario in &scenarios {
            let metrics: Vec<Metric> =
                bars.iter().filter(|b| b.scenario == scenario.id).map(|b| b.metric).collect();
            let offered = matches!(scenario.pace, Pace::Open { .. });
            assert_eq!(metrics.contains(&Metric::P99), scenario.stage != Stage::Sweep);
            let throughput = metrics.contains(&Metric::Throughput);
            assert_eq!(throughput, scenario.stage != Stage::Sweep && !offered, "{}", scenario.id);
        }
    }

    #[test]
    fn every_bar_has_its_scenario_and_an_aim_beyond_the_bar() {
        let scenarios = standalone(Size::FULL);
        let known = |id: &str| id == "fill" || scenarios.iter().any(|s| s.id == id);
        for bar in bars(Size::FULL) {
            assert!(known(&bar.scenario), "{}", bar.scenario);
            if let Against::Ourselves(other) = &bar.against {
                assert!(known(other), "{other}");
            }
            assert_eq!(bar.metric.lower_is_better(), bar.aim < bar.bar, "{}", bar.what);
        }
    }

    #[test]
    fn every_bar_of_ensembles_has_its_scenario_and_no_aim_short_of_it() {
        let scenarios = ensemble(Size::FULL);
        for bar in ensemble_bars() {
            let known = scenarios.iter().any(|s| s.id == bar.scenario);
            assert!(known || bar.scenario == LEADER_KILL, "{}", bar.scenario);
            let beyond = bar.aim == bar.bar || bar.metric.lower_is_better() == (bar.aim < bar.bar);
            assert!(beyond, "{}", bar.what);
        }
    }

    #[test]
    fn scenario_names_are_unique_and_their_classes_exist() {
        let scenarios = standalone(Size::QUICK);
        let mut ids: Vec<&str> = scenarios.iter().map(|s| s.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), scenarios.len());
    }
}
