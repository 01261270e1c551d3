//! Running seeds: one, or a range on all CPUs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use ringkeeper::mutants::Mutant;

use crate::faults::{self, Planned};
use crate::knobs::Knobs;
use crate::world::{Report, World};

/// Everything that decides a run.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub knobs: Knobs,
    pub plan: Vec<Planned>,
    /// A planted bug.
    pub mutant: Option<Mutant>,
}

/// What became of it.
pub struct Ran {
    pub outcome: Result<Report, String>,
    /// One line a transition, if asked for.
    pub trace: Vec<String>,
}

impl Case {
    pub fn of(seed: u64, servers: Option<usize>) -> Case {
        let knobs = Knobs::draw(seed, servers);
        let plan = faults::draw(seed, &knobs);
        Case { seed, knobs, plan, mutant: None }
    }

    /// A panic of the code under test is a failure like any other.
    pub fn run(&self, tracing: bool) -> Ran {
        quiet_panics();
        choose(self.mutant);
        let mut world = World::new(self.seed, self.knobs.clone(), self.plan.clone(), tracing);
        let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
        choose(None);
        let outcome = outcome.unwrap_or_else(|_| Err(format!("panic: {}", last_panic())));
        let trace = world.trace.take().unwrap_or_default();
        Ran { outcome, trace }
    }
}

#[cfg(feature = "mutants")]
fn choose(mutant: Option<Mutant>) {
    ringkeeper::mutants::choose(mutant);
}

#[cfg(not(feature = "mutants"))]
fn choose(_: Option<Mutant>) {}

thread_local! {
    static PANIC: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

fn last_panic() -> String {
    PANIC.with_borrow(Clone::clone)
}

/// Keeps what a panic says instead of printing it.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::env::var_os("RUST_BACKTRACE").is_some() {
                loud(info);
            }
            PANIC.with_borrow_mut(|text| *text = info.to_string());
        }));
    });
}

/// A seed that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    pub seed: u64,
    pub why: String,
}

/// Sums over many seeds.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub seeds: u64,
    pub failed: Vec<Failed>,
    pub events: u64,
    pub txns: u64,
    pub acknowledged: u64,
    pub crashes: u64,
    pub expired: u64,
}

/// Runs seeds `from..to` on all CPUs. With `enough` failures no new ones are begun.
pub fn range(from: u64, to: u64, enough: usize, case: impl Fn(u64) -> Case + Sync) -> Summary {
    let next = AtomicU64::new(from);
    let summary = Mutex::new(Summary::default());
    let lock = || summary.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= to || lock().failed.len() >= enough {
                        return;
                    }
                    let case = case(seed);
                    let ran_loud = case.mutant.is_none();
                    let ran = case.run(false);
                    let mut summary = lock();
                    summary.seeds += 1;
                    match ran.outcome {
                        Ok(report) => {
                            summary.events += report.events;
                            summary.txns += report.txns as u64;
                            summary.acknowledged += report.acknowledged;
                            summary.crashes += report.crashes;
                            summary.expired += report.expired;
                        }
                        Err(why) => {
                            if ran_loud {
                                eprintln!("seed {seed}: {why}");
                            }
                            summary.failed.push(Failed { seed, why });
                        }
                    }
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    summary.failed.sort_by_key(|failed| failed.seed);
    summary
}
