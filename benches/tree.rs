//! Speed of the tree's parts, one core: a million znodes, 1,000 children a parent.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringkeeper::codec::txn::{CreateTxn, CreateTxnKind, Op, SubTxn, Txn, TxnHeader};
use ringkeeper::tree::{NoSink, Tree, TreeOptions, TreeWriter};
use ringkeeper::types::{SessionId, WallMillis, Zxid, open_acl};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const NODES: usize = 1_000_000;

fn path_of(n: usize) -> String {
    format!("/application-{:04}/node-{n:07}", n / 1000)
}

fn create(path: String) -> Op {
    Op::Create(CreateTxn {
        kind: CreateTxnKind::Create { ephemeral: false },
        path,
        data: Some(vec![7; 100].into()),
        acl: open_acl(),
        parent_cversion: -1,
    })
}

struct World {
    tree: Arc<Tree>,
    writer: TreeWriter,
    zxid: i64,
}

impl World {
    fn apply(&mut self, txn: &Txn) {
        self.zxid += 1;
        let zxid = Zxid(self.zxid);
        let time = WallMillis(1_700_000_000_000 + self.zxid);
        let header = TxnHeader { session: SessionId(1), cxid: 1, zxid, time };
        black_box(self.writer.apply(&header, txn, &mut NoSink));
    }

    fn full() -> World {
        let (tree, writer) = Tree::new(TreeOptions { hash_seed: 42, ..TreeOptions::default() });
        let mut world = World { tree, writer, zxid: 0 };
        for n in 0..NODES {
            if n % 1000 == 0 {
                world.apply(&Txn::Op(create(format!("/application-{:04}", n / 1000))));
            }
            world.apply(&Txn::Op(create(path_of(n))));
        }
        world
    }
}

/// A walk over all indices in an order no prefetcher guesses.
fn scattered() -> impl Iterator<Item = usize> {
    (0..).map(|n: usize| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % NODES)
}

fn reads(c: &mut Criterion, world: &World) {
    let mut group = c.benchmark_group("tree");
    group.throughput(Throughput::Elements(1));
    let tree = &world.tree;
    let read =
        |path: &str| tree.read(path, |node| node.map(|n| (n.stat(), n.data_len(), n.acl().len())));
    for (name, among) in [("lookup/hot", 1000), ("lookup/random", NODES)] {
        let paths: Vec<String> = scattered().take(NODES).map(|n| path_of(n % among)).collect();
        let mut at = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                at = (at + 1) % paths.len();
                black_box(read(&paths[at]))
            });
        });
    }
    group.bench_function("lookup/missing", |b| b.iter(|| black_box(read("/application-0001/no"))));
    group.throughput(Throughput::Elements(1000));
    group.bench_function("children/1000", |b| {
        b.iter(|| {
            tree.read("/application-0500", |node| {
                node.map_or(0, |n| n.children().map(|name| black_box(name).len()).sum())
            })
        });
    });
    group.finish();
}

fn reads_beside_writes(c: &mut Criterion, world: &mut World) {
    let mut group = c.benchmark_group("tree");
    group.throughput(Throughput::Elements(1));
    let paths: Vec<String> = scattered().take(100_000).map(path_of).collect();
    let (tree, done) = (Arc::clone(&world.tree), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in scattered() {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let data = Some(vec![9; 100].into());
                world.apply(&Txn::Op(Op::SetData { path: path_of(n), data, version: 2 }));
            }
        });
        let mut at = 0;
        group.bench_function("lookup/random beside a writer", |b| {
            b.iter(|| {
                at = (at + 1) % paths.len();
                black_box(tree.read(&paths[at], |node| node.map(|n| n.stat())))
            });
        });
        done.store(true, Ordering::Relaxed);
    });
    group.finish();
}

fn writes(c: &mut Criterion, world: &mut World) {
    let mut group = c.benchmark_group("tree");
    group.throughput(Throughput::Elements(1));
    let mut order = scattered();
    let mut next = move || path_of(order.next().unwrap_or_default());
    group.bench_function("setData/random", |b| {
        b.iter_batched(
            || Txn::Op(Op::SetData { path: next(), data: Some(vec![8; 100].into()), version: 1 }),
            |txn| world.apply(&txn),
            BatchSize::SmallInput,
        );
    });
    let mut n = NODES;
    group.bench_function("create+delete", |b| {
        b.iter_batched(
            || {
                n += 1;
                let path = format!("/application-{:04}/node-{n:07}", n % 1000);
                (Txn::Op(create(path.clone())), Txn::Op(Op::Delete { path }))
            },
            |(make, unmake)| {
                world.apply(&make);
                world.apply(&unmake);
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("multi/10 setData", |b| {
        let mut order = scattered();
        b.iter_batched(
            || {
                let op = |n| Op::SetData {
                    path: path_of(n),
                    data: Some(vec![8; 100].into()),
                    version: 1,
                };
                Txn::Multi(order.by_ref().take(10).map(op).map(SubTxn::Op).collect())
            },
            |txn| world.apply(&txn),
            BatchSize::SmallInput,
        );
    });
    // Last: the nodes stay.
    group.bench_function("create", |b| {
        b.iter_batched(
            || {
                n += 1;
                Txn::Op(create(format!("/application-{:04}/node-{n:07}", n % 1000)))
            },
            |txn| world.apply(&txn),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn all(c: &mut Criterion) {
    let mut world = World::full();
    reads(c, &world);
    reads_beside_writes(c, &mut world);
    writes(c, &mut world);
}

criterion_group!(benches, all);
criterion_main!(benches);
