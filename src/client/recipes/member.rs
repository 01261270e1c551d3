//! A node of the session's under a name of its own, for as long as somebody wants it (PersistentNode,
//! GroupMember, x-discovery; kazoo's Party). If it is deleted it is made again; if another session has the name,
//! that one's end is waited for.

use crate::codec::request::{MultiOp, Request};
use crate::types::{CreateMode, Data, ErrorCode};

use super::calls::{Progress, create_op, exists, fallback, stat, unexpected};
use super::once::{End, Once};
use super::parents::{Parent, Parents};
use super::protected::{Withdrawal, folder};
use super::protection::ProtectionId;
use super::recipe::{Answered, Effect, Fault, Input, Recipe};

/// Where a member has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Membership {
    /// Another session has the name; its end is waited for.
    Taken,
    /// The node is there.
    Joined,
    /// The session is over, and the node gone.
    Lost,
    /// The node is gone, as was wanted.
    Left,
    /// It cannot be.
    Failed(Fault),
}

#[derive(Clone, Debug)]
enum Phase {
    Joining,
    Parents(Parents),
    /// Whether the other's node is there still.
    Looking,
    Waiting,
    Checking,
    Joined,
    Leaving(Withdrawal),
    Over,
}

/// Somebody with a name.
#[derive(Clone, Debug)]
pub struct Member {
    path: String,
    /// Beside which markers are: children of the member's own folder are taken for members.
    group: String,
    data: Data,
    /// Of the creation that is under way.
    once: Once,
    id: ProtectionId,
    phase: Phase,
    is_asking: bool,
    is_changed: bool,
    is_leaving: bool,
    is_joined: bool,
}

impl Member {
    /// A node at this path with this data, in a group of members that begins at `group`.
    pub fn new(path: &str, group: &str, id: ProtectionId, data: Data) -> Member {
        Member {
            path: path.to_owned(),
            group: group.to_owned(),
            data,
            once: Once::next_to(group, id),
            id,
            phase: Phase::Joining,
            is_asking: false,
            is_changed: false,
            is_leaving: false,
            is_joined: false,
        }
    }

