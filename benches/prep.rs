//! Judging a write: setData and create of 100 bytes, with nothing and with much in flight.
//!
//! `cargo bench --bench prep`

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::Criterion;

use ringkeeper::acl::Policy;
use ringkeeper::codec::request::{CreateCall, CreateOp, RawAcl, WriteOp};
use ringkeeper::prep::{Prep, PrepSettings, Requester};
use ringkeeper::session::{IdSource, Sessions};
use ringkeeper::tree::{NoSink, Tree, TreeOptions};
use ringkeeper::types::{Millis, ServerId, SessionId, TypeRules, WallMillis, Xid, Zxid};

#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const NODES: usize = 100_000;
const ME: SessionId = SessionId(1);

fn create(path: String, flags: i32) -> WriteOp {
    let open = RawAcl { perms: 31, scheme: Some("world".into()), id: Some("anyone".into()) };
    WriteOp::Create(CreateOp {
        call: CreateCall::Create,
        path: Some(path),
        data: Some(Bytes::from_static(&[b'x'; 100])),
        acl: Some(vec![open]),
        flags,
        ttl: -1,
    })
}

/// Prep over a tree of many nodes, with as many writes in flight as wanted.
struct Line {
    tree: Arc<Tree>,
    sessions: Sessions,
    prep: Prep,
    in_flight: i64,
}

impl Line {
    fn new(in_flight: i64) -> Line {
        let (tree, mut writer) = Tree::new(TreeOptions::default());
        let mut sessions = Sessions::new(2000, IdSource::new(ServerId(1), WallMillis(0)));
        sessions.create(ME, 30_000, Millis(0));
        let settings = PrepSettings {
            policy: Policy::default(),
            types: TypeRules::default(),
            digest: true,
            enforce_quota: false,
            reconfig_enabled: false,
            close_lists_paths: true,
            entry_len_max: 2 * 0xf_ffff,
            hash_seed: 7,
        };
        let mut line = Line { prep: Prep::new(settings, Zxid(0)), tree, sessions, in_flight: 0 };
        for n in 0..NODES {
            let entry = line.judge(&create(format!("/node-number-{n:017}"), 0));
            writer.apply(&entry.header, &entry.txn, &mut NoSink);
            line.prep.applied(entry.header.zxid);
        }
        line.in_flight = in_flight;
        line
    }

    fn judge(&mut self, op: &WriteOp) -> ringkeeper::codec::txn::Entry {
        let asker = Requester { session: ME, xid: Xid(1), identities: &[], from: None };
        let entry = self.prep.write(&self.tree, &self.sessions, WallMillis(1), &asker, op);
        // The tree stays as it is: what is measured is the judging.
        self.prep.applied(Zxid(entry.header.zxid.0 - self.in_flight));
        entry
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    for in_flight in [0, 1000] {
        let mut line = Line::new(in_flight);
        let writes: Vec<WriteOp> = (0..NODES)
            .map(|n| WriteOp::SetData {
                path: Some(format!("/node-number-{:017}", n * 7919 % NODES)),
                data: Some(Bytes::from_static(&[b'y'; 100])),
                version: -1,
            })
            .collect();
        let mut next = writes.iter().cycle();
        criterion.bench_function(&format!("prep/setData, {in_flight} in flight"), |b| {
            b.iter(|| next.next().map(|op| line.judge(op)));
        });
        let sequential = create("/node-number-00000000000000001/n-".into(), 2);
        criterion.bench_function(&format!("prep/create, {in_flight} in flight"), |b| {
            b.iter(|| line.judge(&sequential));
        });
    }
    criterion.final_summary();
}
