//! A command that runs while something is held, and no longer.

use std::io::{IsTerminal, stdin};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use ringkeeper::client::recipes::Recipe;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::error::{CliError, HeldFault};
use crate::recipe::{Drive, Happened};

/// What a command is told of what is held.
pub(crate) struct Holding<'a> {
    pub(crate) path: &'a str,
    /// The node that stands for it: RK_NODE.
    pub(crate) node: &'a str,
    /// Larger than that of whoever had it before: RK_TOKEN.
    pub(crate) token: Option<i64>,
    /// From SIGTERM to SIGKILL, for a command that does not end.
    pub(crate) grace: Duration,
}

/// How it came to an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The command has ended, with this code.
    Command(u8),
    /// rk was asked to end.
    Signal,
}

/// A command, and how it is reached.
struct Running {
    child: Child,
    /// It has a process group of its own, for there is no terminal that it would be cut off from.
    is_apart: bool,
}

impl Running {
    fn start(command: &[String], holding: &Holding<'_>) -> Result<Option<Running>, CliError> {
        let [program, arguments @ ..] = command else { return Ok(None) };
        let mut command = Command::new(program);
        command.args(arguments).env("RK_NODE", holding.node);
        if let Some(token) = holding.token {
            command.env("RK_TOKEN", token.to_string());
        }
        let is_apart = !stdin().is_terminal();
        if is_apart {
            command.process_group(0);
        }
        let failed = |error| HeldFault::Program { program: program.clone(), error };
        Ok(Some(Running { child: command.spawn().map_err(failed)?, is_apart }))
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // It may have ended, and is not waited for yet.
        let _ = match self.is_apart {
            true => kill_process_group(pid, signal),
            false => kill_process(pid, signal),
        };
    }

    fn ended(&mut self) -> Option<u8> {
        self.child.try_wait().ok().flatten().map(code)
    }
}

/// As shells have it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Runs a command, or waits for a signal where there is none. `lost` knows outcomes by which it is held no
/// longer; others are passed over.
pub(crate) fn hold<R: Recipe>(
    drive: &mut Drive<'_, R>,
    command: &[String],
    holding: &Holding<'_>,
    lost: impl Fn(&R::Outcome) -> Option<&'static str>,
) -> Result<End, CliError> {
    let mut running = Running::start(command, holding)?;
    let mut kill_at: Option<Instant> = None;
    let mut why = None;
    loop {
        if let Some(code) = running.as_mut().and_then(Running::ended) {
            return why.map_or(Ok(End::Command(code)), |reason| Err(gone(holding, reason)));
        }
        if running.is_none()
            && let Some(reason) = why
        {
            return Err(gone(holding, reason));
        }
        let reason = match drive.next(kill_at) {
            Happened::Outcome(outcome) => lost(&outcome),
            Happened::Doubtful => Some("no server answers, and the session may be over"),
            Happened::Child => None,
            Happened::Signal(signal) => {
                let Some(running) = &running else { return Ok(End::Signal) };
                // One with the same terminal has it already; twice does no harm.
                running.signal(Signal::from_named_raw(signal).unwrap_or(Signal::TERM));
                None
            }
            Happened::Late => {
                running.iter().for_each(|running| running.signal(Signal::KILL));
                kill_at = None;
                None
            }
        };
        if let Some(reason) = reason.filter(|_| why.is_none()) {
            why = Some(reason);
            running.iter().for_each(|running| running.signal(Signal::TERM));
            kill_at = Some(Instant::now() + holding.grace);
        }
    }
}

fn gone(holding: &Holding<'_>, reason: &'static str) -> CliError {
    HeldFault::Lost { path: holding.path.to_owned(), reason }.into()
}
