//! The log's device: how long a group of records takes to become durable, by the way it is written.

use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, fdatasync, fsync, open};
use rustix::io::{ReadWriteFlags, pwrite, pwritev2};
use serde::Serialize;

use super::middle_and_tail;
use crate::compare::facts::device;
use crate::cost::{Meter, device_folder};

/// A set of 100 bytes in ZooKeeper's log.
const RECORD: usize = 300;
const GROUPS: [usize; 3] = [1, 10, 100];
/// Prepared ahead and written round and round.
const PREPARED: usize = 64 << 20;
const BLOCK: usize = 4096;

#[derive(Serialize)]
pub struct Disk {
    pub device: String,
    pub probes: Vec<Probe>,
    /// Ways of writing that could not be probed, and why.
    pub failed: Vec<String>,
    pub flush_verdict: String,
    #[serde(skip)]
    suspicion: Option<String>,
    #[serde(skip)]
    prepared_pays: Option<String>,
}

#[derive(Clone, Serialize)]
pub struct Probe {
    pub way: &'static str,
    /// Records in one write and flush.
    pub group: usize,
    pub appends_per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Flushes the device counted for each of ours.
    pub device_flushes: f64,
}

/// How a group is made durable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The file grows with every write: its metadata is flushed, too.
    Growing,
    /// Space written with zeros beforehand: data only.
    Prepared,
    /// Past the page cache, the write itself durable.
    Direct,
    /// Past the page cache, without a flush: what the device does alone. Not durable.
    Unflushed,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Growing => "growing file, write + fdatasync",
            Way::Prepared => "zero-filled file, write + fdatasync",
            Way::Direct => "zero-filled file, O_DIRECT + RWF_DSYNC",
            Way::Unflushed => "zero-filled file, O_DIRECT, NOT flushed",
        }
    }
}

pub fn examine(folder: &Path, each: Duration) -> Disk {
    let path = folder.join(format!("ringkeeper-perf-doctor-{}", std::process::id()));
    let file = Removed(path);
    let meter = Meter::new(std::process::id(), Some(folder));
    let (mut probes, mut failed) = (Vec::new(), Vec::new());
    for way in [Way::Growing, Way::Prepared, Way::Direct, Way::Unflushed] {
        for group in GROUPS {
            let probe = probe(&file.0, way, group, each, &meter);
            match probe {
                Ok(probe) => probes.push(probe),
                // File systems in memory have no O_DIRECT.
                Err(e) if e == rustix::io::Errno::INVAL => {}
                Err(e) => {
                    failed.push(format!("{}, groups of {group}: {e}", way.name()));
                    break;
                }
            }
        }
    }
    let find = |way: Way, group| probes.iter().find(|p| p.way == way.name() && p.group == group);
    let cache = device_folder(folder)
        .and_then(|disk| super::read(disk.join("queue/write_cache")))
        .unwrap_or_else(|| "unknown".into());
    let (flush_verdict, suspicion) = match find(Way::Prepared, 1) {
        Some(p) => verdict(&cache, p.device_flushes, p.p50_us),
        None => ("not probed".into(), None),
    };
    let prepared_pays = match (find(Way::Growing, 100), find(Way::Prepared, 100)) {
        (Some(g), Some(p)) if p.appends_per_s > 1.5 * g.appends_per_s => Some(format!(
            "space prepared ahead makes groups of 100 {:.1} times as fast here: the log does that",
            p.appends_per_s / g.appends_per_s
        )),
        _ => None,
    };
    let device = device(folder).unwrap_or_else(|| "not a block device".into());
    Disk { device, probes, failed, flush_verdict, suspicion, prepared_pays }
}

/// What the cache's kind, the device's count and the time say together.
fn verdict(cache: &str, device_flushes: f64, p50_us: f64) -> (String, Option<String>) {
    if cache == "write through" {
        return (
            "the device says that it has no volatile cache: a finished write is durable".into(),
            None,
        );
    }
    if device_flushes < 0.5 {
        let text = format!(
            "NOT REAL: {device_flushes:.2} flushes reach the device for each of ours (cache: {cache})"
        );
        let remark = "flushes do not reach the device: acknowledged writes can be lost with the power (look for nobarrier, or a file system without a device)";
        return (text, Some(remark.into()));
    }
    if p50_us < 15.0 {
        let text = format!(
            "counted by the device, but done in {p50_us:.0} µs: faster than a volatile cache can be emptied"
        );
        let remark = "flushes are suspiciously fast: is the device's cache backed by a battery, or does a hypervisor only promise them?";
        return (text, Some(remark.into()));
    }
    (format!("counted by the device ({device_flushes:.1} each), cache: {cache}"), None)
}

