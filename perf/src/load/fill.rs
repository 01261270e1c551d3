//! Making many znodes, pipelined.

use std::ops::Range;
use std::sync::Arc;

use super::{expect_ok, expect_shape, record, value};
use crate::engine::lane::Pending;
use crate::engine::{Cx, Load};
use crate::fault::Fault;
use crate::keys::KeySpace;
use crate::record::Class;
use crate::wire::{self, Cursor, PERSISTENT, Reply, Value, err};

const CREATE: usize = 0;
const REWRITE: usize = 1;

/// Creates a range of keys.
pub struct Fill {
    keys: Arc<KeySpace>,
    filler: Arc<[u8]>,
    next: u64,
    end: u64,
    owed: usize,
    /// A key that exists is given the value; otherwise it is a fault.
    rewrite: bool,
    path: Vec<u8>,
}

impl Fill {
    pub fn new(keys: Arc<KeySpace>, filler: Arc<[u8]>, range: Range<u64>, rewrite: bool) -> Fill {
        let Range { start, end } = range;
        Fill { keys, filler, next: start, end, owed: 0, rewrite, path: Vec::new() }
    }
}

impl Load for Fill {
    fn classes(&self) -> Vec<Class> {
        vec![Class::new("create"), Class::view("rewrite")]
    }

    fn issue(&mut self, cx: &mut Cx<'_>, lane: usize, at: u64) -> Result<bool, Fault> {
        if self.next == self.end {
            return Ok(false);
        }
        let key = self.next;
        self.next += 1;
        self.owed += 1;
        self.keys.path(key, &mut self.path);
        let (path, filler) = (&self.path, &self.filler);
        cx.request(lane, CREATE, key, at, |out, xid| {
            wire::create(out, xid, path, value(filler, key), PERSISTENT);
        });
        Ok(true)
    }

    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        asked: Pending,
        reply: &Reply<'_>,
    ) -> Result<(), Fault> {
        self.owed -= 1;
        if usize::from(asked.class) == REWRITE {
            expect_ok(cx, lane, reply, "setData")?;
            return expect_shape(
                cx,
                lane,
                Cursor(reply.body).stat().map(|_| true),
                reply,
                "setData",
            );
        }
        self.keys.path(asked.tag, &mut self.path);
        if reply.err == err::NODE_EXISTS && self.rewrite {
            self.owed += 1;
            let (path, filler, now) = (&self.path, &self.filler, cx.now);
            cx.request(lane, REWRITE, asked.tag, now, |out, xid| {
                wire::set_data(out, xid, path, value(filler, asked.tag));
            });
            return Ok(());
        }
        expect_ok(cx, lane, reply, "create")?;
        let good = Cursor(reply.body).bytes().map(|path| path == self.path);
        expect_shape(cx, lane, good, reply, "create")?;
        record(cx, asked);
        Ok(())
    }

    fn exhausted(&self) -> bool {
        self.next == self.end && self.owed == 0
    }
}

/// Creates the given paths in their order on one connection; those that exist are left.
pub struct List {
    paths: Vec<Vec<u8>>,
    next: usize,
    done: usize,
}

impl List {
    pub fn new(paths: Vec<Vec<u8>>) -> List {
        List { paths, next: 0, done: 0 }
    }
}

impl Load for List {
    fn classes(&self) -> Vec<Class> {
        vec![Class::new("create")]
    }

    fn issue(&mut self, cx: &mut Cx<'_>, lane: usize, at: u64) -> Result<bool, Fault> {
        let Some(path) = self.paths.get(self.next) else { return Ok(false) };
        self.next += 1;
        cx.request(lane, CREATE, 0, at, |out, xid| {
            wire::create(out, xid, path, Value::EMPTY, PERSISTENT);
        });
        Ok(true)
    }

    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        asked: Pending,
        reply: &Reply<'_>,
    ) -> Result<(), Fault> {
        if reply.err != err::NODE_EXISTS {
            expect_ok(cx, lane, reply, "create")?;
        }
        self.done += 1;
        record(cx, asked);
        Ok(())
    }

    fn exhausted(&self) -> bool {
        self.done == self.paths.len()
    }
}
