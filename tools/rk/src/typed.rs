//! Somebody types: line editing, a history that outlives the shell, completion of commands and paths
//! (org.apache.zookeeper.JLineZNodeCompleter).

use std::fs::create_dir_all;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustyline::completion::Completer;
use rustyline::config::Config;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{
    CompletionType, Context, Editor, ExternalPrinter, Helper, Highlighter, Hinter, Validator,
};

use crate::client::Client;
use crate::commands::listing;
use crate::path::join;
use crate::shell::{Flow, Shell};

/// Lines of the history that is kept.
const HISTORY: usize = 1000;

/// The first prompt waits so long for a server, to say that it is connected.
const FIRST_SERVER: Duration = Duration::from_secs(1);

/// Completes from the session that is now.
#[derive(Helper, Hinter, Highlighter, Validator)]
struct Names {
    client: Arc<Mutex<Client>>,
}

impl Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..at).unwrap_or(line);
        let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let word = &before[start..];
        let found = match word.starts_with('/') {
            true => self.paths(word),
            false => listing()
                .into_iter()
                .filter(|(name, _)| name.starts_with(word))
                .map(|(name, _)| name.to_owned())
                .collect(),
        };
        Ok((start, found))
    }
}

impl Names {
    /// Nodes whose path begins so; none where the server does not say.
    fn paths(&self, word: &str) -> Vec<String> {
        let slash = word.rfind('/').unwrap_or(0);
        let (parent, begin) = (&word[..slash.max(1)], &word[slash + 1..]);
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if !client.connection().state().is_connected() {
            return Vec::new();
        }
        let names = client.children(parent, false).map_or_else(|_| Vec::new(), |(names, _)| names);
        let mut paths: Vec<String> =
            names.iter().filter(|name| name.starts_with(begin)).map(|n| join(parent, n)).collect();
        paths.sort();
        paths
    }
}

/// Whether a line may be kept on disk: passwords may not.
fn is_secret(line: &str) -> bool {
    line.trim_start().starts_with("addauth") || line.contains("digest:") || line.contains("auth:")
}

/// Where the history is kept, by the XDG base directories.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let folder = state.map(PathBuf::from).or_else(home)?.join("ringkeeper");
    create_dir_all(&folder).ok()?;
    Some(folder.join("rk_history"))
}

/// Reads lines until the shell is left. Without a terminal that can be edited on they are read as a
/// script's are.
pub(crate) fn run(shell: &mut Shell) {
    let Some((mut editor, file)) = editor() else { return shell.script() };
    let client = Arc::new(Mutex::new(shell.client().clone()));
    editor.set_helper(Some(Names { client: Arc::clone(&client) }));
    if let Ok(mut printer) = editor.create_external_printer() {
        // A terminal that is gone is noticed by the next line.
        shell.feed().print_by(Box::new(move |text| drop(printer.print(format!("{text}\n")))));
    }
    shell.client().connection().wait_until_connected(FIRST_SERVER);
    loop {
        let line = match editor.readline(&shell.prompt()) {
            Ok(line) => line,
            // The line is given up, not the shell.
            Err(ReadlineError::Interrupted) => continue,
            Err(_) => break,
        };
        if !line.trim().is_empty() && !is_secret(&line) {
            // A history that cannot be kept keeps nobody from working.
            let _ = editor.add_history_entry(line.as_str());
        }
        if shell.line(&line) == Flow::Quit {
            break;
        }
        *client.lock().unwrap_or_else(PoisonError::into_inner) = shell.client().clone();
    }
    if let Some(file) = file {
        let _ = editor.save_history(&file);
    }
    // The editor's printer ends with the editor.
    shell.feed().print_by(Box::new(|_| {}));
}

type Lines = Editor<Names, FileHistory>;

fn editor() -> Option<(Lines, Option<PathBuf>)> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(HISTORY)
        .ok()?
        .build();
    let mut editor = Lines::with_config(config).ok()?;
    let file = history_file();
    if let Some(file) = &file {
        // There is none before the first time.
        let _ = editor.load_history(file);
    }
    Some((editor, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_kept() {
        assert!(is_secret(" addauth digest me:secret"));
        assert!(is_secret("setAcl /a auth:me:secret:r") && is_secret("create /a b digest:u:p:r"));
        assert!(!is_secret("get /a"));
    }
}
