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
