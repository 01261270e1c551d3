//! A node's data, now and after each change (NodeCache; kazoo's DataWatch). Changes in quick succession may be
//! seen as one: the last one is always seen.

use crate::codec::reply::decode::Reply;
use crate::codec::request::Request;
use crate::types::{ErrorCode, Stat, Zxid};

use super::calls::{Progress, data, exists, fallback, unexpected};
use super::recipe::{Answered, Effect, Fault, Input, Recipe};

/// What a node holds.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// This.
    Is {
        /// Null is no data.
        data: Vec<u8>,
        /// Of the node.
        stat: Stat,
    },
    /// There is no node.
    Absent,
    /// It is followed no longer.
    Left,
    /// It cannot be read.
    Failed(Fault),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Reading,
    /// Whether it is absent still; its creation is watched with that.
    Looking,
    Waiting,
    Over,
}

/// Somebody who follows a node.
#[derive(Clone, Debug)]
pub struct Follow {
    path: String,
    phase: Phase,
    is_changed: bool,
    is_leaving: bool,
    /// What was reported last: the transaction that wrote it; `None` within: no node.
    reported: Option<Option<Zxid>>,
}

impl Follow {
    /// The node at this path.
    pub fn new(path: &str) -> Follow {
        Follow {
            path: path.to_owned(),
            phase: Phase::Reading,
            is_changed: false,
            is_leaving: false,
            reported: None,
        }
    }

    fn ask(&mut self, out: &mut Vec<Effect<Value>>) {
        let request: Request<'static> = match self.phase {
            Phase::Reading => data(&self.path, true),
            Phase::Looking => exists(&self.path),
            Phase::Waiting | Phase::Over => return,
        };
        out.push(Effect::Ask(request));
    }

    fn end(&mut self, value: Value, out: &mut Vec<Effect<Value>>) {
        self.phase = Phase::Over;
        out.push(Effect::Outcome(value));
    }

    fn report(&mut self, written: Option<Zxid>, value: Value, out: &mut Vec<Effect<Value>>) {
        if self.reported.replace(written) != Some(written) {
            out.push(Effect::Outcome(value));
        }
        self.phase = match std::mem::take(&mut self.is_changed) {
            true => Phase::Reading,
            false => Phase::Waiting,
        };
    }

    fn answered(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Value>>) {
        let progress: Progress<()> = match (self.phase, answered) {
            (Phase::Reading, Ok(Reply::Data(data, stat))) => {
                let data = data.unwrap_or_default().to_vec();
                self.report(Some(stat.mzxid), Value::Is { data, stat }, out);
                Progress::More
            }
            (Phase::Reading, Err(ErrorCode::NoNode)) => {
                self.phase = Phase::Looking;
                Progress::More
            }
            (Phase::Looking, Ok(Reply::Stat(_))) => {
                self.phase = Phase::Reading;
                Progress::More
            }
            (Phase::Looking, Err(ErrorCode::NoNode)) => {
                self.report(None, Value::Absent, out);
                Progress::More
            }
            (_, Ok(_)) => unexpected(&self.path),
            (_, Err(code)) => fallback(code, &self.path),
        };
        match progress {
            Progress::Failed(fault) => self.end(Value::Failed(fault), out),
            Progress::More | Progress::Done(()) if self.is_leaving => self.end(Value::Left, out),
            Progress::More | Progress::Done(()) => self.ask(out),
        }
    }
}

impl Recipe for Follow {
    type Outcome = Value;

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Value>>) {
        match input {
            _ if self.phase == Phase::Over => {}
            Input::Begin => self.ask(out),
            Input::Answered(answered) => self.answered(answered, out),
            Input::Changed { path, .. } if path == self.path => match self.phase {
                Phase::Waiting => {
                    self.phase = Phase::Reading;
                    self.ask(out);
                }
                _ => self.is_changed = true,
            },
            Input::Changed { .. } => {}
            Input::Leave if self.phase == Phase::Waiting => self.end(Value::Left, out),
            Input::Leave => self.is_leaving = true,
            Input::Ended => self.end(Value::Failed(Fault::Ended), out),
        }
    }
}
