//! The workers of a run together.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::record::ClassResult;

use super::worker::{Outcome, Worker};
use super::{Load, Plan, Shared, Until};

/// What a run measured.
pub struct Measured {
    pub classes: Vec<ClassResult>,
    /// Seconds of the window.
    pub seconds: f64,
    /// Length of the classes' intervals, seconds.
    pub interval_s: f64,
    /// When the window began: by the calendar, and in nanoseconds of [`crate::clock`].
    pub began: SystemTime,
    pub began_ns: u64,
    pub driver: DriverCost,
}

impl Measured {
    /// Units finished in the window.
    pub fn units(&self) -> u64 {
        let counted = self.classes.iter().filter(|c| c.counts);
        counted.map(|c| c.total.len() * u64::from(c.units)).sum()
    }

    pub fn per_second(&self) -> f64 {
        self.units() as f64 / self.seconds.max(1e-9)
    }

    /// Adds another round of the same load: histograms and counts, for curves over all rounds.
    pub fn merge(&mut self, other: &Measured) {
        self.seconds += other.seconds;
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            mine.merge(theirs);
        }
    }

    pub fn class(&self, name: &str) -> Option<&ClassResult> {
        self.classes.iter().find(|c| c.name == name)
    }
}

/// What the driver itself needed, and whether it was in its own way.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct DriverCost {
    pub threads: usize,
    /// CPU seconds of all threads in the window.
    pub cpu_s: f64,
    /// Share of the window the busiest thread was on a CPU.
    pub busiest: f64,
    /// Largest share of the window a thread wanted a CPU and had none.
    pub waited: f64,
    /// Why the figures may be the driver's and not the server's.
    pub verdict: Option<String>,
}

impl DriverCost {
    fn of(outcomes: &[Outcome]) -> DriverCost {
        let share = |part: u64, o: &Outcome| part as f64 / o.wall_ns.max(1) as f64;
        let most = |part: fn(&Outcome) -> u64| {
            outcomes.iter().map(|o| share(part(o), o)).fold(0.0, f64::max)
        };
        let (busiest, waited) = (most(|o| o.cpu_ns), most(|o| o.waited_ns));
        DriverCost {
            threads: outcomes.len(),
            cpu_s: outcomes.iter().map(|o| o.cpu_ns).sum::<u64>() as f64 / 1e9,
            busiest,
            waited,
            verdict: verdict(busiest, waited),
        }
    }
}

/// Share of the window a driver thread may wait for a CPU before its figures are the scheduler's as
/// much as the server's.
const WAITED_MAX: f64 = 0.3;

/// A thread that is nearly always on a CPU cannot offer more; one that waits long for a CPU
/// measures the scheduler.
pub fn verdict(busiest: f64, waited: f64) -> Option<String> {
    let percent = |x: f64| (x * 100.0).round();
    if busiest > 0.9 {
        let busy = percent(busiest);
        return Some(format!(
            "the driver was the bottleneck: a thread of it was on a CPU {busy} % of the time; use more --threads"
        ));
    }
    if busiest + waited > 0.95 || waited > WAITED_MAX {
        let (busy, wait) = (percent(busiest), percent(waited));
        return Some(format!(
            "the driver and the server shared CPUs: a driver thread ran {busy} % and waited for a CPU {wait} % of the time"
        ));
    }
    None
}

/// Told how a run goes on, by the thread that started it.
pub trait Observer {
    /// Now and then: units finished, sessions live.
    fn progress(&mut self, _finished: u64, _live: usize) {}
    /// The window begins.
    fn began(&mut self) {}
    /// The window is over.
    fn ended(&mut self) {}
}

impl Observer for () {}

/// Calls an observer's methods when they are due.
struct Clockwork<'a> {
    observer: &'a mut dyn Observer,
    until: Until,
    began: bool,
    ended: bool,
}

impl Clockwork<'_> {
    /// Does what is due; how long nothing else is.
    fn step(&mut self, shared: &Shared) -> Duration {
        const LONGEST: u64 = 250_000_000;
        self.observer.progress(shared.finished.load(Relaxed), shared.live.load(Relaxed));
        if crate::interrupted() {
            shared.fail(Fault::Interrupted);
        }
        let start = shared.start.load(SeqCst);
        if start == 0 {
            return Duration::from_millis(3);
        }
        let (from, to) = match self.until {
            Until::Time { warmup, window } => (start + warmup, start + warmup + window),
            Until::Exhausted => (start, u64::MAX),
        };
        let now = crate::clock::now();
        if !self.began && now >= from {
            self.began = true;
            self.observer.began();
        }
        if now >= to {
            self.end();
        }
        let next = if self.began { to } else { from };
        Duration::from_nanos(next.saturating_sub(now).clamp(100_000, LONGEST))
    }

    fn end(&mut self) {
        if self.began && !self.ended {
            self.ended = true;
            self.observer.ended();
        }
    }
}

