//! A queue: elements are taken in the order in which they were put, each once (SimpleDistributedQueue; kazoo's
//! Queue, which has priorities).

use crate::codec::reply::decode::Reply;
use crate::codec::request::{MultiOp, Request};
use crate::types::{CreateMode, Data, ErrorCode};

use super::calls::{Progress, children, create_op, data, delete, fallback, names, unexpected};
use super::layout::{Layout, element, element_begin, join};
use super::once::{End, Once};
use super::parents::Parents;
use super::protection::ProtectionId;
use super::recipe::{Answered, Effect, Fault, Input, Recipe};

/// Where a put has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Put {
    /// It is in the queue; its path, if the answer came.
    Done(Option<String>),
    /// It is not.
    Failed(Fault),
}

/// One element on its way into a queue.
#[derive(Clone, Debug)]
pub struct Putting {
    queue: String,
    layout: Layout,
    priority: u32,
    data: Data,
    once: Once,
    parents: Option<Parents>,
}

impl Putting {
    /// Lower priorities are taken first; Curator's queue has none.
    pub fn new(
        queue: &str,
        layout: Layout,
        priority: u32,
        id: ProtectionId,
        data: Data,
    ) -> Putting {
        let once = Once::next_to(queue, id);
        Putting { queue: queue.to_owned(), layout, priority, data, once, parents: None }
    }

    fn ask(&self) -> Request<'static> {
        match &self.parents {
            Some(parents) => parents.ask(),
            None => {
                let path = join(&self.queue, &element_begin(self.layout, self.priority));
                let op = create_op(&path, self.data.clone(), CreateMode::PersistentSequential);
                self.once.ask(MultiOp::Create(op))
            }
        }
    }

    fn answered(&mut self, answered: Answered<'_>) -> Progress<Option<String>> {
        if let Some(parents) = &mut self.parents {
            return match parents.answered(answered) {
                Progress::More => Progress::More,
                Progress::Done(()) => {
                    self.parents = None;
                    Progress::More
                }
                Progress::Failed(fault) => Progress::Failed(fault),
            };
        }
        match self.once.answered(answered) {
            Progress::More => Progress::More,
            Progress::Failed(fault) => Progress::Failed(fault),
            Progress::Done(End::Done(path)) => Progress::Done(path),
            Progress::Done(End::Refused(ErrorCode::NoNode)) => {
                self.parents = Some(Parents::of(&self.queue, self.layout.parent()));
                Progress::More
            }
            Progress::Done(End::Refused(code)) => fallback(code, &self.queue),
        }
    }
}

impl Recipe for Putting {
    type Outcome = Put;

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Put>>) {
        match input {
            Input::Begin => out.push(Effect::Ask(self.ask())),
            Input::Answered(answered) => match self.answered(answered) {
                Progress::More => out.push(Effect::Ask(self.ask())),
                Progress::Done(path) => out.push(Effect::Outcome(Put::Done(path))),
                Progress::Failed(fault) => out.push(Effect::Outcome(Put::Failed(fault))),
            },
            // Its request is on the way, and has an end.
            Input::Changed { .. } | Input::Leave | Input::Ended => {}
        }
    }
}

/// Where a take has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Take {
    /// Nothing is in the queue; whoever does not leave waits.
    Empty,
    /// An element, which nobody else has.
    Taken {
        /// Its path.
        path: String,
        /// What was put.
        data: Vec<u8>,
    },
    /// Nothing was taken.
    Left,
    /// Nothing can be taken.
    Failed(Fault),
}

#[derive(Clone, Debug)]
enum Phase {
    Listing,
    Parents(Parents),
    Waiting,
    Reading,
    Deleting,
    /// The marker of a take that is given up.
    Leaving,
    Over,
}

/// Somebody who wants an element.
#[derive(Clone, Debug)]
pub struct Taking {
    queue: String,
    layout: Layout,
    once: Once,
    phase: Phase,
    /// Those that were seen and not tried, the first last.
    seen: Vec<String>,
    path: String,
    data: Vec<u8>,
    version: i32,
    is_changed: bool,
    is_leaving: bool,
}

impl Taking {
    /// The next element of this queue.
    pub fn new(queue: &str, layout: Layout, id: ProtectionId) -> Taking {
        Taking {
            queue: queue.to_owned(),
            layout,
            once: Once::next_to(queue, id),
            phase: Phase::Listing,
            seen: Vec::new(),
            path: String::new(),
            data: Vec::new(),
            version: 0,
            is_changed: false,
            is_leaving: false,
        }
    }

