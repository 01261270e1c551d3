//! The same question to two servers: seeded streams of requests go to Apache ZooKeeper 3.9.5 and
//! to ours, and every answer, event, Stat and the final tree are compared.
//!
//! * `cargo test --test side_by_side`: the fixed part, a few seeds; `audit`: what both audit logs say of
//!   such streams.
//! * `RK_SEEDS=500 RK_OPS=1000 cargo test --release --test side_by_side -- --nocapture`: the long
//!   run; `RK_SEED_FIRST=n` starts at seed n.
//! * `RK_CORES=x2/0`: ours with two network cores, and control alone on CPU 0 (without `/0` it
//!   shares the first network core's thread where CPUs are few).
//! * `RK_PIPELINED=1`: no session sends before it was answered.
//! * `RK_TEST_SERVER=java`: Java against Java, which shows what of a difference is the
//!   comparison's own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod history;
mod intended;
mod reading;
mod request;
mod side;
mod stream;

use intended::Untold;
use request::Profile;
use side::Side;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::time::Instant;
use stream::Turn;
use support::server::{Kind, Server, super_settings};
use support::wire::{OPEN, Out};
use support::{scratch, setting};

/// Seeds played on one pair of servers before both start anew with empty folders. Such groups
/// take the profiles in turn.
const SEEDS_TOGETHER: u64 = 8;

/// Differing seeds after which the run ends.
const DIFFERENCES_MAX: usize = 30;

#[derive(Default)]
struct Tally {
    seeds: u64,
    requests: u64,
    lines: u64,
    intended: BTreeMap<&'static str, u64>,
    /// Error codes of Java's replies, 0 among them: how the paths are mixed.
    codes: BTreeMap<String, u64>,
    differences: Vec<String>,
}

#[test]
fn streams_are_answered_alike() {
    // Goal: 0 differences between Java's answers and ours, outside the named list.
    let first = setting("RK_SEED_FIRST", 0);
    let seeds = setting("RK_SEEDS", 24);
    let operations = setting("RK_OPS", 300) as usize;
    let cores = std::env::var("RK_CORES").unwrap_or_default();
    compare_seeds(first..first + seeds, operations, &cores);
}

#[test]
fn several_cores_answer_like_one() {
    // Goal: the same when a stream's connections are spread over cores, with control on a thread
    // of its own and with control beside a network core.
    compare_seeds(1000..1004, 300, "x2/0");
    compare_seeds(1008..1012, 300, "x3");
    compare_seeds(1016..1018, 300, "x2/0");
}

fn compare_seeds(seeds: Range<u64>, operations: usize, cores: &str) {
    let start = Instant::now();
    let mut tally = Tally::default();
    let mut seed = seeds.start;
    while seed < seeds.end && tally.differences.len() < DIFFERENCES_MAX {
        seed = play_together(seed, seeds.end, operations, cores, &mut tally);
    }
    println!("answers by error code: {:?}", tally.codes);
    println!(
        "{} seeds, {} requests, {} lines compared in {:.1} s: {} seeds differ; intended: {:?}",
        tally.seeds,
        tally.requests,
        tally.lines,
        start.elapsed().as_secs_f64(),
        tally.differences.len(),
        tally.intended
    );
    assert!(tally.differences.is_empty(), "{} seeds differ (told above)", tally.differences.len());
}

/// Plays seeds on one pair of servers, until the pair is old or the two differ; returns the next.
fn play_together(first: u64, end: u64, operations: usize, cores: &str, tally: &mut Tally) -> u64 {
    let group = first / SEEDS_TOGETHER;
    let profile = [Profile::Plain, Profile::Extended, Profile::Quotas][(group % 3) as usize];
    let end = end.min((group + 1) * SEEDS_TOGETHER);
    let folders = [Kind::Java, Kind::under_test()].map(|kind| (kind, first));
    let mut settings = vec![
        super_settings(),
        ("minSessionTimeout", "60000"),
        ("maxSessionTimeout", "200000"),
        ("forceSync", "no"),
        ("preAllocSize", "1024"),
        ("znode.container.checkIntervalMs", "100000000"),
    ];
    if profile != Profile::Plain {
        settings.push(("extendedTypesEnabled", "true"));
    }
    if profile == Profile::Quotas {
        settings.push(("enforceQuota", "true"));
    }
    let [mut java, mut ours] = std::thread::scope(|scope| {
        let mut side = 0;
        folders
            .map(|(kind, first)| {
                side += 1;
                let folder = scratch(&format!("side_by_side/{first}-{side}"));
                let mut settings = settings.clone();
                if kind == Kind::Ringkeeper {
                    settings.extend(placement(cores));
                }
                scope.spawn(move || Side::start(kind, &folder, &settings))
            })
            .map(|thread| thread.join().expect("a started server"))
    });
    for seed in first..end {
        if let Err(difference) = play(seed, operations, profile, &mut java, &mut ours, tally) {
            println!("{difference}");
            tally.differences.push(difference);
            return seed + 1;
        }
    }
    end
}

/// The settings that `RK_CORES` stands for.
fn placement(cores: &str) -> Vec<(&str, &str)> {
    let (network, control) = match cores.split_once('/') {
        Some((network, control)) => (network, Some(control)),
        None => (cores, None),
    };
    let network = (!network.is_empty()).then_some(("ringkeeper.cores.network", network));
    let control = control.map(|cpu| ("ringkeeper.cores.control", cpu));
    network.into_iter().chain(control).collect()
}

