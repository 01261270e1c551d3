//! What goes wrong, and when: drawn from the seed before the world begins, so that any part of it
//! can be left out.

use crate::knobs::Knobs;
use crate::moments::{End, Moment};
use crate::rng::Rng;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The process ends between two events; with `power` the machine does.
    Crash {
        server: usize,
        power: bool,
        down_us: i64,
    },
    /// It ends between two changes of its disk.
    CrashAtChange {
        server: usize,
        changes: u64,
        power: bool,
        down_us: i64,
    },
    /// It ends, and again in the middle of its start.
    CrashAtStart {
        server: usize,
        changes: u64,
        power: bool,
    },
    /// An orderly stop and a new start.
    Stop {
        server: usize,
        down_us: i64,
    },
    /// Nothing of the process runs.
    Pause {
        server: usize,
        for_us: i64,
    },
    /// Everything on this server takes so many times longer.
    Slow {
        server: usize,
        factor: i64,
        for_us: i64,
    },
    /// A write or flush is refused; the process ends and starts anew.
    DiskError {
        server: usize,
        after: u64,
        short: bool,
    },
    /// The disk takes no more for a while.
    DiskFull {
        server: usize,
        for_us: i64,
    },
    /// It takes more again.
    DiskFree {
        server: usize,
    },
    /// The next write takes so long.
    DiskHang {
        server: usize,
        for_us: i64,
    },
    /// The next write of the leader's log takes so long, while others go on.
    LeaderDiskHang {
        for_us: i64,
    },
    /// The control role takes no turn for so long, on a thread that a disk holds up, while network cores
    /// go on: that of the leader, or of this server.
    ControlHang {
        server: Option<usize>,
        for_us: i64,
    },
    /// A bit turns on the disk of a server that is down.
    Rot {
        server: usize,
        down_us: i64,
    },
    WallClock {
        server: usize,
        jump_ms: i64,
    },
    /// One in so many connections of clients is reset.
    Reset {
        one_in: u64,
    },
    /// One in so many clients loses its connection without the server hearing of it.
    HalfOpen {
        one_in: u64,
    },
    /// One in so many connections between servers is reset.
    ResetPeers {
        one_in: u64,
    },
    /// Nothing passes from one server to another; the other way it does.
    Block {
        from: usize,
        to: usize,
        for_us: i64,
    },
    /// Nothing passes between this server and the others.
    Isolate {
        server: usize,
        for_us: i64,
    },
    /// Nothing passes between servers whose bits differ.
    Split {
        mask: u64,
        for_us: i64,
    },
    CrashAll {
        power: bool,
        down_us: i64,
    },
    CrashLeader {
        power: bool,
        down_us: i64,
    },
    /// The server ends with what is on its way to others, who hear of it at once.
    Sever {
        server: usize,
        power: bool,
        down_us: i64,
    },
    /// A server, this one if it is given, ends when it next comes to that moment.
    EndAt {
        server: Option<usize>,
        moment: Moment,
        end: End,
    },
    /// The leader stands still, and wakes up cut off from the others.
    LeaderAsleep {
        pause_us: i64,
        for_us: i64,
    },
    /// Nothing passes between clients and this server.
    Silence {
        server: usize,
        for_us: i64,
    },
    Snapshot {
        server: usize,
    },
    Purge {
        server: usize,
    },
    /// The machine ends, and comes back with empty disks; see [`crate::world::World::wipe`].
    Wipe {
        server: usize,
        down_us: i64,
    },
    /// A transaction is missing in the next history that a leader sends, as Java leaders have left
    /// them out (ZOOKEEPER-4882, 4925, 5094).
    HoleInDiff,
    /// An operator copies all disks.
    CopyDisks,
    /// All servers but one lose their disks, or have the copies in their place; see
    /// [`crate::forgotten`]. The one may start anew as well.
    Forget {
        older: bool,
        restarts: bool,
    },
    /// The next frame of one in so many clients is damaged on its way.
    DamageClients {
        one_in: u64,
    },
    /// The next packet of one in so many ends of connections between servers is.
    DamagePeers {
        one_in: u64,
    },
    /// Somebody who is no member speaks on the servers' own ports, in members' names too. `stays`: it
    /// goes on claiming ids when the storm is over.
    Rogue {
        for_us: i64,
        every_us: i64,
        stays: bool,
    },
}

