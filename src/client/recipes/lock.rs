//! A lock that one contender has after another, in the order in which they came; the same for readers together,
//! and for leadership.
//!
//! ```text
//!   Creating ──► Listing ──► Looking at the one before ──► Waiting for its end ─┐
//!                  ▲  └── none before ──► Checking ──► Held                     │
//!                  └────────────────────────────────────────────────────────────┘
//! ```
//!
//! Each watches its predecessor alone, so the end of one wakes one. The fencing token is the czxid of the
//! contender's node: whoever holds the lock later has a larger one.

use crate::codec::request::Request;
use crate::types::{CreateMode, Data, ErrorCode, Zxid};

use super::calls::{Progress, children, data, exists, fallback, names, stat, unexpected};
use super::layout::{Contest, Layout, Share, join, seat};
use super::protected::{Protected, Wanted, Withdrawal};
use super::protection::ProtectionId;
use super::recipe::{Answered, Effect, Fault, Input, Recipe};

/// Where a contender is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Others are before it.
    Behind {
        /// The one whose end it waits for.
        path: String,
    },
    /// It has the lock.
    Held {
        /// Its node.
        path: String,
        /// Larger than that of whoever had it before.
        token: Zxid,
    },
    /// Its node is gone, or its session: it has the lock no more.
    Lost,
    /// It has given the lock back, or has given up.
    Left,
    /// It cannot contend.
    Failed(Fault),
}

#[derive(Clone, Debug)]
enum Phase {
    Creating(Protected),
    /// Second nodes, which a create with a lost answer has left.
    Tidying(Withdrawal),
    Listing,
    Looking(String),
    Waiting(String),
    Checking,
    Held,
    Leaving(Withdrawal),
    Over,
}

/// A contender.
#[derive(Clone, Debug)]
pub struct Lock {
    wanted: Wanted,
    phase: Phase,
    path: String,
    is_asking: bool,
    /// What is being asked about has changed meanwhile.
    is_changed: bool,
    is_leaving: bool,
    is_held: bool,
    /// There may be nodes of which it does not know.
    is_doubtful: bool,
}

impl Lock {
    /// A contender in this folder, with something to read in its node.
    pub fn new(
        folder: &str,
        layout: Layout,
        contest: Contest,
        id: ProtectionId,
        data: Data,
    ) -> Lock {
        let wanted = Wanted {
            folder: folder.to_owned(),
            begin: layout.contender(&id, contest),
            data,
            mode: CreateMode::EphemeralSequential,
            parent: layout.parent(),
        };
        Lock {
            phase: Phase::Creating(Protected::new(wanted.clone())),
            wanted,
            path: String::new(),
            is_asking: false,
            is_changed: false,
            is_leaving: false,
            is_held: false,
            is_doubtful: false,
        }
    }

