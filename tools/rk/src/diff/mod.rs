//! `rk diff`: two ensembles, or two servers of one, node by node: paths, data, access lists, kinds, and where
//! both have one history their Stats.
//!
//! * [`side`]: one of the two, over several sessions; [`reading`]: what was read of a node, and what differs
//! * [`walk`]: the nodes of both in one order, with many requests under way
//! * [`settle`]: what differed is read again until it agrees, or stays as it is
//! * [`state`]: how far a comparison has come, for one that goes on
//!
//! A node is reported only if both sides have shown the same difference over some time, each after a sync: so
//! writes that are on their way make none. What never stays as it is cannot be compared, and is said apart.

mod reading;
mod settle;
mod side;
mod state;
mod walk;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::out::Out;
use crate::path::validate;
use crate::tls::TlsArguments;
use reading::Difference;
use settle::{Settling, Suspects};
use side::Side;
use state::{Progress, StateFile};
use walk::{Pair, Walk};

pub(crate) use state::StateFault;

/// Exit codes: as diff's.
const EQUAL: u8 = 0;
const DIFFERENT: u8 = 1;
const ERROR: u8 = 2;

/// Time between two looks at what is to be written down.
const SAVE: Duration = Duration::from_secs(1);

/// Two ensembles, or two servers of one, compared node by node.
///
/// Exit code: 0 they are equal, 1 they differ, 2 they could not be compared, or not all of it.
#[derive(Parser, Debug)]
#[command(name = "diff")]
struct Arguments {
    /// Servers: host:port,host:port/chroot, or @NAME for those of a context with its identity
    a: String,
    /// The others
    b: String,
    /// Where to begin
    #[arg(default_value = "/")]
    path: String,
    /// Compare Stats too, /zookeeper/config as well: both sides have one history
    #[arg(long)]
    stat: bool,
    /// Sessions with each side
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
    /// Nodes a second at most
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    throttle: Option<u32>,
    /// A file that says how far it has come; where there is one, the comparison goes on from there
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Milliseconds that a difference has to stay before it is one
    #[arg(long, default_value_t = 500)]
    settle: u32,
    /// Session timeout in milliseconds
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(i32).range(1..))]
    timeout: i32,
    #[command(flatten)]
    tls: TlsArguments,
}

/// `rk diff`; gives the process's exit code.
pub(crate) fn run(words: &[String], out: &mut Out) -> u8 {
    let done = compare(words, out);
    out.flush();
    match done {
        Ok(code) => code,
        Err(CliError::Arguments(error)) if !error.use_stderr() => {
            out.line(error);
            out.flush();
            EQUAL
        }
        Err(error) => {
            out.note(&error);
            ERROR
        }
    }
}

fn compare(words: &[String], out: &mut Out) -> Result<u8, CliError> {
    let arguments = Arguments::try_parse_from(words)?;
    validate(&arguments.path)?;
    let state = arguments.state.clone().map(|file| {
        StateFile::new(file, [&arguments.a, &arguments.b, &arguments.path], arguments.stat)
    });
    let progress = state.as_ref().map(StateFile::load).transpose()?.flatten();
    let tls = arguments.tls.dialer()?;
    let open =
        |servers: &str| Side::open(servers, arguments.connections, arguments.timeout, tls.as_ref());
    let sides = [open(&arguments.a)?, open(&arguments.b)?];
    for side in &sides {
        side.sync()?;
    }
    let mut run = Run {
        sides: &sides,
        with_stat: arguments.stat,
        settle: Duration::from_millis(arguments.settle.into()),
        progress: progress.unwrap_or_default(),
        suspects: Suspects::default(),
        state,
        out,
    };
    run.all(&arguments.path, arguments.throttle)?;
    Ok(run.end())
}

/// A comparison under way.
struct Run<'a> {
    sides: &'a [Side; 2],
    with_stat: bool,
    settle: Duration,
    progress: Progress,
    suspects: Suspects,
    state: Option<StateFile>,
    out: &'a mut Out,
}

impl Run<'_> {
    fn all(&mut self, path: &str, throttle: Option<u32>) -> Result<(), CliError> {
        let after = self.progress.after.clone();
        let mut walk = Walk::new(self.sides, path, after, self.with_stat);
        let (begun, mut saved, mut seen) = (Instant::now(), Instant::now(), 0u64);
        while let Some(pair) = walk.next() {
            let pair = pair?;
            if pair.is_done {
                continue;
            }
            let last = pair.path.clone();
            self.look(pair);
            if self.suspects.is_full() || saved.elapsed() >= SAVE && self.state.is_some() {
                self.settle()?;
                self.progress.after = Some(last);
                // What was found is told before it is written down as told.
                self.out.flush();
                if let Some(state) = &self.state {
                    state.save(&self.progress)?;
                }
                saved = Instant::now();
            }
            seen += 1;
            if let Some(rate) = throttle {
                let due = Duration::from_secs_f64(seen as f64 / f64::from(rate));
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
            if self.out.is_broken() {
                return Ok(());
            }
        }
        self.settle()?;
        // There is nothing to go on with.
        self.state.as_ref().map_or(Ok(()), StateFile::remove)
    }

    fn look(&mut self, pair: Pair) {
        self.progress.nodes += 1;
        if let Some(text) = pair.refusal() {
            self.progress.refused += 1;
            self.out.note(text);
            return;
        }
        let with_stat = walk::has_stat(&pair.path, self.with_stat);
        if !reading::differences(&pair.found, with_stat).is_empty() {
            self.suspects.add(pair, with_stat);
        }
    }

    /// Reads again what differed.
    fn settle(&mut self) -> Result<(), CliError> {
        if self.suspects.is_empty() {
            return Ok(());
        }
        let settling = Settling { sides: self.sides, with_stat: self.with_stat, time: self.settle };
        let settled = settling.all(std::mem::take(&mut self.suspects))?;
        for (path, differences) in settled.different {
            self.progress.differences += 1;
            self.out.line(text(&path, &differences));
            self.out.value(|| json(&path, &differences));
        }
        for path in settled.changing {
            self.progress.changing += 1;
            self.out.note(format_args!("{path} does not stay as it is: it cannot be compared"));
        }
        Ok(())
    }

    /// The last word, and the exit code.
    fn end(&mut self) -> u8 {
        let Progress { nodes, differences, changing, refused, .. } = self.progress;
        let left = match changing + refused {
            0 => String::new(),
            left => format!(", {left} not compared"),
        };
        self.out.line(format_args!("{nodes} nodes, {differences} differ{left}"));
        self.out.value(|| {
            json!({ "nodes": nodes, "differences": differences, "notCompared": changing + refused })
        });
        match (changing + refused, differences) {
            (1.., _) => ERROR,
            (0, 1..) => DIFFERENT,
            (0, 0) => EQUAL,
        }
    }
}

fn text(path: &str, differences: &[Difference]) -> String {
    let all: Vec<String> = differences.iter().map(Difference::to_string).collect();
    format!("{path}: {}", all.join(", "))
}

fn json(path: &str, differences: &[Difference]) -> Value {
    let all: Vec<String> = differences.iter().map(Difference::to_string).collect();
    json!({ "path": path, "differences": all })
}
