//! What is made of the command lines: completions, man pages, the reference.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use crate::args::Arguments;
use crate::commands::{COMMANDS, SHELL};
use crate::contexts;
use crate::doctor;
use crate::error::CliError;
use crate::out::Out;

/// Columns of the texts.
const WIDTH: usize = 100;

/// Prints what a shell completes rk's command lines by, or the server's.
///
/// bash: rk completions bash > /usr/share/bash-completion/completions/rk
#[derive(Parser, Debug)]
#[command(name = "completions")]
struct Completions {
    /// Of the server, ringkeeper, in place of rk
    #[arg(long)]
    server: bool,
    shell: Shell,
}

/// Writes the man pages of rk, of each of its commands, and of the server into a folder.
#[derive(Parser, Debug)]
#[command(name = "man")]
struct Man {
    folder: PathBuf,
}

/// Prints rk's reference as tools/docs/rk.md has it.
#[derive(Parser, Debug)]
#[command(name = "reference")]
struct Reference {
    /// The names of the commands alone
    #[arg(long)]
    names: bool,
}

/// rk with all of its commands, as clap knows subcommands.
fn rk() -> clap::Command {
    let own = Arguments::command();
    let options = own.get_arguments().filter(|arg| arg.get_id() != "command").cloned();
    let mut rk = clap::Command::new("rk")
        .version(env!("CARGO_PKG_VERSION"))
        .about(own.get_about().cloned().unwrap_or_default())
        .long_about(own.get_long_about().cloned().unwrap_or_default())
        .term_width(WIDTH)
        .args(options);
    let mut all: Vec<clap::Command> = COMMANDS.iter().map(|command| command.clap()).collect();
    all.extend([contexts::line(), doctor::line()]);
    all.extend([Completions::command(), Man::command()]);
    let shell = SHELL.iter().map(|(name, words)| {
        let usage = format!("{name} {words}");
        clap::Command::new(*name)
            .override_usage(usage.trim_end().to_owned())
            .disable_help_flag(true)
            .arg(clap::Arg::new("words").num_args(0..).hide(true))
    });
    all.extend(shell);
    all.sort_by(|a, b| a.get_name().cmp(b.get_name()));
    for command in all {
        rk = rk.subcommand(command.term_width(WIDTH));
    }
    rk.disable_help_subcommand(true)
}

/// `rk completions`.
pub(crate) fn completions(words: &[String], out: &mut Out) -> Result<(), CliError> {
    let line = Completions::try_parse_from(words)?;
    let (mut command, name) = match line.server {
        true => (ringkeeper::config::Arguments::command(), "ringkeeper"),
        false => (rk(), "rk"),
    };
    let mut bytes = Vec::new();
    clap_complete::generate(line.shell, &mut command, name, &mut bytes);
    out.line(String::from_utf8_lossy(&bytes).trim_end());
    Ok(())
}

/// `rk man`.
pub(crate) fn man(words: &[String], _: &mut Out) -> Result<(), CliError> {
    let line = Man::try_parse_from(words)?;
    std::fs::create_dir_all(&line.folder).map_err(|error| file_error(&line.folder, error))?;
    let rk = rk();
    for command in rk.get_subcommands() {
        let words = format!("rk {}", command.get_name());
        let name = words.replace(' ', "-");
        let command = command.clone().display_name(name.clone()).bin_name(words);
        page(&line.folder, &name, command)?;
    }
    page(&line.folder, "rk", rk)?;
    page(&line.folder, "ringkeeper", ringkeeper::config::Arguments::command())
}

fn file_error(file: &Path, error: io::Error) -> CliError {
    CliError::File { file: file.display().to_string(), error }
}

fn page(folder: &Path, name: &str, command: clap::Command) -> Result<(), CliError> {
    let file = folder.join(format!("{name}.1"));
    let mut bytes = Vec::new();
    let rendered = clap_mangen::Man::new(command).title(name).render(&mut bytes);
    rendered.and_then(|()| std::fs::write(&file, &bytes)).map_err(|error| file_error(&file, error))
}

