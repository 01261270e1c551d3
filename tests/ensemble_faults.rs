//! An ensemble of ours under faults, from outside: kill -9, SIGSTOP, cut wires, full disks,
//! members that lag or have lost everything, all under continuous load.
//!
//! After every round the ensemble has to serve again, nothing acknowledged may be lost, no
//! session that was kept alive may be over and no other may linger, and all trees are equal.
//!
//! `RK_ROUNDS=100 cargo test --release --test ensemble_faults -- --nocapture` is the long run;
//! `RK_SEED_FIRST` varies what is done when, `RK_FAULTS=CutLeader,Reset` does no others.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};
use support::client::Session;
use support::disks::SmallDisk;
use support::ensemble::{Ensemble, Plan};
use support::load::Load;
use support::roaming::{Lost, Roaming};
use support::server::Kind;
use support::wire::{OPEN, Out};
use support::{Rng, setting};

/// How long healing may take: Java's servers start slowly where many share two CPUs.
const HEALING: Duration = Duration::from_secs(60);

/// Milliseconds.
const SHORT_SESSION: i32 = 3000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    KillLeader,
    KillFollower,
    /// As many followers as leave no quorum, at once.
    KillQuorum,
    KillAll,
    PauseLeader,
    PauseFollower,
    /// The leader's side is the smaller one.
    CutLeader,
    CutFollower,
    /// What the leader sends is lost, what it is sent arrives.
    MuteLeader,
    MuteFollower,
    /// Every connection between members breaks.
    Reset,
    /// A follower is away for thousands of writes.
    Lag,
    /// A follower comes back with nothing.
    Wiped,
    /// The leader logs what nobody else has, and comes back after the others went on.
    Phantom,
    /// Kills, starts, pauses and cuts on top of each other.
    Storm,
}

const FAULTS: [Fault; 16] = [
    Fault::KillLeader,
    Fault::KillFollower,
    Fault::KillQuorum,
    Fault::KillAll,
    Fault::PauseLeader,
    Fault::PauseFollower,
    Fault::CutLeader,
    Fault::CutFollower,
    Fault::MuteLeader,
    Fault::MuteFollower,
    Fault::Reset,
    Fault::Lag,
    Fault::Wiped,
    Fault::Phantom,
    Fault::Storm,
    Fault::Storm,
];

fn plan(size: usize) -> Plan {
    let plan = Plan::new(&vec![Kind::under_test(); size]).cuttable();
    // Small, so that rolls and snapshots fall among the faults; a short silence is a loss.
    plan.set("snapCount", "3000").set("syncLimit", "5").set("preAllocSize", "256")
}

#[test]
fn three_survive_rounds_of_faults() {
    // Goal: with three members, no fault or its end loses or invents anything.
    rounds("three", 3, setting("RK_ROUNDS", 7));
}

#[test]
fn five_survive_rounds_of_faults() {
    // Goal: the same with five.
    rounds("five", 5, setting("RK_ROUNDS", 3));
}

fn rounds(name: &str, size: usize, rounds: u64) {
    let seed = setting("RK_SEED_FIRST", 1);
    let mut rng = Rng::new(seed + size as u64);
    let mut ensemble = Ensemble::start(&format!("faults/{name}"), &plan(size));
    let load = Load::start("load-", &ensemble.ports(), 8, Kind::under_test() == Kind::Ringkeeper);
    let began = Instant::now();
    let mut order: Vec<Fault> = Vec::new();
    for round in 0..rounds {
        // Every fault once, in an order of the seed's, before any comes again.
        if order.is_empty() {
            order = FAULTS.to_vec();
            if let Ok(only) = std::env::var("RK_FAULTS") {
                order.retain(|fault| only.split(',').any(|name| name == format!("{fault:?}")));
            }
            (1..order.len()).rev().for_each(|at| order.swap(at, rng.below(at + 1)));
        }
        let fault = order.pop().unwrap();
        let told = format!("{name}, seed {seed}, round {round}, {fault:?}");
        let start = Instant::now();
        let silent = silent_session(&ensemble, round);
        inject(&mut ensemble, &load, fault, &mut rng, &told);
        let healing = Instant::now();
        heal(&mut ensemble, &load, &told);
        let healing = healing.elapsed();
        gone_everywhere(&ensemble, &silent, &told);
        at_rest(&mut ensemble, &load, &told);
        let whole = start.elapsed().as_secs_f64();
        println!("{told}: {whole:.1} s, of it {:.1} s healing", healing.as_secs_f64());
    }
    let sum = load.finish(name);
    println!("{name}: {rounds} rounds, {sum:?} in {:.1} s", began.elapsed().as_secs_f64());
    assert!(sum.acknowledged > rounds * 20 && sum.events > 0, "{sum:?}");
}

