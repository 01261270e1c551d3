//! The command line of `ringkeeper recover-quorum`.

use std::path::PathBuf;

use clap::Parser;

use super::error::RecoveryError;
use super::summary;
use crate::membership::lost_quorum::Survivor;
use crate::types::ServerId;

/// Bytes of a file of lines; more is none.
const LINES_MAX: u64 = 4 << 20;

/// What to go on with when more servers are lost than an ensemble can do without.
///
/// Run it while every server is stopped. It compares what the survivors' files hold, names the newest, says
/// which acknowledged writes may be lost and why, and writes a configuration of the survivors alone. It refuses
/// while a member answers at any of its ports. Nothing is written without --write; data is never touched.
///
/// The survivors' files are on several machines: print each one's line there (--describe) and give all lines
/// to each.
#[derive(Parser, Debug)]
#[command(name = "ringkeeper recover-quorum", max_term_width = 100)]
#[command(after_help = "On server 1, 2 and 3 of five:\n  \
    ringkeeper recover-quorum --config /etc/zookeeper/zoo.cfg --describe >> lines\n\
    With all lines in a file, on each of them, first without and then with --write:\n  \
    ringkeeper recover-quorum --config /etc/zookeeper/zoo.cfg --survivors-from lines --write\n\
    Exit code: 0 done, or could be done; 1 refused; 2 not understood.")]
pub(super) struct Arguments {
    /// A survivor's configuration file on this machine; its folders, its myid and its members are read, and with
    /// --write it is changed
    #[arg(long, value_name = "FILE", required = true)]
    pub(super) config: Vec<PathBuf>,
    /// Another survivor: ID=DATADIR[,DATALOGDIR], a copy of its folders, or the line that it prints of itself
    #[arg(long, value_name = "SURVIVOR")]
    pub(super) survivor: Vec<String>,
    /// Such lines, one below the other; this machine's own may be among them
    #[arg(long, value_name = "FILE")]
    pub(super) survivors_from: Option<PathBuf>,
    /// Print one line of each --config: how far its files go. Nothing else is done
    #[arg(long)]
    pub(super) describe: bool,
    /// Observers that are to vote from now on
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(super) voter: Vec<i64>,
    /// Go on though something answers at this server's ports, which is known not to be it
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(super) force: Vec<i64>,
    /// How long a port is waited for
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(super) timeout_ms: u64,
    /// Write the survivors' configuration into each --config
    #[arg(long)]
    pub(super) write: bool,
}

/// A survivor that the command line names.
pub(super) enum Named {
    /// As it described itself.
    Line(Box<Survivor>),
    /// Folders that are here.
    Folder { id: ServerId, data_dir: PathBuf, log_dir: PathBuf },
}

impl Named {
    pub(super) fn id(&self) -> ServerId {
        match self {
            Named::Line(survivor) => survivor.id,
            Named::Folder { id, .. } => *id,
        }
    }
}

impl Arguments {
    /// Everybody named; of equal lines one.
    pub(super) fn named(&self) -> Result<Vec<Named>, RecoveryError> {
        let mut texts: Vec<String> = self.survivor.clone();
        if let Some(path) = &self.survivors_from {
            let failed = |error| RecoveryError::Lines { file: path.clone(), error };
            let file = std::fs::File::open(path).map_err(failed)?;
            let mut text = String::new();
            std::io::Read::read_to_string(&mut std::io::Read::take(file, LINES_MAX), &mut text)
                .map_err(failed)?;
            texts.extend(
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned),
            );
        }
        // The same file of lines is given to everybody, and a line may be in it twice.
        let mut seen: Vec<String> = Vec::new();
        let mut named = Vec::new();
        for text in texts {
            if !seen.contains(&text) {
                named.push(named_by(&text)?);
                seen.push(text);
            }
        }
        Ok(named)
    }
}

fn named_by(text: &str) -> Result<Named, RecoveryError> {
    if text.starts_with(summary::WORD) {
        return Ok(Named::Line(Box::new(summary::parse(text)?)));
    }
    let unclear = || RecoveryError::Survivor { text: text.to_owned() };
    let (id, folders) = text.split_once('=').ok_or_else(unclear)?;
    let id = ServerId(id.trim().parse().map_err(|_| unclear())?);
    let (data, log) = folders.split_once(',').unwrap_or((folders, folders));
    if data.is_empty() || log.is_empty() {
        return Err(unclear());
    }
    Ok(Named::Folder { id, data_dir: PathBuf::from(data), log_dir: PathBuf::from(log) })
}
