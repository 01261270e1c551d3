//! A run's result as data: what JSON, tables and the report are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::engine::run::{DriverCost, Measured};
use crate::engine::{Pace, Plan};
use crate::load::Job;
use crate::record::{ClassResult, Summary, percentile_curve, us};
use crate::target::moments::DeviceMoment;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunResult {
    pub job: Job,
    pub connections: usize,
    pub pace: PaceFacts,
    pub seconds: f64,
    /// Operations finished in the window; a multi counts with all its parts.
    pub operations: u64,
    pub per_second: f64,
    pub classes: Vec<ClassFigures>,
    pub driver: DriverCost,
    /// What the run cost the server, where it is on this machine.
    pub server: Option<Cost>,
    /// Seconds from the start of the window, by what happened then (`snapshot`, `log`, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moments: BTreeMap<String, Vec<Span>>,
    /// The log's device over time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device: Vec<DeviceMoment>,
}

/// Something that lasted, in seconds of the window.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Span {
    pub from: f64,
    pub to: f64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "loop")]
pub enum PaceFacts {
    Closed { depth: usize },
    Open { rate: f64, arrival: crate::schedule::Arrival },
}

impl From<Pace> for PaceFacts {
    fn from(pace: Pace) -> PaceFacts {
        match pace {
            Pace::Closed { depth } => PaceFacts::Closed { depth },
            Pace::Open { rate, arrival } => PaceFacts::Open { rate, arrival },
        }
    }
}

/// One class of operations.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ClassFigures {
    pub name: String,
    pub per_second: f64,
    pub latency: Summary,
    /// Points (1/(1−percentile), µs).
    pub curve: Vec<(f64, f64)>,
    pub timeline: Vec<Moment>,
}

/// One interval of the run.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds from the start of the window.
    pub at: f64,
    pub count: u64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

impl RunResult {
    pub fn new(job: &Job, plan: &Plan, measured: &Measured, server: Option<Cost>) -> RunResult {
        let figures = |c: &ClassResult| ClassFigures {
            name: c.name.to_owned(),
            per_second: c.total.len() as f64 * f64::from(c.units) / measured.seconds.max(1e-9),
            latency: Summary::of(&c.total),
            curve: percentile_curve(&c.total),
            timeline: timeline(c, measured.interval_s),
        };
        let used = measured.classes.iter().filter(|c| !c.total.is_empty());
        RunResult {
            job: job.clone(),
            connections: plan.connections,
            pace: plan.pace.into(),
            seconds: measured.seconds,
            operations: measured.units(),
            per_second: measured.per_second(),
            classes: used.map(figures).collect(),
            driver: measured.driver.clone(),
            server,
            moments: BTreeMap::new(),
            device: Vec::new(),
        }
    }

    pub fn class(&self, name: &str) -> Option<&ClassFigures> {
        self.classes.iter().find(|c| c.name == name)
    }

    /// Operations for each second of server CPU.
    pub fn per_server_cpu_second(&self) -> Option<f64> {
        let cpu = self.server.as_ref()?.cpu_s;
        (cpu > 0.0).then(|| self.operations as f64 / cpu)
    }
}

fn timeline(class: &ClassResult, interval_s: f64) -> Vec<Moment> {
    let moment = |(n, h): (usize, &hdrhistogram::Histogram<u32>)| Moment {
        at: n as f64 * interval_s,
        count: h.len(),
        p50_us: us(h.value_at_quantile(0.5)),
        p99_us: us(h.value_at_quantile(0.99)),
        max_us: us(h.max()),
    };
    class.intervals.iter().enumerate().map(moment).collect()
}
