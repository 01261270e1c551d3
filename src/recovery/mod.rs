//! A quorum that is lost for good: `ringkeeper recover-quorum`, which makes an ensemble of the servers that
//! are left. It runs while no server does, and looks before it writes.
//!
//! ```text
//!   on each survivor    recover-quorum --config zoo.cfg --describe      one line: how far its files go
//!   on each survivor    recover-quorum --config zoo.cfg --survivor "LINE of another" …
//!                       says what may be lost; with --write it changes this survivor's configuration
//! ```
//!
//! Every survivor is given the same lines, so each writes the same members under the same version. Data is
//! read through [`crate::disk::Overlay`] and not touched: the first election among the survivors chooses the
//! newest, and it brings the others up to date, as any election does.
//!
//! * [`arguments`]: the command line
//! * [`read`]: a data directory → a survivor, as a start would find it; [`summary`]: the same in one line
//! * [`ask`]: whether anybody answers at the members' ports
//! * [`report`]: what is said; [`error`]: why nothing is done
//!
//! [`crate::membership::lost_quorum`] judges.

mod arguments;
mod ask;
mod error;
mod read;
mod report;
mod summary;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap::Parser;

use crate::config::{EnsembleSettings, Settings, flags_from_environment};
use crate::disk::lock::DirLock;
use crate::history::ConfigFile;
use crate::membership::lost_quorum::{Recovery, Survivor, recover};
use crate::types::ServerId;
use arguments::{Arguments, Named};
use ask::Asked;
use error::RecoveryError;
use report::Findings;

/// What comes of it: lines for people, and the exit code.
#[derive(Debug)]
pub struct Outcome {
    /// For standard output.
    pub text: String,
    /// For standard error; empty where nothing is wrong.
    pub error: String,
    /// 0: done, or could be done. 1: refused. 2: not understood.
    pub code: u8,
}

/// A survivor's configuration file on this machine.
struct Local {
    settings: Settings,
    ensemble: EnsembleSettings,
}

/// All that the decision stands on.
struct Found {
    locals: Vec<Local>,
    survivors: Vec<Survivor>,
    /// As long as files are looked at and written, no server of ours starts on them.
    locks: Vec<DirLock>,
}

/// `ringkeeper recover-quorum`, with the words behind that name.
pub fn run(words: impl Iterator<Item = OsString>) -> Outcome {
    let name = OsString::from("ringkeeper recover-quorum");
    let arguments = match Arguments::try_parse_from(std::iter::once(name).chain(words)) {
        Ok(arguments) => arguments,
        Err(error) => return Outcome::of_clap(&error),
    };
    let mut text = String::new();
    match carry_out(&arguments, &mut text) {
        Ok(()) => Outcome { text, error: String::new(), code: 0 },
        Err(error) => Outcome { text, error: format!("{error}\n"), code: error.exit_code() },
    }
}

impl Outcome {
    fn of_clap(error: &clap::Error) -> Outcome {
        let text = error.to_string();
        match error.use_stderr() {
            true => Outcome { text: String::new(), error: text, code: 2 },
            false => Outcome { text, error: String::new(), code: 0 },
        }
    }
}

fn carry_out(arguments: &Arguments, text: &mut String) -> Result<(), RecoveryError> {
    let found = find(arguments)?;
    if arguments.describe {
        for survivor in &found.survivors {
            text.push_str(&summary::line(survivor));
            text.push('\n');
        }
        return Ok(());
    }
    let promoted: Vec<ServerId> = arguments.voter.iter().copied().map(ServerId).collect();
    let standalone = found.locals.iter().any(|local| local.ensemble.standalone_enabled);
    let recovery = recover(&found.survivors, &promoted, standalone)?;
    let targets = ask::targets(&found.survivors, client_ports(&found));
    let asked = ask::ask(targets, Duration::from_millis(arguments.timeout_ms));
    let findings = Findings { survivors: &found.survivors, recovery: &recovery, asked: &asked };
    findings.state(text);
    refuse_who_answers(&recovery, &asked, &arguments.force)?;
    findings.plan(&found.locals.iter().map(Local::file).collect::<Vec<_>>(), text);
    if !arguments.write {
        findings.dry_run(text);
        return Ok(());
    }
    for local in &found.locals {
        write(local, &recovery, text)?;
    }
    findings.afterwards(standalone, text);
    drop(found.locks);
    Ok(())
}

