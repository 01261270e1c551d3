//! CPUs: how many, how they share, how they sleep.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{middle_and_tail, read};
use crate::output::table::duration;

#[derive(Serialize)]
pub struct Cpu {
    pub model: String,
    pub count: usize,
    pub facts: Vec<(&'static str, String)>,
    #[serde(skip)]
    remarks: Vec<String>,
}

fn system(path: &str) -> PathBuf {
    PathBuf::from("/sys/devices/system/cpu").join(path)
}

pub fn examine() -> Cpu {
    let info = read("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|l| l.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let mut facts = vec![("usable", format!("{count} CPUs"))];
    let mut remarks = Vec::new();
    let mut add = |name, value: Option<String>| {
        facts.extend(value.map(|value| (name, value)));
    };
    let siblings = siblings();
    let shared = siblings.iter().any(|s| s.contains([',', '-']));
    add(
        "sharing a core (SMT)",
        shared.then(|| siblings.into_iter().collect::<Vec<_>>().join("; ")),
    );
    let governor = read(system("cpu0/cpufreq/scaling_governor"));
    add("governor", governor.clone());
    add("isolated (isolcpus)", read(system("isolated")));
    add("without ticks (nohz_full)", read(system("nohz_full")).filter(|t| t != "(null)"));
    add("NUMA nodes", read("/sys/devices/system/node/online"));
    add("clock", read("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
    let quota = read("/sys/fs/cgroup/cpu.max").filter(|q| !q.starts_with("max"));
    add("quota (cgroup)", quota.clone());
    let steal = stolen_percent();
    add("stolen by a hypervisor", Some(format!("{steal:.2} % since boot")));
    let (p50, p99) = wake_up();
    add("late from a sleep", Some(format!("p50 {}, p99 {}", duration(p50), duration(p99))));
    let mut remark = |wrong: bool, text: String| {
        if wrong {
            remarks.push(text);
        }
    };
    remark(
        count < 4,
        format!(
            "{count} CPUs for server and driver together: they take time from each other; measure with the driver on other CPUs, or another machine"
        ),
    );
    remark(
        governor.as_deref().is_some_and(|g| g != "performance"),
        "the CPU governor is not `performance`: clocks change while you measure (cpupower frequency-set -g performance)".into(),
    );
    remark(
        quota.is_some(),
        "a cgroup limits CPU time: pauses of up to its period appear in the tail".into(),
    );
    remark(
        steal > 1.0,
        format!("a hypervisor took {steal:.1} % of the CPU time: figures vary with the neighbours"),
    );
    remark(
        shared,
        "hardware threads share cores: keep server and driver on different cores".into(),
    );
    remark(
        p99 > 1_000.0,
        format!(
            "a sleeper wakes {} late in one case of a hundred: the machine is busy",
            duration(p99)
        ),
    );
    Cpu { model: field("model name").unwrap_or_else(|| "unknown".into()), count, facts, remarks }
}

impl Cpu {
    pub fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }
}

/// Lists of CPUs that share a core.
fn siblings() -> BTreeSet<String> {
    let lists = (0..1024)
        .map(|n| read(system(&format!("cpu{n}/topology/thread_siblings_list"))))
        .take_while(Option::is_some);
    lists.flatten().collect()
}

/// Share of the time since boot that a hypervisor gave to others.
fn stolen_percent() -> f64 {
    let stat = read("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let times: Vec<f64> = first.split_whitespace().skip(1).filter_map(|t| t.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is part of user time.
    let total: f64 = times.iter().take(8).sum();
    times.get(7).map_or(0.0, |steal| steal / total.max(1.0) * 100.0)
}

/// How much later than asked a sleep of 100 µs ends.
fn wake_up() -> (f64, f64) {
    const NAP: Duration = Duration::from_micros(100);
    let nap = |_| {
        let began = Instant::now();
        sleep(NAP);
        began.elapsed().saturating_sub(NAP)
    };
    let mut late: Vec<Duration> = (0..1000).map(nap).collect();
    middle_and_tail(&mut late)
}
