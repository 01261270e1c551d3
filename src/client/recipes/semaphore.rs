//! So many leases and no more (InterProcessSemaphoreV2; kazoo's Semaphore). Whoever wants one waits for a lock
//! first, so that they are had in the order in which they were asked for, and one alone watches the leases.

use crate::codec::request::Request;
use crate::types::{CreateMode, Data, ErrorCode, Zxid};

use super::calls::{Progress, children, exists, fallback, names, stat, unexpected};
use super::layout::{Contest, Layout};
use super::lock::{Lock, Place};
use super::protected::{Protected, Wanted, Withdrawal};
use super::protection::ProtectionId;
use super::recipe::{Answered, Effect, Fault, Input, Recipe};

#[derive(Clone, Debug)]
enum Phase {
    Locking,
    Leasing(Protected),
    Counting,
    /// All leases are had.
    Waiting,
    Checking,
    /// The lock is given back to whoever is next.
    Unlocking,
    Held,
    Leaving(Withdrawal),
    /// After the lease the lock, of one that gives up.
    LeavingLock,
    Over,
}

/// Somebody who wants a lease.
#[derive(Clone, Debug)]
pub struct Semaphore {
    lock: Lock,
    wanted: Wanted,
    most: usize,
    phase: Phase,
    path: String,
    token: Zxid,
    has_lock: bool,
    has_asked: bool,
    is_asking: bool,
    is_changed: bool,
    is_leaving: bool,
}

impl Semaphore {
    /// One of `most` leases beneath this path.
    pub fn new(
        path: &str,
        layout: Layout,
        most: usize,
        ids: [ProtectionId; 2],
        data: Data,
    ) -> Semaphore {
        let [lock, lease] = ids;
        let (locks, folder, begin, mode) = match layout {
            Layout::Curator => (
                format!("{path}/locks"),
                format!("{path}/leases"),
                format!("_c_{}-lease-", lease.uuid()),
                CreateMode::EphemeralSequential,
            ),
            Layout::Kazoo => {
                (format!("{path}-__lock__"), path.to_owned(), lease.hex(), CreateMode::Ephemeral)
            }
        };
        let parent = layout.parent();
        let wanted = Wanted { folder, begin, data: data.clone(), mode, parent };
        Semaphore {
            lock: Lock::new(&locks, layout, Contest::Lock, lock, data),
            wanted,
            most,
            phase: Phase::Locking,
            path: String::new(),
            token: Zxid::ZERO,
            has_lock: false,
            has_asked: false,
            is_asking: false,
            is_changed: false,
            is_leaving: false,
        }
    }

    fn end(&mut self, place: Place, out: &mut Vec<Effect<Place>>) {
        self.phase = Phase::Over;
        out.push(Effect::Outcome(place));
    }

