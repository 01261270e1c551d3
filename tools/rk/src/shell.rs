//! Commands one after another: of the command line, of a script, of somebody who types
//! (org.apache.zookeeper.ZooKeeperMain).

use std::io::{BufRead, stdin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringkeeper::client::{ConnectString, Settings};
use serde_json::json;

use crate::args::Arguments;
use crate::client::Client;
use crate::commands::session::state_name;
use crate::commands::{Command, Context, listing};
use crate::connection::Connection;
use crate::contexts::{self, Auth};
use crate::error::{CliError, Fault};
use crate::login;
use crate::notices::{Feed, Printed};
use crate::out::{Ink, Out};
use crate::words::words;

/// Lines that `history` and `redo` know of; the first ones are forgotten beyond it.
const HISTORY: usize = 10_000;

/// ZooKeeperMain's server.
const SERVERS: &str = "localhost:2181";

/// Lines that `history` shows before the last.
const SHOWN: usize = 10;

/// Whether there is more to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    On,
    Quit,
}

/// A session and whoever gives commands.
pub(crate) struct Shell {
    arguments: Arguments,
    /// The connect string of the session.
    servers: String,
    /// The context's identity.
    auth: Option<Auth>,
    client: Client,
    feed: Arc<Feed>,
    out: Out,
    history: Vec<String>,
    /// Of the last command.
    exit_code: u8,
    is_watched: bool,
}

