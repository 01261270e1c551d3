//! Ensembles in turn, A B A B …: each round starts one, drives it, kills its leaders, restarts its
//! members and stops it before the other one is started. Nothing runs beside the one measured.

use std::time::Duration;

use super::outcome::{EnsembleOutcome, EnsembleSide, ScenarioOutcome, TargetFacts};
use super::scenario::{Metric, Scenario, Stage};
use super::session::{NO_SNAPSHOTS, Session, Settings, side};
use crate::clock::now;
use crate::engine::run::Measured;
use crate::failover::client::{Answer, Client};
use crate::failover::herd::Herd;
use crate::failover::writers::{Met, Writers, longest_gap};
use crate::fault::Fault;
use crate::result::RunResult;
use crate::target::ensemble::Ensemble;
use crate::target::{Served, Target};

/// What `--only` and the bars call the parts that are not loads.
pub const LEADER_KILL: &str = "leader-kill";
pub const ROLLING: &str = "rolling-restart";

/// Between two writes of the trickle.
const TRICKLE: Duration = Duration::from_millis(5);
/// Sessions that write without pause during the rolling restart.
const LOAD: usize = 16;
/// Left alone before the next member goes, with everything served.
const SETTLE: Duration = Duration::from_secs(1);
/// Longest outage waited for.
const OUTAGE: Duration = Duration::from_secs(90);
const HERD_NODE: &str = "/perf-herd";

/// How ensembles are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EnsembleSettings {
    pub members: usize,
    /// Leaders killed in each round under the trickle; 0: none.
    pub kills: usize,
    /// Leaders killed in each round with the sessions of `sessions` attached.
    pub herds: usize,
    pub sessions: usize,
    pub rolling: bool,
}

/// One scenario's runs of one target, and their sum.
type Runs = (Vec<RunResult>, Option<Measured>);

