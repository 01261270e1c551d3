//! The same figures as Markdown.

use std::fmt::Write;

use super::html::{names, score};
use super::sections::{QUICK, significant};
use crate::compare::bars::Against;
use crate::compare::outcome::Outcome;
use crate::compare::scenario::{Metric, Spread};
use crate::output::table::{bytes, duration};

pub fn render(outcome: &Outcome) -> String {
    let (reference, ours) = names(outcome);
    let (met, aims, measured) = score(outcome);
    let mut out = format!(
        "# {ours} beside {reference}\n\n{}. {met} of {measured} bars met, {aims} aims reached; {} interleaved rounds.\n\n    {}\n\n",
        outcome.when, outcome.rounds, outcome.command
    );
    if outcome.quick {
        let _ = writeln!(out, "**{QUICK}**\n");
    }
    out.push_str(&bars(outcome));
    out.push_str(&scenarios(outcome, [&reference, &ours]));
    out.push_str(&fill(outcome, [&reference, &ours]));
    out.push_str(&losses(outcome, [&reference, &ours]));
    for (title, facts) in [("Machine", &outcome.machine), ("Method", &outcome.method)] {
        let _ = writeln!(out, "\n## {title}\n");
        for (name, value) in facts {
            let _ = writeln!(out, "* {name}: {value}");
        }
    }
    for facts in &outcome.targets {
        let t = &facts.target;
        let _ = writeln!(out, "\n{}: {} ({})\n", t.name, t.version, t.about);
        for line in facts.config.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    if !outcome.faults.is_empty() {
        out.push_str("\n## Remarks\n\n");
        for fault in &outcome.faults {
            let _ = writeln!(out, "* {fault}");
        }
    }
    out
}

/// The table of bars alone.
pub fn bars(outcome: &Outcome) -> String {
    let (reference, ours) = names(outcome);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "| what | figure | {reference} | {ours} | ratio | bar | aim | |\n|---|---|--:|--:|--:|--:|--:|---|"
    );
    for j in &outcome.bars {
        let metric = j.bar.metric;
        let show = |s: Option<Spread>| s.map_or("–".into(), |s| metric.show(s.median));
        let sign = if metric.lower_is_better() { "≤" } else { "≥" };
        let note = if j.bar.against == Against::Other { "" } else { " (ours)" };
        let _ = writeln!(
            out,
            "| {} | {} | {}{note} | {} | {} | {sign} {} | {} | {} |",
            j.bar.what,
            metric.name(),
            show(j.reference),
            show(j.ours),
            j.ratio.map_or("–".into(), |r| significant(r.median)),
            j.bar.bar,
            j.bar.aim,
            j.verdict.text()
        );
    }
    out
}

fn scenarios(outcome: &Outcome, names: [&String; 2]) -> String {
    use Metric::*;
    let mut out = String::from(
        "\n## Scenarios\n\nMedians of rounds.\n\n| scenario | server | per s | per CPU s | p50 | p99 | p99.9 | max |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for s in &outcome.scenarios {
        for (side, name) in s.sides.iter().zip(names) {
            let _ = write!(out, "| {} | {name} |", s.title);
            for metric in [Throughput, PerCpuSecond, P50, P99, P999, Max] {
                let text = side.figure(metric).map_or("–".into(), |f| metric.show(f.median));
                let _ = write!(out, " {text} |");
            }
            out.push('\n');
        }
    }
    out
}

fn fill(outcome: &Outcome, names: [&String; 2]) -> String {
    if outcome.fill.sides.iter().all(|s| s.resident.is_empty()) {
        return String::new();
    }
    let mut out = format!("\n## Filled with {} znodes of 100 B\n\n", outcome.fill.znodes);
    out.push_str("| server | creates/s | resident | restart to first read | resident then |\n|---|--:|--:|--:|--:|\n");
    for (side, name) in outcome.fill.sides.iter().zip(names) {
        let show = |values: &[f64], show: &dyn Fn(f64) -> String| {
            Spread::of(values).map_or("–".into(), |s| show(s.median))
        };
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {} |",
            show(&side.creates_per_s, &|v| format!("{v:.0}")),
            show(&side.resident, &bytes),
            show(&side.restart_s, &|v| duration(v * 1e6)),
            show(&side.resident_restarted, &bytes)
        );
    }
    out
}

fn losses(outcome: &Outcome, names: [&String; 2]) -> String {
    let ensemble = &outcome.ensemble;
    if ensemble.members == 0 {
        return String::new();
    }
    let mut out = format!("\n## Ensembles of {} that lose members\n\n", ensemble.members);
    let _ = writeln!(
        out,
        "| server | kills | next acknowledged write: least | median | p99 | {} sessions attached: median | most | rolling restart: longest gap, median | most | error replies | sessions forgotten |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        ensemble.sessions
    );
    for (side, name) in ensemble.sides.iter().zip(names) {
        let kills = side.recovery_s.concat();
        let text = |value: Option<f64>| value.map_or("–".into(), |s| duration(s * 1e6));
        let all = Spread::of(&side.reattach_s.concat());
        let gap = side.figure(Metric::RollingGap);
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            kills.len(),
            text(Spread::of(&kills).map(|s| s.min)),
            text(side.figure(Metric::Recovery).map(|s| s.median)),
            text(side.figure(Metric::RecoveryP99).map(|s| s.median)),
            text(all.map(|s| s.median)),
            text(all.map(|s| s.max)),
            text(gap.map(|s| s.median)),
            text(gap.map(|s| s.max)),
            side.errors,
            side.lost_sessions
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sections::tests::sample;

    #[test]
    fn a_quick_run_says_so_before_its_figures() {
        let mut outcome = sample();
        assert!(!render(&outcome).contains(QUICK));
        outcome.quick = true;
        let text = render(&outcome);
        assert!(text.find(QUICK).unwrap() < text.find('|').unwrap());
        assert!(crate::report::html::render(&outcome).contains(QUICK));
    }

    #[test]
    fn every_table_has_rows_of_one_width() {
        let text = render(&sample());
        let mut width = 0;
        for line in text.lines() {
            let columns = line.matches('|').count();
            if columns > 0 && width > 0 {
                assert_eq!(columns, width, "{line}");
            }
            width = columns;
        }
        assert!(text.contains("## Filled with 1000000 znodes"));
        assert!(text.contains("## Ensembles of 3 that lose members"));
    }
}