    fn request(&self) -> Option<Request<'static>> {
        match &self.phase {
            Phase::Listing => Some(children(&self.queue, true)),
            Phase::Parents(parents) => Some(parents.ask()),
            Phase::Reading => Some(data(&self.path, false)),
            Phase::Deleting => {
                let path = Some(self.path.clone());
                Some(self.once.ask(MultiOp::Delete { path, version: self.version }))
            }
            Phase::Leaving => self.once.marker().map(delete),
            Phase::Waiting | Phase::Over => None,
        }
    }

    fn ask(&mut self, out: &mut Vec<Effect<Take>>) {
        let is_busy = matches!(self.phase, Phase::Deleting | Phase::Leaving | Phase::Over);
        if self.is_leaving && !is_busy {
            self.phase = Phase::Leaving;
        }
        match self.request() {
            Some(request) => out.push(Effect::Ask(request)),
            None if matches!(self.phase, Phase::Leaving) => self.end(Take::Left, out),
            None => {}
        }
    }

    fn end(&mut self, take: Take, out: &mut Vec<Effect<Take>>) {
        self.phase = Phase::Over;
        out.push(Effect::Outcome(take));
    }

    fn answered(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Take>>) {
        let progress = match &mut self.phase {
            Phase::Listing => self.listed(answered, out),
            Phase::Parents(parents) => match parents.answered(answered) {
                Progress::Done(()) => self.goes_on(Phase::Listing),
                more => more,
            },
            Phase::Reading => self.read(answered),
            Phase::Deleting => self.deleted(answered, out),
            Phase::Leaving => match answered.err() {
                None | Some(ErrorCode::NoNode) => Progress::Done(()),
                Some(code) => fallback(code, &self.queue),
            },
            Phase::Waiting | Phase::Over => Progress::More,
        };
        match progress {
            Progress::More => self.ask(out),
            Progress::Done(()) => self.end(Take::Left, out),
            Progress::Failed(Fault::Ended) if matches!(self.phase, Phase::Leaving) => {
                self.end(Take::Left, out);
            }
            Progress::Failed(fault) => self.end(Take::Failed(fault), out),
        }
    }

    fn goes_on(&mut self, phase: Phase) -> Progress<()> {
        self.phase = phase;
        Progress::More
    }

    fn listed(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Take>>) -> Progress<()> {
        let names = match names(answered) {
            Ok(Some(names)) => names,
            Ok(None) => return unexpected(&self.queue),
            Err(ErrorCode::NoNode) => {
                let parents = Parents::of(&self.queue, self.layout.parent());
                return self.goes_on(Phase::Parents(parents));
            }
            Err(code) => return fallback(code, &self.queue),
        };
        let mut elements: Vec<_> = names
            .iter()
            .filter_map(|name| Some((element(self.layout, name)?, name.as_str())))
            .collect();
        elements.sort_unstable_by(|a, b| b.cmp(a));
        self.seen = elements.iter().map(|(_, name)| join(&self.queue, name)).collect();
        if !self.try_next() && !std::mem::take(&mut self.is_changed) {
            self.phase = Phase::Waiting;
            out.push(Effect::Outcome(Take::Empty));
        }
        Progress::More
    }

    /// Whether there is one more; else all are looked for again.
    fn try_next(&mut self) -> bool {
        let next = self.seen.pop();
        let is_some = next.is_some();
        self.phase = if is_some { Phase::Reading } else { Phase::Listing };
        self.path = next.unwrap_or_default();
        is_some
    }

    fn read(&mut self, answered: Answered<'_>) -> Progress<()> {
        match answered {
            Ok(Reply::Data(data, stat)) => {
                self.data = data.unwrap_or_default().to_vec();
                self.version = stat.version;
                self.goes_on(Phase::Deleting)
            }
            Ok(_) => unexpected(&self.path),
            Err(ErrorCode::NoNode) => {
                self.try_next();
                Progress::More
            }
            Err(code) => fallback(code, &self.path),
        }
    }

    fn deleted(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Take>>) -> Progress<()> {
        match self.once.answered(answered) {
            Progress::More => Progress::More,
            Progress::Failed(fault) => Progress::Failed(fault),
            Progress::Done(End::Done(_)) => {
                let (path, data) = (std::mem::take(&mut self.path), std::mem::take(&mut self.data));
                self.end(Take::Taken { path, data }, out);
                Progress::More
            }
            // Another has it, or has changed it.
            Progress::Done(End::Refused(ErrorCode::NoNode | ErrorCode::BadVersion)) => {
                self.try_next();
                Progress::More
            }
            Progress::Done(End::Refused(code)) => fallback(code, &self.path),
        }
    }
}

impl Recipe for Taking {
    type Outcome = Take;

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Take>>) {
        match input {
            _ if matches!(self.phase, Phase::Over) => {}
            Input::Begin => self.ask(out),
            Input::Answered(answered) => self.answered(answered, out),
            Input::Changed { path, .. } if path == self.queue => match self.phase {
                Phase::Waiting => {
                    self.phase = Phase::Listing;
                    self.ask(out);
                }
                _ => self.is_changed = true,
            },
            Input::Changed { .. } => {}
            Input::Leave => {
                self.is_leaving = true;
                if matches!(self.phase, Phase::Waiting) {
                    self.ask(out);
                }
            }
            Input::Ended => match self.phase {
                Phase::Leaving => self.end(Take::Left, out),
                // The request on the way ends, too, and says more.
                Phase::Deleting => {}
                _ => self.end(Take::Failed(Fault::Ended), out),
            },
        }
    }
}
