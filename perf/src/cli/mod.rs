//! The command line: arguments in, faults out as one line.

mod progress;
mod run;

use clap::{Parser, Subcommand};

use crate::fault::Fault;

/// Load driver, comparison and machine probe for servers that speak ZooKeeper's protocol.
#[derive(Parser)]
#[command(name = "ringkeeper-perf", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Drive one workload against running servers.
    Run(Box<run::RunArguments>),
}

/// Parses the process's arguments and does what they say.
pub fn main() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    ctrlc::set_handler(crate::interrupt)
        .map_err(|e| Fault::Usage(format!("cannot listen for signals: {e}")))?;
    match arguments.command {
        Command::Run(run) => run::run(*run),
    }
}
