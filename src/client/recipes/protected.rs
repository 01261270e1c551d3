//! A node of the session's that is created once, whatever becomes of the answer, and is deleted for certain.

use crate::codec::reply::decode::Reply;
use crate::codec::request::Request;
use crate::types::{CreateMode, Data, ErrorCode, parent_and_name};

use super::calls::{
    Progress, Verdict, children, create, delete, fallback, names, sync, unexpected, verdict,
};
use super::layout::join;
use super::parents::{Parent, Parents};
use super::recipe::{Answered, Fault};

/// What is to be there.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) folder: String,
    /// The name, up to its number if it has one. No other client's begins so.
    pub(super) begin: String,
    pub(super) data: Data,
    pub(super) mode: CreateMode,
    /// How missing folders are made.
    pub(super) parent: Parent,
}

impl Wanted {
    fn path(&self) -> String {
        join(&self.folder, &self.begin)
    }
}

#[derive(Clone, Debug)]
enum Phase {
    Creating,
    Parents(Parents),
    /// What the leader has is waited for, for it may have the node, and this server not yet.
    Syncing,
    Finding,
}

/// A node on its way to being there.
#[derive(Clone, Debug)]
pub(super) struct Protected {
    wanted: Wanted,
    phase: Phase,
    /// There may be more than one: the answer to a create was lost.
    was_lost: bool,
}

impl Protected {
    pub(super) fn new(wanted: Wanted) -> Protected {
        Protected { wanted, phase: Phase::Creating, was_lost: false }
    }

    pub(super) fn was_lost(&self) -> bool {
        self.was_lost
    }

    pub(super) fn ask(&self) -> Request<'static> {
        match &self.phase {
            Phase::Creating => {
                create(&self.wanted.path(), self.wanted.data.clone(), self.wanted.mode)
            }
            Phase::Parents(parents) => parents.ask(),
            Phase::Syncing => sync(&self.wanted.folder),
            Phase::Finding => children(&self.wanted.folder, false),
        }
    }

    /// Its path, in the end.
    pub(super) fn answered(&mut self, answered: Answered<'_>) -> Progress<String> {
        match &mut self.phase {
            Phase::Creating => self.created(answered),
            Phase::Parents(parents) => match parents.answered(answered) {
                Progress::More => Progress::More,
                Progress::Done(()) => self.goes_on(Phase::Creating),
                Progress::Failed(fault) => Progress::Failed(fault),
            },
            Phase::Syncing => match answered.err().map(verdict) {
                Some(Verdict::Lost) => Progress::More,
                Some(Verdict::Ended) => Progress::Failed(Fault::Ended),
                None | Some(Verdict::Refused(_)) => self.goes_on(Phase::Finding),
            },
            Phase::Finding => match names(answered) {
                Ok(Some(names)) => {
                    let mut own = names.iter().filter(|name| name.starts_with(&self.wanted.begin));
                    match own.next() {
                        Some(name) => Progress::Done(join(&self.wanted.folder, name)),
                        None => self.goes_on(Phase::Creating),
                    }
                }
                Ok(None) => unexpected(&self.wanted.folder),
                Err(ErrorCode::NoNode) => self.goes_on(Phase::Creating),
                Err(code) => fallback(code, &self.wanted.folder),
            },
        }
    }

    fn goes_on(&mut self, phase: Phase) -> Progress<String> {
        self.phase = phase;
        Progress::More
    }

    fn created(&mut self, answered: Answered<'_>) -> Progress<String> {
        match answered {
            Ok(Reply::PathStat(Some(path), _) | Reply::Path(Some(path))) => {
                Progress::Done(path.into_owned())
            }
            Ok(_) => unexpected(&self.wanted.path()),
            // A name without a number that nobody else has.
            Err(ErrorCode::NodeExists) => Progress::Done(self.wanted.path()),
            Err(ErrorCode::NoNode) => {
                let parents = Parents::of(&self.wanted.folder, self.wanted.parent);
                self.goes_on(Phase::Parents(parents))
            }
            Err(code) => match verdict(code) {
                Verdict::Lost => {
                    self.was_lost = true;
                    self.goes_on(Phase::Syncing)
                }
                Verdict::Ended | Verdict::Refused(_) => fallback(code, &self.wanted.path()),
            },
        }
    }
}

/// Nodes of the session's on their way out.
#[derive(Clone, Debug)]
pub(super) struct Withdrawal {
    /// Those whose names begin so are found first: folder, begin, and whether the leader was waited for.
    search: Option<(String, String, bool)>,
    paths: Vec<String>,
}

impl Withdrawal {
    /// Of nodes that are known.
    pub(super) fn of(paths: Vec<String>) -> Withdrawal {
        Withdrawal { search: None, paths }
    }

    /// Of all that a create may have left.
    pub(super) fn of_all(wanted: &Wanted) -> Withdrawal {
        let search = Some((wanted.folder.clone(), wanted.begin.clone(), false));
        Withdrawal { search, paths: Vec::new() }
    }

    /// `None`: nothing is to be done.
    pub(super) fn ask(&self) -> Option<Request<'static>> {
        match &self.search {
            Some((folder, _, false)) => Some(sync(folder)),
            Some((folder, _, true)) => Some(children(folder, false)),
            None => self.paths.last().map(|path| delete(path)),
        }
    }

    pub(super) fn answered(&mut self, answered: Answered<'_>) -> Progress<()> {
        match &mut self.search {
            Some((_, _, is_synced @ false)) => {
                *is_synced = answered.err().map(verdict) != Some(Verdict::Lost);
                Progress::More
            }
            Some((folder, begin, true)) => match names(answered) {
                Ok(Some(names)) => {
                    let own = names.iter().filter(|name| name.starts_with(begin.as_str()));
                    self.paths = own.map(|name| join(folder, name)).collect();
                    self.search = None;
                    self.progress()
                }
                Ok(None) => unexpected(folder),
                Err(ErrorCode::NoNode) => Progress::Done(()),
                Err(code) => fallback(code, folder),
            },
            None => match answered.err() {
                None | Some(ErrorCode::NoNode) => {
                    self.paths.pop();
                    self.progress()
                }
                Some(code) => {
                    let path = self.paths.last().map_or("/", String::as_str);
                    fallback(code, path)
                }
            },
        }
    }

    fn progress(&self) -> Progress<()> {
        match self.paths.is_empty() {
            true => Progress::Done(()),
            false => Progress::More,
        }
    }
}

/// The folder of a path.
pub(super) fn folder(path: &str) -> &str {
    match parent_and_name(path) {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}
