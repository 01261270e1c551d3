//! What the system says of this machine and this process.

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;

use super::version::{BUILT, VERSION};
use crate::metrics::catalogue::Descriptors;

/// Files of this process.
pub fn descriptors() -> Descriptors {
    Descriptors { open: open_descriptors(), max: max_descriptors() }
}

/// `envi`: what Java shows of its machine, as far as there is such a thing here.
pub fn environment() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_string();
    let kib = |key: &str| -> u64 {
        read("/proc/meminfo")
            .lines()
            .find_map(|l| l.strip_prefix(key)?.trim().strip_suffix(" kB")?.trim().parse().ok())
            .unwrap_or(0)
    };
    let mut out = String::from("Environment:\n");
    let mut put = |name: &str, value: &str| {
        let _ = writeln!(out, "{name}={value}");
    };
    put("zookeeper.version", &format!("{VERSION}, {BUILT}"));
    put("host.name", &read("/proc/sys/kernel/hostname"));
    for name in ["version", "vendor", "home", "class.path", "library.path"] {
        put(&format!("java.{name}"), "none");
    }
    put("java.io.tmpdir", &std::env::temp_dir().display().to_string());
    put("java.compiler", "<NA>");
    put("os.name", "Linux");
    put("os.arch", if cfg!(target_arch = "x86_64") { "amd64" } else { std::env::consts::ARCH });
    put("os.version", &read("/proc/sys/kernel/osrelease"));
    let (name, home) = user();
    put("user.name", &name);
    put("user.home", &home);
    put("user.dir", &std::env::current_dir().unwrap_or_default().display().to_string());
    put("os.memory.free", &format!("{}MB", kib("MemFree:") / 1024));
    put("os.memory.max", &format!("{}MB", kib("MemTotal:") / 1024));
    put("os.memory.total", &format!("{}MB", kib("MemTotal:") / 1024));
    out
}

/// The user that this process runs as.
pub fn user_name() -> String {
    user().0
}

/// Name and home of the user this process runs as, from /etc/passwd; a user it does not list has
/// a number for a name.
fn user() -> (String, String) {
    let id = std::fs::metadata("/proc/self").map(|meta| meta.uid()).unwrap_or_default();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mine = fields.filter(|f| f.len() > 5).find(|f| f[2].parse() == Ok(id));
    match mine {
        Some(fields) => (fields[0].to_string(), fields[5].to_string()),
        None => (id.to_string(), std::env::var("HOME").unwrap_or_else(|_| "?".into())),
    }
}

fn max_descriptors() -> i64 {
    std::fs::read_to_string("/proc/self/limits")
        .unwrap_or_default()
        .lines()
        .find_map(|l| l.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn open_descriptors() -> i64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as i64)
}

/// All files right in a folder, in bytes; 0 if it cannot be read.
pub fn folder_bytes(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter_map(|e| e.metadata().ok())
        .filter(|m| m.is_file())
        .map(|m| m.len())
        .sum()
}

/// Clock ticks of a process's times in /proc (USER_HZ, 100 on every Linux).
const TICKS_A_SECOND: f64 = 100.0;

/// What Prometheus' own clients tell of a process.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ProcessFigures {
    cpu_seconds: f64,
    started_seconds: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
    descriptors: Descriptors,
}

impl ProcessFigures {
    /// Of this process and moment; zero where /proc does not say.
    pub fn read() -> ProcessFigures {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name stands in brackets and may hold anything; the state is the field behind it.
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect())
            .unwrap_or_default();
        let field = |at: usize| fields.get(at).copied().unwrap_or(0.0);
        let boot = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = boot.lines().find_map(|l| l.strip_prefix("btime ")?.trim().parse().ok());
        ProcessFigures {
            cpu_seconds: (field(11) + field(12)) / TICKS_A_SECOND,
            started_seconds: boot.unwrap_or(0.0) + field(19) / TICKS_A_SECOND,
            virtual_bytes: field(20),
            resident_bytes: field(21) * rustix::param::page_size() as f64,
            descriptors: descriptors(),
        }
    }

    /// Name, kind, help and value of each.
    pub(super) fn list(&self) -> [(&'static str, &'static str, &'static str, f64); 6] {
        [
            (
                "process_cpu_seconds_total",
                "counter",
                "Total user and system CPU time spent in seconds",
                self.cpu_seconds,
            ),
            (
                "process_start_time_seconds",
                "gauge",
                "Start time of the process since unix epoch in seconds",
                self.started_seconds,
            ),
            (
                "process_open_fds",
                "gauge",
                "Number of open file descriptors",
                self.descriptors.open as f64,
            ),
            (
                "process_max_fds",
                "gauge",
                "Maximum number of open file descriptors",
                self.descriptors.max as f64,
            ),
            (
                "process_virtual_memory_bytes",
                "gauge",
                "Virtual memory size in bytes",
                self.virtual_bytes,
            ),
            (
                "process_resident_memory_bytes",
                "gauge",
                "Resident memory size in bytes",
                self.resident_bytes,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_figures() {
        let figures = ProcessFigures::read();
        assert!(figures.resident_bytes > 1e6 && figures.virtual_bytes >= figures.resident_bytes);
        assert!(figures.started_seconds > 1e9 && figures.descriptors.open > 2, "{figures:?}");
    }
}
