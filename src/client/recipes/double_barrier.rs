//! A barrier with two sides: so many enter together, and all leave together (DistributedDoubleBarrier; kazoo's
//! DoubleBarrier).
//!
//! Whoever sees enough members makes the node `ready`. It stays until all members are gone: one that sees it late
//! enters all the same, and is waited for.

use crate::codec::request::Request;
use crate::types::{CreateMode, Data, ErrorCode, EventKind};

use super::calls::{Progress, children, create, delete, exists, fallback, names, stat, unexpected};
use super::layout::join;
use super::parents::Parent;
use super::protected::{Protected, Wanted};
use super::protection::ProtectionId;
use super::recipe::{Answered, Effect, Fault, Input, Recipe};

/// The node of a barrier that has opened.
const READY: &str = "ready";

/// Where a member has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Side {
    /// Others are waited for, to enter or to leave.
    Waiting,
    /// So many have entered.
    Entered,
    /// All have left.
    Left,
    /// The session is over.
    Lost,
    /// It cannot be a member.
    Failed(Fault),
}

#[derive(Clone, Debug)]
enum Phase {
    Joining(Protected),
    /// Whether it has opened; watched with that.
    Looking,
    Counting,
    Opening,
    Waiting,
    Entered,
    /// Who is still in.
    Listing,
    Deleting,
    /// Another's node, which is watched with that.
    Watching(String),
    WaitingFor(String),
    Clearing,
    Over,
}

/// A member.
#[derive(Clone, Debug)]
pub struct DoubleBarrier {
    folder: String,
    name: String,
    most: usize,
    phase: Phase,
    is_open: bool,
    has_entered: bool,
    is_changed: bool,
    is_leaving: bool,
}

impl DoubleBarrier {
    /// One of so many members.
    pub fn new(path: &str, members: usize, id: ProtectionId, data: Data) -> DoubleBarrier {
        let name = id.uuid();
        let wanted = Wanted {
            folder: path.to_owned(),
            begin: name.clone(),
            data,
            mode: CreateMode::Ephemeral,
            parent: Parent::Persistent,
        };
        DoubleBarrier {
            folder: path.to_owned(),
            name,
            most: members,
            phase: Phase::Joining(Protected::new(wanted)),
            is_open: false,
            has_entered: false,
            is_changed: false,
            is_leaving: false,
        }
    }

    fn ready(&self) -> String {
        join(&self.folder, READY)
    }

    fn own(&self) -> String {
        join(&self.folder, &self.name)
    }

