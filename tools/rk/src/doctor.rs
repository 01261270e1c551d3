//! `rk doctor`: what stands in a server's way on this machine: kernel, limits, the log's disk, CPUs, memory,
//! the clock, names. The load driver's doctor measures more of the same; this one is for a server's host, and
//! asks the server's own code where that decides.

use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::ToSocketAddrs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{CommandFactory, Parser};
use ringkeeper::config::Properties;
use ringkeeper::membership::Members;
use ringkeeper::runtime::{open_files, probe};
use serde_json::json;

use crate::error::CliError;
use crate::out::{Ink, Out};

/// Bytes of a write: a log record's, rounded up as a disk does.
const BLOCK: usize = 4096;
/// Milliseconds of a flush that every write of every client waits for.
const FLUSH_SLOW: f64 = 20.0;
/// Below that no device has a flush; what has one has answered from memory.
const FLUSH_UNREAL: f64 = 0.02;
/// Free bytes below which a log of ten segments has no room.
const FREE: u64 = 640 << 20;
/// Open files that a server with a few thousand clients needs.
const FILES: u64 = 16_384;
/// A look-up that takes longer delays elections.
const LOOK_UP: Duration = Duration::from_millis(100);

/// What stands in a server's way on this machine: kernel, limits, disk, CPUs, memory, clock, names. Exit code: 0
/// nothing that ends or slows it, 1 something is marked BAD.
#[derive(Parser, Debug)]
#[command(name = "doctor")]
struct Doctor {
    /// The folder the log will be in: a small file is made there and removed again
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    log_dir: PathBuf,
    /// Milliseconds that the disk is tried
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    disk_ms: u64,
    /// A server's configuration file, whose members' names are looked up
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Its command line, for completions and pages.
pub(crate) fn line() -> clap::Command {
    Doctor::command()
}

/// What is found, and how bad it is.
struct Findings<'a> {
    out: &'a mut Out,
    bad: usize,
}

impl Findings<'_> {
    fn put(&mut self, mark: &str, what: &str, text: &dyn Display) {
        let shown = if mark == "BAD" { self.out.ink(Ink::Bad, mark) } else { mark.to_owned() };
        let pad = " ".repeat(6 - mark.len().min(6));
        self.out.line(format_args!("{shown}{pad} {what}: {text}"));
        let text = text.to_string();
        self.out.value(|| json!({ "state": mark.to_lowercase(), "what": what, "text": text }));
    }

    fn ok(&mut self, what: &str, text: impl Display) {
        self.put("ok", what, &text);
    }

    fn note(&mut self, what: &str, text: impl Display) {
        self.put("note", what, &text);
    }

    fn bad(&mut self, what: &str, text: impl Display) {
        self.bad += 1;
        self.put("BAD", what, &text);
    }
}

