//! The machine, in the words a reader of figures needs.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::cost::device_folder;
use crate::fault::Fault;
use crate::output::table::bytes;

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|t| !t.is_empty())
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// CPU, memory, kernel, disks.
pub fn machine(data: &Path, log: &Path) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    };
    let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    add("CPU", field(&cpuinfo, "model name").map(|model| format!("{cpus} × {model}")));
    let virtual_machine = cpuinfo.contains(" hypervisor");
    add("Hypervisor", Some(if virtual_machine { "yes" } else { "no" }.into()));
    add(
        "SMT",
        read("/sys/devices/system/cpu/smt/active")
            .map(|v| if v == "1" { "on".into() } else { "off".into() }),
    );
    add("Governor", read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"));
    add("Isolated CPUs", read("/sys/devices/system/cpu/isolated"));
    let memory = read("/proc/meminfo").and_then(|m| {
        let kib: f64 = field(&m, "MemTotal")?.split_whitespace().next()?.parse().ok()?;
        Some(bytes(kib * 1024.0))
    });
    add("Memory", memory);
    add("Kernel", read("/proc/sys/kernel/osrelease"));
    add("Clock", read("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
    add("Data device", device(data));
    add("Log device", device(log));
    facts
}

/// `vda (virtio), write cache: write back, mq-deadline, ext4`
pub fn device(folder: &Path) -> Option<String> {
    let disk = device_folder(folder)?;
    let queue = |name: &str| read(disk.join("queue").join(name));
    let mut parts = vec![disk.file_name()?.to_string_lossy().into_owned()];
    parts.extend(read(disk.join("device/model")));
    parts.extend(queue("rotational").map(|r| if r == "1" { "rotational" } else { "solid" }.into()));
    parts.extend(queue("write_cache").map(|c| format!("cache: {c}")));
    let scheduler =
        queue("scheduler").and_then(|s| Some(s[s.find('[')? + 1..s.find(']')?].to_owned()));
    parts.extend(scheduler.map(|s| format!("scheduler: {s}")));
    parts.extend(file_system(folder));
    Some(parts.join(", "))
}

/// The file system's type and options, from the longest mount point above the folder.
fn file_system(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    let mounts = read("/proc/self/mounts")?;
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?, fields.next()?))
        })
        .filter(|(point, _, _)| folder.starts_with(point))
        .max_by_key(|(point, _, _)| point.len())?;
    Some(format!("{} ({})", mount.1, mount.2))
}

/// Bytes that may still be written below a folder.
pub fn free_space(folder: &Path) -> Result<u64, Fault> {
    let space = rustix::fs::statvfs(folder).map_err(|e| Fault::file(folder)(e.into()))?;
    Ok(space.f_bavail * space.f_frsize)
}

/// `2026-11-21 01:23 UTC`
pub fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days as i64);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3600, rest / 60 % 60)
}

/// Day number since 1970 to a date (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |s| utc(SystemTime::UNIX_EPOCH + Duration::from_secs(s));
        assert_eq!(at(0), "1970-01-01 00:00 UTC");
        assert_eq!(at(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(at(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(at(1_795_224_801), "2026-11-21 01:33 UTC");
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_cpu() {
        let facts = machine(Path::new("/"), Path::new("/"));
        assert!(facts.iter().any(|(name, _)| name == "Kernel"));
    }
}
