//! `mntr`: the list of metrics in ZooKeeper's form.

use std::fmt::Write;

use crate::metrics::catalogue::{self, Basic, Sources, Value};

/// What stands before a name for each percentile of it.
pub const PERCENTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

/// Java prints a double with at least one digit behind the point and `mntr` at most four.
pub fn decimal(value: f64) -> String {
    let mut text = format!("{value:.4}");
    while text.ends_with('0') && !text.ends_with(".0") {
        text.pop();
    }
    text
}

/// One line of `mntr`.
pub fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "zk_{name}\t{value}");
}

fn summary(out: &mut String, name: &str, values: &Basic) {
    line(out, &format!("avg_{name}"), decimal(values.average));
    line(out, &format!("min_{name}"), values.min);
    line(out, &format!("max_{name}"), values.max);
    line(out, &format!("cnt_{name}"), values.count);
    line(out, &format!("sum_{name}"), values.sum);
}

/// Every metric that has a value now.
pub fn write_all(out: &mut String, sources: &Sources<'_>) {
    for metric in catalogue::all() {
        let name = metric.name;
        match metric.read(sources) {
            None => {}
            Some(Value::Text(text)) => line(out, name, text),
            Some(Value::Whole(value)) => line(out, name, value),
            Some(Value::Decimal(value)) => line(out, name, decimal(value)),
            Some(Value::Summary(values)) => summary(out, name, &values),
            Some(Value::Percentiles(values)) => {
                summary(out, name, &Basic::from(&values));
                for (prefix, at) in PERCENTILES {
                    line(out, &format!("{prefix}_{name}"), values.percentile(at));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_printed_as_java_prints_them() {
        for (value, text) in [(0.0, "0.0"), (1.5, "1.5"), (2.0 / 3.0, "0.6667"), (12.0, "12.0")] {
            assert_eq!(decimal(value), text);
        }
    }
}