/// `doctor`.
pub(crate) fn run(words: &[String], out: &mut Out) -> Result<(), CliError> {
    let asked = Doctor::try_parse_from(words)?;
    let mut found = Findings { out, bad: 0 };
    kernel(&mut found);
    limits(&mut found);
    cpus(&mut found);
    memory(&mut found);
    clock(&mut found);
    disk(&asked.log_dir, Duration::from_millis(asked.disk_ms), &mut found);
    names(asked.config.as_deref(), &mut found);
    match found.bad {
        0 => Ok(()),
        bad => {
            Err(CliError::Check { text: format!("{bad} of these end or slow a server"), code: 1 })
        }
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn kernel(found: &mut Findings<'_>) {
    match probe() {
        Ok(report) => found.ok("kernel", report),
        Err(error) => found.bad("kernel", error),
    }
}

fn limits(found: &mut Findings<'_>) {
    match open_files::limit() {
        // A server raises its own to the hard limit.
        Ok(_) if hard_limit().is_none_or(|hard| hard >= FILES) => {
            let hard = hard_limit().map_or("unlimited".to_owned(), |hard| hard.to_string());
            found.ok("open files", format_args!("{hard} at most (this shell's hard limit)"));
        }
        Ok(_) => found.bad(
            "open files",
            format_args!(
                "{} at most, and each client is one: LimitNOFILE=65536 in the unit, ulimit -Hn 65536",
                hard_limit().unwrap_or(0)
            ),
        ),
        Err(error) => found.note("open files", error),
    }
    match open_files::locked_memory_limit() {
        None => found.ok("locked memory", "unlimited"),
        Some(bytes) if bytes >= 8 << 20 => found.ok("locked memory", format_args!("{bytes} bytes")),
        Some(bytes) => found.bad(
            "locked memory",
            format_args!(
                "{bytes} bytes, and rings are locked memory: LimitMEMLOCK=infinity in the unit"
            ),
        ),
    }
}

/// `None`: unlimited, or unknown.
fn hard_limit() -> Option<u64> {
    let limits = read("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(4)?.parse().ok()
}

fn cpus(found: &mut Findings<'_>) {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    match count {
        1..=3 => found.note(
            "CPUs",
            format_args!(
                "{count}: network, control and log share them; each has its own from four on"
            ),
        ),
        _ => found.ok("CPUs", count),
    }
    if let Some(quota) = read("/sys/fs/cgroup/cpu.max").filter(|quota| !quota.starts_with("max")) {
        found.note(
            "CPU quota",
            format_args!(
                "{quota} (microseconds, period): a server that has used it up stands still"
            ),
        );
    }
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    match governor.as_deref() {
        None => {}
        Some("performance") => found.ok("governor", "performance"),
        Some(other) => {
            found.note(
                "governor",
                format_args!("{other}: the first request after a rest is slower"),
            );
        }
    }
}

fn memory(found: &mut Findings<'_>) {
    let text = read("/proc/meminfo").unwrap_or_default();
    let kib = |key: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let (total, available) = (kib("MemTotal"), kib("MemAvailable"));
    let text = format!("{} of {} MiB available", available >> 10, total >> 10);
    match available {
        // A tree of 1,000,000 small znodes.
        0..=262_143 => {
            found.bad("memory", format_args!("{text}: a million small znodes need 240 MiB"))
        }
        _ => found.ok("memory", text),
    }
    if kib("SwapTotal") > 0 {
        found.note(
            "swap",
            "it is on: a tree that is swapped out stops a server for seconds (swapoff -a)",
        );
    }
}

fn clock(found: &mut Findings<'_>) {
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    match source.as_deref() {
        Some(source @ ("hpet" | "acpi_pm" | "jiffies")) => {
            found.note(
                "clock source",
                format_args!("{source}: each look at the clock is a slow call"),
            );
        }
        Some(source) => found.ok("clock source", source),
        None => {}
    }
    let keepers = [
        "/run/systemd/timesync/synchronized",
        "/run/chrony/chronyd.pid",
        "/run/ntpd.pid",
        "/run/chronyd.pid",
    ];
    match keepers.iter().find(|path| Path::new(path).exists()) {
        Some(keeper) => found.ok("clock", format_args!("it is set ({keeper})")),
        None => found.note(
            "clock",
            "nothing here tells that it is set (chrony, systemd-timesyncd): TTL nodes and log lines are by it",
        ),
    }
}

fn disk(folder: &Path, time: Duration, found: &mut Findings<'_>) {
    match flushes(folder, time) {
        Err(error) => found.bad("log's disk", format_args!("{}: {error}", folder.display())),
        Ok(mut times) => {
            times.sort_by(f64::total_cmp);
            let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or(0.0);
            let (half, most) = (at(50), at(99));
            let text = format!(
                "{BLOCK} bytes written and flushed in {half:.2} ms, one in a hundred takes {most:.2} ms or more"
            );
            if half < FLUSH_UNREAL {
                found.note(
                    "log's disk",
                    format_args!("{text}: no device is so quick; a power loss may show why"),
                );
            } else if most > FLUSH_SLOW {
                found.bad("log's disk", format_args!("{text}: every write waits for it"));
            } else {
                found.ok("log's disk", text);
            }
        }
    }
    if let Ok(space) = rustix::fs::statvfs(folder) {
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let text = format!("{} MiB", free >> 20);
        match free < FREE {
            true => {
                found.bad("free space", format_args!("{text}: ten segments of the log are 640 MiB"))
            }
            false => found.ok("free space", text),
        }
    }
    if let Some(kind) = kind_of(folder).filter(|kind| kind.starts_with("nfs") || kind == "tmpfs") {
        found.bad("file system", format_args!("{kind}: what is acknowledged has to survive here"));
    }
}

/// Milliseconds of each of some writes, at least one.
fn flushes(folder: &Path, time: Duration) -> io::Result<Vec<f64>> {
    let path = folder.join(format!("rk-doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let measured = (|| {
        // Laid out before, as a log's segment is: a file that grows flushes more.
        file.write_all(&vec![0; BLOCK * 256])?;
        file.sync_all()?;
        let (mut times, end) = (Vec::new(), Instant::now() + time);
        let block = vec![7; BLOCK];
        while times.is_empty() || (Instant::now() < end && times.len() < 100_000) {
            let began = Instant::now();
            file.write_all_at(&block, (times.len() % 256 * BLOCK) as u64)?;
            file.sync_data()?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(times)
    })();
    fs::remove_file(&path)?;
    measured
}

/// Of the file system that the folder is in.
fn kind_of(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = read("/proc/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    });
    let within = mounts.filter(|(at, _)| folder.starts_with(at));
    within.max_by_key(|(at, _)| at.len()).map(|(_, kind)| kind)
}

fn names(config: Option<&Path>, found: &mut Findings<'_>) {
    let own = read("/proc/sys/kernel/hostname").unwrap_or_default();
    look_up("this machine", &own, found);
    let Some(config) = config else { return };
    match members(config) {
        Ok(members) => {
            for member in members.iter() {
                for address in &member.addresses {
                    look_up(&format!("server {}", member.id.0), &address.host, found);
                }
            }
        }
        Err(text) => found.bad("members", text),
    }
}

/// Those of the file, or of the dynamic file that it names.
fn members(config: &Path) -> Result<Members, String> {
    let told = |error: &dyn Display| error.to_string();
    let (mut file, _) = Properties::read(config).map_err(|error| told(&error))?;
    if let Some(dynamic) = file.get("dynamicConfigFile").map(|p| PathBuf::from(&p.value)) {
        (file, _) = Properties::read(&dynamic).map_err(|error| told(&error))?;
    }
    let lines = file.iter().filter(|p| p.key.starts_with("server."));
    let lines = lines.map(|p| (p.key.as_str(), p.value.as_str()));
    Members::from_lines(lines).map_err(|error| told(&error))
}

fn look_up(whose: &str, name: &str, found: &mut Findings<'_>) {
    let began = Instant::now();
    let what = format!("name of {whose}");
    match (name, 0).to_socket_addrs().map(|mut addresses| addresses.next()) {
        Ok(Some(address)) => {
            let took = began.elapsed();
            let text = format!("{name} is {} ({} ms)", address.ip(), took.as_millis());
            match took > LOOK_UP {
                true => {
                    found.note(&what, format_args!("{text}: a slow name server delays elections"))
                }
                false => found.ok(&what, text),
            }
        }
        Ok(None) => found.bad(&what, format_args!("{name} has no address")),
        // A server needs its own name for nothing.
        Err(error) if whose == "this machine" => found.note(&what, format_args!("{name}: {error}")),
        Err(error) => found.bad(&what, format_args!("{name}: {error}")),
    }
}
