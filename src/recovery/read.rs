//! A server's folders → a [`Survivor`], by what a start does. Nothing is written there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecoveryError;
use crate::config::{EnsembleSettings, Settings};
use crate::disk::lock::DirLock;
use crate::disk::{Dir, Overlay, RealDir, mixed};
use crate::history::{Committed, committed, epochs};
use crate::membership::Members;
use crate::membership::lost_quorum::Survivor;
use crate::snapshot::load::sequential;
use crate::snapshot::{Directories, RestoreError, RestoreOptions, restore};
use crate::tree::{CONFIG_PATH, Node, Tree, TreeOptions};
use crate::types::{ServerId, TypeRules, Zxid};

/// The folder with the files.
const VERSION_DIR: &str = "version-2";

/// Where a server's files are, and how they are read.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    data_dir: &'a Path,
    log_dir: &'a Path,
    field_max: usize,
    types: TypeRules,
    trust_empty: bool,
}

impl Place<'_> {
    /// As a server with these settings has them.
    pub(super) fn of(settings: &Settings) -> Place<'_> {
        Place {
            data_dir: &settings.data_dir,
            log_dir: &settings.data_log_dir,
            field_max: settings.field_max(),
            types: settings.tree.types,
            trust_empty: settings.snapshot.trust_empty,
        }
    }
}

impl<'a> Place<'a> {
    /// The same, elsewhere.
    pub(super) fn at(self, data_dir: &'a Path, log_dir: &'a Path) -> Place<'a> {
        Place { data_dir, log_dir, ..self }
    }
}

/// The folders, their changes kept apart.
struct Folders {
    folders: Directories,
    locks: Vec<DirLock>,
}

/// `settings`: what its configuration file says, if that is known; else its tree tells who the members are.
pub(super) fn read(
    id: ServerId,
    place: &Place<'_>,
    settings: Option<&EnsembleSettings>,
) -> Result<(Survivor, Vec<DirLock>), RecoveryError> {
    check_id(id, place.data_dir)?;
    let Folders { folders, locks } = open(id, place)?;
    let options = TreeOptions { types: place.types, ..TreeOptions::default() };
    let (tree, mut writer) = Tree::new(options);
    let options = RestoreOptions {
        trust_empty: place.trust_empty,
        autocreate: false,
        digest: true,
        field_max: place.field_max,
        types: place.types,
        kill_lost_sessions: false,
        pipeline: sequential,
    };
    let restored = match restore(&folders, &mut writer, &options, &mut |_, _| {}) {
        Err(RestoreError::Empty { .. }) => return Err(RecoveryError::Blank { id: id.0 }),
        other => {
            other.map_err(|error| RecoveryError::Restore { id: id.0, error: Box::new(error) })?
        }
    };
    let last = restored.zxid;
    let epochs = epochs::open(folders.snapshots.as_ref(), last)
        .map_err(|error| RecoveryError::Epochs { id: id.0, error })?;
    let (config, next) = configurations(&tree, settings);
    let survivor = Survivor {
        id,
        current: epochs.current,
        accepted: epochs.accepted,
        last,
        committed: committed_upto(id, &folders, last)?,
        config,
        next,
    };
    Ok((survivor, locks))
}

fn check_id(id: ServerId, data_dir: &Path) -> Result<(), RecoveryError> {
    let file = data_dir.join("myid");
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
    let found = text.lines().next().unwrap_or_default().trim().to_owned();
    match found.parse::<i64>() {
        Ok(number) if number == id.0 => Ok(()),
        Ok(_) | Err(_) => Err(RecoveryError::MyId { id: id.0, file, found }),
    }
}

fn open(id: ServerId, place: &Place<'_>) -> Result<Folders, RecoveryError> {
    let open = |path: PathBuf| {
        RealDir::open(&path).map_err(|error| RecoveryError::Open { id: id.0, path, error })
    };
    let lock = |dir: &RealDir| {
        let lock = DirLock::acquire_present(dir.path());
        lock.map_err(|error| RecoveryError::Runs { id: id.0, error })
    };
    let snapshots = open(place.data_dir.join(VERSION_DIR))?;
    let logs = open(place.log_dir.join(VERSION_DIR))?;
    let log_base = open(place.log_dir.to_owned())?;
    let mut locks = Vec::new();
    locks.extend(lock(&logs)?);
    let is_same = snapshots.path().canonicalize().ok() == logs.path().canonicalize().ok();
    let overlay = |dir: RealDir| Arc::new(Overlay::new(Arc::new(dir))) as Arc<dyn Dir>;
    let (snapshots, logs) = if is_same {
        let both = overlay(snapshots);
        (Arc::clone(&both), both)
    } else {
        locks.extend(lock(&snapshots)?);
        mixed::check(&logs, &snapshots)
            .map_err(|error| RecoveryError::Mixed { id: id.0, error })?;
        (overlay(snapshots), overlay(logs))
    };
    Ok(Folders { folders: Directories::of(snapshots, logs, overlay(log_base)), locks })
}

fn committed_upto(
    id: ServerId,
    folders: &Directories,
    last: Zxid,
) -> Result<Option<Zxid>, RecoveryError> {
    let known = committed::read(folders.snapshots.as_ref(), last)
        .map_err(|error| RecoveryError::Committed { id: id.0, error })?;
    match known {
        Committed::Unknown => Ok(None),
        Committed::Upto(known) => Ok(Some(known.upto)),
        Committed::Beyond(upto) => Err(RecoveryError::Beyond { id: id.0, upto, last }),
    }
}

/// The configuration in force, and one that was proposed. A file with the members in it is all there is to
/// know: what the tree has is what some leader's file had. A dynamic file may be older than the log, if the
/// server ended between the two.
fn configurations(
    tree: &Tree,
    settings: Option<&EnsembleSettings>,
) -> (Option<Members>, Option<Members>) {
    let in_tree = || {
        let text = |node: Option<Node<'_>>| {
            node.and_then(|node| node.data().map(|data| String::from_utf8_lossy(data).into_owned()))
        };
        let (text, _) = tree.read(CONFIG_PATH, text);
        // One that cannot be read says nothing; the files of others do.
        text.and_then(|text| Members::parse(&text).ok())
    };
    let Some(settings) = settings else { return (in_tree(), None) };
    let (config, next) = (&settings.electorate.committed, &settings.electorate.next);
    let mut next = next.as_ref().map(|next| Members::clone(next));
    if !settings.members_in_one_file {
        let newer = in_tree().filter(|members| members.version() > config.version());
        next = next.into_iter().chain(newer).max_by_key(Members::version);
    }
    (Some(Members::clone(config)), next)
}
