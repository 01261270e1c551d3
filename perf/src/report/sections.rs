//! The page's parts.

use std::fmt::Write;

use super::chart::{Axis, Band, Chart, Scale, Series};
use super::gauge;
use super::html::{escape, names, score};
use crate::compare::bars::{Against, Judged, Verdict};
use crate::compare::ensembles::{LEADER_KILL, ROLLING};
use crate::compare::outcome::{EnsembleSide, Outcome, ScenarioOutcome};
use crate::compare::scenario::{Metric, Spread, Stage};
use crate::output::table::{bytes, count, duration};
use crate::result::{PaceFacts, RunResult};

/// CSS classes of the two servers' marks.
const SIDES: [&str; 2] = ["reference", "ours"];

/// What a reader of a quick comparison has to know first.
pub const QUICK: &str = "Quick run: everything once and small. It shows that the scenarios work; its \
                         figures are no measurement.";

pub fn headline(outcome: &Outcome, title: &str) -> String {
    let (met, aims, measured) = score(outcome);
    let machine: Vec<String> = outcome
        .machine
        .iter()
        .filter(|(name, _)| ["CPU", "Kernel", "Memory"].contains(&name.as_str()))
        .map(|(_, value)| escape(value))
        .collect();
    let versions: Vec<String> = outcome
        .targets
        .iter()
        .zip(SIDES)
        .map(|(t, side)| format!("<span class=\"key {side}\"></span>{}", escape(&version(t))))
        .collect();
    let quick = match outcome.quick {
        true => format!("<p class=\"when\">{QUICK}</p>"),
        false => String::new(),
    };
    format!(
        "<header><p class=\"when\">{}</p><h1>{title}</h1>{quick}\
         <p class=\"versions\">{}</p><p class=\"machine\">{}</p>\
         <div class=\"score\"><div><b>{met}</b> of {measured} bars met</div>\
         <div><b>{aims}</b> aims reached</div><div><b>{}</b> interleaved rounds</div></div></header>\n",
        escape(&outcome.when),
        versions.join(" "),
        machine.join(" · "),
        outcome.rounds
    )
}

fn version(facts: &crate::compare::outcome::TargetFacts) -> String {
    let target = &facts.target;
    if target.version.is_empty() { target.name.clone() } else { target.version.clone() }
}

pub fn faults(outcome: &Outcome) -> String {
    let mut lines: Vec<String> = outcome.faults.iter().map(|f| escape(f)).collect();
    for scenario in &outcome.scenarios {
        for side in &scenario.sides {
            let mut verdicts = side.rounds.iter().filter_map(|r| r.driver.verdict.as_ref());
            if let Some(verdict) = verdicts.next_back() {
                lines.push(format!("{}: {}", escape(&scenario.title), escape(verdict)));
            }
        }
    }
    lines.dedup();
    if lines.is_empty() {
        return String::new();
    }
    let open = if outcome.faults.is_empty() { "" } else { " open" };
    let items: String = lines.iter().map(|l| format!("<li>{l}</li>")).collect();
    let n = lines.len();
    format!(
        "<details class=\"faults\"{open}><summary>{n} remark(s) on single runs</summary><ul>{items}</ul></details>\n"
    )
}

