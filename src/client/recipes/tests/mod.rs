//! Recipes against a server in miniature, by chance: several at once, connections that break before or after a
//! request was carried out, sessions that end, nodes that others delete.

mod exactly_once;
mod turns;
mod world;

use world::{Record, World};

use super::{Effect, Input, ProtectionId, Recipe};
use crate::codec::request::Request;
use crate::types::{ErrorCode, SplitMix64};

/// Seeds of each test.
const SEEDS: u64 = 300;

fn id(random: &mut SplitMix64) -> ProtectionId {
    let bytes = [random.draw().to_be_bytes(), random.draw().to_be_bytes()].concat();
    ProtectionId::new(bytes.try_into().unwrap_or_default())
}

/// A recipe, its session, and what it has asked for.
struct Driven<R: Recipe> {
    recipe: R,
    session: usize,
    asked: Option<Request<'static>>,
    /// The answer is on its way: the server has carried it out.
    answer: Option<Record>,
    outcomes: Vec<R::Outcome>,
    is_over: bool,
}

impl<R: Recipe> Driven<R> {
    fn begin(recipe: R, session: usize) -> Driven<R> {
        let (asked, answer, outcomes) = (None, None, Vec::new());
        let mut driven = Driven { recipe, session, asked, answer, outcomes, is_over: false };
        driven.step(Input::Begin);
        driven
    }

    fn step(&mut self, input: Input<'_>) {
        let mut effects = Vec::new();
        self.recipe.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Ask(request) => {
                    assert!(self.asked.is_none(), "two requests at once");
                    self.asked = Some(request);
                }
                Effect::Outcome(outcome) => self.outcomes.push(outcome),
            }
        }
    }

    /// Something happens, if anything can: the request arrives, its answer does, the connection breaks on the
    /// way there or back, an event is heard.
    fn turn(&mut self, world: &mut World, random: &mut SplitMix64, breaks: u64) -> bool {
        if self.is_over {
            return false;
        }
        if let Some(answer) = self.answer.take() {
            self.asked = None;
            self.step(Input::Answered(answer.answered()));
            return true;
        }
        if let Some(request) = self.asked.clone() {
            let is_broken = breaks > 0 && random.below(breaks) == 0;
            if !is_broken || random.below(2) == 0 {
                self.answer = Some(world.ask(&request, self.session));
            }
            if is_broken {
                self.answer = Some(Record::Error(ErrorCode::ConnectionLoss));
            }
            return true;
        }
        let event = world.events.get_mut(&self.session).and_then(|events| events.pop_front());
        let Some((kind, path)) = event else { return false };
        self.step(Input::Changed { kind, path: &path });
        true
    }

    fn expire(&mut self, world: &mut World) {
        world.expire(self.session);
        self.is_over = true;
        let had_asked = self.asked.take().is_some();
        self.answer = None;
        if had_asked {
            self.step(Input::Answered(Err(ErrorCode::SessionExpired)));
        }
        self.step(Input::Ended);
        self.asked = None;
    }
}