/// Does something bad and ends it again.
fn inject(ensemble: &mut Ensemble, load: &Load, fault: Fault, rng: &mut Rng, told: &str) {
    let leader = ensemble.leader().unwrap_or_else(|| panic!("{told}: no leader before it"));
    let mut followers = ensemble.voters();
    followers.retain(|id| *id != leader);
    let follower = rng.pick(&followers);
    let minority = (ensemble.voters().len() - 1) / 2;
    match fault {
        Fault::KillLeader => {
            ensemble.member(leader).kill();
            while_it_lasts(rng, 3000);
        }
        Fault::KillFollower => {
            ensemble.member(follower).kill();
            while_it_lasts(rng, 3000);
        }
        Fault::KillQuorum => {
            followers.iter().take(minority + 1).for_each(|id| ensemble.member(*id).kill());
            while_it_lasts(rng, 3000);
        }
        Fault::KillAll => ensemble.members.iter_mut().for_each(|member| member.kill()),
        Fault::PauseLeader | Fault::PauseFollower => {
            load.strict(fault != Fault::PauseLeader);
            let id = if fault == Fault::PauseLeader { leader } else { follower };
            ensemble.member(id).pause();
            while_it_lasts(rng, 6000);
            ensemble.member(id).proceed();
        }
        Fault::CutLeader | Fault::CutFollower | Fault::MuteLeader | Fault::MuteFollower => {
            load.strict(false);
            let of_leader = matches!(fault, Fault::CutLeader | Fault::MuteLeader);
            let mut side = vec![if of_leader { leader } else { follower }];
            let rest = followers.iter().filter(|id| !side.contains(id));
            let rest: Vec<u64> = rest.copied().take(minority - 1).collect();
            side.extend(rest);
            let mute = matches!(fault, Fault::MuteLeader | Fault::MuteFollower);
            divide(ensemble, &side, mute, rng);
        }
        Fault::Reset => {
            ensemble.links.as_ref().unwrap().reset();
            while_it_lasts(rng, 2000);
        }
        Fault::Lag | Fault::Wiped => {
            ensemble.member(follower).kill();
            let before = load.acknowledged();
            let deadline = Instant::now() + Duration::from_secs(5);
            while load.acknowledged() < before + 3000 && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
            if fault == Fault::Wiped {
                ensemble.member(follower).wipe();
            }
        }
        Fault::Phantom => {
            followers.iter().for_each(|id| ensemble.member(*id).pause());
            while_it_lasts(rng, 500);
            followers.iter().for_each(|id| ensemble.member(*id).kill());
            ensemble.member(leader).kill();
            followers.iter().for_each(|id| ensemble.member(*id).spawn());
            ensemble.wait_within(HEALING).unwrap_or_else(|e| panic!("{told}: {e}"));
        }
        Fault::Storm => {
            load.strict(false);
            storm(ensemble, rng);
        }
    }
}

/// The moment and length of a fault are what the seed varies: not a synchronisation.
fn while_it_lasts(rng: &mut Rng, most: u64) {
    std::thread::sleep(Duration::from_millis(100 + rng.u64() % most));
}

/// No bytes between this side and the others, in both directions or, `mute`, in one; then again.
fn divide(ensemble: &Ensemble, side: &[u64], mute: bool, rng: &mut Rng) {
    let links = ensemble.links.as_ref().unwrap();
    match mute {
        true => links.mute(side),
        false => links.isolate(side),
    }
    while_it_lasts(rng, 7000);
    links.heal();
    if rng.percent(50) {
        links.reset();
    }
}

