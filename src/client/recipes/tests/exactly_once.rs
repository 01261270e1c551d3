//! Queues, counters, members and values: nothing twice, nothing lost, the last change always seen.

use super::*;
use crate::client::recipes::counter::{Change, Count, Counting, Width};
use crate::client::recipes::member::{Member, Membership};
use crate::client::recipes::queue::{Put, Putting, Take, Taking};
use crate::client::recipes::value::{Follow, Value};
use crate::client::recipes::{Fault, Layout};

#[test]
fn elements_are_put_and_taken_once() {
    // Goal: takers and putters at once, breaking connections: each element once, in order for each taker.
    for seed in 0..SEEDS {
        let layout = [Layout::Curator, Layout::Kazoo][seed as usize % 2];
        let mut random = SplitMix64::new(seed);
        let mut world = World::new();
        let breaks = [0, 4, 20][seed as usize % 3];
        let mut puts: Vec<_> = (0..6u8)
            .map(|at| {
                let data = Some(vec![at].into());
                let put = Putting::new("/deep/q", layout, 100, id(&mut random), data);
                Driven::begin(put, at.into())
            })
            .collect();
        let mut takes: Vec<_> = (0..6)
            .map(|at| {
                let take = Taking::new("/deep/q", layout, id(&mut random));
                Driven::begin(take, 6 + at)
            })
            .collect();
        for _ in 0..6000 {
            let at = random.below(12) as usize;
            match at < 6 {
                true => puts[at].turn(&mut world, &mut random, breaks),
                false => takes[at - 6].turn(&mut world, &mut random, breaks),
            };
        }
        for put in &puts {
            assert!(matches!(put.outcomes[..], [Put::Done(_)]), "seed {seed}: {:?}", put.outcomes);
        }
        let mut taken: Vec<u8> = takes
            .iter()
            .map(|one| match one.outcomes.last() {
                Some(Take::Taken { data, .. }) => data[0],
                other => panic!("seed {seed}: {other:?}"),
            })
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2, 3, 4, 5], "seed {seed}");
        assert!(world.children("/deep/q").is_empty(), "seed {seed}");
        assert_eq!(world.children("/deep"), ["q"], "seed {seed}: markers");
    }
}

#[test]
fn a_taker_that_gives_up_takes_nothing() {
    for seed in 0..SEEDS {
        let mut random = SplitMix64::new(seed);
        let mut world = World::new();
        let put = Putting::new("/q", Layout::Curator, 0, id(&mut random), None);
        let mut put = Driven::begin(put, 0);
        while put.turn(&mut world, &mut random, 3) {}
        let mut take = Driven::begin(Taking::new("/q", Layout::Curator, id(&mut random)), 1);
        for _ in 0..random.below(8) {
            take.turn(&mut world, &mut random, 3);
        }
        take.step(Input::Leave);
        while take.turn(&mut world, &mut random, 3) {}
        let is_taken = matches!(take.outcomes.last(), Some(Take::Taken { .. }));
        assert!(is_taken || take.outcomes.last() == Some(&Take::Left), "{:?}", take.outcomes);
        assert_eq!(world.children("/q").len(), usize::from(!is_taken), "seed {seed}");
        assert_eq!(world.children("/"), ["q"], "seed {seed}: markers");
    }
}

#[test]
fn every_count_counts_once() {
    // Goal: ten additions by chance, whatever breaks: the sum is exact, and each sees its own.
    for seed in 0..SEEDS {
        let width = [Width::Int, Width::Long, Width::Text][seed as usize % 3];
        let mut random = SplitMix64::new(seed);
        let mut world = World::new();
        let mut all: Vec<_> = (0..10)
            .map(|at| {
                let id = id(&mut random);
                Driven::begin(Counting::new("/deep/c", width, Change::Add(3), id), at)
            })
            .collect();
        for _ in 0..6000 {
            let at = random.below(10) as usize;
            all[at].turn(&mut world, &mut random, [0, 4, 20][seed as usize / 3 % 3]);
        }
        let mut values: Vec<i64> = all
            .iter()
            .map(|one| match one.outcomes[..] {
                [Count::Done(value)] => value,
                _ => panic!("seed {seed}: {:?}", one.outcomes),
            })
            .collect();
        values.sort_unstable();
        assert_eq!(values, (1..=10).map(|n| 3 * n).collect::<Vec<_>>(), "seed {seed}");
        let read = Counting::new("/deep/c", width, Change::None, id(&mut random));
        let mut read = Driven::begin(read, 0);
        while read.turn(&mut world, &mut random, 0) {}
        assert_eq!(read.outcomes, [Count::Done(30)], "seed {seed}");
    }
}

