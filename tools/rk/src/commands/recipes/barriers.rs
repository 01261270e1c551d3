//! barrier: a node that others wait for, and one that so many enter and leave together.

use clap::{CommandFactory, Parser, Subcommand};
use ringkeeper::client::recipes::barrier::{Barrier, Passage, Wish};
use ringkeeper::client::recipes::double_barrier::{DoubleBarrier, Side};
use serde_json::json;

use super::{Behind, Step, Waiting, done, validate, wait_for};
use crate::commands::{Context, Done};
use crate::error::{CliError, HeldFault};
use crate::held::{End, Holding, hold};
use crate::recipe::{Drive, protection_id};

/// Barriers: DistributedBarrier and DistributedDoubleBarrier of Curator, Barrier and DoubleBarrier of kazoo, whose
/// nodes are the same.
#[derive(Parser, Debug)]
#[command(name = "barrier")]
struct Line {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Close it: whoever waits for it waits
    Set { path: String },
    /// Open it
    Remove { path: String },
    /// Wait until it is open
    Wait {
        #[command(flatten)]
        waiting: Waiting,
        path: String,
    },
    /// Wait until so many have come, run a command, and wait until all have gone
    Double {
        #[command(flatten)]
        waiting: Waiting,
        path: String,
        /// How many come
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        members: u32,
        #[command(flatten)]
        behind: Behind,
    },
}

/// Waits for as long as it takes.
const FOREVER: Waiting = Waiting { wait: None, grace: 0 };

pub(crate) fn barrier_line() -> clap::Command {
    Line::command()
}

/// `barrier`.
pub(crate) fn barrier(context: &mut Context<'_>, words: &[String]) -> Done {
    match Line::try_parse_from(words)?.action {
        Action::Set { path } => wish(context, &path, Wish::Close, &FOREVER),
        Action::Remove { path } => wish(context, &path, Wish::Open, &FOREVER),
        Action::Wait { waiting, path } => wish(context, &path, Wish::Wait, &waiting),
        Action::Double { waiting, path, members, behind } => {
            double(context, &path, members as usize, &waiting, &behind)
        }
    }
}

fn wish(context: &mut Context<'_>, path: &str, wish: Wish, waiting: &Waiting) -> Done {
    validate(context, path)?;
    let mut drive = Drive::begin(context, Barrier::new(path, wish))?;
    wait_for(&mut drive, path, waiting, |passage| match passage {
        Passage::Closed => Ok(Step::On),
        Passage::Done => Ok(Step::Has(())),
        Passage::Left => Err(HeldFault::GivenUp { path: path.to_owned() }.into()),
        Passage::Failed(fault) => Err(fault.into()),
    })?;
    let is_open = wish != Wish::Close;
    context.out.value(|| json!({ "path": path, "open": is_open }));
    Ok(())
}

fn double(
    context: &mut Context<'_>,
    path: &str,
    members: usize,
    waiting: &Waiting,
    behind: &Behind,
) -> Done {
    validate(context, path)?;
    let lost = || HeldFault::Lost { path: path.to_owned(), reason: "the session has expired" };
    let step = |side: Side, wanted: Side| -> Result<Step<()>, CliError> {
        match side {
            side if side == wanted => Ok(Step::Has(())),
            Side::Waiting | Side::Entered => Ok(Step::On),
            Side::Left => Err(HeldFault::GivenUp { path: path.to_owned() }.into()),
            Side::Lost => Err(lost().into()),
            Side::Failed(fault) => Err(fault.into()),
        }
    };
    let member = DoubleBarrier::new(path, members, protection_id()?, None);
    let mut drive = Drive::begin(context, member)?;
    wait_for(&mut drive, path, waiting, |side| step(side, Side::Entered))?;
    let mut code = 0;
    if !behind.command.is_empty() {
        let holding = Holding { path, node: path, token: None, grace: waiting.grace() };
        let end = hold(&mut drive, &behind.command, &holding, |side| match side {
            Side::Lost => Some("the session has expired"),
            Side::Waiting | Side::Entered | Side::Left | Side::Failed(_) => None,
        })?;
        code = match end {
            End::Command(code) => code,
            End::Signal => 0,
        };
    }
    drive.leave();
    wait_for(&mut drive, path, &FOREVER, |side| step(side, Side::Left))?;
    context.out.value(|| json!({ "path": path, "members": members }));
    done(code)
}
