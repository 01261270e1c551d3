//! A barrier: a node while it is closed (DistributedBarrier; kazoo's Barrier).

use crate::codec::request::Request;
use crate::types::{CreateMode, ErrorCode};

use super::calls::{Progress, create, delete, exists, fallback, stat, unexpected};
use super::parents::{Parent, Parents};
use super::protected::folder;
use super::recipe::{Answered, Effect, Fault, Input, Recipe};

/// What is wanted of a barrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// That it is closed.
    Close,
    /// That it is open.
    Open,
    /// To be told when it is.
    Wait,
}

/// Where it has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Passage {
    /// It is closed; whoever does not leave waits.
    Closed,
    /// The wish is fulfilled.
    Done,
    /// It is waited for no longer.
    Left,
    /// The wish cannot be fulfilled.
    Failed(Fault),
}

#[derive(Clone, Debug)]
enum Phase {
    Asking,
    Parents(Parents),
    Waiting,
    Over,
}

/// One wish.
#[derive(Clone, Debug)]
pub struct Barrier {
    path: String,
    wish: Wish,
    phase: Phase,
    is_changed: bool,
    is_leaving: bool,
}

impl Barrier {
    /// A wish about the barrier at this path.
    pub fn new(path: &str, wish: Wish) -> Barrier {
        let path = path.to_owned();
        Barrier { path, wish, phase: Phase::Asking, is_changed: false, is_leaving: false }
    }

    fn ask(&self, out: &mut Vec<Effect<Passage>>) {
        let request: Request<'static> = match (&self.phase, self.wish) {
            (Phase::Parents(parents), _) => parents.ask(),
            (Phase::Asking, Wish::Close) => {
                create(&self.path, Some(bytes::Bytes::new()), CreateMode::Persistent)
            }
            (Phase::Asking, Wish::Open) => delete(&self.path),
            (Phase::Asking, Wish::Wait) => exists(&self.path),
            (Phase::Waiting | Phase::Over, _) => return,
        };
        out.push(Effect::Ask(request));
    }

    fn end(&mut self, passage: Passage, out: &mut Vec<Effect<Passage>>) {
        self.phase = Phase::Over;
        out.push(Effect::Outcome(passage));
    }

    fn answered(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Passage>>) {
        let progress = match &mut self.phase {
            Phase::Parents(parents) => match parents.answered(answered) {
                Progress::Done(()) => {
                    self.phase = Phase::Asking;
                    Progress::More
                }
                more => more,
            },
            Phase::Asking if self.wish == Wish::Wait => self.looked(answered, out),
            Phase::Asking => self.changed(answered),
            Phase::Waiting | Phase::Over => Progress::More,
        };
        match progress {
            Progress::Done(()) => self.end(Passage::Done, out),
            Progress::Failed(fault) => self.end(Passage::Failed(fault), out),
            Progress::More if self.is_leaving => self.end(Passage::Left, out),
            Progress::More => self.ask(out),
        }
    }

    fn changed(&mut self, answered: Answered<'_>) -> Progress<()> {
        match (answered.err(), self.wish) {
            (None, _) | (Some(ErrorCode::NodeExists), Wish::Close) => Progress::Done(()),
            (Some(ErrorCode::NoNode), Wish::Open) => Progress::Done(()),
            (Some(ErrorCode::NoNode), _) => {
                self.phase = Phase::Parents(Parents::of(folder(&self.path), Parent::Container));
                Progress::More
            }
            (Some(code), _) => fallback(code, &self.path),
        }
    }

    fn looked(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Passage>>) -> Progress<()> {
        match stat(answered) {
            Ok(Some(_)) => {
                if !std::mem::take(&mut self.is_changed) {
                    self.phase = Phase::Waiting;
                    out.push(Effect::Outcome(Passage::Closed));
                }
                Progress::More
            }
            Ok(None) => unexpected(&self.path),
            Err(ErrorCode::NoNode) => Progress::Done(()),
            Err(code) => fallback(code, &self.path),
        }
    }
}

impl Recipe for Barrier {
    type Outcome = Passage;

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Passage>>) {
        match input {
            _ if matches!(self.phase, Phase::Over) => {}
            Input::Begin => self.ask(out),
            Input::Answered(answered) => self.answered(answered, out),
            Input::Changed { path, .. } if path == self.path => match self.phase {
                Phase::Waiting => {
                    self.phase = Phase::Asking;
                    self.ask(out);
                }
                _ => self.is_changed = true,
            },
            Input::Changed { .. } => {}
            Input::Leave if matches!(self.phase, Phase::Waiting) => self.end(Passage::Left, out),
            Input::Leave => self.is_leaving = true,
            Input::Ended => self.end(Passage::Failed(Fault::Ended), out),
        }
    }
}
