//! When a server wrote snapshots, began log files and flushed its device: seen from outside.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use inotify::{EventMask, Inotify, WatchMask};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::clock::now;
use crate::cost::Meter;
use crate::fault::Fault;
use crate::result::Span;

/// Nanoseconds between two looks at the device's counters.
const LOOK_EVERY: u64 = 100_000_000;

/// The device in one interval.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeviceMoment {
    /// Seconds of the window.
    pub at: f64,
    pub flushes_per_s: f64,
    pub written_mib_per_s: f64,
}

/// Watches a server's folders in a thread of its own.
pub struct Recording {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

#[derive(Default)]
struct Seen {
    spans: Vec<(&'static str, u64, u64)>,
    device: Vec<(u64, u64, u64, u64)>,
}

impl Recording {
    pub fn start(data_dir: &Path, log_dir: &Path, meter: Meter) -> Result<Recording, Fault> {
        let inotify = Inotify::init().map_err(Fault::io("inotify"))?;
        let mask = WatchMask::CREATE | WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO;
        for folder in [data_dir.join("version-2"), log_dir.join("version-2")] {
            inotify.watches().add(&folder, mask).map_err(Fault::file(&folder))?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || watch(inotify, &meter, &stopped));
        Ok(Recording { stop, thread })
    }

    /// What was seen, in seconds from `began_ns` of the clock.
    pub fn finish(self, began_ns: u64) -> (BTreeMap<String, Vec<Span>>, Vec<DeviceMoment>) {
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.thread.join().unwrap_or_default();
        let seconds = |ns: u64| (ns as f64 - began_ns as f64) / 1e9;
        let mut spans: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        for (what, from, to) in seen.spans {
            let span = Span { from: seconds(from), to: seconds(to) };
            spans.entry(what.to_owned()).or_default().push(span);
        }
        let device = seen.device.iter().map(|(from, to, flushes, bytes)| {
            let length = (to - from) as f64 / 1e9;
            DeviceMoment {
                at: seconds(*from),
                flushes_per_s: *flushes as f64 / length,
                written_mib_per_s: *bytes as f64 / 1048576.0 / length,
            }
        });
        (spans, device.filter(|d| d.at >= 0.0).collect())
    }
}

fn watch(mut inotify: Inotify, meter: &Meter, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut open: Option<u64> = None;
    let mut last = (now(), meter.device().unwrap_or_default());
    while !stop.load(Ordering::SeqCst) {
        let wait = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY as i64 };
        let _ = poll(&mut [PollFd::new(&inotify, PollFlags::IN)], Some(&wait));
        let mut buffer = [0; 4096];
        let at = now();
        if let Ok(events) = inotify.read_events(&mut buffer) {
            for event in events {
                let name = event.name.unwrap_or_default().to_string_lossy().into_owned();
                note(&mut seen, &mut open, &name, event.mask, at);
            }
        }
        if at - last.0 >= LOOK_EVERY {
            let device = meter.device().unwrap_or_default();
            let flushes = device.flushes.saturating_sub(last.1.flushes);
            let bytes = device.written_bytes.saturating_sub(last.1.written_bytes);
            seen.device.push((last.0, at, flushes, bytes));
            last = (at, device);
        }
    }
    if let Some(from) = open {
        seen.spans.push(("snapshot", from, now()));
    }
    seen
}

/// Java writes `snapshot.ZXID` in place; others may write a temporary file with `snapshot` in its
/// name and rename it.
fn note(seen: &mut Seen, open: &mut Option<u64>, name: &str, mask: EventMask, at: u64) {
    if name.starts_with("log.") {
        if mask.contains(EventMask::CREATE) || mask.contains(EventMask::MOVED_TO) {
            seen.spans.push(("log file", at, at));
        }
    } else if name.contains("snapshot") {
        let done = mask.contains(EventMask::CLOSE_WRITE) || mask.contains(EventMask::MOVED_TO);
        if mask.contains(EventMask::CREATE) {
            open.get_or_insert(at);
        } else if done && let Some(from) = open.take() {
            seen.spans.push(("snapshot", from, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_lasts_from_its_creation_until_it_is_closed_or_renamed() {
        let mut seen = Seen::default();
        let mut open = None;
        let mut note = |name: &str, mask, at| note(&mut seen, &mut open, name, mask, at);
        note("snapshot.1f", EventMask::CREATE, 10);
        note("log.20", EventMask::CREATE, 11);
        note("snapshot.1f", EventMask::CLOSE_WRITE, 30);
        note("snapshot.2f.tmp", EventMask::CREATE, 40);
        note("snapshot.2f", EventMask::MOVED_TO, 50);
        assert_eq!(seen.spans, [("log file", 11, 11), ("snapshot", 10, 30), ("snapshot", 40, 50)]);
    }
}