/// `rk reference`.
pub(crate) fn reference(words: &[String], out: &mut Out) -> Result<(), CliError> {
    if Reference::try_parse_from(words)?.names {
        for command in rk().get_subcommands() {
            out.line(command.get_name());
        }
        return Ok(());
    }
    out.line(markdown().trim_end());
    Ok(())
}

fn plain(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn markdown() -> String {
    let mut text = String::from(
        "# `rk`\n\nMade by `rk reference` of the command lines themselves; a test compares. README.md \
         has an\nintroduction, tools/docs/tutorial.md examples.\n\n",
    );
    let mut rk = rk();
    let long = rk.get_long_about().or(rk.get_about()).cloned();
    block(&mut text, &plain(long.as_ref()));
    let options = rk.clone();
    let mut bare = clap::Command::new("rk").term_width(WIDTH).args(options.get_arguments());
    block(&mut text, &help(&mut bare));
    text.push_str("## Commands\n\n");
    for command in rk.get_subcommands_mut() {
        let name = command.get_name().to_owned();
        let _ = writeln!(text, "### `{name}`\n");
        if let Some(about) = abouts(&name) {
            let _ = writeln!(text, "{about}\n");
        }
        block(&mut text, &help(command));
        for part in command.get_subcommands_mut().filter(|part| part.get_name() != "help") {
            let _ = writeln!(text, "#### `{name} {}`\n", part.get_name());
            let mut part =
                part.clone().term_width(WIDTH).bin_name(format!("{name} {}", part.get_name()));
            block(&mut text, &help(&mut part));
        }
    }
    text
}

/// What zkCli's commands do, which say it nowhere themselves.
fn abouts(name: &str) -> Option<&'static str> {
    const ABOUTS: &[(&str, &str)] = &[
        ("addWatch", "Watches a node for good, with all beneath it unless the mode is PERSISTENT."),
        ("addauth", "Proves an identity, to this server and to every later one of the session."),
        ("close", "Closes the session."),
        (
            "config",
            "Prints the members of the ensemble; `config watch PATH` follows a node's data.",
        ),
        ("connect", "Begins another session."),
        (
            "create",
            "Makes a node: `-s` with a number, `-e` for the session's time, `-c` a container, `-t` for so many milliseconds.",
        ),
        ("delete", "Deletes a node without children, of this version if one is given."),
        ("deleteall", "Deletes a node and all beneath it."),
        ("delquota", "Removes a quota, or a part of it."),
        ("get", "Prints a node's data; `-s` its Stat, too."),
        ("getAcl", "Prints a node's access list."),
        ("getAllChildrenNumber", "Counts all nodes beneath a node."),
        ("getEphemerals", "Lists the session's own ephemerals beneath a path."),
        ("history", "Lists the last commands."),
        ("listquota", "Prints a node's quota and what is used of it."),
        ("ls", "Lists a node's children; `-R` all beneath it."),
        ("printwatches", "Prints changes of watched nodes, or does not."),
        ("quit", "Leaves the shell."),
        ("reconfig", "Changes the members of the ensemble."),
        ("redo", "Runs a command of the history again."),
        ("removewatches", "Removes watches; `-l` here alone, where no server answers."),
        ("rmr", "The old name of deleteall."),
        ("set", "Writes a node's data, if it has this version where one is given."),
        ("setAcl", "Writes a node's access list; `-R` of all beneath it, too."),
        (
            "setquota",
            "Limits the nodes or the bytes beneath a node: `-N` and `-B` refuse more, `-n` and `-b` warn in the log.",
        ),
        ("stat", "Prints a node's Stat."),
        ("sync", "Waits until the server has what the leader has."),
        ("version", "Prints rk's version."),
        ("whoami", "Prints the session's identities."),
    ];
    ABOUTS.iter().find(|(known, _)| *known == name).map(|(_, about)| *about)
}

fn help(command: &mut clap::Command) -> String {
    let text = command.render_long_help().to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn block(text: &mut String, inside: &str) {
    let _ = writeln!(text, "```text\n{}\n```\n", inside.trim_end());
}
