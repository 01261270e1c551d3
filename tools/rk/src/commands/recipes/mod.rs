//! Recipes as commands: what they have is given back when they end, or when rk is asked to.
//!
//! * [`locks`]: lock, elect, semaphore; [`barriers`]: barrier
//! * [`queues`]: queue, counter; [`members`]: group, service; [`values`]: config watch

mod barriers;
mod locks;
mod members;
mod queues;
mod values;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use ringkeeper::client::recipes::{Layout, Recipe};

use super::{Context, Done};
use crate::error::{CliError, HeldFault};
use crate::recipe::{Drive, Happened};

pub(super) use barriers::barrier;
pub(super) use locks::{elect, lock, semaphore};
pub(super) use members::{group, service};
pub(super) use queues::{counter, queue};
pub(super) use values::config_watch;

/// Their command lines.
pub(super) mod lines {
    pub(crate) use super::barriers::barrier_line as barrier;
    pub(crate) use super::locks::{
        elect_line as elect, lock_line as lock, semaphore_line as semaphore,
    };
    pub(crate) use super::members::{group_line as group, service_line as service};
    pub(crate) use super::queues::{counter_line as counter, queue_line as queue};
}

/// How long something may take to be given back; the session's end gives it back, too.
const LEAVE: Duration = Duration::from_secs(5);

/// Whose names nodes have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Names {
    /// Those of Apache Curator
    Curator,
    /// Those of kazoo
    Kazoo,
}

impl From<Names> for Layout {
    fn from(names: Names) -> Layout {
        match names {
            Names::Curator => Layout::Curator,
            Names::Kazoo => Layout::Kazoo,
        }
    }
}

/// How something that others may have is waited for, and what is done with it.
#[derive(Args, Debug)]
struct Waiting {
    /// Give up after so many milliseconds; 0: at once
    #[arg(long, value_name = "MS")]
    wait: Option<u64>,
    /// A command that does not end when what it needs is lost is killed after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    grace: u64,
}

/// The command behind `--`.
#[derive(Args, Debug)]
struct Behind {
    /// What to run meanwhile; without it rk waits for SIGINT or SIGTERM
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Waiting {
    /// With no time at all it is tried once, however long the answers take.
    fn until(&self) -> Option<Instant> {
        self.wait
            .filter(|ms| *ms > 0)
            .and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)))
    }

    fn grace(&self) -> Duration {
        Duration::from_millis(self.grace)
    }
}

/// What an outcome means to whoever waits.
enum Step<T> {
    /// More is to come.
    On,
    /// This was waited for.
    Has(T),
}

/// Waits for an outcome. If it does not come in time, or a signal does, what was begun is taken back.
fn wait_for<R: Recipe, T>(
    drive: &mut Drive<'_, R>,
    path: &str,
    waiting: &Waiting,
    mut step: impl FnMut(R::Outcome) -> Result<Step<T>, CliError>,
) -> Result<T, CliError> {
    let until = waiting.until();
    loop {
        let is_late = match drive.next(until) {
            Happened::Outcome(outcome) => match step(outcome)? {
                Step::Has(value) => return Ok(value),
                Step::On => waiting.wait == Some(0),
            },
            // Nothing is had yet: the session may come back, or its end is told.
            Happened::Doubtful | Happened::Child => false,
            Happened::Late => true,
            Happened::Signal(_) => {
                give_back(drive, &mut step)?;
                return Err(HeldFault::GivenUp { path: path.to_owned() }.into());
            }
        };
        if is_late {
            give_back(drive, &mut step)?;
            let (path, ms) = (path.to_owned(), waiting.wait.unwrap_or_default());
            return Err(HeldFault::TooLate { path, ms }.into());
        }
    }
}

/// Leaves, and waits for that. What `step` has come to nevertheless is of no use any more.
fn give_back<R: Recipe, T>(
    drive: &mut Drive<'_, R>,
    step: &mut impl FnMut(R::Outcome) -> Result<Step<T>, CliError>,
) -> Done {
    drive.leave();
    let until = Instant::now() + LEAVE;
    loop {
        match drive.next(Some(until)) {
            Happened::Outcome(outcome) => match step(outcome) {
                Ok(Step::On | Step::Has(_)) => {}
                Err(CliError::Held(HeldFault::GivenUp { .. })) => return Ok(()),
                Err(error) => return Err(error),
            },
            Happened::Late | Happened::Doubtful => return Ok(()),
            Happened::Child | Happened::Signal(_) => {}
        }
    }
}

/// The code of a command that has run.
fn done(code: u8) -> Done {
    match code {
        0 => Ok(()),
        code => Err(CliError::Check { text: String::new(), code }),
    }
}

/// Where a path of the user's begins and ends, and what zkCli says if it does not.
fn validate(context: &mut Context<'_>, path: &str) -> Done {
    context.out.flush();
    Ok(crate::path::validate(path)?)
}