pub fn bars(outcome: &Outcome) -> String {
    let (reference, ours) = names(outcome);
    let mut out = format!(
        "<section><h2>Bars</h2><p class=\"note\">Medians of interleaved rounds. The gauge shows \
         how many times better {o} is, with the spread over rounds; the first mark is the bar, the \
         second the aim.</p><div class=\"scroll\"><table class=\"bars\"><thead><tr><th>What</th>\
         <th>Figure</th><th class=\"n\">{r}</th><th class=\"n\">{o}</th><th class=\"n\">Ratio</th>\
         <th class=\"n\">Bar · aim</th><th>{scale}</th><th></th></tr></thead><tbody>",
        r = escape(&reference),
        o = escape(&ours),
        scale = gauge::scale()
    );
    for judged in &outcome.bars {
        out.push_str(&bar_row(judged));
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

fn bar_row(judged: &Judged) -> String {
    let metric = judged.bar.metric;
    let show = |spread: Option<Spread>| {
        spread.map_or("–".to_owned(), |s| {
            let extent = format!("{} … {}", metric.show(s.min), metric.show(s.max));
            format!("<span title=\"{}\">{}</span>", escape(&extent), escape(&metric.show(s.median)))
        })
    };
    let class = match judged.verdict {
        Verdict::AimReached => "best",
        Verdict::Met => "good",
        Verdict::Missed => "bad",
        Verdict::Unknown => "none",
    };
    let sign = if metric.lower_is_better() { "≤" } else { "≥" };
    let reference = match &judged.bar.against {
        Against::Other => show(judged.reference),
        Against::Ourselves(_) => format!("{}<small> ours</small>", show(judged.reference)),
    };
    format!(
        "<tr class=\"{class}\"><td><a href=\"#{}\">{}</a></td><td>{}</td><td class=\"n\">{reference}</td>\
         <td class=\"n\">{}</td><td class=\"n ratio\">{}</td><td class=\"n dim\">{sign} {} · {}</td>\
         <td>{}</td><td><span class=\"verdict\">{}</span></td></tr>",
        escape(&judged.bar.scenario),
        escape(&judged.bar.what),
        metric.name(),
        show(judged.ours),
        judged.ratio.map_or("–".into(), |r| format!("{}×", significant(r.median))),
        judged.bar.bar,
        judged.bar.aim,
        gauge::svg(judged),
        judged.verdict.text()
    )
}

/// Three figures at most.
pub fn significant(ratio: f64) -> String {
    match ratio {
        r if r < 0.1 => format!("{r:.3}"),
        r if r < 10.0 => format!("{r:.2}"),
        r => format!("{r:.1}"),
    }
}

/// Throughput against latency, connection count by connection count.
pub fn sweeps(outcome: &Outcome) -> String {
    let mut cards = String::new();
    for (what, title) in [("sweep-read-", "Reads"), ("sweep-write-", "Writes")] {
        let points: Vec<&ScenarioOutcome> =
            outcome.scenarios.iter().filter(|s| s.id.starts_with(what)).collect();
        let mut series = Vec::new();
        for (at, class) in SIDES.into_iter().enumerate() {
            for (metric, style) in [(Metric::P50, ""), (Metric::P99, "dashed")] {
                let figures = points.iter().filter_map(|s| {
                    let side = s.sides.get(at)?;
                    let x = side.figure(Metric::Throughput)?.median;
                    Some((x, side.figure(metric)?.median, s.connections))
                });
                let figures: Vec<(f64, f64, usize)> = figures.collect();
                let name = format!("{} {}", name_of(outcome, at), metric.name());
                series.push(Series {
                    name,
                    class: format!("{class} {style}"),
                    points: figures.iter().map(|f| (f.0, f.1)).collect(),
                    labels: match metric {
                        Metric::P50 => figures.iter().map(|f| f.2.to_string()).collect(),
                        _ => Vec::new(),
                    },
                    dots: true,
                });
            }
        }
        let chart = Chart {
            width: 620.0,
            height: 340.0,
            title: format!("{title}: latency against throughput"),
            x: Axis::new("operations/s", Scale::Log, count),
            y: Axis::new("latency", Scale::Log, duration),
            series,
            bands: Vec::new(),
        };
        let anchors: String =
            points.iter().map(|s| format!("<a id=\"{}\"></a>", escape(&s.id))).collect();
        cards += &card(&format!("{title}, 1 … 1,000 connections"), &anchors, &chart.svg());
    }
    section(
        "Throughput and latency",
        "Closed loop, one request outstanding on each connection; the points are connection counts. \
         Solid: median; dashed: p99. Right and down is better.",
        outcome,
        &cards,
    )
}

fn name_of(outcome: &Outcome, at: usize) -> String {
    let (reference, ours) = names(outcome);
    if at == 0 { reference } else { ours }
}

fn card(title: &str, head: &str, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    format!("<article class=\"card\"><h3>{}</h3>{head}{body}</article>", escape(title))
}

fn section(title: &str, note: &str, outcome: &Outcome, cards: &str) -> String {
    if cards.is_empty() {
        return String::new();
    }
    let (reference, ours) = names(outcome);
    format!(
        "<section><h2>{title}</h2><p class=\"note\">{note}</p><p class=\"legend\">\
         <span class=\"key reference\"></span>{} <span class=\"key ours\"></span>{}</p>\
         <div class=\"cards\">{cards}</div></section>\n",
        escape(&reference),
        escape(&ours)
    )
}

/// Offered rates: latency over time above the percentiles.
pub fn open_loops(outcome: &Outcome) -> String {
    let mut cards = String::new();
    for s in outcome.scenarios.iter().filter(|s| matches!(s.pace, PaceFacts::Open { .. })) {
        let body = [
            figures_table(outcome, s),
            timeline(outcome, s),
            flushes(outcome, s),
            percentiles(outcome, s, 1260.0),
        ];
        cards += &format!(
            "<article class=\"card wide\" id=\"{}\"><h3>{}</h3>{}</article>",
            escape(&s.id),
            escape(&s.title),
            body.concat()
        );
    }
    section(
        "Offered load over time",
        "Open loop: requests leave when the schedule says, and latency counts from then. The round \
         with the middle p99 is shown; solid: the longest in each tenth of a second, dashed: the \
         median. Shaded: a snapshot being written; thin lines: a new log file.",
        outcome,
        &cards,
    )
}

fn timeline(outcome: &Outcome, s: &ScenarioOutcome) -> String {
    let mut series = Vec::new();
    let mut bands = Vec::new();
    for (at, class) in SIDES.into_iter().enumerate() {
        let Some(run) = s.sides.get(at).and_then(|side| side.shown.as_deref()) else { continue };
        let Some(figures) = run.class(&s.class) else { continue };
        let name = name_of(outcome, at);
        let points = |f: fn(&crate::result::Moment) -> f64| {
            figures.timeline.iter().map(|m| (m.at, f(m))).collect()
        };
        for (what, style, points) in [
            ("longest", "thin", points(|m| m.max_us)),
            ("median", "thin dashed", points(|m| m.p50_us)),
        ] {
            series.push(Series {
                name: format!("{name} {what}"),
                class: format!("{class} {style}"),
                points,
                labels: Vec::new(),
                dots: false,
            });
        }
        bands.extend(spans(run, &name, class));
    }
    let chart = Chart {
        width: 1260.0,
        height: 300.0,
        title: format!("{}: latency over time", s.title),
        x: Axis::new("seconds", Scale::Linear, |v| format!("{v:.1} s")),
        y: Axis::new("latency", Scale::Log, duration),
        series,
        bands,
    };
    chart.svg()
}

fn spans(run: &RunResult, name: &str, class: &str) -> Vec<Band> {
    let mut bands = Vec::new();
    for (what, spans) in &run.moments {
        for span in spans.iter().filter(|s| s.to >= 0.0 && s.from <= run.seconds) {
            let kind = if what == "snapshot" { "snapshot" } else { "moment" };
            let title = format!("{name}: {what}, {:.2} s … {:.2} s", span.from, span.to);
            let (from, to) = (span.from.max(0.0), span.to.min(run.seconds));
            bands.push(Band { class: format!("{class} {kind}"), from, to, title });
        }
    }
    bands
}

/// The log device's flushes over time, where they are counted.
fn flushes(outcome: &Outcome, s: &ScenarioOutcome) -> String {
    let mut series = Vec::new();
    for (at, class) in SIDES.into_iter().enumerate() {
        let Some(run) = s.sides.get(at).and_then(|side| side.shown.as_deref()) else { continue };
        let points: Vec<(f64, f64)> = run
            .device
            .iter()
            .filter(|d| d.at <= run.seconds)
            .map(|d| (d.at, d.flushes_per_s))
            .collect();
        if points.iter().any(|p| p.1 > 0.0) {
            series.push(Series {
                name: format!("{} flushes/s", name_of(outcome, at)),
                class: format!("{class} thin"),
                points,
                labels: Vec::new(),
                dots: false,
            });
        }
    }
    let mut y = Axis::new("device flushes/s", Scale::Linear, count);
    y.include.push(0.0);
    let chart = Chart {
        width: 1260.0,
        height: 150.0,
        title: format!("{}: flushes of the log device", s.title),
        x: Axis::new("seconds", Scale::Linear, |v| format!("{v:.1} s")),
        y,
        series,
        bands: Vec::new(),
    };
    chart.svg()
}

pub fn closed_loops(outcome: &Outcome) -> String {
    let mut cards = String::new();
    let closed = |s: &&ScenarioOutcome| {
        matches!(s.pace, PaceFacts::Closed { .. }) && s.stage != Stage::Sweep
    };
    for s in outcome.scenarios.iter().filter(closed) {
        let body = [figures_table(outcome, s), percentiles(outcome, s, 620.0)].concat();
        cards += &format!(
            "<article class=\"card\" id=\"{}\"><h3>{}</h3>{body}</article>",
            escape(&s.id),
            escape(&s.title)
        );
    }
    section(
        "Scenario by scenario",
        "Latency by percentile over all rounds, both axes logarithmic; figures are medians of rounds.",
        outcome,
        &cards,
    )
}

fn percentiles(outcome: &Outcome, s: &ScenarioOutcome, width: f64) -> String {
    let mut series = Vec::new();
    for (at, class) in SIDES.into_iter().enumerate() {
        let Some(side) = s.sides.get(at) else { continue };
        series.push(Series {
            name: name_of(outcome, at),
            class: class.to_owned(),
            points: side.curve.clone(),
            labels: Vec::new(),
            dots: side.curve.len() < 4,
        });
    }
    let mut x = Axis::new("percentile", Scale::Log, show_percentile);
    let nines = [(1.0, "0 %"), (2.0, "50 %"), (10.0, "90 %"), (1e2, "99 %"), (1e3, "99.9 %")];
    let more = [(1e4, "99.99 %"), (1e5, "99.999 %"), (1e6, "99.9999 %")];
    let all = nines.into_iter().chain(more);
    x.ticks = Some(all.map(|(v, text)| (v, text.to_owned())).collect());
    let chart = Chart {
        width,
        height: 260.0,
        title: format!("{}: latency by percentile", s.title),
        x,
        y: Axis::new(
            if s.class == "last-told" { "time to the last" } else { "latency" },
            Scale::Log,
            duration,
        ),
        series,
        bands: Vec::new(),
    };
    chart.svg()
}

fn show_percentile(inverse: f64) -> String {
    let percent = 100.0 - 100.0 / inverse.max(1.0);
    let digits = (inverse.max(10.0).log10().ceil() as usize).saturating_sub(1).min(5);
    format!("{percent:.digits$} %")
}

fn figures_table(outcome: &Outcome, s: &ScenarioOutcome) -> String {
    use Metric::*;
    let mut head = String::new();
    let mut rows = [String::new(), String::new(), String::new()];
    for metric in [Throughput, PerCpuSecond, P50, P99, P999, Max] {
        let figures: Vec<Option<Spread>> =
            (0..2).map(|at| s.sides.get(at).and_then(|side| side.figure(metric))).collect();
        if figures.iter().all(Option::is_none) {
            continue;
        }
        let short = match metric {
            PerCpuSecond => "per CPU s",
            Throughput => "per s",
            P50 => "p50",
            P99 => "p99",
            P999 => "p99.9",
            _ => "max",
        };
        let _ = write!(head, "<th class=\"n\">{short}</th>");
        for (row, figure) in rows.iter_mut().zip(&figures) {
            let text = figure.map_or("–".into(), |f| match metric {
                Throughput | PerCpuSecond => count(f.median),
                _ => duration(f.median),
            });
            let _ = write!(row, "<td class=\"n\">{text}</td>");
        }
        let ratio = match (figures[0], figures[1]) {
            (Some(j), Some(o)) if j.median > 0.0 => {
                format!("{}×", significant(o.median / j.median))
            }
            _ => "–".into(),
        };
        let _ = write!(rows[2], "<td class=\"n\">{ratio}</td>");
    }
    let (reference, ours) = names(outcome);
    format!(
        "<table class=\"figures\"><thead><tr><th></th>{head}</tr></thead><tbody>\
         <tr><td><span class=\"key reference\"></span>{}</td>{}</tr>\
         <tr><td><span class=\"key ours\"></span>{}</td>{}</tr>\
         <tr class=\"dim\"><td>ratio</td>{}</tr></tbody></table>",
        escape(&reference),
        rows[0],
        escape(&ours),
        rows[1],
        rows[2]
    )
}

pub fn fill(outcome: &Outcome) -> String {
    let fill = &outcome.fill;
    if fill.sides.iter().all(|s| s.resident.is_empty()) {
        return String::new();
    }
    let resident_restarted = |at: usize| Spread::of(&fill.sides.get(at)?.resident_restarted);
    let side = |at: usize, metric| fill.sides.get(at).and_then(|s| s.figure(metric));
    let seconds = |v: f64| duration(v * 1e6);
    let rows: [Pair; 4] = [
        (
            "filling",
            [0, 1].map(|at| side(at, Metric::FillThroughput)),
            |v| format!("{}/s", count(v)),
            false,
        ),
        ("resident after the fill", [0, 1].map(|at| side(at, Metric::Resident)), bytes, true),
        ("restart to first read", [0, 1].map(|at| side(at, Metric::Restart)), seconds, true),
        ("resident after the restart", [0, 1].map(resident_restarted), bytes, true),
    ];
    let mut body = String::new();
    for row in rows {
        body += &pair(outcome, row);
    }
    let title = format!("{} znodes of 100 B", count(fill.znodes as f64));
    let cards = format!(
        "<article class=\"card wide\" id=\"fill\"><h3>{}</h3><div class=\"pairs\">{body}</div></article>",
        escape(&title)
    );
    section(
        "Memory and restart",
        "A fresh server filled, left alone, killed and started again.",
        outcome,
        &cards,
    )
}

/// Leaders killed and members restarted.
pub fn losses(outcome: &Outcome) -> String {
    let ensemble = &outcome.ensemble;
    let figure = |at: usize, metric| ensemble.sides.get(at).and_then(|s| s.figure(metric));
    let seconds = |v: f64| duration(v * 1e6);
    let mut cards = String::new();
    let title = format!("The leader of {} killed", ensemble.members);
    let mut body = String::new();
    for (what, metric) in [
        ("next acknowledged write, median", Metric::Recovery),
        ("next acknowledged write, p99", Metric::RecoveryP99),
        ("all sessions attached again", Metric::Reattach),
    ] {
        let figures = [0, 1].map(|at| figure(at, metric));
        if figures.iter().any(Option::is_some) {
            body += &pair(outcome, (what, figures, seconds, true));
        }
    }
    if !body.is_empty() {
        let charts = [
            kills(outcome, "until the next acknowledged write", |s| &s.recovery_s),
            kills(outcome, "until all sessions are attached", |s| &s.reattach_s),
        ];
        cards += &format!(
            "<article class=\"card wide\" id=\"{LEADER_KILL}\"><h3>{}</h3><div class=\"pairs\">{body}</div>{}</article>",
            escape(&title),
            charts.concat()
        );
    }
    let gaps = [0, 1].map(|at| figure(at, Metric::RollingGap));
    if gaps.iter().any(Option::is_some) {
        cards += &format!(
            "<article class=\"card wide\" id=\"{ROLLING}\"><h3>Every member restarted under load</h3>\
             <div class=\"pairs\">{}</div>{}</article>",
            pair(outcome, ("longest time without an acknowledged write", gaps, seconds, true)),
            met(outcome)
        );
    }
    section(
        "Members lost",
        "Clients have all addresses and keep their sessions. The points are single kills, in the order \
         in which they were made.",
        outcome,
        &cards,
    )
}

/// Kill by kill.
fn kills(outcome: &Outcome, what: &'static str, of: fn(&EnsembleSide) -> &Vec<Vec<f64>>) -> String {
    let mut series = Vec::new();
    for (side, (at, class)) in outcome.ensemble.sides.iter().zip(SIDES.into_iter().enumerate()) {
        let all = of(side).concat();
        let point = |(n, s): (usize, &f64)| ((n + 1) as f64, s * 1e6);
        series.push(Series {
            name: name_of(outcome, at),
            class: format!("{class} thin"),
            points: all.iter().enumerate().map(point).collect(),
            labels: Vec::new(),
            dots: true,
        });
    }
    if series.iter().all(|s| s.points.len() < 2) {
        return String::new();
    }
    let chart = Chart {
        width: 1260.0,
        height: 220.0,
        title: format!("Time {what}"),
        x: Axis::new("kill", Scale::Linear, |v| format!("{v:.0}")),
        y: Axis::new(what, Scale::Log, duration),
        series,
        bands: Vec::new(),
    };
    chart.svg()
}

/// What clients met with, in all of it.
fn met(outcome: &Outcome) -> String {
    let mut rows = String::new();
    for (side, (at, class)) in outcome.ensemble.sides.iter().zip(SIDES.into_iter().enumerate()) {
        let _ = write!(
            rows,
            "<tr><td><span class=\"key {class}\"></span>{}</td>",
            escape(&name_of(outcome, at))
        );
        for number in [side.rolling_writes, side.reconnects, side.errors, side.lost_sessions] {
            let _ = write!(rows, "<td class=\"n\">{number}</td>");
        }
        rows.push_str("</tr>");
    }
    format!(
        "<table class=\"figures\"><thead><tr><th></th><th class=\"n\">writes acknowledged meanwhile</th>\
         <th class=\"n\">connections followed by another, kills included</th>\
         <th class=\"n\">error replies</th><th class=\"n\">sessions forgotten</th></tr></thead>\
         <tbody>{rows}</tbody></table>"
    )
}

/// What is compared, of both servers, how it is shown, whether less is better.
type Pair = (&'static str, [Option<Spread>; 2], fn(f64) -> String, bool);

/// Two bars, each as long as its value.
fn pair(outcome: &Outcome, (what, figures, show, lower): Pair) -> String {
    let most = figures.iter().flatten().map(|s| s.median).fold(0.0, f64::max);
    let better = if lower { "less is better" } else { "more is better" };
    let mut out = format!("<div class=\"pair\"><h4>{what} <small>{better}</small></h4>");
    for (at, figure) in figures.iter().enumerate() {
        let Some(figure) = figure else { continue };
        let width = if most > 0.0 { figure.median / most * 100.0 } else { 0.0 };
        let _ = write!(
            out,
            "<div class=\"row\"><span class=\"who\">{}</span><span class=\"length\">\
             <i class=\"{}\" style=\"width:{width:.1}%\"></i></span><b>{}</b></div>",
            escape(&name_of(outcome, at)),
            SIDES[at],
            escape(&show(figure.median))
        );
    }
    out.push_str("</div>");
    out
}

pub fn facts(outcome: &Outcome) -> String {
    let list = |facts: &[(String, String)]| -> String {
        let row = |(name, value): &(String, String)| {
            format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value))
        };
        facts.iter().map(row).collect()
    };
    let mut targets = String::new();
    for facts in &outcome.targets {
        let t = &facts.target;
        let command = format!("{} {}", t.program.display(), t.arguments.join(" "));
        let _ = write!(
            targets,
            "<h4>{}</h4><p class=\"note\">{} {}</p><pre>{} zoo.cfg\n\n{}</pre>",
            escape(&t.name),
            escape(&t.version),
            escape(&t.about),
            escape(command.trim()),
            escape(&facts.config)
        );
    }
    format!(
        "<section><h2>How this was measured</h2><div class=\"facts\"><div><h3>Machine</h3><dl>{}</dl></div>\
         <div><h3>Method</h3><dl>{}</dl></div></div><h3>Servers</h3>{targets}<h3>Command</h3><pre>{}</pre>\
         <p class=\"note\">Made by ringkeeper-perf {}.</p></section>\n",
        list(&outcome.machine),
        list(&outcome.method),
        escape(&outcome.command),
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
pub mod tests;
