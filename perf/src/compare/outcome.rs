//! A comparison as data: what the JSON holds and every rendering is made from.

use serde::{Deserialize, Serialize};

use super::bars::Judged;
use super::scenario::{Metric, Spread, Stage};
use crate::record::Summary;
use crate::result::{PaceFacts, RunResult};
use crate::target::Target;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Calendar time, UTC.
    pub when: String,
    pub command: String,
    /// Rounds of each scenario.
    pub rounds: usize,
    /// The reference first, ours second.
    pub targets: Vec<TargetFacts>,
    pub machine: Vec<(String, String)>,
    /// How the comparison was made: durability, warm-up, order.
    pub method: Vec<(String, String)>,
    pub bars: Vec<Judged>,
    pub scenarios: Vec<ScenarioOutcome>,
    pub fill: FillOutcome,
    /// What went wrong, if anything did.
    pub faults: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TargetFacts {
    pub target: Target,
    pub config: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ScenarioOutcome {
    pub id: String,
    pub title: String,
    pub stage: Stage,
    pub class: String,
    pub connections: usize,
    pub pace: PaceFacts,
    /// By target.
    pub sides: Vec<Side>,
}

/// One server in one scenario.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, Default)]
pub struct Side {
    /// Round by round, without curves and timelines.
    pub rounds: Vec<RunResult>,
    pub figures: Vec<(Metric, Spread)>,
    /// Over all rounds.
    pub latency: Summary,
    pub curve: Vec<(f64, f64)>,
    /// The round in the middle by p99, whole.
    pub shown: Option<Box<RunResult>>,
}

impl Side {
    pub fn figure(&self, metric: Metric) -> Option<Spread> {
        self.figures.iter().find(|(m, _)| *m == metric).map(|(_, s)| *s)
    }
}

/// Filling with the large tree, memory, restarts; by target.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, Default)]
pub struct FillOutcome {
    pub znodes: u64,
    pub sides: Vec<FillSide>,
}

/// Round by round.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, Default)]
pub struct FillSide {
    pub creates_per_s: Vec<f64>,
    pub creates_per_cpu_s: Vec<f64>,
    /// After the fill, when the server has been left alone for a moment.
    pub resident: Vec<f64>,
    /// After the restart and its first read.
    pub resident_restarted: Vec<f64>,
    /// Seconds from the start of the process until a znode of the tree was read.
    pub restart_s: Vec<f64>,
}

impl FillSide {
    pub fn figure(&self, metric: Metric) -> Option<Spread> {
        match metric {
            Metric::FillThroughput | Metric::Throughput => Spread::of(&self.creates_per_s),
            Metric::PerCpuSecond => Spread::of(&self.creates_per_cpu_s),
            Metric::Resident => Spread::of(&self.resident),
            Metric::Restart => Spread::of(&self.restart_s),
            Metric::P50 | Metric::P99 | Metric::P999 | Metric::Max => None,
        }
    }
}

impl Outcome {
    pub fn scenario(&self, id: &str) -> Option<&ScenarioOutcome> {
        self.scenarios.iter().find(|s| s.id == id)
    }

    /// A figure of one target (0: the reference, 1: ours).
    pub fn figure(&self, scenario: &str, metric: Metric, target: usize) -> Option<Spread> {
        if scenario == "fill" {
            return self.fill.sides.get(target)?.figure(metric);
        }
        self.scenario(scenario)?.sides.get(target)?.figure(metric)
    }
}