impl Disk {
    pub fn remarks(&self) -> Vec<String> {
        self.suspicion.iter().chain(&self.prepared_pays).cloned().collect()
    }
}

fn probe(
    path: &Path,
    way: Way,
    group: usize,
    each: Duration,
    meter: &Meter,
) -> rustix::io::Result<Probe> {
    let mut log = Log::prepare(path, way, group)?;
    let mut times = Vec::new();
    let flushes = meter.device().unwrap_or_default().flushes;
    let began = Instant::now();
    while began.elapsed() < each {
        let start = Instant::now();
        log.append()?;
        times.push(start.elapsed());
    }
    let seconds = began.elapsed().as_secs_f64();
    let flushed = meter.device().unwrap_or_default().flushes.saturating_sub(flushes);
    let count = times.len() as f64;
    let (p50_us, p99_us) = middle_and_tail(&mut times);
    Ok(Probe {
        way: way.name(),
        group,
        appends_per_s: count * group as f64 / seconds,
        p50_us,
        p99_us,
        device_flushes: flushed as f64 / count.max(1.0),
    })
}

/// A file that groups of records are appended to, one write and flush each.
pub(super) struct Log {
    file: OwnedFd,
    way: Way,
    memory: Vec<u8>,
    /// The group within the memory.
    data: Range<usize>,
    offset: u64,
}

impl Log {
    /// # Errors
    /// INVAL where the file system has no O_DIRECT and the way wants it.
    pub(super) fn prepare(path: &Path, way: Way, group: usize) -> rustix::io::Result<Log> {
        let direct = matches!(way, Way::Direct | Way::Unflushed);
        let len = group * RECORD;
        let step = if direct { len.next_multiple_of(BLOCK) } else { len };
        let file = prepared(path, way, direct)?;
        let memory = vec![0x5a_u8; step + BLOCK];
        // O_DIRECT wants memory aligned as the device is.
        let skip = memory.as_ptr().align_offset(BLOCK).min(BLOCK);
        Ok(Log { file, way, memory, data: skip..skip + step, offset: 0 })
    }

    pub(super) fn append(&mut self) -> rustix::io::Result<()> {
        let data = &self.memory[self.data.clone()];
        match self.way {
            Way::Growing | Way::Prepared => {
                pwrite(&self.file, data, self.offset)?;
                fdatasync(&self.file)?;
            }
            Way::Direct => {
                let slice = [std::io::IoSlice::new(data)];
                pwritev2(&self.file, &slice, self.offset, ReadWriteFlags::DSYNC)?;
            }
            Way::Unflushed => {
                pwrite(&self.file, data, self.offset)?;
            }
        }
        self.offset += data.len() as u64;
        if self.way != Way::Growing && self.offset as usize + data.len() > PREPARED {
            self.offset = 0;
        }
        Ok(())
    }
}

/// The file as the way wants it: empty, or full of zeros that are on the device.
fn prepared(path: &Path, way: Way, direct: bool) -> rustix::io::Result<OwnedFd> {
    let mode = Mode::RUSR | Mode::WUSR;
    let file = open(path, OFlags::CREATE | OFlags::TRUNC | OFlags::RDWR, mode)?;
    if way == Way::Growing {
        return Ok(file);
    }
    let zeros = vec![0_u8; 1 << 20];
    for offset in (0..PREPARED).step_by(zeros.len()) {
        pwrite(&file, &zeros, offset as u64)?;
    }
    fsync(&file)?;
    if !direct {
        return Ok(file);
    }
    open(path, OFlags::RDWR | OFlags::DIRECT, mode)
}

/// Deletes the probe's file, whatever happens.
pub(super) struct Removed(pub PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        // The name's end should be durable, too: a crashed machine must not find it again.
        if let Some(folder) = self.0.parent().and_then(|p| File::open(p).ok()) {
            let _ = folder.sync_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_are_judged_by_cache_count_and_time() {
        assert!(verdict("write through", 0.0, 9.0).1.is_none());
        assert!(verdict("write back", 0.0, 200.0).0.contains("NOT REAL"));
        assert!(verdict("write back", 1.0, 5.0).1.is_some());
        assert!(verdict("write back", 1.0, 80.0).1.is_none());
    }
}
