//! lock, elect, semaphore: a command runs while it alone, or with so many others, may.

use clap::{CommandFactory, Parser};
use ringkeeper::client::recipes::lock::{Lock, Place};
use ringkeeper::client::recipes::semaphore::Semaphore;
use ringkeeper::client::recipes::{Contest, Layout, Recipe};
use serde_json::json;

use super::{Behind, Names, Step, Waiting, done, give_back, validate, wait_for};
use crate::commands::{Context, Done};
use crate::error::{CliError, HeldFault};
use crate::held::{End, Holding, hold};
use crate::recipe::{Drive, protection_id};

/// Runs a command while it holds a lock; its exit code is rk's. The command finds its node in RK_NODE and a
/// fencing token, larger than that of all holders before, in RK_TOKEN. If the lock is lost the command is ended
/// by SIGTERM, and rk's exit code is 75; so it is when the lock is not had in time.
#[derive(Parser, Debug)]
#[command(name = "lock")]
struct LockLine {
    /// Share it with others that only read (InterProcessReadWriteLock)
    #[arg(long, conflicts_with = "write")]
    read: bool,
    /// Hold it alone, against readers too
    #[arg(long)]
    write: bool,
    /// Whose names the nodes have; contenders with either kind are waited for
    #[arg(long, value_enum, default_value_t = Names::Curator)]
    layout: Names,
    /// Written into the node, for others to read
    #[arg(long, default_value = "")]
    id: String,
    #[command(flatten)]
    waiting: Waiting,
    /// The folder of the contenders
    path: String,
    #[command(flatten)]
    behind: Behind,
}

pub(crate) fn lock_line() -> clap::Command {
    LockLine::command()
}

/// `lock`.
pub(crate) fn lock(context: &mut Context<'_>, words: &[String]) -> Done {
    let line = LockLine::try_parse_from(words)?;
    let contest = match (line.read, line.write) {
        (true, _) => Contest::Read,
        (_, true) => Contest::Write,
        _ => Contest::Lock,
    };
    validate(context, &line.path)?;
    let data = Some(line.id.into_bytes().into());
    let lock = Lock::new(&line.path, line.layout.into(), contest, protection_id()?, data);
    run(context, lock, &line.path, &line.waiting, &line.behind)
}

/// Names of an election's nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum ElectionNames {
    /// Those of Curator's LeaderLatch
    Latch,
    /// Those of Curator's LeaderSelector
    Selector,
    /// Those of kazoo's Election
    Kazoo,
}

/// Runs a command while it leads: the others wait until it ends, or until its session does. What `rk help lock`
/// says of the command holds here, too.
#[derive(Parser, Debug)]
#[command(name = "elect")]
struct Elect {
    /// Whose names the nodes have
    #[arg(long, value_enum, default_value_t = ElectionNames::Latch)]
    layout: ElectionNames,
    /// Written into the node, for others to read
    #[arg(long, default_value = "")]
    id: String,
    #[command(flatten)]
    waiting: Waiting,
    /// The folder of the candidates
    path: String,
    #[command(flatten)]
    behind: Behind,
}

pub(crate) fn elect_line() -> clap::Command {
    Elect::command()
}

/// `elect`.
pub(crate) fn elect(context: &mut Context<'_>, words: &[String]) -> Done {
    let line = Elect::try_parse_from(words)?;
    validate(context, &line.path)?;
    let (layout, contest) = match line.layout {
        ElectionNames::Latch => (Layout::Curator, Contest::Latch),
        ElectionNames::Selector => (Layout::Curator, Contest::Lock),
        ElectionNames::Kazoo => (Layout::Kazoo, Contest::Latch),
    };
    let data = Some(line.id.into_bytes().into());
    let lock = Lock::new(&line.path, layout, contest, protection_id()?, data);
    run(context, lock, &line.path, &line.waiting, &line.behind)
}

/// Runs a command while it has one of so many leases. What `rk lock --help` says of the command holds here, too.
#[derive(Parser, Debug)]
#[command(name = "semaphore")]
struct SemaphoreLine {
    /// How many may run at once; all have to say the same
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    leases: u32,
    /// Whose names the nodes have: kazoo's semaphores and Curator's do not see one another
    #[arg(long, value_enum, default_value_t = Names::Curator)]
    layout: Names,
    /// Written into the node, for others to read
    #[arg(long, default_value = "")]
    id: String,
    #[command(flatten)]
    waiting: Waiting,
    /// The semaphore's node
    path: String,
    #[command(flatten)]
    behind: Behind,
}

pub(crate) fn semaphore_line() -> clap::Command {
    SemaphoreLine::command()
}

/// `semaphore`.
pub(crate) fn semaphore(context: &mut Context<'_>, words: &[String]) -> Done {
    let line = SemaphoreLine::try_parse_from(words)?;
    validate(context, &line.path)?;
    let data = Some(line.id.into_bytes().into());
    let ids = [protection_id()?, protection_id()?];
    let most = line.leases as usize;
    let semaphore = Semaphore::new(&line.path, line.layout.into(), most, ids, data);
    run(context, semaphore, &line.path, &line.waiting, &line.behind)
}

/// What an outcome means to whoever waits: the node and its token.
fn step(path: &str, place: Place) -> Result<Step<(String, i64)>, CliError> {
    let path = path.to_owned();
    match place {
        Place::Behind { .. } => Ok(Step::On),
        Place::Held { path, token } => Ok(Step::Has((path, token.0))),
        Place::Lost => Err(HeldFault::Lost { path, reason: LOST }.into()),
        Place::Left => Err(HeldFault::GivenUp { path }.into()),
        Place::Failed(fault) => Err(fault.into()),
    }
}

/// Of whoever finds out by a request or an event.
const LOST: &str = "its node is gone, or the session has expired";

fn run<R: Recipe<Outcome = Place>>(
    context: &mut Context<'_>,
    recipe: R,
    path: &str,
    waiting: &Waiting,
    behind: &Behind,
) -> Done {
    let mut drive = Drive::begin(context, recipe)?;
    let (node, token) = wait_for(&mut drive, path, waiting, |place| step(path, place))?;
    if behind.command.is_empty() {
        context.out.line(format!("{node} {token}"));
        context.out.value(|| json!({ "node": node, "token": token }));
        context.out.flush();
    }
    let grace = waiting.grace();
    let holding = Holding { path, node: &node, token: Some(token), grace };
    let end = hold(&mut drive, &behind.command, &holding, |place| match place {
        Place::Lost | Place::Failed(_) => Some(LOST),
        Place::Behind { .. } | Place::Held { .. } | Place::Left => None,
    });
    give_back(&mut drive, &mut |place| step(path, place)).or_else(|error| match error {
        // It is told already.
        CliError::Held(HeldFault::Lost { .. }) => Ok(()),
        error => Err(error),
    })?;
    match end? {
        End::Command(code) => done(code),
        End::Signal => Ok(()),
    }
}