/// Dozens of blows, the next one before the ensemble has got over the last.
fn storm(ensemble: &mut Ensemble, rng: &mut Rng) {
    let ids = ensemble.voters();
    let mut paused = Vec::new();
    for _ in 0..10 + rng.below(20) {
        let id = rng.pick(&ids);
        let up = ensemble.member(id).is_up();
        match rng.below(10) {
            0..=1 if up => {
                paused.retain(|other| *other != id);
                ensemble.member(id).kill();
            }
            2..=4 if !up => ensemble.member(id).spawn(),
            5 if up && !paused.contains(&id) => {
                ensemble.member(id).pause();
                paused.push(id);
            }
            6 if !paused.is_empty() => {
                let id = paused.remove(rng.below(paused.len()));
                ensemble.member(id).proceed();
            }
            7 => ensemble.links.as_ref().unwrap().isolate(&[id]),
            8 => ensemble.links.as_ref().unwrap().mute(&[id]),
            9 => ensemble.links.as_ref().unwrap().reset(),
            _ => ensemble.links.as_ref().unwrap().heal(),
        }
        std::thread::sleep(Duration::from_millis(20 + rng.u64() % 500));
    }
    ensemble.links.as_ref().unwrap().heal();
    paused.iter().for_each(|id| ensemble.member(*id).proceed());
}

/// Starts who is down, and waits until the ensemble serves and every writer gets on.
fn heal(ensemble: &mut Ensemble, load: &Load, told: &str) {
    for member in &mut ensemble.members {
        if !member.is_up() {
            member.spawn();
        }
    }
    if let Err(e) = ensemble.wait_within(HEALING) {
        panic!("{told}: {e}\n{}", ensemble.logs());
    }
    load.strict(true);
    load.wait_progress(told, HEALING);
}

/// A session that holds an ephemeral node and is not heard of again.
fn silent_session(ensemble: &Ensemble, round: u64) -> String {
    let ports = ensemble.ports();
    let mut session = Session::open(ports[round as usize % ports.len()], SHORT_SESSION);
    let path = format!("/silent{round}");
    let body = Out::new().str(&path).buffer(None).acls(Some(OPEN)).i32(1);
    assert_eq!(session.call(1, body).err, 0, "{path}");
    path
}

/// What a silent session held goes, at every member.
fn gone_everywhere(ensemble: &Ensemble, path: &str, told: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    for port in ensemble.ports() {
        let mut session = Roaming::new(&[port], 0, 30_000);
        loop {
            session.attach(HEALING).unwrap_or_else(|e| panic!("{told}: port {port}: {e:?}"));
            match session.get_synced(path) {
                Ok(Err(-101)) => break,
                Ok(_) | Err(Lost::Connection) => {}
                Err(Lost::Session) => panic!("{told}: a live session is over at port {port}"),
            }
            assert!(Instant::now() < deadline, "{told}: {path} is there at port {port}");
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = session.call(-11, &Out::new());
    }
}

/// Nothing moves: the ledger against every member, and the members against each other.
fn at_rest(ensemble: &mut Ensemble, load: &Load, told: &str) {
    load.rest(told);
    if let Err(e) = ensemble.wait_within(HEALING) {
        panic!("{told}: {e}\n{}", ensemble.logs());
    }
    for member in &ensemble.members {
        load.check(member.port, told);
    }
    ensemble.assert_equal_trees(told);
    load.go_on();
}

#[test]
fn a_full_disk_costs_its_member_alone() {
    // Goal: a member whose disk is full ends, the others go on; with space it comes back whole.
    if !SmallDisk::possible() {
        println!("this machine lets no process have mounts of its own: nothing was tried");
        return;
    }
    let plan = plan(3).small_disks(24);
    let mut ensemble = Ensemble::start("faults/full", &plan);
    let load = Load::start("load-", &ensemble.ports(), 6, Kind::under_test() == Kind::Ringkeeper);
    for round in 0..setting("RK_ROUNDS", 2).min(10) {
        let leader = ensemble.leader().expect("a leader");
        let id = if round % 2 == 0 { leader % 3 + 1 } else { leader };
        let told = format!("full disk, round {round}, member {id}, leader {leader}");
        load.wait_progress(&told, HEALING);
        ensemble.member(id).disk().unwrap().fill();
        // Java reports the failure and may stay half alive; ours must end (I11).
        let ended = ensemble.member(id).ends_within(Duration::from_secs(20));
        assert!(
            ended || Kind::under_test() == Kind::Java,
            "{told}: it runs on\n{}",
            ensemble.logs()
        );
        ensemble.member(id).kill();
        ensemble.wait_within(HEALING).unwrap_or_else(|e| panic!("{told}: {e}"));
        load.wait_progress(&told, HEALING);
        ensemble.member(id).disk().unwrap().free();
        heal(&mut ensemble, &load, &told);
        at_rest(&mut ensemble, &load, &told);
    }
    println!("{:?}", load.finish("full disk"));
}
