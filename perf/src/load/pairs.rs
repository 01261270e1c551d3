//! Znodes that come and go: create and delete, persistent or ephemeral-sequential.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{expect_ok, expect_shape, record, value};
use crate::engine::lane::Pending;
use crate::engine::{Cx, Load};
use crate::fault::Fault;
use crate::keys::digits;
use crate::record::Class;
use crate::wire::{self, Cursor, EPHEMERAL_SEQUENTIAL, PERSISTENT, Reply};

const CREATE: usize = 0;
const DELETE: usize = 1;

/// Every connection creates a znode and deletes it again. A session's requests are executed in
/// their order, so the delete may follow the create without waiting for its answer.
pub struct CreateDelete {
    root: Vec<u8>,
    filler: Arc<[u8]>,
    /// The number of each lane in the whole run, and its requests so far.
    lanes: Vec<(u64, u64)>,
    path: Vec<u8>,
}

impl CreateDelete {
    pub fn new(root: &str, filler: Arc<[u8]>, lanes: &[usize]) -> CreateDelete {
        let lanes = lanes.iter().map(|n| (*n as u64, 0)).collect();
        CreateDelete { root: root.into(), filler, lanes, path: Vec::new() }
    }

    fn set_path(&mut self, lane: usize, znode: u64) {
        self.path.clear();
        self.path.extend_from_slice(&self.root);
        self.path.extend_from_slice(b"/n");
        digits(&mut self.path, self.lanes[lane].0, 5);
        self.path.push(b'-');
        digits(&mut self.path, znode, 9);
    }
}

impl Load for CreateDelete {
    fn classes(&self) -> Vec<Class> {
        vec![Class::new("create"), Class::new("delete")]
    }

    fn issue(&mut self, cx: &mut Cx<'_>, lane: usize, at: u64) -> Result<bool, Fault> {
        let count = self.lanes[lane].1;
        self.lanes[lane].1 += 1;
        let znode = count / 2;
        self.set_path(lane, znode);
        let (path, filler) = (&self.path, &self.filler);
        if count.is_multiple_of(2) {
            cx.request(lane, CREATE, znode, at, |out, xid| {
                wire::create(out, xid, path, value(filler, znode), PERSISTENT);
            });
        } else {
            cx.request(lane, DELETE, znode, at, |out, xid| wire::delete(out, xid, path));
        }
        Ok(true)
    }

    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        asked: Pending,
        reply: &Reply<'_>,
    ) -> Result<(), Fault> {
        self.set_path(lane, asked.tag);
        let (good, what) = if usize::from(asked.class) == CREATE {
            (Cursor(reply.body).bytes().map(|path| path == self.path), "create")
        } else {
            (Some(reply.body.is_empty()), "delete")
        };
        expect_ok(cx, lane, reply, what)?;
        expect_shape(cx, lane, good, reply, what)?;
        record(cx, asked);
        Ok(())
    }
}

/// Every connection creates ephemeral sequential znodes and deletes them as it learns their names.
pub struct EphemeralSequential {
    prefix: Vec<u8>,
    filler: Arc<[u8]>,
    /// Per lane: paths to delete, oldest first.
    made: Vec<VecDeque<Vec<u8>>>,
}

impl EphemeralSequential {
    pub fn new(root: &str, filler: Arc<[u8]>, lanes: &[usize]) -> EphemeralSequential {
        let prefix = format!("{root}/e-").into_bytes();
        EphemeralSequential { prefix, filler, made: vec![VecDeque::new(); lanes.len()] }
    }
}

impl Load for EphemeralSequential {
    fn classes(&self) -> Vec<Class> {
        vec![Class::new("create"), Class::new("delete")]
    }

    fn issue(&mut self, cx: &mut Cx<'_>, lane: usize, at: u64) -> Result<bool, Fault> {
        if let Some(path) = self.made[lane].pop_front() {
            cx.request(lane, DELETE, 0, at, |out, xid| wire::delete(out, xid, &path));
        } else {
            let (prefix, filler) = (&self.prefix, &self.filler);
            cx.request(lane, CREATE, 0, at, |out, xid| {
                wire::create(out, xid, prefix, value(filler, 0), EPHEMERAL_SEQUENTIAL);
            });
        }
        Ok(true)
    }

    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        asked: Pending,
        reply: &Reply<'_>,
    ) -> Result<(), Fault> {
        if usize::from(asked.class) == CREATE {
            expect_ok(cx, lane, reply, "create")?;
            let path = Cursor(reply.body).bytes().unwrap_or_default();
            let number = path.strip_prefix(self.prefix.as_slice()).unwrap_or_default();
            let good = number.len() == 10 && number.iter().all(u8::is_ascii_digit);
            expect_shape(cx, lane, Some(good), reply, "create")?;
            self.made[lane].push_back(path.to_vec());
        } else {
            expect_ok(cx, lane, reply, "delete")?;
            expect_shape(cx, lane, Some(reply.body.is_empty()), reply, "delete")?;
        }
        record(cx, asked);
        Ok(())
    }
}