/// A fault and its time, in microseconds.
pub type Planned = (i64, Fault);

pub fn draw(seed: u64, knobs: &Knobs) -> Vec<Planned> {
    // In a calm world no link between servers may end, and whoever forgets has ended.
    if !knobs.calm
        && let Some(plan) = forgetting(seed, knobs)
    {
        return plan;
    }
    let mut rng = Rng::part(seed, 2);
    if knobs.calm {
        return Vec::new();
    }
    let mut plan: Vec<Planned> =
        (0..knobs.faults).map(|_| (rng.between(1, knobs.storm_us), one(&mut rng, knobs))).collect();
    plan.extend(more(seed, knobs));
    plan.extend(of_elections(seed, knobs));
    plan.extend(of_strangers(seed, knobs));
    plan.extend(of_threads(seed, knobs));
    plan.extend(of_stops(seed, knobs));
    plan.sort_by_key(|(at, _)| *at);
    plan
}

/// Most servers forget what they have promised and acknowledged. With any other fault beside it that
/// world could lose anything.
fn forgetting(seed: u64, knobs: &Knobs) -> Option<Vec<Planned>> {
    let mut rng = Rng::part(seed, 7);
    if knobs.servers - knobs.observers < 3 || !rng.one_in(10) {
        return None;
    }
    let copied = rng.between(knobs.storm_us / 5, knobs.storm_us / 2);
    let at = rng.between(knobs.storm_us * 3 / 5, knobs.storm_us);
    let forget = Fault::Forget { older: !rng.one_in(3), restarts: rng.one_in(3) };
    Some(vec![(copied, Fault::CopyDisks), (at, forget)])
}

/// What comes in swarms: most worlds have none of it, the others much.
fn more(seed: u64, knobs: &Knobs) -> Vec<Planned> {
    let mut rng = Rng::part(seed, 5);
    let mut plan = Vec::new();
    let others = knobs.servers > 1;
    let server = |rng: &mut Rng| rng.below(knobs.servers as u64) as usize;
    if rng.one_in(4) {
        for _ in 0..rng.between(2, 12) {
            let at = rng.between(1, knobs.storm_us);
            let server = server(&mut rng);
            plan.push((at, Fault::Purge { server }));
            if rng.one_in(3) {
                let (power, down_us) = (rng.one_in(2), rng.one_of([1_000, 300_000]));
                plan.push((at + rng.between(1, 200_000), Fault::Crash { server, power, down_us }));
            }
        }
    }
    if others && rng.one_in(4) {
        for _ in 0..rng.between(1, 4) {
            let down_us = rng.one_of([1_000, 300_000, 3_000_000]);
            let wipe = Fault::Wipe { server: server(&mut rng), down_us };
            plan.push((rng.between(1, knobs.storm_us), wipe));
        }
    }
    if others && rng.one_in(4) {
        for _ in 0..rng.between(1, 8) {
            let at = rng.between(1, knobs.storm_us);
            let (server, power) = (server(&mut rng), rng.one_in(3));
            let down_us = rng.one_of([1_000, 300_000, 3_000_000]);
            plan.push((at, Fault::HoleInDiff));
            plan.push((at, Fault::Crash { server, power, down_us }));
        }
    }
    if rng.one_in(4) {
        for _ in 0..rng.between(1, 6) {
            let one_in = rng.one_of([1, 2, 4]);
            let damage = match others && rng.one_in(2) {
                true => Fault::DamagePeers { one_in },
                false => Fault::DamageClients { one_in },
            };
            plan.push((rng.between(1, knobs.storm_us), damage));
        }
    }
    plan
}

