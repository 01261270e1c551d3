//! A number that several count with (SharedCount, DistributedAtomicLong; kazoo's Counter).

use crate::codec::reply::decode::Reply;
use crate::codec::request::{MultiOp, Request};
use crate::types::{CreateMode, Data, ErrorCode};

use super::calls::{Progress, Verdict, create, data, fallback, sync, unexpected, verdict};
use super::once::{End, Once};
use super::parents::{Parent, Parents};
use super::protected::folder;
use super::protection::ProtectionId;
use super::recipe::{Answered, Effect, Fault, Input, Recipe};

/// How the number is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Width {
    /// Four bytes, the highest first: SharedCount's, and of kazoo's with `support_curator`.
    #[default]
    Int,
    /// Eight: DistributedAtomicLong's.
    Long,
    /// Decimal digits: kazoo's.
    Text,
}

impl Width {
    fn expected(self) -> &'static str {
        match self {
            Width::Int => "number of four bytes",
            Width::Long => "number of eight bytes",
            Width::Text => "decimal number",
        }
    }

    /// No data is 0.
    fn read(self, path: &str, data: &[u8]) -> Result<i64, Fault> {
        let value = match self {
            _ if data.is_empty() => Some(0),
            Width::Int => data.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).into()),
            Width::Long => data.try_into().ok().map(i64::from_be_bytes),
            Width::Text => std::str::from_utf8(data).ok().and_then(|text| text.parse().ok()),
        };
        let (length, expected) = (data.len(), self.expected());
        value.ok_or_else(|| Fault::Content { path: path.to_owned(), length, expected })
    }

    fn write(self, path: &str, value: i128) -> Result<Vec<u8>, Fault> {
        let (path, expected) = (path.to_owned(), self.expected());
        let range = Fault::Range { path, value, expected };
        Ok(match self {
            Width::Int => i32::try_from(value).map_err(|_| range)?.to_be_bytes().to_vec(),
            Width::Long => i64::try_from(value).map_err(|_| range)?.to_be_bytes().to_vec(),
            Width::Text => i64::try_from(value).map_err(|_| range)?.to_string().into_bytes(),
        })
    }
}

/// What is done with the number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is read.
    None,
    /// This is added to it.
    Add(i64),
    /// It becomes this.
    Set(i64),
}

/// Where it has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Count {
    /// The number, after the change.
    Done(i64),
    /// It was not changed.
    Failed(Fault),
}

#[derive(Clone, Debug)]
enum Phase {
    /// What others have counted before is waited for.
    Syncing,
    Reading,
    Parents(Parents),
    Creating,
    Writing,
}

/// One change of a number.
#[derive(Clone, Debug)]
pub struct Counting {
    path: String,
    width: Width,
    change: Change,
    once: Once,
    phase: Phase,
    value: i64,
    data: Vec<u8>,
    version: i32,
}

impl Counting {
    /// A change of the number at this path, which is 0 before there is one.
    pub fn new(path: &str, width: Width, change: Change, id: ProtectionId) -> Counting {
        Counting {
            path: path.to_owned(),
            width,
            change,
            once: Once::next_to(path, id),
            phase: Phase::Syncing,
            value: 0,
            data: Vec::new(),
            version: 0,
        }
    }