/// Builds the load of each thread: its index, and its lanes' numbers in the whole run.
pub type MakeLoad<'a> = &'a mut dyn FnMut(usize, &[usize]) -> Box<dyn Load>;

/// Runs `plan` with the loads that `make` builds.
pub fn run(
    plan: &Plan,
    make: MakeLoad<'_>,
    observer: &mut dyn Observer,
) -> Result<Measured, Fault> {
    if plan.servers.is_empty() || plan.connections == 0 || plan.threads == 0 {
        return Err(Fault::Usage("a run needs a server, a connection and a thread".into()));
    }
    raise_file_limit(plan.connections as u64)?;
    let plan = Plan { threads: plan.threads.min(plan.connections), ..plan.clone() };
    let shared = Arc::new(Shared::default());
    let shares: Vec<Vec<usize>> = (0..plan.threads)
        .map(|thread| (thread..plan.connections).step_by(plan.threads).collect())
        .collect();
    let loads: Vec<Box<dyn Load>> =
        shares.iter().enumerate().map(|(thread, lanes)| make(thread, lanes)).collect();
    let clocks = (SystemTime::now(), crate::clock::now());
    let parent = thread::current();
    let outcomes = thread::scope(|scope| {
        let mut handles = Vec::new();
        for (index, (lanes, load)) in shares.into_iter().zip(loads).enumerate() {
            let (plan, shared, parent) = (&plan, shared.clone(), parent.clone());
            handles.push(scope.spawn(move || {
                let outcome = worker(plan, shared, load, index, lanes);
                parent.unpark();
                outcome
            }));
        }
        let mut clockwork = Clockwork { observer, until: plan.until, began: false, ended: false };
        let mut outcomes = Vec::new();
        for handle in handles {
            while !handle.is_finished() {
                thread::park_timeout(clockwork.step(&shared));
            }
            if let Ok(Some(outcome)) = handle.join() {
                outcomes.push(outcome);
            }
        }
        clockwork.end();
        outcomes
    });
    if let Some(fault) = shared.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(fault);
    }
    if outcomes.len() < plan.threads {
        return Err(Fault::Server("a driver thread ended without a result".into()));
    }
    collect(clocks, outcomes)
}

fn worker(
    plan: &Plan,
    shared: Arc<Shared>,
    load: Box<dyn Load>,
    index: usize,
    lanes: Vec<usize>,
) -> Option<Outcome> {
    if let Some(cpu) = plan.pin.get(index % plan.pin.len().max(1)) {
        core_affinity::set_for_current(core_affinity::CoreId { id: *cpu });
    }
    match Worker::new(plan, shared.clone(), load, index, lanes.into_iter()) {
        Ok(worker) => worker.run(),
        Err(fault) => {
            shared.fail(fault);
            None
        }
    }
}

fn collect((wall, clock): (SystemTime, u64), outcomes: Vec<Outcome>) -> Result<Measured, Fault> {
    let driver = DriverCost::of(&outcomes);
    let mut outcomes = outcomes.into_iter();
    let Some(first) = outcomes.next() else {
        return Err(Fault::Server("no driver thread has run".into()));
    };
    let (window, mut classes) = (first.window, first.classes);
    let mut end = window.end;
    for outcome in outcomes {
        end = end.max(outcome.window.end);
        for (mine, theirs) in classes.iter_mut().zip(&outcome.classes) {
            mine.merge(theirs);
        }
    }
    Ok(Measured {
        classes,
        seconds: end.saturating_sub(window.start) as f64 / 1e9,
        interval_s: window.interval as f64 / 1e9,
        began: wall + Duration::from_nanos(window.start.saturating_sub(clock)),
        began_ns: window.start,
        driver,
    })
}

/// Thousands of connections need as many descriptors.
pub(crate) fn raise_file_limit(connections: u64) -> Result<(), Fault> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = connections + 256;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = limit.maximum.map_or(wanted, |m| m.max(wanted));
    let raised = Rlimit { current: Some(wanted), maximum: Some(maximum) };
    setrlimit(Resource::Nofile, raised).map_err(|e| {
        Fault::Usage(format!("{wanted} open files are needed; the limit cannot be raised: {e}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_says_when_it_was_in_its_own_way() {
        assert_eq!(verdict(0.5, 0.1), None);
        assert!(verdict(0.95, 0.0).is_some_and(|v| v.contains("bottleneck")));
        assert!(verdict(0.6, 0.38).is_some_and(|v| v.contains("shared CPUs")));
        assert_eq!(verdict(0.4, 0.3), None);
        assert!(verdict(0.2, 0.31).is_some_and(|v| v.contains("waited for a CPU 31 %")));
    }
}
