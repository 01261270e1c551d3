//! The lock recipe of ZooKeeper's documentation, end to end.
//!
//! A contender creates an ephemeral sequential znode below the lock, lists the lock's children, and
//! holds the lock when its own is the lowest. Otherwise it watches the one just before it and lists
//! again when that is gone. A holder releases at once by deleting its znode. Measured: the hand-over
//! (from sending the delete until the next contender knows that it holds the lock) and the whole
//! wait of a contender.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use super::sweep::children;
use super::{expect_ok, expect_shape};
use crate::engine::lane::Pending;
use crate::engine::{Cx, Load};
use crate::fault::Fault;
use crate::record::Class;
use crate::wire::{self, Cursor, EPHEMERAL_SEQUENTIAL, Reply, Value, err, op};

const HANDOVER: usize = 0;
const ACQUIRE: usize = 1;
const CREATE: usize = 2;
const LIST: usize = 3;
const WATCH: usize = 4;
const DELETE: usize = 5;

/// When each lock's last holder sent its release; 0: nobody has.
pub struct Releases(Vec<AtomicU64>);

impl Releases {
    pub fn new(locks: usize) -> Releases {
        Releases((0..locks).map(|_| AtomicU64::new(0)).collect())
    }
}

/// The znode whose children contend for lock `number`.
pub fn directory(root: &str, number: usize) -> Vec<u8> {
    format!("{root}/lock{number:04}").into_bytes()
}

struct Contender {
    lock: usize,
    directory: Vec<u8>,
    /// The own znode's name.
    name: Vec<u8>,
    since: u64,
}

pub struct Contenders {
    lanes: Vec<Contender>,
    releases: Arc<Releases>,
}

impl Contenders {
    pub fn new(root: &str, lanes: &[usize], releases: Arc<Releases>) -> Contenders {
        let contender = |n: &usize| {
            let lock = n % releases.0.len();
            Contender { lock, directory: directory(root, lock), name: Vec::new(), since: 0 }
        };
        Contenders { lanes: lanes.iter().map(contender).collect(), releases }
    }

    fn contend(&mut self, cx: &mut Cx<'_>, lane: usize) {
        let me = &mut self.lanes[lane];
        me.since = cx.now;
        let (path, now) = ([&me.directory[..], b"/c-"].concat(), cx.now);
        cx.request(lane, CREATE, 0, now, |out, xid| {
            wire::create(out, xid, &path, Value::EMPTY, EPHEMERAL_SEQUENTIAL);
        });
    }

    fn list(&mut self, cx: &mut Cx<'_>, lane: usize) {
        let (directory, now) = (&self.lanes[lane].directory, cx.now);
        cx.request(lane, LIST, 0, now, |out, xid| {
            wire::query(out, xid, op::GET_CHILDREN, directory, false);
        });
    }

    fn listed(&mut self, cx: &mut Cx<'_>, lane: usize, reply: &Reply<'_>) -> Result<(), Fault> {
        let names = children(reply.body);
        let me = &mut self.lanes[lane];
        let mine = names.as_ref().map(|names| names.iter().any(|n| **n == me.name));
        expect_shape(cx, lane, mine, reply, "getChildren")?;
        // All names have one prefix and ten digits: their order is the numbers' order.
        let before = names.unwrap_or_default().into_iter().filter(|n| **n < *me.name).max();
        let now = cx.now;
        let Some(before) = before else {
            let released = self.releases.0[me.lock].swap(0, SeqCst);
            if released > 0 {
                cx.recorder.record(HANDOVER, released, now);
            }
            cx.recorder.record(ACQUIRE, me.since, now);
            let path = [&me.directory[..], b"/", &me.name].concat();
            self.releases.0[me.lock].store(now, SeqCst);
            cx.request(lane, DELETE, 0, now, |out, xid| wire::delete(out, xid, &path));
            return Ok(());
        };
        let path = [&me.directory[..], b"/", before].concat();
        cx.request(lane, WATCH, 0, now, |out, xid| wire::query(out, xid, op::EXISTS, &path, true));
        Ok(())
    }
}

impl Load for Contenders {
    fn classes(&self) -> Vec<Class> {
        vec![Class::new("hand-over"), Class::view("acquire")]
    }

    fn paced(&self) -> bool {
        false
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        for lane in 0..cx.lanes() {
            self.contend(cx, lane);
        }
        Ok(())
    }

    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        asked: Pending,
        reply: &Reply<'_>,
    ) -> Result<(), Fault> {
        let class = usize::from(asked.class);
        if !(class == WATCH && reply.err == err::NO_NODE) {
            expect_ok(cx, lane, reply, "a step of the lock recipe")?;
        }
        if class == CREATE {
            let path = Cursor(reply.body).bytes().unwrap_or_default();
            let slash = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
            let good = path.get(..slash) == Some(&self.lanes[lane].directory[..]);
            expect_shape(cx, lane, Some(good), reply, "create")?;
            self.lanes[lane].name = path[slash + 1..].to_vec();
        }
        if cx.ending {
            return Ok(());
        }
        match class {
            CREATE => self.list(cx, lane),
            LIST => self.listed(cx, lane, reply)?,
            WATCH if reply.err == err::NO_NODE => self.list(cx, lane),
            DELETE => self.contend(cx, lane),
            _ => {}
        }
        Ok(())
    }

    fn event(&mut self, cx: &mut Cx<'_>, lane: usize, _event: &Reply<'_>) -> Result<(), Fault> {
        if !cx.ending {
            self.list(cx, lane);
        }
        Ok(())
    }
}
