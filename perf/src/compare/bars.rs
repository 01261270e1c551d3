//! What must be reached, and whether it was.

use serde::{Deserialize, Serialize};

use super::scenario::{Metric, Spread};

/// One requirement: our figure divided by the reference's.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Bar {
    /// In the words of a person.
    pub what: String,
    /// The scenario our figure comes from.
    pub scenario: String,
    pub metric: Metric,
    pub against: Against,
    /// The ratio that must be reached: at most for figures where less is better, else at least.
    pub bar: f64,
    pub aim: f64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The other server in the same scenario.
    Other,
    /// Ourselves in another scenario.
    Ourselves(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    AimReached,
    Met,
    Missed,
    /// A figure is missing.
    Unknown,
}

/// A bar with what was measured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Judged {
    pub bar: Bar,
    pub reference: Option<Spread>,
    pub ours: Option<Spread>,
    /// Median by median; the extremes pair the worst with the best.
    pub ratio: Option<Spread>,
    pub verdict: Verdict,
}

impl Bar {
    pub fn judge(&self, reference: Option<Spread>, ours: Option<Spread>) -> Judged {
        let ratio = match (reference, ours) {
            (Some(j), Some(o)) if j.median > 0.0 && j.min > 0.0 => Some(Spread {
                median: o.median / j.median,
                min: o.min / j.max,
                max: o.max / j.min,
                rounds: o.rounds.min(j.rounds),
            }),
            _ => None,
        };
        let verdict = ratio.map_or(Verdict::Unknown, |r| self.verdict(r.median));
        Judged { bar: self.clone(), reference, ours, ratio, verdict }
    }

    fn verdict(&self, ratio: f64) -> Verdict {
        let reaches = |limit: f64| {
            if self.metric.lower_is_better() { ratio <= limit } else { ratio >= limit }
        };
        match (reaches(self.bar), reaches(self.aim)) {
            (true, true) => Verdict::AimReached,
            (true, false) => Verdict::Met,
            (false, _) => Verdict::Missed,
        }
    }
}

impl Verdict {
    pub fn text(self) -> &'static str {
        match self {
            Verdict::AimReached => "aim reached",
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Unknown => "not measured",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(metric: Metric, bar: f64, aim: f64) -> Bar {
        let (what, scenario) = (String::new(), String::new());
        Bar { what, scenario, metric, against: Against::Other, bar, aim }
    }

    fn ratio(bar: &Bar, reference: f64, ours: f64) -> Verdict {
        bar.judge(Spread::of(&[reference]), Spread::of(&[ours])).verdict
    }

    #[test]
    fn less_is_better_for_latency_and_more_for_throughput() {
        let latency = bar(Metric::P50, 0.6, 0.4);
        assert_eq!(ratio(&latency, 100.0, 40.0), Verdict::AimReached);
        assert_eq!(ratio(&latency, 100.0, 60.0), Verdict::Met);
        assert_eq!(ratio(&latency, 100.0, 61.0), Verdict::Missed);
        let throughput = bar(Metric::Throughput, 2.5, 4.0);
        assert_eq!(ratio(&throughput, 100.0, 400.0), Verdict::AimReached);
        assert_eq!(ratio(&throughput, 100.0, 250.0), Verdict::Met);
        assert_eq!(ratio(&throughput, 100.0, 249.0), Verdict::Missed);
    }

    #[test]
    fn a_missing_figure_is_neither_met_nor_missed() {
        let b = bar(Metric::P50, 1.0, 1.0);
        assert_eq!(b.judge(None, Spread::of(&[1.0])).verdict, Verdict::Unknown);
        assert_eq!(b.judge(Spread::of(&[0.0]), Spread::of(&[1.0])).verdict, Verdict::Unknown);
    }
}
