//! Commands that work on a server's files, through the server's own readers: no second parser, so what they
//! say is what a start would find. Nothing here asks a server, and nothing is taken for whole that is not.
//!
//! * [`log`]: dump, recover, chop (org.apache.zookeeper.server.persistence.TxnLogToolkit) and verify;
//!   [`txn_text`]: a transaction as its text; [`padding`]: how long a recovered file is
//! * [`snapshot`]: format and json (SnapshotFormatter), compare (SnapshotComparer), summary
//!   (SnapshotRecursiveSummary) and verify, on [`tree`]; [`order`]: the order in which Java walks its sets
//! * [`folder`]: a whole folder, as a start would read it, through an overlay, which writes nothing
//! * [`convert`], [`purge`]: a snapshot packed otherwise; what nobody needs any more
//! * [`fault`]: why they fail, with the toolkits' texts and exit codes; [`usage`]: their help

mod convert;
mod fault;
mod folder;
mod log;
mod order;
mod padding;
mod purge;
mod snapshot;
mod tree;
mod txn_text;
mod usage;

use std::path::Path;
use std::sync::Arc;

use ringkeeper::disk::{Access, Dir, File, RealDir};
use ringkeeper::types::limits;

use crate::out::Out;
use fault::OfflineError;

/// Whether the command is one of these.
pub(crate) fn is_offline(name: &str) -> bool {
    matches!(name, "log" | "snapshot" | "verify" | "convert" | "purge")
}

/// Carries it out and gives the process's exit code.
pub(crate) fn run(command: &[String], out: &mut Out) -> u8 {
    let (command, limit) = match limit(command) {
        Ok(split) => split,
        Err(error) => return fail(out, &error),
    };
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let rest = command.get(2..).unwrap_or_default();
    let done = match words[..] {
        ["log", "dump", ..] => log::toolkit(rest, None, limit, out),
        ["log", "recover", ..] => log::toolkit(rest, Some("-r"), limit, out),
        ["log", "chop", ..] => log::toolkit(rest, Some("-c"), limit, out),
        ["log", "verify", ..] => log::verify(rest, limit, out),
        ["snapshot", "format", ..] => snapshot::format(rest, limit, out),
        ["snapshot", "json", ..] => snapshot::json(rest, limit, out),
        ["snapshot", "compare", ..] => snapshot::compare(rest, limit, out),
        ["snapshot", "summary", ..] => snapshot::summary(rest, limit, out),
        ["snapshot", "verify", ..] => snapshot::verify(rest, limit, out),
        ["verify", ..] => folder::verify(&command[1..], limit, out),
        ["convert", ..] => convert::convert(&command[1..], limit, out),
        ["purge", ..] => purge::purge(&command[1..], out),
        _ => Err(OfflineError::Usage { text: usage::OVERVIEW.to_owned(), code: 2 }),
    };
    out.flush();
    match done {
        Ok(()) => 0,
        Err(error) => fail(out, &error),
    }
}

/// clap's texts and exit codes: help that was asked for is a result.
fn arguments(error: clap::Error) -> OfflineError {
    let (text, code) = (error.to_string(), u8::try_from(error.exit_code()).unwrap_or(2));
    match error.use_stderr() {
        true => OfflineError::Usage { text, code },
        false => OfflineError::Help { text, code },
    }
}

fn fail(out: &mut Out, error: &OfflineError) -> u8 {
    match error {
        // Help that was asked for, or that Java prints where it prints results.
        OfflineError::Help { text, .. } => out.line(text),
        OfflineError::HelpFor { error, text, .. } => {
            out.note(format_args!("{error}"));
            out.line(text);
        }
        // All was said.
        OfflineError::Found => {}
        other => out.note(other),
    }
    out.flush();
    error.exit_code()
}

/// `--max-buffer N` behind the first word: the files' `jute.maxbuffer`. An extra size as large comes on top,
/// as in a server (BinaryInputArchive).
fn limit(command: &[String]) -> Result<(Vec<String>, usize), OfflineError> {
    let mut rest = command.to_vec();
    if rest.get(1).is_none_or(|word| word != "--max-buffer") {
        return Ok((rest, limits::READ_DEFAULT));
    }
    let text = rest.get(2).cloned().unwrap_or_default();
    let bytes: usize = text.parse().map_err(|_| OfflineError::MaxBuffer(text))?;
    rest.drain(1..3);
    Ok((rest, bytes.saturating_mul(2)))
}

/// The folder that a file is in, and its name there.
fn place(path: &str) -> Result<(Arc<RealDir>, String), OfflineError> {
    let io = |error| OfflineError::Io { file: path.to_owned(), error };
    let nameless = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "it names no file");
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(nameless).map_err(io)?;
    let folder = match Path::new(path).parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    Ok((Arc::new(RealDir::open(folder).map_err(io)?), name.to_owned()))
}

fn open(path: &str) -> Result<Arc<dyn File>, OfflineError> {
    let (dir, name) = place(path)?;
    dir.open(&name, Access::Read).map_err(|error| OfflineError::Io { file: path.to_owned(), error })
}
