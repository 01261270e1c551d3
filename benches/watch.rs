//! Watch tables: registering, fan-out, recursive watches, memory.
//!
//! `cargo bench --bench watch`; the last line printed is resident bytes a watch.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};

use ringkeeper::acl::{Permit, Policy, check};
use ringkeeper::tree::{Change, ChangeKind};
use ringkeeper::types::{AclList, ConnId, Perms, WatchMode, Zxid, open_acl};
use ringkeeper::watch::{Table, Watches};

#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PATHS: u32 = 1_000_000;

fn conn(slot: u32) -> ConnId {
    ConnId { slot, generation: 1 }
}

/// Thirty characters, as in the design's figures.
fn path(n: u32) -> String {
    format!("/services/group-{:03}/node-{:07}", n % 1000, n)
}

fn data_changed(path: &str, zxid: i64) -> Change {
    let kind = ChangeKind::DataChanged;
    Change { zxid: Zxid(zxid), kind, path: path.into(), acl: open_acl(), parent_acl: None }
}

fn reader(policy: &Policy) -> impl FnMut(ConnId, &AclList) -> Option<Permit> + '_ {
    |_, acl| check(policy, acl, Perms::READ, &[]).ok()
}

/// A new watch on each of a million paths, by a thousand connections.
fn register(c: &mut Criterion) {
    let paths: Vec<String> = (0..PATHS).map(path).collect();
    c.benchmark_group("watch").throughput(Throughput::Elements(1)).bench_function(
        "register",
        |b| {
            b.iter_custom(|iters| {
                let mut spent = Duration::ZERO;
                let mut left = iters;
                while left > 0 {
                    let mut watches = Watches::new(7);
                    let batch = left.min(PATHS as u64) as usize;
                    let start = Instant::now();
                    for (n, path) in paths[..batch].iter().enumerate() {
                        let conn = conn(n as u32 % 1000);
                        watches.add(path, WatchMode::Standard, Table::Data, conn, Zxid(0));
                    }
                    spent += start.elapsed();
                    left -= batch as u64;
                    black_box(watches.counts());
                }
                spent
            });
        },
    );
}

/// One change heard by many: persistent watches, and one-shot ones that all register again.
fn fan_out(c: &mut Criterion) {
    let policy = Policy::default();
    let mut group = c.benchmark_group("watch/fan-out");
    for watchers in [1u32, 1000, 5000] {
        group.throughput(Throughput::Elements(watchers as u64));
        group.bench_function(BenchmarkId::new("persistent", watchers), |b| {
            let mut watches = Watches::new(7);
            for slot in 0..watchers {
                watches.add_watch("/config", WatchMode::Persistent, conn(slot), Zxid(0));
            }
            let change = data_changed("/config", 1);
            let mut out = Vec::new();
            b.iter(|| {
                out.clear();
                watches.trigger(&change, &mut reader(&policy), &mut out);
                assert_eq!(out.len(), watchers as usize);
            });
        });
        group.bench_function(BenchmarkId::new("one-shot and again", watchers), |b| {
            let mut watches = Watches::new(7);
            let change = data_changed("/config", 1);
            let mut out = Vec::new();
            b.iter(|| {
                for slot in 0..watchers {
                    let conn = conn(slot);
                    watches.add("/config", WatchMode::Standard, Table::Data, conn, Zxid(0));
                }
                out.clear();
                watches.trigger(&change, &mut reader(&policy), &mut out);
                assert_eq!(out.len(), watchers as usize);
            });
        });
    }
    group.finish();
}

/// A change six levels below a recursive watch, and one nobody watches beside a million watches.
fn look_up(c: &mut Criterion) {
    let policy = Policy::default();
    let mut watches = Watches::new(7);
    for n in 0..PATHS {
        watches.add(&path(n), WatchMode::Standard, Table::Data, conn(n % 1000), Zxid(0));
    }
    let mut out = Vec::new();
    let unwatched = data_changed("/a/b/c/d/e/f", 1);
    c.bench_function("watch/nobody", |b| {
        b.iter(|| watches.trigger(&unwatched, &mut reader(&policy), &mut out));
    });
    watches.add_watch("/a", WatchMode::PersistentRecursive, conn(1), Zxid(0));
    c.bench_function("watch/recursive", |b| {
        b.iter(|| {
            out.clear();
            watches.trigger(&unwatched, &mut reader(&policy), &mut out);
            assert_eq!(out.len(), 1);
        });
    });
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0) * 4096
}

/// A million one-shot watches: a thousand connections on a thousand paths, and on as many paths.
/// In this order, because what the first gives back the second would find in the heap.
fn memory() {
    for (name, paths) in [("1000 paths", 1000), ("a path each", PATHS)] {
        let before = resident();
        let mut watches = Watches::new(7);
        for n in 0..PATHS {
            let (path, conn) = (path(n % paths), conn(n / 1000 % 1000));
            watches.add(&path, WatchMode::Standard, Table::Data, conn, Zxid(0));
        }
        let bytes = resident().saturating_sub(before);
        println!(
            "watch/memory {name}: {} watches, {:.0} bytes each",
            watches.counts().watches,
            bytes as f64 / watches.counts().watches as f64
        );
    }
}

fn main() {
    memory();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    register(&mut criterion);
    fan_out(&mut criterion);
    look_up(&mut criterion);
    criterion.final_summary();
}
