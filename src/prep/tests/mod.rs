//! Prep against a real tree: the order of the checks, and that writes in flight change nothing.

use std::sync::Arc;

use bytes::Bytes;

use crate::acl::Policy;
use crate::codec::request::{CreateCall, CreateOp, MultiOp, RawAcl, WriteOp};
use crate::codec::txn::{Entry, Op, SubTxn, Txn};
use crate::session::{IdSource, Sessions};
use crate::tree::{NoSink, Outcome, Tree, TreeOptions, TreeWriter};
use crate::types::StoredStat;
use crate::types::{
    ConnId, ConnRef, CoreId, ErrorCode, Identity, Millis, Owner, ServerId, SessionId, TypeRules,
    WallMillis, Xid, Zxid,
};

use super::*;

mod checks;
mod in_flight;
mod random;
mod reconfig;

const ME: SessionId = SessionId(0x100);

fn settings() -> PrepSettings {
    PrepSettings {
        policy: Policy::default(),
        types: TypeRules { extended_types: true, emulate_353_ttl: false },
        digest: true,
        enforce_quota: false,
        reconfig_enabled: false,
        close_lists_paths: true,
        entry_len_max: 2 * 0xf_ffff,
        hash_seed: 7,
    }
}

/// A server's control core without the rest of the server.
struct World {
    tree: Arc<Tree>,
    writer: TreeWriter,
    sessions: Sessions,
    prep: Prep,
    now: i64,
    /// Entries prepared and not applied.
    in_flight: Vec<Entry>,
}

impl World {
    fn new(settings: PrepSettings) -> World {
        let options = TreeOptions { shards: 16, types: settings.types, ..TreeOptions::default() };
        let (tree, writer) = Tree::new(options);
        let mut sessions = Sessions::new(2000, IdSource::new(ServerId(1), WallMillis(0)));
        sessions.create(ME, 30_000, Millis(0));
        let prep = Prep::new(settings, Zxid(0));
        World { tree, writer, sessions, prep, now: 1_000, in_flight: Vec::new() }
    }

    /// Prepares and leaves in flight.
    fn prepare(&mut self, requester: &Requester<'_>, op: &WriteOp) -> Entry {
        self.now += 1;
        let now = WallMillis(self.now);
        let entry = self.prep.write(&self.tree, &self.sessions, now, requester, op);
        self.in_flight.push(entry.clone());
        entry
    }

    /// Applies the oldest in flight, checking that its digest was foreseen (I13).
    fn apply_one(&mut self) -> Outcome {
        let entry = self.in_flight.remove(0);
        let outcome = self.writer.apply(&entry.header, &entry.txn, &mut NoSink);
        if let Some(digest) = entry.digest {
            assert_eq!(digest.digest, self.tree.digest(), "I13 after {entry:?}");
        }
        self.prep.applied(entry.header.zxid);
        outcome
    }

    fn apply_all(&mut self) {
        while !self.in_flight.is_empty() {
            self.apply_one();
        }
        assert_eq!(self.prep.outstanding(), 0, "nothing in flight, nothing kept");
    }

    /// Prepares and applies: lag 0.
    fn write(&mut self, op: &WriteOp) -> Result<Op, ErrorCode> {
        self.write_as(&me(), op)
    }

    fn write_as(&mut self, requester: &Requester<'_>, op: &WriteOp) -> Result<Op, ErrorCode> {
        let entry = self.prepare(requester, op);
        self.apply_all();
        verdict(entry)
    }
}

fn verdict(entry: Entry) -> Result<Op, ErrorCode> {
    match entry.txn {
        Txn::Op(op) => Ok(op),
        Txn::Error(code) => Err(code),
        other => panic!("neither operation nor error: {other:?}"),
    }
}

fn subs(entry: &Entry) -> &[SubTxn] {
    match &entry.txn {
        Txn::Multi(subs) => subs,
        other => panic!("no multi: {other:?}"),
    }
}

fn requester(session: SessionId, identities: &[Identity]) -> Requester<'_> {
    Requester { session, xid: Xid(9), identities, from: None }
}

fn me() -> Requester<'static> {
    requester(ME, &[])
}

fn raw(perms: i32, scheme: &str, id: &str) -> RawAcl {
    RawAcl { perms, scheme: Some(scheme.into()), id: Some(id.into()) }
}

fn open() -> Option<Vec<RawAcl>> {
    Some(vec![raw(31, "world", "anyone")])
}

fn create_op(path: &str, flags: i32) -> CreateOp {
    CreateOp {
        call: CreateCall::Create,
        path: Some(path.into()),
        data: Some(Bytes::from_static(b"data")),
        acl: open(),
        flags,
        ttl: -1,
    }
}

fn create(path: &str, flags: i32) -> WriteOp {
    WriteOp::Create(create_op(path, flags))
}

fn delete(path: &str, version: i32) -> WriteOp {
    WriteOp::Delete { path: Some(path.into()), version }
}

fn set_data(path: &str, data: &'static [u8], version: i32) -> WriteOp {
    WriteOp::SetData { path: Some(path.into()), data: Some(Bytes::from_static(data)), version }
}

fn set_acl(path: &str, acl: Option<Vec<RawAcl>>, version: i32) -> WriteOp {
    WriteOp::SetAcl { path: Some(path.into()), acl, version }
}

/// A node with chosen figures, put into the tree as a snapshot would.
fn plant(world: &mut World, path: &str, stat: StoredStat) {
    world.writer.restore_node(path, Some(b""), -1, &stat).unwrap();
    world.writer.finish_restore(world.prep.last()).unwrap();
}
