//! Resident bytes a znode: a million of 100 bytes under paths of 30 characters, made by the
//! transactions a leader would log.
//!
//! `cargo bench --bench tree_memory [-- SHAPE [COUNT]]`; without a shape, each in its own process.
//! Also the slowest single transaction, as a table that grows must not stop the server: to be
//! believed on an idle machine only, where no other process comes between.

#![allow(clippy::unwrap_used)] // A bench stops where it cannot measure.

use std::time::{Duration, Instant};

use ringkeeper::codec::txn::{CreateTxn, CreateTxnKind, Op, Txn, TxnHeader};
use ringkeeper::tree::{NoSink, Tree, TreeOptions, TreeWriter};
use ringkeeper::types::{SessionId, WallMillis, Zxid, open_acl};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SHAPES: [(&str, &str); 4] = [
    ("parents", "1,000 children a parent"),
    ("wide", "all under one parent"),
    ("written", "1,000 children a parent, each written to once"),
    ("restored", "1,000 children a parent, filled as from a snapshot"),
];

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let count = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    match arguments.first() {
        Some(shape) => measure(shape, count),
        None => {
            for (shape, _) in SHAPES {
                let me = std::env::current_exe().unwrap();
                std::process::Command::new(me).args([shape, "1000000"]).status().unwrap();
            }
        }
    }
}

fn measure(shape: &str, count: usize) {
    let about = SHAPES.iter().find(|(name, _)| *name == shape).map_or("?", |(_, about)| about);
    let (tree, mut writer) = Tree::new(TreeOptions { hash_seed: 42, ..TreeOptions::default() });
    let empty = resident();
    let a_parent = if shape == "wide" { count } else { 1000 };
    let mut run = Run { zxid: 0, slowest: Duration::ZERO, total: Duration::ZERO };
    for n in 0..count {
        let parent = n / a_parent;
        if n % a_parent == 0 {
            run.create(&mut writer, &format!("/application-{parent:04}"), &[]);
        }
        let path = format!("/application-{parent:04}/node-{n:07}");
        assert_eq!(path.len(), 30);
        if shape == "restored" {
            run.restore(&mut writer, &path);
            continue;
        }
        run.create(&mut writer, &path, &[7; 100]);
        if shape == "written" {
            run.write(&mut writer, &path);
        }
    }
    let used = resident() - empty;
    println!(
        "{count} znodes, {about}: {:.1} bytes resident each; {:.1} MB the process; \
         {:.0} ns a transaction, slowest {:.2} ms (digest {:x})",
        used as f64 / tree.node_count() as f64,
        resident() as f64 / 1e6,
        run.total.as_nanos() as f64 / count as f64,
        run.slowest.as_secs_f64() * 1e3,
        tree.digest(),
    );
}

struct Run {
    zxid: i64,
    slowest: Duration,
    total: Duration,
}

impl Run {
    fn create(&mut self, writer: &mut TreeWriter, path: &str, data: &[u8]) {
        let op = Op::Create(CreateTxn {
            kind: CreateTxnKind::Create { ephemeral: false },
            path: path.to_owned(),
            data: Some(data.to_vec().into()),
            acl: open_acl(),
            parent_cversion: -1,
        });
        self.apply(writer, op);
    }

    fn write(&mut self, writer: &mut TreeWriter, path: &str) {
        let data = Some(vec![8; 100].into());
        self.apply(writer, Op::SetData { path: path.to_owned(), data, version: 1 });
    }

    fn apply(&mut self, writer: &mut TreeWriter, op: Op) {
        self.zxid += 1;
        let header = TxnHeader {
            session: SessionId(1),
            cxid: 1,
            zxid: Zxid(self.zxid),
            time: WallMillis(1_700_000_000_000 + self.zxid),
        };
        let txn = Txn::Op(op);
        let start = Instant::now();
        writer.apply(&header, &txn, &mut NoSink);
        self.took(start);
    }

    fn restore(&mut self, writer: &mut TreeWriter, path: &str) {
        self.zxid += 1;
        let time = WallMillis(1_700_000_000_000 + self.zxid);
        let stat = ringkeeper::types::StoredStat::created(Zxid(self.zxid), time, 0);
        let start = Instant::now();
        writer.restore_node(path, Some(&[7; 100]), -1, &stat).unwrap();
        self.took(start);
    }

    fn took(&mut self, start: Instant) {
        let took = start.elapsed();
        self.total += took;
        self.slowest = self.slowest.max(took);
    }
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap() * 4096
}
