//! What a server tells when it is asked by SIGQUIT: roles, queues, sessions, threads, and the figures
//! of `mntr`. It is told in whatever state the server is, also while it serves nobody.

use std::fmt::Write;
use std::fs;

use super::version::{BUILT, VERSION};
use super::words::Commands;
use crate::metrics::gauges::{CoreGauges, Gauges};
use crate::metrics::quorum::Mode;
use crate::types::Millis;

/// Clock ticks of a thread's times in /proc (USER_HZ, 100 on every Linux).
const TICKS_A_SECOND: u64 = 100;

impl Commands {
    /// Lines for the log. Reads a few small files of /proc; never waits for a role.
    pub fn report(&self, now: Millis) -> String {
        let gauges = &self.gauges;
        let mut out = String::new();
        let mode = gauges.quorum.mode();
        let serving = match self.is_serving() {
            true => "serves clients",
            false => "serves no clients",
        };
        let seconds = (now.0 - gauges.started.0) / 1000;
        let _ = writeln!(out, "state: {VERSION}, {BUILT}, running for {seconds} s");
        let _ = writeln!(
            out,
            "role: {}, {serving}; zxid {}, {} znodes, {} ephemerals, {} bytes of data",
            mode.word(),
            self.tree.applied(),
            self.tree.node_count(),
            self.tree.ephemeral_count(),
            self.tree.data_bytes()
        );
        for (n, core) in gauges.cores.iter().enumerate() {
            core_line(&mut out, n, core);
        }
        let _ = writeln!(
            out,
            "queues: {} requests outstanding, {} prepared since the start",
            gauges.outstanding.get(),
            gauges.prepared.get()
        );
        let _ = writeln!(
            out,
            "sessions: {} of the ensemble, {} of this server alone",
            gauges.sessions.get(),
            gauges.local_sessions.get()
        );
        if mode == Mode::Leader {
            let quorum = &gauges.quorum;
            let _ = writeln!(
                out,
                "learners: {} connected, {} followers and {} observers in sync",
                quorum.learners.get(),
                quorum.synced_followers.get(),
                quorum.synced_observers.get()
            );
        }
        log_line(&mut out, gauges);
        threads(&mut out);
        out.push_str(&self.monitor(mode, now));
        out
    }
}

fn core_line(out: &mut String, number: usize, core: &CoreGauges) {
    let conns = core.conns.lock();
    let waiting: i64 = conns.values().map(|conn| conn.queued.get()).sum();
    let _ = writeln!(
        out,
        "network core {number}: {} connections with {waiting} requests waiting, {} watches, {} \
         received, {} sent",
        conns.len(),
        core.watches.get(),
        core.received.get(),
        core.sent.get()
    );
}

fn log_line(out: &mut String, gauges: &Gauges) {
    let log = gauges.log();
    let _ = writeln!(
        out,
        "log: {} records in {} batches, {} bytes; flushes of {} to {} ms, the last of {} ms",
        log.records,
        log.batches,
        log.bytes,
        log.flush_min.as_millis(),
        log.flush_max.as_millis(),
        log.flush_last.as_millis()
    );
}

/// Each thread's name, state (R runs, S sleeps, D waits for a disk) and time on a CPU.
fn threads(out: &mut String) {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return };
    for task in tasks.filter_map(|task| Some(task.ok()?.path())) {
        let Ok(stat) = fs::read_to_string(task.join("stat")) else { continue };
        // The name stands in brackets and may hold anything.
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else { continue };
        let fields: Vec<&str> = stat[close + 1..].split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        let ms = (ticks(11) + ticks(12)) * 1000 / TICKS_A_SECOND;
        let state = fields.first().copied().unwrap_or("?");
        let _ = writeln!(out, "thread {}: {state}, {ms} ms on a CPU", &stat[open + 1..close]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_told_by_name() {
        let mut out = String::new();
        threads(&mut out);
        assert!(out.lines().count() >= 1, "{out}");
        assert!(out.lines().all(|line| line.starts_with("thread ") && line.ends_with("CPU")));
    }
}
