//! Rolling replacement: a running Java ensemble becomes ours, one member at a time, and Java's
//! again, under continuous load. A new server takes over its predecessor's folder, or begins with
//! an empty one and is synchronised.
//!
//! No acknowledged write is lost, no session ends, no client sees more than a reconnect, and at
//! every pause the trees of all members are equal to the last field.
//!
//! The same on an idle ensemble, where nothing is written from one epoch to the next: sessions that only
//! ping have seen the beginnings of epochs, which a ZooKeeper leader shows before anything else.
//!
//! `RK_ROLLING=all` adds five members, observers, and clients of kazoo with locks and watches.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::ensemble::{Ensemble, Plan};
use support::load::Load;
use support::roaming::{Lost, Roaming};
use support::server::Kind;
use support::{python, root};

/// How long a replaced member may take to serve again.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a new server finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Its predecessor's folder as it was left.
    TheFolder,
    /// Nothing: the leader brings it all.
    Nothing,
}

#[test]
fn three_are_replaced_and_back() {
    // Goal: Java → ours on the same folders, ours → Java by synchronisation.
    let there = (Kind::under_test(), Takes::TheFolder);
    let back = (Kind::Java, Takes::Nothing);
    roll("three", Plan::new(&[Kind::Java; 3]), &[there, back]);
}

#[test]
fn every_way_of_replacing() {
    // Goal: both ways in both directions, with observers, with five, twice.
    if std::env::var("RK_ROLLING").as_deref() != Ok("all") {
        return;
    }
    let passes = [
        (Kind::under_test(), Takes::Nothing),
        (Kind::Java, Takes::TheFolder),
        (Kind::under_test(), Takes::TheFolder),
        (Kind::Java, Takes::Nothing),
    ];
    let observed = Plan::new(&[Kind::Java; 3]).observed_by(Kind::Java);
    roll("three-observed", observed, &passes);
    roll("five", Plan::new(&[Kind::Java; 5]), &passes);
}

#[test]
fn an_idle_ensemble_is_replaced_and_back() {
    // Goal: Java → ours → ours restarted → Java, while 50 sessions only ping: none is lost, and ours turns
    // nobody away for what it has seen.
    let passes = [Kind::under_test(), Kind::under_test(), Kind::Java];
    roll_idle("idle", Plan::new(&[Kind::Java; 3]), &passes, &Idle::GLOBAL);
}

#[test]
fn an_idle_ensemble_with_local_sessions_is_replaced_and_back() {
    // Goal: the same of sessions that are local until they have an ephemeral. Those that have one are
    // kept; who stays local ends with its server, is told so by the next, and is not turned away.
    let plan = Plan::new(&[Kind::Java; 3]).set("localSessionsEnabled", "true");
    let plan = plan.set("localSessionsUpgradingEnabled", "true");
    let passes = [Kind::under_test(), Kind::under_test(), Kind::Java];
    roll_idle("idle-local", plan, &passes, &Idle::LOCAL);
}

fn roll_idle(name: &str, plan: Plan, passes: &[Kind], sort: &'static Idle) {
    let mut ensemble = Ensemble::start(&format!("rolling/{name}"), &plan);
    let pings = Pings::start(&ensemble.ports(), 50, sort);
    // Their sessions were written: from here on nothing is, and this leader's epoch is empty.
    let first = ensemble.wait_all();
    ensemble.member(first).terminate();
    ensemble.wait_all();
    ensemble.member(first).spawn();
    ensemble.wait_all();
    let mut turned_away = 0;
    for (pass, kind) in passes.iter().enumerate() {
        let leader = ensemble.wait_all();
        let mut order: Vec<u64> = ensemble.ids();
        order.sort_by_key(|id| (*id == leader, *id));
        for id in order {
            let told = format!("{name}, pass {pass}: member {id} becomes {kind:?}");
            pings.all_answered(&told);
            let member = ensemble.member(id);
            turned_away += refused_for_what_they_had_seen(&member.log());
            member.terminate();
            member.kind = *kind;
            member.spawn();
            if let Err(e) = ensemble.wait_within(PATIENCE) {
                panic!("{told}: {e}\n{}", ensemble.logs());
            }
            pings.all_answered(&told);
        }
    }
    let logs = ensemble.members.iter().map(|member| refused_for_what_they_had_seen(&member.log()));
    turned_away += logs.sum::<usize>();
    assert_eq!(turned_away, 0, "{name}: clients were said to be ahead");
    println!("{name}: {} reconnects", pings.finish(name));
}

