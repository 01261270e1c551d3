//! What a load cost a server on this machine, from /proc and /sys.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// USER_HZ: the unit of CPU times in /proc/<pid>/stat, fixed by Linux's ABI.
const TICKS_PER_SECOND: f64 = 100.0;
const SECTOR: u64 = 512;

/// Counters of a process, and of the device it logs to, at one moment.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Sample {
    /// User and system time of all its threads, the ended ones included.
    pub user_s: f64,
    pub system_s: f64,
    pub rss_bytes: u64,
    pub switches_voluntary: u64,
    pub switches_involuntary: u64,
    /// Bytes the process caused to be written to storage.
    pub written_bytes: u64,
    pub device: Device,
}

/// Counters of a block device (Documentation/admin-guide/iostats.rst).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Device {
    pub writes: u64,
    pub written_bytes: u64,
    pub flushes: u64,
    pub flush_ms: u64,
}

/// What happened between two samples.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    pub cpu_s: f64,
    pub user_s: f64,
    pub system_s: f64,
    /// At the end.
    pub rss_bytes: u64,
    pub switches_voluntary: u64,
    pub switches_involuntary: u64,
    pub written_bytes: u64,
    pub device_writes: u64,
    pub device_written_bytes: u64,
    pub device_flushes: u64,
}

impl Cost {
    pub fn between(before: &Sample, after: &Sample) -> Cost {
        let user_s = (after.user_s - before.user_s).max(0.0);
        let system_s = (after.system_s - before.system_s).max(0.0);
        let less = |a: u64, b: u64| a.saturating_sub(b);
        Cost {
            cpu_s: user_s + system_s,
            user_s,
            system_s,
            rss_bytes: after.rss_bytes,
            switches_voluntary: less(after.switches_voluntary, before.switches_voluntary),
            switches_involuntary: less(after.switches_involuntary, before.switches_involuntary),
            written_bytes: less(after.written_bytes, before.written_bytes),
            device_writes: less(after.device.writes, before.device.writes),
            device_written_bytes: less(after.device.written_bytes, before.device.written_bytes),
            device_flushes: less(after.device.flushes, before.device.flushes),
        }
    }
}

impl Cost {
    /// Another server of the same ensemble. Servers here share the log's device: its counters are
    /// not added up.
    fn plus(mut self, other: &Cost) -> Cost {
        self.cpu_s += other.cpu_s;
        self.user_s += other.user_s;
        self.system_s += other.system_s;
        self.rss_bytes += other.rss_bytes;
        self.switches_voluntary += other.switches_voluntary;
        self.switches_involuntary += other.switches_involuntary;
        self.written_bytes += other.written_bytes;
        self
    }
}

/// Where a server's counters are read.
#[derive(Clone, Debug)]
pub struct Meter {
    pid: u32,
    device: Option<PathBuf>,
}

impl Meter {
    /// `log_dir`: the folder whose device the server's log is on.
    pub fn new(pid: u32, log_dir: Option<&Path>) -> Meter {
        Meter { pid, device: log_dir.and_then(device_of) }
    }

    pub fn sample(&self) -> Option<Sample> {
        let proc = PathBuf::from(format!("/proc/{}", self.pid));
        let (user_s, system_s) = parse_stat(&fs::read_to_string(proc.join("stat")).ok()?)?;
        let status = fs::read_to_string(proc.join("status")).ok()?;
        let io = fs::read_to_string(proc.join("io")).unwrap_or_default();
        let mut sample = Sample {
            user_s,
            system_s,
            rss_bytes: field(&status, "VmRSS:").unwrap_or(0) * 1024,
            written_bytes: field(&io, "write_bytes:").unwrap_or(0),
            device: self.device.as_deref().and_then(read_device).unwrap_or_default(),
            ..Sample::default()
        };
        // The process's own status counts its main thread's switches only.
        for thread in fs::read_dir(proc.join("task")).ok()?.flatten() {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            let switches = |name| field(&status, name).unwrap_or(0);
            sample.switches_voluntary += switches("voluntary_ctxt_switches:");
            sample.switches_involuntary += switches("nonvoluntary_ctxt_switches:");
        }
        Some(sample)
    }

    pub fn device(&self) -> Option<Device> {
        self.device.as_deref().and_then(read_device)
    }
}

/// Meters servers over a run's window.
#[derive(Default)]
pub struct Costing {
    meters: Vec<Meter>,
    before: Vec<Option<Sample>>,
    cost: Option<Cost>,
}

impl Costing {
    pub fn new(meters: Vec<Meter>) -> Costing {
        Costing { meters, before: Vec::new(), cost: None }
    }

    pub fn began(&mut self) {
        self.before = self.meters.iter().map(Meter::sample).collect();
    }

