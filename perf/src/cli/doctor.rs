//! `ringkeeper-perf doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::doctor;
use crate::fault::Fault;

#[derive(Args)]
pub(super) struct DoctorArguments {
    /// The folder the log will be in: a file is made in it and removed again.
    #[arg(long, default_value = ".")]
    log_dir: PathBuf,
    /// Seconds of each disk probe.
    #[arg(long, default_value_t = 1.0)]
    each: f64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn doctor(arguments: &DoctorArguments) -> Result<(), Fault> {
    let each = Duration::try_from_secs_f64(arguments.each)
        .map_err(|e| Fault::Usage(format!("--each {}: {e}", arguments.each)))?;
    let diagnosis = doctor::examine(&arguments.log_dir, each);
    if arguments.json {
        let json = serde_json::to_string_pretty(&diagnosis)
            .map_err(|e| Fault::Server(format!("diagnosis as JSON: {e}")))?;
        println!("{json}");
    } else {
        print!("{}", diagnosis.render());
    }
    match diagnosis.failed.len() {
        0 => Ok(()),
        n => Err(Fault::Server(format!("{n} probe(s) could not be finished; the others stand"))),
    }
}
