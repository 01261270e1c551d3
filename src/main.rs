//! The server's command line: a configuration file, Java's positional arguments, or nothing.

use std::ffi::OsString;
use std::fmt;
use std::io::{IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;
use ringkeeper::config::{self, Arguments, ConfigError, Listen, Settings};
use ringkeeper::node::boot::{self, BootError};
use ringkeeper::recovery;
use ringkeeper::runtime::stderr::{self, Diagnostics, LogLines};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Small znodes by the million: jemalloc keeps them compact.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bad invocation or configuration (ExitCode.INVALID_INVOCATION).
const EXIT_INVOCATION: u8 = 2;

/// `config check`: something that was written will not be honoured.
const EXIT_PASSED_OVER: u8 = 1;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "recover-quorum") {
        return recover_quorum(words);
    }
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
    let words: Vec<&str> = arguments.arguments.iter().map(String::as_str).collect();
    if let ["config", "check", file] = words[..] {
        return check(Path::new(file));
    }
    if let ["config", "migrate", file, environment @ ..] = &words[..] {
        return migrate(Path::new(file), environment);
    }
    let settings = match settings(&arguments.arguments) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(EXIT_INVOCATION);
        }
    };
    if words.is_empty() {
        greet(&settings);
    }
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

/// `ringkeeper config check FILE`.
fn check(file: &Path) -> ExitCode {
    let settings = match Settings::load(file, &config::flags_from_environment()) {
        Ok(settings) => settings,
        Err(error) => {
            let _ = Diagnostics.write_all(format!("{error}\n").as_bytes());
            return ExitCode::from(EXIT_INVOCATION);
        }
    };
    let report = settings.report();
    // Nobody may be there to read it.
    let _ = stdout().write_all(report.text.as_bytes());
    ExitCode::from(if report.is_honoured { 0 } else { EXIT_PASSED_OVER })
}

/// `ringkeeper config migrate FILE [ENVIRONMENT…]`: the file on standard output, what became of everything on
/// standard error.
fn migrate(file: &Path, environment: &[&str]) -> ExitCode {
    let environment: Vec<PathBuf> = environment.iter().map(PathBuf::from).collect();
    match config::migrate(file, &environment) {
        Ok(migration) => {
            // Nobody may be there to read it.
            let _ = stdout().write_all(&migration.file);
            let _ = Diagnostics.write_all(migration.report.as_bytes());
            ExitCode::from(migration.code)
        }
        Err(error) => {
            let _ = Diagnostics.write_all(format!("{error}\n").as_bytes());
            ExitCode::from(EXIT_INVOCATION)
        }
    }
}

/// `ringkeeper recover-quorum …`.
fn recover_quorum(words: impl Iterator<Item = OsString>) -> ExitCode {
    let outcome = recovery::run(words);
    // Nobody may be there to read it.
    let _ = stdout().write_all(outcome.text.as_bytes());
    let _ = Diagnostics.write_all(outcome.error.as_bytes());
    ExitCode::from(outcome.code)
}

/// What somebody who has started it to see it wants to know.
fn greet(settings: &Settings) {
    // A start without arguments has one; there is nothing to say of a server without.
    let Some(Listen { port, .. }) = settings.client.listen else { return };
    let data = std::path::absolute(&settings.data_dir);
    let data = data.unwrap_or_else(|_| settings.data_dir.clone());
    let text = format!(
        "Ringkeeper, a ZooKeeper server\n\
         \x20 clients   port {port}, on every address of this machine\n\
         \x20 data      {}\n\
         \x20 try       rk -s localhost:{port} ls /    or: zkCli.sh -server localhost:{port}\n\
         \x20 settings  ringkeeper zoo.cfg             ringkeeper config check zoo.cfg says what holds\n\
         \x20 read      README.md, then tools/docs/tutorial.md; ringkeeper --help\n\
         \x20 stop      Ctrl-C; the data stays\n",
        data.display()
    );
    // Nobody may be there to read it.
    let _ = stdout().write_all(text.as_bytes());
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
        .with_writer(|| LogLines)
        // What the subscriber itself has to say of a failed line would go the way that failed.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
}