    pub fn ended(&mut self) {
        let mut sum: Option<Cost> = None;
        for (meter, before) in self.meters.iter().zip(&self.before) {
            if let (Some(before), Some(after)) = (before, meter.sample()) {
                let cost = Cost::between(before, &after);
                sum = Some(sum.map_or(cost, |sum| sum.plus(&cost)));
            }
        }
        self.cost = sum;
    }

    /// Of all metered servers together; `None` where there is none to meter.
    pub fn cost(&self) -> Option<Cost> {
        self.cost
    }
}

/// utime and stime, in seconds, of /proc/<pid>/stat.
fn parse_stat(text: &str) -> Option<(f64, f64)> {
    // The name in parentheses may hold anything, even parentheses: count from its end.
    let after_name = &text[text.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? / TICKS_PER_SECOND, ticks()? / TICKS_PER_SECOND))
}

/// The number after `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn parse_device(text: &str) -> Option<Device> {
    let fields: Vec<u64> = text.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    let at = |n: usize| fields.get(n).copied().unwrap_or(0);
    (fields.len() >= 11).then(|| Device {
        writes: at(4),
        written_bytes: at(6) * SECTOR,
        flushes: at(15),
        flush_ms: at(16),
    })
}

fn read_device(stat: &Path) -> Option<Device> {
    parse_device(&fs::read_to_string(stat).ok()?)
}

/// The statistics file of the block device under a folder. A partition counts no flushes: its disk
/// does.
pub fn device_of(dir: &Path) -> Option<PathBuf> {
    let folder = device_folder(dir)?;
    Some(folder.join("stat"))
}

/// The folder in /sys of the whole disk that a folder of the file system is on.
pub fn device_folder(dir: &Path) -> Option<PathBuf> {
    let dev = fs::metadata(dir).ok()?.dev();
    let (major, minor) = (rustix::fs::major(dev), rustix::fs::minor(dev));
    let folder = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    if folder.join("partition").exists() {
        return folder.parent().map(Path::to_path_buf);
    }
    Some(folder)
}

/// The process that listens on a local address, if it is ours to see.
pub fn listener_pid(address: SocketAddr) -> Option<u32> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, address.port()))?;
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = |file: fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str())
        };
        if files.flatten().any(holds) {
            return Some(pid);
        }
    }
    None
}

/// The inode of the socket in state LISTEN (0A) on `port` in a table of /proc/net.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    let port = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&port) && *fields.get(3)? == "0A";
        if listens { fields.get(9)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_found_behind_any_name() {
        let rest = "S 1 1 1 0 -1 4194304 101 0 0 0 1234 567 0 0 20 0 1 0 248889";
        for name in ["java", "a b", "x) S 9 9 (y"] {
            assert_eq!(parse_stat(&format!("26986 ({name}) {rest}")), Some((12.34, 5.67)));
        }
        assert_eq!(parse_stat("garbage"), None);
    }

    #[test]
    fn status_fields_are_found_by_their_whole_name() {
        let status =
            "VmRSS:\t  2048 kB\nnonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t5\n";
        assert_eq!(field(status, "VmRSS:"), Some(2048));
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(5));
        assert_eq!(field(status, "VmHWM:"), None);
    }

    #[test]
    fn device_counters_come_from_their_columns() {
        let text = "296391 72879 30782722 424296 34578 61200 1000 79471 0 39344 505612 11578 35 \
                    1388728 1653 3294 191";
        let want = Device { writes: 34578, written_bytes: 512_000, flushes: 3294, flush_ms: 191 };
        assert_eq!(parse_device(text), Some(want));
        assert_eq!(parse_device("1 2 3"), None);
    }

    #[test]
    fn a_listener_is_found_by_port_and_state() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 0100007F:A000 01 0:0 0:0 0 0 0 111 1\n\
            1: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 222 1\n";
        assert_eq!(listening_inode(table, 8080), Some(222));
        assert_eq!(listening_inode(table, 8081), None);
    }

    #[test]
    fn this_process_can_be_metered_and_its_listener_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let pid = std::process::id();
        assert_eq!(listener_pid(listener.local_addr().unwrap()), Some(pid));
        let sample = Meter::new(pid, None).sample().unwrap();
        assert!(sample.rss_bytes > 0);
    }

    #[test]
    fn cost_is_the_difference_and_never_negative() {
        let before = Sample { user_s: 1.0, written_bytes: 10, ..Sample::default() };
        let after = Sample { user_s: 3.5, rss_bytes: 9, written_bytes: 4, ..Sample::default() };
        let cost = Cost::between(&before, &after);
        assert_eq!((cost.cpu_s, cost.rss_bytes, cost.written_bytes), (2.5, 9, 0));
    }
}