impl Session<'_> {
    pub(super) fn ensembles(&mut self, ensemble: &EnsembleSettings) -> Result<(), Fault> {
        let scenarios = self.stage(&[Stage::Ensemble]);
        let targets = &self.settings.targets;
        self.outcome.ensemble = EnsembleOutcome {
            members: ensemble.members,
            sessions: ensemble.sessions,
            sides: vec![EnsembleSide::default(); targets.len()],
        };
        let mut runs: Vec<Vec<Runs>> = Vec::new();
        runs.resize_with(scenarios.len(), || targets.iter().map(|_| Runs::default()).collect());
        for round in 0..self.settings.rounds {
            for (at, target) in targets.iter().enumerate() {
                self.narrator.say(&format!("round {}: {}", round + 1, target.name));
                let done = self.one_round(ensemble, &scenarios, round, at, target, &mut runs);
                self.note(&format!("round {}: {}", round + 1, target.name), done)?;
            }
        }
        for (scenario, runs) in scenarios.iter().zip(runs) {
            let sides = runs.into_iter().map(|(rounds, all)| side(scenario, rounds, all)).collect();
            self.narrator.say(&scenario.title);
            self.outcome.scenarios.push(ScenarioOutcome::new(scenario, sides));
            self.report_scenario();
        }
        self.report_losses();
        Ok(())
    }

    fn one_round(
        &mut self,
        settings: &EnsembleSettings,
        scenarios: &[Scenario],
        round: usize,
        at: usize,
        target: &Target,
        runs: &mut [Vec<Runs>],
    ) -> Result<(), Fault> {
        self.look_for_space()?;
        let (data, log) = (&self.settings.data_dir, &self.settings.log_dir);
        let mut ensemble = Ensemble::start(target, settings.members, &NO_SNAPSHOTS, data, log)?;
        if self.outcome.targets.len() <= at {
            let config = ensemble.members[0].config.clone();
            self.outcome.targets.push(TargetFacts { target: target.clone(), config });
        }
        let title = |what: &str| format!("{what}: {}: round {}", target.name, round + 1);
        let warm = self.warm_up(&ensemble);
        self.note(&title("warming up"), warm)?;
        for (scenario, runs) in scenarios.iter().zip(runs) {
            let run = self.drive(scenario, &ensemble, round, &mut runs[at]);
            self.note(&title(&scenario.title), run)?;
        }
        if settings.kills > 0 {
            self.narrator.say(&format!("    killing the leader {} times", settings.kills));
            let mut taken = Vec::new();
            let killed = kill_leaders(&mut ensemble, settings.kills, &mut taken);
            self.outcome.ensemble.sides[at].recovery_s.push(taken);
            let met = killed.and_then(|met| self.count(at, &title("leader killed"), &met));
            self.note(&title("leader killed"), met)?;
        }
        if settings.herds > 0 && settings.sessions > 0 {
            self.narrator.say(&format!("    killing it under {} sessions", settings.sessions));
            let mut taken = Vec::new();
            let side = &mut self.outcome.ensemble.sides[at];
            let herded = reattach(&mut ensemble, settings, &mut taken, side);
            side.reattach_s.push(taken);
            self.note(&title("sessions attached again"), herded)?;
        }
        if settings.rolling {
            self.narrator.say("    restarting the members in turn");
            let rolled = roll(&mut ensemble).and_then(|(gap, met)| {
                let side = &mut self.outcome.ensemble.sides[at];
                side.rolling_gap_s.push(gap);
                side.rolling_writes += met.acks.len() as u64;
                self.count(at, &title("rolling restart"), &met)
            });
            self.note(&title("rolling restart"), rolled)?;
        }
        Ok(())
    }

    fn drive(
        &mut self,
        scenario: &Scenario,
        ensemble: &Ensemble,
        round: usize,
        runs: &mut Runs,
    ) -> Result<(), Fault> {
        let plan = scenario.plan(&self.base_plan(ensemble));
        scenario.job.set_up(&plan, &mut ())?;
        let (result, measured) = self.run_once(scenario, ensemble, round)?;
        scenario.job.clean_up(&plan, &mut ())?;
        match &mut runs.1 {
            Some(all) => all.merge(&measured),
            none => *none = Some(measured),
        }
        runs.0.push(result);
        Ok(())
    }

    /// Adds up what writers met with; an answer that no right server gives is a fault.
    fn count(&mut self, at: usize, title: &str, met: &Met) -> Result<(), Fault> {
        let side = &mut self.outcome.ensemble.sides[at];
        side.reconnects += met.reconnects;
        side.lost_sessions += met.lost_sessions;
        side.errors += met.errors;
        for wrong in &met.wrong {
            self.note(title, Err(Fault::Server(wrong.clone())))?;
        }
        Ok(())
    }

    fn report_losses(&mut self) {
        for (scenario, metric) in [
            (LEADER_KILL, Metric::Recovery),
            (LEADER_KILL, Metric::RecoveryP99),
            (LEADER_KILL, Metric::Reattach),
            (ROLLING, Metric::RollingGap),
        ] {
            let figure = |at: usize| self.outcome.figure(scenario, metric, at);
            if let (Some(j), Some(o)) = (figure(0), figure(1)) {
                let (a, b) = (metric.show(j.median), metric.show(o.median));
                let ratio = o.median / j.median;
                let line = format!("{scenario}: {} {a} → {b} ({ratio:.2})", metric.name());
                self.narrator.say(&line);
            }
        }
    }
}

/// Ends the leader, waits for the next acknowledged write, starts the dead one again; so often.
fn kill_leaders(ensemble: &mut Ensemble, times: usize, taken: &mut Vec<f64>) -> Result<Met, Fault> {
    let writer = Writers::start(&ensemble.servers(), 1, TRICKLE, "/perf-trickle")?;
    for _ in 0..times {
        let leader = ensemble.leader()?;
        // Everything is as it should be: a write is acknowledged before the kill.
        let before = writer.next_ack(now(), 0, OUTAGE)?;
        let killed = now();
        ensemble.members[leader].kill();
        // A write that the dead leader had still ordered does not end the outage.
        let next = writer.next_ack(killed, before.epoch + 1, OUTAGE)?;
        taken.push((next.acked - killed) as f64 / 1e9);
        ensemble.start_again(leader)?;
        std::thread::sleep(SETTLE);
    }
    Ok(writer.stop())
}