impl Shell {
    /// Begins a session. Whoever looks on may be shown progress.
    pub(crate) fn open(
        arguments: Arguments,
        printed: Printed,
        mut out: Out,
        is_watched: bool,
    ) -> Result<Shell, CliError> {
        let named = arguments.context.as_deref().map(contexts::find).transpose()?;
        let servers = arguments.server.clone();
        let servers = servers.or_else(|| named.as_ref().map(|named| named.server.clone()));
        let servers = servers.unwrap_or_else(|| SERVERS.to_owned());
        let auth = named.and_then(|named| named.auth);
        let feed = Feed::new(printed, arguments.json);
        if arguments.zkcli {
            out.line(format!("Connecting to {servers}"));
            out.flush();
        }
        let client = connect(&arguments, &servers, auth.as_ref(), &feed)?;
        Ok(Shell {
            servers,
            auth,
            arguments,
            client,
            feed,
            out,
            history: Vec::new(),
            exit_code: 0,
            is_watched,
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// ZooKeeperMain.getPrompt.
    pub(crate) fn prompt(&self) -> String {
        let state = state_name(self.client.connection().state());
        format!("[zk: {}({state}) {}] ", self.servers, self.history.len())
    }

    /// Every line of the standard input.
    pub(crate) fn script(&mut self) {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if self.line(&line) == Flow::Quit {
                return;
            }
        }
    }

    /// A line that was typed, or a script's.
    pub(crate) fn line(&mut self, line: &str) -> Flow {
        let words = words(line);
        if words.is_empty() {
            return Flow::On;
        }
        if self.history.len() >= HISTORY {
            self.history.remove(0);
        }
        self.history.push(line.to_owned());
        self.command(&words)
    }

    /// A command with its words.
    pub(crate) fn command(&mut self, words: &[String]) -> Flow {
        let done = match words.first().map(String::as_str) {
            Some("quit") => return Flow::Quit,
            _ => self.try_command(words),
        };
        self.exit_code = match &done {
            Ok(()) => 0,
            Err(error) => {
                self.print_error(error);
                error.exit_code()
            }
        };
        self.out.flush();
        Flow::On
    }

    fn print_error(&mut self, error: &CliError) {
        if matches!(error, CliError::Check { .. }) {
            return;
        }
        let text = match self.arguments.json {
            true => json!({ "error": error.to_string() }).to_string(),
            false => self.out.ink(Ink::Bad, &error.to_string()),
        };
        self.out.note(text);
    }

    fn try_command(&mut self, words: &[String]) -> Result<(), CliError> {
        let name = words.first().map_or("", String::as_str);
        let argument = words.get(1).map(String::as_str);
        match (name, argument) {
            ("help", _) => return self.help(),
            ("redo", Some(index)) => return self.redo(index),
            ("history", _) => self.print_history(),
            ("printwatches", None) => {
                let is_on = self.feed.is_printed.load(Ordering::SeqCst);
                self.out.line(format!("printwatches is {}", if is_on { "on" } else { "off" }));
                self.out.value(|| json!({ "printwatches": is_on }));
            }
            ("printwatches", Some(value)) => {
                self.feed.is_printed.store(value == "on", Ordering::SeqCst);
            }
            ("connect", servers) => {
                let servers = servers.unwrap_or(&self.servers).to_owned();
                self.client.close();
                self.servers.clone_from(&servers);
                let auth = self.auth.as_ref();
                self.client = connect(&self.arguments, &servers, auth, &self.feed)?;
            }
            ("redo", None) => {}
            _ => {
                let command = Command::find(name);
                let command = command.ok_or_else(|| self.not_found(name))?;
                if self.client.connection().state().is_alive() {
                    return self.run(command, words);
                }
            }
        }
        if !self.client.connection().state().is_alive() {
            self.out.line("Not connected");
        }
        Ok(())
    }

    fn run(&mut self, command: &'static Command, words: &[String]) -> Result<(), CliError> {
        let mut context = Context {
            client: &self.client,
            out: &mut self.out,
            servers: &self.servers,
            feed: &self.feed,
            is_watched: self.is_watched,
        };
        command.run(&mut context, words)
    }

    fn not_found(&mut self, name: &str) -> CliError {
        if !self.arguments.json {
            self.out.note("rk -s host:port cmd args");
            for (name, arguments) in listing() {
                self.out.note(format!("\t{name} {arguments}"));
            }
        }
        CliError::NotFound(name.to_owned())
    }

    fn help(&mut self) -> Result<(), CliError> {
        for (name, arguments) in listing() {
            let name = self.out.ink(Ink::Key, name);
            self.out.line(format!("{name} {arguments}"));
        }
        self.out.value(|| {
            let all = listing();
            json!(all.iter().map(|(n, a)| json!({ "name": n, "arguments": a })).collect::<Vec<_>>())
        });
        Ok(())
    }

    /// Runs a line again. The redo itself is remembered as that line.
    fn redo(&mut self, index: &str) -> Result<(), CliError> {
        let number = match index.strip_prefix("0x") {
            Some(hex) => usize::from_str_radix(hex, 16),
            None => index.parse(),
        };
        let number = number
            .map_err(|_| if index.starts_with('-') { Fault::Index } else { Fault::IndexNumber })?;
        let last = self.history.len().saturating_sub(1);
        let line = self.history.get(number).filter(|_| number < last).ok_or(Fault::Index)?.clone();
        let words = words(&line);
        if words.first().is_some_and(|word| word == "redo") {
            return Err(Fault::RedoRedo.into());
        }
        if let Some(own) = self.history.last_mut() {
            *own = line;
        }
        self.try_command(&words)
    }

    fn print_history(&mut self) {
        let from = self.history.len().saturating_sub(SHOWN + 1);
        for (at, line) in self.history.iter().enumerate().skip(from) {
            self.out.line(format!("{at} - {line}"));
        }
        self.out.value(|| json!({ "history": self.history }));
    }
}

/// Begins a session with these servers; waits for one if that was asked for. The identity goes before any
/// request; one that is refused ends the session, and the request says so.
fn connect(
    arguments: &Arguments,
    servers: &str,
    auth: Option<&Auth>,
    feed: &Arc<Feed>,
) -> Result<Client, CliError> {
    // For the order of servers: not all clients begin with the same one.
    let nanos =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let named = auth.map(login::from_context).transpose()?.flatten();
    let sasl = match &arguments.jaas {
        Some(file) => Some(login::from_file(file, &arguments.jaas_section)?),
        None => named.clone(),
    };
    let settings = Settings {
        timeout_ms: arguments.timeout,
        read_only: arguments.read_only,
        sasl,
        ..Settings::new(nanos ^ u64::from(std::process::id()) << 32)
    };
    let servers = ConnectString::parse(servers)?;
    let tls = arguments.tls.dialer()?;
    let connection =
        Connection::open(servers, settings, tls, feed.notify()).map_err(CliError::Thread)?;
    if let Some(auth) = auth.filter(|_| named.is_none()) {
        connection.authenticate(&auth.scheme, Some(auth.secret.as_bytes()))?;
    }
    let time = Duration::from_millis(arguments.timeout.unsigned_abs().into());
    if arguments.wait_for_connection && !connection.wait_until_connected(time) {
        return Err(Fault::NotConnected(arguments.timeout).into());
    }
    Ok(Client::new(connection))
}
