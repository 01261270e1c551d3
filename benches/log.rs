//! What the log adds to the device: the same write and flush, bare and through the log thread,
//! the way to that thread and back included.
//!
//! `cargo bench --bench log [-- DIRECTORY [SECONDS]]`; the directory is on the log's device, by
//! default the system's temporary one. Bar: at group size 1 the log's median is at most 1.3 times
//! that of the bare calls it is made of.

use bytes::Bytes;
use ringkeeper::disk::{Dir, RealDir};
use ringkeeper::log::{Append, IoChoice, LogEvent, LogSettings, Replay};
use ringkeeper::roles::jobs::LogInput;
use ringkeeper::roles::log::io::{SegmentIo, make};
use ringkeeper::roles::log::{Handle, LogParts, spawn};
use ringkeeper::runtime::{Receiver, Sender, ThreadSleeper, mailbox, waker};
use ringkeeper::types::Zxid;
use std::collections::VecDeque;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of an entry: a create of a 100-byte node with its digest.
const ENTRY: usize = 287;
const WAYS: [IoChoice; 3] = [IoChoice::Calls, IoChoice::Ring, IoChoice::Direct];
/// Most bytes of a prepared file for the bare device.
const SPACE: u64 = 512 << 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long the log thread looks for work, where it may.
const SPIN: Duration = Duration::from_micros(200);
/// Operations of one kind before the other kind's turn: both meet the same neighbours.
const SLICE: usize = 25;

/// Latencies of one kind.
#[derive(Default)]
struct Latencies(Vec<Duration>);

impl Latencies {
    fn at(&mut self, share: f64) -> Duration {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }
    fn show(&mut self, name: &str, group: usize) {
        let micros = |d: Duration| d.as_nanos() as f64 / 1000.0;
        let rate = (self.0.len() * group) as f64 / self.0.iter().sum::<Duration>().as_secs_f64();
        let (low, p50) = (micros(self.at(0.1)), micros(self.at(0.5)));
        let (p99, max) = (micros(self.at(0.99)), micros(self.at(1.0)));
        println!(
            "{name:<20} group {group:>3}  p10 {low:>7.1} µs  p50 {p50:>7.1} µs  \
             p99 {p99:>8.1} µs  max {max:>8.0} µs  {rate:>8.0} appends/s"
        );
    }
}

/// The device as the log thread would use it, and nothing else: prepared zeros, one write of a
/// group's bytes, one flush.
struct Bare {
    io: Box<dyn SegmentIo>,
    space: u64,
    batch: Vec<u8>,
    at: u64,
}

impl Bare {
    fn new(dir: &RealDir, way: IoChoice, group: usize) -> Outcome<Bare> {
        let file = dir.create("bare")?;
        let zeros = vec![0; 1 << 20];
        let space = (group as u64 * (64 << 20)).min(SPACE);
        for at in (0..space).step_by(zeros.len()) {
            file.write_at(&zeros, at)?;
        }
        file.flush()?;
        let mut io: Box<dyn SegmentIo> = make(way, true)?;
        io.adopt(dir, "bare")?;
        Ok(Bare { io, space, batch: vec![0x5a; group * (ENTRY + 13) + 40], at: 16 })
    }

    fn once(&mut self) -> Outcome<Duration> {
        if self.at + self.batch.len() as u64 > self.space {
            return Err("the bare file is full: fewer seconds".into());
        }
        let began = Instant::now();
        self.io.write(self.at, &self.batch, true)?;
        let took = began.elapsed();
        self.at += self.batch.len() as u64 - 40;
        Ok(took)
    }
}

fn entry(zxid: i64) -> Bytes {
    let mut bytes = vec![0x5a; ENTRY];
    bytes[12..20].copy_from_slice(&zxid.to_be_bytes());
    Bytes::from(bytes)
}

/// Appends in groups, the next when the last is durable: from the push to the wake-up here.
struct Logged {
    handle: Handle,
    log: Sender<LogInput>,
    sleeper: ThreadSleeper,
    heard: Receiver<LogEvent>,
    inbox: VecDeque<LogEvent>,
    spin: Duration,
    last: i64,
}

impl Logged {
    fn new(dir: RealDir, way: IoChoice, spin: Duration) -> Outcome<Logged> {
        let (sleeper, waker) = waker::for_thread();
        let (events, heard) = mailbox(1024, waker);
        let settings = LogSettings { io: way, spin, ..LogSettings::default() };
        let (handle, log) = spawn(LogParts {
            chosen: None,
            dir: Arc::new(dir),
            settings,
            last: Zxid::ZERO,
            seed: 1,
            report: Box::new(move |event| events.push(event)),
            fatal: Box::new(|text| panic!("{text}")),
        })?;
        // The first segments' space is prepared after the start; a server has its clients to
        // wait for meanwhile.
        std::thread::sleep(Duration::from_millis(700));
        Ok(Logged { handle, log, sleeper, heard, inbox: VecDeque::new(), spin, last: 0 })
    }

    fn once(&mut self, group: usize) -> Duration {
        let append = |zxid| LogInput::Append(Append { zxid: Zxid(zxid), entry: entry(zxid) });
        let first = self.last + 1;
        self.last += group as i64;
        let mut batch: Vec<LogInput> = (first..=self.last).map(append).collect();
        let began = Instant::now();
        self.log.push_all(&mut batch);
        while !self.is_durable() {
            if self.spin.is_zero() {
                self.sleeper.sleep(None);
            } else {
                std::hint::spin_loop();
            }
        }
        began.elapsed()
    }

    fn is_durable(&mut self) -> bool {
        self.heard.drain_into(&mut self.inbox);
        let last = Zxid(self.last);
        self.inbox.drain(..).any(|e| matches!(e, LogEvent::Durable { upto } if upto.zxid() == last))
    }

    fn stop(self) {
        self.log.push(LogInput::Stop);
        self.handle.join();
    }
}

/// Bare device and log in turns.
fn compare(
    path: &Path,
    way: IoChoice,
    group: usize,
    spin: Duration,
    time: Duration,
) -> Outcome<()> {
    let dir = RealDir::open(path)?;
    let mut bare = Bare::new(&dir, way, group)?;
    let mut logged = Logged::new(RealDir::open(path)?, way, spin)?;
    let (mut device, mut log) = (Latencies::default(), Latencies::default());
    let began = Instant::now();
    while began.elapsed() < time {
        for _ in 0..SLICE {
            device.0.push(bare.once()?);
        }
        for _ in 0..SLICE {
            log.0.push(logged.once(group));
        }
    }
    logged.stop();
    let spins = if spin.is_zero() { "" } else { ", spinning" };
    device.show(&format!("bare {}", way.name()), group);
    log.show(&format!("log {}{spins}", way.name()), group);
    let mut ratio = |share| log.at(share).as_secs_f64() / device.at(share).as_secs_f64();
    println!("{:<20} log / bare: p10 {:.2}, p50 {:.2}", "", ratio(0.1), ratio(0.5));
    for file in dir.list()? {
        dir.remove(&file.name)?;
    }
    Ok(())
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
    println!("{}, {seconds} s each, entries of {ENTRY} bytes", scratch.path().display());
    // Two threads that spin need a core each, and the system and the device's interrupts one more.
    let can_spin = std::thread::available_parallelism()?.get() >= 4;
    let spins = if can_spin { vec![Duration::ZERO, SPIN] } else { vec![Duration::ZERO] };
    for group in [1, 100] {
        for way in WAYS {
            for &spin in &spins {
                compare(scratch.path(), way, group, spin, time)?;
            }
        }
    }
    replayed(scratch.path())
}
