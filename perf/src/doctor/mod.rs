//! What this machine allows, and what limits it.
//!
//! * [`disk`]: the log's device: writes and flushes in groups, whether flushes are real
//! * [`kernel`]: what io_uring can do here
//! * [`cpu`]: CPUs, siblings, governor, isolation, how late a sleeper wakes
//! * [`loopback`]: a round trip through the kernel's own network
//! * [`fanout`]: one message to each of thousands of connections
//! * [`churn`]: a session's worth of connecting and closing
//! * [`quorum`]: a write through three servers on this machine

pub mod churn;
pub mod cpu;
pub mod disk;
pub mod fanout;
pub mod kernel;
pub mod loopback;
pub mod quorum;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::fault::Fault;
use crate::output::table::{count, duration};

#[derive(Serialize)]
pub struct Diagnosis {
    pub disk: disk::Disk,
    pub kernel: kernel::Kernel,
    pub cpu: cpu::Cpu,
    pub loopback: Option<loopback::Loopback>,
    pub fanout: Vec<fanout::Fanout>,
    pub churn: Option<churn::Churn>,
    pub quorum: Option<quorum::Quorum>,
    /// Probes that could not be finished, and why; what the others found stands.
    pub failed: Vec<String>,
    /// What stands in the way of good figures, worst first.
    pub remarks: Vec<String>,
}

/// Looks at everything. `log_dir` must exist; a file is made in it and removed again. `each`: how
/// long one disk probe lasts.
pub fn examine(log_dir: &Path, each: Duration) -> Diagnosis {
    let disk = disk::examine(log_dir, each);
    let (kernel, cpu) = (kernel::examine(), cpu::examine());
    let mut failed: Vec<String> =
        disk.failed.iter().map(|why| format!("log device: {why}")).collect();
    let loopback = kept("loopback", loopback::examine(&cpu), &mut failed);
    let fanout = kept("fan-out", fanout::examine(), &mut failed).unwrap_or_default();
    let churn = kept("connect and close", churn::examine(), &mut failed);
    let quorum = kept("a write through three", quorum::examine(log_dir, each), &mut failed);
    let mut remarks = Vec::new();
    remarks.extend(kernel.remarks());
    remarks.extend(disk.remarks());
    remarks.extend(cpu.remarks());
    Diagnosis { disk, kernel, cpu, loopback, fanout, churn, quorum, failed, remarks }
}

/// A probe that fails is noted, and the others go on.
fn kept<T>(what: &str, found: Result<T, Fault>, failed: &mut Vec<String>) -> Option<T> {
    found.map_err(|fault| failed.push(format!("{what}: {fault}"))).ok()
}

impl Diagnosis {
    pub fn render(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        line(format!("Log device   {}", self.disk.device));
        line(format!("  flushes    {}", self.disk.flush_verdict));
        line(format!(
            "  {:<44}{:>7}{:>13}{:>11}{:>11}",
            "300-byte records, one write and flush a group", "group", "appends/s", "p50", "p99"
        ));
        for p in &self.disk.probes {
            let (p50, p99) = (duration(p.p50_us), duration(p.p99_us));
            let rate = count(p.appends_per_s);
            line(format!("  {:<44}{:>7}{rate:>13}{p50:>11}{p99:>11}", p.way, p.group));
        }
        line(String::new());
        line(format!("Kernel       {}", self.kernel.release));
        for (what, there) in &self.kernel.features {
            line(format!("  {} {what}", if *there { "yes" } else { "NO " }));
        }
        line(String::new());
        line(format!("CPU          {}", self.cpu.model));
        for (what, value) in &self.cpu.facts {
            line(format!("  {what:<22} {value}"));
        }
        line(String::new());
        line("Loopback     one request and answer of 64 bytes over TCP".into());
        for trip in self.loopback.iter().flat_map(|loopback| &loopback.trips) {
            let (p50, p99) = (duration(trip.p50_us), duration(trip.p99_us));
            line(format!("  {:<22} p50 {p50}, p99 {p99}", trip.way));
        }
        for f in &self.fanout {
            let (way, last) = (format!("one to each of {}", f.receivers), duration(f.last_us));
            line(format!("  {way:<22} the last after {last}, {} a send", duration(f.send_us)));
        }
        if let Some(churn) = &self.churn {
            let most = count(1e6 * self.cpu.count as f64 / churn.session_us);
            line(format!(
                "  connect, two answers, end: {} of CPU for both ends: {most}/s on all CPUs",
                duration(churn.session_us)
            ));
        }
        if let Some(quorum) = &self.quorum {
            line(format!(
                "  a write through three  asked at the leader {}, at a follower {}",
                duration(quorum.at_leader_us),
                duration(quorum.at_follower_us)
            ));
        }
        line(String::new());
        for failed in &self.failed {
            line(format!("NOT MEASURED {failed}"));
        }
        if self.remarks.is_empty() && self.failed.is_empty() {
            line("Nothing in the way of good figures was found.".into());
        }
        for remark in &self.remarks {
            line(format!("* {remark}"));
        }
        out
    }
}

/// Median and 99th percentile of some times, in µs.
fn middle_and_tail(times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: f64| {
        let n = ((times.len() as f64 - 1.0).max(0.0) * share) as usize;
        times.get(n).map_or(0.0, |t| t.as_secs_f64() * 1e6)
    };
    (at(0.5), at(0.99))
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, PoisonError};

    /// Each fan-out asks for all the descriptors that the process may have.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    #[test]
    fn the_middle_and_the_tail_are_found() {
        let mut times: Vec<Duration> = (0..=100).rev().map(Duration::from_micros).collect();
        assert_eq!(middle_and_tail(&mut times), (50.0, 99.0));
        assert_eq!(middle_and_tail(&mut []), (0.0, 0.0));
    }

    #[test]
    fn an_examination_leaves_no_file_behind() {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let diagnosis = examine(folder.path(), Duration::from_millis(5));
        assert!(diagnosis.failed.is_empty(), "{:?}", diagnosis.failed);
        assert!(diagnosis.disk.probes.iter().all(|p| p.appends_per_s > 0.0));
        assert!(diagnosis.render().contains("appends/s"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_probe_that_fails_does_not_take_the_others_figures_with_it() {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent");
        let diagnosis = examine(&absent, Duration::from_millis(5));
        let text = diagnosis.render();
        assert!(text.contains("NOT MEASURED log device"), "{text}");
        assert!(text.contains("NOT MEASURED a write through three"), "{text}");
        assert!(diagnosis.loopback.is_some() && diagnosis.churn.is_some());
        assert!(text.contains("the last after"), "{text}");
    }
}
