//! A write that is carried out once, whatever becomes of its answer: a marker, a node of the session's, is
//! deleted in the same transaction. Asked again, the transaction finds no marker if it was carried out before.

use crate::codec::reply::decode::{Reply, StepReply};
use crate::codec::request::{MultiOp, Request, WriteOp};
use crate::types::{CreateMode, ErrorCode};

use super::calls::{Progress, Verdict, create, fallback, unexpected, verdict};
use super::layout::join;
use super::parents::{Parent, Parents};
use super::protected::folder;
use super::protection::ProtectionId;
use super::recipe::{Answered, Fault};

/// What became of the write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It was carried out; the path that was created, if the answer came.
    Done(Option<String>),
    /// It was not, and can be tried again with another.
    Refused(ErrorCode),
}

#[derive(Clone, Debug)]
enum Phase {
    Marking,
    Parents(Parents),
    Writing,
}

/// A marker and one write.
#[derive(Clone, Debug)]
pub(super) struct Once {
    marker: String,
    phase: Phase,
    has_marker: bool,
    was_lost: bool,
}

impl Once {
    /// The marker is beside the node that is written to, not beneath it: other clients take what is there for
    /// something else.
    pub(super) fn next_to(path: &str, id: ProtectionId) -> Once {
        let marker = join(folder(path), &format!("_c_{}-once", id.uuid()));
        Once { marker, phase: Phase::Marking, has_marker: false, was_lost: false }
    }

    /// Asks for the marker first, then for the write.
    pub(super) fn ask(&self, write: MultiOp) -> Request<'static> {
        match &self.phase {
            Phase::Marking => create(&self.marker, None, CreateMode::Ephemeral),
            Phase::Parents(parents) => parents.ask(),
            Phase::Writing => {
                let marker = MultiOp::Delete { path: Some(self.marker.clone()), version: -1 };
                Request::Write(WriteOp::Multi(vec![marker, write]))
            }
        }
    }

    /// Where the marker is, if there is one: that of a write that will not be is to be deleted.
    pub(super) fn marker(&self) -> Option<&str> {
        self.has_marker.then_some(self.marker.as_str())
    }

    pub(super) fn answered(&mut self, answered: Answered<'_>) -> Progress<End> {
        match &mut self.phase {
            Phase::Marking => match answered.err() {
                None | Some(ErrorCode::NodeExists) => {
                    self.has_marker = true;
                    self.goes_on(Phase::Writing)
                }
                Some(ErrorCode::NoNode) => {
                    let parents = Parents::of(folder(&self.marker), Parent::Persistent);
                    self.goes_on(Phase::Parents(parents))
                }
                Some(code) => fallback(code, &self.marker),
            },
            Phase::Parents(parents) => match parents.answered(answered) {
                Progress::More => Progress::More,
                Progress::Done(()) => self.goes_on(Phase::Marking),
                Progress::Failed(fault) => Progress::Failed(fault),
            },
            Phase::Writing => self.written(answered),
        }
    }

    fn goes_on(&mut self, phase: Phase) -> Progress<End> {
        self.phase = phase;
        Progress::More
    }

    fn written(&mut self, answered: Answered<'_>) -> Progress<End> {
        let steps = match answered {
            Ok(Reply::Multi(steps)) => steps,
            Ok(_) => return unexpected(&self.marker),
            Err(code) => match verdict(code) {
                Verdict::Lost => {
                    self.was_lost = true;
                    return Progress::More;
                }
                Verdict::Ended if self.was_lost => {
                    return Progress::Failed(Fault::Unknown { path: self.marker.clone() });
                }
                Verdict::Ended | Verdict::Refused(_) => return fallback(code, &self.marker),
            },
        };
        let failed = steps.iter().enumerate().find_map(|(at, step)| match step {
            StepReply::Failed(code) if *code != 0 => Some((at, ErrorCode::from_code(*code))),
            _ => None,
        });
        match (failed, steps.get(1)) {
            (Some((0, ErrorCode::NoNode)), _) if self.was_lost => Progress::Done(End::Done(None)),
            // Somebody has deleted it.
            (Some((0, ErrorCode::NoNode)), _) => {
                self.has_marker = false;
                self.goes_on(Phase::Marking)
            }
            (Some((0, code)), _) => fallback(code, &self.marker),
            (Some((_, code)), _) => Progress::Done(End::Refused(code)),
            (None, Some(StepReply::Created(path, _))) => {
                Progress::Done(End::Done(Some(path.clone().into_owned())))
            }
            (None, _) => Progress::Done(End::Done(None)),
        }
    }
}
