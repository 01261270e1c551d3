//! One request on one key: read, write, mixed, exists, children, multi.

use std::sync::Arc;

use super::{expect_ok, expect_shape, record, value};
use crate::engine::lane::Pending;
use crate::engine::{Cx, Load};
use crate::fault::Fault;
use crate::keys::KeySpace;
use crate::record::Class;
use crate::wire::{self, Cursor, Reply, op};

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum What {
    Read,
    Write,
    /// This share of reads.
    Mixed(f64),
    Exists,
    Children,
    /// This many setData operations in one.
    Multi(u32),
}

pub struct Point {
    what: What,
    keys: Arc<KeySpace>,
    filler: Arc<[u8]>,
    path: Vec<u8>,
}

impl Point {
    pub fn new(what: What, keys: Arc<KeySpace>, filler: Arc<[u8]>) -> Point {
        Point { what, keys, filler, path: Vec::new() }
    }

    fn read(&mut self, cx: &mut Cx<'_>, lane: usize, key: u64, at: u64) {
        let path = &self.path;
        cx.request(lane, 0, key, at, |out, xid| {
            wire::query(out, xid, op::GET_DATA, path, false);
        });
    }

    fn write(&mut self, cx: &mut Cx<'_>, lane: usize, class: usize, key: u64, at: u64) {
        let (path, filler) = (&self.path, &self.filler);
        cx.request(lane, class, key, at, |out, xid| {
            wire::set_data(out, xid, path, value(filler, key));
        });
    }

    fn multi(&mut self, cx: &mut Cx<'_>, lane: usize, steps: u32, at: u64) {
        let Point { keys, filler, path, .. } = self;
        let chosen: Vec<u64> = (0..steps).map(|_| keys.choose(cx.rng)).collect();
        cx.request(lane, 0, u64::from(steps), at, |out, xid| {
            wire::multi(out, xid, |out| {
                for key in chosen {
                    keys.path(key, path);
                    wire::multi_set_data(out, path, value(filler, key));
                }
            });
        });
    }

    fn data_is_right(&self, asked: Pending, reply: &Reply<'_>) -> Option<bool> {
        let mut body = Cursor(reply.body);
        let data = body.bytes()?;
        let stat = body.stat()?;
        let whole = body.is_empty() && stat.data_length as usize == data.len();
        Some(whole && stat.mzxid <= reply.zxid && value(&self.filler, asked.tag).matches(data))
    }

    fn stat_is_right(&self, reply: &Reply<'_>, written: bool) -> Option<bool> {
        let mut body = Cursor(reply.body);
        let stat = body.stat()?;
        let size = stat.data_length as usize == self.filler.len();
        Some(body.is_empty() && size && (!written || stat.version > 0))
    }

    fn multi_is_right(&self, steps: u64, reply: &Reply<'_>) -> Option<bool> {
        let mut body = Cursor(reply.body);
        let mut zxid = None;
        for _ in 0..steps {
            let header = (body.int()?, body.byte()?, body.int()?);
            let stat = body.stat()?;
            let one_txn = *zxid.get_or_insert(stat.mzxid) == stat.mzxid;
            if header != (op::SET_DATA, 0, 0) || !one_txn {
                return Some(false);
            }
        }
        Some((body.int()?, body.byte()?, body.int()?) == (-1, 1, -1) && body.is_empty())
    }

    /// The names must be `k` and digits, as many as there are keys in the directory.
    fn children_are_right(&self, key: u64, reply: &Reply<'_>) -> Option<bool> {
        let mut body = Cursor(reply.body);
        let count = body.int()?;
        for _ in 0..count {
            if body.bytes()?.first() != Some(&b'k') {
                return Some(false);
            }
        }
        Some(body.is_empty() && count as u64 == self.keys.siblings(key))
    }
}

impl Load for Point {
    fn classes(&self) -> Vec<Class> {
        match self.what {
            What::Read => vec![Class::new("read")],
            What::Write => vec![Class::new("write")],
            What::Mixed(_) => vec![Class::new("read"), Class::new("write")],
            What::Exists => vec![Class::new("exists")],
            What::Children => vec![Class::new("children")],
            What::Multi(units) => vec![Class { units, ..Class::new("multi") }],
        }
    }

    fn issue(&mut self, cx: &mut Cx<'_>, lane: usize, at: u64) -> Result<bool, Fault> {
        if let What::Multi(steps) = self.what {
            self.multi(cx, lane, steps, at);
            return Ok(true);
        }
        let key = self.keys.choose(cx.rng);
        self.keys.path(key, &mut self.path);
        match self.what {
            What::Read => self.read(cx, lane, key, at),
            What::Write => self.write(cx, lane, 0, key, at),
            What::Mixed(share) if cx.rng.f64() < share => self.read(cx, lane, key, at),
            What::Mixed(_) => self.write(cx, lane, 1, key, at),
            What::Exists => {
                let path = &self.path;
                cx.request(lane, 0, key, at, |out, xid| {
                    wire::query(out, xid, op::EXISTS, path, false);
                });
            }
            What::Children => {
                let end = self.path.iter().rposition(|b| *b == b'/').unwrap_or(0);
                let parent = &self.path[..end];
                cx.request(lane, 0, key, at, |out, xid| {
                    wire::query(out, xid, op::GET_CHILDREN, parent, false);
                });
            }
            What::Multi(_) => {}
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
        let (good, what) = match self.what {
            What::Read => (self.data_is_right(asked, reply), "getData"),
            What::Mixed(_) if asked.class == 0 => (self.data_is_right(asked, reply), "getData"),
            What::Write | What::Mixed(_) => (self.stat_is_right(reply, true), "setData"),
            What::Exists => (self.stat_is_right(reply, false), "exists"),
            What::Children => (self.children_are_right(asked.tag, reply), "getChildren"),
            What::Multi(_) => (self.multi_is_right(asked.tag, reply), "multi"),
        };
        expect_ok(cx, lane, reply, what)?;
        expect_shape(cx, lane, good, reply, what)?;
        record(cx, asked);
        Ok(())
    }
}