    fn ask(&self) -> Request<'static> {
        match &self.phase {
            Phase::Syncing => sync(&self.path),
            Phase::Reading => data(&self.path, false),
            Phase::Parents(parents) => parents.ask(),
            Phase::Creating => {
                let zero = self.width.write(&self.path, 0).unwrap_or_default();
                create(&self.path, Some(zero.into()), CreateMode::Persistent)
            }
            Phase::Writing => {
                let (path, data) = (Some(self.path.clone()), self.bytes());
                self.once.ask(MultiOp::SetData { path, data, version: self.version })
            }
        }
    }

    fn bytes(&self) -> Data {
        Some(self.data.clone().into())
    }

    fn goes_on(&mut self, phase: Phase) -> Progress<i64> {
        self.phase = phase;
        Progress::More
    }

    fn answered(&mut self, answered: Answered<'_>) -> Progress<i64> {
        match &mut self.phase {
            Phase::Syncing => match answered.err().map(verdict) {
                Some(Verdict::Lost) => Progress::More,
                Some(Verdict::Ended) => Progress::Failed(Fault::Ended),
                None | Some(Verdict::Refused(_)) => self.goes_on(Phase::Reading),
            },
            Phase::Reading => self.read(answered),
            Phase::Parents(parents) => match parents.answered(answered) {
                Progress::More => Progress::More,
                Progress::Done(()) => self.goes_on(Phase::Creating),
                Progress::Failed(fault) => Progress::Failed(fault),
            },
            Phase::Creating => match answered.err() {
                None | Some(ErrorCode::NodeExists) => self.goes_on(Phase::Reading),
                Some(ErrorCode::NoNode) => {
                    let parents = Parents::of(folder(&self.path), Parent::Container);
                    self.goes_on(Phase::Parents(parents))
                }
                Some(code) => fallback(code, &self.path),
            },
            Phase::Writing => match self.once.answered(answered) {
                Progress::More => Progress::More,
                Progress::Failed(fault) => Progress::Failed(fault),
                Progress::Done(End::Done(_)) => Progress::Done(self.value),
                Progress::Done(End::Refused(ErrorCode::BadVersion | ErrorCode::NoNode)) => {
                    self.goes_on(Phase::Reading)
                }
                Progress::Done(End::Refused(code)) => fallback(code, &self.path),
            },
        }
    }

    fn read(&mut self, answered: Answered<'_>) -> Progress<i64> {
        let (data, stat) = match answered {
            Ok(Reply::Data(data, stat)) => (data.unwrap_or_default(), stat),
            Ok(_) => return unexpected(&self.path),
            Err(ErrorCode::NoNode) if self.change == Change::None => return Progress::Done(0),
            Err(ErrorCode::NoNode) => return self.goes_on(Phase::Creating),
            Err(code) => return fallback(code, &self.path),
        };
        let before = match self.width.read(&self.path, data) {
            Ok(before) => before,
            Err(fault) => return Progress::Failed(fault),
        };
        let after = match self.change {
            Change::None => return Progress::Done(before),
            Change::Add(more) => i128::from(before) + i128::from(more),
            Change::Set(value) => i128::from(value),
        };
        match self.width.write(&self.path, after) {
            Ok(data) => self.data = data,
            Err(fault) => return Progress::Failed(fault),
        }
        self.value = after as i64;
        self.version = stat.version;
        self.goes_on(Phase::Writing)
    }
}

impl Recipe for Counting {
    type Outcome = Count;

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Count>>) {
        match input {
            Input::Begin => out.push(Effect::Ask(self.ask())),
            Input::Answered(answered) => match self.answered(answered) {
                Progress::More => out.push(Effect::Ask(self.ask())),
                Progress::Done(value) => out.push(Effect::Outcome(Count::Done(value))),
                Progress::Failed(fault) => out.push(Effect::Outcome(Count::Failed(fault))),
            },
            // Its request is on the way, and has an end.
            Input::Changed { .. } | Input::Leave | Input::Ended => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_others_do() {
        // Goal: bytes of Curator's ByteBuffer.putInt and putLong, kazoo's repr; no room is said.
        for (width, value, bytes) in [
            (Width::Int, -2, &[0xff, 0xff, 0xff, 0xfe][..]),
            (Width::Long, 258, &[0, 0, 0, 0, 0, 0, 1, 2]),
            (Width::Text, -17, b"-17"),
        ] {
            assert_eq!(width.write("/c", value).unwrap(), bytes);
            assert_eq!(i128::from(width.read("/c", bytes).unwrap()), value);
            assert_eq!(width.read("/c", b"").unwrap(), 0);
        }
        assert!(Width::Int.write("/c", i128::from(i32::MAX) + 1).is_err());
        assert!(Width::Int.read("/c", b"12").is_err() && Width::Text.read("/c", b"1.5").is_err());
    }
}
