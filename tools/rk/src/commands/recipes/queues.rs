//! queue and counter: each element once, each count once, whatever becomes of the connection.

use std::io::{Read, stdin};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use ringkeeper::client::recipes::counter::{Change, Count, Counting, Width};
use ringkeeper::client::recipes::queue::{Put, Putting, Take, Taking};
use serde_json::json;

use super::{Names, Step, Waiting, validate, wait_for};
use crate::commands::read::data_json;
use crate::commands::{Context, Done};
use crate::error::{CliError, HeldFault};
use crate::recipe::{Drive, protection_id};

/// Bytes of an element that are read from the standard input: more fits into no node.
const INPUT_MAX: u64 = 64 << 20;

/// Queues: SimpleDistributedQueue of Curator, or Queue of kazoo.
#[derive(Parser, Debug)]
#[command(name = "queue")]
struct Line {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Put an element
    Put {
        /// Whose names the nodes have: an element of the other kind is not seen
        #[arg(long, value_enum, default_value_t = Names::Curator)]
        layout: Names,
        /// Lower ones are taken first (kazoo's layout)
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(..1000))]
        priority: u32,
        path: String,
        /// What to put; without it the standard input
        data: Option<String>,
    },
    /// Take the first element, which nobody else has then; wait for one
    Take {
        /// Whose names the nodes have
        #[arg(long, value_enum, default_value_t = Names::Curator)]
        layout: Names,
        #[command(flatten)]
        waiting: Waiting,
        /// Take so many
        #[arg(long, default_value_t = 1)]
        count: u64,
        path: String,
    },
}

pub(crate) fn queue_line() -> clap::Command {
    Line::command()
}

/// `queue`.
pub(crate) fn queue(context: &mut Context<'_>, words: &[String]) -> Done {
    match Line::try_parse_from(words)?.action {
        Action::Put { layout, priority, path, data } => {
            validate(context, &path)?;
            put(context, layout, priority, &path, data)
        }
        Action::Take { layout, waiting, count, path } => {
            validate(context, &path)?;
            for _ in 0..count {
                take(context, layout, &waiting, &path)?;
            }
            Ok(())
        }
    }
}

fn put(
    context: &mut Context<'_>,
    layout: Names,
    priority: u32,
    path: &str,
    data: Option<String>,
) -> Done {
    let data = match data {
        Some(text) => text.into_bytes(),
        None => {
            let mut bytes = Vec::new();
            stdin()
                .take(INPUT_MAX)
                .read_to_end(&mut bytes)
                .map_err(|error| CliError::File { file: "the standard input".into(), error })?;
            bytes
        }
    };
    let id = protection_id()?;
    let putting = Putting::new(path, layout.into(), priority, id, Some(data.into()));
    let mut drive = Drive::begin(context, putting)?;
    let waiting = Waiting { wait: None, grace: 0 };
    let node = wait_for(&mut drive, path, &waiting, |put| match put {
        Put::Done(path) => Ok(Step::Has(path)),
        Put::Failed(fault) => Err(fault.into()),
    })?;
    context.out.value(|| json!({ "node": node }));
    Ok(())
}

fn take(context: &mut Context<'_>, layout: Names, waiting: &Waiting, path: &str) -> Done {
    let taking = Taking::new(path, layout.into(), protection_id()?);
    let mut drive = Drive::begin(context, taking)?;
    let (node, data) = wait_for(&mut drive, path, waiting, |take| match take {
        Take::Empty => Ok(Step::On),
        Take::Taken { path, data } => Ok(Step::Has((path, data))),
        Take::Left => Err(HeldFault::GivenUp { path: path.to_owned() }.into()),
        Take::Failed(fault) => Err(fault.into()),
    })?;
    drop(drive);
    context.out.value(|| {
        let (key, value) = data_json(Some(&data));
        json!({ "node": node, key: value })
    });
    if !context.out.is_json() {
        context.out.bytes(&data);
    }
    context.out.flush();
    Ok(())
}

/// How the number is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum CounterNames {
    /// Four bytes, as Curator's SharedCount has it, and kazoo's Counter with support_curator
    Int,
    /// Eight bytes, as Curator's DistributedAtomicLong has it
    Long,
    /// Decimal digits, as kazoo's Counter has it
    Kazoo,
}

/// Prints a number that several count with, and changes it before.
#[derive(Parser, Debug)]
#[command(name = "counter")]
struct CounterLine {
    /// Add this
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    add: Option<i64>,
    /// Make it this
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, conflicts_with = "add")]
    set: Option<i64>,
    /// How the number is written
    #[arg(long, value_enum, default_value_t = CounterNames::Int)]
    layout: CounterNames,
    path: String,
}

pub(crate) fn counter_line() -> clap::Command {
    CounterLine::command()
}

/// `counter`.
pub(crate) fn counter(context: &mut Context<'_>, words: &[String]) -> Done {
    let line = CounterLine::try_parse_from(words)?;
    validate(context, &line.path)?;
    let width = match line.layout {
        CounterNames::Int => Width::Int,
        CounterNames::Long => Width::Long,
        CounterNames::Kazoo => Width::Text,
    };
    let change = match (line.add, line.set) {
        (Some(more), _) => Change::Add(more),
        (_, Some(value)) => Change::Set(value),
        _ => Change::None,
    };
    let counting = Counting::new(&line.path, width, change, protection_id()?);
    let mut drive = Drive::begin(context, counting)?;
    let waiting = Waiting { wait: None, grace: 0 };
    let value = wait_for(&mut drive, &line.path, &waiting, |count| match count {
        Count::Done(value) => Ok(Step::Has(value)),
        Count::Failed(fault) => Err(fault.into()),
    })?;
    context.out.line(value);
    context.out.value(|| json!({ "path": line.path, "value": value }));
    Ok(())
}