/// A stranger at the servers' own ports.
fn of_strangers(seed: u64, knobs: &Knobs) -> Vec<Planned> {
    let mut rng = Rng::part(seed, 7);
    if knobs.servers < 3 || !rng.one_in(3) {
        return Vec::new();
    }
    let stays = rng.one_in(2);
    let rogue = |rng: &mut Rng| Fault::Rogue {
        for_us: rng.one_of([100_000, 2_000_000, 20_000_000]),
        every_us: rng.one_of([5_000, 50_000, 300_000]),
        stays,
    };
    let times = rng.between(1, 4);
    (0..times).map(|_| (rng.between(1, knobs.storm_us), rogue(&mut rng))).collect()
}

/// Threads that stand still while others of their process go on.
fn of_threads(seed: u64, knobs: &Knobs) -> Vec<Planned> {
    let mut rng = Rng::part(seed, 8);
    if knobs.servers < 2 || !rng.one_in(5) {
        return Vec::new();
    }
    let sync_us = knobs.sync_ticks * knobs.tick_ms * 1000;
    let hang = |rng: &mut Rng| {
        let server = rng.one_in(2).then(|| rng.below(knobs.servers as u64) as usize);
        Fault::ControlHang { server, for_us: rng.between(sync_us / 2, 4 * sync_us) }
    };
    let times = rng.between(1, 4);
    (0..times).map(|_| (rng.between(1, knobs.storm_us), hang(&mut rng))).collect()
}

/// Servers are asked to stop while their disk hangs: nothing may be taken behind the log's last record.
fn of_stops(seed: u64, knobs: &Knobs) -> Vec<Planned> {
    let mut rng = Rng::part(seed, 9);
    let mut plan = Vec::new();
    if !rng.one_in(4) {
        return plan;
    }
    for _ in 0..rng.between(1, 4) {
        let (at, for_us) =
            (rng.between(1, knobs.storm_us), rng.one_of([10_000, 500_000, 4_000_000]));
        let server = rng.below(knobs.servers as u64) as usize;
        let down_us = rng.one_of([1_000, 300_000]);
        plan.push((at, Fault::DiskHang { server, for_us }));
        plan.push((at + rng.between(0, for_us), Fault::Stop { server, down_us }));
    }
    plan
}

/// One election after the other, also in swarms. What a server must not forget between two of them
/// shows when quorums follow each other that have one server in common, and leaders end with
/// proposals that nobody else has; what a leader must not say, when others have left it unheard.
fn of_elections(seed: u64, knobs: &Knobs) -> Vec<Planned> {
    let mut rng = Rng::part(seed, 6);
    let mut plan = Vec::new();
    if knobs.servers < 3 {
        return plan;
    }
    if rng.one_in(3) {
        let span = rng.one_of([400_000, 800_000, 1_600_000]);
        let mut at = rng.between(1, knobs.storm_us / 2);
        if rng.one_in(2) {
            plan.push((at, Fault::CrashLeader { power: false, down_us: 1_000 }));
            plan.extend((0..rng.between(3, 20)).map(|_| (at, short_reign(&mut rng, knobs))));
        } else {
            for _ in 0..rng.between(3, 16) {
                round(&mut rng, knobs, (at, span), &mut plan);
                at += span;
            }
        }
    }
    let sync_us = knobs.sync_ticks * knobs.tick_ms * 1000;
    if rng.one_in(6) {
        for _ in 0..rng.between(1, 3) {
            let for_us = sync_us + rng.between(0, 2 * sync_us) + 4000 * knobs.tick_ms;
            plan.push((rng.between(1, knobs.storm_us), Fault::LeaderDiskHang { for_us }));
        }
    }
    if rng.one_in(4) {
        for _ in 0..rng.between(1, 3) {
            let pause_us = sync_us + rng.between(200_000, 2_000_000);
            let for_us = pause_us + rng.between(0, sync_us);
            plan.push((rng.between(1, knobs.storm_us), Fault::LeaderAsleep { pause_us, for_us }));
        }
    }
    plan
}

/// The next leader ends soon, with what it has proposed by then; and all forget what only memory has.
fn short_reign(rng: &mut Rng, knobs: &Knobs) -> Fault {
    let end = End {
        after_us: rng.one_of([0, 4 * knobs.net_us, 100_000, 300_000, 500_000]),
        mute: !rng.one_in(4),
        all: rng.one_in(2),
        power: rng.one_in(2),
        down_us: rng.between(200_000, 2_000_000),
    };
    Fault::EndAt { server: None, moment: Moment::Leads, end }
}