#[test]
fn a_write_of_which_nothing_is_known_says_so() {
    // Goal: a session that ends between a write and its answer is told apart from one that ends before.
    let mut random = SplitMix64::new(1);
    let mut world = World::new();
    let put = Putting::new("/q", Layout::Curator, 0, id(&mut random), None);
    let mut put = Driven::begin(put, 0);
    while world.children("/q").is_empty() {
        put.turn(&mut world, &mut random, 0);
    }
    put.answer = Some(Record::Error(ErrorCode::ConnectionLoss));
    put.turn(&mut world, &mut random, 0);
    put.expire(&mut world);
    let [Put::Failed(Fault::Unknown { .. })] = put.outcomes[..] else {
        panic!("{:?}", put.outcomes)
    };
    let early = Putting::new("/q", Layout::Curator, 0, id(&mut random), None);
    let mut early = Driven::begin(early, 1);
    early.expire(&mut world);
    assert_eq!(early.outcomes, [Put::Failed(Fault::Ended)]);
}

#[test]
fn a_member_waits_for_its_name_and_comes_again() {
    for seed in 0..SEEDS {
        let mut random = SplitMix64::new(seed);
        let mut world = World::new();
        let member = |random: &mut SplitMix64| {
            Member::new("/deep/group/me", "/deep/group", id(random), Some(b"x"[..].into()))
        };
        let mut first = Driven::begin(member(&mut random), 0);
        while first.turn(&mut world, &mut random, 4) {}
        assert_eq!(first.outcomes, [Membership::Joined], "seed {seed}");
        let mut second = Driven::begin(member(&mut random), 1);
        while second.turn(&mut world, &mut random, 4) {}
        assert_eq!(second.outcomes, [Membership::Taken], "seed {seed}");
        first.expire(&mut world);
        assert_eq!(first.outcomes.last(), Some(&Membership::Lost));
        while second.turn(&mut world, &mut random, 4) {}
        assert_eq!(second.outcomes.last(), Some(&Membership::Joined), "seed {seed}");
        world.ask(&crate::client::recipes::calls::delete("/deep/group/me"), 2);
        while second.turn(&mut world, &mut random, 4) {}
        assert_eq!(second.outcomes.len(), 3, "seed {seed}: it did not come again");
        second.step(Input::Leave);
        while second.turn(&mut world, &mut random, 4) {}
        assert_eq!(second.outcomes.last(), Some(&Membership::Left), "seed {seed}");
        assert_eq!(world.children("/deep"), ["group"], "seed {seed}: markers");
        assert!(world.children("/deep/group").is_empty(), "seed {seed}");
    }
}

#[test]
fn the_last_value_is_seen() {
    // Goal: creations, changes and deletions at any moment: what was reported last is what is there.
    for seed in 0..SEEDS {
        let mut random = SplitMix64::new(seed);
        let mut world = World::new();
        let mut follow = Driven::begin(Follow::new("/v"), 0);
        for change in 0..20u8 {
            let deletes = random.below(4) == 0;
            let request = match deletes {
                true => crate::client::recipes::calls::delete("/v"),
                false => crate::client::recipes::calls::create(
                    "/v",
                    Some(vec![change].into()),
                    crate::types::CreateMode::Persistent,
                ),
            };
            world.ask(&request, 1);
            for _ in 0..random.below(5) {
                follow.turn(&mut world, &mut random, 6);
            }
        }
        while follow.turn(&mut world, &mut random, 6) {}
        let reported = match follow.outcomes.last() {
            Some(Value::Is { data, .. }) => Some(data.clone()),
            Some(Value::Absent) => None,
            other => panic!("seed {seed}: {other:?}"),
        };
        assert_eq!(reported, world.nodes.get("/v").map(|node| node.data.clone()), "seed {seed}");
    }
}