    fn request(&self) -> Option<Request<'static>> {
        match &self.phase {
            Phase::Leasing(protected) => Some(protected.ask()),
            Phase::Counting => Some(children(&self.wanted.folder, true)),
            Phase::Checking => Some(exists(&self.path)),
            Phase::Leaving(withdrawal) => withdrawal.ask(),
            Phase::Locking
            | Phase::Waiting
            | Phase::Unlocking
            | Phase::Held
            | Phase::LeavingLock
            | Phase::Over => None,
        }
    }

    fn ask(&mut self, out: &mut Vec<Effect<Place>>) {
        if let Some(request) = self.request() {
            self.is_asking = true;
            out.push(Effect::Ask(request));
        }
    }

    /// Hands an input to the lock, and takes what it has come to.
    fn step_lock(&mut self, input: Input<'_>, out: &mut Vec<Effect<Place>>) {
        let mut effects = Vec::new();
        self.lock.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Ask(request) => {
                    self.is_asking = true;
                    out.push(Effect::Ask(request));
                }
                Effect::Outcome(place) => self.placed(place, out),
            }
        }
    }

    fn placed(&mut self, place: Place, out: &mut Vec<Effect<Place>>) {
        match place {
            Place::Behind { .. } => out.push(Effect::Outcome(place)),
            Place::Held { .. } => {
                self.has_lock = true;
                self.has_asked = true;
                self.phase = Phase::Leasing(Protected::new(self.wanted.clone()));
            }
            Place::Left | Place::Lost => {
                self.has_lock = false;
                match self.phase {
                    Phase::Unlocking => self.has_lease(out),
                    _ if place == Place::Left => self.end(Place::Left, out),
                    _ => self.end(Place::Lost, out),
                }
            }
            Place::Failed(fault) => self.end(Place::Failed(fault), out),
        }
    }

    fn has_lease(&mut self, out: &mut Vec<Effect<Place>>) {
        self.phase = match std::mem::take(&mut self.is_changed) {
            true => Phase::Checking,
            false => Phase::Held,
        };
        if !self.is_leaving {
            out.push(Effect::Outcome(Place::Held { path: self.path.clone(), token: self.token }));
        }
    }

    fn answered(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Place>>) {
        self.is_asking = false;
        let progress = match &mut self.phase {
            Phase::Locking | Phase::Unlocking | Phase::LeavingLock => {
                self.step_lock(Input::Answered(answered), out);
                Progress::More
            }
            Phase::Leasing(protected) => match protected.answered(answered) {
                Progress::Done(path) => {
                    self.path = path;
                    self.phase = Phase::Counting;
                    Progress::More
                }
                Progress::More => Progress::More,
                Progress::Failed(fault) => Progress::Failed(fault),
            },
            Phase::Counting => self.counted(answered, out),
            Phase::Checking => self.checked(answered, out),
            Phase::Leaving(withdrawal) => match withdrawal.answered(answered) {
                Progress::Done(()) => {
                    self.leave_lock(out);
                    Progress::More
                }
                more => more,
            },
            Phase::Waiting | Phase::Held | Phase::Over => Progress::More,
        };
        match progress {
            Progress::Failed(Fault::Ended) if matches!(self.phase, Phase::Leaving(_)) => {
                self.end(Place::Left, out);
            }
            Progress::Failed(Fault::Ended) => self.end(Place::Lost, out),
            Progress::Failed(fault) => self.end(Place::Failed(fault), out),
            Progress::More | Progress::Done(()) => self.go_on(out),
        }
    }

    fn go_on(&mut self, out: &mut Vec<Effect<Place>>) {
        let has_begun = matches!(self.phase, Phase::Leaving(_) | Phase::LeavingLock | Phase::Over);
        if self.is_asking {
            return;
        }
        match self.is_leaving && !has_begun {
            true => self.leave(out),
            false => self.ask(out),
        }
    }

    /// The leases, the own one among them.
    fn counted(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Place>>) -> Progress<()> {
        let names = match names(answered) {
            Ok(Some(names)) => names,
            Ok(None) => return unexpected(&self.wanted.folder),
            Err(ErrorCode::NoNode) => Vec::new(),
            Err(code) => return fallback(code, &self.wanted.folder),
        };
        let own = names.iter().filter(|name| name.starts_with(&self.wanted.begin)).count();
        if own == 0 {
            self.end(Place::Lost, out);
        } else if names.len() - own < self.most {
            self.is_changed = false;
            self.phase = Phase::Checking;
        } else if !std::mem::take(&mut self.is_changed) {
            self.phase = Phase::Waiting;
            out.push(Effect::Outcome(Place::Behind { path: self.wanted.folder.clone() }));
        }
        Progress::More
    }

    fn checked(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Place>>) -> Progress<()> {
        match stat(answered) {
            Ok(Some(_)) if self.is_changed => self.is_changed = false,
            Ok(Some(stat)) if self.has_lock => {
                self.token = stat.czxid;
                self.phase = Phase::Unlocking;
                self.step_lock(Input::Leave, out);
            }
            Ok(Some(_)) => self.phase = Phase::Held,
            Ok(None) => return unexpected(&self.path),
            Err(ErrorCode::NoNode) => self.end(Place::Lost, out),
            Err(code) => return fallback(code, &self.path),
        }
        Progress::More
    }

    fn changed(&mut self, input: Input<'_>, path: &str, out: &mut Vec<Effect<Place>>) {
        match self.phase {
            Phase::Locking => self.step_lock(input, out),
            Phase::Counting if path == self.wanted.folder => self.is_changed = true,
            Phase::Checking | Phase::Unlocking if path == self.path => self.is_changed = true,
            Phase::Waiting if path == self.wanted.folder => {
                self.phase = Phase::Counting;
                self.ask(out);
            }
            Phase::Held if path == self.path => {
                self.phase = Phase::Checking;
                self.ask(out);
            }
            _ => {}
        }
    }

    fn leave(&mut self, out: &mut Vec<Effect<Place>>) {
        self.is_leaving = true;
        if self.is_asking || matches!(self.phase, Phase::Leaving(_) | Phase::Over) {
            return;
        }
        match self.has_asked {
            // A create that came to nothing may have left a lease, and more than one.
            true => {
                self.phase = Phase::Leaving(Withdrawal::of_all(&self.wanted));
                self.ask(out);
            }
            false => self.leave_lock(out),
        }
    }

    fn leave_lock(&mut self, out: &mut Vec<Effect<Place>>) {
        self.phase = Phase::LeavingLock;
        match self.has_asked && !self.has_lock {
            true => self.end(Place::Left, out),
            false => self.step_lock(Input::Leave, out),
        }
    }
}

impl Recipe for Semaphore {
    type Outcome = Place;

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Place>>) {
        match input {
            _ if matches!(self.phase, Phase::Over) => {}
            Input::Begin => {
                self.step_lock(Input::Begin, out);
            }
            Input::Answered(answered) => self.answered(answered, out),
            Input::Changed { path, .. } => self.changed(input.clone(), path, out),
            Input::Leave => self.leave(out),
            Input::Ended => match self.phase {
                Phase::Leaving(_) | Phase::LeavingLock => self.end(Place::Left, out),
                _ => self.end(Place::Lost, out),
            },
        }
    }
}
