//! Figures in columns, for a terminal.

use std::fmt::Write;

use crate::result::{PaceFacts, RunResult};

/// A result as text.
pub fn render(r: &RunResult) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", headline(r));
    let _ = writeln!(
        out,
        "\n{:<11}{:>11}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "latency", "per s", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"
    );
    for class in &r.classes {
        let l = &class.latency;
        let _ = write!(out, "{:<11}{:>11}", class.name, count(class.per_second));
        for v in [l.mean_us, l.p50_us, l.p90_us, l.p99_us, l.p999_us, l.p9999_us, l.max_us] {
            let _ = write!(out, "{:>10}", duration(v));
        }
        out.push('\n');
    }
    if let Some(s) = &r.server {
        let cpus = s.cpu_s / r.seconds.max(1e-9);
        let each = r.per_server_cpu_second().map_or("–".into(), count);
        let _ = writeln!(
            out,
            "\nserver   {each} operations per CPU second ({cpus:.2} CPUs: {:.2} s user, {:.2} s system), {} resident",
            s.user_s,
            s.system_s,
            bytes(s.rss_bytes as f64)
        );
        let switches = s.switches_voluntary + s.switches_involuntary;
        let per_op = |n: f64| n / r.operations.max(1) as f64;
        let _ = writeln!(
            out,
            "         {} context switches ({:.3} an operation), {} written by it; device: {} writes, {}, {} flushes",
            count(switches as f64),
            per_op(switches as f64),
            bytes(s.written_bytes as f64),
            count(s.device_writes as f64),
            bytes(s.device_written_bytes as f64),
            count(s.device_flushes as f64)
        );
    }
    let d = &r.driver;
    let _ = writeln!(
        out,
        "driver   {:.2} s CPU in {} thread(s), the busiest {:.0} % on a CPU and up to {:.0} % waiting for one",
        d.cpu_s,
        d.threads,
        d.busiest * 100.0,
        d.waited * 100.0
    );
    if let Some(verdict) = &d.verdict {
        let _ = writeln!(out, "WARNING  {verdict}");
    }
    out
}

fn headline(r: &RunResult) -> String {
    let name = serde_json::to_string(&r.job.workload).unwrap_or_default();
    let pace = match &r.pace {
        PaceFacts::Closed { depth } => format!("{} × {depth}", r.connections),
        PaceFacts::Open { rate, .. } => {
            format!("{} connections, {} offered/s", r.connections, count(*rate))
        }
    };
    format!(
        "{}  {pace}  {} operations in {:.2} s: {}/s",
        name.trim_matches('"'),
        r.operations,
        r.seconds,
        count(r.per_second)
    )
}

/// Three significant figures with a unit.
pub fn duration(us: f64) -> String {
    match us {
        v if v < 0.0005 => "0".into(),
        v if v < 10.0 => format!("{v:.2} µs"),
        v if v < 100.0 => format!("{v:.1} µs"),
        v if v < 1e3 => format!("{v:.0} µs"),
        v if v < 1e4 => format!("{:.2} ms", v / 1e3),
        v if v < 1e5 => format!("{:.1} ms", v / 1e3),
        v if v < 1e6 => format!("{:.0} ms", v / 1e3),
        v => format!("{:.2} s", v / 1e6),
    }
}

pub fn count(n: f64) -> String {
    match n {
        n if n < 100.0 => format!("{n:.1}"),
        n if n < 10_000.0 => format!("{n:.0}"),
        n if n < 1e6 => format!("{:.1} k", n / 1e3),
        n => format!("{:.2} M", n / 1e6),
    }
}

pub fn bytes(n: f64) -> String {
    match n {
        n if n < 1024.0 => format!("{n:.0} B"),
        n if n < 1048576.0 => format!("{:.1} KiB", n / 1024.0),
        n if n < 1073741824.0 => format!("{:.1} MiB", n / 1048576.0),
        n => format!("{:.2} GiB", n / 1073741824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_their_significant_digits() {
        assert_eq!(duration(4.256), "4.26 µs");
        assert_eq!(duration(12_340.0), "12.3 ms");
        assert_eq!(duration(2_500_000.0), "2.50 s");
        assert_eq!(count(1_234_567.0), "1.23 M");
        assert_eq!(count(45_678.0), "45.7 k");
        assert_eq!(bytes(104_857_600.0), "100.0 MiB");
    }
}
