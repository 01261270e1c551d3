//! A comparison as data: what the JSON holds and every rendering is made from.

use serde::{Deserialize, Serialize};

use super::bars::Judged;
use super::ensembles::{LEADER_KILL, ROLLING};
use super::scenario::{Metric, Scenario, Spread, Stage};
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
    /// Everything once and small: the figures say whether it works, not how well.
    #[serde(default)]
    pub quick: bool,
    /// The reference first, ours second.
    pub targets: Vec<TargetFacts>,
    pub machine: Vec<(String, String)>,
    /// How the comparison was made: durability, warm-up, order.
    pub method: Vec<(String, String)>,
    pub bars: Vec<Judged>,
    pub scenarios: Vec<ScenarioOutcome>,
    pub fill: FillOutcome,
    #[serde(default)]
    pub ensemble: EnsembleOutcome,
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

impl ScenarioOutcome {
    pub fn new(scenario: &Scenario, sides: Vec<Side>) -> ScenarioOutcome {
        ScenarioOutcome {
            id: scenario.id.clone(),
            title: scenario.title.clone(),
            stage: scenario.stage,
            class: scenario.class.into(),
            connections: scenario.connections,
            pace: scenario.pace.into(),
            sides,
        }
    }
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
            _ => None,
        }
    }
}

/// Ensembles that lose members; by target.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, Default)]
pub struct EnsembleOutcome {
    /// Members of each ensemble; 0: there were none.
    pub members: usize,
    /// Sessions that were attached again.
    pub sessions: usize,
    pub sides: Vec<EnsembleSide>,
}

/// Of one target; seconds, round by round.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, Default)]
pub struct EnsembleSide {
    /// From the leader's kill -9 until the next write was acknowledged.
    pub recovery_s: Vec<Vec<f64>>,
    /// From the leader's kill -9 until every session had a write acknowledged.
    pub reattach_s: Vec<Vec<f64>>,
    /// The longest time without an acknowledged write while every member was restarted in turn.
    pub rolling_gap_s: Vec<f64>,
    /// Writes acknowledged during the rolling restarts.
    pub rolling_writes: u64,
    /// Connections lost, and followed by a new one, in all these.
    pub reconnects: u64,
    /// Sessions the servers had forgotten.
    pub lost_sessions: u64,
    /// Error replies.
    pub errors: u64,
}

impl EnsembleSide {
    pub fn figure(&self, metric: Metric) -> Option<Spread> {
        match metric {
            Metric::Recovery => over_rounds(&self.recovery_s, 0.5),
            Metric::RecoveryP99 => over_rounds(&self.recovery_s, 0.99),
            Metric::Reattach => over_rounds(&self.reattach_s, 0.5),
            Metric::RollingGap => Spread::of(&self.rolling_gap_s),
            _ => None,
        }
    }
}

/// A quantile of all values, and its least and greatest value among the rounds.
fn over_rounds(rounds: &[Vec<f64>], quantile: f64) -> Option<Spread> {
    let of = |values: &[f64]| {
        if quantile == 0.5 {
            return Spread::of(values).map(|s| s.median);
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        // The nearest rank: of less than a hundred values, the greatest is the 99th percentile.
        let rank = (quantile * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied()
    };
    let each: Vec<f64> = rounds.iter().filter_map(|round| of(round)).collect();
    let extent = Spread::of(&each)?;
    Some(Spread { median: of(&rounds.concat())?, ..extent })
}

impl Outcome {
    pub fn scenario(&self, id: &str) -> Option<&ScenarioOutcome> {
        self.scenarios.iter().find(|s| s.id == id)
    }

    /// A figure of one target (0: the reference, 1: ours).
    pub fn figure(&self, scenario: &str, metric: Metric, target: usize) -> Option<Spread> {
        match scenario {
            "fill" => return self.fill.sides.get(target)?.figure(metric),
            LEADER_KILL | ROLLING => return self.ensemble.sides.get(target)?.figure(metric),
            _ => {}
        }
        self.scenario(scenario)?.sides.get(target)?.figure(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_kills_and_their_spread_is_of_the_rounds() {
        let rounds = [vec![1.0, 2.0, 9.0], vec![3.0, 4.0, 5.0]];
        let median = over_rounds(&rounds, 0.5).unwrap();
        assert_eq!((median.median, median.min, median.max), (3.5, 2.0, 4.0));
        let worst = over_rounds(&rounds, 0.99).unwrap();
        assert_eq!((worst.median, worst.min, worst.max, worst.rounds), (9.0, 5.0, 9.0, 2));
        assert_eq!(over_rounds(&[], 0.5), None);
        assert_eq!(over_rounds(&[Vec::new()], 0.99), None);
    }
}
