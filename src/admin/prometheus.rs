//! The list of metrics in Prometheus' text form 0.0.4 (PrometheusMetricsProvider): names as in `mntr`,
//! without a prefix; summaries with quantiles, and beside those of latencies histograms, which unlike
//! quantiles can be added up over servers.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::machine::ProcessFigures;
use crate::metrics::catalogue::{self, Kind, Metric, Sources, Unit, Value};
use crate::metrics::figure::SummaryValues;

/// The content type that scrapers look for.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whose names, and whose quantiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Names {
    /// 3.9's: counters by their plain names; 0.9 among the quantiles.
    #[default]
    Plain,
    /// 3.10's: counters end in `_total`; 0.95 in its place.
    Total,
}

/// Upper bounds of the histograms' buckets, in milliseconds: latencies are kept in whole ones.
const BUCKETS_MS: [u64; 12] = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];

/// A page of metrics.
pub struct Page<'a> {
    /// Where their values come from.
    pub sources: Sources<'a>,
    /// The form of names.
    pub names: Names,
    /// Those that were asked for by `name[]`; empty: all.
    pub wanted: BTreeSet<String>,
    /// `exportJvmInfo`: with the process's own figures. There is no JVM.
    pub process: Option<ProcessFigures>,
}

impl Page<'_> {
    /// The whole page.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for metric in catalogue::all() {
            if let Some(value) = metric.read(&self.sources) {
                self.metric(&mut out, metric, &value);
            }
        }
        if let Some(process) = &self.process {
            for (name, kind, help, value) in process.list() {
                self.single(&mut out, name, kind, help, value);
            }
        }
        out
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.contains(name)
    }

    fn metric(&self, out: &mut String, metric: &Metric, value: &Value) {
        let (plain, help) = (metric.name, metric.help);
        match value {
            Value::Text(_) => {}
            Value::Whole(value) => match (metric.kind, self.names) {
                (Kind::Counter, Names::Total) => {
                    let name = format!("{plain}_total");
                    self.single(out, &name, "counter", help, *value as f64);
                }
                (Kind::Counter, Names::Plain) => {
                    self.single(out, plain, "counter", help, *value as f64);
                }
                _ => self.single(out, plain, "gauge", help, *value as f64),
            },
            Value::Decimal(value) => self.single(out, plain, "gauge", help, *value),
            Value::Summary(values) => {
                let median = values.median.map_or(f64::NAN, |median| median as f64);
                self.summary(out, metric, &[(0.5, median)], values.count, values.sum);
            }
            Value::Percentiles(values) => {
                let upper = match self.names {
                    Names::Plain => 0.9,
                    Names::Total => 0.95,
                };
                let quantile = |at: f64| match values.count() {
                    0 => f64::NAN,
                    _ => values.percentile(at) as f64,
                };
                let quantiles = [0.5, upper, 0.99].map(|at| (at, quantile(at)));
                self.summary(out, metric, &quantiles, values.count(), values.sum());
                if metric.unit == Unit::Milliseconds {
                    self.histogram(out, metric, values);
                }
            }
        }
    }

    fn single(&self, out: &mut String, name: &str, kind: &str, help: &str, value: f64) {
        if self.is_wanted(name) {
            head(out, name, kind, help);
            let _ = writeln!(out, "{name} {}", Number(value));
        }
    }

    fn summary(
        &self,
        out: &mut String,
        metric: &Metric,
        quantiles: &[(f64, f64)],
        count: i64,
        sum: i64,
    ) {
        let name = metric.name;
        // A client of Java's asks for a summary by the names of its samples.
        let samples = [name.to_owned(), format!("{name}_count"), format!("{name}_sum")];
        if !samples.iter().any(|sample| self.is_wanted(sample)) {
            return;
        }
        head(out, name, "summary", metric.help);
        if self.is_wanted(name) {
            for (quantile, value) in quantiles {
                let _ = writeln!(out, "{name}{{quantile=\"{quantile}\"}} {}", Number(*value));
            }
        }
        for (sample, value) in samples.iter().skip(1).zip([count, sum]) {
            if self.is_wanted(sample) || self.is_wanted(name) {
                let _ = writeln!(out, "{sample} {}", Number(value as f64));
            }
        }
    }

    fn histogram(&self, out: &mut String, metric: &Metric, values: &SummaryValues) {
        let name = format!("ringkeeper_{}_histogram_ms", metric.name.trim_end_matches("_ms"));
        if !self.is_wanted(&name) {
            return;
        }
        head(out, &name, "histogram", metric.help);
        for bound in BUCKETS_MS {
            let count = values.count_upto(bound);
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}.0\"}} {count}");
        }
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {}", values.count());
        let _ = writeln!(out, "{name}_sum {}\n{name}_count {}", values.sum(), values.count());
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// As Java prints a double, where that is not too long: `8.0`.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            value if value.is_nan() => f.write_str("NaN"),
            value if value.fract() == 0.0 => write!(f, "{value:.1}"),
            value => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalogue::Descriptors;
    use crate::metrics::gauges::Gauges;
    use crate::metrics::quorum::Mode;
    use crate::tree::{Tree, TreeOptions};
    use crate::types::Millis;

    fn page(names: Names, wanted: &[&str]) -> String {
        let gauges = Gauges::new(2, Millis(0));
        gauges.cores[0].read_latency.record(3);
        gauges.cores[1].read_latency.record(0);
        gauges.cores[1].response_bytes.add(7);
        let (tree, _writer) = Tree::new(TreeOptions::default());
        let sources = Sources {
            gauges: &gauges,
            tree: &tree,
            version: "3.9.5",
            connections: 1,
            descriptors: Descriptors { open: 3, max: 9 },
            mode: Mode::Standalone,
            now: Millis(5),
        };
        let wanted = wanted.iter().map(|name| (*name).to_owned()).collect();
        Page { sources, names, wanted, process: None }.text()
    }

    #[test]
    fn figures_of_all_cores_are_one() {
        let text = page(Names::Plain, &["readlatency", "response_bytes"]);
        assert_eq!(
            text,
            "# HELP response_bytes Bytes of answers\n# TYPE response_bytes counter\n\
             response_bytes 7.0\n\
             # HELP readlatency Time from a read to its answer\n# TYPE readlatency summary\n\
             readlatency{quantile=\"0.5\"} 0.0\nreadlatency{quantile=\"0.9\"} 3.0\n\
             readlatency{quantile=\"0.99\"} 3.0\nreadlatency_count 2.0\nreadlatency_sum 3.0\n"
        );
    }

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let text = page(Names::Plain, &["ringkeeper_readlatency_histogram_ms"]);
        let value = |le: &str| {
            let start = format!("ringkeeper_readlatency_histogram_ms_bucket{{le=\"{le}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&start)?.parse::<i64>().ok()).unwrap()
        };
        let counts = ["0.0", "1.0", "2.0", "5.0", "5000.0", "+Inf"].map(value);
        assert_eq!(counts, [1, 1, 1, 2, 2, 2]);
        assert!(text.ends_with("_sum 3\nringkeeper_readlatency_histogram_ms_count 2\n"));
    }

    #[test]
    fn names_of_the_next_version_are_a_choice() {
        let text = page(Names::Total, &[]);
        assert!(
            text.contains("\nresponse_bytes_total 7.0\n") && !text.contains("\nresponse_bytes ")
        );
        assert!(text.contains("\nreadlatency{quantile=\"0.95\"} 3.0\n"));
        assert!(text.contains("\nznode_count 5.0\n"), "gauges keep their names");
    }

    #[test]
    fn nothing_measured_is_no_number() {
        let text = page(Names::Plain, &["updatelatency", "fsynctime"]);
        assert!(text.contains("updatelatency{quantile=\"0.99\"} NaN\nupdatelatency_count 0.0\n"));
        assert!(text.contains("fsynctime{quantile=\"0.5\"} NaN\nfsynctime_count 0.0\n"));
    }
}
