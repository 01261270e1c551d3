//! `ringkeeper-perf compare` and `ringkeeper-perf report`.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use super::progress::Display;
use super::run::default_threads;
use crate::compare::ensembles::{EnsembleSettings, LEADER_KILL, ROLLING};
use crate::compare::session::{Narrator, Session, Settings};
use crate::compare::suite::{self, Size};
use crate::engine::run::Observer;
use crate::fault::Fault;
use crate::report;
use crate::target::Target;
use crate::target::java::{self, JavaOptions};

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Suite {
    /// One server without an ensemble: every bar of the load-harness issue.
    Standalone,
}

/// What a JVM is given unless --jvm-options says otherwise: alone, as by zkServer.sh; in an
/// ensemble on one machine, a third of the memory each.
const JVM_ALONE: &str = "-Xmx1000m";
const JVM_MEMBER: &str = "-Xmx384m";

#[derive(Args)]
pub(super) struct CompareArguments {
    #[arg(long, value_enum, default_value = "standalone")]
    suite: Suite,
    /// Our binary. Default: target/release/ringkeeper, built if it is not there.
    #[arg(long)]
    ringkeeper: Option<PathBuf>,
    /// Another server in our place, NAME=COMMAND; the configuration file is its last argument.
    #[arg(long, value_name = "NAME=COMMAND", conflicts_with = "ringkeeper")]
    ours: Option<String>,
    /// Another server in Java's place, NAME=COMMAND; the configuration file is its last argument.
    #[arg(long, value_name = "NAME=COMMAND")]
    command: Option<String>,
    /// Another Ringkeeper binary in Java's place: whether ours is slower than it. Every scenario has
    /// to reach 0.97 of its throughput and of its operations per CPU-second, and 1.03 of its p99.
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with_all = ["command", "java_home", "zk_home", "jvm_options"]
    )]
    baseline: Option<PathBuf>,
    #[arg(long)]
    java_home: Option<PathBuf>,
    /// An unpacked ZooKeeper distribution. Default: from Maven Central, by Maven.
    #[arg(long)]
    zk_home: Option<PathBuf>,
    #[arg(long, default_value = java::VERSION)]
    zk_version: String,
    /// Ensembles of so many members in place of single servers (3, 5, …).
    #[arg(long, value_name = "MEMBERS", value_parser = clap::value_parser!(u8).range(3..=9))]
    ensemble: Option<u8>,
    /// Leaders killed in each round under a trickle of writes.
    #[arg(long, default_value_t = 10, requires = "ensemble")]
    kills: usize,
    /// Leaders killed in each round with --sessions attached.
    #[arg(long, default_value_t = 2, requires = "ensemble")]
    herds: usize,
    /// Sessions that have to attach again.
    #[arg(long, default_value_t = 1_000, requires = "ensemble")]
    sessions: usize,
    /// Java's options. Default: -Xmx1000m as zkServer.sh, for a member of an ensemble -Xmx384m.
    #[arg(long, allow_hyphen_values = true)]
    jvm_options: Option<String>,
    /// What a reader of the report should know about the machine: what else ran on it.
    #[arg(long)]
    remark: Option<String>,
    /// Interleaved rounds of each scenario.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Everything once and small: whether it works, not how well.
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose names begin with one of these (`fill`: filling and restarts;
    /// `leader-kill` and `rolling-restart` of ensembles).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds of mixed load on each server before anything is measured. Default: 30, and 3 where
    /// neither server has a JVM.
    #[arg(long)]
    jvm_warmup: Option<f64>,
    /// Seconds of each run, instead of the suite's.
    #[arg(long)]
    duration: Option<f64>,
    /// Znodes of the large tree.
    #[arg(long)]
    large: Option<u64>,
    #[arg(long, default_value = "target/perf-data")]
    data_dir: PathBuf,
    /// For a device of the log's own. Default: the data folder.
    #[arg(long)]
    log_dir: Option<PathBuf>,
    /// Driver threads. Default: one for every four CPUs.
    #[arg(long)]
    threads: Option<usize>,
    /// CPUs for the driver's threads.
    #[arg(long, value_delimiter = ',')]
    pin: Vec<usize>,
    /// Where report.html, report.json and report.md go.
    #[arg(long, short, default_value = "target/perf-report")]
    out: PathBuf,
}

#[derive(Args)]
pub(super) struct ReportArguments {
    /// A report.json of an earlier comparison.
    json: PathBuf,
    #[arg(long, short, default_value = "target/perf-report")]
    out: PathBuf,
}

impl CompareArguments {
    fn reference(&self) -> Result<Target, Fault> {
        let usual = if self.ensemble.is_some() { JVM_MEMBER } else { JVM_ALONE };
        if let Some(binary) = &self.baseline {
            return Ok(Target::ringkeeper("Baseline", &absolute(binary)?));
        }
        match &self.command {
            Some(command) => named(command),
            None => java::target(&JavaOptions {
                java_home: self.java_home.clone(),
                zk_home: self.zk_home.clone(),
                version: self.zk_version.clone(),
                jvm: self.jvm_options.clone().unwrap_or_else(|| usual.to_owned()),
                cache: java::default_cache(),
            }),
        }
    }

