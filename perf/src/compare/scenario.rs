//! What is run, and the figures taken from a run.

use serde::{Deserialize, Serialize};

use crate::engine::{Pace, Plan, Until};
use crate::load::Job;
use crate::result::RunResult;

/// Which servers, in which state, a scenario finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Started and warmed up once, a small tree, no snapshots.
    Steady,
    /// A point of the throughput–latency curve; as `Steady`, fewer rounds.
    Sweep,
    /// A large tree, no snapshots.
    LargeTree,
    /// The large tree, snapshots being written.
    Snapshots,
    /// An ensemble started and warmed up in every round, a small tree, no snapshots.
    Ensemble,
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub id: String,
    pub title: String,
    pub stage: Stage,
    pub job: Job,
    pub connections: usize,
    pub pace: Pace,
    /// Seconds.
    pub warmup: f64,
    pub window: f64,
    /// The class whose latencies are shown.
    pub class: &'static str,
}

impl Scenario {
    /// The plan against one server.
    pub fn plan(&self, base: &Plan) -> Plan {
        let ns = |seconds: f64| (seconds * 1e9) as u64;
        Plan {
            connections: self.connections,
            pace: self.pace,
            until: Until::Time { warmup: ns(self.warmup), window: ns(self.window) },
            ..base.clone()
        }
    }
}

/// A figure of one run or of one start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    P50,
    P99,
    P999,
    Max,
    Throughput,
    PerCpuSecond,
    /// Of the large tree.
    FillThroughput,
    Resident,
    Restart,
    /// Of an ensemble, after its leader's end: the median and the 99th percentile of all.
    Recovery,
    RecoveryP99,
    Reattach,
    RollingGap,
}

impl Metric {
    pub fn lower_is_better(self) -> bool {
        use Metric::*;
        match self {
            P50 | P99 | P999 | Max | Resident | Restart => true,
            Recovery | RecoveryP99 | Reattach | RollingGap => true,
            Throughput | PerCpuSecond | FillThroughput => false,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Metric::P50 => "median latency",
            Metric::P99 => "p99 latency",
            Metric::P999 => "p99.9 latency",
            Metric::Max => "longest latency",
            Metric::Throughput => "operations/s",
            Metric::PerCpuSecond => "per server-CPU-second",
            Metric::FillThroughput => "creates/s",
            Metric::Resident => "resident memory",
            Metric::Restart => "restart to first read",
            Metric::Recovery => "next acknowledged write, median",
            Metric::RecoveryP99 => "next acknowledged write, p99",
            Metric::Reattach => "all sessions attached, median",
            Metric::RollingGap => "longest gap",
        }
    }

    /// Its value in a run, for those a run has: latencies in µs.
    pub fn of(self, run: &RunResult, class: &str) -> Option<f64> {
        let latency = || run.class(class).map(|c| c.latency);
        match self {
            Metric::P50 => latency().map(|l| l.p50_us),
            Metric::P99 => latency().map(|l| l.p99_us),
            Metric::P999 => latency().map(|l| l.p999_us),
            Metric::Max => latency().map(|l| l.max_us),
            Metric::Throughput => Some(run.per_second),
            Metric::PerCpuSecond => run.per_server_cpu_second(),
            _ => None,
        }
    }

    /// A value with its unit.
    pub fn show(self, value: f64) -> String {
        use crate::output::table::{bytes, count, duration};
        match self {
            Metric::P50 | Metric::P99 | Metric::P999 | Metric::Max => duration(value),
            Metric::Throughput | Metric::FillThroughput => format!("{}/s", count(value)),
            Metric::PerCpuSecond => count(value),
            Metric::Resident => bytes(value),
            Metric::Restart
            | Metric::Recovery
            | Metric::RecoveryP99
            | Metric::Reattach
            | Metric::RollingGap => duration(value * 1e6),
        }
    }
}

/// Middle and extent of several rounds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub rounds: usize,
}

impl Spread {
    /// `None` without a value.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let n = sorted.len();
        let median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        Some(Spread { median, min, max, rounds: n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_the_sorted_values() {
        assert_eq!(Spread::of(&[]), None);
        let odd = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max, odd.rounds), (2.0, 1.0, 3.0, 3));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    }
}
