//! The parts of a page made from a comparison that nobody measured.

use super::*;
use crate::compare::outcome::{EnsembleOutcome, FillOutcome, FillSide, Side, TargetFacts};
use crate::compare::suite::{Size, bars as suite_bars, ensemble_bars, standalone};
use crate::target::Target;
use std::path::Path;

/// A server that is so many times as good as another.
fn side(better: f64) -> Side {
    use Metric::*;
    let value = |m: Metric| if m.lower_is_better() { 400.0 / better } else { 1e4 * better };
    let spread = |m| {
        let (median, min, max) = (value(m), value(m) * 0.9, value(m) * 1.1);
        (m, Spread { median, min, max, rounds: 5 })
    };
    Side {
        figures: [P50, P99, P999, Max, Throughput, PerCpuSecond].map(spread).to_vec(),
        curve: (1..40).map(|n| (1.3_f64.powi(n), 100.0 / better * f64::from(n))).collect(),
        ..Side::default()
    }
}

/// A comparison in which ours is four times as good at everything.
pub fn sample() -> Outcome {
    let scenarios = standalone(Size::QUICK).into_iter().map(|s| ScenarioOutcome {
        id: s.id,
        title: s.title,
        stage: s.stage,
        class: s.class.into(),
        connections: s.connections,
        pace: s.pace.into(),
        sides: vec![side(1.0), side(4.0)],
    });
    let fill = |x: f64| FillSide {
        creates_per_s: vec![1e4 / x],
        resident: vec![1e9 * x],
        resident_restarted: vec![1e9 * x],
        restart_s: vec![5.0 * x],
        ..FillSide::default()
    };
    let lossy = |x: f64| EnsembleSide {
        recovery_s: vec![vec![0.8 * x, x], vec![0.9 * x]],
        reattach_s: vec![vec![2.0 * x], vec![3.0 * x]],
        rolling_gap_s: vec![x, 2.0 * x],
        rolling_writes: 1_000,
        ..EnsembleSide::default()
    };
    let mut outcome = Outcome {
        when: "2026-01-01 00:00 UTC".into(),
        command: "ringkeeper-perf compare".into(),
        rounds: 5,
        quick: false,
        targets: ["A", "B"]
            .map(|name| TargetFacts {
                target: Target::ringkeeper(name, Path::new("/none")),
                config: "tickTime=2000\n".into(),
            })
            .to_vec(),
        machine: vec![("CPU".into(), "2 × Test".into())],
        method: Vec::new(),
        bars: Vec::new(),
        scenarios: scenarios.collect(),
        fill: FillOutcome { znodes: 1_000_000, sides: vec![fill(1.0), fill(0.25)] },
        ensemble: EnsembleOutcome {
            members: 3,
            sessions: 10,
            sides: [1.0, 0.25].map(lossy).to_vec(),
        },
        faults: vec!["one thing".into()],
    };
    let all = [suite_bars(Size::QUICK), ensemble_bars()].concat();
    outcome.bars = all
        .iter()
        .map(|b| {
            let figure = |at| outcome.figure(&b.scenario, b.metric, at);
            b.judge(figure(0), figure(1))
        })
        .collect();
    outcome
}

#[test]
fn four_times_better_meets_the_bars_of_four_and_not_those_of_ten() {
    let outcome = sample();
    for judged in &outcome.bars {
        let wanted =
            if judged.bar.metric.lower_is_better() { 1.0 / judged.bar.bar } else { judged.bar.bar };
        assert_eq!(judged.verdict == Verdict::Missed, wanted > 4.0, "{}", judged.bar.what);
    }
}

#[test]
fn percentiles_show_as_many_nines_as_they_mean() {
    assert_eq!(show_percentile(2.0), "50 %");
    assert_eq!(show_percentile(100.0), "99.0 %");
    assert_eq!(show_percentile(1e4), "99.990 %");
}