    /// What the phase asks for, if anything.
    fn request(&self) -> Option<Request<'static>> {
        match &self.phase {
            Phase::Creating(protected) => Some(protected.ask()),
            Phase::Tidying(withdrawal) | Phase::Leaving(withdrawal) => withdrawal.ask(),
            Phase::Listing => Some(children(&self.wanted.folder, false)),
            Phase::Looking(path) => Some(data(path, true)),
            Phase::Checking => Some(exists(&self.path)),
            Phase::Waiting(_) | Phase::Held | Phase::Over => None,
        }
    }

    fn ask(&mut self, out: &mut Vec<Effect<Place>>) {
        if let Some(request) = self.request() {
            self.is_asking = true;
            out.push(Effect::Ask(request));
        }
    }

    fn end(&mut self, place: Place, out: &mut Vec<Effect<Place>>) {
        self.phase = Phase::Over;
        out.push(Effect::Outcome(place));
    }

    fn changed(&mut self, path: &str, out: &mut Vec<Effect<Place>>) {
        match &self.phase {
            Phase::Looking(before) if before == path => self.is_changed = true,
            Phase::Checking if self.path == path => self.is_changed = true,
            Phase::Waiting(before) if before == path => {
                self.phase = Phase::Listing;
                self.ask(out);
            }
            Phase::Held if self.path == path => {
                self.phase = Phase::Checking;
                self.ask(out);
            }
            _ => {}
        }
    }

    fn leave(&mut self, out: &mut Vec<Effect<Place>>) {
        if matches!(self.phase, Phase::Leaving(_) | Phase::Over) {
            return;
        }
        self.is_leaving = true;
        if self.is_asking {
            return;
        }
        let withdrawal = match self.path.is_empty() || self.is_doubtful {
            true => Withdrawal::of_all(&self.wanted),
            false => Withdrawal::of(vec![self.path.clone()]),
        };
        self.phase = Phase::Leaving(withdrawal);
        self.ask(out);
    }

    fn answered(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Place>>) {
        self.is_asking = false;
        let fault = match &mut self.phase {
            Phase::Creating(protected) => {
                let progress = protected.answered(answered);
                self.is_doubtful |= protected.was_lost();
                self.after(progress, |lock, path| {
                    lock.path = path;
                    lock.phase = Phase::Listing;
                })
            }
            Phase::Tidying(withdrawal) => {
                let progress = withdrawal.answered(answered);
                self.after(progress, |lock, ()| lock.phase = Phase::Listing)
            }
            Phase::Leaving(withdrawal) => match withdrawal.answered(answered) {
                Progress::More => None,
                // What was the session's is gone with it.
                Progress::Done(()) | Progress::Failed(Fault::Ended) => {
                    return self.end(Place::Left, out);
                }
                Progress::Failed(fault) => Some(fault),
            },
            Phase::Listing => self.listed(answered, out),
            Phase::Looking(_) => self.looked(answered),
            Phase::Checking => self.checked(answered, out),
            Phase::Waiting(_) | Phase::Held | Phase::Over => None,
        };
        match fault {
            Some(Fault::Ended) => self.end(Place::Lost, out),
            Some(fault) => self.end(Place::Failed(fault), out),
            None if self.is_leaving => match self.phase {
                Phase::Leaving(_) => self.ask(out),
                _ => self.leave(out),
            },
            None => self.ask(out),
        }
    }

    fn after<T>(
        &mut self,
        progress: Progress<T>,
        done: impl FnOnce(&mut Lock, T),
    ) -> Option<Fault> {
        match progress {
            Progress::More => None,
            Progress::Done(value) => {
                done(self, value);
                None
            }
            Progress::Failed(fault) => Some(fault),
        }
    }

    /// All contenders: whose turn is it?
    fn listed(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Place>>) -> Option<Fault> {
        let names = match names(answered) {
            Ok(Some(names)) => names,
            Ok(None) => return self.after(unexpected(&self.wanted.folder), |_, ()| {}),
            Err(ErrorCode::NoNode) => Vec::new(),
            Err(code) => return self.after(fallback(code, &self.wanted.folder), |_, ()| {}),
        };
        let mut own: Vec<&String> =
            names.iter().filter(|name| name.starts_with(&self.wanted.begin)).collect();
        own.sort_by_key(|name| seat(name).map(|seat| seat.number));
        let [first, others @ ..] = &own[..] else {
            self.end(Place::Lost, out);
            return None;
        };
        self.path = join(&self.wanted.folder, first);
        if !others.is_empty() {
            let paths = others.iter().map(|name| join(&self.wanted.folder, name)).collect();
            self.phase = Phase::Tidying(Withdrawal::of(paths));
            return None;
        }
        let before = predecessor(&names, first).map(|name| join(&self.wanted.folder, name));
        self.is_changed = false;
        self.phase = before.map_or(Phase::Checking, Phase::Looking);
        None
    }

    /// The one before, which is watched now if it is there.
    fn looked(&mut self, answered: Answered<'_>) -> Option<Fault> {
        let Phase::Looking(before) = &self.phase else { return None };
        let path = before.clone();
        match answered {
            Ok(_) if self.is_changed => self.phase = Phase::Listing,
            Ok(_) => self.phase = Phase::Waiting(path),
            Err(ErrorCode::NoNode) => self.phase = Phase::Listing,
            Err(code) => return self.after(fallback(code, &path), |_, ()| {}),
        }
        None
    }

    /// The own node, which is watched now: whoever deletes it takes the lock away.
    fn checked(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Place>>) -> Option<Fault> {
        match stat(answered) {
            Ok(Some(_)) if self.is_changed => self.is_changed = false,
            Ok(Some(stat)) => {
                self.phase = Phase::Held;
                if !self.is_held && !self.is_leaving {
                    self.is_held = true;
                    let path = self.path.clone();
                    out.push(Effect::Outcome(Place::Held { path, token: stat.czxid }));
                }
            }
            Ok(None) => return self.after(unexpected(&self.path), |_, ()| {}),
            Err(ErrorCode::NoNode) => self.end(Place::Lost, out),
            Err(code) => return self.after(fallback(code, &self.path), |_, ()| {}),
        }
        None
    }
}

/// The nearest of those that keep this one out.
fn predecessor<'a>(names: &'a [String], own: &str) -> Option<&'a String> {
    let own = seat(own)?;
    let before = names.iter().filter_map(|name| {
        let seat = seat(name)?;
        let keeps_out = own.share == Share::Exclusive || seat.share == Share::Exclusive;
        (seat.number < own.number && keeps_out).then_some((seat.number, name))
    });
    before.max_by_key(|(number, _)| *number).map(|(_, name)| name)
}

impl Recipe for Lock {
    type Outcome = Place;

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Place>>) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let was_waiting = matches!(self.phase, Phase::Waiting(_));
        match input {
            Input::Begin => self.ask(out),
            Input::Answered(answered) => self.answered(answered, out),
            Input::Changed { path, .. } => self.changed(path, out),
            Input::Leave => self.leave(out),
            Input::Ended => match self.phase {
                Phase::Leaving(_) => self.end(Place::Left, out),
                _ => self.end(Place::Lost, out),
            },
        }
        if let Phase::Waiting(before) = &self.phase
            && !was_waiting
        {
            out.push(Effect::Outcome(Place::Behind { path: before.clone() }));
        }
    }
}
