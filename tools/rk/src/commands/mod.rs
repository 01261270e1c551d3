//! The commands. Those of zkCli are here with its options, texts and exit codes; each names its Java class
//! (org.apache.zookeeper.cli). Ours read their options as other programs do.
//!
//! * [`read`]: get, ls, stat, getAcl, getEphemerals, getAllChildrenNumber, sync
//! * [`write`]: create, set, delete, deleteall, setAcl
//! * [`quota`]: setquota, listquota, delquota; [`ensemble`]: config, reconfig
//! * [`session`]: addauth, whoami, addWatch, removewatches, close, version
//! * [`recipes`]: lock, elect, semaphore, barrier, queue, counter, group, service, config watch
//! * [`survey`]: find, tree; [`subtree`]: cp, mv, export, import; [`live`]: watch;
//!   [`servers`]: status, check; [`top`]: top; [`slow`]: slow; `debug`: [`crate::debug`]

mod ensemble;
mod live;
mod quota;
mod read;
mod recipes;
mod servers;
pub(crate) mod session;
mod slow;
mod subtree;
mod survey;
mod top;
mod write;

use crate::client::Client;
use crate::error::CliError;
use crate::notices::Feed;
use crate::options::{Group, Opt, Parsed, parse};
use crate::out::Out;

/// What a command has at hand.
pub(crate) struct Context<'a> {
    pub(crate) client: &'a Client,
    pub(crate) out: &'a mut Out,
    /// The connect string, as it was given.
    pub(crate) servers: &'a str,
    /// Changes that are heard of.
    pub(crate) feed: &'a Feed,
    /// Whether somebody looks on, who may be shown progress.
    pub(crate) is_watched: bool,
}

pub(crate) use servers::{print_word, word as ask_word};

type Done = Result<(), CliError>;