    fn request(&self) -> Option<Request<'static>> {
        match &self.phase {
            Phase::Joining => {
                let op = create_op(&self.path, self.data.clone(), CreateMode::Ephemeral);
                Some(self.once.ask(MultiOp::Create(op)))
            }
            Phase::Parents(parents) => Some(parents.ask()),
            Phase::Looking | Phase::Checking => Some(exists(&self.path)),
            Phase::Leaving(withdrawal) => withdrawal.ask(),
            Phase::Waiting | Phase::Joined | Phase::Over => None,
        }
    }

    fn ask(&mut self, out: &mut Vec<Effect<Membership>>) {
        if let Some(request) = self.request() {
            self.is_asking = true;
            out.push(Effect::Ask(request));
        }
    }

    fn end(&mut self, membership: Membership, out: &mut Vec<Effect<Membership>>) {
        self.phase = Phase::Over;
        out.push(Effect::Outcome(membership));
    }

    fn goes_on(&mut self, phase: Phase) -> Progress<()> {
        self.phase = phase;
        Progress::More
    }

    fn answered(&mut self, answered: Answered<'_>, out: &mut Vec<Effect<Membership>>) {
        self.is_asking = false;
        let progress = match &mut self.phase {
            Phase::Joining => self.created(answered),
            Phase::Parents(parents) => match parents.answered(answered) {
                Progress::Done(()) => self.goes_on(Phase::Joining),
                more => more,
            },
            Phase::Looking | Phase::Checking => self.looked(answered, out),
            Phase::Leaving(withdrawal) => withdrawal.answered(answered),
            Phase::Waiting | Phase::Joined | Phase::Over => Progress::More,
        };
        let is_out = matches!(self.phase, Phase::Leaving(_));
        match progress {
            Progress::Done(()) => self.end(Membership::Left, out),
            Progress::Failed(Fault::Ended) if is_out => self.end(Membership::Left, out),
            Progress::Failed(Fault::Ended) => self.end(Membership::Lost, out),
            Progress::Failed(fault) => self.end(Membership::Failed(fault), out),
            Progress::More if self.is_leaving && !is_out => self.leave(out),
            Progress::More => self.ask(out),
        }
    }

    fn created(&mut self, answered: Answered<'_>) -> Progress<()> {
        match self.once.answered(answered) {
            Progress::More => Progress::More,
            Progress::Failed(fault) => Progress::Failed(fault),
            Progress::Done(End::Done(_)) => {
                self.once = Once::next_to(&self.group, self.id);
                self.is_joined = true;
                self.goes_on(Phase::Checking)
            }
            Progress::Done(End::Refused(ErrorCode::NodeExists)) => self.goes_on(Phase::Looking),
            Progress::Done(End::Refused(ErrorCode::NoNode)) => {
                let parents = Parents::of(folder(&self.path), Parent::Container);
                self.goes_on(Phase::Parents(parents))
            }
            Progress::Done(End::Refused(code)) => fallback(code, &self.path),
        }
    }

    /// The node is watched now, the own one or the other's.
    fn looked(
        &mut self,
        answered: Answered<'_>,
        out: &mut Vec<Effect<Membership>>,
    ) -> Progress<()> {
        let is_own = matches!(self.phase, Phase::Checking);
        match stat(answered) {
            Ok(Some(_)) if self.is_changed => {
                self.is_changed = false;
                Progress::More
            }
            Ok(Some(_)) if is_own => {
                self.phase = Phase::Joined;
                if std::mem::take(&mut self.is_joined) && !self.is_leaving {
                    out.push(Effect::Outcome(Membership::Joined));
                }
                Progress::More
            }
            Ok(Some(_)) => {
                self.phase = Phase::Waiting;
                out.push(Effect::Outcome(Membership::Taken));
                Progress::More
            }
            Ok(None) => unexpected(&self.path),
            Err(ErrorCode::NoNode) => self.goes_on(Phase::Joining),
            Err(code) => fallback(code, &self.path),
        }
    }

    fn changed(&mut self, out: &mut Vec<Effect<Membership>>) {
        match self.phase {
            Phase::Looking | Phase::Checking => self.is_changed = true,
            Phase::Waiting => {
                self.phase = Phase::Looking;
                self.ask(out);
            }
            Phase::Joined => {
                self.phase = Phase::Checking;
                self.ask(out);
            }
            Phase::Joining | Phase::Parents(_) | Phase::Leaving(_) | Phase::Over => {}
        }
    }

    fn leave(&mut self, out: &mut Vec<Effect<Membership>>) {
        if matches!(self.phase, Phase::Leaving(_) | Phase::Over) {
            return;
        }
        self.is_leaving = true;
        // What is on the way decides whether there is a node of its own.
        let is_sure = matches!(self.phase, Phase::Checking | Phase::Joined);
        let is_other = matches!(self.phase, Phase::Waiting | Phase::Looking);
        if self.is_asking {
            return;
        }
        match (is_sure, is_other) {
            (true, _) => {
                self.phase = Phase::Leaving(Withdrawal::of(vec![self.path.clone()]));
                self.ask(out);
            }
            (_, true) => match self.once.marker() {
                Some(marker) => {
                    self.phase = Phase::Leaving(Withdrawal::of(vec![marker.to_owned()]));
                    self.ask(out);
                }
                None => self.end(Membership::Left, out),
            },
            _ => self.ask(out),
        }
    }
}

impl Recipe for Member {
    type Outcome = Membership;

    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Membership>>) {
        match input {
            _ if matches!(self.phase, Phase::Over) => {}
            Input::Begin => self.ask(out),
            Input::Answered(answered) => self.answered(answered, out),
            Input::Changed { path, .. } if path == self.path => self.changed(out),
            Input::Changed { .. } => {}
            Input::Leave => self.leave(out),
            Input::Ended => match self.phase {
                Phase::Leaving(_) => self.end(Membership::Left, out),
                _ => self.end(Membership::Lost, out),
            },
        }
    }
}