/// Plays one seed on both; the error is the first difference, told so that it can be repeated.
fn play(
    seed: u64,
    operations: usize,
    profile: Profile,
    java: &mut Side,
    ours: &mut Side,
    tally: &mut Tally,
) -> Result<(), String> {
    let root = format!("/s{seed}");
    java.prepare(&root);
    ours.prepare(&root);
    let turns = stream::turns(seed, operations, &root, profile);
    tally.seeds += 1;
    let mut untold = Untold::default();
    for (at, turn) in turns.iter().enumerate() {
        if let Turn::Batch { requests, .. } = turn {
            tally.requests += requests.len() as u64;
        }
        java.send(turn);
        ours.send(turn);
        let (mut theirs, mut own) = (java.finish(turn), ours.finish(turn));
        untold.pass_over(turn, &mut theirs, &mut own, java);
        compare(&theirs, &own, tally).map_err(|difference| {
            let mut text = format!("seed {seed} ({profile:?}), turn {at}:\n");
            let _ = writeln!(text, "{}{difference}", describe(turn));
            let _ = writeln!(text, "  all of Java's lines:\n    {}", theirs.join("\n    "));
            let _ = writeln!(text, "  all of our lines:\n    {}", own.join("\n    "));
            let _ = writeln!(text, "  the end of what we printed:\n{}", log_tail(ours));
            text.push_str(&history::parting(&java.server, &ours.server));
            for before in turns[..at].iter().rev().take(4).rev() {
                let _ = write!(text, "  before: {}", describe(before));
            }
            text
        })?;
    }
    let (theirs, mut own) = (java.close(), ours.close());
    untold.pass_over_late(&theirs, &mut own);
    let closed = compare(&theirs, &own, tally);
    let tops = ["/", &root, "/zookeeper"];
    let ended = closed.and_then(|()| compare(&java.dump(&tops), &ours.dump(&tops), tally));
    ended.map_err(|difference| {
        let parting = history::parting(&java.server, &ours.server);
        format!("seed {seed} ({profile:?}), at the end:\n{difference}\n{parting}")
    })
}

fn log_tail(side: &Side) -> String {
    let log = side.server.log();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}

fn describe(turn: &Turn) -> String {
    match turn {
        Turn::Batch { slot, requests } => {
            let mut text = format!("slot {slot} sends\n");
            for request in requests {
                let _ = writeln!(text, "    xid {} {}", request.xid, request.text);
            }
            text
        }
        other => format!("{other:?}\n"),
    }
}

fn compare(java: &[String], ours: &[String], tally: &mut Tally) -> Result<(), String> {
    tally.lines += java.len() as u64;
    for line in java {
        let mut words = line.split(' ');
        if words.next() == Some("xid") {
            let code = words.nth(4).unwrap_or_default().to_string();
            *tally.codes.entry(code).or_default() += 1;
        }
        if line.contains("SILEN") {
            println!("{line}");
        }
    }
    for at in 0..java.len().max(ours.len()) {
        let end = "(nothing more)".to_string();
        let (theirs, own) = (java.get(at).unwrap_or(&end), ours.get(at).unwrap_or(&end));
        if theirs == own && theirs != "SILENCE" {
            continue;
        }
        match intended::INTENDED.iter().find(|intended| (intended.holds)(theirs, own)) {
            Some(intended) => {
                let told = tally.intended.entry(intended.name).or_default();
                if *told == 0 {
                    println!("intended: {} ({})", intended.name, intended.reason);
                }
                *told += 1;
            }
            None => {
                return Err(format!("  line {at}:\n    java: {theirs}\n    ours: {own}"));
            }
        }
    }
    Ok(())
}

#[test]
fn intended_differences() {
    // Goal: what Java gets wrong and ours does not (F234, F235, op -10), as the list says.
    let kind = Kind::under_test();
    let folder = scratch("side_by_side/intended");
    let server = Server::start(kind, &folder, &[("extendedTypesEnabled", "true")]);
    let mut session = support::client::Session::open(server.port, 30_000);
    assert_eq!(session.create("/plain", b"x"), 0);
    let delete_container = session.call(20, Out::new().str("/plain"));
    match kind {
        Kind::Java | Kind::JavaOf(_) => {
            assert_eq!(delete_container.err, 0, "Java lets any client do it")
        }
        Kind::Ringkeeper => {
            assert_eq!(delete_container.err, -6, "F235");
            assert!(session.get("/plain").is_ok(), "F235: the node is still there");
        }
    }
    if kind == Kind::Ringkeeper {
        for flag in 0..5 {
            let body = Out::new().str("/ttl").buffer(None).acls(Some(OPEN)).i32(flag).i64(-1);
            assert_eq!(session.call(21, body).err, -8, "F234, flag {flag}");
        }
        let mut other = support::client::Session::open(server.port, 30_000);
        let answer = other.conn.call(1, -10, &Out::new().i32(1000).0);
        assert_eq!(answer.map(|reply| reply.err), Some(-6), "op -10 is nobody's request");
        assert!(other.conn.reply().is_none(), "op -10 closes");
    }
    assert!(session.get("/").is_ok(), "the server serves on");
}