/// How a command reads what stands behind it.
pub(crate) enum Run {
    /// As zkCli's commands do.
    Java(fn(&mut Context<'_>, &Parsed) -> Done),
    /// The same, and a third word stands for the option -w (retainCompatibility).
    JavaWatch(fn(&mut Context<'_>, &Parsed) -> Done),
    /// As zkCli's, but for one word behind the name, with which it is a command of ours.
    JavaOr(
        fn(&mut Context<'_>, &Parsed) -> Done,
        &'static str,
        fn(&mut Context<'_>, &[String]) -> Done,
    ),
    /// By itself.
    Own(fn(&mut Context<'_>, &[String]) -> Done),
}

/// One command.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What stands behind it in usages.
    pub(crate) arguments: &'static str,
    options: &'static [Opt],
    group: Group,
    /// Whether its usage lists the options.
    lists_options: bool,
    /// Words, its name included: at least, at most.
    words: (usize, usize),
    run: Run,
    /// Its command line, as clap has it, of one of ours that says so.
    line: Option<fn() -> clap::Command>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const ANY: usize = usize::MAX;

/// A command of zkCli's.
const fn java(
    name: &'static str,
    arguments: &'static str,
    options: &'static [Opt],
    words: (usize, usize),
    run: fn(&mut Context<'_>, &Parsed) -> Done,
) -> Command {
    let run = Run::Java(run);
    Command {
        name,
        arguments,
        options,
        group: Group::None,
        lists_options: false,
        words,
        run,
        line: None,
    }
}

/// A command of ours.
const fn own(
    name: &'static str,
    arguments: &'static str,
    run: fn(&mut Context<'_>, &[String]) -> Done,
) -> Command {
    Command {
        name,
        arguments,
        options: &[],
        group: Group::None,
        lists_options: false,
        words: (0, ANY),
        run: Run::Own(run),
        line: None,
    }
}

/// The shell's own commands, which need no server.
pub(crate) const SHELL: &[(&str, &str)] = &[
    ("connect", "host:port"),
    ("history", ""),
    ("printwatches", "on|off"),
    ("quit", ""),
    ("redo", "cmdno"),
];

/// Every other command. `rmr`, which 3.9 has no more, is deleteall.
pub(crate) static COMMANDS: &[Command] = &[
    java("addWatch", session::ADD_WATCH, session::ADD_WATCH_OPTIONS, (2, 2), session::add_watch),
    java("addauth", "scheme auth", &[], (2, ANY), session::add_auth),
    own("barrier", "set|remove|wait|double path ...", recipes::barrier)
        .with(recipes::lines::barrier),
    own("check", "[--local] [--warn ms] [--critical ms]", servers::check).with(servers::check_line),
    java("close", "", &[], (0, ANY), session::close),
    Command {
        run: Run::JavaOr(ensemble::config, "watch", recipes::config_watch),
        ..java("config", "[-c] [-w] [-s]", ensemble::CONFIG, (1, ANY), ensemble::config)
    },
    own("counter", "[--add n | --set n] path", recipes::counter).with(recipes::lines::counter),
    own("cp", "[--no-acl] source target", subtree::cp).with(subtree::cp_line),
    java("create", write::CREATE_USAGE, write::CREATE, (2, ANY), write::create),
    own("debug", "bundle [--config file] [--log file] ...", debug).with(crate::debug::line),
    java("delete", "[-v version] path", write::DELETE, (2, ANY), write::delete),
    java("deleteall", "path [-b batch size]", write::DELETE_ALL, (2, ANY), write::delete_all),
    Command {
        group: Group::AtMostOne,
        ..java("delquota", "[-n|-b|-N|-B] path", quota::DELETE, (2, ANY), quota::delete)
    },
    own("elect", "path -- command", recipes::elect).with(recipes::lines::elect),
    own("export", "path", subtree::export).with(subtree::export_line),
    own("find", "[path] [--name pattern] [--size n] ...", survey::find).with(survey::find_line),
    Command {
        lists_options: true,
        run: Run::JavaWatch(read::get),
        ..java("get", "[-s] [-w] [-b] [-x] path", read::GET, (2, ANY), read::get)
    },
    java("getAcl", "[-s] path", read::STATS, (2, ANY), read::get_acl),
    java("getAllChildrenNumber", "path", &[], (2, ANY), read::all_children_number),
    java("getEphemerals", "path", &[], (1, ANY), read::ephemerals),
    own("group", "join|ls path ...", recipes::group).with(recipes::lines::group),
    own("import", "[--overwrite] [file]", subtree::import).with(subtree::import_line),
    java("listquota", "path", &[], (2, ANY), quota::list),
    own("lock", "[--read | --write] path -- command", recipes::lock).with(recipes::lines::lock),
    Command {
        run: Run::JavaWatch(read::ls),
        ..java("ls", "[-s] [-w] [-R] path", read::LS, (0, ANY), read::ls)
    },
    own("mv", "source target", subtree::mv).with(subtree::mv_line),
    own("queue", "put|take path ...", recipes::queue).with(recipes::lines::queue),
    java("reconfig", ensemble::RECONFIG_USAGE, ensemble::RECONFIG, (0, ANY), ensemble::reconfig),
    java("removewatches", "path [-c|-d|-a] [-l]", session::REMOVE, (2, ANY), session::remove),
    java("rmr", "path [-b batch size]", write::DELETE_ALL, (2, ANY), write::rmr),
    own("semaphore", "[--leases n] path -- command", recipes::semaphore)
        .with(recipes::lines::semaphore),
    own("service", "register|discover path name ...", recipes::service)
        .with(recipes::lines::service),
    Command {
        lists_options: true,
        ..java("set", "path data [-s] [-v version] [-b]", write::SET, (3, ANY), write::set)
    },
    java("setAcl", "[-s] [-v version] [-R] path acl", write::SET_ACL, (3, ANY), write::set_acl),
    Command {
        group: Group::ExactlyOne,
        ..java("setquota", "-n|-b|-N|-B val path", quota::SET, (2, ANY), quota::set)
    },
    own("slow", "[--admin addresses] [--count n] [--local]", slow::slow).with(slow::line),
    Command {
        run: Run::JavaWatch(read::stat),
        ..java("stat", "[-w] path", read::STAT, (2, ANY), read::stat)
    },
    own("status", "", servers::status).with(servers::status_line),
    java("sync", "path", &[], (2, ANY), read::sync),
    own("top", "[--every seconds] [--count n] [--local]", top::top).with(top::line),
    own("tree", "[path] [--size] [--depth levels]", survey::tree).with(survey::tree_line),
    java("version", "", &[], (0, 1), session::version),
    own("watch", "[-r] [--count n] path", live::watch).with(live::watch_line),
    java("whoami", "", &[], (0, ANY), session::who_am_i),
];

/// `debug`: what servers and this machine say of themselves, in one file.
fn debug(context: &mut Context<'_>, words: &[String]) -> Done {
    crate::debug::run(context.servers, words, context.out)
}

/// Names and what stands behind them, by name as Java sorts (ZooKeeperMain.usage).
pub(crate) fn listing() -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<(&str, &str)> = SHELL.to_vec();
    all.extend(COMMANDS.iter().map(|command| (command.name, command.arguments)));
    all.sort_unstable();
    all
}

impl Command {
    /// With its command line, for completions and pages.
    const fn with(self, line: fn() -> clap::Command) -> Command {
        Command { line: Some(line), ..self }
    }

    pub(crate) fn find(name: &str) -> Option<&'static Command> {
        COMMANDS.iter().find(|command| command.name == name)
    }

    /// CliCommand.getUsageStr.
    pub(crate) fn usage(&self) -> String {
        let mut text = format!("{} {}", self.name, self.arguments);
        if self.lists_options {
            text.push('\n');
            text.push_str(&self.option_lines());
            text.push('\n');
        }
        text
    }

    /// org.apache.commons.cli.HelpFormatter.printOptions.
    fn option_lines(&self) -> String {
        let shown = |opt: &Opt| match opt.takes_value {
            true => format!("-{} <arg>", opt.name),
            false => format!("-{}", opt.name),
        };
        let width = self.options.iter().map(|opt| shown(opt).len()).max().unwrap_or(0);
        let mut options: Vec<&Opt> = self.options.iter().collect();
        options.sort_by_key(|opt| opt.name.to_lowercase());
        let line = |opt: &&Opt| format!(" {:<width$}   {}", shown(opt), opt.about);
        options.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// As clap has it: its own line, or one made of zkCli's options. Options of several letters behind one hyphen
    /// are none of clap's, and are listed in the text.
    pub(crate) fn clap(&self) -> clap::Command {
        if let Some(line) = self.line {
            return line();
        }
        let usage = format!("{} {}", self.name, self.arguments);
        let mut command = clap::Command::new(self.name)
            .override_usage(usage.trim_end().to_owned())
            .disable_help_flag(true);
        let mut long = Vec::new();
        for opt in self.options {
            let mut letters = opt.name.chars();
            match (letters.next(), letters.next()) {
                (Some(letter), None) => {
                    let action = match opt.takes_value {
                        true => clap::ArgAction::Set,
                        false => clap::ArgAction::SetTrue,
                    };
                    let arg = clap::Arg::new(opt.name).short(letter).help(opt.about);
                    command = command.arg(arg.action(action));
                }
                _ => long.push(format!("-{} <{}>  {}", opt.name, opt.name, opt.about)),
            }
        }
        if !long.is_empty() {
            command = command.after_help(long.join("\n"));
        }
        command.arg(clap::Arg::new("words").num_args(0..).hide(true))
    }

    /// Runs it with its words, its name the first.
    pub(crate) fn run(&'static self, context: &mut Context<'_>, words: &[String]) -> Done {
        let run = match &self.run {
            Run::Own(run) => return run(context, words),
            Run::JavaOr(_, word, run) if words.get(1).is_some_and(|second| second == word) => {
                return run(context, &words[1..]);
            }
            Run::Java(run) | Run::JavaWatch(run) | Run::JavaOr(run, ..) => run,
        };
        let mut parsed = parse(self.options, self.group, words)?;
        let (least, most) = self.words;
        if parsed.args.len() < least || parsed.args.len() > most {
            return Err(CliError::Usage(self));
        }
        if matches!(self.run, Run::JavaWatch(_)) && parsed.args.len() > 2 {
            context.out.note(format!(
                "'{} path [watch]' has been deprecated. Please use '{}' instead.",
                self.name,
                match self.name {
                    "get" => "get [-s] [-w] path",
                    "ls" => "ls [-w] path",
                    _ => "stat [-w] path",
                }
            ));
            let mut words = words.to_vec();
            if let Some(third) = words.get_mut(2) {
                *third = "-w".into();
            }
            parsed = parse(self.options, self.group, &words)?;
        }
        run(context, &parsed)
    }
}
