//! What the log adds to the device: the same write and flush, bare and through the log thread,
//! the way to that thread and back included.
//!
//! `cargo bench --bench log [-- DIRECTORY [SECONDS]]`; the directory is on the log's device, by
//! default the system's temporary one. Bar: at group size 1 the log's median is at most 1.3 times
//! that of the bare calls it is made of.

use bytes::Bytes;
use ringkeeper::disk::{Access, Dir, RealDir};
use ringkeeper::log::io::{SegmentIo, make};
use ringkeeper::log::{Append, IoChoice, LogEvent, LogInput, LogParts, LogSettings, Replay, spawn};
use ringkeeper::runtime::{mailbox, waker};
use ringkeeper::types::Zxid;
use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of an entry: a create of a 100-byte node with its digest.
const ENTRY: usize = 287;
const WAYS: [IoChoice; 3] = [IoChoice::Calls, IoChoice::Ring, IoChoice::Direct];
/// Bytes of a prepared file for the bare device.
const SPACE: u64 = 64 << 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Latencies of one kind, sorted.
struct Latencies(Vec<Duration>);

impl Latencies {
    fn of(mut all: Vec<Duration>) -> Latencies {
        all.sort_unstable();
        Latencies(all)
    }
    fn at(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }
    fn show(&self, name: &str, group: usize, elapsed: Duration) {
        let micros = |d: Duration| d.as_nanos() as f64 / 1000.0;
        let rate = (self.0.len() * group) as f64 / elapsed.as_secs_f64();
        println!(
            "{name:<24} group {group:>3}  p50 {:>7.1} µs  p99 {:>8.1} µs  max {:>9.1} µs  {rate:>9.0} appends/s",
            micros(self.at(0.5)),
            micros(self.at(0.99)),
            micros(self.at(1.0)),
        );
    }
}

/// The device as the log thread would use it, and nothing else: prepared zeros, one write of a
/// group's bytes, one flush.
fn bare(dir: &RealDir, way: IoChoice, group: usize, time: Duration) -> Outcome<Latencies> {
    let name = "log.bare";
    let file = dir.create(name)?;
    let zeros = vec![0; 1 << 20];
    for at in (0..SPACE).step_by(zeros.len()) {
        file.write_at(&zeros, at)?;
    }
    file.flush()?;
    let mut io: Box<dyn SegmentIo> = make(way, true)?;
    io.adopt(dir, name)?;
    let batch = vec![0x5a; group * (ENTRY + 13) + 40];
    let (mut at, mut latencies) = (16, Vec::new());
    let began = Instant::now();
    while began.elapsed() < time && at + (batch.len() as u64) < SPACE {
        let one = Instant::now();
        io.write(at, &batch, true)?;
        latencies.push(one.elapsed());
        at += batch.len() as u64 - 40;
    }
    let elapsed = began.elapsed();
    dir.remove(name)?;
    let latencies = Latencies::of(latencies);
    latencies.show(&format!("bare {}", way.name()), group, elapsed);
    Ok(latencies)
}

fn entry(zxid: i64) -> Bytes {
    let mut bytes = vec![0x5a; ENTRY];
    bytes[12..20].copy_from_slice(&zxid.to_be_bytes());
    Bytes::from(bytes)
}

/// Appends in groups, the next when the last is durable: from the push to the wake-up here.
fn logged(
    path: &Path,
    way: IoChoice,
    group: usize,
    spin: Duration,
    time: Duration,
) -> Outcome<Latencies> {
    let (mut sleeper, waker) = waker::for_thread();
    let (events, mut heard) = mailbox(1024, waker);
    let settings = LogSettings { io: way, spin, ..LogSettings::default() };
    let (handle, log) = spawn(LogParts {
        dir: Arc::new(RealDir::open(path)?),
        settings,
        last: Zxid::ZERO,
        seed: 1,
        report: Box::new(move |event| events.push(event)),
        fatal: Box::new(|text| panic!("{text}")),
    })?;
    // The first segment's space is prepared after the start; a server loads its data meanwhile.
    std::thread::sleep(Duration::from_millis(700));
    let (mut inbox, mut latencies, mut last) = (VecDeque::new(), Vec::new(), 0);
    let began = Instant::now();
    while began.elapsed() < time {
        let append = |zxid| LogInput::Append(Append { zxid: Zxid(zxid), entry: entry(zxid) });
        let mut batch: Vec<LogInput> = (last + 1..=last + group as i64).map(append).collect();
        last += group as i64;
        let one = Instant::now();
        log.push_all(&mut batch);
        'durable: loop {
            heard.drain_into(&mut inbox);
            for event in inbox.drain(..) {
                if let LogEvent::Durable { upto } = event
                    && upto.zxid() == Zxid(last)
                {
                    break 'durable;
                }
            }
            if spin.is_zero() {
                sleeper.sleep(None);
            } else {
                std::hint::spin_loop();
            }
        }
        latencies.push(one.elapsed());
    }
    let elapsed = began.elapsed();
    log.push(LogInput::Stop);
    handle.join();
    let latencies = Latencies::of(latencies);
    let spins = if spin.is_zero() { "" } else { ", spinning" };
    latencies.show(&format!("log {}{spins}", way.name()), group, elapsed);
    for file in RealDir::open(path)?.list()? {
        std::fs::remove_file(path.join(file.name))?;
    }
    Ok(latencies)
}

/// How fast a log is read back and checked.
fn replayed(path: &Path) -> Outcome<()> {
    let dir = RealDir::open(path)?;
    let (file, mut bytes) = (dir.create("log.1")?, Vec::new());
    bytes.extend_from_slice(b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0");
    for zxid in 1..=700_000 {
        ringkeeper::log::frame::put_record(&mut bytes, &entry(zxid));
    }
    file.write_at(&bytes, 0)?;
    drop(dir.open("log.1", Access::Read)?);
    for _ in 0..2 {
        let began = Instant::now();
        let mut replay = Replay::open(&dir, Zxid(1), 1 << 20)?;
        let mut records = 0u64;
        while replay.next_record()?.is_some() {
            records += 1;
        }
        let rate = bytes.len() as f64 / began.elapsed().as_secs_f64() / 1e6;
        println!("replay of {records} records, {} MB: {rate:.0} MB/s", bytes.len() / 1_000_000);
    }
    dir.remove("log.1")?;
    Ok(())
}

fn main() -> Outcome<()> {
    // Cargo passes --bench.
    let mut given = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let base = given.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds: f64 = given.next().map_or(Ok(2.0), |s| s.parse())?;
    let time = Duration::from_secs_f64(seconds);
    let scratch = tempfile::tempdir_in(base)?;
    let dir = RealDir::open(scratch.path())?;
    println!("{}, {seconds} s each, entries of {ENTRY} bytes", scratch.path().display());
    for group in [1, 100] {
        for way in WAYS {
            let device = bare(&dir, way, group, time)?;
            let log = logged(scratch.path(), way, group, Duration::ZERO, time)?;
            let spin = Duration::from_micros(50);
            let spinning = logged(scratch.path(), way, group, spin, time)?;
            let ratio = |l: &Latencies| l.at(0.5).as_secs_f64() / device.at(0.5).as_secs_f64();
            println!(
                "{:<24} log / bare at p50: {:.2}, spinning {:.2}",
                "",
                ratio(&log),
                ratio(&spinning)
            );
        }
    }
    replayed(scratch.path())?;
    let leftovers = dir.list()?.len();
    if leftovers > 0 {
        return Err(io::Error::other(format!("{leftovers} files left behind")).into());
    }
    Ok(())
}
