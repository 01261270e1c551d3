//! `rk`: ZooKeeper's command line, interactive and one-shot, on the client's core of the crate `ringkeeper`.
//!
//! * [`args`]: the command line; [`shell`]: commands one after another; [`typed`]: somebody types them
//! * [`commands`]: what they do; [`error`]: why they fail; [`out`]: what they print
//! * [`pages`]: completions, man pages, the reference
//! * [`contexts`]: names for servers; [`connection`], [`client`], [`notices`]: a session, calls, what is told without being asked for
//! * [`words`], [`options`], [`path`], [`acl`], [`quota_text`], [`stat`], [`hexdump`]: zkCli's texts
//! * [`walk`][]: subtrees; [`recipe`]: drives a recipe of the library; [`held`]: a command while something is held
//! * [`diff`]: two ensembles compared; [`offline`]: commands on a server's files, without a server
//! * [`admin`]: questions to admin servers; [`debug`]: what a maintainer needs to see; [`doctor`]: what this machine allows

mod acl;
mod admin;
mod args;
mod client;
mod commands;
mod connection;
mod contexts;
mod debug;
mod diff;
mod doctor;
mod error;
mod held;
mod hexdump;
mod login;
mod notices;
mod offline;
mod options;
mod out;
mod pages;
mod path;
mod quota_text;
mod recipe;
mod shell;
mod stat;
mod tls;
mod typed;
mod walk;
mod words;

use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, When, translate};
use error::CliError;
use notices::Printed;
use out::Out;
use shell::Shell;

/// What such a command does with its words, its name the first.
type Local = fn(&[String], &mut Out) -> Result<(), CliError>;

/// Commands that need no server.
const WITHOUT_SERVER: &[(&str, Local)] = &[
    ("completions", pages::completions),
    ("context", contexts::run),
    ("doctor", doctor::run),
    ("man", pages::man),
    ("reference", pages::reference),
];

fn without_server(run: Local, command: &[String], mut out: Out) -> ExitCode {
    let done = run(command, &mut out);
    out.flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.note(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(translate(std::env::args()));
    let is_seen = stdout().is_terminal();
    let has_colour = match arguments.color {
        When::Auto => is_seen && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        When::Always => true,
        When::Never => false,
    };
    let is_typed = arguments.command.is_empty() && stdin().is_terminal() && is_seen;
    let printed = match (arguments.zkcli, is_typed) {
        (true, _) => Printed::All,
        (false, true) => Printed::Later,
        (false, false) => Printed::Changes,
    };
    let out = Out::new(arguments.json, has_colour && !arguments.json);
    let command = arguments.command.clone();
    let name = command.first().map_or("", String::as_str);
    if let Some((_, run)) = WITHOUT_SERVER.iter().find(|(known, _)| *known == name) {
        return without_server(*run, &command, out);
    }
    if command.first().is_some_and(|name| offline::is_offline(name)) {
        return ExitCode::from(offline::run(&command, &mut Out::new(false, false)));
    }
    if command.first().is_some_and(|name| name == "diff") {
        return ExitCode::from(diff::run(&command, &mut Out::new(arguments.json, false)));
    }
    if command.first().is_some_and(|name| name == "word") {
        return ExitCode::from(commands::print_word(&command, &mut Out::new(false, false)));
    }
    let mut shell = match Shell::open(arguments, printed, out, stderr().is_terminal()) {
        Ok(shell) => shell,
        Err(error) => {
            // Nobody may be there to read it.
            let _ = writeln!(stderr(), "{error}");
            return ExitCode::from(error.exit_code());
        }
    };
    if !command.is_empty() {
        shell.command(&command);
    } else if is_typed {
        typed::run(&mut shell);
    } else {
        shell.script();
    }
    shell.client().close();
    ExitCode::from(shell.exit_code())
}
