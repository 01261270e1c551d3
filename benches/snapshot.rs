//! A million znodes of 100 bytes under 30-character paths: to disk and back.
//!
//! `cargo bench --bench snapshot`; the folder is the build's scratch space, so the figures that
//! include a flush are that device's.

use std::hint::black_box;
use std::io;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringkeeper::codec::txn::{CreateTxn, CreateTxnKind, Op, Txn, TxnHeader};
use ringkeeper::snapshot::pack::Compression;
use ringkeeper::snapshot::write::write;
use ringkeeper::snapshot::{Directories, RestoreOptions, WriteOptions, restore, write_file};
use ringkeeper::tree::{NoSink, Tree, TreeOptions, TreeWriter};
use ringkeeper::types::{SessionId, TypeRules, WallMillis, Zxid, open_acl};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const NODES: i64 = 1_000_000;

fn filled() -> TreeWriter {
    let (_, mut writer) = Tree::new(TreeOptions::default());
    let mut zxid = 0;
    let mut create = |path: String| {
        zxid += 1;
        let (session, time) = (SessionId(0), WallMillis(1_700_000_000_000));
        let header = TxnHeader { session, cxid: 0, zxid: Zxid(zxid), time };
        let kind = CreateTxnKind::Create { ephemeral: false };
        let data = Some(vec![b'd'; 100].into());
        let txn = CreateTxn { kind, path, data, acl: open_acl(), parent_cversion: -1 };
        writer.apply(&header, &Txn::Op(Op::Create(txn)), &mut NoSink);
    };
    for n in 0..NODES {
        if n % 1000 == 0 {
            create(format!("/parent-{:05}", n / 1000));
        }
        create(format!("/parent-{:05}/node-{n:010}", n / 1000));
    }
    writer
}

fn snapshot(criterion: &mut Criterion) {
    let writer = filled();
    let tree = writer.tree();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap_or_else(|e| panic!("{e}"));
    let options = |compression| WriteOptions {
        at: tree.applied(),
        restored_upto: Zxid::ZERO,
        quiet: false,
        digest: true,
        last_zxid: true,
        compression,
    };
    let plain = options(Compression::None);
    let open = |at: &Path| Directories::open(at, at, true).unwrap_or_else(|e| panic!("{e}"));
    let dirs = open(dir.path());
    let to_file = || {
        let report = write_file(dirs.snapshots.as_ref(), tree, &[], &plain, &mut |_| true);
        report.unwrap_or_else(|e| panic!("{e}"))
    };
    let report = to_file();
    let mut group = criterion.benchmark_group("snapshot of 1,000,000 znodes");
    group.sample_size(10).throughput(Throughput::Bytes(report.file_bytes));
    group.bench_function("write, nowhere", |bencher| {
        bencher.iter(|| write(tree, &[], &plain, io::sink(), &mut |_| true).is_ok());
    });
    let snappy = options(Compression::Snappy);
    group.bench_function("write, nowhere, snappy", |bencher| {
        bencher.iter(|| write(tree, &[], &snappy, io::sink(), &mut |_| true).is_ok());
    });
    group.bench_function("write, file, flushed", |bencher| bencher.iter(to_file));
    drop(dirs);
    let dirs = open(dir.path());
    let options = RestoreOptions {
        trust_empty: false,
        autocreate: false,
        digest: true,
        field_max: 2 << 20,
        types: TypeRules::default(),
        kill_lost_sessions: true,
        pipeline: ringkeeper::runtime::pipelined,
    };
    group.bench_function("restore", |bencher| {
        bencher.iter_with_large_drop(|| {
            let (_, mut writer) = Tree::new(TreeOptions::default());
            let restored = restore(&dirs, &mut writer, &options, &mut |_, _| {});
            black_box(restored.unwrap_or_else(|e| panic!("{e}")));
            writer
        });
    });
    group.finish();
}

criterion_group!(benches, snapshot);
criterion_main!(benches);