    fn request(&self) -> Option<Request<'static>> {
        match &self.phase {
            Phase::Joining(protected) => Some(protected.ask()),
            Phase::Looking => Some(exists(&self.ready())),
            Phase::Counting | Phase::Listing => Some(children(&self.folder, false)),
            Phase::Opening => {
                let nothing = Some(bytes::Bytes::new());
                Some(create(&self.ready(), nothing, CreateMode::Persistent))
            }
            Phase::Deleting => Some(delete(&self.own())),
            Phase::Watching(path) => Some(exists(path)),
            Phase::Clearing => Some(delete(&self.ready())),
            Phase::Waiting | Phase::Entered | Phase::WaitingFor(_) | Phase::Over => None,
        }
    }

    fn ask(&mut self, out: &mut Vec<Effect<Side>>) {
        if let Some(request) = self.request() {
            out.push(Effect::Ask(request));
        }
    }

    fn end(&mut self, side: Side, out: &mut Vec<Effect<Side>>) {
        self.phase = Phase::Over;
        out.push(Effect::Outcome(side));
    }

    fn goes_on(&mut self, phase: Phase) -> Progress<()> {
        self.phase = phase;
        Progress::More
    }

    fn enters(&mut self, out: &mut Vec<Effect<Side>>) -> Progress<()> {
        self.phase = Phase::Entered;
        self.has_entered = true;
        out.push(Effect::Outcome(Side::Entered));
        Progress::More
    }

    fn answered(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Side>>) {
        let progress = match &mut self.phase {
            Phase::Joining(protected) => match protected.answered(answered) {
                Progress::Done(_) => self.goes_on(Phase::Looking),
                Progress::More => Progress::More,
                Progress::Failed(fault) => Progress::Failed(fault),
            },
            Phase::Looking => match stat(answered) {
                Ok(Some(_)) => self.enters(out),
                Ok(None) => unexpected(&self.folder),
                Err(ErrorCode::NoNode) => self.goes_on(Phase::Counting),
                Err(code) => fallback(code, &self.folder),
            },
            Phase::Counting => self.counted(answered, out),
            Phase::Opening => match answered.err() {
                None | Some(ErrorCode::NodeExists) => self.enters(out),
                Some(code) => fallback(code, &self.folder),
            },
            Phase::Listing => self.listed(answered),
            Phase::Deleting => match answered.err() {
                None | Some(ErrorCode::NoNode) if !self.has_entered => Progress::Done(()),
                None | Some(ErrorCode::NoNode) => self.goes_on(Phase::Listing),
                Some(code) => fallback(code, &self.folder),
            },
            Phase::Watching(path) => {
                let path = path.clone();
                self.watched(path, answered, out)
            }
            Phase::Clearing => match answered.err() {
                None | Some(ErrorCode::NoNode) => Progress::Done(()),
                Some(code) => fallback(code, &self.folder),
            },
            Phase::Waiting | Phase::Entered | Phase::WaitingFor(_) | Phase::Over => Progress::More,
        };
        match progress {
            Progress::Done(()) => self.end(Side::Left, out),
            Progress::Failed(Fault::Ended) => self.end(Side::Lost, out),
            Progress::Failed(fault) => self.end(Side::Failed(fault), out),
            Progress::More => self.go_on(out),
        }
    }

    /// Goes where the phase leads, or out, if that was asked for before the beginning.
    fn go_on(&mut self, out: &mut Vec<Effect<Side>>) {
        match self.phase {
            Phase::Waiting | Phase::Entered if self.is_leaving => self.leave(out),
            _ => self.ask(out),
        }
    }

    fn counted(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Side>>) -> Progress<()> {
        let names = match names(answered) {
            Ok(Some(names)) => names,
            Ok(None) => return unexpected(&self.folder),
            Err(code) => return fallback(code, &self.folder),
        };
        if self.is_open {
            return self.enters(out);
        }
        if names.iter().filter(|name| *name != READY).count() >= self.most {
            return self.goes_on(Phase::Opening);
        }
        out.push(Effect::Outcome(Side::Waiting));
        self.goes_on(Phase::Waiting)
    }

    /// The lowest member waits for the others, one after another; they go, and wait for it.
    fn listed(&mut self, answered: Answered<'_>) -> Progress<()> {
        let mut names = match names(answered) {
            Ok(Some(names)) => names,
            Ok(None) => return unexpected(&self.folder),
            Err(ErrorCode::NoNode) => return Progress::Done(()),
            Err(code) => return fallback(code, &self.folder),
        };
        names.retain(|name| name != READY);
        names.sort_unstable();
        let is_in = names.contains(&self.name);
        let other = match &names[..] {
            [] => return self.goes_on(Phase::Clearing),
            [own] if *own == self.name => return self.goes_on(Phase::Deleting),
            [first, .., last] if *first == self.name => last,
            _ if is_in => return self.goes_on(Phase::Deleting),
            [first, ..] => first,
        };
        let path = join(&self.folder, other);
        self.is_changed = false;
        self.goes_on(Phase::Watching(path))
    }

    fn watched(
        &mut self,
        path: String,
        answered: Answered<'_>,
        out: &mut Vec<Effect<Side>>,
    ) -> Progress<()> {
        match stat(answered) {
            Ok(Some(_)) if self.is_changed => self.goes_on(Phase::Listing),
            Ok(Some(_)) => {
                out.push(Effect::Outcome(Side::Waiting));
                self.goes_on(Phase::WaitingFor(path))
            }
            Ok(None) => unexpected(&self.folder),
            Err(ErrorCode::NoNode) => self.goes_on(Phase::Listing),
            Err(code) => fallback(code, &self.folder),
        }
    }

    fn changed(&mut self, kind: EventKind, path: &str, out: &mut Vec<Effect<Side>>) {
        let is_ready = path == self.ready() && kind == EventKind::NodeCreated;
        match &self.phase {
            Phase::Waiting if is_ready => {
                self.enters(out);
            }
            // It has opened, even if another has cleared it away since.
            Phase::Looking | Phase::Counting if is_ready => self.is_open = true,
            Phase::Waiting if path == self.ready() => {
                self.phase = Phase::Looking;
                self.ask(out);
            }
            Phase::Watching(other) if other == path => self.is_changed = true,
            Phase::WaitingFor(other) if other == path => {
                self.phase = Phase::Listing;
                self.ask(out);
            }
            _ => {}
        }
    }

    fn leave(&mut self, out: &mut Vec<Effect<Side>>) {
        self.is_leaving = true;
        match self.phase {
            Phase::Entered => {
                self.phase = Phase::Listing;
                self.ask(out);
            }
            // Nobody waits for one that has not entered.
            Phase::Waiting => {
                self.phase = Phase::Deleting;
                self.ask(out);
            }
            _ => {}
        }
    }
}

impl Recipe for DoubleBarrier {
    type Outcome = Side;

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Side>>) {
        match input {
            _ if matches!(self.phase, Phase::Over) => {}
            Input::Begin => self.ask(out),
            Input::Answered(answered) => self.answered(answered, out),
            Input::Changed { kind, path } => self.changed(kind, path, out),
            Input::Leave => self.leave(out),
            Input::Ended => self.end(Side::Lost, out),
        }
    }
}