/// Lines of ours that say so.
fn refused_for_what_they_had_seen(log: &str) -> usize {
    log.lines().filter(|line| line.contains("is ahead of this server")).count()
}

/// What idle sessions are.
struct Idle {
    /// Whether every other one has an ephemeral, and only those outlive their server.
    local: bool,
}

impl Idle {
    const GLOBAL: Idle = Idle { local: false };
    const LOCAL: Idle = Idle { local: true };
}

#[derive(Default)]
struct Pinged {
    over: AtomicBool,
    answered: Vec<AtomicU64>,
    reconnects: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

/// Sessions that do nothing but ping.
struct Pings {
    shared: Arc<Pinged>,
    threads: Vec<JoinHandle<()>>,
}

impl Pings {
    fn start(ports: &[u16], count: usize, sort: &'static Idle) -> Pings {
        let answered = (0..count).map(|_| AtomicU64::new(0)).collect();
        let shared = Arc::new(Pinged { answered, ..Pinged::default() });
        let threads = (0..count).map(|index| {
            let (shared, ports) = (shared.clone(), ports.to_vec());
            std::thread::spawn(move || {
                if let Err(told) = ping(&shared, &ports, index, sort) {
                    let mut wrong = shared.wrong.lock().unwrap_or_else(PoisonError::into_inner);
                    wrong.push(format!("session {index}: {told}"));
                }
            })
        });
        let threads = threads.collect();
        let pings = Pings { shared, threads };
        pings.all_answered("the start");
        pings
    }