    fn ours(&self) -> Result<Target, Fault> {
        if let Some(command) = &self.ours {
            return named(command);
        }
        let binary = match &self.ringkeeper {
            Some(binary) => binary.clone(),
            None => built()?,
        };
        Ok(Target::ringkeeper("Ringkeeper", &absolute(&binary)?))
    }

    /// A JVM compiles what it runs for half a minute; a binary only has to touch its memory.
    fn usual_warmup(&self) -> f64 {
        if self.quick || self.baseline.is_some() { 3.0 } else { 30.0 }
    }

    fn settings(&self) -> Result<Settings, Fault> {
        let mut size = if self.quick { Size::QUICK } else { Size::FULL };
        size.large = self.large.unwrap_or(size.large);
        if let Some(seconds) = self.duration {
            (size.window, size.open_window) = (seconds, seconds * 3.0);
        }
        let wanted = |id: &str| {
            self.only.is_empty() || self.only.iter().any(|prefix| id.starts_with(prefix.as_str()))
        };
        let Suite::Standalone = self.suite;
        let (mut scenarios, mut bars) = match self.ensemble {
            Some(_) => (suite::ensemble(size), suite::ensemble_bars()),
            None => (suite::standalone(size), suite::bars(size)),
        };
        scenarios.retain(|s| wanted(&s.id));
        bars.retain(|b| wanted(&b.scenario));
        if self.baseline.is_some() {
            bars = suite::baseline_bars(&scenarios);
        }
        let killing = wanted(LEADER_KILL);
        let ensemble = self.ensemble.map(|members| EnsembleSettings {
            members: usize::from(members),
            kills: if killing { self.kills } else { 0 },
            herds: if killing { self.herds } else { 0 },
            sessions: self.sessions,
            rolling: wanted(ROLLING),
        });
        if !ensemble.is_some_and(|e| e.rolling) && scenarios.is_empty() && bars.is_empty() {
            return Err(Fault::Usage(format!("--only {} names no scenario", self.only.join(","))));
        }
        let log_dir = self.log_dir.clone().unwrap_or_else(|| self.data_dir.clone());
        for folder in [&self.data_dir, &log_dir] {
            std::fs::create_dir_all(folder).map_err(Fault::file(folder))?;
        }
        Ok(Settings {
            targets: vec![self.reference()?, self.ours()?],
            scenarios,
            bars,
            rounds: if self.quick { 1 } else { self.rounds.max(1) },
            size,
            ensemble,
            remark: self.remark.clone(),
            jvm_warmup: self.jvm_warmup.unwrap_or_else(|| self.usual_warmup()),
            data_dir: self.data_dir.clone(),
            log_dir,
            threads: self.threads.unwrap_or_else(default_threads),
            pin: self.pin.clone(),
            command: std::env::args().collect::<Vec<_>>().join(" "),
        })
    }
}

fn absolute(binary: &Path) -> Result<PathBuf, Fault> {
    std::fs::canonicalize(binary).map_err(Fault::file(binary))
}

fn named(text: &str) -> Result<Target, Fault> {
    text.split_once('=')
        .and_then(|(name, command)| Target::command(name, command))
        .ok_or_else(|| Fault::Usage(format!("{text} is not NAME=COMMAND")))
}

/// The release binary of this workspace, built when it is missing.
fn built() -> Result<PathBuf, Fault> {
    let binary = Path::new("target/release/ringkeeper");
    if !binary.exists() {
        eprintln!("building {}", binary.display());
        let build = ["build", "--release", "--bin", "ringkeeper"];
        let status = Command::new("cargo").args(build).status();
        let status = status.map_err(Fault::io("starting cargo (or give --ringkeeper)"))?;
        if !status.success() {
            return Err(Fault::Server(format!("cargo build ended with {status}")));
        }
    }
    Ok(binary.to_path_buf())
}

/// Lines on standard error, and the progress of the run under way.
struct Terminal;

impl Narrator for Terminal {
    fn say(&mut self, line: &str) {
        eprintln!("{line}");
    }

    fn observer(&mut self, label: &str) -> Box<dyn Observer + '_> {
        Box::new(Display::new(label))
    }
}

pub(super) fn compare(arguments: &CompareArguments) -> Result<(), Fault> {
    let settings = arguments.settings()?;
    let mut terminal = Terminal;
    let outcome = Session::new(&settings, &mut terminal).run()?;
    let written = report::write(&outcome, &arguments.out)?;
    println!("{}", report::markdown::bars(&outcome));
    for path in written {
        println!("{}", path.display());
    }
    match outcome.faults.len() {
        0 => Ok(()),
        n => Err(Fault::Server(format!("{n} scenario(s) failed; the report names them"))),
    }
}

pub(super) fn report(arguments: &ReportArguments) -> Result<(), Fault> {
    let text = std::fs::read_to_string(&arguments.json).map_err(Fault::file(&arguments.json))?;
    let outcome = serde_json::from_str(&text).map_err(|e| Fault::File {
        path: arguments.json.clone(),
        what: format!("is not a comparison's report.json: {e}"),
    })?;
    for path in report::write(&outcome, &arguments.out)? {
        println!("{}", path.display());
    }
    Ok(())
}