impl Local {
    fn load(file: &Path) -> Result<Local, RecoveryError> {
        let settings = Settings::load(file, &flags_from_environment()).map_err(|error| {
            RecoveryError::Config { file: file.to_owned(), error: Box::new(error) }
        })?;
        let alone = || RecoveryError::Alone { file: file.to_owned() };
        let ensemble = settings.ensemble.clone().ok_or_else(alone)?;
        Ok(Local { settings, ensemble })
    }

    fn file(&self) -> &Path {
        self.settings.file.as_deref().unwrap_or_else(|| Path::new(&self.settings.source))
    }
}

fn find(arguments: &Arguments) -> Result<Found, RecoveryError> {
    let locals: Vec<Local> =
        arguments.config.iter().map(|file| Local::load(file)).collect::<Result<_, _>>()?;
    let named = arguments.named()?;
    let mut found = Found { locals: Vec::new(), survivors: Vec::new(), locks: Vec::new() };
    for local in &locals {
        // A folder that is named for it stands in its dataDir's place, and a line in that of both.
        if named.iter().any(|named| named.id() == local.ensemble.me) {
            continue;
        }
        let place = read::Place::of(&local.settings);
        found.add(read::read(local.ensemble.me, &place, Some(&local.ensemble))?);
    }
    let Some(first) = locals.first() else { return Err(RecoveryError::NoConfig) };
    for named in named {
        match named {
            Named::Line(survivor) => found.survivors.push(*survivor),
            Named::Folder { id, data_dir, log_dir } => {
                let place = read::Place::of(&first.settings).at(&data_dir, &log_dir);
                let own = locals.iter().find(|local| local.ensemble.me == id);
                // With the members in the files, what a tree has of them is what some leader's file had.
                let whose = own.or_else(|| first.ensemble.members_in_one_file.then_some(first));
                found.add(read::read(id, &place, whose.map(|local| &local.ensemble))?);
            }
        }
    }
    found.locals = locals;
    Ok(found)
}

impl Found {
    fn add(&mut self, (survivor, locks): (Survivor, Vec<DirLock>)) {
        self.survivors.push(survivor);
        self.locks.extend(locks);
    }
}

/// Where clients of this machine's servers come to. Lines of members need not say it, and the others of an
/// ensemble mostly have the same.
fn client_ports(found: &Found) -> Vec<u16> {
    let listens = found.locals.iter().flat_map(|local| {
        [local.settings.client.listen, local.settings.client.secure].into_iter().flatten()
    });
    listens.map(|listen| listen.port).filter(|port| *port != 0).collect()
}

fn refuse_who_answers(
    recovery: &Recovery,
    asked: &[Asked],
    forced: &[i64],
) -> Result<(), RecoveryError> {
    let answers = asked.iter().find(|asked| asked.answers() && !forced.contains(&asked.server.0));
    let Some(asked) = answers else { return Ok(()) };
    let (id, at) = (asked.server.0, asked.place());
    Err(match recovery.lost.contains(&asked.server) {
        true => RecoveryError::LostAnswers { id, at },
        false => RecoveryError::SurvivorAnswers { id, at },
    })
}

/// One survivor's configuration: what was is copied first, so that it can be put back.
fn write(local: &Local, recovery: &Recovery, text: &mut String) -> Result<(), RecoveryError> {
    let path = local.file();
    let failed = |error| RecoveryError::Write { file: path.to_owned(), error };
    let file = ConfigFile::open(path).map_err(failed)?;
    let version = recovery.members.version();
    for copy in file.copy_aside(&format!("before-recovery.{version:x}")).map_err(failed)? {
        text.push_str(&format!("kept {copy}\n"));
    }
    if local.ensemble.members_in_one_file {
        let lost = crate::membership::lost_quorum::list(recovery.lost.iter().copied());
        let why = format!("recover-quorum, configuration {version:x}: without servers {lost}");
        file.rewrite_members(&recovery.members, &why).map_err(failed)?;
        // Nobody reads one of a file that has its members in it; a later reconfiguration would.
        file.withdraw().map_err(failed)?;
    } else {
        file.commit(&recovery.members, false, None).map_err(failed)?;
    }
    Settings::load(path, &flags_from_environment()).map_err(|error| RecoveryError::Unusable {
        file: path.to_owned(),
        error: Box::new(error),
    })?;
    text.push_str(&format!("wrote {}\n", file.show()));
    Ok(())
}