/// Servers go and come back, for about as long as an election takes.
fn round(rng: &mut Rng, knobs: &Knobs, (at, span): (i64, i64), plan: &mut Vec<Planned>) {
    let any = |rng: &mut Rng| rng.below(knobs.servers as u64) as usize;
    if rng.one_in(2) {
        let (server, power) = (any(rng), rng.one_in(2));
        let down_us = rng.between(span / 2, 2 * span);
        plan.push((at, Fault::Sever { server, power, down_us }));
    }
    if !rng.one_in(3) {
        let after_us = rng.one_of([0, 0, 4 * knobs.net_us, 20_000, 100_000]);
        let down_us = rng.one_of([1_000, span, 2 * span]);
        let (mute, all, power) = (rng.one_in(2), rng.one_in(4), rng.one_in(2));
        let moment =
            rng.one_of([Moment::Promised, Moment::Entered, Moment::Entered, Moment::Leads]);
        // A leader comes to its moments before all others.
        let server = (moment != Moment::Leads).then(|| any(rng));
        let end = End { after_us, mute, all, power, down_us };
        plan.push((at, Fault::EndAt { server, moment, end }));
    }
    if rng.one_in(3) {
        let (server, power) = (any(rng), rng.one_in(2));
        let crash = Fault::Crash { server, power, down_us: 1_000 };
        plan.push((at + rng.between(0, span), crash));
    }
    if rng.one_in(4) {
        let hang = Fault::DiskHang { server: any(rng), for_us: rng.one_of([10_000, span]) };
        plan.push((at + rng.between(0, span), hang));
    }
}

fn one(rng: &mut Rng, knobs: &Knobs) -> Fault {
    let server = rng.below(knobs.servers as u64) as usize;
    let power = rng.one_in(2);
    let down_us = rng.one_of([1_000, 300_000, 3_000_000]);
    let for_us = rng.one_of([10_000, 500_000, 4_000_000]);
    let changes = rng.below(30);
    let others = knobs.servers > 1;
    if others && rng.one_in(2) {
        return among_servers(rng, knobs, power, down_us, for_us);
    }
    match rng.below(19) {
        0..=2 => Fault::Crash { server, power, down_us },
        3..=5 => Fault::CrashAtChange { server, changes, power, down_us },
        6 => Fault::CrashAtStart { server, changes: rng.below(20), power },
        7 => Fault::Stop { server, down_us },
        8 => Fault::Pause { server, for_us },
        9 => Fault::Slow { server, factor: rng.one_of([5, 50]), for_us },
        10 => Fault::DiskError { server, after: changes, short: rng.one_in(2) },
        11 => Fault::DiskFull { server, for_us },
        12 => Fault::DiskHang { server, for_us },
        13 => Fault::Rot { server, down_us },
        14 => Fault::WallClock { server, jump_ms: rng.between(-20_000, 20_000) },
        15 => Fault::Reset { one_in: rng.one_of([1, 2, 4]) },
        16 => Fault::HalfOpen { one_in: rng.one_of([1, 2, 4]) },
        17 => Fault::Silence { server, for_us },
        _ if rng.one_in(2) => Fault::Snapshot { server },
        _ => Fault::Purge { server },
    }
}

fn among_servers(rng: &mut Rng, knobs: &Knobs, power: bool, down_us: i64, for_us: i64) -> Fault {
    let server = rng.below(knobs.servers as u64) as usize;
    let to = (server + 1 + rng.below(knobs.servers as u64 - 1) as usize) % knobs.servers;
    match rng.below(8) {
        0 | 1 => Fault::CrashLeader { power, down_us },
        2 => Fault::CrashAll { power, down_us },
        3 => Fault::ResetPeers { one_in: rng.one_of([1, 2, 4]) },
        4 => Fault::Block { from: server, to, for_us },
        5 | 6 => Fault::Isolate { server, for_us },
        _ => Fault::Split { mask: rng.below(1 << knobs.servers), for_us },
    }
}
