//! The command line: arguments in, faults out as one line.

mod compare;
mod doctor;
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
    /// Start Java ZooKeeper and Ringkeeper, drive them in turn, write a report.
    Compare(Box<compare::CompareArguments>),
    /// Render the report of an earlier comparison again.
    Report(compare::ReportArguments),
    /// Say what this machine allows and what limits it.
    Doctor(doctor::DoctorArguments),
}

/// Parses the process's arguments and does what they say.
pub fn main() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    ctrlc::set_handler(crate::interrupt)
        .map_err(|e| Fault::Usage(format!("cannot listen for signals: {e}")))?;
    match arguments.command {
        Command::Run(run) => run::run(*run),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Report(arguments) => compare::report(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
    }
}
