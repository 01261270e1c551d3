//! `ringkeeper-perf`: reads the command line and calls what it asks for.

use std::process::ExitCode;

fn main() -> ExitCode {
    match ringkeeper_perf::cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("ringkeeper-perf: {fault}");
            ExitCode::FAILURE
        }
    }
}
