//! The wire's hot paths: a getData request in, its reply out, a transaction's bytes both ways.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringkeeper::codec::reply;
use ringkeeper::codec::request::{self, ReadOp, Request};
use ringkeeper::codec::txn::{self, Entry, Op, Txn, TxnDigest, TxnHeader};
use ringkeeper::types::{SessionId, Stat, WallMillis, Xid, Zxid};
use std::borrow::Cow;
use std::hint::black_box;

const PATH: &str = "/services/orders/instances/0017";
const FIELD_MAX: usize = 2 << 20;

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    let read = ReadOp::GetData { path: Some(Cow::Borrowed(PATH)), watch: false };
    let mut frame = Vec::new();
    request::encode(&mut frame, Xid(7), &Request::Read(read));
    group.bench_function("decode getData", |b| {
        b.iter(|| {
            let head = request::decode_header(black_box(&frame[4..]));
            head.is_ok_and(|(header, body)| request::decode_body(header.opcode, body).is_ok())
        });
    });
    let data = [7; 100];
    let mut out = Vec::with_capacity(256);
    group.bench_function("reply with 100 bytes of data", |b| {
        b.iter(|| {
            out.clear();
            reply::data(&mut out, Xid(7), Zxid(9), Some(black_box(&data)), &Stat::default());
            black_box(out.len())
        });
    });
    let entry = Entry {
        header: TxnHeader {
            session: SessionId(0x100_0000_0000_0001),
            cxid: 7,
            zxid: Zxid(9),
            time: WallMillis(1_700_000_000_000),
        },
        txn: Txn::Op(Op::SetData {
            path: PATH.into(),
            data: Some(Bytes::from_static(&[7; 100])),
            version: 3,
        }),
        digest: Some(TxnDigest { version: TxnDigest::VERSION, digest: 42 }),
    };
    let mut bytes = Vec::new();
    group.bench_function("encode setData entry", |b| {
        b.iter(|| {
            bytes.clear();
            txn::encode_entry(black_box(&entry), &mut bytes);
            black_box(bytes.len())
        });
    });
    group.bench_function("decode setData entry", |b| {
        b.iter(|| black_box(txn::decode_entry(black_box(&bytes), FIELD_MAX).is_ok()));
    });
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
