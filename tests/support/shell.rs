//! A command line shell with its streams: Java's zkCli, or one that is to print the same.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::server::java;

/// Printed after each command, by a command that asks the server nothing.
pub const MARK: (&str, &str) = ("printwatches", "printwatches is o");

/// Java's shell for this server.
pub fn zkcli(port: u16) -> Command {
    let mut command = java("org.apache.zookeeper.ZooKeeperMain");
    command.args(["-server", &format!("127.0.0.1:{port}")]);
    command
}

/// A shell with its streams.
pub struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Receiver<(bool, String)>,
    port: u16,
}

impl Shell {
    /// Starts one that says when it is connected.
    pub fn open(mut command: Command, port: u16) -> Shell {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let (sender, lines) = channel();
        let streams: [(bool, Box<dyn Read + Send>); 2] = [
            (false, Box::new(child.stdout.take().unwrap())),
            (true, Box::new(child.stderr.take().unwrap())),
        ];
        for (is_error, stream) in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send((is_error, line)).is_err() {
                        return;
                    }
                }
            });
        }
        let input = child.stdin.take().unwrap();
        let mut shell = Shell { child, input, lines, port };
        shell.until("WatchedEvent state:SyncConnected");
        shell.run("");
        shell
    }

    /// Runs a command and returns what it printed, errors last.
    pub fn run(&mut self, command: &str) -> Vec<String> {
        writeln!(self.input, "{command}\n{}", MARK.0).expect("the shell lives");
        self.until(MARK.1)
    }

    /// Collects lines to the one that contains `end`.
    pub fn until(&mut self, end: &str) -> Vec<String> {
        let (mut printed, mut errors) = (Vec::new(), Vec::new());
        loop {
            match self.lines.recv_timeout(Duration::from_secs(30)) {
                Ok((false, line)) if line.contains(end) => {
                    if end != MARK.1 {
                        printed.push(plain(&line, self.port));
                    }
                    break;
                }
                Ok((false, line)) => printed.push(plain(&line, self.port)),
                Ok((true, line)) => errors.push(plain(&line, self.port)),
                Err(RecvTimeoutError::Timeout) => {
                    printed.push(format!("NOTHING MORE, and no {end:?}"));
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    printed.push("THE SHELL ENDED".into());
                    break;
                }
            }
        }
        // The error stream is another pipe: what it still carries comes within a moment.
        while let Ok((is_error, line)) = self.lines.recv_timeout(Duration::from_millis(60)) {
            if is_error { &mut errors } else { &mut printed }.push(plain(&line, self.port));
        }
        // Events are printed by a thread of their own, before or after the mark.
        let is_event =
            |line: &String| line.starts_with("WATCHER::") || line.starts_with("WatchedEvent");
        let (events, mut printed): (Vec<_>, Vec<_>) = printed.into_iter().partition(is_event);
        printed.extend(events);
        printed.extend(errors.into_iter().map(|line| format!("error: {line}")));
        printed.retain(|line| !line.trim().is_empty());
        printed
    }

    pub fn quit(mut self) {
        let _ = writeln!(self.input, "quit");
        let _ = self.child.wait();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line without what differs from run to run: times, session ids, the port.
pub fn plain(line: &str, port: u16) -> String {
    let line = line.replace(&format!(":{port}"), ":PORT");
    // Prompts stand before what the next command prints, or alone before an event.
    let mut line = line.as_str();
    while let Some((prompt, rest)) = line.split_once("] ") {
        if !prompt.starts_with("[zk: ") {
            break;
        }
        line = rest;
    }
    let line = line.to_string();
    for key in ["ctime = ", "mtime = "] {
        if line.starts_with(key) {
            let year = line.rsplit(' ').next().unwrap_or_default();
            return format!("{key}THEN {}", if year == "1970" { year } else { "" });
        }
    }
    match line.strip_prefix("ephemeralOwner = 0x") {
        Some(owner) if owner != "0" => "ephemeralOwner = SESSION".into(),
        _ => line,
    }
}
