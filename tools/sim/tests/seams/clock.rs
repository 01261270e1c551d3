//! The times that a turn is told: by the process's two clocks, and by a simulated server's.

use std::time::{Duration, Instant};

use ringkeeper::runtime::clock;
use ringkeeper::runtime::waker::{self, ThreadSleeper};
use ringkeeper::types::{Millis, WallMillis};
use ringkeeper_sim::knobs::Knobs;
use ringkeeper_sim::world::{Event, World};

/// Whoever gives turns, and tells them the time.
trait Side {
    /// One of several clocks; `None` when there are no more.
    fn new(which: u64) -> Option<Self>
    where
        Self: Sized;
    /// What a turn is told now.
    fn told(&mut self) -> (Millis, WallMillis);
    /// Waits as between two turns, the first of which has asked for this time, when nothing else
    /// happens.
    fn wait_until(&mut self, deadline: Millis);
    /// Microseconds of the world, by a watch that nobody sets.
    fn passed_us(&self) -> i64;
}

struct Process {
    sleeper: ThreadSleeper,
    began: Instant,
}

impl Side for Process {
    fn new(which: u64) -> Option<Process> {
        (which < 1).then(|| Process { sleeper: waker::for_thread().0, began: Instant::now() })
    }
    fn told(&mut self) -> (Millis, WallMillis) {
        (clock::now(), clock::wall())
    }
    fn wait_until(&mut self, deadline: Millis) {
        let left = deadline.0 - clock::now().0;
        self.sleeper.sleep(Some(Duration::from_millis(left.max(0) as u64)));
    }
    fn passed_us(&self) -> i64 {
        self.began.elapsed().as_micros() as i64
    }
}

/// A server of a world in which only time passes.
struct Simulated(World);

impl Side for Simulated {
    fn new(which: u64) -> Option<Simulated> {
        if which >= 24 {
            return None;
        }
        let mut world = World::new(which, Knobs::draw(which, Some(1)), Vec::new(), false);
        world.schedule(which as i64 * 1_234_567, Event::Boot { server: 0 });
        while world.servers[0].up.is_none() {
            world.one_event().unwrap();
        }
        Some(Simulated(world))
    }
    fn told(&mut self) -> (Millis, WallMillis) {
        let Simulated(world) = self;
        (world.servers[0].now(world.now), world.servers[0].wall(world.now))
    }
    fn wait_until(&mut self, deadline: Millis) {
        let Simulated(world) = self;
        world.now = world.servers[0].when(deadline).max(world.now + 1);
    }
    fn passed_us(&self) -> i64 {
        self.0.now
    }
}

/// A wall clock that can be set.
trait SetByPeople: Side {
    fn set_wall(&mut self, by_ms: i64);
}

impl SetByPeople for Simulated {
    fn set_wall(&mut self, by_ms: i64) {
        self.0.servers[0].wall_offset_ms += by_ms;
    }
}

fn each<S: Side>(promise: impl Fn(&mut S)) {
    let mut which = 0;
    while let Some(mut side) = S::new(which) {
        promise(&mut side);
        which += 1;
    }
    assert!(which > 0);
}

fn time_never_goes_back<S: Side>() {
    each(|side: &mut S| {
        let (mut before, _) = side.told();
        assert!(before.0 >= 0);
        for round in 0..200 {
            let (now, _) = side.told();
            assert!(now >= before, "{now:?} behind {before:?}");
            before = now;
            if round % 20 == 0 {
                side.wait_until(now + 3);
            }
        }
    });
}

fn a_deadline_has_come_when_its_turn_does<S: Side>() {
    // Goal: a turn that was asked for finds its time come, and does not ask again and again; and
    // time that a clock shows has passed.
    each(|side: &mut S| {
        for wait in [1, 2, 7, 30, 0, -5] {
            let before = side.passed_us();
            let (began, _) = side.told();
            let deadline = began + wait;
            side.wait_until(deadline);
            let (now, _) = side.told();
            assert!(now >= deadline, "woken at {now:?} for {deadline:?}");
            let passed = side.passed_us() - before;
            // It counts whole milliseconds, and may be fast by a percent.
            let shown = 1000 * (now.0 - began.0 - 1);
            assert!(
                passed >= shown - shown / 100,
                "{passed} us were shown as {began:?} to {now:?}"
            );
        }
    });
}

fn people_who_set_their_clock_move_no_deadline<S: SetByPeople>() {
    each(|side: &mut S| {
        let (began, wall) = side.told();
        assert!(wall.0 > 1_577_836_800_000, "after 2020");
        for jump in [-3_600_000, 7_200_000] {
            side.set_wall(jump);
            let (now, _) = side.told();
            assert!(now >= began && now.0 - began.0 < 10_000, "{began:?}, then {now:?}");
        }
    });
}

fn both_clocks_keep_pace<S: Side>() {
    // Goal: what a server writes into stats passes as its sessions' time does, to a percent.
    each(|side: &mut S| {
        // Somebody else may run between two looks: most times nobody does.
        let mut apart = Vec::new();
        for _ in 0..20 {
            let (began, wall_began) = side.told();
            side.wait_until(began + 60);
            let (now, wall) = side.told();
            let (passed, wall_passed) = (now.0 - began.0, wall.0 - wall_began.0);
            if (passed - wall_passed).abs() <= 2 + passed / 100 {
                return;
            }
            apart.push((passed, wall_passed));
        }
        panic!("the clocks go apart: {apart:?}");
    });
}

promises!(
    Process,
    of_the_process,
    time_never_goes_back,
    a_deadline_has_come_when_its_turn_does,
    both_clocks_keep_pace,
);

// Only here: a machine's clock is not a test's to set.
promises!(
    Simulated,
    of_the_simulator,
    time_never_goes_back,
    a_deadline_has_come_when_its_turn_does,
    people_who_set_their_clock_move_no_deadline,
    both_clocks_keep_pace,
);