    /// Waits until each has had an answer to a ping that it sent from now on.
    fn all_answered(&self, told: &str) {
        let count = |answered: &AtomicU64| answered.load(Ordering::SeqCst);
        let before: Vec<u64> = self.shared.answered.iter().map(count).collect();
        let deadline = Instant::now() + PATIENCE;
        // The one after the next was sent from now on.
        while self.shared.answered.iter().zip(&before).any(|(now, before)| count(now) < before + 2)
        {
            let wrong = self.shared.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(wrong.is_empty(), "{told}: {}", wrong.join("\n"));
            drop(wrong);
            assert!(Instant::now() < deadline, "{told}: not every session is served");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn finish(mut self, told: &str) -> u64 {
        self.shared.over.store(true, Ordering::SeqCst);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        let wrong = self.shared.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(wrong.is_empty(), "{told}: {}", wrong.join("\n"));
        self.shared.reconnects.load(Ordering::SeqCst)
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn ping(shared: &Pinged, ports: &[u16], index: usize, sort: &Idle) -> Result<(), String> {
    let begin = || Roaming::new(ports, index, support::load::SESSION_TIMEOUT);
    let stays = !sort.local || index.is_multiple_of(2);
    let mut session = begin();
    if sort.local && stays {
        session.attach(PATIENCE).map_err(|lost| format!("at first: {lost:?}"))?;
        let made = session.create(&format!("/lease{index}"), b"", 1);
        assert_eq!(made, Ok(0), "session {index}");
    }
    while !shared.over.load(Ordering::SeqCst) {
        match session.attach(PATIENCE).and_then(|_| session.ping()) {
            Ok(()) => {
                shared.answered[index].fetch_add(1, Ordering::SeqCst);
            }
            Err(Lost::Session) if !stays => session = begin(),
            Err(Lost::Session) => return Err("it was said to be over".into()),
            Err(Lost::Connection) => {}
        }
        // Pacing.
        std::thread::sleep(Duration::from_millis(150));
    }
    shared.reconnects.fetch_add(session.reconnects, Ordering::SeqCst);
    Ok(())
}

fn roll(name: &str, plan: Plan, passes: &[(Kind, Takes)]) {
    // Small, so that snapshots and rolls of the log fall among the replacements.
    let plan = plan.set("snapCount", "4000");
    let mut ensemble = Ensemble::start(&format!("rolling/{name}"), &plan);
    let load = Load::start("load-", &ensemble.ports(), 6, false);
    let mut kazoo = Kazoo::start(&ensemble.ports());
    for (pass, (kind, takes)) in passes.iter().enumerate() {
        let leader = ensemble.wait_all();
        // Observers, followers, the leader last: one change of the epoch in a pass.
        let mut order: Vec<u64> = ensemble.ids();
        order.sort_by_key(|id| (*id == leader, !ensemble.member(*id).observer, *id));
        for id in order {
            let told = format!("{name}, pass {pass}: member {id} becomes {kind:?}, {takes:?}");
            let start = Instant::now();
            let member = ensemble.member(id);
            member.terminate();
            if *takes == Takes::Nothing {
                member.wipe();
            }
            member.kind = *kind;
            member.spawn();
            if let Err(e) = ensemble.wait_within(PATIENCE) {
                panic!("{told}: {e}\n{}", ensemble.logs());
            }
            load.wait_progress(&told, PATIENCE);
            load.rest(&told);
            kazoo.say("rest");
            kazoo.hear("resting", &told);
            for member in &ensemble.members {
                load.check(member.port, &told);
                // Java's servers alone count some after a snapshot that was sent under load.
                let mismatches = member.figure("zk_digest_mismatches_count").unwrap_or(0);
                let of_java = member.kind == Kind::Java;
                assert!(of_java || mismatches == 0, "{told}: digests at member {}", member.id);
                if mismatches > 0 {
                    println!("member {} counts {mismatches} mismatches", member.id);
                }
            }
            ensemble.assert_equal_trees(&told);
            load.go_on();
            kazoo.say("go");
            println!("{told}: {:.1} s", start.elapsed().as_secs_f64());
        }
    }
    kazoo.finish(name);
    println!("{name}: {:?}", load.finish(name));
}

/// The clients of `tests/clients/rolling_load.py`, if they are wanted.
struct Kazoo(Option<(Child, ChildStdin, BufReader<ChildStdout>)>);

impl Kazoo {
    fn start(ports: &[u16]) -> Kazoo {
        if std::env::var("RK_ROLLING").as_deref() != Ok("all") {
            return Kazoo(None);
        }
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut child = Command::new(python())
            .arg(root().join("tests/clients/rolling_load.py"))
            .arg(hosts.join(","))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the environment's Python");
        let streams = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut kazoo = Kazoo(Some((child, streams.0, BufReader::new(streams.1))));
        kazoo.hear("running", "kazoo's start");
        kazoo
    }

    fn say(&mut self, word: &str) {
        if let Some((_, input, _)) = &mut self.0 {
            writeln!(input, "{word}").unwrap();
        }
    }

    /// The next line, which must begin so.
    fn hear(&mut self, beginning: &str, told: &str) -> String {
        let Some((_, _, output)) = &mut self.0 else { return String::new() };
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.starts_with(beginning), "{told}: kazoo's clients say {line:?}");
        line
    }

    fn finish(mut self, told: &str) {
        self.say("end");
        let sum = self.hear(if self.0.is_some() { "{" } else { "" }, told);
        println!("{told}: kazoo {}", sum.trim());
        assert!(self.0.is_none() || sum.contains("\"errors\": []"), "{told}: {sum}");
    }
}

impl Drop for Kazoo {
    fn drop(&mut self) {
        if let Some((child, ..)) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
