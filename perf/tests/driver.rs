//! The driver, whole, against an in-process server: every workload runs, is counted and cleans up
//! after itself; every kind of wrong answer fails the run.

mod fake;

use fake::{Fake, Mistake};
use ringkeeper_perf::engine::run::Measured;
use ringkeeper_perf::engine::{Pace, Plan, Until};
use ringkeeper_perf::fault::Fault;
use ringkeeper_perf::load::{Job, Workload};
use ringkeeper_perf::schedule::Arrival;

const MS: u64 = 1_000_000;

fn plan(fake: &Fake, connections: usize, pace: Pace) -> Plan {
    Plan {
        servers: vec![fake.address],
        connections,
        threads: 2,
        pin: Vec::new(),
        pace,
        until: Until::Time { warmup: 20 * MS, window: 150 * MS },
        interval: 50 * MS,
        session_timeout_ms: 10_000,
        seed: 7,
    }
}

fn job(workload: Workload) -> Job {
    let mut job = Job::new(workload, "/t/perf");
    (job.keys.count, job.keys.depth, job.locks) = (50, 2, 2);
    job
}

fn drive(job: &Job, plan: &Plan) -> Result<Measured, Fault> {
    job.set_up(plan, &mut ())?;
    let measured = job.measure(plan, &mut ())?;
    job.clean_up(plan, &mut ())?;
    Ok(measured)
}

#[test]
fn every_workload_runs_in_a_closed_loop() {
    use Workload::*;
    let fake = Fake::start(Mistake::None);
    for workload in [
        Read,
        Write,
        Mixed,
        CreateDelete,
        EphemeralSequential,
        Multi,
        Children,
        Exists,
        WatchFanout,
        ConnectStorm,
        SessionChurn,
        Lock,
    ] {
        let plan = plan(&fake, 6, Pace::Closed { depth: 3 });
        let measured = drive(&job(workload), &plan).unwrap_or_else(|e| panic!("{workload:?}: {e}"));
        assert!(measured.units() > 0, "{workload:?} did nothing");
        assert!((measured.seconds - 0.15).abs() < 1e-6);
        for class in &measured.classes {
            let intervals: u64 = class.intervals.iter().map(|h| h.len()).sum();
            assert_eq!(intervals, class.total.len(), "{workload:?} {}", class.name);
        }
    }
}

#[test]
fn a_fill_makes_every_znode_once_and_ends() {
    let fake = Fake::start(Mistake::None);
    let mut job = job(Workload::Fill);
    job.keys.count = 2_500;
    let plan = Plan { until: Until::Exhausted, ..plan(&fake, 4, Pace::Closed { depth: 20 }) };
    assert_eq!(drive(&job, &plan).unwrap().units(), 2_500);
}

#[test]
fn an_open_loop_sends_what_it_offers() {
    let fake = Fake::start(Mistake::None);
    let pace = Pace::Open { rate: 2_000.0, arrival: Arrival::Uniform };
    let measured = drive(&job(Workload::Write), &plan(&fake, 5, pace)).unwrap();
    // 2,000/s over 150 ms, whatever the server did.
    assert_eq!(measured.units(), 300);
}

#[test]
fn every_mistake_of_a_server_fails_the_run() {
    for (mistake, says) in [
        (Mistake::WrongXid, "xid"),
        (Mistake::WrongValue, "getData"),
        (Mistake::ZxidGoesBack, "zxid"),
        (Mistake::HangsUp, "closed by the server"),
    ] {
        let fake = Fake::start(mistake);
        let plan = plan(&fake, 4, Pace::Closed { depth: 2 });
        let fault = drive(&job(Workload::Read), &plan).err().map(|e| e.to_string());
        let text = fault.unwrap_or_else(|| panic!("{mistake:?} went unnoticed"));
        assert!(text.contains(says), "{mistake:?}: {text}");
    }
}

#[test]
fn a_server_that_is_not_there_is_a_fault() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let gone = Fake { address };
    let fault = drive(&job(Workload::Read), &plan(&gone, 2, Pace::Closed { depth: 1 })).err();
    assert!(fault.is_some_and(|f| f.to_string().contains("refused")), "connection refused");
}
