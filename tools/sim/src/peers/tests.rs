#![allow(clippy::unwrap_used)]

use ringkeeper::roles::peers::contract;

use super::*;
use crate::knobs::Knobs;
use crate::world::Event;

/// A world of three servers in which one has a link to its leader: its pipe's number.
fn with_a_learner() -> (World, u64) {
    let mut world = World::new(7, Knobs::draw(7, Some(3)), Vec::new(), false);
    for server in 0..3 {
        world.schedule(0, Event::Boot { server });
    }
    loop {
        world.one_event().unwrap();
        let is_quorum = |(_, pipe): &(&u64, &Pipe)| !pipe.is_election;
        if let Some((number, _)) = world.pipes.iter().find(is_quorum) {
            let number = *number;
            return (world, number);
        }
    }
}

fn input(world: &mut World, end: End) -> Vec<u8> {
    world.sockets(end.server).unwrap().quorum[&end.link].input.clone()
}

#[test]
fn bytes_stay_in_order_when_a_pause_is_cut_short() {
    // Goal: what came in a pause is read before what comes behind it, and once.
    let (mut world, number) = with_a_learner();
    let called = world.pipes[&number].ends[1];
    assert!(input(&mut world, called).is_empty());
    world.servers[called.server].paused_until = world.now + 4_000_000;
    world.peer_bytes(number, 1, &[0, 0]).unwrap();
    assert!(input(&mut world, called).is_empty(), "it does not run");
    world.servers[called.server].paused_until = world.now;
    world.peer_bytes(number, 1, &[0, 5, 9]).unwrap();
    assert_eq!(input(&mut world, called), [0, 0, 0, 5, 9]);
    world.peer_bytes(number, 1, &[]).unwrap();
    assert_eq!(input(&mut world, called), [0, 0, 0, 5, 9]);
}

/// A link of the world, held at both ends.
struct Held {
    world: World,
    ends: [End; 2],
}

impl Held {
    fn new() -> Held {
        let (mut world, number) = with_a_learner();
        let [caller, called] = world.pipes[&number].ends;
        (world.knobs.socket_bytes, world.knobs.link_bytes_ms) = (8000, 1000);
        world.tapped = Some(Vec::new());
        Held { world, ends: [called, caller] }
    }
}

impl contract::Rig for Held {
    fn link(&self, end: usize) -> Link {
        self.ends[end].link
    }
    fn command(&mut self, end: usize, command: PeerCommand) {
        self.world.peer_command(self.ends[end].server, command);
    }
    fn run(&mut self) -> [Vec<PeerEvent>; 2] {
        let until = self.world.now + 1000;
        while self.world.now < until {
            self.world.one_event().unwrap();
        }
        let mut heard = [Vec::new(), Vec::new()];
        for (server, event) in self.world.tapped.replace(Vec::new()).unwrap() {
            heard[usize::from(server == self.ends[1].server)].push(event);
        }
        heard
    }
    fn much(&self) -> usize {
        64_000
    }
    /// An end each, as long as anything is left.
    fn kept(&self) -> usize {
        let is_kept = |end: &End| {
            let sockets = self.world.servers[end.server].up.as_ref().unwrap().sockets.as_ref();
            let sockets = sockets.unwrap();
            sockets.links.contains_key(&end.link) || sockets.quorum.contains_key(&end.link)
        };
        let is_held = |pipe: &Pipe| pipe.ends == [self.ends[1], self.ends[0]];
        let is_left = self.ends.iter().any(is_kept) || self.world.pipes.values().any(is_held);
        2 * usize::from(is_left)
    }
}

#[test]
fn drained_does_not_wait_for_what_is_sent_behind_it() {
    contract::drained_does_not_wait_for_what_is_sent_behind_it(&mut Held::new());
}

#[test]
fn a_closed_link_leaves_nothing_behind() {
    contract::a_closed_link_leaves_nothing_behind(&mut Held::new());
}

#[test]
fn a_link_that_is_not_read_stands_still() {
    contract::a_link_that_is_not_read_stands_still(&mut Held::new());
}

#[test]
#[cfg(feature = "mutants")]
#[should_panic(expected = "nobody said so")]
fn the_contract_finds_a_drained_that_means_empty() {
    ringkeeper::mutants::choose(Some(ringkeeper::mutants::Mutant::DrainedWhenEmpty));
    contract::drained_does_not_wait_for_what_is_sent_behind_it(&mut Held::new());
}
