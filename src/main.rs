//! The server's command line: a configuration file, Java's positional arguments, or nothing.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;
use ringkeeper::config::{self, ConfigError, Settings};
use ringkeeper::node::boot::{self, BootError};
use ringkeeper::runtime::stderr::{self, Diagnostics};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Small znodes by the million: jemalloc keeps them compact.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A ZooKeeper server on io_uring.
///
/// Without arguments it serves on port 2181 with its data in ./ringkeeper-data.
#[derive(Parser)]
#[command(version = VERSION, about, max_term_width = 100)]
struct Arguments {
    /// zoo.cfg, or: PORT DATADIR [TICKTIME] [MAXCLIENTCNXNS]
    #[arg(value_name = "CONFIG", num_args = 0..)]
    arguments: Vec<String>,
    /// Log level: error, warn, info, debug, trace, or a filter such as "info,ringkeeper::log=debug"
    #[arg(long, env = "RINGKEEPER_LOG", default_value = "info")]
    log_level: String,
}

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("RINGKEEPER_COMMIT_ID"),
    ", built on ",
    env!("RINGKEEPER_BUILT"),
    ", compatible with ZooKeeper 3.9.5)"
);

/// Bad invocation or configuration (ExitCode.INVALID_INVOCATION).
const EXIT_INVOCATION: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_INVOCATION } else { 0 });
        }
    };
    stderr::tell_panics();
    if let Err(error) = start_logging(&arguments.log_level) {
        let text = format!("--log-level or RINGKEEPER_LOG: {error}\n");
        let _ = Diagnostics.write_all(text.as_bytes());
        return ExitCode::from(EXIT_INVOCATION);
    }
    let settings = match settings(&arguments.arguments) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(EXIT_INVOCATION);
        }
    };
    if let Some(ensemble) = &settings.ensemble {
        // Set once: there is one server in a process.
        let _ = MYID.set(ensemble.me.0);
    }
    match boot::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(BootError::exit_code(&error))
        }
    }
}

fn settings(arguments: &[String]) -> Result<Settings, ConfigError> {
    let flags = config::flags_from_environment();
    match arguments {
        [] => Settings::embedded(&PathBuf::from(config::DEFAULT_DATA_DIR), &flags),
        [file] => Settings::load(Path::new(file), &flags),
        _ => Settings::from_arguments(arguments, &flags),
    }
}

/// This server's number, once it is known; a server on its own has none.
static MYID: OnceLock<i64> = OnceLock::new();

/// What every line begins with: the time, and in an ensemble which server speaks.
struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        SystemTime.format_time(out)?;
        MYID.get().map_or(Ok(()), |myid| write!(out, " [myid:{myid}]"))
    }
}

fn start_logging(level: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = tracing_subscriber::EnvFilter::try_new(config::log_filter(level)?)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(Stamp)
        .with_writer(|| Diagnostics)
        // What the subscriber itself has to say of a failed line would go the way that failed.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
}