/// Ends the leader under many sessions, and waits until each has had a write acknowledged.
fn reattach(
    ensemble: &mut Ensemble,
    settings: &EnsembleSettings,
    taken: &mut Vec<f64>,
    side: &mut EnsembleSide,
) -> Result<(), Fault> {
    let servers = ensemble.servers();
    let mut client = Client::new(&servers, 0);
    if let Answer::Lost(e) = client.create(HERD_NODE.as_bytes()) {
        return Err(Fault::Server(format!("creating {HERD_NODE}: {e}")));
    }
    client.close();
    let mut herd = Herd::new(&servers, settings.sessions, HERD_NODE);
    for _ in 0..settings.herds {
        // All attached: a session is never written to without having been seen alive.
        herd.write_all(OUTAGE)?;
        let leader = ensemble.leader()?;
        let killed = now();
        ensemble.members[leader].kill();
        herd.write_all(OUTAGE)?;
        taken.push((now() - killed) as f64 / 1e9);
        ensemble.start_again(leader)?;
        std::thread::sleep(SETTLE);
    }
    side.reconnects += herd.reconnects;
    side.lost_sessions += herd.lost_sessions;
    herd.close();
    Ok(())
}

/// Restarts the members in good order, the leader last; the longest gap in seconds.
fn roll(ensemble: &mut Ensemble) -> Result<(f64, Met), Fault> {
    let writers = Writers::start(&ensemble.servers(), LOAD, Duration::ZERO, "/perf-load")?;
    let leader = ensemble.leader()?;
    writers.next_ack(now(), 0, OUTAGE)?;
    let from = now();
    let members = ensemble.members.len();
    for at in (1..=members).map(|n| (leader + n) % members) {
        ensemble.members[at].stop()?;
        ensemble.start_again(at)?;
        std::thread::sleep(SETTLE);
    }
    writers.next_ack(now(), 0, OUTAGE)?;
    let to = now();
    let met = writers.stop();
    Ok((longest_gap(&met.acks, from, to) as f64 / 1e9, met))
}

pub(super) fn method(settings: &Settings, ensemble: &EnsembleSettings) -> Vec<(String, String)> {
    let fact = |name: &str, text: String| (name.to_owned(), text);
    let EnsembleSettings { members, kills, sessions, .. } = ensemble;
    let (warmup, window) = (settings.size.warmup, settings.size.window);
    let timeout = crate::failover::SESSION_TIMEOUT_MS / 1000;
    vec![
        fact("Order", format!("ensembles of {members} in turn, A B A B …: each is started for its round, warmed up, driven through all scenarios and stopped before the other is started")),
        fact("Rounds", format!("{}, medians shown", settings.rounds)),
        fact("Durability", "both acknowledge a write after a quorum has flushed its log record (forceSync=yes, fdatasync or its equal); all members log to one device".into()),
        fact("Heap", "each JVM as its options below say; Ringkeeper has no such limit".into()),
        fact("Clients", "connections go round the members".into()),
        fact("Server CPU", "of all members together, from /proc".into()),
        fact("Each run", format!("{warmup} s warm-up, {window} s measured")),
        fact("Warm-up", format!("{} s of mixed load at the start of every round, on both", settings.jvm_warmup)),
        fact("Values, keys", "100 B of random bytes; 10,000 keys, uniformly chosen".into()),
        fact("Leader kill", format!("kill -9, {kills} times a round; one client with all addresses writes every {} ms; from the kill until a write sent after it and ordered by the next leader is acknowledged; it goes to the next server 2 ms after a failure; the dead member is started again and serves before the next kill; p99 by nearest rank", TRICKLE.as_millis())),
        fact("Sessions", format!("{sessions} spread over the members, {timeout} s timeout; from the kill until each has had a write acknowledged on the session it had; an attempt that fails is followed by the next server's after 50 … 100 ms")),
        fact("Rolling restart", format!("SIGTERM, start, until it serves, 1 s; followers first; {LOAD} sessions write without pause; the longest time in which none of them had a write acknowledged; every session's last acknowledged write is read back at the end")),
        fact("Driver", format!("{} thread(s) on io_uring (kills: plain threads), sharing the machine's CPUs with the servers; sleeps when idle", settings.threads)),
    ]
}
